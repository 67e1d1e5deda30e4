"""The library's numbers, held against a kernel's own headers: `make header`, not `make test`.

The headers and the compiler that reads them, for any architecture, are those of the wheel ziglang.
`make header HEADERS=DIR` takes those of any other kernel instead: DIR is the include/uapi of its
sources, the include directory that `make headers_install` wrote, or /usr/include. Names that an
older kernel does not have are left out then, and architectures that DIR does not hold are skipped;
a name that is there has our number.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gmemflags import MAINLINE
from gmemflags import _mainline as _uapi
from gmemflags.linux._ioctl import _NR_IOCTL, none_bits

INCLUDED = ("linux/kvm.h", "asm/unistd.h")
X86, ARM64 = "x86_64-linux-gnu", "aarch64-linux-gnu"
DIRECTORY = os.environ.get("HEADERS") or None
# By the architecture of a target: its directory in a kernel's sources, and the guard of its
# asm/kvm.h.
ARCH = {
    "x86_64": ("x86", "_ASM_X86_KVM_H"),
    "aarch64": ("arm64", "__ARM_KVM_H__"),
    "riscv64": ("riscv", "__LINUX_KVM_RISCV_H"),
    "s390x": ("s390", "__LINUX_KVM_S390_H"),
    "powerpc64le": ("powerpc", "__LINUX_KVM_POWERPC_H"),
    "mips": ("mips", "__LINUX_KVM_MIPS_H"),
}
NUMBERS = {name: value for name, value in vars(_uapi).items() if type(value) is int}
OWN_NAMES = {"LAST_NUMBER", "KVM_VM_TYPE_ARM_PROTECTED"}
TAKEN = {f"KVM_CAP_{name}": number for number, name in _uapi.TAKEN.items()}
CAPABILITIES = {f"KVM_CAP_{name}": number for name, number in MAINLINE.capabilities.items()}
FLAGS = {f"GUEST_MEMFD_FLAG_{flag.name}": flag.value for flag in MAINLINE.flags}
REQUESTS = ("KVM_GET_API_VERSION", "KVM_CREATE_VM", "KVM_CHECK_EXTENSION")
# What v7.3 has, and the headers of ziglang, which are older, have not.
NEWER = {"KVM_CAP_PPC_COMPAT_CAPS", "KVM_CAP_ARM_PMU_V3_STRICT"}


def include(target: str, spare: str) -> list[str]:
    """Where the compiler looks first, and, for what headers_install takes out, in ``spare``."""
    if DIRECTORY is None:
        return []
    own = Path(DIRECTORY)
    architecture = target.partition("-")[0]
    sources = own.parent.parent / "arch" / ARCH[architecture][0] / "include" / "uapi"
    for name in ("compiler.h", "compiler_types.h"):
        file = Path(spare) / "linux" / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
    found = [path for path in (sources, own / f"{architecture}-linux-gnu") if path.is_dir()]
    return ["-D__user=", *(f"-I{path.resolve()}" for path in (*found, own)), f"-idirafter{spare}"]


def compiled(target: str, *arguments: str, lines: Iterable[str] = ()) -> str:
    """What the compiler prints for the headers and ``lines``; it must take them."""
    source = [*(f"#include <{header}>" for header in INCLUDED), *lines, ""]
    with TemporaryDirectory() as spare:
        command = [sys.executable, "-m", "ziglang", "cc", "-target", target]
        command += [*include(target, spare), "-xc", *arguments, "-"]
        done = subprocess.run(
            command,
            input="\n".join(source),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def names(target: str) -> frozenset[str]:
    """Every macro of the headers for ``target``."""
    lines = compiled(target, "-dM", "-E").splitlines()
    return frozenset(line.split()[1].partition("(")[0] for line in lines)


@cache
def why_not(target: str) -> str | None:
    """None if there are headers for ``target`` that fit together, else why not."""
    try:
        with TemporaryDirectory() as directory:
            compiled(target, "-c", "-o", f"{directory}/empty.o")
    except AssertionError as error:
        return str(error).strip().splitlines()[0]
    guard = ARCH[target.partition("-")[0]][1]
    return None if guard in names(target) else f"asm/kvm.h does not define {guard}"


def need(target: str) -> str:
    """The target; skips where HEADERS=DIR has nothing for it."""
    if DIRECTORY is not None and why_not(target):
        pytest.skip(f"{DIRECTORY} has no headers for {target}: {why_not(target)}")
    return target


@pytest.fixture
def any_target() -> str:
    """The first target that there are headers for."""
    targets = [f"{architecture}-linux-gnu" for architecture in _NR_IOCTL]
    return next(target for target in targets if why_not(target) is None)


def check(target: str, numbers: Mapping[str, int], tmp_path: Path) -> None:
    """Each name that the headers for ``target`` have has its number there.

    Of ziglang's headers it is known what they have not; of any others, names may be missing.
    """
    there = {name: value for name, value in numbers.items() if name in names(target)}
    if DIRECTORY is None:
        assert numbers.keys() - there.keys() <= NEWER
    lines = [f'_Static_assert({name} == {value}ULL, "{name}");' for name, value in there.items()]
    compiled(target, "-c", "-o", os.fspath(tmp_path / "checked.o"), lines=lines)


def test_it_is_kvm(any_target: str) -> None:
    """The headers that were found are a kernel's, and with HEADERS=DIR those of DIR."""
    assert "KVM_CAP_USER_MEMORY" in names(any_target)
    if DIRECTORY is not None:
        assert (Path(DIRECTORY) / "linux" / "kvm.h").is_file()
        read = compiled(any_target, "-E").splitlines()
        assert any(f'"{Path(DIRECTORY).resolve()}/linux/kvm.h"' in line for line in read)


