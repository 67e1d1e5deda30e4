"""The types of an answer, of pools and of comparisons: checked, never run."""

from collections.abc import Mapping
from typing import assert_type

import gmemflags
from gmemflags import (
    MAINLINE,
    Baseline,
    Comparison,
    FlagWord,
    GuestMemfdFlag,
    Lacking,
    Loss,
    Need,
    Outcome,
    Problem,
    Reason,
    Request,
    Resolution,
    Role,
    Rule,
    Suggestion,
    Support,
    baseline,
    compare,
    negotiate,
    resolve,
)


def resolutions(support: Support) -> None:
    """A request, a profile or a mask; the answer is a value."""
    assert_type(resolve(support, 1), Resolution)
    assert_type(resolve(support, GuestMemfdFlag.MMAP), Resolution)
    assert_type(resolve(support, MAINLINE.profiles["private"]), Resolution)
    answer = negotiate(support, Request(required=GuestMemfdFlag.MMAP, preferred=[2]))
    assert_type(answer, Resolution)
    assert_type(answer.support, Support)
    assert_type(answer.request, Request)
    assert_type(answer.mask, int)
    assert_type(answer.flags, FlagWord)
    assert_type(answer.ok, bool)
    assert_type(answer.headline, str)
    assert_type(answer.problems, tuple[Problem, ...])
    assert_type(answer.outcomes, tuple[Outcome, ...])
    assert_type(answer.suggestions, tuple[Suggestion, ...])
    assert_type(answer.advice, tuple[str, ...])
    assert_type(answer.why(1), str)
    assert_type(answer.pin(), Request)


def parts(problem: Problem, outcome: Outcome, suggestion: Suggestion) -> None:
    """What an answer is made of."""
    assert_type(problem.reason, Reason)
    assert_type(problem.bits, int)
    assert_type(problem.rules, tuple[Rule, ...])
    assert_type(problem.need, Need | None)
    assert_type(problem.message, str)
    assert_type(outcome.bits, int)
    assert_type(outcome.role, Role)
    assert_type(outcome.granted, bool)
    assert_type(outcome.reason, Reason)
    assert_type(outcome.chain, tuple[Rule, ...])
    assert_type(suggestion.change, str)
    assert_type(suggestion.request, Request)
    assert_type(suggestion.mask, int)
    assert_type(suggestion.caveats, tuple[str, ...])
    assert_type(outcome.message, str)


def pools(support: Support) -> None:
    """Hosts, and pools of hosts, make a pool."""
    pool = baseline([support])
    assert_type(pool, Baseline)
    assert_type(baseline((support, pool)), Baseline)
    assert_type(pool.support, Support)
    assert_type(pool.count, int)
    assert_type(pool.first, tuple[str, ...])
    assert_type(pool.lacking, Mapping[int, Lacking])
    assert_type(pool.lacking[1].count, int)
    assert_type(pool.lacking[1].first, tuple[str, ...])
    assert_type(pool.unanswered, tuple[int, int])
    assert_type(pool.headline, str)
    assert_type(pool.notes, tuple[str, ...])


def comparisons(a: Support, b: Support) -> None:
    """Two hosts."""
    comparison = compare(a, b)
    assert_type(comparison, Comparison)
    assert_type((comparison.a, comparison.b), tuple[Support, Support])
    assert_type(comparison.safe, bool)
    assert_type(comparison.lost, tuple[Loss, ...])
    assert_type(comparison.gained, tuple[Loss, ...])
    assert_type(comparison.doubts, tuple[str, ...])
    assert_type(comparison.headline, str)
    loss = comparison.lost[0]
    assert_type((loss.capability, loss.bits), tuple[str, int])
    assert_type(loss.rules, tuple[Rule, ...])
    assert_type(loss.message, str)


def mistakes(support: Support) -> None:
    """An ignore that is not needed is an error."""
    assert gmemflags.queyr  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # a typo
    resolve(support, "MMAP")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    resolve(support, 1).mask = 1  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    baseline(support)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    compare(support)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def no_truth_value(support: Support) -> None:
    """Pyright refuses the question, mypy knows that what follows is never reached."""
    if resolve(support, 1):  # pyright: ignore[reportGeneralTypeIssues]
        assert support  # type: ignore[unreachable]
