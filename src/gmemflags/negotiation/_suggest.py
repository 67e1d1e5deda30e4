"""Suggestions: what to change so that a refused request is granted, tried before it is said."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from attrs import evolve

from gmemflags.catalog._request import Prerequisites
from gmemflags.catalog._rules import Stage
from gmemflags.catalog._text import describe, describe_mask, format_need
from gmemflags.catalog._uapi import Scope
from gmemflags.masks._words import bits
from gmemflags.negotiation._problem import Suggestion
from gmemflags.negotiation._resolve import decide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gmemflags.catalog._request import Need, Request
    from gmemflags.host import Support

    Change = tuple[str, Callable[[Request], Request]]

_AT_MOST = 3


def suggestions(support: Support, request: Request) -> tuple[Suggestion, ...]:
    """Every single change that helps, else one minimal set of changes; at most three."""
    changes = list(_changes(support, request))
    singles: list[Suggestion] = []
    for change in changes:
        single = _tried(support, request, [change])
        if single:
            singles.append(single)
        if len(singles) == _AT_MOST:
            break
    if singles:
        return tuple(singles)
    together = _minimal(support, request, changes)
    return (together,) if together else ()


def _tried(support: Support, request: Request, changes: list[Change]) -> Suggestion | None:
    changed = request
    for _, change in changes:
        changed = change(changed)
    mask = decide(support, changed)
    if mask is None:
        return None
    return Suggestion(change="; ".join(text for text, _ in changes), request=changed, mask=mask)


def _minimal(support: Support, request: Request, changes: list[Change]) -> Suggestion | None:
    # Start from all changes together and leave out what can be left out.
    best = _tried(support, request, changes)
    kept = list(changes)
    for change in changes if best else ():
        without = [other for other in kept if other is not change]
        shorter = _tried(support, request, without)
        if shorter:
            kept, best = without, shorter
    return best


def _changes(support: Support, request: Request) -> Iterator[Change]:
    catalog = support.catalog
    if request.prerequisites is Prerequisites.REFUSE:
        least = evolve(request, prerequisites=Prerequisites.ADD, preferred=())
        mask = decide(support, least)
        if mask is not None:
            text = describe_mask(mask & ~request.required, catalog)
            yield f"require {text} as well", partial(_require, mask)
        yield "allow prerequisites to be added", _add
    for bit in bits(request.forbidden & catalog.named):
        yield f"do not forbid {describe(bit, catalog)}", partial(_allow, bit)
    for bit in bits(request.required):
        yield f"prefer {describe(bit, catalog)} instead of requiring it", partial(_prefer, bit)
    yield from _later_stages(support, request)
    yield from _other_changes(request)


def _require(mask: int, request: Request) -> Request:
    return evolve(request, required=request.required | mask)


def _add(request: Request) -> Request:
    return evolve(request, prerequisites=Prerequisites.ADD)


def _allow(bit: int, request: Request) -> Request:
    return evolve(request, forbidden=request.forbidden & ~bit)


def _prefer(bit: int, request: Request) -> Request:
    return evolve(request, required=request.required & ~bit, preferred=(*request.preferred, bit))


def _later_stages(support: Support, request: Request) -> Iterator[Change]:
    # The latest earlier stage that helps; if none does by itself, the earliest.
    earlier = [stage for stage in Stage if stage < request.until]
    helpful = [stage for stage in earlier if decide(support, _until(stage, request)) is not None]
    for stage in helpful[-1:] or earlier[:1]:
        yield f"let rules count until {stage} only", partial(_until, stage)


def _until(stage: Stage, request: Request) -> Request:
    return evolve(request, until=stage)


def _other_changes(request: Request) -> Iterator[Change]:
    for need in request.needs:
        yield f"drop the need for {format_need(need)}", partial(_without, need)
    if request.scope is Scope.VM:
        yield (
            "ask for an upper bound only (system scope)",
            lambda r: evolve(r, scope=Scope.SYSTEM),
        )
    if request.digest is not None:
        yield "drop the binding to the other catalog", lambda r: evolve(r, digest=None)


def _without(need: Need, request: Request) -> Request:
    return evolve(request, needs=[other for other in request.needs if other != need])
