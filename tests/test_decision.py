"""Decisions: every condition has a reason of its own, a refusal has all of them, a bit has one."""

import errno
from typing import Any, cast

import pytest
from attrs import evolve

from gmemflags import (
    MAINLINE,
    Always,
    Capability,
    Excludes,
    GuestMemfdFlag,
    Need,
    Never,
    Outcome,
    Prerequisites,
    Reason,
    Refused,
    Request,
    Requires,
    Role,
    Scope,
    Stage,
    Support,
    query,
    resolve,
)
from gmemflags._mainline import FirecrackerFlag
from gmemflags.testing import FakeBackend
from tests.trees import (
    ALL,
    BAR,
    BAR_NEEDS_FOO,
    BAZ,
    FOO,
    FOO_EXCLUDES_BAR,
    HIGH,
    QUX,
    SAID,
    answering,
    dev_kvm,
    host,
    needs,
    tree,
)

ADD = Prerequisites.ADD
TREE = tree()
ALWAYS_FOO = Always(FOO, **SAID)
NEVER_FOO = Never(FOO, **SAID)
PLAIN = host()

# Every reason, with a host and a request that show it: as a problem, or as what became of a bit.
PROBLEMS: dict[Reason, tuple[Support, Request]] = {
    Reason.UNNAMED: (PLAIN, Request(required=1)),
    Reason.MISNAMED: (
        PLAIN,
        Request(required=FirecrackerFlag.NO_DIRECT_MAP),
    ),
    Reason.REQUIRED_AND_FORBIDDEN: (PLAIN, Request(required=FOO, forbidden=FOO)),
    Reason.UNSUPPORTED: (host(FOO), Request(required=BAR)),
    Reason.NO_FLAGS: (host(0), Request(required=FOO)),
    Reason.UNKNOWABLE: (PLAIN, Request(required=HIGH)),
    Reason.NO_GUEST_MEMFD: (answering(TREE, GUEST_MEMFD=0, USER_MEMORY2=0), Request()),
    Reason.NOT_FOR_THIS_VM: (answering(TREE, GUEST_MEMFD=0, USER_MEMORY2=1), Request()),
    Reason.GUEST_MEMFD_NOT_ASKED: (answering(TREE, GUEST_MEMFD_FLAGS=ALL), Request()),
    Reason.NEED_ABSENT: (PLAIN, Request(needs=[Need("MEMORY_ATTRIBUTES", 8)])),
    Reason.NEED_NOT_ASKED: (PLAIN, Request(needs=[Need("USERFAULT")])),
    Reason.MISSING_PREREQUISITE: (host(ALL, BAR_NEEDS_FOO), Request(required=BAR)),
    Reason.PREREQUISITE_FORBIDDEN: (
        host(ALL, BAR_NEEDS_FOO),
        Request(required=BAR, forbidden=FOO),
    ),
    Reason.PREREQUISITE_UNSUPPORTED: (host(BAR, BAR_NEEDS_FOO), Request(required=BAR)),
    Reason.RULE_CONFLICT: (host(ALL, FOO_EXCLUDES_BAR), Request(required=FOO | BAR)),
    Reason.NO_VALID_MASK: (host(ALL, ALWAYS_FOO, NEVER_FOO), Request()),
    Reason.ONLY_UPPER_BOUND: (dev_kvm(ALL, TREE), Request(required=FOO)),
    Reason.CATALOG_CHANGED: (PLAIN, Request(required=FOO, digest=MAINLINE.digest)),
}
OUTCOMES: dict[Reason, tuple[Support, Request]] = {
    Reason.GRANTED: (PLAIN, Request(required=FOO)),
    Reason.ADDED: (host(ALL, BAR_NEEDS_FOO), Request(required=BAR, prerequisites=ADD)),
    Reason.FORBIDDEN: (PLAIN, Request(preferred=[FOO], forbidden=FOO)),
    Reason.OUTRANKED: (host(ALL, FOO_EXCLUDES_BAR), Request(preferred=[FOO, BAR])),
    Reason.GROUP_NOT_GRANTED: (host(FOO), Request(preferred=[FOO | BAR])),
    Reason.REQUEST_REFUSED: (PLAIN, Request(required=FOO | 1)),
}


def test_every_reason_is_shown() -> None:
    """A reason that no host and request can give is no reason (the one left takes hard rules)."""
    assert {*PROBLEMS, *OUTCOMES} == set(Reason) - {Reason.UNSETTLED}
    assert not {*PROBLEMS} & {*OUTCOMES}


