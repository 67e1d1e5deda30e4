"""The base of every flag class: an IntFlag that is right for 64-bit masks.

Names are for people. The truth is always the int: a flag class is only a view of it, with the
traps of ``enum.IntFlag`` that remain. ``F(True)`` and ``F(1.0)`` are ``F(1)``, because 1, True
and 1.0 are one dictionary key; ``list(F(0x41))`` drops bits without a name, which ``len`` counts;
``.name`` of unnamed bits is decimal; and every value once made stays in the class for ever. So
calculate with ints, and make flags to show them.

>>> from gmemflags import GuestMemfdFlag
>>> hex(~GuestMemfdFlag.MMAP)  # every bit but one, not only those with a name
'0xfffffffffffffffe'
>>> hex(GuestMemfdFlag(0x41) & ~GuestMemfdFlag.MMAP)  # the unnamed bit 6 stays
'0x40'
"""

from __future__ import annotations

from enum import KEEP, Enum, EnumType, IntFlag
from typing import TYPE_CHECKING, Any, cast

from gmemflags.exceptions import InvalidMaskError
from gmemflags.masks._words import MASK, bits, shown, u64

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self


PREFIX = "GUEST_MEMFD_FLAG_"


def flag_class(name: str, members: Mapping[str, int]) -> type[FlagWord]:
    """Make a flag class called ``name`` from ``members``, bit by name; as good as a class body."""
    made: type[FlagWord] = cast("Any", FlagWord)(name, dict(members))
    return made


def names_of(flags: object) -> Iterator[tuple[int, str]]:
    """What the enum class of ``flags`` calls each of their bits, without the kernel's prefix.

    A bit goes by the name of the smallest member that has it. Nothing for what is no enum.
    """
    if not (isinstance(flags, Enum) and isinstance(flags, int)):
        return
    wanted = MASK & flags
    for name, member in sorted(type(flags).__members__.items(), key=lambda named: named[1].value):
        for bit in bits(wanted & member.value):
            yield bit, name.removeprefix(PREFIX)
        wanted &= ~member.value


class _FlagWordType(EnumType):
    """Looks at the values as they were written: Python 3.15 makes a negative one another flag."""

    def __new__(cls, name: str, bases: Any, members: Any, **options: Any) -> Any:
        for member, value in members.items():
            if isinstance(value, int) and value < 0:
                raise InvalidMaskError(f"{name}.{member} = {shown(value)}", "one bit of 64")
        return super().__new__(cls, name, bases, members, **options)


class FlagWord(IntFlag, metaclass=_FlagWordType, boundary=KEEP):
    """A class of flags in a 64-bit mask; every member is exactly one bit.

    Bits without a name are kept, ``~`` is the 64-bit complement, and a value outside 64 bits
    raises :exc:`~gmemflags.exceptions.InvalidMaskError`, as ``u64`` does. So does ``|``, ``&`` or
    ``^`` with a flag of another class that calls the bit something else: the result would bear
    the wrong name.
    """

    __module__ = "gmemflags.masks"

    @classmethod
    def _missing_(cls, value: object) -> Self:
        made: Self = super()._missing_(u64(value))
        return made

    def __invert__(self) -> Self:
        return type(self)(self._value_ ^ MASK)

    def __or__(self, other: int) -> Self:
        return super().__or__(self._named_alike(other))

    def __and__(self, other: int) -> Self:
        return super().__and__(self._named_alike(other))

    def __xor__(self, other: int) -> Self:
        return super().__xor__(self._named_alike(other))

    def _named_alike(self, other: int) -> int:
        # The other side of an operator, unless it is a flag that bears another name here. Those of
        # one class bear the same names, and Python 3.11.2 unpickles a flag of two bits through "|".
        if type(other) is type(self):
            return other
        mine = {flag._value_: name for name, flag in type(self).__members__.items()}
        for bit, name in names_of(other):
            if mine.get(bit) != name:
                raise InvalidMaskError(
                    f"{type(other).__name__}.{name} ({bit:#x})",
                    f"a flag of {type(self).__name__}: take both from one class",
                )
        return other

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cast("Any", cls)._boundary_ is not KEEP:
            raise TypeError(f"the boundary of {cls.__name__}, a FlagWord, must be KEEP")
        # After this hook EnumType puts Flag's own operators into every subclass that does not
        # define them. What the hook sets counts as defined.
        setattr(cls, "__invert__", FlagWord.__invert__)  # noqa: B010  # no type for it
        for operator in ("or__", "and__", "xor__"):
            for method in (f"__{operator}", f"__r{operator}"):
                setattr(cls, method, getattr(FlagWord, f"__{operator}"))
        for name, member in cls.__members__.items():
            value = member._value_
            if not 0 < value <= MASK or value & (value - 1):
                raise InvalidMaskError(f"{cls.__name__}.{name} = {shown(value)}", "one bit of 64")
