"""The drawing of the 64 bits: each is there once, and none is shown as what it is not."""

from attrs import evolve
from hypothesis import given

from gmemflags import MAINLINE, BitState, Capability, Support, query
from gmemflags._cli._register import Field, draw, fields
from gmemflags import Catalog
from gmemflags.testing import FakeBackend
from tests.strategies import answer_words, catalogs, masks

HI = 300
WITH_HI = evolve(
    MAINLINE, capabilities={**MAINLINE.capabilities, Capability.GUEST_MEMFD_FLAGS_HI: HI}
)
VALUES = {BitState.SUPPORTED: "1", BitState.UNSUPPORTED: "0", BitState.UNKNOWABLE: "?"}


def check(support: Support) -> None:
    """Every bit is in one field, and its field says what the host says."""
    found = fields(support)
    numbers = [n for field in found for n in range(field.high, field.low - 1, -1)]
    assert numbers == list(range(63, -1, -1))
    for field in found:
        for number in range(field.low, field.high + 1):
            _check_bit(support, field, 1 << number)
    lines = list(draw(support))
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for bit in map(str, {f.low for f in found} | {f.high for f in found}):
        assert bit in text.split()


def _check_bit(support: Support, field: Field, bit: int) -> None:
    expected = "!" if bit & support.hi_only else VALUES[support.state(bit)]
    assert field.value == expected
    name = support.catalog.name_of(bit)
    if name:
        assert (field.name, field.low) == (name, field.high)
    elif expected in "1!":
        assert (field.name, field.low) == ("unnamed", field.high)
    else:
        assert field.name == ("unknowable" if expected == "?" else "")


@given(answer_words, catalogs)
def test_a_host_of_today_is_drawn_truly(flags: int, catalog: Catalog) -> None:
    """Bits 31 to 0 as they are listed, the others unknowable."""
    check(query(FakeBackend.narrow(flags), catalog))


@given(masks, catalogs)
def test_sixty_four_bits_at_once_are_drawn_truly(flags: int, catalog: Catalog) -> None:
    """No bit is unknowable where all were listed."""
    if 0 <= flags < 0xFFFF_F001 or 1 << 32 <= flags < 1 << 63:
        check(query(FakeBackend.wide(flags), catalog))


@given(answer_words, answer_words)
def test_a_numbered_flags_hi_is_drawn_truly(low: int, high: int) -> None:
    """Two words make one register."""
    check(query(FakeBackend.split(low | high << 32, flags_hi=HI), WITH_HI))


def test_what_only_flags_hi_claims_is_marked() -> None:
    """A contradiction is shown as one, and not as a flag."""
    support = query(FakeBackend({234: 1, 244: 1 << 40 | 1, HI: 0x101}), WITH_HI)
    check(support)
    marked = [(f.high, f.name, f.value) for f in fields(support) if f.value == "!"]
    assert marked == [(32, "unnamed", "!")]


def test_what_does_not_fit_goes_into_another_row() -> None:
    """All 64 bits set and unnamed are drawn, in rows of equal form."""
    lines = list(draw(query(FakeBackend.wide((1 << 63) - 1))))
    assert len(lines) % 5 == 0
    assert len(lines) > 5


def test_the_usual_host_looks_like_this() -> None:
    """The drawing of Linux 6.18, word for word."""
    assert list(draw(query(FakeBackend.narrow(3)))) == [
        "   63                          32 31                    2       1         0",
        "  +------------------------------+-----------------------+-------------+------+",
        "  |          unknowable          |                       | INIT_SHARED | MMAP |",
        "  |              ?               |           0           |      1      |  1   |",
        "  +------------------------------+-----------------------+-------------+------+",
    ]
