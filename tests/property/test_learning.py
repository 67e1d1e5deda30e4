"""Learning against brute force, at each stage: what rules allow and claim; none is idle."""

import errno
from collections.abc import Callable, Iterable
from itertools import product

from attrs import evolve
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gmemflags import (
    Always,
    Catalog,
    Excludes,
    HostFacts,
    Hosts,
    Never,
    Prerequisites,
    Request,
    Requires,
    Rule,
    Stage,
    bits,
    lint,
    resolve,
)
from gmemflags.linux import Observation, ProbeReport
from tests.probing import (
    Judge,
    always,
    excludes,
    never,
    obeying,
    reported,
    requires,
    subsets,
    swept,
    tree,
)
from tests.property.hidden import SIX as SIX_BITS
from tests.property.hidden import StagedKernel, kernels, rules_over, staged_kernels

TREE = tree(*"ABCDEFGH")
Holds = Callable[[int], bool]

SIX = subsets(0b11_1111)
_OTHER = errno.ENOMEM
_ANSWERS = (0, 0, 0, errno.EINVAL, errno.EINVAL, errno.EINVAL, _OTHER)
_TOUCHES = (0, 0, 0, errno.EFAULT, errno.EFAULT, errno.ENODEV, _OTHER)
observations = st.one_of(
    st.builds(Observation, st.sampled_from(_ANSWERS)),
    st.builds(Observation, st.just(0), st.sampled_from(_ANSWERS)),
    st.builds(Observation, st.just(0), st.just(0), st.sampled_from(_TOUCHES)),
)
# What was seen of six bits, some of them listed: anything, so also what no kernel would do.
partial = st.builds(
    reported,
    st.just(TREE),
    st.sampled_from(SIX),
    st.dictionaries(st.sampled_from(SIX), observations, max_size=40),
)


def swept_stages(kernel: StagedKernel) -> ProbeReport:
    """The report of a kernel of which everything was tried."""
    return swept(TREE, kernel.listed, kernel.create, kernel.bind, kernel.access)


reports = st.one_of(
    partial,
    kernels.map(lambda kernel: swept(TREE, *kernel)),
    staged_kernels.map(swept_stages),
)

# A, B and C require each other, as far as refusals show: A and B, B and C, but not A and C.
RING_IN_PART = reported(TREE, 0b111, {0: 0, 0b111: 0, 0b101: 22, 0b010: 22})
# A and B come together only; that they exclude C is seen of B alone.
CLASS_IN_PART = reported(TREE, 0b111, {0: 0, 0b011: 0, 0b100: 0, 0b001: 22, 0b010: 22, 0b110: 22})
# A requires C, B requires D, and C excludes D: so A excludes B, which is seen as well.
SQUARE_IN_PART = reported(
    TREE, 0xF, {0: 0, 0b0100: 0, 0b1000: 0, 0b0101: 0, 0b1010: 0, 0b0011: 22, 0b1100: 22}
)
# F requires A, B and C, which require F at BIND: so A requires B, though no failure shows it.
BIND_IN_PART = reported(
    TREE,
    0b10_0111,
    {
        **{mask: Observation(0) for mask in (0b001, 0b010)},
        **{mask: Observation(0, 0) for mask in (0, 0b10_0111)},
        0b10_0000: Observation(errno.EINVAL),
        0b111: Observation(0, errno.EINVAL),
    },
)


def in_part(test: Callable[[ProbeReport], None]) -> Callable[[ProbeReport], None]:
    """Try the reports above as well, besides random ones."""
    for report in (RING_IN_PART, CLASS_IN_PART, SQUARE_IN_PART, BIND_IN_PART):
        test = example(report)(test)
    return given(reports)(test)


def allowed(rules: Iterable[Rule]) -> Holds:
    """Whether a mask breaks none of these rules."""
    listed = tuple(rules)
    return lambda mask: all(rule.holds(mask) for rule in listed)


def at(report: ProbeReport, stage: Stage) -> list[Rule]:
    """The rules that were learned at one stage."""
    return [rule for rule in report.rules if rule.stage is stage]


def fails(report: ProbeReport, stage: Stage) -> set[int]:
    """The masks that fail at a stage, but for those that are refused because of unlisted bits."""
    known = report.support.mask
    for mask in report.works(Stage.CREATE):
        known |= mask
    return {mask for mask in report.fails(stage) if not mask & ~known}


