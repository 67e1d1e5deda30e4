"""The decision: which mask, if any, a host and a request have in common, and else why not.

Pure, total and deterministic. Every condition for a yes is checked here, once, and what is not
met becomes a :class:`Finding`: a verdict carries its reasons, and nobody looks for them again.
Sentences are made in ``_explain.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from attrs import evolve

from gmemflags._catalog import Capability, Need, Prerequisites, Request, Scope
from gmemflags._exceptions import NegotiationTooHardError
from gmemflags._host import BitState, Support
from gmemflags._masks import MASK, bits, union
from gmemflags._problems import Reason, Role
from gmemflags._rules import Always, Requires, Rule, Stage
from gmemflags._solver import STEPS, Budget, Clause, OutOfSteps, core, possible, solve, whole_groups


class Negotiation(NamedTuple):
    """One host and one request, with what follows from them before any rule is applied."""

    support: Support
    request: Request
    misnamed: int
    """Bits that the caller's flag classes and the catalog call by different names."""
    usable: int
    """Bits that a mask may have: listed, named as the caller thinks, and not forbidden."""
    rules: tuple[Rule, ...]
    """The rules that constrain the mask: up to ``until``, and on hosts of this kind or, where the
    machine or the VM type is not known, perhaps of this kind."""


class Finding(NamedTuple):
    """One condition that is not met, as data."""

    reason: Reason
    bits: int = 0
    rules: tuple[Rule, ...] = ()
    need: Need | None = None
    minimal: bool = True
    """False if the budget ended before the rules were reduced to a minimal set."""


class Verdict(NamedTuple):
    """The mask, or the findings; and what is left of the budget."""

    negotiation: Negotiation
    mask: int | None
    findings: tuple[Finding, ...]
    steps_left: int


def decide(support: Support, request: Request, steps: int = STEPS) -> Verdict:
    """Decide ``request`` for one host.

    Raises:
        NegotiationTooHardError: The budget of ``steps`` ended before there was a yes or a no.
    """
    budget = Budget(steps)
    negotiation = _negotiation(support, request)
    findings = list(_unmet(negotiation))
    if not findings:
        try:
            mask = _best(negotiation, budget)
        except OutOfSteps:
            raise NegotiationTooHardError(support.catalog.name, steps) from None
        if mask is not None:
            if not _upper_bound_only(negotiation):
                return Verdict(negotiation, mask, (), budget.left)
            findings.append(Finding(Reason.ONLY_UPPER_BOUND))
            return Verdict(negotiation, None, tuple(findings), budget.left)
    try:
        wanted = request.required & negotiation.usable
        conflict = _conflict(negotiation, wanted, budget) if support.guest_memfd else None
    except OutOfSteps:
        if not findings:  # there is no mask, and it is not known why
            raise NegotiationTooHardError(support.catalog.name, steps) from None
    else:
        findings += [conflict] if conflict else []
    return Verdict(negotiation, None, tuple(findings), budget.left)


def granted_mask(support: Support, request: Request, budget: Budget) -> int | None:
    """The mask that :func:`decide` grants, or None, without the reasons.

    Raises:
        OutOfSteps: The budget ended.
    """
    negotiation = _negotiation(support, request)
    if _upper_bound_only(negotiation) or any(True for _ in _unmet(negotiation)):
        return None
    return _best(negotiation, budget)


def applies(support: Support, rule: Rule) -> bool | None:
    """Whether a rule speaks of this host; None where an unknown machine or VM type leaves it open.

    /dev/kvm answers for VMs of all types, so a rule about some VM types does not bind it.
    """
    hosts = rule.hosts
    by_type = hosts.vm_types or hosts.except_vm_types
    if not hosts.machines and not by_type:
        return True
    if support.scope is Scope.SYSTEM and by_type:
        return False
    return hosts.include(support.host.machine, support.host.vm_type)


def applicable(support: Support, until: Stage) -> tuple[Rule, ...]:
    """The rules up to ``until`` that hold on this host, or may: an open condition counts."""
    return tuple(
        [
            rule
            for rule in support.catalog.rules
            if rule.stage <= until and applies(support, rule) is not False
        ]
    )


