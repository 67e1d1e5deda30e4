"""Suggestions: what to change so that a refused request is granted, each tried on the host.

None of them abandons what was asked for: no need is dropped, no pin is loosened, and a flag is
preferred instead of required only if something that was required is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from attrs import evolve

from gmemflags._catalog import Prerequisites, Request, Scope
from gmemflags._decision import Verdict, granted_mask
from gmemflags._explain import caveats
from gmemflags._format import describe, describe_mask
from gmemflags._host import Support
from gmemflags._masks import bits
from gmemflags._problems import Suggestion
from gmemflags._rules import Stage
from gmemflags._solver import Budget, OutOfSteps

Change = tuple[str, Callable[[Request], Request]]

_AT_MOST = 3


def suggestions(verdict: Verdict) -> tuple[tuple[Suggestion, ...], bool]:
    """Every single change that helps, else one minimal set of changes; at most three.

    Returns:
        The suggestions, and whether all changes were tried: False if the budget ended before.
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
                return tuple(singles), True
        if not singles:
            singles.extend(_minimal(support, request, changes, budget))
    except OutOfSteps:
        return tuple(singles), False
    return tuple(singles), True


def _tried(
    support: Support, request: Request, changes: list[Change], budget: Budget
) -> Suggestion | None:
    changed = request
    for _, change in changes:
        changed = change(changed)
    mask = granted_mask(support, changed, budget)
    if mask is None or (request.required and not mask & request.required):
        return None
    text = "; ".join(text for text, _ in changes)
    against = list(caveats(support, mask, changed.until))
    if changed.scope is Scope.SYSTEM and request.scope is Scope.VM:
        against.append("an upper bound says nothing about one VM")
    return Suggestion(
        change=f"{text}, which gives {describe_mask(mask, support.catalog)}",
        request=changed,
        mask=mask,
        caveats=tuple(against),
    )


def _minimal(
    support: Support, request: Request, changes: list[Change], budget: Budget
) -> list[Suggestion]:
    # Start from all changes together and leave out what can be left out.
    best = _tried(support, request, changes, budget)
    kept = list(changes)
    for change in reversed(changes) if best else ():
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
    for bit in bits(request.required & catalog.named):
        yield f"prefer {describe(bit, catalog)} instead of requiring it", partial(_prefer, bit)
    yield from _earlier_stage(support, request, budget)
    if request.scope is Scope.VM and support.scope is Scope.SYSTEM:
        yield (
            "ask for an upper bound only (system scope)",
            lambda changed: evolve(changed, scope=Scope.SYSTEM),
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
        yield f"ask only until {stage} (until=Stage.{stage.name})", partial(_until, stage)


def _require(mask: int, request: Request) -> Request:
    return evolve(request, required=request.required | mask)


def _allow(bit: int, request: Request) -> Request:
    return evolve(request, forbidden=request.forbidden & ~bit)


def _prefer(bit: int, request: Request) -> Request:
    return evolve(request, required=request.required & ~bit, preferred=(*request.preferred, bit))


def _until(stage: Stage, request: Request) -> Request:
    return evolve(request, until=stage)
