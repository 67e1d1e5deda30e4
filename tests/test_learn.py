"""Learning: the rules that explain what a kernel does, and what a report says beside them."""

import errno
import pickle
import sys
from collections.abc import Callable, Iterable
from random import Random
from types import FrameType
from typing import Any

import pytest
from attrs import evolve

from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
    CatalogError,
    Excludes,
    GuestMemfdFlag,
    HostFacts,
    Hosts,
    InvalidMaskError,
    Never,
    Request,
    Requires,
    Rule,
    Stage,
    bits,
    format_rule,
    query,
    resolve,
)
from gmemflags.linux import Observation, ProbeReport, RuleState
from gmemflags.testing import FakeBackend
from tests.hidden import BAR, BAZ, FOO, KERNELS, ODD, QUX, THREE
from tests.hidden import TREE as WIDE_TREE
from tests.probing import (
    PAGE,
    Judge,
    always,
    excludes,
    mapping,
    never,
    obeying,
    refused,
    reported,
    requires,
    swept,
    taking,
    texts,
    tree,
)
from tests.strategies import catalog_of

TREE = tree("FOO", "BAR")
EXCLUDES = excludes(FOO, BAR)
EVERY = obeying()
SOME = taking([0, FOO, BAR])
WORKS = Observation(0, 0, 0)
NOT_MAPPABLE = Observation(0, 0, errno.ENODEV)
FAILS = {
    Stage.CREATE: Observation(errno.EINVAL),
    Stage.BIND: Observation(0, errno.EINVAL),
    Stage.ACCESS: Observation(0, 0, errno.EFAULT),
}
# What mainline does, measured on Linux 6.18.
MEASURED = {0: NOT_MAPPABLE, 1: FAILS[Stage.ACCESS], 2: NOT_MAPPABLE, 3: WORKS}


def failing_at(stage: Stage, judge: Judge) -> tuple[Judge, Judge, Judge]:
    """A kernel that does at one stage what ``judge`` says, and on which all else works."""
    number = errno.EFAULT if stage is Stage.ACCESS else errno.EINVAL
    judges = [EVERY, EVERY, EVERY]
    judges[stage] = lambda mask: number if judge(mask) else 0
    return judges[0], judges[1], judges[2]


# ---- One mask


def test_an_observation_says_how_far_a_mask_came() -> None:
    """The stages after one that did not work were not tried."""
    assert [FAILS[Stage.BIND].at(stage) for stage in Stage] == [0, errno.EINVAL, None]


@pytest.mark.parametrize(
    "answers",
    [(22, 0), (22, None, 0), (0, 22, 0), (0, None, 0), (5, 5, None)],
)
def test_no_stage_comes_after_one_that_did_not_work(answers: tuple[int, ...]) -> None:
    """Such an observation was never made."""
    with pytest.raises(ValueError, match="no stage can be tried after one that did not work"):
        Observation(*answers)


@pytest.mark.parametrize("number", [-22, False, "EINVAL", 0.0, 1 << 32])
@pytest.mark.parametrize("stage", ["create", "bind", "access"])
def test_an_observation_is_made_of_errnos(stage: str, number: Any) -> None:
    """False would read as "works"."""
    answers: dict[str, Any] = {"create": 0, "bind": 0, stage: number}
    with pytest.raises(ValueError, match="is not an errno"):
        Observation(**answers)


