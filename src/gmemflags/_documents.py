"""Documents of version 2: their declarations, and what a value says in one and is made of again.

Each document is declared once, as a ``TypedDict`` whose annotations say how each part is written
as JSON; ``records`` derives from them the reader, the writer and the JSON Schema. 64-bit numbers
are texts, because JSON readers lose numbers above 2**53. A document inside a document is complete.

Functions that are called ``..._parts`` return the parts of a document as Python values; those that
are called ``make_...`` take such parts and return the value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypeVar, cast

from attrs import fields
from typing_extensions import ReadOnly, TypedDict

from gmemflags._catalog import Capability, Catalog, Need, Prerequisites, Profile, Request, Scope
from gmemflags._exceptions import (
    CatalogError,
    GmemFlagsError,
    InconsistentAnswerError,
    KvmUnavailableError,
    Unavailable,
)
from gmemflags._explain import asked, listed
from gmemflags._fleet import Baseline, Comparison, Lacking, Loss
from gmemflags._format import format_rule
from gmemflags._host import Answer, HostFacts, Support, support_of
from gmemflags._learn import Observation, ProbeReport, RuleState
from gmemflags._mainline import SHIPPED
from gmemflags._masks import WORD, FlagWord, bits, flag_class, merge, read_long
from gmemflags._problems import Reason, Role
from gmemflags._resolve import Resolution
from gmemflags._rules import Always, Excludes, Hosts, Never, Refused, Requires, Rule, Stage

VERSION = "0.1.0"
"""The version of this library, which documents name."""
TOOL = f"gmemflags {VERSION}"

T = TypeVar("T")
Parts = Mapping[str, Any]


class Text(NamedTuple):
    """A text that stands for a value: what it looks like, what is needed in words, both ways."""

    regex: str
    needed: str
    read: Callable[[str], Any] = str
    write: Callable[[Any], str] = str


class Member(NamedTuple):
    """A text that stands for a member of an enum."""

    enum: type[Enum]


class Range(NamedTuple):
    """An integer, or the number of items of a list, from ``least`` to ``most``."""

    least: int
    most: int


def _hex(text: str) -> int:
    return int(text, 16)


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


Mask = Annotated[
    str,
    Text(
        "0x(?:0|[1-9a-f][0-9a-f]{0,15})",
        'a mask such as "0x3", of at most 16 lower-case hex digits,',
        _hex,
        hex,
    ),
]
Bit = Annotated[str, Text("0x[1248]0{0,15}", 'one bit, as a mask such as "0x2",', _hex, hex)]
Long = Annotated[
    str, Text("0|-?[1-9][0-9]{0,18}", 'a C long as a decimal text, such as "-5",', int)
]
Time = Annotated[
    str,
    Text(
        "[0-9]{4}-[01][0-9]-[0-3][0-9]T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z",
        'a time in UTC such as "2026-01-31T23:59:59Z"',
        _seconds,
        _iso,
    ),
]
FlagName = Annotated[
    str, Text("[A-Z][A-Z0-9_]*|_[A-Z0-9_]*[A-Z0-9]", "a flag name in ASCII capitals")
]
CapabilityName = Annotated[
    str, Text(r"(?!KVM_CAP_)[^\ud800-\udfff]*", "the name of a capability without KVM_CAP_")
]
Word = Annotated[int, Range(0, WORD)]
Number = Annotated[int, Range(0, (1 << 31) - 1)]
Count = Annotated[int, Range(0, (1 << 53) - 1)]
ScopeText = Annotated[str, Member(Scope)]
StageText = Annotated[str, Member(Stage)]
ReasonText = Annotated[str, Member(Reason)]
RoleText = Annotated[str, Member(Role)]
PrerequisitesText = Annotated[str, Member(Prerequisites)]
RuleStateText = Annotated[str, Member(RuleState)]
UnavailableText = Annotated[str, Member(Unavailable)]


class AnswerDocument(TypedDict, closed=True):
    """The answer to one capability: the C long in decimal, or the errno of a call that failed."""

    number: ReadOnly[Number]
    raw: NotRequired[ReadOnly[Long]]
    errno: NotRequired[ReadOnly[Word]]


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
    answers: ReadOnly[dict[CapabilityName, AnswerDocument]]
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
    reason: ReadOnly[UnavailableText]
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

    capability: ReadOnly[CapabilityName]
    bits: ReadOnly[Mask]
    any_of: ReadOnly[list[Mask]]
    at_least: ReadOnly[Mask | None]
    optional: ReadOnly[bool]
    why: ReadOnly[str]


class RequestDocument(TypedDict, closed=True):
    """What is asked of a mask: a Request."""

    schema: ReadOnly[Literal["gmemflags/request/2"]]
    required: ReadOnly[Mask]
    preferred: ReadOnly[list[Mask]]
    forbidden: ReadOnly[Mask]
    needs: ReadOnly[list[NeedDocument]]
    prerequisites: ReadOnly[PrerequisitesText]
    until: ReadOnly[StageText]
    scope: ReadOnly[ScopeText]
    digest: ReadOnly[str | None]
    flag_names: ReadOnly[dict[str, Mask]]


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
    capabilities: ReadOnly[dict[CapabilityName, Number | None]]
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
    first: ReadOnly[Annotated[list[str], Range(1, 10)]]


class BaselineDocument(TypedDict, closed=True):
    """What every host of a pool has: a Baseline."""

    schema: ReadOnly[Literal["gmemflags/baseline/2"]]
    tool: ReadOnly[str]
    headline: ReadOnly[str]
    notes: ReadOnly[list[str]]
    count: ReadOnly[Count]
    first: ReadOnly[Annotated[list[str], Range(1, 10)]]
    lacking: ReadOnly[dict[Bit, LackingDocument]]
    support: ReadOnly[HostDocument]


class LossDocument(TypedDict, closed=True):
    """Something that one host has and the other has not."""

    capability: ReadOnly[str]
    bits: ReadOnly[Mask]
    rules: ReadOnly[list[RuleReference]]
    message: ReadOnly[str]


class ComparisonDocument(TypedDict, closed=True):
    """Two hosts: a Comparison; the catalogs are that of ``a``, and that of ``b`` if it differs."""

    schema: ReadOnly[Literal["gmemflags/comparison/2"]]
    tool: ReadOnly[str]
    safe: ReadOnly[bool]
    headline: ReadOnly[str]
    lost: ReadOnly[list[LossDocument]]
    gained: ReadOnly[list[LossDocument]]
    doubts: ReadOnly[list[str]]
    a: ReadOnly[HostDocument]
    b: ReadOnly[HostDocument]
    catalogs: ReadOnly[Annotated[list[CatalogDocument], Range(1, 2)]]


class ObservationDocument(TypedDict, closed=True):
    """What became of one mask at each stage: 0 if it worked, an errno, or null if not tried."""

    create: ReadOnly[Word]
    bind: ReadOnly[Word | None]
    access: ReadOnly[Word | None]


class CheckedRuleDocument(TypedDict, closed=True):
    """A rule of the catalog, and what the kernel says of it."""

    rule: ReadOnly[RuleReference]
    state: ReadOnly[RuleStateText]
    message: ReadOnly[str]


class ProbeDocument(TypedDict, closed=True):
    """What a kernel did with the masks that were tried, and what follows: a ProbeReport."""

    schema: ReadOnly[Literal["gmemflags/probe/2"]]
    tool: ReadOnly[str]
    headline: ReadOnly[str]
    complete: ReadOnly[bool]
    size: ReadOnly[Count]
    until: ReadOnly[StageText]
    stopped: ReadOnly[Word | None]
    stopped_at: ReadOnly[StageText | None]
    changed: ReadOnly[bool]
    observations: ReadOnly[dict[Mask, ObservationDocument]]
    rules: ReadOnly[list[RuleDocument]]
    unexplained: ReadOnly[list[Mask]]
    checked_rules: ReadOnly[list[CheckedRuleDocument]]
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


def made(kind: Callable[..., T], *arguments: Any, **parts: Any) -> T:
    """A value of parts; what its class does not take is a fault of the document."""
    try:
        return kind(*arguments, **parts)
    except (GmemFlagsError, TypeError, ValueError) as error:
        raise Fault(str(error)) from None


def _agree(parts: Parts, derived: Parts) -> None:
    # What a document says twice has to agree.
    for key, value in derived.items():
        if parts[key] != value:
            said, found = (_short(key, part) for part in (parts[key], value))
            raise Fault(f"the rest of the document says {found}, not {said}", key)


def _short(key: str, part: object) -> str:
    text = hex(part) if key == "mask" and isinstance(part, int) else repr(part)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _words(mask: int, names: Mapping[int, str]) -> dict[str, object]:
    # A mask in all the ways in which documents say it.
    flags = [names.get(bit) or hex(bit) for bit in bits(mask)]
    return {"flags": flags, "mask": mask, "low": mask & WORD, "high": mask >> 32}


def host_parts(support: Support) -> Parts:
    """What a host said."""
    host, catalog, names = support.host, support.catalog, support.all_names
    return {
        "name": host.name,
        "time": host.time,
        "tool": TOOL,
        "origin": support.origin,
        "scope": support.scope,
        "kernel": host.kernel,
        "machine": host.machine,
        "vm_type": host.vm_type,
        "answers": {answer.capability: answer for answer in support.all_answers},
        **_words(support.mask, names),
        "names": names,
        "catalog": catalog,
        "extra": dict(host.extra) or None,
    }


def make_support(parts: Parts, catalog: Catalog) -> Support:
    """A Support under a catalog.

    Raises:
        CatalogError: The catalog calls a listed bit otherwise, or enumerates by another number.
    """
    extra = parts.get("extra", {})
    facts = parts["kernel"], parts["machine"], parts["vm_type"]
    host = made(HostFacts, *facts, name=parts["name"], time=parts["time"], extra=extra)
    said = [Answer(name, *answer) for name, answer in parts["answers"].items()]
    try:
        support = support_of(
            said, parts["names"], catalog, scope=parts["scope"], host=host, origin=parts["origin"]
        )
    except InconsistentAnswerError as error:
        problem = f"{error.raw} cannot be read: {error.problem}"
        raise Fault(problem, "answers", error.capability) from None
    except CatalogError:
        raise
    except (GmemFlagsError, ValueError) as error:
        raise Fault(str(error)) from None
    for answer in support.unused:
        if answer.raw is not None:
            within(("answers", answer.capability), made, read_long, answer.raw)
    mask = support.mask if parts["mask"] == support.mask else _said_mask(said, parts["mask"])
    _agree(parts, _words(mask, parts["names"]))
    return support


def _said_mask(said: Iterable[Answer], mask: int) -> int:
    # What the answers say to a tree that numbers both halves of the flags, or one of them.
    raw = {answer.capability: answer.raw for answer in said}
    flags, flags_hi = (
        raw.get(Capability.GUEST_MEMFD_FLAGS),
        raw.get(Capability.GUEST_MEMFD_FLAGS_HI),
    )
    choices = ((flags, flags_hi), (flags, None), (None, flags_hi), (None, None))
    masks = [made(merge, *choice).mask for choice in choices]
    return mask if mask in masks else masks[0]


def _answer(
    number: int, raw: int | None = None, errno: int | None = None
) -> tuple[int, int | None, int | None]:
    if (raw is None) is (errno is None):
        raise ValueError("either raw or errno is needed")
    return number, raw, errno


def unavailable_parts(error: KvmUnavailableError) -> Parts:
    """A host that could not be asked."""
    keys = ("name", "time", "what", "reason", "remedy")
    system = {"errno": error.errno or 0, "strerror": error.strerror or ""}
    parts = {key: getattr(error, key) for key in keys}
    return {**parts, **system, "tool": TOOL, "message": str(error)}


def make_unavailable(parts: Parts) -> KvmUnavailableError:
    """The error."""
    arguments = (parts[key] for key in ("errno", "strerror", "what", "reason"))
    return KvmUnavailableError(*arguments, name=parts["name"], time=parts["time"])


def flags_parts(flags: FlagWord) -> Parts:
    """Flags of one class."""
    names = type(flags).bit_names
    named = {bit: names[bit] for bit in bits(flags) if bit in names}
    return {**_words(int(flags), named), "names": named}


def make_flags(parts: Parts, catalog: Catalog) -> FlagWord:
    """The flags, in the flag class of a catalog.

    Raises:
        CatalogError: The catalog calls one of them otherwise.
    """
    _agree(parts, _words(parts["mask"], parts["names"]))
    for bit, name in parts["names"].items():
        here = catalog.name_of(bit) or name
        if here != name:
            raise CatalogError(catalog.name, f"{bit:#x} is {here} here, and {name} in the document")
    return catalog.flags(parts["mask"])


def _request_parts(request: Request) -> Parts:
    names: dict[str, int] = {}
    for bit, name in sorted(request.flag_names):
        names[name] = names.get(name, 0) | bit
    return {**_fields(request), "flag_names": names}


def _make_request(flag_names: Mapping[str, int], **parts: Any) -> Request:
    names = [(bit, name) for name, mask in flag_names.items() for bit in bits(mask)]
    return Request(**parts, flag_names=names)


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(cast("Any", type(value)))}


def _catalog_parts(catalog: Catalog) -> Parts:
    flags = {name: bit for bit, name in catalog.flags.bit_names.items()}
    return {**_fields(catalog), "flags": flags}


def make_catalog(parts: Parts, known: Iterable[Catalog] = ()) -> Catalog:
    """A Catalog: the same object if it is one that ships or is ``known``."""
    profiles = [Profile(name, **profile) for name, profile in parts["profiles"].items()]
    flags = within(("flags",), made, flag_class, "RecordedFlag", parts["flags"])
    catalog = made(Catalog, parts["name"], flags, parts["capabilities"], parts["rules"], profiles)
    return next((one for one in (*known, *SHIPPED) if one == catalog), catalog)


class _References:
    # The rules of a catalog by index and text.

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._index = {id(rule): number for number, rule in enumerate(catalog.rules)}

    def one(self, rule: Rule) -> Parts:
        return {"index": self._index[id(rule)], "text": format_rule(rule, self._catalog)}

    def each(self, values: Iterable[Any], key: str) -> list[Parts]:
        # The parts of problems, outcomes or losses.
        return [
            {**_fields(value), key: [self.one(rule) for rule in getattr(value, key)]}
            for value in values
        ]


def decision_parts(resolution: Resolution) -> Parts:
    """One answer, with all that its text says and all that it rests on."""
    support, request = resolution.support, resolution.request
    catalog = support.catalog
    refer = _References(catalog)
    return {
        "tool": TOOL,
        "ok": resolution.ok,
        "headline": resolution.headline,
        "profile": resolution.profile,
        "asked": asked(support, request),
        "listed": listed(support),
        **_granted(resolution),
        "problems": refer.each(resolution.problems, "rules"),
        "outcomes": refer.each(resolution.outcomes, "chain"),
        "advice": resolution.advice,
        "suggestions": resolution.suggestions,
        "request": request,
        "support": support,
        "catalog": catalog,
    }


def _granted(resolution: Resolution) -> Parts:
    if not resolution.ok:
        return dict.fromkeys(("flags", "mask", "low", "high"))
    return _words(resolution.mask, resolution.support.catalog.flags.bit_names)


def decide_again(parts: Parts) -> Resolution:
    """The decision, made again, whatever the document says of it.

    Raises:
        NegotiationTooHardError: The rules are too hard to solve.
    """
    catalog = within(("catalog",), make_catalog, parts["catalog"])
    support = within(("support",), _make_embedded, parts["support"], catalog)
    return Resolution(support=support, request=parts["request"], profile=parts["profile"])


def _make_embedded(parts: Parts, catalog: Catalog) -> Support:
    # A host inside a document that holds its catalog, too.
    try:
        return make_support(parts, catalog)
    except CatalogError as error:
        raise Fault(str(error), "names") from None


def make_decision(parts: Parts) -> Resolution:
    """The decision, made again; another result than the document says is a fault.

    Raises:
        NegotiationTooHardError: The rules are too hard to solve.
    """
    resolution = decide_again(parts)
    _agree(parts, {"ok": resolution.ok, **_granted(resolution)})
    now = [problem.reason for problem in resolution.problems]
    if [problem["reason"] for problem in parts["problems"]] != now:
        raise Fault(f"decided again, the reasons are {', '.join(now) or 'none'}", "problems")
    return resolution


def baseline_parts(pool: Baseline) -> Parts:
    """What every host of a pool has."""
    return {**_fields(pool), "tool": TOOL, "headline": pool.headline, "notes": pool.notes}


def make_baseline(parts: Parts, catalog: Catalog) -> Baseline:
    """A Baseline under a catalog; counts, names and mask have to agree.

    Raises:
        CatalogError: The catalog calls a listed bit otherwise, or enumerates by another number.
    """
    support = within(("support",), make_support, parts["support"], catalog)
    count, first = parts["count"], parts["first"]
    everyone = _lacking(count, first, count)
    # Bits that this catalog names and that of the pool did not: no host lists them.
    lacking = dict.fromkeys(bits(catalog.named & ~support.mask), everyone)
    for bit, hosts in parts["lacking"].items():
        if bit & support.mask:
            raise Fault("all hosts list this bit, so none can lack it", "lacking", hex(bit))
        counted = hosts["count"], hosts["first"], count
        lacking[bit] = within(("lacking", hex(bit)), _lacking, *counted)
    return Baseline(
        support=support, count=count, lacking=dict(sorted(lacking.items())), first=first
    )


def _lacking(count: int, first: list[str], most: int) -> Lacking:
    if not 0 < count <= most:
        raise Fault(f"a count from 1 to {most} is needed, not {count}", "count")
    if len(first) != min(count, 10):
        raise Fault(f"{min(count, 10)} names are needed, not {len(first)}", "first")
    return Lacking(count, first)


def comparison_parts(comparison: Comparison) -> Parts:
    """Two hosts, with the catalogs that they were read under."""
    a, b = comparison.a.catalog, comparison.b.catalog
    return {
        **{key: getattr(comparison, key) for key in ("a", "b", "safe", "headline", "doubts")},
        "tool": TOOL,
        "lost": _References(b).each(comparison.lost, "rules"),
        "gained": _References(a).each(comparison.gained, "rules"),
        "catalogs": [a] if a == b else [a, b],
    }


def make_comparison(parts: Parts) -> Comparison:
    """The comparison, made again; another result than the document says is a fault."""
    catalogs = [
        within(("catalogs", index), make_catalog, tree)
        for index, tree in enumerate(parts["catalogs"])
    ]
    a = within(("a",), _make_embedded, parts["a"], catalogs[0])
    b = within(("b",), _make_embedded, parts["b"], catalogs[-1])
    comparison = Comparison(a=a, b=b)
    _agree(parts, {"safe": comparison.safe})
    for key in ("lost", "gained"):
        losses: tuple[Loss, ...] = getattr(comparison, key)
        now = {(loss.capability, loss.bits) for loss in losses}
        if {(loss["capability"], loss["bits"]) for loss in parts[key]} != now:
            raise Fault(f"compared again, there are {len(now)}, or others", key)
    return comparison


def probe_parts(report: ProbeReport) -> Parts:
    """What a kernel did with the masks that were tried, and what follows."""
    catalog = report.support.catalog
    derived = ("headline", "complete", "rules", "contradictions")
    refer = _References(catalog)
    checked = [{**_fields(one), "rule": refer.one(one.rule)} for one in report.checked_rules]
    return {
        **_fields(report),
        **{key: getattr(report, key) for key in derived},
        "tool": TOOL,
        "unexplained": sorted(report.unexplained),
        "checked_rules": checked,
        "catalog": catalog,
    }


_OBSERVED = ("observations", "size", "until", "stopped", "stopped_at", "changed")


def make_probe(parts: Parts) -> ProbeReport:
    """The ProbeReport; what follows from the observations is derived anew."""
    catalog = within(("catalog",), make_catalog, parts["catalog"])
    support = within(("support",), _make_embedded, parts["support"], catalog)
    report = made(ProbeReport, support=support, **{key: parts[key] for key in _OBSERVED})
    _agree(parts, {"complete": report.complete})
    return report


PARTS: dict[Any, Callable[[Any], Any]] = {
    HostDocument: host_parts,
    RequestDocument: _request_parts,
    CatalogDocument: _catalog_parts,
}
"""What makes the parts of a document of a value inside another one; others have attributes."""

MAKE: dict[Any, Callable[..., Any]] = {
    AnswerDocument: _answer,
    NeedDocument: Need,
    ObservationDocument: Observation,
    RequestDocument: _make_request,
    HostsDocument: Hosts,
    RequiresDocument: Requires,
    ExcludesDocument: Excludes,
    AlwaysDocument: Always,
    NeverDocument: Never,
    RefusedDocument: Refused,
}
"""What makes a value of the parts of an object, where that needs nothing but them."""

FREQUENT = (AnswerDocument, CatalogReference)
"""Small objects that come again and again in a pool: what they mean is remembered."""


def _alone(make: Callable[[Any], T]) -> Callable[[Any, Catalog], T]:
    # Documents that hold their catalog, or need none.
    def make_alone(parts: Any, catalog: Catalog) -> T:
        del catalog
        return make(parts)

    return make_alone


def _same(request: Request) -> Request:
    return request


def _make_catalog(parts: Parts, catalog: Catalog) -> Catalog:
    return make_catalog(parts, [catalog])


class Kind(NamedTuple):
    """One kind of document: its declaration, the class of its values, and both ways."""

    document: Any
    value: type
    parts: Callable[[Any], Parts]
    make: Callable[[Any, Catalog], Any]


KINDS = (
    Kind(HostDocument, Support, host_parts, make_support),
    Kind(
        UnavailableDocument,
        KvmUnavailableError,
        unavailable_parts,
        _alone(make_unavailable),
    ),
    Kind(FlagsDocument, FlagWord, flags_parts, make_flags),
    Kind(RequestDocument, Request, _request_parts, _alone(_same)),
    Kind(
        CatalogDocument,
        Catalog,
        _catalog_parts,
        _make_catalog,
    ),
    Kind(DecisionDocument, Resolution, decision_parts, _alone(make_decision)),
    Kind(BaselineDocument, Baseline, baseline_parts, make_baseline),
    Kind(ComparisonDocument, Comparison, comparison_parts, _alone(make_comparison)),
    Kind(ProbeDocument, ProbeReport, probe_parts, _alone(make_probe)),
)
