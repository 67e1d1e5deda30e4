"""The proof: ``resolve`` gives exactly the mask that trying every mask gives, or both refuse.

``GMEMFLAGS_CASES`` says how many cases to try; ``make prove`` tries many more.
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
    Reason,
    Refused,
    Request,
    Requires,
    Resolution,
    Rule,
    Scope,
    Stage,
    Support,
    query,
    resolve,
)
from gmemflags.testing import FakeBackend
from tests.property.exhaustive import (
    Case,
    Law,
    any_mask,
    applies,
    best,
    named,
    obeys,
    random_case,
)
from tests.scale import CASES
from tests.trees import flag_class

PARTS = 8
NUMBERS = {"W": 900, "X": 901, "Y": 902}
FLAGS_HI = 903
GUEST_MEMFD = 234


def rule_of(law: Law) -> Rule:
    """The library's rule for the oracle's."""
    why, source, stage = "It is so.", "a test", Stage(law.stage)
    hosts = Hosts(machines=law.machines, vm_types=law.types, except_vm_types=law.excepted)
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


def long_of(mask: int) -> int:
    """A mask as the C long that a kernel returns."""
    return mask - (1 << 64) if mask >> 63 else mask


def support_of(case: Case) -> Support:
    """What the library makes of the oracle's host, asked through a fake backend."""
    capabilities: dict[str, int | None] = {**MAINLINE.capabilities, **NUMBERS}
    if case.shape == "split":
        capabilities[Capability.GUEST_MEMFD_FLAGS_HI] = FLAGS_HI
    if case.guest_memfd is None:
        capabilities[Capability.GUEST_MEMFD] = None
    for name in NUMBERS.keys() - case.answers.keys() - case.errors.keys():
        capabilities[name] = None
    catalog = Catalog(
        "a-tree",
        flag_class({f"F{place}": 1 << place for place in case.places}),
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
    answers = {**shaped.answers, GUEST_MEMFD: case.guest_memfd or 0}
    answers |= {NUMBERS[name]: long_of(value) for name, value in case.answers.items()}
    for name, number in case.errors.items():
        answers[NUMBERS[name]] = OSError(number, os.strerror(number))
    backend = FakeBackend(
        answers,
        scope=Scope.SYSTEM if case.system else Scope.VM,
        host=HostFacts("6.18", case.machine, case.vm_type),
    )
    return query(backend, catalog)


def request_of(case: Case, catalog: Catalog) -> Request:
    """The library's request for the oracle's."""
    return Request(
        required=case.required,
        preferred=case.preferred,
        forbidden=case.forbidden,
        needs=[
            Need(
                need.capability,
                need.bits,
                any_of=need.ways,
                at_least=need.at_least,
                optional=need.optional,
            )
            for need in case.needs
        ],
        prerequisites=Prerequisites.ADD if case.add else Prerequisites.REFUSE,
        until=Stage(case.until),
        scope=Scope.SYSTEM if case.wants_system else Scope.VM,
        digest={True: catalog.digest, False: MAINLINE.digest, None: None}[case.pinned],
        flag_names=case.names,
    )


def answer_of(case: Case) -> Resolution:
    """The library's answer."""
    support = support_of(case)
    return resolve(support, request_of(case, support.catalog))


def check(case: Case) -> int | None:
    """Hold the library's answer to a case against the oracle's; return the latter."""
    answer, expected = answer_of(case), best(case)
    assert (answer.mask if answer.ok else None) == expected, case
    reasons = {problem.reason for problem in answer.problems}
    assert bool(reasons) is (expected is None), case
    if expected is not None:
        broken = [law for law in case.laws if applies(law, case) and not obeys(law, expected)]
        assert broken == [], case
    elif case.guest_memfd and not case.required & ~named(case):
        # The rules alone leave no mask, whatever is asked: that has a reason of its own.
        assert (Reason.NO_VALID_MASK in reasons) is not any_mask(case), case
    return expected


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
        expected = check(case)
        seen["granted"] += expected is not None
        if expected is not None:
            seen["group not granted"] += any(g & expected != g for g in case.preferred)
        else:
            seen["refused through a rule"] += best(case, laws=False) is not None
    if total < 2500:  # too few for the shares to be more than chance
        return
    assert seen["granted"] >= 0.3 * total, seen
    assert seen["group not granted"] >= 0.2 * total, seen
    assert seen["refused through a rule"] >= 0.1 * total, seen


@given(st.randoms(use_true_random=False))
def test_resolve_is_the_best_of_all_masks_and_failures_shrink(random: Random) -> None:
    """The same law where a failing case is made smaller before it is shown."""
    case = random_case(random)
    if readable(case):
        check(case)
