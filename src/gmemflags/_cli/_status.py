"""How a run can end: the exit statuses, and an error for people in two lines.

This module must never print; who catches a failure does.
"""

from __future__ import annotations

from enum import IntEnum

from gmemflags._exceptions import CapabilityQueryError, CatalogError, FlagSyntaxError, InconsistentAnswerError, KvmUnavailableError, RecordError, Unavailable


class Status(IntEnum):
    """What the exit status of the process says."""

    YES = 0
    NO = 1
    """A no that is well founded."""
    USAGE = 2
    """The command or its input is wrong."""
    NO_ANSWER = 3
    """No device, no permission, an incomplete probe, only an upper bound, or no output."""
    INTERRUPTED = 130
    """As a shell has it: 128 and SIGINT."""
    BROKEN_PIPE = 141
    """As a shell has it: 128 and SIGPIPE."""


class CommandError(Exception):
    """A command ends: ``what`` happened, what to do about it, and the exit status."""

    def __init__(self, what: str, remedy: str, status: Status = Status.USAGE) -> None:
        super().__init__(what, remedy, status)
        self.what = what
        self.remedy = remedy
        self.status = status

    def __str__(self) -> str:
        return self.what


# Errors of the library that somebody at a keyboard can cause, with what to do about them.
_REMEDIES: dict[type[Exception], tuple[str, Status]] = {
    FlagSyntaxError: (
        "name flags that `gmemflags catalogs NAME` lists, or give a mask such as 0x3",
        Status.USAGE,
    ),
    CatalogError: ("choose another catalog, or another number for --flags-hi", Status.USAGE),
    RecordError: (
        "give records that `gmemflags show --json` or `gmemflags baseline --json` wrote",
        Status.USAGE,
    ),
    CapabilityQueryError: (
        "see the errno; a sandbox (seccomp, a security module) may refuse KVM's ioctls",
        Status.NO_ANSWER,
    ),
    InconsistentAnswerError: (
        "no kernel gives such an answer: check what runs between this process and KVM",
        Status.NO_ANSWER,
    ),
}
TELLABLE: tuple[type[Exception], ...] = (KvmUnavailableError, *_REMEDIES)
_NO_DEVICE_NEEDED = (Unavailable.NO_DEVICE, Unavailable.NO_PERMISSION, Unavailable.NOT_KVM)


def as_command_error(error: Exception) -> CommandError:
    """The end that one of the errors in ``TELLABLE`` is."""
    if isinstance(error, KvmUnavailableError):
        more = "; --host NAME needs no device" if error.reason in _NO_DEVICE_NEEDED else ""
        return CommandError(str(error), remedy(error) + more, Status.NO_ANSWER)
    return CommandError(str(error), *_REMEDIES[type(error)])


def remedy(error: KvmUnavailableError) -> str:
    """What to do about it at a keyboard, where nobody gives descriptors."""
    if error.reason is Unavailable.NOT_KVM:
        return "give the path of the KVM device, as a rule /dev/kvm"
    return error.remedy
