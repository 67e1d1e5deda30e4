"""Faulty documents: each ends in one RecordError that says where, and in nothing else."""

import json
import sys
from typing import Any

import pytest
from attrs import evolve

from gmemflags import MAINLINE, CatalogError, Excludes, Need, RecordError, Request, Scope, resolve
from gmemflags._mainline import FirecrackerFlag
from gmemflags.records import LONGEST, dumps, loads
from tests.records.sampled import OWN, SAMPLES, content_of, host

HOST = content_of(host(3))
DECISION = content_of(SAMPLES["granted"])
REFUSAL = content_of(SAMPLES["refused"])
CATALOG = content_of(OWN)
POOL = content_of(SAMPLES["baseline"])
REPORT = content_of(SAMPLES["probe"])
COMPARISON = content_of(SAMPLES["comparison"])


def short(value: object) -> str:
    """A value in the name of a test."""
    # pytest escapes a backslash once more where a process collects twice, as `make mutate` does.
    return ascii(value)[:30].replace("\\", "/")


def changed(content: dict[str, Any], way: str, value: object) -> str:
    """``content`` with ``value`` where ``way`` leads."""
    copy = json.loads(json.dumps(content))
    part = copy
    *steps, last = [int(step) if step.isdigit() else step for step in way.split("/")]
    for step in steps:
        part = part[step]
    part[last] = value
    return json.dumps(copy)


def error(document: str | bytes) -> RecordError:
    """The error in which ``document`` ends."""
    with pytest.raises(RecordError) as caught:
        loads(document)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    return caught.value


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("", "it is not JSON: Expecting value at character 0"),
        ("{", "not JSON"),
        ("{} {}", "it is not JSON: Extra data at character 3"),
        ('{"a', "not JSON: Unterminated string starting at character 1"),
        (b"\xff{}", "byte 0 is not UTF-8"),
        ('{"a":1}'.encode("utf-16"), "byte 0 is not UTF-8"),
        ("\ufeff{}", "it is not JSON: Expecting value at character 0"),
        (b"\xef\xbb\xbf{}", "it is not JSON: Expecting value at character 0"),
        ("[" * 100_000, "it is too deeply nested for a document"),
        ('{"a":' * 100_000, "it is too deeply nested for a document"),
        ("[]", "an object is needed, not a list"),
        ("NaN", "NaN is not a number of a document"),
        ("1e999", "1e999 is not a number of a document"),
        ("1" * 5000, "a number of 5000 digits is too large"),
        ('{"a":1,"b":2,"c":3,"b":4}', "the key 'b' appears twice"),
    ],
    ids=short,
)
def test_the_text_itself(document: str | bytes, told: str) -> None:
    """What is not JSON, or not JSON on which all readers agree, is at fault as a whole."""
    fault = error(document)
    assert fault.path == "$"
    assert told in fault.problem


def test_too_long_a_text() -> None:
    """What is longer than 16 Mi is refused unread."""
    for document in (" " * (LONGEST + 1), b" " * (LONGEST + 1)):
        fault = error(document)
        assert fault.path == "$"
        assert fault.problem == "it is longer than 16777216 characters, as no document is"
    assert "not JSON" in error(" " * LONGEST).problem


def test_too_long_a_value() -> None:
    """A document that would not be read again is not written either."""
    with pytest.raises(RecordError, match="longer than 16777216 characters"):
        dumps(host(3, "x" * LONGEST))


