"""Many hosts: what all of them have, and how two of them compare.

What hosts have in common never has a bit that one of them lacks, was not asked for or could not
speak of.

>>> from gmemflags import baseline, compare, query
>>> from gmemflags.testing import FakeBackend
>>> hosts = {"a": 0x3, "b": 0x3, "c": 0x0}
>>> pool = baseline(query(FakeBackend.narrow(m, origin=n)) for n, m in hosts.items())
>>> print(pool)
baseline of 3 hosts: no flag (0x0)
  1 of 3 lacks MMAP (bit 0, 0x1): c
  1 of 3 lacks INIT_SHARED (bit 1, 0x2): c
>>> print(compare(query(FakeBackend.narrow(0x3)), query(FakeBackend.narrow(0x2))))
not safe: from a fake host to a fake host: 2 lost
  lost: MMAP (bit 0, 0x1) is unsupported there
  lost: INIT_SHARED (bit 1, 0x2) is listed there, and no mask until access holds it: INIT_SHARED \
requires MMAP (Memory that starts shared is of no use where nothing can map it (mmap: ENODEV))
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from attrs import Factory, evolve, field, frozen

from gmemflags._catalog import Capability, Catalog, Scope
from gmemflags._decision import obstacle
from gmemflags._exceptions import (
    InconsistentAnswerError,
    InvalidMaskError,
    PoolError,
    quote,
)
from gmemflags._format import describe, describe_mask, rules_with_why
from gmemflags._host import HostFacts, Support
from gmemflags._masks import MASK, WORD, bits, read_long, union
from gmemflags._rules import Rule, Stage, architecture, vm_type_alone
from gmemflags._solver import Budget
from gmemflags._values import frozen_mapping, mapping_repr, reduce_to_fields

_FLAGS = Capability.GUEST_MEMFD_FLAGS.value
_FLAGS_HI = Capability.GUEST_MEMFD_FLAGS_HI.value
_GUEST_MEMFD = Capability.GUEST_MEMFD.value
_VM_TYPES = Capability.VM_TYPES.value
_NAMED = 10
_ORIGIN = "the baseline of a pool"


class _Common:
    # What hosts have in common, whichever way their kernels put it. ``wide``: whether the flags
    # of all came as one 64-bit answer; it decides the form of the answers that are made of it.

    def __init__(self, support: Support) -> None:
        self.mask = support.mask
        self.answerable = support.answerable
        self.others = _others(support)
        self.wide = _is_wide(support)

    def include(self, support: Support) -> None:
        self.mask &= support.mask
        self.answerable &= support.answerable
        answers = support.answers
        if any(answers.get(name) != value for name, value in self.others.items()):
            here = _others(support)
            self.others = {
                name: _common_answer(name, value, here[name])
                for name, value in self.others.items()
                if name in here
            }
        self.wide = self.wide and _is_wide(support)

    def answers(self, catalog: Catalog) -> dict[str, int]:
        # Raw answers that a Support under ``catalog`` reads as this. Without a number for FLAGS_HI,
        # bits 63:32 can be answered only where one of them is set: where none is, they become
        # unknowable, which they are on the next host like that, too.
        values = dict(self.others)
        if self.wide and self.mask > WORD:
            values[_FLAGS] = self.mask
        else:
            if self.answerable & WORD:
                values[_FLAGS] = self.mask & WORD
            if self.answerable > WORD and catalog.capabilities.get(_FLAGS_HI) is not None:
                values[_FLAGS_HI] = self.mask >> 32
        return {name: _raw(name, value) for name, value in values.items()}


def _others(support: Support) -> dict[str, int]:
    return {
        name: read_long(raw)[0]
        for name, raw in support.answers.items()
        if name not in (_FLAGS, _FLAGS_HI)
    }


def _is_wide(support: Support) -> bool:
    flags = support.answers.get(_FLAGS)
    return flags is not None and read_long(flags)[1] == 64


def _common_answer(name: str, one: int, other: int) -> int:
    both = one & other
    # GUEST_MEMFD is a yes if it is not 0, and may become a mask: 1 says no more than yes.
    return 1 if name == _GUEST_MEMFD and one and other and not both else both


def _raw(name: str, value: int) -> int:
    raw = value - MASK - 1 if value >> 63 else value
    try:
        read_long(raw)
    except InvalidMaskError as error:
        raise InconsistentAnswerError(name, raw, str(error), _ORIGIN) from None
    return raw


def _str_tuple(origins: Iterable[str]) -> tuple[str, ...]:
    return tuple(origins)


@frozen
class Lacking:
    """The hosts of a pool that do not list one flag.

    Args:
        count: How many they are.
        first: The first ten of them by origin.
    """

    count: int
    first: tuple[str, ...] = field(converter=_str_tuple)


def _frozen_lacking(lacking: Mapping[int, Lacking]) -> Mapping[int, Lacking]:
    return frozen_mapping(lacking)


def _find_obstacles(pool: Baseline) -> tuple[tuple[int, tuple[Rule, ...]], ...]:
    budget = Budget()
    listed = bits(pool.support.mask & pool.support.catalog.named)
    found = ((bit, obstacle(pool.support, bit, Stage.ACCESS, budget)) for bit in listed)
    return tuple((bit, rules) for bit, rules in found if rules is not None)


@frozen(kw_only=True, getstate_setstate=False)
class Baseline:
    """What every host of a pool has.

    Args:
        support: Their common answers, to be resolved like those of a host. A capability that was
            not asked everywhere is not asked there, and its kernel is None unless all have the
            same.
        count: The number of hosts.
        lacking: By flag, the hosts without it, for every flag of the catalog and every other bit
            that some host lists; a bit that all list is not in it.
        first: The origins of the first ten hosts.
    """

    support: Support
    count: int
    lacking: Mapping[int, Lacking] = field(converter=_frozen_lacking, hash=False, repr=mapping_repr)
    first: tuple[str, ...] = field(converter=_str_tuple)
    _obstacles: tuple[tuple[int, tuple[Rule, ...]], ...] = field(
        init=False, eq=False, repr=False, default=Factory(_find_obstacles, takes_self=True)
    )

    __reduce__ = reduce_to_fields

    @property
    def headline(self) -> str:
        """The common flags in one line."""
        hosts = "1 host" if self.count == 1 else f"{self.count} hosts"
        return f"baseline of {hosts}: {describe_mask(self.support.mask, self.support.catalog)}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not on every host, and what no mask can have there, a sentence each."""
        catalog = self.support.catalog
        lines: list[str] = []
        for bit, without in self.lacking.items():
            verb = "lacks" if without.count == 1 else "lack"
            more = ", ..." if without.count > len(without.first) else ""
            names = ", ".join(map(quote, without.first))
            what = f"{without.count} of {self.count} {verb} {describe(bit, catalog)}"
            lines.append(f"{what}: {names}{more}")
        for bit, rules in self._obstacles:
            because = rules_with_why(rules, catalog)
            lines.append(f"no mask until access holds {describe(bit, catalog)}: {because}")
        if not self.support.guest_memfd:
            lines.append("guest_memfd itself is not on every host")
        return tuple(lines)

    def __str__(self) -> str:
        return "\n  ".join([self.headline, *self.notes])


