"""Values as documents of version 2, and back.

Each document is declared once, as a ``TypedDict``: ``records`` derives from it what it accepts and
the JSON Schema, and type checkers hold the functions here against it. 64-bit numbers are texts,
because JSON readers lose numbers above 2**53. A document inside a document is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, cast

from typing_extensions import NotRequired, ReadOnly, TypedDict

from gmemflags._catalog import Catalog, Need, Prerequisites, Profile, Request, Scope
from gmemflags._exceptions import (
    CatalogError,
    GmemFlagsError,
    InconsistentAnswerError,
    KvmUnavailableError,
    Unavailable,
    quote,
)
from gmemflags._explain import asked, listed
from gmemflags._fleet import Baseline, Comparison, Lacking, Loss
from gmemflags._format import format_rule
from gmemflags._host import Answer, HostFacts, Support, support_of
from gmemflags._learn import ProbeReport
from gmemflags._mainline import SHIPPED
from gmemflags._masks import WORD, FlagWord, bits, flag_class, read_long
from gmemflags._problems import Reason, Role
from gmemflags._resolve import Resolution
from gmemflags._rules import Always, Excludes, Hosts, Never, Refused, Requires, Rule, Stage

VERSION = "0.1.0"
"""The version of this library, which documents name."""
TOOL = f"gmemflags {VERSION}"

T = TypeVar("T")


class Pattern(NamedTuple):
    """What a text looks like, and what is needed in words."""

    regex: str
    needed: str


class Range(NamedTuple):
    """The integers from ``least`` to ``most``."""

    least: int
    most: int


class OneOf(NamedTuple):
    """One of some texts."""

    texts: tuple[str, ...]


Mask = Annotated[
    str,
    Pattern(
        "0x(?:0|[1-9a-f][0-9a-f]{0,15})",
        'a mask such as "0x3", of at most 16 lower-case hex digits,',
    ),
]
Bit = Annotated[str, Pattern("0x[1248]0{0,15}", 'a mask of one bit such as "0x2"')]
Long = Annotated[str, Pattern("0|-?[1-9][0-9]{0,18}", 'a C long as a decimal text, such as "-5",')]
Time = Annotated[
    str,
    Pattern(
        "[0-9]{4}-[01][0-9]-[0-3][0-9]T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z",
        'a time in UTC such as "2026-01-31T23:59:59Z"',
    ),
]
FlagName = Annotated[
    str, Pattern("[A-Z][A-Z0-9_]*|_[A-Z0-9_]*[A-Z0-9]", "a flag name in ASCII capitals")
]
Capabilities = Annotated[
    str, Pattern(r"(?!KVM_CAP_)[\s\S]*", "the name of a capability without KVM_CAP_")
]
Word = Annotated[int, Range(0, WORD)]
Number = Annotated[int, Range(0, (1 << 31) - 1)]
Count = Annotated[int, Range(0, (1 << 53) - 1)]
ScopeText = Annotated[str, OneOf(tuple(map(str, Scope)))]
StageText = Annotated[str, OneOf(tuple(map(str, Stage)))]
ReasonText = Annotated[str, OneOf(tuple(map(str, Reason)))]
RoleText = Annotated[str, OneOf(tuple(map(str, Role)))]


class AnswerDocument(TypedDict, closed=True):
    """What one capability was answered with: the C long, in decimal."""

    number: ReadOnly[Number]
    raw: ReadOnly[Long]


class FailureDocument(TypedDict, closed=True):
    """A capability that could not be asked."""

    number: ReadOnly[Number]
    errno: ReadOnly[Word]


class CatalogReference(TypedDict, closed=True):
    """Which catalog was used, for information."""

    name: ReadOnly[str]
    digest: ReadOnly[str]


class HostDocument(TypedDict, closed=True):
    """What one host said: a Support."""

    schema: ReadOnly[Literal["gmemflags/host/2"]]
    name: ReadOnly[str | None]
    time: ReadOnly[Time | None]
    tool: ReadOnly[str]
    origin: ReadOnly[str]
    scope: ReadOnly[ScopeText]
    kernel: ReadOnly[str | None]
    machine: ReadOnly[str | None]
    vm_type: ReadOnly[Count | None]
    answers: ReadOnly[dict[Capabilities, AnswerDocument | FailureDocument]]
    flags: ReadOnly[list[str]]
    mask: ReadOnly[Mask]
    low: ReadOnly[Word]
    high: ReadOnly[Word]
    names: ReadOnly[dict[Bit, FlagName]]
    catalog: ReadOnly[CatalogReference]
    extra: NotRequired[ReadOnly[dict[str, object]]]


class UnavailableDocument(TypedDict, closed=True):
    """A host that could not be asked: a KvmUnavailableError."""

    schema: ReadOnly[Literal["gmemflags/unavailable/2"]]
    name: ReadOnly[str | None]
    time: ReadOnly[Time | None]
    tool: ReadOnly[str]
    what: ReadOnly[str]
    reason: ReadOnly[Annotated[str, OneOf(tuple(map(str, Unavailable)))]]
    errno: ReadOnly[Word]
    strerror: ReadOnly[str]
    message: ReadOnly[str]
    remedy: ReadOnly[str]
    extra: NotRequired[ReadOnly[dict[str, object]]]


class FlagsDocument(TypedDict, closed=True):
    """Flags of one class: a FlagWord."""

    schema: ReadOnly[Literal["gmemflags/flags/2"]]
    flags: ReadOnly[list[str]]
    mask: ReadOnly[Mask]
    low: ReadOnly[Word]
    high: ReadOnly[Word]
    names: ReadOnly[dict[Bit, FlagName]]


class NeedDocument(TypedDict, closed=True):
    """One need of a request."""

    capability: ReadOnly[Capabilities]
    bits: ReadOnly[Mask]
    any_of: ReadOnly[list[Mask]]
    at_least: ReadOnly[Mask | None]
    optional: ReadOnly[bool]
    why: ReadOnly[str]


class FlagNameDocument(TypedDict, closed=True):
    """What a caller's flag class calls a bit."""

    bit: ReadOnly[Bit]
    name: ReadOnly[str]


