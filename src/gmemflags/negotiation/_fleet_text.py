"""Pools and comparisons as text: what is lacking where, and what is lost with it.

Sentences only; nothing is decided here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmemflags.catalog._text import describe, describe_mask, format_rule
from gmemflags.catalog._uapi import Scope
from gmemflags.masks._words import WORD, bits
from gmemflags.negotiation._conflict import obstacle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gmemflags.catalog._catalog import Catalog
    from gmemflags.catalog._rules import Rule
    from gmemflags.host import Support
    from gmemflags.negotiation._compare import Comparison, Loss
    from gmemflags.negotiation._fleet import Baseline


def baseline_text(pool: Baseline) -> str:
    """What every host has, who lacks the rest, and what no mask can hold although all list it."""
    catalog = pool.support.catalog
    hosts = "1 host" if pool.count == 1 else f"{pool.count} hosts"
    lines = [f"baseline of {hosts}: {describe_mask(pool.support.mask, catalog)}"]
    for bit, without in pool.lacking.items():
        verb = "lacks" if without.count == 1 else "lack"
        more = ", ..." if without.count > len(without.first) else ""
        names = ", ".join(without.first)
        told = f"{without.count} of {pool.count} {verb} {describe(bit, catalog)}"
        lines.append(f"  {told}: {names}{more}")
    for bit in bits(pool.support.mask & catalog.named):
        rules = obstacle(pool.support, bit)
        if rules is not None:
            told = _told_rules(rules, catalog)
            lines.append(f"  no mask can hold {describe(bit, catalog)}: {told}")
    if not pool.support.guest_memfd:
        lines.append("  guest_memfd itself is not on every host")
    return "\n".join(lines)


def comparison_text(comparison: Comparison) -> str:
    """The relation of two hosts, what is lost on each, and where else they differ."""
    return "\n  ".join(_lines(comparison))


def _told_rules(rules: Iterable[Rule], catalog: Catalog) -> str:
    return "; ".join(f"{format_rule(rule, catalog)} ({rule.why})" for rule in rules)


# By the text of the Relation.
_SENTENCES = {
    "equal": "equal: {a} and {b} give equal answers",
    "superset": "superset: {a} has all that {b} has, and more",
    "subset": "subset: {b} has all that {a} has, and more",
    "incomparable": "incomparable: each of {a} and {b} has something that the other lacks",
}


def _names(comparison: Comparison) -> tuple[str, str]:
    one, two = comparison.a.origin, comparison.b.origin
    if one != two:
        return one, two
    rest = two.removeprefix("a ").removeprefix("the ")
    return one, f"the other {rest}"


def _lines(comparison: Comparison) -> Iterator[str]:
    a, b = comparison.a, comparison.b
    one, two = _names(comparison)
    yield _SENTENCES[comparison.relation].format(a=one, b=two)
    yield from _told(comparison.lost_on_b, a, two)
    yield from _told(comparison.lost_on_a, b, one)
    yield from _unseen(a, b, one)
    yield from _unseen(b, a, two)
    for name, (answer, other) in comparison.capabilities.items():
        yield f"KVM_CAP_{name} is {_shown(answer)} on {one} and {_shown(other)} on {two}"
    for what in ("machine", "vm_type"):
        mine, yours = getattr(a.host, what), getattr(b.host, what)
        if mine != yours:
            told = what.replace("vm_type", "VM type")
            yield f"{told} {_known(mine)} on {one} and {_known(yours)} on {two}: rules may differ"
    if a.scope is not b.scope:
        system, vm = (one, two) if a.scope is Scope.SYSTEM else (two, one)
        yield f"{system} answers for the best imaginable VM, {vm} for one VM"


def _told(losses: tuple[Loss, ...], here: Support, there: str) -> Iterator[str]:
    catalog = here.catalog
    for loss in losses:
        what = describe(loss.bit, catalog)
        if loss.rules:
            if not loss.because:
                told = _told_rules(loss.rules, catalog)
                yield f"on {there} you lose {what}, though it is listed: {told}"
            continue
        with_it = [other for other in losses if other.because & loss.bit]
        if not with_it:
            yield f"on {there} you lose {what}"
            continue
        names = " and ".join(describe(other.bit, catalog) for other in with_it)
        rules = dict.fromkeys(rule for other in with_it for rule in other.rules)
        told = _told_rules(rules, catalog)
        yield f"on {there} you lose {what}, and with it {names}: {told}"


def _unseen(here: Support, there: Support, name: str) -> Iterator[str]:
    unknown = there.answerable & ~here.answerable
    for word, told in ((WORD, "31:0"), (WORD << 32, "63:32")):
        if unknown & word:
            yield f"{name} could not speak of bits {told}"


def _known(fact: object) -> str:
    return "not known" if fact is None else str(fact)


def _shown(answer: int | None) -> str:
    return "not asked" if answer is None else f"{answer:#x}"
