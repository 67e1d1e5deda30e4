"""The laws of records: what is written is read back, and nothing else ends in a value."""

import json
from contextlib import suppress
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from gmemflags import CatalogError, KvmUnavailableError, RecordError, Resolution, Support
from gmemflags.records import Value, dumps, load_lines, loads, replay, to_dict
from tests.records.parts import places
from tests.records.sampled import catalog_of, content_of
from tests.records.schema import VALIDATOR
from tests.records.values import resolutions, supports, values


def same(one: Any, other: Any) -> bool:
    """Whether two values say the same, what does not count in ``==`` included."""
    if isinstance(one, KvmUnavailableError):
        return (one.args, vars(one)) == (other.args, vars(other))
    if isinstance(one, Support):
        facts = one.host, other.host
        return (
            bool(one == other and facts[0].extra == facts[1].extra)
            and len({fact.time for fact in facts}) == 1
        )
    return bool(one == other)


@given(values)
def test_every_value_comes_back(value: Value) -> None:
    """A value is its document, and the other way round."""
    document = dumps(value)
    again = loads(document, catalog_of(value))
    assert same(again, value)
    assert same(loads(document.encode(), catalog_of(value)), value)
    assert dumps(again) == document


@given(values)
def test_to_dict_is_what_dumps_writes(value: Value) -> None:
    """Nothing but plain data is in it, in the same order."""
    content = content_of(value)
    again = json.loads(dumps(value))
    assert content == again
    assert list(content) == list(again)


@given(values)
def test_every_document_obeys_the_schema(value: Value) -> None:
    """Whatever is written here can be checked elsewhere."""
    VALIDATOR.validate(content_of(value))


@given(values)
def test_a_document_is_one_line_of_ascii(value: Value) -> None:
    """Whatever names and origins hold, a document goes through every pipe."""
    document = dumps(value)
    assert document.isascii()
    assert document.isprintable()


@given(values)
def test_no_number_is_beyond_what_readers_keep(value: Value) -> None:
    """Every integer in a document has at most 53 bits."""
    numbers: list[int] = []
    json.loads(dumps(value), parse_int=lambda text: numbers.append(int(text)))
    assert all(abs(number) <= 1 << 53 for number in numbers)


@given(values)
def test_order_and_space_do_not_matter(value: Value) -> None:
    """Another writer's JSON of the same content is the same value."""
    text = json.dumps(content_of(value), indent=1, sort_keys=True, ensure_ascii=False)
    assert same(loads(text, catalog_of(value)), value)


@given(st.lists(supports(), max_size=5), st.booleans())
def test_lines_are_documents(hosts: list[Support], encoded: bool) -> None:
    """A pool is its lines, also where several hosts give the same answers."""
    for host in hosts:
        pool = [host, evolve(host, origin=f"twin of {host.origin}")]
        lines: list[str | bytes] = [dumps(each) + "\n" for each in pool]
        if encoded:
            lines = [line.encode() for line in lines if isinstance(line, str)]
        assert list(load_lines(lines, host.catalog)) == pool


@given(supports(), supports())
def test_a_document_read_under_another_catalog_is_that_host_under_it(
    host: Support, other: Support
) -> None:
    """``loads`` and ``under`` agree, and what another catalog does not use is not lost."""
    with suppress(CatalogError):
        moved = host.under(other.catalog)
        assert loads(dumps(host), other.catalog) == moved
        back = loads(dumps(moved), host.catalog)
        assert back.mask == host.mask
        assert set(back.all_answers) == set(host.all_answers)


@given(resolutions)
def test_a_replay_gives_the_same_answer(resolution: Resolution) -> None:
    """Resolving is deterministic, so what was recorded is what comes out."""
    again = replay(dumps(resolution))
    assert again.same
    assert again.reworded == ()
    assert again.now == resolution


def strings(part: Any) -> list[str]:
    """Every text of a document."""
    inner: list[Any] = [container[key] for container, key in places(part)]
    return [text for text in inner if isinstance(text, str)]


@given(resolutions)
def test_the_document_of_a_decision_says_all_that_its_text_says(resolution: Resolution) -> None:
    """Line by line; the text only sets words like ``note:`` in front, and joins a suggestion."""
    said = strings(to_dict(resolution))
    for line in str(resolution).splitlines():
        sentence = line.strip()
        for lead in ("asked: ", "host: ", "- group ", "- ", "note: ", "try: "):
            sentence = sentence.removeprefix(lead)
        suggestions = [str(suggestion) for suggestion in resolution.suggestions]
        assert sentence in [*said, *suggestions]
    for suggestion in to_dict(resolution)["suggestions"]:
        assert "; ".join([suggestion["change"], *suggestion["caveats"]]) in str(resolution)


@given(st.text() | st.binary())
def test_junk_is_one_error(junk: str | bytes) -> None:
    """Any text and any bytes end in a RecordError."""
    with pytest.raises(RecordError) as caught:
        loads(junk)
    assert caught.value.path == "$"


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values, st.data())
def test_a_part_of_another_kind_is_a_value_or_one_error(value: Value, data: st.DataObject) -> None:
    """Whatever stands anywhere in a document, it is read as a value or refused with a path."""
    content = json.loads(dumps(value))
    container, key = data.draw(st.sampled_from(places(content)))
    container[key] = data.draw(_anything)
    with suppress(RecordError, CatalogError):
        loads(json.dumps(content), catalog_of(value))
        VALIDATOR.validate(content)
