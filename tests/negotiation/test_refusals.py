"""Refusals: every bad input and every no has a name of its own, and nothing else is raised."""

import pickle
from collections.abc import Callable
from typing import Any, cast

import pytest
from attrs import evolve

from gmemflags import (
    MAINLINE,
    Always,
    Capability,
    Catalog,
    Excludes,
    GuestMemfdFlag,
    HostFacts,
    InvalidMaskError,
    Need,
    NegotiationError,
    Never,
    Prerequisites,
    Profile,
    Reason,
    Refused,
    Request,
    Requires,
    Resolution,
    Scope,
    Stage,
    Support,
    baseline,
    negotiate,
    query,
    resolve,
)
from gmemflags.catalog import FirecrackerFlag, Rule
from gmemflags.masks import FlagWord
from gmemflags.testing import FakeBackend
from tests.trees import ALL, BAR, BAZ, FOO, HIGH, QUX, SAID, Flag, host, tree

ADD = Prerequisites.ADD


def answering(**answers: int) -> Support:
    """A VM of which these answers are all that is known."""
    return Support(answers=answers, scope=Scope.VM, catalog=tree())


def needs(flag: int, *, all_of: int) -> Requires:
    """A rule of the usual kind."""
    return Requires(flag, all_of=all_of, **SAID)


def device(flags: int = ALL, *rules: Rule) -> Support:
    """A /dev/kvm that lists these flags."""
    backend = FakeBackend(
        {231: 1, 234: 1, 235: 1, 244: flags},
        scope=Scope.SYSTEM,
        host=HostFacts("6.18.0", "x86_64"),
        origin="/dev/kvm",
    )
    return query(backend, tree(*rules))


BAR_NEEDS_FOO = needs(BAR, all_of=FOO)
EXCLUDING = Excludes(FOO, BAR, **SAID)
ALWAYS_FOO = Always(FOO, **SAID)
NEVER_FOO = Never(FOO, **SAID)
PLAIN = host()

