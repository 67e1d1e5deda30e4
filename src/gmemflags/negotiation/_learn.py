"""Learning: from what a kernel took and refused to the rules that explain it.

Pure. A rule is reported only if it holds in every observation and some refused mask would break
it; what no rule explains is reported as it is. Nothing is claimed about a flag that was never
taken, unless everything was tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from gmemflags.catalog._rules import Always, Excludes, Never, Requires
from gmemflags.catalog._text import describe_mask
from gmemflags.masks._words import MASK, bits, union

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gmemflags.catalog._catalog import Catalog
    from gmemflags.catalog._rules import Rule

Masks = frozenset[int]


def learn(
    taken: Masks, refused: Masks, universe: int, catalog: Catalog, source: str
) -> tuple[tuple[Rule, ...], Masks]:
    """The rules that hold in all observations, and the refused masks that they do not explain.

    ``universe`` are the bits of which a rule may say that no mask takes them.
    """
    relation = _Relation(taken, refused)
    rules = [*_always_and_never(relation, universe), *_requires(relation), *_excludes(relation)]
    rest = frozenset(filter(allowed_by(rules), refused))
    if rest:
        rules += _alternatives(relation, rest)
        rest = frozenset(filter(allowed_by(rules), rest))
    return tuple(_cited(rule, relation, catalog, source) for rule in rules), rest


def allowed_by(rules: Iterable[Rule]) -> Callable[[int], bool]:
    """A test of masks: whether all ``rules`` hold. Made once for many masks."""
    clauses = [clause for rule in rules for clause in rule.clauses(MASK)]

    def allowed(mask: int) -> bool:
        for clear, ways in clauses:
            if not clear & ~mask and all(way & ~mask for way in ways):
                return False
        return True

    return allowed


def _broken(rule: Rule, masks: Iterable[int]) -> Masks:
    allowed = allowed_by([rule])
    return frozenset(mask for mask in masks if not allowed(mask))


def _simplest(mask: int) -> tuple[int, int]:
    return mask.bit_count(), mask


def _cited(rule: Rule, relation: _Relation, catalog: Catalog, source: str) -> Rule:
    # With its why: the simplest mask that it refuses, and what was taken with the same flags.
    no = min(_broken(rule, relation.refused), key=_simplest)
    why = f"Observed: {describe_mask(no, catalog)} is refused"
    yes = min((mask for mask in relation.taken if not no & ~mask), key=_simplest, default=0)
    if yes:
        why += f", {describe_mask(yes, catalog)} is taken"
    return evolve(rule, why=f"{why}.", source=source)


def _common(masks: Iterable[int]) -> int:
    common = MASK
    for mask in masks:
        common &= mask
    return common


class _Relation:
    """Which flags go with which in all that was taken, as far as some refusal bears it out.

    ``live`` bits were in some mask taken, ``always`` in every one, and each other live bit has
    an entry in ``common``, what all masks taken with it share, in ``implied``, itself and what it
    requires, directly or not, in ``apart``, what it excludes, and in ``classes``, the flags that
    require it and that it requires.
    """

    def __init__(self, taken: Masks, refused: Masks) -> None:
        self.taken, self.refused = taken, refused
        self.live = union(taken)
        self.always = self.live & _common(taken)
        free = self.live & ~self.always
        self.common: dict[int, int] = {}
        self.implied: dict[int, int] = {}
        self.apart: dict[int, int] = {}
        for bit in bits(free):
            yes = [mask for mask in taken if mask & bit]
            no = [mask for mask in refused if mask & bit]
            self.common[bit] = _common(yes)
            self.implied[bit] = bit | _common(yes) & free & ~_common(no)
            self.apart[bit] = free & ~union(yes) & union(no)
        self._close()
        self.classes = {
            bit: sum(other for other in bits(implied) if self.implied[other] & bit)
            for bit, implied in self.implied.items()
        }

    def _close(self) -> None:
        # What a required flag requires is required as well, also where no refusal shows it.
        for middle in self.implied:
            for bit, implied in self.implied.items():
                if implied & middle:
                    self.implied[bit] |= self.implied[middle]

    def all_classes(self) -> list[int]:
        """Every class once, as a mask, in order of the first flags."""
        return [members for bit, members in self.classes.items() if bit == members & -members]

    def beyond(self, members: int) -> int:
        """What a class requires outside itself."""
        return self.implied[members & -members] & ~members

    def excluded(self, mask: int) -> int:
        """What some flag of ``mask`` excludes."""
        return union(self.apart[bit] for bit in bits(mask))


def _always_and_never(relation: _Relation, universe: int) -> Iterator[Rule]:
    dead = universe & ~relation.live & union(relation.refused)
    if dead:
        yield Never(dead, why="", source="")
    forced = relation.always & ~_common(relation.refused)
    if forced:
        yield Always(forced, why="", source="")


def _requires(relation: _Relation) -> Iterator[Rule]:
    for members in relation.all_classes():
        first = members & -members
        rest = members ^ first
        if rest:  # equivalent flags: the first stands for all
            yield Requires(first, all_of=rest, why="", source="")
            yield Requires(rest, all_of=first, why="", source="")
        direct = beyond = relation.beyond(members)
        for other in bits(beyond):
            direct &= ~relation.beyond(relation.classes[other])
        if direct:
            yield Requires(members, all_of=direct, why="", source="")


def _excludes(relation: _Relation) -> Iterator[Rule]:
    classes = relation.all_classes()
    for index, one in enumerate(classes):
        mine, above = relation.excluded(one), relation.excluded(relation.beyond(one))
        partners = 0
        for other in classes[index + 1 :]:
            beyond = relation.beyond(other)
            implied = above & (other | beyond) or mine & beyond
            partners |= other if mine & other and not implied else 0
        if partners:
            yield Excludes(one, partners, why="", source="")


def _alternatives(relation: _Relation, rest: Masks) -> list[Rule]:
    # "A requires B or C", and "every mask needs B or C", where that tells more than it takes.
    found: dict[Rule, Masks] = {}
    for flag in (0, *relation.all_classes()):
        ways = _ways(relation, flag & -flag)
        rule: Rule = (
            Requires(flag, any_of=ways, why="", source="")
            if flag
            else Always(any_of=ways, why="", source="")
        )
        broken = _broken(rule, rest)
        if len(ways) <= len(broken) + 1:
            found[rule] = broken
    for one in tuple(found):
        others = (broken for other, broken in found.items() if other is not one)
        if not found[one].difference(*others):  # the others explain as much
            del found[one]
    return list(found)


def _ways(relation: _Relation, bit: int) -> tuple[int, ...]:
    # What the masks taken with ``bit`` have besides: those that contain no other such mask.
    common = relation.common.get(bit, relation.always)
    kept: list[int] = []
    for mask in sorted({mask & ~common for mask in relation.taken if mask & bit == bit}):
        if all(other & ~mask for other in kept):
            kept.append(mask)
    return tuple(kept)
