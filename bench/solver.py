"""What resolving costs: beside a SAT solver, with twice the rules, and at its hardest.

python-sat is given the same problem as clauses. It is asked wish by wish under assumptions, as the
library is, and then for the fewest bits by its MaxSAT solver; it does not look for the smallest
number among several masks of as few bits, which the library does.
"""

import statistics
from importlib import import_module
from importlib.util import find_spec
from itertools import product
from random import Random
from time import process_time
from typing import TYPE_CHECKING, Any

from bench import Figure, skip
from gmemflags import MAINLINE, Catalog, Excludes, Prerequisites, Request, Requires, resolve
from gmemflags._solver import solve
from gmemflags import Support, query
from gmemflags._masks import flag_class
from gmemflags.testing import FakeBackend

if TYPE_CHECKING:
    from gmemflags import Rule

BITS = [1 << number for number in range(64)]
EVERY = (1 << 64) - 1
WHY = "It is so."
SOURCE = "a benchmark"


def problem(rules: int, seed: int = 7) -> tuple[Support, Request]:
    """64 flags that a host lists all, rules of both kinds, and 64 wishes of one or two flags."""
    random = Random(seed)  # noqa: S311  # chance, not secrets
    laws: list[Rule] = []
    for number in range(rules):
        a, b, c, d = random.sample(BITS, 4)
        if number % 4 == 0:
            laws.append(Excludes(a, b, why=WHY, source=SOURCE))
        else:
            laws.append(Requires(a, any_of=(b, c, c | d), why=WHY, source=SOURCE))
    flags = flag_class("Flag", {f"F{number}": bit for number, bit in enumerate(BITS)})
    catalog = Catalog("bench", flags, MAINLINE.capabilities, rules=laws)
    wishes = [random.choice(BITS) | random.choice(BITS) for _ in range(64)]
    request = Request(preferred=wishes, prerequisites=Prerequisites.ADD)
    return query(FakeBackend.wide(EVERY - (1 << 62)), catalog), request


def cost(support: Support, request: Request) -> float:
    """CPU seconds of one resolution: the median of five."""
    times: list[float] = []
    for _ in range(5):
        start = process_time()
        resolve(support, request)
        times.append(process_time() - start)
    return statistics.median(times)


def by_python_sat(support: Support, request: Request) -> float:
    """CPU seconds of the same in python-sat, the making of the clauses aside."""
    solvers: Any = import_module("pysat.solvers")
    wcnf: Any = import_module("pysat.formula").WCNF()
    rc2: Any = import_module("pysat.examples.rc2")
    listed = support.mask
    clauses = [[-bit.bit_length()] for bit in BITS if not bit & listed]
    for rule in support.catalog.rules:
        for clear, ways in rule.clauses(listed):
            no = [-bit.bit_length() for bit in BITS if bit & clear]
            choices = product(*([bit for bit in BITS if bit & way] for way in ways))
            clauses += [[*no, *(bit.bit_length() for bit in chosen)] for chosen in choices]
    start = process_time()
    granted: list[int] = []
    with solvers.Solver(bootstrap_with=clauses) as solver:
        for wish in request.preferred:
            wanted = [bit.bit_length() for bit in BITS if bit & wish]
            if solver.solve(assumptions=[*granted, *wanted]):
                granted += wanted
    wcnf.extend([*clauses, *([literal] for literal in granted)])
    wcnf.extend([[-number] for number in range(1, 65)], weights=[1] * 64)
    with rc2.RC2(wcnf) as best:
        best.compute()
    return process_time() - start


def figures() -> list[Figure]:
    """The ratios; how long the hardest problem took is printed at once."""
    single, double = problem(256), problem(512)
    alone = cost(*single)
    found: list[Figure] = [("resolving with 512 rules / with 256", cost(*double) / alone, 2.5)]
    name = "resolving 64 flags, 256 rules, 64 wishes / the same in python-sat"
    if find_spec("pysat"):
        found.append((name, alone / by_python_sat(*single), None))
    else:
        skip(name, "python-sat is not installed")
    for size, count in ((3, 200), (3, 256)):
        random = Random(size)  # noqa: S311  # as above
        sets = [(0, tuple(random.sample(BITS, size))) for _ in range(count)]
        start = process_time()
        mask = solve(0, EVERY, sets)
        told = mask.bit_count() if mask is not None else "no"
        seconds = process_time() - start
        print(f"{count} rules 'one of {size}' over 64 bits: {told} bits, {seconds:.1f} s CPU")
    return found
