"""The commands: who is asked, which records are read, and what is done with the answers.

``gmemflags.linux`` is loaded by the commands that open a device and by nothing else, so records
are read by a Python without ctypes, too.
"""

from __future__ import annotations

import json
import os
from argparse import SUPPRESS, Namespace
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from itertools import chain
from math import inf
from pathlib import Path
from time import time
from types import ModuleType
from typing import Any, BinaryIO

from attrs import define, evolve, field

from gmemflags import records
from gmemflags._catalog import Capability, Catalog, Prerequisites, Request, Scope
from gmemflags._cli import Command, CommandError, Output, Status, _render, as_command_error, number
from gmemflags._cli._render import Group, Key, Kind, Said, Unasked, Verdict, kind_of, plural, some
from gmemflags._exceptions import GmemFlagsError, KvmUnavailableError, RecordError, quote
from gmemflags._fleet import Baseline, baseline, compare
from gmemflags._format import format_mask, parse_mask
from gmemflags._host import Backend, Support, query
from gmemflags._learn import ProbeReport
from gmemflags._mainline import LAST_NUMBER, MAINLINE, SHIPPED, TAKEN
from gmemflags._masks import bits, union
from gmemflags._problems import Reason
from gmemflags._resolve import Resolution
from gmemflags._rules import Stage
from gmemflags.testing import hosts

CATALOGS = {catalog.name: catalog for catalog in SHIPPED}
DEVICE = "/dev/kvm"
STDIN = "-"
WRITTEN = "records that `gmemflags show --json` wrote, one a line"
_CHUNK = 512
# With nothing worse, a refusal says nothing about the host.
_OPEN = {
    *(Reason.ONLY_UPPER_BOUND, Reason.UNKNOWABLE),
    *(Reason.GUEST_MEMFD_NOT_ASKED, Reason.NEED_NOT_ASKED),
}
_SEVERITY = (Status.YES, Status.NO_ANSWER, Status.NO)


def _catalog_of(args: Namespace, out: Output) -> Catalog:
    catalog = _catalog(args.catalog)
    chosen: int | None = args.flags_hi
    if chosen is None:
        return catalog
    owners = {known: name for name, known in MAINLINE.capabilities.items()} | TAKEN
    owner = f"KVM_CAP_{owners[chosen]}" if chosen in owners else "another capability"
    taken = chosen <= LAST_NUMBER
    if taken and not args.force:
        raise CommandError(
            f"--flags-hi {chosen}: in mainline this is {owner}",
            "give the number of your tree; --force reads that answer as flags all the same",
        )
    out.complain(
        f"capability {chosen} is read as bits 63:32 of the flags, because you said so"
        + (f"; in mainline it is {owner}" if taken else ""),
        "check the number: a wrong one turns another capability's answer into flags",
    )
    capabilities = {**catalog.capabilities, Capability.GUEST_MEMFD_FLAGS_HI.value: chosen}
    return evolve(catalog, name=f"{catalog.name}+flags-hi-{chosen}", capabilities=capabilities)


def _catalog(name: str) -> Catalog:
    if name in CATALOGS:
        return CATALOGS[name]
    if not _is_file(name):
        known = ", ".join(CATALOGS)
        raise CommandError(f"no catalog is called {name!r}", f"name one of {known}, or ./{name}")
    with _open(name) as file:
        text = file.read(records.LONGEST + 1)
    try:
        value: object = records.loads(text)
    except RecordError as error:
        raise RecordError(f"{_shown(name)}, {error.path}", error.problem) from None
    if isinstance(value, ProbeReport):
        return value.as_catalog(f"{value.support.catalog.name}-probed")
    if isinstance(value, Catalog):
        return value
    hint = "give what `catalogs NAME --json` or `probe --json` wrote"
    raise CommandError(f"{_shown(name)} holds no catalog", hint)


def _is_file(word: str) -> bool:
    # No flag, no mask and no name of a catalog has a dot or a slash.
    return word == STDIN or "." in word or "/" in word


