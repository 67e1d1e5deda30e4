"""Creating guest_memfd files on the real kernel: what is measured there is what we say."""

import errno
import mmap
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gmemflags import (
    GuestMemfdCreateError,
    NegotiationError,
    Request,
    Resolution,
    Scope,
    Stage,
    format_mask,
    negotiate,
    query,
    resolve,
)
from gmemflags import GuestMemfdFlag as F
from gmemflags.linux import Kvm, Vm
from gmemflags.testing import FakeBackend
from tests.probing import subsets
from tests.strategies import catalog_of

PAGE = os.sysconf("SC_PAGE_SIZE")
FAR = 1 << 40
BOTH = F.MMAP | F.INIT_SHARED

FORKED = """
import os
from gmemflags import GuestMemfdCreateError
from gmemflags.linux import Kvm
with Kvm.open() as kvm, kvm.create_vm() as vm:
    child = os.fork()
    if not child:
        try:
            vm.create_guest_memfd(os.sysconf("SC_PAGE_SIZE"), 0)
        except GuestMemfdCreateError as error:
            print(error.errno, error.meaning, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    os.close(vm.create_guest_memfd(os.sysconf("SC_PAGE_SIZE"), 0))
    print("parent")
"""


def count() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def take_all(fd: int, held: list[int]) -> None:
    """Take every descriptor that is left, until that fails."""
    while True:
        held.append(os.dup(fd))


def failure(vm: Vm, size: int, flags: Resolution | int) -> GuestMemfdCreateError:
    """What creation fails with, and no descriptor is left."""
    before = count()
    with pytest.raises(GuestMemfdCreateError) as caught:
        vm.create_guest_memfd(size, flags)
    assert count() == before
    return caught.value


@pytest.fixture
def listed(vm: Vm) -> int:
    """What the VM lists; skips where it has no guest_memfd."""
    support = query(vm)
    if not support.guest_memfd:
        pytest.skip(f"{support.origin} has no guest_memfd")
    return support.mask


@pytest.fixture
def both(listed: int) -> int:
    """MMAP and INIT_SHARED; skips where the VM lists less."""
    if BOTH & ~listed:
        pytest.skip(f"this host lists {format_mask(listed)}, without {format_mask(BOTH & ~listed)}")
    return int(BOTH)


def test_every_combination_of_mainlines_flags_is_created(vm: Vm, listed: int) -> None:
    """The maintainers kept them orthogonal on purpose."""
    for mask in subsets(listed & BOTH):
        file = vm.create_guest_memfd(3 * PAGE, mask)
        try:
            assert os.fstat(file).st_size == 3 * PAGE
        finally:
            os.close(file)


@pytest.mark.parametrize("size", [PAGE, 1 << 62, (1 << 63) - PAGE])
@pytest.mark.usefixtures("listed")
def test_any_good_size_is_created(vm: Vm, size: int) -> None:
    """Memory comes later."""
    os.close(vm.create_guest_memfd(size, 0))


@pytest.mark.parametrize("size", [0, 1, 4095, 2**63, 2**64 - PAGE, -4096])
@pytest.mark.usefixtures("listed")
def test_a_bad_size_is_said_to_be_bad(vm: Vm, size: int) -> None:
    """And not the flags."""
    error = failure(vm, size, 0)
    assert (error.errno, error.size, error.support) == (errno.EINVAL, size, None)
    assert "the size must be a positive multiple of" in str(error)


@pytest.mark.usefixtures("listed")
def test_the_file_is_closed_on_exec(vm: Vm) -> None:
    """The kernel makes it without; a child that inherits all it can does not have it."""
    file = vm.create_guest_memfd(PAGE, 0)
    program = f"import os; print(os.path.exists('/proc/self/fd/{file}'))"
    try:
        assert not os.get_inheritable(file)
        child = [sys.executable, "-c", program]
        assert subprocess.check_output(child, close_fds=False, text=True) == "False\n"
    finally:
        os.close(file)


def test_what_is_written_is_read_back(vm: Vm, both: int) -> None:
    """From a negotiated mask to memory."""
    resolution = negotiate(query(vm), both)
    file = vm.create_guest_memfd(PAGE, resolution)
    with mmap.mmap(file, PAGE) as memory:
        os.close(file)
        memory[:5] = b"guest"
        assert memory[:6] == b"guest\0"
    assert not resolution.advice


def test_without_mmap_nothing_can_be_mapped(vm: Vm, both: int) -> None:
    """ENODEV, and the advice of the resolution had said so."""
    del both
    resolution = negotiate(query(vm), Request(required=F.INIT_SHARED, until=Stage.CREATE))
    file = vm.create_guest_memfd(PAGE, resolution)
    try:
        with pytest.raises(OSError, match=f"Errno {errno.ENODEV}"):
            mmap.mmap(file, PAGE)
    finally:
        os.close(file)
    assert any("nothing can map it" in line for line in resolution.advice)


TOUCH = """
import mmap, os
from gmemflags import GuestMemfdFlag as F, Request, Stage, negotiate, query
from gmemflags.linux import Kvm
PAGE = os.sysconf("SC_PAGE_SIZE")
with Kvm.open() as kvm, kvm.create_vm() as vm:
    resolution = negotiate(query(vm), Request(required=F.MMAP, until=Stage.BIND))
    print(*resolution.advice, sep="|")
    with mmap.mmap(vm.create_guest_memfd(PAGE, resolution), PAGE) as memory:
        print("mapped", flush=True)
        print(memory[0], flush=True)
"""


