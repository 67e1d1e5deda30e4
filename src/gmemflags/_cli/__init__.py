"""The command line: parser, exit status, errors and output. The only module that prints.

A command is a function that gets its arguments and an :class:`Output` and returns a
:class:`Status`; ``_commands.py`` has them, and ``_render.py`` makes their text. They show what the
library found out and decide nothing themselves.

Whatever stands in a path, a record or an argument arrives as visible characters on one line, and
whatever goes wrong ends in two lines on standard error: ``error:`` what, ``hint:`` what to do.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from enum import IntEnum
from importlib import metadata
from textwrap import fill, wrap
from typing import Any, NamedTuple, NoReturn, TextIO

from gmemflags._exceptions import (
    CapabilityQueryError,
    CatalogError,
    FlagSyntaxError,
    GmemFlagsError,
    InconsistentAnswerError,
    KvmUnavailableError,
    NegotiationTooHardError,
    PoolError,
    RecordError,
    Unavailable,
)

_LONGEST = 1000
_NARROWEST = 40
_EXIT = """\
exit status:
  0  yes, or done
  1  no, and the no is well founded
  2  the command or its input is wrong
  3  no answer: no device, no permission, only an upper bound, output that
     cannot be written, or anything unexpected (GMEMFLAGS_DEBUG=1 shows where)
"""


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
    INTERRUPTED = 130
    """As a shell has it: 128 and SIGINT."""
    BROKEN_PIPE = 141
    """As a shell has it: 128 and SIGPIPE."""


class CommandError(Exception):
    """A command ends here.

    Args:
        what: What happened.
        hint: What to do about it.
        status: The exit status.
    """

    def __init__(self, what: str, hint: str, status: Status = Status.USAGE) -> None:
        super().__init__(what, hint, status)
        self.what = what
        self.hint = hint
        self.status = status

    def __str__(self) -> str:
        return self.what


# Errors of the library that somebody at a keyboard can cause: what to do, and the exit status.
_HINTS: dict[type[Exception], tuple[str, Status]] = {
    FlagSyntaxError: (
        "name flags that `gmemflags catalogs NAME` lists, or give a mask such as 0x3",
        Status.USAGE,
    ),
    CatalogError: ("choose another catalog with --catalog, or query the host again", Status.USAGE),
    RecordError: (
        "give records that `gmemflags show --json` wrote, or skip broken lines with --skip-bad",
        Status.USAGE,
    ),
    PoolError: ("choose hosts with --machine, --vm-type and --scope", Status.USAGE),
    CapabilityQueryError: (
        "see the errno; a sandbox (seccomp, a security module) may refuse KVM's ioctls",
        Status.NO_ANSWER,
    ),
    InconsistentAnswerError: (
        "no kernel gives such an answer: check what runs between this process and KVM",
        Status.NO_ANSWER,
    ),
    NegotiationTooHardError: ("ask for fewer flags, or simplify the catalog", Status.NO_ANSWER),
}
_NO_DEVICE_NEEDED = (Unavailable.NO_DEVICE, Unavailable.NO_PERMISSION, Unavailable.NOT_KVM)
_UNEXPECTED = "set GMEMFLAGS_DEBUG=1 to see where; if it is a fault of gmemflags, report it"


def as_command_error(error: BaseException) -> CommandError:
    """How a command ends because of ``error``; what nobody expected is no answer."""
    if isinstance(error, CommandError):
        return error
    if isinstance(error, KvmUnavailableError):
        more = "; --host NAME needs no device" if error.reason in _NO_DEVICE_NEEDED else ""
        return CommandError(str(error), error.remedy + more, Status.NO_ANSWER)
    if isinstance(error, MemoryError):
        return CommandError(
            "there is not enough memory", "free some, or raise the limit", Status.NO_ANSWER
        )
    for kind, (hint, status) in _HINTS.items():
        if isinstance(error, kind):
            return CommandError(str(error), hint, status)
    what = str(error) if isinstance(error, GmemFlagsError) else f"{type(error).__name__}: {error}"
    return CommandError(f"unexpected: {what}", _UNEXPECTED, Status.NO_ANSWER)


def printable(text: str) -> str:
    """``text`` with every character that is not visible as an escape, but for newline and tab."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode()
        for char in text
    )


