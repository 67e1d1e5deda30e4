"""Version 2, pinned: what was written once is read by every later version."""

import json

import pytest

from gmemflags import KvmUnavailableError
from gmemflags.records import dumps, json_schema, loads
from tests.records.sampled import DIRECTORY, SAMPLES, catalog_of, content_of, path, pretty
from tests.records.schema import VALIDATOR


@pytest.mark.parametrize("name", SAMPLES)
def test_a_value_is_written_as_it_is_pinned(name: str) -> None:
    """To the letter; `python -m tests.records` writes the samples anew."""
    assert pretty(SAMPLES[name]) == path(name).read_text()


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_pinned_is_read(name: str) -> None:
    """Every sample gives its value back."""
    value = SAMPLES[name]
    again = loads(path(name).read_text(), catalog_of(value))
    if isinstance(value, KvmUnavailableError):
        assert (type(again), again.args, vars(again)) == (type(value), value.args, vars(value))
    else:
        assert again == value
    assert dumps(again) == dumps(value)


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_pinned_obeys_the_schema(name: str) -> None:
    """A reader elsewhere may rely on it."""
    VALIDATOR.validate(json.loads(path(name).read_text()))


def test_every_kind_is_pinned() -> None:
    """No kind of document is left out, and no file is left over."""
    kinds = {kind["$ref"].removeprefix("#/$defs/").lower() for kind in json_schema()["oneOf"]}
    pinned = {content_of(value)["schema"].split("/")[1] for value in SAMPLES.values()}
    assert pinned == kinds
    assert {file.stem for file in DIRECTORY.iterdir()} == set(SAMPLES)
