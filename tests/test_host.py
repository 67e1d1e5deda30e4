"""Hosts: what a backend is, what a query asks and keeps, and what follows from the answers."""

import errno
import os
import pickle
from typing import Any, cast

import pytest
from attrs import evolve

from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
    Answer,
    Backend,
    BitState,
    Capability,
    CapabilityQueryError,
    Catalog,
    CatalogError,
    GuestMemfdFlag,
    HostFacts,
    InconsistentAnswerError,
    InvalidMaskError,
    Scope,
    Support,
    query,
)
from gmemflags._mainline import FirecrackerFlag
from gmemflags.testing import FakeBackend, hosts
from tests.kernels import KERNELS, outcome
from tests.trees import flag_class

WORD = 0xFFFF_FFFF
MASK = 0xFFFF_FFFF_FFFF_FFFF
HI = Capability.GUEST_MEMFD_FLAGS_HI
NUMBERS = {
    Capability.USER_MEMORY2: 231,
    Capability.MEMORY_ATTRIBUTES: 233,
    Capability.GUEST_MEMFD: 234,
    Capability.VM_TYPES: 235,
    Capability.GUEST_MEMFD_FLAGS: 244,
}


def numbered(**numbers: int | None) -> Catalog:
    """Mainline with other capability numbers."""
    return evolve(MAINLINE, name="a-tree", capabilities={**MAINLINE.capabilities, **numbers})


WITH_HI = numbered(GUEST_MEMFD_FLAGS_HI=300)


def test_a_backend_is_abstract() -> None:
    """What it must say for itself has no default."""
    with pytest.raises(TypeError, match="abstract"):
        Backend()  # type: ignore[abstract]  # pyright: ignore[reportAbstractUsage]  # tested


@pytest.mark.parametrize("missing", ["scope", "origin", "host", "check_extension"])
def test_each_part_of_a_backend_is_required(missing: str) -> None:
    """Leaving out any one leaves it abstract."""
    parts = {"scope": Scope.VM, "origin": "mine", "host": HostFacts(), "check_extension": int}
    del parts[missing]
    with pytest.raises(TypeError, match=missing):
        type("Mine", (Backend,), parts)()


def test_facts_are_unknown_unless_given() -> None:
    """None is not a guess."""
    facts = HostFacts()
    assert (facts.kernel, facts.machine, facts.vm_type) == (None, None, None)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"vm_type": "0"}, r"vm_type must be an int in \[0, 2\*\*64\), not '0'"),
        ({"vm_type": True}, r"vm_type must be an int in \[0, 2\*\*64\), not True"),
        ({"vm_type": -1}, r"vm_type must be an int in \[0, 2\*\*64\), not -1"),
        ({"vm_type": 1 << 64}, rf"vm_type must be an int in \[0, 2\*\*64\), not {1 << 64}"),
        ({"machine": 3}, "machine must be a str, not 3"),
        ({"kernel": b"6.18"}, "kernel must be a str, not b'6.18'"),
    ],
)
def test_facts_are_texts_and_a_number(facts: dict[str, object], told: str) -> None:
    """What a rule asks of them is exact."""
    with pytest.raises(TypeError, match=f"^{told}$"):
        cast("Any", HostFacts)(**facts)


def test_mainline_numbers_five_capabilities() -> None:
    """FLAGS_HI has been proposed, and has no number in any kernel."""
    assert MAINLINE.capabilities == {**NUMBERS, Capability.GUEST_MEMFD_FLAGS_HI: None}


def test_each_numbered_capability_is_asked_once() -> None:
    """In the order of the catalog, and no other number."""
    backend = FakeBackend({})
    query(backend)
    assert backend.asked == [231, 233, 234, 235, 244]


def test_another_tree_is_asked_its_own_numbers() -> None:
    """Firecracker's USERFAULT is 245 there, and a numbered FLAGS_HI is asked too."""
    backend = FakeBackend({})
    query(backend, FIRECRACKER_SECRET_FREE)
    query(backend, WITH_HI)
    assert backend.asked == [231, 233, 234, 235, 244, 245, 231, 233, 234, 235, 244, 300]


def test_zero_is_a_number() -> None:
    """KVM_CAP_IRQCHIP is 0: only None is no number."""
    backend = FakeBackend({0: 1})
    support = query(backend, evolve(MAINLINE, capabilities={"IRQCHIP": 0, "NOTHING": None}))
    assert (backend.asked, support.answer("IRQCHIP")) == ([0], 1)


