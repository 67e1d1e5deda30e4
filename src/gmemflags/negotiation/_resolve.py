"""The decision: which mask, if any, a host and a request have in common.

Pure, total and deterministic. ``decide`` is the whole truth of a negotiation; sentences are made
elsewhere, and a request that cannot be met is never met in part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmemflags.catalog._request import Prerequisites
from gmemflags.catalog._solve import solve
from gmemflags.catalog._uapi import Scope
from gmemflags.masks._words import bits

if TYPE_CHECKING:
    from gmemflags.catalog._request import Request
    from gmemflags.catalog._rules import Clause, Rule, Stage
    from gmemflags.host import Support


def applicable(support: Support, until: Stage) -> list[Rule]:
    """The rules up to ``until`` that hold on this host, or may: an open condition counts."""
    machine, vm_type = support.host.machine, support.host.vm_type
    return [
        rule
        for rule in support.catalog.rules
        if rule.stage <= until and rule.hosts.include(machine, vm_type) is not False
    ]


def foreign(support: Support, request: Request) -> int:
    """The bits that the caller's flag classes and the catalog call by different names."""
    mask = 0
    for bit, name in request.claims:
        if support.catalog.name_of(bit) not in (None, name):
            mask |= bit
    return mask


def usable(support: Support, request: Request) -> int:
    """The bits that a mask may have: listed, named as the caller thinks, and not forbidden."""
    return support.mask & support.catalog.named & ~request.forbidden & ~foreign(support, request)


def named_by(request: Request) -> int:
    """The bits that are required or in some preferred group."""
    mask = request.required
    for group in request.preferred:
        mask |= group
    return mask


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
    if not support.guest_memfd or (request.digest is not None and changed(support, request)):
        return None
    if support.scope is Scope.SYSTEM and request.scope is Scope.VM:
        return None
    for need in request.needs:
        answer = support.answer(need.capability)
        if answer is None or not need.met_by(answer):
            return None
    if request.claims and foreign(support, request) & (request.required | request.forbidden):
        return None
    return solve_for(support, request)


def changed(support: Support, request: Request) -> bool:
    """Whether the request is bound to another catalog than the host was read under."""
    return request.digest is not None and request.digest != support.catalog.digest
