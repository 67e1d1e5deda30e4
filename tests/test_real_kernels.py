"""Kernels and trees that there are or were, each with its source, and what they answer."""

from typing import Any

import pytest
from attrs import evolve

from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
    Excludes,
    FlagWord,
    HostFacts,
    Prerequisites,
    Profile,
    Reason,
    Request,
    Requires,
    Scope,
    Stage,
    Support,
    query,
    resolve,
)
from gmemflags import GuestMemfdFlag as F
from gmemflags.testing import FakeBackend
from tests.trees import system, tree_of

ADD = Prerequisites.ADD
PRIVATE = MAINLINE.profiles["private"]
SHARED = MAINLINE.profiles["fully-shared"]
BOOT = FIRECRACKER_SECRET_FREE.profiles["boot"]
RESTORE = FIRECRACKER_SECRET_FREE.profiles["restore"]
BIND_RULE = MAINLINE.rules[0]
NO_DIRECT_MAP_RULE = FIRECRACKER_SECRET_FREE.rules[0]
DEFAULT, SW_PROTECTED, SNP, TDX = 0, 1, 4, 5
CREATE, ACCESS = Stage.CREATE, Stage.ACCESS

Case = tuple[Support, Request | Profile | int, int | list[Reason]]


def asked(
    answers: dict[int, int], kernel: str, machine: str | None, vm_type: int | None, **rest: Any
) -> Support:
    """What a VM answered; numbers that are not there answer 0, as in the kernel."""
    host = HostFacts(kernel, machine, vm_type)
    return query(FakeBackend(answers, host=host, origin="the VM"), **rest)


# Linux 6.8 to 6.17: KVM_CAP_GUEST_MEMFD_FLAGS is not known, and a VM without private memory has
# no guest_memfd. 6.18: every x86-64 VM has it, and lists INIT_SHARED if it has no private memory.
OLD = asked({231: 1, 235: 0x3}, "6.8.0", "x86_64", DEFAULT)
OLD_PROTECTED = asked({231: 1, 233: 8, 234: 1, 235: 0x3}, "6.8.0", "x86_64", SW_PROTECTED)
NEW = asked({231: 1, 234: 1, 235: 0x1, 244: 3}, "6.18.0", "x86_64", DEFAULT)


def confidential(vm_type: int) -> Support:
    """A VM with private memory on 6.18: MMAP is listed, INIT_SHARED is not."""
    answers = {231: 1, 233: 8, 234: 1, 235: 0x3F, 244: 1}
    return asked(answers, "6.18.0", "x86_64", vm_type)


def arm64(machine: str | None = "aarch64") -> Support:
    """Both flags are listed always, and there is no private memory."""
    return asked({231: 1, 234: 1, 244: 3}, "6.18.0", machine, None)


def firecracker(flags: int, vm_type: int | None, machine: str = "x86_64") -> Support:
    """A VM on Firecracker's kernel, which has USERFAULT by the number 245."""
    answers = {231: 1, 234: 1, 235: 0x3F, 244: flags, 245: 1}
    return asked(answers, "6.18.0-fc", machine, vm_type, catalog=FIRECRACKER_SECRET_FREE)


