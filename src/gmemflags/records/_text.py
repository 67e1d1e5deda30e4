"""JSON text in, plain values out, with every fault of the text still to be seen in them.

``json`` alone would take a key twice, read 1e400 as infinity, spend quadratic time on long
integers and guess the encoding of bytes. Here a faulty part becomes a :class:`Flaw` in its place,
so that whoever decodes the value can say where it stands. Nothing is repaired.
"""

from __future__ import annotations

from json import JSONDecodeError, JSONDecoder
from typing import Any

from gmemflags._exceptions import RecordError

LONGEST = 1 << 24
"""No document has more characters or bytes than this, 16 Mi."""


class Flaw:
    """A part of a document that JSON readers disagree on, or that no record has."""

    __slots__ = ("problem",)

    def __init__(self, problem: str) -> None:
        self.problem = problem


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Flaw:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    left = dict(found)
    twice = next(key for key, _ in pairs if left.pop(key, Flaw) is Flaw)
    return Flaw(f"the key {quoted(twice)} appears twice")


def _integer(text: str) -> int | Flaw:
    return int(text) if len(text) <= 20 else Flaw(f"a number of {len(text)} digits is too large")


def _unwanted(text: str) -> Flaw:
    return Flaw(f"{text[:40]} is no integer, and no record has another number")


_DECODER = JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_unwanted,
    parse_constant=_unwanted,
)


def quoted(text: str) -> str:
    """``text`` for an error message: in ASCII, quoted, and not too long."""
    return ascii(text if len(text) <= 60 else f"{text[:57]}...")


def as_text(document: str | bytes) -> str:
    """A document as text; bytes are UTF-8.

    Raises :exc:`~gmemflags.RecordError` if they are not, or for what is too long.
    """
    if len(document) > LONGEST:
        raise RecordError("$", f"it is longer than {LONGEST} characters, as no record is")
    try:
        return document if isinstance(document, str) else document.decode()
    except UnicodeDecodeError as error:
        raise RecordError("$", f"byte {error.start} is not UTF-8") from None


def parse(text: str) -> object:
    """The value of a JSON text, with a :class:`Flaw` for what is wrong inside it.

    Raises :exc:`~gmemflags.RecordError` for what is not JSON, or too deeply nested.
    """
    try:
        return _DECODER.decode(text)
    except JSONDecodeError as error:
        raise RecordError("$", _problem(error)) from None
    except RecursionError:
        raise RecordError("$", "it is too deeply nested for a record") from None


def _problem(error: JSONDecodeError) -> str:
    if error.doc.startswith("\ufeff"):
        return "it starts with a byte order mark, which no record has"
    if error.msg == "Extra data":
        return f"one document is needed, and there is more from character {error.pos} on"
    return f"it is not JSON: {error.msg.removesuffix(' at')} at character {error.pos}"
