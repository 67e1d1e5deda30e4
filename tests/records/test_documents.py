"""What documents say, and under which catalogs they are read."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, assert_type

import pytest
from attrs import evolve, frozen

from gmemflags import (
    FIRECRACKER_SECRET_FREE,
    MAINLINE,
    Answer,
    BitState,
    CatalogError,
    Excludes,
    HostFacts,
    KvmUnavailableError,
    Never,
    Profile,
    RecordError,
    Request,
    Support,
    Unavailable,
    baseline,
    compare,
    query,
    resolve,
)
from gmemflags._documents import TOOL
from gmemflags._mainline import FirecrackerFlag
from gmemflags.records import (
    DecisionDocument,
    HostDocument,
    dumps,
    load_lines,
    loads,
    replay,
    to_dict,
)
from gmemflags.testing import FakeBackend
from tests.records.sampled import FULL, OWN, SAMPLES, content_of, host


def test_a_host_to_the_letter() -> None:
    """One line: what was said, and beside it what follows."""
    assert dumps(host(0x8000_0003)) == (
        '{"schema":"gmemflags/host/2","name":null,"time":null,'
        f'"tool":"{TOOL}","origin":"a host","scope":"vm",'
        '"kernel":"6.18.0","machine":"x86_64","vm_type":0,"answers":{'
        '"USER_MEMORY2":{"number":231,"raw":"1"},"MEMORY_ATTRIBUTES":{"number":233,"raw":"0"},'
        '"GUEST_MEMFD":{"number":234,"raw":"1"},"VM_TYPES":{"number":235,"raw":"1"},'
        '"GUEST_MEMFD_FLAGS":{"number":244,"raw":"-2147483645"}},'
        '"flags":["MMAP","INIT_SHARED","0x80000000"],"mask":"0x80000003",'
        '"names":{"0x1":"MMAP","0x2":"INIT_SHARED"}}'
    )


def test_the_tool_is_this_version() -> None:
    """A document says which version wrote it."""
    assert f"gmemflags {version('gmemflags')}" == TOOL


def test_the_type_of_a_document() -> None:
    """A type checker knows the keys of what ``to_dict`` returns."""
    document = assert_type(to_dict(host(3)), HostDocument)
    assert document["flags"] == ["MMAP", "INIT_SHARED"]
    answer = assert_type(to_dict(resolve(host(3), 3)), DecisionDocument)
    assert answer["support"] == document


def test_facts_beyond_kvm_come_back() -> None:
    """Name, time and what users keep with a host, although the last two do not count in ==."""
    again = loads(dumps(FULL)).host
    assert (again.name, again.time, again.extra) == ("rack-7", 1_769_904_000, {"rack": ["r1", 1.5]})
    when = datetime.fromisoformat(to_dict(FULL)["time"] or "")
    assert (when.timestamp(), when.tzinfo) == (again.time, UTC)


def test_an_object_of_the_users_own() -> None:
    """`jq '. + {extra: {rack: "r1"}}'` leaves a document readable."""
    document = json.dumps(json.loads(dumps(host(3))) | {"extra": {"rack": "r1"}})
    assert loads(document) == host(3)
    assert loads(document).host.extra == {"rack": "r1"}
    assert json.loads(dumps(loads(document))) == json.loads(document)


def test_an_edited_sentence_of_a_catalog_keeps_documents_readable() -> None:
    """Names and numbers count, and nothing else: not the digest, which is there to be read."""
    edited = evolve(
        MAINLINE, rules=[Never(1, why="New words.", source="")], name="linux-mainline-next"
    )
    again = loads(dumps(host(3)), edited)
    assert again.catalog is edited
    assert again.mask == 3
    assert loads(dumps(host(15, "b", OWN)), MAINLINE).mask == 15


def test_a_listed_bit_of_another_name() -> None:
    """Bit 2 has had six meanings: a host of one tree is not read under another."""
    renamed = dumps(host(7, "b", OWN)).replace("NO_DIRECT_MAP", "GMEM_HUGETLB")
    with pytest.raises(CatalogError, match="0x4 is NO_DIRECT_MAP here, and GMEM_HUGETLB in"):
        loads(renamed, OWN)
    assert loads(renamed, MAINLINE).other_names == {4: "GMEM_HUGETLB"}


def test_a_name_is_not_lost_under_a_catalog_without_it() -> None:
    """Or a bit could come to mean something else on its way through two documents."""
    renamed = dumps(host(7, "b", OWN)).replace("NO_DIRECT_MAP", "GMEM_HUGETLB")
    through_mainline = loads(renamed, MAINLINE)
    assert json.loads(dumps(through_mainline))["names"]["0x4"] == "GMEM_HUGETLB"
    with pytest.raises(CatalogError, match="NO_DIRECT_MAP here, and GMEM_HUGETLB"):
        through_mainline.under(OWN)
    with pytest.raises(CatalogError, match="NO_DIRECT_MAP here, and GMEM_HUGETLB"):
        loads(dumps(through_mainline), OWN)


def test_another_number_for_an_enumerating_capability() -> None:
    """Another capability's answer would be read as flags."""
    other = evolve(MAINLINE, capabilities={**MAINLINE.capabilities, "GUEST_MEMFD_FLAGS": 300})
    with pytest.raises(CatalogError, match="GUEST_MEMFD_FLAGS is 300 here, which a host was never"):
        loads(dumps(host(3)), other)


