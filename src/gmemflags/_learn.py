"""Learning: what a probe observed on one kernel, the rules that follow, and the catalog's rules.

Pure. A rule is learned only if it holds on every mask that worked at its stage and some mask that
failed there would break it; what no rule explains is reported as it is. A file that cannot be
mapped neither works nor fails, so ACCESS rules are learned from the files that were mapped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from errno import EFAULT, EINVAL, ENODEV, errorcode
from functools import cached_property

from attrs import evolve, field, frozen
from attrs.converters import optional

from gmemflags._catalog import Catalog
from gmemflags._decision import applicable, applies
from gmemflags._exceptions import CatalogError, quote, safe_repr
from gmemflags._format import describe, describe_mask, format_mask, format_rule
from gmemflags._host import Support
from gmemflags._masks import FlagWord, bits, flag_class, u64, union
from gmemflags._relation import Masks, Relation, allowed_by, broken_by, in_order
from gmemflags._rules import Excludes, Refused, Requires, Rule, Stage, elsewhere, meaning
from gmemflags._values import (
    Reduced,
    Value,
    checked,
    frozen_mapping,
    is_a,
    mapping_repr,
    reduce_to_fields,
)

# What a text shows of a list: nobody reads thousands of lines.
_MOST_LINES = 64

_FAILS = {Stage.CREATE: EINVAL, Stage.BIND: EINVAL, Stage.ACCESS: EFAULT}
_WORDS = {Stage.CREATE: "is refused", Stage.BIND: "cannot be bound", Stage.ACCESS: "fails"}
# The answers by which the flags decide a stage; other errnos say nothing of flags.
_DECIDED = {
    Stage.CREATE: {0: "works", EINVAL: "refused"},
    Stage.BIND: {0: "works", EINVAL: "fails"},
    Stage.ACCESS: {0: "works", EFAULT: "fails", ENODEV: "not mappable"},
}


def _errno(value: int) -> int:
    if type(value) is int and 0 <= value < 1 << 32:
        return value
    raise ValueError(f"{safe_repr(value)} is not an errno: an int in [0, 2**32) is needed")


@frozen(repr=False, eq=False)
class Observation(Value):
    """What became of one mask at each stage: 0 if it worked, else the errno; None if not tried.

    Args:
        create: What KVM_CREATE_GUEST_MEMFD answered. EINVAL: the flags are refused.
        bind: What binding a memory slot to the file answered. EINVAL: the flags are refused.
        access: What mapping and reading the file answered. EFAULT: it is mapped, and a touch is a
            SIGBUS. ENODEV: it cannot be mapped, which is neither a success nor a failure.

    Raises:
        ValueError: A value is not an errno, or a stage was tried after one that did not work.
    """

    create: int = field(converter=_errno)
    bind: int | None = field(default=None, converter=optional(_errno))
    access: int | None = field(default=None, converter=optional(_errno))

    def __attrs_post_init__(self) -> None:
        if (self.create and self.bind is not None) or (self.bind != 0 and self.access is not None):
            raise ValueError("no stage can be tried after one that did not work")

    def at(self, stage: Stage) -> int | None:
        """The errno of one stage, 0 if it worked, None if it was not tried."""
        return (self.create, self.bind, self.access)[stage]


class RuleState(StrEnum):
    """What a probe says of one rule of the catalog."""

    CONFIRMED = "confirmed"
    """A mask that breaks it and no other rule does not work, and some mask with its flag works."""
    CONTRADICTED = "contradicted"
    """A mask that breaks it works."""
    OPEN = "open"
    """Neither was observed."""


@frozen(repr=False, eq=False)
class CheckedRule(Value):
    """One rule of the catalog, and what this kernel says of it."""

    rule: Rule
    """The rule, which applies to this host or may apply to it."""
    state: RuleState
    """Confirmed, contradicted or open."""
    message: str
    """The observation that decides it, or why none does."""

    def __str__(self) -> str:
        return f"{self.state} at {self.rule.stage}: {self.message}"


def _observations(observations: Mapping[int, Observation]) -> Mapping[int, Observation]:
    return frozen_mapping(
        {
            u64(mask): checked(seen, f"observations[{mask:#x}]", Observation)
            for mask, seen in observations.items()
        }
    )


# No slots: in their place attrs would write a __getattr__ without a module, and help() of Python
# 3.13.0 fails on it.
@frozen(kw_only=True, slots=False, getstate_setstate=False, repr=False, eq=False)
class ProbeReport(Value):
    """What one kernel did with each mask that was tried, and what follows from that.

    It holds for files of one size and for reserved words of zero.

    Args:
        support: What the VM listed before the first mask was tried.
        observations: What became of each mask, in the order in which they were tried.
        size: The size of the files in bytes.
        until: The last stage that was tried. CREATE if the VM was not the probe's own.
        stopped: The errno that ended the probe early, or None. 0: the errno was lost.
        stopped_at: The stage in which that happened; None if it was not in a stage, but when the
            VM was asked again what it lists.
        changed: Whether the VM listed something else at the end.

    Raises:
        InvalidMaskError: An observation is not of a mask.
        TypeError, ValueError: A field of another type or out of range.
    """

    support: Support = field(validator=is_a(Support))
    observations: Mapping[int, Observation] = field(
        converter=_observations, hash=False, repr=mapping_repr
    )
    size: int = field(validator=is_a(int))
    until: Stage = field(default=Stage.ACCESS, validator=is_a(Stage))
    stopped: int | None = field(default=None, converter=optional(_errno))
    stopped_at: Stage | None = field(default=None, validator=is_a(Stage, or_none=True))
    changed: bool = field(default=False, validator=is_a(bool))

    def __reduce__(self) -> Reduced:
        return reduce_to_fields(self)

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    @property
    def guest_memfd(self) -> bool | None:
        """Whether the VM has guest_memfd at all; None if that was not asked."""
        return self.support.guest_memfd

    def works(self, stage: Stage) -> frozenset[int]:
        """The masks that came through ``stage`` and all before it."""
        return self._answered(stage, 0)

    def fails(self, stage: Stage) -> frozenset[int]:
        """The masks that came through the earlier stages, and whose flags fail at ``stage``."""
        return self._answered(stage, _FAILS[stage])

    @property
    def not_mappable(self) -> frozenset[int]:
        """The masks whose files can be bound, and cannot be mapped (ENODEV)."""
        return self._answered(Stage.ACCESS, ENODEV)

    def _answered(self, stage: Stage, errno: int) -> Masks:
        seen = self.observations.items()
        return frozenset([mask for mask, observed in seen if observed.at(stage) == errno])

    @cached_property
    def complete(self) -> bool:
        """Whether every subset of the listed bits was tried, and its flags decided each stage.

        A list that changed meanwhile is never complete.
        """
        if self.changed or self.stopped is not None or self.guest_memfd is False:
            return False
        listed = self.support.mask
        seen = [seen for mask, seen in self.observations.items() if not mask & ~listed]
        decided = sum(_decided(one, self.until) for one in seen)
        return decided == 1 << listed.bit_count()

    @property
    def undetermined(self) -> int:
        """The listed bits that are in no mask that could be created, while not all was tried."""
        return 0 if self.complete else self.support.mask & ~union(self.works(Stage.CREATE))

    @property
    def _known(self) -> int:
        # The bits of which the kernel says something: listed, or taken all the same.
        return self.support.mask | union(self.works(Stage.CREATE))

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All Requires, Excludes, Always and Never that hold at some stage, reduced.

        Nothing is said of bits that are not listed.
        """
        return self._learned[0]

    @property
    def unexplained(self) -> frozenset[int]:
        """The masks of listed flags that fail at some stage although those rules allow them."""
        return self._learned[1]

    @cached_property
    def _learned(self) -> tuple[tuple[Rule, ...], Masks]:
        known = self._known
        rules: list[Rule] = []
        unexplained: list[int] = []
        relation = None
        for stage in Stage:
            # That what is not listed is refused is not a rule.
            fails = frozenset([mask for mask in self.fails(stage) if not mask & ~known])
            aside = self.not_mappable if stage is Stage.ACCESS else frozenset[int]()
            universe = known if self.complete else 0
            relation = Relation(self.works(stage), fails, aside, universe, relation)
            found, rest = relation.rules()
            rules += [_cited(self, rule, relation, stage) for rule in found]
            unexplained += rest
        return tuple(rules), frozenset(unexplained)

    @cached_property
    def checked_rules(self) -> tuple[CheckedRule, ...]:
        """Every rule of the catalog that applies to this host or may, and whether it is so.

        A rule is confirmed if some mask that breaks it, and no other rule up to its stage, does
        not work there, and some mask with its flag works: for Excludes with each of its flags, for
        rules that no flag depends on, any mask. It is contradicted if a mask that breaks it works;
        else it is open. What is not known to apply stays open, and so does an ACCESS rule for
        some VM types that host access seems to contradict: only a guest would show it.
        """
        rules = applicable(self.support, Stage.ACCESS)
        broken = {
            mask: [rule for rule in rules if not rule.holds(mask)]
            for mask in in_order(self.observations)
        }
        return tuple([_check(self, rule, broken) for rule in rules])

    @property
    def contradictions(self) -> tuple[str, ...]:
        """Where kernel, list and catalog contradict each other, a sentence each."""
        return tuple(_contradictions(self))

    @property
    def source(self) -> str:
        """The citation of the rules that were learned here."""
        return (
            f"probe of {quote(self.support.origin)},"
            f" {quote(self.support.host.kernel or 'an unknown kernel')}:"
            f" {len(self.observations)} masks tried with files of {self.size} bytes and reserved"
            " words of zero"
        )

    @property
    def headline(self) -> str:
        """The answer in one line."""
        name, found = quote(self.support.catalog.name), len(self.contradictions)
        end = _extent(self)
        if found:
            points = "one point" if found == 1 else f"{found} points"
            answer = f"kernel and {name} contradict each other in {points}; {end}"
        elif self.guest_memfd is False:
            answer = "no guest_memfd (KVM_CAP_GUEST_MEMFD is 0), so no mask was tried"
        elif not self.complete:
            answer = f"nothing contradicts {name} so far; {end}"
        else:
            part = "" if self.until is Stage.ACCESS else f" at {self.until}"
            answer = f"the kernel does what {name} says{part}; {end}"
        return f"{quote(self.support.origin)}: {answer}"

    def as_catalog(self, name: str) -> Catalog:
        """The catalog that this kernel obeys.

        It has the rules that were learned, and those of the catalog that this kernel does not
        contradict; of those that it does, all that they say of other machines and VM types than
        the one that was probed. Where it is not known whether a rule speaks of this host, or what
        its machine or VM type is, the rule stays, and may refuse what works here. Listed bits
        without a name are called ``BIT_n``.

        Raises:
            CatalogError: The report is not complete.
        """
        if not self.complete:
            raise CatalogError(name, "the probe is not complete, so its rules may be too few")
        catalog, support = self.support.catalog, self.support
        why = "Observed: it does not work, and no simpler rule explains it."
        refused = [
            Refused(mask, why=why, source=self.source, stage=_failed_at(self, mask))
            for mask in self.unexplained
        ]
        wrong = {one.rule for one in self.checked_rules if one.state is RuleState.CONTRADICTED}
        kept = [rule for rule in catalog.rules if rule not in wrong]
        host = support.host
        parts = [
            evolve(rule, hosts=hosts)
            for rule in wrong
            for hosts in elsewhere(rule.hosts, host.machine, host.vm_type)
        ]
        # By stage, kind and operands: a rule that is there already is not added.
        here = {meaning(rule)[:3] for rule in kept if applies(support, rule)}
        learned = [rule for rule in (*self.rules, *refused) if meaning(rule)[:3] not in here]
        rules = [*learned, *kept, *parts]
        return evolve(catalog, name=name, flags=_flags(catalog, self._known), rules=rules)


