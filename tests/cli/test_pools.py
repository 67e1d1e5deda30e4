"""`baseline`, `compare`, `replay`, and `check` of a file: recorded hosts instead of this one."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from gmemflags import MAINLINE, Scope, baseline, records, resolve
from gmemflags._cli._pool import Pool, support_of
from gmemflags import FIRECRACKER_SECRET_FREE
from gmemflags.records._text import LONGEST
from tests.cli.runs import Run, error, run
from tests.cli.terminal import shown_on
from tests.records.values import host

A, B, C = host(3, "host-a"), host(3, "host-b"), host(1, "host-c")
SYSTEM = evolve(A, scope=Scope.SYSTEM, origin="/dev/kvm of host-a")
SNP = evolve(host(1, "an SNP VM"), host=evolve(A.host, vm_type=4))


DECISION = records.dumps(resolve(A, 3))
LEFT_OUT = "(left out, of another scope or VM type: 1)"
WRITTEN = "records that `gmemflags show --json` or `gmemflags baseline --json` wrote"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a pool and a few single hosts, in which the commands run."""
    monkeypatch.chdir(tmp_path)
    for name, hosts in {
        "pool": [A, SYSTEM, B, C],
        "mixed": [A, SNP],
        "a": [A],
        "c": [C],
        "system": [SYSTEM],
        "none": [],
    }.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(f"{records.dumps(h)}\n" for h in hosts))
    broken = f"{records.dumps(A)}\n\nnonsense\n{records.dumps(C)}\n{{}}\n"
    (tmp_path / "broken.jsonl").write_text(broken)
    return tmp_path


def fed(content: bytes, monkeypatch: pytest.MonkeyPatch, *argv: str) -> Run:
    """Run the command line with something on standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    return run(*argv)


@pytest.mark.usefixtures("files")
def test_a_baseline() -> None:
    """What all have, and who lacks the rest; records of /dev/kvm do not count."""
    expected = baseline([A, B, C])
    assert run("baseline", "pool.jsonl") == Run(0, f"{expected}\n{LEFT_OUT}\n", "")
    assert run("baseline", "--json", "pool.jsonl").out == f"{records.dumps(expected)}\n"
    assert run("baseline", "a.jsonl", "c.jsonl").out.startswith("baseline of 2 hosts: MMAP")
    system = run("baseline", "--scope", "system", "pool.jsonl", "a.jsonl")
    assert system.out == (
        "baseline of 1 host: MMAP|INIT_SHARED (0x3)\n(left out, of another scope or VM type: 4)\n"
    )


def test_from_standard_input(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file, or with -."""
    content = (files / "pool.jsonl").read_bytes()
    expected = Run(0, f"{baseline([A, B, C])}\n{LEFT_OUT}\n", "")
    assert fed(content, monkeypatch, "baseline") == expected
    assert fed(content, monkeypatch, "baseline", "-") == expected
    assert fed(content, monkeypatch, "check", "MMAP", "-").status == 0


