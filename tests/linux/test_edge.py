"""The calls at their limits: lost errnos, signal handlers, results that are no descriptors."""

import ctypes
import errno
import fcntl
import os
import pickle
import sys
import termios
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TypeVar

import pytest

from gmemflags import (
    CapabilityQueryError,
    GmemFlagsError,
    GuestMemfdCreateError,
    HostFacts,
    KvmUnavailableError,
    Unavailable,
    query,
)
from gmemflags.linux import Kvm, Vm
from gmemflags.linux._ioctl import CREATE_FILE, IOCTL, bind, bind_creation
from tests.conftest import run_python
from tests.probing import PAGE, HiddenKernel, obeying
from tests.standin.kernel import (
    KVM_CHECK_EXTENSION,
    KVM_CREATE_GUEST_MEMFD,
    KVM_GET_API_VERSION,
    Answer,
    Call,
    Errno,
    NewFd,
    Script,
    Standin,
    extensions,
)

T = TypeVar("T")
LIBC = bind("unknown", 64)
LIBC_CREATION = bind_creation("unknown", 64)

scripted = pytest.mark.usefixtures("standin")
ways = pytest.mark.parametrize(
    "ioctl", [IOCTL, LIBC, CREATE_FILE, LIBC_CREATION], ids=["raw", "libc", "raw-file", "libc-file"]
)


def count() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def no_leak() -> Generator[None]:
    """Check that as many descriptors are open afterwards as before."""
    before = count()
    yield
    assert count() == before


@ways
def test_the_callers_errno_stays_as_it_was(
    ioctl: Callable[[int, int, int], int], closed: int
) -> None:
    """Whoever uses ctypes beside this library reads the number of their own call."""
    ctypes.set_errno(77)
    with pytest.raises(OSError, match="Bad file descriptor"):
        ioctl(closed, termios.FIOCLEX, 0)
    assert ctypes.get_errno() == 77
    ctypes.set_errno(0)


@pytest.mark.parametrize("ioctl", [IOCTL, LIBC], ids=["raw", "libc"])
def test_an_answer_leaves_the_callers_errno_too(ioctl: Callable[[int, int, int], int]) -> None:
    """Success touches it no more than failure."""
    with Path(os.devnull).open("rb") as file:
        ctypes.set_errno(77)
        assert ioctl(file.fileno(), termios.FIOCLEX, 0) == 0
        assert ctypes.get_errno() == 77
    ctypes.set_errno(0)


def losing(times: int, function: Callable[[], T]) -> T:
    """Call ``function`` while a hook resets ctypes' errno before it is read, so many times.

    It runs where a signal handler can: between the call and the reading of its errno.
    """
    left = 2 * times  # each call sets errno before and after

    def hook(_: FrameType, event: str, called: object) -> None:
        nonlocal left
        if event == "c_call" and called is ctypes.set_errno and left:
            left -= 1
            ctypes.set_errno(0)

    sys.setprofile(hook)
    try:
        return function()
    finally:
        sys.setprofile(None)


all_ways = pytest.mark.parametrize(
    ("ioctl", "request_"),
    [
        (IOCTL, KVM_CHECK_EXTENSION),
        (LIBC, KVM_CHECK_EXTENSION),
        (CREATE_FILE, KVM_CREATE_GUEST_MEMFD),
        (LIBC_CREATION, KVM_CREATE_GUEST_MEMFD),
    ],
    ids=["raw", "libc", "raw-file", "libc-file"],
)


@scripted
@all_ways
def test_a_minus_1_without_errno_is_made_again_three_times(
    ioctl: Callable[[int, int, int], int], request_: int, null: int
) -> None:
    """It created nothing; after four calls the error says that the number was lost."""
    standin = Standin(lambda _: Errno(errno.EMFILE))
    with pytest.raises(OSError, match="error number was lost") as caught:
        standin.run(lambda: losing(9, lambda: ioctl(null, request_, 0)))
    assert caught.value.errno == 0
    assert len(standin.calls) == 4