@given(staged_kernels)
def test_rules_of_each_stage_are_learned_back_exactly(kernel: StagedKernel) -> None:
    """Rules and failing masks say what the hidden rules say, of all that came that far."""
    report = swept_stages(kernel)
    assert report.complete
    assert not report.undetermined
    came = set(subsets(kernel.listed))
    for stage in Stage:
        hidden, found = allowed(kernel.rules[stage]), allowed(at(report, stage))
        came -= report.not_mappable if stage is Stage.ACCESS else set()
        through = {mask for mask in came if hidden(mask)}
        odd = report.unexplained & report.fails(stage)
        assert {mask for mask in came if found(mask)} - odd == through
        came = through


@given(kernels)
def test_rules_and_refused_masks_allow_exactly_what_works(kernel: tuple[int, Judge]) -> None:
    """Over all subsets of the listed bits, for kernels without any order, too."""
    listed, judge = kernel
    report = swept(TREE, listed, judge)
    holds = allowed(report.rules)
    says = {mask for mask in subsets(listed) if holds(mask)} - report.unexplained
    assert says == {mask for mask in subsets(listed) if not judge(mask)}


@in_part
def test_no_rule_contradicts_an_observation(report: ProbeReport) -> None:
    """Whatever was seen, also in part."""
    for rule in report.rules:
        assert all(rule.holds(mask) for mask in report.works(rule.stage))


@in_part
def test_every_rule_has_a_witness(report: ProbeReport) -> None:
    """Some mask that fails at its stage breaks it; other errnos bear witness to nothing."""
    for rule in report.rules:
        assert any(not rule.holds(mask) for mask in fails(report, rule.stage))


@in_part
def test_unexplained_are_the_failing_masks_that_no_rule_forbids(report: ProbeReport) -> None:
    """No more and no fewer."""
    rest: set[int] = set()
    for stage in Stage:
        rest |= set(filter(allowed(at(report, stage)), fails(report, stage)))
    assert report.unexplained == rest


@in_part
def test_what_is_said_of_every_mask_holds_for_those_that_cannot_be_mapped(
    report: ProbeReport,
) -> None:
    """A file without flags cannot be mapped, and nothing is wrong with it."""
    for rule in report.rules:
        if rule.stage is Stage.ACCESS and isinstance(rule, (Always, Never)):
            assert all(rule.holds(mask) for mask in report.not_mappable)


def pairwise(report: ProbeReport) -> list[Rule]:
    """The rules that were learned about one flag or two."""
    return [rule for rule in report.rules if not getattr(rule, "any_of", ())]


def claims(report: ProbeReport, stage: Stage) -> list[Holds]:
    """By brute force: each fact about one bit or two that holds at a stage, with a witness."""
    works, failing = report.works(stage), fails(report, stage)
    seen = [bit for bit in bits(0xFF) if any(mask & bit for mask in works)]
    dead = [bit for bit in bits(0xFF) if bit not in seen and report.complete]
    facts: list[Holds] = [
        *(lambda mask, a=a: not mask & a for a in dead),
        *(lambda mask, a=a: bool(mask & a) for a in seen),
        *(lambda mask, a=a, b=b: not mask & a or bool(mask & b) for a, b in product(seen, seen)),
        *(
            lambda mask, a=a, b=b: not (mask & a and mask & b)
            for a, b in product(seen, seen)
            if a < b
        ),
    ]
    return [
        fact
        for fact in facts
        if all(fact(mask) for mask in works) and any(not fact(mask) for mask in failing)
    ]


@in_part
def test_every_fact_about_one_flag_or_two_follows_from_the_rules(report: ProbeReport) -> None:
    """All Requires, Excludes, Always and Never that hold and have a witness."""
    assume(not report.not_mappable)
    for stage in Stage:
        holds = allowed(rule for rule in pairwise(report) if rule.stage <= stage)
        for fact in claims(report, stage):
            assert all(fact(mask) for mask in subsets(0xFF) if holds(mask))


@in_part
def test_nothing_is_said_of_an_undetermined_flag(report: ProbeReport) -> None:
    """A rule about a flag that was in no mask created would be a guess, until all was tried."""
    for rule in report.rules:
        for operand in rule.operands:
            assert not operand & report.undetermined


def equivalents(holds: Holds, bit: int) -> int:
    """The bits that are in exactly those masks that ``bit`` is in."""
    masks = [mask for mask in subsets(0xFF) if holds(mask)]
    return sum(
        other
        for other in bits(0xFF)
        if all(bool(mask & bit) == bool(mask & other) for mask in masks)
    )


