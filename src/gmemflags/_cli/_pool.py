"""Recorded hosts from files or standard input, one a line, in constant memory.

What is broken is told with file and line. Nothing is kept of a host that has been handed on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmemflags._catalog import Scope
from gmemflags._cli import _options
from gmemflags._cli._files import STDIN, lines, opened, shown
from gmemflags._cli._out import complain, progress
from gmemflags._cli._status import CommandError
from gmemflags._fleet import Baseline
from gmemflags.records._catalogs import Catalogs
from gmemflags.records._lines import Lines, located

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from gmemflags._exceptions import RecordError
    from gmemflags._host import Support

WRITTEN = "records that `gmemflags show --json` or `gmemflags baseline --json` wrote"
_TOLD = 10
_STEP = 1 << 14


def add_choice(parser: ArgumentParser, default: Scope | None = Scope.VM) -> None:
    """--scope and --vm-type: which of the records that ``show --json`` writes for one host."""
    told = "default" if default else "default, if there are several"
    parser.add_argument(
        "--scope",
        choices=[str(scope) for scope in Scope],
        default=default,
        help=f"only records of this scope: of VMs ({told}), or of /dev/kvm, an upper bound",
    )
    parser.add_argument(
        "--vm-type", metavar="N", type=_options.number, help="only records of VMs of this type"
    )


def support_of(host: Support | Baseline) -> Support:
    """The answers of a host, or those that all hosts of a baseline have in common."""
    return host.support if isinstance(host, Baseline) else host


class Pool:
    """The chosen hosts of some files, or of standard input if there is none.

    ``seen``: the records that were read, ``left_out``: those that --scope and --vm-type do not
    choose, ``pools``: the chosen ones that are baselines, ``bad``: the broken lines.
    """

    def __init__(self, args: Namespace, files: Iterable[str]) -> None:
        self._files = list(files) or [STDIN]
        self.scope = args.scope or Scope.VM
        self._vm_type = args.vm_type
        self._bad = self._tell if getattr(args, "skip_bad", False) else None
        self._read = Lines(Catalogs()).host
        self._at = ("", 0)
        self.seen = self.left_out = self.pools = self.bad = 0

    @property
    def place(self) -> str:
        """The file and the line of the latest record."""
        return "{}, line {}".format(*self._at)

    def hosts(self) -> Iterator[Support | Baseline]:
        """Every chosen host; what was skipped is told at the end.

        Raises CommandError for a file that cannot be read, and RecordError for a broken line
        without --skip-bad.
        """
        for host in self.records():
            if self.is_chosen(host):
                self.pools += isinstance(host, Baseline)
                yield host
            else:
                self.left_out += 1
        if self.bad:
            lines = "1 line is" if self.bad == 1 else f"{self.bad} lines are"
            complain(
                f"{lines} broken and skipped; records read: {self.seen}",
                "record these hosts again: they are missing from the answer",
                "warning",
            )

    def records(self) -> Iterator[Support | Baseline]:
        """Every record, chosen or not; errors are those of :meth:`hosts`."""
        try:
            for name in self._files:
                yield from self._of(name)
        finally:
            progress("")

    def is_chosen(self, host: Support | Baseline) -> bool:
        """Whether --scope and --vm-type choose a record; without --scope it is one of a VM."""
        support = support_of(host)
        return support.scope == self.scope and self._vm_type in (None, support.host.vm_type)

    def none_chosen(self) -> CommandError:
        """The end of a command that needs a host, and has none."""
        if not self.seen:
            names = ", ".join(map(shown, self._files))
            verb = "holds" if len(self._files) == 1 else "hold"
            readable = " that can be read" if self.bad else ""
            return CommandError(f"{names} {verb} no record{readable}", f"give {WRITTEN}")
        wanted = f"scope {self.scope}"
        if self._vm_type is not None:
            wanted += f" and VM type {self._vm_type}"
        return CommandError(
            f"none of {self.seen} records has {wanted}",
            f"give {WRITTEN}, or choose with --scope and --vm-type",
        )

    def left_out_told(self) -> str:
        """How many records were not chosen, behind a tally; empty for none."""
        if not self.left_out:
            return ""
        return f" (left out, of another scope or VM type: {self.left_out})"

    def _of(self, name: str) -> Iterator[Support | Baseline]:
        with opened(name) as file:
            for host in located(self._numbered(file, name), self._read, shown(name), self._bad):
                self.seen += 1
                if not self.seen % _STEP:
                    progress(f"{self.seen} records")
                yield host

    def _numbered(self, file: BinaryIO, name: str) -> Iterator[bytes]:
        for number, line in enumerate(lines(file), 1):
            self._at = (shown(name), number)
            yield line

    def _tell(self, error: RecordError) -> None:
        self.bad += 1
        if self.bad <= _TOLD:
            more = "; further ones are only counted" if self.bad == _TOLD else ""
            complain(f"skipped: {error}", f"record that host again{more}", "warning")
