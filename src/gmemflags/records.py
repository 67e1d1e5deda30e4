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
gmemflags._exceptions.RecordError: at $.mask: the rest of the document says '0x3', not '0x7'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from json import JSONDecodeError, JSONDecoder, JSONEncoder
from types import UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, overload

from attrs import frozen
from typing_extensions import NotRequired, ReadOnly, get_type_hints, is_typeddict

from gmemflags._catalog import Catalog, Request
from gmemflags._documents import (
    BaselineDocument,
    CatalogDocument,
    ComparisonDocument,
    DecisionDocument,
    Document,
    Fault,
    FlagsDocument,
    HostDocument,
    OneOf,
    Pattern,
    ProbeDocument,
    Range,
    RequestDocument,
    UnavailableDocument,
    baseline_document,
    baseline_from,
    catalog_document,
    catalog_from,
    comparison_document,
    comparison_from,
    decided_again,
    decision_document,
    decision_from,
    flags_document,
    flags_from,
    host_document,
    probe_document,
    probe_from,
    request_document,
    request_from,
    support_from,
    unavailable_document,
    unavailable_from,
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
Check = Callable[[object], None]


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

    Raises:
        RecordError: No document holds it: a text has half a surrogate pair, a number has more than
            53 bits, or a rule is of a class of one's own.
        TypeError: It is anything but these values.
    """
    for schema, (kind, encode, _) in _CODECS.items():
        if isinstance(value, kind):
            try:
                document = encode(value)
                _CHECKS[schema](document)
            except Fault as fault:
                raise _record_error(fault) from None
            return cast("Document", document)
    kinds = ", ".join(kind.__name__ for kind, _, _ in _CODECS.values())
    raise TypeError(f"a {type(value).__name__} has no document; these have: {kinds}")


def dumps(value: Value) -> str:
    """``value`` as one JSON document: one line, ASCII, without the newline.

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
    """
    return _read(document, catalog, _CODECS)


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

    Raises:
        RecordError: It is not the document of a decision.
        NegotiationTooHardError: The rules are too hard to solve.
    """
    recorded: DecisionDocument
    recorded, now = _read(document, MAINLINE, _DECISION)
    again = to_dict(now)
    found: list[tuple[str, str]] = []
    for key in again:
        if key not in ("tool", "support", "catalog", "request"):
            found += _differences(recorded[key], again[key], (key,))  # type: ignore[literal-required]
    return Replay(
        now=now,
        differences=tuple(told for key, told in found if key not in _SENTENCES),
        reworded=tuple(told for key, told in found if key in _SENTENCES),
    )


_SENTENCES = frozenset(
    {"headline", "asked", "listed", "message", "advice", "change", "caveats", "text"}
)


def _differences(then: Any, now: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str, str]]:
    # Each with the last key on its path.
    if type(then) is dict and type(now) is dict and then.keys() == now.keys():
        for key in now:
            yield from _differences(then[key], now[key], (*path, key))
    elif type(then) is list and type(now) is list and len(then) == len(now):
        for index, (one, other) in enumerate(zip(then, now, strict=True)):
            yield from _differences(one, other, (*path, index))
    elif then != now:
        key = next(str(step) for step in reversed(path) if isinstance(step, str))
        yield key, f"{_path(path)}: {_shown(then)} then, and {_shown(now)} now"


def _shown(value: object) -> str:
    text = _ENCODER.encode(value)
    return text if len(text) <= 300 else f"{text[:297]}..."


def json_schema() -> dict[str, Any]:
    """The JSON Schema, draft 2020-12, of every document that this version reads and writes.

    It says what can be said of each part by itself; :func:`loads` checks the rest.
    """
    definitions: dict[str, Any] = {}
    kinds = [_schema(kind, definitions) for kind in get_args(Document)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Documents of gmemflags",
        "oneOf": kinds,
        "$defs": dict(sorted(definitions.items())),
    }


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


def _integer(text: str) -> int | _Flaw:
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
    parse_int=_integer,
    parse_float=_fraction,
    parse_constant=_constant,
)
_ENCODER = JSONEncoder(separators=(",", ":"), allow_nan=False)
_TOO_LONG = f"it is longer than {LONGEST} characters, as no document is"


def _quoted(text: str) -> str:
    return ascii(text if len(text) <= 60 else f"{text[:57]}...")


def _read(document: str | bytes, catalog: Catalog, codecs: Mapping[str, _Codec]) -> Any:
    try:
        content = _parsed(document)
        schema = _schema_of(content, codecs)
        _CHECKS[schema](content)
        return codecs[schema][2](content, catalog)
    except Fault as fault:
        raise _record_error(fault) from None
    except RecursionError:
        raise RecordError("$", "it is too deeply nested for a document") from None


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


def _json_problem(error: JSONDecodeError) -> str:
    if error.doc.startswith("\ufeff"):
        return "it starts with a byte order mark, which no document has"
    if error.msg == "Extra data":
        return f"one document is needed, and there is more from character {error.pos} on"
    return f"it is not JSON: {error.msg.removesuffix(' at')} at character {error.pos}"


