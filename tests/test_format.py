"""Flags as text: what is printed, what is read, and every way to misspell it."""

from typing import Any, cast

import pytest
from attrs import field, frozen

from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
    Always,
    Catalog,
    Excludes,
    FlagSyntaxError,
    FlagWord,
    Hosts,
    InvalidMaskError,
    Need,
    Never,
    Refused,
    Requires,
    Rule,
    _format,
    format_mask,
    format_rule,
    parse_mask,
)
from gmemflags._format import format_hosts, format_need

MASK = 0xFFFF_FFFF_FFFF_FFFF
SAID: dict[str, Any] = {"why": "It is so.", "source": "a test"}


class Flag(FlagWord):
    """Flags at both ends, one of them with the kernel's prefix in its own name."""

    FOO = 1 << 0
    BAR_2 = 1 << 31
    BAZ = 1 << 32
    TOP = 1 << 63


def describe(bit: int, catalog: Catalog = MAINLINE) -> str:
    """One bit, in the names of mainline unless said otherwise."""
    return _format.describe(bit, catalog)


def describe_mask(mask: int, catalog: Catalog = MAINLINE) -> str:
    """A mask, in the names of mainline unless said otherwise."""
    return _format.describe_mask(mask, catalog)


TREE = Catalog("a-tree", Flag, MAINLINE.capabilities)


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        (0, "0"),
        (1, "MMAP"),
        (2, "INIT_SHARED"),
        (3, "MMAP|INIT_SHARED"),
        (0x43, "MMAP|INIT_SHARED|0x40"),
        (0x40, "0x40"),
        (0xC0, "0xc0"),
        (1 << 63, "0x8000000000000000"),
        (MASK, "MMAP|INIT_SHARED|0xfffffffffffffffc"),
    ],
)
def test_a_mask_as_text(mask: int, text: str) -> None:
    """Names in order of bits, then one number; no bit is 0, and only that."""
    assert format_mask(mask) == text
    assert parse_mask(text) == mask


def test_names_come_in_order_of_bits() -> None:
    """Not of the alphabet or of the class."""
    assert format_mask(MASK, TREE) == "FOO|BAR_2|BAZ|TOP|0x7ffffffe7ffffffe"


@pytest.mark.parametrize("value", [-1, 1 << 64, True, "MMAP", None])
def test_only_masks_have_a_text(value: object) -> None:
    """The guard stands before every text."""
    for to_text in (format_mask, describe_mask, describe):
        with pytest.raises(InvalidMaskError):
            to_text(cast("int", value))


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("mmap", 1),
        ("Init_Shared", 2),
        ("GUEST_MEMFD_FLAG_MMAP", 1),
        ("guest_memfd_flag_init_shared", 2),
        ("MMAP,INIT_SHARED", 3),
        (" MMAP ,\tINIT_SHARED | 0x40\n", 0x43),
        ("MMAP|MMAP", 1),
        ("MMAP|1", 1),
        ("0", 0),
        ("0|MMAP", 1),
        ("00", 0),
        ("64", 0x40),
        ("0x40", 0x40),
        ("0X4f", 0x4F),
        ("18446744073709551615", MASK),
        ("0xffffffffffffffff", MASK),
        ("0x" + "0" * 48 + "ffffffffffffffff", MASK),
    ],
)
def test_what_is_read(text: str, mask: int) -> None:
    """Any case, prefix or not, bars or commas, spaces, hexadecimal and decimal."""
    assert parse_mask(text) == mask


def test_what_is_read_in_another_tree() -> None:
    """Its names, also those that begin with the prefix, and with digits inside."""
    assert parse_mask("foo|bar_2|guest_memfd_flag_baz|top", TREE) == 1 << 63 | 1 << 32 | 1 << 31 | 1


