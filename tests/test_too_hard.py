"""Rules that are too hard: an error that is neither a yes nor a no, and never a guess."""

import pickle
from collections.abc import Callable
from itertools import combinations, permutations

import pytest
from attrs import evolve

from gmemflags import (
    MAINLINE,
    Always,
    Catalog,
    Excludes,
    GmemFlagsError,
    NegotiationTooHardError,
    Never,
    Prerequisites,
    Reason,
    Request,
    Requires,
    Rule,
    Support,
    baseline,
    compare,
    query,
    resolve,
)
from gmemflags._decision import Verdict, decide
from gmemflags.testing import FakeBackend
from tests.trees import BAR, BAR_NEEDS_FOO, BAZ, FOO, FOO_EXCLUDES_BAR, SAID, flag_class, host

# A program that asks for the best of all masks which hit 256 sets of three flags.
HITTING_SETS = """
from random import Random
from attrs import evolve
from gmemflags import (
    MAINLINE, Always, Catalog, FlagWord, NegotiationTooHardError, Prerequisites, Request, query,
    resolve,
)
from gmemflags.testing import FakeBackend
import sys

random = Random(int(sys.argv[1]))
flags = FlagWord("Many", {f"FLAG_{number}": 1 << number for number in range(64)})
rules = [
    Always(any_of=[1 << number for number in random.sample(range(64), 3)], why="So.", source="test")
    for _ in range(256)
]
numbers = {**MAINLINE.capabilities, "GUEST_MEMFD_FLAGS_HI": 300}
tree = Catalog("hitting-sets", flags, numbers, rules)
hosts = {
    "narrow": query(FakeBackend.narrow(0x7FFF_FFFF), tree),
    "split": query(FakeBackend.split(0x7FFF_FFFF_7FFF_FFFF, flags_hi=300), tree),
    "wide": query(FakeBackend.wide(0x7FFF_FFFF_FFFF_FFFF), tree),
}
try:
    answer = resolve(hosts[sys.argv[2]], Request(prerequisites=Prerequisites.ADD))
except NegotiationTooHardError as error:
    print("too hard", error.catalog, error.catalog in str(error), error.steps > 0)
else:
    valid = answer.ok and all(rule.holds(answer.mask) for rule in rules)
    print("granted" if valid else "refused", answer.headline)
"""


def pigeons() -> Support:
    """A host on which each of bits 56 and 57 needs eight pigeons in seven holes, one each."""
    holes = [[1 << (pigeon * 7 + hole) for hole in range(7)] for pigeon in range(8)]
    rules: list[Rule] = [Requires(3 << 56, any_of=mine, **SAID) for mine in holes]
    for hole in range(7):
        rules += [Excludes(a[hole], b[hole], **SAID) for a, b in combinations(holes, 2)]
    flags = flag_class({f"FLAG_{number}": 1 << number for number in range(58)})
    tree = Catalog("pigeons", flags, MAINLINE.capabilities, rules)
    return query(FakeBackend.wide((1 << 58) - 1), tree)


