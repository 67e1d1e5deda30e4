"""`gmemflags compare`: may what runs on A run on B?"""

import json
from pathlib import Path

import pytest

from gmemflags import compare, records
from tests.cli.runs import Run, error, host, lines, run, unreachable


@pytest.fixture(autouse=True)
def recorded(files: Path) -> None:
    """Three files of one host each."""
    for name, mask in (("a", 3), ("b", 3), ("c", 1)):
        Path(f"{name}.jsonl").write_text(lines(host(name, mask)))


def test_nothing_is_lost() -> None:
    """It is safe, and status 0."""
    told = run("compare", "a.jsonl", "b.jsonl")
    assert told == Run(0, f"{compare(host('a', 3), host('b', 3))}\n", "")
    assert told.out.startswith("safe: ")
    assert run("compare", "c.jsonl", "a.jsonl").status == 0


def test_something_is_lost() -> None:
    """It is not safe, and the text and the JSON have every loss."""
    told = run("compare", "a.jsonl", "c.jsonl")
    assert told.status == 1
    document = json.loads(run("compare", "a.jsonl", "c.jsonl", "--json").out)
    assert document == records.to_dict(compare(host("a", 3), host("c", 1)))
    assert document["lost"]
    for loss in document["lost"]:
        assert f"  lost: {loss['message']}\n" in told.out


def test_hosts_of_different_kinds() -> None:
    """They are never safe."""
    Path("arm.jsonl").write_text(lines(host("arm", 3, "aarch64")))
    told = run("compare", "a.jsonl", "arm.jsonl")
    assert told.status == 1
    assert "doubt: machine: " in told.out
    Path("snp.jsonl").write_text(lines(host("snp", 3, vm_type=4)))
    assert "doubt: VM type: " in run("compare", "a.jsonl", "snp.jsonl").out


def test_each_type_of_vm() -> None:
    """Types are compared each with its own; one that B has not is not safe."""
    name = "linux-6.18-x86_64-confidential"
    same = run("compare", f"{name}.jsonl", f"{name}.jsonl")
    assert same.status == 0
    assert same.out.startswith(f"safe: from {name} to {name}: 4 of 4 types of VM are safe\n")
    assert same.out.count("\nsafe: what runs on ") == 4
    told = run("compare", f"{name}.jsonl", "linux-6.8-x86_64.jsonl")
    assert told.status == 1
    assert told.out.startswith(
        f"not safe: from {name} to linux-6.8-x86_64: 0 of 4 types of VM are safe\n"
    )
    assert told.out.count("not safe: B has nothing like VM of type ") == 2
    written = run("compare", f"{name}.jsonl", "linux-6.8-x86_64.jsonl", "--json")
    assert written.status == 1
    assert written.out.count("\n") == 2
    assert written.err.count("warning: B has nothing like ") == 2


def test_system_scope() -> None:
    """Two devices can be compared, as upper bounds."""
    known = "linux-6.18-x86_64"
    told = run("compare", f"{known}.jsonl", f"{known}.jsonl", "--scope", "system")
    assert told.status == 0
    assert "/dev/kvm of linux-6.18-x86_64" in told.out


def test_wrong_input() -> None:
    """A file has the records of one host."""
    hint = "name A and B; for many hosts there is `gmemflags baseline`"
    told = run("compare", "a.jsonl", "b.jsonl", "c.jsonl")
    assert told == Run(2, "", error("compare takes two files, not 3", hint))
    assert "error: the following arguments are required: B\n" in run("compare", "a.jsonl").err
    hint = "give a file for each host; for many hosts there is `gmemflags baseline`"
    Path("ab.jsonl").write_text(lines(host("a", 3), host("b", 3)))
    told = run("compare", "ab.jsonl", "a.jsonl")
    assert told.err == error("ab.jsonl, line 2 is of b, after a record of a", hint)
    Path("aa.jsonl").write_text(lines(host("a", 3), host("a", 3)))
    told = run("compare", "a.jsonl", "aa.jsonl")
    assert told.err == error("aa.jsonl, line 2 is of a, after a record of a", hint)


def test_a_host_that_could_not_be_asked() -> None:
    """That is no answer."""
    Path("x.jsonl").write_text(lines(unreachable("x")))
    told = run("compare", "a.jsonl", "x.jsonl")
    assert told.status == 3
    assert told.err.startswith("gmemflags: error: x.jsonl: x could not be asked: /dev/kvm: ")
