"""What the frozen values of this library share: converters, a frozen dict, and pickling.

A converter takes what is meant and refuses the rest in one sentence. Converters run before
anything is derived from a field; attrs' validators run after that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TypeVar, cast

from attrs import fields

from gmemflags._exceptions import safe_repr
from gmemflags._masks import u64

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


class FrozenDict(dict[K, V]):
    """A dict whose content is fixed when it is made; it hashes and pickles.

    ``types.MappingProxyType`` does neither.
    """

    __slots__ = ()

    def __hash__(self) -> int:  # type: ignore[override]  # a dict says None
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type[FrozenDict[K, V]], tuple[dict[K, V]]]:
        return FrozenDict, (dict(self),)

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("this mapping belongs to a frozen value: make a new one with attrs.evolve")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


def as_mask(value: int) -> int:
    """A mask through the guard; unlike ``u64`` it asks type checkers for an int."""
    return u64(value)


def as_masks(values: Iterable[int]) -> tuple[int, ...]:
    """Several masks, each through the guard."""
    return tuple([u64(value) for value in values])


def masks_repr(masks: Iterable[int]) -> str:
    """Masks in a ``repr``."""
    return f"({', '.join(map(hex, masks))})"


def checked(name: str, kind: type[T]) -> Callable[[T], T]:
    """A converter for the field ``name``: the value is a ``kind``; a bool is not a number.

    Raises:
        TypeError: When the converter is given anything else.
    """

    def convert(value: T) -> T:
        if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
            return value
        article = "an" if kind is int else "a"
        raise TypeError(f"{name} must be {article} {kind.__name__}, not {safe_repr(value)}")

    convert.__annotations__ = {"value": kind, "return": kind}  # attrs shows it in __init__
    return convert


def checked_or_none(name: str, kind: type[T]) -> Callable[[T | None], T | None]:
    """The same as :func:`checked`, for a field that may be None."""
    convert = checked(name, kind)

    def convert_or_none(value: T | None) -> T | None:
        return None if value is None else convert(value)

    convert_or_none.__annotations__ = {"value": kind | None, "return": kind | None}
    return convert_or_none


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


def _rebuild(kind: type[Any], arguments: dict[str, Any]) -> object:
    return kind(**arguments)


def reduce_to_fields(value: Any) -> tuple[Callable[..., object], tuple[object, ...]]:
    """How a class with derived fields pickles: by its init fields, so all else is derived anew."""
    kind = type(value)
    arguments = {field.alias: getattr(value, field.name) for field in fields(kind) if field.init}
    return _rebuild, (kind, arguments)
