"""One value of each kind of document, and of each way to say a part; their documents are pinned."""

import json
from collections.abc import Callable
from errno import EACCES, EFAULT, EINVAL, EMFILE, ENODEV
from pathlib import Path
from typing import Any, cast

from attrs import evolve

from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
    Answer,
    Baseline,
    Catalog,
    GuestMemfdFlag,
    HostFacts,
    KvmUnavailableError,
    Need,
    Prerequisites,
    Request,
    Scope,
    Stage,
    Support,
    Unavailable,
    baseline,
    compare,
    query,
    resolve,
)
from gmemflags._learn import Observation, ProbeReport
from gmemflags.records import Value, to_dict
from gmemflags.testing import FakeBackend

DIRECTORY = Path(__file__).parent / "samples"


def host(flags: int, origin: str = "a host", catalog: Catalog = MAINLINE) -> Support:
    """A default x86-64 VM that lists ``flags``, a word."""
    return query(FakeBackend.narrow(flags, origin=origin), catalog)


OWN = evolve(FIRECRACKER_SECRET_FREE, name="a-tree-of-mine")
FULL = Support(
    answers={"GUEST_MEMFD": 1, "GUEST_MEMFD_FLAGS": -(1 << 31), "VM_TYPES": 3},
    errors={"MEMORY_ATTRIBUTES": EINVAL},
    scope=Scope.VM,
    host=HostFacts(
        "6.18.44", "x86_64", 4, name="rack-7", time=1_769_904_000, extra={"rack": ["r1", 1.5]}
    ),
    origin="VM of type 4 on /dev/kvm",
    catalog=MAINLINE,
    unused=[Answer("USERFAULT", 245, 1)],
)
ADD = Prerequisites.ADD
FULL_AND_MORE = evolve(host(3), host=HostFacts("6.18.44", None, None))
EVERYTHING = Request(
    required=GuestMemfdFlag.MMAP,
    preferred=[2, 12],
    forbidden=1 << 63,
    needs=[
        Need("USERFAULT", 1, any_of=[2, 4], at_least=3, optional=True, why="Faults are served.")
    ],
    prerequisites=ADD,
    until=Stage.BIND,
    scope=Scope.SYSTEM,
    digest="0" * 64,
    flag_names=[(4, "NO_DIRECT_MAP")],
)

SAMPLES: dict[str, Value] = {
    "host": FULL,
    "host-of-another-tree": host(15, "b", OWN),
    "unavailable": KvmUnavailableError(
        EACCES,
        "Permission denied",
        "/dev/kvm",
        Unavailable.NO_PERMISSION,
        name="rack-8",
        time=1_769_904_000,
    ),
    "flags": GuestMemfdFlag(0x43),
    "request": EVERYTHING,
    "catalog": OWN,
    "granted": resolve(host(3), MAINLINE.profiles["fully-shared"]),
    "refused": resolve(host(1), MAINLINE.profiles["fully-shared"]),
    "refused-by-a-rule": resolve(host(3), Request(required=1, preferred=[1 << 31])),
    "granted-with-more": resolve(FULL_AND_MORE, Request(required=1, prerequisites=ADD)),
    "baseline": baseline([host(3), host(1, "b"), host(7, "c")]),
    "comparison": compare(host(3, "a"), host(1, "b")),
    "comparison-of-two-trees": compare(host(3, "a"), host(15, "b", OWN)),
    "probe": ProbeReport(
        support=host(3),
        observations={
            0: Observation(0, 0, ENODEV),
            1: Observation(0, 0, EFAULT),
            2: Observation(EINVAL),
            3: Observation(0, 0, 0),
            1 << 63: Observation(EINVAL),
        },
        size=4096,
    ),
    "probe-that-stopped": ProbeReport(
        support=FULL,
        observations={0: Observation(0)},
        size=4096,
        until=Stage.BIND,
        stopped=EMFILE,
        stopped_at=Stage.CREATE,
        changed=True,
    ),
}


def path(name: str) -> Path:
    """Where the document of a sample is pinned."""
    return DIRECTORY / f"{name}.json"


def content_of(value: Value) -> dict[str, Any]:
    """The document of a value, for tests that take it apart."""
    return cast("Callable[[Value], dict[str, Any]]", to_dict)(value)


def pretty(value: Value) -> str:
    """The document of a value, for people who read a change of it."""
    return f"{json.dumps(content_of(value), indent=1)}\n"


def catalog_of(value: Value) -> Catalog:
    """The catalog under which the document of a value gives the same value back."""
    if isinstance(value, Baseline):
        value = value.support
    return value.catalog if isinstance(value, Support) else MAINLINE
