"""What Sphinx is told about our names: where they are, and which of them a page has to describe."""

from __future__ import annotations

import builtins
import re
import sys
import typing
from collections import abc
from enum import EnumType
from importlib import import_module
from pkgutil import walk_packages
from typing import TYPE_CHECKING, Any

from attrs import fields_dict, has
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.logging import getLogger
from sphinx.util.nodes import make_refnode

import gmemflags

if TYPE_CHECKING:
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

PUBLIC = (
    "gmemflags",
    "gmemflags.masks",
    "gmemflags.catalog",
    "gmemflags.linux",
    "gmemflags.testing",
    "gmemflags.records",
    "gmemflags.exceptions",
)
_STANDARD = {*dir(builtins), *dir(abc), *dir(typing), *sys.stdlib_module_names}


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", read_sources)
    app.connect("autodoc-process-signature", signature)
    app.connect("missing-reference", find)
    app.connect("env-check-consistency", complete)


def read_sources(app: Sphinx) -> None:
    """Let autodoc find what is written beside a field: public classes report a public module."""
    del app
    modules = [m.name for m in walk_packages(gmemflags.__path__, "gmemflags.")]
    private = [ModuleAnalyzer.for_module(name) for name in modules if not name.endswith("__main__")]
    for source in private:
        source.analyze()
    for name in PUBLIC:
        shown = ModuleAnalyzer.for_module(name)
        shown.analyze()
        for source in private:
            shown.attr_docs = source.attr_docs | shown.attr_docs
            shown.tagorder = source.tagorder | shown.tagorder


def signature(  # noqa: PLR0917  # as Sphinx calls it
    app: Sphinx, what: str, name: str, obj: type, options: object, arguments: str, result: str
) -> tuple[str, str] | None:
    """The arguments of a class that attrs wrote, with defaults that can be read.

    There are none for an enum, and for a class that is made by its other constructors.
    """
    del app, options
    if name in {"gmemflags.linux.Kvm", "gmemflags.linux.Vm"} or isinstance(obj, EnumType):
        return "", ""
    if what != "class" or not has(obj):
        return None
    known = fields_dict(obj)

    def default(found: re.Match[str]) -> str:
        value = known[found[1]].default
        return f"Stage.{value.name}" if isinstance(value, gmemflags.Stage) else repr(value)

    arguments = re.sub(r"attr_dict\['(\w+)'\]\.default", default, arguments)
    return arguments.replace("= NOTHING", "= ..."), result


def find(app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: Any) -> Any:
    """The target of a name that Sphinx did not find.

    Annotations and docstrings call our names as their own module does, which is seldom the
    public one. Names of Python itself are left as text: a build asks no other site.
    """
    target: str = node["reftarget"]
    name = target.rpartition(".")[2]
    for full, entry in env.domains.python_domain.objects.items():
        if full.rpartition(".")[2] == name and entry.objtype in {"class", "exception", "function"}:
            return make_refnode(
                app.builder, node["refdoc"], entry.docname, entry.node_id, shown, full
            )
    return shown if target.partition(".")[0] in _STANDARD else None


def complete(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of every public name that no page describes."""
    del app
    described = {full.rpartition(".")[2] for full in env.domains.python_domain.objects}
    for module in PUBLIC:
        for name in import_module(module).__all__:
            if name not in described:
                getLogger(__name__).warning("%s.%s is described nowhere", module, name)
