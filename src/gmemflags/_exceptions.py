"""The errors of this library: what went wrong, as data that pickles.

An error keeps its data in attributes and in ``args``; the sentence is made in ``__str__``. Every
class inherits the builtin that a caller would catch anyway. An error that carries a Support or a
Resolution is defined beside that class.

>>> from gmemflags import InvalidMaskError, u64
>>> try:
...     u64(-1)
... except InvalidMaskError as error:
...     print(error)
-1 is not a mask: an int in [0, 2**64) is needed
"""

from __future__ import annotations

import errno
from enum import StrEnum


def safe_repr(value: object) -> str:
    """A value as text for an error message, however large or odd it is."""
    if type(value) is int:
        return f"{value}" if value.bit_length() <= 128 else f"an int of {value.bit_length()} bits"
    if value is None or isinstance(value, (bool, float, str, bytes)):
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:57]}..."
    return f"an object of type {type(value).__name__}"


def quote(text: str) -> str:
    """Text from outside for a sentence: one line of printable characters, at most 200 of them.

    Control, format, bidirectional and line-separating characters are escaped, so that no text can
    forge a line or reorder one.
    """
    cut = text if len(text) <= 200 else f"{text[:200]}..."
    if cut.isprintable():
        return cut
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut
    )


class GmemFlagsError(Exception):
    """The base class of every error of this library; never raised itself."""


class InvalidMaskError(GmemFlagsError, ValueError):
    """A value is not a mask, word, bit or group of bits.

    Args:
        value: The value as text.
        needed: What is needed instead; empty if ``value`` is the whole sentence.
    """

    def __init__(self, value: str, needed: str = "") -> None:
        super().__init__(value, needed)
        self.value = value
        self.needed = needed

    def __str__(self) -> str:
        # Since Python 3.12 EnumType makes an error in a class body anew, from its text alone.
        return f"{self.value} is not {self.needed}" if self.needed else self.value


class FlagSyntaxError(GmemFlagsError, ValueError):
    """A text does not name flags: the problem is at ``position``, an index of the whole text.

    ``nearest`` is the closest known name, or None.
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
    """A catalog, which it names, contradicts itself or cannot read the answers given to it."""

    def __init__(self, catalog: str, problem: str) -> None:
        super().__init__(catalog, problem)
        self.catalog = catalog
        self.problem = problem

    def __str__(self) -> str:
        return f"catalog {quote(self.catalog)}: {self.problem}"


class RecordError(GmemFlagsError, ValueError):
    """A document is not a record: the path inside it, and the problem there."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"at {self.path}: {self.problem}"


class PoolError(GmemFlagsError, ValueError):
    """Hosts that cannot be one pool, or none at all: then the origin of the odd one is empty."""

    def __init__(self, origin: str, problem: str) -> None:
        super().__init__(origin, problem)
        self.origin = origin
        self.problem = problem

    def __str__(self) -> str:
        return f"{quote(self.origin)} {self.problem}" if self.origin else self.problem


class NegotiationTooHardError(GmemFlagsError):
    """The rules of a catalog are too hard to solve for this request; neither a yes nor a no.

    ``catalog`` is its name, and ``steps`` the budget of steps that was used up.
    """

    def __init__(self, catalog: str, steps: int) -> None:
        super().__init__(catalog, steps)
        self.catalog = catalog
        self.steps = steps

    def __str__(self) -> str:
        return (
            f"catalog {quote(self.catalog)}: no answer within {self.steps} steps:"
            " its rules are too hard for this request; ask for fewer flags, or simplify the rules"
        )


class InconsistentAnswerError(GmemFlagsError):
    """A host gave an answer that no kernel gives, or that contradicts itself.

    ``raw`` is the C long that ``origin`` answered, and ``problem`` says why it cannot be read.
    """

    def __init__(self, capability: str, raw: object, problem: str, origin: str) -> None:
        super().__init__(capability, raw, problem, origin)
        self.capability = capability
        self.raw = raw
        self.problem = problem
        self.origin = origin

    def __str__(self) -> str:
        return (
            f"{quote(self.origin)} answered {safe_repr(self.raw)} to"
            f" KVM_CAP_{quote(self.capability)}: {self.problem}"
        )


