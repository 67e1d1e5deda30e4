"""``python -m gmemflags``: the command line, and nothing else."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence

import _gmemflags
from gmemflags._cli import run_command_line, whole_parser
from gmemflags._cli._commands import COMMANDS

__all__ = ["main", "parser"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv``, by default that of the process; return the exit status."""
    return run_command_line(COMMANDS, sys.argv[1:] if argv is None else argv)


def parser() -> ArgumentParser:
    """The parser of all commands, for programs that make completions and man pages."""
    return whole_parser(COMMANDS)


if __name__ == "__main__":
    _gmemflags.main()
