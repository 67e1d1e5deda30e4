"""The numbers and words of the kernel's user interface, and nothing else.

No number is guessed here. KVM_CAP_GUEST_MEMFD_FLAGS_HI has been proposed and has no number, and
245 and up belong to other capabilities, whose answers would be read as flags.
Source: include/uapi/linux/kvm.h, v7.2.
"""

from __future__ import annotations

from enum import StrEnum


class Capability(StrEnum):
    """The capabilities that the library itself knows, by kernel name without ``KVM_CAP_``.

    A member is a str: a catalog may number others of its tree by plain name.
    """

    __module__ = "gmemflags"

    USER_MEMORY2 = "USER_MEMORY2"
    MEMORY_ATTRIBUTES = "MEMORY_ATTRIBUTES"
    GUEST_MEMFD = "GUEST_MEMFD"
    VM_TYPES = "VM_TYPES"
    GUEST_MEMFD_FLAGS = "GUEST_MEMFD_FLAGS"
    GUEST_MEMFD_FLAGS_HI = "GUEST_MEMFD_FLAGS_HI"


class Scope(StrEnum):
    """Which descriptor answers: /dev/kvm for the best imaginable VM, or a VM for itself.

    Source: Documentation/virt/kvm/api.rst 4.4, v6.18.
    """

    __module__ = "gmemflags"

    SYSTEM = "system"
    VM = "vm"


KVM_CAP_USER_MEMORY2 = 231
KVM_CAP_MEMORY_ATTRIBUTES = 233
KVM_CAP_GUEST_MEMFD = 234
KVM_CAP_VM_TYPES = 235
KVM_CAP_GUEST_MEMFD_FLAGS = 244
# arm64 only: the bits of the guest's physical address space, which KVM_CREATE_VM's argument holds.
KVM_CAP_ARM_VM_IPA_SIZE = 165

KVM_MEMORY_ATTRIBUTE_PRIVATE = 1 << 3

KVM_API_VERSION = 12
KVM_GET_API_VERSION = 0xAE00
KVM_CREATE_VM = 0xAE01
KVM_CHECK_EXTENSION = 0xAE03
KVM_CREATE_GUEST_MEMFD = 0xC040AED4

# uname's names of an arm64 kernel: arm64 proper, and what a 32-bit personality is told.
ARM64_MACHINES = ("aarch64", "aarch64_be", "armv8l", "armv8b")

# The next numbers, which belong to others: their answers would be read as flags.
TAKEN = {
    245: "ARM_SEA_TO_USER",
    246: "S390_USER_OPEREXEC",
    247: "S390_KEYOP",
    248: "S390_VSIE_ESAMODE",
    249: "S390_HPAGE_2G",
}

# Source: arch/x86/include/uapi/asm/kvm.h, v7.2.
VM_TYPES_X86 = {
    0: "KVM_X86_DEFAULT_VM",
    1: "KVM_X86_SW_PROTECTED_VM",
    2: "KVM_X86_SEV_VM",
    3: "KVM_X86_SEV_ES_VM",
    4: "KVM_X86_SNP_VM",
    5: "KVM_X86_TDX_VM",
}
