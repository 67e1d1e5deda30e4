"""Learning: what a probe observed on one kernel, the rules that follow, and the catalog's rules.

Pure. A rule is learned only if it holds on every mask that worked at its stage and some mask that
failed there would break it; what no rule explains is reported as it is. A file that cannot be
mapped neither works nor fails, so ACCESS rules are learned from the files that were mapped. A
report holds for one file size and for reserved words of zero only.

>>> from gmemflags import query
>>> from gmemflags._learn import Observation, ProbeReport
>>> from gmemflags.testing import FakeBackend
>>> works = Observation(create=0, bind=0, access=0)
>>> seen = {0: works, 1: works, 2: Observation(create=22), 3: works}
>>> report = ProbeReport(support=query(FakeBackend.narrow(3)), observations=seen, size=4096)
>>> report.complete, [type(rule).__name__ for rule in report.rules]
(True, ['Requires'])
>>> print(report.contradictions[-1])
linux-mainline has no such rule at create: INIT_SHARED requires MMAP (INIT_SHARED (bit 1, 0x2) is \
refused)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from errno import EFAULT, EINVAL, ENODEV, errorcode
from functools import cached_property

from attrs import evolve, field, frozen

from gmemflags._catalog import Catalog
from gmemflags._decision import applicable, applies
from gmemflags._exceptions import CatalogError, quote, safe_repr
from gmemflags._format import describe, describe_mask, format_mask, format_rule
from gmemflags._host import Support
from gmemflags._masks import FlagWord, bits, flag_class, u64, union
from gmemflags._relation import Masks, Relation, allowed_by, broken_by, in_order, simplest
from gmemflags._rules import Excludes, Hosts, Refused, Requires, Rule, Stage, meaning
from gmemflags._values import checked, frozen_mapping, is_a, mapping_repr, reduce_to_fields

# What a text shows of a list: nobody reads thousands of lines.
_MOST_LINES = 64

_FAILS = {Stage.CREATE: EINVAL, Stage.BIND: EINVAL, Stage.ACCESS: EFAULT}
_NOT_MAPPABLE = ENODEV
_WORDS = {Stage.CREATE: "is refused", Stage.BIND: "cannot be bound", Stage.ACCESS: "fails"}


def _does_not_work(answer: int | None, stage: Stage) -> bool:
    # Whether the flags are why a stage did not work; other errnos say nothing of flags.
    return answer == _FAILS[stage] or (stage is Stage.ACCESS and answer == _NOT_MAPPABLE)


def _errno(value: int) -> int:
    if type(value) is int and 0 <= value < 1 << 32:
        return value
    raise ValueError(f"{safe_repr(value)} is not an errno: an int in [0, 2**32) is needed")


def _errno_or_none(value: int | None) -> int | None:
    return None if value is None else _errno(value)


@frozen
class Observation:
    """What became of one mask at each stage: 0 if it worked, else the errno; None if not tried.

    Args:
        create: What KVM_CREATE_GUEST_MEMFD answered. EINVAL is a refusal of the flags.
        bind: What binding a memory slot to the file answered. EINVAL is a refusal.
        access: What mapping and reading the file answered. EFAULT: it is mapped, and a touch is a
            SIGBUS. ENODEV: it cannot be mapped, which is neither a success nor a failure.

    Raises:
        ValueError: A value is not an errno, or a stage was tried after one that did not work.
    """

    create: int = field(converter=_errno)
    bind: int | None = field(default=None, converter=_errno_or_none)
    access: int | None = field(default=None, converter=_errno_or_none)

    def __attrs_post_init__(self) -> None:
        if (self.create and self.bind is not None) or (self.bind != 0 and self.access is not None):
            raise ValueError("no stage can be tried after one that did not work")

    def at(self, stage: Stage) -> int | None:
        """The errno of one stage, 0 if it worked, None if it was not tried.

        Args:
            stage: The stage.
        """
        return (self.create, self.bind, self.access)[stage]


def _decided(seen: Observation, until: Stage) -> bool:
    # Whether the flags alone decided every stage up to ``until`` that could be tried.
    last = next(stage for stage in Stage if seen.at(stage) != 0 or stage is until)
    answer = seen.at(last)
    return answer == 0 or _does_not_work(answer, last)


class RuleState(StrEnum):
    """What a probe says of one rule of the catalog."""

    CONFIRMED = "confirmed"
    """A mask that breaks it and no other rule does not work, and some mask with its flag works."""
    CONTRADICTED = "contradicted"
    """A mask that breaks it works."""
    OPEN = "open"
    """Neither was observed."""


@frozen
class CheckedRule:
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


@frozen(kw_only=True, getstate_setstate=False)
class ProbeReport:
    """What one kernel did with each mask that was tried, and what follows from that.

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
    stopped: int | None = field(default=None, converter=_errno_or_none)
    stopped_at: Stage | None = field(default=None, validator=is_a(Stage, or_none=True))
    changed: bool = field(default=False, validator=is_a(bool))

    __reduce__ = reduce_to_fields

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    @property
    def guest_memfd(self) -> bool | None:
        """Whether the VM has guest_memfd at all; None if that was not asked."""
        return self.support.guest_memfd

    def works(self, stage: Stage) -> frozenset[int]:
        """The masks that came through ``stage`` and all before it.

        Args:
            stage: The stage.
        """
        return self._answered(stage, 0)

    def fails(self, stage: Stage) -> frozenset[int]:
        """The masks that came through the earlier stages, and whose flags fail at ``stage``.

        Other errnos than EINVAL, and EFAULT at ACCESS, say nothing of flags.

        Args:
            stage: The stage.
        """
        return self._answered(stage, _FAILS[stage])

    @property
    def not_mappable(self) -> frozenset[int]:
        """The masks whose files can be bound, and cannot be mapped (ENODEV)."""
        return self._answered(Stage.ACCESS, _NOT_MAPPABLE)

    def _answered(self, stage: Stage, errno: int) -> Masks:
        seen = self.observations.items()
        return frozenset([mask for mask, observed in seen if observed.at(stage) == errno])

    @cached_property
    def _learned(self) -> tuple[tuple[Rule, ...], frozenset[int]]:
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
            rules += [
                _cited(rule, relation, stage, self.support.catalog, self.source) for rule in found
            ]
            unexplained += rest
        return tuple(rules), frozenset(unexplained)

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
    def checked_rules(self) -> tuple[CheckedRule, ...]:
        """Every rule of the catalog that applies to this host or may, and whether it is so.

        A rule is confirmed if some mask that breaks it, and no other rule up to its stage, does
        not work there, and some mask with its flag works: for Excludes with each of its flags, for
        rules that no flag depends on, any mask. It is contradicted if a mask that breaks it works;
        else it is open. What is not known to apply stays open, and so does an ACCESS rule for
        some VM types that host access seems to contradict: only a guest would show it.
        """
        return tuple(_check_rules(self))

    @property
    def source(self) -> str:
        """The citation of the rules that were learned here."""
        kernel = self.support.host.kernel
        return (
            f"probe of {quote(self.support.origin)},"
            f" {'an unknown kernel' if kernel is None else quote(kernel)}:"
            f" {len(self.observations)} masks tried with files of {self.size} bytes and reserved"
            " words of zero"
        )

    @cached_property
    def complete(self) -> bool:
        """Whether every subset of the listed bits was tried, and its flags decided each stage.

        A list that changed meanwhile is never complete.
        """
        if self.changed or self.stopped is not None or self.guest_memfd is False:
            return False
        listed = self.support.mask
        decided = sum(
            [
                not mask & ~listed and _decided(seen, self.until)
                for mask, seen in self.observations.items()
            ]
        )
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
    def works_unlisted(self) -> frozenset[int]:
        """The masks that can be created with a bit that the VM does not list."""
        listed = self.support.mask
        return frozenset([mask for mask in self.works(Stage.CREATE) if mask & ~listed])

    @property
    def contradictions(self) -> tuple[str, ...]:
        """Where kernel, list and catalog contradict each other, a sentence each."""
        return (*_against_the_list(self), *_against_the_catalog(self))

    @property
    def headline(self) -> str:
        """The answer in one line."""
        return f"{quote(self.support.origin)}: {_answer(self)}"

    def as_catalog(self, name: str) -> Catalog:
        """The catalog that this kernel obeys.

        It has the rules that were learned, and those of the catalog that this kernel does not
        contradict; of those that it does, what they say of other hosts. Where it is not known
        whether a rule speaks of this host, the rule stays, and may refuse what works here. Listed
        bits without a name are called ``BIT_n``.

        Args:
            name: The name of the new catalog.

        Raises:
            CatalogError: The report is not complete.
        """
        if not self.complete:
            raise CatalogError(name, "the probe is not complete, so its rules may be too few")
        catalog = self.support.catalog
        kept: list[Rule] = []
        here: set[tuple[object, ...]] = set()  # stage, kind and operands
        state = {checked.rule: checked.state for checked in self.checked_rules}
        for rule in catalog.rules:
            if state.get(rule) is RuleState.CONTRADICTED:
                kept += _elsewhere(rule, self.support)
                continue
            kept.append(rule)
            if applies(self.support, rule):
                here.add(meaning(rule)[:3])
        found = (*self.rules, *self._refused())
        learned = [rule for rule in found if meaning(rule)[:3] not in here]
        used = self.support.mask | union(self.works(Stage.CREATE))
        return evolve(catalog, name=name, flags=_flags(catalog, used), rules=[*learned, *kept])

    def _refused(self) -> Iterator[Rule]:
        why = "Observed: it does not work, and no simpler rule explains it."
        for mask in in_order(self.unexplained):
            yield Refused(mask, why=why, source=self.source, stage=_failed_at(self, mask))


