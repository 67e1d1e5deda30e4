"""Learning: the rules that explain what a kernel took, and what a report says beside them."""

import errno
import pickle
from collections.abc import Iterable

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
from gmemflags.linux import ProbeReport
from gmemflags.testing import FakeBackend
from tests.hidden import BAR, BAZ, FOO, KERNELS, QUX, THREE
from tests.hidden import TREE as WIDE_TREE
from tests.probing import (
    PAGE,
    Judge,
    always,
    excludes,
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
ALL, SOME = taking(range(4)), taking([0, FOO, BAR])


@pytest.mark.parametrize("name", KERNELS)
def test_the_rules_of_a_kernel_are_learned(name: str) -> None:
    """All of them, and no others; bits that are not listed are not spoken of."""
    listed, judge, rules = KERNELS[name]
    assert sorted(texts(swept(WIDE_TREE, listed, judge))) == sorted(rules)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (
            requires(BAR, FOO),
            "Observed: BAR (bit 1, 0x2) is refused, FOO|BAR (0x3) is taken.",
        ),
        (
            always(BAR),
            "Observed: no flag (0x0) is refused, BAR (bit 1, 0x2) is taken.",
        ),
        (never(BAR), "Observed: BAR (bit 1, 0x2) is refused."),
        (excludes(FOO, BAR), "Observed: FOO|BAR (0x3) is refused."),
        (
            requires(FOO, any_of=(BAR, BAZ)),
            "Observed: FOO (bit 0, 0x1) is refused, FOO|BAR (0x3) is taken.",
        ),
        (
            refused(THREE),
            "Observed: it is refused, and no simpler rule explains it.",
        ),
    ],
    ids=["Requires", "Always", "Never", "Excludes", "any-of", "Refused"],
)
def test_why_is_what_was_observed(rule: Rule, why: str) -> None:
    """The simplest mask that the rule refuses, and the simplest that has more and is taken."""
    report = swept(WIDE_TREE, THREE, obeying(rule))
    (learned,) = report.as_catalog("learned").rules
    assert learned.why == why
    assert learned.source == report.source


def test_the_simplest_is_the_one_with_the_fewest_flags() -> None:
    """Not the smallest number."""
    report = reported(WIDE_TREE, 0, {0: 0, FOO | BAR: errno.EINVAL, BAZ: errno.EINVAL})
    (rule,) = report.rules
    assert rule.why == "Observed: BAZ (bit 2, 0x4) is refused."


def test_the_simplest_that_is_taken_has_the_fewest_flags_as_well() -> None:
    """Of what was taken with the same flag, too, the smallest number is not the simplest."""
    taken = {FOO | BAR | BAZ: 0, FOO | QUX: 0}
    report = reported(WIDE_TREE, 0xF, {0: 0, FOO: errno.EINVAL, **taken})
    (rule,) = report.rules
    assert rule.why == "Observed: FOO (bit 0, 0x1) is refused, FOO|QUX (0x9) is taken."


def test_a_refusal_for_another_reason_is_no_evidence() -> None:
    """ENOMEM says nothing of flags."""
    assert not reported(WIDE_TREE, 0, {0: 0, FOO: errno.ENOMEM}).rules


def with_rules(*rules: Rule) -> ProbeReport:
    """A probe of a VM that takes FOO and BAR, but not both, under a tree with these rules."""
    return swept(evolve(TREE, rules=rules), FOO | BAR, SOME)


def test_a_kernel_that_does_what_its_catalog_says_is_not_contradicted() -> None:
    """Neither by what it takes nor by what it refuses."""
    assert with_rules(EXCLUDES).contradictions == ()


def test_a_refusal_that_the_catalog_allows_is_a_contradiction() -> None:
    """The catalog lacks a rule."""
    assert with_rules().contradictions == ("FOO|BAR (0x3) is refused, and a-tree allows it",)


def test_a_mask_taken_against_a_rule_is_a_contradiction() -> None:
    """The rule is named."""
    report = swept(evolve(TREE, rules=[EXCLUDES]), FOO | BAR, ALL)
    assert report.contradictions == (
        "FOO|BAR (0x3) is taken, and a-tree has a rule against it: FOO excludes BAR",
    )


