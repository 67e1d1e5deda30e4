"""The laws of text: what a tree writes it reads, and a fault is told with its place."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gmemflags import Catalog, CatalogError, FlagSyntaxError, format_mask, parse_mask
from tests.strategies import catalog_of, catalogs, masks, names


@given(masks)
def test_mainlines_text_reads_back(mask: int) -> None:
    """Parsing is the inverse of formatting."""
    assert parse_mask(format_mask(mask)) == mask


@given(catalogs, masks)
def test_every_trees_text_reads_back(catalog: Catalog, mask: int) -> None:
    """Whatever bits a tree names, and however."""
    assert parse_mask(format_mask(mask, catalog), catalog) == mask


@given(st.text(max_size=8), masks)
@example("1G", 1)
@example("0X4", 1)
@example("A|B", 1)
@example("A,B", 1)
@example(" A", 1)
@example("", 1)
def test_a_name_that_cannot_be_read_back_is_refused(name: str, mask: int) -> None:
    """A catalog takes no name that would turn its text into other bits."""
    try:
        catalog = catalog_of({name: 1 << 5})
    except (CatalogError, ValueError):  # enum itself refuses some
        return
    assert parse_mask(format_mask(mask | 1 << 5, catalog), catalog) == mask | 1 << 5


@given(catalogs, masks)
def test_text_is_never_empty_and_zero_only_for_none(catalog: Catalog, mask: int) -> None:
    """No text renders a non-empty set of bits as nothing."""
    text = format_mask(mask, catalog)
    assert text
    assert (text == "0") is (mask == 0)


@given(catalogs, masks, st.sampled_from(["|", ",", " | ", " ,\t"]), st.booleans())
def test_case_separator_and_prefix_do_not_matter(
    catalog: Catalog, mask: int, separator: str, prefixed: bool
) -> None:
    """Spaces, commas, small letters and the kernel's long names are all read."""
    parts = format_mask(mask, catalog).lower().split("|")
    known = {name.lower() for name in catalog.flags.__members__}
    assume(not any(f"guest_memfd_flag_{part}" in known for part in parts))
    long = [f"guest_memfd_flag_{p}" if prefixed and p in known else p for p in parts]
    assert parse_mask(separator.join(long), catalog) == mask


@given(catalogs, masks)
def test_numbers_are_masks(catalog: Catalog, mask: int) -> None:
    """Any mask may be written as one hexadecimal or decimal number."""
    assert parse_mask(hex(mask), catalog) == parse_mask(str(mask), catalog) == mask


@given(catalogs, masks, names, masks)
def test_a_fault_is_told_with_its_place(
    catalog: Catalog, before: int, unknown: str, after: int
) -> None:
    """The position is the index of the first character that nobody knows."""
    assume(unknown not in catalog.flags.__members__)
    assume(unknown.removeprefix("GUEST_MEMFD_FLAG_") not in catalog.flags.__members__)
    text = f"{format_mask(before, catalog)} | {unknown}|{format_mask(after, catalog)}"
    with pytest.raises(FlagSyntaxError) as caught:
        parse_mask(text, catalog)
    error = caught.value
    assert (error.text, text[error.position :].startswith(unknown)) == (text, True)
    assert error.position == len(format_mask(before, catalog)) + 3
    assert unknown in str(error)
    assert error.nearest is None or error.nearest in catalog.flags.__members__


def fault(text: str) -> FlagSyntaxError | None:
    """Tell what is wrong with a text; None if it names a mask."""
    try:
        assert 0 <= parse_mask(text) < 1 << 64
    except FlagSyntaxError as error:
        return error
    return None


@given(st.text())
def test_any_text_is_a_mask_or_a_fault_inside_it(text: str) -> None:
    """Nothing else comes out, whatever goes in."""
    error = fault(text)
    assert error is None or (error.text, 0 <= error.position <= len(text)) == (text, True)


@pytest.mark.parametrize("text", ["\u0131nit_shared", "mm\u00e1p", "\uff11"])
def test_a_name_that_only_looks_like_one(text: str) -> None:
    """A dotless i becomes I in capitals, and a full-width 1 is a digit: neither is read."""
    with pytest.raises(FlagSyntaxError):
        parse_mask(text)
