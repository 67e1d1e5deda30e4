"""The abstract backend and the facts of a host."""

from typing import Any, cast

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


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"vm_type": "0"}, "vm_type must be an int, not '0'"),
        ({"vm_type": True}, "vm_type must be an int, not True"),
        ({"machine": 3}, "machine must be a str, not 3"),
        ({"kernel": b"6.18"}, "kernel must be a str, not b'6.18'"),
    ],
)
def test_facts_are_texts_and_a_number(facts: dict[str, object], told: str) -> None:
    """What a rule asks of them is exact."""
    with pytest.raises(TypeError, match=f"^{told}$"):
        cast("Any", HostFacts)(**facts)
