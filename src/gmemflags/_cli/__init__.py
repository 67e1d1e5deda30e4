"""The command line: the only room that prints.

A subcommand is one module with ``add(parser)`` and ``run(args) -> int``, named in the table of
``_main.py`` and loaded when it is called. This room shows what the others found out, and must
never decide anything itself.
"""

from gmemflags._cli._main import main

__all__ = ["main"]