def _shown(name: str) -> str:
    return "standard input" if name == STDIN else quote(name) or "''"


@contextmanager
def _open(name: str) -> Generator[BinaryIO, None, None]:
    try:
        with open(0, "rb", closefd=False) if name == STDIN else Path(name).open("rb") as file:
            yield file
    except (OSError, ValueError) as error:  # a NUL in the name is a ValueError
        why = error.strerror if isinstance(error, OSError) else error
        hint = "give a file that can be read, or - for standard input"
        raise CommandError(f"{_shown(name)} cannot be read: {why}", hint) from None


@define
class Source:
    """What the files say, or --host or the device, as far as the options choose it."""

    args: Namespace
    out: Output
    catalog: Catalog
    files: Sequence[str]
    scope: Scope | None
    read: int = 0
    bad: int = 0
    place: str = ""
    """File and line of the record that was read last."""
    _unasked: list[Unasked] = field(factory=list[Unasked])

    def __iter__(self) -> Iterator[Said | Unasked]:
        """Everything that is chosen, or an error; hosts that could not be asked end the files."""
        nothing = True
        for entry in self._recorded() if self.files else self._asked():
            self.read += 1
            if isinstance(entry, Unasked) or self._is_chosen(entry):
                nothing = False
                yield entry
        if self.bad:
            what = f"broken lines that were skipped: {self.bad}; records read: {self.read}"
            self.out.complain(what, "record these hosts again: they are missing from the answer")
        if nothing:
            asked = self.files or [self.args.host or self.args.device or DEVICE]
            where = some([*map(_shown, asked)])
            what = f"none of {plural(self.read, 'record')} in {where} is of the kind that is chosen"
            hint = f"give {WRITTEN}; --scope, --vm-type and --machine choose some of them"
            raise CommandError(what if self.read else f"no record in {where}", hint)

    def _is_chosen(self, said: Said) -> bool:
        # A VM that was made now is of the type that was asked for, listed or not.
        made = not self.files and said.support.scope is Scope.VM
        return (
            self.scope in (None, said.support.scope)
            and (made or self.args.vm_type in (None, said.vm_type))
            and kind_of(self.args.machine) in ("", kind_of(said.support.host.machine))
        )

    def _recorded(self) -> Iterator[Said | Unasked]:
        seen: set[object] = set()
        for name in self.files:
            path = name if name == STDIN else Path(name).absolute()
            if path in seen:
                self.out.complain(f"{_shown(name)} is given twice and read once", "leave it out")
                continue
            seen.add(path)
            with closing(self._lines(name)) as lines:
                shown, bad = _shown(name), self._without_host
                for read in records.load_lines(lines, self.catalog, name=shown, bad=bad):
                    if isinstance(read, Baseline):
                        yield Said(f"{read.support.origin} at {self.place}", read.support, read)
                    else:
                        yield Said(read.host.name or read.origin, read, read)
        yield from self._unasked

    def _lines(self, name: str) -> Generator[bytes, None, None]:
        with _open(name) as file:
            for count, line in enumerate(iter(lambda: file.readline(records.LONGEST + 1), b""), 1):
                self.place = f"{_shown(name)}, line {count}"
                if len(line) > records.LONGEST:
                    what = f"{self.place} has no end, or is no record"
                    raise CommandError(what, f"give {WRITTEN}")
                yield line

    def _without_host(self, error: GmemFlagsError) -> None:
        if isinstance(error, KvmUnavailableError):
            self._unasked.append(Unasked(error.name or error.what, None, error))
        elif not self.args.skip_bad:
            raise error
        else:
            self.bad += 1
            if self.bad <= 10:  # all are counted
                self.out.complain(f"skipped: {error}", "record that host again")

    def _asked(self) -> Iterator[Said | Unasked]:
        # /dev/kvm, and a new VM of the type that is chosen or of each that is listed.
        args = self.args
        if args.host is not None:
            known = hosts[args.host]
            system, new_vm, name, where = nullcontext(known.system), known.vm, known.name, ""
        else:
            name = _visible(os.uname().nodename)
            where = f" of {name}"
            try:
                system = _linux().Kvm.open(args.device or DEVICE)
            except KvmUnavailableError as error:
                raise _dated(error, name) from None
            new_vm = system.create_vm

        def ask(backend: Backend) -> Said:
            support = query(backend, self.catalog)
            origin, facts = _visible(support.origin) + where, evolve(support.host, name=name)
            support = evolve(support, origin=origin, host=facts)
            return Said(name, support, support)

        with system as kvm:
            said = ask(kvm)
            yield said
            listed = said.support.known_answer(Capability.VM_TYPES) or 1
            types = [bit.bit_length() - 1 for bit in bits(listed)]
            chosen = types if args.vm_type is None else [args.vm_type]
            for vm_type in () if self.scope is Scope.SYSTEM else chosen:
                try:
                    with new_vm(vm_type) as vm:
                        yield ask(vm)
                except GmemFlagsError as error:
                    yield Unasked(name, vm_type, _dated(error, name))


