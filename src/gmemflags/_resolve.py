"""From what a host said and what is asked to one mask, or a refusal with every reason.

Theory of operation
===================

1. **Ask.** A backend answers KVM_CHECK_EXTENSION. ``query`` asks each capability that the catalog
   numbers, once, and keeps the raw answers (``_host.py``).
2. **Merge.** ``merge`` reads the C longs: FLAGS and FLAGS_HI become one 64-bit mask, with the bits
   that these answers could speak of (``_masks.py``). What was not asked is unknowable, and an
   errno is never flags.
3. **Constrain.** A catalog names the bits and holds the rules (``_catalog.py``, ``_rules.py``).
   A mask may have the bits that are listed, named as the caller thinks, and not forbidden. Rules
   up to the stage ``until`` must hold, also where it is not known whether they apply.
4. **Decide.** ``decide`` checks every condition once (``_decision.py``). If all are met, the solver
   finds the best valid mask (``_solver.py``): the groups in order of priority, then the fewest
   bits, then the smallest number. Whatever is not met is kept as a reason; for rules that is a
   minimal set of them.
5. **Explain.** Sentences are made of these reasons when somebody reads them (``_explain.py``), and
   changes that help are tried on the same answers (``_suggest.py``).

A yes has a mask and no reason; a no has a reason and no mask; and where the rules are too hard to
solve there is an error, which is neither.

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

from typing import NoReturn

from attrs import Factory, field, frozen

from gmemflags._catalog import Prerequisites, Profile, Request
from gmemflags._decision import Verdict, decide, outcomes
from gmemflags._exceptions import GmemFlagsError, safe_repr
from gmemflags._explain import advice, headline, problems, report, why
from gmemflags._host import Support
from gmemflags._masks import MASK, FlagWord, one_bit
from gmemflags._problems import Outcome, Problem, Suggestion
from gmemflags._suggest import suggestions
from gmemflags._values import checked, reduce_to_fields


class NegotiationError(GmemFlagsError):
    """A request was refused.

    Args:
        resolution: The whole answer, with every reason.
    """

    def __init__(self, resolution: Resolution) -> None:
        super().__init__(resolution)
        self.resolution = resolution

    def __str__(self) -> str:
        return str(self.resolution)


def _support(value: Support) -> Support:
    if isinstance(value, Support):  # pyright: ignore[reportUnnecessaryIsInstance]  # from outside
        return value
    what = f"{safe_repr(value)}; that of a Baseline is its .support"
    raise TypeError(f"a Support is needed, not {what}")


def _decide(resolution: Resolution) -> Verdict:
    return decide(resolution.support, resolution.request)


@frozen(kw_only=True, getstate_setstate=False)
class Resolution:
    """The answer of one host to one request.

    A yes means: KVM will not refuse these flags on this VM. A security module, the binding to a
    memory slot or the page size still can. Ask ``ok``; a Resolution has no truth value. All but
    the two arguments is derived from them, so a copy decides again and no answer can be forged.

    Args:
        support: What the host said.
        request: What was asked.

    Raises:
        NegotiationTooHardError: The rules are too hard to solve for this request.
        TypeError: A field of another type.
    """

    support: Support = field(converter=_support)
    request: Request = field(converter=checked("request", Request))
    _verdict: Verdict = field(
        init=False, eq=False, repr=False, default=Factory(_decide, takes_self=True)
    )
    # Each has one value, once it was asked for. (help() of Python 3.13 fails on cached_property in
    # a slotted class.)
    _outcomes: list[tuple[Outcome, ...]] = field(init=False, eq=False, repr=False, factory=list)
    _suggestions: list[tuple[Suggestion, ...]] = field(
        init=False, eq=False, repr=False, factory=list
    )

    __reduce__ = reduce_to_fields

    @property
    def ok(self) -> bool:
        """Whether the request is granted."""
        return self._verdict.mask is not None

    def __bool__(self) -> NoReturn:
        raise TypeError("a Resolution has no truth value: ask .ok")

    @property
    def mask(self) -> int:
        """The granted mask.

        Raises:
            NegotiationError: The request was refused.
        """
        mask = self._verdict.mask
        if mask is None:
            raise NegotiationError(self)
        return mask

    @property
    def flags(self) -> FlagWord:
        """A view of :attr:`mask` in the catalog's flag class.

        Raises:
            NegotiationError: The request was refused.
        """
        return self.support.catalog.flags(self.mask)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Every reason for a refusal; empty exactly for a yes."""
        return problems(self._verdict)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What became of every bit named or added, and of every preferred group."""
        if not self._outcomes:
            self._outcomes.append(outcomes(self._verdict))
        return self._outcomes[0]

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        """What to change so that a refused request is granted; empty for a yes."""
        if not self._suggestions:
            self._suggestions.append(() if self.ok else suggestions(self._verdict))
        return self._suggestions[0]

    @property
    def advice(self) -> tuple[str, ...]:
        """What later stages will refuse, and what is doubtful about the answer itself."""
        return advice(self._verdict)

    @property
    def headline(self) -> str:
        """The answer in one line."""
        return headline(self._verdict)

    def why(self, bit: int) -> str:
        """Why one bit is in the mask, or is not.

        Raises:
            InvalidMaskError: ``bit`` is not exactly one bit.
        """
        return why(self._verdict, self.outcomes, one_bit(bit))

    def pin(self) -> Request:
        """The request that yields exactly this mask or fails, under this very catalog.

        Raises:
            NegotiationError: The request was refused.
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
        return report(self._verdict, self.outcomes, self.suggestions)


def resolve(support: Support, want: Request | Profile | int) -> Resolution:
    """Answer ``want`` from what a host said. A refusal is a value, with every reason.

    Args:
        support: What the host said.
        want: A request, a profile, or a mask that is required as a whole.

    Raises:
        NegotiationTooHardError: The rules are too hard to solve for this request.
        InvalidMaskError: ``want`` is none of the three.
        TypeError: ``support`` is not a Support.
    """
    if isinstance(want, Profile):
        request = want.request
    else:
        request = want if isinstance(want, Request) else Request(required=want)
    return Resolution(support=support, request=request)


def negotiate(support: Support, want: Request | Profile | int) -> Resolution:
    """Like :func:`resolve`, but a refusal is an error.

    Raises:
        NegotiationError: The request was refused; with the Resolution.
        NegotiationTooHardError: The rules are too hard to solve for this request.
        InvalidMaskError: ``want`` is not a request, a profile or a mask.
        TypeError: ``support`` is not a Support.
    """
    resolution = resolve(support, want)
    if not resolution.ok:
        raise NegotiationError(resolution)
    return resolution
