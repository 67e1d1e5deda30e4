"""Suggestions: what to change, tried before it is said; no more than three, and never in vain."""

import pytest

from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
    Always,
    Need,
    Never,
    Prerequisites,
    Reason,
    Request,
    Resolution,
    Scope,
    Stage,
    Support,
    query,
    resolve,
)
from gmemflags._mainline import FirecrackerFlag
from gmemflags.testing import FakeBackend
from tests.trees import (
    ALL,
    BAR,
    BAZ,
    FOO,
    FOO_EXCLUDES_BAR,
    QUX,
    SAID,
    answering,
    dev_kvm,
    host,
    needs,
    tree,
)

ADD = Prerequisites.ADD


def suggested(answer: Resolution) -> list[tuple[str, int]]:
    """Each change with its mask, after it was resolved once more: it must give that mask."""
    assert not answer.ok
    for suggestion in answer.suggestions:
        assert resolve(answer.support, suggestion.request).mask == suggestion.mask
        assert suggestion.request != answer.request
    return [(suggestion.change, suggestion.mask) for suggestion in answer.suggestions]


# Each single change by itself, on a host where nothing else helps.
SINGLES: dict[str, tuple[Support, Request, list[tuple[str, int]]]] = {
    "prerequisites": (
        host(ALL, Always(FOO, **SAID)),
        Request(),
        [
            ("require FOO (bit 2, 0x4) as well", 0x4),
            ("allow prerequisites to be added", 0x4),
        ],
    ),
    "several prerequisites": (
        host(ALL, Always(FOO | QUX, **SAID)),
        Request(),
        [
            ("require FOO|QUX (0x24) as well", 0x24),
            ("allow prerequisites to be added", 0x24),
        ],
    ),
    "do not forbid": (
        host(ALL, Always(FOO, **SAID)),
        Request(forbidden=FOO | BAR, prerequisites=ADD),
        [("do not forbid FOO (bit 2, 0x4)", 0x4)],
    ),
    "prefer an unsupported one": (
        host(FOO),
        Request(required=FOO | BAR),
        [("prefer BAR (bit 3, 0x8) instead of requiring it", 0x4)],
    ),
    "prefer an unnamed one": (
        host(),
        Request(required=FOO | 1),
        [("prefer bit 0 (0x1, not named by a-tree) instead of requiring it", 0x4)],
    ),
    "prefer one of another tree": (
        host(),
        Request(required=FirecrackerFlag.WRITE),
        [("prefer BAR (bit 3, 0x8) instead of requiring it", 0)],
    ),
    "required and forbidden": (
        host(),
        Request(required=FOO, forbidden=FOO),
        [
            ("do not forbid FOO (bit 2, 0x4)", 0x4),
            ("prefer FOO (bit 2, 0x4) instead of requiring it", 0),
        ],
    ),
    "until": (
        host(FOO, Always(BAR, stage=Stage.BIND, **SAID)),
        Request(),
        [("let rules count until create only", 0)],
    ),
    "until bind": (
        host(FOO, Always(BAR, stage=Stage.ACCESS, **SAID)),
        Request(until=Stage.ACCESS),
        [("let rules count until bind only", 0)],
    ),
    "until, where two earlier stages differ": (
        host(FOO, Always(BAR, stage=Stage.BIND, **SAID)),
        Request(until=Stage.ACCESS),
        [("let rules count until create only", 0)],
    ),
    "do without": (
        host(),
        Request(needs=[Need("USERFAULT"), Need("USER_MEMORY2")]),
        [("drop the need for KVM_CAP_USERFAULT", 0)],
    ),
    "scope": (
        dev_kvm(ALL, tree()),
        Request(required=FOO),
        [("ask for an upper bound only (system scope)", 0x4)],
    ),
    "pin": (
        host(),
        Request(required=FOO, digest="0" * 64),
        [("drop the binding to the other catalog", 0x4)],
    ),
}


@pytest.mark.parametrize(
    ("support", "request_", "changes"), list(SINGLES.values()), ids=list(SINGLES)
)
def test_single_changes(
    support: Support, request_: Request, changes: list[tuple[str, int]]
) -> None:
    """Every single change that helps, and no other."""
    assert suggested(resolve(support, request_)) == changes


def test_preferences_are_kept() -> None:
    """The changed request still prefers them: none becomes a demand."""
    support = host(ALL, needs(BAR, FOO))
    answer = resolve(support, Request(required=BAR, preferred=[QUX]))
    assert suggested(answer) == [
        ("require FOO (bit 2, 0x4) as well", 0x2C),
        ("allow prerequisites to be added", 0x2C),
        ("prefer BAR (bit 3, 0x8) instead of requiring it", 0x20),
    ]


def test_a_pinned_flag_of_another_tree_is_not_offered_by_its_bit() -> None:
    """A pin keeps the names, so no suggestion leads to the flag that another tree has there."""
    here = query(FakeBackend.narrow(0xF), FIRECRACKER_SECRET_FREE)
    pinned = resolve(here, FirecrackerFlag.NO_DIRECT_MAP).pin()
    answer = resolve(host(), pinned)
    assert Reason.MISNAMED in {problem.reason for problem in answer.problems}
    assert all(not suggestion.mask & FOO for suggestion in answer.suggestions)


