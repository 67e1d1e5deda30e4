"""The recorded hosts of `testing.hosts`, held against the records that `make kernels` wrote."""

from pathlib import Path

import pytest

from gmemflags import Scope, Support, query
from gmemflags.linux import ProbeReport
from gmemflags.records import loads
from gmemflags.testing import hosts

RECORDS = Path(__file__).with_name("emulated") / "records"
BOOTED = {
    host.source.partition("make kernels ARGS=")[2]: name
    for name, host in hosts.items()
    if "make kernels ARGS=" in host.source
}
# The states of mainline's rules about a VM of type 0, in their order.
RULES = {
    "x86_64-6.1": ["open", "open"],
    "x86_64-6.12": ["open", "open"],
    "x86_64": ["confirmed", "confirmed"],
    "aarch64": ["confirmed", "confirmed", "open"],
    "aarch64-16k": ["confirmed", "confirmed", "open"],
    "riscv64": ["open", "open"],
}


def recorded(machine: str) -> list[object]:
    """What the machine printed: records of hosts and of probes."""
    return [loads(line) for line in (RECORDS / f"{machine}.jsonl").read_text().splitlines()]


def test_every_record_is_looked_at() -> None:
    """No file is left over, and each has its host; two machines are alike but for the page size."""
    assert {path.stem for path in RECORDS.iterdir()} == RULES.keys()
    assert RULES.keys() - BOOTED.keys() == {"aarch64-16k"}


@pytest.mark.parametrize("machine", RULES)
def test_a_recorded_host_answers_as_the_kernel_did(machine: str) -> None:
    """On /dev/kvm and on a VM of each type that it listed, capability by capability."""
    known = hosts[BOOTED[machine.removesuffix("-16k")]]
    found: list[int | None] = []
    for support in recorded(machine):
        if isinstance(support, Support):
            vm_type = support.host.vm_type
            found.append(vm_type)
            fake = known.system if support.scope is Scope.SYSTEM else known.vm(vm_type or 0)
            assert query(fake).answers == support.answers
            assert (support.host.kernel or "").startswith(known.kernel)
            assert support.host.machine == known.machine
    assert found == [None, *known.on_vm]


@pytest.mark.parametrize("machine", RULES)
def test_no_kernel_contradicts_mainline(machine: str) -> None:
    """Each rule is confirmed, or open where no mask decides it; and the probe is complete."""
    (report,) = (one for one in recorded(machine) if isinstance(one, ProbeReport))
    assert [str(rule.state) for rule in report.checked_rules] == RULES[machine]
    assert report.contradictions == ()
    assert report.complete is bool(report.guest_memfd)
