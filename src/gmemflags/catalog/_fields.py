"""What the fields of values share: they take what is meant, and refuse the rest in one sentence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from gmemflags.masks._words import shown, u64

if TYPE_CHECKING:
    from collections.abc import Callable

    from attrs import Attribute


def as_mask(value: int) -> int:
    """A mask through the guard; unlike ``u64`` it asks type checkers for an int."""
    return u64(value)


def as_masks(values: Iterable[int]) -> tuple[int, ...]:
    """Several masks, each through the guard."""
    return tuple([u64(value) for value in values])


def is_a(kind: type, *, or_none: bool = False) -> Callable[[Any, Attribute[Any], Any], None]:
    """A validator: the value is a ``kind``, or perhaps None; a bool is no number."""

    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        good = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
        if not good and not (or_none and value is None):
            article = "an" if kind is int else "a"
            what = f"{article} {kind.__name__}"
            raise TypeError(f"{attribute.name} must be {what}, not {shown(value)}")

    return check


def several(values: object, kind: type, what: str) -> tuple[Any, ...]:
    """The values of an iterable that holds nothing but ``kind``; a text is one value."""
    if isinstance(values, Iterable) and not isinstance(values, str):
        listed = tuple(cast("Iterable[object]", values))
        odd = next((value for value in listed if not isinstance(value, kind)), None)
        if odd is None and None not in listed:
            return listed
        values = odd
    raise TypeError(f"{what} are wanted, not {shown(values)}")


def shown_masks(masks: Iterable[int]) -> str:
    """Masks in a ``repr``."""
    return f"({', '.join(map(hex, masks))})"
