"""The types of ``gmemflags.masks``: checked, never run."""

from typing import assert_type

import gmemflags.masks
from gmemflags import GuestMemfdFlag
from gmemflags import FlagWord, bits, u64
from gmemflags.masks import merge_words, split_words, u32
from gmemflags._masks import read_long


class Downstream(FlagWord):
    """A flag class of a user's own."""

    FOO = 1 << 2


def functions(unchecked: object) -> None:
    """Masks are ints and stay ints; a guard takes anything."""
    assert_type(u64(unchecked), int)
    assert_type(u32(unchecked), int)
    assert_type(bits(3), tuple[int, ...])
    assert_type(merge_words(1, 2), int)
    assert_type(split_words(3), tuple[int, int])
    assert_type(read_long(3), tuple[int, int])


def flags() -> None:
    """Operators keep the class."""
    assert_type(~GuestMemfdFlag.MMAP, GuestMemfdFlag)
    assert_type(GuestMemfdFlag.MMAP | GuestMemfdFlag.INIT_SHARED, GuestMemfdFlag)
    assert_type(~Downstream.FOO, Downstream)
    assert_type(Downstream(4), Downstream)
    assert_type(Downstream.FOO | 1, Downstream)


def mistakes() -> None:
    """An ignore that is not needed is an error."""
    bits("MMAP")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    merge_words(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    read_long(1.0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Downstream.FOO = 8  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    assert gmemflags.masks.u46  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # a typo
