"""The laws of masks and flags, over all 64 bits."""

from hypothesis import given

from gmemflags import GuestMemfdFlag as F
from gmemflags import bits
from tests.strategies import MASK, masks


@given(masks)
def test_bits_make_up_the_mask(mask: int) -> None:
    """They are single, in order, as many as are set, and their sum is the mask."""
    found = bits(mask)
    assert list(found) == sorted(found)
    assert all(bit.bit_count() == 1 for bit in found)
    assert (len(found), sum(found)) == (mask.bit_count(), mask)


@given(masks, masks)
def test_taking_away_and_keeping_are_the_whole(mask: int, flag: int) -> None:
    """``(m & ~f) | (m & f) == m`` for flags, unnamed bits included, on either side."""
    m, f = F(mask), F(flag)
    assert (m & ~f) | (m & f) == m
    assert (mask & ~f) | (mask & f) == mask
    assert ((m & ~f).value, (m & f).value) == (mask & ~flag & MASK, mask & flag)


@given(masks, masks)
def test_flags_calculate_like_unsigned_64_bit_numbers(left: int, right: int) -> None:
    """Each operator of flags does what it does on C's uint64_t."""
    a, b = F(left), F(right)
    assert (a | b, a & b, a ^ b) == (left | right, left & right, left ^ right)
    assert ~a == left ^ MASK
    assert ~~a == a
