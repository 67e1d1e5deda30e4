"""``gmemflags catalogs``: what kernel trees define, as text, as JSON and as a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmemflags._cli._options import CATALOGS, add_json
from gmemflags._cli._out import emit, fold, say
from gmemflags._cli._status import CommandError, Status
from gmemflags._format import (
    describe,
    describe_mask,
    format_hosts,
    format_mask,
    format_need,
    format_rule,
)
from gmemflags._masks import bits

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from gmemflags._catalog import Catalog, Profile
    from gmemflags._rules import Rule


def add(parser: ArgumentParser) -> None:
    """Add the options of ``catalogs``."""
    parser.add_argument(
        "name",
        metavar="NAME",
        nargs="?",
        choices=CATALOGS,
        help=f"show everything about one catalog: {', '.join(CATALOGS)}",
    )
    how = parser.add_mutually_exclusive_group()
    add_json(how, "one JSON record a line, one for each catalog")
    how.add_argument(
        "--graph",
        action="store_true",
        help="print which flags require and exclude which, as a Mermaid flowchart",
    )


def run(args: Namespace) -> int:
    """Print the list, or one catalog."""
    if args.graph and args.name is None:
        raise CommandError("a graph shows one catalog", f"name one of {', '.join(CATALOGS)}")
    chosen = [CATALOGS[args.name]] if args.name else list(CATALOGS.values())
    if args.graph:
        from gmemflags._cli._graph import graph

        emit("\n".join(graph(chosen[0])))
    elif args.json:
        from gmemflags.records import dumps

        for catalog in chosen:
            emit(dumps(catalog))
    else:
        lines = (line for c in chosen for line in (whole(c) if args.name else summary(c)))
        say("\n".join(fold(line) for line in lines))
    return Status.YES


def summary(catalog: Catalog) -> Iterator[str]:
    """One catalog of the list."""
    yield catalog.name
    yield f"  flags: {format_mask(catalog.named, catalog)}"
    yield f"  rules: {len(catalog.rules)}"
    yield f"  profiles: {', '.join(catalog.profiles) or 'none'}"


def whole(catalog: Catalog) -> Iterator[str]:
    """All about one catalog."""
    yield catalog.name
    yield f"  digest {catalog.digest}"
    yield ""
    yield "flags"
    for bit in bits(catalog.named):
        yield f"  {describe(bit, catalog)}"
    yield ""
    yield "capabilities"
    for name, number in catalog.capabilities.items():
        yield f"  {'none' if number is None else number:<6}KVM_CAP_{name}"
    yield ""
    yield "rules"
    for rule in catalog.rules:
        yield from _rule(rule, catalog)
    yield ""
    yield "profiles"
    for profile in catalog.profiles.values():
        yield from _profile(profile, catalog)


def _rule(rule: Rule, catalog: Catalog) -> Iterator[str]:
    yield f"  {format_rule(rule, catalog)}"
    yield f"    stage: {rule.stage}"
    yield f"    holds on: {format_hosts(rule.hosts)}"
    yield f"    why: {rule.why}"
    yield f"    source: {rule.source}"


def _profile(profile: Profile, catalog: Catalog) -> Iterator[str]:
    request = profile.request
    yield f"  {profile.name}"
    yield f"    why: {profile.why}"
    yield f"    required: {describe_mask(request.required, catalog)}"
    for group in request.preferred:
        yield f"    preferred: {describe_mask(group, catalog)}"
    if request.forbidden:
        yield f"    forbidden: {describe_mask(request.forbidden, catalog)}"
    for need in request.needs:
        yield f"    needs: {format_need(need)}"
