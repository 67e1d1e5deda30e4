"""Flag classes: what they get right, and the traps of IntFlag that remain, pinned."""

import copy
import pickle
from collections.abc import Callable
from enum import CONFORM, EJECT, STRICT, FlagBoundary, IntEnum, IntFlag, auto
from typing import Any, cast

import pytest

from gmemflags import FlagWord, InvalidMaskError, parse_mask
from gmemflags import GuestMemfdFlag as F
from tests.trees import tree_of

MASK = 0xFFFF_FFFF_FFFF_FFFF
OPERATORS: dict[str, Callable[[int, int], int]] = {
    "or": lambda left, right: left | right,
    "and": lambda left, right: left & right,
    "xor": lambda left, right: left ^ right,
}


def flag_class(name: str, members: dict[str, Any]) -> type[FlagWord]:
    """A class that is made of data."""
    made: type[FlagWord] = cast("Any", FlagWord)(name, members)
    return made


def class_body(name: str, members: dict[str, Any]) -> type[FlagWord]:
    """The same by a class statement."""
    lines = "".join(f"    {member} = {value!r}\n" for member, value in members.items())
    made: dict[str, Any] = {"FlagWord": FlagWord}
    exec(f"class {name}(FlagWord):\n{lines}", made)  # noqa: S102  # our own text
    return cast("type[FlagWord]", made[name])


class Tree(FlagWord):
    """A flag class of a caller."""

    LOW = auto()
    TOP = 1 << 63


class Other(FlagWord):
    """Another tree, which agrees with mainline on one bit."""

    MMAP = 1
    FOO = 2
    BAR = 4


class Header(FlagWord):
    """Flags by the names of the kernel's header."""

    GUEST_MEMFD_FLAG_MMAP = 1
    GUEST_MEMFD_FLAG_INIT_SHARED = 2
    SECRET = 4


class Base(FlagWord):
    """A class without flags, to inherit from."""

    def count(self) -> int:
        """How many bits are set."""
        return self.value.bit_count()

    def __or__(self, other: int) -> "Base":
        """Join, and remember nothing."""
        return super().__or__(other)


class Derived(Base):
    """A class that inherits a method and an operator."""

    ONE = 1
    TWO = 2


class Plain(IntFlag):
    """Another tree, as somebody else wrote it; the prefix is the kernel's."""

    GUEST_MEMFD_FLAG_MMAP = 1
    SECRET = 2


class Number(IntEnum):
    """Numbers by name."""

    MMAP = 1
    SECRET = 2


ALL = [F, Tree, Header, Derived, flag_class("Late", {"ONE": 1, "TOP": 1 << 63})]
flag_classes = pytest.mark.parametrize("flags", ALL, ids=lambda flags: flags.__name__)
operators = pytest.mark.parametrize("operator", OPERATORS)


@flag_classes
def test_the_complement_is_that_of_64_bits(flags: type[FlagWord]) -> None:
    """EnumType puts Flag's own operator back into every subclass, which knows named bits only."""
    for value in (0, 1, 0x41, MASK):
        assert (~flags(value)).value == MASK ^ value
        assert ~~flags(value) == flags(value)
        assert type(~flags(value)) is flags
    assert flags(0x43) & ~flags(1) == 0x42


@flag_classes
@pytest.mark.parametrize(("operator", "result"), [("or", 0x43), ("and", 0x40), ("xor", 0x03)])
def test_operators_keep_class_and_bits(flags: type[FlagWord], operator: str, result: int) -> None:
    """With a flag or an int on either side the result is a flag of all bits, named or not."""
    for left, right in ((flags(0x41), flags(0x42)), (flags(0x41), 0x42), (0x41, flags(0x42))):
        made = OPERATORS[operator](left, right)
        assert (made, type(made)) == (result, flags)


