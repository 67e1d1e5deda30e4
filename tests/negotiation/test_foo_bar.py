"""The question that the enumeration leaves open: BAR is listed, and valid only with FOO."""

import pytest

from gmemflags import MAINLINE, Catalog, NegotiationError, Prerequisites, Reason, Request, Requires, Resolution, Role, Support, negotiate, query, resolve
from gmemflags import FlagWord
from gmemflags.testing import FakeBackend


class Flag(FlagWord):
    """The flags of a tree in which BAR is valid only with FOO."""

    MMAP = 1 << 0
    FOO = 1 << 2
    BAR = 1 << 3


FOO, BAR = Flag.FOO, Flag.BAR
RULE = Requires(BAR, all_of=FOO, why="BAR builds on FOO.", source="an example")
TREE = Catalog("foo-tree", Flag, MAINLINE.capabilities, [RULE])
HOST = query(FakeBackend.narrow(0xD), TREE)
WITHOUT_FOO = query(FakeBackend.narrow(0x9), TREE)

CLAIM = (
    "  note: the names are those of foo-tree, by the caller's choice: a kernel confirms bits,"
    " never names"
)
BROKEN = "BAR requires FOO (BAR builds on FOO)"


def refused(support: Support, request: Request) -> tuple[Reason, Resolution]:
    """The one reason of a refusal, by this rule and about BAR, which negotiate raises too."""
    answer = resolve(support, request)
    (problem,) = answer.problems
    assert (problem.bits, problem.rules) == (BAR, (RULE,))
    with pytest.raises(NegotiationError) as caught:
        negotiate(support, request)
    assert caught.value.resolution == answer
    return problem.reason, answer


def changes(answer: Resolution) -> list[tuple[str, int]]:
    """What is suggested, each resolved once more: it gives what it says."""
    for suggestion in answer.suggestions:
        assert resolve(answer.support, suggestion.request).mask == suggestion.mask
    return [(suggestion.change, suggestion.mask) for suggestion in answer.suggestions]


def test_bar_alone() -> None:
    """The host has FOO, and nobody asked for it: nothing is added behind the caller's back."""
    reason, answer = refused(HOST, Request(required=BAR))
    assert reason is Reason.MISSING_PREREQUISITE
    assert changes(answer) == [
        ("require FOO (bit 2, 0x4) as well", 0xC),
        ("allow prerequisites to be added", 0xC),
        ("prefer BAR (bit 3, 0x8) instead of requiring it", 0),
    ]
    assert str(answer).splitlines() == [
        (
            f"refused on a fake host: {BROKEN}: the host has what is missing, and the request"
            " lacks it;"
            " FOO (bit 2, 0x4) is supported and not asked for,"
            " BAR (bit 3, 0x8) is supported and required"
        ),
        "  asked: required BAR (bit 3, 0x8); prerequisites refuse, until bind",
        "  host: a fake host lists MMAP|FOO|BAR (0xd) (foo-tree, vm scope)",
        CLAIM,
        "  try: require FOO (bit 2, 0x4) as well, which gives FOO|BAR (0xc)",
        "  try: allow prerequisites to be added, which gives FOO|BAR (0xc)",
        ("  try: prefer BAR (bit 3, 0x8) instead of requiring it, which gives no flag (0x0)"),
    ]


def test_bar_preferring_foo() -> None:
    """The wish is granted, and makes the requirement valid."""
    answer = resolve(HOST, Request(required=BAR, preferred=[FOO]))
    assert answer.mask == 0xC
    assert [(o.bits, o.role, o.reason, o.chain) for o in answer.outcomes] == [
        (FOO, Role.PREFERRED, Reason.GRANTED, ()),
        (BAR, Role.REQUIRED, Reason.GRANTED, ()),
        (FOO, Role.GROUP, Reason.GRANTED, ()),
    ]
    assert changes(answer) == []
    assert str(answer).splitlines() == [
        "granted: FOO|BAR (0xc) on a fake host",
        (
            "  asked: required BAR (bit 3, 0x8), preferred FOO (bit 2, 0x4);"
            " prerequisites refuse, until bind"
        ),
        "  host: a fake host lists MMAP|FOO|BAR (0xd) (foo-tree, vm scope)",
        "  - FOO (bit 2, 0x4) is granted: preferred and supported",
        "  - BAR (bit 3, 0x8) is granted: required and supported",
        CLAIM,
    ]


