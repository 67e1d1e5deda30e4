"""Who is asked: a device, or one of the hosts that come with this program."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from attrs import evolve, frozen

from gmemflags._catalog import Capability
from gmemflags._cli._hosts import HOSTS
from gmemflags._cli._status import CommandError, Status, as_command_error
from gmemflags._exceptions import GmemFlagsError, KvmUnavailableError, Unavailable
from gmemflags._host import query
from gmemflags._masks import bits
from gmemflags.linux import Kvm

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Generator, Mapping
    from contextlib import AbstractContextManager

    from gmemflags._host import Backend, Support

V = TypeVar("V")

DEVICE = "/dev/kvm"


@frozen(kw_only=True)
class Machine:
    """A host that can be asked: itself, and a new VM of a given type for as long as it is used."""

    title: Mapping[str, str]
    system: Backend
    vm: Callable[[int], AbstractContextManager[Backend]]
    recorded: Callable[[Support], Support] = lambda support: support
    """What it said, as its records tell it elsewhere."""


def device(args: Namespace) -> str:
    """The path of --device."""
    return DEVICE if args.device is None else str(args.device)


@contextmanager
def opened(args: Namespace) -> Generator[Machine, None, None]:
    """The host of --host, or the one that --device opens; closed when the block is left."""
    if args.host is not None:
        host = HOSTS[args.host]
        yield Machine(title=host.title, system=host.system, vm=host.vm)
        return
    with Kvm.open(device(args)) as kvm:
        facts = kvm.host
        title = {"host": f"{kvm.origin} on Linux {facts.kernel}, {facts.machine}"}
        yield Machine(title=title, system=kvm, vm=kvm.create_vm, recorded=of_this_node)


def of_this_node(support: Support) -> Support:
    """What this host said, with its name in the origin: a record leaves it."""
    return evolve(support, origin=f"{support.origin} of {os.uname().nodename}")


def vm_types(system: Support) -> list[int]:
    """The VM types that the host lists; type 0 alone where it lists none."""
    listed = system.answer(Capability.VM_TYPES) or 1
    return [bit.bit_length() - 1 for bit in bits(listed)]


def made(make: Callable[[int], V], vm_type: int, system: Backend) -> V:
    """``make(vm_type)``; a type that the host does not list ends the command with those it does."""
    try:
        return make(vm_type)
    except KvmUnavailableError as error:
        end = as_command_error(error)
        if error.reason is Unavailable.NO_VM:
            with suppress(GmemFlagsError):
                known = vm_types(query(system))
                if vm_type not in known:
                    listed = " or ".join(map(str, known))
                    remedy = f"ask for a VM type that the host lists: --vm-type {listed}"
                    end = CommandError(end.what, remedy, Status.NO_ANSWER)
        raise end from None
