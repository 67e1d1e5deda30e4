"""The package: what it offers, from where, and that an import loads all that it will ever need."""

import ast
import inspect
import pydoc
import re
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from rlcompleter import Completer
from types import ModuleType

import pytest

import gmemflags
import gmemflags.linux
import gmemflags.records  # pyright: ignore[reportUnusedImport]  # its attributes are asked for
import gmemflags.testing  # pyright: ignore[reportUnusedImport]  # as above
from tests.surface import MODULES, OFFERED

SOURCE = Path(__file__).parents[1] / "src" / "gmemflags"

THREADS = """
import sys
from threading import Barrier, Thread

sys.setswitchinterval(1e-6)
barrier, failures = Barrier(8), []


def first_use():
    barrier.wait()
    try:
        import gmemflags
        from gmemflags import MAINLINE, Request, query, resolve
        from gmemflags.linux import Vm
        from gmemflags.testing import FakeBackend

        assert resolve(query(FakeBackend.narrow(3)), 3).mask == 3
        assert Vm is gmemflags.linux.Vm
    except BaseException as error:
        failures.append(repr(error))


threads = [Thread(target=first_use) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(failures)
"""

modules = pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.__name__))
names = pytest.mark.parametrize(
    ("module", "name"), OFFERED, ids=[f"{module.__name__}.{name}" for module, name in OFFERED]
)


def sort_key(name: str) -> tuple[int, str]:
    """Constants first, then classes, then functions, each by the alphabet."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


@modules
def test_public_names_are_sorted(module: ModuleType) -> None:
    """One look finds a name, or that it is not there."""
    assert list(module.__all__) == sorted(set(module.__all__), key=sort_key)


@pytest.mark.parametrize("module", [gmemflags, gmemflags.linux], ids=["root", "linux"])
def test_dir_shows_the_public_names(module: ModuleType) -> None:
    """An editor completes all of them, and nothing else but the public modules."""
    shown = [name for name in dir(module) if not name.startswith("_")]
    submodules = [name for name in shown if isinstance(getattr(module, name), ModuleType)]
    assert shown == sorted({*module.__all__, *submodules})
    assert {getattr(module, name) for name in submodules} <= {*MODULES}


@modules
def test_help_and_completion_show_the_public_names(module: ModuleType) -> None:
    """``help(module)`` describes each, and the Python prompt completes it."""
    shown = pydoc.plain(pydoc.render_doc(module))
    completed = [name.rstrip("()") for name in Completer({"it": module}).attr_matches("it.")]
    for name in module.__all__:
        assert re.search(rf"\b{name}\b", shown), name
        assert f"it.{name}" in completed


def test_completion_of_a_flag() -> None:
    """The Python prompt knows the flags."""
    completer = Completer({"F": gmemflags.GuestMemfdFlag})
    assert completer.attr_matches("F.MM") == ["F.MMAP"]


@names
def test_a_public_name_has_one_home(module: ModuleType, name: str) -> None:
    """It is offered by one public module, and its class or function is the package's own."""
    assert [other for other in MODULES if name in other.__all__] == [module]
    value = getattr(module, name)
    if inspect.isclass(value) or inspect.isroutine(value):
        assert value.__name__ == name
        assert getattr(sys.modules[value.__module__], name) is value


@names
def test_a_public_name_has_a_docstring(module: ModuleType, name: str) -> None:
    """Of its own, and so has each public attribute of a class; a value has it where it is made."""
    value = getattr(module, name)
    if not inspect.isclass(value):
        assert not inspect.isroutine(value) or (value.__doc__ or "").strip()
        return
    assert (vars(value).get("__doc__") or "").strip()
    for attribute, member in vars(value).items():
        described = inspect.isroutine(member) or isinstance(member, property)
        if described and not attribute.startswith("_"):
            assert (inspect.getdoc(member) or "").strip(), attribute


@names
def test_the_source_of_a_public_class(module: ModuleType, name: str) -> None:
    """A source viewer shows the class itself."""
    value = getattr(module, name)
    if inspect.isclass(value):
        first = next(
            line for line in inspect.getsource(value).splitlines() if not line.startswith("@")
        )
        assert first.startswith(f"class {name}")


def annotated(value: object) -> Iterator[object]:
    """The value, and for a class the functions that make it up."""
    yield value
    for member in vars(value).values() if inspect.isclass(value) else ():
        parts = (getattr(member, name, None) for name in ("fget", "func", "__func__"))
        for function in (member, *parts):
            if inspect.isfunction(function) and (function.__module__ or "").startswith("gmemflags"):
                yield function


