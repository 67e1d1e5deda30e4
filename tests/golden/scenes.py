"""What is said in golden files: answers, problems, one bit, pools, pairs of hosts, and probes."""

import errno
from collections.abc import Callable
from typing import Any

from attrs import evolve

from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
    Always,
    Excludes,
    HostFacts,
    Hosts,
    Need,
    Never,
    Prerequisites,
    Refused,
    Request,
    Requires,
    Rule,
    Scope,
    Stage,
    Support,
    baseline,
    compare,
    lint,
    query,
    resolve,
)
from gmemflags import GuestMemfdFlag as F
from gmemflags._mainline import FirecrackerFlag
from gmemflags.linux import Observation, ProbeReport
from gmemflags.testing import FakeBackend
from tests.golden import Texts
from tests.probing import PAGE, excludes, obeying, reported, requires, swept, taking
from tests.probing import tree as probed_tree
from tests.trees import (
    ALL,
    BAR,
    BAR_NEEDS_FOO,
    BAZ,
    FOO,
    FOO_EXCLUDES_BAR,
    HIGH,
    QUX,
    SAID,
    answering,
    dev_kvm,
    host,
    named,
    needs,
    tree,
)

ADD = Prerequisites.ADD


def without_digests(text: str, *supports: Support) -> str:
    """The text with digests, which say nothing to a reader, by the name of their catalog."""
    for catalog in (MAINLINE, *(support.catalog for support in supports)):
        text = text.replace(catalog.digest[:12], f"<digest of {catalog.name}>")
    return text


def answer(support: Support, **request: Any) -> Callable[[], str]:
    """The whole text of an answer."""
    return lambda: without_digests(str(resolve(support, Request(**request))), support)


def why(support: Support, bit: int, **request: Any) -> Callable[[], str]:
    """What an answer says of one bit."""
    return lambda: resolve(support, Request(**request)).why(bit)


def problem(support: Support, **request: Any) -> Callable[[], str]:
    """The first problem of a refusal."""
    return lambda: without_digests(
        resolve(support, Request(**request)).problems[0].message, support
    )


LISTS_BOTH = query(FakeBackend.narrow(3))
LISTS_MMAP = query(FakeBackend.narrow(1))
WITHOUT_FOO = host(BAR, BAR_NEEDS_FOO)
WITH_RULE = host(FOO | BAR, BAR_NEEDS_FOO)
UNKNOWN_MACHINE = evolve(
    host(ALL, Always(BAR, hosts=Hosts(machines=("aarch64",)), **SAID)), host=HostFacts()
)
SECRET_FREE = query(
    FakeBackend({231: 1, 233: 0, 234: 1, 235: 1, 244: 15, 245: 1}), FIRECRACKER_SECRET_FREE
)
WITH_HI = evolve(MAINLINE, capabilities={**MAINLINE.capabilities, "GUEST_MEMFD_FLAGS_HI": 300})

