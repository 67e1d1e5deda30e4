"""Pools in lines: numbers of broken ones, and what becomes of lines that give no host."""

import json
from itertools import repeat
from pathlib import Path

import pytest
from attrs import evolve

from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    Baseline,
    CatalogError,
    GmemFlagsError,
    HostFacts,
    KvmUnavailableError,
    RecordError,
    Request,
    Support,
    baseline,
)
from gmemflags._documents import Fault, renamed, varied
from gmemflags.records import dumps, load_lines
from tests.records.sampled import SAMPLES, host

GOOD = dumps(host(3, "@"))
POOL = baseline([host(3, "@"), host(1, "b")])
UNAVAILABLE = dumps(SAMPLES["unavailable"])


def named(origin: str, line: str = GOOD) -> str:
    """A host's line with another origin, as JSON text."""
    return line.replace('"@"', f'"{origin}"', 1)


def test_a_broken_line_is_told_by_number() -> None:
    """The first broken line ends it, with name, number and path."""
    lines = load_lines([GOOD, "", GOOD, '{"schema":1}'], name="pool.jsonl")
    assert next(lines) == next(lines) == host(3, "@")
    with pytest.raises(RecordError) as caught:
        next(lines)
    assert caught.value.path == "pool.jsonl, line 4, $.schema"
    with pytest.raises(RecordError) as caught:
        next(load_lines(["junk"]))
    assert str(caught.value) == "at line 1, $: it is not JSON: Expecting value at character 0"


def test_broken_lines_can_be_skipped_and_counted() -> None:
    """A caller who wants to go on gets every error, and every good line."""
    bad: list[GmemFlagsError] = []
    lines: list[str | bytes] = [GOOD, "junk", "\n", " ", b"\xff", named("b"), named("c") + "x"]
    hosts = [each for each in load_lines(lines, bad=bad.append) if isinstance(each, Support)]
    assert [each.origin for each in hosts] == ["@", "b"]
    assert [str(each).partition(":")[0] for each in bad] == [
        f"at line {number}, $" for number in (2, 5, 7)
    ]


@pytest.mark.parametrize("ending", ["\n", " \r\n"])
@pytest.mark.parametrize("encoded", [True, False])
def test_a_document_spread_over_lines(ending: str, encoded: bool) -> None:
    """The error says what makes one line of it."""
    lines = json.dumps(json.loads(GOOD), indent=2).replace("\n", ending).splitlines(keepends=True)
    with pytest.raises(RecordError) as caught:
        list(load_lines([line.encode() for line in lines] if encoded else lines))
    assert caught.value.path == "line 1, $"
    assert caught.value.problem.startswith("it is not JSON: ")
    assert caught.value.problem.endswith("; one document a line is needed: `jq -c .` makes that")


def test_hosts_and_baselines() -> None:
    """A baseline stands for its hosts, and nothing else does."""
    found = list(load_lines([GOOD, dumps(POOL), named("b")]))
    assert found == [host(3, "@"), POOL, host(3, "b")]
    assert baseline(found).count == 4
    with pytest.raises(RecordError, match=r"line 1, \$.schema: one of gmemflags/host/2, gmem"):
        list(load_lines([dumps(Request())]))


def test_a_host_that_could_not_be_asked_is_not_skipped() -> None:
    """It is raised, or given to the caller: a pool must not look better than it is."""
    with pytest.raises(KvmUnavailableError, match="Permission denied") as caught:
        list(load_lines([GOOD, UNAVAILABLE]))
    assert caught.value.name == "rack-8"
    bad: list[GmemFlagsError] = []
    assert len(list(load_lines([UNAVAILABLE, GOOD], bad=bad.append))) == 1
    assert [type(each) for each in bad] == [KvmUnavailableError]


def test_a_host_of_another_tree_is_told_by_number() -> None:
    """Bit 2 has another name where the host was asked."""
    line = dumps(host(7, "b", FIRECRACKER_SECRET_FREE))
    other = line.replace("NO_DIRECT_MAP", "GMEM_HUGETLB")
    assert [
        each.catalog
        for each in load_lines([line], FIRECRACKER_SECRET_FREE)
        if isinstance(each, Support)
    ] == [FIRECRACKER_SECRET_FREE]
    with pytest.raises(CatalogError) as caught:
        list(load_lines([line, other], FIRECRACKER_SECRET_FREE, name="pool"))
    assert caught.value.problem == (
        "pool, line 2: 0x4 is NO_DIRECT_MAP here, and GMEM_HUGETLB in the tree under which b was"
        " asked; query it again"
    )


