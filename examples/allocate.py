"""From nothing to guest memory: open KVM, make a VM, agree on flags, create, map, write, explain.

    python examples/allocate.py [DEVICE]

DEVICE is /dev/kvm unless another is given. Where it cannot be opened, the same negotiation is
shown on a host that is a table.
"""

import mmap
import os
import sys

from gmemflags import MAINLINE, KvmUnavailableError, NegotiationError, Request, Resolution, Support, negotiate, query
from gmemflags import GuestMemfdFlag as F
from gmemflags.linux import Kvm, Vm
from gmemflags.testing import FakeBackend

SIZE = 512 * os.sysconf("SC_PAGE_SIZE")
WANTED = Request(required=F.MMAP, preferred=[F.INIT_SHARED])


def main(device: str = "/dev/kvm") -> None:
    """Allocate on this machine, or show what would be said on another."""
    try:
        with Kvm.open(device) as kvm, kvm.create_vm() as vm:
            host = query(vm)
            allocate(vm, agree(host))
    except NegotiationError as error:
        print(error.resolution)
        return
    except KvmUnavailableError as error:
        print(f"{error}; {error.remedy}.\nThe same on a host that is a table:\n")
        host = query(FakeBackend.narrow(F.MMAP | F.INIT_SHARED))
        agree(host)
    print()
    refuse(host)


def agree(host: Support) -> Resolution:
    """Agree on flags, and tell line by line why these."""
    answer = negotiate(host, WANTED)
    print(answer)
    return answer


def allocate(vm: Vm, answer: Resolution) -> None:
    """Create guest memory with the flags that were agreed on, and use it."""
    fd = vm.create_guest_memfd(SIZE, answer)
    try:
        print(f"created: {SIZE} bytes, flags {answer.mask:#x}")
        if F.INIT_SHARED not in answer.flags:
            print("not touched: it can be mapped, but a touch of it would be a SIGBUS")
            return
        with mmap.mmap(fd, SIZE) as memory:
            memory[:6] = b"kernel"
            print(f"mapped: wrote and read back {memory[:6].decode()!r}")
    finally:
        os.close(fd)


def refuse(host: Support) -> None:
    """Ask a default VM for private memory, which it does not have."""
    try:
        negotiate(host, MAINLINE.profiles["private"])
    except NegotiationError as error:
        print(error.resolution)


if __name__ == "__main__":
    main(*sys.argv[1:])