def _negotiation(support: Support, request: Request) -> Negotiation:
    catalog = support.catalog
    names = catalog.flags.bit_names
    misnamed = 0
    for bit, name in request.flag_names:
        if names.get(bit, name) != name:
            misnamed |= bit
    usable = support.mask & catalog.named & ~(request.forbidden | misnamed)
    return Negotiation(support, request, misnamed, usable, applicable(support, request.until))


def _upper_bound_only(negotiation: Negotiation) -> bool:
    system = negotiation.support.scope is Scope.SYSTEM
    return system and negotiation.request.scope is Scope.VM


def _unmet(negotiation: Negotiation) -> Iterator[Finding]:
    # The conditions for a yes, but for the rules and the scope.
    support, request = negotiation.support, negotiation.request
    if request.digest is not None and request.digest != support.catalog.digest:
        yield Finding(Reason.CATALOG_CHANGED)
    if not support.guest_memfd:
        yield Finding(_absence(support))
    unusable = request.required & ~negotiation.usable
    for bit in bits(unusable | request.forbidden & negotiation.misnamed):
        yield Finding(bit_reason(negotiation, bit) or Reason.REQUEST_REFUSED, bit)
    for need in request.needs:
        reason = need_reason(support, need)
        if reason is not None and not need.optional:
            yield Finding(reason, need=need)


def need_reason(support: Support, need: Need) -> Reason | None:
    """Why a need is not met; None if it is."""
    answer = support.known_answer(need.capability)
    if answer is None:
        return Reason.NEED_NOT_ASKED
    return None if need.met_by(answer) else Reason.NEED_ABSENT


def _absence(support: Support) -> Reason:
    if support.guest_memfd is None:
        return Reason.GUEST_MEMFD_NOT_ASKED
    if support.scope is Scope.SYSTEM or support.known_answer(Capability.USER_MEMORY2) == 0:
        return Reason.NO_GUEST_MEMFD
    return Reason.NOT_FOR_THIS_VM


def bit_reason(negotiation: Negotiation, bit: int) -> Reason | None:
    """What is wrong with one bit by itself; None if it is usable."""
    support, request = negotiation.support, negotiation.request
    if bit & negotiation.usable:
        return None
    if bit & negotiation.misnamed:
        return Reason.MISNAMED
    if bit & request.forbidden:
        both = bit & request.required
        return Reason.REQUIRED_AND_FORBIDDEN if both else Reason.FORBIDDEN
    if not bit & support.catalog.named:
        return Reason.UNNAMED
    if support.state(bit) is BitState.UNKNOWABLE:
        return Reason.UNKNOWABLE
    return Reason.UNSUPPORTED if support.mask or not support.guest_memfd else Reason.NO_FLAGS


def _best(negotiation: Negotiation, budget: Budget) -> int | None:
    # The best valid mask by bits and rules alone; docs/reference/semantics.md says which is best.
    request, may, rules = negotiation.request, negotiation.usable, negotiation.rules
    named = _named_by(request)
    # All that is asked for, and nothing else, is the best mask if it is valid.
    if not named & ~may and all(rule.holds(named) for rule in _counted(rules, budget)):
        return named
    clauses: list[Clause] = []
    if request.prerequisites is Prerequisites.REFUSE:
        may &= named
        clauses = whole_groups(request.required, request.preferred, may, budget)
    for made in clauses_of(rules, may, budget):
        clauses += made
    return solve(request.required, may, clauses, request.preferred, budget)


def clauses_of(rules: Iterable[Rule], may: int, budget: Budget) -> Iterator[list[Clause]]:
    """The clauses of each rule; a step for each, or for each of its alternatives.

    Raises:
        OutOfSteps: The budget ended.
    """
    for rule in _counted(rules, budget):
        yield rule.clauses(may)