@pytest.mark.parametrize("mode", ["r", "rb"])
def test_from_a_file(tmp_path: Path, mode: str) -> None:
    """Text or bytes, as the file was opened."""
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(f"{named(f'h{n}')}\n" for n in range(100)))
    with path.open(mode) as file:
        origins = [each.origin for each in load_lines(file) if isinstance(each, Support)]
    assert origins == [f"h{n}" for n in range(100)]


def test_a_text_file_that_is_not_utf_8(tmp_path: Path) -> None:
    """Where Python decodes the file, its error becomes ours; as bytes, one can go on."""
    path = tmp_path / "pool.jsonl"
    path.write_bytes(GOOD.encode() + b"\n\xff\n" + GOOD.encode())
    with path.open(encoding="utf-8") as file, pytest.raises(RecordError) as caught:
        list(load_lines(file, bad=print, name="pool"))
    assert caught.value.path.startswith("pool, line ")
    assert caught.value.problem == (
        "it is not UTF-8; open the file as bytes to continue after such a line"
    )
    bad: list[GmemFlagsError] = []
    with path.open("rb") as file:
        assert len(list(load_lines(file, bad=bad.append))) == 2
    assert [str(each) for each in bad] == ["at line 2, $: byte 0 is not UTF-8"]


def test_lines_are_read_as_they_are_asked_for() -> None:
    """Nothing is read ahead, so a pool may be endless."""
    lines = load_lines(repeat(GOOD))
    assert [next(lines), next(lines)] == [host(3, "@")] * 2


def test_every_line_is_validated() -> None:
    """A fault in the last of many lines that are alike is found."""
    lines = [named(f"h{number}") for number in range(50)]
    for old, new in (
        ('"mask":"0x3"', '"mask":"0x7"'),
        ('"number":231', '"number":231.0'),
        ('"vm_type":0', '"vm_type":false'),
        ('"kernel":"6.18.0"', '"kernel":"\\ud800"'),
        ('"scope":"vm"', '"scope":"vm","scope":"vm"'),
    ):
        broken = lines[-1].replace(old, new)
        assert broken != lines[-1]
        with pytest.raises(RecordError, match="line 51"):
            list(load_lines([*lines, broken]))


def test_a_baseline_of_lines_is_that_of_the_hosts() -> None:
    """Reading changes nothing; what belongs to one host alone is not in it."""
    hosts = [host(3, "a"), host(1, "b"), host(7, "c")]
    named_hosts = [
        evolve(each, host=evolve(each.host, name=each.origin, time=5, extra={"a": 1}))
        for each in hosts
    ]
    pool = baseline(load_lines(dumps(each) for each in named_hosts))
    assert pool == baseline(hosts)
    assert isinstance(pool, Baseline)
    facts = pool.support.host
    assert (facts.name, facts.time, facts.extra) == (None, None, {})


@pytest.mark.parametrize("number", ["true", "1.0", '"1"'])
def test_what_is_remembered_of_a_line_has_exact_types(number: str) -> None:
    """``true`` and ``1.0`` are not the 1 of the line before, although Python calls them equal."""
    line = GOOD.replace('"answers":{', '"answers":{"X":{"number":1,"raw":"1"},')
    with pytest.raises(RecordError, match=r"line 2, \$.answers.X.number: an integer in"):
        list(load_lines([line, line.replace('"number":1,', f'"number":{number},')]))


def test_more_different_answers_than_are_remembered() -> None:
    """A pool may have as many as it likes, and each is read as it stands."""
    lines = [
        GOOD.replace('"answers":{', f'"answers":{{"X":{{"number":1,"raw":"{raw}"}},')
        for raw in range(2500)
    ]
    found = [each.unused[0].raw for each in load_lines(lines) if isinstance(each, Support)]
    assert found == list(range(2500))


