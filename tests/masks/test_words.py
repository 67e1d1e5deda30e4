"""Words and masks: what passes the one guard, and what it says of the rest."""

from collections.abc import Callable
from enum import IntEnum, IntFlag
from fractions import Fraction
from typing import Self

import pytest

from gmemflags import GuestMemfdFlag, InvalidMaskError, bits, u64
from gmemflags._masks import one_bit, union

MASK = 0xFFFF_FFFF_FFFF_FFFF
WORD = 0xFFFF_FFFF

Guard = Callable[[object], int]


class ForeignFlag(IntFlag):
    """A flag class that knows nothing of 64 bits."""

    BIT_70 = 1 << 70


class NoNumber(IntFlag):
    """A flag class whose member is an int, but whose value, as enums have it, is none."""

    def __new__(cls) -> Self:
        """Make a member."""
        made = int.__new__(cls, 1)
        made._value_ = True
        return made

    TRUE = ()


class Number(IntEnum):
    """An enumeration that is an int and no flag."""

    ONE = 1


class Odd:
    """An object that would like to be a number."""

    def __index__(self) -> int:
        """Give 1."""
        return 1


NO_INTS = [
    (True, "True"),
    (False, "False"),
    (1.0, "1.0"),
    (float("nan"), "nan"),
    ("3", "'3'"),
    (b"3", "b'3'"),
    (None, "None"),
    (Number.ONE, "an object of type Number"),
    (NoNumber.TRUE, "True"),
    (Odd(), "an object of type Odd"),
    (Fraction(1), "an object of type Fraction"),
    ([1], "an object of type list"),
    ("x" * 58, f"'{'x' * 58}'"),
    ("x" * 59, f"'{'x' * 56}..."),
]


@pytest.mark.parametrize("mask", [0, 1, 1 << 31, 1 << 32, 1 << 63, MASK])
def test_every_mask_passes_as_it_is(mask: int) -> None:
    """The 64 bits from none to all are masks."""
    assert u64(mask) == mask



@pytest.mark.parametrize("guard", [u64, one_bit])
def test_a_flag_passes_as_a_plain_int(guard: Guard) -> None:
    """Behind the guard nobody meets IntFlag's arithmetic."""
    assert guard(GuestMemfdFlag.INIT_SHARED) == 2
    assert type(guard(GuestMemfdFlag.INIT_SHARED)) is int


@pytest.mark.parametrize("guard", [u64, one_bit])
@pytest.mark.parametrize(("value", "shown"), NO_INTS)
def test_what_is_no_int_is_refused_and_shown(guard: Guard, value: object, shown: str) -> None:
    """Neither truth, nor a float, nor a text, nor an int's look-alike is a number of flags."""
    with pytest.raises(InvalidMaskError) as caught:
        guard(value)
    assert caught.value.value == shown
    assert str(caught.value).startswith(f"{shown} is not a ")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-1, "-1 is not a mask: an int in [0, 2**64) is needed"),
        (-13, "-13 is not a mask: an int in [0, 2**64) is needed"),
        (1 << 64, "18446744073709551616 is not a mask: an int in [0, 2**64) is needed"),
        ((1 << 128) - 1, f"{(1 << 128) - 1} is not a mask: an int in [0, 2**64) is needed"),
        (1 << 128, "an int of 129 bits is not a mask: an int in [0, 2**64) is needed"),
        (1 << 5000, "an int of 5001 bits is not a mask: an int in [0, 2**64) is needed"),
        (True, "True is not a mask: an int in [0, 2**64) is needed"),
        (1.0, "1.0 is not a mask: an int in [0, 2**64) is needed"),
        (ForeignFlag.BIT_70, f"{1 << 70} is not a mask: an int in [0, 2**64) is needed"),
    ],
)
def test_the_sentence_about_a_bad_mask(value: object, message: str) -> None:
    """It shows the value, however large, and says what is needed."""
    with pytest.raises(InvalidMaskError) as caught:
        u64(value)
    assert str(caught.value) == message



@pytest.mark.parametrize("value", [0, 3, 0x41, MASK])
def test_one_bit_is_neither_none_nor_several(value: int) -> None:
    """A bit is a mask with one bit set."""
    with pytest.raises(InvalidMaskError) as caught:
        one_bit(value)
    needed = "one bit: a mask with exactly one bit set is needed"
    assert str(caught.value) == f"{value:#x} is not {needed}"


def test_each_of_the_64_bits_is_one_bit() -> None:
    """No bit is too high."""
    assert [one_bit(1 << number) for number in range(64)] == [1 << n for n in range(64)]


def test_bits_come_lowest_first_named_or_not() -> None:
    """Bit 0 has a name and bits 6 and 63 have none; all three are bits."""
    assert bits(1 << 63 | 0x41) == (1, 0x40, 1 << 63)


def test_no_mask_has_no_bits() -> None:
    """The empty mask yields nothing."""
    assert bits(0) == ()


@pytest.mark.parametrize("value", [True, -1, 1 << 64])
def test_bits_of_what_is_no_mask(value: int) -> None:
    """A bad mask has no bits, not even some."""
    with pytest.raises(InvalidMaskError, match=f"^{value} is not a mask"):
        bits(value)


def test_a_union_has_every_bit_of_every_mask() -> None:
    """Bits in common count once, and of no mask there is no bit."""
    assert union([0x6, 0x40, 0x2, 1 << 63]) == 1 << 63 | 0x46
    assert union([]) == 0
