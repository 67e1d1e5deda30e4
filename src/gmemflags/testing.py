"""Fakes for the tests of those who use this library: hosts that are tables, and VMs without KVM.

A :class:`FakeBackend` passes the same contract tests as the real one, and never touches a host. A
:class:`FakeVm` also makes files, so that allocation code is tested without KVM. ``hosts`` are the
hosts of ``gmemflags show --host``, by name.

>>> from gmemflags import query
>>> from gmemflags.testing import FakeBackend, hosts
>>> backend = FakeBackend({"GUEST_MEMFD": 1, 244: 0x3})  # by name or by number
>>> hex(query(backend).mask), backend.asked
('0x3', [231, 233, 234, 235, 244])
>>> str(query(hosts["linux-7.3-aarch64"].vm()).flags)
'MMAP|INIT_SHARED'
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from errno import EBADF, EINVAL
from typing import Any, Self, TypedDict, Unpack

from attrs import field, frozen

from gmemflags import _mainline as uapi
from gmemflags._catalog import Catalog, Scope, capability_name
from gmemflags._create import VmBackend, create
from gmemflags._decision import applicable
from gmemflags._exceptions import (
    CapabilityQueryError,
    InconsistentAnswerError,
    InvalidMaskError,
    KvmUnavailableError,
    Unavailable,
    errno_and_text,
    safe_repr,
)
from gmemflags._host import Backend, HostFacts, query
from gmemflags._mainline import MAINLINE
from gmemflags._masks import WORD, u64
from gmemflags._resolve import Resolution
from gmemflags._rules import Stage
from gmemflags._values import frozen_mapping

__all__ = ["FakeBackend", "FakeOptions", "FakeVm", "KnownHost", "hosts"]

# What a default x86-64 VM on Linux 6.18 answers besides its flags.
_DEFAULT = {uapi.KVM_CAP_USER_MEMORY2: 1, uapi.KVM_CAP_GUEST_MEMFD: 1, uapi.KVM_CAP_VM_TYPES: 1}
_FLAGS = uapi.KVM_CAP_GUEST_MEMFD_FLAGS


class FakeOptions(TypedDict, total=False):
    """What every constructor of a fake takes besides its answers, see :class:`FakeBackend`."""

    scope: Scope
    """Whether it answers like /dev/kvm or like a VM, which is the default."""
    host: HostFacts | None
    """The facts; by default those of an x86-64 host, and of a VM of type 0 at VM scope."""
    origin: str
    """Who answers, as text."""
    catalog: Catalog
    """The tree that numbers the names in the answers, by default mainline. A FakeVm takes only the
    flags that a query with this tree lists: give it the tree that you query with."""


def _signed(value: int, width: int) -> int:
    # As a C int or long of that width reads it.
    return value - (1 << width) if value >> (width - 1) else value


def _number(capability: int | str, catalog: Catalog) -> int:
    number: object = capability
    if isinstance(capability, str):
        number = catalog.capabilities.get(capability_name(capability))
    if type(number) is int:
        return number
    raise TypeError(
        f"answers go by number or by a name that {catalog.name} numbers,"
        f" not by {safe_repr(capability)}"
    )


class FakeBackend(Backend):
    """A backend that answers from a table, like a kernel: what is not in it answers 0.

    The table has, by a capability's number or name, the C long to return, or an OSError to fail
    with. The other arguments are those of :class:`FakeOptions`.

    Raises:
        TypeError: An answer by anything else: it would never be given.
        ValueError: A VM type at system scope.
    """

    _gone: OSError | None = None  # what each question fails with, if set

    def __init__(
        self,
        answers: Mapping[Any, int | OSError],  # a union of keys is beyond type checkers
        *,
        scope: Scope = Scope.VM,
        host: HostFacts | None = None,
        origin: str = "a fake host",
        catalog: Catalog = MAINLINE,
    ) -> None:
        self.answers: dict[int, int | OSError] = {
            _number(capability, catalog): answer for capability, answer in answers.items()
        }
        self.asked: list[int] = []
        """Every number that was asked, in order."""
        self.catalog = catalog
        vm_type = 0 if scope is Scope.VM else None
        self._host = host or HostFacts(kernel="6.18.0", machine="x86_64", vm_type=vm_type)
        self._scope, self._origin = scope, origin
        if scope is Scope.SYSTEM and self._host.vm_type is not None:
            raise ValueError("a backend of system scope has no VM type")

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
        """The answer of the table.

        Raises:
            CapabilityQueryError: The table has an OSError, or this is a VM that is closed.
        """
        self.asked.append(number)
        answer = self._gone or self.answers.get(number, 0)
        if isinstance(answer, OSError):
            raise CapabilityQueryError(*errno_and_text(answer), number, self._origin) from answer
        return answer

    @classmethod
    def narrow(cls, flags: int, **options: Unpack[FakeOptions]) -> Self:
        """A host of today: ``flags``, a word, through a C int, with bit 31 sign-extended.

        Raises:
            InvalidMaskError: ``flags`` is not a word.
        """
        word = u64(flags)
        if word > WORD:
            raise InvalidMaskError(f"{word:#x}", "a word: an int in [0, 2**32) is needed")
        return cls(_DEFAULT | {_FLAGS: _signed(word, 32)}, **options)

    @classmethod
    def split(cls, flags: int, *, flags_hi: int, **options: Unpack[FakeOptions]) -> Self:
        """A host with FLAGS, and with FLAGS_HI by the number ``flags_hi``, a word each.

        Raises:
            InvalidMaskError: ``flags`` is not a mask.
        """
        high, low = divmod(u64(flags), 1 << 32)
        words = {_FLAGS: _signed(low, 32), flags_hi: _signed(high, 32)}
        return cls(_DEFAULT | words, **options)

    @classmethod
    def wide(cls, flags: int, **options: Unpack[FakeOptions]) -> Self:
        """A host of a KVM that returns all 64 bits at once.

        It looks the same as a host with a word while none of bits 63:32 is set.

        Raises:
            InvalidMaskError: ``flags`` is not a mask.
        """
        return cls(_DEFAULT | {_FLAGS: _signed(u64(flags), 64)}, **options)


class FakeVm(FakeBackend, VmBackend):
    """A VM that is a table, and makes files: a memfd for each guest_memfd.

    It refuses with EINVAL what its table does not list, and what the rules of ``catalog`` refuse
    at stage CREATE. Rules of BIND and ACCESS are not played: its files can always be mapped.

    A context manager, as the real one; once it is closed, every call fails with EBADF.

    Raises:
        TypeError: As for :class:`FakeBackend`, which takes the same.
        ValueError: System scope: /dev/kvm makes no files.

    >>> from gmemflags import MAINLINE, negotiate, query
    >>> from gmemflags.testing import FakeVm
    >>> with FakeVm.narrow(0x3) as vm:
    ...     answer = negotiate(query(vm), MAINLINE.profiles["fully-shared"])
    ...     os.close(vm.create_guest_memfd(4 * os.sysconf("SC_PAGE_SIZE"), answer))
    >>> [(mask, size // os.sysconf("SC_PAGE_SIZE")) for size, mask in vm.created]
    [(3, 4)]
    """

    def __init__(
        self, answers: Mapping[Any, int | OSError], **options: Unpack[FakeOptions]
    ) -> None:
        super().__init__(answers, **options)
        if self.scope is not Scope.VM:
            raise ValueError("a FakeVm has VM scope: /dev/kvm makes no files")
        self.created: list[tuple[int, int]] = []
        """Size and mask of every file that was made, in order."""
        self.failure: OSError | None = None
        """What every creation fails with, if set: ``OSError(EMFILE, "...")``, say."""

    def create_guest_memfd(self, size: int, flags: Resolution | int) -> int:
        """See :meth:`gmemflags.VmBackend.create_guest_memfd`."""
        return create(self, size, flags, lambda mask: self._memfd(size, mask))

    def close(self) -> None:
        """End it, as closing its descriptor ends a real VM; may be called again."""
        self._gone = OSError(EBADF, os.strerror(EBADF))

    def _memfd(self, size: int, mask: int) -> int:
        failure = self._gone or self.failure
        if failure:
            raise failure
        if not self._takes(mask):
            raise OSError(EINVAL, os.strerror(EINVAL))
        fd = os.memfd_create("fake guest_memfd")
        try:
            os.truncate(fd, size)
        except OSError:
            os.close(fd)
            raise
        self.created.append((size, mask))
        return fd

    def _takes(self, mask: int) -> bool:
        # Asked of a copy, because a kernel that creates a file asks nobody.
        table = FakeBackend(self.answers, host=self._host, origin=self._origin)
        try:
            support = query(table, self.catalog)
        except InconsistentAnswerError:
            return False
        return (
            support.guest_memfd is True
            and not mask & ~support.mask
            and all(rule.holds(mask) for rule in applicable(support, Stage.CREATE))
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _table(answers: Mapping[int, int]) -> Mapping[int, int]:
    return frozen_mapping(answers)


def _tables(answers: Mapping[int, Mapping[int, int]]) -> Mapping[int, Mapping[int, int]]:
    return frozen_mapping({vm_type: _table(some) for vm_type, some in answers.items()})


@frozen(kw_only=True)
class KnownHost:
    """What a host answers, by capability number: on /dev/kvm, and on a VM of each type.

    Args:
        name: As in ``gmemflags show --host NAME``.
        recorded: Whether a real host was asked; else its kernel's sources were read.
        source: The host, or the citation.
        kernel: As ``uname -r`` says it.
        machine: As ``uname -m`` says it.
        on_system: The answers of /dev/kvm. What is not there answers 0.
        on_vm: The answers of a VM, by VM type.
    """

    name: str
    recorded: bool
    source: str
    kernel: str
    machine: str
    on_system: Mapping[int, int] = field(converter=_table)
    on_vm: Mapping[int, Mapping[int, int]] = field(converter=_tables)

    @property
    def how(self) -> str:
        """``recorded`` or ``derived``."""
        return "recorded" if self.recorded else "derived"

    @property
    def system(self) -> FakeBackend:
        """Its /dev/kvm."""
        origin = f"/dev/kvm of {self.name} ({self.how})"
        facts = HostFacts(kernel=self.kernel, machine=self.machine)
        return FakeBackend(self.on_system, scope=Scope.SYSTEM, host=facts, origin=origin)

    def vm(self, vm_type: int = 0) -> FakeVm:
        """A VM of ``vm_type``, which makes files.

        Raises:
            KvmUnavailableError: The host makes no VM of that type.
        """
        what = f"VM of type {safe_repr(vm_type)}"
        if vm_type not in self.on_vm:
            problem = f"{self.name} has no such VM"
            remedy = f"ask for a VM type that it has, which are {', '.join(map(str, self.on_vm))}"
            raise KvmUnavailableError(EINVAL, problem, what, Unavailable.NO_VM, remedy)
        origin = f"{what} of {self.name} ({self.how})"
        facts = HostFacts(kernel=self.kernel, machine=self.machine, vm_type=vm_type)
        return FakeVm(self.on_vm[vm_type], host=facts, origin=origin)


_COMMIT_PRIVATE = (
    'Linux commit 89ea60c2c7b5 ("KVM: x86: Add support for "protected VMs" that can utilize private'
    ' memory"), v6.8'
)
_COMMIT_MEMORY2 = 'Linux commit bb58b90b1a8f ("KVM: Introduce KVM_SET_USER_MEMORY_REGION2"), v6.8'
_COMMIT_GUEST_MEMFD = (
    'Linux commit a7800aa80ea4 ("KVM: Add KVM_CREATE_GUEST_MEMFD ioctl() for guest-specific backing'
    ' memory"), v6.8'
)
_FIRECRACKER = (
    "the flags of Firecracker's secret-freedom kernels (6.18-based, 2026); mail"
    ' "Direct Map Removal Support for guest_memfd", v12, 10 Apr 2026; their names are in'
    " --catalog firecracker-secret-free"
)
_SNP_TDX = (
    f"{uapi.COMMIT_INIT_SHARED}; {_COMMIT_PRIVATE}; no one machine has both SNP (type 4) and TDX"
    " (type 5)"
)
_RECORDED = "Linux 6.18.44 (x86_64) with a real /dev/kvm that makes default VMs only"
_BOOTED = "Debian's kernel on an emulated machine: make kernels ARGS="
_PRIVATE = f"{_COMMIT_GUEST_MEMFD}; {_COMMIT_PRIVATE}; {_COMMIT_MEMORY2}"

_Answers = tuple[int, ...]
# USER_MEMORY2, MEMORY_ATTRIBUTES, GUEST_MEMFD, VM_TYPES, GUEST_MEMFD_FLAGS, Firecracker's USERFAULT
_NUMBERS = 231, 233, 234, 235, 244, 245
_V6_1 = 0, 0, 0, 0, 0
_V6_8 = 1, 8, 1, 0b11, 0
_V6_12 = 1, 8, 1, 1, 0
_V6_12_VMS: dict[int, _Answers] = {0: (1, 0, 0, 1, 0)}
_V6_18 = 1, 0, 1, 1, 3
_CC = 1, 8, 1, 0b11_0011, 3
_CC_VM = 1, 8, 1, 0b11_0011, 1
_CC_VMS: dict[int, _Answers] = {0: (1, 0, 1, 0b11_0011, 3), 1: _CC_VM, 4: _CC_VM, 5: _CC_VM}
_V7_3 = 1, 8, 1, 1, 3
_ARM64 = 1, 0, 1, 0, 3
_RISCV64 = 1, 0, 0, 0, 0
_FREE = 1, 0, 1, 1, 0xF, 1
# Name, whether it was recorded, source, kernel, machine, answers of /dev/kvm, those by VM type.
_HOSTS: tuple[tuple[str, bool, str, str, str, _Answers, dict[int, _Answers]], ...] = (
    ("linux-6.1-x86_64", True, f"{_BOOTED}x86_64-6.1", "6.1.0", "x86_64", _V6_1, {0: _V6_1}),
    ("linux-6.8-x86_64", False, _PRIVATE, "6.8", "x86_64", _V6_8, {0: (1, 0, 0, 3, 0), 1: _V6_8}),
    ("linux-6.12-x86_64", True, f"{_BOOTED}x86_64-6.12", "6.12.117", "x86_64", _V6_12, _V6_12_VMS),
    ("linux-6.18-x86_64", True, _RECORDED, "6.18.44", "x86_64", _V6_18, {0: _V6_18}),
    ("linux-6.18-x86_64-confidential", False, _SNP_TDX, "6.18", "x86_64", _CC, _CC_VMS),
    ("linux-7.3-x86_64", True, f"{_BOOTED}x86_64", "7.3.4", "x86_64", _V7_3, {0: _V6_18}),
    ("linux-7.3-aarch64", True, f"{_BOOTED}aarch64", "7.3.4", "aarch64", _ARM64, {0: _ARM64}),
    ("linux-7.2-riscv64", True, f"{_BOOTED}riscv64", "7.2.13", "riscv64", _RISCV64, {0: _RISCV64}),
    ("firecracker-secret-free-x86_64", False, _FIRECRACKER, "6.18", "x86_64", _FREE, {0: _FREE}),
)


def _by_number(answers: _Answers) -> dict[int, int]:
    return dict(zip(_NUMBERS, answers, strict=False))


hosts: Mapping[str, KnownHost] = frozen_mapping(
    {
        name: KnownHost(
            name=name,
            recorded=recorded,
            source=source,
            kernel=kernel,
            machine=machine,
            on_system=_by_number(system),
            on_vm={vm: _by_number(answers) for vm, answers in vms.items()},
        )
        for name, recorded, source, kernel, machine, system, vms in _HOSTS
    }
)
"""The hosts that come with this library, recorded or derived from kernel sources, by name."""
