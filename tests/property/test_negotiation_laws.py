"""Laws of every answer, over the random cases of the proof."""

from __future__ import annotations

import copy
import pickle
import re
from random import Random

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from gmemflags import (
    Hosts,
    NegotiationError,
    Prerequisites,
    Problem,
    Reason,
    Request,
    Role,
    Scope,
    Support,
    bits,
    negotiate,
    resolve,
)
from tests.property.exhaustive import random_case
from tests.property.test_negotiation_proof import readable, request_of, support_of
from tests.strategies import masks


@st.composite
def negotiations(draw: st.DrawFn) -> tuple[Support, Request]:
    """A host and a request, half of the time with groups that may hold anything."""
    case = random_case(Random(draw(st.integers(0, 1 << 32))))  # noqa: S311  # chance, no secret
    if not readable(case):
        case = case._replace(listed=case.listed & 0x7FFFFFFF)
    support = support_of(case)
    request = request_of(case, support.catalog)
    if draw(st.booleans()):
        groups = draw(st.lists(masks, max_size=4))
        request = evolve(request, preferred=groups, forbidden=draw(masks) & ~request.required)
    return support, request


@given(negotiations())
def test_ok_means_no_problem_and_a_mask(case: tuple[Support, Request]) -> None:
    """An answer is a mask without problems, or problems without a mask."""
    answer = resolve(*case)
    assert answer.ok is not bool(answer.problems)
    if answer.ok:
        assert negotiate(*case) == answer
        assert int(answer.flags) == answer.mask
        return
    for use in (lambda: answer.mask, lambda: answer.flags, answer.pin, lambda: negotiate(*case)):
        with pytest.raises(NegotiationError) as caught:
            use()
        assert caught.value.resolution == answer


@given(negotiations())
def test_a_mask_is_supported_allowed_and_asked_for(case: tuple[Support, Request]) -> None:
    """It lies in what the host lists, holds nothing forbidden, and with REFUSE nothing unnamed."""
    support, request = case
    answer = resolve(support, request)
    if not answer.ok:
        return
    mask = answer.mask
    assert not mask & ~support.mask
    assert not mask & ~support.catalog.named
    assert not mask & request.forbidden
    assert not request.required & ~mask
    if request.prerequisites is Prerequisites.REFUSE:
        union = request.required
        for group in request.preferred:
            union |= 0 if group & ~mask else group
        assert mask == union


@given(negotiations())
def test_every_bit_and_every_group_has_one_outcome(case: tuple[Support, Request]) -> None:
    """Each bit that is named or added is told once, and so is each group, in order."""
    answer = resolve(*case)
    request = answer.request
    named = request.required | request.forbidden | (answer.mask if answer.ok else 0)
    for group in request.preferred:
        named |= group
    told = [outcome.bits for outcome in answer.outcomes if outcome.role is not Role.GROUP]
    assert tuple(told) == bits(named)
    groups = [outcome for outcome in answer.outcomes if outcome.role is Role.GROUP]
    assert tuple(outcome.bits for outcome in groups) == request.preferred
    mask = answer.mask if answer.ok else None
    for outcome in answer.outcomes:
        assert outcome.granted is (mask is not None and not outcome.bits & ~mask)


@given(negotiations(), masks)
def test_no_text_is_empty_or_nameless(case: tuple[Support, Request], mask: int) -> None:
    """Every problem names something, and every bit has a why."""
    answer = resolve(*case)
    assert answer.headline.strip()
    assert len(str(answer).splitlines()) >= 3
    for problem in answer.problems:
        assert problem.message.strip()
        assert problem.bits or problem.rules or problem.need or ABOUT.search(problem.message)
    for bit in bits(mask | 1):
        assert f"bit {bit.bit_length() - 1}" in answer.why(bit)
    for text in answer.advice:
        assert text.strip()


# What a problem without bits, rules or needs is about: the host's guest_memfd, scope or catalog.
ABOUT = re.compile(r"guest_memfd|GUEST_MEMFD|could offer at most|pinned to the catalog")