@pytest.mark.parametrize("reason", PROBLEMS)
def test_the_reason_of_a_refusal(reason: Reason) -> None:
    """Each of these requests is refused for this reason alone, in a sentence."""
    support, request = PROBLEMS[reason]
    answer = resolve(support, request)
    assert not answer.ok
    assert [problem.reason for problem in answer.problems] == [reason]
    assert str(answer.problems[0]) == answer.problems[0].message
    assert answer.headline.startswith(f"refused on {support.origin}: ")
    assert len(answer.problems[0].message) > len("0x4 (0x4)")


@pytest.mark.parametrize("reason", OUTCOMES)
def test_the_reason_of_an_outcome(reason: Reason) -> None:
    """Each of these is what became of some bit, and no reason to refuse a request."""
    answer = resolve(*OUTCOMES[reason])
    assert reason in {outcome.reason for outcome in answer.outcomes}
    assert reason not in {problem.reason for problem in answer.problems}


@pytest.mark.parametrize("reason", [*PROBLEMS, *OUTCOMES])
def test_reasons_have_small_names(reason: Reason) -> None:
    """As the records write them."""
    assert reason.value == reason.name.lower().replace("_", "-")


# The bad inputs, one by one.


def test_required_and_forbidden_at_once() -> None:
    """Only the bit that is both is a problem."""
    answer = resolve(PLAIN, Request(required=FOO | BAR, forbidden=BAR | BAZ))
    assert [(p.reason, p.bits) for p in answer.problems] == [(Reason.REQUIRED_AND_FORBIDDEN, BAR)]


def test_preferred_and_forbidden_at_once() -> None:
    """It is not granted, and the request is."""
    answer = resolve(PLAIN, Request(required=FOO, preferred=[BAR], forbidden=BAR))
    assert answer.mask == FOO
    assert answer.outcomes[-1].reason is Reason.FORBIDDEN


def test_preferred_and_required_at_once() -> None:
    """It is simply required."""
    assert not resolve(host(FOO), Request(required=BAR, preferred=[BAR])).ok
    assert resolve(PLAIN, Request(required=BAR, preferred=[BAR])).mask == BAR


def test_a_bit_that_the_catalog_does_not_name() -> None:
    """Listed by the host or not: required it is refused, preferred it is not granted."""
    support = host(ALL | 1)
    assert [p.reason for p in resolve(support, 1 | 2).problems] == [Reason.UNNAMED] * 2
    assert resolve(support, Request(preferred=[1])).mask == 0


def test_a_bit_without_a_name_may_be_forbidden() -> None:
    """``~FOO`` is a fine thing to forbid."""
    assert resolve(host(ALL | 1), Request(required=FOO, forbidden=~FOO)).mask == FOO


@pytest.mark.parametrize("role", ["required", "forbidden"])
def test_a_flag_of_another_tree(role: str) -> None:
    """Its bit bears another name here: to require it is refused, and so is to forbid it."""
    want = cast("Any", Request)(**{role: FirecrackerFlag.NO_DIRECT_MAP})
    assert [p.reason for p in resolve(PLAIN, want).problems] == [Reason.MISNAMED]


def test_two_flags_of_another_tree() -> None:
    """Each of them is told."""
    want = FirecrackerFlag.NO_DIRECT_MAP | FirecrackerFlag.WRITE
    assert [(p.reason, p.bits) for p in resolve(PLAIN, want).problems] == [
        (Reason.MISNAMED, FOO),
        (Reason.MISNAMED, BAR),
    ]


def test_a_preference_for_a_flag_of_another_tree() -> None:
    """It is not granted."""
    answer = resolve(PLAIN, Request(preferred=[FirecrackerFlag.NO_DIRECT_MAP]))
    assert answer.mask == 0
    assert {outcome.reason for outcome in answer.outcomes} == {Reason.MISNAMED}


def test_a_flag_of_another_tree_with_the_same_name() -> None:
    """Names are compared, not classes."""
    both = FirecrackerFlag.MMAP | FirecrackerFlag.INIT_SHARED
    assert resolve(query(FakeBackend.narrow(3)), both).mask == 3


def test_a_flag_of_another_tree_without_a_name_here() -> None:
    """Then it is a bit that the catalog does not name."""
    assert [p.reason for p in resolve(PLAIN, GuestMemfdFlag.MMAP).problems] == [Reason.UNNAMED]


