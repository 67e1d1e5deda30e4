"""What a script sees and says: calls, answers, and the script that most tests want.

Pure values: nothing here may make a system call.
"""

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

KVM_GET_API_VERSION = 0xAE00
KVM_CREATE_VM = 0xAE01
KVM_CHECK_EXTENSION = 0xAE03
KVM_CREATE_GUEST_MEMFD = 0xC040AED4
KVM_SET_USER_MEMORY_REGION2 = 0x40A0AE49

IOC_WRITE = 1 << 30  # _IOC_WRITE of include/uapi/asm-generic/ioctl.h: the kernel reads a struct
STRUCT_BYTES = 64


@dataclass(frozen=True, slots=True)
class Call:
    """One ioctl that arrived; `argument` is the raw third register, `pid` the calling thread."""

    fd: int
    request: int
    argument: int
    pid: int
    contents: bytes = b""

    def struct(self) -> bytes:
        """The 64 bytes that `argument` pointed to when the call arrived; OSError if it did not.

        They are read for requests that pass a struct to the kernel (_IOC_WRITE in the request).
        """
        if len(self.contents) != STRUCT_BYTES:
            message = f"{self.argument:#x} of request {self.request:#x} is no readable struct"
            raise OSError(errno.EFAULT, message)
        return self.contents


@dataclass(frozen=True, slots=True)
class Errno:
    """The answer "fail with this errno"."""

    number: int


@dataclass(frozen=True, slots=True)
class NewFd:
    """The answer "a new descriptor", close-on-exec for KVM_CREATE_VM only.

    A memfd of `size` bytes, which can be mapped and touched; or, if not `mappable`, an eventfd, for
    which mmap answers ENODEV. What mmap and a touch of the mapping answer cannot be scripted
    further: they are no ioctls, and the interpreter makes too many of them for every one to wait
    for an answer.
    """

    size: int = 0
    mappable: bool = True


Answer = int | Errno | NewFd
Script = Callable[[Call], Answer]


def extensions(
    answers: Mapping[int, int | Errno | Sequence[int | Errno]],
    *,
    api_version: int | Errno = Errno(errno.ENOTTY),
) -> Script:
    """A script that answers KVM_CHECK_EXTENSION from a table, and nothing else but the version.

    A number that is absent answers 0; a sequence gives one answer per call, its last one for ever.
    `api_version` 12 plays /dev/kvm, ENOTTY a VM. Any other request fails with ENOTTY.
    """
    table = {
        number: [answer] if isinstance(answer, int | Errno) else list(answer)
        for number, answer in answers.items()
    }
    empty = [number for number, queue in table.items() if not queue]
    if empty:
        raise ValueError(f"no answer for the capabilities {empty}")

    def script(call: Call) -> Answer:
        if call.request == KVM_GET_API_VERSION:
            return api_version
        if call.request != KVM_CHECK_EXTENSION:
            return Errno(errno.ENOTTY)
        queue = table.get(call.argument, [0])
        return queue.pop(0) if len(queue) > 1 else queue[0]

    return script
