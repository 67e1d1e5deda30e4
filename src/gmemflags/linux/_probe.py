"""The probe: try masks on the kernel with one-page files, stage by stage, and report what works.

The enumeration cannot say which combinations are valid, so the kernel itself is asked: to create a
file, to bind a memory slot to it, and to read its mapping. Nothing that was opened or mapped for a
mask outlives it. What follows from the answers is worked out in ``_learn.py``.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from errno import EACCES, EBADF, EIO, EMFILE, ENFILE, ENOTTY
from itertools import chain, combinations, islice
from mmap import MAP_SHARED, PROT_READ, mmap
from struct import pack_into

from gmemflags._catalog import Catalog
from gmemflags._exceptions import InconsistentAnswerError
from gmemflags._host import Support, query
from gmemflags._learn import Observation, ProbeReport
from gmemflags._mainline import MAINLINE
from gmemflags._masks import bits, u64
from gmemflags._rules import Stage
from gmemflags.linux._kvm import Kvm, Vm, creator, ioctl

KVM_SET_USER_MEMORY_REGION2 = 0x40A0AE49
KVM_MEM_GUEST_MEMFD = 1 << 2
# struct kvm_userspace_memory_region2: slot, flags, guest_phys_addr, memory_size, userspace_addr,
# guest_memfd_offset, guest_memfd, padding (include/uapi/linux/kvm.h, v6.18).
_REGION = "=IIQQQQI116x"
_REGION_BYTES = 160

# After one of these the next answer would be the same, and say nothing of flags. 0 is an error
# whose number was lost.
_STOP = frozenset((0, EMFILE, ENFILE, EIO, EBADF, ENOTTY, EACCES))


def probe(
    kvm: Kvm | Vm,
    vm_type: int = 0,
    catalog: Catalog = MAINLINE,
    *,
    around: int | Iterable[int] = (),
    limit: int = 4096,
    progress: Callable[[int], object] | None = None,
) -> ProbeReport:
    """Try which masks work on this kernel, with at most ``limit`` files of one page each.

    For each mask a file is created, a memory slot is bound to it and deleted again, and its mapping
    is read by write(2) into a pipe, which answers EFAULT where a touch would be a SIGBUS. What only
    a running guest would show is not tried. The reserved words are zero: a proposed flag that has
    an operand there is tried with operand 0.

    Tried are the empty mask, every single bit, and every subset of the listed bits while they are
    few enough; past ``limit`` all pairs, and one and two bits flipped around the masks that could
    be created and around those of ``around``.

    An errno that is not about flags (EMFILE, EIO and the like) ends the probe; the report says
    which, and in which stage. On a VM without guest_memfd no mask is tried.

    Args:
        kvm: The device, on which the probe makes VMs of its own. On a VM that is given instead,
            creation alone is tried, because its memory slots are its owner's.
        vm_type: The type of the VMs that are made.
        catalog: Whose numbers are asked, and whose rules are compared.
        around: Masks to try as well.
        limit: How many masks to try at most.
        progress: Is called with the number of masks tried so far.

    Raises:
        ValueError: ``limit`` is negative, or a type is given for a VM that has one.
        InvalidMaskError: ``around`` holds something that is not a mask.
        CapabilityQueryError: The VM cannot be asked.
        InconsistentAnswerError: Its answers are not flags.
        KvmUnavailableError: No VM of this type could be made, or the descriptor is not a VM any
            more.

    Source: Documentation/virt/kvm/api.rst 4.140 and 4.142, v6.18.

    This example is not run, because it needs ``/dev/kvm``:

    >>> with Kvm.open() as kvm:  # doctest: +SKIP
    ...     print(probe(kvm))
    """
    if limit < 0:
        raise ValueError(f"limit={limit} is not a number of files")
    if isinstance(kvm, Vm) and vm_type:
        raise ValueError("vm_type is for VMs that the probe makes, and this VM has a type")
    centres = [u64(mask) for mask in ((around,) if isinstance(around, int) else around)]
    with closing(_Trials(kvm, vm_type)) as trials:
        support = query(trials.vm, catalog)
        seen: dict[int, Observation] = {}
        stopped: int | None = None
        stopped_at: Stage | None = None
        if support.guest_memfd is not False:
            candidates = _candidates(bits(support.mask), seen, centres, limit)
            try:
                for mask in islice((mask for mask in candidates if mask not in seen), limit):
                    seen[mask] = trials.attempt(mask)
                    if progress:
                        progress(len(seen))
            except _StoppedError as end:
                stopped, stopped_at = end.args
        changed = False
        try:
            changed = _listing(query(trials.vm, catalog)) != _listing(support)
        except InconsistentAnswerError:
            changed = True
        except OSError as error:
            stopped = error.errno or 0 if stopped is None else stopped
        return ProbeReport(
            support=support,
            observations=seen,
            size=trials.size,
            until=trials.until,
            stopped=stopped,
            stopped_at=stopped_at,
            changed=changed,
        )


def _listing(support: Support) -> tuple[object, ...]:
    return support.mask, support.answerable, support.hi_only, support.guest_memfd


class _StoppedError(Exception):
    """What ends the probe, in ``args``: an errno that is not about flags, and its stage."""


class _Trials:
    """Tries one mask after another, on a VM that was given or on VMs of its own."""

    def __init__(self, kvm: Kvm | Vm, vm_type: int) -> None:
        self.size = os.sysconf("SC_PAGE_SIZE")
        self._vm_type = vm_type
        self._region = array("B", bytes(_REGION_BYTES))
        # One whole page inside of two, anonymous memory of this process: the slot's userspace
        # address. No guest ever runs.
        self._memory = array("B", bytes(2 * self.size))
        self._kvm = None if isinstance(kvm, Vm) else kvm
        self.until = Stage.CREATE if isinstance(kvm, Vm) else Stage.ACCESS
        self._use(kvm if isinstance(kvm, Vm) else kvm.create_vm(vm_type))

    def _use(self, vm: Vm) -> None:
        self.vm = vm
        self._create = creator(vm, self.size)

    def close(self) -> None:
        if self._kvm is not None:
            self.vm.close()

    def attempt(self, mask: int) -> Observation:
        """Try one mask at every stage, until one does not work.

        Raises:
            _StoppedError: The next mask would fail in the same way.
        """
        answers: list[int] = []  # by stage
        fd = -1
        try:
            fd = self._create(mask)
            answers.append(0)
            if self._kvm is not None:
                self._set_slot(fd, self.size)
                answers.append(0)
                self._delete_slot(fd, self._kvm)
                _read_mapping(fd, self.size)
                answers.append(0)
        except OSError as error:
            answers.append(_about_flags(error, Stage(len(answers))))
        finally:
            if fd >= 0:
                os.close(fd)
        return Observation(*answers)

    def _set_slot(self, fd: int, size: int) -> None:
        # Bind slot 0 to the file, or with size 0 delete it.
        address, _ = self._memory.buffer_info()
        address += -address % self.size
        pack_into(_REGION, self._region, 0, 0, KVM_MEM_GUEST_MEMFD, 0, size, address, 0, fd)
        argument, _ = self._region.buffer_info()
        ioctl(self.vm, KVM_SET_USER_MEMORY_REGION2, argument)

    def _delete_slot(self, fd: int, kvm: Kvm) -> None:
        # A slot that stays would be in the way of the next one: then a new VM.
        try:
            self._set_slot(fd, 0)
        except OSError as error:
            _about_flags(error, Stage.BIND)
            try:
                vm = kvm.create_vm(self._vm_type)
            except OSError as no_vm:
                raise _StoppedError(no_vm.errno or 0, Stage.BIND) from None
            self.vm.close()
            self._use(vm)


def _read_mapping(fd: int, size: int) -> None:
    # Raises OSError: ENODEV where nothing can map the file, EFAULT where a touch is a SIGBUS.
    with mmap(fd, size, MAP_SHARED, PROT_READ) as mapping:
        reader, writer = os.pipe()
        try:
            with memoryview(mapping) as page, page[:1] as byte:  # a slice of it touches nothing
                os.write(writer, byte)
        finally:
            os.close(reader)
            os.close(writer)


def _about_flags(error: OSError, stage: Stage) -> int:
    # The errno of a stage, if it can be about flags; else this ends the probe.
    number = error.errno or 0
    if number in _STOP:
        raise _StoppedError(number, stage) from None
    return number


def _candidates(
    flags: tuple[int, ...], seen: dict[int, Observation], around: list[int], limit: int
) -> Iterator[int]:
    # What to try, in order; what was seen so far steers the last part.
    yield 0
    yield from (1 << number for number in range(64))
    if 64 - len(flags) + (1 << len(flags)) <= limit:
        for size in range(2, len(flags) + 1):
            yield from map(sum, combinations(flags, size))
        yield from around
        return
    yield from around
    yield from map(sum, combinations(flags, 2))
    centres = [*around, *(mask for mask, observed in seen.items() if not observed.create)]
    known = set(centres)
    for centre in centres:  # grows while it is walked
        for flipped in chain(flags, map(sum, combinations(flags, 2))):
            mask = centre ^ flipped
            yield mask
            if mask in seen and not seen[mask].create and mask not in known:
                known.add(mask)
                centres.append(mask)
