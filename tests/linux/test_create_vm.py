"""Making VMs: types, the address size of arm64, and what a refusal means."""

import errno
import os
from enum import IntEnum

import pytest

from gmemflags import CapabilityQueryError, HostFacts, KvmUnavailableError, Scope, Unavailable
from gmemflags.linux import Kvm, Vm
from tests.standin.kernel import (
    KVM_CHECK_EXTENSION,
    KVM_CREATE_VM,
    Answer,
    Call,
    Errno,
    NewFd,
    Script,
    Standin,
)

ARM64 = ["aarch64", "aarch64_be", "armv8l", "armv8b"]
KVM_CAP_ARM_VM_IPA_SIZE = 165
KVM_CAP_VM_TYPES = 235


def device(fd: int, machine: str | None = "x86_64") -> Kvm:
    """A /dev/kvm of some machine, to be asked on a scripted kernel."""
    return Kvm(fd, "a device", HostFacts(kernel="7.0.0", machine=machine), owned=False)


def host(ipa_size: int = 0, types: int = 0) -> Script:
    """A host with these answers to ARM_VM_IPA_SIZE and VM_TYPES, which makes any VM."""

    def script(call: Call) -> Answer:
        if call.request == KVM_CHECK_EXTENSION:
            return {KVM_CAP_ARM_VM_IPA_SIZE: ipa_size, KVM_CAP_VM_TYPES: types}[call.argument]
        return NewFd()

    return script


def argument_for(fd: int, machine: str | None, answer: int, vm_type: int = 0) -> tuple[int, ...]:
    """The capabilities that were asked, and then the argument of KVM_CREATE_VM."""
    standin = Standin(host(answer))
    standin.run(lambda: device(fd, machine).create_vm(vm_type).close())
    assert standin.calls[-1].request == KVM_CREATE_VM
    return *standin.asked(), standin.calls[-1].argument


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize("machine", ARM64)
@pytest.mark.parametrize("size", [32, 36, 39])
def test_arm64_with_few_address_bits_is_told_so(machine: str, size: int, null: int) -> None:
    """0 would mean 40 bits, which is EINVAL there (Documentation/virt/kvm/api.rst 4.2)."""
    assert argument_for(null, machine, size) == (KVM_CAP_ARM_VM_IPA_SIZE, size)


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize("size", [0, 40, 48, 52, -(2**31), 0xFFFF_FFEA])
def test_arm64_with_enough_address_bits_gets_the_default(size: int, null: int) -> None:
    """Nor does an old kernel that answers 0, or one that answers nonsense, change the argument."""
    assert argument_for(null, "aarch64", size) == (KVM_CAP_ARM_VM_IPA_SIZE, 0)


@pytest.mark.usefixtures("standin")
def test_arm64_that_does_not_tell_its_address_bits_makes_no_vm(null: int) -> None:
    """A failed question is an error, not an answer of 0."""
    with pytest.raises(CapabilityQueryError) as caught:
        Standin(lambda _: Errno(errno.EIO)).run(lambda: device(null, "aarch64").create_vm())
    assert (caught.value.errno, caught.value.number) == (errno.EIO, KVM_CAP_ARM_VM_IPA_SIZE)


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize("machine", ["x86_64", "i686", "s390x", "ppc64le", "riscv64", None])
def test_other_machines_are_not_asked(machine: str | None, null: int) -> None:
    """165 means nothing there, and the argument is the type alone."""
    assert argument_for(null, machine, 36) == (0,)
    assert argument_for(null, machine, 36, vm_type=1) == (KVM_CAP_VM_TYPES, 1)


@pytest.mark.usefixtures("standin")
def test_type_and_address_size_share_the_argument(null: int) -> None:
    """On arm64 the size has bits 7 to 0, and a type has others."""
    asked = KVM_CAP_ARM_VM_IPA_SIZE, KVM_CAP_VM_TYPES
    assert argument_for(null, "aarch64", 36, vm_type=1 << 31) == (*asked, 1 << 31 | 36)


@pytest.mark.usefixtures("standin")
def test_a_new_vm_knows_where_it_is_from(null: int) -> None:
    """Its facts are the device's, with its type."""

    def make() -> Vm:
        return device(null).create_vm(5)

    vm = Standin(host(types=1 << 5)).run(make)
    with vm:
        assert (vm.scope, vm.origin) == (Scope.VM, "VM of type 5 on a device")
        assert vm.host == HostFacts(kernel="7.0.0", machine="x86_64", vm_type=5)
        assert not os.get_inheritable(vm.fileno())


@pytest.mark.parametrize(
    ("vm_type", "shown"), [(-1, "-1"), (1 << 32, "4294967296"), (True, "True"), ("0", "'0'")]
)
def test_what_is_no_type_is_never_tried(vm_type: int, shown: str, null: int) -> None:
    """The kernel would read 2**32 as a flag of the future."""
    with pytest.raises(KvmUnavailableError) as caught:
        device(null).create_vm(vm_type)
    assert (caught.value.reason, caught.value.errno) == (Unavailable.NO_VM, errno.EINVAL)
    assert str(caught.value).startswith(f"VM of type {shown} on a device: ")


class Type(IntEnum):
    """A VMM's own names of VM types."""

    CONFIDENTIAL = 4


@pytest.mark.usefixtures("standin")
def test_a_type_may_be_a_member_of_an_enum(null: int) -> None:
    """It is told and passed as the number that it is."""
    vm = Standin(host(types=1 << 4)).run(lambda: device(null).create_vm(Type.CONFIDENTIAL))
    with vm:
        assert vm.origin == "VM of type 4 on a device"
        assert type(vm.host.vm_type) is int


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EBADF, Unavailable.NOT_KVM),
        (errno.EINVAL, Unavailable.NO_VM),
        (errno.EMFILE, Unavailable.FAILED),
        (errno.ENOMEM, Unavailable.FAILED),
        (errno.EBUSY, Unavailable.FAILED),
    ],
)
def test_a_refused_vm_says_whose_fault_it_is(number: int, reason: Unavailable, null: int) -> None:
    """EINVAL is the type, everything else the host."""
    with pytest.raises(KvmUnavailableError) as caught:
        Standin(lambda _: Errno(number)).run(lambda: device(null).create_vm(3))
    assert (caught.value.reason, caught.value.errno) == (reason, number)
    assert str(caught.value).startswith("VM of type 3 on a device: ")


@pytest.mark.usefixtures("standin")
def test_an_interrupted_creation_is_made_again(null: int) -> None:
    """EINTR does not refuse anything."""
    answers: list[Answer] = [Errno(errno.EINTR), NewFd()]
    standin = Standin(lambda _: answers.pop(0))
    standin.run(lambda: device(null).create_vm().close())
    assert [call.request for call in standin.calls] == [KVM_CREATE_VM] * 2
