"""The report of a probe: what a kernel took, mask by mask, and what follows from it.

It holds for one file size and zero reserved words only. The catalog's rules are compared at
CREATE, the one stage that creation can confirm.

>>> from gmemflags import query
>>> from gmemflags.negotiation._probe_report import ProbeReport
>>> from gmemflags.testing import FakeBackend
>>> host = query(FakeBackend.narrow(3))
>>> report = ProbeReport(support=host, observations={0: 0, 1: 0, 2: 22, 3: 0}, size=4096)
>>> report.complete, [str(line) for line in report.contradictions]
(True, ['INIT_SHARED (bit 1, 0x2) is refused, and linux-mainline allows it'])
>>> [type(rule).__name__ for rule in report.rules]
['Requires']
"""

from __future__ import annotations

from errno import EINVAL
from functools import cached_property
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from gmemflags.catalog._frozendict import FrozenDict
from gmemflags.catalog._rules import Never, Refused, Stage
from gmemflags.catalog._text import describe_mask, format_rule
from gmemflags.exceptions import CatalogError
from gmemflags.masks._flagword import flag_class
from gmemflags.masks._words import MASK, bits, u32, u64, union
from gmemflags.negotiation._learn import allowed_by, learn
from gmemflags.negotiation._resolve import applicable, applies

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gmemflags.catalog._catalog import Catalog
    from gmemflags.catalog._rules import Rule
    from gmemflags.host import Support
    from gmemflags.masks import FlagWord


def _observations(observations: Mapping[int, int]) -> FrozenDict[int, int]:
    return FrozenDict({u64(mask): u32(errno) for mask, errno in observations.items()})


@frozen(kw_only=True)
class ProbeReport:
    """What KVM_CREATE_GUEST_MEMFD answered to each mask that was tried on one VM.

    ``support``: what the VM listed. ``observations``: 0 for taken or an errno, by mask. ``size``
    of the files in bytes. ``stopped``: the errno that ended the probe early, or None. ``str()``
    tells all of it.
    """

    __module__ = "gmemflags.linux"

    support: Support
    observations: Mapping[int, int] = field(converter=_observations)
    size: int
    stopped: int | None = None

    def __str__(self) -> str:
        from gmemflags.negotiation._probe_text import lines  # noqa: PLC0415  # seldom wanted

        return "\n".join(lines(self))

    @cached_property
    def _learnt(self) -> tuple[tuple[Rule, ...], frozenset[int]]:
        universe = MASK & ~self.undetermined
        return learn(self.taken, self.refused, universe, self.support.catalog, self.source)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All Requires, Excludes, Always and Never that hold in every observation, reduced."""
        return self._learnt[0]

    @property
    def unexplained(self) -> frozenset[int]:
        """The masks that were refused although those rules allow them."""
        return self._learnt[1]

    @property
    def source(self) -> str:
        """The citation of the rules that were learnt here."""
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
        ``BIT_n``. Raises :exc:`~gmemflags.exceptions.CatalogError` if the report is not complete.
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
