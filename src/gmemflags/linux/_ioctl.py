"""The raw ioctl: 64 bits in, 64 bits out, an errno only where there is one.

``fcntl.ioctl`` and libc's ``ioctl`` return a C int: bit 31 arrives as a negative number that
looks like a failure, and bits 63:32 are lost without a word. So this module makes the system call
itself, where the interpreter's own build says by which number. It must never choose a number by
``uname``: under a 32-bit personality or userland that is another call (16 is lchown there).

Source of the numbers: include/uapi/asm-generic/unistd.h,
arch/x86/entry/syscalls and arch/{s390,powerpc}/kernel/syscalls, v6.18.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from ctypes import get_errno, set_errno
from errno import EINTR
from functools import cache, partial
from os import strerror

Ioctl = Callable[[int, int, int], int]

# __NR_ioctl by the architecture of the interpreter's build; everywhere a C long has 64 bits.
_NR_IOCTL = {"x86_64": 16, "aarch64": 29, "riscv64": 29, "s390x": 54, "powerpc64le": 54}
# _IOC_NONE is 1 there, in the top three bits (arch/*/include/uapi/asm/ioctl.h), and 0 elsewhere.
_IOC_NONE_IS_1 = ("mips", "powerpc", "sparc", "alpha")


def multiarch() -> str:
    """The ABI that this interpreter was built for: ``x86_64-linux-gnu``, or "" if unknown."""
    return str(getattr(sys.implementation, "_multiarch", ""))


def none_bits(abi: str) -> int:
    """The direction bits of a KVM request without an argument struct, for ``abi``."""
    return 1 << 29 if abi.startswith(_IOC_NONE_IS_1) else 0


def bind(abi: str, long_bits: int) -> Ioctl:
    """The most exact ioctl for ``abi`` with C longs of ``long_bits`` bits.

    Called with descriptor, request and argument, it returns the C long of the kernel, or raises
    OSError. An interrupted call is made again.
    """
    call = _call(abi, long_bits)

    def ioctl(fd: int, request: int, argument: int) -> int:
        while True:
            set_errno(0)
            result = call(fd, request, argument)
            error = get_errno() if result == -1 else 0
            if not error:
                return result
            if error != EINTR:
                raise OSError(error, strerror(error))

    return ioctl


def _call(abi: str, long_bits: int) -> Ioctl:
    # The C function, which leaves an error in ctypes' own errno.
    libc = ctypes.CDLL(None, use_errno=True)
    architecture, _, system = abi.partition("-linux-")
    number = _NR_IOCTL.get(architecture)
    if long_bits == 64 and number is not None and system in ("gnu", "musl"):
        libc.syscall.restype = ctypes.c_long
        libc.syscall.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong)
        return partial(libc.syscall, number)
    libc.ioctl.restype = ctypes.c_int
    libc.ioctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong)
    call: Ioctl = libc.ioctl
    return call


@cache
def system_ioctl() -> Ioctl:
    """The ioctl of this interpreter, made on first use."""
    return bind(multiarch(), 8 * ctypes.sizeof(ctypes.c_long))
