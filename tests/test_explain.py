"""What an answer says beside its mask: advice, doubts, headlines. Whole texts: tests/golden."""

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
    Always,
    FlagWord,
    HostFacts,
    Hosts,
    InvalidMaskError,
    Need,
    Never,
    Profile,
    Request,
    Resolution,
    Scope,
    Stage,
    Support,
    query,
    resolve,
)
from gmemflags.testing import FakeBackend
from tests.trees import ALL, BAR, BAZ, CLAIM, FOO, HIGH, SAID, answering, dev_kvm, host, tree_of

LISTS_BOTH = query(FakeBackend.narrow(3))
LATER = (
    Never(FOO, stage=Stage.BIND, why="No slot.", source="a test"),
    Never(FOO, stage=Stage.ACCESS, why="No use.", source="a test"),
    Never(BAR, stage=Stage.ACCESS, why="Not asked.", source="a test"),
)
HI: dict[str, Any] = {**MAINLINE.capabilities, "GUEST_MEMFD_FLAGS_HI": 300}


def test_what_was_not_asked_is_not_none() -> None:
    """Of a host that was not asked for its flags nobody says that it lists none."""
    support = answering(MAINLINE, GUEST_MEMFD=1)
    assert "lists no flag" not in str(resolve(support, 0))
    assert "lists no flag" not in str(resolve(support, 1))


@pytest.mark.parametrize("want", [0, 1, 3, 4, 6])
def test_a_headline_is_the_first_line(want: int) -> None:
    """The answer, the host, and how much more there is to say."""
    answer = resolve(query(FakeBackend.narrow(1)), want)
    assert str(answer).splitlines()[0] == answer.headline
    verdict = "granted" if answer.ok else "refused"
    assert answer.headline.startswith(f"{verdict} on a fake host: ")
    assert answer.headline.endswith("(and 1 more)") is (len(answer.problems) == 2)


@pytest.mark.parametrize(
    ("until", "advice"),
    [
        (
            Stage.CREATE,
            ["no mask takes FOO (at bind): No slot.", "no mask takes FOO (at access): No use."],
        ),
        (Stage.BIND, []),
        (Stage.ACCESS, []),
    ],
)
def test_advice_about_later_stages(until: Stage, advice: list[str]) -> None:
    """What a later stage refuses of the granted mask; of a refusal there is nothing to say."""
    answer = resolve(host(ALL, *LATER), Request(required=FOO, until=until))
    assert list(answer.advice) == [*advice, CLAIM]


def test_no_advice_about_other_hosts() -> None:
    """A rule that does not apply here is not told, nor one that a refusal might have broken."""
    elsewhere = Never(FOO, stage=Stage.ACCESS, hosts=Hosts(machines=("aarch64",)), **SAID)
    assert resolve(host(ALL, elsewhere), FOO).advice == (CLAIM,)
    always = Always(FOO, stage=Stage.ACCESS, **SAID)
    assert resolve(host(BAR, always), BAZ).advice == (CLAIM,)


@pytest.mark.parametrize(
    ("hosts", "condition", "unknown"),
    [
        (Hosts(machines=("aarch64", "armv8l")), "machine aarch64 or armv8l", "the machine is"),
        (Hosts(vm_types=(4, 5)), "VM type 4 or 5", "the VM type is"),
        (
            Hosts(machines=("x86_64",), vm_types=(5,)),
            "machine x86_64, VM type 5",
            "the machine and the VM type are",
        ),
    ],
)
@pytest.mark.parametrize(
    ("stage", "head"),
    [
        (Stage.CREATE, "applied to be safe: no mask takes BAR."),
        (Stage.ACCESS, "no mask takes FOO (at access): It is so."),
    ],
)
def test_advice_about_undecided_hosts(
    hosts: Hosts, condition: str, unknown: str, stage: Stage, head: str
) -> None:
    """A rule that may apply is applied, or told, and its condition with it."""
    rule = Never(BAR if stage is Stage.CREATE else FOO, stage=stage, hosts=hosts, **SAID)
    nobody = evolve(host(ALL, rule), host=HostFacts())
    assert resolve(nobody, Request(required=FOO, until=Stage.BIND)).advice == (
        f"{head} It holds on {condition}; {unknown} not known.",
        CLAIM,
    )