@scripted
@all_ways
def test_a_repetition_may_find_the_number(
    ioctl: Callable[[int, int, int], int], request_: int, null: int
) -> None:
    """Lost three times, and read the fourth time."""
    standin = Standin(lambda _: Errno(errno.EMFILE))
    with pytest.raises(OSError, match=f"Errno {errno.EMFILE}"):
        standin.run(lambda: losing(3, lambda: ioctl(null, request_, 0)))
    assert len(standin.calls) == 4


@scripted
def test_lost_numbers_end_in_the_librarys_errors(null: int) -> None:
    """Each names what was tried, and none makes up an errno."""
    vm = Vm(null, "a VM", HostFacts(), owned=False)
    kvm = Kvm(null, "a device", HostFacts(machine="x86_64"), owned=False)
    tries: list[Callable[[], object]] = [
        lambda: vm.check_extension(244),
        lambda: vm.create_guest_memfd(PAGE, 3),
        kvm.create_vm,
        lambda: Kvm.from_fd(null),
        lambda: Vm.from_fd(null),
    ]
    for attempt in tries:
        standin = Standin(lambda _: Errno(errno.EMFILE))
        with no_leak(), pytest.raises(GmemFlagsError, match="error number was lost") as caught:
            standin.run(partial(losing, 9, attempt))
        assert isinstance(caught.value, OSError)
        assert caught.value.errno == 0


@scripted
@pytest.mark.parametrize("number", [errno.EPERM, 4095])
def test_a_minus_1_with_errno_is_never_made_again(number: int, null: int) -> None:
    """The long -1 is EPERM, and no other number is anything but itself."""
    standin = Standin(lambda _: -number)
    with pytest.raises(OSError, match=f"Errno {number}"):
        standin.run(lambda: IOCTL(null, KVM_CHECK_EXTENSION, 244))
    assert len(standin.calls) == 1


HANDLED = """
import ctypes, os, signal, sys
from gmemflags import CapabilityQueryError, GuestMemfdCreateError, KvmUnavailableError
from gmemflags import HostFacts
from gmemflags.linux import Kvm, Vm

libc = ctypes.CDLL(None, use_errno=True)
reset = sys.argv[1] == "reset"

def handler(*_):
    if reset:  # as another library may
        ctypes.set_errno(0)
    else:  # as this one does
        try:
            other.check_extension(244)
        except CapabilityQueryError:
            pass

other = Vm(1_000_000, "the handler's", HostFacts(), owned=False)
vm = Vm(1_000_001, "a VM", HostFacts(machine="x86_64"), owned=False)
kvm = Kvm(1_000_001, "a device", HostFacts(machine="x86_64"), owned=False)
calls = [
    (lambda: vm.check_extension(244), CapabilityQueryError),
    (lambda: vm.create_guest_memfd(os.sysconf("SC_PAGE_SIZE"), 3), GuestMemfdCreateError),
    (kvm.create_vm, KvmUnavailableError),
]
signal.signal(signal.SIGALRM, handler)
found = set()
for index in range(6_000):
    call, expected = calls[index % 3]
    signal.setitimer(signal.ITIMER_REAL, (1 + index % 40) / 1e6)
    try:
        print("an answer:", call())
    except expected as error:
        found.add(error.errno)
signal.setitimer(signal.ITIMER_REAL, 0)
print(*sorted(found))
"""


def test_a_handler_that_uses_this_library_changes_no_error(
    python: Callable[..., list[str]],
) -> None:
    """6,000 failing calls, each with a signal on its way: each fails, with its own number."""
    assert python(HANDLED, "library") == [f"{errno.EBADF}"]


def test_a_handler_that_resets_errno_never_makes_an_answer_of_an_error(
    python: Callable[..., list[str]],
) -> None:
    """At worst the number is lost, four times in a row: 0, and never a made-up EIO."""
    [line] = python(HANDLED, "reset")
    assert set(line.split()) <= {"0", f"{errno.EBADF}"}