def _counted(rules: Iterable[Rule], budget: Budget) -> Iterator[Rule]:
    for rule in rules:
        budget.spend(max(1, len(rule.operands) - 2))
        yield rule


def _named_by(request: Request) -> int:
    return request.required | union(request.preferred)


def _conflict(negotiation: Negotiation, must: int, budget: Budget) -> Finding | None:
    """Why no valid mask has all of ``must``; None if one has.

    Raises OutOfSteps if the budget ended before that was known.

    What is wrong with a required bit by itself is another finding, so here it may be in a mask. The
    question is asked with more and more bits allowed: those that the request names, all that
    the host lists and the request allows, the forbidden ones too, every flag of the catalog. The
    last of these in which it stays impossible says what kind of conflict it is.
    """
    rules = negotiation.rules
    found: tuple[Reason, int, list[Clause]] | None = None
    try:
        for reason, may, fixed in _extents(negotiation, must, budget):
            made = clauses_of(rules, may, budget)
            clauses = [*fixed, *(clause for some in made for clause in some)]
            if possible(must, may, clauses, budget):
                break
            found = reason, may, fixed
            if reason is Reason.RULE_CONFLICT and not possible(0, may, clauses, budget):
                found, must = (Reason.NO_VALID_MASK, may, fixed), 0
    except OutOfSteps:
        if found is None:
            raise
    if found is None:
        return None
    reason, may, fixed = found
    parts = [rule.clauses(may) for rule in rules]  # as they were made for the last question
    core_bits, indices, minimal = core(must, may, fixed, parts, budget)
    return Finding(reason, core_bits, tuple([rules[index] for index in indices]), None, minimal)


def _extents(
    negotiation: Negotiation, must: int, budget: Budget
) -> Iterator[tuple[Reason, int, list[Clause]]]:
    support, request = negotiation.support, negotiation.request
    anyway = must | request.required
    usable, named = negotiation.usable | anyway, support.catalog.named
    if request.prerequisites is Prerequisites.REFUSE:
        asked = usable & (_named_by(request) | must)
        groups = whole_groups(request.required, request.preferred, asked, budget)
        yield Reason.MISSING_PREREQUISITE, asked, groups
    yield Reason.PREREQUISITE_FORBIDDEN, usable, []
    yield Reason.PREREQUISITE_UNSUPPORTED, support.mask & named | anyway, []
    yield Reason.RULE_CONFLICT, named | anyway, []


def obstacle(support: Support, bit: int, until: Stage, budget: Budget) -> tuple[Rule, ...] | None:
    """The rules because of which no valid mask of this host holds ``bit``; None if some does.

    Raises:
        OutOfSteps: The budget ended before that was known.
    """
    request = Request(prerequisites=Prerequisites.ADD, until=until)
    negotiation = _negotiation(support, request)
    found = _conflict(negotiation, bit, budget)
    return found.rules if found else None


class Fate(NamedTuple):
    """What became of one bit or one group, as data."""

    bits: int
    role: Role
    reason: Reason
    rules: tuple[Rule, ...] = ()


def fates(verdict: Verdict) -> list[Fate]:
    """One for every bit that is named or was added, lowest first, then one for every group."""
    request = verdict.negotiation.request
    budget = Budget(verdict.steps_left)
    groups = [_group_fate(verdict, n, budget) for n in range(len(request.preferred))]
    named = _named_by(request) | request.forbidden | (verdict.mask or 0)
    return [*(_bit_fate(verdict, bit, groups, budget) for bit in bits(named)), *groups]


def _bit_fate(verdict: Verdict, bit: int, groups: Sequence[Fate], budget: Budget) -> Fate:
    negotiation, mask = verdict.negotiation, verdict.mask
    request = negotiation.request
    role = _role(request, bit)
    if mask is None or role is Role.FORBIDDEN:
        return Fate(bit, role, bit_reason(negotiation, bit) or Reason.REQUEST_REFUSED)
    if not bit & mask:
        try:
            reason, rules = _ungranted_bit(negotiation, mask, bit, groups, budget)
        except OutOfSteps:
            reason, rules = Reason.UNSETTLED, ()
        return Fate(bit, role, reason, rules)
    if bit & _granted(request, mask, request.preferred):
        return Fate(bit, role, Reason.GRANTED)
    try:
        return Fate(bit, role, Reason.ADDED, _added_by(negotiation, mask, bit, budget))
    except OutOfSteps:
        return Fate(bit, role, Reason.ADDED)


