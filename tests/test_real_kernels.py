"""Kernels and trees that there are or were, each with its source, and what they answer."""

from typing import Any

import pytest
from attrs import evolve

from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
    Catalog,
    Excludes,
    FlagWord,
    GuestMemfdFlag,
    HostFacts,
    Prerequisites,
    Reason,
    Request,
    Requires,
    Scope,
    Stage,
    Support,
    query,
    resolve,
)
from gmemflags._mainline import FirecrackerFlag
from gmemflags.testing import FakeBackend

ADD = Prerequisites.ADD
PRIVATE = MAINLINE.profiles["private"]
FULLY_SHARED = MAINLINE.profiles["fully-shared"]
BOOT = FIRECRACKER_SECRET_FREE.profiles["boot"]
RESTORE = FIRECRACKER_SECRET_FREE.profiles["restore"]
BIND_RULE = MAINLINE.rules[0]
DEFAULT, SW_PROTECTED, SNP, TDX = 0, 1, 4, 5


def asked(
    answers: dict[int, int], kernel: str, machine: str | None, vm_type: int | None, **rest: Any
) -> Support:
    """What a VM answered; numbers that are not there answer 0, as in the kernel."""
    host = HostFacts(kernel, machine, vm_type)
    return query(FakeBackend(answers, host=host, origin="the VM"), **rest)


def reasons(support: Support, want: Any) -> list[Reason]:
    """Why it is refused; empty for a yes."""
    return [problem.reason for problem in resolve(support, want).problems]


# Linux 6.8 to 6.17: KVM_CAP_GUEST_MEMFD_FLAGS is not known, and a VM without private memory has
# no guest_memfd. 6.18: every x86-64 VM has it, and lists INIT_SHARED if it has no private memory.
LINUX_6_8_DEFAULT = asked({231: 1, 235: 0x3}, "6.8.0", "x86_64", DEFAULT)
LINUX_6_8_PROTECTED = asked({231: 1, 233: 8, 234: 1, 235: 0x3}, "6.8.0", "x86_64", SW_PROTECTED)
LINUX_6_18_DEFAULT = asked({231: 1, 234: 1, 235: 0x1, 244: 3}, "6.18.0", "x86_64", DEFAULT)


def linux_6_18_confidential(vm_type: int) -> Support:
    """A VM with private memory on 6.18: MMAP is listed, INIT_SHARED is not."""
    answers = {231: 1, 233: 8, 234: 1, 235: 0x3F, 244: 1}
    return asked(answers, "6.18.0", "x86_64", vm_type)


def linux_6_18_arm64(machine: str | None, vm_type: int | None = 0) -> Support:
    """Both flags are listed always, and there is no private memory."""
    return asked({231: 1, 234: 1, 244: 3}, "6.18.0", machine, vm_type)


def test_private_on_6_8_default_vm() -> None:
    """A default VM has no guest_memfd there (api.rst 4.4; measured)."""
    answer = resolve(LINUX_6_8_DEFAULT, PRIVATE)
    assert [problem.reason for problem in answer.problems] == [
        Reason.NOT_FOR_THIS_VM,
        Reason.NEED_ABSENT,
    ]
    assert answer.problems[1].need == PRIVATE.request.needs[1]


def test_private_on_6_8_protected_vm() -> None:
    """Without any flag, as 6.8 has it (api.rst 4.4): 0 is a mask."""
    answer = resolve(LINUX_6_8_PROTECTED, PRIVATE)
    assert (answer.ok, answer.mask, answer.advice) == (True, 0, ())


def test_fully_shared_on_6_8_default_vm() -> None:
    """Neither guest_memfd nor its flags (api.rst 4.4)."""
    assert reasons(LINUX_6_8_DEFAULT, FULLY_SHARED) == [
        Reason.NOT_FOR_THIS_VM,
        Reason.UNSUPPORTED,
        Reason.UNSUPPORTED,
    ]


def test_fully_shared_on_6_8_protected_vm() -> None:
    """Capability 244 answers 0, known or not: no flag is usable (api.rst 4.4)."""
    assert reasons(LINUX_6_8_PROTECTED, FULLY_SHARED) == [Reason.NO_FLAGS, Reason.NO_FLAGS]


