"""Writes what is generated into the pages: tables between two comments, and pictures.

``python docs/_pages.py`` writes, ``python docs/_pages.py --check`` fails if a page is stale.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from errno import errorcode
from pathlib import Path
from typing import Any

from _pictures import layers, register, rules

from gmemflags import FIRECRACKER_SECRET_FREE, MAINLINE, Catalog, format_mask, query, records
from gmemflags import _mainline as numbers
from gmemflags._create import MEANINGS
from gmemflags._format import format_hosts, format_need, format_rule
from gmemflags.linux import _ioctl
from gmemflags.testing import FakeBackend, KnownHost, hosts

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
_PART = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(heads: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in line)} |" for line in lines
    )


def catalog_tables(catalog: Catalog) -> str:
    """Flags, capabilities, rules and profiles of one tree."""
    names = catalog.flags.bit_names
    flags = [(bit.bit_length() - 1, f"`{bit:#x}`", f"`{name}`") for bit, name in names.items()]
    asked = catalog.capabilities.items()
    described = [
        (
            format_rule(rule, catalog),
            rule.stage,
            format_hosts(rule.hosts),
            f"{rule.why} Source: {rule.source}",
        )
        for rule in catalog.rules
    ]
    profiles = [
        (
            f"`{name}`",
            profile.why,
            format_mask(profile.request.required, catalog),
            ", ".join(map(format_need, profile.request.needs)),
        )
        for name, profile in catalog.profiles.items()
    ]
    return "\n\n".join(
        [
            table(("bit", "mask", "flag"), flags),
            table(("capability", "number"), [(f"`KVM_CAP_{n}`", v or "none") for n, v in asked]),
            table(("rule", "stage", "hosts", "why"), described),
            table(("profile", "use", "requires", "needs"), profiles),
        ]
    )


def host_row(host: KnownHost) -> tuple[str, ...]:
    """What a known host lists."""
    lists: dict[str, list[str]] = {}
    for vm_type in host.on_vm:
        lists.setdefault(_listed(host.vm(vm_type)), []).append(str(vm_type))
    vms = "; ".join(f"{what} (type {', '.join(types)})" for what, types in lists.items())
    how = f"recorded: {host.source}" if host.recorded else "derived"
    return f"`{host.name}`", host.kernel, how, _listed(host.system), vms


def _listed(backend: FakeBackend) -> str:
    support = query(backend)
    return format_mask(support.mask) if support.guest_memfd else "no guest_memfd"


def parts() -> dict[str, str]:
    """Every generated part of a page, by name."""
    kinds = records.json_schema()["$defs"].values()
    documents = [kind for kind in kinds if "schema" in kind["properties"]]
    calls = "KVM_GET_API_VERSION", "KVM_CREATE_VM", "KVM_CHECK_EXTENSION", "KVM_CREATE_GUEST_MEMFD"
    types = {"x86-64": numbers.VM_TYPES_X86, "arm64": numbers.VM_TYPES_ARM}
    classifiers: list[str] = PROJECT["project"]["classifiers"]
    pythons = [line.rpartition(" ")[2] for line in classifiers if ":: 3." in line]
    return {
        "mainline": catalog_tables(MAINLINE),
        "firecracker": catalog_tables(FIRECRACKER_SECRET_FREE),
        "taken": ", ".join(f"{number} `{name}`" for number, name in numbers.TAKEN.items()) + ".",
        "calls": table(
            ("call", "request"), [(f"`{c}`", f"`{vars(numbers)[c]:#x}`") for c in calls]
        ),
        "errnos": table(
            ("errno", "meaning"),
            [(f"{errorcode.get(n, 'none')} ({n})", m) for n, m in sorted(MEANINGS.items())],
        ),
        "vm-types": table(
            ("machine", "type", "name"),
            [(m, f"{n:#x}", f"`{name}`") for m, of in types.items() for n, name in of.items()],
        ),
        "hosts": table(("host", "Linux", "how", "/dev/kvm", "VMs"), map(host_row, hosts.values())),
        "pythons": f"CPython {', '.join(pythons)}, on Linux.",
        "raw-calls": table(("built for", "number of ioctl"), _ioctl._NR_IOCTL.items()),  # noqa: SLF001  # shown as it is
        "documents": table(
            ("schema", "value"),
            [(f"`{k['properties']['schema']['enum'][0]}`", k["description"]) for k in documents],
        ),
    }


def pictures() -> dict[str, str]:
    """Every picture by the name of its file."""
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    contract = next(one for one in contracts if one["containers"] == ["gmemflags"])
    rows = [[name.strip(" ()") for name in layer.split("|")] for layer in contract["layers"]]
    return {
        "layers.svg": layers(rows),
        "register.svg": register(),
        "rules-mainline.svg": rules(MAINLINE),
    }


def generated() -> dict[Path, str]:
    """What every file with something generated has to hold."""
    content = {ROOT / "docs/pictures" / name: svg for name, svg in pictures().items()}
    known = parts()
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        old = page.read_text(encoding="utf-8")
        new = _PART.sub(lambda found: f"{found[1]}\n{known[found[2]]}\n\n{found[3]}", old)
        if _PART.search(old):
            content[page] = new
    return content


def main(*arguments: str) -> str | None:
    """Write the files, or name those that are stale; the result is for ``sys.exit``."""
    stale = [
        path
        for path, content in generated().items()
        if not path.exists() or path.read_text(encoding="utf-8") != content
    ]
    if arguments == ("--check",):
        names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
        return f"stale, run `make pages`: {names}" if stale else None
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(generated()[path], encoding="utf-8")
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
