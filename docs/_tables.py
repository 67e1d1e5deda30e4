"""The tables of the documentation that say what the code says, made of it."""

from __future__ import annotations

from errno import errorcode
from json import dumps
from typing import TYPE_CHECKING

from _graph import short
from _pictures import PROJECT
from gmemflags._cli._hosts import HOSTS

from gmemflags import MAINLINE, bits, exceptions, format_mask, query
from gmemflags import _mainline as _uapi
from gmemflags._create import MEANINGS
from gmemflags._format import format_need
from gmemflags._mainline import SHIPPED
from gmemflags.linux._ioctl import _NR_IOCTL
from gmemflags.records import json_schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gmemflags._cli._hosts import RecordedHost

    from gmemflags import Catalog, Need


def tables() -> dict[str, str]:
    """Every table by name, as Markdown."""
    project = PROJECT["project"]
    pythons = [line.split(" :: ")[-1] for line in project["classifiers"] if ":: 3." in line]
    return {
        **{f"flags_{short(catalog)}": flags(catalog) for catalog in SHIPPED},
        **{f"capabilities_{short(catalog)}": capabilities(catalog) for catalog in SHIPPED},
        **{f"profiles_{short(catalog)}": profiles(catalog) for catalog in SHIPPED},
        "edge_numbers": edge_numbers(),
        "errnos": errnos(),
        "taken": ", ".join(f"{number} {code(name)}" for number, name in _uapi.TAKEN.items()),
        "errors": errors(),
        "requests": table(
            ("call", "request"),
            ((code(name), code(f"{vars(_uapi)[name]:#x}")) for name in _CALLS),
        ),
        "vm_types": table(
            ("number", "x86-64 calls it"),
            ((str(number), code(name)) for number, name in _uapi.VM_TYPES_X86.items()),
        ),
        "raw_calls": table(
            ("interpreter built for", "number of `ioctl`"),
            ((code(abi), str(number)) for abi, number in _NR_IOCTL.items()),
        ),
        "recorded_hosts": table(
            ("host", "/dev/kvm lists", "a VM lists"),
            (_host(host) for host in HOSTS.values()),
        ),
        "pythons": ", ".join(pythons),
        "documents": documents(),
        "json_schema": f"```json\n{dumps(json_schema(), indent=2)}\n```",
    }


_CALLS = (
    "KVM_GET_API_VERSION",
    "KVM_CREATE_VM",
    "KVM_CHECK_EXTENSION",
    "KVM_CREATE_GUEST_MEMFD",
)


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def code(shown: str) -> str:
    """Text in the type of code."""
    return f"`{shown}`"


def edge_numbers() -> str:
    """The numbers that are used beside those of the catalogs."""
    return "\n".join(
        f"* {code(name)}, {code(f'{vars(_uapi)[name]:{form}}')}: {why}."
        for name, (form, why) in _EDGE.items()
    )


_EDGE = {
    "KVM_API_VERSION": ("d", "what KVM_GET_API_VERSION has to answer on `/dev/kvm`"),
    "KVM_CAP_ARM_VM_IPA_SIZE": (
        "d",
        "asked on arm64 before a VM is made: how many bits its address space may have",
    ),
    "KVM_MEMORY_ATTRIBUTE_PRIVATE": (
        "#x",
        "the bit of KVM_CAP_MEMORY_ATTRIBUTES that says private memory, `1 << 3`",
    ),
}


def errnos() -> str:
    """What a failed KVM_CREATE_GUEST_MEMFD means, but for EINVAL."""
    return table(
        ("errno", "means"),
        (
            (f"{code(errorcode[number])} ({number})", meaning)
            for number, meaning in sorted(MEANINGS.items())
        ),
    )


def errors() -> str:
    """Every error, what a caller might catch it as, and who raises it."""
    rows: list[tuple[str, ...]] = []
    for name in exceptions.__all__:
        error = vars(exceptions)[name]
        if issubclass(error, Exception) and name != "GmemFlagsError":
            also = [base.__name__ for base in error.__bases__ if base.__module__ == "builtins"]
            shown = ", also ".join(map(code, (name, *also)))
            rows.append((shown, _RAISED_BY[name]))
    return table(("error", "raised by"), rows)


_RAISED_BY = {
    "InvalidMaskError": "every function, class and operator that takes a mask, a word or a bit",
    "FlagSyntaxError": "`parse_mask`",
    "CatalogError": "`Catalog`, `Support`, `Support.under`, `compare`, `ProbeReport.as_catalog`",
    "PoolError": "`baseline`",
    "RecordError": "`records.loads`, `records.load_lines`, `records.replay`; `records.dumps` for"
    " what a document cannot hold",
    "NegotiationError": "`negotiate`; `mask`, `flags` and `pin` of a refusal;"
    " `Vm.create_guest_memfd` for a refusal",
    "InconsistentAnswerError": "`query`, `Support`, `baseline`, `probe`",
    "KvmUnavailableError": "`Kvm.open`, `Kvm.from_fd`, `Kvm.create_vm`, `Vm.from_fd`, `probe`",
    "CapabilityQueryError": "`check_extension` of a backend, and so `query` and `probe`;"
    " `Vm.from_fd`; on arm64 `Kvm.create_vm`",
    "GuestMemfdCreateError": "`Vm.create_guest_memfd`",
}


def documents() -> str:
    """The kinds of JSON documents."""
    schema = json_schema()
    kinds = [schema["$defs"][way["$ref"].rpartition("/")[2]] for way in schema["oneOf"]]
    return "\n".join(
        f"* {code(kind['properties']['schema']['const'])}: {kind['title']}" for kind in kinds
    )


def flags(catalog: Catalog) -> str:
    """The flags of one tree."""
    return table(
        ("bit", "value", "name"),
        (
            (str(bit.bit_length() - 1), code(f"{bit:#x}"), code(format_mask(bit, catalog)))
            for bit in bits(catalog.named)
        ),
    )


def capabilities(catalog: Catalog) -> str:
    """The capabilities that are asked for under one tree."""
    return table(
        ("capability", "number"),
        (
            (code(f"KVM_CAP_{name}"), "none: never asked" if number is None else str(number))
            for name, number in catalog.capabilities.items()
        ),
    )


def profiles(catalog: Catalog) -> str:
    """The named requests of one tree."""
    return "\n".join(
        f"* Profile {code(name)}: {profile.why} It requires"
        f" {_listed(profile.request.required, catalog)}, and needs"
        f" {' and '.join(map(_need, profile.request.needs))}."
        for name, profile in catalog.profiles.items()
    )


def _listed(mask: int, catalog: Catalog = MAINLINE) -> str:
    names = format_mask(mask, catalog).split("|")
    return ", ".join(map(code, names)) if mask else "no flag"


def _need(need: Need) -> str:
    name, with_, wanted = format_need(need).partition(" with ")
    return code(name) + with_ + wanted


def _host(host: RecordedHost) -> tuple[str, ...]:
    lists: dict[str, list[int]] = {}
    for vm_type in host.on_vm:
        with host.vm(vm_type) as vm:
            support = query(vm)
        said = _said(support.guest_memfd, support.mask)
        lists.setdefault(said, []).append(vm_type)
    system = query(host.system)
    vms = "; ".join(f"{said} (type {', '.join(map(str, types))})" for said, types in lists.items())
    return f"{code(host.name)} ({host.how})", _said(system.guest_memfd, system.mask), vms


def _said(guest_memfd: bool | None, mask: int) -> str:  # noqa: FBT001  # an answer, no option
    if not guest_memfd:
        return "no guest_memfd"
    return _listed(mask)
