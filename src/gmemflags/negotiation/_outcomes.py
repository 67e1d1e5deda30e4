"""Outcomes: what became of every bit and group of a request, and by which rules.

Derived from the decision, never part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmemflags.catalog._rules import Requires
from gmemflags.masks._words import bits
from gmemflags.negotiation._conflict import conflict
from gmemflags.negotiation._explain import bit_reason
from gmemflags.negotiation._problem import Outcome, Reason, Role
from gmemflags.negotiation._resolve import applicable, named_by

if TYPE_CHECKING:
    from gmemflags.catalog._request import Request
    from gmemflags.catalog._rules import Rule
    from gmemflags.host import Support


def outcomes(support: Support, request: Request, mask: int | None) -> tuple[Outcome, ...]:
    """One for every bit that is named or was added, lowest first, then one for every group."""
    named = named_by(request) | request.forbidden
    return (
        *(_bit_outcome(support, request, mask, bit) for bit in bits(named | (mask or 0))),
        *(group_outcome(support, request, mask, group) for group in request.preferred),
    )


def _bit_outcome(support: Support, request: Request, mask: int | None, bit: int) -> Outcome:
    granted = bool(bit & (mask or 0))
    if bit & request.required:
        role = Role.REQUIRED
    elif bit & request.forbidden:
        role = Role.FORBIDDEN
    elif bit & named_by(request):
        role = Role.PREFERRED
    else:
        role = Role.PREREQUISITE
    chain: tuple[Rule, ...] = ()
    if role is Role.PREREQUISITE:
        reason, chain = Reason.ADDED, added_by(support, request, mask or 0, bit)
    elif granted:
        reason = Reason.GRANTED
    elif role is Role.PREFERRED and mask is not None:
        reason, chain = _ungranted(support, request, mask, bit)
        if reason is Reason.MISSING_PREREQUISITE and not chain:
            reason = Reason.GROUP_NOT_GRANTED
    else:
        reason = bit_reason(support, request, bit) or Reason.REQUEST_REFUSED
    return Outcome(bits=bit, role=role, granted=granted, reason=reason, chain=chain)


def group_outcome(support: Support, request: Request, mask: int | None, group: int) -> Outcome:
    """What became of one preferred group."""
    granted = mask is not None and not group & ~mask
    chain: tuple[Rule, ...] = ()
    if granted:
        reason = Reason.GRANTED
    elif mask is None:
        reason = _first_reason(support, request, group) or Reason.REQUEST_REFUSED
    else:
        reason, chain = _ungranted(support, request, mask, group)
    return Outcome(bits=group, role=Role.GROUP, granted=granted, reason=reason, chain=chain)


def _first_reason(support: Support, request: Request, group: int) -> Reason | None:
    reasons = (bit_reason(support, request, bit) for bit in bits(group))
    return next((reason for reason in reasons if reason), None)


def _ungranted(
    support: Support, request: Request, mask: int, group: int
) -> tuple[Reason, tuple[Rule, ...]]:
    # Why a wish is not in the granted mask: by itself, beside the required bits, or outranked.
    reason = _first_reason(support, request, group)
    if reason:
        return reason, ()
    found = conflict(support, request, request.required | group)
    if found:
        return found[0], found[2]
    granted = request.required
    for other in request.preferred:
        granted |= 0 if other & ~mask else other
    found = conflict(support, request, granted | group)
    return Reason.OUTRANKED, found[2] if found else ()


def added_by(support: Support, request: Request, mask: int, bit: int) -> tuple[Rule, ...]:
    """The rules that made ``bit`` necessary, from the bit back to one that was asked for.

    The mask is minimal, so without the bit some rule would be broken: that is the first link.
    """
    rules = applicable(support, request.until)
    asked = named_by(request)
    chain: list[Rule] = []
    seen = 0
    while bit and not bit & (asked | seen):
        seen |= bit
        broken = [rule for rule in rules if not rule.holds(mask & ~bit)]
        if not broken:
            break
        link = next((rule for rule in broken if rule not in chain), broken[0])
        chain.append(link)
        triggers = link.flag & mask if isinstance(link, Requires) else 0
        bit = 0 if triggers & asked else triggers & -triggers
    return tuple(chain)
