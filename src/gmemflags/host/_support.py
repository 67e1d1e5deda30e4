"""Support: what one host said, and what follows from it without asking again.

The raw answers are the truth and are kept; everything else is derived from them under one
catalog. This module must never fill a gap: what was not asked, or cannot be seen, is unknowable.

>>> from gmemflags import query
>>> from gmemflags.testing import FakeBackend
>>> support = query(FakeBackend.narrow(0x43))
>>> hex(support.mask), hex(support.answerable)
('0x43', '0xffffffff')
>>> support.state(1 << 1), support.state(1 << 7), support.state(1 << 40)
(<BitState.SUPPORTED: 'supported'>, <BitState.UNSUPPORTED: 'unsupported'>, <BitState.UNKNOWABLE: \
'unknowable'>)
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from gmemflags.catalog._catalog import Catalog
from gmemflags.catalog._fields import is_a
from gmemflags.catalog._frozendict import FrozenDict
from gmemflags.catalog._uapi import Capability, Scope
from gmemflags.exceptions import CatalogError, InconsistentAnswerError, InvalidMaskError
from gmemflags.host._backend import HostFacts
from gmemflags.masks._words import MASK, WORD, one_bit, read_long, split_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gmemflags.masks import FlagWord

_ENUMERATING = (
    Capability.GUEST_MEMFD,
    Capability.GUEST_MEMFD_FLAGS,
    Capability.GUEST_MEMFD_FLAGS_HI,
)


class BitState(StrEnum):
    """What a host says of one bit."""

    __module__ = "gmemflags"

    SUPPORTED = "supported"
    """The host lists it."""
    UNSUPPORTED = "unsupported"
    """The host could have listed it and does not."""
    UNKNOWABLE = "unknowable"
    """The host could not even speak of it: it was not asked, or 32 bits do not reach that far."""


def _answers(answers: Mapping[str, int] | Mapping[Capability, int]) -> FrozenDict[str, int]:
    return FrozenDict({str(name): raw for name, raw in answers.items()})


@frozen(kw_only=True)
class Support:
    """The answers of one host, for one scope, read under one catalog.

    ``answers``: the C long that each capability was answered with, by name. ``scope``, ``host``
    and ``origin`` are those of the backend. Raises
    :exc:`~gmemflags.exceptions.InconsistentAnswerError` if an answer is no C long, looks like an
    errno, or if FLAGS_HI is wider than 32 bits, and
    :exc:`~gmemflags.exceptions.CatalogError` for an answer to what the catalog does not number.
    """

    __module__ = "gmemflags"

    answers: Mapping[str, int] = field(converter=_answers)
    scope: Scope = field(validator=is_a(Scope))
    host: HostFacts = field(factory=HostFacts, validator=is_a(HostFacts))
    origin: str = field(default="a host", validator=is_a(str))
    catalog: Catalog = field(validator=is_a(Catalog), repr=lambda catalog: catalog.name)
    mask: int = field(init=False, eq=False, repr=hex)
    """The flags that the host lists: ``FLAGS | FLAGS_HI << 32``."""
    answerable: int = field(init=False, eq=False, repr=False)
    """The bits that the host could speak of; all others are unknowable."""
    disagreement: int = field(init=False, eq=False, repr=False)
    """Bits that FLAGS_HI claims and a 64-bit FLAGS denies: reported, and not believed."""

    def __attrs_post_init__(self) -> None:
        numbers = self.catalog.capabilities
        for name in self.answers:
            if numbers.get(name) is None:
                problem = f"{self.origin} answered {name}, which has no number here"
                raise CatalogError(self.catalog.name, problem)
        values = {name: self._read(name) for name in self.answers}
        low, width = values.get(Capability.GUEST_MEMFD_FLAGS, (0, 0))
        high, high_width = values.get(Capability.GUEST_MEMFD_FLAGS_HI, (0, 0))
        if high_width == 64:
            raise self._inconsistent(Capability.GUEST_MEMFD_FLAGS_HI, "wider than its 32 bits")
        upper = high << 32
        reach = (WORD if width else 0) | (MASK ^ WORD if high_width else 0)
        derived = (low, MASK, upper & ~low) if width == 64 else (low | upper, reach, 0)
        for name, value in zip(("mask", "answerable", "disagreement"), derived, strict=True):
            object.__setattr__(self, name, value)

    def _read(self, name: str) -> tuple[int, int]:
        try:
            return read_long(self.answers[name])
        except InvalidMaskError as error:
            raise self._inconsistent(name, str(error)) from None

    def _inconsistent(self, name: str, problem: str) -> InconsistentAnswerError:
        return InconsistentAnswerError(name, self.answers[name], problem, self.origin)

    def answer(self, capability: str) -> int | None:
        """What ``capability`` was answered, as a mask; None if it was not asked."""
        return read_long(self.answers[capability])[0] if capability in self.answers else None

    @property
    def guest_memfd(self) -> bool | None:
        """Whether KVM_CREATE_GUEST_MEMFD is there for this scope; None if that was not asked."""
        raw = self.answers.get(Capability.GUEST_MEMFD)
        return None if raw is None else raw != 0

    @property
    def flags(self) -> FlagWord:
        """A view of :attr:`mask` in the flag class of the catalog."""
        return self.catalog.flags(self.mask)

    @property
    def words(self) -> tuple[int, int]:
        """The low and the high 32-bit word of :attr:`mask`."""
        return split_words(self.mask)

    def state(self, bit: int) -> BitState:
        """What the host says of one bit.

        Raises :exc:`~gmemflags.exceptions.InvalidMaskError` for several bits or none.
        """
        wanted = one_bit(bit)
        if not wanted & self.answerable:
            return BitState.UNKNOWABLE
        return BitState.SUPPORTED if wanted & self.mask else BitState.UNSUPPORTED

    def under(self, catalog: Catalog) -> Support:
        """The same answers, read under another tree's catalog.

        An answer counts only for a capability that has the same number there. Raises
        :exc:`~gmemflags.exceptions.CatalogError` if that tree enumerates flags by a number which
        this host was never asked: query the host again under it.
        """
        mine, other = self.catalog.capabilities, catalog.capabilities
        shared = {
            name: raw for name, raw in self.answers.items() if other.get(name) == mine.get(name)
        }
        for name in _ENUMERATING:
            if other.get(name) is not None and name not in shared:
                problem = f"{name} is {other[name]} here, which {self.origin} was never asked"
                raise CatalogError(catalog.name, f"{problem}; query it again")
        return evolve(self, answers=shared, catalog=catalog)