MAINLINE_CASES: dict[str, Case] = {
    "6.8: a default VM has no guest_memfd (api.rst 4.4; measured)": (
        OLD,
        PRIVATE,
        [Reason.NOT_FOR_THIS_VM, Reason.NEED_ABSENT],
    ),
    "6.8: neither guest_memfd nor its flags (api.rst 4.4)": (
        OLD,
        SHARED,
        [Reason.NOT_FOR_THIS_VM, Reason.UNSUPPORTED, Reason.UNSUPPORTED],
    ),
    "6.8: private memory without any flag: 0 is a mask (api.rst 4.4)": (OLD_PROTECTED, PRIVATE, 0),
    "6.8: 244 answers 0, known or not: no flag is usable (api.rst 4.4)": (
        OLD_PROTECTED,
        SHARED,
        [Reason.NO_FLAGS, Reason.NO_FLAGS],
    ),
    "6.18: guest_memfd without private memory (libkrun issues 478 and 519)": (
        NEW,
        PRIVATE,
        [Reason.NEED_ABSENT],
    ),
    "6.18: both flags are listed (include/linux/kvm_host.h, v6.18; measured)": (NEW, SHARED, 3),
    **{
        f"6.18: VM type {vm_type} has private memory without a flag (kvm.h)": (
            confidential(vm_type),
            PRIVATE,
            0,
        )
        for vm_type in (SW_PROTECTED, SNP, TDX)
    },
    **{
        f"6.18: INIT_SHARED is not for VM type {vm_type} (kvm_host.h, v6.18)": (
            confidential(vm_type),
            SHARED,
            [Reason.UNSUPPORTED],
        )
        for vm_type in (SW_PROTECTED, SNP, TDX)
    },
    **{
        f"6.18: {mask:#x} can be created and bound on x86-64 (measured)": (
            NEW,
            Request(required=mask, until=Stage.BIND),
            mask,
        )
        for mask in range(4)
    },
    **{
        f"6.18: {flag.name} alone is SIGBUS or ENODEV (measured)": (
            NEW,
            Request(required=flag, until=ACCESS),
            [Reason.MISSING_PREREQUISITE],
        )
        for flag in F
    },
    **{
        f"6.18: {flag.name} brings the other (measured)": (
            NEW,
            Request(required=flag, until=ACCESS, prerequisites=ADD),
            3,
        )
        for flag in F
    },
    **{
        f"arm64: both flags on {machine} (32e200bd6e44)": (arm64(machine), SHARED, 3)
        for machine in ("aarch64", "aarch64_be", "armv8l", "armv8b")
    },
    **{
        f"arm64: a file without MMAP cannot be bound on {machine} (32e200bd6e44)": (
            arm64(machine),
            Request(until=Stage.BIND),
            [Reason.MISSING_PREREQUISITE],
        )
        for machine in ("aarch64", "aarch64_be", "armv8l", "armv8b", None)
    },
    "arm64: MMAP is added (32e200bd6e44)": (
        arm64(),
        Request(until=Stage.BIND, prerequisites=ADD),
        1,
    ),
    "arm64: it can be created (32e200bd6e44)": (arm64(), Request(until=CREATE), 0),
    "arm64: no private memory, no binding without MMAP (32e200bd6e44)": (
        arm64(),
        PRIVATE,
        [Reason.NEED_ABSENT, Reason.MISSING_PREREQUISITE],
    ),
    "riscv64: 32e200bd6e44 is about arm64 only": (arm64("riscv64"), 0, 0),
}
ON_MAINLINE = asked(
    {231: 1, 234: 1, 235: 0x1, 244: 3}, "6.18.0", "x86_64", DEFAULT, catalog=FIRECRACKER_SECRET_FREE
)
COLLIDING = asked(
    {231: 1, 234: 1, 244: 3, 245: 1}, "7.2.0", "aarch64", None, catalog=FIRECRACKER_SECRET_FREE
)
FIRECRACKER_CASES: dict[str, Case] = {
    "boot: three flags and USER_MEMORY2": (firecracker(0xF, DEFAULT), BOOT, 0x7),
    "restore: WRITE and USERFAULT besides": (firecracker(0xF, DEFAULT), RESTORE, 0xF),
    "boot on mainline 6.18": (ON_MAINLINE, BOOT, [Reason.UNSUPPORTED]),
    "restore on mainline 6.18": (
        ON_MAINLINE,
        RESTORE,
        [Reason.UNSUPPORTED, Reason.UNSUPPORTED, Reason.NEED_ABSENT],
    ),
    "boot, read as mainline": (NEW, BOOT, [Reason.UNNAMED]),
    "restore, read as mainline": (
        NEW,
        RESTORE,
        [Reason.UNNAMED, Reason.UNNAMED, Reason.NEED_NOT_ASKED],
    ),
    "restore where 245 is KVM_CAP_ARM_SEA_TO_USER: meets the need, and is not a yes (v7.2)": (
        COLLIDING,
        RESTORE,
        [Reason.UNSUPPORTED, Reason.UNSUPPORTED],
    ),
    "a VM that may be SNP or TDX (mail, v12, Apr 2026)": (
        firecracker(0xF, None),
        BOOT,
        [Reason.RULE_CONFLICT],
    ),
    "arm64 has no SNP and no TDX": (firecracker(0xF, None, "aarch64"), BOOT, 0x7),
    **{
        f"VM type {vm_type} lists MMAP alone (kvm_host.h, v6.18)": (
            firecracker(0x1, vm_type),
            BOOT,
            [Reason.UNSUPPORTED, Reason.UNSUPPORTED],
        )
        for vm_type in (SNP, TDX)
    },
    **{
        f"VM type {vm_type}, whatever is listed (mail, v12, Apr 2026)": (
            firecracker(0xF, vm_type),
            BOOT,
            [Reason.RULE_CONFLICT],
        )
        for vm_type in (SNP, TDX)
    },
}


