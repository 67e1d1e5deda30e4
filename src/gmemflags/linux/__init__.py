"""The Linux edge: the real KVM, and the only room that makes a system call.

Nothing is asked, opened or loaded when this package is imported.
"""

from gmemflags.linux._kvm import Kvm, Vm

__all__ = ["Kvm", "Vm"]
