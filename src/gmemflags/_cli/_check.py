"""``gmemflags check``: does a host take these flags, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from gmemflags._cli import _options
from gmemflags._cli._out import emit, say
from gmemflags._cli._status import CommandError, Status
from gmemflags.catalog import MAINLINE, Prerequisites, Request, Scope, Stage, parse_mask
from gmemflags.host import query
from gmemflags.negotiation import Reason, resolve

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable

    from gmemflags.catalog import Catalog
    from gmemflags.host import Support
    from gmemflags.negotiation import Resolution

# With nothing worse, a refusal is no statement about the host.
_OPEN = frozenset(
    {
        Reason.ONLY_UPPER_BOUND,
        Reason.UNKNOWABLE,
        Reason.GUEST_MEMFD_NOT_ASKED,
        Reason.NEED_NOT_ASKED,
    }
)


def add(parser: ArgumentParser) -> None:
    """Add the options of ``check``."""
    _add_request(parser)
    _add_policy(parser)
    _options.add_host(parser)
    _add_vm(parser)
    _options.add_catalog(parser)
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="tell broken lines of a file of hosts, go on, and count them",
    )
    _options.add_json(parser, "the whole decision as one JSON document, or one for each host")


def _add_request(parser: ArgumentParser) -> None:
    parser.add_argument(
        "flags",
        metavar="FLAGS",
        nargs="*",
        help="required flags: names or masks, joined by | or a comma; 0 is none. A word with a dot"
        " or a slash, or a mere -, is a file of recorded hosts, to be asked instead of this one",
    )
    parser.add_argument(
        "--prefer",
        metavar="FLAGS",
        action="append",
        default=[],
        help="wanted if possible, all of FLAGS or none; again for a wish of lower priority",
    )
    parser.add_argument(
        "--forbid", metavar="FLAGS", action="append", default=[], help="never in the answer"
    )


def _add_policy(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--add-prerequisites",
        action="store_true",
        help="add flags that the wanted ones require, instead of refusing",
    )
    parser.add_argument(
        "--until",
        choices=[str(stage) for stage in Stage],
        help="the last stage whose rules count (default: that of the profile, or bind)",
    )
    parser.add_argument(
        "--profile", metavar="NAME", help="start from a named request of the catalog"
    )


def _add_vm(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--vm-type",
        metavar="N",
        type=_options.number,
        help="make a VM of this type (default: 0); of a file, take VMs of this type alone",
    )
    parser.add_argument(
        "--scope",
        choices=[str(scope) for scope in Scope],
        default=str(Scope.VM),
        help="where the answer must hold: on a VM (default), or on /dev/kvm, an upper bound",
    )


def run(args: Namespace) -> int:
    """Ask one descriptor, or many recorded ones; resolve the request, and print the answer."""
    files = [word for word in args.flags if _is_file(word)]
    if files:
        return _check_pool(args, files)
    catalog = _options.chosen_catalog(args)
    request = _request(args, catalog)
    answer = resolve(_asked(args, catalog), request)
    if args.json:
        from gmemflags.records import dumps

        emit(dumps(answer))
    else:
        say(str(answer))
    return status(answer)


def _is_file(word: str) -> bool:
    # No flag and no mask has a dot or a slash.
    return word == "-" or "." in word or "/" in word


def _check_pool(args: Namespace, files: list[str]) -> int:
    from gmemflags._cli._check_pool import check_pool

    args.flags = [word for word in args.flags if not _is_file(word)]
    chosen = _options.chosen_catalog(args)
    under = None if chosen == MAINLINE else chosen
    return check_pool(
        args, files, request=lambda catalog: _request(args, catalog), status=status, under=under
    )


def _asked(args: Namespace, catalog: Catalog) -> Support:
    with _options.opened(args) as machine:
        if args.scope == Scope.SYSTEM:
            support = query(machine.system, catalog)
        else:
            with machine.vm(args.vm_type or 0) as vm:
                support = query(vm, catalog)
    return machine.recorded(support) if args.json else support


def _request(args: Namespace, catalog: Catalog) -> Request:
    if not (args.flags or args.prefer or args.profile):
        raise CommandError(
            "nothing to check is given", "name flags (0 for none), or a profile with --profile"
        )
    if args.scope == Scope.SYSTEM and args.vm_type is not None:
        raise CommandError("--scope system asks no VM", "leave out --vm-type, or --scope system")
    base = _profile(args.profile, catalog) if args.profile else Request()
    return evolve(
        base,
        required=base.required | _mask(args.flags, catalog),
        preferred=(*base.preferred, *(parse_mask(text, catalog) for text in args.prefer)),
        forbidden=base.forbidden | _mask(args.forbid, catalog),
        prerequisites=Prerequisites.ADD if args.add_prerequisites else base.prerequisites,
        until=Stage[args.until.upper()] if args.until else base.until,
        scope=Scope(args.scope),
    )


def _mask(texts: Iterable[str], catalog: Catalog) -> int:
    mask = 0
    for text in texts:
        mask |= parse_mask(text, catalog)
    return mask


def _profile(name: str, catalog: Catalog) -> Request:
    if name in catalog.profiles:
        return catalog.profiles[name].request
    known = ", ".join(catalog.profiles) or "none"
    raise CommandError(
        f"{catalog.name} has no profile {name!r}",
        f"its profiles: {known}; --catalog chooses another tree",
    )


def status(answer: Resolution) -> Status:
    """The exit status for ``answer``: a refusal is a no only if the host really said no."""
    if answer.ok:
        return Status.YES
    reasons = {problem.reason for problem in answer.problems}
    return Status.NO_ANSWER if reasons <= _OPEN else Status.NO
