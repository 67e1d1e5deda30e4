"""The numbers of the kernel's user interface, and the catalogs that come with this library.

No number is guessed here. KVM_CAP_GUEST_MEMFD_FLAGS_HI has been proposed and has no number, and
245 and up belong to other capabilities, whose answers would be read as flags.

Mainline has no rule for CREATE, because the kernel has none: all four combinations can be created.
What cannot be bound or used is said by the later stages.

Source: include/uapi/linux/kvm.h, v7.3.
"""

from __future__ import annotations

from attrs import evolve

from gmemflags._catalog import Capability, Catalog, Need, Profile, Request
from gmemflags._masks import FlagWord
from gmemflags._rules import Always, Hosts, Never, Requires, Stage

KVM_CAP_USER_MEMORY2 = 231
KVM_CAP_MEMORY_ATTRIBUTES = 233
KVM_CAP_GUEST_MEMFD = 234
KVM_CAP_VM_TYPES = 235
KVM_CAP_GUEST_MEMFD_FLAGS = 244
# arm64 only: the bits of the guest's physical address space, which KVM_CREATE_VM's argument holds.
KVM_CAP_ARM_VM_IPA_SIZE = 165

KVM_MEMORY_ATTRIBUTE_PRIVATE = 1 << 3

KVM_API_VERSION = 12
KVM_GET_API_VERSION = 0xAE00
KVM_CREATE_VM = 0xAE01
KVM_CHECK_EXTENSION = 0xAE03
KVM_CREATE_GUEST_MEMFD = 0xC040AED4

# Numbers that mainline gives to others, as of v7.3: their answers would be read as flags.
TAKEN = {
    245: "ARM_SEA_TO_USER",
    246: "S390_USER_OPEREXEC",
    247: "S390_KEYOP",
    248: "S390_VSIE_ESAMODE",
    249: "S390_HPAGE_2G",
    250: "PPC_COMPAT_CAPS",
    251: "ARM_PMU_V3_STRICT",
}
# No number beyond this one is given in v7.3.
LAST_NUMBER = 251
AS_OF = "Linux 7.3"
"""The kernel release that the shipped rules and numbers were read in."""

# Source: arch/x86/include/uapi/asm/kvm.h, v7.3.
VM_TYPES_X86 = {
    0: "KVM_X86_DEFAULT_VM",
    1: "KVM_X86_SW_PROTECTED_VM",
    2: "KVM_X86_SEV_VM",
    3: "KVM_X86_SEV_ES_VM",
    4: "KVM_X86_SNP_VM",
    5: "KVM_X86_TDX_VM",
}
# Source: include/uapi/linux/kvm.h, v7.3. It has type 0 without a name of its own.
KVM_VM_TYPE_ARM_PROTECTED = 1 << 31
VM_TYPES_ARM = {KVM_VM_TYPE_ARM_PROTECTED: "KVM_VM_TYPE_ARM_PROTECTED"}

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
    """The flags of KVM_CREATE_GUEST_MEMFD in mainline Linux, as of v7.3.

    Other trees give other names to bit 2 and up, so this class never will until mainline does.

    Source: include/uapi/linux/kvm.h, v7.3.
    """

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


_NEEDS_USER_MEMORY2 = Need(
    Capability.USER_MEMORY2,
    why="KVM_SET_USER_MEMORY_REGION2 binds the file to a memory slot.",
)

