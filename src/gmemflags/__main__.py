"""``python -m gmemflags``: the command line, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import _gmemflags
from gmemflags._cli import run_command_line
from gmemflags._cli._commands import COMMANDS

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv``, by default that of the process; return the exit status."""
    return run_command_line(COMMANDS, sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    raise SystemExit(_gmemflags.main())
