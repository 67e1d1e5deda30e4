"""Many hosts: what all of them have, and how two compare. Their texts: tests/golden."""

from typing import Any

import pytest
from attrs import evolve

from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
    Always,
    Baseline,
    Comparison,
    Hosts,
    InconsistentAnswerError,
    Lacking,
    Never,
    PoolError,
    Requires,
    Rule,
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
        "refused on the baseline of a pool: INIT_SHARED (bit 1, 0x2) is not supported: the host"
        " lists MMAP (bit 0, 0x1)"
    )


def test_who_gave_no_answer_is_counted_through_pools() -> None:
    """A pool knows how many gave no answer about a half in which none of its hosts lists a bit."""
    silent = evolve(named("silent", 3, HI), answers={})
    high = answering(silent, **{FLAGS_HI: 1})
    parts = [baseline([silent, answering(silent, **{FLAGS_HI: 0})]), baseline([high])]
    assert [part.unanswered for part in parts] == [(2, 1), (1, 0)]
    assert baseline(parts).unanswered == (3, 1)


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
    assert baseline([one, two]).support.answer("GUEST_MEMFD") == 1
    many = [answering(one, GUEST_MEMFD=mask) for mask in (6, 12, 4)]
    assert baseline(many).support.answer("GUEST_MEMFD") == 4
    assert baseline([one, two, one]).support == baseline([two, baseline([one, two])]).support
    assert baseline([one, answering(named("a", 3), GUEST_MEMFD=0)]).support.guest_memfd is False


def test_flags_at_once_and_in_two_words() -> None:
    """What counts is the mask, not the form in which a kernel gave it."""
    like = named("a", 0, HI)
    wide = answering(like, **{FLAGS: 0x5_0000_0003, FLAGS_HI: 0})
    split = answering(like, **{FLAGS: 1, FLAGS_HI: 7})
    same = answering(split, **{FLAGS: 3, FLAGS_HI: 5})
    assert compare(wide, same).safe
    assert compare(same, wide).safe
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
        (
            evolve(with_facts(named("b", 3), vm_type=None), scope=Scope.SYSTEM),
            "scope system, where a has vm",
        ),
        (with_facts(named("b", 3), machine="aarch64"), "machine aarch64, where a has x86_64"),
        (with_facts(named("b", 3), machine=None), "machine not known, where a has x86_64"),
        (with_facts(named("b", 3), vm_type=None), "VM type not known, where a has 0"),
        (with_facts(named("b", 3), vm_type=5), "VM type 5, where a has 0"),
        (
            named("b", 3, FIRECRACKER_SECRET_FREE),
            (
                f"catalog firecracker-secret-free .{FIRECRACKER_SECRET_FREE.digest[:12]}., where a"
                f" has linux-mainline .{MAINLINE.digest[:12]}.:"
            ),
        ),
    ],
    ids=["scope", "machine", "unknown machine", "unknown VM type", "VM type", "catalog"],
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
        assert compare(named("a", 3), named("b", 3, twin)).safe


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"machine": "x86_64"}, {"machine": "AMD64"}),
        ({"machine": "i686"}, {"machine": "x86_64"}),
        ({"machine": "arm64", "vm_type": 0}, {"machine": "aarch64", "vm_type": 36}),
        ({"machine": "armv8l", "vm_type": 1 << 31}, {"machine": "ARM64", "vm_type": 1 << 31 | 40}),
    ],
)
def test_one_kind_of_host_by_two_names(one: dict[str, Any], other: dict[str, Any]) -> None:
    """A machine is its architecture, and an address size is no part of a VM type."""
    a, b = with_facts(named("a", 3), **one), with_facts(named("b", 3), **other)
    assert baseline([a, b]).count == 2
    assert compare(a, b).safe


