"""Probing kernels that do not exist, through real system calls: what is tried, and when it ends.

Creating files and binding slots is played by the script. What mmap and a touch answer is not: a
file can be mapped and read, or it cannot be mapped. That a touch fails is shown on the real KVM.
"""

import errno
import os
import pickle
import struct
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
    Stage,
    Unavailable,
    bits,
    format_rule,
)
from gmemflags.linux import Kvm, Observation, ProbeReport, Vm, probe
from tests.hidden import BAR, BAZ, FOO, KERNELS, QUX, TREE
from tests.probing import (
    PAGE,
    HiddenKernel,
    Judge,
    excludes,
    mapping,
    obeying,
    requires,
    staged,
    subsets,
    taking,
    texts,
    within,
)
from tests.property.hidden import StagedKernel, staged_kernels
from tests.standin.kernel import (
    KVM_CHECK_EXTENSION,
    KVM_CREATE_GUEST_MEMFD,
    KVM_CREATE_VM,
    KVM_GET_API_VERSION,
    KVM_SET_USER_MEMORY_REGION2,
    Answer,
    Call,
    Errno,
    Script,
    Standin,
)

pytestmark = pytest.mark.usefixtures("standin")

SINGLES = [1 << number for number in range(64)]
EVERYTHING = obeying()
WORKS = Observation(0, 0, 0)


def count() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def scripted(script: Script, run: Callable[[], ProbeReport]) -> ProbeReport:
    """What ``run`` returns on this kernel; whatever happens, no descriptor stays behind."""
    before = count()
    try:
        return Standin(script).run(run)
    finally:
        assert count() == before


def probed(
    script: Script,
    fd: int,
    catalog: Catalog = MAINLINE,
    *,
    around: int | tuple[int, ...] = (),
    limit: int = 4096,
    progress: Callable[[int], object] | None = None,
) -> ProbeReport:
    """Probe a VM that somebody else made, for which ``script`` answers: creation alone."""

    def run() -> ProbeReport:
        vm = Vm.from_fd(fd, vm_type=0)
        return probe(vm, catalog=catalog, around=around, limit=limit, progress=progress)

    return scripted(script, run)


def device(
    listed: int,
    create: Judge = EVERYTHING,
    bind: Judge | None = None,
    access: Judge | None = None,
    undeletable: int = 0,
) -> HiddenKernel:
    """A kernel with a /dev/kvm, which makes VMs."""
    return HiddenKernel(listed, create, bind, access, device=True, undeletable=undeletable)


def staged_probe(
    script: Script,
    fd: int,
    catalog: Catalog = MAINLINE,
    *,
    limit: int = 4096,
    progress: Callable[[int], object] | None = None,
) -> ProbeReport:
    """Probe a /dev/kvm for which ``script`` answers, at all stages."""

    def run() -> ProbeReport:
        with Kvm.from_fd(fd) as kvm:
            return probe(kvm, catalog=catalog, limit=limit, progress=progress)

    return scripted(script, run)


# ---- The stages


def test_a_mask_is_created_bound_and_mapped(null: int) -> None:
    """With one page, one slot and zeros; the slot is deleted before the next mask."""
    kernel = device(3)
    report = staged_probe(kernel, null)
    assert {mask: report.observations[mask] for mask in range(4)} == dict.fromkeys(range(4), WORKS)
    assert (report.complete, report.until, kernel.vms) == (True, Stage.ACCESS, 1)
    assert {words[0] for words in kernel.created} == {PAGE}
    assert {words[2:] for words in kernel.created} == {(0,) * 6}
    bound, deleted = kernel.slots[::2], kernel.slots[1::2]
    assert len(bound) == len(deleted) == 66
    assert {(slot, flags, at, size, off) for slot, flags, at, size, _, off, _ in bound} == {
        (0, 1 << 2, 0, PAGE, 0)
    }
    assert {region[3] for region in deleted} == {0}
    assert {region[4] % PAGE for region in kernel.slots} == {0}
    assert 0 not in {region[4] for region in kernel.slots}


def test_a_kernel_that_lists_what_it_refuses_at_a_stage_is_found_out(null: int) -> None:
    """At creation, at binding, and where a file cannot be mapped."""
    kernel = device(
        0b1111, taking({*range(16)} - {1}), taking({*range(16)} - {2}), mapping(4, EVERYTHING)
    )
    seen = staged_probe(kernel, null).observations
    assert seen[1] == Observation(errno.EINVAL)
    assert seen[2] == Observation(0, errno.EINVAL)
    assert seen[8] == Observation(0, 0, errno.ENODEV)
    assert seen[4] == WORKS


