"""What is published: `make release`, which takes minutes, not `make test`.

It builds what is committed, with the environment of `make build`, looks at the two files, and
installs and uses the wheel in every usual way.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BUILDER = ROOT / ".venv/build/bin/python"
TOOLS = Path(sys.executable).parent  # those of requirements/release.txt
PIP = shlex.split(os.environ["PIP"])
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAME = f"gmemflags-{PROJECT['version']}"
WHEEL, SDIST = f"{NAME}-py3-none-any.whl", f"{NAME}.tar.gz"
LOWEST = [requirement.replace(">=", "==") for requirement in PROJECT["dependencies"]]
NEWEST = [requirement.partition(">=")[0] for requirement in PROJECT["dependencies"]]

# Commands, and the status of each.
COMMANDS = {
    "--version": 0,
    "show --host linux-6.18-x86_64": 0,
    "check --host linux-6.8-x86_64 MMAP": 1,
    "show --device /dev/null": 3,
    "schema": 0,
}

# The program of a frozen command line; a directory may be its first argument.
PROGRAM = """
import _gmemflags
_gmemflags.main()
"""
FROM_DIRECTORY = f"""
import sys
sys.path.insert(0, sys.argv.pop(1))
{PROGRAM}
"""

VALUES = """
from gmemflags import GuestMemfdFlag as F, MAINLINE, Request, query, resolve
from gmemflags.testing import FakeBackend
support = query(FakeBackend.narrow(3))
request = Request(required=F.MMAP | F.INIT_SHARED)
answer = resolve(support, request)
assert answer.mask == 3
values = [support, request, answer, F.MMAP | 1 << 40, MAINLINE]
"""
PROCESSES = f"""
from multiprocessing import get_context
{VALUES}
if __name__ == "__main__":
    for method in ("spawn", "forkserver"):
        with get_context(method).Pool(1) as pool:
            assert pool.apply(list, [values]) == values, method
            assert pool.apply(resolve, [support, request]) == answer, method
"""
# Two at once, and each again. The main interpreter imports datetime first, as the pages tell.
INTERPRETERS = f"""
import sys
try:
    import _interpreters
except ImportError:
    import _xxsubinterpreters as _interpreters
import gmemflags.records
USE = '''
import gmemflags.linux, gmemflags.records
{VALUES}
try:
    with gmemflags.linux.Kvm.open() as kvm:
        query(kvm)
except gmemflags.KvmUnavailableError:
    pass
'''
for _ in range(2):
    both = _interpreters.create(), _interpreters.create()
    for interpreter in both * 2:
        failure = _interpreters.run_string(interpreter, USE)
        assert failure is None, failure.formatted
    for interpreter in both:
        _interpreters.destroy(interpreter)
{VALUES}
if sys.version_info >= (3, 14):
    from concurrent import interpreters
    interpreter = interpreters.create()
    assert interpreter.call(list, values) == values
    assert interpreter.call(resolve, support, request) == answer
    interpreter.close()
"""


def run(*command: str | Path, cwd: Path = ROOT, status: int = 0, **environment: str) -> str:
    """What a command prints; it must end with that status."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout
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


def environment(place: Path, *packages: str | Path) -> Path:
    """The Python of a new virtual environment with these packages and what they need."""
    run(sys.executable, "-m", "venv", "--without-pip", place)
    python = place / "bin/python"
    run(*PIP, "--python", python, "install", *packages)
    run(*PIP, "--python", python, "check")
    return python


def said(*program: str | Path) -> list[str]:
    """What our command line prints for each command, if it is started so."""
    place = Path("/")
    return [
        run(*program, *command.split(), cwd=place, status=COMMANDS[command]) for command in COMMANDS
    ]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was built from a clone."""
    return build(tmp_path_factory.mktemp("one") / "clone", 0o022)


@pytest.fixture(scope="module")
def committed() -> set[str]:
    """The files of the project."""
    return set(run("git", "ls-files").splitlines())


@pytest.fixture(scope="module")
def python(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtual environment into which pip installed the wheel."""
    return environment(tmp_path_factory.mktemp("pip") / "venv", dist / WHEEL)


@pytest.fixture(scope="module")
def site(python: Path) -> str:
    """The directory into which pip installed it."""
    return run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()


@pytest.fixture(scope="module")
def expected(python: Path) -> list[str]:
    """What the script says that pip installed: the same is expected in every other way."""
    answers = said(python.parent / "gmemflags")
    assert answers[0] == f"gmemflags {PROJECT['version']}\n"
    return answers


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


def test_the_metadata_are_complete(dist: Path) -> None:
    """They hold all that an index shows but addresses, because the project has none."""
    with zipfile.ZipFile(dist / WHEEL) as wheel:
        found = Parser().parsestr(wheel.read(f"{NAME}.dist-info/METADATA").decode())
    assert set(found) == {
        "Metadata-Version",
        "Name",
        "Version",
        "Summary",
        "Author",
        "Keywords",
        "License-Expression",
        "License-File",
        "Classifier",
        "Requires-Python",
        "Requires-Dist",
        "Description-Content-Type",
    }
    assert found["Author"] == PROJECT["authors"][0]["name"]
    assert found.get_all("Requires-Dist") == PROJECT["dependencies"]
    assert found.get_payload() == (ROOT / "README.md").read_text()


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
    python = environment(tmp_path / "venv", dist / WHEEL, *dependencies)
    install: tuple[str | Path, ...] = (*PIP, "--python", python, "install")
    run(*install, "-r", "requirements/test.txt")
    run(*install, "--no-deps", "--upgrade", *dependencies)
    run(python, "-m", "pytest", "-q")


