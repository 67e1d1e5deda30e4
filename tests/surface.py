"""The public surface: which modules are public, and what they offer."""

from importlib import import_module
from types import ModuleType

import gmemflags

ROOMS = ("linux", "records", "testing")


def modules() -> list[ModuleType]:
    """The root and its public rooms."""
    return [gmemflags, *(import_module(f"gmemflags.{room}") for room in ROOMS)]


def offered() -> list[tuple[ModuleType, str]]:
    """Every public name with the module that offers it."""
    return [(module, name) for module in modules() for name in module.__all__]
