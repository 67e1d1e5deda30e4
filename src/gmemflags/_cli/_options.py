"""The options that several commands share, and what they choose."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from gmemflags._cli._hosts import HOSTS
from gmemflags._cli._out import complain
from gmemflags.catalog import FIRECRACKER_SECRET_FREE, MAINLINE
from gmemflags.catalog._uapi import KVM_CAP_GUEST_MEMFD_FLAGS, Capability
from gmemflags.linux import Kvm

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Generator, Mapping
    from contextlib import AbstractContextManager

    from gmemflags.catalog import Catalog
    from gmemflags.host import Backend, Support

CATALOGS = {catalog.name: catalog for catalog in (MAINLINE, FIRECRACKER_SECRET_FREE)}
# Who has these numbers in mainline: include/uapi/linux/kvm.h, v7.2.
_TAKEN = {
    245: "ARM_SEA_TO_USER",
    246: "S390_USER_OPEREXEC",
    247: "S390_KEYOP",
    248: "S390_VSIE_ESAMODE",
    249: "S390_HPAGE_2G",
}


@frozen(kw_only=True)
class Machine:
    """A host that can be asked: itself, and a new VM of a given type for as long as it is used."""

    title: Mapping[str, str]
    system: Backend
    vm: Callable[[int], AbstractContextManager[Backend]]
    recorded: Callable[[Support], Support] = lambda support: support
    """What it said, as its records tell it elsewhere."""


def number(text: str) -> int:
    """A decimal or hexadecimal number below 2**31; argparse tells what is wrong with others."""
    digits = text.lower().removeprefix("0x")
    base = 16 if len(digits) < len(text) else 10
    if text.isascii() and text.isalnum() and len(text) <= 12:
        try:
            value = int(digits, base)
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


def add_host(parser: ArgumentParser) -> None:
    """--device and --host: who is asked."""
    who = parser.add_mutually_exclusive_group()
    who.add_argument(
        "--device", metavar="PATH", default="/dev/kvm", help="the KVM device (default: /dev/kvm)"
    )
    who.add_argument(
        "--host",
        metavar="NAME",
        choices=HOSTS,
        help=f"a host that is recorded in this program instead: {', '.join(HOSTS)}",
    )


def add_catalog(parser: ArgumentParser) -> None:
    """--catalog and --flags-hi: how the answers are read."""
    parser.add_argument(
        "--catalog",
        metavar="NAME",
        choices=CATALOGS,
        default=MAINLINE.name,
        help=f"the kernel tree, which gives the names: {', '.join(CATALOGS)} (default: the first)",
    )
    parser.add_argument(
        "--flags-hi",
        metavar="N",
        type=flags_hi_number,
        help="the number of KVM_CAP_GUEST_MEMFD_FLAGS_HI in a tree that has one; a wrong number"
        " turns another capability's answer into flags",
    )


def add_json(parser: ArgumentParser, what: str) -> None:
    """--json, which prints ``what``."""
    parser.add_argument("--json", action="store_true", help=f"print {what}, for programs")


def chosen_catalog(args: Namespace) -> Catalog:
    """The catalog of --catalog; with --flags-hi, after a warning, another one by another name."""
    catalog = CATALOGS[args.catalog]
    if args.flags_hi is None:
        return catalog
    other = _TAKEN.get(args.flags_hi)
    mainline = f" (in mainline {args.flags_hi} is KVM_CAP_{other})" if other else ""
    chosen = evolve(
        catalog,
        name=f"{catalog.name}+flags-hi-{args.flags_hi}",
        capabilities={**catalog.capabilities, Capability.GUEST_MEMFD_FLAGS_HI: args.flags_hi},
    )
    complain(
        f"capability {args.flags_hi} is read as bits 63:32 of the flags, on your word{mainline}",
        "make sure of it: a wrong number turns another capability's answer into flags",
        "warning",
    )
    return chosen


@contextmanager
def opened(args: Namespace) -> Generator[Machine, None, None]:
    """The host of --host, or the one that --device opens; closed when the block is left."""
    if args.host is not None:
        host = HOSTS[args.host]
        yield Machine(title=host.title, system=host.system, vm=host.vm)
        return
    with Kvm.open(args.device) as kvm:
        facts = kvm.host
        title = {"host": f"{kvm.origin} on Linux {facts.kernel}, {facts.machine}"}
        yield Machine(title=title, system=kvm, vm=kvm.create_vm, recorded=of_this_node)


def of_this_node(support: Support) -> Support:
    """What this host said, with its name in the origin: a record leaves it."""
    return evolve(support, origin=f"{support.origin} of {os.uname().nodename}")
