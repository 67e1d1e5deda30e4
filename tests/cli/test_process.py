"""The program as a process: `python -m gmemflags`, pipes, signals and locales."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path
from termios import FIONREAD
from time import sleep

import pytest

from tests.cli.runs import error, golden

COMMAND = [sys.executable, "-m", "gmemflags"]
SHOW = [*COMMAND, "show", "--host", "linux-6.18-x86_64"]
TIMEOUT = 60


def test_it_runs_as_a_module() -> None:
    """The same text and status as in this process."""
    child = subprocess.run(SHOW, capture_output=True, check=False, text=True, timeout=TIMEOUT)
    assert (child.returncode, child.stderr) == (0, "")
    assert child.stdout == golden("show-linux-6.18-x86_64")


def test_the_exit_status_is_that_of_the_answer() -> None:
    """A no arrives at the shell as 1."""
    command = [*COMMAND, "check", "MMAP", "--host", "linux-6.8-x86_64"]
    child = subprocess.run(command, capture_output=True, check=False, timeout=TIMEOUT)
    assert (child.returncode, child.stderr) == (1, b"")


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8"])
@pytest.mark.parametrize("utf8", ["0", "1"])
def test_a_path_is_shown_in_any_locale(locale: str, utf8: str) -> None:
    """Bytes that are no text, and text that the terminal has not, are written visibly."""
    environment = {
        **os.environ,
        "LC_ALL": locale,
        "PYTHONUTF8": utf8,
        "PYTHONCOERCECLOCALE": "0",
    }
    command = [os.fsencode(part) for part in COMMAND] + [b"show", b"--device", b"/n\xc3\xb6\xff"]
    child = subprocess.run(
        command, capture_output=True, check=False, env=environment, timeout=TIMEOUT
    )
    assert child.stderr.startswith(b"gmemflags: error: /n")
    assert b"\\udcff: No such file or directory" in child.stderr
    assert child.stderr.count(b"\n") == 2
    assert (child.returncode, child.stdout) == (3, b"")


def test_a_reader_that_goes_away_hears_nothing() -> None:
    """Like `gmemflags show | head -0`: no noise at the end of the process either."""
    reads, writes = os.pipe()
    os.close(reads)
    child = subprocess.run(
        SHOW, stdout=writes, stderr=subprocess.PIPE, check=False, timeout=TIMEOUT
    )
    os.close(writes)
    assert (child.returncode, child.stderr) == (141, b"")


def test_a_full_disk_behind_standard_output_is_told() -> None:
    """What could not be written is no answer; Python adds nothing of its own at the end."""
    with Path("/dev/full").open("wb") as full:
        child = subprocess.run(
            SHOW, stdout=full, stderr=subprocess.PIPE, check=False, text=True, timeout=TIMEOUT
        )
    told = "<stdout> cannot be written: No space left on device"
    assert child.stderr == error(told, "write elsewhere, or make room")
    assert child.returncode == 3


def test_a_full_disk_behind_standard_error_changes_nothing() -> None:
    """The warning is lost, the answer and its status are not."""
    command = [*SHOW, "--flags-hi", "300"]
    with Path("/dev/full").open("wb") as full:
        child = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=full, check=False, text=True, timeout=TIMEOUT
        )
    assert child.returncode == 0
    assert "catalog linux-mainline+flags-hi-300\n" in child.stdout


@pytest.mark.parametrize("stream", [1, 2])
def test_a_closed_stream_is_no_error(stream: int) -> None:
    """`>&-` and `2>&-` in a shell leave the status as it is."""
    command = f'exec "$@" {stream}>&-'
    child = subprocess.run(
        ["/bin/sh", "-c", command, "sh", *SHOW], capture_output=True, check=False, timeout=TIMEOUT
    )
    assert (child.returncode, child.stderr) == (0, b"")


def test_ctrl_c_while_it_writes_ends_it_as_in_a_shell() -> None:
    """A process that waits for its reader ends with status 130 and without a traceback."""
    command = [*COMMAND, "catalogs", "--json"]
    page = os.sysconf("SC_PAGESIZE")
    if (
        len(subprocess.run(command, capture_output=True, check=True, timeout=TIMEOUT).stdout)
        <= page
    ):
        pytest.skip("A page of this machine holds all that is written, so nobody waits.")
    reads, writes = _a_pipe_with_room_for(page)
    waiting = _unread(reads)
    # Children of a shell's background job ignore it, as the job does; a handler is not inherited.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, stdout=writes, stderr=subprocess.PIPE) as child:
        try:
            while _unread(reads) == waiting and child.poll() is None:
                sleep(0.01)
            child.send_signal(signal.SIGINT)
            _, errors = child.communicate(timeout=TIMEOUT)
        finally:
            child.kill()
            signal.signal(signal.SIGINT, before)
    os.close(reads)
    os.close(writes)
    assert (child.returncode, errors) == (130, b"")


def _a_pipe_with_room_for(size: int) -> tuple[int, int]:
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writes, bytes(size))
    os.set_blocking(writes, True)
    os.read(reads, size)
    return reads, writes


def _unread(descriptor: int) -> int:
    return int.from_bytes(ioctl(descriptor, FIONREAD, bytes(4)), sys.byteorder)