def test_bar_with_prerequisites_added() -> None:
    """FOO comes with it, and the answer says by which rule."""
    answer = resolve(HOST, Request(required=BAR, prerequisites=Prerequisites.ADD))
    assert answer.mask == 0xC
    assert [(o.bits, o.role, o.reason, o.chain) for o in answer.outcomes] == [
        (FOO, Role.PREREQUISITE, Reason.ADDED, (RULE,)),
        (BAR, Role.REQUIRED, Reason.GRANTED, ()),
    ]
    assert str(answer).splitlines() == [
        "granted: FOO|BAR (0xc) on a fake host",
        "  asked: required BAR (bit 3, 0x8); prerequisites add, until bind",
        "  host: a fake host lists MMAP|FOO|BAR (0xd) (foo-tree, vm scope)",
        "  - FOO (bit 2, 0x4) is added: BAR requires FOO",
        "  - BAR (bit 3, 0x8) is granted: required and supported",
        CLAIM,
    ]


@pytest.mark.parametrize("prerequisites", Prerequisites)
def test_bar_forbidding_foo(prerequisites: Prerequisites) -> None:
    """What is forbidden is not added either."""
    request = Request(required=BAR, forbidden=FOO, prerequisites=prerequisites)
    reason, _ = refused(HOST, request)
    assert reason is Reason.PREREQUISITE_FORBIDDEN


def test_bar_forbidding_foo_in_words() -> None:
    """With prerequisites, to forbid FOO no more is enough."""
    request = Request(required=BAR, forbidden=FOO, prerequisites=Prerequisites.ADD)
    answer = resolve(HOST, request)
    assert changes(answer) == [
        ("do not forbid FOO (bit 2, 0x4)", 0xC),
        ("prefer BAR (bit 3, 0x8) instead of requiring it", 0),
    ]
    assert str(answer).splitlines() == [
        (
            f"refused on a fake host: {BROKEN}: the request rules out what is missing;"
            " FOO (bit 2, 0x4) is supported and forbidden,"
            " BAR (bit 3, 0x8) is supported and required"
        ),
        (
            "  asked: required BAR (bit 3, 0x8), forbidden FOO (bit 2, 0x4);"
            " prerequisites add, until bind"
        ),
        "  host: a fake host lists MMAP|FOO|BAR (0xd) (foo-tree, vm scope)",
        CLAIM,
        "  try: do not forbid FOO (bit 2, 0x4), which gives FOO|BAR (0xc)",
        ("  try: prefer BAR (bit 3, 0x8) instead of requiring it, which gives no flag (0x0)"),
    ]


@pytest.mark.parametrize("prerequisites", Prerequisites)
@pytest.mark.parametrize("preferred", [[], [FOO]], ids=["no wish", "a wish"])
def test_bar_on_a_host_without_foo(prerequisites: Prerequisites, preferred: list[int]) -> None:
    """BAR is listed there, and is of no use: neither a wish nor a policy helps."""
    request = Request(required=BAR, preferred=preferred, prerequisites=prerequisites)
    reason, _ = refused(WITHOUT_FOO, request)
    assert reason is Reason.PREREQUISITE_UNSUPPORTED


def test_bar_on_a_host_without_foo_in_words() -> None:
    """Nothing but a wish for BAR is left."""
    answer = resolve(WITHOUT_FOO, Request(required=BAR, prerequisites=Prerequisites.ADD))
    assert changes(answer) == [("prefer BAR (bit 3, 0x8) instead of requiring it", 0)]
    assert answer.headline == (
        f"refused on a fake host: {BROKEN}: the host does not list what is missing;"
        " FOO (bit 2, 0x4) is unsupported and not asked for,"
        " BAR (bit 3, 0x8) is supported and required"
    )


def test_bar_as_a_wish() -> None:
    """What cannot be is not granted, and says why; the request itself is."""
    answer = resolve(HOST, Request(required=Flag.MMAP, preferred=[BAR]))
    assert answer.mask == 0x1
    assert answer.why(BAR) == (
        f"BAR (bit 3, 0x8) is not granted: {BROKEN}: the host has what is missing, and"
        " the request lacks it; FOO (bit 2, 0x4) is supported and not asked for,"
        " BAR (bit 3, 0x8) is supported and preferred"
    )


def test_foo_and_bar() -> None:
    """Whoever names both has both, and either order is the same request."""
    assert resolve(HOST, FOO | BAR).mask == 0xC
    assert resolve(HOST, BAR | FOO).mask == 0xC
    assert resolve(HOST, Request(preferred=[BAR, FOO])).mask == 0xC
