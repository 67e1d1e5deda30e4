"""`gmemflags check`: one host, or the tally over many."""

import json
from pathlib import Path

import pytest
from attrs import evolve

from gmemflags import (
    MAINLINE,
    KvmUnavailableError,
    NegotiationTooHardError,
    Prerequisites,
    Refused,
    Request,
    Resolution,
    Scope,
    Support,
    baseline,
    records,
    resolve,
)
from gmemflags._cli import Status
from gmemflags._cli._render import Verdict, Verdicts, tally_text
from tests.cli.devices import DEFAULT, Install
from tests.cli.runs import Run, error, host, lines, pool, run, unreachable
from tests.scale import HOSTS

KNOWN = ("--host", "linux-6.18-x86_64")
SHARED = "MMAP|INIT_SHARED"
WRITTEN = "give records that `gmemflags show --json` wrote, one a line"


def answer(told: Run) -> str:
    """The first line."""
    return told.out.partition("\n")[0]


def test_the_text_is_that_of_the_resolution() -> None:
    """The same sentences as in the value and in its document."""
    told = run("check", "MMAP", *KNOWN)
    document = json.loads(run("check", "MMAP", "--json", *KNOWN).out)
    assert told.status == 1
    for sentence in (
        document["headline"],
        document["asked"],
        *(problem["message"] for problem in document["problems"]),
        *(suggestion["change"] for suggestion in document["suggestions"]),
        *document["advice"],
    ):
        assert sentence in told.out
    assert answer(told) == document["headline"]


@pytest.mark.parametrize(
    ("argv", "request_"),
    [
        (["0"], Request()),
        (["MMAP", "2"], Request(required=3)),
        (["mmap,init_shared"], Request(required=3)),
        (["0", "--forbid", "MMAP", "--forbid", "8"], Request(forbidden=9)),
        (["MMAP", "--prefer", "INIT_SHARED"], Request(required=1, preferred=[2])),
        (
            ["--prefer", "3", "--add-prerequisites"],
            Request(preferred=[3], prerequisites=Prerequisites.ADD),
        ),
    ],
)
def test_the_request(argv: list[str], request_: object) -> None:
    """Options make it, in the names of the catalog."""
    wanted = json.loads(run("check", *argv, "--json", *KNOWN).out)["request"]
    assert isinstance(request_, Request)
    expected = dict(records.to_dict(request_))
    assert wanted == expected


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        ([SHARED], 0),
        (["MMAP", "--until", "bind"], 0),
        (["MMAP"], 1),
        (["MMAP", "--add-prerequisites"], 0),
        (["--profile", "fully-shared"], 0),
        (["--profile", "private"], 1),
        ([SHARED, "--scope", "system"], 0),
        (["0x100000000"], 1),
        (["WRITE", "--catalog", "firecracker-secret-free"], 1),
    ],
)
def test_the_status(argv: list[str], status: int) -> None:
    """0 is a yes and 1 a well-founded no."""
    told = run("check", *argv, *KNOWN)
    assert (told.status, told.err) == (status, "")
    assert answer(told).startswith("refused on" if status else "granted on")


def test_what_cannot_be_known_is_no_answer() -> None:
    """A bit that the host could not speak of is neither a yes nor a no."""
    told = run("check", "0x100000000", *KNOWN, "--catalog", "firecracker-secret-free")
    assert told.status == 1  # it has no name there, so nobody can ask for it


@pytest.mark.parametrize(
    ("argv", "what"),
    [
        ([], "nothing to check is given"),
        (["pool.jsonl"], "nothing to check is given"),
        (["MMPA"], "no flag of linux-mainline is called MMPA"),
        (["--profile", "x"], "linux-mainline has no profile 'x'"),
        (["0", "--catalog", "x"], "no catalog is called 'x'"),
        (["0", "--scope", "system", "--vm-type", "0"], "none of 1 record in linux-6.18-x86_64 is"),
        (["0", "--machine", "arm64"], "none of 2 records in linux-6.18-x86_64 is of the kind"),
        (["0", "--flags-hi", "245"], "--flags-hi 245: in mainline this is KVM_CAP_ARM_SEA_TO_USER"),
        (
            ["0", "--flags-hi", "244"],
            "--flags-hi 244: in mainline this is KVM_CAP_GUEST_MEMFD_FLAGS",
        ),
        (["0", "--flags-hi", "7"], "--flags-hi 7: in mainline this is another capability"),
        (["0", "--flags-hi", "244", "--force"], "have the same number 244"),
    ],
)
@pytest.mark.usefixtures("files")
def test_wrong_usage(argv: list[str], what: str) -> None:
    """It is status 2, and nothing is asked."""
    told = run("check", *argv, *(() if "pool.jsonl" in argv else KNOWN))
    assert (told.status, told.out) == (2, "")
    assert what in told.err


