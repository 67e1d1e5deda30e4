"""Relations between flags: the rules that hold in what was observed at one stage.

Pure: masks in, rules out. A rule holds on every mask that works, and some mask that fails breaks
it; together the rules say no more and no less, and none is said twice. Rules of earlier stages
are known, and not said again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from gmemflags._masks import MASK, bits, union
from gmemflags._rules import Always, Excludes, Never, Requires, Rule

Masks = frozenset[int]

# A rule with more alternatives is no simpler than the masks that it explains.
_MOST_ALTERNATIVES = 16


def in_order(masks: Iterable[int]) -> list[int]:
    """Masks, those with the fewest flags first."""
    return sorted(masks, key=lambda mask: (mask.bit_count(), mask))


def allowed_by(rules: Iterable[Rule], masks: Iterable[int]) -> Masks:
    """The masks on which all rules hold."""
    listed = tuple(rules)
    return frozenset([mask for mask in masks if all(rule.holds(mask) for rule in listed)])


def broken_by(rule: Rule, masks: Iterable[int]) -> Masks:
    """The masks on which a rule does not hold."""
    return frozenset([mask for mask in masks if not rule.holds(mask)])


def _common(masks: Iterable[int]) -> int:
    return MASK & ~union(~mask for mask in masks)


def _of_any(table: Mapping[int, int], mask: int) -> int:
    return union(table.get(bit, 0) for bit in bits(mask))


# A literal is a flag, or the lack of one: its bit, or the bit 64 above it.
def _opposite(literals: int) -> int:
    return literals >> 64 | (literals & MASK) << 64


def _lowest_first(implication: tuple[int, int]) -> tuple[int, int]:
    flag, then = implication
    flags = flag | then & MASK | then >> 64
    return flags & -flags, flags


class Relation:
    """Which flags go with which in all that works, where some failure shows it.

    Masks in ``aside`` neither work nor fail. That nothing works with a bit is said of those in
    ``universe`` alone. ``before`` is the relation of the stage before.
    """

    def __init__(
        self, works: Masks, fails: Masks, aside: Masks, universe: int, before: Relation | None
    ) -> None:
        self.works, self.fails, self.aside, self.universe = works, fails, aside, universe
        self.live = union(works)
        self.always = self.live & _common(works)
        self.decided = self.live & ~union(aside)  # the bits that no mask aside has
        free = self.live & ~self.always
        # What each literal implies, by earlier stages, too.
        self.implied: defaultdict[int, int] = defaultdict(int, before.implied if before else {})
        new: list[tuple[int, int]] = []
        for bit in bits(free):
            yes = [mask for mask in works if mask & bit]
            no = [mask for mask in fails if mask & bit]
            required = free & _common(yes) & ~_common(no)
            excluded = free & ~union(yes) & union(no) & -bit
            literals = [*bits(required), *map(_opposite, bits(excluded))]
            new += [(bit, then) for then in literals if not self.implied[bit] & then]
        for flag, then in new:
            self._toggle(flag, then)
        # Those that do not follow from the others; of equivalent ones, those of the first flags.
        self.requires: defaultdict[int, int] = defaultdict(int)
        self.excludes: defaultdict[int, int] = defaultdict(int)
        for flag, then in sorted(new, key=_lowest_first, reverse=True):
            self._toggle(flag, then)
            if not self._closed(flag) & then:
                self._toggle(flag, then)
                self.requires[flag] |= then & MASK
                self.excludes[flag] |= then >> 64
        # All that a flag requires, itself included, and the flags that require each other.
        self.closed = {bit: self._closed(bit) & free for bit in bits(free)}
        self.class_of = {
            bit: union(other for other in bits(required) if self.closed[other] & bit)
            for bit, required in self.closed.items()
        }
        self.classes = tuple(dict.fromkeys(self.class_of.values()))

    def _toggle(self, flag: int, then: int) -> None:
        self.implied[flag] ^= then
        self.implied[_opposite(then)] ^= _opposite(flag)

    def _closed(self, literals: int) -> int:
        # These and all that they imply.
        todo = literals
        while todo:
            literal = todo & -todo
            todo |= self.implied.get(literal, 0) & ~literals
            literals |= todo
            todo ^= literal
        return literals

    def rules(self) -> tuple[list[Rule], Masks]:
        """The rules that hold, without a why, and the failing masks that they do not explain."""
        every = chain(self._always_and_never(), self._requires(), self._excludes())
        found = [rule for rule in every if all(rule.operands) and broken_by(rule, self.fails)]
        rest = allowed_by(found, self.fails)
        found += self._alternatives(rest)
        return found, allowed_by(found, rest)

    def _always_and_never(self) -> Iterator[Rule]:
        # A rule about every mask must hold on those aside as well; what does not is said of the
        # masks with a flag that no mask aside has.
        dead = self.universe & ~self.live & union(self.fails)
        forced = self.always & ~_common(self.fails)
        needed = forced & ~_common(self.aside)
        yield Never(dead & ~union(self.aside), why="", source="")
        yield Excludes(self.decided, dead & union(self.aside), why="", source="")
        yield Always(forced & ~needed, why="", source="")
        yield Requires(self.decided & ~needed or self.decided, all_of=needed, why="", source="")

    def _requires(self) -> Iterator[Rule]:
        for members in self.classes:
            sources: defaultdict[int, int] = defaultdict(int)  # by what they require of their class
            for bit in bits(members):
                sources[self.requires[bit] & members] |= bit
            for needed, flags in sources.items():
                yield Requires(flags, all_of=needed, why="", source="")
            beyond = _of_any(self.requires, members) & ~members
            yield Requires(members, all_of=beyond, why="", source="")

    def _direct(self, mask: int) -> int:
        # A mask without the flags that others of its flags require anyway.
        return mask & ~union(self.closed[bit] & ~self.class_of[bit] for bit in bits(mask))

    def _excludes(self) -> Iterator[Rule]:
        for members in self.classes:
            excluded = _of_any(self.class_of, _of_any(self.excludes, members))
            yield Excludes(members, excluded, why="", source="")

    def _alternatives(self, rest: Masks) -> list[Rule]:
        # "A requires B or C", and "every mask needs B or C", where that tells more than it takes.
        found: dict[Rule, Masks] = {}
        for rule in map(self._one_of, (0, *self.classes)):
            broken = broken_by(rule, rest)
            if len(rule.any_of) <= min(len(broken) + 1, _MOST_ALTERNATIVES):
                found[rule] = broken
        explained = Counter(chain.from_iterable(found.values()))
        for idle, broken in tuple(found.items()):
            if all(explained[mask] > 1 for mask in broken):  # the others explain as much
                del found[idle]
                explained.subtract(broken)
        return [*found]

    def _one_of(self, members: int) -> Requires | Always:
        # What the working masks with a class, or all, have besides: those that contain no other
        # such mask, which comes before. One alternative too many is enough to know.
        first = members & -members
        having = [mask for mask in self.works if mask & first == first]
        shared = _common(having)
        kept: list[int] = []
        for mask in sorted({mask & ~shared for mask in having}):
            if len(kept) <= _MOST_ALTERNATIVES and all(other & ~mask for other in kept):
                kept.append(mask)
        # Of each class that is needed, the first flag.
        direct = [[self.class_of[bit] for bit in bits(self._direct(mask))] for mask in kept]
        any_of = [union(needed & -needed for needed in classes) for classes in direct]
        every = Always(any_of=any_of, why="", source="")
        if not members and not broken_by(every, self.aside):
            return every
        return Requires(members or self.decided, any_of=any_of, why="", source="")
