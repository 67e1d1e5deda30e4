"""The form of the documents, pinned: others read and keep them."""

import json
import pickle
from typing import Any

import pytest
from attrs import evolve, frozen

from gmemflags import (
    MAINLINE,
    CatalogError,
    Need,
    Prerequisites,
    Profile,
    RecordError,
    Request,
    Support,
    resolve,
)
from gmemflags import FIRECRACKER_SECRET_FREE, GuestMemfdFlag, Rule
from gmemflags.catalog._plain import plain
from gmemflags.records import dumps, loads
from gmemflags.records._catalogs import Catalogs
from gmemflags.records._kinds import KINDS
from tests.records.values import OWN, SAMPLES, Value, host


def test_a_host_to_the_letter() -> None:
    """One line: what was said, and beside it what follows."""
    assert dumps(host(0x8000_0003)) == (
        '{"schema":"gmemflags/support/1","origin":"a host",'
        '"facts":{"kernel":"6.18.0","machine":"x86_64","vm_type":0},"scope":"vm",'
        '"answers":{"USER_MEMORY2":"1","MEMORY_ATTRIBUTES":"0","GUEST_MEMFD":"1","VM_TYPES":"1",'
        '"GUEST_MEMFD_FLAGS":"-2147483645"},"mask":"0x80000003","low":2147483651,"high":0,'
        f'"catalog":{{"name":"linux-mainline","digest":"{MAINLINE.digest}"}}}}'
    )


def test_a_request_to_the_letter() -> None:
    """Every field is there, also where it is the default."""
    request = Request(required=GuestMemfdFlag.MMAP, preferred=[2], prerequisites=Prerequisites.ADD)
    assert dumps(request) == (
        '{"schema":"gmemflags/request/1","required":"0x1","preferred":["0x2"],"forbidden":"0x0",'
        '"needs":[],"prerequisites":"add","until":"bind","scope":"vm","digest":null,'
        '"claims":[["0x1","MMAP"]]}'
    )


def test_a_decision_holds_all_that_it_needs() -> None:
    """Host, whole catalog, request and result; a refusal with its reasons."""
    content = json.loads(dumps(resolve(host(1), 3)))
    assert list(content) == ["schema", "host", "catalog", "request", "result"]
    assert content["catalog"]["flags"] == {"MMAP": "0x1", "INIT_SHARED": "0x2"}
    result = content["result"]
    assert [result[key] for key in ("ok", "mask", "low", "high")] == [False, None, None, None]
    assert [told["reason"] for told in result["problems"]] == ["unsupported"]


def test_a_need_that_is_not_met_is_told() -> None:
    """With its capability and bits, where other problems have null."""
    want = Request(needs=[Need("VM_TYPES", 2, any_of=(4, 8))])
    (problem,) = json.loads(dumps(resolve(host(3), want)))["result"]["problems"]
    need = {"capability": "VM_TYPES", "bits": "0x2", "any_of": ["0x4", "0x8"]}
    assert problem["need"] == need
    (problem,) = json.loads(dumps(resolve(host(1), 3)))["result"]["problems"]
    assert problem["need"] is None


def test_the_rules_of_a_conflict_are_places() -> None:
    """A problem refers to the rules of its catalog."""
    arm = evolve(host(2), host=evolve(host(2).host, machine="aarch64"))
    content = json.loads(dumps(resolve(arm, 2)))
    assert content["result"]["problems"][0]["rules"] == [0]
    assert loads(dumps(resolve(arm, 2))).problems[0].rules == (MAINLINE.rules[0],)


@pytest.mark.parametrize("value", SAMPLES)
def test_samples_come_back(value: Value) -> None:
    """One value of each kind, as it was."""
    assert loads(dumps(value)) == value


def test_the_samples_are_all_kinds() -> None:
    """No kind is left out of these tests."""
    assert {json.loads(dumps(value))["schema"] for value in SAMPLES} == set(KINDS)


def test_shipped_catalogs_are_themselves() -> None:
    """Referred to or written out, MAINLINE comes back as MAINLINE."""
    assert loads(dumps(host(3))).catalog is MAINLINE
    assert loads(dumps(MAINLINE)) is MAINLINE
    assert loads(dumps(resolve(host(3), 1))).support.catalog is MAINLINE
    assert pickle.loads(pickle.dumps(loads(dumps(host(3))))) == host(3)  # noqa: S301  # our own


def test_a_copy_of_a_shipped_catalog_is_as_good() -> None:
    """A reference needs the same content, not the same object."""
    assert dumps(host(3, catalog=evolve(MAINLINE))) == dumps(host(3))


def test_the_flag_class_of_a_document() -> None:
    """It is no class of ours, and its name says so."""
    assert loads(dumps(OWN)).flags.__name__ == "RecordedFlag"