def test_a_number_that_is_forced() -> None:
    """A warning says each time what is read as flags."""
    told = run("check", SHARED, *KNOWN, "--flags-hi", "245", "--force")
    assert told.status == 0
    assert told.err == error(
        "capability 245 is read as bits 63:32 of the flags, because you said so; in mainline it is"
        " KVM_CAP_ARM_SEA_TO_USER",
        "check the number: a wrong one turns another capability's answer into flags",
        "warning",
    )
    assert "in mainline" not in run("check", SHARED, *KNOWN, "--flags-hi", "300").err


def test_a_vm_type_that_there_is_not(device: Install) -> None:
    """That is no answer, and the library says what to do."""
    told = run("check", "0", "--vm-type", "4", *KNOWN)
    assert told.status == 3
    assert told.err.endswith("hint: ask for a VM type that it has, which are 0\n")
    device({**DEFAULT, 235: 0b11}, {0: DEFAULT})
    told = run("check", "0", "--vm-type", "1")
    assert told.status == 3
    assert "--vm-type" not in told.err


def test_the_device(device: Install) -> None:
    """A VM of type 0 by default, and /dev/kvm itself with --scope system."""
    device()
    assert "granted on VM of type 0 on /dev/kvm of " in run("check", SHARED).out
    assert "granted on /dev/kvm of " in run("check", SHARED, "--scope", "system").out
    assert run("check", SHARED, "--device", "/dev/gone").status == 3


def test_a_list_of_the_types_of_a_device(device: Install) -> None:
    """A type that could not be asked is no answer, and no yes."""
    listed = {**DEFAULT, 235: 0b10_0001}
    device(listed, {0: listed, 5: KvmUnavailableError(5, "odd", "VM of type 5")})
    told = run("check", SHARED, "--scope", "vm", "--list")
    assert (told.status, told.err) == (3, "")
    assert told.out.endswith("\tpartly\t0x3\tfailed\n")


@pytest.mark.usefixtures("files")
def test_a_word_that_is_a_file_is_told() -> None:
    """A flag that is misspelt is not taken for a file without a dot."""
    told = run("check", "pool", *KNOWN)
    assert "a mask like 0x3, a file ./NAME, or a profile with --profile;" in told.err


@pytest.mark.usefixtures("files")
def test_a_pool() -> None:
    """The tally over hosts stands first; any no makes it a no, else no answer."""
    told = run("check", SHARED, "pool.jsonl")
    assert (told.status, told.err) == (1, "")
    assert answer(told) == "granted on 15 of 26 hosts, refused on 10, no answer from 1"
    assert run("check", SHARED, "pool.jsonl", "--machine", "aarch64").status == 3
    Path("good.jsonl").write_text(lines(host("a", 3)))
    told = run("check", SHARED, "good.jsonl")
    assert told == Run(0, "granted on 1 of 1 host\n", "")


def test_thirty_thousand_hosts_are_a_screenful(tmp_path: Path) -> None:
    """Of five kinds, as many of each; no sentence comes twice. 3,000 in the default run."""
    kind = HOSTS // 5
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(pool(5 * kind)))
    told = run("check", "--profile", "fully-shared", str(path))
    assert told.status == 1
    granted = f"granted on {3 * kind} of {5 * kind} hosts, refused on {2 * kind}"
    assert answer(told) == f"{granted}: profile fully-shared"
    assert told.out.count("\n") < 12
    assert f"host-00002, host-00007, host-00012 and {kind - 3} more\n" in told.out


@pytest.mark.usefixtures("files")
def test_the_types_of_a_host_are_one_host() -> None:
    """It is granted, refused, or granted for some types only."""
    name = "linux-6.18-x86_64-confidential"
    told = run("check", "--profile", "fully-shared", f"{name}.jsonl")
    assert told.status == 1
    assert answer(told) == (
        "granted on 0 of 1 host, for some VM types only on 1: profile fully-shared"
    )
    assert f"    {name} (VM type 1, 4, 5)\n" in told.out
    listed = run("check", "--profile", "fully-shared", "--list", f"{name}.jsonl")
    assert listed == Run(1, f"{name}\tpartly\t0x3\tunsupported\n", "")
    one = run("check", "--profile", "fully-shared", "--vm-type", "0", f"{name}.jsonl")
    assert one.status == 0


