"""The real KVM: its device, its VMs, and the probe of what a VM takes.

Nothing is asked or opened when this package is imported.
"""

from gmemflags._learn import CheckedRule, Observation, ProbeReport, RuleState
from gmemflags.linux._kvm import Kvm, Vm
from gmemflags.linux._probe import probe

__all__ = ["CheckedRule", "Kvm", "Observation", "ProbeReport", "RuleState", "Vm", "probe"]