ANSWERS: Texts = {
    "granted": answer(LISTS_BOTH, required=F.MMAP, preferred=[F.INIT_SHARED]),
    "granted, a profile": lambda: str(resolve(LISTS_BOTH, MAINLINE.profiles["fully-shared"])),
    "granted, an optional need is not met": answer(
        LISTS_BOTH,
        required=3,
        needs=[Need("MEMORY_ATTRIBUTES", 8, optional=True, why="Pages can be made private.")],
    ),
    "granted, by a number that may be another capability's": lambda: without_digests(
        str(
            resolve(
                evolve(SECRET_FREE, host=HostFacts(machine="aarch64", vm_type=0)),
                FIRECRACKER_SECRET_FREE.profiles["restore"],
            )
        ),
        SECRET_FREE,
    ),
    "granted, without a flag": answer(
        LISTS_BOTH, needs=[Need("USER_MEMORY2")], forbidden=1 << 63 | 1
    ),
    "granted, and of no use alone": answer(
        LISTS_MMAP, required=F.MMAP, preferred=[F.INIT_SHARED], until=Stage.BIND
    ),
    "granted, but not a whole group": answer(host(FOO), preferred=[FOO | BAR]),
    "granted, but no bit of a group": answer(host(BAZ), preferred=[FOO | BAR]),
    "granted, but not a group that lacks a prerequisite": answer(
        host(ALL, needs(BAR, BAZ)), preferred=[FOO | BAR]
    ),
    "granted, with a chain of prerequisites": answer(
        host(ALL, needs(BAZ, BAR), needs(BAR, FOO)), required=BAZ, prerequisites=ADD
    ),
    "granted, in the names of another tree": answer(
        query(FakeBackend.narrow(7), FIRECRACKER_SECRET_FREE), required=3
    ),
    "granted, with all advice": answer(
        query(
            FakeBackend(
                {231: 1, 234: 1, 244: 0x4_0000_0004, 300: 7},
                scope=Scope.SYSTEM,
                host=HostFacts(),
                origin="/dev/kvm",
            ),
            evolve(
                tree(
                    Never(FOO, stage=Stage.ACCESS, why="No use.", source="a test"),
                    Never(BAR, hosts=Hosts(machines=("x",)), **SAID),
                ),
                capabilities=WITH_HI.capabilities,
            ),
        ),
        required=FOO,
        scope=Scope.SYSTEM,
        until=Stage.BIND,
    ),
    "refused, a profile": lambda: str(resolve(LISTS_BOTH, MAINLINE.profiles["private"])),
    "refused, at access": answer(LISTS_BOTH, required=F.MMAP),
    "refused, on arm64 with an unknown type of VM": answer(
        evolve(LISTS_BOTH, host=HostFacts(machine="aarch64")), required=3
    ),
    "refused, by a rule": answer(host(ALL, FOO_EXCLUDES_BAR), required=FOO | BAR),
    "refused, by the host": answer(query(FakeBackend.narrow(0)), required=3),
    "refused, by needs": answer(
        LISTS_BOTH, needs=[Need("MEMORY_ATTRIBUTES", 8), Need("USERFAULT")]
    ),
    "refused, as it holds for no VM": answer(dev_kvm(3), required=3),
    "refused, as a flag of another tree": answer(host(), required=FirecrackerFlag.NO_DIRECT_MAP),
    "refused, by a rule that may apply": answer(UNKNOWN_MACHINE, required=FOO),
    "refused, for every reason at once": answer(
        host(BAZ | QUX),
        required=int(1 | FOO | BAR | QUX | HIGH),
        forbidden=int(QUX),
        digest="0" * 64,
        needs=[Need("MEMORY_ATTRIBUTES", 8), Need("USERFAULT")],
        flag_names=[(4, "NO_DIRECT_MAP")],
    ),
    "BAR alone, where BAR requires FOO": answer(WITH_RULE, required=BAR),
    "BAR, preferring FOO": answer(WITH_RULE, required=BAR, preferred=[FOO]),
    "BAR, with prerequisites": answer(WITH_RULE, required=BAR, prerequisites=ADD),
    "BAR, forbidding FOO": answer(WITH_RULE, required=BAR, forbidden=FOO, prerequisites=ADD),
    "BAR, on a host without FOO": answer(WITHOUT_FOO, required=BAR, prerequisites=ADD),
}

