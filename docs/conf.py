"""Sphinx: how the documentation is built. `make docs` builds it, and a warning is an error."""

from __future__ import annotations

import builtins
import re
import sys
import typing
from collections import abc
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphinx.ext.napoleon import Config
from sphinx.ext.napoleon.docstring import GoogleDocstring
from sphinx.util.logging import getLogger
from sphinx.util.nodes import make_refnode

sys.path.insert(0, str(Path(__file__).parent))

from _pages import PROJECT

if TYPE_CHECKING:
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = PROJECT["project"]["name"]
release = version = PROJECT["project"]["version"]
author = PROJECT["project"]["authors"][0]["name"]
project_copyright = author

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["_static"]
nitpicky = True

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_default_options = {"members": True}

copybutton_prompt_text = r">>> |\.\.\. |\$ |> "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True

html_theme = "furo"
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
html_title = f"gmemflags {release}"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_js_files = [("pages.js", {"defer": "defer"})]
html_additional_pages = {"404": "404.html"}
templates_path = ["_static"]
html_show_copyright = False

_PUBLIC = ("gmemflags", "gmemflags.linux", "gmemflags.records", "gmemflags.testing")
_STANDARD = {*dir(builtins), *dir(abc), *dir(typing), *sys.stdlib_module_names}


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", read_google_style)
    app.connect("autodoc-process-signature", readable_defaults)
    app.connect("missing-reference", find)
    app.connect("env-check-consistency", check_complete)


def read_google_style(  # noqa: PLR0917  # as Sphinx calls it
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Turn Args and Raises into fields.

    The extension itself would take what is before a colon in the text of a field for its type.
    """
    del app, options
    kind: Any = "method" if what in {"attribute", "property"} else what
    config: Any = Config(napoleon_use_rtype=False, napoleon_custom_sections=["Source"])
    lines[:] = GoogleDocstring(lines, config, what=kind, name=name, obj=obj).lines()


def readable_defaults(*event: Any) -> tuple[str, str] | None:
    """The arguments of a class that attrs wrote, with "..." for a default that is made."""
    *_, arguments, result = event
    plain = re.sub(r"NOTHING|attr_dict\['\w+'\]\.default", "...", arguments or "")
    return (plain, result) if arguments else None


def find(app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: Any) -> Any:
    """The target of a name that Sphinx did not find.

    Annotations name our classes by their private modules. Names of Python itself are left as text:
    a build asks no other site.
    """
    target: str = node["reftarget"]
    name = target.rpartition(".")[2]
    for full, entry in env.domains.python_domain.objects.items():
        if full.rpartition(".")[2] == name and full.rpartition(".")[0] in _PUBLIC:
            return make_refnode(
                app.builder, node["refdoc"], entry.docname, entry.node_id, shown, full
            )
    return shown if target.partition(".")[0] in _STANDARD else None


def check_complete(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of every public name that no page describes."""
    del app
    for module in _PUBLIC:
        for name in import_module(module).__all__:
            if f"{module}.{name}" not in env.domains.python_domain.objects:
                getLogger(__name__).warning("%s.%s is described nowhere", module, name)
