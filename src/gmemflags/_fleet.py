"""Many hosts: what all of them have, and whether what runs on one can run on another.

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
  lost: MMAP (bit 0, 0x1) is unsupported on the second host
  lost: INIT_SHARED (bit 1, 0x2) is listed on the second host, and no mask until access holds it: \
INIT_SHARED requires MMAP (Memory that starts shared is of no use where nothing can map it (mmap: \
ENODEV))
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from attrs import Factory, evolve, field, frozen

from gmemflags._catalog import Capability, Catalog, Scope
from gmemflags._decision import obstacle
from gmemflags._exceptions import PoolError, quote
from gmemflags._format import describe, describe_mask, rules_with_why
from gmemflags._host import HostFacts, Support
from gmemflags._masks import MASK, WORD, bits, read_long, union
from gmemflags._rules import Rule, Stage, architecture, vm_type_alone
from gmemflags._solver import Budget, OutOfSteps
from gmemflags._values import (
    NOTHING,
    Reduced,
    Value,
    checked_mapping,
    frozen_mapping,
    mapping_repr,
    reduce_to_fields,
)

_FLAGS = Capability.GUEST_MEMFD_FLAGS.value
_FLAGS_HI = Capability.GUEST_MEMFD_FLAGS_HI.value
_NAMED = 10
_ORIGIN = "the baseline of a pool"


def _first(origins: Iterable[str]) -> tuple[str, ...]:
    return tuple(origins)


@frozen(repr=False, eq=False)
class Lacking(Value):
    """The hosts of a pool that do not list one flag.

    Args:
        count: How many they are.
        first: The first ten of them by origin.
    """

    count: int
    first: tuple[str, ...] = field(converter=_first)


def _lacking(lacking: Mapping[int, Lacking]) -> Mapping[int, Lacking]:
    return frozen_mapping(checked_mapping(lacking, "lacking"))


def _find_obstacles(pool: Baseline) -> tuple[tuple[int, tuple[Rule, ...]], ...]:
    support, budget = pool.support, Budget()
    found: list[tuple[int, tuple[Rule, ...]]] = []
    with suppress(OutOfSteps):  # a note more or less: resolve() tells who asks for the flag
        for bit in bits(support.mask & support.catalog.named):
            rules = obstacle(support, bit, Stage.ACCESS, budget)
            if rules is not None:
                found.append((bit, rules))
    return tuple(found)


@frozen(kw_only=True, getstate_setstate=False, repr=False, eq=False)
class Baseline(Value):
    """What every host of a pool has.

    Args:
        support: Their common answers, to be resolved like those of a host. A capability that was
            not asked everywhere is not asked there, and its kernel is None unless all have the
            same.
        count: The number of hosts.
        lacking: By flag, the hosts without it, for every flag of the catalog and every other bit
            that some host lists; a bit that all list is not in it.
        first: The origins of the first ten hosts.
        unanswered: How many hosts gave no answer about bits 31:0, and how many about bits 63:32.
            Those are among the hosts without a flag there.
    """

    support: Support
    count: int
    lacking: Mapping[int, Lacking] = field(converter=_lacking, hash=False, repr=mapping_repr)
    first: tuple[str, ...] = field(converter=_first)
    unanswered: tuple[int, int] = (0, 0)
    _obstacles: tuple[tuple[int, tuple[Rule, ...]], ...] = field(
        init=False, eq=False, repr=False, default=Factory(_find_obstacles, takes_self=True)
    )

    def __reduce__(self) -> Reduced:
        return reduce_to_fields(self)

    @property
    def headline(self) -> str:
        """The common flags in one line."""
        hosts = "1 host" if self.count == 1 else f"{self.count} hosts"
        return f"baseline of {hosts}: {describe_mask(self.support.mask, self.support.catalog)}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not on every host, and what no mask can have there, a sentence each."""
        catalog, total = self.support.catalog, self.count
        lines: list[str] = []
        for bit, out in self.lacking.items():
            unknown = self.unanswered[bit > WORD]
            what, lack = describe(bit, catalog), out.count - unknown
            names = ", ".join(map(quote, out.first))
            names += ", ..." if out.count > len(out.first) else ""
            if lack:
                lacks = "lacks" if lack == 1 else "lack"
                lines.append(f"{lack} of {total} {lacks} {what}: {names}")
            if unknown:
                lines.append(f"no answer about {what} from {unknown} of {total}: {names}")
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
        pool = pool or _Pool(host.support if isinstance(host, Baseline) else host)
        pool.add(host)
    if pool is None:
        raise PoolError("", "a baseline needs at least one host")
    return pool.baseline()


