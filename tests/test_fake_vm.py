"""The fake VM and the known hosts: allocation code is tested without KVM, and as with it."""

import errno
import mmap
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError

from gmemflags import (
    MAINLINE,
    Capability,
    CapabilityQueryError,
    Excludes,
    GuestMemfdCreateError,
    HostFacts,
    Hosts,
    InvalidMaskError,
    KvmUnavailableError,
    NegotiationError,
    Resolution,
    Scope,
    Stage,
    Unavailable,
    VmBackend,
    negotiate,
    query,
    resolve,
)
from gmemflags import GuestMemfdFlag as F
from gmemflags.linux import Vm
from gmemflags.testing import FakeBackend, FakeVm, KnownHost, hosts
from tests.strategies import catalog_of

PAGE = os.sysconf("SC_PAGE_SIZE")
BOTH = F.MMAP | F.INIT_SHARED
SHARED = MAINLINE.profiles["fully-shared"]


def allocate(vm: VmBackend, size: int) -> int:
    """What a VMM does: ask, agree, create."""
    return vm.create_guest_memfd(size, negotiate(query(vm), SHARED))


def count() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(params=["fake", "real"])
def machine(request: pytest.FixtureRequest) -> Iterator[VmBackend]:
    """A VM with MMAP and INIT_SHARED: the fake, and the real one, which have one contract."""
    if request.param == "fake":
        with FakeVm.narrow(BOTH) as fake:
            yield fake
        return
    real: Vm = request.getfixturevalue("vm")
    support = query(real)
    if not support.guest_memfd or BOTH & ~support.mask:
        pytest.skip(f"{support.origin} does not list MMAP and INIT_SHARED")
    yield real


def failure(vm: VmBackend, size: int, flags: Resolution | int) -> GuestMemfdCreateError:
    """What creation fails with; no descriptor is left."""
    before = count()
    with pytest.raises(GuestMemfdCreateError) as caught:
        vm.create_guest_memfd(size, flags)
    assert count() == before
    return caught.value


def test_allocation_code_works(machine: VmBackend) -> None:
    """The file has its size, is close-on-exec, starts as zeros, and is shared by its mappings."""
    fd = allocate(machine, 3 * PAGE)
    try:
        assert os.fstat(fd).st_size == 3 * PAGE
        assert not os.get_inheritable(fd)
        with mmap.mmap(fd, PAGE) as one, mmap.mmap(fd, PAGE) as other:
            assert one[:6] == bytes(6)
            one[:5] = b"guest"
            assert other[:5] == b"guest"
    finally:
        os.close(fd)


@pytest.mark.parametrize("mask", [0, F.MMAP, F.INIT_SHARED, BOTH, 3])
def test_every_listed_combination_is_taken(machine: VmBackend, mask: int) -> None:
    """As a plain number or as a flag."""
    os.close(machine.create_guest_memfd(PAGE, mask))


@pytest.mark.parametrize("size", [PAGE, 1 << 40, 1 << 62, (1 << 63) - PAGE])
def test_any_good_size_is_taken(machine: VmBackend, size: int) -> None:
    """Memory comes later."""
    fd = machine.create_guest_memfd(size, BOTH)
    try:
        assert os.fstat(fd).st_size == size
    finally:
        os.close(fd)


@pytest.mark.parametrize("size", [0, 1, PAGE - 1, PAGE + 1, -PAGE, 1 << 63, 1 << 64])
def test_a_bad_size_is_refused(machine: VmBackend, size: int) -> None:
    """Before anything is tried."""
    error = failure(machine, size, BOTH)
    assert (error.errno, error.support) == (errno.EINVAL, None)
    assert "nothing was tried" in str(error)


@pytest.mark.parametrize("stray", [1 << 7, 1 << 31, 1 << 40, 1 << 63])
def test_an_unlisted_bit_is_refused(machine: VmBackend, stray: int) -> None:
    """EINVAL, and the error has what the VM lists."""
    error = failure(machine, PAGE, BOTH | stray)
    assert (error.errno, error.mask) == (errno.EINVAL, BOTH | stray)
    assert error.support is not None
    assert not error.support.mask & stray
    assert "is not among its flags" in error.meaning


@pytest.mark.parametrize("flags", [-1, 1 << 64, True, 1.0, None])
def test_what_is_not_a_mask_is_refused(machine: VmBackend, flags: Any) -> None:
    """By the guard of the whole library."""
    with pytest.raises(InvalidMaskError):
        machine.create_guest_memfd(PAGE, flags)


def test_a_refusal_makes_no_file(machine: VmBackend) -> None:
    """The error has the whole answer."""
    refusal = resolve(query(machine), 1 << 40)
    with pytest.raises(NegotiationError) as caught:
        machine.create_guest_memfd(PAGE, refusal)
    assert caught.value.resolution is refusal


