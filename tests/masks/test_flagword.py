"""Flag classes: what they get right, and the traps of IntFlag that remain, pinned."""

import copy
import pickle
from collections.abc import Callable
from enum import CONFORM, EJECT, STRICT, FlagBoundary, IntEnum, IntFlag, auto
from typing import Any, cast

import pytest

from gmemflags import GuestMemfdFlag as F
from gmemflags import InvalidMaskError
from gmemflags.masks import FlagWord
from gmemflags.masks._flagword import flag_class, names_of

MASK = 0xFFFF_FFFF_FFFF_FFFF
OPERATORS: dict[str, Callable[[int, int], int]] = {
    "or": lambda left, right: left | right,
    "and": lambda left, right: left & right,
    "xor": lambda left, right: left ^ right,
}


class Tree(FlagWord):
    """A flag class of a caller, one of its members with two names."""

    LOW = auto()
    ALSO_LOW = LOW
    TOP = 1 << 63


def test_mainlines_flags() -> None:
    """Two flags, as include/uapi/linux/kvm.h has them."""
    assert {name: flag.value for name, flag in F.__members__.items()} == {
        "MMAP": 1,
        "INIT_SHARED": 2,
    }


def test_bits_without_a_name_are_kept() -> None:
    """Bits 6 and 63 mean nothing to mainline, and stay."""
    assert F(1 << 63 | 0x41).value == 1 << 63 | 0x41


@pytest.mark.parametrize("flags", [F, Tree, flag_class("Late", {"ONE": 1})])
def test_the_complement_is_that_of_64_bits(flags: type[FlagWord]) -> None:
    """EnumType puts Flag's own operator back into every subclass, which knows named bits only."""
    assert (~flags(1)).value == MASK - 1
    assert (~flags(0)).value == MASK
    assert type(~flags(1)) is flags


def test_the_complement_in_a_class_that_is_made_late() -> None:
    """The hook runs for every class, not only for those that were there from the start."""
    flags = flag_class("Late", {"ONE": 1, "TOP": 1 << 63})
    assert (~flags(1)).value == MASK - 1


@pytest.mark.parametrize(("operator", "result"), [("or", 0x43), ("and", 0x40), ("xor", 0x03)])
def test_the_operators_in_a_class_that_is_made_late(operator: str, result: int) -> None:
    """They keep unnamed bits and refuse another name there as well, with an int on either side."""
    flags = flag_class("Late", {"MMAP": 1, "SHARED": 2})
    for left, right in ((flags(0x41), 0x42), (0x41, flags(0x42))):
        made = OPERATORS[operator](left, right)
        assert (made, type(made)) == (result, flags)
    with pytest.raises(InvalidMaskError, match="is not a flag of Late: "):
        OPERATORS[operator](flags(1), F.INIT_SHARED)


def test_the_complement_of_a_complement() -> None:
    """Twice is as never, for unnamed bits too."""
    assert ~~F(0x41) == F(0x41)


def test_taking_a_flag_away_leaves_unnamed_bits() -> None:
    """``mask & ~F.A`` in plain IntFlag drops them."""
    assert F(0x43) & ~F.MMAP == 0x42


@pytest.mark.parametrize(("operator", "result"), [("or", 0x43), ("and", 0x40), ("xor", 0x03)])
def test_operators_keep_class_and_bits(operator: str, result: int) -> None:
    """With a flag or an int on either side the result is a flag of all bits."""
    for left, right in ((F(0x41), F(0x42)), (F(0x41), 0x42), (0x41, F(0x42))):
        made = OPERATORS[operator](left, right)
        assert made == result
        assert type(made) is F


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (-1, "-1"),
        (-13, "-13"),
        (1 << 64, "18446744073709551616"),
        (1.5, "1.5"),
        ("MMAP", "'MMAP'"),
        (None, "None"),
    ],
)
def test_a_value_outside_64_bits_is_refused(value: int, shown: str) -> None:
    """IntFlag(-1) is every known flag, and -13, which is -EACCES, is MMAP and INIT_SHARED."""
    with pytest.raises(InvalidMaskError) as caught:
        F(value)
    assert str(caught.value) == f"{shown} is not a mask: an int in [0, 2**64) is needed"


