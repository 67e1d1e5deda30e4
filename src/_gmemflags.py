"""The script ``gmemflags``: Ctrl-C ends it without a word, from its first line on.

It stands outside the package because importing the package is most of the start. The package
imports it first, for ``python -m gmemflags``, which knows nothing of a script.
"""

import signal
import sys


def leave_ctrl_c() -> None:
    """Leave Ctrl-C to the system, unless it is ignored from the start, as by a job of a shell."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> None:
    """Run the command line of the process and end it; zipapp would drop a returned status."""
    leave_ctrl_c()
    from gmemflags.__main__ import main as run  # noqa: PLC0415  # after the line above

    raise SystemExit(run())


if sys.orig_argv[1:3] == ["-m", "gmemflags"]:
    leave_ctrl_c()
