"""Run the command line in this process, and keep what it wrote.

The texts in `golden` are compared word for word; `python -m tests.cli.runs` writes them anew.
"""

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from gmemflags.__main__ import main
from gmemflags._cli._hosts import HOSTS
from gmemflags._cli._options import CATALOGS

GOLDEN = Path(__file__).parent / "golden"


@dataclass(frozen=True)
class Run:
    """One run of the command line."""

    status: int
    out: str
    err: str


def run(*argv: str) -> Run:
    """Run the command line with ``argv``."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main(argv)
    return Run(int(status), out.getvalue(), err.getvalue())


def error(what: str, remedy: str) -> str:
    """What an error looks like on standard error."""
    return f"gmemflags: error: {what}\ngmemflags: to do: {remedy}\n"


GOLDENS = {
    **{f"show-{name}": ["show", "--host", name] for name in HOSTS},
    "show-firecracker-under-its-catalog": [
        *("show", "--host", "firecracker-secret-free-x86_64"),
        *("--catalog", "firecracker-secret-free"),
    ],
    "show-wrong-flags-hi": [
        *("show", "--host", "firecracker-secret-free-x86_64", "--flags-hi", "245"),
    ],
    "catalogs": ["catalogs"],
    **{f"catalogs-{name}": ["catalogs", name] for name in CATALOGS},
    **{f"graph-{name}": ["catalogs", name, "--graph"] for name in CATALOGS},
}


def golden(name: str) -> str:
    """A text that was printed once, read by a person and found right."""
    return (GOLDEN / f"{name}.txt").read_text(encoding="ascii")


if __name__ == "__main__":  # python -m tests.cli.runs writes them anew: read the diff
    for key, argv in GOLDENS.items():
        (GOLDEN / f"{key}.txt").write_text(run(*argv).out, encoding="ascii")
