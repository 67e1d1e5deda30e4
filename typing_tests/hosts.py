"""The types of asking: hosts, ``gmemflags.linux`` and ``gmemflags.testing``. Checked, never run."""

from collections.abc import Mapping
from pathlib import Path
from typing import assert_type

from attrs import evolve

import gmemflags.linux
from gmemflags import (
    MAINLINE,
    Answer,
    Backend,
    BitState,
    Capability,
    Catalog,
    FlagWord,
    HostFacts,
    Hosts,
    Need,
    Resolution,
    Rule,
    Scope,
    Stage,
    Support,
    VmBackend,
    query,
)
from gmemflags.linux import CheckedRule, Kvm, Observation, ProbeReport, RuleState, Vm, probe
from gmemflags.testing import FakeBackend, FakeOptions, FakeVm, KnownHost, hosts


def backends(backend: Backend) -> None:
    """Whoever answers."""
    assert_type(backend.scope, Scope)
    assert_type(backend.origin, str)
    assert_type(backend.host, HostFacts)
    assert_type(backend.host.kernel, str | None)
    assert_type(backend.host.machine, str | None)
    assert_type(backend.host.vm_type, int | None)
    assert_type(backend.host.time, int | None)
    assert_type(backend.host.extra, Mapping[str, object])
    assert_type(backend.check_extension(244), int)
    backend.recheck()


def allocation(vm: VmBackend, answer: Resolution) -> int:
    """The type to annotate allocation code with."""
    return vm.create_guest_memfd(4096, answer)


def known_hosts(answer: Resolution) -> None:
    """VMs without KVM."""
    host = hosts["linux-6.18-x86_64"]
    assert_type(host, KnownHost)
    assert_type((host.how, host.recorded), tuple[str, bool])
    assert_type(host.system, FakeBackend)
    assert_type(host.vm(0), FakeVm)
    assert_type(host.on_system, Mapping[int, int])
    assert_type(host.on_vm, Mapping[int, Mapping[int, int]])
    options: FakeOptions = {"origin": "my VM", "host": HostFacts(vm_type=0)}
    vm = FakeVm({"GUEST_MEMFD": 1}, **options)
    assert_type(allocation(vm, answer), int)
    assert_type(vm.created, list[tuple[int, int]])


def conditions(hosts_: Hosts) -> None:
    """Machines by their architectures, and needs of every kind."""
    assert_type(hosts_.kinds, tuple[str, ...])
    need = Need("KVM_CAP_NR_VCPUS", at_least=4, optional=True)
    assert_type(need.at_least, int | None)
    assert_type(need.optional, bool)


class Recorded(Backend):
    """A backend of a user's own."""

    @property
    def scope(self) -> Scope:
        """One VM."""
        return Scope.VM

    @property
    def origin(self) -> str:
        """A text."""
        return "a file"

    @property
    def host(self) -> HostFacts:
        """Nothing is known."""
        return HostFacts()

    def check_extension(self, number: int) -> int:
        """An answer."""
        return number


def fakes() -> None:
    """Hosts of a test's own."""
    backend: Backend = FakeBackend({244: 3, 234: OSError(5, "")}, scope=Scope.SYSTEM)
    assert_type(query(backend), Support)
    assert_type(query(Recorded(), MAINLINE), Support)
    assert_type(FakeBackend({}, host=HostFacts(vm_type=4), origin="x"), FakeBackend)
    assert_type(FakeBackend.narrow(3), FakeBackend)
    assert_type(FakeBackend.split(1 << 40, flags_hi=300), FakeBackend)
    assert_type(FakeBackend.wide(1 << 40), FakeBackend)
    assert_type(FakeBackend.wide(3).asked, list[int])
    assert_type(FakeBackend.wide(3).answers, dict[int, int | OSError])


