"""The program as a process: pipes, closed and full streams, signals, limits and locales."""

import os
import resource
import shlex
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.cli.runs import error, golden

COMMAND = [sys.executable, "-m", "gmemflags"]
SHOW = [*COMMAND, "show", "--host", "linux-6.18-x86_64"]
TIMEOUT = 120
HINT = "write elsewhere, free some space, or ask with -q"


def shell(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script, in which "$@" is `gmemflags show`."""
    return subprocess.run(
        ["/bin/sh", "-c", script, "sh", *SHOW],
        capture_output=True,
        check=False,
        text=True,
        timeout=TIMEOUT,
    )


def test_it_runs_as_a_module() -> None:
    """The same text and status as in this process."""
    child = shell('"$@"')
    assert (child.returncode, child.stderr) == (0, "")
    assert child.stdout == golden("show-linux-6.18-x86_64")


@pytest.mark.parametrize(
    ("script", "status", "told"),
    [
        ('"$@" >&-', 3, error("standard output cannot be written: Bad file descriptor", HINT)),
        ('"$@" -q >&-', 0, ""),
        ('"$@" 2>&-', 0, ""),
        ('"$@" --nix >&- 2>&-', 2, ""),
        ('"$@" -V 2>/dev/full', 0, ""),
        ('"$@" --nix 2>/dev/full', 2, ""),
        (
            '"$@" >/dev/full',
            3,
            error("standard output cannot be written: No space left on device", HINT),
        ),
    ],
)
def test_streams_that_take_nothing(script: str, status: int, told: str) -> None:
    """What had to be printed and was not is no answer; Python adds nothing at the end."""
    child = shell(script)
    assert (child.returncode, child.stderr) == (status, told)


def test_a_reader_that_goes_away() -> None:
    """As with `| head -0`: no noise, not at the end of the process either."""
    reads, writes = os.pipe()
    os.close(reads)
    child = subprocess.run(
        SHOW, stdout=writes, stderr=subprocess.PIPE, check=False, timeout=TIMEOUT
    )
    os.close(writes)
    assert (child.returncode, child.stderr) == (141, b"")


def test_no_descriptor_is_left() -> None:
    """The device, or a VM of it, cannot be opened, and the process ends properly."""
    child = subprocess.run(
        [*COMMAND, "check", "0"],
        capture_output=True,
        check=False,
        text=True,
        timeout=TIMEOUT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4)),
    )
    assert child.returncode == 3
    assert child.stderr.startswith("gmemflags: error: ")
    assert child.stderr.count("\n") == 2


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize(
    "start", ["__import__('_gmemflags').main()", "runpy.run_module('gmemflags', None, '__main__')"]
)
def test_ctrl_c(start: str, ignored: bool) -> None:
    """It ends the process without a word, unless the process ignores it from the start."""
    code = (
        f"import os, runpy\ntry: {start}\nexcept SystemExit: pass\n"
        "os.kill(os.getpid(), 2); print('on')"
    )
    action = signal.SIG_IGN if ignored else signal.default_int_handler
    before = signal.signal(signal.SIGINT, action)  # a child inherits SIG_IGN alone
    try:
        child = subprocess.run(
            [sys.executable, "-c", code, "schema", "-q"],
            capture_output=True,
            check=False,
            text=True,
            timeout=TIMEOUT,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    expected = (0, "on\n", "") if ignored else (-signal.SIGINT, "", "")
    assert (child.returncode, child.stdout, child.stderr) == expected


@pytest.mark.parametrize("utf8", ["0", "1"])
def test_a_path_in_any_locale(utf8: str) -> None:
    """Bytes that are no text, and text that the terminal has not, are written visibly."""
    child = subprocess.run(
        [*map(os.fsencode, COMMAND), b"show", b"--device", b"/n\xc3\xb6\xff"],
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": utf8, "PYTHONCOERCECLOCALE": "0"},
        timeout=TIMEOUT,
    )
    assert child.stderr.startswith(b"gmemflags: error: /n")
    assert b"\\udcff: No such file or directory" in child.stderr
    assert child.stderr.count(b"\n") == 2
    assert (child.returncode, child.stdout) == (3, b"")


def test_ctrl_c_while_the_package_is_loaded(tmp_path: Path) -> None:
    """The script is ready for it before it loads anything."""
    package = tmp_path / "gmemflags"
    package.mkdir()
    (package / "__init__.py").write_text("import os; os.kill(os.getpid(), 2); print('on')\n")
    code = (
        # A job in the background starts with the signal ignored, and so would its children.
        "import sys, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        f" import _gmemflags; sys.path.insert(0, {str(tmp_path)!r}); _gmemflags.main()"
    )
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, text=True, timeout=TIMEOUT
    )
    assert (child.returncode, child.stdout, child.stderr) == (-signal.SIGINT, "", "")


def test_ctrl_c_while_the_module_is_loaded(tmp_path: Path) -> None:
    """`python -m gmemflags` is ready for it before it loads anything of the package."""
    (tmp_path / "attrs.py").write_text("import os; os.kill(os.getpid(), 2)\n")
    child = subprocess.run(
        [*COMMAND, "-V"],
        capture_output=True,
        check=False,
        text=True,
        timeout=TIMEOUT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (child.returncode, child.stdout, child.stderr) == (-signal.SIGINT, "", "")


def test_the_script() -> None:
    """It is installed, and is the same program."""
    script = entry_points(group="console_scripts")["gmemflags"]
    assert script.value == "_gmemflags:main"


def test_a_pipe_of_records(tmp_path: Path) -> None:
    """One program's records are the next one's input, also through a FIFO."""
    script = 'cd "$0" && mkfifo ./fifo && { "$@" --json >./fifo & }; '
    command = f"{shlex.quote(sys.executable)} -m gmemflags"
    child = subprocess.run(
        ["/bin/sh", "-c", f"{script} {command} check MMAP,INIT_SHARED ./fifo", tmp_path, *SHOW],
        capture_output=True,
        check=False,
        text=True,
        timeout=TIMEOUT,
    )
    assert (child.returncode, child.stderr) == (0, "")
    assert child.stdout.startswith("granted on 1 of 1 host\n")


@pytest.mark.parametrize(
    ("script", "status", "told"),
    [
        ('"$@" --json | %s check 3 -', 0, ""),
        ("%s check 3 - <&-", 2, "standard input cannot be read: Bad file descriptor"),
    ],
)
def test_standard_input(script: str, status: int, told: str) -> None:
    """It is read where a single - stands."""
    child = shell(script % f"{shlex.quote(sys.executable)} -m gmemflags")
    assert child.returncode == status
    assert told in child.stderr
