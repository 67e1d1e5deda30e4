"""Many hosts: what all of them have, and how two of them compare.

Answers are ordered: for one bit, unknowable is less than unsupported, and that is less than
supported; for another capability, "not asked" is less than 0, and that is less than any bits.
What two hosts have in common never has a bit that one of them lacks.

>>> from attrs import evolve
>>> from gmemflags import baseline, compare, query
>>> from gmemflags.testing import FakeBackend
>>> hosts = {"a": 0x3, "b": 0x3, "c": 0x1}
>>> pool = baseline(evolve(query(FakeBackend.narrow(m)), origin=n) for n, m in hosts.items())
>>> print(pool)
baseline of 3 hosts: MMAP (bit 0, 0x1)
  1 of 3 lacks INIT_SHARED (bit 1, 0x2): c
>>> print(compare(query(FakeBackend.narrow(0x3)), query(FakeBackend.narrow(0x1))))
superset: a fake host has all that the other fake host has, and more
  on the other fake host you lose INIT_SHARED (bit 1, 0x2)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from attrs import Factory, evolve, field, frozen

from gmemflags._catalog import Capability, Catalog, Scope
from gmemflags._decision import obstacle
from gmemflags._exceptions import (
    CatalogError,
    InconsistentAnswerError,
    InvalidMaskError,
    PoolError,
)
from gmemflags._format import describe, describe_mask, rules_with_why
from gmemflags._host import Support
from gmemflags._masks import MASK, WORD, bits, read_long, union
from gmemflags._rules import Rule
from gmemflags._solver import Budget
from gmemflags._values import FrozenDict, reduce_to_fields

_FLAGS = Capability.GUEST_MEMFD_FLAGS.value
_FLAGS_HI = Capability.GUEST_MEMFD_FLAGS_HI.value
_GUEST_MEMFD = Capability.GUEST_MEMFD.value
# "Not 0 anywhere, and no bit in common". GUEST_MEMFD is a yes if it is not 0, and may become a
# mask (facts of include/uapi/linux/kvm.h, v7.2); no kernel has a meaning for this bit of it.
_SOME = 1 << 62
_NAMED = 10
_ORIGIN = "the baseline of a pool"


def _frozen_others(others: Mapping[str, int]) -> FrozenDict[str, int]:
    return FrozenDict(others)


@frozen(kw_only=True)
class Reading:
    """What one host says, whichever way its kernel put it.

    ``mask`` and ``answerable`` are those of the Support, ``others`` what the other capabilities
    answered. ``wide``: whether the flags came as one 64-bit answer; it counts for nothing but the
    form of the answers that are made of the reading.
    """

    mask: int
    answerable: int
    others: Mapping[str, int] = field(converter=_frozen_others)
    wide: bool = field(eq=False)

    @classmethod
    def of(cls, support: Support) -> Reading:
        """What ``support`` says."""
        answers = support.answers
        return cls(
            mask=support.mask,
            answerable=support.answerable,
            others={
                name: read_long(raw)[0]
                for name, raw in answers.items()
                if name not in (_FLAGS, _FLAGS_HI)
            },
            wide=_FLAGS in answers and read_long(answers[_FLAGS])[1] == 64,
        )

    def common(self, other: Reading) -> Reading:
        """What both have: associative, commutative and idempotent."""
        return Reading(
            mask=self.mask & other.mask,
            answerable=self.answerable & other.answerable,
            others={
                name: _common_answer(name, value, other.others[name])
                for name, value in self.others.items()
                if name in other.others
            },
            wide=self.wide and other.wide,
        )

    def is_within(self, support: Support) -> bool:
        """Whether it is plain that ``support`` changes nothing; False says nothing."""
        answers = support.answers
        return not (
            self.wide
            or self.mask & ~support.mask
            or self.answerable & ~support.answerable
            or any(answers.get(name) != value for name, value in self.others.items())
        )

    def answers(self, catalog: Catalog, origin: str) -> dict[str, int]:
        """Raw answers that a Support under ``catalog`` reads as this.

        Without a number for FLAGS_HI, bits 63:32 can be answered only where one of them is set:
        where none is, they become unknowable, which they are on the next host like that, too.

        Raises:
            InconsistentAnswerError: No C long says it; it names ``origin``.
        """
        values = dict(self.others)
        if self.wide and self.mask > WORD:
            values[_FLAGS] = self.mask
        else:
            if self.answerable & WORD:
                values[_FLAGS] = self.mask & WORD
            if self.answerable > WORD and catalog.capabilities.get(_FLAGS_HI) is not None:
                values[_FLAGS_HI] = self.mask >> 32
        return {name: _raw(name, value, origin) for name, value in values.items()}


def _common_answer(name: str, one: int, other: int) -> int:
    both = one & other
    return _SOME if name == _GUEST_MEMFD and one and other and not both else both


def _raw(name: str, value: int, origin: str) -> int:
    raw = value - MASK - 1 if value >> 63 else value
    try:
        read_long(raw)
    except InvalidMaskError as error:
        raise InconsistentAnswerError(name, raw, str(error), origin) from None
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


def _frozen_lacking(lacking: Mapping[int, Lacking]) -> FrozenDict[int, Lacking]:
    return FrozenDict(lacking)


def _find_obstacles(pool: Baseline) -> tuple[tuple[int, tuple[Rule, ...]], ...]:
    budget = Budget()
    listed = bits(pool.support.mask & pool.support.catalog.named)
    found = ((bit, obstacle(pool.support, bit, budget)) for bit in listed)
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
    lacking: Mapping[int, Lacking] = field(converter=_frozen_lacking)
    first: tuple[str, ...] = field(converter=_str_tuple)
    _obstacles: tuple[tuple[int, tuple[Rule, ...]], ...] = field(
        init=False, eq=False, repr=False, default=Factory(_find_obstacles, takes_self=True)
    )

    __reduce__ = reduce_to_fields

    def __str__(self) -> str:
        catalog = self.support.catalog
        hosts = "1 host" if self.count == 1 else f"{self.count} hosts"
        lines = [f"baseline of {hosts}: {describe_mask(self.support.mask, catalog)}"]
        for bit, without in self.lacking.items():
            verb = "lacks" if without.count == 1 else "lack"
            more = ", ..." if without.count > len(without.first) else ""
            names = ", ".join(without.first)
            what = f"{without.count} of {self.count} {verb} {describe(bit, catalog)}"
            lines.append(f"  {what}: {names}{more}")
        for bit, rules in self._obstacles:
            because = rules_with_why(rules, catalog)
            lines.append(f"  no mask can hold {describe(bit, catalog)}: {because}")
        if not self.support.guest_memfd:
            lines.append("  guest_memfd itself is not on every host")
        return "\n".join(lines)


def baseline(hosts: Iterable[Support | Baseline]) -> Baseline:
    """What all of ``hosts`` have, in one pass and constant memory.

    A Baseline among them counts for the hosts that it was made of. Flags are ANDed, and so are the
    answers to other capabilities, bit by bit; guest_memfd itself is there if no host answers 0. A
    bit is unknowable where it is unknowable on any host; and so are bits 63:32 where none of them
    is left and the catalog numbers no FLAGS_HI to say so.

    Raises:
        PoolError: There is no host, or they differ in catalog, scope, machine or VM type; it names
            the first that differs from the first of all.
        InconsistentAnswerError: What they have in common cannot be an answer, because it looks
            like an errno.
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
        self._common = Reading.of(first)
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
        if not self._common.is_within(support):
            self._common = self._common.common(Reading.of(support))

    def _check(self, support: Support) -> None:
        like = self._like
        if not _same_catalog(support.catalog, like.catalog):
            ours, theirs = _catalog_name(like.catalog), _catalog_name(support.catalog)
            raise self._other_kind(support, "catalog", theirs, ours)
        if support.scope is not like.scope:
            raise self._other_kind(support, "scope", support.scope, like.scope)
        host = support.host
        if host is not like.host:
            if host.machine != like.host.machine:
                raise self._other_kind(support, "machine", host.machine, like.host.machine)
            if host.vm_type != like.host.vm_type:
                raise self._other_kind(support, "VM type", host.vm_type, like.host.vm_type)
            if host.kernel != self._kernel:
                self._kernel = None

    def _other_kind(self, support: Support, what: str, one: object, other: object) -> PoolError:
        problem = f"has {what} {one}, where {self._like.origin} has {other}"
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
        return Baseline(
            support=evolve(
                like,
                answers=self._common.answers(like.catalog, _ORIGIN),
                host=evolve(like.host, kernel=self._kernel),
                origin=_ORIGIN,
            ),
            count=self._count,
            lacking=lacking,
            first=self._first,
        )


