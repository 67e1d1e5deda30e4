"""The real edge, to the last system call, against kernels that do not exist."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from gmemflags import (
    MAINLINE,
    BitState,
    CapabilityQueryError,
    KvmUnavailableError,
    Support,
    Unavailable,
    query,
)
from gmemflags.linux import Kvm, Vm
from tests.kernels import KERNELS, WORD, Kernel, Outcome, outcome
from tests.standin.kernel import (
    KVM_CHECK_EXTENSION,
    KVM_GET_API_VERSION,
    Answer,
    Call,
    Errno,
    Standin,
    extensions,
)

pytestmark = pytest.mark.usefixtures("standin")

NUMBERS = [231, 233, 234, 235, 244]
MAX_ERRNO = 4095
FLAGS_ONLY = evolve(MAINLINE, capabilities={"GUEST_MEMFD_FLAGS": 244})

kernels = pytest.mark.parametrize("name", KERNELS)


def play(kernel: Kernel, take: Callable[[int], Kvm | Vm], fd: int) -> tuple[Outcome, Standin]:
    """What a query yields on this kernel, and what was asked."""
    version = 12 if take == Kvm.from_fd else Errno(errno.ENOTTY)
    standin = Standin(extensions(kernel.answers, api_version=version))
    return standin.run(lambda: outcome(take(fd), kernel.catalog)), standin


@kernels
def test_a_kernel_played_to_dev_kvm(name: str, null: int) -> None:
    """A Kvm reads what follows, and so does the fake."""
    kernel = KERNELS[name]
    assert play(kernel, Kvm.from_fd, null)[0] == kernel.outcome
    assert outcome(kernel.fake(), kernel.catalog) == kernel.outcome


@kernels
def test_a_kernel_played_to_a_vm(name: str, null: int) -> None:
    """A Vm reads what follows."""
    kernel = KERNELS[name]
    assert play(kernel, Vm.from_fd, null)[0] == kernel.outcome


@kernels
@pytest.mark.parametrize("take", [Kvm.from_fd, Vm.from_fd], ids=["Kvm", "Vm"])
def test_no_number_is_asked_that_the_catalog_does_not_hold(
    name: str, take: Callable[[int], Kvm | Vm], null: int
) -> None:
    """Nor is any other request made than these two."""
    kernel = KERNELS[name]
    _, standin = play(kernel, take, null)
    assert set(standin.asked()) <= set(kernel.catalog.capabilities.values())
    assert {call.request for call in standin.calls} == {KVM_CHECK_EXTENSION, KVM_GET_API_VERSION}
    assert {call.fd for call in standin.calls} == {null}


def test_each_capability_is_asked_once(null: int) -> None:
    """After the check that a Vm is one, which asks for GUEST_MEMFD."""
    kernel = KERNELS["Linux 6.18"]
    assert play(kernel, Kvm.from_fd, null)[1].asked() == NUMBERS
    assert play(kernel, Vm.from_fd, null)[1].asked() == [234, *NUMBERS]


def test_capabilities_of_others_are_not_flags(null: int) -> None:
    """245 to 261 all answer 1, as ARM_SEA_TO_USER and its like may: no bit comes of it."""
    answers = {234: 1, 244: 3} | dict.fromkeys(range(245, 262), 1)
    standin = Standin(extensions(answers))
    support = standin.run(lambda: query(Vm.from_fd(null)))
    assert (support.mask, support.answerable) == (3, WORD)
    assert support.state(1 << 32) is BitState.UNKNOWABLE
    assert not set(standin.asked()) & set(range(245, 262))


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("times", [1, 100])
def test_an_interrupted_call_is_made_again(number: int, times: int, null: int) -> None:
    """EINTR is neither an answer nor a failure, however often it comes."""
    answers: dict[int, int | list[int | Errno]] = {231: 1, 233: 8, 234: 1, 235: 1, 244: 3}
    answers[number] = [Errno(errno.EINTR)] * times + [5]
    standin = Standin(
        extensions(
            {n: [a] if isinstance(a, int) else a for n, a in answers.items()}, api_version=12
        )
    )
    support = standin.run(lambda: query(Kvm.from_fd(null)))
    assert list(support.answers.values())[NUMBERS.index(number)] == 5
    assert standin.asked().count(number) == times + 1
    assert len(standin.asked()) == len(NUMBERS) + times


@pytest.mark.parametrize("take", [Kvm.from_fd, Vm.from_fd], ids=["Kvm", "Vm"])
def test_taking_a_descriptor_may_be_interrupted(take: Callable[[int], Kvm | Vm], null: int) -> None:
    """The version is asked again as well."""
    last: Answer = 12 if take == Kvm.from_fd else Errno(errno.ENOTTY)
    answers: list[Answer] = [Errno(errno.EINTR), Errno(errno.EINTR), last]

    def script(call: Call) -> Answer:
        return answers.pop(0) if call.request == KVM_GET_API_VERSION else 1

    Standin(script).run(lambda: take(null))
    assert answers == []


def sweep(answers: list[int], fd: int) -> list[Outcome]:
    """What a query yields for each answer to FLAGS, all in one run."""
    current = 0

    def script(call: Call) -> Answer:
        return current if call.request == KVM_CHECK_EXTENSION else Errno(errno.ENOTTY)

    def ask() -> list[Outcome]:
        nonlocal current
        vm = Vm.from_fd(fd)
        found: list[Outcome] = []
        for answer in answers:
            current = answer
            found.append(outcome(vm, FLAGS_ONLY))
        return found

    return Standin(script, shared=True).run(ask)


def test_every_word_that_looks_like_an_errno_is_refused(null: int) -> None:
    """All 4095 of them as words: whatever a future kernel may mean, it is not flags."""
    images = list(range(WORD - MAX_ERRNO + 1, WORD + 1))
    told = [("inconsistent", "GUEST_MEMFD_FLAGS", image) for image in images]
    assert sweep(images, null) == told


def test_every_negative_errno_is_an_error(null: int) -> None:
    """As longs they are the kernel's own errors; only EINTR is asked again, not reported."""
    numbers = [number for number in range(1, MAX_ERRNO + 1) if number != errno.EINTR]
    told = [("no answer", 244, number, os.strerror(number)) for number in numbers]
    assert sweep([-number for number in numbers], null) == told