RULES = (needs(BAR, FOO), Excludes(BAZ, QUX, **SAID))
RULED = host(ALL, *RULES)
WHYS: Texts = {
    "granted, required": why(RULED, FOO, required=FOO),
    "granted, preferred": why(RULED, FOO, preferred=[FOO]),
    "added": why(RULED, FOO, required=BAR, prerequisites=ADD),
    "added, because of a refused mask": why(
        host(ALL, Refused(QUX, **SAID)), FOO, required=QUX, prerequisites=ADD
    ),
    "not asked for": why(RULED, QUX, required=FOO),
    "not asked for, unknowable": why(RULED, 1 << 41),
    "not asked for, not listed": why(RULED, 1 << 7),
    "forbidden": why(RULED, FOO, forbidden=FOO),
    "preferred and forbidden": why(RULED, FOO, preferred=[FOO], forbidden=FOO),
    "required and forbidden": why(RULED, FOO, required=FOO, forbidden=FOO),
    "without a name": why(RULED, 1, preferred=[1]),
    "of another tree": why(RULED, BAR, preferred=[FirecrackerFlag.WRITE]),
    "not supported": why(host(FOO), BAR, preferred=[BAR]),
    "no flag is supported": why(host(0), BAR, preferred=[BAR]),
    "lacks what the request does not name": why(RULED, BAR, preferred=[BAR]),
    "lacks what the request forbids": why(
        RULED, BAR, preferred=[BAR], forbidden=FOO, prerequisites=ADD
    ),
    "lacks what the host lacks": why(host(BAR, needs(BAR, FOO)), BAR, preferred=[BAR]),
    "excluded by what is required": why(RULED, BAZ, required=QUX, preferred=[BAZ]),
    "outranked": why(RULED, BAZ, preferred=[QUX, BAZ]),
    "of a group that is not granted": why(RULED, QUX, preferred=[QUX | 1]),
    "of a request that is refused": why(RULED, FOO, required=FOO | 1),
    "preferred by a request that is refused": why(RULED, FOO, required=1, preferred=[FOO]),
}

PROBLEMS: Texts = {
    "unnamed": problem(host(), required=1),
    "misnamed": problem(host(), required=FirecrackerFlag.NO_DIRECT_MAP),
    "misnamed in two ways": problem(host(), required=4, flag_names=[(4, "B"), (4, "A")]),
    "required and forbidden": problem(host(), required=FOO, forbidden=FOO),
    "unsupported": problem(host(FOO), required=BAR),
    "no flags": problem(host(0), required=FOO),
    "unknowable, beyond 32 bits": problem(host(), required=HIGH),
    "unknowable, FLAGS has no number": problem(
        answering(evolve(tree(), capabilities={"GUEST_MEMFD": 234}), GUEST_MEMFD=1), required=FOO
    ),
    "unknowable, FLAGS was not asked": problem(answering(tree(), GUEST_MEMFD=1), required=FOO),
    "unknowable, FLAGS_HI was not asked": problem(
        answering(
            evolve(tree(), capabilities=WITH_HI.capabilities), GUEST_MEMFD=1, GUEST_MEMFD_FLAGS=4
        ),
        required=HIGH,
    ),
    "no guest_memfd": problem(answering(tree(), GUEST_MEMFD=0, USER_MEMORY2=0)),
    "no guest_memfd for this VM": problem(answering(tree(), GUEST_MEMFD=0, USER_MEMORY2=1)),
    "no guest_memfd for any VM": problem(
        evolve(answering(tree(), GUEST_MEMFD=0), scope=Scope.SYSTEM)
    ),
    "guest_memfd not asked": problem(answering(tree(), GUEST_MEMFD_FLAGS=ALL)),
    "need absent": problem(host(), needs=[Need("MEMORY_ATTRIBUTES")]),
    "need absent, a bit": problem(host(), needs=[Need("USER_MEMORY2", 6)]),
    "need absent, alternatives": problem(host(), needs=[Need("VM_TYPES", any_of=(2, 0x30))]),
    "need absent, both": problem(host(), needs=[Need("VM_TYPES", 1, any_of=(2, 4))]),
    "need absent, too small": problem(
        host(), needs=[Need("VM_TYPES", at_least=48, why="A guest needs 48 bits.")]
    ),
    "need that could not be asked": problem(
        evolve(answering(tree(), GUEST_MEMFD=1), errors={"USER_MEMORY2": errno.EINVAL}),
        needs=[Need("USER_MEMORY2")],
    ),
    "need not asked, without a number": problem(host(), needs=[Need("USERFAULT")]),
    "need not asked, with a number": problem(
        answering(tree(), GUEST_MEMFD=1), needs=[Need("USER_MEMORY2")]
    ),
    "missing prerequisite": problem(WITH_RULE, required=BAR),
    "missing prerequisite, one of two": problem(
        host(ALL, Requires(FOO, any_of=(BAR, BAZ), **SAID)), required=FOO
    ),
    "prerequisite forbidden": problem(WITH_RULE, required=BAR, forbidden=FOO),
    "prerequisite unsupported": problem(WITHOUT_FOO, required=BAR),
    "prerequisite of another tree": problem(
        WITH_RULE, required=BAR, preferred=[FOO], flag_names=[(4, "OTHER")]
    ),
    "rule conflict": problem(host(ALL, FOO_EXCLUDES_BAR), required=FOO | BAR),
    "rule conflict, a why without a full stop": problem(
        host(ALL, Never(FOO, why="So says X", source="a test")), required=FOO
    ),
    "no valid mask": problem(host(ALL, Always(FOO, **SAID), Never(FOO, **SAID))),
    "only an upper bound": problem(dev_kvm(FOO, tree()), required=FOO),
    "catalog changed": problem(host(), required=FOO, digest=MAINLINE.digest),
}

