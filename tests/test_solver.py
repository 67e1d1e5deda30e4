"""The solver by known answers: what it finds, what a conflict comes down to, and what it costs.

Costs are counted in steps of the budget, never in time.
"""

from collections.abc import Callable, Sequence
from itertools import combinations, pairwise
from typing import Any

import pytest

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

BITS = [1 << number for number in range(64)]
TOP = 1 << 63


def best(
    must: int, may: int, clauses: Sequence[Clause] = (), groups: Sequence[int] = ()
) -> int | None:
    """The best mask within the ordinary budget."""
    return solve(must, may, clauses, groups, Budget())


def one_of(*alternatives: int) -> Clause:
    """Every mask contains one of these."""
    return clause(ALWAYS, any_of=alternatives)


def steps(call: Callable[[Budget], object]) -> int:
    """How many steps a call takes."""
    budget = Budget()
    call(budget)
    return STEPS - budget.left


def steps_of_solving(must: int, may: int, clauses: Sequence[Clause]) -> int:
    """How many steps the best mask takes."""
    return steps(lambda budget: solve(must, may, clauses, (), budget))


# --- clauses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((1, 2), (1, 2, 0, ())),
        ((1, 0, 0, (2, 4)), (1, 0, 6, ())),
        ((1, 0, 0, (2, 12)), (1, 0, 2, (12,))),
        ((1, 0, 2, (12,)), (1, 0, 2, (12,))),
        ((1, 16, 0, (12, 3)), (1, 16, 0, (12, 3))),
        ((1, 16, 0, (2,)), (1, 18, 0, ())),
        ((1, 16, 0, (12,)), (1, 28, 0, ())),
        ((1, 16, 0, (12, 0, 2)), (1, 16, 0, ())),
        ((1, 16, 0, ()), (1, 16, 0, ())),
        ((ALWAYS, 0, absent(1) | 6), (ALWAYS, 0, absent(1) | 6, ())),
        ((ALWAYS, 0, absent(1)), (ALWAYS, absent(1), 0, ())),
        ((ALWAYS, 0, 1), (ALWAYS, 1, 0, ())),
    ],
)
def test_a_single_alternative_is_a_plain_requirement(given: Any, expected: Clause) -> None:
    """Bits are kept as one set, and the empty mask among the alternatives asks for nothing."""
    assert clause(*given) == expected


def test_literals_of_bits_that_are_absent_are_apart_from_those_of_bits() -> None:
    """The two sets share nothing, and ALWAYS is in neither."""
    assert not absent(MASK) & (MASK | ALWAYS)
    assert absent(MASK).bit_count() == 64


# --- the best mask -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clauses", "expected"),
    [
        ([], 0),
        ([one_of(1 << 40)], 1 << 40),
        ([one_of(TOP, 3)], TOP),
        ([one_of(TOP, 2), clause(2, 1)], TOP),
        ([one_of(12, 24, 3)], 3),
        ([clause(ALWAYS, absent(1)), one_of(1, 6)], 6),
        ([one_of(1, 2), clause(1, absent(2 | 4)), one_of(4, 8)], 6),
        ([one_of(1, 6), one_of(2, 5), clause(1, absent(1))], 6),
        ([clause(ALWAYS, one=MASK)], 1),  # not the mask 0
        ([one_of(3), clause(ALWAYS, one=absent(3) | MASK & ~3)], 7),  # not the mask 3
        ([one_of(1), clause(1 | 2, absent(1))], None),
    ],
)
def test_fewest_bits_then_the_smallest_number(clauses: list[Clause], expected: int | None) -> None:
    """Of all masks on which the clauses hold."""
    assert best(0, MASK, clauses) == expected
    assert possible(0, MASK, clauses, Budget()) is (expected is not None)


def test_fewer_bits_are_found_after_the_first_mask() -> None:
    """The most useful bit is tried first, and is left out where two others do."""
    pairs = [(1, 2), (1, 4), (2, 8), (4, 16), (1, 8), (1, 16)]
    assert best(0, 31, [one_of(*pair) for pair in pairs]) == 7


