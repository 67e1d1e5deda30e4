"""Probing kernels that do not exist, through real system calls: what is tried, and when it ends."""

import errno
import os
import pickle
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from gmemflags import (
    MAINLINE,
    CapabilityQueryError,
    Catalog,
    CatalogError,
    InconsistentAnswerError,
    InvalidMaskError,
    KvmUnavailableError,
    Unavailable,
    bits,
)
from gmemflags.linux import Kvm, ProbeReport, Vm, probe
from tests.negotiation.hidden import KERNELS, TREE
from tests.probing import (
    PAGE,
    HiddenKernel,
    Judge,
    obeying,
    subsets,
    swept,
    taking,
    texts,
    within,
)
from tests.property.hidden import kernels
from tests.standin.kernel import KVM_CHECK_EXTENSION, Answer, Call, Errno, NewFd, Script, Standin

pytestmark = pytest.mark.usefixtures("standin")

SINGLES = [1 << number for number in range(64)]
EVERYTHING = obeying()


def count() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def probed(
    script: Script,
    fd: int,
    catalog: Catalog = MAINLINE,
    *,
    around: int | tuple[int, ...] = (),
    limit: int = 4096,
    progress: Callable[[int], object] | None = None,
) -> ProbeReport:
    """Probe a VM for which ``script`` answers; whatever happens, no descriptor stays behind."""

    def run() -> ProbeReport:
        vm = Vm.from_fd(fd, vm_type=0)
        return probe(vm, catalog, around=around, limit=limit, progress=progress)

    before = count()
    try:
        return Standin(script).run(run)
    finally:
        assert count() == before


@pytest.mark.parametrize("name", KERNELS)
def test_a_hidden_rule_is_found_out_by_system_calls(name: str, null: int) -> None:
    """The same rules that follow from the same answers without a kernel."""
    listed, judge, rules = KERNELS[name]
    report = probed(HiddenKernel(listed, within(listed, judge)), null, TREE)
    assert texts(report) == rules
    assert report.observations == swept(TREE, listed, judge).observations
    assert report.complete


@given(kernel=kernels)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_hidden_kernel_is_found_out(kernel: tuple[int, Judge], null: int) -> None:
    """Rules and refused masks allow exactly what the kernel takes, over all subsets."""
    listed, judge = kernel
    report = probed(HiddenKernel(listed, within(listed, judge)), null)
    says = {
        mask
        for mask in subsets(listed)
        if mask not in report.unexplained and all(rule.holds(mask) for rule in report.rules)
    }
    assert says == {mask for mask in subsets(listed) if not judge(mask)}


def test_what_is_tried(null: int) -> None:
    """The empty mask, the 64 single bits and every subset, each once, with files of one page."""
    kernel = HiddenKernel(0b10110, EVERYTHING)
    report = probed(kernel, null)
    assert sorted(kernel.tried) == sorted({*subsets(0b10110), *SINGLES})
    assert kernel.tried[:65] == [0, *SINGLES]
    assert {(words[0], *words[2:]) for words in kernel.created} == {(PAGE, 0, 0, 0, 0, 0, 0)}
    assert report.size == PAGE


def test_the_rules_are_for_one_page_and_say_so(null: int) -> None:
    """A huge page flag may be refused for the size alone."""
    report = probed(HiddenKernel(1, taking([0, 1])), null)
    assert report.source == (
        f"probe of VM descriptor {null}, {os.uname().release}: 65 masks tried"
        f" with files of {PAGE} bytes and reserved words of zero"
    )
    assert {rule.source for rule in report.rules} == {report.source}


@pytest.mark.parametrize("around", [(0xF0,), (1 << 40 | 1, 1 << 40 | 2), 0xF0], ids=str)
def test_masks_of_the_caller_are_tried_too(around: int | tuple[int, ...], null: int) -> None:
    """Also with bits that nobody lists, and also where all subsets are tried anyway."""
    kernel = HiddenKernel(3, taking([0]))
    probed(kernel, null, around=around)
    wanted = {around} if isinstance(around, int) else set(around)
    assert set(kernel.tried) == {*subsets(3), *SINGLES, *wanted}


def test_masks_of_the_caller_take_no_place_of_a_subset(null: int) -> None:
    """A probe that can be complete is."""
    report = probed(HiddenKernel(3, EVERYTHING), null, around=(0xF0, 0xF00), limit=66)
    assert report.complete


@pytest.mark.parametrize("around", [-1, (1 << 64,), (True,), ("MMAP",)], ids=str)
def test_what_is_no_mask_is_not_tried(around: int | tuple[int, ...], null: int) -> None:
    """Nor is anything else."""
    kernel = HiddenKernel(3, EVERYTHING)
    with pytest.raises(InvalidMaskError):
        probed(kernel, null, around=around)
    assert not kernel.created


