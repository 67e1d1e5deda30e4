"""``gmemflags check ... HOSTS.jsonl``: a verdict for each recorded host, and a tally."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmemflags._catalog import Request, Scope
from gmemflags._cli import _options
from gmemflags._cli._out import emit, progress, say
from gmemflags._cli._pool import Pool, support_of
from gmemflags._cli._request import request, status
from gmemflags._cli._status import CommandError, Status, as_command_error
from gmemflags._exceptions import FlagSyntaxError
from gmemflags._mainline import MAINLINE
from gmemflags._resolve import resolve
from gmemflags.records import dumps

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator

    from gmemflags._catalog import Catalog
    from gmemflags._resolve import Resolution


def check_pool(args: Namespace, files: Iterable[str]) -> int:
    """Resolve a request for every host of ``files``, and print each answer.

    Returns NO if any host said no, else NO_ANSWER if any gave no answer.
    """
    pool = Pool(args, files)
    tally: dict[Status, int] = dict.fromkeys((Status.YES, Status.NO, Status.NO_ANSWER), 0)
    notes: dict[str, None] = {}
    for answer in _answers(args, pool):
        tally[status(answer)] += 1
        notes |= dict.fromkeys(_notes(answer))
        if args.json:
            emit(dumps(answer))
        else:
            say(answer.headline)
    if not any(tally.values()):
        raise pool.none_chosen()
    if not args.json:
        say("\n".join([_told(tally, pool), *(f"note: {note}" for note in notes)]))
    if tally[Status.NO]:
        return Status.NO
    return Status.NO_ANSWER if tally[Status.NO_ANSWER] else Status.YES


def _answers(args: Namespace, pool: Pool) -> Iterator[Resolution]:
    # Under the catalog that was named, or else under that of each record.
    named = args.catalog is not None or args.flags_hi is not None
    under = _options.chosen_catalog(args) if named else None
    catalog: Catalog | None = None
    wanted = Request()
    for host in pool.hosts():
        recorded = support_of(host)
        support = recorded.under(under) if under else recorded
        if support.catalog is not catalog:
            catalog = support.catalog
            wanted = _wanted(args, catalog, pool)
        yield resolve(support, wanted)


def _notes(answer: Resolution) -> Iterator[str]:
    # What is to be known of the answers, and is the same for many hosts.
    if answer.support.scope is Scope.SYSTEM:
        yield "/dev/kvm answers for the best imaginable VM: a VM may take fewer flags"
    name = answer.support.catalog.name
    if name != MAINLINE.name:
        yield f"the names are those of {name}: a kernel confirms bits, never names"


def _wanted(args: Namespace, catalog: Catalog, pool: Pool) -> Request:
    # An error tells at which record it is: another one may have other names.
    try:
        return request(args, catalog)
    except FlagSyntaxError as error:
        end = as_command_error(error)
    except CommandError as error:
        end = error
    progress("")
    raise CommandError(f"at {pool.place}: {end.what}", end.remedy)


def _told(tally: dict[Status, int], pool: Pool) -> str:
    yes, no, unknown = tally.values()
    parts = [f"granted on {yes}", f"refused on {no}"]
    if unknown:
        parts.append(f"no answer from {unknown}")
    total = yes + no + unknown
    what = "record" if pool.pools else "host"
    return f"{', '.join(parts)}, of {total} {what}{'s' if total != 1 else ''}{pool.left_out_told()}"
