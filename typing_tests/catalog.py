"""The types of catalogs and requests: checked, never run."""

from collections.abc import Mapping
from typing import assert_type

from attrs import evolve

import gmemflags
from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
    Always,
    Capability,
    Catalog,
    Excludes,
    FlagWord,
    GuestMemfdFlag,
    Hosts,
    Need,
    Never,
    Prerequisites,
    Profile,
    Refused,
    Request,
    Requires,
    Rule,
    Scope,
    Stage,
    format_mask,
    format_rule,
    lint,
    parse_mask,
)
from gmemflags import GuestMemfdFlag as F
from gmemflags._mainline import FirecrackerFlag


def catalogs() -> None:
    """A catalog is plain data."""
    assert_type(MAINLINE, Catalog)
    assert_type(FIRECRACKER_SECRET_FREE, Catalog)
    assert_type(MAINLINE.name, str)
    assert_type(MAINLINE.flags, type[FlagWord])
    assert_type(MAINLINE.flags["MMAP"], FlagWord)
    assert_type(MAINLINE.capabilities, Mapping[str, int | None])
    assert_type(MAINLINE.capabilities[Capability.GUEST_MEMFD_FLAGS], int | None)
    assert_type(MAINLINE.rules, tuple[Rule, ...])
    assert_type(MAINLINE.profiles, Mapping[str, Profile])
    assert_type(MAINLINE.digest, str)
    assert_type(MAINLINE.named, int)
    assert_type(MAINLINE.name_of(1), str | None)
    assert_type(lint(MAINLINE), tuple[str, ...])
    Catalog("a tree", GuestMemfdFlag, {"GUEST_MEMFD": 234}, [], [])
    Catalog("a tree", FirecrackerFlag, {Capability.GUEST_MEMFD: None}, profiles={})
    assert_type(evolve(MAINLINE, name="mine", rules=[]), Catalog)
    assert_type(FirecrackerFlag.MMAP | FirecrackerFlag.WRITE, FirecrackerFlag)


def rules() -> None:
    """A rule is a fact about masks."""
    hosts = Hosts(machines=["aarch64"], vm_types=[0])
    requires = Requires(F.MMAP, all_of=F.INIT_SHARED, any_of=[1, 2], why="", source="", hosts=hosts)
    excludes = Excludes(1, 2, why="", source="", stage=Stage.BIND)
    always = Always(F.MMAP, any_of=(1, 2), why="", source="")
    never = Never(4, why="", source="")
    refused = Refused(3, why="", source="")
    assert_type(requires, Requires)
    assert_type(excludes, Excludes)
    assert_type(always, Always)
    assert_type(never, Never)
    assert_type(refused, Refused)
    for rule in (requires, excludes, always, never, refused):
        assert_type(rule.holds(3), bool)
        assert_type(rule.why, str)
        assert_type(rule.source, str)
        assert_type(rule.stage, Stage)
        assert_type(rule.hosts, Hosts)
        assert_type(rule.operands, tuple[int, ...])
        assert_type(rule.clauses(3), list[tuple[int, int, int, tuple[int, ...]]])
        assert_type(format_rule(rule), str)
    assert_type(requires.flag, int)
    assert_type((requires.all_of, always.all_of), tuple[int, int])
    assert_type((requires.any_of, always.any_of), tuple[tuple[int, ...], tuple[int, ...]])
    assert_type((excludes.a, excludes.b), tuple[int, int])
    assert_type((never.mask, refused.mask), tuple[int, int])
    assert_type(hosts.machines, tuple[str, ...])
    assert_type(hosts.vm_types, tuple[int, ...])
    assert_type(hosts.except_vm_types, tuple[int, ...])
    assert_type(hosts.include(None, 0), bool | None)
    assert_type(Stage.CREATE < Stage.ACCESS, bool)


def requests() -> None:
    """A request is what a caller wants."""
    request = Request(
        required=F.MMAP,
        preferred=[F.INIT_SHARED, 6],
        forbidden=~F.MMAP,
        needs=[Need("X", 1), Need(Capability.USER_MEMORY2, any_of=(1, 2))],
        prerequisites=Prerequisites.ADD,
        until=Stage.ACCESS,
        scope=Scope.SYSTEM,
    )
    assert_type(request, Request)
    assert_type(evolve(request, until=Stage.BIND), Request)
    assert_type(request.required, int)
    assert_type(request.preferred, tuple[int, ...])
    assert_type(request.forbidden, int)
    assert_type(request.needs, tuple[Need, ...])
    assert_type(request.prerequisites, Prerequisites)
    assert_type(request.until, Stage)
    assert_type(request.scope, Scope)
    assert_type(request.digest, str | None)
    assert_type(request.flag_names, frozenset[tuple[int, str]])
    need = request.needs[0]
    assert_type(need.capability, str)
    assert_type(need.bits, int)
    assert_type(need.any_of, tuple[int, ...])
    assert_type(need.met_by(1), bool)
    profile = Profile("mine", request, "Why not.")
    assert_type(profile.name, str)
    assert_type(profile.request, Request)
    assert_type(profile.why, str)


def text() -> None:
    """Text belongs to a tree."""
    assert_type(format_mask(3), str)
    assert_type(format_mask(F.MMAP, FIRECRACKER_SECRET_FREE), str)
    assert_type(parse_mask("MMAP", MAINLINE), int)


def mistakes() -> None:
    """An ignore that is not needed is an error."""
    Need(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Never(None, why="", source="")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Never(4)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # no rule without why
    Requires(1, "x", source="")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Request(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # keywords only
    Request(required="MMAP")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert MAINLINE.flags.MMAP  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # it is F.MMAP
    Request(until="bind")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    MAINLINE.name = "mine"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    Catalog("a tree", F.MMAP, {})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    MAINLINE.capabilities["X"] = 1  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
    assert gmemflags.Catalgo  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # a typo
    parse_mask(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
