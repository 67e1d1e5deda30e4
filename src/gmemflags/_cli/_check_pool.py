"""``gmemflags check ... HOSTS.jsonl``: a verdict for each recorded host, and a tally."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmemflags._cli._out import emit, say
from gmemflags._cli._pool import Pool
from gmemflags._cli._status import CommandError, Status
from gmemflags.catalog import Request
from gmemflags.negotiation import resolve
from gmemflags.records import dumps

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable

    from gmemflags.catalog import Catalog
    from gmemflags.negotiation import Resolution


def check_pool(
    args: Namespace,
    files: Iterable[str],
    *,
    request: Callable[[Catalog], Request],
    status: Callable[[Resolution], Status],
    under: Catalog | None,
) -> int:
    """Resolve a request for every host of ``files``, and print each answer.

    ``request`` makes it for a catalog; ``under``: read the hosts under this catalog instead of
    the one that they were recorded under. Returns NO if any host said no, else NO_ANSWER if any
    gave no answer.
    """
    if args.host is not None:
        raise CommandError("a file and --host are two kinds of hosts", "give one of the two")
    pool = Pool(args, files)
    tally: dict[Status, int] = dict.fromkeys((Status.YES, Status.NO, Status.NO_ANSWER), 0)
    catalog: Catalog | None = None
    wanted = Request()
    for host in pool.hosts():
        support = host.under(under) if under else host
        if support.catalog is not catalog:
            catalog = support.catalog
            wanted = request(catalog)
        answer = resolve(support, wanted)
        tally[status(answer)] += 1
        if args.json:
            emit(dumps(answer))
        else:
            say(answer.headline)
    if catalog is None:
        raise pool.none_chosen()
    if not args.json:
        say(_told(tally, pool))
    if tally[Status.NO]:
        return Status.NO
    return Status.NO_ANSWER if tally[Status.NO_ANSWER] else Status.YES


def _told(tally: dict[Status, int], pool: Pool) -> str:
    yes, no, unknown = tally.values()
    parts = [f"granted on {yes}", f"refused on {no}"]
    if unknown:
        parts.append(f"no answer from {unknown}")
    total = yes + no + unknown
    left = f" (left out, of another scope or VM type: {pool.left_out})" if pool.left_out else ""
    return f"{', '.join(parts)}, of {total} host{'s' if total != 1 else ''}{left}"