def test_hidden_rules_of_two_stages_are_found_out_by_system_calls(null: int) -> None:
    """Each with its stage; of what cannot be mapped nothing is learned."""
    kernel = device(
        0b1111,
        within(0b1111, obeying(requires(BAR, FOO))),
        obeying(excludes(FOO, BAZ)),
        mapping(QUX, EVERYTHING),
    )
    report = staged_probe(kernel, null, TREE)
    assert [(rule.stage, format_rule(rule, TREE)) for rule in report.rules] == [
        (Stage.CREATE, "BAR requires FOO"),
        (Stage.BIND, "FOO excludes BAZ"),
    ]
    assert report.not_mappable == {0, FOO, BAZ, FOO | BAR}


@pytest.mark.parametrize("name", KERNELS)
def test_a_hidden_rule_for_binding_is_found_out(name: str, null: int) -> None:
    """The same rules that follow from the same answers without a kernel."""
    listed, judge, rules = KERNELS[name]
    report = staged_probe(device(listed, within(listed, EVERYTHING), judge), null, TREE)
    assert sorted(texts(report)) == sorted(rules)


@given(kernel=staged_kernels)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_kernel_is_observed_as_it_is(kernel: StagedKernel, null: int) -> None:
    """Stage by stage, but for the touch."""

    def access(mask: int) -> int:
        return errno.ENODEV if kernel.access(mask) == errno.ENODEV else 0

    create = within(kernel.listed, kernel.create)
    report = staged_probe(device(kernel.listed, create, kernel.bind, access), null)
    play = staged(create, kernel.bind, access)
    assert report.observations == {mask: play(mask) for mask in report.observations}
    assert report.complete


def test_a_slot_that_cannot_be_deleted_takes_a_new_vm(null: int) -> None:
    """It would be in the way of the next one; that the binding worked is known."""
    kernel = device(1, undeletable=errno.ENOMEM)
    report = staged_probe(kernel, null, limit=5)
    assert {*report.observations.values()} == {WORKS}
    assert kernel.vms == 6


def test_where_no_new_vm_can_be_made_the_probe_ends(null: int) -> None:
    """With the errno of KVM_CREATE_VM, whatever it is."""
    kernel = device(1, undeletable=errno.ENOMEM)

    def script(call: Call) -> Answer:
        again = call.request == KVM_CREATE_VM and kernel.vms
        return Errno(errno.EBUSY) if again else kernel(call)

    report = staged_probe(script, null)
    assert (report.stopped, report.stopped_at) == (errno.EBUSY, Stage.BIND)
    assert not report.observations


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EEXIST, errno.EPERM])
def test_another_errno_of_binding_is_recorded(number: int, null: int) -> None:
    """It is not EINVAL, so it says nothing of the flags, and the file is not mapped."""
    report = staged_probe(device(3, bind=lambda mask: number if mask == 2 else 0), null)
    assert report.observations[2] == Observation(0, number)
    assert (report.complete, report.stopped, report.rules) == (False, None, ())


STOP = ["EMFILE", "ENFILE", "EIO", "EBADF", "ENOTTY", "EACCES"]
REQUESTS = {
    Stage.CREATE: KVM_CREATE_GUEST_MEMFD,
    Stage.BIND: KVM_SET_USER_MEMORY_REGION2,
}


@pytest.mark.parametrize("name", STOP)
@pytest.mark.parametrize("stage", REQUESTS)
@pytest.mark.parametrize("after", [0, 3])
def test_an_errno_that_comes_again_ends_the_probe(
    name: str, stage: Stage, after: int, null: int
) -> None:
    """With what was seen so far, in a report that says where it ended, and makes no catalog."""
    number = getattr(errno, name)
    kernel = device(3)

    def script(call: Call) -> Answer:
        late = len(kernel.created) >= after + (stage is Stage.BIND)
        return Errno(number) if call.request == REQUESTS[stage] and late else kernel(call)

    report = staged_probe(script, null)
    assert (report.stopped, report.stopped_at) == (number, stage)
    assert report.observations == dict.fromkeys([0, *SINGLES][:after], WORKS)
    assert f"until {name} at {stage}" in report.headline
    with pytest.raises(CatalogError, match="not complete"):
        report.as_catalog("learned")


