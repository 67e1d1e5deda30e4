"""Lint: each check finds its one fault, and what ships has none."""

from collections.abc import Sequence

import pytest
from attrs import evolve, field, frozen

from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
    Always,
    Capability,
    Catalog,
    Excludes,
    FlagWord,
    Hosts,
    Need,
    NegotiationTooHardError,
    Never,
    Profile,
    Refused,
    Request,
    Requires,
    Rule,
    Stage,
    format_rule,
    lint,
)
from gmemflags._format import format_hosts
from tests.trees import SAID, flag_class, tree_of

ARM = Hosts(machines=("aarch64",))


class Flag(FlagWord):
    """Flags of a tree that nobody wrote."""

    FOO = 1 << 2
    BAR = 1 << 3
    BAZ = 1 << 40


FOO, BAR, BAZ = Flag.FOO, Flag.BAR, Flag.BAZ
TREE = Catalog("a-tree", Flag, MAINLINE.capabilities)


def linted(*rules: Rule) -> tuple[str, ...]:
    """What lint finds in a tree with these rules."""
    return lint(evolve(TREE, rules=rules))


def test_mainline_is_clean() -> None:
    """No fault in what nobody can choose."""
    assert lint(MAINLINE) == ()


def test_the_one_doubt_of_firecrackers_catalog() -> None:
    """That tree took the number before mainline gave it to another capability."""
    assert lint(FIRECRACKER_SECRET_FREE) == (
        "KVM_CAP_USERFAULT has the number 245, which is KVM_CAP_ARM_SEA_TO_USER in mainline",
    )


CLEAN: dict[str, tuple[Rule, ...]] = {
    "no rule": (),
    "requires": (Requires(FOO, all_of=BAR, any_of=(BAZ,), **SAID),),
    "alternatives may overlap": (Requires(FOO, any_of=(BAR, BAR | BAZ), **SAID),),
    "always": (Always(FOO, any_of=(BAR, BAZ), **SAID),),
    "always one of these": (Always(any_of=(BAR, BAR | BAZ), **SAID),),
    "excludes": (Excludes(FOO | BAR, BAZ, **SAID),),
    "never on some hosts": (Never(FOO, hosts=ARM, **SAID),),
    "refused": (Refused(FOO | BAR, **SAID),),
    "zero refused": (Refused(0, **SAID),),
    "both ways": (Requires(FOO, all_of=BAR, **SAID), Requires(BAR, all_of=FOO, **SAID)),
}


@pytest.mark.parametrize("rules", list(CLEAN.values()), ids=list(CLEAN))
def test_what_is_fine(rules: Sequence[Rule]) -> None:
    """Every kind of rule can be written without a fault."""
    assert linted(*rules) == ()


UNNAMED = "bit 7 (0x80, not named by a-tree)"
NOBODY_HOLDS = "no mask can hold {}"
F, B = "FOO (bit 2, 0x4)", "BAR (bit 3, 0x8)"

