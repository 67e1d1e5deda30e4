"""Outcomes: what became of every bit and group of a request, and by which rules.

Derived from the decision, never part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from gmemflags.catalog._request import Prerequisites
from gmemflags.catalog._rules import Requires
from gmemflags.masks._words import bits
from gmemflags.negotiation._conflict import conflict
from gmemflags.negotiation._explain import bit_reason
from gmemflags.negotiation._problem import Outcome, Reason, Role
from gmemflags.negotiation._resolve import applicable, named_by

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gmemflags.catalog._request import Request
    from gmemflags.catalog._rules import Rule
    from gmemflags.host import Support


def outcomes(support: Support, request: Request, mask: int | None) -> tuple[Outcome, ...]:
    """One for every bit that is named or was added, lowest first, then one for every group."""
    groups = [_group_outcome(support, request, mask, n) for n in range(len(request.preferred))]
    named = named_by(request) | request.forbidden | (mask or 0)
    return (*(_bit_outcome(support, request, mask, bit, groups) for bit in bits(named)), *groups)


def _bit_outcome(
    support: Support, request: Request, mask: int | None, bit: int, groups: Sequence[Outcome]
) -> Outcome:
    role = _role(request, bit)
    granted = bool(bit & (mask or 0))
    chain: tuple[Rule, ...] = ()
    if role is Role.PREREQUISITE:
        reason, chain = Reason.ADDED, _added_by(support, request, mask or 0, bit)
    elif granted:
        reason = Reason.GRANTED
    elif role is Role.PREFERRED and mask is not None:
        reason, chain = _ungranted_bit(support, request, bit, groups)
    else:
        reason = bit_reason(support, request, bit) or Reason.REQUEST_REFUSED
    return Outcome(bits=bit, role=role, granted=granted, reason=reason, chain=chain)


def _role(request: Request, bit: int) -> Role:
    if bit & request.required:
        return Role.REQUIRED
    if bit & request.forbidden:
        return Role.FORBIDDEN
    return Role.PREFERRED if bit & named_by(request) else Role.PREREQUISITE


def _ungranted_bit(
    support: Support, request: Request, bit: int, groups: Sequence[Outcome]
) -> tuple[Reason, tuple[Rule, ...]]:
    # A bit that is a group by itself fares like it; another may fail for its group alone.
    for group in groups:
        if group.bits == bit:
            return group.reason, group.chain
    reason = bit_reason(support, request, bit)
    if reason:
        return reason, ()
    alone = evolve(request, prerequisites=Prerequisites.ADD)
    found = conflict(support, alone, request.required | bit)
    return (found[0], found[2]) if found else (Reason.GROUP_NOT_GRANTED, ())


def _group_outcome(support: Support, request: Request, mask: int | None, number: int) -> Outcome:
    group = request.preferred[number]
    granted = mask is not None and not group & ~mask
    chain: tuple[Rule, ...] = ()
    if granted:
        reason = Reason.GRANTED
    else:
        faults = (bit_reason(support, request, bit) for bit in bits(group))
        reason = next(filter(None, faults), Reason.REQUEST_REFUSED)
        if reason is Reason.REQUEST_REFUSED and mask is not None:
            reason, chain = _ungranted_group(support, request, mask, number)
    return Outcome(bits=group, role=Role.GROUP, granted=granted, reason=reason, chain=chain)


def _ungranted_group(
    support: Support, request: Request, mask: int, number: int
) -> tuple[Reason, tuple[Rule, ...]]:
    # Why a wish is not in the granted mask: beside the required bits, or because of higher ones.
    group = request.preferred[number]
    found = conflict(support, request, request.required | group)
    if found:
        return found[0], found[2]
    granted = _granted(request, mask, request.preferred[:number])
    found = conflict(support, request, granted | group)
    return Reason.OUTRANKED, found[2] if found else ()


def _granted(request: Request, mask: int, groups: Iterable[int]) -> int:
    granted = request.required
    for group in groups:
        granted |= 0 if group & ~mask else group
    return granted


def _added_by(support: Support, request: Request, mask: int, bit: int) -> tuple[Rule, ...]:
    # The rules that made a bit necessary, from the bit back to one that was asked for. The mask is
    # minimal, so without the bit some rule would be broken: that is the first link.
    rules = applicable(support, request.until)
    asked = _granted(request, mask, request.preferred)
    seen = bit
    paths: list[tuple[int, tuple[Rule, ...]]] = [(bit, ())]
    for without, path in paths:  # grows while it is walked: the shortest way comes first
        for rule in rules:
            if rule in path or rule.holds(mask & ~without):
                continue
            triggers = rule.flag & mask & ~without if isinstance(rule, Requires) else 0
            if not triggers or triggers & asked:
                return (*path, rule)
            paths += [(without | one, (*path, rule)) for one in bits(triggers & ~seen)]
            seen |= triggers
    return ()