def test_a_wrong_number_is_found(any_target: str, tmp_path: Path) -> None:
    """The compiler refuses it: these tests can fail."""
    with pytest.raises(AssertionError, match="KVM_CAP_USER_MEMORY"):
        check(any_target, {"KVM_CAP_USER_MEMORY": 4}, tmp_path)


def test_the_numbers(any_target: str, tmp_path: Path) -> None:
    """Capabilities, ioctls, flags, and the attribute of private memory."""
    capabilities = {name: number for name, number in CAPABILITIES.items() if number is not None}
    numbers = {name: value for name, value in NUMBERS.items() if name not in OWN_NAMES}
    check(any_target, {**numbers, **capabilities, **FLAGS}, tmp_path)


def test_the_numbers_of_others(any_target: str, tmp_path: Path) -> None:
    """Those of 245 to 251, whose answers would be read as flags."""
    check(any_target, TAKEN, tmp_path)
    assert max(TAKEN.values()) == _uapi.LAST_NUMBER


def test_no_number_is_unknown(any_target: str, tmp_path: Path) -> None:
    """Every capability from 245 on is in our table: another one is to be added there."""
    known = {*TAKEN, *CAPABILITIES}
    others = sorted(name for name in names(any_target) - known if name.startswith("KVM_CAP_"))
    lines = [f'_Static_assert({name} < 245 || {name} > 0xffff, "{name}");' for name in others]
    compiled(any_target, "-c", "-o", os.fspath(tmp_path / "checked.o"), lines=lines)


@pytest.mark.parametrize(
    ("target", "types"), [(X86, _uapi.VM_TYPES_X86), (ARM64, _uapi.VM_TYPES_ARM)], ids=[X86, ARM64]
)
def test_the_types_of_vms(target: str, types: dict[int, str], tmp_path: Path) -> None:
    """Those that x86 and arm64 have."""
    check(need(target), {name: number for number, name in types.items()}, tmp_path)


def test_an_address_size_is_no_type(tmp_path: Path) -> None:
    """Bits 7:0 of KVM_CREATE_VM's argument are the address size on arm64."""
    check(need(ARM64), {"KVM_VM_TYPE_ARM_IPA_SIZE_MASK": 0xFF}, tmp_path)


def test_the_kernel_has_no_other_flag_and_no_number_for_the_upper_half(
    any_target: str,
) -> None:
    """A new flag, or a FLAGS_HI with a number, is to be added here."""
    flags = {name for name in names(any_target) if name.startswith("GUEST_MEMFD_FLAG_")}
    assert flags == FLAGS.keys() if DIRECTORY is None else flags <= FLAGS.keys()
    numberless = {name for name, number in CAPABILITIES.items() if number is None}
    assert numberless == {"KVM_CAP_GUEST_MEMFD_FLAGS_HI"}
    assert not {name for name in names(any_target) if name.startswith("KVM_CAP_GUEST_MEMFD_FLAGS_")}


@pytest.mark.parametrize("architecture", _NR_IOCTL)
def test_the_system_call(architecture: str, tmp_path: Path) -> None:
    """Where the library makes the call itself, its number and each request are right."""
    target = need(f"{architecture}-linux-gnu")
    requests = {name: NUMBERS[name] | none_bits(target) for name in REQUESTS}
    check(target, {"__NR_ioctl": _NR_IOCTL[architecture], **requests}, tmp_path)


def test_the_requests_where_libc_makes_the_call(tmp_path: Path) -> None:
    """On mips, _IOC_NONE is 1, as on powerpc."""
    requests = {name: NUMBERS[name] | none_bits("mips-linux-gnu") for name in REQUESTS}
    check(need("mips-linux-gnueabi"), requests, tmp_path)
