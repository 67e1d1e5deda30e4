"""The answer as text: whole reports, letter by letter, and each of their parts."""

from typing import Any

import pytest
from attrs import evolve

from gmemflags import (
    MAINLINE,
    Always,
    Catalog,
    Excludes,
    HostFacts,
    InvalidMaskError,
    Need,
    Never,
    Outcome,
    Prerequisites,
    Reason,
    Refused,
    Request,
    Requires,
    Role,
    Scope,
    Stage,
    Support,
    query,
    resolve,
)
from gmemflags.catalog import FIRECRACKER_SECRET_FREE, FirecrackerFlag, GuestMemfdFlag, Hosts
from gmemflags.masks import FlagWord
from gmemflags.testing import FakeBackend
from tests.trees import ALL, BAR, BAZ, FOO, QUX, SAID, host

ADD = Prerequisites.ADD
F = GuestMemfdFlag


CLAIM = "the names are those of a-tree, by the caller's choice: a kernel confirms bits, never names"


def needs(flag: int, all_of: int) -> Requires:
    """A rule of the usual kind."""
    return Requires(flag, all_of=all_of, **SAID)


MAINLINE_HOST = query(FakeBackend.narrow(3))
ONLY_MMAP = query(FakeBackend.narrow(1))


def device(flags: int) -> Support:
    """A /dev/kvm on mainline."""
    return query(
        FakeBackend(
            {231: 1, 234: 1, 235: 1, 244: flags},
            scope=Scope.SYSTEM,
            host=HostFacts("6.18.0", "x86_64"),
            origin="/dev/kvm",
        )
    )


def report(support: Support, **request: Any) -> list[str]:
    """The lines of a report."""
    return str(resolve(support, Request(**request))).splitlines()


def test_granted() -> None:
    """What was asked, what the host said, and what became of each bit."""
    assert report(MAINLINE_HOST, required=F.MMAP, preferred=[F.INIT_SHARED]) == [
        "granted: MMAP|INIT_SHARED (0x3) on a fake host",
        (
            "  asked: required MMAP (bit 0, 0x1), preferred INIT_SHARED (bit 1, 0x2);"
            " prerequisites refuse, until bind"
        ),
        "  host: a fake host lists MMAP|INIT_SHARED (0x3) (linux-mainline, vm scope)",
        "  - MMAP (bit 0, 0x1) is granted: required and supported",
        "  - INIT_SHARED (bit 1, 0x2) is granted: preferred and supported",
    ]


def test_granted_without_a_flag() -> None:
    """0 is a mask: nothing is rendered as nothing."""
    assert report(MAINLINE_HOST, needs=[Need("USER_MEMORY2")], forbidden=1 << 63 | 1) == [
        "granted: no flag (0x0) on a fake host",
        (
            "  asked: required no flag (0x0), forbidden MMAP|0x8000000000000000"
            " (0x8000000000000001), needs KVM_CAP_USER_MEMORY2; prerequisites refuse, until bind"
        ),
        "  host: a fake host lists MMAP|INIT_SHARED (0x3) (linux-mainline, vm scope)",
    ]


def test_granted_with_an_ungranted_wish() -> None:
    """The wish that was not met says why, and the advice what the rest is good for."""
    assert report(ONLY_MMAP, required=F.MMAP, preferred=[F.INIT_SHARED]) == [
        "granted: MMAP (bit 0, 0x1) on a fake host",
        (
            "  asked: required MMAP (bit 0, 0x1), preferred INIT_SHARED (bit 1, 0x2);"
            " prerequisites refuse, until bind"
        ),
        "  host: a fake host lists MMAP (bit 0, 0x1) (linux-mainline, vm scope)",
        "  - MMAP (bit 0, 0x1) is granted: required and supported",
        "  - INIT_SHARED (bit 1, 0x2) is not supported: a fake host lists MMAP (bit 0, 0x1)",
        (
            "  note: at access: MMAP requires INIT_SHARED. Memory that does not start shared can"
            " be mapped, but every touch is a SIGBUS."
        ),
    ]