def test_private_on_6_18_default_vm() -> None:
    """There is guest_memfd, and no private memory: libkrun issues 478 and 519 are about that."""
    answer = resolve(LINUX_6_18_DEFAULT, PRIVATE)
    assert [problem.reason for problem in answer.problems] == [Reason.NEED_ABSENT]
    assert answer.headline == (
        "refused on the VM: profile private: KVM_CAP_MEMORY_ATTRIBUTES is 0x0, and 0x8 (PRIVATE)"
        " is needed (KVM_SET_MEMORY_ATTRIBUTES makes pages private)"
    )


def test_fully_shared_on_6_18_default_vm() -> None:
    """Both flags are listed (include/linux/kvm_host.h, v6.18; measured)."""
    answer = resolve(LINUX_6_18_DEFAULT, FULLY_SHARED)
    assert (answer.mask, answer.advice) == (3, ())


@pytest.mark.parametrize("vm_type", [SW_PROTECTED, SNP, TDX])
def test_private_on_6_18_confidential_vm(vm_type: int) -> None:
    """Private memory without a flag (KVM_CAP_MEMORY_ATTRIBUTES, include/uapi/linux/kvm.h)."""
    assert resolve(linux_6_18_confidential(vm_type), PRIVATE).mask == 0


@pytest.mark.parametrize("vm_type", [SW_PROTECTED, SNP, TDX])
def test_fully_shared_on_6_18_confidential_vm(vm_type: int) -> None:
    """INIT_SHARED is for VMs without private memory (include/linux/kvm_host.h, v6.18)."""
    answer = resolve(linux_6_18_confidential(vm_type), FULLY_SHARED)
    (problem,) = answer.problems
    assert (problem.reason, problem.bits) == (Reason.UNSUPPORTED, GuestMemfdFlag.INIT_SHARED)


@pytest.mark.parametrize("mask", [0, 1, 2, 3])
def test_all_four_combinations_on_6_18(mask: int) -> None:
    """They can be created and bound on a default x86-64 VM (measured), each for itself."""
    assert resolve(LINUX_6_18_DEFAULT, Request(required=mask, until=Stage.BIND)).mask == mask


@pytest.mark.parametrize(
    ("mask", "advice"),
    [
        (
            GuestMemfdFlag.MMAP,
            (
                "MMAP requires INIT_SHARED (at access, as of Linux 7.3): Memory that does not start"
                " shared can be mapped, but every touch is a SIGBUS."
            ),
        ),
        (
            GuestMemfdFlag.INIT_SHARED,
            (
                "INIT_SHARED requires MMAP (at access, as of Linux 7.3): Memory that starts shared"
                " is of no use where nothing can map it (mmap: ENODEV)."
            ),
        ),
    ],
)
def test_half_of_it_on_6_18(mask: int, advice: str) -> None:
    """One flag alone is created, and is of no use: SIGBUS or ENODEV (measured)."""
    bound = Request(required=mask, until=Stage.BIND)
    assert resolve(LINUX_6_18_DEFAULT, bound).advice == (advice,)
    until_access = Request(required=mask)
    assert reasons(LINUX_6_18_DEFAULT, until_access) == [Reason.MISSING_PREREQUISITE]
    assert resolve(LINUX_6_18_DEFAULT, evolve(until_access, prerequisites=ADD)).mask == 3


@pytest.mark.parametrize("machine", ["aarch64", "aarch64_be", "armv8l", "armv8b"])
def test_fully_shared_on_arm64(machine: str) -> None:
    """MMAP is there, so a slot can be bound (Linux commit 32e200bd6e44, v6.18)."""
    answer = resolve(linux_6_18_arm64(machine), FULLY_SHARED)
    assert (answer.mask, answer.advice) == (3, ())


@pytest.mark.parametrize("machine", ["aarch64", "aarch64_be", "armv8l", "armv8b"])
def test_no_flag_on_arm64(machine: str) -> None:
    """A file without MMAP is created and cannot be bound (Linux commit 32e200bd6e44, v6.18)."""
    answer = resolve(linux_6_18_arm64(machine), 0)
    (problem,) = answer.problems
    assert (problem.reason, problem.rules) == (Reason.MISSING_PREREQUISITE, (BIND_RULE,))
    bound = Request(prerequisites=ADD, until=Stage.BIND)
    assert resolve(linux_6_18_arm64(machine), bound).mask == 1
    assert resolve(linux_6_18_arm64(machine), Request(prerequisites=ADD)).mask == 3