def test_answers_that_a_catalog_does_not_number_are_kept() -> None:
    """They are not used, and come back under a catalog that numbers them."""
    asked = query(FakeBackend({234: 1, 244: 15, 245: 1}), OWN)
    under_mainline = loads(dumps(asked))
    assert under_mainline.unused == (Answer("USERFAULT", 245, 1),)
    assert under_mainline.known_answer("USERFAULT") is None
    assert loads(dumps(under_mainline), OWN) == asked
    other = evolve(OWN, capabilities={**OWN.capabilities, "USERFAULT": 250})
    assert loads(dumps(asked), other).answer("USERFAULT") is None


BOTH = evolve(MAINLINE, capabilities={**MAINLINE.capabilities, "GUEST_MEMFD_FLAGS_HI": 300})


def test_a_mask_of_both_halves() -> None:
    """What a tree listed that numbers both is read under one that numbers one of them, or none."""
    asked = query(FakeBackend.split(0x7_0000_0003, flags_hi=300), BOTH)
    neither = evolve(MAINLINE, capabilities={"GUEST_MEMFD": 234})
    for under in (asked, asked.under(MAINLINE), asked.under(neither)):
        for catalog in (BOTH, MAINLINE, neither):
            assert loads(dumps(under), catalog) == asked.under(catalog)


def test_a_mask_that_no_tree_lists() -> None:
    """The error says what both halves make."""
    document = dumps(query(FakeBackend.split(0x7_0000_0003, flags_hi=300), BOTH))
    with pytest.raises(RecordError) as caught:
        loads(document.replace('"mask":"0x700000003"', '"mask":"0x500000003"'))
    assert str(caught.value) == (
        "at $.mask: the rest of the document says 0x700000003, not 0x500000003"
    )


def test_a_pool_of_more_hosts_than_are_named() -> None:
    """Ten of them are, also of those that lack a flag, and of those that gave no answer."""
    pool = baseline([host(3), *(host(1, f"{number}") for number in range(12))])
    content = content_of(pool)
    assert loads(dumps(pool)) == pool
    for part in (content, content["lacking"]["0x2"]):
        part["first"].append("one more")
        with pytest.raises(RecordError, match=r"first: 10 names are needed, not 11$"):
            loads(json.dumps(content))
        part["first"].pop()


def test_a_decision_is_read_under_its_own_catalog() -> None:
    """It is complete; a catalog that ships is the very object again."""
    answer = resolve(host(15, "b", OWN), 3)
    assert loads(dumps(answer)).support.catalog == OWN
    assert loads(dumps(resolve(host(3), 3))).support.catalog is MAINLINE
    assert loads(dumps(MAINLINE)) is MAINLINE
    assert loads(dumps(OWN), OWN) is OWN


