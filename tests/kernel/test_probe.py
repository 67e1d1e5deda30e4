"""Probing the real kernel: a mainline KVM takes what it lists, in every combination."""

import errno
import os
import resource
from pathlib import Path

import pytest

from gmemflags import MAINLINE, CapabilityQueryError, KvmUnavailableError, Never, Request, Stage, query, resolve
from gmemflags import FIRECRACKER_SECRET_FREE
from gmemflags.linux import Kvm, ProbeReport, Vm, probe
from tests.probing import subsets

MASK = (1 << 64) - 1
ROUNDS = 1_000


def count() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def take_all(fd: int, held: list[int]) -> None:
    """Take every descriptor that is left, until that fails."""
    while True:
        held.append(os.dup(fd))


@pytest.fixture
def report(vm: Vm) -> ProbeReport:
    """A probe of a default VM; skips where it has no guest_memfd."""
    probed = probe(vm)
    if not probed.support.guest_memfd:
        pytest.skip(f"{probed.support.origin} has no guest_memfd")
    return probed


def test_everything_listed_is_taken_in_any_combination(report: ProbeReport) -> None:
    """And no other single bit is."""
    listed = report.support.mask
    single = [1 << number for number in range(64)]
    assert report.observations == {
        **dict.fromkeys(single, errno.EINVAL),
        **dict.fromkeys(subsets(listed), 0),
    }


def test_kernel_and_catalog_agree(report: ProbeReport) -> None:
    """Mainline has no rule for creation, and the kernel obeys none."""
    assert report.complete
    assert report.contradictions == ()
    assert not report.taken_unlisted
    assert report.undetermined == 0
    assert report.stopped is None


def test_no_rule_is_learned_but_that_other_bits_are_never_taken(report: ProbeReport) -> None:
    """Each of them was tried."""
    (rule,) = report.rules
    assert isinstance(rule, Never)
    assert rule.mask == MASK ^ report.support.mask
    assert not report.unexplained


def test_the_learned_catalog_is_that_of_mainline(report: ProbeReport) -> None:
    """Beside names for what mainline does not name, there is nothing to add."""
    learned = report.as_catalog("here")
    assert learned.rules == MAINLINE.rules
    assert learned.capabilities == MAINLINE.capabilities
    assert learned.named & report.support.mask == report.support.mask


def test_what_was_probed_can_be_resolved_and_created(vm: Vm, report: ProbeReport) -> None:
    """Each mask that was taken, with the learned catalog."""
    host = query(vm, report.as_catalog("here"))
    for mask in report.taken:
        answer = resolve(host, Request(required=mask, until=Stage.CREATE))
        os.close(vm.create_guest_memfd(report.size, answer))


def test_another_tree_is_another_claim(vm: Vm) -> None:
    """What its catalog names beyond is not listed here, so nothing contradicts it."""
    report = probe(vm, FIRECRACKER_SECRET_FREE)
    assert report.complete
    assert report.contradictions == ()


def test_a_thousand_probes_leave_no_descriptor(vm: Vm) -> None:
    """Each makes and closes its files."""
    before = count()
    for _ in range(ROUNDS):
        probe(vm)
    assert count() == before


def test_without_a_free_descriptor_the_probe_ends(vm: Vm) -> None:
    """EMFILE in the middle: what was seen so far is reported, and none is left."""
    held: list[int] = []
    before = count()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def exhaust(tried: int) -> None:
        if tried == 2:
            resource.setrlimit(resource.RLIMIT_NOFILE, (vm.fileno() + 1, hard))
            with pytest.raises(OSError, match=f"Errno {errno.EMFILE}"):
                take_all(vm.fileno(), held)

    try:
        report = probe(vm, progress=exhaust)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in held:
            os.close(fd)
    if not report.support.mask & ~1:
        pytest.skip("this VM lists nothing that could be taken after the first two masks")
    assert report.stopped == errno.EMFILE
    assert list(report.observations) == [0, 1]
    assert not report.complete
    assert count() == before


def test_a_closed_vm_is_not_probed(vm: Vm) -> None:
    """It does not even say what it lists."""
    vm.close()
    with pytest.raises(CapabilityQueryError) as caught:
        probe(vm)
    assert caught.value.errno == errno.EBADF


def test_dev_kvm_in_disguise_is_not_probed(kvm: Kvm, vm: Vm) -> None:
    """It would take nothing, and contradict every catalog."""
    number = os.dup(vm.fileno())
    disguised = Vm.from_fd(number)
    os.dup2(kvm.fileno(), number)
    try:
        with pytest.raises(KvmUnavailableError, match="this is /dev/kvm itself"):
            probe(disguised)
    finally:
        os.close(number)