def test_no_flag_on_arm64_for_creation_alone() -> None:
    """It is created; that it cannot be bound is advice (Linux commit 32e200bd6e44, v6.18)."""
    answer = resolve(linux_6_18_arm64("aarch64"), Request(until=Stage.CREATE))
    assert answer.mask == 0
    assert answer.advice[0] == (
        "every mask needs MMAP (at bind, as of Linux 7.3): arm64 binds no memory slot to a"
        " guest_memfd that cannot be mapped."
    )


def test_private_on_arm64() -> None:
    """No private memory, and no binding without MMAP (Linux commit 32e200bd6e44, v6.18)."""
    assert reasons(linux_6_18_arm64("aarch64"), PRIVATE) == [
        Reason.NEED_ABSENT,
        Reason.MISSING_PREREQUISITE,
    ]


def test_no_flag_on_an_unknown_machine() -> None:
    """It may be arm64, so the rule of Linux commit 32e200bd6e44, v6.18, applies and says so."""
    answer = resolve(linux_6_18_arm64(None), 0)
    assert answer.problems[0].rules == (BIND_RULE,)
    assert answer.headline.endswith("(the machine is not known)")
    assert answer.advice == (
        (
            "applied to be safe: every mask needs MMAP. It holds on machine aarch64; the machine"
            " is not known."
        ),
    )


def test_no_flag_on_another_machine() -> None:
    """Linux commit 32e200bd6e44, v6.18, is about arm64 only."""
    answer = resolve(linux_6_18_arm64("riscv64"), 0)
    assert answer.mask == 0
    assert not any("applied to be safe" in text for text in answer.advice)


# Linux 7.2 and newer: arm64 has protected VMs, and the number of KVM_CREATE_VM holds two things.


@pytest.mark.parametrize("size", [0, 32, 40, 48])
def test_a_protected_vm_on_arm64(size: int) -> None:
    """It lists both flags and uses none (arch/arm64/kvm/mmu.c, v7.3; read, not measured)."""
    answer = resolve(linux_6_18_arm64("aarch64", 1 << 31 | size), FULLY_SHARED)
    assert not answer.ok
    assert {rule.stage for rule in answer.problems[0].rules} == {Stage.BIND, Stage.ACCESS}
    assert resolve(linux_6_18_arm64("aarch64", size), FULLY_SHARED).mask == 3


def test_arm64_with_an_unknown_type_of_vm() -> None:
    """It may be a protected one: the refusal says what would settle it."""
    answer = resolve(linux_6_18_arm64("aarch64", None), FULLY_SHARED)
    assert answer.headline.endswith("(the VM type is not known)")
    assert answer.problems[0].message.endswith("say it, as in Vm.from_fd(fd, vm_type=0)")
    assert resolve(linux_6_18_arm64("x86_64", None), FULLY_SHARED).ok


# Firecracker's kernels for secret freedom, and the hosts that its profiles may meet.


def firecracker(flags: int, vm_type: int | None, machine: str = "x86_64") -> Support:
    """A VM on Firecracker's kernel, which has USERFAULT by the number 245."""
    answers = {231: 1, 234: 1, 235: 0x3F, 244: flags, 245: 1}
    return asked(answers, "6.18.0-fc", machine, vm_type, catalog=FIRECRACKER_SECRET_FREE)


def test_boot_on_firecracker() -> None:
    """Three flags and USER_MEMORY2 (Firecracker's secret-freedom kernels, 2026)."""
    assert resolve(firecracker(0xF, DEFAULT), BOOT).mask == 0x7


def test_restore_on_firecracker() -> None:
    """WRITE and USERFAULT besides (Firecracker's secret-freedom kernels, 2026)."""
    assert resolve(firecracker(0xF, DEFAULT), RESTORE).mask == 0xF


def test_boot_and_restore_on_mainline() -> None:
    """Linux 6.18 lists two flags and knows no capability 245 (include/uapi/linux/kvm.h)."""
    mainline = LINUX_6_18_DEFAULT
    host = asked(
        {231: 1, 234: 1, 235: 0x1, 244: 3},
        "6.18.0",
        "x86_64",
        DEFAULT,
        catalog=FIRECRACKER_SECRET_FREE,
    )
    assert reasons(host, BOOT) == [Reason.UNSUPPORTED]
    assert reasons(host, RESTORE) == [Reason.UNSUPPORTED, Reason.UNSUPPORTED, Reason.NEED_ABSENT]
    assert reasons(mainline, BOOT) == [Reason.UNNAMED]
    assert reasons(mainline, RESTORE) == [Reason.UNNAMED, Reason.UNNAMED, Reason.NEED_NOT_ASKED]


