"""Creating guest_memfd files on kernels that do not exist: what arrives, what an errno means."""

import errno
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from attrs import evolve

from gmemflags import (
    MAINLINE,
    FlagWord,
    GuestMemfdCreateError,
    GuestMemfdFlag,
    Hosts,
    InvalidMaskError,
    NegotiationError,
    Request,
    Resolution,
    Scope,
    negotiate,
    query,
    resolve,
)
from gmemflags.linux import Vm
from gmemflags.testing import FakeBackend
from tests.probing import PAGE, HiddenKernel, Judge, excludes, obeying, taking
from tests.standin.kernel import (
    KVM_CHECK_EXTENSION,
    KVM_CREATE_GUEST_MEMFD,
    KVM_GET_API_VERSION,
    Answer,
    Call,
    Errno,
    Script,
    Standin,
)

pytestmark = pytest.mark.usefixtures("standin")

T = TypeVar("T")
MMAP, INIT_SHARED = 1, 2
MASK = (1 << 64) - 1
EVERYTHING = obeying()


class Swapped(FlagWord):
    """Flags where the size should be."""

    HUGE = 1 << 16


def count() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def on(script: Script, fd: int, use: Callable[[Vm], T]) -> T:
    """Use a VM for which ``script`` answers; whatever happens, no descriptor stays behind."""
    before = count()
    try:
        return Standin(script).run(lambda: use(Vm.from_fd(fd, vm_type=0)))
    finally:
        assert count() == before


def made(script: Script, fd: int, size: int, flags: Resolution | int) -> bool:
    """Create a file and close it; whether it was made close-on-exec."""

    def create(vm: Vm) -> bool:
        file = vm.create_guest_memfd(size, flags)
        try:
            return not os.get_inheritable(file)
        finally:
            os.close(file)

    return on(script, fd, create)


def failed(
    script: Script, fd: int, flags: Resolution | int, size: int = PAGE
) -> GuestMemfdCreateError:
    """What creation fails with; it pickles, whatever is attached to it."""
    with pytest.raises(GuestMemfdCreateError) as caught:
        on(script, fd, lambda vm: vm.create_guest_memfd(size, flags))
    error = caught.value
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)
    return error


def says(number: int) -> Judge:
    """A kernel that answers every creation with this errno."""
    return lambda _: number


@pytest.mark.parametrize("size", [PAGE, 2 * PAGE, 1 << 62, (1 << 63) - PAGE])
def test_size_and_flags_arrive_and_the_reserved_words_are_zero(size: int, null: int) -> None:
    """Proposals give the reserved words a meaning, so they must be zero until somebody has one."""
    kernel = HiddenKernel(3, EVERYTHING)
    assert made(kernel, null, size, 3)
    assert kernel.created == [(size, 3, 0, 0, 0, 0, 0, 0)]


@pytest.mark.parametrize("mask", [0, 1, 1 << 31, 1 << 63, MASK, GuestMemfdFlag.INIT_SHARED])
def test_any_mask_is_tried(mask: int, null: int) -> None:
    """Listed or not: the kernel is the judge."""
    kernel = HiddenKernel(3, EVERYTHING)
    assert made(kernel, null, PAGE, mask)
    assert kernel.tried == [mask]


def test_a_resolution_stands_for_its_mask(null: int) -> None:
    """What was negotiated is what is passed."""
    kernel = HiddenKernel(3, EVERYTHING)
    request = Request(required=MMAP, preferred=[INIT_SHARED])

    def create(vm: Vm) -> None:
        os.close(vm.create_guest_memfd(PAGE, negotiate(query(vm), request)))

    on(kernel, null, create)
    assert kernel.tried == [MMAP | INIT_SHARED]


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0"),
        (1, "1"),
        (4095, "4095"),
        (PAGE + 1, f"{PAGE + 1}"),
        (PAGE + 512, f"{PAGE + 512}"),
        (2**63, "9223372036854775808"),
        (2**64 - PAGE, f"{2**64 - PAGE}"),
        (2**64 + PAGE, f"{2**64 + PAGE}"),
        (1 << 400, "an int of 401 bits"),
        (-4096, "-4096"),
    ],
)
def test_a_bad_size_is_not_tried(size: int, shown: str, null: int) -> None:
    """It would be the same EINVAL as for bad flags."""
    kernel = HiddenKernel(3, EVERYTHING)
    error = failed(kernel, null, 3, size)
    assert (error.errno, error.mask) == (errno.EINVAL, 3)
    assert str(error) == (
        f"guest_memfd of {shown} bytes with flags 0x3: Invalid argument (errno 22); the size must"
        f" be a positive multiple of {PAGE} bytes below 2**63; nothing was tried"
    )
    assert not kernel.created


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (True, "True"),
        (float(PAGE), f"{float(PAGE)}"),
        ("4096", "'4096'"),
        (None, "None"),
        (Swapped.HUGE, "an object of type Swapped"),
    ],
)
def test_a_size_that_is_no_int_is_not_tried(size: int, shown: str, null: int) -> None:
    """Size and flags may have been swapped."""
    kernel = HiddenKernel(3, EVERYTHING)
    with pytest.raises(TypeError, match=f"size must be an int, not {shown}"):
        on(kernel, null, lambda vm: vm.create_guest_memfd(size, PAGE))
    assert not kernel.created


