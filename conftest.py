"""Run every example: those of docstrings, and the Python and gmemflags blocks of the documents.

And for all tests: where their files are, and what is said of those that were skipped.
"""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
import tempfile
from collections import Counter
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser

if TYPE_CHECKING:
    import pytest
    from sybil import Example

_OPTIONS = ELLIPSIS | NORMALIZE_WHITESPACE

# A line of a console: "$ " and a command, ">" and its next line, or what they print.
_COMMAND = re.compile(r"^\$ (.*(?:\n> .*)*)\n?", re.MULTILINE)


class ConsoleParser(CodeBlockParser):
    """Runs the console blocks that call gmemflags, and wants what they show."""

    language = "console"

    def evaluate(self, example: Example) -> str | None:
        """What is wrong with a block, or None."""
        if "gmemflags " not in example.parsed:
            return None
        real = ""
        with TemporaryDirectory() as directory:
            for command in _COMMAND.findall(example.parsed):
                done = subprocess.run(  # noqa: S603  # our own pages
                    ["bash", "-c", re.sub(r"\n> ", "\n", command)],  # noqa: S607  # as a reader would
                    cwd=directory,
                    env={
                        **os.environ,
                        "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
                    },
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    check=False,
                )
                real += f"$ {command}\n{done.stdout}"
        return None if real == example.parsed else f"it really prints:\n{real}"


_docstrings = Sybil(
    parsers=[DocTestParser(_OPTIONS)], patterns=["*.py"], excludes=["conftest.py"], path="src"
)
_documents = Sybil(
    parsers=[
        PythonCodeBlockParser(doctest_optionflags=_OPTIONS),
        ConsoleParser(),
        SkipParser(),
    ],
    patterns=["*.md"],
)

pytest_collect_file = (_docstrings + _documents).pytest()


def pytest_configure(config: pytest.Config) -> None:
    """Give this process and its children a temporary directory that is gone at the end."""
    directory = TemporaryDirectory(prefix="gmemflags-")
    os.environ["TMPDIR"] = tempfile.tempdir = directory.name
    config.add_cleanup(directory.cleanup)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what was skipped, with one line for each reason."""
    reasons = Counter(reason_of(report) for report in terminalreporter.getreports("skipped"))
    for reason, number in reasons.most_common():
        tests = "1 test" if number == 1 else f"{number} tests"
        terminalreporter.write_line(f"{tests} skipped: {reason}")


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a test was skipped: the last of file, line and reason."""
    reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")
