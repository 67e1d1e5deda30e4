"""The fields of values: what each kind takes, and the one sentence that refuses the rest."""

import pytest
from attrs import field, frozen

from gmemflags.catalog._fields import is_a, shown_masks

NO_NUMBERS = [(True, "True"), ("3", "'3'"), (3.0, "3.0")]


@pytest.mark.parametrize(("value", "shown"), [*NO_NUMBERS, (None, "None")])
def test_a_field_of_a_kind(value: object, shown: str) -> None:
    """A number is taken; a bool is none, and None is none either."""

    @frozen
    class Counted:
        count: object = field(validator=is_a(int))

    assert Counted(3).count == 3
    with pytest.raises(TypeError) as caught:
        Counted(value)
    assert str(caught.value) == f"count must be an int, not {shown}"


@pytest.mark.parametrize(("value", "shown"), NO_NUMBERS)
def test_a_field_of_a_kind_or_none(value: object, shown: str) -> None:
    """A number and None are taken, and nothing else."""

    @frozen
    class Counted:
        count: object = field(validator=is_a(int, or_none=True))

    assert (Counted(3).count, Counted(None).count) == (3, None)
    with pytest.raises(TypeError) as caught:
        Counted(value)
    assert str(caught.value) == f"count must be an int, not {shown}"


def test_a_field_of_a_kind_that_is_no_number() -> None:
    """The sentence has its own article."""

    @frozen
    class Named:
        name: object = field(validator=is_a(str))

    with pytest.raises(TypeError, match=r"^name must be a str, not 3$"):
        Named(3)


def test_a_field_of_a_kind_of_which_bool_is_one() -> None:
    """Only as a number a bool is refused."""

    @frozen
    class Switch:
        on: object = field(validator=is_a(bool))

    assert Switch(True).on is True


@pytest.mark.parametrize(
    ("masks", "shown"), [((), "()"), ((16,), "(0x10)"), ((1 << 40, 3), "(0x10000000000, 0x3)")]
)
def test_masks_in_a_repr(masks: tuple[int, ...], shown: str) -> None:
    """Hexadecimal, in their order."""
    assert shown_masks(masks) == shown