def test_the_last_catalogs_are_remembered() -> None:
    """64 of them, as long as they are written in 64 Ki characters."""
    catalogs = Catalogs()
    contents = [plain(evolve(OWN, name=f"tree-{number}")) for number in range(65)]
    first = catalogs.content(contents[0])
    for content in contents[1:64]:
        catalogs.content(content)
    assert catalogs.content(contents[0]) is first
    catalogs.content(contents[64])
    assert catalogs.content(contents[0]) is not first
    short = len(json.dumps(plain(evolve(OWN, name=""))))
    for length, remembered in ((1 << 16, True), ((1 << 16) + 1, False)):
        content = plain(evolve(OWN, name="x" * (length - short)))
        assert (catalogs.content(content) is catalogs.content(content)) is remembered


def test_a_catalog_of_ones_own_is_written_out() -> None:
    """It comes back with a flag class of its own, and equal."""
    again = loads(dumps(host(15, "b", OWN)))
    assert again.catalog == OWN
    assert again.catalog.flags is not OWN.flags
    assert again.flags.name == "MMAP|INIT_SHARED|NO_DIRECT_MAP|WRITE"


def test_a_catalog_given_to_the_reader() -> None:
    """A reference to it is enough then."""
    content = json.loads(dumps(host(3, "b", OWN)))
    content["catalog"] = {"name": OWN.name, "digest": OWN.digest}
    assert loads(json.dumps(content), catalogs=[OWN]).catalog is OWN
    with pytest.raises(RecordError, match=r"at \$.catalog: catalog 'a-tree-of-mine' is neither"):
        loads(json.dumps(content))


def test_another_version_of_a_known_catalog() -> None:
    """A name is no promise: rules change with time."""
    content = json.loads(dumps(host(3)))
    content["catalog"]["digest"] = "0" * 64
    with pytest.raises(RecordError) as caught:
        loads(json.dumps(content))
    assert str(caught.value) == (
        "at $.catalog: it was recorded under another version of linux-mainline: digest"
        f" '000000000000', while the one known here has {MAINLINE.digest[:12]}"
    )


def test_a_catalog_that_only_borrows_a_name() -> None:
    """A host under mainline's name has mainline's names and rules; a decision keeps its own."""
    fake = evolve(FIRECRACKER_SECRET_FREE, name=MAINLINE.name)
    with pytest.raises(RecordError) as caught:
        dumps(host(3, "b", fake))
    assert str(caught.value) == (
        "at $.catalog.name: linux-mainline is another catalog than the one of this library"
    )
    again = loads(dumps(resolve(host(3, "b", fake), 3)))
    assert again.support.catalog == fake != MAINLINE
    (note,) = again.advice
    assert note == (
        f"this linux-mainline (digest {fake.digest[:12]}) is not the one that is known here"
        f" ({MAINLINE.digest[:12]}): its names and rules are the caller's choice"
    )


@frozen
class OwnRule(Rule):
    """A rule that no document can say."""

    def clauses(self, may: int) -> list[tuple[int, tuple[int, ...]]]:
        """None."""
        del may
        return []

    @property
    def operands(self) -> tuple[int, ...]:
        """None."""
        return ()


_OWN_RULE = OwnRule(why="", source="")


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (host(3, "\udc80"), "$.origin"),
        (evolve(host(3), host=evolve(host(3).host, vm_type=-1)), "$.facts.vm_type"),
        (evolve(host(3), host=evolve(host(3).host, vm_type=1 << 32)), "$.facts.vm_type"),
        (evolve(MAINLINE, rules=[_OWN_RULE]), "$.rules[0].kind"),
        (evolve(MAINLINE, rules=MAINLINE.rules * 400), "$.rules"),
        (Request(digest="\ud800"), "$.digest"),
    ],
)
def test_what_cannot_be_read_back_is_not_written(value: Any, path: str) -> None:
    """No document is made that this very library would refuse."""
    with pytest.raises(RecordError) as caught:
        dumps(value)
    assert caught.value.path == path


def test_what_would_come_back_as_another_value_is_not_written() -> None:
    """A profile under another name than its own has no place in a document."""
    profile = Profile("a", Request(), "why")
    catalog = evolve(MAINLINE, profiles=[profile])
    object.__setattr__(catalog, "profiles", {"b": profile})
    problem = r"^at \$: a document cannot hold all of this value$"
    with pytest.raises(RecordError, match=problem):
        dumps(catalog)


@pytest.mark.parametrize("value", [None, 3, "text", MAINLINE.rules[0], host(3).host])
def test_other_values_have_no_record(value: Any) -> None:
    """A part, or anything else, is a TypeError that lists what has one."""
    kinds = "Support, Request, Resolution, Catalog, Baseline, ProbeReport"
    problem = f"^a {type(value).__name__} has no record; these have: {kinds}$"
    with pytest.raises(TypeError, match=problem):
        dumps(value)


def test_a_decoded_host_can_be_read_under_another_tree() -> None:
    """A record is as good as the host: its answers can be read anew."""
    again: Support = loads(dumps(host(15)))
    assert again.under(OWN.__class__(**_parts())).mask == 15
    with pytest.raises(CatalogError):
        again.under(evolve(OWN, capabilities={**OWN.capabilities, "GUEST_MEMFD": 1}))


def _parts() -> dict[str, Any]:
    return {"name": "x", "flags": OWN.flags, "capabilities": OWN.capabilities}
