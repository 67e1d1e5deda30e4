"""Catalog content as dicts, lists, texts and small numbers: the one form that leaves Python.

Masks are hexadecimal texts, because JSON readers lose numbers above 2**53. Digests and records
are made of this form, so it must never depend on the order of a set or on a Python version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import fields

from gmemflags._rules import Hosts, Rule, Stage

if TYPE_CHECKING:
    from gmemflags._catalog import Catalog
    from gmemflags._catalog import Need, Request


def plain(catalog: Catalog) -> dict[str, Any]:
    """The whole content of ``catalog``."""
    return {
        "name": catalog.name,
        "flags": {name: hex(bit) for bit, name in catalog.flags.bit_names.items()},
        "capabilities": {str(name): number for name, number in catalog.capabilities.items()},
        "rules": [plain_rule(rule) for rule in catalog.rules],
        "profiles": {
            name: {"request": plain_request(profile.request), "why": profile.why}
            for name, profile in catalog.profiles.items()
        },
    }


def plain_rule(rule: Rule) -> dict[str, Any]:
    """One rule: its kind, and its fields."""
    content: dict[str, Any] = {"kind": type(rule).__name__.lower()}
    for attribute in fields(type(rule)):
        value = getattr(rule, attribute.name)
        if isinstance(value, Hosts):
            content["hosts"] = {"machines": [*value.machines], "vm_types": [*value.vm_types]}
        elif isinstance(value, Stage):
            content["stage"] = str(value)
        elif isinstance(value, str):
            content[attribute.name] = value
        else:
            content[attribute.name] = _hex(value)
    return content


def _hex(value: int | tuple[int, ...]) -> str | list[str]:
    return hex(value) if isinstance(value, int) else [hex(mask) for mask in value]


def plain_need(need: Need) -> dict[str, Any]:
    """One need."""
    return {
        "capability": str(need.capability),
        "bits": hex(need.bits),
        "any_of": [hex(mask) for mask in need.any_of],
    }


def plain_request(request: Request) -> dict[str, Any]:
    """One request."""
    return {
        "required": hex(request.required),
        "preferred": [hex(mask) for mask in request.preferred],
        "forbidden": hex(request.forbidden),
        "needs": [plain_need(need) for need in request.needs],
        "prerequisites": str(request.prerequisites),
        "until": str(request.until),
        "scope": str(request.scope),
        "digest": request.digest,
        "claims": [[hex(bit), name] for bit, name in sorted(request.flag_names)],
    }
