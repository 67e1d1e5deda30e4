"""The solver: ints in, an int out, within a budget of steps. It knows nothing of flags or hosts.

**Literals.** A literal is a statement about one bit, and literals are kept as sets in one int: bit
n says "n is in the mask", and bit n of :func:`absent` says "n is not in the mask". The literal
ALWAYS is true of every mask.

**Clauses.** A clause ``(when, every, one, many)`` says: where any literal of ``when`` is true, all
of ``every`` are true, and, unless both ``one`` and ``many`` are empty, one literal of ``one`` is
true, or the mask contains one whole mask of ``many``. ``when`` holds bits and ALWAYS, ``many``
holds masks of several bits. :func:`clause` makes one:

* A requires B, and C or both D and E: ``clause(A, every=B, any_of=(C, D | E))``
* A and B exclude each other: ``clause(A, every=absent(B))``
* every mask has A: ``clause(ALWAYS, every=A)``
* not exactly the mask A: ``clause(ALWAYS, one=absent(A) | MASK & ~A)``

**Search.** A bit that nothing forces is best left out. So once every forced conclusion is drawn,
the bits that are forced are an answer, unless a clause that applies still has several
alternatives: only these *demands* need a decision. The search takes the bit that most demands
could use, tries it set and then clear, and gives up a branch when even the demands that have no
bit in common need too many bits. It is complete, and exponential only in the number of decisions.

**Budget.** One step is one clause looked at, or one of its alternatives of several bits. What does
not end within the budget is an :exc:`OutOfSteps`, never an answer that may not be the best.

>>> from gmemflags._solver import Budget, clause, solve
>>> solve(0b001, 0b111, [clause(0b001, any_of=(0b010, 0b100))], [0b100], Budget())
5
"""

from collections.abc import Iterable, Sequence
from itertools import chain

Clause = tuple[int, int, int, tuple[int, ...]]
"""See :func:`clause`."""

MASK = (1 << 64) - 1
ALWAYS = 1 << 64
STEPS = 2_000_000
_SHIFT = 65
_ANY = 64  # as many bits as there are
_BITS = MASK | ALWAYS


class OutOfSteps(Exception):  # noqa: N818  # says what happened; no user ever sees it
    """The budget is used up before the question is settled."""


class Budget:
    """The steps that may still be taken, shared by all that one public call solves.

    Args:
        steps: How many there are.
    """

    __slots__ = ("left",)

    def __init__(self, steps: int = STEPS) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        """Take steps.

        Raises:
            OutOfSteps: There are not as many left. Then none are left.
        """
        self.left -= steps
        if self.left < 0:
            self.left = 0
            raise OutOfSteps


def absent(mask: int) -> int:
    """The literals "this bit is not in the mask" for each bit of ``mask``."""
    return mask << _SHIFT


def clause(when: int, every: int = 0, one: int = 0, any_of: Iterable[int] = ()) -> Clause:
    """Make a clause: where any of ``when`` is true, so are ``every`` and one alternative.

    Args:
        when: Bits, or ALWAYS.
        every: Literals that must all be true.
        one: Literals of which each alone is an alternative.
        any_of: Masks, each an alternative as a whole. The empty mask asks for nothing.
    """
    many: list[int] = []
    for mask in any_of:
        if not mask:
            return when, every, 0, ()
        if mask & (mask - 1):
            many.append(mask)
        else:
            one |= mask
    if len(many) == 1 and not one:
        return when, every | many[0], 0, ()
    if not many and not one & (one - 1):
        return when, every | one, 0, ()
    return when, every, one, tuple(many)


def whole_groups(required: int, groups: Sequence[int], may: int, budget: Budget) -> list[Clause]:
    """The clauses that say: beyond the required bits, only whole groups.

    Args:
        required: The bits that may be there without any group.
        groups: Masks.
        may: The bits that a mask may have; no others are spoken of.
        budget: A step for each set of bits that a group is held against.

    Raises:
        OutOfSteps: The budget is used up.
    """
    # Bits that are in the same groups share a clause.
    shared: list[tuple[int, list[int]]] = [(may & ~required, [])]
    for group in dict.fromkeys(groups):
        budget.spend(len(shared))
        for index in range(len(shared)):
            some, containing = shared[index]
            if within := some & group:
                if rest := some & ~group:
                    shared.append((rest, [*containing]))
                shared[index] = within, containing
                containing.append(group)
    return [
        clause(some, any_of=containing) if containing else clause(ALWAYS, absent(some))
        for some, containing in shared
        if some
    ]


