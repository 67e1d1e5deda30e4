"""Relations between flags: the rules that hold in what was observed at one stage.

Pure: masks in, rules out. A rule holds on every mask that works, and some mask that fails breaks
it; together the rules say no more and no less, and none is said twice. Rules of earlier stages
are known, and not said again.
"""

from __future__ import annotations

from collections import Counter
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


class Relation:
    """Which flags go with which in all that works, as far as some failure bears it out.

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
        # For each bit that some working masks have and others lack: what all that have it share,
        # what it requires, itself included, and what it excludes; these two by earlier stages, too.
        self.shared: dict[int, int] = {}
        self.requires: dict[int, int] = {}
        self.excludes: dict[int, int] = {}
        self.required_before = before.requires if before else {}
        self.excluded_before = before.excludes if before else {}
        free = self.live & ~self.always
        for bit in bits(free):
            yes = [mask for mask in works if mask & bit]
            no = [mask for mask in fails if mask & bit]
            self.shared[bit] = _common(yes)
            required = _common(yes) & ~_common(no) | self.required_before.get(bit, 0)
            self.requires[bit] = bit | required & free
            excluded = free & ~union(yes) & union(no)
            self.excludes[bit] = excluded | self.excluded_before.get(bit, 0)
        # What a required flag requires is required as well, also where no failure shows it.
        for middle in self.requires:
            for bit, required in self.requires.items():
                if required & middle:
                    self.requires[bit] |= self.requires[middle]
        # Flags that require each other are a class.
        self.class_of = {
            bit: union(other for other in bits(required) if self.requires[other] & bit)
            for bit, required in self.requires.items()
        }
        self.classes = tuple(dict.fromkeys(self.class_of.values()))

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
        # The first flag of a class stands for all. What earlier stages say is said.
        for members in self.classes:
            first = members & -members
            rest = members ^ first
            known = self.required_before
            needy = union(bit for bit in bits(rest) if not known.get(bit, 0) & first)
            beyond = self._direct(self._beyond(first)) & ~_of_any(known, members)
            yield Requires(first, all_of=rest & ~known.get(first, 0), why="", source="")
            yield Requires(needy, all_of=first, why="", source="")
            yield Requires(members, all_of=beyond, why="", source="")

    def _beyond(self, mask: int) -> int:
        # What the flags of a mask require outside their classes.
        return union(self.requires[bit] & ~self.class_of[bit] for bit in bits(mask))

    def _direct(self, mask: int) -> int:
        # A mask without the flags that others of its flags require anyway.
        return mask & ~self._beyond(mask)

    def _excludes(self) -> Iterator[Rule]:
        for index, one in enumerate(self.classes):
            excluded = _of_any(self.excludes, one)
            beyond = _of_any(self.excludes, self._beyond(one))
            known = beyond | _of_any(self.excluded_before, one)
            partners = [
                other
                for other in self.classes[index + 1 :]
                if excluded & other
                and not known & other
                and not (beyond | excluded) & self._beyond(other)
            ]
            yield Excludes(one, union(partners), why="", source="")

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
        shared = self.shared.get(first, self.always)
        kept: list[int] = []
        for mask in sorted({mask & ~shared for mask in self.works if mask & first == first}):
            if len(kept) <= _MOST_ALTERNATIVES and all(other & ~mask for other in kept):
                kept.append(mask)
        # Of each class that is needed, the first flag.
        direct = [[self.class_of[bit] for bit in bits(self._direct(mask))] for mask in kept]
        any_of = [union(needed & -needed for needed in classes) for classes in direct]
        every = Always(any_of=any_of, why="", source="")
        if not members and not broken_by(every, self.aside):
            return every
        return Requires(members or self.decided, any_of=any_of, why="", source="")