class RequestDocument(TypedDict, closed=True):
    """What is asked of a mask: a Request."""

    schema: ReadOnly[Literal["gmemflags/request/2"]]
    required: ReadOnly[Mask]
    preferred: ReadOnly[list[Mask]]
    forbidden: ReadOnly[Mask]
    needs: ReadOnly[list[NeedDocument]]
    prerequisites: ReadOnly[Annotated[str, OneOf(tuple(map(str, Prerequisites)))]]
    until: ReadOnly[StageText]
    scope: ReadOnly[ScopeText]
    digest: ReadOnly[str | None]
    flag_names: ReadOnly[list[FlagNameDocument]]


class HostsDocument(TypedDict, closed=True):
    """The hosts that a rule applies to."""

    machines: ReadOnly[list[str]]
    vm_types: ReadOnly[list[Count]]


class _Rule(TypedDict):
    why: ReadOnly[str]
    source: ReadOnly[str]
    stage: ReadOnly[StageText]
    hosts: ReadOnly[HostsDocument]


class RequiresDocument(_Rule, closed=True):
    """A rule: Requires."""

    kind: ReadOnly[Literal["requires"]]
    flag: ReadOnly[Mask]
    all_of: ReadOnly[Mask]
    any_of: ReadOnly[list[Mask]]


class ExcludesDocument(_Rule, closed=True):
    """A rule: Excludes."""

    kind: ReadOnly[Literal["excludes"]]
    a: ReadOnly[Mask]
    b: ReadOnly[Mask]


class AlwaysDocument(_Rule, closed=True):
    """A rule: Always."""

    kind: ReadOnly[Literal["always"]]
    all_of: ReadOnly[Mask]
    any_of: ReadOnly[list[Mask]]


class NeverDocument(_Rule, closed=True):
    """A rule: Never."""

    kind: ReadOnly[Literal["never"]]
    mask: ReadOnly[Mask]


class RefusedDocument(_Rule, closed=True):
    """A rule: Refused."""

    kind: ReadOnly[Literal["refused"]]
    mask: ReadOnly[Mask]


RuleDocument = (
    RequiresDocument | ExcludesDocument | AlwaysDocument | NeverDocument | RefusedDocument
)


