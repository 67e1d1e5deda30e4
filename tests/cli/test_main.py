"""The way from the arguments to a command: help, version, and what is wrong with arguments."""

from importlib import metadata

import pytest

from gmemflags._cli._main import COMMANDS, version
from tests.cli.runs import error, run

LISTED = f"name one of {', '.join(COMMANDS)}: `gmemflags COMMAND --help` tells more"


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Help texts are made for 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")


def test_the_help_lists_every_command_and_exit_status() -> None:
    """The first thing that a user reads is complete and fits on the screen."""
    answer = run("--help")
    assert (answer.status, answer.err) == (0, "")
    for name, sentence in COMMANDS.items():
        assert f"  {name:<10}{sentence}\n" in answer.out
    assert "  3  no answer could be had" in answer.out
    assert max(map(len, answer.out.splitlines())) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_text(command: str) -> None:
    """Each help text says what the command is for, keeps names whole, and fits on the screen."""
    answer = run(command, "--help")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith(f"usage: gmemflags {command} [-h]")
    assert COMMANDS[command] in answer.out
    assert max(map(len, answer.out.splitlines())) <= 80
    assert "linux-mainline" in answer.out or command not in ("check", "catalogs")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_called_by_its_own_name(command: str) -> None:
    """A double dash before the command changes nothing."""
    for argv in ([], ["--help"], ["--nonsense"]):
        assert run("--", command, *argv) == run(command, *argv)


def test_the_version_is_that_of_the_distribution() -> None:
    """What is printed is what is installed, or that nothing is."""
    answer = run("--version")
    assert (answer.status, answer.err) == (0, "")
    try:
        known = metadata.version("gmemflags")
    except metadata.PackageNotFoundError:
        known = "of a source tree that is not installed"
    assert answer.out == f"gmemflags {known}\n"


def test_a_version_may_be_unknown() -> None:
    """Run from a source tree, no version is made up."""
    assert version("gmemflags-is-not-called-this") == "of a source tree that is not installed"
    assert version("attrs") == metadata.version("attrs")


@pytest.mark.parametrize(
    ("argv", "what", "remedy"),
    [
        ([], "no command is given", LISTED),
        (["shwo"], "no command is called 'shwo'; did you mean show?", LISTED),
        (["SHOW"], "no command is called 'SHOW'; did you mean show?", LISTED),
        (["chek", "MMAP"], "no command is called 'chek'; did you mean check?", LISTED),
        (["chek", "--json", "MMAP"], "no command is called 'chek'; did you mean check?", LISTED),
        (["xyz"], "no command is called 'xyz'", LISTED),
        (["-x"], "unrecognized arguments: -x", "see `gmemflags --help`"),
        (["--json", "show"], "unrecognized arguments: --json", "see `gmemflags --help`"),
        (["show", "-x"], "unrecognized arguments: -x", "see `gmemflags show --help`"),
        (["show", "x"], "unrecognized arguments: x", "see `gmemflags show --help`"),
        (["show", "--no-create"], "unrecognized arguments: --no-create", None),
        (["show", "a\nb\x1b[31m"], r"unrecognized arguments: a\nb\x1b[31m", None),
        (
            ["show", "--device", "/dev/kvm", "--host", "linux-6.8-x86_64"],
            "argument --host: not allowed with argument --device",
            None,
        ),
        (["show", "--host"], "argument --host: expected one argument", None),
    ],
)
def test_wrong_usage_ends_with_status_2(argv: list[str], what: str, remedy: str | None) -> None:
    """Two lines on standard error, and nothing on standard output."""
    answer = run(*argv)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err == error(what, remedy or f"see `gmemflags {argv[0]} --help`")


@pytest.mark.parametrize("option", ["--host", "--catalog"])
def test_a_choice_that_is_none_is_told_with_the_choices(option: str) -> None:
    """Names of hosts and catalogs need not be known by heart."""
    answer = run("show", option, "nonsense")
    assert (answer.status, answer.out) == (2, "")
    assert f"argument {option}: invalid choice: 'nonsense' (choose from" in answer.err
    assert "linux-" in answer.err


@pytest.mark.parametrize("text", ["7", "244", "0xf4", "-1", "x", "", "1_000", "2**31", "9" * 5000])
def test_a_number_that_cannot_be_flags_hi_is_refused(text: str) -> None:
    """Numbers up to 244 belong to other capabilities, whose answers would become flags."""
    answer = run("show", "--host", "linux-6.8-x86_64", f"--flags-hi={text}")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("gmemflags: error: argument --flags-hi: ")
    assert answer.err.count("\n") == 2
    assert max(map(len, answer.err.splitlines())) < 150


@pytest.mark.parametrize("text", ["0x12c", "300", "0X12C"])
def test_a_number_may_be_hexadecimal(text: str) -> None:
    """300 in both ways of writing is the same number."""
    answer = run("show", "--host", "linux-6.18-x86_64", "--flags-hi", text)
    assert (answer.status, "  KVM_CAP_GUEST_MEMFD_FLAGS_HI     300  0x0\n" in answer.out) == (
        0,
        True,
    )
