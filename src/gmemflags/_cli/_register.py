"""The 64 bits of an answer drawn as a register, in the way of a hardware manual.

Bits with a name, and listed bits without one, have a field each; all others share one field as
long as the host says the same of them. What does not fit into a row goes into another.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from gmemflags._host import BitState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gmemflags._host import Support

_WIDTH = 76
_VALUES = {BitState.SUPPORTED: "1", BitState.UNSUPPORTED: "0", BitState.UNKNOWABLE: "?"}
_DISBELIEVED = "!"


@frozen
class Field:
    """Bits ``high`` to ``low`` of a register; ``width`` is what it takes inside its box."""

    high: int
    low: int
    name: str
    value: str
    width: int

    def label(self) -> str:
        """The bit numbers, above the box."""
        if self.high == self.low:
            return f"{self.high}".center(self.width)
        return f"{self.high}{self.low:>{self.width - len(f'{self.high}')}}"


def fields(support: Support) -> list[Field]:
    """The fields of the register, highest first; together they have each of the 64 bits once."""
    bits = [(n, *_content(support, n)) for n in range(63, -1, -1)]
    found: list[Field] = []
    for (group, name, value), run in groupby(bits, key=lambda bit: bit[1:]):
        numbers = [number for number, *_ in run]
        parts = [[n] for n in numbers] if group else [numbers]
        for part in parts:
            digits = len(f"{part[0]}") + len(f"{part[-1]}") + 2
            width = max(len(name) + 2, digits if len(part) > 1 else 4)
            found.append(Field(part[0], part[-1], name, value, width))
    return found


def _content(support: Support, number: int) -> tuple[bool, str, str]:
    # Whether the bit has a field for itself, its name, and its value.
    bit = 1 << number
    name = support.catalog.name_of(bit)
    state = support.state(bit)
    value = _DISBELIEVED if bit & support.disagreement else _VALUES[state]
    if name or value in "1!":
        return True, name or "unnamed", value
    return False, "unknowable" if state is BitState.UNKNOWABLE else "", value


def draw(support: Support) -> Iterator[str]:
    """The lines of the drawing, at most 80 columns wide."""
    for row in _rows(fields(support)):
        border = "+".join(["", *("-" * field.width for field in row), ""])
        yield "   " + " ".join(field.label() for field in row).rstrip()
        yield f"  {border}"
        yield f"  |{'|'.join(field.name.center(field.width) for field in row)}|"
        yield f"  |{'|'.join(field.value.center(field.width) for field in row)}|"
        yield f"  {border}"


def _rows(rest: list[Field]) -> Iterator[list[Field]]:
    while rest:
        row: list[Field] = []
        room = _WIDTH
        while rest and rest[0].width + 1 <= room:
            room -= rest[0].width + 1
            row.append(rest.pop(0))
        yield _stretched(row, room)


def _stretched(row: list[Field], room: int) -> list[Field]:
    # What is left of the width goes to the fields of several bits.
    wide = [index for index, field in enumerate(row) if field.high > field.low]
    for left, index in zip(range(len(wide), 0, -1), wide, strict=True):
        more = room // left
        room -= more
        row[index] = evolve(row[index], width=row[index].width + more)
    return row


LEGEND = "legend: 1 listed, 0 not listed, ? unknowable: nothing that was asked covers it"
DISBELIEVED = f"        {_DISBELIEVED} claimed by FLAGS_HI, denied by a 64-bit FLAGS: not believed"
