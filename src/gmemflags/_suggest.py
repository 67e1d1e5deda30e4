"""Suggestions: what to change so that a refused request is granted, each tried on the host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from attrs import evolve

from gmemflags._catalog import Need, Prerequisites, Request, Scope
from gmemflags._decision import Verdict, granted_mask
from gmemflags._format import describe, describe_mask, format_need
from gmemflags._host import Support
from gmemflags._masks import bits
from gmemflags._problems import Suggestion
from gmemflags._rules import Stage
from gmemflags._solver import Budget, OutOfSteps

Change = tuple[str, Callable[[Request], Request]]

_AT_MOST = 3


def suggestions(verdict: Verdict) -> tuple[Suggestion, ...]:
    """Every single change that helps, else one minimal set of changes; at most three.

    What the budget of the negotiation does not suffice for is left out.
    """
    support, request = verdict.negotiation.support, verdict.negotiation.request
    budget = Budget(verdict.steps_left)
    changes: list[Change] = []
    singles: list[Suggestion] = []
    try:
        for change in _changes(support, request, budget):
            changes.append(change)
            single = _tried(support, request, [change], budget)
            if single:
                singles.append(single)
            if len(singles) == _AT_MOST:
                return tuple(singles)
        if not singles:
            singles.extend(_minimal(support, request, changes, budget))
    except OutOfSteps:
        pass
    return tuple(singles)


def _tried(
    support: Support, request: Request, changes: list[Change], budget: Budget
) -> Suggestion | None:
    changed = request
    for _, change in changes:
        changed = change(changed)
    mask = granted_mask(support, changed, budget)
    if mask is None:
        return None
    return Suggestion(change="; ".join(text for text, _ in changes), request=changed, mask=mask)


def _minimal(
    support: Support, request: Request, changes: list[Change], budget: Budget
) -> list[Suggestion]:
    # Start from all changes together and leave out what can be left out.
    best = _tried(support, request, changes, budget)
    kept = list(changes)
    for change in changes if best else ():
        without = [other for other in kept if other is not change]
        shorter = _tried(support, request, without, budget)
        if shorter:
            kept, best = without, shorter
    return [best] if best else []


def _changes(support: Support, request: Request, budget: Budget) -> Iterator[Change]:
    catalog = support.catalog
    if request.prerequisites is Prerequisites.REFUSE:
        least = evolve(request, prerequisites=Prerequisites.ADD, preferred=())
        mask = granted_mask(support, least, budget)
        if mask is not None:
            text = describe_mask(mask & ~request.required, catalog)
            yield f"require {text} as well", partial(_require, mask)
        yield (
            "allow prerequisites to be added",
            lambda changed: evolve(changed, prerequisites=Prerequisites.ADD),
        )
    for bit in bits(request.forbidden & catalog.named):
        yield f"do not forbid {describe(bit, catalog)}", partial(_allow, bit)
    for bit in bits(request.required):
        yield f"prefer {describe(bit, catalog)} instead of requiring it", partial(_prefer, bit)
    yield from _earlier_stage(support, request, budget)
    for need in request.needs:
        yield f"drop the need for {format_need(need)}", partial(_without, need)
    if request.scope is Scope.VM:
        yield (
            "ask for an upper bound only (system scope)",
            lambda changed: evolve(changed, scope=Scope.SYSTEM),
        )
    if request.digest is not None:
        yield (
            "drop the binding to the other catalog",
            lambda changed: evolve(changed, digest=None),
        )


def _earlier_stage(support: Support, request: Request, budget: Budget) -> Iterator[Change]:
    # The latest earlier stage that helps; if none does by itself, the earliest.
    earlier = [stage for stage in Stage if stage < request.until]
    helpful = [
        stage
        for stage in earlier
        if granted_mask(support, evolve(request, until=stage), budget) is not None
    ]
    for stage in helpful[-1:] or earlier[:1]:
        yield f"let rules count until {stage} only", partial(_until, stage)


def _require(mask: int, request: Request) -> Request:
    return evolve(request, required=request.required | mask)


def _allow(bit: int, request: Request) -> Request:
    return evolve(request, forbidden=request.forbidden & ~bit)


def _prefer(bit: int, request: Request) -> Request:
    return evolve(request, required=request.required & ~bit, preferred=(*request.preferred, bit))


def _until(stage: Stage, request: Request) -> Request:
    return evolve(request, until=stage)


def _without(need: Need, request: Request) -> Request:
    return evolve(request, needs=[other for other in request.needs if other != need])