@given(negotiations())
def test_a_pinned_answer_is_the_same_answer(case: tuple[Support, Request]) -> None:
    """``pin`` gives exactly this mask on this host, and nothing under another catalog."""
    support, request = case
    answer = resolve(support, request)
    if not answer.ok:
        return
    pinned = answer.pin()
    assert resolve(support, pinned).mask == answer.mask
    other = support.under(evolve(support.catalog, name="another"))
    assert not resolve(other, pinned).ok


@given(negotiations())
def test_every_suggestion_works(case: tuple[Support, Request]) -> None:
    """What is suggested was tried: it resolves to its mask. There are at most three."""
    support, request = case
    answer = resolve(support, request)
    assert len(answer.suggestions) <= 3
    assert not (answer.ok and answer.suggestions)
    for suggestion in answer.suggestions:
        assert suggestion.change.endswith(")")
        assert f"{suggestion.mask:#x}" in suggestion.change
        assert suggestion.request != request
        assert resolve(support, suggestion.request).mask == suggestion.mask


@given(negotiations())
def test_no_suggestion_abandons_what_was_asked_for(case: tuple[Support, Request]) -> None:
    """Needs, pin and names stay; a flag is preferred at least; something required is granted."""
    support, request = case
    for suggestion in resolve(support, request).suggestions:
        changed = suggestion.request
        assert (changed.needs, changed.digest) == (request.needs, request.digest)
        assert changed.flag_names == request.flag_names
        given_up = request.required & ~changed.required
        assert not given_up & ~support.catalog.named
        preferred = changed.preferred[len(request.preferred) :]
        assert changed.preferred[: len(request.preferred)] == request.preferred
        assert sorted(preferred) == list(bits(given_up))
        assert bool(suggestion.mask & request.required) >= bool(request.required)
        assert not changed.forbidden & ~request.forbidden
        assert changed.until <= request.until


@given(negotiations())
def test_a_suggestion_says_what_it_is_not_good_for(case: tuple[Support, Request]) -> None:
    """Each rule of a later stage that its mask breaks, and that a device is no VM."""
    support, request = case
    for suggestion in resolve(support, request).suggestions:
        changed = suggestion.request
        late = [rule for rule in support.catalog.rules if rule.stage > changed.until]
        broken = [
            rule
            for rule in late
            if not rule.holds(suggestion.mask)
            and not (
                support.scope is Scope.SYSTEM
                and (rule.hosts.vm_types or rule.hosts.except_vm_types)
            )
            and rule.hosts.include(support.host.machine, support.host.vm_type) is not False
        ]
        device = changed.scope is not request.scope
        assert len(suggestion.caveats) == len(broken) + device
        assert str(suggestion).startswith(suggestion.change)
        assert all(caveat in str(suggestion) for caveat in suggestion.caveats)


@given(negotiations(), st.randoms(use_true_random=False))
def test_order_does_not_matter(case: tuple[Support, Request], random: Random) -> None:
    """Rules, their hosts, and needs in another order give the same answer, reasons included."""
    support, request = case
    rules = [
        evolve(
            rule,
            hosts=Hosts(
                machines=random.sample(rule.hosts.machines, len(rule.hosts.machines)),
                vm_types=random.sample(rule.hosts.vm_types, len(rule.hosts.vm_types)),
                except_vm_types=random.sample(
                    rule.hosts.except_vm_types, len(rule.hosts.except_vm_types)
                ),
            ),
        )
        for rule in support.catalog.rules
    ]
    random.shuffle(rules)
    shuffled = support.under(evolve(support.catalog, rules=rules))
    needs = random.sample(request.needs, len(request.needs))
    one, other = resolve(support, request), resolve(shuffled, evolve(request, needs=needs))
    assert one.ok is other.ok
    if one.ok:
        assert one.mask == other.mask
    assert {facts_of(it) for it in one.problems} == {facts_of(it) for it in other.problems}
    assert [(it.bits, it.reason) for it in one.outcomes] == [
        (it.bits, it.reason) for it in other.outcomes
    ]


