"""The errors of this library: what went wrong, as data that pickles.

An error keeps its data in attributes and in ``args``; the sentence is made in ``__str__``, when
somebody reads it. Every class inherits the builtin that a caller would catch anyway. This room
never decides anything and never imports another one.

>>> from gmemflags import InvalidMaskError, u64
>>> try:
...     u64(-1)
... except InvalidMaskError as error:
...     print(error)
-1 is not a mask: an int in [0, 2**64) is needed
"""

from __future__ import annotations

from enum import StrEnum
from errno import EBADF, EIO, ENOTTY
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gmemflags.host import Support
    from gmemflags.negotiation import Resolution

__all__ = [
    "CapabilityQueryError",
    "CatalogError",
    "FlagSyntaxError",
    "GmemFlagsError",
    "GuestMemfdCreateError",
    "InconsistentAnswerError",
    "InvalidMaskError",
    "KvmUnavailableError",
    "NegotiationError",
    "PoolError",
    "RecordError",
    "Unavailable",
]


class GmemFlagsError(Exception):
    """The root of every error of this library; never raised itself."""


class InvalidMaskError(GmemFlagsError, ValueError):
    """A value is no mask, word, bit or group of bits.

    ``shown`` is the value as text, ``must`` what was needed instead.
    """

    def __init__(self, shown: str, must: str = "") -> None:
        super().__init__(shown, must)
        self.shown = shown
        self.must = must

    def __str__(self) -> str:
        # Since Python 3.12 EnumType makes an error in a class body anew, from its text alone.
        return f"{self.shown} is not {self.must}" if self.must else self.shown


class FlagSyntaxError(GmemFlagsError, ValueError):
    """A text does not name flags.

    ``text`` is the whole text, ``position`` the index of the fault in it, ``problem`` what is
    wrong there, ``nearest`` the closest known name or None.
    """

    def __init__(self, text: str, position: int, problem: str, nearest: str | None = None) -> None:
        super().__init__(text, position, problem, nearest)
        self.text = text
        self.position = position
        self.problem = problem
        self.nearest = nearest

    def __str__(self) -> str:
        window = self.text[max(0, self.position - 40) : self.position + 40]
        where = f"of {window!r}" if window == self.text else f"near {window!r}"
        hint = f"; did you mean {self.nearest}?" if self.nearest else ""
        return f"{self.problem} at position {self.position} {where}{hint}"


class CatalogError(GmemFlagsError, ValueError):
    """A catalog contradicts itself, or cannot read the answers that it is given.

    ``catalog`` is its name, ``problem`` the sentence.
    """

    def __init__(self, catalog: str, problem: str) -> None:
        super().__init__(catalog, problem)
        self.catalog = catalog
        self.problem = problem

    def __str__(self) -> str:
        return f"catalog {self.catalog}: {self.problem}"


class RecordError(GmemFlagsError, ValueError):
    """A document is no record.

    ``path`` leads to the fault inside the document, ``problem`` says what it is.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"at {self.path}: {self.problem}"


class PoolError(GmemFlagsError, ValueError):
    """Hosts that cannot be one pool, or none at all.

    ``origin`` is the odd one, empty if there is no host; ``problem`` says what is odd about it.
    """

    def __init__(self, origin: str, problem: str) -> None:
        super().__init__(origin, problem)
        self.origin = origin
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.origin} {self.problem}" if self.origin else self.problem


class NegotiationError(GmemFlagsError):
    """A request was refused; ``resolution`` is the whole answer, with every reason."""

    def __init__(self, resolution: Resolution) -> None:
        super().__init__(resolution)
        self.resolution = resolution

    def __str__(self) -> str:
        return str(self.resolution)


class InconsistentAnswerError(GmemFlagsError):
    """A host gave an answer that no kernel gives, or that contradicts itself.

    ``capability`` is the name of the capability, ``raw`` the answer (a C long), ``problem`` why
    it cannot be read as flags, ``origin`` who answered.
    """

    def __init__(self, capability: str, raw: object, problem: str, origin: str) -> None:
        super().__init__(capability, raw, problem, origin)
        self.capability = capability
        self.raw = raw
        self.problem = problem
        self.origin = origin

    def __str__(self) -> str:
        return f"{self.origin} answered {self.raw!r} to KVM_CAP_{self.capability}: {self.problem}"


class Unavailable(StrEnum):
    """Why no KVM descriptor could be had, see :class:`KvmUnavailableError`."""

    NO_DEVICE = "no-device"
    NO_PERMISSION = "no-permission"
    NOT_KVM = "not-kvm"
    NO_VM = "no-vm"
    FAILED = "failed"


_REMEDY = {
    Unavailable.NO_DEVICE: "load the KVM module (kvm_intel, kvm_amd), or enable virtualization",
    Unavailable.NO_PERMISSION: "join the group that owns the device (often kvm), or change its ACL",
    Unavailable.NOT_KVM: "give the path of the KVM device, or an open descriptor of that kind",
    Unavailable.NO_VM: "ask for a VM type that KVM_CAP_VM_TYPES lists; type 0 is the default",
    Unavailable.FAILED: "the cause lies outside KVM: see the errno",
}


_EIO = (
    "; EIO on a VM descriptor means that another process than the VM's creator asks"
    " (after a fork, say), or that the VM is dead"
)
_EBADF = "; the descriptor is closed, or was never one"
_ENOTTY = "; the descriptor is no KVM device or VM"


class KvmUnavailableError(GmemFlagsError, OSError):
    """No KVM device or VM could be had; ``reason`` says which way, ``what`` names the object.

    ``errno`` and ``strerror`` are the kernel's.
    """

    def __init__(
        self,
        errno: int,
        strerror: str,
        what: str = "",
        reason: Unavailable = Unavailable.FAILED,
    ) -> None:
        super().__init__(errno, strerror)
        self.what = what
        self.reason = reason

    @property
    def remedy(self) -> str:
        """What to do about it, in one line."""
        return _REMEDY[self.reason]

    def __str__(self) -> str:
        meaning = _EBADF if self.errno == EBADF else ""
        return f"{self.what}: {self.strerror} (errno {self.errno}, {self.reason}){meaning}"


class CapabilityQueryError(GmemFlagsError, OSError):
    """KVM_CHECK_EXTENSION failed, so nothing is known; ``errno`` says how.

    ``number`` is the capability's number, ``origin`` who was asked.
    """

    def __init__(self, errno: int, strerror: str, number: int = 0, origin: str = "") -> None:
        super().__init__(errno, strerror)
        self.number = number
        self.origin = origin

    def __str__(self) -> str:
        meaning = {EIO: _EIO, EBADF: _EBADF, ENOTTY: _ENOTTY}.get(self.errno or 0, "")
        return (
            f"{self.origin} did not answer KVM_CHECK_EXTENSION({self.number}):"
            f" {self.strerror} (errno {self.errno}){meaning}"
        )


class GuestMemfdCreateError(GmemFlagsError, OSError):
    """KVM_CREATE_GUEST_MEMFD failed, or was not tried; ``errno`` says how.

    ``size`` is in bytes, ``mask`` the flags, ``meaning`` what the errno means here. After EINVAL
    ``support`` is what the VM lists, and ``resolution`` the answer that was relied on, if any.
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
        return (
            f"guest_memfd of {self.size} bytes with flags {self.mask:#x}:"
            f" {self.strerror} (errno {self.errno}){meaning}"
        )
