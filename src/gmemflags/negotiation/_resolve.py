"""The decision: which mask, if any, a host and a request have in common.

Pure, total and deterministic. ``decide`` is the whole truth of a negotiation; sentences are made
elsewhere, and a request that cannot be met is never met in part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmemflags.catalog._request import Prerequisites
from gmemflags.catalog._solve import solve
from gmemflags.catalog._uapi import Scope
from gmemflags.masks._words import bits, union

if TYPE_CHECKING:
    from gmemflags.catalog._request import Request
    from gmemflags.catalog._rules import Rule, Stage
    from gmemflags.catalog._solve import Clause
    from gmemflags.host import Support


def applies(support: Support, rule: Rule) -> bool | None:
    """Whether a rule speaks of this host; None where an unknown machine or VM type leaves it open.

    /dev/kvm answers for the best imaginable VM, so a rule about some VM types does not bind it.
    """
    host = support.host
    if support.scope is Scope.SYSTEM and host.vm_type is None and rule.hosts.vm_types:
        return False
    return rule.hosts.include(host.machine, host.vm_type)


def applicable(support: Support, until: Stage) -> list[Rule]:
    """The rules up to ``until`` that hold on this host, or may: an open condition counts."""
    return [
        rule
        for rule in support.catalog.rules
        if rule.stage <= until and applies(support, rule) is not False
    ]


def foreign(support: Support, request: Request) -> int:
    """The bits that the caller's flag classes and the catalog call by different names."""
    name_of = support.catalog.name_of
    return union(bit for bit, name in request.claims if name_of(bit) not in (None, name))


def usable(support: Support, request: Request) -> int:
    """The bits that a mask may have: listed, named as the caller thinks, and not forbidden."""
    return support.mask & support.catalog.named & ~request.forbidden & ~foreign(support, request)


def named_by(request: Request) -> int:
    """The bits that are required or in some preferred group."""
    return request.required | union(request.preferred)


def whole_groups(request: Request, may: int) -> list[Clause]:
    """Prerequisites.REFUSE as clauses: beyond the required bits, only whole groups."""
    return [
        (bit, tuple([group for group in request.preferred if group & bit]))
        for bit in bits(may & ~request.required)
    ]


def solve_for(support: Support, request: Request) -> int | None:
    """The best valid mask, needs and scope aside; None if there is none."""
    may = usable(support, request)
    if request.required & ~may:
        return None
    clauses: list[Clause] = []
    if request.prerequisites is Prerequisites.REFUSE:
        may &= named_by(request)
        clauses = whole_groups(request, may)
    for rule in applicable(support, request.until):
        clauses += rule.clauses(may)
    return solve(request.required, may, clauses, request.preferred)


def decide(support: Support, request: Request) -> int | None:
    """The mask that answers ``request``, or None for a refusal."""
    return solve_for(support, request) if _may_be_granted(support, request) else None


def valid(support: Support, request: Request, mask: int) -> bool:
    """Whether ``mask`` is a valid answer, in linear time; the best one may be another."""
    clauses: list[Clause] = []
    if request.prerequisites is Prerequisites.REFUSE:
        clauses = whole_groups(request, mask)
    return (
        _may_be_granted(support, request)
        and not request.required & ~mask
        and not mask & ~usable(support, request)
        and all(any(not way & ~mask for way in ways) for _, ways in clauses)
        and all(rule.holds(mask) for rule in applicable(support, request.until))
    )


def _may_be_granted(support: Support, request: Request) -> bool:
    # All that a yes rests on besides the mask itself.
    return (
        support.guest_memfd is True
        and not changed(support, request)
        and not (support.scope is Scope.SYSTEM and request.scope is Scope.VM)
        and not foreign(support, request) & (request.required | request.forbidden)
        and all(
            (answer := support.answer(need.capability)) is not None and need.met_by(answer)
            for need in request.needs
        )
    )


def changed(support: Support, request: Request) -> bool:
    """Whether the request is bound to another catalog than the host was read under."""
    return request.digest is not None and request.digest != support.catalog.digest