@pytest.mark.parametrize("hosts", [Hosts(machines=["x86_64"]), Hosts(vm_types=[4])], ids=str)
def test_a_mask_taken_against_a_rule_for_such_hosts_is_a_contradiction(hosts: Hosts) -> None:
    """If this is such a host; of a host that is not known it may just as well be true."""
    report = swept(evolve(TREE, rules=[evolve(EXCLUDES, hosts=hosts)]), FOO | BAR, ALL)
    for facts, count in ((HostFacts(machine="x86_64", vm_type=4), 1), (HostFacts(), 0)):
        known = evolve(report, support=evolve(report.support, host=facts))
        assert len(known.contradictions) == count


def test_a_mask_taken_with_a_bit_that_is_not_listed_is_a_contradiction() -> None:
    """The kernel contradicts its own list."""
    report = reported(TREE, FOO, {0: 0, FOO: 0, BAR: 0, FOO | BAR: errno.EINVAL})
    assert report.contradictions == (
        "BAR (bit 1, 0x2) is taken, and a fake host does not list all of it",
    )
    assert report.taken_unlisted == {BAR}


def test_contradictions_come_in_order() -> None:
    """What is taken first, and the simplest first."""
    report = reported(TREE, FOO | BAR, {BAZ | FOO: 0, FOO | BAR: errno.EINVAL, 8: 0, FOO: 22})
    assert [line.split(" (")[0] for line in report.contradictions] == [
        "bit 3",
        "FOO|0x4",
        "FOO",
        "FOO|BAR",
    ]


def test_a_refusal_of_what_nobody_can_ask_for_is_no_contradiction() -> None:
    """Bits without a name are never in a mask that is resolved."""
    assert swept(TREE, FOO | BAZ, taking([0, FOO])).contradictions == ()


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EPERM])
def test_another_errno_contradicts_nothing(number: int) -> None:
    """It says nothing of flags: FOO was neither taken nor refused."""
    report = reported(TREE, FOO, {0: 0, FOO: number})
    assert report.taken == {0}
    assert not report.refused
    assert not report.contradictions


@pytest.mark.parametrize("stage", [Stage.BIND, Stage.ACCESS])
def test_a_later_stage_is_no_matter_of_creation(stage: Stage) -> None:
    """Its rules are neither broken by what is taken nor an excuse for what is refused."""
    later = evolve(EXCLUDES, stage=stage)
    assert swept(evolve(TREE, rules=[later]), FOO | BAR, ALL).contradictions == ()
    assert with_rules(later).contradictions == with_rules().contradictions


def test_a_rule_for_other_hosts_is_neither_broken_nor_an_excuse() -> None:
    """It speaks of VMs of type 4; this one is of type 0."""
    elsewhere = evolve(EXCLUDES, hosts=Hosts(vm_types=[4]))
    assert swept(evolve(TREE, rules=[elsewhere]), FOO | BAR, ALL).contradictions == ()
    assert with_rules(elsewhere).contradictions == with_rules().contradictions


@pytest.mark.parametrize("judge", [ALL, SOME], ids=["all", "some"])
def test_a_rule_that_may_be_for_this_host_is_never_contradicted(judge: Judge) -> None:
    """Of a descriptor that was passed in, nobody knows the type of its VM."""
    catalog = evolve(TREE, rules=[evolve(EXCLUDES, hosts=Hosts(vm_types=[4]))])
    report = swept(catalog, FOO | BAR, judge)
    unknown = evolve(report.support, host=HostFacts(machine="x86_64"))
    assert evolve(report, support=unknown).contradictions == ()


def without_guest_memfd(observations: dict[int, int]) -> ProbeReport:
    """The report of a VM without guest_memfd."""
    support = query(FakeBackend({234: 0}), TREE)
    return ProbeReport(support=support, observations=observations, size=PAGE)


def test_without_guest_memfd_every_refusal_is_right() -> None:
    """The empty mask as well."""
    report = without_guest_memfd({0: errno.EINVAL, FOO: errno.EINVAL})
    assert report.contradictions == ()
    assert report.complete


def test_without_guest_memfd_nothing_should_be_taken() -> None:
    """Not even the empty mask."""
    assert without_guest_memfd({0: 0, FOO: errno.EINVAL}).contradictions == (
        "no flag (0x0) is taken, and a fake host says that it has no guest_memfd",
    )


WHOLE = {0: 0, FOO: 0, BAR: 0, FOO | BAR: errno.EINVAL}


