"""The laws of values: each pickles, copies, equals its copy and hashes like it; errors keep data.

A new public value or error belongs into the lists here: two tests ask for every one.
"""

import copy
import errno
import inspect
import os
import pickle
from collections.abc import Callable
from functools import partial

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
    CatalogError,
    Excludes,
    FlagSyntaxError,
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
    Need(Capability.VM_TYPES, 1, any_of=(2, 4)),
    REQUEST,
    Profile("mine", REQUEST, "For this test."),
    HostFacts(kernel="6.18.0", machine="s390x", vm_type=1),
    SUPPORT,
    resolve(SUPPORT, Request()),
    resolve(SUPPORT, REQUEST),
    Problem(reason=Reason.RULE_CONFLICT, bits=3, rules=(RULE,), message="No."),
    Outcome(bits=1, role=Role.REQUIRED, granted=False, reason=Reason.FORBIDDEN, chain=(RULE,)),
    Suggestion(change="drop MMAP", request=REQUEST, mask=2),
    baseline([SUPPORT, LESSER]),
    *baseline([SUPPORT, LESSER]).lacking.values(),
    compare(SUPPORT, LESSER),
    *compare(SUPPORT, LESSER).lost_on_b,
    MAINLINE.capabilities,
    *GuestMemfdFlag,
    GuestMemfdFlag(0x41),
]

ERRORS: list[GmemFlagsError] = [
    GmemFlagsError("never raised itself"),
    InvalidMaskError("-1", "a mask"),
    FlagSyntaxError("MMPA", 0, "no such flag", "MMAP"),
    CatalogError("a-tree", "it contradicts itself"),
    NegotiationTooHardError("a-tree", 100),
    RecordError("/flags/0", "it is not a mask"),
    PoolError("a host", "is of another kind"),
    NegotiationError(resolve(SUPPORT, REQUEST)),
    InconsistentAnswerError("GUEST_MEMFD_FLAGS", -22, "no flags", "a host"),
    KvmUnavailableError(errno.ENOENT, "gone", "/dev/x", Unavailable.NO_VM),
    CapabilityQueryError(errno.EIO, os.strerror(errno.EIO), 244, "a host"),
    GuestMemfdCreateError(errno.EINVAL, "no", 4096, 1 << 63, "bit 63 is not listed"),
]


# The ways in which a value is made again; the protocols of pickle are one each.
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


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("update", [{"a": 2}]),
        ("setdefault", ["b", 2]),
        ("update", []),
        ("setdefault", ["GUEST_MEMFD"]),
        ("pop", ["GUEST_MEMFD"]),
        ("pop", ["absent", None]),
        ("popitem", []),
        ("clear", []),
        ("__setitem__", ["a", 2]),
        ("__delitem__", ["GUEST_MEMFD"]),
        ("__ior__", [{"a": 2}]),
    ],
    ids=str,
)
def test_no_mapping_of_a_value_can_be_changed(method: str, arguments: list[object]) -> None:
    """A support's answers stay what the host said."""
    answers = dict(SUPPORT.answers)
    with pytest.raises(TypeError, match=r"attrs\.evolve"):
        getattr(SUPPORT.answers, method)(*arguments)
    assert SUPPORT.answers == answers


@given(answer_words, st.sampled_from(Scope), st.text(), st.none() | st.integers(0, 10))
def test_any_support_is_made_again(
    flags: int, scope: Scope, origin: str, vm_type: int | None
) -> None:
    """Derived fields come back too, although they are neither compared nor stored twice."""
    host = HostFacts(kernel=origin, vm_type=vm_type)
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
    assert first != evolve(first, scope=Scope.SYSTEM)


@given(masks, masks)
def test_requests_are_equal_exactly_if_their_content_is(one: int, other: int) -> None:
    """A request is data: who asks for the same has the same request."""
    assert (Request(required=one) == Request(required=other)) is (one == other)
    assert pickled(Request(required=one)) == Request(required=one)