def test_granted_with_an_ungranted_group() -> None:
    """The bits of a group have a line each, and the group has one as a whole."""
    assert report(host(FOO), preferred=[FOO | BAR]) == [
        "granted: no flag (0x0) on a fake host",
        (
            "  asked: required no flag (0x0), preferred FOO|BAR (0xc);"
            " prerequisites refuse, until bind"
        ),
        "  host: a fake host lists FOO (bit 2, 0x4) (a-tree, vm scope)",
        ("  - FOO (bit 2, 0x4) is supported, but no group with it can be granted as a whole"),
        "  - BAR (bit 3, 0x8) is not supported: a fake host lists FOO (bit 2, 0x4)",
        (
            "  - wish FOO|BAR (0xc) is not granted: BAR (bit 3, 0x8) is not supported: a fake host"
            " lists FOO (bit 2, 0x4)"
        ),
        f"  note: {CLAIM}",
    ]


def test_granted_with_prerequisites_added() -> None:
    """Each added bit says by which rules, back to one that was asked for."""
    support = host(ALL, needs(BAZ, BAR), needs(BAR, FOO))
    assert report(support, required=BAZ, prerequisites=ADD) == [
        "granted: FOO|BAR|BAZ (0x1c) on a fake host",
        "  asked: required BAZ (bit 4, 0x10); prerequisites add, until bind",
        "  host: a fake host lists FOO|BAR|BAZ|QUX (0x3c) (a-tree, vm scope)",
        "  - FOO (bit 2, 0x4) is added: BAR requires FOO, because BAZ requires BAR",
        "  - BAR (bit 3, 0x8) is added: BAZ requires BAR",
        "  - BAZ (bit 4, 0x10) is granted: required and supported",
        f"  note: {CLAIM}",
    ]


def test_refused_by_a_rule() -> None:
    """Each dependency with its why and the present value of every bit, and what to change."""
    support = host(ALL, Excludes(FOO, BAR, **SAID))
    assert report(support, required=FOO | BAR) == [
        (
            "refused on a fake host: FOO excludes BAR (It is so): no mask for a host like this"
            " can have that;"
            " FOO (bit 2, 0x4) is supported and required,"
            " BAR (bit 3, 0x8) is supported and required"
        ),
        "  asked: required FOO|BAR (0xc); prerequisites refuse, until bind",
        "  host: a fake host lists FOO|BAR|BAZ|QUX (0x3c) (a-tree, vm scope)",
        f"  note: {CLAIM}",
        "  try: prefer FOO (bit 2, 0x4) instead of requiring it, which gives BAR (bit 3, 0x8)",
        "  try: prefer BAR (bit 3, 0x8) instead of requiring it, which gives FOO (bit 2, 0x4)",
    ]


def test_refused_by_the_host() -> None:
    """Every bit that is not there has a line, the first is the headline."""
    assert report(query(FakeBackend.narrow(0)), required=3) == [
        (
            "refused: MMAP (bit 0, 0x1) is not supported: a fake host lists no flag (0x0):"
            " its guest_memfd takes no flag at all (and 1 more)"
        ),
        "  asked: required MMAP|INIT_SHARED (0x3); prerequisites refuse, until bind",
        "  host: a fake host lists no flag (0x0) (linux-mainline, vm scope)",
        (
            "  - INIT_SHARED (bit 1, 0x2) is not supported: a fake host lists no flag (0x0):"
            " its guest_memfd takes no flag at all"
        ),
        (
            "  try: prefer MMAP (bit 0, 0x1) instead of requiring it; prefer INIT_SHARED (bit 1,"
            " 0x2) instead of requiring it, which gives no flag (0x0)"
        ),
    ]


def test_refused_by_needs() -> None:
    """Absent and never asked are two sentences; to do without both is one suggestion."""
    wanted = [Need("MEMORY_ATTRIBUTES", 8), Need("USERFAULT")]
    assert report(MAINLINE_HOST, needs=wanted) == [
        (
            "refused: KVM_CAP_MEMORY_ATTRIBUTES is 0x0 on a fake host, and 0x8 is needed"
            " (and 1 more)"
        ),
        (
            "  asked: required no flag (0x0), needs KVM_CAP_MEMORY_ATTRIBUTES with 0x8, needs"
            " KVM_CAP_USERFAULT; prerequisites refuse, until bind"
        ),
        "  host: a fake host lists MMAP|INIT_SHARED (0x3) (linux-mainline, vm scope)",
        (
            "  - KVM_CAP_USERFAULT is needed, and a fake host was not asked: linux-mainline has no"
            " number for it"
        ),
        (
            "  try: drop the need for KVM_CAP_MEMORY_ATTRIBUTES with 0x8; drop the need for"
            " KVM_CAP_USERFAULT,"
            " which gives no flag (0x0)"
        ),
    ]


