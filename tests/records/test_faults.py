"""Faulty documents: each ends in one RecordError that says where, and in nothing else."""

import json
import sys
from typing import Any

import pytest
from attrs import evolve

from gmemflags import Need, RecordError, Request, Scope, Stage, Support, resolve
from gmemflags._mainline import FirecrackerFlag
from gmemflags.records import dumps, loads, replay
from gmemflags.records._text import LONGEST
from tests.records.values import OWN, SAMPLES, host

SUPPORT = json.loads(dumps(host(3)))
DECISION = json.loads(dumps(resolve(host(3), 1)))
REFUSAL = json.loads(dumps(resolve(host(1), 3)))
CATALOG = json.loads(dumps(OWN))
POOL = json.loads(dumps(SAMPLES[6]))
REPORT = json.loads(dumps(SAMPLES[7]))


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
    return caught.value


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("", "it is not JSON: Expecting value at character 0"),
        ("{", "not JSON"),
        ("{} {}", "one document is needed, and there is more from character 3 on"),
        ('{"a', "not JSON: Unterminated string starting at character 1"),
        (b"\xff{}", "byte 0 is not UTF-8"),
        ('{"a":1}'.encode("utf-16"), "byte 0 is not UTF-8"),
        ("[" * 100_000, "too deeply nested for a record"),
        ('{"a":' * 100_000, "too deeply nested for a record"),
        ("[]", "an object is needed, not a list"),
        ("NaN", "NaN is no integer"),
        ("1" * 5000, "a number of 5000 digits is too large"),
        ('{"a":1,"b":2,"a":1}', "the key 'a' appears twice"),
    ],
    ids=short,
)
def test_the_text_itself(document: str | bytes, told: str) -> None:
    """What is not JSON, or not JSON on which all readers agree, is at fault as a whole."""
    fault = error(document)
    assert fault.path == "$"
    assert told in fault.problem


def test_too_long_a_text() -> None:
    """100 MB are refused unread."""
    for document in (" " * 100_000_000, b" " * (LONGEST + 1)):
        fault = error(document)
        assert fault.path == "$"
        assert fault.problem == "it is longer than 16777216 characters, as no record is"
    assert "not JSON" in error(" " * LONGEST).problem


def test_too_deep_a_text() -> None:
    """The reader of JSON gives up, and that is told."""
    assert error("[" * 100_000).problem == "it is too deeply nested for a record"


def test_a_byte_order_mark() -> None:
    """It is no part of JSON, and no editor shows it."""
    for document in ("\ufeff{}", b"\xef\xbb\xbf{}"):
        assert error(document).problem == "it starts with a byte order mark, which no record has"


def test_too_long_a_number() -> None:
    """No number of a record has more than 20 digits, and none is read that has."""
    document = dumps(host(3))
    twenty, more = "1" + "0" * 19, "1" + "0" * 20
    assert error(document.replace('"low":3', f'"low":{twenty}')).problem.endswith(f"not {twenty}")
    assert error(document.replace('"low":3', f'"low":{more}')).problem == (
        "a number of 21 digits is too large"
    )


def test_the_key_that_stands_there_twice() -> None:
    """It is that one and no other."""
    assert error('{"a":1,"b":2,"c":3,"b":4}').problem == "the key 'b' appears twice"


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
        ("gmemflags/support/2", "one of gmemflags/support/1, gmemflags/request/1"),
        (None, "is needed, not null"),
        ([], "is needed, not a list"),
        ("x" * 1000, "..."),
    ],
    ids=short,
)
def test_an_unknown_schema(schema: object, told: str) -> None:
    """A document of another version, or of another program, is refused by its schema."""
    fault = error(json.dumps({**SUPPORT, "schema": schema}))
    assert fault.path == "$.schema"
    assert told in fault.problem
    assert len(fault.problem) < 300


def test_no_schema() -> None:
    """Nothing is guessed from the rest."""
    fault = error(json.dumps({key: SUPPORT[key] for key in SUPPORT if key != "schema"}))
    assert (fault.path, fault.problem) == ("$.schema", "it is missing")


