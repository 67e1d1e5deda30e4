"""Kernels that do not exist, as tables of answers, and what follows from them.

They are played to the real edge by the scripted kernel, and by the fake: with the same outcome.
"""

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass

from attrs import evolve

from gmemflags import (
    MAINLINE,
    Backend,
    Capability,
    CapabilityQueryError,
    Catalog,
    InconsistentAnswerError,
    query,
)
from gmemflags.testing import FakeBackend
from tests.standin._script import Errno

WORD = 0xFFFF_FFFF
MASK = 0xFFFF_FFFF_FFFF_FFFF
HI = 300
WITH_HI = evolve(
    MAINLINE, capabilities={**MAINLINE.capabilities, Capability.GUEST_MEMFD_FLAGS_HI: HI}
)

Outcome = tuple[object, ...]


@dataclass(frozen=True)
class Kernel:
    """A kernel's answers by number, all others being 0, and the outcome of a query."""

    answers: Mapping[int, int | Errno]
    outcome: Outcome

    @property
    def catalog(self) -> Catalog:
        """The tree that it is of: one with a FLAGS_HI, if it answers that."""
        return WITH_HI if HI in self.answers else MAINLINE

    def fake(self) -> FakeBackend:
        """The fake that gives the same answers."""
        return FakeBackend({number: _raised(answer) for number, answer in self.answers.items()})


def _raised(answer: int | Errno) -> int | OSError:
    if isinstance(answer, Errno):
        return OSError(answer.number, os.strerror(answer.number))
    return answer


def outcome(backend: Backend, catalog: Catalog) -> Outcome:
    """What a query yields: mask, answerable and disagreement, or the error with its data."""
    try:
        support = query(backend, catalog)
    except CapabilityQueryError as error:
        return "no answer", error.number, error.errno, error.strerror
    except InconsistentAnswerError as error:
        return "inconsistent", error.capability, error.raw
    return support.mask, support.answerable, support.hi_only


def _reads(mask: int, answerable: int = WORD, disagreement: int = 0, **answers: int) -> Kernel:
    numbers = {"flags": 244, "hi": HI, "guest_memfd": 234}
    return Kernel(
        {234: 1} | {numbers[name]: raw for name, raw in answers.items()},
        (mask, answerable, disagreement),
    )


def _inconsistent(flags: int, hi: int | None = None) -> Kernel:
    table = {234: 1, 244: flags} | ({} if hi is None else {HI: hi})
    name, raw = ("GUEST_MEMFD_FLAGS", flags) if hi is None else ("GUEST_MEMFD_FLAGS_HI", hi)
    return Kernel(table, ("inconsistent", name, raw))


def _fails(number: int, code: int) -> Kernel:
    table: dict[int, int | Errno] = {234: 1, 244: 3, number: Errno(code)}
    return Kernel(table, ("no answer", number, code, os.strerror(code)))


KERNELS = {
    "Linux 6.1": _reads(0, guest_memfd=0),
    "Linux 6.8": _reads(0, flags=0),
    "Linux 6.18": _reads(3, flags=3),
    "bit 31, a C int": _reads(0x8000_0000, flags=-(2**31)),
    "bits 31, 1 and 0, a C int": _reads(0x8000_0003, flags=-(2**31) + 3),
    "bits 31, 1 and 0, a long": _reads(0x8000_0003, flags=0x8000_0003),
    "the last word before the errnos": _reads(0xFFFF_F000, flags=-4096),
    "64 bits at once": _reads(0x7_0000_0003, MASK, flags=0x7_0000_0003),
    "bit 62 alone": _reads(1 << 62, MASK, flags=1 << 62),
    "bit 63 alone": _reads(1 << 63, MASK, flags=-(2**63)),
    "bits 63 and 0": _reads(1 << 63 | 1, MASK, flags=-(2**63) + 1),
    "every bit but 63": _reads(MASK >> 1, MASK, flags=2**63 - 1),
    "every bit but 31": _reads(MASK ^ 1 << 31, MASK, flags=-(2**31) - 1),
    "FLAGS_HI": _reads(0x7_0000_0003, MASK, flags=3, hi=7),
    "FLAGS_HI, empty": _reads(3, MASK, flags=3, hi=0),
    "FLAGS_HI, with bit 63": _reads(1 << 63 | 3, MASK, flags=3, hi=-(2**31)),
    "FLAGS_HI, redundant": _reads(0x7_0000_0003, MASK, flags=0x7_0000_0003, hi=7),
    "FLAGS_HI, that says less": _reads(0x7_0000_0003, MASK, flags=0x7_0000_0003, hi=1),
    "FLAGS_HI, that contradicts": _reads(
        0x4_0000_0003, MASK, 0x3_0000_0000, flags=0x4_0000_0003, hi=7
    ),
    "FLAGS_HI, wider than a word": _inconsistent(3, 1 << 32),
    "FLAGS_HI, wider and negative": _inconsistent(3, -(2**31) - 1),
    "FLAGS_HI, wider, with 64 bits at once": _inconsistent(0x7_0000_0003, 0x7_0000_0003),
    "FLAGS_HI, the image of -EINVAL": _inconsistent(3, 0xFFFF_FFEA),
    "the image of -EINVAL": _inconsistent(0xFFFF_FFEA),
    "the image of -EPERM": _inconsistent(0xFFFF_FFFF),
    "EACCES": _fails(244, errno.EACCES),
    "EIO": _fails(244, errno.EIO),
    "ENOTTY": _fails(244, errno.ENOTTY),
    "EBADF": _fails(244, errno.EBADF),
    "EINVAL": _fails(244, errno.EINVAL),
    "EIO from GUEST_MEMFD_FLAGS": _fails(244, errno.EIO),
    "EINVAL from another capability": Kernel(
        {234: 1, 244: 3, 231: Errno(errno.EINVAL)}, (3, WORD, 0)
    ),
    "ENOSYS from FLAGS_HI": Kernel(
        {234: 1, 244: 3, HI: Errno(errno.ENOSYS)},
        ("no answer", HI, errno.ENOSYS, os.strerror(errno.ENOSYS)),
    ),
}