@names
def test_the_type_hints_of_a_public_name(module: ModuleType, name: str) -> None:
    """Every name in them can be had when the program runs."""
    value = getattr(module, name)
    if inspect.isclass(value) or inspect.isroutine(value):
        for one in annotated(value):
            assert typing.get_type_hints(one) is not None


@modules
@pytest.mark.parametrize("name", ["Nothing", "u32", "split_words", "merge_words", "exceptions"])
def test_a_name_that_is_not_there(module: ModuleType, name: str) -> None:
    """What is unknown, or gone, is an AttributeError."""
    with pytest.raises(AttributeError, match=f"^module '{module.__name__}' has no attribute"):
        getattr(module, name)


@pytest.mark.parametrize("gone", ["masks", "catalog", "exceptions", "host", "negotiation"])
def test_a_path_that_is_gone(gone: str) -> None:
    """There are four public paths, and no alias for an old one."""
    assert not (SOURCE / gone).exists()
    assert not (SOURCE / f"{gone}.py").exists()


@pytest.mark.parametrize("run", range(4))
def test_eight_threads_may_be_the_first(run: int, python: Callable[..., list[str]]) -> None:
    """They import the package at the same time, and each can use it."""
    assert python(THREADS) == ["[]"]


def test_a_star_import_gives_every_public_name(python: Callable[..., list[str]]) -> None:
    """In a fresh interpreter."""
    program = "import gmemflags\nfrom gmemflags import *\n"
    assert python(f"{program}print(set(gmemflags.__all__) <= set(globals()))") == ["True"]


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("gmemflags", "ctypes"),
        ("gmemflags", "json"),
        ("gmemflags", "gmemflags.linux"),
        ("gmemflags", "gmemflags._cli"),
        ("gmemflags.records", "ctypes"),
        ("gmemflags.records", "gmemflags.linux"),
        ("gmemflags.testing", "gmemflags.linux"),
        ("gmemflags.linux", "gmemflags.records"),
        ("gmemflags.linux", "fcntl"),
        ("gmemflags.linux", "sysconfig"),
    ],
)
def test_an_import_does_not_load(
    module: str, unwanted: str, python: Callable[..., list[str]]
) -> None:
    """Records are read without ctypes, and a VMM pays for no command line."""
    # ctypes loads sysconfig by itself from 3.14 on.
    ahead = "import ctypes; " if module == "gmemflags.linux" else ""
    program = f"{ahead}before = set(sys.modules); import {module}; print({unwanted!r} in new())"
    new = "new = lambda: set(sys.modules) - before"  # coverage has loaded things of its own
    assert python(f"import sys; {new}; {program}") == ["False"]


TREES = [
    pytest.param(ast.parse(path.read_text()), id=str(path.relative_to(SOURCE)))
    for path in sorted(SOURCE.rglob("*.py"))
]
# The command line loads what a device needs where it opens one.
LIBRARY = [tree for tree in TREES if "_cli/" not in str(tree.id)]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@pytest.mark.parametrize("tree", LIBRARY)
def test_no_import_waits_for_a_call(tree: ast.Module) -> None:
    """In a jail, or without a free descriptor, nothing can be imported any more."""
    late = [
        ast.unparse(node)
        for function in ast.walk(tree)
        if isinstance(function, FUNCTIONS)
        for node in ast.walk(function)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        or (isinstance(node, ast.Name) and node.id in {"__import__", "import_module"})
    ]
    assert late == []


@pytest.mark.parametrize("tree", TREES)
def test_no_module_makes_up_its_names(tree: ast.Module) -> None:
    """No ``__getattr__`` of a module, which editors and threads cannot see through."""
    assert not [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name in {"__getattr__", "__dir__"}
    ]


@pytest.mark.parametrize("tree", LIBRARY)
def test_types_are_imported_for_real(tree: ast.Module) -> None:
    """Nothing stands under TYPE_CHECKING, so that type hints can be resolved."""
    assert not [node for node in ast.walk(tree) if ast.unparse(node) == "TYPE_CHECKING"]


def test_the_version_of_python_does_not_matter_to_help() -> None:
    """``python -m pydoc`` can show the whole package."""
    shown = subprocess.run(
        [sys.executable, "-m", "pydoc", "gmemflags"],
        capture_output=True,
        check=True,
        text=True,
        timeout=120,
    )
    assert "class Resolution" in shown.stdout
