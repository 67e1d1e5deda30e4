"""Masks, words and the C long that carries them.

The one guard of the library, :func:`u64`, lives here: every number from outside passes it. This
module must never round, truncate or sign anything without being asked.

>>> from gmemflags.masks import bits, merge_words, read_long, split_words
>>> split_words(0x7_0000_0003)
(3, 7)
>>> hex(merge_words(3, 7))
'0x700000003'
>>> read_long(-(2**31))  # bit 31 alone, sign-extended on its way through a C int
(2147483648, 32)
>>> [hex(bit) for bit in bits(0x41)]
['0x1', '0x40']
"""

from __future__ import annotations

from enum import IntFlag
from typing import TYPE_CHECKING

from gmemflags.exceptions import InvalidMaskError

if TYPE_CHECKING:
    from collections.abc import Iterable

WORD = 0xFFFF_FFFF
MASK = 0xFFFF_FFFF_FFFF_FFFF
# Linux returns -errno in [-MAX_ERRNO, -1] (include/linux/err.h); no libc can tell it from data.
_MAX_ERRNO = 4095
_ERRNO_IMAGE = WORD - _MAX_ERRNO + 1
_NO_MASK = "a mask: an int in [0, 2**64) is needed"
_NO_WORD = "a word: an int in [0, 2**32) is needed"


def shown(value: object) -> str:
    """A value as text for an error message, however large or odd it is."""
    if type(value) is int:
        return f"{value}" if value.bit_length() <= 128 else f"an int of {value.bit_length()} bits"
    if value is None or isinstance(value, (bool, float, str, bytes)):
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:57]}..."
    return f"an object of type {type(value).__name__}"


def _of_flag(value: object, must: str) -> int:
    if isinstance(value, IntFlag) and type(value._value_) is int:
        return value._value_
    raise InvalidMaskError(shown(value), must)


def u64(value: object) -> int:
    """Return ``value`` as a plain int if it is a mask.

    Exact ints and flags pass; bool, float, str, negative numbers and anything above 64 bits
    raise :exc:`~gmemflags.exceptions.InvalidMaskError`.
    """
    number = value if type(value) is int else _of_flag(value, _NO_MASK)
    if 0 <= number <= MASK:
        return number
    raise InvalidMaskError(shown(number), _NO_MASK)


def u32(value: object) -> int:
    """Return ``value`` as a plain int if it is a word, like :func:`u64` with 32 bits."""
    number = value if type(value) is int else _of_flag(value, _NO_WORD)
    if 0 <= number <= WORD:
        return number
    raise InvalidMaskError(shown(number), _NO_WORD)


def one_bit(value: object) -> int:
    """Return ``value`` as a plain int if it is a mask of exactly one bit.

    Raises :exc:`~gmemflags.exceptions.InvalidMaskError` for anything else: a bit is a mask, so
    bit number 6 is written ``1 << 6``.
    """
    mask = u64(value)
    if mask == 0 or mask & (mask - 1):
        raise InvalidMaskError(f"{mask:#x}", "one bit: a mask with exactly one bit set is needed")
    return mask


def bits(mask: int) -> tuple[int, ...]:
    """The bits of ``mask`` as one-bit masks, lowest first, named or not.

    Raises :exc:`~gmemflags.exceptions.InvalidMaskError` if it is no mask.
    """
    rest = u64(mask)
    found: list[int] = []
    while rest:
        found.append(rest & -rest)
        rest &= rest - 1
    return tuple(found)


def union(masks: Iterable[int]) -> int:
    """All bits of ``masks`` together."""
    mask = 0
    for other in masks:
        mask |= other
    return mask


def split_words(mask: int) -> tuple[int, int]:
    """The low and the high 32-bit word of ``mask``; the inverse of :func:`merge_words`.

    Raises :exc:`~gmemflags.exceptions.InvalidMaskError` if it is no mask.
    """
    value = u64(mask)
    return value & WORD, value >> 32


def merge_words(low: int, high: int) -> int:
    """The mask ``low | high << 32``.

    Raises :exc:`~gmemflags.exceptions.InvalidMaskError` for anything but two words.
    """
    return u32(low) | u32(high) << 32


def read_long(raw: int) -> tuple[int, int]:
    """Say what the C long that KVM_CHECK_EXTENSION returned means: ``(value, width)``.

    ``width`` is 32 for a word, also for one that was sign-extended, and 64 for a mask. What
    looks like an errno, as a long in [-4095, -1] or as its 32-bit image in
    [0xFFFFF001, 0xFFFFFFFF], raises :exc:`~gmemflags.exceptions.InvalidMaskError`, and so does
    anything that is no C long. A long in [-2**31, -4096] is read as a word: as a mask it would
    claim bits 63:32 all at once.
    """
    if type(raw) is not int or not -(1 << 63) <= raw < 1 << 63:
        raise InvalidMaskError(shown(raw), "a C long: an int in [-2**63, 2**63) is needed")
    if 0 <= raw < _ERRNO_IMAGE:
        return raw, 32
    if raw > WORD:
        return raw, 64
    if raw >= -_MAX_ERRNO:
        raise InvalidMaskError(_errno_shown(raw), "an answer: it is an error number, not flags")
    return (raw & WORD, 32) if raw >= -(1 << 31) else (raw & MASK, 64)


def _errno_shown(raw: int) -> str:
    from errno import errorcode  # noqa: PLC0415  # only where something went wrong

    number = -raw & WORD  # the same for the long and for its image
    name = errorcode.get(number, f"errno {number}")
    return f"{raw if number == -raw else hex(raw)} (-{name})"