class ProfileDocument(TypedDict, closed=True):
    """One profile of a catalog."""

    request: ReadOnly[RequestDocument]
    why: ReadOnly[str]


class CatalogDocument(TypedDict, closed=True):
    """What one kernel tree defines: a Catalog."""

    schema: ReadOnly[Literal["gmemflags/catalog/2"]]
    name: ReadOnly[str]
    flags: ReadOnly[dict[FlagName, Bit]]
    capabilities: ReadOnly[dict[Capabilities, Number | None]]
    rules: ReadOnly[list[RuleDocument]]
    profiles: ReadOnly[dict[str, ProfileDocument]]


class RuleReference(TypedDict, closed=True):
    """A rule of the catalog in the document, by its index, from 0, and as text."""

    index: ReadOnly[Count]
    text: ReadOnly[str]


class ProblemDocument(TypedDict, closed=True):
    """One reason for a refusal."""

    reason: ReadOnly[ReasonText]
    bits: ReadOnly[Mask]
    rules: ReadOnly[list[RuleReference]]
    need: ReadOnly[NeedDocument | None]
    message: ReadOnly[str]


class OutcomeDocument(TypedDict, closed=True):
    """What became of one bit or one group."""

    bits: ReadOnly[Mask]
    role: ReadOnly[RoleText]
    granted: ReadOnly[bool]
    reason: ReadOnly[ReasonText]
    chain: ReadOnly[list[RuleReference]]
    message: ReadOnly[str]


class SuggestionDocument(TypedDict, closed=True):
    """A change of the request that works."""

    change: ReadOnly[str]
    mask: ReadOnly[Mask]
    caveats: ReadOnly[list[str]]
    request: ReadOnly[RequestDocument]


class DecisionDocument(TypedDict, closed=True):
    """One answer to one request: a Resolution."""

    schema: ReadOnly[Literal["gmemflags/decision/2"]]
    tool: ReadOnly[str]
    ok: ReadOnly[bool]
    headline: ReadOnly[str]
    profile: ReadOnly[str]
    asked: ReadOnly[str]
    listed: ReadOnly[str]
    flags: ReadOnly[list[str] | None]
    mask: ReadOnly[Mask | None]
    low: ReadOnly[Word | None]
    high: ReadOnly[Word | None]
    problems: ReadOnly[list[ProblemDocument]]
    outcomes: ReadOnly[list[OutcomeDocument]]
    advice: ReadOnly[list[str]]
    suggestions: ReadOnly[list[SuggestionDocument]]
    request: ReadOnly[RequestDocument]
    support: ReadOnly[HostDocument]
    catalog: ReadOnly[CatalogDocument]


class LackingDocument(TypedDict, closed=True):
    """The hosts of a pool that do not list one flag."""

    count: ReadOnly[Count]
    first: ReadOnly[list[str]]


class BaselineDocument(TypedDict, closed=True):
    """What every host of a pool has: a Baseline."""

    schema: ReadOnly[Literal["gmemflags/baseline/2"]]
    tool: ReadOnly[str]
    headline: ReadOnly[str]
    notes: ReadOnly[list[str]]
    count: ReadOnly[Count]
    first: ReadOnly[list[str]]
    lacking: ReadOnly[dict[Bit, LackingDocument]]
    support: ReadOnly[HostDocument]


class LossDocument(TypedDict, closed=True):
    """Something that one host has and the other has not."""

    capability: ReadOnly[str]
    bits: ReadOnly[Mask]
    rules: ReadOnly[list[RuleReference]]
    message: ReadOnly[str]


class ComparisonDocument(TypedDict, closed=True):
    """Two hosts: a Comparison; ``catalogs`` holds that of ``a``, and that of ``b`` if it differs."""

    schema: ReadOnly[Literal["gmemflags/comparison/2"]]
    tool: ReadOnly[str]
    safe: ReadOnly[bool]
    headline: ReadOnly[str]
    lost: ReadOnly[list[LossDocument]]
    gained: ReadOnly[list[LossDocument]]
    doubts: ReadOnly[list[str]]
    a: ReadOnly[HostDocument]
    b: ReadOnly[HostDocument]
    catalogs: ReadOnly[list[CatalogDocument]]


