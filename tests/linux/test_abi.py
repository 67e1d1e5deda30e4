"""Other interpreters on the same kernel: a 32-bit personality, and a 32-bit build."""

import os
import platform
from collections.abc import Callable
from pathlib import Path

import attr
import attrs
import pytest

import gmemflags
from gmemflags import query
from gmemflags.linux import Kvm, Vm
from tests.conftest import run_python

ASK = """
import os
from gmemflags import query
from gmemflags.linux import Kvm
with Kvm.open() as kvm, kvm.create_vm() as vm:
    print(os.uname().machine, hex(query(kvm).mask), hex(query(vm).mask))
"""
PERSONALITY = """
import ctypes
assert ctypes.CDLL(None).personality(0x0008) >= 0  # PER_LINUX32
"""
WIDTH = "import sys; print(sys.maxsize)"


@pytest.fixture
def masks(kvm: Kvm, vm: Vm) -> list[str]:
    """What this process gets at system and VM scope, as a child prints it."""
    return [hex(query(kvm).mask), hex(query(vm).mask)]


def test_a_32_bit_personality_changes_nothing(
    masks: list[str], python: Callable[..., list[str]]
) -> None:
    """Uname then says i686, and the system call must still be that of the 64-bit build."""
    [line] = python(PERSONALITY + ASK)
    machine, *answers = line.split()
    assert answers == masks
    assert platform.machine() != "x86_64" or machine == "i686"


def test_a_32_bit_python_gets_the_same(masks: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a 64-bit kernel it goes the compat path, where 16 is lchown and 54 is ioctl."""
    command = os.environ.get("GMEMFLAGS_PYTHON32")
    if not command:
        pytest.skip("GMEMFLAGS_PYTHON32 names no 32-bit Python.")
    where = {str(Path(module.__file__ or "").parent.parent) for module in (gmemflags, attrs, attr)}
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(where))
    assert run_python(WIDTH, command=command) == [str(2**31 - 1)]
    [line] = run_python(ASK, command=command)
    assert line.split()[1:] == masks