def _failed_at(report: ProbeReport, mask: int) -> Stage:
    return next(stage for stage in Stage if report.observations[mask].at(stage))


def _elsewhere(rule: Rule, support: Support) -> Iterator[Rule]:
    # What a rule says of other hosts than this one, of which the kernel itself has spoken.
    host, hosts = support.host, rule.hosts
    machines = [
        machine
        for machine in hosts.machines
        if not Hosts(machines=[machine]).include(host.machine, None)
    ]
    vm_types = [
        vm_type
        for vm_type in hosts.vm_types
        if not Hosts(vm_types=[vm_type]).include(host.machine, host.vm_type)
    ]
    if machines:
        yield evolve(rule, hosts=evolve(hosts, machines=machines))
    if vm_types:
        yield evolve(rule, hosts=evolve(hosts, vm_types=vm_types))


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


def _cited(rule: Rule, relation: Relation, stage: Stage, catalog: Catalog, source: str) -> Rule:
    # With its why: the simplest mask that fails by it, and what works with the same flags.
    no = min(broken_by(rule, relation.fails), key=simplest)
    why = f"Observed: {describe_mask(no, catalog)} {_WORDS[stage]}"
    yes = min([mask for mask in relation.works if not no & ~mask], key=simplest, default=None)
    if yes is not None:
        why += f", {describe_mask(yes, catalog)} works"
    return evolve(rule, why=f"{why}.", source=source, stage=stage)