@pytest.mark.parametrize("limit", [0, 1, 65, 66, 67])
def test_the_limit_is_a_number_of_creations(limit: int, null: int) -> None:
    """66 are all there is to try with two flags."""
    kernel = HiddenKernel(3, EVERYTHING)
    report = probed(kernel, null, limit=limit)
    assert len(kernel.created) == len(report.observations) == min(limit, 66)
    assert report.complete is (limit >= 66)


def test_a_limit_below_zero_is_refused(null: int) -> None:
    """It is a mistake, and not "no limit"."""
    with pytest.raises(ValueError, match="limit=-1 is no number of files"):
        probed(HiddenKernel(3, EVERYTHING), null, limit=-1)


def test_progress_is_told_after_each_mask(null: int) -> None:
    """Refused or taken."""
    told: list[int] = []
    probed(HiddenKernel(3, EVERYTHING), null, progress=told.append)
    assert told == list(range(1, 67))


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EPERM, errno.EFAULT, errno.EOPNOTSUPP])
def test_an_errno_for_one_mask_is_recorded_and_the_sweep_goes_on(number: int, null: int) -> None:
    """It is no EINVAL, so it says nothing of the flags."""
    report = probed(HiddenKernel(3, lambda mask: number if mask == 2 else 0), null)
    assert report.observations[2] == number
    assert len(report.observations) == 66
    assert (report.complete, report.stopped, report.rules) == (False, None, ())


STOP = ["EMFILE", "ENFILE", "EIO", "EBADF", "ENOTTY", "EACCES"]


@pytest.mark.parametrize("name", STOP)
@pytest.mark.parametrize("after", [0, 1, 40])
def test_an_errno_that_comes_again_ends_the_probe(name: str, after: int, null: int) -> None:
    """With what was seen so far, in a report that is not complete and makes no catalog."""
    number = getattr(errno, name)
    left = [0] * after

    def judge(_: int) -> int:
        return left.pop() if left else number

    kernel = HiddenKernel(3, judge)
    report = probed(kernel, null)
    assert report.stopped == number
    assert report.observations == dict.fromkeys([0, *SINGLES][:after], 0)
    assert len(kernel.created) == after + 1
    with pytest.raises(CatalogError, match="not complete"):
        report.as_catalog("learnt")


def test_an_interrupted_creation_is_made_again(null: int) -> None:
    """EINTR is no observation."""
    interrupt = iter([errno.EINTR, 0] * 100)
    report = probed(HiddenKernel(3, lambda _: next(interrupt)), null)
    assert set(report.observations.values()) == {0}


def test_a_taken_file_is_closed_at_once(null: int) -> None:
    """There is never more than one."""
    most: list[int] = []
    before = count()

    def judge(_: int) -> int:
        most.append(count() - before)
        return 0

    probed(HiddenKernel(0xF, judge), null)
    assert max(most) == min(most)


def test_a_closed_vm_is_not_probed(null: int) -> None:
    """The errno is kept."""

    def run() -> ProbeReport:
        vm = Vm.from_fd(null)
        vm.close()
        return probe(vm)

    kernel = HiddenKernel(3, EVERYTHING)
    with pytest.raises(CapabilityQueryError) as caught:
        Standin(lambda call: kernel(call) if call.fd == null else Errno(errno.EBADF)).run(run)
    assert caught.value.errno == errno.EBADF


def test_nonsense_is_not_probed(null: int) -> None:
    """Where the list of flags is an errno, nothing is listed."""
    kernel = HiddenKernel(0xFFFF_FFEA, EVERYTHING)
    with pytest.raises(InconsistentAnswerError):
        probed(kernel, null)
    assert not kernel.created


def test_a_vm_that_is_dev_kvm_meanwhile_is_not_probed(null: int) -> None:
    """It would take nothing, and contradict every catalog."""
    kernel = HiddenKernel(3, EVERYTHING)
    versions: list[Answer] = [Errno(errno.ENOTTY), 12]

    def script(call: Call) -> Answer:
        return versions.pop(0) if call.request == 0xAE00 else kernel(call)

    with pytest.raises(KvmUnavailableError) as caught:
        probed(script, null)
    assert caught.value.reason is Unavailable.NOT_KVM
    assert not kernel.created


def test_a_vm_of_dev_kvm_is_probed(null: int) -> None:
    """From /dev/kvm to the report: KVM_CREATE_VM is answered as well."""

    def run() -> ProbeReport:
        with Kvm.from_fd(null) as kvm, kvm.create_vm(1) as vm:
            return probe(vm)

    kernel = HiddenKernel(3, obeying(), device=True)
    kernel.answers[235] = 0b11
    report = Standin(kernel).run(run)
    assert report.support.origin == f"VM of type 1 on KVM descriptor {null}"
    assert report.support.host.vm_type == 1


