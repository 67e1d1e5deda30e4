"""Rules: each kind holds on a mask or does not, by known answers."""

import pickle
from collections.abc import Callable
from typing import Any, cast, get_type_hints

import pytest
from attrs import evolve, fields
from attrs.exceptions import FrozenInstanceError

from gmemflags import (
    Always,
    Excludes,
    GuestMemfdFlag,
    Hosts,
    InvalidMaskError,
    Never,
    Refused,
    Requires,
    Rule,
    Stage,
)
from gmemflags._rules import canonical, elsewhere, meaning, vm_type_alone
from gmemflags._solver import Budget, possible

MASK = 0xFFFF_FFFF_FFFF_FFFF
TOP = 1 << 63
# Three bits, two of them where a C int has none.
A, B, C, D = 1 << 0, 1 << 31, 1 << 32, TOP


def said(**rest: Any) -> dict[str, Any]:
    """What every rule must have."""
    return {"why": "It is so.", "source": "a test", **rest}


EVERY_KIND = [
    Requires(A, all_of=B, any_of=(C, D), **said()),
    Excludes(A, B, **said()),
    Always(A, any_of=(B, C), **said()),
    Never(A | TOP, **said()),
    Refused(A | B, **said()),
]
KINDS = [type(rule).__name__ for rule in EVERY_KIND]


@pytest.mark.parametrize(
    ("mask", "holds"),
    [
        (0, True),
        (A, False),
        (B, True),
        (A | B, False),
        (A | C, False),
        (A | B | C, True),
        (A | B | C | D, True),
        (MASK, True),
        (MASK ^ A, True),
        (MASK ^ B, False),
        (MASK ^ C, False),
    ],
)
def test_requires_all_of(mask: int, holds: bool) -> None:
    """With the flag, every bit of all_of must be there."""
    assert Requires(A, all_of=B | C, **said()).holds(mask) is holds


@pytest.mark.parametrize(
    ("mask", "holds"),
    [
        (0, True),
        (A, False),
        (A | B, False),
        (A | B | C, True),
        (A | D, True),
        (A | B | D, True),
        (B, True),
        (MASK, True),
        (MASK ^ D, True),
        (MASK ^ D ^ C, False),
    ],
)
def test_requires_any_of(mask: int, holds: bool) -> None:
    """With the flag, one whole alternative must be there."""
    assert Requires(A, any_of=(B | C, D), **said()).holds(mask) is holds


@pytest.mark.parametrize(
    ("mask", "holds"),
    [(A | B, False), (A | C, False), (A | B | C, True), (A | B | D, True), (C | D, True)],
)
def test_requires_both(mask: int, holds: bool) -> None:
    """All of the one and one of the others are asked for together."""
    assert Requires(A, all_of=B, any_of=(C, D), **said()).holds(mask) is holds


@pytest.mark.parametrize(
    ("mask", "holds"), [(0, True), (A, False), (B, False), (A | B, False), (B | C, True)]
)
def test_requires_of_several_flags(mask: int, holds: bool) -> None:
    """Any one bit of the flag is enough to need the rest."""
    assert Requires(A | B, all_of=C, **said()).holds(mask) is holds


def test_requires_of_nothing_always_holds() -> None:
    """An empty any_of asks for no alternative, which is not the same as one that cannot be."""
    assert Requires(A, **said()).holds(A)


def test_an_empty_alternative_is_in_every_mask() -> None:
    """The empty mask is one of the alternatives, so nothing more is needed."""
    assert Requires(A, any_of=(0, B), **said()).holds(A)


def test_a_flag_that_requires_itself() -> None:
    """It has itself wherever it is."""
    assert Requires(A, all_of=A, **said()).holds(A)


@pytest.mark.parametrize(
    ("mask", "holds"),
    [
        (0, True),
        (A | B, True),
        (C | D, True),
        (A | C, False),
        (B | D, False),
        (A | B | C, False),
        (MASK, False),
        (MASK ^ A ^ B, True),
        (MASK ^ C ^ D, True),
    ],
)
def test_excludes(mask: int, holds: bool) -> None:
    """No bit of one side goes with any bit of the other."""
    assert Excludes(A | B, C | D, **said()).holds(mask) is holds


def test_what_excludes_itself_is_in_no_mask() -> None:
    """A bit on both sides is never alone."""
    assert not Excludes(A, A, **said()).holds(A)


