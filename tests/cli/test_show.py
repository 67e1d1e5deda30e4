"""`gmemflags show`: a table for a device, for a host of the program, and of records."""

import json
import os
from pathlib import Path

import pytest
from attrs import evolve

from gmemflags import KvmUnavailableError, Scope, Support, query, records
from gmemflags.testing import FakeBackend
from tests.cli.devices import DEFAULT, Answers, Install
from tests.cli.runs import error, host, lines, run, unreachable

NODE = os.uname().nodename
MISSING = error(
    "/dev/gone: No such file (errno 2, no-device)",
    KvmUnavailableError(2, "", "", unreachable("").reason.NO_DEVICE).remedy
    + "; --host NAME needs no device",
)


def rows(text: str) -> list[list[str]]:
    """The words of the lines of a table."""
    return [line.split() for line in text.splitlines() if line.startswith(("  /dev", "  VM type"))]


def test_a_device(device: Install) -> None:
    """/dev/kvm and a VM of each type that it lists, by the name of the host."""
    listed = {**DEFAULT, 235: 0b1_0001}
    device(listed, {0: listed, 4: {**listed, 244: 1}})
    told = run("show")
    assert (told.status, told.err) == (0, "")
    assert told.out.startswith(
        f"guest_memfd on {NODE}: MMAP|INIT_SHARED (0x3) for VM type 0; MMAP (bit 0, 0x1) for VM"
        " type 4\n  Linux 6.18, x86_64; flags named by linux-mainline\n\n"
    )
    assert [row[-3:] for row in rows(told.out)] == [
        ["yes", "yes", "yes"],
        ["yes", "yes", "yes"],
        ["yes", "yes", "no"],
    ]


def test_what_is_chosen(device: Install) -> None:
    """--scope and --vm-type choose the descriptors that are asked."""
    device()
    assert [row[0] for row in rows(run("show").out)] == ["/dev/kvm", "VM"]
    assert [row[0] for row in rows(run("show", "--scope", "system").out)] == ["/dev/kvm"]
    assert [row[0] for row in rows(run("show", "--scope", "vm").out)] == ["VM"]
    assert [row[0] for row in rows(run("show", "--vm-type", "0").out)] == ["VM"]
    assert run("show", "--machine", "amd64") == run("show")
    assert "none of 2 records in /dev/kvm is of the kind" in run("show", "--machine", "arm64").err
    upper = run("show", "--scope", "system").out.partition("\n")[0]
    none = run("show", "--host", "linux-6.1-x86_64", "--scope", "system").out.partition("\n")[0]
    assert none.endswith("none (KVM_CAP_GUEST_MEMFD is 0)")
    assert upper.endswith("MMAP|INIT_SHARED (0x3) at most; a VM may support less")


def test_a_host_without_guest_memfd_takes_three_lines() -> None:
    """There is nothing to put into a table."""
    told = run("show", "--host", "linux-6.1-x86_64")
    assert told.status == 0
    assert told.out.count("\n") == 3
    assert told.out.startswith("guest_memfd on linux-6.1-x86_64: none (KVM_CAP_GUEST_MEMFD is 0)\n")
    assert "capability" in run("show", "--host", "linux-6.1-x86_64", "-v").out


def test_a_vm_that_cannot_be_asked(device: Install) -> None:
    """It has a row of its own, the others are shown, and the status is 3."""
    listed = {**DEFAULT, 235: 0b110_0001}
    denied = OSError(13, "Permission denied")
    device(listed, {0: listed, 5: KvmUnavailableError(5, "odd", "VM of type 5"), 6: {244: denied}})
    told = run("show")
    assert told.status == 3
    assert "  VM type 5                     could not be asked: VM of type 5: odd" in told.out
    assert "could not be asked: VM of type 6 on /dev/kvm did not answer" in told.out
    written = run("show", "--json")
    assert written.status == 3
    kinds = [json.loads(line)["schema"] for line in written.out.splitlines()]
    assert kinds == ["gmemflags/host/2"] * 2 + ["gmemflags/unavailable/2"]
    assert written.err.count(f"warning: {NODE} could not be asked: ") == 2


def test_a_device_that_cannot_be_opened(device: Install) -> None:
    """It is an error, and with --json there is a record of it, which can be shown."""
    device()
    told = run("show", "--device", "/dev/gone")
    assert (told.status, told.out, told.err) == (3, "", MISSING)
    written = run("show", "--device", "/dev/gone", "--json")
    assert (written.status, written.err) == (3, MISSING)
    document = json.loads(written.out)
    assert (document["name"], document["reason"]) == (NODE, "no-device")
    assert document["time"]


