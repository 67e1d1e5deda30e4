"""Support: what follows from the answers of one host, and what does not."""

from typing import Any

import pytest
from attrs import evolve

from gmemflags import MAINLINE, BitState, Capability, Catalog, CatalogError, GuestMemfdFlag, HostFacts, InvalidMaskError, Scope, Support, query
from gmemflags import FIRECRACKER_SECRET_FREE
from gmemflags._mainline import FirecrackerFlag
from gmemflags.testing import FakeBackend

WORD = 0xFFFF_FFFF
MASK = 0xFFFF_FFFF_FFFF_FFFF
HI = Capability.GUEST_MEMFD_FLAGS_HI


def numbered(**numbers: int | None) -> Catalog:
    """Mainline with other capability numbers."""
    return evolve(MAINLINE, name="a-tree", capabilities={**MAINLINE.capabilities, **numbers})


WITH_HI = numbered(GUEST_MEMFD_FLAGS_HI=300)


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


def test_a_host_with_64_bits_at_once() -> None:
    """No FLAGS_HI is needed to know all bits."""
    support = query(FakeBackend.wide(0x8000_0001_8000_0003))
    assert (support.mask, support.answerable) == (0x8000_0001_8000_0003, MASK)


def test_a_redundant_high_word_agrees() -> None:
    """64 bits at once, and the same upper half again."""
    support = query(FakeBackend({234: 1, 244: 0x7_0000_0003, 300: 7}), WITH_HI)
    assert (support.mask, support.hi_only) == (0x7_0000_0003, 0)


def test_a_contradicting_high_word_is_reported_and_not_believed() -> None:
    """The 64-bit FLAGS is authoritative."""
    support = query(FakeBackend({234: 1, 244: 0x4_0000_0003, 300: 7}), WITH_HI)
    assert (support.mask, support.hi_only) == (0x4_0000_0003, 0x3_0000_0000)
    assert support.state(1 << 32) is BitState.UNSUPPORTED


def test_a_high_word_that_says_less_is_no_disagreement() -> None:
    """Nothing is claimed that FLAGS does not list."""
    support = query(FakeBackend({234: 1, 244: 0x7_0000_0003, 300: 0}), WITH_HI)
    assert (support.mask, support.hi_only) == (0x7_0000_0003, 0)


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


@pytest.mark.parametrize("name", [HI, "USERFAULT"])
def test_an_answer_to_what_the_catalog_does_not_number(name: str) -> None:
    """It was given to somebody else's number: under mainline bits 63 to 32 are never known."""
    with pytest.raises(CatalogError) as caught:
        support_of(GUEST_MEMFD=1, GUEST_MEMFD_FLAGS=3, **{name: 1})
    assert caught.value.catalog == "linux-mainline"
    assert caught.value.problem == f"a host answered {name}, which has no number here"


@pytest.mark.parametrize(
    "wrong", [{"scope": "vm"}, {"host": None}, {"host": "x86_64"}, {"catalog": "linux-mainline"}]
)
def test_a_support_is_made_of_the_right_things(wrong: dict[str, Any]) -> None:
    """A text is no scope, host or catalog."""
    right: dict[str, Any] = {"answers": {}, "scope": Scope.VM, "catalog": MAINLINE}
    with pytest.raises(TypeError):
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


def test_under_back_and_forth_drops_answers_for_good() -> None:
    """What one tree cannot read, the next one cannot have back."""
    support = query(FakeBackend.split(0x7_0000_0003, flags_hi=300), WITH_HI)
    with pytest.raises(CatalogError, match="never asked"):
        support.under(MAINLINE).under(WITH_HI)


def test_a_host_may_be_unknown() -> None:
    """Facts default to None each, and the origin to a word for it."""
    support = support_of(GUEST_MEMFD_FLAGS=3)
    assert support.host == HostFacts(kernel=None, machine=None, vm_type=None)
    assert support.origin == "a host"
