"""What records cost: a pool of many lines against ``json.loads`` of them, size and memory."""

import json
import os
import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice, repeat
from time import process_time

from attrs import evolve

from bench import Figure, python
from gmemflags import FIRECRACKER_SECRET_FREE, Excludes, HostFacts, RecordError, query
from gmemflags.records import dumps, loads
from gmemflags.testing import FakeBackend

MANY = 100_000
FEW = 1_000
_LINES = """
import sys
from gmemflags.records import load_lines
assert sum(1 for _ in load_lines(sys.stdin.buffer)) == {count}
"""
_BASELINE = """
import sys
from gmemflags import baseline
from gmemflags.records import load_lines
assert baseline(load_lines(sys.stdin.buffer)).count == {count}
# Of this program alone: ru_maxrss would hold that of the parent from before exec.
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
_JSON = """
import sys
from json import loads
for line in sys.stdin.buffer:
    loads(line)
"""


def figures() -> list[Figure]:
    """CPU of reading over CPU of json.loads, decode time at 10 times the size, megabytes."""
    found: list[Figure] = []
    for name, lines in (("few masks", usual), ("different masks", masks), ("equal hosts", equal)):
        alone, _ = _child(_JSON, lines(), MANY)
        for what, program in (("load_lines", _LINES), ("baseline", _BASELINE)):
            ratio = _child(program, lines(), MANY)[0] / alone
            told = f"records: {what} of {MANY:,} lines, {name} / json.loads of them, CPU"
            found.append((told, ratio, 5.0))
    worst = max(_growth(shape) for shape in SHAPES)
    found.append(
        ("records: decode time at 10 times the size, the worst of all shapes", worst, 15.0)
    )
    growth = (_child(_BASELINE, usual(), MANY)[1] - _child(_BASELINE, usual(), FEW)[1]) / 1000
    told = f"records: peak memory of {MANY:,} lines less that of {FEW:,}, MB"
    found.append((told, growth, 20.0))
    return found


def _line(flags: int, patch: int = 0) -> str:
    # A host that is called "@".
    host = query(FakeBackend.narrow(flags, origin="VM of type 0 on /dev/kvm"))
    facts = HostFacts(f"6.18.{patch}", "x86_64", 0, name="@", time=1_769_904_000)
    return dumps(evolve(host, host=facts)) + "\n"


def usual() -> Iterator[str]:
    """A pool of today: a few kernels, a few masks, and a name for each host."""
    lines = [_line(flags, patch) for patch in range(20) for flags in (1, 3, 3, 3, 7)]
    for number in range(MANY):
        name = f"rack-{number % 97:02}-host-{number:07}"
        yield lines[number * 7919 % len(lines)].replace("@", name, 1)


def equal() -> Iterator[str]:
    """A pool of one host, again and again."""
    return repeat(_line(3))


def masks() -> Iterator[str]:
    """A pool in which hardly two hosts list the same flags."""
    dice = random.Random(1)  # noqa: S311  # to be the same tomorrow
    lines = [_line(dice.getrandbits(31)) for _ in range(MANY // 10)]
    for number in range(MANY):
        yield lines[number % len(lines)].replace("@", f"host-{number:07}", 1)


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


def _exclusions(size: int) -> str:
    low = (1 << 63) - 1
    rules = [Excludes(low, low << 1, why=f"{n}", source="") for n in range(size // 20)]
    return dumps(evolve(FIRECRACKER_SECRET_FREE, rules=rules))


SHAPES: dict[str, Callable[[int], str]] = {
    "a long origin": lambda size: dumps(evolve(query(FakeBackend.narrow(3)), origin="x" * size)),
    "many rules": _rules,
    "many exclusions of 63 x 63 bits": _exclusions,
    "many answers": lambda size: dumps(query(FakeBackend.narrow(3))).replace(
        '"answers":{',
        '"answers":{' + "".join(f'"{n:06}":{{"number":{n},"raw":"1"}},' for n in range(size)),
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
