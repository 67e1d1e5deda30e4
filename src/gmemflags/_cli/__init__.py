"""The command line: parser, exit status, errors and output. The only module that prints.

A command gets its arguments and an :class:`Output`, and returns a :class:`Status`. ``_commands.py``
has them all, and ``_render.py`` their text. They show what the library found out.

Whatever stands in a path, a record or an argument arrives as visible characters, and whatever goes
wrong ends in two lines on standard error: ``error:`` what, ``hint:`` what to do.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from difflib import get_close_matches
from enum import IntEnum
from errno import EBADF
from importlib import metadata
from shutil import get_terminal_size
from textwrap import fill, wrap
from typing import Any, NamedTuple, NoReturn, TextIO

from attrs import define

from gmemflags import _exceptions as errors

_SUMMARY = "Ask KVM which guest_memfd flags it takes, and agree on some."
_EXAMPLES = (
    "gmemflags show --json >>hosts.jsonl",
    "gmemflags check --profile fully-shared hosts.jsonl",
    "gmemflags help check",
)
_STATUSES = """\
exit status:
  0  yes, or done
  1  no, and the no is well founded
  2  the command or its input is wrong
  3  no answer: no device, no permission, only an upper bound, output that
     cannot be written, or anything unexpected (GMEMFLAGS_DEBUG=1 shows where)

"""


class Status(IntEnum):
    """What the exit status of the process says; see ``_STATUSES``."""

    YES = 0
    NO = 1
    USAGE = 2
    NO_ANSWER = 3


@define
class CommandError(Exception):
    """A command ends here: what happened, what to do about it, and the exit status."""

    what: str
    hint: str
    status: Status = Status.USAGE


# What to do about errors of the library; those of _WRONG_INPUT are the fault of who typed.
_WRONG_INPUT = errors.FlagSyntaxError, errors.CatalogError, errors.RecordError, errors.PoolError
_HINTS: dict[type[Exception], str] = {
    errors.FlagSyntaxError: "name flags of `gmemflags catalogs`, a mask like 0x3, a file ./NAME, or"
    " a profile with --profile; --catalog chooses another tree",
    errors.CatalogError: "choose another catalog with --catalog, or query the host again",
    errors.RecordError: "give what `gmemflags show --json` wrote, or --skip-bad lines",
    errors.PoolError: "choose hosts with --machine, --vm-type and --scope",
    errors.CapabilityQueryError: "see the errno; seccomp or a security module may refuse ioctls",
    errors.InconsistentAnswerError: "no kernel answers so: look at what is between this and KVM",
    errors.NegotiationTooHardError: "ask for fewer flags, or simplify the catalog",
}
_UNEXPECTED = "set GMEMFLAGS_DEBUG=1 to see where; if it is a fault of gmemflags, report it"


def as_command_error(error: Exception) -> CommandError:
    """How a command ends because of ``error``; what nobody expected is no answer."""
    if isinstance(error, CommandError):
        return error
    if isinstance(error, errors.KvmUnavailableError):
        device = error.reason in ("no-device", "no-permission", "not-kvm")
        more = "; --host NAME needs no device" if device else ""
        return CommandError(str(error), error.remedy + more, Status.NO_ANSWER)
    if hint := _HINTS.get(type(error)):
        wrong = isinstance(error, _WRONG_INPUT)
        return CommandError(str(error), hint, Status.USAGE if wrong else Status.NO_ANSWER)
    what = f"unexpected: {type(error).__name__}: {error}"
    return CommandError(what, _UNEXPECTED, Status.NO_ANSWER)


class Output:
    """Standard output and standard error; with ``quiet`` nothing is written."""

    quiet = False

    def say(self, *texts: str) -> None:
        """Print lines for people; a terminal folds long ones at its width."""
        if sys.stdout is not None and sys.stdout.isatty():
            texts = tuple(_fold(line) for text in texts for line in text.split("\n"))
        self.emit(*texts)

    def emit(self, *texts: str) -> None:
        """Print lines for programs, as they are."""
        if self.quiet:
            return
        try:
            _write(sys.stdout, "".join(f"{text}\n" for text in texts))
        except BrokenPipeError:
            raise
        except OSError as error:
            what = f"standard output cannot be written: {error.strerror}"
            hint = "write elsewhere, free some space, or ask with -q"
            raise CommandError(what, hint, Status.NO_ANSWER) from None

    def complain(self, what: str, hint: str, kind: str = "warning") -> None:
        """Print two lines on standard error; if nobody hears it, the exit status tells."""
        if self.quiet:
            return
        for title, text in ((kind, what), ("hint", hint)):
            line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
            cut = line if len(line) <= 1000 else f"{line[:1000]}..."
            with suppress(OSError):
                _write(sys.stderr, f"gmemflags: {title}: {cut}\n")


_WHOLE: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
"""Names of hosts and catalogs have hyphens, and must stay whole."""


def _fold(line: str) -> str:
    # Broken between words; the further lines are indented by four more columns.
    width = max(get_terminal_size().columns, 40)
    if len(line) <= width:
        return line
    indent = " " * min(len(line) - len(line.lstrip()) + 4, width // 2)
    return fill(line, width, subsequent_indent=indent, **_WHOLE)


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # as with >&-
        raise OSError(EBADF, os.strerror(EBADF))
    encoding = stream.encoding or "ascii"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except OSError:
        with suppress(OSError):  # what is still buffered would fail again when Python ends
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
        raise


Arguments = Mapping[str, Mapping[str, Any]]
"""What argparse takes, by the names of an argument."""


class _Format(RawDescriptionHelpFormatter):
    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrap(text, width, **_WHOLE)


class Parser(ArgumentParser):
    """A parser of what argparse takes by names; an error is raised, not printed."""

    color: bool

    def __init__(
        self, prog: str, summary: str, arguments: Arguments, examples: Sequence[str], **_: object
    ) -> None:
        epilog = "\n  ".join(["examples:", *examples])
        super().__init__(prog, None, summary, epilog, formatter_class=_Format, allow_abbrev=False)
        self.color = False  # Python 3.14 would put escape sequences into the help
        for names, how in arguments.items():
            self.add_argument(*names.split(), **how)
        # Argparse does not get the version: to look it up takes long.
        self.add_argument("-V", "--version", action="version", version="", help="print the version")

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print."""
        raise CommandError(message, f"see `{self.prog} --help`")


