"""The laws of values: each pickles, copies, equals its copy and hashes like it; errors keep data.

A new public value or error belongs into the lists here: two tests ask for every one.
"""

import copy
import errno
import inspect
import os
import pickle
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import attrs
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

import gmemflags
from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
    Always,
    Capability,
    CapabilityQueryError,
    Catalog,
    CatalogError,
    Excludes,
    FlagSyntaxError,
    FlagWord,
    GmemFlagsError,
    GuestMemfdCreateError,
    GuestMemfdFlag,
    HostFacts,
    Hosts,
    InconsistentAnswerError,
    InvalidMaskError,
    KvmUnavailableError,
    Need,
    NegotiationError,
    NegotiationTooHardError,
    Never,
    Outcome,
    PoolError,
    Problem,
    Profile,
    Reason,
    RecordError,
    Refused,
    Request,
    Requires,
    Resolution,
    Role,
    Rule,
    Scope,
    Stage,
    Suggestion,
    Support,
    Unavailable,
    baseline,
    compare,
    query,
    resolve,
)
from gmemflags.testing import FakeBackend
from tests.strategies import answer_words, masks
from tests.trees import flag_class

WHY, SOURCE = "It is so.", "a test"
SUPPORT = query(FakeBackend({234: 1, 244: -(2**31)}))
LESSER = query(FakeBackend({234: 1, 244: 0}))
RULE = Requires(
    2, all_of=1, any_of=(4, 8), hosts=Hosts(machines=["x86_64"]), why=WHY, source=SOURCE
)
REQUEST = Request(required=GuestMemfdFlag.MMAP, preferred=[2, 0x40], forbidden=1 << 63)

VALUES: list[object] = [
    MAINLINE,
    FIRECRACKER_SECRET_FREE,
    RULE,
    Excludes(1, 2, stage=Stage.ACCESS, why=WHY, source=SOURCE),
    Always(1, any_of=(2, 4), why=WHY, source=SOURCE),
    Never(1 << 63, why=WHY, source=SOURCE),
    Refused(3, why=WHY, source=SOURCE),
    Hosts(machines=["aarch64"], vm_types=[0, 5]),
    Hosts(except_vm_types=[0, 1 << 31]),
    Need(Capability.VM_TYPES, 1, any_of=(2, 4)),
    REQUEST,
    Profile("mine", REQUEST, "For this test."),
    HostFacts(kernel="6.18.0", machine="s390x", vm_type=1),
    SUPPORT,
    resolve(SUPPORT, Request()),
    resolve(SUPPORT, REQUEST),
    Problem(reason=Reason.RULE_CONFLICT, bits=3, rules=(RULE,), message="No."),
    Outcome(
        bits=1,
        role=Role.REQUIRED,
        granted=False,
        reason=Reason.FORBIDDEN,
        chain=(RULE,),
        message="No.",
    ),
    Suggestion(change="drop MMAP", request=REQUEST, mask=2, caveats=("Of no use.",)),
    baseline([SUPPORT, LESSER]),
    *baseline([SUPPORT, LESSER]).lacking.values(),
    compare(SUPPORT, LESSER),
    *compare(SUPPORT, LESSER).lost,
    *GuestMemfdFlag,
    GuestMemfdFlag(0x41),
]

ERRORS: list[GmemFlagsError] = [
    GmemFlagsError("never raised itself"),
    InvalidMaskError("-1", "a mask"),
    FlagSyntaxError("MMPA", 0, "no such flag", "MMAP"),
    CatalogError("a-tree", "it contradicts itself"),
    NegotiationTooHardError("a-tree", 100),
    RecordError("/flags/0", "it is no mask"),
    PoolError("a host", "is of another kind"),
    NegotiationError(resolve(SUPPORT, REQUEST)),
    InconsistentAnswerError("GUEST_MEMFD_FLAGS", -22, "no flags", "a host"),
    KvmUnavailableError(errno.ENOENT, "gone", "/dev/x", Unavailable.NO_VM),
    CapabilityQueryError(errno.EIO, os.strerror(errno.EIO), 244, "a host"),
    GuestMemfdCreateError(errno.EINVAL, "no", 4096, 1 << 63, "bit 63 is not listed"),
]


def pickled(value: object, protocol: int = pickle.HIGHEST_PROTOCOL) -> object:
    """Send a value through pickle."""
    return pickle.loads(pickle.dumps(value, protocol))  # noqa: S301  # our own bytes


