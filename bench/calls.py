"""What everyday calls cost: flags, requests, queries and answers, and the whole command."""

import os
import statistics
import subprocess
import sys

from bench import Figure, above, cpu_times, python, skip

DEVICE = "/dev/kvm"
CHILDREN = 5

# Each program prints one ratio a line.
COST = """
from statistics import median
from time import process_time_ns

def cost(function, calls):
    start = process_time_ns()
    for _ in range(calls):
        function()
    return process_time_ns() - start

def ratios(calls, *pairs):
    functions = [function for pair in pairs for function in pair]
    rounds = [[cost(function, calls) for function in functions] for _ in range(21)]
    for index in range(0, len(functions), 2):
        print(median(times[index] / times[index + 1] for times in rounds))
"""
FLAGS = f"""{COST}
from enum import IntFlag
from gmemflags import FlagWord, Request
members = {{f"F{{number}}": 1 << number for number in range(62)}}
Ours, Plain = FlagWord("Ours", members), IntFlag("Plain", members)
a, b, c, d = Ours.F1, Ours.F60, Plain.F1, Plain.F60
flags, ints = list(Ours), list(members.values())
ratios(2000, (lambda: a | b, lambda: c | d))
ratios(50, (lambda: Request(preferred=flags), lambda: Request(preferred=ints)))
"""
FLAG_NAMES = (
    ("F.A | F.B of a class of 62 flags / the same in enum.IntFlag", 4.0),
    ("a Request of 62 flag objects / one of ints", 8.0),
)
CALLS = f"""{COST}
import fcntl, os
from ctypes import CDLL, c_int, c_long, c_ulong
from functools import partial
from gmemflags import Request, negotiate, query, resolve
from gmemflags.linux import Kvm
syscall = CDLL(None, use_errno=True).syscall
syscall.restype, syscall.argtypes = c_long, (c_long, c_int, c_ulong, c_ulong)
bare = partial(syscall, {{"x86_64": 16, "s390x": 54, "ppc64le": 54}}.get(os.uname().machine, 29))
with Kvm.open() as kvm, kvm.create_vm() as vm:
    fd = vm.fileno()
    request = Request(preferred=[3])
    support = query(vm)
    numbers = (231, 233, 234, 235, 244)
    ratios(
        300,
        (lambda: query(vm), lambda: [bare(fd, 0xAE03, number) for number in numbers]),
        (lambda: query(vm), lambda: [fcntl.ioctl(fd, 0xAE03, number) for number in numbers]),
        (lambda: resolve(support, request), lambda: bare(fd, 0xAE03, 244)),
        (lambda: negotiate(query(vm), request), lambda: bare(fd, 0xAE03, 244)),
    )
"""
CALL_NAMES: tuple[tuple[str, float | None], ...] = (
    ("query() on an open VM / the same ioctls through a bare ctypes syscall", 2.5),
    ("query() on an open VM / the same ioctls through fcntl", None),
    ("an everyday resolve() / one bare ctypes syscall", 15.0),
    ("query() and negotiate() / one bare ctypes syscall", 25.0),
)
SHOW = "gmemflags show --json / a minimal fcntl script"
MINIMAL = """
import fcntl, json, os
kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
vm = fcntl.ioctl(kvm, 0xAE01, 0)
answers = [{n: fcntl.ioctl(fd, 0xAE03, n) for n in (231, 233, 234, 235, 244)} for fd in (kvm, vm)]
print(json.dumps(answers))
"""


def figures() -> list[Figure]:
    """Flags and requests; where there is a device, asking it."""
    found = _ratios(FLAGS, FLAG_NAMES)
    if os.access(DEVICE, os.R_OK | os.W_OK):
        return [*found, *_ratios(CALLS, CALL_NAMES), *_show()]
    for name in (*dict(CALL_NAMES), SHOW):
        skip(name, f"{DEVICE} cannot be opened")
    return found


def _ratios(program: str, names: tuple[tuple[str, float | None], ...]) -> list[Figure]:
    children = [
        subprocess.run(python(program), check=True, capture_output=True, text=True).stdout.split()
        for _ in range(CHILDREN)
    ]
    ratios = [statistics.median(map(float, found)) for found in zip(*children, strict=True)]
    return [(name, ratio, limit) for (name, limit), ratio in zip(names, ratios, strict=True)]


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