# ---- The rules of the catalog


def _check_rules(report: ProbeReport) -> Iterator[CheckedRule]:
    support, observations = report.support, report.observations
    rules = applicable(support, Stage.ACCESS)
    working = {stage: in_order(report.works(stage)) for stage in Stage}
    against: dict[int, int] = {}  # by the number of a rule: the simplest mask that breaks it, works
    alone: dict[int, int] = {}  # the simplest that breaks it and no other, and does not work
    for mask in in_order(observations):
        seen = observations[mask]
        broken = [number for number, rule in enumerate(rules) if not rule.holds(mask)]
        count = Counter([rules[number].stage for number in broken])
        for number in broken:
            stage = rules[number].stage
            answer = seen.at(stage)
            if answer == 0:
                against.setdefault(number, mask)
            elif (
                _does_not_work(answer, stage)
                and not mask & ~support.mask
                and sum(count[earlier] for earlier in Stage if earlier <= stage) == 1
            ):
                alone.setdefault(number, mask)
    for number, rule in enumerate(rules):
        yield _checked(report, rule, working[rule.stage], against.get(number), alone.get(number))


def _checked(
    report: ProbeReport, rule: Rule, working: list[int], against: int | None, alone: int | None
) -> CheckedRule:
    support, stage = report.support, rule.stage
    catalog = support.catalog

    def result(state: RuleState, why: str) -> CheckedRule:
        return CheckedRule(rule, state, f"{format_rule(rule, catalog)} ({why})")

    if not applies(support, rule):
        return result(RuleState.OPEN, "it is not known whether it is for this host")
    if stage > report.until:
        return result(RuleState.OPEN, f"{stage} was not tried")
    if against is not None:
        if stage is Stage.ACCESS and rule.hosts.vm_types:
            return result(RuleState.OPEN, "only a guest would show it")
        return result(RuleState.CONTRADICTED, f"{describe_mask(against, catalog)} works")
    flags = _flags_of(rule)
    if alone is None or not working or flags & ~union(working):
        return result(RuleState.OPEN, "no mask that was tried decides it")
    seen = report.observations[alone]
    what = "cannot be mapped" if seen.at(stage) == _NOT_MAPPABLE else _WORDS[stage]
    examples = [next(mask for mask in working if mask & bit) for bit in bits(flags)]
    works = [
        f"{describe_mask(mask, catalog)} works" for mask in dict.fromkeys(examples or working[:1])
    ]
    why = ", ".join([f"{describe_mask(alone, catalog)} {what}", *works])
    return result(RuleState.CONFIRMED, why)