@pytest.mark.parametrize(
    ("way", "value", "told"),
    [
        ("origin", None, "a text is needed, not null"),
        ("origin", "a\ud800", "character 1 of the text is half a surrogate pair"),
        ("scope", "VM", "one of system, vm is needed, not 'VM'"),
        ("scope", True, "not true"),
        ("facts", [], "an object is needed, not a list"),
        ("facts/vm_type", True, "an integer in [0, 4294967295] is needed, not true"),
        ("facts/vm_type", "0", "not '0'"),
        ("facts/vm_type", 0.0, "0.0 is no integer"),
        ("facts/vm_type", -1, "not -1"),
        ("facts/vm_type", 1 << 32, "not 4294967296"),
        ("facts/vm_type", 10**30, "a number of 31 digits is too large"),
        ("facts/kernel", float("inf"), "Infinity is no integer"),
        ("facts/kernel", {}, "a text is needed, not an object"),
        ("facts/uptime", 1, "no such key is known"),
        ("answers", None, "an object is needed"),
        ("answers/GUEST_MEMFD_FLAGS", 3, "a C long as a decimal text"),
        ("answers/GUEST_MEMFD_FLAGS", "0x3", "a C long as a decimal text"),
        ("answers/GUEST_MEMFD_FLAGS", "03", "a C long as a decimal text"),
        ("answers/GUEST_MEMFD_FLAGS", " 3", "a C long as a decimal text"),
        ("answers/GUEST_MEMFD_FLAGS", "3\n", "a C long as a decimal text"),
        ("answers/GUEST_MEMFD_FLAGS", "-0", "a C long as a decimal text"),
        ("answers/GUEST_MEMFD_FLAGS", "\u0663", "a C long as a decimal text"),
        ("answers/GUEST_MEMFD_FLAGS", "-13", "-13 (-EACCES) is not an answer"),
        ("answers/GUEST_MEMFD_FLAGS", "9223372036854775808", "not a C long"),
        ("mask", 3, "a mask such as"),
        ("mask", "3", "a mask such as"),
        ("mask", "0X3", "a mask such as"),
        ("mask", "0x03", "a mask such as"),
        ("mask", "0x10000000000000003", "a mask such as"),
        ("low", "3", "an integer in"),
        ("low", 1, "1 is not the low word of the mask 0x3"),
        ("high", 1, "1 is not the high word of the mask 0x3"),
        ("catalog", None, "an object is needed"),
        ("catalog/name", 1, "a text is needed"),
        ("catalog/name", "linux\x1b[2J", "is neither known here nor written out"),
    ],
    ids=short,
)
def test_a_part_of_a_host(way: str, value: object, told: str) -> None:
    """Nothing is coerced: "7" is not 7, true is not 1, and a mask is what u64 takes."""
    fault = error(changed(SUPPORT, way, value))
    assert told in fault.problem
    assert f"$.{way.replace('/', '.')}".startswith(fault.path)


def test_a_host_that_lies_about_its_mask() -> None:
    """Mask and words that agree with each other and not with the answers are a lie."""
    lie = {**SUPPORT, "mask": "0x7", "low": 7}
    fault = error(json.dumps(lie))
    assert (fault.path, fault.problem) == ("$.mask", "the answers say 0x3, not 0x7")


def test_an_answer_that_the_catalog_does_not_number() -> None:
    """Another tree's capability is no answer to this one."""
    fault = error(changed(SUPPORT, "answers/GUEST_MEMFD_FLAGS_HI", "1"))
    assert fault.path == "$.answers"
    assert "has no number" in fault.problem


def test_a_flags_hi_that_is_too_wide() -> None:
    """What a Support refuses, a record of one does not smuggle in."""
    content = json.loads(dumps(host(3, "b", OWN)))
    content["catalog"]["capabilities"]["GUEST_MEMFD_FLAGS_HI"] = 999
    content["answers"]["GUEST_MEMFD_FLAGS_HI"] = str(1 << 32)
    fault = error(json.dumps(content))
    assert fault.path == "$.answers.GUEST_MEMFD_FLAGS_HI"


def test_missing_and_extra_keys() -> None:
    """Each is told by its own path, however odd a key is."""
    for key in SUPPORT:
        if key != "schema":
            left = {name: part for name, part in SUPPORT.items() if name != key}
            assert (error(json.dumps(left)).path) == f"$.{key}"
    assert error(json.dumps({**SUPPORT, "a b\ud800": 1})).path == "$['a b\\ud800']"
    assert len(error(json.dumps({**SUPPORT, "k" * 10_000: 1})).path) < 80


def test_a_key_twice_deep_inside() -> None:
    """Readers take the first or the last; this one takes neither."""
    document = dumps(host(3)).replace('"kernel"', '"kernel":"5.0","kernel"')
    fault = error(document)
    assert (fault.path, fault.problem) == ("$.facts", "the key 'kernel' appears twice")


_FLAGS_64 = {f"F{n}": hex(1 << n) for n in range(64)}