# Every reason, with a host and a request that show it: as a problem, or as what became of a bit.
PROBLEMS: dict[Reason, tuple[Support, Request]] = {
    Reason.UNNAMED: (PLAIN, Request(required=1)),
    Reason.FOREIGN_FLAG: (
        PLAIN,
        Request(required=FirecrackerFlag.NO_DIRECT_MAP),
    ),
    Reason.REQUIRED_AND_FORBIDDEN: (PLAIN, Request(required=FOO, forbidden=FOO)),
    Reason.UNSUPPORTED: (host(FOO), Request(required=BAR)),
    Reason.NO_FLAGS: (host(0), Request(required=FOO)),
    Reason.UNKNOWABLE: (PLAIN, Request(required=HIGH)),
    Reason.NO_GUEST_MEMFD: (answering(GUEST_MEMFD=0, USER_MEMORY2=0), Request()),
    Reason.NOT_FOR_THIS_VM: (answering(GUEST_MEMFD=0, USER_MEMORY2=1), Request()),
    Reason.GUEST_MEMFD_NOT_ASKED: (answering(GUEST_MEMFD_FLAGS=ALL), Request()),
    Reason.NEED_ABSENT: (PLAIN, Request(needs=[Need("MEMORY_ATTRIBUTES", 8)])),
    Reason.NEED_NOT_ASKED: (PLAIN, Request(needs=[Need("USERFAULT")])),
    Reason.MISSING_PREREQUISITE: (host(ALL, BAR_NEEDS_FOO), Request(required=BAR)),
    Reason.PREREQUISITE_FORBIDDEN: (
        host(ALL, BAR_NEEDS_FOO),
        Request(required=BAR, forbidden=FOO),
    ),
    Reason.PREREQUISITE_UNSUPPORTED: (host(BAR, BAR_NEEDS_FOO), Request(required=BAR)),
    Reason.RULE_CONFLICT: (host(ALL, EXCLUDING), Request(required=FOO | BAR)),
    Reason.NO_VALID_MASK: (host(ALL, ALWAYS_FOO, NEVER_FOO), Request()),
    Reason.ONLY_UPPER_BOUND: (device(), Request(required=FOO)),
    Reason.CATALOG_CHANGED: (PLAIN, Request(required=FOO, digest=MAINLINE.digest)),
}
OUTCOMES: dict[Reason, tuple[Support, Request]] = {
    Reason.GRANTED: (PLAIN, Request(required=FOO)),
    Reason.ADDED: (host(ALL, BAR_NEEDS_FOO), Request(required=BAR, prerequisites=ADD)),
    Reason.FORBIDDEN: (PLAIN, Request(preferred=[FOO], forbidden=FOO)),
    Reason.OUTRANKED: (host(ALL, EXCLUDING), Request(preferred=[FOO, BAR])),
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


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        (
            Reason.UNNAMED,
            "bit 0 (0x1, not named by a-tree) cannot be asked for: what it does is not known",
        ),
        (
            Reason.FOREIGN_FLAG,
            (
                "FOO (bit 2, 0x4) of a-tree is called NO_DIRECT_MAP by the request: a flag of"
                " another tree"
            ),
        ),
        (Reason.REQUIRED_AND_FORBIDDEN, "FOO (bit 2, 0x4) is both required and forbidden"),
        (
            Reason.UNSUPPORTED,
            "BAR (bit 3, 0x8) is not supported: a fake host lists FOO (bit 2, 0x4)",
        ),
        (
            Reason.NO_FLAGS,
            (
                "FOO (bit 2, 0x4) is not supported: a fake host lists no flag (0x0):"
                " its guest_memfd takes no flag at all"
            ),
        ),
        (
            Reason.UNKNOWABLE,
            (
                "HIGH (bit 40, 0x10000000000) is unknowable: a fake host spoke of bits 31:0 only,"
                " and a-tree has no number for KVM_CAP_GUEST_MEMFD_FLAGS_HI"
            ),
        ),
        (
            Reason.NO_GUEST_MEMFD,
            "a host has no guest_memfd (KVM_CAP_GUEST_MEMFD and KVM_CAP_USER_MEMORY2 are 0)",
        ),
        (
            Reason.NOT_FOR_THIS_VM,
            (
                "a host has no guest_memfd (KVM_CAP_GUEST_MEMFD is 0): ask /dev/kvm whether VMs of"
                " another type have it"
            ),
        ),
        (
            Reason.GUEST_MEMFD_NOT_ASKED,
            "a host was not asked for KVM_CAP_GUEST_MEMFD, so nothing is known of it",
        ),
        (
            Reason.NEED_ABSENT,
            "KVM_CAP_MEMORY_ATTRIBUTES is 0x0 on a fake host, and 0x8 is needed",
        ),
        (
            Reason.NEED_NOT_ASKED,
            (
                "KVM_CAP_USERFAULT is needed, and a fake host was not asked: a-tree has no number"
                " for it"
            ),
        ),
        (
            Reason.RULE_CONFLICT,
            (
                "FOO excludes BAR (It is so): no mask for a host like this can have that;"
                " FOO (bit 2, 0x4) is supported and required,"
                " BAR (bit 3, 0x8) is supported and required"
            ),
        ),
        (
            Reason.NO_VALID_MASK,
            (
                "every mask needs FOO (It is so); no mask takes FOO (It is so): no mask at all is"
                " valid; FOO (bit 2, 0x4) is supported and not asked for"
            ),
        ),
        (
            Reason.ONLY_UPPER_BOUND,
            (
                "/dev/kvm answers for the best imaginable VM, so its yes is only an upper bound:"
                " query the VM's own descriptor, or ask for system scope"
            ),
        ),
        (
            Reason.CATALOG_CHANGED,
            (
                f"the request is pinned to the catalog with digest {MAINLINE.digest[:12]}, but"
                f" this host was read under a-tree, {tree().digest[:12]}"
            ),
        ),
    ],
)
def test_the_sentence_of_a_refusal(reason: Reason, message: str) -> None:
    """It names the flag, the host and the number, and says what is wrong."""
    assert resolve(*PROBLEMS[reason]).problems[0].message == message


