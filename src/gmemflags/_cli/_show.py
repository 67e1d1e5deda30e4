"""``gmemflags show``: what a host says, at system scope and for one VM of each type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmemflags._cli import _options
from gmemflags._cli._machine import opened, vm_types
from gmemflags._cli._out import complain, emit, say
from gmemflags._cli._status import Status, as_command_error
from gmemflags._exceptions import CapabilityQueryError, InconsistentAnswerError, KvmUnavailableError
from gmemflags._host import query

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from gmemflags._catalog import Catalog
    from gmemflags._cli._machine import Machine
    from gmemflags._host import Support


def add(parser: ArgumentParser) -> None:
    """Add the options of ``show``."""
    _options.add_host(parser)
    parser.add_argument(
        "--no-create-vm", action="store_true", help="ask the device alone, and make no VM"
    )
    _options.add_catalog(parser)
    _options.add_json(parser, "one JSON record a line, one for each descriptor that was asked")


def run(args: Namespace) -> int:
    """Ask, and print what was said."""
    catalog = _options.chosen_catalog(args)
    with opened(args) as machine:
        supports = [query(machine.system, catalog)]
        wanted = [] if args.no_create_vm else vm_types(supports[0])
        supports += ask_vms(machine, catalog, wanted)
    if args.json:
        from gmemflags.records import dumps

        for support in supports:
            emit(dumps(machine.recorded(support)))
    else:
        from gmemflags._cli._card import card

        say(card(machine.title, supports))
    return Status.YES if len(supports) == 1 + len(wanted) else Status.NO_ANSWER


def ask_vms(machine: Machine, catalog: Catalog, wanted: list[int]) -> list[Support]:
    """What a VM of each type says; one that cannot be had is told on standard error."""
    found: list[Support] = []
    for vm_type in wanted:
        try:
            with machine.vm(vm_type) as vm:
                found.append(query(vm, catalog))
        except (KvmUnavailableError, CapabilityQueryError, InconsistentAnswerError) as error:
            end = as_command_error(error)
            complain(end.what, end.remedy)
    return found
