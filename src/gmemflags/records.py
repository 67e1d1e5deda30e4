"""Values as JSON documents: what was asked, heard and decided, to be kept, carried and read again.

A document is one line of ASCII, and ``schema`` says what it holds. It is not trusted: it is read
exactly or not at all, nothing is coerced or filled in, and what it says twice has to agree.

A host's document holds no catalog, so ``loads`` reads it under one: MAINLINE unless another is
given. ``loads`` gives the :class:`~gmemflags.Support`; host name, time and ``extra`` are in its
``host``, and answers that the catalog does not number in its ``unused``.

>>> from gmemflags import query, records
>>> from gmemflags.testing import FakeBackend
>>> host = query(FakeBackend.narrow(0x3))
>>> records.to_dict(host)["flags"]
['MMAP', 'INIT_SHARED']
>>> document = records.dumps(host)
>>> records.loads(document) == host
True
>>> records.loads(document.replace('"mask":"0x3"', '"mask":"0x7"'))
Traceback (most recent call last):
  ...
gmemflags._exceptions.RecordError: at $.mask: the rest of the document says 0x3, not 0x7
"""

from __future__ import annotations

import marshal
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from json import JSONDecodeError, JSONDecoder, JSONEncoder
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Union, cast, get_args, get_origin, overload

from attrs import frozen
from typing_extensions import ReadOnly, get_type_hints

from gmemflags._catalog import Catalog, Request
from gmemflags._documents import (
    FREQUENT,
    KINDS,
    MAKE,
    PARTS,
    BaselineDocument,
    CatalogDocument,
    ComparisonDocument,
    DecisionDocument,
    Document,
    Fault,
    FlagsDocument,
    HostDocument,
    Kind,
    Member,
    ProbeDocument,
    Range,
    RequestDocument,
    Text,
    UnavailableDocument,
    decide_again,
    made,
    within,
)
from gmemflags._exceptions import CatalogError, GmemFlagsError, KvmUnavailableError, RecordError
from gmemflags._fleet import Baseline, Comparison
from gmemflags._host import Support
from gmemflags._learn import ProbeReport
from gmemflags._mainline import MAINLINE
from gmemflags._masks import FlagWord
from gmemflags._resolve import Resolution

__all__ = [
    "BaselineDocument",
    "CatalogDocument",
    "ComparisonDocument",
    "DecisionDocument",
    "Document",
    "FlagsDocument",
    "HostDocument",
    "ProbeDocument",
    "Replay",
    "RequestDocument",
    "UnavailableDocument",
    "dumps",
    "json_schema",
    "load_lines",
    "loads",
    "replay",
    "to_dict",
]

LONGEST = 1 << 24
"""No document has more characters or bytes than this, 16 Mi."""
_DEEPEST = 32
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_KINDS = {"dict": "an object", "list": "a list", "NoneType": "null"}

Value = (
    Support
    | KvmUnavailableError
    | FlagWord
    | Request
    | Catalog
    | Resolution
    | Baseline
    | Comparison
    | ProbeReport
)


@overload
def to_dict(value: Support) -> HostDocument: ...
@overload
def to_dict(value: KvmUnavailableError) -> UnavailableDocument: ...
@overload
def to_dict(value: FlagWord) -> FlagsDocument: ...
@overload
def to_dict(value: Request) -> RequestDocument: ...
@overload
def to_dict(value: Catalog) -> CatalogDocument: ...
@overload
def to_dict(value: Resolution) -> DecisionDocument: ...
@overload
def to_dict(value: Baseline) -> BaselineDocument: ...
@overload
def to_dict(value: Comparison) -> ComparisonDocument: ...
@overload
def to_dict(value: ProbeReport) -> ProbeDocument: ...
def to_dict(value: Value) -> Document:
    """``value`` as plain data: dicts, lists, texts, numbers, booleans and None.

    Args:
        value: A value of this library.

    Raises:
        RecordError: No document holds it: a text has half a surrogate pair, a number has more than
            53 bits, or a rule is of a class of one's own.
        TypeError: It is anything but these values.

    >>> from gmemflags import query, records
    >>> from gmemflags.testing import FakeBackend
    >>> records.to_dict(query(FakeBackend.narrow(0b11)))["mask"]
    '0x3'
    """
    for kind, form in _FORMS.items():
        if isinstance(value, kind.value):
            try:
                return cast("Document", form.write_parts(kind.parts(value)))
            except Fault as fault:
                raise _record_error(fault) from None
    kinds = ", ".join(kind.value.__name__ for kind in KINDS)
    raise TypeError(f"a {type(value).__name__} has no document; these have: {kinds}")


