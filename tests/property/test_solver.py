"""The solver's laws, on rules and clauses of every kind: every mask that there is was tried too."""

from collections.abc import Iterator, Sequence
from itertools import chain
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmemflags import Always, Excludes, Never, Refused, Requires, Rule
from gmemflags._masks import MASK
from gmemflags._solver import (
    ALWAYS,
    STEPS,
    Budget,
    Clause,
    OutOfSteps,
    absent,
    clause,
    core,
    possible,
    solve,
    whole_groups,
)

WIDTH = 10
WHY = "It is so."


class Question(NamedTuple):
    """What the solver is asked."""

    must: int
    may: int
    clauses: list[Clause]
    groups: list[int]

    def masks(self) -> Iterator[int]:
        """Every mask between ``must`` and ``may``."""
        free = self.may & ~self.must
        extra = 0
        while not self.must & ~self.may:
            yield self.must | extra
            extra = (extra - free) & free
            if not extra:
                return

    def valid(self, clauses: Sequence[Clause] | None = None) -> list[int]:
        """The masks on which every clause holds."""
        wanted = self.clauses if clauses is None else clauses
        return [mask for mask in self.masks() if all(true_of(mask, each) for each in wanted)]

    def best(self) -> int | None:
        """The best of them, in the words of the specification."""
        return min(
            self.valid(),
            key=lambda mask: (
                [group & mask != group for group in self.groups],
                mask.bit_count(),
                mask,
            ),
            default=None,
        )


def true_of(mask: int, item: Clause) -> bool:
    """Whether a clause holds on a mask, word by word."""
    when, every, one, many = item
    true = mask | ALWAYS | absent(MASK & ~mask)
    if not when & true:
        return True
    asked = bool(one or many)
    some = one & true or any(other & mask == other for other in many)
    return every & true == every and bool(not asked or some)


# --- rules of every kind -----------------------------------------------------------------------

masks = st.integers(0, (1 << WIDTH) - 1)
# Few bits, as in real rules; then most sets of rules leave some mask.
few = st.sets(st.integers(0, WIDTH - 1), max_size=3).map(lambda some: sum(1 << n for n in some))
operands = few | masks
alternatives = st.lists(few | masks, max_size=4).map(tuple)


def requires(flag: int, all_of: int, any_of: tuple[int, ...]) -> Rule:
    """A rule of this kind."""
    return Requires(flag, all_of=all_of, any_of=any_of, why=WHY, source="")


def excludes(a: int, b: int) -> Rule:
    """A rule of this kind."""
    return Excludes(a, b, why=WHY, source="")


def always(all_of: int, any_of: tuple[int, ...]) -> Rule:
    """A rule of this kind."""
    return Always(all_of, any_of=any_of, why=WHY, source="")


def never(mask: int) -> Rule:
    """A rule of this kind."""
    return Never(mask, why=WHY, source="")


def refused(mask: int) -> Rule:
    """A rule of this kind."""
    return Refused(mask, why=WHY, source="")


rules = st.one_of(
    st.builds(requires, operands, st.just(0) | operands, alternatives),
    st.builds(excludes, operands, operands),
    st.builds(always, st.just(0) | few, alternatives),
    st.builds(never, few),
    st.builds(refused, operands),
)
questions = st.builds(
    Question,
    few | masks,
    masks | st.just((1 << WIDTH) - 1),
    st.lists(rules, max_size=8).map(
        lambda listed: [each for rule in listed for each in rule.clauses(MASK)]
    ),
    st.lists(operands, max_size=4),
)


@given(st.lists(rules, max_size=6), masks, masks)
def test_the_clauses_of_rules_say_what_the_rules_say(
    listed: list[Rule], may: int, mask: int
) -> None:
    """A mask inside ``may`` obeys the clauses for ``may`` exactly if every rule holds on it."""
    mask &= may
    clauses = [each for rule in listed for each in rule.clauses(may)]
    assert len(clauses) <= len(listed)
    expected = all(rule.holds(mask) for rule in listed)
    assert all(true_of(mask, each) for each in clauses) is expected
    assert possible(mask, mask, clauses, Budget()) is expected


@given(questions)
def test_the_answer_is_the_best_of_all_masks(question: Question) -> None:
    """Most groups in order, then fewest bits, then the smallest number; None where none is."""
    best = question.best()
    assert solve(*question, Budget()) == best
    assert possible(*question[:3], Budget()) is (best is not None)


@given(questions, st.randoms(use_true_random=False))
def test_the_order_of_clauses_never_matters(question: Question, random: Random) -> None:
    """Nor does a clause that is there twice."""
    shuffled = [*question.clauses, *question.clauses[:2]]
    random.shuffle(shuffled)
    assert solve(*question._replace(clauses=shuffled), Budget()) == solve(*question, Budget())


@given(masks, st.lists(operands, max_size=5), masks)
def test_only_whole_groups(required: int, groups: list[int], may: int) -> None:
    """The masks are those that are the required bits joined with whole groups."""
    clauses = whole_groups(required, groups, may, Budget())
    question = Question(required & may, may, clauses, [])
    for mask in question.masks():
        joined = required & may
        for group in groups:
            joined |= group if group & mask == group else 0
        assert all(true_of(mask, each) for each in clauses) is (joined == mask)