def test_refused_as_an_upper_bound() -> None:
    """The device's yes is no VM's yes."""
    assert report(device(3), required=3) == [
        (
            "refused: /dev/kvm answers for the best imaginable VM, so its yes is only an upper"
            " bound: query the VM's own descriptor, or ask for system scope"
        ),
        "  asked: required MMAP|INIT_SHARED (0x3); prerequisites refuse, until bind",
        "  host: /dev/kvm lists MMAP|INIT_SHARED (0x3) (linux-mainline, system scope)",
        ("  note: /dev/kvm answers for the best imaginable VM: a VM may take fewer flags"),
        ("  try: ask for an upper bound only (system scope), which gives MMAP|INIT_SHARED (0x3)"),
    ]


def test_refused_as_a_flag_of_another_tree() -> None:
    """Both names are told."""
    assert report(host(), required=FirecrackerFlag.NO_DIRECT_MAP) == [
        (
            "refused on a fake host: FOO (bit 2, 0x4) of a-tree is called NO_DIRECT_MAP by"
            " the request: a flag of another tree"
        ),
        "  asked: required FOO (bit 2, 0x4); prerequisites refuse, until bind",
        "  host: a fake host lists FOO|BAR|BAZ|QUX (0x3c) (a-tree, vm scope)",
        f"  note: {CLAIM}",
        "  try: prefer FOO (bit 2, 0x4) instead of requiring it, which gives no flag (0x0)",
    ]


def test_a_host_that_was_not_asked_for_its_flags() -> None:
    """What nobody asked is not "no flag"."""
    support = Support(answers={"GUEST_MEMFD": 1}, scope=Scope.VM, catalog=MAINLINE)
    assert "lists no flag" not in str(resolve(support, 0))
    assert "lists no flag" not in str(resolve(support, F.MMAP))


@pytest.mark.parametrize(
    ("support", "want", "headline"),
    [
        (MAINLINE_HOST, 0, "granted: no flag (0x0) on a fake host"),
        (MAINLINE_HOST, 1, "granted: MMAP (bit 0, 0x1) on a fake host"),
        (MAINLINE_HOST, 3, "granted: MMAP|INIT_SHARED (0x3) on a fake host"),
        (
            MAINLINE_HOST,
            4,
            (
                "refused on a fake host: bit 2 (0x4, not named by linux-mainline) cannot be"
                " asked for:"
                " what it does is not known"
            ),
        ),
        (
            ONLY_MMAP,
            6,
            (
                "refused: INIT_SHARED (bit 1, 0x2) is not supported: a fake host lists MMAP"
                " (bit 0, 0x1) (and 1 more)"
            ),
        ),
    ],
)
def test_a_headline_is_one_line(support: Support, want: int, headline: str) -> None:
    """The answer, the host, and how much more there is to say."""
    assert resolve(support, want).headline == headline


# Advice: what the answer does not say by itself.

LATER = (
    Never(FOO, stage=Stage.BIND, why="No slot.", source="a test"),
    Never(FOO, stage=Stage.ACCESS, why="No use.", source="a test"),
    Never(BAR, stage=Stage.ACCESS, why="Not asked.", source="a test"),
)


@pytest.mark.parametrize(
    ("until", "advice"),
    [
        (
            Stage.CREATE,
            ["at bind: no mask takes FOO. No slot.", "at access: no mask takes FOO. No use."],
        ),
        (Stage.BIND, []),
        (Stage.ACCESS, []),
    ],
)
def test_advice_about_later_stages(until: Stage, advice: list[str]) -> None:
    """What a later stage refuses of the granted mask; of a refusal there is nothing to say."""
    answer = resolve(host(ALL, *LATER), Request(required=FOO, until=until))
    assert list(answer.advice) == [*advice, CLAIM]


def test_advice_about_a_later_stage_on_other_hosts() -> None:
    """What does not apply here is not told."""
    rule = Never(FOO, stage=Stage.ACCESS, hosts=Hosts(machines=("aarch64",)), **SAID)
    assert resolve(host(ALL, rule), FOO).advice == (CLAIM,)


