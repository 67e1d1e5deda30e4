"""Hosts: what a backend is, what a query asks and keeps, and what follows from the answers."""

import errno
import os
from typing import Any, cast

import pytest
from attrs import evolve

from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
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
from gmemflags.testing import FakeBackend
from tests.kernels import KERNELS, outcome

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


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"vm_type": "0"}, "vm_type must be an int, not '0'"),
        ({"vm_type": True}, "vm_type must be an int, not True"),
        ({"machine": 3}, "machine must be a str, not 3"),
        ({"kernel": b"6.18"}, "kernel must be a str, not b'6.18'"),
    ],
)
def test_facts_are_texts_and_a_number(facts: dict[str, object], told: str) -> None:
    """What a rule asks of them is exact."""
    with pytest.raises(TypeError, match=f"^{told}$"):
        cast("Any", HostFacts)(**facts)


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


def test_only_none_is_no_number() -> None:
    """KVM_CAP_IRQCHIP is 0, and is asked; without any number nothing is, and nothing is known."""
    backend = FakeBackend({0: 1})
    support = query(backend, evolve(MAINLINE, capabilities={"IRQCHIP": 0, "NOTHING": None}))
    assert (backend.asked, support.answer("IRQCHIP")) == ([0], 1)
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
    assert {type(name) for name in support.answers} == {str}


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


@pytest.mark.parametrize("number", NUMBERS.values())
@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.ENOTTY, errno.EBADF])
def test_a_failed_call_fails_the_query(number: int, code: int) -> None:
    """Whichever capability it was: a support with a hole would say "unsupported"."""
    failure = OSError(code, os.strerror(code))
    with pytest.raises(CapabilityQueryError) as caught:
        query(FakeBackend({234: 1, 244: 3, number: failure}))
    assert (caught.value.errno, caught.value.number) == (code, number)


def test_the_query_stops_at_the_first_failure() -> None:
    """After EIO nothing else is asked."""
    backend = FakeBackend({233: OSError(errno.EIO, "gone")})
    with pytest.raises(CapabilityQueryError):
        query(backend)
    assert backend.asked == [231, 233]


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
    """A text is not a scope, a host or a catalog."""
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


NARROW = query(FakeBackend.narrow(3))
SPLIT = query(FakeBackend.split(0x7_0000_0003, flags_hi=300), WITH_HI)
CONTRADICTING = query(FakeBackend({234: 1, 244: 0x4_0000_0003, 300: 7}), WITH_HI)


@pytest.mark.parametrize(
    ("support", "catalog", "mask", "answerable"),
    [
        (SPLIT, evolve(WITH_HI, name="other"), 0x7_0000_0003, MASK),
        (SPLIT, MAINLINE, 3, WORD),
        (CONTRADICTING, MAINLINE, 0x4_0000_0003, MASK),
        (NARROW, numbered(GUEST_MEMFD_FLAGS=None), 0, 0),
        (NARROW, numbered(USER_MEMORY2=400), 3, WORD),
    ],
    ids=["same FLAGS_HI", "no FLAGS_HI", "no FLAGS_HI, 64 bits", "no FLAGS", "another number"],
)
def test_under_a_tree_with_other_numbers(
    support: Support, catalog: Catalog, mask: int, answerable: int
) -> None:
    """An answer counts where its number is the same; what another tree asked says nothing."""
    again = support.under(catalog)
    assert (again.mask, again.answerable, again.hi_only) == (mask, answerable, 0)
    mine, other = support.catalog.capabilities, catalog.capabilities
    assert all(mine[name] == other[name] for name in again.answers)


@pytest.mark.parametrize(
    ("support", "catalog", "told"),
    [
        (NARROW, WITH_HI, "GUEST_MEMFD_FLAGS_HI is 300"),
        (SPLIT, numbered(GUEST_MEMFD_FLAGS_HI=301), "GUEST_MEMFD_FLAGS_HI is 301"),
        (SPLIT.under(MAINLINE), WITH_HI, "GUEST_MEMFD_FLAGS_HI is 300"),
        (NARROW, numbered(GUEST_MEMFD=400), "GUEST_MEMFD is 400"),
        (NARROW, numbered(GUEST_MEMFD_FLAGS=400), "GUEST_MEMFD_FLAGS is 400"),
    ],
    ids=["never asked", "another number", "back and forth", "GUEST_MEMFD", "FLAGS"],
)
def test_under_a_tree_that_enumerates_by_other_numbers(
    support: Support, catalog: Catalog, told: str
) -> None:
    """Reading on would call the upper half unsupported, or the lower half the whole."""
    with pytest.raises(CatalogError) as caught:
        support.under(catalog)
    assert (caught.value.catalog, caught.value.problem) == (
        "a-tree",
        f"{told} here, which a fake host was never asked; query it again",
    )


def test_a_host_may_be_unknown() -> None:
    """Facts default to None each, and the origin to a word for it."""
    support = support_of(GUEST_MEMFD_FLAGS=3)
    assert support.host == HostFacts(kernel=None, machine=None, vm_type=None)
    assert support.origin == "a host"
