"""The real KVM: ``Kvm`` for /dev/kvm, ``Vm`` for one VM, and ``probe``.

The type of a descriptor says its scope, and each is checked when it is taken: a ``Vm`` that is
/dev/kvm in disguise would say what the host could offer at most. A descriptor that is passed in
stays the caller's and is never closed. Nothing is asked or opened when this package is imported.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable
from errno import EACCES, EBADF, EINVAL, EISDIR, ENODEV, ENOENT, ENOTDIR, ENOTTY, ENXIO, EPERM
from types import TracebackType
from typing import NoReturn, Self, cast
from warnings import warn

from attrs import evolve

from gmemflags import _mainline as uapi
from gmemflags._catalog import Scope
from gmemflags._create import VmBackend, create
from gmemflags._exceptions import (
    CapabilityQueryError,
    KvmUnavailableError,
    Unavailable,
    safe_repr,
)
from gmemflags._host import Backend, HostFacts
from gmemflags._resolve import Resolution
from gmemflags._rules import architecture
from gmemflags.linux._ioctl import Ioctl, multiarch, none_bits, system_ioctl

_OPEN_REASONS = {
    **dict.fromkeys((ENOENT, ENODEV, ENXIO, ENOTDIR), Unavailable.NO_DEVICE),
    **dict.fromkeys((EACCES, EPERM), Unavailable.NO_PERMISSION),
    EISDIR: Unavailable.NOT_KVM,
}
_CREATE_REASONS = {EINVAL: Unavailable.NO_VM, EBADF: Unavailable.NOT_KVM}



def open_descriptor(fd: object) -> int:
    """``fd`` if it can be a descriptor; raises KvmUnavailableError."""
    if type(fd) is int and 0 <= fd < 1 << 31:
        return fd
    raise KvmUnavailableError(
        EBADF, "an int in [0, 2**31) is needed", f"{safe_repr(fd)} as a descriptor", Unavailable.NOT_KVM
    )


def facts(vm_type: int | None = None) -> HostFacts:
    """What uname says of this host, and the VM type that is known."""
    system = os.uname()
    return HostFacts(kernel=system.release, machine=system.machine, vm_type=vm_type)


class Descriptor(Backend):
    """A KVM descriptor: a context manager, which closes only what it opened itself."""

    _fd = -1
    _owned = False

    def __init__(self, fd: int, origin: str, host: HostFacts, *, owned: bool) -> None:
        self._fd = fd
        self._owned = owned
        self._origin = origin
        self._host = host
        self._ioctl = system_ioctl()
        self._check_extension = uapi.KVM_CHECK_EXTENSION | none_bits(multiarch())

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

    def check_extension(self, number: int) -> int:
        """The kernel's answer for one capability, as the C long that it returned.

        Raises:
            CapabilityQueryError: The call failed.
            ValueError: ``number`` is not an int in [0, 2**31).
        """
        if type(number) is not int or not 0 <= number < 1 << 31:
            raise ValueError(f"{safe_repr(number)} is not the number of a capability")
        try:
            return self._ioctl(self._fd, self._check_extension, number)
        except OSError as error:
            raise CapabilityQueryError(
                error.errno or 0, error.strerror or "", number, self._origin
            ) from None

    def close(self) -> None:
        """Close the descriptor if it was opened here; may be called again."""
        fd, self._fd = self._fd, -1
        if self._owned and fd >= 0:
            os.close(fd)

    def __reduce__(self) -> NoReturn:
        # Two owners would close one descriptor, which may be another file by then.
        raise TypeError(f"{self!r} can be neither copied nor pickled: it has a descriptor")

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
            text = f"{self!r} was not closed"
            self.close()  # first: the warning may be an error
            warn(text, ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._origin}, descriptor {self._fd}>"


def caller(descriptor: Descriptor) -> Ioctl:
    """The ioctl of a descriptor, for the modules of this room."""
    return descriptor._ioctl  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # not for users


def plain_call(descriptor: Descriptor, request: int, argument: int = 0) -> int:
    """One KVM ioctl that takes a number or nothing; raises OSError."""
    return caller(descriptor)(descriptor.fileno(), request | none_bits(multiarch()), argument)


def api_version(descriptor: Descriptor) -> int:
    """What KVM_GET_API_VERSION answers; raises OSError on anything but /dev/kvm."""
    return plain_call(descriptor, uapi.KVM_GET_API_VERSION)


class Kvm(Descriptor):
    """/dev/kvm: what the host could offer at most; and it makes VMs.

    A context manager, which closes only what it opened itself.
    """

    @classmethod
    def open(cls, path: str | os.PathLike[str] = "/dev/kvm") -> Self:
        """Open the KVM device.

        Raises:
            KvmUnavailableError: Its ``reason`` tells a missing device, a missing permission and a
                file that is not KVM apart.
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

        Raises:
            KvmUnavailableError: It is not such a descriptor.
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

        Raises:
            KvmUnavailableError: The host makes no such VM.
            CapabilityQueryError: On arm64, the host does not say how large the space may be.
        """
        argument = number = _plain(vm_type)
        what = f"VM of type {safe_repr(vm_type if number < 0 else number)} on {self.origin}"
        if not 0 <= number < 1 << 32:
            raise KvmUnavailableError(EINVAL, os.strerror(EINVAL), what, Unavailable.NO_VM)
        if architecture(self.host.machine or "") == "aarch64":
            size = self.check_extension(uapi.KVM_CAP_ARM_VM_IPA_SIZE)
            argument |= size if 0 < size < 40 else 0
        try:
            fd = plain_call(self, uapi.KVM_CREATE_VM, argument)
        except OSError as error:
            reason = _CREATE_REASONS.get(error.errno or 0, Unavailable.FAILED)
            raise KvmUnavailableError(
                error.errno or 0, error.strerror or "", what, reason
            ) from None
        return Vm(fd, what, evolve(self.host, vm_type=number), owned=True)


class Vm(Descriptor, VmBackend):
    """One VM: its answers are the ones to use for it.

    A context manager, which closes only what it opened itself.
    """

    @classmethod
    def from_fd(cls, fd: int, vm_type: int | None = None) -> Self:
        """Use an open VM descriptor, which stays the caller's.

        ``vm_type`` is what KVM_CREATE_VM was given, if known: some rules speak of some types
        only.

        Raises:
            KvmUnavailableError: It is not a VM; /dev/kvm in particular.
            CapabilityQueryError: KVM does not answer, as in another process than the VM's creator.
            TypeError: ``vm_type`` is not an int.
        """
        origin = f"VM descriptor {open_descriptor(fd)}"
        vm = cls(fd, origin, facts(vm_type), owned=False)
        try:
            api_version(vm)
        except OSError as error:
            if error.errno not in (ENOTTY, EINVAL, EBADF):
                number = uapi.KVM_CAP_GUEST_MEMFD
                raise CapabilityQueryError(
                    error.errno or 0, error.strerror or "", number, origin
                ) from None
        else:
            problem = "this is /dev/kvm itself, which answers for any VM and for none"
            raise KvmUnavailableError(EINVAL, problem, origin, Unavailable.NOT_KVM)
        try:
            vm.check_extension(uapi.KVM_CAP_GUEST_MEMFD)
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

    def recheck(self) -> None:
        """See :meth:`gmemflags.Backend.recheck`."""
        try:
            api_version(self)
        except OSError:
            return
        problem = "this is /dev/kvm itself, which makes VMs and no guest_memfd"
        raise KvmUnavailableError(EINVAL, problem, self.origin, Unavailable.NOT_KVM)

    def create_guest_memfd(self, size: int, flags: Resolution | int) -> int:
        """Create a guest_memfd of ``size`` bytes and return its descriptor, close-on-exec.

        ``flags`` is a Resolution or any mask: the kernel is the judge. ``size`` is a positive
        multiple of the page size below 2**63. The file belongs to this VM alone and keeps it
        alive. As with ``os.memfd_create``, the caller closes it.

        Raises:
            GuestMemfdCreateError: With the kernel's errno and what it means here.
            NegotiationError: The Resolution is a refusal.
            InvalidMaskError: ``flags`` is not a mask.

        Source: Documentation/virt/kvm/api.rst 4.142, v6.18.
        """
        return create(self, size, flags, creator(self, size))


def creator(vm: Vm, size: int) -> Callable[[int], int]:
    """A function that makes guest_memfd files of one size on one VM, all with one buffer.

    It takes a mask and returns a new descriptor, close-on-exec; raises OSError.
    """
    # struct kvm_create_guest_memfd: u64 size, u64 flags, u64 reserved[6], which stay zero.
    struct = array("Q", [size, 0, 0, 0, 0, 0, 0, 0])
    address, _ = struct.buffer_info()
    ioctl = caller(vm)

    def call(mask: int) -> int:
        struct[1] = mask
        fd = ioctl(vm.fileno(), uapi.KVM_CREATE_GUEST_MEMFD, address)
        try:
            os.set_inheritable(fd, False)  # noqa: FBT003  # the standard library's own form
        except BaseException:
            os.close(fd)
            raise
        return fd

    return call


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
    if version == uapi.KVM_API_VERSION:
        return kvm
    kvm.close()
    raise KvmUnavailableError(
        EINVAL, f"its API version is {version}, not 12", kvm.origin, Unavailable.NOT_KVM
    )
