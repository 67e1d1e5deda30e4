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
from typing import NoReturn, Self
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
    errno_and_text,
    quote,
    safe_repr,
)
from gmemflags._host import Backend, HostFacts
from gmemflags._masks import read_long
from gmemflags._resolve import Resolution
from gmemflags._rules import architecture, vm_type_alone
from gmemflags.linux._advice import (
    KVM_DEVICE,
    UNTOLD,
    cannot_create,
    cannot_open,
    in_container,
    not_the_device,
)
from gmemflags.linux._ioctl import CREATE_FILE, IOCTL, NONE_BITS, checked_descriptor

_CHECK_EXTENSION = uapi.KVM_CHECK_EXTENSION | NONE_BITS
_ARM_IPA_SIZE_MASK = 0xFF


def open_descriptor(fd: object) -> int:
    """``fd`` if it can be a descriptor; raises KvmUnavailableError."""
    if type(fd) is int and 0 <= fd < 1 << 31:
        return fd
    what = f"{safe_repr(fd)} as a descriptor"
    problem = "an int in [0, 2**31) is needed"
    raise KvmUnavailableError(EBADF, problem, what, Unavailable.NOT_KVM)


def facts(vm_type: int | None = None) -> HostFacts:
    """What uname says of this host, and the VM type if it is known, without an address size."""
    system = os.uname()
    # A name that is not UTF-8 is shown by its bytes: half a surrogate pair fits into no record.
    kernel, machine, name = (
        os.fsencode(text).decode(errors="backslashreplace")
        for text in (system.release, system.machine, system.nodename)
    )
    host = HostFacts(kernel, machine, vm_type, name=name, time=int(time()))
    return host if vm_type is None else evolve(host, vm_type=vm_type_alone(vm_type, machine))