def test_every_mask_was_created_or_not() -> None:
    """There is no observation without creation."""
    with pytest.raises(ValueError, match="None is not an errno"):
        Observation(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # tested


@pytest.mark.parametrize(
    ("seen", "until", "decided"),
    [
        (Observation(0), Stage.CREATE, True),
        (Observation(22), Stage.ACCESS, True),
        (Observation(12), Stage.CREATE, False),
        (Observation(0), Stage.BIND, False),
        (Observation(0, 22), Stage.ACCESS, True),
        (Observation(0, 19), Stage.ACCESS, False),
        (Observation(0, 0), Stage.BIND, True),
        (Observation(0, 0), Stage.ACCESS, False),
        (NOT_MAPPABLE, Stage.ACCESS, True),
        (FAILS[Stage.ACCESS], Stage.ACCESS, True),
        (Observation(0, 0, 12), Stage.ACCESS, False),
    ],
    ids=str,
)
def test_flags_decide_a_mask_or_something_else_does(
    seen: Observation, until: Stage, decided: bool
) -> None:
    """ENODEV is about flags where a file is mapped, and nowhere else."""
    report = evolve(reported(TREE, 0, {0: seen}), until=until)
    assert report.complete is decided


# ---- Rules that are learned


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("name", KERNELS)
def test_the_rules_of_a_kernel_are_learned(name: str, stage: Stage) -> None:
    """All of them, and no others, each at its stage; unlisted bits are not spoken of."""
    listed, judge, rules = KERNELS[name]
    report = swept(WIDE_TREE, listed, *failing_at(stage, judge))
    assert sorted(texts(report)) == sorted(rules)
    assert {rule.stage for rule in report.as_catalog("learned").rules} <= {stage}


def test_each_stage_has_its_own_rules() -> None:
    """They are learned from what came through the stages before."""
    report = swept(
        WIDE_TREE,
        0b1111,
        obeying(requires(BAR, FOO)),
        obeying(excludes(FOO, BAZ)),
        obeying(requires(QUX, BAZ), fails=errno.EFAULT),
    )
    assert [(rule.stage, format_rule(rule, WIDE_TREE)) for rule in report.rules] == [
        (Stage.CREATE, "BAR requires FOO"),
        (Stage.BIND, "FOO excludes BAZ"),
        (Stage.ACCESS, "QUX requires BAZ"),
    ]


def test_mainline_has_one_rule_that_can_be_learned() -> None:
    """Of what cannot be mapped, nothing is learned: neither from 0 nor from INIT_SHARED alone."""
    report = reported(MAINLINE, 3, MEASURED)
    (rule,) = report.rules
    assert (rule.stage, format_rule(rule)) == (Stage.ACCESS, "MMAP requires INIT_SHARED")
    assert rule.why == ("Observed: MMAP (bit 0, 0x1) fails, MMAP|INIT_SHARED (0x3) works.")
    assert report.not_mappable == {0, 2}
    assert report.complete


# ODD is what makes a file mappable.
ODDLY: list[tuple[list[Rule], list[str]]] = [
    ([requires(FOO, BAR)], ["FOO requires BAR"]),
    ([excludes(FOO, BAR)], ["FOO excludes BAR"]),
    ([requires(FOO, any_of=(BAR, BAZ))], ["FOO requires one of BAR, BAZ"]),
    ([always(FOO)], ["ODD requires FOO"]),
    ([always(FOO | BAR)], ["ODD requires FOO|BAR"]),
    ([always(any_of=(FOO, BAR))], ["ODD requires one of FOO, BAR"]),
    ([never(FOO)], ["ODD excludes FOO"]),
    ([refused(ODD | THREE)], ["exactly FOO|BAR|BAZ|ODD is refused"]),
]


@pytest.mark.parametrize(("rules", "found"), ODDLY)
def test_rules_for_access_are_learned_from_what_is_mapped(
    rules: list[Rule], found: list[str]
) -> None:
    """What holds for every mask that is mapped is not said of the others."""
    touch = mapping(ODD, obeying(*rules, fails=errno.EFAULT))
    report = swept(WIDE_TREE, ODD | THREE, EVERY, EVERY, touch)
    assert texts(report) == found


def test_without_a_flag_that_maps_nothing_is_said_of_every_mask() -> None:
    """Where FOO or BAR maps, no rule can speak of just those masks: then each is listed."""

    def touch(mask: int) -> int:
        if not mask & FOO or not mask & BAR:
            return errno.ENODEV
        return 0 if mask & BAZ else errno.EFAULT

    report = swept(WIDE_TREE, THREE, EVERY, EVERY, touch)
    assert texts(report) == ["exactly FOO|BAR is refused"]


def test_a_rule_for_what_is_mapped_needs_a_witness_as_well() -> None:
    """QUX alone maps, and so do FOO and BAR together; with BAZ these fail, and QUX is refused."""

    def touch(mask: int) -> int:
        if not mask & QUX and mask & 3 != FOO | BAR:
            return errno.ENODEV
        return errno.EFAULT if mask & BAZ else 0

    report = swept(WIDE_TREE, 0b1111, obeying(excludes(BAZ, QUX)), EVERY, touch)
    assert sorted(texts(report)) == ["BAZ excludes QUX", "exactly FOO|BAR|BAZ is refused"]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (requires(BAR, FOO), "Observed: BAR (bit 1, 0x2) is refused, FOO|BAR (0x3) works."),
        (always(BAR), "Observed: no flag (0x0) is refused, BAR (bit 1, 0x2) works."),
        (never(BAR), "Observed: BAR (bit 1, 0x2) is refused."),
        (excludes(FOO, BAR), "Observed: FOO|BAR (0x3) is refused."),
        (
            requires(FOO, any_of=(BAR, BAZ)),
            "Observed: FOO (bit 0, 0x1) is refused, FOO|BAR (0x3) works.",
        ),
        (refused(THREE), "Observed: it does not work, and no simpler rule explains it."),
    ],
    ids=["Requires", "Always", "Never", "Excludes", "any-of", "Refused"],
)
def test_why_is_what_was_observed(rule: Rule, why: str) -> None:
    """The simplest mask that the rule refuses, and the simplest that has more and works."""
    report = swept(WIDE_TREE, THREE, obeying(rule))
    (learned,) = report.as_catalog("learned").rules
    assert learned.why == why
    assert learned.source == report.source


@pytest.mark.parametrize(
    ("stage", "what"),
    [(Stage.CREATE, "is refused"), (Stage.BIND, "cannot be bound"), (Stage.ACCESS, "fails")],
)
def test_why_says_what_fails(stage: Stage, what: str) -> None:
    """In a word for each stage."""
    report = swept(WIDE_TREE, THREE, *failing_at(stage, obeying(excludes(FOO, BAR))))
    assert [rule.why for rule in report.rules] == [f"Observed: FOO|BAR (0x3) {what}."]


def test_the_simplest_is_the_one_with_the_fewest_flags() -> None:
    """Not the smallest number."""
    report = swept(WIDE_TREE, 0b1111, obeying(excludes(BAZ, FOO), excludes(BAZ, BAR | QUX)))
    assert report.rules[0].why == "Observed: FOO|BAZ (0x5) is refused."
    report = swept(WIDE_TREE, 0b1111, obeying(requires(FOO, any_of=(BAR | BAZ, QUX))))
    (rule,) = report.rules
    assert rule.why == "Observed: FOO (bit 0, 0x1) is refused, FOO|QUX (0x9) works."


