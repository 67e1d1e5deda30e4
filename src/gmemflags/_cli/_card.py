"""What one host said as text: a section for each set of equal answers.

Sentences and tables only; what is true is taken from the Support.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmemflags._catalog import Capability, Scope
from gmemflags._cli import _register
from gmemflags._cli._out import fold
from gmemflags._format import describe, describe_mask
from gmemflags._mainline import VM_TYPES_X86
from gmemflags._masks import MASK, bits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gmemflags._host import Support

_LISTING = (Capability.GUEST_MEMFD_FLAGS, Capability.GUEST_MEMFD_FLAGS_HI)


def card(title: Mapping[str, str], supports: Sequence[Support]) -> str:
    """The whole text about one host; the first support is that of /dev/kvm."""
    system = supports[0]
    lines = [fold(f"{key:<8}{text}", hang=8) for key, text in title.items()]
    lines.append(f"catalog {system.catalog.name}")
    for group in _groups(supports):
        lines += ["", *(fold(line) for line in _section(group, system))]
    lines += ["", _register.LEGEND]
    if any(support.disagreement for support in supports):
        lines.append(_register.DISBELIEVED)
    return "\n".join(lines)


def _groups(supports: Sequence[Support]) -> Iterator[list[Support]]:
    # Those that gave the same answers together, in order of the first of each.
    seen: dict[tuple[tuple[str, int], ...], list[Support]] = {}
    for support in supports:
        seen.setdefault(tuple(support.answers.items()), []).append(support)
    yield from seen.values()


def _section(group: Sequence[Support], system: Support) -> Iterator[str]:
    first = group[0]
    yield _heading(first)
    for support in group[1:]:
        yield f"{_heading(support)}: the same answers"
    for sentence in verdict(first, system):
        yield f"  {sentence}"
    if first is not system:
        yield f"  Unlike /dev/kvm: {'; '.join(_differences(first, system))}."
    yield ""
    yield from _register.draw(first)
    yield ""
    yield from _answers(first)


def _heading(support: Support) -> str:
    if support.scope is Scope.SYSTEM:
        return "System scope: /dev/kvm, for the best imaginable VM"
    vm_type = support.host.vm_type
    names = VM_TYPES_X86 if support.host.machine in ("x86_64", "i686") else {}
    name = f" ({names[vm_type]})" if vm_type in names else ""
    return f"VM scope: a VM of type {vm_type}{name}"


def verdict(support: Support, system: Support) -> Iterator[str]:
    """What the answers mean, in sentences: the noes are told apart."""
    catalog = support.catalog
    if support.guest_memfd is None:
        yield f"Unknown: {catalog.name} has no number for KVM_CAP_GUEST_MEMFD, so it was not asked."
    elif not support.guest_memfd and system.guest_memfd:
        yield "No guest_memfd for this type of VM, though the kernel has it for others."
    elif not support.guest_memfd:
        yield "No guest_memfd: the kernel has none, for any type of VM."
    elif not support.answerable:
        listing = "the capability that lists flags"
        yield f"guest_memfd is there. {catalog.name} has no number for {listing}."
    elif not support.mask:
        yield "guest_memfd takes no flag, as in Linux 6.8 to 6.17: only flags == 0 is valid."
    if support.mask:
        yield from _flags(support)


def _flags(support: Support) -> Iterator[str]:
    catalog = support.catalog
    yield f"Lists {describe_mask(support.mask, catalog)}."
    unnamed = support.mask & ~catalog.named
    if unnamed:
        yield f"Of these, {catalog.name} does not name {', '.join(map(_number, bits(unnamed)))}."
    absent = catalog.named & ~support.mask
    for mask, verb in (
        (absent & support.answerable, "Does not list"),
        (absent & ~support.answerable, "Cannot speak of"),
    ):
        if mask:
            yield f"{verb} {', '.join(describe(bit, catalog) for bit in bits(mask))}."


def _number(bit: int) -> str:
    return f"bit {bit.bit_length() - 1} ({bit:#x})"


def _differences(support: Support, system: Support) -> Iterator[str]:
    # What an optimist, who asks /dev/kvm only, gets wrong about this VM.
    for mask, what in (
        (system.mask & ~support.mask, "not listed"),
        (support.mask & ~system.mask, "listed as well"),
    ):
        if mask:
            yield f"{describe_mask(mask, support.catalog)} is {what}"
    for name, raw in support.answers.items():
        if raw != system.answers[name] and name not in _LISTING:
            yield f"KVM_CAP_{name} is {_hex(raw)}, not {_hex(system.answers[name])}"


def _answers(support: Support) -> Iterator[str]:
    yield f"  {'capability':<30}{'number':>6}  raw answer"
    for capability, number in support.catalog.capabilities.items():
        name = f"KVM_CAP_{capability}"
        raw = support.answers.get(capability)
        if raw is None or number is None:
            yield f"  {name:<30}{'none':>6}  not asked: there is no number for it"
        else:
            yield f"  {name:<30}{number:>6}  {_hex(raw)}{_read(raw, support.answer(capability))}"


def _hex(raw: int) -> str:
    return f"{raw & MASK:#x}"


def _read(raw: int, value: int | None) -> str:
    return f" ({value:#x}, signed)" if raw & MASK != value else ""