@pytest.mark.parametrize("prerequisites", Prerequisites)
def test_forbidding_a_bit_that_a_rule_forces(prerequisites: Prerequisites) -> None:
    """Not even the empty mask is left."""
    request = Request(forbidden=FOO, prerequisites=prerequisites)
    (problem,) = resolve(host(ALL, ALWAYS_FOO), request).problems
    assert (problem.reason, problem.rules) == (Reason.PREREQUISITE_FORBIDDEN, (ALWAYS_FOO,))
    assert "FOO (bit 2, 0x4) is supported and forbidden" in problem.message


@pytest.mark.parametrize("request_", [Request(), Request(required=BAZ), Request(prerequisites=ADD)])
def test_a_catalog_in_which_no_mask_is_valid(request_: Request) -> None:
    """Whatever is asked, the rules alone are the problem, and no bit is blamed."""
    (problem,) = resolve(host(ALL, ALWAYS_FOO, NEVER_FOO), request_).problems
    assert (problem.reason, problem.bits) == (Reason.NO_VALID_MASK, 0)
    assert problem.rules == (ALWAYS_FOO, NEVER_FOO)


def test_an_empty_request_on_a_host_that_forces_a_bit() -> None:
    """Nobody asked for the bit; with prerequisites it is added."""
    support = host(ALL, ALWAYS_FOO)
    (problem,) = resolve(support, 0).problems
    assert (problem.reason, problem.bits) == (Reason.MISSING_PREREQUISITE, 0)
    assert resolve(support, Request(prerequisites=ADD)).mask == FOO


def test_an_empty_request_on_a_host_that_forces_what_it_lacks() -> None:
    """No mask is valid on this host, and the rule says why."""
    (problem,) = resolve(host(BAR, ALWAYS_FOO), 0).problems
    assert (problem.reason, problem.rules) == (Reason.PREREQUISITE_UNSUPPORTED, (ALWAYS_FOO,))


@pytest.mark.parametrize(
    ("support", "reason"),
    [
        (answering(TREE, GUEST_MEMFD=0, USER_MEMORY2=1), Reason.NOT_FOR_THIS_VM),
        (answering(TREE, GUEST_MEMFD=0, USER_MEMORY2=0), Reason.NO_GUEST_MEMFD),
        (answering(TREE, GUEST_MEMFD=0), Reason.NOT_FOR_THIS_VM),
        (
            Support(answers={"GUEST_MEMFD": 0}, scope=Scope.SYSTEM, catalog=tree()),
            Reason.NO_GUEST_MEMFD,
        ),
        (answering(TREE), Reason.GUEST_MEMFD_NOT_ASKED),
    ],
    ids=["another VM has it", "no kernel has it", "not known which", "the device", "not asked"],
)
@pytest.mark.parametrize("wanted", [0, FOO])
def test_a_host_without_guest_memfd(support: Support, reason: Reason, wanted: int) -> None:
    """An empty request included: 0 is a mask too, and a no is final at system scope."""
    assert resolve(support, wanted).problems[0].reason is reason


@pytest.mark.parametrize("capability", ["USERFAULT", Capability.GUEST_MEMFD_FLAGS_HI])
def test_a_need_that_was_never_asked(capability: str) -> None:
    """Unknown by name, or by number: nothing is guessed."""
    need = Need(capability)
    (problem,) = resolve(PLAIN, Request(needs=[need])).problems
    assert (problem.reason, problem.need) == (Reason.NEED_NOT_ASKED, need)


def test_needs_that_are_met() -> None:
    """They add nothing to the answer."""
    wanted = Request(required=FOO, needs=[Need("USER_MEMORY2"), Need("VM_TYPES", 1)])
    assert resolve(PLAIN, wanted).mask == FOO


def test_a_support_at_system_scope() -> None:
    """Its yes is an upper bound, unless that was asked for."""
    assert resolve(dev_kvm(ALL, TREE), Request(required=FOO, scope=Scope.SYSTEM)).mask == FOO
    assert not resolve(dev_kvm(ALL, TREE), Request(required=FOO)).ok


def test_a_no_at_system_scope() -> None:
    """It is final, and for its own reason."""
    assert [p.reason for p in resolve(dev_kvm(FOO, TREE), BAR).problems] == [Reason.UNSUPPORTED]


def test_a_vm_is_enough_for_system_scope() -> None:
    """A VM answers for less than the device does."""
    assert resolve(PLAIN, Request(required=FOO, scope=Scope.SYSTEM)).mask == FOO


# Problems are complete, and a rule conflict is minimal.


