"""`gmemflags probe`: what a VM takes, and the status that follows. The report is the library's."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from attrs import evolve

from gmemflags import MAINLINE, Support, records
from gmemflags.linux import ProbeReport
from tests.cli.devices import Install
from tests.cli.runs import Run, host, run

Calls = list[tuple[object, ...]]


@pytest.fixture
def calls(device: Install, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """How the probe is called; it reports nothing but its support."""
    device()
    found: Calls = []

    def probe(kvm: object, vm_type: int, catalog: object, **options: object) -> ProbeReport:
        found.append((kvm.__class__.__name__, vm_type, catalog, options))
        return ProbeReport(support=host("a", 3), observations={}, size=4096)

    monkeypatch.setattr("gmemflags.linux.probe", probe)
    return found


def test_the_report_is_printed(calls: Calls) -> None:
    """It is that of the library; an incomplete one is no answer."""
    told = run("probe")
    report = ProbeReport(support=host("a", 3), observations={}, size=4096)
    assert told == Run(3, f"{report}\n", "")
    assert calls == [("FakeKvm", 0, MAINLINE, {"around": [], "limit": 4096})]


def test_its_options(calls: Calls) -> None:
    """They are handed to the probe."""
    run("probe", "--vm-type", "4", "--limit", "9", "--around", "MMAP", "--around", "6")
    assert calls == [("FakeKvm", 4, MAINLINE, {"around": [1, 6], "limit": 9})]


@pytest.mark.usefixtures("files")
def test_its_record_can_be_given_as_a_catalog(calls: Calls) -> None:
    """An incomplete one is refused, because rules may be missing."""
    written = run("probe", "--json")
    assert written.status == 3
    assert isinstance(records.loads(written.out), ProbeReport)
    Path("tree.json").write_text(written.out)
    told = run("show", "--catalog", "tree.json", "--host", "linux-6.18-x86_64")
    assert told.status == 2
    assert "catalog linux-mainline-probed: the probe is not complete" in told.err


NO_GUEST_MEMFD = evolve(host("a", 3), answers={**host("a", 3).answers, "GUEST_MEMFD": 0})


@pytest.mark.parametrize(
    ("report", "status"),
    [
        ((host("a", 3), (), True), 0),
        ((host("a", 3), ("it is not so",), True), 1),
        ((host("a", 3), ("it is not so",), False), 1),
        ((host("a", 3), (), False), 3),
        ((NO_GUEST_MEMFD, (), False), 1),
    ],
)
def test_the_status(
    report: tuple[Support, tuple[str, ...], bool],
    status: int,
    device: Install,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A contradiction is a no, and so is a VM without guest_memfd; else all has to be tried."""
    device()
    support, contradictions, complete = report
    fake = SimpleNamespace(support=support, contradictions=contradictions, complete=complete)

    def probe(*_: object, **__: object) -> SimpleNamespace:
        return fake

    monkeypatch.setattr("gmemflags.linux.probe", probe)
    assert run("probe", "-q") == Run(status, "", "")


def test_no_device(calls: Calls) -> None:
    """Nothing is tried."""
    told = run("probe", "--device", "/dev/gone")
    assert (told.status, calls) == (3, [])
    assert told.err.startswith("gmemflags: error: /dev/gone: ")


@pytest.mark.usefixtures("files", "kvm")
def test_the_record_of_a_kernel_is_its_catalog() -> None:
    """What it refused is refused under that catalog, too."""
    written = run("probe", "--json")
    assert written.status == 0
    Path("tree.json").write_text(written.out)
    known = ("--host", "linux-6.18-x86_64", "--catalog", "tree.json")
    assert run("check", "MMAP|INIT_SHARED", *known).status == 0
    told = run("check", "MMAP", *known)
    assert told.status == 1
    assert "linux-mainline-probed" in told.out
