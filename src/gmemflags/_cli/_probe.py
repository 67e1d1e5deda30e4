"""``gmemflags probe``: which combinations a VM takes, asked of the kernel itself."""

from __future__ import annotations

from errno import EINVAL, errorcode
from time import monotonic
from typing import TYPE_CHECKING

from attrs import evolve

from gmemflags._cli import _options
from gmemflags._cli._out import complain, emit, fold, progress, say
from gmemflags._cli._status import CommandError, Status
from gmemflags.catalog import format_mask, format_rule, parse_mask
from gmemflags.catalog._text import describe, describe_mask
from gmemflags.exceptions import KvmUnavailableError
from gmemflags.linux import Kvm, probe
from gmemflags.linux._create import MEANINGS
from gmemflags.masks import bits

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterable, Iterator

    from gmemflags.catalog import Catalog, Rule
    from gmemflags.linux import ProbeReport

_SOON = 0.5  # seconds after which somebody waits
_OFTEN = 0.1


def add(parser: ArgumentParser) -> None:
    """Add the options of ``probe``."""
    parser.add_argument(
        "--device", metavar="PATH", default="/dev/kvm", help="the KVM device (default: /dev/kvm)"
    )
    parser.add_argument(
        "--vm-type",
        metavar="N",
        type=_options.number,
        default=0,
        help="make a VM of this type (default: 0)",
    )
    _options.add_catalog(parser)
    parser.add_argument(
        "--limit",
        metavar="N",
        type=_options.number,
        default=4096,
        help="create at most this many files (default: 4096); too few leave the report incomplete",
    )
    parser.add_argument(
        "--around",
        metavar="FLAGS",
        action="append",
        default=[],
        help="try these as well, and what is near them where not all can be tried; again for more",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--json", action="store_true", help="print what was tried as one JSON record, for programs"
    )
    how.add_argument(
        "--as-catalog",
        metavar="NAME",
        nargs="?",
        const="",
        help="print a Python module with the catalog that this kernel obeys"
        " (default: the name of the catalog, and -probed)",
    )


def run(args: Namespace) -> int:
    """Probe a new VM, and print what the options ask for."""
    catalog = _options.chosen_catalog(args)
    report = _probed(args, catalog)
    if args.json:
        from gmemflags.records import dumps

        emit(dumps(evolve(report, support=_options.of_this_node(report.support))))
    elif args.as_catalog is not None:
        emit(_module(report, args.as_catalog or f"{catalog.name}-probed"))
    else:
        say("\n".join(fold(line) for line in lines(report)))
    if report.stopped is not None:
        complain(f"the probe ended early: {_extent(report)}", MEANINGS[report.stopped])
    if report.contradictions:
        return Status.NO
    return Status.YES if report.stopped is None else Status.NO_ANSWER


def _probed(args: Namespace, catalog: Catalog) -> ProbeReport:
    around = [parse_mask(text, catalog) for text in args.around]
    try:
        with Kvm.open(args.device) as kvm, kvm.create_vm(args.vm_type) as vm:
            return probe(vm, catalog, around=around, limit=args.limit, progress=waiting())
    except KvmUnavailableError as error:
        raise CommandError(str(error), error.remedy, Status.NO_ANSWER) from None
    finally:
        progress("")


def waiting(clock: Callable[[], float] = monotonic) -> Callable[[int], None]:
    """A function that is told how many masks were tried, and tells whoever waits for it."""
    due = clock() + _SOON

    def tell(tried: int) -> None:
        nonlocal due
        if (now := clock()) >= due:
            due = now + _OFTEN
            progress(f"masks tried: {tried}")

    return tell


def _module(report: ProbeReport, name: str) -> str:
    if report.complete:
        from gmemflags._cli._source import module

        return module(report.as_catalog(name), report.source)
    remedy = "raise --limit; without --as-catalog, the report shows what else is in the way"
    raise CommandError(
        f"no catalog follows from this: {_extent(report)}",
        remedy if report.stopped is None else MEANINGS[report.stopped],
        Status.NO_ANSWER,
    )


def _extent(report: ProbeReport) -> str:
    # How far the probe came.
    tried = f"masks tried: {len(report.observations)}"
    if report.stopped is not None:
        return f"{tried}, until {_named(report.stopped)}"
    every = "every" if report.complete else "not every"
    return f"{tried}, among them {every} combination of the listed flags"


def _named(errno: int) -> str:
    return errorcode.get(errno, f"errno {errno}")


def lines(report: ProbeReport) -> Iterator[str]:
    """The report for people."""
    support, catalog = report.support, report.support.catalog
    host = support.host
    yield f"host    {support.origin}, Linux {host.kernel}, {host.machine}"
    yield f"names   {catalog.name}"
    yield f"lists   {describe_mask(support.mask, catalog)}"
    yield f"tried   files of {report.size} bytes, reserved words of zero: {_extent(report)}"
    yield ""
    yield from _table(report)
    so_far = "" if report.complete else ", which is not everything"
    sections = {
        f"rules that hold in all of this{so_far}": _rules(report.rules, catalog),
        "refused, and explained by no rule": _masks(report.unexplained, catalog),
        "kernel and catalog contradict each other": [f"  {line}" for line in report.contradictions],
        "undetermined: in no mask that was taken, and not all were tried": [
            f"  {describe(bit, catalog)}" for bit in bits(report.undetermined)
        ],
    }
    for title, content in sections.items():
        if content:
            yield from ("", title, *content)


def _table(report: ProbeReport) -> Iterator[str]:
    # A line for each mask, but one for all single bits that are neither listed nor taken.
    listed, catalog = report.support.mask, report.support.catalog
    plain = {
        mask
        for mask, errno in report.observations.items()
        if errno == EINVAL and mask.bit_count() == 1 and not mask & listed
    }
    width = max([4, *(len(hex(mask)) for mask in report.observations.keys() - plain)])
    yield f"  {'mask':>{width}}  answer      flags"
    for mask, errno in report.observations.items():
        if mask not in plain:
            answer = _named(errno) if errno else "taken"
            yield f"  {mask:#{width}x}  {answer:<10}  {format_mask(mask, catalog)}"
    if plain:
        yield f"  EINVAL for all other single bits tried: {len(plain)}, none of them listed"


def _rules(rules: Iterable[Rule], catalog: Catalog) -> list[str]:
    told = ((f"  {format_rule(rule, catalog)}", f"    {rule.why}") for rule in rules)
    return [line for pair in told for line in pair]


def _masks(masks: Iterable[int], catalog: Catalog) -> list[str]:
    return [f"  {describe_mask(mask, catalog)}" for mask in sorted(masks)]
