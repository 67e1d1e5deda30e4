"""The raw side of the scripted kernel: seccomp(2) and its listener descriptor.

Names, numbers and layouts are those of include/uapi/linux/seccomp.h. This module moves bytes; it
must never decide what an answer is, and never filter any thread but the one that calls it.
"""

import ctypes
import errno
import fcntl
import functools
import os
import platform
import struct
import sys
from dataclasses import dataclass
from typing import NamedTuple

KVMIO = 0xAE
PR_SET_NO_NEW_PRIVS = 38
PR_SET_PTRACER = 0x59616D61
SECCOMP_SET_MODE_FILTER = 1
SECCOMP_GET_NOTIF_SIZES = 3
SECCOMP_FILTER_FLAG_NEW_LISTENER = 1 << 3
SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 1 << 5  # Linux 5.19
SECCOMP_RET_ALLOW = 0x7FFF0000
SECCOMP_RET_USER_NOTIF = 0x7FC00000
SECCOMP_IOCTL_NOTIF_RECV = 0xC0502100
SECCOMP_IOCTL_NOTIF_SEND = 0xC0182101
SECCOMP_IOCTL_NOTIF_ADDFD = 0x40182103
SECCOMP_ADDFD_FLAG_SEND = 1 << 1  # Linux 5.14

BPF_LD_W_ABS, BPF_ALU_AND_K, BPF_JMP_JEQ_K, BPF_RET_K = 0x20, 0x54, 0x15, 0x06

SOCK_FILTER = struct.Struct("=HBBI")  # code, jt, jf, k
SECCOMP_NOTIF = struct.Struct("=QII iIQ6Q")  # id, pid, flags; data: nr, arch, pointer, args
SECCOMP_NOTIF_RESP = struct.Struct("=QqiI")  # id, val, error, flags
SECCOMP_NOTIF_ADDFD = struct.Struct("=QIIII")  # id, flags, srcfd, newfd, newfd_flags
SECCOMP_NOTIF_SIZES = struct.Struct("=HHH")  # notif, notif_resp, data

# The last request of a filtered thread. The kernel's request is an unsigned int, so the upper half
# of the register is free to tell this one from every KVM ioctl.
FAREWELL = 0x57A9_D111_0000_AEFF

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


@dataclass(frozen=True)
class Abi:
    """What the filter has to know of one architecture."""

    audit_arch: int
    ioctl: int
    seccomp: int


ABIS = {
    "x86_64": Abi(audit_arch=0xC000003E, ioctl=16, seccomp=317),
    "aarch64": Abi(audit_arch=0xC00000B7, ioctl=29, seccomp=277),
}


class Notification(NamedTuple):
    """One system call that waits for its answer; `task` is a thread number."""

    identifier: int
    task: int
    arguments: tuple[int, ...]


@functools.cache
def this_abi() -> Abi:
    """The ABI of this interpreter, or an OSError that says which ones are supported."""
    abi = ABIS.get(platform.machine()) if sys.maxsize > 2**32 else None
    if abi is None or platform.system() != "Linux":
        where = f"{platform.system()} {platform.machine()}, {struct.calcsize('P') * 8}-bit Python"
        raise OSError(errno.ENOSYS, f"only 64-bit Linux on x86-64 and arm64 is known, not {where}")
    return abi


def system_call(number: int, *arguments: int) -> int:
    """The exact C long that a system call returns, or the OSError of its errno."""
    ctypes.set_errno(0)
    result: int = libc.syscall(*(ctypes.c_long(word) for word in (number, *arguments)))
    number_of_error = ctypes.get_errno()
    if result == -1 and number_of_error:
        raise OSError(number_of_error, os.strerror(number_of_error))
    return result


def ioctl(descriptor: int, request: int, argument: int) -> int:
    """One raw ioctl: the result is exact, and no bit of the arguments is lost."""
    return system_call(this_abi().ioctl, descriptor, request, argument)