@pytest.mark.parametrize(
    ("mask", "holds"),
    [
        (0, False),
        (A, False),
        (C, False),
        (A | B, False),
        (A | C, True),
        (A | D, True),
        (MASK, True),
        (MASK ^ A, False),
    ],
)
def test_always(mask: int, holds: bool) -> None:
    """Every mask has all of the one, and one of the others."""
    assert Always(A, any_of=(C, D), **said()).holds(mask) is holds


def test_always_one_of_several() -> None:
    """Without all_of one alternative is enough, and the empty mask has none."""
    rule = Always(any_of=(A | B, D), **said())
    assert [rule.holds(mask) for mask in (0, A, A | B, D)] == [False, False, True, True]


@pytest.mark.parametrize(
    ("mask", "holds"),
    [(0, True), (B, True), (A, False), (TOP, False), (A | TOP, False), (MASK ^ A ^ TOP, True)],
)
def test_never(mask: int, holds: bool) -> None:
    """None of these bits, whatever else is there."""
    assert Never(A | TOP, **said()).holds(mask) is holds


@pytest.mark.parametrize(
    ("mask", "holds"), [(0, True), (A, True), (A | B, False), (A | B | C, True), (MASK, True)]
)
def test_refused(mask: int, holds: bool) -> None:
    """Exactly this mask and no other."""
    assert Refused(A | B, **said()).holds(mask) is holds


def test_the_empty_mask_can_be_refused() -> None:
    """A host that forces some flag refuses 0."""
    assert [Refused(0, **said()).holds(mask) for mask in (0, TOP)] == [False, True]


def test_the_full_mask_can_be_refused() -> None:
    """It has no superset, and every other mask holds."""
    assert [Refused(MASK, **said()).holds(mask) for mask in (MASK, MASK ^ 1)] == [False, True]


@pytest.mark.parametrize("rule", EVERY_KIND, ids=KINDS)
@pytest.mark.parametrize("value", [-1, 1 << 64, True, 1.0, "1", None])
def test_only_a_mask_is_held_against_a_rule(rule: Rule, value: object) -> None:
    """The guard stands here too."""
    with pytest.raises(InvalidMaskError):
        rule.holds(cast("int", value))


MAKERS: dict[str, Callable[[Any], Rule]] = {
    "flag": lambda mask: Requires(mask, all_of=A, **said()),
    "all_of": lambda mask: Requires(A, all_of=mask, **said()),
    "any_of": lambda mask: Requires(A, any_of=(B, mask), **said()),
    "a": lambda mask: Excludes(mask, A, **said()),
    "b": lambda mask: Excludes(A, mask, **said()),
    "always": lambda mask: Always(mask, **said()),
    "always any_of": lambda mask: Always(any_of=(mask,), **said()),
    "never": lambda mask: Never(mask, **said()),
    "refused": lambda mask: Refused(mask, **said()),
}


@pytest.mark.parametrize("value", [-1, 1 << 64, True, 1.0, "1", None])
@pytest.mark.parametrize("make", list(MAKERS.values()), ids=list(MAKERS))
def test_only_masks_make_a_rule(make: Callable[[Any], Rule], value: object) -> None:
    """Every operand passes the guard."""
    with pytest.raises(InvalidMaskError):
        make(value)


def test_operands_are_plain_ints() -> None:
    """A flag object of some class goes in, and the number stays."""
    rule = Requires(
        GuestMemfdFlag.MMAP,
        all_of=GuestMemfdFlag.INIT_SHARED,
        any_of=[GuestMemfdFlag.MMAP],
        **said(),
    )
    assert [(type(operand), operand) for operand in rule.operands] == [(int, 1), (int, 2), (int, 1)]


@pytest.mark.parametrize(
    ("rule", "operands"),
    [*zip(EVERY_KIND, [(A, B, C, D), (A, B), (A, B, C), (A | TOP,), (A | B,)], strict=True)],
    ids=KINDS,
)
def test_operands(rule: Rule, operands: tuple[int, ...]) -> None:
    """What a rule names, in the order of a sentence."""
    assert rule.operands == operands


@pytest.mark.parametrize("rule", EVERY_KIND, ids=KINDS)
def test_a_rule_is_a_fact_about_creation_on_every_host(rule: Rule) -> None:
    """Stage and hosts have defaults; why and source are as given."""
    assert (rule.why, rule.source) == ("It is so.", "a test")
    assert (rule.stage, rule.hosts) == (Stage.CREATE, Hosts())


