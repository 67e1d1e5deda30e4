"""Run every example: the docstrings of the package, and the Python blocks of the documents."""

from __future__ import annotations

from doctest import ELLIPSIS, NORMALIZE_WHITESPACE

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser

_OPTIONS = ELLIPSIS | NORMALIZE_WHITESPACE

_docstrings = Sybil(
    parsers=[DocTestParser(_OPTIONS)], patterns=["*.py"], excludes=["conftest.py"], path="src"
)
_documents = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=_OPTIONS), SkipParser()],
    patterns=["*.md"],
)

pytest_collect_file = (_docstrings + _documents).pytest()
