"""Whole decisions to plain values and back: host, catalog, request, and the result at that time.

The catalog is written in full, so that a decision can be resolved again wherever it is, and by
any later version of this library. Nothing is resolved here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gmemflags.records._plain import plain, plain_need, plain_request
from gmemflags._problems import Problem, Reason
from gmemflags._resolve import Resolution
from gmemflags._exceptions import NegotiationTooHardError
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
    from gmemflags._catalog import Catalog
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


Recorded = dict[str, Any]


def _reasons(problems: list[dict[str, Any]]) -> list[tuple[str, int, str]]:
    def key(problem: dict[str, Any]) -> tuple[str, int, str]:
        bits = problem["bits"]
        return str(problem["reason"]), bits if isinstance(bits, int) else int(bits, 16), str(problem["rules"])
    return [key(problem) for problem in problems]


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


def _decode_result(value: object, catalog: Catalog) -> Recorded:
    content = _result(value)
    whole = words(content)
    if content["ok"] is (whole is None):
        raise Fault("a yes has a mask, and a refusal has none", "mask")
    if content["ok"] is bool(content["problems"]):
        raise Fault("a refusal has problems, and a yes has none", "problems")
    for index, problem in enumerate(content["problems"]):
        if any(place >= len(catalog.rules) for place in problem["rules"]):
            raise Fault(
                f"the catalog has only {len(catalog.rules)} rules", "problems", index, "rules"
            )
    return {"mask": whole, "problems": content["problems"]}


def decode_decision(value: object, catalogs: Catalogs) -> tuple[Resolution, Recorded]:
    """The decision of :func:`plain_resolution`, decided again, and as it was recorded."""
    content = _decision(value)
    catalog = within("catalog", catalogs.decode, content["catalog"])
    support = within("host", lambda host: decode_host(host, catalog), content["host"])
    result = within(
        "result", lambda result: _decode_result(result, catalog), content["result"]
    )
    try:
        now = Resolution(support=support, request=content["request"])
    except NegotiationTooHardError as error:
        raise Fault(str(error), "catalog") from None
    return now, result


def decode_resolution(value: object, catalogs: Catalogs) -> Resolution:
    """The decision, if it is still decided in the same way; ``replay`` tells the difference."""
    now, recorded = decode_decision(value, catalogs)
    mask = now.mask if now.ok else None
    if recorded["mask"] != mask:
        given = "a refusal" if recorded["mask"] is None else f"{recorded['mask']:#x}"
        raise Fault(f"{given} is no answer of this host to this request", "result", "mask")
    if not now.ok and _reasons(recorded["problems"]) != _reasons(
        plain_resolution(now)["result"]["problems"]
    ):
        raise Fault("these are not the reasons of this refusal", "result", "problems")
    return now
