"""The proof: ``resolve`` gives exactly the mask that trying every mask gives, or both refuse.

``GMEMFLAGS_CASES`` says how many cases to try; ``make prove`` tries a million.
"""

from __future__ import annotations

import os
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmemflags import (
    MAINLINE,
    Always,
    Capability,
    Catalog,
    Excludes,
    HostFacts,
    Hosts,
    Need,
    Never,
    Prerequisites,
    Refused,
    Request,
    Requires,
    Rule,
    Scope,
    Stage,
    Support,
    query,
    resolve,
)
from gmemflags.testing import FakeBackend
from tests.property.exhaustive import Case, Law, best, random_case
from tests.scale import CASES
from tests.trees import flag_class

PARTS = 8
NUMBERS = {"X": 901, "Y": 902}
FLAGS_HI = 900
GUEST_MEMFD = 234


def rule_of(law: Law) -> Rule:
    """The library's rule for the oracle's."""
    why, source, stage = "It is so.", "a test", Stage(law.stage)
    hosts = Hosts(machines=law.machines, vm_types=law.types)
    match law.kind:
        case "requires":
            return Requires(
                law.a,
                all_of=law.b,
                any_of=law.ways,
                why=why,
                source=source,
                stage=stage,
                hosts=hosts,
            )
        case "always":
            return Always(law.a, any_of=law.ways, why=why, source=source, stage=stage, hosts=hosts)
        case "excludes":
            return Excludes(law.a, law.b, why=why, source=source, stage=stage, hosts=hosts)
        case "never":
            return Never(law.a, why=why, source=source, stage=stage, hosts=hosts)
        case _:
            return Refused(law.a, why=why, source=source, stage=stage, hosts=hosts)


def support_of(case: Case) -> Support:
    """What the library makes of the oracle's host, asked through a fake backend."""
    capabilities: dict[str, int | None] = {**MAINLINE.capabilities, **NUMBERS}
    if case.shape == "split":
        capabilities[Capability.GUEST_MEMFD_FLAGS_HI] = FLAGS_HI
    catalog = Catalog(
        "a-tree",
        flag_class("Flag", {f"F{place}": 1 << place for place in case.places}),
        capabilities,
        rules=[rule_of(law) for law in case.laws],
    )
    match case.shape:
        case "narrow":
            shaped = FakeBackend.narrow(case.listed)
        case "split":
            shaped = FakeBackend.split(case.listed, flags_hi=FLAGS_HI)
        case _:
            shaped = FakeBackend.wide(case.listed)
    answers = {**shaped.answers, GUEST_MEMFD: int(case.there)}
    answers |= {NUMBERS[name]: value for name, value in case.answers.items()}
    backend = FakeBackend(
        answers,
        scope=Scope.SYSTEM if case.system else Scope.VM,
        host=HostFacts("6.18", case.machine, case.vm_type),
    )
    return query(backend, catalog)


def request_of(case: Case) -> Request:
    """The library's request for the oracle's."""
    return Request(
        required=case.required,
        preferred=case.preferred,
        forbidden=case.forbidden,
        needs=[Need(name, wanted, any_of=ways) for name, wanted, ways in case.needs],
        prerequisites=Prerequisites.ADD if case.add else Prerequisites.REFUSE,
        until=Stage(case.until),
        scope=Scope.SYSTEM if case.wants_system else Scope.VM,
    )


def mask_of(case: Case) -> int | None:
    """The library's answer."""
    resolution = resolve(support_of(case), request_of(case))
    return resolution.mask if resolution.ok else None


def readable(case: Case) -> bool:
    """Whether no word of the host's looks like an errno or, at 64 bits, like a smaller word."""
    words = (case.listed & 0xFFFFFFFF, case.listed >> 32)
    return all(word < 0xFFFFF001 for word in words)


@pytest.mark.parametrize("part", range(PARTS))
def test_resolve_is_the_best_of_all_masks(part: int) -> None:
    """Over many random cases of every kind, the search over all subsets agrees."""
    random = Random(f"gmemflags {part}")  # noqa: S311  # chance, not secrets
    seen: Counter[str] = Counter()
    total = CASES // PARTS
    for _ in range(total):
        case = random_case(random)
        if not readable(case):
            continue
        expected = best(case)
        assert mask_of(case) == expected, case
        seen["granted"] += expected is not None
        if expected is not None:
            seen["group not granted"] += any(g & expected != g for g in case.preferred)
        else:
            seen["refused through a rule"] += best(case, laws=False) is not None
    if total < 2500:  # too few for the shares to be more than chance
        return
    assert seen["granted"] >= 0.3 * total, seen
    assert seen["group not granted"] >= 0.2 * total, seen
    assert seen["refused through a rule"] >= 0.2 * total, seen


@given(st.randoms(use_true_random=False))
def test_resolve_is_the_best_of_all_masks_and_failures_shrink(random: Random) -> None:
    """The same law where a failing case is made smaller before it is shown."""
    case = random_case(random)
    if readable(case):
        assert mask_of(case) == best(case)