def test_a_limit_on_digits_that_was_lifted() -> None:
    """Long numbers take linear time also where Python would take quadratic."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        assert "16000000 digits" in error("9" * 16_000_000).problem
    finally:
        sys.set_int_max_str_digits(limit)


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ("gmemflags/support/1", "'gmemflags/support/1' is of version 1, which was never published"),
        ("gmemflags/host/3", "one of gmemflags/host/2, gmemflags/unavailable/2"),
        (None, "is needed, not null"),
        ([], "is needed, not a list"),
        ("x" * 1000, "..."),
    ],
    ids=short,
)
def test_an_unknown_schema(schema: object, told: str) -> None:
    """A document of another version, or of another program, is refused by its schema."""
    fault = error(json.dumps({**HOST, "schema": schema}))
    assert fault.path == "$.schema"
    assert told in fault.problem
    assert len(fault.problem) < 400


def test_no_schema() -> None:
    """Nothing is guessed from the rest."""
    fault = error(json.dumps({key: HOST[key] for key in HOST if key != "schema"}))
    assert (fault.path, fault.problem) == ("$.schema", "it is missing")


FLAGS = "answers/GUEST_MEMFD_FLAGS/raw"


@pytest.mark.parametrize(
    ("way", "value", "told"),
    [
        ("origin", None, "a text is needed, not null"),
        ("origin", "a\ud800", "character 1 of the text is half a surrogate pair"),
        ("name", 7, "a text is needed, not 7"),
        ("time", "2026-02-30T00:00:00Z", "day "),
        ("time", "1969-12-31T23:59:59Z", "time must be seconds since 1970"),
        ("time", "2026-02-01 00:00:00", "a time in UTC such as"),
        ("time", 1_769_904_000, "a time in UTC such as"),
        ("scope", "VM", "one of system, vm is needed, not 'VM'"),
        ("scope", True, "not true"),
        ("scope", "system", "a Support of system scope has no VM type"),
        ("vm_type", True, "an integer in [0, 9007199254740991] is needed, not true"),
        ("vm_type", "0", "not '0'"),
        ("vm_type", 0.0, "not 0.0"),
        ("vm_type", -1, "not -1"),
        ("vm_type", 1 << 53, "not 9007199254740992"),
        ("vm_type", 10**30, "a number of 31 digits is too large"),
        ("kernel", float("inf"), "Infinity is not a number of a document"),
        ("kernel", {}, "a text is needed, not an object"),
        ("uptime", 1, "no such key is known"),
        ("answers", None, "an object is needed"),
        ("answers/KVM_CAP_X", {"number": 1, "raw": "1"}, "without KVM_CAP_"),
        ("answers/X", {"number": 1}, "either raw or errno is needed"),
        ("answers/X", {"number": 1, "raw": "1", "errno": 1}, "either raw or errno is needed"),
        ("answers/X", {"number": 1 << 31, "raw": "1"}, "an integer in [0, 2147483647]"),
        ("answers/X", {"number": 1, "raw": "-13"}, "-13 (-EACCES) is not an answer"),
        ("answers/GUEST_MEMFD", {"number": 234, "errno": 22}, "cannot be 22 beside the answers"),
        (FLAGS, 3, "a C long as a decimal text"),
        (FLAGS, "0x3", "a C long as a decimal text"),
        (FLAGS, "03", "a C long as a decimal text"),
        (FLAGS, "3\n", "a C long as a decimal text"),
        (FLAGS, "-0", "a C long as a decimal text"),
        (FLAGS, "\u0663", "a C long as a decimal text"),
        (FLAGS, "-13", "-13 (-EACCES) is not an answer"),
        (FLAGS, "9223372036854775808", "not a C long"),
        ("mask", 3, "a mask such as"),
        ("mask", "0X3", "a mask such as"),
        ("mask", "0x03", "a mask such as"),
        ("mask", "0x3\n", "a mask such as"),
        ("mask", "0x10000000000000003", "a mask such as"),
        ("mask", "0x7", "the rest of the document says 0x3, not 0x7"),
        ("flags", ["MMAP"], "the rest of the document says ['MMAP', 'INIT_SHARED'], not ['MMAP']"),
        ("names", {"0x1": "MMAP"}, "the rest of the document says ['MMAP', '0x2']"),
        ("names/0x3", "FOO", "one bit, as a mask"),
        ("names/0x2", "mmap", "a flag name in ASCII capitals"),
        ("extra", 1, "an object is needed, not 1"),
        ("extra", {"a": [1e999]}, "Infinity is not a number of a document"),
        ("extra", {"a": ["\udc80"]}, "half a surrogate pair"),
        ("extra", {"\udc80": 1}, "half a surrogate pair"),
        ("extra", {"a": 10**40}, "a number of 41 digits is too large"),
    ],
    ids=short,
)
def test_a_part_of_a_host(way: str, value: object, told: str) -> None:
    """Nothing is coerced: "7" is not 7, true is not 1, and what is said twice agrees."""
    assert told in error(changed(HOST, way, value)).problem


REQUIRES = "why, source, stage, hosts, flag, all_of, any_of"
OTHER_NAME = (
    "0x1 is MMAP here, and INIT_SHARED in the tree under which a host was asked; query it again"
)
TWO_FLAGS = {"A": "0x1", "B": "0x1"}


@pytest.mark.parametrize(
    ("content", "way", "value", "told"),
    [
        (HOST, "answers/X", {"number": 1}, "at $.answers.X: either raw or errno is needed"),
        (
            CATALOG,
            "rules/0/kind",
            "requires",
            f"at $.rules[0]: a rule of the kind requires has {REQUIRES}",
        ),
        (
            POOL,
            "lacking/0x1",
            {"count": 1, "first": ["a"]},
            "at $.lacking['0x1']: all hosts list this bit, so none can lack it",
        ),
        (
            DECISION,
            "support/names",
            {"0x1": "INIT_SHARED", "0x2": "MMAP"},
            f"at $.support.names: catalog linux-mainline: {OTHER_NAME}",
        ),
        *(
            (
                content,
                way,
                TWO_FLAGS,
                f"at $.{path}: RecordedFlag.B = 1 is a second name for a bit: it is A already",
            )
            for content, way, path in [
                (CATALOG, "flags", "flags"),
                (DECISION, "catalog/flags", "catalog.flags"),
                (REPORT, "catalog/flags", "catalog.flags"),
                (COMPARISON, "catalogs/0/flags", "catalogs[0].flags"),
                (
                    content_of(SAMPLES["comparison-of-two-trees"]),
                    "catalogs/1/flags",
                    "catalogs[1].flags",
                ),
            ]
        ),
    ],
    ids=short,
)
def test_a_fault_to_the_letter(content: dict[str, Any], way: str, value: object, told: str) -> None:
    """Where it is, and what is wrong."""
    assert str(error(changed(content, way, value))) == told


@pytest.mark.parametrize(
    ("way", "value", "path"),
    [
        ("answers/X", {"number": 1, "raw": "-13"}, "$.answers.X"),
        (FLAGS, "-13", "$.answers.GUEST_MEMFD_FLAGS"),
        (FLAGS, 3, "$.answers.GUEST_MEMFD_FLAGS.raw"),
        ("names/0x4", "foo", "$.names['0x4']"),
        ("extra", {"a": [{"b": "\udc80"}]}, "$.extra.a[0].b"),
        ("a b\ud800", 1, "$['a b\\ud800']"),
        ("k" * 10_000, 1, f"$['{'k' * 57}...']"),
    ],
    ids=short,
)
def test_the_path_leads_to_the_fault(way: str, value: object, path: str) -> None:
    """However deep it is, and however odd the key."""
    assert error(changed(HOST, way, value)).path == path


def test_a_missing_key() -> None:
    """Each is told by its own path."""
    for key in HOST.keys() - {"schema"}:
        left = {name: part for name, part in HOST.items() if name != key}
        assert error(json.dumps(left)).path == f"$.{key}"


def test_a_key_twice_deep_inside() -> None:
    """Readers take the first or the last; this one takes neither."""
    document = dumps(host(3)).replace('"number":244', '"number":1,"number":244')
    fault = error(document)
    assert fault.path == "$.answers.GUEST_MEMFD_FLAGS"
    assert fault.problem == "the key 'number' appears twice"


def test_extra_is_plain_data_of_some_depth() -> None:
    """32 levels; what is deeper is for no reader."""
    inner: list[Any] = []
    for _ in range(31):
        inner = [inner]
    assert loads(changed(HOST, "extra", {"a": inner})).host.extra == {"a": inner}
    fault = error(changed(HOST, "extra", {"a": [inner]}))
    assert fault.problem == "it is nested more than 32 levels deep"


_FLAGS_64 = {f"F{n}": hex(1 << n) for n in range(64)}


@pytest.mark.parametrize(
    ("way", "value", "path"),
    [
        ("flags", {"MMAP": "0x3"}, "$.flags.MMAP"),
        ("flags", {"MMAP": 1}, "$.flags.MMAP"),
        ("flags", {}, "$"),
        ("flags", {**_FLAGS_64, "G": "0x1"}, "$.flags"),
        ("flags", {"MMAP": "0x1", "TWIN": "0x1"}, "$.flags"),
        *(
            ("flags", {name: "0x1"}, f"$.flags{step}")
            for name, step in [
                ("mmap", ".mmap"),
                ("", "['']"),
                ("A|B", "['A|B']"),
                ("1A", "['1A']"),
                ("A\n", "['A\\n']"),
                ("\u00c4", "['\\xc4']"),
                ("__A__", ".__A__"),
                ("_", "._"),
                ("_order_", "._order_"),
            ]
        ),
        ("name", "a\ud800", "$.name"),
        ("capabilities/VM_TYPES", -1, "$.capabilities.VM_TYPES"),
        ("capabilities/VM_TYPES", 1 << 31, "$.capabilities.VM_TYPES"),
        ("capabilities/VM_TYPES", 244, "$"),
        ("capabilities", {"A\ud800": 1}, "$.capabilities['A\\ud800']"),
        ("rules", {}, "$.rules"),
        ("rules/0", [], "$.rules[0]"),
        ("rules/0/kind", "sometimes", "$.rules[0].kind"),
        ("rules/0/kind", ["never"], "$.rules[0].kind"),
        ("rules/0/kind", "requires", "$.rules[0]"),
        ("rules/0/stage", 0, "$.rules[0].stage"),
        ("rules/0/hosts/vm_types", [0, True], "$.rules[0].hosts.vm_types[1]"),
        ("rules/1/all_of", ["0x1", 2], "$.rules[1].all_of"),
        ("profiles/boot/request/until", "soon", "$.profiles.boot.request.until"),
        ("profiles/boot/request/needs", [1], "$.profiles.boot.request.needs[0]"),
        ("profiles/boot/request/flag_names", {"A": 1}, "$.profiles.boot.request.flag_names.A"),
    ],
    ids=short,
)
def test_a_part_of_a_catalog(way: str, value: object, path: str) -> None:
    """A class is made of a document's names only if they are flag names."""
    assert error(changed(CATALOG, way, value)).path == path