@pytest.mark.parametrize("operator", ["or", "xor"])
@pytest.mark.parametrize("value", [-1, -13, 1 << 64])
def test_operators_refuse_what_is_no_mask(operator: str, value: int) -> None:
    """An error code that is joined to a flag does not become flags."""
    with pytest.raises(InvalidMaskError) as caught:
        OPERATORS[operator](F.INIT_SHARED, value)
    assert caught.value.shown == str(OPERATORS[operator](2, value))


class Other(FlagWord):
    """Another tree, which agrees with mainline on one bit."""

    MMAP = 1
    FOO = 2
    BAR = 4


@pytest.mark.parametrize("operator", ["or", "and", "xor"])
def test_operators_refuse_a_flag_that_is_called_something_else(operator: str) -> None:
    """Neither side's name would be true of the result; a bit of no name here has one there."""
    for left, right in ((F.MMAP, Other.FOO), (Other.MMAP, F.INIT_SHARED), (F.MMAP, Other(5))):
        with pytest.raises(InvalidMaskError, match=r"is not a flag of (GuestMemfdFlag|Other): "):
            OPERATORS[operator](left, right)


class Plain(IntFlag):
    """Another tree, as somebody else wrote it; the prefix is the kernel's."""

    GUEST_MEMFD_FLAG_MMAP = 1
    SECRET = 2


class Number(IntEnum):
    """Numbers by name."""

    MMAP = 1
    SECRET = 2


class Fields(IntFlag):
    """A field of two bits, of which one has a name of its own; and a second name."""

    ONE = 1
    HUGE_2M = 3
    FOUR = 4
    AGAIN = 4


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (Fields.HUGE_2M, [(1, "ONE"), (2, "HUGE_2M")]),
        (Fields(6), [(2, "HUGE_2M"), (4, "FOUR")]),
        (Fields(0x48), []),
        (Fields.ONE, [(1, "ONE")]),
        (Plain(3), [(1, "MMAP"), (2, "SECRET")]),
        (Number.SECRET, [(2, "SECRET")]),
        (3, []),
        (None, []),
    ],
    ids=repr,
)
def test_what_an_enum_calls_its_bits(flags: object, names: list[tuple[int, str]]) -> None:
    """Each by the smallest member that has it, and of two names by the first."""
    assert list(names_of(flags)) == names


@pytest.mark.parametrize("operator", ["or", "and", "xor"])
@pytest.mark.parametrize("other", [Plain.SECRET, Plain(3), Number.SECRET], ids=repr)
def test_operators_refuse_another_name_of_any_enum(operator: str, other: int) -> None:
    """A name is a name, whatever class has it."""
    with pytest.raises(InvalidMaskError, match=r"\.SECRET \(0x2\) is not a flag of GuestMemfdFlag"):
        OPERATORS[operator](F.MMAP, other)


@pytest.mark.parametrize("other", [Plain.GUEST_MEMFD_FLAG_MMAP, Number.MMAP], ids=repr)
def test_operators_take_the_same_name_of_any_enum(other: int) -> None:
    """With or without the kernel's prefix."""
    assert F.INIT_SHARED | other == F(3)


def test_the_sentence_about_a_flag_that_is_called_something_else() -> None:
    """It names the bit and both classes."""
    with pytest.raises(InvalidMaskError) as caught:
        OPERATORS["or"](F.MMAP, Other.FOO)
    assert str(caught.value) == (
        "Other.FOO (0x2) is not a flag of GuestMemfdFlag: take both from one class"
    )


@pytest.mark.parametrize(("operator", "result"), [("or", 0x9), ("and", 0x1), ("xor", 0x8)])
def test_operators_take_a_flag_that_is_called_the_same(operator: str, result: int) -> None:
    """Both mean the same bit; the class is that of the left side, and unnamed bits are kept."""
    made = OPERATORS[operator](F.MMAP, Other(9))
    assert made == result
    assert type(made) is F


def test_a_negative_int_may_take_bits_away() -> None:
    """``~1`` of an int is -2, and what is left lies inside the flags."""
    assert F(3) & ~1 == F.INIT_SHARED


