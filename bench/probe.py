"""What probing costs: one combination more, and a whole probe, against bare ioctls."""

import fcntl
import os
import statistics
import struct
from collections.abc import Callable, Iterable
from time import process_time_ns

from bench import Figure, skip
from gmemflags import GmemFlagsError, Stage
from gmemflags.linux import Kvm, Vm, probe

ONE = "one probed combination / create and close through fcntl"
WHOLE = "a whole probe / the same creations through fcntl, most of them refused"
KVM_CREATE_GUEST_MEMFD = 0xC040AED4
PAGE = os.sysconf("SC_PAGE_SIZE")
CALLS, ROUNDS = 100, 61
FIRST = (0, 1, 2)  # what a probe tries first


def bare(fd: int, masks: Iterable[int]) -> None:
    """Create a file of one page for each mask, and close it, as the obvious code does."""
    request = bytearray(64)
    struct.pack_into("=Q", request, 0, PAGE)
    for mask in masks:
        struct.pack_into("=Q", request, 8, mask)
        try:
            file = fcntl.ioctl(fd, KVM_CREATE_GUEST_MEMFD, request)
        except OSError:
            continue
        os.close(file)


def figures() -> list[Figure]:
    """On a VM of the real kernel that takes the first masks."""
    try:
        with Kvm.open() as kvm, kvm.create_vm() as vm:
            return _figures(vm)
    except GmemFlagsError as error:
        return _none(str(error))


def _none(why: str) -> list[Figure]:
    for name in (ONE, WHOLE):
        skip(name, why)
    return []


def _figures(vm: Vm) -> list[Figure]:
    masks = list(probe(vm).observations)
    taken = probe(vm, limit=len(FIRST)).works(Stage.CREATE)
    if taken != frozenset(FIRST):
        return _none(f"{vm.origin} takes only {len(taken)} of the first {len(FIRST)} masks")
    fd = vm.fileno()
    ways: tuple[Callable[[], object], ...] = (
        lambda: probe(vm, limit=len(FIRST)),
        lambda: probe(vm, limit=len(FIRST) - 1),
        lambda: bare(fd, FIRST[-1:]),
        lambda: probe(vm),
        lambda: bare(fd, masks),
    )
    rounds = [[_cost(way) for way in ways] for _ in range(ROUNDS)]
    # What a probe does once is in both: what is left is the one combination that one has more.
    one = statistics.median((more - less) / plain for more, less, plain, _, _ in rounds)
    whole = statistics.median(probed / plain for _, _, _, probed, plain in rounds)
    return [(ONE, one, 2.5), (WHOLE, whole, None)]


def _cost(way: Callable[[], object]) -> int:
    # Processor time, which others on the machine disturb less than the clock.
    start = process_time_ns()
    for _ in range(CALLS):
        way()
    return process_time_ns() - start
