"""The real KVM: ``Kvm`` for /dev/kvm, ``Vm`` for one VM, and ``probe``.

The type of a descriptor says its scope, and each is checked when it is taken: a ``Vm`` that is
/dev/kvm in disguise would say what the host could offer at most. A descriptor that is passed in
stays the caller's and is never closed. Nothing is asked or opened when this package is imported.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable
from errno import EBADF, EINVAL, ENOENT, ENOTTY
from time import time
from types import TracebackType
from typing import NoReturn, Self, cast
from warnings import warn

from attrs import evolve

from gmemflags import _mainline as uapi
from gmemflags._catalog import Scope
from gmemflags._create import VmBackend, create
from gmemflags._exceptions import (
    CapabilityQueryError,
    InvalidMaskError,
    KvmUnavailableError,
    Unavailable,
    quote,
    safe_repr,
)
from gmemflags._host import Backend, HostFacts
from gmemflags._masks import read_long
from gmemflags._resolve import Resolution
from gmemflags._rules import architecture, vm_type_alone
from gmemflags.linux._advice import (
    UNTOLD,
    cannot_create,
    cannot_open,
    in_container,
    not_the_device,
)
from gmemflags.linux._ioctl import CREATE_FILE, IOCTL, NONE_BITS, Ioctl, checked_descriptor


def open_descriptor(fd: object) -> int:
    """``fd`` if it can be a descriptor; raises KvmUnavailableError."""
    if type(fd) is int and 0 <= fd < 1 << 31:
        return fd
    raise KvmUnavailableError(
        EBADF,
        "an int in [0, 2**31) is needed",
        f"{safe_repr(fd)} as a descriptor",
        Unavailable.NOT_KVM,
    )


def facts(vm_type: int | None = None) -> HostFacts:
    """What uname says of this host, and the VM type that is known, without an address size."""
    system = os.uname()
    host = HostFacts(
        _text(system.release),
        _text(system.machine),
        vm_type,
        name=_text(system.nodename),
        time=int(time()),
    )
    if vm_type is None:
        return host
    return evolve(host, vm_type=vm_type_alone(vm_type, system.machine))


def _text(value: str) -> str:
    # A name that is not UTF-8 is shown by its bytes: half a surrogate pair fits into no record.
    return os.fsencode(value).decode(errors="backslashreplace")


_CHECK_EXTENSION = uapi.KVM_CHECK_EXTENSION | NONE_BITS


class Descriptor(Backend):
    """A KVM descriptor: a context manager, which closes only what it opened itself."""

    _fd = -1
    _owned = False

    def __init__(self, fd: int, origin: str, host: HostFacts, *, owned: bool) -> None:
        self._fd = fd
        self._owned = owned
        self._origin = origin
        self._host = host
        self._ioctl = IOCTL

    @property
    def origin(self) -> str:
        """Which device or VM this is."""
        return self._origin

    @property
    def host(self) -> HostFacts:
        """What uname says of this host, the VM's type, and when this was opened."""
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
            return self._ioctl(self._fd, _CHECK_EXTENSION, number)
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
        return f"<{type(self).__name__} {quote(self._origin)}, descriptor {self._fd}>"


def caller(descriptor: Descriptor) -> Ioctl:
    """The ioctl of a descriptor, for the modules of this package."""
    return descriptor._ioctl  # pyright: ignore[reportPrivateUsage]  # not for users


def plain_call(descriptor: Descriptor, request: int, argument: int = 0) -> int:
    """One KVM ioctl that takes a number or nothing; raises OSError."""
    return caller(descriptor)(descriptor.fileno(), request | NONE_BITS, argument)


def api_version(descriptor: Descriptor) -> int:
    """What KVM_GET_API_VERSION answers; raises OSError on anything but /dev/kvm."""
    return plain_call(descriptor, uapi.KVM_GET_API_VERSION)


