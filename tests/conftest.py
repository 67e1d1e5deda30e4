"""What all tests share: hypothesis profiles, and the two things that some tests need."""

import errno
import fcntl
import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import cast

import pytest
from hypothesis import HealthCheck, Phase, settings

from gmemflags.linux import Kvm, Vm
from tests import scale
from tests.standin.kernel import KVM_GET_API_VERSION, require, require_standin

# No law depends on how fast a machine is.
TIMELESS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
# `make test` tries a few examples, the same ones everywhere; `make prove` many, and always others.
settings.register_profile("default", TIMELESS, derandomize=True, max_examples=20)
settings.register_profile("prove", TIMELESS, max_examples=scale.EXAMPLES)
# `make mutate` asks whether a law is broken, not for the smallest case.
settings.register_profile(
    "mutate",
    TIMELESS,
    derandomize=True,
    max_examples=20,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("default")

NUMBERS = {name: number for name, number in vars(scale).items() if name.isupper()}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that try as many cases as tests/scale.py says: no one can forget the mark."""
    for item in items:
        if isinstance(item, pytest.Function):
            test = cast("FunctionType", item.obj)
            named = {name: test.__globals__.get(name) for name in test.__code__.co_names}
            if any(named.get(name) is number for name, number in NUMBERS.items()):
                item.add_marker("prove")


@functools.cache
def why_no_kvm() -> str | None:
    """None if /dev/kvm can be used here, else one sentence why not; asked without our own code."""
    try:
        descriptor = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return f"/dev/kvm cannot be opened: {error}."
    try:
        fcntl.ioctl(descriptor, KVM_GET_API_VERSION)
    except OSError as error:
        return f"/dev/kvm is no KVM: {error}."
    finally:
        os.close(descriptor)
    return None


@pytest.fixture
def kvm() -> Iterator[Kvm]:
    """The real /dev/kvm; skips or fails, as GMEMFLAGS_REQUIRE says, where there is none."""
    require("kvm", why_no_kvm())
    with Kvm.open() as device:
        yield device


@pytest.fixture
def vm(kvm: Kvm) -> Iterator[Vm]:
    """A new VM of the default type on the real /dev/kvm."""
    with kvm.create_vm() as machine:
        yield machine


@pytest.fixture
def standin() -> None:
    """Nothing; skips or fails, as GMEMFLAGS_REQUIRE says, where no scripted kernel can run."""
    require_standin()


@pytest.fixture
def pty() -> Iterator[tuple[int, int]]:
    """A terminal: the descriptor that shows what is written, and the one to write to.

    It skips where there is none, as in a container without /dev/pts.
    """
    try:
        shows, writes = os.openpty()
    except OSError as error:
        pytest.skip(f"No pseudo-terminal can be opened: {error}.")
    yield shows, writes
    os.close(shows)
    os.close(writes)


@pytest.fixture
def null() -> Iterator[int]:
    """A descriptor of /dev/null: what a scripted kernel answers for, and what no real one does."""
    descriptor = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def closed() -> int:
    """A number that is no open descriptor, and that nothing here opens by chance."""
    number = 1_000_000
    with pytest.raises(OSError, match=f"Errno {errno.EBADF}"):
        os.fstat(number)
    return number


@pytest.fixture
def python() -> Callable[..., list[str]]:
    """Run a program in a new interpreter that knows nothing of this one; the lines it printed."""
    return run_python


def run_python(program: str, *arguments: object, command: str = sys.executable) -> list[str]:
    """Run ``program`` as a child; anything on its standard error fails the test."""
    child = subprocess.run(
        [command, "-c", program, *map(str, arguments)],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert (child.returncode, child.stderr) == (0, "")
    return child.stdout.splitlines()
