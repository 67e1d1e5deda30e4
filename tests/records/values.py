"""Every value that has a record, as strategies, and a few fixed ones."""

from functools import cache
from operator import attrgetter, itemgetter

from attrs import evolve
from hypothesis import assume
from hypothesis import strategies as st

from gmemflags import MAINLINE, Always, Baseline, Capability, Catalog, Excludes, HostFacts, InconsistentAnswerError, Need, Never, Prerequisites, Profile, Refused, Request, Requires, Resolution, Scope, Stage, Support, baseline, query, resolve
from gmemflags import FIRECRACKER_SECRET_FREE, GuestMemfdFlag, Hosts, Rule
from gmemflags._mainline import FirecrackerFlag
from gmemflags._learn import ProbeReport
from gmemflags.testing import FakeBackend
from tests.strategies import (
    ERRNO_WORDS,
    MASK,
    answer_words,
    bits,
    catalogs,
    longs,
    masks,
    signed,
)

Answers = st.SearchStrategy[dict[str, int]]
Value = Support | Request | Resolution | Catalog | Baseline | ProbeReport

FLAGS = str(Capability.GUEST_MEMFD_FLAGS)
FLAGS_HI = str(Capability.GUEST_MEMFD_FLAGS_HI)

texts = st.text(max_size=12)
vm_types = st.integers(0, (1 << 32) - 1)
_any_of = st.lists(masks, max_size=3).map(tuple)
_hosts = st.builds(
    Hosts, machines=st.lists(texts, max_size=2), vm_types=st.lists(vm_types, max_size=2)
)
_rest = {"why": texts, "source": texts, "stage": st.sampled_from(Stage), "hosts": _hosts}
rules: st.SearchStrategy[Rule] = st.one_of(
    st.builds(Requires, masks, all_of=masks, any_of=_any_of, **_rest),
    st.builds(Excludes, masks, masks, **_rest),
    st.builds(Always, masks, any_of=_any_of, **_rest),
    st.builds(Never, masks, **_rest),
    st.builds(Refused, masks, **_rest),
)
needs = st.builds(Need, st.sampled_from(Capability).map(str) | texts, masks, any_of=_any_of)
_few = st.sampled_from([0, 1, 2, 3, 1 << 31, 1 << 63, MASK])
requests = st.builds(
    Request,
    required=masks | _few | st.sampled_from([GuestMemfdFlag.MMAP, FirecrackerFlag.WRITE]),
    preferred=st.lists(masks | _few | st.sampled_from(GuestMemfdFlag), max_size=3),
    forbidden=masks | _few,
    needs=st.lists(needs, max_size=2),
    prerequisites=st.sampled_from(Prerequisites),
    until=st.sampled_from(Stage),
    scope=st.sampled_from(Scope),
    digest=st.none() | texts,
    flag_names=st.lists(st.tuples(st.integers(0, 63).map(lambda n: 1 << n), texts), max_size=2),
)
_numbers = st.lists(  # no two capabilities have one number
    st.tuples(st.sampled_from(Capability).map(str) | texts, st.integers(0, (1 << 31) - 1)),
    max_size=6,
    unique_by=(itemgetter(0), itemgetter(1)),
).map(lambda numbers: {**dict.fromkeys([FLAGS_HI, "NONE"]), **dict(numbers)})
_numbered = st.sampled_from(
    [
        MAINLINE.capabilities,
        FIRECRACKER_SECRET_FREE.capabilities,
        {**MAINLINE.capabilities, FLAGS_HI: 999},
    ]
)


_profiles = st.builds(Profile, texts, requests, texts)


@st.composite
def _trees(draw: st.DrawFn) -> Catalog:
    return evolve(
        draw(catalogs),
        name=draw(texts),
        capabilities=draw(_numbers | _numbered),
        rules=draw(st.lists(rules, max_size=3)),
        profiles=draw(st.lists(_profiles, max_size=2, unique_by=attrgetter("name"))),
    )


trees = _trees()
any_catalog = st.sampled_from([MAINLINE, FIRECRACKER_SECRET_FREE]) | trees
facts = st.builds(
    HostFacts,
    kernel=st.none() | texts,
    machine=st.none() | texts,
    vm_type=st.none() | vm_types,
)


