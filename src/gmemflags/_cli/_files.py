"""Files by name, of which - is standard input: what cannot be read is told with its name."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from errno import EBADF
from os import strerror
from typing import TYPE_CHECKING

from gmemflags._cli._status import CommandError
from gmemflags.records._text import LONGEST

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import BinaryIO, TextIO

STDIN = "-"


def shown(name: str) -> str:
    """The name of a file for people."""
    return "standard input" if name == STDIN else name or "''"


@contextmanager
def opened(name: str) -> Generator[BinaryIO, None, None]:
    """The file, or standard input; any OSError in the block ends the command."""
    try:
        if name == STDIN:
            yield _stdin()
        else:
            with open(name, "rb") as file:  # noqa: PTH123  # Path takes "" for the directory
                yield file
    except OSError as error:
        what = f"{shown(name)} cannot be read: {error.strerror}"
        remedy = "give a file that can be read, or - for standard input"
        raise CommandError(what, remedy) from None


def _stdin() -> BinaryIO:
    stream: TextIO | None = sys.stdin
    if stream is None:  # it was closed before Python started
        raise OSError(EBADF, strerror(EBADF))
    return stream.buffer


def lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file; of one that is too long to be a record no more than shows that."""
    while line := file.readline(LONGEST + 2):
        yield line
        if len(line) > LONGEST:
            while line and not line.endswith(b"\n"):
                line = file.readline(LONGEST)