CASES = {
    "granted": (host(), Request(required=FOO, preferred=[BAR, BAZ])),
    "refused by a rule": (host(BAR, BAR_NEEDS_FOO), Request(required=BAR)),
    "refused by two": (
        host(FOO | BAR, BAR_NEEDS_FOO, FOO_EXCLUDES_BAR),
        Request(required=BAR, preferred=[FOO]),
    ),
    "no valid mask": (host(FOO, Always(FOO, **SAID), Never(FOO, **SAID)), Request()),
    "refused by the host": (host(FOO), Request(required=BAR)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_short_budget_is_never_a_wrong_answer(case: str) -> None:
    """Whatever ends it, there is the right mask, a refusal with a reason, or the error."""
    support, request = CASES[case]
    right = resolve(support, request)
    for steps in range(200):
        verdict = decided(support, request, steps)
        if isinstance(verdict, NegotiationTooHardError):
            assert (verdict.catalog, verdict.steps) == ("a-tree", steps)
        elif verdict.mask is None:
            assert verdict.findings
            assert not right.ok
        else:
            assert verdict.mask == right.mask


def decided(support: Support, request: Request, steps: int) -> Verdict | NegotiationTooHardError:
    """The verdict within so many steps, or the error that says that they are not enough."""
    try:
        return decide(support, request, steps)
    except NegotiationTooHardError as error:
        return error


def test_the_error_says_which_catalog() -> None:
    """It is one of ours, pickles, and says what to do."""
    error = NegotiationTooHardError("a-tree", 100)
    assert isinstance(error, GmemFlagsError)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301  # our own bytes
    assert str(error).startswith("catalog a-tree: no answer within 100 steps: ")


def test_the_reason_does_not_depend_on_the_order_of_rules() -> None:
    """Nor does the sentence: the rules alone leave no mask, whatever is required."""
    rules = [Always(FOO, **SAID), Never(FOO, **SAID), Never(BAR, **SAID)]
    for want in (Request(required=BAR), Request(required=FOO), Request(), Request(required=BAZ)):
        told: set[str] = set()
        for order in permutations(rules):
            (problem,) = resolve(host(FOO | BAR | BAZ, *order), want).problems
            assert (problem.reason, problem.bits) == (Reason.NO_VALID_MASK, 0)
            assert problem.rules == (rules[0], rules[1])
            told.add(str(problem))
        assert len(told) == 1


def test_a_budget_without_a_step() -> None:
    """Nothing is known then, and nothing is said."""
    support, request = CASES["refused by two"]
    with pytest.raises(NegotiationTooHardError, match=r"^catalog a-tree: no answer within 0 steps"):
        decide(support, request, 0)


@pytest.mark.parametrize("shape", ["narrow", "split", "wide"])
def test_256_rules_one_of_three(shape: str, python: Callable[..., list[str]]) -> None:
    """In seconds there is the error, which names the catalog, or a mask that obeys every rule."""
    (line,) = python(HITTING_SETS, 1, shape)
    assert line == "too hard hitting-sets True True" or line.startswith(
        "refused" if shape == "narrow" else "granted"
    )


def test_what_became_of_a_group_may_stay_unsettled() -> None:
    """That two groups are impossible takes nearly all steps; what is left does not say why."""
    request = Request(preferred=[1 << 56, 1 << 57], prerequisites=Prerequisites.ADD)
    answer = resolve(pigeons(), request)
    assert answer.mask == 0
    assert {outcome.reason for outcome in answer.outcomes} == {Reason.UNSETTLED}
    assert answer.why(1 << 56).endswith(": the budget of steps ended before it was known why")


def test_thousands_of_groups_are_within_the_budget() -> None:
    """Each group that is not granted is weighed against all before it, as far as the steps go."""
    groups = [0b011, *(0b110 | 1 << 8 + n % 20 for n in range(3000))]
    tree = Catalog("t", flag_class({f"F{n}": 1 << n for n in range(31)}), MAINLINE.capabilities)
    excludes = Excludes(0b001, 0b100, why="So.", source="test")
    support = query(FakeBackend.narrow(0x7FFF_FFFF), evolve(tree, rules=[excludes]))
    answer = resolve(support, Request(preferred=groups))
    assert answer.mask == 0b011
    reasons = [outcome.reason for outcome in answer.outcomes]
    assert (reasons[-3000], reasons[-1]) == (Reason.OUTRANKED, Reason.UNSETTLED)


def test_alternatives_count_when_clauses_are_made() -> None:
    """A rule of 300,000 alternatives of one bit is one clause, and is made for every question."""
    rules = [
        Requires(1 << n, any_of=[1 << k % 31 for k in range(10_000)], why="So.", source="test")
        for n in range(30)
    ]
    flags = flag_class({f"F{n}": 1 << n for n in range(31)})
    support = query(
        FakeBackend.narrow(0x7FFF_FFFF), Catalog("t", flags, MAINLINE.capabilities, rules)
    )
    assert decide(support, Request(required=1 << 30)).mask == 1 << 30
    with pytest.raises(NegotiationTooHardError):
        decide(support, Request(required=1 << 30), 200_000)
    assert "too hard" in compare(support, support).doubts[-1]


def test_a_comparison_that_is_not_finished_is_not_safe() -> None:
    """What the rules of a host rule out was not found out for every flag."""
    hard = pigeons()
    comparison = compare(hard, hard)
    assert not comparison.lost
    assert not comparison.safe
    assert "too hard" in comparison.doubts[-1]


def test_a_baseline_says_what_it_knows() -> None:
    """Its flags are those that all hosts list, however hard their rules are."""
    hard = pigeons()
    assert baseline([hard, hard]).support.mask == hard.mask


def test_a_refusal_says_that_not_every_change_was_tried() -> None:
    """Why two groups are impossible takes nearly all steps, so no change is known to help."""
    answer = resolve(pigeons(), Request(required=1 << 56, prerequisites=Prerequisites.ADD))
    assert not answer.ok
    assert answer.advice[-1] == "not every change was tried: the budget of steps was used up"


def test_a_short_budget_may_be_enough_for_the_answer_alone() -> None:
    """What the host refuses needs no step, so the refusal stands when the rules are too hard."""
    request = Request(required=1 << 56 | 1 << 60, prerequisites=Prerequisites.ADD)
    verdict = decided(pigeons(), request, 1000)
    assert isinstance(verdict, Verdict)
    assert [finding.bits for finding in verdict.findings] == [1 << 60]


def test_a_headline_is_one_line_that_can_be_read() -> None:
    """A rule of thousands of alternatives is told by the first of them."""
    ways = [1 << a | 1 << b for a, b in combinations(range(1, 31), 2)]
    rule = Requires(1, any_of=ways, why="So.", source="test")
    flags = flag_class({f"F{n}": 1 << n for n in range(31)})
    tree = Catalog("t", flags, MAINLINE.capabilities, [rule])
    answer = resolve(query(FakeBackend.narrow(0x7FFF_FFFF), tree), 1)
    assert answer.headline.startswith(
        "refused on a fake host: F0 requires one of F1|F2, F1|F3, F1|F4, F1|F5 and 431 more: "
    )
    assert "F1|F30, F2|F3, " in str(answer)


def test_why_a_bit_was_added_may_stay_unsettled() -> None:
    """A long chain among thousands of rules takes steps of the budget, too."""
    last = 40
    rules: list[Rule] = [
        *(Requires(1 << n, all_of=2 << n, why="So.", source="test") for n in range(last)),
        *(Excludes(1 << 50, 1 << 51, why=f"{n}", source="test") for n in range(5000)),
    ]
    flags = flag_class({f"F{n}": 1 << n for n in range(52)})
    tree = Catalog("t", flags, MAINLINE.capabilities, rules)
    host = query(FakeBackend.wide((2 << last) - 1), tree)
    answer = resolve(host, Request(required=1, prerequisites=Prerequisites.ADD))
    assert answer.mask == (2 << last) - 1
    assert str(answer.outcomes[1]) == "F1 (bit 1, 0x2) is added: F0 requires F1"
    assert str(answer.outcomes[-1]).endswith(
        " is added: the budget of steps ended before it was known why"
    )
