"""Replay: the same answer, or what differs."""

import json
from typing import Any

import pytest

from gmemflags import RecordError, Resolution, resolve
from gmemflags.records import dumps, replay
from tests.records.values import OWN, host

GRANTED = resolve(host(3), 3)
REFUSED = resolve(host(1), 3)
UNSUPPORTED = "INIT_SHARED (bit 1, 0x2) is not supported: a host lists MMAP (bit 0, 0x1)"


def altered(resolution: Resolution, **result: Any) -> str:
    """A record of another result than the library gave."""
    content = json.loads(dumps(resolution))
    content["result"] |= result
    return json.dumps(content)


def test_the_same_answer() -> None:
    """What was recorded today is the answer of today."""
    again = replay(dumps(GRANTED))
    assert again.same
    assert again.differences == ()
    assert str(again) == ("the same answer\n  now: granted: MMAP|INIT_SHARED (0x3) on a host")
    assert replay(dumps(REFUSED)).same


def test_another_mask() -> None:
    """Bits that came and bits that went are told."""
    again = replay(altered(GRANTED, mask="0x9", low=9))
    assert not again.same
    assert again.differences == (
        "bit 3 (0x8, not named by linux-mainline) was granted, and is not now",
        "INIT_SHARED (bit 1, 0x2) is granted now, and was not",
    )
    assert str(again).startswith("another answer\n  recorded: granted: ")


def test_granted_then_and_refused_now() -> None:
    """With the problems of now."""
    again = replay(altered(REFUSED, ok=True, mask="0x3", low=3, high=0, problems=[]))
    assert again.differences == (
        "MMAP|INIT_SHARED (0x3) was granted, and is refused now",
        f"a problem now: {UNSUPPORTED}",
    )


def test_refused_then_and_granted_now() -> None:
    """With the problems of then."""
    problems = json.loads(dumps(REFUSED))["result"]["problems"]
    again = replay(altered(GRANTED, ok=False, mask=None, low=None, high=None, problems=problems))
    assert again.differences == (
        "it was refused, and MMAP|INIT_SHARED (0x3) is granted now",
        "a problem then: INIT_SHARED (bit 1, 0x2) is not supported: a host lists MMAP (bit 0, 0x1)",
    )


def test_differences_are_told_in_the_names_of_the_recorded_catalog() -> None:
    """Bits 2 and 3 have a name in this tree, and none in mainline."""
    granted, refused = resolve(host(15, "@", OWN), 15), resolve(host(3, "@", OWN), 15)
    none = {"ok": False, "mask": None, "low": None, "high": None}
    problems = json.loads(dumps(refused))["result"]["problems"]
    for document, told in (
        (altered(granted, mask="0x7", low=7), "WRITE (bit 3, 0x8) is granted now, and was not"),
        (
            altered(granted, **none, problems=problems),
            "it was refused, and MMAP|INIT_SHARED|NO_DIRECT_MAP|WRITE (0xf) is granted now",
        ),
        (
            altered(refused, ok=True, mask="0xc", low=12, high=0, problems=[]),
            "NO_DIRECT_MAP|WRITE (0xc) was granted, and is refused now",
        ),
    ):
        assert replay(document).differences[0] == told


def test_refused_for_other_reasons() -> None:
    """A refusal is the same if its reasons are, in whatever words."""
    (problem,) = json.loads(dumps(REFUSED))["result"]["problems"]
    assert replay(altered(REFUSED, problems=[{**problem, "message": "old words"}])).same
    again = replay(altered(REFUSED, problems=[{**problem, "reason": "unnamed", "message": "old"}]))
    assert again.differences == (
        "recorded, and no problem now: old",
        f"a problem now, and not recorded: {UNSUPPORTED}",
    )


def test_only_decisions_are_replayed() -> None:
    """A host alone has nothing to be resolved."""
    with pytest.raises(RecordError, match=r"\$.schema: one of gmemflags/resolution/1 is needed"):
        replay(dumps(host(3)))


def test_the_catalog_of_then_counts() -> None:
    """A record holds its rules: those of today's mainline are not asked."""
    content = json.loads(dumps(GRANTED))
    content["catalog"]["rules"].append(
        {
            "kind": "never",
            "why": "",
            "source": "",
            "stage": "create",
            "hosts": {"machines": [], "vm_types": []},
            "mask": "0x2",
        }
    )
    assert "was granted, and is refused now" in replay(json.dumps(content)).differences[0]
