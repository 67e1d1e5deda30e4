"""Lint: what is doubtful in a catalog, found without any host.

A catalog can be used with such faults; it then answers oddly, for example with a flag that no
mask can hold. Every catalog that ships is clean.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from gmemflags._catalog import Capability, Catalog
from gmemflags._exceptions import NegotiationTooHardError
from gmemflags._format import describe, describe_mask, format_rule
from gmemflags._mainline import MAINLINE, TAKEN
from gmemflags._masks import bits
from gmemflags._rules import Always, Refused, Requires, Rule
from gmemflags._solver import STEPS, Budget, Clause, OutOfSteps, possible


def lint(catalog: Catalog) -> tuple[str, ...]:
    """What is doubtful in ``catalog``, a sentence each; empty for a clean one.

    Unnamed or overlapping operands, empty masks, rules without why or source, rules that are
    there twice; a flag that no mask can hold on any host, and hosts on which no mask is valid at
    all; profiles that no host can meet; a number of FLAGS_HI that belongs to another capability;
    and another catalog under mainline's name.

    Raises:
        NegotiationTooHardError: The rules are too hard to solve.
    """
    found = [fault for rule in catalog.rules for fault in _rule_faults(rule, catalog)]
    budget = Budget()
    try:
        found += [*_host_faults(catalog, budget), *_profile_faults(catalog, budget)]
    except OutOfSteps:
        raise NegotiationTooHardError(catalog.name, STEPS) from None
    return (*_name_faults(catalog), *found)


def _name_faults(catalog: Catalog) -> Iterator[str]:
    if catalog.name == MAINLINE.name and catalog != MAINLINE:
        yield f"the name {catalog.name} belongs to the catalog that comes with this library"
    if not catalog.name.strip():
        yield "the catalog has no name"
    number = catalog.capabilities.get(Capability.GUEST_MEMFD_FLAGS_HI)
    if number is not None and number <= max(TAKEN):
        owner = f"KVM_CAP_{TAKEN[number]}" if number in TAKEN else "another capability"
        yield f"FLAGS_HI has the number {number}, which is {owner} in mainline"
    for rule in dict.fromkeys(catalog.rules):
        if catalog.rules.count(rule) > 1:
            yield f"rule {format_rule(rule, catalog)!r} is there twice"


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
    return not isinstance(rule, Refused) and 0 in rule.operands


def _host_faults(catalog: Catalog, budget: Budget) -> Iterator[str]:
    holdable = 0
    for where, clauses in _kinds_of_host(catalog):
        if not possible(0, catalog.named, clauses, budget):
            yield f"no mask at all is valid on {where}"
        for bit in bits(catalog.named & ~holdable):
            if possible(bit, catalog.named, clauses, budget):
                holdable |= bit
    for bit in bits(catalog.named & ~holdable):
        yield f"no mask can hold {describe(bit, catalog)}"


def _kinds_of_host(catalog: Catalog) -> Iterator[tuple[str, list[Clause]]]:
    # Each kind of host that the rules can tell apart: its name, and what holds there.
    machines: set[str | None] = {None, *(m for rule in catalog.rules for m in rule.hosts.machines)}
    vm_types: set[int | None] = {None, *(t for rule in catalog.rules for t in rule.hosts.vm_types)}
    for machine, vm_type in sorted(product(machines, vm_types), key=repr):
        clauses = [
            clause
            for rule in catalog.rules
            if rule.hosts.include(machine, vm_type)  # not of another one: that is not sure
            for clause in rule.clauses(catalog.named)
        ]
        names = [machine or "other machines"] if len(machines) > 1 else []
        if len(vm_types) > 1:
            names.append("other VM types" if vm_type is None else f"VM type {vm_type}")
        yield ", ".join(names) or "any host", clauses


def _profile_faults(catalog: Catalog, budget: Budget) -> Iterator[str]:
    for name, profile in catalog.profiles.items():
        request = profile.request
        for bit, name_there in sorted(request.flag_names):
            if catalog.name_of(bit) not in (None, name_there):
                yield f"profile {name} calls {describe(bit, catalog)} {name_there}"
        for bit in bits(request.required & ~catalog.named):
            yield f"profile {name} requires {describe(bit, catalog)}"
        for need in request.needs:
            if catalog.capabilities.get(need.capability) is None:
                yield f"profile {name} needs KVM_CAP_{need.capability}, which has no number"
        may = catalog.named & ~request.forbidden
        required = request.required & catalog.named
        if required & ~may or all(
            not possible(required, may, clauses, budget) for _, clauses in _kinds_of_host(catalog)
        ):
            yield f"profile {name} asks for what no mask can hold"
