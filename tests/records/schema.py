"""The JSON Schema as a judge; the library that judges has no types."""

from importlib import import_module
from typing import Any

from gmemflags.records import json_schema

_jsonschema: Any = import_module("jsonschema")
SCHEMA = json_schema()
VALIDATOR: Any = _jsonschema.Draft202012Validator(SCHEMA)


def check_schema() -> None:
    """Raise an error if the schema is none."""
    _jsonschema.Draft202012Validator.check_schema(SCHEMA)


def is_valid(content: object) -> bool:
    """Whether some content obeys the schema."""
    return bool(VALIDATOR.is_valid(content))