def test_deleting_a_slot_may_end_the_probe_as_well(null: int) -> None:
    """A dead VM is no reason to make another."""
    kernel = device(3, undeletable=errno.EIO)
    report = staged_probe(kernel, null)
    assert (report.stopped, report.stopped_at, kernel.vms) == (errno.EIO, Stage.BIND, 1)


# ---- The list, asked again


@pytest.mark.parametrize(
    "later", [{244: 7}, {244: 1}, {234: 0}, {244: 0xFFFF_FFEA}], ids=["more", "less", "gone", "odd"]
)
def test_a_list_that_changes_meanwhile_is_never_complete(later: dict[int, int], null: int) -> None:
    """Nobody knows which of the two lists a mask was tried under."""
    kernel = device(3, within(3, EVERYTHING))

    def change(tried: int) -> None:
        if tried == 10:
            kernel.answers |= later

    report = staged_probe(kernel, null, progress=change)
    assert len(report.observations) == 66
    assert (report.changed, report.complete, report.support.mask) == (True, False, 3)


def test_an_answer_that_lists_no_flags_may_change(null: int) -> None:
    """Whether memory can have attributes is not what masks are tried for."""
    kernel = device(3)
    report = staged_probe(kernel, null, progress=lambda _: kernel.answers.update({233: 8}))
    assert report.complete


def test_a_vm_that_does_not_answer_in_the_end_is_not_complete(null: int) -> None:
    """It died meanwhile, after all stages."""
    kernel = device(3)

    def script(call: Call) -> Answer:
        dead = call.request == KVM_CHECK_EXTENSION and len(kernel.created) == 66
        return Errno(errno.EIO) if dead else kernel(call)

    report = staged_probe(script, null)
    assert (report.stopped, report.stopped_at, report.complete) == (errno.EIO, None, False)
    assert "until EIO when the VM was asked again" in report.headline


def test_a_probe_that_ended_keeps_its_first_errno(null: int) -> None:
    """A VM that is dead does not say either what it lists."""
    kernel = device(3)

    def script(call: Call) -> Answer:
        if call.request == KVM_CHECK_EXTENSION and len(kernel.created) == 5:
            return Errno(errno.EBADF)
        if call.request == KVM_CREATE_GUEST_MEMFD and len(kernel.created) == 5:
            return Errno(errno.EIO)
        return kernel(call)

    report = staged_probe(script, null)
    assert (report.stopped, report.stopped_at) == (errno.EIO, Stage.CREATE)


def test_a_vm_without_guest_memfd_is_not_probed(null: int) -> None:
    """No mask is tried, and the report says why."""
    kernel = device(0)
    kernel.answers |= {234: 0}
    report = staged_probe(kernel, null)
    assert report.guest_memfd is False
    assert not kernel.created
    assert str(report).splitlines()[0] == (
        f"VM of type 0 on KVM descriptor {null}: no guest_memfd (KVM_CAP_GUEST_MEMFD is 0), so no"
        " mask was tried"
    )


# ---- Whose VM it is


def test_on_a_borrowed_vm_creation_alone_is_tried(null: int) -> None:
    """Its slots are its owner's, and the report says so."""
    kernel = HiddenKernel(3, EVERYTHING)
    report = probed(kernel, null)
    assert not kernel.slots
    assert report.until is Stage.CREATE
    assert report.complete
    assert "by creation alone" in report.headline


def test_a_vm_has_its_type(null: int) -> None:
    """It cannot be given another."""
    kernel = HiddenKernel(3, EVERYTHING)
    with pytest.raises(ValueError, match="this VM has a type"):
        scripted(kernel, lambda: probe(Vm.from_fd(null), 1))
    assert not kernel.created


def test_the_vm_is_of_the_type_that_was_asked_for(null: int) -> None:
    """And so is the next one."""
    kernel = device(1, undeletable=errno.ENOMEM)
    types: list[int] = []

    def script(call: Call) -> Answer:
        types.extend([call.argument] if call.request == KVM_CREATE_VM else [])
        return kernel(call)

    def run() -> ProbeReport:
        return probe(Kvm.from_fd(null), 1, limit=2)

    report = scripted(script, run)
    assert report.support.host.vm_type == 1
    assert report.support.origin == f"VM of type 1 on KVM descriptor {null}"
    assert types == [1, 1, 1]


