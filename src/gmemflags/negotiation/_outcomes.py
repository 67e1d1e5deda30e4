"""Outcomes: what became of every bit and group of a request, and by which rules.

Derived from the decision, never part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from gmemflags.catalog._request import Prerequisites
from gmemflags.catalog._rules import Always, Requires
from gmemflags.masks._words import MASK, bits, union
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
    return request.required | union(group for group in groups if not group & ~mask)


def _added_by(support: Support, request: Request, mask: int, bit: int) -> tuple[Rule, ...]:
    # The rules that made a bit necessary, from the bit back to one that was asked for. The mask is
    # minimal, so without the bit some rule would be broken: that is the first link.
    rules = applicable(support, request.until)
    asked = _granted(request, mask, request.preferred)
    # Take the bit away, and what needs it, and so on, until something breaks that was asked for.
    removed = bit
    rounds: list[list[Requires]] = []
    while True:
        broken = [rule for rule in rules if not rule.holds(mask & ~removed)]
        needy = [
            rule for rule in broken if isinstance(rule, Requires) and not rule.flag & mask & asked
        ]
        if len(needy) < len(broken):
            break
        rounds.append(needy)
        for rule in needy:
            removed |= rule.flag & mask
    chain = [next(rule for rule in broken if rule not in needy)]
    for needy in reversed(rounds):  # one that needs what the link before lacks
        lacks = _asks_for(chain[0])
        chain.insert(0, next(rule for rule in needy if rule.flag & mask & lacks))
    return tuple(chain)


def _asks_for(rule: Rule) -> int:
    # The bits whose absence can break a rule.
    if not isinstance(rule, (Requires, Always)):
        return MASK
    return union(rule.operands[isinstance(rule, Requires) :])