FAULTY: dict[str, tuple[Rule, list[str]]] = {
    "no why": (
        Excludes(FOO, BAR, why="", source="a test"),
        ["rule 'FOO excludes BAR' has no why"],
    ),
    "a blank why": (
        Excludes(FOO, BAR, why=" \n", source="a test"),
        ["rule 'FOO excludes BAR' has no why"],
    ),
    "no source": (
        Excludes(FOO, BAR, why="It is so.", source=" "),
        ["rule 'FOO excludes BAR' has no source"],
    ),
    "unnamed flag": (
        Requires(1 << 7, all_of=FOO, **SAID),
        [f"rule '0x80 requires FOO' speaks of {UNNAMED}"],
    ),
    "unnamed all_of": (
        Requires(FOO, all_of=1 << 7, **SAID),
        [f"rule 'FOO requires 0x80' speaks of {UNNAMED}", NOBODY_HOLDS.format(F)],
    ),
    "unnamed any_of": (
        Requires(FOO, any_of=(BAR, 1 << 7), **SAID),
        [f"rule 'FOO requires one of BAR, 0x80' speaks of {UNNAMED}"],
    ),
    "unnamed a": (
        Excludes(1 << 7, FOO, **SAID),
        [f"rule '0x80 excludes FOO' speaks of {UNNAMED}"],
    ),
    "unnamed never": (Never(1 << 7, **SAID), [f"rule 'no mask takes 0x80' speaks of {UNNAMED}"]),
    "unnamed refused": (
        Refused(FOO | 1 << 7, **SAID),
        [f"rule 'exactly FOO|0x80 is refused' speaks of {UNNAMED}"],
    ),
    "two unnamed": (
        Refused(3, **SAID),
        [
            "rule 'exactly 0x3 is refused' speaks of bit 0 (0x1, not named by a-tree)",
            "rule 'exactly 0x3 is refused' speaks of bit 1 (0x2, not named by a-tree)",
        ],
    ),
    "requires itself": (
        Requires(FOO | BAR, all_of=FOO | BAZ, **SAID),
        [f"rule 'each of FOO, BAR requires FOO|BAZ' names {F} twice"],
    ),
    "itself as an alternative": (
        Requires(FOO, any_of=(FOO, BAR), **SAID),
        [f"rule 'FOO requires one of FOO, BAR' names {F} twice"],
    ),
    "an alternative that is needed anyway": (
        Requires(FOO, all_of=BAR, any_of=(BAR, BAZ), **SAID),
        [f"rule 'FOO requires BAR and one of BAR, BAZ' names {B} twice"],
    ),
    "always twice": (
        Always(FOO, any_of=(FOO, BAR), **SAID),
        [f"rule 'every mask needs FOO and one of FOO, BAR' names {F} twice"],
    ),
    "excludes itself": (
        Excludes(FOO, FOO | BAR, **SAID),
        [f"rule 'FOO excludes any of FOO, BAR' names {F} twice", NOBODY_HOLDS.format(F)],
    ),
    "requires by nobody": (
        Requires(0, all_of=FOO, **SAID),
        ["rule '0 requires FOO' has an empty mask"],
    ),
    "requires 0": (
        Requires(FOO, **SAID),
        ["rule 'FOO requires 0' has an empty mask"],
    ),
    "an empty alternative": (
        Requires(FOO, any_of=(0, BAR), **SAID),
        ["rule 'FOO requires one of 0, BAR' has an empty mask"],
    ),
    "always nothing": (Always(0, **SAID), ["rule 'every mask needs 0' has an empty mask"]),
    "always an empty alternative": (
        Always(FOO, any_of=(0,), **SAID),
        ["rule 'every mask needs FOO and 0' has an empty mask"],
    ),
    "excludes nothing": (Excludes(FOO, 0, **SAID), ["rule 'FOO excludes 0' has an empty mask"]),
    "nothing excludes": (Excludes(0, FOO, **SAID), ["rule '0 excludes FOO' has an empty mask"]),
    "never nothing": (Never(0, **SAID), ["rule 'no mask takes 0' has an empty mask"]),
    "never at all": (Never(FOO, **SAID), [NOBODY_HOLDS.format(F)]),
    "never at all, later": (Never(FOO, stage=Stage.ACCESS, **SAID), [NOBODY_HOLDS.format(F)]),
}


@pytest.mark.parametrize(("rule", "faults"), list(FAULTY.values()), ids=list(FAULTY))
def test_one_faulty_rule(rule: Rule, faults: list[str]) -> None:
    """Exactly its faults are found, each in a sentence that names it."""
    assert list(linted(rule)) == faults


def test_a_flag_that_rules_together_make_impossible() -> None:
    """Each rule is fine; it needs what it excludes, by a detour."""
    rules = [
        Requires(FOO, all_of=BAR, **SAID),
        Requires(BAR, all_of=BAZ, **SAID),
        Excludes(FOO, BAZ, **SAID),
    ]
    assert linted(*rules) == (NOBODY_HOLDS.format(F),)


def test_a_flag_that_nobody_can_hold_may_be_bit_0() -> None:
    """No bit is taken for granted."""
    names = tree_of(flag_class({"LOW": 1, "FOO": 4}), Never(1, **SAID))
    assert lint(names) == ("no mask can hold LOW (bit 0, 0x1)",)


def test_no_mask_is_valid() -> None:
    """Not even 0: then no flag can be held either."""
    assert linted(Always(FOO, **SAID), Excludes(FOO, BAR, **SAID), Always(BAR, **SAID)) == (
        "no mask can be bound on any host",
        "no mask can hold FOO (bit 2, 0x4)",
        "no mask can hold BAR (bit 3, 0x8)",
        "no mask can hold BAZ (bit 40, 0x10000000000)",
    )


