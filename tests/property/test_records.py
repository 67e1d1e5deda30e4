"""The laws of records: what is written is read back, and nothing else ends in a value."""

import json
from contextlib import suppress

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from gmemflags import RecordError, Resolution, Support
from gmemflags.records import dumps, load_lines, loads, replay
from tests.records.parts import places
from tests.records.values import Value, resolutions, supports, values


@given(values)
def test_every_value_comes_back(value: Value) -> None:
    """A value is its document, and the other way round."""
    document = dumps(value)
    assert loads(document) == value
    assert loads(document.encode()) == value
    assert dumps(loads(document)) == document


@given(values)
def test_a_document_is_one_line_of_ascii(value: Value) -> None:
    """Whatever names and origins hold, a document goes through every pipe."""
    document = dumps(value)
    assert document.isascii()
    assert document.isprintable()


@given(values)
def test_no_number_is_beyond_what_readers_keep(value: Value) -> None:
    """Every number in a document is an integer below 2**53."""
    numbers: list[int] = []
    json.loads(dumps(value), parse_int=lambda text: numbers.append(int(text)))
    assert all(0 <= number < 1 << 53 for number in numbers)


@given(values)
def test_order_and_space_do_not_matter(value: Value) -> None:
    """Another writer's JSON of the same content is the same value."""
    content = json.loads(dumps(value))
    assert loads(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)) == value


@given(st.lists(supports(), max_size=5), st.booleans())
def test_lines_are_documents(hosts: list[Support], encoded: bool) -> None:
    """A pool is its lines, also where several hosts give the same answers."""
    hosts += [evolve(host, origin=f"twin of {host.origin}") for host in hosts]
    lines: list[str | bytes] = [dumps(host) + "\n" for host in hosts]
    if encoded:
        lines = [line.encode() for line in lines if isinstance(line, str)]
    assert list(load_lines(lines)) == hosts


@given(resolutions)
def test_a_replay_gives_the_same_answer(resolution: Resolution) -> None:
    """Resolving is deterministic, so what was recorded is what comes out."""
    again = replay(dumps(resolution))
    assert again.same
    assert again.now == again.recorded == resolution


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
    with suppress(RecordError):
        loads(json.dumps(content))
