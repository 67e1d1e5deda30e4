"""`gmemflags check`: every option, what is printed, and which exit status."""

from pathlib import Path
from typing import Never

import pytest
from attrs import evolve

from gmemflags import records
from gmemflags._cli._hosts import HOSTS
from gmemflags._cli._machine import made
from gmemflags._cli._request import status
from gmemflags._cli._status import CommandError, Status
from gmemflags import FIRECRACKER_SECRET_FREE, MAINLINE, Capability, Catalog, Need, Prerequisites, Request, Requires, Scope, Stage
from gmemflags import KvmUnavailableError, Unavailable
from gmemflags import Support, query
from gmemflags import FlagWord
from gmemflags import Resolution, resolve
from gmemflags.testing import FakeBackend
from tests.cli.runs import Run, error, run

X86 = "linux-6.18-x86_64"
CONFIDENTIAL = "linux-6.18-x86_64-confidential"
FIRECRACKER = "firecracker-secret-free-x86_64"


def check(host: str, *argv: str) -> Run:
    """Check something on an embedded host."""
    return run("check", "--host", host, *argv)


def vm(host: str, catalog: Catalog = MAINLINE, vm_type: int = 0) -> Support:
    """What a VM of an embedded host says."""
    with HOSTS[host].vm(vm_type) as backend:
        return query(backend, catalog)


@pytest.mark.parametrize(
    ("argv", "request_", "expected"),
    [
        (["MMAP"], Request(required=1), 0),
        (["mmap,init_shared"], Request(required=3), 0),
        (["MMAP", "INIT_SHARED"], Request(required=3), 0),
        (["MMAP", "--prefer", "2", "0x2"], Request(required=3, preferred=[2]), 0),
        (["0"], Request(), 0),
        (["--prefer", "MMAP|INIT_SHARED"], Request(preferred=[3]), 0),
        (["--prefer", "MMAP", "--prefer", "INIT_SHARED"], Request(preferred=[1, 2]), 0),
        (["MMAP", "--forbid", "INIT_SHARED"], Request(required=1, forbidden=2), 0),
        (["0", "--forbid", "1", "--forbid", "2"], Request(forbidden=3), 0),
        (["MMAP", "--until", "access"], Request(required=1, until=Stage.ACCESS), 1),
        (
            ["MMAP", "--until", "access", "--add-prerequisites"],
            Request(required=1, until=Stage.ACCESS, prerequisites=Prerequisites.ADD),
            0,
        ),
        (["MMAP", "--until", "create"], Request(required=1, until=Stage.CREATE), 0),
        (["MMAP", "--forbid", "MMAP"], Request(required=1, forbidden=1), 1),
        (["0x4"], Request(required=4), 1),
        (["--profile", "fully-shared"], MAINLINE.profiles["fully-shared"].request, 0),
        (["--profile", "private"], MAINLINE.profiles["private"].request, 1),
    ],
)
def test_the_options_make_the_request(argv: list[str], request_: Request, expected: int) -> None:
    """The answer is printed as the library gives it, and the status is yes or no."""
    answer = check(X86, *argv)
    assert (answer.status, answer.err) == (expected, "")
    assert answer.out == f"{resolve(vm(X86), request_)}\n"


@pytest.mark.parametrize(
    ("host", "vm_type", "argv", "expected"),
    [
        ("linux-6.7-x86_64", 0, ["0"], 1),
        ("linux-6.8-x86_64", 0, ["0"], 1),
        ("linux-6.8-x86_64", 1, ["0"], 0),
        ("linux-6.8-x86_64", 1, ["MMAP"], 1),
        ("linux-6.8-x86_64", 1, ["--profile", "private"], 0),
        (CONFIDENTIAL, 0, ["--profile", "fully-shared"], 0),
        (CONFIDENTIAL, 4, ["--profile", "fully-shared"], 1),
        (CONFIDENTIAL, 5, ["MMAP"], 0),
        ("linux-6.18-aarch64", 0, ["0"], 1),
        ("linux-6.18-aarch64", 0, ["0", "--until", "create"], 0),
        ("linux-6.18-aarch64", 0, ["0", "--add-prerequisites"], 0),
        ("linux-6.18-riscv64", 0, ["0"], 1),
    ],
)
def test_each_type_of_vm_is_asked_for_itself(
    host: str, vm_type: int, argv: list[str], expected: int
) -> None:
    """--vm-type chooses the VM whose answer counts."""
    answer = check(host, *argv, "--vm-type", str(vm_type))
    assert (answer.status, answer.err) == (expected, "")
    assert f"VM of type {vm_type} of {host} ({HOSTS[host].how})" in answer.out