@pytest.mark.parametrize("command", ["baseline", "replay"])
def test_no_standard_input(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process may have been started without."""
    monkeypatch.setattr(sys, "stdin", None)
    assert run(command).err == error(
        "standard input cannot be read: Bad file descriptor",
        "give a file that can be read, or - for standard input",
    )


@pytest.mark.usefixtures("files")
def test_hosts_of_several_kinds() -> None:
    """The message names the odd one, and the option that chooses."""
    told = run("baseline", "mixed.jsonl")
    assert (told.status, told.out) == (2, "")
    assert "an SNP VM has VM type 4, where host-a has 0" in told.err
    assert told.err.endswith("to do: --vm-type N takes the VMs of one type alone\n")
    assert run("baseline", "mixed.jsonl", "--vm-type", "4").out.startswith("baseline of 1 host")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"host": evolve(A.host, machine="aarch64")}, "machine aarch64, where host-a has x86_64"),
        ({"catalog": FIRECRACKER_SECRET_FREE}, "catalog firecracker-secret-free"),
    ],
)
def test_hosts_of_kinds_that_no_option_chooses(
    files: Path, change: dict[str, Any], what: str
) -> None:
    """No option is offered that would not help."""
    (files / "odd.jsonl").write_text(records.dumps(evolve(B, **change)))
    told = run("baseline", "a.jsonl", "odd.jsonl")
    assert (told.status, told.out) == (2, "")
    assert f"host-b has {what}" in told.err
    assert told.err.endswith("to do: make a baseline for each kind of host\n")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("command", [["baseline"], ["check", "MMAP"]])
def test_no_host_at_all(command: list[str]) -> None:
    """Nothing is no answer."""
    assert run(*command, "none.jsonl").err == error("none.jsonl holds no record", f"give {WRITTEN}")
    several = run(*command, "none.jsonl", "./none.jsonl").err
    assert "none.jsonl, ./none.jsonl hold no record\n" in several
    told = run(*command, "pool.jsonl", "--vm-type", "7")
    assert told == Run(
        2,
        "",
        error(
            "none of 4 records has scope vm and VM type 7",
            f"give {WRITTEN}, or choose with --scope and --vm-type",
        ),
    )


def test_nothing_but_broken_lines(files: Path) -> None:
    """They were told one by one; what is left is no record."""
    (files / "bad.jsonl").write_text("nonsense\n")
    told = run("baseline", "bad.jsonl", "--skip-bad")
    assert told.status == 2
    assert "error: bad.jsonl holds no record that can be read\n" in told.err


@pytest.mark.usefixtures("files")
def test_a_broken_line() -> None:
    """It is told with file and line."""
    assert run("baseline", "a.jsonl", "broken.jsonl") == Run(
        2,
        "",
        error(
            "at broken.jsonl, line 3, $: it is not JSON: Expecting value at character 0",
            f"give {WRITTEN}",
        ),
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (json.dumps(json.loads(records.dumps(A)), indent=1), "`jq -c .` makes that\n"),
        (f"\ufeff{records.dumps(A)}", "it starts with a byte order mark, which no record has\n"),
        ('{"schema', "it is not JSON: Unterminated string starting at character 1\n"),
    ],
    ids=["indented", "BOM", "cut"],
)
@pytest.mark.parametrize("command", [["baseline"], ["check", "MMAP"], ["compare", "a.jsonl"]])
def test_a_line_that_is_no_record(
    files: Path, content: str, problem: str, command: list[str]
) -> None:
    """The usual ways to break one have words of their own."""
    (files / "odd.json").write_text(content, encoding="utf-8")
    told = run(*command, "odd.json")
    assert told.status == 2
    assert told.err.startswith("gmemflags: error: at odd.json, line 1, $: ")
    assert problem in told.err


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("command", [["baseline"], ["check", "MMAP"]])
def test_broken_lines_are_skipped_and_counted(command: list[str]) -> None:
    """With --skip-bad the good ones are answered, and the others told."""
    told = run(*command, "broken.jsonl", "--skip-bad")
    assert told.status == 0
    assert "of 2 hosts" in told.out
    assert "warning: skipped: at broken.jsonl, line 3, $: it is not JSON" in told.err
    assert "skipped: at broken.jsonl, line 5, $.schema: it is missing" in told.err
    assert told.err.endswith(
        "gmemflags: warning: 2 lines are broken and skipped; records read: 2\n"
        "gmemflags: to do: record these hosts again: they are missing from the answer\n"
    )
    assert told.err.count("to do: record that host again\n") == 2


def test_many_broken_lines(files: Path) -> None:
    """Ten are told, and all are counted."""
    good = records.dumps(A).encode()
    (files / "bad.jsonl").write_bytes(good + b"\n\xff" * 25)
    told = run("baseline", "bad.jsonl", "--skip-bad")
    assert told.err.count("skipped: at") == 10
    assert "further ones are only counted" in told.err
    assert "25 lines are broken and skipped; records read: 1" in told.err
    (files / "bad.jsonl").write_bytes(good + b"\n\xff")
    assert "1 line is broken" in run("baseline", "bad.jsonl", "--skip-bad").err


def test_a_line_without_an_end(files: Path) -> None:
    """It is one broken line, and no more of it is kept than shows that."""
    good = records.dumps(A).encode()
    with (files / "long.jsonl").open("wb") as file:
        file.writelines([good, b"\n", b"x" * (2 * LONGEST + 5), b"\n", good, b"\n"])
    told = run("baseline", "long.jsonl", "--skip-bad")
    assert told.out.startswith("baseline of 2 hosts")
    assert "line 2, $: it is longer than" in told.err
    assert "1 line is broken" in told.err


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    "command", [["baseline"], ["check", "MMAP"], ["compare", "a.jsonl"], ["replay"]]
)
def test_a_file_that_cannot_be_read(command: list[str]) -> None:
    """Which one, and why."""
    for name, why in (("gone.jsonl", "No such file or directory"), (".", "Is a directory")):
        assert run(*command, name).err == error(
            f"{name} cannot be read: {why}", "give a file that can be read, or - for standard input"
        )


@pytest.mark.parametrize("command", ["baseline", "replay"])
def test_a_file_without_a_name(command: str) -> None:
    """It is told as an empty name, and not as nothing."""
    told = run(command, "").err
    assert told.startswith("gmemflags: error: '' cannot be read: No such file or directory\n")


@pytest.mark.usefixtures("files")
def test_a_verdict_for_each_host() -> None:
    """Line by line, and a tally; any no makes it a no."""
    told = run("check", "--profile", "fully-shared", "pool.jsonl")
    assert told == Run(
        1,
        "granted: MMAP|INIT_SHARED (0x3) on host-a\n"
        "granted: MMAP|INIT_SHARED (0x3) on host-b\n"
        "refused: INIT_SHARED (bit 1, 0x2) is not supported: host-c lists MMAP (bit 0, 0x1)\n"
        "granted on 2, refused on 1, of 3 hosts"
        " (left out, of another scope or VM type: 1)\n",
        "",
    )
    assert run("check", "MMAP", "a.jsonl").out.endswith("granted on 1, refused on 0, of 1 host\n")


@pytest.mark.usefixtures("files")
def test_decisions_for_each_host() -> None:
    """With --json, one document a host, which can be replayed."""
    lines = run("check", "--json", "INIT_SHARED", "pool.jsonl").out.splitlines()
    assert [records.loads(line) for line in lines] == [resolve(h, 2) for h in (A, B, C)]


def test_hosts_that_give_no_answer(files: Path) -> None:
    """A host that could not speak of a flag has not said no."""
    silent = evolve(A, answers={"GUEST_MEMFD": 1})
    (files / "silent.jsonl").write_text(records.dumps(silent))
    told = run("check", "MMAP", "a.jsonl", "silent.jsonl")
    assert told.status == 3
    assert told.out.endswith("granted on 1, refused on 0, no answer from 1, of 2 hosts\n")


def test_under_another_catalog(files: Path) -> None:
    """Names are those of each record's catalog, or of the one that is given."""
    (files / "own.jsonl").write_text(
        f"{records.dumps(host(15, 'f', FIRECRACKER_SECRET_FREE))}\n{records.dumps(A)}\n"
    )
    told = run("check", "WRITE", "own.jsonl")
    assert told.out == "granted: WRITE (bit 3, 0x8) on f\n"
    assert told.err == error(
        "at own.jsonl, line 2: no flag of linux-mainline is called WRITE at position 0 of 'WRITE'",
        "name flags that `gmemflags catalogs NAME` lists, or give a mask such as 0x3",
    )
    told = run("check", "--profile", "boot", "a.jsonl", "own.jsonl")
    assert "at a.jsonl, line 1: linux-mainline has no profile 'boot'" in told.err
    catalog = ["--catalog", FIRECRACKER_SECRET_FREE.name]
    told = run("check", "WRITE", "a.jsonl", *catalog)
    assert (told.status, "never asked" in told.err) == (1, False)
    assert "WRITE (bit 3, 0x8) is not supported" in told.out


def test_under_mainline(files: Path) -> None:
    """A catalog that is named counts, also where it is the default of other commands."""
    wild = host(15, "f", FIRECRACKER_SECRET_FREE)
    (files / "own.jsonl").write_text(records.dumps(wild))
    assert run("check", "NO_DIRECT_MAP", "own.jsonl").status == 0
    named = ["--catalog", MAINLINE.name]
    told = run("check", "NO_DIRECT_MAP", "own.jsonl", *named)
    assert (told.status, told.out) == (2, "")
    assert "no flag of linux-mainline is called NO_DIRECT_MAP" in told.err
    assert run("check", "0x4", "own.jsonl", *named).status == 1
    told = run("check", "MMAP", "own.jsonl", "--flags-hi", "300")
    assert (told.status, told.out) == (2, "")
    assert "GUEST_MEMFD_FLAGS_HI is 300 here, which f was never asked" in told.err


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("other", [["--host", "linux-6.18-x86_64"], ["--device", "/nope"]])
def test_a_file_and_a_host(other: list[str]) -> None:
    """They exclude each other."""
    told = run("check", "MMAP", "a.jsonl", *other)
    assert told.err == error(f"a file and {other[0]} exclude each other", "give one of them")


def test_a_pool_that_is_a_record_itself(files: Path) -> None:
    """A baseline is checked by what its hosts have in common, and is a part of other pools."""
    common = run("baseline", "--json", "a.jsonl", "c.jsonl").out
    (files / "ac.json").write_text(common)
    assert run("check", "MMAP", "ac.json") == Run(
        0,
        "granted: MMAP (bit 0, 0x1) on the baseline of a pool\n"
        "granted on 1, refused on 0, of 1 record\n",
        "",
    )
    assert run("check", "INIT_SHARED", "ac.json", "a.jsonl").out.endswith("of 2 records\n")
    (files / "b.jsonl").write_text(records.dumps(B))
    assert run("baseline", "ac.json", "b.jsonl", "--json").out == (
        f"{records.dumps(baseline([A, C, B]))}\n"
    )
    (files / "system.json").write_text(
        run("baseline", "--scope", "system", "--json", "system.jsonl").out
    )
    assert "none of 1 records has scope vm" in run("check", "MMAP", "system.json").err


@pytest.mark.usefixtures("files")
def test_comparing() -> None:
    """0 for equal answers, 1 for anything else."""
    assert run("compare", "a.jsonl", "a.jsonl").status == 0
    assert run("compare", "a.jsonl", "c.jsonl") == Run(
        1,
        "superset: host-a has all that host-c has, and more\n"
        "  on host-c you lose INIT_SHARED (bit 1, 0x2)\n",
        "",
    )
    content = json.loads(run("compare", "a.jsonl", "c.jsonl", "--json").out)
    assert content == {
        "schema": "gmemflags/comparison/1",
        "a": "host-a",
        "b": "host-c",
        "relation": "superset",
        "differing": "0x2",
        "lost_on_a": [],
        "lost_on_b": [{"bit": "0x2", "flag": "INIT_SHARED", "because": "0x0", "rules": []}],
        "capabilities": {},
    }


def test_comparing_what_is_lost_with_it(files: Path) -> None:
    """Rules are told in the document, too."""
    arm = evolve(host(2, "arm"), host=evolve(A.host, machine="aarch64"))
    (files / "x.json").write_text(records.dumps(host(2, "x86")))
    (files / "arm.json").write_text(records.dumps(arm))
    (loss,) = json.loads(run("compare", "x.json", "arm.json", "--json").out)["lost_on_b"]
    assert loss["rules"] == ["every mask needs MMAP"]
    more = evolve(host(2, "more"), answers={**A.answers, "VM_TYPES": 3})
    (files / "more.json").write_text(records.dumps(evolve(more, answers={"VM_TYPES": 3})))
    content = json.loads(run("compare", "a.jsonl", "more.json", "--json").out)
    assert content["capabilities"]["VM_TYPES"] == ["0x1", "0x3"]
    assert content["capabilities"]["GUEST_MEMFD"] == ["0x1", None]


def test_comparing_with_a_pool(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A baseline stands for its pool; the one host of a file counts, whatever its scope."""
    (files / "pool.json").write_text(run("baseline", "pool.jsonl", "--json").out)
    assert run("compare", "pool.json", "c.jsonl").out.startswith("equal: ")
    assert "best imaginable VM" in run("compare", "system.jsonl", "c.jsonl").out
    content = (files / "a.jsonl").read_bytes()
    assert fed(content, monkeypatch, "compare", "-", "c.jsonl").status == 1


@pytest.mark.usefixtures("files")
def test_what_cannot_be_compared() -> None:
    """Several hosts, none, other documents, and standard input against itself."""
    told = run("compare", "pool.jsonl", "a.jsonl").err
    assert "pool.jsonl: one chosen record is needed, and there are more\n" in told
    told = run("compare", "pool.jsonl", "a.jsonl", "--vm-type", "4").err
    assert "pool.jsonl: one chosen record is needed, and 0 of 4 are\n" in told
    assert "error: none.jsonl holds no record\n" in run("compare", "none.jsonl", "a.jsonl").err
    assert "standard input cannot be both A and B\n" in run("compare", "-", "-").err
    told = run("compare", "a.jsonl", "broken.jsonl").err
    assert "at broken.jsonl, line 3, $: it is not JSON" in told
    Path("request.json").write_text(records.dumps(MAINLINE.profiles["private"].request))
    told = run("compare", "a.jsonl", "request.json").err
    assert "at request.json, line 1, $.schema: one of gmemflags/support/1, gmemflags/base" in told


@pytest.mark.usefixtures("files")
def test_comparing_what_is_chosen() -> None:
    """--scope and --vm-type choose, also in a file of one record; without them one is enough."""
    assert run("compare", "pool.jsonl", "system.jsonl", "--scope", "system").status == 0
    assert run("compare", "system.jsonl", "a.jsonl").status == 0
    for choice in (["--scope", "system"], ["--vm-type", "4"]):
        told = run("compare", "a.jsonl", "a.jsonl", *choice)
        assert (told.status, told.out) == (2, "")
        assert "a.jsonl: one chosen record is needed, and 0 of 1 are\n" in told.err
    told = run("compare", "system.jsonl", "mixed.jsonl", "--vm-type", "4")
    assert "system.jsonl: one chosen record is needed, and 0 of 1 are\n" in told.err
    told = run("compare", "mixed.jsonl", "mixed.jsonl", "--vm-type", "4")
    assert told.out.startswith("equal: ")


def test_comparing_large_files(files: Path) -> None:
    """Every record counts, wherever it stands, and no more is read than is needed."""
    line = records.dumps(SYSTEM) + "\n"
    many = line * (LONGEST // len(line) + 10)
    (files / "many.jsonl").write_text(f"{many}{records.dumps(A)}\n")
    assert run("compare", "many.jsonl", "a.jsonl").status == 0
    (files / "two.jsonl").write_text(f"{records.dumps(C)}\n{many}{records.dumps(A)}\nnonsense\n")
    assert "and there are more" in run("compare", "two.jsonl", "c.jsonl").err


def test_comparing_across_catalogs(files: Path) -> None:
    """The way on is another record: compare reads hosts as they were recorded."""
    (files / "own.jsonl").write_text(records.dumps(host(3, "f", FIRECRACKER_SECRET_FREE)))
    told = run("compare", "a.jsonl", "own.jsonl")
    assert (told.status, told.out) == (2, "")
    assert "f was read under firecracker-secret-free" in told.err
    remedy = "record both under one catalog: `gmemflags show --json --catalog NAME`"
    assert told.err.endswith(f"to do: {remedy}\n")


def test_replaying(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """0 for the same answer, 1 for another one."""
    decision = records.dumps(resolve(A, 3))
    (files / "decision.json").write_text(decision)
    same = "the same answer\n  now: granted: MMAP|INIT_SHARED (0x3) on host-a\n"
    assert run("replay", "decision.json") == Run(0, same, "")
    assert fed(decision.encode(), monkeypatch, "replay") == Run(0, same, "")
    assert run("replay", "decision.json", "--json").out == f"{decision}\n"
    other = decision.replace(
        '"mask":"0x3","low":3,"high":0,"problems"', '"mask":"0x1","low":1,"high":0,"problems"'
    )
    (files / "decision.json").write_text(other)
    told = run("replay", "decision.json")
    assert told.status == 1
    assert "INIT_SHARED (bit 1, 0x2) is granted now, and was not" in told.out
    assert run("replay", "pool.jsonl") == Run(
        2,
        "",
        error(
            "at pool.jsonl, line 1, $.schema: one of gmemflags/resolution/1 is needed,"
            " not 'gmemflags/support/1'",
            "give decisions that `gmemflags check --json` wrote",
        ),
    )


def test_replaying_many(files: Path) -> None:
    """A verdict for each decision, and a tally; any other answer makes it a no."""
    decisions = run("check", "--json", "INIT_SHARED", "pool.jsonl").out
    (files / "many.jsonl").write_text(f"\n{decisions}")
    told = run("replay", "many.jsonl")
    assert (told.status, told.err) == (0, "")
    first, *_, tally = told.out.splitlines()
    assert first == "the same: granted: INIT_SHARED (bit 1, 0x2) on host-a"
    assert tally == "the same answer to 3, another one to 0, of 3 decisions"
    assert run("replay", "--json", "many.jsonl") == Run(0, decisions, "")
    other = decisions.replace('"ok":true,"mask":"0x2","low":2', '"ok":true,"mask":"0x1","low":1', 1)
    (files / "many.jsonl").write_text(other)
    told = run("replay", "many.jsonl")
    assert told.status == 1
    assert told.out.splitlines()[0] == (
        "another: granted: INIT_SHARED (bit 1, 0x2) on host-a (MMAP (bit 0, 0x1) was granted, and"
        " is not now; INIT_SHARED (bit 1, 0x2) is granted now, and was not)"
    )
    assert told.out.endswith("another one to 1, of 3 decisions\n")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "odd.json holds no record"),
        ("\n \n", "odd.json holds no record"),
        ("nonsense", "at odd.json, $: it is not JSON: Expecting value at character 0"),
        ("{\n}", "at odd.json, $.schema: it is missing"),
        (f"{DECISION}\n\n{{}}\n", "at odd.json, line 3, $.schema: it is missing"),
        (f"{DECISION}{DECISION}", "at odd.json, $: one document is needed, and there is more from"),
        ("{\n" + " " * LONGEST, f"at odd.json, $: it is longer than {LONGEST} characters"),
    ],
    ids=["empty", "blank", "junk", "spread", "second", "together", "long"],
)
def test_what_cannot_be_replayed(files: Path, content: str, what: str) -> None:
    """The file is named, and what wrote such decisions."""
    (files / "odd.json").write_text(content)
    told = run("replay", "odd.json")
    assert (told.status, told.out) == (2, "")
    assert told.err.startswith(f"gmemflags: error: {what}")
    assert told.err.endswith("to do: give decisions that `gmemflags check --json` wrote\n")


def test_replaying_one_that_is_spread_over_lines(files: Path) -> None:
    """A decision that somebody made readable is still one."""
    (files / "decision.json").write_text("\n" + json.dumps(json.loads(DECISION), indent=2) + "\n")
    assert run("replay", "decision.json").out.startswith("the same answer\n")


def test_progress_on_a_terminal(tmp_path: Path, pty: tuple[int, int]) -> None:
    """A line that says how far it is, and is gone at the end; into a file there is none."""
    pool = tmp_path / "many.jsonl"
    pool.write_text((records.dumps(A) + "\n") * 40_000)
    _, writes = pty
    command = [sys.executable, "-m", "gmemflags", "baseline", str(pool)]
    child = subprocess.run(command, stderr=writes, stdout=subprocess.PIPE, check=True)
    assert child.stdout.startswith(b"baseline of 40000 hosts")
    assert shown_on(pty) == "\r\x1b[K16384 records\r\x1b[K32768 records\r\x1b[K"
    assert run("baseline", str(pool)).err == ""


@pytest.mark.usefixtures("files")
def test_counts() -> None:
    """What a pool counts while it is read."""
    from argparse import Namespace

    pool = Pool(Namespace(scope="vm", vm_type=None, skip_bad=False), ["pool.jsonl"])
    assert [support_of(each).origin for each in pool.hosts()] == ["host-a", "host-b", "host-c"]
    assert (pool.seen, pool.left_out, pool.pools, pool.bad) == (4, 1, 0, 0)
    assert pool.place == "pool.jsonl, line 4"


@pytest.mark.parametrize(
    ("options", "note"),
    [
        (
            ("--scope", "system"),
            "note: /dev/kvm answers for the best imaginable VM: a VM may take fewer flags\n",
        ),
        (
            ("--catalog", "firecracker-secret-free"),
            (
                "note: the names are those of firecracker-secret-free: a kernel confirms bits,"
                " never names\n"
            ),
        ),
    ],
    ids=["scope", "catalog"],
)
def test_what_is_to_be_known_of_all_answers_is_told_once(
    options: tuple[str, ...], note: str, files: Path
) -> None:
    """As for a single host, but under the tally."""
    lines = run("show", "--host", "linux-6.18-x86_64", "--json").out
    (files / "hosts.jsonl").write_text(lines * 2)
    told = run("check", "MMAP", *options, "hosts.jsonl")
    assert told.status == 0
    assert told.out.endswith(note)
    assert told.out.count("note: ") == 1
