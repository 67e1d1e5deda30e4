"""The rules that are learnt from kernels that hide theirs, as text, each with its why."""

import errno

import pytest

from gmemflags import Rule
from tests.negotiation.hidden import BAR, BAZ, FOO, KERNELS, QUX, THREE, TREE
from tests.probing import (
    always,
    excludes,
    never,
    obeying,
    refused,
    reported,
    requires,
    swept,
    texts,
)


@pytest.mark.parametrize("name", KERNELS)
def test_the_rules_of_a_kernel_are_learnt(name: str) -> None:
    """All of them, and no others; bits that are not listed are not spoken of."""
    listed, judge, rules = KERNELS[name]
    assert sorted(texts(swept(TREE, listed, judge))) == sorted(rules)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (
            requires(BAR, FOO),
            "Observed: BAR (bit 1, 0x2) is refused, FOO|BAR (0x3) is taken.",
        ),
        (
            always(BAR),
            "Observed: no flag (0x0) is refused, BAR (bit 1, 0x2) is taken.",
        ),
        (never(BAR), "Observed: BAR (bit 1, 0x2) is refused."),
        (excludes(FOO, BAR), "Observed: FOO|BAR (0x3) is refused."),
        (
            requires(FOO, any_of=(BAR, BAZ)),
            "Observed: FOO (bit 0, 0x1) is refused, FOO|BAR (0x3) is taken.",
        ),
        (
            refused(THREE),
            "Observed: it is refused, and no simpler rule explains it.",
        ),
    ],
    ids=["Requires", "Always", "Never", "Excludes", "any-of", "Refused"],
)
def test_why_is_what_was_observed(rule: Rule, why: str) -> None:
    """The simplest mask that the rule refuses, and the simplest that has more and is taken."""
    report = swept(TREE, THREE, obeying(rule))
    (learnt,) = report.as_catalog("learnt").rules
    assert learnt.why == why
    assert learnt.source == report.source


def test_the_simplest_is_the_one_with_the_fewest_flags() -> None:
    """Not the smallest number."""
    report = reported(TREE, 0, {0: 0, FOO | BAR: errno.EINVAL, BAZ: errno.EINVAL})
    (rule,) = report.rules
    assert rule.why == "Observed: BAZ (bit 2, 0x4) is refused."


def test_the_simplest_that_is_taken_has_the_fewest_flags_as_well() -> None:
    """Of what was taken with the same flag, too, the smallest number is not the simplest."""
    taken = {FOO | BAR | BAZ: 0, FOO | QUX: 0}
    report = reported(TREE, 0xF, {0: 0, FOO: errno.EINVAL, **taken})
    (rule,) = report.rules
    assert rule.why == "Observed: FOO (bit 0, 0x1) is refused, FOO|QUX (0x9) is taken."


def test_a_refusal_for_another_reason_is_no_evidence() -> None:
    """ENOMEM says nothing of flags."""
    assert not reported(TREE, 0, {0: 0, FOO: errno.ENOMEM}).rules
