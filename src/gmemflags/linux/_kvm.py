"""The real KVM: ``Kvm`` for /dev/kvm, ``Vm`` for one VM.

The type of a descriptor says its scope, and each is checked when it is taken: a ``Vm`` that is
/dev/kvm in disguise would give the answer for the best imaginable VM.
"""

from __future__ import annotations

import os
from errno import EACCES, EBADF, EINVAL, EISDIR, ENODEV, ENOENT, ENOTDIR, ENOTTY, ENXIO, EPERM
from typing import TYPE_CHECKING, TypeVar, cast

from attrs import evolve

from gmemflags.catalog import _uapi
from gmemflags.catalog._uapi import Scope
from gmemflags.exceptions import CapabilityQueryError, KvmUnavailableError, Unavailable
from gmemflags.linux._descriptor import (
    Descriptor,
    api_version,
    facts,
    open_descriptor,
    plain_call,
)
from gmemflags.masks._words import shown

if TYPE_CHECKING:
    from typing import Self

    from gmemflags.negotiation import Resolution

_Kvm = TypeVar("_Kvm", bound="Kvm")

_OPEN_REASONS = {
    **dict.fromkeys((ENOENT, ENODEV, ENXIO, ENOTDIR), Unavailable.NO_DEVICE),
    **dict.fromkeys((EACCES, EPERM), Unavailable.NO_PERMISSION),
    EISDIR: Unavailable.NOT_KVM,
}
_CREATE_REASONS = {EINVAL: Unavailable.NO_VM, EBADF: Unavailable.NOT_KVM}


