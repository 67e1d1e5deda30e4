"""`gmemflags catalogs`: what kernel trees define."""

from pathlib import Path

import pytest
from attrs import evolve

from gmemflags import MAINLINE, Excludes, GuestMemfdFlag, Profile, Request, lint, records
from gmemflags._cli._commands import CATALOGS
from tests.cli.runs import run


def test_the_list() -> None:
    """Every catalog that comes with the program; --verbose prints all about each."""
    told = run("catalogs")
    assert [line.split()[0] for line in told.out.splitlines()[1:]] == [*CATALOGS]
    whole = "".join(run("catalogs", name).out for name in CATALOGS)
    assert run("catalogs", "-v").out == whole


def test_records() -> None:
    """One a line, and they can be given back."""
    told = run("catalogs", "--json")
    assert [records.loads(line) for line in told.out.splitlines()] == [*CATALOGS.values()]


@pytest.mark.usefixtures("files")
def test_a_catalog_from_a_file() -> None:
    """Its doubts stand first, and all that it has is shown, quoted."""
    tree = evolve(
        MAINLINE,
        name="tree\n",
        rules=[Excludes(1, 2, why="", source="")],
        profiles=[
            Profile("p", Request(preferred=[GuestMemfdFlag.MMAP], forbidden=2), "\x1b[2J"),
        ],
    )
    Path("tree.json").write_text(records.dumps(tree))
    told = run("catalogs", "tree.json")
    assert told.status == 0
    assert told.out.startswith("tree\\n\n")
    for doubt in lint(tree):
        assert f"  doubtful: {doubt}\n" in told.out
    assert "    why: \\x1b[2J\n" in told.out
    asked = (
        "required no flag (0x0), preferred MMAP (bit 0, 0x1), forbidden INIT_SHARED (bit 1, 0x2)"
    )
    assert f"    asks: {asked}\n" in told.out


def test_a_name_that_there_is_not() -> None:
    """The hint has those that there are."""
    told = run("catalogs", "x")
    assert told.status == 2
    assert "hint: name one of linux-mainline, firecracker-secret-free, or ./x\n" in told.err
