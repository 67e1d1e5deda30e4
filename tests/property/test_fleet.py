"""The laws of the baseline and of comparisons."""

from functools import reduce

from attrs import evolve
from hypothesis import assume, given
from hypothesis import strategies as st

from gmemflags import (
    MAINLINE,
    Baseline,
    Catalog,
    Comparison,
    Hosts,
    Relation,
    Request,
    Support,
    baseline,
    compare,
    resolve,
)
from tests.records.values import FLAGS, FLAGS_HI, common, pools, requests, trees
from tests.strategies import MASK, WORD, bits

CONVERSE = {
    Relation.EQUAL: Relation.EQUAL,
    Relation.SUPERSET: Relation.SUBSET,
    Relation.SUBSET: Relation.SUPERSET,
    Relation.INCOMPARABLE: Relation.INCOMPARABLE,
}


def made(hosts: list[Support]) -> Baseline:
    """The baseline, where some answer can say it."""
    pool = common(hosts)
    assume(pool is not None)
    assert pool is not None
    return pool


def _and(one: int, other: int) -> int:
    return one & other


def saying(host: Support) -> dict[str, object]:
    """All that a host says, however its kernel put it."""
    others = {name: host.answer(name) for name in host.answers if name not in (FLAGS, FLAGS_HI)}
    return {**others, "mask": host.mask, "answerable": host.answerable}


@given(pools())
def test_the_mask_is_the_and(hosts: list[Support]) -> None:
    """The baseline has the bits that every host lists."""
    assert made(hosts).support.mask == reduce(_and, (host.mask for host in hosts))


@given(pools())
def test_what_can_be_known_is_known_everywhere(hosts: list[Support]) -> None:
    """A bit is answerable if it is on every host, or if nothing is left to say so."""
    support = made(hosts).support
    everywhere = reduce(_and, (host.answerable for host in hosts))
    if support.catalog.capabilities.get(FLAGS_HI) is None and not support.mask > WORD:
        everywhere &= WORD
    assert support.answerable == everywhere


@given(pools())
def test_guest_memfd_is_there_if_it_is_everywhere(hosts: list[Support]) -> None:
    """Non-zero everywhere is yes, 0 anywhere is no, and not asked anywhere is not asked."""
    all_of = [host.guest_memfd for host in hosts]
    wanted = None if None in all_of else all(all_of)
    assert made(hosts).support.guest_memfd is wanted


@given(pools())
def test_the_order_does_not_matter(hosts: list[Support]) -> None:
    """Commutative: what hosts have in common, and how many lack what."""
    pool, turned = made(hosts), made(hosts[::-1])
    assert turned.support == pool.support
    assert {bit: out.count for bit, out in turned.lacking.items()} == {
        bit: out.count for bit, out in pool.lacking.items()
    }


@given(pools())
def test_a_host_counts_once_for_what_is_common(hosts: list[Support]) -> None:
    """Idempotent: hosts that come twice take nothing away, and are counted twice."""
    pool = made(hosts)
    assert made(hosts + hosts).support == pool.support
    assert made(hosts + hosts).count == 2 * pool.count
    assert made([pool.support]).support == pool.support


@given(pools(), st.data())
def test_pools_join(hosts: list[Support], data: st.DataObject) -> None:
    """Associative: the baseline of baselines is that of all their hosts, names and counts too."""
    cut = data.draw(st.integers(0, len(hosts)))
    parts = [part for part in (hosts[:cut], hosts[cut:]) if part]
    assert baseline([made(part) for part in parts]) == made(hosts)
    assert baseline([made(parts[0]), *(host for part in parts[1:] for host in part)]) == made(hosts)


@given(pools(), st.integers(1, 13))
def test_lacking_counts_and_names(hosts: list[Support], times: int) -> None:
    """Of every flag that some host lacks: how many do, and the first ten."""
    hosts *= times
    pool = made(hosts)
    named = hosts[0].catalog.named
    for bit in (1 << number for number in range(64)):
        without = [host.origin for host in hosts if not host.mask & bit]
        told = pool.lacking.get(bit)
        if not without or (len(without) == len(hosts) and not bit & named):
            assert told is None
        else:
            assert told is not None
            assert (told.count, told.first) == (len(without), tuple(without[:10]))
    assert pool.first == tuple(host.origin for host in hosts[:10])


@given(trees.flatmap(lambda tree: pools(_without_hosts(tree))) | pools(MAINLINE), requests)
def test_what_the_pool_takes_every_host_takes(hosts: list[Support], request: Request) -> None:
    """A mask that is valid on the baseline is valid on each host of it."""
    pool = made(hosts).support
    asked = evolve(
        request,
        required=request.required & pool.mask & pool.catalog.named,
        needs=[need for need in request.needs if need.capability not in (FLAGS, FLAGS_HI)],
        digest=None,
        flag_names=(),
    )
    answer = resolve(pool, asked)
    if answer.ok:
        assert all(resolve(host, answer.pin()).ok for host in hosts)


def _without_hosts(tree: Catalog) -> Catalog:
    return evolve(tree, rules=[evolve(rule, hosts=Hosts()) for rule in tree.rules])


@given(pools())
def test_the_baseline_is_below_every_host(hosts: list[Support]) -> None:
    """No host is less than what it has in common with others."""
    pool = made(hosts).support
    for host in hosts:
        relation = compare(host, pool).relation
        if pool.answerable > WORD or host.answerable <= WORD:
            assert relation in (Relation.EQUAL, Relation.SUPERSET)


@given(pools())
def test_comparing_is_antisymmetric(hosts: list[Support]) -> None:
    """The other way round, the converse: and what is lost changes sides."""
    one, two = compare(hosts[0], hosts[-1]), compare(hosts[-1], hosts[0])
    assert two.relation is CONVERSE[one.relation]
    assert (two.lost_on_a, two.lost_on_b) == (one.lost_on_b, one.lost_on_a)
    assert two.differing == one.differing


@given(pools())
def test_equal_is_for_equal_answers_alone(hosts: list[Support]) -> None:
    """EQUAL if and only if both say the same of everything."""
    one, two = hosts[0], hosts[-1]
    assert (compare(one, two).relation is Relation.EQUAL) is (saying(one) == saying(two))
    assert compare(one, one).relation is Relation.EQUAL


@given(pools())
def test_what_is_lost_is_told(hosts: list[Support]) -> None:
    """Every bit that only one lists is lost on the other, and the text names it."""
    comparison: Comparison = compare(hosts[0], hosts[-1])
    gone = hosts[0].mask & ~hosts[-1].mask
    direct = sum(loss.bit for loss in comparison.lost_on_b if not loss.rules)
    assert direct == gone
    text = str(comparison)
    assert all(f"{bit:#x}" in text for bit in (1 << n for n in range(64)) if bit & gone)
    assert all(not loss.because & ~gone for loss in comparison.lost_on_b)


@given(pools(), bits)
def test_differing_bits_are_those_of_another_state(hosts: list[Support], bit: int) -> None:
    """A bit differs if the two hosts do not say the same of it."""
    one, two = hosts[0], hosts[-1]
    differs = one.state(bit) is not two.state(bit)
    assert bool(compare(one, two).differing & bit) is differs
    assert not compare(one, one).differing & MASK