def test_complete_is_every_subset_of_what_is_listed() -> None:
    """Other bits are of no account."""
    assert reported(TREE, FOO | BAR, WHOLE).complete
    assert reported(TREE, FOO | BAR, {**WHOLE, BAZ: errno.ENOMEM}).complete


@pytest.mark.parametrize("missing", WHOLE)
def test_incomplete_is_one_subset_less(missing: int) -> None:
    """Any one."""
    some = {mask: number for mask, number in WHOLE.items() if mask != missing}
    assert not reported(TREE, FOO | BAR, {**some, BAZ: errno.EINVAL}).complete


@pytest.mark.parametrize("mask", WHOLE)
def test_incomplete_is_one_answer_that_is_not_about_flags(mask: int) -> None:
    """ENOMEM leaves open whether the mask is valid."""
    assert not reported(TREE, FOO | BAR, {**WHOLE, mask: errno.ENOMEM}).complete


def test_incomplete_is_a_probe_that_was_stopped() -> None:
    """Even if there was nothing left to try for rules."""
    report = evolve(reported(TREE, FOO | BAR, WHOLE), stopped=errno.EMFILE)
    assert not report.complete


def test_undetermined_is_what_was_never_taken_while_not_all_was_tried() -> None:
    """BAR was refused alone, and might be taken with FOO."""
    report = reported(TREE, FOO | BAR, {0: 0, FOO: 0, BAR: errno.EINVAL})
    assert report.undetermined == BAR
    assert not report.rules
    assert report.unexplained == {BAR}


def test_nothing_is_undetermined_when_all_was_tried() -> None:
    """What is never taken then is known."""
    report = swept(TREE, FOO | BAR, taking([0, FOO]))
    assert report.undetermined == 0
    assert [rule.mask & 3 for rule in report.rules if isinstance(rule, Never)] == [BAR]


def test_an_incomplete_report_makes_no_catalog() -> None:
    """Its rules may be too few, and a catalog with too few rules gives a wrong yes."""
    with pytest.raises(CatalogError, match="catalog learned: the probe is not complete") as caught:
        reported(TREE, FOO | BAR, {0: 0, FOO: 0, BAR: errno.EINVAL}).as_catalog("learned")
    assert caught.value.catalog == "learned"


def test_the_source_of_a_rule_says_how_it_was_found() -> None:
    """On which kernel and VM, by how many masks, and for which files alone it holds."""
    assert reported(TREE, FOO, {0: 0, FOO: 0}).source == (
        "probe of a fake host, 6.18.0: 2 masks tried"
        f" with files of {PAGE} bytes and reserved words of zero"
    )


def test_the_source_says_that_the_kernel_is_not_known() -> None:
    """Where the support does not know it."""
    report = reported(TREE, FOO, {0: 0})
    unknown = evolve(report, support=evolve(report.support, host=HostFacts()))
    assert unknown.source.startswith("probe of a fake host, an unknown kernel: 1 masks tried")


def learned(rules: Iterable[Rule]) -> list[str]:
    """The rules of the catalog that is learned under a tree with these rules."""
    catalog = with_rules(*rules).as_catalog("learned")
    return [format_rule(rule, catalog) for rule in catalog.rules]


def test_a_learned_catalog_replaces_the_rules_for_creation() -> None:
    """The kernel knows better."""
    wrong = requires(FOO, BAR)
    assert learned([wrong]) == ["FOO excludes BAR"]


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
    """Rules of later stages, and rules for other hosts."""
    assert learned([kept]) == ["FOO excludes BAR", "FOO requires BAR"]


def test_a_learned_catalog_keeps_rules_that_may_be_for_other_hosts() -> None:
    """Nobody knows this VM's type, so the rule may be true of the type that it speaks of."""
    report = with_rules(requires(FOO, BAR, hosts=Hosts(vm_types=[4])))
    unknown = evolve(report, support=evolve(report.support, host=HostFacts(machine="x86_64")))
    assert [type(rule) for rule in unknown.as_catalog("learned").rules] == [Excludes, Requires]