class ProbeDocument(TypedDict, closed=True):
    """What a VM answered to the masks that were tried: a ProbeReport."""

    schema: ReadOnly[Literal["gmemflags/probe/2"]]
    tool: ReadOnly[str]
    size: ReadOnly[Count]
    stopped: ReadOnly[Word | None]
    observations: ReadOnly[dict[Mask, Word]]
    complete: ReadOnly[bool]
    rules: ReadOnly[list[RuleDocument]]
    unexplained: ReadOnly[list[Mask]]
    contradictions: ReadOnly[list[str]]
    support: ReadOnly[HostDocument]
    catalog: ReadOnly[CatalogDocument]


Document = (
    HostDocument
    | UnavailableDocument
    | FlagsDocument
    | RequestDocument
    | CatalogDocument
    | DecisionDocument
    | BaselineDocument
    | ComparisonDocument
    | ProbeDocument
)


class Fault(Exception):  # noqa: N818  # never seen outside: it becomes a RecordError
    """Something is wrong in a document; ``path`` grows from the fault outwards."""

    def __init__(self, problem: str, *path: str | int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path = [*reversed(path)]


def within(path: tuple[str | int, ...], make: Callable[..., T], *arguments: object) -> T:
    """``make(*arguments)``, which stands at ``path`` of the document."""
    try:
        return make(*arguments)
    except Fault as fault:
        fault.path += reversed(path)
        raise


def _made(kind: Callable[..., T], *arguments: Any, **fields: Any) -> T:
    # A value of checked parts; what its class does not take is a fault of the document.
    try:
        return kind(*arguments, **fields)
    except (GmemFlagsError, TypeError, ValueError) as error:
        raise Fault(str(error)) from None


def _agree(document: Mapping[str, Any], derived: Mapping[str, object]) -> None:
    # What a document says twice has to agree.
    for key, value in derived.items():
        if document[key] != value:
            raise Fault(f"the rest of the document says {value!r}, not {document[key]!r}", key)


def _masks(masks: Iterable[int]) -> list[str]:
    return [hex(mask) for mask in masks]


def _ints(masks: Iterable[str]) -> list[int]:
    return [int(mask, 16) for mask in masks]


def _flag_list(mask: int, names: Mapping[int, str]) -> list[str]:
    return [names.get(bit) or hex(bit) for bit in bits(mask)]


def _time_text(time: int | None) -> str | None:
    # isoformat ends with +00:00
    return (
        None if time is None else datetime.fromtimestamp(time, timezone.utc).isoformat()[:-6] + "Z"
    )


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError as error:
        raise Fault(str(error), "time") from None


def host_document(support: Support) -> HostDocument:
    """What a host said."""
    host, catalog, names = support.host, support.catalog, support.listed_names
    document: HostDocument = {
        "schema": "gmemflags/host/2",
        "name": host.name,
        "time": _time_text(host.time),
        "tool": TOOL,
        "origin": support.origin,
        "scope": str(support.scope),
        "kernel": host.kernel,
        "machine": host.machine,
        "vm_type": host.vm_type,
        "answers": {
            capability: {"number": number, "errno": errno or 0}
            if raw is None
            else {"number": number, "raw": str(raw)}
            for capability, number, raw, errno in support.all_answers
        },
        "flags": _flag_list(support.mask, names),
        "mask": hex(support.mask),
        "low": support.mask & WORD,
        "high": support.mask >> 32,
        "names": {hex(bit): name for bit, name in names.items()},
        "catalog": {"name": catalog.name, "digest": catalog.digest},
    }
    if host.extra:
        return {**document, "extra": dict(host.extra)}
    return document


def support_from(document: HostDocument, catalog: Catalog) -> Support:
    """The Support of a document, under a catalog.

    Raises:
        CatalogError: The catalog calls a listed bit otherwise, or enumerates by another number.
    """
    names = {int(bit, 16): name for bit, name in document["names"].items()}
    said = [
        Answer(name, answer["number"], int(answer["raw"]))
        if "raw" in answer
        else Answer(name, answer["number"], None, answer["errno"])
        for name, answer in document["answers"].items()
    ]
    seconds = _seconds(document["time"])
    host = _made(
        HostFacts,
        document["kernel"],
        document["machine"],
        document["vm_type"],
        name=document["name"],
        time=seconds,
        extra=document.get("extra", {}),
    )
    try:
        support = support_of(
            said, names, catalog, Scope(document["scope"]), host, document["origin"]
        )
        for answer in support.unused:
            if answer.raw is not None:
                read_long(answer.raw)
    except InconsistentAnswerError as error:
        raise Fault(
            f"{error.raw} cannot be read: {error.problem}", "answers", error.capability
        ) from None
    except CatalogError:
        raise
    except (GmemFlagsError, ValueError) as error:
        raise Fault(str(error), "answers") from None
    mask = support.mask
    if document["mask"] != hex(mask) or document["low"] != mask & WORD:
        _agree(document, {"mask": hex(mask), "low": mask & WORD})
    _agree(document, {"high": mask >> 32, "flags": _flag_list(mask, names)})
    for bit in names:
        if not bit & mask:
            raise Fault("a name of a bit that is not listed", "names", hex(bit))
    return support


def unavailable_document(error: KvmUnavailableError) -> UnavailableDocument:
    """A host that could not be asked."""
    return {
        "schema": "gmemflags/unavailable/2",
        "name": error.name,
        "time": _time_text(error.time),
        "tool": TOOL,
        "what": error.what,
        "reason": str(error.reason),
        "errno": error.errno or 0,
        "strerror": error.strerror or "",
        "message": str(error),
        "remedy": error.remedy,
    }


def unavailable_from(document: UnavailableDocument) -> KvmUnavailableError:
    """The error of a document."""
    return KvmUnavailableError(
        document["errno"],
        document["strerror"],
        document["what"],
        Unavailable(document["reason"]),
        name=document["name"],
        time=_seconds(document["time"]),
    )


def flags_document(flags: FlagWord) -> FlagsDocument:
    """Flags of one class."""
    mask, names = int(flags), type(flags).bit_names
    return {
        "schema": "gmemflags/flags/2",
        "flags": _flag_list(mask, names),
        "mask": hex(mask),
        "low": mask & WORD,
        "high": mask >> 32,
        "names": {hex(bit): names[bit] for bit in bits(mask) if bit in names},
    }


def flags_from(document: FlagsDocument, catalog: Catalog) -> FlagWord:
    """The flags of a document, in the flag class of a catalog.

    Raises:
        CatalogError: The catalog calls one of them otherwise.
    """
    mask = int(document["mask"], 16)
    names = {int(bit, 16): name for bit, name in document["names"].items()}
    derived = {"low": mask & WORD, "high": mask >> 32, "flags": _flag_list(mask, names)}
    _agree(document, derived)
    for bit, name in names.items():
        here = catalog.name_of(bit)
        if not bit & mask:
            raise Fault("a name of a bit that is not set", "names", hex(bit))
        if here is not None and here != name:
            raise CatalogError(catalog.name, f"{bit:#x} is {here} here, and {name} in the document")
    return catalog.flags(mask)


def _need_document(need: Need) -> NeedDocument:
    return {
        "capability": need.capability,
        "bits": hex(need.bits),
        "any_of": _masks(need.any_of),
        "at_least": None if need.at_least is None else hex(need.at_least),
        "optional": need.optional,
        "why": need.why,
    }


def _need_from(document: NeedDocument) -> Need:
    least = document["at_least"]
    return Need(
        document["capability"],
        int(document["bits"], 16),
        any_of=_ints(document["any_of"]),
        at_least=None if least is None else int(least, 16),
        optional=document["optional"],
        why=document["why"],
    )


def request_document(request: Request) -> RequestDocument:
    """What is asked of a mask."""
    return {
        "schema": "gmemflags/request/2",
        "required": hex(request.required),
        "preferred": _masks(request.preferred),
        "forbidden": hex(request.forbidden),
        "needs": [_need_document(need) for need in request.needs],
        "prerequisites": str(request.prerequisites),
        "until": str(request.until),
        "scope": str(request.scope),
        "digest": request.digest,
        "flag_names": [{"bit": hex(bit), "name": name} for bit, name in sorted(request.flag_names)],
    }


def request_from(document: RequestDocument) -> Request:
    """The Request of a document."""
    return Request(
        required=int(document["required"], 16),
        preferred=_ints(document["preferred"]),
        forbidden=int(document["forbidden"], 16),
        needs=[_need_from(need) for need in document["needs"]],
        prerequisites=Prerequisites(document["prerequisites"]),
        until=Stage[document["until"].upper()],
        scope=Scope(document["scope"]),
        digest=document["digest"],
        flag_names=[(int(named["bit"], 16), named["name"]) for named in document["flag_names"]],
    )


def _rule_document(rule: Rule) -> RuleDocument:
    common: _Rule = {
        "why": rule.why,
        "source": rule.source,
        "stage": str(rule.stage),
        "hosts": {"machines": [*rule.hosts.machines], "vm_types": [*rule.hosts.vm_types]},
    }
    match rule:
        case Requires(flag=flag, all_of=all_of, any_of=any_of):
            needed = {"all_of": hex(all_of), "any_of": _masks(any_of)}
            return {"kind": "requires", "flag": hex(flag), **needed, **common}
        case Excludes():
            return {"kind": "excludes", "a": hex(rule.a), "b": hex(rule.b), **common}
        case Always():
            any_of = _masks(rule.any_of)
            return {"kind": "always", "all_of": hex(rule.all_of), "any_of": any_of, **common}
        case Never():
            return {"kind": "never", "mask": hex(rule.mask), **common}
        case Refused():
            return {"kind": "refused", "mask": hex(rule.mask), **common}
        case _:
            raise Fault(f"a {type(rule).__name__} is a rule that no document can hold")


def _rule_from(document: RuleDocument) -> Rule:
    hosts = document["hosts"]
    common: dict[str, Any] = {
        "why": document["why"],
        "source": document["source"],
        "stage": Stage[document["stage"].upper()],
        "hosts": Hosts(machines=hosts["machines"], vm_types=hosts["vm_types"]),
    }
    match document["kind"]:
        case "requires":
            all_of, any_of = int(document["all_of"], 16), _ints(document["any_of"])
            return Requires(int(document["flag"], 16), all_of=all_of, any_of=any_of, **common)
        case "excludes":
            return Excludes(int(document["a"], 16), int(document["b"], 16), **common)
        case "always":
            return Always(int(document["all_of"], 16), any_of=_ints(document["any_of"]), **common)
        case "never":
            return Never(int(document["mask"], 16), **common)
        case "refused":
            return Refused(int(document["mask"], 16), **common)


def catalog_document(catalog: Catalog) -> CatalogDocument:
    """What one kernel tree defines."""
    return {
        "schema": "gmemflags/catalog/2",
        "name": catalog.name,
        "flags": {name: hex(bit) for bit, name in catalog.flags.bit_names.items()},
        "capabilities": dict(catalog.capabilities),
        "rules": [
            within(("rules", index), _rule_document, rule)
            for index, rule in enumerate(catalog.rules)
        ],
        "profiles": {
            name: {"request": request_document(profile.request), "why": profile.why}
            for name, profile in catalog.profiles.items()
        },
    }


def catalog_from(document: CatalogDocument, known: Iterable[Catalog] = ()) -> Catalog:
    """The Catalog of a document: the same object if it is one that ships or is ``known``."""
    members = {name: int(bit, 16) for name, bit in document["flags"].items()}
    profiles = [
        Profile(name, request_from(profile["request"]), profile["why"])
        for name, profile in document["profiles"].items()
    ]
    made = _made(
        Catalog,
        document["name"],
        within(("flags",), _made, flag_class, "RecordedFlag", members),
        document["capabilities"],
        map(_rule_from, document["rules"]),
        profiles,
    )
    return next((catalog for catalog in (*known, *SHIPPED) if catalog == made), made)


class _References:
    # The rules of a catalog by index and text.

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._index = {id(rule): index for index, rule in enumerate(catalog.rules)}

    def __call__(self, rules: Iterable[Rule]) -> list[RuleReference]:
        return [
            {"index": self._index[id(rule)], "text": format_rule(rule, self._catalog)}
            for rule in rules
        ]


def decision_document(resolution: Resolution) -> DecisionDocument:
    """One answer, with all that its text says and all that it rests on."""
    support = resolution.support
    refer = _References(support.catalog)
    return {
        "schema": "gmemflags/decision/2",
        "tool": TOOL,
        "ok": resolution.ok,
        "headline": resolution.headline,
        "profile": resolution.profile,
        "asked": asked(support, resolution.request),
        "listed": listed(support),
        **_granted(resolution),
        "problems": [
            {
                "reason": str(problem.reason),
                "bits": hex(problem.bits),
                "rules": refer(problem.rules),
                "need": None if problem.need is None else _need_document(problem.need),
                "message": problem.message,
            }
            for problem in resolution.problems
        ],
        "outcomes": [
            {
                "bits": hex(outcome.bits),
                "role": str(outcome.role),
                "granted": outcome.granted,
                "reason": str(outcome.reason),
                "chain": refer(outcome.chain),
                "message": outcome.message,
            }
            for outcome in resolution.outcomes
        ],
        "advice": [*resolution.advice],
        "suggestions": [
            {
                "change": suggestion.change,
                "mask": hex(suggestion.mask),
                "caveats": [*suggestion.caveats],
                "request": request_document(suggestion.request),
            }
            for suggestion in resolution.suggestions
        ],
        "request": request_document(resolution.request),
        "support": host_document(support),
        "catalog": catalog_document(support.catalog),
    }


class _Granted(TypedDict):
    flags: ReadOnly[list[str] | None]
    mask: ReadOnly[Mask | None]
    low: ReadOnly[Word | None]
    high: ReadOnly[Word | None]


def _granted(resolution: Resolution) -> _Granted:
    if not resolution.ok:
        return {"flags": None, "mask": None, "low": None, "high": None}
    mask, names = resolution.mask, resolution.support.catalog.flags.bit_names
    words: _Granted = {
        "flags": _flag_list(mask, names),
        "mask": hex(mask),
        "low": mask & WORD,
        "high": mask >> 32,
    }
    return words


def decided_again(document: DecisionDocument) -> Resolution:
    """The decision of a document, made again, whatever the document says of it.

    Raises:
        NegotiationTooHardError: The rules are too hard to solve.
    """
    catalog = within(("catalog",), catalog_from, document["catalog"])
    support = within(("support",), _embedded, document["support"], catalog)
    request = request_from(document["request"])
    return Resolution(support=support, request=request, profile=document["profile"])


def _embedded(document: HostDocument, catalog: Catalog) -> Support:
    # A host inside a document that holds its catalog, too.
    try:
        return support_from(document, catalog)
    except CatalogError as error:
        raise Fault(str(error), "names") from None


def decision_from(document: DecisionDocument) -> Resolution:
    """The decision of a document, made again; another result than it says is a fault.

    Raises:
        NegotiationTooHardError: The rules are too hard to solve.
    """
    resolution = decided_again(document)
    _agree(document, {"ok": resolution.ok, **_granted(resolution)})
    recorded = [problem["reason"] for problem in document["problems"]]
    now = [str(problem.reason) for problem in resolution.problems]
    if recorded != now:
        raise Fault(f"decided again, the reasons are {', '.join(now) or 'none'}", "problems")
    return resolution


def baseline_document(pool: Baseline) -> BaselineDocument:
    """What every host of a pool has."""
    return {
        "schema": "gmemflags/baseline/2",
        "tool": TOOL,
        "headline": pool.headline,
        "notes": [*pool.notes],
        "count": pool.count,
        "first": [*pool.first],
        "lacking": {
            hex(bit): {"count": lacking.count, "first": [*lacking.first]}
            for bit, lacking in pool.lacking.items()
        },
        "support": host_document(pool.support),
    }


_NAMED = 10


def _lacking(count: int, first: list[str], most: int) -> Lacking:
    if not 0 < count <= most:
        raise Fault(f"a count from 1 to {most} is needed, not {count}", "count")
    if len(first) != min(count, _NAMED):
        raise Fault(f"{min(count, _NAMED)} names are needed, not {len(first)}", "first")
    return Lacking(count, first)


def baseline_from(document: BaselineDocument, catalog: Catalog) -> Baseline:
    """The Baseline of a document, under a catalog; counts, names and mask have to agree.

    Raises:
        CatalogError: The catalog calls a listed bit otherwise, or enumerates by another number.
    """
    support = within(("support",), support_from, document["support"], catalog)
    pool = _lacking(document["count"], document["first"], document["count"])
    lacking: dict[int, Lacking] = {}
    for text, hosts in document["lacking"].items():
        bit = int(text, 16)
        if bit & support.mask:
            raise Fault("all hosts list this bit, so none can lack it", "lacking", text)
        counted = hosts["count"], hosts["first"], pool.count
        lacking[bit] = within(("lacking", text), _lacking, *counted)
    for bit in bits(support.catalog.named & ~support.mask):
        # A tree that names more bits than the one under which the pool was made says no less.
        lacking.setdefault(bit, pool)
    ordered = dict(sorted(lacking.items()))
    return Baseline(support=support, count=pool.count, lacking=ordered, first=pool.first)


def _loss_documents(losses: Iterable[Loss], catalog: Catalog) -> list[LossDocument]:
    refer = _References(catalog)
    return [
        {
            "capability": loss.capability,
            "bits": hex(loss.bits),
            "rules": refer(loss.rules),
            "message": loss.message,
        }
        for loss in losses
    ]


def comparison_document(comparison: Comparison) -> ComparisonDocument:
    """Two hosts, with the catalogs that they were read under."""
    a, b = comparison.a.catalog, comparison.b.catalog
    return {
        "schema": "gmemflags/comparison/2",
        "tool": TOOL,
        "safe": comparison.safe,
        "headline": comparison.headline,
        "lost": _loss_documents(comparison.lost, b),
        "gained": _loss_documents(comparison.gained, a),
        "doubts": [*comparison.doubts],
        "a": host_document(comparison.a),
        "b": host_document(comparison.b),
        "catalogs": [catalog_document(tree) for tree in ([a] if a == b else [a, b])],
    }


def comparison_from(document: ComparisonDocument) -> Comparison:
    """The Comparison of a document, made again; another result than it says is a fault."""
    trees = document["catalogs"]
    if not 0 < len(trees) <= 2:
        raise Fault(f"one or two catalogs are needed, not {len(trees)}", "catalogs")
    catalogs = [within(("catalogs", index), catalog_from, tree) for index, tree in enumerate(trees)]
    comparison = Comparison(
        a=within(("a",), _embedded, document["a"], catalogs[0]),
        b=within(("b",), _embedded, document["b"], catalogs[-1]),
    )
    _agree(document, {"safe": comparison.safe})
    for key, losses in (("lost", comparison.lost), ("gained", comparison.gained)):
        recorded = document["lost"] if key == "lost" else document["gained"]
        now = [(loss.capability, hex(loss.bits)) for loss in losses]
        if [(loss["capability"], loss["bits"]) for loss in recorded] != now:
            raise Fault(f"compared again, it is {quote(repr(now))}", key)
    return comparison


def probe_document(report: ProbeReport) -> ProbeDocument:
    """What a VM answered to the masks that were tried."""
    return {
        "schema": "gmemflags/probe/2",
        "tool": TOOL,
        "size": report.size,
        "stopped": report.stopped,
        "observations": {hex(mask): errno for mask, errno in report.observations.items()},
        "complete": report.complete,
        "rules": [_rule_document(rule) for rule in report.rules],
        "unexplained": _masks(sorted(report.unexplained)),
        "contradictions": [*report.contradictions],
        "support": host_document(report.support),
        "catalog": catalog_document(report.support.catalog),
    }


def probe_from(document: ProbeDocument) -> ProbeReport:
    """The ProbeReport of a document; what follows from it is derived anew."""
    catalog = within(("catalog",), catalog_from, document["catalog"])
    report = _made(
        ProbeReport,
        support=within(("support",), _embedded, document["support"], catalog),
        observations={int(mask, 16): errno for mask, errno in document["observations"].items()},
        size=document["size"],
        stopped=document["stopped"],
    )
    _agree(document, {"complete": report.complete})
    return report