class Kvm(Descriptor):
    """/dev/kvm: it answers for the best imaginable VM of this host, and makes VMs.

    A context manager, which closes only what it opened itself.
    """

    __module__ = "gmemflags.linux"

    @classmethod
    def open(cls, path: str | os.PathLike[str] = "/dev/kvm") -> Self:
        """Open the KVM device.

        Raises :exc:`~gmemflags.exceptions.KvmUnavailableError`, whose ``reason`` tells a missing
        device, a missing permission and a file that is not KVM apart.
        """
        name = os.fsdecode(path)
        try:
            fd = os.open(name, os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError as error:
            reason = _OPEN_REASONS.get(error.errno or 0, Unavailable.FAILED)
            raise KvmUnavailableError(
                error.errno or 0, error.strerror or "", name or "''", reason
            ) from None
        except ValueError as error:  # a NUL in the name
            raise KvmUnavailableError(
                ENOENT, str(error), repr(name), Unavailable.NO_DEVICE
            ) from None
        return _checked(cls(fd, name, facts(), owned=True))

    @classmethod
    def from_fd(cls, fd: int) -> Self:
        """Use an open descriptor of /dev/kvm, which stays the caller's.

        Raises :exc:`~gmemflags.exceptions.KvmUnavailableError` if it is no such descriptor.
        """
        origin = f"KVM descriptor {open_descriptor(fd)}"
        return _checked(cls(fd, origin, facts(), owned=False))

    @property
    def scope(self) -> Scope:
        """``Scope.SYSTEM``."""
        return Scope.SYSTEM

    def create_vm(self, vm_type: int = 0) -> Vm:
        """Make an empty VM of a type that KVM_CAP_VM_TYPES lists; 0 is the default type.

        On arm64 the guest's physical address space is made as large as KVM's default, 40 bits,
        or as the host allows if that is less (Documentation/virt/kvm/api.rst 4.2, v6.18).
        Raises :exc:`~gmemflags.exceptions.KvmUnavailableError` if the host makes no such VM, and
        on arm64 :exc:`~gmemflags.exceptions.CapabilityQueryError` if it does not say how large.
        """
        argument = number = _plain(vm_type)
        what = f"VM of type {shown(vm_type if number < 0 else number)} on {self.origin}"
        if not 0 <= number < 1 << 32:
            raise KvmUnavailableError(EINVAL, os.strerror(EINVAL), what, Unavailable.NO_VM)
        if self.host.machine in _uapi.ARM64_MACHINES:
            size = self.check_extension(_uapi.KVM_CAP_ARM_VM_IPA_SIZE)
            argument |= size if 0 < size < 40 else 0
        try:
            fd = plain_call(self, _uapi.KVM_CREATE_VM, argument)
        except OSError as error:
            reason = _CREATE_REASONS.get(error.errno or 0, Unavailable.FAILED)
            raise KvmUnavailableError(
                error.errno or 0, error.strerror or "", what, reason
            ) from None
        return Vm(fd, what, evolve(self.host, vm_type=number), owned=True)


class Vm(Descriptor):
    """One VM: its answers are the ones to use for it.

    A context manager, which closes only what it opened itself.
    """

    __module__ = "gmemflags.linux"

    @classmethod
    def from_fd(cls, fd: int, vm_type: int | None = None) -> Self:
        """Use an open VM descriptor, which stays the caller's.

        ``vm_type`` is what KVM_CREATE_VM was given, if known: some rules speak of some types
        only. Raises :exc:`~gmemflags.exceptions.KvmUnavailableError` if it is no VM, /dev/kvm in
        particular, :exc:`~gmemflags.exceptions.CapabilityQueryError` if KVM does not answer, as
        it does not in another process than the VM's creator, and TypeError for a type that is no
        int.
        """
        origin = f"VM descriptor {open_descriptor(fd)}"
        vm = cls(fd, origin, facts(vm_type), owned=False)
        try:
            api_version(vm)
        except OSError as error:
            if error.errno not in (ENOTTY, EINVAL, EBADF):
                number = _uapi.KVM_CAP_GUEST_MEMFD
                raise CapabilityQueryError(
                    error.errno or 0, error.strerror or "", number, origin
                ) from None
        else:
            problem = "this is /dev/kvm itself, which answers for any VM and for none"
            raise KvmUnavailableError(EINVAL, problem, origin, Unavailable.NOT_KVM)
        try:
            vm.check_extension(_uapi.KVM_CAP_GUEST_MEMFD)
        except CapabilityQueryError as error:
            if error.errno not in (ENOTTY, EINVAL, EBADF):
                raise
            raise KvmUnavailableError(
                error.errno, error.strerror or "", origin, Unavailable.NOT_KVM
            ) from None
        return vm

    @property
    def scope(self) -> Scope:
        """``Scope.VM``."""
        return Scope.VM

    def create_guest_memfd(self, size: int, flags: Resolution | int) -> int:
        """Create a guest_memfd of ``size`` bytes and return its descriptor, close-on-exec.

        ``flags`` is a Resolution or any mask: the kernel is the judge. ``size`` is a positive
        multiple of the page size below 2**63. The file belongs to this VM alone and keeps it
        alive. As with ``os.memfd_create``, the caller closes it.

        Raises :exc:`~gmemflags.exceptions.GuestMemfdCreateError` with the kernel's errno and what
        it means here, NegotiationError for a Resolution that is a refusal, and
        :exc:`~gmemflags.exceptions.InvalidMaskError` for flags that are no mask.
        Source: Documentation/virt/kvm/api.rst 4.142, v6.18.
        """
        from gmemflags.linux._create import create_guest_memfd  # noqa: PLC0415  # seldom wanted

        return create_guest_memfd(self, size, flags)


def _plain(vm_type: object) -> int:
    # The number of a VM type, which may be a caller's enum; -1 for what is none.
    good = isinstance(vm_type, int) and not isinstance(vm_type, bool)
    return int(cast("int", vm_type)) if good else -1


def _checked(kvm: _Kvm) -> _Kvm:
    # The same if it is a descriptor of /dev/kvm; any other is refused, and closed if owned.
    try:
        version = api_version(kvm)
    except OSError as error:
        kvm.close()
        denied = error.errno in (EACCES, EPERM)
        reason = Unavailable.NO_PERMISSION if denied else Unavailable.NOT_KVM
        raise KvmUnavailableError(
            error.errno or 0, error.strerror or "", kvm.origin, reason
        ) from None
    if version == _uapi.KVM_API_VERSION:
        return kvm
    kvm.close()
    raise KvmUnavailableError(
        EINVAL, f"its API version is {version}, not 12", kvm.origin, Unavailable.NOT_KVM
    )
