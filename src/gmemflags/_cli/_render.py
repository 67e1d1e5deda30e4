"""The text of the command line: values in, lines out. Nothing is decided and nothing printed here.

The sentences come from the values; what is added are tables, counts and names, which are quoted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import frozen

from gmemflags._catalog import Catalog, Scope
from gmemflags._cli import Status
from gmemflags._exceptions import GmemFlagsError, quote
from gmemflags._explain import wants
from gmemflags._fleet import Baseline
from gmemflags._format import describe, describe_mask, format_hosts, format_rule
from gmemflags._host import BitState, Support
from gmemflags._lint import lint
from gmemflags._mainline import VM_TYPES_ARM, VM_TYPES_X86
from gmemflags._masks import MASK, WORD, bits, union
from gmemflags._rules import architecture, vm_type_alone

_MOST_GROUPS = 12
_VM_TYPE_NAMES = {"x86_64": VM_TYPES_X86, "aarch64": VM_TYPES_ARM}
_SHOWN = {BitState.SUPPORTED: "yes", BitState.UNSUPPORTED: "no", BitState.UNKNOWABLE: "?"}

Key = tuple[object, ...]
Kind = tuple[str, str, int]
"""Machine, scope and VM type (-1: none, or not known) of hosts that make one baseline."""


@frozen
class Said:
    """What a host, or a VM of one, said; ``document`` may be a baseline, which counts for many."""

    name: str
    support: Support
    document: Support | Baseline

    @property
    def vm_type(self) -> int | None:
        """The type of the VM; None for /dev/kvm, and where it is not known."""
        host = self.support.host
        return None if host.vm_type is None else vm_type_alone(host.vm_type, host.machine)

    @property
    def key(self) -> Key:
        """Equal where the answer to every request is the same."""
        one = self.support
        answers, errors = tuple(one.answers.items()), tuple(one.errors.items())
        return answers, errors, one.scope, one.host.machine, one.host.vm_type


@frozen
class Unasked:
    """A host, or the VM of a type, that could not be asked."""

    name: str
    vm_type: int | None
    error: GmemFlagsError

    @property
    def key(self) -> Key:
        """Equal where the text is the same."""
        return str(self.error), self.vm_type


Group = tuple[Sequence[str], Sequence[Said | Unasked], Sequence[str]]
"""Hosts that gave the same answers: their names, what each of them said, and their kernels."""


def kind_of(machine: str | None) -> str:
    """The architecture, or for an unknown name the name itself."""
    return architecture(machine) or machine or ""


def plural(count: int, what: str) -> str:
    """``1 host``, ``2 hosts``."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def some(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(quote, names[:most])) + more


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows of cells as aligned lines; a row may be shorter than the first, its last cell longer."""
    whole = [row for row in rows if len(row) == len(rows[0])]
    widths = [max(map(len, column)) for column in zip(*whole, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        yield "  " + "  ".join([*cells, row[-1]]).rstrip()


def hosts_text(groups: Sequence[Group], about: str, *, verbose: bool) -> Iterator[str]:
    """What hosts said: a headline and a table for each group, after ``about`` its host."""
    if len(groups) > 1:
        count = sum(len(names) for names, _, _ in groups)
        yield f"guest_memfd on {plural(count, 'host')}: {len(groups)} kinds of answers"
    for hosts, entries, kernels in groups:
        if len(groups) > 1:
            yield ""
        said = [entry for entry in entries if isinstance(entry, Said)]
        errors = [str(entry.error) for entry in entries if isinstance(entry, Unasked)]
        gist = _gist(said) if said else f"not known: {errors[0]}"
        yield f"guest_memfd on {some(hosts, 10 if verbose else 3)}: {gist}"
        if not said:
            continue
        support = said[0].support
        machine = quote(support.host.machine or "machine not known")
        yield f"  Linux {some(kernels)}, {machine}; flags named by {quote(support.catalog.name)}"
        if about:
            yield f"  {about}"
        claimed = union(one.support.hi_only for one in said)
        listed = union(one.support.mask for one in said)
        names = _names(claimed | listed, support.catalog)
        if verbose or errors or any(one.support.guest_memfd is not False for one in said):
            yield from ("", *table([*_host_rows(entries, names)]))
            if claimed:
                yield "  denied: claimed by FLAGS_HI and denied by a 64-bit FLAGS, so not believed"
        if verbose:
            yield from ("", *table([*_bit_rows(said, names)]), "", *table([*_raw_rows(said)]))


def _gist(said: Sequence[Said]) -> str:
    vms = [one for one in said if one.support.scope is Scope.VM]
    types_of: dict[str, list[str]] = {}
    for one in vms or said:
        vm_type = "?" if one.vm_type is None else f"{one.vm_type}"
        types_of.setdefault(_listed(one.support), []).append(vm_type)
    if len(types_of) > 1:
        text = "; ".join(f"{what} for VM type {', '.join(n)}" for what, n in types_of.items())
        return text if len(text) <= 90 else "it depends on the type of the VM"
    (listed,) = types_of
    certain = vms or listed.startswith("none")
    return listed if certain else f"{listed} at most; a VM may support less"


def _listed(support: Support) -> str:
    if support.guest_memfd is None:
        return f"not known, {quote(support.catalog.name)} has no number for KVM_CAP_GUEST_MEMFD"
    if not support.guest_memfd:
        return "none (KVM_CAP_GUEST_MEMFD is 0)"
    return describe_mask(support.mask, support.catalog)


def _names(mask: int, catalog: Catalog) -> dict[int, str]:
    # What the columns of a table are called: bits with a name, and those of the mask.
    return {bit: catalog.name_of(bit) or f"{bit:#x}" for bit in bits(catalog.named | mask)}


def _place(one: Said | Unasked) -> str:
    of_vm = one.support.scope is Scope.VM if isinstance(one, Said) else one.vm_type is not None
    vm_type = "not known" if one.vm_type is None else one.vm_type
    return f"VM type {vm_type}" if of_vm else "/dev/kvm"


def _host_rows(
    entries: Sequence[Said | Unasked], names: Mapping[int, str]
) -> Iterator[Sequence[str]]:
    yield ["", "guest_memfd", *names.values()]
    for one in entries:
        if isinstance(one, Unasked):
            yield [_place(one), f"could not be asked: {one.error}"]
            continue
        support = one.support
        kinds = _VM_TYPE_NAMES.get(kind_of(support.host.machine), {})
        place = f"{_place(one)} {kinds.get(-1 if one.vm_type is None else one.vm_type, '')}"
        there = {True: "yes", False: "no", None: "?"}[support.guest_memfd]
        cells = ("denied" if b & support.hi_only else _SHOWN[support.state(b)] for b in names)
        yield [place.rstrip(), there, *cells]


def _bit_rows(said: Sequence[Said], names: Mapping[int, str]) -> Iterator[Sequence[str]]:
    # Bits of a half that have no name, and that nobody lists, are in the same state.
    rows = [(bit, f"{bit.bit_length() - 1}", name) for bit, name in names.items()]
    for half, label in ((WORD, "31..0"), (MASK ^ WORD, "63..32")):
        rows += [(bit, label, "all others") for bit in bits(half & ~union(names))[:1]]
    yield ["bit", "name", *map(_place, said)]
    for bit, label, name in rows:
        yield [label, name, *(f"{one.support.state(bit)}" for one in said)]


def _raw_rows(said: Sequence[Said]) -> Iterator[Sequence[str]]:
    yield ["capability", "number", *map(_place, said)]
    for name, number in said[0].support.catalog.capabilities.items():
        cells: list[str] = []
        for one in said:
            raw, errno = one.support.answers.get(name), one.support.errors.get(name)
            failed = "not asked" if errno is None else f"not known: errno {errno}"
            cells.append(failed if raw is None else f"{raw & MASK:#x}")
        yield [f"KVM_CAP_{quote(name)}", "none" if number is None else f"{number}", *cells]


@frozen(eq=False)
class Verdict:
    """The answer that many hosts share; a yes has a mask, a no a reason code and a sentence."""

    status: Status
    mask: int | None = None
    code: str = ""
    sentence: str = ""
    notes: tuple[str, ...] = ()


Verdicts = Mapping[str, Mapping[int | None, Verdict]]
"""The verdicts on a pool: by host, and there by VM type (None for /dev/kvm)."""


def tally_text(hosts: Verdicts, profile: str | None, again: int, *, verbose: bool) -> Iterator[str]:
    """The tally, the refusals by their reasons with some names each, and the notes."""
    words = [_word(types.values()) for types in hosts.values()]
    parts = [
        f"granted on {words.count('granted')} of {plural(len(words), 'host')}",
        f"for some VM types only on {words.count('partly')}",
        f"refused on {words.count('refused')}",
        f"no answer from {words.count('no-answer')}",
    ]
    named = f": profile {quote(profile)}" if profile else ""
    yield ", ".join(part for part in parts if not part.endswith(" 0")) + named
    groups = _by_reason(hosts)
    for (status, sentence), names in groups[:_MOST_GROUPS]:
        what = "refused on" if status is Status.NO else "no answer from"
        yield f"  {what} {len(names)}: {sentence}"
        yield f"    {some(names, 10 if verbose else 3)}"
    if len(groups) > _MOST_GROUPS:
        yield f"  and for {len(groups) - _MOST_GROUPS} more reasons: --list names every host"
    notes = dict.fromkeys(n for types in hosts.values() for v in types.values() for n in v.notes)
    yield from (f"  note: {note}" for note in notes)
    if again:
        yield f"  {plural(again, 'record')} of hosts that were read before: any no counts"


def _by_reason(hosts: Verdicts) -> list[tuple[tuple[Status, str], list[str]]]:
    found: dict[tuple[Status, str], list[str]] = {}
    for name, types in hosts.items():
        refused: dict[tuple[Status, str], list[str]] = {}
        for vm_type, verdict in types.items():
            if verdict.status is not Status.YES:
                refused.setdefault((verdict.status, verdict.sentence), []).append(f"{vm_type}")
        for key, numbers in refused.items():
            which = f" (VM type {', '.join(numbers)})" if len(types) > 1 else ""
            found.setdefault(key, []).append(name + which)
    return sorted(found.items(), key=lambda group: -len(group[1]))


def tally_lines(hosts: Verdicts) -> Iterator[str]:
    """A line a host: name, verdict, mask and reason code, with tabs between them."""
    for name, types in hosts.items():
        verdicts = types.values()
        masks = dict.fromkeys(f"{v.mask:#x}" for v in verdicts if v.mask is not None)
        codes = dict.fromkeys(v.code for v in verdicts if v.code)
        cells = quote(name), _word(verdicts), ",".join(masks) or "-", ",".join(codes) or "-"
        yield "\t".join(cells)


def _word(verdicts: Iterable[Verdict]) -> str:
    statuses = {verdict.status for verdict in verdicts}
    if Status.YES in statuses:
        return "granted" if len(statuses) == 1 else "partly"
    return "refused" if Status.NO in statuses else "no-answer"


def baseline_text(
    kinds: Mapping[Kind, Baseline],
    without: Mapping[Kind, float],
    count: int,
    unasked: Sequence[str],
    *,
    verbose: bool,
) -> Iterator[str]:
    """What all hosts have, and a table of what those of each kind have."""
    pools = [*kinds.values()]
    catalog, mask, listed = pools[0].support.catalog, MASK, 0
    for pool in pools:
        mask &= pool.support.mask
        listed |= pool.support.mask | union(pool.lacking)
    many = f" of {len(kinds)} kinds" if len(kinds) > 1 else ""
    yield f"baseline of {plural(count, 'host')}{many}: {describe_mask(mask, catalog)}"
    yield ""
    names = _names(listed, catalog)
    rows = [["machine", "scope", "VM type", "hosts", "guest_memfd", *names.values()]]
    for kind, pool in kinds.items():
        host, there = pool.support.host, pool.support.guest_memfd
        vm_type = "-" if host.vm_type is None else f"{host.vm_type}"
        has = "?" if there is None else _share(pool, without.get(kind, 0))
        row = [quote(host.machine or "not known"), kind[1], vm_type, f"{pool.count}", has]
        for bit in names:
            lacking = pool.lacking.get(bit)
            known = lacking or bit & pool.support.mask
            row.append(_share(pool, lacking.count if lacking else 0) if known else "?")
        rows.append(row)
    yield from table(rows)
    for pool, row in zip(pools, rows[1:], strict=True) if verbose else ():
        yield f"  {row[0]}, {row[1]}, VM type {row[2]}:"
        yield from (f"    {note}" for note in pool.notes)
    if unasked:
        yield f"  no answer from {plural(len(unasked), 'host')}: {some(unasked)}"


def _share(pool: Baseline, without: float) -> str:
    if without > pool.count:
        return "not all"
    having = f"{pool.count - without} of {pool.count}"
    return having if 0 < without < pool.count else "none" if without else "all"


def catalog_text(catalog: Catalog) -> Iterator[str]:
    """All about one catalog."""
    yield quote(catalog.name)
    yield f"  digest {catalog.digest}"
    yield from (f"  doubtful: {doubt}" for doubt in lint(catalog))
    yield from ("", "flags")
    yield from (f"  {describe(bit, catalog)}" for bit in bits(catalog.named))
    yield from ("", "capabilities")
    for name, number in catalog.capabilities.items():
        yield f"  {'none' if number is None else number:<6}KVM_CAP_{quote(name)}"
    yield from ("", "rules")
    for rule in catalog.rules:
        yield f"  {format_rule(rule, catalog)}"
        yield f"    stage: {rule.stage}; hosts: {format_hosts(rule.hosts)}"
        yield f"    why: {quote(rule.why)}"
        yield f"    source: {quote(rule.source)}"
    yield from ("", "profiles")
    for profile in catalog.profiles.values():
        yield f"  {quote(profile.name)}"
        yield f"    why: {quote(profile.why)}"
        yield f"    asks: {wants(profile.request, catalog)}"
