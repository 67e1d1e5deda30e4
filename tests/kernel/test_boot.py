"""A yes runs: the guest of examples/boot.py, in memory that was agreed on."""

import os
import runpy
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from gmemflags import MAINLINE, query, resolve
from gmemflags.linux import Vm
from tests.conftest import why_no_kvm

BOOT = Path(__file__).parent.parent.parent / "examples" / "boot.py"


def output() -> str:
    """What the example prints in a process of its own; it complains of nothing."""
    command = [sys.executable, "-W", "error", os.fspath(BOOT)]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_guest_runs_from_guest_memfd_alone(vm: Vm) -> None:
    """It writes two bytes, and the host reads them in the file's mapping."""
    answer = resolve(query(vm), MAINLINE.profiles["fully-shared"])
    if os.uname().machine != "x86_64":
        pytest.skip("The guest's code is for x86-64.")
    if not answer.ok:
        pytest.skip(answer.headline)
    assert output() == "the guest wrote 'hi' and halted\n"


def test_where_there_is_no_kvm_it_is_one_line() -> None:
    """With what to do about it."""
    if why_no_kvm() is None:
        pytest.skip("This machine has a /dev/kvm.")
    text = output()
    assert text.startswith("not run: ")
    assert text.count("\n") == 1


def test_another_machine_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processors do not run this code."""
    played = os.uname_result((*os.uname()[:4], "aarch64"))
    monkeypatch.setattr(os, "uname", lambda: played)
    with redirect_stdout(StringIO()) as text:
        runpy.run_path(os.fspath(BOOT), run_name="__main__")
    told = "not run: the guest's code is for x86-64, and this is aarch64\n"
    assert text.getvalue() == told
