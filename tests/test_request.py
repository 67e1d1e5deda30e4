"""Requests, needs and profiles: what can be asked, what cannot, and what is kept of it."""

import pickle
from enum import IntFlag
from typing import Any, cast

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError

from gmemflags import (
    Capability,
    GuestMemfdFlag,
    InvalidMaskError,
    Need,
    Prerequisites,
    Profile,
    Request,
    Scope,
    Stage,
)
from gmemflags._mainline import FirecrackerFlag

F = GuestMemfdFlag
MASK = 0xFFFF_FFFF_FFFF_FFFF
NO_MASKS = [-1, 1 << 64, True, 1.0, "MMAP", None]


def test_nothing_is_asked_by_default() -> None:
    """A request without arguments asks for a file without flags that can be used, on a VM."""
    request = Request()
    assert (request.required, request.preferred, request.forbidden) == (0, (), 0)
    assert (request.needs, request.digest, request.flag_names) == ((), None, frozenset())
    assert request.prerequisites is Prerequisites.REFUSE
    assert request.until is Stage.ACCESS
    assert request.scope is Scope.VM


def test_everything_is_kept() -> None:
    """As plain ints and tuples."""
    request = Request(
        required=F.MMAP,
        preferred=[F.INIT_SHARED, 0x30],
        forbidden=1 << 63,
        needs=[Need("USERFAULT")],
        prerequisites=Prerequisites.ADD,
        until=Stage.BIND,
        scope=Scope.SYSTEM,
        digest="0123",
        flag_names=[(8, "WRITE")],
    )
    assert (request.required, request.preferred, request.forbidden) == (1, (2, 0x30), 1 << 63)
    assert {type(mask) for mask in (request.required, *request.preferred)} == {int}
    assert request.needs == (Need("USERFAULT"),)
    assert request.prerequisites is Prerequisites.ADD
    assert request.until is Stage.BIND
    assert request.scope is Scope.SYSTEM
    assert request.digest == "0123"
    assert request.flag_names == {(8, "WRITE"), (1, "MMAP"), (2, "INIT_SHARED")}


def test_arguments_have_names() -> None:
    """Masks stand side by side, and which is which must be said."""
    with pytest.raises(TypeError, match="positional"):
        cast("Any", Request)(1, 2)


@pytest.mark.parametrize("value", NO_MASKS)
@pytest.mark.parametrize("role", ["required", "forbidden"])
def test_only_masks_are_required_or_forbidden(role: str, value: object) -> None:
    """Everything else is refused by the guard."""
    with pytest.raises(InvalidMaskError):
        cast("Any", Request)(**{role: value})


@pytest.mark.parametrize("value", NO_MASKS)
def test_only_masks_are_preferred(value: object) -> None:
    """Inside the list as well."""
    with pytest.raises(InvalidMaskError):
        cast("Any", Request)(preferred=[1, value])


@pytest.mark.parametrize("value", [-1, 1 << 64, True])
def test_only_a_mask_is_preferred_by_itself(value: int) -> None:
    """A number that stands for one group is a mask, too."""
    with pytest.raises(InvalidMaskError, match="is not a mask"):
        Request(preferred=value)


@pytest.mark.parametrize("mask", [3, FirecrackerFlag(0xC), MASK, 1 << 63 | 1])
def test_a_bare_mask_of_several_bits_is_not_a_group(mask: int) -> None:
    """It could mean one group or several: the error says how to write either."""
    with pytest.raises(InvalidMaskError) as caught:
        Request(preferred=mask)
    assert str(caught.value) == (
        f"preferred={int(mask):#x} is not one group: write"
        " [A | B] for both together or [A, B] for each by itself"
    )


@pytest.mark.parametrize(
    ("preferred", "groups"),
    [
        (F.MMAP, (1,)),
        (1 << 63, (1 << 63,)),
        (0, ()),
        ([], ()),
        ([F.MMAP, F.INIT_SHARED], (1, 2)),
        ([F.INIT_SHARED, F.MMAP], (2, 1)),
        ([F.MMAP | F.INIT_SHARED], (3,)),
        ((1, 1), (1, 1)),
        ([0], (0,)),
    ],
)
def test_groups(preferred: Any, groups: tuple[int, ...]) -> None:
    """Two groups or one of both, in order; a single bit is one group by itself."""
    assert Request(preferred=preferred).preferred == groups


