"""The parts of documents: how each kind is declared, read and written."""

import re
from enum import StrEnum
from typing import Any

import pytest

from gmemflags._documents import Fault, choice, coded, integer, member, plain, text


class Colour(StrEnum):
    """Two texts."""

    RED = "red"
    BLUE = "blue"


def fault(convert: Any, value: object) -> str:
    """What is said of a value that is refused."""
    with pytest.raises(Fault) as caught:
        convert(value)
    assert caught.value.path == []
    return caught.value.problem


def test_a_plain_part_is_the_same_on_both_sides() -> None:
    """What does not fit is neither read nor written."""
    form = plain({"type": "array"}, "a pair", lambda value: len(value) == 2)
    assert form.schema == {"type": "array"}
    for convert in (form.read, form.write):
        pair = [1, 2]
        assert convert(pair) is pair
        assert fault(convert, [1]) == "a pair is needed, not a list"
        assert fault(convert, {1}) == "a pair is needed, not set"


def test_a_text_is_described_as_a_whole() -> None:
    """By alternatives, too; and Python's and JSON Schema's patterns say the same."""
    form = text("a|bb", "a letter")
    assert form.schema == {"type": "string", "pattern": r"^(?:a|bb)(?![\s\S])"}
    for value in ("a", "bb"):
        assert form.read(value) == form.write(value) == value
        assert re.search(form.schema["pattern"], value)
    for value in ("", "ab", "abb", "a\n", "ba", "c"):
        assert fault(form.read, value) == f"a letter is needed, not {value!r}"
        assert not re.search(form.schema["pattern"], value)
    assert fault(form.read, 1) == "a letter is needed, not 1"
    assert fault(form.write, None) == "a letter is needed, not null"


def test_a_coded_text_stands_for_a_value() -> None:
    """The text is checked before it is decoded, and after it was encoded."""
    form = coded(text("[0-9]+", "digits"), int, str)
    assert form.schema == text("[0-9]+", "digits").schema
    assert (form.read("12"), form.write(12)) == (12, "12")
    assert fault(form.read, "-1") == "digits is needed, not '-1'"
    assert fault(form.write, -1) == "digits is needed, not '-1'"


def test_one_of_some_texts() -> None:
    """Nothing that only equals one of them; what is not there is written as the first."""
    form = choice("red", "blue")
    assert form.schema == {"enum": ["red", "blue"]}
    for value in ("red", "blue"):
        assert form.read(value) == form.write(value) == value
    for value in ("green", "RED", ""):
        assert fault(form.read, value) == f"one of red, blue is needed, not {value!r}"
    assert fault(form.write, "green") == "one of red, blue is needed, not 'green'"
    assert fault(form.read, None) == "one of red, blue is needed, not null"
    assert fault(form.read, ["red"]) == "one of red, blue is needed, not a list"
    assert form.write(None) == "red"


def test_a_member_by_its_text() -> None:
    """It is read as the member, and nothing else is."""
    form = member(Colour)
    assert form.schema == {"enum": ["red", "blue"]}
    for colour in Colour:
        assert form.read(colour.value) is colour
        assert (form.write(colour), type(form.write(colour))) == (colour.value, str)
    assert fault(form.read, "RED") == "one of red, blue is needed, not 'RED'"


def test_an_integer_up_to_the_most() -> None:
    """Neither a bool nor a float of the same value."""
    form = integer(3)
    assert form.schema == {"type": "integer", "minimum": 0, "maximum": 3}
    for value in (0, 1, 3):
        assert form.read(value) == form.write(value) == value
    shown = {-1: "-1", 4: "4", "1": "'1'"}
    for refused, text_of_it in (*shown.items(), (True, "true"), (1.0, "1.0")):
        assert fault(form.read, refused) == f"an integer in [0, 3] is needed, not {text_of_it}"
        assert fault(form.write, refused) == f"an integer in [0, 3] is needed, not {text_of_it}"