class Unavailable(StrEnum):
    """Why no KVM descriptor could be had, see :class:`KvmUnavailableError`."""

    NO_DEVICE = "no-device"
    """There is no such device."""
    NO_PERMISSION = "no-permission"
    """The device is there, and this process may not open or use it."""
    NOT_KVM = "not-kvm"
    """The file or descriptor is not the KVM device, or not a VM."""
    NO_VM = "no-vm"
    """The host makes no VM of this type."""
    FAILED = "failed"
    """Something else, see the errno."""


REMEDIES = {
    Unavailable.NO_DEVICE: "load the KVM module (kvm_intel, kvm_amd), or enable virtualization",
    Unavailable.NO_PERMISSION: "join the group that owns the device (often kvm), or change its ACL",
    Unavailable.NOT_KVM: "give the path of the KVM device, or an open descriptor of that kind",
    Unavailable.NO_VM: "ask for a VM type that KVM_CAP_VM_TYPES lists; type 0 is the default",
    Unavailable.FAILED: "the cause lies outside KVM: see the errno",
}
"""What is generally done for a reason."""

DENIED = frozenset((errno.EACCES, errno.EPERM, errno.ENOSYS))
"""What a security module or a seccomp filter makes of a call."""
ERRNO_MEANINGS = {
    **dict.fromkeys(
        DENIED,
        "a seccomp filter or a security module (SELinux, say) denies the call: allow it;"
        " the audit log may name it",
    ),
    errno.EBADF: "the descriptor is closed, or was never one",
    errno.EIO: "another process than the VM's creator asks (after a fork, say), or the VM is dead:"
    " use it in the process that made it",
    errno.EMFILE: "this process has no descriptor left: raise RLIMIT_NOFILE, or close some",
    errno.ENFILE: "the system has no file left: see /proc/sys/fs/file-max",
    errno.ENOMEM: "the kernel has no memory for it: free some, or see the limits of the"
    " control group",
    errno.ENOTTY: "the descriptor is not a KVM device or VM",
}
"""What an errno of a KVM ioctl means, unless a call says more."""


def errno_and_text(error: OSError) -> tuple[int, str]:
    """Errno and text of an error; 0 if it has no number."""
    return error.errno or 0, error.strerror or ""


def sentence(error: OSError, what: str, meaning: str, note: str = "") -> str:
    """What failed, the kernel's text, the number, and what it means here."""
    number = f"errno {error.errno}" if error.errno else "no errno"
    said = f"{what}: {quote(error.strerror or '')} ({number}{note})"
    return f"{said}; {meaning}" if meaning else said


class KvmUnavailableError(GmemFlagsError, OSError):
    """No KVM device or VM could be had.

    Args:
        errno: The kernel's error number; 0 if there is none.
        strerror: Its text; without a number it says what happened.
        what: The device, descriptor or VM.
        reason: Why, as an enum.
        remedy: What to do about it, in one line; "" for what is generally done for that reason.
        name: The name of the host, if it is known.
        time: When it was tried, in seconds since 1970 (UTC), if it is known.
    """

    def __init__(
        self,
        errno: int,
        strerror: str,
        what: str = "",
        reason: Unavailable = Unavailable.FAILED,
        remedy: str = "",
        *,
        name: str | None = None,
        time: int | None = None,
    ) -> None:
        super().__init__(errno, strerror)
        self.what = what
        self.reason = reason
        self.name = name
        self.time = time
        self.remedy: str = remedy or REMEDIES[reason]
        self.add_note(f"hint: {quote(self.remedy)}")  # shown by a traceback

    def __str__(self) -> str:
        meaning = ERRNO_MEANINGS[errno.EBADF] if self.errno == errno.EBADF else ""
        return sentence(self, quote(self.what), meaning, f", {self.reason}")


class CapabilityQueryError(GmemFlagsError, OSError):
    """KVM_CHECK_EXTENSION failed for the capability ``number``, so nothing is known.

    ``errno`` is 0 if the kernel gave none, and ``strerror`` then says what happened.
    """

    def __init__(self, errno: int, strerror: str, number: int = 0, origin: str = "") -> None:
        super().__init__(errno, strerror)
        self.number = number
        self.origin = origin

    def __str__(self) -> str:
        what = f"{quote(self.origin)} did not answer KVM_CHECK_EXTENSION({self.number})"
        return sentence(self, what, ERRNO_MEANINGS.get(self.errno or 0, ""))