def test_each_capability_is_asked_once(null: int) -> None:
    """Before anything is created; the check that it is a VM asks for GUEST_MEMFD again."""
    standin = Standin(HiddenKernel(3, EVERYTHING))
    standin.run(lambda: probe(Vm.from_fd(null)))
    assert standin.asked() == [234, 231, 233, 234, 235, 244, 234]
    requests = [call.request for call in standin.calls]
    assert KVM_CHECK_EXTENSION not in requests[-66:]


def test_a_probed_report_pickles(null: int) -> None:
    """It can come from another process."""
    report = probed(HiddenKernel(3, taking([0, 1])), null)
    assert pickle.loads(pickle.dumps(report)) == report  # noqa: S301  # our own bytes


# Past the limit: 12 flags have 4,096 subsets, and 52 single bits besides.
TWELVE = 0xFFF


def test_past_the_limit_all_pairs_are_tried(null: int) -> None:
    """And it is said that this is not all."""
    kernel = HiddenKernel(TWELVE, EVERYTHING)
    report = probed(kernel, null)
    pairs = {sum(pair) for pair in combinations(bits(TWELVE), 2)}
    assert len(set(kernel.tried)) == len(kernel.tried) == 4096
    assert {0, *SINGLES, *pairs} <= set(kernel.tried)
    assert not report.complete


def test_eleven_flags_are_tried_wholly(null: int) -> None:
    """2,048 subsets and 53 single bits are within the limit of 4,096."""
    kernel = HiddenKernel(0x7FF, EVERYTHING)
    assert probed(kernel, null).complete
    assert len(kernel.created) == 2048 + 53


def test_past_the_limit_the_way_leads_over_what_was_taken(null: int) -> None:
    """From each mask taken, one and two flags further: so a chain of needs is climbed."""
    chain = taking((1 << length) - 1 for length in range(13))
    report = probed(HiddenKernel(TWELVE, chain), null, limit=1500)
    assert report.taken == {(1 << length) - 1 for length in range(13)}
    assert report.undetermined == 0
    assert not report.complete


def test_past_the_limit_what_was_never_taken_is_undetermined(null: int) -> None:
    """Three flags that need each other: no single one is taken and no pair, and nothing is said."""
    ring = taking([0, 0b111])
    assert probed(HiddenKernel(0b111, ring), null, limit=69).undetermined == 0
    report = probed(HiddenKernel(0b111, ring), null, limit=68)
    assert report.taken == {0}
    assert report.undetermined == 0b111
    assert not any(operand & 0b111 for rule in report.rules for operand in rule.operands)


@pytest.mark.parametrize("centre", [0b111, 0b110, 0b10111, 0b11111])
def test_past_the_limit_masks_of_the_caller_lead_the_way(centre: int, null: int) -> None:
    """Around each one and two flags are flipped, also around one that is refused."""
    kernel = HiddenKernel(TWELVE, taking([0, 0b111]))
    report = probed(kernel, null, around=(centre,), limit=200)
    assert 0b111 in report.taken
    assert len(kernel.created) == 200


def test_past_the_limit_masks_of_the_caller_come_before_pairs(null: int) -> None:
    """A caller knows more than chance; what is one creation short of complete is past the limit."""
    kernel = HiddenKernel(0b111, EVERYTHING)
    probed(kernel, null, around=(0xF0,), limit=68)
    assert kernel.tried[65:] == [0xF0, 0b011, 0b101]


def test_what_was_seen_steers_the_rest(null: int) -> None:
    """Neighbours of what was refused are not tried for its sake, but every pair is."""
    kernel = HiddenKernel(TWELVE, taking([]))
    report = probed(kernel, null)
    assert len(report.observations) == 65 + 66
    assert not report.complete


def test_a_wide_list_is_probed(null: int) -> None:
    """A KVM that lists 64 bits at once."""
    listed = 1 << 62 | 1 << 40 | 1
    report = probed(HiddenKernel(listed, taking(subsets(1 << 62 | 1))), null, TREE)
    assert report.complete
    assert texts(report) == ["no mask takes BIT_40"]


def test_a_file_that_is_no_descriptor_is_not_taken(null: int) -> None:
    """A kernel that answers with a number that is not open is not believed."""
    kernel = HiddenKernel(3, EVERYTHING)

    def script(call: Call) -> Answer:
        answer = kernel(call)
        return 1_000_000 if isinstance(answer, NewFd) else answer

    report = probed(script, null)
    assert (report.stopped, report.observations) == (errno.EBADF, {})
