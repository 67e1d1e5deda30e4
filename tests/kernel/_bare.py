"""The same ioctls without a line of the library: what it must agree with."""

import fcntl

KVM_CHECK_EXTENSION = 0xAE03
NUMBERS = {
    "USER_MEMORY2": 231,
    "MEMORY_ATTRIBUTES": 233,
    "GUEST_MEMFD": 234,
    "VM_TYPES": 235,
    "GUEST_MEMFD_FLAGS": 244,
}


def check(fd: int, number: int) -> int:
    """KVM_CHECK_EXTENSION as the obvious code makes it: right as long as bit 31 is not set."""
    return fcntl.ioctl(fd, KVM_CHECK_EXTENSION, number)


def answers(fd: int) -> dict[str, int]:
    """Every answer that a query keeps."""
    return {name: check(fd, number) for name, number in NUMBERS.items()}


def types(fd: int) -> list[int]:
    """The VM types that the kernel lists; type 0 where it lists none."""
    mask = check(fd, NUMBERS["VM_TYPES"]) or 1
    return [number for number in range(32) if mask >> number & 1]
