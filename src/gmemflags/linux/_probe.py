"""The probe: try masks on the kernel with one-page files, and report what it took.

The enumeration cannot say which combinations are valid, so the kernel itself is asked. Every file
is closed at once and nothing is mapped. What follows from the answers is worked out elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from errno import EACCES, EBADF, EIO, EMFILE, ENFILE, ENOTTY
from itertools import chain, combinations, islice

from gmemflags._catalog import Catalog
from gmemflags._host import query
from gmemflags._learn import ProbeReport
from gmemflags._mainline import MAINLINE
from gmemflags._masks import bits, u64
from gmemflags.linux._kvm import Vm, creator

# After one of these the next answer would be the same, and say nothing of flags.
_STOP = frozenset((EMFILE, ENFILE, EIO, EBADF, ENOTTY, EACCES))


def probe(
    vm: Vm,
    catalog: Catalog = MAINLINE,
    *,
    around: int | Iterable[int] = (),
    limit: int = 4096,
    progress: Callable[[int], object] | None = None,
) -> ProbeReport:
    """Try which masks ``vm`` takes, with at most ``limit`` creations of one page each.

    The empty mask, every single bit, every pair of listed bits and every subset of them are
    tried while they are few enough; past ``limit`` one and two bits are flipped around the masks
    that were taken and around those of ``around``. ``progress`` is called with the number of
    masks tried so far.

    An errno that is not about flags (EMFILE, EIO and the like) ends the probe; the report says
    which.

    Raises:
        ValueError: ``limit`` is negative.
        CapabilityQueryError: The VM cannot be asked.
        InconsistentAnswerError: Its answers are not flags.
        KvmUnavailableError: The descriptor is not a VM any more.
    """
    if limit < 0:
        raise ValueError(f"limit={limit} is not a number of files")
    centres = [u64(mask) for mask in ((around,) if isinstance(around, int) else around)]
    support = query(vm, catalog)
    Vm.from_fd(vm.fileno())  # /dev/kvm would answer EINVAL to every mask
    size = os.sysconf("SC_PAGE_SIZE")
    create = creator(vm, size)
    seen: dict[int, int] = {}
    stopped = None
    candidates = _candidates(bits(support.mask), seen, centres, limit)
    for mask in islice((mask for mask in candidates if mask not in seen), limit):
        errno = 0
        try:
            os.close(create(mask))
        except OSError as error:
            errno = error.errno or EIO
            if errno in _STOP:
                stopped = errno
                break
        seen[mask] = errno
        if progress:
            progress(len(seen))
    return ProbeReport(support=support, observations=seen, size=size, stopped=stopped)


def _candidates(
    flags: tuple[int, ...], seen: dict[int, int], around: list[int], limit: int
) -> Iterator[int]:
    # What to try, in order; what was seen so far steers the last part.
    yield 0
    yield from (1 << number for number in range(64))
    if 64 - len(flags) + (1 << len(flags)) <= limit:
        for size in range(2, len(flags) + 1):
            yield from map(sum, combinations(flags, size))
        yield from around
        return
    yield from around
    yield from map(sum, combinations(flags, 2))
    centres = [*around, *(mask for mask, errno in seen.items() if not errno)]
    known = set(centres)
    for centre in centres:  # grows while it is walked
        for flipped in chain(flags, map(sum, combinations(flags, 2))):
            mask = centre ^ flipped
            yield mask
            if seen.get(mask) == 0 and mask not in known:
                known.add(mask)
                centres.append(mask)