@pytest.mark.parametrize(
    ("content", "way", "value", "path"),
    [
        (DECISION, "ok", False, "$.ok"),
        (DECISION, "ok", 1, "$.ok"),
        (DECISION, "mask", None, "$.mask"),
        (DECISION, "mask", "0x1", "$.mask"),
        (DECISION, "flags", [], "$.flags"),
        (DECISION, "problems", REFUSAL["problems"], "$.problems"),
        (REFUSAL, "problems", [], "$.problems"),
        (REFUSAL, "ok", True, "$.ok"),
        (REFUSAL, "problems/0/rules", [3], "$.problems[0].rules[0]"),
        (REFUSAL, "problems/0/reason", "because", "$.problems[0].reason"),
        (DECISION, "request/forbidden", "0x1", "$.ok"),
        (DECISION, "request/digest", "0", "$.ok"),
        (DECISION, "request/flag_names", {"MAP": "0x1"}, "$.ok"),
        (DECISION, "support/mask", "0x1", "$.support.mask"),
        (DECISION, "support/names", {"0x1": "INIT_SHARED", "0x2": "MMAP"}, "$.support.names"),
        (DECISION, "catalog/rules/0/all_of", 1, "$.catalog.rules[0].all_of"),
        (COMPARISON, "safe", True, "$.safe"),
        (COMPARISON, "lost", [], "$.lost"),
        (COMPARISON, "gained", COMPARISON["lost"], "$.gained"),
        (COMPARISON, "catalogs", [], "$.catalogs"),
        (COMPARISON, "catalogs", COMPARISON["catalogs"] * 3, "$.catalogs"),
        (COMPARISON, "a/mask", "0x1", "$.a.mask"),
        (POOL, "count", 0, "$.count"),
        (POOL, "count", 4, "$.first"),
        (POOL, "first", ["x"] * 11, "$.first"),
        (POOL, "support/mask", "0x7", "$.support.mask"),
        (POOL, "lacking/0x1", {"count": 1, "first": ["a"]}, "$.lacking['0x1']"),
        (POOL, "lacking/0x30", {"count": 1, "first": ["a"]}, "$.lacking['0x30']"),
        (POOL, "lacking/0x2", {"count": 4, "first": ["a"]}, "$.lacking['0x2'].count"),
        (POOL, "lacking/0x2", {"count": 2, "first": ["a"]}, "$.lacking['0x2'].first"),
        (POOL, "lacking/0x2", {"count": 0, "first": []}, "$.lacking['0x2'].count"),
        (
            POOL,
            f"lacking/{1 << 32:#x}",
            {"count": 1, "first": ["a"]},
            "$.lacking['0x100000000'].count",
        ),
        (POOL, "unanswered", [0], "$.unanswered"),
        (POOL, "unanswered", [1, 0], "$.unanswered"),
        (POOL, "unanswered", [0, 4], "$.unanswered"),
        (REPORT, "observations/4", {"create": 0}, "$.observations['4']"),
        (REPORT, "observations/0x1/bind", None, "$.observations['0x1']"),
        (REPORT, "observations/0x1/bind", "0", "$.observations['0x1'].bind"),
        (REPORT, "complete", False, "$.complete"),
        (REPORT, "size", "4096", "$.size"),
        (REPORT, "stopped", True, "$.stopped"),
        (REPORT, "support/mask", "0x1", "$.support.mask"),
    ],
    ids=short,
)
def test_a_part_of_an_answer(content: dict[str, Any], way: str, value: object, path: str) -> None:
    """A result that its own host and request rule out is refused."""
    assert error(changed(content, way, value)).path == path


