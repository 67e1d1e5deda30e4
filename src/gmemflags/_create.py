"""KVM_CREATE_GUEST_MEMFD: its error, and what its bare errno means here.

One EINVAL stands for a bad size and for bad flags alike, so the size is checked first; after an
EINVAL the VM is asked again, and what it lists says which of the two it was.
"""

from __future__ import annotations

import errno
import os
from abc import abstractmethod
from collections.abc import Callable

from gmemflags._exceptions import (
    ERRNO_MEANINGS,
    CapabilityQueryError,
    GmemFlagsError,
    InconsistentAnswerError,
    KvmUnavailableError,
    errno_and_text,
    quote,
    safe_repr,
    sentence,
)
from gmemflags._format import describe_mask
from gmemflags._host import Backend, Support, query
from gmemflags._mainline import MAINLINE
from gmemflags._masks import u64
from gmemflags._resolve import Resolution, resolve

MEANINGS = ERRNO_MEANINGS | {
    0: "nothing was created: try again",
    errno.EBADF: "the VM's descriptor is closed: keep it open until the file is made",
    errno.EFAULT: "the kernel could not read the request, a fault of gmemflags: report it",
    errno.ENOENT: "the KVM module is being unloaded: load it again, and make a new VM",
    errno.ENOSYS: "a seccomp filter denies the call: allow KVM_CREATE_GUEST_MEMFD (0xc040aed4)"
    " in it",
    errno.ENOTTY: "this kernel is built without guest_memfd, or the descriptor is not a VM: ask"
    " for KVM_CAP_GUEST_MEMFD first",
}
_OTHER = "KVM_CREATE_GUEST_MEMFD has no known reason to fail like this: see the errno"


class GuestMemfdCreateError(GmemFlagsError, OSError):
    """KVM_CREATE_GUEST_MEMFD failed, or was not tried.

    Args:
        errno: The kernel's error number; 0 if there is none.
        strerror: Its text; without a number it says what happened.
        size: In bytes.
        mask: The flags.
        meaning: What the errno means here.
        support: After EINVAL, what the VM lists; else None.
        resolution: The answer that was relied on, if any.
    """

    def __init__(  # noqa: PLR0917  # OSError's own two come first, and errors pickle by position
        self,
        errno: int,
        strerror: str,
        size: int = 0,
        mask: int = 0,
        meaning: str = "",
        support: Support | None = None,
        resolution: Resolution | None = None,
    ) -> None:
        super().__init__(errno, strerror)
        self.size = size
        self.mask = mask
        self.meaning = meaning
        self.support = support
        self.resolution = resolution

    def __str__(self) -> str:
        what = f"guest_memfd of {safe_repr(self.size)} bytes with flags {self.mask:#x}"
        return sentence(self, what, self.meaning)


class VmBackend(Backend):
    """A VM that also makes guest_memfd files: the type to annotate allocation code with.

    The real one is ``gmemflags.linux.Vm``; ``gmemflags.testing.FakeVm`` is for tests.
    """

    @abstractmethod
    def create_guest_memfd(self, size: int, flags: Resolution | int) -> int:
        """Create a guest_memfd file and return its descriptor, close-on-exec.

        Args:
            size: In bytes: a positive multiple of the page size below 2**63.
            flags: A Resolution, or any mask.

        Raises:
            GuestMemfdCreateError: With the errno and what it means here.
            NegotiationError: The Resolution is a refusal.
            InvalidMaskError: ``flags`` is not a mask.
            TypeError: ``size`` is not an int.
        """


def create(vm: Backend, size: int, flags: Resolution | int, call: Callable[[int], int]) -> int:
    """What every ``create_guest_memfd`` does around the call that makes the file of one mask.

    The kernel would refuse a bad size with the same EINVAL as bad flags, so it is never tried.

    Source: Linux, virt/kvm/guest_memfd.c, kvm_gmem_create(), v6.18.
    """
    resolution = flags if isinstance(flags, Resolution) else None
    mask = flags.mask if isinstance(flags, Resolution) else u64(flags)
    page, invalid = os.sysconf("SC_PAGE_SIZE"), os.strerror(errno.EINVAL)
    if type(size) is not int:
        raise TypeError(f"size must be an int, not {safe_repr(size)}")
    if not 0 < size < 1 << 63 or size % page:
        needed = f"the size must be a positive multiple of {page} bytes below 2**63"
        meaning = f"{needed}; nothing was tried"
        raise GuestMemfdCreateError(errno.EINVAL, invalid, size, mask, meaning)
    try:
        return call(mask)
    except OSError as error:
        number, text = errno_and_text(error)
    meaning, support = MEANINGS.get(number, _OTHER), None
    if number and text != os.strerror(number):
        meaning = ""  # the text says it all: the kernel returned what is not a new descriptor
    elif number == errno.EINVAL:
        meaning, support = _refusal(vm, mask, resolution)
    raise GuestMemfdCreateError(number, text, size, mask, meaning, support, resolution)


def _refusal(vm: Backend, mask: int, resolution: Resolution | None) -> tuple[str, Support | None]:
    # What EINVAL means for flags of a good size, and what the VM lists now.
    try:
        support = query(vm, MAINLINE if resolution is None else resolution.support.catalog)
    except KvmUnavailableError as error:
        return f"the descriptor is not this VM's any more: {error}", None
    except (CapabilityQueryError, InconsistentAnswerError) as error:
        return f"the flags were refused, and the VM does not say what it lists: {error}", None
    if support.guest_memfd is False:
        return "this VM has no guest_memfd at all (KVM_CAP_GUEST_MEMFD is 0)", support
    lists = f"this VM lists {describe_mask(support.mask, support.catalog)}"
    stray = mask & ~support.mask
    unlisted = f"{describe_mask(stray, support.catalog)} is not among its flags: {lists}"
    if resolution is None:
        combination = (
            f"{lists}, but does not take this combination, or not at this size;"
            " `gmemflags probe` shows which combinations it takes"
        )
        return unlisted if stray else combination, support
    # The Resolution was made for another VM, or kernel and catalog contradict each other.
    again = resolve(support, resolution.request)
    if again.ok and again.mask == mask:
        meaning = (
            f"{lists}, and {quote(support.catalog.name)} has no rule against this mask:"
            " kernel and catalog contradict each other, unless these flags want another size;"
            " `gmemflags probe` shows what this kernel takes"
        )
        return meaning, support
    why = unlisted if stray else f"this VM's answer is now: {again.headline}"
    asked = resolution.support
    return (
        f"{why}; the Resolution was made for {quote(asked.origin)} ({asked.scope} scope)",
        support,
    )
