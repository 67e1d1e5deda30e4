"""Which guest_memfd flags a KVM host really takes, and why not.

This is the face. It loads nothing until it is asked for a name (PEP 562), and holds nothing.

>>> from gmemflags import GuestMemfdFlag as F, Request, negotiate, query
>>> from gmemflags.testing import FakeBackend
>>> answer = negotiate(query(FakeBackend.narrow(3)), Request(required=F.MMAP))
>>> answer.headline
'granted: MMAP (bit 0, 0x1) on a fake host'
"""

from __future__ import annotations

TYPE_CHECKING = False  # what type checkers call True; typing itself takes as long as half of attrs
if TYPE_CHECKING:
    from gmemflags.catalog import (
        MAINLINE,
        Always,
        Capability,
        Catalog,
        Excludes,
        GuestMemfdFlag,
        Need,
        Never,
        Prerequisites,
        Profile,
        Refused,
        Request,
        Requires,
        Scope,
        Stage,
        format_mask,
        lint,
        parse_mask,
    )
    from gmemflags.exceptions import (
        CapabilityQueryError,
        CatalogError,
        FlagSyntaxError,
        GmemFlagsError,
        GuestMemfdCreateError,
        InconsistentAnswerError,
        InvalidMaskError,
        KvmUnavailableError,
        NegotiationError,
        PoolError,
        RecordError,
    )
    from gmemflags.host import (
        Backend,
        BitState,
        HostFacts,
        Support,
        query,
    )
    from gmemflags.masks import (
        bits,
        u64,
    )
    from gmemflags.negotiation import (
        Resolution,
        negotiate,
        resolve,
    )
    from gmemflags.negotiation._compare import (
        Comparison,
        Loss,
        Relation,
        compare,
    )
    from gmemflags.negotiation._fleet import (
        Baseline,
        Lacking,
        baseline,
    )
    from gmemflags.negotiation._problem import (
        Outcome,
        Problem,
        Reason,
        Role,
        Suggestion,
    )

__all__ = [
    "MAINLINE",
    "Always",
    "Backend",
    "Baseline",
    "BitState",
    "Capability",
    "CapabilityQueryError",
    "Catalog",
    "CatalogError",
    "Comparison",
    "Excludes",
    "FlagSyntaxError",
    "GmemFlagsError",
    "GuestMemfdCreateError",
    "GuestMemfdFlag",
    "HostFacts",
    "InconsistentAnswerError",
    "InvalidMaskError",
    "KvmUnavailableError",
    "Lacking",
    "Loss",
    "Need",
    "NegotiationError",
    "Never",
    "Outcome",
    "PoolError",
    "Prerequisites",
    "Problem",
    "Profile",
    "Reason",
    "RecordError",
    "Refused",
    "Relation",
    "Request",
    "Requires",
    "Resolution",
    "Role",
    "Scope",
    "Stage",
    "Suggestion",
    "Support",
    "baseline",
    "bits",
    "compare",
    "format_mask",
    "lint",
    "negotiate",
    "parse_mask",
    "query",
    "resolve",
    "u64",
]

_ROOMS = {
    "catalog": (
        "MAINLINE",
        "Always",
        "Capability",
        "Catalog",
        "Excludes",
        "GuestMemfdFlag",
        "Need",
        "Never",
        "Prerequisites",
        "Profile",
        "Refused",
        "Request",
        "Requires",
        "Scope",
        "Stage",
        "format_mask",
        "lint",
        "parse_mask",
    ),
    "exceptions": (
        "CapabilityQueryError",
        "CatalogError",
        "FlagSyntaxError",
        "GmemFlagsError",
        "GuestMemfdCreateError",
        "InconsistentAnswerError",
        "InvalidMaskError",
        "KvmUnavailableError",
        "NegotiationError",
        "PoolError",
        "RecordError",
    ),
    "host": (
        "Backend",
        "BitState",
        "HostFacts",
        "Support",
        "query",
    ),
    "masks": (
        "bits",
        "u64",
    ),
    "negotiation": (
        "Resolution",
        "negotiate",
        "resolve",
    ),
    "negotiation._compare": (
        "Comparison",
        "Loss",
        "Relation",
        "compare",
    ),
    "negotiation._fleet": (
        "Baseline",
        "Lacking",
        "baseline",
    ),
    "negotiation._problem": (
        "Outcome",
        "Problem",
        "Reason",
        "Role",
        "Suggestion",
    ),
}
_HOMES = {name: f"{__name__}.{room}" for room, names in _ROOMS.items() for name in names}


if not TYPE_CHECKING:  # a checker that sees __getattr__ takes any name for known

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
