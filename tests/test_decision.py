"""Decisions: every condition has a reason of its own, a refusal has all of them, a bit has one."""

import pytest
from attrs import evolve

from gmemflags import (
    MAINLINE,
    Always,
    Capability,
    Excludes,
    Need,
    Never,
    Prerequisites,
    Reason,
    Refused,
    Request,
    Requires,
    Role,
    Rule,
    Scope,
    Stage,
    Support,
    query,
    resolve,
)
from gmemflags import GuestMemfdFlag as F
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
    """A reason that no host and request can give is no reason."""
    assert {*PROBLEMS, *OUTCOMES} == set(Reason)
    assert not {*PROBLEMS} & {*OUTCOMES}


@pytest.mark.parametrize("reason", PROBLEMS)
def test_the_reason_of_a_refusal(reason: Reason) -> None:
    """Each of these requests is refused for this reason alone, in a sentence."""
    support, request = PROBLEMS[reason]
    answer = resolve(support, request)
    assert not answer.ok
    assert [problem.reason for problem in answer.problems] == [reason]
    assert str(answer.problems[0]) == answer.problems[0].message
    message = answer.problems[0].message
    where = "" if support.origin in message else f" on {support.origin}"
    assert answer.headline == f"refused{where}: {message}"
    assert support.origin in answer.headline
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


EMPTY = answering(TREE, GUEST_MEMFD=0)
SECRET, WRITE = FirecrackerFlag.NO_DIRECT_MAP, FirecrackerFlag.WRITE  # they are FOO and BAR here
FORCED = host(ALL, ALWAYS_FOO)
IMPOSSIBLE = host(ALL, ALWAYS_FOO, NEVER_FOO)
CHAIN = (needs(FOO, BAR), needs(BAR, BAZ), Excludes(BAZ, QUX, **SAID))
ASIDE = (needs(QUX, HIGH), needs(HIGH, QUX), Refused(BAZ, **SAID))
CHAINED = query(FakeBackend.wide(ALL | HIGH), tree(*ASIDE, *CHAIN))
NOT_FOO = Refused(FOO, **SAID)
BIND_RULE = Never(FOO, stage=Stage.BIND, **SAID)