def test_no_mask_is_valid_on_one_kind_of_host() -> None:
    """Two conditional rules meet there, and it is told where."""
    rules = [
        Always(FOO, hosts=ARM, **SAID),
        Never(FOO, hosts=Hosts(vm_types=(5,)), **SAID),
    ]
    assert linted(*rules) == ("no mask can be bound on aarch64, VM type 5",)


def test_no_mask_is_valid_on_any_kind_of_host() -> None:
    """Machines and VM types that no rule names have a name as well."""
    here = Hosts(machines=("aarch64",), vm_types=(5,))
    rules = [Always(FOO, **SAID), Never(FOO, **SAID), Never(BAR, hosts=here, **SAID)]
    assert linted(*rules)[:4] == (
        "no mask can be bound on aarch64, VM type 5",
        "no mask can be bound on aarch64, other VM types",
        "no mask can be bound on other machines, VM type 5",
        "no mask can be bound on other machines, other VM types",
    )


def test_a_flag_for_some_hosts_only() -> None:
    """A flag that one kind of host can hold is a flag."""
    only_arm = [
        Never(FOO, hosts=Hosts(machines=("x86_64",)), **SAID),
        Never(FOO, hosts=Hosts(vm_types=(4, 5)), **SAID),
    ]
    assert linted(*only_arm) == ()


def test_a_flag_for_hosts_that_no_rule_names() -> None:
    """Machines and VM types that rules do not speak of are looked at, too."""
    nowhere_named = Never(FOO, hosts=Hosts(machines=("x86_64", "aarch64")), **SAID)
    assert linted(nowhere_named) == ()


def test_a_flag_for_some_vm_types_only() -> None:
    """A rule that excepts some types is for all others, those that no rule names included."""
    hosts = Hosts(except_vm_types=(0,))
    assert linted(Never(FOO, hosts=hosts, **SAID)) == ()
    assert linted(Always(FOO, hosts=hosts, **SAID), Never(FOO, **SAID))[:1] == (
        "no mask can be bound on other VM types",
    )


def test_a_rule_that_excepts_all_that_it_speaks_of() -> None:
    """It applies nowhere, which nobody means to write."""
    nowhere = Never(FOO, hosts=Hosts(vm_types=(0, 4), except_vm_types=(4, 0, 5)), **SAID)
    assert linted(nowhere) == ("rule 'no mask takes FOO' excepts every VM type that it speaks of",)


def test_rules_of_other_hosts_do_not_add_up() -> None:
    """What arm64 forces and x86-64 forbids is no contradiction."""
    rules = [
        Always(FOO, hosts=ARM, **SAID),
        Never(FOO, hosts=Hosts(machines=("x86_64",)), **SAID),
    ]
    assert linted(*rules) == ()


def test_all_faults_of_all_rules() -> None:
    """Nothing stops at the first."""
    found = linted(Never(1 << 7, why="", source=""), Never(0, **SAID))
    assert sorted(found) == sorted(
        (
            "rule 'no mask takes 0x80' has no why",
            "rule 'no mask takes 0x80' has no source",
            f"rule 'no mask takes 0x80' speaks of {UNNAMED}",
            "rule 'no mask takes 0' has an empty mask",
        )
    )


@frozen
class Odd(Rule):
    """A kind of rule that the library does not know."""

    mask: int = field(default=0)

    def holds(self, mask: int) -> bool:
        """On every mask."""
        return mask >= 0

    def clauses(self, may: int) -> list[tuple[int, int, int, tuple[int, ...]]]:
        """It never asks for anything."""
        del may
        return []

    @property
    def operands(self) -> tuple[int, ...]:
        """One mask."""
        return (self.mask,)


def test_a_rule_of_the_users_own_kind() -> None:
    """It is linted by its operands."""
    assert linted(Odd(mask=FOO, **SAID)) == ()
    assert linted(Odd(mask=0, **SAID)) == ("rule 'Odd(0)' has an empty mask",)
    assert linted(Odd(mask=1 << 7, **SAID)) == (f"rule 'Odd(0x80)' speaks of {UNNAMED}",)


