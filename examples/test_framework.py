"""A VMM's test framework: decide for each host which tests can run, and record why others cannot.

    python examples/test_framework.py [FILE]

FILE gets a record of each decision to skip, one a line, with all that it was decided from:
``gmemflags.records.loads`` reads one, and decides it again. The hosts are those that come with the
library, and this machine where it has a /dev/kvm.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve

from gmemflags import (
    MAINLINE,
    Capability,
    KvmUnavailableError,
    Need,
    Profile,
    Request,
    Resolution,
    Stage,
    Support,
    query,
    records,
    resolve,
)
from gmemflags import GuestMemfdFlag as F
from gmemflags.linux import Kvm
from gmemflags.testing import hosts

USER_MEMORY2 = Need(Capability.USER_MEMORY2, why="A slot of memory has a file.")

# What each test needs: the flags, and the other capabilities without which they are of no use.
TESTS = {
    "test_boot_shared": MAINLINE.profiles["fully-shared"],
    "test_boot_private": MAINLINE.profiles["private"],
    "test_boot_anywhere": Profile(
        "anywhere",
        Request(preferred=[F.MMAP | F.INIT_SHARED], needs=[USER_MEMORY2]),
        "Any guest_memfd will do; mapped if the host can.",
    ),
    "test_mmap_of_private_is_sigbus": Profile(
        "mmap-only",
        Request(required=F.MMAP, forbidden=F.INIT_SHARED, needs=[USER_MEMORY2], until=Stage.BIND),
        "Memory that can be mapped, and whose every touch is a SIGBUS: that is the test.",
    ),
}


def main(arguments: list[str]) -> None:
    """Decide for all hosts, print the plan, and record what was skipped."""
    skipped: list[Resolution] = []
    for host in pool():
        print(host.origin)
        for test, profile in TESTS.items():
            answer = resolve(host, profile)
            if answer.ok:
                print(f"  run   {test} with flags {answer.mask:#x}")
            else:
                print(f"  skip  {test}: {answer.headline}")
                skipped.append(answer)
    for file in arguments:
        Path(file).write_text("".join(f"{records.dumps(answer)}\n" for answer in skipped))


def pool() -> Iterator[Support]:
    """The VMs of all hosts."""
    for host in hosts.values():
        for vm_type in host.on_vm:
            yield query(host.vm(vm_type))
    try:
        with Kvm.open() as kvm, kvm.create_vm() as vm:
            yield evolve(query(vm), origin="this machine")
    except KvmUnavailableError as error:
        print(f"this machine: {error}; {error.remedy}")


if __name__ == "__main__":
    main(sys.argv[1:])