DOUBTS: dict[str, tuple[Support, str]] = {
    "catalog": (named("b", 3, FIRECRACKER_SECRET_FREE), "catalog: linux-mainline ("),
    "scope": (
        evolve(with_facts(named("b", 3), vm_type=None), scope=Scope.SYSTEM),
        "scope: vm and system: ",
    ),
    "machine": (with_facts(named("b", 3), machine="riscv64"), "machine: x86_64 and riscv64: "),
    "unknown machine": (
        with_facts(named("b", 3), machine=None),
        "machine: x86_64 and not known: ",
    ),
    "VM type": (with_facts(named("b", 3), vm_type=5), "VM type: 0 and 5: "),
    "unknown VM type": (with_facts(named("b", 3), vm_type=None), "VM type: 0 and not known: "),
}


@pytest.mark.parametrize("case", DOUBTS)
def test_hosts_of_another_kind_are_never_safe(case: str) -> None:
    """Bits are compared all the same, and why that proves nothing is said."""
    other, told = DOUBTS[case]
    comparison = compare(named("a", 3), other)
    assert not comparison.lost
    assert not comparison.safe
    (doubt,) = comparison.doubts
    assert doubt.startswith(told)
    assert comparison.headline == "not safe: from a to b: they are hosts of different kinds"


@pytest.mark.parametrize("facts", [{"machine": None}, {"vm_type": None}])
def test_hosts_of_an_unknown_kind_are_never_safe(facts: dict[str, None]) -> None:
    """What is not known of either may be different."""
    a, b = with_facts(named("a", 3), **facts), with_facts(named("b", 3), **facts)
    assert compare(a, b).doubts
    assert not compare(a, b).safe


def test_a_flag_that_another_machine_cannot_bind() -> None:
    """Both list INIT_SHARED alone; arm64 binds no file without MMAP, so it is lost there."""
    here, there = named("A", 2), with_facts(named("B", 2), machine="aarch64")
    comparison = compare(here, there)
    (loss,) = comparison.lost
    assert (loss.bits, [rule.stage for rule in loss.rules]) == (2, [Stage.BIND])
    assert not comparison.safe
    assert compare(there, here).lost == ()


def test_the_types_of_vms_that_a_host_makes_are_nothing_that_a_vm_loses() -> None:
    """Two VMs of type 0 with the same flags are alike, whatever else their hosts can make."""
    more = answering(named("A", 3), VM_TYPES=0x33)
    assert compare(more, named("B", 3)).safe
    devices = [
        evolve(with_facts(one, vm_type=None), scope=Scope.SYSTEM) for one in (more, named("B", 3))
    ]
    assert [(loss.capability, loss.bits) for loss in compare(*devices).lost] == [("VM_TYPES", 0x32)]


def test_a_catalog_that_differs_is_a_doubt_and_no_error() -> None:
    """Bit 2 means four things in four trees, and both digests are told."""
    comparison = compare(named("a", 3), named("b", 3, FIRECRACKER_SECRET_FREE))
    (doubt,) = comparison.doubts
    assert MAINLINE.digest[:12] in doubt
    assert FIRECRACKER_SECRET_FREE.digest[:12] in doubt
    assert doubt.endswith(": bits may differ")


def reasons(comparison: Comparison) -> list[tuple[int, tuple[Rule, ...]]]:
    """Each lost flag with the rules that forbid it where it is listed."""
    return [(loss.bits, loss.rules) for loss in comparison.lost if not loss.capability]


def test_losing_a_flag_and_what_depends_on_it() -> None:
    """Rules tell that a flag is lost with another, though both hosts list it."""
    comparison = compare(named("A", 0x3C, RELATED), named("B", 0x38, RELATED))
    assert reasons(comparison) == [
        (FOO, ()),
        (BAR, (BAR_NEEDS_FOO,)),
        (BAZ, (BAR_NEEDS_FOO, NEEDS_BAR)),
        (QUX, (LATER,)),
    ]
    assert comparison.gained == ()
    assert "until access" in comparison.lost[-1].message


def test_losses_on_another_machine() -> None:
    """What is listed and cannot be used there is lost as well as what is not listed."""
    never = Never(FOO | BAR, hosts=Hosts(machines=["aarch64"]), **SAID)
    here = named("A", FOO | BAR | BAZ, tree(never))
    there = with_facts(named("B", FOO | BAR, tree(never)), machine="aarch64")
    assert reasons(compare(here, there)) == [(FOO, (never,)), (BAR, (never,)), (BAZ, ())]


