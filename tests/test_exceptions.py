"""The errors: what each inherits, keeps and says."""

import errno
import os
import pickle
import traceback
from collections.abc import Callable
from typing import Any, cast

import pytest

import gmemflags
from gmemflags import (
    MAINLINE,
    CapabilityQueryError,
    Catalog,
    CatalogError,
    FlagSyntaxError,
    FlagWord,
    GmemFlagsError,
    GuestMemfdCreateError,
    GuestMemfdFlag,
    InconsistentAnswerError,
    InvalidMaskError,
    KvmUnavailableError,
    Need,
    NegotiationError,
    NegotiationTooHardError,
    PoolError,
    Profile,
    RecordError,
    Request,
    Scope,
    Support,
    Unavailable,
    parse_mask,
)


@pytest.mark.parametrize("name", [name for name in gmemflags.__all__ if name.endswith("Error")])
def test_every_error_is_one_of_ours(name: str) -> None:
    """One ``except GmemFlagsError`` catches all."""
    assert issubclass(getattr(gmemflags, name), GmemFlagsError)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (InvalidMaskError, ValueError),
        (FlagSyntaxError, ValueError),
        (CatalogError, ValueError),
        (RecordError, ValueError),
        (PoolError, ValueError),
        (KvmUnavailableError, OSError),
        (CapabilityQueryError, OSError),
        (GuestMemfdCreateError, OSError),
    ],
)
def test_an_error_is_the_builtin_that_one_would_catch(
    error: type[GmemFlagsError], builtin: type[Exception]
) -> None:
    """So that code which never heard of us handles it right."""
    assert issubclass(error, builtin)


@pytest.mark.parametrize("error", [NegotiationError, InconsistentAnswerError])
def test_an_answer_is_no_builtins_error(error: type[GmemFlagsError]) -> None:
    """A refusal is no bad value and no failed call."""
    assert not issubclass(error, (ValueError, OSError))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (InvalidMaskError("-1", "a mask"), "-1 is not a mask"),
        (CatalogError("a-tree", "it is odd"), "catalog a-tree: it is odd"),
        (RecordError("/flags", "it is odd"), "at /flags: it is odd"),
        (PoolError("a host", "is odd"), "a host is odd"),
        (PoolError("", "there is no host"), "there is no host"),
        (
            InconsistentAnswerError("VM_TYPES", 1 << 64, "no long", "a host"),
            "a host answered 18446744073709551616 to KVM_CAP_VM_TYPES: no long",
        ),
        (
            KvmUnavailableError(2, "gone", "/dev/x", Unavailable.NO_DEVICE),
            "/dev/x: gone (errno 2, no-device)",
        ),
        (
            CapabilityQueryError(14, "Bad address", 244, "a host"),
            "a host did not answer KVM_CHECK_EXTENSION(244): Bad address (errno 14)",
        ),
        (
            GuestMemfdCreateError(22, "No", 4096, 1, "bit 0 is not listed"),
            "guest_memfd of 4096 bytes with flags 0x1: No (errno 22); bit 0 is not listed",
        ),
    ],
)
def test_the_sentence_of(error: GmemFlagsError, sentence: str) -> None:
    """It is made of the data, when somebody reads it."""
    assert str(error) == sentence


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (errno.EIO, "another process than the VM's creator"),
        (errno.EBADF, "the descriptor is closed, or was never one"),
        (errno.ENOTTY, "not a KVM device or VM"),
    ],
)
def test_an_errno_is_told_with_what_it_means_here(code: int, meaning: str) -> None:
    """The kernel's own text for EIO helps nobody after a fork."""
    assert meaning in str(CapabilityQueryError(code, os.strerror(code), 244, "a VM"))


def test_a_closed_descriptor_is_told_as_such() -> None:
    """Also where a descriptor was to be taken; any other errno is left to speak for itself."""
    error = KvmUnavailableError(errno.EBADF, "Bad", "descriptor 9", Unavailable.NOT_KVM)
    assert str(error).endswith("(errno 9, not-kvm); the descriptor is closed, or was never one")


def test_a_traceback_has_the_remedy() -> None:
    """It is a note, once, also of an unpickled error; foreign text makes no line of its own."""
    error = KvmUnavailableError(22, "No", "VM of type 4", Unavailable.NO_VM, "ask for type 0\nx")
    for one in (error, pickle.loads(pickle.dumps(error))):  # noqa: S301  # our own
        shown = "".join(traceback.format_exception_only(one))
        assert shown.endswith(": No (errno 22, no-vm)\nhint: ask for type 0\\nx\n")