@pytest.mark.parametrize(
    ("way", "value", "path"),
    [
        ("flags", {"MMAP": "0x3"}, "$.flags"),
        ("flags", {"MMAP": "0x0"}, "$.flags"),
        ("flags", {"MMAP": 1}, "$.flags.MMAP"),
        ("flags", {**_FLAGS_64, "G": "0x1"}, "$.flags"),
        ("flags", {"MMAP": "0x1", "TWIN": "0x1"}, "$"),
        *(
            ("flags", {name: "0x1"}, f"$.flags{step}")
            for name, step in [
                ("mmap", ".mmap"),
                ("", "['']"),
                ("A|B", "['A|B']"),
                ("1A", "['1A']"),
                ("\u00c4", "['\\xc4']"),
                ("__A__", ".__A__"),
                ("_A_", "._A_"),
                ("_", "._"),
                ("mro", ".mro"),
                ("_order_", "._order_"),
            ]
        ),
        ("capabilities/VM_TYPES", -1, "$.capabilities.VM_TYPES"),
        ("capabilities/VM_TYPES", 1 << 31, "$.capabilities.VM_TYPES"),
        ("capabilities/VM_TYPES", 244, "$"),
        ("capabilities", {"A\ud800": 1}, "$.capabilities['A\\ud800']"),
        ("rules", {}, "$.rules"),
        ("rules/0", [], "$.rules[0]"),
        ("rules/0/kind", "sometimes", "$.rules[0].kind"),
        ("rules/0/kind", "never", "$.rules[0].mask"),
        ("rules/0/stage", 0, "$.rules[0].stage"),
        ("rules/0/hosts/vm_types", [0, True], "$.rules[0].hosts.vm_types[1]"),
        ("rules/1/any_of", ["0x1", 2], "$.rules[1].any_of[1]"),
        (
            "profiles/boot/request/claims",
            [["0x1", "A", "B"]],
            "$.profiles.boot.request.flag_names[0]",
        ),
        ("profiles/boot/request/claims", [["0x1", 2]], "$.profiles.boot.request.flag_names[0][1]"),
        ("profiles/boot/request/until", "soon", "$.profiles.boot.request.until"),
        ("profiles/boot/request/needs", [1], "$.profiles.boot.request.needs[0]"),
    ],
    ids=short,
)
def test_a_part_of_a_catalog(way: str, value: object, path: str) -> None:
    """A class is made of a document's names only if they are flag names."""
    assert error(changed(CATALOG, way, value)).path == path


@pytest.mark.parametrize(
    ("way", "value", "problem"),
    [
        ("flags", {"MMAP": "0x3"}, "RecordedFlag.MMAP = 3 is not one bit of 64"),
        (
            "flags",
            {"MMAP": "0x1", "TWIN": "0x1"},
            "catalog a-tree-of-mine: MMAP and TWIN are the same bit",
        ),
        (
            "rules/0/kind",
            "sometimes",
            "one of requires, excludes, always, never, refused is needed",
        ),
        ("profiles/boot/request/claims", [["0x1"]], "a bit and its name are needed"),
        ("profiles/boot/request/claims", [["0x1", "A", "B"]], "a bit and its name are needed"),
    ],
)
def test_what_is_wrong_with_a_catalog(way: str, value: object, problem: str) -> None:
    """What the library says of such a catalog, or what is needed."""
    assert error(changed(CATALOG, way, value)).problem == problem


def test_the_first_half_of_a_claim() -> None:
    """The bit stands at place 0, and the name at place 1."""
    way = "profiles/boot/request/claims"
    assert (
        error(changed(CATALOG, way, [[1, "A"]])).path == "$.profiles.boot.request.flag_names[0][0]"
    )


def test_a_flaw_inside_a_catalog_that_is_written_out() -> None:
    """It cannot be looked up, and is told where it stands."""
    document = dumps(host(3, "b", OWN)).replace(f'"{OWN.name}"', "1.5")
    assert error(document).path == "$.catalog.name"


@pytest.mark.parametrize(
    ("name", "shown"),
    [("tree\x1b", "tree\\x1b"), ("B\u00e4ume", "B\\xe4ume")],
    ids=["bell", "trees"],
)
def test_a_known_catalog_of_another_version(name: str, shown: str) -> None:
    """All that are known by that name are told, in ASCII, even if the name is not."""
    trees = [evolve(OWN, name=name), evolve(OWN, name=name, rules=())]
    document = dumps(evolve(host(3), catalog=trees[0]))
    content = json.loads(document)
    content["catalog"] = {"name": name, "digest": "0" * 64}
    with pytest.raises(RecordError) as caught:
        loads(json.dumps(content), catalogs=trees)
    first, second = (tree.digest[:12] for tree in trees)
    assert caught.value.problem == ascii(
        f"it was recorded under another version of {name}: digest '000000000000', "
        f"while the one known here has {first} or {second}"
    )
    assert shown in caught.value.problem


