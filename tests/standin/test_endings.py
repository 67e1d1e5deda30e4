"""How a run ends: with a result, an exception, a limit; and what it leaves behind: nothing."""

import errno
import os
import signal
import threading
from pathlib import Path

import pytest

from tests.standin._seccomp import ioctl
from tests.standin.kernel import (
    KVM_CHECK_EXTENSION,
    KVM_CREATE_GUEST_MEMFD,
    Answer,
    Call,
    Errno,
    NewFd,
    Standin,
    extensions,
    require_standin,
)


@pytest.fixture(autouse=True)
def needs_a_standin() -> None:
    """Every test of this module runs on the scripted kernel."""
    require_standin()


def ask() -> int:
    """Ask for capability 244 with the raw system call."""
    return ioctl(0, KVM_CHECK_EXTENSION, 244)


def open_descriptors() -> list[str]:
    """List the descriptors of this process."""
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit, StopIteration])
def test_the_functions_exception_surfaces(kind: type[BaseException]) -> None:
    """What the function raises, run() raises: the very object."""
    thrown = kind("mine")

    def fail() -> None:
        ask()
        raise thrown

    with pytest.raises(kind, match="mine") as caught:
        Standin(extensions({})).run(fail)
    assert caught.value is thrown


def test_the_scripts_exception_surfaces() -> None:
    """The pending call and all later ones fail with EIO; then run() raises what the script did."""
    errors: list[int | None] = []

    def script(call: Call) -> Answer:
        return 1 // (call.argument - 244)

    def ask_twice() -> None:
        for number in (244, 245):
            try:
                ioctl(0, KVM_CHECK_EXTENSION, number)
            except OSError as error:
                errors.append(error.errno)

    with pytest.raises(ZeroDivisionError):
        Standin(script).run(ask_twice)
    assert errors == [errno.EIO, errno.EIO]


@pytest.mark.parametrize("answer", [1 << 63, -(2**63) - 1, 1 << 64])
def test_an_impossible_answer_is_the_scripts_fault(answer: int) -> None:
    """What is not a C long cannot be sent, and is not cut to size."""
    with pytest.raises(ValueError, match="no C long"):
        Standin(lambda _: answer).run(ask)


def test_silence_ends_the_run() -> None:
    """A function that neither calls nor returns is given up after the timeout."""
    free = threading.Event()
    with pytest.raises(TimeoutError, match=r"0\.05 seconds"):
        Standin(extensions({}), timeout=0.05).run(free.wait)
    free.set()


def test_an_endless_retry_ends_the_run() -> None:
    """Code that retries EINTR for ever meets a limit, then ENOSYS."""
    errors: list[int | None] = []

    def stubborn() -> None:
        while errors[-1:] != [errno.ENOSYS]:
            try:
                ask()
            except OSError as error:
                errors.append(error.errno)

    with pytest.raises(RuntimeError, match="more than 50"):
        Standin(lambda _: Errno(errno.EINTR), limit=50).run(stubborn)
    assert errors[:50] == [errno.EINTR] * 50


def test_a_signal_to_the_waiting_thread_does_no_harm() -> None:
    """The answer arrives although the thread was signalled while it waited for it."""
    received: list[int] = []

    def persistent() -> int:
        while True:
            try:
                return ask()
            except InterruptedError:
                continue

    def script(call: Call) -> Answer:
        if len(received) < 5:
            os.kill(call.pid, signal.SIGUSR1)
        return 3

    before = signal.signal(signal.SIGUSR1, lambda number, _: received.append(number))
    try:
        standin = Standin(script)
        assert [standin.run(persistent) for _ in range(100)] == [3] * 100
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert received


def test_no_descriptor_is_left_behind() -> None:
    """After 200 runs, good and bad, this process has the descriptors that it had before."""
    standin = Standin(lambda call: NewFd() if call.request == KVM_CREATE_GUEST_MEMFD else 3)
    before = open_descriptors(), threading.enumerate()
    for _ in range(100):
        os.close(standin.run(lambda: ioctl(0, KVM_CREATE_GUEST_MEMFD, 0)))
        with pytest.raises(ZeroDivisionError):
            standin.run(lambda: 1 // (ask() - ask()))
    assert (open_descriptors(), threading.enumerate()) == before