WITH_HI = evolve(tree(), capabilities={**MAINLINE.capabilities, "GUEST_MEMFD_FLAGS_HI": 300})


@pytest.mark.parametrize(
    ("catalog", "answers", "told"),
    [
        (
            evolve(tree(), capabilities={"GUEST_MEMFD": 234}),
            {"GUEST_MEMFD": 1},
            "a-tree numbers no capability that lists flags",
        ),
        (
            WITH_HI,
            {"GUEST_MEMFD": 1, "GUEST_MEMFD_FLAGS": 4},
            "never asked for KVM_CAP_GUEST_MEMFD_FLAGS_HI",
        ),
        (WITH_HI, {"GUEST_MEMFD": 1}, "never asked for KVM_CAP_GUEST_MEMFD_FLAGS"),
        (
            WITH_HI,
            {"GUEST_MEMFD": 1, "GUEST_MEMFD_FLAGS_HI": 0},
            "never asked for KVM_CAP_GUEST_MEMFD_FLAGS",
        ),
    ],
    ids=["no number", "FLAGS alone", "neither", "FLAGS_HI alone"],
)
def test_why_a_bit_is_unknowable(catalog: Catalog, answers: dict[str, int], told: str) -> None:
    """A number that the catalog lacks and a question that nobody asked are told apart."""
    support = Support(answers=answers, scope=Scope.VM, catalog=catalog)
    bit = FOO if answers.get("GUEST_MEMFD_FLAGS") is None else HIGH
    (problem,) = resolve(support, bit).problems
    assert problem.reason is Reason.UNKNOWABLE
    assert problem.message.endswith(told)


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
    assert [p.reason for p in resolve(PLAIN, want).problems] == [Reason.FOREIGN_FLAG]


def test_a_flag_that_is_called_two_things() -> None:
    """Both names are told, in order of the alphabet."""
    want = Request(required=4, claims=[(4, "B"), (4, "A")])
    (problem,) = resolve(PLAIN, want).problems
    assert problem.message == (
        "FOO (bit 2, 0x4) of a-tree is called A or B by the request: a flag of another tree"
    )


def test_two_flags_of_another_tree() -> None:
    """Each of them is told."""
    want = FirecrackerFlag.NO_DIRECT_MAP | FirecrackerFlag.WRITE
    assert [(p.reason, p.bits) for p in resolve(PLAIN, want).problems] == [
        (Reason.FOREIGN_FLAG, FOO),
        (Reason.FOREIGN_FLAG, BAR),
    ]


def test_a_wish_for_a_flag_of_another_tree() -> None:
    """It is not granted."""
    answer = resolve(PLAIN, Request(preferred=[FirecrackerFlag.NO_DIRECT_MAP]))
    assert answer.mask == 0
    assert {outcome.reason for outcome in answer.outcomes} == {Reason.FOREIGN_FLAG}


def test_a_flag_of_another_tree_with_the_same_name() -> None:
    """Names are compared, not classes."""
    assert resolve(query(FakeBackend.narrow(3)), FirecrackerFlag.MMAP).mask == GuestMemfdFlag.MMAP


def test_a_flag_of_another_tree_without_a_name_here() -> None:
    """Then it is a bit that the catalog does not name."""
    assert [p.reason for p in resolve(PLAIN, GuestMemfdFlag.MMAP).problems] == [Reason.UNNAMED]