def weaker(rule: Rule, holds: Holds) -> list[Rule]:
    """``rule`` with one flag less in its last operand, or one class of equivalent flags."""
    if isinstance(rule, Requires):
        parts = {rule.all_of & equivalents(holds, bit) for bit in bits(rule.all_of)}
        return [requires(rule.flag, rule.all_of & ~part) for part in parts]
    if isinstance(rule, Excludes):
        parts = {rule.b & equivalents(holds, bit) for bit in bits(rule.b)}
        return [excludes(rule.a, rule.b & ~part) for part in parts]
    if isinstance(rule, Always):
        return [always(rule.all_of & ~bit) for bit in bits(rule.all_of)]
    assert isinstance(rule, Never)
    return [never(rule.mask & ~bit) for bit in bits(rule.mask & 0xFF)]


@in_part
def test_no_part_of_a_rule_follows_from_the_others(report: ProbeReport) -> None:
    """They are the transitive reduction: with any part left out, more masks are allowed.

    A rule about two flags does not follow from rules of earlier stages either.
    """
    assume(not report.not_mappable)
    for rule in pairwise(report):
        stages = {rule.stage} if isinstance(rule, (Always, Never)) else range(rule.stage + 1)
        rules = [other for other in pairwise(report) if other.stage in stages]
        others = [other for other in rules if other is not rule]
        holds = allowed(rules)
        for less in weaker(rule, holds):
            more = allowed([*others, less])
            assert any(more(mask) and not holds(mask) for mask in subsets(0xFF))


@in_part
def test_no_any_of_rule_is_idle(report: ProbeReport) -> None:
    """Without it a mask that fails would be allowed, and no alternative repeats a need."""
    for rule in report.rules:
        ways = getattr(rule, "any_of", ())
        if ways:
            others = [other for other in at(report, rule.stage) if other is not rule]
            assert any(map(allowed(others), fails(report, rule.stage)))
            holds = allowed(other for other in pairwise(report) if other.stage is rule.stage)
            for way in ways:
                near = [mask for mask in subsets(0xFF) if (way & ~mask).bit_count() == 1]
                missing = {way & ~mask for mask in near if holds(mask)}
                assert missing == set(bits(way))


@in_part
def test_any_of_tells_more_than_it_takes(report: ProbeReport) -> None:
    """It has at most one alternative more than failing masks that it explains, and two at least."""
    for rule in report.rules:
        ways = getattr(rule, "any_of", ())
        broken = sum(not rule.holds(mask) for mask in fails(report, rule.stage))
        assert len(ways) <= broken + 1
        assert len(ways) != 1


@given(staged_kernels, st.data())
def test_nothing_that_fails_is_ever_resolved(kernel: StagedKernel, data: st.DataObject) -> None:
    """With the learned catalog, whatever the request, up to its stage."""
    report = swept_stages(kernel)
    host = report.support.under(report.as_catalog("learned"))
    masks = st.sampled_from(subsets(0xFF))
    until = data.draw(st.sampled_from(Stage), "until")
    request = Request(
        required=data.draw(masks, "required"),
        preferred=data.draw(st.lists(masks, max_size=4), "preferred"),
        forbidden=data.draw(masks, "forbidden"),
        prerequisites=data.draw(st.sampled_from(Prerequisites), "prerequisites"),
        until=until,
    )
    answer = resolve(host, request)
    if answer.ok:
        seen = report.observations[answer.mask]
        assert [seen.at(stage) for stage in Stage if stage < until] == [0] * until
        assert seen.at(until) == 0 or answer.mask in report.not_mappable


@given(staged_kernels, st.sampled_from(Stage))
def test_what_works_is_resolved(kernel: StagedKernel, until: Stage) -> None:
    """The learned catalog refuses nothing that works."""
    report = swept_stages(kernel)
    host = report.support.under(report.as_catalog("learned"))
    for mask in report.works(until):
        assert resolve(host, Request(required=mask, until=until)).ok


@given(kernels)
def test_the_learned_catalog_is_clean(kernel: tuple[int, Judge]) -> None:
    """Lint has nothing to say of it but that no mask can hold what no mask holds."""
    listed, judge = kernel
    report = swept(TREE, listed, judge)
    held = 0
    for mask in report.works(Stage.CREATE):
        held |= mask
    assume(report.works(Stage.CREATE))
    dead = [fault for fault in lint(report.as_catalog("learned")) if "no mask can hold" in fault]
    assert list(lint(report.as_catalog("learned"))) == dead
    assert len(dead) == len(bits(listed & ~held))


