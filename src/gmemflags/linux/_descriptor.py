"""A KVM descriptor: what Kvm and Vm share. It asks KVM, and must never read an answer itself.

A descriptor that is passed in stays the caller's and is never closed.
"""

from __future__ import annotations

import os
from errno import EBADF
from typing import TYPE_CHECKING
from warnings import warn

from gmemflags.catalog import _uapi
from gmemflags.exceptions import CapabilityQueryError, KvmUnavailableError, Unavailable
from gmemflags.host import Backend, HostFacts
from gmemflags.linux._ioctl import multiarch, none_bits, system_ioctl
from gmemflags.masks._words import shown

if TYPE_CHECKING:
    from types import TracebackType
    from typing import NoReturn, Self

    from gmemflags.linux._ioctl import Ioctl


def open_descriptor(fd: object) -> int:
    """``fd`` if it can be a descriptor; raises KvmUnavailableError."""
    if type(fd) is int and 0 <= fd < 1 << 31:
        return fd
    raise KvmUnavailableError(
        EBADF, "an int in [0, 2**31) is needed", f"{shown(fd)} as a descriptor", Unavailable.NOT_KVM
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
        self._check_extension = _uapi.KVM_CHECK_EXTENSION | none_bits(multiarch())

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

        Raises :exc:`~gmemflags.exceptions.CapabilityQueryError` if the call fails, and ValueError
        for anything but an int in [0, 2**31).
        """
        if type(number) is not int or not 0 <= number < 1 << 31:
            raise ValueError(f"{shown(number)} is no number of a capability")
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
    return plain_call(descriptor, _uapi.KVM_GET_API_VERSION)
