"""Creation: KVM_CREATE_GUEST_MEMFD, and what its bare errno means here.

One EINVAL stands for a bad size and for bad flags alike, so the size is checked first; after an
EINVAL the VM is asked again, and what it lists tells whose mistake it was.
"""

from __future__ import annotations

import os
from array import array
from contextlib import suppress
from errno import (
    EACCES,
    EBADF,
    EFAULT,
    EINVAL,
    EIO,
    EMFILE,
    ENFILE,
    ENOMEM,
    ENOTTY,
    EPERM,
)
from typing import TYPE_CHECKING

from gmemflags.catalog._mainline import MAINLINE
from gmemflags.catalog._text import describe_mask
from gmemflags.catalog._uapi import KVM_CREATE_GUEST_MEMFD
from gmemflags.exceptions import (
    CapabilityQueryError,
    GuestMemfdCreateError,
    InconsistentAnswerError,
)
from gmemflags.host import query
from gmemflags.linux._descriptor import api_version, caller
from gmemflags.masks._words import shown, u64
from gmemflags.negotiation import Resolution, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from gmemflags.host import Support
    from gmemflags.linux._kvm import Vm

_LSM = "a security module (SELinux, say) denies it: see the audit log"
MEANINGS = {
    EIO: "another process than the VM's creator asks (after a fork, say), or the VM is dead:"
    " create it in the process that made the VM",
    EMFILE: "this process has no descriptor left: raise RLIMIT_NOFILE or close some",
    ENFILE: "the system has no file left: see /proc/sys/fs/file-max",
    ENOMEM: "the kernel has no memory for it: free some, or see the limits of the control group",
    EFAULT: "the kernel could not read the request, a fault of gmemflags: report it",
    EACCES: _LSM,
    EPERM: _LSM,
    ENOTTY: "this kernel is built without guest_memfd, or the descriptor is no VM: ask for"
    " KVM_CAP_GUEST_MEMFD first",
    EBADF: "the VM's descriptor is closed: keep it open until the file is made",
}
_OTHER = "KVM_CREATE_GUEST_MEMFD has no known reason to fail like this: see the errno"


def creator(vm: Vm, size: int) -> Callable[[int], int]:
    """A function that makes guest_memfd files of one size on one VM, all with one buffer.

    It takes a mask and returns a new descriptor, without close-on-exec; raises OSError.
    """
    # struct kvm_create_guest_memfd: u64 size, u64 flags, u64 reserved[6], which stay zero.
    struct = array("Q", [size, 0, 0, 0, 0, 0, 0, 0])
    address, _ = struct.buffer_info()
    ioctl = caller(vm)

    def create(mask: int) -> int:
        struct[1] = mask
        return ioctl(vm.fileno(), KVM_CREATE_GUEST_MEMFD, address)

    return create


def create_guest_memfd(vm: Vm, size: int, flags: Resolution | int) -> int:
    """See ``Vm.create_guest_memfd``."""
    mask = flags.mask if isinstance(flags, Resolution) else u64(flags)
    _check_size(size, mask)
    try:
        fd = creator(vm, size)(mask)
    except OSError as error:
        resolution = flags if isinstance(flags, Resolution) else None
        raise _told(error, vm, size, mask, resolution) from None
    try:
        os.set_inheritable(fd, False)  # noqa: FBT003  # the standard library's own form
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check_size(size: object, mask: int) -> None:
    page = os.sysconf("SC_PAGE_SIZE")
    if type(size) is int and 0 < size < 1 << 63 and size % page == 0:
        return
    meaning = f"the size must be a positive multiple of {page} bytes below 2**63; nothing was tried"
    given = size if type(size) is int and size.bit_length() <= 128 else shown(size)
    raise GuestMemfdCreateError(EINVAL, os.strerror(EINVAL), given, mask, meaning)


def _told(
    error: OSError, vm: Vm, size: int, mask: int, resolution: Resolution | None
) -> GuestMemfdCreateError:
    # The kernel's error with what it means here.
    number = error.errno or 0
    meaning, support = MEANINGS.get(number, _OTHER), None
    if number == EINVAL:
        meaning, support = _refusal(vm, mask, resolution)
    return GuestMemfdCreateError(
        number, error.strerror or "", size, mask, meaning, support, resolution
    )


def _refusal(vm: Vm, mask: int, resolution: Resolution | None) -> tuple[str, Support | None]:
    # What EINVAL means for flags of a good size, and what the VM lists now.
    with suppress(OSError):
        api_version(vm)
        return "this is /dev/kvm itself, which makes VMs and no guest_memfd", None
    try:
        support = query(vm, MAINLINE if resolution is None else resolution.support.catalog)
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
            f"{_listed(support)}, and {support.catalog.name} has no rule against this mask: kernel"
            " and catalog contradict each other, unless these flags want another size;"
            " `gmemflags probe` shows what this kernel takes"
        )
    asked = resolution.support
    why = _unlisted(support, resolution.mask) or f"this VM's answer is now: {again.headline}"
    return f"{why}; the Resolution was made for {asked.origin} ({asked.scope} scope)"
