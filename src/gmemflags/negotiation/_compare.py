"""Two hosts side by side: which has more, and what a VM loses on the way from one to the other.

Only answers are compared. A host's name, kernel or machine never makes two hosts different, but
rules that speak of machines or VM types are honoured when it is told what is lost.

>>> from gmemflags import compare, query
>>> from gmemflags.testing import FakeBackend
>>> print(compare(query(FakeBackend.narrow(0x3)), query(FakeBackend.narrow(0x1))))
superset: a fake host has all that the other fake host has, and more
  on the other fake host you lose INIT_SHARED (bit 1, 0x2)
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import field, frozen

from gmemflags.exceptions import CatalogError
from gmemflags.masks._words import bits, union
from gmemflags.negotiation._conflict import obstacle
from gmemflags.negotiation._reading import reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gmemflags.catalog._rules import Rule
    from gmemflags.host import Support


class Relation(StrEnum):
    """How the answers of one host stand to those of another."""

    __module__ = "gmemflags"

    EQUAL = "equal"
    """Both say the same of every bit and of every other capability."""
    SUPERSET = "superset"
    """The first has all that the second has, and more."""
    SUBSET = "subset"
    """The second has all that the first has, and more."""
    INCOMPARABLE = "incomparable"
    """Each has something that the other has not."""


@frozen(kw_only=True)
class Loss:
    """One flag that can be had on one host and not on the other.

    ``bit``: the flag. ``rules``: empty if the other host does not list it; else it does, and no
    valid mask there can hold it, because of these rules. ``because``: the flags of these rules
    that only the first host lists, as a mask.
    """

    __module__ = "gmemflags"

    bit: int = field(repr=hex)
    rules: tuple[Rule, ...] = ()
    because: int = field(default=0, repr=hex)


@frozen(kw_only=True)
class Comparison:
    """How ``a`` and ``b`` stand to each other; ``str()`` tells it, and what is lost."""

    __module__ = "gmemflags"

    a: Support
    b: Support
    relation: Relation

    @property
    def differing(self) -> int:
        """The bits of which the two say something different, as a mask.

        A bit that one host does not list and the other could not even speak of is one of them.
        """
        return (self.a.mask ^ self.b.mask) | (self.a.answerable ^ self.b.answerable)

    @property
    def lost_on_a(self) -> tuple[Loss, ...]:
        """What a VM of ``b`` loses on ``a``, lowest bit first."""
        return tuple(_losses(self.b, self.a))

    @property
    def lost_on_b(self) -> tuple[Loss, ...]:
        """What a VM of ``a`` loses on ``b``, lowest bit first."""
        return tuple(_losses(self.a, self.b))

    @property
    def capabilities(self) -> dict[str, tuple[int | None, int | None]]:
        """The other capabilities that differ: both answers as masks, None where not asked."""
        one, two = reading(self.a).others, reading(self.b).others
        return {
            name: (one.get(name), two.get(name))
            for name in sorted({*one, *two})
            if one.get(name) != two.get(name)
        }

    def __str__(self) -> str:
        from gmemflags.negotiation._fleet_text import comparison_text  # noqa: PLC0415  # seldom

        return comparison_text(self)


def compare(a: Support, b: Support) -> Comparison:
    """Compare what two hosts said.

    EQUAL means equal answers, however the kernel put them: 64 flags at once or in two words. The
    order is that of :func:`~gmemflags.baseline`: ``a`` is a superset of ``b`` if the baseline of
    both says what ``b`` says. So "could not speak of it" is less than "not supported".

    Raises :exc:`~gmemflags.exceptions.CatalogError` if they were read under different catalogs:
    then their bits may mean different things. Hosts of other scopes, machines or VM types can be
    compared.
    """
    if a.catalog != b.catalog:
        problem = (
            f"{b.origin} was read under {b.catalog.name} ({b.catalog.digest[:12]}), but"
            f" {a.origin} under {a.catalog.name} ({a.catalog.digest[:12]}): their bits may differ"
        )
        raise CatalogError(b.catalog.name, problem)
    one, two = reading(a), reading(b)
    both = one.meet(two)
    if one == two:
        relation = Relation.EQUAL
    elif both == two:
        relation = Relation.SUPERSET
    else:
        relation = Relation.SUBSET if both == one else Relation.INCOMPARABLE
    return Comparison(a=a, b=b, relation=relation)


def _losses(here: Support, there: Support) -> Iterator[Loss]:
    gone = here.mask & ~there.mask
    for bit in bits(here.mask):
        if bit & gone:
            yield Loss(bit=bit)
        elif bit & here.catalog.named and obstacle(here, bit) is None:
            rules = obstacle(there, bit)
            if rules is not None:
                operands = union(operand for rule in rules for operand in rule.operands)
                yield Loss(bit=bit, rules=rules, because=operands & gone)
