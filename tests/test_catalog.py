"""Catalogs: what makes one, what cannot, and when two are the same."""

import pickle
from collections.abc import Callable
from enum import Enum
from typing import Any, cast

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError

from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
    Always,
    Capability,
    Catalog,
    CatalogError,
    Excludes,
    FlagWord,
    GuestMemfdFlag,
    Hosts,
    InvalidMaskError,
    Need,
    Never,
    Prerequisites,
    Profile,
    Refused,
    Request,
    Requires,
    Rule,
    Scope,
    Stage,
)
from tests.strategies import catalog_of
from tests.trees import flag_class


class Flag(FlagWord):
    """Flags of a tree that nobody wrote."""

    FOO = 1 << 2
    BAR = 1 << 63


class Twin(FlagWord):
    """The same flags, in another order and class."""

    BAR = 1 << 63
    FOO = 1 << 2


SAID: dict[str, Any] = {"why": "It is so.", "source": "a test"}
RULES: tuple[Rule, ...] = (
    Requires(Flag.BAR, all_of=Flag.FOO, any_of=(1, 2), **SAID),
    Excludes(Flag.FOO, 1 << 5, **SAID),
    Always(0, any_of=(Flag.FOO, Flag.BAR), stage=Stage.BIND, **SAID),
    Never(1 << 6, hosts=Hosts(machines=("aarch64",), vm_types=(4, 5)), **SAID),
    Refused(Flag.FOO, **SAID),
)
PROFILE = Profile(
    "all",
    Request(
        required=Flag.FOO,
        preferred=[Flag.BAR, 3],
        forbidden=1,
        needs=[Need("USERFAULT", 8, any_of=(1, 2))],
    ),
    "A use.",
)
TREE = Catalog("a-tree", Flag, {"GUEST_MEMFD": 234, "X": None}, RULES, [PROFILE])


def test_content_is_kept() -> None:
    """As plain, unchanging values, capabilities and profiles by name."""
    assert TREE.name == "a-tree"
    assert TREE.flags is Flag
    assert TREE.capabilities == {"GUEST_MEMFD": 234, "X": None}
    assert sorted(TREE.rules, key=repr) == sorted(RULES, key=repr)
    assert TREE.profiles == {"all": PROFILE}
    assert TREE.named == 1 << 63 | 1 << 2


def test_a_catalog_needs_no_rules_and_no_profiles() -> None:
    """Names and numbers are enough."""
    bare = Catalog("bare", Flag, {})
    assert (bare.rules, bare.profiles, bare.capabilities) == ((), {}, {})


def test_capabilities_are_kept_by_plain_name() -> None:
    """A Capability and its name are one key."""
    by_member = Catalog("t", Flag, {Capability.GUEST_MEMFD: 234})
    assert {type(name) for name in by_member.capabilities} == {str}
    assert by_member.capabilities[Capability.GUEST_MEMFD] == 234
    assert by_member == Catalog("t", Flag, {"GUEST_MEMFD": 234})


@pytest.mark.parametrize("name", list(Capability))
def test_the_kernels_full_name_of_a_capability_is_the_same_key(name: Capability) -> None:
    """KVM_CAP_GUEST_MEMFD read as another capability would say that there is no guest_memfd."""
    full = Catalog("t", Flag, {f"KVM_CAP_{name}": 234})
    assert full == Catalog("t", Flag, {name: 234})
    assert full.digest == Catalog("t", Flag, {name: 234}).digest
    assert dict(full.capabilities) == {name.value: 234}


class Numbered(str, Enum):  # noqa: UP042  # as users have them, and str() gives their own name
    """Capabilities in an enum of the user's."""

    FLAGS = "GUEST_MEMFD_FLAGS"


def test_a_copy_of_a_catalog_has_the_same_capabilities() -> None:
    """A prefix that is taken off anew in each copy would make one capability another."""
    twice = Catalog("t", Flag, {"KVM_CAP_KVM_CAP_GUEST_MEMFD": 99})
    for copy in (evolve(twice), cast("Catalog", pickle.loads(pickle.dumps(twice)))):  # noqa: S301
        assert copy == twice
        assert Capability.GUEST_MEMFD not in copy.capabilities


