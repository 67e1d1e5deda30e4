"""The laws of the baseline and of comparisons."""

from functools import reduce

from attrs import evolve
from hypothesis import assume, given
from hypothesis import strategies as st

from gmemflags import (
    Baseline,
    Loss,
    Prerequisites,
    Request,
    Scope,
    Stage,
    Support,
    baseline,
    bits,
    compare,
    resolve,
)
from tests.property.exhaustive import Case
from tests.property.pools import FLAGS_HI, common, hosts, pools, ruled
from tests.property.test_negotiation_proof import request_of
from tests.strategies import WORD


def made(hosts: list[Support]) -> Baseline:
    """The baseline, where some answer can say it."""
    pool = common(hosts)
    assume(pool is not None)
    assert pool is not None
    return pool


def _and(one: int, other: int) -> int:
    return one & other


@given(pools())
def test_the_mask_is_the_and(hosts: list[Support]) -> None:
    """The baseline has the bits that every host lists."""
    assert made(hosts).support.mask == reduce(_and, (host.mask for host in hosts))


@given(pools())
def test_what_can_be_known_is_known_everywhere(hosts: list[Support]) -> None:
    """A bit is answerable if it is on every host, or if there is no way left to say so."""
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


@given(ruled())
def test_what_the_pool_takes_every_host_takes(case: tuple[Case, list[Support]]) -> None:
    """A mask that is granted on the baseline is granted on each host of it."""
    asked, members = case
    pool = made(members).support
    answer = resolve(pool, request_of(asked, pool.catalog))
    if answer.ok:
        assert all(resolve(host, answer.pin()).mask == answer.mask for host in members)


@given(pools())
def test_nothing_of_the_baseline_is_lost_on_a_host(members: list[Support]) -> None:
    """What all have in common, each has."""
    pool = made(members).support
    if pool.answers.get("GUEST_MEMFD"):  # 1 for a yes is not a bit that all of them have
        pool = evolve(pool, answers={**pool.answers, "GUEST_MEMFD": 1})
    assert all(compare(pool, host).lost == () for host in members)


@given(pools())
def test_what_is_lost_one_way_is_gained_the_other(members: list[Support]) -> None:
    """The two directions are one comparison; only the sentences say who is who."""
    one, two = compare(members[0], members[-1]), compare(members[-1], members[0])

    def facts(losses: tuple[Loss, ...]) -> list[tuple[object, ...]]:
        return [(loss.capability, loss.bits, loss.rules) for loss in losses]

    assert facts(two.lost) == facts(one.gained)
    assert facts(two.gained) == facts(one.lost)
    assert len(one.doubts) == len(two.doubts)


@given(hosts())
def test_nothing_is_lost_on_the_same_host(host: Support) -> None:
    """It is safe if and only if it is known what kind of host it is."""
    same = compare(host, host)
    assert (same.lost, same.gained) == ((), ())
    known = host.host.machine is not None
    known &= host.scope is Scope.SYSTEM or host.host.vm_type is not None
    assert same.safe is known
    assert bool(same.doubts) is not known


@given(pools())
def test_what_is_lost_is_told(members: list[Support]) -> None:
    """Every bit that only one lists is lost on the other, and the text names it."""
    comparison = compare(members[0], members[-1])
    gone = members[0].mask & ~members[-1].mask
    direct = [loss.bits for loss in comparison.lost if not loss.rules and not loss.capability]
    assert sum(direct) == gone
    assert all(f"{bit:#x}" in str(comparison) for bit in direct)
    assert comparison.safe is not bool(comparison.lost or comparison.doubts)


@given(hosts(), hosts())
def test_hosts_of_different_kinds_are_never_safe(one: Support, other: Support) -> None:
    """Another catalog, scope, machine or type of VM is a doubt, and no error."""
    comparison = compare(one, other)
    alike = one.catalog.digest == other.catalog.digest and one.scope is other.scope
    if not alike or one.host.machine is None or other.host.machine is None:
        assert comparison.doubts
    assert not (comparison.safe and comparison.doubts)
    assert str(comparison).splitlines()[0] == comparison.headline


@given(ruled())
def test_what_runs_on_one_runs_on_the_other_if_that_is_safe(
    case: tuple[Case, list[Support]],
) -> None:
    """Whatever a host grants, a host to which it is safe to go grants as well."""
    asked, members = case
    here, there = members[0], members[-1]
    answer = resolve(here, request_of(asked, here.catalog))
    if answer.ok and compare(here, there).safe:
        assert resolve(there, answer.pin()).mask == answer.mask


@given(ruled())
def test_a_listed_flag_is_lost_where_no_mask_can_hold_it_any_more(
    case: tuple[Case, list[Support]],
) -> None:
    """A flag that both list is lost exactly if some stage has a mask with it here and not there."""
    here, there = case[1][0], case[1][-1]
    assume(here.guest_memfd)
    lost = {loss.bits for loss in compare(here, there).lost if loss.rules}
    for bit in bits(here.mask & there.mask & here.catalog.named):
        asked = Request(required=bit, prerequisites=Prerequisites.ADD, scope=Scope.SYSTEM)
        stages = [evolve(asked, until=stage) for stage in Stage]
        assert (bit in lost) is any(resolve(here, it).ok > resolve(there, it).ok for it in stages)
