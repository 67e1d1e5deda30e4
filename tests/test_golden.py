"""What the library says, word for word, against files that ``python -m tests.golden`` writes."""

from pathlib import Path

import pytest

from tests import golden
from tests.golden.scenes import GROUPS


@pytest.mark.parametrize(
    ("group", "name"), [(group, name) for group, texts in GROUPS.items() for name in texts]
)
def test_the_text_is_the_golden_one(group: str, name: str) -> None:
    """What a person read and found right is what is said."""
    assert GROUPS[group][name]() == golden.read(group)[name]


def test_every_golden_text_is_compared() -> None:
    """A text that no test compares with anything would rot."""
    files = Path(golden.__file__).parent.glob("*.txt")
    assert {file.stem: [*golden.read(file.stem)] for file in files} == {
        group: [*texts] for group, texts in GROUPS.items()
    }