def _schema_of(content: object, codecs: Mapping[str, _Codec]) -> str:
    if type(content) is not dict:
        raise _wrong(content, "an object")
    parts = cast("dict[str, object]", content)
    if "schema" not in parts:
        raise Fault("it is missing", "schema")
    schema = parts["schema"]
    if type(schema) is str:
        if schema in codecs:
            return schema
        if schema.startswith("gmemflags/") and schema.endswith("/1"):
            problem = "is of version 1, which was never published and is not read: write it again"
            raise Fault(f"{_quoted(schema)} {problem}", "schema")
    fault = _wrong(schema, f"one of {', '.join(codecs)}")
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


def _wrong(value: object, needed: str) -> Fault:
    if isinstance(value, _Flaw):
        return Fault(value.problem)
    if isinstance(value, str):
        shown = _quoted(value)
    elif isinstance(value, (int, float)):
        shown = str(value).lower()
    else:
        shown = _KINDS.get(type(value).__name__, type(value).__name__)
    return Fault(f"{needed} is needed, not {shown}")


# From the declaration of a document to the check of its parts, and to its schema.


def _check(kind: Any) -> Check:
    """What raises Fault for a value that is not exactly of an annotated type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        return _check_record(kind)
    if origin in (ReadOnly, NotRequired):
        return _check(arguments[0])
    if origin is Literal:
        return _check_text(OneOf(arguments).texts.__contains__, f"{arguments[0]}")
    if hasattr(kind, "__metadata__"):
        return _check_annotated(kind.__metadata__[0])
    if origin in (Union, UnionType):
        return _check_union(arguments)
    if origin is list:
        return _check_list(_check(arguments[0]))
    if origin is dict:
        return _check_dict(_check(arguments[0]), _check(arguments[1]))
    return {str: _text, bool: _boolean, object: _any}[kind]


def _text(value: object) -> None:
    if type(value) is not str:
        raise _wrong(value, "a text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            problem = f"character {error.start} of the text is half a surrogate pair"
            raise Fault(problem) from None


def _boolean(value: object) -> None:
    if type(value) is not bool:
        raise _wrong(value, "true or false")


def _any(value: object, depth: int = 1) -> None:
    if depth > _DEEPEST:
        raise Fault(f"it is nested more than {_DEEPEST} levels deep")
    if type(value) is dict:
        for key, part in cast("dict[str, object]", value).items():
            _at(key, _text, key)
            _at(key, _any, part, depth + 1)
    elif type(value) is list:
        for index, part in enumerate(cast("list[object]", value)):
            _at(index, _any, part, depth + 1)
    elif type(value) is str:
        _text(value)
    elif not (value is None or type(value) in (bool, int, float)):
        raise _wrong(value, "plain data of JSON")


def _at(step: str | int, check: Callable[..., None], *arguments: object) -> None:
    try:
        check(*arguments)
    except Fault as fault:
        fault.path.append(step)
        raise


def _check_text(good: Callable[[str], object], needed: str) -> Check:
    def check(value: object) -> None:
        if type(value) is not str or not good(value):
            raise _wrong(value, needed)

    return check


def _check_annotated(bound: Pattern | OneOf | Range) -> Check:
    if isinstance(bound, Pattern):
        pattern = _check_text(re.compile(bound.regex).fullmatch, bound.needed)
        return pattern
    if isinstance(bound, OneOf):
        return _check_text(frozenset(bound.texts).__contains__, f"one of {', '.join(bound.texts)}")
    least, most = bound

    def check(value: object) -> None:
        if type(value) is not int or not least <= value <= most:
            raise _wrong(value, f"an integer in [{least}, {most}]")

    return check


def _check_list(check_part: Check) -> Check:
    def check(value: object) -> None:
        if type(value) is not list:
            raise _wrong(value, "a list")
        index = 0
        try:
            for index, part in enumerate(cast("list[object]", value)):
                check_part(part)
        except Fault as fault:
            fault.path.append(index)
            raise

    return check


def _check_dict(check_key: Check, check_part: Check) -> Check:
    def check(value: object) -> None:
        if type(value) is not dict:
            raise _wrong(value, "an object")
        key = ""
        try:
            for key, part in cast("dict[str, object]", value).items():
                check_key(key)
                check_part(part)
        except Fault as fault:
            fault.path.append(key)
            raise

    return check


def _check_record(kind: type) -> Check:
    checks = [(key, _check(part)) for key, part in _hints(kind).items()]
    known = frozenset(key for key, _ in checks)
    required = _required(kind)

    def check(value: object) -> None:
        if type(value) is not dict:
            raise _wrong(value, "an object")
        parts = cast("dict[str, object]", value)
        if parts.keys() != known:
            _check_keys(parts, required, known)
        key = ""
        try:
            for key, check_part in checks:
                if key in parts:
                    check_part(parts[key])
        except Fault as fault:
            fault.path.append(key)
            raise

    return check


def _check_keys(parts: dict[str, object], required: list[str], known: frozenset[str]) -> None:
    for key in required:
        if key not in parts:
            raise Fault("it is missing", key)
    for key in parts:
        if key not in known:
            raise Fault("no such key is known", key)


def _check_union(kinds: tuple[Any, ...]) -> Check:
    records = [kind for kind in kinds if is_typeddict(kind)]
    if len(records) < len(kinds) or not records:  # something, or None
        (kind,) = (kind for kind in kinds if kind is not type(None))
        check_some = _check(kind)
        return lambda value: None if value is None else check_some(value)
    tags = _tags(records)
    if tags:
        return _check_tagged(tags)
    choices = [(frozenset(_required(kind)), _check(kind)) for kind in records]

    def check(value: object) -> None:
        keys = cast("dict[str, object]", value).keys() if type(value) is dict else ()
        fitting = (check_kind for required, check_kind in choices if required <= keys)
        next(fitting, choices[0][1])(value)

    return check


def _tags(records: list[type]) -> dict[str, type]:
    # Kinds of objects by their ``kind``, which is a Literal of one text.
    found: dict[str, type] = {}
    for record in records:
        hints = _hints(record)
        if "kind" in hints:
            found[get_args(get_args(hints["kind"])[0])[0]] = record
    return found


def _check_tagged(tags: dict[str, type]) -> Check:
    checks = {tag: _check(kind) for tag, kind in tags.items()}

    def check(value: object) -> None:
        if type(value) is not dict:
            raise _wrong(value, "an object")
        tag = cast("dict[str, object]", value).get("kind")
        if type(tag) is not str or tag not in checks:
            fault = _wrong(tag, f"one of {', '.join(checks)}")
            fault.path.append("kind")
            raise fault
        checks[tag](value)

    return check


def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _required(kind: type) -> list[str]:
    # __required_keys__ does not see through annotations that are texts.
    return [key for key, part in _hints(kind).items() if get_origin(part) is not NotRequired]


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of an annotated type; those of TypedDicts go to ``definitions``."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        return _schema_of_record(kind, definitions)
    if origin in (ReadOnly, NotRequired):
        return _schema(arguments[0], definitions)
    if origin is Literal:
        return {"const": arguments[0]}
    if hasattr(kind, "__metadata__"):
        return _schema_of_bound(kind.__metadata__[0])
    if origin in (Union, UnionType):
        return {"anyOf": [_schema(part, definitions) for part in arguments]}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is dict:
        names, parts = (_schema(argument, definitions) for argument in arguments)
        return {"type": "object", "propertyNames": names, "additionalProperties": parts}
    plain = {str: "string", bool: "boolean", type(None): "null"}
    return {"type": plain[kind]} if kind in plain else {}


def _schema_of_record(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    name = kind.__name__.removesuffix("Document")
    if name not in definitions:
        definitions[name] = {}  # so that it is not made twice
        definitions[name] = {
            "description": str(kind.__doc__),
            "type": "object",
            "properties": {key: _schema(part, definitions) for key, part in _hints(kind).items()},
            "required": _required(kind),
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{name}"}


def _schema_of_bound(bound: Pattern | OneOf | Range) -> dict[str, Any]:
    if isinstance(bound, Pattern):
        # Python's $ matches before a last newline, too.
        return {"type": "string", "pattern": rf"^(?:{bound.regex})(?![\s\S])"}
    if isinstance(bound, OneOf):
        return {"enum": [*bound.texts]}
    return {"type": "integer", "minimum": bound.least, "maximum": bound.most}


_Codec = tuple[type, Callable[[Any], Any], Callable[[Any, Catalog], Any]]
_CODECS: dict[str, _Codec] = {
    "gmemflags/host/2": (Support, host_document, support_from),
    "gmemflags/unavailable/2": (
        KvmUnavailableError,
        unavailable_document,
        lambda content, _: unavailable_from(content),
    ),
    "gmemflags/flags/2": (FlagWord, flags_document, flags_from),
    "gmemflags/request/2": (Request, request_document, lambda content, _: request_from(content)),
    "gmemflags/catalog/2": (
        Catalog,
        catalog_document,
        lambda content, catalog: catalog_from(content, [catalog]),
    ),
    "gmemflags/decision/2": (
        Resolution,
        decision_document,
        lambda content, _: decision_from(content),
    ),
    "gmemflags/baseline/2": (Baseline, baseline_document, baseline_from),
    "gmemflags/comparison/2": (
        Comparison,
        comparison_document,
        lambda content, _: comparison_from(content),
    ),
    "gmemflags/probe/2": (ProbeReport, probe_document, lambda content, _: probe_from(content)),
}
_HOSTS = {
    schema: _CODECS[schema]
    for schema in ("gmemflags/host/2", "gmemflags/baseline/2", "gmemflags/unavailable/2")
}
_DECISION: dict[str, _Codec] = {
    "gmemflags/decision/2": (
        Resolution,
        decision_document,
        lambda content, _: (content, decided_again(content)),
    )
}
_CHECKS = {
    get_args(get_args(_hints(kind)["schema"])[0])[0]: _check(kind) for kind in get_args(Document)
}