NO_GROUPS: list[Any] = [{1, 2}, frozenset[int](), {4: "a"}, b"\x01\x02", None, 1.0]


@pytest.mark.parametrize("preferred", NO_GROUPS)
def test_groups_have_an_order(preferred: Any) -> None:
    """The first group wins, and a set has no first one."""
    with pytest.raises(
        TypeError,
        match=r"^preferred is a list of groups in order, and this has no order$|is not iterable",
    ):
        Request(preferred=preferred)


def test_groups_may_come_from_a_generator() -> None:
    """It is run once, and what it yielded is kept with its names."""
    request = Request(preferred=(flag for flag in (F.INIT_SHARED, F.MMAP)))
    assert request.preferred == (2, 1)
    assert request.flag_names == {(1, "MMAP"), (2, "INIT_SHARED")}


def test_everything_but_one_flag_may_be_forbidden() -> None:
    """The complement is of 64 bits, and its names are of the named ones."""
    request = Request(forbidden=~F.MMAP)
    assert request.forbidden == 0xFFFF_FFFF_FFFF_FFFE
    assert request.flag_names == {(2, "INIT_SHARED")}


@pytest.mark.parametrize(
    ("policy", "value"),
    [
        ("prerequisites", "add"),
        ("prerequisites", True),
        ("until", 0),
        ("until", "bind"),
        ("scope", "system"),
        ("scope", None),
    ],
)
def test_policies_are_members_of_their_enum(policy: str, value: object) -> None:
    """A text or number that equals one is none; the sentence names the field and the value."""
    with pytest.raises(TypeError, match=rf"^{policy} must be a \w+, not "):
        cast("Any", Request)(**{policy: value})


@pytest.mark.parametrize(
    ("needs", "shown"),
    [
        ("USER_MEMORY2", "'USER_MEMORY2'"),
        (["USER_MEMORY2"], "'USER_MEMORY2'"),
        ([Need("X"), 3], "3"),
        ([None], "None"),
        (Need("X"), "an object of type Need"),
    ],
)
def test_needs_are_several_needs(needs: object, shown: str) -> None:
    """A name alone, and one need without a list around it, are told at once."""
    with pytest.raises(TypeError, match=f"^several Need values are wanted, not {shown}$"):
        cast("Any", Request)(needs=needs)


def test_a_need_may_have_the_kernels_full_name() -> None:
    """It is the same need, and no message says KVM_CAP_ twice."""
    assert Need("KVM_CAP_USER_MEMORY2") == Need("USER_MEMORY2")


def test_the_same_need_twice_is_one() -> None:
    """It is asked and told once, whatever name of the capability was given."""
    needs = [Need("X", 1), Need("Y"), Need("KVM_CAP_X", 1), Need("Y"), Need("X", 2)]
    assert Request(needs=needs).needs == (Need("X", 1), Need("Y"), Need("X", 2))


def test_a_need_says_what_for() -> None:
    """By default it says nothing, asks for any answer but 0, and must be met."""
    need = Need("X")
    assert (need.bits, need.any_of, need.at_least) == (0, (), None)
    assert (need.optional, need.why) == (False, "")
    need = Need("X", 1, any_of=(2,), at_least=3, optional=True, why="So.")
    assert (need.at_least, need.optional, need.why) == (3, True, "So.")


@pytest.mark.parametrize("flag", [F.MMAP, F(0), F(0x40), FirecrackerFlag.WRITE])
def test_a_guest_memfd_flag_is_no_answer_of_another_capability(flag: F) -> None:
    """Whoever writes it wanted the flag required, and would be told yes without it."""
    for fields in ({"bits": flag}, {"any_of": (1, flag)}):
        with pytest.raises(InvalidMaskError, match="flags are asked for by required=, not by a"):
            Need("GUEST_MEMFD_FLAGS", **cast("Any", fields))


@pytest.mark.parametrize(
    ("field", "value"),
    [("optional", 1), ("optional", "yes"), ("optional", None), ("why", None), ("why", 3)],
)
def test_a_need_is_optional_or_not(field: str, value: object) -> None:
    """A number or a text would be taken for a yes."""
    with pytest.raises(TypeError, match=f"^{field} must be a "):
        Need("X", **cast("Any", {field: value}))


@pytest.mark.parametrize("capability", [231, None, b"X"])
def test_a_need_names_a_capability(capability: object) -> None:
    """A number is another question."""
    with pytest.raises(TypeError, match="capabilities are wanted by their names, not "):
        cast("Any", Need)(capability)


