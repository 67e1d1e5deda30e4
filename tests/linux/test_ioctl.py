"""The raw call: which system call is made for which ABI, and what an error is."""

import ctypes
import errno
import inspect
import os
import termios
from collections.abc import Callable
from typing import Any

import pytest

from gmemflags.linux._ioctl import IOCTL, NONE_BITS, bind, multiarch, none_bits

Ioctl = Callable[[int, int, int], int]

EXACT = {
    "x86_64-linux-gnu": 16,
    "x86_64-linux-musl": 16,
    "aarch64-linux-gnu": 29,
    "riscv64-linux-gnu": 29,
    "s390x-linux-gnu": 54,
    "powerpc64le-linux-gnu": 54,
}
# A C long has 64 bits on some of these, but the number of the call there is not known for sure.
INEXACT = [
    ("x86_64-linux-gnux32", 32),
    ("x86_64-linux-gnux32", 64),
    ("x86_64-linux-gnu", 32),
    ("i386-linux-gnu", 32),
    ("arm-linux-gnueabihf", 32),
    ("aarch64_ilp32-linux-gnu", 32),
    ("mips64el-linux-gnuabi64", 64),
    ("x86_64-kfreebsd-gnu", 64),
    ("darwin", 64),
    ("unknown", 64),
    ("", 64),
]


def made_of(ioctl: Ioctl) -> tuple[tuple[int, ...], object]:
    """Look into a bound call: what it puts before its arguments, and the type of its result."""
    call: Any = inspect.getclosurevars(ioctl).nonlocals["call"]
    before: tuple[int, ...] = getattr(call, "args", ())
    return before, getattr(call, "func", call).restype


@pytest.mark.parametrize("abi", EXACT)
def test_a_known_abi_makes_the_system_call(abi: str) -> None:
    """__NR_ioctl of include/uapi/asm-generic/unistd.h and the tables of x86, s390 and powerpc."""
    assert made_of(bind(abi, 64)) == ((EXACT[abi],), ctypes.c_long)


@pytest.mark.parametrize(("abi", "long_bits"), INEXACT)
def test_any_other_abi_calls_libc(abi: str, long_bits: int) -> None:
    """A wrong number is another system call: 16 is lchown for a 32-bit program."""
    assert made_of(bind(abi, long_bits)) == ((), ctypes.c_int)


@pytest.mark.parametrize("abi", ["x86_64-linux-gnu", "s390x-linux-gnu", "", "i386-linux-gnu"])
def test_requests_without_a_struct_have_no_direction(abi: str) -> None:
    """_IOC_NONE is 0 on most architectures (include/uapi/asm-generic/ioctl.h)."""
    assert none_bits(abi) == 0


@pytest.mark.parametrize(
    "abi",
    [
        "mips64el-linux-gnuabi64",
        "mipsel-linux-gnu",
        "powerpc64le-linux-gnu",
        "powerpc-linux-gnu",
        "sparc64-linux-gnu",
        "alpha-linux-gnu",
    ],
)
def test_requests_without_a_struct_have_a_direction_where_none_is_1(abi: str) -> None:
    """_IOC_NONE is 1 in bits 31 to 29 (arch/*/include/uapi/asm/ioctl.h)."""
    assert none_bits(abi) == 0x2000_0000


def test_the_abi_is_that_of_the_build() -> None:
    """A text in any case, empty where the build does not say."""
    assert isinstance(multiarch(), str)


@pytest.mark.parametrize("ioctl", [IOCTL, bind("unknown", 64)], ids=["raw", "libc"])
def test_an_error_is_an_oserror(ioctl: Ioctl, closed: int) -> None:
    """With errno and text, however it was called."""
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        ioctl(closed, termios.FIOCLEX, 0)
    assert caught.value.errno == errno.EBADF


@pytest.mark.parametrize("ioctl", [IOCTL, bind("unknown", 64)], ids=["raw", "libc"])
def test_a_stale_errno_is_no_error(ioctl: Ioctl, closed: int) -> None:
    """Errno counts only for the call that just failed."""
    reader, writer = os.pipe()
    try:
        for _ in range(2):
            with pytest.raises(OSError, match="Bad file descriptor"):
                ioctl(closed, termios.FIOCLEX, 0)
            assert ioctl(reader, termios.FIOCLEX, 0) == 0  # succeeds on any descriptor
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("ioctl", [IOCTL, bind("unknown", 64)], ids=["raw", "libc"])
def test_the_argument_may_be_an_address(ioctl: Ioctl) -> None:
    """The kernel writes a C int there: the bytes that wait in a pipe, in the machine's order."""
    reader, writer = os.pipe()
    try:
        os.write(writer, bytes(259))
        waiting = ctypes.c_int(-1)
        assert ioctl(reader, termios.FIONREAD, ctypes.addressof(waiting)) == 0
        assert waiting.value == 259
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("ioctl", [IOCTL, bind("unknown", 64)], ids=["raw", "libc"])
@pytest.mark.parametrize("request_", [termios.TIOCGWINSZ, 0xAE03 | NONE_BITS], ids=hex)
def test_a_pipe_is_no_terminal_and_no_kvm(ioctl: Ioctl, request_: int) -> None:
    """The kernel has no such ioctl for it: ENOTTY."""
    reader, writer = os.pipe()
    try:
        with pytest.raises(OSError, match=f"Errno {errno.ENOTTY}"):
            ioctl(reader, request_, 0)
    finally:
        os.close(reader)
        os.close(writer)