# The ways in which a value is made again; the protocols of pickle are one each.
WAYS: dict[str, Callable[[object], object]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": partial(pickled, protocol=protocol)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_every_value_is_made_again(way: str) -> None:
    """The copy has the class, equality and hash of the original."""
    for value in VALUES:
        again = WAYS[way](value)
        assert type(again) is type(value)
        assert again == value
        assert hash(again) == hash(value)


@pytest.mark.parametrize("way", WAYS)
def test_every_error_keeps_its_data(way: str) -> None:
    """Arguments, attributes and sentence of the copy are those of the original."""
    for error in ERRORS:
        again = WAYS[way](error)
        assert type(again) is type(error)
        assert isinstance(again, GmemFlagsError)
        assert (again.args, again.__dict__, str(again)) == (error.args, error.__dict__, str(error))
        if isinstance(error, OSError):
            assert isinstance(again, OSError)
            assert (again.errno, again.strerror) == (error.errno, error.strerror)


def test_every_public_value_is_tried() -> None:
    """The list above has an example of each public class that attrs makes."""
    public = {getattr(gmemflags, name) for name in gmemflags.__all__}
    values = {made for made in public if inspect.isclass(made) and attrs.has(made)}
    assert values - {type(value) for value in VALUES} == {Rule}  # an abstract base


def test_every_error_is_tried() -> None:
    """The list above has an example of each error."""
    public = {getattr(gmemflags, name) for name in gmemflags.__all__}
    errors = {made for made in public if inspect.isclass(made) and issubclass(made, Exception)}
    assert errors == {type(error) for error in ERRORS}


@pytest.mark.parametrize("value", [v for v in VALUES if attrs.has(type(v))], ids=lambda v: None)
def test_no_value_can_be_changed(value: attrs.AttrsInstance) -> None:
    """Setting any field is an error, and so is a new attribute."""
    for attribute in attrs.fields(type(value)):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(value, attribute.name, None)


MAPPINGS: dict[str, Mapping[Any, Any]] = {
    "answers": SUPPORT.answers,
    "errors": SUPPORT.errors,
    "capabilities": MAINLINE.capabilities,
    "profiles": MAINLINE.profiles,
    "lacking": baseline([SUPPORT, LESSER]).lacking,
}


@pytest.mark.parametrize("name", MAPPINGS)
def test_no_mapping_of_a_value_can_be_changed(name: str) -> None:
    """A support's answers stay what the host said, also where the caller keeps the dict."""
    mapping, before = MAPPINGS[name], dict(MAPPINGS[name])
    with pytest.raises(TypeError, match="does not support item assignment"):
        cast("Any", mapping)["a"] = 2
    with pytest.raises(AttributeError):
        cast("Any", mapping).clear()
    assert mapping == before


def test_a_mapping_that_is_given_is_copied() -> None:
    """What happens to the caller's dict later is no answer of the host."""
    answers = {"GUEST_MEMFD_FLAGS": 3}
    support = Support(answers=answers, scope=Scope.VM, catalog=MAINLINE)
    answers["GUEST_MEMFD_FLAGS"] = 1
    assert support.mask == 3


# Nothing forged: what is derived is derived anew, whatever way a value is made again.


class Tree(FlagWord):
    """A tree as this process knows it: its second version, in which BAR has a rule."""

    FOO = 1 << 2
    BAR = 1 << 3


def tree_of_mine(flags: type[FlagWord], *rules: Rule) -> Catalog:
    """A catalog of these flags, with mainline's numbers."""
    return Catalog("mine", flags, MAINLINE.capabilities, rules)


@pytest.mark.parametrize(
    "members", [{"FOO": 4}, {"FOO": 4, "BAR": 16}, {"FOO": 4, "BAR": 8, "BAZ": 16}]
)
def test_a_catalog_pickles_its_flags_by_content(members: dict[str, int]) -> None:
    """A pickle of a tree's first version keeps its flags where the second is loaded."""
    first = flag_class(members, "Tree")
    first.__module__, first.__qualname__ = Tree.__module__, Tree.__qualname__
    old = tree_of_mine(first)
    again = pickled(old)
    assert isinstance(again, Catalog)
    assert dict(again.flags.bit_names) == dict(first.bit_names)
    assert (again, again.digest) == (old, old.digest)
    assert again != tree_of_mine(Tree)


def test_a_catalog_takes_the_class_at_its_path_if_it_is_the_same() -> None:
    """Then flags of the copy are flags of the program."""
    again = pickled(tree_of_mine(Tree))
    assert isinstance(again, Catalog)
    assert again.flags is Tree
    made = pickled(tree_of_mine(flag_class({"FOO": 4}, "Nowhere")))
    assert isinstance(made, Catalog)
    assert made.flags.__name__ == "Nowhere"


def test_a_pickled_answer_of_an_old_tree_does_not_get_the_rules_of_a_new_one() -> None:
    """It carries its own catalog, and a pin of it is refused under the other."""
    rule = Requires(Tree.BAR, all_of=Tree.FOO, why=WHY, source=SOURCE)
    old = resolve(query(FakeBackend.narrow(8), tree_of_mine(Tree)), 8)
    again = pickled(old)
    assert isinstance(again, Resolution)
    assert again.ok
    new = query(FakeBackend.narrow(8), tree_of_mine(Tree, rule))
    assert not resolve(new, again.pin()).ok


DERIVED: list[object] = [
    SUPPORT,
    resolve(SUPPORT, REQUEST),
    MAINLINE,
    baseline([SUPPORT, LESSER]),
    compare(SUPPORT, LESSER),
    Hosts(machines=["aarch64"]),
]


@pytest.mark.parametrize("value", DERIVED, ids=lambda value: type(value).__name__)
def test_a_value_that_derives_takes_no_state(value: object) -> None:
    """There is no way in for a mask, a verdict or a loss: only for what they follow from."""
    assert not hasattr(value, "__setstate__")
    make, arguments = cast("Any", value).__reduce__()[:2]
    assert make(*arguments) == value
    kind: type[Any] = type(value)
    for name in [one.alias for one in attrs.fields(kind) if not one.init]:
        with pytest.raises(TypeError):
            evolve(cast("Any", value), **{name: None})


def test_an_answer_decides_again() -> None:
    """With another host, another request, or a mask that somebody made up."""
    yes = resolve(SUPPORT, 1 << 31 if SUPPORT.catalog.named >> 31 else 0)
    assert yes.ok
    nothing = query(FakeBackend({234: 0, 244: 0}))
    assert not evolve(yes, support=nothing).ok
    assert not evolve(yes, request=Request(required=3)).ok
    with pytest.raises(TypeError):
        cast("Any", Resolution)(support=SUPPORT, request=Request(), mask=True)
    with pytest.raises(TypeError):
        evolve(yes, support=cast("Any", True))


@pytest.mark.parametrize("way", WAYS)
def test_what_is_derived_comes_back(way: str) -> None:
    """Masks, verdicts, losses and the architectures of hosts."""
    support, answer, pool = SUPPORT, resolve(LESSER, REQUEST), baseline([SUPPORT, LESSER])
    comparison, where = compare(SUPPORT, LESSER), Hosts(machines=["arm64"])
    again = [cast("Any", WAYS[way](it)) for it in (support, answer, pool, comparison, where)]
    assert (again[0].mask, again[0].hi_only) == (support.mask, support.hi_only)
    assert (again[1].ok, str(again[1])) == (answer.ok, str(answer))
    assert str(again[2]) == str(pool)
    assert (again[3].lost, again[3].doubts) == (comparison.lost, comparison.doubts)
    assert again[4].include("aarch64", None) is True


@given(answer_words, st.sampled_from(Scope), st.text(), st.none() | st.integers(0, 10))
def test_any_support_is_made_again(
    flags: int, scope: Scope, origin: str, vm_type: int | None
) -> None:
    """Derived fields come back too, although they are neither compared nor stored twice."""
    host = HostFacts(kernel=origin, vm_type=vm_type if scope is Scope.VM else None)
    support = query(FakeBackend({234: 1, 244: flags}, scope=scope, host=host, origin=origin))
    again = pickled(support)
    assert again == support
    assert hash(again) == hash(support)
    assert isinstance(again, Support)
    assert (again.mask, again.answerable, again.hi_only) == (
        support.mask,
        support.answerable,
        support.hi_only,
    )


@given(answer_words, answer_words)
def test_supports_are_equal_exactly_if_the_answers_are(one: int, other: int) -> None:
    """The same host says the same; another answer is another support."""
    first, second = (query(FakeBackend({234: 1, 244: flags})) for flags in (one, other))
    assert (first == second) is (one == other)
    assert first != evolve(first, origin="another host")
    device = evolve(first, scope=Scope.SYSTEM, host=HostFacts())
    assert device != evolve(device, scope=Scope.VM)


@given(masks, masks)
def test_requests_are_equal_exactly_if_they_ask_for_the_same(one: int, other: int) -> None:
    """A request is data."""
    assert (Request(required=one) == Request(required=other)) is (one == other)
    assert pickled(Request(required=one)) == Request(required=one)


def test_catalogs_are_equal_by_content() -> None:
    """A flag class made anew with the same members is the same content, and so is its digest."""
    again = evolve(MAINLINE, flags=flag_class({"MMAP": 1, "INIT_SHARED": 2}))
    assert (again, hash(again), again.digest) == (MAINLINE, hash(MAINLINE), MAINLINE.digest)


@pytest.mark.parametrize(
    "members", [{"MMAP": 1}, {"MMAP": 1, "INIT_SHARED": 4}, {"MMAP": 1, "SHARED": 2}]
)
def test_catalogs_differ_by_any_flag(members: dict[str, int]) -> None:
    """A missing, moved or renamed flag is another content, and so is its digest."""
    other = evolve(MAINLINE, flags=flag_class(members))
    assert other != MAINLINE
    assert other.digest != MAINLINE.digest
