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

from gmemflags.catalog._fields import several
from gmemflags.catalog._frozendict import FrozenDict
from gmemflags.catalog._request import Profile
from gmemflags.catalog._rules import Rule
from gmemflags.exceptions import CatalogError
from gmemflags.masks import FlagWord
from gmemflags.masks._flagword import PREFIX, flag_class
from gmemflags.masks._words import shown, union

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gmemflags.catalog._uapi import Capability


def _by_name(flags: type[FlagWord]) -> dict[str, int]:
    return {name: member.value for name, member in flags.__members__.items()}


def _members(flags: type[FlagWord]) -> frozenset[tuple[str, int]]:
    return frozenset(_by_name(flags).items())


def _named(catalog: Catalog) -> int:
    return union(_by_name(catalog.flags).values())


@frozen(init=False)
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
    capabilities: Mapping[str, int | None]
    rules: tuple[Rule, ...]
    profiles: Mapping[str, Profile]
    named: int = field(init=False, eq=False, repr=False, default=Factory(_named, takes_self=True))
    """The mask of all bits that have a name."""

    if TYPE_CHECKING:

        def __attrs_init__(self, *fields: object) -> None: ...

    def __init__(
        self,
        name: str,
        flags: type[FlagWord],
        capabilities: Mapping[str, int | None] | Mapping[Capability, int | None],
        rules: Iterable[Rule] = (),
        profiles: Mapping[str, Profile] | Iterable[Profile] = (),
    ) -> None:
        self.__attrs_init__(
            _text(name),
            _flags(name, flags),
            _capabilities(name, capabilities),
            _listed(name, rules, Rule, "several rules"),
            _profiles(name, profiles),
        )

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


def _text(name: object) -> str:
    if isinstance(name, str):
        return name
    raise CatalogError(shown(name), "the name of a catalog is a text")


def _flags(catalog: str, flags: object) -> type[FlagWord]:
    given = shown(flags)
    if not (isinstance(flags, type) and issubclass(flags, FlagWord)):
        raise CatalogError(catalog, f"flags is {given}, not a FlagWord class")
    if not flags.__members__:
        raise CatalogError(catalog, f"{flags.__name__} names no flag")
    for name, member in flags.__members__.items():
        if not (name.isascii() and name.isidentifier() and name == name.upper()):
            raise CatalogError(catalog, f"flag {name!r} is no identifier in ASCII capitals")
        if name.startswith(PREFIX):
            raise CatalogError(catalog, f"flag {name} is {name.removeprefix(PREFIX)} here")
        if name != member.name:
            raise CatalogError(catalog, f"{member.name} and {name} are the same bit")
    return flags


def _capabilities(catalog: str, numbers: object) -> FrozenDict[str, int | None]:
    if not isinstance(numbers, Mapping):
        raise CatalogError(catalog, f"capabilities is {shown(numbers)}, not numbers by name")
    found: dict[str, int | None] = {}
    seen: dict[int, str] = {}
    for name, number in cast("Mapping[str, object]", numbers).items():
        if number is None:
            found[str(name)] = None
            continue
        if type(number) is not int or not 0 <= number < 1 << 31:
            raise CatalogError(catalog, f"{name} is numbered {shown(number)}, not in [0, 2**31)")
        if number in seen:
            raise CatalogError(catalog, f"{seen[number]} and {name} have the same number {number}")
        found[str(name)], seen[number] = number, name
    return FrozenDict(found)


def _listed(catalog: str, values: object, kind: type, what: str) -> tuple[Any, ...]:
    try:
        return several(values, kind, what)
    except TypeError as error:
        raise CatalogError(catalog, str(error)) from None


def _profiles(catalog: str, profiles: object) -> FrozenDict[str, Profile]:
    names = None
    if isinstance(profiles, Mapping):
        by_name = cast("Mapping[object, object]", profiles)
        names, profiles = tuple(by_name), by_name.values()
    listed: tuple[Profile, ...] = _listed(catalog, profiles, Profile, "several profiles")
    found = {profile.name: profile for profile in listed}
    if len(found) < len(listed):
        twice = next(name for name in found if [p.name for p in listed].count(name) > 1)
        raise CatalogError(catalog, f"two profiles are called {twice}")
    if names is not None and names != tuple(found):
        raise CatalogError(catalog, "a profile is listed by another name than its own")
    return FrozenDict(found)
