"""The oracle: negotiation by trying every mask, after the words of the specification.

It shares no code with the library: rules, catalog, host and request are its own plain data, and
what they mean is written down here once more, from docs/reference/semantics.md.
"""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

Mask = int


class Law(NamedTuple):
    """A rule as data: ``kind`` with its operands, ``stage`` 0 to 2, and its hosts."""

    kind: str
    a: Mask
    b: Mask
    ways: tuple[Mask, ...]
    stage: int
    machines: tuple[str, ...]
    types: tuple[int, ...]


class Case(NamedTuple):
    """One negotiation, from nothing but numbers."""

    places: tuple[int, ...]  # the bit numbers that the tree names
    laws: tuple[Law, ...]
    shape: str  # narrow, split or wide
    listed: Mask
    there: bool  # whether guest_memfd is
    system: bool  # asked at system scope
    machine: str | None
    vm_type: int | None
    answers: dict[str, int]  # other capabilities
    required: Mask
    preferred: tuple[Mask, ...]
    forbidden: Mask
    needs: tuple[tuple[str, Mask, tuple[Mask, ...]], ...]
    add: bool
    until: int
    wants_system: bool


def obeys(law: Law, mask: Mask) -> bool:
    """Whether a mask obeys a rule, by the table of the specification."""
    some = not law.ways or any(way & mask == way for way in law.ways)
    if law.kind == "requires":
        return mask & law.a == 0 or (mask & law.b == law.b and some)
    if law.kind == "excludes":
        return mask & law.a == 0 or mask & law.b == 0
    if law.kind == "always":
        return mask & law.a == law.a and some
    if law.kind == "never":
        return mask & law.a == 0
    return mask != law.a


def concerns(law: Law, case: Case) -> bool:
    """Whether a rule is for this host, or may be; /dev/kvm answers for the best type of VM."""
    machine = not law.machines or case.machine is None or case.machine in law.machines
    open_type = case.vm_type is None and not case.system
    vm_type = not law.types or open_type or case.vm_type in law.types
    return machine and vm_type and law.stage <= case.until


def whole(case: Case, mask: Mask) -> bool:
    """Whether a mask is the required bits joined with whole groups."""
    union = case.required
    for group in case.preferred:
        if group & mask == group:
            union |= group
    return union == mask


def best(case: Case, *, laws: bool = True) -> Mask | None:
    """The answer to a case, by trying every mask of named bits; None for a refusal."""
    if not case.there or (case.system and not case.wants_system):
        return None
    for name, wanted, ways in case.needs:
        answer = case.answers.get(name)
        if answer is None or answer & wanted != wanted:
            return None
        if not wanted and not ways and not answer:
            return None
        if ways and not any(answer & way == way for way in ways):
            return None
    named = sum(1 << place for place in case.places)
    free = case.listed & named & ~case.forbidden & ~case.required
    if case.required & ~(case.listed & named & ~case.forbidden):
        return None
    chosen: tuple[Any, ...] | None = None
    rules = [law for law in case.laws if concerns(law, case)] if laws else []
    extra = 0
    while True:  # every subset of what is free, beside all that is required
        mask = extra | case.required
        if (case.add or whole(case, mask)) and all(obeys(law, mask) for law in rules):
            met = tuple(group & mask != group for group in case.preferred)
            key = (met, mask.bit_count(), mask)
            chosen = key if chosen is None or key < chosen else chosen
        extra = (extra - free) & free
        if not extra:
            break
    return chosen[2] if chosen else None


def some(random: Random, pool: tuple[Mask, ...], odds: float) -> Mask:
    """A mask of some bits of a pool."""
    return sum(bit for bit in pool if random.random() < odds)


def random_law(random: Random, pool: tuple[Mask, ...]) -> Law:
    """A rule over a pool of bits; now and then an odd one."""
    kind = random.choice(["requires"] * 5 + ["excludes"] * 3 + ["always", "never", "refused"])
    few = 1.3 / len(pool)
    a, b = some(random, pool, few), some(random, pool, few)
    if kind == "always" and random.random() < 0.8:
        a = 0
    ways: tuple[Mask, ...] = ()
    if kind in ("requires", "always") and random.random() < 0.5:
        ways = tuple(some(random, pool, 1.8 / len(pool)) for _ in range(random.randint(1, 3)))
    if kind in ("excludes", "never") and random.random() < 0.9:
        a &= -a
    machines = random.choice([()] * 5 + [("m1",), ("m1", "m2")])
    types = random.choice([()] * 5 + [(0,), (4, 5)])
    return Law(kind, a, b, ways, random.choice([0, 0, 1, 2]), machines, types)


def random_case(random: Random) -> Case:
    """A case; the odds are such that each kind of answer is frequent."""
    places = tuple(sorted(random.sample(range(64), random.randint(8, 12))))
    pool = tuple(1 << place for place in places)
    shape = random.choice(["narrow", "split", "wide"])
    listed = some(random, pool, random.choice([0.8, 0.95, 1.0]))
    listed |= 0 if random.random() < 0.7 else random.getrandbits(64) & random.getrandbits(64)
    if shape == "narrow":
        listed &= 0xFFFFFFFF
    reach = tuple(bit for bit in pool if listed & bit) or pool
    required = some(random, random.choice([pool, reach, reach, reach]), 1.2 / len(pool))
    groups = tuple(
        some(random, random.choice([pool, reach]), 1.6 / len(pool))
        for _ in range(random.randint(1, 6))
    )
    forbidden = some(random, pool, random.choice([0, 0, 0.1])) & ~required
    if random.random() < 0.1:
        forbidden |= random.getrandbits(64) & ~required & ~sum(pool)
    if random.random() < 0.02:
        required |= 1 << random.randrange(64)
    needs = tuple(
        (random.choice(["X", "Y", "Z"]), random.choice([0, 1, 3]), random.choice([(), (1, 2)]))
        for _ in range(random.choice([0, 0, 0, 0, 1]))
    )
    return Case(
        places=places,
        laws=tuple(random_law(random, pool) for _ in range(random.choice([0, 4, 8, 12, 15, 18]))),
        shape=shape,
        listed=listed,
        there=random.random() < 0.98,
        system=random.random() < 0.04,
        machine=random.choice([None, "m1", "m2", "m3"]),
        vm_type=random.choice([None, 0, 4]),
        answers={"X": random.choice([0, 1, 3, 3]), "Y": 1},
        required=required,
        preferred=groups,
        forbidden=forbidden,
        needs=needs,
        add=random.random() < 0.5,
        until=random.choice([0, 1, 1, 2]),
        wants_system=random.random() < 0.5,
    )
