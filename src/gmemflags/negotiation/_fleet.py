"""The baseline of a pool: what every host of it has, so that a VM can run on any of them.

A fold: one pass, constant memory, and the order of the hosts never matters to what they have in
common. Nothing is ever in the baseline that some host lacks, was not asked for, or cannot see.

>>> from attrs import evolve
>>> from gmemflags import baseline, query
>>> from gmemflags.testing import FakeBackend
>>> hosts = {"a": 0x3, "b": 0x3, "c": 0x1}
>>> pool = baseline(evolve(query(FakeBackend.narrow(m)), origin=n) for n, m in hosts.items())
>>> print(pool)
baseline of 3 hosts: MMAP (bit 0, 0x1)
  1 of 3 lacks INIT_SHARED (bit 1, 0x2): c
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from gmemflags.catalog._frozendict import FrozenDict
from gmemflags.exceptions import PoolError
from gmemflags.masks._words import MASK, bits
from gmemflags.negotiation._reading import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gmemflags.catalog._catalog import Catalog
    from gmemflags.host import Support

_NAMED = 10
_ORIGIN = "the baseline of a pool"


def _texts(origins: Iterable[str]) -> tuple[str, ...]:
    return tuple(origins)


def _fixed(lacking: Mapping[int, Lacking]) -> FrozenDict[int, Lacking]:
    return FrozenDict(lacking)


@frozen
class Lacking:
    """The hosts of a pool that do not list one flag: how many, and the first ten by origin."""

    __module__ = "gmemflags"

    count: int
    first: tuple[str, ...] = field(converter=_texts)


@frozen(kw_only=True)
class Baseline:
    """What every host of a pool has.

    ``support``: their common answers, to be resolved like those of a host; a capability that was
    not asked everywhere is not asked there, and its kernel is None unless all have the same.
    ``count``: the hosts. ``lacking``: by flag, the hosts without it, for every flag of the
    catalog and every other bit that some host lists; a bit that all list is not in it. ``first``:
    the origins of the first ten hosts.
    """

    __module__ = "gmemflags"

    support: Support
    count: int
    lacking: Mapping[int, Lacking] = field(converter=_fixed)
    first: tuple[str, ...] = field(converter=_texts)

    def __str__(self) -> str:
        from gmemflags.negotiation._fleet_text import baseline_text  # noqa: PLC0415  # seldom

        return baseline_text(self)


def baseline(hosts: Iterable[Support | Baseline]) -> Baseline:
    """What all of ``hosts`` have; a Baseline among them stands for the hosts that it was made of.

    Flags are ANDed, and so are the answers to other capabilities, bit by bit; guest_memfd itself
    is there if no host answers 0. A bit is unknowable where it is unknowable on any host; and so
    are bits 63:32 where none of them is left and the catalog numbers no FLAGS_HI to say so.

    Raises :exc:`~gmemflags.exceptions.PoolError` if there is no host, or if they differ in
    catalog, scope, machine or VM type: the message names the first that differs from the first
    of all. Raises :exc:`~gmemflags.exceptions.InconsistentAnswerError` if what they have in
    common cannot be an answer, because it looks like an errno.
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
    """The fold so far: the meet of the readings, and per bit how many hosts list it."""

    def __init__(self, first: Support) -> None:
        self._like = first
        self._kernel = first.host.kernel
        self._common = reading(first)
        self._count = 0
        # 64 counters side by side: bit n of the counts is bit n of planes[0], planes[1], ...
        self._planes: list[int] = []
        self._first: list[str] = []
        self._without: dict[int, list[str]] = {}
        self._unsettled = MASK

    def add(self, support: Support) -> None:
        self._meet(support)
        self._count += 1
        mask = support.mask
        if self._unsettled & ~mask:
            self._name(MASK ^ mask, (support.origin,))
        if len(self._first) < _NAMED:
            self._first.append(support.origin)
        self._tally(mask, 0)

    def join(self, part: Baseline) -> None:
        self._meet(part.support)
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

    def _meet(self, support: Support) -> None:
        self._check(support)
        if not self._common.is_met_by(support):
            self._common = self._common.meet(reading(support))

    def _check(self, support: Support) -> None:
        like = self._like
        if support.catalog is not like.catalog and support.catalog != like.catalog:
            raise self._odd(support, "catalog", _told(support.catalog), _told(like.catalog))
        if support.scope is not like.scope:
            raise self._odd(support, "scope", support.scope, like.scope)
        host = support.host
        if host is not like.host:
            if host.machine != like.host.machine:
                raise self._odd(support, "machine", host.machine, like.host.machine)
            if host.vm_type != like.host.vm_type:
                raise self._odd(support, "VM type", host.vm_type, like.host.vm_type)
            if host.kernel != self._kernel:
                self._kernel = None

    def _odd(self, support: Support, what: str, one: object, other: object) -> PoolError:
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


def _told(catalog: Catalog) -> str:
    return f"{catalog.name} ({catalog.digest[:12]})"
