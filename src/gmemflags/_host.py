"""What one host said: the abstract backend, the query, and the answers as a value.

The raw answers are the truth and are kept; everything else is derived from them under one catalog.
No gap is ever filled: what was not asked, or cannot be seen, is unknowable.

>>> from gmemflags import query
>>> from gmemflags.testing import FakeBackend
>>> support = query(FakeBackend.narrow(0x43))
>>> hex(support.mask), hex(support.answerable)
('0x43', '0xffffffff')
>>> support.state(1 << 1), support.state(1 << 7), support.state(1 << 40)
(<BitState.SUPPORTED: 'supported'>, <BitState.UNSUPPORTED: 'unsupported'>, <BitState.UNKNOWABLE: \
'unknowable'>)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import StrEnum

from attrs import Factory, evolve, field, frozen

from gmemflags._catalog import Capability, Catalog, Scope
from gmemflags._exceptions import CatalogError, InconsistentAnswerError, InvalidMaskError
from gmemflags._mainline import MAINLINE
from gmemflags._masks import FlagWord, Merged, merge, one_bit, read_long
from gmemflags._values import FrozenDict, checked, checked_or_none, reduce_to_fields


@frozen
class HostFacts:
    """What is known of a host besides KVM's answers; None where it is not known.

    The facts are shown, and used for rules that speak of some machines or VM types only. A kernel
    version never decides anything.

    Args:
        kernel: As ``uname -r`` says it.
        machine: As ``uname -m`` says it.
        vm_type: The number that KVM_CREATE_VM was given; None for /dev/kvm itself.

    Raises:
        TypeError: A field of another type.
    """

    kernel: str | None = field(default=None, converter=checked_or_none("kernel", str))
    machine: str | None = field(default=None, converter=checked_or_none("machine", str))
    vm_type: int | None = field(default=None, converter=checked_or_none("vm_type", int))


class Backend(ABC):
    """Someone who answers KVM_CHECK_EXTENSION, for one scope.

    The real ones are ``gmemflags.linux.Kvm`` and ``Vm``; ``gmemflags.testing.FakeBackend`` is for
    tests. A backend passes answers on as they are, and never interprets one.
    """

    @property
    @abstractmethod
    def scope(self) -> Scope:
        """Whether this is /dev/kvm or one VM."""

    @property
    @abstractmethod
    def origin(self) -> str:
        """Who answers, as text for people: ``/dev/kvm``, ``VM of type 0 on /dev/kvm``."""

    @property
    @abstractmethod
    def host(self) -> HostFacts:
        """What is known of the host, read once when the backend was opened."""

    @abstractmethod
    def check_extension(self, number: int) -> int:
        """The C long that the kernel returned for capability ``number``, unread.

        Raises:
            CapabilityQueryError: The call failed; an error is never returned as a number.
        """


class BitState(StrEnum):
    """What a host says of one bit."""

    SUPPORTED = "supported"
    """The host lists it."""
    UNSUPPORTED = "unsupported"
    """The host could have listed it and does not."""
    UNKNOWABLE = "unknowable"
    """The host could not even speak of it: it was not asked, or 32 bits do not reach that far."""


def _frozen_answers(answers: Mapping[str, int] | Mapping[Capability, int]) -> FrozenDict[str, int]:
    return FrozenDict({str(name): raw for name, raw in answers.items()})


def _merge_answers(support: Support) -> Merged:
    # Every answer is read once here, so that all later reading succeeds.
    numbers, answers, origin = support.catalog.capabilities, support.answers, support.origin
    for name, raw in answers.items():
        if numbers.get(name) is None:
            problem = f"{origin} answered {name}, which has no number here"
            raise CatalogError(support.catalog.name, problem)
        try:
            read_long(raw)
        except InvalidMaskError as error:
            raise InconsistentAnswerError(name, raw, str(error), origin) from None
    flags_hi = answers.get(Capability.GUEST_MEMFD_FLAGS_HI)
    try:
        return merge(answers.get(Capability.GUEST_MEMFD_FLAGS), flags_hi)
    except InvalidMaskError as error:
        name = Capability.GUEST_MEMFD_FLAGS_HI.value
        raise InconsistentAnswerError(name, flags_hi, str(error), origin) from None


@frozen(kw_only=True, getstate_setstate=False)
class Support:
    """The answers of one host, for one scope, read under one catalog.

    Args:
        answers: The C long that each capability was answered with, by name.
        scope: Whether /dev/kvm or a VM answered.
        host: What is known of the host.
        origin: Who answered, as text.
        catalog: The tree that names the bits.

    Raises:
        InconsistentAnswerError: An answer is not a C long or looks like an errno, or FLAGS_HI is
            wider than 32 bits.
        CatalogError: An answer to a capability that the catalog does not number.
        TypeError: A field of another type.
    """

    answers: Mapping[str, int] = field(converter=_frozen_answers)
    scope: Scope = field(converter=checked("scope", Scope))
    host: HostFacts = field(factory=HostFacts, converter=checked("host", HostFacts))
    origin: str = field(default="a host", converter=checked("origin", str))
    catalog: Catalog = field(
        converter=checked("catalog", Catalog), repr=lambda catalog: catalog.name
    )
    _merged: Merged = field(
        init=False, eq=False, repr=False, default=Factory(_merge_answers, takes_self=True)
    )

    __reduce__ = reduce_to_fields

    @property
    def mask(self) -> int:
        """The flags that the host lists: ``FLAGS | FLAGS_HI << 32``, see :func:`merge`."""
        return self._merged.mask

    @property
    def answerable(self) -> int:
        """The bits that the host could speak of; all others are unknowable."""
        return self._merged.answerable

    @property
    def hi_only(self) -> int:
        """Bits that FLAGS_HI claims and a 64-bit FLAGS denies: reported, and not believed."""
        return self._merged.hi_only

    @property
    def flags(self) -> FlagWord:
        """A view of :attr:`mask` in the flag class of the catalog."""
        return self.catalog.flags(self.mask)

    @property
    def guest_memfd(self) -> bool | None:
        """Whether KVM_CREATE_GUEST_MEMFD is there for this scope; None if that was not asked."""
        raw = self.answers.get(Capability.GUEST_MEMFD)
        return None if raw is None else raw != 0

    def answer(self, capability: str) -> int | None:
        """What ``capability`` was answered, as a mask; None if it was not asked."""
        raw = self.answers.get(capability)
        return None if raw is None else read_long(raw)[0]

    def state(self, bit: int) -> BitState:
        """What the host says of one bit.

        Raises:
            InvalidMaskError: ``bit`` is not exactly one bit.
        """
        wanted = one_bit(bit)
        if not wanted & self.answerable:
            return BitState.UNKNOWABLE
        return BitState.SUPPORTED if wanted & self.mask else BitState.UNSUPPORTED

    def under(self, catalog: Catalog) -> Support:
        """The same answers, read under another tree's catalog.

        An answer counts only for a capability that has the same number there.

        Raises:
            CatalogError: That tree enumerates flags by a number which this host was never asked:
                query the host again under it.
        """
        mine, other = self.catalog.capabilities, catalog.capabilities
        shared = {
            name: raw for name, raw in self.answers.items() if other.get(name) == mine.get(name)
        }
        for name in _ENUMERATING:
            if other.get(name) is not None and name not in shared:
                problem = f"{name} is {other[name]} here, which {self.origin} was never asked"
                raise CatalogError(catalog.name, f"{problem}; query it again")
        return evolve(self, answers=shared, catalog=catalog)


_ENUMERATING = (
    Capability.GUEST_MEMFD,
    Capability.GUEST_MEMFD_FLAGS,
    Capability.GUEST_MEMFD_FLAGS_HI,
)


def query(backend: Backend, catalog: Catalog = MAINLINE) -> Support:
    """Ask ``backend`` every capability that ``catalog`` numbers, once each, and keep every answer.

    No number that the catalog does not hold is ever asked: another capability's answer would be
    read as flags.

    Raises:
        CapabilityQueryError: A call failed.
        InconsistentAnswerError: An answer cannot be flags.

    Source: Documentation/virt/kvm/api.rst 4.4, v6.18.

    >>> from gmemflags import format_mask, query
    >>> from gmemflags.testing import FakeBackend
    >>> format_mask(query(FakeBackend({234: 1, 244: 3})).mask)
    'MMAP|INIT_SHARED'
    """
    ask = backend.check_extension
    return Support(
        answers={
            name: ask(number) for name, number in catalog.capabilities.items() if number is not None
        },
        scope=backend.scope,
        host=backend.host,
        origin=backend.origin,
        catalog=catalog,
    )
