"""The rules of a catalog as a Mermaid flowchart: who requires and who excludes whom."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from gmemflags._format import format_hosts, format_mask, format_rule
from gmemflags._masks import bits
from gmemflags._rules import Always, Excludes, Hosts, Never, Refused, Requires

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gmemflags._catalog import Catalog
    from gmemflags._rules import Rule

    End = int | str
    Edge = tuple[End, str, End]
    Relation = tuple[Sequence[End], str, str, Sequence[End]]

_EVERY = "every"
_NONE = "none"
_NODES = {_EVERY: '(["every mask"])', _NONE: '(["no mask"])'}


def graph(catalog: Catalog) -> Iterator[str]:
    """The lines of the flowchart."""
    edges = [edge for rule in catalog.rules for edge in _edges(rule, catalog)]
    ends = [*bits(catalog.named), *(end for edge in edges for end in (edge[0], edge[2]))]
    yield "graph LR"
    for name, box in dict(_node(end, catalog) for end in ends).items():
        yield f"    {name}{box}"
    for left, arrow, right in edges:
        yield f"    {_node(left, catalog)[0]} {arrow} {_node(right, catalog)[0]}"


def _node(end: End, catalog: Catalog) -> tuple[str, str]:
    # Names of flags are identifiers in capitals, so no other node has one of theirs.
    if isinstance(end, str):
        return end, _NODES[end]
    name = catalog.name_of(end)
    if name:
        return name, f'["{name} (bit {end.bit_length() - 1})"]'
    return f"m{end:x}", f'["{format_mask(end, catalog)}"]'


def _edges(rule: Rule, catalog: Catalog) -> Iterator[Edge]:
    where = "" if rule.hosts == Hosts() else f", on {format_hosts(rule.hosts)}"
    when = f"at {rule.stage}{where}"
    for lefts, arrow, text, rights in _relations(rule, catalog):
        for left, right in product(lefts, rights):
            yield left, f'{arrow}|"{text}, {when}"|', right


def _relations(rule: Rule, catalog: Catalog) -> list[Relation]:
    # Everything on the left has the arrow to everything on the right.
    match rule:
        case Requires():
            flags, one = bits(rule.flag), "requires one of these"
            return [
                (flags, "-->", "requires", bits(rule.all_of)),
                (flags, "-.->", one, rule.any_of),
            ]
        case Always():
            every, one = (_EVERY,), "needs one of these"
            return [(every, "-->", "needs", bits(rule.all_of)), (every, "-.->", one, rule.any_of)]
        case Excludes():
            return [(bits(rule.a), "x--x", "excludes", bits(rule.b))]
        case Never():
            return [((_NONE,), "-->", "takes", bits(rule.mask))]
        case Refused():
            return [((_NONE,), "-->", "is exactly this", (rule.mask,))]
        case _:
            raise TypeError(f"{format_rule(rule, catalog)} cannot be drawn")
