"""The kinds of documents: one line each, and what makes a document of a value and back.

Every document says in ``schema`` what it is. A new kind is one entry of :data:`KINDS`, and its
shape in ``records.schema.json``; a kind that changes in any way gets another number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from gmemflags._catalog import Catalog, Request
from gmemflags.records._plain import plain, plain_request
from gmemflags._exceptions import RecordError
from gmemflags._host import Support
from gmemflags._resolve import Resolution
from gmemflags._fleet import Baseline
from gmemflags._learn import ProbeReport
from gmemflags.records._decisions import decode_resolution, plain_resolution
from gmemflags.records._pools import decode_baseline, plain_baseline
from gmemflags.records._probes import decode_probe_report, plain_probe_report
from gmemflags.records._requests import request
from gmemflags.records._shapes import Fault, is_object, wrong
from gmemflags.records._supports import decode_support, plain_support
from gmemflags.records._text import as_text, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gmemflags.records._catalogs import Catalogs

    Decode = Callable[[object, Catalogs], Any]


@frozen
class Kind:
    """The class of its values, and the two ways."""

    of: type
    encode: Callable[[Any], dict[str, Any]]
    decode: Decode


def _decode_request(value: object, _: Catalogs) -> Request:
    return request(value)


def _decode_catalog(value: object, catalogs: Catalogs) -> Catalog:
    return catalogs.content(value)


KINDS = {
    "gmemflags/support/1": Kind(Support, plain_support, decode_support),
    "gmemflags/request/1": Kind(Request, plain_request, _decode_request),
    "gmemflags/resolution/1": Kind(Resolution, plain_resolution, decode_resolution),
    "gmemflags/catalog/1": Kind(Catalog, plain, _decode_catalog),
    "gmemflags/baseline/1": Kind(Baseline, plain_baseline, decode_baseline),
    "gmemflags/probe-report/1": Kind(ProbeReport, plain_probe_report, decode_probe_report),
}


DECODERS = {schema: kind.decode for schema, kind in KINDS.items()}


def content_of(value: object) -> dict[str, Any]:
    """The plain form of a value, with its schema in front."""
    for schema, kind in KINDS.items():
        if isinstance(value, kind.of):
            return {"schema": schema, **kind.encode(value)}
    known = ", ".join(kind.of.__name__ for kind in KINDS.values())
    raise TypeError(f"a {type(value).__name__} has no record; these have: {known}")


def read(document: str | bytes, catalogs: Catalogs, only: Mapping[str, Decode] = DECODERS) -> Any:
    """The value of a document whose schema is in ``only``.

    Raises :exc:`~gmemflags.RecordError` for anything else, with the path to the fault.
    """
    content = parse(as_text(document))
    try:
        parts = is_object(content)
        return _decoder(parts, only)(parts, catalogs)
    except Fault as fault:
        problem = fault.problem
        visible = problem if problem.isascii() and problem.isprintable() else ascii(problem)
        raise RecordError(fault.where(), visible) from None


def _decoder(content: dict[str, object], only: Mapping[str, Decode]) -> Decode:
    # The schema is taken out of the content.
    if "schema" not in content:
        raise Fault("it is missing", "schema")
    schema = content.pop("schema")
    if type(schema) is str and schema in only:
        return only[schema]
    fault = wrong(schema, f"one of {', '.join(only)}")
    fault.path.append("schema")
    raise fault
