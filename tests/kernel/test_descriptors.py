"""Descriptors on the real kernel: whatever fails on the way, none is left behind."""

import os
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

import pytest

from gmemflags import GmemFlagsError, query
from gmemflags.linux import Kvm, Vm
from tests.scale import ROUNDS


def count() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def ask_dev_kvm() -> int:
    """Open, query, close."""
    with Kvm.open() as kvm:
        return query(kvm).mask


def ask_a_vm() -> int:
    """Open, make a VM, query it, close both."""
    with Kvm.open() as kvm, kvm.create_vm() as vm:
        return query(vm).mask


def fail_to_open() -> None:
    """Open a file that is not KVM."""
    Kvm.open(os.devnull)


def fail_to_take() -> None:
    """Take /dev/kvm for a VM."""
    with Kvm.open() as kvm:
        query(Vm.from_fd(kvm.fileno()))


def fail_to_create() -> None:
    """Ask for a VM of a type that cannot be."""
    with Kvm.open() as kvm, kvm.create_vm(-1) as vm:
        query(vm)


def fail_to_ask() -> None:
    """Ask a VM that somebody closed meanwhile."""
    with Kvm.open() as kvm, kvm.create_vm() as vm:
        vm.close()
        query(vm)


GOOD: list[Callable[[], object]] = [ask_dev_kvm, ask_a_vm]
BAD: list[Callable[[], object]] = [fail_to_open, fail_to_take, fail_to_create, fail_to_ask]


@pytest.mark.usefixtures("kvm")
def test_many_rounds_leave_no_descriptor() -> None:
    """Every third round fails on its way, each time in another place."""
    failures = cycle(BAD)
    rounds = cycle([GOOD[0], GOOD[1], None])
    before, failed = count(), 0
    for attempt in islice(rounds, ROUNDS):
        try:
            (attempt or next(failures))()
        except GmemFlagsError:
            failed += 1
    assert (count(), failed) == (before, ROUNDS // 3)