def _same_catalog(one: Catalog, other: Catalog) -> bool:
    return one is other or one.digest == other.digest


def _catalog_name(catalog: Catalog) -> str:
    return f"{catalog.name} ({catalog.digest[:12]})"


class Relation(StrEnum):
    """How the answers of one host relate to those of another."""

    EQUAL = "equal"
    """Both say the same of every bit and of every other capability."""
    SUPERSET = "superset"
    """The first has all that the second has, and more."""
    SUBSET = "subset"
    """The second has all that the first has, and more."""
    INCOMPARABLE = "incomparable"
    """Each has something that the other lacks."""


@frozen(kw_only=True)
class Loss:
    """One flag that can be had on one host and not on the other.

    Args:
        bit: The flag.
        rules: Empty if the other host does not list it; else it does, and no valid mask there can
            hold it, because of these rules.
        because: The flags of these rules that only the first host lists, as a mask.
    """

    bit: int = field(repr=hex)
    rules: tuple[Rule, ...] = ()
    because: int = field(default=0, repr=hex)


def _relation(comparison: Comparison) -> Relation:
    a, b = Reading.of(comparison.a), Reading.of(comparison.b)
    both = a.common(b)
    if a == b:
        return Relation.EQUAL
    if both == b:
        return Relation.SUPERSET
    return Relation.SUBSET if both == a else Relation.INCOMPARABLE


