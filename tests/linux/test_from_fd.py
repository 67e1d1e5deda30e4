"""Taking a descriptor that somebody else opened: what it is is checked, not believed."""

import errno
import os
from collections.abc import Callable
from typing import Any

import pytest

from gmemflags import KvmUnavailableError, Scope, Unavailable, query
from gmemflags.linux import Kvm, Vm
from gmemflags.linux._ioctl import IOCTL

FORKED = """
import os, sys
from gmemflags import CapabilityQueryError, query
from gmemflags.linux import Kvm, Vm
with Kvm.open() as kvm, kvm.create_vm() as vm:
    mask = query(vm).mask
    child = os.fork()
    if not child:
        for ask in (query, lambda vm: Vm.from_fd(vm.fileno())):
            try:
                ask(vm)
            except CapabilityQueryError as error:
                print(error.errno, error)
        print(query(kvm).mask == query(Kvm.from_fd(kvm.fileno())).mask)
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
    print(query(vm).mask == mask)
"""

takes = pytest.mark.parametrize("take", [Kvm.from_fd, Vm.from_fd], ids=["Kvm", "Vm"])
Take = Callable[[int], Kvm | Vm]


def refusal(take: Take, fd: int) -> KvmUnavailableError:
    """Take what is not wanted."""
    with pytest.raises(KvmUnavailableError) as caught:
        take(fd)
    return caught.value


@takes
@pytest.mark.parametrize(
    ("fd", "shown"),
    [
        (True, "True"),
        (False, "False"),
        (-1, "-1"),
        (2**31, "2147483648"),
        (2**64, "18446744073709551616"),
        (3.0, "3.0"),
        ("3", "'3'"),
        (None, "None"),
    ],
)
def test_what_is_no_descriptor_is_never_asked(take: Take, fd: int, shown: str) -> None:
    """True is standard output's neighbour, and 2**64 + 3 would be cut to 3 by a C int."""
    error = refusal(take, fd)
    assert error.errno == errno.EBADF
    assert str(error).startswith(f"{shown} as a descriptor: ")


@takes
def test_a_closed_descriptor_is_said_to_be_closed(take: Take, closed: int) -> None:
    """Not that it is something else than KVM."""
    error = refusal(take, closed)
    assert error.errno == errno.EBADF
    assert f"descriptor {closed}" in str(error)
    assert "closed" in str(error)


@takes
def test_dev_null_is_not_kvm(take: Take, null: int) -> None:
    """The error names the kind that was wanted and the descriptor."""
    error = refusal(take, null)
    assert (error.reason, error.errno) == (Unavailable.NOT_KVM, errno.ENOTTY)
    kind = "KVM" if take == Kvm.from_fd else "VM"
    assert str(error).startswith(f"{kind} descriptor {null}: ")


@takes
def test_a_pipe_is_not_kvm(take: Take) -> None:
    """Nor is anything else that can be open."""
    reader, writer = os.pipe()
    try:
        assert refusal(take, reader).reason is Unavailable.NOT_KVM
    finally:
        os.close(reader)
        os.close(writer)


def test_a_vm_that_is_dev_kvm_is_refused_by_name(kvm: Kvm) -> None:
    """It would say what the host could offer at most."""
    error = refusal(Vm.from_fd, kvm.fileno())
    assert error.reason is Unavailable.NOT_KVM
    assert str(error).startswith(f"VM descriptor {kvm.fileno()}: this is /dev/kvm itself")


def test_dev_kvm_that_is_a_vm_is_refused(vm: Vm) -> None:
    """A VM does not know the API version."""
    assert refusal(Kvm.from_fd, vm.fileno()).reason is Unavailable.NOT_KVM


def test_a_vcpu_is_no_vm(vm: Vm) -> None:
    """It takes KVM's requests too, and answers EINVAL to those of a VM."""
    vcpu = IOCTL(vm.fileno(), 0xAE41, 0)  # KVM_CREATE_VCPU
    try:
        assert refusal(Vm.from_fd, vcpu).reason is Unavailable.NOT_KVM
        assert refusal(Kvm.from_fd, vcpu).reason is Unavailable.NOT_KVM
    finally:
        os.close(vcpu)


def test_a_good_vm_is_taken_with_its_type(vm: Vm) -> None:
    """The type is the caller's word: no ioctl tells it."""
    taken = Vm.from_fd(vm.fileno(), vm_type=1)
    # On arm64, the low byte of the number is the address size.
    vm_type = 0 if os.uname().machine == "aarch64" else 1
    assert (taken.scope, taken.host.vm_type) == (Scope.VM, vm_type)
    assert taken.origin == f"VM descriptor {vm.fileno()}"
    assert query(taken).answers == query(vm).answers


def test_a_vms_type_is_unknown_unless_told(vm: Vm) -> None:
    """None is not type 0."""
    assert Vm.from_fd(vm.fileno()).host.vm_type is None


def test_a_good_kvm_is_taken(kvm: Kvm) -> None:
    """Kernel and machine are those of this host."""
    taken = Kvm.from_fd(kvm.fileno())
    assert (taken.scope, taken.origin) == (Scope.SYSTEM, f"KVM descriptor {kvm.fileno()}")
    assert (taken.host.kernel, taken.host.machine) == (os.uname().release, os.uname().machine)
    assert query(taken).answers == query(kvm).answers


def test_a_vm_after_fork_says_what_eio_means(kvm: Kvm, python: Callable[..., list[str]]) -> None:
    """A VM answers its creator's process only; /dev/kvm answers any."""
    asked, taken, device, parent = python(FORKED)
    for line in (asked, taken):
        assert line.startswith(f"{errno.EIO} VM ")
        assert "another process than the VM's creator" in line
        assert "fork" in line
    assert (device, parent) == ("True", "True")


@pytest.mark.parametrize("number", [-1, 1 << 31, (1 << 64) + 244, True, "x", None])
def test_only_numbers_of_capabilities_are_asked(number: Any, vm: Vm) -> None:
    """Cut to the width of the call, another one would be asked."""
    with pytest.raises(ValueError, match="is not the number of a capability"):
        vm.check_extension(number)