@pytest.mark.parametrize("missing", ["why", "source"])
def test_a_rule_without_why_or_source_cannot_be_made(missing: str) -> None:
    """A fact needs a reason and a citation."""
    rest = said()
    del rest[missing]
    with pytest.raises(TypeError, match=missing):
        Never(A, **rest)


@pytest.mark.parametrize("rule", EVERY_KIND, ids=KINDS)
def test_rules_are_values(rule: Rule) -> None:
    """They are equal by content, hash, pickle, and do not change."""
    assert pickle.loads(pickle.dumps(rule)) == rule  # noqa: S301  # our own bytes
    assert len({rule, evolve(rule), evolve(rule, why="Otherwise.")}) == 2
    with pytest.raises(FrozenInstanceError):
        cast("Any", rule).why = "Otherwise."


def test_a_rule_of_no_kind_cannot_be_made() -> None:
    """Rule says what rules have; it is none."""
    with pytest.raises(TypeError, match="abstract"):
        cast("Callable[..., Rule]", Rule)(**said())


def test_stages_are_ordered_in_time() -> None:
    """A later stage hurts later, and a stage is called by its small name."""
    assert Stage.CREATE < Stage.BIND < Stage.ACCESS
    assert [str(stage) for stage in Stage] == ["create", "bind", "access"]


@pytest.mark.parametrize("rule", EVERY_KIND, ids=KINDS)
def test_a_rule_is_one_clause_for_the_solver(rule: Rule) -> None:
    """Also with several bits on each side; and it says the same as ``holds``."""
    clauses = rule.clauses(MASK)
    assert len(clauses) == 1
    for mask in (0, A, B, A | B, A | C, A | B | C, A | B | C | D, TOP, MASK, MASK ^ A, MASK ^ B):
        assert possible(mask, mask, clauses, Budget()) is rule.holds(mask)


@pytest.mark.parametrize(
    ("rule", "may"),
    [
        (Requires(A, all_of=B, **said()), MASK ^ A),
        (Excludes(A, B, **said()), MASK ^ A),
        (Excludes(A, B, **said()), MASK ^ B),
        (Never(A, **said()), MASK ^ A),
        (Refused(A | B, **said()), MASK ^ A),
    ],
)
def test_a_rule_about_bits_that_may_not_be_is_no_clause(rule: Rule, may: int) -> None:
    """Nothing has to be looked at."""
    assert rule.clauses(may) == []


def test_two_sides_that_share_a_bit() -> None:
    """That bit is in no mask, and the others are as apart as ever."""
    rule = Excludes(A | B, B | C, **said())
    clauses = rule.clauses(MASK)
    for mask in (A, B, C, A | C, A | D):
        assert (
            possible(mask, mask, clauses, Budget()) is rule.holds(mask) is (mask not in (B, A | C))
        )


def test_the_canonical_order() -> None:
    """Stage, kind, operands, hosts, why, source: in this order, whatever order is given."""
    ordered = [
        Always(A, **said()),
        Never(A, why="It is so.", source="a book"),
        Never(A, why="It is so.", source="a test"),
        Never(A, why="So.", source="a book"),
        Never(A, **said(hosts=Hosts(except_vm_types=(4,)))),
        Never(A, **said(hosts=Hosts(vm_types=(4,)))),
        Never(A, **said(hosts=Hosts(machines=("s390x",)))),
        Never(A, **said(hosts=Hosts(machines=("s390x",), vm_types=(1,)))),
        Never(B, why="", source=""),
        Requires(A, all_of=B, **said()),
        Requires(A, all_of=B, any_of=(C,), **said()),
        Always(A, **said(stage=Stage.BIND)),
    ]
    backwards = ordered[::-1]
    assert sorted(backwards, key=canonical) == ordered


