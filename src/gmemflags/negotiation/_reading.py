"""What a host's answers mean, without the way in which they were given, and what two have in common.

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

    from gmemflags.host import Support

_FLAGS = Capability.GUEST_MEMFD_FLAGS.value
_FLAGS_HI = Capability.GUEST_MEMFD_FLAGS_HI.value
_GUEST_MEMFD = Capability.GUEST_MEMFD.value
# "Not 0 anywhere, and no bit in common". GUEST_MEMFD is a yes if it is not 0, and may become a
# mask (facts of include/uapi/linux/kvm.h, v7.2); no kernel has a meaning for this bit of it.
_SOME = 1 << 62


@frozen(kw_only=True)
class Reading:
    """``mask`` and ``answerable`` of a Support, and what the other capabilities answered.

    ``wide``: whether the flags came as one 64-bit answer. It counts for nothing but the form of
    the answers that are made of the reading.
    """

    mask: int
    answerable: int
    others: Mapping[str, int] = field(converter=FrozenDict)
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

    def answers(self, origin: str) -> dict[str, int]:
        """Raw answers that a Support of :attr:`origin` reads as this.

        Raises :exc:`~gmemflags.exceptions.InconsistentAnswerError` where no C long says it.
        """
        values = dict(self.others)
        if self.wide and self.mask > WORD:
            values[_FLAGS] = self.mask
        else:
            if self.answerable & WORD:
                values[_FLAGS] = self.mask & WORD
            if self.answerable > WORD:
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