def _flags_of(rule: Rule) -> int:
    # The flags that must work somewhere, so that a mask fails for want of something else.
    if isinstance(rule, Requires):
        return rule.flag
    return rule.a | rule.b if isinstance(rule, Excludes) else 0


def _against_the_list(report: ProbeReport) -> Iterator[str]:
    support, catalog = report.support, report.support.catalog
    origin = quote(support.origin)
    if support.guest_memfd is False:
        for mask in in_order(report.works(Stage.CREATE)):
            what = describe_mask(mask, catalog)
            yield f"{what} can be created, and {origin} says that it has no guest_memfd"
        return
    for mask in in_order(report.works_unlisted):
        what = describe_mask(mask, catalog)
        yield f"{what} can be created, and {origin} does not list all of it"


def _against_the_catalog(report: ProbeReport) -> Iterator[str]:
    catalog, name = report.support.catalog, quote(report.support.catalog.name)
    for checked_rule in report.checked_rules:
        if checked_rule.state is RuleState.CONTRADICTED:
            yield f"{name} has a rule at {checked_rule.rule.stage}: {checked_rule.message}"
    if report.guest_memfd is False:
        return
    usable = report.support.mask & catalog.named
    rules = applicable(report.support, Stage.ACCESS)
    surprises: dict[Stage, list[int]] = {}
    for stage in Stage:
        allowed = allowed_by(rule for rule in rules if rule.stage <= stage)
        fails = [mask for mask in report.fails(stage) if not mask & ~usable and allowed(mask)]
        surprises[stage] = in_order(fails)
    for rule in report.rules:
        mask = next((mask for mask in surprises[rule.stage] if not rule.holds(mask)), None)
        if mask is not None:
            text = format_rule(rule, catalog)
            seen = f"{describe_mask(mask, catalog)} {_WORDS[rule.stage]}"
            yield f"{name} has no such rule at {rule.stage}: {text} ({seen})"
    for stage, masks in surprises.items():
        for mask in masks:
            if mask in report.unexplained:
                yield f"{describe_mask(mask, catalog)} {_WORDS[stage]}, and {name} allows it"


# ---- The text


