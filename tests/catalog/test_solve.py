"""The solver by known answers."""

from gmemflags.catalog._solve import solve


def test_fewer_bits_are_found_after_the_first_mask() -> None:
    """The most useful bit is tried first, and is left out where two others do."""
    sets = [(1, 2), (1, 4), (2, 8), (4, 16), (1, 8), (1, 16)]
    assert solve(0, 31, [(0, pair) for pair in sets]) == 7


def test_a_high_bit_is_spared_for_low_ones() -> None:
    """Of masks with as few bits the smallest number is the answer, not the first one found."""
    pairs = [(8, 4), (8, 1), (8, 4), (8, 1), (2, 4), (2, 1)]
    assert solve(0, 15, [(0, pair) for pair in pairs]) == 5