def test_a_mainline_with_a_slip() -> None:
    """A copy of a clean catalog with one wrong bit is found out."""
    slip = evolve(MAINLINE, name="t", rules=(*MAINLINE.rules, Requires(4, all_of=1, **SAID)))
    assert lint(slip) == ("rule '0x4 requires MMAP' speaks of bit 2 (0x4, not named by t)",)


@pytest.mark.parametrize("shipped", [MAINLINE, FIRECRACKER_SECRET_FREE], ids=lambda c: c.name)
def test_the_name_of_a_shipped_catalog_is_its_own(shipped: Catalog) -> None:
    """Another one of that name would be told as it; an equal catalog is no other one."""
    other = evolve(shipped, profiles=[])
    told = f"the name {shipped.name} belongs to the catalog that comes with this library"
    assert told in lint(other)
    assert told not in lint(evolve(shipped))


@pytest.mark.parametrize(
    "name",
    [
        "linux-mainline\u200b",
        "linux\u2010mainline",
        "linux_mainline",
        "Linux-Mainline",
        "l\u0456nux-mainline",
        "linux-ma\uff49nline",
        "linux-mainline ",
        "linux-mainline2",
        "firecracker-secret_free",
        "firecracker-secret-fr\u0435e",
    ],
    ids=ascii,
)
def test_a_name_that_looks_like_a_shipped_one(name: str) -> None:
    """A reader would take its answers for mainline's."""
    found = lint(evolve(TREE, name=name))
    assert [text for text in found if " imitates " in text]
    assert all(text.isprintable() for text in found)


@pytest.mark.parametrize("name", ["a-tree", "linux-next", "linux", "kvm-mainline-arm64", "acme"])
def test_a_name_of_its_own(name: str) -> None:
    """Other trees of Linux may be called so."""
    assert lint(evolve(TREE, name=name)) == ()


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (245, "which is KVM_CAP_ARM_SEA_TO_USER in mainline"),
        (246, "which is KVM_CAP_S390_USER_OPEREXEC in mainline"),
        (251, "which is KVM_CAP_ARM_PMU_V3_STRICT in mainline"),
        (231, "which is KVM_CAP_USER_MEMORY2 in mainline"),
        (244, "which is KVM_CAP_GUEST_MEMFD_FLAGS in mainline"),
        (252, "which mainline has given to no capability as of Linux 7.3"),
        ((1 << 31) - 1, "which mainline has given to no capability as of Linux 7.3"),
    ],
)
@pytest.mark.parametrize("name", [Capability.GUEST_MEMFD_FLAGS_HI, "X"])
def test_a_number_that_is_anothers_or_nobodys(name: str, number: int, told: str) -> None:
    """On a kernel that has another capability there, its answer would become flags."""
    tree = evolve(TREE, capabilities={name: number})
    assert lint(tree) == (f"KVM_CAP_{name} has the number {number}, {told}",)


@pytest.mark.parametrize("name", list(MAINLINE.capabilities))
def test_a_capability_of_mainline_by_another_number(name: str) -> None:
    """What the host answers there is not what the library asks for."""
    (told,) = lint(evolve(TREE, capabilities={name: 100}))
    assert told == (f"KVM_CAP_{name} has the number 100, which is another capability in mainline")


def test_a_number_of_a_capability_that_this_library_does_not_know() -> None:
    """MSI_DEVID is 131 in every kernel, and nothing is wrong with asking for it."""
    assert lint(evolve(TREE, capabilities={**MAINLINE.capabilities, "MSI_DEVID": 131})) == ()


@pytest.mark.parametrize("index", range(len(MAINLINE.rules)))
def test_a_rule_of_mainline_that_a_tree_leaves_out(index: int) -> None:
    """A tree with mainline's flags has mainline's rules; each that is missing is told."""
    rules = [rule for n, rule in enumerate(MAINLINE.rules) if n != index]
    (told,) = lint(evolve(MAINLINE, name="t", rules=rules))
    left_out = MAINLINE.rules[index]
    assert told == (
        f"mainline's rule {format_rule(left_out)!r} (at {left_out.stage},"
        f" {format_hosts(left_out.hosts)}) is left out"
    )


