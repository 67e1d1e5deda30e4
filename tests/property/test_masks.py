"""The laws of masks and words, over all 64 bits."""

from hypothesis import given

from gmemflags import GuestMemfdFlag as F
from gmemflags import InvalidMaskError, bits, u64
from gmemflags._masks import read_long
from tests.strategies import (
    ERRNO_WORDS,
    MASK,
    MAX_ERRNO,
    WORD,
    answer_words,
    errno_words,
    longs,
    masks,
    signed,
    words,
)


def refused(raw: int) -> bool:
    """Whether the C long is no answer."""
    try:
        read_long(raw)
    except InvalidMaskError:
        return True
    return False






@given(masks)
def test_bits_make_up_the_mask(mask: int) -> None:
    """They are single, in order, as many as are set, and their sum is the mask."""
    found = bits(mask)
    assert list(found) == sorted(found)
    assert all(bit.bit_count() == 1 for bit in found)
    assert (len(found), sum(found)) == (mask.bit_count(), mask)


@given(answer_words)
def test_a_sign_extended_word_reads_as_that_word(word: int) -> None:
    """Whether or not it went through a C int, every word that is no errno is that word."""
    assert read_long(signed(word, 32)) == read_long(word) == (word, 32)


@given(errno_words)
def test_every_image_of_an_errno_is_refused(word: int) -> None:
    """Neither the negative long nor the word is ever flags."""
    assert refused(signed(word, 32))
    assert refused(word)


def test_exactly_two_ranges_of_4095_are_refused() -> None:
    """The neighbours of both ranges are answers."""
    near = [*range(-MAX_ERRNO - 5, 5), *range(ERRNO_WORDS[0] - 5, WORD + 6)]
    assert [raw for raw in near if refused(raw)] == [*range(-MAX_ERRNO, 0), *ERRNO_WORDS]


@given(longs)
def test_what_is_read_is_what_was_sent(raw: int) -> None:
    """A value of width 64 is the 64 bits of the long, one of width 32 its low 32 bits."""
    if refused(raw):
        return
    value, width = read_long(raw)
    assert width in (32, 64)
    assert value == raw & (MASK if width == 64 else WORD)
    # Of width 32 only if nothing but the sign is lost: a wide answer is never cut.
    assert width == 64 or raw in (value, signed(value, 32))


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
