"""A tree that nobody wrote, for tests of rules: a few flags, and a host that lists them."""

from typing import Any

from gmemflags import MAINLINE, Catalog, Support, query
from gmemflags.catalog import Rule
from gmemflags.masks import FlagWord
from gmemflags.testing import FakeBackend


class Flag(FlagWord):
    """Flags that the kernel does not have, one of them where 32 bits do not reach."""

    FOO = 1 << 2
    BAR = 1 << 3
    BAZ = 1 << 4
    QUX = 1 << 5
    HIGH = 1 << 40


FOO, BAR, BAZ, QUX, HIGH = Flag.FOO, Flag.BAR, Flag.BAZ, Flag.QUX, Flag.HIGH
ALL = 0x3C  # all of them that a narrow host can list
SAID: dict[str, Any] = {"why": "It is so.", "source": "a test"}  # for every rule


def tree(*rules: Rule) -> Catalog:
    """The tree with these rules."""
    return Catalog("a-tree", Flag, MAINLINE.capabilities, rules)


def host(flags: int = ALL, *rules: Rule) -> Support:
    """A VM that lists these flags, in the tree with these rules."""
    return query(FakeBackend.narrow(flags), tree(*rules))
