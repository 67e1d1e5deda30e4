"""Closing: what was opened here is closed once, what was passed in never."""

import copy
import os
import pickle
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from gmemflags import CapabilityQueryError, HostFacts, KvmUnavailableError
from gmemflags.linux import Kvm, Vm
from tests.standin.kernel import Standin, extensions

kinds = pytest.mark.parametrize("kind", [Kvm, Vm])


def is_open(fd: int) -> bool:
    """Whether a number is an open descriptor."""
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def owner(kind: type[Kvm | Vm]) -> Kvm | Vm:
    """A Kvm or Vm that owns a descriptor of /dev/null: it is never asked anything."""
    return kind(os.open(os.devnull, os.O_RDWR), "a test", HostFacts(), owned=True)


def guest(kind: type[Kvm | Vm], fd: int) -> Kvm | Vm:
    """A Kvm or Vm to which a descriptor was passed."""
    return kind(fd, "a test", HostFacts(), owned=False)


@kinds
def test_a_path_cannot_forge_a_line_of_a_repr(kind: type[Kvm | Vm]) -> None:
    """A warning prints it, and so does the error of a copy."""
    opened = kind(-1, "/dev/\nkvm\x1b[2J", HostFacts(), owned=False)
    assert repr(opened).isprintable()
    with pytest.raises(TypeError) as caught:
        pickle.dumps(opened)
    assert str(caught.value).isprintable()


@kinds
def test_leaving_the_block_closes(kind: type[Kvm | Vm]) -> None:
    """As with any file."""
    with owner(kind) as opened:
        fd = opened.fileno()
        assert is_open(fd)
    assert not is_open(fd)
    assert opened.fileno() == -1


@kinds
def test_an_error_in_the_block_closes_and_goes_on(kind: type[Kvm | Vm]) -> None:
    """The error is not swallowed."""
    opened = owner(kind)
    fd = opened.fileno()
    with pytest.raises(KeyError), opened:
        raise KeyError
    assert not is_open(fd)


@kinds
def test_closing_twice_closes_once(kind: type[Kvm | Vm]) -> None:
    """By the second time the number may be somebody else's."""
    opened = owner(kind)
    number = opened.fileno()
    opened.close()
    other = os.open(os.devnull, os.O_RDONLY)
    try:
        assert other == number
        opened.close()
        assert is_open(other)
    finally:
        os.close(other)


@kinds
def test_a_descriptor_passed_in_is_never_closed(kind: type[Kvm | Vm], null: int) -> None:
    """Neither by close, nor by leaving the block, nor by forgetting it."""
    guest(kind, null).close()
    with guest(kind, null):
        pass
    guest(kind, null)
    assert is_open(null)


@pytest.mark.usefixtures("standin")
def test_from_fd_never_closes(null: int) -> None:
    """Nor do the public ways to pass one in, refused or not."""

    def take_both() -> None:
        Kvm.from_fd(null).close()
        with pytest.raises(KvmUnavailableError):
            Vm.from_fd(null)

    Standin(extensions({}, api_version=12)).run(take_both)
    with pytest.raises(KvmUnavailableError):
        Kvm.from_fd(null)
    assert is_open(null)


@kinds
def test_forgetting_to_close_is_warned_about(kind: type[Kvm | Vm]) -> None:
    """A ResourceWarning that names the object; the descriptor is closed all the same."""
    opened = owner(kind)
    fd = opened.fileno()
    text = repr(opened)
    assert text == f"<{kind.__name__} a test, descriptor {fd}>"
    with pytest.warns(ResourceWarning) as warned:
        del opened
    assert [str(warning.message) for warning in warned] == [f"{text} was not closed"]
    assert not is_open(fd)


@kinds
def test_a_warning_that_is_an_error_does_not_leak(
    kind: type[Kvm | Vm], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``-W error`` the descriptor is closed as well."""
    unraisable: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    opened = owner(kind)
    fd = opened.fileno()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del opened
    assert [report.exc_type for report in unraisable] == [ResourceWarning]
    assert not is_open(fd)


@kinds
def test_a_failed_construction_is_one_error(
    kind: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``Kvm("/dev/kvm")`` is a TypeError, and nothing is printed when the half-made is dropped."""
    unraisable: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    with pytest.raises(TypeError):
        kind("/dev/kvm")
    assert unraisable == []


@kinds
def test_a_closed_one_says_so(kind: type[Kvm | Vm]) -> None:
    """Asking it is an error that tells why."""
    opened = owner(kind)
    opened.close()
    with pytest.raises(
        CapabilityQueryError, match=r"a test did not answer.*the descriptor is closed"
    ):
        opened.check_extension(244)
    assert repr(opened) == f"<{kind.__name__} a test, descriptor -1>"


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, pickle.dumps], ids=["copy", "deepcopy", "pickle"]
)
@kinds
def test_it_can_be_neither_copied_nor_pickled(
    copied: Callable[[Kvm | Vm], object], kind: type[Kvm | Vm]
) -> None:
    """A second owner would close the first one's descriptor, which may be another file by then."""
    with owner(kind) as first:
        with pytest.raises(TypeError, match="can be neither copied nor pickled"):
            copied(first)
        assert is_open(first.fileno())