@pytest.mark.parametrize(
    ("text", "position", "problem"),
    [
        ("", 0, "a flag is missing (0 stands for none)"),
        ("  ", 2, "a flag is missing (0 stands for none)"),
        ("|MMAP", 0, "a flag is missing (0 stands for none)"),
        ("MMAP|", 5, "a flag is missing (0 stands for none)"),
        ("MMAP,,INIT_SHARED", 5, "a flag is missing (0 stands for none)"),
        ("MMAP | | 2", 7, "a flag is missing (0 stands for none)"),
        ("0x", 0, "0x is not a number"),
        ("MMAP|0xfg", 5, "0xfg is not a number"),
        ("MMAP, 12a", 6, "12a is not a number"),
        ("0b11", 0, "0b11 is not a number"),
        ("1.5", 0, "1.5 is not a number"),
        ("1e3", 0, "1e3 is not a number"),
        ("18446744073709551616", 0, "18446744073709551616 is not a mask of 64 bits"),
        ("0x10000000000000000", 0, "0x10000000000000000 is not a mask of 64 bits"),
        ("1_000", 0, "1_000 is not a mask of 64 bits"),
        ("MMAP|١", 5, "١ is not a mask of 64 bits"),  # noqa: RUF001  # a digit, and no number here
        ("²", 0, "² is not a mask of 64 bits"),
        ("0" * 67, 0, "0" * 60 + " is not a mask of 64 bits"),
        ("9" * 100, 0, "9" * 60 + " is not a mask of 64 bits"),
        ("-1", 0, "no flag of linux-mainline is called -1"),
        ("+1", 0, "no flag of linux-mainline is called +1"),
        ("~MMAP", 0, "no flag of linux-mainline is called ~MMAP"),
        ("MMAP+INIT_SHARED", 0, "no flag of linux-mainline is called MMAP+INIT_SHARED"),
        ("MMAP INIT_SHARED", 0, "no flag of linux-mainline is called MMAP INIT_SHARED"),
        ("ﬁ", 0, "no flag of linux-mainline is called ﬁ"),  # a ligature, FI in capitals
        ("x" * 100, 0, "no flag of linux-mainline is called " + "x" * 60),
        ("GUEST_MEMFD_FLAG_", 0, "no flag of linux-mainline is called GUEST_MEMFD_FLAG_"),
        ("WRITE", 0, "no flag of linux-mainline is called WRITE"),
    ],
)
def test_what_is_not_read(text: str, position: int, problem: str) -> None:
    """The error says where, and what is wrong there."""
    with pytest.raises(FlagSyntaxError) as caught:
        parse_mask(text)
    error = caught.value
    assert (error.text, error.position, error.problem) == (text, position, problem)
    assert f"{problem} at position {position} " in str(error)


@pytest.mark.parametrize(
    ("text", "position", "nearest"),
    [
        ("MAP", 0, "MMAP"),
        ("MMXY", 0, "MMAP"),  # half of it is enough
        ("mmpa", 0, "MMAP"),
        ("MMAP|INIT_SHRED", 5, "INIT_SHARED"),
        ("0x40, init-shared", 6, "INIT_SHARED"),
        ("GUEST_MEMFD_FLAG_MAP", 0, "MMAP"),
        ("guest_memfd_flag_initshared", 0, "INIT_SHARED"),
        ("XYZ", 0, None),
        ("GUEST_MEMFD_FLAG_XYZ", 0, None),
    ],
)
def test_the_nearest_name(text: str, position: int, nearest: str | None) -> None:
    """It is offered if there is one that is near, the prefix aside."""
    with pytest.raises(FlagSyntaxError) as caught:
        parse_mask(text)
    assert (caught.value.position, caught.value.nearest) == (position, nearest)
    hint = f"; did you mean {nearest}?" if nearest else "'"
    assert str(caught.value).endswith(hint)


def test_the_nearest_name_is_one_of_the_tree() -> None:
    """Mainline does not know what WRITE is, Firecracker's tree does."""
    with pytest.raises(FlagSyntaxError, match=r"did you mean NO_DIRECT_MAP\?"):
        parse_mask("NODIRECTMAP", FIRECRACKER_SECRET_FREE)


def test_a_long_text_is_shown_around_the_fault() -> None:
    """Position counts from the start; what is shown is a window."""
    text = "MMAP|" * 100 + "MMPA" + "|MMAP" * 100
    with pytest.raises(FlagSyntaxError) as caught:
        parse_mask(text)
    assert caught.value.position == 500
    assert str(caught.value) == (
        "no flag of linux-mainline is called MMPA at position 500 near"
        f" {text[460:540]!r}; did you mean MMAP?"
    )