def test_a_host_that_makes_no_vm_is_not_probed(null: int) -> None:
    """The errno is kept."""
    with pytest.raises(KvmUnavailableError) as caught:
        staged_probe(
            lambda call: 12 if call.request == KVM_GET_API_VERSION else Errno(errno.EINVAL), null
        )
    assert caught.value.errno == errno.EINVAL


# ---- What is tried


def test_what_is_tried(null: int) -> None:
    """The empty mask, the 64 single bits and every subset, each once, with files of one page."""
    kernel = HiddenKernel(0b10110, EVERYTHING)
    report = probed(kernel, null)
    assert sorted(kernel.tried) == sorted({*subsets(0b10110), *SINGLES})
    assert kernel.tried[:65] == [0, *SINGLES]
    assert {(words[0], *words[2:]) for words in kernel.created} == {(PAGE, 0, 0, 0, 0, 0, 0)}
    assert report.size == PAGE


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
def test_what_is_not_a_mask_is_not_tried(around: int | tuple[int, ...], null: int) -> None:
    """Nor is anything else."""
    kernel = HiddenKernel(3, EVERYTHING)
    with pytest.raises(InvalidMaskError):
        probed(kernel, null, around=around)
    assert not kernel.created


@pytest.mark.parametrize("limit", [0, 1, 65, 66, 67])
def test_the_limit_is_a_number_of_masks(limit: int, null: int) -> None:
    """66 are all there is to try with two flags."""
    kernel = device(3)
    report = staged_probe(kernel, null, limit=limit)
    assert len(kernel.created) == len(report.observations) == min(limit, 66)
    assert report.complete is (limit >= 66)


def test_a_limit_below_zero_is_refused(null: int) -> None:
    """It is a mistake, and not "no limit"."""
    with pytest.raises(ValueError, match="limit=-1 is not a number of files"):
        probed(HiddenKernel(3, EVERYTHING), null, limit=-1)


def test_progress_is_told_after_each_mask(null: int) -> None:
    """Whether it works or not."""
    told: list[int] = []
    staged_probe(device(3), null, progress=told.append)
    assert told == list(range(1, 67))


def test_an_exception_of_the_caller_leaves_no_descriptor(null: int) -> None:
    """Ctrl-C in the middle, say: the VM of the probe is closed as well."""

    def interrupt(tried: int) -> None:
        if tried == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        staged_probe(device(3), null, progress=interrupt)


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EPERM, errno.EFAULT, errno.EOPNOTSUPP])
def test_an_errno_for_one_mask_is_recorded_and_the_sweep_goes_on(number: int, null: int) -> None:
    """It is not EINVAL, so it says nothing of the flags."""
    report = probed(HiddenKernel(3, lambda mask: number if mask == 2 else 0), null)
    assert report.observations[2] == Observation(number)
    assert len(report.observations) == 66
    assert (report.complete, report.stopped, report.rules) == (False, None, ())


def test_an_interrupted_call_is_made_again(null: int) -> None:
    """EINTR is not an observation, at any stage."""
    kernel = device(3)
    interrupted = set[int]()

    def script(call: Call) -> Answer:
        mine = call.request in REQUESTS.values()
        if mine and len(interrupted) < 100 and hash(call) not in interrupted:
            interrupted.add(hash(call))
            return Errno(errno.EINTR)
        return kernel(call)

    report = staged_probe(script, null)
    assert set(report.observations.values()) == {WORKS}


def test_all_that_is_made_for_a_mask_is_closed_at_once(null: int) -> None:
    """There is never more than one file."""
    most: list[int] = []
    before = count()

    def judge(_: int) -> int:
        most.append(count() - before)
        return 0

    staged_probe(device(0xF, judge), null)
    assert max(most) == min(most)


def test_a_file_is_closed_on_exec(null: int) -> None:
    """At once: the kernel opens it without."""
    inherited: list[bool] = []
    kernel = device(3)

    def script(call: Call) -> Answer:
        if call.request == KVM_SET_USER_MEMORY_REGION2:
            *_, fd = struct.unpack_from("=IIQQQQI", call.struct())
            inherited.append(os.get_inheritable(fd))
        return kernel(call)

    staged_probe(script, null)
    assert {*inherited} == {False}


