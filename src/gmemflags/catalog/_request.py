"""Requests: what a user of guest_memfd wants of a host, as a value.

A request is plain data, so a catalog can hold some by name (:class:`Profile`). Whether a host can
meet one is decided elsewhere; this module must never know a host.

>>> from gmemflags import GuestMemfdFlag as F, Request
>>> Request(required=F.MMAP, preferred=[F.INIT_SHARED]).preferred
(2,)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from enum import IntFlag, StrEnum
from typing import TYPE_CHECKING

from attrs import field, frozen

from gmemflags.catalog._fields import as_mask, as_masks, is_a, several, shown_masks
from gmemflags.catalog._rules import Stage
from gmemflags.catalog._uapi import Scope
from gmemflags.exceptions import InvalidMaskError
from gmemflags.masks._flagword import names_of
from gmemflags.masks._words import one_bit, u64

if TYPE_CHECKING:
    from collections.abc import Iterator


class Prerequisites(StrEnum):
    """What to do about a flag that is valid only with one that nobody named."""

    __module__ = "gmemflags"

    REFUSE = "refuse"
    """Only bits that the request names; of a group all or none."""
    ADD = "add"
    """Add the fewest bits that make the rest valid."""


def _name(value: str) -> str:
    (name,) = several([value], str, "capabilities by their names")
    return str(name).removeprefix("KVM_CAP_")


@frozen
class Need:
    """Another capability that the use needs, and bits that its answer must have.

    All of ``bits``, and one whole mask of ``any_of`` unless that is empty. With neither, any
    answer but 0 will do. ``capability`` is a kernel name, with or without ``KVM_CAP_``. Raises
    TypeError if it is no text, and :exc:`~gmemflags.exceptions.InvalidMaskError` for anything
    that is no mask.
    """

    __module__ = "gmemflags"

    capability: str = field(converter=_name)
    bits: int = field(default=0, converter=as_mask, repr=hex)
    any_of: tuple[int, ...] = field(default=(), converter=as_masks, repr=shown_masks, kw_only=True)

    def met_by(self, answer: int) -> bool:
        """Whether ``answer``, a mask, is enough."""
        if not self.bits and not self.any_of:
            return answer != 0
        return not self.bits & ~answer and (
            not self.any_of or any(not way & ~answer for way in self.any_of)
        )


_UNORDERED = (AbstractSet, Mapping, bytes)


def _wishes(preferred: int | Iterable[int]) -> tuple[int, ...]:
    # A flag of two bits can be iterated, but [A, B] and [A | B] are different wishes.
    if isinstance(preferred, _UNORDERED):
        raise TypeError("preferred is a list of wishes in order, and this has none")
    if not isinstance(preferred, int):
        return tuple(preferred)
    mask = u64(preferred)
    if mask & (mask - 1):
        raise InvalidMaskError(
            f"preferred={mask:#x}",
            "one wish: wrap it in a list, [A | B] for both together or [A, B] for each by itself",
        )
    return (preferred,) if mask else ()


def _claims(values: Iterable[object]) -> Iterator[tuple[int, str]]:
    # What the flag classes of the caller call the bits that are asked for.
    for value in values:
        if isinstance(value, IntFlag):
            yield from names_of(value)


def _claim(value: object) -> tuple[int, str]:
    pair = several(value, object, "a bit and its name")
    if len(pair) != 2 or not isinstance(pair[1], str):
        raise TypeError(f"a claim is a bit and its name, not {len(pair)} values of other types")
    return one_bit(pair[0]), pair[1]


def _shown_claims(claims: Iterable[tuple[int, str]]) -> str:
    return repr({hex(bit): name for bit, name in sorted(claims)})


@frozen(kw_only=True, init=False)
class Request:
    """What is wanted of one mask of flags.

    ``required``: bits that must be in it. ``preferred``: groups in order of priority, each all
    or nothing; a bare mask of one bit is one group. ``forbidden``: bits that must not be in this
    mask, named or not. ``needs``: other capabilities that must be there. ``until``: rules up to
    this stage constrain, later ones are told as advice. ``scope``: where the answer must hold.
    ``digest``: if given, the only catalog under which the request may be answered.
    ``claims``: the names that the caller's flag objects give to the bits, as (bit, name) pairs.
    A bit that they call by another name than the catalog is in no mask, not even as a
    prerequisite.

    Raises :exc:`~gmemflags.exceptions.InvalidMaskError` for anything that is no mask, and
    TypeError for a policy that is no member of its enum, for wishes without an order such as a
    set, and for needs and claims that are none.
    """

    __module__ = "gmemflags"

    required: int = field(repr=hex)
    preferred: tuple[int, ...] = field(repr=shown_masks)
    forbidden: int = field(repr=hex)
    needs: tuple[Need, ...]
    prerequisites: Prerequisites = field(validator=is_a(Prerequisites))
    until: Stage = field(validator=is_a(Stage))
    scope: Scope = field(validator=is_a(Scope))
    digest: str | None = field(validator=is_a(str, or_none=True))
    claims: frozenset[tuple[int, str]] = field(repr=_shown_claims)

    if TYPE_CHECKING:

        def __attrs_init__(self, **fields: object) -> None: ...

    def __init__(
        self,
        *,
        required: int = 0,
        preferred: int | Iterable[int] = (),
        forbidden: int = 0,
        needs: Iterable[Need] = (),
        prerequisites: Prerequisites = Prerequisites.REFUSE,
        until: Stage = Stage.BIND,
        scope: Scope = Scope.VM,
        digest: str | None = None,
        claims: Iterable[tuple[int, str]] = (),
    ) -> None:
        wishes = _wishes(preferred)
        self.__attrs_init__(
            required=u64(required),
            preferred=as_masks(wishes),
            forbidden=u64(forbidden),
            needs=several(needs, Need, "several Need values"),
            prerequisites=prerequisites,
            until=until,
            scope=scope,
            digest=digest,
            claims=frozenset([*_claims((required, *wishes, forbidden)), *map(_claim, claims)]),
        )


@frozen
class Profile:
    """A request with a name, for one use of guest_memfd; ``why`` says which.

    Raises TypeError for a field of another type.
    """

    __module__ = "gmemflags"

    name: str = field(validator=is_a(str))
    request: Request = field(validator=is_a(Request))
    why: str = field(validator=is_a(str))