@pytest.mark.parametrize(
    ("value", "shown"), [(3, "3"), (None, "None"), (b"MMAP", "b'MMAP'"), ([1], "type list")]
)
def test_only_text_is_read(value: object, shown: str) -> None:
    """A mask is no text of one."""
    with pytest.raises(FlagSyntaxError, match="is not a text") as caught:
        parse_mask(cast("str", value))
    assert shown in caught.value.problem
    assert (caught.value.text, caught.value.position) == ("", 0)


@pytest.mark.parametrize(
    ("bit", "text"),
    [
        (1, "MMAP (bit 0, 0x1)"),
        (2, "INIT_SHARED (bit 1, 0x2)"),
        (1 << 7, "bit 7 (0x80, not named by linux-mainline)"),
        (1 << 63, "bit 63 (0x8000000000000000, not named by linux-mainline)"),
    ],
)
def test_a_bit_described(bit: int, text: str) -> None:
    """With name, number and value, or with the tree that has no name for it."""
    assert describe(bit) == text
    assert describe_mask(bit) == text


@pytest.mark.parametrize("mask", [0, 3, MASK])
def test_only_one_bit_is_described_as_one(mask: int) -> None:
    """Several bits are in no one sentence about a bit."""
    with pytest.raises(InvalidMaskError, match="one bit"):
        describe(mask)


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        (0, "no flag (0x0)"),
        (3, "MMAP|INIT_SHARED (0x3)"),
        (0x43, "MMAP|INIT_SHARED|0x40 (0x43)"),
        (0xC0, "0xc0 (not named by linux-mainline)"),
    ],
)
def test_a_mask_described(mask: int, text: str) -> None:
    """Several bits with their value, none in words."""
    assert describe_mask(mask) == text


def test_descriptions_name_their_tree() -> None:
    """Bit 2 has a name in one tree and none in the other."""
    assert describe(4, FIRECRACKER_SECRET_FREE) == "NO_DIRECT_MAP (bit 2, 0x4)"
    assert describe_mask(5, FIRECRACKER_SECRET_FREE) == "MMAP|NO_DIRECT_MAP (0x5)"
    assert describe_mask(16, FIRECRACKER_SECRET_FREE) == (
        "bit 4 (0x10, not named by firecracker-secret-free)"
    )


@frozen
class Odd(Rule):
    """A kind of rule that the library does not know."""

    one: int = field(default=1)
    other: int = field(default=2)

    def holds(self, mask: int) -> bool:
        """On every mask."""
        return mask >= 0

    def clauses(self, may: int) -> list[tuple[int, int, int, tuple[int, ...]]]:
        """It never asks for anything."""
        del may
        return []

    @property
    def operands(self) -> tuple[int, ...]:
        """Two masks."""
        return (self.one, self.other)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Requires(2, all_of=1, **SAID), "INIT_SHARED requires MMAP"),
        (Requires(3, all_of=0x44, **SAID), "each of MMAP, INIT_SHARED requires 0x44"),
        (Requires(4, any_of=(1,), **SAID), "0x4 requires MMAP"),
        (Requires(4, any_of=(1, 2), **SAID), "0x4 requires one of MMAP, INIT_SHARED"),
        (Requires(4, any_of=(3, 8), **SAID), "0x4 requires one of MMAP|INIT_SHARED, 0x8"),
        (Requires(4, all_of=1, any_of=(2,), **SAID), "0x4 requires MMAP and INIT_SHARED"),
        (
            Requires(4, all_of=8, any_of=(1, 2), **SAID),
            "0x4 requires 0x8 and one of MMAP, INIT_SHARED",
        ),
        (Requires(1, **SAID), "MMAP requires 0"),
        (Requires(0, all_of=1, **SAID), "0 requires MMAP"),
        (Excludes(1, 6, **SAID), "MMAP excludes any of INIT_SHARED, 0x4"),
        (
            Excludes(0xC, 0x73, **SAID),
            "any bit of 0xc excludes any of MMAP, INIT_SHARED, bits of 0x70",
        ),
        (Always(1, **SAID), "every mask needs MMAP"),
        (Always(any_of=(1, 2), **SAID), "every mask needs one of MMAP, INIT_SHARED"),
        (Always(4, any_of=(1, 2), **SAID), "every mask needs 0x4 and one of MMAP, INIT_SHARED"),
        (Always(**SAID), "every mask needs 0"),
        (Never(3, **SAID), "no mask takes any of MMAP, INIT_SHARED"),
        (Refused(1, **SAID), "exactly MMAP is refused"),
        (Refused(0, **SAID), "exactly 0 is refused"),
        (Odd(**SAID), "Odd(MMAP, INIT_SHARED)"),
    ],
)
def test_a_rule_as_text(rule: Rule, text: str) -> None:
    """What it says, in the names of the tree."""
    assert format_rule(rule) == text