class Descriptor(Backend):
    """A KVM descriptor: a context manager, which closes only what it opened itself."""

    _scope: Scope
    _fd = -1
    _owned = False

    def __init__(self, fd: int, origin: str, host: HostFacts, *, owned: bool) -> None:
        self._fd, self._owned = fd, owned
        self._origin, self._host = origin, host
        self._ioctl = IOCTL

    @property
    def scope(self) -> Scope:
        """``Scope.SYSTEM`` for /dev/kvm, ``Scope.VM`` for a VM."""
        return self._scope

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
            raise CapabilityQueryError(*errno_and_text(error), number, self._origin) from None

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

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._owned and self._fd >= 0:
            text = f"{self!r} was not closed"
            self.close()  # first: the warning may be an error
            warn(text, ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {quote(self._origin)}, descriptor {self._fd}>"


def ioctl(descriptor: Descriptor, request: int, argument: int = 0) -> int:
    """One ioctl of a descriptor; raises OSError."""
    call = descriptor._ioctl  # pyright: ignore[reportPrivateUsage]  # not for users
    return call(descriptor.fileno(), request, argument)


def api_version(descriptor: Descriptor) -> int | OSError:
    """What KVM_GET_API_VERSION answers: 12 on /dev/kvm, an error on a VM."""
    try:
        return ioctl(descriptor, uapi.KVM_GET_API_VERSION | NONE_BITS)
    except OSError as error:
        return error.with_traceback(None)  # whose frames would keep the error in a circle


def _other_version(version: int, origin: str) -> KvmUnavailableError:
    # What answers KVM_GET_API_VERSION is no VM, and is /dev/kvm only if it says 12.
    problem = f"its API version is {version}, not {uapi.KVM_API_VERSION}"
    if version == uapi.KVM_API_VERSION:
        problem = "this is /dev/kvm itself, which makes VMs and no guest_memfd"
    return KvmUnavailableError(EINVAL, problem, origin, Unavailable.NOT_KVM)


class Kvm(Descriptor):
    """/dev/kvm: what the host could offer at most; and it makes VMs.

    A context manager, which closes only what it opened itself.

    This example is not run, because it needs ``/dev/kvm``:

    >>> from gmemflags import query
    >>> with Kvm.open() as kvm, kvm.create_vm() as vm:  # doctest: +SKIP
    ...     host = query(vm)
    """

    _scope = Scope.SYSTEM

    @classmethod
    def open(cls, path: str | os.PathLike[str] = KVM_DEVICE) -> Self:
        """Open the KVM device.

        Raises:
            KvmUnavailableError: Its ``reason`` tells a missing device, a missing permission and a
                file that is not KVM apart; its ``remedy`` says what to do on this machine.
        """
        name = os.fsdecode(path)
        kvm = cls(-1, name, facts(), owned=True)
        try:
            kvm._fd = os.open(name, os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError as error:
            root, container, machine = os.geteuid() == 0, in_container(), kvm.host.machine
            raise cannot_open(
                error, name or "''", machine, root=root, container=container
            ) from None
        except ValueError as error:  # a NUL in the name
            problem = str(error)
            raise KvmUnavailableError(ENOENT, problem, repr(name), Unavailable.NO_DEVICE) from None
        return kvm._checked()

    @classmethod
    def from_fd(cls, fd: int) -> Self:
        """Use an open descriptor of /dev/kvm, which stays the caller's.

        Raises:
            KvmUnavailableError: It is not such a descriptor.
        """
        origin = f"KVM descriptor {open_descriptor(fd)}"
        return cls(fd, origin, facts(), owned=False)._checked()

    def _problem(self) -> KvmUnavailableError | None:
        # Why this is no descriptor of /dev/kvm, if it is none.
        version = api_version(self)
        if isinstance(version, OSError):
            return not_the_device(version, self._origin, self._fd)
        return None if version == uapi.KVM_API_VERSION else _other_version(version, self._origin)

    def _checked(self) -> Self:
        problem = self._problem()
        if problem:
            self.close()
            raise problem
        return self

    def recheck(self) -> None:
        """See :meth:`gmemflags.Backend.recheck`: one ioctl if the descriptor was passed in."""
        problem = None if self._owned else self._problem()
        # Whoever asks for a capability gets any other error, too.
        if problem and problem.errno in (ENOTTY, EINVAL):
            raise problem

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
        arm64 = architecture(self.host.machine) == "aarch64"
        if not 0 <= number < 1 << 32 or (arm64 and number & _ARM_IPA_SIZE_MASK):
            size = "bits 7:0 are the address size on arm64: give it as ipa_bits" if arm64 else ""
            problem = os.strerror(EINVAL)
            raise KvmUnavailableError(EINVAL, problem, what, Unavailable.NO_VM, size)
        size_bits = self._address_bits(ipa_bits, arm64=arm64)
        listed = self._listed_types() if number else 0
        host = evolve(self.host, vm_type=None if number and not listed >> number & 1 else number)
        vm = Vm(-1, what, host, owned=True)
        try:
            made = ioctl(self, uapi.KVM_CREATE_VM | NONE_BITS, number | size_bits)
            vm._fd = checked_descriptor(made, self.fileno())
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
    """

    _scope = Scope.VM

    @classmethod
    def from_fd(cls, fd: int, vm_type: int | None = None) -> Self:
        """Use an open VM descriptor, which stays the caller's.

        ``vm_type`` is what KVM_CREATE_VM was given, if known: some rules speak of some types only,
        and no ioctl tells it. An address size of arm64 in it does not count.

        Raises:
            KvmUnavailableError: It is not a VM; /dev/kvm in particular.
            CapabilityQueryError: KVM does not answer, as in another process than the VM's creator.
            TypeError: ``vm_type`` is not an int in [0, 2**64).
        """
        origin = f"VM descriptor {open_descriptor(fd)}"
        vm = cls(fd, origin, facts(vm_type), owned=False)
        version = api_version(vm)
        if isinstance(version, int):
            raise _other_version(version, origin)
        if version.errno in UNTOLD:
            raise CapabilityQueryError(*errno_and_text(version), uapi.KVM_CAP_GUEST_MEMFD, origin)
        try:
            vm.check_extension(uapi.KVM_CAP_GUEST_MEMFD)
        except CapabilityQueryError as error:
            if error.errno in UNTOLD:
                raise
            raise KvmUnavailableError(*errno_and_text(error), origin, Unavailable.NOT_KVM) from None
        return vm

    def recheck(self) -> None:
        """See :meth:`gmemflags.Backend.recheck`: one ioctl if the descriptor was passed in."""
        version = None if self._owned else api_version(self)
        # An error is what a VM answers; if this is none, it meets whoever asks for a capability.
        if isinstance(version, int):
            raise _other_version(version, self._origin)

    def create_guest_memfd(self, size: int, flags: Resolution | int) -> int:
        """Create a guest_memfd file, see :meth:`gmemflags.VmBackend.create_guest_memfd`.

        The file belongs to this VM alone and keeps it alive. As with ``os.memfd_create``, the
        caller closes it. The kernel makes it without close-on-exec, which is set before any other
        thread of Python can run. What remains is a window of about a microsecond for a thread that
        forks in foreign code (``os.system``, a C library); on a free-threaded build of Python it
        is open for all threads, so start no child there while another thread creates.

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


def _plain(vm_type: object) -> int:
    # The number of a VM type, which may be a caller's enum; -1 for what is none.
    return -1 if isinstance(vm_type, bool) or not isinstance(vm_type, int) else int(vm_type)