def baseline(hosts: Iterable[Support | Baseline]) -> Baseline:
    """What all of ``hosts`` have, in one pass and constant memory.

    A Baseline among them counts for the hosts that it was made of. Flags are ANDed, and so are the
    answers to other capabilities, bit by bit; guest_memfd itself is there if no host answers 0. A
    bit is unknowable where it is unknowable on any host; and so are bits 63:32 where none of them
    is left and the catalog numbers no FLAGS_HI to say so.

    Args:
        hosts: What each host said, or baselines of parts of the pool.

    Raises:
        PoolError: There is no host, or they differ in catalog, scope, machine or VM type; it names
            the first that differs from the first of all.
        InconsistentAnswerError: What they have in common cannot be an answer, because it looks
            like an errno.

    >>> from gmemflags import baseline, query
    >>> from gmemflags.testing import FakeBackend
    >>> hex(baseline(query(FakeBackend.narrow(mask)) for mask in (0b11, 0b01)).support.mask)
    '0x1'
    """
    pool: _Pool | None = None
    for host in hosts:
        if pool is None:
            pool = _Pool(host.support if isinstance(host, Baseline) else host)
        if isinstance(host, Baseline):
            pool.join(host)
        else:
            pool.add(host)
    if pool is None:
        raise PoolError("", "a baseline needs at least one host")
    return pool.baseline()