@pytest.mark.usefixtures("files")
def test_records_of_a_device(device: Install) -> None:
    """They have the name of the host, and are shown as the device is."""
    device()
    written = run("show", "--json")
    found = [records.loads(line) for line in written.out.splitlines()]
    assert [one.host.name for one in found] == [NODE, NODE]
    assert [one.origin for one in found] == [
        f"/dev/kvm of {NODE}",
        f"VM of type 0 on /dev/kvm of {NODE}",
    ]
    Path("a.jsonl").write_text(written.out)
    assert run("show", "a.jsonl") == run("show")


def test_a_host_name_that_is_not_utf_8(device: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written as escapes, and not refused."""
    device()
    system = os.uname()
    odd = os.uname_result([system.sysname, "h\udcffst", *system[2:]])
    monkeypatch.setattr(os, "uname", lambda: odd)
    written = run("show", "--json")
    assert written.status == 0
    assert json.loads(written.out.splitlines()[0])["name"] == "h\\udcffst"


@pytest.mark.usefixtures("files")
def test_hosts_that_say_the_same_share_a_table() -> None:
    """The first line counts the kinds, and a host that could not be asked is one of them."""
    told = run("show", "pool.jsonl")
    assert told.status == 3
    assert told.out.startswith("guest_memfd on 26 hosts: 5 kinds of answers\n")
    assert told.out.count("flags named by") == 4
    assert "host-x: not known: /dev/kvm: Permission denied" in told.out
    more = run("show", "pool.jsonl", "-v").out
    assert "guest_memfd on host-00002, host-00007, host-00012, host-00017, host-00022:" in more


def written(*supports: Support) -> str:
    """The text of `show` about some records."""
    Path("some.jsonl").write_text(lines(*supports))
    return run("show", "-v", "some.jsonl").out


@pytest.mark.usefixtures("files")
def test_many_flags_and_many_types() -> None:
    """The headline stays short."""
    bits = [host("h", (1 << number) | 0x7FFF_0000, vm_type=number) for number in range(8)]
    text = written(*bits)
    assert text.startswith("guest_memfd on h: it depends on the type of the VM\n")


@pytest.mark.usefixtures("files")
def test_what_is_odd() -> None:
    """Raw answers, claims of FLAGS_HI, unknown types, failures, and gaps."""
    one = host("h", 0x8000_0003)
    text = written(one, evolve(one, host=evolve(one.host, vm_type=None)))
    assert "0xffffffff80000003" in text
    assert "VM type not known" in text
    assert "MMAP|INIT_SHARED|0x80000000 (0x80000003) for VM type 0, ?" not in text
    tree = evolve(
        one.catalog,
        name="t",
        capabilities={**one.catalog.capabilities, "GUEST_MEMFD_FLAGS_HI": 300},
    )
    answers: Answers = {234: 1, 244: 1 << 40, 300: 1, 233: OSError(1, "")}
    wide = query(FakeBackend(answers), tree)
    Path("w.jsonl").write_text(lines(wide))
    Path("t.json").write_text(records.dumps(tree))
    text = run("show", "-v", "w.jsonl", "--catalog", "t.json").out
    assert "denied: claimed by FLAGS_HI and denied by a 64-bit FLAGS" in text
    assert ["VM", "type", "0", "KVM_X86_DEFAULT_VM", "yes", "no", "no", "denied", "yes"] in rows(
        text
    )
    assert "not known: errno 1" in text
    nothing = evolve(one.catalog, name="n", capabilities={"USER_MEMORY2": 231})
    Path("n.json").write_text(records.dumps(nothing))
    Path("o.jsonl").write_text(lines(query(FakeBackend({231: 1}), nothing)))
    told = run("show", "o.jsonl", "--catalog", "n.json")
    assert told.out.startswith(
        "guest_memfd on a fake host: not known, n has no number for KVM_CAP_GUEST_MEMFD\n"
    )


@pytest.mark.usefixtures("files")
def test_a_device_and_a_file_exclude_each_other() -> None:
    """And so do --device and --host."""
    for option, value in (("--device", "/dev/kvm"), ("--host", "linux-6.8-x86_64")):
        told = run("show", "pool.jsonl", option, value)
        assert told.err == error(f"a file and {option} exclude each other", "give one of them")
    both = run("show", "--device", "/dev/kvm", "--host", "linux-6.8-x86_64")
    assert both.err == error("--device and --host exclude each other", "give one of them")


@pytest.mark.usefixtures("files")
def test_json_of_records_is_the_records() -> None:
    """Those that are chosen, and those that could not be asked."""
    told = run("show", "pool.jsonl", "--json", "--machine", "ARM64")
    assert told.status == 3
    assert len(told.out.splitlines()) == 6
    supports = [records.loads(line) for line in told.out.splitlines()[:5]]
    assert {one.host.machine for one in supports} == {"aarch64"}
    assert {one.scope for one in supports} == {Scope.VM}
