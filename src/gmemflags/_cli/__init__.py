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

_HELP = """\
usage: gmemflags COMMAND ...

Ask KVM which guest_memfd flags it takes, and agree on some.

commands:
{commands}
  help      Explain a command.

exit status:
  0  yes, or done
  1  no, and the no is well founded
  2  the command or its input is wrong
  3  no answer: no device, no permission, only an upper bound, output that
     cannot be written, or anything unexpected (GMEMFLAGS_DEBUG=1 shows where)

examples:
  gmemflags show
  gmemflags check --profile fully-shared"""


class Status(IntEnum):
    """What the exit status of the process says."""

    YES = 0
    """Yes, or done."""
    NO = 1
    """A no that is well founded."""
    USAGE = 2
    """The command or its input is wrong."""
    NO_ANSWER = 3
    """Neither a yes nor a no, or an answer that could not be printed."""


@define
class CommandError(Exception):
    """A command ends here: what happened, what to do about it, and the exit status."""

    what: str
    hint: str
    status: Status = Status.USAGE


# Errors of the library that somebody at a keyboard can cause, and what to do.
_WRONG_INPUT: dict[type[Exception], str] = {
    errors.FlagSyntaxError: "name flags of `gmemflags catalogs`, a mask like 0x3, or a file ./NAME;"
    " --catalog chooses another tree",
    errors.CatalogError: "choose another catalog with --catalog, or query the host again",
    errors.RecordError: "give what `gmemflags show --json` wrote, or --skip-bad lines",
    errors.PoolError: "choose hosts with --machine, --vm-type and --scope",
}
_NO_ANSWER: dict[type[Exception], str] = {
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
    for kind, hint in (_WRONG_INPUT | _NO_ANSWER).items():
        if isinstance(error, kind):
            status = Status.USAGE if kind in _WRONG_INPUT else Status.NO_ANSWER
            return CommandError(str(error), hint, status)
    what = f"unexpected: {type(error).__name__}: {error}"
    return CommandError(what, _UNEXPECTED, Status.NO_ANSWER)


class Output:
    """Standard output and standard error; with ``quiet`` nothing is written."""

    quiet = False

    def say(self, text: str) -> None:
        """Print lines for people; a terminal folds long ones at its width."""
        if sys.stdout is not None and sys.stdout.isatty():
            text = "\n".join(map(_fold, text.split("\n")))
        self.emit(text)

    def emit(self, text: str) -> None:
        """Print lines for programs, as they are."""
        if self.quiet:
            return
        try:
            _write(sys.stdout, f"{text}\n")
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


def _fold(line: str) -> str:
    # Broken between words; the further lines are indented by four more columns.
    width = max(get_terminal_size().columns, 40)
    if len(line) <= width:
        return line
    indent = " " * min(len(line) - len(line.lstrip()) + 4, width // 2)
    return fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


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


class Command(NamedTuple):
    """One command: its help, what argparse takes by names, and what does it."""

    summary: str
    arguments: Mapping[str, Mapping[str, Any]]
    examples: Sequence[str]
    run: Callable[[Namespace, Output], Status]


class _Format(RawDescriptionHelpFormatter):
    # Names of hosts and catalogs have hyphens, and must stay whole.

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrap(text, width, break_on_hyphens=False)


class Parser(ArgumentParser):
    """The parser of one command; an error is raised, not printed."""

    color: bool

    def __init__(self, name: str, command: Command) -> None:
        examples = "\n".join(f"  {example}" for example in command.examples)
        super().__init__(
            f"gmemflags {name}",
            description=command.summary,
            epilog=f"examples:\n{examples}",
            formatter_class=_Format,
            allow_abbrev=False,
        )
        self.color = False  # Python 3.14 would put escape sequences into the help
        for names, how in command.arguments.items():
            self.add_argument(*names.split(), **how)

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print."""
        raise CommandError(message, f"see `{self.prog} --help`")


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
    if name in commands:
        printed = io.StringIO()
        try:
            with redirect_stdout(printed):
                args = Parser(name, commands[name]).parse_intermixed_args(rest)
        except SystemExit:  # after --help, and after --version, which argparse is not told
            out.emit(printed.getvalue().strip() or _version())
            return Status.YES
        out.quiet = out.quiet or args.quiet  # -vq
        return commands[name].run(args, out)
    if name in ("-h", "--help"):
        listed = "\n".join(f"  {one:<10}{commands[one].summary}" for one in commands)
        out.emit(_HELP.format(commands=listed))
    elif name in ("-V", "--version"):
        out.emit(_version())
    else:
        near = get_close_matches(name[:20].lower(), commands, n=1)
        suggestion = f"; did you mean {near[0]}?" if near else ""
        what = f"no command is called {name[:60]!r}{suggestion}" if name else "no command is given"
        hint = f"name one of {', '.join(commands)}: `gmemflags help COMMAND` explains it"
        raise CommandError(what, hint)
    return Status.YES


def _version() -> str:
    return f"gmemflags {metadata.version('gmemflags')}"
