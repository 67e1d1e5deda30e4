"""Whole decisions to plain values and back: host, catalog, request, and the result at that time.

The catalog is written in full, so that a decision can be resolved again wherever it is, and by
any later version of this library. Nothing is resolved here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gmemflags.catalog._plain import plain, plain_need, plain_request
from gmemflags.negotiation import Problem, Reason, Resolution
from gmemflags.negotiation._resolve import valid
from gmemflags.records._requests import need, request
from gmemflags.records._shapes import (
    Fault,
    as_is,
    flag,
    items,
    mask,
    number,
    one_of,
    optional,
    record,
    text,
    within,
)
from gmemflags.records._supports import decode_host, plain_host, plain_words, words

if TYPE_CHECKING:
    from gmemflags.catalog import Catalog
    from gmemflags.records._catalogs import Catalogs


def _plain_problem(problem: Problem, catalog: Catalog) -> dict[str, Any]:
    return {
        "reason": str(problem.reason),
        "bits": hex(problem.bits),
        "rules": [catalog.rules.index(rule) for rule in problem.rules],
        "need": None if problem.need is None else plain_need(problem.need),
        "message": problem.message,
    }


def plain_resolution(resolution: Resolution) -> dict[str, Any]:
    """A whole decision; the rules of a problem are told by their places in the catalog."""
    catalog = resolution.support.catalog
    nothing = {"mask": None, "low": None, "high": None}
    return {
        "host": plain_host(resolution.support),
        "catalog": plain(catalog),
        "request": plain_request(resolution.request),
        "result": {
            "ok": resolution.ok,
            **(plain_words(resolution.mask) if resolution.ok else nothing),
            "problems": [_plain_problem(problem, catalog) for problem in resolution.problems],
        },
    }


_decision = record({"host": as_is, "catalog": as_is, "request": request, "result": as_is})
_problem = record(
    {
        "reason": one_of(Reason),
        "bits": mask,
        "rules": items(number),
        "need": optional(need),
        "message": text,
    }
)
_result = record(
    {
        "ok": flag,
        "mask": optional(mask),
        "low": optional(number),
        "high": optional(number),
        "problems": items(_problem),
    }
)


def _decode_result(value: object, catalog: Catalog) -> dict[str, Any]:
    content = _result(value)
    whole = words(content)
    if content["ok"] is (whole is None):
        raise Fault("a yes has a mask, and a refusal has none", "mask")
    if content["ok"] is bool(content["problems"]):
        raise Fault("a refusal has problems, and a yes has none", "problems")
    rules = catalog.rules
    problem: dict[str, Any]
    for index, problem in enumerate(content["problems"]):
        places: list[int] = problem["rules"]
        if any(place >= len(rules) for place in places):
            raise Fault(f"the catalog has only {len(rules)} rules", "problems", index, "rules")
        problem["rules"] = tuple(rules[place] for place in places)
    return {"mask": whole, "problems": tuple(Problem(**told) for told in content["problems"])}


def decode_decision(value: object, catalogs: Catalogs) -> Resolution:
    """The decision of :func:`plain_resolution` as it was recorded, believable or not."""
    content = _decision(value)
    catalog = within("catalog", catalogs.decode, content["catalog"])
    support = within("host", lambda host: decode_host(host, catalog), content["host"])
    result = within("result", lambda told: _decode_result(told, catalog), content["result"])
    return Resolution(support=support, request=content["request"], **result)


def decode_resolution(value: object, catalogs: Catalogs) -> Resolution:
    """The decision, unless it says yes to what its own host, request or rules rule out.

    Whoever is handed a yes creates files with it. Whether there is a better mask, and whether a
    no is right, is not asked here: that takes resolving it again.
    """
    resolution = decode_decision(value, catalogs)
    if resolution.ok and not valid(resolution.support, resolution.request, resolution.mask):
        problem = f"{resolution.mask:#x} is no answer of this host to this request"
        raise Fault(problem, "result", "mask")
    return resolution
