"""The published JSON Schema: it is one, takes every document, and says what it can."""

import json
from collections.abc import Iterator
from typing import Any, cast

from gmemflags.records import json_schema
from tests.records.sampled import SAMPLES, content_of
from tests.records.schema import SCHEMA, VALIDATOR, check_schema, is_valid


def test_it_is_a_schema() -> None:
    """It obeys its own meta-schema, and names the draft."""
    check_schema()
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_it_is_the_callers_own() -> None:
    """Whoever changes his copy changes nobody else's."""
    changed = json_schema()
    changed["$defs"]["Host"]["properties"].clear()
    assert json_schema() == SCHEMA != changed


def test_it_is_plain_json() -> None:
    """It can be printed and read again."""
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_no_part_is_left_open() -> None:
    """Every object is closed, and what depends on other members alone may be left out."""
    seen: set[tuple[str, ...]] = set()
    for content in map(content_of, SAMPLES.values()):
        for part, fixed, of in _objects(content, ""):
            if (of, *part) in seen:
                continue
            seen.add((of, *part))
            part["another"] = 1.5
            assert not is_valid(content), fixed
            del part["another"]
            for key in fixed:
                kept = part.pop(key)
                free = key == "extra" or ("number" in part and key != "number")
                free |= "kind" in part and key in _OPERANDS
                assert is_valid(content) is free, key
                part[key] = kept
        VALIDATOR.validate(content)


_OPERANDS = ("flag", "a", "b", "mask", "all_of", "any_of")
_OPEN = ("answers", "capabilities", "flags", "profiles", "lacking", "observations", "names")


def _objects(part: Any, name: str) -> Iterator[tuple[dict[str, Any], list[str], str]]:
    # Every object, the keys that it must have, and what it is; not what users put into extra.
    if isinstance(part, dict):
        content = cast("dict[str, Any]", part)
        if name not in ("extra", "flag_names"):
            what = f"{name} {content.get('kind')}"
            yield content, [] if name in _OPEN else list(content), what
        for key, inner in content.items():
            yield from _objects(inner, key)
    elif isinstance(part, list):
        items: list[Any] = cast("Any", part)
        for inner in items:
            yield from _objects(inner, name)
