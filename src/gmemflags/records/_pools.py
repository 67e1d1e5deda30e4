"""Baselines to plain values and back; counts, names and the common mask have to agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gmemflags._masks import bits
from gmemflags._fleet import Baseline, Lacking
from gmemflags.records._shapes import (
    Fault,
    as_is,
    below,
    items,
    members,
    one_bit,
    record,
    text,
    within,
)
from gmemflags.records._supports import decode_support, plain_support

if TYPE_CHECKING:
    from gmemflags._host import Support
    from gmemflags.records._catalogs import Catalogs

_NAMED = 10


def plain_baseline(pool: Baseline) -> dict[str, Any]:
    """A pool."""
    return {
        "support": plain_support(pool.support),
        "count": pool.count,
        "first": [*pool.first],
        "lacking": {
            hex(bit): {"count": without.count, "first": [*without.first]}
            for bit, without in pool.lacking.items()
        },
    }


_hosts = {"count": below(1 << 53), "first": items(text, _NAMED)}
_counted = record(_hosts)
_pool = record({"support": as_is, **_hosts, "lacking": members(_counted)})


def _lacking(content: dict[str, Any], most: int) -> Lacking:
    count, named = content["count"], len(content["first"])
    needed = min(count, _NAMED)
    if not 0 < count <= most:
        raise Fault(f"a count from 1 to {most} is needed, not {count}", "count")
    if named != needed:
        raise Fault(f"{needed} names are needed, not {named}", "first")
    return Lacking(count, content["first"])


def _bit(text: str, support: Support) -> int:
    bit = one_bit(text)
    if bit & support.mask:
        raise Fault("the common mask has this bit, so no host can lack it")
    return bit


def decode_baseline(value: object, catalogs: Catalogs) -> Baseline:
    """The pool of :func:`plain_baseline`."""
    content = _pool(value)
    support = within("support", lambda host: decode_support(host, catalogs), content["support"])
    everyone = _lacking(content, content["count"])
    lacking: dict[int, Lacking] = {}
    for name, counted in content["lacking"].items():
        try:
            lacking[_bit(name, support)] = _lacking(counted, everyone.count)
        except Fault as fault:
            fault.path += (name, "lacking")
            raise
    for bit in bits(support.catalog.named & ~support.mask):
        if bit not in lacking:
            raise Fault(f"the hosts without {hex(bit)} are missing", "lacking")
    return Baseline(support=support, count=everyone.count, lacking=lacking, first=everyone.first)
