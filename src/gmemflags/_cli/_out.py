"""The one place that writes to standard output and standard error.

Whatever the terminal can take, and whatever stands in a path or a record: it arrives as visible
characters. Nothing else in this room may print.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from textwrap import fill
from typing import TYPE_CHECKING

from gmemflags._cli._status import CommandError, Status

if TYPE_CHECKING:
    from typing import TextIO

WIDTH = 80
_LONGEST = 1000
# Control characters could move the cursor or hide text.
_VISIBLE = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code != 10}
_ONE_LINE = {**_VISIBLE, 10: "\\n"}


def fold(line: str, width: int = WIDTH, hang: int = 4) -> str:
    """``line``, broken between words into several if it is longer than ``width``.

    The further ones are indented by ``hang`` columns more than the first.
    """
    if len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip()) + hang)
    return fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def say(text: str) -> None:
    """Print lines for people; on a terminal, long ones are folded.

    A terminal of fewer columns than usual breaks them itself: drawings and tables stay whole.
    """
    stream = sys.stdout
    if stream is not None and stream.isatty():
        width = max(os.get_terminal_size(stream.fileno()).columns, WIDTH)
        text = "\n".join(fold(line, width) for line in text.split("\n"))
    emit(text)


def emit(text: str) -> None:
    """Print lines for programs, as they are."""
    _write(sys.stdout, text.translate(_VISIBLE) + "\n")


def flush() -> None:
    """Have everything written that was printed."""
    _write(sys.stdout, "", now=True)


def complain(what: str, remedy: str, kind: str = "error") -> None:
    """Print two lines on standard error: what, and what to do about it."""
    flush()
    for title, text in ((kind, what), ("to do", remedy)):
        shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
        with suppress(OSError, CommandError):  # nobody hears it; the exit status tells
            _write(sys.stderr, f"gmemflags: {title}: {shown.translate(_ONE_LINE)}\n", now=True)


def progress(text: str) -> None:
    """Show ``text`` on the line of a terminal where standard error is one; "" takes it away."""
    stream = sys.stderr
    if stream is not None and stream.isatty():
        with suppress(OSError, CommandError):  # as in complain
            _write(stream, f"\r\x1b[K{text}", now=True)


def _write(stream: TextIO | None, text: str, *, now: bool = False) -> None:
    if stream is None:  # it was closed before Python started
        return
    encoding = stream.encoding or "ascii"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        if now:
            stream.flush()
    except OSError as error:
        _silence(stream)
        if isinstance(error, BrokenPipeError):
            raise
        what = f"{getattr(stream, 'name', 'output')} cannot be written: {error.strerror}"
        raise CommandError(what, "write elsewhere, or make room", Status.NO_ANSWER) from None


def _silence(stream: TextIO) -> None:
    # What is still buffered would fail again, aloud, when Python ends.
    with suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
