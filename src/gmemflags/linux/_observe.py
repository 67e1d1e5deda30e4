"""The probe: try masks on the kernel with one-page files, and report what it took.

The enumeration cannot say which combinations are valid, so the kernel itself is asked. Every file
is closed at once and nothing is mapped. What follows from the answers is worked out elsewhere.
"""

from __future__ import annotations

import os
from errno import EACCES, EBADF, EIO, EMFILE, ENFILE, ENOTTY
from itertools import combinations
from typing import TYPE_CHECKING

from gmemflags.catalog._mainline import MAINLINE
from gmemflags.host import query
from gmemflags.linux._create import Creator
from gmemflags.masks._words import bits, u64
from gmemflags.negotiation._probe_report import ProbeReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gmemflags.catalog._catalog import Catalog
    from gmemflags.linux._kvm import Vm

# After one of these the next answer would be the same, and say nothing of flags.
_STOP = frozenset((EMFILE, ENFILE, EIO, EBADF, ENOTTY, EACCES))
_SINGLES = 65  # the empty mask and 64 single bits


def probe(
    vm: Vm,
    catalog: Catalog = MAINLINE,
    *,
    around: Iterable[int] = (),
    limit: int = 4096,
    progress: Callable[[int], object] | None = None,
) -> ProbeReport:
    """Try which masks ``vm`` takes, with at most ``limit`` creations of one page each.

    The empty mask, every single bit, every pair of listed bits and every subset of them are
    tried while they are few enough; past ``limit`` one and two bits are flipped around the masks
    that were taken and around those of ``around``. ``progress`` is called with the number of
    masks tried so far.

    An errno that is not about flags (EMFILE, EIO and the like) ends the probe; the report says
    which. Raises :exc:`~gmemflags.exceptions.CapabilityQueryError` if the VM cannot be asked.
    """
    support = query(vm, catalog)
    size = os.sysconf("SC_PAGE_SIZE")
    create = Creator(vm, size).create
    seen: dict[int, int] = {}
    stopped = None
    for mask in _plan(support.mask, seen, [u64(mask) for mask in around], limit):
        errno = _try(create, mask)
        if errno in _STOP:
            stopped = errno
            break
        seen[mask] = errno
        if progress:
            progress(len(seen))
    return ProbeReport(support=support, observations=seen, size=size, stopped=stopped)


def _try(create: Callable[[int], int], mask: int) -> int:
    try:
        fd = create(mask)
    except OSError as error:
        return error.errno or 0
    os.close(fd)
    return 0


def _plan(listed: int, seen: dict[int, int], around: list[int], limit: int) -> Iterator[int]:
    # The masks still to try, each once; what was seen so far steers the last part.
    flags = bits(listed)
    tried = 0
    for mask in _candidates(flags, seen, around, limit):
        if tried >= limit:
            return
        if mask not in seen:
            tried += 1
            yield mask


def _candidates(
    flags: tuple[int, ...], seen: dict[int, int], around: list[int], limit: int
) -> Iterator[int]:
    yield 0
    yield from (1 << number for number in range(64))
    yield from around
    everything = _SINGLES - 1 - len(flags) + (1 << len(flags)) <= limit
    for size in range(2, len(flags) + 1 if everything else 3):
        yield from (sum(chosen) for chosen in combinations(flags, size))
    if everything:
        return
    centres = [*around, *(mask for mask, errno in seen.items() if not errno)]
    for centre in centres:  # grows while it is walked
        for size in (1, 2):
            for chosen in combinations(flags, size):
                mask = centre ^ sum(chosen)
                yield mask
                if seen.get(mask) == 0 and mask not in centres:
                    centres.append(mask)