def test_what_is_preferred_instead_comes_last() -> None:
    """A requirement that becomes a preference does not outrank those that were there."""
    answer = resolve(host(ALL, FOO_EXCLUDES_BAR), Request(required=FOO | BAR))
    assert [s.request.preferred for s in answer.suggestions] == [(FOO,), (BAR,)]
    ranked = resolve(host(FOO), Request(required=BAR, preferred=[FOO]))
    assert [s.request.preferred for s in ranked.suggestions] == [(FOO, BAR)]


def test_at_most_three() -> None:
    """Where a fourth one would help as well, the first three are told."""
    support = host(ALL, needs(BAR, FOO, stage=Stage.BIND))
    assert resolve(support, Request(required=BAR, until=Stage.CREATE)).ok
    assert suggested(resolve(support, Request(required=BAR))) == [
        ("require FOO (bit 2, 0x4) as well", 0xC),
        ("allow prerequisites to be added", 0xC),
        ("prefer BAR (bit 3, 0x8) instead of requiring it", 0),
    ]


def test_one_minimal_set() -> None:
    """Where no single change helps, one set of which none can be left out."""
    request = Request(required=FOO | BAR | 1, needs=[Need("USERFAULT"), Need("USER_MEMORY2")])
    assert suggested(resolve(host(FOO), request)) == [
        (
            (
                "prefer bit 0 (0x1, not named by a-tree) instead of requiring it;"
                " prefer BAR (bit 3, 0x8) instead of requiring it;"
                " drop the need for KVM_CAP_USERFAULT"
            ),
            0x4,
        )
    ]


def test_each_of_a_minimal_set_is_needed() -> None:
    """Without any one of its changes the request is refused."""
    support = dev_kvm(BAR | BAZ, tree(Always(FOO, stage=Stage.BIND, **SAID)))
    request = Request(required=BAR | 1, forbidden=BAZ, digest="0" * 64)
    (together,) = resolve(support, request).suggestions
    assert together.change.split("; ") == [
        "prefer bit 0 (0x1, not named by a-tree) instead of requiring it",
        "let rules count until create only",
        "ask for an upper bound only (system scope)",
        "drop the binding to the other catalog",
    ]
    changed = together.request
    assert (changed.required, changed.preferred, changed.forbidden) == (BAR, (1,), BAZ)
    assert (changed.until, changed.scope, changed.digest) == (Stage.CREATE, Scope.SYSTEM, None)
    assert (together.mask, resolve(support, changed).mask) == (BAR, BAR)


def test_of_the_stages_that_help_only_with_more_the_earliest() -> None:
    """A later one of them would undo it."""
    support = host(ALL, Never(FOO, stage=Stage.BIND, **SAID))
    request = Request(
        required=FOO, needs=[Need("USERFAULT")], until=Stage.ACCESS, prerequisites=ADD
    )
    assert suggested(resolve(support, request)) == [
        ("let rules count until create only; drop the need for KVM_CAP_USERFAULT", 0x4)
    ]


NOTHING_HELPS: dict[str, tuple[Support, Request]] = {
    "no guest_memfd": (
        query(FakeBackend({231: 1, 234: 0, 244: 0x3C})),
        Request(required=1, needs=[Need("USERFAULT")]),
    ),
    "nobody asked": (answering(MAINLINE), Request()),
    "no mask is valid": (
        host(ALL, Always(FOO, **SAID), Never(FOO, **SAID)),
        Request(required=BAR, forbidden=QUX),
    ),
    "the host lacks what it forces": (
        host(BAR, Always(FOO, **SAID)),
        Request(until=Stage.CREATE, prerequisites=ADD, scope=Scope.SYSTEM),
    ),
}


@pytest.mark.parametrize(
    ("support", "request_"), list(NOTHING_HELPS.values()), ids=list(NOTHING_HELPS)
)
def test_nothing_helps(support: Support, request_: Request) -> None:
    """Then nothing is suggested: no change of a request makes another host."""
    answer = resolve(support, request_)
    assert suggested(answer) == []
    assert "try:" not in str(answer)


def test_a_yes_needs_no_suggestion() -> None:
    """Not even for a preference that was not granted."""
    answer = resolve(host(FOO), Request(preferred=[BAR]))
    assert (answer.mask, answer.suggestions) == (0, ())


def test_no_change_of_what_is_so_already() -> None:
    """A request for creation alone, with prerequisites, at system scope, has fewer changes left."""
    request = Request(required=FOO | BAR, until=Stage.CREATE, prerequisites=ADD, scope=Scope.SYSTEM)
    assert suggested(resolve(host(FOO), request)) == [
        ("prefer BAR (bit 3, 0x8) instead of requiring it", 0x4)
    ]


def test_an_unnamed_bit_stays_forbidden() -> None:
    """No rule can need it, so to allow it helps nobody."""
    support = host(ALL, Always(FOO, **SAID))
    request = Request(forbidden=~BAR, prerequisites=ADD)
    assert suggested(resolve(support, request)) == [("do not forbid FOO (bit 2, 0x4)", 0x4)]


def test_all_that_is_forbidden_at_once() -> None:
    """Two rules force two forbidden bits: only to allow both helps."""
    support = host(ALL, Always(FOO, **SAID), Always(BAR, **SAID))
    request = Request(forbidden=FOO | BAR | BAZ, prerequisites=ADD)
    assert suggested(resolve(support, request)) == [
        ("do not forbid FOO (bit 2, 0x4); do not forbid BAR (bit 3, 0x8)", 0xC)
    ]
