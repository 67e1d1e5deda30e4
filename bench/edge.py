"""What asking costs: a query on an open VM, and the whole command, against bare ioctls."""

import os
import statistics
import subprocess
import sys

from bench import Figure, above, cpu_times, python, skip

DEVICE = "/dev/kvm"
CHILDREN = 7

# Prints two ratios: of a query to its ioctls made bare, and of query and negotiate to one of them.
PAIRS = """
import fcntl
from statistics import median
from time import process_time_ns
from gmemflags import GuestMemfdFlag as F, Request, negotiate, query
from gmemflags.linux import Kvm

CALLS, PAIRS = 500, 21

def cost(function):
    start = process_time_ns()
    for _ in range(CALLS):
        function()
    return process_time_ns() - start

with Kvm.open() as kvm, kvm.create_vm() as vm:
    fd = vm.fileno()
    request = Request(preferred=[F.MMAP, F.INIT_SHARED])
    numbers = (231, 233, 234, 235, 244)
    ways = (
        lambda: query(vm),
        lambda: [fcntl.ioctl(fd, 0xAE03, number) for number in numbers],
        lambda: negotiate(query(vm), request),
        lambda: fcntl.ioctl(fd, 0xAE03, 244),
    )
    rounds = [[cost(way) for way in ways] for _ in range(PAIRS)]
    for one, other in ((0, 1), (2, 3)):
        print(median(times[one] / times[other] for times in rounds))
"""
NAMES: tuple[tuple[str, float], ...] = (
    ("query() on an open VM / its ioctls through fcntl", 3),
    ("query() and negotiate() on an open VM / one ioctl through fcntl", 60),
)

SHOW = "gmemflags show --json / a minimal fcntl script, whole process"
MINIMAL = """
import fcntl, json, os
kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
vm = fcntl.ioctl(kvm, 0xAE01, 0)
answers = [{n: fcntl.ioctl(fd, 0xAE03, n) for n in (231, 233, 234, 235, 244)} for fd in (kvm, vm)]
print(json.dumps(answers))
"""


def figures() -> list[Figure]:
    """Asking an open VM, and the command that asks."""
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        for name in (*dict(NAMES), SHOW):
            skip(name, f"{DEVICE} cannot be opened")
        return []
    return [*_pairs(), *_show()]


def _pairs() -> list[Figure]:
    children = [
        subprocess.run(python(PAIRS), check=True, capture_output=True, text=True).stdout.split()
        for _ in range(CHILDREN)
    ]
    ratios = [statistics.median(map(float, found)) for found in zip(*children, strict=True)]
    return [(name, ratio, limit) for (name, limit), ratio in zip(NAMES, ratios, strict=True)]


def _show() -> list[Figure]:
    commands = {
        "nothing": python("pass"),
        "show": [sys.executable, "-m", "gmemflags", "show", "--json"],
        "minimal": python(MINIMAL),
    }
    try:
        times = cpu_times(commands)
    except RuntimeError as error:
        skip(SHOW, str(error))
        return []
    whole = statistics.median(times["show"]) / statistics.median(times["minimal"])
    more = above(times, "show", "nothing") / above(times, "minimal", "nothing")
    return [(SHOW, whole, None), (f"{SHOW}, above a bare interpreter", more, None)]