def dumps(value: Value) -> str:
    """``value`` as one JSON document: one line, ASCII, without the newline.

    Args:
        value: A value of this library.

    Raises:
        RecordError: No document holds it, see :func:`to_dict`; or it is longer than 16 Mi.
        TypeError: It is anything but these values.
    """
    text = _ENCODER.encode(cast("Callable[[Value], Document]", to_dict)(value))
    if len(text) > LONGEST:
        raise RecordError("$", _TOO_LONG)
    return text


def loads(document: str | bytes, catalog: Catalog = MAINLINE) -> Any:
    """The value of one document, of the type that it was made of.

    A decision and a comparison are made again; the document is refused if the result is another.

    Args:
        document: One JSON document; bytes are UTF-8.
        catalog: The catalog under which hosts, baselines and flags are read.

    Raises:
        RecordError: It is not such a document; ``path`` leads to the fault. Time and memory are
            linear in the length, which is at most 16 Mi.
        CatalogError: The catalog gives a listed bit another name than the one under which the host
            was asked, or an enumerating capability another number.
        NegotiationTooHardError: A decision's rules are too hard to solve.

    >>> from gmemflags import query, records
    >>> from gmemflags.testing import FakeBackend
    >>> host = query(FakeBackend.narrow(0b11))
    >>> records.loads(records.dumps(host)) == host
    True
    """
    return _read(document, catalog, _BY_SCHEMA)


def load_lines(
    lines: Iterable[str | bytes],
    catalog: Catalog = MAINLINE,
    *,
    name: str = "",
    bad: Callable[[GmemFlagsError], object] | None = None,
) -> Iterator[Support | Baseline]:
    """The hosts of a pool, one document a line; a baseline stands for its hosts.

    Lines are read as they are asked for, in constant memory; blank ones are skipped.

    Args:
        lines: A file, or other lines.
        catalog: The catalog under which they are read.
        name: The name of the file; with the number of the line, from 1, it leads the path of an
            error.
        bad: Called with the error of each line that gives no host, which is then skipped; without
            it, that error is raised.

    Raises:
        RecordError: A line is not such a document.
        CatalogError: A host cannot be read under ``catalog``.
        KvmUnavailableError: The document says that the host could not be asked.

    >>> from gmemflags import query, records
    >>> from gmemflags.testing import hosts
    >>> lines = [records.dumps(query(host.vm())) for host in hosts.values()]
    >>> sum(support.mask == 0b11 for support in records.load_lines(lines))
    3
    """
    place = f"{name}, line" if name else "line"
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            if not line or line.isspace():
                continue
            try:
                value = _read(line, catalog, _HOSTS)
                if isinstance(value, KvmUnavailableError):
                    raise value
            except GmemFlagsError as error:
                told = _located(error, f"{place} {number}", line)
                if bad is None:
                    raise told from None
                bad(told)
                continue
            yield value
    except UnicodeDecodeError:  # a file that was opened as text; where it goes on is not known
        problem = "it is not UTF-8; open the file as bytes to continue after such a line"
        raise RecordError(f"{place} {number + 1}, $", problem) from None


def _located(error: GmemFlagsError, place: str, line: str | bytes) -> GmemFlagsError:
    if isinstance(error, CatalogError):
        return CatalogError(error.catalog, f"{place}: {error.problem}")
    if not isinstance(error, RecordError):
        return error
    # What to do about a document of several lines, which begins with a brace alone.
    alone = line.strip() == (b"{" if isinstance(line, bytes) else "{")
    how = "; one document a line is needed: `jq -c .` makes that" if alone else ""
    return RecordError(f"{place}, {error.path}", error.problem + how)


