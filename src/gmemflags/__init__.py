"""Which guest_memfd flags a KVM host really takes, and why not.

Three steps: ``query`` asks a host, ``resolve`` (or ``negotiate``, which raises on a refusal)
answers a request from what it said, and ``gmemflags.linux.Vm.create_guest_memfd`` makes the file.

>>> from gmemflags import GuestMemfdFlag as F, Request, negotiate, query
>>> from gmemflags.testing import FakeBackend
>>> answer = negotiate(query(FakeBackend.narrow(3)), Request(required=F.MMAP | F.INIT_SHARED))
>>> answer.headline
'granted on a fake host: MMAP|INIT_SHARED (0x3)'
"""

from sys import orig_argv as _orig_argv

if _orig_argv[1:3] == ["-m", "gmemflags"]:  # a command: Ctrl-C ends it quietly from here on
    import _gmemflags as _gmemflags
from gmemflags._catalog import (
    Capability,
    Catalog,
    Need,
    Prerequisites,
    Profile,
    Request,
    Scope,
)
from gmemflags._create import GuestMemfdCreateError, VmBackend
from gmemflags._exceptions import (
    CapabilityQueryError,
    CatalogError,
    FlagSyntaxError,
    GmemFlagsError,
    InconsistentAnswerError,
    InvalidMaskError,
    KvmUnavailableError,
    NegotiationTooHardError,
    PoolError,
    RecordError,
    Unavailable,
)
from gmemflags._fleet import Baseline, Comparison, Lacking, Loss, baseline, compare
from gmemflags._format import format_mask, format_rule, parse_mask
from gmemflags._host import Answer, Backend, BitState, HostFacts, Support, query
from gmemflags._lint import lint
from gmemflags._mainline import FIRECRACKER_SECRET_FREE, MAINLINE, GuestMemfdFlag
from gmemflags._masks import FlagWord, Merged, bits, merge, u64
from gmemflags._problems import Outcome, Problem, Reason, Role, Suggestion
from gmemflags._resolve import NegotiationError, Resolution, negotiate, resolve
from gmemflags._rules import (
    Always,
    Excludes,
    Hosts,
    Never,
    Refused,
    Requires,
    Rule,
    Stage,
)

__all__ = [
    "FIRECRACKER_SECRET_FREE",
    "MAINLINE",
    "Always",
    "Answer",
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
    "FlagWord",
    "GmemFlagsError",
    "GuestMemfdCreateError",
    "GuestMemfdFlag",
    "HostFacts",
    "Hosts",
    "InconsistentAnswerError",
    "InvalidMaskError",
    "KvmUnavailableError",
    "Lacking",
    "Loss",
    "Merged",
    "Need",
    "NegotiationError",
    "NegotiationTooHardError",
    "Never",
    "Outcome",
    "PoolError",
    "Prerequisites",
    "Problem",
    "Profile",
    "Reason",
    "RecordError",
    "Refused",
    "Request",
    "Requires",
    "Resolution",
    "Role",
    "Rule",
    "Scope",
    "Stage",
    "Suggestion",
    "Support",
    "Unavailable",
    "VmBackend",
    "baseline",
    "bits",
    "compare",
    "format_mask",
    "format_rule",
    "lint",
    "merge",
    "negotiate",
    "parse_mask",
    "query",
    "resolve",
    "u64",
]
