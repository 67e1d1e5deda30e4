"""KVM_CREATE_GUEST_MEMFD: its error, and what its bare errno means here.

One EINVAL stands for a bad size and for bad flags alike, so the size is checked first; after an
EINVAL the VM is asked again, and what it lists says which of the two it was.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable
from errno import (
    EACCES,
    EBADF,
    EFAULT,
    EINVAL,
    EIO,
    EMFILE,
    ENFILE,
    ENOENT,
    ENOMEM,
    ENOSYS,
    ENOTTY,
    EPERM,
)

from gmemflags._exceptions import (
    CapabilityQueryError,
    GmemFlagsError,
    InconsistentAnswerError,
    KvmUnavailableError,
    quote,
    safe_repr,
)
from gmemflags._format import describe_mask
from gmemflags._host import Backend, Support, query
from gmemflags._mainline import MAINLINE
from gmemflags._masks import u64
from gmemflags._resolve import Resolution, resolve

_DENIED = "a security module (SELinux, say) or a seccomp filter denies it: see the audit log"
MEANINGS = {
    EIO: "another process than the VM's creator asks (after a fork, say), or the VM is dead:"
    " create it in the process that made the VM",
    EMFILE: "this process has no descriptor left: raise RLIMIT_NOFILE or close some",
    ENFILE: "the system has no file left: see /proc/sys/fs/file-max",
    ENOMEM: "the kernel has no memory for it: free some, or see the limits of the control group",
    EFAULT: "the kernel could not read the request, a fault of gmemflags: report it",
    EACCES: _DENIED,
    EPERM: _DENIED,
    ENOSYS: "a seccomp filter denies the call: allow KVM_CREATE_GUEST_MEMFD (0xc040aed4) in it",
    ENOENT: "the KVM module is being unloaded: load it again, and make a new VM",
    ENOTTY: "this kernel is built without guest_memfd, or the descriptor is not a VM: ask for"
    " KVM_CAP_GUEST_MEMFD first",
    EBADF: "the VM's descriptor is closed: keep it open until the file is made",
    0: "nothing was created: try again",
}
_OTHER = "KVM_CREATE_GUEST_MEMFD has no known reason to fail like this: see the errno"


class GuestMemfdCreateError(GmemFlagsError, OSError):
    """KVM_CREATE_GUEST_MEMFD failed, or was not tried.

    Args:
        errno: The kernel's error number; 0 if there is none, and ``strerror`` says what happened.
        strerror: Its text.
        size: The size of the file in bytes.
        mask: The flags.
        meaning: What the errno means here.
        support: After EINVAL, what the VM lists; else None.
        resolution: The answer that was relied on, if any.
    """

    def __init__(  # noqa: PLR0917  # OSError's own two come first, and errors pickle by position
        self,
        errno: int,
        strerror: str,
        size: int | str = 0,
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
        meaning = f"; {self.meaning}" if self.meaning else ""
        told = f"errno {self.errno}" if self.errno else "no errno"
        return (
            f"guest_memfd of {self.size} bytes with flags {self.mask:#x}:"
            f" {quote(self.strerror or '')} ({told}){meaning}"
        )


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
        """


def create(vm: Backend, size: int, flags: Resolution | int, call: Callable[[int], int]) -> int:
    """What every ``create_guest_memfd`` does around the call that makes the file of one mask."""
    mask = flags.mask if isinstance(flags, Resolution) else u64(flags)
    _check_size(size, mask)
    try:
        return call(mask)
    except OSError as error:
        resolution = flags if isinstance(flags, Resolution) else None
        raise _explained(error, vm, size, mask, resolution) from None


def _check_size(size: object, mask: int) -> None:
    """Refuse a size that the kernel would refuse with the same EINVAL as bad flags.

    Raises:
        GuestMemfdCreateError: It is not a positive multiple of the page size below 2**63.

    Source: Linux, virt/kvm/guest_memfd.c, kvm_gmem_create(), v6.18.
    """
    page = os.sysconf("SC_PAGE_SIZE")
    if type(size) is int and 0 < size < 1 << 63 and size % page == 0:
        return
    meaning = f"the size must be a positive multiple of {page} bytes below 2**63; nothing was tried"
    given = size if type(size) is int and size.bit_length() <= 128 else safe_repr(size)
    raise GuestMemfdCreateError(EINVAL, os.strerror(EINVAL), given, mask, meaning)


def _explained(
    error: OSError, vm: Backend, size: int, mask: int, resolution: Resolution | None
) -> GuestMemfdCreateError:
    """The kernel's error with what it means here; after EINVAL the VM is asked again."""
    number = error.errno or 0
    meaning, support = MEANINGS.get(number, _OTHER), None
    if number and error.strerror != os.strerror(number):
        meaning = ""  # the text says it all: the kernel returned what is not a new descriptor
    elif number == EINVAL:
        meaning, support = _refusal(vm, mask, resolution)
    return GuestMemfdCreateError(
        number, error.strerror or "", size, mask, meaning, support, resolution
    )


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
    if resolution is None:
        return _unlisted(support, mask) or _combination(support), support
    return _after(resolution, support), support


def _listed(support: Support) -> str:
    return f"this VM lists {describe_mask(support.mask, support.catalog)}"


def _unlisted(support: Support, mask: int) -> str:
    stray = mask & ~support.mask
    what = describe_mask(stray, support.catalog)
    return f"{what} is not among its flags: {_listed(support)}" if stray else ""


def _combination(support: Support) -> str:
    return (
        f"{_listed(support)}, but does not take this combination, or not at this size;"
        " `gmemflags probe` shows which combinations it takes"
    )


def _after(resolution: Resolution, support: Support) -> str:
    # The Resolution was made for another VM, or kernel and catalog contradict each other.
    again = resolve(support, resolution.request)
    if again.ok and again.mask == resolution.mask:
        return (
            f"{_listed(support)}, and {quote(support.catalog.name)} has no rule against this mask:"
            " kernel and catalog contradict each other, unless these flags want another size;"
            " `gmemflags probe` shows what this kernel takes"
        )
    asked = resolution.support
    why = _unlisted(support, resolution.mask) or f"this VM's answer is now: {again.headline}"
    return f"{why}; the Resolution was made for {quote(asked.origin)} ({asked.scope} scope)"
