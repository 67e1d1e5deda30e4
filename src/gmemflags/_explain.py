"""All sentences about an answer: problems, outcomes, advice, the headline and the whole report.

Nothing is decided here. No message is ever empty, and each names the bits, their values and their
present state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from errno import errorcode
from typing import cast

from gmemflags._catalog import Capability, Catalog, Need, Prerequisites, Request, Scope
from gmemflags._decision import (
    Fate,
    Finding,
    Negotiation,
    Verdict,
    applies,
    bit_reason,
    fates,
    need_reason,
)
from gmemflags._exceptions import quote
from gmemflags._format import (
    describe,
    describe_mask,
    format_hosts,
    format_need,
    format_rule,
    rule_text,
)
from gmemflags._host import Support
from gmemflags._mainline import AS_OF, KVM_MEMORY_ATTRIBUTE_PRIVATE, MAINLINE, TAKEN
from gmemflags._masks import WORD, bits, union
from gmemflags._problems import Outcome, Problem, Reason, Role, Suggestion
from gmemflags._rules import Rule, Stage, architecture

# So many alternatives of a rule fit into a headline.
_FEW = 4

_VERDICTS = {
    Reason.MISSING_PREREQUISITE: (
        "the host lists what is missing, and the request does not ask for it"
    ),
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


def outcomes(verdict: Verdict) -> tuple[Outcome, ...]:
    """What became of every bit that is named or was added, and of every preferred group."""
    return tuple(
        Outcome(
            bits=fate.bits,
            role=fate.role,
            granted=fate.reason in {Reason.GRANTED, Reason.ADDED},
            reason=fate.reason,
            chain=fate.rules,
            message=_fate_message(verdict, fate),
        )
        for fate in fates(verdict)
    )


def _message(negotiation: Negotiation, finding: Finding) -> str:
    if finding.reason not in _VERDICTS:
        return _short_message(negotiation, finding)
    text = _rules_message(negotiation, finding.reason, finding.bits, finding.rules)
    return text if finding.minimal else f"{text} (a smaller set of rules may be enough)"


def _short_message(negotiation: Negotiation, finding: Finding) -> str:
    # What fits into a headline: a conflict of rules without their whys and the state of each bit.
    support, request = negotiation.support, negotiation.request
    match finding.reason:
        case Reason.CATALOG_CHANGED:
            pinned, name = quote(str(request.digest)[:12]), quote(support.catalog.name)
            return (
                f"the request is pinned to the catalog with digest {pinned}, and the host was read"
                f" under {name}, {support.catalog.digest[:12]}"
            )
        case Reason.ONLY_UPPER_BOUND:
            return (
                "/dev/kvm says what the host could offer at most: query the VM's own descriptor,"
                " or ask for system scope"
            )
        case Reason.GUEST_MEMFD_NOT_ASKED:
            return "the host was not asked for KVM_CAP_GUEST_MEMFD, so nothing is known of it"
        case Reason.NO_GUEST_MEMFD if support.scope is Scope.SYSTEM:
            return "the kernel has no guest_memfd for any VM (KVM_CAP_GUEST_MEMFD is 0)"
        case Reason.NO_GUEST_MEMFD:
            return (
                "the kernel has no guest_memfd (KVM_CAP_GUEST_MEMFD and KVM_CAP_USER_MEMORY2 are 0)"
            )
        case Reason.NOT_FOR_THIS_VM:
            return (
                "this VM has no guest_memfd (KVM_CAP_GUEST_MEMFD is 0): ask /dev/kvm whether VMs of"
                " another type have it"
            )
        case Reason.NEED_NOT_ASKED | Reason.NEED_ABSENT:
            return _need_message(support, finding)
        case reason if reason in _VERDICTS:
            # The rule that may not even apply is the one to know of; else the first one.
            rules = sorted(finding.rules, key=lambda rule: applies(support, rule) is not None)
            first = [_rule_with_stage(rule, support, _FEW) for rule in rules[:1]]
            others = len(rules) - 1
            more = f" and {others} more rule{'s' if others > 1 else ''}" if others > 0 else ""
            what = "".join(first) or describe_mask(finding.bits, support.catalog)
            return f"{what}{more}: {_VERDICTS[reason]}"
        case reason:
            return _bit_message(negotiation, finding.bits, reason)


def _need_message(support: Support, finding: Finding) -> str:
    need = cast("Need", finding.need)
    what = f"KVM_CAP_{quote(need.capability)}"
    why = f" ({quote(need.why.rstrip('.'))})" if need.why else ""
    answer = support.known_answer(need.capability)
    if answer is not None:
        wanted = format_need(need).partition(" with ")[2] or "anything but 0"
        return f"{what} is {answer:#x}, needed: {wanted}{why}"
    errno = support.errors.get(need.capability)
    if errno is not None:
        return f"{what} is needed{why}, and asking for it failed: {errorcode.get(errno, errno)}"
    if support.catalog.capabilities.get(need.capability) is None:
        name = quote(support.catalog.name)
        return f"{what} is needed{why}, and was not asked: {name} has no number for it"
    return f"{what} is needed{why}, and the host was never asked for it"


def _bit_message(negotiation: Negotiation, bit: int, reason: Reason) -> str:
    support, request = negotiation.support, negotiation.request
    catalog = support.catalog
    match reason:
        case Reason.MISNAMED:
            names = sorted({name for named, name in request.flag_names if named == bit})
            text = (
                f"of {quote(catalog.name)} is called {quote(' or '.join(names))} by the request:"
                " a flag of another tree"
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
        return "the host was not asked for its flags"
    return f"the host lists {describe_mask(support.mask, support.catalog)}"


def _why_unknowable(support: Support, bit: int) -> str:
    low = bit <= WORD
    capability = Capability.GUEST_MEMFD_FLAGS if low else Capability.GUEST_MEMFD_FLAGS_HI
    name = quote(support.catalog.name)
    if support.catalog.capabilities.get(capability) is not None:
        return f"the host was never asked for KVM_CAP_{capability}"
    if low:
        return f"{name} numbers no capability that lists flags"
    if not support.answerable:
        return "the host was not asked for its flags"
    return (
        f"the host spoke of bits 31:0 only, and {name} has no number for"
        " KVM_CAP_GUEST_MEMFD_FLAGS_HI"
    )


def _rule_with_stage(rule: Rule, support: Support, most: int = 64) -> str:
    text = rule_text(rule, support.catalog, most)
    if rule.stage is Stage.CREATE:
        return text
    release = f", as of {AS_OF}" if rule in MAINLINE.rules else ""
    return f"{text} (at {rule.stage}{release})"


def _rules_message(
    negotiation: Negotiation, reason: Reason, core: int, rules: Sequence[Rule]
) -> str:
    # A conflict in one line: the rules with their why, every bit's present state, the verdict.
    support = negotiation.support
    stated = "; ".join(
        f"{_rule_with_stage(rule, support)}: {quote(rule.why.rstrip('.'))}" for rule in rules
    )
    mentioned = core | union(operand for rule in rules for operand in rule.operands)
    states = ", ".join(
        f"{describe(bit, support.catalog)} is {_state(negotiation, bit)}" for bit in bits(mentioned)
    )
    return "; ".join(
        filter(None, (stated, _VERDICTS[reason], states, _open_condition(support, rules)))
    )


def _open_condition(support: Support, rules: Iterable[Rule]) -> str:
    # What is not known of the host, where some rule depends on it, and how to say it.
    unsettled = [rule for rule in rules if applies(support, rule) is None]
    facts = _unknown_facts(support, unsettled)
    if not facts:
        return _not_known(facts) if unsettled else ""
    remedies = {
        "VM type": "Vm.from_fd(fd, vm_type=0)",
        "machine": 'HostFacts(machine="x86_64")',
    }
    how = " and ".join(remedies[fact] for fact in facts)
    verb, it = ("are", "them") if len(facts) > 1 else ("is", "it")
    what = f"the {' and the '.join(facts)} of this host {verb} not known"
    return f"{what}: say {it}, as in {how}"


def _not_known(facts: Sequence[str]) -> str:
    # Without such a fact it is the rule that speaks of a machine by a name that is not known.
    verb = "are" if len(facts) > 1 else "is"
    return f"the {' and the '.join(facts)} {verb} not known" if facts else "it may not apply here"


def _unknown_facts(support: Support, rules: Iterable[Rule]) -> list[str]:
    # Of the conditions of these rules, which are open: what to say about the host to settle them.
    host = support.host
    machine = vm_type = False
    for rule in rules:
        hosts = rule.hosts
        if architecture(host.machine) is None:
            # A known VM type can leave a rule open as well: arm64 would read it differently.
            machine |= bool(hosts.machines) or host.vm_type is not None
        vm_type |= bool(hosts.vm_types or hosts.except_vm_types) and host.vm_type is None
    return [name for name, unknown in (("machine", machine), ("VM type", vm_type)) if unknown]


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


def headline(verdict: Verdict, profile: str) -> str:
    """The answer in one line; with the name of a profile, if there is one."""
    support = verdict.negotiation.support
    named = f"profile {quote(profile)}: " if profile else ""
    if verdict.mask is not None:
        mask = describe_mask(verdict.mask, support.catalog)
        return f"granted on {quote(support.origin)}: {named}{mask}"
    first, *others = verdict.findings
    more = f" (and {len(others)} more)" if others else ""
    unsettled = [rule for rule in first.rules if applies(support, rule) is None]
    doubt = f" ({_not_known(_unknown_facts(support, unsettled))})" if unsettled else ""
    message = _short_message(verdict.negotiation, first)
    return f"refused on {quote(support.origin)}: {named}{message}{doubt}{more}"


def advice(verdict: Verdict) -> tuple[str, ...]:
    """What the granted mask is not good for, and what is doubtful about the answer itself."""
    negotiation = verdict.negotiation
    found = list(_doubts(negotiation))
    if verdict.mask is not None:
        found = [
            *caveats(negotiation.support, verdict.mask, negotiation.request.until),
            *_unused(negotiation, verdict.mask),
            *found,
        ]
    return tuple(found)


def caveats(support: Support, mask: int, until: Stage) -> tuple[str, ...]:
    """What rules of stages after ``until`` say against a mask."""
    found: list[str] = []
    for rule in support.catalog.rules:
        if rule.stage > until and not rule.holds(mask):
            here = applies(support, rule)
            if here is not False:
                doubt = "" if here else f" {_condition(support, rule)}"
                found.append(f"{_rule_with_stage(rule, support)}: {quote(rule.why)}{doubt}")
    return tuple(found)


def _unused(negotiation: Negotiation, mask: int) -> Iterator[str]:
    request = negotiation.request
    private = any(
        need.capability == Capability.MEMORY_ATTRIBUTES and need.bits & KVM_MEMORY_ATTRIBUTE_PRIVATE
        for need in request.needs
    )
    if not mask and not request.required and not private:
        yield (
            "a mask of 0 says only that a file without flags is accepted: without private memory"
            " the guest does not use it"
        )


def _condition(support: Support, rule: Rule) -> str:
    unknown = _not_known(_unknown_facts(support, [rule]))
    return f"It holds on {format_hosts(rule.hosts)}; {unknown}."


# Where mainline answers capabilities whose names begin like this; elsewhere they are 0.
_ANSWERED_ON = {"ARM": "aarch64", "S390": "s390x", "PPC": "ppc64"}


def _doubts(negotiation: Negotiation) -> Iterator[str]:
    support = negotiation.support
    catalog, name = support.catalog, quote(support.catalog.name)
    for rule in negotiation.rules:
        if applies(support, rule) is None:
            text = format_rule(rule, catalog)
            yield f"applied to be safe: {text}. {_condition(support, rule)}"
    for need in negotiation.request.needs:
        reason = need_reason(support, need) if need.optional else None
        if reason is not None:
            yield f"optional: {_need_message(support, Finding(reason, need=need))}"
        number = catalog.capabilities.get(need.capability) or 0
        owner = TAKEN.get(number, need.capability)
        here = architecture(support.host.machine)
        if owner != need.capability and here in (None, _ANSWERED_ON.get(owner.partition("_")[0])):
            yield (
                f"KVM_CAP_{quote(need.capability)} has the number {number} in {name}: a mainline"
                f" kernel answers KVM_CAP_{owner} to it"
            )
    if catalog is not MAINLINE and catalog.digest != MAINLINE.digest:
        if catalog.name == MAINLINE.name:
            yield (
                f"this {name} (digest {catalog.digest[:12]}) is not the one that comes with this"
                f" library ({MAINLINE.digest[:12]}): its names and rules are the caller's choice"
            )
        else:
            yield (
                f"the names are those of {name}, by the caller's choice: a kernel confirms bits,"
                " never names"
            )
    if support.scope is Scope.SYSTEM:
        yield "/dev/kvm says what the host could offer at most: a VM may support fewer flags"
    if support.hi_only:
        claimed = describe_mask(support.hi_only, catalog)
        yield f"{claimed} is claimed by FLAGS_HI and denied by a 64-bit FLAGS: not believed"


def why(verdict: Verdict, outcomes: Sequence[Outcome], bit: int) -> str:
    """Why one bit is in the mask, or is not."""
    for outcome in outcomes:
        if outcome.bits == bit and outcome.role is not Role.GROUP:
            return outcome.message
    negotiation = verdict.negotiation
    return f"{describe(bit, negotiation.support.catalog)} is {_state(negotiation, bit)}"


def _fate_message(verdict: Verdict, fate: Fate) -> str:
    negotiation = verdict.negotiation
    catalog = negotiation.support.catalog
    what = describe_mask(fate.bits, catalog)
    match fate.reason:
        case Reason.GRANTED:
            return f"{what} is granted: {fate.role} and supported"
        case Reason.ADDED:
            chain = ", because ".join(format_rule(rule, catalog) for rule in fate.rules)
            return (
                f"{what} is added: {chain or 'the budget of steps ended before it was known why'}"
            )
        case Reason.UNSETTLED:
            return f"{what} is not granted: the budget of steps ended before it was known why"
        case Reason.GROUP_NOT_GRANTED:
            return f"{what} is supported, but no group with it was granted"
        case Reason.REQUEST_REFUSED:
            first = _short_message(negotiation, verdict.findings[0])
            return f"{what} is supported, but the request was refused: {first}"
        case reason if reason in _VERDICTS:
            text = _rules_message(negotiation, reason, fate.bits, fate.rules)
            return f"{what} is not granted: {text}"
        case reason:
            text = "; ".join(
                _bit_message(negotiation, bit, reason)
                for bit in bits(fate.bits)
                if bit_reason(negotiation, bit) is reason
            )
            return text if fate.bits.bit_count() == 1 else f"{what} is not granted: {text}"


def report(
    verdict: Verdict,
    profile: str,
    outcomes: Sequence[Outcome],
    advice: Sequence[str],
    suggestions: Sequence[Suggestion],
) -> str:
    """The whole answer: what was asked, what the host said, what became of it, what to change."""
    lines = _lines(verdict, outcomes, advice, suggestions)
    return "\n".join([headline(verdict, profile), *(f"  {line}" for line in lines)])


def _lines(
    verdict: Verdict,
    outcomes: Sequence[Outcome],
    advice: Sequence[str],
    suggestions: Sequence[Suggestion],
) -> Iterator[str]:
    support = verdict.negotiation.support
    yield f"asked: {asked(support, verdict.negotiation.request)}"
    yield f"host: {listed(support)}"
    for outcome in outcomes if verdict.mask is not None else ():
        if outcome.role is not Role.GROUP and outcome.role is not Role.FORBIDDEN:
            yield f"- {outcome}"
        elif outcome.role is Role.GROUP and outcome.bits.bit_count() > 1:
            yield f"- group {outcome}"
    found = problems(verdict)
    # One reason that is in the headline as it stands need not be said twice.
    if len(found) > 1 or any(problem.reason in _VERDICTS for problem in found):
        yield from (f"- {problem}" for problem in found)
    yield from (f"note: {text}" for text in advice)
    yield from (f"try: {suggestion}" for suggestion in suggestions)


def listed(support: Support) -> str:
    """What a host lists, by which catalog, and for which scope."""
    return f"{_listing(support)} ({quote(support.catalog.name)}, {support.scope} scope)"


def asked(support: Support, request: Request) -> str:
    """What a request asks for, in the names of the host's catalog; defaults are left out."""
    return wants(request, support.catalog)


def wants(request: Request, catalog: Catalog) -> str:
    """What a request asks for, in the names of a catalog; defaults are left out."""
    parts = [f"required {describe_mask(request.required, catalog)}"]
    parts += [f"preferred {describe_mask(group, catalog)}" for group in request.preferred]
    if request.forbidden:
        parts.append(f"forbidden {describe_mask(request.forbidden, catalog)}")
    parts += [
        f"{'optional' if need.optional else 'needs'} {format_need(need)}" for need in request.needs
    ]
    if request.prerequisites is Prerequisites.ADD:
        parts.append("prerequisites added")
    if request.until is not Stage.ACCESS:
        parts.append(f"until {request.until}")
    if request.scope is Scope.SYSTEM:
        parts.append("system scope")
    return ", ".join(parts)