@frozen(kw_only=True)
class Replay:
    """A recorded decision, made again.

    Args:
        now: The answer of today.
        differences: Where the recorded result is another one, a line each: path, then and now.
        reworded: The same for sentences.
    """

    now: Resolution
    differences: tuple[str, ...]
    reworded: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether the answer is the same, however it is worded."""
        return not self.differences

    def __str__(self) -> str:
        first = "the same answer" if self.same else "another answer"
        return "\n  ".join([first, f"now: {self.now.headline}", *self.differences])


def replay(document: str | bytes) -> Replay:
    """Make a recorded decision again, offline and under its own catalog, and tell what differs.

    Args:
        document: The document of a Resolution.

    Raises:
        RecordError: It is not the document of a decision.
        NegotiationTooHardError: The rules are too hard to solve.

    >>> from gmemflags import query, records, resolve
    >>> from gmemflags.testing import FakeBackend
    >>> document = records.dumps(resolve(query(FakeBackend.narrow(0b11)), 0b11))
    >>> print(records.replay(document).same)
    True
    """
    try:
        recorded = _parsed(document)
        now = decide_again(_FORMS[_kind_of(recorded, _DECISION)].read(recorded))
    except Fault as fault:
        raise _record_error(fault) from None
    again = to_dict(now)
    differences: list[str] = []
    reworded: list[str] = []
    for path, told in _differences(recorded, again, ()):
        if path[0] not in ("tool", "support", "catalog", "request"):
            sentence = not _SENTENCES.isdisjoint(path)
            (reworded if sentence else differences).append(f"{_path(path)}: {told}")
    return Replay(now=now, differences=tuple(differences), reworded=tuple(reworded))


_SENTENCES = frozenset(
    {"headline", "asked", "listed", "message", "advice", "change", "caveats", "text"}
)


def _differences(
    then: Any, now: Any, path: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if type(then) is type(now) is dict and then.keys() == now.keys():
        for key in now:
            yield from _differences(then[key], now[key], (*path, key))
    elif type(then) is type(now) is list and len(then) == len(now):
        for index, pair in enumerate(zip(then, now, strict=True)):
            yield from _differences(*pair, (*path, index))
    elif then != now:
        yield path, f"{_shown(then)} then, and {_shown(now)} now"


def _shown(value: object) -> str:
    text = _ENCODER.encode(value)
    return text if len(text) <= 300 else f"{text[:297]}..."


def json_schema() -> dict[str, Any]:
    """The JSON Schema, draft 2020-12, of every document that this version reads and writes.

    It says what can be said of each part by itself; :func:`loads` checks the rest.
    """
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Documents of gmemflags",
        "oneOf": [form.schema for form in _FORMS.values()],
        "$defs": _DEFINITIONS,
    }
    return deepcopy(schema)


# From the text of a document to its value.


class _Flaw:
    """A part of a document that JSON readers disagree on, or that no document has."""

    __slots__ = ("problem",)

    def __init__(self, problem: str) -> None:
        self.problem = problem


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Flaw:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    left = dict(found)
    twice = next(key for key, _ in pairs if left.pop(key, _Flaw) is _Flaw)
    return _Flaw(f"the key {_quoted(twice)} appears twice")


def _whole(text: str) -> int | _Flaw:
    return int(text) if len(text) <= 20 else _Flaw(f"a number of {len(text)} digits is too large")


def _fraction(text: str) -> float | _Flaw:
    number = float(text) if len(text) <= 40 else float("inf")
    return (
        number
        if abs(number) < float("inf")
        else _Flaw(f"{text[:40]} is not a number of a document")
    )


def _constant(text: str) -> _Flaw:
    return _Flaw(f"{text} is not a number of a document")


_DECODER = JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_whole,
    parse_float=_fraction,
    parse_constant=_constant,
)
_ENCODER = JSONEncoder(separators=(",", ":"), allow_nan=False)
_TOO_LONG = f"it is longer than {LONGEST} characters, as no document is"


def _quoted(text: str) -> str:
    return ascii(text if len(text) <= 60 else f"{text[:57]}...")


def _read(document: str | bytes, catalog: Catalog, kinds: Mapping[str, Kind]) -> Any:
    try:
        content = _parsed(document)
        kind = _kind_of(content, kinds)
        return kind.make(_FORMS[kind].read(content), catalog)
    except Fault as fault:
        raise _record_error(fault) from None


def _parsed(document: str | bytes) -> object:
    if len(document) > LONGEST:
        raise Fault(_TOO_LONG)
    try:
        text = document if isinstance(document, str) else document.decode()
        return _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise Fault(f"byte {error.start} is not UTF-8") from None
    except JSONDecodeError as error:
        raise Fault(_json_problem(error)) from None
    except RecursionError:
        raise Fault("it is too deeply nested for a document") from None


def _json_problem(error: JSONDecodeError) -> str:
    if error.doc.startswith("\ufeff"):
        return "it starts with a byte order mark, which no document has"
    if error.msg == "Extra data":
        return f"one document is needed, and there is more from character {error.pos} on"
    return f"it is not JSON: {error.msg.removesuffix(' at')} at character {error.pos}"


def _kind_of(content: Any, kinds: Mapping[str, Kind]) -> Kind:
    if type(content) is not dict:
        raise _wrong(content, "an object")
    if "schema" not in content:
        raise Fault("it is missing", "schema")
    schema = cast("dict[str, Any]", content)["schema"]
    if type(schema) is str:
        if schema in kinds:
            return kinds[schema]
        if schema.startswith("gmemflags/") and schema.endswith("/1"):
            problem = "is of version 1, which was never published and is not read"
            raise Fault(f"{_quoted(schema)} {problem}: write it again", "schema")
    fault = _wrong(schema, f"one of {', '.join(kinds)}")
    fault.path.append("schema")
    raise fault


def _record_error(fault: Fault) -> RecordError:
    problem = fault.problem
    visible = problem if problem.isascii() and problem.isprintable() else ascii(problem)
    return RecordError(_path(reversed(fault.path)), visible)


def _path(steps: Iterable[str | int]) -> str:
    return "$" + "".join(map(_step, steps))


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN_KEY.fullmatch(step) else f"[{_quoted(step)}]"


def _is_finite(value: object) -> bool:
    return type(value) is float and isfinite(value)


def _wrong(value: object, needed: str) -> Fault:
    if isinstance(value, _Flaw):
        return Fault(value.problem)
    if isinstance(value, str):
        half = _SURROGATE.search(value)
        if half:
            return Fault(f"character {half.start()} of the text is half a surrogate pair")
        shown = _quoted(value)
    elif isinstance(value, (int, float)):
        shown = str(value).lower()
    else:
        shown = _KINDS.get(type(value).__name__, type(value).__name__)
    return Fault(f"{needed} is needed, not {shown}")


# From the declaration of a document to how its parts are read and written, and to its schema.

_MOST_REMEMBERED = 1024
_LONGEST_REMEMBERED = 256
_DEFINITIONS: dict[str, Any] = {}


class _Form:
    """A value that is one text, number or boolean: how it is read, written and declared.

    Args:
        fits: Whether a JSON value is one.
        needed: What is needed instead, in words.
        schema: Its JSON Schema.
        read: The Python value of the JSON value; None if they are the same.
        write: The JSON value of the Python value.
    """

    def __init__(
        self,
        fits: Callable[[Any], object],
        needed: str,
        schema: dict[str, Any],
        read: Callable[[Any], Any] | None = None,
        write: Callable[[Any], Any] | None = None,
    ) -> None:
        self.fits, self.needed, self.schema = fits, needed, schema
        self.from_json, self.to_json = read, write

    def read(self, value: Any) -> Any:
        """The Python value of a JSON value; raises Fault."""
        if not self.fits(value):
            raise _wrong(value, self.needed)
        if self.from_json is None:
            return value
        try:
            return self.from_json(value)
        except ValueError as error:  # the 31st of February
            raise Fault(str(error)) from None

    def write(self, value: Any) -> Any:
        """The JSON value of a Python value; raises Fault."""
        written = value if self.to_json is None else self.to_json(value)
        if not self.fits(written):
            raise _wrong(written, self.needed)
        return written


def _is_text(value: object) -> bool:
    return type(value) is str and (value.isascii() or _SURROGATE.search(value) is None)


_SURROGATE = re.compile(r"[\ud800-\udfff]")
_TEXT = _Form(_is_text, "a text", {"type": "string"})
_BOOLEAN = _Form(lambda value: type(value) is bool, "true or false", {"type": "boolean"})


def _const(text: str) -> _Form:
    return _Form(lambda value: value == text, text, {"const": text}, None, lambda _: text)


def _encoded(text: Text) -> _Form:
    fits = re.compile(text.regex).fullmatch
    # Python's $ matches before a last newline, too.
    schema = {"type": "string", "pattern": rf"^(?:{text.regex})(?![\s\S])"}
    return _Form(
        lambda value: type(value) is str and fits(value), text.needed, schema, text.read, text.write
    )


def _member(member: Member) -> _Form:
    members = {str(one): one for one in member.enum}
    texts = [*members]
    return _Form(
        lambda value: type(value) is str and value in members,
        f"one of {', '.join(texts)}",
        {"enum": texts},
        members.__getitem__,
        str,
    )


def _integer(bounds: Range) -> _Form:
    least, most = bounds
    return _Form(
        lambda value: type(value) is int and least <= value <= most,
        f"an integer in [{least}, {most}]",
        {"type": "integer", "minimum": least, "maximum": most},
    )


class _Json(_Form):
    """Plain data of JSON, whatever it is, at most 32 levels deep."""

    def __init__(self) -> None:
        super().__init__(self._check, "", {})

    def _check(self, value: Any, depth: int = 1) -> bool:
        if depth > _DEEPEST:
            raise Fault(f"it is nested more than {_DEEPEST} levels deep")
        if type(value) is dict:
            for key, part in cast("dict[str, Any]", value).items():
                within((key,), _TEXT.read, key)
                within((key,), self._check, part, depth + 1)
        elif type(value) is list:
            items: list[Any] = cast("Any", value)
            for index, part in enumerate(items):
                within((index,), self._check, part, depth + 1)
        elif not (value is None or type(value) in (bool, int) or _is_finite(value)):
            _TEXT.read(value)
        return True


class _Optional(_Form):
    def __init__(self, form: _Form) -> None:
        super().__init__(form.fits, form.needed, {"anyOf": [form.schema, {"type": "null"}]})
        self.form = form

    def read(self, value: Any) -> Any:
        return None if value is None else self.form.read(value)

    def write(self, value: Any) -> Any:
        return None if value is None else self.form.write(value)


class _List(_Form):
    def __init__(self, form: _Form, bounds: Range) -> None:
        counts = {"minItems": bounds.least, "maxItems": bounds.most}
        limits = counts if bounds is not _ANY_NUMBER else {}
        super().__init__(_is_list, "a list", {"type": "array", "items": form.schema, **limits})
        self.form, self.bounds = form, bounds

    def read(self, value: Any) -> Any:
        least, most = self.bounds
        if not least <= len(super().read(value)) <= most:
            raise Fault(f"it has {len(value)} items, and {least} to {most} are needed")
        return _each(self.form.read, value)

    def write(self, value: Any) -> Any:
        return _each(self.form.write, value)


_ANY_NUMBER = Range(0, LONGEST)


def _is_list(value: object) -> bool:
    return type(value) is list


def _is_object(value: object) -> bool:
    return type(value) is dict


def _each(convert: Callable[[Any], Any], values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    try:
        for value in values:
            found.append(convert(value))  # noqa: PERF401  # its length is the index of a fault
    except Fault as fault:
        fault.path.append(len(found))
        raise
    return found


class _Dict(_Form):
    def __init__(self, key: _Form, form: _Form) -> None:
        parts = {"propertyNames": key.schema, "additionalProperties": form.schema}
        super().__init__(_is_object, "an object", {"type": "object", **parts})
        self.key, self.form = key, form

    def read(self, value: Any) -> Any:
        return self._each(self.key.read, self.form.read, super().read(value))

    def write(self, value: Any) -> Any:
        return self._each(self.key.write, self.form.write, value)

    def _each(
        self, key: Callable[[Any], Any], form: Callable[[Any], Any], values: Mapping[Any, Any]
    ) -> dict[Any, Any]:
        name: Any = None
        try:
            return {key(name := one): form(part) for one, part in values.items()}
        except Fault as fault:
            fault.path.append(str(name))
            raise


class _Record(_Form):
    """An object with the keys of a TypedDict."""

    def __init__(self, kind: Any) -> None:
        name = kind.__name__.removesuffix("Document")
        super().__init__(_is_object, "an object", {"$ref": f"#/$defs/{name}"})
        hints = get_type_hints(kind, include_extras=True)
        self.forms = {key: _form(hint) for key, hint in hints.items()}
        self.readers: dict[str, Callable[[Any], Any]] = {
            key: form.read for key, form in self.forms.items()
        }
        # __required_keys__ does not see through annotations that are texts.
        self.required = [key for key, hint in hints.items() if not _may_be_left_out(hint)]
        self.tags = {
            key: form.schema["const"] for key, form in self.forms.items() if "const" in form.schema
        }
        self.parts = PARTS.get(kind, lambda value: value)
        self.make = MAKE.get(kind)
        self.remembered: dict[bytes, Any] | None = {} if kind in FREQUENT else None
        _DEFINITIONS[name] = {
            "description": kind.__doc__,
            "type": "object",
            "properties": {key: form.schema for key, form in self.forms.items()},
            "required": self.required,
            "additionalProperties": False,
        }

    def read(self, value: Any) -> Any:
        if self.remembered is None:
            return self._read(value)
        try:  # the content, with exact types
            content = marshal.dumps(value, 2)
        except ValueError:
            return self._read(value)
        found = self.remembered.get(content)
        if found is None:
            found = self._read(value)
            if len(content) <= _LONGEST_REMEMBERED:
                if len(self.remembered) >= _MOST_REMEMBERED:
                    self.remembered.clear()
                self.remembered[content] = found
        return found

    def _read(self, value: Any) -> Any:
        if type(value) is not dict:
            raise _wrong(value, self.needed)
        readers = self.readers
        if value.keys() != readers.keys():
            readers = self._readers_of(cast("dict[str, Any]", value))
        found: dict[str, Any] = {}
        key = ""
        try:
            for key, read in readers.items():
                found[key] = read(value[key])
        except Fault as fault:
            fault.path.append(key)
            raise
        for tag in self.tags:
            del found[tag]
        return found if self.make is None else made(self.make, **found)

    def _readers_of(self, value: dict[str, Any]) -> dict[str, Callable[[Any], Any]]:
        # Of an object without all keys that it may have.
        for key in self.required:
            if key not in value:
                raise Fault("it is missing", key)
        for key in value:
            if key not in self.forms:
                raise Fault("no such key is known", key)
        return {key: read for key, read in self.readers.items() if key in value}

    def write(self, value: Any) -> Any:
        return self.write_parts(self.parts(value))

    def write_parts(self, parts: Any) -> Any:
        """The object of these parts, by key or as attributes."""
        found: dict[str, Any] = {}
        key = ""
        try:
            for key, form in self.forms.items():
                part = _part(parts, key)
                if part is not None or key in self.required:
                    found[key] = form.write(part)
        except Fault as fault:
            fault.path.append(key)
            raise
        return found


def _may_be_left_out(hint: Any) -> bool:
    origin: Any = get_origin(hint)
    return origin is NotRequired


def _part(parts: Any, key: str) -> Any:
    if type(parts) is dict:
        by_key: dict[str, Any] = cast("Any", parts)
        return by_key.get(key)
    return getattr(parts, key, None)


class _Tagged(_Form):
    """One of several objects, told by ``kind``: the class of the value, in lower case."""

    def __init__(self, records: Iterable[_Record]) -> None:
        self.records = {record.tags["kind"]: record for record in records}
        schema = {"oneOf": [record.schema for record in self.records.values()]}
        super().__init__(_is_object, "an object", schema)

    def read(self, value: Any) -> Any:
        return self._record(super().read(value).get("kind")).read(value)

    def write(self, value: Any) -> Any:
        return self._record(type(value).__name__.lower()).write(value)

    def _record(self, kind: Any) -> _Record:
        if type(kind) is str and kind in self.records:
            return self.records[kind]
        fault = _wrong(kind, f"one of {', '.join(self.records)}")
        fault.path.append("kind")
        raise fault


def _form(kind: Any) -> _Form:
    """The form of an annotated type."""
    origin: Any = get_origin(kind)
    if origin is not None:
        return _GENERIC[origin](*get_args(kind))
    plain = {str: _TEXT, bool: _BOOLEAN, object: _Json()}
    return plain[kind] if kind in plain else _Record(kind)


def _annotated(kind: Any, bound: Text | Member | Range) -> _Form:
    if isinstance(bound, Text):
        return _encoded(bound)
    if isinstance(bound, Member):
        return _member(bound)
    return _integer(bound) if kind is int else _List(_form(get_args(kind)[0]), bound)


def _union(*kinds: Any) -> _Form:
    forms = [_form(kind) for kind in kinds if kind is not NoneType]
    if len(forms) < len(kinds):
        return _Optional(forms[0])
    return _Tagged([form for form in forms if isinstance(form, _Record)])


def _list(kind: Any) -> _Form:
    return _List(_form(kind), _ANY_NUMBER)


def _dict(key: Any, kind: Any) -> _Form:
    return _Dict(_form(key), _form(kind))


_GENERIC: dict[Any, Callable[..., _Form]] = {
    ReadOnly: _form,
    NotRequired: _form,
    Annotated: _annotated,
    Literal: _const,
    Union: _union,
    UnionType: _union,
    list: _list,
    dict: _dict,
}
_FORMS = {kind: _Record(kind.document) for kind in KINDS}
_BY_SCHEMA = {form.tags["schema"]: kind for kind, form in _FORMS.items()}
_HOSTS = {
    schema: kind
    for schema, kind in _BY_SCHEMA.items()
    if kind.value in (Support, Baseline, KvmUnavailableError)
}
_DECISION = {schema: kind for schema, kind in _BY_SCHEMA.items() if kind.value is Resolution}
