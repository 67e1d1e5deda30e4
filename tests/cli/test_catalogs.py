"""`gmemflags catalogs`: the list, one catalog, JSON, and the graph of its rules."""

import pytest

from gmemflags import records
from gmemflags._cli._catalogs import summary, whole
from gmemflags._cli._graph import graph
from gmemflags._cli._options import CATALOGS
from gmemflags import Always, Catalog, Excludes, Hosts, Need, Never, Profile, Refused, Request, Requires, Rule, Stage, format_rule
from gmemflags import FlagWord
from tests.cli.runs import error, run


class Tree(FlagWord):
    """The flags of a tree with a rule of each kind."""

    FOO = 1
    BAR = 2
    BAZ = 4
    FAR = 1 << 40


FOO, BAR, BAZ, FAR = Tree.FOO, Tree.BAR, Tree.BAZ, Tree.FAR


def tree(*rules: Rule) -> Catalog:
    """A catalog with these rules."""
    profile = Profile(
        "all",
        Request(
            required=FOO,
            preferred=[BAR, BAZ | FAR],
            forbidden=8,
            needs=[Need("X", 8, any_of=[1, 2])],
        ),
        "Everything that a profile can have.",
    )
    return Catalog("a-tree", Tree, {"X": 300}, rules, [profile])


def test_the_list_has_a_few_lines_for_each() -> None:
    """Names, flags and profiles at a glance."""
    answer = run("catalogs")
    assert (answer.status, answer.err) == (0, "")
    assert "linux-mainline\n  flags: MMAP|INIT_SHARED\n" in answer.out
    assert "  profiles: private, fully-shared\n" in answer.out


@pytest.mark.parametrize("name", CATALOGS)
def test_one_catalog_is_told_in_full(name: str) -> None:
    """Each flag, number, rule and profile is there, with its why and source."""
    answer = run("catalogs", name)
    assert (answer.status, answer.err) == (0, "")
    words = " ".join(answer.out.split())
    catalog = CATALOGS[name]
    assert f"digest {catalog.digest}" in words
    for flag, member in catalog.flags.__members__.items():
        assert f"{flag} (bit {member.value.bit_length() - 1}, {member.value:#x})" in words
    for capability, number in catalog.capabilities.items():
        assert f"{'none' if number is None else number} KVM_CAP_{capability}" in words
    for rule in catalog.rules:
        assert f"{format_rule(rule, catalog)} stage: {rule.stage} holds on: " in words
        assert f"why: {rule.why} source: {rule.source}" in words
    for profile in catalog.profiles.values():
        assert f"{profile.name} why: {profile.why} required: " in words


def test_json_is_one_record_for_each_catalog() -> None:
    """Each line is read back as that catalog."""
    answer = run("catalogs", "--json")
    assert (answer.status, answer.err) == (0, "")
    assert [records.loads(line) for line in answer.out.splitlines()] == [*CATALOGS.values()]
    for name, catalog in CATALOGS.items():
        assert records.loads(run("catalogs", name, "--json").out) == catalog


@pytest.mark.parametrize(
    ("argv", "what", "remedy"),
    [
        (
            ["--graph"],
            "a graph shows one catalog",
            "name one of linux-mainline, firecracker-secret-free",
        ),
        (
            ["--graph", "--json", "linux-mainline"],
            "argument --json: not allowed with argument --graph",
            "see `gmemflags catalogs --help`",
        ),
    ],
)
def test_wrong_usage_ends_with_status_2(argv: list[str], what: str, remedy: str) -> None:
    """Two lines on standard error, and nothing on standard output."""
    answer = run("catalogs", *argv)
    assert (answer.status, answer.out, answer.err) == (2, "", error(what, remedy))


def test_a_catalog_that_is_none_is_refused_by_name() -> None:
    """The known ones are told."""
    answer = run("catalogs", "mainline")
    assert (answer.status, answer.out) == (2, "")
    assert "invalid choice: 'mainline'" in answer.err