def test_a_rule_of_mainline_in_other_words_is_not_left_out() -> None:
    """Why and source are the author's, and arm64 is aarch64."""
    reworded = [
        evolve(rule, why="So.", source="here", hosts=evolve(rule.hosts, machines=["arm64"]))
        if rule.hosts.machines
        else rule
        for rule in MAINLINE.rules
    ]
    assert lint(evolve(MAINLINE, name="t", rules=reworded)) == ()


def test_rules_of_flags_that_a_tree_does_not_have_are_not_left_out() -> None:
    """Bit 0 of a tree may be something else, and then mainline's rules say nothing of it."""
    assert lint(tree_of(flag_class({"ALLOW_HUGEPAGE": 1, "OTHER": 2}))) == ()
    (told,) = lint(tree_of(flag_class({"MMAP": 1, "OTHER": 2}), *MAINLINE.rules[1:2]))
    assert "every mask needs MMAP" in told


@pytest.mark.parametrize("machine", ["aarch46", "arm", "x86 64", "quantum", ""])
def test_a_machine_name_that_is_not_known(machine: str) -> None:
    """A rule about it leaves every host open, so it is a slip or has a reason."""
    (told,) = linted(Never(FOO, hosts=Hosts(machines=(machine,)), **SAID))
    assert told.endswith(f"speaks of machine {machine}, which is not a known name")


@pytest.mark.parametrize(
    "machine",
    ["arm64", "AARCH64", " armv8b", "amd64", "i386", "i686", "riscv64", "ppc64le", "s390"],
)
def test_a_machine_name_that_is_known(machine: str) -> None:
    """In any case, and by any of its kernel's names."""
    assert linted(Never(FOO, hosts=Hosts(machines=(machine,)), **SAID)) == ()


@pytest.mark.parametrize("times", [2, 3])
def test_a_rule_that_is_there_twice(times: int) -> None:
    """It is told once, however often it is there."""
    rule = Requires(FOO, all_of=BAR, **SAID)
    assert linted(*[rule] * times) == ("rule 'FOO requires BAR' is there twice",)


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        (Request(required=1 << 7), f"requires {UNNAMED}"),
        (Request(needs=[Need("X")]), "needs KVM_CAP_X, which has no number"),
        (Request(needs=[Need("Y")]), "needs KVM_CAP_Y, which has no number"),
        (Request(required=FOO | BAZ), "asks for what no mask can hold"),
        (Request(required=FOO, forbidden=BAR), "asks for what no mask can hold"),
        (Request(required=FOO, forbidden=FOO), "asks for what no mask can hold"),
    ],
)
def test_a_profile_that_no_host_can_meet(request_: Request, fault: str) -> None:
    """It would be refused everywhere."""
    rules = [Requires(FOO, all_of=BAR, **SAID), Excludes(FOO, BAZ, **SAID)]
    tree = evolve(TREE, rules=rules, capabilities={"Y": None, "Z": 100})
    assert lint(evolve(tree, profiles=[Profile("p", request_, "A use.")])) == (
        f"profile p {fault}",
    )


def test_a_profile_in_the_names_of_another_tree() -> None:
    """No host can ever meet it."""
    request = Request(required=FOO, flag_names=[(FOO, "QUX"), (BAR, "BAR")])
    assert lint(evolve(TREE, profiles=[Profile("p", request, "A use.")])) == (
        "profile p calls FOO (bit 2, 0x4) QUX",
    )


def test_rules_for_too_many_kinds_of_host() -> None:
    """Every machine with every VM type under every rule: that ends with the budget."""
    rules = [
        Never(FOO, hosts=Hosts(machines=[f"m{number}"], vm_types=[number]), **SAID)
        for number in range(200)
    ]
    with pytest.raises(NegotiationTooHardError):
        linted(*rules)


def test_a_catalog_without_a_name() -> None:
    """Every answer under it would be told by nothing."""
    assert lint(evolve(TREE, name=" ")) == ("the catalog has no name",)


def test_a_profile_that_some_host_can_meet() -> None:
    """One kind of host is enough, and what is missing may be added or asked for."""
    rule = Never(FOO, hosts=Hosts(machines=("s390x",)), **SAID)
    request = Request(required=FOO, needs=[Need("Z")])
    tree = evolve(TREE, rules=[rule], capabilities={"Z": 100})
    assert lint(evolve(tree, profiles=[Profile("p", request, "A use.")])) == ()
