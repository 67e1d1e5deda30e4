"""The query: it asks what the catalog numbers, once each, and nothing else."""

import errno
import os

import pytest
from attrs import evolve

from gmemflags import MAINLINE, Capability, CapabilityQueryError, HostFacts, InconsistentAnswerError, Scope, query
from gmemflags import FIRECRACKER_SECRET_FREE
from gmemflags.testing import FakeBackend

NUMBERS = {
    Capability.USER_MEMORY2: 231,
    Capability.MEMORY_ATTRIBUTES: 233,
    Capability.GUEST_MEMFD: 234,
    Capability.VM_TYPES: 235,
    Capability.GUEST_MEMFD_FLAGS: 244,
}
WITH_HI = evolve(
    MAINLINE, capabilities={**MAINLINE.capabilities, Capability.GUEST_MEMFD_FLAGS_HI: 300}
)


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
    assert "wider than 32 bits" in caught.value.problem
    assert (caught.value.capability, caught.value.raw) == ("GUEST_MEMFD_FLAGS_HI", raw)


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
