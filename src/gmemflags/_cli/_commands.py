"""The commands: who is asked, which records are read, and what is done with the answers.

``gmemflags.linux`` is loaded by the commands that open a device and by nothing else, so records
are read by a Python without ctypes, too.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from errno import EBADF
from importlib import import_module
from json import dumps as json_dumps
from pathlib import Path
from time import time
from types import ModuleType
from typing import Any, BinaryIO, NamedTuple

from attrs import Factory, define, evolve

from gmemflags import records
from gmemflags._catalog import Capability, Catalog, Prerequisites, Request, Scope
from gmemflags._cli import (
    Command,
    CommandError,
    Output,
    Program,
    Status,
    as_command_error,
    number,
)
from gmemflags._cli._render import (
    Group,
    Row,
    Tally,
    Unasked,
    Verdict,
    baseline_text,
    catalog_summary,
    catalog_text,
    comparisons_text,
    hosts_text,
    some,
)
from gmemflags._exceptions import (
    CapabilityQueryError,
    FlagSyntaxError,
    GmemFlagsError,
    InconsistentAnswerError,
    KvmUnavailableError,
    NegotiationTooHardError,
    RecordError,
    Unavailable,
    quote,
)
from gmemflags._fleet import Baseline, baseline, compare
from gmemflags._format import parse_mask
from gmemflags._host import Backend, Support, query
from gmemflags._learn import ProbeReport
from gmemflags._lint import lint
from gmemflags._mainline import LAST_NUMBER, MAINLINE, SHIPPED, TAKEN
from gmemflags._masks import bits, union
from gmemflags._problems import Reason
from gmemflags._resolve import Resolution
from gmemflags._rules import Stage, architecture, vm_type_alone
from gmemflags.testing import hosts

CATALOGS = {catalog.name: catalog for catalog in SHIPPED}
DEVICE = "/dev/kvm"
STDIN = "-"
WRITTEN = "records that `gmemflags show --json` wrote, one a line"
LONGEST = 1 << 24
"""No line of records, and no catalog, has more bytes."""
_WITHOUT_END = 1 << 28
_TOLD = 10
_STEP = 1 << 14
_CHUNK = 512

# With nothing worse, a refusal says nothing about the host.
_OPEN = frozenset(
    {
        Reason.ONLY_UPPER_BOUND,
        Reason.UNKNOWABLE,
        Reason.GUEST_MEMFD_NOT_ASKED,
        Reason.NEED_NOT_ASKED,
    }
)
_SEVERITY = (Status.YES, Status.NO_ANSWER, Status.NO)

# An option has the same meaning in every command that takes it.
_FLAG: dict[str, Any] = {"action": "store_true"}
_MANY: dict[str, Any] = {"action": "append", "default": [], "metavar": "FLAGS"}
OPTIONS: dict[str, dict[str, Any]] = {
    "--profile": {"metavar": "NAME", "help": "a named request of the catalog"},
    "--prefer": _MANY | {"help": "have these if possible, all or none; may be repeated"},
    "--forbid": _MANY | {"help": "never have these; may be repeated"},
    "--add-prerequisites": _FLAG | {"help": "add flags that others require: do not refuse"},
    "--until": {
        "choices": [str(stage) for stage in Stage],
        "help": "the last stage whose rules count (default: that of the profile, or access)",
    },
    "--device": {"metavar": "PATH", "help": f"the KVM device (default: {DEVICE})"},
    "--host": {
        "metavar": "NAME",
        "choices": hosts,
        "help": "instead of a device, a host that comes with this program, recorded or derived"
        f" from the kernel's sources: {', '.join(hosts)}",
    },
    "--scope": {
        "choices": [str(scope) for scope in Scope],
        "help": "vm (default, but show has both), or system: what the host could offer at most",
    },
    "--vm-type": {
        "metavar": "N",
        "type": number,
        "help": "VMs of this type alone (default: of files and in show all, of a device 0)",
    },
    "--machine": {"metavar": "NAME", "help": "hosts of this machine alone, as uname -m has it"},
    "--catalog": {
        "metavar": "NAME|FILE",
        "default": MAINLINE.name,
        "help": f"the tree that names the flags: {', '.join(CATALOGS)}, or a JSON file that"
        f" `catalogs --json` or `probe --json` wrote (default: {MAINLINE.name})",
    },
    "--flags-hi": {
        "metavar": "N",
        "type": number,
        "help": "the number of KVM_CAP_GUEST_MEMFD_FLAGS_HI in a tree that has one",
    },
    "--force": _FLAG | {"help": "let --flags-hi be a number of another capability in mainline"},
    "--skip-bad": _FLAG | {"help": "report broken lines of files, and go on"},
    "--list": _FLAG | {"help": "of files: name, verdict, mask, reason code, a line a host"},
    "--limit": {
        "metavar": "N",
        "type": number,
        "default": 4096,
        "help": "create at most N files (default: 4096)",
    },
    "--around": _MANY | {"help": "try this mask and what is near it, too; may be repeated"},
    "--json": _FLAG | {"help": "for programs: print records, one a line"},
    "--verbose": _FLAG | {"help": "print more"},
}


# Catalogs


def _chosen_catalog(args: Namespace, out: Output) -> Catalog:
    catalog = _catalog(args.catalog)
    chosen: int | None = args.flags_hi
    if chosen is None:
        return catalog
    numbers = {known: name for name, known in MAINLINE.capabilities.items()} | TAKEN
    owner = f"KVM_CAP_{numbers[chosen]}" if chosen in numbers else "another capability"
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
    name = f"{catalog.name}+flags-hi-{chosen}"
    return evolve(catalog, name=name, capabilities=capabilities)


def _catalog(name: str) -> Catalog:
    if name in CATALOGS:
        return CATALOGS[name]
    if not _is_file(name):
        known = ", ".join(CATALOGS)
        raise CommandError(f"no catalog is called {name!r}", f"name one of {known}, or ./{name}")
    with _opened(name) as file:
        text = file.read(LONGEST + 1)
    try:
        value: object = records.loads(text)
    except RecordError as error:
        raise RecordError(f"{_shown(name)}, {error.path}", error.problem) from None
    if isinstance(value, ProbeReport):
        return value.as_catalog(f"{value.support.catalog.name}-probed")
    if isinstance(value, Resolution):
        return value.support.catalog
    if isinstance(value, Catalog):
        return value
    what = f"{_shown(name)} holds no catalog"
    raise CommandError(what, "give what `catalogs NAME --json` or `probe --json` wrote")


# Files of records


def _is_file(word: str) -> bool:
    # No flag, no mask and no name of a catalog has a dot or a slash.
    return word == STDIN or "." in word or "/" in word


def _shown(name: str) -> str:
    return "standard input" if name == STDIN else quote(name) or "''"


@contextmanager
def _opened(name: str) -> Generator[BinaryIO]:
    # Any OSError in the block ends the command.
    try:
        if name == STDIN:
            yield _stdin()
        else:
            with open(name, "rb") as file:  # noqa: PTH123  # Path takes "" for the directory
                yield file
    except GmemFlagsError:
        raise
    except (OSError, ValueError) as error:  # a NUL in the name is a ValueError
        why = error.strerror if isinstance(error, OSError) else error
        hint = "give a file that can be read, or - for standard input"
        raise CommandError(f"{_shown(name)} cannot be read: {why}", hint) from None


def _stdin() -> BinaryIO:
    if sys.stdin is None:  # as with <&-
        raise OSError(EBADF, os.strerror(EBADF))
    return sys.stdin.buffer


def _lines(file: BinaryIO, name: str) -> Iterator[bytes]:
    # Of a line that is too long to be a record no more is kept than shows that.
    while line := file.readline(LONGEST + 2):
        yield line
        skipped = len(line)
        while len(line) > LONGEST and not line.endswith(b"\n"):
            line = file.readline(LONGEST + 2)
            skipped += len(line)
            if skipped > _WITHOUT_END:
                raise CommandError(f"{_shown(name)} has a line without an end", f"give {WRITTEN}")


Entry = Support | Baseline | Unasked


@define
class Pool:
    """The records of some files that --scope, --vm-type and --machine choose."""

    args: Namespace
    out: Output
    catalog: Catalog
    files: Sequence[str]
    scope: Scope | None
    read: int = 0
    chosen: int = 0
    bad: int = 0
    left_out: int = 0
    place: str = ""
    _unasked: list[Unasked] = Factory(list[Unasked])

    def __iter__(self) -> Iterator[Entry]:
        """Every chosen record; what was skipped is reported at the end.

        Raises:
            CommandError: A file cannot be read, or no record is chosen.
            GmemFlagsError: A line is broken, and --skip-bad is not given.
        """
        for name in _each_once(self.files, self.out):
            with _opened(name) as file:
                for entry in self._records(file, name):
                    self.read += 1
                    if not self.read % _STEP:
                        self.out.progress(f"{self.read} records")
                    if _is_chosen(entry, self.args, self.scope):
                        self.chosen += 1
                        yield entry
                    elif self.args.scope or self.args.vm_type is not None or self.args.machine:
                        self.left_out += 1
        self.out.progress("")
        if self.bad:
            what = f"broken lines that were skipped: {self.bad}; records read: {self.read}"
            self.out.complain(what, "record these hosts again: they are missing from the answer")
        if not self.chosen:
            raise self._nothing()

    def _records(self, file: BinaryIO, name: str) -> Iterator[Entry]:
        lines = self._numbered(file, name)
        for entry in records.load_lines(lines, self.catalog, name=_shown(name), bad=self._other):
            yield from self._taken()
            yield entry
        yield from self._taken()

    def _taken(self) -> list[Unasked]:
        taken, self._unasked = self._unasked, []
        return taken

    def _numbered(self, file: BinaryIO, name: str) -> Iterator[bytes]:
        for count, line in enumerate(_lines(file, name), 1):
            self.place = f"{_shown(name)}, line {count}"
            yield line

    def _other(self, error: GmemFlagsError) -> None:
        # A line without a host: of one that could not be asked, or a broken one.
        if isinstance(error, KvmUnavailableError):
            self._unasked.append(_unasked(error))
            return
        if not self.args.skip_bad:
            raise error
        self.bad += 1
        if self.bad <= _TOLD:
            more = "; further ones are only counted" if self.bad == _TOLD else ""
            self.out.complain(f"skipped: {error}", f"record that host again{more}")

    def _nothing(self) -> CommandError:
        names = some(list(map(_shown, self.files)), len(self.files), 3)
        if not self.read:
            return CommandError(f"there is no record in {names}", f"give {WRITTEN}")
        return CommandError(
            f"none of {self.read} records in {names} is of that scope, VM type and machine",
            "choose others with --scope, --vm-type and --machine",
        )


def _each_once(files: Sequence[str], out: Output) -> Iterator[str]:
    seen: set[object] = set()
    for name in files:
        key: object = name
        with suppress(OSError, ValueError):
            found = os.fstat(0) if name == STDIN else Path(name).stat()
            key = found.st_dev, found.st_ino
        if key in seen:
            out.complain(f"{_shown(name)} is given twice", "it is read once: leave it out")
        else:
            seen.add(key)
            yield name


def _support(entry: Support | Baseline) -> Support:
    # A baseline stands for its hosts.
    return entry.support if isinstance(entry, Baseline) else entry


def _unasked(error: KvmUnavailableError, vm_type: int | None = None) -> Unasked:
    return Unasked(error.name or error.what, vm_type, str(error.reason), str(error), error)


def _is_chosen(entry: Entry, args: Namespace, scope: Scope | None) -> bool:
    if isinstance(entry, Unasked):
        return True
    support = _support(entry)
    return (
        scope in (None, support.scope)
        and args.vm_type in (None, _type(support))
        and (args.machine is None or _kind_of(support.host.machine) == _kind_of(args.machine))
    )


def _kind_of(machine: str | None) -> str:
    return architecture(machine or "") or machine or ""


def _type(support: Support) -> int | None:
    vm_type = support.host.vm_type
    return None if vm_type is None else vm_type_alone(vm_type, support.host.machine)


def _name(support: Support) -> str:
    return support.host.name or support.origin


def _answers_key(support: Support) -> tuple[object, ...]:
    # Equal for records under one catalog that give the same answer to every request.
    host = support.host
    answers, errors = tuple(support.answers.items()), tuple(support.errors.items())
    return answers, errors, support.scope, host.machine, host.vm_type


# Devices, and hosts that come with this program


class Machine(NamedTuple):
    """Who can be asked: itself, and a new VM of a given type for as long as it is used."""

    name: str
    about: str
    system: Backend
    vm: Callable[[int], AbstractContextManager[Backend]]


@contextmanager
def _machine(args: Namespace) -> Generator[Machine]:
    if args.host is not None:
        if args.device is not None:
            raise CommandError("--device and --host exclude each other", "give one of them")
        host = hosts[args.host]
        yield Machine(host.name, f"{host.how}: {host.source}", host.system, host.vm)
        return
    with _opened_device(args) as kvm:
        yield Machine(_visible(os.uname().nodename), "", kvm, kvm.create_vm)


def _opened_device(args: Namespace) -> Any:
    try:
        return _linux().Kvm.open(args.device or DEVICE)
    except KvmUnavailableError as error:
        raise _dated(error) from None


def _dated(error: KvmUnavailableError) -> KvmUnavailableError:
    error.name, error.time = _visible(os.uname().nodename), int(time())
    return error


def _visible(text: str) -> str:
    # Names that are not UTF-8 have surrogates, which no document may hold.
    return text.encode("utf-8", "backslashreplace").decode()


def _linux() -> ModuleType:
    try:
        return import_module("gmemflags.linux")
    except ImportError as error:
        hint = "use a Python with ctypes; records and --host need none"
        raise CommandError(f"no device can be asked: {error}", hint, Status.NO_ANSWER) from None


def _asked(backend: Backend, machine: Machine, catalog: Catalog) -> Support:
    # With the name of the host, as records tell it elsewhere.
    support = query(backend, catalog)
    origin = _visible(support.origin)
    if not machine.about:
        origin = f"{origin} of {machine.name}"
    return evolve(support, origin=origin, host=evolve(support.host, name=machine.name))


def _asked_vm(vm_type: int, machine: Machine, catalog: Catalog) -> Support:
    with machine.vm(vm_type) as vm:
        return _asked(vm, machine, catalog)


def _vm_types(system: Support) -> list[int]:
    listed = system.known_answer(Capability.VM_TYPES) or 1
    return [bit.bit_length() - 1 for bit in bits(listed)]


def _ask_all(args: Namespace, machine: Machine, catalog: Catalog) -> Iterator[Entry]:
    # /dev/kvm and a VM of each type, as far as --scope and --vm-type choose them.
    system = _asked(machine.system, machine, catalog)
    _check_machine(system, args)
    if args.scope != Scope.VM and args.vm_type is None:
        yield system
    types = _vm_types(system) if args.vm_type is None else [args.vm_type]
    for vm_type in types if args.scope != Scope.SYSTEM else ():
        try:
            yield _asked_vm(vm_type, machine, catalog)
        except KvmUnavailableError as error:
            yield _unasked(_dated(error), vm_type)
        except (CapabilityQueryError, InconsistentAnswerError) as error:
            yield Unasked(machine.name, vm_type, "failed", str(error))


def _ask_one(args: Namespace, catalog: Catalog) -> Support:
    # /dev/kvm with --scope system, else one VM, of type 0 by default.
    if args.scope == Scope.SYSTEM and args.vm_type is not None:
        raise CommandError("--scope system asks no VM", "leave out --vm-type, or --scope system")
    with _machine(args) as machine:
        if args.scope == Scope.SYSTEM:
            support = _asked(machine.system, machine, catalog)
        else:
            support = _ask_vm_or_tell(args.vm_type or 0, machine, catalog)
    _check_machine(support, args)
    return support


def _check_machine(support: Support, args: Namespace) -> None:
    machine = support.host.machine
    if args.machine is not None and _kind_of(machine) != _kind_of(args.machine):
        what = f"{quote(_name(support))} is of machine {quote(machine or 'not known')}"
        raise CommandError(what, "leave out --machine")


def _ask_vm_or_tell(vm_type: int, machine: Machine, catalog: Catalog) -> Support:
    try:
        return _asked_vm(vm_type, machine, catalog)
    except KvmUnavailableError as error:
        types = _vm_types(query(machine.system, catalog))
        if error.reason is not Unavailable.NO_VM or vm_type in types:
            raise
        hint = f"choose a VM type that the host lists: --vm-type {' or '.join(map(str, types))}"
        raise CommandError(str(error), hint, Status.NO_ANSWER) from None


def _refuse_device(args: Namespace) -> None:
    for option in ("device", "host"):
        if getattr(args, option) is not None:
            raise CommandError(f"a file and --{option} exclude each other", "give one of them")


def _scope(args: Namespace) -> Scope | None:
    return None if args.scope is None else Scope(args.scope)


# The commands


def _show(args: Namespace, out: Output) -> Status:
    catalog = _chosen_catalog(args, out)
    about: list[str] = []
    if args.files:
        _refuse_device(args)
        entries: Iterable[Entry] = Pool(args, out, catalog, args.files, _scope(args))
    else:
        try:
            with _machine(args) as machine:
                entries = list(_ask_all(args, machine, catalog))
        except KvmUnavailableError as error:
            if args.json:
                out.emit(records.dumps(error))
            raise
        about += [machine.about] if machine.about else []
    if args.json:
        return _show_json(entries, out)
    groups = _grouped(entries, about)
    out.say("\n".join(hosts_text(groups, verbose=args.verbose)))
    unasked = any(isinstance(entry, Unasked) for group in groups for entry in group.entries)
    return Status.NO_ANSWER if unasked else Status.YES


def _show_json(entries: Iterable[Entry], out: Output) -> Status:
    status = Status.YES
    for entry in entries:
        if not isinstance(entry, Unasked):
            out.emit(records.dumps(entry))
            continue
        status = Status.NO_ANSWER
        out.complain(f"{quote(entry.name)} could not be asked: {entry.message}", "ask it again")
        if entry.error is not None:
            out.emit(records.dumps(entry.error))
    return status


def _grouped(entries: Iterable[Entry], about: Sequence[str]) -> list[Group]:
    # Hosts with the same answers together; of each further one no more is kept than its name.
    known: dict[tuple[object, ...], Support | Unasked] = {}
    said: dict[str, dict[tuple[object, ...], None]] = {}
    kernels: dict[str, str] = {}
    key: tuple[object, ...]
    for entry in entries:
        if isinstance(entry, Unasked):
            key, name = (entry.reason, entry.message, entry.vm_type), entry.name
            known.setdefault(key, entry)
        else:
            support = _support(entry)
            key, name = _answers_key(support), _name(support)
            known.setdefault(key, support)
            kernels[name] = support.host.kernel or "not known"
        said.setdefault(name, {})[key] = None
    names_of: dict[tuple[tuple[object, ...], ...], list[str]] = {}
    for name, keys in said.items():
        names_of.setdefault(tuple(keys), []).append(name)
    return [
        Group(names, [known[key] for key in keys], _versions(names, kernels), about)
        for keys, names in sorted(names_of.items(), key=lambda group: -len(group[1]))
    ]


def _versions(names: Iterable[str], kernels: Mapping[str, str]) -> list[str]:
    return sorted({kernels[name] for name in names if name in kernels})


def _check(args: Namespace, out: Output) -> Status:
    files = [word for word in args.flags if _is_file(word)]
    if len(args.flags) == len(files) and not args.prefer and args.profile is None:
        raise CommandError(
            "nothing to check is given", "name flags (0 for none), or a profile with --profile"
        )
    catalog = _chosen_catalog(args, out)
    wanted = _request(args, catalog)
    if files:
        _refuse_device(args)
        return _check_pool(args, out, Pool(args, out, catalog, files, wanted.scope), wanted)
    for option, given in (("--skip-bad", args.skip_bad), ("--list", args.list)):
        if given:
            raise CommandError(f"{option} is for files, and none is given", "name a file")
    support = _ask_one(args, catalog)
    answer = Resolution(support=support, request=wanted, profile=args.profile or "")
    if args.json:
        out.emit(records.dumps(answer))
    else:
        out.say(str(answer))
    return _status(answer)


def _request(args: Namespace, catalog: Catalog) -> Request:
    base = _profile(args.profile, catalog) if args.profile is not None else Request()
    return evolve(
        base,
        required=base.required
        | union(_required(word, catalog) for word in args.flags if not _is_file(word)),
        preferred=(*base.preferred, *(parse_mask(text, catalog) for text in args.prefer)),
        forbidden=base.forbidden | union(parse_mask(text, catalog) for text in args.forbid),
        prerequisites=Prerequisites.ADD if args.add_prerequisites else base.prerequisites,
        until=Stage[args.until.upper()] if args.until else base.until,
        scope=_scope(args) or base.scope,
    )


def _required(word: str, catalog: Catalog) -> int:
    try:
        return parse_mask(word, catalog)
    except FlagSyntaxError as error:
        with suppress(OSError, ValueError):  # no file has such a name
            if word and Path(word).exists():
                hint = f"there is a file of that name: write ./{word}"
                raise CommandError(str(error), hint) from None
        raise


def _profile(name: str, catalog: Catalog) -> Request:
    if name in catalog.profiles:
        return catalog.profiles[name].request
    known = ", ".join(map(quote, catalog.profiles)) or "none"
    what = f"{quote(catalog.name)} has no profile {name!r}"
    raise CommandError(what, f"its profiles: {known}; --catalog chooses another tree")


def _status(answer: Resolution) -> Status:
    # A refusal is a no only if the host, the request or a rule really said no.
    if answer.ok:
        return Status.YES
    reasons = {problem.reason for problem in answer.problems}
    return Status.NO_ANSWER if reasons <= _OPEN else Status.NO


def _check_pool(args: Namespace, out: Output, pool: Pool, wanted: Request) -> Status:
    known: dict[tuple[object, ...], Verdict] = {}
    told: dict[str, dict[int | None, Verdict]] = {}
    again = 0
    unasked: dict[str, Verdict] = {}
    for entry in pool:
        if isinstance(entry, Unasked):
            verdict = Verdict(Status.NO_ANSWER, None, entry.reason, entry.message)
            unasked[entry.name] = verdict
            continue
        support = _support(entry)
        name, vm_type, key = _name(support), _type(support), _answers_key(support)
        if isinstance(entry, Baseline):
            name = f"{name} at {pool.place}"
        if args.json or key not in known:
            known[key] = _verdict(support, wanted, pool)
        verdict = known[key]
        of_host = told.setdefault(name, {})
        before = of_host.get(vm_type)
        again += before is not None
        if before is None or _SEVERITY.index(verdict.status) > _SEVERITY.index(before.status):
            of_host[vm_type] = verdict
    for name, verdict in unasked.items():  # another record of the host may have an answer
        told.setdefault(name, {None: verdict})
    tally = Tally(told, args.profile or "", pool.left_out, again)
    if args.list:
        out.emit("\n".join(tally.lines()))
    elif not args.json:
        out.say("\n".join(tally.text(verbose=args.verbose)))
    found = {verdict.status for types in told.values() for verdict in types.values()}
    return next(status for status in reversed(_SEVERITY) if status in found)


def _verdict(support: Support, wanted: Request, pool: Pool) -> Verdict:
    profile: str = pool.args.profile or ""
    try:
        answer = Resolution(support=support, request=wanted, profile=profile)
    except NegotiationTooHardError as error:
        end = as_command_error(error)
        pool.out.complain(f"at {pool.place}: {end.what}", end.hint)
        return Verdict(Status.NO_ANSWER, None, "too-hard", str(error))
    if pool.args.json:
        pool.out.emit(records.dumps(answer))
    if answer.ok:
        return Verdict(Status.YES, answer.mask, "", "", answer.advice)
    # The headline without the host and the profile, which the tally names.
    sentence = answer.headline.removeprefix(f"refused on {quote(support.origin)}: ")
    sentence = sentence.removeprefix(f"profile {quote(profile)}: ")
    return Verdict(_status(answer), None, str(answer.problems[0].reason), sentence, answer.advice)


@define
class Part:
    """The hosts of one kind: what those that were counted have, and those that still wait."""

    waiting: list[Support | Baseline] = Factory(list[Support | Baseline])
    seen: set[object] = Factory(set[object])
    numbers: dict[object, int] = Factory(dict[object, int])
    with_guest_memfd: int = 0

    def add(self, entry: Support | Baseline, name: str, place: str) -> None:
        """One more host, or those of one more baseline; the same record again adds nothing."""
        support = _support(entry)
        answers = place if isinstance(entry, Baseline) else _answers_key(support)
        record = name, self.numbers.setdefault(answers, len(self.numbers))
        if record in self.seen:
            return
        self.seen.add(record)
        if support.guest_memfd:
            self.with_guest_memfd += entry.count if isinstance(entry, Baseline) else 1
        self.waiting.append(entry)
        if len(self.waiting) == _CHUNK:
            self.waiting = [baseline(self.waiting)]


def _baseline(args: Namespace, out: Output) -> Status:
    catalog = _chosen_catalog(args, out)
    pool = Pool(args, out, catalog, args.files, _scope(args) or Scope.VM)
    parts: dict[tuple[str, str, int], Part] = {}
    asked: set[str] = set()
    unasked: dict[str, None] = {}
    for entry in pool:
        if isinstance(entry, Unasked):
            unasked[entry.name] = None
            continue
        support = _support(entry)
        vm_type = _type(support)
        machine, scope = _kind_of(support.host.machine), str(support.scope)
        kind = machine, scope, -1 if vm_type is None else vm_type
        parts.setdefault(kind, Part()).add(entry, _name(support), pool.place)
        asked.add(_name(support))
    silent = [name for name in unasked if name not in asked]
    rows = [Row(baseline(part.waiting), part.with_guest_memfd) for _, part in sorted(parts.items())]
    if not rows:
        what = f"no answer from {some(silent, len(silent), 3)}"
        raise CommandError(what, "record these hosts again", Status.NO_ANSWER)
    if args.json:
        for row in rows:
            out.emit(records.dumps(row.common))
    else:
        count = rows[0].common.count if len(rows) == 1 else len(asked)
        text = baseline_text(rows, count, silent, pool.left_out, verbose=args.verbose)
        out.say("\n".join(text))
    return Status.NO_ANSWER if silent else Status.YES


def _compare(args: Namespace, out: Output) -> Status:
    catalog = _chosen_catalog(args, out)
    if args.a == args.b == STDIN:
        raise CommandError("standard input cannot be both A and B", "give a file for one of them")
    scope = _scope(args) or Scope.VM
    ours = _one_host(args.a, Pool(args, out, catalog, [args.a], scope))
    if args.b is not None:
        _refuse_device(args)
        theirs = _one_host(args.b, Pool(args, out, catalog, [args.b], scope))
    else:
        with _machine(args) as machine:
            theirs = _this_host(_ask_all(args, machine, catalog), ours, scope)
    if not theirs:
        raise CommandError(
            "B has no VM that can be asked", "see `gmemflags show`", Status.NO_ANSWER
        )
    if len(ours) == len(theirs) == 1:  # two that were chosen, of whatever kind
        theirs = dict(zip(ours, theirs.values(), strict=True))
    comparisons = [compare(one, theirs[key]) for key, one in ours.items() if key in theirs]
    missing = [one.origin for key, one in ours.items() if key not in theirs]
    if args.json:
        for comparison in comparisons:
            out.emit(records.dumps(comparison))
        for origin in missing:
            out.complain(f"B has nothing like {quote(origin)}", "record B with that VM type")
    else:
        names = _name(next(iter(ours.values()))), _name(next(iter(theirs.values())))
        out.say("\n".join(comparisons_text(comparisons, missing, names)))
    safe = not missing and all(comparison.safe for comparison in comparisons)
    return Status.YES if safe else Status.NO


def _this_host(
    entries: Iterable[Entry], ours: Mapping[int | None, Support], scope: Scope
) -> dict[int | None, Support]:
    # What the device says, by VM type; a type that A has must have been asked.
    found: dict[int | None, Support] = {}
    for entry in entries:
        if isinstance(entry, Support):
            if entry.scope is scope:
                found[_type(entry)] = entry
        elif isinstance(entry, Unasked) and entry.vm_type in ours:
            what = f"B could not be asked: {entry.message}"
            raise CommandError(what, "see the errno, or choose with --vm-type", Status.NO_ANSWER)
    return found


def _one_host(name: str, pool: Pool) -> dict[int | None, Support]:
    # The chosen records of a file, by VM type; all of one host.
    found: dict[int | None, Support] = {}
    for entry in pool:
        if isinstance(entry, Unasked):
            what = f"{_shown(name)}: {quote(entry.name)} could not be asked: {entry.message}"
            raise CommandError(what, "record it again", Status.NO_ANSWER)
        support = _support(entry)
        host, vm_type = _name(support), _type(support)
        other = next((_name(one) for one in found.values()), host)
        if other != host or vm_type in found:
            again = " again" if other == host else ""
            raise CommandError(
                f"{_shown(name)} has records of {quote(other)}, and then of {quote(host)}{again}",
                "give a file for each host; for many hosts there is `gmemflags baseline`",
            )
        found[vm_type] = support
    return found


def _probe(args: Namespace, out: Output) -> Status:
    catalog = _chosen_catalog(args, out)
    around = [parse_mask(text, catalog) for text in args.around]

    def progress(tried: int) -> None:
        if not tried % 64:
            out.progress(f"masks tried: {tried}")

    with _opened_device(args) as kvm:
        report: ProbeReport = _linux().probe(
            kvm, args.vm_type or 0, catalog, around=around, limit=args.limit, progress=progress
        )
    out.progress("")
    if args.json:
        out.emit(records.dumps(report))
    else:
        out.say(str(report))
    if report.contradictions or report.support.guest_memfd is False:
        return Status.NO
    return Status.YES if report.complete else Status.NO_ANSWER


def _catalogs(args: Namespace, out: Output) -> Status:
    chosen = [_catalog(args.name)] if args.name is not None else list(CATALOGS.values())
    for catalog in chosen:
        if args.json:
            out.emit(records.dumps(catalog))
        elif args.name is not None or args.verbose:
            out.say("\n".join(catalog_text(catalog, lint(catalog))))
        else:
            out.say("\n".join(catalog_summary(catalog)))
    return Status.YES


def _schema(args: Namespace, out: Output) -> Status:
    out.emit(json_dumps(records.json_schema(), indent=2 if args.verbose else None))
    return Status.YES


_REQUEST = "--profile --prefer --forbid --add-prerequisites --until"
_WHO = "--device --host"
_CHOICE = "--scope --vm-type --machine"
_TREE = "--catalog --flags-hi --force"
_PRINT = "--json --verbose"
_FILES = f"{WRITTEN}; - is standard input"
_ONE_HOST = "a file with the records of one host; - is standard input"


def _operand(metavar: str, nargs: str | None, text: str) -> Mapping[str, Any]:
    return {"metavar": metavar, "nargs": nargs, "help": text}


_COMMANDS = (
    Command(
        "show",
        "Show which guest_memfd flags a host lists, and for which type of VM.",
        {"files": _operand("FILE", "*", f"instead of a device: {_FILES}")},
        f"{_WHO} {_CHOICE} {_TREE} --skip-bad {_PRINT}",
        ("gmemflags show", "gmemflags show --json >>hosts.jsonl", "gmemflags show hosts.jsonl"),
        _show,
    ),
    Command(
        "check",
        "Check whether a host takes the flags you want, or each of many, and say why not.",
        {
            "flags": _operand(
                "FLAGS|FILE",
                "*",
                "required flags: names or masks, joined by | or a comma; 0 is none. A word with a"
                f" dot or a slash is a file: {_FILES}",
            )
        },
        f"{_REQUEST} {_WHO} {_CHOICE} {_TREE} --skip-bad --list {_PRINT}",
        (
            "gmemflags check MMAP --prefer INIT_SHARED",
            "gmemflags check --profile fully-shared hosts.jsonl",
            "gmemflags check MMAP,INIT_SHARED --list hosts.jsonl | grep refused",
        ),
        _check,
    ),
    Command(
        "probe",
        "Try which combinations of flags a VM takes, and learn the rules behind them.",
        {},
        f"--device --vm-type {_TREE} --limit --around {_PRINT}",
        (
            "gmemflags probe",
            "gmemflags probe --json >tree.json",
            "gmemflags show --catalog tree.json",
        ),
        _probe,
    ),
    Command(
        "compare",
        "Compare two hosts: may what runs on A run on B?",
        {
            "a": _operand("A", None, _ONE_HOST),
            "b": _operand("B", "?", f"{_ONE_HOST} (default: the device, or --host)"),
        },
        f"{_WHO} {_CHOICE} {_TREE} --skip-bad {_PRINT}",
        ("gmemflags compare a.jsonl b.jsonl", "gmemflags compare a.jsonl --host linux-6.8-x86_64"),
        _compare,
    ),
    Command(
        "baseline",
        "Show what all hosts of a pool have, for each kind of host.",
        {"files": _operand("FILE", "+", _FILES)},
        f"{_CHOICE} {_TREE} --skip-bad {_PRINT}",
        ("gmemflags baseline hosts.jsonl", "gmemflags baseline --machine aarch64 hosts.jsonl"),
        _baseline,
    ),
    Command(
        "catalogs",
        "List the flags, numbers, rules and profiles of kernel trees.",
        {"name": _operand("NAME|FILE", "?", f"all about one: {', '.join(CATALOGS)}, or a file")},
        _PRINT,
        ("gmemflags catalogs", "gmemflags catalogs linux-mainline"),
        _catalogs,
    ),
    Command(
        "schema",
        "Print the JSON Schema of all records.",
        {},
        "--verbose",
        ("gmemflags schema >gmemflags.schema.json", "gmemflags schema --verbose"),
        _schema,
    ),
)

PROGRAM = Program({command.name: command for command in _COMMANDS}, OPTIONS)