class StopIt(Exception):  # noqa: N818  # what Ctrl-C is to a program
    """What the handler raises."""


@scripted
@pytest.mark.parametrize("request_", [KVM_CHECK_EXTENSION, KVM_CREATE_GUEST_MEMFD])
def test_endless_interruptions_end_with_the_handlers_exception(request_: int) -> None:
    """EINTR is made again until a signal handler raises, as Ctrl-C does; in a process of its own.

    The main thread runs signal handlers, and the scripted kernel answers another one; so the
    alarm comes to a child of that thread, whose main thread is filtered as well.
    """
    program = f"""
import os, signal, sys
from gmemflags import HostFacts
from gmemflags.linux import Vm
vm = Vm(0, "a VM", HostFacts(), owned=False)
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.2)
try:
    if {request_ == KVM_CHECK_EXTENSION}:
        vm.check_extension(244)
    else:
        vm.create_guest_memfd(os.sysconf("SC_PAGE_SIZE"), 3)
except KeyboardInterrupt:
    print("ended")
"""
    standin = Standin(lambda _: Errno(errno.EINTR), limit=10_000_000)
    assert standin.run(lambda: run_python(program)) == ["ended"]
    assert len(standin.calls) > 1


def on_device(script: Script, null: int, use: Callable[[Kvm], T]) -> T:
    """Use a device for which ``script`` answers; no descriptor stays behind."""

    def run() -> T:
        return use(Kvm(null, "a device", HostFacts(machine="x86_64"), owned=False))

    with no_leak():
        return Standin(script).run(run)


@scripted
@pytest.mark.parametrize(
    "result", [1_000_000, 1 << 31, (1 << 40) + 5, -5000, 0xFFFF_FFFF, "itself"]
)
def test_a_vm_that_is_not_a_new_descriptor_is_not_taken(result: int | str, null: int) -> None:
    """Not open, wider than a C int, negative, or the device's own: nothing is owned or closed."""
    number = null if isinstance(result, str) else result
    with pytest.raises(KvmUnavailableError) as caught:
        on_device(lambda _: number, null, lambda kvm: kvm.create_vm())
    error = caught.value
    assert error.reason is Unavailable.FAILED
    assert f"the call returned {number}, which is not a new descriptor" in str(error)
    assert os.fstat(null)


@scripted
@pytest.mark.parametrize("result", [1_000_000, 1 << 31, (1 << 40) + 5, -5000, "itself"])
def test_a_file_that_is_not_a_new_descriptor_is_not_taken(result: int | str, null: int) -> None:
    """The same for guest_memfd files; the sentence says it without a wrong meaning."""
    number = null if isinstance(result, str) else result

    def script(call: Call) -> Answer:
        return number if call.request == KVM_CREATE_GUEST_MEMFD else 1

    vm = Vm(null, "a VM", HostFacts(), owned=False)
    with no_leak(), pytest.raises(GuestMemfdCreateError) as caught:
        Standin(script).run(lambda: vm.create_guest_memfd(PAGE, 3))
    assert str(caught.value) == (
        f"guest_memfd of {PAGE} bytes with flags 0x3: the call returned {number}, which is not a"
        f" new descriptor (errno {errno.EBADF})"
    )
    assert os.fstat(null)


