"""A tree that nobody wrote, its flags FOO, BAR, BAZ, QUX and HIGH, and hosts that are of it."""

from collections.abc import Mapping
from typing import Any, cast

from gmemflags import (
    MAINLINE,
    Backend,
    Catalog,
    Excludes,
    FlagWord,
    HostFacts,
    Requires,
    Rule,
    Scope,
    Support,
    query,
)
from gmemflags.testing import FakeBackend

SAID: dict[str, Any] = {"why": "It is so.", "source": "a test"}


class Flag(FlagWord):
    """Flags of a tree, one of them where 32 bits do not reach."""

    FOO = 1 << 2
    BAR = 1 << 3
    BAZ = 1 << 4
    QUX = 1 << 5
    HIGH = 1 << 40


FOO, BAR, BAZ, QUX, HIGH = Flag
ALL = int(FOO | BAR | BAZ | QUX)
BAR_NEEDS_FOO = Requires(BAR, all_of=FOO, why="BAR builds on FOO.", source="an example")
FOO_EXCLUDES_BAR = Excludes(FOO, BAR, **SAID)
# What every answer under this tree says of it.
CLAIM = "the names are those of a-tree, by the caller's choice: a kernel confirms bits, never names"


def flag_class(members: Mapping[str, int], name: str = "Flag") -> type[FlagWord]:
    """A flag class of these members, made as enum makes classes of data."""
    made: type[FlagWord] = cast("Any", FlagWord)(name, dict(members))
    return made


def tree_of(flags: type[FlagWord], *rules: Rule, name: str = "a-tree") -> Catalog:
    """A tree of these flags and rules, with mainline's numbers."""
    return Catalog(name, flags, MAINLINE.capabilities, rules)


def tree(*rules: Rule) -> Catalog:
    """The tree with these rules."""
    return tree_of(Flag, *rules)


def needs(flag: int, all_of: int, **rest: Any) -> Requires:
    """A rule of the usual kind."""
    return Requires(flag, all_of=all_of, **SAID, **rest)


def host(flags: int = ALL, *rules: Rule) -> Support:
    """A default x86-64 VM that lists these flags in a word, in the tree with these rules."""
    return query(FakeBackend.narrow(flags), tree(*rules))


def named(origin: str, flags: int, catalog: Catalog = MAINLINE) -> Support:
    """A default x86-64 VM of this name that lists these flags in a word."""
    backend = FakeBackend(
        {231: 1, 233: 0, 234: 1, 235: 1, 244: int(flags)},
        host=HostFacts("6.18.0", "x86_64", 0),
        origin=origin,
    )
    return query(backend, catalog)


def answering(catalog: Catalog, **answers: int) -> Support:
    """A VM of which these answers are all that is known."""
    return Support(answers=answers, scope=Scope.VM, catalog=catalog)


def dev_kvm(flags: int, catalog: Catalog = MAINLINE) -> Support:
    """A /dev/kvm of an x86-64 host that lists these flags."""
    return query(system(flags), catalog)


def system(flags: int, machine: str = "x86_64") -> Backend:
    """The backend of such a /dev/kvm."""
    return FakeBackend(
        {231: 1, 234: 1, 235: 1, 244: int(flags)},
        scope=Scope.SYSTEM,
        host=HostFacts("6.18.0", machine),
        origin="/dev/kvm",
    )
