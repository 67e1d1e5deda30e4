"""Pools in lines: numbers of broken ones, and the short way that is as strict as the long one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from gmemflags import MAINLINE, RecordError, Request, Support, baseline
from gmemflags.records import _lines as lines_module
from gmemflags.records import dumps, load_lines, loads
from gmemflags.records._catalogs import Catalogs
from gmemflags.records._lines import Lines
from tests.records.values import OWN, host

GOOD = dumps(host(3, "@"))


def outcome(read: Callable[[str], Support], line: str) -> Support | str:
    """The host, or what the error says."""
    try:
        return read(line)
    except RecordError as error:
        return str(error)


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
    bad: list[RecordError] = []
    lines: list[str | bytes] = [GOOD, "junk", "\n", " ", b"\xff", named("b"), named("c") + "x"]
    hosts = list(load_lines(lines, bad=bad.append))
    assert [each.origin for each in hosts] == ["@", "b"]
    assert [each.path for each in bad] == ["line 2, $", "line 5, $", "line 7, $"]


@pytest.mark.parametrize("ending", ["\n", " \r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", None])
def test_a_record_spread_over_lines(ending: str, encoding: str | None) -> None:
    """The error says what makes one line of it."""
    text = json.dumps(json.loads(GOOD), indent=2).replace("\n", ending)
    lines: list[str] | list[bytes] = text.splitlines(keepends=True)
    if encoding:
        lines = [line.encode(encoding) for line in text.splitlines(keepends=True)]
    with pytest.raises(RecordError) as caught:
        list(load_lines(lines))
    assert caught.value.path == "line 1, $"
    assert caught.value.problem.startswith("it is not JSON: ")
    assert caught.value.problem.endswith("; one record a line is needed: `jq -c .` makes that")


def test_hosts_and_pools() -> None:
    """Where both will do, a baseline is read as one."""
    reader = Lines(Catalogs())
    pool = baseline([host(3, "@"), host(1, "b")])
    assert [reader.host(line) for line in (GOOD, dumps(pool), named("b"))] == [
        host(3, "@"),
        pool,
        host(3, "b"),
    ]
    with pytest.raises(RecordError, match="gmemflags/support/1, gmemflags/baseline/1 is needed"):
        reader.host(dumps(Request()))
    with pytest.raises(RecordError, match="one of gmemflags/support/1 is needed"):
        reader.support(dumps(pool))


def test_what_stands_behind_the_origin_is_read_once() -> None:
    """Hosts that differ in their origin share the rest; with other facts, the answers."""
    reader = Lines(Catalogs())
    line = dumps(host(3, "@", OWN))  # written out, with a second "scope" in a profile
    first, second = reader.support(line), reader.support(named("b", line))
    newer = reader.support(line.replace('"6.18.0"', '"6.19.0"'))
    assert (second.origin, newer.host.kernel) == ("b", "6.19.0")
    assert second.answers is first.answers is newer.answers
    assert reader.support(named("c", line)).host is second.host


def test_remembered_texts_are_at_most_so_many() -> None:
    """The one that is too many drops all others."""
    texts = lines_module._Texts[int]()
    for value in range(4096):
        texts.remember(str(value), value)
    assert (len(texts), texts["4095"]) == (4096, 4095)
    texts.remember("x", 1)
    assert texts == {"x": 1}


def test_remembered_texts_are_at_most_so_long() -> None:
    """2 Mi characters in all; a text that is longer by itself drops nothing."""
    half = 1 << 20
    texts = lines_module._Texts[int]()
    texts.remember("a" * half, 1)
    texts.remember("b" * half, 2)
    assert [*texts.values()] == [1, 2]
    texts.remember("c" * (2 * half + 1), 3)
    assert [*texts.values()] == [1, 2]
    texts.remember("d", 4)
    assert texts == {"d": 4}
    texts.remember("e" * 2 * half, 5)
    assert [*texts.values()] == [5]


def test_a_text_file_that_is_not_utf_8(tmp_path: Path) -> None:
    """The file's decoder fails for good: the line is told, and how to go on behind it."""
    path = tmp_path / "pool"
    path.write_bytes(b"\xff")
    bad: list[RecordError] = []
    with path.open(encoding="utf-8") as file, pytest.raises(RecordError) as caught:
        list(load_lines(file, name="pool", bad=bad.append))
    assert bad == []
    assert caught.value.path == "pool, line 1, $"
    assert caught.value.problem == (
        "it is not UTF-8; open the file as bytes to continue after such a line"
    )


def test_other_documents_are_no_hosts() -> None:
    """A pool is made of hosts alone."""
    with pytest.raises(
        RecordError, match=r"line 1, \$.schema: one of gmemflags/support/1 is needed"
    ):
        list(load_lines([dumps(Request())]))


@pytest.mark.parametrize("mode", ["r", "rb"])
def test_from_a_file(tmp_path: Path, mode: str) -> None:
    """Text or bytes, as the file was opened."""
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(f"{named(f'h{n}')}\n" for n in range(1000)))
    with path.open(mode) as file:
        assert [each.origin for each in load_lines(file)] == [f"h{n}" for n in range(1000)]