def test_all_problems_at_once() -> None:
    """Nothing stops at the first, and each names its own bit or capability."""
    request = Request(
        required=1 | 4 | 8 | 0x20 | 1 << 40,
        forbidden=QUX,
        needs=[Need("MEMORY_ATTRIBUTES", 8), Need("USERFAULT")],
        digest="0" * 64,
        flag_names=[(4, "NO_DIRECT_MAP")],
    )
    answer = resolve(host(BAZ | QUX), request)
    assert [(problem.reason, problem.bits) for problem in answer.problems] == [
        (Reason.CATALOG_CHANGED, 0),
        (Reason.UNNAMED, 1),
        (Reason.MISNAMED, FOO),
        (Reason.UNSUPPORTED, BAR),
        (Reason.REQUIRED_AND_FORBIDDEN, QUX),
        (Reason.UNKNOWABLE, HIGH),
        (Reason.NEED_ABSENT, 0),
        (Reason.NEED_NOT_ASKED, 0),
    ]
    assert answer.headline.endswith("(and 7 more)")


def test_problems_without_guest_memfd_are_complete() -> None:
    """The bits and needs are told besides; rules are not, for there is nothing to rule."""
    support = answering(TREE, GUEST_MEMFD=0, USER_MEMORY2=1, GUEST_MEMFD_FLAGS=0)
    request = Request(required=FOO, needs=[Need("USERFAULT")])
    assert [problem.reason for problem in resolve(support, request).problems] == [
        Reason.NOT_FOR_THIS_VM,
        Reason.UNSUPPORTED,
        Reason.NEED_NOT_ASKED,
    ]


def test_a_conflict_beside_an_unsupported_bit() -> None:
    """A bit that is unusable by itself is told once: rules are not blamed for it as well."""
    answer = resolve(host(BAR | BAZ, BAR_NEEDS_FOO), FOO | BAR)
    assert [(problem.reason, problem.bits) for problem in answer.problems] == [
        (Reason.UNSUPPORTED, FOO)
    ]


def test_a_conflict_of_other_bits_beside_an_unsupported_one() -> None:
    """What would be in the way if the host listed the bit is told, too."""
    support = host(BAR | BAZ | QUX, Excludes(BAZ, QUX, **SAID))
    answer = resolve(support, FOO | BAZ | QUX)
    assert [(problem.reason, problem.bits) for problem in answer.problems] == [
        (Reason.UNSUPPORTED, FOO),
        (Reason.RULE_CONFLICT, BAZ | QUX),
    ]


CHAIN = (needs(FOO, BAR), needs(BAR, BAZ), Excludes(BAZ, QUX, **SAID))
ASIDE = (needs(QUX, HIGH), needs(HIGH, QUX), Refused(BAZ, **SAID))


@pytest.mark.parametrize("order", [1, -1])
def test_a_conflict_names_a_minimal_set(order: int) -> None:
    """Of many rules and bits only those without which there is no conflict."""
    wide = query(FakeBackend.wide(ALL | HIGH), tree(*(ASIDE + CHAIN)[::order]))
    (problem,) = resolve(wide, FOO | BAR | BAZ | QUX | HIGH).problems
    assert problem.reason is Reason.RULE_CONFLICT
    assert problem.rules == (CHAIN[2],)
    assert problem.bits == BAZ | QUX


def test_a_conflict_through_a_chain() -> None:
    """With prerequisites added, every link of the chain is needed, in the catalog's order."""
    wide = query(FakeBackend.wide(ALL | HIGH), tree(*ASIDE, *CHAIN))
    (problem,) = resolve(
        wide, Request(required=FOO | QUX | HIGH, preferred=[BAR], prerequisites=ADD)
    ).problems
    assert problem.reason is Reason.RULE_CONFLICT
    assert set(problem.rules) == set(CHAIN)
    assert problem.bits == FOO | QUX


def test_one_of_two_conflicts() -> None:
    """Where two sets conflict, one minimal set is told."""
    rules = (Excludes(FOO, BAR, **SAID), Excludes(BAZ, QUX, **SAID))
    (problem,) = resolve(host(ALL, *rules), ALL).problems
    assert (problem.rules, problem.bits) in [((rules[0],), FOO | BAR), ((rules[1],), BAZ | QUX)]


def test_a_conflict_with_a_half_group() -> None:
    """What a group would bring is not taken by halves."""
    support = host(ALL, BAR_NEEDS_FOO, Never(BAZ, **SAID))
    (problem,) = resolve(support, Request(required=BAR, preferred=[FOO | BAZ])).problems
    assert (problem.reason, problem.bits) == (Reason.MISSING_PREREQUISITE, BAR)
    assert BAR_NEEDS_FOO in problem.rules


