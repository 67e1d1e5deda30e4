"""``python -m gmemflags``: the command line, and nothing else."""

from __future__ import annotations

from gmemflags._cli import main

__all__ = ["main"]

if __name__ == "__main__":
    raise SystemExit(main())
