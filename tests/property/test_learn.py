"""Learning against brute force: what the rules allow, what they claim, and that none is idle."""

import errno
from collections.abc import Callable, Iterable
from itertools import product

from hypothesis import assume, example, given
from hypothesis import strategies as st

from gmemflags import Always, Excludes, Never, Prerequisites, Request, Requires, Stage, bits, lint, resolve
from gmemflags import Rule
from gmemflags.linux import ProbeReport
from tests.probing import Judge, always, excludes, never, reported, requires, subsets, swept, tree
from tests.property.hidden import kernels

TREE = tree(*"ABCDEFGH")
ERRNOS = (0, 0, 0, errno.EINVAL, errno.EINVAL, errno.EINVAL, errno.ENOMEM)

Holds = Callable[[int], bool]


SIX = subsets(0b11_1111)
# What was seen of six bits, some of them listed: anything, so also what no kernel would do.
partial = st.builds(
    reported,
    st.just(TREE),
    st.sampled_from(SIX),
    st.dictionaries(st.sampled_from(SIX), st.sampled_from(ERRNOS), max_size=40),
)
reports = partial | kernels.map(lambda kernel: swept(TREE, *kernel))


# A, B and C require each other, as far as refusals show: A and B, B and C, but not A and C.
RING_IN_PART = reported(TREE, 0b111, {0: 0, 0b111: 0, 0b101: 22, 0b010: 22})
# A and B come together only; that they exclude C is seen of B alone.
CLASS_IN_PART = reported(TREE, 0b111, {0: 0, 0b011: 0, 0b100: 0, 0b001: 22, 0b010: 22, 0b110: 22})
# A requires C, B requires D, and C excludes D: so A excludes B, which is seen as well.
SQUARE_IN_PART = reported(
    TREE, 0xF, {0: 0, 0b0100: 0, 0b1000: 0, 0b0101: 0, 0b1010: 0, 0b0011: 22, 0b1100: 22}
)


def in_part(test: Callable[[ProbeReport], None]) -> Callable[[ProbeReport], None]:
    """Try the reports above as well, besides random ones."""
    for report in (RING_IN_PART, CLASS_IN_PART, SQUARE_IN_PART):
        test = example(report)(test)
    return given(reports)(test)


def allowed(rules: Iterable[Rule]) -> Holds:
    """Whether a mask breaks none of these rules."""
    listed = tuple(rules)
    return lambda mask: all(rule.holds(mask) for rule in listed)


@given(kernels)
def test_rules_and_refused_masks_allow_exactly_what_was_taken(kernel: tuple[int, Judge]) -> None:
    """Over all subsets of the listed bits."""
    listed, judge = kernel
    report = swept(TREE, listed, judge)
    holds = allowed(report.rules)
    says = {mask for mask in subsets(listed) if holds(mask)} - report.unexplained
    assert says == {mask for mask in subsets(listed) if not judge(mask)}
    assert report.complete
    assert not report.undetermined


@in_part
def test_no_rule_contradicts_an_observation(report: ProbeReport) -> None:
    """Whatever was seen, also in part."""
    assert all(rule.holds(mask) for rule in report.rules for mask in report.taken)


@in_part
def test_every_rule_has_a_witness(report: ProbeReport) -> None:
    """Some refused mask breaks it; other errnos than EINVAL bear witness to nothing."""
    for rule in report.rules:
        assert any(not rule.holds(mask) for mask in report.refused)


@in_part
def test_unexplained_are_the_refused_masks_that_no_rule_forbids(report: ProbeReport) -> None:
    """No more and no fewer."""
    holds = allowed(report.rules)
    assert report.unexplained == {mask for mask in report.refused if holds(mask)}


def claims(report: ProbeReport) -> list[Holds]:
    """By brute force: each fact about one bit or two that holds, with a witness."""
    seen = [bit for bit in bits(0xFF) if any(mask & bit for mask in report.taken)]
    dead = [bit for bit in bits(0xFF) if bit not in seen and not bit & report.undetermined]
    facts: list[Holds] = [
        *(lambda mask, a=a: not mask & a for a in dead),
        *(lambda mask, a=a: bool(mask & a) for a in seen),
        *(lambda mask, a=a, b=b: not mask & a or bool(mask & b) for a, b in product(seen, seen)),
        *(
            lambda mask, a=a, b=b: not (mask & a and mask & b)
            for a, b in product(seen, seen)
            if a < b
        ),
    ]
    return [
        fact
        for fact in facts
        if all(fact(mask) for mask in report.taken)
        and any(not fact(mask) for mask in report.refused)
    ]


