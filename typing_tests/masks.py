"""The types of masks and flags: checked, never run."""

from typing import assert_type

import gmemflags
from gmemflags import FlagWord, GuestMemfdFlag, Merged, bits, merge, u64


class Downstream(FlagWord):
    """A flag class of a user's own."""

    FOO = 1 << 2


def functions(unchecked: object) -> None:
    """Masks are ints and stay ints; a guard takes anything."""
    assert_type(u64(unchecked), int)
    assert_type(bits(3), tuple[int, ...])
    assert_type(merge(3), Merged)
    merged = merge(None, 3)
    assert_type((merged.mask, merged.answerable, merged.hi_only), tuple[int, int, int])


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
    merge()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    merge(1.0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Downstream.FOO = 8  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    assert gmemflags.u46  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # a typo