def granted(mask: int, document: dict[str, Any]) -> str:
    """A document that grants ``mask``, whatever the right answer is."""
    flags = [name for bit, name in ((1, "MMAP"), (2, "INIT_SHARED")) if mask & bit]
    yes = {"ok": True, "flags": flags, "mask": hex(mask), "problems": []}
    return json.dumps({**document, **yes})


@pytest.mark.parametrize(
    ("mask", "support", "request_"),
    [
        (3, evolve(host(3), scope=Scope.SYSTEM, host=evolve(host(3).host, vm_type=None)), 3),
        (0x40, host(0x43), 0x40),
        (3, host(3), Request(required=3, needs=[Need("MEMORY_ATTRIBUTES", 8)])),
        (1, host(3), 1),
        (3, host(3), Request(preferred=[1])),
        (1, host(3), Request(required=FirecrackerFlag.MMAP, flag_names=[(1, "MAP")])),
        (1, host(3), Request(preferred=[3, 1], until=MAINLINE.rules[0].stage)),
    ],
    ids=["scope", "unnamed", "need", "rule", "unasked", "misnamed", "not the best"],
)
def test_a_yes_that_deciding_again_does_not_give(
    mask: int, support: Any, request_: Request | int
) -> None:
    """No file is made with the mask of a document that the library would not grant."""
    answer = resolve(support, request_)
    assert not answer.ok or answer.mask != mask
    assert error(granted(mask, content_of(answer))).path in ("$.ok", "$.mask", "$.flags")