def test_advice_about_a_stage_on_this_type_of_host() -> None:
    """Nothing is in doubt where machine and VM type are known."""
    hosts = Hosts(machines=("x86_64",), vm_types=(0,))
    rule = Never(FOO, stage=Stage.ACCESS, hosts=hosts, **SAID)
    answer = resolve(host(ALL, rule), Request(required=FOO, until=Stage.BIND))
    assert answer.advice == ("no mask takes FOO (at access): It is so.", CLAIM)


def test_no_advice() -> None:
    """Mainline on a VM that is known, with flags that are of use."""
    assert resolve(LISTS_BOTH, 3).advice == ()


def test_advice_about_another_tree() -> None:
    """Names of another tree are the caller's; an equal catalog, or one in other words, is not."""
    (text,) = resolve(query(FakeBackend.narrow(3), FIRECRACKER_SECRET_FREE), 3).advice
    assert text.startswith("the names are those of firecracker-secret-free")
    words = evolve(MAINLINE, rules=[evolve(rule, why="So.") for rule in MAINLINE.rules])
    for twin in (evolve(MAINLINE), words):
        assert resolve(evolve(LISTS_BOTH, catalog=twin), 3).advice == ()


def test_advice_about_a_catalog_that_only_bears_mainlines_name() -> None:
    """Both digests are told."""
    other = evolve(MAINLINE, rules=())
    (text,) = resolve(evolve(LISTS_BOTH, catalog=other), 3).advice
    assert text.startswith(f"this linux-mainline (digest {other.digest[:12]}) is not the one")
    assert MAINLINE.digest[:12] in text


def test_advice_about_the_device() -> None:
    """Also where a yes for /dev/kvm was asked for."""
    answer = resolve(dev_kvm(3), Request(required=3, scope=Scope.SYSTEM))
    assert answer.advice == (
        "/dev/kvm says what the host could offer at most: a VM may support fewer flags",
    )


class Wide(FlagWord):
    """A tree with a flag beyond 32 bits."""

    HIGH = 1 << 32


@pytest.mark.parametrize(
    ("support", "claimed"),
    [
        (
            query(
                FakeBackend({234: 1, 244: 0x4_0000_0003, 300: 7}),
                evolve(MAINLINE, capabilities=HI),
            ),
            "0x300000000 (not named by linux-mainline)",
        ),
        (
            query(
                FakeBackend({234: 1, 244: 0x2_0000_0000, 300: 3}),
                evolve(tree_of(Wide), capabilities=HI),
            ),
            "HIGH (bit 32, 0x100000000)",
        ),
    ],
    ids=["mainline", "another tree"],
)
def test_advice_about_what_only_flags_hi_claims(support: Support, claimed: str) -> None:
    """It is named as the tree names it, and not believed."""
    assert resolve(support, 0).advice[-1] == (
        f"{claimed} is claimed by FLAGS_HI and denied by a 64-bit FLAGS: not believed"
    )


@pytest.mark.parametrize("bit", [0, 3, -1, 1 << 64, True])
def test_why_is_about_one_bit(bit: int) -> None:
    """Several bits may have several reasons."""
    with pytest.raises(InvalidMaskError):
        resolve(LISTS_BOTH, 3).why(bit)


