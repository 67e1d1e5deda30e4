"""Mainline's data, letter by letter: whoever changes it changes this, and cites why."""

import pytest

from gmemflags import (
    MAINLINE,
    Always,
    GuestMemfdFlag,
    HostFacts,
    Hosts,
    Need,
    Never,
    Request,
    Requires,
    Scope,
    Stage,
    query,
    resolve,
)
from gmemflags import _mainline as _uapi
from gmemflags.testing import FakeBackend

USER_MEMORY2 = Need(
    "USER_MEMORY2", why="KVM_SET_USER_MEMORY_REGION2 binds the file to a memory slot."
)


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
    """Numbers of include/uapi/linux/kvm.h, v7.3; FLAGS_HI has none in any kernel."""
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
            hosts=Hosts(machines=("aarch64",)),
        ),
        Never(
            0x1,
            why=(
                "A protected VM's faults are served from the userspace address, not from the file."
            ),
            source="arch/arm64/kvm/mmu.c, pkvm_mem_abort(), v7.3; read, not measured",
            stage=Stage.ACCESS,
            hosts=Hosts(machines=("aarch64",), vm_types=(0x8000_0000,)),
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
    """No flag; USER_MEMORY2, and bit 3 of MEMORY_ATTRIBUTES, KVM_MEMORY_ATTRIBUTE_PRIVATE."""
    profile = MAINLINE.profiles["private"]
    assert profile.name == "private"
    assert profile.request == Request(
        required=0,
        needs=[
            USER_MEMORY2,
            Need("MEMORY_ATTRIBUTES", 0x8, why="KVM_SET_MEMORY_ATTRIBUTES makes pages private."),
        ],
    )
    assert profile.why == "Guest memory that the host never maps, for VM types with private memory."


def test_the_fully_shared_profile() -> None:
    """Both flags; KVM_CAP_USER_MEMORY2 must be there, with whatever answer."""
    profile = MAINLINE.profiles["fully-shared"]
    assert profile.name == "fully-shared"
    assert profile.request == Request(
        required=GuestMemfdFlag.MMAP | GuestMemfdFlag.INIT_SHARED, needs=[USER_MEMORY2]
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


def test_the_protected_type_of_arm64() -> None:
    """KVM_VM_TYPE_ARM_PROTECTED, bit 31 of KVM_CREATE_VM's argument."""
    assert _uapi.KVM_VM_TYPE_ARM_PROTECTED == 0x8000_0000
    assert _uapi.VM_TYPES_ARM == {0x8000_0000: "KVM_VM_TYPE_ARM_PROTECTED"}


def test_numbers_that_belong_to_others() -> None:
    """Every capability from 245 on that Linux 7.3 has, and no number beyond."""
    assert _uapi.TAKEN == {
        245: "ARM_SEA_TO_USER",
        246: "S390_USER_OPEREXEC",
        247: "S390_KEYOP",
        248: "S390_VSIE_ESAMODE",
        249: "S390_HPAGE_2G",
        250: "PPC_COMPAT_CAPS",
        251: "ARM_PMU_V3_STRICT",
    }
    assert (_uapi.LAST_NUMBER, _uapi.AS_OF) == (251, "Linux 7.3")


FULLY_SHARED = MAINLINE.profiles["fully-shared"]


@pytest.mark.parametrize("machine", ["x86_64", "amd64", "i686", "riscv64"])
@pytest.mark.parametrize("mask", range(4))
def test_what_can_be_used_where_nothing_else_is_known(machine: str, mask: int) -> None:
    """No flag or both: a file that is mapped alone or shared alone is of no use."""
    host = HostFacts(machine=machine, vm_type=0)
    support = query(FakeBackend.narrow(3, host=host))
    assert resolve(support, mask).ok is (mask in {0, 3})
    assert resolve(support, Request(required=mask, until=Stage.BIND)).ok


@pytest.mark.parametrize("machine", ["aarch64", "arm64", "ARM64", "aarch64 ", "armv8l", None, "x"])
@pytest.mark.parametrize("mask", range(4))
def test_what_arm64_binds_or_may_bind(machine: str | None, mask: int) -> None:
    """Only files with MMAP, by whatever name the machine goes, and where it is not known."""
    support = query(FakeBackend.narrow(3, host=HostFacts(machine=machine, vm_type=0)))
    assert resolve(support, Request(required=mask, until=Stage.BIND)).ok is bool(mask & 1)
    assert resolve(support, Request(required=mask, until=Stage.CREATE)).ok
    assert resolve(support, mask).ok is (mask == 3)


@pytest.mark.parametrize(
    ("vm_type", "ok"),
    [
        (0, True),
        (36, True),
        (48, True),
        (None, False),
        (1 << 31, False),
        (1 << 31 | 40, False),
        (1 << 31 | 1 << 8, True),
    ],
)
@pytest.mark.parametrize("machine", ["aarch64", "arm64"])
def test_a_protected_vm_of_arm64(machine: str, vm_type: int | None, ok: bool) -> None:
    """It serves faults from elsewhere, also where an address size is in the number."""
    facts = HostFacts(machine=machine, vm_type=vm_type)
    answer = resolve(query(FakeBackend.narrow(3, host=facts)), FULLY_SHARED)
    assert answer.ok is ok
    if vm_type is None:
        assert answer.headline.endswith("(the VM type is not known)")
        assert "Vm.from_fd(fd, vm_type=0)" in answer.problems[0].message


@pytest.mark.parametrize("vm_type", [None, 1 << 31])
def test_that_type_means_nothing_elsewhere(vm_type: int | None) -> None:
    """The rule is of arm64."""
    facts = HostFacts(machine="x86_64", vm_type=vm_type)
    assert resolve(query(FakeBackend.narrow(3, host=facts)), FULLY_SHARED).ok


def test_a_device_is_bound_by_no_rule_about_vm_types() -> None:
    """Some VM of the host may be of another type; rules about the machine do bind it."""
    device = FakeBackend.narrow(3, scope=Scope.SYSTEM, host=HostFacts(machine="aarch64"))
    assert resolve(query(device), Request(required=3, scope=Scope.SYSTEM)).ok
    assert not resolve(query(device), Request(required=0, scope=Scope.SYSTEM)).ok
