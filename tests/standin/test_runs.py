"""Who is answered in a run: its thread, the threads and children of it, and nobody else."""

import errno
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import pytest

from tests.standin._seccomp import ioctl, this_abi
from tests.standin.kernel import (
    KVM_CHECK_EXTENSION,
    KVM_CREATE_GUEST_MEMFD,
    Answer,
    Call,
    NewFd,
    Standin,
    extensions,
    require_standin,
)

CHILD = """
import ctypes, os, sys
call = ctypes.CDLL(None, use_errno=True).syscall
call.restype = ctypes.c_long
number = ctypes.c_long(int(sys.argv[1]))
memory = (ctypes.c_uint64 * 8)(1 << 40, 3, 0, 0, 0, 0, 0, 7)
print(call(number, 0, 0xAE03, 244))
new = call(number, 0, ctypes.c_ulong(0xC040AED4), memory)
print(os.write(new, b"guest"), os.fstat(new).st_size)
"""


@pytest.fixture(autouse=True)
def needs_a_standin() -> None:
    """Every test of this module runs on the scripted kernel."""
    require_standin()


def ask() -> int:
    """Ask for capability 244 with the raw system call."""
    return ioctl(0, KVM_CHECK_EXTENSION, 244)


def play(call: Call) -> Answer:
    """Answer as a kernel with 64 bits at once that makes guest_memfd files."""
    return NewFd() if call.request == KVM_CREATE_GUEST_MEMFD else 1 << 62 | 3


def child() -> str:
    """Run a Python that knows nothing of the standin; what it printed."""
    command = [sys.executable, "-c", CHILD, str(this_abi().ioctl)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def live_on(connection: socket.socket) -> NoReturn:
    """In a forked child: ask, tell, wait for the end of the run, and ask again."""
    status = 1
    try:
        connection.send(bytes([ask()]))
        connection.recv(1)
        ask()
    except OSError as error:
        status = error.errno or 1
    finally:
        os._exit(status)


def test_a_child_process_is_answered_too() -> None:
    """A spawned child gets values and descriptors, and its struct is read from its memory."""
    standin = Standin(play)
    assert standin.run(child).split() == [str(1 << 62 | 3), "5", "5"]
    assert standin.calls[1].struct()[:16] == (1 << 40 | 3 << 64).to_bytes(16, "little")
    assert standin.calls[1].struct()[56:] == (7).to_bytes(8, "little")
    assert standin.calls[0].pid == standin.calls[1].pid != os.getpid()


def test_a_killed_caller_needs_no_answer() -> None:
    """A child that dies while it waits ends nothing but itself."""

    def script(call: Call) -> Answer:
        os.kill(call.pid, signal.SIGKILL)
        return 3

    with pytest.raises(subprocess.CalledProcessError, match="SIGKILL"):
        Standin(script, shared=True).run(child)


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_may_outlive_the_run() -> None:
    """Once the run is over, a call of a child fails with ENOSYS: it does not wait for ever."""
    ours, theirs = socket.socketpair()

    def forked() -> int:
        process = os.fork()
        if not process:
            ours.close()
            live_on(theirs)
        assert ours.recv(1) == b"\3"
        return process

    with ours, theirs:
        process = Standin(extensions({244: 3})).run(forked)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == errno.ENOSYS


def test_other_threads_are_untouched() -> None:
    """A thread from outside the run reaches the real kernel, also during the run."""
    with ThreadPoolExecutor(1) as outside:
        outside.submit(int).result()  # the thread exists before the run
        reader, writer = os.pipe()
        standin = Standin(extensions({244: 3}))
        real = standin.run(lambda: outside.submit(ioctl, reader, KVM_CHECK_EXTENSION, 244))
        assert isinstance(real.exception(), OSError)
        assert standin.run(ask) == 3
        os.close(reader)
        os.close(writer)
    assert len(standin.calls) == 1


def test_a_thread_of_the_function_is_answered() -> None:
    """Threads that the function starts inherit the filter."""

    def with_helpers() -> list[int]:
        with ThreadPoolExecutor(4) as helpers:
            return [future.result() for future in [helpers.submit(ask) for _ in range(40)]]

    assert Standin(extensions({244: 3})).run(with_helpers) == [3] * 40


def test_two_standins_at_once_do_not_mix() -> None:
    """Two runs in parallel threads get each their own answers."""

    def run(answer: int) -> set[int]:
        return Standin(extensions({244: answer})).run(lambda: {ask() for _ in range(500)})

    with ThreadPoolExecutor(2) as both:
        assert list(both.map(run, [1 << 40, 1 << 41])) == [{1 << 40}, {1 << 41}]


def test_one_standin_cannot_run_inside_another() -> None:
    """The kernel allows one listener per thread, and the error says so."""
    standin = Standin(extensions({244: 3}))
    with pytest.raises(OSError, match="one Standin cannot run inside another"):
        standin.run(lambda: standin.run(ask))
