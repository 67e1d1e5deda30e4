"""Replay: resolve a recorded decision once more, and tell whether the answer is still the same.

No kernel is asked: host, catalog and request are those of the record. What may have changed since
is this library, or the record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, frozen

from gmemflags._format import describe_mask
from gmemflags._resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gmemflags._problems import Problem
    from gmemflags._resolve import Resolution


@frozen(kw_only=True)
class Replay:
    """A decision as it was ``recorded``, and as it is made ``now``; ``str()`` tells both."""

    __module__ = "gmemflags.records"

    recorded: Resolution
    now: Resolution

    @property
    def same(self) -> bool:
        """Whether the answer is the same: its mask, or the problems, however they are worded."""
        return not self.differences

    @property
    def differences(self) -> tuple[str, ...]:
        """What differs, a sentence each."""
        return tuple(_differences(self.recorded, self.now))

    def __str__(self) -> str:
        lines = [f"recorded: {self.recorded.headline}", f"now: {self.now.headline}"]
        if self.same:
            return f"the same answer\n  {lines[1]}"
        return "\n  ".join(["another answer", *lines, *self.differences])


def resolved_again(recorded: Resolution) -> Replay:
    """The replay of a decision."""
    return Replay(recorded=recorded, now=resolve(recorded.support, recorded.request))


def _differences(recorded: Resolution, now: Resolution) -> Iterator[str]:
    if recorded.ok or now.ok:
        yield from _other_mask(recorded, now)
    else:
        before = {_unworded(problem): problem for problem in recorded.problems}
        after = {_unworded(problem): problem for problem in now.problems}
        for key, problem in before.items():
            if key not in after:
                yield f"recorded, and no problem now: {problem}"
        for key, problem in after.items():
            if key not in before:
                yield f"a problem now, and not recorded: {problem}"


def _unworded(problem: Problem) -> Problem:
    return evolve(problem, message="")


def _other_mask(recorded: Resolution, now: Resolution) -> Iterator[str]:
    catalog = now.support.catalog
    if not now.ok:
        yield f"{describe_mask(recorded.mask, catalog)} was granted, and is refused now"
        yield from (f"a problem now: {problem}" for problem in now.problems)
    elif not recorded.ok:
        yield f"it was refused, and {describe_mask(now.mask, catalog)} is granted now"
        yield from (f"a problem then: {problem}" for problem in recorded.problems)
    else:
        for mask, told in (
            (recorded.mask & ~now.mask, "was granted, and is not now"),
            (now.mask & ~recorded.mask, "is granted now, and was not"),
        ):
            if mask:
                yield f"{describe_mask(mask, catalog)} {told}"
