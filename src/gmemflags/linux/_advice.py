"""What an errno means for the call that gave it, and what to do, on this machine.

Source: Documentation/virt/kvm/api.rst 4.1 to 4.4; virt/kvm/kvm_main.c, kvm_create_vm() and
kvm_enable_virtualization_cpu(), v6.18.
"""

from __future__ import annotations

import os
from errno import (
    EACCES,
    EBADF,
    EBUSY,
    EINVAL,
    EIO,
    EISDIR,
    EMFILE,
    ENFILE,
    ENODEV,
    ENOENT,
    ENOMEM,
    ENOSYS,
    ENOTDIR,
    ENOTTY,
    ENXIO,
    EPERM,
)

from gmemflags._exceptions import KvmUnavailableError, Unavailable, quote
from gmemflags._rules import architecture

DENIED = frozenset((EACCES, EPERM, ENOSYS))
"""What a security module or a seccomp filter makes of an ioctl."""
UNTOLD = DENIED | {EIO, 0}
"""Errnos of an ioctl that say nothing of what kind of file a descriptor is."""

_OPEN_REASONS = {
    **dict.fromkeys((ENOENT, ENODEV, ENXIO, ENOTDIR), Unavailable.NO_DEVICE),
    **dict.fromkeys((EACCES, EPERM), Unavailable.NO_PERMISSION),
    EISDIR: Unavailable.NOT_KVM,
}
_CREATE_REASONS = {
    **dict.fromkeys((EBADF, ENOTTY), Unavailable.NOT_KVM),
    **dict.fromkeys(DENIED, Unavailable.NO_PERMISSION),
    EINVAL: Unavailable.NO_VM,
}
_FILTERED = (
    "a seccomp filter or a security module (SELinux, say) denies KVM's ioctls: allow them;"
    " the audit log may name it"
)
_SCARCE = {
    EMFILE: "this process has no descriptor left: raise RLIMIT_NOFILE, or close some",
    ENFILE: "the system has no file left: see /proc/sys/fs/file-max",
    ENOMEM: "the kernel has no memory for it: free some, or see the limits of the control group",
}
_CREATE_REMEDIES = {
    **_SCARCE,
    **dict.fromkeys(DENIED, _FILTERED),
    EBADF: "the descriptor of the KVM device is closed: keep it open while VMs are made",
    EBUSY: "another hypervisor (VirtualBox or VMware, say) uses the virtualization of this"
    " machine's processors: stop it, and unload its modules",
    EIO: "KVM could not turn on the virtualization of a processor, which another hypervisor"
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
    """The error for a device that could not be opened.

    Args:
        error: What ``open`` failed with.
        path: The device.
        machine: As ``uname -m`` says it.
        root: Whether the user is root, whom no group helps.
        container: Whether a container has to be given the device first.
    """
    number = error.errno or 0
    reason = _OPEN_REASONS.get(number, Unavailable.FAILED)
    remedy = _SCARCE.get(number, "")
    if reason is Unavailable.NO_DEVICE:
        remedy = _NO_DEVICE.get(architecture(machine or "") or "", "")
        if container:
            default = KvmUnavailableError(0, "", "", reason).remedy
            given = f"give the device to this container (--device {quote(path)})"
            remedy = f"{given}; on its host: {remedy or default}"
    elif reason is Unavailable.NO_PERMISSION and container:
        groups = "" if root else ", and the group that owns it (--group-add)"
        remedy = f"give the device to this container (--device {quote(path)}){groups}"
    elif reason is Unavailable.NO_PERMISSION and root:
        remedy = (
            "root is denied by a security module (SELinux, say) or by a control group of devices:"
            " see the audit log"
        )
    return KvmUnavailableError(number, error.strerror or "", path, reason, remedy)


def not_the_device(error: OSError, origin: str, fd: int) -> KvmUnavailableError:
    """The error for a descriptor that did not tell KVM's API version."""
    number = error.errno or 0
    reason, remedy = Unavailable.NOT_KVM, ""
    if number in DENIED and _is_device(fd):
        reason, remedy = Unavailable.NO_PERMISSION, _FILTERED
    elif not number:
        reason, remedy = Unavailable.FAILED, "try again"
    return KvmUnavailableError(number, error.strerror or "", origin, reason, remedy)


def _is_device(fd: int) -> bool:
    # KVM has the fixed number 10:232 (include/linux/miscdevice.h, v6.18); other devices, such as
    # /dev/vhost-net, answer EPERM to what they do not know.
    return os.fstat(fd).st_rdev == os.makedev(10, 232)


def cannot_create(
    error: OSError, what: str, vm_type: int, listed: int, ipa_bits: int | None
) -> KvmUnavailableError:
    """The error for KVM_CREATE_VM.

    Args:
        error: What it failed with.
        what: The VM that was asked for.
        vm_type: Its type.
        listed: The answer to KVM_CAP_VM_TYPES, as a mask; 0 if there is none.
        ipa_bits: The address bits that the caller asked for, if any.
    """
    number = error.errno or 0
    reason = _CREATE_REASONS.get(number, Unavailable.FAILED)
    remedy = _CREATE_REMEDIES.get(number, "" if number else "try again")
    if number and error.strerror != os.strerror(number):  # our own finding about the result
        reason, remedy = Unavailable.FAILED, "KVM does not do this: see what answers in its place"
    elif number == EINVAL:
        remedy = _other_vm(vm_type, listed, ipa_bits)
    return KvmUnavailableError(number, error.strerror or "", what, reason, remedy)


def _other_vm(vm_type: int, listed: int, ipa_bits: int | None) -> str:
    size = f", or without ipa_bits={ipa_bits}" if ipa_bits else ""
    if vm_type:
        types = [f"{number}" for number in range(64) if listed >> number & 1]
        told = f"which are {', '.join(types)}" if types else "and it lists none"
        return f"ask for a type that this host lists, {told}, or for the default type 0{size}"
    if ipa_bits:
        return f"leave out ipa_bits={ipa_bits}, or ask for as many address bits as the host has"
    return "this host makes no VM of the default type: see the kernel log for what KVM lacks"
