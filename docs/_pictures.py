"""The pictures of the documentation, drawn from the code when the pages are built."""

from __future__ import annotations

import tomllib
from contextlib import redirect_stdout
from doctest import DocTestParser
from html import escape
from importlib import import_module
from io import StringIO
from pathlib import Path
from textwrap import wrap
from typing import Any

from _graph import rules, short
from _svg import WIDTH, box, figure, line, mark, text
from _way import KERNEL, YOU, recorded

from gmemflags import MAINLINE, BitState, Capability, bits, format_mask, query
from gmemflags._mainline import SHIPPED
from gmemflags.testing import FakeBackend

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pictures() -> dict[str, str]:
    """Every picture by name, as a block of HTML for a Markdown page."""
    return {
        "floors": floors(),
        "register": register(),
        "way": way(),
        **{f"rules_{short(catalog)}": rules(catalog) for catalog in SHIPPED},
        "rules_foo_bar": rules(example("docs/how-to/write-a-catalog.md", "DOWNSTREAM")),
    }


def floors() -> str:
    """The house: a row for each floor of the import contract, top to bottom."""
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    layers: list[str] = next(c["layers"] for c in contracts if c["type"] == "layers")
    storeys = [[room.strip(" ()") for room in layer.split("|")] for layer in layers]
    top = 2
    parts: list[str] = []
    for row, rooms in enumerate(storeys):
        width = (WIDTH - 22) / len(rooms)
        told = [wrap(_purpose(room), int(width / 5.2)) for room in rooms]
        height = 24 + 11 * max(map(len, told))
        number = str(len(storeys) - row)
        parts.append(text(9, top + height / 2 + 5, number, size=15, anchor="middle"))
        for place, (room, lines) in enumerate(zip(rooms, told, strict=True)):
            left = 22 + place * width
            parts.append(box(left, top, width - 4, height))
            parts.append(text(left + 8, top + 15, room, weight=700))
            parts += [text(left + 8, top + 27 + 11 * n, t, size=9.5) for n, t in enumerate(lines)]
        top += height + 6
    spoken = "; ".join(f"{len(storeys) - n}: {', '.join(r)}" for n, r in enumerate(storeys))
    return figure(
        f"The floors of the house from top to bottom: {spoken}.",
        top,
        parts,
        "A room imports only from the floors below it; rooms on one floor do not know each other.",
    )


def _purpose(room: str) -> str:
    # What the room says of itself, in the first line of its docstring.
    first = (import_module(f"gmemflags.{room}").__doc__ or "").partition("\n")[0]
    return first.rpartition(": ")[2]


def register() -> str:
    """The 64 bits of flags on a host of today, as the library reads its answers."""
    support = query(FakeBackend.narrow(MAINLINE.named))
    side, top = 22, 0
    parts: list[str] = []
    for first, capability in (
        (63, Capability.GUEST_MEMFD_FLAGS_HI),
        (31, Capability.GUEST_MEMFD_FLAGS),
    ):
        number = MAINLINE.capabilities[capability]
        told = "no number yet" if number is None else number
        parts.append(text(4, top + 14, f"KVM_CAP_{capability} ({told})", size=11, weight=700))
        for place in range(32):
            bit = first - place
            x, y = 4 + place % 16 * side, top + 20 + place // 16 * (side + 14)
            parts += _cell(x, y, side, bit, support.state(1 << bit))
        top += 20 + 2 * (side + 14) + 10
    for bit in reversed(bits(support.mask)):
        named = f"bit {bit.bit_length() - 1} is {format_mask(bit)}"
        parts.append(text(WIDTH - 4, top + 6, named, size=11, anchor="end"))
        top += 15
    return figure(
        "The register of flags. Capability"
        f" {MAINLINE.capabilities[Capability.GUEST_MEMFD_FLAGS]} answered for bits 31 to 0:"
        f" {format_mask(support.mask)} are listed, the others are not. Nothing answered for bits"
        " 63 to 32, which are unknowable.",
        top,
        parts,
        "What a host with Linux 6.18 says of 64 bits: 1 listed, 0 not listed, ? unknowable.",
    )


_SHOWN = {BitState.SUPPORTED: "1", BitState.UNSUPPORTED: "0", BitState.UNKNOWABLE: "?"}


def _cell(x: float, y: float, side: float, bit: int, state: BitState) -> list[str]:
    middle = x + side / 2
    return [
        text(middle, y + 9, str(bit), size=8.5, anchor="middle"),
        box(x, y + 12, side, side, tint=0.3 if state is BitState.SUPPORTED else 0, corner=0),
        text(middle, y + 27, _SHOWN[state], anchor="middle"),
    ]


def way() -> str:
    """The way of one query: the calls from room to room, recorded while one is made."""
    calls = recorded()
    rooms = [YOU, "linux", "negotiation", "host", "catalog", "masks", KERNEL]
    height, step = 40, (WIDTH - 84) / len(calls)
    middle = {room: n * height + 20 for n, room in enumerate(rooms)}
    parts: list[str] = []
    for room, y in middle.items():
        parts.append(box(2, y - 18, WIDTH - 4, height - 4))
        parts.append(text(7, y + 4, room, size=10.5))
    for n, call in enumerate(calls):
        x, start, end = 82 + n * step, middle[call.caller], middle[call.callee]
        parts.append(line(f"M{x:.1f},{start} V{end}"))
        parts.append(f'<circle cx="{x:.1f}" cy="{start}" r="3" fill="currentColor"/>')
        parts.append(mark(x, end, n + 1))
    legend = [
        f"{call.caller} calls <code>{escape(call.name)}</code> in {call.callee}"
        + (f", {count} times" if count > 1 else "")
        for call, count in calls.items()
    ]
    return figure(
        "The way of one query: calls from room to room, from left to right, as listed below.",
        len(rooms) * height,
        parts,
        "From a dot to a number: one query, one negotiation, one file.",
        legend,
    )


def example(page: str, name: str) -> Any:
    """The value that the Python examples of ``page`` give to ``name`` first."""
    known: dict[str, Any] = {}
    parsed = DocTestParser().get_examples((ROOT / page).read_text(encoding="utf-8"))
    for found in parsed:
        with redirect_stdout(StringIO()):
            exec(compile(found.source, page, "single"), known)  # noqa: S102  # our own page
        if name in known:
            return known[name]
    raise LookupError(f"{page} gives no value to {name}")
