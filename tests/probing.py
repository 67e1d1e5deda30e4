"""Kernels with rules that nobody wrote down: as a report at once, and as a script for the edge."""

import errno
import os
import struct
from collections.abc import Callable, Iterable
from itertools import combinations

from gmemflags import Always, Catalog, Excludes, Never, Refused, Requires, Stage, query
from gmemflags import Hosts, Rule, format_rule
from gmemflags.linux import ProbeReport
from gmemflags.testing import FakeBackend
from tests.standin.kernel import (
    KVM_CHECK_EXTENSION,
    KVM_CREATE_GUEST_MEMFD,
    KVM_CREATE_VM,
    KVM_GET_API_VERSION,
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


def reported(catalog: Catalog, listed: int, observations: dict[int, int]) -> ProbeReport:
    """The report of a VM that lists ``listed`` and answered so."""
    support = query(FakeBackend.wide(listed), catalog)
    return ProbeReport(support=support, observations=observations, size=PAGE)


def swept(catalog: Catalog, listed: int, judge: Judge) -> ProbeReport:
    """The report of a VM all of whose subsets and single bits were tried."""
    masks = dict.fromkeys((*subsets(listed), *(1 << number for number in range(64))))
    return reported(catalog, listed, {mask: within(listed, judge)(mask) for mask in masks})


def within(listed: int, judge: Judge) -> Judge:
    """A kernel that refuses what it does not list, and of the rest what ``judge`` refuses."""
    return lambda mask: errno.EINVAL if mask & ~listed else judge(mask)


def taking(masks: Iterable[int]) -> Judge:
    """A kernel that takes exactly these masks."""
    taken = frozenset(masks)
    return lambda mask: 0 if mask in taken else errno.EINVAL


def obeying(*rules: Rule) -> Judge:
    """A kernel that takes what breaks none of these rules."""
    return lambda mask: 0 if all(rule.holds(mask) for rule in rules) else errno.EINVAL


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
    """A script of a host whose VMs list ``listed`` and answer creations as ``judge`` says.

    With ``device`` the first descriptor whose version is asked is /dev/kvm; without, all are VMs.
    ``created`` are the structs of KVM_CREATE_GUEST_MEMFD: size, flags and the reserved words.
    """

    def __init__(self, listed: int, judge: Judge, *, device: bool = False) -> None:
        """Keep what it says."""
        self.answers: dict[int, int] = {231: 1, 234: 1, 235: 1, 244: listed}
        self.judge = judge
        self.created: list[tuple[int, ...]] = []
        self._wants_device = device
        self._device: int | None = None

    def __call__(self, call: Call) -> Answer:
        """Answer one ioctl."""
        if call.request == KVM_GET_API_VERSION:
            if self._wants_device and self._device is None:
                self._device = call.fd
            return 12 if call.fd == self._device else Errno(errno.ENOTTY)
        if call.request == KVM_CREATE_VM:
            return NewFd()
        if call.request == KVM_CHECK_EXTENSION:
            return self.answers.get(call.argument, 0)
        assert call.request == KVM_CREATE_GUEST_MEMFD
        words = struct.unpack("=8Q", call.struct())
        self.created.append(words)
        number = self.judge(words[1])
        return Errno(number) if number else NewFd()

    @property
    def tried(self) -> list[int]:
        """The flags of every creation, in order."""
        return [words[1] for words in self.created]