class Kvm(Descriptor):
    """/dev/kvm: what the host could offer at most; and it makes VMs.

    A context manager, which closes only what it opened itself.

    This example is not run, because it needs ``/dev/kvm``:

    >>> from gmemflags import query
    >>> with Kvm.open() as kvm, kvm.create_vm() as vm:  # doctest: +SKIP
    ...     host = query(vm)
    """

    @classmethod
    def open(cls, path: str | os.PathLike[str] = "/dev/kvm") -> Self:
        """Open the KVM device.

        Args:
            path: The device.

        Raises:
            KvmUnavailableError: Its ``reason`` tells a missing device, a missing permission and a
                file that is not KVM apart; its ``remedy`` says what to do on this machine.
        """
        name = os.fsdecode(path)
        kvm = cls(-1, name, facts(), owned=True)
        try:
            kvm._fd = os.open(name, os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY)  # ours
        except OSError as error:
            raise cannot_open(
                error,
                name or "''",
                kvm.host.machine,
                root=os.geteuid() == 0,
                container=in_container(),
            ) from None
        except ValueError as error:  # a NUL in the name
            raise KvmUnavailableError(
                ENOENT, str(error), repr(name), Unavailable.NO_DEVICE
            ) from None
        return kvm._checked()  # ours

    @classmethod
    def from_fd(cls, fd: int) -> Self:
        """Use an open descriptor of /dev/kvm, which stays the caller's.

        Args:
            fd: The descriptor.

        Raises:
            KvmUnavailableError: It is not such a descriptor.
        """
        origin = f"KVM descriptor {open_descriptor(fd)}"
        return cls(fd, origin, facts(), owned=False)._checked()  # ours

    def _checked(self) -> Self:
        # The same if it is a descriptor of /dev/kvm; any other is refused, and closed if owned.
        try:
            version = api_version(self)
        except OSError as error:
            problem = not_the_device(error, self.origin, self.fileno())
            self.close()
            raise problem from None
        if version != uapi.KVM_API_VERSION:
            self.close()
            raise _other_version(version, self.origin)
        return self

    @property
    def scope(self) -> Scope:
        """``Scope.SYSTEM``."""
        return Scope.SYSTEM

    def recheck(self) -> None:
        """See :meth:`gmemflags.Backend.recheck`: one ioctl if the descriptor was passed in."""
        if self._owned:
            return
        try:
            version = api_version(self)
        except OSError as error:
            if error.errno in (ENOTTY, EINVAL):
                raise not_the_device(error, self.origin, self.fileno()) from None
            return  # whoever asks for a capability gets the same error
        if version != uapi.KVM_API_VERSION:
            raise _other_version(version, self.origin)

    def create_vm(self, vm_type: int = 0, ipa_bits: int | None = None) -> Vm:
        """Make an empty VM.

        Args:
            vm_type: A type that KVM_CAP_VM_TYPES lists; 0 is the default type. One that the host
                takes and does not list is unknown in the VM's facts, because some kernels
                (riscv) do not look at it.
            ipa_bits: On arm64, the bits of the guest's physical address space. If it is left out,
                they are KVM's default of 40, or as many as the host allows if that is fewer.

        Raises:
            KvmUnavailableError: The host makes no such VM.
            CapabilityQueryError: On arm64, the host does not say how large the space may be.
            ValueError: ``ipa_bits`` is not an int in [1, 256), or the machine is not arm64.

        Source: Documentation/virt/kvm/api.rst 4.2, v6.18; KVM_VM_TYPE_ARM_IPA_SIZE_MASK in
        include/uapi/linux/kvm.h, v7.3.
        """
        number = _plain(vm_type)
        what = f"VM of type {safe_repr(vm_type if number < 0 else number)} on {self.origin}"
        arm64 = architecture(self.host.machine or "") == "aarch64"
        if not 0 <= number < 1 << 32 or (arm64 and number & _ARM_IPA_SIZE_MASK):
            size = "bits 7:0 are the address size on arm64: give it as ipa_bits" if arm64 else ""
            problem = os.strerror(EINVAL)
            raise KvmUnavailableError(EINVAL, problem, what, Unavailable.NO_VM, size)
        size_bits = self._address_bits(ipa_bits, arm64=arm64)
        listed = self._listed_types() if number else 0
        host = evolve(self.host, vm_type=None if number and not listed >> number & 1 else number)
        vm = Vm(-1, what, host, owned=True)
        try:
            made = plain_call(self, uapi.KVM_CREATE_VM, number | size_bits)
            vm._fd = checked_descriptor(made, self.fileno())  # ours
        except OSError as error:
            raise cannot_create(error, what, number, listed, ipa_bits) from None
        return vm

    def _address_bits(self, wanted: int | None, *, arm64: bool) -> int:
        # Bits 7:0 of the argument; 0 stands for 40, which is EINVAL on hosts with fewer.
        if wanted is None:
            allowed = self.check_extension(uapi.KVM_CAP_ARM_VM_IPA_SIZE) if arm64 else 0
            return allowed if 0 < allowed < 40 else 0
        if not arm64:
            machine = quote(self.host.machine or "unknown")
            raise ValueError(f"ipa_bits is for arm64, and this machine is {machine}: leave it out")
        if type(wanted) is not int or not 0 < wanted <= _ARM_IPA_SIZE_MASK:
            raise ValueError(f"ipa_bits must be an int in [1, 256), not {safe_repr(wanted)}")
        return wanted

    def _listed_types(self) -> int:
        # The mask of types that the host lists; 0 if it does not say.
        try:
            return read_long(self.check_extension(uapi.KVM_CAP_VM_TYPES))[0]
        except (CapabilityQueryError, InvalidMaskError):
            return 0


