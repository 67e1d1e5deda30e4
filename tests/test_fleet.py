"""Many hosts: what all of them have, and how two compare. Their texts: tests/golden."""

from typing import Any

import pytest
from attrs import evolve

from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
    Always,
    Baseline,
    CatalogError,
    Hosts,
    InconsistentAnswerError,
    Lacking,
    Loss,
    Never,
    PoolError,
    Relation,
    Requires,
    Scope,
    Stage,
    Support,
    baseline,
    compare,
    resolve,
)
from tests.trees import BAR, BAR_NEEDS_FOO, BAZ, FOO, QUX, SAID, named, tree

FLAGS, FLAGS_HI = "GUEST_MEMFD_FLAGS", "GUEST_MEMFD_FLAGS_HI"
NEEDS_BAR = Requires(BAZ, all_of=BAR, why="BAZ builds on BAR.", source="a test")
LATER = Requires(QUX, all_of=FOO, why="Else no use.", source="a test", stage=Stage.ACCESS)
RELATED = tree(BAR_NEEDS_FOO, NEEDS_BAR, LATER)
HI = evolve(MAINLINE, name="with-hi", capabilities={**MAINLINE.capabilities, FLAGS_HI: 999})


def answering(like: Support, **answers: int) -> Support:
    """The same host with other answers."""
    return evolve(like, answers={**like.answers, **answers})


def with_facts(like: Support, **facts: Any) -> Support:
    """The same host, of which something else is known."""
    return evolve(like, host=evolve(like.host, **facts))


def test_a_pool_promises_what_all_have() -> None:
    """It says who lacks the rest, and is resolved like a host."""
    pool = baseline([named("a", 3), named("b", 3), named("c", 1)])
    assert (pool.support.mask, pool.count, pool.first) == (1, 3, ("a", "b", "c"))
    assert pool.lacking == {2: Lacking(1, ["c"])}
    assert resolve(pool.support, 3).headline == (
        "refused: INIT_SHARED (bit 1, 0x2) is not supported: the baseline of a pool lists"
        " MMAP (bit 0, 0x1)"
    )


def test_one_host_is_a_pool() -> None:
    """A baseline of one host has its answers and its kernel."""
    pool = baseline([named("a", 3)])
    assert pool.support == evolve(named("a", 3), origin="the baseline of a pool")
    assert pool.lacking == {}


def test_many_lack_it() -> None:
    """The first ten are named, and the others counted."""
    pool = baseline(named(f"h{n}", int(n >= 20)) for n in range(50))
    assert pool.lacking[1] == Lacking(20, [f"h{n}" for n in range(10)])
    assert pool.lacking[2].count == 50


def test_an_unnamed_bit_counts_where_some_host_lists_it() -> None:
    """What no catalog names is told if the hosts differ in it, and only then."""
    assert baseline([named("a", 3), named("b", 0x43)]).lacking == {0x40: Lacking(1, ["a"])}
    assert baseline([named("a", 3), named("b", 3)]).lacking == {}


def test_a_pool_of_pools() -> None:
    """A baseline among the hosts counts for all of its hosts."""
    hosts = [named(f"h{n}", n % 4) for n in range(30)]
    parts: list[Support | Baseline] = [baseline(hosts[:7]), hosts[7], baseline(hosts[8:])]
    assert baseline(parts) == baseline(hosts)


def test_kernels_may_differ() -> None:
    """The kernel of a pool is that of its hosts, if it is one."""
    old = named("a", 3)
    new = with_facts(old, kernel="7.2")
    assert baseline([old, old]).support.host.kernel == "6.18.0"
    assert baseline([old, new, new]).support.host.kernel is None


def test_a_capability_that_one_host_was_not_asked_for() -> None:
    """The pool was not asked for it either."""
    silent = evolve(named("b", 3), answers={FLAGS: 3, "USER_MEMORY2": 6})
    support = baseline([answering(named("a", 3), USER_MEMORY2=3), silent]).support
    assert support.answers == {"USER_MEMORY2": 2, FLAGS: 3}
    assert support.guest_memfd is None
    assert "guest_memfd itself is not on every host" in str(baseline([silent]))