def test_a_capability_of_another_enum_is_its_text() -> None:
    """Not what str() makes of it: nobody would ask for Numbered.FLAGS."""
    assert Catalog("t", Flag, cast("Any", {Numbered.FLAGS: 244})) == Catalog(
        "t", Flag, {"GUEST_MEMFD_FLAGS": 244}
    )
    assert Need(Numbered.FLAGS) == Need("GUEST_MEMFD_FLAGS")


def test_a_capability_by_both_of_its_names() -> None:
    """Two numbers for one capability cannot both be asked."""
    with pytest.raises(CatalogError) as caught:
        Catalog("t", Flag, {"X": 1, "KVM_CAP_X": 2})
    assert str(caught.value) == "catalog t: capability X is numbered twice"


@pytest.mark.parametrize(
    ("bits", "named"),
    [(Flag.FOO, "Flag.FOO"), (Flag(1 << 6), "Flag.0x40")],
)
def test_a_flag_is_no_answer_of_a_need(bits: Flag, named: str) -> None:
    """Its bit would be looked for in the answer to another capability."""
    with pytest.raises(InvalidMaskError) as caught:
        Need("VM_TYPES", bits)
    needed = "an answer of another capability: flags are asked for by required=, not by a need"
    assert (caught.value.value, caught.value.needed) == (named, needed)


def test_profiles_may_come_as_a_mapping() -> None:
    """Under its own name each, as the catalog itself has them; another key is a mistake."""
    assert Catalog("t", Flag, {}, (), {"all": PROFILE}).profiles == {"all": PROFILE}
    with pytest.raises(
        CatalogError, match=r"^catalog t: a profile is listed by another name than its own$"
    ):
        Catalog("t", Flag, {}, (), {"any": PROFILE})
    assert evolve(TREE, name="b").profiles == TREE.profiles


@pytest.mark.parametrize(
    ("bit", "name"),
    [(4, "FOO"), (1 << 63, "BAR"), (1, None), (0, None), (Flag.FOO | 1 << 63, None)],
)
def test_the_name_of_a_bit(bit: int, name: str | None) -> None:
    """One bit has a name or none; several have none together."""
    assert TREE.name_of(bit) == name


@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        (None, "None"),
        ({"FOO": 4}, "an object of type dict"),
        (Flag.FOO, "an object of type Flag"),
        (int, "an object of type type"),
        (Capability, "an object of type EnumType"),
        (Stage, "an object of type EnumType"),
    ],
    ids=repr,
)
def test_flags_that_are_no_flag_class(flags: object, shown: str) -> None:
    """Anything else has no 64-bit semantics."""
    with pytest.raises(CatalogError) as caught:
        Catalog("t", cast("type[FlagWord]", flags), {})
    assert caught.value.catalog == "t"
    assert caught.value.problem == f"flags is {shown}, not a FlagWord class"


def test_a_flag_class_without_flags() -> None:
    """It is a FlagWord class, so the error does not say that it is none."""
    with pytest.raises(CatalogError) as caught:
        Catalog("t", flag_class({}, "Empty"), {})
    assert str(caught.value) == "catalog t: Empty names no flag"


@pytest.mark.parametrize("name", ["foo", "Foo", "FÖÖ", "ß", "FOO-BAR", "4K", "FOO BAR"])
def test_names_that_text_cannot_carry(name: str) -> None:
    """What is parsed in any case, and split at bars and commas, is ASCII capitals."""
    with pytest.raises(CatalogError) as caught:
        catalog_of({"FOO": 4, name: 8})
    problem = f"flag {name!r} is not an identifier in ASCII capitals"
    assert str(caught.value) == f"catalog a-tree: {problem}"


@pytest.mark.parametrize("name", ["F", "FOO_2", "HUGE_2MB"])
def test_names_that_it_can(name: str) -> None:
    """Digits and underscores are fine after the first capital."""
    assert catalog_of({name: 8}).name_of(8) == name


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (-1, "-1"),
        (1 << 31, "2147483648"),
        (True, "True"),
        ("244", "'244'"),
        (244.0, "244.0"),
    ],
)
def test_numbers_that_no_capability_has(number: object, shown: str) -> None:
    """The argument of KVM_CHECK_EXTENSION is an int that is not negative."""
    numbers = cast("dict[str, int | None]", {"GUEST_MEMFD": number})
    with pytest.raises(CatalogError) as caught:
        Catalog("t", Flag, numbers)
    assert caught.value.problem == f"GUEST_MEMFD is numbered {shown}, not in [0, 2**31)"


