"""The reference of the command line: every example in it is run, and every option is in it."""

import re
import shlex
from pathlib import Path

import pytest

from gmemflags._cli._hosts import HOSTS
from gmemflags._cli._main import COMMANDS
from tests.cli.runs import run

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "command-line.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
STATUS = "; echo $?"
EXAMPLES = [
    example
    for block in re.findall(r"^```console\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.split("\n")[0])
def test_an_example_is_what_is_printed(example: str) -> None:
    """Command, text and exit status, as in a shell."""
    command, _, expected = example.partition("\n")
    program, *argv = shlex.split(command.removesuffix(STATUS))
    assert program == "gmemflags"
    answer = run(*argv)
    status = f"{answer.status}\n" if command.endswith(STATUS) else ""
    assert answer.err + answer.out + status == expected


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_documented(command: str) -> None:
    """What the help text lists, the section or those that are shared explain."""
    usage = run(command, "--help").out.split("\n\n")[0]
    for option in re.findall(r"--[a-z-]+", usage):
        assert f"`{option}" in TEXT


@pytest.mark.parametrize("host", HOSTS)
def test_every_embedded_host_is_documented(host: str) -> None:
    """By name, and with the truth about where it comes from."""
    rows = [line for line in TEXT.splitlines() if f"| `{host}` |" in line]
    assert len(rows) == 1
    assert rows[0].endswith(f"({HOSTS[host].how}) |")
