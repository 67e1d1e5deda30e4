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

from gmemflags._catalog import Capability, Catalog, Scope, capability_name
from gmemflags._exceptions import (
    CapabilityQueryError,
    CatalogError,
    InconsistentAnswerError,
    InvalidMaskError,
    quote,
    safe_repr,
)
from gmemflags._mainline import MAINLINE
from gmemflags._masks import WORD, FlagWord, Merged, bit_called, bits, merge, read_long
from gmemflags._values import checked, frozen_mapping, is_a, mapping_repr, reduce_to_fields


def _vm_type(value: int | None) -> int | None:
    if value is None or (type(value) is int and 0 <= value < 1 << 64):
        return value
    raise TypeError(f"vm_type must be an int in [0, 2**64), not {safe_repr(value)}")


@frozen
class HostFacts:
    """What is known of a host besides KVM's answers; None where it is not known.

    The facts are shown, and used for rules that speak of some machines or VM types only. A kernel
    version never decides anything.

    Args:
        kernel: As ``uname -r`` says it.
        machine: As ``uname -m`` says it.
        vm_type: The type that KVM_CREATE_VM was given; None for /dev/kvm itself. On arm64 an
            address size in bits 7:0 does not count.

    Raises:
        TypeError: A field of another type.
    """

    kernel: str | None = field(default=None, validator=is_a(str, or_none=True))
    machine: str | None = field(default=None, validator=is_a(str, or_none=True))
    vm_type: int | None = field(default=None, converter=_vm_type)


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

    def recheck(self) -> None:  # noqa: B027  # most backends cannot change
        """Check that this still is what it was when it was opened; ``query`` calls it once.

        Raises:
            KvmUnavailableError: It is something else now.
        """

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


def _by_name(answers: Mapping[str, int] | Mapping[Capability, int]) -> Mapping[str, int]:
    return frozen_mapping({capability_name(name): value for name, value in answers.items()})


def _scope(value: Scope) -> Scope:
    return checked(value, "scope", Scope)


def _host(value: HostFacts) -> HostFacts:
    return checked(value, "host", HostFacts)


def _origin(value: str) -> str:
    return checked(value, "origin", str)


def _catalog(value: Catalog) -> Catalog:
    return checked(value, "catalog", Catalog)