MAINLINE = Catalog(
    name="linux-mainline",
    flags=GuestMemfdFlag,
    capabilities={
        Capability.USER_MEMORY2: KVM_CAP_USER_MEMORY2,
        Capability.MEMORY_ATTRIBUTES: KVM_CAP_MEMORY_ATTRIBUTES,
        Capability.GUEST_MEMFD: KVM_CAP_GUEST_MEMFD,
        Capability.VM_TYPES: KVM_CAP_VM_TYPES,
        Capability.GUEST_MEMFD_FLAGS: KVM_CAP_GUEST_MEMFD_FLAGS,
        Capability.GUEST_MEMFD_FLAGS_HI: None,
    },
    rules=[
        Always(
            GuestMemfdFlag.MMAP,
            why="arm64 binds no memory slot to a guest_memfd that cannot be mapped.",
            source=COMMIT_ARM64,
            stage=Stage.BIND,
            hosts=Hosts(machines=["aarch64"]),
        ),
        Never(
            GuestMemfdFlag.MMAP,
            why="A protected VM's faults are served from the userspace address, not from the file.",
            source="arch/arm64/kvm/mmu.c, pkvm_mem_abort(), v7.3; read, not measured",
            stage=Stage.ACCESS,
            hosts=Hosts(machines=["aarch64"], vm_types=[KVM_VM_TYPE_ARM_PROTECTED]),
        ),
        Requires(
            GuestMemfdFlag.MMAP,
            all_of=GuestMemfdFlag.INIT_SHARED,
            why="Memory that does not start shared can be mapped, but every touch is a SIGBUS.",
            source=COMMIT_INIT_SHARED,
            stage=Stage.ACCESS,
        ),
        Requires(
            GuestMemfdFlag.INIT_SHARED,
            all_of=GuestMemfdFlag.MMAP,
            why="Memory that starts shared is of no use where nothing can map it (mmap: ENODEV).",
            source=COMMIT_MMAP,
            stage=Stage.ACCESS,
        ),
    ],
    profiles=[
        Profile(
            "private",
            Request(
                needs=[
                    _NEEDS_USER_MEMORY2,
                    Need(
                        Capability.MEMORY_ATTRIBUTES,
                        KVM_MEMORY_ATTRIBUTE_PRIVATE,
                        why="KVM_SET_MEMORY_ATTRIBUTES makes pages private.",
                    ),
                ]
            ),
            "Guest memory that the host never maps, for VM types with private memory.",
        ),
        Profile(
            "fully-shared",
            Request(
                required=GuestMemfdFlag.MMAP | GuestMemfdFlag.INIT_SHARED,
                needs=[_NEEDS_USER_MEMORY2],
            ),
            "Guest memory from guest_memfd alone, which the host maps and shares.",
        ),
    ],
)


class FirecrackerFlag(FlagWord):
    """The flags of Firecracker's secret-freedom kernels, 6.18-based, 2026.

    Source: mail "Direct Map Removal Support for guest_memfd", v12, 10 Apr 2026, for NO_DIRECT_MAP.
    """

    MMAP = 1 << 0
    """As in mainline."""
    INIT_SHARED = 1 << 1
    """As in mainline."""
    NO_DIRECT_MAP = 1 << 2
    """The memory is taken out of the host kernel's direct map."""
    WRITE = 1 << 3
    """The file can be populated with write(2)."""


_BOOT = FirecrackerFlag.MMAP | FirecrackerFlag.INIT_SHARED | FirecrackerFlag.NO_DIRECT_MAP

FIRECRACKER_SECRET_FREE = evolve(
    MAINLINE,
    name="firecracker-secret-free",
    flags=FirecrackerFlag,
    capabilities={**MAINLINE.capabilities, "USERFAULT": 245},
    rules=(
        *MAINLINE.rules,
        Never(
            FirecrackerFlag.NO_DIRECT_MAP,
            why="Memory of SNP and TDX VMs is never taken out of the direct map.",
            source='Mail "Direct Map Removal Support for guest_memfd", v12, 10 Apr 2026',
            hosts=Hosts(machines=["x86_64"], vm_types=[4, 5]),
        ),
    ),
    profiles=[
        Profile(
            "boot",
            Request(required=_BOOT, needs=[_NEEDS_USER_MEMORY2]),
            "A microVM booted from secret-free memory.",
        ),
        Profile(
            "restore",
            Request(
                required=_BOOT | FirecrackerFlag.WRITE,
                needs=[
                    _NEEDS_USER_MEMORY2,
                    Need("USERFAULT", why="Faults are served while the snapshot is read."),
                ],
            ),
            "A microVM restored from a snapshot: memory is written, and faults are served.",
        ),
    ],
)

SHIPPED = (MAINLINE, FIRECRACKER_SECRET_FREE)
"""Every catalog that comes with this library."""
