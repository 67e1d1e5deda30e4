"""The abstract backend and the facts of a host."""

from typing import Any

import pytest

from gmemflags import Backend, HostFacts, Scope


def test_a_backend_is_abstract() -> None:
    """What it must say for itself has no default."""
    with pytest.raises(TypeError, match="abstract"):
        Backend()  # type: ignore[abstract]  # pyright: ignore[reportAbstractUsage]  # tested


@pytest.mark.parametrize("missing", ["scope", "origin", "host", "check_extension"])
def test_each_part_of_a_backend_is_required(missing: str) -> None:
    """Leaving out any one leaves it abstract."""
    parts = {"scope": Scope.VM, "origin": "mine", "host": HostFacts(), "check_extension": int}
    del parts[missing]
    with pytest.raises(TypeError, match=missing):
        type("Mine", (Backend,), parts)()


def test_facts_are_unknown_unless_given() -> None:
    """None is not a guess."""
    facts = HostFacts()
    assert (facts.kernel, facts.machine, facts.vm_type) == (None, None, None)


@pytest.mark.parametrize("wrong", [{"kernel": 6}, {"machine": b"x86_64"}, {"vm_type": "0"}])
def test_facts_have_types(wrong: dict[str, Any]) -> None:
    """A VM type is a number, the rest is text."""
    with pytest.raises(TypeError):
        HostFacts(**wrong)
