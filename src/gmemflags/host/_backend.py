"""The abstract host: whoever can be asked KVM_CHECK_EXTENSION.

The real ones are ``gmemflags.linux.Kvm`` and ``Vm``; ``gmemflags.testing.FakeBackend`` is for
tests. A backend hands answers on as they are, and must never interpret one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from attrs import field, frozen

from gmemflags.catalog._fields import is_a

if TYPE_CHECKING:
    from gmemflags.catalog._uapi import Scope


@frozen
class HostFacts:
    """What is known of a host besides KVM's answers; None where it is not known.

    ``kernel`` and ``machine`` as ``uname -r`` and ``uname -m`` have them; ``vm_type`` is the number
    that KVM_CREATE_VM was given, None for /dev/kvm itself. Shown, and used for rules that speak of
    some machines or VM types only; a kernel version never decides anything. Raises TypeError for
    a field of another type.
    """

    __module__ = "gmemflags"

    kernel: str | None = field(default=None, validator=is_a(str, or_none=True))
    machine: str | None = field(default=None, validator=is_a(str, or_none=True))
    vm_type: int | None = field(default=None, validator=is_a(int, or_none=True))


class Backend(ABC):
    """Someone who answers KVM_CHECK_EXTENSION, for one scope."""

    __module__ = "gmemflags"

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

        A failed call raises :exc:`~gmemflags.exceptions.CapabilityQueryError`; an error is never
        returned as a number.
        """