def test_exactly_this_mask_is_refused() -> None:
    """One flag more would help, and nobody asked for one."""
    rule = Refused(FOO, **SAID)
    assert [p.reason for p in resolve(host(ALL, rule), FOO).problems] == [
        Reason.MISSING_PREREQUISITE
    ]
    assert resolve(host(ALL, rule), FOO | BAR).ok
    assert [p.reason for p in resolve(host(FOO, rule), FOO).problems] == [
        Reason.PREREQUISITE_UNSUPPORTED
    ]


@pytest.mark.parametrize(
    ("until", "ok"), [(Stage.CREATE, True), (Stage.BIND, False), (Stage.ACCESS, False)]
)
def test_rules_up_to_a_stage_count(until: Stage, ok: bool) -> None:
    """Later ones are advice."""
    rule = Never(FOO, stage=Stage.BIND, **SAID)
    assert resolve(host(ALL, rule), Request(required=FOO, until=until)).ok is ok


# What became of each bit and each group.


def of_group(outcomes: tuple[Outcome, ...], group: int) -> Outcome:
    """What became of a whole group."""
    (outcome,) = [o for o in outcomes if o.role is Role.GROUP and o.bits == group]
    return outcome


def test_every_bit_and_every_group_has_one_outcome() -> None:
    """Bits first, lowest first, each with its strongest role; groups in order of priority."""
    request = Request(required=FOO, preferred=[FOO | BAR, QUX, BAR], forbidden=QUX | BAZ)
    answer = resolve(host(), request)
    assert [(o.bits, o.role, o.granted) for o in answer.outcomes] == [
        (FOO, Role.REQUIRED, True),
        (BAR, Role.PREFERRED, True),
        (BAZ, Role.FORBIDDEN, False),
        (QUX, Role.FORBIDDEN, False),
        (FOO | BAR, Role.GROUP, True),
        (QUX, Role.GROUP, False),
        (BAR, Role.GROUP, True),
    ]


def test_a_refused_request_grants_nothing() -> None:
    """A bit that is fine by itself says that the request was refused; others say why."""
    answer = resolve(host(FOO), Request(required=FOO | BAR, preferred=[FOO, FOO | QUX]))
    assert [(o.bits, o.granted, o.reason) for o in answer.outcomes] == [
        (FOO, False, Reason.REQUEST_REFUSED),
        (BAR, False, Reason.UNSUPPORTED),
        (QUX, False, Reason.UNSUPPORTED),
        (FOO, False, Reason.REQUEST_REFUSED),
        (FOO | QUX, False, Reason.UNSUPPORTED),
    ]


def test_a_refused_request_says_so_of_half_a_group() -> None:
    """What would become of the group otherwise is not told."""
    answer = resolve(host(), Request(required=1, preferred=[FOO | BAR]))
    assert [(o.bits, o.reason) for o in answer.outcomes if o.role is Role.PREFERRED] == [
        (FOO, Reason.REQUEST_REFUSED),
        (BAR, Reason.REQUEST_REFUSED),
    ]


def test_an_empty_group_is_granted() -> None:
    """It asks for nothing, and is a group all the same."""
    answer = resolve(host(), Request(preferred=[0]))
    assert of_group(answer.outcomes, 0).reason is Reason.GRANTED


@pytest.mark.parametrize("prerequisites", Prerequisites)
def test_a_bit_whose_group_has_an_unsupported_bit(prerequisites: Prerequisites) -> None:
    """Nothing is wrong with the bit, and no other group has to do with it."""
    request = Request(preferred=[FOO | BAR, BAZ], prerequisites=prerequisites)
    answer = resolve(host(FOO | BAZ), request)
    assert answer.mask == BAZ
    assert answer.outcomes[0].reason is Reason.GROUP_NOT_GRANTED
    assert answer.why(FOO).endswith("no group with it was granted")
    assert of_group(answer.outcomes, FOO | BAR).reason is Reason.UNSUPPORTED


def test_a_bit_whose_group_could_be_granted_by_itself() -> None:
    """BAR goes with all that was granted; only its group does not, and nothing else is said."""
    answer = resolve(host(ALL, Excludes(FOO, BAZ, **SAID)), Request(preferred=[BAZ, FOO | BAR]))
    assert of_group(answer.outcomes, FOO | BAR).reason is Reason.OUTRANKED
    assert answer.why(BAR).endswith("is supported, but no group with it was granted")


