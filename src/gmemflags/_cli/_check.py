"""``gmemflags check``: does a host take these flags, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmemflags._catalog import Scope
from gmemflags._cli import _options
from gmemflags._cli._machine import made, opened
from gmemflags._cli._out import emit, say
from gmemflags._cli._request import add_policy, add_request, is_file, request, status
from gmemflags._cli._status import CommandError
from gmemflags._host import query
from gmemflags._resolve import resolve

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from gmemflags._catalog import Catalog
    from gmemflags._host import Support


def add(parser: ArgumentParser) -> None:
    """Add the options of ``check``."""
    add_request(parser)
    add_policy(parser)
    _options.add_host(parser)
    _add_vm(parser)
    _options.add_catalog(parser, "; with a file, that of each record")
    _options.add_skip_bad(parser)
    _options.add_json(parser, "the whole decision as one JSON document, or one for each host")


def _add_vm(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--vm-type",
        metavar="N",
        type=_options.number,
        help="make a VM of this type (default: 0); with a file: only VMs of this type",
    )
    parser.add_argument(
        "--scope",
        choices=[str(scope) for scope in Scope],
        default=str(Scope.VM),
        help="where the answer must hold: on a VM (default), or on /dev/kvm, an upper bound",
    )


def run(args: Namespace) -> int:
    """Ask one descriptor, or many recorded ones; resolve the request, and print the answer."""
    files = [word for word in args.flags if is_file(word)]
    _check_usage(args, files)
    if files:
        from gmemflags._cli._check_pool import check_pool

        return check_pool(args, files)
    catalog = _options.chosen_catalog(args)
    wanted = request(args, catalog)
    answer = resolve(_asked(args, catalog), wanted)
    if args.json:
        from gmemflags.records import dumps

        emit(dumps(answer))
    else:
        say(str(answer))
    return status(answer)


def _check_usage(args: Namespace, files: list[str]) -> None:
    if not (len(args.flags) > len(files) or args.prefer or args.profile):
        raise CommandError(
            "nothing to check is given", "name flags (0 for none), or a profile with --profile"
        )
    if args.scope == Scope.SYSTEM and args.vm_type is not None:
        raise CommandError("--scope system asks no VM", "leave out --vm-type, or --scope system")
    if files:
        for option in ("device", "host"):
            if getattr(args, option) is not None:
                raise CommandError(f"a file and --{option} exclude each other", "give one of them")
    elif args.skip_bad:
        raise CommandError(
            "--skip-bad is for files of recorded hosts, and none is given",
            "name a file, or leave out --skip-bad",
        )


def _asked(args: Namespace, catalog: Catalog) -> Support:
    with opened(args) as machine:
        if args.scope == Scope.SYSTEM:
            support = query(machine.system, catalog)
        else:
            with made(machine.vm, args.vm_type or 0, machine.system) as vm:
                support = query(vm, catalog)
    return machine.recorded(support) if args.json else support