def test_a_host_like_one_before_has_its_own_name_and_time() -> None:
    """What repeats is remembered by exact text, and the rest is checked on every line."""
    line = GOOD.replace('"name":null,"time":null', '"name":"a","time":"2026-02-01T00:00:00Z"')
    other = line.replace('"a"', '"b"').replace("2026-02-01", "2026-02-02")
    found = [each.host for each in load_lines([GOOD, line, other]) if isinstance(each, Support)]
    assert [(each.name, each.time) for each in found] == [
        (None, None),
        ("a", 1_769_904_000),
        ("b", 1_769_990_400),
    ]
    for old, new in (
        ("2026-02-01", "2026-02-30"),
        ("2026-02-01", "1969-02-01"),
        ('"a"', '"\\ud800"'),
        ('"mask":"0x3"', '"mask":"0X3"'),
        ('"mask":"0x3"', '"mask":"0x7"'),
        ('"raw":"3"', '"raw":"03"'),
        ('"raw":"3"', '"raw":"-5"'),
        ('"raw":"3"', '"raw":"7"'),
        ('["MMAP","INIT_SHARED"]', '["MMAP""INIT_SHARED"]'),
        ('["MMAP","INIT_SHARED"]', "[]"),
        ('"INIT_SHARED"}}', '"INIT_SHARED"},"extra":{"a":1,"a":1}}'),
        ('"INIT_SHARED"}}', '"INIT_SHARED"},"extra":{}}}'),
    ):
        broken = line.replace(old, new)
        assert broken != line
        with pytest.raises(RecordError) as caught:
            list(load_lines([line, broken]))
        with pytest.raises(RecordError) as alone:
            list(load_lines([broken]))
        assert str(caught.value) == str(alone.value).replace("line 1", "line 2")


NAMES = {1: "MMAP", 2: "INIT_SHARED"}
TIME = "2026-02-01T00:00:00Z"


def test_a_copied_host() -> None:
    """All is that of the first one, but name, time, and what is changed besides."""
    facts = HostFacts("6.18.0", "x86_64", 0, name="a", time=5, extra={"a": 1})
    first = evolve(host(3), host=facts)
    copied = renamed(first, "b", TIME, extra={"b": 2}, origin="there")
    assert copied == evolve(
        first, host=evolve(facts, name="b", time=1_769_904_000, extra={"b": 2}), origin="there"
    )
    for one, name, time, extra in (
        (copied.host, "b", 1_769_904_000, {"b": 2}),
        (renamed(first, None, None).host, None, None, {"a": 1}),
    ):
        assert (one.name, one.time, one.extra) == (name, time, extra)


@pytest.mark.parametrize(
    ("raw", "flags", "mask"),
    [
        ("3", 'MMAP","INIT_SHARED', "0x3"),
        ("3", 'MMAP", "INIT_SHARED', "0x3"),
        ("65", 'MMAP","0x40', "0x41"),
        ("1", "MMAP", "0x1"),
        ("0", None, "0x0"),
    ],
)
def test_a_copied_host_with_other_flags(raw: str, flags: str | None, mask: str) -> None:
    """It is the host that its line says."""
    copied = varied(host(7), NAMES, "b", TIME, {"b": 2}, raw, flags, mask)
    assert copied == renamed(host(int(raw)), "b", TIME)
    assert copied.mask == int(mask, 16)
    assert (copied.host.name, copied.host.time) == ("b", 1_769_904_000)
    assert copied.host.extra == {"b": 2}


@pytest.mark.parametrize(
    ("raw", "flags", "mask"),
    [
        ("1", 'MMAP","INIT_SHARED', "0x1"),
        ("3", 'MMAP","INIT_SHARED', "0x1"),
        ("3", 'MMAP","0x2', "0x3"),
        ("3", 'MMAP",  "INIT_SHARED', "0x3"),
        ("0", "", "0x0"),
        ("3", None, "0x3"),
    ],
)
def test_a_line_that_does_not_agree_with_itself(raw: str, flags: str | None, mask: str) -> None:
    """Flags and mask are those of the answer."""
    with pytest.raises(Fault) as caught:
        varied(host(7), NAMES, None, None, {}, raw, flags, mask)
    assert caught.value.problem == "flags and mask do not agree with the answer"


def test_a_flag_is_called_as_its_own_document_calls_it() -> None:
    """Not as the catalog does: a document that names no bit lists the flags as numbers."""
    nameless = GOOD.replace('{"0x1":"MMAP","0x2":"INIT_SHARED"}', "{}")
    before = nameless.replace('["MMAP","INIT_SHARED"]', '["0x1","0x2"]')
    shorter = {'"raw":"3"': '"raw":"1"', '"mask":"0x3"': '"mask":"0x1"'}
    for flags, is_read in (('["0x1"]', True), ('["MMAP"]', False), ('[""]', False)):
        line = nameless.replace('["MMAP","INIT_SHARED"]', flags)
        for old, new in shorter.items():
            line = line.replace(old, new)
        bad: list[GmemFlagsError] = []
        assert len(list(load_lines([before, line], bad=bad.append))) == 1 + is_read
        assert len(list(load_lines([line], bad=bad.append))) == is_read
        assert len(bad) == 2 * (not is_read)
