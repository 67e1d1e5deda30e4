"""The parser, the exit status, errors and output: what all commands share."""

import errno
import io
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from threading import Thread

import pytest

import _gmemflags
from gmemflags import (
    CapabilityQueryError,
    GmemFlagsError,
    InconsistentAnswerError,
    KvmUnavailableError,
    NegotiationTooHardError,
    PoolError,
    Unavailable,
    records,
)
from gmemflags import __main__ as program
from gmemflags._cli import Parser, Status, as_command_error
from gmemflags._cli._commands import COMMANDS, OPTIONS
from tests.cli.runs import Run, error, run

LISTED = (
    "name one of show, check, probe, compare, baseline, catalogs, schema:"
    " `gmemflags help COMMAND` explains it"
)


@pytest.mark.parametrize(
    "argv", [["-V"], ["--version"], ["compare", "-V"], ["schema", "--version"]]
)
def test_the_version(argv: list[str]) -> None:
    """It is printed with and without a command."""
    assert run(*argv) == Run(0, "gmemflags 0.2.0\n", "")


@pytest.mark.parametrize(
    ("argv", "what", "hint"),
    [
        ([], "no command is given", LISTED),
        (["chek"], "no command is called 'chek'; did you mean check?", LISTED),
        (["help", "chek"], "no command is called 'chek'; did you mean check?", LISTED),
        (["a\x1b[2J\nb"], "no command is called 'a\\x1b[2J\\nb'", LISTED),
        (["--quick"], "no command is called '--quick'", LISTED),
        (["show", "--nix"], "unrecognized arguments: --nix", "see `gmemflags show --help`"),
        (
            ["show", "--vm-type", "x\n"],
            "argument --vm-type: 'x\\n' is not a number in [0, 2**32)",
            "see `gmemflags show --help`",
        ),
        (
            ["show", "--vm-type", "9" * 5000],
            f"argument --vm-type: '{'9' * 60}' is not a number in [0, 2**32)",
            "see `gmemflags show --help`",
        ),
        (
            ["check", "MMAP", "--vm-type", "4294967296"],
            "argument --vm-type: '4294967296' is not a number in [0, 2**32)",
            "see `gmemflags check --help`",
        ),
    ],
)
def test_wrong_usage(argv: list[str], what: str, hint: str) -> None:
    """It is status 2 and two lines: what, and what to do."""
    assert run(*argv) == Run(2, "", error(what, hint))


@pytest.mark.parametrize("argv", [["help"], ["--help"], ["-h"]])
def test_help_lists_the_commands(argv: list[str]) -> None:
    """With a sentence for each, and the exit status."""
    told = run(*argv)
    assert told.status == 0
    words = " ".join(told.out.split())
    for name, command in COMMANDS.items():
        assert f" {name} {command.summary} " in words
    assert "\nexit status:\n" in told.out
    assert told.out == f"{program.parser().format_help().strip()}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command(name: str) -> None:
    """It ends in two or three examples, and is the same however it is asked for."""
    told = run("help", name)
    assert told == run(name, "--help")
    assert 2 <= len(COMMANDS[name].examples) <= 3
    assert told.out.endswith(
        "examples:\n" + "".join(f"  {line}\n" for line in COMMANDS[name].examples)
    )


def test_every_option_is_used_and_means_the_same_everywhere() -> None:
    """One table has them all."""
    named = {name for command in COMMANDS.values() for name in command.arguments}
    used = {name.split()[-1] for name in named if name.startswith("-")}
    assert used == {*OPTIONS}