@pytest.mark.parametrize("flags", [-1, 1 << 64, True, 3.0, "MMAP", None])
def test_flags_that_are_no_mask_are_not_tried(flags: int, null: int) -> None:
    """IntFlag(-1) would be every flag, and True would be MMAP."""
    kernel = HiddenKernel(3, EVERYTHING)
    with pytest.raises(InvalidMaskError):
        made(kernel, null, PAGE, flags)
    assert not kernel.created


def test_a_refusal_is_not_tried(null: int) -> None:
    """The Resolution says why."""
    kernel = HiddenKernel(3, EVERYTHING)
    refusal = resolve(query(FakeBackend.narrow(MMAP)), INIT_SHARED)
    with pytest.raises(NegotiationError) as caught:
        made(kernel, null, PAGE, refusal)
    assert caught.value.resolution is refusal
    assert not kernel.created


def test_an_interrupted_call_is_made_again(null: int) -> None:
    """A signal is not an answer."""
    answers = [errno.EINTR, errno.EINTR, 0]
    kernel = HiddenKernel(3, lambda _: answers.pop(0))
    assert made(kernel, null, PAGE, 3)
    assert kernel.tried == [3, 3, 3]


@pytest.mark.parametrize(
    ("number", "meaning"),
    [
        (errno.EIO, "another process than the VM's creator asks (after a fork, say)"),
        (errno.EMFILE, "this process has no descriptor left: raise RLIMIT_NOFILE"),
        (errno.ENFILE, "the system has no file left: see /proc/sys/fs/file-max"),
        (errno.ENOMEM, "the kernel has no memory for it: free some"),
        (errno.EFAULT, "the kernel could not read the request, a fault of gmemflags: report it"),
        (
            errno.EACCES,
            "a seccomp filter or a security module (SELinux, say) denies the call: allow it",
        ),
        (
            errno.EPERM,
            "a seccomp filter or a security module (SELinux, say) denies the call: allow it",
        ),
        (errno.ENOTTY, "this kernel is built without guest_memfd, or the descriptor is not a VM"),
        (errno.EBADF, "the VM's descriptor is closed: keep it open"),
        (
            errno.EOPNOTSUPP,
            "KVM_CREATE_GUEST_MEMFD has no known reason to fail like this: see the errno",
        ),
    ],
    ids=errno.errorcode.get,
)
def test_an_errno_is_kept_and_told(number: int, meaning: str, null: int) -> None:
    """What it means here and what to do, in a sentence; the VM is not asked again."""
    standin = HiddenKernel(3, says(number))
    error = failed(standin, null, 1)
    assert (error.errno, error.strerror) == (number, os.strerror(number))
    assert (error.size, error.mask, error.support, error.resolution) == (PAGE, 1, None, None)
    assert str(error).startswith(
        f"guest_memfd of {PAGE} bytes with flags 0x1: {os.strerror(number)} (errno {number});"
        f" {meaning}"
    )


def test_unlisted_flags_are_named(null: int) -> None:
    """After EINVAL the VM is asked what it lists, and that is kept."""
    error = failed(HiddenKernel(1, taking([0, 1])), null, 0x83)
    assert error.errno == errno.EINVAL
    assert error.meaning == (
        "INIT_SHARED|0x80 (0x82) is not among its flags: this VM lists MMAP (bit 0, 0x1)"
    )
    assert error.support is not None
    assert error.support.mask == 1


def test_a_combination_that_is_refused(null: int) -> None:
    """Each flag is listed, and the list does not say which go together."""
    error = failed(HiddenKernel(3, taking([0, 1])), null, 3)
    assert error.meaning.startswith(
        "this VM lists MMAP|INIT_SHARED (0x3), but does not take this combination"
    )


def test_a_vm_without_guest_memfd(null: int) -> None:
    """Its list of flags is of no account."""
    kernel = HiddenKernel(0, says(errno.EINVAL))
    kernel.answers[234] = 0
    error = failed(kernel, null, 0)
    assert error.meaning == "this VM has no guest_memfd at all (KVM_CAP_GUEST_MEMFD is 0)"


def after_creation(kernel: HiddenKernel, request: int, answer: Answer) -> Script:
    """A script that answers one kind of request otherwise, once a file was asked for."""

    def script(call: Call) -> Answer:
        if kernel.created and call.request == request:
            return answer
        return kernel(call)

    return script


def test_a_descriptor_that_is_dev_kvm_meanwhile(null: int) -> None:
    """It answers EINVAL to any creation, and lists flags that no VM may take."""
    kernel = HiddenKernel(3, says(errno.EINVAL))
    error = failed(after_creation(kernel, KVM_GET_API_VERSION, 12), null, 3)
    assert error.meaning.startswith("the descriptor is not this VM's any more")
    assert "this is /dev/kvm itself, which makes VMs and no guest_memfd" in error.meaning


