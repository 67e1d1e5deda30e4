"""What a caller gets from the scripted kernel, bit by bit, through ctypes and through fcntl."""

import array
import errno
import fcntl
import os
import platform
import struct
import termios

import pytest

from tests.standin._seccomp import ioctl
from tests.standin.kernel import (
    KVM_CHECK_EXTENSION,
    KVM_CREATE_GUEST_MEMFD,
    KVM_CREATE_VM,
    KVM_GET_API_VERSION,
    Answer,
    Call,
    Errno,
    NewFd,
    Standin,
    extensions,
    require_standin,
)


@pytest.fixture(autouse=True)
def needs_a_standin() -> None:
    """Every test of this module runs on the scripted kernel."""
    require_standin()


def ask() -> int:
    """Ask for capability 244 with the raw system call."""
    return ioctl(0, KVM_CHECK_EXTENSION, 244)


def ask_fcntl() -> int:
    """Ask for capability 244 as the obvious Python code does."""
    return fcntl.ioctl(0, KVM_CHECK_EXTENSION, 244)


@pytest.mark.parametrize(
    "value",
    [0, 3, 1 << 31, 0xFFFFFFFF, 0x7_0000_0003, 1 << 62, 2**63 - 1, -(2**31), -4096, -(2**63)],
    ids=hex,
)
def test_every_c_long_arrives_exactly(value: int) -> None:
    """The raw system call returns what the script said, all 64 bits and the sign."""
    assert Standin(extensions({244: value})).run(ask) == value


@pytest.mark.parametrize("number", [errno.EPERM, errno.EINTR, errno.ENOTTY, 4095])
def test_an_errno_arrives_as_an_errno(number: int) -> None:
    """The call returns -1 and sets the errno of the answer."""
    with pytest.raises(OSError, match=rf"\[Errno {number}\]"):
        Standin(extensions({244: Errno(number)})).run(ask)


def test_a_value_of_minus_22_is_einval_to_libc() -> None:
    """The kernel has one register for both: a small negative value is an errno."""
    with pytest.raises(OSError, match=rf"\[Errno {errno.EINVAL}\]"):
        Standin(extensions({244: -22})).run(ask)


def test_list_answers_come_one_per_call() -> None:
    """A script with a memory plays a kernel that is interrupted, or changes its mind."""

    def three_times() -> list[int]:
        with pytest.raises(InterruptedError):
            ask()
        return [ask(), ask(), ask()]

    standin = Standin(extensions({244: [Errno(errno.EINTR), 1, 3]}))
    assert standin.run(three_times) == [1, 3, 3]
    assert standin.asked() == [244] * 4


def test_calls_are_recorded_as_the_kernel_sees_them() -> None:
    """Descriptor and request are cut to their 32 bits, the argument is not."""

    def odd_calls() -> None:
        ioctl(-1, 0xFFFF_FFFF_0000_0000 | KVM_CHECK_EXTENSION, 2**64 - 1)
        ioctl(7, KVM_CHECK_EXTENSION, 0xF4)

    standin = Standin(extensions({}))
    standin.run(odd_calls)
    seen = [(call.fd, call.request, call.argument) for call in standin.calls]
    assert seen == [(-1, KVM_CHECK_EXTENSION, 2**64 - 1), (7, KVM_CHECK_EXTENSION, 0xF4)]
    assert standin.asked() == [2**64 - 1, 0xF4]


def test_a_struct_is_read_when_the_call_arrives() -> None:
    """struct() shows size, flags and reserved words, during the run and after it."""
    sent = struct.pack("=8Q", 4096, 1 << 63 | 3, *range(6))
    during: list[bytes] = []

    def script(call: Call) -> Answer:
        during.append(call.struct())
        return 5

    standin = Standin(script)
    assert standin.run(lambda: fcntl.ioctl(0, KVM_CREATE_GUEST_MEMFD, bytes(sent))) == sent

    def raw() -> int:
        memory = array.array("Q", struct.unpack("=8Q", sent))
        result = ioctl(0, KVM_CREATE_GUEST_MEMFD, memory.buffer_info()[0])
        memory[0] = 0
        return result

    assert standin.run(raw) == 5
    assert during == [call.struct() for call in standin.calls] == [sent, sent]


