"""``gmemflags compare``: which of two hosts has more, and what is lost on the other."""

from __future__ import annotations

from itertools import chain, islice
from json import dumps
from typing import TYPE_CHECKING, Any

from gmemflags._cli import _options
from gmemflags._cli._files import STDIN, shown
from gmemflags._cli._out import emit, say
from gmemflags._cli._pool import Pool, add_choice, support_of
from gmemflags._cli._status import CommandError, Status
from gmemflags._exceptions import CatalogError
from gmemflags._fleet import compare
from gmemflags._format import format_mask, format_rule

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from gmemflags._fleet import Comparison, Loss
    from gmemflags._host import Support


def add(parser: ArgumentParser) -> None:
    """Add the options of ``compare``."""
    what = "a file with the record of a host or the baseline of a pool; - is standard input"
    parser.add_argument("a", metavar="A", help=what)
    parser.add_argument("b", metavar="B", help="the same")
    add_choice(parser, None)
    _options.add_json(parser, "the comparison as one JSON document")


def run(args: Namespace) -> int:
    """Compare two hosts, and print how they stand to each other."""
    if args.a == args.b == STDIN:
        raise CommandError(
            "standard input cannot be both A and B", "give a file for one of the two"
        )
    try:
        comparison = compare(_host(args.a, args), _host(args.b, args))
    except CatalogError as error:
        remedy = "record both under one catalog: `gmemflags show --json --catalog NAME`"
        raise CommandError(str(error), remedy) from None
    if args.json:
        emit(dumps(_content(comparison)))
    else:
        say(str(comparison))
    return Status.YES if comparison.safe else Status.NO


def _host(name: str, args: Namespace) -> Support:
    # The one chosen record of a file; no more is read than shows that there are several.
    pool = Pool(args, [name])
    records = pool.records()
    head = list(islice(records, 2))
    if len(head) == 1 and args.scope is None:
        pool.scope = support_of(head[0]).scope
    chosen = list(islice(filter(pool.is_chosen, chain(head, records)), 2))
    if len(chosen) == 1:
        return support_of(chosen[0])
    if not pool.seen:
        raise pool.none_chosen()
    found = "there are more" if chosen else f"0 of {pool.seen} are"
    raise CommandError(
        f"{shown(name)}: one chosen record is needed, and {found}",
        "choose one with --scope and --vm-type, or put a pool together with `gmemflags baseline`",
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
