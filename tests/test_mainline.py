"""The catalogs that ship, letter by letter: whoever changes one changes this, and cites why."""

import pytest

from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
    Always,
    Catalog,
    GuestMemfdFlag,
    Hosts,
    Need,
    Never,
    Request,
    Requires,
    Stage,
    lint,
)
from gmemflags import _mainline as uapi
from gmemflags._mainline import SHIPPED, FirecrackerFlag


def test_names() -> None:
    """As texts about flags have them."""
    assert [catalog.name for catalog in SHIPPED] == ["linux-mainline", "firecracker-secret-free"]


@pytest.mark.parametrize("catalog", SHIPPED, ids=lambda catalog: catalog.name)
def test_what_ships_is_clean(catalog: Catalog) -> None:
    """No fault in any catalog of the library."""
    assert lint(catalog) == ()


def test_flags() -> None:
    """Two names and no other: bit 2 means four things in four trees."""
    assert {name: flag.value for name, flag in GuestMemfdFlag.__members__.items()} == {
        "MMAP": 0x1,
        "INIT_SHARED": 0x2,
    }
    assert MAINLINE.flags is GuestMemfdFlag
    assert MAINLINE.named == 0x3


def test_capabilities() -> None:
    """Numbers of include/uapi/linux/kvm.h, v7.2; FLAGS_HI has none in any kernel."""
    assert MAINLINE.capabilities == {
        "USER_MEMORY2": 231,
        "MEMORY_ATTRIBUTES": 233,
        "GUEST_MEMFD": 234,
        "VM_TYPES": 235,
        "GUEST_MEMFD_FLAGS": 244,
        "GUEST_MEMFD_FLAGS_HI": None,
    }


def test_no_rule_at_creation() -> None:
    """The kernel creates all four combinations, so a rule would be wrong against it."""
    assert [rule for rule in MAINLINE.rules if rule.stage is Stage.CREATE] == []


def test_rules() -> None:
    """One of arm64 at BIND, and one each way at ACCESS, each with its commit."""
    assert MAINLINE.rules == (
        Always(
            0x1,
            why="arm64 binds no memory slot to a guest_memfd that cannot be mapped.",
            source=(
                'Linux commit 32e200bd6e44 ("KVM: arm64: Enable support for guest_memfd backed'
                ' memory"), v6.18'
            ),
            stage=Stage.BIND,
            hosts=Hosts(machines=("aarch64", "aarch64_be", "armv8l", "armv8b")),
        ),
        Requires(
            0x1,
            all_of=0x2,
            why="Memory that does not start shared can be mapped, but every touch is a SIGBUS.",
            source=(
                'Linux commit fe2bf6234e94 ("KVM: guest_memfd: Add INIT_SHARED flag, reject user'
                ' page faults if not set"), v6.18'
            ),
            stage=Stage.ACCESS,
        ),
        Requires(
            0x2,
            all_of=0x1,
            why=("Memory that starts shared is of no use where nothing can map it (mmap: ENODEV)."),
            source=(
                'Linux commit 3d3a04fad25a ("KVM: Allow and advertise support for host mmap() on'
                ' guest_memfd files"), v6.18'
            ),
            stage=Stage.ACCESS,
        ),
    )


def test_profiles() -> None:
    """Two uses, by name."""
    assert list(MAINLINE.profiles) == ["private", "fully-shared"]


def test_the_private_profile() -> None:
    """No flag; KVM_CAP_MEMORY_ATTRIBUTES must have bit 3, KVM_MEMORY_ATTRIBUTE_PRIVATE."""
    profile = MAINLINE.profiles["private"]
    assert profile.name == "private"
    assert profile.request == Request(required=0, needs=[Need("MEMORY_ATTRIBUTES", 0x8)])
    assert profile.why == "Guest memory that the host never maps, for VM types with private memory."


def test_the_fully_shared_profile() -> None:
    """Both flags; KVM_CAP_USER_MEMORY2 must be there, with whatever answer."""
    profile = MAINLINE.profiles["fully-shared"]
    assert profile.name == "fully-shared"
    assert profile.request == Request(
        required=GuestMemfdFlag.MMAP | GuestMemfdFlag.INIT_SHARED, needs=[Need("USER_MEMORY2")]
    )
    assert profile.request.required == 0x3
    assert profile.why == "Guest memory from guest_memfd alone, which the host maps and shares."