@pytest.mark.parametrize(
    ("hosts", "left"),
    [
        (Hosts(vm_types=[0]), []),
        (Hosts(vm_types=[0, 4]), [Hosts(vm_types=[4])]),
        (Hosts(machines=["x86_64"]), []),
        (Hosts(machines=["x86_64", "i686"]), [Hosts(machines=["i686"])]),
        (
            Hosts(machines=["x86_64", "i686"], vm_types=[0, 4]),
            [
                Hosts(machines=["i686"], vm_types=[0, 4]),
                Hosts(machines=["x86_64", "i686"], vm_types=[4]),
            ],
        ),
    ],
)
def test_a_learned_catalog_keeps_what_a_rule_says_of_other_hosts(
    hosts: Hosts, left: list[Hosts]
) -> None:
    """What a default VM takes is no news of a confidential one: there the rule still holds."""
    rules = with_rules(requires(FOO, BAR, hosts=hosts)).as_catalog("learned").rules
    assert [rule.hosts for rule in rules if isinstance(rule, Requires)] == left


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
    refused = {4: errno.EINVAL, 5: errno.EINVAL, 1 << 7: errno.EINVAL}
    report = reported(MAINLINE, 0b101, {0: 0, 1: 0, 1 << 40: 0, **refused})
    flags = report.as_catalog("learned").flags
    assert {name: flag.value for name, flag in flags.__members__.items()} == {
        "MMAP": 1,
        "INIT_SHARED": 2,
        "BIT_2": 4,
        "BIT_40": 1 << 40,
    }
    assert flags.__name__ == "ProbedFlag"


def test_a_new_name_is_never_that_of_another_flag() -> None:
    """A tree may call bit 3 BIT_2, for reasons of its own."""
    report = swept(catalog_of({"BIT_2": 8, "BIT_2_": 1}), 4, taking([0, 4]))
    flags = report.as_catalog("learned").flags
    assert {flag.value: name for name, flag in flags.__members__.items()} == {
        1: "BIT_2_",
        4: "BIT_2__",
        8: "BIT_2",
    }


def test_what_was_learned_decides() -> None:
    """A request that breaks a learned rule is refused, and the rule is the reason."""
    report = with_rules()
    host = report.support.under(report.as_catalog("learned"))
    answer = resolve(host, Request(required=FOO | BAR))
    assert not answer.ok
    assert "FOO excludes BAR" in answer.headline
    assert "(Observed: FOO|BAR (0x3) is refused)" in answer.headline


@pytest.mark.parametrize("mask", [-1, 1 << 64, True, 1.0, "1", None])
def test_an_observation_is_of_a_mask(mask: int) -> None:
    """As everywhere."""
    with pytest.raises(InvalidMaskError):
        reported(TREE, FOO, {mask: 0})


@pytest.mark.parametrize("number", [-22, False, None, "EINVAL", 0.0])
def test_an_observation_is_an_errno(number: int) -> None:
    """None or False would read as "taken"."""
    with pytest.raises(InvalidMaskError):
        reported(TREE, FOO, {FOO: number})


def test_a_report_does_not_change() -> None:
    """Its observations are its own."""
    seen = {0: 0}
    report = reported(TREE, FOO, seen)
    seen[FOO] = 0
    assert report.observations == {0: 0}
    with pytest.raises(TypeError):
        report.observations[FOO] = 0  # type: ignore[index]  # pyright: ignore[reportIndexIssue]  # tested


def test_a_report_is_its_observations() -> None:
    """Equal exactly if these, the support, the size and the end are; flags count as masks."""
    report = reported(MAINLINE, 3, {1: 0})
    assert report == reported(MAINLINE, 3, {GuestMemfdFlag.MMAP: 0})
    assert hash(report) == hash(reported(MAINLINE, 3, {1: 0}))
    assert report != reported(MAINLINE, 3, {1: errno.EINVAL})
    assert report != evolve(report, size=2 * PAGE)
    assert report != evolve(report, stopped=errno.EIO)


def test_a_report_pickles() -> None:
    """With all that follows from it."""
    report = swept(MAINLINE, 3, obeying(requires(2, 1)))
    copy = pickle.loads(pickle.dumps(report))  # noqa: S301  # our own bytes
    assert copy == report
    assert copy.rules == report.rules
    assert bits(copy.undetermined) == ()


ODD_ANSWERS = {
    0: 0,
    FOO: 0,
    FOO | BAR: errno.EINVAL,
    BAR: errno.EPERM,
    BAZ: 200,
    0x8: errno.EINVAL,
    0x10: errno.EINVAL,
    0x18: errno.EINVAL,
    0x20: 0,
    0x40: errno.EPERM,
    1 << 40: errno.EINVAL,
}