_good = longs.filter(lambda raw: raw not in range(-4095, 0) and raw not in ERRNO_WORDS)
_other = _good | st.integers(0, 3)
_high = answer_words.map(lambda word: signed(word, 32)) | answer_words
# The flags of hosts of one kind: a few bits, anything, or more than 32 bits at once.
_narrow = st.integers(0, 15) | _good
_wide = longs.filter(lambda raw: raw > 1 << 32) | _good


@cache
def answers(names: tuple[str, ...], flags: st.SearchStrategy[int]) -> Answers:
    """Answers to some of these capabilities, FLAGS from ``flags``."""
    ways = {**dict.fromkeys(names, _other), FLAGS: flags, FLAGS_HI: _high}
    return st.fixed_dictionaries({}, optional={name: ways[name] for name in names})


def _numbered_by(catalog: Catalog) -> tuple[str, ...]:
    return tuple(name for name, number in catalog.capabilities.items() if number is not None)


@st.composite
def supports(draw: st.DrawFn, catalog: Catalog | None = None) -> Support:
    """A host of any kind."""
    tree = draw(any_catalog) if catalog is None else catalog
    return Support(
        answers=draw(answers(_numbered_by(tree), _narrow)),
        scope=draw(st.sampled_from(Scope)),
        host=draw(facts),
        origin=draw(texts),
        catalog=tree,
    )


_WITH_HI = evolve(MAINLINE, name="wide", capabilities={**MAINLINE.capabilities, FLAGS_HI: 999})

_usual = st.sampled_from([MAINLINE, FIRECRACKER_SECRET_FREE, _WITH_HI])


@st.composite
def pools(draw: st.DrawFn, catalog: Catalog | None = None) -> list[Support]:
    """Hosts of one kind."""
    like = draw(supports(draw(_usual) if catalog is None else catalog))
    said = answers(_numbered_by(like.catalog), draw(st.sampled_from([_narrow, _wide])))
    return [
        like,
        *(
            evolve(like, answers=raw, origin=origin, host=evolve(like.host, kernel=kernel))
            for raw, origin, kernel in draw(st.lists(st.tuples(said, texts, texts), max_size=4))
        ),
    ]


def common(hosts: list[Support]) -> Baseline | None:
    """The baseline, or None where no answer can say what the hosts have in common."""
    try:
        return baseline(hosts)
    except InconsistentAnswerError:
        return None


resolutions: st.SearchStrategy[Resolution] = st.builds(
    resolve, supports(MAINLINE) | supports(), requests | _few
)


@st.composite
def _baselines(draw: st.DrawFn) -> Baseline:
    pool = common(draw(pools()))
    assume(pool is not None)
    assert pool is not None
    return pool


baselines = _baselines()
reports = st.builds(
    ProbeReport,
    support=supports(MAINLINE),
    observations=st.dictionaries(masks | bits, st.sampled_from([0, 22, 5]), max_size=5),
    size=st.integers(0, (1 << 53) - 1),
    stopped=st.none() | st.integers(0, 4095),
)
values: st.SearchStrategy[Value] = st.one_of(
    supports(), requests, resolutions, trees, baselines, reports
)


def host(flags: int, origin: str = "a host", catalog: Catalog = MAINLINE) -> Support:
    """A default x86-64 VM that lists ``flags``, a word."""
    return evolve(query(FakeBackend.narrow(flags), catalog), origin=origin)


OWN = evolve(FIRECRACKER_SECRET_FREE, name="a-tree-of-mine")
# One of each kind, and of each way to say a part.
SAMPLES: tuple[Value, ...] = (
    host(3),
    host(1 << 31, "b", OWN),
    Request(required=GuestMemfdFlag.MMAP, preferred=[2, 12], needs=[Need("USERFAULT", 1)]),
    resolve(host(3), 1),
    resolve(host(1), MAINLINE.profiles["fully-shared"]),
    OWN,
    baseline([host(3), host(1, "b"), host(7, "c")]),
    ProbeReport(support=host(3), observations={0: 0, 1: 0, 2: 22, 1 << 63: 22}, size=4096),
)