@pytest.mark.parametrize(
    "seen",
    [Observation(errno.ENOMEM), Observation(0, errno.EEXIST), Observation(0, 0, errno.EPERM)],
)
def test_a_failure_for_another_reason_is_no_evidence(seen: Observation) -> None:
    """ENOMEM says nothing of flags."""
    report = reported(WIDE_TREE, FOO | BAR, {0: WORKS, BAR: WORKS, FOO: seen, FOO | BAR: WORKS})
    assert not report.rules
    assert not report.unexplained
    assert not report.complete


def test_an_alternative_is_told_without_what_it_requires_anyway() -> None:
    """One of B, C and D where C requires D: one of B, C."""
    rules = requires(BAZ, QUX), requires(FOO, any_of=(BAR, BAZ | QUX))
    assert texts(swept(WIDE_TREE, 0b1111, obeying(*rules))) == [
        "FOO requires one of BAR, BAZ",
        "BAZ requires QUX",
    ]


def test_an_alternative_of_equal_flags_is_told_by_the_first() -> None:
    """BAZ and QUX require each other: one of BAR, BAZ."""
    rules = requires(BAZ, QUX), requires(QUX, BAZ), requires(FOO, any_of=(BAR, BAZ | QUX))
    assert "FOO requires one of BAR, BAZ" in texts(swept(WIDE_TREE, 0b1111, obeying(*rules)))


def test_too_many_alternatives_are_no_rule() -> None:
    """Two of eight flags are 28 alternatives: the masks that are refused say it in fewer words."""
    names = tree(*"ABCDEFGH")
    report = swept(names, 0xFF, lambda mask: 0 if mask.bit_count() > 1 else errno.EINVAL)
    assert not report.rules
    assert report.unexplained == {0, *bits(0xFF)}


def test_unlisted_bits_are_not_spoken_of() -> None:
    """That they are refused is what the list says already."""
    report = swept(WIDE_TREE, FOO, EVERY)
    assert report.complete
    assert report.rules == ()
    assert not report.unexplained


# ---- Kernel, list and catalog


def with_rules(*rules: Rule, judge: Judge = SOME) -> ProbeReport:
    """A probe of a VM that takes FOO and BAR, but not both, under a tree with these rules."""
    return swept(evolve(TREE, rules=rules), FOO | BAR, judge)


def states(report: ProbeReport) -> dict[str, RuleState]:
    """What a report says of the rules of its catalog."""
    catalog = report.support.catalog
    return {format_rule(one.rule, catalog): one.state for one in report.checked_rules}


def test_both_rules_of_mainline_are_confirmed() -> None:
    """By MMAP alone, which fails, and INIT_SHARED alone, which cannot be mapped."""
    report = reported(MAINLINE, 3, MEASURED)
    first, second = map(str, report.checked_rules)
    assert first == (
        "confirmed at access: MMAP requires INIT_SHARED"
        " (MMAP (bit 0, 0x1) fails, MMAP|INIT_SHARED (0x3) works)"
    )
    assert second == (
        "confirmed at access: INIT_SHARED requires MMAP"
        " (INIT_SHARED (bit 1, 0x2) cannot be mapped, MMAP|INIT_SHARED (0x3) works)"
    )
    assert report.contradictions == ()
    assert report.headline == (
        "a fake host: the kernel does what linux-mainline says; masks tried: 4, among them every"
        " combination of the listed flags"
    )


def test_a_kernel_newer_than_the_catalog_contradicts_it() -> None:
    """Where MMAP alone can be used, its rule is wrong."""
    report = reported(MAINLINE, 3, {**MEASURED, 1: WORKS})
    assert [one.state for one in report.checked_rules] == ["contradicted", "confirmed"]
    assert report.contradictions == (
        "linux-mainline has a rule at access: MMAP requires INIT_SHARED (MMAP (bit 0, 0x1) works)",
    )
    assert report.headline.startswith(
        "a fake host: kernel and linux-mainline contradict each other in one point; masks tried: 4"
    )


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize(
    ("rule", "judge", "state"),
    [
        (requires(FOO, BAR), obeying(requires(FOO, BAR)), RuleState.CONFIRMED),
        (requires(FOO, BAR), EVERY, RuleState.CONTRADICTED),
        (requires(FOO, BAR), obeying(never(FOO)), RuleState.OPEN),
        (requires(FOO | BAZ, BAR), obeying(requires(FOO, BAR), never(BAZ)), RuleState.OPEN),
        (requires(FOO, any_of=(BAR, BAZ)), obeying(requires(FOO, BAR)), RuleState.CONFIRMED),
        (excludes(FOO, BAR), obeying(excludes(FOO, BAR)), RuleState.CONFIRMED),
        (excludes(FOO, BAR), EVERY, RuleState.CONTRADICTED),
        (excludes(FOO, BAR), obeying(never(BAR)), RuleState.OPEN),
        (always(FOO), obeying(always(FOO)), RuleState.CONFIRMED),
        (always(FOO), EVERY, RuleState.CONTRADICTED),
        (always(FOO), taking([]), RuleState.OPEN),
        (never(FOO), obeying(never(FOO)), RuleState.CONFIRMED),
        (never(FOO), EVERY, RuleState.CONTRADICTED),
        (never(QUX), EVERY, RuleState.OPEN),
        (refused(FOO), obeying(refused(FOO)), RuleState.CONFIRMED),
        (refused(FOO), EVERY, RuleState.CONTRADICTED),
    ],
    ids=str,
)
def test_a_rule_is_confirmed_contradicted_or_open(
    rule: Rule, judge: Judge, state: RuleState, stage: Stage
) -> None:
    """At its own stage; a flag that never works confirms nothing, nor does one not listed."""
    catalog = evolve(WIDE_TREE, rules=[evolve(rule, stage=stage)])
    report = swept(catalog, THREE, *failing_at(stage, judge))
    (one,) = report.checked_rules
    assert one.state is state


