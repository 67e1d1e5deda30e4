"""The report of a probe as text: each mask with its answer, and what follows from them.

Sentences only; nothing is decided here.
"""

from __future__ import annotations

from errno import EINVAL, errorcode
from typing import TYPE_CHECKING

from gmemflags.catalog._text import describe, describe_mask, format_mask, format_rule
from gmemflags.masks._words import bits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gmemflags.catalog._catalog import Catalog
    from gmemflags.catalog._rules import Rule
    from gmemflags.negotiation._probe_report import ProbeReport


def extent(report: ProbeReport) -> str:
    """How far the probe came."""
    tried = f"masks tried: {len(report.observations)}"
    if report.stopped is not None:
        return f"{tried}, until {_named(report.stopped)}"
    every = "combination of the listed flags"
    if report.complete:
        return f"{tried}, among them every {every}"
    return f"{tried}, and not every {every} was answered with yes or EINVAL"


def _named(errno: int) -> str:
    return errorcode.get(errno, f"errno {errno}")


def lines(report: ProbeReport) -> Iterator[str]:
    """The report for people, line by line."""
    support, catalog = report.support, report.support.catalog
    host = support.host
    yield f"host    {support.origin}, Linux {host.kernel}, {host.machine}"
    yield f"catalog {catalog.name}"
    yield f"lists   {describe_mask(support.mask, catalog)}"
    yield f"tried   files of {report.size} bytes, reserved words of zero: {extent(report)}"
    yield ""
    yield from _table(report)
    so_far = "" if report.complete else ", which is not everything"
    sections = {
        f"rules that hold in all of this{so_far}": _rules(report.rules, catalog),
        "refused, and explained by no rule": _masks(report.unexplained, catalog),
        "kernel and catalog contradict each other": [f"  {line}" for line in report.contradictions],
        "undetermined: in no mask that was taken": [
            f"  {describe(bit, catalog)}" for bit in bits(report.undetermined)
        ],
    }
    for title, content in sections.items():
        if content:
            yield from ("", title, *content)


def _table(report: ProbeReport) -> Iterator[str]:
    # A line for each mask, but one for all single bits that are neither listed nor taken.
    listed, catalog = report.support.mask, report.support.catalog
    plain = {
        mask
        for mask, errno in report.observations.items()
        if errno == EINVAL and mask.bit_count() == 1 and not mask & listed
    }
    width = max([4, *(len(hex(mask)) for mask in report.observations.keys() - plain)])
    yield f"  {'mask':>{width}}  answer      flags"
    for mask, errno in report.observations.items():
        if mask not in plain:
            answer = _named(errno) if errno else "taken"
            yield f"  {mask:#{width}x}  {answer:<10}  {format_mask(mask, catalog)}"
    if plain:
        yield f"  EINVAL for all other single bits tried: {len(plain)}, none of them listed"


def _rules(rules: Iterable[Rule], catalog: Catalog) -> list[str]:
    told = ((f"  {format_rule(rule, catalog)}", f"    {rule.why}") for rule in rules)
    return [line for pair in told for line in pair]


def _masks(masks: Iterable[int], catalog: Catalog) -> list[str]:
    return [f"  {describe_mask(mask, catalog)}" for mask in sorted(masks)]