@pytest.mark.parametrize(
    ("hosts", "condition", "unknown"),
    [
        (Hosts(machines=("aarch64", "armv8l")), "machine aarch64 or armv8l", "machine"),
        (Hosts(vm_types=(4, 5)), "VM type 4 or 5", "VM type"),
        (
            Hosts(machines=("x86_64",), vm_types=(5,)),
            "machine x86_64, VM type 5",
            "machine and VM type",
        ),
    ],
)
@pytest.mark.parametrize(
    ("stage", "head"),
    [
        (Stage.CREATE, "applied to be safe: no mask takes BAR."),
        (Stage.ACCESS, "at access: no mask takes FOO. It is so."),
    ],
)
def test_advice_about_undecided_hosts(
    hosts: Hosts, condition: str, unknown: str, stage: Stage, head: str
) -> None:
    """A rule that may apply is applied, or told, and its condition with it."""
    rule = Never(BAR if stage is Stage.CREATE else FOO, stage=stage, hosts=hosts, **SAID)
    nobody = evolve(host(ALL, rule), host=HostFacts())
    assert resolve(nobody, FOO).advice == (
        f"{head} It holds on {condition}; of this host the {unknown} is not known.",
        CLAIM,
    )


def test_advice_about_a_refusal_by_an_undecided_rule() -> None:
    """The doubt is told with a no as well."""
    rule = Always(BAR, hosts=Hosts(machines=("aarch64",)), **SAID)
    answer = resolve(evolve(host(ALL, rule), host=HostFacts()), FOO)
    assert not answer.ok
    assert answer.advice[0].startswith("applied to be safe: every mask needs BAR. It holds on")


def test_advice_about_a_later_stage_on_this_type_of_host() -> None:
    """Nothing is in doubt where machine and VM type are known."""
    hosts = Hosts(machines=("x86_64",), vm_types=(0,))
    rule = Never(FOO, stage=Stage.ACCESS, hosts=hosts, **SAID)
    assert resolve(host(ALL, rule), FOO).advice == (
        "at access: no mask takes FOO. It is so.",
        CLAIM,
    )


def test_no_advice_about_what_a_refused_mask_would_lack() -> None:
    """There is no mask, so no later rule is broken by it."""
    rule = Always(FOO, stage=Stage.ACCESS, **SAID)
    assert resolve(host(BAR, rule), BAZ).advice == (CLAIM,)


def test_a_pin_is_the_whole_request() -> None:
    """These flags and no other bit, same needs, stage and scope, under this very catalog."""
    needs_more = [Need("USER_MEMORY2", 1)]
    request = Request(preferred=[2, 1], needs=needs_more, until=Stage.ACCESS, scope=Scope.SYSTEM)
    answer = resolve(device(3), request)
    assert answer.pin() == Request(
        required=F.MMAP | F.INIT_SHARED,
        forbidden=0xFFFF_FFFF_FFFF_FFFC,
        needs=needs_more,
        until=Stage.ACCESS,
        scope=Scope.SYSTEM,
        digest=MAINLINE.digest,
    )


def test_no_advice() -> None:
    """Mainline on a VM that is known, with flags that are of use."""
    assert resolve(MAINLINE_HOST, 3).advice == ()


def test_advice_about_another_tree() -> None:
    """Names of another tree are the caller's claim; an equal catalog is mainline."""
    support = query(FakeBackend.narrow(3), FIRECRACKER_SECRET_FREE)
    assert resolve(support, 3).advice == (
        (
            "the names are those of firecracker-secret-free, by the caller's choice: a kernel"
            " confirms bits, never names"
        ),
    )
    twin = evolve(MAINLINE_HOST, catalog=evolve(MAINLINE))
    assert resolve(twin, 3).advice == ()


def test_advice_about_the_device() -> None:
    """Also where an upper bound was asked for."""
    answer = resolve(device(3), Request(required=3, scope=Scope.SYSTEM))
    assert answer.advice == (
        "/dev/kvm answers for the best imaginable VM: a VM may take fewer flags",
    )


def test_advice_about_a_disagreement() -> None:
    """What FLAGS_HI alone claims is named, and not believed."""
    catalog = evolve(MAINLINE, capabilities={**MAINLINE.capabilities, "GUEST_MEMFD_FLAGS_HI": 300})
    support = query(FakeBackend({231: 1, 234: 1, 244: 0x4_0000_0003, 300: 7}), catalog)
    assert resolve(support, 3).advice[-1] == (
        "0x300000000 (not named by linux-mainline) is claimed by FLAGS_HI and denied by a 64-bit"
        " FLAGS:"
        " not believed"
    )


