"""Whole texts, word for word: every embedded host, and every catalog as text and as graph."""

import pytest

from tests.cli.runs import GOLDEN, GOLDENS, golden, run


@pytest.mark.parametrize("name", GOLDENS)
def test_the_text_is_the_golden_one(name: str) -> None:
    """What was read by a person and found right is what is printed."""
    answer = run(*GOLDENS[name])
    assert answer.status == 0
    assert answer.out == golden(name)


@pytest.mark.parametrize("name", GOLDENS)
def test_the_text_fits_on_the_screen(name: str) -> None:
    """Eighty columns of ASCII; the lines of a graph are for programs."""
    text = golden(name)
    assert text.endswith("\n")
    assert name.startswith("graph-") or max(map(len, text.splitlines())) <= 80


def test_every_golden_text_is_compared() -> None:
    """A text that no test compares with anything would rot."""
    assert {path.stem for path in GOLDEN.iterdir()} == {*GOLDENS}
