"""Sphinx: how the documentation is built. `make docs` builds it, and a warning is an error."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from _pictures import PROJECT, pictures
from _tables import tables

project = PROJECT["project"]["name"]
release = version = PROJECT["project"]["version"]
author = PROJECT["project"]["authors"][0]["name"]
project_copyright = author

extensions = ["myst_parser", "sphinx.ext.autodoc", "_references"]
exclude_patterns = ["_static"]
nitpicky = True
# Types that have a name in the code only: what the solver reads, and what can be a document.
nitpick_ignore = [("py:class", "Clause"), ("py:class", "Value")]

myst_enable_extensions = ["deflist", "substitution"]
myst_heading_anchors = 3
myst_substitutions = pictures() | tables()

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "undoc-members": True}

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = f"gmemflags {release}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