def test_help_has_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """From Python 3.14 on argparse colours it where this is set."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "x1b" not in run("help", "show").out


def test_no_parser_has_colours() -> None:
    """Python 3.14 looks at this attribute; older ones do not know it."""
    for name, command in COMMANDS.items():
        assert not Parser(name, *command[:3]).color


@pytest.mark.parametrize(
    ("raised", "status", "words"),
    [
        (ZeroDivisionError("odd\n"), 3, "unexpected: ZeroDivisionError: odd\\n"),
        (MemoryError(), 3, "unexpected: MemoryError"),
        (RecursionError("deep"), 3, "unexpected: RecursionError: deep"),
        (GmemFlagsError("other"), 3, "unexpected: GmemFlagsError: other"),
        (CapabilityQueryError(5, "I/O error", 234, "a VM"), 3, "a VM did not answer"),
        (InconsistentAnswerError("X", -5, "an errno", "a VM"), 3, "a VM answered -5"),
        (NegotiationTooHardError("tree", 9), 3, "no answer within 9 steps"),
        (PoolError("b", "has another scope"), 2, "b has another scope"),
        (KvmUnavailableError(19, "gone", "/dev/kvm", Unavailable.NO_DEVICE), 3, "gone"),
        (KvmUnavailableError(5, "odd", "/dev/kvm"), 3, "odd"),
    ],
)
def test_an_error_is_two_lines(
    raised: Exception, status: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens in a command; what nobody expected is no answer."""

    def fail(*_: object) -> Status:
        raise raised

    command = COMMANDS["schema"]._replace(run=fail)
    monkeypatch.setattr(program, "COMMANDS", {"schema": command})
    told = run("schema")
    assert (told.status, told.out) == (status, "")
    assert told.err.startswith("gmemflags: error: ")
    assert words in told.err
    assert told.err.count("\n") == 2
    assert "\ngmemflags: hint: " in told.err
    monkeypatch.setenv("GMEMFLAGS_DEBUG", "1")
    assert "Traceback (most recent call last)" in run("schema").err


def test_a_hint_names_the_hosts_that_need_no_device() -> None:
    """Where the device is missing, and not where it is not the cause."""
    needed = as_command_error(KvmUnavailableError(2, "", "", Unavailable.NO_DEVICE))
    assert needed.hint.endswith("; --host NAME needs no device")
    other = as_command_error(KvmUnavailableError(5, "", "", Unavailable.FAILED))
    assert "--host" not in other.hint


def test_quiet_prints_nothing() -> None:
    """The status is the answer, for errors and warnings, too."""
    known = ("--host", "linux-6.18-x86_64", "-q")
    assert run("check", "MMAP|INIT_SHARED", *known) == Run(0, "", "")
    assert run("check", "MMAP", *known) == Run(1, "", "")
    assert run("check", "MMAP", *known[:-1], "-vq") == Run(1, "", "")
    assert run("check", "MMPA", *known) == Run(2, "", "")
    assert run("check", "--nix", *known) == Run(2, "", "")
    assert run("show", "-q", "--device", "/dev/null/x") == Run(3, "", "")
    assert run("show", "--flags-hi", "300", *known) == Run(0, "", "")


class _Stream(io.TextIOWrapper):
    """A stream that fails on its nth flush or write."""

    def __init__(self, number: int, encoding: str = "ascii") -> None:
        super().__init__(io.BytesIO(), encoding=encoding)
        self.number = number

    def flush(self) -> None:
        if self.number:
            raise OSError(self.number, os.strerror(self.number))
        super().flush()


@pytest.fixture
def broken() -> Iterator[Callable[[int], _Stream]]:
    """Makes streams that fail with an errno."""
    made: list[_Stream] = []

    def make(number: int) -> _Stream:
        made.append(_Stream(number))
        return made[-1]

    yield make
    for stream in made:
        stream.number = 0
        stream.close()


def test_output_that_cannot_be_written(broken: Callable[[int], _Stream]) -> None:
    """It is status 3: nobody has got the answer."""
    err = io.StringIO()
    with redirect_stdout(broken(errno.ENOSPC)), redirect_stderr(err):
        assert program.main(["catalogs"]) == 3
    assert "cannot be written: No space left on device" in err.getvalue()


def test_a_reader_that_goes_away(broken: Callable[[int], _Stream]) -> None:
    """It is as in a shell: no noise, and 141."""
    err = io.StringIO()
    with redirect_stdout(broken(errno.EPIPE)), redirect_stderr(err):
        assert program.main(["catalogs"]) == 141
    assert err.getvalue() == ""


def test_an_error_that_nobody_hears(broken: Callable[[int], _Stream]) -> None:
    """The status is the same."""
    with redirect_stderr(broken(errno.ENOSPC)):
        assert program.main(["chek"]) == 2
    with redirect_stderr(None):
        assert program.main(["chek"]) == 2


def test_closed_standard_output() -> None:
    """It is status 3 where something had to be printed, and no matter with -q."""
    err = io.StringIO()
    with redirect_stdout(None), redirect_stderr(err):
        assert program.main(["catalogs"]) == 3
        assert program.main(["catalogs", "-q"]) == 0
    assert err.getvalue() == error(
        "standard output cannot be written: Bad file descriptor",
        "write elsewhere, free some space, or ask with -q",
    )


def test_ctrl_c_in_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python's handler stays, the status is as in a shell."""

    def interrupt(*_: object) -> Status:
        raise KeyboardInterrupt

    command = COMMANDS["schema"]._replace(run=interrupt)
    monkeypatch.setattr(program, "COMMANDS", {"schema": command})
    assert run("schema") == Run(130, "", "")