def test_a_catalog_without_numbers_asks_nothing() -> None:
    """Then nothing is known, and nothing is a flag."""
    backend = FakeBackend({244: 3})
    support = query(backend, evolve(MAINLINE, capabilities={}))
    assert (backend.asked, dict(support.answers)) == ([], {})
    assert (support.guest_memfd, support.mask, support.answerable) == (None, 0, 0)


def test_answers_are_kept_raw_and_by_name() -> None:
    """A sign-extended word stays the negative long that it was."""
    support = query(FakeBackend({231: 1, 233: 8, 234: 1, 235: 0x21, 244: -(2**31) + 3}))
    assert support.answers == {
        "USER_MEMORY2": 1,
        "MEMORY_ATTRIBUTES": 8,
        "GUEST_MEMFD": 1,
        "VM_TYPES": 0x21,
        "GUEST_MEMFD_FLAGS": -(2**31) + 3,
    }


def test_names_are_plain_texts() -> None:
    """Capability is an enum of str; what is stored does not depend on it."""
    assert {type(name) for name in query(FakeBackend({})).answers} == {str}


def test_the_backends_facts_are_kept() -> None:
    """Scope, host and origin are those of whoever answered."""
    host = HostFacts(kernel="7.0.0", machine="aarch64", vm_type=None)
    support = query(FakeBackend({}, scope=Scope.SYSTEM, host=host, origin="/dev/elsewhere"))
    assert (support.scope, support.host, support.origin) == (Scope.SYSTEM, host, "/dev/elsewhere")
    assert support.catalog is MAINLINE


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (-22, "-22 (-EINVAL) is not an answer"),
        (0xFFFF_FFEA, "0xffffffea (-EINVAL) is not an answer"),
        (0xFFFF_FFFF_FFFF_FFEA, "18446744073709551594 is not a C long"),
        (-1, "-1 (-EPERM) is not an answer"),
        (True, "True is not a C long"),
        (3.0, "3.0 is not a C long"),
        (None, "None is not a C long"),
    ],
)
@pytest.mark.parametrize("capability", NUMBERS)
def test_an_error_as_an_answer_is_never_flags(capability: Capability, raw: int, shown: str) -> None:
    """A backend that hands out what no kernel can mean is refused, and the capability is named."""
    backend = FakeBackend({234: 1, 244: 3, NUMBERS[capability]: raw}, origin="a host of mine")
    with pytest.raises(InconsistentAnswerError) as caught:
        query(backend)
    error = caught.value
    assert (error.capability, error.raw, error.origin) == (capability, raw, "a host of mine")
    assert shown in error.problem
    assert f"a host of mine answered {raw} to KVM_CAP_{capability}: {shown}" in str(error)


@pytest.mark.parametrize("raw", [1 << 32, 0x7_0000_0003, -(2**31) - 1, -(2**63)], ids=hex)
def test_a_high_word_wider_than_a_word_is_refused(raw: int) -> None:
    """Its upper half could only be read as bits 95 to 64."""
    with pytest.raises(InconsistentAnswerError) as caught:
        query(FakeBackend({234: 1, 244: 3, 300: raw}), WITH_HI)
    error = caught.value
    assert "wider than 32 bits" in error.problem
    assert (error.capability, error.raw, error.origin) == (
        "GUEST_MEMFD_FLAGS_HI",
        raw,
        "a fake host",
    )


CODES = [errno.EIO, errno.EACCES, errno.ENOTTY, errno.EBADF, errno.EINVAL]


def failing(number: int, code: int, **rest: Any) -> FakeBackend:
    """A backend of two flags and an empty FLAGS_HI that fails for one number."""
    table: dict[int, int | OSError] = {234: 1, 244: 3, 300: 0}
    return FakeBackend({**table, number: OSError(code, os.strerror(code))}, **rest)


@pytest.mark.parametrize("number", [234, 244, 300])
@pytest.mark.parametrize("code", CODES)
def test_a_failed_enumeration_fails_the_query(number: int, code: int) -> None:
    """A support without an answer to one of these would say "unsupported"."""
    with pytest.raises(CapabilityQueryError) as caught:
        query(failing(number, code), WITH_HI)
    assert (caught.value.errno, caught.value.number) == (code, number)