def test_rules_that_say_the_same() -> None:
    """Each operand counts; sentences and the order of sides and alternatives do not."""
    alike = [
        (
            Requires(A, all_of=B, any_of=(C, D, C), **said()),
            Requires(A, all_of=B, any_of=(D, C), **said()),
        ),
        (Always(A, any_of=(C, B), **said()), Always(A, any_of=(B, C, B), **said())),
        (Excludes(B, A, **said()), Excludes(A, B, why="Otherwise.", source="elsewhere")),
    ]
    for one, other in alike:
        assert meaning(one) == meaning(other)
    others = [
        Requires(A, all_of=C, any_of=(C, D), **said()),
        Requires(B, all_of=B, any_of=(C, D), **said()),
        Requires(A, any_of=(B, C, D), **said()),
        Always(B, any_of=(B, C), **said()),
        Always(any_of=(A, B, C), **said()),
        Excludes(A, C, **said()),
    ]
    assert len({meaning(rule) for rule in [*others, *(one for one, _ in alike)]}) == 9


def test_only_equal_rules_have_the_same_place_in_the_canonical_order() -> None:
    """Each field counts."""
    rules = {
        *EVERY_KIND,
        *(evolve(rule, why="Otherwise.") for rule in EVERY_KIND),
        *(evolve(rule, source="elsewhere") for rule in EVERY_KIND),
        *(evolve(rule, stage=Stage.ACCESS) for rule in EVERY_KIND),
        *(evolve(rule, hosts=Hosts(machines=("s390x",))) for rule in EVERY_KIND),
        *(evolve(rule, hosts=Hosts(vm_types=(4,))) for rule in EVERY_KIND),
        *(evolve(rule, hosts=Hosts(except_vm_types=(4,))) for rule in EVERY_KIND),
        Never(A | B, **said()),
        Always(A, any_of=(B, C, D), **said()),
    }
    assert len({canonical(rule) for rule in rules}) == len(rules) == 37


@pytest.mark.parametrize("kind", [Hosts, Rule, *map(type, EVERY_KIND)])
def test_the_types_of_all_fields_can_be_had_at_run_time(kind: type) -> None:
    """No name of an annotation is missing when the program runs."""
    assert set(get_type_hints(kind)) == {field.name for field in fields(kind)}
    for name in ("holds", "clauses", "include"):
        if hasattr(kind, name):
            assert "return" in get_type_hints(getattr(kind, name))


ARM = Hosts(machines=("aarch64", "armv8l"))
X86 = Hosts(machines=("x86_64",))
PROTECTED = Hosts(machines=("aarch64",), vm_types=(1 << 31,))
TDX = Hosts(vm_types=(4, 5))
X86_TDX = Hosts(machines=("x86_64",), vm_types=(5,))
BUT_0 = Hosts(except_vm_types=(0,))


