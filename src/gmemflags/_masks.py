"""64-bit masks: the guard, the 32/64-bit merge, and the base of flag classes.

A *mask* is an int in [0, 2**64), a *word* an int in [0, 2**32), and a *bit* a one-bit mask, never
a bit number. Every number from outside passes :func:`u64`. Nothing here rounds, truncates or
signs a number without being asked.

>>> from gmemflags import bits, merge
>>> hex(merge(3, 7).mask)  # FLAGS answered 3, FLAGS_HI answered 7
'0x700000003'
>>> merge(-(2**31))  # bit 31 alone, sign-extended on its way through a C int
Merged(mask=2147483648, answerable=4294967295, hi_only=0)
>>> [hex(bit) for bit in bits(0x41)]
['0x1', '0x40']
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import KEEP, Enum, EnumType, IntFlag
from errno import errorcode
from functools import lru_cache
from typing import Any, NamedTuple, Self, cast

from gmemflags._exceptions import InvalidMaskError, quote, safe_repr

WORD = 0xFFFF_FFFF
MASK = 0xFFFF_FFFF_FFFF_FFFF
PREFIX = "GUEST_MEMFD_FLAG_"
# Linux returns -errno in [-MAX_ERRNO, -1] (include/linux/err.h); no libc can tell it from data.
_MAX_ERRNO = 4095
_ERRNO_IMAGE = WORD - _MAX_ERRNO + 1


def u64(value: object) -> int:
    """Return ``value`` as a plain int if it is a mask.

    Args:
        value: An int or a flag. A bool, a float, a text, a negative number and a number above 64
            bits are not masks.

    Raises:
        InvalidMaskError: ``value`` is not a mask.
    """
    number: object = value._value_ if isinstance(value, IntFlag) else value
    if type(number) is int and 0 <= number <= MASK:
        return number
    raise InvalidMaskError(safe_repr(number), "a mask: an int in [0, 2**64) is needed")


def one_bit(value: object) -> int:
    """Return ``value`` as a plain int if it is a mask of exactly one bit.

    Raises:
        InvalidMaskError: It is not. A bit is a mask: bit number 6 is written ``1 << 6``.
    """
    mask = u64(value)
    if mask == 0 or mask & (mask - 1):
        raise InvalidMaskError(f"{mask:#x}", "one bit: a mask with exactly one bit set is needed")
    return mask


def bits(mask: int) -> tuple[int, ...]:
    """The bits of ``mask`` as one-bit masks, lowest first, named or not.

    Args:
        mask: A mask.

    Raises:
        InvalidMaskError: ``mask`` is not a mask.

    >>> from gmemflags import bits
    >>> bits(0b101)
    (1, 4)
    """
    rest = u64(mask)
    found: list[int] = []
    while rest:
        bit = rest & -rest
        found.append(bit)
        rest ^= bit
    return tuple(found)


def union(masks: Iterable[int]) -> int:
    """All bits of ``masks`` together."""
    mask = 0
    for other in masks:
        mask |= other
    return mask


def read_long(raw: int) -> tuple[int, bool]:
    """Say what the C long that KVM_CHECK_EXTENSION returned means.

    A long in [-2**31, -4096] is a word that was sign-extended: read as a mask it would claim bits
    63:32 all at once.

    Returns:
        The value, and whether it has 64 bits: else it is a word.

    Raises:
        InvalidMaskError: ``raw`` is not a C long, or looks like an errno, as a long in [-4095, -1]
            or as its 32-bit image in [0xFFFFF001, 0xFFFFFFFF].
    """
    if type(raw) is not int or not -(1 << 63) <= raw < 1 << 63:
        raise InvalidMaskError(safe_repr(raw), "a C long: an int in [-2**63, 2**63) is needed")
    if 0 <= raw < _ERRNO_IMAGE:
        return raw, False
    if raw > WORD:
        return raw, True
    if raw >= -_MAX_ERRNO:
        number = -raw & WORD  # the same for the long and for its image
        name = errorcode.get(number, f"errno {number}")
        value = f"{raw if raw < 0 else hex(raw)} (-{name})"  # pragma: no mutate  # it is not 0
        raise InvalidMaskError(value, "an answer: it is an error number, not flags")
    return (raw & WORD, False) if raw >= -(1 << 31) else (raw & MASK, True)


class Merged(NamedTuple):
    """What two answers say together, see :func:`merge`."""

    mask: int
    """The flags that are listed: ``FLAGS | FLAGS_HI << 32``."""
    answerable: int
    """The bits that the answers could speak of; the others are unknowable."""
    hi_only: int
    """Bits that only FLAGS_HI claims, against a FLAGS of 64 bits: reported, not believed."""


def merge(flags: int | None, flags_hi: int | None = None) -> Merged:
    """Merge the answers to KVM_CAP_GUEST_MEMFD_FLAGS and to its upper half into one 64-bit mask.

    The proposed FLAGS_HI carries bits 63:32 where FLAGS is a C int of 32 bits. Where FLAGS already
    has 64 bits, FLAGS_HI is redundant, and adds nothing.

    Args:
        flags: The C long that FLAGS was answered with, unread; None if it was not asked. Then no
            bit below bit 32 is answerable.
        flags_hi: The same for FLAGS_HI.

    Raises:
        InvalidMaskError: One of the two is not a C long or is an errno, or FLAGS_HI has more than
            32 bits.

    Source: Sean Christopherson to Ackerley Tng, 3 and 6 Oct 2025, kvm@vger.

    >>> from gmemflags import merge
    >>> hex(merge(0x3, 0x1).mask), hex(merge(0x3).answerable)
    ('0x100000003', '0xffffffff')
    """
    mask = answerable = hi_only = 0
    if flags is not None:
        mask, wide = read_long(flags)
        answerable = MASK if wide else WORD
    if flags_hi is not None:
        high, too_wide = read_long(flags_hi)
        if too_wide:
            raise InvalidMaskError(f"{high:#x}", "an answer to FLAGS_HI: it is wider than 32 bits")
        if answerable == MASK:
            hi_only = high << 32 & ~mask
        else:
            mask |= high << 32
            answerable |= MASK ^ WORD
    return Merged(mask, answerable, hi_only)


def names_of(flags: object) -> Iterator[tuple[int, str]]:
    """What the enum class of ``flags`` calls each of their bits; nothing for a plain int."""
    if isinstance(flags, Enum) and isinstance(flags, int):
        names = _bit_names(type(flags))
        rest = int(flags) & MASK  # a plain int: flags would calculate with flags
        while rest:
            bit = rest & -rest
            if bit in names:
                yield bit, names[bit]
            rest ^= bit


def bit_called(bit: object, names: Mapping[int, str]) -> int:
    """Return ``bit`` as a plain int if it is one bit, and no flag that calls it something else.

    Raises:
        InvalidMaskError: It is not one bit, or is a flag of another tree.
    """
    value = one_bit(bit)
    check_names(bit, names)
    return value


def check_names(flags: object, names: Mapping[int, str]) -> None:
    """Refuse flags of another tree, that of ``names`` calling a bit something else.

    Raises:
        InvalidMaskError: They are.
    """
    for bit, name in names_of(flags):
        if names.get(bit, name) != name:
            raise InvalidMaskError(
                f"{quote(type(flags).__name__)}.{quote(name)} ({bit:#x})",
                f"a flag of this catalog, which calls the bit {names[bit]}",
            )


@lru_cache(maxsize=256)
def _bit_names(kind: type[Enum]) -> Mapping[int, str]:
    # A bit goes by the name of the smallest member that has it, without the kernel's prefix.
    names: dict[int, str] = {}
    members = [(member.value & MASK, name) for name, member in kind.__members__.items()]
    for value, name in sorted(members, key=lambda member: member[0]):
        for bit in bits(value):
            names.setdefault(bit, name.removeprefix(PREFIX))
    return names


_ONE_BIT = frozenset(bits(MASK))
_OPERATORS = ("__invert__", "__or__", "__and__", "__xor__", "__ror__", "__rand__", "__rxor__")


class FlagWordType(EnumType):
    """The type of flag classes: checks the raw values of a class body, and keeps its operators.

    EnumType puts the operators of Flag into every subclass that does not define them, and from
    Python 3.15 on rewrites negative values, so both are done around it.
    """

    bit_names: Mapping[int, str]
    """The name of each bit, without the kernel's prefix, lowest bit first."""

    def __new__(
        metacls, name: str, bases: tuple[type, ...], classdict: Any, **options: Any
    ) -> FlagWordType:
        """Make the class, with the operators of its base and a table of names."""
        base = next((base for base in bases if isinstance(base, FlagWordType)), None)
        if base is not None:
            for operator in _OPERATORS:
                classdict.setdefault(operator, getattr(base, operator))
        raw = dict(classdict)
        made = super().__new__(metacls, name, bases, classdict, **options)
        if cast("Any", made)._boundary_ is not KEEP:
            raise TypeError(f"the boundary of {name}, a FlagWord, must be KEEP")
        made.bit_names = _checked_names(made, raw)
        return made