def facts_of(problem: Problem) -> tuple[object, ...]:
    """A problem without its sentence; rules by what they say."""
    rules = frozenset(
        (type(rule), rule.stage, rule.operands, frozenset(rule.hosts.kinds))
        for rule in problem.rules
    )
    return problem.reason, problem.bits, rules, problem.need


@given(negotiations())
def test_an_open_condition_counts_as_met(case: tuple[Support, Request]) -> None:
    """No rule that applies, or may apply, is broken by a yes; that it may is said."""
    support, request = case
    answer = resolve(support, request)
    for rule in support.catalog.rules:
        here = rule.hosts.include(support.host.machine, support.host.vm_type)
        if support.scope is Scope.SYSTEM and (rule.hosts.vm_types or rule.hosts.except_vm_types):
            here = False
        if rule.stage <= request.until and here is not False and answer.ok:
            assert rule.holds(answer.mask)
        if rule.stage <= request.until and here is None:
            assert any(text.startswith("applied to be safe: ") for text in answer.advice)


@given(negotiations(), masks)
def test_a_larger_host_never_fails_a_satisfied_requirement(
    case: tuple[Support, Request], more: int
) -> None:
    """Where a request is granted, it is granted on a host that lists more."""
    support, request = case
    if not resolve(support, request).ok:
        return
    listed = (support.mask | more) & ~0xFFFFF000_FFFFF000  # no word that looks like an errno
    answers = {**support.answers, "GUEST_MEMFD_FLAGS": listed & 0xFFFFFFFF | support.mask}
    if "GUEST_MEMFD_FLAGS_HI" in answers:
        answers["GUEST_MEMFD_FLAGS"] = (listed | support.mask) & 0xFFFFFFFF
        answers["GUEST_MEMFD_FLAGS_HI"] = (listed | support.mask) >> 32
    answers["GUEST_MEMFD_FLAGS"] = signed(answers["GUEST_MEMFD_FLAGS"])
    larger = evolve(support, answers=answers)
    assert not support.mask & ~larger.mask
    assert resolve(larger, request).ok


def signed(value: int) -> int:
    """A mask as the C long that carries it."""
    return value - (1 << 64) if value >> 63 else value


def conflict(support: Support, request: Request) -> Problem | None:
    """The problem with the rules, if there is one."""
    return next((problem for problem in resolve(support, request).problems if problem.rules), None)


@given(negotiations())
def test_a_conflict_is_minimal(case: tuple[Support, Request]) -> None:
    """Its rules and bits alone give the same reason; without any one of them there is another."""
    support, request = case
    found = conflict(support, request)
    if not found:
        return
    alone = support.under(evolve(support.catalog, rules=found.rules))
    again = conflict(alone, request)
    assert again is not None
    assert again.reason is found.reason
    for rule in found.rules:
        fewer = [other for other in found.rules if other is not rule]
        without = conflict(support.under(evolve(support.catalog, rules=fewer)), request)
        assert without is None or without.reason is not found.reason
    if found.reason is Reason.MISSING_PREREQUISITE:  # other bits would be named by the request
        return
    again = conflict(alone, evolve(request, required=found.bits))
    assert again is not None
    assert again.reason is found.reason
    for bit in bits(found.bits):
        without = conflict(alone, evolve(request, required=found.bits & ~bit))
        assert without is None or without.reason is not found.reason


@given(negotiations())
def test_answers_are_values(case: tuple[Support, Request]) -> None:
    """They pickle, copy and compare, with all that hangs on them."""
    answer = resolve(*case)
    thawed = pickle.loads(pickle.dumps(answer))  # noqa: S301  # our own bytes
    for again in (thawed, copy.deepcopy(answer), resolve(*case)):
        assert again == answer
        assert str(again) == str(answer)
        assert again.outcomes == answer.outcomes
        assert again.suggestions == answer.suggestions
