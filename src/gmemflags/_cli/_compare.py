"""``gmemflags compare``: which of two hosts has more, and what is lost on the other."""

from __future__ import annotations

from json import dumps
from typing import TYPE_CHECKING, Any

from gmemflags._cli import _options
from gmemflags._cli._out import emit, say
from gmemflags._cli._pool import STDIN, add_choice, document, is_chosen, shown
from gmemflags._cli._status import CommandError, Status
from gmemflags.catalog import format_mask, format_rule
from gmemflags.exceptions import RecordError
from gmemflags.host import Support
from gmemflags.negotiation._compare import Relation, compare
from gmemflags.negotiation._fleet import Baseline
from gmemflags.records import loads

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from gmemflags.negotiation._compare import Comparison, Loss


def add(parser: ArgumentParser) -> None:
    """Add the options of ``compare``."""
    what = "a file with the record of a host or the baseline of a pool; - is standard input"
    parser.add_argument("a", metavar="A", help=what)
    parser.add_argument("b", metavar="B", help="the same")
    add_choice(parser)
    _options.add_json(parser, "the comparison as one JSON document")


def run(args: Namespace) -> int:
    """Compare two hosts, and print how they stand to each other."""
    if args.a == args.b == STDIN:
        raise CommandError("standard input cannot be both", "give a file for one of the two")
    comparison = compare(_host(args.a, args), _host(args.b, args))
    if args.json:
        emit(dumps(_content(comparison)))
    else:
        say(str(comparison))
    return Status.YES if comparison.relation is Relation.EQUAL else Status.NO


def _host(name: str, args: Namespace) -> Support:
    # The one host of a file; of several those that --scope and --vm-type choose.
    found: list[Support] = []
    for number, line in enumerate(document(name).splitlines(), 1):
        if line.strip():
            found.append(_support(line, f"{shown(name)}, line {number}"))
    chosen = [host for host in found if len(found) == 1 or is_chosen(host, args)]
    if len(chosen) == 1:
        return chosen[0]
    raise CommandError(
        f"{shown(name)}: of {len(found)} records {len(chosen)} are chosen, not one",
        "choose one with --scope and --vm-type, or put a pool together with `gmemflags baseline`",
    )


def _support(line: bytes, place: str) -> Support:
    try:
        value = loads(line)
    except RecordError as error:
        raise RecordError(f"{place}, {error.path}", error.problem) from None
    if isinstance(value, Baseline):
        return value.support
    if isinstance(value, Support):
        return value
    raise CommandError(
        f"at {place}: a {type(value).__name__} is neither a host nor a baseline",
        "give a record that `gmemflags show --json` or `gmemflags baseline --json` wrote",
    )


def _content(comparison: Comparison) -> dict[str, Any]:
    return {
        "schema": "gmemflags/comparison/1",
        "a": comparison.a.origin,
        "b": comparison.b.origin,
        "relation": str(comparison.relation),
        "differing": hex(comparison.differing),
        "lost_on_a": [_loss(loss, comparison) for loss in comparison.lost_on_a],
        "lost_on_b": [_loss(loss, comparison) for loss in comparison.lost_on_b],
        "capabilities": {
            name: [None if answer is None else hex(answer) for answer in answers]
            for name, answers in comparison.capabilities.items()
        },
    }


def _loss(loss: Loss, comparison: Comparison) -> dict[str, Any]:
    catalog = comparison.a.catalog
    return {
        "bit": hex(loss.bit),
        "flag": format_mask(loss.bit, catalog),
        "because": hex(loss.because),
        "rules": [format_rule(rule, catalog) for rule in loss.rules],
    }