def _failed_at(report: ProbeReport, mask: int) -> Stage:
    return next(stage for stage in Stage if report.observations[mask].at(stage))


def _decided(seen: Observation, until: Stage) -> bool:
    # Whether the flags alone decided every stage up to ``until`` that could be tried.
    last = next(stage for stage in Stage if seen.at(stage) != 0 or stage is until)
    return seen.at(last) in _DECIDED[last]


def _cited(report: ProbeReport, rule: Rule, relation: Relation, stage: Stage) -> Rule:
    # With its why: the simplest mask that fails by it, and what works with the same flags.
    catalog = report.support.catalog
    no = in_order(broken_by(rule, relation.fails))[0]
    why = f"Observed: {describe_mask(no, catalog)} {_WORDS[stage]}"
    for yes in in_order(mask for mask in relation.works if not no & ~mask)[:1]:
        why += f", {describe_mask(yes, catalog)} works"
    return evolve(rule, why=f"{why}.", source=report.source, stage=stage)


def _flags(catalog: Catalog, used: int) -> type[FlagWord]:
    # The flags of a catalog, and names for those bits that have none there.
    members = {name: member.value for name, member in catalog.flags.__members__.items()}
    taken = {*members, *catalog.flags.bit_names.values()}
    for bit in bits(used & ~catalog.named):
        name = f"BIT_{bit.bit_length() - 1}"
        while name in taken:
            name += "_"
        members[name] = bit
    return flag_class("ProbedFlag", members)


