"""Kernels with rules that nobody wrote down: as a report at once, and as a script for the edge."""

import errno
import os
import struct
from collections.abc import Callable, Iterable, Mapping
from itertools import combinations

from gmemflags import (
    Always,
    Catalog,
    Excludes,
    Hosts,
    Never,
    Refused,
    Requires,
    Rule,
    Stage,
    format_rule,
    query,
)
from gmemflags.linux import Observation, ProbeReport
from gmemflags.testing import FakeBackend
from tests.standin.kernel import (
    KVM_CHECK_EXTENSION,
    KVM_CREATE_GUEST_MEMFD,
    KVM_CREATE_VM,
    KVM_GET_API_VERSION,
    KVM_SET_USER_MEMORY_REGION2,
    Answer,
    Call,
    Errno,
    NewFd,
)
from tests.strategies import catalog_of

PAGE = os.sysconf("SC_PAGE_SIZE")
Judge = Callable[[int], int]  # a mask to 0 if it is taken, else to an errno


def tree(*names: str) -> Catalog:
    """A tree that names bit 0 and the next ones, and has no rule."""
    return catalog_of({name: 1 << number for number, name in enumerate(names)})


def subsets(mask: int) -> list[int]:
    """Every mask inside ``mask``, the smallest sets of bits first."""
    flags = [1 << number for number in range(64) if mask >> number & 1]
    return [sum(some) for size in range(len(flags) + 1) for some in combinations(flags, size)]


def reported(
    catalog: Catalog, listed: int, observations: Mapping[int, int | Observation]
) -> ProbeReport:
    """The report of a VM that lists ``listed`` and answered so.

    A number is an errno of creation; if there are no others, creation alone was tried.
    """
    support = query(FakeBackend.wide(listed), catalog)
    alone = all(isinstance(seen, int) for seen in observations.values())
    return ProbeReport(
        support=support,
        observations={
            mask: Observation(create=seen) if isinstance(seen, int) else seen
            for mask, seen in observations.items()
        },
        size=PAGE,
        until=Stage.CREATE if alone else Stage.ACCESS,
    )


def swept(
    catalog: Catalog,
    listed: int,
    create: Judge,
    bind: Judge | None = None,
    access: Judge | None = None,
) -> ProbeReport:
    """The report of a VM all of whose subsets and single bits were tried, at some stages."""
    masks = dict.fromkeys((*subsets(listed), *(1 << number for number in range(64))))
    judge = within(listed, create)
    if bind is None:
        return reported(catalog, listed, {mask: judge(mask) for mask in masks})
    play = staged(judge, bind, access or taking(masks))
    return reported(catalog, listed, {mask: play(mask) for mask in masks})


def staged(create: Judge, bind: Judge, access: Judge) -> Callable[[int], Observation]:
    """A kernel that plays all stages of a mask, each if the one before worked."""

    def play(mask: int) -> Observation:
        seen: list[int] = []
        for judge in (create, bind, access):
            seen.append(judge(mask))
            if seen[-1]:
                break
        return Observation(*seen)

    return play


def within(listed: int, judge: Judge) -> Judge:
    """A kernel that refuses what it does not list, and of the rest what ``judge`` refuses."""
    return lambda mask: errno.EINVAL if mask & ~listed else judge(mask)


def mapping(flag: int, judge: Judge) -> Judge:
    """A kernel that maps what has ``flag``, and then does what ``judge`` says."""
    return lambda mask: judge(mask) if mask & flag else errno.ENODEV


def taking(masks: Iterable[int]) -> Judge:
    """A kernel that takes exactly these masks."""
    taken = frozenset(masks)
    return lambda mask: 0 if mask in taken else errno.EINVAL


def obeying(*rules: Rule, fails: int = errno.EINVAL) -> Judge:
    """A kernel on which what breaks none of these rules works."""
    return lambda mask: 0 if all(rule.holds(mask) for rule in rules) else fails