@pytest.mark.parametrize(
    ("before", "after"),
    [(signal.default_int_handler, signal.SIG_DFL), (signal.SIG_IGN, signal.SIG_IGN)],
)
def test_ctrl_c_ends_the_process(
    before: signal.Handlers, after: signal.Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process of its own leaves it to the system; what ignores it goes on ignoring it."""
    kept = signal.signal(signal.SIGINT, before)
    monkeypatch.setattr(sys, "argv", ["gmemflags", "-V"])
    try:
        with redirect_stdout(io.StringIO()), pytest.raises(SystemExit) as end:
            _gmemflags.main()
        assert end.value.code == 0
        assert signal.getsignal(signal.SIGINT) is after
    finally:
        signal.signal(signal.SIGINT, kept)


def on_terminal(columns: int, action: Callable[[], object]) -> str:
    """What an action writes to standard output and error, on a terminal of so many columns."""
    leader, follower = pty.openpty()
    found: list[bytes] = []

    def read() -> None:
        with suppress(OSError):  # the other end is closed
            while part := os.read(leader, 1 << 16):
                found.append(part)

    reader = Thread(target=read)
    reader.start()
    with (
        os.fdopen(follower, "w", encoding="utf-8") as stream,
        redirect_stdout(stream),
        redirect_stderr(stream),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("COLUMNS", f"{columns}")  # it counts more than the terminal itself
        action()
    reader.join()
    os.close(leader)
    return b"".join(found).decode().replace("\r\n", "\n")


def test_lines_fold_on_a_terminal() -> None:
    """At its width, between words, and with the same words."""
    argv = ["check", "MMAP", "--host", "linux-6.18-x86_64"]
    text = on_terminal(60, lambda: program.main(argv))
    assert max(map(len, text.splitlines())) <= 60
    assert text.split() == run(*argv).out.split()


@pytest.mark.parametrize("columns", [0, 5])
def test_a_terminal_without_a_width(columns: int) -> None:
    """Zero columns are taken for 80, and a few for 40."""
    argv = ["check", "MMAP", "--host", "linux-6.18-x86_64"]
    text = on_terminal(columns, lambda: program.main(argv))
    assert max(map(len, text.splitlines())) <= 80


def test_json_is_never_folded() -> None:
    """Not even on a terminal."""
    text = on_terminal(40, lambda: program.main(["catalogs", "linux-mainline", "--json"]))
    assert json.loads(text)["name"] == "linux-mainline"


def test_text_from_outside_forges_no_line() -> None:
    """What is not visible arrives as an escape, in every encoding."""
    odd = "./a\n\x1b[2J\u202e\u200b\udcff\u00e9.jsonl"
    told = run("show", odd)
    assert told.status == 2
    assert told.err.count("\n") == 2
    assert "a\\n\\x1b[2J\\u202e\\u200b\\udcff\\xe9.jsonl cannot be read" in told.err
    with io.TextIOWrapper(io.BytesIO(), encoding="utf-8") as stream, redirect_stderr(stream):
        program.main(["show", odd])
        stream.seek(0)
        assert "\\udcff\u00e9.jsonl" in stream.read()


def test_a_message_has_an_end() -> None:
    """Even if it is made of what somebody wrote."""
    told = run("show", "--" + "x" * 100_000)
    assert len(told.err) < 1200
    assert "...\n" in told.err


def test_the_schema() -> None:
    """It is that of the library, on one line or, with --verbose, on many."""
    assert json.loads(run("schema").out) == records.json_schema()
    assert run("schema").out.count("\n") == 1
    assert run("schema", "-v").out.count("\n") > 100


@pytest.mark.usefixtures("files")
def test_records_are_read_without_ctypes() -> None:
    """The command line loads it only to open a device."""
    code = (
        "import sys; sys.modules['ctypes'] = sys.modules['_ctypes'] = None\n"
        "from gmemflags.__main__ import main\n"
        "print(main(['check', 'MMAP|INIT_SHARED', '-q', 'pool.jsonl']))\n"
        "print(main(['show', '-q', '--host', 'linux-6.18-x86_64']))\n"
        "print(main(['show']))\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, text=True, timeout=60
    )
    assert child.stdout.split() == ["1", "0", "3"]
    assert child.stderr.startswith("gmemflags: error: no device can be asked: ")
    assert child.stderr.count("\n") == 2