def _checked_names(kind: FlagWordType, raw: Mapping[str, object]) -> dict[int, str]:
    found: dict[int, str] = {}
    for name in kind.__members__:
        value = raw.get(name)
        what = f"{quote(kind.__name__)}.{quote(name)} = {safe_repr(value)}"
        if type(value) is not int or value not in _ONE_BIT:
            raise InvalidMaskError(what, "one bit of 64")
        short = name.removeprefix(PREFIX)
        if value in found:
            raise InvalidMaskError(
                f"{what} is a second name for a bit: it is {quote(found[value])} already"
            )
        if short in found.values():
            raise InvalidMaskError(f"{what} is a second bit called {quote(short)}")
        found[value] = short
    return dict(sorted(found.items()))


class FlagWord(IntFlag, metaclass=FlagWordType, boundary=KEEP):
    """A class of flags in a 64-bit mask; every member is exactly one bit with one name.

    Members may be called as in the kernel's header, ``GUEST_MEMFD_FLAG_MMAP``; text leaves the
    prefix out. Bits without a name are kept, ``~`` is the 64-bit complement, and ``str()`` and
    ``format()`` give names: ``MMAP|INIT_SHARED|0x40``. A format such as ``#x`` gives the number.
    The traps of ``enum.IntFlag`` that remain: ``F(True)`` and ``F(1.0)`` are ``F(1)``, as is any
    number that equals a value made before; ``& -13`` takes away what -13, the complement of 12,
    lacks, be it an errno; iteration drops bits without a name, which ``len`` counts; and every
    value once made stays in the class. So calculate with ints, and make flags to show them.

    Raises:
        InvalidMaskError: A value outside 64 bits; an operator whose other side is a flag of
            another class that calls a bit something else; a class body whose member is not one
            bit, or a second name for a bit.

    >>> from gmemflags import GuestMemfdFlag
    >>> hex(~GuestMemfdFlag.MMAP)  # every bit but one, not only those with a name
    '0xfffffffffffffffe'
    >>> str(GuestMemfdFlag(0x41))
    'MMAP|0x40'
    """

    @classmethod
    def _missing_(cls, value: object) -> Self:
        made: Self = super()._missing_(u64(value))
        return made

    def __invert__(self) -> Self:
        return type(self)(self._value_ ^ MASK)

    def __or__(self, other: int) -> Self:
        return type(self)(self._value_ | _operand(type(self), other))

    def __and__(self, other: int) -> Self:
        return type(self)(self._value_ & _operand(type(self), other))

    def __xor__(self, other: int) -> Self:
        return type(self)(self._value_ ^ _operand(type(self), other))

    def __ror__(self, other: int) -> Self:  # type: ignore[mutable-override]  # typeshed aliases them
        return self.__or__(other)

    def __rand__(self, other: int) -> Self:  # type: ignore[mutable-override]  # typeshed aliases them
        return self.__and__(other)

    def __rxor__(self, other: int) -> Self:  # type: ignore[mutable-override]  # typeshed aliases them
        return self.__xor__(other)

    def __str__(self) -> str:
        return mask_text(self._value_, type(self).bit_names)

    def __format__(self, format_spec: str) -> str:
        return format(self._value_, format_spec) if format_spec else str(self)

    def __reduce_ex__(self, protocol: object) -> tuple[Callable[..., FlagWord], tuple[object, ...]]:
        return _unpickled, (type(self), self._value_, dict(names_of(self)))


