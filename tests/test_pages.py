"""What is generated in the pages is up to date, and every block of code is run or says why not."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
BLOCK = re.compile(r"^```(?P<language>[^\n]*)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)


def test_what_is_generated_is_up_to_date() -> None:
    """`make pages` would change nothing."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "_pages.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def is_run(language: str, code: str) -> bool:
    """Whether conftest.py runs a block, or it is not meant to be run: a directive, or an output."""
    if language == "console":
        return "gmemflags " in code
    return language == "python" or language.startswith(("{", "text"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    """A block that is not run has a comment with the reason above it."""
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        said = re.search(r"<!-- not run: [^>]+-->\n+$", text[: found.start()])
        assert said or is_run(found["language"], found["code"]), found[0]


def helped(*words: str) -> str:
    """What `gmemflags help` prints."""
    command = [sys.executable, "-m", "gmemflags", "help", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_reference_has_every_option() -> None:
    """The page on the command line names each option of each command."""
    page = (ROOT / "docs/reference/command-line.md").read_text(encoding="utf-8")
    commands = re.findall(r"^  (\w+) +[A-Z]", helped().partition("commands:")[2], re.MULTILINE)
    for command in {*commands} - {"help"}:
        for option in {*re.findall(r"--[a-z][a-z-]*", helped(command))} - {"--help"}:
            assert option in page, f"{command} {option}"