@pytest.mark.parametrize("boundary", [STRICT, CONFORM, EJECT])
def test_no_class_drops_or_refuses_unnamed_bits(boundary: FlagBoundary) -> None:
    """Another boundary would make ``flags`` of a host lose bits, or fail."""
    make = cast("Any", FlagWord)
    with pytest.raises(TypeError, match="the boundary of Late, a FlagWord, must be KEEP"):
        make("Late", {"ONE": 1}, boundary=boundary)


@pytest.mark.parametrize("value", [0, 3, -1, 1 << 64, (1 << 64) + 1])
def test_a_member_is_exactly_one_bit(value: int) -> None:
    """Neither "none" nor "all I know" nor a value field is a flag."""
    with pytest.raises(InvalidMaskError) as caught:
        flag_class("Bad", {"GOOD": 1, "ODD": value})
    assert str(caught.value) == f"Bad.ODD = {value} is not one bit of 64"


def test_a_negative_member_is_refused_beside_another() -> None:
    """From Python 3.15 on, -1 would be another name of ONE."""
    with pytest.raises(InvalidMaskError, match=r"Bad\.ALL = -1"):
        flag_class("Bad", {"ONE": 1, "ALL": -1})


def test_a_flag_class_may_be_made_of_data() -> None:
    """A mapping of names and masks makes what a class body makes; the mapping is left alone."""
    members = {"LOW": 1, "TOP": 1 << 63}
    made = flag_class("Made", members)
    assert (made.__name__, issubclass(made, FlagWord)) == ("Made", True)
    assert {name: flag.value for name, flag in made.__members__.items()} == members
    assert members == {"LOW": 1, "TOP": 1 << 63}


def test_a_member_may_have_two_names_and_be_the_highest_bit() -> None:
    """An alias is one bit as well, and bit 63 is a bit like any other."""
    assert (Tree.ALSO_LOW, Tree.TOP.value) == (Tree.LOW, 1 << 63)


@pytest.mark.parametrize("value", [0, 1, 3, 0x41, 0x40, 1 << 63, MASK])
@pytest.mark.parametrize("flags", [F, Tree])
def test_flags_survive_pickle_and_copy(flags: type[FlagWord], value: int) -> None:
    """Named or not, value and class come back; the object itself in newer Pythons only."""
    flag = flags(value)
    pickles = [pickle.dumps(flag, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    again = [pickle.loads(pickled) for pickled in pickles]  # noqa: S301  # our own bytes
    for made in (*again, copy.copy(flag), copy.deepcopy(flag)):
        assert made == flag
        assert type(made) is flags


def test_two_flags_of_one_class_combine_whatever_their_names() -> None:
    """A second name for a bit does not matter, on either side."""
    assert Tree.TOP | Tree.ALSO_LOW == Tree.LOW | Tree.TOP == 1 << 63 | 1


def test_membership_is_by_bits() -> None:
    """``in`` asks for all bits of a flag, named or not."""
    assert F.MMAP in F(0x41)
    assert F(0x40) in F(0x41)
    assert F(0x41) not in F.MMAP


def test_trap_true_and_one_are_one_dictionary_key() -> None:
    """F(True) and F(1.0) are MMAP: EnumType finds them before anybody can look."""
    assert F(cast("int", True)) is F.MMAP  # the trap itself
    assert F(cast("int", 1.0)) is F.MMAP


def test_trap_list_drops_what_len_counts() -> None:
    """Iterating yields named bits only; gmemflags.bits yields all."""
    assert list(F(0x41)) == [F.MMAP]
    assert len(F(0x41)) == 2


def test_trap_names_of_unnamed_bits() -> None:
    """The name of unnamed bits is decimal beside a named one, and missing without one."""
    assert (F(0x41).name, F(0x40).name) == ("MMAP|64", None)


def test_trap_a_value_once_made_stays() -> None:
    """The class remembers it for ever (newer Pythons: unnamed bits, too): prefer ints."""
    value = (Tree.LOW | Tree.TOP).value
    assert Tree(value) is Tree(value)
    assert value in Tree._value2member_map_
