"""Fakes for the tests of those who use this library: a host that is a table.

A :class:`FakeBackend` passes the same contract tests as the real one, and never touches a host.

>>> from gmemflags import query
>>> from gmemflags.testing import FakeBackend
>>> backend = FakeBackend({234: 1, 244: 0x3})  # capability number: answer
>>> hex(query(backend).mask), backend.asked
('0x3', [231, 233, 234, 235, 244])
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from gmemflags import _mainline as uapi
from gmemflags._catalog import Scope
from gmemflags._exceptions import CapabilityQueryError, InvalidMaskError
from gmemflags._host import Backend, HostFacts
from gmemflags._masks import WORD, u64
from gmemflags._values import checked_tuple

__all__ = ["FakeBackend"]

DEFAULT_HOST = HostFacts(kernel="6.18.0", machine="x86_64", vm_type=0)
# What a default x86-64 VM on Linux 6.18 answers besides its flags.
_DEFAULT = {
    uapi.KVM_CAP_USER_MEMORY2: 1,
    uapi.KVM_CAP_GUEST_MEMFD: 1,
    uapi.KVM_CAP_VM_TYPES: 1,
}


def _signed(value: int, width: int) -> int:
    # As a C int or long of that width reads it.
    return value - (1 << width) if value >> (width - 1) else value


class FakeBackend(Backend):
    """A backend that answers from a table, like a kernel: what is not in it answers 0.

    ``answers``: by capability number, the C long to return, or an OSError to fail with. The
    default facts are those of a default x86-64 VM. ``asked`` records every number, in order.
    Raises TypeError for answers by anything but a number: they would never be given.
    """

    def __init__(
        self,
        answers: Mapping[int, int | OSError],
        *,
        scope: Scope = Scope.VM,
        host: HostFacts = DEFAULT_HOST,
        origin: str = "a fake host",
    ) -> None:
        checked_tuple(answers, int, "answers by capability number")
        self.answers: dict[int, int | OSError] = dict(answers)
        self.asked: list[int] = []
        self._scope = scope
        self._host = host
        self._origin = origin

    @property
    def scope(self) -> Scope:
        """The scope it was given."""
        return self._scope

    @property
    def origin(self) -> str:
        """The text it was given."""
        return self._origin

    @property
    def host(self) -> HostFacts:
        """The facts it was given."""
        return self._host

    def check_extension(self, number: int) -> int:
        """The answer of the table; an OSError in it becomes a CapabilityQueryError."""
        self.asked.append(number)
        answer = self.answers.get(number, 0)
        if isinstance(answer, OSError):
            raise CapabilityQueryError(
                answer.errno or 0, answer.strerror or "", number, self._origin
            ) from answer
        return answer

    @classmethod
    def narrow(cls, flags: int) -> Self:
        """A host of today: ``flags``, a word, through a C int, with bit 31 sign-extended.

        Raises:
            InvalidMaskError: ``flags`` is not a word.
        """
        word = u64(flags)
        if word > WORD:
            raise InvalidMaskError(f"{word:#x}", "a word: an int in [0, 2**32) is needed")
        return cls({**_DEFAULT, uapi.KVM_CAP_GUEST_MEMFD_FLAGS: _signed(word, 32)})

    @classmethod
    def split(cls, flags: int, *, flags_hi: int) -> Self:
        """A host with FLAGS and a FLAGS_HI whose number is ``flags_hi``, a word each.

        Raises:
            InvalidMaskError: ``flags`` is not a mask.
        """
        mask = u64(flags)
        return cls(
            {
                **_DEFAULT,
                uapi.KVM_CAP_GUEST_MEMFD_FLAGS: _signed(mask & WORD, 32),
                flags_hi: _signed(mask >> 32, 32),
            }
        )

    @classmethod
    def wide(cls, flags: int) -> Self:
        """A host of a KVM that returns all 64 bits at once.

        Nobody can tell it from a host with a word while none of bits 63:32 is set.

        Raises:
            InvalidMaskError: ``flags`` is not a mask.
        """
        return cls({**_DEFAULT, uapi.KVM_CAP_GUEST_MEMFD_FLAGS: _signed(u64(flags), 64)})