def _source(args: Namespace, out: Output, files: list[str], scope: Scope | None = None) -> Source:
    given = ["a file"] if files else []
    given += [f"--{option}" for option in ("device", "host") if vars(args).get(option)]
    if len(given) > 1:
        raise CommandError(f"{given[0]} and {given[1]} exclude each other", "give one of them")
    return Source(args, out, _catalog_of(args, out), files, args.scope or scope)


def _linux() -> ModuleType:
    try:
        from gmemflags import linux  # noqa: PLC0415  # what asks no device runs without ctypes
    except ImportError as error:
        hint = "use a Python with ctypes; records and --host need none"
        raise CommandError(f"no device can be asked: {error}", hint, Status.NO_ANSWER) from None
    return linux


def _dated(error: GmemFlagsError, name: str) -> GmemFlagsError:
    if isinstance(error, KvmUnavailableError):
        error.name, error.time = name, int(time())
    return error


def _visible(text: str) -> str:
    # Names that are not UTF-8 have surrogates, which no document may hold.
    return text.encode("utf-8", "backslashreplace").decode()


def _show(args: Namespace, out: Output) -> Status:
    source = _source(args, out, args.files)
    if args.json:
        return _show_json(source, out)
    groups = _grouped(source)
    about = f"{hosts[args.host].how}: {hosts[args.host].source}" if args.host else ""
    out.say(*_render.hosts_text(groups, about, verbose=args.verbose))
    unasked = any(isinstance(entry, Unasked) for _, entries, _ in groups for entry in entries)
    return Status.NO_ANSWER if unasked else Status.YES


def _show_json(source: Source, out: Output) -> Status:
    status = Status.YES
    try:
        for entry in source:
            if isinstance(entry, Said):
                out.emit(records.dumps(entry.document))
                continue
            status = Status.NO_ANSWER
            _emit_unasked(entry, out)
    except KvmUnavailableError as error:
        out.emit(records.dumps(error))
        raise
    return status


def _emit_unasked(entry: Unasked, out: Output) -> None:
    out.complain(f"{quote(entry.name)} could not be asked: {entry.error}", "ask it again")
    if isinstance(entry.error, KvmUnavailableError):
        out.emit(records.dumps(entry.error))


def _grouped(source: Source) -> list[Group]:
    # Hosts with the same answers together; of each further one no more is kept than its name.
    known: dict[Key, Said | Unasked] = {}
    keys_of: dict[str, dict[Key, None]] = {}
    kernels: dict[str, str] = {}
    for entry in source:
        known.setdefault(entry.key, entry)
        keys_of.setdefault(entry.name, {})[entry.key] = None
        if isinstance(entry, Said):
            kernels[entry.name] = entry.support.host.kernel or "not known"
    names_of: dict[tuple[Key, ...], list[str]] = {}
    for name, keys in keys_of.items():
        names_of.setdefault(tuple(keys), []).append(name)
    return [
        (names, [known[key] for key in keys], sorted({kernels[n] for n in names if n in kernels}))
        for keys, names in sorted(names_of.items(), key=lambda group: -len(group[1]))
    ]