@pytest.mark.parametrize(
    ("rule", "edges"),
    [
        (
            Requires(FOO | BAR, all_of=BAZ, why="w", source="s"),
            ['FOO -->|"requires, at create"| BAZ', 'BAR -->|"requires, at create"| BAZ'],
        ),
        (
            Requires(FOO, all_of=FAR, any_of=[BAR, BAR | BAZ], why="w", source="s"),
            [
                'FOO -->|"requires, at create"| FAR',
                'FOO -.->|"requires one of these, at create"| BAR',
                'FOO -.->|"requires one of these, at create"| m6',
            ],
        ),
        (
            Excludes(FOO, BAR | BAZ, why="w", source="s", stage=Stage.BIND),
            ['FOO x--x|"excludes, at bind"| BAR', 'FOO x--x|"excludes, at bind"| BAZ'],
        ),
        (
            Always(FOO, any_of=[BAR, BAZ], why="w", source="s"),
            [
                'every -->|"needs, at create"| FOO',
                'every -.->|"needs one of these, at create"| BAR',
                'every -.->|"needs one of these, at create"| BAZ',
            ],
        ),
        (
            Never(FOO, why="w", source="s", hosts=Hosts(machines=["s390x"], vm_types=[7])),
            ['none -->|"takes, at create, on machine s390x, VM type 7"| FOO'],
        ),
        (
            Refused(FOO | BAR, why="w", source="s"),
            ['none -->|"is exactly this, at create"| m3'],
        ),
        (
            Refused(0, why="w", source="s"),
            ['none -->|"is exactly this, at create"| m0'],
        ),
    ],
)
def test_every_kind_of_rule_is_drawn(rule: Rule, edges: list[str]) -> None:
    """Each edge joins nodes that have a box, and no rule is drawn as nothing."""
    lines = list(graph(tree(rule)))
    assert lines[0] == "graph LR"
    assert [line.strip() for line in lines if '|"' in line] == edges
    boxes = {line.split("[")[0].split("(")[0].strip() for line in lines if '["' in line}
    for edge in edges:
        assert {edge.split()[0], edge.split()[-1]} <= boxes


def test_a_rule_that_cannot_be_drawn_is_not_left_out() -> None:
    """A kind of rule that the graph does not know is an error, never an omission."""

    class Odd(Rule):
        """A rule of the caller's own."""

        @property
        def operands(self) -> tuple[int, ...]:
            """Two masks."""
            return (1, 2)

        def clauses(self, may: int) -> list[tuple[int, tuple[int, ...]]]:
            """No clause for any ``may``."""
            return []

    with pytest.raises(TypeError, match="cannot be drawn"):
        list(graph(tree(Odd(why="w", source="s"))))


def test_a_profile_is_told_in_full() -> None:
    """Preferred groups, forbidden bits and needs with bits are all there."""
    text = "\n".join(whole(tree()))
    assert "    required: FOO (bit 0, 0x1)\n" in text
    assert "    preferred: BAR (bit 1, 0x2)\n    preferred: BAZ|FAR (0x10000000004)\n" in text
    assert "    forbidden: bit 3 (0x8, not named by a-tree)\n" in text
    assert "    needs: KVM_CAP_X with 0x8 and one of 0x1, 0x2" in text


def test_a_need_may_have_alternatives_alone() -> None:
    """Without bits of its own, a need tells its alternatives."""
    profile = Profile("p", Request(needs=[Need("X", any_of=[1, 2])]), "A test.")
    text = "\n".join(whole(Catalog("a-tree", Tree, {}, profiles=[profile])))
    assert text.endswith("    needs: KVM_CAP_X with one of 0x1, 0x2")


def test_a_catalog_may_have_no_profiles() -> None:
    """An empty list is told as a word."""
    assert list(summary(Catalog("a-tree", Tree, {})))[-1] == "  profiles: none"
