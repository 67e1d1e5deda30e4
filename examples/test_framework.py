"""A VMM's test framework: decide for each host which tests can run, and record why others cannot.

    python examples/test_framework.py [FILE]

FILE gets a record of each decision to skip, one a line, with all that it was decided from:
`head -n 1 FILE | gmemflags replay` decides the first again. The hosts are tables, and this
machine where it has a /dev/kvm.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve

from gmemflags import MAINLINE, Capability, HostFacts, KvmUnavailableError, Need, Profile, Request, Resolution, Support, query, records, resolve
from gmemflags import GuestMemfdFlag as F
from gmemflags.linux import Kvm
from gmemflags.testing import FakeBackend

USER_MEMORY2 = Need(Capability.USER_MEMORY2)

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
        Request(required=F.MMAP, forbidden=F.INIT_SHARED, needs=[USER_MEMORY2]),
        "Memory that can be mapped and must not be touched.",
    ),
}


def main(arguments: list[str]) -> None:
    """Decide for all hosts, print the plan, and record what was skipped."""
    skipped: list[Resolution] = []
    for host in hosts():
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


def hosts() -> Iterator[Support]:
    """The machines of the pool."""
    yield fake("x86-64, Linux 6.8, a default VM", {231: 1}, "x86_64", 0)
    yield fake("x86-64, Linux 6.18, a default VM", {231: 1, 234: 1, 244: 3}, "x86_64", 0)
    yield fake("x86-64, Linux 6.18, SNP", {231: 1, 233: 8, 234: 1, 244: 1}, "x86_64", 4)
    yield fake("arm64, Linux 6.18", {231: 1, 234: 1, 244: 3}, "aarch64", 0)
    try:
        with Kvm.open() as kvm, kvm.create_vm() as vm:
            yield evolve(query(vm), origin="this machine")
    except KvmUnavailableError as error:
        print(f"this machine: {error}")


def fake(name: str, answers: dict[int, int], machine: str, vm_type: int) -> Support:
    """What a host says whose answers are a table: by capability number, all others 0."""
    facts = HostFacts(machine=machine, vm_type=vm_type)
    return query(FakeBackend(answers, host=facts, origin=name))


if __name__ == "__main__":
    main(sys.argv[1:])