@pytest.mark.parametrize("number", [None, 0, (1 << 31) - 1])
def test_numbers_that_a_capability_can_have(number: int | None) -> None:
    """None stands for no number, and 0 is one."""
    assert Catalog("t", Flag, {"X": number}).capabilities["X"] == number


def test_two_capabilities_of_one_number() -> None:
    """One answer cannot mean two things."""
    with pytest.raises(CatalogError) as caught:
        Catalog("t", Flag, {"W": None, "X": 245, "Y": 245})
    assert str(caught.value) == "catalog t: X and Y have the same number 245"


def test_two_capabilities_without_a_number() -> None:
    """None is no number that they could share."""
    assert Catalog("t", Flag, {"X": None, "Y": None}).capabilities == {"X": None, "Y": None}


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("rules", ["A needs B"], "several rules are wanted, not 'A needs B'"),
        ("rules", [Never], "several rules are wanted, not an object of type ABCMeta"),
        ("rules", [None], "several rules are wanted, not None"),
        ("rules", RULES[0], "several rules are wanted, not an object of type Requires"),
        ("profiles", [Request()], "several profiles are wanted, not an object of type Request"),
        ("profiles", {"x": 3}, "several profiles are wanted, not 3"),
        ("profiles", "all", "several profiles are wanted, not 'all'"),
        ("capabilities", [234], "capabilities is an object of type list, not numbers by name"),
        ("capabilities", {234: "X"}, "capabilities are wanted by their names, not 234"),
    ],
)
def test_content_of_another_type(field: str, value: object, told: str) -> None:
    """A catalog is data of known kinds; the message names the catalog and what was given."""
    with pytest.raises(CatalogError, match=rf"^catalog t: {told}$"):
        cast("Any", Catalog)(**{"name": "t", "flags": Flag, "capabilities": {}, field: value})


def test_a_name_that_is_no_text() -> None:
    """It is what every answer under the catalog is told by."""
    with pytest.raises(CatalogError, match="catalog 3: the name of a catalog is a text"):
        cast("Any", Catalog)(3, Flag, {})


def test_two_profiles_of_one_name() -> None:
    """Neither may vanish without a word."""
    problem = "^catalog t: two profiles are called all$"
    once, twice = Profile("x", Request(), "A use."), Profile("all", Request(), "Another use.")
    with pytest.raises(CatalogError, match=problem):
        Catalog("t", Flag, {}, (), [once, PROFILE, twice])


def test_an_error_names_the_catalog() -> None:
    """Somebody may hold several."""
    with pytest.raises(CatalogError) as caught:
        Catalog("my-tree", Flag, {"X": -1})
    assert str(caught.value) == "catalog my-tree: X is numbered -1, not in [0, 2**31)"


