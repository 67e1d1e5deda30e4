"""FrozenDict: a dict in all that reads, and in nothing that writes."""

import copy
import pickle
from collections.abc import Callable
from typing import Any, cast

import pytest

from gmemflags._values import FrozenDict

CHANGES: dict[str, Callable[[Any], object]] = {
    "set": lambda mapping: mapping.__setitem__("a", 2),
    "set a new one": lambda mapping: mapping.__setitem__("c", 2),
    "delete": lambda mapping: mapping.__delitem__("a"),
    "update": lambda mapping: mapping.update({"a": 2}),
    "update by keyword": lambda mapping: mapping.update(a=2),
    "update by nothing": lambda mapping: mapping.update(),
    "in place": lambda mapping: mapping.__ior__({"a": 2}),
    "setdefault": lambda mapping: mapping.setdefault("c"),
    "setdefault of what is there": lambda mapping: mapping.setdefault("a", 2),
    "pop": lambda mapping: mapping.pop("a"),
    "pop with a default": lambda mapping: mapping.pop("c", None),
    "popitem": lambda mapping: mapping.popitem(),
    "clear": lambda mapping: mapping.clear(),
}


PROBLEM = r"^this mapping belongs to a frozen value: make a new one with attrs\.evolve$"


def frozen() -> FrozenDict[str, int]:
    """A new one."""
    return FrozenDict({"a": 1, "b": 2})


@pytest.mark.parametrize("change", list(CHANGES.values()), ids=list(CHANGES))
def test_no_change(change: Callable[[Any], object]) -> None:
    """Every way in is closed, and the error says what to do instead."""
    mapping = frozen()
    with pytest.raises(TypeError, match=PROBLEM):
        change(mapping)
    assert mapping == {"a": 1, "b": 2}


def test_it_reads_like_a_dict() -> None:
    """It equals one, and keeps the order in which it was made."""
    assert frozen() == {"b": 2, "a": 1}
    assert list(frozen().items()) == [("a", 1), ("b", 2)]
    assert frozen().get("c") is None


def test_equal_ones_have_one_hash() -> None:
    """Whatever their order is."""
    assert hash(frozen()) == hash(FrozenDict({"b": 2, "a": 1}))
    keys: list[Any] = [
        frozen(),
        frozen(),
        FrozenDict({"a": 2}),
    ]  # for a checker, no dict has a hash
    assert len(set(keys)) == 2


def test_unhashable_values_have_no_hash() -> None:
    """As for a tuple of them."""
    with pytest.raises(TypeError, match="unhashable"):
        hash(FrozenDict({"a": [1]}))


COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda mapping: pickle.loads(pickle.dumps(mapping)),  # noqa: S301  # our own bytes
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("again", list(COPIES.values()), ids=list(COPIES))
def test_copies_are_frozen(again: Callable[[Any], Any]) -> None:
    """What comes back is equal, and of this class."""
    twin = again(frozen())
    assert twin == frozen()
    assert type(cast("object", twin)) is FrozenDict


def test_it_carries_nothing_else() -> None:
    """There is no room for attributes either."""
    with pytest.raises(AttributeError):
        cast("Any", frozen()).note = 1
