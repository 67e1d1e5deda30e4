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
>>> host = query(FakeBackend.narrow(F.MMAP | F.INIT_SHARED))
>>> answer = resolve(host, Request(preferred=[F.MMAP | F.INIT_SHARED]))
>>> answer.ok, hex(answer.mask)
(True, '0x3')
>>> answer.why(1 << 7)
'bit 7 (0x80, not named by linux-mainline) is unsupported and not asked for'
>>> resolve(host, F.MMAP).headline
'refused on a fake host: MMAP requires INIT_SHARED (at access, as of Linux 7.3): the host lists \
what is missing, and the request does not ask for it'
"""

from __future__ import annotations

from functools import cached_property
from typing import NoReturn, cast

from attrs import Factory, field, frozen

from gmemflags._catalog import Profile, Request
from gmemflags._decision import Verdict, decide
from gmemflags._exceptions import GmemFlagsError, InvalidMaskError, safe_repr
from gmemflags._explain import advice, headline, outcomes, problems, report, why
from gmemflags._host import Support
from gmemflags._masks import MASK, FlagWord, bit_called
from gmemflags._problems import Outcome, Problem, Suggestion
from gmemflags._suggest import suggestions
from gmemflags._values import Reduced, Value, checked, reduce_to_fields


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
    if isinstance(cast("object", value), Support):
        return value
    what = f"{safe_repr(value)}; that of a Baseline is its .support"
    raise TypeError(f"a Support is needed, not {what}")


def _request(value: Request) -> Request:
    return checked(value, "request", Request)


def _profile(value: str) -> str:
    return checked(value, "profile", str)


def _decide(resolution: Resolution) -> Verdict:
    return decide(resolution.support, resolution.request)


# cached_property needs a __dict__, so no slots.
@frozen(kw_only=True, slots=False, getstate_setstate=False, repr=False, eq=False)
class Resolution(Value):
    """The answer of one host to one request.

    A yes means, as far as the catalog's rules know: this VM takes these flags, a memory slot can be
    bound to the file, and, if the mask has MMAP, a touch of the mapping is no SIGBUS; or as much
    of that as ``request.until`` asks for. A security module or the page size can still refuse. Ask
    ``ok``; a Resolution has no truth value. All but the arguments is derived from them, so a copy
    decides again and no answer can be forged.

    Args:
        support: What the host said.
        request: What was asked.
        profile: The name of the profile that the request is of, or "".

    Raises:
        NegotiationTooHardError: The rules are too hard to solve for this request.
        TypeError: A field of another type.

    >>> from gmemflags import GuestMemfdFlag as F, query, resolve
    >>> from gmemflags.testing import FakeBackend
    >>> no = resolve(query(FakeBackend.narrow(F.MMAP)), F.MMAP | F.INIT_SHARED)
    >>> no.ok, [str(problem.reason) for problem in no.problems]
    (False, ['unsupported'])
    """

    support: Support = field(converter=_support)
    request: Request = field(converter=_request)
    profile: str = field(default="", converter=_profile)
    _verdict: Verdict = field(
        init=False, eq=False, repr=False, default=Factory(_decide, takes_self=True)
    )

    def __reduce__(self) -> Reduced:
        return reduce_to_fields(self)

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

    @cached_property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What became of every bit named or added, and of every preferred group."""
        return outcomes(self._verdict)

    @cached_property
    def _suggestions(self) -> tuple[tuple[Suggestion, ...], bool]:
        return ((), True) if self.ok else suggestions(self._verdict)

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        """What to change so that a refused request is granted; empty for a yes."""
        return self._suggestions[0]

    @property
    def advice(self) -> tuple[str, ...]:
        """What the mask is not good for, and what is doubtful about the answer itself."""
        found = advice(self._verdict)
        if self._suggestions[1]:
            return found
        return (*found, "not every change was tried: the budget of steps was used up")

    @property
    def headline(self) -> str:
        """The answer in one line, of at most about 120 characters."""
        return headline(self._verdict, self.profile)

    def why(self, bit: int) -> str:
        """Why one bit is in the mask, or is not.

        Args:
            bit: A mask of exactly one bit.

        Raises:
            InvalidMaskError: ``bit`` is not exactly one bit, or a flag that the catalog calls
                otherwise.
        """
        names = self.support.catalog.flags.bit_names
        return why(self._verdict, self.outcomes, bit_called(bit, names))

    def pin(self) -> Request:
        """The request that yields exactly this mask or fails, under this very catalog.

        Raises:
            NegotiationError: The request was refused.
        """
        return Request(
            required=self.flags,  # with their names
            forbidden=self.mask ^ MASK,
            needs=self.request.needs,
            until=self.request.until,
            scope=self.request.scope,
            digest=self.support.catalog.digest,
        )

    def __str__(self) -> str:
        parts = self.outcomes, self.advice, self.suggestions
        return report(self._verdict, self.profile, *parts)


def resolve(support: Support, want: Request | Profile | int) -> Resolution:
    """Answer ``want`` from what a host said. A refusal is a value, with every reason.

    Args:
        support: What the host said.
        want: A request, a profile, or a mask that is required as a whole.

    Raises:
        NegotiationTooHardError: The rules are too hard to solve for this request.
        InvalidMaskError: ``want`` is none of the three.
        TypeError: ``support`` is not a Support.

    >>> from gmemflags import MAINLINE, query, resolve
    >>> from gmemflags.testing import FakeBackend
    >>> resolve(query(FakeBackend.narrow(0b11)), MAINLINE.profiles["fully-shared"]).ok
    True
    """
    if isinstance(want, Profile):
        return Resolution(support=support, request=want.request, profile=want.name)
    if isinstance(cast("object", want), str):
        needed = "a mask: catalog.profiles has profiles, and parse_mask() reads flags"
        raise InvalidMaskError(safe_repr(want), needed)
    request = want if isinstance(want, Request) else Request(required=want)
    return Resolution(support=support, request=request)


def negotiate(support: Support, want: Request | Profile | int) -> Resolution:
    """Like :func:`resolve`, but a refusal is an error.

    Args:
        support: What the host said.
        want: A request, a profile, or a mask that is required as a whole.

    Raises:
        NegotiationError: The request was refused; with the Resolution.
        NegotiationTooHardError: The rules are too hard to solve for this request.
        InvalidMaskError: ``want`` is not a request, a profile or a mask.
        TypeError: ``support`` is not a Support.

    >>> from gmemflags import MAINLINE, negotiate, query
    >>> from gmemflags.testing import FakeBackend
    >>> negotiate(query(FakeBackend.narrow(0b11)), MAINLINE.profiles["fully-shared"]).mask
    3
    """
    resolution = resolve(support, want)
    if not resolution.ok:
        raise NegotiationError(resolution)
    return resolution