CHANGES: dict[str, Callable[[Catalog], Catalog]] = {
    "name": lambda c: evolve(c, name="b-tree"),
    "flag name": lambda c: evolve(c, flags=flag_class({"FOO": 4, "BAZ": 1 << 63})),
    "flag bit": lambda c: evolve(c, flags=flag_class({"FOO": 4, "BAR": 1 << 62})),
    "one flag more": lambda c: evolve(c, flags=flag_class({"FOO": 4, "BAR": 1 << 63, "BAZ": 8})),
    "number": lambda c: evolve(c, capabilities={"GUEST_MEMFD": 235, "X": None}),
    "number given": lambda c: evolve(c, capabilities={"GUEST_MEMFD": 234, "X": 0}),
    "rule dropped": lambda c: evolve(c, rules=c.rules[1:]),
    "rule kind": lambda c: evolve(c, rules=(*RULES[:4], Never(Flag.FOO, **SAID))),
    "flag of a rule": lambda c: with_rule(c, 0, flag=1 << 7),
    "all_of": lambda c: with_rule(c, 0, all_of=0),
    "any_of": lambda c: with_rule(c, 0, any_of=(2, 9)),
    "a": lambda c: with_rule(c, 1, a=1 << 7),
    "b": lambda c: with_rule(c, 1, b=1 << 7),
    "always all_of": lambda c: with_rule(c, 2, all_of=1),
    "always any_of": lambda c: with_rule(c, 2, any_of=()),
    "never": lambda c: with_rule(c, 3, mask=1 << 7),
    "refused": lambda c: with_rule(c, 4, mask=1 << 7),
    "stage": lambda c: with_rule(c, 4, stage=Stage.ACCESS),
    "machines": lambda c: with_rule(c, 3, hosts=Hosts(vm_types=(4, 5))),
    "VM types": lambda c: with_rule(c, 3, hosts=Hosts(machines=("aarch64",), vm_types=(4,))),
    "profile dropped": lambda c: evolve(c, profiles=[]),
    "profile name": lambda c: evolve(c, profiles=[evolve(PROFILE, name="b")]),
    "required": lambda c: with_request(c, required=0),
    "preferred": lambda c: with_request(c, preferred=[3, Flag.BAR]),
    "forbidden": lambda c: with_request(c, forbidden=0),
    "need dropped": lambda c: with_request(c, needs=[]),
    "need bits": lambda c: with_request(c, needs=[Need("USERFAULT", 4, any_of=(1, 2))]),
    "need any_of": lambda c: with_request(c, needs=[Need("USERFAULT", 8)]),
    "need at_least": lambda c: with_request(c, needs=[need(at_least=4)]),
    "need optional": lambda c: with_request(c, needs=[need(optional=True)]),
    "need capability": lambda c: with_request(c, needs=[Need("X", 8, any_of=(1, 2))]),
    "prerequisites": lambda c: with_request(c, prerequisites=Prerequisites.ADD),
    "until": lambda c: with_request(c, until=Stage.CREATE),
    "scope": lambda c: with_request(c, scope=Scope.SYSTEM),
    "digest": lambda c: with_request(c, digest="0"),
    "claims": lambda c: with_request(c, flag_names=[(1, "MMAP")]),
}


def need(**rest: Any) -> Need:
    """The need of the profile, with something else."""
    return Need("USERFAULT", 8, any_of=(1, 2), **rest)


def with_rule(catalog: Catalog, index: int, **change: Any) -> Catalog:
    """The catalog with one rule changed."""
    rules = list(RULES)
    rules[index] = evolve(rules[index], **change)
    return evolve(catalog, rules=rules)


def with_request(catalog: Catalog, **change: Any) -> Catalog:
    """The catalog with the request of its profile changed."""
    profile = catalog.profiles["all"]
    return evolve(catalog, profiles=[evolve(profile, request=evolve(profile.request, **change))])


@pytest.mark.parametrize("change", list(CHANGES.values()), ids=list(CHANGES))
def test_every_change_makes_another_catalog(change: Callable[[Catalog], Catalog]) -> None:
    """It is unequal, and its digest is another one."""
    changed = change(TREE)
    assert changed != TREE
    assert changed.digest != TREE.digest


SENTENCES: dict[str, Callable[[Catalog], Catalog]] = {
    "why": lambda c: with_rule(c, 4, why="It is not so."),
    "source": lambda c: with_rule(c, 4, source="another test"),
    "profile why": lambda c: evolve(c, profiles=[evolve(PROFILE, why="Another use.")]),
    "a capability without a number": lambda c: evolve(c, capabilities={"GUEST_MEMFD": 234}),
}


@pytest.mark.parametrize("change", list(SENTENCES.values()), ids=list(SENTENCES))
def test_a_sentence_is_no_meaning(change: Callable[[Catalog], Catalog]) -> None:
    """The catalog is another one, and means the same: its digest stays."""
    changed = change(TREE)
    assert changed != TREE
    assert changed.digest == TREE.digest


SAME: dict[str, Callable[[], Catalog]] = {
    "made again": lambda: Catalog("a-tree", Flag, TREE.capabilities, RULES, [PROFILE]),
    "another class": lambda: evolve(TREE, flags=Twin),
    "another order of capabilities": lambda: evolve(
        TREE, capabilities={"X": None, "GUEST_MEMFD": 234}
    ),
    "rules in another order": lambda: evolve(TREE, rules=RULES[::-1]),
    "rules as a list": lambda: evolve(TREE, rules=list(RULES)),
    "evolved": lambda: evolve(TREE),
    "pickled": lambda: cast("Catalog", pickle.loads(pickle.dumps(TREE))),  # noqa: S301  # our own
}


