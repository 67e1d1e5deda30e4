"""The face: what it offers, where it comes from, and that it loads nothing by itself."""

import inspect
from collections.abc import Callable
from enum import Enum
from importlib import import_module
from types import ModuleType

import pytest

import gmemflags
from tests.surface import modules, offered

# What the root offers, in the order of use.
ROOT = [
    "GuestMemfdFlag",
    "u64",
    "bits",
    "format_mask",
    "parse_mask",
    "Capability",
    "Catalog",
    "MAINLINE",
    "Profile",
    "Requires",
    "Excludes",
    "Always",
    "Never",
    "Refused",
    "Stage",
    "lint",
    "Backend",
    "HostFacts",
    "Scope",
    "Support",
    "BitState",
    "query",
    "Request",
    "Prerequisites",
    "Need",
    "Resolution",
    "Outcome",
    "Role",
    "Reason",
    "Problem",
    "Suggestion",
    "resolve",
    "negotiate",
    "baseline",
    "Baseline",
    "compare",
    "Comparison",
    "Relation",
    "GmemFlagsError",
    "InvalidMaskError",
    "FlagSyntaxError",
    "CatalogError",
    "RecordError",
    "NegotiationError",
    "InconsistentAnswerError",
    "KvmUnavailableError",
    "CapabilityQueryError",
    "GuestMemfdCreateError",
]

LOADS = """
import sys
before = set(sys.modules)
import gmemflags
print(*sorted(set(sys.modules) - before))
"""
ASKS = """
import sys
import gmemflags
for name in ("InvalidMaskError", "u64", "GuestMemfdFlag", "query", "resolve"):
    getattr(gmemflags, name)
    print(*sorted(name.partition(".")[2] for name in sys.modules if name.startswith("gmemflags.")))
"""


names = pytest.mark.parametrize(
    ("module", "name"), offered(), ids=[f"{module.__name__}.{name}" for module, name in offered()]
)


@pytest.mark.parametrize("name", ROOT)
def test_the_root_offers(name: str) -> None:
    """The name is public, and can be imported."""
    assert name in gmemflags.__all__
    assert getattr(gmemflags, name) is not None


def rank(name: str) -> tuple[bool, str]:
    """Where a name stands: constants, then classes, then functions, each by the alphabet."""
    return not name.isupper(), name


@pytest.mark.parametrize("module", modules(), ids=lambda module: str(module.__name__))
def test_public_names_are_sorted_and_single(module: ModuleType) -> None:
    """One look finds a name, or that it is not there."""
    assert list(module.__all__) == sorted(set(module.__all__), key=rank)


@names
def test_a_public_name_is_there(module: ModuleType, name: str) -> None:
    """It is the same object each time, and dir() lists it."""
    assert getattr(module, name) is getattr(module, name)
    assert name in dir(module)


@names
def test_a_public_name_has_a_docstring(module: ModuleType, name: str) -> None:
    """Of its own, not its parent's or its type's; a value is documented where it is made."""
    value = getattr(module, name)
    if inspect.isclass(value) or inspect.isroutine(value):
        assert (value.__doc__ or "").strip()
        assert not inspect.isclass(value) or "__doc__" in vars(value)


@names
def test_a_public_class_reports_a_public_module(module: ModuleType, name: str) -> None:
    """Its repr, its pickle and an error message lead to where it is imported from."""
    value = getattr(module, name)
    if inspect.isclass(value):
        home = import_module(value.__module__)
        assert home in modules()
        assert getattr(home, value.__qualname__) is value
        assert name in home.__all__


@names
def test_public_methods_have_docstrings(module: ModuleType, name: str) -> None:
    """What a class adds for users says what it is for."""
    value = getattr(module, name)
    if not inspect.isclass(value) or issubclass(value, Enum):
        return
    for attribute, member in vars(value).items():
        if not attribute.startswith("_") and (
            inspect.isroutine(member) or isinstance(member, property)
        ):
            assert (inspect.getdoc(member) or "").strip(), attribute


@pytest.mark.parametrize("module", modules(), ids=lambda module: str(module.__name__))
def test_an_unknown_name_is_an_attribute_error(module: ModuleType) -> None:
    """With the words that Python itself would use."""
    name = "Nothing"
    told = f"module '{module.__name__}' has no attribute 'Nothing'"
    with pytest.raises(AttributeError, match=f"^{told}$"):
        getattr(module, name)


def test_dir_lists_public_names_before_they_are_loaded(python: Callable[..., list[str]]) -> None:
    """Completion in a fresh interpreter shows them all."""
    [told] = python("import gmemflags; print(set(gmemflags.__all__) <= set(dir(gmemflags)))")
    assert told == "True"


def test_a_star_import_gives_every_public_name(python: Callable[..., list[str]]) -> None:
    """Not only those that were asked for before."""
    program = "import gmemflags\nfrom gmemflags import *\n"
    [told] = python(f"{program}print(set(gmemflags.__all__) <= set(globals()))")
    assert told == "True"


def test_importing_the_root_loads_nothing_but_the_root(python: Callable[..., list[str]]) -> None:
    """No room, no dependency, and of the standard library only what Python itself asks for."""
    [loaded] = python(LOADS)
    assert set(loaded.split()) - {"__future__"} == {"gmemflags"}


def test_a_name_loads_its_floor_and_what_is_below(python: Callable[..., list[str]]) -> None:
    """An error class needs no catalog, and a mask no host."""
    error, mask, flag, host, negotiation = (set(line.split()) for line in python(ASKS))
    assert error == {"exceptions"}
    assert mask - error == {"masks", "masks._flagword", "masks._words"}
    assert not any(room.startswith(("host", "negotiation", "linux", "testing")) for room in flag)
    assert not any(room.startswith(("negotiation", "linux", "testing")) for room in host)
    assert not any(room.startswith(("linux", "testing", "records", "_cli")) for room in negotiation)
