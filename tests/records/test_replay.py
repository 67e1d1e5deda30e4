"""Replay: the same answer, or what differs."""

import json
from typing import Any

import pytest

from gmemflags import RecordError, Resolution, resolve
from gmemflags.records import dumps, loads, replay
from tests.records.sampled import content_of, host

GRANTED = resolve(host(3), 3)
REFUSED = resolve(host(1), 3)


def altered(resolution: Resolution, **parts: Any) -> str:
    """The document of a decision with another result."""
    return json.dumps({**content_of(resolution), **parts})


@pytest.mark.parametrize("resolution", [GRANTED, REFUSED], ids=["granted", "refused"])
def test_the_same_answer(resolution: Resolution) -> None:
    """What was recorded today is the answer of today."""
    again = replay(dumps(resolution))
    assert again.same
    assert (again.now, again.differences, again.reworded) == (resolution, (), ())
    assert str(again) == f"the same answer\n  now: {resolution.headline}"


def test_another_mask() -> None:
    """Mask and names are told, each with its path."""
    again = replay(altered(GRANTED, mask="0x9", flags=[]))
    assert not again.same
    assert again.differences == (
        '$.flags: [] then, and ["MMAP","INIT_SHARED"] now',
        '$.mask: "0x9" then, and "0x3" now',
    )
    assert str(again).startswith("another answer\n  now: granted on a host: MMAP|INIT_SHARED")


def test_another_reason() -> None:
    """The code of a reason is part of the answer."""
    problems = [{**content_of(REFUSED)["problems"][0], "reason": "unnamed"}]
    document = altered(REFUSED, problems=problems)
    told = '$.problems[0].reason: "unnamed" then, and "unsupported" now'
    assert replay(document).differences == (told,)
    with pytest.raises(RecordError) as caught:
        loads(document)
    told = "the rest of the document says ['unsupported'], not ['unnamed']"
    assert str(caught.value) == f"at $.problems: {told}"


def test_other_words() -> None:
    """Sentences are told apart from the answer, and do not keep a document from being read."""
    problems = [{**content_of(REFUSED)["problems"][0], "message": "old words"}]
    again = replay(altered(REFUSED, problems=problems))
    assert again.same
    (told,) = again.reworded
    assert told.startswith('$.problems[0].message: "old words" then, and "INIT_SHARED')
    assert loads(altered(REFUSED, problems=problems)) == REFUSED


def test_another_number_of_parts() -> None:
    """Lists of different lengths are told as a whole, and not at any length."""
    problems = content_of(REFUSED)["problems"] * 5
    (told,) = replay(altered(REFUSED, problems=problems)).differences
    assert told.startswith("$.problems: [{")
    assert len(told) < 700


def test_only_decisions_are_replayed() -> None:
    """A host alone has nothing to be decided."""
    with pytest.raises(RecordError, match=r"\$.schema: one of gmemflags/decision/2 is needed"):
        replay(dumps(host(3)))


def test_the_catalog_of_then_counts() -> None:
    """A decision holds its rules: those of today's mainline are not asked."""
    content = content_of(GRANTED)
    hosts: dict[str, list[str]] = {"machines": [], "vm_types": []}
    content["catalog"]["rules"].append(
        {"kind": "never", "why": "", "source": "", "stage": "create", "hosts": hosts, "mask": "0x2"}
    )
    assert replay(json.dumps(content)).differences[0] == "$.ok: true then, and false now"
    with pytest.raises(RecordError) as caught:
        loads(json.dumps(content))
    assert str(caught.value) == "at $.ok: the rest of the document says False, not True"
