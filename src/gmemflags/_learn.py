"""Learning: what a probe observed on one VM, and the rules that explain it.

Pure. A rule is reported only if it holds in every observation and some refused mask would break
it; what no rule explains is reported as it is. Nothing is claimed about a flag that was never
taken, unless everything was tried. A report holds for one file size and zero reserved words only.
The catalog's rules are compared at CREATE, the one stage that creation can confirm.

>>> from gmemflags import query
>>> from gmemflags.linux import ProbeReport
>>> from gmemflags.testing import FakeBackend
>>> host = query(FakeBackend.narrow(3))
>>> report = ProbeReport(support=host, observations={0: 0, 1: 0, 2: 22, 3: 0}, size=4096)
>>> report.complete, [str(line) for line in report.contradictions]
(True, ['INIT_SHARED (bit 1, 0x2) is refused, and linux-mainline allows it'])
>>> [type(rule).__name__ for rule in report.rules]
['Requires']
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from errno import EINVAL, errorcode
from functools import cached_property

from attrs import evolve, field, frozen

from gmemflags._catalog import Catalog
from gmemflags._decision import applicable, applies
from gmemflags._exceptions import CatalogError, InvalidMaskError, safe_repr
from gmemflags._format import describe, describe_mask, format_mask, format_rule
from gmemflags._host import Support
from gmemflags._masks import MASK, FlagWord, bits, flag_class, u64, union
from gmemflags._rules import Always, Excludes, Never, Refused, Requires, Rule, Stage
from gmemflags._values import frozen_mapping

Masks = frozenset[int]


def _errno(value: int) -> int:
    if type(value) is int and 0 <= value < 1 << 32:
        return value
    raise InvalidMaskError(safe_repr(value), "an errno: an int in [0, 2**32) is needed")


def _observations(observations: Mapping[int, int]) -> Mapping[int, int]:
    return frozen_mapping({u64(mask): _errno(errno) for mask, errno in observations.items()})


@frozen(kw_only=True)
class ProbeReport:
    """What KVM_CREATE_GUEST_MEMFD answered to each mask that was tried on one VM.

    ``support``: what the VM listed. ``observations``: 0 for taken or an errno, by mask. ``size``
    of the files in bytes. ``stopped``: the errno that ended the probe early, or None. ``str()``
    tells all of it.
    """

    support: Support
    observations: Mapping[int, int] = field(converter=_observations, hash=False)
    size: int
    stopped: int | None = None

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    @cached_property
    def _learned(self) -> tuple[tuple[Rule, ...], frozenset[int]]:
        universe = MASK & ~self.undetermined
        return learn(self.taken, self.refused, universe, self.support.catalog, self.source)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All Requires, Excludes, Always and Never that hold in every observation, reduced."""
        return self._learned[0]

    @property
    def unexplained(self) -> frozenset[int]:
        """The masks that were refused although those rules allow them."""
        return self._learned[1]

    @property
    def source(self) -> str:
        """The citation of the rules that were learned here."""
        kernel = self.support.host.kernel or "an unknown kernel"
        return (
            f"probe of {self.support.origin}, {kernel}: {len(self.observations)} masks tried"
            f" with files of {self.size} bytes and reserved words of zero"
        )

    @property
    def taken(self) -> frozenset[int]:
        """The masks that the kernel took."""
        return frozenset(mask for mask, errno in self.observations.items() if not errno)

    @property
    def refused(self) -> frozenset[int]:
        """The masks that the kernel refused with EINVAL; other errnos say nothing of flags."""
        return frozenset(mask for mask, errno in self.observations.items() if errno == EINVAL)

    @property
    def complete(self) -> bool:
        """Whether every subset of the listed bits was tried, and answered yes or EINVAL."""
        listed = self.support.mask
        told = sum(
            1
            for mask, errno in self.observations.items()
            if not mask & ~listed and errno in (0, EINVAL)
        )
        return self.stopped is None and told == 1 << listed.bit_count()

    @property
    def undetermined(self) -> int:
        """The listed bits that were in no mask taken, while not everything was tried."""
        return 0 if self.complete else self.support.mask & ~self._seen

    @property
    def _seen(self) -> int:
        return union(self.taken)

    @property
    def taken_unlisted(self) -> frozenset[int]:
        """The masks that were taken with a bit that the VM does not list."""
        return frozenset(mask for mask in self.taken if mask & ~self.support.mask)

    @property
    def contradictions(self) -> tuple[str, ...]:
        """Where kernel and catalog contradict each other, a sentence each."""
        return (*self._taken_against(), *self._refused_against())

    def _taken_against(self) -> Iterator[str]:
        support, catalog = self.support, self.support.catalog
        rules = [rule for rule in applicable(support, Stage.CREATE) if applies(support, rule)]
        for mask in _in_order(self.taken):
            what = describe_mask(mask, catalog)
            if support.guest_memfd is False:
                yield f"{what} is taken, and {support.origin} says that it has no guest_memfd"
            elif mask & ~support.mask:
                yield f"{what} is taken, and {support.origin} does not list all of it"
            for rule in rules:
                if not rule.holds(mask):
                    against = format_rule(rule, catalog)
                    yield f"{what} is taken, and {catalog.name} has a rule against it: {against}"

    def _refused_against(self) -> Iterator[str]:
        support, catalog = self.support, self.support.catalog
        if support.guest_memfd is False:
            return
        allowed = allowed_by(applicable(support, Stage.CREATE))
        unusable = ~(support.mask & catalog.named)
        for mask in _in_order(self.refused):
            if not mask & unusable and allowed(mask):
                yield f"{describe_mask(mask, catalog)} is refused, and {catalog.name} allows it"

    def as_catalog(self, name: str) -> Catalog:
        """The catalog that this kernel obeys at CREATE; later stages keep their rules.

        What rules for CREATE say of other hosts than this one stays as well; where it is not
        known whether a rule speaks of this one, the rule stays, and may refuse what was taken
        here. Nothing is said of bits that are not listed; listed ones without a name are called
        ``BIT_n``.

        Raises:
            CatalogError: The report is not complete.
        """
        if not self.complete:
            raise CatalogError(name, "the probe is not complete, so its rules may be too few")
        catalog = self.support.catalog
        used = self.support.mask | self._seen
        why = "Observed: it is refused, and no simpler rule explains it."
        rules = [
            *_about(self.support.mask, self.rules),
            *(Refused(mask, why=why, source=self.source) for mask in _in_order(self.unexplained)),
        ]
        for rule in catalog.rules:
            rules += [rule] if rule.stage > Stage.CREATE else _elsewhere(rule, self.support)
        return evolve(catalog, name=name, flags=_flags(catalog, used), rules=rules)


