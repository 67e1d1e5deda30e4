"""Documents broken at random: each ends in a value or in one RecordError, quickly.

``make test`` tries 3,000, ``make prove`` a million; ``GMEMFLAGS_FUZZ`` is another number, and
``GMEMFLAGS_FUZZ_SEED`` where to start.
"""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from gmemflags import (
    MAINLINE,
    CatalogError,
    KvmUnavailableError,
    NegotiationTooHardError,
    RecordError,
    Support,
    bits,
)
from gmemflags.records import dumps, load_lines, loads
from tests.records.parts import places
from tests.records.sampled import SAMPLES, content_of
from tests.records.schema import is_valid
from tests.scale import FUZZ, FUZZ_SEED

DOCUMENTS = [json.dumps(content_of(value), separators=(",", ":")) for value in SAMPLES.values()]
# Small documents are quick to read: most mistakes are in what all kinds share.
_OFTEN = [document for document in DOCUMENTS for _ in range(1 + 2000 // len(document))]
_WORDS = r"""
null true false 0 1 -1 3 7 1.0 1e3 -0 01 1e400 NaN Infinity -Infinity [] {} [[]] "" "0x3" "0x0" "3"
"-5" "vm" "0X3" "\ud800" "\udc80" "\u0000" "\" "low" "mask" "schema" "origin" "kind" "flags" : , { }
[ ] " \ "answers" "extra" "gmemflags/support/1" "gmemflags/host/2" "gmemflags/catalog/2" "raw"
"errno" "names" "time" "2026-02-30T00:00:00Z"
"""
TOKENS = [
    *_WORDS.split(),
    *("9" * 20, "9" * 400, "-" + "9" * 19, "[" * 60, "]" * 60, '{"a":' * 60),
    *(" ", "\n", '"a\tb"', "\x00", "\ud800", "\ufeff", "\u2028", "\U0001f600"),
]
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 3, 255, 1 << 32, 1 << 53, 1 << 64, 10**40, 1.0, 1e300),
    *("", "0x0", "0x3", "0xffffffffffffffff", "0x10000000000000000", "0x8000000000000000", "3"),
    *(
        "-1",
        "-5000",
        "9223372036854775807",
        "vm",
        "system",
        "MMAP",
        "__class__",
        "a\ud800",
        "x" * 99,
    ),
    *([], {}, [[]], [None], ["0x1"], [0, 1], {"a": 1}, {"0x1": 22}, float("nan"), float("inf")),
]


def cut(dice: random.Random, text: str) -> tuple[int, int]:
    """The ends of a piece, mostly a short one."""
    start = dice.randrange(len(text) + 1)
    return start, min(len(text), start + int(dice.expovariate(0.1)))


def drop(dice: random.Random, text: str) -> str:
    """Leave a piece out."""
    start, end = cut(dice, text)
    return text[:start] + text[end:]


def repeat(dice: random.Random, text: str) -> str:
    """Have a piece twice."""
    start, end = cut(dice, text)
    return text[:end] + text[start:]


def insert(dice: random.Random, text: str) -> str:
    """Put a token over a piece."""
    start, end = cut(dice, text)
    return text[:start] + dice.choice(TOKENS) + text[end if dice.random() < 0.5 else start :]


def splice(dice: random.Random, text: str) -> str:
    """Put a piece of another document in."""
    start, end = cut(dice, text)
    other = dice.choice(DOCUMENTS)
    first = dice.randrange(len(other))
    return text[:start] + other[first : first + end - start] + text[end:]


def flip(dice: random.Random, text: str) -> str:
    """Change one character."""
    start = dice.randrange(len(text) + 1)
    return (
        text[:start]
        + chr(dice.choice((32, 34, 44, 48, 58, 91, 92, 123, 125, 255)))
        + text[start + 1 :]
    )


def replace(dice: random.Random, text: str) -> str:
    """Change one part of the content, so that the text stays JSON."""
    try:
        content = json.loads(text)
    except ValueError:
        return text
    everywhere = places(content)
    if not everywhere:
        return text
    container, key = dice.choice(everywhere)
    way = dice.random()
    if way < 0.7:
        container[key] = dice.choice(VALUES)
    elif way < 0.85 or isinstance(container, list):
        del container[key]
    else:
        container[dice.choice(["extra", "mask", "schema", "", "0x1"])] = container.pop(key)
    return json.dumps(content, ensure_ascii=dice.random() < 0.5)


MUTATIONS: list[Callable[[random.Random, str], str]] = [drop, repeat, insert, splice, flip, replace]


