"""The oracle: negotiation by trying every mask, after the words of the specification.

It shares no code with the library: rules, catalog, host and request are its own plain data, and
what they mean is written down here once more, from docs/reference/semantics.md.
"""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

Mask = int

# The names of one architecture, in small letters; any other name is not known.
FAMILIES = (
    ("x86_64", "amd64", "x86-64", "i386", "i486", "i586", "i686"),
    ("aarch64", "arm64", "aarch64_be", "armv8l", "armv8b"),
    ("ppc64", "ppc64le"),
    ("s390x", "s390"),
    ("mips64", "mips"),
    ("riscv64",),
    ("loongarch64",),
)
ARM64 = "aarch64"


class Law(NamedTuple):
    """A rule as data: ``kind`` with its operands, ``stage`` 0 to 2, and its hosts."""

    kind: str
    a: Mask
    b: Mask
    ways: tuple[Mask, ...]
    stage: int
    machines: tuple[str, ...]
    types: tuple[int, ...]
    excepted: tuple[int, ...]


class Demand(NamedTuple):
    """A need as data: what the answer to another capability must have."""

    capability: str
    bits: Mask
    ways: tuple[Mask, ...]
    at_least: int | None
    optional: bool


class Case(NamedTuple):
    """One negotiation, from nothing but numbers and names."""

    places: tuple[int, ...]  # the bit numbers that the tree names: bit 5 is F5
    laws: tuple[Law, ...]
    shape: str  # narrow, split or wide
    listed: Mask
    guest_memfd: int | None  # what it was answered; None: the tree has no number for it
    system: bool  # asked at system scope
    machine: str | None
    vm_type: int | None
    answers: dict[str, Mask]  # other capabilities
    errors: dict[str, int]  # and those that could not be asked, with the errno
    required: Mask
    preferred: tuple[Mask, ...]
    forbidden: Mask
    needs: tuple[Demand, ...]
    names: tuple[tuple[Mask, str], ...]  # what the caller's flags call some bits
    pinned: bool | None  # to this catalog, to another one, to none
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


def family(machine: str | None) -> str | None:
    """The architecture that a machine name stands for; None for a name that is not known."""
    plain = (machine or "").strip().lower()
    return next((names[0] for names in FAMILIES if plain in names), None)


def is_on_machine(law: Law, machine: str | None) -> bool:
    """Whether a rule may speak of a machine: only two known, different architectures say no."""
    here = family(machine)
    others = {family(name) for name in law.machines}
    return not law.machines or here is None or None in others or here in others


def is_of_type(law: Law, case: Case) -> bool:
    """Whether a rule may speak of the VM's type.

    On arm64 bits 7:0 of the number are an address size, and no part of the type. Where the machine
    is not known, a number above 0xff is read like that as well, and a smaller one is a type or, if
    the rule may be for arm64, type 0 with an address size. A type is excepted only if it is in any
    reading.
    """
    if not law.types and not law.excepted:
        return True
    if case.system:
        return False
    if case.vm_type is None:
        return True
    here, number = family(case.machine), case.vm_type
    if number in law.excepted:
        return False
    if here == ARM64 and number >> 8 in {other >> 8 for other in law.excepted}:
        return False
    if not law.types:
        return True
    on_arm64 = number >> 8 in {other >> 8 for other in law.types}
    if here == ARM64:
        return on_arm64
    if here is not None:
        return number in law.types
    types = {other if other < 0x100 else other >> 8 << 8 for other in law.types}
    elsewhere = (number if number < 0x100 else number >> 8 << 8) in types
    return elsewhere or (on_arm64 and is_on_machine(law, ARM64))


def applies(law: Law, case: Case) -> bool:
    """Whether a rule constrains the answer: it is for this host or may be, and early enough."""
    return law.stage <= case.until and is_on_machine(law, case.machine) and is_of_type(law, case)


def is_met(need: Demand, case: Case) -> bool:
    """Whether a need is met, or was optional."""
    if need.optional:
        return True
    answer = case.answers.get(need.capability)
    if answer is None:
        return False
    if need.bits == 0 and need.ways == () and need.at_least is None:
        return answer > 0
    return (
        answer & need.bits == need.bits
        and (need.ways == () or any(answer & way == way for way in need.ways))
        and (need.at_least is None or answer >= need.at_least)
    )


def misnamed(case: Case) -> Mask:
    """The bits that the caller's flags and the tree call by different names."""
    found = 0
    for bit, name in case.names:
        place = bit.bit_length() - 1
        if place in case.places and name != f"F{place}":
            found |= bit
    return found


def whole(case: Case, mask: Mask) -> bool:
    """Whether a mask is exactly what is required, joined with whole groups."""
    union = case.required
    for group in case.preferred:
        if group & mask == group:
            union |= group
    return union == mask