@pytest.mark.parametrize("capability", ["USER_MEMORY2", "MEMORY_ATTRIBUTES", "VM_TYPES"])
@pytest.mark.parametrize("code", CODES)
def test_an_answer_that_failed_keeps_to_itself(capability: str, code: int) -> None:
    """It is not known, which is neither 0 nor a yes; all others are asked and kept."""
    backend = failing(NUMBERS[Capability(capability)], code)
    support = query(backend)
    assert (support.mask, support.guest_memfd) == (3, True)
    assert support.errors == {capability: code}
    assert capability not in support.answers
    assert support.answer(capability) is None
    assert backend.asked == [231, 233, 234, 235, 244]


def test_an_errno_that_was_lost_is_0() -> None:
    """A failure stays one, whatever its number."""
    support = query(FakeBackend({234: 1, 235: OSError("gone"), 244: 3}))
    assert support.errors == {"VM_TYPES": 0}


@pytest.mark.parametrize("number", [131, 243])
def test_what_arm64_refuses_at_system_scope_is_no_failure(number: int) -> None:
    """MSI_DEVID and ARM_CACHEABLE_PFNMAP_SUPPORTED are EINVAL there, and a VM answers them."""
    catalog = numbered(OF_ARM64=number)
    backend = failing(number, errno.EINVAL, scope=Scope.SYSTEM, host=HostFacts(machine="aarch64"))
    support = query(backend, catalog)
    assert (support.mask, support.errors) == (3, {"OF_ARM64": errno.EINVAL})


def test_only_a_backend_is_queried() -> None:
    """A known host is several: the error names what it has."""
    told = r"^a Backend is needed, not an object of type KnownHost; a known host has \.vm\(\) and"
    with pytest.raises(TypeError, match=told):
        query(cast("FakeBackend", hosts["linux-6.18-x86_64"]))


def test_the_query_stops_at_the_first_failed_enumeration() -> None:
    """After EIO for GUEST_MEMFD nothing else is asked."""
    backend = FakeBackend({234: OSError(errno.EIO, "gone")})
    with pytest.raises(CapabilityQueryError):
        query(backend)
    assert backend.asked == [231, 233, 234]


@pytest.mark.parametrize(
    "errors",
    [
        {"GUEST_MEMFD": 5},
        {"GUEST_MEMFD_FLAGS": 22},
        {"USER_MEMORY2": 22},
        {"VM_TYPES": -22},
        {"VM_TYPES": True},
        {"VM_TYPES": "EINVAL"},
    ],
)
def test_errors_of_a_support_are_errnos_of_what_was_not_answered(errors: Any) -> None:
    """Not of what enumerates flags, nor of what has an answer."""
    with pytest.raises(ValueError, match=r"^errors\['\w+'\] cannot be "):
        Support(answers={"USER_MEMORY2": 1}, errors=errors, scope=Scope.VM, catalog=MAINLINE)


def test_an_error_of_what_the_catalog_does_not_number() -> None:
    """As little as an answer to it."""
    with pytest.raises(CatalogError, match="which has no number here"):
        Support(answers={}, errors={"USERFAULT": 22}, scope=Scope.VM, catalog=MAINLINE)


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_played_by_the_fake(name: str) -> None:
    """The mask, what could be answered, and what disagrees; or the error."""
    kernel = KERNELS[name]
    assert outcome(kernel.fake(), kernel.catalog) == kernel.outcome


def support_of(**answers: int) -> Support:
    """A support of raw answers, by name, under mainline."""
    return Support(answers=answers, scope=Scope.VM, catalog=MAINLINE)


def test_a_host_of_today() -> None:
    """Linux 6.18: two flags in a word, nothing known of bits 63 to 32."""
    support = query(FakeBackend.narrow(3))
    assert (support.guest_memfd, support.mask) == (True, 3)
    assert (support.answerable, support.hi_only) == (WORD, 0)
    assert support.flags == GuestMemfdFlag.MMAP | GuestMemfdFlag.INIT_SHARED
    assert type(support.flags) is GuestMemfdFlag


def test_a_host_with_two_words() -> None:
    """``FLAGS | FLAGS_HI << 32``, both sign-extended on their way."""
    flags = 0x8000_0001_8000_0003
    support = query(FakeBackend.split(flags, flags_hi=300), WITH_HI)
    assert support.mask == flags
    assert (support.answerable, support.hi_only) == (MASK, 0)