def test_advice_about_a_disagreement_in_another_tree() -> None:
    """The bit bears the name that the tree gives it."""

    class Wide(FlagWord):
        HIGH = 1 << 32

    numbers = {**MAINLINE.capabilities, "GUEST_MEMFD_FLAGS_HI": 300}
    catalog = Catalog("a-tree", Wide, numbers)
    support = query(FakeBackend({231: 1, 234: 1, 244: 0x2_0000_0000, 300: 3}), catalog)
    assert resolve(support, 0).advice[-1] == (
        "HIGH (bit 32, 0x100000000) is claimed by FLAGS_HI and denied by a 64-bit FLAGS: not"
        " believed"
    )


def test_advice_in_order() -> None:
    """What comes later first, then the doubts."""
    catalog = evolve(
        host(ALL, LATER[1], Never(BAR, hosts=Hosts(machines=("x",)), **SAID)).catalog,
        capabilities={**MAINLINE.capabilities, "GUEST_MEMFD_FLAGS_HI": 300},
    )
    backend = FakeBackend(
        {231: 1, 234: 1, 244: 0x4_0000_0004, 300: 7},
        scope=Scope.SYSTEM,
        host=HostFacts(),
        origin="/dev/kvm",
    )
    answer = resolve(query(backend, catalog), Request(required=FOO, scope=Scope.SYSTEM))
    assert [text.split()[0] for text in answer.advice] == [
        "at",
        "applied",
        "the",
        "/dev/kvm",
        "0x300000000",
    ]


# why(): each kind of bit.

WHY_RULES = (needs(BAR, FOO), Excludes(BAZ, QUX, **SAID))
PRESENT = "FOO (bit 2, 0x4) is supported and {}, BAR (bit 3, 0x8) is supported and {}"
EXCLUDED = "BAZ (bit 4, 0x10) is supported and preferred, QUX (bit 5, 0x20) is supported and {}"


@pytest.mark.parametrize(
    ("request_", "bit", "why"),
    [
        (Request(required=FOO), FOO, "FOO (bit 2, 0x4) is granted: required and supported"),
        (Request(preferred=[FOO]), FOO, "FOO (bit 2, 0x4) is granted: preferred and supported"),
        (
            Request(required=BAR, prerequisites=ADD),
            FOO,
            "FOO (bit 2, 0x4) is added: BAR requires FOO",
        ),
        (Request(required=FOO), QUX, "QUX (bit 5, 0x20) is supported and not asked for"),
        (
            Request(),
            1 << 41,
            "bit 41 (0x20000000000, not named by a-tree) is unknowable and not asked for",
        ),
        (Request(), 1 << 7, "bit 7 (0x80, not named by a-tree) is unsupported and not asked for"),
        (Request(forbidden=FOO), FOO, "FOO (bit 2, 0x4) is forbidden by the request"),
        (
            Request(preferred=[FOO], forbidden=FOO),
            FOO,
            "FOO (bit 2, 0x4) is forbidden by the request",
        ),
        (
            Request(preferred=[1]),
            1,
            "bit 0 (0x1, not named by a-tree) cannot be asked for: what it does is not known",
        ),
        (
            Request(preferred=[FirecrackerFlag.WRITE]),
            BAR,
            "BAR (bit 3, 0x8) of a-tree is called WRITE by the request: a flag of another tree",
        ),
        (
            Request(preferred=[BAR]),
            BAR,
            (
                "BAR (bit 3, 0x8) is not granted: BAR requires FOO (It is so): the host has what"
                " is missing, and the request lacks it; "
                + PRESENT.format("not asked for", "preferred")
            ),
        ),
        (
            Request(preferred=[BAR], forbidden=FOO, prerequisites=ADD),
            BAR,
            (
                "BAR (bit 3, 0x8) is not granted: BAR requires FOO (It is so): the request rules"
                " out"
                " what is missing; " + PRESENT.format("forbidden", "preferred")
            ),
        ),
        (
            Request(required=QUX, preferred=[BAZ]),
            BAZ,
            (
                "BAZ (bit 4, 0x10) is not granted: BAZ excludes QUX (It is so): no mask for a"
                " host like this can have that; " + EXCLUDED.format("required")
            ),
        ),
        (
            Request(preferred=[QUX, BAZ]),
            BAZ,
            (
                "BAZ (bit 4, 0x10) is not granted: BAZ excludes QUX (It is so): a group of higher"
                " priority was granted; " + EXCLUDED.format("preferred")
            ),
        ),
        (
            Request(preferred=[QUX | 1]),
            QUX,
            "QUX (bit 5, 0x20) is supported, but no group with it can be granted as a whole",
        ),
        (
            Request(required=FOO | 1),
            FOO,
            (
                "FOO (bit 2, 0x4) is supported, but the request was refused: bit 0 (0x1, not named"
                " by a-tree) cannot be asked for: what it does is not known"
            ),
        ),
        (
            Request(required=1, preferred=[FOO]),
            FOO,
            (
                "FOO (bit 2, 0x4) is supported, but the request was refused: bit 0 (0x1, not named"
                " by a-tree) cannot be asked for: what it does is not known"
            ),
        ),
        (
            Request(required=FOO, forbidden=FOO),
            FOO,
            "FOO (bit 2, 0x4) is both required and forbidden",
        ),
    ],
)
def test_why(request_: Request, bit: int, why: str) -> None:
    """One sentence about one bit, named or not, asked for or not."""
    assert resolve(host(ALL, *WHY_RULES), request_).why(bit) == why