NEEDS_BAR = Requires(BAZ, all_of=BAR, why="BAZ builds on BAR.", source="a test")
RELATED = tree(BAR_NEEDS_FOO, NEEDS_BAR)
NOT_ON_ARM = Never(FOO, why="Not there.", source="a test", hosts=Hosts(machines=["aarch64"]))


def on_arm64(support: Support) -> Support:
    """The same answers, of an arm64 host."""
    return evolve(support, host=evolve(support.host, machine="aarch64"))


def many() -> str:
    """Fifty hosts, of which 20 have no flag, and the others one."""
    return str(baseline(named(f"h{n}", int(n >= 20)) for n in range(50)))


def without_guest_memfd() -> str:
    """A pool in which one host has no guest_memfd."""
    own = [named(name, flags, FIRECRACKER_SECRET_FREE) for name, flags in {"a": 12, "b": 4}.items()]
    return str(baseline([evolve(own[0], answers={**own[0].answers, "GUEST_MEMFD": 0}), own[1]]))


def beyond_32_bits(*answers: int) -> tuple[Support, Support]:
    """Two hosts under a tree with FLAGS_HI, of which the second was not asked for everything."""
    flags = {} if not answers else {"GUEST_MEMFD_FLAGS": answers[0]}
    full = evolve(
        named("A", 3, WITH_HI),
        answers={**named("A", 3).answers, "GUEST_MEMFD_FLAGS": 3, "GUEST_MEMFD_FLAGS_HI": 0},
    )
    return full, evolve(full, origin="B", answers={"GUEST_MEMFD": 1, **flags})


POOLS: Texts = {
    "one host": lambda: str(baseline([named("a", 3)])),
    "three hosts, one lacks a flag": lambda: str(
        baseline([named("a", 3), named("b", 3), named("c", 1)])
    ),
    "fifty hosts": many,
    "without guest_memfd": without_guest_memfd,
    "a flag that no mask can hold": lambda: str(
        baseline([named("a", FOO | BAR, RELATED), named("b", BAR, RELATED)])
    ),
    "no mask is valid": lambda: str(
        baseline([named("a", BAR, tree(Always(FOO, **SAID), Never(FOO, **SAID)))])
    ),
    "pair: catalogs that differ": lambda: without_digests(
        str(compare(named("A", 3), named("B", 3, FIRECRACKER_SECRET_FREE))),
        named("B", 3, FIRECRACKER_SECRET_FREE),
    ),
    "pair: the same mask on another machine": lambda: str(
        compare(named("A", 2), on_arm64(named("B", 2)))
    ),
    "pair: safe": lambda: str(compare(named("A", 3), named("B", 3))),
    "pair: all flags are lost": lambda: str(compare(named("A", 3), named("B", 0))),
    "pair: each has something": lambda: str(compare(named("A", 1), named("B", 2))),
    "pair: losing a flag and what depends on it": lambda: str(
        compare(named("A", FOO | BAR | BAZ, RELATED), named("B", BAR | BAZ, RELATED))
    ),
    "pair: a flag that is of no use on arm64": lambda: str(
        compare(
            named("A", FOO | BAR | 1 << 6, tree(NOT_ON_ARM)),
            on_arm64(named("B", FOO | BAR, tree(NOT_ON_ARM))),
        )
    ),
    "pair: another type of VM": lambda: str(
        compare(named("A", 2), evolve(named("B", 2), host=evolve(named("B", 2).host, vm_type=None)))
    ),
    "pair: other capabilities": lambda: str(
        compare(
            evolve(named("A", 3), answers={**named("A", 3).answers, "USER_MEMORY2": 3}),
            named("B", 3),
        )
    ),
    "pair: not asked for bits 63:32": lambda: str(compare(*beyond_32_bits(3))),
    "pair: not asked for any flag": lambda: str(compare(*beyond_32_bits())),
    "pair: a device and its VM": lambda: str(compare(named("a VM", 1), dev_kvm(3))),
    "pair: two of one name": lambda: str(
        compare(named("the VM of type 0", 3), named("the VM of type 0", 1))
    ),
}

