"""The solver by known answers."""

import pytest

from gmemflags._solver import _bits_of, _covering, _only_way, _openness, _packed, _packing, _propagate, _search, _uses, solve


def test_fewer_bits_are_found_after_the_first_mask() -> None:
    """The most useful bit is tried first, and is left out where two others do."""
    sets = [(1, 2), (1, 4), (2, 8), (4, 16), (1, 8), (1, 16)]
    assert solve(0, 31, [(0, pair) for pair in sets]) == 7


def test_a_high_bit_is_spared_for_low_ones() -> None:
    """Of masks with as few bits the smallest number is the answer, not the first one found."""
    pairs = [(8, 4), (8, 1), (8, 4), (8, 1), (2, 4), (2, 1)]
    assert solve(0, 15, [(0, pair) for pair in pairs]) == 5


# What makes the search fast, by known answers: with a bound that is too low it would be as right,
# and would never end.


def test_ways_of_one_bit_are_one_mask() -> None:
    """Ways of several bits stay by themselves, and a clause with an empty way asks for nothing."""
    clauses = [(1, (2, 24, 4)), (2, (1 << 63, 3)), (4, (0, 1)), (8, ())]
    assert _packed(clauses) == [(1, 6, (24,)), (2, 1 << 63, (3,)), (8, 0, ())]


def test_what_clauses_force() -> None:
    """The last bit of a demand, the last way, and what no way is left for; the rest is open."""
    clauses = _packed(
        [
            (0, (1,)),  # needs 1
            (1, (2, 64)),  # so 2, as 64 may not be
            (2, (12, 64)),  # so 4 and 8
            (16 | 4, ()),  # so not 16
            (32, (128, 256)),  # open, as 32 is
            (8, (128, 256, 1 << 10 | 1 << 11)),  # open, in three ways
            (1 << 9, ()),  # so not 512
        ]
    )
    may = 0b1111_1011_1111
    assert _propagate(0, may, clauses) == (
        0b1111,
        may & ~16 & ~512,
        [(32, 384, ()), (8, 384, (1 << 10 | 1 << 11,))],
    )


def test_the_last_bit_that_breaks_a_clause_is_left_out() -> None:
    """Whichever bit that is."""
    assert _propagate(0, 7, [(1, 0, ())]) == (0, 6, [])
    assert _propagate(1, 7, [(5, 0, ())]) == (1, 3, [])


def test_what_no_mask_can_be() -> None:
    """A clause without a way in what must be, or a bit that must and may not be."""
    assert _propagate(3, 3, [(3, 4, ())]) is None
    assert _propagate(4, 3, []) is None
    assert _propagate(0, 3, [(0, 0, (5,))]) is None
    assert _propagate(1, 3, [(1, 2, ()), (2, 0, ())]) is None


@pytest.mark.parametrize(
    ("one", "ways", "only"),
    [(4, (), 4), (6, (), 0), (0, (6,), 6), (0, (6, 12), 0), (1, (6,), 0), (3, (12, 24), 0)],
)
def test_the_only_way(one: int, ways: tuple[int, ...], only: int) -> None:
    """There is one if nothing else is left."""
    assert _only_way(one, ways) == only


def test_bits_that_could_help() -> None:
    """Of a way, those that are not there yet."""
    assert _bits_of(0b1001, 0b0010, (0b1100, 0b110000)) == 0b110110
    assert _uses([0b11, 0b110, 0b10]) == {1: 1, 2: 3, 4: 1}


def test_demands_without_a_common_bit_add_up() -> None:
    """The least open are taken first; one bit for a single, and the cheapest way for the others."""
    assert _packing(0, [(0b11, ()), (0b1100, ()), (0b10, (0b10100,))]) == 2
    assert _packing(0b1, [(0, (0b111, 0b11110)), (0b1100000, ())]) == 3
    assert _packing(0, [(0b111, ()), (0b1, ()), (0b10, ()), (0b100, ())]) == 3
    assert _packing(0, [(0b11, ()), (0b1100, ()), (0b11, ())]) == 2
    assert _packing(0, []) == 0
    assert _openness((0b111, (3, 5))) == 5


def test_a_bit_that_many_demands_could_use_costs_each_little() -> None:
    """Three demands of one bit, and one of another: two bits. A third of a bit is a whole one."""
    for options, cost in (
        ([1, 3, 5, 8], 2),
        ([3, 5, 6], 2),  # each bit meets two: three halves
        ([1, 1, 1], 1),
        ([1, 2, 4, 8], 4),
        ([3, 3, 12, 12, 48], 3),
        ([1, 1, 1, 1, 2, 4], 3),
        ([], 0),
    ):
        bound = _covering(options, _uses(options))
        assert (bound, type(bound)) == (cost, int)


def test_the_most_useful_bit_is_tried_first() -> None:
    """It meets all demands at once, where the others would take three bits."""
    assert _search(0, 15, _packed([(0, (1, 2)), (0, (1, 4)), (0, (1, 8))]), 4) == 1