def _merge_answers(support: Support) -> Merged:
    # Everything is checked once here, so that all later reading succeeds.
    numbers, answers, origin = support.catalog.capabilities, support.answers, support.origin
    if support.scope is Scope.SYSTEM and support.host.vm_type is not None:
        raise ValueError("a Support of system scope has no VM type")
    for name in (*answers, *support.errors):
        if numbers.get(name) is None:
            problem = f"{quote(origin)} answered {quote(name)}, which has no number here"
            raise CatalogError(support.catalog.name, problem)
    for name, error in support.errors.items():
        if name in answers or name in _ENUMERATING or type(error) is not int or error < 0:
            raise ValueError(f"errors[{name!r}] cannot be {safe_repr(error)} beside the answers")
    for name, raw in answers.items():
        if type(raw) is int and 0 <= raw <= WORD >> 1:
            continue  # as nearly all are
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
        errors: The errno of each capability that could not be asked, by name. What is not known
            is neither a yes nor a no.
        scope: Whether /dev/kvm or a VM answered.
        host: What is known of the host.
        origin: Who answered, as text.
        catalog: The tree that names the bits.

    Raises:
        InconsistentAnswerError: An answer is not a C long or looks like an errno, or FLAGS_HI is
            wider than 32 bits.
        CatalogError: An answer to a capability that the catalog does not number.
        TypeError: A field of another type.
        ValueError: An error and an answer to one capability, or an error of one that enumerates
            flags; a VM type at system scope.
    """

    answers: Mapping[str, int] = field(converter=_by_name, hash=False, repr=mapping_repr)
    errors: Mapping[str, int] = field(
        factory=dict[str, int], converter=_by_name, hash=False, repr=mapping_repr
    )
    scope: Scope = field(converter=_scope)
    host: HostFacts = field(factory=HostFacts, converter=_host)
    origin: str = field(default="a host", converter=_origin)
    catalog: Catalog = field(converter=_catalog, repr=lambda catalog: quote(catalog.name))
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
        """What ``capability`` was answered, as a mask; None if that is not known.

        Args:
            capability: A kernel name, with or without ``KVM_CAP_``.

        Raises:
            CatalogError: The catalog knows no capability of that name.
        """
        name = capability_name(capability)
        if name not in self.catalog.capabilities:
            problem = f"no capability is called {quote(name)}"
            raise CatalogError(self.catalog.name, problem)
        return self.known_answer(name)

    def known_answer(self, name: str) -> int | None:
        """The same for a name without ``KVM_CAP_``, which the catalog may not know."""
        raw = self.answers.get(name)
        return None if raw is None else read_long(raw)[0]

    def state(self, bit: int) -> BitState:
        """What the host says of one bit.

        Raises:
            InvalidMaskError: ``bit`` is not exactly one bit, or a flag that the catalog calls
                otherwise.
        """
        wanted = bit_called(bit, self.catalog.flags.bit_names)
        if not wanted & self.answerable:
            return BitState.UNKNOWABLE
        return BitState.SUPPORTED if wanted & self.mask else BitState.UNSUPPORTED

    def under(self, catalog: Catalog) -> Support:
        """The same answers, read under another tree's catalog.

        An answer counts only for a capability that has the same number there.

        Raises:
            CatalogError: That tree gives a listed bit another name, or enumerates flags by a
                number which this host was never asked: query the host again under it.
        """
        mine, other = self.catalog.capabilities, catalog.capabilities
        names, other_names = self.catalog.flags.bit_names, catalog.flags.bit_names
        for bit in bits(self.mask):
            if names.get(bit) != other_names.get(bit, names.get(bit)) and bit in names:
                problem = (
                    f"{bit:#x} is {quote(other_names[bit])} here, and {quote(names[bit])} in"
                    f" {quote(self.catalog.name)}, under which {quote(self.origin)} was asked"
                )
                raise CatalogError(catalog.name, f"{problem}; query it again")
        for name in _ENUMERATING:
            number = other.get(name)
            if number is not None and (mine.get(name) != number or name not in self.answers):
                problem = f"{name} is {number} here, which {quote(self.origin)} was never asked"
                raise CatalogError(catalog.name, f"{problem}; query it again")
        shared = {name for name, number in mine.items() if other.get(name) == number}
        return evolve(
            self,
            answers={name: raw for name, raw in self.answers.items() if name in shared},
            errors={name: errno for name, errno in self.errors.items() if name in shared},
            catalog=catalog,
        )


_ENUMERATING = (
    Capability.GUEST_MEMFD.value,
    Capability.GUEST_MEMFD_FLAGS.value,
    Capability.GUEST_MEMFD_FLAGS_HI.value,
)


def query(backend: Backend, catalog: Catalog = MAINLINE) -> Support:
    """Ask ``backend`` every capability that ``catalog`` numbers, once each, and keep every answer.

    No number that the catalog does not hold is ever asked: another capability's answer would be
    read as flags. Kernels answer an error to some capabilities at system scope; where it is not
    one that enumerates flags, the error is kept, and that capability is not known.

    Raises:
        CapabilityQueryError: GUEST_MEMFD, GUEST_MEMFD_FLAGS or its upper half could not be asked.
        InconsistentAnswerError: An answer cannot be flags.
        KvmUnavailableError: The descriptor is not what it was any more.

    Source: Documentation/virt/kvm/api.rst 4.4, v6.18.

    >>> from gmemflags import format_mask, query
    >>> from gmemflags.testing import FakeBackend
    >>> format_mask(query(FakeBackend({234: 1, 244: 3})).mask)
    'MMAP|INIT_SHARED'
    """
    backend.recheck()
    ask = backend.check_extension
    answers: dict[str, int] = {}
    errors: dict[str, int] = {}
    for name, number in catalog.capabilities.items():
        if number is None:
            continue
        try:
            answers[name] = ask(number)
        except CapabilityQueryError as error:
            if name in _ENUMERATING:
                raise
            errors[name] = error.errno or 0
    return Support(
        answers=answers,
        errors=errors,
        scope=backend.scope,
        host=backend.host,
        origin=backend.origin,
        catalog=catalog,
    )