def test_a_long_text_is_shown_in_part() -> None:
    """60 characters at most, with the dots, and 40 of a number."""
    for length, shown in ((60, "x" * 60), (61, f"{'x' * 57}...")):
        problem = error(changed(HOST, "scope", "x" * length)).problem
        assert problem.endswith(f" is needed, not '{shown}'")
    document = dumps(host(3)).replace('"vm_type":0', f'"vm_type":{"1" * 41}.5')
    assert error(document).problem == f"{'1' * 40} is not a number of a document"


@pytest.mark.parametrize("wrong", [None, 3, ["{}"], {"a": 1}])
def test_what_is_no_document_at_all(wrong: Any) -> None:
    """Only text and bytes are documents; anything else is a programmer's mistake."""
    with pytest.raises((TypeError, AttributeError)):
        loads(wrong)


def test_deep_nesting_inside_a_document() -> None:
    """What can just be read as JSON does not exhaust the stack later."""
    depth = sys.getrecursionlimit() - 150
    deep = "[" * depth + "]" * depth
    assert error(dumps(OWN).replace('"rules":[', f'"rules":[{deep},', 1)).path in (
        "$",
        "$.rules[0]",
    )
    document = dumps(host(3))[:-1] + f',"extra":{{"a":{deep}}}}}'
    assert error(document).path.startswith("$")


@pytest.mark.parametrize("name", SAMPLES)
def test_every_prefix_of_a_document_is_an_error(name: str) -> None:
    """A document that was cut off is none."""
    document = json.dumps(content_of(SAMPLES[name]))
    for end in range(0, len(document), 37):
        error(document[:end])


def test_many_rules_of_many_bits() -> None:
    """1,024 exclusions of 63 by 63 bits are read, and decided within the budget of steps."""
    low, high = (1 << 63) - 1, ((1 << 63) - 1) << 1
    rules = [Excludes(low, high, why=f"{number}", source="") for number in range(1024)]
    tree = evolve(MAINLINE, rules=rules)
    document = dumps(tree)
    assert loads(document) == tree
    answer = resolve(evolve(host(3), catalog=tree), Request(preferred=[3]))
    assert loads(dumps(answer)) == answer


@pytest.mark.parametrize("kind", [host(3, "b", OWN), SAMPLES["flags"]], ids=["host", "flags"])
def test_a_bit_of_another_name_is_no_fault_of_the_document(kind: Any) -> None:
    """It is the catalog that cannot read it: a CatalogError, which says what to do."""
    other = json.dumps(content_of(kind)).replace("MMAP", "MAP")
    with pytest.raises(CatalogError, match="0x1 is MMAP here, and MAP in the"):
        loads(other)
