"""The raw ioctl: 64 bits in, 64 bits out, and -1 is always an error.

``fcntl.ioctl`` and libc's ``ioctl`` return a C int: bit 31 arrives as a negative number that
looks like a failure, and bits 63:32 are lost without a word. So this module makes the system call
itself, where the interpreter's own build says by which number. It must never choose a number by
``uname``: under a 32-bit personality or userland that is another call (16 is lchown there).

The calls leave ctypes' errno as they found it, so a signal handler that uses this library disturbs
no call. A handler that sets ctypes' errno itself, between a call and the reading of its errno, can
still replace the number of an error; it can never turn an error into an answer.

Source of the numbers: include/uapi/asm-generic/unistd.h,
arch/x86/entry/syscalls and arch/{s390,powerpc}/kernel/syscalls, v6.18.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from ctypes import c_ulong, set_errno
from errno import EBADF, EINTR
from functools import partial
from itertools import tee

Ioctl = Callable[[int, int, int], int]
"""Descriptor, request and argument to the C long of the kernel; raises OSError.

An errno of 0 means that there is no number of the kernel's; then the text says what happened.
"""

_Call = Callable[[int, int, c_ulong], int]

# __NR_ioctl by the architecture of the interpreter's build; everywhere a C long has 64 bits.
_NR_IOCTL = {"x86_64": 16, "aarch64": 29, "riscv64": 29, "s390x": 54, "powerpc64le": 54}
# _IOC_NONE is 1 there, in the top three bits (arch/*/include/uapi/asm/ioctl.h), and 0 elsewhere.
_IOC_NONE_IS_1 = ("mips", "powerpc", "sparc", "alpha")
_REPEATS = 3
_LOST = "the call failed, and its error number was lost (a signal handler may have reset it)"


def multiarch() -> str:
    """The ABI that this interpreter was built for: ``x86_64-linux-gnu``, or "" if unknown."""
    return str(getattr(sys.implementation, "_multiarch", ""))


def none_bits(abi: str) -> int:
    """The direction bits of a KVM request without an argument struct, for ``abi``."""
    return 1 << 29 if abi.startswith(_IOC_NONE_IS_1) else 0


def bind(abi: str, long_bits: int) -> Ioctl:
    """The most exact ioctl for ``abi`` with C longs of ``long_bits`` bits.

    A call that a signal interrupted is made again, until a signal handler raises. One that failed
    without an errno has created nothing, and is made again three times.
    """
    return _checked(_function(ctypes.CDLL(None, use_errno=True), abi, long_bits))


def bind_creation(abi: str, long_bits: int) -> Ioctl:
    """The same for a request that makes a file, whose descriptor it returns, close-on-exec.

    The kernel makes the file without close-on-exec, so call and FIOCLEX are one step: both keep
    the GIL, and no bytecode runs in between. No other thread of Python can run then, and start a
    child that inherits the file, unless the interpreter is free-threaded; a thread that forks in
    foreign code (``os.system``, a C library) still can.
    """
    call = _function(ctypes.PyDLL(None, use_errno=True), abi, long_bits)

    def create(fd: int, request: int, argument: c_ulong) -> int:
        # One iterator draws from the other in C; the second branch of tee remembers the result.
        made, again = tee(map(call, (fd,), (request,), (argument,)))
        try:
            next(map(os.set_inheritable, made, (False,)))
        except (OSError, OverflowError):
            result = next(again)
            if result == -1:
                return result
            os.close(checked_descriptor(result, fd))
            raise
        result = next(again)  # open, or FIOCLEX had failed
        return result if result != fd else checked_descriptor(result, fd)

    return _checked(create)


def checked_descriptor(result: int, fd: int) -> int:
    """The descriptor that a call on ``fd`` returned, if it can be a new one.

    Raises:
        OSError: It is not open, or is ``fd`` itself.
    """
    if 0 <= result < 1 << 31 and result != fd:
        with suppress(OSError):  # EBADF alone: F_GETFD has no other failure
            os.get_inheritable(result)
            return result
    raise OSError(EBADF, f"the call returned {result}, which is not a new descriptor")


def _checked(call: _Call) -> Ioctl:
    def ioctl(fd: int, request: int, argument: int) -> int:
        repeats = _REPEATS
        while True:
            found = set_errno(0)
            try:
                result = call(fd, request, c_ulong(argument))
            finally:
                error = set_errno(found)
            if result != -1:
                return result
            if error != EINTR:
                if error or not repeats:
                    raise OSError(error, os.strerror(error) if error else _LOST)
                repeats -= 1

    return ioctl


def _function(libc: ctypes.CDLL, abi: str, long_bits: int) -> _Call:
    # The C function, which leaves an error in ctypes' own errno. It has no argtypes, which would
    # double the cost: without them ctypes passes an int as a C int, and a descriptor and a request
    # are no more than that to the kernel; the argument comes as a c_ulong.
    architecture, _, system = abi.partition("-linux-")
    number = _NR_IOCTL.get(architecture)
    if long_bits == 64 and number is not None and system in ("gnu", "musl"):
        libc.syscall.restype = ctypes.c_long
        return partial(libc.syscall, number)
    libc.ioctl.restype = ctypes.c_int
    return libc.ioctl


_THIS = multiarch(), 8 * ctypes.sizeof(ctypes.c_long)
IOCTL = bind(*_THIS)
"""The ioctl of this interpreter."""
CREATE_FILE = bind_creation(*_THIS)
"""The same for a request that makes a file."""
NONE_BITS = none_bits(multiarch())
"""The direction bits of a request without an argument struct, for this interpreter."""