def test_guest_memfd_that_became_a_mask() -> None:
    """Two answers without a common bit are two answers other than 0, as one with 0 is not."""
    one, two = answering(named("a", 3), GUEST_MEMFD=1), answering(named("a", 3), GUEST_MEMFD=2)
    assert baseline([one, two]).support.guest_memfd is True
    assert baseline([one, two, one]).support == baseline([two, baseline([one, two])]).support
    assert baseline([one, answering(named("a", 3), GUEST_MEMFD=0)]).support.guest_memfd is False


def test_flags_at_once_and_in_two_words() -> None:
    """What counts is the mask, not the form in which a kernel gave it."""
    like = named("a", 0, HI)
    wide = answering(like, **{FLAGS: 0x5_0000_0003, FLAGS_HI: 0})
    split = answering(like, **{FLAGS: 1, FLAGS_HI: 7})
    assert compare(wide, answering(split, **{FLAGS: 3, FLAGS_HI: 5})).relation is Relation.EQUAL
    assert baseline([wide, split]).support.answers[FLAGS_HI] == 5
    assert baseline([wide, wide]).support.answers[FLAGS] == 0x5_0000_0003
    alone = answering(named("a", 0), **{FLAGS: 0x5_0000_0003})
    other = answering(named("a", 0), **{FLAGS: 0x2_0000_0003})
    assert baseline([alone, alone]).support.mask == 0x5_0000_0003
    assert baseline([alone, other]).support.answerable == 0xFFFF_FFFF


def test_a_negative_mask_stays_exact() -> None:
    """Bit 63 makes the C long negative, here too."""
    top = answering(named("a", 0), **{FLAGS: -(1 << 63) | 1})
    assert baseline([top, top]).support.answers == top.answers


def test_what_no_answer_can_say() -> None:
    """Two masks may have in common what looks like an errno: that is an error, no guess."""
    one = answering(named("a", 0), **{FLAGS: 0x1_FFFF_FFFF})
    two = answering(named("b", 0), **{FLAGS: 0x2_FFFF_FFFF})
    with pytest.raises(InconsistentAnswerError, match="it is an error number") as caught:
        baseline([one, two])
    error = caught.value
    assert (error.origin, error.capability) == ("the baseline of a pool", FLAGS)
    assert error.raw == 0xFFFF_FFFF


def test_no_host_is_not_a_pool() -> None:
    """A baseline of nothing would promise everything."""
    with pytest.raises(PoolError, match=r"^a baseline needs at least one host$") as caught:
        baseline([])
    assert caught.value.origin == ""


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        (evolve(named("b", 3), scope=Scope.SYSTEM), "scope system, where a has vm"),
        (with_facts(named("b", 3), machine="aarch64"), "machine aarch64, where a has x86_64"),
        (with_facts(named("b", 3), vm_type=None), "VM type None, where a has 0"),
        (with_facts(named("b", 3), vm_type=5), "VM type 5, where a has 0"),
        (
            named("b", 3, FIRECRACKER_SECRET_FREE),
            (
                f"catalog firecracker-secret-free .{FIRECRACKER_SECRET_FREE.digest[:12]}., where a"
                f" has linux-mainline .{MAINLINE.digest[:12]}.:"
            ),
        ),
    ],
    ids=["scope", "machine", "unknown VM type", "VM type", "catalog"],
)
def test_hosts_of_another_kind_are_refused_by_name(odd: Support, told: str) -> None:
    """A VM cannot move there, or the bits mean something else: the message names the odd one."""
    with pytest.raises(PoolError, match=f"^b has {told}"):
        baseline([named("a", 3), named("a", 3), odd])


def test_a_catalog_of_the_same_meaning_is_the_same_catalog() -> None:
    """The digest counts: neither the object nor the sentences do."""
    reworded = evolve(MAINLINE, rules=[evolve(rule, why="So.") for rule in MAINLINE.rules])
    for twin in (evolve(MAINLINE), reworded):
        assert baseline([named("a", 3), named("b", 3, twin)]).count == 2
        assert compare(named("a", 3), named("b", 3, twin)).relation is Relation.EQUAL