class HugeTlbRfc(FlagWord):
    """The flags of the HugeTLB RFC v2; the page size in bits 63:58 is a number, not flags."""

    SUPPORT_SHARED = 1 << 0
    INIT_PRIVATE = 1 << 1
    HUGETLB = 1 << 2


class HugeTlb(FlagWord):
    """The flags of a later huge-page series; the bit of HUGETLB was not settled: 4 here."""

    MMAP = 1 << 0
    INIT_SHARED = 1 << 1
    HUGETLB = 1 << 4


class Provider(FlagWord):
    """The flags of the provider series; the bit of USE_PROVIDER was not settled: 5 here."""

    MMAP = 1 << 0
    INIT_SHARED = 1 << 1
    USE_PROVIDER = 1 << 5


# Series that were never merged. The capability numbers are mainline's, for want of others.
RFC = tree_of(
    HugeTlbRfc,
    Requires(
        HugeTlbRfc.INIT_PRIVATE,
        all_of=HugeTlbRfc.SUPPORT_SHARED,
        why="INIT_PRIVATE without SUPPORT_SHARED is EINVAL.",
        source="guest_memfd HugeTLB RFC v2, Ackerley Tng, 14 May 2025",
    ),
)
LATER = tree_of(
    HugeTlb,
    Excludes(
        HugeTlb.HUGETLB,
        HugeTlb.INIT_SHARED,
        why="The series lets them exclude each other.",
        source="A huge-page work in progress, after Sean Christopherson's answer of 3 Oct 2025",
    ),
)
PROVIDER = tree_of(
    Provider,
    Requires(
        Provider.USE_PROVIDER,
        all_of=Provider.MMAP,
        why="The series asks for MMAP with it.",
        source="The USE_PROVIDER (first USE_RESOURCE) series, Sep-Oct 2026",
    ),
)
HOSTS = {tree: query(FakeBackend.narrow(tree.named), tree) for tree in (RFC, LATER, PROVIDER)}
PROPOSED_CASES: dict[str, Case] = {
    "INIT_PRIVATE alone is EINVAL": (
        HOSTS[RFC],
        HugeTlbRfc.INIT_PRIVATE,
        [Reason.MISSING_PREREQUISITE],
    ),
    "INIT_PRIVATE with SUPPORT_SHARED": (HOSTS[RFC], 0x3, 0x3),
    "SUPPORT_SHARED alone": (HOSTS[RFC], HugeTlbRfc.SUPPORT_SHARED, 0x1),
    "INIT_PRIVATE brings SUPPORT_SHARED": (
        HOSTS[RFC],
        Request(required=HugeTlbRfc.INIT_PRIVATE, prerequisites=ADD),
        0x3,
    ),
    "INIT_PRIVATE where SUPPORT_SHARED is not listed": (
        query(FakeBackend.narrow(0x6), RFC),
        HugeTlbRfc.INIT_PRIVATE,
        [Reason.PREREQUISITE_UNSUPPORTED],
    ),
    "a page size at bits 63:58 is not a flag": (
        HOSTS[RFC],
        HugeTlbRfc.HUGETLB | 21 << 58,
        [Reason.UNNAMED] * 3,
    ),
    "bit 0 of the RFC is not mainline's": (NEW, HugeTlbRfc.SUPPORT_SHARED, [Reason.MISNAMED]),
    "HUGETLB with MMAP": (HOSTS[LATER], HugeTlb.HUGETLB | HugeTlb.MMAP, 0x11),
    "HUGETLB excludes INIT_SHARED": (HOSTS[LATER], 0x12, [Reason.RULE_CONFLICT]),
    "INIT_SHARED rather than HUGETLB": (
        HOSTS[LATER],
        Request(required=HugeTlb.MMAP, preferred=[HugeTlb.INIT_SHARED, HugeTlb.HUGETLB]),
        0x3,
    ),
    "USE_PROVIDER alone": (HOSTS[PROVIDER], Provider.USE_PROVIDER, [Reason.MISSING_PREREQUISITE]),
    "USE_PROVIDER with MMAP": (HOSTS[PROVIDER], 0x21, 0x21),
    "USE_PROVIDER without MMAP": (
        HOSTS[PROVIDER],
        Request(required=Provider.USE_PROVIDER, forbidden=Provider.MMAP, prerequisites=ADD),
        [Reason.PREREQUISITE_FORBIDDEN],
    ),
    "USE_PROVIDER is preferred": (HOSTS[PROVIDER], Request(preferred=[Provider.USE_PROVIDER]), 0),
}
CASES = {**MAINLINE_CASES, **FIRECRACKER_CASES, **PROPOSED_CASES}