def test_a_high_bit_is_spared_for_low_ones() -> None:
    """Of masks with as few bits the smallest number is the answer, not the first one found."""
    pairs = [(8, 4), (8, 1), (8, 4), (8, 1), (2, 4), (2, 1)]
    assert best(0, 15, [one_of(*pair) for pair in pairs]) == 5


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([1, 2], 1),
        ([2, 1], 2),
        ([3, 2, 1], 2),
        ([12, 2], 14),
        ([4, 4, 1], 5),
        ([1 << 40, 2], 2),
        ([0, 2], 2),
        ([8 | 1, 8 | 2, 1, 2], 9),
    ],
)
def test_an_earlier_group_counts_more_than_all_later_ones(groups: list[int], expected: int) -> None:
    """Bits 0 and 1 exclude each other, and a group is granted whole or not at all."""
    assert best(0, 15, [clause(1, absent(2))], groups) == expected


def test_a_group_that_only_a_search_rules_out() -> None:
    """No clause alone says so: A needs B or C, and either needs D and its absence."""
    clauses = [clause(1, any_of=(2, 4)), clause(6, 8), clause(6, absent(8))]
    apart = [clause(bit, literals) for bit in (2, 4) for literals in (8, absent(8))]
    for each in (clauses, [clauses[0], *apart]):
        assert best(0, 31, each, [1]) == 0
        assert best(0, 31, each, [1, 16]) == 16


def test_what_must_be_and_may_not_be() -> None:
    """No mask has a bit that it may not have."""
    assert best(3, 1) is None
    assert not possible(3, 1, [], Budget())
    assert possible(3, 3, [], Budget())


def test_all_64_bits() -> None:
    """A chain of all bits, from the lowest to the highest and back, forces every one of them."""
    up = [clause(one, other) for one, other in pairwise(BITS)]
    down = [clause(other, one) for one, other in pairwise(BITS)]
    assert best(1, MASK, up) == best(TOP, MASK, down) == MASK
    assert best(1, MASK ^ TOP, up) is None


# --- whole groups ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("required", "groups", "masks"),
    [
        (0, [], {0}),
        (0, [3], {0, 3}),
        (1, [3], {1, 3}),
        (1, [], {1}),
        (0, [3, 6], {0, 3, 6, 7}),
        (0, [1, 3], {0, 1, 3}),
        (0, [3, 3], {0, 3}),
        (8, [3, 8 | 4], {8, 11, 12, 15}),
        (0, [0, 5], {0, 5}),
        (0, [16 | 1, 2], {0, 2}),
    ],
)
def test_only_whole_groups(required: int, groups: list[int], masks: set[int]) -> None:
    """The required bits and whole groups, and no other bits, of the four that may be there."""
    clauses = whole_groups(required, groups, 15, Budget())
    found = {mask for mask in range(16) if possible(mask, mask, clauses, Budget())}
    assert {mask for mask in found if required & mask == required} == masks


def test_bits_of_the_same_groups_share_a_clause() -> None:
    """Three for 64 bits of which 32 are in one group, 16 in both, and 16 in none."""
    low, middle = MASK >> 16, MASK >> 32 & ~(MASK >> 48)
    assert len(whole_groups(0, [low, middle], MASK, Budget())) == 3


def test_the_same_group_a_thousand_times_is_one_group() -> None:
    """Its clause has one alternative, and a few steps are enough."""
    budget = Budget(100)
    assert whole_groups(0, [3, 6] * 1000, 7, budget) == whole_groups(0, [3, 6], 7, Budget())


def test_many_groups_take_steps() -> None:
    """Each of them is held against the sets of bits that the others have made."""
    groups = [3 << number for number in range(63)]
    with pytest.raises(OutOfSteps):
        whole_groups(0, groups, MASK, Budget(1000))


# --- conflicts ---------------------------------------------------------------------------------

A, B, C, D = BITS[:4]


@pytest.mark.parametrize(
    ("must", "parts", "expected"),
    [
        (A, [clause(A, B), clause(B, C), clause(C, absent(A))], (A, (0, 1, 2))),
        (A | B | C, [clause(C, D), clause(A, absent(B))], (A | B, (1,))),
        (A, [one_of(D), clause(D, absent(A)), clause(A, absent(D))], (A, (0, 1))),
        (A, [clause(A, D), clause(A, absent(D)), clause(A, absent(A))], (A, (0, 1))),
        (A | B, [clause(B, absent(B)), clause(A, absent(A))], (B, (0,))),
        (A | B, [clause(A | B, absent(A | B))], (A, (0,))),
        (A, [one_of(D), clause(B, C), clause(ALWAYS, absent(D))], (0, (0, 2))),
        (A, [one_of(B, C), clause(C, B), clause(B, C), clause(A, absent(B))], (A, (0, 1, 3))),
    ],
)
def test_a_conflict_is_the_first_minimal_one(
    must: int, parts: list[Clause], expected: tuple[int, tuple[int, ...]]
) -> None:
    """Of the shortest prefix that is impossible; the bits come after the parts, lowest first."""
    found = core(must, MASK, [], [[part] for part in parts], Budget())
    assert found == (*expected, True)


