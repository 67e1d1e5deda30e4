"""`gmemflags probe`: what people see, what programs get, and a catalog to paste."""

import errno
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from gmemflags import MAINLINE, Catalog, Profile, Request, Stage, records
from gmemflags.__main__ import main
from gmemflags._cli._out import fold
from gmemflags._cli._probe import waiting
from gmemflags._cli._source import module
from gmemflags import FIRECRACKER_SECRET_FREE, Rule
from gmemflags.linux import ProbeReport, Vm, probe
from gmemflags.negotiation._probe_text import lines
from tests.cli.runs import Run, error, run
from tests.hidden import KERNELS, TREE
from tests.probing import (
    PAGE,
    HiddenKernel,
    Judge,
    excludes,
    obeying,
    refused,
    reported,
    requires,
    swept,
    within,
)
from tests.records.values import requests, rules, texts
from tests.standin.kernel import (
    KVM_CREATE_VM,
    KVM_GET_API_VERSION,
    Answer,
    Call,
    Errno,
    Standin,
)
from tests.strategies import catalogs

MMAP, INIT_SHARED = 1, 2
EVERYTHING = obeying()
REQUIRES = requires(INIT_SHARED, MMAP)
KERNEL, MACHINE = os.uname().release, os.uname().machine


def play(listed: int, judge: Judge, *argv: str) -> Run:
    """Probe a VM of /dev/null, for which the scripted kernel answers."""
    kernel = HiddenKernel(listed, within(listed, judge), device=True)
    return Standin(kernel).run(lambda: run("probe", "--device", os.devnull, *argv))


def made(text: str) -> Catalog:
    """The catalog that a printed module makes."""
    assert text.isascii()
    names: dict[str, object] = {}
    exec(compile(text, "printed", "exec"), names)  # noqa: S102  # that is what it is for
    catalog = names["CATALOG"]
    assert isinstance(catalog, Catalog)
    return catalog


@pytest.mark.usefixtures("standin")
def test_a_mainline_kernel_to_the_letter() -> None:
    """Each mask with its answer, and the single bits that nobody lists in one line."""
    answer = play(3, EVERYTHING)
    assert (answer.status, answer.err) == (0, "")
    assert answer.out == (
        f"host    VM of type 0 on /dev/null, Linux {KERNEL}, {MACHINE}\n"
        "catalog linux-mainline\n"
        "lists   MMAP|INIT_SHARED (0x3)\n"
        f"tried   files of {PAGE} bytes, reserved words of zero: masks tried: 66, among them\n"
        "    every combination of the listed flags\n"
        "\n"
        "  mask  answer      flags\n"
        "   0x0  taken       0\n"
        "   0x1  taken       MMAP\n"
        "   0x2  taken       INIT_SHARED\n"
        "   0x3  taken       MMAP|INIT_SHARED\n"
        "  EINVAL for all other single bits tried: 62, none of them listed\n"
        "\n"
        "rules that hold in all of this\n"
        "  no mask takes any bit of 0xfffffffffffffffc\n"
        "    Observed: bit 2 (0x4, not named by linux-mainline) is refused.\n"
    )


@pytest.mark.usefixtures("standin")
def test_a_contradiction_is_a_no() -> None:
    """The kernel has a rule that mainline's catalog has not."""
    answer = play(3, obeying(REQUIRES))
    assert (answer.status, answer.err) == (1, "")
    assert "   0x2  EINVAL      INIT_SHARED\n" in answer.out
    assert (
        "\n  INIT_SHARED requires MMAP\n"
        "    Observed: INIT_SHARED (bit 1, 0x2) is refused, MMAP|INIT_SHARED (0x3) is\n"
        "        taken.\n"
    ) in answer.out
    assert answer.out.endswith(
        "\nkernel and catalog contradict each other\n"
        "  INIT_SHARED (bit 1, 0x2) is refused, and linux-mainline allows it\n"
    )