@pytest.mark.parametrize("prerequisites", Prerequisites)
def test_a_bit_whose_group_has_a_bit_that_a_rule_excludes(prerequisites: Prerequisites) -> None:
    """The rule speaks of the other bit of the group, and nothing of this one is missing."""
    rule = Excludes(BAZ, BAR, **SAID)
    request = Request(required=BAZ, preferred=[FOO | BAR], prerequisites=prerequisites)
    answer = resolve(host(ALL, rule), request)
    bit = answer.outcomes[0]
    assert (bit.bits, bit.reason, bit.chain) == (FOO, Reason.GROUP_NOT_GRANTED, ())
    group = of_group(answer.outcomes, FOO | BAR)
    assert (group.reason, group.chain) == (Reason.RULE_CONFLICT, (rule,))


@pytest.mark.parametrize("prerequisites", Prerequisites)
def test_a_bit_of_a_group_that_a_rule_excludes_by_itself(prerequisites: Prerequisites) -> None:
    """Without the rest of its group it could not be granted either."""
    rule = Excludes(BAZ, BAR, **SAID)
    request = Request(required=BAZ, preferred=[FOO | BAR], prerequisites=prerequisites)
    answer = resolve(host(ALL, rule), request)
    bit = answer.outcomes[1]
    assert (bit.bits, bit.reason, bit.chain) == (BAR, Reason.RULE_CONFLICT, (rule,))


OUTRANKING = Excludes(FOO, BAR, **SAID), Excludes(BAR, BAZ, **SAID)


@pytest.mark.parametrize("order", [1, -1])
def test_a_group_is_outranked_by_a_higher_one(order: int) -> None:
    """In any order of the rules: a lower one that was granted instead is not to blame."""
    support = host(ALL, *OUTRANKING[::order])
    answer = resolve(support, Request(preferred=[FOO, BAR, BAZ]))
    assert answer.mask == FOO | BAZ
    group = of_group(answer.outcomes, BAR)
    assert (group.reason, group.chain) == (Reason.OUTRANKED, (OUTRANKING[0],))


def test_a_group_is_outranked_by_two_together() -> None:
    """Each of them would go with it."""
    rule = Requires(QUX, any_of=(0x10, 0x8), **SAID)
    never_both = Refused(FOO | BAR | BAZ | QUX, **SAID)
    answer = resolve(host(ALL, rule, never_both), Request(preferred=[FOO, BAR, BAZ, QUX]))
    assert answer.mask == FOO | BAR | BAZ
    group = of_group(answer.outcomes, QUX)
    assert (group.reason, group.chain) == (Reason.OUTRANKED, (never_both,))


CIRCLE = needs(BAZ, BAR), needs(BAR, BAZ), needs(FOO, BAR)


@pytest.mark.parametrize("order", [1, -1])
def test_a_chain_leads_back_to_what_was_asked_for(order: int) -> None:
    """Through a circle as well, in any order of the rules: it ends with a named flag."""
    support = host(ALL, *CIRCLE[::order])
    answer = resolve(support, Request(required=FOO, prerequisites=ADD))
    assert answer.mask == FOO | BAR | BAZ
    _, bar, baz = answer.outcomes
    assert bar.chain == (CIRCLE[2],)
    assert baz.chain == (CIRCLE[1], CIRCLE[2])


def test_a_chain_through_a_circle_of_alternatives() -> None:
    """Either would do, and needs the other: the way back leads through both."""
    offer = Requires(QUX, any_of=(FOO, BAR), **SAID)
    foo_needs_bar, bar_needs_foo = needs(FOO, BAR), needs(BAR, FOO)
    support = host(ALL, foo_needs_bar, bar_needs_foo, offer)
    answer = resolve(support, Request(required=QUX, prerequisites=ADD))
    assert [o.chain for o in answer.outcomes] == [
        (bar_needs_foo, offer),
        (foo_needs_bar, offer),
        (),
    ]


def test_a_chain_through_two_that_hold_each_other() -> None:
    """Both need the bit and one another, and every mask needs either: the chain ends there."""
    always = Always(any_of=(BAR, BAZ), **SAID)
    first, second = needs(BAR, FOO), needs(BAZ, FOO)
    support = host(ALL, first, second, needs(BAR, BAZ), needs(BAZ, BAR), always)
    answer = resolve(support, Request(prerequisites=ADD))
    assert answer.mask == FOO | BAR | BAZ
    assert answer.outcomes[0].chain in [(first, always), (second, always)]
    assert answer.why(FOO).endswith(", because every mask needs one of BAR, BAZ")