def test_a_catalog_that_only_borrows_a_name() -> None:
    """A decision keeps the rules of its time, and its advice says that they are others."""
    fake = evolve(FIRECRACKER_SECRET_FREE, name=MAINLINE.name)
    again = loads(dumps(resolve(host(3, "b", fake), 3)))
    assert again.support.catalog == fake != MAINLINE
    assert any("is not the one that comes with this library" in note for note in again.advice)


def test_a_baseline_under_a_catalog_that_names_more() -> None:
    """A bit that no host lists is lacking everywhere."""
    pool = loads(dumps(baseline([host(3), host(1, "b")])), OWN)
    assert {bit: lacking.count for bit, lacking in pool.lacking.items()} == {2: 1, 4: 2, 8: 2}
    assert pool.support.state(FirecrackerFlag.WRITE) is BitState.UNSUPPORTED


def test_a_flag_that_could_not_be_asked_everywhere() -> None:
    """A baseline keeps how many hosts gave no answer, also for bits that only the reader names."""
    asked = host(1)
    pool = baseline([asked, evolve(asked, answers={"GUEST_MEMFD": 1}, origin="silent")])
    assert pool.unanswered == (1, 2)
    assert loads(dumps(pool)) == pool
    again = loads(dumps(pool), OWN)
    assert "no answer about WRITE (bit 3, 0x8) from 1 of 2: a host, silent" in again.notes


def test_a_remedy_of_ones_own_comes_back() -> None:
    """What to do about a host is said where it was tried."""
    error = KvmUnavailableError(2, "No such file", "/dev/kvm", Unavailable.NO_DEVICE, "buy one")
    assert loads(dumps(error)).remedy == "buy one"


def test_rules_stand_by_index_and_text() -> None:
    """The index is that of the catalog in the document, where why and source are."""
    document = content_of(resolve(host(3), 1))
    (rule,) = document["problems"][0]["rules"]
    assert rule == {"index": 2, "text": "MMAP requires INIT_SHARED"}
    assert document["catalog"]["rules"][2]["kind"] == "requires"
    own = evolve(OWN, rules=[Excludes(4, 8, why="", source="")])
    document = content_of(resolve(host(15, "b", own), 12))
    assert document["problems"][0]["rules"] == [
        {"index": 0, "text": "NO_DIRECT_MAP excludes WRITE"}
    ]


def test_rules_of_what_is_gained_stand_so_too() -> None:
    """They are those of the first host's catalog."""
    strict = evolve(OWN, rules=[Never(4, why="", source="")])
    lax = evolve(OWN, rules=[])
    content = content_of(compare(host(15, "a", strict), host(15, "b", lax)))
    rule = {"index": 0, "text": "no mask takes NO_DIRECT_MAP"}
    assert [gained["rules"] for gained in content["gained"]] == [[rule]]
    assert loads(json.dumps(content)) == compare(host(15, "a", strict), host(15, "b", lax))


@pytest.mark.parametrize("name", ["baseline", "comparison", "comparison-of-two-trees"])
def test_the_text_says_what_the_document_says(name: str) -> None:
    """Every line of the text is a sentence of the document."""
    value, content = SAMPLES[name], content_of(SAMPLES[name])
    losses = [loss["message"] for key in ("lost", "gained") for loss in content.get(key, [])]
    said = [content["headline"], *content.get("notes", []), *content.get("doubts", []), *losses]
    for line in str(value).splitlines():
        words = line.strip()
        assert any(
            words.removeprefix(lead) in said for lead in ("", "lost: ", "gained: ", "doubt: ")
        )