def program() -> bytes:
    """The filter: KVM's ioctls of this ABI go to the listener, everything else is allowed."""
    abi = this_abi()
    instructions = (
        (BPF_LD_W_ABS, 0, 0, 4),  # seccomp_data.arch
        (BPF_JMP_JEQ_K, 0, 5, abi.audit_arch),
        (BPF_LD_W_ABS, 0, 0, 0),  # seccomp_data.nr
        (BPF_JMP_JEQ_K, 0, 3, abi.ioctl),
        (BPF_LD_W_ABS, 0, 0, 24),  # the low half of seccomp_data.args[1], little-endian
        (BPF_ALU_AND_K, 0, 0, 0xFF00),  # _IOC_TYPE
        (BPF_JMP_JEQ_K, 1, 0, KVMIO << 8),
        (BPF_RET_K, 0, 0, SECCOMP_RET_ALLOW),
        (BPF_RET_K, 0, 0, SECCOMP_RET_USER_NOTIF),
    )
    return b"".join(SOCK_FILTER.pack(*instruction) for instruction in instructions)


def install() -> int:
    """Filter the calling thread, for the rest of its life; the listener, close-on-exec."""
    code = ctypes.create_string_buffer(program())
    length = len(program()) // SOCK_FILTER.size
    sock_fprog = ctypes.create_string_buffer(struct.pack("HP", length, ctypes.addressof(code)))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, *(ctypes.c_ulong(word) for word in (1, 0, 0, 0))):
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS was refused")
    flags = SECCOMP_FILTER_FLAG_NEW_LISTENER
    where = ctypes.addressof(sock_fprog)
    for more in (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 0):
        try:
            return system_call(this_abi().seccomp, SECCOMP_SET_MODE_FILTER, flags | more, where)
        except OSError as error:
            if error.errno == errno.EBUSY:
                message = "this thread is filtered already: one Standin cannot run inside another"
                raise OSError(errno.EBUSY, message) from error
            if error.errno != errno.EINVAL or not more:
                raise
    raise AssertionError("the loop returns or raises")


def let_read(process: int) -> None:
    """Let another process read this one's memory, which Yama may forbid; silent without Yama."""
    libc.prctl(PR_SET_PTRACER, *(ctypes.c_ulong(word) for word in (process, 0, 0, 0)))


def farewell() -> None:
    """Tell the listener that this thread is done; its closing is the answer."""
    try:
        ioctl(-1, FAREWELL, 0)
    except OSError:
        return


@functools.cache
def notification_size() -> int:
    """The bytes that this kernel writes per notification."""
    sizes = ctypes.create_string_buffer(SECCOMP_NOTIF_SIZES.size)
    system_call(this_abi().seccomp, SECCOMP_GET_NOTIF_SIZES, 0, ctypes.addressof(sizes))
    kernels: int = SECCOMP_NOTIF_SIZES.unpack(sizes.raw)[0]
    return max(kernels, SECCOMP_NOTIF.size)


def _command(listener: int, request: int, buffer: bytearray) -> int | None:
    """One command to the listener; None if the system call waits no more (ENOENT, EINPROGRESS)."""
    while True:
        try:
            result: int = fcntl.ioctl(listener, request, buffer, True)
        except InterruptedError:
            continue
        except (FileNotFoundError, BlockingIOError):
            return None
        return result


def receive(listener: int) -> Notification | None:
    """The next waiting system call, or None if it was interrupted before it could be read."""
    buffer = bytearray(notification_size())
    if _command(listener, SECCOMP_IOCTL_NOTIF_RECV, buffer) is None:
        return None
    identifier, task, _, _, _, _, *arguments = SECCOMP_NOTIF.unpack_from(buffer)
    return Notification(identifier, task, tuple(arguments))


def reply(listener: int, identifier: int, *, value: int = 0, error: int = 0) -> None:
    """Answer one system call; `error` is negative or 0. Silent if nobody waits any more."""
    response = bytearray(SECCOMP_NOTIF_RESP.pack(identifier, value, error, 0))
    _command(listener, SECCOMP_IOCTL_NOTIF_SEND, response)


def reply_descriptor(listener: int, identifier: int, descriptor: int, newfd_flags: int) -> None:
    """Install a copy of `descriptor` in the calling task and answer with its number there."""

    def add(flags: int) -> int | None:
        request = SECCOMP_NOTIF_ADDFD.pack(identifier, flags, descriptor, 0, newfd_flags)
        return _command(listener, SECCOMP_IOCTL_NOTIF_ADDFD, bytearray(request))

    try:
        add(SECCOMP_ADDFD_FLAG_SEND)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        number = add(0)
        if number is not None:
            reply(listener, identifier, value=number)
