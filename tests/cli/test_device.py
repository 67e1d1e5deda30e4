"""`show` and `check` on a device: the scripted kernel, and the real /dev/kvm where there is one."""

import errno
import json
import os
from collections.abc import Mapping
from contextlib import nullcontext

import pytest

from gmemflags import records
from gmemflags._cli._machine import Machine, of_this_node
from gmemflags._cli._show import ask_vms
from gmemflags import MAINLINE, Scope
from gmemflags import query
from gmemflags.linux import Kvm, Vm
from gmemflags.testing import FakeBackend
from tests.cli.runs import Run, run
from tests.standin.kernel import (
    KVM_CHECK_EXTENSION,
    KVM_CREATE_VM,
    KVM_GET_API_VERSION,
    Answer,
    Call,
    Errno,
    NewFd,
    Standin,
)

Table = Mapping[int, int | Errno]


class Kernel:
    """A script of a whole /dev/kvm: its own answers, and those of a VM of each type."""

    def __init__(self, system: Table, vms: Mapping[int, Table | Errno]) -> None:
        """Keep the tables."""
        self.system = system
        self.vms = vms
        self.device: int | None = None
        self.latest: Table = {}

    def __call__(self, call: Call) -> Answer:
        """Answer one ioctl."""
        if call.request == KVM_GET_API_VERSION:
            self.device = call.fd
            return 12
        if call.request == KVM_CREATE_VM:
            vm = self.vms.get(call.argument, Errno(errno.EINVAL))
            if isinstance(vm, Errno):
                return vm
            self.latest = vm
            return NewFd()
        assert call.request == KVM_CHECK_EXTENSION
        table = self.system if call.fd == self.device else self.latest
        return table.get(call.argument, 0)


def play(kernel: Kernel, *argv: str) -> Run:
    """Run a command on /dev/null, for which the scripted kernel answers."""
    return Standin(kernel).run(lambda: run(*argv, "--device", os.devnull))


DEFAULT = {231: 1, 234: 1, 235: 1, 244: 3}


@pytest.mark.usefixtures("standin")
def test_one_vm_of_each_type_is_asked() -> None:
    """The real edge, on a host with types 0 and 4."""
    both = {**DEFAULT, 235: 0b1_0001}
    answer = play(Kernel(both, {0: both, 4: {**both, 244: 1}}), "show", "--json")
    assert (answer.status, answer.err) == (0, "")
    found = [json.loads(line)["origin"] for line in answer.out.splitlines()]
    node = os.uname().nodename
    asked = ["/dev/null", "VM of type 0 on /dev/null", "VM of type 4 on /dev/null"]
    assert found == [f"{what} of {node}" for what in asked]


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize("listed", [0, 1])
def test_a_host_that_lists_no_types_has_the_default_one(listed: int) -> None:
    """0 from KVM_CAP_VM_TYPES means that it was never asked that question."""
    kernel = Kernel({**DEFAULT, 235: listed}, {0: {**DEFAULT, 235: listed}})
    answer = play(kernel, "show")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.count("VM scope: ") == 1


