"""The answer to a request, for programs and for people, and the two functions that give it.

>>> from gmemflags import GuestMemfdFlag as F, Request, query, resolve
>>> from gmemflags.testing import FakeBackend
>>> host = query(FakeBackend.narrow(F.MMAP))
>>> answer = resolve(host, Request(required=F.MMAP, preferred=[F.INIT_SHARED]))
>>> answer.ok, hex(answer.mask)
(True, '0x1')
>>> answer.why(F.INIT_SHARED)
'INIT_SHARED (bit 1, 0x2) is not supported: a fake host lists MMAP (bit 0, 0x1)'
>>> resolve(host, F.INIT_SHARED).headline
'refused: INIT_SHARED (bit 1, 0x2) is not supported: a fake host lists MMAP (bit 0, 0x1)'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from attrs import field, frozen

from gmemflags.catalog._request import Prerequisites, Profile, Request
from gmemflags.exceptions import NegotiationError
from gmemflags.host import Support
from gmemflags.masks._words import MASK, one_bit, shown
from gmemflags.negotiation._resolve import decide

if TYPE_CHECKING:
    from gmemflags.masks import FlagWord
    from gmemflags.negotiation._problem import Outcome, Problem, Suggestion


@frozen(kw_only=True)
class Resolution:
    """The answer of one host to one request.

    A yes means: KVM will not refuse these flags on this VM. A security module, the binding to a
    memory slot or the page size still can. Ask ``ok``; a Resolution has no truth value.
    """

    __module__ = "gmemflags"

    support: Support
    request: Request
    problems: tuple[Problem, ...]
    """Every reason for a refusal; empty exactly for a yes."""
    _mask: int | None = field(alias="mask", repr=lambda mask: "None" if mask is None else hex(mask))

    @property
    def ok(self) -> bool:
        """Whether the request is granted."""
        return self._mask is not None

    def __bool__(self) -> NoReturn:
        raise TypeError("a Resolution has no truth value: ask .ok")

    @property
    def mask(self) -> int:
        """The granted mask; raises NegotiationError on a refusal."""
        if self._mask is None:
            raise NegotiationError(self)
        return self._mask

    @property
    def flags(self) -> FlagWord:
        """A view of :attr:`mask` in the catalog's flag class; raises NegotiationError too."""
        return self.support.catalog.flags(self.mask)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What became of every bit named or added, and of every preferred group."""
        from gmemflags.negotiation._outcomes import outcomes  # noqa: PLC0415  # seldom wanted

        return outcomes(self.support, self.request, self._mask)

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        """Changes of a refused request that work on this host: each was resolved."""
        from gmemflags.negotiation._suggest import suggestions  # noqa: PLC0415  # as above

        return () if self.ok else suggestions(self.support, self.request)

    @property
    def advice(self) -> tuple[str, ...]:
        """What the answer does not say by itself: what later stages will refuse, and doubts."""
        from gmemflags.negotiation._report import advice  # noqa: PLC0415  # as above

        return advice(self.support, self.request, self._mask)

    @property
    def headline(self) -> str:
        """The answer in one line."""
        from gmemflags.negotiation._report import headline  # noqa: PLC0415  # as above

        return headline(self)

    def why(self, bit: int) -> str:
        """Why one bit is in the mask, or is not.

        Raises :exc:`~gmemflags.exceptions.InvalidMaskError` for several bits or none.
        """
        from gmemflags.negotiation._report import why  # noqa: PLC0415  # as above

        return why(self, one_bit(bit))

    def pin(self) -> Request:
        """The request that yields exactly this mask or fails, under this very catalog.

        Raises NegotiationError on a refusal.
        """
        return Request(
            required=self.flags,  # with their names
            forbidden=self.mask ^ MASK,
            needs=self.request.needs,
            prerequisites=Prerequisites.REFUSE,
            until=self.request.until,
            scope=self.request.scope,
            digest=self.support.catalog.digest,
        )

    def __str__(self) -> str:
        from gmemflags.negotiation._report import report  # noqa: PLC0415  # as above

        return report(self)


def resolve(support: Support, want: Request | Profile | int) -> Resolution:
    """Answer ``want`` from what a host said; a mask is wanted as a whole (``required``).

    Never fails: a refusal is a value, with every reason. Raises
    :exc:`~gmemflags.exceptions.InvalidMaskError` only for a ``want`` that is none of the three,
    and TypeError for a ``support`` that is none.
    """
    _check_support(support)
    if isinstance(want, Profile):
        request = want.request
    else:
        request = want if isinstance(want, Request) else Request(required=want)
    mask = decide(support, request)
    if mask is not None:
        return Resolution(support=support, request=request, problems=(), mask=mask)
    from gmemflags.negotiation._explain import problems  # noqa: PLC0415  # only for a refusal

    found = problems(support, request)
    return Resolution(support=support, request=request, problems=found, mask=None)


def negotiate(support: Support, want: Request | Profile | int) -> Resolution:
    """Like :func:`resolve`, but raises NegotiationError, with the Resolution, on a refusal."""
    resolution = resolve(support, want)
    if not resolution.ok:
        raise NegotiationError(resolution)
    return resolution


def _check_support(support: object) -> None:
    if not isinstance(support, Support):
        what = f"{shown(support)}; that of a Baseline is its .support"
        raise TypeError(f"a Support is needed, not {what}")
