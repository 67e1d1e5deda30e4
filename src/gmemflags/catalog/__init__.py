"""What one kernel tree defines: flags, capability numbers, rules and profiles, as data.

Nothing here is known from a host, and no number or bit is invented: mainline's come from
include/uapi/linux/kvm.h, those of other trees are a claim of whoever chooses their catalog.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmemflags.catalog._catalog import Catalog
from gmemflags.catalog._mainline import MAINLINE, GuestMemfdFlag
from gmemflags.catalog._request import Need, Prerequisites, Profile, Request
from gmemflags.catalog._rules import (
    Always,
    Excludes,
    Hosts,
    Never,
    Refused,
    Requires,
    Rule,
    Stage,
)
from gmemflags.catalog._uapi import Capability, Scope

if TYPE_CHECKING:
    from gmemflags.catalog._lint import lint
    from gmemflags.catalog._out_of_tree import FIRECRACKER_SECRET_FREE, FirecrackerFlag
    from gmemflags.catalog._text import format_mask, format_rule, parse_mask

__all__ = [
    "FIRECRACKER_SECRET_FREE",
    "MAINLINE",
    "Always",
    "Capability",
    "Catalog",
    "Excludes",
    "FirecrackerFlag",
    "GuestMemfdFlag",
    "Hosts",
    "Need",
    "Never",
    "Prerequisites",
    "Profile",
    "Refused",
    "Request",
    "Requires",
    "Rule",
    "Scope",
    "Stage",
    "format_mask",
    "format_rule",
    "lint",
    "parse_mask",
]

# What few programs need is loaded when it is asked for.
_LATER = {
    "FIRECRACKER_SECRET_FREE": "_out_of_tree",
    "FirecrackerFlag": "_out_of_tree",
    "format_mask": "_text",
    "format_rule": "_text",
    "lint": "_lint",
    "parse_mask": "_text",
}


if not TYPE_CHECKING:  # a checker that sees __getattr__ takes any name for known

    def __getattr__(name: str) -> object:
        from importlib import import_module  # noqa: PLC0415  # seldom wanted

        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
