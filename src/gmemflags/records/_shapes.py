"""The shapes of plain values: exact types, nothing coerced, and the way to a fault kept.

A *decoder* takes a plain value and returns a value of the library, or raises :class:`Fault`.
"7" is never 7, 1 never true, and a mask only what ``u64`` takes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar, cast

from gmemflags._exceptions import GmemFlagsError
from gmemflags._masks import WORD, read_long, u64
from gmemflags.records._text import Flaw, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from enum import Enum

    T = TypeVar("T")
    E = TypeVar("E", bound=Enum)
    Decoder = Callable[[object], T]

_HEX = re.compile(r"0x(?:0|[1-9a-f][0-9a-f]{0,15})")
_DECIMAL = re.compile(r"0|-?[1-9][0-9]{0,18}")
_KINDS = {"dict": "an object", "list": "a list", "NoneType": "null"}
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class Fault(Exception):  # noqa: N818  # never seen outside: it becomes a RecordError
    """Something is wrong with a value; ``path`` grows from the fault outwards."""

    def __init__(self, problem: str, *path: str | int) -> None:
        self.problem = problem
        self.path = [*reversed(path)]

    def where(self) -> str:
        """The path as JSONPath."""
        return "$" + "".join(_step(step) for step in reversed(self.path))


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN_KEY.fullmatch(step) else f"[{quoted(step)}]"


def wrong(value: object, needed: str) -> Fault:
    """The fault that ``value`` is not what is needed, or what its own flaw is."""
    if isinstance(value, Flaw):
        return Fault(value.problem)
    if isinstance(value, str):
        shown = quoted(value)
    else:
        shown = str(value).lower() if isinstance(value, int) else _KINDS[type(value).__name__]
    return Fault(f"{needed} is needed, not {shown}")


def within(step: str | int, decode: Decoder[T], value: object) -> T:
    """``decode(value)``, which stands at ``step`` of what is being decoded."""
    try:
        return decode(value)
    except Fault as fault:
        fault.path.append(step)
        raise


def as_is(value: object) -> object:
    """The plain value, to be decoded later."""
    return value


def flag(value: object) -> bool:
    """Exactly true or false."""
    if type(value) is not bool:
        raise wrong(value, "true or false")
    return value


def text(value: object) -> str:
    """Any text that can be encoded, so no half of a surrogate pair."""
    if type(value) is not str:
        raise wrong(value, "a text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            problem = f"character {error.start} of the text is half a surrogate pair"
            raise Fault(problem) from None
    return value


def mask(value: object) -> int:
    """A mask as Python's ``hex`` writes it."""
    if type(value) is not str or not _HEX.fullmatch(value):
        raise wrong(value, 'a mask such as "0x3", of at most 16 lower-case hex digits,')
    return u64(int(value, 16))


def one_bit(value: object) -> int:
    """A mask of exactly one bit."""
    bit = mask(value)
    if bit.bit_count() != 1:
        raise Fault("one bit is needed")
    return bit


def raw(value: object) -> int:
    """A C long as a decimal text: JSON readers lose numbers above 2**53."""
    if type(value) is not str or not _DECIMAL.fullmatch(value):
        raise wrong(value, 'a C long as a decimal text, such as "-5",')
    number = int(value)
    try:
        read_long(number)
    except GmemFlagsError as error:
        raise Fault(str(error)) from None
    return number


def number(value: object, most: int = WORD) -> int:
    """An exact integer in [0, ``most``]."""
    if type(value) is not int or not 0 <= value <= most:
        raise wrong(value, f"an integer in [0, {most}]")
    return value


def below(limit: int) -> Decoder[int]:
    """An exact integer in [0, ``limit``)."""
    return lambda value: number(value, limit - 1)


def is_object(value: object) -> dict[str, object]:
    """An object, with its plain values."""
    if type(value) is not dict:
        raise wrong(value, "an object")
    return cast("dict[str, object]", value)  # pragma: no mutate: a cast is for type checkers


def is_list(value: object) -> list[object]:
    """A list, with its plain values."""
    if type(value) is not list:
        raise wrong(value, "a list")
    return cast("list[object]", value)  # pragma: no mutate: as above


def optional(decode: Decoder[T]) -> Decoder[T | None]:
    """``decode``, or None for null."""
    return lambda value: None if value is None else decode(value)


def one_of(members: type[E]) -> Decoder[E]:
    """A member of an enum, by its text."""
    known = {str(member): member for member in members}

    def decode(value: object) -> E:
        if type(value) is not str or value not in known:
            raise wrong(value, f"one of {', '.join(known)}")
        return known[value]

    return decode


def items(decode: Decoder[T], most: int | None = None) -> Decoder[list[T]]:
    """A list of at most ``most`` values."""

    def decode_all(value: object) -> list[T]:
        parts = is_list(value)
        if most is not None and len(parts) > most:
            raise Fault(f"it has {len(parts)} items, and at most {most} are allowed")
        return [within(index, decode, part) for index, part in enumerate(parts)]

    return decode_all


def members(
    decode: Decoder[T], key: Decoder[str] = text, most: int | None = None
) -> Decoder[dict[str, T]]:
    """An object with any keys, at most ``most`` of them, and values of one shape."""

    def decode_all(value: object) -> dict[str, T]:
        parts = is_object(value)
        if most is not None and len(parts) > most:
            raise Fault(f"it has {len(parts)} members, and at most {most} are allowed")
        return {within(name, key, name): within(name, decode, part) for name, part in parts.items()}

    return decode_all


def record(shape: Mapping[str, Decoder[Any]]) -> Decoder[dict[str, Any]]:
    """An object with exactly the keys of ``shape``."""

    def decode_all(value: object) -> dict[str, Any]:
        parts = is_object(value)
        if parts.keys() != shape.keys():
            raise _other_keys(parts, shape)
        found: dict[str, Any] = {}
        for name, decode in shape.items():
            try:
                found[name] = decode(parts[name])
            except Fault as fault:
                fault.path.append(name)
                raise
        return found

    return decode_all


def _other_keys(value: dict[str, object], shape: Mapping[str, Any]) -> Fault:
    for name in shape:
        if name not in value:
            return Fault("it is missing", name)
    return Fault("no such key is known", next(name for name in value if name not in shape))
