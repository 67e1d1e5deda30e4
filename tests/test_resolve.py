"""An answer as a value: yes or no, what it gives, what it refuses to give, and how it is asked."""

import pickle
from collections.abc import Callable
from typing import Any, cast

import pytest
from attrs import evolve

from gmemflags import (
    MAINLINE,
    InvalidMaskError,
    Need,
    NegotiationError,
    Prerequisites,
    Profile,
    Reason,
    Request,
    Resolution,
    Role,
    Scope,
    Stage,
    baseline,
    negotiate,
    query,
    resolve,
)
from gmemflags import GuestMemfdFlag as F
from gmemflags.testing import FakeBackend
from tests.trees import BAR, BAR_NEEDS_FOO, FOO, Flag, dev_kvm, host, tree

WITH_FOO = host(FOO | BAR, BAR_NEEDS_FOO)
WITHOUT_FOO = host(BAR, BAR_NEEDS_FOO)
ADD, REFUSE = Prerequisites.ADD, Prerequisites.REFUSE

# The question that the enumeration leaves open: BAR is listed, and valid only with FOO.
FOO_BAR: dict[str, tuple[Request, int | Reason]] = {
    "BAR alone": (Request(required=BAR), Reason.MISSING_PREREQUISITE),
    "BAR, preferring FOO": (Request(required=BAR, preferred=[FOO]), 0xC),
    "BAR, with prerequisites": (Request(required=BAR, prerequisites=ADD), 0xC),
    "BAR, forbidding FOO": (Request(required=BAR, forbidden=FOO), Reason.PREREQUISITE_FORBIDDEN),
    "BAR, with prerequisites, forbidding FOO": (
        Request(required=BAR, forbidden=FOO, prerequisites=ADD),
        Reason.PREREQUISITE_FORBIDDEN,
    ),
    "preferring BAR": (Request(preferred=[BAR]), 0),
    "preferring BAR, then FOO": (Request(preferred=[BAR, FOO]), 0xC),
    "both": (Request(required=FOO | BAR), 0xC),
}


@pytest.mark.parametrize("case", FOO_BAR)
def test_bar_requires_foo(case: str) -> None:
    """Nothing is added behind the caller's back, and a refusal names the rule and the bit."""
    request, expected = FOO_BAR[case]
    answer = resolve(WITH_FOO, request)
    if isinstance(expected, int):
        assert answer.mask == expected
        return
    (problem,) = answer.problems
    assert (problem.reason, problem.bits) == (expected, BAR)
    assert problem.rules == (BAR_NEEDS_FOO,)


@pytest.mark.parametrize("prerequisites", Prerequisites)
@pytest.mark.parametrize("preferred", [[], [FOO]], ids=["nothing preferred", "FOO preferred"])
def test_bar_on_a_host_without_foo(prerequisites: Prerequisites, preferred: list[int]) -> None:
    """BAR is listed there, and is of no use: neither a preference nor a policy helps."""
    request = Request(required=BAR, preferred=preferred, prerequisites=prerequisites)
    (problem,) = resolve(WITHOUT_FOO, request).problems
    assert (problem.reason, problem.bits) == (Reason.PREREQUISITE_UNSUPPORTED, BAR)


def test_the_outcomes_of_bar_with_foo() -> None:
    """What was added says by which rule, what was preferred is granted as bit and as group."""
    added = resolve(WITH_FOO, Request(required=BAR, prerequisites=ADD)).outcomes
    assert [(one.bits, one.role, one.reason, one.chain) for one in added] == [
        (FOO, Role.PREREQUISITE, Reason.ADDED, (BAR_NEEDS_FOO,)),
        (BAR, Role.REQUIRED, Reason.GRANTED, ()),
    ]
    preferred = resolve(WITH_FOO, Request(required=BAR, preferred=[FOO])).outcomes
    assert [(one.bits, one.role, one.reason, one.chain) for one in preferred] == [
        (FOO, Role.PREFERRED, Reason.GRANTED, ()),
        (BAR, Role.REQUIRED, Reason.GRANTED, ()),
        (FOO, Role.GROUP, Reason.GRANTED, ()),
    ]


@pytest.fixture
def refusal() -> Resolution:
    """Some refusal."""
    return resolve(host(FOO), BAR)


def test_an_answer_has_no_truth_value(refusal: Resolution) -> None:
    """Neither a no nor a yes: .ok has."""
    for answer in (refusal, resolve(host(), 0)):
        with pytest.raises(TypeError, match=r"^a Resolution has no truth value: ask \.ok$"):
            bool(answer)


USES: dict[str, Callable[[Resolution], object]] = {
    "mask": lambda answer: answer.mask,
    "flags": lambda answer: answer.flags,
    "pin": lambda answer: answer.pin(),
    "negotiate": lambda answer: negotiate(answer.support, answer.request),
}


