"""The parts of an answer: roles, reasons, problems, outcomes and suggestions. Values only."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from gmemflags.catalog._request import Need, Request
    from gmemflags.catalog._rules import Rule


class Role(StrEnum):
    """What a request wants of a bit or group."""

    __module__ = "gmemflags"

    REQUIRED = "required"
    FORBIDDEN = "forbidden"
    PREFERRED = "preferred"
    """A bit that is in some preferred group, and neither required nor forbidden."""
    GROUP = "group"
    """A whole preferred group."""
    PREREQUISITE = "prerequisite"
    """A bit that nobody named; it was added because others need it."""


class Reason(StrEnum):
    """Why a bit or group is in the mask, or is not, or why a request is refused."""

    __module__ = "gmemflags"

    GRANTED = "granted"
    ADDED = "added"
    """Added, because a flag of the mask requires it."""
    UNNAMED = "unnamed"
    """The catalog has no name for the bit, so nobody knows what it does."""
    FOREIGN_FLAG = "foreign-flag"
    """The caller's flag class calls the bit something else than the catalog."""
    FORBIDDEN = "forbidden"
    REQUIRED_AND_FORBIDDEN = "required-and-forbidden"
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
    """Nobody asked the host whether it has guest_memfd."""
    NEED_ABSENT = "need-absent"
    NEED_NOT_ASKED = "need-not-asked"
    MISSING_PREREQUISITE = "missing-prerequisite"
    """A rule requires a bit that the host has and nobody asked for."""
    PREREQUISITE_FORBIDDEN = "prerequisite-forbidden"
    """A rule requires a bit that the host has and the request forbids."""
    PREREQUISITE_UNSUPPORTED = "prerequisite-unsupported"
    """A rule requires a bit that the host does not list."""
    RULE_CONFLICT = "rule-conflict"
    """The rules let no mask have all of these bits on a host of this kind."""
    NO_VALID_MASK = "no-valid-mask"
    """The rules let no mask be valid at all."""
    OUTRANKED = "outranked"
    """A group of higher priority was granted that does not go together with this one."""
    GROUP_NOT_GRANTED = "group-not-granted"
    """Nothing is wrong with this bit, but a group is granted as a whole or not at all."""
    ONLY_UPPER_BOUND = "only-upper-bound"
    """/dev/kvm would allow it, but only a VM's own descriptor can answer for that VM."""
    CATALOG_CHANGED = "catalog-changed"
    """The request is bound to another catalog than the one that the host was read under."""
    REQUEST_REFUSED = "request-refused"
    """Nothing is wrong with this bit or group; the request as a whole was refused."""


@frozen(kw_only=True)
class Problem:
    """One reason for a refusal.

    ``bits`` that it is about, 0 if it is about none; ``rules``: a minimal set that cannot hold
    together here; ``need``: the capability that is missing; ``message``: the sentence.
    """

    __module__ = "gmemflags"

    reason: Reason
    bits: int = field(default=0, repr=hex)
    rules: tuple[Rule, ...] = ()
    need: Need | None = None
    message: str

    def __str__(self) -> str:
        return self.message


@frozen(kw_only=True)
class Outcome:
    """What became of one bit or one group of a request.

    ``granted``: whether all of ``bits`` is in the mask. ``chain``: the rules behind the reason,
    for a prerequisite from the bit itself back to one that was asked for.
    """

    __module__ = "gmemflags"

    bits: int = field(repr=hex)
    role: Role
    granted: bool
    reason: Reason
    chain: tuple[Rule, ...] = ()


@frozen(kw_only=True)
class Suggestion:
    """A change of the request that was tried and works: ``change`` says which.

    ``request`` is the changed request, ``mask`` what it yields on this host.
    """

    __module__ = "gmemflags"

    change: str
    request: Request
    mask: int = field(repr=hex)
