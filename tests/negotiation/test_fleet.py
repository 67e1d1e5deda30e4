"""The baseline of a pool and the comparison of two hosts, on cases that people meet."""

import pytest
from attrs import evolve

from gmemflags import (
    MAINLINE,
    Always,
    Baseline,
    Capability,
    CatalogError,
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
from gmemflags.catalog import FIRECRACKER_SECRET_FREE, Hosts
from tests.records.values import FLAGS, FLAGS_HI, host
from tests.trees import Flag, tree

NEEDS_FOO = Requires(Flag.BAR, all_of=Flag.FOO, why="BAR builds on FOO.", source="a test")
NEEDS_BAR = Requires(Flag.BAZ, all_of=Flag.BAR, why="BAZ builds on BAR.", source="a test")
LATER = Requires(Flag.QUX, all_of=Flag.FOO, why="Else no use.", source="a test", stage=Stage.ACCESS)
TREE = tree(NEEDS_FOO, NEEDS_BAR, LATER)
HI = evolve(MAINLINE, name="with-hi", capabilities={**MAINLINE.capabilities, FLAGS_HI: 999})


def answering(like: Support, **answers: int) -> Support:
    """The same host with other answers."""
    return evolve(like, answers={**like.answers, **answers})


def test_three_hosts_one_lacks_a_flag() -> None:
    """The pool promises what all have, and says who lacks the rest."""
    pool = baseline([host(3, "a"), host(3, "b"), host(1, "c")])
    assert pool.support.mask == 1
    assert pool.count == 3
    assert pool.lacking == {2: Lacking(1, ["c"])}
    assert pool.first == ("a", "b", "c")
    assert str(pool) == (
        "baseline of 3 hosts: MMAP (bit 0, 0x1)\n  1 of 3 lacks INIT_SHARED (bit 1, 0x2): c"
    )
    assert resolve(pool.support, 3).headline == (
        "refused: INIT_SHARED (bit 1, 0x2) is not supported: the baseline of a pool lists"
        " MMAP (bit 0, 0x1)"
    )


def test_one_host_is_a_pool() -> None:
    """A baseline of one host has its answers and its kernel."""
    pool = baseline([host(3, "a")])
    assert pool.support == evolve(host(3), origin="the baseline of a pool")
    assert pool.lacking == {}
    assert str(pool) == "baseline of 1 host: MMAP|INIT_SHARED (0x3)"


def test_many_lack_it() -> None:
    """The first ten are named, and the others counted."""
    pool = baseline(host(int(n >= 20), f"h{n}") for n in range(50))
    assert pool.lacking[1] == Lacking(20, [f"h{n}" for n in range(10)])
    assert pool.lacking[2].count == 50
    ten = ", ".join(f"h{n}" for n in range(10))
    assert str(pool) == (
        "baseline of 50 hosts: no flag (0x0)\n"
        f"  20 of 50 lack MMAP (bit 0, 0x1): {ten}, ...\n"
        f"  50 of 50 lack INIT_SHARED (bit 1, 0x2): {ten}, ..."
    )


def test_a_pool_without_guest_memfd_in_names_of_its_tree() -> None:
    """Bits 2 and 3 have names in this tree, and none in mainline."""
    own = [host(12, "a", FIRECRACKER_SECRET_FREE), host(4, "b", FIRECRACKER_SECRET_FREE)]
    pool = baseline([evolve(own[0], answers={**own[0].answers, "GUEST_MEMFD": 0}), own[1]])
    assert str(pool).splitlines() == [
        "baseline of 2 hosts: NO_DIRECT_MAP (bit 2, 0x4)",
        "  2 of 2 lack MMAP (bit 0, 0x1): a, b",
        "  2 of 2 lack INIT_SHARED (bit 1, 0x2): a, b",
        "  1 of 2 lacks WRITE (bit 3, 0x8): b",
        "  guest_memfd itself is not on every host",
    ]


def test_an_unnamed_bit_counts_where_some_host_lists_it() -> None:
    """What no catalog names is told if the hosts differ in it, and only then."""
    assert baseline([host(3, "a"), host(0x43, "b")]).lacking == {0x40: Lacking(1, ["a"])}
    assert baseline([host(3, "a"), host(3, "b")]).lacking == {}


def test_a_pool_of_pools() -> None:
    """A baseline among the hosts stands for all of its hosts."""
    hosts = [host(n % 4, f"h{n}") for n in range(30)]
    parts: list[Support | Baseline] = [baseline(hosts[:7]), hosts[7], baseline(hosts[8:])]
    assert baseline(parts) == baseline(hosts)


def test_kernels_may_differ() -> None:
    """The kernel of a pool is that of its hosts, if it is one."""
    old, new = host(3), evolve(host(3), host=evolve(host(3).host, kernel="7.2"))
    assert baseline([old, old]).support.host.kernel == "6.18.0"
    assert baseline([old, new, new]).support.host.kernel is None


def test_a_capability_that_one_host_was_not_asked_for() -> None:
    """The pool was not asked for it either."""
    silent = evolve(host(3), answers={FLAGS: 3, Capability.USER_MEMORY2: 6})
    support = baseline([answering(host(3), USER_MEMORY2=3), silent]).support
    assert support.answers == {"USER_MEMORY2": 2, FLAGS: 3}
    assert support.guest_memfd is None
    assert "guest_memfd itself is not on every host" in str(baseline([silent]))


def test_guest_memfd_that_became_a_mask() -> None:
    """Two answers without a common bit are two answers other than 0, as one with 0 is not."""
    one, two = answering(host(3), GUEST_MEMFD=1), answering(host(3), GUEST_MEMFD=2)
    assert baseline([one, two]).support.guest_memfd is True
    assert baseline([one, two, one]).support == baseline([two, baseline([one, two])]).support
    assert baseline([one, answering(host(3), GUEST_MEMFD=0)]).support.guest_memfd is False


def test_flags_at_once_and_in_two_words() -> None:
    """What counts is the mask, not the form in which a kernel gave it."""
    wide = answering(host(0, catalog=HI), **{FLAGS: 0x5_0000_0003, FLAGS_HI: 0})
    split = answering(host(0, catalog=HI), **{FLAGS: 1, FLAGS_HI: 7})
    assert compare(wide, answering(split, **{FLAGS: 3, FLAGS_HI: 5})).relation is Relation.EQUAL
    assert baseline([wide, split]).support.answers[FLAGS_HI] == 5
    assert baseline([wide, wide]).support.answers[FLAGS] == 0x5_0000_0003
    alone = answering(host(0), **{FLAGS: 0x5_0000_0003})
    other = answering(host(0), **{FLAGS: 0x2_0000_0003})
    assert baseline([alone, alone]).support.mask == 0x5_0000_0003
    assert baseline([alone, other]).support.answerable == 0xFFFF_FFFF


def test_a_negative_mask_stays_exact() -> None:
    """Bit 63 makes the C long negative, here too."""
    top = answering(host(0), **{FLAGS: -(1 << 63) | 1})
    assert baseline([top, top]).support.answers == top.answers


def test_what_no_answer_can_say() -> None:
    """Two masks may have in common what looks like an errno: that is an error, no guess."""
    one = answering(host(0), **{FLAGS: 0x1_FFFF_FFFF})
    two = answering(host(0), **{FLAGS: 0x2_FFFF_FFFF})
    with pytest.raises(InconsistentAnswerError) as caught:
        baseline([one, two])
    error = caught.value
    assert (error.origin, error.capability, error.raw) == (
        "the baseline of a pool",
        FLAGS,
        0xFFFF_FFFF,
    )
    assert error.problem == (
        "0xffffffff (-EPERM) is not an answer: it is an error number, not flags"
    )


def test_no_host_is_no_pool() -> None:
    """A baseline of nothing would promise everything."""
    with pytest.raises(PoolError, match=r"^a baseline needs at least one host$") as caught:
        baseline([])
    assert caught.value.origin == ""


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        (evolve(host(3, "b"), scope=Scope.SYSTEM), "b has scope system, where a has vm"),
        (
            evolve(host(3, "b"), host=evolve(host(3).host, machine="aarch64")),
            "b has machine aarch64, where a has x86_64",
        ),
        (
            evolve(host(3, "b"), host=evolve(host(3).host, vm_type=None)),
            "b has VM type None, where a has 0",
        ),
        (
            evolve(host(3, "b"), host=evolve(host(3).host, vm_type=5)),
            "b has VM type 5, where a has 0",
        ),
        (
            host(3, "b", FIRECRACKER_SECRET_FREE),
            (
                f"b has catalog firecracker-secret-free .{FIRECRACKER_SECRET_FREE.digest[:12]}.,"
                f" where a has linux-mainline .{MAINLINE.digest[:12]}.:"
            ),
        ),
    ],
)
def test_hosts_of_another_kind_are_refused_by_name(odd: Support, told: str) -> None:
    """A VM cannot move there, or the bits mean something else: the message names the odd one."""
    with pytest.raises(PoolError, match=f"^{told}"):
        baseline([host(3, "a"), host(3, "a"), odd])