def _role(request: Request, bit: int) -> Role:
    if bit & request.required:
        return Role.REQUIRED
    if bit & request.forbidden:
        return Role.FORBIDDEN
    return Role.PREFERRED if bit & _named_by(request) else Role.PREREQUISITE


def _ungranted_bit(
    negotiation: Negotiation, mask: int, bit: int, groups: Sequence[Fate], budget: Budget
) -> tuple[Reason, tuple[Rule, ...]]:
    # A bit that is a group by itself shares its fate; another may fail for its group alone.
    for group in groups:
        if group.bits == bit:
            return group.reason, group.rules
    reason = bit_reason(negotiation, bit)
    if reason:
        return reason, ()
    request = negotiation.request
    alone = negotiation._replace(request=evolve(request, prerequisites=Prerequisites.ADD))
    found = _conflict(alone, request.required | bit, budget)
    if found:
        return found.reason, found.rules
    first = next(n for n, group in enumerate(request.preferred) if group & bit)
    found = _conflict(alone, _granted(request, mask, request.preferred[:first]) | bit, budget)
    return (Reason.OUTRANKED, found.rules) if found else (Reason.GROUP_NOT_GRANTED, ())


def _group_fate(verdict: Verdict, number: int, budget: Budget) -> Fate:
    negotiation, mask = verdict.negotiation, verdict.mask
    group = negotiation.request.preferred[number]
    if mask is not None and not group & ~mask:
        return Fate(group, Role.GROUP, Reason.GRANTED)
    faults = (bit_reason(negotiation, bit) for bit in bits(group))
    reason = next(filter(None, faults), None)
    rules: tuple[Rule, ...] = ()
    if reason is None and mask is not None:
        try:
            reason, rules = _ungranted_group(negotiation, mask, number, budget)
        except OutOfSteps:
            reason = Reason.UNSETTLED
    return Fate(group, Role.GROUP, reason or Reason.REQUEST_REFUSED, rules)


def _ungranted_group(
    negotiation: Negotiation, mask: int, number: int, budget: Budget
) -> tuple[Reason, tuple[Rule, ...]]:
    # Why a group is not in the granted mask: beside the required bits, or because of higher ones.
    request = negotiation.request
    group = request.preferred[number]
    budget.spend(number)  # for the groups before it
    found = _conflict(negotiation, request.required | group, budget)
    if found:
        return found.reason, found.rules
    granted = _granted(request, mask, request.preferred[:number])
    found = _conflict(negotiation, granted | group, budget)
    return Reason.OUTRANKED, found.rules if found else ()


def _granted(request: Request, mask: int, groups: Sequence[int]) -> int:
    return request.required | union(group for group in groups if not group & ~mask)


def _added_by(negotiation: Negotiation, mask: int, bit: int, budget: Budget) -> tuple[Rule, ...]:
    # The rules that made a bit necessary, from the bit back to one that was asked for. The mask is
    # minimal, so without the bit some rule would be broken: that is the first link.
    rules = negotiation.rules
    asked = _granted(negotiation.request, mask, negotiation.request.preferred)
    # Take the bit away, and what needs it, and so on, until something breaks that was asked for.
    removed = bit
    rounds: list[list[Requires]] = []
    while True:
        budget.spend(len(rules))
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
        lacks = _required_by(chain[0])
        chain.insert(0, next(rule for rule in needy if rule.flag & mask & lacks))
    return tuple(chain)


def _required_by(rule: Rule) -> int:
    # The bits whose absence can break a rule.
    if not isinstance(rule, (Requires, Always)):
        return MASK
    return union(rule.operands[isinstance(rule, Requires) :])