def shown(report: ProbeReport) -> str:
    """The report for people."""
    return "\n".join(lines(report))


def test_what_no_rule_explains_is_shown() -> None:
    """Mask by mask."""
    text = shown(swept(TREE, 7, obeying(refused(3), refused(6))))
    assert ("\nrefused, and explained by no rule\n  FOO|BAR (0x3)\n  BAR|BAZ (0x6)\n") in text


def test_what_is_undetermined_is_shown() -> None:
    """And that the rules are those of a part."""
    text = shown(reported(TREE, 3, {0: 0, 1: 0, 2: errno.EINVAL, 4: errno.EINVAL}))
    assert (
        "masks tried: 4, and not every combination of the listed flags was answered with yes or"
        " EINVAL\n"
    ) in text
    assert (
        "\nrules that hold in all of this, which is not everything\n  no mask takes BAZ\n" in text
    )
    assert text.endswith("\n\nundetermined: in no mask that was taken\n  BAR (bit 1, 0x2)")


def test_where_nothing_follows_nothing_is_said() -> None:
    """A title without lines would look like a loss."""
    text = shown(reported(TREE, 1, {0: 0, 1: 0}))
    assert text.endswith("flags\n   0x0  taken       0\n   0x1  taken       FOO")


def test_other_errnos_have_their_names() -> None:
    """Where they have one."""
    text = shown(reported(TREE, 3, {0: 0, 1: errno.ENOMEM, 2: 3000}))
    assert "   0x1  ENOMEM      FOO\n" in text
    assert "   0x2  errno 3000  BAR" in text