def _elsewhere(rule: Rule, support: Support) -> Iterator[Rule]:
    # What a rule says of other hosts than this one, of which the kernel itself has told.
    if not applies(support, rule):
        yield rule
        return
    host, hosts = support.host, rule.hosts
    machines = [machine for machine in hosts.machines if machine != host.machine]
    vm_types = [vm_type for vm_type in hosts.vm_types if vm_type != host.vm_type]
    if machines:
        yield evolve(rule, hosts=evolve(hosts, machines=machines))
    if vm_types:
        yield evolve(rule, hosts=evolve(hosts, vm_types=vm_types))


def _in_order(masks: Iterable[int]) -> list[int]:
    return sorted(masks, key=lambda mask: (mask.bit_count(), mask))


def _flags(catalog: Catalog, used: int) -> type[FlagWord]:
    # The flags of a catalog, and names for those bits that have none there.
    members = {name: member.value for name, member in catalog.flags.__members__.items()}
    for bit in bits(used & ~catalog.named):
        name = f"BIT_{bit.bit_length() - 1}"
        while name in members:
            name += "_"
        members[name] = bit
    return flag_class("ProbedFlag", members)


def _about(listed: int, rules: Iterable[Rule]) -> Iterator[Rule]:
    # Without what is said of other bits: that they are not listed is no fact about the tree.
    for rule in rules:
        if not isinstance(rule, Never):
            yield rule
        elif rule.mask & listed:
            yield evolve(rule, mask=rule.mask & listed)


def extent(report: ProbeReport) -> str:
    """How far the probe came."""
    tried = f"masks tried: {len(report.observations)}"
    if report.stopped is not None:
        return f"{tried}, until {_named(report.stopped)}"
    every = "combination of the listed flags"
    if report.complete:
        return f"{tried}, among them every {every}"
    return f"{tried}, and not every {every} was answered with yes or EINVAL"


