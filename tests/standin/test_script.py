"""What scripts say, and when a test is skipped: no kernel needed."""

import errno

import pytest

from tests.standin.kernel import (
    KVM_CHECK_EXTENSION,
    KVM_CREATE_GUEST_MEMFD,
    KVM_CREATE_VM,
    KVM_GET_API_VERSION,
    Call,
    Errno,
    extensions,
    require,
)


def check(number: int) -> Call:
    """Make the call that asks for one capability."""
    return Call(fd=3, request=KVM_CHECK_EXTENSION, argument=number, pid=1)


def test_the_table_answers_and_an_absent_number_is_zero() -> None:
    """Capabilities in the table give their answer, errno or value; the others 0."""
    script = extensions({244: 3, 234: Errno(errno.EIO)})
    assert script(check(244)) == 3
    assert script(check(234)) == Errno(errno.EIO)
    assert script(check(245)) == 0


def test_a_sequence_is_used_up_and_its_last_answer_repeats() -> None:
    """Each call takes the next answer, and the caller's own list stays as it was."""
    mine: list[int | Errno] = [Errno(errno.EINTR), 1, 3]
    script = extensions({244: mine})
    assert [script(check(244)) for _ in range(5)] == [Errno(errno.EINTR), 1, 3, 3, 3]
    assert len(mine) == 3


def test_an_empty_sequence_is_refused() -> None:
    """A capability without any answer is a mistake in the test."""
    with pytest.raises(ValueError, match="244"):
        extensions({244: []})


def test_the_version_tells_the_device_from_a_vm() -> None:
    """KVM_GET_API_VERSION fails with ENOTTY, as on a VM, unless a version is given."""
    call = Call(fd=3, request=KVM_GET_API_VERSION, argument=0, pid=1)
    assert extensions({})(call) == Errno(errno.ENOTTY)
    assert extensions({}, api_version=12)(call) == 12


@pytest.mark.parametrize("request_number", [KVM_CREATE_VM, KVM_CREATE_GUEST_MEMFD, 0xAE42])
def test_every_other_request_is_enotty(request_number: int) -> None:
    """The table plays enumeration only."""
    call = Call(fd=3, request=request_number, argument=244, pid=1)
    assert extensions({244: 3})(call) == Errno(errno.ENOTTY)


def test_a_call_without_a_readable_struct_says_efault() -> None:
    """struct() never returns fewer than 64 bytes."""
    with pytest.raises(OSError, match="0xf4 of request 0xae03 is no readable struct") as caught:
        check(244).struct()
    assert caught.value.errno == errno.EFAULT


def test_what_is_available_is_neither_skipped_nor_failed() -> None:
    """No reason, no outcome."""
    require("standin", None)


@pytest.mark.parametrize("required", ["", "kvm", "standing"])
def test_what_is_unavailable_is_skipped(monkeypatch: pytest.MonkeyPatch, required: str) -> None:
    """The reason is shown, unless GMEMFLAGS_REQUIRE names the very thing."""
    monkeypatch.setenv("GMEMFLAGS_REQUIRE", required)
    with pytest.raises(pytest.skip.Exception, match="no seccomp here"):
        require("standin", "no seccomp here")


@pytest.mark.parametrize("required", ["standin", "kvm,standin", "kvm, standin"])
def test_what_is_required_fails(monkeypatch: pytest.MonkeyPatch, required: str) -> None:
    """A machine that must run these tests cannot pass by skipping them."""
    monkeypatch.setenv("GMEMFLAGS_REQUIRE", required)
    with pytest.raises(pytest.fail.Exception, match="no seccomp here"):
        require("standin", "no seccomp here")
