"""The rules of a catalog as a picture: who requires and who excludes whom."""

from __future__ import annotations

from html import escape
from itertools import product
from typing import TYPE_CHECKING

from _svg import box, cross, figure, head, line, mark, text

from gmemflags import Always, Excludes, Requires, bits, format_mask, format_rule
from gmemflags._format import format_hosts

if TYPE_CHECKING:
    from gmemflags import Catalog, Rule


def rules(catalog: Catalog) -> str:
    """The flags of ``catalog`` in a column, and an arrow or line for each rule between them."""
    flags = bits(catalog.named)
    height = 62
    middle = {bit: n * height + 22 for n, bit in enumerate(flags)}
    half = max(len(format_mask(bit, catalog)) for bit in flags) * 4 + 8
    pairs = [isinstance(rule, (Requires, Excludes)) for rule in catalog.rules]
    left = 2 if all(pairs) else 118
    parts: list[str] = []
    used: dict[int, int] = {}
    for n, rule in enumerate(catalog.rules):
        if isinstance(rule, (Requires, Excludes)):
            parts += _between(rule, middle, left + 2 * half, n + 1, sum(pairs[: n + 1]))
            continue
        for bit in bits(rule.operands[0] | sum(rule.operands[1:])):
            parts += _alone(rule, middle[bit] + 12 * used.get(bit, 0), left, n + 1)
            used[bit] = used.get(bit, 0) + 1
    for bit, y in middle.items():
        name = format_mask(bit, catalog)
        parts.append(box(left, y - 14, 2 * half, 28))
        parts.append(text(left + half, y + 4, name, anchor="middle", weight=700))
    legend = [_told(rule, catalog) for rule in catalog.rules]
    spoken = "; ".join(format_rule(rule, catalog) for rule in catalog.rules)
    return figure(
        f"The rules of {catalog.name} between {format_mask(catalog.named, catalog)}: {spoken}.",
        len(flags) * height - 18,
        parts,
        f"The flags of {escape(catalog.name)}, and its rules:",
        legend,
    )


def short(catalog: Catalog) -> str:
    """What the pages call a catalog: one word of its name."""
    return catalog.name.removeprefix("linux-").partition("-")[0]


def _between(
    rule: Requires | Excludes, middle: dict[int, int], edge: float, number: int, lane: int
) -> list[str]:
    # Arcs to the right of the column, one lane for each rule.
    if isinstance(rule, Excludes):
        ends = [(a, b, False) for a, b in product(bits(rule.a), bits(rule.b))]
    else:
        needed = [(bit, False) for bit in bits(rule.all_of)]
        needed += [(bit, True) for way_ in rule.any_of for bit in bits(way_)]
        ends = [(flag, *need) for flag in bits(rule.flag) for need in needed]
    parts: list[str] = []
    x = edge + 14 + 24 * lane
    for one, other, dashed in ends:
        down = middle[other] > middle[one]
        port = (3 if lane % 2 else 10) * (1 if down else -1)
        start, end = middle[one] + port, middle[other] - port
        parts.append(line(f"M{edge:.1f},{start} H{x:.1f} V{end} H{edge:.1f}", dashed=dashed))
        symbol = cross(edge + 7, end) if isinstance(rule, Excludes) else head(edge, end, "left")
        parts += [symbol, mark(x, (start + end) / 2, number)]
    return parts


def _alone(rule: Rule, y: float, edge: float, number: int) -> list[str]:
    # A line from the left, for a rule about every mask.
    always = isinstance(rule, Always)
    return [
        text(2, y + 4, "every mask" if always else "no mask", size=11),
        line(f"M70,{y} H{edge:.1f}"),
        head(edge, y, "right") if always else cross(edge - 7, y),
        mark((70 + edge) / 2, y, number),
    ]


def _told(rule: Rule, catalog: Catalog) -> str:
    what, source = escape(format_rule(rule, catalog)), escape(rule.source)
    told = escape(f"At {rule.stage}, on {format_hosts(rule.hosts)}. {rule.why}")
    return f"<strong>{what}</strong>. {told}<br><small>{source}</small>"