def _unpickled(kind: type[FlagWord], value: int, names: Mapping[int, str]) -> FlagWord:
    # By name: where the class calls a bit something else now, a class that says what was meant.
    if any(kind.bit_names.get(bit) != name for bit, name in names.items()):
        kind = flag_class(kind.__name__, {name: bit for bit, name in names.items()})
    return kind(value)


def _operand(kind: FlagWordType, other: int) -> int:
    # The other side of an operator, unless it is a flag that has another name in this class.
    if not isinstance(other, kind):  # pragma: no mutate  # a shortcut: names are those of the class
        for bit, name in names_of(other):
            if kind.bit_names.get(bit) != name:
                raise InvalidMaskError(
                    f"{quote(type(other).__name__)}.{quote(name)} ({bit:#x})",
                    f"a flag of {quote(kind.__name__)}: take both from one class",
                )
    return other


def mask_text(mask: int, names: Mapping[int, str]) -> str:
    """``mask`` in names: ``MMAP|INIT_SHARED|0x40``, or ``0`` for no bit.

    Names come in order of their bits; what has no name follows as one hexadecimal number.
    """
    found: list[str] = []
    unnamed = 0
    for bit in bits(mask):
        if bit in names:
            found.append(names[bit])
        else:
            unnamed |= bit
    return "|".join([*found, f"{unnamed:#x}"] if unnamed else found) or "0"


def flag_class(name: str, members: Mapping[str, int]) -> type[FlagWord]:
    """Make a flag class called ``name`` from ``members``, bit by name, as a class body does."""
    functional: Any = FlagWord
    made: type[FlagWord] = functional(name, dict(members))
    return made