@pytest.mark.usefixtures("files")
def test_a_file_given_twice() -> None:
    """It is reported and read once, also under another name."""
    told = run("check", SHARED, "pool.jsonl", "./pool.jsonl")
    warning = error("./pool.jsonl is given twice and read once", "leave it out", "warning")
    assert told.err == warning
    assert answer(told) == "granted on 15 of 26 hosts, refused on 10, no answer from 1"


@pytest.mark.usefixtures("files")
def test_a_host_recorded_twice() -> None:
    """Any no counts; one that could be asked later has an answer."""
    Path("again.jsonl").write_text(lines(host("a", 1), host("a", 3), host("a", 1)))
    told = run("check", SHARED, "again.jsonl")
    assert answer(told) == "granted on 0 of 1 host, refused on 1"
    assert "2 records of hosts that were read before: any no counts\n" in told.out
    Path("later.jsonl").write_text(lines(unreachable("a"), host("a", 3)))
    assert run("check", SHARED, "later.jsonl").status == 0


@pytest.mark.usefixtures("files")
def test_system_scope() -> None:
    """Records of /dev/kvm are chosen, and the upper bound is a note that comes once."""
    told = run("check", SHARED, "--scope", "system", "linux-6.18-x86_64.jsonl")
    assert told.status == 0
    assert told.out.count("says what the host could offer at most") == 1


@pytest.mark.usefixtures("files")
def test_decisions_of_a_pool() -> None:
    """One document for each record, that of the library."""
    told = run("check", SHARED, "--json", "two.jsonl")
    assert told.status == 1
    read = [records.loads(line) for line in Path("two.jsonl").read_text().splitlines()]
    assert told.out == "".join(f"{records.dumps(resolve(one, 3))}\n" for one in read)


@pytest.mark.usefixtures("files")
def test_decisions_leave_no_host_out() -> None:
    """One that could not be asked has its document, too; --list adds nothing to documents."""
    told = run("check", SHARED, "--json", "--list", "pool.jsonl")
    kinds = [json.loads(line)["schema"] for line in told.out.splitlines()]
    assert kinds == ["gmemflags/decision/2"] * 25 + ["gmemflags/unavailable/2"]
    assert told.err.startswith("gmemflags: warning: host-x could not be asked: /dev/kvm: ")