@pytest.mark.parametrize(
    ("hosts", "machine", "vm_type", "included"),
    [
        (Hosts(), None, None, True),
        (Hosts(), "riscv64", 7, True),
        (ARM, "aarch64", None, True),
        (ARM, "armv8l", 0, True),
        (ARM, "x86_64", 0, False),
        *((ARM, name, 0, True) for name in ("AARCH64", "aarch64 ", "arm64", "ARM64", "aarch64_be")),
        *(
            (ARM, name, 0, False)
            for name in ("riscv64", "s390", "ppc64le", "amd64", "I686", "mips")
        ),
        *((ARM, name, 0, None) for name in ("", "armv7l", "toaster", "a" * 10_000)),
        *((X86, name, 0, True) for name in ("amd64", "x86-64", "i386", "i486", "i586", "i686")),
        (Hosts(machines=["amd64"]), "x86_64", 0, True),
        (Hosts(machines=["s390"]), "s390x", 0, True),
        (Hosts(machines=["ppc64"]), "ppc64le", 0, True),
        (Hosts(machines=["toaster"]), "Toaster", 0, True),
        (Hosts(machines=["toaster"]), "x86_64", 0, None),
        (Hosts(machines=["toaster", "amd64"]), "x86_64", 0, True),
        (PROTECTED, "aarch64", 1 << 31 | 40, True),
        (PROTECTED, "arm64", 1 << 31, True),
        (PROTECTED, "aarch64", 40, False),
        (PROTECTED, None, 1 << 31 | 33, None),
        (Hosts(vm_types=[1 << 31 | 36]), "aarch64", 1 << 31 | 40, True),
        (Hosts(vm_types=[0]), "aarch64", 40, True),
        (Hosts(vm_types=[40]), "aarch64", 0, True),
        (Hosts(vm_types=[1 << 31 | 36]), "x86_64", 1 << 31, False),
        (Hosts(vm_types=[1 << 31 | 36]), "x86_64", 1 << 31 | 36, True),
        (Hosts(vm_types=[1 << 31]), "x86_64", 1 << 31 | 36, False),
        (Hosts(vm_types=[0]), None, 40, None),
        (Hosts(vm_types=[0]), "x86_64", 40, False),
        *((Hosts(vm_types=[40]), None, vm_type, None) for vm_type in (0, 36)),
        (Hosts(machines=["arm64"], vm_types=[40]), "toaster", 0, None),
        (Hosts(machines=["toaster"], vm_types=[40]), None, 36, None),
        (Hosts(machines=["amd64"], vm_types=[0]), None, 40, False),
        (Hosts(vm_types=[40]), "x86_64", 0, False),
        (ARM, None, 0, None),
        (TDX, None, 4, True),
        (TDX, "x86_64", 5, True),
        (TDX, "x86_64", 0, False),
        (TDX, "x86_64", None, None),
        (X86_TDX, "x86_64", 5, True),
        (X86_TDX, "x86_64", 0, False),
        (X86_TDX, "aarch64", 5, False),
        (X86_TDX, "aarch64", None, False),
        (X86_TDX, None, 0, False),
        (X86_TDX, "x86_64", None, None),
        (X86_TDX, None, 5, None),
        (X86_TDX, None, None, None),
        (BUT_0, "x86_64", 0, False),
        (BUT_0, "x86_64", 40, True),
        (BUT_0, "aarch64", 40, False),
        (BUT_0, "arm64", 1 << 31 | 40, True),
        (BUT_0, "x86_64", None, None),
        (BUT_0, None, None, None),
        *((BUT_0, name, 0, False) for name in ("toaster", "", None)),
        *((BUT_0, name, 40, None) for name in ("toaster", "", None)),
        (BUT_0, None, 1 << 31, True),
        (Hosts(except_vm_types=[1 << 31 | 33]), "aarch64", 1 << 31 | 40, False),
        (Hosts(except_vm_types=[1 << 31 | 33]), "toaster", 1 << 31 | 40, None),
        (Hosts(machines=["arm64"], except_vm_types=[0]), "x86_64", 5, False),
        (Hosts(machines=["arm64"], except_vm_types=[0]), None, 5, None),
        (Hosts(machines=["arm64"], except_vm_types=[0]), None, 0, False),
        (Hosts(vm_types=[0, 4], except_vm_types=[0]), "x86_64", 0, False),
        (Hosts(vm_types=[0, 4], except_vm_types=[0]), "x86_64", 4, True),
        (Hosts(vm_types=[0, 4], except_vm_types=[0]), "x86_64", 5, False),
        (Hosts(vm_types=[36], except_vm_types=[4]), None, 0, None),
    ],
)
def test_hosts_include(
    hosts: Hosts, machine: str | None, vm_type: int | None, included: bool | None
) -> None:
    """What is unknown decides nothing, unless what is known already says no."""
    assert hosts.include(machine, vm_type) is included


@pytest.mark.parametrize(
    ("vm_type", "machine", "alone"),
    [
        (40, "arm64", 0),
        (1 << 31 | 40, "aarch64", 1 << 31),
        (1 << 31 | 40, "x86_64", 1 << 31 | 40),
        *((1 << 31 | 40, unknown, 1 << 31) for unknown in (None, "", "toaster")),
        *((0xFF, unknown, 0xFF) for unknown in (None, "", "toaster")),
        (0x100, None, 0x100),
    ],
)
def test_the_type_without_an_address_size(vm_type: int, machine: str | None, alone: int) -> None:
    """It is split off on arm64, and on an unknown machine where there is a type beside it."""
    assert vm_type_alone(vm_type, machine) == alone