def _lost_on_a(comparison: Comparison) -> tuple[Loss, ...]:
    return tuple(_losses(comparison.b, comparison.a))


def _lost_on_b(comparison: Comparison) -> tuple[Loss, ...]:
    return tuple(_losses(comparison.a, comparison.b))


@frozen(kw_only=True, getstate_setstate=False)
class Comparison:
    """How ``a`` and ``b`` compare; ``str()`` says it, and what is lost.

    Args:
        a: One host.
        b: The other.
    """

    a: Support
    b: Support
    relation: Relation = field(init=False, default=Factory(_relation, takes_self=True))
    """How their answers relate."""
    lost_on_a: tuple[Loss, ...] = field(
        init=False, repr=False, default=Factory(_lost_on_a, takes_self=True)
    )
    """What a VM of ``b`` loses on ``a``, lowest bit first."""
    lost_on_b: tuple[Loss, ...] = field(
        init=False, repr=False, default=Factory(_lost_on_b, takes_self=True)
    )
    """What a VM of ``a`` loses on ``b``, lowest bit first."""

    __reduce__ = reduce_to_fields

    @property
    def differing(self) -> int:
        """The bits of which the two say something different, as a mask.

        A bit that one host does not list and the other could not even speak of is one of them.
        """
        return (self.a.mask ^ self.b.mask) | (self.a.answerable ^ self.b.answerable)

    @property
    def capabilities(self) -> dict[str, tuple[int | None, int | None]]:
        """The other capabilities that differ: both answers as masks, None where not asked."""
        one, two = Reading.of(self.a).others, Reading.of(self.b).others
        return {
            name: (one.get(name), two.get(name))
            for name in sorted({*one, *two})
            if one.get(name) != two.get(name)
        }

    def __str__(self) -> str:
        return "\n  ".join(_comparison_lines(self))