def test_an_equal_catalog_is_the_same_catalog() -> None:
    """Content counts, as everywhere."""
    twin = evolve(MAINLINE, name=MAINLINE.name)
    assert baseline([host(3), host(3, catalog=twin)]).count == 2
    assert compare(host(3), host(3, catalog=twin)).relation is Relation.EQUAL


def test_a_flag_that_all_list_and_no_mask_of_the_pool_can_hold() -> None:
    """What it needs is lacking somewhere; a rule of a later stage than binding is no reason."""
    pool = baseline([host(0x2C, "A", TREE), host(0x28, "B", TREE)])
    assert str(pool).splitlines()[-1] == (
        "  no mask can hold BAR (bit 3, 0x8): BAR requires FOO (BAR builds on FOO.)"
    )


def test_a_pool_in_which_no_mask_is_valid() -> None:
    """It is told of the flags that all list, and of no other bit."""
    always = Always(4, why="So it is.", source="a test")
    tree = evolve(TREE, rules=[always, Never(4, why="So it is not.", source="a test")])
    assert str(baseline([host(0x48, "A", tree)])).splitlines()[-3:] == [
        "  1 of 1 lacks QUX (bit 5, 0x20): A",
        "  1 of 1 lacks HIGH (bit 40, 0x10000000000): A",
        (
            "  no mask can hold BAR (bit 3, 0x8): every mask needs FOO (So it is.); no mask takes"
            " FOO (So it is not.)"
        ),
    ]


