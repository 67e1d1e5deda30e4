"""The examples run, on a machine with KVM and on one without."""

import os
import runpy
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from gmemflags import Resolution, format_mask, query, records, resolve
from gmemflags.linux import Vm
from gmemflags.testing import hosts
from tests.conftest import why_no_kvm
from tests.probing import HiddenKernel, obeying, within
from tests.standin.kernel import Standin

EXAMPLES = Path(__file__).parent.parent / "examples"
BOTH = 3


def output(name: str, *arguments: str) -> str:
    """What an example prints; it must end well and complain of nothing."""
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def takes_both(vm: Vm) -> None:
    """Skip where the VM does not list MMAP and INIT_SHARED."""
    support = query(vm)
    if not support.guest_memfd or BOTH & ~support.mask:
        pytest.skip(f"{support.origin} lists {format_mask(support.mask)}")


def test_allocate_writes_and_reads_back(vm: Vm) -> None:
    """On the real kernel: agreed on, explained line by line, created, mapped, written, read."""
    takes_both(vm)
    text = output("allocate.py")
    assert text.startswith(
        "granted on VM of type 0 on /dev/kvm: profile fully-shared: MMAP|INIT_SHARED (0x3)\n"
    )
    assert "\n  - INIT_SHARED (bit 1, 0x2) is granted: required and supported\n" in text
    assert ", flags 0x3\nmapped: wrote and read back 'kernel'\n" in text


def test_allocate_is_refused_what_a_default_vm_does_not_have(vm: Vm) -> None:
    """The reason is named."""
    takes_both(vm)
    refusal = output("allocate.py").partition("\n\n")[2]
    assert refusal.startswith("refused on VM of type 0 on /dev/kvm: profile private: ")
    assert "KVM_CAP_MEMORY_ATTRIBUTES is 0x0, needed: 0x8 (PRIVATE)" in refusal


def test_allocate_without_kvm_shows_the_same_on_a_table() -> None:
    """It says so and what to do, and ends well; the fake makes a file as well."""
    text = output("allocate.py", "/no/such/kvm")
    why, _, rest = text.partition("The same on a VM that is a table:\n\n")
    assert why.startswith("/no/such/kvm: No such file or directory (errno 2, no-device); ")
    assert rest.startswith("granted on a fake host: profile fully-shared: MMAP|INIT_SHARED (0x3)\n")
    assert ", flags 0x3\nmapped: wrote and read back 'kernel'\n" in rest
    assert "\n\nrefused on a fake host: profile private: " in rest


def allocated(listed: int) -> str:
    """What allocate.py prints on a kernel whose VMs list and take these flags."""
    main = runpy.run_path(str(EXAMPLES / "allocate.py"))["main"]
    kernel = HiddenKernel(listed, within(listed, obeying()), device=True)
    with redirect_stdout(StringIO()) as text:
        Standin(kernel).run(lambda: main(os.devnull))
    return text.getvalue()


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize("listed", [0, 1, 2])
def test_allocate_on_a_kernel_with_fewer_flags_is_refused(listed: int) -> None:
    """Nothing is created that could not be touched, and the reason is told."""
    text = allocated(listed)
    assert text.startswith("refused on VM of type 0 on /dev/null: profile fully-shared: ")
    assert "is not supported" in text.splitlines()[0]
    assert "created" not in text


def plans(text: str) -> dict[str, dict[str, str]]:
    """Host and test to what is done about it."""
    found: dict[str, dict[str, str]] = {}
    tests: dict[str, str] = {}
    for line in text.splitlines():
        if not line.startswith(" "):
            tests = found.setdefault(line, {})
            continue
        verb, test, *rest = line.split(maxsplit=2)
        tests[test.rstrip(":")] = f"{verb} {' '.join(rest)}"
    return found


def vm_of(name: str, vm_type: int = 0) -> str:
    """How the framework calls a VM of a known host."""
    return hosts[name].vm(vm_type).origin


def test_the_framework_runs_what_a_host_can() -> None:
    """Flags, and the other capabilities without which they are of no use."""
    plan = plans(output("test_framework.py"))
    runs = {
        host: [test.removeprefix("test_") for test, what in tests.items() if what[:3] == "run"]
        for host, tests in plan.items()
    }
    shared = ["boot_shared", "boot_anywhere", "mmap_of_private_is_sigbus"]
    assert runs[vm_of("linux-6.8-x86_64")] == []
    assert runs[vm_of("linux-6.8-x86_64", 1)] == ["boot_private", "boot_anywhere"]
    assert runs[vm_of("linux-6.18-x86_64")] == runs[vm_of("linux-7.3-aarch64")] == shared
    assert runs[vm_of("linux-6.18-x86_64-confidential", 4)] == ["boot_private", *shared[1:]]


def test_the_framework_tells_why_it_skips() -> None:
    """Each reason names the profile, what is missing, and where."""
    plan = plans(output("test_framework.py"))
    snp = vm_of("linux-6.18-x86_64-confidential", 4)
    told = plan[snp]["test_boot_shared"]
    assert told.startswith(f"skip refused on {snp}: profile fully-shared: ")
    assert "INIT_SHARED (bit 1, 0x2) is not supported" in told
    told = plan[vm_of("linux-6.18-x86_64")]["test_boot_private"]
    assert "KVM_CAP_MEMORY_ATTRIBUTES is 0x0" in told
    skipped = plan[vm_of("linux-6.1-x86_64")].values()
    assert all("has no guest_memfd" in what for what in skipped)


def test_the_framework_asks_this_machine_too(vm: Vm) -> None:
    """Where it has a KVM."""
    takes_both(vm)
    tests = plans(output("test_framework.py"))["this machine"]
    assert tests["test_boot_shared"] == "run with flags 0x3"
    assert "skip" in tests["test_boot_private"]


def test_the_framework_says_that_this_machine_has_no_kvm() -> None:
    """Instead of a plan for it."""
    text = output("test_framework.py")
    assert ("this machine: /dev/kvm: " in text) is (why_no_kvm() is not None)


def test_the_framework_records_what_it_skips(tmp_path: Path) -> None:
    """Each record holds all that the decision needs, so it can be made again."""
    file = tmp_path / "skipped.jsonl"
    plan = plans(output("test_framework.py", str(file)))
    skips = sum(what[:4] == "skip" for tests in plan.values() for what in tests.values())
    lines = file.read_text().splitlines()
    assert len(lines) == skips
    for line in lines:
        decision = records.loads(line)
        assert isinstance(decision, Resolution)
        assert not decision.ok
        again = resolve(decision.support, decision.request)
        assert again.problems == decision.problems
