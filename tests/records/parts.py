"""Every place in the content of a document."""

from collections.abc import Iterator
from typing import Any


def places(content: Any) -> list[tuple[Any, Any]]:
    """Every part as its container, an object or a list, and its key or index in it."""
    return list(_places(content))


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    kind = type(content).__name__
    keys: list[Any] = []
    if kind == "dict":
        keys = list(content)
    elif kind == "list":
        keys = list(range(len(content)))
    for key in keys:
        yield content, key
        yield from _places(content[key])