class Command(NamedTuple):
    """One command: what its parser takes, and what does it."""

    summary: str
    arguments: Arguments
    examples: Sequence[str]
    run: Callable[[Namespace, Output], Status]


def whole_parser(commands: Mapping[str, Command]) -> ArgumentParser:
    """The parser of all commands, for the help and for programs that document a command line."""
    whole = Parser("gmemflags", _SUMMARY, {}, _EXAMPLES)
    whole.epilog = f"{_STATUSES}{whole.epilog}"
    each = whole.add_subparsers(title="commands", metavar="COMMAND")
    for name, command in commands.items():
        each.add_parser(name, help=command.summary, **command._asdict())
    return whole


def number(text: str) -> int:
    """A decimal or hexadecimal number below 2**32, for argparse."""
    with suppress(ValueError):
        if 0 <= (value := int(text, 0)) < 1 << 32:
            return value
    raise ArgumentTypeError(f"{text[:60]!r} is not a number in [0, 2**32)")


def run_command_line(commands: Mapping[str, Command], argv: Sequence[str]) -> int:
    """Run ``argv``; return the exit status."""
    out = Output()
    out.quiet = bool({"-q", "--quiet"} & {*argv})  # also for what is wrong with the others
    try:
        return _run(commands, argv, out)
    except BrokenPipeError:
        return 141  # as a shell has it: 128 and SIGPIPE
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001  # whatever it is, it ends in two lines
        if os.environ.get("GMEMFLAGS_DEBUG") == "1":
            traceback.print_exc()
        end = as_command_error(error)
        out.complain(end.what, end.hint, "error")
        return end.status


def _run(commands: Mapping[str, Command], argv: Sequence[str], out: Output) -> Status:
    name, *rest = argv or [""]
    if name == "help":
        name, rest = " ".join(rest) or "--help", ["--help"]
    if name not in {*commands, "-h", "--help", "-V", "--version"}:
        near = get_close_matches(name[:20].lower(), commands, n=1)
        suggestion = f"; did you mean {near[0]}?" if near else ""
        what = f"no command is called {name[:60]!r}{suggestion}" if name else "no command is given"
        hint = f"name one of {', '.join(commands)}: `gmemflags help COMMAND` explains it"
        raise CommandError(what, hint)
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            if name not in commands:
                whole_parser(commands).parse_args([name])
            parser = Parser(f"gmemflags {name}", *commands[name][:3])
            args = parser.parse_intermixed_args(rest)
    except SystemExit:  # after --help and --version
        out.emit(printed.getvalue().strip() or f"gmemflags {metadata.version('gmemflags')}")
        return Status.YES
    out.quiet = out.quiet or args.quiet  # -vq
    return commands[name].run(args, out)
