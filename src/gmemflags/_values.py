"""What the frozen values of this library share: converters and pickling.

A converter takes what is meant and refuses the rest in one sentence. Converters run before
anything is derived from a field; attrs' validators run after that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar, cast

from attrs import Attribute, fields

from gmemflags._exceptions import safe_repr
from gmemflags._masks import u64

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


class Value:
    """A value that is shown, compared and hashed by its fields, as attrs does it.

    attrs makes these methods for each class, which would add a quarter to the time in which this
    library is imported.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        kind: type[Any] = type(self)
        shown = {
            field.name: field.repr if callable(field.repr) else repr
            for field in fields(kind)
            if field.repr
        }
        parts = [f"{name}={show(getattr(self, name))}" for name, show in shown.items()]
        return f"{kind.__qualname__.rpartition('>.')[2]}({', '.join(parts)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return _compared(self) == _compared(other)

    def __hash__(self) -> int:
        return hash((type(self), *_compared(self, hashed=True)))


def _compared(value: Value, *, hashed: bool = False) -> list[object]:
    # The fields by which values are equal; not all of them can be hashed.
    kind: type[Any] = type(value)
    return [
        field.eq_key(getattr(value, field.name)) if field.eq_key else getattr(value, field.name)
        for field in fields(kind)
        if field.eq and not (hashed and field.hash is False)
    ]


NOTHING: Mapping[Any, Any] = MappingProxyType({})
"""An empty mapping that cannot be changed."""


def frozen_mapping(values: Mapping[K, V]) -> Mapping[K, V]:
    """A copy of ``values`` that cannot be changed; all empty ones are the same."""
    return MappingProxyType(dict(values)) if values else NOTHING


def mapping_repr(values: Mapping[Any, object]) -> str:
    """A mapping in a ``repr``."""
    return repr(dict(values))


def as_mask(value: int) -> int:
    """A mask through the guard; unlike ``u64`` it asks type checkers for an int."""
    return u64(value)


def as_masks(values: Iterable[int]) -> tuple[int, ...]:
    """Several masks, each through the guard."""
    return tuple([u64(value) for value in values])


def masks_repr(masks: Iterable[int]) -> str:
    """Masks in a ``repr``."""
    return f"({', '.join(map(hex, masks))})"


def checked(value: T, name: str, kind: type[T]) -> T:
    """The value of the field ``name`` if it is a ``kind``; a bool is not a number.

    Raises:
        TypeError: It is not.
    """
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    article = "an" if kind is int else "a"
    raise TypeError(f"{name} must be {article} {kind.__name__}, not {safe_repr(value)}")


def checked_mapping(value: Mapping[K, V], name: str) -> Mapping[K, V]:
    """The value of the field ``name`` if it is a mapping.

    Raises:
        TypeError: It is not.
    """
    if isinstance(value, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # from outside
        return value
    raise TypeError(f"{name} must be a mapping, not {safe_repr(value)}")


def is_a(kind: type[Any], *, or_none: bool = False) -> Callable[[Any, Attribute[Any], Any], None]:
    """A validator that does the same as :func:`checked`, for classes without derived fields."""

    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if value is not None or not or_none:
            checked(value, attribute.name, kind)

    return check


def checked_tuple(values: object, kind: type[T], what: str) -> tuple[T, ...]:
    """The values of an iterable that holds nothing but ``kind``; a text is one value.

    Raises:
        TypeError: It holds something else, or is not iterable; ``what`` says what is needed.
    """
    if isinstance(values, Iterable) and not isinstance(values, str):
        listed = tuple(cast("Iterable[object]", values))
        odd = next((value for value in listed if not isinstance(value, kind)), None)
        if odd is None and None not in listed:
            return cast("tuple[T, ...]", listed)
        values = odd
    raise TypeError(f"{what} are wanted, not {safe_repr(values)}")


def init_arguments(self: Any) -> dict[str, Any]:
    """The arguments that make an equal value of an attrs class; mappings as plain dicts."""
    kind: type[Any] = type(self)  # pyright: ignore[reportUnknownVariableType]  # of Any
    arguments = {field.alias: getattr(self, field.name) for field in fields(kind) if field.init}
    return {
        name: {**value} if isinstance(value, MappingProxyType) else value
        for name, value in arguments.items()
    }


def _rebuild(kind: type[Any], arguments: dict[str, Any]) -> object:
    return kind(**arguments)


Reduced = tuple[Callable[..., object], tuple[object, ...]]
"""What ``__reduce__`` returns."""


def reduce_to_fields(self: Any) -> Reduced:
    """How a class with derived fields pickles: by its init fields, so all else is derived anew."""
    kind: type[Any] = type(self)  # pyright: ignore[reportUnknownVariableType]  # of Any
    return _rebuild, (kind, init_arguments(self))
