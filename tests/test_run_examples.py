"""The examples run, on a machine with KVM and on one without."""

import subprocess
import sys
from pathlib import Path

import pytest

from gmemflags.linux import Vm

EXAMPLES = Path(__file__).parent.parent / "examples"


def output(name: str) -> str:
    """What an example prints; it must end well and complain of nothing."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], check=True, capture_output=True, text=True
    )
    assert not done.stderr
    return done.stdout


def test_allocate_grants_and_refuses() -> None:
    """With KVM or without, one request is granted, and a need that is not met refuses another."""
    text = output("allocate.py")
    assert "granted: MMAP" in text
    assert "refused: KVM_CAP_MEMORY_ATTRIBUTES is 0x0" in text


def test_allocate_reads_back_what_it_wrote(vm: Vm) -> None:
    """On a real kernel that starts memory shared, the mapping holds what was written."""
    if not vm.check_extension(244) & 2:
        pytest.skip("This kernel does not start guest_memfd memory shared.")
    assert "wrote and read back" in output("allocate.py")


def test_the_framework_tells_why_it_skips() -> None:
    """Each test runs where its profile is met; elsewhere the reason names what is missing."""
    text = output("test_framework.py")
    assert "skip  test_boot_shared: refused: x86-64, Linux 6.8, a default VM has no" in text
    assert "run   test_boot_shared with flags 0x3" in text
    assert "skip  test_boot_shared: refused: INIT_SHARED (bit 1, 0x2) is not supported" in text
    assert "run   test_boot_private with flags 0x0" in text
