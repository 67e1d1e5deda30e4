"""The pictures of the pages: layers, the register, and the rules of a catalog, as SVG.

Each picture has its own background, so it can be read on light and on dark pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib import import_module
from itertools import product

from gmemflags import (
    MAINLINE,
    BitState,
    Catalog,
    Excludes,
    Requires,
    Rule,
    bits,
    format_mask,
    format_rule,
    query,
)
from gmemflags.testing import FakeBackend

WIDTH = 640
_STYLE = (
    "text{font:13px sans-serif;fill:#1a1a1a}.b{font-weight:700}.s{font-size:11px}"
    ".m{text-anchor:middle}.box{fill:#eef3fb;stroke:#5b7db1}.on{fill:#bcd3f5}"
    ".line{fill:none;stroke:#333;stroke-width:1.4}.dash{stroke-dasharray:5 4}.head{fill:#333}"
    ".back{fill:#fff}"
)


def picture(title: str, height: float, parts: Iterable[str]) -> str:
    """A whole SVG file."""
    area = f"-8 -8 {WIDTH + 16} {height + 16:g}"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{area}"><title>{escape(title)}</title>'
    )
    back = box(-8, -8, WIDTH + 16, height + 16, "back")
    return "\n".join([head, f"<style>{_STYLE}</style>", back, *parts, "</svg>\n"])


def text(x: float, y: float, shown: str, style: str = "") -> str:
    """A line of text whose baseline is at ``y``."""
    return f'<text x="{x:g}" y="{y:g}" class="{style}">{escape(shown)}</text>'


def box(x: float, y: float, width: float, height: float, style: str = "box") -> str:
    """A box."""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="3" class="{style}"/>'
    )


def layers(rows: Sequence[Sequence[str]]) -> str:
    """A row for each layer of the import contract, from top to bottom, with what its modules do."""
    parts: list[str] = []
    for row, modules in enumerate(rows):
        width = WIDTH / len(modules)
        for column, module in enumerate(modules):
            doc = (import_module(f"gmemflags.{module}").__doc__ or "").partition("\n")[0]
            doc = doc.partition(": ")[0] if len(modules) > 1 else doc
            limit = int((width - 20 - 8 * len(module)) / 6)
            shown = doc if len(doc) <= limit else f"{doc[: limit - 3].rpartition(' ')[0]} ..."
            parts.append(box(column * width, row * 30, width - 6, 25))
            parts.append(text(column * width + 8, row * 30 + 17, module, "b"))
            parts.append(text(column * width + 16 + 8 * len(module), row * 30 + 17, shown, "s"))
    title = "; ".join(", ".join(modules) for modules in rows)
    return picture(f"The layers of gmemflags, from top to bottom: {title}", 30 * len(rows), parts)


def register() -> str:
    """The 64 bits of flags on a host of today, as the library reads its answers."""
    support = query(FakeBackend.narrow(MAINLINE.named))
    shown = {BitState.SUPPORTED: "1", BitState.UNSUPPORTED: "0", BitState.UNKNOWABLE: "?"}
    side, parts = WIDTH / 32, list[str]()
    for row, (first, title) in enumerate(
        [
            (63, "KVM_CAP_GUEST_MEMFD_FLAGS_HI has no number: bits 63:32 are unknowable"),
            (31, "KVM_CAP_GUEST_MEMFD_FLAGS (244)"),
        ]
    ):
        top = row * 76
        parts.append(text(0, top + 14, title, "b"))
        for place in range(32):
            bit, x = first - place, place * side
            state = support.state(1 << bit)
            on = "box on" if state is BitState.SUPPORTED else "box"
            parts.append(text(x + side / 2, top + 32, str(bit), "s m"))
            parts.append(box(x, top + 37, side, 24, on))
            parts.append(text(x + side / 2, top + 54, shown[state], "m"))
    names = ", ".join(
        f"bit {bit.bit_length() - 1} is {format_mask(bit)}" for bit in bits(support.mask)
    )
    parts.append(text(0, 160, f"1 listed, 0 not listed, ? unknowable; {names}", "s"))
    return picture("The 64 bits of flags on a host with Linux 6.18", 164, parts)


def rules(catalog: Catalog) -> str:
    """The flags of ``catalog`` in a column, with an arrow or a cross for each rule."""
    flags = bits(catalog.named)
    middle = {bit: index * 48 + 16 for index, bit in enumerate(flags)}
    parts = [box(0, y - 16, 130, 32) for y in middle.values()]
    parts += [text(65, y + 4, format_mask(bit, catalog), "b m") for bit, y in middle.items()]
    lane, x = 0, 160.0
    for rule in catalog.rules:
        ends = _ends(rule)
        for index, (start, end, dashed) in enumerate(ends):
            x = 160 + 26 * lane
            low, high = middle[start] + 5 * (index % 2) - 2, middle[end] + 4
            style = "line dash" if dashed else "line"
            parts.append(f'<path d="M130,{low} H{x:g} V{high} H130" class="{style}"/>')
            parts.append(
                text(133, high + 4, "\u00d7", "b")
                if isinstance(rule, Excludes)
                else f'<path d="M130,{high} l8,-4 v8 z" class="head"/>'
            )
        lane += bool(ends)
    left = max(x + 24, 220)
    for index, rule in enumerate(catalog.rules):
        top = index * 40 + 12
        where = f"at {rule.stage}" + (", on some hosts" if rule.hosts.machines else "")
        parts.append(text(left, top, format_rule(rule, catalog), "b"))
        parts.append(text(left, top + 16, where, "s"))
    height = max(48 * len(flags) - 16, 40 * len(catalog.rules) - 8)
    listed = "; ".join(format_rule(rule, catalog) for rule in catalog.rules)
    return picture(f"The rules of {catalog.name}: {listed}", height, parts)


def _ends(rule: Rule) -> list[tuple[int, int, bool]]:
    # From a flag to what it requires or excludes; dashed if one of several is enough.
    if isinstance(rule, Excludes):
        return [(a, b, False) for a, b in product(bits(rule.a), bits(rule.b))]
    if not isinstance(rule, Requires):
        return []
    needed = [(bit, False) for bit in bits(rule.all_of)]
    needed += [(bit, True) for mask in rule.any_of for bit in bits(mask)]
    return [(flag, *need) for flag in bits(rule.flag) for need in needed]
