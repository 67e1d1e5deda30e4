"""Conflicts: which few rules and bits make a set of bits impossible, and what would help.

The question is asked in wider and wider worlds: with the bits that were named, with all that the
host lists and the request allows, with the forbidden ones too, with every flag of the catalog. The
last world in which it stays impossible says what kind of conflict it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmemflags.catalog._request import Prerequisites, Request
from gmemflags.catalog._solve import possible
from gmemflags.masks._words import bits
from gmemflags.negotiation._problem import Reason
from gmemflags.negotiation._resolve import applicable, named_by, usable, whole_groups

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gmemflags.catalog._rules import Rule
    from gmemflags.catalog._solve import Clause
    from gmemflags.host import Support

    World = tuple[Reason, int, list[Clause]]


def conflict(
    support: Support, request: Request, must: int
) -> tuple[Reason, int, tuple[Rule, ...]] | None:
    """Why no valid mask has all of ``must``: the kind, the bits and a minimal set of rules.

    None if there is such a mask. ``must`` lies inside what may be used.
    """
    rules = applicable(support, request.until)
    found = None
    for reason, may, extra in _worlds(support, request):
        if possible(must, may, _clauses(rules, may, extra)):
            break
        found = reason, may, extra
    if found is None:
        return None
    reason, may, extra = found
    core_bits, core_rules = _core(must, rules, may, extra)
    if reason is Reason.RULE_CONFLICT and not core_bits:
        reason = Reason.NO_VALID_MASK
    return reason, core_bits, core_rules


def obstacle(support: Support, bit: int) -> tuple[Rule, ...] | None:
    """The rules because of which no valid mask of this host holds ``bit``; None if some does."""
    request = Request(prerequisites=Prerequisites.ADD)
    found = conflict(support, request, bit & usable(support, request))
    return found[2] if found else None


def _worlds(support: Support, request: Request) -> Iterable[World]:
    may = usable(support, request)
    if request.prerequisites is Prerequisites.REFUSE:
        named = may & named_by(request)
        yield Reason.MISSING_PREREQUISITE, named, whole_groups(request, named)
    yield Reason.PREREQUISITE_FORBIDDEN, may, []
    listed = support.mask & support.catalog.named
    yield Reason.PREREQUISITE_UNSUPPORTED, listed, []
    yield Reason.RULE_CONFLICT, support.catalog.named, []


def _clauses(rules: Iterable[Rule], may: int, extra: Sequence[Clause]) -> list[Clause]:
    return [*extra, *(clause for rule in rules for clause in rule.clauses(may))]


def _core(
    must: int, rules: Sequence[Rule], may: int, extra: Sequence[Clause]
) -> tuple[int, tuple[Rule, ...]]:
    # Leave out one part after the other; what cannot be left out is the minimal set.
    kept = list(rules)
    for rule in rules:
        without = [other for other in kept if other is not rule]
        if not possible(must, may, _clauses(without, may, extra)):
            kept = without
    clauses = _clauses(kept, may, extra)
    for bit in bits(must):
        if not possible(must & ~bit, may, clauses):
            must &= ~bit
    return must, tuple(kept)
