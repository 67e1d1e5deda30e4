"""The library's numbers, held against the kernel's own headers: `make header`, not `make test`.

The headers and the compiler that reads them, for any architecture, are those of the wheel ziglang.
"""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from gmemflags import MAINLINE, _mainline as _uapi
from gmemflags.linux._ioctl import _NR_IOCTL, none_bits

HEADERS = ("linux/kvm.h", "asm/unistd.h")
X86 = "x86_64-linux-gnu"
NUMBERS = {name: value for name, value in vars(_uapi).items() if type(value) is int}
CAPABILITIES = {
    f"KVM_CAP_{name}": number
    for name, number in [*MAINLINE.capabilities.items(), *((v, k) for k, v in _uapi.TAKEN.items())]
}
FLAGS = {f"GUEST_MEMFD_FLAG_{flag.name}": flag.value for flag in MAINLINE.flags}
REQUESTS = ("KVM_GET_API_VERSION", "KVM_CREATE_VM", "KVM_CHECK_EXTENSION")


def compiled(target: str, *arguments: str, lines: Iterable[str] = ()) -> str:
    """What the compiler prints for the headers and ``lines``; it must take them."""
    source = [*(f"#include <{header}>" for header in HEADERS), *lines, ""]
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-xc", *arguments, "-"]
    done = subprocess.run(
        command, input="\n".join(source), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def check(target: str, numbers: dict[str, int], tmp_path: Path) -> None:
    """Each name has its number in the headers for ``target``."""
    lines = [f'_Static_assert({name} == {value}ULL, "{name}");' for name, value in numbers.items()]
    compiled(target, "-c", "-o", os.fspath(tmp_path / "checked.o"), lines=lines)


def test_a_wrong_number_is_found(tmp_path: Path) -> None:
    """The compiler refuses it: these tests can fail."""
    with pytest.raises(AssertionError, match="KVM_CAP_GUEST_MEMFD_FLAGS"):
        check(X86, {"KVM_CAP_GUEST_MEMFD_FLAGS": 243}, tmp_path)


def test_the_numbers(tmp_path: Path) -> None:
    """Capabilities, ioctls, flags, and the attribute of private memory."""
    capabilities = {name: number for name, number in CAPABILITIES.items() if number is not None}
    check(X86, {**NUMBERS, **capabilities, **FLAGS}, tmp_path)


def test_the_types_of_vms(tmp_path: Path) -> None:
    """Those that x86 has."""
    check(X86, {name: number for number, name in _uapi.VM_TYPES_X86.items()}, tmp_path)


def test_the_kernel_has_no_other_flag_and_no_number_for_the_upper_half() -> None:
    """A new flag, or a FLAGS_HI with a number, is to be added here."""
    names = {line.split()[1] for line in compiled(X86, "-dM", "-E").splitlines()}
    assert {name for name in names if name.startswith("GUEST_MEMFD_FLAG_")} == FLAGS.keys()
    numberless = {name for name, number in CAPABILITIES.items() if number is None}
    assert numberless == {"KVM_CAP_GUEST_MEMFD_FLAGS_HI"}
    assert not {name for name in names if name.startswith("KVM_CAP_GUEST_MEMFD_FLAGS_")}


@pytest.mark.parametrize("architecture", _NR_IOCTL)
def test_the_system_call(architecture: str, tmp_path: Path) -> None:
    """Where the library makes the call itself, its number and each request are right."""
    target = f"{architecture}-linux-gnu"
    requests = {name: NUMBERS[name] | none_bits(target) for name in REQUESTS}
    check(target, {"__NR_ioctl": _NR_IOCTL[architecture], **requests}, tmp_path)


def test_the_requests_where_libc_makes_the_call(tmp_path: Path) -> None:
    """On mips, _IOC_NONE is 1, as on powerpc."""
    requests = {name: NUMBERS[name] | none_bits("mips-linux-gnu") for name in REQUESTS}
    check("mips-linux-gnueabi", requests, tmp_path)
