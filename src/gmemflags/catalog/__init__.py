"""What one kernel tree defines: flags, capability numbers, rules and profiles, as data.

Nothing here is known from a host, and no number or bit is invented: mainline's come from
include/uapi/linux/kvm.h, those of other trees are a claim of whoever chooses their catalog.
"""

from gmemflags.catalog._catalog import Catalog
from gmemflags.catalog._lint import lint
from gmemflags.catalog._mainline import MAINLINE, GuestMemfdFlag
from gmemflags.catalog._out_of_tree import FIRECRACKER_SECRET_FREE, FirecrackerFlag
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
from gmemflags.catalog._text import format_mask, format_rule, parse_mask
from gmemflags.catalog._uapi import Capability, Scope

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