def test_what_is_fixed_belongs_to_no_conflict() -> None:
    """It holds besides; a part of several clauses is in a conflict as a whole."""
    fixed = [clause(A, B)]
    parts = [[clause(D, absent(A))], [clause(C, D), clause(B, absent(A))]]
    assert core(A | C, MASK, fixed, parts, Budget()) == (A, (1,), True)
    assert core(A, MASK, [clause(A, absent(A))], parts, Budget()) == (A, (), True)
    assert core(A, MASK, [clause(ALWAYS, absent(ALWAYS))], parts, Budget()) == (0, (), True)
    assert core(A | B, B, [], parts, Budget()) == (A, (), True)


def chain(count: int) -> list[Clause]:
    """Bit n requires bit n + 1, for all n, again and again: ``count`` clauses in this order."""
    return [clause(BITS[n * 63 // count], BITS[n * 63 // count + 1]) for n in range(count)]


def test_a_conflict_that_is_not_minimised_within_the_budget_is_one_all_the_same() -> None:
    """With any budget the set is impossible, it only shrinks, and it says whether it is minimal."""
    clauses = chain(126)
    parts = [[each] for each in clauses]
    most = 126
    for budget in (0, 1, 100, 400, 1600, 6400, STEPS):
        bits, used, minimal = core(7, MASK ^ TOP, [], parts, Budget(budget))
        assert not possible(bits, MASK ^ TOP, [clauses[index] for index in used], Budget())
        assert len(used) <= most
        assert minimal is (bits == 4 and len(used) == 61)
        most = len(used)
    assert most == 61


def test_the_bits_of_a_conflict_are_not_minimised_either_where_the_budget_ends() -> None:
    """The parts are settled first."""
    parts = [[clause(ALWAYS, absent(A))]]
    assert core(A | B, MASK, [], parts, Budget(0)) == (A | B, (0,), False)
    assert core(A | B, MASK, [], parts, Budget(1)) == (A | B, (0,), False)
    assert core(A | B, MASK, [], parts, Budget()) == (A, (0,), True)


# --- the budget --------------------------------------------------------------------------------


def test_a_budget_is_spent_to_the_last_step() -> None:
    """And not beyond; afterwards it stays used up."""
    budget = Budget(5)
    budget.spend(5)
    assert budget.left == 0
    budget.spend(0)
    for wanted in (1, 7):
        with pytest.raises(OutOfSteps):
            budget.spend(wanted)
        assert budget.left == 0


def hard() -> list[Clause]:
    """One of three, for all triples of a Steiner system of 27 points: 117 clauses."""
    points = range(9)

    def point(number: int, layer: int) -> int:
        return 1 << number + 9 * layer

    triples = [[point(number, layer) for layer in range(3)] for number in points]
    for one, other in combinations(points, 2):
        third = (one + other) * 5 % 9
        triples += [
            [point(one, layer), point(other, layer), point(third, (layer + 1) % 3)]
            for layer in range(3)
        ]
    return [one_of(*triple) for triple in triples]


def test_a_hard_question_ends_with_the_budget() -> None:
    """With fewer steps than it takes there is no answer, and with more the same one."""
    clauses = hard()
    needed = steps_of_solving(0, MASK, clauses)
    for few in (0, 1, 116, 117, 1000, needed // 2, needed - 1):
        budget = Budget(few)
        with pytest.raises(OutOfSteps):
            solve(0, MASK, clauses, (), budget)
        assert budget.left == 0
    answers = [solve(0, MASK, clauses, (), Budget(many)) for many in (needed, 2 * needed, STEPS)]
    assert answers == [answers[0]] * 3
    assert answers[0] is not None
    assert answers[0].bit_count() == 17


def test_whether_a_mask_is_possible_at_all_is_not_hard() -> None:
    """Only the fewest bits are."""
    assert steps(lambda budget: possible(0, MASK, hard(), budget)) < 10_000
    with pytest.raises(OutOfSteps):
        possible(0, MASK, hard(), Budget(116))


def test_alternatives_of_several_bits_are_steps_too() -> None:
    """A single clause with a thousand of them is not one step."""
    wide = clause(1, any_of=[3 << number for number in range(2, 62)])
    assert steps_of_solving(1, MASK, [wide]) >= 60


@pytest.mark.parametrize(
    ("alternatives", "needed"), [((2, 4), 2), ((2, 24), 3), ((6, 24), 4)], ids=str
)
def test_a_bit_that_cannot_have_what_it_requires_is_left_out_at_once(
    alternatives: tuple[int, ...], needed: int
) -> None:
    """So the other alternative of the second clause is forced, and nothing is tried."""
    clauses = [clause(1, any_of=alternatives), one_of(1, 32)]
    assert best(0, MASK ^ 14, clauses) == 32
    assert steps_of_solving(0, MASK ^ 14, clauses) == needed


def wheel(bits: int, *more: int) -> list[Clause]:
    """14 clauses on the bits of a wheel, with alternatives of two, three and some more bits."""

    def around(*numbers: int) -> int:
        return sum({1 << number % bits for number in numbers})

    return [
        one_of(
            around(n, n * 5 + 2),
            around(n * 7 + 1, n * 3 + 4, n + 9),
            around(n * 11 + 3, *(n * factor for factor in more)),
        )
        for n in range(14)
    ]


CHAIN = [[one] for one in chain(100) + [clause(1, 2)] * 100]
STEPS_OF: dict[str, tuple[Callable[[Budget], object], object, int]] = {
    "triples": (lambda left: solve(0, MASK, hard(), (), left), 0x1FFFF, 237_184),
    "few bits": (lambda left: solve(0, MASK, wheel(24), (), left), 0x445555, 16_996),
    "more bits": (lambda left: solve(0, MASK, wheel(31, 13), (), left), 0x6494BBA, 60_808),
    "any mask": (lambda left: possible(0, MASK, wheel(31, 13), left), True, 786),
    "groups": (
        lambda left: solve(1, MASK, wheel(24), [1, 3, 7, 3 << 41, *BITS[:8]], left),
        0x600_0023_22FF,
        2_643,
    ),
    "whole groups": (lambda left: len(whole_groups(1, [3, 6, 12, 3 << 40], MASK, left)), 5, 10),
    "a conflict": (
        lambda left: core(7, MASK ^ TOP, wheel(24), CHAIN, left)[0::2],
        (0, True),
        1_794,
    ),
}


@pytest.mark.parametrize("name", STEPS_OF)
def test_the_steps_of_known_questions(name: str) -> None:
    """Dearer ones would be errors instead of answers: a change of a number is for a reason."""
    ask, answer, needed = STEPS_OF[name]
    assert ask(Budget()) == answer
    assert steps(ask) == needed


def test_an_everyday_question_takes_one_look_at_each_clause() -> None:
    """What is asked for is granted, and three rules allow it."""
    clauses = [one_of(1), clause(1, 2), clause(2, 1)]
    assert steps_of_solving(3, 3, clauses) == 3
    assert steps(lambda budget: solve(1, 3, clauses, [2], budget)) == 3


# --- what grows --------------------------------------------------------------------------------

ORDERS: list[Callable[[list[Clause]], list[Clause]]] = [
    lambda clauses: clauses,
    lambda clauses: clauses[::-1],
    lambda clauses: clauses[::2] + clauses[1::2],
]


@pytest.mark.parametrize("order", ORDERS, ids=["up", "down", "mixed"])
@pytest.mark.parametrize("may", [MASK, MASK ^ TOP], ids=["grant", "refusal"])
def test_twice_the_rules_take_twice_the_steps(
    may: int, order: Callable[[list[Clause]], list[Clause]]
) -> None:
    """A chain of dependencies over all 64 bits costs what its rules are, in any order."""
    single, double = (steps_of_solving(1, may, order(chain(size))) for size in (1024, 2048))
    assert double <= 2.5 * single


@pytest.mark.parametrize("order", ORDERS, ids=["up", "down", "mixed"])
def test_a_minimal_conflict_takes_a_few_times_the_steps_of_a_grant(
    order: Callable[[list[Clause]], list[Clause]],
) -> None:
    """Even one of 63 rules among 2,048."""
    clauses = order(chain(2048))
    parts = [[each] for each in clauses]

    def refuse(budget: Budget) -> None:
        assert solve(1, MASK ^ TOP, clauses, (), budget) is None
        bits, used, minimal = core(1, MASK ^ TOP, [], parts, budget)
        assert (bits, len(used), minimal) == (1, 63, True)

    assert steps(refuse) <= 20 * steps_of_solving(1, MASK, clauses)