@pytest.mark.parametrize(
    ("answer", "said"),
    [(Errno(errno.EIO), "did not answer KVM_CHECK_EXTENSION"), (0xFFFF_FFEA, "answered")],
    ids=["fails", "is nonsense"],
)
def test_a_vm_that_does_not_say_what_it_lists(answer: Answer, said: str, null: int) -> None:
    """The refusal stays the refusal, and both are told."""
    kernel = HiddenKernel(3, says(errno.EINVAL))
    error = failed(after_creation(kernel, KVM_CHECK_EXTENSION, answer), null, 3)
    assert error.errno == errno.EINVAL
    assert error.support is None
    sentence, _, reason = error.meaning.partition(": ")
    assert sentence == "the flags were refused, and the VM does not say what it lists"
    assert reason.startswith(f"VM descriptor {null} {said}")


def test_a_resolution_of_another_vm(null: int) -> None:
    """It is tried, and when it fails it is said whose flags these are."""
    other = query(FakeBackend({234: 1, 244: 3}, origin="VM of type 7"))
    resolution = negotiate(other, 3)
    error = failed(HiddenKernel(1, taking([0, 1])), null, resolution)
    assert error.meaning == (
        "INIT_SHARED (bit 1, 0x2) is not among its flags: this VM lists MMAP (bit 0, 0x1);"
        " the Resolution was made for VM of type 7 (vm scope)"
    )
    assert error.resolution == resolution


def test_a_resolution_of_system_scope(null: int) -> None:
    """/dev/kvm lists what no VM of this host may take."""
    best = query(FakeBackend({234: 1, 244: 3}, scope=Scope.SYSTEM, origin="/dev/kvm"))
    resolution = negotiate(best, Request(required=3, scope=Scope.SYSTEM))
    error = failed(HiddenKernel(1, taking([0, 1])), null, resolution)
    assert error.meaning.endswith("; the Resolution was made for /dev/kvm (system scope)")


def test_a_resolution_of_another_vm_can_be_right(null: int) -> None:
    """The kernel is the judge, not the origin."""
    resolution = negotiate(query(FakeBackend.narrow(3)), 3)
    assert made(HiddenKernel(3, EVERYTHING), null, PAGE, resolution)


@pytest.mark.parametrize(
    ("request_there", "answer_here"),
    [
        (Request(required=3), "refused on VM descriptor "),
        (Request(required=1, preferred=[2]), "granted on VM descriptor "),
    ],
    ids=["refused", "granted otherwise"],
)
def test_a_resolution_of_another_type_of_vm(
    request_there: Request, answer_here: str, null: int
) -> None:
    """The same flags are listed, but a rule of the catalog speaks of this VM alone."""
    rule = excludes(1, 2, hosts=Hosts(vm_types=[0]))
    other = evolve(FakeBackend.narrow(3).host, vm_type=1)
    tree = evolve(MAINLINE, name="a-tree", rules=[rule])
    resolution = negotiate(query(FakeBackend({234: 1, 244: 3}, host=other), tree), request_there)
    error = failed(HiddenKernel(3, obeying(rule)), null, resolution)
    assert error.meaning.startswith(f"this VM's answer is now: {answer_here}")
    assert error.meaning.endswith("; the Resolution was made for a fake host (vm scope)")


def test_a_contradiction_between_kernel_and_catalog(null: int) -> None:
    """A Resolution of this very VM is refused: everything is attached."""
    kernel = HiddenKernel(3, taking([0, 1]))
    resolutions: list[Resolution] = []

    def create(vm: Vm) -> int:
        resolutions.append(negotiate(query(vm), 3))
        return vm.create_guest_memfd(PAGE, resolutions[0])

    with pytest.raises(GuestMemfdCreateError) as caught:
        on(kernel, null, create)
    error = caught.value
    assert error.meaning.startswith(
        "this VM lists MMAP|INIT_SHARED (0x3), and linux-mainline has no rule against this mask:"
        " kernel and catalog contradict each other"
    )
    assert error.resolution is resolutions[0]
    assert error.support == resolutions[0].support


def test_no_descriptor_stays_when_it_cannot_be_closed_on_exec(
    null: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file was made, and nobody would know its number."""

    def refuse(fd: int, inheritable: bool, /) -> None:
        raise OSError(errno.EPERM, f"no ioctl on {os.fstat(fd).st_size} {inheritable}")

    monkeypatch.setattr(os, "set_inheritable", refuse)
    with pytest.raises(OSError, match=r"no ioctl on [0-9]+ False"):
        made(HiddenKernel(3, EVERYTHING), null, PAGE, 3)


def test_the_request_is_the_kernels(null: int) -> None:
    """_IOWR(0xAE, 0xd4, 64 bytes), on the VM's descriptor."""
    standin = Standin(HiddenKernel(3, EVERYTHING))
    standin.run(lambda: os.close(Vm.from_fd(null).create_guest_memfd(PAGE, 3)))
    call = standin.calls[-1]
    assert (call.request, call.fd) == (KVM_CREATE_GUEST_MEMFD, null)
    assert KVM_CREATE_GUEST_MEMFD == 3 << 30 | 64 << 16 | 0xAE << 8 | 0xD4