def test_a_contradicting_high_word_is_reported_and_not_believed() -> None:
    """The 64-bit FLAGS is authoritative."""
    support = query(FakeBackend({234: 1, 244: 0x4_0000_0003, 300: 7}), WITH_HI)
    assert (support.mask, support.hi_only) == (0x4_0000_0003, 0x3_0000_0000)
    assert support.state(1 << 32) is BitState.UNSUPPORTED


@pytest.mark.parametrize(
    ("bit", "state"),
    [
        (GuestMemfdFlag.MMAP, BitState.SUPPORTED),
        (1 << 6, BitState.SUPPORTED),
        (GuestMemfdFlag.INIT_SHARED, BitState.UNSUPPORTED),
        (1 << 31, BitState.UNSUPPORTED),
        (1 << 32, BitState.UNKNOWABLE),
        (1 << 63, BitState.UNKNOWABLE),
    ],
)
def test_the_state_of_a_bit(bit: int, state: BitState) -> None:
    """Named or not, a bit is listed, not listed, or out of reach."""
    assert query(FakeBackend.narrow(0x41)).state(bit) is state


@pytest.mark.parametrize("bit", [0, 3, -1, 1 << 64, True])
def test_only_one_bit_has_a_state(bit: int) -> None:
    """Several bits may be in different states."""
    with pytest.raises(InvalidMaskError):
        query(FakeBackend.narrow(3)).state(bit)


@pytest.mark.parametrize("raw", [1, 2, 1 << 40, -(2**31), -(2**63)])
def test_guest_memfd_is_a_non_zero_test(raw: int) -> None:
    """Capability 234 may become a mask."""
    assert support_of(GUEST_MEMFD=raw).guest_memfd is True


def test_the_noes_stay_apart() -> None:
    """No guest_memfd, guest_memfd without flags, and nobody asked are three answers."""
    absent = support_of(GUEST_MEMFD=0, GUEST_MEMFD_FLAGS=0)
    flagless = support_of(GUEST_MEMFD=1, GUEST_MEMFD_FLAGS=0)
    unasked = support_of()
    assert [support.guest_memfd for support in (absent, flagless, unasked)] == [False, True, None]
    assert [support.answerable for support in (absent, flagless, unasked)] == [WORD, WORD, 0]
    assert unasked.state(1) is BitState.UNKNOWABLE


def test_answers_are_read_as_masks() -> None:
    """``answer`` reads what ``answers`` keeps raw, and tells 0 from never asked."""
    support = support_of(VM_TYPES=-(2**31), MEMORY_ATTRIBUTES=0)
    assert support.answer(Capability.VM_TYPES) == 1 << 31
    assert support.answer("MEMORY_ATTRIBUTES") == 0
    assert support.answer(Capability.USER_MEMORY2) is None


@pytest.mark.parametrize(
    "capability",
    [Capability.VM_TYPES, "VM_TYPES", "KVM_CAP_VM_TYPES"],
    ids=["member", "name", "full name"],
)
def test_a_capability_is_asked_for_by_any_of_its_names(capability: str) -> None:
    """With or without the kernel's prefix, in answers, errors and catalogs alike."""
    assert support_of(VM_TYPES=5).answer(capability) == 5
    support = Support(answers={"KVM_CAP_VM_TYPES": 5}, scope=Scope.VM, catalog=MAINLINE)
    assert support.answer(capability) == 5
    catalog = Catalog("t", GuestMemfdFlag, {"KVM_CAP_GUEST_MEMFD": 234, f"{capability}": 235})
    assert query(FakeBackend({234: 1, 235: 5}), catalog).answer(capability) == 5
    assert query(FakeBackend({234: 1}), catalog).guest_memfd is True


@pytest.mark.parametrize("name", ["USERFAULT", "vm_types", "", "KVM_CAP_KVM_CAP_VM_TYPES"])
def test_an_unknown_capability_has_no_answer(name: str) -> None:
    """A typo is an error, and never "not asked"."""
    with pytest.raises(CatalogError, match=r"^catalog linux-mainline: no capability"):
        support_of(VM_TYPES=5).answer(name)


