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
    Suggestion,
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
PREFER_BAR = "prefer BAR (bit 3, 0x8) instead of requiring it"
UNTIL_CREATE = "ask only until create (until=Stage.CREATE)"


def suggested(answer: Resolution) -> list[tuple[str, int]]:
    """Each change with its mask, after it was resolved once more: it must give that mask."""
    assert not answer.ok
    for suggestion in answer.suggestions:
        assert resolve(answer.support, suggestion.request).mask == suggestion.mask
        assert suggestion.request != answer.request
    return [(changes(suggestion), suggestion.mask) for suggestion in answer.suggestions]


def changes(suggestion: Suggestion) -> str:
    """What is to be changed, without the mask that it gives, which the text must name."""
    text, _, gives = suggestion.change.partition(", which gives ")
    assert gives.endswith(f"{suggestion.mask:#x})") or f"{suggestion.mask:#x}" in gives
    return text


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
        [(PREFER_BAR, 0x4)],
    ),
    "required and forbidden": (
        host(),
        Request(required=FOO, forbidden=FOO),
        [("do not forbid FOO (bit 2, 0x4)", 0x4)],
    ),
    "until": (
        host(FOO, Always(BAR, stage=Stage.BIND, **SAID)),
        Request(),
        [(UNTIL_CREATE, 0)],
    ),
    "until bind": (
        host(FOO, Always(BAR, stage=Stage.ACCESS, **SAID)),
        Request(until=Stage.ACCESS),
        [("ask only until bind (until=Stage.BIND)", 0)],
    ),
    "until, where two earlier stages differ": (
        host(FOO, Always(BAR, stage=Stage.BIND, **SAID)),
        Request(until=Stage.ACCESS),
        [(UNTIL_CREATE, 0)],
    ),
    "scope": (
        dev_kvm(ALL, tree()),
        Request(required=FOO),
        [("ask for an upper bound only (system scope)", 0x4)],
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
    ranked = resolve(host(FOO | BAZ), Request(required=BAZ | BAR, preferred=[FOO]))
    assert [s.request.preferred for s in ranked.suggestions] == [(FOO, BAR)]


def test_at_most_three() -> None:
    """Where a fourth one would help as well, the first three are told."""
    support = host(ALL, needs(BAR, FOO, stage=Stage.BIND))
    assert resolve(support, Request(required=BAR | QUX, until=Stage.CREATE)).ok
    assert suggested(resolve(support, Request(required=BAR | QUX))) == [
        ("require FOO (bit 2, 0x4) as well", 0x2C),
        ("allow prerequisites to be added", 0x2C),
        (PREFER_BAR, 0x20),
    ]


def test_one_minimal_set() -> None:
    """Where no single change helps, one set of which none can be left out."""
    request = Request(required=FOO | BAR | QUX, prerequisites=ADD)
    assert suggested(resolve(host(FOO | BAZ), request)) == [
        (f"{PREFER_BAR}; prefer QUX (bit 5, 0x20) instead of requiring it", 0x4)
    ]


def test_a_minimal_set_keeps_what_was_asked_for() -> None:
    """What is missing is added, where memory that nobody can touch would do as well."""
    (together,) = resolve(dev_kvm(3), Request(required=1)).suggestions
    assert changes(together).split("; ") == [
        "allow prerequisites to be added",
        "ask for an upper bound only (system scope)",
    ]
    assert (together.mask, together.request.until) == (3, Stage.ACCESS)


def test_each_of_a_minimal_set_is_needed() -> None:
    """Without any one of its changes the request is refused."""
    support = dev_kvm(BAR | BAZ, tree(Always(FOO, stage=Stage.BIND, **SAID)))
    request = Request(required=BAR | QUX, forbidden=BAZ)
    (together,) = resolve(support, request).suggestions
    assert changes(together).split("; ") == [
        "prefer QUX (bit 5, 0x20) instead of requiring it",
        UNTIL_CREATE,
        "ask for an upper bound only (system scope)",
    ]
    changed = together.request
    assert (changed.required, changed.preferred, changed.forbidden) == (BAR, (QUX,), BAZ)
    assert (changed.until, changed.scope, changed.digest) == (Stage.CREATE, Scope.SYSTEM, None)
    assert (together.mask, resolve(support, changed).mask) == (BAR, BAR)
    assert together.caveats[-1] == "an upper bound says nothing about one VM"


def test_of_the_stages_that_help_only_with_more_the_earliest() -> None:
    """A later one of them would undo it."""
    support = dev_kvm(ALL, tree(Never(FOO, stage=Stage.BIND, **SAID)))
    request = Request(required=FOO, prerequisites=ADD)
    assert suggested(resolve(support, request)) == [
        (f"{UNTIL_CREATE}; ask for an upper bound only (system scope)", 0x4)
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
    "a need is not met, which no change may drop": (
        host(),
        Request(required=FOO, needs=[Need("USERFAULT"), Need("USER_MEMORY2")]),
    ),
    "a profile's need is not met": (
        query(FakeBackend.narrow(3)),
        MAINLINE.profiles["private"].request,
    ),
    "it is pinned to another catalog": (host(), Request(required=FOO, digest="0" * 64)),
    "nobody knows the bit": (host(), Request(required=1 << 7)),
    "nobody knows one of the bits": (host(), Request(required=FOO | 1 << 7)),
    "it is the only flag that is required": (host(FOO), Request(required=BAR)),
    "nothing that was required is left": (host(QUX), Request(required=FOO | BAR)),
    "it is a flag of another tree": (host(), Request(required=FirecrackerFlag.WRITE)),
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
    assert suggested(resolve(host(FOO), request)) == [(PREFER_BAR, 0x4)]


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


def test_an_earlier_stage_says_what_it_is_not_good_for() -> None:
    """A kernel newer than the catalog may make MMAP alone useful; this one does not."""
    answer = resolve(query(FakeBackend.narrow(1)), 1)
    (only,) = [it for it in answer.suggestions if it.request.until is not Stage.ACCESS]
    assert (changes(only), only.mask) == ("ask only until bind (until=Stage.BIND)", 1)
    (caveat,) = only.caveats
    assert caveat.startswith("MMAP requires INIT_SHARED (at access, as of Linux 7.3): ")
    assert "SIGBUS" in caveat
    assert str(only) == f"{only.change}; {caveat}"


def test_a_suggestion_that_loses_nothing_has_no_caveat() -> None:
    """What it gives can be used until access."""
    answer = resolve(query(FakeBackend.narrow(3)), 1)
    assert [it.caveats for it in answer.suggestions[:2]] == [(), ()]
    assert [it.mask for it in answer.suggestions[:2]] == [3, 3]


def test_a_preference_is_no_suggestion_where_it_gives_no_flag() -> None:
    """Of two required flags one may be preferred; of one, none."""
    assert suggested(resolve(host(FOO), FOO | BAR)) == [(PREFER_BAR, 0x4)]
    assert suggested(resolve(host(0), FOO | BAR)) == []