def test_the_neighbours_of_the_errnos_are_flags(null: int) -> None:
    """One below either range is a word like any other."""
    word = WORD - MAX_ERRNO
    assert sweep([word, -MAX_ERRNO - 1], null) == [(word, WORD, 0)] * 2


def test_each_of_the_64_bits_arrives_alone(null: int) -> None:
    """A kernel that lists one bit is read as listing that bit, and no other."""
    longs = [1 << number for number in range(63)] + [-(1 << 63)]
    assert [read[0] for read in sweep(longs, null)] == [1 << number for number in range(64)]


@pytest.mark.parametrize("version", [0, 11, 13, 0x1_0000_000C])
def test_another_api_version_is_not_kvm(version: int, null: int) -> None:
    """Version 12 is the only one that there will ever be (api.rst 4.1)."""
    with pytest.raises(KvmUnavailableError) as caught:
        Standin(lambda _: version).run(lambda: Kvm.from_fd(null))
    assert caught.value.reason is Unavailable.NOT_KVM
    assert f"its API version is {version}, not 12" in str(caught.value)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.ENOSYS])
def test_a_denied_call_on_the_device_is_a_missing_permission(code: int, kvm: Kvm) -> None:
    """A security module or a filter lets nobody ask, and it is the device by its number."""
    with pytest.raises(KvmUnavailableError) as caught:
        Standin(lambda _: Errno(code)).run(lambda: Kvm.from_fd(kvm.fileno()))
    assert (caught.value.reason, caught.value.errno) == (Unavailable.NO_PERMISSION, code)
    assert caught.value.remedy.startswith("a seccomp filter or a security module")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.ENOSYS, errno.EBADFD])
def test_another_device_that_denies_the_call_is_not_kvm(code: int, null: int) -> None:
    """/dev/vhost-net answers EPERM to what it does not know, and /dev/net/tun EBADFD."""
    with pytest.raises(KvmUnavailableError) as caught:
        Standin(lambda _: Errno(code)).run(lambda: Kvm.from_fd(null))
    assert (caught.value.reason, caught.value.errno) == (Unavailable.NOT_KVM, code)


def test_a_closed_descriptor_behind_a_filter_is_not_kvm(closed: int) -> None:
    """A filter denies the call before anybody sees that nothing is open there."""
    with pytest.raises(KvmUnavailableError) as caught:
        Standin(lambda _: Errno(errno.EPERM)).run(lambda: Kvm.from_fd(closed))
    assert (caught.value.reason, caught.value.errno) == (Unavailable.NOT_KVM, errno.EPERM)


def test_an_owned_descriptor_of_another_version_is_closed(null: int) -> None:
    """What open() opened, it closes when it refuses."""

    def open_and_count() -> tuple[int, int]:
        before = len(list(Path("/proc/self/fd").iterdir()))
        with pytest.raises(KvmUnavailableError, match="version is 11"):
            Kvm.open(os.devnull)
        return before, len(list(Path("/proc/self/fd").iterdir()))

    before, after = Standin(lambda _: 11).run(open_and_count)
    assert before == after


def test_dev_kvm_in_disguise_is_refused_by_name(null: int) -> None:
    """A Vm that knows the API version would give the optimistic mask."""
    standin = Standin(extensions({234: 1, 244: 3}, api_version=12))
    with pytest.raises(KvmUnavailableError, match="this is /dev/kvm itself") as caught:
        standin.run(lambda: Vm.from_fd(null))
    assert caught.value.reason is Unavailable.NOT_KVM
    assert standin.asked() == []


@pytest.mark.parametrize("code", [errno.ENOTTY, errno.EINVAL])
def test_a_vm_refuses_the_version_in_two_ways(code: int, null: int) -> None:
    """ENOTTY on x86, EINVAL on arm64."""

    def ask() -> Support:
        return query(Vm.from_fd(null))

    answers = extensions({234: 1, 244: 3}, api_version=Errno(code))
    assert Standin(answers).run(ask).mask == 3


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES])
@pytest.mark.parametrize("version", [None, Errno(errno.ENOTTY)], ids=["version", "extension"])
def test_a_vm_that_does_not_answer_is_no_wrong_descriptor(
    code: int, version: Errno | None, null: int
) -> None:
    """EIO and the like say nothing of what it is: the kernel's errno is kept."""
    failure = Errno(code)
    script = extensions({234: failure}, api_version=version or failure)
    with pytest.raises(CapabilityQueryError) as caught:
        Standin(script).run(lambda: Vm.from_fd(null))
    assert caught.value.errno == code
    assert ("fork" in str(caught.value)) is (code == errno.EIO)


@pytest.mark.parametrize("code", [errno.ENOTTY, errno.EINVAL, errno.EBADF])
def test_what_refuses_both_requests_is_no_vm(code: int, null: int) -> None:
    """As any other file does, and a vCPU."""
    with pytest.raises(KvmUnavailableError) as caught:
        Standin(lambda _: Errno(code)).run(lambda: Vm.from_fd(null))
    assert (caught.value.reason, caught.value.errno) == (Unavailable.NOT_KVM, code)
