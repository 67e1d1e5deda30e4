"""Everything that a VMM needs still works where nothing can be opened or imported any more."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

# Loaded and opened before the doors close: this library, and KVM if there is one.
BEFORE = """
import os, resource, sys
from errno import EINVAL, EMFILE
from gmemflags import (
    CapabilityQueryError, GuestMemfdCreateError, GuestMemfdFlag as F, InvalidMaskError, MAINLINE,
    NegotiationError, Prerequisites, Request, Stage, baseline, compare, format_mask, lint,
    negotiate, parse_mask, query, resolve,
)
from gmemflags.linux import Kvm, Vm, probe
from gmemflags.testing import FakeBackend

vm = None
if len(sys.argv) > 1 and sys.argv[1] == "kvm":
    kvm = Kvm.open()
    vm = kvm.create_vm()
page = os.sysconf("SC_PAGE_SIZE")
"""
CHROOT = """
os.chroot(sys.argv[2])
os.chdir("/")
assert os.listdir() == []
try:
    import wave
except ImportError:
    pass
else:
    sys.exit("a module could be imported")
"""
NO_DESCRIPTOR = """
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
held = []
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError as error:
    assert error.errno == EMFILE
"""
NEGOTIATE = """
host = query(FakeBackend.narrow(F.MMAP))
granted = negotiate(
    host, Request(required=F.MMAP, preferred=[F.INIT_SHARED], until=Stage.BIND)
)
assert (granted.ok, granted.mask, granted.flags) == (True, 1, F.MMAP)
assert "INIT_SHARED" in str(granted) and "INIT_SHARED" in granted.why(F.INIT_SHARED)
assert resolve(host, granted.pin()).mask == 1
assert granted.outcomes and granted.advice and granted.headline

refused = resolve(host, Request(required=3, prerequisites=Prerequisites.ADD))
assert not refused.ok and refused.suggestions and refused.problems and str(refused)
for profile in MAINLINE.profiles.values():
    assert str(resolve(host, profile))
for wrong in (lambda: negotiate(host, 2), lambda: refused.mask):
    try:
        wrong()
    except NegotiationError as error:
        assert str(error)
try:
    parse_mask("MMPA")
except ValueError as error:
    assert "did you mean MMAP?" in str(error)
assert format_mask(parse_mask("mmap|0x40")) == "MMAP|0x40"
assert not lint(MAINLINE) and str(baseline([host])) and str(compare(host, host))
assert MAINLINE.digest and repr(host) and repr(granted)
print("negotiated")
"""
CREATE = """
def fails(vm, flags, size, number):
    try:
        os.close(vm.create_guest_memfd(size, flags))
    except GuestMemfdCreateError as error:
        assert (error.errno, bool(error.meaning)) == (number, True), error
        assert str(error)
        return
    sys.exit(f"{flags} were taken")


if vm is not None and query(vm).guest_memfd:
    answer = resolve(query(vm), 0)
    fails(vm, answer, page + 1, EINVAL)
    fails(vm, 1 << 63, page, EINVAL)
    if held:
        fails(vm, answer, page, EMFILE)
        os.close(held.pop())
    os.close(vm.create_guest_memfd(page, answer))
    assert probe(vm).works(Stage.CREATE)
    assert query(Vm.from_fd(vm.fileno())) is not None
    vm.close()
    try:
        query(vm)
    except CapabilityQueryError as error:
        assert "closed" in str(error)
    kvm.close()
    print("created")
"""


@pytest.fixture(params=["with KVM", "without KVM"])
def kvm_or_not(request: pytest.FixtureRequest) -> str:
    """Whether the child opens /dev/kvm before the doors close."""
    if request.param == "without KVM":
        return ""
    request.getfixturevalue("kvm")
    return "kvm"


@pytest.fixture(autouse=True)
def no_coverage(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child could not write down what it ran."""
    for name in [name for name in os.environ if name.startswith("COVERAGE")]:
        monkeypatch.delenv(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root may change the root directory.")
def test_in_an_empty_root_directory(
    kvm_or_not: str, tmp_path: Path, python: Callable[..., list[str]]
) -> None:
    """A jailer calls chroot after the import."""
    program = f"{BEFORE}held = []\n{CHROOT}{NEGOTIATE}{CREATE}"
    lines = python(program, kvm_or_not, tmp_path)
    assert lines == ["negotiated", "created"][: 2 if kvm_or_not else 1]


def test_without_a_free_descriptor(kvm_or_not: str, python: Callable[..., list[str]]) -> None:
    """No file can be opened, no module imported, and the error of a creation says so."""
    lines = python(f"{BEFORE}{NO_DESCRIPTOR}{NEGOTIATE}{CREATE}", kvm_or_not)
    assert lines == ["negotiated", "created"][: 2 if kvm_or_not else 1]