def texts(report: ProbeReport) -> list[str]:
    """The rules of the learned catalog, which has none about bits without a name, as text."""
    catalog = report.as_catalog("learned")
    return [format_rule(rule, catalog) for rule in catalog.rules]


WHY, SOURCE = "A test.", "this test"
ANY_HOST = Hosts()


def requires(
    flag: int,
    all_of: int = 0,
    any_of: Iterable[int] = (),
    *,
    stage: Stage = Stage.CREATE,
    hosts: Hosts = ANY_HOST,
) -> Rule:
    """The rule, with a why and a source."""
    return Requires(
        flag, all_of=all_of, any_of=any_of, why=WHY, source=SOURCE, stage=stage, hosts=hosts
    )


def excludes(a: int, b: int, *, stage: Stage = Stage.CREATE, hosts: Hosts = ANY_HOST) -> Rule:
    """The rule, with a why and a source."""
    return Excludes(a, b, why=WHY, source=SOURCE, stage=stage, hosts=hosts)


def always(all_of: int = 0, any_of: Iterable[int] = ()) -> Rule:
    """The rule, with a why and a source."""
    return Always(all_of, any_of=any_of, why=WHY, source=SOURCE)


def refused(mask: int) -> Rule:
    """The rule, with a why and a source."""
    return Refused(mask, why=WHY, source=SOURCE)


def never(mask: int) -> Rule:
    """The rule, with a why and a source."""
    return Never(mask, why=WHY, source=SOURCE)


class HiddenKernel:
    """A script of a host whose VMs list ``listed`` and answer as the judges say.

    Masks for which ``access`` is not 0 get a file that cannot be mapped: more cannot be played.
    With ``device`` the first descriptor whose version is asked is /dev/kvm; without, all are VMs.
    ``created`` are the structs of KVM_CREATE_GUEST_MEMFD: size, flags and the reserved words.
    ``slots`` are the structs of KVM_SET_USER_MEMORY_REGION2 as far as they are read: slot, flags,
    address, size, userspace address, offset, descriptor; ``undeletable`` is what deleting answers.
    """

    def __init__(
        self,
        listed: int,
        judge: Judge,
        bind: Judge | None = None,
        access: Judge | None = None,
        *,
        device: bool = False,
        undeletable: int = 0,
    ) -> None:
        """Keep what it says."""
        self.answers: dict[int, int] = {231: 1, 234: 1, 235: 1, 244: listed}
        self.judge = judge
        self.bind = bind or obeying()
        self.access = access or obeying()
        self.undeletable = undeletable
        self.created: list[tuple[int, ...]] = []
        self.slots: list[tuple[int, ...]] = []
        self.vms = 0
        self._wants_device = device
        self._device: int | None = None

    def __call__(self, call: Call) -> Answer:
        """Answer one ioctl."""
        if call.request == KVM_GET_API_VERSION:
            if self._wants_device and self._device is None:
                self._device = call.fd
            return 12 if call.fd == self._device else Errno(errno.ENOTTY)
        if call.request == KVM_CREATE_VM:
            self.vms += 1
            return NewFd()
        if call.request == KVM_CHECK_EXTENSION:
            return self.answers.get(call.argument, 0)
        if call.request == KVM_SET_USER_MEMORY_REGION2:
            return self._set_slot(struct.unpack_from("=IIQQQQI", call.struct()))
        assert call.request == KVM_CREATE_GUEST_MEMFD
        words = struct.unpack("=8Q", call.struct())
        self.created.append(words)
        number = self.judge(words[1])
        if number:
            return Errno(number)
        return NewFd(size=0, mappable=False) if self.access(words[1]) else NewFd(size=PAGE)

    def _set_slot(self, region: tuple[int, ...]) -> Answer:
        self.slots.append(region)
        number = self.bind(self.tried[-1]) if region[3] else self.undeletable
        return Errno(number) if number else 0

    @property
    def tried(self) -> list[int]:
        """The flags of every creation, in order."""
        return [words[1] for words in self.created]