@pytest.mark.parametrize(
    ("content", "way", "value", "path"),
    [
        (DECISION, "result/ok", False, "$.result.mask"),
        (DECISION, "result/ok", 1, "$.result.ok"),
        (DECISION, "result/mask", None, "$.result.low"),
        (DECISION, "result/problems", REFUSAL["result"]["problems"], "$.result.problems"),
        (REFUSAL, "result/problems", [], "$.result.problems"),
        (REFUSAL, "result/ok", True, "$.result.mask"),
        (REFUSAL, "result/problems/0/rules", [3], "$.result.problems[0].rules"),
        (REFUSAL, "result/problems/0/reason", "because", "$.result.problems[0].reason"),
        (DECISION, "result", {**DECISION["result"], "mask": "0x5", "low": 5}, "$.result.mask"),
        (DECISION, "result", {**DECISION["result"], "mask": "0x2", "low": 2}, "$.result.mask"),
        (DECISION, "request/forbidden", "0x1", "$.result.mask"),
        (DECISION, "host/answers/GUEST_MEMFD", "0", "$.result.mask"),
        (DECISION, "host/scope", "system", "$.result.mask"),
        (DECISION, "request/digest", "0", "$.result.mask"),
        (DECISION, "request/claims", [["0x1", "MAP"]], "$.result.mask"),
        (DECISION, "host/low", 1, "$.host.low"),
        (DECISION, "catalog/rules/0/flag", 1, "$.catalog.rules[0].flag"),
    ],
)
def test_a_part_of_a_decision(content: dict[str, Any], way: str, value: object, path: str) -> None:
    """A yes that its own host and request rule out is a lie, too."""
    assert error(changed(content, way, value)).path == path


def granted(mask: int, support: Support, request: Request) -> str:
    """The document of a decision that grants ``mask``, whatever the right answer is."""
    content = json.loads(dumps(resolve(support, request)))
    content["result"] = {"ok": True, "mask": hex(mask), "low": mask, "high": 0, "problems": []}
    return json.dumps(content)


MMAP, INIT_SHARED, UNNAMED = 1, 2, 0x40
WISH = Request(required=MMAP, preferred=[INIT_SHARED | UNNAMED, INIT_SHARED])


@pytest.mark.parametrize(
    ("mask", "support", "request_"),
    [
        (MMAP, evolve(host(3), scope=Scope.SYSTEM), Request(required=MMAP)),
        (UNNAMED, host(0x43), Request(required=UNNAMED)),
        (MMAP, host(3), Request(required=MMAP, needs=[Need("MEMORY_ATTRIBUTES", 8)])),
        (MMAP, host(3), Request(required=MMAP, needs=[Need("USERFAULT")])),
        (MMAP, host(3), Request(required=MMAP, until=Stage.ACCESS)),
        (MMAP | INIT_SHARED, host(3), Request(required=MMAP)),
        (INIT_SHARED, host(3), Request(preferred=[MMAP | INIT_SHARED])),
        (MMAP, host(3), Request(required=FirecrackerFlag.MMAP, flag_names=[(MMAP, "MAP")])),
    ],
    ids=["scope", "unnamed", "need", "never asked", "rule", "unasked", "half a group", "foreign"],
)
def test_a_yes_that_its_own_host_and_request_rule_out(
    mask: int, support: Support, request_: Request
) -> None:
    """No file is made with the mask of a record that resolving would refuse."""
    assert not (answer := resolve(support, request_)).ok or answer.mask != mask
    fault = error(granted(mask, support, request_))
    assert fault.path == "$.result.mask"
    assert fault.problem == f"{mask:#x} is no answer of this host to this request"


def test_a_valid_yes_need_not_be_the_best() -> None:
    """Another version may have chosen otherwise; replay tells that."""
    again = loads(granted(MMAP, host(3), WISH))
    assert (again.ok, again.mask) == (True, MMAP)
    assert not replay(granted(MMAP, host(3), WISH)).same


