"""Relations between flags: the rules that hold in what was observed at one stage.

Pure: masks in, rules out. A rule holds on every mask that works, and some mask that fails breaks
it; together the rules say no more and no less, and none is said twice. Rules of earlier stages
are known, and not said again.

>>> from gmemflags._relation import Relation
>>> relation = Relation(works=frozenset([0, 1, 3]), fails=frozenset([2]))
>>> rules, rest = relation.rules()
>>> rules[0].operands, rest
((2, 1), frozenset())
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from gmemflags._masks import MASK, bits, union
from gmemflags._rules import Always, Excludes, Never, Requires, Rule

Masks = frozenset[int]

# A rule with more alternatives is no simpler than the masks that it explains.
_MOST_WAYS = 16


def simplest(mask: int) -> tuple[int, int]:
    """The key by which masks are sorted: those with the fewest flags come first."""
    return mask.bit_count(), mask


def in_order(masks: Iterable[int]) -> list[int]:
    """Masks, the simplest first."""
    return sorted(masks, key=simplest)


def allowed_by(rules: Iterable[Rule]) -> Callable[[int], bool]:
    """A test of masks: whether all ``rules`` hold."""
    listed = tuple(rules)
    return lambda mask: all(rule.holds(mask) for rule in listed)


def broken_by(rule: Rule, masks: Iterable[int]) -> Masks:
    """The masks on which a rule does not hold."""
    return frozenset([mask for mask in masks if not rule.holds(mask)])


def _common(masks: Iterable[int]) -> int:
    common = MASK
    for mask in masks:
        common &= mask
    return common


class Relation:
    """Which flags go with which in all that works, as far as some failure bears it out.

    ``aside`` are the masks that neither work nor fail, ``mapped`` the bits that none of them has,
    and ``universe`` the bits of which a rule may say that nothing works with them. ``live`` bits
    are in some mask that works, ``always`` in every one, and each other live bit has an entry in
    ``common``, what all working masks with it share, in ``implied``, itself and what it requires,
    directly or not, in ``apart``, what it excludes, and in ``classes``, the flags that require it
    and that it requires. In ``needed_before`` and ``apart_before`` is what it requires and excludes
    by the rules of earlier stages.
    """

    def __init__(
        self,
        works: Masks,
        fails: Masks,
        aside: Masks = frozenset(),
        universe: int = 0,
        before: Relation | None = None,
    ) -> None:
        self.works, self.fails, self.aside = works, fails, aside
        self.universe = universe
        self.live = union(works)
        self.mapped = self.live & ~union(aside)
        self.always = self.live & _common(works)
        free = self.live & ~self.always
        self.common: dict[int, int] = {}
        self.needed_before: dict[int, int] = {}
        self.apart_before: dict[int, int] = {}
        self.implied: dict[int, int] = {}
        self.apart: dict[int, int] = {}
        for bit in bits(free):
            yes = [mask for mask in works if mask & bit]
            no = [mask for mask in fails if mask & bit]
            self.common[bit] = _common(yes)
            if before:
                self.needed_before[bit] = before.implied.get(bit, 0) & free & ~bit
                self.apart_before[bit] = before.all_apart(bit) & free
            shown = _common(yes) & free & ~_common(no)
            self.implied[bit] = bit | shown | self.needed_before.get(bit, 0)
            self.apart[bit] = free & ~union(yes) & union(no)
        self._close()
        self.classes = {
            bit: sum(other for other in bits(implied) if self.implied[other] & bit)
            for bit, implied in self.implied.items()
        }

    def _close(self) -> None:
        # What a required flag requires is required as well, also where no failure shows it.
        for middle in self.implied:
            for bit, implied in self.implied.items():
                if implied & middle:
                    self.implied[bit] |= self.implied[middle]

    def rules(self) -> tuple[list[Rule], Masks]:
        """The rules that hold, without a why, and the failing masks that they do not explain."""
        found = [*_always_and_never(self), *_requires(self), *_excludes(self)]
        found = [rule for rule in found if broken_by(rule, self.fails)]
        rest = frozenset(filter(allowed_by(found), self.fails))
        if rest:
            found += _alternatives(self, rest)
            rest = frozenset(filter(allowed_by(found), rest))
        return found, rest

    def all_classes(self) -> list[int]:
        """Every class once, as a mask, in order of the first flags."""
        return [members for bit, members in self.classes.items() if bit == members & -members]

    def beyond(self, members: int) -> int:
        """What a class requires outside itself."""
        return self.implied[members & -members] & ~members

    def before(self, mask: int) -> int:
        """What some flag of ``mask`` requires by the rules of earlier stages."""
        return union(self.needed_before.get(bit, 0) for bit in bits(mask))

    def all_apart(self, bit: int) -> int:
        """What a flag excludes by the rules of this stage and of earlier ones."""
        return self.apart.get(bit, 0) | self.apart_before.get(bit, 0)

    def excluded_before(self, mask: int) -> int:
        """What some flag of ``mask`` excludes by the rules of earlier stages."""
        return union(self.apart_before.get(bit, 0) for bit in bits(mask))

    def excluded(self, mask: int) -> int:
        """What some flag of ``mask`` excludes."""
        return union(self.apart[bit] for bit in bits(mask))

    def reduced(self, way: int) -> int:
        """A mask that works, without the flags that others of its flags require anyway."""
        for bit in bits(way):
            for other in bits(way & ~bit):
                equal = self.implied.get(bit, 0) & other
                if self.implied.get(other, 0) & bit and not (equal and bit < other):
                    way &= ~bit
                    break
        return way


def _always_and_never(relation: Relation) -> Iterator[Rule]:
    # A mask aside must not break what is said of every mask: then only of those with a flag that
    # no mask aside has.
    mapped = relation.mapped
    dead = relation.universe & ~relation.live & union(relation.fails)
    if never := dead & ~union(relation.aside):
        yield Never(never, why="", source="")
    if mapped and (apart := dead & union(relation.aside)):
        yield Excludes(mapped, apart, why="", source="")
    forced = relation.always & ~_common(relation.fails)
    if always := forced & _common(relation.aside):
        yield Always(always, why="", source="")
    if needed := forced & ~_common(relation.aside):
        flag = mapped & ~needed or mapped
        if flag:
            yield Requires(flag, all_of=needed, why="", source="")


def _requires(relation: Relation) -> Iterator[Rule]:
    for members in relation.all_classes():
        # Equivalent flags: the first stands for all. What earlier stages say is said.
        first = members & -members
        rest = members ^ first
        if needed := rest & ~relation.before(first):
            yield Requires(first, all_of=needed, why="", source="")
        if needy := union(bit for bit in bits(rest) if not relation.before(bit) & first):
            yield Requires(needy, all_of=first, why="", source="")
        direct = beyond = relation.beyond(members)
        for other in bits(beyond):
            direct &= ~relation.beyond(relation.classes[other])
        if direct := direct & ~relation.before(members):
            yield Requires(members, all_of=direct, why="", source="")


def _excludes(relation: Relation) -> Iterator[Rule]:
    classes = relation.all_classes()
    for index, one in enumerate(classes):
        mine, above = relation.excluded(one), relation.excluded(relation.beyond(one))
        before = relation.excluded_before(one | relation.beyond(one))
        partners = 0
        for other in classes[index + 1 :]:
            beyond = relation.beyond(other)
            implied = (above | before) & (other | beyond) or mine & beyond
            partners |= other if mine & other and not implied else 0
        if partners:
            yield Excludes(one, partners, why="", source="")


def _alternatives(relation: Relation, rest: Masks) -> list[Rule]:
    # "A requires B or C", and "every mask needs B or C", where that tells more than it takes.
    found: dict[Rule, Masks] = {}
    for flag in (0, *relation.all_classes()):
        ways = _ways(relation, flag & -flag)
        if ways is None:
            continue
        rule = _one_of(relation, flag, ways)
        broken = broken_by(rule, rest)
        if len(ways) <= len(broken) + 1:
            found[rule] = broken
    explained = Counter([mask for broken in found.values() for mask in broken])
    for rule, broken in tuple(found.items()):
        if all(explained[mask] > 1 for mask in broken):  # the others explain as much
            del found[rule]
            explained.subtract(broken)
    return list(found)


def _one_of(relation: Relation, flag: int, ways: tuple[int, ...]) -> Rule:
    every = Always(any_of=ways, why="", source="")
    if not flag and not all(every.holds(mask) for mask in relation.aside):
        flag = relation.mapped
    elif not flag:
        return every
    return Requires(flag, any_of=ways, why="", source="")


def _ways(relation: Relation, bit: int) -> tuple[int, ...] | None:
    # What the masks that work with ``bit`` have besides: those that contain no other such mask.
    # A mask comes after all that it contains. None if they are too many for a rule.
    common = relation.common.get(bit, relation.always)
    kept: list[int] = []
    for mask in sorted({mask & ~common for mask in relation.works if mask & bit == bit}):
        if all(other & ~mask for other in kept):
            kept.append(mask)
            if len(kept) > _MOST_WAYS:
                return None
    return tuple(map(relation.reduced, kept))