def _check(report: ProbeReport, rule: Rule, broken: Mapping[int, list[Rule]]) -> CheckedRule:
    # ``broken`` has for each mask, the simplest first, the rules that it breaks.
    support, catalog, stage = report.support, report.support.catalog, rule.stage

    def result(state: RuleState, why: str) -> CheckedRule:
        return CheckedRule(rule, state, f"{format_rule(rule, catalog)} ({why})")

    if not applies(support, rule):
        return result(RuleState.OPEN, "it is not known whether it is for this host")
    if stage > report.until:
        return result(RuleState.OPEN, f"{stage} was not tried")
    answers = {mask: report.observations[mask].at(stage) for mask in broken}
    works = [mask for mask in broken if answers[mask] == 0]
    for mask in works:
        if not rule.holds(mask):
            if stage is Stage.ACCESS and rule.hosts.vm_types:
                return result(RuleState.OPEN, "only a guest would show it")
            return result(RuleState.CONTRADICTED, f"{describe_mask(mask, catalog)} works")
    # These must work somewhere, so that a mask fails for want of something else.
    flags = rule.flag if isinstance(rule, Requires) else 0
    if isinstance(rule, Excludes):
        flags = rule.a | rule.b
    alone = [
        mask
        for mask, rules in broken.items()
        if rule in rules
        and answers[mask] in _DECIDED[stage]
        and not mask & ~support.mask
        and sum(other.stage <= stage for other in rules) == 1
    ]
    if not alone or not works or flags & ~union(works):
        return result(RuleState.OPEN, "no mask that was tried decides it")
    what = "cannot be mapped" if answers[alone[0]] == ENODEV else _WORDS[stage]
    why = f"{describe_mask(alone[0], catalog)} {what}"
    examples = [next(mask for mask in works if mask & bit) for bit in bits(flags)] or works[:1]
    for mask in dict.fromkeys(examples):
        why += f", {describe_mask(mask, catalog)} works"
    return result(RuleState.CONFIRMED, why)


