"""What a probe says about its host beside the rules: contradictions, gaps, and a catalog."""

import errno
import pickle
from collections.abc import Iterable

import pytest
from attrs import evolve

from gmemflags import MAINLINE, CatalogError, Excludes, GuestMemfdFlag, InvalidMaskError, Never, Request, Requires, Stage, bits, query, resolve
from gmemflags import FIRECRACKER_SECRET_FREE, Hosts, Rule, format_rule
from gmemflags import HostFacts
from gmemflags.linux import ProbeReport
from gmemflags.testing import FakeBackend
from tests.probing import PAGE, Judge, excludes, obeying, reported, requires, swept, taking, tree
from tests.strategies import catalog_of

FOO, BAR, BAZ = 1, 2, 4
TREE = tree("FOO", "BAR")
EXCLUDES = excludes(FOO, BAR)
ALL, SOME = taking(range(4)), taking([0, FOO, BAR])


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
    with pytest.raises(CatalogError, match="catalog learnt: the probe is not complete") as caught:
        reported(TREE, FOO | BAR, {0: 0, FOO: 0, BAR: errno.EINVAL}).as_catalog("learnt")
    assert caught.value.catalog == "learnt"


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


def learnt(rules: Iterable[Rule]) -> list[str]:
    """The rules of the catalog that is learnt under a tree with these rules."""
    catalog = with_rules(*rules).as_catalog("learnt")
    return [format_rule(rule, catalog) for rule in catalog.rules]


def test_a_learnt_catalog_replaces_the_rules_for_creation() -> None:
    """The kernel knows better."""
    wrong = requires(FOO, BAR)
    assert learnt([wrong]) == ["FOO excludes BAR"]


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
def test_a_learnt_catalog_keeps_what_creation_here_says_nothing_of(kept: Rule) -> None:
    """Rules of later stages, and rules for other hosts."""
    assert learnt([kept]) == ["FOO excludes BAR", "FOO requires BAR"]


def test_a_learnt_catalog_keeps_rules_that_may_be_for_other_hosts() -> None:
    """Nobody knows this VM's type, so the rule may be true of the type that it speaks of."""
    report = with_rules(requires(FOO, BAR, hosts=Hosts(vm_types=[4])))
    unknown = evolve(report, support=evolve(report.support, host=HostFacts(machine="x86_64")))
    assert [type(rule) for rule in unknown.as_catalog("learnt").rules] == [Excludes, Requires]


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
def test_a_learnt_catalog_keeps_what_a_rule_says_of_other_hosts(
    hosts: Hosts, left: list[Hosts]
) -> None:
    """What a default VM takes is no news of a confidential one: there the rule still holds."""
    rules = with_rules(requires(FOO, BAR, hosts=hosts)).as_catalog("learnt").rules
    assert [rule.hosts for rule in rules if isinstance(rule, Requires)] == left


def test_a_learnt_catalog_keeps_numbers_and_profiles() -> None:
    """Only its name, its flags and its rules are its own."""
    report = swept(FIRECRACKER_SECRET_FREE, 0xF, taking(range(16)))
    catalog = report.as_catalog("learnt")
    assert catalog.name == "learnt"
    assert catalog.capabilities == FIRECRACKER_SECRET_FREE.capabilities
    assert catalog.profiles == FIRECRACKER_SECRET_FREE.profiles
    assert evolve(catalog, name=FIRECRACKER_SECRET_FREE.name) == FIRECRACKER_SECRET_FREE


def test_a_learnt_catalog_names_what_had_no_name() -> None:
    """Listed or taken, be it against the list or never; and nothing else."""
    refused = {4: errno.EINVAL, 5: errno.EINVAL, 1 << 7: errno.EINVAL}
    report = reported(MAINLINE, 0b101, {0: 0, 1: 0, 1 << 40: 0, **refused})
    flags = report.as_catalog("learnt").flags
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
    flags = report.as_catalog("learnt").flags
    assert {flag.value: name for name, flag in flags.__members__.items()} == {
        1: "BIT_2_",
        4: "BIT_2__",
        8: "BIT_2",
    }


def test_what_was_learnt_decides() -> None:
    """A request that breaks a learnt rule is refused, and the rule is the reason."""
    report = with_rules()
    host = report.support.under(report.as_catalog("learnt"))
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


