"""Threads and processes at once on the real kernel."""

import mmap
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from gmemflags import CapabilityQueryError, Request, Support, query, resolve
from gmemflags import GuestMemfdFlag as F
from gmemflags.linux import Kvm, Vm

THREADS = 8
TURNS = 200

CHILD = """
from gmemflags import query
from gmemflags.linux import Kvm
with Kvm.open() as kvm, kvm.create_vm() as vm:
    print(hex(query(kvm).mask), hex(query(vm).mask))
"""

FORKED = """
import os
from gmemflags import CapabilityQueryError, query
from gmemflags.linux import Kvm
with Kvm.open() as kvm, kvm.create_vm() as vm:
    before = query(kvm), query(vm)
    child = os.fork()
    if not child:
        try:
            query(vm)
        except CapabilityQueryError:
            vm.close()
        kvm.close()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), (query(kvm), query(vm)) == before)
"""


def test_eight_threads_on_one_vm_get_the_same(vm: Vm) -> None:
    """All at once, over and over, and what a single one gets."""
    alone = query(vm)
    start = Barrier(THREADS)

    def ask(_: int) -> list[Support]:
        start.wait()
        return [query(vm) for _ in range(TURNS)]

    with ThreadPoolExecutor(THREADS) as threads:
        answers = [support for found in threads.map(ask, range(THREADS)) for support in found]
    assert answers == [alone] * (THREADS * TURNS)


def test_eight_threads_make_query_resolve_and_create(vm: Vm) -> None:
    """On one VM, each gets the answers of a single one, and files that nobody else gets."""
    request = Request(preferred=[F.MMAP, F.INIT_SHARED])
    alone = resolve(query(vm), request)
    if not alone.support.guest_memfd:
        pytest.skip(f"{vm.origin} has no guest_memfd")
    start = Barrier(THREADS)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def work(index: int) -> list[int]:
        start.wait()
        files: list[int] = []
        for turn in range(TURNS):
            number = 1 << 2 + (index * TURNS + turn) % 62
            assert (F.MMAP | F(number)).value == 1 | number
            answer = resolve(query(vm), request)
            assert answer == alone
            files.append(vm.create_guest_memfd(mmap.PAGESIZE, answer))
            assert not os.get_inheritable(files[-1])
            if turn % 4:
                os.close(files.pop())
        return files

    try:
        with ThreadPoolExecutor(THREADS) as threads:
            files = [file for kept in threads.map(work, range(THREADS)) for file in kept]
        assert len({*files}) == len(files) == THREADS * TURNS // 4
        for file in files:
            os.close(file)
    finally:
        sys.setswitchinterval(before)


def test_an_errno_stays_in_its_thread(vm: Vm) -> None:
    """Threads that fail beside threads that do not: nobody gets the other's outcome."""
    alone = query(vm)
    start = Barrier(THREADS)
    broken = Vm(1_000_000, "a closed VM", vm.host, owned=False)

    def ask(index: int) -> set[object]:
        start.wait()
        found: set[object] = set()
        for _ in range(TURNS):
            try:
                found.add(query(broken if index % 2 else vm))
            except CapabilityQueryError as error:
                found.add(error.errno)
        return found

    with ThreadPoolExecutor(THREADS) as threads:
        answers = list(threads.map(ask, range(THREADS)))
    assert answers == [{alone}, {9}] * (THREADS // 2)


def test_several_processes_get_the_same(kvm: Kvm, vm: Vm, python: Callable[..., list[str]]) -> None:
    """Each makes a VM of its own while this one stays open."""
    told = f"{query(kvm).mask:#x} {query(vm).mask:#x}"
    assert [python(CHILD) for _ in range(3)] == [[told]] * 3


def test_a_forked_child_closes_its_own_copies_only(
    kvm: Kvm, python: Callable[..., list[str]]
) -> None:
    """The creator's VM goes on answering the creator."""
    assert python(FORKED) == ["0 True"]
