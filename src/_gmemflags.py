"""The script ``gmemflags``: Ctrl-C ends it without a word, from its first line on.

It stands outside the package because importing the package is most of the start.
"""

import signal


def main() -> int:
    """Run the command line of the process; return the exit status."""
    # What ignores the signal from the start, as a job of a shell, goes on ignoring it.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from gmemflags.__main__ import main as run  # noqa: PLC0415  # after the line above

    return run()