def test_restore_where_245_is_another_capability() -> None:
    """KVM_CAP_ARM_SEA_TO_USER is 245 in v7.3: the collision meets the need, and is no yes."""
    host = asked(
        {231: 1, 234: 1, 244: 3, 245: 1}, "7.3.0", "aarch64", 0, catalog=FIRECRACKER_SECRET_FREE
    )
    assert reasons(host, RESTORE) == [Reason.UNSUPPORTED, Reason.UNSUPPORTED]


@pytest.mark.parametrize("profile", [BOOT, RESTORE], ids=lambda profile: profile.name)
def test_firecracker_on_a_vm_of_unknown_type(profile: Any) -> None:
    """It may be SNP or TDX, so NO_DIRECT_MAP is refused, and that is said (mail, v12, Apr 2026)."""
    answer = resolve(firecracker(0xF, None), profile)
    (problem,) = answer.problems
    assert problem.reason is Reason.RULE_CONFLICT
    assert problem.bits == FirecrackerFlag.NO_DIRECT_MAP
    assert problem.rules == (FIRECRACKER_SECRET_FREE.rules[0],)
    assert answer.advice[0] == (
        "applied to be safe: no mask takes NO_DIRECT_MAP. It holds on machine x86_64, VM type 4"
        " or 5; the VM type is not known."
    )


def test_firecracker_on_arm64() -> None:
    """It has no SNP and no TDX; but where the type is not known the VM may be a protected one."""
    assert resolve(firecracker(0xF, DEFAULT, "aarch64"), BOOT).mask == 0x7
    (problem,) = resolve(firecracker(0xF, None, "aarch64"), BOOT).problems
    assert {rule.stage for rule in problem.rules} == {Stage.BIND, Stage.ACCESS}


@pytest.mark.parametrize("vm_type", [SNP, TDX])
def test_firecracker_on_a_confidential_vm(vm_type: int) -> None:
    """MMAP alone is listed, WRITE going with INIT_SHARED (include/linux/kvm_host.h, v6.18)."""
    assert reasons(firecracker(0x1, vm_type), BOOT) == [
        Reason.UNSUPPORTED,
        Reason.UNSUPPORTED,
        Reason.RULE_CONFLICT,
    ]


@pytest.mark.parametrize("vm_type", [SNP, TDX])
def test_firecracker_on_a_confidential_vm_that_lists_everything(vm_type: int) -> None:
    """The rule stands whatever is listed (mail of the direct-map series, v12, Apr 2026)."""
    assert reasons(firecracker(0xF, vm_type), BOOT) == [Reason.RULE_CONFLICT]


@pytest.mark.parametrize("machine", ["aarch64", "x86_64", None])
def test_firecracker_asks_the_device(machine: str | None) -> None:
    """Its own framework asks /dev/kvm (tests/framework/kvm.py, June 2026): only an upper bound.

    The rule about SNP and TDX VMs does not bind it: some VM may be of another type.
    """
    backend = FakeBackend(
        {231: 1, 234: 1, 235: 0x1, 244: 0xF, 245: 1},
        scope=Scope.SYSTEM,
        host=HostFacts("6.18.0-fc", machine),
        origin="/dev/kvm",
    )
    device = query(backend, FIRECRACKER_SECRET_FREE)
    assert reasons(device, BOOT) == [Reason.ONLY_UPPER_BOUND]
    bound = resolve(device, evolve(BOOT.request, scope=Scope.SYSTEM))
    assert bound.mask == BOOT.request.required


# Series that were never merged. The capability numbers are mainline's, for want of others.


def proposed(flags: type[FlagWord], *rules: Requires | Excludes) -> Catalog:
    """A tree of these flags and rules."""
    return Catalog("proposed", flags, MAINLINE.capabilities, rules)


def listing(flags: int, catalog: Catalog) -> Support:
    """A default x86-64 VM of that tree."""
    return query(FakeBackend.narrow(flags), catalog)


class HugeTlbRfcFlag(FlagWord):
    """The flags of the HugeTLB RFC v2; the page size in bits 63:58 is a number, not flags."""

    SUPPORT_SHARED = 1 << 0
    INIT_PRIVATE = 1 << 1
    HUGETLB = 1 << 2


