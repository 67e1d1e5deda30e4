"""The fake plays kernels that do not exist; the scripted kernel plays the same to the edge."""

import pytest

from tests.host.kernels import KERNELS, outcome


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_played_by_the_fake(name: str) -> None:
    """The mask, what could be answered, and what disagrees; or the error."""
    kernel = KERNELS[name]
    assert outcome(kernel.fake(), kernel.catalog) == kernel.outcome
