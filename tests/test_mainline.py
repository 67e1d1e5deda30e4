"""Mainline's data, letter by letter: whoever changes it changes this, and cites why."""

from gmemflags import MAINLINE, Always, GuestMemfdFlag, Need, Request, Requires, Stage
from gmemflags import Hosts, _mainline as _uapi


def test_name() -> None:
    """As texts about flags have it."""
    assert MAINLINE.name == "linux-mainline"


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
    assert _uapi.KVM_GET_API_VERSION == 0xAE00
    assert _uapi.KVM_CREATE_VM == 0xAE01
    assert _uapi.KVM_CHECK_EXTENSION == 0xAE03
    assert _uapi.KVM_CREATE_GUEST_MEMFD == 0xC040AED4
    assert _uapi.KVM_API_VERSION == 12
    assert _uapi.KVM_CAP_ARM_VM_IPA_SIZE == 165


def test_vm_types() -> None:
    """The numbers of arch/x86/include/uapi/asm/kvm.h."""
    assert _uapi.VM_TYPES_X86 == {
        0: "KVM_X86_DEFAULT_VM",
        1: "KVM_X86_SW_PROTECTED_VM",
        2: "KVM_X86_SEV_VM",
        3: "KVM_X86_SEV_ES_VM",
        4: "KVM_X86_SNP_VM",
        5: "KVM_X86_TDX_VM",
    }