HUGETLB_RFC = proposed(
    HugeTlbRfcFlag,
    Requires(
        HugeTlbRfcFlag.INIT_PRIVATE,
        all_of=HugeTlbRfcFlag.SUPPORT_SHARED,
        why="INIT_PRIVATE without SUPPORT_SHARED is EINVAL.",
        source="guest_memfd HugeTLB RFC v2, Ackerley Tng, 14 May 2025",
    ),
)


def test_init_private_requires_support_shared() -> None:
    """Else EINVAL (guest_memfd HugeTLB RFC v2, Ackerley Tng, 14 May 2025)."""
    rfc, host = HugeTlbRfcFlag, listing(0x7, HUGETLB_RFC)
    assert reasons(host, rfc.INIT_PRIVATE) == [Reason.MISSING_PREREQUISITE]
    assert resolve(host, rfc.INIT_PRIVATE | rfc.SUPPORT_SHARED).mask == 0x3
    assert resolve(host, rfc.SUPPORT_SHARED).mask == 0x1
    assert resolve(host, Request(required=rfc.INIT_PRIVATE, prerequisites=ADD)).mask == 0x3
    assert reasons(listing(0x6, HUGETLB_RFC), rfc.INIT_PRIVATE) == [Reason.PREREQUISITE_UNSUPPORTED]


def test_a_page_size_is_no_flag() -> None:
    """Its field at bits 63:58 has no names (the same RFC), and a narrow host cannot list it."""
    host = listing(0x7, HUGETLB_RFC)
    assert reasons(host, HugeTlbRfcFlag.HUGETLB | 21 << 58) == [Reason.UNNAMED] * 3


def test_flags_of_that_rfc_are_not_mainlines() -> None:
    """Its bit 0 is SUPPORT_SHARED, mainline's is MMAP: the caller is told, not served."""
    asked_for = Request(required=HugeTlbRfcFlag.SUPPORT_SHARED, until=Stage.BIND)
    assert reasons(LINUX_6_18_DEFAULT, asked_for) == [Reason.MISNAMED]


class HugeTlbFlag(FlagWord):
    """The flags of a later huge-page series; the bit of HUGETLB was not settled: 4 here."""

    MMAP = 1 << 0
    INIT_SHARED = 1 << 1
    HUGETLB = 1 << 4


HUGETLB = proposed(
    HugeTlbFlag,
    Excludes(
        HugeTlbFlag.HUGETLB,
        HugeTlbFlag.INIT_SHARED,
        why="The series lets them exclude each other.",
        source="A huge-page work in progress",
    ),
)


def test_hugetlb_excludes_init_shared() -> None:
    """The huge-page work in progress after Sean Christopherson's answer of 3 Oct 2025."""
    later, host = HugeTlbFlag, listing(0x13, HUGETLB)
    assert resolve(host, later.HUGETLB | later.MMAP).mask == 0x11
    assert reasons(host, later.HUGETLB | later.INIT_SHARED) == [Reason.RULE_CONFLICT]
    preferring = resolve(
        host, Request(required=later.MMAP, preferred=[later.INIT_SHARED, later.HUGETLB])
    )
    assert preferring.mask == 0x3
    assert preferring.outcomes[-1].reason is Reason.OUTRANKED


class ProviderFlag(FlagWord):
    """The flags of the provider series; the bit of USE_PROVIDER was not settled: 5 here."""

    MMAP = 1 << 0
    INIT_SHARED = 1 << 1
    USE_PROVIDER = 1 << 5


PROVIDER = proposed(
    ProviderFlag,
    Requires(
        ProviderFlag.USE_PROVIDER,
        all_of=ProviderFlag.MMAP,
        why="The series asks for MMAP with it.",
        source="The USE_PROVIDER series, Sep-Oct 2026",
    ),
)


def test_use_provider_requires_mmap() -> None:
    """The USE_PROVIDER (first USE_RESOURCE) series of September and October 2026."""
    flags, host = ProviderFlag, listing(0x23, PROVIDER)
    assert reasons(host, flags.USE_PROVIDER) == [Reason.MISSING_PREREQUISITE]
    assert resolve(host, flags.USE_PROVIDER | flags.MMAP).mask == 0x21
    forbidding = Request(required=flags.USE_PROVIDER, forbidden=flags.MMAP, prerequisites=ADD)
    assert reasons(host, forbidding) == [Reason.PREREQUISITE_FORBIDDEN]
    assert resolve(host, Request(preferred=[flags.USE_PROVIDER])).mask == 0
