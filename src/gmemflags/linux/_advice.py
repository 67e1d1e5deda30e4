"""What an errno means for the call that gave it, and what to do, on this machine.

Source: Documentation/virt/kvm/api.rst 4.1 to 4.4; virt/kvm/kvm_main.c, kvm_create_vm() and
kvm_enable_virtualization_cpu(), v6.18.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from gmemflags._exceptions import (
    DENIED,
    ERRNO_MEANINGS,
    REMEDIES,
    KvmUnavailableError,
    Unavailable,
    errno_and_text,
    quote,
)
from gmemflags._rules import architecture

KVM_DEVICE = "/dev/kvm"
UNTOLD = DENIED | {errno.EIO, 0}
"""Errnos of an ioctl that say nothing of what kind of file a descriptor is."""

_OPEN_REASONS = {
    **dict.fromkeys(
        (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR), Unavailable.NO_DEVICE
    ),
    **dict.fromkeys((errno.EACCES, errno.EPERM), Unavailable.NO_PERMISSION),
    errno.EISDIR: Unavailable.NOT_KVM,
}
_CREATE_REASONS = {
    **dict.fromkeys((errno.EBADF, errno.ENOTTY), Unavailable.NOT_KVM),
    **dict.fromkeys(DENIED, Unavailable.NO_PERMISSION),
    errno.EINVAL: Unavailable.NO_VM,
}
_SCARCE = {code: ERRNO_MEANINGS[code] for code in (errno.EMFILE, errno.ENFILE, errno.ENOMEM)}
_CREATE_REMEDIES = {
    **_SCARCE,
    **dict.fromkeys(DENIED, ERRNO_MEANINGS[errno.EPERM]),
    0: "try again",
    errno.EBADF: "the descriptor of the KVM device is closed: keep it open while VMs are made",
    errno.EBUSY: "another hypervisor (VirtualBox or VMware, say) uses the virtualization of this"
    " machine's processors: stop it, and unload its modules",
    errno.EIO: "KVM could not turn on the virtualization of a processor, which another hypervisor"
    " (VirtualBox or VMware, say) may use: stop that one, and see the kernel log",
}
_NO_DEVICE = {
    "aarch64": "start a kernel with KVM built in (CONFIG_KVM) at EL2, or enable nested"
    " virtualization; arm64 has no module to load",
    "ppc64": "load the KVM module (kvm_hv, or kvm_pr), or enable nested virtualization",
    "s390x": "load the KVM module (kvm), or enable nested virtualization",
    "riscv64": "load the KVM module (kvm); the processor needs the H extension",
}


def in_container() -> bool:
    """Whether this process runs in a container that Docker or Podman made."""
    return any(map(os.path.exists, ("/.dockerenv", "/run/.containerenv")))


def cannot_open(
    error: OSError, path: str, machine: str | None, *, root: bool, container: bool
) -> KvmUnavailableError:
    """The error for a device that could not be opened; no group helps ``root``."""
    number, text = errno_and_text(error)
    reason = _OPEN_REASONS.get(number, Unavailable.FAILED)
    remedy = _SCARCE.get(number, "")
    given = f"give the device to this container (--device {quote(path)})"
    if number in {errno.ENOENT, errno.ENOTDIR} and path != KVM_DEVICE:
        remedy = f"give the path of the KVM device, which is usually {KVM_DEVICE}"
    elif reason is Unavailable.NO_DEVICE:
        remedy = _NO_DEVICE.get(architecture(machine) or "", REMEDIES[reason])
        if container:
            remedy = f"{given}; on its host: {remedy}"
    elif reason is Unavailable.NO_PERMISSION and container:
        remedy = given if root else f"{given}, and the group that owns it (--group-add)"
    elif reason is Unavailable.NO_PERMISSION and root:
        remedy = (
            "root is denied by a security module (SELinux, say) or by a control group of devices:"
            " see the audit log"
        )
    return KvmUnavailableError(number, text, path, reason, remedy)


def not_the_device(error: OSError, origin: str, fd: int) -> KvmUnavailableError:
    """The error for a descriptor that did not tell KVM's API version."""
    number, text = errno_and_text(error)
    reason, remedy = Unavailable.NOT_KVM, ""
    if not number:
        reason, remedy = Unavailable.FAILED, "try again"
    elif number in DENIED:
        # KVM has the fixed number 10:232 (include/linux/miscdevice.h, v6.18); other devices, such
        # as /dev/vhost-net, answer EPERM to what they do not know.
        with suppress(OSError):  # a filter denies before anyone sees that the descriptor is closed
            if os.fstat(fd).st_rdev == os.makedev(10, 232):
                reason, remedy = Unavailable.NO_PERMISSION, ERRNO_MEANINGS[number]
    return KvmUnavailableError(number, text, origin, reason, remedy)


def cannot_create(
    error: OSError, what: str, vm_type: int, listed: int, ipa_bits: int | None
) -> KvmUnavailableError:
    """The error for KVM_CREATE_VM, on a host that lists the VM types of a mask (0: it lists none).

    Address bits that the caller did not ask for are None.
    """
    number, text = errno_and_text(error)
    reason = _CREATE_REASONS.get(number, Unavailable.FAILED)
    remedy = _CREATE_REMEDIES.get(number, "")
    if number and text != os.strerror(number):  # our own finding about the result
        reason, remedy = Unavailable.FAILED, "KVM does not do this: see what answers in its place"
    elif number == errno.EINVAL and vm_type:
        types = ", ".join(str(bit) for bit in range(64) if listed >> bit & 1)
        which = f"which are {types}" if types else "and it lists none"
        remedy = f"ask for a type that this host lists, {which}, or for the default type 0"
        remedy += f", or without ipa_bits={ipa_bits}" if ipa_bits else ""
    elif number == errno.EINVAL:
        remedy = "this host makes no VM of the default type: see the kernel log for what KVM lacks"
        if ipa_bits:
            size = f"ipa_bits={ipa_bits}"
            remedy = f"leave out {size}, or ask for as many address bits as the host has"
    return KvmUnavailableError(number, text, what, reason, remedy)