def test_as_a_module(python: Path, expected: list[str]) -> None:
    """It is the same program as the script."""
    assert said(python, "-m", "gmemflags") == expected


@pytest.mark.parametrize("options", ["-I", "-I -S -O", "-I -S -OO"])
def test_isolated_and_optimized(options: str, python: Path, site: str, expected: list[str]) -> None:
    """It needs no site module, assertion or docstring; the schema's descriptions are docstrings."""
    answers = said(python, *options.split(), "-c", FROM_DIRECTORY, site)
    assert answers[:-1] == expected[:-1]
    schema, whole = (
        json.loads(text, object_hook=_undescribed) for text in (answers[-1], expected[-1])
    )
    assert schema == whole


def _undescribed(value: dict[str, object]) -> dict[str, object]:
    return {key: part for key, part in value.items() if key != "description"}


def test_editable(tmp_path: Path, expected: list[str]) -> None:
    """What changes in the clone changes what is installed."""
    run("git", "clone", "-q", ROOT, tmp_path / "clone")
    python = environment(tmp_path / "venv", "-e", tmp_path / "clone")
    assert said(python.parent / "gmemflags") == expected
    with (tmp_path / "clone/src/gmemflags/__init__.py").open("a") as module:
        module.write("changed = True\n")
    run(python, "-c", "import gmemflags; gmemflags.changed")


def test_uv(dist: Path, tmp_path: Path, expected: list[str]) -> None:
    """It is installed into an environment, and run once as a tool."""
    uv = (TOOLS / "uv", "--quiet", "--no-config", "--no-python-downloads", "--cache-dir", tmp_path)
    run(*uv, "venv", "--python", sys.executable, tmp_path / "venv")
    run(*uv, "pip", "install", "--python", tmp_path / "venv/bin/python", dist / WHEEL)
    assert said(tmp_path / "venv/bin/gmemflags") == expected
    once = (*uv, "tool", "run", "--python", sys.executable, "--from", dist / WHEEL, "gmemflags")
    assert said(*once) == expected


def test_offline(dist: Path, tmp_path: Path, expected: list[str]) -> None:
    """Wheels that were collected before are enough."""
    run(*PIP, "wheel", "--wheel-dir", tmp_path / "wheels", dist / WHEEL)
    offline = ("--no-index", "--find-links", tmp_path / "wheels", "gmemflags")
    python = environment(tmp_path / "venv", *offline)
    assert said(python.parent / "gmemflags") == expected


def test_zipapp(dist: Path, tmp_path: Path, expected: list[str]) -> None:
    """One file holds it and what it needs, and ends with the status of the command."""
    run(*PIP, "install", "--target", tmp_path / "app", dist / WHEEL)
    run(sys.executable, "-m", "zipapp", "app", "-m", "_gmemflags:main", cwd=tmp_path)
    assert said(sys.executable, "-I", "-S", tmp_path / "app.pyz") == expected


def test_frozen(site: str, tmp_path: Path, expected: list[str]) -> None:
    """PyInstaller makes one file of it, and needs no hint."""
    (tmp_path / "program.py").write_text(PROGRAM)
    freeze = (sys.executable, "-m", "PyInstaller", "--onefile", "--paths", site, "program.py")
    run(*freeze, cwd=tmp_path, PYINSTALLER_CONFIG_DIR=str(tmp_path / "config"))
    assert said(tmp_path / "dist/program") == expected


def test_the_types_in_a_project(python: Path, tmp_path: Path) -> None:
    """In a user's project, mypy and pyright, both strict, find the types of the installed wheel."""
    for name in ("typing_tests", "examples"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "pyrightconfig.json").write_text(
        '{"typeCheckingMode": "strict", "enableTypeIgnoreComments": false}'
    )
    run(
        TOOLS / "mypy",
        "--strict",
        "--warn-unreachable",
        "--python-executable",
        python,
        ".",
        cwd=tmp_path,
    )
    path = f"{TOOLS}:{os.environ['PATH']}"
    run(TOOLS / "pyright", "--pythonpath", python, cwd=tmp_path, PATH=path)


def test_processes(python: Path, tmp_path: Path) -> None:
    """Values cross to a process that was spawned, and to one of a fork server."""
    (tmp_path / "program.py").write_text(PROCESSES)
    assert run(python, "-W", "error", tmp_path / "program.py") == ""


@pytest.mark.skipif(
    sys.version_info[:2] == (3, 12), reason="Python 3.12 loads no ctypes in a subinterpreter."
)
def test_subinterpreters(python: Path) -> None:
    """Several ask at a time, and from Python 3.14 on values cross between them."""
    assert run(python, "-W", "error", "-c", INTERPRETERS) == ""