PROBED = probed_tree("FOO", "BAR", "BAZ")
EXCLUDING = evolve(PROBED, rules=[excludes(1, 2)])


def probe_text(report: Any) -> str:
    """A report, with the size of a page by name."""
    return str(report).replace(f"{PAGE} bytes", "<page> bytes")


ODD_ANSWERS = {
    0: 0,
    1: 0,
    3: errno.EINVAL,
    2: errno.EPERM,
    4: 200,
    0x8: errno.EINVAL,
    0x10: errno.EINVAL,
    0x18: errno.EINVAL,
    0x20: 0,
    0x40: errno.EPERM,
    1 << 40: errno.EINVAL,
}
MEASURED = {
    0: Observation(0, 0, errno.ENODEV),
    1: Observation(0, 0, errno.EFAULT),
    2: Observation(0, 0, errno.ENODEV),
    3: Observation(0, 0, 0),
    4: Observation(errno.EINVAL),
}
PROBES: Texts = {
    "mainline as measured": lambda: probe_text(reported(MAINLINE, 3, MEASURED)),
    "mainline that binds less": lambda: probe_text(
        reported(MAINLINE, 3, {**MEASURED, 0: Observation(0, errno.EINVAL)})
    ),
    "mainline that has a rule": lambda: probe_text(swept(MAINLINE, 3, obeying(requires(1, 2)))),
    "complete": lambda: probe_text(swept(EXCLUDING, 7, taking([0, 1, 2, 4, 5]))),
    "incomplete": lambda: probe_text(reported(EXCLUDING, 1 << 40 | 7, ODD_ANSWERS)),
    "stopped": lambda: probe_text(
        evolve(
            reported(PROBED, 3, {0: Observation(0, 0, 0)}),
            stopped=errno.EMFILE,
            stopped_at=Stage.BIND,
        )
    ),
    "no guest_memfd": lambda: probe_text(
        ProbeReport(support=query(FakeBackend({234: 0})), observations={}, size=PAGE)
    ),
}