def test_a_rule_as_text_of_a_tree() -> None:
    """The same rule reads otherwise where bits have other names."""
    rule = Requires(1 << 31, all_of=1, **SAID)
    assert format_rule(rule, TREE) == "BAR_2 requires FOO"
    assert format_rule(rule) == "0x80000000 requires MMAP"
    assert format_rule(Odd(other=1 << 31, **SAID), TREE) == "Odd(FOO, BAR_2)"


def test_a_bit_without_a_name_in_a_rule_of_a_tree() -> None:
    """Another tree may have a name for it, and is not asked."""
    rule = Never(1 << 31 | 1 | 2, **SAID)
    assert format_rule(rule, TREE) == "no mask takes any of FOO, BAR_2, 0x2"


@pytest.mark.parametrize(
    ("hosts", "text"),
    [
        (Hosts(), "any host"),
        (Hosts(machines=("x86_64",)), "machine x86_64"),
        (Hosts(machines=("x86_64", "i686")), "machine x86_64 or i686"),
        (Hosts(vm_types=(4, 5)), "VM type 4 or 5"),
        (Hosts(except_vm_types=(0, 1 << 31)), "any VM type but 0 or 0x80000000"),
        (
            Hosts(machines=("s390x",), vm_types=(0, 4), except_vm_types=(0,)),
            "machine s390x, VM type 0 or 4, any VM type but 0",
        ),
        (Hosts(machines=("s390x",), vm_types=(0,)), "machine s390x, VM type 0"),
        (Hosts(vm_types=(1 << 31, 255)), "VM type 0x80000000 or 255"),
        (Hosts(machines=("a\nb",)), r"machine a\nb"),
    ],
)
def test_hosts_as_text(hosts: Hosts, text: str) -> None:
    """Machines and VM types that a rule speaks of; one that speaks of neither is for all."""
    assert format_hosts(hosts) == text


@pytest.mark.parametrize(
    ("need", "text"),
    [
        (Need("X"), "KVM_CAP_X"),
        (Need("X", 8), "KVM_CAP_X with 0x8"),
        (Need("X", any_of=(16, 2)), "KVM_CAP_X with one of 0x10, 0x2"),
        (Need("X", 8, any_of=(1, 2)), "KVM_CAP_X with 0x8 and one of 0x1, 0x2"),
        (Need("X", at_least=48), "KVM_CAP_X with at least 48"),
        (
            Need("X", 8, any_of=(1, 2), at_least=9, why="So.", optional=True),
            "KVM_CAP_X with 0x8 and one of 0x1, 0x2 and at least 9",
        ),
        (Need("MEMORY_ATTRIBUTES", 8), "KVM_CAP_MEMORY_ATTRIBUTES with 0x8 (PRIVATE)"),
        (Need("MEMORY_ATTRIBUTES", 9), "KVM_CAP_MEMORY_ATTRIBUTES with 0x9 (PRIVATE|0x1)"),
        (Need("a\nb"), r"KVM_CAP_a\nb"),
    ],
)
def test_a_need_as_text(need: Need, text: str) -> None:
    """The capability by its full name, and what its answer must have."""
    assert format_need(need) == text


def test_a_mask_of_another_tree_has_no_text() -> None:
    """Its flag would be shown by the name that this tree gives to the bit."""

    class Theirs(FlagWord):
        MMAP = 1
        OTHER = 2
        MORE = 1 << 5

    with pytest.raises(InvalidMaskError, match="which calls the bit INIT_SHARED"):
        format_mask(Theirs.OTHER)
    assert format_mask(Theirs.MMAP | Theirs.MORE) == "MMAP|0x20"


def test_a_long_rule_is_shortened() -> None:
    """The first 64 alternatives are listed."""
    rule = Requires(1, any_of=[mask << 8 for mask in range(1, 1001)], why="So.", source="test")
    text = format_rule(rule)
    assert text.startswith("MMAP requires one of 0x100, 0x200, 0x300, ")
    assert text.endswith(", 0x4000 and 936 more")
