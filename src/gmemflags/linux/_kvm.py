"""Descriptors of the real KVM: ``Kvm`` for /dev/kvm, ``Vm`` for one VM.

The type of a descriptor says its scope, and each is checked when it is taken: a ``Vm`` that is
/dev/kvm in disguise would give the answer for the best imaginable VM. A descriptor that is passed
in stays the caller's and is never closed. This module asks KVM and must never read a mask itself.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from errno import EACCES, EBADF, EINVAL, ENODEV, ENOENT, ENOTDIR, ENOTTY, ENXIO, EPERM
from typing import TYPE_CHECKING
from warnings import warn

from gmemflags.catalog import _uapi
from gmemflags.catalog._uapi import Scope
from gmemflags.exceptions import CapabilityQueryError, KvmUnavailableError, Unavailable
from gmemflags.host import Backend, HostFacts
from gmemflags.linux._ioctl import multiarch, none_bits, system_ioctl
from gmemflags.masks._words import shown

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_OPEN_REASONS = {
    **dict.fromkeys((ENOENT, ENODEV, ENXIO, ENOTDIR), Unavailable.NO_DEVICE),
    **dict.fromkeys((EACCES, EPERM), Unavailable.NO_PERMISSION),
}


def _descriptor(fd: object) -> int:
    if type(fd) is int and 0 <= fd < 1 << 31:
        return fd
    raise KvmUnavailableError(
        EBADF, os.strerror(EBADF), f"{shown(fd)} as a descriptor", Unavailable.NOT_KVM
    )


def _facts(vm_type: int | None = None) -> HostFacts:
    system = os.uname()
    return HostFacts(kernel=system.release, machine=system.machine, vm_type=vm_type)


class _Descriptor(Backend):
    """A KVM descriptor: a context manager, which closes only what it opened itself."""

    def __init__(self, fd: int, origin: str, host: HostFacts, *, owned: bool) -> None:
        self._fd = fd
        self._owned = owned
        self._origin = origin
        self._host = host
        self._ioctl = system_ioctl()
        self._none = none_bits(multiarch())

    @property
    @abstractmethod
    def scope(self) -> Scope: ...

    @property
    def origin(self) -> str:
        """Which device or VM this is."""
        return self._origin

    @property
    def host(self) -> HostFacts:
        """Kernel and machine of this host as uname gives them, and the VM's type."""
        return self._host

    def fileno(self) -> int:
        """The descriptor, -1 once it is closed."""
        return self._fd

    def call(self, request: int, argument: int = 0) -> int:
        """One KVM ioctl on this descriptor; raises OSError."""
        return self._ioctl(self._fd, request, argument)

    def check_extension(self, number: int) -> int:
        """The kernel's answer for one capability, as the C long that it returned.

        Raises :exc:`~gmemflags.exceptions.CapabilityQueryError` if the call fails.
        """
        try:
            return self._ioctl(self._fd, _uapi.KVM_CHECK_EXTENSION | self._none, number)
        except OSError as error:
            raise CapabilityQueryError(
                error.errno or 0, error.strerror or "", number, self._origin
            ) from None

    def api_version(self) -> int:
        """What KVM_GET_API_VERSION answers; raises OSError on anything but /dev/kvm."""
        return self.call(_uapi.KVM_GET_API_VERSION | self._none)

    def close(self) -> None:
        """Close the descriptor if it was opened here; may be called again."""
        fd, self._fd = self._fd, -1
        if self._owned and fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if self._owned and self._fd >= 0:
            warn(f"{self!r} was not closed", ResourceWarning, stacklevel=2, source=self)
            self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._origin}, descriptor {self._fd}>"


