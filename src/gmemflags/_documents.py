"""Documents of version 2: their declarations, and what a value says in one and is made of again.

Each document is declared once, as a ``TypedDict`` whose annotations hold the form of each part;
``records`` derives from them the reader, the writer and the JSON Schema. 64-bit numbers are texts,
because JSON readers lose numbers above 2**53. A document inside a document is complete.

A part is written as the attribute of its name, unless ``PARTS`` says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from operator import gt
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypeVar, cast

from attrs import evolve, fields, frozen
from typing_extensions import ReadOnly, TypedDict

from gmemflags._catalog import Capability, Catalog, Need, Prerequisites, Profile, Request, Scope
from gmemflags._exceptions import CatalogError, GmemFlagsError, KvmUnavailableError, Unavailable
from gmemflags._explain import asked, listed
from gmemflags._fleet import Baseline, Comparison, Lacking
from gmemflags._format import format_rule
from gmemflags._host import Answer, HostFacts, Support, support_of
from gmemflags._learn import Observation, ProbeReport, RuleState
from gmemflags._mainline import SHIPPED
from gmemflags._masks import WORD, FlagWord, bits, flag_class, merge, read_long
from gmemflags._problems import Reason, Role
from gmemflags._resolve import Resolution
from gmemflags._rules import Always, Excludes, Hosts, Never, Refused, Requires, Rule, Stage
from gmemflags._values import frozen_mapping

VERSION = "0.2.0"
"""The version of this library, which documents name."""
TOOL = f"gmemflags {VERSION}"

T = TypeVar("T")
Parts = Mapping[str, Any]


class Fault(Exception):  # noqa: N818  # never seen outside: it becomes a RecordError
    """Something is wrong in a document; ``path`` grows from the fault outwards."""

    def __init__(self, problem: str, *path: str | int) -> None:
        self.problem = problem
        self.path = [*reversed(path)]


@contextmanager
def within(*path: str | int) -> Generator[None, None, None]:
    """What is done here concerns the part at ``path``."""
    try:
        yield
    except Fault as fault:
        fault.path += reversed(path)
        raise


def made(make: Callable[..., T], /, *arguments: Any, **parts: Any) -> T:
    """A value of parts; what its class does not take is a fault of the document."""
    try:
        return make(*arguments, **parts)
    except (GmemFlagsError, TypeError, ValueError) as error:
        raise Fault(str(error)) from None


class Flaw(NamedTuple):
    """A part of a document that JSON readers disagree on, or that no document has."""

    problem: str


def quoted(text: str | int) -> str:
    """Text of a document in an error message; the index of a list as it is."""
    return ascii(text if isinstance(text, int) or len(text) <= 60 else f"{text[:57]}...")


SURROGATE = re.compile(r"[\ud800-\udfff]")
_KINDS = {"dict": "an object", "list": "a list", "NoneType": "null"}


def wrong(value: object, needed: str) -> Fault:
    """The fault of a part that is not what is needed."""
    if isinstance(value, Flaw):
        return Fault(value.problem)
    if isinstance(value, str):
        if half := SURROGATE.search(value):
            return Fault(f"character {half.start()} of the text is half a surrogate pair")
        shown = quoted(value)
    elif isinstance(value, (int, float)):
        shown = str(value).lower()
    else:
        shown = _KINDS.get(type(value).__name__, type(value).__name__)
    return Fault(f"{needed} is needed, not {shown}")


@frozen(eq=False)
class Form:
    """How a part is declared, read and written; both ways raise Fault."""

    schema: dict[str, Any]
    read: Callable[[Any], Any]
    write: Callable[[Any], Any]


def plain(schema: dict[str, Any], needed: str, fits: Callable[[Any], object]) -> Form:
    """A part that is in JSON what it is in Python."""

    def check(value: Any) -> Any:
        if fits(value):
            return value
        raise wrong(value, needed)

    return Form(schema, check, check)


def text(pattern: str, needed: str) -> Form:
    """A text that a pattern describes as a whole."""
    fits = re.compile(pattern).fullmatch
    # Python's $ matches before a last newline, too.
    schema = {"type": "string", "pattern": rf"^(?:{pattern})(?![\s\S])"}
    return plain(schema, needed, lambda value: type(value) is str and fits(value))


def coded(form: Form, decode: Callable[[str], Any], encode: Callable[[Any], str]) -> Form:
    """A short text that stands for a value."""
    return Form(
        form.schema,
        lambda value: decode(form.read(value)),
        lambda value: form.write(encode(value)),
    )


def choice(*texts: str) -> Form:
    """One of some texts; the first of them is written for None."""
    needed = f"one of {', '.join(texts)}"
    form = plain({"enum": [*texts]}, needed, lambda value: type(value) is str and value in texts)
    return Form(form.schema, form.read, lambda value: form.write(value or texts[0]))


def member(enum: type[Enum]) -> Form:
    """One of the members of an enum, by its text."""
    members = {str(one): one for one in enum}
    return coded(choice(*members), members.__getitem__, str)


def integer(most: int) -> Form:
    """A number from 0 to ``most``."""
    return plain(
        {"type": "integer", "minimum": 0, "maximum": most},
        f"an integer in [0, {most}]",
        lambda value: type(value) is int and 0 <= value <= most,
    )


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _seconds(text: str) -> int:
    return int(made(datetime.fromisoformat, text).timestamp())


def _iso(seconds: int) -> str:
    # Not fromtimestamp: where a time_t has 32 bits, that ends in 2038.
    return (_EPOCH + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


_hex = partial(int, base=16)
_MASK = 'a mask such as "0x3", of at most 16 lower-case hex digits,'
_LONG = 'a C long as a decimal text, such as "-5",'
_TIME = "[0-9]{4}-[01][0-9]-[0-3][0-9]T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z"
_mask = coded(text("0x(?:0|[1-9a-f][0-9a-f]{0,15})", _MASK), _hex, hex)
Mask = Annotated[str, _mask]
Bit = Annotated[str, coded(text("0x[1248]0{0,15}", 'one bit, as a mask such as "0x2",'), _hex, hex)]
_long = coded(text("0|-?[1-9][0-9]{0,18}", _LONG), int, str)
Long = Annotated[str, _long]
_time = coded(text(_TIME, 'a time in UTC such as "2026-01-31T23:59:59Z"'), _seconds, _iso)
Time = Annotated[str, _time]
FlagName = Annotated[
    str, text("[A-Z][A-Z0-9_]*|_[A-Z0-9_]*[A-Z0-9]", "a flag name in ASCII capitals")
]
CapabilityName = Annotated[
    str, text(r"(?!KVM_CAP_)[^\ud800-\udfff]*", "the name of a capability without KVM_CAP_")
]
Word = Annotated[int, integer(WORD)]
Number = Annotated[int, integer((1 << 31) - 1)]
Count = Annotated[int, integer((1 << 53) - 1)]
Scopes = Annotated[str, member(Scope)]
Stages = Annotated[str, member(Stage)]
Reasons = Annotated[str, member(Reason)]


class _Answer(TypedDict, closed=True):
    number: ReadOnly[Number]
    raw: NotRequired[ReadOnly[Long]]
    errno: NotRequired[ReadOnly[Word]]


class HostDocument(TypedDict, closed=True):
    """What one host said: a Support."""

    schema: ReadOnly[Literal["gmemflags/host/2"]]
    name: ReadOnly[str | None]
    time: ReadOnly[Time | None]
    tool: ReadOnly[str]
    origin: ReadOnly[str]
    scope: ReadOnly[Scopes]
    kernel: ReadOnly[str | None]
    machine: ReadOnly[str | None]
    vm_type: ReadOnly[Count | None]
    answers: ReadOnly[dict[CapabilityName, _Answer]]
    flags: ReadOnly[list[str]]
    mask: ReadOnly[Mask]
    names: ReadOnly[dict[Bit, FlagName]]
    extra: NotRequired[ReadOnly[dict[str, object]]]


class UnavailableDocument(TypedDict, closed=True):
    """A host that could not be asked: a KvmUnavailableError."""

    schema: ReadOnly[Literal["gmemflags/unavailable/2"]]
    name: ReadOnly[str | None]
    time: ReadOnly[Time | None]
    tool: ReadOnly[str]
    what: ReadOnly[str]
    reason: ReadOnly[Annotated[str, member(Unavailable)]]
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
    names: ReadOnly[dict[Bit, FlagName]]


class _Need(TypedDict, closed=True):
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
    needs: ReadOnly[list[_Need]]
    prerequisites: ReadOnly[Annotated[str, member(Prerequisites)]]
    until: ReadOnly[Stages]
    scope: ReadOnly[Scopes]
    digest: ReadOnly[str | None]
    flag_names: ReadOnly[dict[str, Mask]]


class _Hosts(TypedDict, closed=True):
    machines: ReadOnly[list[str]]
    vm_types: ReadOnly[list[Count]]
    except_vm_types: NotRequired[ReadOnly[list[Count]]]


class _Rule(TypedDict, closed=True):
    kind: ReadOnly[Literal["requires", "excludes", "always", "never", "refused"]]
    flag: NotRequired[ReadOnly[Mask]]
    a: NotRequired[ReadOnly[Mask]]
    b: NotRequired[ReadOnly[Mask]]
    mask: NotRequired[ReadOnly[Mask]]
    all_of: NotRequired[ReadOnly[Mask]]
    any_of: NotRequired[ReadOnly[list[Mask]]]
    why: ReadOnly[str]
    source: ReadOnly[str]
    stage: ReadOnly[Stages]
    hosts: ReadOnly[_Hosts]


class _Profile(TypedDict, closed=True):
    request: ReadOnly[RequestDocument]
    why: ReadOnly[str]


class CatalogDocument(TypedDict, closed=True):
    """What one kernel tree defines: a Catalog."""

    schema: ReadOnly[Literal["gmemflags/catalog/2"]]
    name: ReadOnly[str]
    flags: ReadOnly[dict[FlagName, Bit]]
    capabilities: ReadOnly[dict[CapabilityName, Number | None]]
    rules: ReadOnly[list[_Rule]]
    profiles: ReadOnly[dict[str, _Profile]]


class _RuleReference(TypedDict, closed=True):
    index: ReadOnly[Count]
    text: ReadOnly[str]


class _Problem(TypedDict, closed=True):
    reason: ReadOnly[Reasons]
    bits: ReadOnly[Mask]
    rules: ReadOnly[list[_RuleReference]]
    need: ReadOnly[_Need | None]
    message: ReadOnly[str]


class _Outcome(TypedDict, closed=True):
    bits: ReadOnly[Mask]
    role: ReadOnly[Annotated[str, member(Role)]]
    granted: ReadOnly[bool]
    reason: ReadOnly[Reasons]
    chain: ReadOnly[list[_RuleReference]]
    message: ReadOnly[str]


class _Suggestion(TypedDict, closed=True):
    change: ReadOnly[str]
    mask: ReadOnly[Mask]
    caveats: ReadOnly[list[str]]
    request: ReadOnly[RequestDocument]


class DecisionDocument(TypedDict, closed=True):
    """One answer to one request: a Resolution."""

    schema: ReadOnly[Literal["gmemflags/decision/2"]]
    ok: ReadOnly[bool]
    headline: ReadOnly[str]
    profile: ReadOnly[str]
    asked: ReadOnly[str]
    listed: ReadOnly[str]
    flags: ReadOnly[list[str] | None]
    mask: ReadOnly[Mask | None]
    problems: ReadOnly[list[_Problem]]
    outcomes: ReadOnly[list[_Outcome]]
    advice: ReadOnly[list[str]]
    suggestions: ReadOnly[list[_Suggestion]]
    request: ReadOnly[RequestDocument]
    support: ReadOnly[HostDocument]
    catalog: ReadOnly[CatalogDocument]


class _Lacking(TypedDict, closed=True):
    count: ReadOnly[Count]
    first: ReadOnly[list[str]]


class BaselineDocument(TypedDict, closed=True):
    """What every host of a pool has: a Baseline."""

    schema: ReadOnly[Literal["gmemflags/baseline/2"]]
    headline: ReadOnly[str]
    notes: ReadOnly[list[str]]
    count: ReadOnly[Count]
    first: ReadOnly[list[str]]
    unanswered: ReadOnly[list[Count]]
    lacking: ReadOnly[dict[Bit, _Lacking]]
    support: ReadOnly[HostDocument]


class _Loss(TypedDict, closed=True):
    capability: ReadOnly[str]
    bits: ReadOnly[Mask]
    rules: ReadOnly[list[_RuleReference]]
    message: ReadOnly[str]


class ComparisonDocument(TypedDict, closed=True):
    """Two hosts: a Comparison; the catalogs are that of ``a``, and that of ``b`` if it differs."""

    schema: ReadOnly[Literal["gmemflags/comparison/2"]]
    safe: ReadOnly[bool]
    headline: ReadOnly[str]
    lost: ReadOnly[list[_Loss]]
    gained: ReadOnly[list[_Loss]]
    doubts: ReadOnly[list[str]]
    a: ReadOnly[HostDocument]
    b: ReadOnly[HostDocument]
    catalogs: ReadOnly[list[CatalogDocument]]


class _Observation(TypedDict, closed=True):
    create: ReadOnly[Word]
    bind: ReadOnly[Word | None]
    access: ReadOnly[Word | None]


class _CheckedRule(TypedDict, closed=True):
    rule: ReadOnly[_RuleReference]
    state: ReadOnly[Annotated[str, member(RuleState)]]
    message: ReadOnly[str]


class ProbeDocument(TypedDict, closed=True):
    """What a kernel did with the masks that were tried, and what follows: a ProbeReport."""

    schema: ReadOnly[Literal["gmemflags/probe/2"]]
    headline: ReadOnly[str]
    complete: ReadOnly[bool]
    size: ReadOnly[Count]
    until: ReadOnly[Stages]
    stopped: ReadOnly[Word | None]
    stopped_at: ReadOnly[Stages | None]
    changed: ReadOnly[bool]
    observations: ReadOnly[dict[Mask, _Observation]]
    rules: ReadOnly[list[_Rule]]
    unexplained: ReadOnly[list[Mask]]
    checked_rules: ReadOnly[list[_CheckedRule]]
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


def _agree(parts: Parts, derived: Parts) -> None:
    # What a document says twice has to agree.
    for key, value in derived.items():
        if parts[key] != value:
            shown = hex if key == "mask" and None not in (value, parts[key]) else repr
            said, found = (f"{shown(part):.100}" for part in (parts[key], value))
            raise Fault(f"the rest of the document says {found}, not {said}", key)


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(cast("Any", type(value)))}


def _flags(mask: int, names: Mapping[int, str]) -> dict[str, Any]:
    return {"flags": [names.get(bit) or hex(bit) for bit in bits(mask)], "mask": mask}


def _host_parts(support: Support) -> Parts:
    return {
        **_fields(support.host),
        "extra": dict(support.host.extra) or None,
        "tool": TOOL,
        "answers": {answer.capability: answer for answer in support.all_answers},
        **_flags(support.mask, support.all_names),
        "names": support.all_names,
    }


def _answer(
    number: int, raw: int | None = None, errno: int | None = None
) -> tuple[int, int | None, int | None]:
    if (raw is None) is (errno is None):
        raise ValueError("either raw or errno is needed")
    if raw is not None:
        read_long(raw)
    return number, raw, errno


def renamed(host: Support, name: str | None, time: str | None, **changes: Any) -> Support:
    """A host with another name and time, as a document says them, and with other changes."""
    facts = host.host
    uname, seconds = (facts.kernel, facts.machine, facts.vm_type), time and _time.read(time)
    extra = changes.pop("extra", facts.extra)
    facts = made(HostFacts, *uname, name=name, time=seconds, extra=extra)
    return made(lambda: evolve(host, host=facts, **changes))


def varied(  # noqa: PLR0917  # the parts in the order in which a document has them
    host: Support,
    names: Mapping[int, str],
    name: str | None,
    time: str | None,
    extra: Parts,
    raw: str,
    flags: str | None,
    mask: str,
) -> Support:
    """A host with another answer to FLAGS as well, with which ``flags`` and ``mask`` agree.

    ``names`` are those of its document, and ``flags`` is the inside of a JSON list of texts, or
    None for an empty one.
    """
    answers = frozen_mapping({**host.answers, FLAGS: _long.read(raw)})
    found = renamed(host, name, time, extra=extra, answers=answers)
    listed = [names.get(bit) or hex(bit) for bit in bits(found.mask)]
    expected = ('","'.join(listed), '", "'.join(listed)) if listed else (None,)
    if flags not in expected or mask != hex(found.mask):
        raise Fault("flags and mask do not agree with the answer")
    return found


def make_host(parts: Parts, catalog: Catalog) -> Support:
    """The host of a document under a catalog.

    Raises:
        CatalogError: The catalog cannot read it.
    """
    kernel, machine, vm_type = parts["kernel"], parts["machine"], parts["vm_type"]
    name, time, extra = parts["name"], parts["time"], parts.get("extra", {})
    host = made(HostFacts, kernel, machine, vm_type, name=name, time=time, extra=extra)
    said = [Answer(name, *answer) for name, answer in parts["answers"].items()]
    names, scope, origin = parts["names"], parts["scope"], parts["origin"]
    try:
        support = support_of(said, names, catalog, scope=scope, host=host, origin=origin)
    except CatalogError:
        raise
    except (GmemFlagsError, ValueError) as error:
        raise Fault(str(error)) from None
    mask = parts["mask"]
    if mask != support.mask:  # pragma: no mutate  # else it is among the masks that were said
        mask = _said_mask(said, mask)
    _agree(parts, _flags(mask, names))
    return support


FLAGS = Capability.GUEST_MEMFD_FLAGS.value


def _said_mask(said: Iterable[Answer], mask: int) -> int:
    # What the answers say to a tree that numbers both halves of the flags, or one of them.
    raw = {answer.capability: answer.raw for answer in said}
    low, high = (
        (raw.get(name), None)
        for name in (Capability.GUEST_MEMFD_FLAGS, Capability.GUEST_MEMFD_FLAGS_HI)
    )
    masks = [made(merge, flags, flags_hi).mask for flags in low for flags_hi in high]
    return mask if mask in masks else masks[0]


def _make_unavailable(parts: Parts, _: Catalog) -> KvmUnavailableError:
    keys = ("errno", "strerror", "what", "reason", "remedy", "name", "time")
    return KvmUnavailableError(**{key: parts[key] for key in keys})


def _flags_parts(flags: FlagWord) -> Parts:
    names = type(flags).bit_names
    named = {bit: names[bit] for bit in bits(flags) if bit in names}
    return {**_flags(int(flags), named), "names": named}


def _make_flags(parts: Parts, catalog: Catalog) -> FlagWord:
    _agree(parts, _flags(parts["mask"], parts["names"]))
    for bit, name in parts["names"].items():
        if (here := catalog.name_of(bit) or name) != name:
            raise CatalogError(catalog.name, f"{bit:#x} is {here} here, and {name} in the document")
    return catalog.flags(parts["mask"])


def _request_parts(request: Request) -> Parts:
    names: dict[str, int] = {}
    for bit, name in sorted(request.flag_names):
        names[name] = names.get(name, 0) | bit
    return {"flag_names": names}


def _request(flag_names: Mapping[str, int], **parts: Any) -> Request:
    names = [(bit, name) for name, mask in flag_names.items() for bit in bits(mask)]
    return Request(**parts, flag_names=names)


_RULES = {kind.__name__.lower(): kind for kind in (Requires, Excludes, Always, Never, Refused)}


def _rule(kind: str, **parts: Any) -> Rule:
    needed = [field.name for field in fields(_RULES[kind])]
    if parts.keys() != set(needed):
        raise ValueError(f"a rule of the kind {kind} has {', '.join(needed)}")
    return _RULES[kind](**parts)


def _make_catalog(parts: Parts, *known: Catalog) -> Catalog:
    # The same object if it is one that ships or is known.
    profiles = [Profile(name, **profile) for name, profile in parts["profiles"].items()]
    with within("flags"):
        flags = made(flag_class, "RecordedFlag", parts["flags"])
    catalog = made(Catalog, parts["name"], flags, parts["capabilities"], parts["rules"], profiles)
    return next((one for one in (*known, *SHIPPED) if one == catalog), catalog)


def _embedded(parts: Parts, key: str, tree: Parts, *path: str | int) -> Support:
    # A host inside a document that holds its catalog, too.
    with within(*path):
        catalog = _make_catalog(tree)
    with within(key):
        try:
            return make_host(parts[key], catalog)
        except CatalogError as error:
            raise Fault(str(error), "names") from None


def _referring(catalog: Catalog, values: Iterable[Any], key: str) -> list[Parts]:
    # The parts of values, with the rules that ``key`` holds by index and text.
    index = {id(rule): number for number, rule in enumerate(catalog.rules)}

    def reference(rules: Any) -> Any:
        if isinstance(rules, Rule):
            return {"index": index[id(rules)], "text": format_rule(rules, catalog)}
        return [reference(rule) for rule in rules]

    return [{**_fields(value), key: reference(getattr(value, key))} for value in values]


def _decision_parts(resolution: Resolution) -> Parts:
    support, catalog = resolution.support, resolution.support.catalog
    return {
        "asked": asked(support, resolution.request),
        "listed": listed(support),
        **_granted(resolution),
        "problems": _referring(catalog, resolution.problems, "rules"),
        "outcomes": _referring(catalog, resolution.outcomes, "chain"),
        "catalog": catalog,
    }


def _granted(resolution: Resolution) -> Parts:
    if not resolution.ok:
        return {"flags": None, "mask": None}
    return _flags(resolution.mask, resolution.support.catalog.flags.bit_names)


def decide_again(parts: Parts) -> Resolution:
    """The decision, made again, whatever the document says of it.

    Raises:
        NegotiationTooHardError: The rules are too hard to solve.
    """
    support = _embedded(parts, "support", parts["catalog"], "catalog")
    return Resolution(support=support, request=parts["request"], profile=parts["profile"])


def _make_decision(parts: Parts, _: Catalog) -> Resolution:
    resolution = decide_again(parts)
    _agree(parts, {"ok": resolution.ok, **_granted(resolution)})
    said = {"problems": [str(problem["reason"]) for problem in parts["problems"]]}
    _agree(said, {"problems": [str(problem.reason) for problem in resolution.problems]})
    return resolution


def _make_baseline(parts: Parts, catalog: Catalog) -> Baseline:
    with within("support"):
        support = make_host(parts["support"], catalog)
    count, first, unanswered = parts["count"], parts["first"], parts["unanswered"]
    everyone = _lacking(1, count, count, first)
    halves = support.answerable & WORD, support.answerable > WORD
    most = [0 if half else count for half in halves]
    if len(unanswered) != 2 or any(map(gt, unanswered, most)):
        problem = f"two counts of the {count} hosts are needed, 0 for answered bits"
        raise Fault(problem, "unanswered")
    # Bits that this catalog names and that of the pool did not: no host lists them.
    lacking = dict.fromkeys(bits(catalog.named & ~support.mask), everyone)
    for bit, hosts in parts["lacking"].items():
        with within("lacking", hex(bit)):
            if bit & support.mask:
                raise Fault("all hosts list this bit, so none can lack it")
            lacking[bit] = _lacking(max(1, unanswered[not bit & WORD]), count, **hosts)
    lacking = dict(sorted(lacking.items()))
    both = (unanswered[0], unanswered[1])
    return Baseline(support=support, count=count, lacking=lacking, first=first, unanswered=both)


def _lacking(least: int, most: int, count: int, first: list[str]) -> Lacking:
    if not least <= count <= most:
        raise Fault(f"a count from {least} to {most} is needed, not {count}", "count")
    if len(first) != min(count, 10):
        raise Fault(f"{min(count, 10)} names are needed, not {len(first)}", "first")
    return Lacking(count, first)


def _comparison_parts(comparison: Comparison) -> Parts:
    a, b = comparison.a.catalog, comparison.b.catalog
    return {
        "lost": _referring(b, comparison.lost, "rules"),
        "gained": _referring(a, comparison.gained, "rules"),
        "catalogs": [a] if a == b else [a, b],
    }


def _make_comparison(parts: Parts, _: Catalog) -> Comparison:
    trees = parts["catalogs"]
    if not 0 < len(trees) < 3:
        raise Fault(f"one or two catalogs are needed, not {len(trees)}", "catalogs")
    trees_of = (("a", 0), ("b", len(trees) - 1))
    a, b = (_embedded(parts, key, trees[at], "catalogs", at) for key, at in trees_of)
    comparison = Comparison(a=a, b=b)
    _agree(parts, {"safe": comparison.safe})
    for key, losses in (("lost", comparison.lost), ("gained", comparison.gained)):
        said = {key: sorted((loss["capability"], loss["bits"]) for loss in parts[key])}
        _agree(said, {key: sorted((loss.capability, loss.bits) for loss in losses)})
    return comparison


def _make_probe(parts: Parts, _: Catalog) -> ProbeReport:
    support = _embedded(parts, "support", parts["catalog"], "catalog")
    keys = ("observations", "size", "until", "stopped", "stopped_at", "changed")
    report = made(ProbeReport, support=support, **{key: parts[key] for key in keys})
    _agree(parts, {"complete": report.complete})
    return report


PARTS: dict[Any, Callable[[Any], Parts]] = {
    _Hosts: lambda hosts: {"except_vm_types": hosts.except_vm_types or None},
    _Rule: lambda rule: {"kind": type(rule).__name__.lower()},
    HostDocument: _host_parts,
    UnavailableDocument: lambda error: {"tool": TOOL, "message": str(error)},
    FlagsDocument: _flags_parts,
    RequestDocument: _request_parts,
    CatalogDocument: lambda catalog: {
        "flags": {name: bit for bit, name in catalog.flags.bit_names.items()}
    },
    DecisionDocument: _decision_parts,
    ComparisonDocument: _comparison_parts,
    ProbeDocument: lambda report: {
        "unexplained": sorted(report.unexplained),
        "checked_rules": _referring(report.support.catalog, report.checked_rules, "rule"),
        "catalog": report.support.catalog,
    },
}
"""The parts of a document that are not attributes of the value."""

MAKE: dict[Any, Callable[..., Any]] = {
    _Answer: _answer,
    _Need: Need,
    _Observation: Observation,
    RequestDocument: _request,
    _Hosts: Hosts,
    _Rule: _rule,
}
"""What makes a value of the parts of an object, where that needs nothing but them."""


# Each document, the class of its values, and what makes one of the parts and a catalog. That may
# raise CatalogError, if the catalog cannot read it, and NegotiationTooHardError.
KINDS: tuple[tuple[Any, type, Callable[[Any, Catalog], Any]], ...] = (
    (HostDocument, Support, make_host),
    (UnavailableDocument, KvmUnavailableError, _make_unavailable),
    (FlagsDocument, FlagWord, _make_flags),
    (RequestDocument, Request, lambda request, _: request),
    (CatalogDocument, Catalog, _make_catalog),
    (DecisionDocument, Resolution, _make_decision),
    (BaselineDocument, Baseline, _make_baseline),
    (ComparisonDocument, Comparison, _make_comparison),
    (ProbeDocument, ProbeReport, _make_probe),
)
