"""Dependency rules: what one kernel tree says about combinations of flags, as data with a source.

The kernel enumerates flags one by one and never says which go together. Each rule here is one
such fact; it holds on a mask or it does not. A rule never looks at a host, and it is never a
guess: it says why, and where that is written.

>>> from gmemflags import Requires
>>> rule = Requires(1 << 3, all_of=1 << 2, why="BAR builds on FOO.", source="downstream tree")
>>> rule.holds(0b1000), rule.holds(0b1100), rule.holds(0)
(False, True, True)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from enum import IntEnum

from attrs import Factory, evolve, field, frozen

from gmemflags._exceptions import safe_repr
from gmemflags._masks import MASK, u64
from gmemflags._solver import ALWAYS, Clause, absent, clause
from gmemflags._values import (
    Reduced,
    Value,
    as_mask,
    as_masks,
    checked_tuple,
    is_a,
    masks_repr,
    reduce_to_fields,
)


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


# What `uname -m` may call the machine by the architecture of its kernel: a 32-bit personality
# reports another name of the same kernel, and people write other names than uname.
_ARM64 = "aarch64"
_NAMES = {
    "x86_64": "amd64 x86-64 x64 i386 i486 i586 i686",
    _ARM64: "arm64 aarch64_be armv8l armv8b",
    "ppc64": "ppc64le ppc ppcle powerpc powerpc64 powerpc64le",
    "s390x": "s390",
    "mips64": "mips",
    "riscv64": "riscv riscv32",
    "sparc64": "sparc",
    "parisc64": "parisc",
    "loongarch64": "loongarch",
}
_ARCHITECTURES = {
    name: architecture
    for architecture, names in _NAMES.items()
    for name in (architecture, *names.split())
}


def architecture(machine: str | None) -> str | None:
    """The architecture of the kernel that ``machine`` stands for, or None for an unknown name.

    Source: UTS_MACHINE and COMPAT_UTS_MACHINE in arch/*/Makefile and
    arch/*/include/asm/compat.h, v7.3.
    """
    return None if machine is None else _ARCHITECTURES.get(machine.strip().lower())


def _kind(machine: str) -> str:
    # The architecture, or for an unknown name the name itself.
    return architecture(machine) or machine.strip().lower()


def vm_type_alone(vm_type: int, machine: str | None) -> int:
    """The type in an argument of KVM_CREATE_VM, which on arm64 has an address size in bits 7:0.

    Source: KVM_VM_TYPE_ARM_IPA_SIZE_MASK in include/uapi/linux/kvm.h, v7.3.
    """
    known, alone = architecture(machine), vm_type & ~0xFF
    if known is None:  # then a small number may be either, and is taken for a type
        return alone or vm_type
    return alone if known == _ARM64 else vm_type


def _machines(values: Iterable[str]) -> tuple[str, ...]:
    return checked_tuple(values, str, "several names of machines")


def _vm_types(values: Iterable[int]) -> tuple[int, ...]:
    numbers = tuple(values)
    for number in numbers:
        if type(number) is not int or not 0 <= number < 1 << 64:
            raise TypeError(f"VM types are wanted as ints in [0, 2**64), not {safe_repr(number)}")
    return numbers


def _kinds(hosts: Hosts) -> tuple[str, ...]:
    return tuple(sorted({_kind(machine) for machine in hosts.machines}))


@frozen(kw_only=True, getstate_setstate=False, repr=False, eq=False)
class Hosts(Value):
    """The hosts that a rule applies to.

    A machine name stands for the architecture of its kernel, in any case: ``i686`` and ``amd64``
    are ``x86_64``, ``arm64`` and ``armv8l`` are ``aarch64``.

    Raises:
        TypeError: A field holds something other than several texts or several numbers.

    >>> from gmemflags import Hosts
    >>> Hosts(machines=["arm64"]).include("aarch64", 0)
    True
    """

    machines: tuple[str, ...] = field(default=(), converter=_machines)
    """Machine names as ``uname -m`` prints them; empty: any."""
    vm_types: tuple[int, ...] = field(default=(), converter=_vm_types)
    """VM types, the numbers that KVM_CREATE_VM takes; empty: any."""
    except_vm_types: tuple[int, ...] = field(default=(), converter=_vm_types)
    """VM types that the rule does not apply to, even if ``vm_types`` has them."""
    kinds: tuple[str, ...] = field(
        init=False, eq=False, repr=False, default=Factory(_kinds, takes_self=True)
    )
    """The architectures of the machines, and unknown names as they are."""

    def __reduce__(self) -> Reduced:
        return reduce_to_fields(self)

    def include(self, machine: str | None, vm_type: int | None) -> bool | None:
        """Whether a host is one of them.

        Args:
            machine: The host's machine name; None if it is unknown.
            vm_type: The VM's type; None if it is unknown.

        Returns:
            True or False, or None where what is unknown leaves it open. Only a known name of
            another architecture, or a known other type, is a False.
        """
        here = self._include_machine(machine)
        if here is False or not (self.vm_types or self.except_vm_types):
            return here
        if vm_type is None:
            return None
        known = architecture(machine) is not None

        def is_among(numbers: tuple[int, ...]) -> bool:
            alone = vm_type_alone(vm_type, machine)
            return alone in [vm_type_alone(number, machine) for number in numbers]

        def may_be_among(numbers: tuple[int, ...]) -> bool:
            # On an unknown machine, which may be arm64, a small number may be an address size and
            # no type: in the host's facts and in the rule alike.
            return not known and vm_type & ~0xFF in [number & ~0xFF for number in numbers]

        if self.vm_types and not is_among(self.vm_types):
            if not may_be_among(self.vm_types) or self._include_machine(_ARM64) is False:
                return False
            here = None
        excepted = self.except_vm_types
        if vm_type in excepted or (known and is_among(excepted)):
            return False
        return None if may_be_among(excepted) else here

    def _include_machine(self, machine: str | None) -> bool | None:
        kinds = self.kinds
        if not kinds:
            return True
        if not machine:
            return None
        here = _kind(machine)
        if here in kinds:
            return True
        return False if here in _NAMES and all(kind in _NAMES for kind in kinds) else None


def elsewhere(hosts: Hosts, machine: str | None, vm_type: int | None) -> list[Hosts]:
    """``hosts`` but those of one architecture and VM type, which are among them.

    Where one of the two is not known, nobody can say which hosts these are: then all are left.
    """
    here = architecture(machine)
    if here is None or vm_type is None:
        return [hosts]
    alone = vm_type_alone(vm_type, here)
    others = [name for name in hosts.machines or _NAMES if _kind(name) != here]
    same = [name for name in hosts.machines if _kind(name) == here] or [here]
    types = [number for number in hosts.vm_types if vm_type_alone(number, here) != alone]
    found = [evolve(hosts, machines=others)] if others else []
    if types:
        found.append(evolve(hosts, machines=same, vm_types=types))
    elif not hosts.vm_types:
        excepted = (*hosts.except_vm_types, alone)
        found.append(evolve(hosts, machines=same, except_vm_types=excepted))
    return found


@frozen(repr=False, eq=False)
class Rule(Value, ABC):
    """What all rules have in common.

    Raises:
        InvalidMaskError: An operand is not a mask.
        TypeError: Another field has a wrong type.
    """

    why: str = field(kw_only=True, validator=is_a(str))
    """The reason, as a sentence."""
    source: str = field(kw_only=True, validator=is_a(str))
    """Where that is written, as a citation."""
    stage: Stage = field(default=Stage.CREATE, kw_only=True, validator=is_a(Stage))
    """When breaking the rule hurts."""
    hosts: Hosts = field(factory=Hosts, kw_only=True, validator=is_a(Hosts))
    """Where the rule applies."""

    @property
    @abstractmethod
    def operands(self) -> tuple[int, ...]:
        """The masks that the rule names, in the order in which a sentence names them."""

    @abstractmethod
    def holds(self, mask: int) -> bool:
        """Whether ``mask`` obeys the rule, whatever its stage and hosts.

        Args:
            mask: The mask to check.

        Raises:
            InvalidMaskError: ``mask`` is not a mask.
        """

    @abstractmethod
    def clauses(self, may: int) -> list[Clause]:
        """The rule for the solver, as far as it concerns masks inside ``may``."""


@frozen(repr=False, eq=False)
class Requires(Rule):
    """A mask with any bit of ``flag`` has all of ``all_of`` and one whole mask of ``any_of``.

    >>> from gmemflags import GuestMemfdFlag as F, Requires
    >>> rule = Requires(
    ...     F.MMAP, all_of=F.INIT_SHARED, why="Else a touch is a SIGBUS.", source="v6.18"
    ... )
    >>> rule.holds(F.MMAP), rule.holds(F.MMAP | F.INIT_SHARED), rule.holds(0)
    (False, True, True)
    """

    flag: int = field(converter=as_mask, repr=hex)
    """The bits, each of which requires the others."""
    all_of: int = field(default=0, converter=as_mask, repr=hex, kw_only=True)
    """The bits that are all required."""
    any_of: tuple[int, ...] = field(default=(), converter=as_masks, repr=masks_repr, kw_only=True)
    """The alternatives; if empty, none is required."""

    @property
    def operands(self) -> tuple[int, ...]:
        return (self.flag, self.all_of, *self.any_of)

    def holds(self, mask: int) -> bool:
        value = u64(mask)
        return not value & self.flag or _has(value, self.all_of, self.any_of)

    def clauses(self, may: int) -> list[Clause]:
        flag = self.flag & may
        return [clause(flag, self.all_of, any_of=self.any_of)] if flag else []


@frozen(repr=False, eq=False)
class Excludes(Rule):
    """No mask has both a bit of ``a`` and a bit of ``b``.

    >>> from gmemflags import Excludes
    >>> Excludes(0b01, 0b10, why="They use the same field.", source="our tree").holds(0b11)
    False
    """

    a: int = field(converter=as_mask, repr=hex)
    """The bits of one side."""
    b: int = field(converter=as_mask, repr=hex)
    """The bits of the other side."""

    @property
    def operands(self) -> tuple[int, ...]:
        return (self.a, self.b)

    def holds(self, mask: int) -> bool:
        value = u64(mask)
        return not (value & self.a and value & self.b)

    def clauses(self, may: int) -> list[Clause]:
        a, b = self.a & may, self.b & may
        return [clause(a, absent(b))] if a and b else []


@frozen(repr=False, eq=False)
class Always(Rule):
    """Every mask has all of ``all_of`` and one whole mask of ``any_of``."""

    all_of: int = field(default=0, converter=as_mask, repr=hex)
    """The bits that every mask has."""
    any_of: tuple[int, ...] = field(default=(), converter=as_masks, repr=masks_repr, kw_only=True)
    """The alternatives; if empty, none is required."""

    @property
    def operands(self) -> tuple[int, ...]:
        return (self.all_of, *self.any_of)

    def holds(self, mask: int) -> bool:
        return _has(u64(mask), self.all_of, self.any_of)

    def clauses(self, may: int) -> list[Clause]:  # noqa: ARG002  # it concerns every mask
        return [clause(ALWAYS, self.all_of, any_of=self.any_of)]


@frozen(repr=False, eq=False)
class Never(Rule):
    """No mask has any bit of ``mask``, whether the host lists it or not."""

    mask: int = field(converter=as_mask, repr=hex)
    """The bits that no mask has."""

    @property
    def operands(self) -> tuple[int, ...]:
        return (self.mask,)

    def holds(self, mask: int) -> bool:
        return not u64(mask) & self.mask

    def clauses(self, may: int) -> list[Clause]:
        mask = self.mask & may
        return [clause(ALWAYS, absent(mask))] if mask else []


@frozen(repr=False, eq=False)
class Refused(Rule):
    """Exactly ``mask`` is refused; this says nothing about its supersets and subsets."""

    mask: int = field(converter=as_mask, repr=hex)
    """The mask that is refused."""

    @property
    def operands(self) -> tuple[int, ...]:
        return (self.mask,)

    def holds(self, mask: int) -> bool:
        return u64(mask) != self.mask

    def clauses(self, may: int) -> list[Clause]:
        if self.mask & ~may:
            return []
        return [clause(ALWAYS, one=absent(self.mask) | MASK & ~self.mask)]


def meaning(rule: Rule) -> tuple[object, ...]:
    """What a rule says, without its sentences: the same for two rules that say the same."""
    operands = list(rule.operands)
    if isinstance(rule, Excludes):
        operands.sort()
    elif isinstance(rule, (Requires, Always)):
        fixed = len(operands) - len(rule.any_of)
        operands[fixed:] = sorted(set(rule.any_of))
    kind, hosts = type(rule).__name__, rule.hosts
    # A VM type that is excepted is recognised by its sign.
    types = (*sorted(hosts.vm_types), *sorted(~number for number in hosts.except_vm_types))
    return int(rule.stage), kind, tuple(operands), hosts.kinds, types


def canonical(rule: Rule) -> tuple[object, ...]:
    """The key by which a catalog sorts its rules, so that the order given never matters."""
    return (*meaning(rule), rule.why, rule.source, rule.operands, rule.hosts.machines)


def _has(mask: int, all_of: int, any_of: tuple[int, ...]) -> bool:
    return not all_of & ~mask and (
        not any_of or any(not alternative & ~mask for alternative in any_of)
    )