@pytest.mark.usefixtures("both")
def test_a_touch_of_memory_that_is_not_shared_is_a_sigbus() -> None:
    """In a child, and the advice of the resolution had said so."""
    child = subprocess.run(
        [sys.executable, "-c", TOUCH], capture_output=True, check=False, text=True, timeout=60
    )
    advice, mapped = child.stdout.splitlines()
    assert (child.returncode, mapped) == (-signal.SIGBUS, "mapped")
    assert "every touch is a SIGBUS" in advice


def test_unlisted_flags_are_tried_and_explained(vm: Vm, listed: int) -> None:
    """The kernel is the judge, and what the VM lists is attached."""
    stray = 1 << 63 | 1 << 31
    error = failure(vm, PAGE, listed | stray)
    assert error.errno == errno.EINVAL
    assert error.support == query(vm)
    assert error.meaning.startswith(
        "0x8000000080000000 (not named by linux-mainline) is not among its"
    )


def test_a_resolution_of_a_richer_vm_is_explained(vm: Vm, listed: int) -> None:
    """Its flags are tried here, and it is said for whom it was made."""
    rich = query(FakeBackend.wide(listed | FAR), catalog_of({"FAR": FAR}))
    error = failure(vm, PAGE, negotiate(rich, FAR))
    assert error.meaning.startswith("FAR (bit 40, 0x10000000000) is not among its flags")
    assert error.meaning.endswith("; the Resolution was made for a fake host (vm scope)")


def test_a_resolution_of_system_scope_is_tried(kvm: Kvm, vm: Vm, listed: int) -> None:
    """Here /dev/kvm and a default VM list the same, so it is good."""
    answer = resolve(query(kvm), Request(required=listed & BOTH, scope=Scope.SYSTEM))
    os.close(vm.create_guest_memfd(PAGE, answer))


def test_a_refusal_creates_nothing(vm: Vm) -> None:
    """The error has the whole answer."""
    refusal = resolve(query(vm), 1 << 40)
    with pytest.raises(NegotiationError) as caught:
        vm.create_guest_memfd(PAGE, refusal)
    assert caught.value.resolution is refusal


def test_a_closed_vm_says_so(vm: Vm) -> None:
    """EBADF, as for any closed descriptor."""
    vm.close()
    error = failure(vm, PAGE, 0)
    assert error.errno == errno.EBADF
    assert error.meaning.startswith("the VM's descriptor is closed")


def replaced(vm: Vm, by: int) -> Vm:
    """A Vm whose descriptor is another file meanwhile."""
    number = os.dup(vm.fileno())
    taken = Vm.from_fd(number)
    os.dup2(by, number)
    return taken


def test_a_vm_that_is_dev_kvm_meanwhile_says_so(kvm: Kvm, vm: Vm) -> None:
    """It answers EINVAL, and would list flags as if these were at fault."""
    disguised = replaced(vm, kvm.fileno())
    error = failure(disguised, PAGE, 0)
    os.close(disguised.fileno())
    assert error.errno == errno.EINVAL
    assert error.meaning.startswith("the descriptor is not this VM's any more")
    assert "this is /dev/kvm itself, which makes VMs and no guest_memfd" in error.meaning


def test_a_vm_that_is_another_file_meanwhile_says_so(vm: Vm, null: int) -> None:
    """ENOTTY."""
    disguised = replaced(vm, null)
    error = failure(disguised, PAGE, 0)
    os.close(disguised.fileno())
    assert error.errno == errno.ENOTTY
    assert "the descriptor is not a VM" in error.meaning


@pytest.mark.usefixtures("listed")
def test_after_fork_the_child_cannot_create(python: Callable[..., list[str]]) -> None:
    """EIO, and it is said what that means; the VM's creator still can."""
    child, parent = python(FORKED)
    assert child.startswith(f"{errno.EIO} another process than the VM's creator asks")
    assert parent == "parent"


@pytest.mark.usefixtures("listed")
def test_without_a_free_descriptor_it_is_said(vm: Vm) -> None:
    """EMFILE, and what to do."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (vm.fileno() + 1, hard))
    held: list[int] = []
    try:
        with pytest.raises(OSError, match=f"Errno {errno.EMFILE}"):
            take_all(vm.fileno(), held)
        with pytest.raises(GuestMemfdCreateError) as caught:
            vm.create_guest_memfd(PAGE, 0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in held:
            os.close(fd)
    assert caught.value.errno == errno.EMFILE
    assert "RLIMIT_NOFILE" in caught.value.meaning


def test_the_file_outlives_the_vm(kvm: Kvm, both: int) -> None:
    """It pins the VM, and its memory stays."""
    with kvm.create_vm() as vm:
        file = vm.create_guest_memfd(PAGE, both)
    with mmap.mmap(file, PAGE) as memory:
        memory[0] = 7
    with mmap.mmap(file, PAGE) as memory:
        assert memory[0] == 7
    os.close(file)
