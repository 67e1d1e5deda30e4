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
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from attrs import Factory, field, frozen

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
from gmemflags._masks import WORD, FlagWord, Merged, bit_called, bits, merge, one_bit, read_long
from gmemflags._values import (
    NOTHING,
    Reduced,
    Value,
    checked,
    checked_mapping,
    checked_tuple,
    frozen_mapping,
    is_a,
    mapping_repr,
    reduce_to_fields,
)


def _vm_type(value: int | None) -> int | None:
    if value is None or (type(value) is int and 0 <= value < 1 << 64):
        return value
    raise TypeError(f"vm_type must be an int in [0, 2**64), not {safe_repr(value)}")


def _time(value: int | None) -> int | None:
    if value is None or (type(value) is int and 0 <= value < _YEAR_10000):
        return value
    raise TypeError(
        f"time must be seconds since 1970 before the year 10000, not {safe_repr(value)}"
    )


_YEAR_10000 = 253_402_300_800


def _extra(value: Mapping[str, object]) -> Mapping[str, object]:
    return frozen_mapping(checked_mapping(value, "extra"))


@frozen(getstate_setstate=False, repr=False, eq=False)
class HostFacts(Value):
    """What is known of a host besides KVM's answers; None where it is not known.

    The facts are shown, and used for rules that speak of some machines or VM types only. A kernel
    version never decides anything.

    Args:
        kernel: As ``uname -r`` says it.
        machine: As ``uname -m`` says it.
        vm_type: The type that KVM_CREATE_VM was given; None for /dev/kvm itself. On arm64 an
            address size in bits 7:0 does not count.
        name: The name of the host, as ``uname -n`` says it.
        time: When it was opened, in seconds since 1970 (UTC). It does not count in comparisons.
        extra: What the user of the library wants to keep with it, by name; plain data of JSON. It
            is carried along, never read, and does not count in comparisons.

    Raises:
        TypeError: A field of another type.
    """

    kernel: str | None = field(default=None, validator=is_a(str, or_none=True))
    machine: str | None = field(default=None, validator=is_a(str, or_none=True))
    vm_type: int | None = field(default=None, converter=_vm_type)
    name: str | None = field(default=None, validator=is_a(str, or_none=True), kw_only=True)
    time: int | None = field(default=None, converter=_time, eq=False, kw_only=True)
    extra: Mapping[str, object] = field(
        factory=dict[str, object], converter=_extra, eq=False, repr=mapping_repr, kw_only=True
    )

    def __reduce__(self) -> Reduced:
        return reduce_to_fields(self)


class Answer(NamedTuple):
    """What one capability was answered with, whatever a catalog calls it."""

    capability: str
    """The kernel name without ``KVM_CAP_``."""
    number: int
    """The number that was asked for."""
    raw: int | None
    """The C long, or None if the call failed."""
    errno: int | None = None
    """The errno of a call that failed, else None."""


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

        Args:
            number: The number of the capability.

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
    if isinstance(answers, MappingProxyType):  # ours, or its names are refused as unknown ones
        return frozen_mapping(answers)
    named: Mapping[Any, int] = checked_mapping(answers, "answers by capability")
    return frozen_mapping({capability_name(name): value for name, value in named.items()})


def _scope(value: Scope) -> Scope:
    return checked(value, "scope", Scope)


def _host(value: HostFacts) -> HostFacts:
    return checked(value, "host", HostFacts)


def _origin(value: str) -> str:
    return checked(value, "origin", str)


def _catalog(value: Catalog) -> Catalog:
    return checked(value, "catalog", Catalog)


def _unused(answers: Collection[Answer]) -> tuple[Answer, ...]:
    if not answers:
        return ()
    found = checked_tuple(answers, Answer, "several Answer values")
    for answer in found:
        checked(answer.capability, "capability", str)
        checked(answer.number, "number", int)
        for value in (answer.raw, answer.errno):
            if value is not None:
                checked(value, "raw or errno", int)
    return found


def _names(names: Mapping[int, str]) -> Mapping[int, str]:
    if names is NOTHING:
        return names
    given = checked_mapping(names, "other_names").items()
    return frozen_mapping({one_bit(bit): checked(name, "a name", str) for bit, name in given})


