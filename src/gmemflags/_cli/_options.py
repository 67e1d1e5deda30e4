"""The options that several commands share, and what they choose."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any, Protocol

from attrs import evolve

from gmemflags._catalog import Capability
from gmemflags._cli._hosts import HOSTS
from gmemflags._cli._machine import DEVICE
from gmemflags._cli._out import complain
from gmemflags._mainline import KVM_CAP_GUEST_MEMFD_FLAGS, MAINLINE, SHIPPED, TAKEN

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from gmemflags._catalog import Catalog

CATALOGS = {catalog.name: catalog for catalog in SHIPPED}


class Options(Protocol):
    """What options are added to: a parser, or a group of one."""

    def add_argument(self, *names: str, **how: Any) -> object:
        """Add one."""


def number(text: str) -> int:
    """A decimal or hexadecimal number below 2**31; argparse tells what is wrong with others."""
    if text.isascii() and text.isalnum() and len(text) <= 12:
        try:
            value = int(text, 16 if text[:2].lower() == "0x" else 10)
        except ValueError:
            value = -1
        if 0 <= value < 1 << 31:
            return value
    raise ArgumentTypeError(f"{text[:60]!r} is no number in [0, 2**31)")


def flags_hi_number(text: str) -> int:
    """A number that KVM_CAP_GUEST_MEMFD_FLAGS_HI may have: all up to 244 are taken."""
    value = number(text)
    if value <= KVM_CAP_GUEST_MEMFD_FLAGS:
        raise ArgumentTypeError(f"{value} is another capability, like every number up to 244")
    return value


def add_device(options: Options) -> None:
    """--device; None if it is not given."""
    options.add_argument("--device", metavar="PATH", help=f"the KVM device (default: {DEVICE})")


def add_host(parser: ArgumentParser) -> None:
    """--device and --host: who is asked."""
    who = parser.add_mutually_exclusive_group()
    add_device(who)
    who.add_argument(
        "--host",
        metavar="NAME",
        choices=HOSTS,
        help="instead of a device, a host that comes with this program, recorded or derived from"
        f" the kernel's sources: {', '.join(HOSTS)}",
    )


def add_catalog(parser: ArgumentParser, more: str = "") -> None:
    """--catalog and --flags-hi: how the answers are read."""
    parser.add_argument(
        "--catalog",
        metavar="NAME",
        choices=CATALOGS,
        help=f"the kernel tree that names the flags: {', '.join(CATALOGS)}"
        f" (default: {MAINLINE.name}{more})",
    )
    parser.add_argument(
        "--flags-hi",
        metavar="N",
        type=flags_hi_number,
        help="the number of KVM_CAP_GUEST_MEMFD_FLAGS_HI in a tree that has one; a wrong number"
        " turns another capability's answer into flags",
    )


def add_json(options: Options, what: str) -> None:
    """--json, which prints ``what``."""
    options.add_argument("--json", action="store_true", help=f"for programs: print {what}")


def add_skip_bad(parser: ArgumentParser) -> None:
    """--skip-bad."""
    parser.add_argument(
        "--skip-bad", action="store_true", help="report broken lines, skip and count them"
    )


def chosen_catalog(args: Namespace) -> Catalog:
    """The catalog of --catalog; with --flags-hi, after a warning, another one by another name."""
    catalog = CATALOGS[args.catalog or MAINLINE.name]
    if args.flags_hi is None:
        return catalog
    other = TAKEN.get(args.flags_hi)
    mainline = f" (in mainline {args.flags_hi} is KVM_CAP_{other})" if other else ""
    chosen = evolve(
        catalog,
        name=f"{catalog.name}+flags-hi-{args.flags_hi}",
        capabilities={**catalog.capabilities, Capability.GUEST_MEMFD_FLAGS_HI: args.flags_hi},
    )
    complain(
        f"capability {args.flags_hi} is read as bits 63:32 of the flags, because you said so"
        f"{mainline}",
        "check the number: a wrong one turns another capability's answer into flags",
        "warning",
    )
    return chosen
