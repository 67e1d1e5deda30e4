"""``gmemflags replay``: is the answer of a recorded decision still the same?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmemflags._cli import _options
from gmemflags._cli._out import emit, say
from gmemflags._cli._pool import STDIN, document
from gmemflags._cli._status import Status
from gmemflags.records import dumps, replay

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def add(parser: ArgumentParser) -> None:
    """Add the options of ``replay``."""
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        default=STDIN,
        help="a decision that `check --json` wrote; - or nothing is standard input",
    )
    _options.add_json(parser, "the decision of now as one JSON document")


def run(args: Namespace) -> int:
    """Resolve the decision again, and print whether the answer is the same."""
    again = replay(document(args.file))
    if args.json:
        emit(dumps(again.now))
    else:
        say(str(again))
    return Status.YES if again.same else Status.NO