def _contradictions(report: ProbeReport) -> Iterator[str]:
    support, catalog = report.support, report.support.catalog
    absent = support.guest_memfd is False
    says = "says that it has no guest_memfd" if absent else "does not list all of it"
    for mask in in_order(report.works(Stage.CREATE)):
        if absent or mask & ~support.mask:
            what = describe_mask(mask, catalog)
            yield f"{what} can be created, and {quote(support.origin)} {says}"
    for one in report.checked_rules:
        if one.state is RuleState.CONTRADICTED:
            yield f"{quote(catalog.name)} has a rule at {one.rule.stage}: {one.message}"
    if not absent:
        for stage in Stage:
            yield from _surprises(report, stage)


def _surprises(report: ProbeReport, stage: Stage) -> Iterator[str]:
    # What fails at a stage although the catalog allows it: by which rules, and by none.
    support, catalog = report.support, report.support.catalog
    name, usable = quote(catalog.name), support.mask & catalog.named
    fails = [mask for mask in report.fails(stage) if not mask & ~usable]
    masks = in_order(allowed_by(applicable(support, stage), fails))
    for rule in [rule for rule in report.rules if rule.stage is stage]:
        for mask in in_order(broken_by(rule, masks))[:1]:
            seen = f"{describe_mask(mask, catalog)} {_WORDS[stage]}"
            yield f"{name} has no such rule at {stage}: {format_rule(rule, catalog)} ({seen})"
    for mask in masks:
        if mask in report.unexplained:
            yield f"{describe_mask(mask, catalog)} {_WORDS[stage]}, and {name} allows it"


