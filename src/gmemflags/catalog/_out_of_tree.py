"""Catalogs of trees that are not mainline: a claim of whoever chooses one."""

from __future__ import annotations

from attrs import evolve

from gmemflags.catalog._mainline import MAINLINE, NEEDS_USER_MEMORY2, RULES
from gmemflags.catalog._request import Need, Profile, Request
from gmemflags.catalog._rules import Hosts, Never
from gmemflags.catalog._uapi import VM_TYPES_X86
from gmemflags.masks import FlagWord

_SNP_AND_TDX = tuple(
    number for number, name in VM_TYPES_X86.items() if name in {"KVM_X86_SNP_VM", "KVM_X86_TDX_VM"}
)


class FirecrackerFlag(FlagWord):
    """The flags of Firecracker's secret-freedom kernels, 6.18-based, 2026.

    NO_DIRECT_MAP is that of the mail "Direct Map Removal Support for guest_memfd", v12, 10 Apr
    2026.
    """

    __module__ = "gmemflags.catalog"

    MMAP = 1 << 0
    INIT_SHARED = 1 << 1
    NO_DIRECT_MAP = 1 << 2
    """The memory is taken out of the host kernel's direct map."""
    WRITE = 1 << 3
    """The file can be populated with write(2)."""


_F = FirecrackerFlag
_BOOT = _F.MMAP | _F.INIT_SHARED | _F.NO_DIRECT_MAP

FIRECRACKER_SECRET_FREE = evolve(
    MAINLINE,
    name="firecracker-secret-free",
    flags=FirecrackerFlag,
    capabilities={**MAINLINE.capabilities, "USERFAULT": 245},
    rules=(
        *RULES,
        Never(
            _F.NO_DIRECT_MAP,
            why="Memory of SNP and TDX VMs is never taken out of the direct map.",
            source='Mail "Direct Map Removal Support for guest_memfd", v12, 10 Apr 2026',
            hosts=Hosts(machines=("x86_64", "i686"), vm_types=_SNP_AND_TDX),
        ),
    ),
    profiles=[
        Profile(
            "boot",
            Request(required=_BOOT, needs=[NEEDS_USER_MEMORY2]),
            "A microVM booted from secret-free memory.",
        ),
        Profile(
            "restore",
            Request(required=_BOOT | _F.WRITE, needs=[NEEDS_USER_MEMORY2, Need("USERFAULT")]),
            "A microVM restored from a snapshot: memory is written, and faults are served.",
        ),
    ],
)

SHIPPED = (MAINLINE, FIRECRACKER_SECRET_FREE)
"""Every catalog that comes with this library."""