@pytest.mark.parametrize(
    ("hosts", "facts", "unknown", "remedy"),
    [
        (
            Hosts(vm_types=(4,)),
            HostFacts(machine="x86_64"),
            "the VM type is not known",
            "say it, as in Vm.from_fd(fd, vm_type=0)",
        ),
        (
            Hosts(machines=("aarch64",)),
            HostFacts(vm_type=0),
            "the machine is not known",
            'say it, as in HostFacts(machine="x86_64")',
        ),
        (
            Hosts(machines=("aarch64",), vm_types=(4,)),
            HostFacts(),
            "the machine and the VM type are not known",
            'say them, as in HostFacts(machine="x86_64") and Vm.from_fd(fd, vm_type=0)',
        ),
        (
            Hosts(vm_types=(0,)),
            HostFacts(vm_type=36),
            "the machine is not known",
            'say it, as in HostFacts(machine="x86_64")',
        ),
        (
            Hosts(machines=("quantum",)),
            HostFacts(machine="x86_64", vm_type=0),
            "it may not apply here",
            "it may not apply here",
        ),
    ],
    ids=["VM type", "machine", "both", "a number that may be a size", "a name nobody knows"],
)
@pytest.mark.parametrize("stage", Stage)
def test_a_refusal_that_rests_on_an_open_condition_says_so(
    hosts: Hosts, facts: HostFacts, unknown: str, remedy: str, stage: Stage
) -> None:
    """In the headline, and in the message with the fact that settles it."""
    rule = Never(FOO, hosts=hosts, stage=stage, **SAID)
    answer = resolve(evolve(host(ALL, rule), host=facts), FOO)
    assert answer.headline.endswith(f" ({unknown})")
    assert answer.problems[0].message.endswith(remedy)


def test_a_refusal_that_rests_on_known_facts_has_no_doubt() -> None:
    """Nothing could be said that would help."""
    rule = Never(FOO, hosts=Hosts(machines=("amd64",), vm_types=(0,)), **SAID)
    answer = resolve(host(ALL, rule), FOO)
    assert "not known" not in str(answer)
    assert "may not apply" not in str(answer)


@pytest.mark.parametrize(
    ("stage", "named"),
    [(Stage.CREATE, ""), (Stage.BIND, " (at bind)"), (Stage.ACCESS, " (at access)")],
)
def test_a_rule_of_a_later_stage_is_named_with_it(stage: Stage, named: str) -> None:
    """A creation would succeed, so the reader must know when it hurts; our rules have no date."""
    answer = resolve(host(ALL, Never(FOO, stage=stage, **SAID)), FOO)
    assert f": no mask takes FOO{named}: " in answer.headline


def test_a_rule_of_mainline_is_named_with_the_release_it_was_read_in() -> None:
    """A newer kernel may be better."""
    assert "(at access, as of Linux 7.3)" in resolve(LISTS_BOTH, 1).headline
    arm64 = evolve(LISTS_BOTH, host=HostFacts(machine="arm64", vm_type=0))
    asked = Request(required=2, until=Stage.BIND)
    assert "(at bind, as of Linux 7.3)" in resolve(arm64, asked).headline


@pytest.mark.parametrize("profile", ["fully-shared", "private"])
def test_a_profile_is_named_in_the_headline(profile: str) -> None:
    """A yes and a no of one host to several profiles are told apart."""
    answer = resolve(LISTS_BOTH, MAINLINE.profiles[profile])
    assert answer.profile == profile
    assert f" on a fake host: profile {profile}: " in answer.headline


EMPTY = "a mask of 0 says only that a file without flags is accepted"


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (Request(), True),
        (Request(forbidden=3), True),
        (Request(preferred=[1 << 7]), True),
        (Request(preferred=[3]), False),
        (Request(required=3), False),
        (Request(needs=[Need("MEMORY_ATTRIBUTES", 8)]), False),
        (Request(needs=[Need("MEMORY_ATTRIBUTES", 1)]), True),
        (Request(needs=[Need("USER_MEMORY2")]), True),
    ],
    ids=str,
)
def test_a_yes_without_a_flag_says_what_it_is_worth(request_: Request, told: bool) -> None:
    """Unless private memory was asked for, the guest would not use the file."""
    support = query(FakeBackend({231: 1, 233: 9, 234: 1, 244: 3}))
    answer = resolve(support, request_)
    assert answer.ok
    assert any(text.startswith(EMPTY) for text in answer.advice) is told


def test_a_need_is_told_with_its_why_and_the_names_of_its_bits() -> None:
    """What was asked for, what it was answered, and what for."""
    (problem,) = resolve(LISTS_BOTH, MAINLINE.profiles["private"]).problems
    assert problem.message == (
        "KVM_CAP_MEMORY_ATTRIBUTES is 0x0, needed: 0x8 (PRIVATE)"
        " (KVM_SET_MEMORY_ATTRIBUTES makes pages private)"
    )


