"""What the tests of the command line share."""

from pathlib import Path

import pytest

from gmemflags import KvmUnavailableError
from tests.cli.devices import DEFAULT, Answers, Install, fake_kvm
from tests.cli.runs import write_files


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a pool and recorded hosts, in which the commands run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    write_files()
    return tmp_path


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a table in the place of the real KVM device."""

    def install(
        system: Answers = DEFAULT,
        vms: dict[int, Answers | KvmUnavailableError] | None = None,
        machine: str = "x86_64",
    ) -> None:
        kvm = fake_kvm(system, {0: system} if vms is None else vms, machine)
        monkeypatch.setattr("gmemflags.linux.Kvm", kvm)

    return install
