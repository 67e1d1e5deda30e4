"""The fakes for users' own tests: a host that is a table, in three shapes."""

import errno
import os
from typing import Any, cast

import pytest

from gmemflags import (
    CapabilityQueryError,
    GuestMemfdFlag,
    HostFacts,
    InvalidMaskError,
    Scope,
    query,
)
from gmemflags.testing import FakeBackend, KnownHost


def test_an_answer_is_handed_out_as_it_is() -> None:
    """Whatever the table holds: reading it is the query's business."""
    backend = FakeBackend({244: -22, 234: 1 << 40})
    assert [backend.check_extension(number) for number in (244, 234)] == [-22, 1 << 40]


def test_what_is_not_in_the_table_answers_0() -> None:
    """As a kernel does for a capability that it does not know."""
    assert FakeBackend({}).check_extension(12345) == 0


def test_every_question_is_recorded_in_order() -> None:
    """Those that fail, too."""
    backend = FakeBackend({2: OSError(errno.EIO, "gone")})
    for number in (3, 1, 3):
        backend.check_extension(number)
    with pytest.raises(CapabilityQueryError):
        backend.check_extension(2)
    assert backend.asked == [3, 1, 3, 2]


@pytest.mark.parametrize("key", ["GUEST_MEMFD_FLAGS_HI", "NO_SUCH_CAPABILITY", 1.0, True, None])
def test_an_answer_that_would_never_be_asked_for(key: object) -> None:
    """By a name without a number, or by what is neither, it would silently be 0."""
    with pytest.raises(TypeError, match="answers go by number or by a name that"):
        FakeBackend(cast("Any", {234: 1, key: 1}))


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (OSError(errno.EIO, os.strerror(errno.EIO)), (errno.EIO, os.strerror(errno.EIO))),
        (PermissionError(errno.EACCES, "no"), (errno.EACCES, "no")),
        (OSError(), (0, "")),
    ],
    ids=["OSError", "a subclass", "without data"],
)
def test_an_oserror_in_the_table_is_raised(failure: OSError, told: tuple[int, str]) -> None:
    """As a backend's error, with errno and text, number and origin."""
    with pytest.raises(CapabilityQueryError) as caught:
        FakeBackend({244: failure}, origin="my fake").check_extension(244)
    error = caught.value
    assert (error.errno, error.strerror) == told
    assert (error.number, error.origin) == (244, "my fake")
    assert error.__cause__ is failure


def test_it_is_a_default_vm_unless_told() -> None:
    """Scope, facts and origin of a default x86-64 VM on Linux 6.18."""
    backend = FakeBackend({})
    assert (backend.scope, backend.origin) == (Scope.VM, "a fake host")
    assert backend.host == HostFacts(kernel="6.18.0", machine="x86_64", vm_type=0)


def test_it_is_what_it_is_told() -> None:
    """Any host can be played."""
    host = HostFacts(kernel="7.3.0", machine="aarch64")
    backend = FakeBackend({}, scope=Scope.SYSTEM, host=host, origin="/dev/other")
    assert (backend.scope, backend.origin) == (Scope.SYSTEM, "/dev/other")
    assert backend.host is host


def test_the_table_is_a_copy() -> None:
    """Changing the caller's dict afterwards changes no answer; changing ``answers`` does."""
    table: dict[int, int | OSError] = {244: 3}
    backend = FakeBackend(table)
    table[244] = 0
    assert backend.check_extension(244) == 3
    backend.answers[244] = 1
    assert backend.check_extension(244) == 1


def test_narrow_is_a_word_through_a_c_int() -> None:
    """Bit 31 arrives sign-extended; the rest of the host is Linux 6.18."""
    backend = FakeBackend.narrow(0x8000_0003)
    assert backend.answers == {231: 1, 234: 1, 235: 1, 244: -(2**31) + 3}


def test_split_is_two_words() -> None:
    """Each sign-extended by itself."""
    backend = FakeBackend.split(0x8000_0001_0000_0003, flags_hi=300)
    assert backend.answers == {231: 1, 234: 1, 235: 1, 244: 3, 300: -(2**31) + 1}


def test_wide_is_64_bits_at_once() -> None:
    """Bit 63 makes the long negative."""
    assert FakeBackend.wide(1 << 63 | 3).answers[244] == -(2**63) + 3
    assert FakeBackend.wide(0x7_0000_0003).answers[244] == 0x7_0000_0003


def test_shapes_take_flags() -> None:
    """A table of plain ints is made of them."""
    backend = FakeBackend.narrow(GuestMemfdFlag.MMAP)
    assert query(backend).mask == 1
    assert type(backend.answers[244]) is int


def test_narrow_takes_no_more_than_a_word() -> None:
    """A kernel of today has no way to say bit 32."""
    with pytest.raises(InvalidMaskError, match="0x100000000 is not a word"):
        FakeBackend.narrow(1 << 32)


@pytest.mark.parametrize("flags", [-1, 1 << 64, True])
def test_no_shape_takes_what_is_no_mask(flags: int) -> None:
    """The guard of the library stands here as well."""
    with pytest.raises(InvalidMaskError, match=f"{flags} is not a mask"):
        FakeBackend.wide(flags)
    with pytest.raises(InvalidMaskError, match=f"{flags} is not a mask"):
        FakeBackend.split(flags, flags_hi=300)


def test_a_subclass_makes_its_own_kind() -> None:
    """A user may add to the fake and keep the shapes."""

    class Mine(FakeBackend):
        pass

    assert type(Mine.narrow(3)) is type(Mine.wide(3)) is type(Mine.split(3, flags_hi=300)) is Mine


def test_a_known_host_does_not_change() -> None:
    """What a caller does to the tables afterwards is no answer of the host."""
    system, vm = {234: 1, 244: 3}, {234: 1, 244: 3}
    vms: dict[int, dict[int, int]] = {0: vm}
    host = KnownHost(
        name="mine",
        recorded=False,
        source="a test",
        kernel="6.18",
        machine="x86_64",
        on_system=system,
        on_vm=vms,
    )
    system[244] = vm[244] = 7
    vms[1] = vm
    assert query(host.system).mask == query(host.vm()).mask == 3
    assert [*host.on_vm] == [0]