def compare(a: Support, b: Support) -> Comparison:
    """Compare what two hosts said.

    EQUAL means equal answers, however the kernel put them: 64 flags at once or in two words. The
    order is that of :func:`~gmemflags.baseline`: ``a`` is a superset of ``b`` if the baseline of
    both says what ``b`` says. So "could not speak of it" is less than "not supported". Hosts of
    other scopes, machines or VM types can be compared.

    Raises:
        CatalogError: They were read under different catalogs: their bits may mean different
            things.
    """
    if not _same_catalog(a.catalog, b.catalog):
        problem = (
            f"{b.origin} was read under {_catalog_name(b.catalog)}, but {a.origin} under"
            f" {_catalog_name(a.catalog)}: their bits may differ"
        )
        raise CatalogError(b.catalog.name, problem)
    return Comparison(a=a, b=b)


def _losses(here: Support, there: Support) -> Iterator[Loss]:
    budget = Budget()
    gone = here.mask & ~there.mask
    for bit in bits(here.mask):
        if bit & gone:
            yield Loss(bit=bit)
        elif bit & here.catalog.named and obstacle(here, bit, budget) is None:
            rules = obstacle(there, bit, budget)
            if rules is not None:
                operands = union(operand for rule in rules for operand in rule.operands)
                yield Loss(bit=bit, rules=rules, because=operands & gone)


_SENTENCES = {
    Relation.EQUAL: "equal: {a} and {b} give equal answers",
    Relation.SUPERSET: "superset: {a} has all that {b} has, and more",
    Relation.SUBSET: "subset: {b} has all that {a} has, and more",
    Relation.INCOMPARABLE: "incomparable: each of {a} and {b} has something that the other lacks",
}


def _names(comparison: Comparison) -> tuple[str, str]:
    one, two = comparison.a.origin, comparison.b.origin
    if one != two:
        return one, two
    rest = two.removeprefix("a ").removeprefix("the ")
    return one, f"the other {rest}"


def _comparison_lines(comparison: Comparison) -> Iterator[str]:
    a, b = comparison.a, comparison.b
    one, two = _names(comparison)
    yield _SENTENCES[comparison.relation].format(a=one, b=two)
    yield from _loss_lines(comparison.lost_on_b, a, two)
    yield from _loss_lines(comparison.lost_on_a, b, one)
    for here, there, name in ((a, b, one), (b, a, two)):
        unknown = there.answerable & ~here.answerable
        for word, numbers in ((WORD, "31:0"), (WORD << 32, "63:32")):
            if unknown & word:
                yield f"{name} could not speak of bits {numbers}"
    for name, (answer, other) in comparison.capabilities.items():
        yield f"KVM_CAP_{name} is {_hex(answer)} on {one} and {_hex(other)} on {two}"
    for what, mine, yours in (
        ("machine", a.host.machine, b.host.machine),
        ("VM type", a.host.vm_type, b.host.vm_type),
    ):
        if mine != yours:
            yield f"{what} {_fact(mine)} on {one} and {_fact(yours)} on {two}: rules may differ"
    if a.scope is not b.scope:
        system, vm = (one, two) if a.scope is Scope.SYSTEM else (two, one)
        yield f"{system} says what the host could offer at most, {vm} what one VM takes"


def _loss_lines(losses: tuple[Loss, ...], here: Support, there: str) -> Iterator[str]:
    catalog = here.catalog
    for loss in losses:
        what = describe(loss.bit, catalog)
        if loss.rules:
            if not loss.because:
                because = rules_with_why(loss.rules, catalog)
                yield f"on {there} you lose {what}, though it is listed: {because}"
            continue
        with_it = [other for other in losses if other.because & loss.bit]
        if not with_it:
            yield f"on {there} you lose {what}"
            continue
        names = " and ".join(describe(other.bit, catalog) for other in with_it)
        rules = dict.fromkeys(rule for other in with_it for rule in other.rules)
        because = rules_with_why(rules, catalog)
        yield f"on {there} you lose {what}, and with it {names}: {because}"


def _fact(fact: object) -> str:
    return "not known" if fact is None else str(fact)


def _hex(answer: int | None) -> str:
    return "not asked" if answer is None else f"{answer:#x}"