class _Pool:
    # What the hosts so far have in common, and for each bit how many of them list it.

    def __init__(self, first: Support) -> None:
        self.like = first
        self.kernel = first.host.kernel
        self.names: dict[int, str] = {}
        self.mask = self.answerable = MASK
        self.wide = True  # whether the flags of all came as one 64-bit answer
        self.others = _others(first)
        self.count = 0
        self.first: list[str] = []
        self.listed = dict.fromkeys(bits(MASK), 0)
        self.unanswered = [0, 0]  # a half is answered as a whole
        self.without: dict[int, list[str]] = {}
        self.unsettled = MASK  # the bits for which another name can be kept

    def add(self, host: Support | Baseline) -> None:
        lacking: Mapping[int, Lacking] = NOTHING
        if isinstance(host, Baseline):
            support, count, first, lacking = host.support, host.count, host.first, host.lacking
            unanswered = host.unanswered
        else:
            support, count, first = host, 1, (host.origin,)
            unanswered = (not host.answerable & WORD, host.answerable <= WORD)
        self._check(support)
        self.count += count
        self.first += first[: _NAMED - len(self.first)]
        self.mask &= support.mask
        self.answerable &= support.answerable
        self.unanswered[0] += unanswered[0]
        self.unanswered[1] += unanswered[1]
        if self.wide:
            flags = support.answers.get(_FLAGS)
            self.wide = flags is not None and read_long(flags)[1]
        if not self.others.items() <= support.answers.items():
            here = _others(support)
            self.others = {
                name: _common_answer(name, value, here[name])
                for name, value in self.others.items()
                if name in here
            }
        listed = self.listed
        for bit in bits(support.mask):
            listed[bit] += count
        for bit, out in lacking.items():
            listed[bit] += count - out.count
            self._name(bit, out.first)
        self._name(MASK & ~(support.mask | union(lacking)), first)

    def _name(self, missing: int, origins: tuple[str, ...]) -> None:
        for bit in bits(missing & self.unsettled):
            names = self.without.setdefault(bit, [])
            names += origins[: _NAMED - len(names)]
            if len(names) == _NAMED:
                self.unsettled ^= bit

    def _check(self, support: Support) -> None:
        like = self.like
        if not _same_catalog(support.catalog, like.catalog):
            ours, theirs = _catalog_name(like.catalog), _catalog_name(support.catalog)
            raise self._other_kind(support, "catalog", theirs, ours)
        if support.scope is not like.scope:
            raise self._other_kind(support, "scope", support.scope, like.scope)
        host = support.host
        if (host.machine, host.vm_type) != (like.host.machine, like.host.vm_type):
            if _kind_of_machine(support) != _kind_of_machine(like):
                raise self._other_kind(support, "machine", host.machine, like.host.machine)
            if _type_of(support) != _type_of(like):
                raise self._other_kind(support, "VM type", host.vm_type, like.host.vm_type)
        if host.kernel != self.kernel:
            self.kernel = None
        for bit, name in support.other_names.items():
            before = self.names.setdefault(bit, name)
            if before != name:
                raise self._other_kind(support, f"a bit {bit:#x} called", name, before)

    def _other_kind(self, support: Support, what: str, one: object, other: object) -> PoolError:
        problem = f"has {what} {_fact(one)}, where {quote(self.like.origin)} has {_fact(other)}"
        return PoolError(support.origin, f"{problem}: a baseline needs hosts of one kind")

    def _answers(self) -> dict[str, int]:
        # Raw answers that a Support reads as what all have. Without a number for FLAGS_HI, bits
        # 63:32 can be answered only where one of them is set.
        values = dict(self.others)
        if self.wide and self.mask > WORD:
            values[_FLAGS] = self.mask
        else:
            if self.answerable & WORD:
                values[_FLAGS] = self.mask & WORD
            if self.answerable > WORD and self.like.catalog.capabilities.get(_FLAGS_HI) is not None:
                values[_FLAGS_HI] = self.mask >> 32
        return {name: value - (value >> 63 << 64) for name, value in values.items()}

    def baseline(self) -> Baseline:
        like, named = self.like, self.like.catalog.named
        lacking: dict[int, Lacking] = {}
        for bit, count in self.listed.items():
            if count < self.count and (count or bit & named):
                lacking[bit] = Lacking(self.count - count, self.without[bit])
        return Baseline(
            support=evolve(
                like,
                answers=self._answers(),
                errors={},
                host=HostFacts(self.kernel, like.host.machine, like.host.vm_type),
                origin=_ORIGIN,
                unused=(),
                other_names=self.names,
            ),
            count=self.count,
            lacking=lacking,
            first=self.first,
            unanswered=(self.unanswered[0], self.unanswered[1]),
        )


def _others(support: Support) -> dict[str, int]:
    return {
        name: read_long(raw)[0]
        for name, raw in support.answers.items()
        if name not in (_FLAGS, _FLAGS_HI)
    }


def _common_answer(name: str, one: int, other: int) -> int:
    # GUEST_MEMFD is a yes if it is not 0, and may become a mask: 1 says no more than yes.
    both = one & other
    return 1 if name == Capability.GUEST_MEMFD and one and other and not both else both


@frozen(kw_only=True, repr=False, eq=False)
class Loss(Value):
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