def test_why_a_wish_is_not_supported() -> None:
    """The host's list is shown with it, and a host without any flag says so."""
    wish = Request(preferred=[BAR])
    assert resolve(host(FOO), wish).why(BAR) == (
        "BAR (bit 3, 0x8) is not supported: a fake host lists FOO (bit 2, 0x4)"
    )
    assert resolve(host(0), wish).why(BAR) == (
        "BAR (bit 3, 0x8) is not supported: a fake host lists no flag (0x0): its guest_memfd takes"
        " no flag at all"
    )


def test_why_a_wish_lacks_what_the_host_lacks() -> None:
    """The rule, and what the host does not list."""
    answer = resolve(host(BAR, needs(BAR, FOO)), Request(preferred=[BAR]))
    assert answer.why(BAR).startswith(
        "BAR (bit 3, 0x8) is not granted: BAR requires FOO (It is so): the host does not list what"
        " is missing; FOO (bit 2, 0x4) is unsupported and not asked for"
    )


@pytest.mark.parametrize("bit", [0, 3, -1, 1 << 64, True])
def test_why_is_about_one_bit(bit: int) -> None:
    """Several bits may have several reasons."""
    with pytest.raises(InvalidMaskError):
        resolve(MAINLINE_HOST, 3).why(bit)


# Outcomes, whose texts these are.


def of_group(outcomes: tuple[Outcome, ...], group: int) -> Outcome:
    """What became of a whole group."""
    (outcome,) = [o for o in outcomes if o.role is Role.GROUP and o.bits == group]
    return outcome


def test_every_bit_and_every_group_has_one_outcome() -> None:
    """Bits first, lowest first, each with its strongest role; groups in order of priority."""
    request = Request(required=FOO, preferred=[FOO | BAR, QUX, BAR], forbidden=QUX | BAZ)
    answer = resolve(host(), request)
    assert [(o.bits, o.role, o.granted) for o in answer.outcomes] == [
        (FOO, Role.REQUIRED, True),
        (BAR, Role.PREFERRED, True),
        (BAZ, Role.FORBIDDEN, False),
        (QUX, Role.FORBIDDEN, False),
        (FOO | BAR, Role.GROUP, True),
        (QUX, Role.GROUP, False),
        (BAR, Role.GROUP, True),
    ]


def test_a_refused_request_grants_nothing() -> None:
    """A bit that is fine by itself says that the request was refused; others say why."""
    answer = resolve(host(FOO), Request(required=FOO | BAR, preferred=[FOO, FOO | QUX]))
    assert [(o.bits, o.granted, o.reason) for o in answer.outcomes] == [
        (FOO, False, Reason.REQUEST_REFUSED),
        (BAR, False, Reason.UNSUPPORTED),
        (QUX, False, Reason.UNSUPPORTED),
        (FOO, False, Reason.REQUEST_REFUSED),
        (FOO | QUX, False, Reason.UNSUPPORTED),
    ]


def test_a_refused_request_says_so_of_half_a_group() -> None:
    """What would become of the group otherwise is not told."""
    answer = resolve(host(), Request(required=1, preferred=[FOO | BAR]))
    assert [(o.bits, o.reason) for o in answer.outcomes if o.role is Role.PREFERRED] == [
        (FOO, Reason.REQUEST_REFUSED),
        (BAR, Reason.REQUEST_REFUSED),
    ]


