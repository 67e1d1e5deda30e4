"""What records cost: a baseline of many lines against ``json.loads`` of them, size and memory."""

import json
import os
import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from time import process_time

from attrs import evolve

from bench import Figure, python
from gmemflags import FIRECRACKER_SECRET_FREE, RecordError, query
from gmemflags.records import dumps, loads
from gmemflags.testing import FakeBackend

MANY = 1_000_000
FEW = 1_000
_BASELINE = """
import sys
from gmemflags import baseline
from gmemflags.records import load_lines
assert baseline(load_lines(sys.stdin.buffer)).count == int({count})
# Of this program alone: ru_maxrss would hold that of the parent from before exec.
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
_JSON = """
import sys
from json import loads
for line in sys.stdin.buffer:
    loads(line)
print(0)
"""


def figures() -> list[Figure]:
    """CPU of a baseline over CPU of json.loads, decode time at 10 times the size, megabytes."""
    memory: dict[int, int] = {}
    cpu, memory[MANY] = _child(_BASELINE, usual(), MANY)
    alone, _ = _child(_JSON, usual(), MANY)
    _, memory[FEW] = _child(_BASELINE, usual(), FEW)
    found: list[Figure] = [
        ("records: baseline of 1,000,000 lines / json.loads of them, CPU", cpu / alone, 3.0)
    ]
    for name, lines in (("kernel", kernels), ("mask", masks)):
        ratio = _child(_BASELINE, lines(), MANY // 5)[0] / _child(_JSON, lines(), MANY // 5)[0]
        found.append((f"records: the same where every {name} is another one", ratio, None))
    worst = max(_growth(shape) for shape in SHAPES)
    found.append(
        ("records: decode time at 10 times the size, the worst of all shapes", worst, 15.0)
    )
    growth = (memory[MANY] - memory[FEW]) / 1000
    found.append(("records: peak memory of 1,000,000 lines less that of 1,000, MB", growth, 20.0))
    return found


def _line(flags: int, kernel: str) -> str:
    host = query(FakeBackend.narrow(flags))
    return dumps(evolve(host, host=evolve(host.host, kernel=kernel), origin="@")) + "\n"


def usual() -> Iterator[str]:
    """A pool of today: a few kernels, a few masks, and an origin for each host."""
    lines = [_line(flags, f"6.18.{patch}") for patch in range(20) for flags in (1, 3, 3, 3, 7)]
    for number in range(MANY):
        name = f"rack-{number % 97:02}-host-{number:07}: VM of type 0 on /dev/kvm"
        yield lines[number * 7919 % len(lines)].replace("@", name, 1)


def kernels() -> Iterator[str]:
    """A pool in which no two hosts have the same kernel."""
    line = _line(3, "@@")
    for number in range(MANY):
        yield line.replace("@@", f"6.18.{number}", 1).replace("@", f"host-{number:07}", 1)


def masks() -> Iterator[str]:
    """A pool in which hardly two hosts list the same flags."""
    before, after = _line(3, "6.18.0").split('FLAGS":"3"},"mask":"0x3","low":3')
    dice = random.Random(1)  # noqa: S311  # to be the same tomorrow
    for number in range(MANY):
        flags = dice.getrandbits(31)
        middle = f'FLAGS":"{flags}"}},"mask":"{flags:#x}","low":{flags}'
        yield before.replace("@", f"host-{number:07}", 1) + middle + after


def _child(program: str, lines: Iterator[str], count: int) -> tuple[float, int]:
    # CPU seconds and peak memory (in kB) of a program that reads so many lines on stdin.
    command = python(program.format(count=count))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        fed, answer = child.stdin, child.stdout
        if fed is None or answer is None:
            raise RuntimeError("the child has no pipes")
        with suppress(BrokenPipeError), fed:
            wanted = islice(lines, count)
            while part := "".join(islice(wanted, 10_000)):
                fed.write(part.encode())
        peak = int(answer.read() or 0)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"the child ended with {child.returncode}")
    return usage.ru_utime + usage.ru_stime, peak


def _rules(size: int) -> str:
    content = json.loads(dumps(FIRECRACKER_SECRET_FREE))
    content["rules"] *= size // 50
    return json.dumps(content)


SHAPES: dict[str, Callable[[int], str]] = {
    "a long origin": lambda size: dumps(evolve(query(FakeBackend.narrow(3)), origin="x" * size)),
    "many rules": _rules,
    "many answers": lambda size: dumps(query(FakeBackend.narrow(3))).replace(
        '"answers":{', '"answers":{' + "".join(f'"{n:06}":"1",' for n in range(size))
    ),
    "many keys": lambda size: "{" + ",".join(f'"{n:06}":1' for n in range(size)) + "}",
    "many lists": lambda size: "[" + "[]," * size + "[]]",
    "many digits": lambda size: "1" * size,
}


def _growth(shape: str) -> float:
    make = SHAPES[shape]
    return _seconds(make(20_000)) / max(_seconds(make(2_000)), 1e-4)


def _seconds(document: str) -> float:
    times: list[float] = []
    for _ in range(7):
        start = process_time()
        with suppress(RecordError):
            loads(document)
        times.append(process_time() - start)
    return min(times)