def test_a_mask_that_breaks_two_rules_confirms_neither() -> None:
    """It may fail for either of them."""
    rules = requires(FOO, BAR), requires(FOO, BAZ)
    catalog = evolve(WIDE_TREE, rules=rules)
    seen = {0: 0, FOO: errno.EINVAL, FOO | BAR | BAZ: 0}
    assert {*states(reported(catalog, THREE, seen)).values()} == {RuleState.OPEN}
    seen |= {FOO | BAR: errno.EINVAL}
    assert states(reported(catalog, THREE, seen)) == {
        "FOO requires BAR": RuleState.OPEN,
        "FOO requires BAZ": RuleState.CONFIRMED,
    }


def test_a_mask_that_breaks_a_rule_of_an_earlier_stage_as_well_confirms_nothing() -> None:
    """The kernel may enforce that rule later than the catalog says; a later rule is no excuse."""
    early, late = requires(FOO, BAR), requires(FOO, BAZ, stage=Stage.BIND)
    catalog = evolve(WIDE_TREE, rules=[early, late])
    bound = {FOO | BAR | BAZ: WORKS, FOO: FAILS[Stage.BIND]}
    assert states(reported(catalog, THREE, bound)) == {
        "FOO requires BAR": RuleState.CONTRADICTED,
        "FOO requires BAZ": RuleState.OPEN,
    }
    created = {FOO | BAR | BAZ: WORKS, FOO: FAILS[Stage.CREATE]}
    assert states(reported(catalog, THREE, created)) == {
        "FOO requires BAR": RuleState.CONFIRMED,
        "FOO requires BAZ": RuleState.OPEN,
    }


def test_creation_alone_leaves_later_rules_open() -> None:
    """And says so."""
    report = swept(MAINLINE, 3, EVERY)
    assert [one.state for one in report.checked_rules] == [RuleState.OPEN, RuleState.OPEN]
    assert {one.message[-24:] for one in report.checked_rules} == {
        "D (access was not tried)",
        "P (access was not tried)",
    }
    assert report.complete
    assert report.headline.startswith(
        "a fake host: the kernel does what linux-mainline says at create; masks tried by creation"
        " alone: 66, among them"
    )


def test_a_rule_for_other_hosts_is_not_checked() -> None:
    """The arm64 rules say nothing here, neither against what works nor for what fails."""
    elsewhere = evolve(EXCLUDES, hosts=Hosts(vm_types=[4]))
    assert with_rules(elsewhere, judge=EVERY).checked_rules == ()
    assert with_rules(elsewhere).contradictions == with_rules().contradictions


@pytest.mark.parametrize("judge", [EVERY, SOME], ids=["every", "some"])
def test_a_rule_that_may_be_for_this_host_is_open(judge: Judge) -> None:
    """Of a descriptor that was passed in, nobody knows the type of its VM."""
    report = with_rules(evolve(EXCLUDES, hosts=Hosts(vm_types=[4])), judge=judge)
    unknown = evolve(report, support=evolve(report.support, host=HostFacts(machine="x86_64")))
    (one,) = unknown.checked_rules
    assert one.state is RuleState.OPEN
    assert "it is not known whether it is for this host" in str(one)
    assert unknown.contradictions == ()


@pytest.mark.parametrize("machine", ["aarch64", "arm64", "ARM64", "armv8l"])
def test_what_only_a_guest_would_show_is_open(machine: str) -> None:
    """The host may map the memory of a protected VM, and its guest does not run from it."""
    report = reported(MAINLINE, 3, MEASURED)
    facts = HostFacts(machine=machine, vm_type=1 << 31)
    protected = evolve(report, support=evolve(report.support, host=facts))
    (one,) = [one for one in protected.checked_rules if isinstance(one.rule, Never)]
    assert (one.state, "only a guest would show it" in one.message) == (RuleState.OPEN, True)
    assert one.rule in protected.as_catalog("here").rules


def test_a_kernel_that_does_what_its_catalog_says_is_not_contradicted() -> None:
    """Neither by what it takes nor by what it refuses."""
    assert with_rules(EXCLUDES).contradictions == ()


@pytest.mark.parametrize(
    ("stage", "what"),
    [(Stage.CREATE, "is refused"), (Stage.BIND, "cannot be bound"), (Stage.ACCESS, "fails")],
)
def test_a_rule_that_the_catalog_lacks_is_a_contradiction(stage: Stage, what: str) -> None:
    """At each stage: a kernel that lists what it refuses at creation, at binding, at access."""
    report = swept(TREE, FOO | BAR, *failing_at(stage, SOME))
    assert report.contradictions == (
        f"a-tree has no such rule at {stage}: FOO excludes BAR (FOO|BAR (0x3) {what})",
    )
    later = [evolve(EXCLUDES, stage=later) for later in Stage if later > stage]
    catalog = evolve(TREE, rules=later)
    assert swept(catalog, FOO | BAR, *failing_at(stage, SOME)).contradictions


def test_a_failing_mask_that_no_rule_explains_is_a_contradiction() -> None:
    """If the catalog allows it."""
    unexplained = obeying(refused(THREE))
    assert swept(WIDE_TREE, THREE, unexplained).contradictions == (
        "FOO|BAR|BAZ (0x7) is refused, and a-tree allows it",
    )
    knowing = evolve(WIDE_TREE, rules=[refused(THREE)])
    assert swept(knowing, THREE, unexplained).contradictions == ()