# ---- What is not a VM


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
    kernel = device(0xFFFF_FFEA)
    with pytest.raises(InconsistentAnswerError):
        staged_probe(kernel, null)
    assert not kernel.created


def test_a_vm_that_is_dev_kvm_meanwhile_is_not_probed(null: int) -> None:
    """It would take nothing, and contradict every catalog."""
    kernel = HiddenKernel(3, EVERYTHING)
    versions: list[Answer] = [Errno(errno.ENOTTY), 12]

    def script(call: Call) -> Answer:
        return versions.pop(0) if call.request == KVM_GET_API_VERSION else kernel(call)

    with pytest.raises(KvmUnavailableError) as caught:
        probed(script, null)
    assert caught.value.reason is Unavailable.NOT_KVM
    assert not kernel.created


def test_a_vm_that_is_dev_kvm_in_the_end_is_not_complete(null: int) -> None:
    """What was seen before is kept."""
    kernel = HiddenKernel(3, within(3, EVERYTHING))
    versions: list[Answer] = [Errno(errno.ENOTTY), Errno(errno.ENOTTY), 12]

    def script(call: Call) -> Answer:
        return versions.pop(0) if call.request == KVM_GET_API_VERSION else kernel(call)

    report = probed(script, null)
    assert (report.stopped, report.stopped_at, report.complete) == (errno.EINVAL, None, False)


def test_a_file_that_is_not_a_descriptor_does_not_work(null: int) -> None:
    """A kernel that answers with a number that is not open is not believed."""
    kernel = device(3)

    def script(call: Call) -> Answer:
        made = call.request == KVM_CREATE_GUEST_MEMFD
        return 1_000_000 if made else kernel(call)

    report = staged_probe(script, null)
    assert (report.stopped, report.observations) == (errno.EBADF, {})


def test_the_list_is_asked_before_and_after(null: int) -> None:
    """Each capability once, and nothing in between."""
    standin = Standin(HiddenKernel(3, EVERYTHING))
    vm: list[Vm] = []

    def run() -> ProbeReport:
        vm.append(Vm.from_fd(null))
        return probe(vm[0])

    standin.run(run)
    asked = [231, 233, 234, 235, 244]
    assert standin.asked()[-10:] == [*asked, *asked]
    middle = [call.request for call in standin.calls[-72:-6]]
    assert {*middle} == {KVM_CREATE_GUEST_MEMFD}


def test_a_probed_report_pickles(null: int) -> None:
    """It can come from another process."""
    report = staged_probe(device(3, taking([0, 1])), null)
    assert pickle.loads(pickle.dumps(report)) == report  # noqa: S301  # our own bytes


# ---- Past the limit: 12 flags have 4,096 subsets, and 52 single bits besides.
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


def test_past_the_limit_the_way_leads_over_what_was_created(null: int) -> None:
    """From each mask created, one and two flags further: so a chain of needs is climbed."""
    chain = taking((1 << length) - 1 for length in range(13))
    report = probed(HiddenKernel(TWELVE, chain), null, limit=1500)
    assert report.works(Stage.CREATE) == {(1 << length) - 1 for length in range(13)}
    assert report.undetermined == 0
    assert not report.complete


def test_past_the_limit_what_was_never_created_is_undetermined(null: int) -> None:
    """Three flags that need each other: none works by itself or in a pair, and nothing is said."""
    ring = taking([0, 0b111])
    assert probed(HiddenKernel(0b111, ring), null, limit=69).undetermined == 0
    report = probed(HiddenKernel(0b111, ring), null, limit=68)
    assert report.works(Stage.CREATE) == {0}
    assert report.undetermined == 0b111
    assert not report.rules


@pytest.mark.parametrize("centre", [0b111, 0b110, 0b10111, 0b11111])
def test_past_the_limit_masks_of_the_caller_lead_the_way(centre: int, null: int) -> None:
    """Around each one and two flags are flipped, also around one that is refused."""
    kernel = HiddenKernel(TWELVE, taking([0, 0b111]))
    report = probed(kernel, null, around=(centre,), limit=200)
    assert 0b111 in report.works(Stage.CREATE)
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
    report = staged_probe(device(listed, taking(subsets(1 << 62 | 1))), null, TREE)
    assert report.complete
    assert texts(report) == ["no mask takes BIT_40"]
