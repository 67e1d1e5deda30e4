"""``gmemflags probe``: which combinations a VM takes, asked of the kernel itself."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from attrs import evolve

from gmemflags._cli import _options
from gmemflags._cli._machine import device, made, of_this_node
from gmemflags._cli._out import complain, emit, fold, progress, say
from gmemflags._cli._status import CommandError, Status, remedy
from gmemflags._exceptions import KvmUnavailableError
from gmemflags._format import parse_mask
from gmemflags._learn import extent
from gmemflags.linux import Kvm, probe
from gmemflags.linux._create import MEANINGS

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from gmemflags._catalog import Catalog
    from gmemflags.linux import ProbeReport

_SOON = 0.5  # seconds after which somebody waits
_OFTEN = 0.1


def add(parser: ArgumentParser) -> None:
    """Add the options of ``probe``."""
    _options.add_device(parser)
    kind = "make a VM of this type (default: 0)"
    parser.add_argument("--vm-type", metavar="N", type=_options.number, default=0, help=kind)
    _options.add_catalog(parser)
    parser.add_argument(
        "--limit",
        metavar="N",
        type=_options.number,
        default=4096,
        help="create at most N files (default: 4096); with too few the report is incomplete",
    )
    parser.add_argument(
        "--around",
        metavar="FLAGS",
        action="append",
        default=[],
        help="try this mask too, and what is near it where not all can be tried; may be repeated",
    )
    _add_how(parser)


def _add_how(parser: ArgumentParser) -> None:
    how = parser.add_mutually_exclusive_group()
    _options.add_json(how, "what was tried as one JSON record")
    how.add_argument(
        "--as-catalog",
        metavar="NAME",
        nargs="?",
        const="",
        help="print a Python module with the catalog that this kernel obeys"
        " (default name: that of the catalog with -probed)",
    )


def run(args: Namespace) -> int:
    """Probe a new VM, and print what the options ask for."""
    catalog = _options.chosen_catalog(args)
    report = _probed(args, catalog)
    if args.json:
        from gmemflags.records import dumps

        emit(dumps(evolve(report, support=of_this_node(report.support))))
    elif args.as_catalog is not None:
        emit(_module(report, args.as_catalog or f"{catalog.name}-probed"))
    else:
        say("\n".join(fold(line) for line in str(report).splitlines()))
    if not report.complete:
        verb = "is not complete" if report.stopped is None else "ended early"
        complain(f"the probe {verb}: {extent(report)}", _way_on(report))
    if report.contradictions:
        return Status.NO
    return Status.YES if report.complete else Status.NO_ANSWER


def _probed(args: Namespace, catalog: Catalog) -> ProbeReport:
    around = [parse_mask(text, catalog) for text in args.around]
    try:
        with Kvm.open(device(args)) as kvm, made(kvm.create_vm, args.vm_type, kvm) as vm:
            return probe(vm, catalog, around=around, limit=args.limit, progress=waiting())
    except KvmUnavailableError as error:
        raise CommandError(str(error), remedy(error), Status.NO_ANSWER) from None
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
    raise CommandError(
        f"no catalog follows from this: {extent(report)}", _way_on(report), Status.NO_ANSWER
    )


def _way_on(report: ProbeReport) -> str:
    # What makes an incomplete report complete.
    if report.stopped is None:
        return "see the errnos in the report, or raise --limit"
    return MEANINGS.get(report.stopped, "see the errno")
