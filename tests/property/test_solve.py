"""The solver's laws, on clauses of any shape: every mask that there is was tried as well."""

from itertools import combinations
from random import Random

import pytest

from gmemflags._solver import possible, solve

Clause = tuple[int, tuple[int, ...]]


def subsets(mask: int) -> list[int]:
    """Every mask inside ``mask``."""
    bits = [1 << number for number in range(mask.bit_length()) if mask >> number & 1]
    return [sum(some) for size in range(len(bits) + 1) for some in combinations(bits, size)]


def obeys(mask: int, clauses: list[Clause]) -> bool:
    """Whether every clause holds: a bit of ``clear`` is missing, or one way is there."""
    return all(
        clear & mask != clear or any(way & mask == way for way in ways) for clear, ways in clauses
    )


def some(random: Random, width: int, odds: float) -> int:
    """A mask of some of the low bits."""
    return sum(1 << number for number in range(width) if random.random() < odds)


@pytest.mark.parametrize("part", range(10))
def test_the_answer_is_the_best_of_all_masks(part: int) -> None:
    """Most wishes, then fewest bits, then the smallest number; None where no mask holds."""
    random = Random(f"solve {part}")  # noqa: S311  # chance, not secrets
    for _ in range(60):
        width = random.randint(1, 8)
        clauses: list[Clause] = [
            (
                some(random, width, 0.15),
                tuple(some(random, width, 0.3) for _ in range(random.randint(0, 4))),
            )
            for _ in range(random.randint(0, 9))
        ]
        must, may = some(random, width, 0.1), some(random, width, 0.9)
        wishes = [some(random, width, 0.3) for _ in range(random.randint(0, 4))]
        valid = [mask for mask in subsets(may) if mask & must == must and obeys(mask, clauses)]
        best = min(
            valid,
            key=lambda mask: ([wish & mask != wish for wish in wishes], mask.bit_count(), mask),
            default=None,
        )
        assert solve(must, may, clauses, wishes) == best
        assert possible(must, may, clauses) is (best is not None)