def test_a_mask_that_breaks_no_rule_and_cannot_be_mapped_contradicts_nothing() -> None:
    """The empty mask, say."""
    assert reported(TREE, FOO, {0: NOT_MAPPABLE, FOO: NOT_MAPPABLE}).contradictions == ()


def test_a_mask_that_works_against_a_rule_is_a_contradiction() -> None:
    """The rule is named, once."""
    assert with_rules(EXCLUDES, judge=EVERY).contradictions == (
        "a-tree has a rule at create: FOO excludes BAR (FOO|BAR (0x3) works)",
    )


def test_a_mask_that_works_with_a_bit_that_is_not_listed_is_a_contradiction() -> None:
    """The kernel contradicts its own list."""
    report = reported(TREE, FOO, {0: 0, FOO: 0, BAR: 0})
    assert report.contradictions == (
        "BAR (bit 1, 0x2) can be created, and a fake host does not list all of it",
    )


def test_a_refusal_of_what_nobody_can_ask_for_is_no_contradiction() -> None:
    """Bits without a name are never in a mask that is resolved."""
    assert swept(TREE, FOO | BAZ, taking([0, FOO])).contradictions == ()


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EPERM])
def test_another_errno_contradicts_nothing(number: int) -> None:
    """It says nothing of flags: FOO neither works nor fails."""
    report = reported(TREE, FOO, {0: 0, FOO: number})
    assert report.works(Stage.CREATE) == {0}
    assert not report.fails(Stage.CREATE)
    assert not report.contradictions
    assert report.headline.startswith("a fake host: nothing contradicts a-tree so far;")


def without_guest_memfd(observations: dict[int, Observation]) -> ProbeReport:
    """The report of a VM without guest_memfd."""
    support = query(FakeBackend({234: 0}), TREE)
    return ProbeReport(support=support, observations=observations, size=PAGE)


def test_without_guest_memfd_a_report_says_so() -> None:
    """In one line, and learns nothing."""
    report = without_guest_memfd({})
    assert report.guest_memfd is False
    assert report.headline == (
        "a fake host: no guest_memfd (KVM_CAP_GUEST_MEMFD is 0), so no mask was tried"
    )
    assert str(report).splitlines()[0] == report.headline
    assert len(str(report).splitlines()) == 3
    assert (report.complete, report.rules, report.contradictions) == (False, (), ())


def test_without_guest_memfd_every_refusal_is_right() -> None:
    """The empty mask as well; a report made from documents may have one."""
    report = without_guest_memfd(dict.fromkeys((0, FOO), FAILS[Stage.CREATE]))
    assert report.contradictions == ()
    assert not report.complete


def test_without_guest_memfd_nothing_should_work() -> None:
    """Not even the empty mask."""
    assert without_guest_memfd({0: WORKS, FOO: FAILS[Stage.CREATE]}).contradictions == (
        "no flag (0x0) can be created, and a fake host says that it has no guest_memfd",
    )


# ---- Complete or not


WHOLE = {0: WORKS, FOO: WORKS, BAR: WORKS, FOO | BAR: FAILS[Stage.ACCESS]}


def test_complete_is_every_subset_of_what_is_listed() -> None:
    """Other bits are of no account."""
    assert reported(TREE, FOO | BAR, WHOLE).complete
    assert reported(TREE, FOO | BAR, {**WHOLE, BAZ: Observation(errno.ENOMEM)}).complete


@pytest.mark.parametrize("missing", WHOLE)
def test_incomplete_is_one_subset_less(missing: int) -> None:
    """Any one."""
    some = {mask: seen for mask, seen in WHOLE.items() if mask != missing}
    assert not reported(TREE, FOO | BAR, {**some, BAZ: FAILS[Stage.CREATE]}).complete


@pytest.mark.parametrize("mask", WHOLE)
@pytest.mark.parametrize("answers", [(12,), (0, 12), (0, 0, 12), (0, 0), (0,)])
def test_incomplete_is_one_answer_that_is_not_about_flags(
    mask: int, answers: tuple[int, ...]
) -> None:
    """ENOMEM at any stage leaves open whether the mask works, and so does a stage left out."""
    assert not reported(TREE, FOO | BAR, {**WHOLE, mask: Observation(*answers)}).complete


def test_incomplete_is_a_probe_that_was_stopped() -> None:
    """Even if there was nothing left to try for rules."""
    report = evolve(reported(TREE, FOO | BAR, WHOLE), stopped=errno.EMFILE)
    assert not report.complete


def test_incomplete_is_a_list_that_changed() -> None:
    """Nobody knows which of the two lists a mask was tried under."""
    report = evolve(reported(TREE, FOO | BAR, WHOLE), changed=True)
    assert not report.complete
    assert report.headline.endswith("masks tried: 4, and the VM lists something else now")
    with pytest.raises(CatalogError, match="the probe is not complete"):
        report.as_catalog("learned")


@pytest.mark.parametrize(
    ("number", "stage", "text"),
    [
        (errno.EMFILE, Stage.BIND, "until EMFILE at bind"),
        (errno.EIO, None, "until EIO when the VM was asked again"),
        (0, Stage.CREATE, "until an error whose number was lost at create"),
        (3000, Stage.ACCESS, "until errno 3000 at access"),
    ],
)
def test_a_probe_that_was_stopped_says_by_what_and_where(
    number: int, stage: Stage | None, text: str
) -> None:
    """So that somebody can do something about it."""
    report = evolve(reported(TREE, FOO, {0: WORKS}), stopped=number, stopped_at=stage)
    assert report.headline.endswith(f"; masks tried: 1, {text}")
    assert not report.complete