def test_a_subclass_inherits_methods_and_operators() -> None:
    """What a class of the user's own defines is there in the classes made of it."""
    assert (Derived.ONE | Derived.TWO | 0x40).count() == 3
    assert type(Derived.ONE | 0x40) is Derived


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
def test_operators_refuse_what_is_not_a_mask(operator: str, value: int) -> None:
    """An error code that is joined to a flag does not become flags."""
    with pytest.raises(InvalidMaskError) as caught:
        OPERATORS[operator](F.INIT_SHARED, value)
    assert caught.value.value == str(OPERATORS[operator](2, value))


def test_a_negative_int_may_take_bits_away() -> None:
    """``~1`` of an int is -2, and what is left lies inside the flags."""
    assert F(3) & ~1 == F.INIT_SHARED


@operators
def test_operators_refuse_a_flag_that_is_called_something_else(operator: str) -> None:
    """Neither side's name would be true of the result; a bit without a name here has one there."""
    for left, right in (
        (F.MMAP, Other.FOO),
        (Other.MMAP, F.INIT_SHARED),
        (F.MMAP, Other(5)),
        (Header.SECRET, Other.BAR),
    ):
        with pytest.raises(InvalidMaskError, match=r" is not a flag of \w+: take both from one"):
            OPERATORS[operator](left, right)


@operators
@pytest.mark.parametrize("other", [Plain.SECRET, Plain(3), Number.SECRET], ids=repr)
def test_operators_refuse_another_name_of_any_enum(operator: str, other: int) -> None:
    """A name is a name, whatever class has it; the sentence names the bit and both classes."""
    with pytest.raises(InvalidMaskError) as caught:
        OPERATORS[operator](F.MMAP, other)
    assert str(caught.value) == (
        f"{type(other).__name__}.SECRET (0x2) is not a flag of GuestMemfdFlag: take both from one"
        " class"
    )


@operators
@pytest.mark.parametrize(
    "other", [Plain.GUEST_MEMFD_FLAG_MMAP, Number.MMAP, Other.MMAP, Header(1)], ids=repr
)
def test_operators_take_the_same_name_of_any_enum(operator: str, other: int) -> None:
    """With or without the kernel's prefix; the class is that of the left side."""
    made = OPERATORS[operator](F(3), other)
    assert (made, type(made)) == (OPERATORS[operator](3, 1), F)


@pytest.mark.parametrize("boundary", [STRICT, CONFORM, EJECT])
def test_no_class_drops_or_refuses_unnamed_bits(boundary: FlagBoundary) -> None:
    """Another boundary would make ``flags`` of a host lose bits, or fail."""
    make = cast("Any", FlagWord)
    with pytest.raises(TypeError, match="the boundary of Late, a FlagWord, must be KEEP"):
        make("Late", {"ONE": 1}, boundary=boundary)


@pytest.mark.parametrize("make", [flag_class, class_body])
@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"A": 1, "B": 1}, "Bad.B = 1 is a second name for a bit: it is A already"),
        (
            {"GUEST_MEMFD_FLAG_A": 1, "B": 1},
            "Bad.B = 1 is a second name for a bit: it is A already",
        ),
        (
            {"A": 1, "GUEST_MEMFD_FLAG_A": 2},
            "Bad.GUEST_MEMFD_FLAG_A = 2 is a second bit called A",
        ),
        ({"A": 1, "B": -1}, "Bad.B = -1 is not one bit of 64"),
        ({"A": 1, "B": -2}, "Bad.B = -2 is not one bit of 64"),
        ({"A": 3}, "Bad.A = 3 is not one bit of 64"),
        ({"A": 1, "B": 2, "C": 3}, "Bad.C = 3 is not one bit of 64"),
        ({"A": 0}, "Bad.A = 0 is not one bit of 64"),
        ({"A": 1 << 64}, f"Bad.A = {1 << 64} is not one bit of 64"),
        ({"A": True}, "Bad.A = True is not one bit of 64"),
    ],
    ids=str,
)
def test_a_member_is_one_bit_with_one_name(
    make: Callable[[str, dict[str, Any]], object], members: dict[str, Any], told: str
) -> None:
    """Neither "none" nor "all I know" nor a field is a flag, and of two names neither is the one.

    The raw values count: from Python 3.15 on enum itself rewrites -1.
    """
    with pytest.raises(InvalidMaskError) as caught:
        make("Bad", members)
    assert told in str(caught.value)