def test_a_closed_vm_makes_no_file(machine: VmBackend) -> None:
    """EBADF, for creations and for questions."""
    cast("FakeVm | Vm", machine).close()
    error = failure(machine, PAGE, BOTH)
    assert error.errno == errno.EBADF
    assert error.meaning.startswith("the VM's descriptor is closed")
    with pytest.raises(CapabilityQueryError) as caught:
        query(machine)
    assert (caught.value.errno, caught.value.origin) == (errno.EBADF, machine.origin)
    cast("FakeVm | Vm", machine).close()


def test_both_are_vms(machine: VmBackend) -> None:
    """VM scope, and a type that is known."""
    assert machine.scope is Scope.VM
    assert machine.host.vm_type == 0


def test_the_fake_counts_its_files() -> None:
    """What was created, with size and mask; what failed is not there, and nobody was asked."""
    vm = FakeVm.narrow(BOTH)
    os.close(vm.create_guest_memfd(PAGE, 3))
    os.close(vm.create_guest_memfd(2 * PAGE, F.MMAP))
    assert vm.created == [(PAGE, 3), (2 * PAGE, 1)]
    assert vm.asked == []
    failure(vm, PAGE, 4)
    assert len(vm.created) == 2
    assert vm.asked == [231, 233, 234, 235, 244]


def test_the_fake_can_be_made_to_fail() -> None:
    """So that what follows a failure is tested as well."""
    vm = FakeVm.narrow(BOTH)
    vm.failure = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    error = failure(vm, PAGE, 3)
    assert error.errno == errno.EMFILE
    assert "RLIMIT_NOFILE" in error.meaning
    vm.failure = None
    os.close(vm.create_guest_memfd(PAGE, 3))


def test_the_fake_that_cannot_be_asked_makes_no_file() -> None:
    """A VM after a fork answers EIO to everything."""
    dead = OSError(errno.EIO, os.strerror(errno.EIO))
    answers: dict[str, int | OSError] = {"GUEST_MEMFD": 1, "GUEST_MEMFD_FLAGS": dead}
    error = failure(FakeVm(answers), PAGE, 0)
    assert error.errno == errno.EIO
    assert "another process than the VM's creator" in error.meaning


def test_the_fake_with_a_senseless_list_refuses() -> None:
    """And the error says that the list is senseless."""
    error = failure(FakeVm({234: 1, 244: 0xFFFF_FFEA}), PAGE, 0)
    assert error.errno == errno.EINVAL
    assert "does not say what it lists" in error.meaning


@pytest.mark.parametrize("answers", [{}, {244: 3}, {234: 0, 244: 3}])
def test_the_fake_without_guest_memfd_makes_no_file(answers: dict[int, int]) -> None:
    """Not even without flags."""
    error = failure(FakeVm(dict(answers)), PAGE, 0)
    assert error.meaning.startswith("this VM has no guest_memfd at all")


def excluding(stage: Stage, where: Hosts) -> FakeVm:
    """A VM of type 1 in a tree in which A excludes B."""
    rule = Excludes(1, 2, why="A test.", source="this test", stage=stage, hosts=where)
    tree = evolve(catalog_of({"A": 1, "B": 2}), rules=[rule])
    host = HostFacts(machine="x86_64", vm_type=1)
    return FakeVm.narrow(3, host=host, catalog=tree)


@pytest.mark.parametrize("where", [Hosts(), Hosts(machines=["amd64"], vm_types=[1])])
def test_the_fake_plays_the_rules_of_creation(where: Hosts) -> None:
    """Those that apply to it, by its facts."""
    vm = excluding(Stage.CREATE, where)
    assert failure(vm, PAGE, 3).errno == errno.EINVAL
    for mask in (0, 1, 2):
        os.close(vm.create_guest_memfd(PAGE, mask))


@pytest.mark.parametrize(
    ("stage", "where"),
    [
        (Stage.BIND, Hosts()),
        (Stage.ACCESS, Hosts()),
        (Stage.CREATE, Hosts(vm_types=[0])),
        (Stage.CREATE, Hosts(machines=["aarch64"])),
    ],
    ids=["bind", "access", "another type", "another machine"],
)
def test_the_fake_plays_no_other_rules(stage: Stage, where: Hosts) -> None:
    """Its files can always be mapped."""
    fd = excluding(stage, where).create_guest_memfd(PAGE, 3)
    with mmap.mmap(fd, PAGE) as memory:
        os.close(fd)
        memory[0] = 1


@pytest.mark.parametrize("shape", ["narrow", "wide", "split"])
def test_every_shape_makes_a_fake_vm(shape: str) -> None:
    """With host, origin and scope as for the backend."""
    host = HostFacts(machine="aarch64", vm_type=0)
    if shape == "split":
        vm = FakeVm.split(3, flags_hi=300, host=host, origin="mine")
    else:
        vm = getattr(FakeVm, shape)(3, host=host, origin="mine")
    assert type(vm) is FakeVm
    assert (vm.host, vm.origin, vm.scope) == (host, "mine", Scope.VM)
    os.close(vm.create_guest_memfd(PAGE, 3))