def _differences(comparison: Comparison) -> tuple[list[Loss], list[Loss], bool]:
    a, b, budget = comparison.a, comparison.b, Budget()
    lost: list[Loss] = []
    gained: list[Loss] = []
    try:
        lost.extend(_losses(a, b, "on the second host", "on the first", budget))
        gained.extend(_losses(b, a, "on the first host", "on the second", budget))
    except OutOfSteps:
        return lost, gained, False
    return lost, gained, True


@frozen(kw_only=True, getstate_setstate=False, repr=False, eq=False)
class Comparison(Value):
    """Whether what runs on ``a`` runs on ``b``; see :func:`compare`.

    Args:
        a: One host.
        b: The other.
    """

    a: Support
    b: Support
    _found: tuple[list[Loss], list[Loss], bool] = field(
        init=False, eq=False, repr=False, default=Factory(_differences, takes_self=True)
    )

    def __reduce__(self) -> Reduced:
        return reduce_to_fields(self)

    @property
    def lost(self) -> tuple[Loss, ...]:
        """What can be had on ``a`` and not on ``b``."""
        return tuple(self._found[0])

    @property
    def gained(self) -> tuple[Loss, ...]:
        """What can be had on ``b`` and not on ``a``."""
        return tuple(self._found[1])

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the two cannot be compared with certainty, a sentence each."""
        return tuple(_doubts(self.a, self.b, finished=self._found[2]))

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
        why = [f"{len(self.lost)} lost"] if self.lost else []
        why += ["they are hosts of different kinds"] if self.doubts else []
        return f"not safe: from {a} to {b}: {', '.join(why)}"

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
    type, scope or catalog are compared by bits, and are never safe. What a VM's VM_TYPES says of
    other types, and GUEST_MEMFD beyond not being 0, is not compared: a request that needs such a
    bit can be refused on ``b`` all the same.

    Args:
        a: What the host said on which something runs.
        b: What the other host said.

    >>> from gmemflags import compare, query
    >>> from gmemflags.testing import FakeBackend
    >>> compare(query(FakeBackend.narrow(0b11)), query(FakeBackend.narrow(0))).safe
    False
    """
    return Comparison(a=a, b=b)


def _losses(
    here: Support, there: Support, on_other: str, on_this: str, budget: Budget
) -> Iterator[Loss]:
    catalog = here.catalog
    for bit in bits(here.mask):
        what = describe(bit, catalog)
        if not bit & there.mask:
            yield Loss(bits=bit, message=f"{what} is {there.state(bit)} {on_other}")
            continue
        for stage in Stage if bit & catalog.named else ():
            if obstacle(here, bit, stage, budget) is None:
                rules = obstacle(there, bit, stage, budget)
                if rules is not None:
                    because = f"no mask until {stage} holds it: {rules_with_why(rules, catalog)}"
                    message = f"{what} is listed {on_other}, and {because}"
                    yield Loss(bits=bit, rules=rules, message=message)
                    break
    for name, mine in _others(here).items():
        other = there.known_answer(name)
        missing = mine & ~(other or 0)
        if name == Capability.VM_TYPES and here.scope is Scope.VM:
            continue  # other types do not concern this VM
        if name == Capability.GUEST_MEMFD and other:
            continue  # it is a yes if it is not 0
        if missing:
            answer = "not known" if other is None else f"{other:#x}"
            message = f"KVM_CAP_{quote(name)} is {answer} {on_other}, and {mine:#x} {on_this}"
            yield Loss(capability=name, bits=missing, message=message)


def _doubts(a: Support, b: Support, *, finished: bool) -> Iterator[str]:
    if not _same_catalog(a.catalog, b.catalog):
        yield f"catalog: {_catalog_name(a.catalog)} and {_catalog_name(b.catalog)}: bits may differ"
    clash = union(bit for bit, n in a.other_names.items() if b.other_names.get(bit, n) != n)
    if clash:
        yield f"names: {clash:#x} is called otherwise on the other host"
    if a.scope is not b.scope:
        yield f"scope: {a.scope} and {b.scope}: /dev/kvm says what the host could offer at most"
    if _kind_of_machine(a) != _kind_of_machine(b) or a.host.machine is None:
        yield f"machine: {_fact(a.host.machine)} and {_fact(b.host.machine)}: rules may differ"
    a_type, b_type = _type_of(a), _type_of(b)
    if a.scope is b.scope is Scope.VM and (a_type != b_type or a_type is None):
        yield f"VM type: {_fact(a_type)} and {_fact(b_type)}: rules may differ"
    if not finished:
        yield "rules: too hard, so that not every flag was compared"


def _same_catalog(one: Catalog, other: Catalog) -> bool:
    return one is other or one.digest == other.digest


def _catalog_name(catalog: Catalog) -> str:
    return f"{quote(catalog.name)} ({catalog.digest[:12]})"


def _kind_of_machine(support: Support) -> str | None:
    machine = support.host.machine
    return None if machine is None else architecture(machine) or machine


def _type_of(support: Support) -> int | None:
    vm_type = support.host.vm_type
    return None if vm_type is None else vm_type_alone(vm_type, support.host.machine)


def _fact(fact: object) -> str:
    return "not known" if fact is None else quote(str(fact))
