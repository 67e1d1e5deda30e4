"""``gmemflags replay``: is the answer of a recorded decision still the same?"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from gmemflags._cli import _options
from gmemflags._cli._files import STDIN, lines, opened, shown
from gmemflags._cli._out import emit, say
from gmemflags._cli._status import CommandError, Status
from gmemflags._exceptions import RecordError
from gmemflags.records import dumps, replay
from gmemflags.records._lines import located
from gmemflags.records._text import LONGEST, as_text, parse

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from gmemflags.records import Replay

_REMEDY = "give decisions that `gmemflags check --json` wrote"


def add(parser: ArgumentParser) -> None:
    """Add the options of ``replay``."""
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        default=STDIN,
        help="decisions that `check --json` wrote, one a line; - or nothing is standard input",
    )
    _options.add_json(parser, "the new decision as one JSON document, or one for each line")


def run(args: Namespace) -> int:
    """Resolve each decision again, and print whether the answer is the same."""
    try:
        return _told(_replays(args.file), args)
    except RecordError as error:
        raise CommandError(str(error), _REMEDY) from None


def _told(replays: Iterator[Replay], args: Namespace) -> Status:
    first, second = next(replays, None), next(replays, None)
    if first is None:
        raise CommandError(f"{shown(args.file)} holds no record", _REMEDY)
    one = [first] if second is None else [first, second]
    same = total = 0
    for again in chain(one, replays):
        total += 1
        same += again.same
        if args.json:
            emit(dumps(again.now))
        else:
            say(str(again) if second is None else _verdict(again))
    if not args.json and second is not None:
        say(f"the same answer to {same}, another one to {total - same}, of {total} decisions")
    return Status.YES if same == total else Status.NO


def _verdict(again: Replay) -> str:
    if again.same:
        return f"the same: {again.now.headline}"
    return f"another: {again.now.headline} ({'; '.join(again.differences)})"


def _replays(name: str) -> Iterator[Replay]:
    # One a line; but one alone may be spread over several, of which the first is no document.
    with opened(name) as file:
        rest = lines(file)
        head: list[bytes] = []
        for line in rest:
            head.append(line)
            if not line.isspace():
                break
        if head and _is_a_part(head[-1]):
            yield _replay_of(b"".join(head) + file.read(LONGEST + 1), shown(name))
        else:
            yield from located(chain(head, rest), replay, shown(name))


def _is_a_part(line: bytes) -> bool:
    try:
        parse(as_text(line))
    except RecordError:
        return not line.isspace()
    return False


def _replay_of(document: bytes, name: str) -> Replay:
    try:
        return replay(document)
    except RecordError as error:
        raise RecordError(f"{name}, {error.path}", error.problem) from None