@pytest.mark.parametrize("vm_type", [0, 4, 1 << 31])
def test_a_support_of_system_scope_has_no_vm_type(vm_type: int) -> None:
    """/dev/kvm answers for VMs of all types: a rule for some of them would be applied wrongly."""
    host = HostFacts(machine="x86_64", vm_type=vm_type)
    with pytest.raises(ValueError, match=r"system scope has no VM type$"):
        Support(answers={}, scope=Scope.SYSTEM, host=host, catalog=MAINLINE)
    with pytest.raises(ValueError, match=r"system scope has no VM type$"):
        FakeBackend({}, scope=Scope.SYSTEM, host=host)
    with pytest.raises(ValueError, match=r"system scope has no VM type$"):
        evolve(query(FakeBackend({}, host=host)), scope=Scope.SYSTEM)


@pytest.mark.parametrize("flag", [FirecrackerFlag.NO_DIRECT_MAP, FirecrackerFlag.WRITE])
def test_a_flag_of_another_tree_has_no_state(flag: FirecrackerFlag) -> None:
    """Where the catalog calls the bit otherwise; where it has no name, the bit is asked about."""
    named = evolve(
        MAINLINE,
        flags=flag_class({"MMAP": 1, "INIT_SHARED": 2, "HUGE_PAGES": 4, "DIRECT": 8}),
        name="other",
    )
    support = query(FakeBackend.narrow(0xF), named)
    with pytest.raises(InvalidMaskError, match=rf"^FirecrackerFlag\.{flag.name} "):
        support.state(flag)
    assert support.state(int(flag)) is BitState.SUPPORTED
    assert query(FakeBackend.narrow(0xF)).state(flag) is BitState.SUPPORTED
    assert support.state(FirecrackerFlag.MMAP) is BitState.SUPPORTED


@pytest.mark.parametrize("name", [HI, "USERFAULT"])
def test_an_answer_to_what_the_catalog_does_not_number(name: str) -> None:
    """It was given to somebody else's number: under mainline bits 63 to 32 are never known."""
    with pytest.raises(CatalogError) as caught:
        support_of(GUEST_MEMFD=1, GUEST_MEMFD_FLAGS=3, **{name: 1})
    assert caught.value.catalog == "linux-mainline"
    assert caught.value.problem == f"a host answered {name}, which has no number here"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"scope": "vm"}, "scope must be a Scope, not 'vm'"),
        ({"host": None}, "host must be a HostFacts, not None"),
        ({"host": "x86_64"}, "host must be a HostFacts, not 'x86_64'"),
        ({"origin": 3}, "origin must be a str, not 3"),
        ({"catalog": "linux-mainline"}, "catalog must be a Catalog, not 'linux-mainline'"),
        ({"unused": [3]}, "several Answer values are wanted, not 3"),
        ({"other_names": {4: 3}}, "a name must be a str, not 3"),
    ],
)
def test_a_support_is_made_of_the_right_things(wrong: dict[str, Any], told: str) -> None:
    """The message names the field and what it has to be."""
    right: dict[str, Any] = {"answers": {}, "scope": Scope.VM, "catalog": MAINLINE}
    with pytest.raises(TypeError, match=f"^{told}$"):
        Support(**(right | wrong))


def test_its_text_names_the_catalog() -> None:
    """The repr of a catalog would fill a page."""
    text = repr(query(FakeBackend.narrow(0x43)))
    assert "'GUEST_MEMFD_FLAGS': 67" in text
    assert "catalog=linux-mainline" in text
    assert len(text) < 500


def test_under_another_tree_the_flags_have_its_names() -> None:
    """Bit 2 is NO_DIRECT_MAP there; answers, facts and the original stay."""
    support = query(FakeBackend.narrow(7))
    again = support.under(FIRECRACKER_SECRET_FREE)
    assert again.flags is FirecrackerFlag(7)
    assert (again.mask, again.answers) == (support.mask, support.answers)
    assert (again.scope, again.host, again.origin) == (support.scope, support.host, support.origin)
    assert again.answer("USERFAULT") is None
    assert (support.catalog, support.flags) == (MAINLINE, GuestMemfdFlag(7))


