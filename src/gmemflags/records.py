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

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from itertools import count, repeat
from json import JSONDecodeError, JSONDecoder, JSONEncoder
from math import isfinite
from operator import attrgetter
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    overload,
)

from attrs import frozen
from typing_extensions import ReadOnly, get_type_hints

from gmemflags._catalog import Catalog, Request
from gmemflags._documents import (
    FLAGS,
    KINDS,
    MAKE,
    PARTS,
    SURROGATE,
    BaselineDocument,
    CatalogDocument,
    ComparisonDocument,
    DecisionDocument,
    Document,
    Fault,
    FlagsDocument,
    Flaw,
    Form,
    HostDocument,
    Parts,
    ProbeDocument,
    RequestDocument,
    UnavailableDocument,
    choice,
    decide_again,
    made,
    plain,
    quoted,
    renamed,
    varied,
    within,
    wrong,
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

K = TypeVar("K")
V = TypeVar("V")

LONGEST = 1 << 24
"""No document has more characters or bytes than this, 16 Mi."""
_TOO_LONG = f"it is longer than {LONGEST} characters, as no document is"

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
        if isinstance(value, kind):
            try:
                return cast("Document", form.write(value))
            except Fault as fault:
                raise _record_error(fault) from None
    kinds = ", ".join(kind.__name__ for kind in _FORMS)
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
    return _read(document, _BY_SCHEMA, catalog)


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
    4
    """
    place = f"{name}, line" if name else "line"
    read = _reader_of_lines(catalog)
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            if not line or line.isspace():
                continue
            try:
                value = read(line)
                if isinstance(value, KvmUnavailableError):
                    raise value
            except GmemFlagsError as error:
                located = _located(error, f"{place} {number}", line)
                if bad is None:
                    raise located from None
                bad(located)
            else:
                yield value
    except UnicodeDecodeError:  # a file that was opened as text; where it goes on is not known
        problem = "it is not UTF-8; open the file as bytes to continue after such a line"
        raise RecordError(f"{place} {number + 1}, $", problem) from None


# A host's line as ``dumps``, ``jq -c`` and ``json.dumps`` write it: name, time, and the rest.
_OWN = re.compile(
    r'\{"schema": ?"gmemflags/host/2", ?"name": ?(?:null|"([ !#-\[\]-~]*)")'
    r', ?"time": ?(?:null|"([^"]*)")(,.*)',
    re.ASCII | re.DOTALL,
)
# The rest. No brace comes before "answers", so it is a key of the document, and so are "flags" and
# "mask" behind it.
_REST = re.compile(
    r'(,[^{}]*, ?"answers": ?\{(?:"\w+": ?\{[^{}]*\}, ?)*'
    r'"GUEST_MEMFD_FLAGS": ?\{"number": ?\d+, ?"raw": ?)"(-?\d+)"'
    r'(\}(?:, ?"\w+": ?\{[^{}]*\})*\}), ?"flags": ?\[(?:"([^\]]*)")?\], ?"mask": ?"(\w+)"'
    r'(, ?"names": ?\{[^{}]*\})(?:, ?"extra": ?(\{.*\}))?\}[ \t\r\n]*',
    re.ASCII,
)
_MOST_KNOWN = 1024
_LONGEST_KNOWN = 4096


def _reader_of_lines(catalog: Catalog) -> Callable[[str | bytes], Any]:
    # Most hosts of a pool differ in name and time alone, or in flags and ``extra`` as well: a host
    # that was read of the same text but for these is copied with them, and checked as any other.
    hosts: dict[str, Support] = {}
    once: dict[str, None] = {}
    around: dict[tuple[str, ...], tuple[Support, dict[int, str]]] = {}

    def read(line: str | bytes) -> Any:
        text = line.decode(errors="surrogateescape") if isinstance(line, bytes) else line
        own = _OWN.fullmatch(text) if len(text) <= _LONGEST_KNOWN else None
        if own is None:
            return _read(line, _HOSTS, catalog)
        name, time, rest = own.groups()
        found = None
        with suppress(Fault):  # the first fault is raised below
            if (like := hosts.get(rest)) is not None:
                return renamed(like, name, time)
            found = _REST.fullmatch(rest)
            if found and (known := around.get(found.group(1, 3, 6))) is not None:
                extra: Parts = _EXTRA.read(_parsed(found[7])) if found[7] else {}
                value = varied(*known, name, time, extra, *found.group(2, 4, 5))
                # Kept from the second time on: no two hosts of a pool may list the same flags.
                if rest in once:
                    return _remember(hosts, rest, value)
                _remember(once, rest, None)
                return value
        value = _read(line, _HOSTS, catalog)
        if found and FLAGS in value.answers:
            names = _parsed(f"{{{found[6][1:]}}}")["names"]
            named = {int(bit, 16): name for bit, name in names.items()}
            _remember(around, found.group(1, 3, 6), (value, named))
        return _remember(hosts, rest, value)

    return read


def _remember(known: dict[K, V], key: K, value: V) -> V:
    if len(known) == _MOST_KNOWN:
        known.clear()
    known[key] = value
    return value


def _located(error: GmemFlagsError, place: str, line: str | bytes) -> GmemFlagsError:
    if isinstance(error, CatalogError):
        return CatalogError(error.catalog, f"{place}: {error.problem}")
    if not isinstance(error, RecordError):
        return error
    # What to do about a document of several lines, which begins with a brace alone.
    alone = line.strip() in ("{", b"{")
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
        read, _ = _kind_of(recorded, _DECISION)
        now = decide_again(read(recorded))
    except Fault as fault:
        raise _record_error(fault) from None
    found: dict[bool, list[str]] = {False: [], True: []}
    for path, difference in _differences(recorded, to_dict(now), ()):
        if path[0] not in ("support", "catalog", "request"):
            found[not _SENTENCES.isdisjoint(path)].append(f"{_path(path)}: {difference}")
    return Replay(now=now, differences=tuple(found[False]), reworded=tuple(found[True]))


_SENTENCES = frozenset(
    {"headline", "asked", "listed", "message", "advice", "change", "caveats", "text"}
)
Path = tuple[str | int, ...]


def _differences(then: Any, now: Any, path: Path) -> Iterator[tuple[Path, str]]:
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
    return deepcopy(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Documents of gmemflags",
            "oneOf": [form.schema for form in _FORMS.values()],
            "$defs": _DEFINITIONS,
        }
    )


# From the text of a document to its value.


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Flaw:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    left = dict(found)
    twice = next(key for key, _ in pairs if left.pop(key, left) is left)
    return Flaw(f"the key {quoted(twice)} appears twice")


def _whole(text: str) -> int | Flaw:
    return int(text) if len(text) <= 20 else Flaw(f"a number of {len(text)} digits is too large")


def _fraction(text: str) -> float | Flaw:
    number = float(text) if len(text) <= 40 else float("inf")
    return number if isfinite(number) else _constant(text[:40])


def _constant(text: str) -> Flaw:
    return Flaw(f"{text} is not a number of a document")


_DECODER = JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_whole,
    parse_float=_fraction,
    parse_constant=_constant,
)
_ENCODER = JSONEncoder(separators=(",", ":"), allow_nan=False)


Reader = Callable[[Any], Any]
Maker = Callable[[Any, Catalog], Any]
Kinds = Mapping[str, tuple[Reader, Maker]]


def _read(document: str | bytes, kinds: Kinds, catalog: Catalog) -> Any:
    try:
        content = _parsed(document)
        read, make = _kind_of(content, kinds)
        return make(read(content), catalog)
    except Fault as fault:
        raise _record_error(fault) from None


def _parsed(document: str | bytes) -> Any:
    if len(document) > LONGEST:
        raise Fault(_TOO_LONG)
    try:
        return _DECODER.decode(document if isinstance(document, str) else document.decode())
    except UnicodeDecodeError as error:
        problem = f"byte {error.start} is not UTF-8"
    except JSONDecodeError as error:
        problem = f"it is not JSON: {error.msg.removesuffix(' at')} at character {error.pos}"
    except RecursionError:
        problem = "it is too deeply nested for a document"
    raise Fault(problem)


def _kind_of(content: Any, kinds: Kinds) -> tuple[Reader, Maker]:
    if "schema" not in _OBJECT.read(content):
        raise Fault("it is missing", "schema")
    schema = content["schema"]
    if isinstance(schema, str) and schema in kinds:
        return kinds[schema]
    with within("schema"):
        if isinstance(schema, str) and re.fullmatch("gmemflags/.*/1", schema):
            problem = "is of version 1, which was never published and is not read"
            raise Fault(f"{quoted(schema)} {problem}: write it again")
        raise wrong(schema, f"one of {', '.join(kinds)}")


def _record_error(fault: Fault) -> RecordError:
    problem = fault.problem
    visible = problem if problem.isascii() and problem.isprintable() else ascii(problem)
    return RecordError(_path(reversed(fault.path)), visible)


def _path(steps: Iterable[str | int]) -> str:
    plain_key = re.compile("[A-Za-z_][A-Za-z0-9_]{0,63}").fullmatch
    return "$" + "".join(
        f".{step}" if isinstance(step, str) and plain_key(step) else f"[{quoted(step)}]"
        for step in steps
    )


# From the declaration of a document to its form.

_DEFINITIONS: dict[str, Any] = {}
_DEEPEST = 32
_LARGEST = 10**19  # what has more digits is not read


def _is_text(value: object) -> bool:
    return type(value) is str and (value.isascii() or SURROGATE.search(value) is None)


def _is_json(value: Any, depth: int = 1) -> bool:
    # Plain data of JSON, whatever it is.
    kind = type(cast("object", value))
    if depth > _DEEPEST:
        raise Fault(f"it is nested more than {_DEEPEST} levels deep")
    if kind is dict:
        _each(zip(value, value, repeat(_TEXT.read)))
    if kind in (dict, list):
        parts = value.items() if kind is dict else enumerate(value)
        _each((key, part, lambda part: _is_json(part, depth + 1)) for key, part in parts)
    elif not (
        value is None
        or kind is bool
        or (kind is int and abs(value) < _LARGEST)
        or (kind is float and isfinite(value))
    ):
        _TEXT.read(value)
    return True


_TEXT = plain({"type": "string"}, "a text", _is_text)
_PLAIN = {
    str: _TEXT,
    bool: plain({"type": "boolean"}, "true or false", lambda value: type(value) is bool),
    object: plain({}, "plain data", _is_json),
}
_OBJECT = plain({"type": "object"}, "an object", lambda value: type(value) is dict)
_LIST = plain({"type": "array"}, "a list", lambda value: type(value) is list)


def _each(parts: Iterable[tuple[Any, Any, Callable[[Any], Any]]]) -> dict[Any, Any]:
    # Parts by key or index, each converted.
    found: dict[Any, Any] = {}
    key: Any = None
    try:
        for key, part, convert in parts:
            found[key] = convert(part)
    except Fault as fault:
        fault.path.append(key)
        raise
    return found


def _form(kind: Any) -> Form:
    """The form of an annotated type."""
    origin: Any = get_origin(kind)
    if origin is not None:
        return _GENERIC[origin](*get_args(kind))
    return _PLAIN.get(kind) or _record(kind)


def _annotated(_: object, form: Form) -> Form:
    return form


def _list(kind: Any) -> Form:
    form = _form(kind)

    def each(convert: Callable[[Any], Any], values: Iterable[Any]) -> list[Any]:
        return [*_each(zip(count(), values, repeat(convert))).values()]

    return Form(
        {**_LIST.schema, "items": form.schema},
        lambda value: each(form.read, _LIST.read(value)),
        lambda value: each(form.write, value),
    )


def _dict(key: Any, kind: Any) -> Form:
    name, form = _form(key), _form(kind)

    def each(convert: Callable[[Form], Callable[[Any], Any]], values: Mapping[Any, Any]) -> Any:
        names = _each(zip(values, values, repeat(convert(name))))
        parts = _each(zip(values, values.values(), repeat(convert(form))))
        return dict(zip(names.values(), parts.values(), strict=True))

    return Form(
        {**_OBJECT.schema, "propertyNames": name.schema, "additionalProperties": form.schema},
        lambda value: each(attrgetter("read"), _OBJECT.read(value)),
        lambda value: each(attrgetter("write"), value),
    )


def _optional(kind: Any, _: None) -> Form:
    form = _form(kind)
    return Form(
        {"anyOf": [form.schema, {"type": "null"}]},
        lambda value: None if value is None else form.read(value),
        lambda value: None if value is None else form.write(value),
    )


def _record(kind: Any) -> Form:
    """The form of an object with the keys of a TypedDict."""
    hints = get_type_hints(kind, include_extras=True)
    forms = {key: _form(hint) for key, hint in hints.items()}
    readers = {key: form.read for key, form in forms.items()}
    # __required_keys__ does not see through annotations that are texts.
    origins: dict[str, Any] = {key: get_origin(hint) for key, hint in hints.items()}
    required = [key for key, origin in origins.items() if origin is not NotRequired]
    name = kind.__name__.removeprefix("_").removesuffix("Document")
    own, make = PARTS.get(kind), MAKE.get(kind)

    def read(value: Any) -> Any:
        if _OBJECT.read(value).keys() != readers.keys():
            if missing := [key for key in required if key not in value]:
                raise Fault("it is missing", missing[0])
            if unknown := [key for key in value if key not in readers]:
                raise Fault("no such key is known", unknown[0])
        found = _each(zip(value, value.values(), map(readers.__getitem__, value), strict=True))
        found.pop("schema", None)
        return found if make is None else made(make, **found)

    def write(value: Any) -> Any:
        is_parts = isinstance(value, dict)
        special = cast("Parts", own(value) if own else value if is_parts else {})
        parts = {k: special[k] if k in special else getattr(value, k, None) for k in forms}
        kept = [key for key in forms if parts[key] is not None or key in required]
        return _each((key, parts[key], forms[key].write) for key in kept)

    _DEFINITIONS[name] = {
        "description": kind.__doc__ or name,
        "type": "object",
        "properties": {key: form.schema for key, form in forms.items()},
        "required": required,
        "additionalProperties": False,
    }
    return Form({"$ref": f"#/$defs/{name}"}, read, write)


_GENERIC: dict[Any, Callable[..., Form]] = {
    ReadOnly: _form,
    NotRequired: _form,
    Annotated: _annotated,
    Literal: choice,
    Union: _optional,
    UnionType: _optional,
    list: _list,
    dict: _dict,
}
_EXTRA = _form(dict[str, object])
_FORMS = {value: _record(document) for document, value, _ in KINDS}
_POOL = ("host", "unavailable", "baseline")
_BY_SCHEMA = {
    f"gmemflags/{document.__name__.removesuffix('Document').lower()}/2": (_FORMS[value].read, make)
    for document, value, make in KINDS
}
_DECISION = {schema: both for schema, both in _BY_SCHEMA.items() if "decision" in schema}
_HOSTS = {f"gmemflags/{kind}/2": _BY_SCHEMA[f"gmemflags/{kind}/2"] for kind in _POOL}