def _check_others(support: Support) -> None:
    # What is beside the answers must not speak of what the catalog does use.
    if support.scope is Scope.SYSTEM and support.host.vm_type is not None:
        raise ValueError("a Support of system scope has no VM type")
    catalog = support.catalog
    for name, errno in support.errors.items():
        if catalog.capabilities.get(name) is None:
            raise _unnumbered(support, name)
        if name in support.answers or name in _ENUMERATING or type(errno) is not int or errno < 0:
            raise ValueError(f"errors[{name!r}] cannot be {safe_repr(errno)} beside the answers")
    for bit, name in support.other_names.items():
        known = catalog.flags.bit_names.get(bit)
        if known is not None and known != name:
            raise CatalogError(catalog.name, _other_name(bit, known, name, support.origin))
    seen: set[str] = set()
    for answer in support.unused:
        name, number = answer.capability, answer.number
        if name in support.answers or name in support.errors or name in seen:
            raise ValueError(f"{quote(name)} is answered twice")
        seen.add(name)
        if name in _ENUMERATING and catalog.capabilities.get(name) is not None:
            raise CatalogError(catalog.name, _other_number(catalog, name, number, support.origin))


def _other_name(bit: int, here: str, there: str, origin: str) -> str:
    return (
        f"{bit:#x} is {quote(here)} here, and {quote(there)} in the tree under which"
        f" {quote(origin)} was asked; query it again"
    )


def _other_number(catalog: Catalog, name: str, number: int | None, origin: str) -> str:
    asked = "was never asked" if number is None else f"was never asked: it was asked {number}"
    return (
        f"{name} is {catalog.capabilities.get(name)} here, which {quote(origin)} {asked};"
        " query it again"
    )


def _as_given(support: Support) -> tuple[Catalog, Scope]:
    return support.catalog, support.scope


def _merge_answers(support: Support) -> Merged:
    # Everything is checked once here, so that all later reading succeeds.
    numbers, answers, origin = support.catalog.capabilities, support.answers, support.origin
    for name, raw in answers.items():
        if numbers.get(name) is None:
            raise _unnumbered(support, name)
        if type(raw) is int and 0 <= raw <= WORD >> 1:  # pragma: no mutate  # as nearly all are
            continue
        try:
            read_long(raw)
        except InvalidMaskError as error:
            raise InconsistentAnswerError(name, raw, str(error), origin) from None
    _check_others(support)
    flags_hi = answers.get(_FLAGS_HI)
    try:
        merged = merge(answers.get(Capability.GUEST_MEMFD_FLAGS), flags_hi)
    except InvalidMaskError as error:
        raise InconsistentAnswerError(_FLAGS_HI, flags_hi, str(error), origin) from None
    if support.asked_as != (support.catalog, support.scope):
        _check_copy(support, merged.mask)
    return merged


def _check_copy(support: Support, mask: int) -> None:
    # A copy by evolve() says what the first one said.
    (asked, scope), catalog = support.asked_as, support.catalog
    if scope is Scope.SYSTEM and support.scope is Scope.VM:
        raise ValueError("/dev/kvm gave these answers, and no VM: query the VM")
    numbers = asked.capabilities
    for name in {*support.answers, *support.errors, *_ENUMERATING}:
        number = catalog.capabilities.get(name)
        if number is not None and number != numbers.get(name):
            problem = _other_number(catalog, name, numbers.get(name), support.origin)
            raise CatalogError(catalog.name, problem)
    for bit, there in asked.flags.bit_names.items():
        here = catalog.flags.bit_names.get(bit, there) if bit & mask else there
        if here != there:
            raise CatalogError(catalog.name, _other_name(bit, here, there, support.origin))


def _unnumbered(support: Support, name: str) -> CatalogError:
    problem = f"{quote(support.origin)} answered {quote(name)}, which has no number here"
    return CatalogError(support.catalog.name, problem)