def solve(
    must: int, may: int, clauses: Sequence[Clause], groups: Sequence[int], budget: Budget
) -> int | None:
    """The best mask M with ``must`` inside M, M inside ``may``, on which every clause holds.

    Best: of the vectors (group inside M, ...) the lexicographically greatest; of these the mask
    with the fewest bits; of these the smallest number.

    Returns:
        The mask, or None if there is none.

    Raises:
        OutOfSteps: The budget is used up.
    """
    if must & ~may:
        return None
    groups = [group for group in groups if not group & ~may]
    state = _propagate(_literals(must, may), clauses, budget)
    found = _search(state, _ANY, budget)
    if state is None or found is None:
        return None
    for group in groups:
        if group & ~state[0]:
            better = _propagate(state[0] | group, state[1], budget)
            mask = _search(better, _ANY, budget) if group & ~found else found
            if better is not None and mask is not None:
                state, found = better, mask
    return _smallest(state, found, budget)


def possible(must: int, may: int, clauses: Sequence[Clause], budget: Budget) -> bool:
    """Whether there is any mask as :func:`solve` wants it; cheaper than the best one.

    Raises:
        OutOfSteps: The budget is used up.
    """
    if must & ~may:
        return False
    return _search(_propagate(_literals(must, may), clauses, budget), _ANY, budget) is not None


