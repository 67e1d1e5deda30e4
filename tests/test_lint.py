"""Lint: what is doubtful in a catalog beside its rules; faults of rules: tests/golden."""

import pytest
from attrs import evolve, field, frozen

from gmemflags import (
    MAINLINE,
    Capability,
    Excludes,
    Hosts,
    Need,
    Never,
    Profile,
    Request,
    Requires,
    Rule,
    lint,
)
from tests.golden.scenes import LINTED
from tests.trees import BAR, BAZ, FOO, SAID, tree

TREE = tree()
UNNAMED = "bit 7 (0x80, not named by a-tree)"


def linted(*rules: Rule) -> tuple[str, ...]:
    """What lint finds in a tree with these rules."""
    return lint(evolve(TREE, rules=rules))


@pytest.mark.parametrize("name", LINTED)
def test_the_order_of_rules_does_not_matter(name: str) -> None:
    """What is found in rules, and in what order it is told: tests/golden."""
    rules = LINTED[name]
    assert lint(tree(*rules)) == lint(tree(*rules[::-1]))


def test_a_flag_that_nobody_can_hold_may_be_bit_0() -> None:
    """No bit is taken for granted."""
    catalog = evolve(MAINLINE, name="t", rules=[Never(1, **SAID)], profiles=[])
    assert lint(catalog) == ("no mask can hold MMAP (bit 0, 0x1)",)


@frozen
class Odd(Rule):
    """A kind of rule that the library does not know."""

    mask: int = field(default=0)

    def clauses(self, may: int) -> list[tuple[int, tuple[int, ...]]]:
        """It never asks for anything."""
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


def test_mainlines_name_is_mainlines() -> None:
    """Its flags would be taken for those of mainline; an equal catalog is mainline."""
    other = evolve(MAINLINE, rules=())
    assert lint(other) == (
        "the name linux-mainline belongs to the catalog that comes with this library",
    )
    assert lint(evolve(MAINLINE)) == ()


@pytest.mark.parametrize(
    ("number", "owner"),
    [
        (100, "another capability"),
        (243, "another capability"),
        (245, "KVM_CAP_ARM_SEA_TO_USER"),
        (249, "KVM_CAP_S390_HPAGE_2G"),
    ],
)
def test_a_number_of_flags_hi_that_belongs_to_another(number: int, owner: str) -> None:
    """On a kernel that has that capability its answer would become flags."""
    tree = evolve(TREE, capabilities={Capability.GUEST_MEMFD_FLAGS_HI: number})
    assert lint(tree) == (f"FLAGS_HI has the number {number}, which is {owner} in mainline",)
    assert lint(evolve(tree, capabilities={Capability.GUEST_MEMFD_FLAGS_HI: 250})) == ()


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
    tree = evolve(TREE, rules=rules, capabilities={"Y": None, "Z": 300})
    assert lint(evolve(tree, profiles=[Profile("p", request_, "A use.")])) == (
        f"profile p {fault}",
    )


def test_a_profile_in_the_names_of_another_tree() -> None:
    """No host can ever meet it."""
    request = Request(required=FOO, flag_names=[(FOO, "QUX"), (BAR, "BAR")])
    assert lint(evolve(TREE, profiles=[Profile("p", request, "A use.")])) == (
        "profile p calls FOO (bit 2, 0x4) QUX",
    )


def test_a_catalog_without_a_name() -> None:
    """Every answer under it would be told by nothing."""
    assert lint(evolve(TREE, name=" ")) == ("the catalog has no name",)


def test_a_profile_that_some_host_can_meet() -> None:
    """One kind of host is enough, and what is missing may be added or asked for."""
    rule = Never(FOO, hosts=Hosts(machines=("m",)), **SAID)
    request = Request(required=FOO, needs=[Need("Z")])
    tree = evolve(TREE, rules=[rule], capabilities={"Z": 300})
    assert lint(evolve(tree, profiles=[Profile("p", request, "A use.")])) == ()
