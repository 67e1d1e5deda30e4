"""What a host's answers mean, however they were put, and what two hosts have in common.

Readings are a lattice: for one bit, unknowable lies below unsupported, and that below supported;
for another capability, "not asked" lies below 0, and that below any bits. ``meet`` is what both
have. It is associative, commutative and idempotent, and it never has a bit that one side lacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from gmemflags.catalog._frozendict import FrozenDict
from gmemflags.catalog._uapi import Capability
from gmemflags.exceptions import InconsistentAnswerError, InvalidMaskError
from gmemflags.masks._words import MASK, WORD, read_long

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gmemflags.catalog._catalog import Catalog
    from gmemflags.host import Support

_FLAGS = Capability.GUEST_MEMFD_FLAGS.value
_FLAGS_HI = Capability.GUEST_MEMFD_FLAGS_HI.value
_GUEST_MEMFD = Capability.GUEST_MEMFD.value
# "Not 0 anywhere, and no bit in common". GUEST_MEMFD is a yes if it is not 0, and may become a
# mask (facts of include/uapi/linux/kvm.h, v7.2); no kernel has a meaning for this bit of it.
_SOME = 1 << 62


def _fixed(others: Mapping[str, int]) -> FrozenDict[str, int]:
    return FrozenDict(others)


@frozen(kw_only=True)
class Reading:
    """``mask`` and ``answerable`` of a Support, and what the other capabilities answered.

    ``wide``: whether the flags came as one 64-bit answer. It counts for nothing but the form of
    the answers that are made of the reading.
    """

    mask: int
    answerable: int
    others: Mapping[str, int] = field(converter=_fixed)
    wide: bool = field(eq=False)

    def meet(self, other: Reading) -> Reading:
        """What both have."""
        return Reading(
            mask=self.mask & other.mask,
            answerable=self.answerable & other.answerable,
            others={
                name: _common(name, value, other.others[name])
                for name, value in self.others.items()
                if name in other.others
            },
            wide=self.wide and other.wide,
        )

    def is_met_by(self, support: Support) -> bool:
        """Whether it is plain that meeting ``support`` changes nothing; False is no statement."""
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
        Raises :exc:`~gmemflags.exceptions.InconsistentAnswerError`, with ``origin``, where no C
        long says it.
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


def reading(support: Support) -> Reading:
    """What ``support`` says, whichever way its kernel put it."""
    answers = support.answers
    return Reading(
        mask=support.mask,
        answerable=support.answerable,
        others={
            name: read_long(raw)[0]
            for name, raw in answers.items()
            if name not in (_FLAGS, _FLAGS_HI)
        },
        wide=_FLAGS in answers and read_long(answers[_FLAGS])[1] == 64,
    )


def _common(name: str, one: int, other: int) -> int:
    both = one & other
    return _SOME if name == _GUEST_MEMFD and one and other and not both else both


def _raw(name: str, value: int, origin: str) -> int:
    raw = value - MASK - 1 if value >> 63 else value
    try:
        read_long(raw)
    except InvalidMaskError as error:
        raise InconsistentAnswerError(name, raw, str(error), origin) from None
    return raw
