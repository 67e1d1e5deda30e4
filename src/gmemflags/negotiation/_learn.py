"""Learning: from what a kernel took and refused to the rules that explain it.

Pure. A rule is reported only if it holds in every observation and some observation would be
wrong without it; what no rule explains is reported as it is. Nothing is claimed about a flag
that was never taken, unless everything was tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmemflags.catalog._rules import Always, Excludes, Never, Requires
from gmemflags.catalog._text import describe_mask
from gmemflags.masks._words import bits

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    evidence = _Evidence(taken, catalog, source)
    rules: list[Rule] = [
        *_never(relation, universe, evidence),
        *_always(relation, evidence),
        *_requires(relation, evidence),
        *_excludes(relation, evidence),
    ]
    unexplained = {mask for mask in refused if all(rule.holds(mask) for rule in rules)}
    for rule in _alternatives(relation, unexplained, evidence):
        rules.append(rule)
        unexplained = {mask for mask in unexplained if rule.holds(mask)}
    return tuple(rules), frozenset(unexplained)


def _simplest(mask: int) -> tuple[int, int]:
    return mask.bit_count(), mask


class _Evidence:
    """Writes the why of a rule: the simplest mask that was refused, and one that was taken."""

    def __init__(self, taken: Masks, catalog: Catalog, source: str) -> None:
        self.taken, self.catalog, self.source = taken, catalog, source

    def why(self, witness: Iterable[int]) -> str:
        """What was observed, for a rule that ``witness``, refused masks, would have broken."""
        no = min(witness, key=_simplest)
        text = f"Observed: {describe_mask(no, self.catalog)} is refused"
        yes = min((mask for mask in self.taken if not no & ~mask), key=_simplest, default=None)
        return text + (f", {describe_mask(yes, self.catalog)} is taken." if yes else ".")


class _Relation:
    """Which flags come with which others, in all that was taken and witnessed by a refusal."""

    def __init__(self, taken: Masks, refused: Masks) -> None:
        self.taken, self.refused = taken, refused
        self.live = self.always = 0
        for mask in taken:
            self.live |= mask
        self.always = self.live if taken else 0
        for mask in taken:
            self.always &= mask
        self.free = self.live & ~self.always
        self.with_: dict[int, int] = {}
        self.near: dict[int, int] = {}
        for bit in bits(self.free):
            together, ever = self.live, 0
            for mask in taken:
                if mask & bit:
                    together &= mask
                    ever |= mask
            self.with_[bit] = together & self.free
            self.near[bit] = ever
        self.implied = {
            bit: sum(y for y in bits(self.with_[bit] & ~bit) if self.witness(bit, y))
            for bit in self.with_
        }
        self.classes = self._classes()

    def witness(self, bit: int, without: int) -> list[int]:
        """The refused masks with ``bit`` and without ``without``."""
        return [mask for mask in self.refused if mask & bit and not mask & without]

    def both(self, one: int, other: int) -> list[int]:
        """The refused masks with both bits."""
        return [mask for mask in self.refused if mask & one and mask & other]

    def _classes(self) -> dict[int, int]:
        # Flags that imply each other, by every one of them.
        return {
            bit: bit | sum(y for y in bits(implied) if self.implied[y] & bit)
            for bit, implied in self.implied.items()
        }


def _never(relation: _Relation, universe: int, evidence: _Evidence) -> list[Rule]:
    dead = sum(
        bit
        for bit in bits(universe & ~relation.live)
        if any(mask & bit for mask in relation.refused)
    )
    if not dead:
        return []
    return [
        Never(
            dead,
            why=evidence.why([mask for mask in relation.refused if mask & dead]),
            source=evidence.source,
        )
    ]


def _always(relation: _Relation, evidence: _Evidence) -> list[Rule]:
    forced = sum(
        bit for bit in bits(relation.always) if any(not mask & bit for mask in relation.refused)
    )
    if not forced:
        return []
    return [
        Always(
            forced,
            why=evidence.why([mask for mask in relation.refused if forced & ~mask]),
            source=evidence.source,
        )
    ]


def _requires(relation: _Relation, evidence: _Evidence) -> list[Rule]:
    rules: list[Rule] = []
    for bit, members in relation.classes.items():
        first = members & -members
        if bit != first:
            continue
        rest = members ^ first
        if rest:  # equivalent flags: the first stands for all
            rules.append(_require(relation, first, rest, evidence))
            rules.append(_require(relation, rest, first, evidence))
        beyond = relation.implied[first] & ~members
        direct = beyond
        for other in bits(beyond):
            direct &= ~(relation.implied[other] & ~relation.classes[other])
        if direct:
            rules.append(_require(relation, members, direct, evidence))
    return rules


def _require(relation: _Relation, flag: int, needed: int, evidence: _Evidence) -> Rule:
    witness = [mask for mask in relation.refused if mask & flag and needed & ~mask]
    return Requires(flag, all_of=needed, why=evidence.why(witness), source=evidence.source)


def _excludes(relation: _Relation, evidence: _Evidence) -> list[Rule]:
    def apart(one: int, other: int) -> bool:
        return not relation.near[one] & other and bool(relation.both(one, other))

    rules: list[Rule] = []
    firsts = sorted({members & -members for members in relation.classes.values()})
    for one in firsts:
        partners = 0
        for other in firsts:
            if other <= one or not apart(one, other):
                continue
            implied = any(
                apart(a, b)
                for a in (one, *bits(relation.implied[one] & ~relation.classes[one]))
                for b in (other, *bits(relation.implied[other] & ~relation.classes[other]))
                if (a, b) != (one, other)
            )
            partners |= 0 if implied else other
        if partners:
            witness = [mask for mask in relation.refused if mask & one and mask & partners]
            rules.append(Excludes(one, partners, why=evidence.why(witness), source=evidence.source))
    return rules


def _alternatives(relation: _Relation, unexplained: set[int], evidence: _Evidence) -> list[Rule]:
    # "A requires B or C", and "every mask needs B or C", where that tells more than it takes.
    rules: list[Rule] = []
    for bit in (0, *bits(relation.free)):
        common = relation.always | (relation.with_[bit] if bit else 0)
        ways = _minimal({mask & ~common for mask in relation.taken if mask & bit == bit})
        explained = {
            mask for mask in unexplained if mask & bit == bit and all(way & ~mask for way in ways)
        }
        if 0 in ways or not 1 < len(ways) <= len(explained) + 1:
            continue
        any_of = tuple(sorted(ways))
        why = evidence.why(explained)
        rules.append(
            Requires(bit, any_of=any_of, why=why, source=evidence.source)
            if bit
            else Always(any_of=any_of, why=why, source=evidence.source)
        )
        unexplained = unexplained - explained
    return rules


def _minimal(masks: Iterable[int]) -> list[int]:
    kept: list[int] = []
    for mask in sorted(masks, key=int.bit_count):
        if all(other & ~mask for other in kept):
            kept.append(mask)
    return kept