def test_undetermined_is_what_was_never_created_while_not_all_was_tried() -> None:
    """BAR was refused alone, and might be taken with FOO."""
    report = reported(TREE, FOO | BAR, {0: 0, FOO: 0, BAR: errno.EINVAL})
    assert report.undetermined == BAR
    assert not report.rules
    assert report.unexplained == {BAR}


def test_nothing_is_undetermined_when_all_was_tried() -> None:
    """What never works then is known."""
    report = swept(TREE, FOO | BAR, taking([0, FOO]))
    assert report.undetermined == 0
    assert [rule.mask for rule in report.rules if isinstance(rule, Never)] == [BAR]


@pytest.mark.parametrize("kernel", ["6.18.0", None, "6.18\nforged"])
def test_the_source_of_a_rule_says_how_it_was_found(kernel: str | None) -> None:
    """On which kernel and VM, by how many masks, and for which files alone it holds."""
    report = reported(TREE, FOO, {0: 0, FOO: 0})
    named = evolve(report, support=evolve(report.support, host=HostFacts(kernel=kernel)))
    text = {None: "an unknown kernel", "6.18\nforged": "6.18\\nforged"}.get(kernel, kernel)
    assert named.source == (
        f"probe of a fake host, {text}: 2 masks tried"
        f" with files of {PAGE} bytes and reserved words of zero"
    )


# ---- The catalog that a kernel obeys


def learned(rules: Iterable[Rule]) -> list[str]:
    """The rules of the catalog that is learned under a tree with these rules."""
    catalog = with_rules(*rules).as_catalog("learned")
    return [format_rule(rule, catalog) for rule in catalog.rules]


def test_a_learned_catalog_loses_the_rules_that_the_kernel_contradicts() -> None:
    """The kernel knows better of this machine and VM type."""
    here = Hosts(machines=["x86_64"], vm_types=[0])
    assert learned([requires(FOO, BAR, hosts=here)]) == ["FOO excludes BAR"]


def test_a_learned_catalog_keeps_the_rules_that_the_kernel_confirms() -> None:
    """With their own words, and not twice, whichever side is named first."""
    catalog = with_rules(excludes(BAR, FOO)).as_catalog("learned")
    assert catalog.rules == (excludes(BAR, FOO),)


def test_a_learned_catalog_keeps_the_rules_that_stay_open() -> None:
    """QUX is not listed here; on a host that lists it, the rule holds."""
    catalog = evolve(WIDE_TREE, rules=[requires(QUX, FOO)])
    assert swept(catalog, FOO | BAR, EVERY).as_catalog("learned").rules == catalog.rules


def test_the_catalog_of_a_mainline_kernel_is_mainline() -> None:
    """With the rule that could be learned and the one that could only be confirmed."""
    assert reported(MAINLINE, 3, MEASURED).as_catalog("here").rules == MAINLINE.rules


@pytest.mark.parametrize(
    "kept",
    [
        requires(FOO, BAR, stage=Stage.BIND),
        requires(FOO, BAR, stage=Stage.ACCESS),
        requires(FOO, BAR, hosts=Hosts(vm_types=[4])),
        requires(FOO, BAR, hosts=Hosts(machines=["aarch64"])),
    ],
    ids=["bind", "access", "another type", "another machine"],
)
def test_a_learned_catalog_keeps_what_creation_here_says_nothing_of(kept: Rule) -> None:
    """Rules of stages that were not tried, and rules for other hosts."""
    assert learned([kept]) == ["FOO excludes BAR", "FOO requires BAR"]


def test_a_learned_catalog_keeps_rules_that_may_be_for_other_hosts() -> None:
    """Nobody knows this VM's type, so the rule may be true of the type that it speaks of."""
    report = with_rules(requires(FOO, BAR, hosts=Hosts(vm_types=[4])))
    unknown = evolve(report, support=evolve(report.support, host=HostFacts(machine="x86_64")))
    assert [type(rule) for rule in unknown.as_catalog("learned").rules] == [Excludes, Requires]


NOT_X86 = (
    "aarch64",
    "ppc64",
    "s390x",
    "mips64",
    "riscv64",
    "sparc64",
    "parisc64",
    "loongarch64",
)


@pytest.mark.parametrize(
    ("hosts", "left"),
    [
        (Hosts(), [Hosts(machines=NOT_X86), Hosts(machines=["x86_64"], except_vm_types=[0])]),
        (Hosts(vm_types=[0]), [Hosts(machines=NOT_X86, vm_types=[0])]),
        (
            Hosts(vm_types=[0, 4]),
            [
                Hosts(machines=NOT_X86, vm_types=[0, 4]),
                Hosts(machines=["x86_64"], vm_types=[4]),
            ],
        ),
        (Hosts(machines=["x86_64"]), [Hosts(machines=["x86_64"], except_vm_types=[0])]),
        (Hosts(machines=["x86_64"], vm_types=[0]), []),
        (
            Hosts(machines=["AMD64", "i686"], except_vm_types=[5]),
            [Hosts(machines=["AMD64", "i686"], except_vm_types=[5, 0])],
        ),
        (
            Hosts(machines=["x86_64", "arm64", "toaster"]),
            [
                Hosts(machines=["arm64", "toaster"]),
                Hosts(machines=["x86_64"], except_vm_types=[0]),
            ],
        ),
        (
            Hosts(machines=["i686", "aarch64"], vm_types=[0, 4]),
            [
                Hosts(machines=["aarch64"], vm_types=[0, 4]),
                Hosts(machines=["i686"], vm_types=[4]),
            ],
        ),
    ],
)
def test_a_learned_catalog_keeps_what_a_rule_says_of_other_hosts(
    hosts: Hosts, left: list[Hosts]
) -> None:
    """What a default VM takes is no news of a confidential one: there the rule still holds."""
    rules = with_rules(requires(FOO, BAR, hosts=hosts)).as_catalog("learned").rules
    found = [rule.hosts for rule in rules if isinstance(rule, Requires)]
    assert sorted(found, key=repr) == sorted(left, key=repr)


