"""The laws of ``merge``, which makes one 64-bit mask of two C longs, over all 64 bits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmemflags import InvalidMaskError, Merged, merge
from tests.strategies import (
    ERRNO_WORDS,
    MASK,
    MAX_ERRNO,
    WORD,
    answer_words,
    errno_words,
    longs,
    signed,
    wide_longs,
)

TOP = MASK ^ WORD >> 1  # bits 63 to 31
HIGH = MASK ^ WORD

# A mask whose two words can be answered: neither looks like an errno.
answerable_masks = st.tuples(answer_words, answer_words).map(lambda two: two[0] | two[1] << 32)
# A word as a C long: plain, or sign-extended by a C int on its way.
word_longs = answer_words | answer_words.map(lambda word: signed(word, 32))
good_longs = word_longs | wide_longs
errno_longs = st.integers(-MAX_ERRNO, -1) | errno_words


def merged(flags: int | None, flags_hi: int | None) -> Merged | None:
    """What two answers say together; None for a refusal."""
    try:
        return merge(flags, flags_hi)
    except InvalidMaskError:
        return None


def sent_as(word: int) -> list[int]:
    """Every C long that a word may arrive as."""
    return [word, signed(word, 32)]


@given(answerable_masks)
def test_every_shape_of_a_host_gives_its_mask(mask: int) -> None:
    """Two words however they are signed, one long of 64 bits, and one word if that is enough."""
    low, high = mask & WORD, mask >> 32
    for flags in sent_as(low):
        for flags_hi in sent_as(high):
            assert merge(flags, flags_hi) == (mask, MASK, 0)
    if mask & TOP != TOP:
        assert merge(signed(mask, 64)) == (mask, MASK if high else WORD, 0)
    if not high:
        for flags in sent_as(low):
            assert merge(flags) == (mask, WORD, 0)


@given(answerable_masks)
def test_a_redundant_high_word_adds_nothing(mask: int) -> None:
    """``FLAGS == FLAGS | HI << 32`` where a KVM answers 64 bits and its upper half again."""
    if mask & TOP == TOP:  # such a FLAGS is read as a word
        return
    for flags_hi in sent_as(mask >> 32):
        assert merge(signed(mask, 64), flags_hi) == (mask, MASK, 0)


@given(wide_longs, word_longs)
def test_a_64_bit_answer_is_authoritative(flags: int, flags_hi: int) -> None:
    """What only the high word claims is reported and is not in the mask."""
    mask, claimed = flags & MASK, (flags_hi & WORD) << 32
    found = merge(flags, flags_hi)
    assert found == (mask, MASK, claimed & ~mask)
    assert (found.hi_only == 0) is (mask == mask | claimed)


@given(st.none() | longs, st.none() | longs)
def test_what_always_holds(flags: int | None, flags_hi: int | None) -> None:
    """The mask is one, lies in what could be answered, and holds nothing that is only claimed."""
    found = merged(flags, flags_hi)
    if found is None:
        return
    assert {type(value) for value in found} == {int}
    assert 0 <= found.mask <= MASK
    assert not found.mask & ~found.answerable
    assert not found.hi_only & found.mask
    assert not found.hi_only & ~found.answerable
    assert found.answerable in {0, WORD, HIGH, MASK}
    # Every bit of the mask was in one of the two answers: none is made up.
    said = (0 if flags is None else flags & MASK) | (
        0 if flags_hi is None else flags_hi & WORD
    ) << 32
    assert not (found.mask | found.hi_only) & ~said


@given(answerable_masks, answerable_masks)
def test_more_flags_are_more_in_two_words(less: int, added: int) -> None:
    """Of two hosts of the shape FLAGS and FLAGS_HI, who answers more has the larger mask."""
    more = less | added
    if more & WORD in ERRNO_WORDS or more >> 32 in ERRNO_WORDS:
        return
    small, large = (merge(mask & WORD, mask >> 32) for mask in (less, more))
    assert not small.mask & ~large.mask
    assert small.answerable == large.answerable


@given(wide_longs, wide_longs, word_longs)
def test_more_flags_are_more_in_64_bits(one: int, other: int, flags_hi: int) -> None:
    """As above, of hosts that answer 64 bits at once, also beside the same FLAGS_HI."""
    more = signed((one | other) & MASK, 64)
    if merged(more, None) is None or merge(more).answerable != MASK:
        return  # together they look like a word or an errno
    assert not merge(one, flags_hi).mask & ~merge(more, flags_hi).mask
    assert not merge(more, flags_hi).hi_only & ~merge(one, flags_hi).hi_only


@given(wide_longs, answer_words, answer_words)
def test_more_of_the_high_word_is_not_believed(flags: int, one: int, other: int) -> None:
    """Against 64 bits it changes what is reported, and nothing else."""
    if one | other in ERRNO_WORDS:
        return
    small, large = merge(flags, one), merge(flags, one | other)
    assert (small.mask, small.answerable) == (large.mask, large.answerable)
    assert not small.hi_only & ~large.hi_only


@given(errno_longs, st.none() | longs)
def test_an_errno_is_refused_in_either_argument(number: int, other: int | None) -> None:
    """-EACCES has the bits of MMAP and INIT_SHARED, and as a 32-bit image all above bit 11."""
    assert merged(number, other) is None
    assert merged(other, number) is None


def test_exactly_two_ranges_of_4095_are_refused() -> None:
    """The neighbours of both ranges are answers."""
    near = [*range(-MAX_ERRNO - 5, 5), *range(ERRNO_WORDS[0] - 5, WORD + 6)]
    refused = [raw for raw in near if merged(raw, None) is None]
    assert refused == [*range(-MAX_ERRNO, 0), *ERRNO_WORDS]


@given(st.none() | longs, wide_longs)
def test_a_high_word_of_64_bits_is_refused(flags: int | None, flags_hi: int) -> None:
    """Its own upper half could only be read as bits 95 to 64."""
    assert merged(flags, flags_hi) is None


@given(st.integers(0, WORD >> 1).map(lambda low: TOP | low))
def test_64_bits_that_look_like_a_word(mask: int) -> None:
    """All of bits 63 to 31: nobody can tell it from a sign-extended word, which claims less."""
    if mask & WORD in ERRNO_WORDS:
        assert merged(signed(mask, 64), None) is None
        return
    assert merge(signed(mask, 64)) == (mask & WORD, WORD, 0)


@given(st.none() | word_longs)
def test_what_was_not_asked_is_not_answerable(flags_hi: int | None) -> None:
    """Without FLAGS nothing below bit 32 is, and without either nothing at all."""
    found = merge(None, flags_hi)
    assert found.answerable == (0 if flags_hi is None else HIGH)
    assert found.mask == (0 if flags_hi is None else (flags_hi & WORD) << 32)
    assert found.hi_only == 0


@given(good_longs)
def test_not_asked_is_less_than_none(flags: int) -> None:
    """A high word of 0 adds no flag, only that these bits could be answered."""
    alone, both = merge(flags), merge(flags, 0)
    assert (alone.mask, 0) == (both.mask, both.hi_only)
    assert both.answerable == MASK


@given(longs, st.none() | longs)
def test_merging_is_total(flags: int, flags_hi: int | None) -> None:
    """Two C longs give the same each time: a mask, or an error that is a sentence."""
    found = told(flags, flags_hi)
    faults = "it is an error number, not flags", "it is wider than 32 bits"
    assert isinstance(found, Merged) or found.endswith(faults)
    assert told(flags, flags_hi) == found


def told(flags: int | None, flags_hi: int | None) -> Merged | str:
    """The merged answers, or the sentence that says why they are none."""
    try:
        return merge(flags, flags_hi)
    except InvalidMaskError as error:
        return str(error)


@pytest.mark.parametrize(
    "value", [True, 1.0, "3", b"\x03", [3], 1 << 63, -(1 << 63) - 1, float("nan")]
)
def test_only_c_longs_are_merged(value: object) -> None:
    """Nothing else can have come from a kernel, in either argument."""
    for flags, flags_hi in ((value, None), (3, value), (None, value)):
        with pytest.raises(InvalidMaskError, match=r"is not a C long: an int in \[-2\*\*63, "):
            merge(flags, flags_hi)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_two_64_bit_masks_of_either_kind() -> None:
    """The examples of the documentation: split, wide, and a high word that claims too much."""
    assert merge(3, 7) == Merged(mask=0x7_0000_0003, answerable=MASK, hi_only=0)
    assert merge(0x7_0000_0003) == Merged(mask=0x7_0000_0003, answerable=MASK, hi_only=0)
    assert merge(0x4_0000_0003, 7) == Merged(0x4_0000_0003, MASK, 0x3_0000_0000)


def test_an_error_says_which_value_was_refused() -> None:
    """And why."""
    with pytest.raises(InvalidMaskError) as caught:
        merge(3, 1 << 32)
    assert str(caught.value) == (
        "0x100000000 is not an answer to FLAGS_HI: it is wider than 32 bits"
    )
    with pytest.raises(InvalidMaskError) as caught:
        merge(-22)
    assert str(caught.value) == "-22 (-EINVAL) is not an answer: it is an error number, not flags"
