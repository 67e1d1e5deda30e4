"""The examples run, on a machine with KVM and on one without."""

import subprocess
import sys
from pathlib import Path

import pytest

from gmemflags.linux import Vm
from tests.conftest import why_no_kvm

EXAMPLES = Path(__file__).parent.parent / "examples"


def output(name: str) -> str:
    """What an example prints; it must end well and complain of nothing."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], check=True, capture_output=True, text=True
    )
    assert not done.stderr
    return done.stdout


def test_allocate_grants_and_refuses() -> None:
    """With KVM or without, one request is granted and a flag without a name refused."""
    text = output("allocate.py")
    assert "granted: MMAP" in text
    assert "refused: bit 2 (0x4, not named by linux-mainline)" in text
    assert ("No KVM here" in text) is (why_no_kvm() is not None)


def test_allocate_reads_back_what_it_wrote(vm: Vm) -> None:
    """On a real kernel that starts memory shared, the mapping holds what was written."""
    if not vm.check_extension(244) & 2:
        pytest.skip("This kernel does not start guest_memfd memory shared.")
    assert "wrote and read back: guest" in output("allocate.py")


def test_the_framework_tells_why_it_skips() -> None:
    """Each test runs where its profile is met; elsewhere the reason names what is missing."""
    text = output("test_framework.py")
    old, rest = text.split("linux-6.18\n", maxsplit=1)
    new, confidential = rest.split("linux-6.18, SNP\n", maxsplit=1)
    assert "test_boot_from_shared_memory: skip, refused: a fake host has no guest_memfd" in old
    assert "test_boot_from_shared_memory: run" in new
    assert "test_private_memory: skip, refused: KVM_CAP_MEMORY_ATTRIBUTES is 0x0" in new
    assert "test_private_memory: run" in confidential
    assert "INIT_SHARED (bit 1, 0x2) is not supported" in confidential