@in_part
def test_every_fact_about_one_flag_or_two_follows_from_the_rules(report: ProbeReport) -> None:
    """All Requires, Excludes, Always and Never that hold and have a witness."""
    pairwise = [rule for rule in report.rules if not getattr(rule, "any_of", ())]
    holds = allowed(pairwise)
    for fact in claims(report):
        assert all(fact(mask) for mask in subsets(0xFF) if holds(mask))


@in_part
def test_nothing_is_said_of_an_undetermined_flag(report: ProbeReport) -> None:
    """A rule about a flag that was in no mask taken would be a guess, until all was tried."""
    for rule in report.rules:
        for operand in rule.operands:
            assert not operand & report.undetermined


def equivalents(holds: Holds, bit: int) -> int:
    """The bits that are in exactly those masks that ``bit`` is in."""
    masks = [mask for mask in subsets(0xFF) if holds(mask)]
    return sum(
        other
        for other in bits(0xFF)
        if all(bool(mask & bit) == bool(mask & other) for mask in masks)
    )


def weaker(rule: Rule, holds: Holds) -> list[Rule]:
    """``rule`` with one flag less in its last operand, or one class of equivalent flags."""
    if isinstance(rule, Requires):
        parts = {rule.all_of & equivalents(holds, bit) for bit in bits(rule.all_of)}
        return [requires(rule.flag, rule.all_of & ~part) for part in parts]
    if isinstance(rule, Excludes):
        parts = {rule.b & equivalents(holds, bit) for bit in bits(rule.b)}
        return [excludes(rule.a, rule.b & ~part) for part in parts]
    if isinstance(rule, Always):
        return [always(rule.all_of & ~bit) for bit in bits(rule.all_of)]
    assert isinstance(rule, Never)
    return [never(rule.mask & ~bit) for bit in bits(rule.mask & 0xFF)]


@in_part
def test_no_part_of_a_rule_follows_from_the_others(report: ProbeReport) -> None:
    """They are the transitive reduction: with any part left out, more masks are allowed."""
    pairwise = [rule for rule in report.rules if not getattr(rule, "any_of", ())]
    holds = allowed(pairwise)
    for rule in pairwise:
        others = [other for other in pairwise if other is not rule]
        for less in weaker(rule, holds):
            more = allowed([*others, less])
            assert any(more(mask) and not holds(mask) for mask in subsets(0xFF))


@in_part
def test_no_any_of_rule_is_idle(report: ProbeReport) -> None:
    """Without it a mask that was refused would be allowed."""
    for rule in report.rules:
        if getattr(rule, "any_of", ()):
            holds = allowed(other for other in report.rules if other is not rule)
            assert any(holds(mask) for mask in report.refused)


@in_part
def test_any_of_tells_more_than_it_takes(report: ProbeReport) -> None:
    """It has at most one alternative more than refused masks that it explains."""
    for rule in report.rules:
        ways = getattr(rule, "any_of", ())
        broken = sum(not rule.holds(mask) for mask in report.refused)
        assert len(ways) <= broken + 1
        assert len(ways) != 1


@given(kernels, st.data())
def test_nothing_that_is_refused_is_ever_resolved(
    kernel: tuple[int, Judge], data: st.DataObject
) -> None:
    """With the learned catalog, whatever the request."""
    listed, judge = kernel
    report = swept(TREE, listed, judge)
    host = report.support.under(report.as_catalog("learned"))
    masks = st.sampled_from(subsets(0xFF))
    request = Request(
        required=data.draw(masks, "required"),
        preferred=data.draw(st.lists(masks, max_size=4), "preferred"),
        forbidden=data.draw(masks, "forbidden"),
        prerequisites=data.draw(st.sampled_from(Prerequisites), "prerequisites"),
        until=Stage.CREATE,
    )
    answer = resolve(host, request)
    assert not answer.ok or not judge(answer.mask)


@given(kernels)
def test_what_is_taken_is_resolved(kernel: tuple[int, Judge]) -> None:
    """The learned catalog refuses nothing that the kernel takes."""
    listed, judge = kernel
    report = swept(TREE, listed, judge)
    host = report.support.under(report.as_catalog("learned"))
    for mask in subsets(listed):
        assert resolve(host, Request(required=mask, until=Stage.CREATE)).ok is not bool(judge(mask))


@given(kernels)
def test_the_learned_catalog_is_clean(kernel: tuple[int, Judge]) -> None:
    """Lint has nothing to say of it but that no mask can hold what no mask holds."""
    listed, judge = kernel
    report = swept(TREE, listed, judge)
    held = 0
    for mask in report.taken:
        held |= mask
    assume(report.taken)
    dead = [fault for fault in lint(report.as_catalog("learned")) if "no mask can hold" in fault]
    assert list(lint(report.as_catalog("learned"))) == dead
    assert len(dead) == len(bits(listed & ~held))