def _named(errno: int) -> str:
    return errorcode.get(errno, f"errno {errno}")


def _lines(report: ProbeReport) -> Iterator[str]:
    """The report for people, line by line."""
    support, catalog = report.support, report.support.catalog
    host = support.host
    yield f"host    {support.origin}, Linux {host.kernel}, {host.machine}"
    yield f"catalog {catalog.name}"
    yield f"lists   {describe_mask(support.mask, catalog)}"
    yield f"tried   files of {report.size} bytes, reserved words of zero: {extent(report)}"
    yield ""
    yield from _table(report)
    so_far = "" if report.complete else ", which is not everything"
    sections = {
        f"rules that hold in all of this{so_far}": _rules(report.rules, catalog),
        "refused, and explained by no rule": _masks(report.unexplained, catalog),
        "kernel and catalog contradict each other": [f"  {line}" for line in report.contradictions],
        "undetermined: in no mask that was taken": [
            f"  {describe(bit, catalog)}" for bit in bits(report.undetermined)
        ],
    }
    for title, content in sections.items():
        if content:
            yield from ("", title, *content)


def _table(report: ProbeReport) -> Iterator[str]:
    # A line for each mask, but one for all single bits that are neither listed nor taken.
    listed, catalog = report.support.mask, report.support.catalog
    plain = {
        mask
        for mask, errno in report.observations.items()
        if errno == EINVAL and mask.bit_count() == 1 and not mask & listed
    }
    width = max([4, *(len(hex(mask)) for mask in report.observations.keys() - plain)])
    yield f"  {'mask':>{width}}  answer      flags"
    for mask, errno in report.observations.items():
        if mask not in plain:
            answer = _named(errno) if errno else "taken"
            yield f"  {mask:#{width}x}  {answer:<10}  {format_mask(mask, catalog)}"
    if plain:
        yield f"  EINVAL for all other single bits tried: {len(plain)}, none of them listed"


def _rules(rules: Iterable[Rule], catalog: Catalog) -> list[str]:
    told = ((f"  {format_rule(rule, catalog)}", f"    {rule.why}") for rule in rules)
    return [line for pair in told for line in pair]


def _masks(masks: Iterable[int], catalog: Catalog) -> list[str]:
    return [f"  {describe_mask(mask, catalog)}" for mask in sorted(masks)]


def learn(
    taken: Masks, refused: Masks, universe: int, catalog: Catalog, source: str
) -> tuple[tuple[Rule, ...], Masks]:
    """The rules that hold in all observations, and the refused masks that they do not explain.

    ``universe`` are the bits of which a rule may say that no mask takes them.
    """
    relation = _Relation(taken, refused)
    rules = [*_always_and_never(relation, universe), *_requires(relation), *_excludes(relation)]
    rest = frozenset(filter(allowed_by(rules), refused))
    if rest:
        rules += _alternatives(relation, rest)
        rest = frozenset(filter(allowed_by(rules), rest))
    return tuple(_cited(rule, relation, catalog, source) for rule in rules), rest


def allowed_by(rules: Iterable[Rule]) -> Callable[[int], bool]:
    """A test of masks: whether all ``rules`` hold."""
    listed = tuple(rules)
    return lambda mask: all(rule.holds(mask) for rule in listed)


def _broken(rule: Rule, masks: Iterable[int]) -> Masks:
    allowed = allowed_by([rule])
    return frozenset(mask for mask in masks if not allowed(mask))


def _simplest(mask: int) -> tuple[int, int]:
    return mask.bit_count(), mask


def _cited(rule: Rule, relation: _Relation, catalog: Catalog, source: str) -> Rule:
    # With its why: the simplest mask that it refuses, and what was taken with the same flags.
    no = min(_broken(rule, relation.refused), key=_simplest)
    why = f"Observed: {describe_mask(no, catalog)} is refused"
    yes = min((mask for mask in relation.taken if not no & ~mask), key=_simplest, default=0)
    if yes:
        why += f", {describe_mask(yes, catalog)} is taken"
    return evolve(rule, why=f"{why}.", source=source)


def _common(masks: Iterable[int]) -> int:
    common = MASK
    for mask in masks:
        common &= mask
    return common