class _Pool:
    # What the hosts so far have in common, and per bit how many of them list it.

    def __init__(self, first: Support) -> None:
        self._like = first
        self._kernel = first.host.kernel
        self._names: dict[int, str] = {}
        self._common = _Common(first)
        self._count = 0
        # 64 counters side by side: bit n of the counts is bit n of planes[0], planes[1], ...
        self._planes: list[int] = []
        self._first: list[str] = []
        self._without: dict[int, list[str]] = {}
        self._unsettled = MASK

    def add(self, support: Support) -> None:
        self._include(support)
        self._count += 1
        mask = support.mask
        if self._unsettled & ~mask:
            self._name(MASK ^ mask, (support.origin,))
        if len(self._first) < _NAMED:
            self._first.append(support.origin)
        self._tally(mask, 0)

    def join(self, part: Baseline) -> None:
        self._include(part.support)
        self._count += part.count
        counts = dict.fromkeys(bits(MASK), 0)
        for bit in counts:
            absent = part.lacking.get(bit)
            if absent:
                counts[bit] = part.count - absent.count
                self._name(bit, absent.first)
            elif bit & part.support.mask:
                counts[bit] = part.count
            else:
                self._name(bit, part.first)
        self._first = [*self._first, *part.first][:_NAMED]
        for place in range(part.count.bit_length()):
            self._tally(sum(bit for bit, count in counts.items() if count >> place & 1), place)

    def _include(self, support: Support) -> None:
        self._check(support)
        self._common.include(support)

    def _check(self, support: Support) -> None:
        like = self._like
        if not _same_catalog(support.catalog, like.catalog):
            ours, theirs = _catalog_name(like.catalog), _catalog_name(support.catalog)
            raise self._other_kind(support, "catalog", theirs, ours)
        if support.scope is not like.scope:
            raise self._other_kind(support, "scope", support.scope, like.scope)
        host = support.host
        if host is not like.host:
            if _kind_of_machine(support) != _kind_of_machine(like):
                raise self._other_kind(support, "machine", host.machine, like.host.machine)
            if _type_of(support) != _type_of(like):
                raise self._other_kind(support, "VM type", host.vm_type, like.host.vm_type)
            if host.kernel != self._kernel:
                self._kernel = None
        for bit, name in support.other_names.items():
            before = self._names.setdefault(bit, name)
            if before != name:
                raise self._other_kind(support, f"a bit {bit:#x} called", name, before)

    def _other_kind(self, support: Support, what: str, one: object, other: object) -> PoolError:
        problem = f"has {what} {_fact(one)}, where {quote(self._like.origin)} has {_fact(other)}"
        return PoolError(support.origin, f"{problem}: a baseline needs hosts of one kind")

    def _name(self, missing: int, origins: tuple[str, ...]) -> None:
        for bit in bits(missing & self._unsettled):
            names = self._without.setdefault(bit, [])
            names += origins[: _NAMED - len(names)]
            if len(names) == _NAMED:
                self._unsettled ^= bit

    def _tally(self, carry: int, place: int) -> None:
        # Add 1 << place to the counter of every bit of carry.
        planes = self._planes
        while carry:
            if place >= len(planes):
                planes += [0] * (place + 1 - len(planes))
            plane = planes[place]
            planes[place] = plane ^ carry
            carry &= plane
            place += 1

    def baseline(self) -> Baseline:
        like = self._like
        named = like.catalog.named
        lacking: dict[int, Lacking] = {}
        for bit in bits(MASK):
            count = sum(1 << n for n, plane in enumerate(self._planes) if plane & bit)
            if count < self._count and (count or bit & named):
                lacking[bit] = Lacking(self._count - count, self._without[bit])
        mask = self._common.mask
        return Baseline(
            support=evolve(
                like,
                answers=self._common.answers(like.catalog),
                errors={},
                host=HostFacts(self._kernel, like.host.machine, like.host.vm_type),
                origin=_ORIGIN,
                unused=(),
                other_names={bit: name for bit, name in self._names.items() if bit & mask},
            ),
            count=self._count,
            lacking=lacking,
            first=self._first,
        )


def _same_catalog(one: Catalog, other: Catalog) -> bool:
    return one is other or one.digest == other.digest


def _catalog_name(catalog: Catalog) -> str:
    return f"{quote(catalog.name)} ({catalog.digest[:12]})"


@frozen(kw_only=True)
class Loss:
    """Something that can be had on one host and not on the other.

    Args:
        capability: Empty for flags; else the capability whose answer lacks the bits.
        bits: The flag, or the bits of the answer.
        rules: Empty if the other host does not list the flag; else it does, and no valid mask
            there can hold it, because of these rules.
        message: The sentence.
    """

    capability: str = ""
    bits: int = field(repr=hex)
    rules: tuple[Rule, ...] = ()
    message: str

    def __str__(self) -> str:
        return self.message


def _both(comparison: Comparison) -> tuple[tuple[Loss, ...], tuple[Loss, ...]]:
    a, b, budget = comparison.a, comparison.b, Budget()
    return tuple(_losses(a, b, budget)), tuple(_losses(b, a, budget))


