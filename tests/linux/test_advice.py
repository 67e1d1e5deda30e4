"""What to do where the device cannot be opened: it fits machine, container and user."""

import errno
import os
from pathlib import Path

import pytest

from gmemflags import KvmUnavailableError, Unavailable
from gmemflags.linux import Kvm
from gmemflags.linux._advice import cannot_open, in_container


def remedy(
    number: int,
    machine: str | None = "x86_64",
    *,
    root: bool = False,
    container: bool = False,
    path: str = "/dev/kvm",
) -> str:
    """What is advised after an errno of open()."""
    failure = OSError(number, os.strerror(number))
    return cannot_open(failure, path, machine, root=root, container=container).remedy


@pytest.mark.parametrize("machine", ["x86_64", "i686", "AMD64", "mips64", "", None])
def test_a_module_is_to_be_loaded(machine: str | None) -> None:
    """On x86-64, and where nothing better is known."""
    told = "load the KVM module (kvm_intel, kvm_amd), or enable virtualization"
    assert remedy(errno.ENOENT, machine) == told


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        ("aarch64", "at EL2"),
        ("arm64", "at EL2"),
        ("armv8l", "at EL2"),
        ("ppc64le", "kvm_hv"),
        ("s390x", "(kvm)"),
        ("riscv64", "the H extension"),
    ],
)
@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENODEV, errno.ENXIO])
def test_other_machines_have_no_kvm_intel(machine: str, said: str, number: int) -> None:
    """Arm64 has no module at all."""
    told = remedy(number, machine)
    assert said in told
    assert "kvm_intel" not in told


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENOTDIR])
def test_another_path_is_taken_for_a_mistake(number: int) -> None:
    """A module or a container's device is the cause only where KVM's device usually is."""
    told = "give the path of the KVM device, which is usually /dev/kvm"
    assert remedy(number, path="/dev/kmv", container=True) == told
    assert remedy(errno.ENXIO, path="/dev/kmv") == remedy(errno.ENXIO)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_container_is_given_the_device_first(machine: str) -> None:
    """What its host may lack comes second."""
    told = remedy(errno.ENOENT, machine, container=True)
    assert told == (
        "give the device to this container (--device /dev/kvm); on its host:"
        f" {remedy(errno.ENOENT, machine)}"
    )


def test_a_user_joins_the_group() -> None:
    """Which in a container is given to it."""
    for number in (errno.EACCES, errno.EPERM):
        assert remedy(number).startswith("join the group that owns the device")
        assert "(--group-add)" in remedy(number, container=True)


def test_root_is_in_no_group() -> None:
    """Something else denies it."""
    for number in (errno.EACCES, errno.EPERM):
        told = remedy(number, root=True)
        assert "control group of devices" in told
        assert "join" not in told
        inside = remedy(number, root=True, container=True)
        assert inside == "give the device to this container (--device /dev/kvm)"


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EMFILE, "RLIMIT_NOFILE"),
        (errno.ENFILE, "file-max"),
        (errno.ENOMEM, "no memory"),
        (errno.ELOOP, "see the errno"),
    ],
    ids=errno.errorcode.get,
)
def test_what_is_scarce_is_named(number: int, said: str) -> None:
    """It has nothing to do with KVM, nor with the container."""
    assert said in remedy(number, container=True)


def test_a_path_cannot_forge_a_line() -> None:
    """It is quoted, like all text from outside."""
    failure = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    error = cannot_open(failure, "/dev/\nkvm\x1b[2J", "x86_64", root=False, container=True)
    assert f"{error} {error.remedy}".isprintable()


def test_the_advice_is_for_this_machine() -> None:
    """Kvm.open says what fits where it runs."""
    with pytest.raises(KvmUnavailableError) as caught:
        Kvm.open("/no/such/kvm")
    container = Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()
    assert in_container() is container
    assert caught.value.reason is Unavailable.NO_DEVICE
    expected = remedy(errno.ENOENT, os.uname().machine, container=container, path="/no/such/kvm")
    assert caught.value.remedy == expected
