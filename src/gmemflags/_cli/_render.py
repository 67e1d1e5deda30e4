"""The text of the command line: values in, lines out. Nothing is decided and nothing printed here.

The sentences come from the values; what is added are tables, counts and names, which are quoted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from attrs import field, frozen

from gmemflags._catalog import Catalog, Profile, Scope
from gmemflags._cli import Status
from gmemflags._exceptions import KvmUnavailableError, quote
from gmemflags._fleet import Baseline, Comparison
from gmemflags._format import (
    describe,
    describe_mask,
    format_hosts,
    format_mask,
    format_need,
    format_rule,
)
from gmemflags._host import BitState, Support
from gmemflags._mainline import VM_TYPES_ARM, VM_TYPES_X86
from gmemflags._masks import MASK, bits
from gmemflags._rules import Rule, architecture, vm_type_alone

_MOST_GROUPS = 12
_WIDEST_TABLE = 110
_REGISTER_WIDTH = 76
_VM_TYPE_NAMES = {"x86_64": VM_TYPES_X86, "aarch64": VM_TYPES_ARM}
_SHOWN = {BitState.SUPPORTED: "yes", BitState.UNSUPPORTED: "no", BitState.UNKNOWABLE: "?"}
_DIGITS = {BitState.SUPPORTED: "1", BitState.UNSUPPORTED: "0", BitState.UNKNOWABLE: "?"}


@frozen
class Unasked:
    """A host, or a VM of one, that could not be asked."""

    name: str
    """The host."""
    vm_type: int | None
    """The type of the VM; None for the host itself."""
    reason: str
    """A code."""
    message: str
    """The sentence."""
    error: KvmUnavailableError | None = None
    """The error, if records can hold it."""


def plural(count: int, what: str) -> str:
    """``1 host``, ``2 hosts``."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def some(names: Sequence[str], count: int, most: int) -> str:
    """The first names of ``count``, and how many more there are."""
    shown = ", ".join(map(quote, names[:most]))
    more = count - min(len(names), most)
    return f"{shown} and {more} more" if more else shown


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows of cells as aligned lines; a row may be shorter than the first, its last cell longer."""
    widths = [
        max(len(row[column]) for row in rows if column < len(row) and len(row) == len(rows[0]))
        for column in range(len(rows[0]))
    ]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        yield "  " + "  ".join([*cells, row[-1]]).rstrip()


@frozen
class Group:
    """Hosts that gave the same answers.

    ``entries`` are what each of them said, /dev/kvm first; ``kernels`` all kernels that they run,
    and ``about`` what else is known of them.
    """

    names: Sequence[str]
    entries: Sequence[Support | Unasked]
    kernels: Sequence[str]
    about: Sequence[str]


def hosts_text(groups: Sequence[Group], *, verbose: bool) -> Iterator[str]:
    """What hosts said: a headline and a table for each group."""
    if len(groups) > 1:
        count = sum(len(group.names) for group in groups)
        yield f"guest_memfd on {plural(count, 'host')}: {len(groups)} kinds of answers"
    for group in groups:
        if len(groups) > 1:
            yield ""
        names = some(group.names, len(group.names), 10 if verbose else 3)
        yield f"guest_memfd on {names}: {_gist(group.entries)}"
        supports = [entry for entry in group.entries if isinstance(entry, Support)]
        if supports:
            kernels = some(group.kernels, len(group.kernels), 3)
            machine = quote(supports[0].host.machine or "machine not known")
            catalog = quote(supports[0].catalog.name)
            yield f"  Linux {kernels}, {machine}; flags named by {catalog}"
        yield from (f"  {line}" for line in group.about)
        everywhere_none = all(support.guest_memfd is False for support in supports)
        if supports and (verbose or len(supports) < len(group.entries) or not everywhere_none):
            yield ""
            yield from table(list(_host_rows(group.entries)))
            if any(support.hi_only for support in supports):
                yield "  denied: claimed by FLAGS_HI and denied by a 64-bit FLAGS, so not believed"
        if verbose:
            yield from _details(supports)


def _gist(entries: Sequence[Support | Unasked]) -> str:
    supports = [entry for entry in entries if isinstance(entry, Support)]
    vms = [support for support in supports if support.scope is Scope.VM]
    if not supports:
        failed = [entry.message for entry in entries if isinstance(entry, Unasked)]
        return f"not known: {failed[0]}"
    by_answer: dict[str, list[str]] = {}
    for support in vms or supports:
        vm_type = support.host.vm_type
        by_answer.setdefault(_listed(support), []).append("?" if vm_type is None else f"{vm_type}")
    if len(by_answer) > 1:
        parts = [f"{what} for VM type {', '.join(types)}" for what, types in by_answer.items()]
        text = "; ".join(parts)
        return text if len(text) <= 90 else "it depends on the type of the VM"
    (listed,) = by_answer
    return (
        listed if vms or listed.startswith("none") else f"{listed} at most; a VM may support less"
    )


def _listed(support: Support) -> str:
    if support.guest_memfd is None:
        return f"not known, {quote(support.catalog.name)} has no number for KVM_CAP_GUEST_MEMFD"
    if not support.guest_memfd:
        return "none (KVM_CAP_GUEST_MEMFD is 0)"
    return describe_mask(support.mask, support.catalog)


def _host_rows(entries: Sequence[Support | Unasked]) -> Iterator[Sequence[str]]:
    supports = [entry for entry in entries if isinstance(entry, Support)]
    catalog, listed = supports[0].catalog, 0
    for support in supports:
        listed |= support.mask | support.hi_only
    columns = bits(catalog.named | listed)
    names = [catalog.name_of(bit) or f"{bit:#x}" for bit in columns]
    wide = sum(len(name) + 2 for name in names) > _WIDEST_TABLE - 40
    yield ["", "guest_memfd", *(["flags"] if wide else names)]
    for entry in entries:
        if isinstance(entry, Unasked):
            yield [_place(entry), f"could not be asked: {entry.message}"]
            continue
        there = {True: "yes", False: "no", None: "?"}[entry.guest_memfd]
        if wide:
            yield [_place(entry), there, format_mask(entry.mask, catalog)]
        else:
            yield [_place(entry), there, *(_bit_cell(entry, bit) for bit in columns)]


def _bit_cell(support: Support, bit: int) -> str:
    return "denied" if bit & support.hi_only else _SHOWN[support.state(bit)]


def _place(entry: Support | Unasked) -> str:
    # Who answered, beside the host.
    if isinstance(entry, Unasked):
        return "/dev/kvm" if entry.vm_type is None else f"VM type {entry.vm_type}"
    host = entry.host
    if entry.scope is Scope.SYSTEM:
        return "/dev/kvm"
    if host.vm_type is None:
        return "VM type not known"
    alone = vm_type_alone(host.vm_type, host.machine)
    known = _VM_TYPE_NAMES.get(architecture(host.machine or "") or "", {})
    return f"VM type {alone} {known[alone]}" if alone in known else f"VM type {alone}"


def _details(supports: Sequence[Support]) -> Iterator[str]:
    # Register map and raw answers, once for all that gave the same.
    seen: dict[tuple[object, ...], list[Support]] = {}
    for support in supports:
        key = (*support.answers.items(), *support.errors.items())
        seen.setdefault(key, []).append(support)
    for same in seen.values():
        yield ""
        yield f"{', '.join(map(_place, same))}:"
        yield from register(same[0])
        yield "  1 listed, 0 not listed, ? unknowable, ! denied by a 64-bit FLAGS"
        yield ""
        yield from table(list(_raw_rows(same[0])))


def _raw_rows(support: Support) -> Iterator[Sequence[str]]:
    yield ["capability", "number", "raw answer"]
    for name, number in support.catalog.capabilities.items():
        raw, errno = support.answers.get(name), support.errors.get(name)
        if errno is not None:
            told = f"not known: errno {errno}"
        elif raw is None:
            told = "not asked"
        else:
            value = support.known_answer(name)
            told = f"{raw & MASK:#x}"
            told += f" ({value:#x}, sign-extended)" if value != raw & MASK else ""
        yield [f"KVM_CAP_{quote(name)}", "none" if number is None else f"{number}", told]


def register(support: Support) -> Iterator[str]:
    """The 64 bits drawn as in a hardware manual, at most 80 columns wide.

    Bits with a name, and listed bits without one, have a field each; all others share one as long
    as the host says the same of them. What does not fit into a row goes into another.
    """
    fields: list[tuple[str, str, str]] = []
    contents = [(n, *_content(support, n)) for n in range(63, -1, -1)]
    for (single, name, digit), run in groupby(contents, key=lambda content: content[1:]):
        numbers = [content[0] for content in run]
        for part in [[n] for n in numbers] if single else [numbers]:
            label = f"{part[0]}" if len(part) == 1 else f"{part[0]}..{part[-1]}"
            fields.append((label, name, digit))
    row: list[tuple[str, str, str]] = []
    for one in fields:
        if sum(max(map(len, each)) + 3 for each in [*row, one]) > _REGISTER_WIDTH:
            yield from _boxes(row)
            row = []
        row.append(one)
    yield from _boxes(row)


def _content(support: Support, number: int) -> tuple[bool, str, str]:
    # Whether the bit has a field for itself, its name, and its digit.
    bit = 1 << number
    name = support.catalog.name_of(bit)
    state = support.state(bit)
    digit = "!" if bit & support.hi_only else _DIGITS[state]
    if name or digit in "1!":
        return True, name or "unnamed", digit
    return False, "unknowable" if state is BitState.UNKNOWABLE else "", digit


def _boxes(row: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    widths = [max(map(len, one)) + 2 for one in row]
    border = f"  +{'+'.join('-' * width for width in widths)}+"
    for index, edge in enumerate((" ", "|", "|")):
        if index == 1:
            yield border
        cells = [one[index].center(width) for one, width in zip(row, widths, strict=True)]
        yield f"  {edge}{edge.join(cells)}{edge}".rstrip()
    yield border


@frozen(eq=False)
class Verdict:
    """The answer that many hosts share."""

    status: Status
    mask: int | None
    code: str
    """The reason code of a refusal; empty for a yes."""
    sentence: str
    """Why not; empty for a yes."""
    notes: tuple[str, ...] = ()


@frozen
class Tally:
    """The verdicts on a pool: by host, and there by VM type (None for /dev/kvm)."""

    hosts: Mapping[str, Mapping[int | None, Verdict]]
    profile: str
    left_out: int
    again: int
    """How many records were read of a host, scope and VM type that had one already."""
    _order: Sequence[str] = field(default=("granted", "partly", "refused", "no-answer"))

    def text(self, *, verbose: bool) -> Iterator[str]:
        """The tally, the refusals by their reasons with some names each, and the notes."""
        words = [_word(types.values()) for types in self.hosts.values()]
        parts = [
            f"granted on {words.count('granted')} of {plural(len(words), 'host')}",
            f"for some VM types only on {words.count('partly')}",
            f"refused on {words.count('refused')}",
            f"no answer from {words.count('no-answer')}",
        ]
        named = f": profile {quote(self.profile)}" if self.profile else ""
        yield ", ".join(part for part in parts if not part.endswith(" 0")) + named
        groups = self._groups()
        for verdict, names in groups[:_MOST_GROUPS]:
            what = "refused on" if verdict.status is Status.NO else "no answer from"
            yield f"  {what} {len(names)}: {verdict.sentence}"
            yield f"    {some(names, len(names), 10 if verbose else 3)}"
        if len(groups) > _MOST_GROUPS:
            yield f"  and for {len(groups) - _MOST_GROUPS} more reasons: --list names every host"
        notes = (v.notes for types in self.hosts.values() for v in types.values())
        yield from (f"  note: {note}" for note in dict.fromkeys(n for each in notes for n in each))
        if self.again:
            yield f"  {plural(self.again, 'record')} of hosts that were read before: any no counts"
        if self.left_out:
            yield f"  {plural(self.left_out, 'record')} left out: another scope, VM type or machine"

    def _groups(self) -> list[tuple[Verdict, list[str]]]:
        found: dict[tuple[Status, str], tuple[Verdict, list[str]]] = {}
        for name, types in self.hosts.items():
            by_key: dict[tuple[Status, str], list[int | None]] = {}
            key: tuple[Status, str]
            for vm_type, verdict in types.items():
                key = verdict.status, verdict.sentence
                if key[0] is not Status.YES:
                    by_key.setdefault(key, []).append(vm_type)
                    found.setdefault(key, (verdict, []))
            for key, some_types in by_key.items():
                shown = name
                if len(types) > 1:
                    shown += f" (VM type {', '.join(map(str, some_types))})"
                found[key][1].append(shown)
        return sorted(found.values(), key=lambda group: -len(group[1]))

    def lines(self) -> Iterator[str]:
        """A line a host: name, verdict, mask and reason code, with tabs between them."""
        for name, types in self.hosts.items():
            verdicts = types.values()
            masks = dict.fromkeys(f"{v.mask:#x}" for v in verdicts if v.mask is not None)
            codes = dict.fromkeys(v.code for v in verdicts if v.code)
            yield "\t".join(
                [quote(name), _word(verdicts), ",".join(masks) or "-", ",".join(codes) or "-"]
            )


def _word(verdicts: Iterable[Verdict]) -> str:
    statuses = {verdict.status for verdict in verdicts}
    if Status.YES in statuses:
        return "granted" if len(statuses) == 1 else "partly"
    return "refused" if Status.NO in statuses else "no-answer"


@frozen
class Row:
    """What the hosts of one kind have."""

    common: Baseline
    with_guest_memfd: int


def baseline_text(
    rows: Sequence[Row], count: int, unasked: Sequence[str], left_out: int, *, verbose: bool
) -> Iterator[str]:
    """What all hosts have, and a table of what those of each kind have."""
    catalog, mask, listed = rows[0].common.support.catalog, MASK, 0
    for row in rows:
        mask &= row.common.support.mask
        listed |= row.common.support.mask
        for bit in row.common.lacking:
            listed |= bit
    kinds = f" of {len(rows)} kinds" if len(rows) > 1 else ""
    yield f"baseline of {plural(count, 'host')}{kinds}: {describe_mask(mask, catalog)}"
    yield ""
    columns = bits(catalog.named | listed)
    names = [catalog.name_of(bit) or f"{bit:#x}" for bit in columns]
    lines = [["machine", "scope", "VM type", "hosts", "guest_memfd", *names]]
    for row in rows:
        support = row.common.support
        vm_type = support.host.vm_type
        lines.append(
            [
                quote(support.host.machine or "not known"),
                str(support.scope),
                "-" if vm_type is None else f"{vm_type}",
                f"{row.common.count}",
                _share(row.with_guest_memfd, row.common.count),
                *(_bit_share(row.common, bit) for bit in columns),
            ]
        )
    yield from table(lines)
    for row, cells in zip(rows, lines[1:], strict=True) if verbose else ():
        yield f"  {cells[0]}, {cells[1]}, VM type {cells[2]}:"
        yield from (f"    {note}" for note in row.common.notes)
    if unasked:
        yield f"  no answer from {plural(len(unasked), 'host')}: {some(unasked, len(unasked), 3)}"
    if left_out:
        yield f"  {plural(left_out, 'record')} left out: another scope, VM type or machine"


def _share(count: int, total: int) -> str:
    if count in (0, total):
        return "all" if count else "none"
    return f"{count} of {total}"


def _bit_share(common: Baseline, bit: int) -> str:
    without = common.lacking.get(bit)
    if without is not None:
        return _share(common.count - without.count, common.count)
    return "all" if bit & common.support.mask else "?"


def comparisons_text(
    comparisons: Sequence[Comparison], missing: Sequence[str], names: tuple[str, str]
) -> Iterator[str]:
    """Comparisons of two hosts, one for each type of VM; and what of A has no counterpart in B."""
    total = len(comparisons) + len(missing)
    if total > 1:
        safe = sum(comparison.safe for comparison in comparisons)
        word = "safe" if safe == total else "not safe"
        a, b = map(quote, names)
        yield f"{word}: from {a} to {b}: {safe} of {total} types of VM are safe"
    yield from map(str, comparisons)
    yield from (f"not safe: B has nothing like {quote(origin)}" for origin in missing)


def catalog_summary(catalog: Catalog) -> Iterator[str]:
    """One catalog of the list."""
    yield quote(catalog.name)
    yield f"  flags: {format_mask(catalog.named, catalog)}"
    yield f"  rules: {len(catalog.rules)}"
    yield f"  profiles: {', '.join(map(quote, catalog.profiles)) or 'none'}"


def catalog_text(catalog: Catalog, doubts: Sequence[str]) -> Iterator[str]:
    """All about one catalog."""
    yield quote(catalog.name)
    yield f"  digest {catalog.digest}"
    yield from (f"  doubtful: {doubt}" for doubt in doubts)
    yield from ("", "flags")
    yield from (f"  {describe(bit, catalog)}" for bit in bits(catalog.named))
    yield from ("", "capabilities")
    for name, number in catalog.capabilities.items():
        yield f"  {'none' if number is None else number:<6}KVM_CAP_{quote(name)}"
    yield from ("", "rules")
    for rule in catalog.rules:
        yield from _rule(rule, catalog)
    yield from ("", "profiles")
    for profile in catalog.profiles.values():
        yield from _profile(profile, catalog)


def _rule(rule: Rule, catalog: Catalog) -> Iterator[str]:
    yield f"  {format_rule(rule, catalog)}"
    yield f"    stage: {rule.stage}; hosts: {format_hosts(rule.hosts)}"
    yield f"    why: {quote(rule.why)}"
    yield f"    source: {quote(rule.source)}"


def _profile(profile: Profile, catalog: Catalog) -> Iterator[str]:
    request = profile.request
    yield f"  {quote(profile.name)}"
    yield f"    why: {quote(profile.why)}"
    yield f"    required: {describe_mask(request.required, catalog)}"
    yield from (f"    preferred: {describe_mask(group, catalog)}" for group in request.preferred)
    if request.forbidden:
        yield f"    forbidden: {describe_mask(request.forbidden, catalog)}"
    yield from (f"    needs: {format_need(need)}" for need in request.needs)
