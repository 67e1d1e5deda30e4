"""The published JSON Schema: it is one, takes every document, and says what it can."""

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from hypothesis import given

from gmemflags.records import dumps, json_schema
from gmemflags.records._kinds import KINDS
from tests.records.schema import SCHEMA, VALIDATOR, check_schema, is_valid
from tests.records.values import SAMPLES, Value, values


def test_it_is_a_schema() -> None:
    """It obeys its own meta-schema, and names the draft."""
    check_schema()
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_it_is_the_callers_own() -> None:
    """Whoever changes his copy changes nobody else's."""
    again = json_schema()
    assert again == SCHEMA
    assert again is not json_schema()


def test_it_knows_every_kind() -> None:
    """A kind without its shape could not be published."""
    assert sorted(_schemas(SCHEMA)) == sorted(KINDS)


def _schemas(part: Any) -> list[str]:
    if not isinstance(part, dict):
        return []
    content = cast("dict[str, Any]", part)
    own = [content["const"]] if str(content.get("const", "")).startswith("gmemflags/") else []
    return own + [schema for inner in content.values() for schema in _schemas(inner)]


@given(values)
def test_every_document_obeys_it(value: Value) -> None:
    """Whatever is written here can be checked elsewhere."""
    VALIDATOR.validate(json.loads(dumps(value)))


@pytest.mark.parametrize("number", range(len(SAMPLES)))
def test_no_part_is_left_open(number: int) -> None:
    """Every object is closed, and every member is needed."""
    content = json.loads(dumps(SAMPLES[number]))
    for part, fixed in list(_objects(content, "")):
        part["extra"] = 1.5
        assert not is_valid(content), fixed
        del part["extra"]
        for key in fixed:
            kept = part.pop(key)
            assert not is_valid(content), key
            part[key] = kept
    VALIDATOR.validate(content)


_OPEN = ("answers", "capabilities", "flags", "profiles", "lacking", "observations")


def _objects(part: Any, name: str) -> Iterator[tuple[dict[str, Any], list[str]]]:
    # Every object, with the keys that it must have.
    if isinstance(part, dict):
        content = cast("dict[str, Any]", part)
        yield content, [] if name in _OPEN else list(content)
        for key, inner in content.items():
            yield from _objects(inner, key)
    elif type(part).__name__ == "list":
        for inner in part:
            yield from _objects(inner, "")