def test_under_a_tree_whose_high_word_was_never_asked() -> None:
    """Reading on would call the upper half unsupported, or the lower half the whole."""
    support = query(FakeBackend.narrow(3))
    with pytest.raises(CatalogError) as caught:
        support.under(WITH_HI)
    told = "GUEST_MEMFD_FLAGS_HI is 300 here, which a fake host was never asked; query it again"
    assert (caught.value.catalog, caught.value.problem) == ("a-tree", told)


def test_under_a_tree_with_the_same_high_word() -> None:
    """What was asked by that number counts."""
    support = query(FakeBackend.split(0x7_0000_0003, flags_hi=300), WITH_HI)
    assert support.under(evolve(WITH_HI, name="other")).mask == 0x7_0000_0003


def test_under_a_tree_with_another_high_word() -> None:
    """The answer to 300 says nothing of 301."""
    support = query(FakeBackend.split(0x7_0000_0003, flags_hi=300), WITH_HI)
    with pytest.raises(CatalogError, match="FLAGS_HI is 301 here"):
        support.under(numbered(GUEST_MEMFD_FLAGS_HI=301))


def test_under_a_tree_without_a_high_word() -> None:
    """Its answer is dropped: bits 63 to 32 become unknowable, and nothing disagrees."""
    contradicting = FakeBackend({234: 1, 244: 0x4_0000_0003, 300: 7})
    assert query(contradicting, WITH_HI).under(MAINLINE).hi_only == 0
    support = query(FakeBackend.split(0x7_0000_0003, flags_hi=300), WITH_HI).under(MAINLINE)
    assert (support.mask, support.answerable, support.answer(HI)) == (3, WORD, None)


@pytest.mark.parametrize("name", ["GUEST_MEMFD", "GUEST_MEMFD_FLAGS"])
def test_under_a_tree_that_enumerates_by_other_numbers(name: str) -> None:
    """The HugeTLB RFC came before 244: its answers are not these."""
    support = query(FakeBackend.narrow(3))
    with pytest.raises(CatalogError, match=rf"{name} is 400 here.*query it again"):
        support.under(numbered(**{name: 400}))


def test_under_a_tree_that_does_not_enumerate() -> None:
    """Without a number for FLAGS nothing is known of any bit."""
    support = query(FakeBackend.narrow(3)).under(numbered(GUEST_MEMFD_FLAGS=None))
    assert (support.mask, support.answerable) == (0, 0)
    assert support.state(1) is BitState.UNKNOWABLE


def test_under_a_tree_that_renumbers_another_capability() -> None:
    """That answer is not counted; the flags are."""
    support = query(FakeBackend.narrow(3)).under(numbered(USER_MEMORY2=400))
    assert support.answer(Capability.USER_MEMORY2) is None
    assert support.mask == 3


@pytest.mark.parametrize("number", [244, 999])
def test_two_answers_to_one_capability(number: int) -> None:
    """Which of them would count depended on their order."""
    unused = [Answer("GUEST_MEMFD_FLAGS", 244, 1), Answer("GUEST_MEMFD_FLAGS", number, 3)]
    bare = Catalog("bare", GuestMemfdFlag, {"X": 9})
    with pytest.raises(ValueError, match="GUEST_MEMFD_FLAGS is answered twice"):
        Support(answers={}, scope=Scope.VM, catalog=bare, unused=unused)


def test_under_a_tree_whose_flags_could_not_be_asked() -> None:
    """An error is not an answer: the host has to be queried again."""
    unused = [Answer("GUEST_MEMFD", 234, 1), Answer("GUEST_MEMFD_FLAGS", 244, None, 22)]
    bare = Catalog("bare", GuestMemfdFlag, {"X": 9})
    support = Support(answers={}, scope=Scope.VM, catalog=bare, unused=unused)
    with pytest.raises(CatalogError, match="query it again"):
        support.under(MAINLINE)


def test_under_back_and_forth_keeps_every_answer() -> None:
    """What one tree cannot read is kept for the next one, with its number."""
    support = query(FakeBackend.split(0x7_0000_0003, flags_hi=300), WITH_HI)
    there = support.under(MAINLINE)
    assert there.mask == 3
    assert [answer.number for answer in there.unused] == [300]
    assert there.under(WITH_HI) == support


