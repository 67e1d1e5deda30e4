"""What solving costs: every day, with twice the rules, for a refusal, and at its hardest.

Where python-sat is installed it is given the hardest cases too, and asked for the fewest bits by
its MaxSAT solver. It does not look for the smallest number among masks of as few bits, which the
library does.
"""

import multiprocessing
import statistics
from collections.abc import Callable, Sequence
from ctypes import CDLL
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import combinations, pairwise, product
from random import Random
from time import process_time
from typing import Any

from bench import Figure, skip
from gmemflags import (
    MAINLINE,
    Always,
    Catalog,
    Excludes,
    Prerequisites,
    Request,
    Requires,
    Rule,
    Support,
    query,
    resolve,
)
from gmemflags._masks import MASK, flag_class
from gmemflags._solver import ALWAYS, STEPS, Budget, Clause, OutOfSteps, solve, whole_groups
from gmemflags.testing import FakeBackend

BITS = [1 << number for number in range(64)]
# A host with all flags but one: all of them at once would be an errno.
LISTED = MASK ^ 1 << 62
PATIENCE = 5.0  # seconds for python-sat
WHY = "It is so."
SOURCE = "a benchmark"


def requires(flag: int, other: int, number: int) -> Rule:
    """A rule that no other one is equal to."""
    return Requires(flag, all_of=other, why=f"So says rule {number}.", source=SOURCE)


def excludes(a: int, b: int) -> Rule:
    """A rule of this kind."""
    return Excludes(a, b, why=WHY, source=SOURCE)


def one_of(*alternatives: int) -> Rule:
    """Every mask has one of these."""
    return Always(any_of=alternatives, why=WHY, source=SOURCE)


def seconds(call: Callable[[], object], calls: int = 1) -> float:
    """CPU seconds of one call: the median of seven rounds."""
    times: list[float] = []
    for _ in range(7):
        start = process_time()
        for _ in range(calls):
            call()
        times.append((process_time() - start) / calls)
    return statistics.median(times)


# --- every day ---------------------------------------------------------------------------------


def everyday() -> Figure:
    """Mainline's rules and one group, against a system call through ctypes."""
    flags = MAINLINE.named
    rules = [each for rule in MAINLINE.rules for each in rule.clauses(flags)]
    syscall = CDLL(None).syscall
    own = seconds(
        lambda: solve(0, flags, [*whole_groups(0, [3], flags, Budget()), *rules], [3], Budget()),
        20_000,
    )
    bare = seconds(lambda: syscall(39), 20_000)  # getpid on x86-64, and as short elsewhere
    return "solving mainline with one group / one bare syscall through ctypes", own / bare, None


# --- what grows --------------------------------------------------------------------------------


