"""The laws of the enumeration: three shapes of answer, one mask, and what nobody can know."""

from collections.abc import Mapping

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from gmemflags import MAINLINE, BitState, Capability, InconsistentAnswerError, Support, query
from gmemflags.testing import FakeBackend
from tests.strategies import (
    BITS,
    ERRNO_WORDS,
    MASK,
    MAX_ERRNO,
    WORD,
    answer_words,
    longs,
    masks,
    signed,
    wide_longs,
    words,
)

HI = 300  # a number that no mainline kernel has given to anything
WITH_HI = evolve(
    MAINLINE, capabilities={**MAINLINE.capabilities, Capability.GUEST_MEMFD_FLAGS_HI: HI}
)
TOP = MASK ^ WORD >> 1  # bits 63 to 31


def ask(backend: FakeBackend, *, hi: bool) -> Support | None:
    """What the host said; None if an answer was refused."""
    try:
        return query(backend, WITH_HI if hi else MAINLINE)
    except InconsistentAnswerError:
        return None


def narrow(flags: int) -> Support | None:
    """A host of today."""
    return ask(FakeBackend.narrow(flags), hi=False)


def split(flags: int) -> Support | None:
    """A host with a numbered FLAGS_HI."""
    return ask(FakeBackend.split(flags, flags_hi=HI), hi=True)


def wide(flags: int) -> Support | None:
    """A host that returns 64 bits at once."""
    return ask(FakeBackend.wide(flags), hi=False)


def both(raw: tuple[int, int]) -> Support | None:
    """A host that answers FLAGS and FLAGS_HI with any two C longs."""
    return ask(FakeBackend({234: 1, 244: raw[0], HI: raw[1]}), hi=True)


def mask_of(support: Support | None) -> int | None:
    """The mask, None for a refusal."""
    return None if support is None else support.mask


# Every support that a host can give; the refused ones are left out.
supports = st.one_of(
    words.map(narrow), masks.map(split), masks.map(wide), st.tuples(longs, longs).map(both)
).filter(lambda support: support is not None)


@given(words)
def test_narrow_gives_the_word_or_refuses_an_errno(flags: int) -> None:
    """A word comes back as it is, bit 31 too; one that looks like an errno never does."""
    assert mask_of(narrow(flags)) == (None if flags in ERRNO_WORDS else flags)


@given(masks)
def test_split_gives_the_mask_or_refuses_an_errno(flags: int) -> None:
    """Two words come back as one mask; if either looks like an errno, neither does."""
    looks = flags & WORD in ERRNO_WORDS or flags >> 32 in ERRNO_WORDS
    assert mask_of(split(flags)) == (None if looks else flags)


@given(masks)
def test_wide_gives_the_mask_or_refuses_an_errno(flags: int) -> None:
    """The 64 bits come back as they are, with two exceptions that no caller can see through.

    A mask with all of bits 63 to 31 is, as a C long, in [-2**31, -1]: nobody can tell it from a
    sign-extended word, so it is read as that word, which claims less. What looks like an errno,
    as a long or as a word, is refused.
    """
    if flags in ERRNO_WORDS or flags > MASK - MAX_ERRNO:
        expected = None
    elif flags & TOP == TOP:
        expected = flags & WORD
    else:
        expected = flags
    assert mask_of(wide(flags)) == expected


@given(masks)
def test_all_shapes_agree(flags: int) -> None:
    """For the same flags each shape gives the same mask, or says less, or refuses; never more."""
    found = [shape for shape in (split(flags), wide(flags)) if shape is not None]
    if flags <= WORD and (one := narrow(flags)) is not None:
        found.append(one)
    for support in found:
        # A wide mask with all of bits 63 to 31 is the one that may say less: see above.
        assert support.mask == flags or (flags & TOP == TOP and support.mask == flags & WORD)


@given(wide_longs, answer_words)
def test_redundancy_law(flags: int, high: int) -> None:
    """A 64-bit FLAGS is authoritative, and disagreement is exactly what only HI claims.

    So ``FLAGS == FLAGS | HI << 32`` holds if and only if there is no disagreement.
    """
    support = both((flags, signed(high, 32)))
    assert support is not None
    mask = flags & MASK
    assert (support.mask, support.answerable) == (mask, MASK)
    assert support.hi_only == high << 32 & ~mask
    assert (support.hi_only == 0) is (mask == mask | high << 32)


@given(answer_words, answer_words)
def test_words_never_disagree(low: int, high: int) -> None:
    """Each of two words speaks of bits that the other cannot."""
    support = both((signed(low, 32), high))
    assert support is not None
    assert (support.mask, support.hi_only) == (low | high << 32, 0)


@given(longs, wide_longs)
def test_a_high_word_is_never_wider_than_a_word(flags: int, high: int) -> None:
    """A FLAGS_HI of 64 bits is refused, whatever FLAGS says."""
    assert both((flags, high)) is None


@given(supports)
def test_a_bit_is_unknowable_exactly_outside_answerable(support: Support) -> None:
    """And inside it is supported exactly if it is in the mask."""
    for bit in BITS:
        if not bit & support.answerable:
            expected = BitState.UNKNOWABLE
        elif bit & support.mask:
            expected = BitState.SUPPORTED
        else:
            expected = BitState.UNSUPPORTED
        assert support.state(bit) is expected


@given(supports)
def test_what_is_supported_is_answerable(support: Support) -> None:
    """No host lists a bit that it cannot speak of, and the flags are a view of the mask."""
    assert support.mask & ~support.answerable == 0
    assert support.flags == support.mask
    assert type(support.flags) is MAINLINE.flags


@given(answer_words, masks)
def test_who_can_speak_of_which_bits(word: int, mask: int) -> None:
    """32 bits today, 64 with a numbered FLAGS_HI, and 64 where the answer was wider than 32."""
    one, two, whole = narrow(word), split(mask), wide(mask)
    assert one is not None
    assert one.answerable == WORD
    assert two is None or two.answerable == MASK
    seen = MASK if mask > WORD and mask & TOP != TOP else WORD
    assert whole is None or whole.answerable == seen


@given(st.dictionaries(st.integers(0, 400), longs, max_size=40))
def test_no_other_capability_becomes_a_flag(answers: Mapping[int, int]) -> None:
    """Whatever else a host answers, only FLAGS and a numbered FLAGS_HI are in the mask."""
    flags = {234: 1, 244: 3, 231: 1, 233: 0, 235: 1}
    support = query(FakeBackend({**answers, **flags}))
    assert (support.mask, support.answerable) == (3, WORD)


@given(supports)
def test_reading_again_under_the_same_numbers_changes_nothing(support: Support) -> None:
    """``under`` of a catalog with the same capabilities gives the same answers and masks."""
    again = support.under(evolve(support.catalog, name="another"))
    assert again == evolve(support, catalog=again.catalog)
    assert (again.mask, again.answerable) == (support.mask, support.answerable)


@given(supports)
def test_a_tree_without_flags_hi_reads_less(support: Support) -> None:
    """Under mainline the answer to another tree's number is no answer, and nothing is added."""
    less = support.under(MAINLINE)
    assert less.answers.keys() == support.answers.keys() - {Capability.GUEST_MEMFD_FLAGS_HI}
    assert (less.mask & ~support.mask, less.hi_only) == (0, 0)
