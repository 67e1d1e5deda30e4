"""What is published: `make release`, which takes minutes, not `make test`.

It builds what is committed, with the environment of `make build`, and looks at the two files.
"""

import os
import re
import shlex
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BUILDER = ROOT / ".venv/build/bin/python"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAME = f"gmemflags-{PROJECT['version']}"
WHEEL, SDIST = f"{NAME}-py3-none-any.whl", f"{NAME}.tar.gz"
LOWEST = [requirement.replace(">=", "==") for requirement in PROJECT["dependencies"]]
NEWEST = [requirement.partition(">=")[0] for requirement in PROJECT["dependencies"]]


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def build(place: Path, umask: int) -> Path:
    """The directory with sdist and wheel, built in a clone at ``place``."""
    run("git", "clone", "-q", ROOT, place)
    old = os.umask(umask)
    try:
        run(BUILDER, "-m", "build", "--no-isolation", cwd=place)
    finally:
        os.umask(old)
    return place / "dist"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was built from a clone."""
    return build(tmp_path_factory.mktemp("one") / "clone", 0o022)


@pytest.fixture(scope="module")
def committed() -> set[str]:
    """The files of the project."""
    return set(run("git", "ls-files").splitlines())


def test_another_build_has_the_same_bytes(dist: Path, tmp_path: Path) -> None:
    """Whoever builds the same commit elsewhere gets the same two files."""
    again = build(tmp_path / "elsewhere", 0o077)
    for name in (SDIST, WHEEL):
        assert (dist / name).read_bytes() == (again / name).read_bytes(), name
    assert {path.name for path in dist.iterdir()} == {SDIST, WHEEL}


def test_the_wheel_is_the_package_and_nothing_else(dist: Path, committed: set[str]) -> None:
    """The files of src, and those that the format wants."""
    package = {name.removeprefix("src/") for name in committed if name.startswith("src/")}
    facts = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    with zipfile.ZipFile(dist / WHEEL) as wheel:
        assert set(wheel.namelist()) == package | {f"{NAME}.dist-info/{fact}" for fact in facts}


def test_the_sdist_is_the_project(dist: Path, committed: set[str]) -> None:
    """Whoever has it alone can build, test and document."""
    with tarfile.open(dist / SDIST) as sdist:
        names = {name.removeprefix(f"{NAME}/") for name in sdist.getnames()}
    assert names == committed - {".ci/run"} | {"PKG-INFO"}


def test_the_changelog_tells_this_version() -> None:
    """A release is dated there."""
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    latest = next(line for line in lines if line.startswith("## "))
    assert re.fullmatch(rf"## {PROJECT['version']} - \d{{4}}-\d\d-\d\d", latest)


@pytest.mark.parametrize("dependencies", [LOWEST, NEWEST], ids=["lowest", "newest"])
def test_it_works_with_all_dependencies(
    dependencies: list[str], dist: Path, tmp_path: Path
) -> None:
    """In an empty environment, with the lowest and the newest versions, the tests pass."""
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    python = tmp_path / "venv/bin/python"
    pip: tuple[str | Path, ...] = (*shlex.split(os.environ["PIP"]), "--python", python)
    run(*pip, "install", dist / WHEEL, *dependencies)
    assert run(tmp_path / "venv/bin/gmemflags", "--version") == f"{NAME.replace('-', ' ')}\n"
    run(*pip, "check")
    run(*pip, "install", "-r", "requirements/test.txt")
    run(*pip, "install", "--no-deps", "--upgrade", *dependencies)
    run(python, "-m", "pytest", "-q")
