"""The laws of the enumeration: what a query keeps, and what nobody can know."""

from collections.abc import Mapping

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from gmemflags import (
    MAINLINE,
    BitState,
    Capability,
    InconsistentAnswerError,
    InvalidMaskError,
    Support,
    merge,
    query,
)
from gmemflags.testing import FakeBackend
from tests.strategies import BITS, WORD, longs, masks, signed, words

HI = 300  # a number that no mainline kernel has given to anything
WITH_HI = evolve(
    MAINLINE, capabilities={**MAINLINE.capabilities, Capability.GUEST_MEMFD_FLAGS_HI: HI}
)


def asked(flags: int, flags_hi: int | None) -> Support | None:
    """What a host said that answers these C longs; None if an answer was refused."""
    answers = {234: 1, 244: flags} | ({} if flags_hi is None else {HI: flags_hi})
    refused: object = None
    try:
        return query(FakeBackend(answers), MAINLINE if flags_hi is None else WITH_HI)
    except InconsistentAnswerError as error:
        refused = error.raw
    assert refused in {flags, flags_hi}
    return None


supports = st.builds(asked, longs, st.none() | longs).filter(lambda support: support is not None)


@given(longs, st.none() | longs)
def test_a_query_says_what_merge_says(flags: int, flags_hi: int | None) -> None:
    """One function merges, for a host as for two numbers; what it refuses is inconsistent."""
    support = asked(flags, flags_hi)
    try:
        merged = merge(flags, flags_hi)
    except InvalidMaskError:
        assert support is None
    else:
        assert support is not None
        assert (support.mask, support.answerable, support.hi_only) == merged


@given(masks, words)
def test_the_fakes_answer_like_kernels(mask: int, word: int) -> None:
    """Through a C int for each word, or as a long of 64 bits."""
    assert FakeBackend.narrow(word).check_extension(244) == signed(word, 32)
    assert FakeBackend.wide(mask).check_extension(244) == signed(mask, 64)
    split = FakeBackend.split(mask, flags_hi=HI)
    assert split.check_extension(244) == signed(mask & WORD, 32)
    assert split.check_extension(HI) == signed(mask >> 32, 32)


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