def test_a_chain_from_a_preferred_flag() -> None:
    """What was preferred and granted is asked for as well."""
    rule = needs(BAR, FOO)
    answer = resolve(host(ALL, rule), Request(preferred=[BAR], prerequisites=ADD))
    assert answer.outcomes[0].chain == (rule,)


def test_a_chain_through_the_flag_that_was_needed() -> None:
    """Of two flags that need the bit the chain takes the one that its next rule asks for."""
    first, second = needs(BAR, FOO), needs(QUX, FOO)
    needs_qux, needs_bar = needs(BAZ, QUX), needs(BAZ, BAR)
    support = host(ALL, first, second, needs_qux, needs_bar)
    answer = resolve(support, Request(required=BAZ, prerequisites=ADD))
    assert answer.mask == ALL
    assert answer.outcomes[0].chain == (first, needs_bar)


def test_a_chain_to_what_every_mask_needs() -> None:
    """What every mask needs was asked for by nobody."""
    always, rule = Always(FOO, **SAID), needs(FOO, BAR)
    answer = resolve(host(ALL, rule, always), Request(prerequisites=ADD))
    assert [o.chain for o in answer.outcomes] == [
        (always,),
        (rule, always),
    ]


def test_a_chain_by_alternatives() -> None:
    """The one alternative that was taken is due to the rule that offers it."""
    rule = Requires(QUX, any_of=(FOO | BAR, BAZ), **SAID)
    answer = resolve(host(ALL, rule), Request(required=QUX, prerequisites=ADD))
    assert (answer.mask, answer.outcomes[0].chain) == (QUX | BAZ, (rule,))


def test_a_chain_by_a_refused_mask() -> None:
    """A bit that only makes the mask another one is added by that rule."""
    rule = Refused(QUX, **SAID)
    answer = resolve(host(ALL, rule), Request(required=QUX, prerequisites=ADD))
    assert (answer.mask, answer.outcomes[0].chain) == (FOO | QUX, (rule,))
    assert answer.why(FOO) == "FOO (bit 2, 0x4) is added: exactly QUX is refused"


def test_a_chain_to_a_refused_mask() -> None:
    """One bit would do, and the two need each other."""
    refused, foo_needs_bar = Refused(QUX, **SAID), needs(FOO, BAR)
    support = host(FOO | BAR | QUX, refused, foo_needs_bar, needs(BAR, FOO))
    answer = resolve(support, Request(required=QUX, prerequisites=ADD))
    assert answer.mask == FOO | BAR | QUX
    assert answer.outcomes[1].chain == (foo_needs_bar, refused)


def test_what_a_rule_requires_is_added_also_where_its_group_is_not_granted() -> None:
    """B is in the mask because A requires it: a preferred group that failed did not bring it."""
    rules = needs(FOO, BAR), Never(BAZ, **SAID)
    answer = resolve(
        host(ALL, *rules), Request(required=FOO, preferred=[BAR | BAZ], prerequisites=ADD)
    )
    assert answer.mask == FOO | BAR
    bar = answer.outcomes[1]
    assert (bar.bits, bar.role, bar.granted) == (BAR, Role.PREFERRED, True)
    assert (bar.reason, bar.chain) == (Reason.ADDED, (rules[0],))
    assert of_group(answer.outcomes, BAR | BAZ).reason is Reason.RULE_CONFLICT


def test_a_bit_that_two_groups_name_is_granted_by_the_one_that_is() -> None:
    """The group that failed beside it does not count."""
    answer = resolve(host(ALL, Never(BAZ, **SAID)), Request(preferred=[FOO | BAZ, FOO]))
    assert [(o.bits, o.reason) for o in answer.outcomes if o.bits == FOO] == [
        (FOO, Reason.GRANTED),
        (FOO, Reason.GRANTED),
    ]


@pytest.mark.parametrize("prerequisites", Prerequisites)
def test_a_bit_of_an_outranked_group_is_outranked(prerequisites: Prerequisites) -> None:
    """The group of higher priority is in its way, and the rule says so of the bit itself."""
    rule = Excludes(BAZ, FOO | BAR, **SAID)
    request = Request(preferred=[BAZ, FOO | BAR], prerequisites=prerequisites)
    answer = resolve(host(ALL, rule), request)
    assert answer.mask == BAZ
    assert [(o.bits, o.reason, o.chain) for o in answer.outcomes if not o.granted] == [
        (FOO, Reason.OUTRANKED, (rule,)),
        (BAR, Reason.OUTRANKED, (rule,)),
        (FOO | BAR, Reason.OUTRANKED, (rule,)),
    ]