# ---- The text


def _named(errno: int) -> str:
    return errorcode.get(errno, f"errno {errno}") if errno else "an error whose number was lost"


def _extent(report: ProbeReport) -> str:
    # How far the probe came, without what follows from it.
    alone = " by creation alone" if report.until is Stage.CREATE else ""
    tried = f"masks tried{alone}: {len(report.observations)}"
    if report.stopped is not None:
        at = report.stopped_at
        where = "when the VM was asked again" if at is None else f"at {at}"
        return f"{tried}, until {_named(report.stopped)} {where}"
    if report.changed:
        return f"{tried}, and the VM lists something else now"
    what = "among them" if report.complete else "and the flags did not decide"
    return f"{tried}, {what} every combination of the listed flags"


def _lines(report: ProbeReport) -> Iterator[str]:
    support, catalog = report.support, report.support.catalog
    host = support.host
    yield report.headline
    yield f"  host: Linux {quote(host.kernel or 'unknown')}, {quote(host.machine or 'unknown')}"
    yield f"  lists: {describe_mask(support.mask, catalog)}"
    if not report.observations:
        return
    yield f"  tried: files of {report.size} bytes, reserved words of zero"
    yield ""
    yield from _table(report)
    so_far = "" if report.complete else " (not everything was tried)"
    sections = {
        "contradictions": report.contradictions,
        f"rules of {quote(catalog.name)}": [str(rule) for rule in report.checked_rules],
        f"rules learned{so_far}": [
            f"at {rule.stage}: {format_rule(rule, catalog)}. {rule.why}" for rule in report.rules
        ],
        "explained by no rule": [
            f"{describe_mask(mask, catalog)} {_WORDS[_failed_at(report, mask)]}"
            for mask in in_order(report.unexplained)
        ],
        "undetermined: in no mask that could be created": [
            describe(bit, catalog) for bit in bits(report.undetermined)
        ],
    }
    for title, lines in sections.items():
        if lines:
            yield from ("", title, *_shortened(lines, "more"))


def _shortened(lines: Sequence[str], what: str) -> list[str]:
    left = len(lines) - _MOST_LINES
    shown = [f"  {line}" for line in lines[:_MOST_LINES]]
    return [*shown, f"  and {left} {what}"] if left > 0 else shown


def _table(report: ProbeReport) -> Iterator[str]:
    # A line for each mask, but one for all that are refused because they are not listed.
    catalog, listed = report.support.catalog, report.support.mask
    rows = {
        mask: seen
        for mask, seen in report.observations.items()
        if seen.create != EINVAL or not mask & ~listed
    }
    width = max([4, *(len(hex(mask)) for mask in rows)])
    stages = [stage for stage in Stage if stage <= report.until]
    yield f"  {'mask':>{width}}  {''.join([f'{stage!s:<14}' for stage in stages])}flags"
    cells = {
        mask: "".join([f"{_cell(seen.at(stage), stage):<14}" for stage in stages])
        for mask, seen in rows.items()
    }
    lines = [f"{mask:#{width}x}  {cells[mask]}{format_mask(mask, catalog)}" for mask in rows]
    yield from _shortened(lines, "more masks")
    unlisted = len(report.observations) - len(rows)
    if unlisted:
        more = "one more mask" if unlisted == 1 else f"{unlisted} more masks"
        yield f"  refused, and not listed: {more}"


def _cell(answer: int | None, stage: Stage) -> str:
    return "" if answer is None else _DECIDED[stage].get(answer) or _named(answer)