def may_be_granted(case: Case) -> bool:
    """Whether all conditions hold that speak of no mask."""
    return (
        bool(case.guest_memfd)
        and (case.wants_system or not case.system)
        and case.pinned is not False
        and not misnamed(case) & (case.required | case.forbidden)
        and all(is_met(need, case) for need in case.needs)
    )


def named(case: Case) -> Mask:
    """The bits that the tree names."""
    return sum(1 << place for place in case.places)


def best(case: Case, *, laws: bool = True) -> Mask | None:
    """The answer to a case, by trying every mask of named bits; None for a refusal."""
    usable = case.listed & named(case) & ~case.forbidden & ~misnamed(case)
    if not may_be_granted(case) or case.required & ~usable:
        return None
    free = usable & ~case.required
    chosen: tuple[Any, ...] | None = None
    rules = [law for law in case.laws if applies(law, case)] if laws else []
    extra = 0
    while True:  # every subset of what is free, beside all that is required
        mask = extra | case.required
        if (case.add or whole(case, mask)) and all(obeys(law, mask) for law in rules):
            missed = tuple(group & mask != group for group in case.preferred)
            key = (missed, mask.bit_count(), mask)
            chosen = key if chosen is None or key < chosen else chosen
        extra = (extra - free) & free
        if not extra:
            break
    return chosen[2] if chosen else None


def any_mask(case: Case) -> bool:
    """Whether the rules alone leave any mask of named bits, whatever is asked and listed."""
    rules = [law for law in case.laws if applies(law, case)]
    every, mask = named(case), 0
    while True:
        if all(obeys(law, mask) for law in rules):
            return True
        mask = (mask - every) & every
        if not mask:
            return False


def some(random: Random, pool: tuple[Mask, ...], odds: float) -> Mask:
    """A mask of some bits of a pool."""
    return sum(bit for bit in pool if random.random() < odds)


_MACHINES = (
    "x86_64",
    "amd64",
    "AMD64",
    "i686",
    "aarch64",
    "arm64",
    "ARM64",
    " aarch64\n",
    "armv8l",
    "riscv64",
    "s390",
    "ppc64le",
    "quantum",
)
_PROTECTED = 1 << 31
_TYPES = (0, 0, 4, 5, 36, _PROTECTED, _PROTECTED | 40, 0x100, 0x104)


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
    machines: tuple[str, ...] = ()
    types: tuple[int, ...] = ()
    if random.random() < 0.3:
        machines = tuple(random.sample(_MACHINES, random.choice([1, 1, 2])))
    if random.random() < 0.3:
        types = random.choice([(0,), (4, 5), (_PROTECTED,), (_PROTECTED | 33,), (36,), (0x104,)])
    excepted = tuple(random.sample(_TYPES, random.choice([0] * 5 + [1, 1, 2])))
    return Law(kind, a, b, ways, random.choice([0, 0, 1, 2]), machines, types, excepted)


def random_need(random: Random) -> Demand:
    """A need of any kind: of a capability that is there, that fails, that has no number."""
    return Demand(
        random.choice(["X", "Y", "Y", "W", "Z"]),
        random.choice([0, 0, 1, 3, 1 << 31]),
        random.choice([(), (), (1, 2), (4, 3), (0,)]),
        random.choice([None, None, 0, 2, 4, 1 << 31, 1 << 63]),
        random.random() < 0.3,
    )


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
    answers = {"X": random.choice([0, 1, 3, 3, 7, 1 << 31, 1 << 63 | 3]), "Y": 3}
    errors = {"W": 22} if random.random() < 0.5 else {}
    if random.random() < 0.05:
        errors["X"] = random.choice([5, 25])
        del answers["X"]
    names = tuple(
        (1 << place, f"F{place}" if random.random() < 0.9 else "OTHER")
        for place in places
        if random.random() < random.choice([0, 0.3])
    )
    system = random.random() < 0.08
    return Case(
        places=places,
        laws=tuple(random_law(random, pool) for _ in range(random.choice([0, 4, 8, 12, 15, 18]))),
        shape=shape,
        listed=listed,
        guest_memfd=random.choice([1] * 40 + [2, 6, 0, None]),
        system=system,
        machine=random.choice([None, "", *_MACHINES]),
        vm_type=None if system else random.choice([None, *_TYPES, 1 << 32]),
        answers=answers,
        errors=errors,
        required=required,
        preferred=groups,
        forbidden=forbidden,
        needs=tuple(random_need(random) for _ in range(random.choice([0, 0, 0, 0, 1, 2]))),
        names=names,
        pinned=random.choice([None] * 8 + [True, True] + [False] * (random.random() < 0.2)),
        add=random.random() < 0.5,
        until=random.choice([0, 1, 2, 2]),
        wants_system=random.random() < 0.6,
    )
