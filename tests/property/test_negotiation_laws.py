"""Laws of every answer, over the random cases of the proof."""

from __future__ import annotations

import copy
import pickle
from random import Random

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from gmemflags import (
    NegotiationError,
    Prerequisites,
    Problem,
    Reason,
    Request,
    Resolution,
    Role,
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
    case = random_case(draw(st.randoms(use_true_random=False)))
    if not readable(case):
        case = case._replace(listed=case.listed & 0x7FFFFFFF)
    request = request_of(case)
    if draw(st.booleans()):
        groups = draw(st.lists(masks, max_size=4))
        request = evolve(request, preferred=groups, forbidden=draw(masks) & ~request.required)
    return support_of(case), request


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
        names_something = problem.bits or problem.rules or problem.need
        about = support_words(answer)
        assert problem.message.strip()
        assert names_something or any(word in problem.message for word in about)
    for bit in bits(mask | 1):
        assert f"bit {bit.bit_length() - 1}" in answer.why(bit)
    for text in answer.advice:
        assert text.strip()


def support_words(answer: Resolution) -> tuple[str, str]:
    """What a problem without bits, rules or needs is about: the host, or the catalog."""
    return answer.support.origin, answer.support.catalog.name


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
        assert suggestion.change
        assert suggestion.request != request
        assert resolve(support, suggestion.request).mask == suggestion.mask


@given(negotiations(), st.randoms(use_true_random=False))
def test_order_does_not_matter(case: tuple[Support, Request], random: Random) -> None:
    """Rules in another order give the same answer."""
    support, request = case
    rules = list(support.catalog.rules)
    random.shuffle(rules)
    shuffled = support.under(evolve(support.catalog, rules=rules))
    one, other = resolve(support, request), resolve(shuffled, request)
    assert one.ok is other.ok
    if one.ok:
        assert one.mask == other.mask


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