def broken(dice: random.Random) -> str:
    """A document of some kind, with one to three changes."""
    text = dice.choice(_OFTEN)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        text = dice.choice(MUTATIONS)(dice, text)
    return text


def outcome(read: Callable[[str], Any], text: str) -> Any:
    """The value, or what the error says; an error that says too much is no answer at all."""
    try:
        return read(text)
    except (RecordError, CatalogError, NegotiationTooHardError) as error:
        told = str(error)
    lead = ("at $", "catalog ", "at line 1, $")
    return told if told.startswith(lead) and told.isprintable() and len(told) < 1000 else None


def first_line(text: str) -> Any:
    """The host of a pool of one line."""
    return next(load_lines([text]))


HOST = DOCUMENTS[0]
EXTRAS: list[Any] = [{}, {"flags": ["MMAP"], "mask": "0x1"}, {"a": [{}]}, 3]


def like_another(dice: random.Random) -> str:
    """The line of a host, with another name, time, flags or ``extra``, and often with a mistake."""
    content = json.loads(HOST)
    mask = dice.choice((0, 1, 3, 5, 6, 0x41, 1 << 31))
    flags = [MAINLINE.flags.bit_names.get(bit) or hex(bit) for bit in bits(mask)]
    names = {hex(bit): name for bit, name in MAINLINE.flags.bit_names.items() if bit & mask}
    content |= {"flags": flags, "mask": hex(mask), "names": names}
    content["answers"]["GUEST_MEMFD_FLAGS"]["raw"] = str(mask)
    content["name"] = dice.choice((None, "", "a", "b", "a b", '"', "\\", "\x7f", "\xe9", "\udc80"))
    content["time"] = dice.choice((None, "2026-02-01T00:00:00Z", "2026-02-30T00:00:00Z", "now"))
    if dice.random() < 0.5:
        content["extra"] = dice.choice(EXTRAS)
    if dice.random() < 0.2:
        content["names"] = dice.choice(({}, {"0x1": "MMAP"}, {"0x4": "A"}, {"0x1": "A"}))
    separators = dice.choice(((",", ":"), (",", ":"), (", ", ": ")))
    text = json.dumps(content, separators=separators, ensure_ascii=dice.random() < 0.5)
    for _ in range(dice.choice((0, 0, 1, 2))):
        text = dice.choice(MUTATIONS)(dice, text)
    return text + dice.choice(("", "", "\n", " \r\n", "\x0b"))


def told(value: object, number: int) -> tuple[object, ...]:
    """All that tells one host, or one error, from another; the number of its line aside."""
    if isinstance(value, Support):
        return value, value.host.time, value.host.extra
    return type(value), str(value).replace(f"line {number}", "line 1")


@pytest.mark.parametrize("encoded", [True, False])
def test_a_line_among_others_is_read_as_alone(encoded: bool) -> None:
    """What is remembered of other lines changes neither a value nor an error."""
    dice = random.Random(FUZZ_SEED)  # noqa: S311  # to be the same tomorrow
    texts = [HOST, *(like_another(dice) for _ in range(FUZZ // 4))]
    lines = [
        text.encode(errors="surrogatepass") if encoded else text for text in texts if text.strip()
    ]
    found: list[Any] = []
    for host in load_lines(lines, bad=found.append):
        found += [host]
    assert len(found) == len(lines)
    for number, (line, value) in enumerate(zip(lines, found, strict=True), 1):
        bad: list[Any] = []
        alone = [*load_lines([line], bad=bad.append), *bad]
        assert told(value, number) == told(alone[0], 1), line
    hosts = sum(isinstance(value, Support) for value in found)
    assert len(found) // 10 < hosts < len(found) * 9 // 10


@pytest.mark.parametrize("part", range(4))
def test_a_broken_document_is_a_value_or_one_error(part: int) -> None:
    """No other exception, no value that cannot be written again, and no two ways of reading."""
    dice = random.Random(FUZZ_SEED * 4 + part)  # noqa: S311  # to be the same tomorrow
    accepted = 0
    for _ in range(FUZZ // 4):
        text = broken(dice)
        found = outcome(loads, text)
        assert found is not None, text
        if not isinstance(found, str):
            accepted += 1
            again = loads(dumps(found))
            assert again == found or isinstance(found, KvmUnavailableError)
            if accepted < 500:
                assert is_valid(json.loads(text)), text
        if not isinstance(found, str) and text.startswith('{"schema":"gmemflags/host/2"'):
            assert outcome(first_line, text) == found
    assert FUZZ < 1000 or accepted > FUZZ // 4000