@pytest.mark.parametrize("content", [("p", 3, "A use."), (3, Request(), ""), ("p", Request(), 0)])
def test_a_profile_has_a_name_a_request_and_a_why(content: tuple[object, ...]) -> None:
    """Each of its own type."""
    with pytest.raises(TypeError, match=r"^(name|request|why) must be a (str|Request), not "):
        cast("Any", Profile)(*content)


def test_masks_are_shown_as_such() -> None:
    """Hexadecimal, and names in order of their bits, so that two runs print the same."""
    request = Request(required=F.MMAP | F.INIT_SHARED, preferred=[1 << 40], forbidden=~F(3))
    shown = repr(request)
    assert "required=0x3, preferred=(0x10000000000), forbidden=0xfffffffffffffffc" in shown
    assert "flag_names={'0x1': 'MMAP', '0x2': 'INIT_SHARED'}" in shown


NO_NAMES: list[tuple[Any, str]] = [
    ([(1,)], "a flag name is a bit and a str, not 1 values of other types"),
    ([(1, 5)], "a flag name is a bit and a str, not 2 values of other types"),
    ([(1, "A", "B")], "a flag name is a bit and a str, not 3 values of other types"),
    ("ab", "a bit and its name are wanted, not 'a'"),
    ([3], "a bit and its name are wanted, not 3"),
    ([("A", "B")], "'A' is not a mask: an int in [0, 2**64) is needed"),
    ([(3, "A")], "0x3 is not one bit: a mask with exactly one bit set is needed"),
]


@pytest.mark.parametrize(("names", "told"), NO_NAMES)
def test_flag_names_are_pairs_of_a_bit_and_its_name(names: Any, told: str) -> None:
    """Anything else could never be told."""
    with pytest.raises((TypeError, InvalidMaskError)) as caught:
        Request(flag_names=names)
    assert str(caught.value) == told


@pytest.mark.parametrize("digest", [5, b""])
def test_a_digest_is_a_text(digest: Any) -> None:
    """As a catalog tells it."""
    with pytest.raises(TypeError, match="digest must be a str, not "):
        Request(digest=digest)


class Fields(IntFlag):
    """A field of two bits, of which one has a name of its own; and a second name."""

    ONE = 1
    HUGE_2M = 3
    FOUR = 4
    AGAIN = 4


class Plain(IntFlag):
    """Constants as somebody copied them from the kernel's header, one of them with two names."""

    GUEST_MEMFD_FLAG_MMAP = 1
    MAP = 1
    GUEST_MEMFD_FLAG_INIT_SHARED = 2


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (Fields.HUGE_2M, {(1, "ONE"), (2, "HUGE_2M")}),
        (Fields(6), {(2, "HUGE_2M"), (4, "FOUR")}),
        (Fields.AGAIN, {(4, "FOUR")}),
        (Fields(0x48), set[tuple[int, str]]()),
        (Plain(3), {(1, "MMAP"), (2, "INIT_SHARED")}),
        (F(0x43), {(1, "MMAP"), (2, "INIT_SHARED")}),
    ],
    ids=repr,
)
def test_what_a_flag_class_calls_its_bits(flags: int, names: set[tuple[int, str]]) -> None:
    """Each by the smallest member that has it, of two names by the first, without the prefix.

    Else a value of a field would be taken for two flags of the catalog.
    """
    found = Request(required=flags).flag_names
    assert found == names
    assert {type(bit) for bit, _ in found} <= {int}


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"required": 3}, set[tuple[int, str]]()),
        ({"required": F.MMAP}, {(1, "MMAP")}),
        ({"preferred": F.MMAP}, {(1, "MMAP")}),
        ({"preferred": [1, F.INIT_SHARED]}, {(2, "INIT_SHARED")}),
        ({"forbidden": F.INIT_SHARED}, {(2, "INIT_SHARED")}),
        ({"required": FirecrackerFlag.WRITE, "preferred": [F.MMAP]}, {(8, "WRITE"), (1, "MMAP")}),
        ({"required": F(0x40)}, set[tuple[int, str]]()),
        ({"required": F(0)}, set[tuple[int, str]]()),
    ],
    ids=str,
)
def test_flag_names_are_what_flag_objects_call_their_bits(
    arguments: dict[str, Any], names: set[tuple[int, str]]
) -> None:
    """An int has no name, and neither has a bit that its class does not know."""
    assert Request(**arguments).flag_names == names


