"""Requests and needs from plain values; ``catalog/_plain.py`` makes those."""

from __future__ import annotations

from typing import Any

from gmemflags._catalog import Need, Prerequisites, Request, Scope
from gmemflags._rules import Stage
from gmemflags.records._shapes import (
    Fault,
    is_list,
    items,
    mask,
    one_bit,
    one_of,
    optional,
    record,
    text,
    within,
)

_masks = items(mask)
_need = record({"capability": text, "bits": mask, "any_of": _masks})


def need(value: object) -> Need:
    """One need."""
    return Need(**_need(value))


def _claim(value: object) -> tuple[int, str]:
    pair = is_list(value)
    if len(pair) != 2:
        raise Fault("a bit and its name are needed")
    return within(0, one_bit, pair[0]), within(1, text, pair[1])


_REQUEST: dict[str, Any] = {
    "required": mask,
    "preferred": _masks,
    "forbidden": mask,
    "needs": items(need),
    "prerequisites": one_of(Prerequisites),
    "until": one_of(Stage),
    "scope": one_of(Scope),
    "digest": optional(text),
    "claims": items(_claim),
}
_request = record(_REQUEST)


def request(value: object) -> Request:
    """One request."""
    content = _request(value)
    content["flag_names"] = content.pop("claims")
    return Request(**content)