def extent(report: ProbeReport) -> str:
    """How far the probe came, without what follows from it."""
    alone = " by creation alone" if report.until is Stage.CREATE else ""
    tried = f"masks tried{alone}: {len(report.observations)}"
    if report.stopped is not None:
        at = report.stopped_at
        where = "when the VM was asked again" if at is None else f"at {at}"
        return f"{tried}, until {_named(report.stopped)} {where}"
    if report.changed:
        return f"{tried}, and the VM lists something else now"
    every = "combination of the listed flags"
    if report.complete:
        return f"{tried}, among them every {every}"
    return f"{tried}, and the flags did not decide every {every}"


def _answer(report: ProbeReport) -> str:
    found = len(report.contradictions)
    name = quote(report.support.catalog.name)
    if report.guest_memfd is False and not found:
        return "no guest_memfd (KVM_CAP_GUEST_MEMFD is 0), so no mask was tried"
    if found:
        points = "one point" if found == 1 else f"{found} points"
        answer = f"kernel and {name} contradict each other in {points}"
    elif not report.complete:
        answer = f"nothing contradicts {name} so far"
    elif report.until is Stage.ACCESS:
        answer = f"the kernel does what {name} says"
    else:
        answer = f"the kernel does what {name} says at {report.until}"
    return f"{answer}; {extent(report)}"


def _named(errno: int) -> str:
    return errorcode.get(errno, f"errno {errno}") if errno else "an error whose number was lost"


def _lines(report: ProbeReport) -> Iterator[str]:
    """The report for people, line by line: first the answer."""
    support, catalog = report.support, report.support.catalog
    host = support.host
    yield report.headline
    yield f"  host: Linux {quote(host.kernel or 'unknown')}, {quote(host.machine or 'unknown')}"
    yield f"  lists: {describe_mask(support.mask, catalog)}"
    if report.observations:
        yield f"  tried: files of {report.size} bytes, reserved words of zero"
        yield ""
        yield from _table(report)
    so_far = "" if report.complete else " (not everything was tried)"
    sections: dict[str, list[str]] = {
        "contradictions": list(report.contradictions),
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
    for title, content in sections.items():
        if content and report.observations:
            yield from ("", title, *(f"  {line}" for line in _shortened(content)))


def _shortened(lines: list[str]) -> list[str]:
    more = len(lines) - _MOST_LINES
    return lines if more <= 0 else [*lines[:_MOST_LINES], f"and {more} more"]


def _table(report: ProbeReport) -> Iterator[str]:
    # A line for each mask, but one for all that are refused because they are not listed.
    catalog = report.support.catalog
    unlisted = {
        mask
        for mask, seen in report.observations.items()
        if seen.create == EINVAL and mask & ~report.support.mask
    }
    rows = [(mask, seen) for mask, seen in report.observations.items() if mask not in unlisted]
    shown = rows[:_MOST_LINES]
    width = max([4, *(len(hex(mask)) for mask, _ in shown)])
    stages = [stage for stage in Stage if stage <= report.until]
    heads = "".join([f"{stage!s:<14}" for stage in stages])
    yield f"  {'mask':>{width}}  {heads}flags"
    for mask, seen in shown:
        cells = "".join([f"{_cell(seen.at(stage), stage):<14}" for stage in stages])
        yield f"  {mask:#{width}x}  {cells}{format_mask(mask, catalog)}"
    if len(rows) > len(shown):
        yield f"  and {len(rows) - len(shown)} more masks"
    if unlisted:
        more = "one more mask" if len(unlisted) == 1 else f"{len(unlisted)} more masks"
        yield f"  refused, and not listed: {more}"


def _cell(answer: int | None, stage: Stage) -> str:
    if answer is None:
        return ""
    if answer == 0:
        return "works"
    if answer == _FAILS[stage]:
        return "refused" if stage is Stage.CREATE else "fails"
    not_mappable = stage is Stage.ACCESS and answer == _NOT_MAPPABLE
    return "not mappable" if not_mappable else _named(answer)