def test_a_host_may_be_unknown() -> None:
    """Facts default to None each, and the origin to a word for it."""
    support = support_of(GUEST_MEMFD_FLAGS=3)
    assert support.host == HostFacts(kernel=None, machine=None, vm_type=None)
    assert support.origin == "a host"


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("answers", [(244, 3)], "answers by capability"),
        ("errors", 3, "answers by capability"),
        ("other_names", "FOO", "other_names"),
    ],
)
def test_facts_by_key_are_mappings(field: str, value: object, told: str) -> None:
    """A value of another kind is refused, and the message says what it should have been."""
    support = support_of(GUEST_MEMFD_FLAGS=3)
    with pytest.raises(TypeError, match=rf"^{told} must be a mapping, not "):
        evolve(support, **{field: cast("Any", value)})


def test_extra_facts_are_a_mapping() -> None:
    """They are written into documents by their names."""
    with pytest.raises(TypeError, match=r"^extra must be a mapping, not 'a note'$"):
        HostFacts(extra=cast("Any", "a note"))


def test_an_answer_is_used_or_unused() -> None:
    """A capability that is answered cannot be among what the catalog does not use, too."""
    support = support_of(GUEST_MEMFD=1, GUEST_MEMFD_FLAGS=3)
    unused = [Answer(Capability.GUEST_MEMFD, 300, 1)]
    with pytest.raises(ValueError, match=r"^GUEST_MEMFD is answered twice$"):
        evolve(support, unused=unused)


def answered(**fields: Any) -> Support:
    """A VM under mainline that answered nothing but what is given."""
    given: dict[str, Any] = {"answers": {}, "scope": Scope.VM, "catalog": MAINLINE, "origin": "h"}
    return Support(**(given | fields))


def test_the_names_of_another_tree_are_those_of_other_bits() -> None:
    """A bit that the catalog calls otherwise is refused; the same name and other bits are not."""
    names = {1: "MMAP", 1 << 63: "FAR"}
    assert answered(other_names=names).other_names == names
    with pytest.raises(CatalogError) as caught:
        answered(other_names={1: "MM\nAP"}, origin="h\n1")
    assert caught.value.args == (
        "linux-mainline",
        "0x1 is MMAP here, and MM\\nAP in the tree under which h\\n1 was asked; query it again",
    )
    with pytest.raises(InvalidMaskError):
        answered(other_names={3: "BOTH"})


def test_flags_are_enumerated_by_one_number() -> None:
    """What a tree with other numbers was answered is not beside a catalog that numbers it."""
    with pytest.raises(CatalogError) as caught:
        answered(unused=[Answer("GUEST_MEMFD", 999, 1)])
    problem = "GUEST_MEMFD is 234 here, which h was never asked: it was asked 999; query it again"
    assert caught.value.args == ("linux-mainline", problem)
    kept = [Answer("GUEST_MEMFD_FLAGS_HI", 999, 1), Answer("X", 998, 1)]
    assert answered(unused=kept).unused == tuple(kept)


def test_under_tells_the_number_that_was_asked() -> None:
    """So that one can see which kernel the answer is of."""
    support = support_of(GUEST_MEMFD=1, GUEST_MEMFD_FLAGS=3)
    for number, asked in ((999, ": it was asked 234"), (None, "")):
        catalog = numbered(GUEST_MEMFD=999) if number else WITH_HI
        with pytest.raises(CatalogError, match=f"which a host was never asked{asked}; query"):
            support.under(catalog)


def test_errnos_stay_with_their_capability() -> None:
    """Under another catalog, too; and 0 stands for one that was lost."""
    errors = {"VM_TYPES": 0, "MEMORY_ATTRIBUTES": 22}
    support = answered(answers={"GUEST_MEMFD": 1, "GUEST_MEMFD_FLAGS": 3}, errors=errors)
    assert dict(support.under(MAINLINE).errors) == errors
    with pytest.raises(ValueError, match=r"^errors\['VM_TYPES'\] cannot be -1 beside the answers$"):
        answered(errors={"VM_TYPES": -1})


@pytest.mark.parametrize("time", [0, 253_402_300_799])
def test_a_time_of_four_digit_years(time: int) -> None:
    """From 1970 to the end of 9999, as documents can write it."""
    assert HostFacts(time=time).time == time


@pytest.mark.parametrize("time", [-1, 253_402_300_800, 1.5, True])
def test_no_other_time(time: Any) -> None:
    """What documents cannot write is refused at once."""
    told = rf"^time must be seconds since 1970 before the year 10000, not {time}$"
    with pytest.raises(TypeError, match=told):
        HostFacts(time=time)