def test_an_empty_group_is_granted() -> None:
    """It asks for nothing, and is a wish all the same."""
    answer = resolve(host(), Request(preferred=[0]))
    assert of_group(answer.outcomes, 0).reason is Reason.GRANTED


@pytest.mark.parametrize("prerequisites", Prerequisites)
def test_a_bit_whose_group_has_an_unsupported_bit(prerequisites: Prerequisites) -> None:
    """Nothing is wrong with the bit, and no other group has to do with it."""
    request = Request(preferred=[FOO | BAR, BAZ], prerequisites=prerequisites)
    answer = resolve(host(FOO | BAZ), request)
    assert answer.mask == BAZ
    assert answer.outcomes[0].reason is Reason.GROUP_NOT_GRANTED
    assert answer.why(FOO).endswith("no group with it can be granted as a whole")
    assert of_group(answer.outcomes, FOO | BAR).reason is Reason.UNSUPPORTED


@pytest.mark.parametrize("prerequisites", Prerequisites)
def test_a_bit_whose_group_has_a_bit_that_a_rule_excludes(prerequisites: Prerequisites) -> None:
    """The rule speaks of the other bit of the group, and nothing of this one is missing."""
    rule = Excludes(BAZ, BAR, **SAID)
    request = Request(required=BAZ, preferred=[FOO | BAR], prerequisites=prerequisites)
    answer = resolve(host(ALL, rule), request)
    assert answer.outcomes[0] == Outcome(
        bits=FOO, role=Role.PREFERRED, granted=False, reason=Reason.GROUP_NOT_GRANTED
    )
    group = of_group(answer.outcomes, FOO | BAR)
    assert (group.reason, group.chain) == (Reason.RULE_CONFLICT, (rule,))


@pytest.mark.parametrize("prerequisites", Prerequisites)
def test_a_bit_of_a_group_that_a_rule_excludes_by_itself(prerequisites: Prerequisites) -> None:
    """Without the rest of its group it could not be granted either."""
    rule = Excludes(BAZ, BAR, **SAID)
    request = Request(required=BAZ, preferred=[FOO | BAR], prerequisites=prerequisites)
    answer = resolve(host(ALL, rule), request)
    assert answer.outcomes[1] == Outcome(
        bits=BAR, role=Role.PREFERRED, granted=False, reason=Reason.RULE_CONFLICT, chain=(rule,)
    )


def test_a_group_of_which_no_bit_is_supported() -> None:
    """Each of its bits has its sentence."""
    lists = "is not supported: a fake host lists BAZ (bit 4, 0x10)"
    assert (
        f"  - wish FOO|BAR (0xc) is not granted: FOO (bit 2, 0x4) {lists}; BAR (bit 3, 0x8) {lists}"
    ) in report(host(BAZ), preferred=[FOO | BAR])


def test_a_group_that_lacks_a_prerequisite() -> None:
    """The wish as a whole says by which rule."""
    answer = resolve(host(ALL, needs(BAR, BAZ)), Request(preferred=[FOO | BAR]))
    assert "  - wish FOO|BAR (0xc) is not granted: BAR requires BAZ (It is so): " in str(answer)


OUTRANKING = Excludes(FOO, BAR, **SAID), Excludes(BAR, BAZ, **SAID)


@pytest.mark.parametrize("order", [1, -1])
def test_a_group_is_outranked_by_a_higher_one(order: int) -> None:
    """In any order of the rules: a lower one that was granted instead is not to blame."""
    support = host(ALL, *OUTRANKING[::order])
    answer = resolve(support, Request(preferred=[FOO, BAR, BAZ]))
    assert answer.mask == FOO | BAZ
    group = of_group(answer.outcomes, BAR)
    assert (group.reason, group.chain) == (Reason.OUTRANKED, (OUTRANKING[0],))


def test_a_group_is_outranked_by_two_together() -> None:
    """Each of them would go with it."""
    rule = Requires(QUX, any_of=(0x10, 0x8), **SAID)
    never_both = Refused(FOO | BAR | BAZ | QUX, **SAID)
    answer = resolve(host(ALL, rule, never_both), Request(preferred=[FOO, BAR, BAZ, QUX]))
    assert answer.mask == FOO | BAR | BAZ
    group = of_group(answer.outcomes, QUX)
    assert (group.reason, group.chain) == (Reason.OUTRANKED, (never_both,))


CIRCLE = needs(BAZ, BAR), needs(BAR, BAZ), needs(FOO, BAR)