def test_names_of_one_architecture_are_one_kind_of_host() -> None:
    """A rule for aarch64 is about a host that calls itself arm64."""
    report = with_rules(requires(FOO, BAR, hosts=Hosts(machines=["aarch64", "riscv64"])))
    facts = HostFacts(machine="arm64", vm_type=40)
    arm = evolve(report, support=evolve(report.support, host=facts))
    kept = [rule.hosts for rule in arm.as_catalog("here").rules if isinstance(rule, Requires)]
    assert kept == [
        Hosts(machines=["aarch64"], except_vm_types=[0]),
        Hosts(machines=["riscv64"]),
    ]


@pytest.mark.parametrize(
    "facts", [HostFacts(machine="x86_64"), HostFacts(machine="toaster", vm_type=0)], ids=str
)
def test_a_host_that_is_not_known_is_an_exception_from_no_rule(facts: HostFacts) -> None:
    """Nobody can say for which hosts the rule does not hold, so it holds for all."""
    report = with_rules(requires(FOO, BAR))
    unknown = evolve(report, support=evolve(report.support, host=facts))
    assert requires(FOO, BAR) in unknown.as_catalog("here").rules


def test_a_second_vm_type_is_learned_from_a_learned_catalog() -> None:
    """Both types are excepted then, and no other."""
    report = with_rules(requires(FOO, BAR))
    support = report.support.under(report.as_catalog("first"))
    second = evolve(report, support=evolve(support, host=HostFacts(machine="amd64", vm_type=4)))
    rules = second.as_catalog("second").rules
    assert [rule.hosts for rule in rules if isinstance(rule, Requires)] == [
        Hosts(machines=NOT_X86),
        Hosts(machines=["x86_64"], except_vm_types=[0, 4]),
    ]


def test_a_learned_catalog_keeps_numbers_and_profiles() -> None:
    """Only its name, its flags and its rules are its own."""
    report = swept(FIRECRACKER_SECRET_FREE, 0xF, taking(range(16)))
    catalog = report.as_catalog("learned")
    assert catalog.name == "learned"
    assert catalog.capabilities == FIRECRACKER_SECRET_FREE.capabilities
    assert catalog.profiles == FIRECRACKER_SECRET_FREE.profiles
    assert evolve(catalog, name=FIRECRACKER_SECRET_FREE.name) == FIRECRACKER_SECRET_FREE


def test_a_learned_catalog_names_what_had_no_name() -> None:
    """Listed or taken, be it against the list or never; and nothing else."""
    failing = {4: errno.EINVAL, 5: errno.EINVAL, 1 << 7: errno.EINVAL}
    report = reported(MAINLINE, 0b101, {0: 0, 1: 0, 1 << 40: 0, **failing})
    flags = report.as_catalog("learned").flags
    assert {name: flag.value for name, flag in flags.__members__.items()} == {
        "MMAP": 1,
        "INIT_SHARED": 2,
        "BIT_2": 4,
        "BIT_40": 1 << 40,
    }
    assert flags.__name__ == "ProbedFlag"


def test_a_new_name_is_never_that_of_another_flag() -> None:
    """A tree may call bit 3 BIT_2, for reasons of its own, with the kernel's prefix or without."""
    names = {"BIT_2": 8, "GUEST_MEMFD_FLAG_BIT_2_": 1}
    flags = swept(catalog_of(names), 4, taking([0, 4])).as_catalog("learned").flags
    assert flags.bit_names == {1: "BIT_2_", 4: "BIT_2__", 8: "BIT_2"}


@pytest.mark.parametrize("stage", Stage)
def test_what_was_learned_decides(stage: Stage) -> None:
    """A request that breaks a learned rule is refused, and the rule is the reason."""
    report = swept(TREE, FOO | BAR, *failing_at(stage, SOME))
    host = report.support.under(report.as_catalog("learned"))
    answer = resolve(host, Request(required=FOO | BAR))
    assert not answer.ok
    assert "FOO excludes BAR" in answer.headline
    for until in Stage:
        assert resolve(host, Request(required=FOO | BAR, until=until)).ok is (until < stage)


def test_an_incomplete_report_makes_no_catalog() -> None:
    """Its rules may be too few, and a catalog with too few rules gives a wrong yes."""
    with pytest.raises(CatalogError, match="catalog learned: the probe is not complete") as caught:
        reported(TREE, FOO | BAR, {0: 0, FOO: 0, BAR: errno.EINVAL}).as_catalog("learned")
    assert caught.value.catalog == "learned"


# ---- A report as a value


@pytest.mark.parametrize("mask", [-1, 1 << 64, True])
def test_an_observation_is_of_a_mask(mask: int) -> None:
    """As everywhere."""
    with pytest.raises(InvalidMaskError):
        reported(TREE, FOO, {mask: 0})