def test_a_changed_request_keeps_its_names() -> None:
    """What evolve hands on are ints, which had names once."""
    request = evolve(Request(required=FirecrackerFlag.WRITE), until=Stage.CREATE)
    assert (request.required, request.until) == (8, Stage.CREATE)
    assert request.flag_names == {(8, "WRITE")}


def test_a_changed_request_is_checked_again() -> None:
    """By the same guards."""
    with pytest.raises(InvalidMaskError):
        evolve(Request(), required=-1)
    with pytest.raises(InvalidMaskError, match="is not one group"):
        evolve(Request(), preferred=3)


def test_requests_are_values() -> None:
    """They are equal by content, hash, pickle, and do not change."""
    request = Request(required=F.MMAP, preferred=[2], needs=[Need("X", 1, any_of=(2,))])
    assert pickle.loads(pickle.dumps(request)) == request  # noqa: S301  # our own bytes
    assert len({request, evolve(request), evolve(request, required=0)}) == 2
    with pytest.raises(FrozenInstanceError):
        cast("Any", request).required = 2


def test_names_are_a_part_of_a_request() -> None:
    """With a name more can be checked, so a flag and its number are not the same request."""
    assert Request(required=F.MMAP) != Request(required=1)


@pytest.mark.parametrize(
    ("need", "answer", "met"),
    [
        (Need("X"), 0, False),
        (Need("X"), 1, True),
        (Need("X"), 1 << 63, True),
        (Need("X", 8), 0, False),
        (Need("X", 8), 7, False),
        (Need("X", 8), 8, True),
        (Need("X", 8), 0xF, True),
        (Need("X", 0xC), 8, False),
        (Need("X", 0xC), 0xC, True),
        (Need("X", any_of=(3, 4)), 0, False),
        (Need("X", any_of=(3, 4)), 1, False),
        (Need("X", any_of=(3, 4)), 3, True),
        (Need("X", any_of=(3, 4)), 4, True),
        (Need("X", 8, any_of=(1, 2)), 8, False),
        (Need("X", 8, any_of=(1, 2)), 3, False),
        (Need("X", 8, any_of=(1, 2)), 9, True),
        (Need("X", at_least=0), 0, True),
        (Need("X", at_least=4), 3, False),
        (Need("X", at_least=4), 4, True),
        (Need("X", at_least=1 << 63), 1 << 63, True),
        (Need("X", at_least=1 << 63), (1 << 63) - 1, False),
        (Need("X", 8, any_of=(1, 2), at_least=10), 9, False),
        (Need("X", 8, any_of=(1, 2), at_least=10), 10, True),
        (Need("X", 8, any_of=(1, 2), at_least=10), 0x10, False),
        (Need("X", 8, any_of=(1, 2), at_least=10), 0x18, False),
        (Need("X", 8, any_of=(1, 2), at_least=10, optional=True), 0x18, False),
    ],
)
def test_a_need_is_met(need: Need, answer: int, met: bool) -> None:
    """By all of its bits, one whole alternative, and its number; with none, by anything but 0."""
    assert need.met_by(answer) is met


@pytest.mark.parametrize("value", NO_MASKS)
def test_a_need_is_of_masks(value: object) -> None:
    """The guard stands before all of its numbers."""
    with pytest.raises(InvalidMaskError):
        Need("X", cast("int", value))
    with pytest.raises(InvalidMaskError):
        Need("X", any_of=(1, cast("int", value)))
    if value is not None:
        with pytest.raises(InvalidMaskError):
            Need("X", at_least=cast("int", value))


def test_a_need_is_by_plain_name() -> None:
    """A capability and its name are one need."""
    need = Need(Capability.USER_MEMORY2)
    assert type(need.capability) is str
    assert need == Need("USER_MEMORY2")


def test_needs_and_profiles_are_values() -> None:
    """They are equal by content, hash, and pickle."""
    profile = Profile("all", Request(needs=[Need("X", 8, any_of=(1, 2))]), "A use.")
    assert pickle.loads(pickle.dumps(profile)) == profile  # noqa: S301  # our own bytes
    assert len({profile, evolve(profile), evolve(profile, why="")}) == 2


def test_policies_have_small_names() -> None:
    """As the command line and the records write them."""
    assert [str(policy) for policy in Prerequisites] == ["refuse", "add"]
    assert [str(scope) for scope in Scope] == ["system", "vm"]