@pytest.mark.usefixtures("files")
def test_an_over_hard_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told for that line, the others go on, and it is no answer."""

    def hard(*, support: Support, request: Request, profile: str) -> Resolution:
        if support.mask == 1:
            raise NegotiationTooHardError("tree", 2_000_000)
        return Resolution(support=support, request=request, profile=profile)

    monkeypatch.setattr("gmemflags._cli._commands.Resolution", hard)
    Path("hard.jsonl").write_text(lines(host("a", 3), host("b", 1), host("c", 1)))
    for option in ([], ["--json"]):
        told = run("check", SHARED, "hard.jsonl", *option)
        assert told.status == 3
        assert "warning: at hard.jsonl, line 2: catalog tree: no answer within 2000000" in told.err
    told = run("check", SHARED, "hard.jsonl")
    assert answer(told) == "granted on 1 of 3 hosts, no answer from 2"
    assert run("check", SHARED, "--list", "hard.jsonl").out.endswith("c\tno-answer\t-\ttoo-hard\n")


@pytest.mark.usefixtures("files")
def test_a_baseline_is_a_host() -> None:
    """A yes holds for every host of it; two of them are two."""
    pool_ = records.dumps(baseline([host("a", 3), host("b", 3)]))
    Path("base.jsonl").write_text(f"{pool_}\n{pool_}\n")
    assert answer(run("check", SHARED, "base.jsonl")) == "granted on 2 of 2 hosts"


def test_many_reasons_are_cut() -> None:
    """There are never more than a screen holds."""
    verdicts = [Verdict(Status.NO, sentence=f"reason {n}") for n in range(20)]
    hosts: Verdicts = {f"h{n}": {0: one} for n, one in enumerate(verdicts)}
    text = [*tally_text(hosts, None, 0, verbose=False)]
    assert len(text) == 1 + 2 * 12 + 1
    assert text[-1] == "  and for 8 more reasons: --list names every host"


@pytest.mark.usefixtures("files")
def test_broken_lines() -> None:
    """The first ends the command; with --skip-bad they are reported and counted."""
    good = lines(host("a", 3))
    Path("bad.jsonl").write_bytes(good.encode() + b"nonsense\n\n{}\n" + b"\xff\n" * 20)
    told = run("check", SHARED, "bad.jsonl")
    assert (told.status, told.out) == (2, "")
    assert told.err.startswith("gmemflags: error: at bad.jsonl, line 2, $: it is not JSON")
    told = run("check", SHARED, "bad.jsonl", "--skip-bad")
    assert (told.status, told.out) == (0, "granted on 1 of 1 host\n")
    assert told.err.count("warning: skipped: at bad.jsonl, line ") == 10
    assert "broken lines that were skipped: 22; records read: 1\n" in told.err


@pytest.mark.usefixtures("files")
def test_lines_without_an_end() -> None:
    """They end the command: this is no file of records."""
    good = lines(host("a", 3)).encode()
    Path("long.jsonl").write_bytes(good + b"x" * records.LONGEST + b"\n" + good)
    told = run("check", SHARED, "long.jsonl", "--skip-bad")
    assert told.err.endswith(error("long.jsonl, line 2 has no end, or is no record", WRITTEN))
    told = run("check", SHARED, "--skip-bad", "/dev/zero")
    assert told.status == 2
    assert told.err.endswith(error("/dev/zero, line 1 has no end, or is no record", WRITTEN))


@pytest.mark.usefixtures("files")
def test_files_that_cannot_be_read() -> None:
    """Which one, and why."""
    hint = "give a file that can be read, or - for standard input"
    for name, why in (
        ("gone.jsonl", "No such file or directory"),
        (".", "Is a directory"),
        ("./a\0", "embedded null byte"),
        ("/proc/self/mem", "Input/output error"),
    ):
        shown = name.replace("\0", "\\x00")
        told = run("check", "0", name)
        assert told == Run(2, "", error(f"{shown} cannot be read: {why}", hint))


@pytest.mark.usefixtures("files")
def test_no_record() -> None:
    """Nothing is no answer, and wrong input."""
    Path("empty.jsonl").touch()
    told = run("check", "0", "empty.jsonl")
    assert told.status == 2
    assert told.err.startswith("gmemflags: error: no record in empty.jsonl\n")
    told = run("check", "0", "two.jsonl", "--vm-type", "9")
    assert told.status == 2
    assert "none of 2 records in two.jsonl is of the kind that is chosen\n" in told.err


@pytest.mark.usefixtures("files")
def test_catalogs_from_files() -> None:
    """A record of a catalog or a probe; anything else is refused."""
    tree = evolve(
        MAINLINE, name="tree", rules=[*MAINLINE.rules, Refused(3, why="It is.", source="here")]
    )
    Path("tree.json").write_text(records.dumps(tree))
    told = run("check", SHARED, *KNOWN, "--catalog", "tree.json")
    assert told.status == 1
    assert "exactly MMAP|INIT_SHARED is refused" in answer(told)
    Path("other.json").write_text(lines(host("a", 3)))
    told = run("check", SHARED, *KNOWN, "--catalog", "other.json")
    assert told.err.startswith("gmemflags: error: other.json holds no catalog\n")
    Path("broken.json").write_text("{")
    told = run("check", SHARED, *KNOWN, "--catalog", "broken.json")
    assert told.err.startswith("gmemflags: error: at broken.json, $: it is not JSON")
    assert run("check", "0", *KNOWN, "--catalog", "gone.json").status == 2


@pytest.mark.usefixtures("files")
def test_names_from_records_forge_no_line() -> None:
    """Neither in text nor in a list."""
    odd = "a\n\tb\x1b[2J\u202e"
    one = host(odd, 1)
    Path("odd.jsonl").write_text(lines(one, evolve(one, scope=Scope.VM)))
    shown = "a\\n\\tb\\x1b[2J\\u202e"
    told = run("check", SHARED, "--list", "odd.jsonl")
    assert told.out == f"{shown}\trefused\t-\tunsupported\n"
    assert shown in run("check", SHARED, "odd.jsonl").out
    assert shown in run("show", "odd.jsonl").out