def test_catalogs_are_not_mixed() -> None:
    """Bit 2 means four things in four trees."""
    with pytest.raises(CatalogError) as caught:
        compare(named("a", 3), named("b", 3, FIRECRACKER_SECRET_FREE))
    assert caught.value.catalog == "firecracker-secret-free"
    assert caught.value.problem == (
        f"b was read under firecracker-secret-free ({FIRECRACKER_SECRET_FREE.digest[:12]}), but"
        f" a under linux-mainline ({MAINLINE.digest[:12]}): their bits may differ"
    )


def test_losing_a_flag_and_what_depends_on_it() -> None:
    """Rules tell that a flag is lost with another, though both hosts list it."""
    comparison = compare(named("A", 0x3C, RELATED), named("B", 0x38, RELATED))
    assert comparison.relation is Relation.SUPERSET
    assert comparison.differing == FOO
    assert comparison.lost_on_b == (
        Loss(bit=4),
        Loss(bit=8, rules=(BAR_NEEDS_FOO,), because=4),
        Loss(bit=16, rules=(BAR_NEEDS_FOO, NEEDS_BAR), because=4),
    )
    assert comparison.lost_on_a == ()


def test_losses_on_another_machine() -> None:
    """What is listed and cannot be used there is lost as well as what is not listed."""
    never = Never(FOO | BAR, hosts=Hosts(machines=["aarch64"]), **SAID)
    here = named("A", FOO | BAR | BAZ, tree(never))
    there = with_facts(named("B", FOO | BAR, tree(never)), machine="aarch64")
    assert compare(here, there).lost_on_b == (
        Loss(bit=4, rules=(never,)),
        Loss(bit=8, rules=(never,)),
        Loss(bit=16),
    )
    assert compare(here, with_facts(here, machine="aarch64")).relation is Relation.EQUAL


def test_a_flag_that_is_of_no_use_on_either_host() -> None:
    """What no mask could hold before is no loss."""
    comparison = compare(named("A", 0x28, RELATED), named("B", 0x28, RELATED))
    assert (comparison.lost_on_b, comparison.lost_on_a) == ((), ())


def test_a_bit_without_a_name_is_not_lost_by_a_rule() -> None:
    """Nobody could ask for it, also where no mask at all is valid."""
    arm = Hosts(machines=["aarch64"])
    always, never = Always(FOO, hosts=arm, **SAID), Never(FOO, hosts=arm, **SAID)
    here = named("A", FOO | 1 << 6, tree(always, never))
    (loss,) = compare(here, with_facts(here, machine="aarch64")).lost_on_b
    assert (loss.bit, {*loss.rules}) == (FOO, {always, never})


def test_losing_a_flag_because_of_bit_0() -> None:
    """The lowest bit can be the cause as well."""
    (rule,) = [rule for rule in MAINLINE.rules if isinstance(rule, Always)]
    there = with_facts(named("B", 2), machine="aarch64")
    assert compare(named("A", 3), there).lost_on_b == (
        Loss(bit=1),
        Loss(bit=2, rules=(rule,), because=1),
    )


def test_other_capabilities_count() -> None:
    """What a request may need is part of what a host has."""
    more = answering(named("A", 3), USER_MEMORY2=3)
    comparison = compare(more, named("B", 3))
    assert comparison.relation is Relation.SUPERSET
    assert comparison.capabilities == {"USER_MEMORY2": (3, 1)}


def test_what_could_not_be_answered_is_less_than_no() -> None:
    """A host that could have listed a bit says more than one that could not speak of it."""
    narrow = evolve(named("B", 3, HI), answers={FLAGS: 3})
    comparison = compare(answering(named("A", 3, HI), **{FLAGS_HI: 0}), narrow)
    assert comparison.relation is Relation.SUPERSET
    assert comparison.differing == 0xFFFF_FFFF_0000_0000


@pytest.mark.parametrize("same", ["VM of type 0", "a VM of type 0", "the VM of type 0"])
def test_hosts_of_one_name_are_told_apart(same: str) -> None:
    """Every VM is called the same on every host."""
    assert "on the other VM of type 0 you lose" in str(compare(named(same, 3), named(same, 1)))