def test_losing_a_flag_and_what_depends_on_it() -> None:
    """Rules tell that a flag is lost with another, though both hosts list it."""
    comparison = compare(host(0x3C, "A", TREE), host(0x38, "B", TREE))
    assert comparison.relation is Relation.SUPERSET
    assert comparison.differing == Flag.FOO
    assert comparison.lost_on_b == (
        Loss(bit=4),
        Loss(bit=8, rules=(NEEDS_FOO,), because=4),
        Loss(bit=16, rules=(NEEDS_FOO, NEEDS_BAR), because=4),
    )
    assert comparison.lost_on_a == ()
    assert str(comparison) == (
        "superset: A has all that B has, and more\n"
        "  on B you lose FOO (bit 2, 0x4), and with it BAR (bit 3, 0x8) and BAZ (bit 4, 0x10):"
        " BAR requires FOO (BAR builds on FOO.); BAZ requires BAR (BAZ builds on BAR.)"
    )


def test_every_loss_is_told() -> None:
    """One with what depends on it, and then one by itself; or two by themselves."""
    assert len(str(compare(host(3, "A"), host(0, "B"))).splitlines()) == 3
    told = str(compare(host(0x5C, "A", TREE), host(0x18, "B", TREE))).splitlines()
    assert [line.split(" (")[0] for line in told[1:]] == [
        "  on B you lose FOO",
        "  on B you lose bit 6",
    ]


def test_every_loss_on_another_machine_is_told() -> None:
    """What is listed and cannot be used there, then what is not listed, in names of the tree."""
    never = Never(4, why="Not here.", source="a test", hosts=Hosts(machines=["aarch64"]))
    also = evolve(never, mask=8)
    tree = evolve(FIRECRACKER_SECRET_FREE, rules=[never, also])
    here, there = host(0x1C, "A", tree), host(0xC, "B", tree)
    arm = evolve(there, host=evolve(there.host, machine="aarch64"))
    assert str(compare(here, arm)).splitlines()[1:] == [
        (
            "  on B you lose NO_DIRECT_MAP (bit 2, 0x4), though it is listed:"
            " no mask takes NO_DIRECT_MAP (Not here.)"
        ),
        "  on B you lose WRITE (bit 3, 0x8), though it is listed: no mask takes WRITE (Not here.)",
        "  on B you lose bit 4 (0x10, not named by firecracker-secret-free)",
        "  machine x86_64 on A and aarch64 on B: rules may differ",
    ]


def test_a_flag_that_is_of_no_use_on_either_host() -> None:
    """What no mask could hold before is no loss."""
    comparison = compare(host(0x28, "A", TREE), host(0x28, "B", TREE))
    assert (comparison.lost_on_b, comparison.lost_on_a) == ((), ())


def test_a_bit_without_a_name_is_not_lost_by_a_rule() -> None:
    """Nobody could ask for it, also where no mask at all is valid."""
    arm = Hosts(machines=["aarch64"])
    always = Always(4, why="There.", source="a test", hosts=arm)
    never = Never(4, why="Not there.", source="a test", hosts=arm)
    tree = evolve(FIRECRACKER_SECRET_FREE, rules=[always, never])
    here = host(0x44, "A", tree)
    there = evolve(here, host=evolve(here.host, machine="aarch64"))
    assert compare(here, there).lost_on_b == (Loss(bit=4, rules=(never,)),)


def test_losing_a_flag_because_of_bit_0() -> None:
    """The lowest bit can be the cause as well."""
    (rule,) = [rule for rule in MAINLINE.rules if isinstance(rule, Always)]
    there = evolve(host(2, "B"), host=evolve(host(2).host, machine="aarch64"))
    assert compare(host(3, "A"), there).lost_on_b == (
        Loss(bit=1),
        Loss(bit=2, rules=(rule,), because=1),
    )


