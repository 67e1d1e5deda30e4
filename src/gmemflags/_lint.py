"""Lint: what is doubtful in a catalog, found without any host.

A catalog can be used with such faults; it then answers oddly, for example with a flag that no
mask can hold. Every catalog that ships is clean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from itertools import product
from unicodedata import normalize

from gmemflags._catalog import Catalog
from gmemflags._decision import clauses_of
from gmemflags._exceptions import NegotiationTooHardError, quote
from gmemflags._format import describe, describe_mask, format_hosts, format_rule
from gmemflags._mainline import AS_OF, LAST_NUMBER, MAINLINE, SHIPPED, TAKEN
from gmemflags._masks import bits, union
from gmemflags._rules import Always, Refused, Requires, Rule, Stage, architecture, meaning
from gmemflags._solver import STEPS, Budget, Clause, OutOfSteps, possible


def lint(catalog: Catalog) -> tuple[str, ...]:
    """What is doubtful in ``catalog``, a sentence each; empty for a clean one.

    * rules: operands without a name or named twice, empty masks, no why or source, the same rule
      twice, machine names that are not known, and rules of mainline that are left out;
    * capabilities: a number that mainline gives to another one, or to none;
    * names: that of a catalog which comes with this library, borrowed or imitated;
    * hosts: a flag that no mask can hold on any host, and hosts on which no mask is valid;
    * profiles: what no host can meet.

    Args:
        catalog: The catalog.

    Raises:
        NegotiationTooHardError: The rules are too hard to solve.

    >>> from gmemflags import MAINLINE, lint
    >>> lint(MAINLINE)
    ()
    """
    found = [*_name_faults(catalog), *_number_faults(catalog)]
    for rule, times in Counter(catalog.rules).items():
        found += _rule_faults(rule, times, catalog)
    found += _left_out(catalog)
    budget = Budget()
    try:
        kinds = list(_kinds_of_host(catalog, budget))
        found += _host_faults(catalog, kinds, budget)
        found += _profile_faults(catalog, kinds, budget)
    except OutOfSteps:
        raise NegotiationTooHardError(catalog.name, STEPS) from None
    return tuple(found)


def _name_faults(catalog: Catalog) -> Iterator[str]:
    name = catalog.name
    if not name.strip():
        yield "the catalog has no name"
    elif not (name.isascii() and name.isprintable()):
        yield f"the name {quote(name)} has characters other than printable ASCII"
    plain = normalize("NFKC", name).casefold()
    for shipped in SHIPPED:
        if catalog.digest == shipped.digest:
            continue
        if name == shipped.name:
            yield f"the name {name} belongs to the catalog that comes with this library"
        elif SequenceMatcher(None, plain, shipped.name).ratio() > _ALIKE:
            yield f"the name {quote(name)} imitates {shipped.name}, which comes with this library"


Kinds = list[tuple[str, list[Rule]]]
# Two names are alike if so much of both is the same: one character of ten differs.
_ALIKE = 0.9


def _number_faults(catalog: Catalog) -> Iterator[str]:
    owners = {number: name for name, number in MAINLINE.capabilities.items() if number} | TAKEN
    for name, number in catalog.capabilities.items():
        if number is None or MAINLINE.capabilities.get(name) == number:
            continue
        what = f"KVM_CAP_{quote(name)} has the number {number}, which"
        if owners.get(number, name) != name:
            yield f"{what} is KVM_CAP_{owners[number]} in mainline"
        elif number > LAST_NUMBER:
            yield f"{what} mainline has given to no capability as of {AS_OF}"
        elif name in MAINLINE.capabilities:
            yield f"{what} is another capability in mainline"


def _left_out(catalog: Catalog) -> Iterator[str]:
    # A rule of mainline about flags that have the same names in this tree.
    meanings = {meaning(rule) for rule in catalog.rules}
    for rule in MAINLINE.rules:
        named = union(rule.operands)
        alike = all(catalog.name_of(bit) == MAINLINE.name_of(bit) for bit in bits(named))
        if alike and meaning(rule) not in meanings:
            text, hosts = format_rule(rule, catalog), format_hosts(rule.hosts)
            yield f"mainline's rule {text!r} (at {rule.stage}, {hosts}) is left out"


def _rule_faults(rule: Rule, times: int, catalog: Catalog) -> Iterator[str]:
    what = f"rule {format_rule(rule, catalog)!r}"
    if not rule.why.strip():
        yield f"{what} has no why"
    if not rule.source.strip():
        yield f"{what} has no source"
    if _is_empty(rule):
        yield f"{what} has an empty mask"
    if times > 1:
        yield f"{what} is there twice"
    hosts = rule.hosts
    for machine in hosts.machines:
        if architecture(machine) is None:
            yield f"{what} speaks of machine {quote(machine)}, which is not a known name"
    if hosts.vm_types and not set(hosts.vm_types) - set(hosts.except_vm_types):
        yield f"{what} excepts every VM type that it speaks of"
    yield from _operand_faults(rule, catalog, what)


def _operand_faults(rule: Rule, catalog: Catalog, what: str) -> Iterator[str]:
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


def _host_faults(catalog: Catalog, kinds: Kinds, budget: Budget) -> Iterator[str]:
    holdable = 0
    for where, rules in kinds:
        bound = [rule for rule in rules if rule.stage <= Stage.BIND]  # later, 0 is of no use anyway
        if not possible(0, catalog.named, _clauses(bound, catalog, budget), budget):
            yield f"no mask can be bound on {where}"
        clauses = _clauses(rules, catalog, budget)
        for bit in bits(catalog.named & ~holdable):
            if possible(bit, catalog.named, clauses, budget):
                holdable |= bit
    for bit in bits(catalog.named & ~holdable):
        yield f"no mask can hold {describe(bit, catalog)}"


def _clauses(rules: Iterable[Rule], catalog: Catalog, budget: Budget) -> list[Clause]:
    return [clause for some in clauses_of(rules, catalog.named, budget) for clause in some]


def _kinds_of_host(catalog: Catalog, budget: Budget) -> Iterator[tuple[str, list[Rule]]]:
    # Each kind of host that the rules can tell apart: its name, and the rules that surely apply.
    machines: set[str | None] = {None, *(m for rule in catalog.rules for m in rule.hosts.machines)}
    vm_types = {
        t for rule in catalog.rules for t in (*rule.hosts.vm_types, *rule.hosts.except_vm_types)
    }
    other_types = (max(vm_types, default=0) | 0xFF) + 1  # no type that a rule names, on arm64 too
    vm_types.add(other_types)
    budget.spend(len(machines) * len(vm_types) * len(catalog.rules))
    for machine, vm_type in sorted(
        product(machines, vm_types), key=lambda kind: (repr(kind[0]), kind[1])
    ):
        rules = [rule for rule in catalog.rules if rule.hosts.include(machine, vm_type)]
        names = [quote(machine or "other machines")] if len(machines) > 1 else []
        if len(vm_types) > 1:
            names.append("other VM types" if vm_type == other_types else f"VM type {vm_type}")
        yield ", ".join(names) or "any host", rules


def _profile_faults(catalog: Catalog, kinds: Kinds, budget: Budget) -> Iterator[str]:
    for name, profile in catalog.profiles.items():
        request = profile.request
        for bit, name_there in sorted(request.flag_names):
            if catalog.name_of(bit) not in (None, name_there):
                yield f"profile {quote(name)} calls {describe(bit, catalog)} {quote(name_there)}"
        for bit in bits(request.required & ~catalog.named):
            yield f"profile {quote(name)} requires {describe(bit, catalog)}"
        for need in request.needs:
            if catalog.capabilities.get(need.capability) is None:
                what = f"KVM_CAP_{quote(need.capability)}"
                yield f"profile {quote(name)} needs {what}, which has no number"
        may = catalog.named & ~request.forbidden
        required = request.required & catalog.named
        if required & ~may or all(
            not possible(required, may, _clauses(rules, catalog, budget), budget)
            for _, rules in kinds
        ):
            yield f"profile {quote(name)} asks for what no mask can hold"