def test_what_a_decision_says_twice() -> None:
    """A yes has a mask and no problem, a refusal no mask and some problem."""
    told = {"ok": False, "problems": REFUSAL["result"]["problems"]}
    problem = "a yes has a mask, and a refusal has none"
    for content, way, value in (
        (DECISION, "result", {**DECISION["result"], **told}),
        (REFUSAL, "result/ok", True),
    ):
        assert error(changed(content, way, value)).problem == problem
    problem = "a refusal has problems, and a yes has none"
    assert error(changed(REFUSAL, "result/problems", [])).problem == problem
    assert error(changed(DECISION, "result/problems", told["problems"])).problem == problem


def test_what_nobody_can_lack() -> None:
    """Hosts are told by one flag each, which not all of them have."""
    some = {"count": 1, "first": ["a"]}
    assert error(changed(POOL, "lacking/0x30", some)).problem == "one bit is needed"
    assert error(changed(POOL, "lacking/0x1", some)).problem == (
        "the common mask has this bit, so no host can lack it"
    )


def test_a_long_text_is_shown_in_part() -> None:
    """60 characters at most, with the dots, and 40 of a number."""
    for length, shown in ((60, "x" * 60), (61, f"{'x' * 57}...")):
        problem = error(changed(SUPPORT, "scope", "x" * length)).problem
        assert problem.endswith(f" is needed, not '{shown}'")
    document = dumps(host(3)).replace('"low":3', f'"low":{"1" * 41}.5')
    assert error(document).problem == f"{'1' * 40} is no integer, and no record has another number"


@pytest.mark.parametrize(
    ("way", "value", "path"),
    [
        ("count", 0, "$.count"),
        ("count", 4, "$.first"),
        ("first", [], "$.first"),
        ("first", ["x"] * 11, "$.first"),
        ("support/low", 7, "$.support.low"),
        ("lacking", {}, "$.lacking"),
        ("lacking/0x1", {"count": 1, "first": ["a"]}, "$.lacking['0x1']"),
        ("lacking/0x30", {"count": 1, "first": ["a"]}, "$.lacking['0x30']"),
        ("lacking/7", {"count": 1, "first": ["a"]}, "$.lacking['7']"),
        ("lacking/0x2", {"count": 4, "first": ["a"]}, "$.lacking['0x2'].count"),
        ("lacking/0x2", {"count": 2, "first": ["a"]}, "$.lacking['0x2'].first"),
        ("lacking/0x2", {"count": 0, "first": []}, "$.lacking['0x2'].count"),
    ],
)
def test_a_part_of_a_pool(way: str, value: object, path: str) -> None:
    """Counts, names and the common mask have to agree."""
    assert error(changed(POOL, way, value)).path == path


@pytest.mark.parametrize(
    ("way", "value", "told"),
    [
        ("lacking/0x2/count", 4, "a count from 1 to 3 is needed, not 4"),
        ("lacking/0x2/count", 2, "2 names are needed, not 1"),
        ("lacking", {}, "the hosts without 0x2 are missing"),
    ],
)
def test_what_a_pool_lacks_is_told(way: str, value: object, told: str) -> None:
    """In words, with what would be right."""
    assert error(changed(POOL, way, value)).problem == told


@pytest.mark.parametrize(
    ("way", "value", "path"),
    [
        ("observations/0x4", 4096, "$.observations['0x4']"),
        ("observations/4", 0, "$.observations['4']"),
        ("size", "4096", "$.size"),
        ("stopped", True, "$.stopped"),
        ("support/mask", "0x1", "$.support.low"),
    ],
)
def test_a_part_of_a_probe_report(way: str, value: object, path: str) -> None:
    """Masks and errnos, exactly."""
    assert error(changed(REPORT, way, value)).path == path


@pytest.mark.parametrize("wrong", [None, 3, ["{}"], {"a": 1}])
def test_what_is_no_document_at_all(wrong: Any) -> None:
    """Only text and bytes are documents; anything else is a programmer's mistake."""
    with pytest.raises((TypeError, AttributeError)):
        loads(wrong)


def test_deep_nesting_inside_a_catalog() -> None:
    """What can just be read as JSON must not exhaust the stack later."""
    depth = sys.getrecursionlimit() - 150
    deep = "[" * depth + "]" * depth
    document = dumps(host(3, "b", OWN)).replace('"rules":[', f'"rules":[{deep},', 1)
    assert error(document).path in ("$", "$.catalog.rules[0]")


@pytest.mark.parametrize("number", range(len(SAMPLES)))
def test_every_prefix_of_a_document_is_an_error(number: int) -> None:
    """A document that was cut off is no document."""
    document = dumps(SAMPLES[number])
    for end in range(0, len(document), 7):
        error(document[:end])
