"""The solver: ints in, an int out. It knows nothing of flags, hosts or sentences.

A *clause* ``(clear, ways)`` holds on a mask if some bit of ``clear`` is not in it, or one of the
masks ``ways`` lies wholly in it. Every rule is a list of clauses: "A requires B, or both C and D"
is ``(A, (B, C | D))``, "A excludes B" is ``(A | B, ())``, "always A" is ``(0, (A,))``.

A bit that nothing forces is best left out. So once every forced conclusion is drawn, ``must``
itself is the answer, unless a clause is left that lies wholly in it with several ways still open:
only there is anything to decide. The search then takes the bit that most of these clauses could
use, tries it set and clear, and gives up a branch when even a lower bound needs too many bits. It
is complete, and exponential only in the number of such decisions.

>>> solve(0b001, 0b111, [(0b001, (0b010, 0b100))], [0b100], None)  # bit 0 needs 1 or 2; 2 is wished
5
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from collections.abc import Iterable, Sequence
if True:
    Clause = tuple[int, tuple[int, ...]]
    # A clause made fast: the ways of one bit are one mask, the others stay a tuple.
    Packed = tuple[int, int, tuple[int, ...]]


_UNIT = 1 << 40  # one bit, in the fractions of the covering bound


def solve(must: int, may: int, clauses: Iterable[Clause], wishes: Iterable[int] = (), budget=None) -> int | None:
    """The best mask M with ``must`` inside M, M inside ``may``, on which every clause holds.

    Best: of the vectors (wish inside M, ...) the lexicographically greatest; of these the mask
    with the fewest bits; of these the smallest number. None if there is no such mask.
    """
    packed = _packed(clauses)
    found = _search(must, may, packed, may.bit_count())
    if found is None:
        return None
    for wish in wishes:
        if wish & ~found:  # pragma: no mutate: a shortcut, what is found has the wish already
            better = _search(must | wish, may, packed, may.bit_count())
            if better is None:
                continue
            found = better
        must |= wish
    return _smallest(must, may, packed, found)


def possible(must: int, may: int, clauses: Iterable[Clause], budget=None) -> bool:
    """Whether there is any mask as :func:`solve` wants it; cheaper than the best one."""
    return _search(must, may, _packed(clauses), may.bit_count()) is not None


def _packed(clauses: Iterable[Clause]) -> list[Packed]:
    packed: list[Packed] = []
    for clear, ways in clauses:
        single = 0
        for way in ways:
            if not way & (way - 1):
                single |= way
        if 0 not in ways:  # the empty mask lies in every mask: nothing is asked
            packed.append((clear, single, tuple([way for way in ways if way & (way - 1)])))
    return packed


def _smallest(must: int, may: int, clauses: Sequence[Packed], found: int) -> int:
    # From any mask to the best: fewer bits until there are no fewer, then each high bit spared.
    while (
        must != found and (fewer := _search(must, may, clauses, found.bit_count() - 1)) is not None
    ):
        found = fewer
    count = found.bit_count()
    while rest := found & ~must:
        highest = 1 << (rest.bit_length() - 1)
        may &= found | (highest - 1)
        spared = _search(must, may & ~highest, clauses, count)
        if spared is None:
            must |= highest
        else:
            found = spared
    return found


def _search(must: int, may: int, clauses: Sequence[Packed], limit: int) -> int | None:
    # Some mask of at most ``limit`` bits, or None if there is none.
    state = _propagate(must, may, clauses)
    if state is None:
        return None
    must, may, clauses = state
    room = limit - must.bit_count()
    demands = [(one, ways) for clear, one, ways in clauses if not clear & ~must]
    if not demands:
        return must if room >= 0 else None
    options = [_bits_of(must, one, ways) for one, ways in demands]
    uses = _uses(options)
    if _covering(options, uses) > room:
        return None
    if _packing(must, demands) > room:
        return None
    bit = max(uses, key=uses.__getitem__)
    found = _search(must | bit, may, clauses, limit)
    return _search(must, may & ~bit, clauses, limit) if found is None else found


def _propagate(  # noqa: C901  # the innermost loop: calls would double its cost
    must: int, may: int, clauses: Sequence[Packed]
) -> tuple[int, int, Sequence[Packed]] | None:
    # Every conclusion that one clause alone allows, and the clauses still open; None: no mask.
    while True:
        before = must, may
        rest: list[Packed] = []
        for clear, one, ways in clauses:
            if clear & ~may or one & must:
                continue
            one &= may  # noqa: PLW2901  # what is left of it
            if ways:
                ways = tuple([way for way in ways if not way & ~may])  # noqa: PLW2901  # as above
                if any(not way & ~must for way in ways):
                    continue
            undecided = clear & ~must
            if not one and not ways:
                if not undecided:
                    return None
                if not undecided & (undecided - 1):
                    may &= ~undecided
                    continue
            elif not undecided and (forced := _only_way(one, ways)):
                must |= forced
                continue
            rest.append((clear, one, ways))
        if must & ~may:
            return None
        if (must, may) == before:
            return must, may, rest
        clauses = rest


def _only_way(one: int, ways: tuple[int, ...]) -> int:
    # The single way that is left, or 0 where there are several.
    if not ways:
        return 0 if one & (one - 1) else one
    return ways[0] if not one and len(ways) == 1 else 0


def _bits_of(must: int, one: int, ways: Iterable[int]) -> int:
    # The bits that could help to meet a demand.
    for way in ways:
        one |= way & ~must
    return one


def _uses(options: Iterable[int]) -> dict[int, int]:
    # How many demands each bit could help to meet.
    uses: dict[int, int] = {}
    for touched in options:
        while touched:
            bit = touched & -touched
            uses[bit] = uses.get(bit, 0) + 1
            touched ^= bit  # noqa: PLW2901  # the rest of it
    return uses


def _packing(must: int, demands: Iterable[tuple[int, tuple[int, ...]]]) -> int:
    # A lower bound of the bits still needed: demands that share no bit add up.
    needed = seen = 0
    for one, ways in sorted(demands, key=_openness):
        touched = _bits_of(must, one, ways)
        if not touched & seen:
            seen |= touched
            needed += 1 if one else min([(way & ~must).bit_count() for way in ways])
    return needed


def _openness(demand: tuple[int, tuple[int, ...]]) -> int:
    return demand[0].bit_count() + len(demand[1])


def _covering(options: Sequence[int], uses: dict[int, int]) -> int:
    # Another lower bound: a demand whose most useful bit meets n demands costs 1/n bit or more.
    cost = 0
    for bit, count in sorted(uses.items(), key=itemgetter(1), reverse=True):
        left = [touched for touched in options if not touched & bit]
        cost += (len(options) - len(left)) * _UNIT // count
        options = left
    return -(-cost // _UNIT)

STEPS = 2_000_000
class OutOfSteps(Exception): ...
class Budget:
    def __init__(self, steps=STEPS): self.left = steps
    def spend(self, n): self.left -= n
def whole_groups(required, groups, may):
    rest = may & ~required; out=[]
    while rest:
        bit = rest & -rest; rest ^= bit
        out.append((bit, tuple([g for g in groups if g & bit])))
    return out
def core(must, may, fixed, parts, budget):
    kept = list(range(len(parts)))
    cl = lambda ks: [*fixed, *(c for k in ks for c in parts[k])]
    for k in list(kept):
        without = [o for o in kept if o != k]
        if not possible(must, may, cl(without)): kept = without
    rest = must
    while rest:
        bit = rest & -rest; rest ^= bit
        if not possible(must & ~bit, may, cl(kept)): must &= ~bit
    return must, tuple(kept), True
