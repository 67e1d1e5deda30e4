"""The contract, kept by the fake, by the real kernel, and by the real edge on a scripted one."""

import errno
import os

import pytest

from gmemflags import Backend, HostFacts, Scope
from gmemflags.linux import Kvm, Vm
from gmemflags.testing import FakeBackend
from tests.backend_contract import BROKEN, CONTRACT, NUMBERS, Clause
from tests.standin.kernel import KVM_CHECK_EXTENSION, Answer, Call, Errno, Standin, extensions

ANSWERS = {231: 1, 233: 0, 234: 1, 235: 1, 244: 3}

contract = pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
broken = pytest.mark.parametrize("clause", BROKEN, ids=lambda clause: clause.__name__)


@contract
@pytest.mark.parametrize("scope", Scope)
def test_fake(clause: Clause, scope: Scope) -> None:
    """The fake for users' own tests keeps it in either scope."""
    host = HostFacts(vm_type=0 if scope is Scope.VM else None)
    clause(FakeBackend(ANSWERS, scope=scope, host=host))


@contract
def test_real_kvm(clause: Clause, kvm: Kvm) -> None:
    """/dev/kvm keeps it."""
    clause(kvm)


@contract
def test_real_vm(clause: Clause, vm: Vm) -> None:
    """A VM keeps it."""
    clause(vm)


@contract
def test_real_kvm_from_a_descriptor(clause: Clause, kvm: Kvm) -> None:
    """A descriptor of /dev/kvm that somebody else opened keeps it."""
    clause(Kvm.from_fd(kvm.fileno()))


@contract
def test_real_vm_from_a_descriptor(clause: Clause, vm: Vm) -> None:
    """A descriptor of a VM that somebody else made keeps it."""
    clause(Vm.from_fd(vm.fileno()))


@contract
@pytest.mark.usefixtures("standin")
def test_scripted_kvm(clause: Clause, null: int) -> None:
    """The real edge keeps it towards a scripted /dev/kvm."""
    Standin(extensions(ANSWERS, api_version=12)).run(lambda: clause(Kvm.from_fd(null)))


@contract
@pytest.mark.usefixtures("standin")
def test_scripted_vm(clause: Clause, null: int) -> None:
    """The real edge keeps it towards a scripted VM."""
    Standin(extensions(ANSWERS)).run(lambda: clause(Vm.from_fd(null)))


@broken
def test_broken_fake(clause: Clause) -> None:
    """A table full of errors raises them."""
    failure = OSError(errno.EIO, os.strerror(errno.EIO))
    clause(FakeBackend(dict.fromkeys(NUMBERS, failure)))


@broken
@pytest.mark.parametrize("kind", ["kvm", "vm"])
def test_closed_descriptor(clause: Clause, kind: str, request: pytest.FixtureRequest) -> None:
    """A real descriptor that was closed since raises EBADF."""
    backend: Backend = request.getfixturevalue(kind)
    assert isinstance(backend, Kvm | Vm)
    backend.close()
    clause(backend)


@broken
@pytest.mark.usefixtures("standin")
def test_broken_scripted_vm(clause: Clause, null: int) -> None:
    """A VM that dies once it was taken raises EIO."""
    dead = False

    def script(call: Call) -> Answer:
        return Errno(errno.EIO) if dead else extensions(ANSWERS)(call)

    def take_and_die() -> None:
        nonlocal dead
        vm = Vm.from_fd(null)
        dead = True
        clause(vm)

    standin = Standin(script, shared=True)
    standin.run(take_and_die)
    assert standin.calls[-1].request == KVM_CHECK_EXTENSION
