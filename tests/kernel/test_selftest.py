"""The kernel's own selftest, through the public API.

tools/testing/selftests/kvm/guest_memfd_test.c, v6.18: every single bit is tried on a VM, and
created if and only if that VM lists it.
"""

import errno
import os

import pytest

from gmemflags import BitState, GuestMemfdCreateError, bits, query
from gmemflags.linux import Vm

PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("number", range(64))
def test_a_bit_is_created_exactly_if_it_is_listed(vm: Vm, number: int) -> None:
    """Else it is EINVAL, and it is named as the one that is not listed."""
    bit = 1 << number
    support = query(vm)
    if not support.guest_memfd:
        pytest.skip(f"{support.origin} has no guest_memfd")
    if bit & support.mask:
        assert support.state(bit) is BitState.SUPPORTED
        os.close(vm.create_guest_memfd(PAGE, bit))
        return
    assert support.state(bit) is not BitState.SUPPORTED
    with pytest.raises(GuestMemfdCreateError) as caught:
        vm.create_guest_memfd(PAGE, bit)
    assert caught.value.errno == errno.EINVAL
    assert bits(caught.value.mask & ~support.mask) == (bit,)
    assert "is not among its flags" in caught.value.meaning