ON_ARM, ON_X86 = Hosts(machines=("aarch64",)), Hosts(machines=("x86_64",))
# Rules of a tree, and what lint finds in them.
LINTED: dict[str, tuple[Rule, ...]] = {
    "clean: no rule": (),
    "clean: requires": (Requires(FOO, all_of=BAR, any_of=(BAZ,), **SAID),),
    "clean: alternatives may overlap": (Requires(FOO, any_of=(BAR, BAR | BAZ), **SAID),),
    "clean: always": (Always(FOO, any_of=(BAR, BAR | BAZ), **SAID),),
    "clean: excludes": (Excludes(FOO | BAR, BAZ, **SAID),),
    "clean: never on some hosts": (Never(FOO, hosts=ON_ARM, **SAID),),
    "clean: refused": (Refused(FOO | BAR, **SAID), Refused(0, **SAID)),
    "clean: both ways": (needs(FOO, BAR), needs(BAR, FOO)),
    "clean: a flag for some hosts only": (
        Never(FOO, hosts=ON_X86, **SAID),
        Never(FOO, hosts=Hosts(vm_types=(4, 5)), **SAID),
    ),
    "clean: a flag for hosts that no rule names": (
        Never(FOO, hosts=Hosts(machines=("x86_64", "aarch64")), **SAID),
    ),
    "clean: rules of other hosts do not add up": (
        Always(FOO, hosts=ON_ARM, **SAID),
        Never(FOO, hosts=ON_X86, **SAID),
    ),
    "no why": (Excludes(FOO, BAR, why="", source="a test"),),
    "a blank why": (Excludes(FOO, BAR, why=" \n", source="a test"),),
    "no source": (Excludes(FOO, BAR, why="It is so.", source=" "),),
    "unnamed flag": (needs(1 << 7, FOO),),
    "unnamed all_of": (needs(FOO, 1 << 7),),
    "unnamed any_of": (Requires(FOO, any_of=(BAR, 1 << 7), **SAID),),
    "unnamed a": (Excludes(1 << 7, FOO, **SAID),),
    "unnamed never": (Never(1 << 7, **SAID),),
    "unnamed refused": (Refused(FOO | 1 << 7, **SAID),),
    "two unnamed": (Refused(3, **SAID),),
    "requires itself": (needs(FOO | BAR, FOO | BAZ),),
    "itself as an alternative": (Requires(FOO, any_of=(FOO, BAR), **SAID),),
    "an alternative that is needed anyway": (Requires(FOO, all_of=BAR, any_of=(BAR, BAZ), **SAID),),
    "always twice": (Always(FOO, any_of=(FOO, BAR), **SAID),),
    "excludes itself": (Excludes(FOO, FOO | BAR, **SAID),),
    "required by nothing": (needs(0, FOO),),
    "requires nothing": (Requires(FOO, **SAID),),
    "an empty alternative": (Requires(FOO, any_of=(0, BAR), **SAID),),
    "always nothing": (Always(0, **SAID),),
    "always an empty alternative": (Always(FOO, any_of=(0,), **SAID),),
    "excludes nothing": (Excludes(FOO, 0, **SAID),),
    "nothing excludes": (Excludes(0, FOO, **SAID),),
    "never nothing": (Never(0, **SAID),),
    "never at all": (Never(FOO, **SAID),),
    "never at all, later": (Never(FOO, stage=Stage.ACCESS, **SAID),),
    "impossible by a detour": (needs(FOO, BAR), needs(BAR, BAZ), Excludes(FOO, BAZ, **SAID)),
    "no mask is valid": (
        Always(FOO, **SAID),
        Excludes(FOO, BAR, **SAID),
        Always(BAR, **SAID),
    ),
    "no mask is valid on one kind of host": (
        Always(FOO, hosts=ON_ARM, **SAID),
        Never(FOO, hosts=Hosts(vm_types=(5,)), **SAID),
    ),
    "no mask is valid on any kind of host": (
        Always(FOO, **SAID),
        Never(FOO, **SAID),
        Never(BAR, hosts=Hosts(machines=("aarch64",), vm_types=(5,)), **SAID),
    ),
    "all faults of all rules": (Never(1 << 7, why="", source=""), Never(0, **SAID)),
}


def linted(*rules: Rule) -> Callable[[], str]:
    """What lint finds in a tree with these rules."""
    return lambda: "\n".join(lint(tree(*rules))) or "clean"


LINTS: Texts = {name: linted(*rules) for name, rules in LINTED.items()}

GROUPS: dict[str, Texts] = {
    "answers": ANSWERS,
    "whys": WHYS,
    "problems": PROBLEMS,
    "pools": POOLS,
    "probes": PROBES,
    "lints": LINTS,
}