def test_a_bare_mask_of_two_bits_as_a_wish() -> None:
    """It is no request at all."""
    with pytest.raises(InvalidMaskError, match="wrap it in a list"):
        Request(preferred=FOO | BAR)


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
        (answering(GUEST_MEMFD=0, USER_MEMORY2=1), Reason.NOT_FOR_THIS_VM),
        (answering(GUEST_MEMFD=0, USER_MEMORY2=0), Reason.NO_GUEST_MEMFD),
        (answering(GUEST_MEMFD=0), Reason.NOT_FOR_THIS_VM),
        (
            Support(answers={"GUEST_MEMFD": 0}, scope=Scope.SYSTEM, catalog=tree()),
            Reason.NO_GUEST_MEMFD,
        ),
        (answering(), Reason.GUEST_MEMFD_NOT_ASKED),
    ],
    ids=["another VM has it", "no kernel has it", "not known which", "the device", "not asked"],
)
@pytest.mark.parametrize("wanted", [0, FOO])
def test_a_host_without_guest_memfd(support: Support, reason: Reason, wanted: int) -> None:
    """An empty request included: 0 is a mask too, and a no is final at system scope."""
    assert resolve(support, wanted).problems[0].reason is reason


def test_a_device_without_guest_memfd_in_words() -> None:
    """It answers for every VM."""
    support = Support(answers={"GUEST_MEMFD": 0}, scope=Scope.SYSTEM, catalog=tree())
    (problem,) = resolve(support, 0).problems
    assert problem.message == ("a host has no guest_memfd for any VM (KVM_CAP_GUEST_MEMFD is 0)")


@pytest.mark.parametrize(
    ("need", "told"),
    [
        (Need("MEMORY_ATTRIBUTES"), "0x0 on a fake host, and anything but 0 is needed"),
        (Need("USER_MEMORY2", 6), "0x1 on a fake host, and 0x6 is needed"),
        (Need("VM_TYPES", any_of=(2, 0x30)), "0x1 on a fake host, and one of 0x2, 0x30 is needed"),
        (
            Need("VM_TYPES", 1, any_of=(2, 4)),
            "0x1 on a fake host, and 0x1 and one of 0x2, 0x4 is needed",
        ),
    ],
)
def test_a_need_that_is_absent(need: Need, told: str) -> None:
    """The answer is there, and is not enough: both are shown."""
    (problem,) = resolve(PLAIN, Request(needs=[need])).problems
    assert (problem.reason, problem.need) == (Reason.NEED_ABSENT, need)
    assert told in problem.message


@pytest.mark.parametrize("capability", ["USERFAULT", Capability.GUEST_MEMFD_FLAGS_HI])
def test_a_need_that_was_never_asked(capability: str) -> None:
    """Unknown by name, or by number: nothing is guessed."""
    need = Need(capability)
    (problem,) = resolve(PLAIN, Request(needs=[need])).problems
    assert (problem.reason, problem.need) == (Reason.NEED_NOT_ASKED, need)


def test_a_need_that_nobody_asked_for_though_it_has_a_number() -> None:
    """The catalog is not to blame for that."""
    (problem,) = resolve(
        answering(GUEST_MEMFD=1, GUEST_MEMFD_FLAGS=ALL), Request(needs=[Need("USER_MEMORY2")])
    ).problems
    assert problem.message == ("KVM_CAP_USER_MEMORY2 is needed, and a host was never asked for it")


def test_needs_that_are_met() -> None:
    """They add nothing to the answer."""
    wanted = Request(required=FOO, needs=[Need("USER_MEMORY2"), Need("VM_TYPES", 1)])
    assert resolve(PLAIN, wanted).mask == FOO


def test_a_support_at_system_scope() -> None:
    """Its yes is an upper bound, unless that was asked for."""
    assert resolve(device(), Request(required=FOO, scope=Scope.SYSTEM)).mask == FOO
    assert not resolve(device(), Request(required=FOO)).ok


def test_a_no_at_system_scope() -> None:
    """It is final, and for its own reason."""
    assert [p.reason for p in resolve(device(0x4), BAR).problems] == [Reason.UNSUPPORTED]