# A host, a request, and the mask, or each problem: its reason, its bits, its rules.
Expected = int | list[tuple[Reason, int]] | list[tuple[Reason, int, tuple[Rule, ...]]]
CASES: dict[str, tuple[Support, Request, Expected]] = {
    # Bits by themselves.
    "only the bit that is required and forbidden is a problem": (
        PLAIN,
        Request(required=FOO | BAR, forbidden=BAR | BAZ),
        [(Reason.REQUIRED_AND_FORBIDDEN, BAR)],
    ),
    "preferred and forbidden": (PLAIN, Request(required=FOO, preferred=[BAR], forbidden=BAR), FOO),
    "preferred and required": (PLAIN, Request(required=BAR, preferred=[BAR]), BAR),
    "preferred and required and not supported": (
        host(FOO),
        Request(required=BAR, preferred=[BAR]),
        [(Reason.UNSUPPORTED, BAR)],
    ),
    "bits without a name, one of them listed": (
        host(ALL | 1),
        Request(required=3),
        [(Reason.UNNAMED, 1), (Reason.UNNAMED, 2)],
    ),
    "a preferred bit without a name": (host(ALL | 1), Request(preferred=[1]), 0),
    "everything else is forbidden": (host(ALL | 1), Request(required=FOO, forbidden=~FOO), FOO),
    "flags of another tree": (
        PLAIN,
        Request(required=SECRET | WRITE),
        [(Reason.MISNAMED, FOO), (Reason.MISNAMED, BAR)],
    ),
    "a forbidden flag of another tree": (
        PLAIN,
        Request(forbidden=SECRET),
        [(Reason.MISNAMED, FOO)],
    ),
    "a preferred flag of another tree": (PLAIN, Request(preferred=[SECRET]), 0),
    "a flag of another class with the same name": (
        query(FakeBackend.narrow(3)),
        Request(required=FirecrackerFlag.MMAP),
        F.MMAP,
    ),
    "a flag of another class without a name here": (
        PLAIN,
        Request(required=F.MMAP),
        [(Reason.UNNAMED, 1)],
    ),
    # Hosts without guest_memfd: 0 is a mask too, and a no is final at system scope.
    "no guest_memfd, not known whether for this VM alone": (
        EMPTY,
        Request(),
        [(Reason.NOT_FOR_THIS_VM, 0)],
    ),
    "no guest_memfd for any VM": (
        evolve(EMPTY, scope=Scope.SYSTEM),
        Request(),
        [(Reason.NO_GUEST_MEMFD, 0)],
    ),
    "guest_memfd not asked": (answering(TREE), Request(), [(Reason.GUEST_MEMFD_NOT_ASKED, 0)]),
    "without guest_memfd bits and needs are told, rules are not": (
        evolve(answering(tree(ALWAYS_FOO), GUEST_MEMFD=0, GUEST_MEMFD_FLAGS=0), scope=Scope.VM),
        Request(required=BAR, needs=[Need("USERFAULT")]),
        [(Reason.NOT_FOR_THIS_VM, 0), (Reason.UNSUPPORTED, BAR), (Reason.NEED_NOT_ASKED, 0)],
    ),
    # Needs and scopes.
    "a need without a number": (
        PLAIN,
        Request(needs=[Need(Capability.GUEST_MEMFD_FLAGS_HI)]),
        [(Reason.NEED_NOT_ASKED, 0)],
    ),
    "needs that are met": (
        PLAIN,
        Request(required=FOO, needs=[Need("USER_MEMORY2"), Need("VM_TYPES", 1)]),
        FOO,
    ),
    "a yes at system scope": (
        dev_kvm(ALL, TREE),
        Request(required=FOO, scope=Scope.SYSTEM),
        FOO,
    ),
    "a no at system scope": (
        dev_kvm(FOO, TREE),
        Request(required=BAR),
        [(Reason.UNSUPPORTED, BAR)],
    ),
    "a VM is enough for system scope": (PLAIN, Request(required=FOO, scope=Scope.SYSTEM), FOO),
    # Rules.
    "a rule forces what is forbidden": (
        FORCED,
        Request(forbidden=FOO),
        [(Reason.PREREQUISITE_FORBIDDEN, 0, (ALWAYS_FOO,))],
    ),
    "a rule forces what is forbidden, with prerequisites": (
        FORCED,
        Request(forbidden=FOO, prerequisites=ADD),
        [(Reason.PREREQUISITE_FORBIDDEN, 0, (ALWAYS_FOO,))],
    ),
    "a rule forces what nobody asked for": (
        FORCED,
        Request(),
        [(Reason.MISSING_PREREQUISITE, 0, (ALWAYS_FOO,))],
    ),
    "a rule forces what is added": (FORCED, Request(prerequisites=ADD), FOO),
    "a rule forces what the host lacks": (
        host(BAR, ALWAYS_FOO),
        Request(),
        [(Reason.PREREQUISITE_UNSUPPORTED, 0, (ALWAYS_FOO,))],
    ),
    "no mask is valid, whatever is asked": (
        IMPOSSIBLE,
        Request(required=BAZ),
        [(Reason.NO_VALID_MASK, 0, (ALWAYS_FOO, NEVER_FOO))],
    ),
    "no mask is valid, with prerequisites": (
        IMPOSSIBLE,
        Request(prerequisites=ADD),
        [(Reason.NO_VALID_MASK, 0, (ALWAYS_FOO, NEVER_FOO))],
    ),
    "a conflict beside an unsupported bit": (
        host(BAR | BAZ, BAR_NEEDS_FOO),
        Request(required=FOO | BAR),
        [(Reason.UNSUPPORTED, FOO), (Reason.PREREQUISITE_UNSUPPORTED, BAR)],
    ),
    "of many rules and bits only those of the conflict": (
        CHAINED,
        Request(required=FOO | BAR | BAZ | QUX | HIGH),
        [(Reason.RULE_CONFLICT, BAZ | QUX, (CHAIN[2],))],
    ),
    "every link of a chain is needed": (
        CHAINED,
        Request(required=FOO | QUX | HIGH, preferred=[BAR], prerequisites=ADD),
        [(Reason.RULE_CONFLICT, FOO | QUX, CHAIN)],
    ),
    "what a group would bring is not taken by halves": (
        host(ALL, BAR_NEEDS_FOO, Never(BAZ, **SAID)),
        Request(required=BAR, preferred=[FOO | BAZ]),
        [(Reason.MISSING_PREREQUISITE, BAR, (BAR_NEEDS_FOO, Never(BAZ, **SAID)))],
    ),
    "exactly this mask is refused, one flag more would help": (
        host(ALL, NOT_FOO),
        Request(required=FOO),
        [(Reason.MISSING_PREREQUISITE, FOO, (NOT_FOO,))],
    ),
    "one flag more helps": (host(ALL, NOT_FOO), Request(required=FOO | BAR), FOO | BAR),
    "there is no flag more": (
        host(FOO, NOT_FOO),
        Request(required=FOO),
        [(Reason.PREREQUISITE_UNSUPPORTED, FOO, (NOT_FOO,))],
    ),
    "a later stage does not count": (
        host(ALL, BIND_RULE),
        Request(required=FOO, until=Stage.CREATE),
        FOO,
    ),
    "this stage counts": (
        host(ALL, BIND_RULE),
        Request(required=FOO, until=Stage.BIND),
        [(Reason.RULE_CONFLICT, FOO, (BIND_RULE,))],
    ),
    "an earlier stage counts": (
        host(ALL, BIND_RULE),
        Request(required=FOO, until=Stage.ACCESS),
        [(Reason.RULE_CONFLICT, FOO, (BIND_RULE,))],
    ),
    "everything at once": (
        host(BAZ | QUX),
        Request(
            required=1 | 4 | 8 | 0x20 | 1 << 40,
            forbidden=int(QUX),
            needs=[Need("MEMORY_ATTRIBUTES", 8), Need("USERFAULT")],
            digest="0" * 64,
            flag_names=[(4, "NO_DIRECT_MAP")],
        ),
        [
            (Reason.CATALOG_CHANGED, 0),
            (Reason.UNNAMED, 1),
            (Reason.MISNAMED, FOO),
            (Reason.UNSUPPORTED, BAR),
            (Reason.REQUIRED_AND_FORBIDDEN, QUX),
            (Reason.UNKNOWABLE, HIGH),
            (Reason.NEED_ABSENT, 0),
            (Reason.NEED_NOT_ASKED, 0),
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("order", [1, -1], ids=["rules", "rules backwards"])
def test_a_decision(case: str, order: int) -> None:
    """The mask, or every reason why there is none, in any order of the rules."""
    support, request, expected = CASES[case]
    catalog = evolve(support.catalog, rules=support.catalog.rules[::order])
    answer = resolve(evolve(support, catalog=catalog), request)
    if isinstance(expected, int):
        assert answer.mask == expected
        return
    assert [(one.reason, one.bits) for one in answer.problems] == [one[:2] for one in expected]
    for one, problem in zip(expected, answer.problems, strict=True):
        assert len(one) == 2 or {*problem.rules} == {*one[2]}
        assert problem.need in {None, *request.needs}


def test_one_of_two_conflicts() -> None:
    """Where two sets conflict, one minimal set is told."""
    rules = (Excludes(FOO, BAR, **SAID), Excludes(BAZ, QUX, **SAID))
    (problem,) = resolve(host(ALL, *rules), ALL).problems
    assert (problem.rules, problem.bits) in [((rules[0],), FOO | BAR), ((rules[1],), BAZ | QUX)]


# What became of each bit and each group.

Told = list[tuple[int, Role, Reason]]
BAZ_NOT_BAR = host(ALL, Excludes(BAZ, BAR, **SAID))
EITHER_NOT_BAR = host(ALL, Excludes(FOO, BAR, **SAID), Excludes(BAR, BAZ, **SAID))
PREFERRED, GROUP = Role.PREFERRED, Role.GROUP
BECAME: dict[str, tuple[Support, Request, Told]] = {
    "bits first, each with its strongest role, then groups in order": (
        PLAIN,
        Request(required=FOO, preferred=[FOO | BAR, QUX, BAR], forbidden=QUX | BAZ),
        [
            (FOO, Role.REQUIRED, Reason.GRANTED),
            (BAR, PREFERRED, Reason.GRANTED),
            (BAZ, Role.FORBIDDEN, Reason.FORBIDDEN),
            (QUX, Role.FORBIDDEN, Reason.FORBIDDEN),
            (FOO | BAR, GROUP, Reason.GRANTED),
            (QUX, GROUP, Reason.FORBIDDEN),
            (BAR, GROUP, Reason.GRANTED),
        ],
    ),
    "of a refused request": (
        host(FOO),
        Request(required=FOO | BAR, preferred=[FOO, FOO | QUX]),
        [
            (FOO, Role.REQUIRED, Reason.REQUEST_REFUSED),
            (BAR, Role.REQUIRED, Reason.UNSUPPORTED),
            (QUX, PREFERRED, Reason.UNSUPPORTED),
            (FOO, GROUP, Reason.REQUEST_REFUSED),
            (FOO | QUX, GROUP, Reason.UNSUPPORTED),
        ],
    ),
    "half a group of a refused request": (
        PLAIN,
        Request(required=1, preferred=[FOO | BAR]),
        [
            (1, Role.REQUIRED, Reason.UNNAMED),
            (FOO, PREFERRED, Reason.REQUEST_REFUSED),
            (BAR, PREFERRED, Reason.REQUEST_REFUSED),
            (FOO | BAR, GROUP, Reason.REQUEST_REFUSED),
        ],
    ),
    "an empty group": (PLAIN, Request(preferred=[0]), [(0, GROUP, Reason.GRANTED)]),
    "a flag of another tree": (
        PLAIN,
        Request(preferred=[SECRET]),
        [(FOO, PREFERRED, Reason.MISNAMED), (FOO, GROUP, Reason.MISNAMED)],
    ),
    "a group with an unsupported bit": (
        host(FOO | BAZ),
        Request(preferred=[FOO | BAR, BAZ]),
        [
            (FOO, PREFERRED, Reason.GROUP_NOT_GRANTED),
            (BAR, PREFERRED, Reason.UNSUPPORTED),
            (BAZ, PREFERRED, Reason.GRANTED),
            (FOO | BAR, GROUP, Reason.UNSUPPORTED),
            (BAZ, GROUP, Reason.GRANTED),
        ],
    ),
    "a group with a bit that a rule excludes": (
        BAZ_NOT_BAR,
        Request(required=BAZ, preferred=[FOO | BAR]),
        [
            (FOO, PREFERRED, Reason.GROUP_NOT_GRANTED),
            (BAR, PREFERRED, Reason.RULE_CONFLICT),
            (BAZ, Role.REQUIRED, Reason.GRANTED),
            (FOO | BAR, GROUP, Reason.RULE_CONFLICT),
        ],
    ),
    "a group that is outranked": (
        EITHER_NOT_BAR,
        Request(preferred=[FOO, BAR, BAZ]),
        [
            (FOO, PREFERRED, Reason.GRANTED),
            (BAR, PREFERRED, Reason.OUTRANKED),
            (BAZ, PREFERRED, Reason.GRANTED),
            (FOO, GROUP, Reason.GRANTED),
            (BAR, GROUP, Reason.OUTRANKED),
            (BAZ, GROUP, Reason.GRANTED),
        ],
    ),
}


@pytest.mark.parametrize("case", BECAME)
@pytest.mark.parametrize("prerequisites", Prerequisites)
def test_what_became_of_each(case: str, prerequisites: Prerequisites) -> None:
    """Every bit and every group has one outcome, which says what it is about and why."""
    support, request, expected = BECAME[case]
    answer = resolve(support, evolve(request, prerequisites=prerequisites))
    assert [(one.bits, one.role, one.reason) for one in answer.outcomes] == expected
    for one in answer.outcomes:
        assert one.granted is (one.reason is Reason.GRANTED)
        ruled = one.reason in {Reason.RULE_CONFLICT, Reason.OUTRANKED}
        assert bool(one.chain) is ruled


def test_the_rules_of_an_outranked_group() -> None:
    """Of the higher groups alone: a lower one that was granted instead is not to blame."""
    outcomes = resolve(EITHER_NOT_BAR, Request(preferred=[FOO, BAR, BAZ])).outcomes
    assert outcomes[4].chain == (Excludes(FOO, BAR, **SAID),)
    rule, never_all = Requires(QUX, any_of=(0x10, 0x8), **SAID), Refused(ALL, **SAID)
    outcomes = resolve(host(ALL, rule, never_all), Request(preferred=[FOO, BAR, BAZ, QUX])).outcomes
    assert (outcomes[7].reason, outcomes[7].chain) == (Reason.OUTRANKED, (never_all,))


# Rules, a request with prerequisites, the mask, and the chain of rules for each added bit.
ALWAYS_BAR_OR_BAZ = Always(any_of=(BAR, BAZ), **SAID)
OFFER = Requires(QUX, any_of=(FOO, BAR), **SAID)
PAIRS = Requires(QUX, any_of=(FOO | BAR, BAZ), **SAID)
NOT_QUX = Refused(QUX, **SAID)
Chains = dict[int, tuple[Rule, ...]]
CHAINS: dict[str, tuple[list[Rule], Request, int, Chains]] = {
    "back to what was asked for, through a circle": (
        [needs(BAZ, BAR), needs(BAR, BAZ), needs(FOO, BAR)],
        Request(required=FOO),
        FOO | BAR | BAZ,
        {BAR: (needs(FOO, BAR),), BAZ: (needs(BAR, BAZ), needs(FOO, BAR))},
    ),
    "through a circle of alternatives": (
        [needs(FOO, BAR), needs(BAR, FOO), OFFER],
        Request(required=QUX),
        FOO | BAR | QUX,
        {FOO: (needs(BAR, FOO), OFFER), BAR: (needs(FOO, BAR), OFFER)},
    ),
    "to what every mask needs, through two that hold each other": (
        [needs(BAR, FOO), needs(BAZ, FOO), needs(BAR, BAZ), needs(BAZ, BAR), ALWAYS_BAR_OR_BAZ],
        Request(),
        FOO | BAR | BAZ,
        {FOO: (needs(BAR, FOO), ALWAYS_BAR_OR_BAZ)},
    ),
    "from a preferred flag": (
        [needs(BAR, FOO)],
        Request(preferred=[BAR]),
        FOO | BAR,
        {FOO: (needs(BAR, FOO),)},
    ),
    "through the flag that its next rule asks for": (
        [needs(BAR, FOO), needs(QUX, FOO), needs(BAZ, QUX), needs(BAZ, BAR)],
        Request(required=BAZ),
        ALL,
        {FOO: (needs(BAR, FOO), needs(BAZ, BAR))},
    ),
    "to what every mask needs": (
        [needs(FOO, BAR), ALWAYS_FOO],
        Request(),
        FOO | BAR,
        {FOO: (ALWAYS_FOO,), BAR: (needs(FOO, BAR), ALWAYS_FOO)},
    ),
    "to the rule that offers an alternative": (
        [PAIRS],
        Request(required=QUX),
        QUX | BAZ,
        {BAZ: (PAIRS,)},
    ),
    "to a refused mask": (
        [NOT_QUX],
        Request(required=QUX),
        FOO | QUX,
        {FOO: (NOT_QUX,)},
    ),
    "to a refused mask, through two that hold each other": (
        [NOT_QUX, needs(FOO, BAR), needs(BAR, FOO), Never(BAZ, **SAID)],
        Request(required=QUX),
        FOO | BAR | QUX,
        {BAR: (needs(FOO, BAR), NOT_QUX)},
    ),
}


@pytest.mark.parametrize("case", CHAINS)
@pytest.mark.parametrize("order", [1, -1], ids=["rules", "rules backwards"])
def test_why_a_bit_was_added(case: str, order: int) -> None:
    """Each link asks for the one before, back to what was asked for, in any order of the rules."""
    rules, request, mask, chains = CHAINS[case]
    answer = resolve(host(ALL, *rules[::order]), evolve(request, prerequisites=ADD))
    assert answer.mask == mask
    found = {one.bits: one.chain for one in answer.outcomes if one.role is Role.PREREQUISITE}
    assert {bit: found[bit] for bit in chains} == chains
