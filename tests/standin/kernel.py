"""A scripted kernel: the KVM ioctls of one thread are answered by a function of the test.

`Standin(script).run(function)` calls `function` in a new thread whose KVM ioctls (type byte 0xAE),
and those of its children, arrive at `script`, by way of seccomp user notification. The caller under
test makes real system calls and gets real results: any signed 64-bit value, any errno, a new
descriptor. This package must never touch a thread or a process that `run` did not start.

The script runs in a process of its own, because a call that keeps the GIL cannot be answered by
this one. Afterwards it is run once more, here, on the calls that came, so that what it counts is
counted here as well.
"""

import errno
import functools
import os
import pickle
import select
import struct
import warnings
from collections.abc import Callable, Iterator
from threading import Event
from typing import TypeVar

import pytest

from tests.standin import _seccomp, _worker
from tests.standin._script import (
    IOC_WRITE,
    KVM_CHECK_EXTENSION,
    KVM_CREATE_GUEST_MEMFD,
    KVM_CREATE_VM,
    KVM_GET_API_VERSION,
    KVM_SET_USER_MEMORY_REGION2,
    STRUCT_BYTES,
    Answer,
    Call,
    Errno,
    NewFd,
    Script,
    extensions,
)

__all__ = [
    "KVM_CHECK_EXTENSION",
    "KVM_CREATE_GUEST_MEMFD",
    "KVM_CREATE_VM",
    "KVM_GET_API_VERSION",
    "KVM_SET_USER_MEMORY_REGION2",
    "Answer",
    "Call",
    "Errno",
    "NewFd",
    "Script",
    "Standin",
    "extensions",
    "require",
    "require_standin",
    "why_unavailable",
]

T = TypeVar("T")


class Standin:
    """The kernel that `script` plays; one object may run several functions, also at once.

    A run gives up after `timeout` seconds without a call (TimeoutError), or after `limit` calls
    (RuntimeError: code that retries EINTR for ever). Then the listener closes, later calls of the
    thread fail with ENOSYS, and a thread that does not end within `timeout` is left as a daemon.

    With `shared` the script runs in this process, where it sees what `function` does meanwhile.
    Then no call may keep the GIL: KVM_CREATE_GUEST_MEMFD would wait for ever.
    """

    def __init__(
        self,
        script: Script,
        *,
        timeout: float = 60.0,
        limit: int = 100_000,
        shared: bool = False,
    ) -> None:
        self.script = script
        self.timeout = timeout
        self.limit = limit
        self.shared = shared
        self.calls: list[Call] = []

    def asked(self) -> list[int]:
        """The capability numbers that KVM_CHECK_EXTENSION asked for, in order."""
        return [call.argument for call in self.calls if call.request == KVM_CHECK_EXTENSION]

    def run(self, function: Callable[[], T]) -> T:
        """Call `function` in a filtered thread; its result, its exception, or the script's."""
        thread, listener, outcome, begin = _worker.start(function)
        try:
            if self.shared:
                begin.set()
                self._serve(listener, thread.native_id)
            else:
                self._serve_elsewhere(listener, thread.native_id, begin)
        finally:
            begin.set()
            _worker.finish(thread, listener, self.timeout)
        try:
            return outcome.result(0)
        finally:
            del outcome  # an exception in it holds this frame: no circle

    def _serve_elsewhere(self, listener: int, worker: int | None, begin: Event) -> None:
        """The same in a forked process; then its calls and the script's exception, here."""
        kept = os.dup(listener)  # a forked child closes the number itself
        reader, writer = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
            child = os.fork()
        if not child:
            self._tell(writer, kept, worker)
        os.close(writer)
        os.close(kept)
        _seccomp.let_read(child)
        begin.set()
        with os.fdopen(reader, "rb") as pipe:
            told = pipe.read()
        os.waitpid(child, 0)
        calls, failure = pickle.loads(told)  # noqa: S301 - our own bytes
        script: Script = self.script
        for call in calls:
            self.calls.append(call)
            try:
                script(call)
            except BaseException as error:  # noqa: BLE001 - raised below, when all is over
                failure, script = error, _give_up
        if failure is not None:
            raise failure

    def _tell(self, writer: int, listener: int, worker: int | None) -> None:
        """Serve, tell the parent what was asked and what went wrong, and end this process."""
        before = len(self.calls)
        failure: BaseException | None = None
        try:
            self._serve(listener, worker)
        except BaseException as error:  # noqa: BLE001 - told
            failure = error
        try:
            told = pickle.dumps((self.calls[before:], failure))
        except Exception:  # noqa: BLE001 - a test's own exception; the script raises it here again
            told = pickle.dumps((self.calls[before:], RuntimeError(repr(failure))))
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(told)
        os._exit(0)

    def _serve(self, listener: int, worker: int | None) -> None:
        """Answer until the worker says farewell; then raise what the script raised, if it did."""
        failures: list[BaseException] = []
        try:
            for notification in self._arrivals(listener, worker):
                script = _give_up if failures else self.script
                try:
                    self._answer(listener, notification, script)
                except BaseException as error:  # noqa: BLE001 - raised below, when all is over
                    failures.append(error)
                    _seccomp.reply(listener, notification.identifier, error=-errno.EIO)
        except (TimeoutError, RuntimeError) as error:
            failures.append(error)
        if failures:
            raise failures.pop(0)

    def _answer(self, listener: int, notification: _seccomp.Notification, script: Script) -> None:
        call = _call(notification)
        self.calls.append(call)
        _send(listener, call, notification.identifier, script(call))

    def _arrivals(self, listener: int, worker: int | None) -> Iterator[_seccomp.Notification]:
        """Every system call that waits for an answer, until the worker's farewell."""
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        for _ in range(self.limit + 1):
            ready = poll.poll(self.timeout * 1000)
            if not ready:
                raise TimeoutError(f"no KVM ioctl and no end of the run for {self.timeout} seconds")
            if not ready[0][1] & select.POLLIN:
                raise RuntimeError("the filtered thread ended, or closed the listener, unheard")
            notification = _seccomp.receive(listener)
            if notification is None:
                continue
            if notification.arguments[1] == _seccomp.FAREWELL and notification.task == worker:
                return
            yield notification
        raise RuntimeError(f"more than {self.limit} KVM ioctls in one run: an endless retry?")


