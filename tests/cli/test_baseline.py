"""`gmemflags baseline`: what the hosts of a pool have, by kind."""

from pathlib import Path

import pytest
from attrs import evolve

from gmemflags import Scope, baseline, query, records
from gmemflags._cli import _commands
from gmemflags.testing import FakeBackend
from tests.cli.runs import error, host, lines, pool, run, unreachable


def cells(text: str) -> list[list[str]]:
    """The cells of the rows of the table."""
    rows = [line for line in text.splitlines() if "  vm  " in line or "  system  " in line]
    return [[cell for cell in row.strip().split("  ") if cell] for row in rows]


@pytest.mark.usefixtures("files")
def test_each_kind_of_host_is_a_row() -> None:
    """Flags by all, n of m and none; what could not be asked is no answer."""
    told = run("baseline", "pool.jsonl")
    assert (told.status, told.err) == (3, "")
    assert told.out.startswith("baseline of 25 hosts of 3 kinds: no flag (0x0)\n\n")
    assert [[cell.strip() for cell in row] for row in cells(told.out)] == [
        ["aarch64", "vm", "0", "5", "all", "all", "all"],
        ["x86_64", "vm", "0", "15", "all", "10 of 15", "10 of 15"],
        ["x86_64", "vm", "4", "5", "all", "all", "none"],
    ]
    assert told.out.endswith("  no answer from 1 host: host-x\n")


@pytest.mark.usefixtures("files")
def test_kinds_are_chosen() -> None:
    """By machine, VM type and scope."""
    assert len(cells(run("baseline", "--machine", "amd64", "pool.jsonl").out)) == 2
    told = run("baseline", "--vm-type", "4", "pool.jsonl")
    assert told.out.startswith("baseline of 5 hosts: MMAP (bit 0, 0x1)\n")
    assert cells(run("baseline", "--scope", "system", "linux-6.8-x86_64.jsonl").out)[0][2] == "-"


@pytest.mark.usefixtures("files")
def test_records_of_each_kind() -> None:
    """That of the library, one a line; it is read as a host again, and counts for all of its."""
    Path("some.jsonl").write_text(lines(host("a", 3), host("b", 1), host("c", 3, "aarch64")))
    told = run("baseline", "--json", "some.jsonl")
    assert told.status == 0
    expected = [baseline([host("c", 3, "aarch64")]), baseline([host("a", 3), host("b", 1)])]
    assert told.out == "".join(f"{records.dumps(one)}\n" for one in expected)
    Path("base.jsonl").write_text(f"{records.dumps(expected[1])}\n{lines(host('d', 0))}")
    again = run("baseline", "base.jsonl")
    assert again.out.startswith("baseline of 3 hosts: no flag (0x0)\n")
    assert [cell.strip() for cell in cells(again.out)[0]][3:] == ["3", "all", "2 of 3", "1 of 3"]


@pytest.mark.usefixtures("files")
def test_records_say_who_could_not_be_asked() -> None:
    """Beside the documents, in which such a host has no place."""
    told = run("baseline", "--json", "pool.jsonl")
    assert told.status == 3
    assert told.out.count("\n") == 3
    assert told.err == error("no answer from host-x", "record these hosts again", "warning")


@pytest.mark.usefixtures("files")
def test_more_hosts_than_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are counted in parts, with the same result."""
    monkeypatch.setattr(_commands, "_CHUNK", 3)
    Path("many.jsonl").write_text("".join(pool(50)))
    told = run("baseline", "many.jsonl")
    monkeypatch.undo()
    assert [cell.strip() for cell in cells(told.out)[1]][3:] == [
        "30",
        "all",
        "20 of 30",
        "20 of 30",
    ]


@pytest.mark.usefixtures("files")
def test_a_record_that_comes_again() -> None:
    """It counts once; another answer of the same host counts as well."""
    Path("again.jsonl").write_text(lines(host("a", 3), host("a", 3), host("a", 1)))
    assert cells(run("baseline", "again.jsonl").out)[0][3].strip() == "2"


@pytest.mark.usefixtures("files")
def test_what_is_odd() -> None:
    """Hosts without guest_memfd, bits that nobody could speak of, and an unknown machine."""
    none = host("a", 0)
    none = evolve(
        none, answers={**none.answers, "GUEST_MEMFD": 0}, host=evolve(none.host, machine=None)
    )
    Path("odd.jsonl").write_text(lines(none))
    row = [cell.strip() for cell in cells(run("baseline", "odd.jsonl").out)[0]]
    assert row == ["not known", "vm", "0", "1", "none", "none", "none"]
    tree = evolve(none.catalog, name="t", capabilities={"GUEST_MEMFD": 234})
    Path("t.json").write_text(records.dumps(tree))
    Path("u.jsonl").write_text(lines(query(FakeBackend({234: 1}), tree)))
    told = run("baseline", "u.jsonl", "--catalog", "t.json", "--verbose")
    assert "guest_memfd" in told.out


@pytest.mark.usefixtures("files")
def test_hosts_without_guest_memfd() -> None:
    """They are counted; of how many hosts of a baseline lack it, only that some do is known."""
    some = host("a", 3)
    none = evolve(some, answers={**some.answers, "GUEST_MEMFD": 0}, origin="b")
    none = evolve(none, host=evolve(none.host, name="b"))
    Path("two.jsonl").write_text(lines(some, none))
    assert [cell.strip() for cell in cells(run("baseline", "two.jsonl").out)[0]][3:5] == [
        "2",
        "1 of 2",
    ]
    Path("base.jsonl").write_text(run("baseline", "two.jsonl", "--json").out)
    told = run("baseline", "base.jsonl")
    assert told.out.startswith("baseline of 2 hosts: ")
    assert [cell.strip() for cell in cells(told.out)[0]][3:5] == ["2", "not all"]
    unknown = evolve(some, answers={"GUEST_MEMFD_FLAGS": 3})
    Path("unknown.jsonl").write_text(lines(unknown))
    assert cells(run("baseline", "unknown.jsonl").out)[0][4].strip() == "?"


@pytest.mark.usefixtures("files")
def test_nobody_could_be_asked() -> None:
    """That is no answer."""
    Path("none.jsonl").write_text(lines(unreachable("a"), unreachable("b")))
    told = run("baseline", "none.jsonl")
    assert told.status == 3
    assert told.err == error("no answer from a, b", "record these hosts again")


def test_a_file_is_needed() -> None:
    """Nothing waits for a terminal."""
    told = run("baseline")
    assert told.status == 2
    assert "the following arguments are required: FILE" in told.err


@pytest.mark.usefixtures("files")
def test_hosts_with_names_for_a_bit() -> None:
    """A host whose tree calls a bit otherwise cannot be read under another's names."""
    one = query(FakeBackend.narrow(4), _commands.CATALOGS["firecracker-secret-free"])
    Path("fc.jsonl").write_text(lines(one, evolve(one, scope=Scope.VM)))
    assert run("baseline", "fc.jsonl").status == 0
    named = run("baseline", "fc.jsonl", "--catalog", "firecracker-secret-free")
    assert "NO_DIRECT_MAP" in named.out
