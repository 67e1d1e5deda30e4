"""Texts of the library, word for word: read by a person, kept in files, compared ever after.

``python -m tests.golden`` writes the files anew. Read the difference before you keep it.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

Texts = Mapping[str, Callable[[], str]]

_HEAD = re.compile(r"^=== (.*)\n", re.MULTILINE)


def path(group: str) -> Path:
    """The file of a group of texts."""
    return Path(__file__).parent / f"{group}.txt"


def read(group: str) -> dict[str, str]:
    """The texts of a group by name."""
    _, *parts = _HEAD.split(path(group).read_text())
    return {name: text.rstrip("\n") for name, text in zip(parts[::2], parts[1::2], strict=True)}


def write(group: str, texts: Texts) -> None:
    """Write what the library says today."""
    path(group).write_text(
        "\n\n".join(f"=== {name}\n{text()}" for name, text in texts.items()) + "\n"
    )
