"""``gmemflags baseline``: what every host of a pool has."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from gmemflags._cli import _options
from gmemflags._cli._out import emit, progress, say
from gmemflags._cli._pool import Pool, add_choice
from gmemflags._cli._status import CommandError, Status
from gmemflags._exceptions import PoolError
from gmemflags._fleet import baseline
from gmemflags.records import dumps

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def add(parser: ArgumentParser) -> None:
    """Add the options of ``baseline``."""
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        help="records that `show --json` or `baseline --json` wrote, one a line; - or nothing is"
        " standard input",
    )
    add_choice(parser)
    _options.add_skip_bad(parser)
    _options.add_json(parser, "the baseline as one JSON record")


def run(args: Namespace) -> int:
    """Read all hosts once, and print what they have in common."""
    pool = Pool(args, args.files)
    hosts = pool.hosts()
    first = next(hosts, None)
    if first is None:
        raise pool.none_chosen()
    try:
        common = baseline(chain((first,), hosts))
    except PoolError as error:
        progress("")
        raise CommandError(str(error), _remedy(error)) from None
    if args.json:
        emit(dumps(common))
    else:
        say(str(common))
        if pool.left_out:
            say(pool.left_out_told().strip())
    return Status.YES


def _remedy(error: PoolError) -> str:
    if "has VM type " in error.problem:
        return "--vm-type N takes the VMs of one type alone"
    return "make a baseline for each kind of host"
