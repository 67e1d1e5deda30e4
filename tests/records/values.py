"""Every value that has a document, as strategies."""

from functools import cache
from operator import attrgetter, itemgetter

from attrs import evolve
from hypothesis import assume
from hypothesis import strategies as st

from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
    Always,
    Answer,
    Baseline,
    Capability,
    Catalog,
    Excludes,
    GuestMemfdFlag,
    HostFacts,
    Hosts,
    InconsistentAnswerError,
    KvmUnavailableError,
    Need,
    Never,
    PoolError,
    Prerequisites,
    Profile,
    Refused,
    Request,
    Requires,
    Resolution,
    Rule,
    Scope,
    Stage,
    Support,
    Unavailable,
    baseline,
    compare,
    resolve,
)
from gmemflags import bits as bits_of
from gmemflags._learn import Observation, ProbeReport
from gmemflags._mainline import FirecrackerFlag
from gmemflags.records import Value
from tests.strategies import (
    ERRNO_WORDS,
    MASK,
    answer_words,
    bits,
    catalogs,
    longs,
    masks,
    names,
    signed,
)

Answers = st.SearchStrategy[dict[str, int]]

FLAGS = str(Capability.GUEST_MEMFD_FLAGS)
FLAGS_HI = str(Capability.GUEST_MEMFD_FLAGS_HI)
ENUMERATING = ("GUEST_MEMFD", FLAGS, FLAGS_HI)

texts = st.text(max_size=12)
maybe_text = st.none() | texts
vm_types = st.integers(0, (1 << 53) - 1)
_any_of = st.lists(masks, max_size=3).map(tuple)
_types = st.lists(vm_types, max_size=2)
_hosts = st.builds(
    Hosts, machines=st.lists(texts, max_size=2), vm_types=_types, except_vm_types=_types
)
_rest = {"why": texts, "source": texts, "stage": st.sampled_from(Stage), "hosts": _hosts}
rules: st.SearchStrategy[Rule] = st.one_of(
    st.builds(Requires, masks, all_of=masks, any_of=_any_of, **_rest),
    st.builds(Excludes, masks, masks, **_rest),
    st.builds(Always, masks, any_of=_any_of, **_rest),
    st.builds(Never, masks, **_rest),
    st.builds(Refused, masks, **_rest),
)
_capabilities = st.sampled_from(Capability).map(str) | texts
needs = st.builds(
    Need,
    _capabilities,
    masks,
    any_of=_any_of,
    at_least=st.none() | masks,
    optional=st.booleans(),
    why=texts,
)
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
    digest=maybe_text,
    flag_names=st.lists(st.tuples(st.integers(0, 63).map(lambda n: 1 << n), texts), max_size=2),
)
_numbers = st.lists(  # no two capabilities have one number
    st.tuples(_capabilities, st.integers(0, (1 << 31) - 1)),
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
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.floats(-1e9, 1e9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
_times = st.none() | st.integers(0, 253_402_300_799)


@st.composite
def facts(draw: st.DrawFn, scope: Scope) -> HostFacts:
    """What is known of a host besides its answers."""
    return HostFacts(
        draw(maybe_text),
        draw(maybe_text | st.sampled_from(["x86_64", "aarch64"])),
        None if scope is Scope.SYSTEM else draw(st.none() | vm_types),
        name=draw(maybe_text),
        time=draw(_times),
        extra=draw(st.dictionaries(texts, _json, max_size=2)),
    )


_good = longs.filter(lambda raw: raw not in range(-4095, 0) and raw not in ERRNO_WORDS)
_other = _good | st.integers(0, 3)
_high = answer_words.map(lambda word: signed(word, 32)) | answer_words
# The flags of hosts of one kind: a few bits, anything, or more than 32 bits at once.
_narrow = st.integers(0, 15) | _good
_wide = longs.filter(lambda raw: raw > 1 << 32) | _good


@cache
def answers(known: tuple[str, ...], flags: st.SearchStrategy[int]) -> Answers:
    """Answers to some of these capabilities, FLAGS from ``flags``."""
    ways = {**dict.fromkeys(known, _other), FLAGS: flags, FLAGS_HI: _high}
    return st.fixed_dictionaries({}, optional={name: ways[name] for name in known})


def _numbered_by(catalog: Catalog) -> tuple[str, ...]:
    return tuple(name for name, number in catalog.capabilities.items() if number is not None)


@st.composite
def supports(draw: st.DrawFn, catalog: Catalog | None = None) -> Support:
    """A host of any kind, under any catalog."""
    tree = draw(any_catalog) if catalog is None else catalog
    scope = draw(st.sampled_from(Scope))
    said = draw(answers(_numbered_by(tree), _narrow))
    failing = [name for name in _numbered_by(tree) if name not in {*said, *ENUMERATING}]
    failed = draw(st.lists(st.sampled_from(failing), unique=True)) if failing else []
    others = {"A CAPABILITY": 7, "ANOTHER": 8}
    host = Support(
        answers=said,
        errors={name: draw(st.integers(0, (1 << 32) - 1)) for name in failed},
        scope=scope,
        host=draw(facts(scope)),
        origin=draw(texts),
        catalog=tree,
        unused=[
            Answer(name, number, draw(_other))
            for name, number in others.items()
            if name not in tree.capabilities and draw(st.booleans())
        ],
    )
    unnamed = [bit for bit in bits_of(host.mask) if not bit & tree.named]
    if not unnamed:
        return host
    called = draw(st.dictionaries(st.sampled_from(unnamed), names, max_size=2))
    return evolve(host, other_names=called)


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
            evolve(
                like,
                answers=raw,
                errors={},
                origin=name,
                host=evolve(like.host, kernel=kernel),
                other_names={},
            )
            for raw, name, kernel in draw(st.lists(st.tuples(said, texts, texts), max_size=4))
        ),
    ]


def common(hosts: list[Support]) -> Baseline | None:
    """The baseline, or None where no answer can say what the hosts have in common."""
    try:
        return baseline(hosts)
    except (InconsistentAnswerError, PoolError):
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
_errnos = st.sampled_from([0, 22, 14, 19, 5])
_observations = st.one_of(
    st.builds(Observation, _errnos),
    st.builds(Observation, st.just(0), _errnos),
    st.builds(Observation, st.just(0), st.just(0), _errnos),
)
reports = st.builds(
    ProbeReport,
    support=supports(MAINLINE),
    observations=st.dictionaries(masks | bits, _observations, max_size=5),
    size=st.integers(0, (1 << 53) - 1),
    until=st.sampled_from(Stage),
    stopped=st.none() | st.integers(0, 4095),
    stopped_at=st.none() | st.sampled_from(Stage),
    changed=st.booleans(),
)
unavailable = st.builds(
    KvmUnavailableError,
    st.integers(0, (1 << 32) - 1),
    texts,
    texts,
    st.sampled_from(Unavailable),
    name=maybe_text,
    time=_times,
)
comparisons = st.builds(compare, supports(MAINLINE), supports(MAINLINE) | supports())
values: st.SearchStrategy[Value] = st.one_of(
    supports(),
    requests,
    resolutions,
    trees,
    baselines,
    reports,
    comparisons,
    unavailable,
    st.builds(GuestMemfdFlag, masks),
)
