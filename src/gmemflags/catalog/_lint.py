"""Lint: what is doubtful in a catalog, found without any host.

A catalog can be used with such faults; it then answers oddly, for example with a flag that no
mask can hold. Every catalog that ships is clean.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from gmemflags.catalog._rules import Always, Requires
from gmemflags.catalog._solve import solve
from gmemflags.catalog._text import describe, describe_mask, format_rule
from gmemflags.masks._words import bits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gmemflags.catalog._catalog import Catalog
    from gmemflags.catalog._rules import Rule


def lint(catalog: Catalog) -> tuple[str, ...]:
    """What is doubtful in ``catalog``, a sentence each; empty for a clean one.

    Unnamed or overlapping operands, empty masks, rules without why or source, a flag that no
    mask can hold on any host, and hosts on which no mask is valid at all.
    """
    found = [fault for rule in catalog.rules for fault in _rule_faults(rule, catalog)]
    return (*found, *_world_faults(catalog))


def _rule_faults(rule: Rule, catalog: Catalog) -> Iterator[str]:
    what = f"rule {format_rule(rule, catalog)!r}"
    if not rule.why.strip():
        yield f"{what} has no why"
    if not rule.source.strip():
        yield f"{what} has no source"
    if _is_empty(rule):
        yield f"{what} has an empty mask"
    seen = 0
    for index, operand in enumerate(rule.operands):
        for bit in bits(operand & ~catalog.named):
            yield f"{what} speaks of {describe(bit, catalog)}"
        if operand & seen:
            yield f"{what} names {describe_mask(operand & seen, catalog)} twice"
        if not isinstance(rule, (Requires, Always)) or index < 1 + isinstance(rule, Requires):
            seen |= operand  # alternatives may overlap each other, but nothing else


def _is_empty(rule: Rule) -> bool:
    if isinstance(rule, Requires):
        return not rule.flag or 0 in rule.any_of or not (rule.all_of or rule.any_of)
    if isinstance(rule, Always):
        return 0 in rule.any_of or not (rule.all_of or rule.any_of)
    return type(rule).__name__ != "Refused" and 0 in rule.operands


def _world_faults(catalog: Catalog) -> Iterator[str]:
    # A world is a kind of host that the rules can tell apart.
    machines: set[str | None] = {None, *(m for rule in catalog.rules for m in rule.hosts.machines)}
    vm_types: set[int | None] = {None, *(t for rule in catalog.rules for t in rule.hosts.vm_types)}
    holdable = 0
    for machine, vm_type in sorted(product(machines, vm_types), key=repr):
        clauses = [
            clause
            for rule in catalog.rules
            if rule.hosts.include(machine or "another", -1 if vm_type is None else vm_type)
            for clause in rule.clauses(catalog.named)
        ]
        if solve(0, catalog.named, clauses) is None:
            yield (
                f"no mask at all is valid on {machine or 'other machines'},"
                f" VM type {'any other' if vm_type is None else vm_type}"
            )
        for bit in bits(catalog.named & ~holdable):
            if solve(bit, catalog.named, clauses) is not None:
                holdable |= bit
    for bit in bits(catalog.named & ~holdable):
        yield f"no mask can hold {describe(bit, catalog)}"