@frozen(kw_only=True, getstate_setstate=False, repr=False, eq=False)
class Support(Value):
    """The answers of one host, for one scope, read under one catalog.

    Args:
        answers: The C long that each capability was answered with, by name.
        errors: The errno of each capability that could not be asked, by name. What is not known
            is neither a yes nor a no.
        scope: Whether /dev/kvm or a VM answered.
        host: What is known of the host.
        origin: Who answered, as text.
        catalog: The tree that names the bits. For another one, use :meth:`under`.
        unused: Answers to capabilities that the catalog does not number, or numbers otherwise:
            kept for another catalog, and not used.
        other_names: What the tree under which the host was asked calls bits that the catalog does
            not name.
        asked_as: The catalog and the scope for which this was made first; not to be given. A copy
            by ``evolve`` keeps it, so that no copy reads the answers as something else.

    Raises:
        InconsistentAnswerError: An answer is not a C long or looks like an errno, or FLAGS_HI is
            wider than 32 bits.
        CatalogError: An answer to a capability that the catalog does not number; a bit that it
            calls otherwise than ``other_names``, or flags enumerated by another number; another
            catalog than that of ``asked_as`` which reads the answers differently.
        TypeError: A field of another type.
        ValueError: An error and an answer to one capability, or an error of one that enumerates
            flags; two answers to one capability; a VM type at system scope; a copy of the
            answers of /dev/kvm as those of a VM.

    >>> from gmemflags import query
    >>> from gmemflags.testing import FakeBackend
    >>> host = query(FakeBackend.narrow(0b11))
    >>> hex(host.mask), str(host.flags), host.answer("KVM_CAP_VM_TYPES")
    ('0x3', 'MMAP|INIT_SHARED', 1)
    """

    answers: Mapping[str, int] = field(converter=_by_name, hash=False, repr=mapping_repr)
    errors: Mapping[str, int] = field(
        default=NOTHING, converter=_by_name, hash=False, repr=mapping_repr
    )
    scope: Scope = field(converter=_scope)
    host: HostFacts = field(factory=HostFacts, converter=_host)
    origin: str = field(default="a host", converter=_origin)
    catalog: Catalog = field(converter=_catalog, repr=lambda catalog: quote(catalog.name))
    unused: tuple[Answer, ...] = field(default=(), converter=_unused)
    other_names: Mapping[int, str] = field(
        default=NOTHING, converter=_names, hash=False, repr=mapping_repr
    )
    asked_as: tuple[Catalog, Scope] = field(
        eq=False, repr=False, default=Factory(_as_given, takes_self=True)
    )
    _merged: Merged = field(
        init=False, eq=False, repr=False, default=Factory(_merge_answers, takes_self=True)
    )

    def __reduce__(self) -> Reduced:
        return reduce_to_fields(self)

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
        """The same for a name without ``KVM_CAP_``, which the catalog may not know.

        Args:
            name: A kernel name without ``KVM_CAP_``.
        """
        raw = self.answers.get(name)
        return None if raw is None else read_long(raw)[0]

    def state(self, bit: int) -> BitState:
        """What the host says of one bit.

        Args:
            bit: A mask of exactly one bit.

        Raises:
            InvalidMaskError: ``bit`` is not exactly one bit, or a flag that the catalog calls
                otherwise.
        """
        wanted = bit_called(bit, self.catalog.flags.bit_names)
        if not wanted & self.answerable:
            return BitState.UNKNOWABLE
        return BitState.SUPPORTED if wanted & self.mask else BitState.UNSUPPORTED

    @property
    def all_answers(self) -> tuple[Answer, ...]:
        """Every answer with its number: those that the catalog uses, and the others."""
        numbers = self.catalog.capabilities
        found = [Answer(name, numbers[name] or 0, raw) for name, raw in self.answers.items()]
        failed = [
            Answer(name, numbers[name] or 0, None, errno) for name, errno in self.errors.items()
        ]
        return (*found, *failed, *self.unused)

    @property
    def all_names(self) -> dict[int, str]:
        """What the listed bits are called, by the catalog or in ``other_names``."""
        names = self.catalog.flags.bit_names
        listed = {bit: names[bit] for bit in bits(self.mask) if bit in names}
        return dict(sorted({**self.other_names, **listed}.items()))

    def under(self, catalog: Catalog) -> Support:
        """The same answers, read under another tree's catalog.

        An answer counts only for a capability that has the same number there; the others are kept.

        Args:
            catalog: The catalog of the other tree.

        Raises:
            CatalogError: That tree gives a listed bit another name, or enumerates flags by a
                number which this host was never asked: query the host again under it.
        """
        answered = {a.capability: a.number for a in self.all_answers if a.raw is not None}
        for name in _ENUMERATING:
            number = catalog.capabilities.get(name)
            if number is not None and answered.get(name) != number:
                problem = _other_number(catalog, name, answered.get(name), self.origin)
                raise CatalogError(catalog.name, problem)
        return support_of(
            self.all_answers,
            self.all_names,
            catalog,
            scope=self.scope,
            host=self.host,
            origin=self.origin,
        )