def test_a_refusal_is_shown_with_its_way_out() -> None:
    """Which bit, who does not list it, and what to ask for instead."""
    answer = check(CONFIDENTIAL, "--profile", "fully-shared", "--vm-type", "4")
    request = MAINLINE.profiles["fully-shared"]
    assert answer.out == f"{resolve(vm(CONFIDENTIAL, vm_type=4), request)}\n"
    assert "INIT_SHARED (bit 1, 0x2)" in answer.out.splitlines()[0]


def test_a_profile_is_added_to() -> None:
    """What else is given comes on top of the profile, and its own stage stays."""
    answer = check(
        FIRECRACKER, "WRITE", "--catalog", FIRECRACKER_SECRET_FREE.name, "--profile", "boot"
    )
    support = vm(FIRECRACKER, FIRECRACKER_SECRET_FREE)
    request = evolve(FIRECRACKER_SECRET_FREE.profiles["boot"].request, required=0xF)
    assert (answer.status, answer.err) == (0, "")
    assert answer.out == f"{resolve(support, request)}\n"


@pytest.mark.parametrize(("host", "expected"), [(FIRECRACKER, 0), (X86, 1)])
def test_the_profiles_of_another_tree(host: str, expected: int) -> None:
    """Firecracker restores on its own kernel and not on mainline's."""
    names = ["--catalog", FIRECRACKER_SECRET_FREE.name, "--profile", "restore"]
    assert check(host, *names).status == expected


def test_the_system_scope_is_an_upper_bound_on_request() -> None:
    """/dev/kvm is asked itself, no VM is made, and the answer says what it is worth."""
    answer = check(CONFIDENTIAL, "INIT_SHARED", "--scope", "system")
    assert (answer.status, answer.err) == (0, "")
    assert f"on /dev/kvm of {CONFIDENTIAL} (derived)\n" in answer.out
    assert "answers for the best imaginable VM: a VM may take fewer flags" in answer.out


@pytest.mark.parametrize("argv", [["MMAP"], ["INIT_SHARED", "--until", "access"]])
def test_json_is_the_whole_decision(argv: list[str]) -> None:
    """One line, which is read back as the same answer."""
    answer = check(X86, *argv, "--json")
    until = Stage.ACCESS if "access" in argv else Stage.BIND
    required = 1 if argv[0] == "MMAP" else 2
    expected = resolve(vm(X86), Request(required=required, until=until))
    assert answer.status == (0 if expected.ok else 1)
    assert answer.out.count("\n") == 1
    assert records.loads(answer.out) == expected


def test_a_numbered_flags_hi_counts() -> None:
    """Under a tree with FLAGS_HI the answer is that of its catalog, after the warning."""
    answer = check(X86, "MMAP", "--flags-hi", "250")
    assert answer.status == 0
    assert answer.err.startswith("gmemflags: warning: capability 250 is read as bits 63:32")
    assert "(linux-mainline+flags-hi-250, vm scope)" in answer.out


@pytest.mark.parametrize(
    ("argv", "what", "remedy"),
    [
        (
            ["MMAP", "--skip-bad"],
            "--skip-bad is for files of recorded hosts, and none is given",
            "name a file, or leave out --skip-bad",
        ),
        (
            [],
            "nothing to check is given",
            "name flags (0 for none), or a profile with --profile",
        ),
        (
            ["MMAP", "--scope", "system", "--vm-type", "0"],
            "--scope system asks no VM",
            "leave out --vm-type, or --scope system",
        ),
        (
            ["--profile", "boot"],
            "linux-mainline has no profile 'boot'",
            "its profiles: private, fully-shared; --catalog chooses another tree",
        ),
        (
            ["MMAP|INIT_SHRED"],
            (
                "no flag of linux-mainline is called INIT_SHRED at position 5 of"
                " 'MMAP|INIT_SHRED'; did you mean INIT_SHARED?"
            ),
            "name flags that `gmemflags catalogs NAME` lists, or give a mask such as 0x3",
        ),
        (
            ["--prefer", ""],
            "a flag is missing (0 stands for none) at position 0 of ''",
            "name flags that `gmemflags catalogs NAME` lists, or give a mask such as 0x3",
        ),
        (
            ["0", "--forbid", "99999999999999999999"],
            "99999999999999999999 is no mask of 64 bits at position 0 of '99999999999999999999'",
            "name flags that `gmemflags catalogs NAME` lists, or give a mask such as 0x3",
        ),
    ],
)
def test_wrong_input_ends_with_status_2(argv: list[str], what: str, remedy: str) -> None:
    """Two lines on standard error, and nothing on standard output."""
    answer = check(X86, *argv)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err == error(what, remedy)