@pytest.mark.usefixtures("standin")
def test_a_vm_that_cannot_be_made_leaves_the_others() -> None:
    """What could be had is shown, what could not is told, and the status is 3."""
    both = {**DEFAULT, 235: 0b10_0001}
    answer = play(Kernel(both, {0: both, 5: Errno(errno.EIO)}), "show")
    assert answer.status == 3
    assert "VM scope: a VM of type 0" in answer.out
    assert answer.err == (
        "gmemflags: error: VM of type 5 on /dev/null: Input/output error (errno 5, failed)\n"
        "gmemflags: to do: the cause lies outside KVM: see the errno\n"
    )


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (-22 & 0xFFFF_FFFF, "0xffffffea (-EINVAL) is not an answer"),
        (Errno(errno.EACCES), "did not answer KVM_CHECK_EXTENSION(244): Permission denied"),
    ],
)
def test_an_error_in_the_place_of_flags_is_no_answer(answer: int | Errno, what: str) -> None:
    """At system scope it ends the command, at VM scope it leaves the rest."""
    bad = {**DEFAULT, 244: answer}
    for kernel, sections in ((Kernel(bad, {0: DEFAULT}), 0), (Kernel(DEFAULT, {0: bad}), 1)):
        told = play(kernel, "show")
        assert told.status == 3
        assert told.out.count("scope: ") == sections
        assert what in told.err.splitlines()[0]
        assert told.err.count("\n") == 2


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize(
    ("argv", "status", "asked"),
    [
        (["MMAP"], 0, 1),
        (["INIT_SHARED"], 1, 1),
        (["INIT_SHARED", "--scope", "system"], 0, 0),
        (["MMAP", "--vm-type", "4"], 3, 0),
    ],
)
def test_check_asks_one_descriptor(argv: list[str], status: int, asked: int) -> None:
    """A VM by default, and /dev/kvm alone only if that was wanted."""
    standin = Standin(Kernel(DEFAULT, {0: {**DEFAULT, 244: 1}}))
    answer = standin.run(lambda: run("check", *argv, "--device", os.devnull))
    assert answer.status == status
    assert sum(call.request == KVM_CREATE_VM for call in standin.calls) == max(asked, status == 3)


@pytest.mark.usefixtures("standin")
def test_no_vm_is_made_if_none_is_wanted() -> None:
    """--no-create-vm makes none, and 245 and up are never asked for."""
    standin = Standin(Kernel(DEFAULT, {}))
    answer = standin.run(lambda: run("show", "--no-create-vm", "--device", os.devnull))
    assert (answer.status, answer.err) == (0, "")
    assert standin.asked() == [231, 233, 234, 235, 244]
    assert all(call.request != KVM_CREATE_VM for call in standin.calls)


def test_a_vm_that_gives_no_answer_leaves_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    """The same without any kernel: fakes, of which one fails."""
    system = FakeBackend(DEFAULT, scope=Scope.SYSTEM)
    broken = FakeBackend({244: OSError(errno.EIO, "Input/output error")}, origin="a broken VM")
    machine = Machine(title={}, system=system, vm=lambda _: nullcontext(broken))
    assert ask_vms(machine, MAINLINE, [1]) == []
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("gmemflags: error: a broken VM did not answer KVM_CHECK_EXTENSION(244)")


def test_the_real_host_is_shown(kvm: Kvm, vm: Vm) -> None:
    """What the library reads from the same /dev/kvm, at both scopes, and the host's name."""
    answer = run("show", "--json")
    assert answer.status in (0, 3)
    told = [records.loads(line) for line in answer.out.splitlines()]
    assert told[0] == of_this_node(query(kvm))
    assert told[1] == of_this_node(query(vm))


def test_the_real_host_is_drawn(kvm: Kvm) -> None:
    """The text fits on the screen and names the device."""
    answer = run("show")
    assert answer.status in (0, 3)
    assert answer.out.startswith(f"host    /dev/kvm on Linux {kvm.host.kernel}, ")
    assert max(map(len, answer.out.splitlines())) <= 80


def test_the_real_host_is_checked(vm: Vm) -> None:
    """Each of the named flags is a yes exactly if the VM lists it."""
    mask = query(vm).mask
    for flag in MAINLINE.flags:
        answer = run("check", flag.name or "", "--until", "create")
        assert answer.status == (0 if flag & mask else 1)
        assert "VM of type 0 on /dev/kvm" in answer.out


def test_a_type_that_the_real_host_has_not_is_no_answer(kvm: Kvm) -> None:
    """KVM itself refuses the VM."""
    unknown = query(kvm).answer("VM_TYPES") or 1
    answer = run("check", "0", "--vm-type", str(unknown.bit_length() + 20))
    assert (answer.status, answer.out) == (3, "")
    assert "(errno 22, no-vm)" in answer.err
