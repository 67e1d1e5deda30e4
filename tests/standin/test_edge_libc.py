"""The way by libc, for ABIs whose system-call number is not known: it may say less, never more."""

import errno
from collections.abc import Sequence

import pytest
from attrs import evolve

from gmemflags import (
    MAINLINE,
    BitState,
    Capability,
    CapabilityQueryError,
    HostFacts,
    InconsistentAnswerError,
    query,
)
from gmemflags.linux import Vm
from gmemflags.linux._ioctl import bind
from tests.standin.kernel import KVM_GET_API_VERSION, Answer, Call, Errno, Standin, extensions

pytestmark = pytest.mark.usefixtures("standin")

WORD = 0xFFFF_FFFF
MASK = 0xFFFF_FFFF_FFFF_FFFF
ABIS = [("unknown", 64), ("", 64), ("x86_64-linux-gnux32", 64), ("x86_64-linux-gnu", 32)]
WITH_HI = evolve(
    MAINLINE, capabilities={**MAINLINE.capabilities, Capability.GUEST_MEMFD_FLAGS_HI: 300}
)

abis = pytest.mark.parametrize(("abi", "long_bits"), ABIS)


class LibcVm(Vm):
    """A Vm of an interpreter that has nothing but libc's ioctl."""

    def __init__(self, fd: int, abi: str, long_bits: int) -> None:
        super().__init__(fd, "a VM by libc", HostFacts(), owned=False)
        self._ioctl = bind(abi, long_bits)


def masks(answers: Sequence[int], vm: Vm) -> list[int | None]:
    """The mask for each answer to FLAGS, all in one run; None for a refusal."""
    current = 0

    def script(call: Call) -> Answer:
        if call.request == KVM_GET_API_VERSION:
            return Errno(errno.ENOTTY)
        return current if call.argument == 244 else 1

    def ask() -> list[int | None]:
        nonlocal current
        found: list[int | None] = []
        for answer in answers:
            current = answer
            try:
                support = query(vm)
            except (CapabilityQueryError, InconsistentAnswerError):
                found.append(None)
            else:
                assert support.answerable == WORD
                found.append(support.mask)
        return found

    return Standin(script, shared=True).run(ask)


@abis
def test_words_arrive_exactly(abi: str, long_bits: int, null: int) -> None:
    """Bit 31 included: a negative C int alone is not an error."""
    words = [0, 1, 3, *(1 << number for number in range(32)), 0x8000_0003, 0xFFFF_F000]
    vm = LibcVm(null, abi, long_bits)
    assert masks(words, vm) == words
    assert masks([word - (1 << 32) if word >> 31 else word for word in words], vm) == words


@abis
def test_64_bits_at_once_lose_their_upper_half_and_gain_nothing(
    abi: str, long_bits: int, null: int
) -> None:
    """What is cut to a word is at most that word, and the rest is unknowable."""
    wide = [1 << number for number in range(32, 63)]
    wide += [0x7_0000_0003, 0x1_8000_0000, 2**63 - 1 - 0xFFF, -(2**63), -(2**63) + 3]
    found = masks(wide, LibcVm(null, abi, long_bits))
    assert found == [raw & WORD for raw in wide]


@abis
def test_a_cut_value_that_looks_like_an_errno_is_refused(
    abi: str, long_bits: int, null: int
) -> None:
    """0x7_FFFFFFEA is -EINVAL by the time libc has cut it: some libc say errno, others -22.

    The image of EINTR is left out, which would be asked for ever.
    """
    low = [WORD - number + 1 for number in (1, 5, 13, 22, 25, 512, 4094, 4095)]
    values = [high << 32 | word for word in low for high in (0, 1, 7, 0x7FFF_FFFF)]
    assert masks(values, LibcVm(null, abi, long_bits)) == [None] * len(values)


@abis
def test_errors_are_errors(abi: str, long_bits: int, null: int) -> None:
    """The same exception as on the exact way, with the same errno."""
    codes = [errno.EACCES, errno.EIO, errno.ENOTTY, errno.EBADF, 4095]
    for code in codes:
        standin = Standin(extensions({234: Errno(code)}))
        with pytest.raises(CapabilityQueryError) as caught:
            standin.run(lambda: query(LibcVm(null, abi, long_bits)))
        assert caught.value.errno == code


@abis
def test_an_interrupted_call_is_made_again(abi: str, long_bits: int, null: int) -> None:
    """EINTR is not an answer there either."""
    standin = Standin(extensions({234: 1, 244: [Errno(errno.EINTR), 3]}))
    assert standin.run(lambda: query(LibcVm(null, abi, long_bits))).mask == 3
    assert standin.asked() == [231, 233, 234, 235, 244, 244]


@abis
def test_a_numbered_high_word_makes_up_for_it(abi: str, long_bits: int, null: int) -> None:
    """This is what FLAGS_HI was proposed for: two words carry 64 bits through any libc."""
    standin = Standin(extensions({234: 1, 244: 3, 300: -(2**31) + 7}))
    support = standin.run(lambda: query(LibcVm(null, abi, long_bits), WITH_HI))
    assert (support.mask, support.answerable) == (0x8000_0007_0000_0003, MASK)


@abis
def test_what_was_cut_is_unknowable_not_unsupported(abi: str, long_bits: int, null: int) -> None:
    """The host lists bit 40, and this interpreter cannot see so far."""
    standin = Standin(extensions({234: 1, 244: 1 << 40 | 3}))
    support = standin.run(lambda: query(LibcVm(null, abi, long_bits)))
    assert support.state(1 << 40) is BitState.UNKNOWABLE
    assert support.state(1 << 1) is BitState.SUPPORTED