@scripted
@pytest.mark.parametrize("creation", [CREATE_FILE, LIBC_CREATION], ids=["raw", "libc"])
def test_a_new_file_is_close_on_exec(creation: Callable[[int, int, int], int], null: int) -> None:
    """By either way, though the scripted kernel makes it without."""
    struct = (ctypes.c_uint64 * 8)()
    made = Standin(lambda _: NewFd()).run(
        lambda: creation(null, KVM_CREATE_GUEST_MEMFD, ctypes.addressof(struct))
    )
    try:
        assert fcntl.fcntl(made, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    finally:
        os.close(made)


VM_ERRORS = {
    errno.EBUSY: (Unavailable.FAILED, "another hypervisor"),
    errno.EIO: (Unavailable.FAILED, "could not turn on the virtualization"),
    errno.ENOMEM: (Unavailable.FAILED, "no memory"),
    errno.EMFILE: (Unavailable.FAILED, "RLIMIT_NOFILE"),
    errno.ENFILE: (Unavailable.FAILED, "/proc/sys/fs/file-max"),
    errno.EPERM: (Unavailable.NO_PERMISSION, "seccomp"),
    errno.EACCES: (Unavailable.NO_PERMISSION, "seccomp"),
    errno.ENOSYS: (Unavailable.NO_PERMISSION, "seccomp"),
    errno.EBADF: (Unavailable.NOT_KVM, "keep it open"),
    errno.ENOTTY: (Unavailable.NOT_KVM, "the path of the KVM device"),
    errno.EINVAL: (Unavailable.NO_VM, "no VM of the default type"),
    errno.EOVERFLOW: (Unavailable.FAILED, "see the errno"),
}


@scripted
@pytest.mark.parametrize("number", VM_ERRORS, ids=errno.errorcode.get)
def test_an_errno_of_create_vm_is_explained(number: int, null: int) -> None:
    """For this very call, in one line; EIO, for one, does not speak of a fork."""
    with pytest.raises(KvmUnavailableError) as caught:
        on_device(lambda _: Errno(number), null, lambda kvm: kvm.create_vm())
    error, (reason, said) = caught.value, VM_ERRORS[number]
    assert (error.errno, error.reason) == (number, reason)
    assert said in error.remedy
    assert "fork" not in f"{error} {error.remedy}"
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    assert (str(copy), vars(copy)) == (str(error), vars(error))


def arm64(script: Script, null: int, use: Callable[[Kvm], T]) -> T:
    """Use a device of an arm64 machine for which ``script`` answers."""

    def run() -> T:
        return use(Kvm(null, "a device", HostFacts(machine="aarch64"), owned=False))

    with no_leak():
        return Standin(script).run(run)


def refusing(types: int | Errno = 0, ipa_size: int = 40) -> Script:
    """A host that lists these types, has these address bits, and makes no VM."""

    def script(call: Call) -> Answer:
        if call.request == KVM_CHECK_EXTENSION:
            return types if call.argument == 235 else ipa_size
        return Errno(errno.EINVAL)

    return script


@scripted
@pytest.mark.parametrize(
    ("types", "remedy"),
    [
        (0b10011, "ask for a type that this host lists, which are 0, 1, 4, or for the default"),
        (0, "ask for a type that this host lists, and it lists none, or for the default type 0"),
        (Errno(errno.EINVAL), "ask for a type that this host lists, and it lists none"),
        (0xFFFF_FFEA, "ask for a type that this host lists, and it lists none"),
    ],
)
def test_a_refused_type_names_those_that_are_listed(
    types: int | Errno, remedy: str, null: int
) -> None:
    """EINVAL with a type is about the type, whatever the host says of its types."""
    with pytest.raises(KvmUnavailableError) as caught:
        on_device(refusing(types), null, lambda kvm: kvm.create_vm(3))
    assert caught.value.remedy.startswith(remedy)


@scripted
def test_a_refused_address_size_is_named(null: int) -> None:
    """EINVAL with ipa_bits may be about them."""
    with pytest.raises(KvmUnavailableError) as caught:
        arm64(refusing(), null, lambda kvm: kvm.create_vm(ipa_bits=52))
    assert caught.value.remedy.startswith("leave out ipa_bits=52")
    with pytest.raises(KvmUnavailableError) as caught:
        arm64(refusing(), null, lambda kvm: kvm.create_vm(1 << 31, ipa_bits=52))
    assert caught.value.remedy.endswith("the default type 0, or without ipa_bits=52")


@scripted
@pytest.mark.parametrize(
    ("vm_type", "ipa_bits", "argument"),
    [(0, 36, 36), (0, 255, 255), (1 << 31, 48, 1 << 31 | 48), (0x100, 1, 0x101)],
)
def test_type_and_address_bits_are_two_arguments(
    vm_type: int, ipa_bits: int, argument: int, null: int
) -> None:
    """The caller's address bits are passed on, and nobody asks how many there are."""

    def script(call: Call) -> Answer:
        return 0 if call.request == KVM_CHECK_EXTENSION else NewFd()

    standin = Standin(script)
    kvm = Kvm(null, "a device", HostFacts(machine="arm64"), owned=False)
    standin.run(lambda: kvm.create_vm(vm_type, ipa_bits).close())
    assert standin.calls[-1].argument == argument
    assert 165 not in standin.asked()


@pytest.mark.parametrize("machine", ["x86_64", "riscv64", None])
def test_address_bits_are_for_arm64(machine: str | None, null: int) -> None:
    """Elsewhere they would be another VM type."""
    kvm = Kvm(null, "a device", HostFacts(machine=machine), owned=False)
    with pytest.raises(ValueError, match="ipa_bits is for arm64, and this machine is"):
        kvm.create_vm(ipa_bits=40)


@pytest.mark.parametrize("ipa_bits", [0, -1, 256, True, 36.0, "36"])
def test_address_bits_fill_one_byte(ipa_bits: int, null: int) -> None:
    """A wider number would be a type."""
    kvm = Kvm(null, "a device", HostFacts(machine="aarch64"), owned=False)
    with pytest.raises(ValueError, match="ipa_bits must be an int in"):
        kvm.create_vm(ipa_bits=ipa_bits)


@pytest.mark.parametrize("vm_type", [33, 40, 1 << 31 | 40])
def test_a_type_with_address_bits_is_never_tried(vm_type: int, null: int) -> None:
    """33 on a host with 36 bits asked for 37 of them, not for a type."""
    kvm = Kvm(null, "a device", HostFacts(machine="aarch64"), owned=False)
    with pytest.raises(KvmUnavailableError, match="Invalid argument") as caught:
        kvm.create_vm(vm_type)
    assert "give it as ipa_bits" in caught.value.remedy


@scripted
@pytest.mark.parametrize(
    ("machine", "vm_type", "types", "known"),
    [
        ("x86_64", 0, 0, 0),
        ("x86_64", 1, 0b11, 1),
        ("x86_64", 1, 0b01, None),
        ("x86_64", 1, Errno(errno.EIO), None),
        ("x86_64", 1, 0xFFFF_FFEA, None),
        ("riscv64", 1 << 20, 0, None),
        ("riscv64", 0, 0, 0),
        ("aarch64", 1 << 31, 0, None),
        ("x86_64", 31, -(1 << 31), 31),
        ("x86_64", (1 << 32) - 1, 0xFFFF_FFFF_F, None),
    ],
)
def test_a_type_that_is_not_listed_is_unknown(
    machine: str, vm_type: int, types: int | Errno, known: int | None, null: int
) -> None:
    """Riscv takes any number and does not look at it; 0 is the default everywhere."""

    def script(call: Call) -> Answer:
        if call.request == KVM_CHECK_EXTENSION:
            return types if call.argument == 235 else 0
        return NewFd()

    kvm = Kvm(null, "a device", HostFacts(machine=machine), owned=False)
    with no_leak(), Standin(script).run(lambda: kvm.create_vm(vm_type)) as vm:
        assert vm.host == HostFacts(machine=machine, vm_type=known)


@scripted
@pytest.mark.parametrize(
    ("machine", "given", "kept"),
    [
        ("aarch64", 1 << 31 | 40, 1 << 31),
        ("aarch64", 40, 0),
        ("armv8l", 36, 0),
        ("x86_64", 4, 4),
        ("x86_64", None, None),
    ],
)
def test_a_borrowed_vms_type_is_its_type_alone(
    machine: str,
    given: int | None,
    kept: int | None,
    null: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On arm64 the argument of KVM_CREATE_VM holds an address size as well."""
    system = os.uname()
    played = os.uname_result((*system[:4], machine))
    monkeypatch.setattr(os, "uname", lambda: played)
    vm = Standin(extensions({})).run(lambda: Vm.from_fd(null, given))
    assert vm.host.vm_type == kept


@scripted
def test_a_borrowed_vm_that_is_dev_kvm_meanwhile_is_found_out(null: int) -> None:
    """One ioctl more a query finds it, and no capability is asked."""
    versions: list[Answer] = [Errno(errno.ENOTTY), 12]

    def script(call: Call) -> Answer:
        return versions.pop(0) if call.request == KVM_GET_API_VERSION else 1

    standin = Standin(script)
    with pytest.raises(KvmUnavailableError, match="this is /dev/kvm itself") as caught:
        standin.run(lambda: query(Vm.from_fd(null)))
    assert caught.value.reason is Unavailable.NOT_KVM
    assert standin.asked() == [234]


@scripted
@pytest.mark.parametrize("version", [Errno(errno.ENOTTY), Errno(errno.EINVAL), 11])
def test_a_borrowed_kvm_that_is_something_else_meanwhile_is_found_out(
    version: Answer, null: int
) -> None:
    """A VM, for one, which would answer for itself alone."""
    versions: list[Answer] = [12, version]

    def script(call: Call) -> Answer:
        return versions.pop(0) if call.request == KVM_GET_API_VERSION else 1

    standin = Standin(script)
    with pytest.raises(KvmUnavailableError) as caught:
        standin.run(lambda: query(Kvm.from_fd(null)))
    assert caught.value.reason is Unavailable.NOT_KVM
    assert standin.asked() == []


@scripted
@pytest.mark.parametrize("take", [Kvm.from_fd, Vm.from_fd], ids=["Kvm", "Vm"])
def test_a_borrowed_descriptor_that_was_closed_cannot_be_asked(
    take: Callable[[int], Kvm | Vm], null: int
) -> None:
    """The recheck leaves it to the first capability to say so."""
    version = 12 if take == Kvm.from_fd else Errno(errno.ENOTTY)
    taken = Standin(extensions({234: 1}, api_version=version)).run(lambda: take(null))
    taken.close()
    with pytest.raises(CapabilityQueryError, match="the descriptor is closed"):
        query(taken)


@scripted
@pytest.mark.parametrize("kind", [Kvm, Vm])
def test_an_owned_descriptor_is_not_rechecked(kind: type[Kvm | Vm], null: int) -> None:
    """Nobody else closes it, so a query is its capabilities and nothing else."""
    own = kind(os.dup(null), "its own", HostFacts(), owned=True)
    standin = Standin(extensions({234: 1, 244: 3}))
    with own:
        standin.run(lambda: query(own))
    assert {call.request for call in standin.calls} == {KVM_CHECK_EXTENSION}


@scripted
@pytest.mark.parametrize("version", [0, 1, 11])
def test_a_device_that_answers_anything_is_not_a_vm(version: int, null: int) -> None:
    """A VM does not know its API version."""
    with pytest.raises(KvmUnavailableError, match=f"its API version is {version}, not 12"):
        Standin(lambda _: version).run(lambda: Vm.from_fd(null))


@pytest.mark.parametrize("path", ["/dev/net/tun", "/dev/fuse", "/dev/ptmx", "/dev/urandom"])
def test_other_devices_are_not_kvm(path: str) -> None:
    """Each has ioctls and errnos of its own: EBADFD from /dev/net/tun, for one."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        pytest.skip(f"{path} cannot be opened: {error}")
    try:
        for take in (Kvm.from_fd, Vm.from_fd):
            with pytest.raises(KvmUnavailableError) as caught:
                take(fd)
            assert caught.value.reason is Unavailable.NOT_KVM
    finally:
        os.close(fd)
    with no_leak(), pytest.raises(KvmUnavailableError) as caught:
        Kvm.open(path)
    assert caught.value.reason is Unavailable.NOT_KVM


def test_files_and_sockets_are_not_vms(vm: Vm) -> None:
    """A guest_memfd of the VM, and a VCPU's statistics, are none either."""
    file = os.memfd_create("a file")
    try:
        with pytest.raises(KvmUnavailableError) as caught:
            Vm.from_fd(file)
        assert caught.value.reason is Unavailable.NOT_KVM
        if query(vm).guest_memfd:
            memory = vm.create_guest_memfd(PAGE, 0)
            try:
                with pytest.raises(KvmUnavailableError) as caught:
                    Vm.from_fd(memory)
                assert caught.value.reason is Unavailable.NOT_KVM
            finally:
                os.close(memory)
    finally:
        os.close(file)


@scripted
@pytest.mark.parametrize(
    ("number", "meaning"),
    [
        (errno.ENOENT, "the KVM module is being unloaded"),
        (errno.EBADF, "the VM's descriptor is closed"),
        (errno.ENOSYS, "a seccomp filter denies the call"),
        (errno.EPERM, "a seccomp filter or a security module (SELinux, say) denies the call"),
    ],
    ids=errno.errorcode.get,
)
def test_an_errno_of_the_creation_is_explained(number: int, meaning: str, null: int) -> None:
    """For this very call."""
    kernel = HiddenKernel(3, lambda _: number)
    with no_leak(), pytest.raises(GuestMemfdCreateError) as caught:
        Standin(kernel).run(lambda: Vm.from_fd(null, 0).create_guest_memfd(PAGE, 3))
    assert (caught.value.errno, caught.value.meaning.startswith(meaning)) == (number, True)


def test_an_error_without_a_number_says_so() -> None:
    """No errno is shown as 0, which would be success."""
    lost = "the call failed, and its error number was lost"
    for error in (
        CapabilityQueryError(0, lost, 244, "a VM"),
        KvmUnavailableError(0, lost, "a VM"),
        GuestMemfdCreateError(0, lost, PAGE, 3, "nothing was created: try again"),
    ):
        assert lost in str(error)
        assert "no errno" in str(error)
        assert "errno 0" not in str(error)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.ENOSYS])