class Output:
    """Standard output and standard error, as one run of the program uses them."""

    def __init__(self) -> None:
        self.quiet = False

    def say(self, text: str) -> None:
        """Print lines for people; on a terminal, long ones are folded at its width."""
        width = _terminal_width(sys.stdout)
        if width:
            text = "\n".join(_fold(line, width) for line in text.split("\n"))
        self.emit(text)

    def emit(self, text: str) -> None:
        """Print lines for programs, as they are."""
        if self.quiet:
            return
        if sys.stdout is None:  # as with >&-
            raise CommandError(
                "standard output is closed", "leave it open, or ask with -q", Status.NO_ANSWER
            )
        _write(sys.stdout, printable(text) + "\n")

    def flush(self) -> None:
        """Have everything written that was printed."""
        if sys.stdout is not None:  # as above
            _write(sys.stdout, "", now=True)

    def complain(self, what: str, hint: str, kind: str = "warning") -> None:
        """Print two lines on standard error: what, and what to do about it."""
        if self.quiet:
            return
        if kind == "warning":
            self.flush()
        for title, text in ((kind, what), ("hint", hint)):
            line = printable(text).replace("\n", "\\n").replace("\t", "\\t")
            shown = line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
            _mutter(f"gmemflags: {title}: {shown}\n")

    def progress(self, text: str) -> None:
        """Show ``text`` on the line of a terminal where standard error is one; "" removes it."""
        if not self.quiet and _terminal_width(sys.stderr):
            _mutter(f"\r\x1b[K{text}")


def _terminal_width(stream: TextIO | None) -> int:
    # 0 where the stream is no terminal.
    try:
        if stream is None or not stream.isatty():
            return 0
        return max(os.get_terminal_size(stream.fileno()).columns or 80, _NARROWEST)
    except (OSError, ValueError):
        return 0


def _fold(line: str, width: int) -> str:
    # Broken between words; the further lines are indented by four more columns.
    if len(line) <= width:
        return line
    indent = " " * min(len(line) - len(line.lstrip()) + 4, width // 2)
    return fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _mutter(text: str) -> None:
    # On standard error; if nobody hears it, the exit status tells.
    if sys.stderr is not None:  # as with 2>&-
        with suppress(OSError, CommandError):
            _write(sys.stderr, text, now=True)


def _write(stream: TextIO, text: str, *, now: bool = False) -> None:
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


Options = Mapping[str, Mapping[str, Any]]


class Command(NamedTuple):
    """One command."""

    name: str
    summary: str
    """A sentence for the list of commands."""
    operands: Options
    """What stands without dashes, as argparse takes it."""
    options: str
    """The names of its options."""
    examples: Sequence[str]
    """Command lines that end its help."""
    run: Callable[[Namespace, Output], Status]
    """Does it."""


class Program(NamedTuple):
    """All commands, and the options that they share."""

    commands: Mapping[str, Command]
    options: Options


class _Format(RawDescriptionHelpFormatter):
    # Names of hosts and catalogs have hyphens, and must stay whole.

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrap(text, width, break_on_hyphens=False)


class _Help(Exception):  # noqa: N818  # it is not an error: argparse ends here
    pass


class Parser(ArgumentParser):
    """A parser that prints nothing and never ends the process: it raises instead."""

    def __init__(self, prog: str, description: str, epilog: str) -> None:
        # From Python 3.14 on argparse colours its help, and we print no escape sequences.
        colour: dict[str, Any] = {"color": False} if sys.version_info >= (3, 14) else {}
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            formatter_class=_Format,
            allow_abbrev=False,
            **colour,
        )
        self.add_argument("-V", "--version", action="store_true", help="print the version")

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print."""
        raise CommandError(message, f"see `{self.prog} --help`")

    def print_help(self, file: object = None) -> NoReturn:
        """Raise the help text; ``file`` is argparse's and not used."""
        del file
        raise _Help(self.format_help().rstrip("\n"))