@frozen
class OwnRule(Excludes):
    """A rule of a class of one's own."""


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (host(3, "\udc80"), "$.origin"),
        (evolve(host(3), host=HostFacts(vm_type=1 << 53)), "$.vm_type"),
        (evolve(host(3), host=HostFacts(extra={"a": object()})), "$.extra.a"),
        (evolve(host(3), host=HostFacts(extra={"a": float("nan")})), "$.extra.a"),
        (evolve(host(3), host=HostFacts(extra={"a": 10**40})), "$.extra.a"),
        (evolve(MAINLINE, rules=[OwnRule(1, 2, why="", source="")]), "$.rules[0].kind"),
        (Request(digest="\ud800"), "$.digest"),
        (evolve(MAINLINE, profiles=[Profile("\ud800", Request(), "")]), "$.profiles['\\ud800']"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(value: Any, path: str) -> None:
    """No document is made that this very library would refuse."""
    for write in (to_dict, dumps):
        with pytest.raises(RecordError) as caught:
            write(value)
        assert caught.value.path == path


@pytest.mark.parametrize("value", [None, 3, "text", MAINLINE.rules[0], HostFacts()])
def test_other_values_have_no_document(value: Any) -> None:
    """A part, or anything else, is a TypeError that lists what has one."""
    kinds = "Support, KvmUnavailableError, FlagWord, Request, Catalog, Resolution, Baseline"
    with pytest.raises(TypeError, match=f"^a {type(value).__name__} has no document.*{kinds}"):
        dumps(value)


EVIL = "a\n  granted\r\x1b[2J\u202egnp\u200b\u2028b\u0085\U000e0041\x00c"


def evil_values() -> list[Any]:
    """Values with foreign text wherever a document can hold some."""
    rule = Never(4, why=EVIL, source=EVIL)
    tree = evolve(
        OWN, name=EVIL, rules=[rule], profiles=[Profile(EVIL, Request(digest=EVIL), EVIL)]
    )
    facts = HostFacts(EVIL, EVIL, 0, name=EVIL, extra={EVIL: EVIL})
    evil = evolve(query(FakeBackend.narrow(7), tree), host=facts, origin=EVIL)
    asked = Request(required=7, digest=EVIL, flag_names=[(2, EVIL)])
    answer = evolve(resolve(evil, asked), profile=EVIL)
    pools = [baseline([evil]), compare(evil, host(1))]
    return [evil, tree, asked, answer, *pools]


@pytest.mark.parametrize("number", range(6))
def test_foreign_text_forges_no_line(number: int) -> None:
    """Documents are one line of printable ASCII, and their texts say nothing in another line."""
    value = evil_values()[number]
    document = dumps(value)
    assert document.isascii()
    assert document.isprintable()
    again = loads(document, value.catalog if number == 0 else evil_values()[1])
    assert again == value
    lines = str(again).splitlines() if number > 2 else []
    assert all(line.isprintable() for line in lines)
    assert not any(line.strip().startswith("granted") for line in lines)


def test_foreign_text_in_differences_of_a_replay() -> None:
    """What is recorded is shown as JSON, in ASCII."""
    content = content_of(evil_values()[3])
    content["headline"] = EVIL
    content["problems"][0]["reason"] = "unnamed"
    again = replay(json.dumps(content))
    assert again.differences
    assert again.reworded
    assert all(told.isprintable() for told in (*again.differences, *again.reworded))


def test_reading_needs_no_device() -> None:
    """Neither ctypes nor the Linux package is loaded for records."""
    program = "import sys, gmemflags.records; print({'ctypes', 'gmemflags.linux'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout == "set()\n"


def test_one_pool_under_one_catalog() -> None:
    """Every host of it has that very catalog."""
    lines = [dumps(host(flags, "b", OWN)) for flags in range(4)]
    hosts = [each for each in load_lines(lines, OWN) if isinstance(each, Support)]
    assert [each.catalog is OWN for each in hosts] == [True] * 4


def test_one_name_may_be_that_of_several_bits() -> None:
    """A caller's class may call them so; the document keeps both."""
    answer = resolve(host(3), Request(required=1, flag_names=[(4, "HUGE"), (8, "HUGE")]))
    assert to_dict(answer)["request"]["flag_names"] == {"HUGE": "0xc"}
    assert loads(dumps(answer)) == answer