def _check(args: Namespace, out: Output) -> Status:
    files = [word for word in args.flags if _is_file(word)]
    flags = [word for word in args.flags if not _is_file(word)]
    if not flags and not args.prefer and args.profile is None:
        hint = "name flags (0 for none), or a profile with --profile"
        raise CommandError("nothing to check is given", hint)
    source = _source(args, out, files)
    wanted = _request(args, flags, source.catalog)
    source.scope = wanted.scope
    if files or args.list:
        return _check_pool(source, wanted)
    if args.vm_type is None and wanted.scope is Scope.VM:
        args.vm_type = 0
    (entry,) = source
    if isinstance(entry, Unasked):
        raise entry.error
    answer = Resolution(support=entry.support, request=wanted, profile=args.profile or "")
    if args.json:
        out.emit(records.dumps(answer))
    else:
        out.say(str(answer))
    return _status(answer)


def _request(args: Namespace, flags: Sequence[str], catalog: Catalog) -> Request:
    base = Request()
    if args.profile in catalog.profiles:
        base = catalog.profiles[args.profile].request
    elif args.profile is not None:
        known = ", ".join(map(quote, catalog.profiles)) or "none"
        what = f"{quote(catalog.name)} has no profile {args.profile!r}"
        raise CommandError(what, f"its profiles: {known}; --catalog chooses another tree")
    return evolve(
        base,
        required=base.required | union(parse_mask(word, catalog) for word in flags),
        preferred=(*base.preferred, *(parse_mask(text, catalog) for text in args.prefer)),
        forbidden=base.forbidden | union(parse_mask(text, catalog) for text in args.forbid),
        prerequisites=Prerequisites.ADD if args.add_prerequisites else base.prerequisites,
        until=Stage[args.until.upper()] if args.until else base.until,
        scope=args.scope or base.scope,
    )


def _status(answer: Resolution) -> Status:
    # A refusal is a no only if the host, the request or a rule really said no.
    if answer.ok:
        return Status.YES
    reasons = {problem.reason for problem in answer.problems}
    return Status.NO_ANSWER if reasons <= _OPEN else Status.NO


def _check_pool(source: Source, wanted: Request) -> Status:
    args, out = source.args, source.out
    known: dict[Key, Verdict] = {}
    verdicts: dict[str, dict[int | None, Verdict]] = {}
    again = 0
    for entry in source:
        if isinstance(entry, Unasked):  # another record of the host may have an answer
            code = str(getattr(entry.error, "reason", "failed"))
            verdict = Verdict(Status.NO_ANSWER, code=code, sentence=str(entry.error))
            types = verdicts.setdefault(entry.name, {})
            if not types or entry.vm_type is not None:
                types[entry.vm_type] = verdict
            if args.json:
                _emit_unasked(entry, out)
            continue
        key = entry.key
        if args.json or key not in known:
            known[key] = _verdict(entry, wanted, source)
        types, verdict = verdicts.setdefault(entry.name, {}), known[key]
        again += entry.vm_type in types
        before = types.get(entry.vm_type, verdict)
        if _SEVERITY.index(verdict.status) >= _SEVERITY.index(before.status):
            types[entry.vm_type] = verdict
    if args.list and not args.json:
        out.emit(*_render.tally_lines(verdicts))
    elif not args.json:
        out.say(*_render.tally_text(verdicts, args.profile, again, verbose=args.verbose))
    found = {verdict.status for types in verdicts.values() for verdict in types.values()}
    return max(found, key=_SEVERITY.index)


