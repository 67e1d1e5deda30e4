"""Whether a mask is a valid answer, asked without looking for the best one."""

import pytest
from attrs import evolve

from gmemflags import (
    MAINLINE,
    HostFacts,
    Need,
    Never,
    Prerequisites,
    Request,
    Requires,
    Scope,
    Stage,
    Support,
)
from gmemflags.catalog import FirecrackerFlag, Hosts
from gmemflags.negotiation._resolve import valid
from tests.trees import ALL, BAR, BAZ, FOO, QUX, SAID, host

ADD = Prerequisites.ADD


PLAIN = host(ALL)
RULED = host(ALL, Requires(BAR, all_of=FOO, **SAID), Never(QUX, stage=Stage.ACCESS, **SAID))
DEVICE = evolve(PLAIN, scope=Scope.SYSTEM)
ABSENT = evolve(PLAIN, answers={**PLAIN.answers, "GUEST_MEMFD": 0})
NOT_ASKED = evolve(PLAIN, answers={"GUEST_MEMFD_FLAGS": ALL})
ELSEWHERE = host(ALL, Never(FOO, hosts=Hosts(machines=("aarch64",)), **SAID))
PERHAPS = evolve(ELSEWHERE, host=HostFacts())

VALID: dict[str, tuple[Support, Request, int]] = {
    "nothing": (PLAIN, Request(), 0),
    "all that is required": (PLAIN, Request(required=FOO | BAR), FOO | BAR),
    "a whole group": (PLAIN, Request(required=FOO, preferred=[BAR | BAZ]), FOO | BAR | BAZ),
    "no group, though it could be": (PLAIN, Request(required=FOO, preferred=[BAR]), FOO),
    "two groups with a bit in common": (PLAIN, Request(preferred=[12, 20]), FOO | BAR | BAZ),
    "one of two groups with a bit in common": (PLAIN, Request(preferred=[12, 20]), FOO | BAZ),
    "a rule that is kept": (RULED, Request(required=FOO | BAR), FOO | BAR),
    "an added bit": (RULED, Request(required=BAR, prerequisites=ADD), FOO | BAR),
    "one bit more than needed": (PLAIN, Request(required=BAR, prerequisites=ADD), FOO | BAR),
    "a rule of a later stage": (RULED, Request(required=QUX), QUX),
    "a rule of other hosts": (ELSEWHERE, Request(required=FOO), FOO),
    "what the device says, as such": (DEVICE, Request(required=FOO, scope=Scope.SYSTEM), FOO),
    "a VM for an upper bound": (PLAIN, Request(required=FOO, scope=Scope.SYSTEM), FOO),
    "a need that is met": (PLAIN, Request(needs=[Need("VM_TYPES", 1)]), 0),
    "the digest of this catalog": (PLAIN, Request(digest=PLAIN.catalog.digest), 0),
    "a wish for a flag of another tree": (
        PLAIN,
        Request(preferred=[FirecrackerFlag.NO_DIRECT_MAP]),
        0,
    ),
}
NOT_VALID: dict[str, tuple[Support, Request, int]] = {
    "a required bit too few": (PLAIN, Request(required=FOO | BAR), FOO),
    "none of two required bits": (PLAIN, Request(required=FOO | BAR), 0),
    "half a group": (PLAIN, Request(preferred=[FOO | BAR]), FOO),
    "a bit of nobody": (PLAIN, Request(required=FOO), FOO | BAR),
    "a bit that is not listed": (host(FOO), Request(required=BAR), BAR),
    "a bit without a name": (host(ALL | 1), Request(required=1), 1),
    "a forbidden bit": (PLAIN, Request(forbidden=FOO, prerequisites=ADD), FOO),
    "a required bit that is forbidden": (PLAIN, Request(required=FOO, forbidden=FOO), FOO),
    "a broken rule": (RULED, Request(required=BAR), BAR),
    "a broken rule beside one that is kept": (
        host(ALL, Requires(BAR, all_of=FOO, **SAID), Never(BAZ, **SAID)),
        Request(required=FOO | BAR | BAZ),
        FOO | BAR | BAZ,
    ),
    "a rule of a stage that counts": (RULED, Request(required=QUX, until=Stage.ACCESS), QUX),
    "a rule that may be for this host": (PERHAPS, Request(required=FOO), FOO),
    "no guest_memfd": (ABSENT, Request(), 0),
    "nobody knows of guest_memfd": (NOT_ASKED, Request(), 0),
    "what the device says, as of a VM": (DEVICE, Request(required=FOO), FOO),
    "a need that is not met": (PLAIN, Request(needs=[Need("VM_TYPES", 2)]), 0),
    "a need that was not asked for": (PLAIN, Request(needs=[Need("USERFAULT")]), 0),
    "one of two needs": (PLAIN, Request(needs=[Need("VM_TYPES"), Need("VM_TYPES", 2)]), 0),
    "another catalog": (PLAIN, Request(digest=MAINLINE.digest), 0),
    "a required flag of another tree": (
        PLAIN,
        Request(required=FirecrackerFlag.NO_DIRECT_MAP),
        FOO,
    ),
    "a preferred flag of another tree": (
        PLAIN,
        Request(preferred=[FirecrackerFlag.NO_DIRECT_MAP]),
        FOO,
    ),
    "a forbidden flag of another tree": (
        PLAIN,
        Request(forbidden=FirecrackerFlag.NO_DIRECT_MAP),
        0,
    ),
}


@pytest.mark.parametrize(("support", "request_", "mask"), list(VALID.values()), ids=list(VALID))
def test_a_valid_answer(support: Support, request_: Request, mask: int) -> None:
    """Everything that a yes rests on is there; the mask need not be the best one."""
    assert valid(support, request_, mask) is True


@pytest.mark.parametrize(
    ("support", "request_", "mask"), list(NOT_VALID.values()), ids=list(NOT_VALID)
)
def test_no_valid_answer(support: Support, request_: Request, mask: int) -> None:
    """One thing is wrong with it, and that is enough."""
    assert valid(support, request_, mask) is False