_FLAGS_HI = Capability.GUEST_MEMFD_FLAGS_HI.value
_ENUMERATING = (Capability.GUEST_MEMFD.value, Capability.GUEST_MEMFD_FLAGS.value, _FLAGS_HI)


def support_of(
    said: Iterable[Answer],
    names: Mapping[int, str],
    catalog: Catalog,
    *,
    scope: Scope,
    host: HostFacts,
    origin: str,
) -> Support:
    """Answers under a catalog, whichever they were asked under.

    Args:
        said: The answers.
        names: What the tree under which the host was asked calls the listed bits.
        catalog: The catalog; it uses the answers to capabilities that it gives the same number.
        scope: Whether /dev/kvm or a VM answered.
        host: What is known of the host.
        origin: Who answered, as text.

    Raises:
        CatalogError: The catalog gives a listed bit another name, or an enumerating capability
            another number.
        InconsistentAnswerError: An answer cannot be flags.
    """
    numbers, known = catalog.capabilities, catalog.flags.bit_names
    answers: dict[str, int] = {}
    errors: dict[str, int] = {}
    unused: list[Answer] = []
    for answer in said:
        if numbers.get(answer.capability) != answer.number:
            unused.append(answer)
        elif answer.raw is not None:
            answers[answer.capability] = answer.raw
        else:
            errors[answer.capability] = answer.errno or 0
    return Support(
        answers=frozen_mapping(answers),
        errors=frozen_mapping(errors),
        scope=scope,
        host=host,
        origin=origin,
        catalog=catalog,
        unused=unused,
        other_names={bit: name for bit, name in names.items() if known.get(bit) != name},
    )


def query(backend: Backend, catalog: Catalog = MAINLINE) -> Support:
    """Ask ``backend`` every capability that ``catalog`` numbers, once each, and keep every answer.

    No number that the catalog does not hold is ever asked: another capability's answer would be
    read as flags. Kernels answer an error to some capabilities at system scope; where it is not
    one that enumerates flags, the error is kept, and that capability is not known.

    Args:
        backend: Who is asked: a Kvm, a Vm or a fake.
        catalog: The tree that numbers the capabilities and names the bits.

    Raises:
        CapabilityQueryError: GUEST_MEMFD, GUEST_MEMFD_FLAGS or its upper half could not be asked.
        InconsistentAnswerError: An answer cannot be flags.
        KvmUnavailableError: The descriptor is not what it was any more.
        TypeError: ``backend`` is not a Backend.

    Source: Documentation/virt/kvm/api.rst 4.4, v6.18.

    >>> from gmemflags import format_mask, query
    >>> from gmemflags.testing import FakeBackend
    >>> format_mask(query(FakeBackend({234: 1, 244: 3})).mask)
    'MMAP|INIT_SHARED'
    """
    if not isinstance(cast("object", backend), Backend):
        what = f"{safe_repr(backend)}; a known host has .vm() and .system"
        raise TypeError(f"a Backend is needed, not {what}")
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
        answers=frozen_mapping(answers),
        errors=frozen_mapping(errors),
        scope=backend.scope,
        host=backend.host,
        origin=backend.origin,
        catalog=catalog,
    )
