"""What an answer says beside its mask: advice, doubts, headlines. Whole texts: tests/golden."""

from typing import Any

import pytest
from attrs import evolve

from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
    Always,
    FlagWord,
    HostFacts,
    Hosts,
    InvalidMaskError,
    Never,
    Request,
    Scope,
    Stage,
    Support,
    query,
    resolve,
)
from gmemflags.testing import FakeBackend
from tests.trees import ALL, BAR, BAZ, CLAIM, FOO, SAID, answering, dev_kvm, host, tree_of

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
    assert answer.headline.startswith("granted: " if answer.ok else "refused")
    assert "a fake host" in answer.headline
    assert answer.headline.endswith("(and 1 more)") is (len(answer.problems) == 2)


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


def test_no_advice_about_other_hosts() -> None:
    """A rule that does not apply here is not told, nor one that a refusal might have broken."""
    elsewhere = Never(FOO, stage=Stage.ACCESS, hosts=Hosts(machines=("aarch64",)), **SAID)
    assert resolve(host(ALL, elsewhere), FOO).advice == (CLAIM,)
    always = Always(FOO, stage=Stage.ACCESS, **SAID)
    assert resolve(host(BAR, always), BAZ).advice == (CLAIM,)


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
    assert resolve(nobody, Request(required=FOO, until=Stage.BIND)).advice == (
        f"{head} It holds on {condition}; of this host the {unknown} is not known.",
        CLAIM,
    )


def test_advice_about_a_stage_on_this_type_of_host() -> None:
    """Nothing is in doubt where machine and VM type are known."""
    hosts = Hosts(machines=("x86_64",), vm_types=(0,))
    rule = Never(FOO, stage=Stage.ACCESS, hosts=hosts, **SAID)
    answer = resolve(host(ALL, rule), Request(required=FOO, until=Stage.BIND))
    assert answer.advice == ("at access: no mask takes FOO. It is so.", CLAIM)


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