def _give_up(_: Call) -> Answer:
    return Errno(errno.EIO)


def _call(notification: _seccomp.Notification) -> Call:
    fd, request, argument = notification.arguments[:3]
    fd = (fd & 0xFFFFFFFF ^ 0x80000000) - 0x80000000  # the kernel's fd is 32 bits
    request &= 0xFFFFFFFF
    contents = _read(notification.task, argument) if request & IOC_WRITE else b""
    return Call(fd, request, argument, notification.task, contents)


def _read(task: int, address: int) -> bytes:
    """64 bytes of the task's memory, or fewer if they are not all readable."""
    try:
        memory = os.open(f"/proc/{task}/mem", os.O_RDONLY)
    except FileNotFoundError:  # killed meanwhile
        return b""
    try:
        return os.pread(memory, STRUCT_BYTES, address)
    except PermissionError:
        raise
    except (OSError, OverflowError):
        return b""
    finally:
        os.close(memory)


def _send(listener: int, call: Call, identifier: int, answer: Answer) -> None:
    if isinstance(answer, Errno):
        _seccomp.reply(listener, identifier, error=-answer.number)
    elif isinstance(answer, NewFd):
        flags = os.O_CLOEXEC if call.request == KVM_CREATE_VM else 0
        file = os.memfd_create("standin") if answer.mappable else os.eventfd(0)
        try:
            if answer.size:
                os.truncate(file, answer.size)
            _seccomp.reply_descriptor(listener, identifier, file, flags)
        finally:
            os.close(file)
    else:
        try:
            _seccomp.reply(listener, identifier, value=answer)
        except struct.error as error:
            message = f"the script answered {answer!r}: no C long, Errno or NewFd"
            raise ValueError(message) from error


@functools.cache
def why_unavailable() -> str | None:
    """None if a scripted kernel runs here, else one sentence why not; tried once, for real."""

    def try_it() -> None:
        descriptor = _seccomp.ioctl(0, KVM_CREATE_VM, 0)
        os.close(descriptor)
        _seccomp.ioctl(0, KVM_CHECK_EXTENSION, 0)

    try:
        answers: dict[int, Answer] = {KVM_CREATE_VM: NewFd(), KVM_CHECK_EXTENSION: 1 << 62}
        Standin(lambda call: answers[call.request], timeout=10.0).run(try_it)
    except (OSError, RuntimeError) as error:
        return f"The scripted kernel needs seccomp user notification (Linux 5.9): {error}."
    return None


def require(name: str, why: str | None) -> None:
    """Skip the test if `why` is a reason, or fail it if GMEMFLAGS_REQUIRE names `name`."""
    if why is None:
        return
    if name in os.environ.get("GMEMFLAGS_REQUIRE", "").replace(" ", "").split(","):
        pytest.fail(f"GMEMFLAGS_REQUIRE names {name}, and it is unavailable. {why}")
    pytest.skip(f"{why} (Set GMEMFLAGS_REQUIRE={name} to make that a failure.)")


def require_standin() -> None:
    """Skip or fail the test, as GMEMFLAGS_REQUIRE says, where no scripted kernel can run."""
    require("standin", why_unavailable())
