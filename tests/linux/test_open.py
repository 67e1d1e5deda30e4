"""Opening the device: each way of not getting one has its reason, and what to do."""

import errno
import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from gmemflags import GmemFlagsError, KvmUnavailableError, Unavailable
from gmemflags.linux import Kvm

DROPPED = """
import os, sys
from gmemflags import KvmUnavailableError
from gmemflags.linux import Kvm
Kvm.open  # everything is loaded while it still can be
os.seteuid(65534)
try:
    Kvm.open(sys.argv[1])
except KvmUnavailableError as error:
    os.seteuid(0)
    print(error.reason, error.errno)
"""


def descriptors() -> list[str]:
    """List the descriptors of this process."""
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def refusal(path: str | os.PathLike[str]) -> KvmUnavailableError:
    """Open what is not KVM; nothing is left open, and the error names the path."""
    before = descriptors()
    with pytest.raises(KvmUnavailableError) as caught:
        Kvm.open(path)
    assert descriptors() == before
    return caught.value


def test_a_missing_file_is_no_device() -> None:
    """No module, no virtualization, no container with the device."""
    error = refusal("/nonexistent/kvm")
    assert (error.reason, error.errno) == (Unavailable.NO_DEVICE, errno.ENOENT)
    assert str(error) == "/nonexistent/kvm: No such file or directory (errno 2, no-device)"


def test_a_path_through_a_file_is_no_device() -> None:
    """ENOTDIR means as much as ENOENT."""
    assert refusal("/dev/null/kvm").reason is Unavailable.NO_DEVICE


def test_a_device_without_a_driver_is_no_device(tmp_path: Path) -> None:
    """A node that outlived its module: ENODEV or ENXIO; a socket gives ENXIO to anybody."""
    from socket import AF_UNIX, socket

    with socket(AF_UNIX) as listener:
        listener.bind(str(tmp_path / "kvm"))
        error = refusal(tmp_path / "kvm")
    assert (error.reason, error.errno) == (Unavailable.NO_DEVICE, errno.ENXIO)


def test_a_nul_in_the_name_is_no_device() -> None:
    """No file can have that name; it is shown so that one can see why."""
    error = refusal("/dev/kvm\0")
    assert (error.reason, error.errno) == (Unavailable.NO_DEVICE, errno.ENOENT)
    assert str(error).startswith(r"'/dev/kvm\x00': ")


def test_a_name_that_cannot_be_encoded_is_no_device() -> None:
    """A lone surrogate is in no file name."""
    assert refusal("/dev/\ud800").reason is Unavailable.NO_DEVICE


def test_a_file_of_somebody_else_is_no_permission(
    tmp_path: Path, python: Callable[..., list[str]]
) -> None:
    """What a user outside the group kvm meets; root, who may open anything, tries as nobody."""
    path = tmp_path / "kvm"
    path.touch(mode=0)
    if os.geteuid():
        error = refusal(path)
        told = f"{error.reason} {error.errno}"
    else:
        try:
            [told] = python(DROPPED, path)
        except AssertionError as error:
            pytest.skip(f"root cannot become nobody here: {error}")
    assert told == f"no-permission {errno.EACCES}"


def test_dev_null_is_not_kvm() -> None:
    """It can be opened, and does not know KVM's requests."""
    error = refusal("/dev/null")
    assert (error.reason, error.errno) == (Unavailable.NOT_KVM, errno.ENOTTY)
    assert "not-kvm" in str(error)
    assert "path of the KVM device" in error.remedy


def test_a_file_is_not_kvm(tmp_path: Path) -> None:
    """Neither is a regular file."""
    path = tmp_path / "kvm"
    path.touch()
    assert refusal(path).reason is Unavailable.NOT_KVM


def test_a_directory_is_not_kvm(tmp_path: Path) -> None:
    """Something is there, and it is not a device: give another path."""
    error = refusal(tmp_path)
    assert (error.reason, error.errno) == (Unavailable.NOT_KVM, errno.EISDIR)


def test_a_loop_of_links_is_some_other_failure(tmp_path: Path) -> None:
    """What no reason fits is told with its errno."""
    (tmp_path / "kvm").symlink_to("kvm")
    error = refusal(tmp_path / "kvm")
    assert (error.reason, error.errno) == (Unavailable.FAILED, errno.ELOOP)


def test_without_a_free_descriptor_the_errno_is_told(null: int) -> None:
    """EMFILE is neither a missing device nor a missing permission."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(null)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        with pytest.raises(KvmUnavailableError) as caught:
            Kvm.open("/dev/null")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (caught.value.reason, caught.value.errno) == (Unavailable.FAILED, errno.EMFILE)


def test_every_reason_says_what_to_do() -> None:
    """One line, and not the same twice."""
    remedies = [KvmUnavailableError(0, "", "", reason).remedy for reason in Unavailable]
    assert len(set(remedies)) == len(remedies) == len(Unavailable)
    assert all(remedy and "\n" not in remedy for remedy in remedies)


def test_it_is_an_oserror_and_one_of_ours() -> None:
    """Whoever catches OSError around an open catches this too."""
    error = refusal("/nonexistent")
    assert isinstance(error, OSError)
    assert isinstance(error, GmemFlagsError)
    assert error.what == "/nonexistent"


@pytest.mark.parametrize("kind", [str, Path, os.fsencode])
def test_any_path_will_do(kind: Callable[[str], str], kvm: Kvm) -> None:
    """A text, a Path, or bytes, as for the built-in open()."""
    with Kvm.open(kind("/dev/kvm")) as opened:
        assert opened.origin == "/dev/kvm"


def test_the_default_is_dev_kvm(kvm: Kvm) -> None:
    """Opened for reading and writing, and closed when another program is executed."""
    with Kvm.open() as opened:
        assert Path(f"/proc/self/fd/{opened.fileno()}").readlink() == Path("/dev/kvm")
        assert not os.get_inheritable(opened.fileno())