@pytest.mark.parametrize("order", [1, -1])
def test_a_chain_leads_back_to_what_was_asked_for(order: int) -> None:
    """Through a circle as well, in any order of the rules: it ends with a named flag."""
    support = host(ALL, *CIRCLE[::order])
    answer = resolve(support, Request(required=FOO, prerequisites=ADD))
    assert answer.mask == FOO | BAR | BAZ
    _, bar, baz = answer.outcomes
    assert bar.chain == (CIRCLE[2],)
    assert baz.chain == (CIRCLE[1], CIRCLE[2])


def test_a_chain_through_a_circle_of_alternatives() -> None:
    """Either would do, and needs the other: the way back leads through both."""
    offer = Requires(QUX, any_of=(FOO, BAR), **SAID)
    foo_needs_bar, bar_needs_foo = needs(FOO, BAR), needs(BAR, FOO)
    support = host(ALL, foo_needs_bar, bar_needs_foo, offer)
    answer = resolve(support, Request(required=QUX, prerequisites=ADD))
    assert [o.chain for o in answer.outcomes] == [
        (bar_needs_foo, offer),
        (foo_needs_bar, offer),
        (),
    ]


def test_a_chain_through_two_that_hold_each_other() -> None:
    """Both need the bit and one another, and every mask needs either: the chain ends there."""
    always = Always(any_of=(BAR, BAZ), **SAID)
    first, second = needs(BAR, FOO), needs(BAZ, FOO)
    support = host(ALL, first, second, needs(BAR, BAZ), needs(BAZ, BAR), always)
    answer = resolve(support, Request(prerequisites=ADD))
    assert answer.mask == FOO | BAR | BAZ
    assert answer.outcomes[0].chain in [(first, always), (second, always)]
    assert answer.why(FOO).endswith(", because every mask needs one of BAR, BAZ")


def test_a_chain_from_a_preferred_flag() -> None:
    """A wish that was granted is asked for as well."""
    rule = needs(BAR, FOO)
    answer = resolve(host(ALL, rule), Request(preferred=[BAR], prerequisites=ADD))
    assert answer.outcomes[0].chain == (rule,)


def test_a_chain_through_the_flag_that_was_needed() -> None:
    """Of two flags that need the bit the chain takes the one that its next rule asks for."""
    first, second = needs(BAR, FOO), needs(QUX, FOO)
    needs_qux, needs_bar = needs(BAZ, QUX), needs(BAZ, BAR)
    support = host(ALL, first, second, needs_qux, needs_bar)
    answer = resolve(support, Request(required=BAZ, prerequisites=ADD))
    assert answer.mask == ALL
    assert answer.outcomes[0].chain == (second, needs_qux)


def test_a_chain_to_what_every_mask_needs() -> None:
    """What every mask needs was asked for by nobody."""
    always, rule = Always(FOO, **SAID), needs(FOO, BAR)
    answer = resolve(host(ALL, rule, always), Request(prerequisites=ADD))
    assert [o.chain for o in answer.outcomes] == [
        (always,),
        (rule, always),
    ]


def test_a_chain_by_alternatives() -> None:
    """The one alternative that was taken is due to the rule that offers it."""
    rule = Requires(QUX, any_of=(FOO | BAR, BAZ), **SAID)
    answer = resolve(host(ALL, rule), Request(required=QUX, prerequisites=ADD))
    assert (answer.mask, answer.outcomes[0].chain) == (QUX | BAZ, (rule,))


def test_a_chain_by_a_refused_mask() -> None:
    """A bit that only makes the mask another one is added by that rule."""
    rule = Refused(QUX, **SAID)
    answer = resolve(host(ALL, rule), Request(required=QUX, prerequisites=ADD))
    assert (answer.mask, answer.outcomes[0].chain) == (FOO | QUX, (rule,))
    assert answer.why(FOO) == "FOO (bit 2, 0x4) is added: exactly QUX is refused"


def test_a_chain_to_a_refused_mask() -> None:
    """One bit would do, and the two need each other."""
    refused, foo_needs_bar = Refused(QUX, **SAID), needs(FOO, BAR)
    support = host(FOO | BAR | QUX, refused, foo_needs_bar, needs(BAR, FOO))
    answer = resolve(support, Request(required=QUX, prerequisites=ADD))
    assert answer.mask == FOO | BAR | QUX
    assert answer.outcomes[1].chain == (foo_needs_bar, refused)