def chains(count: int) -> list[Rule]:
    """Each bit requires the next one, again and again: a conflict takes a rule for every bit."""
    listed = [bit for bit in BITS if bit & LISTED]
    links = list(pairwise(listed))
    return [requires(*links[number * len(links) // count], number) for number in range(count)]


def implications(count: int) -> list[Rule]:
    """Each rule from one bit to any later one, in a random order."""
    random = Random(7)  # noqa: S311  # chance, not secrets
    listed = [bit for bit in BITS if bit & LISTED]
    pairs = [random.sample(listed, 2) for _ in range(count)]
    return [requires(min(pair), max(pair), number) for number, pair in enumerate(pairs)]


def host(rules: Sequence[Rule]) -> Support:
    """A host that lists 63 flags, under a catalog with these rules."""
    flags = flag_class("Flag", {f"F{number}": bit for number, bit in enumerate(BITS)})
    catalog = Catalog("bench", flags, MAINLINE.capabilities, rules=rules)
    return query(FakeBackend.wide(LISTED), catalog)


def ask(support: Support, request: Request) -> object:
    """The mask, or all that is wrong."""
    answer = resolve(support, request)
    return answer.mask if answer.ok else answer.problems


def growth() -> list[Figure]:
    """Grants and refusals, with their minimal conflicts, under 1,024 and 2,048 rules."""
    found: list[Figure] = []
    for name, make in (("chained", chains), ("random", implications)):
        cost: dict[tuple[str, int], float] = {}
        for count in (1024, 2048):
            support = host(make(count))
            granted = Request(required=1, prerequisites=Prerequisites.ADD)
            refused = Request(required=1, forbidden=1 << 63, prerequisites=Prerequisites.ADD)
            cost["grant", count] = seconds(partial(ask, support, granted), 10)
            cost["refusal", count] = seconds(partial(ask, support, refused), 10)
        for answer in ("grant", "refusal"):
            ratio = cost[answer, 2048] / cost[answer, 1024]
            found.append((f"a {answer} under 2,048 {name} rules / under 1,024", ratio, 2.5))
        ratio = cost["refusal", 2048] / cost["grant", 2048]
        found.append((f"a refusal under 2,048 {name} rules, in full / a grant", ratio, 20))
    return found


# --- the hardest -------------------------------------------------------------------------------


def one_of_three() -> list[Rule]:
    """256 rules "every mask has one of these three" over 64 bits."""
    random = Random(3)  # noqa: S311  # as above
    return [one_of(*random.sample(BITS, 3)) for _ in range(256)]


def steiner(points: int) -> list[Rule]:
    """A Steiner triple system of 6n + 3 points, after Bose: one point of each triple."""
    third = points // 3
    layers = [BITS[start : start + third] for start in range(0, points, third)]
    triples = [(layers[0][x], layers[1][x], layers[2][x]) for x in range(third)]
    for x, y in combinations(range(third), 2):
        z = (x + y) * (third + 1) // 2 % third
        triples += [(layers[n][x], layers[n][y], layers[(n + 1) % 3][z]) for n in range(3)]
    return [one_of(*triple) for triple in triples]


def parity() -> list[Rule]:
    """16 vertices, three edges each, an odd number set at one and an even number elsewhere.

    An edge has two bits, set and not set. The sum over all vertices is even: there is no mask.
    """
    # Around a ring, and each vertex with the one five further on, in pairs.
    edges = [(n, (n + 1) % 16) for n in range(16)]
    edges += [(n, (n + 5) % 16) for n in range(0, 16, 2)]
    yes, no = BITS[0:48:2], BITS[1:48:2]
    rules = [one_of(*edge) for edge in zip(yes, no, strict=True)]
    rules += [excludes(*edge) for edge in zip(yes, no, strict=True)]
    for vertex in range(16):
        mine = [number for number, edge in enumerate(edges) if vertex in edge]
        for values in product((0, 1), repeat=3):
            if sum(values) % 2 != (vertex == 0):  # so these may not be all three
                pairs = zip(mine, values, strict=True)
                rules.append(one_of(*(no[edge] if value else yes[edge] for edge, value in pairs)))
    return rules


def pigeons() -> list[Rule]:
    """Eight pigeons in seven holes, one each: there is no mask."""
    holes = [[BITS[pigeon * 7 + hole] for hole in range(7)] for pigeon in range(8)]
    rules = [one_of(*mine) for mine in holes]
    for hole in range(7):
        rules += [excludes(a[hole], b[hole]) for a, b in combinations(holes, 2)]
    return rules


HARD: dict[str, tuple[Callable[[], list[Rule]], int | None]] = {
    "256 rules one of 3": (one_of_three, 31),
    "Steiner triples of 45 points": (lambda: steiner(45), None),
    "Steiner triples of 63 points": (lambda: steiner(63), None),
    "parity on 16 vertices": (parity, 0),
    "8 pigeons in 7 holes": (pigeons, 0),
}
"""Each with the bits of the right mask, 0 for no mask, or None where it is not known."""


def told(bits: int | None, right: int | None) -> str:
    """An outcome in words."""
    what = f"{bits} bits" if bits else "no mask"
    return what if right in (None, bits or 0) else f"{what}, WRONG: {right} is right"


def hardest() -> None:
    """Print outcome, steps and seconds of each."""
    for name, (make, right) in HARD.items():
        clauses = [each for rule in make() for each in rule.clauses(MASK)]
        budget = Budget()
        start = process_time()
        try:
            mask = solve(0, MASK, clauses, (), budget)
            outcome = told(mask and mask.bit_count(), right)
        except OutOfSteps:
            outcome = "out of steps"
        cost = process_time() - start
        print(f"{name}: {outcome}, {STEPS - budget.left:,} steps, {cost:.2f} s CPU", flush=True)
        if find_spec("pysat"):
            print(f"{name}, python-sat: {within_patience(clauses, right)}", flush=True)
        else:
            skip(f"{name}, python-sat", "it is not installed")


def within_patience(clauses: Sequence[Clause], right: int | None) -> str:
    """What python-sat says, in a child that can be stopped."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=lambda: sender.send(by_python_sat(clauses)))
    child.start()
    said = "no answer"
    if receiver.poll(PATIENCE):
        bits, cost = receiver.recv()
        said = f"{told(bits, right)}, {cost:.2f} s CPU"
    else:
        said = f"no answer in {PATIENCE:.0f} s"
        child.terminate()
    child.join()
    return said


def by_python_sat(clauses: Sequence[Clause]) -> tuple[int | None, float]:
    """The fewest bits, and CPU seconds; the making of the clauses aside."""
    wcnf: Any = import_module("pysat.formula").WCNF()
    rc2: Any = import_module("pysat.examples.rc2")
    wcnf.extend([literals for each in clauses for literals in cnf(each)])
    wcnf.extend([[-number] for number in range(1, 65)], weights=[1] * 64)
    start = process_time()
    with rc2.RC2(wcnf) as best:
        model = best.compute()
    bits = None if model is None else sum(0 < number <= 64 for number in model)
    return bits, process_time() - start


def cnf(item: Clause) -> list[list[int]]:
    """A clause of the library's as clauses of python-sat's."""
    when, every, one, many = item
    found: list[list[int]] = []
    for trigger in [[]] if when == ALWAYS else [[-number] for number in numbers(when)]:
        found += [[*trigger, number] for number in numbers(every)]
        if one or many:
            choices = product(*(numbers(mask) for mask in many))
            found += [[*trigger, *numbers(one), *chosen] for chosen in choices]
    return found


def numbers(literals: int) -> list[int]:
    """Bit n as n + 1, and that it is absent as -n - 1."""
    set_in = [number for number in range(130) if literals >> number & 1]
    return [number + 1 if number < 64 else 64 - number for number in set_in]


def figures() -> list[Figure]:
    """The ratios; what the hardest cases took is printed at once."""
    hardest()
    return [everyday(), *growth()]