@pytest.mark.parametrize(
    "wrong",
    [
        {"support": None},
        {"observations": {0: 0}},
        {"observations": {0: None}},
        {"size": True},
        {"until": 2},
        {"stopped_at": "bind"},
        {"changed": None},
    ],
)
def test_a_field_of_another_type_is_refused(wrong: dict[str, Any]) -> None:
    """A number as an observation would say nothing of the stage."""
    with pytest.raises(TypeError, match=r"must be an? "):
        evolve(reported(TREE, FOO, {0: 0}), **wrong)


def test_a_report_does_not_change() -> None:
    """Its observations are its own."""
    seen: dict[int, int | Observation] = {0: WORKS}
    report = reported(TREE, FOO, seen)
    seen[FOO] = WORKS
    assert report.observations == {0: WORKS}
    with pytest.raises(TypeError):
        report.observations[FOO] = WORKS  # type: ignore[index]  # pyright: ignore[reportIndexIssue]  # tested


def test_a_report_is_its_observations() -> None:
    """Equal exactly if these, the support, the size and the end are; flags count as masks."""
    report = reported(MAINLINE, 3, {1: WORKS})
    assert report == reported(MAINLINE, 3, {GuestMemfdFlag.MMAP: WORKS})
    assert hash(report) == hash(reported(MAINLINE, 3, {1: WORKS}))
    assert report != reported(MAINLINE, 3, {1: FAILS[Stage.CREATE]})
    changes: list[dict[str, Any]] = [
        {"size": 2 * PAGE},
        {"stopped": errno.EIO},
        {"stopped_at": Stage.BIND},
        {"changed": True},
        {"until": Stage.BIND},
    ]
    assert all(report != evolve(report, **change) for change in changes)


def test_a_report_pickles() -> None:
    """With all that follows from it, derived anew."""
    report = reported(MAINLINE, 3, MEASURED)
    assert report.complete
    copy = pickle.loads(pickle.dumps(report))  # noqa: S301  # our own bytes
    assert copy == report
    assert copy.rules == report.rules
    assert copy.checked_rules == report.checked_rules
    assert bits(copy.undetermined) == ()


# ---- The text


def test_the_text_begins_with_the_answer() -> None:
    """Then comes the host, each mask stage by stage, the catalog's rules and those learned."""
    report = reported(MAINLINE, 3, {**MEASURED, 4: FAILS[Stage.CREATE], 8: FAILS[Stage.CREATE]})
    lines = str(report).splitlines()
    assert lines[0] == report.headline
    assert lines[5:11] == [
        "  mask  create        bind          access        flags",
        "   0x0  works         works         not mappable  0",
        "   0x1  works         works         fails         MMAP",
        "   0x2  works         works         not mappable  INIT_SHARED",
        "   0x3  works         works         works         MMAP|INIT_SHARED",
        "  refused, and not listed: 2 more masks",
    ]
    assert [line for line in lines if line and line[0] != " "][1:] == [
        "rules of linux-mainline",
        "rules learned",
    ]


def test_foreign_text_forges_no_line() -> None:
    """An origin, a kernel, a machine and the name of a catalog are quoted."""
    bad = "a\nb\x1b[2J\u202e"
    report = swept(evolve(TREE, name=bad, rules=[EXCLUDES, requires(FOO, BAR)]), 3, EVERY)
    facts = HostFacts(kernel=bad, machine=bad, vm_type=0)
    forged = evolve(report, support=evolve(report.support, host=facts, origin=bad))
    plain = evolve(report, support=evolve(report.support, host=HostFacts("k", "m", 0), origin="o"))
    assert len(str(forged).splitlines()) == len(str(plain).splitlines())
    assert all(line.isprintable() for line in str(forged).splitlines())
    assert "a\\nb\\x1b[2J\\u202e" in forged.source


def test_a_long_report_is_shortened() -> None:
    """Nobody reads a thousand lines; what is left out is counted."""
    names = tree(*"ABCDEFGHIJ")
    odd = taking(mask for mask in range(1 << 10) if mask.bit_count() % 2)
    text = str(swept(names, 0x3FF, odd))
    assert "\n  and 960 more masks\n" in text  # of the 1,024
    assert text.count("\n  and 448 more\n") + text.endswith("\n  and 448 more") == 2  # of the 512
    assert len(text.splitlines()) < 220


Kernel = Callable[[int, Random], bool]


def operations(function: Callable[[], object]) -> int:
    """How many lines of Python a call runs."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def scattered(count: int, works: Kernel) -> ProbeReport:
    """A report of as many masks of twelve flags, some of which work."""
    random = Random(1)  # noqa: S311  # the same every time
    masks = random.sample(range(1 << 12), count)
    seen = {mask: WORKS if works(mask, random) else FAILS[Stage.CREATE] for mask in masks}
    return reported(tree(*"ABCDEFGHIJKL"), 0xFFF, seen)


def at_random(mask: int, random: Random) -> bool:
    """A kernel without any order."""
    return random.random() < 0.5


def six_of_twelve(mask: int, random: Random) -> bool:
    """A kernel with hundreds of alternatives."""
    return mask.bit_count() == 6


def even(mask: int, random: Random) -> bool:
    """A kernel that no rule explains."""
    return mask.bit_count() % 2 == 0


def one_of_two(mask: int, random: Random) -> bool:
    """A kernel with one rule."""
    return not mask & 1 or mask & 6 != 0


@pytest.mark.parametrize("works", [at_random, six_of_twelve, even, one_of_two])
def test_rules_and_text_are_linear_in_the_observations(works: Kernel) -> None:
    """Twice as many masks take about twice as many operations, whatever is observed."""
    once = operations(lambda: str(scattered(300, works)))
    twice = operations(lambda: str(scattered(600, works)))
    assert twice < 2.2 * once
