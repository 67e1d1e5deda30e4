"""What the library reads from the real kernel is what the kernel says to bare ioctls."""

import fcntl
import os

import pytest

from gmemflags import BitState, GuestMemfdFlag, KvmUnavailableError, Scope, Unavailable, query
from gmemflags.linux import Kvm, Vm
from tests.kernel import _bare


def test_dev_kvm_says_what_a_bare_ioctl_gets(kvm: Kvm) -> None:
    """Every answer at system scope."""
    support = query(kvm)
    assert support.answers == _bare.answers(kvm.fileno())
    assert (support.scope, support.origin) == (Scope.SYSTEM, "/dev/kvm")


def test_a_vm_says_what_a_bare_ioctl_gets(vm: Vm) -> None:
    """Every answer at VM scope."""
    support = query(vm)
    assert support.answers == _bare.answers(vm.fileno())
    assert (support.scope, support.origin) == (Scope.VM, "VM of type 0 on /dev/kvm")


@pytest.mark.parametrize("scope", ["kvm", "vm"])
def test_the_mask_is_the_bare_answer(scope: str, request: pytest.FixtureRequest) -> None:
    """Flag by flag, MMAP and INIT_SHARED included where the kernel lists them."""
    backend: Kvm | Vm = request.getfixturevalue(scope)
    bare = _bare.check(backend.fileno(), 244)
    support = query(backend)
    assert support.mask == bare
    for flag in GuestMemfdFlag:
        listed = BitState.SUPPORTED if bare & flag.value else BitState.UNSUPPORTED
        assert support.state(flag) is listed


@pytest.mark.parametrize("scope", ["kvm", "vm"])
def test_guest_memfd_is_the_bare_answer(scope: str, request: pytest.FixtureRequest) -> None:
    """There or not, for this scope."""
    backend: Kvm | Vm = request.getfixturevalue(scope)
    assert query(backend).guest_memfd is (_bare.check(backend.fileno(), 234) != 0)


def test_every_listed_type_can_be_made_and_asked(kvm: Kvm) -> None:
    """A VM of each type that VM_TYPES lists says no more than /dev/kvm does."""
    upper = query(kvm).mask
    for vm_type in _bare.types(kvm.fileno()):
        with kvm.create_vm(vm_type) as vm:
            support = query(vm)
            assert support.answers == _bare.answers(vm.fileno())
            assert support.host.vm_type == vm_type
            assert support.mask & ~upper == 0


def test_an_unlisted_type_is_refused_as_such(kvm: Kvm) -> None:
    """With the reason that another type may do."""
    if kvm.host.machine != "x86_64":
        pytest.skip("only x86-64 refuses a VM type that it does not list")
    with pytest.raises(KvmUnavailableError) as caught:
        kvm.create_vm(1 << 20)
    assert caught.value.reason is Unavailable.NO_VM


def test_the_obvious_code_agrees_on_a_vm_of_its_own(kvm: Kvm) -> None:
    """A VM made by fcntl and taken from its descriptor reads like one made here."""
    fd = fcntl.ioctl(kvm.fileno(), 0xAE01, 0)
    try:
        with kvm.create_vm() as vm:
            assert query(Vm.from_fd(fd)).answers == query(vm).answers
    finally:
        os.close(fd)