def test_each_has_something() -> None:
    """Both losses are told, each with its host."""
    assert str(compare(host(1, "A"), host(2, "B"))) == (
        "incomparable: each of A and B has something that the other lacks\n"
        "  on B you lose MMAP (bit 0, 0x1)\n"
        "  on A you lose INIT_SHARED (bit 1, 0x2)"
    )


def test_equal_answers_of_other_machines() -> None:
    """Answers alone are compared; what rules make of them on another machine is told."""
    arm = evolve(host(2, "arm"), host=evolve(host(2).host, machine="aarch64"))
    comparison = compare(host(2, "x86"), arm)
    assert comparison.relation is Relation.EQUAL
    (loss,) = comparison.lost_on_b
    assert (loss.bit, loss.because) == (2, 0)
    assert str(comparison) == (
        "equal: x86 and arm give equal answers\n"
        "  on arm you lose INIT_SHARED (bit 1, 0x2), though it is listed: every mask needs MMAP"
        " (arm64 binds no memory slot to a guest_memfd that cannot be mapped.)\n"
        "  machine x86_64 on x86 and aarch64 on arm: rules may differ"
    )


def test_another_type_of_vm_is_told() -> None:
    """Equal answers, and yet a rule may speak of one of them alone."""
    other = evolve(host(2, "B"), host=evolve(host(2).host, vm_type=None))
    assert str(compare(host(2, "A"), other)).splitlines()[1:] == [
        "  VM type 0 on A and not known on B: rules may differ"
    ]


def test_other_capabilities_count() -> None:
    """What a request may need is part of what a host has."""
    more = answering(host(3, "A"), USER_MEMORY2=3)
    comparison = compare(more, answering(host(3, "B"), USER_MEMORY2=1))
    assert comparison.relation is Relation.SUPERSET
    assert comparison.capabilities == {"USER_MEMORY2": (3, 1)}
    assert "KVM_CAP_USER_MEMORY2 is 0x3 on A and 0x1 on B" in str(comparison)


def test_not_asked_and_unseen_is_less_than_no() -> None:
    """A host that could have listed a bit says more than one that could not speak of it."""
    narrow = evolve(host(3, "B", HI), answers={FLAGS: 3})
    comparison = compare(answering(host(3, "A", HI), **{FLAGS_HI: 0}), narrow)
    assert comparison.relation is Relation.SUPERSET
    assert comparison.differing == 0xFFFF_FFFF_0000_0000
    told = str(comparison)
    assert "\n  B could not speak of bits 63:32\n" in told
    assert "KVM_CAP_GUEST_MEMFD is 0x1 on A and not asked on B" in told


def test_a_host_that_was_never_asked() -> None:
    """It could have spoken of nothing, in either word."""
    silent = evolve(host(3, "B", HI), answers={"GUEST_MEMFD": 1})
    told = str(compare(answering(host(3, "A", HI), **{FLAGS_HI: 0}), silent)).splitlines()
    for line in ("  B could not speak of bits 31:0", "  B could not speak of bits 63:32"):
        assert line in told
    told = str(compare(silent, answering(host(3, "A", HI), **{FLAGS_HI: 0}))).splitlines()
    assert "  B could not speak of bits 31:0" in told


def test_a_device_and_its_vm() -> None:
    """Scopes may differ: what /dev/kvm claims and the VM does not take."""
    system = evolve(host(3, "/dev/kvm"), scope=Scope.SYSTEM)
    assert str(compare(host(1, "a VM"), system)) == (
        "subset: /dev/kvm has all that a VM has, and more\n"
        "  on a VM you lose INIT_SHARED (bit 1, 0x2)\n"
        "  /dev/kvm answers for the best imaginable VM, a VM for one VM"
    )
    assert "/dev/kvm answers for the best" in str(compare(system, host(1, "a VM")))


def test_hosts_of_one_name_are_told_apart() -> None:
    """Every VM is called the same on every host."""
    for same in ("VM of type 0", "a VM of type 0", "the VM of type 0"):
        assert "on the other VM of type 0 you lose" in str(compare(host(3, same), host(1, same)))


def test_catalogs_are_not_mixed() -> None:
    """Bit 2 means four things in four trees."""
    with pytest.raises(CatalogError) as caught:
        compare(host(3, "a"), host(3, "b", FIRECRACKER_SECRET_FREE))
    assert caught.value.catalog == "firecracker-secret-free"
    assert caught.value.problem == (
        f"b was read under firecracker-secret-free ({FIRECRACKER_SECRET_FREE.digest[:12]}), but"
        f" a under linux-mainline ({MAINLINE.digest[:12]}): their bits may differ"
    )