def test_calls() -> None:
    """The ioctls of include/uapi/linux/kvm.h, and the version that every kernel answers."""
    assert uapi.KVM_GET_API_VERSION == 0xAE00
    assert uapi.KVM_CREATE_VM == 0xAE01
    assert uapi.KVM_CHECK_EXTENSION == 0xAE03
    assert uapi.KVM_CREATE_GUEST_MEMFD == 0xC040AED4
    assert uapi.KVM_API_VERSION == 12
    assert uapi.KVM_CAP_ARM_VM_IPA_SIZE == 165


def test_vm_types() -> None:
    """The numbers of arch/x86/include/uapi/asm/kvm.h."""
    assert uapi.VM_TYPES_X86 == {
        0: "KVM_X86_DEFAULT_VM",
        1: "KVM_X86_SW_PROTECTED_VM",
        2: "KVM_X86_SEV_VM",
        3: "KVM_X86_SEV_ES_VM",
        4: "KVM_X86_SNP_VM",
        5: "KVM_X86_TDX_VM",
    }


def test_firecracker_flags() -> None:
    """Mainline's two, and two of that tree; other trees mean other things by bit 2."""
    assert {name: flag.value for name, flag in FirecrackerFlag.__members__.items()} == {
        "MMAP": 0x1,
        "INIT_SHARED": 0x2,
        "NO_DIRECT_MAP": 0x4,
        "WRITE": 0x8,
    }
    assert FIRECRACKER_SECRET_FREE.flags is FirecrackerFlag
    assert FIRECRACKER_SECRET_FREE.named == 0xF


def test_firecracker_capabilities() -> None:
    """Mainline's, and USERFAULT by a number that mainline gave to another capability."""
    assert FIRECRACKER_SECRET_FREE.capabilities == {
        "USER_MEMORY2": 231,
        "MEMORY_ATTRIBUTES": 233,
        "GUEST_MEMFD": 234,
        "VM_TYPES": 235,
        "GUEST_MEMFD_FLAGS": 244,
        "GUEST_MEMFD_FLAGS_HI": None,
        "USERFAULT": 245,
    }


def test_firecracker_rules() -> None:
    """Mainline's, because it is based on 6.18, and NO_DIRECT_MAP never for SNP and TDX VMs."""
    own, *of_mainline = FIRECRACKER_SECRET_FREE.rules
    assert tuple(of_mainline) == MAINLINE.rules
    assert own == Never(
        0x4,
        why="Memory of SNP and TDX VMs is never taken out of the direct map.",
        source='Mail "Direct Map Removal Support for guest_memfd", v12, 10 Apr 2026',
        stage=Stage.CREATE,
        hosts=Hosts(machines=("x86_64", "i686"), vm_types=(4, 5)),
    )


def test_firecracker_profiles() -> None:
    """Boot and restore, and none of mainline's."""
    assert list(FIRECRACKER_SECRET_FREE.profiles) == ["boot", "restore"]


def test_the_boot_profile() -> None:
    """MMAP, INIT_SHARED and NO_DIRECT_MAP, with USER_MEMORY2."""
    profile = FIRECRACKER_SECRET_FREE.profiles["boot"]
    assert profile.request == Request(required=FirecrackerFlag(0x7), needs=[Need("USER_MEMORY2")])
    assert (profile.name, profile.why) == ("boot", "A microVM booted from secret-free memory.")


def test_the_restore_profile() -> None:
    """Boot's flags and WRITE, with USER_MEMORY2 and USERFAULT."""
    profile = FIRECRACKER_SECRET_FREE.profiles["restore"]
    assert profile.request == Request(
        required=FirecrackerFlag(0xF), needs=[Need("USER_MEMORY2"), Need("USERFAULT")]
    )
    assert profile.name == "restore"
    assert profile.why == (
        "A microVM restored from a snapshot: memory is written, and faults are served."
    )