class Kvm(_Descriptor):
    """/dev/kvm: it answers for the best imaginable VM of this host, and makes VMs."""

    __module__ = "gmemflags.linux"

    @classmethod
    def open(cls, path: str | os.PathLike[str] = "/dev/kvm") -> Self:
        """Open the KVM device.

        Raises :exc:`~gmemflags.exceptions.KvmUnavailableError`, whose ``reason`` tells a missing
        device, a missing permission and a file that is not KVM apart.
        """
        name = os.fsdecode(path)
        try:
            fd = os.open(name, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            reason = _OPEN_REASONS.get(error.errno or 0, Unavailable.FAILED)
            raise KvmUnavailableError(
                error.errno or 0, error.strerror or "", name, reason
            ) from None
        except ValueError as error:  # a NUL in the name
            raise KvmUnavailableError(
                ENOENT, str(error), repr(name), Unavailable.NO_DEVICE
            ) from None
        return cls(fd, name, _facts(), owned=True).checked()

    @classmethod
    def from_fd(cls, fd: int) -> Self:
        """Use an open descriptor of /dev/kvm, which stays the caller's."""
        origin = f"KVM descriptor {_descriptor(fd)}"
        return cls(fd, origin, _facts(), owned=False).checked()

    @property
    def scope(self) -> Scope:
        """``Scope.SYSTEM``."""
        return Scope.SYSTEM

    def checked(self) -> Self:
        """This descriptor if it is one of /dev/kvm; any other is refused, and closed if owned."""
        try:
            version = self.api_version()
        except OSError as error:
            self.close()
            raise KvmUnavailableError(
                error.errno or 0, error.strerror or "", self.origin, Unavailable.NOT_KVM
            ) from None
        if version == _uapi.KVM_API_VERSION:
            return self
        self.close()
        raise KvmUnavailableError(
            EINVAL, f"its API version is {version}, not 12", self.origin, Unavailable.NOT_KVM
        )

    def create_vm(self, vm_type: int = 0) -> Vm:
        """Make an empty VM of a type that KVM_CAP_VM_TYPES lists; 0 is the default type.

        On arm64 the guest's physical address space is made as large as KVM's default, 40 bits,
        or as the host allows if that is less (Documentation/virt/kvm/api.rst 4.2, v6.18).
        Raises :exc:`~gmemflags.exceptions.KvmUnavailableError` if the host makes no such VM.
        """
        what = f"VM of type {shown(vm_type)} on {self.origin}"
        argument = -1 if type(vm_type) is not int else vm_type
        if not 0 <= argument < 1 << 32:
            raise KvmUnavailableError(EINVAL, os.strerror(EINVAL), what, Unavailable.NO_VM)
        if self.host.machine in _uapi.ARM64_MACHINES:
            size = self.check_extension(_uapi.KVM_CAP_ARM_VM_IPA_SIZE)
            argument |= size if 0 < size < 40 else 0
        try:
            fd = self.call(_uapi.KVM_CREATE_VM | self._none, argument)
        except OSError as error:
            reason = Unavailable.NO_VM if error.errno == EINVAL else Unavailable.FAILED
            raise KvmUnavailableError(
                error.errno or 0, error.strerror or "", what, reason
            ) from None
        return Vm(fd, what, _facts(vm_type), owned=True)


class Vm(_Descriptor):
    """One VM: its answers are the ones to use for it."""

    __module__ = "gmemflags.linux"

    @classmethod
    def from_fd(cls, fd: int, vm_type: int | None = None) -> Self:
        """Use an open VM descriptor, which stays the caller's.

        ``vm_type`` is what KVM_CREATE_VM was given, if known: some rules speak of some types
        only. Raises :exc:`~gmemflags.exceptions.KvmUnavailableError` if it is no VM, /dev/kvm in
        particular, and :exc:`~gmemflags.exceptions.CapabilityQueryError` if KVM does not answer,
        as it does not in another process than the VM's creator.
        """
        origin = f"VM descriptor {_descriptor(fd)}"
        vm = cls(fd, origin, _facts(vm_type), owned=False)
        try:
            vm.api_version()
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