def test_a_bit_beside_the_one_that_is_outranked() -> None:
    """Nothing is in the way of the other bit of that group but the group itself."""
    answer = resolve(host(ALL, Excludes(BAZ, FOO, **SAID)), Request(preferred=[BAZ, FOO | BAR]))
    assert [(o.bits, o.reason) for o in answer.outcomes if not o.granted] == [
        (FOO, Reason.OUTRANKED),
        (BAR, Reason.GROUP_NOT_GRANTED),
        (FOO | BAR, Reason.OUTRANKED),
    ]


@pytest.mark.parametrize("required", [0, FOO, BAR, FOO | BAR, FOO | HIGH])
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("prerequisites", Prerequisites)
def test_no_valid_mask_whatever_is_required(
    required: int, order: int, prerequisites: Prerequisites
) -> None:
    """Where the rules alone leave no mask, that is said, in any order and for any request."""
    rules = [Always(FOO, **SAID), Never(FOO, **SAID), Never(BAR, **SAID)]
    answer = resolve(
        host(ALL, *rules[::order]), Request(required=required, prerequisites=prerequisites)
    )
    found = [(p.reason, p.bits, p.rules) for p in answer.problems if p.rules]
    assert found == [(Reason.NO_VALID_MASK, 0, (ALWAYS_FOO, NEVER_FOO))]


def test_a_conflict_of_a_request_is_no_conflict_of_the_rules() -> None:
    """Some mask is valid, only none with what is required."""
    (problem,) = resolve(host(ALL, NEVER_FOO, Never(BAR, **SAID)), FOO | BAR).problems
    assert problem.reason is Reason.RULE_CONFLICT


# What is needed beside the flags.


@pytest.mark.parametrize(
    ("need", "reason"),
    [
        (Need("MEMORY_ATTRIBUTES"), Reason.NEED_ABSENT),
        (Need("MEMORY_ATTRIBUTES", at_least=1), Reason.NEED_ABSENT),
        (Need("VM_TYPES", 2), Reason.NEED_ABSENT),
        (Need("VM_TYPES", any_of=(2, 4)), Reason.NEED_ABSENT),
        (Need("USERFAULT"), Reason.NEED_NOT_ASKED),
    ],
    ids=["any answer", "a number", "bits", "alternatives", "not asked"],
)
@pytest.mark.parametrize("optional", [False, True])
def test_an_optional_need_refuses_nothing(need: Need, reason: Reason, optional: bool) -> None:
    """The same need refuses a request, or is a line of advice that names it."""
    answer = resolve(PLAIN, Request(required=FOO, needs=[evolve(need, optional=optional)]))
    assert answer.ok is optional
    if optional:
        (advice,) = [text for text in answer.advice if text.startswith("optional: ")]
        assert f"KVM_CAP_{need.capability}" in advice
    else:
        assert [(p.reason, p.need) for p in answer.problems] == [(reason, need)]


def test_an_optional_need_that_is_met_is_not_told() -> None:
    """There is nothing to say of it."""
    answer = resolve(PLAIN, Request(needs=[Need("USER_MEMORY2", optional=True)]))
    assert not any("USER_MEMORY2" in text for text in answer.advice)


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EIO, 0])
def test_a_need_that_could_not_be_asked_is_not_known(code: int) -> None:
    """An error is neither a yes nor a no: it is told as it was."""
    table: dict[int, int | OSError] = {234: 1, 244: ALL, 231: OSError(code, "gone")}
    failed = FakeBackend(table)
    (problem,) = resolve(query(failed, tree()), Request(needs=[Need("USER_MEMORY2")])).problems
    assert problem.reason is Reason.NEED_NOT_ASKED
    assert errno.errorcode.get(code, "0") in problem.message


def test_all_parts_of_a_need_must_be_met() -> None:
    """Bits, one of the alternatives, and a number that the unsigned answer reaches."""
    need = Need("VM_TYPES", 1, any_of=(2, 4), at_least=1 << 63)
    for raw, ok in [
        (-(1 << 63) | 3, True),
        (-(1 << 63) | 5, True),
        (3, False),
        (-(1 << 63) | 1, False),
        (-(1 << 63) | 2, False),
    ]:
        support = answering(TREE, GUEST_MEMFD=1, GUEST_MEMFD_FLAGS=ALL, VM_TYPES=raw)
        assert resolve(support, Request(needs=[need])).ok is ok