def test_a_text_file_that_is_no_utf8(tmp_path: Path) -> None:
    """Where Python decodes the file, its error becomes ours; as bytes, one can go on."""
    path = tmp_path / "pool.jsonl"
    path.write_bytes(GOOD.encode() + b"\n\xff\n" + GOOD.encode())
    with path.open(encoding="utf-8") as file, pytest.raises(RecordError, match="open the file as"):
        list(load_lines(file, bad=print))
    bad: list[RecordError] = []
    with path.open("rb") as file:
        assert len(list(load_lines(file, bad=bad.append))) == 2
    assert [each.path for each in bad] == ["line 2, $"]


def test_catalogs_are_built_once() -> None:
    """A pool under a catalog that is written out has one class of flags, not one a line."""
    pool = list(load_lines(named(f"h{n}", dumps(host(n % 16, "@", OWN))) for n in range(100)))
    assert len({id(each.catalog) for each in pool}) == 1
    assert pool[0].catalog == OWN


def test_more_catalogs_than_are_remembered() -> None:
    """A pool may have as many trees as it likes."""
    line = dumps(host(3, "@", OWN))
    names = [f"tree-{n % 70}" for n in range(140)]
    pool = load_lines(line.replace(OWN.name, name) for name in names)
    assert [each.catalog.name for each in pool] == names


def test_a_catalog_that_was_given() -> None:
    """References to it are read, in every line."""
    content = json.loads(dumps(host(3, "@", OWN)))
    content["catalog"] = {"name": OWN.name, "digest": OWN.digest}
    line = json.dumps(content)
    assert all(each.catalog is OWN for each in load_lines([line, line], catalogs=[OWN]))


ODD = [
    "\\u0000",
    "\\ud800",
    "\\ud83d\\ude00",
    "a\\",
    '","scope":',
    "a\tb",
    "a\x7fb",
    "\u00e9",
    "\ud800",
    '\\"',
    '\\","facts":{\\"',
    "\\x",
]


@pytest.mark.parametrize("origin", ODD)
def test_odd_origins_are_read_alike(origin: str) -> None:
    """The short way reads an origin as the long one does, or leaves it to that."""
    reader = Lines(Catalogs())
    assert reader.support(GOOD).origin == "@"
    line = named(origin)
    wanted = outcome(loads, line)
    for _ in range(2):
        assert outcome(reader.support, line) == wanted


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"facts":', '"facts" :'),
        ('"facts":{', '"facts":{"kernel":"x",'),
        ('"facts":{"kernel"', '"origin":"x","facts":{"kernel"'),
        ('"facts":{"kernel"', '"facts":{},"facts":{"kernel"'),
        ('"facts":{"kernel"', '"scope":"vm","facts":{"kernel"'),
        ('"facts":{', '"facts":{,'),
        (',"facts"', ';"facts"'),
        (',"facts"', ',,"facts"'),
        (',"facts"', ' ,"facts"'),
        (',"facts"', '"facts"'),
        (',"scope"', ', "scope"'),
        ('"scope"', '"Scope"'),
        (',"scope":', ',"scope":"vm","scope":'),
        ('"vm_type":0}', '"vm_type":0},'),
        ('"vm_type":0}', '"vm_type":0}}'),
        ('"vm_type":0}', '"vm_type":false}'),
        ('"vm_type":0}', '"vm_type":9}'),
        ('"kernel":"6.18.0"', '"kernel":"\\ud800"'),
        ('"kernel":"6.18.0"', '"kernel":",\\"scope\\":"'),
        ('"mask":"0x3"', '"mask":"0x7"'),
        ('"x86_64"', '"x86_64","uptime":1'),
    ],
)
def test_no_short_way_around_a_check(old: str, new: str) -> None:
    """After a thousand good lines, a bad one is refused as if it were the first."""
    reader = Lines(Catalogs())
    for number in range(3):
        reader.support(named(f"h{number}"))
    line = named("x").replace(old, new, 1)
    assert line != named("x")
    wanted = outcome(loads, line)
    for _ in range(2):
        assert outcome(reader.support, line) == wanted


def test_what_is_remembered_is_bounded() -> None:
    """More different hosts than are remembered are read all the same."""
    reader = Lines(Catalogs())
    most = lines_module._MOST_TEXTS
    for number in range(2 * most + 10):
        kernel = f"6.18.{number}"
        line = GOOD.replace("6.18.0", kernel).replace('MEMORY2":"1"', f'MEMORY2":"{number}"')
        support = reader.support(line)
        assert (support.host.kernel, support.answers["USER_MEMORY2"]) == (kernel, number)
    assert len(reader._rests) <= most
    assert len(reader._facts) <= most


def test_what_is_very_long_is_not_remembered() -> None:
    """Memory is counted in characters, too."""
    reader = Lines(Catalogs())
    for size in (1_000_000, 1_500_000, 3_000_000):
        kernel = "k" * size
        line = GOOD.replace("6.18.0", kernel)
        assert reader.support(line).host.kernel == kernel
    assert reader._facts.characters < 2_000_000
    assert reader.support(GOOD).catalog is MAINLINE


def test_an_evolved_copy_is_a_whole_host() -> None:
    """What the short way returns can be pickled, compared and changed like any host."""
    reader = Lines(Catalogs())
    reader.support(GOOD)
    copy = reader.support(named("copy"))
    assert copy == evolve(host(3), origin="copy")
    assert hash(copy.answers) == hash(host(3).answers)
    assert copy.under(OWN).mask == 3
    assert evolve(copy, origin="@") == host(3, "@")
