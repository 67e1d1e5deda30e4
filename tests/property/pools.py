"""Pools of hosts, as strategies: of any answers, and of kernels with rules."""

from random import Random

from attrs import evolve
from hypothesis import strategies as st

from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
    Baseline,
    Capability,
    Catalog,
    HostFacts,
    InconsistentAnswerError,
    Scope,
    Support,
    baseline,
)
from tests.property.exhaustive import Case, random_case
from tests.property.test_negotiation_proof import readable, support_of
from tests.strategies import answer_words, masks, signed, wide_longs

FLAGS, FLAGS_HI = str(Capability.GUEST_MEMFD_FLAGS), str(Capability.GUEST_MEMFD_FLAGS_HI)
WITH_HI = evolve(MAINLINE, name="with-hi", capabilities={**MAINLINE.capabilities, FLAGS_HI: 999})
CATALOGS = (MAINLINE, FIRECRACKER_SECRET_FREE, WITH_HI)

texts = st.text(max_size=12)
_words = answer_words | answer_words.map(lambda word: signed(word, 32))
_longs = _words | wide_longs
_small = st.integers(0, 15)


def answers(catalog: Catalog) -> st.SearchStrategy[dict[str, int]]:
    """Answers to some of the capabilities that a catalog numbers."""
    known = {name for name, number in catalog.capabilities.items() if number is not None}
    ways = dict.fromkeys(known, _small | _longs) | dict.fromkeys(known & {FLAGS_HI}, _words)
    return st.fixed_dictionaries({}, optional=ways)


@st.composite
def hosts(draw: st.DrawFn, catalog: Catalog | None = None) -> Support:
    """A host of any kind."""
    tree = draw(st.sampled_from(CATALOGS)) if catalog is None else catalog
    scope = draw(st.sampled_from(Scope))
    machine = draw(st.sampled_from([None, "x86_64", "amd64", "aarch64", "arm64", "quantum"]))
    vm_type = draw(st.sampled_from([None, 0, 4, 36, 1 << 31 | 40]))
    return Support(
        answers=draw(answers(tree)),
        scope=scope,
        host=HostFacts(draw(texts), machine, vm_type if scope is Scope.VM else None),
        origin=draw(texts),
        catalog=tree,
    )


@st.composite
def pools(draw: st.DrawFn) -> list[Support]:
    """Hosts of one kind, with answers of any kind."""
    like = draw(hosts())
    rest = draw(st.lists(st.tuples(answers(like.catalog), texts, texts), max_size=4))
    return [
        like,
        *(
            evolve(like, answers=said, origin=origin, host=evolve(like.host, kernel=kernel))
            for said, origin, kernel in rest
        ),
    ]


@st.composite
def ruled(draw: st.DrawFn) -> tuple[Case, list[Support]]:
    """A case of the proof, and hosts of its kind that list more or less."""
    case = random_case(Random(draw(st.integers(0, 1 << 32))))  # noqa: S311  # chance, no secret
    if not readable(case):
        case = case._replace(listed=case.listed & 0x7FFFFFFF)
    every = 0x7FFFFFFF if case.shape == "narrow" else 0x7FFFFFFF_7FFFFFFF
    masks_of_others = draw(st.lists(masks, max_size=3))
    cases = [case]
    for mask in masks_of_others:
        change = draw(st.sampled_from([mask & case.listed, (mask | case.listed) & every]))
        cases.append(case._replace(listed=change))
    return case, [support_of(one) for one in cases]


def common(of: list[Support]) -> Baseline | None:
    """The baseline, or None where no answer can say what the hosts have in common."""
    try:
        return baseline(of)
    except InconsistentAnswerError:
        return None
