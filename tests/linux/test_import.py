"""What importing the edge costs: nothing that a program without KVM would miss."""

from collections.abc import Callable

import pytest

LOADED = """
import sys
before = set(sys.modules)
import gmemflags.linux
print(*sorted(set(sys.modules) - before))
"""


@pytest.mark.parametrize("module", ["sysconfig", "fcntl", "gmemflags.records"])
def test_the_import_loads_no(module: str, python: Callable[..., list[str]]) -> None:
    """What is needed for a call is loaded for the first call."""
    [loaded] = python(LOADED)
    assert "gmemflags.linux._kvm" in loaded.split()
    assert module not in loaded.split()