def _verdict(said: Said, wanted: Request, source: Source) -> Verdict:
    profile = source.args.profile or ""
    try:
        answer = Resolution(support=said.support, request=wanted, profile=profile)
    except GmemFlagsError as error:  # too hard
        end = as_command_error(error)
        source.out.complain(f"at {source.place}: {end.what}", end.hint)
        return Verdict(Status.NO_ANSWER, code="too-hard", sentence=end.what)
    if source.args.json:
        source.out.emit(records.dumps(answer))
    if answer.ok:
        return Verdict(Status.YES, answer.mask, notes=answer.advice)
    first = answer.problems[0]
    return Verdict(_status(answer), None, str(first.reason), first.message, answer.advice)


def _baseline(args: Namespace, out: Output) -> Status:
    source = _source(args, out, args.files, Scope.VM)
    parts: dict[Kind, list[Support | Baseline]] = {}
    without: dict[Kind, float] = {}  # hosts that have no guest_memfd
    asked: dict[str, int] = {}
    numbers: dict[Key, int] = {}  # of equal answers, so that each host needs little memory
    seen: set[tuple[str, int]] = set()
    unasked: dict[str, None] = {}
    for entry in source:
        if isinstance(entry, Unasked):
            unasked[entry.name] = None
            continue
        record = entry.name, numbers.setdefault(entry.key, len(numbers))
        if record in seen:
            continue  # the same answers again add nothing
        seen.add(record)
        vm_type = -1 if entry.vm_type is None else entry.vm_type
        kind = kind_of(entry.support.host.machine), str(entry.support.scope), vm_type
        pool = entry.document if isinstance(entry.document, Baseline) else None
        asked[entry.name] = pool.count if pool else 1
        if entry.support.guest_memfd is False:  # a baseline does not tell on how many hosts
            without[kind] = without.get(kind, 0) + (inf if pool else 1)
        part = parts.setdefault(kind, [])
        part.append(entry.document)
        if len(part) == _CHUNK:
            part[:] = [baseline(part)]
    silent = [name for name in unasked if name not in asked]
    what, hint = f"no answer from {some(silent)}", "record these hosts again"
    if not seen:
        raise CommandError(what, hint, Status.NO_ANSWER)
    kinds = {kind: baseline(parts[kind]) for kind in sorted(parts)}
    if args.json:
        out.emit(*map(records.dumps, kinds.values()))
        if silent:
            out.complain(what, hint)
    else:
        count = sum(asked.values())
        out.say(*_render.baseline_text(kinds, without, count, silent, verbose=args.verbose))
    return Status.NO_ANSWER if silent else Status.YES


def _compare(args: Namespace, out: Output) -> Status:
    if args.more:
        hint = "name A and B; for many hosts there is `gmemflags baseline`"
        raise CommandError(f"compare takes two files, not {2 + len(args.more)}", hint)
    ours, theirs = (_one_host(_source(args, out, [name], Scope.VM)) for name in (args.a, args.b))
    if len(ours) == len(theirs) == 1:  # two that were chosen, of whatever kind
        theirs = dict(zip(ours, theirs.values(), strict=True))
    found = [compare(one.support, theirs[t].support) for t, one in ours.items() if t in theirs]
    missing = [quote(one.support.origin) for t, one in ours.items() if t not in theirs]
    safe = sum(comparison.safe for comparison in found)
    lines = [*map(str, found), *(f"not safe: B has nothing like {one}" for one in missing)]
    if len(ours) > 1:
        a, b = (quote(next(iter(one.values())).name) for one in (ours, theirs))
        answer = "safe" if safe == len(ours) else "not safe"
        lines.insert(0, f"{answer}: from {a} to {b}: {safe} of {len(ours)} types of VM are safe")
    if args.json:
        out.emit(*map(records.dumps, found))
        for origin in missing:
            out.complain(f"B has nothing like {origin}", "record B with that VM type")
    else:
        out.say(*lines)
    return Status.YES if safe == len(ours) else Status.NO