class _Relation:
    """Which flags go with which in all that was taken, as far as some refusal bears it out.

    ``live`` bits were in some mask taken, ``always`` in every one, and each other live bit has
    an entry in ``common``, what all masks taken with it share, in ``implied``, itself and what it
    requires, directly or not, in ``apart``, what it excludes, and in ``classes``, the flags that
    require it and that it requires.
    """

    def __init__(self, taken: Masks, refused: Masks) -> None:
        self.taken, self.refused = taken, refused
        self.live = union(taken)
        self.always = self.live & _common(taken)
        free = self.live & ~self.always
        self.common: dict[int, int] = {}
        self.implied: dict[int, int] = {}
        self.apart: dict[int, int] = {}
        for bit in bits(free):
            yes = [mask for mask in taken if mask & bit]
            no = [mask for mask in refused if mask & bit]
            self.common[bit] = _common(yes)
            self.implied[bit] = bit | _common(yes) & free & ~_common(no)
            self.apart[bit] = free & ~union(yes) & union(no)
        self._close()
        self.classes = {
            bit: sum(other for other in bits(implied) if self.implied[other] & bit)
            for bit, implied in self.implied.items()
        }

    def _close(self) -> None:
        # What a required flag requires is required as well, also where no refusal shows it.
        for middle in self.implied:
            for bit, implied in self.implied.items():
                if implied & middle:
                    self.implied[bit] |= self.implied[middle]

    def all_classes(self) -> list[int]:
        """Every class once, as a mask, in order of the first flags."""
        return [members for bit, members in self.classes.items() if bit == members & -members]

    def beyond(self, members: int) -> int:
        """What a class requires outside itself."""
        return self.implied[members & -members] & ~members

    def excluded(self, mask: int) -> int:
        """What some flag of ``mask`` excludes."""
        return union(self.apart[bit] for bit in bits(mask))


def _always_and_never(relation: _Relation, universe: int) -> Iterator[Rule]:
    dead = universe & ~relation.live & union(relation.refused)
    if dead:
        yield Never(dead, why="", source="")
    forced = relation.always & ~_common(relation.refused)
    if forced:
        yield Always(forced, why="", source="")


def _requires(relation: _Relation) -> Iterator[Rule]:
    for members in relation.all_classes():
        first = members & -members
        rest = members ^ first
        if rest:  # equivalent flags: the first stands for all
            yield Requires(first, all_of=rest, why="", source="")
            yield Requires(rest, all_of=first, why="", source="")
        direct = beyond = relation.beyond(members)
        for other in bits(beyond):
            direct &= ~relation.beyond(relation.classes[other])
        if direct:
            yield Requires(members, all_of=direct, why="", source="")


def _excludes(relation: _Relation) -> Iterator[Rule]:
    classes = relation.all_classes()
    for index, one in enumerate(classes):
        mine, above = relation.excluded(one), relation.excluded(relation.beyond(one))
        partners = 0
        for other in classes[index + 1 :]:
            beyond = relation.beyond(other)
            implied = above & (other | beyond) or mine & beyond
            partners |= other if mine & other and not implied else 0
        if partners:
            yield Excludes(one, partners, why="", source="")


def _alternatives(relation: _Relation, rest: Masks) -> list[Rule]:
    # "A requires B or C", and "every mask needs B or C", where that tells more than it takes.
    found: dict[Rule, Masks] = {}
    for flag in (0, *relation.all_classes()):
        ways = _ways(relation, flag & -flag)
        rule: Rule = (
            Requires(flag, any_of=ways, why="", source="")
            if flag
            else Always(any_of=ways, why="", source="")
        )
        broken = _broken(rule, rest)
        if len(ways) <= len(broken) + 1:
            found[rule] = broken
    for one in tuple(found):
        others = (broken for other, broken in found.items() if other is not one)
        if not found[one].difference(*others):  # the others explain as much
            del found[one]
    return list(found)


def _ways(relation: _Relation, bit: int) -> tuple[int, ...]:
    # What the masks taken with ``bit`` have besides: those that contain no other such mask.
    common = relation.common.get(bit, relation.always)
    kept: list[int] = []
    for mask in sorted({mask & ~common for mask in relation.taken if mask & bit == bit}):
        if all(other & ~mask for other in kept):
            kept.append(mask)
    return tuple(kept)
