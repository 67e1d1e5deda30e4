"""Whole texts, word for word: hosts, answers, pools, catalogs and help."""

import sys

import pytest

from tests.cli.runs import GOLDEN, GOLDENS, golden, run

HELP = sys.version_info[:2] == (3, 11)  # each argparse lays it out in its own way


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("name", [n for n in GOLDENS if HELP or not n.startswith("help")])
def test_the_text_is_the_golden_one(name: str) -> None:
    """What was read by a person and found right is what is printed."""
    assert run(*GOLDENS[name]).out == golden(name)


@pytest.mark.parametrize("name", GOLDENS)
def test_the_first_line_is_short(name: str) -> None:
    """The first line is the answer, and there is no need to fold it in most terminals."""
    first, _, rest = golden(name).partition("\n")
    assert 0 < len(first) <= (200 if name.startswith(("check", "compare")) else 130)
    assert name == "compare-safe" or rest


def test_every_golden_text_is_compared() -> None:
    """A text that no test compares with anything would rot."""
    assert {path.stem for path in GOLDEN.iterdir()} == {*GOLDENS}