def test_a_vm_that_cannot_be_made_is_no_answer() -> None:
    """Status 3, and not a no."""
    answer = check(X86, "MMAP", "--vm-type", "4")
    assert (answer.status, answer.out) == (3, "")
    assert answer.err == error(
        f"VM of type 4: {X86} has no such VM (errno 22, no-vm)",
        "ask for a VM type that the host lists: --vm-type 0",
    )
    told = check(CONFIDENTIAL, "MMAP", "--vm-type", "2").err
    assert told.endswith("that the host lists: --vm-type 0 or 1 or 4 or 5\n")


def test_what_the_host_lists_is_told_only_if_it_helps() -> None:
    """A type that it lists, a host that does not say, or another failure: the remedy is general."""
    system = FakeBackend({235: 0b1_0001}, scope=Scope.SYSTEM)
    silent = FakeBackend({244: OSError(5, "Input/output error")}, scope=Scope.SYSTEM)
    for backend, reason in (
        (system, Unavailable.NO_VM),
        (silent, Unavailable.NO_VM),
        (system, Unavailable.FAILED),
    ):
        remedy = KvmUnavailableError(0, "", reason=reason).remedy

        def make(_: int, reason: Unavailable = reason) -> Never:
            raise KvmUnavailableError(22, "Invalid argument", "a VM", reason)

        with pytest.raises(CommandError) as caught:
            made(make, 4, backend)
        assert caught.value.remedy == remedy
        assert caught.value.status == Status.NO_ANSWER


def test_a_device_that_is_no_kvm_is_no_answer() -> None:
    """Status 3, and not a no."""
    answer = run("check", "MMAP", "--device", "/dev/null")
    assert (answer.status, answer.out) == (3, "")
    assert answer.err.startswith("gmemflags: error: /dev/null: Inappropriate ioctl")


def test_a_device_that_is_no_kvm_has_a_remedy_for_the_keyboard() -> None:
    """Nobody gives a descriptor on a command line."""
    assert "descriptor" not in run("check", "MMAP", "--device", "/dev/null").err.splitlines()[1]


@pytest.mark.parametrize("text", ["0x0x0", "0x", "x0", "00x0", "0b1"])
def test_a_vm_type_is_one_number(text: str) -> None:
    """A prefix twice, or alone, is none."""
    answer = check(X86, "MMAP", "--vm-type", text)
    assert answer.err.startswith(f"gmemflags: error: argument --vm-type: {text!r} is no number")


def test_a_file_that_looks_like_a_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word without a dot or a slash is a flag; the way to name the file is told."""
    monkeypatch.chdir(tmp_path)
    Path("hosts").touch()
    assert check(X86, "MMAP", "hosts").err == error(
        "no flag of linux-mainline is called hosts at position 0 of 'hosts'",
        "there is a file of that name: ./hosts stands for it",
    )
    for word in ("host", "h" * 5000, ""):
        assert "gmemflags catalogs NAME" in check(X86, word).err


class Tree(FlagWord):
    """The flags of a tree with one flag beyond the first word."""

    MMAP = 1
    FAR = 1 << 40


NEAR = Catalog("near", Tree, MAINLINE.capabilities)
UNASKED = evolve(MAINLINE, capabilities={"GUEST_MEMFD_FLAGS": 244})
NEEDY = Request(needs=[Need("USERFAULT")])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (resolve(query(FakeBackend({234: 1}, scope=Scope.SYSTEM)), 0), 3),
        (resolve(query(FakeBackend({234: 0}, scope=Scope.SYSTEM)), 0), 1),
        (resolve(query(FakeBackend.narrow(1), NEAR), 1 << 40), 3),
        (resolve(query(FakeBackend.wide(1 | 1 << 41), NEAR), 1 << 40), 1),
        (resolve(query(FakeBackend.narrow(1), UNASKED), 1), 3),
        (resolve(query(FakeBackend.narrow(1)), NEEDY), 3),
        (resolve(query(FakeBackend.narrow(1)), evolve(NEEDY, required=2)), 1),
        (resolve(query(FakeBackend.narrow(1)), 1), 0),
    ],
)
def test_a_no_is_told_from_no_answer(answer: Resolution, expected: int) -> None:
    """Status 1 only if the host, the request or the rules say no; else nothing is known."""
    assert status(answer) == expected


def test_a_rule_that_is_broken_is_a_no() -> None:
    """A conflict of rules is well founded on any host."""
    rule = Requires(1, all_of=1 << 40, why="FAR is needed.", source="a test")
    catalog = evolve(
        NEAR,
        rules=[rule],
        capabilities={**MAINLINE.capabilities, Capability.GUEST_MEMFD_FLAGS_HI: 300},
    )
    assert status(resolve(query(FakeBackend.narrow(1), catalog), 1)) == 1
