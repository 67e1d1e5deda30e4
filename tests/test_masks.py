"""Masks and words: what passes the guard, what a C long means, and what is said of the rest."""

import errno
from enum import IntEnum, IntFlag
from fractions import Fraction
from typing import Self

import pytest

from gmemflags import GuestMemfdFlag, InvalidMaskError, Merged, bits, merge, u64
from gmemflags._masks import union

MASK = 0xFFFF_FFFF_FFFF_FFFF
WORD = 0xFFFF_FFFF


class TooLarge(IntFlag):
    """A flag class that knows nothing of 64 bits."""

    BIT_70 = 1 << 70


class OddValue(IntFlag):
    """A flag class whose member is an int, but whose value, as enums have it, is not."""

    def __new__(cls) -> Self:
        """Make a member."""
        made = int.__new__(cls, 1)
        made._value_ = True
        return made

    TRUE = ()


class Number(IntEnum):
    """An enumeration that is an int and no flag."""

    ONE = 1


class HasIndex:
    """An object that would like to be a number."""

    def __index__(self) -> int:
        """Give 1."""
        return 1


@pytest.mark.parametrize("mask", [0, 1, 1 << 31, 1 << 32, 1 << 63, MASK])
def test_every_mask_passes_as_it_is(mask: int) -> None:
    """The 64 bits from none to all are masks."""
    assert u64(mask) == mask


def test_a_flag_passes_as_a_plain_int() -> None:
    """Behind the guard nobody meets IntFlag's arithmetic."""
    assert u64(GuestMemfdFlag.INIT_SHARED) == 2
    assert type(u64(GuestMemfdFlag.INIT_SHARED)) is int


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "True"),
        (False, "False"),
        (1.0, "1.0"),
        (float("nan"), "nan"),
        ("3", "'3'"),
        (b"3", "b'3'"),
        (None, "None"),
        (Number.ONE, "an object of type Number"),
        (OddValue.TRUE, "True"),
        (HasIndex(), "an object of type HasIndex"),
        (Fraction(1), "an object of type Fraction"),
        ([1], "an object of type list"),
        ("x" * 58, f"'{'x' * 58}'"),
        ("x" * 59, f"'{'x' * 56}..."),
        (-1, "-1"),
        (-13, "-13"),
        (1 << 64, "18446744073709551616"),
        ((1 << 128) - 1, f"{(1 << 128) - 1}"),
        (1 << 128, "an int of 129 bits"),
        (1 << 5000, "an int of 5001 bits"),
        (TooLarge.BIT_70, f"{1 << 70}"),
    ],
)
def test_what_is_not_a_mask_is_refused_and_shown(value: object, shown: str) -> None:
    """Neither truth, nor a float, a text, a number's look-alike, a negative or a large number."""
    with pytest.raises(InvalidMaskError) as caught:
        u64(value)
    assert (caught.value.value, str(caught.value)) == (
        shown,
        f"{shown} is not a mask: an int in [0, 2**64) is needed",
    )


def test_bits_come_lowest_first_named_or_not() -> None:
    """Bit 0 has a name and bits 6 and 63 have none; all three are bits."""
    assert bits(1 << 63 | 0x41) == (1, 0x40, 1 << 63)
    assert bits(0) == ()


def test_the_union_has_the_bits_of_all() -> None:
    """Of no masks it is no bit."""
    assert union([]) == 0
    assert union(iter([2, 1 << 63, 6])) == 1 << 63 | 6


@pytest.mark.parametrize("value", [True, -1, 1 << 64])
def test_bits_of_what_is_not_a_mask(value: int) -> None:
    """A bad mask has no bits, not even some."""
    with pytest.raises(InvalidMaskError, match=f"^{value} is not a mask"):
        bits(value)


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (0, 0),
        (3, 3),
        (0x7FFF_FFFF, 0x7FFF_FFFF),
        (0x8000_0000, 0x8000_0000),
        (0xFFFF_F000, 0xFFFF_F000),  # the last word below the errno images
        (-(2**31), 0x8000_0000),
        (-(2**31) + 3, 0x8000_0003),
        (-4096, 0xFFFF_F000),
    ],
    ids=hex,
)
def test_a_word_may_be_sign_extended(raw: int, word: int) -> None:
    """A long that fits into a C int is one word, whatever its sign."""
    assert merge(raw) == Merged(word, WORD, 0)
    assert merge(0, raw) == Merged(word << 32, MASK, 0)


@pytest.mark.parametrize(
    ("raw", "mask"),
    [
        (1 << 32, 1 << 32),
        (0x7_0000_0003, 0x7_0000_0003),
        (1 << 62, 1 << 62),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), 1 << 63),
        (-(2**31) - 1, MASK ^ (1 << 31)),
    ],
    ids=hex,
)
def test_a_mask_may_have_bit_63(raw: int, mask: int) -> None:
    """A long that fits into no C int is all 64 bits, and too many for FLAGS_HI."""
    assert merge(raw) == Merged(mask, MASK, 0)
    with pytest.raises(InvalidMaskError) as caught:
        merge(3, raw)
    assert str(caught.value) == (
        f"{mask:#x} is not an answer to FLAGS_HI: it is wider than 32 bits"
    )


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (-4095, "-4095 (-errno 4095)"),
        (0xFFFF_F001, "0xfffff001 (-errno 4095)"),
        *((-number, f"{-number} (-{name})") for number, name in errno.errorcode.items()),
        *(
            (WORD + 1 - number, f"{WORD + 1 - number:#x} (-{name})")
            for number, name in errno.errorcode.items()
        ),
    ],
)
def test_an_error_number_is_not_an_answer(raw: int, shown: str) -> None:
    """-EACCES has the bits of MMAP and INIT_SHARED: read as flags it would be a yes."""
    for answers in ((raw,), (3, raw), (None, raw)):
        with pytest.raises(InvalidMaskError) as caught:
            merge(*answers)
        assert str(caught.value) == f"{shown} is not an answer: it is an error number, not flags"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (0xFFFF_FFFF_FFFF_FFEA, "18446744073709551594"),
        (1 << 63, "9223372036854775808"),
        (-(2**63) - 1, "-9223372036854775809"),
        (True, "True"),
        (3.0, "3.0"),
        ("3", "'3'"),
        (GuestMemfdFlag.MMAP, "an object of type GuestMemfdFlag"),
    ],
)
def test_what_no_c_long_holds_is_refused(raw: int, shown: str) -> None:
    """Only an exact int of 64 signed bits can have come from a kernel."""
    for answers in ((raw,), (3, raw), (None, raw)):
        with pytest.raises(InvalidMaskError) as caught:
            merge(*answers)
        assert str(caught.value) == (
            f"{shown} is not a C long: an int in [-2**63, 2**63) is needed"
        )


def test_flags_that_were_not_asked() -> None:
    """None is not 0: what was not asked is not answerable."""
    assert merge(None) == Merged(0, 0, 0)
    assert merge(None, 7) == Merged(0x7_0000_0000, MASK ^ WORD, 0)
    assert merge(3, 0) == Merged(3, MASK, 0)


def test_a_high_word_that_contradicts_is_reported_and_not_believed() -> None:
    """The 64-bit FLAGS is authoritative."""
    assert merge(0x4_0000_0003, 7) == Merged(0x4_0000_0003, MASK, 0x3_0000_0000)
    assert merge(0x7_0000_0003, 7) == merge(0x7_0000_0003, 1) == Merged(0x7_0000_0003, MASK, 0)