def supports(support: Support) -> None:
    """What a host said."""
    assert_type(support.answers, Mapping[str, int])
    assert_type(support.answer(Capability.VM_TYPES), int | None)
    assert_type(support.mask, int)
    assert_type(support.flags, FlagWord)
    assert_type(support.answerable, int)
    assert_type(support.hi_only, int)
    assert_type(support.guest_memfd, bool | None)
    assert_type(support.state(1), BitState)
    assert_type(support.under(MAINLINE), Support)
    assert_type(support.host, HostFacts)
    assert_type(support.scope, Scope)
    assert_type(support.origin, str)
    assert_type(support.catalog, Catalog)
    assert_type(evolve(support, origin="node7"), Support)
    assert_type(support.errors, Mapping[str, int])
    assert_type(support.unused, tuple[Answer, ...])
    assert_type(support.other_names, Mapping[int, str])
    assert_type(support.asked_as, tuple[Catalog, Scope])
    assert_type(support.all_answers, tuple[Answer, ...])
    assert_type(support.all_names, dict[int, str])
    assert_type(support.known_answer("GUEST_MEMFD"), int | None)
    Support(answers={Capability.GUEST_MEMFD: 1}, scope=Scope.VM, catalog=MAINLINE)


def descriptors(answer: Resolution) -> None:
    """The real thing."""
    assert_type(Kvm.open(), Kvm)
    with Kvm.open(Path("/dev/kvm")) as kvm, kvm.create_vm(vm_type=0) as vm:
        assert_type(kvm, Kvm)
        assert_type(vm, Vm)
        assert_type(vm.create_guest_memfd(4096, answer), int)
        assert_type(vm.create_guest_memfd(4096, 0), int)
        assert_type(Kvm.from_fd(kvm.fileno()), Kvm)
        assert_type(Vm.from_fd(vm.fileno(), vm_type=0), Vm)
        assert_type((kvm.scope, kvm.origin, kvm.host), tuple[Scope, str, HostFacts])
        assert_type((vm.scope, vm.origin, vm.host), tuple[Scope, str, HostFacts])
        assert_type((kvm.check_extension(244), vm.check_extension(244)), tuple[int, int])
        assert_type(kvm.create_vm(), Vm)
        assert_type((kvm.fileno(), vm.fileno()), tuple[int, int])
        kvm.close()
        vm.close()


def probes(vm: Vm) -> None:
    """What a VM takes."""
    report = probe(vm, 0, MAINLINE, around=[1, 2], limit=100, progress=print)
    assert_type(report, ProbeReport)
    assert_type(report.support, Support)
    assert_type(report.observations, Mapping[int, Observation])
    seen = report.observations[0]
    assert_type(seen.at(Stage.BIND), int | None)
    assert_type(seen.create, int)
    assert_type(seen.bind, int | None)
    assert_type(seen.access, int | None)
    assert_type(report.size, int)
    assert_type(report.until, Stage)
    assert_type(report.stopped, int | None)
    assert_type(report.stopped_at, Stage | None)
    assert_type(report.changed, bool)
    assert_type(report.guest_memfd, bool | None)
    assert_type(report.source, str)
    assert_type(report.headline, str)
    assert_type(report.complete, bool)
    assert_type(report.works(Stage.ACCESS), frozenset[int])
    assert_type(report.fails(Stage.ACCESS), frozenset[int])
    assert_type(report.not_mappable, frozenset[int])
    assert_type(report.unexplained, frozenset[int])
    assert_type(report.undetermined, int)
    assert_type(report.rules, tuple[Rule, ...])
    assert_type(report.checked_rules, tuple[CheckedRule, ...])
    assert_type(report.checked_rules[0].rule, Rule)
    assert_type(report.checked_rules[0].state, RuleState)
    assert_type(report.checked_rules[0].message, str)
    assert_type(report.contradictions, tuple[str, ...])
    assert_type(report.as_catalog("mine"), Catalog)


def mistakes(support: Support, vm: Vm) -> None:
    """An ignore that is not needed is an error."""
    Backend()  # type: ignore[abstract]  # pyright: ignore[reportAbstractUsage]
    query(support)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    support.mask = 1  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    vm.create_guest_memfd("4096", 0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    support.state("MMAP")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Vm.from_fd("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    HostFacts(vm_type="0")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert gmemflags.linux.Vmm  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # a typo
    probe(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    FakeBackend({244: "3"})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