@pytest.mark.parametrize("case", CASES)
def test_a_kernel(case: str) -> None:
    """It grants this mask, or refuses for these reasons."""
    support, want, expected = CASES[case]
    answer = resolve(support, want)
    reasons = [problem.reason for problem in answer.problems]
    assert (answer.mask if answer.ok else reasons) == expected


def test_what_is_said_of_half_a_pair() -> None:
    """A yes for binding alone says what it is not good for (measured)."""
    for flag, told in {F.MMAP: "every touch is a SIGBUS", F.INIT_SHARED: "mmap: ENODEV"}.items():
        (advice,) = resolve(NEW, Request(required=flag, until=Stage.BIND)).advice
        assert advice.startswith(f"at access: {flag} requires")
        assert told in advice
    (advice,) = resolve(arm64(), Request(until=CREATE)).advice
    assert advice.startswith("at bind: every mask needs MMAP. arm64 binds no memory slot")
    assert resolve(OLD_PROTECTED, PRIVATE).advice == resolve(NEW, SHARED).advice == ()


@pytest.mark.parametrize(
    ("support", "want", "rule", "condition"),
    [
        (
            arm64(None),
            Request(until=Stage.BIND),
            BIND_RULE,
            (
                "every mask needs MMAP. It holds on machine aarch64 or aarch64_be or armv8l or"
                " armv8b; of this host the machine is not known."
            ),
        ),
        (
            firecracker(0xF, None),
            RESTORE,
            NO_DIRECT_MAP_RULE,
            (
                "no mask takes NO_DIRECT_MAP. It holds on machine x86_64 or i686, VM type 4 or 5;"
                " of this host the VM type is not known."
            ),
        ),
    ],
    ids=["machine", "VM type"],
)
def test_a_rule_that_may_apply(
    support: Support, want: Request | Profile, rule: object, condition: str
) -> None:
    """It is applied, and the answer says so."""
    answer = resolve(support, want)
    assert [problem.rules for problem in answer.problems] == [(rule,)]
    assert answer.advice[0] == f"applied to be safe: {condition}"


@pytest.mark.parametrize("machine", ["aarch64", "x86_64", None])
def test_firecracker_asks_the_device(machine: str | None) -> None:
    """Its own framework asks /dev/kvm (tests/framework/kvm.py, June 2026): no VM's yes.

    The rule about SNP and TDX VMs does not apply to it, because some VM may be of another type.
    """
    device = query(system(0xF, machine=machine), FIRECRACKER_SECRET_FREE)
    assert [one.reason for one in resolve(device, BOOT).problems] == [Reason.ONLY_UPPER_BOUND]
    bound = resolve(device, evolve(BOOT.request, scope=Scope.SYSTEM))
    assert bound.mask == BOOT.request.required