@pytest.mark.parametrize("same", list(SAME.values()), ids=list(SAME))
def test_equal_content_makes_equal_catalogs(same: Callable[[], Catalog]) -> None:
    """Class and order of names do not count: equal, one hash, one digest."""
    assert same() == TREE
    assert hash(same()) == hash(TREE)
    assert same().digest == TREE.digest


def test_a_pickled_catalog_is_whole() -> None:
    """Down to the flag class, which is found by its name."""
    twin = cast("Catalog", pickle.loads(pickle.dumps(MAINLINE)))  # noqa: S301  # our own bytes
    assert twin == MAINLINE
    assert twin.flags is GuestMemfdFlag
    assert (twin.named, twin.digest) == (MAINLINE.named, MAINLINE.digest)


def test_a_catalog_of_a_class_that_was_made_of_data_pickles() -> None:
    """Its class has no name to be found by: it is made again, with the same name and flags."""
    catalog = catalog_of({"FOO": 4, "TOP": 1 << 63})
    twin = cast("Catalog", pickle.loads(pickle.dumps(catalog)))  # noqa: S301  # our own bytes
    assert twin == catalog
    assert twin.flags.__name__ == catalog.flags.__name__
    assert twin.flags is not catalog.flags


def test_a_digest_is_sha_256() -> None:
    """In lower-case hexadecimal, and different for the shipped catalogs."""
    assert len(MAINLINE.digest) == 64
    assert int(MAINLINE.digest, 16) < 1 << 256
    assert MAINLINE.digest != FIRECRACKER_SECRET_FREE.digest


def test_a_digest_does_not_depend_on_the_process(python: Callable[..., list[str]]) -> None:
    """Hash seeds differ between processes; pins are carried from one to another."""
    program = "from gmemflags import MAINLINE; print(MAINLINE.digest)"
    assert python(program) == [MAINLINE.digest]


def test_a_catalog_does_not_change() -> None:
    """Neither its fields nor its mappings."""
    with pytest.raises(FrozenInstanceError):
        cast("Any", TREE).name = "b-tree"
    with pytest.raises(TypeError, match="does not support item assignment"):
        cast("dict[str, int | None]", TREE.capabilities)["X"] = 245


UNCHANGED: dict[str, Callable[[Catalog], Catalog]] = {
    "rules in another order": lambda c: evolve(c, rules=RULES[::-1]),
    "alternatives in another order": lambda c: with_rule(c, 0, any_of=(2, 1)),
    "sides of an exclusion": lambda c: with_rule(c, 1, a=1 << 5, b=Flag.FOO),
    "another name of the machine": lambda c: with_rule(
        c, 3, hosts=Hosts(machines=("ARM64",), vm_types=(5, 4))
    ),
    "other words": lambda c: with_rule(c, 0, why="So.", source="elsewhere"),
    "why of a need": lambda c: with_request(c, needs=[need(why="So.")]),
    "the full name of a need": lambda c: with_request(
        c, needs=[Need("KVM_CAP_USERFAULT", 8, any_of=(1, 2))]
    ),
    "alternatives of a need": lambda c: with_request(
        c, needs=[Need("USERFAULT", 8, any_of=(2, 1, 2))]
    ),
    "a need twice": lambda c: with_request(c, needs=[need(), need()]),
}


def test_a_need_of_any_answer_is_not_one_of_any_but_0() -> None:
    """A pin of the one catalog would be taken under the other, where 0 is enough."""
    some, any_, one = (
        with_request(TREE, needs=[Need("X", at_least=number)]).digest for number in (None, 0, 1)
    )
    assert some == one != any_


@pytest.mark.parametrize("change", UNCHANGED)
def test_what_means_the_same_has_the_same_digest(change: str) -> None:
    """The order given, other names of a machine, and sentences mean nothing."""
    assert UNCHANGED[change](TREE).digest == TREE.digest