def test_a_denied_question_names_the_filter(number: int) -> None:
    """Whoever may open the device may still be kept from asking."""
    assert "seccomp" in str(CapabilityQueryError(number, os.strerror(number), 244, "a VM"))


@scripted
def test_a_file_that_cannot_be_closed_on_exec_is_closed(
    null: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was made, and nobody would know its number."""

    def refuse(fd: int, inheritable: bool, /) -> None:
        raise OSError(errno.EPERM, f"no ioctl for {inheritable} on {os.fstat(fd).st_size}")

    monkeypatch.setattr(os, "set_inheritable", refuse)
    kernel = HiddenKernel(3, obeying())
    with no_leak(), pytest.raises(GuestMemfdCreateError, match=r"no ioctl for False on [0-9]"):
        Standin(kernel).run(lambda: Vm.from_fd(null, 0).create_guest_memfd(PAGE, 3))


class Interrupted(Kvm):
    """A Kvm whose check is interrupted."""

    def fileno(self) -> int:
        """Raise, as a signal handler may."""
        raise StopIt


def test_an_interrupted_opening_leaves_no_descriptor() -> None:
    """The descriptor belongs to an object from the beginning, which closes it and warns."""
    with (
        no_leak(),
        pytest.warns(ResourceWarning, match="was not closed"),
        suppress(StopIt),
    ):
        Interrupted.open(os.devnull)