def number(text: str) -> int:
    """A decimal or hexadecimal number below 2**32, for argparse."""
    if text.isascii() and text.isalnum() and len(text) <= 12:
        with suppress(ValueError):
            value = int(text, 16 if text[:2].lower() == "0x" else 10)
            if value < 1 << 32:
                return value
    raise ArgumentTypeError(f"{text[:60]!r} is not a number in [0, 2**32)")


def run_command_line(program: Program, argv: Sequence[str] | None = None) -> int:
    """Run ``argv``, by default the arguments of the process; return the exit status."""
    if argv is None:
        _let_ctrl_c_end_the_process()
        argv = sys.argv[1:]
    try:
        return _reported(program, [*argv], Output())
    except BrokenPipeError:
        return Status.BROKEN_PIPE
    except KeyboardInterrupt:
        return Status.INTERRUPTED


def _let_ctrl_c_end_the_process() -> None:
    # Python's own handler would print a traceback wherever it happens to be. Nothing here needs
    # to be cleaned up: descriptors and VMs end with the process.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _reported(program: Program, argv: list[str], out: Output) -> int:
    try:
        status = _run(program, argv, out)
        out.flush()
        return status
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is, it ends in two lines
        if os.environ.get("GMEMFLAGS_DEBUG") == "1":
            _mutter("".join(traceback.format_exception(error)))
        end = as_command_error(error)
    out.progress("")
    with suppress(CommandError):  # of two faults the first is reported
        out.flush()
    out.complain(end.what, end.hint, "error")
    return end.status


def _run(program: Program, argv: list[str], out: Output) -> int:
    name = argv[0] if argv else ""
    out.quiet = bool({"-q", "--quiet"} & {*argv})  # also for what is wrong with the others
    try:
        if name not in program.commands:
            _top(program, argv)  # returns for --version
        else:
            command = program.commands[name]
            args = _parser(command, program.options).parse_intermixed_args(argv[1:])
            if not args.version:
                return command.run(args, out)
        out.emit(f"gmemflags {version()}")
    except _Help as text:
        out.emit(str(text))
    return Status.YES


def _parser(command: Command, options: Options) -> Parser:
    examples = "\n".join(f"  {example}" for example in command.examples)
    parser = Parser(f"gmemflags {command.name}", command.summary, f"examples:\n{examples}")
    for name, how in command.operands.items():
        parser.add_argument(name, **how)
    for name in command.options.split():
        short = ["-v"] if name == "--verbose" else []
        parser.add_argument(*short, name, **options[name])
    quiet = "print nothing: the exit status is the answer"
    parser.add_argument("-q", "--quiet", action="store_true", help=quiet)
    return parser


def _top(program: Program, argv: list[str]) -> None:
    commands = program.commands
    summaries = "\n".join(f"  {one.name:<10}{one.summary}" for one in commands.values())
    parser = Parser(
        "gmemflags",
        "Ask KVM which guest_memfd flags it takes, and agree on some.",
        f"commands:\n{summaries}\n  help      Explain a command.\n\n{_EXIT}\n"
        "examples:\n  gmemflags show\n  gmemflags check --profile fully-shared\n"
        "  gmemflags help check",
    )
    parser.add_argument("command", nargs="?", metavar="COMMAND", help="what to do: see below")
    parser.add_argument("topic", nargs="?", metavar="TOPIC", help="of help: the command to explain")
    args, rest = parser.parse_known_args(argv)
    word: str | None = args.command
    if word == "help":
        word = args.topic
        if word is None:
            parser.print_help()
        if word in commands:
            _parser(commands[word], program.options).print_help()
    listed = f"name one of {', '.join(commands)}: `gmemflags help COMMAND` explains it"
    if word in commands:
        raise CommandError(f"{word} stands behind an option", f"write `gmemflags {word}` first")
    if word is not None:
        near = get_close_matches(word[:20].lower(), commands, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise CommandError(f"no command is called {word[:60]!r}{hint}", listed)
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if not args.version:
        raise CommandError("no command is given", listed)


def version() -> str:
    """The version that is installed; a source tree alone has none."""
    try:
        return metadata.version("gmemflags")
    except metadata.PackageNotFoundError:
        return "of a source tree that is not installed"