def test_a_flag_that_is_of_no_use_on_either_host() -> None:
    """What no mask could hold before is no loss."""
    comparison = compare(named("A", 0x28, RELATED), named("B", 0x28, RELATED))
    assert comparison.safe


def test_a_bit_without_a_name_is_not_lost_by_a_rule() -> None:
    """Nobody could ask for it, also where no mask at all is valid."""
    arm = Hosts(machines=["aarch64"])
    always, never = Always(FOO, hosts=arm, **SAID), Never(FOO, hosts=arm, **SAID)
    here = named("A", FOO | 1 << 6, tree(always, never))
    ((bit, rules),) = reasons(compare(here, with_facts(here, machine="aarch64")))
    assert (bit, {*rules}) == (FOO, {always, never})


def test_other_capabilities_count() -> None:
    """What a request may need is part of what a host has."""
    more = answering(named("A", 3), USER_MEMORY2=3)
    (loss,) = compare(more, named("B", 3)).lost
    assert (loss.capability, loss.bits) == ("USER_MEMORY2", 2)
    assert compare(named("B", 3), more).safe


@pytest.mark.parametrize("answer", [0, None])
def test_a_capability_that_is_not_there_or_not_known_is_lost(answer: int | None) -> None:
    """An error is no yes."""
    here = named("A", 3)
    rest = {name: raw for name, raw in here.answers.items() if name != "USER_MEMORY2"}
    if answer is None:
        there = evolve(here, answers=rest, errors={"USER_MEMORY2": 22})
    else:
        there = answering(here, USER_MEMORY2=answer)
    (loss,) = compare(here, there).lost
    assert (loss.capability, loss.bits) == ("USER_MEMORY2", 1)


def test_guest_memfd_as_a_mask_is_a_yes() -> None:
    """Which bits it has means nothing yet; a 0 is a no."""
    here = answering(named("A", 3), GUEST_MEMFD=2)
    assert compare(here, named("B", 3)).safe
    assert [loss.capability for loss in compare(here, answering(here, GUEST_MEMFD=0)).lost] == [
        "GUEST_MEMFD"
    ]


def test_a_flag_that_cannot_be_known_is_lost() -> None:
    """A host that cannot speak of a bit does not promise it."""
    wide = answering(named("A", 3, HI), **{FLAGS_HI: 1})
    rest = {name: raw for name, raw in wide.answers.items() if name != FLAGS_HI}
    narrow = evolve(wide, origin="B", answers=rest)
    (loss,) = compare(wide, narrow).lost
    assert (loss.bits, "unknowable" in loss.message) == (1 << 32, True)


def test_what_is_gained_is_told_of_the_first_host() -> None:
    """Every sentence says which of the two it speaks of."""
    lines = str(compare(named("A", 0), named("B", 3))).splitlines()
    assert lines[0] == "safe: what runs on A runs on B"
    assert lines[1] == "  gained: MMAP (bit 0, 0x1) is unsupported on the first host"
    lost = str(compare(named("B", 3), named("A", 0))).splitlines()
    assert lost[1] == "  lost: MMAP (bit 0, 0x1) is unsupported on the second host"


def test_no_host_forges_a_line() -> None:
    """Names come from elsewhere: a line break in one is told as such."""
    odd = "x\nsafe: what runs on A runs on B"
    one = named(odd, 3)
    for text in (str(baseline([one, named(odd, 1)])), str(compare(one, named(odd, 1)))):
        assert not [line for line in text.splitlines() if line.startswith("safe")]
        assert "x\\nsafe" in text


def test_a_bit_of_two_names() -> None:
    """Hosts that were asked under two trees say that a bit has two names: nothing is decided."""
    one, other = (evolve(named(name, 3), other_names={1 << 9: name}) for name in ("ONE", "OTHER"))
    with pytest.raises(PoolError, match=r"has a bit 0x200 called OTHER, where ONE has ONE"):
        baseline([one, other])
    assert "names: 0x200 is called otherwise on the other host" in compare(one, other).doubts