def _one_host(source: Source) -> dict[int | None, Said]:
    # The chosen records of a file, by VM type; all of one host.
    found: dict[int | None, Said] = {}
    for entry in source:
        if isinstance(entry, Unasked):
            what = f"{_shown(source.files[0])}: {quote(entry.name)} could not be asked"
            raise CommandError(f"{what}: {entry.error}", "record it again", Status.NO_ANSWER)
        first = next(iter(found.values()), entry)
        if entry.name != first.name or entry.vm_type in found:
            raise CommandError(
                f"{source.place} is of {quote(entry.name)}, after a record of {quote(first.name)}",
                "give a file for each host; for many hosts there is `gmemflags baseline`",
            )
        found[entry.vm_type] = entry
    return found


def _probe(args: Namespace, out: Output) -> Status:
    catalog = _catalog_of(args, out)
    around = [parse_mask(text, catalog) for text in args.around]
    linux = _linux()
    with linux.Kvm.open(args.device or DEVICE) as kvm:
        vm_type = args.vm_type or 0
        report: ProbeReport = linux.probe(kvm, vm_type, catalog, around=around, limit=args.limit)
    if args.json:
        out.emit(records.dumps(report))
    else:
        out.say(str(report))
    if report.contradictions or report.support.guest_memfd is False:
        return Status.NO
    return Status.YES if report.complete else Status.NO_ANSWER


def _catalogs(args: Namespace, out: Output) -> Status:
    chosen = [*CATALOGS.values()] if args.name is None else [_catalog(args.name)]
    if args.json:
        out.emit(*map(records.dumps, chosen))
    elif args.verbose or args.name is not None:
        out.say(*chain.from_iterable(map(_render.catalog_text, chosen)))
    else:
        rows = [["catalog", "flags", "profiles"]]
        rows += [[c.name, format_mask(c.named, c), ", ".join(c.profiles)] for c in chosen]
        out.say(*_render.table(rows))
    return Status.YES


def _schema(args: Namespace, out: Output) -> Status:
    out.emit(json.dumps(records.json_schema(), indent=2 if args.verbose else None))
    return Status.YES


# What argparse gets; an option has the same meaning in every command that takes it.

Argument = dict[str, Any]


def _option(text: str, metavar: str = "", **more: object) -> Argument:
    return {"help": text} | ({"metavar": metavar} if metavar else {"action": "store_true"}) | more


_HOSTS, _CATALOGS = ", ".join(hosts), ", ".join(CATALOGS)
_STAGES = [str(stage) for stage in Stage]
_MANY: Argument = {"action": "append", "default": []}
_TREE = (
    f"the tree that names the flags: {_CATALOGS}, or a file that `catalogs` or `probe` wrote with"
    " --json"
)
_SCOPE = "whose answer counts: that of VMs, or of /dev/kvm, an upper bound"
_VM_TYPE = "only VMs of this type (default: 0 for probe and a check without files, else all)"
_HI = "the number of KVM_CAP_GUEST_MEMFD_FLAGS_HI in a tree that has one"
OPTIONS: dict[str, Argument] = {
    "--profile": _option("a named request, one of `gmemflags catalogs`", "NAME"),
    "--prefer": _option("have these if possible, all or none; may be repeated", "FLAGS", **_MANY),
    "--forbid": _option("never have these; may be repeated", "FLAGS", **_MANY),
    "--add-prerequisites": _option("add flags that the others require, instead of refusing"),
    "--until": {"choices": _STAGES, "help": "the last stage whose rules count (default: access)"},
    "--device": _option(f"the KVM device (default: {DEVICE})", "PATH"),
    "--host": _option(f"a host that comes with this program: {_HOSTS}", "NAME", choices=hosts),
    "--scope": {"choices": [*Scope], "type": Scope, "help": _SCOPE},
    "--vm-type": _option(_VM_TYPE, "N", type=number),
    "--machine": _option("only hosts of this machine, as `uname -m` prints it", "NAME"),
    "--catalog": _option(_TREE, "NAME|FILE", default=MAINLINE.name),
    "--flags-hi": _option(_HI, "N", type=number),
    "--force": _option("let --flags-hi be a number of another capability in mainline"),
    "--skip-bad": _option("report broken lines of files, and go on"),
    "--list": _option("print name, verdict, mask and reason code, a line a host"),
    "--limit": _option("create at most N files (default: 4096)", "N", type=number, default=4096),
    "--around": _option("try what is near this mask, too; may be repeated", "FLAGS", **_MANY),
    "--json": _option("for programs: print records, one a line"),
    "--verbose": _option("print more: every bit and raw answer, and more names"),
    "--quiet": _option("print nothing: the exit status is the answer"),
}
_SHORT = {"--verbose": "-v ", "--quiet": "-q "}
_READ = "--catalog --flags-hi --force"
_WHICH = f"--scope --vm-type --machine {_READ} --skip-bad"
_PRINT = "--json --verbose --quiet"
_FILES = f"{WRITTEN}; - is standard input"
_ONE_HOST = "a file with the records of one host; - is standard input"
_WORDS = (
    "required flags: names or masks, joined by | or a comma; 0 is none. A word with a dot or a"
    f" slash is a file: {_FILES}"
)


