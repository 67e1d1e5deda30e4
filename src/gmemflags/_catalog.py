"""A catalog: what one kernel tree defines; and requests: what a user of guest_memfd asks for.

Both are plain data. Bit 2 of the flags has had six meanings in as many trees, so names belong to a
tree. A catalog for another tree than mainline is a claim of the caller that the kernel cannot
confirm.

>>> from gmemflags import MAINLINE, Capability, GuestMemfdFlag as F, Request
>>> MAINLINE.capabilities[Capability.GUEST_MEMFD_FLAGS]
244
>>> print(MAINLINE.capabilities[Capability.GUEST_MEMFD_FLAGS_HI])
None
>>> Request(required=F.MMAP, preferred=[F.INIT_SHARED]).preferred
(2,)
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from enum import IntFlag, StrEnum
from hashlib import sha256
from typing import Any, TypeVar, cast

from attrs import Factory, field, frozen

from gmemflags._exceptions import CatalogError, InvalidMaskError, quote, safe_repr
from gmemflags._masks import FlagWord, flag_class, names_of, one_bit, u64, union
from gmemflags._rules import Rule, Stage, canonical, meaning
from gmemflags._values import (
    Value,
    as_masks,
    checked_tuple,
    frozen_mapping,
    init_arguments,
    is_a,
    mapping_repr,
    masks_repr,
)

T = TypeVar("T")


class Capability(StrEnum):
    """The capabilities that the library itself knows, by kernel name without ``KVM_CAP_``.

    A member is a str: a catalog may number others of its tree by plain name.
    """

    USER_MEMORY2 = "USER_MEMORY2"
    """KVM_SET_USER_MEMORY_REGION2, which binds a guest_memfd to a memory slot."""
    MEMORY_ATTRIBUTES = "MEMORY_ATTRIBUTES"
    """A mask of the attributes that a page may have; bit 3 is private memory."""
    GUEST_MEMFD = "GUEST_MEMFD"
    """KVM_CREATE_GUEST_MEMFD; there if the answer is not 0."""
    VM_TYPES = "VM_TYPES"
    """A mask of the VM types that KVM_CREATE_VM takes."""
    GUEST_MEMFD_FLAGS = "GUEST_MEMFD_FLAGS"
    """The flags that KVM_CREATE_GUEST_MEMFD takes, bits 31:0."""
    GUEST_MEMFD_FLAGS_HI = "GUEST_MEMFD_FLAGS_HI"
    """The proposed bits 63:32, without a number in mainline."""


class Scope(StrEnum):
    """Which descriptor answers: /dev/kvm or a VM.

    Source: Documentation/virt/kvm/api.rst 4.4, v6.18.
    """

    SYSTEM = "system"
    """/dev/kvm: what the host could offer at most; a VM may support less."""
    VM = "vm"
    """One VM, for itself."""


class Prerequisites(StrEnum):
    """What to do about a flag that is valid only with one that the request does not name."""

    REFUSE = "refuse"
    """Only bits that the request names; of a group all or none."""
    ADD = "add"
    """Add the fewest bits that make the rest valid."""


def capability_name(value: str) -> str:
    """The kernel name of a capability, without ``KVM_CAP_``.

    Raises:
        TypeError: ``value`` is not a str.
    """
    if isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # from outside
        given = str.__str__(value)  # the text of a member of another enum, not its name
        name = given.removeprefix("KVM_CAP_")
        # Once and no more, and copies go through here again.
        return given if name.startswith("KVM_CAP_") else name
    raise TypeError(f"capabilities are wanted by their names, not {safe_repr(value)}")


# What the bits of other capabilities are called, KVM_MEMORY_ATTRIBUTE_PRIVATE for one.
ANSWER_NAMES: dict[str, dict[int, str]] = {Capability.MEMORY_ATTRIBUTES.value: {1 << 3: "PRIVATE"}}


def _answer_bits(value: int) -> int:
    if isinstance(value, FlagWord):
        raise InvalidMaskError(
            f"{quote(type(value).__name__)}.{quote(value.name or str(value))}",
            "an answer of another capability: flags are asked for by required=, not by a need",
        )
    return u64(value)


def _alternatives(values: Iterable[int]) -> tuple[int, ...]:
    return tuple([_answer_bits(value) for value in values])


def _at_least(value: int | None) -> int | None:
    return None if value is None else u64(value)


@frozen(repr=False, eq=False)
class Need(Value):
    """Another capability that the use needs, and what its answer must have.

    All of ``bits``, ``any_of`` and ``at_least`` must be met; with none of them, any answer but 0
    is enough.

    Args:
        capability: A kernel name, with or without ``KVM_CAP_``.
        bits: A mask that the answer must contain.
        any_of: Masks of which the answer must contain one; empty asks for none.
        at_least: A number that the answer, read without a sign, must reach.
        optional: Whether an unmet need is only advice.
        why: What it is needed for, in a sentence.

    Raises:
        TypeError: ``capability`` or ``why`` is not a str, or ``optional`` is not a bool.
        InvalidMaskError: A number is not a mask, or is a guest_memfd flag.

    >>> from gmemflags import Need
    >>> Need("MEMORY_ATTRIBUTES", 1 << 3, why="Pages are made private.").met_by(0)
    False
    """

    capability: str = field(converter=capability_name)
    bits: int = field(default=0, converter=_answer_bits, repr=hex)
    any_of: tuple[int, ...] = field(
        default=(), converter=_alternatives, repr=masks_repr, kw_only=True
    )
    at_least: int | None = field(default=None, converter=_at_least, kw_only=True)
    optional: bool = field(default=False, validator=is_a(bool), kw_only=True)
    why: str = field(default="", validator=is_a(str), kw_only=True)

    def met_by(self, answer: int) -> bool:
        """Whether ``answer``, a mask, is enough.

        Args:
            answer: What the capability was answered, as a mask.
        """
        if not self.bits and not self.any_of and self.at_least is None:
            return answer != 0
        return (
            not self.bits & ~answer
            and (not self.any_of or any(not mask & ~answer for mask in self.any_of))
            and answer >= (self.at_least or 0)
        )


_UNORDERED = (AbstractSet, Mapping, bytes)


def _groups(preferred: int | Iterable[int]) -> tuple[int, ...]:
    # A flag of two bits can be iterated, but [A, B] and [A | B] are different groups.
    if isinstance(preferred, _UNORDERED):
        raise TypeError("preferred is a list of groups in order, and this has no order")
    if not isinstance(preferred, int):
        return tuple(preferred)
    mask = u64(preferred)
    if mask & (mask - 1):
        raise InvalidMaskError(
            f"preferred={mask:#x}",
            "one group: write [A | B] for both together or [A, B] for each by itself",
        )
    return (preferred,) if mask else ()


def _flag_names(values: Iterable[object]) -> Iterator[tuple[int, str]]:
    for value in values:
        if isinstance(value, IntFlag):
            yield from names_of(value)


def _flag_name(value: object) -> tuple[int, str]:
    pair = checked_tuple(value, object, "a bit and its name")
    if len(pair) != 2 or not isinstance(pair[1], str):
        raise TypeError(f"a flag name is a bit and a str, not {len(pair)} values of other types")
    return one_bit(pair[0]), pair[1]


def _flag_names_repr(names: Iterable[tuple[int, str]]) -> str:
    return repr({hex(bit): name for bit, name in sorted(names)})


@frozen(kw_only=True, init=False, repr=False, eq=False)
class Request(Value):
    """What is asked of one mask of flags.

    Args:
        required: Bits that must be in it.
        preferred: Groups in order of priority, each granted as a whole or not at all; a bare mask
            of one bit is one group.
        forbidden: Bits that must not be in this mask, named or not.
        needs: Other capabilities that must be there.
        prerequisites: What to do about flags that the rules require and the request does not name.
        until: Rules up to this stage constrain the mask; later ones are advice. By default the
            memory can be used: a touch of its mapping is no SIGBUS.
        scope: Where the answer must hold.
        digest: The only catalog under which the request may be answered; None for any.
        flag_names: The names that the caller's flags give to the bits, as (bit, name) pairs; those
            of flag objects are added by themselves. A bit that they call by another name than the
            catalog is in no mask, not even as a prerequisite.

    Raises:
        InvalidMaskError: A value is not a mask.
        TypeError: A policy is not a member of its enum; ``preferred`` has no order, as a set;
            ``needs`` or ``flag_names`` hold something else.

    >>> from gmemflags import GuestMemfdFlag as F, Request
    >>> Request(required=F.MMAP, preferred=[F.INIT_SHARED], forbidden=1 << 2).preferred
    (2,)
    """

    required: int = field(repr=hex)
    preferred: tuple[int, ...] = field(repr=masks_repr)
    forbidden: int = field(repr=hex)
    needs: tuple[Need, ...]
    prerequisites: Prerequisites = field(validator=is_a(Prerequisites))
    until: Stage = field(validator=is_a(Stage))
    scope: Scope = field(validator=is_a(Scope))
    digest: str | None = field(validator=is_a(str, or_none=True))
    flag_names: frozenset[tuple[int, str]] = field(repr=_flag_names_repr)

    def __init__(
        self,
        *,
        required: int = 0,
        preferred: int | Iterable[int] = (),
        forbidden: int = 0,
        needs: Iterable[Need] = (),
        prerequisites: Prerequisites = Prerequisites.REFUSE,
        until: Stage = Stage.ACCESS,
        scope: Scope = Scope.VM,
        digest: str | None = None,
        flag_names: Iterable[tuple[int, str]] = (),
    ) -> None:
        groups = _groups(preferred)
        names = _flag_names((required, *groups, forbidden))
        cast("Any", self).__attrs_init__(
            required=u64(required),
            preferred=as_masks(groups),
            forbidden=u64(forbidden),
            needs=tuple(dict.fromkeys(checked_tuple(needs, Need, "several Need values"))),
            prerequisites=prerequisites,
            until=until,
            scope=scope,
            digest=digest,
            flag_names=frozenset([*names, *map(_flag_name, flag_names)]),
        )


@frozen(repr=False, eq=False)
class Profile(Value):
    """A request with a name, for one use of guest_memfd.

    Args:
        name: The name.
        request: What is asked for.
        why: The use, in a sentence.

    Raises:
        TypeError: A field of another type.

    >>> from gmemflags import MAINLINE
    >>> MAINLINE.profiles["fully-shared"].why
    'Guest memory from guest_memfd alone, which the host maps and shares.'
    """

    name: str = field(validator=is_a(str))
    request: Request = field(validator=is_a(Request))
    why: str = field(validator=is_a(str))


def _flag_items(flags: type[FlagWord]) -> frozenset[tuple[int, str]]:
    return frozenset(flags.bit_names.items())


def _named(catalog: Catalog) -> int:
    return union(catalog.flags.bit_names)


def _digest(catalog: Catalog) -> str:
    numbers = catalog.capabilities.items()
    content = (
        catalog.name,
        sorted(catalog.flags.bit_names.items()),
        sorted((name, number) for name, number in numbers if number is not None),
        [meaning(rule) for rule in catalog.rules],
        sorted((name, _request_key(one.request)) for name, one in catalog.profiles.items()),
    )
    return sha256(ascii(content).encode()).hexdigest()


@frozen(init=False, getstate_setstate=False, repr=False, eq=False)
class Catalog(Value):
    """What one kernel tree defines.

    Two catalogs are equal if their contents are; the flag class itself does not count. What can be
    used and is doubtful, :func:`~gmemflags.lint` finds.

    Args:
        name: The name of the tree.
        flags: A FlagWord class.
        capabilities: The number of each capability by its kernel name without ``KVM_CAP_``, or
            None where the tree has none. No other number is ever asked for.
        rules: Facts about combinations, in any order.
        profiles: Named requests.

    Raises:
        CatalogError: Content that cannot be used at all.

    >>> from attrs import evolve
    >>> from gmemflags import MAINLINE, FlagWord
    >>> class Flag(FlagWord):
    ...     MMAP = 1 << 0
    ...     INIT_SHARED = 1 << 1
    ...     FOO = 1 << 2
    >>> tree = evolve(MAINLINE, name="our-tree", flags=Flag)
    >>> tree.name_of(1 << 2)
    'FOO'
    """

    name: str
    flags: type[FlagWord] = field(eq=_flag_items)
    capabilities: Mapping[str, int | None] = field(hash=False, repr=mapping_repr)
    rules: tuple[Rule, ...]
    profiles: Mapping[str, Profile] = field(hash=False, repr=mapping_repr)
    named: int = field(init=False, eq=False, repr=False, default=Factory(_named, takes_self=True))
    """The mask of all bits that have a name."""
    digest: str = field(init=False, eq=False, repr=False, default=Factory(_digest, takes_self=True))
    """A digest of what the catalog means: SHA-256, hexadecimal. It covers the name, flags, numbers,
    rules and requests, and leaves out the sentences (why, source)."""

    def __init__(
        self,
        name: str,
        flags: type[FlagWord],
        capabilities: Mapping[str, int | None] | Mapping[Capability, int | None],
        rules: Iterable[Rule] = (),
        profiles: Mapping[str, Profile] | Iterable[Profile] = (),
    ) -> None:
        if not isinstance(cast("object", name), str):
            raise CatalogError(safe_repr(name), "the name of a catalog is a text")
        cast("Any", self).__attrs_init__(
            name=name,
            flags=_checked_flags(name, flags),
            capabilities=_checked_capabilities(name, capabilities),
            rules=tuple(sorted(_checked_tuple(name, rules, Rule, "several rules"), key=canonical)),
            profiles=_checked_profiles(name, profiles),
        )

    def name_of(self, bit: int) -> str | None:
        """The name of one bit, or None if it has none.

        Args:
            bit: A mask of exactly one bit.
        """
        return self.flags.bit_names.get(bit)

    def __reduce__(self) -> tuple[object, ...]:
        # The flag class goes by its content: another process may have another version of it.
        arguments = init_arguments(self)
        flags = self.flags
        members = {name: member.value for name, member in flags.__members__.items()}
        del arguments["flags"]
        return _unpickled, (arguments, flags.__module__, flags.__qualname__, members)


def _unpickled(
    arguments: dict[str, Any], module: str, name: str, members: dict[str, int]
) -> Catalog:
    found = getattr(sys.modules.get(module), name, None)
    if not (
        isinstance(found, type)
        and issubclass(found, FlagWord)
        and {name: member.value for name, member in found.__members__.items()} == members
    ):
        found = flag_class(name.rpartition(".")[2], members)
    return Catalog(flags=found, **arguments)


def _need_key(need: Need) -> tuple[object, ...]:
    # Any answer but 0 is one of at least 1, and at least 0 is any answer.
    anything = not need.bits and not need.any_of and need.at_least is None
    at_least = 1 if anything else need.at_least or 0
    return need.capability, need.bits, sorted(set(need.any_of)), at_least, need.optional


def _request_key(request: Request) -> tuple[object, ...]:
    return (
        request.required,
        request.preferred,
        request.forbidden,
        sorted(map(_need_key, request.needs)),
        str(request.prerequisites),
        str(request.until),
        str(request.scope),
        request.digest,
        sorted(request.flag_names),
    )


def _checked_flags(catalog: str, flags: object) -> type[FlagWord]:
    given = safe_repr(flags)
    if not (isinstance(flags, type) and issubclass(flags, FlagWord)):
        raise CatalogError(catalog, f"flags is {given}, not a FlagWord class")
    if not flags.bit_names:
        raise CatalogError(catalog, f"{quote(flags.__name__)} names no flag")
    for name in flags.bit_names.values():
        if not (name.isascii() and name.isidentifier() and name == name.upper()):
            raise CatalogError(catalog, f"flag {name!r} is not an identifier in ASCII capitals")
    return flags


def _checked_capabilities(catalog: str, numbers: object) -> Mapping[str, int | None]:
    if not isinstance(numbers, Mapping):
        raise CatalogError(catalog, f"capabilities is {safe_repr(numbers)}, not numbers by name")
    found: dict[str, int | None] = {}
    seen: dict[int, str] = {}
    for given, number in cast("Mapping[object, object]", numbers).items():
        try:
            name = capability_name(cast("str", given))
        except TypeError as error:
            raise CatalogError(catalog, str(error)) from None
        if name in found:
            raise CatalogError(catalog, f"capability {quote(name)} is numbered twice")
        if number is None:
            found[name] = None
            continue
        if type(number) is not int or not 0 <= number < 1 << 31:
            value = safe_repr(number)
            raise CatalogError(catalog, f"{quote(name)} is numbered {value}, not in [0, 2**31)")
        if number in seen:
            both = f"{quote(seen[number])} and {quote(name)}"
            raise CatalogError(catalog, f"{both} have the same number {number}")
        found[name], seen[number] = number, name
    return frozen_mapping(found)


def _checked_tuple(catalog: str, values: Iterable[T], kind: type[Any], what: str) -> tuple[T, ...]:
    try:
        return checked_tuple(values, kind, what)
    except TypeError as error:
        raise CatalogError(catalog, str(error)) from None


def _checked_profiles(catalog: str, profiles: object) -> Mapping[str, Profile]:
    names = None
    if isinstance(profiles, Mapping):
        by_name = cast("Mapping[object, object]", profiles)
        names, profiles = tuple(by_name), by_name.values()
    listed: tuple[Profile, ...] = _checked_tuple(
        catalog, cast("Iterable[Profile]", profiles), Profile, "several profiles"
    )
    found = {profile.name: profile for profile in listed}
    if len(found) < len(listed):
        twice = next(name for name in found if [p.name for p in listed].count(name) > 1)
        raise CatalogError(catalog, f"two profiles are called {quote(twice)}")
    if names is not None and names != tuple(found):
        raise CatalogError(catalog, "a profile is listed by another name than its own")
    return frozen_mapping(found)