_machines = st.sampled_from(["x86_64", "AMD64", "i686", "aarch64", "arm64", "riscv64", "toaster"])
_TYPES = [0, 4, 5, 36, 1 << 31, 1 << 31 | 33]
_vm_types = st.sampled_from(_TYPES)
_facts = st.builds(
    HostFacts, machine=st.none() | st.just("") | _machines, vm_type=st.none() | _vm_types
)
_probed = st.builds(HostFacts, machine=_machines, vm_type=_vm_types) | _facts
_few = st.just(()) | st.lists(_vm_types, max_size=2)
# One kernel takes all that it lists, and so contradicts every rule for its host.
_learnable = staged_kernels | st.integers(0, SIX_BITS).map(
    lambda listed: StagedKernel(listed, obeying(), obeying(), obeying(), ((), (), ()))
)
_hosts = st.builds(
    Hosts,
    machines=st.just(()) | st.lists(_machines, max_size=2),
    vm_types=_few,
    except_vm_types=_few,
)


def report_of(catalog: Catalog, kernel: StagedKernel, facts: HostFacts) -> ProbeReport:
    """The report of a kernel of which everything was tried, on a host of some kind."""
    report = swept_stages(kernel)
    return evolve(report, support=evolve(report.support.under(catalog), host=facts))


@st.composite
def ruled_reports(draw: st.DrawFn) -> ProbeReport:
    """A report under a catalog with rules for some hosts, perhaps a learned one."""
    rules = [
        evolve(rule, stage=draw(st.sampled_from(Stage)), hosts=draw(_hosts))
        for rule in draw(rules_over(SIX_BITS))
    ]
    catalog = evolve(TREE, rules=rules)
    if draw(st.booleans()):
        before = report_of(catalog, draw(_learnable), draw(_probed))
        catalog = before.as_catalog("learned")
    return report_of(catalog, draw(_learnable), draw(_probed))


def refusing(catalog: Catalog, mask: int, facts: HostFacts) -> set[Stage]:
    """The stages of the rules that refuse a mask on a host, for certain or perhaps."""
    return {
        rule.stage
        for rule in catalog.rules
        if not rule.holds(mask) and rule.hosts.include(facts.machine, facts.vm_type) is not False
    }


_KINDS = dict.fromkeys(("x86_64", "AMD64", "i686"), "x86_64") | {
    "aarch64": "arm64",
    "arm64": "arm64",
    "riscv64": "riscv64",
}


def kind(facts: HostFacts) -> tuple[str, int] | None:
    """Architecture and VM type of a host; None if one of them is not known."""
    machine, vm_type = _KINDS.get(facts.machine or ""), facts.vm_type
    if machine is None or vm_type is None:
        return None
    return machine, vm_type >> 8 << 8 if machine == "arm64" else vm_type


@given(ruled_reports(), _facts)
def test_a_probe_takes_no_rule_from_another_host(report: ProbeReport, other: HostFacts) -> None:
    """What the catalog refuses there, the learned one refuses, at the same stages or at more."""
    probed = kind(report.support.host)
    # What is not known may be any of these, but not what the probe has answered.
    machines = [other.machine] if other.machine in _KINDS else ["x86_64", "aarch64", "riscv64"]
    types = _TYPES if other.vm_type is None else [other.vm_type]
    hosts = [HostFacts(None, *facts) for facts in product(machines, types)]
    elsewhere = [facts for facts in hosts if kind(facts) != probed]
    learned = report.as_catalog("learned")
    for mask in subsets(SIX_BITS):
        after = refusing(learned, mask, other)
        for facts in elsewhere:
            assert refusing(report.support.catalog, mask, facts) <= after


@given(ruled_reports())
def test_the_learned_catalog_agrees_with_the_probe(report: ProbeReport) -> None:
    """What works is refused only by what is not known to apply, or what only a guest would show."""
    facts = report.support.host
    learned = report.as_catalog("learned")
    for stage in Stage:
        for mask in report.fails(stage):
            assert mask & ~report.support.mask or refusing(learned, mask, facts)
        for mask in report.works(stage) if kind(facts) else ():
            for rule in learned.rules:
                if rule.stage <= stage and not rule.holds(mask):
                    here = rule.hosts.include(facts.machine, facts.vm_type)
                    guest = rule.stage is Stage.ACCESS and rule.hosts.vm_types
                    assert not here or guest
