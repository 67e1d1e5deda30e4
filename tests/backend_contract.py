"""What every backend does: clauses, each a function that takes one and asserts.

A backend under contract answers 1 to GUEST_MEMFD (234) and 3 to its flags (244), as a default VM on
Linux 6.18 does; a broken one answers nothing. Use it for a backend of your own like this:

    @pytest.mark.parametrize("clause", CONTRACT)
    def test_contract(clause: Clause) -> None:
        clause(MyBackend())
"""

from collections.abc import Callable

import pytest

from gmemflags import Backend, CapabilityQueryError, GmemFlagsError, HostFacts, Scope, query

Clause = Callable[[Backend], None]

NUMBERS = (231, 233, 234, 235, 244)
UNKNOWN = 0x7FFF_FFFF  # no capability anywhere


def it_is_a_backend(backend: Backend) -> None:
    """It inherits the abstract class: nobody looks for methods by name."""
    assert isinstance(backend, Backend)


def its_scope_is_one_of_two(backend: Backend) -> None:
    """It is a member of Scope, not only a text that equals one."""
    assert type(backend.scope) is Scope


def its_origin_is_one_line_for_people(backend: Backend) -> None:
    """Every message begins with it."""
    assert backend.origin == backend.origin.strip()
    assert len(backend.origin.splitlines()) == 1


def its_facts_are_read_once(backend: Backend) -> None:
    """The very same object each time: what was known at opening."""
    assert type(backend.host) is HostFacts
    assert backend.host is backend.host


def only_a_vm_has_a_type(backend: Backend) -> None:
    """/dev/kvm answers for no VM type in particular."""
    assert backend.scope is Scope.VM or backend.host.vm_type is None


def answers_are_c_longs(backend: Backend) -> None:
    """Exact ints of 64 signed bits: neither flags nor bools, and nothing wider."""
    for number in NUMBERS:
        answer = backend.check_extension(number)
        assert type(answer) is int
        assert -(1 << 63) <= answer < 1 << 63


def answers_do_not_change(backend: Backend) -> None:
    """Asked twice, a kernel says the same."""
    first, second = ([backend.check_extension(number) for number in NUMBERS] for _ in range(2))
    assert first == second


def an_unknown_capability_is_zero(backend: Backend) -> None:
    """Documentation/virt/kvm/api.rst 4.4: 0 is "unsupported", never an error."""
    assert backend.check_extension(UNKNOWN) == 0


def it_can_be_queried(backend: Backend) -> None:
    """The support carries the backend's scope, host and origin, and its raw answers."""
    support = query(backend)
    facts = (support.scope, support.host, support.origin)
    assert facts == (backend.scope, backend.host, backend.origin)
    assert (support.guest_memfd, support.mask) == (True, 3)
    assert [*support.answers.values()] == [backend.check_extension(number) for number in NUMBERS]


CONTRACT: tuple[Clause, ...] = (
    it_is_a_backend,
    its_scope_is_one_of_two,
    its_origin_is_one_line_for_people,
    its_facts_are_read_once,
    only_a_vm_has_a_type,
    answers_are_c_longs,
    answers_do_not_change,
    an_unknown_capability_is_zero,
    it_can_be_queried,
)


def a_failure_is_raised_with_its_data(backend: Backend) -> None:
    """The error is an OSError with the kernel's errno, and says who was asked for what."""
    for number in NUMBERS:
        with pytest.raises(CapabilityQueryError) as caught:
            backend.check_extension(number)
        error = caught.value
        assert isinstance(error, OSError)
        assert isinstance(error.errno, int)
        assert error.errno > 0
        assert (error.number, error.origin) == (number, backend.origin)
        assert f"{backend.origin} did not answer KVM_CHECK_EXTENSION({number})" in str(error)


def a_query_fails_as_a_whole(backend: Backend) -> None:
    """No support is made of the answers that did come."""
    with pytest.raises(CapabilityQueryError):
        query(backend)


def a_failure_is_of_this_library(backend: Backend) -> None:
    """Whoever catches GmemFlagsError catches it."""
    with pytest.raises(GmemFlagsError):
        backend.check_extension(244)


BROKEN: tuple[Clause, ...] = (
    a_failure_is_raised_with_its_data,
    a_query_fails_as_a_whole,
    a_failure_is_of_this_library,
)