def test_a_vm_is_enough_for_system_scope() -> None:
    """A VM answers for less than the device does."""
    assert resolve(PLAIN, Request(required=FOO, scope=Scope.SYSTEM)).mask == FOO


def test_a_pinned_request_under_another_catalog() -> None:
    """Names may have moved: the pin says so, and an equal catalog is the same one."""
    pin = resolve(PLAIN, FOO).pin()
    assert resolve(PLAIN, pin).mask == FOO
    assert resolve(query(FakeBackend.narrow(ALL), tree()), pin).mask == FOO
    moved = host(ALL, BAR_NEEDS_FOO)
    assert [p.reason for p in resolve(moved, pin).problems] == [Reason.CATALOG_CHANGED]


# What a refusal is.


@pytest.fixture
def refusal() -> Resolution:
    """Some refusal."""
    return resolve(host(FOO), BAR)


def test_a_refusal_has_no_truth_value(refusal: Resolution) -> None:
    """And a yes has none either: .ok has."""
    for answer in (refusal, resolve(PLAIN, 0)):
        with pytest.raises(TypeError, match=r"^a Resolution has no truth value: ask \.ok$"):
            bool(answer)


USES: dict[str, Callable[[Resolution], object]] = {
    "mask": lambda answer: answer.mask,
    "flags": lambda answer: answer.flags,
    "pin": lambda answer: answer.pin(),
}


@pytest.mark.parametrize("use", list(USES.values()), ids=list(USES))
def test_a_refusal_has_no_mask(refusal: Resolution, use: Callable[[Resolution], object]) -> None:
    """Whoever takes it gets the whole answer as an error."""
    with pytest.raises(NegotiationError) as caught:
        use(refusal)
    assert caught.value.resolution is refusal
    assert str(caught.value) == str(refusal)


def test_negotiate_raises_a_refusal(refusal: Resolution) -> None:
    """The error carries an answer that is equal to the one of resolve, and it pickles."""
    with pytest.raises(NegotiationError) as caught:
        negotiate(host(FOO), BAR)
    assert caught.value.resolution == refusal
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  # our own bytes
    assert again.resolution == refusal


def test_negotiate_returns_a_yes() -> None:
    """It is what resolve gives, with the mask and a view of it."""
    answer = negotiate(PLAIN, Request(required=FOO, preferred=[BAR]))
    assert answer == resolve(PLAIN, Request(required=FOO, preferred=[BAR]))
    assert (answer.mask, type(answer.mask)) == (0xC, int)
    assert (answer.flags, type(answer.flags)) == (FOO | BAR, Flag)


def test_three_kinds_of_wants() -> None:
    """A request, a profile, and a mask, which is wanted as a whole."""
    request = Request(required=FOO)
    assert resolve(PLAIN, Profile("p", request, "A use.")) == resolve(PLAIN, request)
    assert resolve(PLAIN, 4).request == Request(required=4)
    assert resolve(PLAIN, FOO).request == request


@pytest.mark.parametrize("want", [-1, 1 << 64, True, 1.0, "FOO", None, [4]])
def test_nothing_else_is_a_want(want: Any) -> None:
    """The guard stands here as well."""
    with pytest.raises(InvalidMaskError):
        resolve(PLAIN, want)


# Problems are complete, and a rule conflict is minimal.


def test_all_problems_at_once() -> None:
    """Nothing stops at the first, and each names its own bit or capability."""
    request = Request(
        required=1 | 4 | 8 | 0x20 | 1 << 40,
        forbidden=QUX,
        needs=[Need("MEMORY_ATTRIBUTES", 8), Need("USERFAULT")],
        digest="0" * 64,
        claims=[(4, "NO_DIRECT_MAP")],
    )
    answer = resolve(host(BAZ | QUX), request)
    assert [(problem.reason, problem.bits) for problem in answer.problems] == [
        (Reason.CATALOG_CHANGED, 0),
        (Reason.UNNAMED, 1),
        (Reason.FOREIGN_FLAG, FOO),
        (Reason.UNSUPPORTED, BAR),
        (Reason.REQUIRED_AND_FORBIDDEN, QUX),
        (Reason.UNKNOWABLE, HIGH),
        (Reason.NEED_ABSENT, 0),
        (Reason.NEED_NOT_ASKED, 0),
    ]
    assert answer.headline.endswith("(and 7 more)")