def test_a_report_as_text() -> None:
    """What the command line prints, long lines as they are."""
    text = str(swept(MAINLINE, 3, obeying(requires(1, 2))))
    assert text.startswith("host    a fake host, Linux 6.18.0, x86_64\ncatalog linux-mainline\n")
    assert "\n  MMAP requires INIT_SHARED\n" in text
    assert "\n  MMAP (bit 0, 0x1) is refused, and linux-mainline allows it" in text


def test_a_complete_report_as_text() -> None:
    """Each mask with its answer, but one line for all bits that nobody lists; then the rules."""
    catalog = evolve(tree("FOO", "BAR", "BAZ"), rules=[EXCLUDES])
    report = swept(catalog, 7, taking([0, FOO, BAR, BAZ, FOO | BAZ]))
    assert str(report).splitlines() == [
        "host    a fake host, Linux 6.18.0, x86_64",
        "catalog a-tree",
        "lists   FOO|BAR|BAZ (0x7)",
        (
            f"tried   files of {PAGE} bytes, reserved words of zero: masks tried: 69, among them"
            " every combination of the listed flags"
        ),
        "",
        "  mask  answer      flags",
        "   0x0  taken       0",
        "   0x1  taken       FOO",
        "   0x2  taken       BAR",
        "   0x4  taken       BAZ",
        "   0x3  EINVAL      FOO|BAR",
        "   0x5  taken       FOO|BAZ",
        "   0x6  EINVAL      BAR|BAZ",
        "   0x7  EINVAL      FOO|BAR|BAZ",
        "  EINVAL for all other single bits tried: 61, none of them listed",
        "",
        "rules that hold in all of this",
        "  no mask takes any bit of 0xfffffffffffffff8",
        "    Observed: bit 3 (0x8, not named by a-tree) is refused.",
        "  FOO excludes BAR",
        "    Observed: FOO|BAR (0x3) is refused.",
        "  BAR excludes BAZ",
        "    Observed: BAR|BAZ (0x6) is refused.",
        "",
        "kernel and catalog contradict each other",
        "  BAR|BAZ (0x6) is refused, and a-tree allows it",
    ]


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


def test_an_incomplete_report_as_text() -> None:
    """What is odd has a line of its own, and what stays open is told."""
    catalog = evolve(tree("FOO", "BAR", "BAZ"), rules=[EXCLUDES])
    report = reported(catalog, 1 << 40 | 7, ODD_ANSWERS)
    head, *rest = str(report).splitlines()[3:]
    assert head == (
        f"tried   files of {PAGE} bytes, reserved words of zero: masks tried: 11, and not every"
        " combination of the listed flags was answered with yes or EINVAL"
    )
    assert rest == [
        "",
        "           mask  answer      flags",
        "            0x0  taken       0",
        "            0x1  taken       FOO",
        "            0x3  EINVAL      FOO|BAR",
        "            0x2  EPERM       BAR",
        "            0x4  errno 200   BAZ",
        "           0x18  EINVAL      0x18",
        "           0x20  taken       0x20",
        "           0x40  EPERM       0x40",
        "  0x10000000000  EINVAL      0x10000000000",
        "  EINVAL for all other single bits tried: 2, none of them listed",
        "",
        "rules that hold in all of this, which is not everything",
        "  no mask takes any bit of 0x18",
        "    Observed: bit 3 (0x8, not named by a-tree) is refused.",
        "",
        "refused, and explained by no rule",
        "  FOO|BAR (0x3)",
        "  bit 40 (0x10000000000, not named by a-tree)",
        "",
        "kernel and catalog contradict each other",
        "  bit 5 (0x20, not named by a-tree) is taken, and a fake host does not list all of it",
        "",
        "undetermined: in no mask that was taken",
        "  BAR (bit 1, 0x2)",
        "  BAZ (bit 2, 0x4)",
        "  bit 40 (0x10000000000, not named by a-tree)",
    ]


def test_a_report_of_a_probe_that_was_stopped_as_text() -> None:
    """It says by what."""
    report = evolve(reported(TREE, 3, {0: 0, FOO: errno.EMFILE}), stopped=errno.EMFILE)
    lines = str(report).splitlines()
    assert lines[3].endswith("reserved words of zero: masks tried: 2, until EMFILE")
    assert lines[5:8] == [
        "  mask  answer      flags",
        "   0x0  taken       0",
        "   0x1  EMFILE      FOO",
    ]
