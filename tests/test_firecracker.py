"""The shipped catalog of Firecracker's kernels, letter by letter."""

from gmemflags import FIRECRACKER_SECRET_FREE, MAINLINE, Hosts, Need, Never, Request, Stage
from gmemflags._mainline import FirecrackerFlag

USER_MEMORY2 = Need(
    "USER_MEMORY2", why="KVM_SET_USER_MEMORY_REGION2 binds the file to a memory slot."
)


def test_name() -> None:
    """As texts about flags have it."""
    assert FIRECRACKER_SECRET_FREE.name == "firecracker-secret-free"


def test_flags() -> None:
    """Mainline's two, and two of that tree; other trees mean other things by bit 2."""
    assert {name: flag.value for name, flag in FirecrackerFlag.__members__.items()} == {
        "MMAP": 0x1,
        "INIT_SHARED": 0x2,
        "NO_DIRECT_MAP": 0x4,
        "WRITE": 0x8,
    }
    assert FIRECRACKER_SECRET_FREE.flags is FirecrackerFlag
    assert FIRECRACKER_SECRET_FREE.named == 0xF


def test_capabilities() -> None:
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


def test_rules() -> None:
    """Mainline's, and NO_DIRECT_MAP never for SNP and TDX VMs."""
    (own,) = set(FIRECRACKER_SECRET_FREE.rules) - set(MAINLINE.rules)
    assert set(MAINLINE.rules) < set(FIRECRACKER_SECRET_FREE.rules)
    assert own == Never(
        0x4,
        why="Memory of SNP and TDX VMs is never taken out of the direct map.",
        source='Mail "Direct Map Removal Support for guest_memfd", v12, 10 Apr 2026',
        stage=Stage.CREATE,
        hosts=Hosts(machines=("x86_64",), vm_types=(4, 5)),
    )


def test_profiles() -> None:
    """Boot and restore, and none of mainline's."""
    assert list(FIRECRACKER_SECRET_FREE.profiles) == ["boot", "restore"]


def test_the_boot_profile() -> None:
    """MMAP, INIT_SHARED and NO_DIRECT_MAP, with USER_MEMORY2."""
    profile = FIRECRACKER_SECRET_FREE.profiles["boot"]
    assert profile.request == Request(required=FirecrackerFlag(0x7), needs=[USER_MEMORY2])
    assert (profile.name, profile.why) == ("boot", "A microVM booted from secret-free memory.")


def test_the_restore_profile() -> None:
    """Boot's flags and WRITE, with USER_MEMORY2 and USERFAULT."""
    profile = FIRECRACKER_SECRET_FREE.profiles["restore"]
    assert profile.request == Request(
        required=FirecrackerFlag(0xF),
        needs=[
            USER_MEMORY2,
            Need("USERFAULT", why="Faults are served while the snapshot is read."),
        ],
    )
    assert profile.name == "restore"
    assert profile.why == (
        "A microVM restored from a snapshot: memory is written, and faults are served."
    )