@pytest.mark.parametrize("there", [("x86_64", 0), ("amd64", 5), ("arm64", 40), ("s390x", 1 << 31)])
@pytest.mark.parametrize(
    "hosts",
    [
        Hosts(),
        Hosts(machines=["i686", "amd64"]),
        Hosts(machines=["amd64", "arm64", "s390"]),
        Hosts(machines=["toaster", "aarch64"]),
        Hosts(vm_types=[0, 5]),
        Hosts(vm_types=[40, 1 << 31 | 36]),
        Hosts(machines=["amd64", "arm64"], vm_types=[5, 36]),
        Hosts(except_vm_types=[4]),
        Hosts(machines=["amd64", "arm64"], except_vm_types=[0, 4]),
        Hosts(vm_types=[0, 4, 5], except_vm_types=[4]),
    ],
    ids=repr,
)
def test_hosts_but_those_of_one_kind(hosts: Hosts, there: tuple[str, int]) -> None:
    """The machine and VM type are left out under each of their names, and all others are not."""
    if hosts.include(*there) is not True:
        return
    left = elsewhere(hosts, *there)
    for machine in ("x86_64", "i386", "aarch64", "armv8l", "s390", "s390x", "riscv64"):
        kind = Hosts(machines=[there[0]]).include(machine, None)
        for vm_type in (0, 4, 5, 36, 40, 1 << 31, 1 << 31 | 36):
            same = kind and vm_type_alone(vm_type, machine) == vm_type_alone(there[1], machine)
            included = None if same else hosts.include(machine, vm_type)
            parts = [part.include(machine, vm_type) for part in left]
            assert any(parts) is bool(included)
            if kind is False:
                assert (None in parts and True not in parts) is (included is None)


UNCHANGED: dict[str, Any] = {}
LEFT: list[tuple[Hosts, str | None, int | None, list[dict[str, Any]]]] = [
    (Hosts(machines=["amd64"]), "x86_64", 4, [{"except_vm_types": (4,)}]),
    (Hosts(machines=["i386", "amd64"]), "x86_64", 4, [{"except_vm_types": (4,)}]),
    (Hosts(machines=["amd64"], vm_types=[4, 5]), "x86_64", 4, [{"vm_types": (5,)}]),
    (Hosts(machines=["amd64"], vm_types=[4]), "x86_64", 4, []),
    (
        Hosts(machines=["amd64", "arm64"]),
        "i386",
        4,
        [{"machines": ("arm64",)}, {"machines": ("amd64",), "except_vm_types": (4,)}],
    ),
    (
        Hosts(machines=["arm64", "amd64"], vm_types=[4, 5]),
        "x86_64",
        4,
        [{"machines": ("arm64",)}, {"machines": ("amd64",), "vm_types": (5,)}],
    ),
    *((Hosts(vm_types=[4]), machine, 4, [UNCHANGED]) for machine in (None, "", "toaster")),
    (Hosts(vm_types=[4]), "x86_64", None, [UNCHANGED]),
]


@pytest.mark.parametrize(("hosts", "machine", "vm_type", "left"), LEFT)
def test_hosts_that_are_left(
    hosts: Hosts, machine: str | None, vm_type: int | None, left: list[dict[str, Any]]
) -> None:
    """No host twice, by the names that were given; all where it is not known which to leave out."""
    assert elsewhere(hosts, machine, vm_type) == [evolve(hosts, **part) for part in left]


def test_an_empty_machine_is_an_unknown_one() -> None:
    """A rule for one machine applies to be safe, and is not switched off."""
    assert Hosts(machines=["aarch64"]).include("", 0) is None


def test_hosts_are_kept_as_tuples() -> None:
    """Lists go in; what is kept hashes."""
    hosts = Hosts(machines=["x86_64"], vm_types=[0, 5])
    assert hosts == Hosts(machines=("x86_64",), vm_types=(0, 5))
    assert hash(hosts) == hash(Hosts(machines=("x86_64",), vm_types=(0, 5)))


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"machines": "x86_64"}, "several names of machines are wanted, not 'x86_64'"),
        ({"vm_types": [0, "5"]}, "VM types are wanted as ints in [0, 2**64), not '5'"),
        ({"except_vm_types": ["5"]}, "VM types are wanted as ints in [0, 2**64), not '5'"),
        ({"vm_types": [True]}, "VM types are wanted as ints in [0, 2**64), not True"),
        (
            {"vm_types": [1 << 64]},
            "VM types are wanted as ints in [0, 2**64), not 18446744073709551616",
        ),
    ],
    ids=str,
)
def test_hosts_that_no_host_could_meet(wrong: dict[str, Any], problem: str) -> None:
    """A text is no list of machines: taken for one, the rule would silently apply nowhere."""
    with pytest.raises(TypeError) as caught:
        Hosts(**wrong)
    assert str(caught.value) == problem


def test_the_stage_of_a_rule_is_a_stage() -> None:
    """1 equals Stage.BIND, but a catalog with it would have another digest than its equal."""
    with pytest.raises(TypeError, match="Stage"):
        Never(A, why="It is so.", source="a test", stage=cast("Stage", 1))
