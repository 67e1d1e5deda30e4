"""The types of the public surface, as a user's type checker sees them; checked, never run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_type

import gmemflags
from gmemflags import (
    MAINLINE,
    BitState,
    Catalog,
    GuestMemfdFlag,
    HostFacts,
    Need,
    Never,
    Outcome,
    Problem,
    Profile,
    Request,
    Resolution,
    Scope,
    Suggestion,
    Support,
    bits,
    format_mask,
    lint,
    negotiate,
    parse_mask,
    query,
    resolve,
    u64,
)
from gmemflags.catalog import FIRECRACKER_SECRET_FREE, Rule
from gmemflags.exceptions import NegotiationError
from gmemflags.linux import Kvm, ProbeReport, Vm, probe
from gmemflags.masks import FlagWord, merge_words, read_long, split_words, u32
from gmemflags.testing import FakeBackend


def masks() -> None:
    """Masks are ints and stay ints."""
    assert_type(u64(1), int)
    assert_type(u32(1), int)
    assert_type(bits(3), tuple[int, ...])
    assert_type(merge_words(1, 2), int)
    assert_type(split_words(3), tuple[int, int])
    assert_type(read_long(3), tuple[int, int])
    assert_type(~GuestMemfdFlag.MMAP, GuestMemfdFlag)
    assert_type(GuestMemfdFlag.MMAP | GuestMemfdFlag.INIT_SHARED, GuestMemfdFlag)


def catalogs() -> None:
    """A catalog is plain data."""
    assert_type(MAINLINE, Catalog)
    assert_type(FIRECRACKER_SECRET_FREE, Catalog)
    assert_type(MAINLINE.flags, type[FlagWord])
    assert_type(MAINLINE.capabilities, Mapping[str, int | None])
    assert_type(MAINLINE.rules, tuple[Rule, ...])
    assert_type(MAINLINE.profiles["private"], Profile)
    assert_type(MAINLINE.digest, str)
    assert_type(lint(MAINLINE), tuple[str, ...])
    assert_type(format_mask(3), str)
    assert_type(parse_mask("MMAP"), int)


def hosts() -> None:
    """What a host said."""
    support = query(FakeBackend.narrow(3))
    assert_type(support, Support)
    assert_type(support.answers, Mapping[str, int])
    assert_type(support.mask, int)
    assert_type(support.flags, FlagWord)
    assert_type(support.words, tuple[int, int])
    assert_type(support.guest_memfd, bool | None)
    assert_type(support.state(1), BitState)
    assert_type(support.under(MAINLINE), Support)
    assert_type(support.host, HostFacts)
    assert_type(support.scope, Scope)


def negotiation(support: Support) -> None:
    """A request, a profile or a mask; the answer is a value."""
    assert_type(resolve(support, 1), Resolution)
    assert_type(resolve(support, MAINLINE.profiles["private"]), Resolution)
    answer = negotiate(support, Request(required=GuestMemfdFlag.MMAP, preferred=[2]))
    assert_type(answer.mask, int)
    assert_type(answer.flags, FlagWord)
    assert_type(answer.ok, bool)
    assert_type(answer.headline, str)
    assert_type(answer.problems, tuple[Problem, ...])
    assert_type(answer.outcomes, tuple[Outcome, ...])
    assert_type(answer.suggestions, tuple[Suggestion, ...])
    assert_type(answer.advice, tuple[str, ...])
    assert_type(answer.why(1), str)
    assert_type(answer.pin(), Request)
    try:
        negotiate(support, 1)
    except NegotiationError as error:
        assert_type(error.resolution, Resolution)


def linux() -> None:
    """The real thing."""
    with Kvm.open() as kvm, kvm.create_vm() as vm:
        assert_type(kvm, Kvm)
        assert_type(vm, Vm)
        assert_type(query(vm), Support)
        assert_type(vm.create_guest_memfd(4096, 0), int)
        assert_type(probe(vm), ProbeReport)


def mistakes(support: Support) -> None:
    """Lines that a type checker must refuse: an ignore that is not needed is an error."""
    Need(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Never(None, why="", source="")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert gmemflags.queyr  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # a typo
    Request(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # keywords only
    Request(required="MMAP")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    resolve(support, "MMAP")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    support.mask = 1  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    Request(until="bind")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
