"""The one place that writes: every terminal, every encoding, and output that cannot be written."""

import io
import os
import struct
from contextlib import redirect_stderr, redirect_stdout
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pytest

from gmemflags.__main__ import main
from gmemflags._cli import _out
from gmemflags._cli._out import complain, emit, fold, say
from gmemflags._cli._status import CommandError, Status
from tests.cli.runs import golden, run
from tests.cli.terminal import shown_on

HOST = "linux-6.18-x86_64"
SHOW = ["show", "--host", HOST]
CHECK = ["check", "MMAP", "--host", HOST]


class Deaf(io.StringIO):
    """A stream that somebody interrupts."""

    def write(self, text: str) -> int:
        """Behave as if Ctrl-C were pressed just now."""
        del text
        raise KeyboardInterrupt


def on_terminal(pty: tuple[int, int], columns: int, text: str) -> str:
    """What a terminal of that width shows when ``text`` is said."""
    _, writes = pty
    ioctl(writes, TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(os.dup(writes), "w") as stream, redirect_stdout(stream):
        say(text)
    return shown_on(pty).replace("\r\n", "\n")


def test_long_lines_are_folded_between_words() -> None:
    """The rest is indented further, and no word is broken."""
    assert fold("  one two-three four", 12) == "  one\n      two-three\n      four"
    assert fold("  one two-three four", 20) == "  one two-three four"
    assert fold("abcdefgh ij", 4, hang=2) == "abcdefgh\n  ij"


def test_a_terminal_folds_what_people_read(pty: tuple[int, int]) -> None:
    """The lines are as long as the terminal is wide."""
    shown = on_terminal(pty, 90, f"- {'word ' * 18}\nend")
    assert shown == f"- {'word ' * 17}".rstrip() + "\n    word\nend\n"


@pytest.mark.parametrize("columns", [0, 1, 40, 79])
def test_a_narrow_terminal_breaks_the_lines_itself(pty: tuple[int, int], columns: int) -> None:
    """Nothing is folded below 80 columns, also where the terminal does not tell its width."""
    assert on_terminal(pty, columns, "word " * 17) == "word " * 15 + "word\n    word\n"
    text = golden("show-linux-6.18-x86_64")
    assert on_terminal(pty, columns, text) == f"{text}\n"


def test_a_file_gets_the_lines_as_they_are() -> None:
    """What is piped into another program is not folded."""
    stream = io.StringIO()
    with redirect_stdout(stream):
        say("word " * 40)
    assert stream.getvalue() == "word " * 40 + "\n"


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", rb"\xe9\u20ac\U0001f600\udcff\x1b\x07\x9b" + b"\n"),
        ("latin-1", b"\xe9" + rb"\u20ac\U0001f600\udcff\x1b\x07\x9b" + b"\n"),
        ("utf-8", "é€😀".encode() + rb"\udcff\x1b\x07\x9b" + b"\n"),
    ],
)
def test_every_encoding_gets_what_it_can_take(encoding: str, expected: bytes) -> None:
    """The rest arrives as visible characters, and so do control characters."""
    raw = io.BytesIO()
    with redirect_stdout(io.TextIOWrapper(raw, encoding=encoding)) as stream:
        emit("é€😀\udcff\x1b\x07\x9b")
        stream.flush()
    assert raw.getvalue() == expected


def test_an_error_has_two_lines_of_bounded_length() -> None:
    """Whatever a user gives, it does not flood the screen."""
    stream = io.StringIO()
    with redirect_stderr(stream):
        complain("x\n" * 10_000, "y")
    first, second = stream.getvalue().splitlines()
    assert len(first) < 2100
    assert first.endswith("...")
    assert second == "gmemflags: to do: y"


def test_closed_streams_are_no_error() -> None:
    """Python has None where a stream was closed before it started; the status still tells."""
    with redirect_stdout(None), redirect_stderr(None):
        assert main(SHOW) == Status.YES
        assert main(["show", "-x"]) == Status.USAGE


def broken_pipe() -> io.TextIOWrapper:
    """A stream into a pipe that nobody reads."""
    reads, writes = os.pipe()
    os.close(reads)
    return os.fdopen(writes, "w")


def test_a_reader_that_went_away_ends_it_quietly() -> None:
    """Nothing on standard error, and a status that is neither yes nor no."""
    errors = io.StringIO()
    with broken_pipe() as out, redirect_stdout(out), redirect_stderr(errors):
        assert main(CHECK) == 141
    assert errors.getvalue() == ""


def test_an_error_that_nobody_hears_keeps_its_status() -> None:
    """A broken pipe behind standard error changes nothing."""
    with broken_pipe() as errors, redirect_stderr(errors):
        assert main(["show", "-x"]) == Status.USAGE


def test_a_full_disk_is_told() -> None:
    """What could not be written is no answer."""
    errors = io.StringIO()
    with Path("/dev/full").open("w") as out, redirect_stdout(out), redirect_stderr(errors):
        assert main(CHECK) == Status.NO_ANSWER
    assert errors.getvalue() == (
        "gmemflags: error: /dev/full cannot be written: No space left on device\n"
        "gmemflags: to do: write elsewhere, or make room\n"
    )


def test_an_error_with_a_full_disk_behind_standard_output(tmp_path: Path) -> None:
    """Of two faults the first is told, with its own status, and no traceback."""
    broken = tmp_path / "broken.jsonl"
    broken.write_text(run("show", "--host", HOST, "--json").out.splitlines()[1] + "\nnonsense\n")
    errors = io.StringIO()
    with Path("/dev/full").open("w") as out, redirect_stdout(out), redirect_stderr(errors):
        assert main(["check", "MMAP", str(broken)]) == Status.USAGE
    assert f"at {broken}, line 2, $: it is not JSON" in errors.getvalue()
    assert errors.getvalue().count("\n") == 2


def test_a_warning_with_a_full_disk_behind_standard_output(tmp_path: Path) -> None:
    """What could not be written is no answer, although the command could go on."""
    pool = tmp_path / "pool.jsonl"
    pool.write_text(run("show", "--host", HOST, "--json").out.splitlines()[1] + "\nnonsense\n")
    with Path("/dev/full").open("w") as out, redirect_stdout(out), redirect_stderr(io.StringIO()):
        assert main(["check", "MMAP", str(pool), "--skip-bad"]) == Status.NO_ANSWER


def test_a_full_disk_behind_standard_error_is_not_told() -> None:
    """There is nobody to tell; the status stays."""
    with Path("/dev/full").open("w") as errors, redirect_stderr(errors):
        assert main(["show", "-x"]) == Status.USAGE


def test_ctrl_c_ends_it_as_in_a_shell() -> None:
    """Status 130, without a traceback."""
    with redirect_stdout(Deaf()):
        assert main(SHOW) == 130


def test_a_command_error_reads_as_what_happened() -> None:
    """Where it is shown by something else, it is still a sentence."""
    assert str(CommandError("it broke", "mend it")) == "it broke"


def test_nothing_is_folded_by_default_below_the_usual_width() -> None:
    """The texts of this program are made for 80 columns."""
    assert _out.WIDTH == 80
    assert max(map(len, golden("show-linux-6.18-x86_64").splitlines())) <= 80
