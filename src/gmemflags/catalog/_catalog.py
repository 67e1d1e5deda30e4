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

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from attrs import Factory, field, frozen

from gmemflags.catalog._frozendict import FrozenDict
from gmemflags.catalog._rules import Rule
from gmemflags.exceptions import CatalogError
from gmemflags.masks import FlagWord
from gmemflags.masks._flagword import flag_class
from gmemflags.masks._words import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gmemflags.catalog._request import Profile
    from gmemflags.catalog._uapi import Capability


def _by_name(flags: type[FlagWord]) -> dict[str, int]:
    return {name: member.value for name, member in flags.__members__.items()}


def _members(flags: type[FlagWord]) -> frozenset[tuple[str, int]]:
    return frozenset(_by_name(flags).items())


def _profiles(profiles: Mapping[str, Profile] | Iterable[Profile]) -> FrozenDict[str, Profile]:
    listed: Iterable[Profile]
    if isinstance(profiles, Mapping):
        listed = cast("Mapping[str, Profile]", profiles).values()
    else:
        listed = profiles
    named: dict[str, Profile] = {}
    for profile in listed:
        if profile.name in named:
            raise CatalogError("of these profiles", f"two of them are called {profile.name}")
        named[profile.name] = profile
    return FrozenDict(named)


def _no_profiles() -> FrozenDict[str, Profile]:
    return FrozenDict()


def _capabilities(
    numbers: Mapping[str, int | None] | Mapping[Capability, int | None],
) -> FrozenDict[str, int | None]:
    return FrozenDict({str(name): number for name, number in numbers.items()})


def _rules(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    return tuple(rules)


def _named(catalog: Catalog) -> int:
    _check_flags(catalog.name, catalog.flags)
    mask = 0
    for value in _by_name(catalog.flags).values():
        mask |= value
    return mask


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
    capabilities: Mapping[str, int | None] = field(converter=_capabilities)
    rules: tuple[Rule, ...] = field(default=(), converter=_rules)
    profiles: Mapping[str, Profile] = field(factory=_no_profiles, converter=_profiles)
    named: int = field(init=False, eq=False, repr=False, default=Factory(_named, takes_self=True))
    """The mask of all bits that have a name."""

    def __attrs_post_init__(self) -> None:
        _check_capabilities(self.name, self.capabilities)
        _check_rules(self.name, self.rules)

    def name_of(self, bit: int) -> str | None:
        """The name of one bit, or None if it has none."""
        return next((name for name, value in _by_name(self.flags).items() if value == bit), None)

    def __reduce__(self) -> tuple[object, ...]:
        flags = _portable(self.flags)
        return _restored, (self.name, flags, self.capabilities, self.rules, self.profiles)

    @property
    def digest(self) -> str:
        """A digest of the content, equal exactly for equal catalogs: SHA-256, hexadecimal."""
        from hashlib import sha256  # noqa: PLC0415  # seldom wanted
        from json import dumps  # noqa: PLC0415  # as above

        from gmemflags.catalog._plain import plain  # noqa: PLC0415  # as above

        content = dumps(plain(self), sort_keys=True, separators=(",", ":"))
        return sha256(content.encode()).hexdigest()


def _portable(flags: type[FlagWord]) -> type[FlagWord] | tuple[str, dict[str, int]]:
    # A class that was made of data cannot be found by its name in another process.
    found = getattr(sys.modules.get(flags.__module__), flags.__qualname__, None)
    return flags if found is flags else (flags.__name__, _by_name(flags))


def _restored(
    name: str, flags: type[FlagWord] | tuple[str, dict[str, int]], *content: Any
) -> Catalog:
    return Catalog(name, flag_class(*flags) if isinstance(flags, tuple) else flags, *content)


def _check_flags(catalog: str, flags: object) -> None:
    given = shown(flags)
    if not (isinstance(flags, type) and issubclass(flags, FlagWord)):
        raise CatalogError(catalog, f"flags is {given}, not a FlagWord class")
    if not flags.__members__:
        raise CatalogError(catalog, f"{flags.__name__} names no flag")
    for name, member in flags.__members__.items():
        if not (name.isascii() and name.isidentifier() and name == name.upper()):
            raise CatalogError(catalog, f"flag {name!r} is no identifier in ASCII capitals")
        if name != member.name:
            raise CatalogError(catalog, f"{member.name} and {name} are the same bit")


def _check_rules(catalog: str, rules: Iterable[object]) -> None:
    for rule in rules:
        if not isinstance(rule, Rule):
            raise CatalogError(catalog, f"{shown(rule)} is no rule")


def _check_capabilities(catalog: str, capabilities: Mapping[str, object]) -> None:
    seen: dict[int, str] = {}
    for name, number in capabilities.items():
        if number is None:
            continue
        if type(number) is not int or not 0 <= number < 1 << 31:
            raise CatalogError(catalog, f"{name} is numbered {shown(number)}, not in [0, 2**31)")
        if number in seen:
            raise CatalogError(catalog, f"{seen[number]} and {name} have the same number {number}")
        seen[number] = name
