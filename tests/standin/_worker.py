"""The filtered thread: how it begins, lives and ends, and who else may hold its listener.

It must end with a farewell whatever the function does, and never by way of a descriptor number,
which by then may be somebody else's.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future
from threading import Event, Thread
from typing import TypeVar

from tests.standin import _seccomp

T = TypeVar("T")

_listeners: set[int] = set()


def start(function: Callable[[], T]) -> "tuple[Thread, int, Future[T], Event]":
    """A new thread behind a filter, its listener, its outcome, and the event it begins at."""
    installed: Future[int] = Future()
    outcome: Future[T] = Future()
    begin = Event()
    thread = Thread(target=_live, args=(function, installed, outcome, begin), daemon=True)
    thread.start()
    return thread, installed.result(), outcome, begin


def finish(thread: Thread, listener: int, patience: float) -> None:
    """Close the listener: whoever still waits gets ENOSYS, and so many seconds to end."""
    _listeners.discard(listener)
    os.close(listener)
    thread.join(patience)


def _live(
    function: Callable[[], T], installed: "Future[int]", outcome: "Future[T]", begin: Event
) -> None:
    try:
        listener = _seccomp.install()
    except BaseException as error:  # noqa: BLE001 - raised again where start() was called
        installed.set_exception(error)
        return
    _listeners.add(listener)
    installed.set_result(listener)
    begin.wait()
    try:
        outcome.set_result(function())
    except BaseException as error:  # noqa: BLE001 - raised again where run() was called
        outcome.set_exception(error)
    finally:
        del outcome  # the exception holds this frame: no circle
        _seccomp.farewell()


def _forget_listeners() -> None:
    """In a forked child: its copies must not keep calls waiting after the run has ended."""
    while _listeners:
        os.close(_listeners.pop())


os.register_at_fork(after_in_child=_forget_listeners)
