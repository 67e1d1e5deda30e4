"""The answer as text: headline, advice, the why of one bit, and the whole report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmemflags.catalog._mainline import MAINLINE
from gmemflags.catalog._text import describe, describe_mask, format_hosts, format_need, format_rule
from gmemflags.catalog._uapi import Scope
from gmemflags.masks._words import bits
from gmemflags.negotiation._explain import (
    VERDICTS,
    bit_message,
    bit_reason,
    listing,
    present_value,
    rule_message,
)
from gmemflags.negotiation._problem import Reason, Role
from gmemflags.negotiation._resolve import applicable, applies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gmemflags.catalog._request import Request
    from gmemflags.catalog._rules import Rule
    from gmemflags.host import Support
    from gmemflags.negotiation._problem import Outcome
    from gmemflags.negotiation._resolution import Resolution


def headline(resolution: Resolution) -> str:
    """The answer in one line."""
    support = resolution.support
    if resolution.ok:
        return f"granted: {describe_mask(resolution.mask, support.catalog)} on {support.origin}"
    first, *others = resolution.problems
    more = f" (and {len(others)} more)" if others else ""
    where = "" if support.origin in str(first) else f" on {support.origin}"
    return f"refused{where}: {first}{more}"


def advice(support: Support, request: Request, mask: int | None) -> tuple[str, ...]:
    """What later stages will refuse, and what is doubtful about the answer itself."""
    return (*_later(support, request, mask), *_doubts(support, request))


def _later(support: Support, request: Request, mask: int | None) -> Iterator[str]:
    for rule in support.catalog.rules if mask is not None else ():
        here = applies(support, rule)
        if here is not False and rule.stage > request.until and not rule.holds(mask or 0):
            doubt = "" if here else f" {_condition(support, rule)}"
            yield f"at {rule.stage}: {format_rule(rule, support.catalog)}. {rule.why}{doubt}"


def _condition(support: Support, rule: Rule) -> str:
    host, hosts = support.host, rule.hosts
    unknown = ["machine"] if hosts.machines and not host.machine else []
    if hosts.vm_types and host.vm_type is None:
        unknown.append("VM type")
    facts = " and ".join(unknown)
    return f"It holds on {format_hosts(hosts)}; of this host the {facts} is not known."


def _doubts(support: Support, request: Request) -> Iterator[str]:
    catalog = support.catalog
    for rule in applicable(support, request.until):
        if applies(support, rule) is None:
            told = format_rule(rule, catalog)
            yield f"applied to be safe: {told}. {_condition(support, rule)}"
    if catalog != MAINLINE and catalog.name == MAINLINE.name:
        yield (
            f"this {catalog.name} (digest {catalog.digest[:12]}) is not the one that is known here"
            f" ({MAINLINE.digest[:12]}): its names and rules are the caller's choice"
        )
    elif catalog != MAINLINE:
        yield (
            f"the names are those of {catalog.name}, by the caller's choice: a kernel confirms"
            " bits, never names"
        )
    if support.scope is Scope.SYSTEM:
        yield f"{support.origin} answers for the best imaginable VM: a VM may take fewer flags"
    if support.disagreement:
        claimed = describe_mask(support.disagreement, catalog)
        yield f"{claimed} is claimed by FLAGS_HI and denied by a 64-bit FLAGS: not believed"


def why(resolution: Resolution, bit: int) -> str:
    """Why one bit is in the mask, or is not."""
    outcomes = [o for o in resolution.outcomes if o.bits == bit and o.role is not Role.GROUP]
    if not outcomes:
        value = present_value(resolution.support, resolution.request, bit)
        return f"{describe(bit, resolution.support.catalog)} is {value}"
    return _outcome_text(resolution, outcomes[0])


def _outcome_text(resolution: Resolution, outcome: Outcome) -> str:
    support, request = resolution.support, resolution.request
    what = describe_mask(outcome.bits, support.catalog)
    chain = ", because ".join(format_rule(rule, support.catalog) for rule in outcome.chain)
    match outcome.reason:
        case Reason.GRANTED:
            return f"{what} is granted: {outcome.role} and supported"
        case Reason.ADDED:
            return f"{what} is added: {chain}"
        case Reason.GROUP_NOT_GRANTED:
            return f"{what} is supported, but no group with it can be granted as a whole"
        case Reason.REQUEST_REFUSED:
            return f"{what} is supported, but the request was refused: {resolution.problems[0]}"
        case reason if reason in VERDICTS:
            told = rule_message(support, request, reason, outcome.bits, outcome.chain)
            return f"{what} is not granted: {told}"
        case reason:
            told = "; ".join(
                bit_message(support, request, bit, reason)
                for bit in bits(outcome.bits)
                if bit_reason(support, request, bit) is reason
            )
            return told if outcome.bits.bit_count() == 1 else f"{what} is not granted: {told}"


def report(resolution: Resolution) -> str:
    """The whole answer: what was asked, what the host said, what became of it, what to change."""
    return "\n".join([headline(resolution), *(f"  {line}" for line in _lines(resolution))])


def _lines(resolution: Resolution) -> Iterator[str]:
    support, request = resolution.support, resolution.request
    yield f"asked: {_asked(support, request)}"
    yield f"host: {listing(support)} ({support.catalog.name}, {support.scope} scope)"
    for outcome in resolution.outcomes if resolution.ok else ():
        if outcome.role is not Role.GROUP and outcome.role is not Role.FORBIDDEN:
            yield f"- {_outcome_text(resolution, outcome)}"
        elif outcome.role is Role.GROUP and outcome.bits.bit_count() > 1:
            yield f"- wish {_outcome_text(resolution, outcome)}"
    for problem in resolution.problems[1:]:  # the first one is the headline
        yield f"- {problem}"
    for text in resolution.advice:
        yield f"note: {text}"
    for suggestion in resolution.suggestions:
        gives = describe_mask(suggestion.mask, support.catalog)
        yield f"try: {suggestion.change}, which gives {gives}"


def _asked(support: Support, request: Request) -> str:
    catalog = support.catalog
    parts = [f"required {describe_mask(request.required, catalog)}"]
    parts += [f"preferred {describe_mask(group, catalog)}" for group in request.preferred]
    if request.forbidden:
        parts.append(f"forbidden {describe_mask(request.forbidden, catalog)}")
    parts += [f"needs {format_need(need)}" for need in request.needs]
    return f"{', '.join(parts)}; prerequisites {request.prerequisites}, until {request.until}"