def core(
    must: int,
    may: int,
    fixed: Sequence[Clause],
    parts: Sequence[Sequence[Clause]],
    budget: Budget,
) -> tuple[int, tuple[int, ...], bool]:
    """A minimal set of bits and parts that is impossible: nothing of it can be left out.

    Call it where no mask has all of ``must`` under ``fixed`` and all ``parts``. The set depends on
    the order of the parts and on nothing else: the last part of the shortest impossible prefix
    belongs to it, then the last one of the shortest prefix that is impossible together with
    that, and so on; then the same with the bits of ``must``, lowest first.

    Returns:
        The bits, the indices of the parts, in order, and whether the set is minimal: when the
        budget ends meanwhile, it is impossible, too, but something may be left out of it.
    """
    minimal = True

    def needed(known: _State, items: Sequence[_Item]) -> list[_Item]:
        # Of items that are impossible together with what is known, the minimal set, by halves:
        # of the second half what is needed beside the whole first one, then of the first half
        # what is needed beside that.
        nonlocal minimal
        if len(items) == 1:
            return list(items)
        first, second = items[: len(items) // 2], items[len(items) // 2 :]
        late: list[_Item] = list(second)
        try:
            with_first = _with(known, first, budget)
            late = needed(with_first, second) if with_first else []
            with_late = _with(known, late, budget) if late else known
        except OutOfSteps:
            minimal = False
            return [*first, *late]
        return [*needed(with_late, first), *late] if with_late else late

    def minimum(required: int, clauses: Sequence[Clause], items: list[_Item]) -> list[_Item]:
        nonlocal minimal
        try:
            known = _with((_literals(required, may), [*clauses]), [], budget)
        except OutOfSteps:
            minimal = False
            return items
        return needed(known, items) if known and items else []

    used = [index for index, _ in minimum(must, fixed, list(enumerate(parts)))]
    clauses = [*fixed, *chain.from_iterable(parts[index] for index in used)]
    bits = [1 << number for number in range(must.bit_length()) if must >> number & 1]
    kept = minimum(0, clauses, [(bit, [clause(ALWAYS, bit)]) for bit in bits])
    return sum(bit for bit, _ in kept), tuple(used), minimal


# What is known to be true, and the clauses that are still open.
_State = tuple[int, list[Clause]]
_Item = tuple[int, Sequence[Clause]]


def _literals(must: int, may: int) -> int:
    return must | ALWAYS | absent(MASK & ~may)


def _any_without(literals: int, masks: Iterable[int]) -> bool:
    # Whether some mask has none of the literals.
    for mask in masks:  # noqa: SIM110  # a generator would double the cost
        if not mask & literals:
            return True
    return False


def _with(state: _State, items: Iterable[_Item], budget: Budget) -> _State | None:
    # A state and more clauses; None if they are impossible.
    known, clauses = state
    more = _propagate(known, [*clauses, *chain.from_iterable([c for _, c in items])], budget)
    return None if _search(more, _ANY, budget) is None else more


def _propagate(  # noqa: C901, PLR0912  # the innermost loop: calls would double its cost
    known: int, clauses: Sequence[Clause], budget: Budget
) -> _State | None:
    # Every conclusion that one clause alone allows, and the clauses still open; None: no mask.
    false = _negated(known)
    if known & false:
        return None
    while True:
        before = known
        budget.spend(len(clauses))
        rest: list[Clause] = []
        for item in clauses:
            when, every, one, many = item
            if many:
                budget.spend(len(many))
            if when & known:
                if every:
                    known |= every
                    false |= _negated(every)
                    if known & false:
                        return None
                if one & known or not (one or many):
                    continue
                one &= ~false
                if many:
                    many = tuple([mask for mask in many if not mask & false])
                    if _any_without(~known, many):
                        continue
                if one & (one - 1) or len(many) + bool(one) > 1:
                    rest.append((ALWAYS, 0, one, many))
                    continue
                forced = one or (many[0] if many else 0)
                if not forced:
                    return None
                known |= forced
                false |= _negated(forced)
            elif when := when & ~false:
                if every & false or (
                    (one or many) and not one & ~false and not _any_without(false, many)
                ):
                    known |= absent(when)
                    false |= when
                else:
                    rest.append(item)
        if known == before:
            return known, rest
        rest.reverse()  # then neither order of a chain of rules takes a round for each of them
        clauses = rest


def _negated(literals: int) -> int:
    return (literals & _BITS) << _SHIFT | literals >> _SHIFT


def _search(state: _State | None, limit: int, budget: Budget) -> int | None:
    # Some mask of at most ``limit`` bits, or None if there is none.
    if state is None:
        return None
    known, clauses = state
    mask = known & MASK
    spare = limit - mask.bit_count()
    if spare < 0:
        return None
    # A demand with an alternative that some bit is absent is met by leaving that bit out.
    demands = [(one, many) for when, _, one, many in clauses if when & known and not one >> _SHIFT]
    if not demands:
        return mask
    budget.spend(len(demands))
    useful = [_union(many, one) & ~known for one, many in demands]
    if _packing(mask, demands, useful) > spare:
        return None
    bit = _most_common(useful)
    found = _search(_propagate(known | bit, clauses, budget), limit, budget)
    if found is None:
        found = _search(_propagate(known | absent(bit), clauses, budget), limit, budget)
    return found


def _union(masks: Iterable[int], mask: int) -> int:
    for other in masks:
        mask |= other
    return mask


def _packing(
    mask: int, demands: Sequence[tuple[int, tuple[int, ...]]], useful: Sequence[int]
) -> int:
    # A lower bound of the bits still needed: demands that have no bit in common add up.
    needed = seen = 0
    for index in sorted(range(len(demands)), key=lambda index: useful[index].bit_count()):
        if not useful[index] & seen:
            seen |= useful[index]
            one, many = demands[index]
            needed += 1 if one else min([(other & ~mask).bit_count() for other in many])
    return needed


def _most_common(masks: Iterable[int]) -> int:
    # The bit that is in most of the masks; the lowest of several. The counters of all bits are
    # kept side by side: planes[n] has the bits whose count has the binary digit n.
    planes: list[int] = []
    for mask in masks:
        carry = mask
        for index, plane in enumerate(planes):
            planes[index], carry = plane ^ carry, plane & carry
            if not carry:
                break
        if carry:
            planes.append(carry)
    best = -1
    for plane in reversed(planes):
        best = best & plane or best
    return best & -best


def _smallest(state: _State, found: int, budget: Budget) -> int:
    # From any mask to the best: fewer bits until there are no fewer, then each high bit spared.
    while (fewer := _search(state, found.bit_count() - 1, budget)) is not None:
        found = fewer
    count = found.bit_count()
    known, clauses = state
    while rest := found & ~known:
        highest = 1 << (rest.bit_length() - 1)
        known |= absent(MASK & ~found & -highest)  # none beyond it: that number would be larger
        without = _propagate(known | absent(highest), clauses, budget)
        spared = _search(without, count, budget)
        if without is None or spared is None:
            known |= highest
        else:
            found = spared
            known, clauses = without
    return found