def renamed(**members: int) -> Catalog:
    """Mainline with these flags."""
    return evolve(MAINLINE, name="renamed", flags=flag_class(members))


def test_a_copy_reads_the_answers_as_the_first_one_did() -> None:
    """``evolve`` refuses the catalogs that ``under`` refuses, and takes the others."""
    tree = renamed(MMAP=1, INIT_SHARED=2, NO_DIRECT_MAP=4)
    support = query(FakeBackend.narrow(0b111), tree)
    with pytest.raises(CatalogError, match="0x4 is OTHER here, and NO_DIRECT_MAP in the tree"):
        evolve(support, catalog=renamed(MMAP=1, OTHER=4))
    for other in (numbered(GUEST_MEMFD_FLAGS=400), WITH_HI, numbered(VM_TYPES=400)):
        with pytest.raises(CatalogError, match="here, which a fake host was never asked"):
            evolve(support, catalog=other, answers={"GUEST_MEMFD": 1, "VM_TYPES": 1})
    alike = renamed(MMAP=1, INIT_SHARED=2, NO_DIRECT_MAP=4, OTHER=8)
    copied = evolve(support, catalog=alike)
    assert (copied.mask, copied.catalog) == (0b111, alike)
    assert evolve(copied, catalog=tree) == support


def test_a_copy_tells_which_number_was_asked() -> None:
    """The error names the capability, both numbers and who answered."""
    support = query(FakeBackend.narrow(0b111))
    with pytest.raises(CatalogError) as caught:
        evolve(support, catalog=numbered(VM_TYPES=400))
    assert caught.value.args == (
        "a-tree",
        "VM_TYPES is 400 here, which a fake host was never asked: it was asked 235; query it again",
    )


def test_a_copy_may_rename_what_the_host_does_not_list() -> None:
    """Only the name of a listed bit is a claim about the host."""
    support = query(FakeBackend.narrow(0b011), renamed(MMAP=1, INIT_SHARED=2, NO_DIRECT_MAP=4))
    other = renamed(MMAP=1, INIT_SHARED=2, OTHER=4)
    assert evolve(support, catalog=other).mask == 0b011


def test_the_names_of_the_tree_that_was_asked_are_kept() -> None:
    """Of the listed bits those that the other catalog does not name itself."""
    tree = renamed(MMAP=1, INIT_SHARED=2, NO_DIRECT_MAP=4, FAR=8)
    support = query(FakeBackend.narrow(0b111), tree).under(MAINLINE)
    assert support.other_names == {4: "NO_DIRECT_MAP"}


def test_a_pickled_host_is_the_same() -> None:
    """Facts and answers come back, and what follows from them."""
    support = query(failing(235, 22, host=HostFacts("6.18.0", "x86_64", 0, extra={"rack": 3})))
    again = pickle.loads(pickle.dumps(support))  # noqa: S301  # our own bytes
    assert (again, again.mask, again.host.extra) == (support, 3, {"rack": 3})


def test_a_copy_of_what_a_device_says_is_not_of_a_vm() -> None:
    """An upper bound does not become the answer of a VM."""
    device = query(FakeBackend.narrow(0b11, scope=Scope.SYSTEM))
    with pytest.raises(ValueError, match=r"^/dev/kvm gave these answers, and no VM: query the VM$"):
        evolve(device, scope=Scope.VM)
    assert evolve(device, origin="elsewhere").scope is Scope.SYSTEM


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((1, 300, 0), "capability must be a str, not 1"),
        (("X", "300", 0), "number must be an int, not '300'"),
        (("X", None, 0), "number must be an int, not None"),
        (("X", 300, 0.5), "raw or errno must be an int, not 0.5"),
        (("X", 300, False), "raw or errno must be an int, not False"),
        (("X", 300, None, "EIO"), "raw or errno must be an int, not 'EIO'"),
        (("X", 300, None, ""), "raw or errno must be an int, not ''"),
    ],
    ids=repr,
)
def test_answers_that_are_not_used_are_answers(answer: Any, told: str) -> None:
    """A name and numbers, as those that are used."""
    support = query(FakeBackend.narrow(0b11))
    with pytest.raises(TypeError, match=f"^{told}$"):
        evolve(support, unused=[Answer(*answer)])
