"""From nothing to guest memory: open KVM, make a VM, agree on flags, create, map, write, explain.

    python examples/allocate.py [DEVICE]

DEVICE is /dev/kvm unless another is given. Where it cannot be opened, the same is shown on a VM
that is a table.
"""

import mmap
import os
import sys

from gmemflags import (
    MAINLINE,
    KvmUnavailableError,
    NegotiationError,
    VmBackend,
    negotiate,
    query,
)
from gmemflags.linux import Kvm
from gmemflags.testing import FakeVm

SIZE = 512 * os.sysconf("SC_PAGE_SIZE")


def main(device: str = "/dev/kvm") -> None:
    """Allocate on this machine, or show what would be said on another."""
    try:
        with Kvm.open(device) as kvm, kvm.create_vm() as vm:
            use(vm)
    except KvmUnavailableError as error:
        print(f"{error}; {error.remedy}.\nThe same on a VM that is a table:\n")
        use(FakeVm.narrow(0x3))


def use(vm: VmBackend) -> None:
    """Allocate what a default VM has, and ask for what it does not have."""
    try:
        allocate(vm)
        negotiate(query(vm), MAINLINE.profiles["private"])
    except NegotiationError as error:
        print(error.resolution)


def allocate(vm: VmBackend) -> None:
    """Agree on flags, tell line by line why these, create guest memory with them, and use it."""
    answer = negotiate(query(vm), MAINLINE.profiles["fully-shared"])
    print(answer)
    fd = vm.create_guest_memfd(SIZE, answer)
    try:
        print(f"created: {SIZE} bytes, flags {answer.mask:#x}")
        with mmap.mmap(fd, SIZE) as memory:
            memory[:6] = b"kernel"
            print(f"mapped: wrote and read back {memory[:6].decode()!r}\n")
    finally:
        os.close(fd)


if __name__ == "__main__":
    main(*sys.argv[1:])
