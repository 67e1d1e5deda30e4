"""What the tests of the command line share."""

from pathlib import Path

import pytest

from tests.cli.runs import write_files


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a pool and recorded hosts, in which the commands run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    write_files()
    return tmp_path