def test_problems_without_guest_memfd_are_complete() -> None:
    """The bits and needs are told besides; rules are not, for there is nothing to rule."""
    support = answering(GUEST_MEMFD=0, USER_MEMORY2=1, GUEST_MEMFD_FLAGS=0)
    request = Request(required=FOO, needs=[Need("USERFAULT")])
    assert [problem.reason for problem in resolve(support, request).problems] == [
        Reason.NOT_FOR_THIS_VM,
        Reason.UNSUPPORTED,
        Reason.NEED_NOT_ASKED,
    ]


def test_a_conflict_beside_an_unsupported_bit() -> None:
    """What may be used is held against the rules, too."""
    answer = resolve(host(BAR | BAZ, BAR_NEEDS_FOO), FOO | BAR)
    assert [(problem.reason, problem.bits) for problem in answer.problems] == [
        (Reason.UNSUPPORTED, FOO),
        (Reason.PREREQUISITE_UNSUPPORTED, BAR),
    ]


CHAIN = (needs(FOO, all_of=BAR), needs(BAR, all_of=BAZ), Excludes(BAZ, QUX, **SAID))
ASIDE = (needs(QUX, all_of=HIGH), needs(HIGH, all_of=QUX), Refused(BAZ, **SAID))


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
    assert (problem.reason, problem.rules) == (Reason.RULE_CONFLICT, CHAIN)
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
    assert problem.rules[0] == BAR_NEEDS_FOO


def test_an_alternative_that_nobody_named() -> None:
    """Any of two would do, and neither was asked for."""
    rule = Requires(FOO, any_of=(BAR, BAZ), **SAID)
    (problem,) = resolve(host(ALL, rule), FOO).problems
    assert problem.reason is Reason.MISSING_PREREQUISITE
    assert problem.message == (
        "FOO requires one of BAR, BAZ (It is so): the host has what is missing, and the"
        " request lacks it; FOO (bit 2, 0x4) is supported and required, BAR (bit 3, 0x8) is"
        " supported and"
        " not asked for, BAZ (bit 4, 0x10) is supported and not asked for"
    )


def test_a_why_without_a_full_stop() -> None:
    """Nothing else is taken from its end."""
    rule = Never(FOO, why="So says X", source="a test")
    (problem,) = resolve(host(ALL, rule), FOO).problems
    assert problem.message.startswith("no mask takes FOO (So says X): ")


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


def test_a_wish_for_another_trees_flag_is_no_prerequisite() -> None:
    """The present value of the bit says whose flag it was asked for as."""

    class Other(FlagWord):
        OTHER = 1 << 2

    class Tree(FlagWord):
        FOO = 1 << 2
        BAR = 1 << 3

    rule = Requires(8, all_of=4, why="It is so.", source="a test")
    catalog = evolve(MAINLINE, name="t", flags=Tree, rules=[rule], profiles=[])
    support = Support(
        answers={"GUEST_MEMFD": 1, "GUEST_MEMFD_FLAGS": 12}, scope=Scope.VM, catalog=catalog
    )
    answer = resolve(support, Request(required=8, preferred=[Other.OTHER]))
    told = (
        "FOO (bit 2, 0x4) is supported and named like a flag of another tree, BAR (bit 3, 0x8) is"
    )
    assert told in answer.headline


@pytest.mark.parametrize("support", [baseline([host(ALL)]), None, 3])
def test_what_is_no_support(support: Any) -> None:
    """A pool is resolved by its support, and that is said."""
    with pytest.raises(TypeError, match=r"; that of a Baseline is its \.support$"):
        resolve(support, 1)
