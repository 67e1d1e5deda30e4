"""The shapes that decoders are made of, each by itself: what it takes, and what it says."""

from collections.abc import Callable

import pytest

from gmemflags import Stage
from gmemflags.records._shapes import (
    Fault,
    as_is,
    below,
    flag,
    items,
    mask,
    members,
    number,
    one_of,
    optional,
    raw,
    record,
    text,
)
from gmemflags.records._supports import words


def fault(decode: Callable[[object], object], value: object) -> tuple[str, str]:
    """Where the fault is, and what it is."""
    with pytest.raises(Fault) as caught:
        decode(value)
    return caught.value.where(), caught.value.problem


def test_a_flag() -> None:
    """1 is not true."""
    assert (flag(True), flag(False)) == (True, False)
    assert fault(flag, 1) == ("$", "true or false is needed, not 1")


def test_a_mask() -> None:
    """As Python's hex writes it, 64 bits at most."""
    assert [mask(value) for value in ("0x0", "0x3", "0xffffffffffffffff")] == [0, 3, (1 << 64) - 1]
    problem = 'a mask such as "0x3", of at most 16 lower-case hex digits, is needed, not '
    for value in ("0x03", "3", "0X3", "0xA", "0x10000000000000000", ""):
        assert fault(mask, value) == ("$", f"{problem}'{value}'")
    assert fault(mask, 3) == ("$", f"{problem}3")


def test_a_raw_answer() -> None:
    """A C long as Python's str writes it, unless it is an errno."""
    assert [raw(value) for value in ("0", "3", "-4096", str(-(1 << 63)))] == [
        0,
        3,
        -4096,
        -(1 << 63),
    ]
    problem = 'a C long as a decimal text, such as "-5", is needed, not '
    for value in ("03", "0x3", "-0", " 3", ""):
        assert fault(raw, value) == ("$", f"{problem}'{value}'")
    assert fault(raw, 3) == ("$", f"{problem}3")


def test_a_number() -> None:
    """32 bits, unless something else is said."""
    assert [number(value) for value in (0, 1, 0xFFFFFFFF)] == [0, 1, 0xFFFFFFFF]
    for value in (-1, 1 << 32):
        problem = f"an integer in [0, 4294967295] is needed, not {value}"
        assert fault(number, value) == ("$", problem)
    assert fault(number, True) == ("$", "an integer in [0, 4294967295] is needed, not true")


def test_a_number_below_a_limit() -> None:
    """The limit itself is too much."""
    assert below(8)(7) == 7
    assert fault(below(8), 8) == ("$", "an integer in [0, 7] is needed, not 8")


def test_null_or_something() -> None:
    """Null is None, and anything else what it is."""
    assert (optional(text)(None), optional(text)("a")) == (None, "a")
    assert fault(optional(text), 1) == ("$", "a text is needed, not 1")


def test_a_member_of_an_enum() -> None:
    """By its text, and by nothing that is equal to it."""
    stage = one_of(Stage)
    assert [stage(name) for name in ("create", "bind", "access")] == [*Stage]
    needed = "one of create, bind, access is needed"
    assert fault(stage, "BIND") == ("$", f"{needed}, not 'BIND'")
    assert fault(stage, 1) == ("$", f"{needed}, not 1")
    assert fault(stage, []) == ("$", f"{needed}, not a list")


def test_a_list() -> None:
    """Each item has its place; with a limit, no more than that."""
    assert items(number)([3, 1, 2]) == [3, 1, 2]
    assert items(number, 2)([3, 1]) == [3, 1]
    problem = "it has 3 items, and at most 2 are allowed"
    assert fault(items(number, 2), [3, 1, "x"]) == ("$", problem)
    assert fault(items(text), ["a", 1]) == ("$[1]", "a text is needed, not 1")
    assert fault(items(text), 7) == ("$", "a list is needed, not 7")
    assert fault(items(text), {}) == ("$", "a list is needed, not an object")


def test_an_object_with_any_keys() -> None:
    """Keys and values are decoded, and a fault of either stands at the key."""
    assert members(number)({"a": 1, "b": 2}) == {"a": 1, "b": 2}
    assert members(number, lambda key: text(key).lower(), 2)({"A": 1, "B": 2}) == {"a": 1, "b": 2}
    problem = "it has 2 members, and at most 1 are allowed"
    assert fault(members(number, most=1), {"a": 1, "b": "x"}) == ("$", problem)
    assert fault(members(number), {"a": 1, "b": "x"}) == (
        "$.b",
        "an integer in [0, 4294967295] is needed, not 'x'",
    )
    half = "character 1 of the text is half a surrogate pair"
    assert fault(members(number), {"a\ud800": 1}) == ("$['a\\ud800']", half)
    assert fault(members(number), []) == ("$", "an object is needed, not a list")


def test_a_record() -> None:
    """Exactly its keys: one that is missing is told before one that is too many."""
    shape = record({"a": number, "b": text, "c": as_is})
    assert shape({"b": "x", "a": 1, "c": []}) == {"a": 1, "b": "x", "c": []}
    assert fault(shape, {"a": 1, "d": 1, "c": 1}) == ("$.b", "it is missing")
    assert fault(shape, {"a": 1, "b": "", "c": 1, "d": 1}) == ("$.d", "no such key is known")
    assert fault(shape, {"a": 1, "b": 2, "c": 1}) == ("$.b", "a text is needed, not 2")
    assert fault(shape, None) == ("$", "an object is needed, not null")


def test_a_mask_and_its_words() -> None:
    """All three agree, or all three are null."""
    full = {"mask": 0x7_0000_0003, "low": 3, "high": 7}
    assert words(full) == 0x7_0000_0003
    assert words({"mask": 0, "low": 0, "high": 0}) == 0
    assert words(dict.fromkeys(full)) is None
    for name, value in (("low", 7), ("high", 3), ("low", None)):
        problem = f"{value} is not the {name} word of the mask 0x700000003"
        with pytest.raises(Fault) as caught:
            words({**full, name: value})
        assert (caught.value.where(), caught.value.problem) == (f"$.{name}", problem)
    with pytest.raises(Fault) as caught:
        words({"mask": None, "low": None, "high": 0})
    assert caught.value.problem == "0 is not the high word of the mask None"