def test_a_fake_vm_is_not_dev_kvm() -> None:
    """At system scope nothing can be created."""
    with pytest.raises(ValueError, match="a FakeVm has VM scope"):
        FakeVm({}, scope=Scope.SYSTEM)


def test_answers_go_by_name_too() -> None:
    """With the kernel's prefix or without, as text or as a Capability."""
    names: dict[int | str, int | OSError] = {Capability.GUEST_MEMFD: 1, 231: 1, "VM_TYPES": 2}
    names["KVM_CAP_GUEST_MEMFD_FLAGS"] = 3
    assert FakeBackend(names).answers == {234: 1, 231: 1, 235: 2, 244: 3}


@pytest.mark.parametrize("key", [None, True, 1.0, "GUEST_MEMFD_FLAGS_HI", "NO_SUCH"])
def test_answers_go_by_nothing_else(key: Any) -> None:
    """What would never be asked for is an error, and not 0."""
    with pytest.raises(TypeError, match="answers go by number or by a name that linux-mainline"):
        FakeBackend({key: 1})


def test_a_system_has_no_type() -> None:
    """/dev/kvm answers for no VM type in particular."""
    with pytest.raises(ValueError, match="system scope has no VM type"):
        FakeBackend({}, scope=Scope.SYSTEM, host=HostFacts(vm_type=0))
    system = FakeBackend.narrow(3, scope=Scope.SYSTEM)
    assert (system.scope, system.host.vm_type) == (Scope.SYSTEM, None)


@pytest.mark.parametrize("name", hosts)
def test_a_known_host_can_be_asked(name: str) -> None:
    """Its /dev/kvm and each of its VMs, with the facts that its name tells."""
    host = hosts[name]
    assert host.name == name
    system = query(host.system)
    assert (system.scope, system.host.machine) == (Scope.SYSTEM, host.machine)
    assert name.endswith((host.machine, f"{host.machine}-confidential"))
    for vm_type in host.on_vm:
        support = query(host.vm(vm_type))
        assert (support.scope, support.host.vm_type) == (Scope.VM, vm_type)
        assert support.host.kernel == host.kernel
        assert not support.mask & ~system.mask
        assert support.answers.keys() <= MAINLINE.capabilities.keys()
        assert name in support.origin
        assert host.how in support.origin


@pytest.mark.parametrize("name", hosts)
def test_a_known_host_makes_files(name: str) -> None:
    """If it grants the profile, its VM takes it."""
    for vm_type in hosts[name].on_vm:
        vm = hosts[name].vm(vm_type)
        answer = resolve(query(vm), SHARED)
        if answer.ok:
            os.close(vm.create_guest_memfd(PAGE, answer))
            assert vm.created == [(PAGE, answer.mask)]
        else:
            failure(vm, PAGE, BOTH | 1 << 40)


def test_hosts_of_which_something_is_known() -> None:
    """Which of them grants fully-shared is settled."""
    granted = [name for name in hosts if resolve(query(hosts[name].vm()), SHARED).ok]
    assert granted == [
        "linux-6.18-x86_64",
        "linux-6.18-x86_64-confidential",
        "linux-7.3-x86_64",
        "linux-7.3-aarch64",
        "firecracker-secret-free-x86_64",
    ]


def test_a_type_that_a_host_does_not_have() -> None:
    """The same error as the real one's, with the types that it has."""
    with pytest.raises(KvmUnavailableError) as caught:
        hosts["linux-6.8-x86_64"].vm(5)
    assert (caught.value.reason, caught.value.errno) == (Unavailable.NO_VM, errno.EINVAL)
    assert caught.value.remedy.endswith("which are 0, 1")


def test_known_hosts_cannot_be_changed() -> None:
    """They are shared by all tests of a user; what is made of them is the user's own."""
    host = hosts["linux-6.18-x86_64"]
    for table in (hosts, host.on_system, host.on_vm, host.on_vm[0]):
        with pytest.raises(TypeError, match="does not support item assignment"):
            cast("dict[object, object]", table)[0] = 0
    with pytest.raises(FrozenInstanceError):
        cast("Any", host).name = "mine"
    host.vm().answers[244] = 0
    assert query(host.vm()).mask == BOTH


def test_a_user_describes_a_host_of_their_own() -> None:
    """With the same class."""
    mine = KnownHost(
        name="mine",
        recorded=True,
        source="my laboratory",
        kernel="7.3.0",
        machine="aarch64",
        on_system={231: 1, 234: 1, 244: 3},
        on_vm={0: {231: 1, 234: 1, 244: 3}},
    )
    assert resolve(query(mine.vm()), SHARED).ok
    assert mine.vm().origin == "VM of type 0 of mine (recorded)"


def test_a_file_that_cannot_have_its_size_is_closed() -> None:
    """The limit on file sizes makes the fake fail as ftruncate does, and no descriptor is left."""
    vm = FakeVm.narrow(BOTH)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = sorted(Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        error = failure(vm, PAGE, BOTH)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.errno == errno.EFBIG
    assert sorted(Path("/proc/self/fd").iterdir()) == before
    assert vm.created == []
