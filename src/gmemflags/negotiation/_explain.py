"""The reasons: what stands in the way of a request, each named, numbered and in a sentence.

Sentences only; nothing is decided here. No message is ever empty or nameless.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmemflags.catalog._text import describe, describe_mask, format_need, format_rule
from gmemflags.catalog._uapi import Capability, Scope
from gmemflags.host import BitState
from gmemflags.masks._words import WORD, bits, union
from gmemflags.negotiation._conflict import conflict
from gmemflags.negotiation._problem import Problem, Reason
from gmemflags.negotiation._resolve import changed, foreign, usable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gmemflags.catalog._request import Need, Request
    from gmemflags.catalog._rules import Rule
    from gmemflags.host import Support


def problems(support: Support, request: Request) -> tuple[Problem, ...]:
    """Everything that stands in the way; called for a refusal, and then never empty."""
    found = [
        *_catalog_problems(support, request),
        *_absence(support),
        *_bit_problems(support, request),
        *_need_problems(support, request),
        *_rule_problems(support, request),
    ]
    if found:
        return tuple(found)
    message = (
        f"{support.origin} answers for the best imaginable VM, so its yes is only an upper bound:"
        " query the VM's own descriptor, or ask for system scope"
    )
    return (Problem(reason=Reason.ONLY_UPPER_BOUND, message=message),)


def bit_reason(support: Support, request: Request, bit: int) -> Reason | None:
    """What is wrong with one bit by itself; None if it may be used."""
    if bit & foreign(support, request):
        return Reason.FOREIGN_FLAG
    if bit & request.forbidden:
        both = bit & request.required
        return Reason.REQUIRED_AND_FORBIDDEN if both else Reason.FORBIDDEN
    if not bit & support.catalog.named:
        return Reason.UNNAMED
    state = support.state(bit)
    if state is BitState.UNKNOWABLE:
        return Reason.UNKNOWABLE
    if state is BitState.UNSUPPORTED:
        return Reason.UNSUPPORTED if support.mask or not support.guest_memfd else Reason.NO_FLAGS
    return None


def bit_message(support: Support, request: Request, bit: int, reason: Reason) -> str:
    """The sentence for :func:`bit_reason`."""
    catalog = support.catalog
    foreign_names = {own for own_bit, own in request.claims if own_bit == bit}
    listed = f"not supported: {listing(support)}"
    told = {
        Reason.FOREIGN_FLAG: f"of {catalog.name} is called {' or '.join(sorted(foreign_names))}"
        " by the request: a flag of another tree",
        Reason.REQUIRED_AND_FORBIDDEN: "is both required and forbidden",
        Reason.FORBIDDEN: "is forbidden by the request",
        Reason.UNNAMED: "cannot be asked for: what it does is not known",
        Reason.UNKNOWABLE: f"is unknowable: {_unseen(support, bit)}",
        Reason.NO_FLAGS: f"is {listed}: its guest_memfd takes no flag at all",
        Reason.UNSUPPORTED: f"is {listed}",
    }
    return f"{describe(bit, catalog)} {told[reason]}"


def listing(support: Support) -> str:
    """What the host lists, as the rest of a sentence."""
    if not support.answerable:
        return f"{support.origin} was not asked for its flags"
    return f"{support.origin} lists {describe_mask(support.mask, support.catalog)}"


def _unseen(support: Support, bit: int) -> str:
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


def _catalog_problems(support: Support, request: Request) -> Iterator[Problem]:
    if changed(support, request):
        message = (
            f"the request is pinned to the catalog with digest {str(request.digest)[:12]}, but"
            f" this host was read under {support.catalog.name}, {support.catalog.digest[:12]}"
        )
        yield Problem(reason=Reason.CATALOG_CHANGED, message=message)


def _absence(support: Support) -> Iterator[Problem]:
    if support.guest_memfd:
        return
    origin = support.origin
    if support.guest_memfd is None:
        reason = Reason.GUEST_MEMFD_NOT_ASKED
        message = f"{origin} was not asked for KVM_CAP_GUEST_MEMFD, so nothing is known of it"
    elif support.scope is Scope.SYSTEM:
        reason = Reason.NO_GUEST_MEMFD
        message = f"{origin} has no guest_memfd for any VM (KVM_CAP_GUEST_MEMFD is 0)"
    elif support.answer(Capability.USER_MEMORY2) == 0:
        reason = Reason.NO_GUEST_MEMFD
        message = (
            f"{origin} has no guest_memfd (KVM_CAP_GUEST_MEMFD and KVM_CAP_USER_MEMORY2 are 0)"
        )
    else:
        reason = Reason.NOT_FOR_THIS_VM
        message = (
            f"{origin} has no guest_memfd (KVM_CAP_GUEST_MEMFD is 0): ask /dev/kvm whether VMs of"
            " another type have it"
        )
    yield Problem(reason=reason, message=message)


def _bit_problems(support: Support, request: Request) -> Iterator[Problem]:
    wanted = request.required | (request.forbidden & foreign(support, request))
    for bit in bits(wanted):
        reason = bit_reason(support, request, bit)
        if reason:
            message = bit_message(support, request, bit, reason)
            yield Problem(reason=reason, bits=bit, message=message)


def _need_problems(support: Support, request: Request) -> Iterator[Problem]:
    for need in request.needs:
        answer = support.answer(need.capability)
        what = f"KVM_CAP_{need.capability}"
        if answer is None:
            catalog = support.catalog
            why = "was never asked for it"
            if catalog.capabilities.get(need.capability) is None:
                why = f"was not asked: {catalog.name} has no number for it"
            message = f"{what} is needed, and {support.origin} {why}"
            yield Problem(reason=Reason.NEED_NOT_ASKED, need=need, message=message)
        elif not need.met_by(answer):
            message = f"{what} is {answer:#x} on {support.origin}, and {_wanted(need)} is needed"
            yield Problem(reason=Reason.NEED_ABSENT, need=need, message=message)


def _wanted(need: Need) -> str:
    wanted = format_need(need).partition(" with ")[2]
    return wanted or "anything but 0"


def _rule_problems(support: Support, request: Request) -> Iterator[Problem]:
    if not support.guest_memfd:
        return
    found = conflict(support, request, request.required & usable(support, request))
    if found:
        reason, core, rules = found
        message = rule_message(support, request, reason, core, rules)
        yield Problem(reason=reason, bits=core, rules=rules, message=message)


VERDICTS = {
    Reason.MISSING_PREREQUISITE: "the host has what is missing, and the request lacks it",
    Reason.PREREQUISITE_FORBIDDEN: "the request rules out what is missing",
    Reason.PREREQUISITE_UNSUPPORTED: "the host does not list what is missing",
    Reason.RULE_CONFLICT: "no mask for a host like this can have that",
    Reason.NO_VALID_MASK: "no mask at all is valid",
    Reason.OUTRANKED: "a group of higher priority was granted",
}


def rule_message(
    support: Support, request: Request, reason: Reason, core: int, rules: tuple[Rule, ...]
) -> str:
    """A conflict in one line: the rules with their why, every bit's present value, the verdict."""
    catalog = support.catalog
    told = "; ".join(f"{format_rule(rule, catalog)} ({rule.why.rstrip('.')})" for rule in rules)
    mentioned = core | union(operand for rule in rules for operand in rule.operands)
    values = ", ".join(
        f"{describe(bit, catalog)} is {present_value(support, request, bit)}"
        for bit in bits(mentioned)
    )
    return f"{told}: {VERDICTS[reason]}; {values}"


def present_value(support: Support, request: Request, bit: int) -> str:
    """Where one bit stands: what the host says of it, and what the request does."""
    if bit & request.required:
        role = "required"
    elif bit & request.forbidden:
        role = "forbidden"
    elif bit & foreign(support, request):
        role = "named like a flag of another tree"
    elif any(bit & group for group in request.preferred):
        role = "preferred"
    else:
        role = "not asked for"
    return f"{support.state(bit)} and {role}"
