"""Whatever is typed: a documented exit status and two lines, never a traceback."""

import os
import random
from pathlib import Path

import pytest

from gmemflags._cli._commands import CATALOGS, COMMANDS, OPTIONS
from gmemflags.testing import hosts
from tests.cli.runs import run
from tests.scale import ARGUMENTS

FILES = ("pool.jsonl", "two.jsonl", "linux-6.8-x86_64.jsonl", "gone.jsonl", ".", "junk.bin", "-")
WORDS = (
    *hosts,
    *CATALOGS,
    *FILES,
    *("MMAP", "INIT_SHARED|MMAP", "WRITE", "MMPA", "0", "0x40", "-1", "300", "245", "1e9", "4"),
    *("system", "vm", "create", "bind", "access", "boot", "private", "fully-shared", "x86_64"),
    *("", "\0", "9" * 5000, "\x1b[2J", "\u202e", "\udcff", "--", "-", "--help", "-V", "-q", "help"),
)


def _arguments(chance: random.Random) -> list[str]:
    argv = [chance.choice([*COMMANDS, *COMMANDS, *WORDS])]
    for _ in range(chance.randrange(6)):
        match chance.randrange(4):
            case 0:
                argv += [chance.choice([*OPTIONS]), chance.choice(WORDS)]
            case 1:
                argv.append(chance.choice([*OPTIONS]))
            case 2:
                argv.append(chance.choice(WORDS))
            case _:
                argv.append("".join(chr(chance.randrange(1, 0x250)) for _ in range(3)))
    if not {"--host", *FILES} & {*argv} and argv[0] != "probe":
        argv += ["--host", chance.choice([*hosts])]
    return argv


@pytest.mark.usefixtures("files")
def test_nothing_that_is_typed_ends_in_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """The status is 0 to 3; an error or warning is always two lines, and nothing is forged."""
    chance = random.Random(2026)  # noqa: S311  # no secret
    Path("junk.bin").write_bytes(chance.randbytes(10_000))
    monkeypatch.setattr("gmemflags._cli._commands.DEVICE", os.devnull)
    for _ in range(ARGUMENTS):
        argv = _arguments(chance)
        answer = run(*argv)
        assert answer.status in range(4), argv
        assert "unexpected" not in answer.err, (argv, answer.err)
        lines = answer.err.split("\n")[:-1]
        assert len(lines) % 2 == 0, argv
        for line in lines[::2]:
            assert line.startswith(("gmemflags: error: ", "gmemflags: warning: ")), argv
        for line in lines[1::2]:
            assert line.startswith("gmemflags: hint: "), argv
        errors = sum(line.startswith("gmemflags: error: ") for line in lines)
        assert errors <= (answer.status > 1), argv
        assert "\x1b" not in answer.out + answer.err, argv
