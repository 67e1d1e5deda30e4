"""The hosts that come with the program: consistent, and honest about where they come from."""

import re

import pytest

from gmemflags._cli._hosts import HOSTS, RecordedHost
from gmemflags._cli._machine import Machine, vm_types
from gmemflags._cli._options import CATALOGS
from gmemflags import MAINLINE, Scope
from gmemflags import KvmUnavailableError, Unavailable
from gmemflags import query

CITATION = re.compile(
    r'Linux commit [0-9a-f]{12} \(".+?"\), v\d+\.\d+|mail ".+?", v\d+, \d+ \w+ \d{4}'
)
X86 = {231: 1, 233: 0, 234: 1, 235: 1, 244: 3}

each = pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)


@each
def test_a_host_has_a_vm_of_each_type_that_it_lists(host: RecordedHost) -> None:
    """What `show` will ask for can be had."""
    assert vm_types(query(host.system)) == sorted(host.on_vm)
    for vm_type in host.on_vm:
        with host.vm(vm_type) as vm:
            assert (vm.scope, vm.host.vm_type) == (Scope.VM, vm_type)
            assert (
                vm.host.machine == host.machine == host.name.split("-")[-1] or "conf" in host.name
            )


@each
def test_a_host_answers_every_number_of_some_catalog(host: RecordedHost) -> None:
    """No answer is a default that nobody thought about, and none is left over."""
    numbers = [
        {number for number in catalog.capabilities.values() if number is not None}
        for catalog in CATALOGS.values()
    ]
    assert set(host.on_system) in numbers
    assert all(set(answers) in numbers for answers in host.on_vm.values())


@each
def test_a_host_says_where_its_answers_come_from(host: RecordedHost) -> None:
    """A derived one cites sources, a recorded one names the machine."""
    assert host.how == ("recorded" if host.recorded else "derived")
    assert bool(CITATION.search(host.source)) is not host.recorded
    assert host.title["host"] == f"{host.name}, {host.how}: " + (
        "a real host was asked" if host.recorded else "no such host was asked"
    )
    assert host.system.origin == f"/dev/kvm of {host.name} ({host.how})"


@each
def test_a_vm_may_lack_flags_and_never_has_more_than_dev_kvm(host: RecordedHost) -> None:
    """The system scope is an upper bound on every host, as in the kernel."""
    system = query(host.system)
    for vm_type in host.on_vm:
        with host.vm(vm_type) as vm:
            assert not query(vm).mask & ~system.mask


@pytest.mark.parametrize(
    ("name", "system", "vms"),
    [
        ("linux-6.7-x86_64", (False, 0), {0: (False, 0)}),
        ("linux-6.8-x86_64", (True, 0), {0: (False, 0), 1: (True, 0)}),
        ("linux-6.18-x86_64", (True, 3), {0: (True, 3)}),
        (
            "linux-6.18-x86_64-confidential",
            (True, 3),
            {0: (True, 3), 1: (True, 1), 4: (True, 1), 5: (True, 1)},
        ),
        ("linux-6.18-aarch64", (True, 3), {0: (True, 3)}),
        ("linux-6.18-riscv64", (False, 0), {0: (False, 0)}),
        ("firecracker-secret-free-x86_64", (True, 0xF), {0: (True, 0xF)}),
    ],
)
def test_what_each_host_says(
    name: str, system: tuple[bool, int], vms: dict[int, tuple[bool, int]]
) -> None:
    """Whether guest_memfd is there and which flags, literally."""
    host = HOSTS[name]
    told = query(host.system)
    assert (told.guest_memfd, told.mask) == system
    found = {}
    for vm_type in host.on_vm:
        with host.vm(vm_type) as vm:
            support = query(vm)
            found[vm_type] = support.guest_memfd, support.mask
    assert found == vms
    assert set(HOSTS) >= {name}


def test_the_recorded_host_is_what_was_measured() -> None:
    """Linux 6.18.44 on x86-64, asked by hand with raw system calls, at both scopes."""
    assert HOSTS["linux-6.18-x86_64"].on_system == X86
    assert HOSTS["linux-6.18-x86_64"].on_vm == {0: X86}
    assert [name for name, host in HOSTS.items() if host.recorded] == ["linux-6.18-x86_64"]


def test_a_vm_that_the_host_does_not_make_is_an_error() -> None:
    """As on a real host, and with the same reason."""
    with pytest.raises(KvmUnavailableError) as caught:
        HOSTS["linux-6.18-x86_64"].vm(4)
    assert caught.value.reason is Unavailable.NO_VM
    assert str(caught.value).startswith("VM of type 4: linux-6.18-x86_64 has no such VM")


def test_a_machine_is_a_value() -> None:
    """What a command asks is made of three parts, so a test can make one."""
    host = HOSTS["linux-6.18-x86_64"]
    machine = Machine(title=host.title, system=host.system, vm=host.vm)
    assert query(machine.system, MAINLINE).mask == 3
