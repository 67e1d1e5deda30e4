"""Recorded hosts from files or standard input, one a line, in constant memory.

What is broken is told with file and line. Nothing is kept of a host that has been handed on.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from errno import EBADF
from os import strerror
from pathlib import Path
from typing import TYPE_CHECKING

from gmemflags._cli import _options
from gmemflags._cli._out import complain, progress
from gmemflags._cli._status import CommandError
from gmemflags.catalog import Scope
from gmemflags.records import load_lines
from gmemflags.records._text import LONGEST

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Generator, Iterable, Iterator
    from typing import BinaryIO, TextIO

    from gmemflags.exceptions import RecordError
    from gmemflags.host import Support

STDIN = "-"
_TOLD = 10
_STEP = 1 << 14


def add_choice(parser: ArgumentParser) -> None:
    """--scope and --vm-type: which of the records that ``show --json`` writes for one host."""
    parser.add_argument(
        "--scope",
        choices=[str(scope) for scope in Scope],
        default=str(Scope.VM),
        help="only records of this scope: of VMs (default), or of /dev/kvm, an upper bound",
    )
    parser.add_argument(
        "--vm-type", metavar="N", type=_options.number, help="only records of VMs of this type"
    )


def is_chosen(host: Support, args: Namespace) -> bool:
    """Whether --scope and --vm-type choose a record."""
    return host.scope == args.scope and args.vm_type in (None, host.host.vm_type)


def add_skip_bad(parser: ArgumentParser) -> None:
    """--skip-bad."""
    parser.add_argument(
        "--skip-bad", action="store_true", help="tell broken lines, go on, and count them"
    )


def document(name: str) -> bytes:
    """What a file or standard input holds, but no more of it than a document can have."""
    with _opened(name) as file:
        return file.read(LONGEST + 1)


@contextmanager
def _opened(name: str) -> Generator[BinaryIO, None, None]:
    try:
        if name == STDIN:
            yield _stdin()
        else:
            with Path(name).open("rb") as file:
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


def shown(name: str) -> str:
    """The name of a file for people."""
    return "standard input" if name == STDIN else name


class Pool:
    """The chosen hosts of some files, or of standard input if there is none.

    ``seen``: the records that were read, ``left_out``: those that --scope and --vm-type do not
    choose, ``bad``: the broken lines.
    """

    def __init__(self, args: Namespace, files: Iterable[str]) -> None:
        self._files = list(files) or [STDIN]
        self._args = args
        self.seen = self.left_out = self.bad = 0

    def hosts(self) -> Iterator[Support]:
        """Every chosen host; what was skipped is told at the end.

        Raises CommandError for a file that cannot be read, and RecordError for a broken line
        without --skip-bad.
        """
        try:
            for name in self._files:
                yield from self._chosen(name)
        finally:
            progress("")
        if self.bad:
            lines = "1 line is" if self.bad == 1 else f"{self.bad} lines are"
            complain(
                f"{lines} broken and skipped; records read: {self.seen}",
                "write these records anew: what their hosts said is not in the answer",
                "warning",
            )

    def none_chosen(self) -> CommandError:
        """The end of a command that needs a host, and has none."""
        wanted = f"scope {self._args.scope}"
        if self._args.vm_type is not None:
            wanted += f" and VM type {self._args.vm_type}"
        return CommandError(
            f"of {self.seen} records none is of {wanted}",
            "give records that `gmemflags show --json` wrote, or choose with --scope and --vm-type",
        )

    def _chosen(self, name: str) -> Iterator[Support]:
        bad = self._tell if self._args.skip_bad else None
        with _opened(name) as file:
            for host in load_lines(_lines(file), name=shown(name), bad=bad):
                self.seen += 1
                if not self.seen % _STEP:
                    progress(f"{self.seen} hosts")
                if is_chosen(host, self._args):
                    yield host
                else:
                    self.left_out += 1

    def _tell(self, error: RecordError) -> None:
        self.bad += 1
        if self.bad <= _TOLD:
            more = "; further ones are only counted" if self.bad == _TOLD else ""
            complain(f"skipped {error}", f"write that record anew{more}", "warning")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    # As a file does it, but of a line that is too long to be a record no more than shows that.
    while line := file.readline(LONGEST + 2):
        yield line
        if len(line) > LONGEST:
            while line and not line.endswith(b"\n"):
                line = file.readline(LONGEST)