def test_a_flag_class_may_be_made_of_data() -> None:
    """A mapping of names and masks makes what a class body makes; the mapping is left alone."""
    members = {"LOW": 1, "TOP": 1 << 63}
    made = flag_class("Made", members)
    assert (made.__name__, issubclass(made, FlagWord)) == ("Made", True)
    assert {name: flag.value for name, flag in made.__members__.items()} == members
    assert members == {"LOW": 1, "TOP": 1 << 63}
    assert (Tree.LOW.value, Tree.TOP.value) == (1, 1 << 63)


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (F(0), "0"),
        (F.MMAP, "MMAP"),
        (F(0x43), "MMAP|INIT_SHARED|0x40"),
        (F(0xC0), "0xc0"),
        (F(MASK), "MMAP|INIT_SHARED|0xfffffffffffffffc"),
        (Header.GUEST_MEMFD_FLAG_MMAP, "MMAP"),
        (Header(7), "MMAP|INIT_SHARED|SECRET"),
        (Tree(MASK), "LOW|TOP|0x7ffffffffffffffe"),
    ],
    ids=repr,
)
def test_the_text_of_flags(flags: FlagWord, text: str) -> None:
    """Names without the kernel's prefix, lowest bit first, then one number for the rest."""
    assert str(flags) == f"{flags}" == text


@pytest.mark.parametrize(
    ("spec", "text"), [("#x", "0x41"), ("d", "65"), ("08b", "01000001"), (">5", "   65")]
)
def test_a_format_gives_the_number(spec: str, text: str) -> None:
    """As for an int."""
    assert format(F(0x41), spec) == text


def test_the_kernels_own_names() -> None:
    """A class as in the header is a tree like any other: its flags are read and written."""
    tree = tree_of(Header)
    assert tree.name_of(1) == "MMAP"
    assert parse_mask("MMAP|GUEST_MEMFD_FLAG_INIT_SHARED|guest_memfd_flag_secret", tree) == 7
    assert Header["GUEST_MEMFD_FLAG_MMAP"] is Header(1)


@flag_classes
@pytest.mark.parametrize("value", [0, 1, 3, 0x41, 0x40, 1 << 63, MASK])
def test_flags_survive_pickle_and_copy(flags: type[FlagWord], value: int) -> None:
    """Named or not, value and class come back."""
    flag = flags(value)
    copies = [copy.copy(flag), copy.deepcopy(flag)]
    if flags.__name__ in globals() or flags is F:  # pickle finds a class by its name
        frozen = [pickle.dumps(flag, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
        copies += [pickle.loads(ours) for ours in frozen]  # noqa: S301  # our own bytes
    for made in copies:
        assert (made, type(made)) == (flag, flags)


def test_a_pickled_flag_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read where its class calls the bit something else, it is a flag of another class."""
    frozen = [pickle.dumps(flag) for flag in (Tree.LOW, Tree.TOP | 0x40, Tree(0x40))]
    now = class_body("Tree", {"SHORT": 1, "TOP": 1 << 63, "SEVENTH": 0x40})
    monkeypatch.setattr(f"{__name__}.Tree", now)
    low, top, unnamed = (pickle.loads(flag) for flag in frozen)  # noqa: S301  # our own bytes
    assert (str(low), int(low), type(low).__name__) == ("LOW", 1, "Tree")
    with pytest.raises(InvalidMaskError):
        assert low | now(1)
    assert (type(top), int(top)) == (now, 1 << 63 | 0x40)
    assert (type(unnamed), int(unnamed)) == (now, 0x40)


def test_membership_is_by_bits() -> None:
    """``in`` asks for all bits of a flag, named or not."""
    assert F.MMAP in F(0x41)
    assert F(0x40) in F(0x41)
    assert F(0x41) not in F.MMAP


def test_trap_true_and_one_are_one_dictionary_key() -> None:
    """F(True) and F(1.0) are MMAP: EnumType finds them before anybody can look."""
    assert F(cast("int", True)) is F.MMAP
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
