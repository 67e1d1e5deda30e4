"""typing_tests/ leaves nothing out; what it says is checked by mypy and pyright."""

import ast
import inspect
from enum import Enum
from pathlib import Path
from types import ModuleType

import pytest

from tests.surface import OFFERED

NODES = [
    node
    for path in (Path(__file__).parents[1] / "typing_tests").glob("*.py")
    for node in ast.walk(ast.parse(path.read_text()))
]
IMPORTED = {
    (node.module, alias.name)
    for node in NODES
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}
USED = {node.attr for node in NODES if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize(("module", "name"), OFFERED)
def test_every_public_name_is_in_the_contract(module: ModuleType, name: str) -> None:
    """It is imported from some public place, and for a class each of its own attributes is used."""
    value = getattr(module, name)
    homes = {home.__name__ for home, other in OFFERED if getattr(home, other) is value}
    assert any((home, name) in IMPORTED for home in homes)
    if inspect.isclass(value) and not issubclass(value, Enum):
        own = {
            attribute
            for parent in value.__mro__
            if parent.__module__.startswith("gmemflags")
            for attribute in vars(parent)
            if not attribute.startswith("_")
        }
        assert own <= USED