@pytest.mark.parametrize(
    ("machine", "told"),
    [
        ("aarch64", True),
        ("ARM64", True),
        (None, True),
        ("quantum", True),
        ("x86_64", False),
        ("s390x", False),
    ],
)
def test_a_need_by_the_number_of_another_capability(machine: str | None, told: bool) -> None:
    """Where a mainline kernel may answer 245 for ARM_SEA_TO_USER, a yes says so."""
    backend = FakeBackend(
        {231: 1, 234: 1, 244: 15, 245: 1}, host=HostFacts(machine=machine, vm_type=0)
    )
    restore = FIRECRACKER_SECRET_FREE.profiles["restore"]
    answer = resolve(query(backend, FIRECRACKER_SECRET_FREE), restore)
    assert answer.ok
    about = "a mainline kernel answers KVM_CAP_ARM_SEA_TO_USER to it"
    assert any(text.endswith(about) for text in answer.advice) is told


# Text from outside: an origin, a name of a catalog, a why, a capability, a profile, a machine.
HOSTILE = "good\ngranted on all hosts: MMAP\r\x1b[2K\u202e\u200b\u2028\x85\ud800"


def hostile(text: str) -> Resolution:
    """A refusal in which every text that can come from outside is this one."""
    rule = Never(1, why=text, source=text, stage=Stage.ACCESS, hosts=Hosts(machines=(text or "m",)))
    catalog = evolve(
        MAINLINE, name=text, capabilities={**MAINLINE.capabilities, text: 300}, rules=[rule]
    )
    backend = FakeBackend(
        {234: 1, 244: 1},
        origin=text,
        host=HostFacts(kernel=text, machine=f"other {text}", vm_type=0),
    )
    needs = [Need(text, 1, why=text), Need("missing", why=text, optional=True)]
    request = Request(required=1 | 1 << 7, needs=needs, flag_names=[(2, text)], forbidden=2)
    return resolve(query(backend, catalog), Profile(text, request, text))


def all_texts(answer: Resolution) -> list[str]:
    """Every text of an answer that is one line."""
    return [
        answer.headline,
        *map(str, answer.problems),
        *map(str, answer.outcomes),
        *answer.advice,
        *map(str, answer.suggestions),
        *(answer.why(1 << number) for number in range(64)),
        *str(answer).splitlines(),
        repr(answer),
        repr(answer.support),
    ]


def test_no_foreign_text_forges_a_line() -> None:
    """Every sentence is one line of printable characters; only the library begins one."""
    answer = hostile(HOSTILE)
    for text in all_texts(answer):
        assert text.isprintable(), text
    assert not [line for line in str(answer).splitlines() if line.startswith("granted")]
    plain = hostile("harmless")
    assert len(str(answer).splitlines()) == len(str(plain).splitlines())


@given(st.text(max_size=300))
def test_no_text_at_all_forges_a_line(text: str) -> None:
    """Whatever is in a name, the answer has the lines that it would have with another one."""
    for line in all_texts(hostile(text)):
        assert line.isprintable()


def test_a_long_foreign_text_is_cut() -> None:
    """A machine name of 10,000 characters fills no screen."""
    assert max(map(len, all_texts(hostile("A" * 10_000))[:-2])) < 3_000


@pytest.mark.parametrize(
    ("bit", "told"),
    [
        (FOO, "a-tree numbers no capability that lists flags"),
        (HIGH, "the host was not asked for its flags"),
    ],
)
def test_a_catalog_without_a_number_for_flags_knows_of_none(bit: int, told: str) -> None:
    """The sentence says that the catalog is why, and not the host."""
    numbers = {**MAINLINE.capabilities, "GUEST_MEMFD_FLAGS": None}
    support = query(FakeBackend.narrow(3), evolve(tree_of(type(FOO)), capabilities=numbers))
    assert resolve(support, bit).headline.endswith(f" is unknowable: {told}")