def _command(
    run: Callable[[Namespace, Output], Status],
    summary: str,
    options: str,
    examples: str,
    **operands: Argument,
) -> Command:
    named = {_SHORT.get(option, "") + option: OPTIONS[option] for option in options.split()}
    return Command(summary, {**operands, **named}, examples.split("; "), run)


COMMANDS = {
    "show": _command(
        _show,
        "Show which guest_memfd flags a host lists, and for which type of VM.",
        f"--device --host {_WHICH} {_PRINT}",
        "gmemflags show; gmemflags show --json >>hosts.jsonl; gmemflags show hosts.jsonl",
        files=_option(_FILES, "FILE", nargs="*"),
    ),
    "check": _command(
        _check,
        "Check whether a host takes the flags you want, or each of many, and say why not.",
        "--profile --prefer --forbid --add-prerequisites --until"
        f" --device --host {_WHICH} --list {_PRINT}",
        "gmemflags check MMAP --prefer INIT_SHARED; "
        "gmemflags check --profile fully-shared --list hosts.jsonl; "
        "gmemflags check INIT_SHARED --until create --list hosts.jsonl",
        flags=_option(_WORDS, "FLAGS|FILE", nargs="*"),
    ),
    "probe": _command(
        _probe,
        "Try which combinations of flags a VM takes, and learn the rules behind them.",
        f"--device --vm-type {_READ} --limit --around {_PRINT}",
        "gmemflags probe; gmemflags probe --json >a.json; gmemflags show --catalog a.json",
    ),
    "compare": _command(
        _compare,
        "Compare two hosts: may what runs on A run on B?",
        f"{_WHICH} {_PRINT}",
        "gmemflags compare a.jsonl b.jsonl; gmemflags show --json | gmemflags compare a.jsonl -",
        a=_option(_ONE_HOST, "A"),
        b=_option(_ONE_HOST, "B"),
        more={"help": SUPPRESS, "nargs": "*", "default": []},
    ),
    "baseline": _command(
        _baseline,
        "Show what all hosts of a pool have, for each kind of host.",
        f"{_WHICH} {_PRINT}",
        "gmemflags baseline hosts.jsonl; gmemflags baseline --machine aarch64 hosts.jsonl",
        files=_option(_FILES, "FILE", nargs="+"),
    ),
    "catalogs": _command(
        _catalogs,
        "List the flags, numbers, rules and profiles of kernel trees.",
        _PRINT,
        "gmemflags catalogs; gmemflags catalogs linux-mainline",
        name=_option(f"all about {_CATALOGS} or a file", "NAME|FILE", nargs="?"),
    ),
    "schema": _command(
        _schema,
        "Print the JSON Schema of all records.",
        "--verbose --quiet",
        "gmemflags schema >gmemflags.schema.json; gmemflags schema --verbose",
    ),
}
