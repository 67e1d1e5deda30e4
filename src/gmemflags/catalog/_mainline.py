"""The catalog of mainline Linux: two flags, and what the kernel does with them.

There is no rule for CREATE, because the kernel has none: all four combinations can be created.
What is useless, or cannot be bound, is told by the later stages.
"""

from __future__ import annotations

from gmemflags.catalog import _uapi
from gmemflags.catalog._catalog import Catalog
from gmemflags.catalog._request import Need, Profile, Request
from gmemflags.catalog._rules import Always, Hosts, Requires, Stage
from gmemflags.catalog._uapi import Capability
from gmemflags.masks import FlagWord

COMMIT_FLAGS = (
    'Linux commit d2042d8f96dd ("KVM: Rework KVM_CAP_GUEST_MEMFD_MMAP into'
    ' KVM_CAP_GUEST_MEMFD_FLAGS"), v6.18'
)
COMMIT_MMAP = (
    'Linux commit 3d3a04fad25a ("KVM: Allow and advertise support for host mmap() on'
    ' guest_memfd files"), v6.18'
)
COMMIT_INIT_SHARED = (
    'Linux commit fe2bf6234e94 ("KVM: guest_memfd: Add INIT_SHARED flag, reject user page faults'
    ' if not set"), v6.18'
)
COMMIT_ARM64 = (
    'Linux commit 32e200bd6e44 ("KVM: arm64: Enable support for guest_memfd backed memory"), v6.18'
)


class GuestMemfdFlag(FlagWord):
    """The flags of KVM_CREATE_GUEST_MEMFD in mainline Linux, as of v7.2.

    Source: include/uapi/linux/kvm.h, v7.2. Other trees give other names to bit 2 and up, so this
    class never will until mainline does.
    """

    __module__ = "gmemflags"

    MMAP = 1 << 0
    """The file can be mapped by the host.

    Source: Linux commit 3d3a04fad25a ("KVM: Allow and advertise support for host mmap() on
    guest_memfd files"), v6.18.
    """
    INIT_SHARED = 1 << 1
    """The memory starts shared: the host may touch it.

    Source: Linux commit fe2bf6234e94 ("KVM: guest_memfd: Add INIT_SHARED flag, reject user page
    faults if not set"), v6.18.
    """


F = GuestMemfdFlag
CAPABILITIES = {
    Capability.USER_MEMORY2: _uapi.KVM_CAP_USER_MEMORY2,
    Capability.MEMORY_ATTRIBUTES: _uapi.KVM_CAP_MEMORY_ATTRIBUTES,
    Capability.GUEST_MEMFD: _uapi.KVM_CAP_GUEST_MEMFD,
    Capability.VM_TYPES: _uapi.KVM_CAP_VM_TYPES,
    Capability.GUEST_MEMFD_FLAGS: _uapi.KVM_CAP_GUEST_MEMFD_FLAGS,
    Capability.GUEST_MEMFD_FLAGS_HI: None,
}
RULES = (
    Always(
        F.MMAP,
        why="arm64 binds no memory slot to a guest_memfd that cannot be mapped.",
        source=COMMIT_ARM64,
        stage=Stage.BIND,
        hosts=Hosts(machines=_uapi.ARM64_MACHINES),
    ),
    Requires(
        F.MMAP,
        all_of=F.INIT_SHARED,
        why="Memory that does not start shared can be mapped, but every touch is a SIGBUS.",
        source=COMMIT_INIT_SHARED,
        stage=Stage.ACCESS,
    ),
    Requires(
        F.INIT_SHARED,
        all_of=F.MMAP,
        why="Memory that starts shared is of no use where nothing can map it (mmap: ENODEV).",
        source=COMMIT_MMAP,
        stage=Stage.ACCESS,
    ),
)
NEEDS_USER_MEMORY2 = Need(Capability.USER_MEMORY2)

MAINLINE = Catalog(
    name="linux-mainline",
    flags=GuestMemfdFlag,
    capabilities=CAPABILITIES,
    rules=RULES,
    profiles=[
        Profile(
            "private",
            Request(needs=[Need(Capability.MEMORY_ATTRIBUTES, _uapi.KVM_MEMORY_ATTRIBUTE_PRIVATE)]),
            "Guest memory that the host never maps, for VM types with private memory.",
        ),
        Profile(
            "fully-shared",
            Request(required=F.MMAP | F.INIT_SHARED, needs=[NEEDS_USER_MEMORY2]),
            "Guest memory from guest_memfd alone, which the host maps and shares.",
        ),
    ],
)