def test_an_error_without_an_errno_has_no_meaning_added() -> None:
    """None and 0 are not numbers of errors, and say that there is none."""
    error = CapabilityQueryError(5, "x", 244, "a VM")
    for none in (None, 0):
        error.errno = none
        assert str(error).endswith("x (no errno)")


def test_a_syntax_error_says_the_place_and_the_nearest_name() -> None:
    """And omits the hint where no name is near."""
    error = FlagSyntaxError("MMPA", 0, "no such flag", "MMAP")
    assert str(error) == "no such flag at position 0 of 'MMPA'; did you mean MMAP?"
    assert str(FlagSyntaxError("zz", 0, "no such flag")) == "no such flag at position 0 of 'zz'"


def test_a_syntax_error_in_a_long_text_shows_its_surroundings() -> None:
    """Eighty characters of a text that somebody else may have written, not a megabyte."""
    text = f"{'A' * 10_000}!{'B' * 10_000}"
    told = str(FlagSyntaxError(text, 10_000, "odd"))
    assert told == f"odd at position 10000 near {'A' * 40 + '!' + 'B' * 39!r}"


def test_the_reasons_are_texts() -> None:
    """They print and compare as what a log has."""
    assert [str(reason) for reason in Unavailable] == [
        "no-device",
        "no-permission",
        "not-kvm",
        "no-vm",
        "failed",
    ]


ODD = "good\nrefused\x1b[2K\u202e\u200b\u2028"


@pytest.mark.parametrize(
    "error",
    [
        CatalogError(ODD, "it is odd"),
        PoolError(ODD, "is odd"),
        NegotiationTooHardError(ODD, 3),
        InconsistentAnswerError(ODD, -22, "no flags", ODD),
        KvmUnavailableError(2, "gone", ODD, Unavailable.NO_DEVICE),
        CapabilityQueryError(5, "Input/output error", 244, ODD),
        FlagSyntaxError(f"{ODD}|MMAP", 4, "no such flag"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_names_from_outside_are_quoted(error: GmemFlagsError) -> None:
    """An origin, a catalog or a capability forges no line, and the attribute keeps it as it is."""
    assert str(error).isprintable()
    assert any(ODD in str(value) for value in (*error.args, *vars(error).values()))


def test_a_long_name_is_cut() -> None:
    """200 characters of it are told."""
    assert len(str(CatalogError("x" * 10_000, "it is odd"))) < 250


def flag_class(members: object) -> Any:
    """A flag class with an odd name."""
    return cast("Any", FlagWord)(ODD, members)


HOST = Support(answers={}, scope=Scope.VM, catalog=MAINLINE)


@pytest.mark.parametrize(
    "make",
    [
        lambda: parse_mask("\u202eMMAP"),
        lambda: parse_mask("MMAP\n|x"),
        lambda: parse_mask("0x1\x1b"),
        lambda: Catalog(ODD, GuestMemfdFlag, {ODD: 1, "Y": 1}),
        lambda: Catalog(ODD, GuestMemfdFlag, {ODD: -1}),
        lambda: Catalog(ODD, GuestMemfdFlag, {ODD: 1, f"KVM_CAP_{ODD}": 2}),
        lambda: Catalog(ODD, GuestMemfdFlag, {}, (), [Profile(ODD, Request(), "")] * 2),
        lambda: Support(answers={ODD: 1}, scope=Scope.VM, origin=ODD, catalog=MAINLINE),
        lambda: Support(answers={}, scope=Scope.VM, catalog=MAINLINE).answer(ODD),
        lambda: Request(flag_names=cast("Any", [("X", ODD)])),
        lambda: Request(needs=cast("Any", [ODD])),
        lambda: flag_class({ODD: 1, "X": 1}),
        lambda: flag_class({ODD: 1, f"GUEST_MEMFD_FLAG_{ODD}": 2}),
        lambda: Catalog("t", flag_class(()), {}),
        lambda: HOST.state(flag_class({ODD: 1})(1)),
        lambda: flag_class({ODD: 1})(1) | GuestMemfdFlag.INIT_SHARED,
        lambda: GuestMemfdFlag.INIT_SHARED | flag_class({ODD: 1})(1),
        lambda: Need("X", flag_class({ODD: 1, "X": 2})(3)),
    ],
    ids=range(18),
)
def test_no_message_forges_a_line(make: Callable[[], Any]) -> None:
    """Wherever the text comes from."""
    with pytest.raises((GmemFlagsError, TypeError)) as caught:
        make()
    assert str(caught.value).isprintable()
