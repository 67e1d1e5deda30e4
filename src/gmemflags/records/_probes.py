"""Probe reports to plain values and back: what was tried, and no conclusion from it.

The rules that follow from the observations are learnt again by whoever reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gmemflags._learn import ProbeReport
from gmemflags.records._shapes import Fault, as_is, below, members, optional, record, within
from gmemflags.records._shapes import mask as decode_mask
from gmemflags.records._supports import decode_support, plain_support

if TYPE_CHECKING:
    from gmemflags.records._catalogs import Catalogs


def plain_probe_report(report: ProbeReport) -> dict[str, Any]:
    """A probe report without what was learnt."""
    return {
        "support": plain_support(report.support),
        "size": report.size,
        "stopped": report.stopped,
        "observations": {hex(mask): errno for mask, errno in report.observations.items()},
    }


_errno = below(1 << 12)
_report = record(
    {
        "support": as_is,
        "size": below(1 << 53),
        "stopped": optional(_errno),
        "observations": members(_errno),
    }
)


def decode_probe_report(value: object, catalogs: Catalogs) -> ProbeReport:
    """The report of :func:`plain_probe_report`."""
    content = _report(value)
    support = within("support", lambda host: decode_support(host, catalogs), content["support"])
    observations: dict[int, int] = {}
    for text, errno in content["observations"].items():
        try:
            observations[decode_mask(text)] = errno
        except Fault as fault:
            raise Fault(fault.problem, "observations", text) from None
    content |= {"support": support, "observations": observations}
    return ProbeReport(**content)
