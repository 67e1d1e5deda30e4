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
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

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
    """Runs the console blocks that call gmemflags, and compares their output; ... is any text."""

    language = "console"

    def evaluate(self, example: Example) -> str | None:
        """What is wrong with a block, or None."""
        if "gmemflags " not in example.parsed:
            return None
        real = ""
        for command in _COMMAND.findall(example.parsed):
            done = subprocess.run(  # noqa: S603  # our own pages
                ["bash", "-c", re.sub(r"\n> ", "\n", command)],  # noqa: S607  # as a reader would
                env={
                    **os.environ,
                    "COLUMNS": "80",
                    "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            real += f"$ {command}\n{done.stdout}"
        if OutputChecker().check_output(example.parsed, real, ELLIPSIS):
            return None
        return f"it really prints:\n{real}"


def _begin(namespace: dict[str, Any]) -> None:
    # Each page runs in a directory of its own, and knows why examples on a device are skipped.
    from tests.conftest import why_no_kvm  # noqa: PLC0415  # after pytest has loaded it

    directory = TemporaryDirectory()
    namespace.update(_directory=directory, _before=Path.cwd(), no_kvm=why_no_kvm())
    namespace.update(other_kvm=namespace["no_kvm"] or _why_other_kvm())
    namespace.update(no_jq=None if which("jq") else "jq is not installed")
    namespace.update(no_root=namespace["no_kvm"] or (os.geteuid() and "only root may call chroot"))
    os.chdir(directory.name)


def _end(namespace: dict[str, Any]) -> None:
    os.chdir(namespace["_before"])
    namespace["_directory"].cleanup()


def _why_other_kvm() -> str | None:
    # Pages show an x86-64 host with both flags, whose default VM has no private memory.
    from gmemflags import query  # noqa: PLC0415  # as above
    from gmemflags.linux import Kvm  # noqa: PLC0415  # as above

    with Kvm.open() as kvm, kvm.create_vm() as vm:
        host = query(vm)
    usual = host.mask == 3 and not host.answer("MEMORY_ATTRIBUTES")
    usual = usual and host.host.machine == "x86_64"
    return None if usual else "the KVM of this machine answers otherwise than the page shows"


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
    setup=_begin,
    teardown=_end,
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
