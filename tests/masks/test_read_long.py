"""The C long of KVM_CHECK_EXTENSION: a word, a mask, an error number, or no C long at all."""

import errno

import pytest

from gmemflags import GuestMemfdFlag, InvalidMaskError
from gmemflags._masks import read_long

WORD = 0xFFFF_FFFF
MASK = 0xFFFF_FFFF_FFFF_FFFF


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (0, 0),
        (3, 3),
        (0x7FFF_FFFF, 0x7FFF_FFFF),
        (0x8000_0000, 0x8000_0000),
        (0xFFFF_F000, 0xFFFF_F000),  # the last word below the errno images
        (-(2**31), 0x8000_0000),
        (-(2**31) + 3, 0x8000_0003),
        (-4096, 0xFFFF_F000),
    ],
    ids=hex,
)
def test_a_word_may_be_sign_extended(raw: int, value: int) -> None:
    """A long that fits into a C int is one word, whatever its sign."""
    assert read_long(raw) == (value, 32)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (1 << 32, 1 << 32),
        (0x7_0000_0003, 0x7_0000_0003),
        (1 << 62, 1 << 62),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), 1 << 63),
        (-(2**31) - 1, MASK ^ (1 << 31)),
    ],
    ids=hex,
)
def test_a_mask_may_have_bit_63(raw: int, value: int) -> None:
    """A long that fits into no C int is all 64 bits."""
    assert read_long(raw) == (value, 64)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (-1, "-1 (-EPERM)"),
        (-13, "-13 (-EACCES)"),
        (-22, "-22 (-EINVAL)"),
        (-4095, "-4095 (-errno 4095)"),
        (0xFFFF_F001, "0xfffff001 (-errno 4095)"),
        (0xFFFF_FFEA, "0xffffffea (-EINVAL)"),
        (0xFFFF_FFFF, "0xffffffff (-EPERM)"),
    ],
)
def test_an_error_number_is_no_answer(raw: int, shown: str) -> None:
    """-EACCES has the bits of MMAP and INIT_SHARED: read as flags it would be a yes."""
    with pytest.raises(InvalidMaskError) as caught:
        read_long(raw)
    assert str(caught.value) == f"{shown} is not an answer: it is an error number, not flags"


@pytest.mark.parametrize("name", ["EPERM", "EIO", "EBADF", "EINVAL", "ENOTTY"])
def test_an_error_number_is_named_in_both_images(name: str) -> None:
    """The long and its 32-bit image are told by the same name."""
    number: int = getattr(errno, name)
    for raw in (-number, WORD + 1 - number):
        with pytest.raises(InvalidMaskError, match=rf"\(-{name}\)"):
            read_long(raw)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (0xFFFF_FFFF_FFFF_FFEA, "18446744073709551594"),
        (1 << 63, "9223372036854775808"),
        (-(2**63) - 1, "-9223372036854775809"),
        (True, "True"),
        (3.0, "3.0"),
        ("3", "'3'"),
        (None, "None"),
        (GuestMemfdFlag.MMAP, "an object of type GuestMemfdFlag"),
    ],
)
def test_what_no_c_long_holds_is_refused(raw: int, shown: str) -> None:
    """Only an exact int of 64 signed bits can have come from a kernel."""
    with pytest.raises(InvalidMaskError) as caught:
        read_long(raw)
    assert str(caught.value) == f"{shown} is not a C long: an int in [-2**63, 2**63) is needed"
