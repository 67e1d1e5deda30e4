"""The parts of an answer: roles, reasons, findings, problems, outcomes and suggestions."""

from __future__ import annotations

from enum import StrEnum

from attrs import field, frozen

from gmemflags._catalog import Need, Request
from gmemflags._rules import Rule
from gmemflags._values import Value


class Role(StrEnum):
    """What a request asks of a bit or group."""

    REQUIRED = "required"
    """The bit must be in the mask."""
    FORBIDDEN = "forbidden"
    """The bit must not be in the mask."""
    PREFERRED = "preferred"
    """A bit that is in some preferred group, and neither required nor forbidden."""
    GROUP = "group"
    """A whole preferred group."""
    PREREQUISITE = "prerequisite"
    """A bit that the request does not name; it was added because others need it."""


class Reason(StrEnum):
    """Why a bit or group is in the mask, or is not, or why a request is refused."""

    GRANTED = "granted"
    """Asked for, and in the mask."""
    ADDED = "added"
    """Added, because a flag of the mask requires it."""
    UNNAMED = "unnamed"
    """The catalog has no name for the bit, so nobody knows what it does."""
    MISNAMED = "misnamed"
    """The caller's flag class calls the bit something else than the catalog."""
    FORBIDDEN = "forbidden"
    """The request forbids the bit."""
    REQUIRED_AND_FORBIDDEN = "required-and-forbidden"
    """The request contradicts itself."""
    UNSUPPORTED = "unsupported"
    """The host could have listed the bit, and lists other flags only."""
    NO_FLAGS = "no-flags"
    """The host has guest_memfd and lists no flag at all, like Linux 6.8 to 6.17."""
    UNKNOWABLE = "unknowable"
    """The host could not speak of the bit: it lies outside what was asked."""
    NO_GUEST_MEMFD = "no-guest-memfd"
    """The kernel has no guest_memfd."""
    NOT_FOR_THIS_VM = "not-for-this-vm"
    """This VM has no guest_memfd, which the kernel may have for VMs of another type."""
    GUEST_MEMFD_NOT_ASKED = "guest-memfd-not-asked"
    """The host was not asked whether it has guest_memfd."""
    NEED_ABSENT = "need-absent"
    """Another capability is not there, or lacks a bit."""
    NEED_NOT_ASKED = "need-not-asked"
    """Another capability was not asked for."""
    MISSING_PREREQUISITE = "missing-prerequisite"
    """A rule requires a bit that the host has and the request does not name."""
    PREREQUISITE_FORBIDDEN = "prerequisite-forbidden"
    """A rule requires a bit that the host has and the request forbids."""
    PREREQUISITE_UNSUPPORTED = "prerequisite-unsupported"
    """A rule requires a bit that the host does not list."""
    RULE_CONFLICT = "rule-conflict"
    """The rules let no mask have all of these bits on a host of this kind."""
    NO_VALID_MASK = "no-valid-mask"
    """The rules alone let no mask be valid."""
    OUTRANKED = "outranked"
    """A group of higher priority was granted that does not go together with this one."""
    GROUP_NOT_GRANTED = "group-not-granted"
    """Nothing is wrong with this bit, but a group is granted as a whole or not at all."""
    ONLY_UPPER_BOUND = "only-upper-bound"
    """/dev/kvm would allow it, but only a VM's own descriptor can answer for that VM."""
    CATALOG_CHANGED = "catalog-changed"
    """The request is bound to another catalog than the one that the host was read under."""
    UNSETTLED = "unsettled"
    """Not granted; the budget of steps ended before it was known why."""
    REQUEST_REFUSED = "request-refused"
    """Nothing is wrong with this bit or group; the request as a whole was refused."""


@frozen(kw_only=True, repr=False, eq=False)
class Problem(Value):
    """One reason for a refusal.

    Args:
        reason: What kind of reason.
        bits: The bits that it is about; 0 if it is about none.
        rules: A minimal set of rules that cannot hold together here.
        need: The capability that is missing.
        message: The sentence.
    """

    reason: Reason
    bits: int = field(default=0, repr=hex)
    rules: tuple[Rule, ...] = ()
    need: Need | None = None
    message: str

    def __str__(self) -> str:
        return self.message


@frozen(kw_only=True, repr=False, eq=False)
class Outcome(Value):
    """What became of one bit or one group of a request.

    Args:
        bits: The bit, or the group.
        role: What the request asks of it.
        granted: Whether all of ``bits`` is in the mask.
        reason: Why, or why not.
        chain: The rules behind the reason; for a prerequisite from the bit itself back to one that
            was asked for.
        message: The sentence.
    """

    bits: int = field(repr=hex)
    role: Role
    granted: bool
    reason: Reason
    chain: tuple[Rule, ...] = ()
    message: str

    def __str__(self) -> str:
        return self.message


@frozen(kw_only=True, repr=False, eq=False)
class Suggestion(Value):
    """A change of the request that was tried and works.

    Args:
        change: What to change, and what it yields on this host, in a sentence.
        request: The changed request.
        mask: What it yields.
        caveats: What the result is not good for, a sentence each.
    """

    change: str
    request: Request
    mask: int = field(repr=hex)
    caveats: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "; ".join((self.change, *self.caveats))