@pytest.mark.parametrize("address", [0, 1, 2**63 - 64, 2**63, 2**64 - 1])
def test_a_bad_address_is_no_struct(address: int) -> None:
    """A pointer to nowhere breaks neither the run nor the record."""
    standin = Standin(lambda _: Errno(errno.EFAULT))
    with pytest.raises(OSError, match=rf"\[Errno {errno.EFAULT}\]"):
        standin.run(lambda: ioctl(0, KVM_CREATE_GUEST_MEMFD, address))
    with pytest.raises(OSError, match="no readable struct"):
        standin.calls[0].struct()


@pytest.mark.parametrize(
    ("request_number", "inheritable"), [(KVM_CREATE_VM, False), (KVM_CREATE_GUEST_MEMFD, True)]
)
def test_a_new_descriptor_is_the_callers_own(request_number: int, *, inheritable: bool) -> None:
    """Each answer is a fresh empty file, with close-on-exec exactly where KVM sets it."""

    def two() -> tuple[int, int]:
        return ioctl(0, request_number, 0), ioctl(0, request_number, 0)

    first, second = Standin(lambda _: NewFd()).run(two)
    try:
        assert os.write(first, b"guest") == 5
        assert (os.fstat(first).st_size, os.fstat(second).st_size) == (5, 0)
        assert os.get_inheritable(first) is os.get_inheritable(second) is inheritable
    finally:
        os.close(first)
        os.close(second)


def test_other_ioctls_go_to_the_real_kernel() -> None:
    """Only type byte 0xAE is filtered: a pipe still counts its bytes and is not a terminal."""
    reader, writer = os.pipe()

    def elsewhere() -> tuple[int, bool]:
        os.write(writer, b"12345")
        waiting = fcntl.ioctl(reader, termios.FIONREAD, bytes(4))
        with pytest.raises(OSError, match=rf"\[Errno {errno.ENOTTY}\]"):
            fcntl.ioctl(reader, termios.TIOCGWINSZ, bytes(8))
        return int.from_bytes(waiting, "little"), os.isatty(reader)

    standin = Standin(lambda _: 99)
    try:
        assert standin.run(elsewhere) == (5, False)
    finally:
        os.close(reader)
        os.close(writer)
    assert standin.calls == []


def test_the_version_is_asked_like_anything_else() -> None:
    """12 plays /dev/kvm, and the default plays a VM."""

    def version() -> int:
        return ioctl(0, KVM_GET_API_VERSION, 0)

    assert Standin(extensions({}, api_version=12)).run(version) == 12
    with pytest.raises(OSError, match=rf"\[Errno {errno.ENOTTY}\]"):
        Standin(extensions({})).run(version)


@pytest.mark.parametrize("answer", [1 << 31, -(2**31), 0x80000003], ids=hex)
def test_fcntl_takes_bit_31_for_an_error(answer: int) -> None:
    """What fcntl.ioctl does: OSError with the errno of an older failure, else 0."""

    def after_a_failure() -> None:
        with pytest.raises(OSError, match=rf"\[Errno {errno.E2BIG}\]"):
            ask_fcntl()
        ask_fcntl()

    with pytest.raises(OSError, match=rf"\[Errno (0|{errno.E2BIG})\]"):
        Standin(extensions({244: [Errno(errno.E2BIG), answer]})).run(after_a_failure)


@pytest.mark.parametrize(("answer", "result"), [(0x7_0000_0003, 3), (1 << 62, 0), (3, 3)])
def test_fcntl_loses_the_upper_half(answer: int, result: int) -> None:
    """What fcntl.ioctl does: bits 63:32 vanish without a word."""
    assert Standin(extensions({244: answer})).run(ask_fcntl) == result


def test_fcntl_takes_all_bits_for_eperm() -> None:
    """What fcntl.ioctl does with the word 0xFFFFFFFF, which the kernel's int makes -1."""
    with pytest.raises(PermissionError):
        Standin(extensions({244: -1})).run(ask_fcntl)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what glibc does")
def test_libc_cuts_a_word_before_it_looks_for_an_errno() -> None:
    """0xFFFFFFFF as a positive long is not an errno to the kernel, but is to libc's ioctl."""
    standin = Standin(extensions({244: 0xFFFFFFFF}))
    assert standin.run(ask) == 0xFFFFFFFF
    with pytest.raises(OSError, match=rf"\[Errno (0|{errno.EPERM})\]"):  # 0 before glibc 2.34
        standin.run(ask_fcntl)
