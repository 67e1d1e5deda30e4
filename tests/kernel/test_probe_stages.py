"""Probing the real kernel: what a mainline KVM lists can be created, bound and, partly, used."""

import errno
import os
import resource
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
    CapabilityQueryError,
    KvmUnavailableError,
    Request,
    Stage,
    format_rule,
    query,
    resolve,
)
from gmemflags.linux import Kvm, Observation, ProbeReport, RuleState, Vm, probe
from tests.probing import subsets

ROUNDS = 20
BOTH = 3


def count() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def mappings() -> int:
    """How many mappings this process has."""
    return len(Path("/proc/self/maps").read_text().splitlines())


@pytest.fixture
def report(kvm: Kvm) -> ProbeReport:
    """A probe of default VMs; skips where they have no guest_memfd."""
    probed = probe(kvm)
    if not probed.guest_memfd:
        pytest.skip(f"{probed.support.origin} has no guest_memfd")
    return probed


def test_everything_listed_can_be_created_in_any_combination(report: ProbeReport) -> None:
    """And no other single bit can."""
    listed = report.support.mask
    assert report.works(Stage.CREATE) == set(subsets(listed))
    assert report.fails(Stage.CREATE) == {
        1 << number for number in range(64) if not listed >> number & 1
    }


def test_each_stage_does_what_was_measured(report: ProbeReport) -> None:
    """On x86-64 every file is bound; MMAP maps, and INIT_SHARED makes a touch no SIGBUS."""
    machine = report.support.host.machine
    if report.support.mask & BOTH != BOTH or machine != "x86_64":
        pytest.skip(f"this {machine} VM is not one of those that were measured")
    unmapped = Observation(0, 0, errno.ENODEV)
    assert {mask: report.observations[mask] for mask in range(4)} == {
        0: unmapped,
        1: Observation(0, 0, errno.EFAULT),
        2: unmapped,
        3: Observation(0, 0, 0),
    }


def test_kernel_and_catalog_agree(report: ProbeReport) -> None:
    """No rule of mainline is contradicted, and none is missing."""
    assert report.complete
    assert report.contradictions == ()
    assert (report.undetermined, report.stopped, report.changed) == (0, None, False)
    assert report.until is Stage.ACCESS


def test_both_rules_for_access_are_confirmed_and_one_is_learned(report: ProbeReport) -> None:
    """Of what cannot be mapped nothing is learned; there is no rule at creation or binding."""
    if report.support.mask != BOTH:
        pytest.skip("this VM lists other flags than those of Linux 6.18")
    # On arm64, INIT_SHARED without MMAP cannot be bound, so the rule that needs MMAP stays open.
    states = {RuleState.CONFIRMED, RuleState.OPEN}
    if report.support.host.machine == "x86_64":
        states = {RuleState.CONFIRMED}
    assert {one.state for one in report.checked_rules} == states
    assert [one.rule for one in report.checked_rules if one.rule.stage is Stage.ACCESS] == [
        rule for rule in MAINLINE.rules if rule.stage is Stage.ACCESS and not rule.hosts.machines
    ]
    if report.support.host.machine == "x86_64":
        assert [(rule.stage, format_rule(rule)) for rule in report.rules] == [
            (Stage.ACCESS, "MMAP requires INIT_SHARED")
        ]
    assert not report.unexplained


def test_the_learned_catalog_is_that_of_mainline(report: ProbeReport) -> None:
    """Beside names for what mainline does not name, there is nothing to add."""
    if report.support.host.machine != "x86_64":
        pytest.skip("where not every file is bound, the same is said in other words")
    learned = report.as_catalog("here")
    assert learned.rules == MAINLINE.rules
    assert learned.capabilities == MAINLINE.capabilities
    assert learned.named & report.support.mask == report.support.mask


def test_what_works_can_be_resolved_and_created(vm: Vm, report: ProbeReport) -> None:
    """Each mask that came through a stage, until that stage, with the learned catalog."""
    host = query(vm, report.as_catalog("here"))
    for stage in Stage:
        for mask in report.works(stage):
            answer = resolve(host, Request(required=mask, until=stage))
            os.close(vm.create_guest_memfd(report.size, answer))


def test_another_tree_is_another_claim(kvm: Kvm) -> None:
    """What its catalog names beyond is not listed here, so nothing contradicts it."""
    report = probe(kvm, 0, FIRECRACKER_SECRET_FREE)
    assert report.contradictions == ()


def test_a_borrowed_vm_keeps_its_slots(vm: Vm) -> None:
    """On it creation alone is tried, with the same outcome."""
    report = probe(vm)
    if not report.guest_memfd:
        pytest.skip("this VM has no guest_memfd")
    assert (report.complete, report.until) == (True, Stage.CREATE)
    assert {(seen.bind, seen.access) for seen in report.observations.values()} == {(None, None)}
    assert report.works(Stage.CREATE) == set(subsets(report.support.mask))


def test_many_probes_leave_nothing_behind(kvm: Kvm) -> None:
    """Each makes and closes its VM, files, pipes and mappings."""
    probe(kvm)
    before, mapped = count(), mappings()
    for _ in range(ROUNDS):
        probe(kvm, limit=4)
    assert count() == before
    assert mappings() <= mapped + 8  # what the interpreter itself took


@contextmanager
def few_descriptors() -> Generator[Callable[[int], None]]:
    """A function that leaves as many descriptors free, until the end of the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held: list[int] = []

    def leave(free: int) -> None:
        highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 16, hard))
        try:
            while True:
                held.append(os.dup(0))
        except OSError as error:
            assert error.errno == errno.EMFILE  # noqa: PT017  # the end of the loop
        for _ in range(free):
            os.close(held.pop())

    try:
        yield leave
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in held:
            os.close(fd)


@pytest.mark.parametrize(
    ("free", "stage"), [(0, Stage.CREATE), (1, Stage.ACCESS), (2, Stage.ACCESS), (3, Stage.ACCESS)]
)
def test_without_a_free_descriptor_the_probe_ends(kvm: Kvm, free: int, stage: Stage) -> None:
    """Creating takes one, mapping one more and the pipe two; binding takes none.

    What was seen so far is reported, and nothing is left behind.
    """
    report = probe(kvm, limit=1)
    if not report.guest_memfd or not report.support.mask & 1:
        pytest.skip("this VM maps nothing")
    before = count()

    with few_descriptors() as leave:

        def exhaust(tried: int) -> None:
            if tried == 1:
                leave(free)

        report = probe(kvm, progress=exhaust)
    assert (report.stopped, report.stopped_at) == (errno.EMFILE, stage)
    assert list(report.observations) == [0]
    assert not report.complete
    assert f"until EMFILE at {stage}" in str(report)
    assert count() == before


def test_four_free_descriptors_are_enough(kvm: Kvm) -> None:
    """So the probe has never more than these beside its VM."""
    with few_descriptors() as leave:
        report = probe(kvm, progress=lambda tried: leave(4) if tried == 1 else None)
    assert report.stopped is None


def test_without_a_descriptor_for_a_vm_nothing_is_probed(kvm: Kvm) -> None:
    """It is an error, because there is nothing to report."""
    with few_descriptors() as leave:
        leave(0)
        with pytest.raises(KvmUnavailableError) as caught:
            probe(kvm)
    assert caught.value.errno == errno.EMFILE


def test_a_type_that_this_host_does_not_make_is_not_probed(kvm: Kvm) -> None:
    """As when such a VM is created."""
    if kvm.host.machine != "x86_64":
        pytest.skip("only x86-64 refuses types")
    with pytest.raises(KvmUnavailableError):
        probe(kvm, 31)


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
