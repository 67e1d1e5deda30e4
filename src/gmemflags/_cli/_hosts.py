"""Hosts that come with this program, to look at without one: what their KVM answers.

Each says whether a real host was asked (recorded) or its kernel's sources were read (derived), and
from where. A number that is not in a table answers 0, as an unknown capability does.
"""

from __future__ import annotations

from contextlib import nullcontext
from errno import EINVAL
from typing import TYPE_CHECKING

from attrs import frozen

from gmemflags._mainline import COMMIT_ARM64, COMMIT_FLAGS, COMMIT_INIT_SHARED
from gmemflags._catalog import Scope
from gmemflags._exceptions import KvmUnavailableError, Unavailable
from gmemflags._host import HostFacts
from gmemflags.testing import FakeBackend

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from gmemflags._host import Backend

_COMMIT_PRIVATE = (
    'Linux commit 89ea60c2c7b5 ("KVM: x86: Add support for "protected VMs" that can utilize private'
    ' memory"), v6.8'
)
_COMMIT_MEMORY2 = 'Linux commit bb58b90b1a8f ("KVM: Introduce KVM_SET_USER_MEMORY_REGION2"), v6.8'
_COMMIT_GUEST_MEMFD = (
    'Linux commit a7800aa80ea4 ("KVM: Add KVM_CREATE_GUEST_MEMFD ioctl() for guest-specific backing'
    ' memory"), v6.8'
)
_FIRECRACKER = (
    "the flags of Firecracker's secret-freedom kernels (6.18-based, 2026); mail"
    ' "Direct Map Removal Support for guest_memfd", v12, 10 Apr 2026; their names are in'
    " --catalog firecracker-secret-free"
)


@frozen(kw_only=True)
class RecordedHost:
    """What a host answers, by capability number: on /dev/kvm, and on a VM of each type."""

    name: str
    recorded: bool
    source: str
    kernel: str
    machine: str
    on_system: Mapping[int, int]
    on_vm: Mapping[int, Mapping[int, int]]

    @property
    def how(self) -> str:
        """``recorded`` or ``derived``."""
        return "recorded" if self.recorded else "derived"

    @property
    def title(self) -> dict[str, str]:
        """What this host is, and how its answers came about."""
        asked = "a real host was asked" if self.recorded else "no such host was asked"
        return {"host": f"{self.name}, {self.how}: {asked}", "source": self.source}

    @property
    def system(self) -> Backend:
        """Its /dev/kvm."""
        return self._replayed(self.on_system, Scope.SYSTEM, None, "/dev/kvm")

    def vm(self, vm_type: int) -> AbstractContextManager[Backend]:
        """A VM of ``vm_type``; without a record of one, the error that the kernel gives."""
        what = f"VM of type {vm_type}"
        if vm_type not in self.on_vm:
            problem = f"{self.name} has no such VM"
            raise KvmUnavailableError(EINVAL, problem, what, Unavailable.NO_VM)
        return nullcontext(self._replayed(self.on_vm[vm_type], Scope.VM, vm_type, what))

    def _replayed(
        self, answers: Mapping[int, int], scope: Scope, vm_type: int | None, what: str
    ) -> Backend:
        facts = HostFacts(kernel=self.kernel, machine=self.machine, vm_type=vm_type)
        origin = f"{what} of {self.name} ({self.how})"
        return FakeBackend(answers, scope=scope, host=facts, origin=origin)


# 231 USER_MEMORY2, 233 MEMORY_ATTRIBUTES, 234 GUEST_MEMFD, 235 VM_TYPES, 244 GUEST_MEMFD_FLAGS
_NO_KVM_6_8 = {231: 0, 233: 0, 234: 0, 235: 0, 244: 0}
_X86_6_18 = {231: 1, 233: 0, 234: 1, 235: 1, 244: 3}
_PRIVATE_6_8 = {231: 1, 233: 8, 234: 1, 235: 0b11, 244: 0}
_CONFIDENTIAL = {231: 1, 233: 8, 234: 1, 235: 0b11_0011, 244: 3}
_PRIVATE_6_18 = {**_CONFIDENTIAL, 244: 1}
_ARM64 = {231: 1, 233: 0, 234: 1, 235: 0, 244: 3}
_RISCV64 = {231: 1, 233: 0, 234: 0, 235: 0, 244: 0}
_SECRET_FREE = {231: 1, 233: 0, 234: 1, 235: 1, 244: 0xF, 245: 1}

HOSTS = {
    host.name: host
    for host in (
        RecordedHost(
            name="linux-6.7-x86_64",
            recorded=False,
            source=f"the kernel before {_COMMIT_MEMORY2} and {_COMMIT_GUEST_MEMFD}",
            kernel="6.7",
            machine="x86_64",
            on_system=_NO_KVM_6_8,
            on_vm={0: _NO_KVM_6_8},
        ),
        RecordedHost(
            name="linux-6.8-x86_64",
            recorded=False,
            source=f"{_COMMIT_GUEST_MEMFD}; {_COMMIT_PRIVATE}",
            kernel="6.8",
            machine="x86_64",
            on_system=_PRIVATE_6_8,
            on_vm={0: {**_PRIVATE_6_8, 233: 0, 234: 0}, 1: _PRIVATE_6_8},
        ),
        RecordedHost(
            name="linux-6.18-x86_64",
            recorded=True,
            source="Linux 6.18.44 (x86_64) with a real /dev/kvm that makes default VMs only",
            kernel="6.18.44",
            machine="x86_64",
            on_system=_X86_6_18,
            on_vm={0: _X86_6_18},
        ),
        RecordedHost(
            name="linux-6.18-x86_64-confidential",
            recorded=False,
            source=f"{COMMIT_INIT_SHARED}; {_COMMIT_PRIVATE}; no one machine has both SNP (type 4)"
            " and TDX (type 5)",
            kernel="6.18",
            machine="x86_64",
            on_system=_CONFIDENTIAL,
            on_vm={
                0: {**_CONFIDENTIAL, 233: 0},
                **dict.fromkeys((1, 4, 5), _PRIVATE_6_18),
            },
        ),
        RecordedHost(
            name="linux-6.18-aarch64",
            recorded=False,
            source=COMMIT_ARM64,
            kernel="6.18",
            machine="aarch64",
            on_system=_ARM64,
            on_vm={0: _ARM64},
        ),
        RecordedHost(
            name="linux-6.18-riscv64",
            recorded=False,
            source=f"{COMMIT_FLAGS}: riscv builds no guest_memfd; {_COMMIT_MEMORY2}",
            kernel="6.18",
            machine="riscv64",
            on_system=_RISCV64,
            on_vm={0: _RISCV64},
        ),
        RecordedHost(
            name="firecracker-secret-free-x86_64",
            recorded=False,
            source=_FIRECRACKER,
            kernel="6.18",
            machine="x86_64",
            on_system=_SECRET_FREE,
            on_vm={0: _SECRET_FREE},
        ),
    )
}