@frozen(kw_only=True, getstate_setstate=False)
class Comparison:
    """Whether what runs on ``a`` runs on ``b``; see :func:`compare`.

    Args:
        a: One host.
        b: The other.
    """

    a: Support
    b: Support
    _differences: tuple[tuple[Loss, ...], tuple[Loss, ...]] = field(
        init=False, eq=False, repr=False, default=Factory(_both, takes_self=True)
    )

    __reduce__ = reduce_to_fields

    @property
    def lost(self) -> tuple[Loss, ...]:
        """What can be had on ``a`` and not on ``b``."""
        return self._differences[0]

    @property
    def gained(self) -> tuple[Loss, ...]:
        """What can be had on ``b`` and not on ``a``."""
        return self._differences[1]

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the two cannot be compared with certainty, a sentence each."""
        return tuple(_doubts(self.a, self.b))

    @property
    def safe(self) -> bool:
        """Whether every mask that is valid on ``a`` is valid on ``b``: nothing lost, no doubt."""
        return not self.lost and not self.doubts

    @property
    def headline(self) -> str:
        """The answer in one line."""
        a, b = quote(self.a.origin), quote(self.b.origin)
        if self.safe:
            return f"safe: what runs on {a} runs on {b}"
        counts: list[str] = []
        if self.lost:
            counts.append(f"{len(self.lost)} lost")
        if self.doubts:
            counts.append("they are hosts of different kinds")
        return f"not safe: from {a} to {b}: {', '.join(counts)}"

    def __str__(self) -> str:
        lines = [
            self.headline,
            *(f"lost: {loss}" for loss in self.lost),
            *(f"gained: {gain}" for gain in self.gained),
            *(f"doubt: {doubt}" for doubt in self.doubts),
        ]
        return "\n  ".join(lines)


def compare(a: Support, b: Support) -> Comparison:
    """Compare two hosts: can what runs on ``a`` run on ``b``?

    A flag is lost if ``b`` does not list it, or if no mask that is valid on ``b`` at some stage can
    hold it; and so is a bit of another capability that ``b`` lacks. Hosts of another machine, VM
    type, scope or catalog are compared by bits, and are never safe.

    Args:
        a: What the host said on which something runs.
        b: What the other host said.

    >>> from gmemflags import compare, query
    >>> from gmemflags.testing import FakeBackend
    >>> compare(query(FakeBackend.narrow(0b11)), query(FakeBackend.narrow(0))).safe
    False
    """
    return Comparison(a=a, b=b)


def _losses(here: Support, there: Support, budget: Budget) -> Iterator[Loss]:
    catalog = here.catalog
    for bit in bits(here.mask):
        what = describe(bit, catalog)
        if not bit & there.mask:
            state = there.state(bit)
            yield Loss(bits=bit, message=f"{what} is {state} there")
            continue
        for stage in Stage if bit & catalog.named else ():
            if obstacle(here, bit, stage, budget) is None:
                rules = obstacle(there, bit, stage, budget)
                if rules is not None:
                    because = rules_with_why(rules, catalog)
                    message = (
                        f"{what} is listed there, and no mask until {stage} holds it: {because}"
                    )
                    yield Loss(bits=bit, rules=rules, message=message)
                    break
    for name, raw in here.answers.items():
        if name in (_FLAGS, _FLAGS_HI) or (name == _VM_TYPES and here.scope is Scope.VM):
            continue
        mine, other = read_long(raw)[0], there.known_answer(name)
        missing = mine & ~(other or 0)
        if name == _GUEST_MEMFD and other:
            missing = 0  # it is a yes if it is not 0
        if missing:
            answer = "not known" if other is None else f"{other:#x}"
            message = f"KVM_CAP_{quote(name)} is {answer} there, and {mine:#x} here"
            yield Loss(capability=name, bits=missing, message=message)


def _doubts(a: Support, b: Support) -> Iterator[str]:
    if not _same_catalog(a.catalog, b.catalog):
        yield f"catalog: {_catalog_name(a.catalog)} and {_catalog_name(b.catalog)}: bits may differ"
    if a.scope is not b.scope:
        yield f"scope: {a.scope} and {b.scope}: /dev/kvm says what the host could offer at most"
    if _kind_of_machine(a) != _kind_of_machine(b) or a.host.machine is None:
        yield f"machine: {_fact(a.host.machine)} and {_fact(b.host.machine)}: rules may differ"
    a_type, b_type = _type_of(a), _type_of(b)
    clash = [bit for bit, name in a.other_names.items() if b.other_names.get(bit, name) != name]
    if clash:
        yield f"names: {union(clash):#x} is called otherwise on the other host"
    if a.scope is b.scope is Scope.VM and (a_type != b_type or a_type is None):
        yield f"VM type: {_fact(a_type)} and {_fact(b_type)}: rules may differ"


def _kind_of_machine(support: Support) -> str | None:
    machine = support.host.machine
    return None if machine is None else architecture(machine) or machine


def _type_of(support: Support) -> int | None:
    vm_type = support.host.vm_type
    return None if vm_type is None else vm_type_alone(vm_type, support.host.machine)


def _fact(fact: object) -> str:
    return "not known" if fact is None else quote(str(fact))
