"""What reading costs, counted: calls that grow as the document does, and classes that go again."""

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from textwrap import dedent
from types import FrameType

import pytest

from gmemflags import RecordError
from gmemflags.records import dumps, loads
from tests.conftest import run_python
from tests.records.values import OWN, host


def calls(document: str) -> int:
    """How many functions are called while a document is read, those written in C included."""
    count = 0

    def tally(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(tally)
    try:
        with suppress(RecordError):
            loads(document)
    finally:
        sys.setprofile(before)
    return count


def with_rules(count: int) -> str:
    """A catalog of many rules."""
    content = json.loads(dumps(OWN))
    content["rules"] = content["rules"][:1] * count
    return json.dumps(content)


def with_observations(count: int) -> str:
    """A probe report of many masks, all taken."""
    host_part = {key: part for key, part in json.loads(dumps(host(3))).items() if key != "schema"}
    content = {
        "schema": "gmemflags/probe-report/1",
        "support": host_part,
        "size": 4096,
        "stopped": None,
        "observations": {hex(mask): 0 for mask in range(count)},
    }
    return json.dumps(content)


SHAPES: dict[str, Callable[[int], str]] = {
    "text": lambda size: dumps(host(3, "x" * size)),
    "escapes": lambda size: '"' + "\\u00e9" * size,
    "numbers": lambda size: "[" + "1," * size + "1]",
    "digits": lambda size: "1" * size,
    "objects": lambda size: "[" + "{}," * size + "{}]",
    "keys": lambda size: "{" + ",".join(f'"{n:06}":1' for n in range(size)) + "}",
    "same-keys": lambda size: "{" + '"a":1,' * size + '"a":1}',
    "answers": lambda size: dumps(host(3)).replace(
        '"answers":{', '"answers":{' + "".join(f'"{n:06}":"1",' for n in range(size))
    ),
    "claims": lambda size: json.dumps(
        {**json.loads(dumps(OWN.profiles["boot"].request)), "claims": [["0x1", "A"]] * size}
    ),
    "rules": lambda size: with_rules(size // 100),
    "observations": lambda size: with_observations(size // 10),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_ten_times_the_size_takes_ten_times_the_calls(shape: str) -> None:
    """Whatever a document is full of, reading it is linear: so many calls for each part."""
    make = SHAPES[shape]
    size = 1_000
    loads(dumps(OWN))  # what is done once is done now
    assert calls(make(10 * size)) <= 11 * calls(make(size))


def test_many_different_catalogs_do_not_pile_up() -> None:
    """Classes that were made for documents are gone with them."""
    program = """
        import gc, json, sys
        from gmemflags import FlagWord
        from gmemflags.records import load_lines
        line = sys.argv[1]
        lines = (line.replace("a-tree-of-mine", f"tree-{n}") for n in range(300))
        assert sum(1 for _ in load_lines(lines)) == 300
        gc.collect()
        print(len(FlagWord.__subclasses__()))
    """
    (left,) = run_python(dedent(program), dumps(host(3, "b", OWN)))
    assert int(left) < 100