@given(questions, st.integers(0, 300))
def test_steps_never_exceed_the_budget(question: Question, few_steps: int) -> None:
    """With fewer steps than it takes there is no answer; with as many or more, the same one."""
    budget = Budget()
    answer = solve(*question, budget)
    needed = STEPS - budget.left
    small = Budget(few_steps)
    if few_steps < needed:
        with pytest.raises(OutOfSteps):
            solve(*question, small)
        assert small.left == 0
    else:
        assert solve(*question, small) == answer
        assert small.left == few_steps - needed


# --- clauses of any shape ----------------------------------------------------------------------


def some(random: Random, width: int, odds: float) -> int:
    """A mask of some of the low bits."""
    return sum(1 << number for number in range(width) if random.random() < odds)


def random_clause(random: Random, width: int) -> Clause:
    """A clause, also of a shape that no rule has."""

    def literals(odds: float) -> int:
        return some(random, width, odds) | absent(some(random, width, odds))

    return clause(
        ALWAYS if random.random() < 0.3 else some(random, width, 0.2),
        literals(0.08) if random.random() < 0.5 else 0,
        literals(0.08) if random.random() < 0.3 else 0,
        [some(random, width, 0.3) for _ in range(random.choice([0, 0, 1, 2, 3]))],
    )


def random_question(random: Random) -> Question:
    """A question about up to eight bits."""
    width = random.randint(1, 8)
    clauses = [random_clause(random, width) for _ in range(random.randint(0, 9))]
    groups = [some(random, width, 0.3) for _ in range(random.randint(0, 4))]
    return Question(some(random, width, 0.1), some(random, width, 0.95), clauses, groups)


@pytest.mark.parametrize("part", range(10))
def test_the_answer_is_the_best_for_clauses_of_any_shape(part: int) -> None:
    """Alternatives that contradict each other, clauses that nothing satisfies, and the like."""
    random = Random(f"solve {part}")  # noqa: S311  # chance, not secrets
    for _ in range(100):
        question = random_question(random)
        best = question.best()
        assert solve(*question, Budget()) == best
        assert possible(*question[:3], Budget()) is (best is not None)


# --- conflicts ---------------------------------------------------------------------------------


def first_minimal(question: Question, fixed: list[Clause], parts: list[list[Clause]]) -> list[int]:
    """The indices of the parts of the canonical conflict, by trying every mask."""
    found: list[int] = []
    end = len(parts)

    def impossible(indices: Sequence[int]) -> bool:
        return not question.valid([*fixed, *chain.from_iterable(parts[index] for index in indices)])

    while not impossible(found):
        end = next(size for size in range(end + 1) if impossible([*range(size), *found])) - 1
        found.append(end)
    return sorted(found)


def check_core(question: Question, fixed: list[Clause], parts: list[list[Clause]]) -> None:
    """A conflict is impossible, nothing of it can be left out, and it is the canonical one."""
    bits, used, minimal = core(*question[:2], fixed, parts, Budget())
    assert minimal
    assert list(used) == first_minimal(question, fixed, parts)

    def left(must: int, indices: Sequence[int]) -> list[int]:
        clauses = [*fixed, *chain.from_iterable(parts[index] for index in indices)]
        return question._replace(must=must).valid(clauses)

    assert bits & ~question.must == 0
    assert not left(bits, used)
    for index in used:
        assert left(bits, [other for other in used if other != index])
    for number in range(WIDTH):
        assert not bits >> number & 1 or left(bits & ~(1 << number), used)


@given(questions, st.integers(0, 3))
def test_a_conflict_of_rules_is_minimal_and_canonical(question: Question, count: int) -> None:
    """What is fixed holds besides, and is no part of it."""
    if not question.valid():
        fixed, rest = question.clauses[:count], question.clauses[count:]
        check_core(question, fixed, [[each] for each in rest])


@pytest.mark.parametrize("part", range(10))
def test_a_conflict_of_clauses_of_any_shape_is_minimal_and_canonical(part: int) -> None:
    """Parts may have several clauses, or none; and the bits may be impossible by themselves."""
    random = Random(f"core {part}")  # noqa: S311  # as above
    seen = 0
    while seen < 25:
        question = random_question(random)
        if question.valid():
            continue
        seen += 1
        fixed = question.clauses[:1]
        parts = [question.clauses[1:2], [], question.clauses[2:4]]
        parts += [[each] for each in question.clauses[4:]]
        check_core(question, fixed, parts)


@given(questions, st.integers(0, 60))
def test_a_conflict_is_one_with_any_budget(question: Question, few_steps: int) -> None:
    """Where the steps do not suffice it is impossible all the same, and says so."""
    if question.valid():
        return
    parts = [[each] for each in question.clauses]
    whole = core(*question[:2], [], parts, Budget())
    budget = Budget(few_steps)
    bits, used, minimal = core(*question[:2], [], parts, budget)
    assert 0 <= budget.left <= few_steps
    clauses = [question.clauses[index] for index in used]
    assert not question._replace(must=bits).valid(clauses)
    assert not minimal or (bits, used, minimal) == whole
