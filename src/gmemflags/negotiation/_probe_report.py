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
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from gmemflags.catalog._frozendict import FrozenDict
from gmemflags.catalog._rules import Never, Refused, Stage
from gmemflags.catalog._text import describe_mask
from gmemflags.exceptions import CatalogError
from gmemflags.masks._flagword import flag_class
from gmemflags.masks._words import MASK, bits, u64
from gmemflags.negotiation._learn import learn
from gmemflags.negotiation._resolve import applicable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gmemflags.catalog._catalog import Catalog
    from gmemflags.catalog._rules import Rule
    from gmemflags.host import Support


def _observations(observations: Mapping[int, int]) -> FrozenDict[int, int]:
    return FrozenDict({u64(mask): errno for mask, errno in observations.items()})


@frozen(kw_only=True)
class ProbeReport:
    """What KVM_CREATE_GUEST_MEMFD answered to each mask that was tried on one VM.

    ``support``: what the VM listed. ``observations``: 0 for taken or an errno, by mask. ``size``
    of the files in bytes. ``stopped``: the errno that ended the probe early, or None.
    """

    __module__ = "gmemflags.linux"

    support: Support
    observations: Mapping[int, int] = field(converter=_observations)
    size: int
    stopped: int | None = None
    rules: tuple[Rule, ...] = field(init=False, eq=False)
    """All Requires, Excludes, Always and Never that hold in every observation, reduced."""
    unexplained: frozenset[int] = field(init=False, eq=False)
    """The masks that were refused although those rules allow them."""

    def __attrs_post_init__(self) -> None:
        universe = MASK & ~self.undetermined
        catalog = self.support.catalog
        rules, rest = learn(self.taken, self.refused, universe, catalog, self.source)
        object.__setattr__(self, "rules", rules)
        object.__setattr__(self, "unexplained", rest)

    @property
    def source(self) -> str:
        """The citation of the rules that were learnt here."""
        kernel = self.support.host.kernel or "an unknown kernel"
        return f"probe of {self.support.origin}, {kernel}: {len(self.observations)} masks tried"

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
        seen = 0
        for mask in self.taken:
            seen |= mask
        return seen

    @property
    def taken_unlisted(self) -> frozenset[int]:
        """The masks that were taken with a bit that the VM does not list."""
        return frozenset(mask for mask in self.taken if mask & ~self.support.mask)

    @property
    def contradictions(self) -> tuple[str, ...]:
        """Where kernel and catalog contradict each other, a sentence each."""
        support = self.support
        rules = applicable(support, Stage.CREATE)
        found: list[str] = []
        for mask, errno in self.observations.items():
            what, name = describe_mask(mask, support.catalog), support.catalog.name
            allowed = all(rule.holds(mask) for rule in rules)
            if not errno and mask & ~support.mask:
                found.append(f"{what} is taken, and {support.origin} does not list all of it")
            elif not errno and not allowed:
                found.append(f"{what} is taken, and {name} has a rule against it")
            elif errno == EINVAL and allowed and not mask & ~(support.mask & support.catalog.named):
                found.append(f"{what} is refused, and {name} allows it")
        return tuple(found)

    def as_catalog(self, name: str) -> Catalog:
        """The catalog that this kernel obeys at CREATE; later stages keep their rules.

        Listed bits without a name are called ``BIT_n``. Raises
        :exc:`~gmemflags.exceptions.CatalogError` if the report is not complete.
        """
        if not self.complete:
            raise CatalogError(name, "the probe is not complete, so its rules may be too few")
        catalog = self.support.catalog
        members = {known: member.value for known, member in catalog.flags.__members__.items()}
        for bit in bits((self.support.mask | self._seen) & ~catalog.named):
            members[f"BIT_{bit.bit_length() - 1}"] = bit
        flags = flag_class("ProbedFlag", members)
        named = catalog.named | self.support.mask | self._seen
        why = "Observed: it is refused, and no simpler rule explains it."
        refused = [
            Refused(mask, why=why, source=self.source)
            for mask in sorted(self.unexplained)
            if not mask & ~named
        ]
        learnt = [rule for rule in map(_within(named), self.rules) if rule]
        later = [rule for rule in catalog.rules if rule.stage > Stage.CREATE]
        return evolve(catalog, name=name, flags=flags, rules=[*learnt, *refused, *later])


def _within(named: int) -> Callable[[Rule], Rule | None]:
    # A catalog says nothing of bits without a name: nobody can ask for them.
    def within(rule: Rule) -> Rule | None:
        if not isinstance(rule, Never):
            return rule
        return evolve(rule, mask=rule.mask & named) if rule.mask & named else None

    return within