def test_a_bit_that_is_taken_and_not_listed_has_a_line() -> None:
    """It is not among those that are summed up; masks of several bits are not either."""
    far = 1 << 40
    text = shown(reported(TREE, 1, {0: 0, far: 0, 2: errno.EINVAL, 6: errno.EINVAL}))
    assert f"{far:#x}  taken       0x10000000000\n" in text
    assert f"{'0x6':>13}  EINVAL      BAR|BAZ\n" in text
    assert "single bits tried: 1, none of them listed\n" in text


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.EMFILE, "this process has no descriptor left"), (errno.EACCES, "a security module")],
)
@pytest.mark.parametrize("how", [[], ["--json"]], ids=["text", "json"])
def test_a_probe_that_ended_early_is_no_answer(number: int, remedy: str, how: list[str]) -> None:
    """What was seen is printed; on standard error stands what was in the way."""
    left = [0, 0]
    answer = play(3, lambda _: left.pop() if left else number, *how)
    name = errno.errorcode[number]
    assert answer.status == 3
    what = f"the probe ended early: masks tried: 2, until {name}"
    assert answer.err.startswith(f"gmemflags: error: {what}\ngmemflags: to do: {remedy}")
    assert answer.err.count("\n") == 2
    assert answer.out


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize("how", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize(
    ("number", "limit"), [(0, "3"), (0, "0"), (errno.ENOMEM, "4096")], ids=["few", "none", "errno"]
)
def test_a_probe_that_is_not_complete_is_no_answer(number: int, limit: str, how: list[str]) -> None:
    """Nobody takes a part for the whole: not by the status, and not by the text."""
    answer = play(3, lambda mask: number if mask == MMAP else 0, "--limit", limit, *how)
    assert answer.status == 3
    tried = PART.replace("66", f"{min(int(limit), 66)}")
    assert answer.err == error(f"the probe is not complete: {tried}", RAISE)
    assert answer.out


@pytest.mark.usefixtures("standin")
def test_a_type_that_the_host_does_not_list() -> None:
    """The types that it lists are told, and no recorded host is offered."""

    def kernel(call: Call) -> Answer:
        if call.request == KVM_GET_API_VERSION:
            return 12
        if call.request == KVM_CREATE_VM:
            return Errno(errno.EINVAL)
        return {235: 0b1_0001}.get(call.argument, 0)

    answer = Standin(kernel).run(lambda: run("probe", "--device", os.devnull, "--vm-type", "2"))
    assert (answer.status, answer.out) == (3, "")
    assert answer.err == error(
        "VM of type 2 on /dev/null: Invalid argument (errno 22, no-vm)",
        "ask for a VM type that the host lists: --vm-type 0 or 4",
    )


@pytest.mark.usefixtures("standin")
def test_a_contradiction_stays_one_when_the_probe_ended_early() -> None:
    """It was seen."""
    answers = [errno.ENOTTY, errno.EINVAL, 0]
    assert play(3, lambda _: answers.pop()).status == 1


@pytest.mark.usefixtures("standin")
def test_json_is_the_record_of_the_report() -> None:
    """Whoever reads it learns the same."""
    answer = play(3, obeying(REQUIRES), "--json")
    assert (answer.status, answer.err, answer.out.count("\n")) == (1, "", 1)
    report = records.loads(answer.out)
    assert isinstance(report, ProbeReport)
    observations = swept(MAINLINE, 3, obeying(REQUIRES)).observations
    assert report.observations == observations
    assert json.loads(answer.out)["observations"]["0x2"] == errno.EINVAL
    assert report.contradictions
    assert report.support.origin == f"VM of type 0 on /dev/null of {os.uname().nodename}"


@pytest.mark.usefixtures("standin")
def test_the_limit_and_the_masks_around() -> None:
    """--around is given in names of the catalog, and again."""
    options = ("--limit", "67", "--around", "WRITE|MMAP", "--around", "0xf0", "--json")
    answer = play(3, EVERYTHING, "--catalog", "firecracker-secret-free", *options)
    observations = json.loads(answer.out)["observations"]
    assert len(observations) == 67
    assert list(observations)[-1] == "0x9"
    assert answer.status == 0


@pytest.mark.usefixtures("standin")
def test_the_type_of_the_vm() -> None:
    """Another type takes other flags."""
    answer = play(3, EVERYTHING, "--vm-type", "4", "--json")
    facts = json.loads(answer.out)["support"]["facts"]
    assert facts["vm_type"] == 4


@pytest.mark.parametrize(
    ("argv", "what"),
    [
        (["--limit", "-1"], "argument --limit: '-1' is no number in [0, 2**31)"),
        (["--limit", "many"], "argument --limit: 'many' is no number in [0, 2**31)"),
        (["--json", "--as-catalog"], "argument --as-catalog: not allowed with argument --json"),
        (["--host", "linux-6.18-x86_64"], "unrecognized arguments: --host linux-6.18-x86_64"),
        (["--catalog", "mine"], "argument --catalog: invalid choice: 'mine'"),
    ],
    ids=["negative", "no number", "both", "a recorded host", "no catalog"],
)
def test_wrong_usage(argv: list[str], what: str) -> None:
    """Status 2, and nothing is asked."""
    answer = run("probe", "--device", "/no/such/device", *argv)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith(f"gmemflags: error: {what}")


def test_a_flag_that_the_tree_does_not_name() -> None:
    """Status 2, before anything is opened."""
    answer = run("probe", "--around", "MAP", "--device", "/no/such/device")
    assert answer.status == 2
    assert "no flag of linux-mainline is called MAP" in answer.err


def test_without_a_device_there_is_no_answer() -> None:
    """No other host can be probed, so none is offered."""
    answer = run("probe", "--device", "/no/such/device")
    assert (answer.status, answer.out) == (3, "")
    assert "/no/such/device: No such file or directory (errno 2, no-device)" in answer.err
    assert "--host" not in answer.err


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize("name", [None, "our-tree", 'it\'s "ours"'])
def test_a_catalog_to_paste(name: str | None) -> None:
    """Executing it gives the catalog that was learnt; lines are short enough to read."""
    judge = obeying(REQUIRES)
    answer = play(3, judge, "--as-catalog", *([name] if name else []))
    assert (answer.status, answer.err) == (1, "")
    learnt = swept(MAINLINE, 3, judge).as_catalog(name or "linux-mainline-probed")
    catalog = made(answer.out)
    source = (
        f"probe of VM of type 0 on /dev/null, {KERNEL}: 66 masks tried"
        f" with files of {PAGE} bytes and reserved words of zero"
    )
    first, *rest = learnt.rules
    assert catalog == evolve(learnt, rules=[evolve(first, source=source), *rest])
    assert max(map(len, answer.out.splitlines())) <= 100


@pytest.mark.usefixtures("standin")
def test_a_catalog_to_the_letter() -> None:
    """Names, numbers, rules and profiles; nothing refers to the catalog of the program."""
    answer = play(7, obeying(requires(4, 1), excludes(4, 2)), "--as-catalog", "ours")
    head, _, rest = answer.out.partition("PROOF = ")
    assert head == (
        '"""A catalog of guest_memfd flags, written by gmemflags probe."""\n'
        "\n"
        "from gmemflags import (\n"
        "    Always,\n"
        "    Catalog,\n"
        "    Excludes,\n"
        "    Need,\n"
        "    Profile,\n"
        "    Request,\n"
        "    Requires,\n"
        "    Stage,\n"
        ")\n"
        "from gmemflags.catalog import Hosts\n"
        "from gmemflags.masks import FlagWord\n"
        "\n"
    )
    assert (
        "class Flag(FlagWord):\n"
        '    """The flags of one kernel, as bits."""\n'
        "\n"
        "    MMAP = 1 << 0\n"
        "    INIT_SHARED = 1 << 1\n"
        "    BIT_2 = 1 << 2\n"
        "\n\n"
        "CATALOG = Catalog(\n"
        '    name="ours",\n'
        "    flags=Flag,\n"
    ) in rest
    assert ("        Requires(\n            Flag.BIT_2,\n            all_of=Flag.MMAP,\n") in rest
    assert "        Excludes(\n            Flag.INIT_SHARED,\n            Flag.BIT_2,\n" in rest
    assert "            source=PROOF,\n" in rest
    assert '            Request(needs=[Need("MEMORY_ATTRIBUTES", 0x8)]),\n' in rest


PART = (
    "masks tried: 66, and not every combination of the listed flags was answered with yes or EINVAL"
)
RAISE = "see the errnos in the report, or raise --limit"


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize(
    ("number", "argv", "what", "remedy"),
    [
        (0, ["--limit", "65"], PART.replace("66", "65"), RAISE),
        (errno.ENOMEM, [], PART, RAISE),
        (errno.ENFILE, [], "masks tried: 1, until ENFILE", "the system has no file left: see"),
    ],
    ids=["limit", "another errno", "stopped"],
)
def test_no_catalog_from_a_part(number: int, argv: list[str], what: str, remedy: str) -> None:
    """Too few rules would be a wrong yes."""
    answer = play(3, lambda mask: number if mask == MMAP else 0, "--as-catalog", *argv)
    assert (answer.status, answer.out) == (3, "")
    assert answer.err.startswith(error(f"no catalog follows from this: {what}", remedy)[:-1])


@pytest.mark.parametrize("name", KERNELS)
def test_the_catalog_of_a_hidden_kernel(name: str) -> None:
    """Every kind of rule that can be learnt."""
    listed, judge, _ = KERNELS[name]
    report = swept(TREE, listed, judge)
    learnt = report.as_catalog("learnt")
    assert made(module(learnt, report.source)) == learnt


@pytest.mark.parametrize("catalog", [MAINLINE, FIRECRACKER_SECRET_FREE], ids=lambda c: c.name)
def test_a_shipped_catalog_is_written_by_names(catalog: Catalog) -> None:
    """Its profiles, too, and the names that they claim."""
    text = module(catalog, "")
    assert made(text) == catalog
    assert "flag_names=" not in text
    assert "required=Flag.MMAP | Flag.INIT_SHARED" in text


def test_what_is_not_named_is_a_number() -> None:
    """In a rule, and in a request that claims no name, or another one."""
    rule = excludes(1, 1 << 40 | 2)
    wishes = [
        Request(required=MMAP, until=Stage.CREATE, digest="0"),
        Request(forbidden=~MAINLINE.flags(1)),
        Request(preferred=[MMAP], flag_names=[(MMAP, "MAP")]),
    ]
    profiles = [Profile(f"{number}", wish, "") for number, wish in enumerate(wishes)]
    catalog = evolve(MAINLINE, rules=[rule], profiles=profiles)
    text = module(catalog, "")
    assert made(text) == catalog
    assert "Flag.INIT_SHARED | 0x10000000000," in text
    assert 'required=0x1, until=Stage.CREATE, digest="0"' in text
    assert "forbidden=Flag.INIT_SHARED | 0xfffffffffffffffc)" in text
    assert 'preferred=[0x1], flag_names=[(0x1, "MAP")]' in text


@given(
    catalogs,
    st.text(),
    st.lists(rules, max_size=3),
    st.lists(
        st.builds(Profile, texts, requests, texts), max_size=2, unique_by=lambda each: each.name
    ),
    st.text(min_size=60),
)
def test_any_catalog_can_be_written(
    base: Catalog, name: str, its_rules: list[Rule], profiles: list[Profile], proof: str
) -> None:
    """Whatever stands in its texts."""
    cited = [evolve(rule, source=proof) for rule in its_rules[:1]]
    catalog = evolve(base, name=name, rules=[*cited, *its_rules[1:]], profiles=profiles)
    copy = made(module(catalog, proof))
    assert copy == catalog
    assert copy.digest == catalog.digest


@pytest.fixture
def pty() -> Iterator[tuple[int, int]]:
    """A terminal: the descriptors of who looks and of who writes."""
    looks, writes = os.openpty()
    yield looks, writes
    os.close(looks)
    os.close(writes)


def terminal_shows(pty: tuple[int, int], use: Callable[[], object]) -> str:
    """What a terminal that is standard error shows of this."""
    looks, writes = pty
    os.write(writes, b">")
    with os.fdopen(os.dup(writes), "w") as stream, redirect_stderr(stream):
        use()
    os.set_blocking(looks, False)
    text = b""
    with suppress(BlockingIOError):
        while True:
            text += os.read(looks, 65536)
    return text.decode()


def test_who_waits_is_told_how_far_it_is(pty: tuple[int, int]) -> None:
    """After half a second, and then ten times a second, on one line of the terminal."""
    clock = iter([0.0, 0.4, 0.5, 0.55, 0.65, 0.8])
    tell = waiting(lambda: next(clock))
    text = terminal_shows(pty, lambda: [tell(tried) for tried in range(1, 6)])
    assert text.split("\r\x1b[K") == [">", "masks tried: 2", "masks tried: 4", "masks tried: 5"]


@pytest.mark.usefixtures("standin")
def test_in_the_end_the_line_is_empty(pty: tuple[int, int]) -> None:
    """What was told on the way is gone."""

    def look() -> None:
        with redirect_stdout(io.StringIO()):
            main(["probe", "--device", os.devnull])

    kernel = HiddenKernel(3, within(3, EVERYTHING), device=True)
    text = terminal_shows(pty, lambda: Standin(kernel).run(look))
    assert text.startswith(">")
    assert text.endswith("\r\x1b[K")


def test_the_real_kernel(vm: Vm) -> None:
    """The command tells what the library finds, whatever that is here."""
    report = probe(vm)
    answer = run("probe")
    assert answer.out.splitlines() == "\n".join(fold(line) for line in lines(report)).splitlines()
    assert answer.status == (1 if report.contradictions else 0 if report.complete else 3)
