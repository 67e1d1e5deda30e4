"""Rules: what one kernel tree says about combinations of flags, as data with a source.

The kernel's enumeration lists flags one by one and never says which go together. Each rule here
is one such fact; it holds on a mask or it does not. A rule never looks at a host by itself, and
it is never a guess: it says why, and where that is written.

>>> from gmemflags import Requires
>>> rule = Requires(1 << 3, all_of=1 << 2, why="BAR builds on FOO.", source="downstream tree")
>>> rule.holds(0b1000), rule.holds(0b1100), rule.holds(0)
(False, True, True)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from enum import IntEnum

from attrs import field, frozen

from gmemflags._masks import MASK, bits, u64
from gmemflags._solver import Clause
from gmemflags._values import as_mask, as_masks, checked, checked_tuple, masks_repr


class Stage(IntEnum):
    """When breaking a rule hurts, in order of time."""

    CREATE = 0
    """KVM_CREATE_GUEST_MEMFD answers EINVAL."""
    BIND = 1
    """The file is created, but no memory slot can be bound to it."""
    ACCESS = 2
    """Created and bound, but the host cannot use its mapping."""

    def __str__(self) -> str:
        return self.name.lower()


def _texts(values: Iterable[str]) -> tuple[str, ...]:
    return checked_tuple(values, str, "several names of machines")


def _numbers(values: Iterable[int]) -> tuple[int, ...]:
    numbers = tuple(values)
    if any(type(number) is not int for number in numbers):
        raise TypeError(f"VM types are numbers, not {numbers}")
    return numbers


@frozen(kw_only=True)
class Hosts:
    """The hosts that a rule speaks of: machine names of ``uname -m`` and KVM VM types.

    Empty means any. VM types are the numbers that KVM_CREATE_VM takes. Raises TypeError for
    anything but several texts and several numbers.
    """

    machines: tuple[str, ...] = field(default=(), converter=_texts)
    vm_types: tuple[int, ...] = field(default=(), converter=_numbers)

    def include(self, machine: str | None, vm_type: int | None) -> bool | None:
        """True or False, or None where an unknown machine or VM type leaves it open.

        An empty machine name is an unknown one.
        """
        answers = [
            None if known is None else known in wanted
            for known, wanted in ((machine or None, self.machines), (vm_type, self.vm_types))
            if wanted
        ]
        if False in answers:
            return False
        return None if None in answers else True


@frozen
class Rule(ABC):
    """What every rule has: ``why`` (a sentence), ``source`` (a citation), ``stage``, ``hosts``.

    A rule raises :exc:`~gmemflags.InvalidMaskError` for an operand that is no mask,
    and TypeError for a field of another type.
    """

    why: str = field(kw_only=True, converter=checked("why", str))
    source: str = field(kw_only=True, converter=checked("why", str))
    stage: Stage = field(default=Stage.CREATE, kw_only=True, converter=checked("stage", Stage))
    hosts: Hosts = field(factory=Hosts, kw_only=True, converter=checked("hosts", Hosts))

    @abstractmethod
    def clauses(self, may: int) -> list[Clause]:
        """The rule for the solver, on masks inside ``may``: see ``catalog/_solve.py``."""

    @property
    @abstractmethod
    def operands(self) -> tuple[int, ...]:
        """The masks that the rule names, in the order in which a sentence names them."""

    def holds(self, mask: int) -> bool:
        """Whether ``mask`` obeys the rule, its stage and hosts aside.

        Raises :exc:`~gmemflags.InvalidMaskError` if it is no mask.
        """
        value = u64(mask)
        return all(
            clear & ~value or any(not way & ~value for way in ways)
            for clear, ways in self.clauses(MASK)
        )


@frozen
class Requires(Rule):
    """If any bit of ``flag`` is set, all of ``all_of`` is, and one whole mask of ``any_of``.

    An empty ``any_of`` asks for no alternative.
    """

    flag: int = field(converter=as_mask, repr=hex)
    all_of: int = field(default=0, converter=as_mask, repr=hex, kw_only=True)
    any_of: tuple[int, ...] = field(default=(), converter=as_masks, repr=masks_repr, kw_only=True)

    def clauses(self, may: int) -> list[Clause]:
        needs = _needs(self.all_of, self.any_of)
        return [(bit, ways) for bit in bits(self.flag & may) for ways in needs]

    @property
    def operands(self) -> tuple[int, ...]:
        return (self.flag, self.all_of, *self.any_of)


@frozen
class Excludes(Rule):
    """No bit of ``a`` goes together with any bit of ``b``."""

    a: int = field(converter=as_mask, repr=hex)
    b: int = field(converter=as_mask, repr=hex)

    def clauses(self, may: int) -> list[Clause]:
        return [(one | other, ()) for one in bits(self.a & may) for other in bits(self.b & may)]

    @property
    def operands(self) -> tuple[int, ...]:
        return (self.a, self.b)


@frozen
class Always(Rule):
    """Every mask has all of ``all_of``, and one whole mask of ``any_of`` unless that is empty."""

    all_of: int = field(default=0, converter=as_mask, repr=hex)
    any_of: tuple[int, ...] = field(default=(), converter=as_masks, repr=masks_repr, kw_only=True)

    def clauses(self, may: int) -> list[Clause]:  # noqa: ARG002  # concerns every mask
        return [(0, ways) for ways in _needs(self.all_of, self.any_of)]

    @property
    def operands(self) -> tuple[int, ...]:
        return (self.all_of, *self.any_of)


@frozen
class Never(Rule):
    """No mask has any bit of ``mask``, listed or not."""

    mask: int = field(converter=as_mask, repr=hex)

    def clauses(self, may: int) -> list[Clause]:
        return [(bit, ()) for bit in bits(self.mask & may)]

    @property
    def operands(self) -> tuple[int, ...]:
        return (self.mask,)


@frozen
class Refused(Rule):
    """Not exactly ``mask``; its supersets and subsets are another matter."""

    mask: int = field(converter=as_mask, repr=hex)

    def clauses(self, may: int) -> list[Clause]:
        return [(self.mask, bits(may & ~self.mask))]

    @property
    def operands(self) -> tuple[int, ...]:
        return (self.mask,)


def _needs(all_of: int, any_of: tuple[int, ...]) -> list[tuple[int, ...]]:
    # What is needed, as alternatives: all of the one (of nothing: every mask has it), and one of
    # the others.
    return [(all_of,), any_of] if any_of else [(all_of,)]


def canonical(rule: Rule) -> tuple[object, ...]:
    return (int(rule.stage), type(rule).__name__, rule.operands, rule.hosts.machines, rule.hosts.vm_types, rule.why, rule.source)