@pytest.mark.parametrize("use", USES)
def test_a_refusal_has_no_mask(refusal: Resolution, use: str) -> None:
    """Whoever takes it gets the whole answer as an error, which pickles."""
    with pytest.raises(NegotiationError) as caught:
        USES[use](refusal)
    assert caught.value.resolution == refusal
    assert caught.value.args == (refusal,)
    assert str(caught.value) == str(refusal)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  # our own bytes
    assert again.resolution == refusal


def test_negotiate_returns_a_yes() -> None:
    """It is what resolve gives, with the mask and a view of it."""
    request = Request(required=FOO, preferred=[BAR])
    answer = negotiate(host(), request)
    assert answer == resolve(host(), request)
    assert (answer.mask, type(answer.mask)) == (0xC, int)
    assert (answer.flags, type(answer.flags)) == (FOO | BAR, Flag)


def test_every_bit_has_a_why() -> None:
    """One that was asked for, one that nobody asked for, and one that has no name."""
    answer = resolve(host(FOO | BAR), FOO)
    assert [answer.why(bit) for bit in (FOO, BAR, 1 << 7)] == [
        "FOO (bit 2, 0x4) is granted: required and supported",
        "BAR (bit 3, 0x8) is supported and not asked for",
        "bit 7 (0x80, not named by a-tree) is unsupported and not asked for",
    ]


def test_the_text_begins_with_the_headline() -> None:
    """A yes and a no of a profile name it there."""
    profile = Profile("secret", Request(required=FOO), "A use.")
    for answer in (resolve(host(FOO), profile), resolve(host(BAR), profile)):
        assert "secret" in answer.headline
        assert str(answer).splitlines()[0] == answer.headline


def test_three_kinds_of_wants() -> None:
    """A request, a profile, and a mask, which is wanted as a whole."""
    request = Request(required=FOO)
    of_profile = resolve(host(), Profile("p", request, "A use."))
    assert of_profile == evolve(resolve(host(), request), profile="p")
    assert resolve(host(), 4).request == Request(required=4)
    assert resolve(host(), FOO).request == request


@pytest.mark.parametrize("want", [-1, 1 << 64, True, 1.0, "FOO", None, [4]])
def test_nothing_else_is_a_want(want: Any) -> None:
    """The guard stands here as well."""
    with pytest.raises(InvalidMaskError):
        resolve(host(), want)


def test_a_text_is_not_a_want() -> None:
    """The error says how a name becomes a profile or a mask."""
    told = (
        r"^'fully-shared' is not a mask: catalog\.profiles has profiles, and parse_mask\(\) reads"
    )
    with pytest.raises(InvalidMaskError, match=told):
        resolve(host(), cast("int", "fully-shared"))


@pytest.mark.parametrize(
    ("support", "shown"),
    [(baseline([host()]), "an object of type Baseline"), (None, "None"), (3, "3")],
    ids=str,
)
def test_what_is_not_a_support(support: Any, shown: str) -> None:
    """A pool is resolved by its support, and that is said."""
    told = rf"^a Support is needed, not {shown}; that of a Baseline is its \.support$"
    with pytest.raises(TypeError, match=told):
        resolve(support, 1)


def test_a_pin_is_the_whole_request() -> None:
    """These flags and no other bit, same needs, stage and scope, under this very catalog."""
    needs = [Need("USER_MEMORY2", 1)]
    request = Request(
        preferred=[2, 1],
        needs=needs,
        prerequisites=Prerequisites.ADD,
        until=Stage.BIND,
        scope=Scope.SYSTEM,
    )
    assert resolve(dev_kvm(3), request).pin() == Request(
        required=F.MMAP | F.INIT_SHARED,
        forbidden=0xFFFF_FFFF_FFFF_FFFC,
        needs=needs,
        until=Stage.BIND,
        scope=Scope.SYSTEM,
        digest=MAINLINE.digest,
    )


def test_a_pin_under_another_catalog() -> None:
    """Names may have moved: the pin says so, and a catalog of the same meaning is the same."""
    pin = resolve(WITH_FOO, FOO | BAR).pin()
    assert resolve(WITH_FOO, pin).mask == 0xC
    reworded = evolve(BAR_NEEDS_FOO, why="It does.")
    for same in (WITH_FOO, host(FOO | BAR, reworded), host(0x3C, BAR_NEEDS_FOO)):
        assert resolve(same, pin).mask == 0xC
    moved = query(FakeBackend.narrow(0xC), tree())
    assert [one.reason for one in resolve(moved, pin).problems] == [Reason.CATALOG_CHANGED]


def test_a_changed_answer_decides_again() -> None:
    """An answer is made of a host and a request, so none can be forged."""
    answer = resolve(host(FOO), FOO)
    refused = evolve(answer, request=Request(required=BAR))
    assert not refused.ok
    assert evolve(refused, support=host()).mask == BAR
    for field, value, kind in (("request", 3, "Request"), ("profile", None, "str")):
        with pytest.raises(TypeError, match=f"^{field} must be a {kind}, not {value}$"):
            evolve(answer, **{field: cast("Any", value)})
