"""The text about a host: what the answers mean, and what a VM has that /dev/kvm has not."""

import pytest
from attrs import evolve

from gmemflags import MAINLINE, Capability, HostFacts, Scope, Support, query
from gmemflags._cli._card import card, verdict
from gmemflags import Catalog
from gmemflags.testing import FakeBackend
from tests.strategies import catalog_of

HI = 300
WITH_HI = evolve(
    MAINLINE, capabilities={**MAINLINE.capabilities, Capability.GUEST_MEMFD_FLAGS_HI: HI}
)


def ask(
    answers: dict[int, int], scope: Scope = Scope.VM, catalog: Catalog = MAINLINE, vm_type: int = 0
) -> Support:
    """What a host with these answers says."""
    facts = HostFacts(machine="x86_64", vm_type=vm_type if scope is Scope.VM else None)
    return query(FakeBackend(answers, scope=scope, host=facts), catalog)


def numbers(*names: str) -> Catalog:
    """Mainline with these capabilities only."""
    kept = {name: number for name, number in MAINLINE.capabilities.items() if name in names}
    return evolve(MAINLINE, capabilities=kept)


@pytest.mark.parametrize(
    ("system", "vm", "sentence"),
    [
        ({}, {}, "No guest_memfd: the kernel has none, for any type of VM."),
        (
            {234: 1},
            {},
            "No guest_memfd for this type of VM, though the kernel has it for others.",
        ),
        (
            {234: 1},
            {234: 1},
            "guest_memfd takes no flag, as in Linux 6.8 to 6.17: only flags == 0 is valid.",
        ),
        ({234: 1}, {234: 1, 244: 1}, "Lists MMAP (bit 0, 0x1)."),
        ({234: 2}, {234: 2, 244: 0x80}, "Lists bit 7 (0x80, not named by linux-mainline)."),
    ],
)
def test_the_first_sentence_says_which_no_it_is(
    system: dict[int, int], vm: dict[int, int], sentence: str
) -> None:
    """With both answers at hand, each kind of no has words of its own."""
    told = list(verdict(ask(vm), ask(system, Scope.SYSTEM)))
    assert told[0] == sentence


@pytest.mark.parametrize(
    ("catalog", "sentence"),
    [
        (
            numbers("GUEST_MEMFD_FLAGS"),
            "Unknown: linux-mainline has no number for KVM_CAP_GUEST_MEMFD, so it was not asked.",
        ),
        (
            numbers("GUEST_MEMFD"),
            (
                "guest_memfd is there. linux-mainline has no number for the capability that lists"
                " flags."
            ),
        ),
    ],
)
def test_what_was_not_asked_is_not_known(catalog: Catalog, sentence: str) -> None:
    """A tree without a number gives no answer, and not a no."""
    told = [*verdict(ask({234: 1}, catalog=catalog), ask({234: 1}, Scope.SYSTEM, catalog))]
    assert told == [sentence]


def test_flags_that_are_and_are_not_listed() -> None:
    """Named and missing, unnamed and listed: each bit is told once."""
    support = ask({234: 1, 244: 0x41})
    assert list(verdict(support, support)) == [
        "Lists MMAP|0x40 (0x41).",
        "Of these, linux-mainline does not name bit 6 (0x40).",
        "Does not list INIT_SHARED (bit 1, 0x2).",
    ]


def test_a_flag_out_of_reach_is_not_told_as_missing() -> None:
    """A bit that the host could not speak of is another thing than one that it did not list."""
    catalog = evolve(catalog_of({"MMAP": 1, "FOO": 1 << 5, "FAR": 1 << 40}), name="far")
    support = ask({234: 1, 244: 1}, catalog=catalog)
    assert list(verdict(support, support)) == [
        "Lists MMAP (bit 0, 0x1).",
        "Does not list FOO (bit 5, 0x20).",
        "Cannot speak of FAR (bit 40, 0x10000000000).",
    ]


def test_a_vm_that_has_more_than_dev_kvm_is_told_as_well() -> None:
    """It should never be so; where it is, it is shown."""
    system = ask({234: 1, 244: 1}, Scope.SYSTEM)
    text = card({"host": "a host"}, [system, ask({234: 1, 233: 8, 244: 2})])
    assert (
        "  Unlike /dev/kvm: MMAP (bit 0, 0x1) is not listed; INIT_SHARED (bit 1, 0x2) is\n"
        "      listed as well; KVM_CAP_MEMORY_ATTRIBUTES is 0x8, not 0x0.\n"
    ) in text


def test_a_sign_extended_word_is_shown_as_it_came() -> None:
    """The raw answer in hexadecimal, and what it was read as."""
    text = card({"host": "a host"}, [ask({234: 1, 244: 3 - (1 << 31)}, Scope.SYSTEM)])
    assert "     244  0xffffffff80000003 (0x80000003, signed)\n" in text


def test_a_contradiction_is_in_the_legend() -> None:
    """What only FLAGS_HI claims has a mark of its own, explained where it is used."""
    answers = {234: 1, 244: 1 << 40, HI: 0x101}
    text = card({"host": "a host"}, [ask(answers, Scope.SYSTEM, WITH_HI)])
    assert text.endswith("! claimed by FLAGS_HI, denied by a 64-bit FLAGS: not believed")
    assert "! claimed" not in card({"host": "a host"}, [ask({234: 1}, Scope.SYSTEM)])


def test_types_without_a_known_name_are_numbers() -> None:
    """VM types are named where the kernel's header names them: on x86, up to 5."""
    system = ask({234: 1, 244: 3}, Scope.SYSTEM)
    vms = [ask({234: 1, 244: 3}, vm_type=number) for number in (5, 6)]
    text = card({"host": "a host"}, [system, *vms])
    assert "VM scope: a VM of type 5 (KVM_X86_TDX_VM): the same answers\n" in text
    assert "VM scope: a VM of type 6: the same answers\n" in text
    arm = evolve(vms[0], host=HostFacts(machine="aarch64", vm_type=5))
    assert "VM scope: a VM of type 5: the same" in card({"host": "a host"}, [system, arm])
