"""All sentences about an answer: problems, outcomes, advice, the headline and the whole report.

Nothing is decided here. No message is ever empty, and each names the bits, their values and their
present state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gmemflags._catalog import Capability, Request, Scope
from gmemflags._decision import Finding, Negotiation, Verdict, applies, bit_reason
from gmemflags._format import (
    describe,
    describe_mask,
    format_hosts,
    format_need,
    format_rule,
    rules_with_why,
)
from gmemflags._host import Support
from gmemflags._mainline import MAINLINE
from gmemflags._masks import WORD, bits, union
from gmemflags._problems import Outcome, Problem, Reason, Role, Suggestion
from gmemflags._rules import Rule

_VERDICTS = {
    Reason.MISSING_PREREQUISITE: "the host has what is missing, and the request lacks it",
    Reason.PREREQUISITE_FORBIDDEN: "the request rules out what is missing",
    Reason.PREREQUISITE_UNSUPPORTED: "the host does not list what is missing",
    Reason.RULE_CONFLICT: "no mask for a host like this can have that",
    Reason.NO_VALID_MASK: "no mask at all is valid",
    Reason.OUTRANKED: "a group of higher priority was granted",
}


def problems(verdict: Verdict) -> tuple[Problem, ...]:
    """Everything that prevents a yes; empty for a yes."""
    return tuple(
        Problem(
            reason=finding.reason,
            bits=finding.bits,
            rules=finding.rules,
            need=finding.need,
            message=_message(verdict.negotiation, finding),
        )
        for finding in verdict.findings
    )


def _message(negotiation: Negotiation, finding: Finding) -> str:
    support, request = negotiation.support, negotiation.request
    origin, catalog = support.origin, support.catalog
    match finding.reason:
        case Reason.CATALOG_CHANGED:
            return (
                f"the request is pinned to the catalog with digest {str(request.digest)[:12]}, but"
                f" this host was read under {catalog.name}, {catalog.digest[:12]}"
            )
        case Reason.ONLY_UPPER_BOUND:
            return (
                f"{origin} says what the host could offer at most, and a VM may support fewer"
                " flags: query the VM's own descriptor, or ask for system scope"
            )
        case Reason.GUEST_MEMFD_NOT_ASKED:
            return f"{origin} was not asked for KVM_CAP_GUEST_MEMFD, so nothing is known of it"
        case Reason.NO_GUEST_MEMFD if support.scope is Scope.SYSTEM:
            return f"{origin} has no guest_memfd for any VM (KVM_CAP_GUEST_MEMFD is 0)"
        case Reason.NO_GUEST_MEMFD:
            return (
                f"{origin} has no guest_memfd (KVM_CAP_GUEST_MEMFD and KVM_CAP_USER_MEMORY2 are 0)"
            )
        case Reason.NOT_FOR_THIS_VM:
            return (
                f"{origin} has no guest_memfd (KVM_CAP_GUEST_MEMFD is 0): ask /dev/kvm whether VMs"
                " of another type have it"
            )
        case Reason.NEED_NOT_ASKED | Reason.NEED_ABSENT:
            return _need_message(support, finding)
        case reason if reason in _VERDICTS:
            text = _rules_message(negotiation, reason, finding.bits, finding.rules)
            return text if finding.minimal else f"{text} (a smaller set of rules may be enough)"
        case reason:
            return _bit_message(negotiation, finding.bits, reason)


def _need_message(support: Support, finding: Finding) -> str:
    need = finding.need
    if need is None:
        raise AssertionError(finding)
    what = f"KVM_CAP_{need.capability}"
    if finding.reason is Reason.NEED_ABSENT:
        answer = support.answer(need.capability)
        wanted = format_need(need).partition(" with ")[2] or "anything but 0"
        return f"{what} is {answer:#x} on {support.origin}, and {wanted} is needed"
    why = "was never asked for it"
    if support.catalog.capabilities.get(need.capability) is None:
        why = f"was not asked: {support.catalog.name} has no number for it"
    return f"{what} is needed, and {support.origin} {why}"


def _bit_message(negotiation: Negotiation, bit: int, reason: Reason) -> str:
    support, request = negotiation.support, negotiation.request
    catalog = support.catalog
    match reason:
        case Reason.MISNAMED:
            names = sorted({name for named, name in request.flag_names if named == bit})
            text = (
                f"of {catalog.name} is called {' or '.join(names)} by the request: a flag of"
                " another tree"
            )
        case Reason.REQUIRED_AND_FORBIDDEN:
            text = "is both required and forbidden"
        case Reason.FORBIDDEN:
            text = "is forbidden by the request"
        case Reason.UNNAMED:
            text = "cannot be asked for: what it does is not known"
        case Reason.UNKNOWABLE:
            text = f"is unknowable: {_why_unknowable(support, bit)}"
        case Reason.NO_FLAGS:
            text = f"is not supported: {_listing(support)}: its guest_memfd takes no flag at all"
        case _:
            text = f"is not supported: {_listing(support)}"
    return f"{describe(bit, catalog)} {text}"


def _listing(support: Support) -> str:
    if not support.answerable:
        return f"{support.origin} was not asked for its flags"
    return f"{support.origin} lists {describe_mask(support.mask, support.catalog)}"


def _why_unknowable(support: Support, bit: int) -> str:
    low = bit <= WORD
    capability = Capability.GUEST_MEMFD_FLAGS if low else Capability.GUEST_MEMFD_FLAGS_HI
    if support.catalog.capabilities.get(capability) is not None:
        return f"{support.origin} was never asked for KVM_CAP_{capability}"
    if low:
        return f"{support.catalog.name} numbers no capability that lists flags"
    if not support.answerable:
        return f"{support.origin} was not asked for its flags"
    return (
        f"{support.origin} spoke of bits 31:0 only, and {support.catalog.name} has no number for"
        " KVM_CAP_GUEST_MEMFD_FLAGS_HI"
    )


def _rules_message(
    negotiation: Negotiation, reason: Reason, core: int, rules: Sequence[Rule]
) -> str:
    # A conflict in one line: the rules with their why, every bit's present state, the verdict.
    catalog = negotiation.support.catalog
    mentioned = core | union(operand for rule in rules for operand in rule.operands)
    states = ", ".join(
        f"{describe(bit, catalog)} is {_state(negotiation, bit)}" for bit in bits(mentioned)
    )
    return f"{rules_with_why(rules, catalog)}: {_VERDICTS[reason]}; {states}"


def _state(negotiation: Negotiation, bit: int) -> str:
    request = negotiation.request
    if bit & request.required:
        role = "required"
    elif bit & request.forbidden:
        role = "forbidden"
    elif bit & negotiation.misnamed:
        role = "named like a flag of another tree"
    elif any(bit & group for group in request.preferred):
        role = "preferred"
    else:
        role = "not asked for"
    return f"{negotiation.support.state(bit)} and {role}"


def headline(verdict: Verdict) -> str:
    """The answer in one line."""
    support = verdict.negotiation.support
    if verdict.mask is not None:
        return f"granted: {describe_mask(verdict.mask, support.catalog)} on {support.origin}"
    first, *others = verdict.findings
    message = _message(verdict.negotiation, first)
    more = f" (and {len(others)} more)" if others else ""
    where = "" if support.origin in message else f" on {support.origin}"
    return f"refused{where}: {message}{more}"


def advice(verdict: Verdict) -> tuple[str, ...]:
    """What later stages will refuse, and what is doubtful about the answer itself."""
    return (*_later(verdict), *_doubts(verdict.negotiation))


def _later(verdict: Verdict) -> Iterator[str]:
    support, request = verdict.negotiation.support, verdict.negotiation.request
    mask = verdict.mask
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


def _doubts(negotiation: Negotiation) -> Iterator[str]:
    support = negotiation.support
    catalog = support.catalog
    for rule in negotiation.rules:
        if applies(support, rule) is None:
            text = format_rule(rule, catalog)
            yield f"applied to be safe: {text}. {_condition(support, rule)}"
    other = catalog is not MAINLINE and catalog.digest != MAINLINE.digest
    if other and catalog.name == MAINLINE.name:
        yield (
            f"this {catalog.name} (digest {catalog.digest[:12]}) is not the one that comes with"
            f" this library ({MAINLINE.digest[:12]}): its names and rules are the caller's choice"
        )
    elif other:
        yield (
            f"the names are those of {catalog.name}, by the caller's choice: a kernel confirms"
            " bits, never names"
        )
    if support.scope is Scope.SYSTEM:
        yield (
            f"{support.origin} says what the host could offer at most: a VM may support fewer flags"
        )
    if support.hi_only:
        claimed = describe_mask(support.hi_only, catalog)
        yield f"{claimed} is claimed by FLAGS_HI and denied by a 64-bit FLAGS: not believed"


def why(verdict: Verdict, outcomes: Sequence[Outcome], bit: int) -> str:
    """Why one bit is in the mask, or is not."""
    for outcome in outcomes:
        if outcome.bits == bit and outcome.role is not Role.GROUP:
            return _outcome_message(verdict, outcome)
    negotiation = verdict.negotiation
    return f"{describe(bit, negotiation.support.catalog)} is {_state(negotiation, bit)}"


def _outcome_message(verdict: Verdict, outcome: Outcome) -> str:
    negotiation = verdict.negotiation
    catalog = negotiation.support.catalog
    what = describe_mask(outcome.bits, catalog)
    match outcome.reason:
        case Reason.GRANTED:
            return f"{what} is granted: {outcome.role} and supported"
        case Reason.ADDED:
            chain = ", because ".join(format_rule(rule, catalog) for rule in outcome.chain)
            return f"{what} is added: {chain}"
        case Reason.GROUP_NOT_GRANTED:
            return f"{what} is supported, but no group with it can be granted as a whole"
        case Reason.REQUEST_REFUSED:
            first = _message(negotiation, verdict.findings[0])
            return f"{what} is supported, but the request was refused: {first}"
        case reason if reason in _VERDICTS:
            text = _rules_message(negotiation, reason, outcome.bits, outcome.chain)
            return f"{what} is not granted: {text}"
        case reason:
            text = "; ".join(
                _bit_message(negotiation, bit, reason)
                for bit in bits(outcome.bits)
                if bit_reason(negotiation, bit) is reason
            )
            return text if outcome.bits.bit_count() == 1 else f"{what} is not granted: {text}"


def report(
    verdict: Verdict, outcomes: Sequence[Outcome], suggestions: Sequence[Suggestion]
) -> str:
    """The whole answer: what was asked, what the host said, what became of it, what to change."""
    lines = _lines(verdict, outcomes, suggestions)
    return "\n".join([headline(verdict), *(f"  {line}" for line in lines)])


def _lines(
    verdict: Verdict, outcomes: Sequence[Outcome], suggestions: Sequence[Suggestion]
) -> Iterator[str]:
    support = verdict.negotiation.support
    catalog = support.catalog
    yield f"asked: {_asked(support, verdict.negotiation.request)}"
    yield f"host: {_listing(support)} ({catalog.name}, {support.scope} scope)"
    for outcome in outcomes if verdict.mask is not None else ():
        if outcome.role is not Role.GROUP and outcome.role is not Role.FORBIDDEN:
            yield f"- {_outcome_message(verdict, outcome)}"
        elif outcome.role is Role.GROUP and outcome.bits.bit_count() > 1:
            yield f"- group {_outcome_message(verdict, outcome)}"
    for problem in problems(verdict)[1:]:  # the first one is the headline
        yield f"- {problem}"
    for text in advice(verdict):
        yield f"note: {text}"
    for suggestion in suggestions:
        gives = describe_mask(suggestion.mask, catalog)
        yield f"try: {suggestion.change}, which gives {gives}"


def _asked(support: Support, request: Request) -> str:
    catalog = support.catalog
    parts = [f"required {describe_mask(request.required, catalog)}"]
    parts += [f"preferred {describe_mask(group, catalog)}" for group in request.preferred]
    if request.forbidden:
        parts.append(f"forbidden {describe_mask(request.forbidden, catalog)}")
    parts += [f"needs {format_need(need)}" for need in request.needs]
    return f"{', '.join(parts)}; prerequisites {request.prerequisites}, until {request.until}"
