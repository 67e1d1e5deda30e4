"""A catalog: what one kernel tree defines. Data, replaceable, and never a statement about a host.

Bit 2 of the flags has meant four different things in four trees, so names belong to a tree. A
catalog for another tree than mainline is a claim of the caller that the kernel cannot confirm.

>>> from gmemflags import MAINLINE, Capability
>>> MAINLINE.capabilities[Capability.GUEST_MEMFD_FLAGS]
244
>>> print(MAINLINE.capabilities[Capability.GUEST_MEMFD_FLAGS_HI])
None
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import field, frozen

from gmemflags.catalog._frozendict import FrozenDict
from gmemflags.catalog._request import Profile
from gmemflags.catalog._rules import Rule
from gmemflags.exceptions import CatalogError
from gmemflags.masks import FlagWord
from gmemflags.masks._words import shown

if TYPE_CHECKING:
    from collections.abc import Iterable


def _by_name(flags: type[FlagWord]) -> dict[str, int]:
    return {name: member.value for name, member in flags.__members__.items()}


def _members(flags: type[FlagWord]) -> frozenset[tuple[str, int]]:
    return frozenset(_by_name(flags).items())


def _profiles(profiles: Mapping[str, Profile] | Iterable[Profile]) -> FrozenDict[str, Profile]:
    listed = profiles.values() if isinstance(profiles, Mapping) else profiles
    return FrozenDict({profile.name: profile for profile in listed})


@frozen
class Catalog:
    """What one kernel tree defines.

    ``name`` of the tree. ``flags``: a :class:`~gmemflags.masks.FlagWord` class. ``capabilities``:
    the number of each capability by its kernel name without ``KVM_CAP_``, or None where the tree
    has none; no other number is ever asked for. ``rules``: facts about combinations.
    ``profiles``: named requests.

    Two catalogs are equal if their contents are; the flag class itself does not count. Raises
    :exc:`~gmemflags.exceptions.CatalogError` for content that cannot be used at all; what can be
    used and is doubtful, :func:`~gmemflags.lint` finds.
    """

    __module__ = "gmemflags"

    name: str
    flags: type[FlagWord] = field(eq=_members)
    capabilities: Mapping[str, int | None] = field(converter=FrozenDict)
    rules: tuple[Rule, ...] = field(default=(), converter=tuple)
    profiles: Mapping[str, Profile] = field(default=(), converter=_profiles)
    named: int = field(init=False, eq=False, repr=False)
    """The mask of all bits that have a name."""

    @named.default
    def _named(self) -> int:
        _check_flags(self.name, self.flags)
        mask = 0
        for value in _by_name(self.flags).values():
            mask |= value
        return mask

    def __attrs_post_init__(self) -> None:
        _check_capabilities(self.name, self.capabilities)
        for rule in self.rules:
            if not isinstance(rule, Rule):
                raise CatalogError(self.name, f"{shown(rule)} is no rule")

    def names(self, bit: int) -> tuple[str, ...]:
        """Every name of one bit, the proper one first; empty for a bit without a name."""
        return tuple(name for name, value in _by_name(self.flags).items() if value == bit)

    @property
    def digest(self) -> str:
        """A digest of the content, equal exactly for equal catalogs: SHA-256, hexadecimal."""
        from hashlib import sha256  # noqa: PLC0415  # seldom wanted
        from json import dumps  # noqa: PLC0415  # as above

        from gmemflags.catalog._plain import plain  # noqa: PLC0415  # as above

        content = dumps(plain(self), sort_keys=True, separators=(",", ":"))
        return sha256(content.encode()).hexdigest()


def _check_flags(catalog: str, flags: type[FlagWord]) -> None:
    if not (isinstance(flags, type) and issubclass(flags, FlagWord)):
        raise CatalogError(catalog, f"flags is {shown(flags)}, not a FlagWord class")
    for name in flags.__members__:
        if not name.isascii() or name != name.upper():
            raise CatalogError(catalog, f"flag {name!r} is not written in ASCII capitals")


def _check_capabilities(catalog: str, capabilities: Mapping[str, int | None]) -> None:
    seen: dict[int, str] = {}
    for name, number in capabilities.items():
        if not isinstance(name, str):
            raise CatalogError(catalog, f"{shown(name)} is no capability name")
        if number is None:
            continue
        if type(number) is not int or not 0 <= number < 1 << 31:
            raise CatalogError(catalog, f"{name} is numbered {shown(number)}, not in [0, 2**31)")
        if number in seen:
            raise CatalogError(catalog, f"{seen[number]} and {name} have the same number {number}")
        seen[number] = name