class Vm(Descriptor, VmBackend):
    """One VM: its answers are the ones to use for it.

    A context manager, which closes only what it opened itself.

    This example is not run, because it needs ``/dev/kvm``:

    >>> vm = Vm.from_fd(vm_fd, vm_type=0)  # doctest: +SKIP
    """

    @classmethod
    def from_fd(cls, fd: int, vm_type: int | None = None) -> Self:
        """Use an open VM descriptor, which stays the caller's.

        Args:
            fd: The descriptor.
            vm_type: What KVM_CREATE_VM was given, if known: some rules speak of some types only,
                and no ioctl tells it. An address size of arm64 in it does not count.

        Raises:
            KvmUnavailableError: It is not a VM; /dev/kvm in particular.
            CapabilityQueryError: KVM does not answer, as in another process than the VM's creator.
            TypeError: ``vm_type`` is not an int in [0, 2**64).
        """
        origin = f"VM descriptor {open_descriptor(fd)}"
        vm = cls(fd, origin, facts(vm_type), owned=False)
        try:
            version = api_version(vm)
        except OSError as error:
            number = error.errno or 0
            if number in UNTOLD:
                raise CapabilityQueryError(
                    number, error.strerror or "", uapi.KVM_CAP_GUEST_MEMFD, origin
                ) from None
        else:
            raise _other_version(version, origin)
        try:
            vm.check_extension(uapi.KVM_CAP_GUEST_MEMFD)
        except CapabilityQueryError as error:
            if error.errno in UNTOLD:
                raise
            raise KvmUnavailableError(
                error.errno or 0, error.strerror or "", origin, Unavailable.NOT_KVM
            ) from None
        return vm

    @property
    def scope(self) -> Scope:
        """``Scope.VM``."""
        return Scope.VM

    def recheck(self) -> None:
        """See :meth:`gmemflags.Backend.recheck`: one ioctl if the descriptor was passed in."""
        if self._owned:
            return
        try:
            version = api_version(self)
        except OSError:
            return  # as a VM does; if it is none, whoever asks for a capability gets an error
        raise _other_version(version, self.origin)

    def create_guest_memfd(self, size: int, flags: Resolution | int) -> int:
        """Create a guest_memfd of ``size`` bytes and return its descriptor, close-on-exec.

        The file belongs to this VM alone and keeps it alive. As with ``os.memfd_create``, the
        caller closes it. The kernel makes it without close-on-exec, which is set before any other
        thread of Python can run. What remains is a window of about a microsecond for a thread that
        forks in foreign code (``os.system``, a C library); on a free-threaded build of Python it
        is open for all threads, so start no child there while another thread creates.

        Args:
            size: In bytes: a positive multiple of the page size below 2**63.
            flags: A Resolution, or any mask: the kernel is the judge.

        Raises:
            GuestMemfdCreateError: With the kernel's errno and what it means here.
            NegotiationError: The Resolution is a refusal.
            InvalidMaskError: ``flags`` is not a mask.

        Source: Documentation/virt/kvm/api.rst 4.142, v6.18.
        """
        # The size is checked before a struct is made of it.
        return create(self, size, flags, lambda mask: creator(self, size)(mask))  # noqa: PLW0108


def creator(vm: Vm, size: int) -> Callable[[int], int]:
    """A function that makes guest_memfd files of one size on one VM, all with one buffer.

    It takes a mask and returns a new descriptor, close-on-exec; raises OSError. It belongs to one
    thread. See :meth:`Vm.create_guest_memfd` for when a child can inherit the file.
    """
    # struct kvm_create_guest_memfd: u64 size, u64 flags, u64 reserved[6], which stay zero.
    struct = array("Q", [size, 0, 0, 0, 0, 0, 0, 0])
    address, _ = struct.buffer_info()

    def call(mask: int) -> int:
        struct[1] = mask
        return CREATE_FILE(vm.fileno(), uapi.KVM_CREATE_GUEST_MEMFD, address)

    return call


_ARM_IPA_SIZE_MASK = 0xFF


def _plain(vm_type: object) -> int:
    # The number of a VM type, which may be a caller's enum; -1 for what is none.
    good = isinstance(vm_type, int) and not isinstance(vm_type, bool)
    return int(cast("int", vm_type)) if good else -1


def _other_version(version: int, origin: str) -> KvmUnavailableError:
    # What answers KVM_GET_API_VERSION is no VM, and is /dev/kvm only if it says 12.
    problem = f"its API version is {version}, not {uapi.KVM_API_VERSION}"
    if version == uapi.KVM_API_VERSION:
        problem = "this is /dev/kvm itself, which makes VMs and no guest_memfd"
    return KvmUnavailableError(EINVAL, problem, origin, Unavailable.NOT_KVM)
