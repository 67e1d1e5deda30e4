"""From the arguments to the exit status: finds the command, runs it, and tells what went wrong."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from contextlib import suppress
from importlib import import_module
from textwrap import wrap
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

from gmemflags._cli._out import complain, emit, flush
from gmemflags._cli._status import TELLABLE, CommandError, Status, as_command_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

# Each is a module of this package with an underscore before its name, loaded when it is called.
COMMANDS = {
    "show": "Show which guest_memfd flags a host lists, and for which type of VM.",
    "check": "Check whether a host takes the flags you want, and say why not.",
    "probe": "Try which combinations a VM takes, and learn the rules behind them.",
    "compare": "Compare two hosts: which has more, and what is lost on the other.",
    "baseline": "Tell what every host of a pool has, and which hosts lack the rest.",
    "replay": "Resolve recorded decisions again: is the answer still the same?",
    "catalogs": "List the flags, numbers, rules and profiles of kernel trees.",
}
_LISTED = f"name one of {', '.join(COMMANDS)}: `gmemflags COMMAND --help` tells more"
_EXIT = """\
exit status:
  0  yes, or done
  1  no, and the no is well founded
  2  the command or its input is wrong
  3  no answer could be had: no device, no permission, an incomplete probe,
     only an upper bound, or output that cannot be written
"""


class Command(Protocol):
    """What the module of a command has: it adds its options, and does it for an exit status."""

    add: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]


class _Format(RawDescriptionHelpFormatter):
    # Names of hosts and catalogs have hyphens, and must stay whole.

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrap(text, width, break_on_hyphens=False)


class Parser(ArgumentParser):
    """A parser that ends in a :class:`CommandError` and prints through this room's one place."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, formatter_class=_Format, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print."""
        raise CommandError(message, f"see `{self.prog} --help`")

    def print_help(self, file: object = None) -> None:
        """Print the help text; ``file`` is argparse's and not used."""
        del file
        emit(self.format_help().rstrip("\n"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv``, by default that of the process; return the exit status."""
    try:
        return _told(list(sys.argv[1:] if argv is None else argv))
    except BrokenPipeError:
        return Status.BROKEN_PIPE
    except KeyboardInterrupt:
        return Status.INTERRUPTED


def _told(argv: list[str]) -> int:
    try:
        status = _run(argv)
        flush()
        return status
    except CommandError as error:
        end = error
    except TELLABLE as error:
        end = as_command_error(error)
    with suppress(CommandError):  # of two faults the first is told
        flush()
    complain(end.what, end.remedy)
    return end.status


def _run(argv: list[str]) -> int:
    try:
        words = argv[1:] if argv[:1] == ["--"] else argv
        if words and words[0] in COMMANDS:
            return _command(words[0], words[1:])
        return _top(words)
    except SystemExit:  # argparse, after a help text
        return Status.YES


def _command(name: str, argv: list[str]) -> int:
    command = cast("Command", import_module(f"gmemflags._cli._{name}"))
    parser = Parser(prog=f"gmemflags {name}", description=COMMANDS[name])
    command.add(parser)
    return command.run(parser.parse_intermixed_args(argv))


def _top(argv: list[str]) -> int:
    commands = "\n".join(f"  {name:<10}{sentence}" for name, sentence in COMMANDS.items())
    parser = Parser(
        prog="gmemflags",
        description="Ask KVM which guest_memfd flags it takes, and agree on some.",
        epilog=f"commands:\n{commands}\n\n{_EXIT}",
    )
    parser.add_argument("command", nargs="?", metavar="COMMAND", help="what to do: see below")
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    args, rest = parser.parse_known_args(argv)
    if args.command is not None and args.command not in COMMANDS:
        raise _no_command(args.command)
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if args.version:
        emit(f"gmemflags {version('gmemflags')}")
        return Status.YES
    raise CommandError("no command is given", _LISTED)


def _no_command(name: str) -> CommandError:
    from difflib import get_close_matches

    near = get_close_matches(name[:20].lower(), COMMANDS, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return CommandError(f"no command is called {name!r}{hint}", _LISTED)


def version(distribution: str) -> str:
    """The version that is installed; a source tree alone has none."""
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "of a source tree that is not installed"
