"""The real KVM: its device, its VMs, and the probe of what a VM takes.

Nothing is asked or opened when this package is imported.
"""

from gmemflags._learn import ProbeReport
from gmemflags.linux._kvm import Kvm, Vm
from gmemflags.linux._probe import probe

__all__ = ["Kvm", "ProbeReport", "Vm", "probe"]
