"""The commands: who is asked, which records are read, and what is done with the answers.

``gmemflags.linux`` is loaded by the commands that open a device and by nothing else, so records
are read by a Python without ctypes, too.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from errno import EBADF
from json import dumps as json_dumps
from pathlib import Path
from typing import BinaryIO, NamedTuple

from attrs import define, evolve

from gmemflags import records
from gmemflags._catalog import Capability, Catalog, Prerequisites, Request, Scope
from gmemflags._cli import WRITTEN, Command, CommandError, Output, Status, as_command_error, number
from gmemflags._cli._render import (
    Group,
    Row,
    Tally,
    Unasked,
    Verdict,
    baseline_text,
    catalog_summary,
    catalog_text,
    hosts_text,
    plural,
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
from gmemflags._fleet import Baseline, Comparison, baseline, compare
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
LONGEST = 1 << 24
"""No line of a file of records, and no catalog, has more bytes."""
_GIVE_UP = 1 << 30
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


# Options


def _add_output(parser: ArgumentParser, json: str) -> None:
    parser.add_argument("--json", action="store_true", help=f"for programs: print {json}")
    parser.add_argument("-v", "--verbose", action="store_true", help="show more")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing: see the status")


def _add_device(parser: ArgumentParser) -> None:
    parser.add_argument("--device", metavar="PATH", help=f"the KVM device (default: {DEVICE})")


def _add_host(parser: ArgumentParser) -> None:
    _add_device(parser)
    parser.add_argument(
        "--host",
        metavar="NAME",
        choices=hosts,
        help="a host that comes with this program, recorded or derived from the kernel's sources,"
        f" instead of a device: {', '.join(hosts)}",
    )


def _add_choice(parser: ArgumentParser, scope: str) -> None:
    parser.add_argument(
        "--scope",
        choices=[str(scope) for scope in Scope],
        help=f"VMs, or /dev/kvm, which says what the host could offer at most (default: {scope})",
    )
    parser.add_argument("--vm-type", metavar="N", type=number, help="VMs of this type only")
    parser.add_argument("--machine", metavar="NAME", help="hosts of this machine only: x86_64, ...")


def _add_files(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--skip-bad", action="store_true", help="report broken lines of a file, and go on"
    )


def _add_catalog(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--catalog",
        metavar="NAME|FILE",
        default=MAINLINE.name,
        help=f"the kernel tree that names the flags: {', '.join(CATALOGS)}, or a JSON file that"
        f" `catalogs --json` or `probe --json` wrote (default: {MAINLINE.name})",
    )
    parser.add_argument(
        "--flags-hi",
        metavar="N",
        type=number,
        help="the number of KVM_CAP_GUEST_MEMFD_FLAGS_HI in a tree that has one; a wrong number"
        " turns another capability's answer into flags",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="let --flags-hi be a number that mainline gives to another capability",
    )


def _add_request(parser: ArgumentParser) -> None:
    parser.add_argument("--profile", metavar="NAME", help="a named request of the catalog")
    for name, what in (
        ("--prefer", "flags to have if possible, all or none; may be repeated, first is best"),
        ("--forbid", "flags that must not be in the answer; may be repeated"),
    ):
        parser.add_argument(name, metavar="FLAGS", action="append", default=[], help=what)
    parser.add_argument(
        "--add-prerequisites",
        action="store_true",
        help="add flags that the wanted ones require, instead of refusing",
    )
    parser.add_argument(
        "--until",
        choices=[str(stage) for stage in Stage],
        help="the last stage whose rules count (default: that of the profile, or access)",
    )


# Catalogs


def _chosen_catalog(args: Namespace, out: Output) -> Catalog:
    catalog = _catalog(args.catalog)
    chosen: int | None = args.flags_hi
    if chosen is None:
        return catalog
    owner = TAKEN.get(chosen) or next(
        (name for name, known in MAINLINE.capabilities.items() if known == chosen), ""
    )
    called = f"KVM_CAP_{owner}" if owner else "another capability"
    if chosen <= LAST_NUMBER and not args.force:
        raise CommandError(
            f"--flags-hi {chosen}: this number is {called} in mainline",
            "give the number of your tree; --force reads the answer as flags all the same",
        )
    out.complain(
        f"capability {chosen} is read as bits 63:32 of the flags, because you said so"
        + (f" (in mainline it is {called})" if chosen <= LAST_NUMBER else ""),
        "check the number: a wrong one turns another capability's answer into flags",
    )
    numbers = {**catalog.capabilities, Capability.GUEST_MEMFD_FLAGS_HI.value: chosen}
    return evolve(catalog, name=f"{catalog.name}+flags-hi-{chosen}", capabilities=numbers)


def _catalog(name: str) -> Catalog:
    if name in CATALOGS:
        return CATALOGS[name]
    if not _is_file(name):
        raise CommandError(
            f"no catalog is called {name!r}",
            f"name one of {', '.join(CATALOGS)}, or a file: ./{name}",
        )
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
    raise CommandError(
        f"{_shown(name)} is a record of something else than a catalog",
        "give a file that `gmemflags catalogs --json` or `gmemflags probe --json` wrote",
    )


# Files of records


def _is_file(word: str) -> bool:
    # No flag, no mask and no name of a catalog has a dot or a slash.
    return word == STDIN or "." in word or "/" in word


def _shown(name: str) -> str:
    return "standard input" if name == STDIN else quote(name) or "''"


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    # Any OSError in the block ends the command.
    try:
        if name != STDIN:
            with open(name, "rb") as file:  # noqa: PTH123  # Path takes "" for the directory
                yield file
        elif sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]  # as with <&-
            raise OSError(EBADF, os.strerror(EBADF))
        else:
            yield sys.stdin.buffer
    except (OSError, ValueError) as error:  # a NUL in the name
        if isinstance(error, (GmemFlagsError, BrokenPipeError)):
            raise
        why = error.strerror if isinstance(error, OSError) else error
        raise CommandError(
            f"{_shown(name)} cannot be read: {why}",
            "give a file that can be read, or - for standard input",
        ) from None


def _lines(file: BinaryIO, name: str) -> Iterator[bytes]:
    # Of a line that is too long to be a record no more is kept than shows that.
    while line := file.readline(LONGEST + 2):
        yield line
        skipped = len(line)
        while len(line) > LONGEST and not line.endswith(b"\n"):
            line = file.readline(LONGEST + 2)
            skipped += len(line)
            if not line:
                return
            if skipped > _GIVE_UP:
                raise CommandError(f"{_shown(name)} has a line without an end", f"give {WRITTEN}")


@define
class Pool:
    """The records of some files that --scope, --vm-type and --machine choose."""

    args: Namespace
    out: Output
    catalog: Catalog
    files: list[str]
    scope: Scope | None
    read: int = 0
    bad: int = 0
    left_out: int = 0
    place: str = ""

    def __iter__(self) -> Iterator[Support | Unasked]:
        """Every chosen record; what was skipped is reported at the end.

        Raises:
            CommandError: A file cannot be read, or no record is chosen.
            RecordError: A line is broken, and --skip-bad is not given.
        """
        chosen = 0
        for name in _each_once(self.files, self.out):
            with _opened(name) as file:
                for support in self._records(file, name):
                    self.read += 1
                    if not self.read % _STEP:
                        self.out.progress(f"{self.read} records")
                    if _is_chosen(support, self.args, self.scope):
                        chosen += 1
                        yield support
                    else:
                        self.left_out += 1
        self.out.progress("")
        if self.bad:
            self.out.complain(
                f"broken lines that were skipped: {self.bad}; records read: {self.read}",
                "record these hosts again: they are missing from the answer",
            )
        if not chosen:
            raise self._nothing()

    def _records(self, file: BinaryIO, name: str) -> Iterator[Support]:
        bad = self._report if self.args.skip_bad else None
        for support in records.load_lines(self._numbered(file, name), name=_shown(name), bad=bad):
            same = support.catalog is self.catalog or support.catalog == self.catalog
            yield support if same else support.under(self.catalog)

    def _numbered(self, file: BinaryIO, name: str) -> Iterator[bytes]:
        for count, line in enumerate(_lines(file, name), 1):
            self.place = f"{_shown(name)}, line {count}"
            yield line

    def _report(self, error: RecordError) -> None:
        self.bad += 1
        if self.bad <= _TOLD:
            more = "; further ones are only counted" if self.bad == _TOLD else ""
            self.out.complain(f"skipped: {error}", f"record that host again{more}")

    def _nothing(self) -> CommandError:
        names = ", ".join(map(_shown, self.files[:3]))
        if not self.read:
            readable = " that can be read" if self.bad else ""
            return CommandError(f"no record{readable} in {names}", f"give {WRITTEN}")
        return CommandError(
            f"no record in {names} is of that scope, VM type and machine; records read: {self.read}",
            "choose others with --scope, --vm-type and --machine",
        )


def _each_once(files: list[str], out: Output) -> Iterator[str]:
    seen: set[object] = set()
    for name in files:
        key: object = name
        with suppress(OSError, ValueError):
            found = os.stat(name) if name != STDIN else os.fstat(0)
            key = found.st_dev, found.st_ino
        if key in seen:
            out.complain(f"{_shown(name)} is given twice", "it is read once; leave it out")
            continue
        seen.add(key)
        yield name


def _is_chosen(entry: Support | Unasked, args: Namespace, scope: Scope | None) -> bool:
    if isinstance(entry, Unasked):
        return True
    host = entry.host
    if scope is not None and entry.scope is not scope:
        return False
    if args.vm_type is not None and (
        host.vm_type is None or vm_type_alone(host.vm_type, host.machine) != args.vm_type
    ):
        return False
    return args.machine is None or _kind_of_machine(host.machine) == _kind_of_machine(args.machine)


def _kind_of_machine(machine: str | None) -> str | None:
    return None if machine is None else architecture(machine) or machine


def _host_name(support: Support) -> str:
    return getattr(support.host, "name", None) or support.origin


def _answers_key(support: Support) -> tuple[object, ...]:
    # Equal for hosts that no question to the library can tell apart, but by their names.
    host = support.host
    answers, errors = tuple(support.answers.items()), tuple(support.errors.items())
    return answers, errors, support.scope, host.machine, host.vm_type, id(support.catalog)


# Devices and hosts that come with this program


class Machine(NamedTuple):
    """Who can be asked: itself, and a new VM of a given type for as long as it is used."""

    name: str
    about: str
    system: Backend
    vm: Callable[[int], AbstractContextManager[Backend]]


def _visible(text: str) -> str:
    # Names that are not UTF-8 have surrogates, which no document may hold.
    return text.encode("utf-8", "backslashreplace").decode()


@contextmanager
def _machine(args: Namespace) -> Iterator[Machine]:
    if getattr(args, "host", None) is not None:
        if args.device is not None:
            raise CommandError("--device and --host exclude each other", "give one of them")
        host = hosts[args.host]
        yield Machine(host.name, f"{host.how}: {host.source}", host.system, host.vm)
        return
    with _linux().Kvm.open(args.device or DEVICE) as kvm:
        yield Machine(_visible(os.uname().nodename), "", kvm, kvm.create_vm)


class Linux(NamedTuple):
    """What is loaded only where a device is opened."""

    Kvm: type
    probe: Callable[..., ProbeReport]


def _linux() -> Linux:
    try:
        from gmemflags.linux import Kvm, probe  # noqa: PLC0415  # records are read without ctypes
    except ImportError as error:
        raise CommandError(
            f"no device can be asked: {error}",
            "use a Python with ctypes; records and --host need none",
            Status.NO_ANSWER,
        ) from None
    return Linux(Kvm, probe)


def _asked(backend: Backend, machine: Machine, catalog: Catalog) -> Support:
    return _named(query(backend, catalog), machine)


def _named(support: Support, machine: Machine) -> Support:
    # As records tell it elsewhere: with the name of the host.
    origin = _visible(support.origin)
    if not machine.about:
        origin = f"{origin} of {machine.name}"
    return evolve(support, origin=origin)


def _asked_vm(vm_type: int, machine: Machine, catalog: Catalog) -> Support:
    try:
        with machine.vm(vm_type) as vm:
            return _asked(vm, machine, catalog)
    except KvmUnavailableError as error:
        if error.reason is Unavailable.NO_VM:
            with suppress(GmemFlagsError):
                known = _vm_types(query(machine.system, catalog))
                if vm_type not in known:
                    listed = ", ".join(map(str, known))
                    hint = f"choose a VM type that the host lists with --vm-type: {listed}"
                    raise CommandError(str(error), hint, Status.NO_ANSWER) from None
        raise


def _vm_types(system: Support) -> list[int]:
    listed = system.known_answer(Capability.VM_TYPES) or 1
    return [bit.bit_length() - 1 for bit in bits(listed)]


def _one_support(args: Namespace, catalog: Catalog) -> Support:
    # The one descriptor that --scope and --vm-type choose: a VM of type 0 by default.
    if args.scope == Scope.SYSTEM and args.vm_type is not None:
        raise CommandError("--scope system asks no VM", "leave out --vm-type, or --scope system")
    with _machine(args) as machine:
        if args.scope == Scope.SYSTEM:
            support = _asked(machine.system, machine, catalog)
        else:
            support = _asked_vm(args.vm_type or 0, machine, catalog)
    if not _is_chosen(support, args, None):
        raise CommandError(
            f"{machine.name} is of machine {support.host.machine}", "leave out --machine"
        )
    return support


def _refuse_device(args: Namespace) -> None:
    for option in ("device", "host"):
        if getattr(args, option) is not None:
            raise CommandError(f"a file and --{option} exclude each other", "give one of them")


# show


def _add_show(parser: ArgumentParser) -> None:
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        help=f"{WRITTEN}, instead of a device; - is standard input",
    )
    _add_host(parser)
    _add_choice(parser, "both")
    _add_catalog(parser)
    _add_files(parser)
    _add_output(parser, "a record a line, one for each descriptor that was asked")


def _show(args: Namespace, out: Output) -> Status:
    catalog = _chosen_catalog(args, out)
    if args.files:
        _refuse_device(args)
        entries: Iterable[Support | Unasked] = Pool(args, out, catalog, args.files, _scope(args))
        about: tuple[str, ...] = ()
    else:
        with _machine(args) as machine:
            entries = list(_ask_all(args, machine, catalog))
        about = (machine.about,) if machine.about else ()
    status = Status.YES
    if args.json:
        for entry in entries:
            if isinstance(entry, Support):
                out.emit(records.dumps(entry))
            else:
                out.complain(f"{entry.name}: {entry.message}", "ask again, or leave it out")
                status = Status.NO_ANSWER
        return status
    groups = _grouped(entries, machine.name if not args.files else None, about)
    out.say("\n".join(hosts_text(groups, verbose=args.verbose)))
    if any(isinstance(entry, Unasked) for group in groups for entry in group.entries):
        return Status.NO_ANSWER
    return status


def _scope(args: Namespace) -> Scope | None:
    return None if args.scope is None else Scope(args.scope)


def _ask_all(args: Namespace, machine: Machine, catalog: Catalog) -> Iterator[Support | Unasked]:
    system = _asked(machine.system, machine, catalog)
    if args.scope != Scope.VM and args.vm_type is None:
        yield system
    if args.scope == Scope.SYSTEM:
        return
    for vm_type in _vm_types(system) if args.vm_type is None else [args.vm_type]:
        try:
            yield _asked_vm(vm_type, machine, catalog)
        except (KvmUnavailableError, CapabilityQueryError, InconsistentAnswerError) as error:
            reason = str(getattr(error, "reason", "failed"))
            yield Unasked(machine.name, vm_type, reason, str(error))


def _grouped(
    entries: Iterable[Support | Unasked], name: str | None, about: tuple[str, ...]
) -> list[Group]:
    # Hosts with the same answers together, in constant memory for each further host.
    known: dict[tuple[object, ...], Support | Unasked] = {}
    said: dict[str, dict[tuple[object, ...], None]] = {}
    kernels: dict[str, str] = {}
    for entry in entries:
        if isinstance(entry, Support):
            key = _answers_key(entry)
            host = name or _host_name(entry)
            kernels[host] = entry.host.kernel or "not known"
        else:
            key, host = (entry.reason, entry.message, entry.vm_type), entry.name
        known.setdefault(key, entry)
        said.setdefault(host, {})[key] = None
    groups: dict[tuple[object, ...], list[str]] = {}
    for host, keys in said.items():
        groups.setdefault(tuple(keys), []).append(host)
    return [
        Group(
            names,
            len(names),
            [entry for key, entry in known.items() if key in keys],
            [*_facts([kernels[host] for host in names if host in kernels], known, keys), *about],
        )
        for keys, names in sorted(groups.items(), key=lambda group: -len(group[1]))
    ]


def _facts(
    kernels: list[str],
    known: Mapping[tuple[object, ...], Support | Unasked],
    keys: Iterable[tuple[object, ...]],
) -> Iterator[str]:
    # Kernel, machine and catalog of hosts that gave the same answers.
    support = next((e for e in map(known.get, keys) if isinstance(e, Support)), None)
    if support is not None:
        versions = sorted(set(kernels))
        machine = quote(support.host.machine or "machine not known")
        catalog = quote(support.catalog.name)
        yield f"Linux {some(versions, len(versions), 3)}, {machine}; flags named by {catalog}"


# check


def _add_check(parser: ArgumentParser) -> None:
    parser.add_argument(
        "flags",
        metavar="FLAGS|FILE",
        nargs="*",
        help="required flags: names or masks, joined by | or a comma; 0 is none. A word with a dot"
        f" or a slash, or a single -, is a file: {WRITTEN}",
    )
    _add_request(parser)
    _add_host(parser)
    _add_choice(parser, "VMs; of a device one VM of type 0")
    _add_catalog(parser)
    _add_files(parser)
    parser.add_argument(
        "--list",
        action="store_true",
        help="of files: a line a host with name, verdict, mask and reason code, and tabs between",
    )
    _add_output(parser, "the whole decision, or one a line for each record")


def _check(args: Namespace, out: Output) -> Status:
    files = [word for word in args.flags if _is_file(word)]
    if not (len(args.flags) > len(files) or args.prefer or args.profile):
        raise CommandError(
            "nothing to check is given", "name flags (0 for none), or a profile with --profile"
        )
    catalog = _chosen_catalog(args, out)
    wanted = _request(args, catalog)
    if files:
        _refuse_device(args)
        return _check_pool(args, out, Pool(args, out, catalog, files, wanted.scope), wanted)
    for option in ("skip_bad", "list"):
        if getattr(args, option):
            name = f"--{option.replace('_', '-')}"
            raise CommandError(f"{name} is for files, and none is given", "name a file")
    answer = Resolution(
        support=_one_support(args, catalog), request=wanted, profile=args.profile or ""
    )
    if args.json:
        out.emit(records.dumps(answer))
    else:
        out.say(str(answer))
    return _status(answer)


def _request(args: Namespace, catalog: Catalog) -> Request:
    base = _profile(args.profile, catalog) if args.profile is not None else Request()
    required = union(_required(word, catalog) for word in args.flags if not _is_file(word))
    forbidden = union(parse_mask(text, catalog) for text in args.forbid)
    return evolve(
        base,
        required=base.required | required,
        preferred=(*base.preferred, *(parse_mask(text, catalog) for text in args.prefer)),
        forbidden=base.forbidden | forbidden,
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
    known = ", ".join(catalog.profiles) or "none"
    raise CommandError(
        f"{catalog.name} has no profile {name!r}",
        f"its profiles: {known}; --catalog chooses another tree",
    )


def _status(answer: Resolution) -> Status:
    # A refusal is a no only if the host, the request or a rule really said no.
    if answer.ok:
        return Status.YES
    reasons = {problem.reason for problem in answer.problems}
    return Status.NO_ANSWER if reasons <= _OPEN else Status.NO


def _check_pool(args: Namespace, out: Output, pool: Pool, wanted: Request) -> Status:
    profile: str = args.profile or ""
    known: dict[tuple[object, ...], Verdict] = {}
    told: dict[str, dict[int | None, Verdict]] = {}
    again = 0
    for entry in pool:
        if isinstance(entry, Unasked):
            name, vm_type = entry.name, entry.vm_type
            verdict = Verdict(Status.NO_ANSWER, None, entry.reason, entry.message)
        else:
            name, vm_type = _host_name(entry), entry.host.vm_type
            key = _answers_key(entry)
            if args.json or key not in known:
                known[key] = _verdict(entry, wanted, profile, args, pool)
            verdict = known[key]
        of_host = told.setdefault(name, {})
        before = of_host.get(vm_type)
        again += before is not None
        if before is None or _SEVERITY.index(verdict.status) > _SEVERITY.index(before.status):
            of_host[vm_type] = verdict
    tally = Tally(told, profile, pool.left_out, again)
    if args.list:
        out.emit("\n".join(tally.lines()))
    elif not args.json:
        out.say("\n".join(tally.text(verbose=args.verbose)))
    found = {verdict.status for types in told.values() for verdict in types.values()}
    return next(status for status in reversed(_SEVERITY) if status in found)


def _verdict(
    support: Support, wanted: Request, profile: str, args: Namespace, pool: Pool
) -> Verdict:
    try:
        answer = Resolution(support=support, request=wanted, profile=profile)
    except NegotiationTooHardError as error:
        end = as_command_error(error)
        pool.out.complain(f"at {pool.place}: {end.what}", end.hint)
        return Verdict(Status.NO_ANSWER, None, "too-hard", str(error))
    if args.json:
        pool.out.emit(records.dumps(answer))
    if answer.ok:
        return Verdict(Status.YES, answer.mask, "", "", answer.advice)
    first, *others = answer.problems
    sentence = answer.headline.partition(f" on {quote(support.origin)}: ")[2]
    del others
    return Verdict(_status(answer), None, str(first.reason), sentence, answer.advice)


# baseline


def _add_baseline(parser: ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", help=f"{WRITTEN}; - is standard input")
    _add_choice(parser, "VMs")
    _add_catalog(parser)
    _add_files(parser)
    _add_output(parser, "a record a line, one for each kind of host")


@define
class Part:
    """The hosts of one kind: what those that were counted have, and those that still wait."""

    waiting: list[Support]
    common: Baseline | None = None
    with_guest_memfd: int = 0

    def add(self, support: Support) -> None:
        """One more host."""
        self.with_guest_memfd += support.guest_memfd is True
        self.waiting.append(support)
        if len(self.waiting) == _CHUNK:
            self.joined()

    def joined(self) -> Baseline:
        """What all of them have."""
        done = [self.common] if self.common is not None else []
        self.common = baseline([*done, *self.waiting]) if self.waiting else done[0]
        self.waiting = []
        return self.common


def _baseline(args: Namespace, out: Output) -> Status:
    catalog = _chosen_catalog(args, out)
    pool = Pool(args, out, catalog, args.files, _scope(args) or Scope.VM)
    parts: dict[tuple[str, str, int], Part] = {}
    numbers: dict[tuple[object, ...], int] = {}
    seen: set[tuple[str, int]] = set()
    unasked: dict[str, None] = {}
    for entry in pool:
        if isinstance(entry, Unasked):
            unasked[entry.name] = None
            continue
        key = _answers_key(entry)
        known = _host_name(entry), numbers.setdefault(key, len(numbers))
        if known not in seen:  # the same record again says nothing new
            seen.add(known)
            host = entry.host
            alone = -1 if host.vm_type is None else vm_type_alone(host.vm_type, host.machine)
            kind = _kind_of_machine(host.machine) or "", str(entry.scope), alone
            parts.setdefault(kind, Part([])).add(entry)
    rows = [Row(part.joined(), part.with_guest_memfd) for _, part in sorted(parts.items())]
    if not rows:
        raise CommandError("none of the hosts could be asked", "record them again")
    if args.json:
        for row in rows:
            out.emit(records.dumps(row.common))
    else:
        count = len({name for name, _ in seen})
        lines = baseline_text(rows, count, list(unasked), pool.left_out, verbose=args.verbose)
        out.say("\n".join(lines))
    return Status.NO_ANSWER if unasked else Status.YES


# compare


def _add_compare(parser: ArgumentParser) -> None:
    what = "a file with the records of one host"
    parser.add_argument("a", metavar="A", help=f"{what}; - is standard input")
    parser.add_argument(
        "b", metavar="B", nargs="?", help=f"{what} (default: the device, or the host of --host)"
    )
    _add_host(parser)
    _add_choice(parser, "VMs")
    _add_catalog(parser)
    _add_files(parser)
    _add_output(parser, "the comparison, or one a line for each type of VM")


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
            asked = [
                entry for entry in _ask_all(args, machine, catalog) if isinstance(entry, Support)
            ]
        theirs = {_type(entry): entry for entry in asked if _is_chosen(entry, args, scope)}
    if len(ours) == len(theirs) == 1:  # two hosts that were named, of whatever kind
        pairs = [(*ours.values(), *theirs.values())]
        missing: list[Support] = []
    else:
        pairs = [(one, theirs[key]) for key, one in ours.items() if key in theirs]
        missing = [one for key, one in ours.items() if key not in theirs]
    return _compared([compare(a, b) for a, b in pairs], missing, args, out)


def _type(support: Support) -> int | None:
    vm_type = support.host.vm_type
    return None if vm_type is None else vm_type_alone(vm_type, support.host.machine)


def _one_host(name: str, pool: Pool) -> dict[int | None, Support]:
    # The chosen records of a file, by VM type; all of one host.
    found: dict[int | None, Support] = {}
    for entry in pool:
        if isinstance(entry, Unasked):
            raise CommandError(
                f"{_shown(name)}: {entry.name} could not be asked: {entry.message}",
                "record it again",
                Status.NO_ANSWER,
            )
        other = next((one for one in found.values() if _host_name(one) != _host_name(entry)), None)
        if other is not None or _type(entry) in found:
            told = quote(_host_name(other)) if other is not None else "the same host again"
            raise CommandError(
                f"{_shown(name)}: records of one host are needed, and after {told} there is"
                f" {quote(_host_name(entry))}",
                "give a file for each host; for many hosts there is `gmemflags baseline`",
            )
        found[_type(entry)] = entry
    return found


def _compared(
    comparisons: list[Comparison], missing: list[Support], args: Namespace, out: Output
) -> Status:
    safe = not missing and all(comparison.safe for comparison in comparisons)
    if args.json:
        for comparison in comparisons:
            out.emit(records.dumps(comparison))
        for one in missing:
            out.complain(f"B has no record like {one.origin}", "record B again, with that VM type")
    else:
        parts = [str(comparison) for comparison in comparisons]
        parts += [f"not safe: B has no record like {quote(one.origin)}" for one in missing]
        if len(parts) > 1:
            count = sum(comparison.safe for comparison in comparisons)
            word = "safe" if safe else "not safe"
            parts.insert(0, f"{word}: for {count} of {plural(len(parts), 'type')} of VM")
        out.say("\n".join(parts))
    return Status.YES if safe else Status.NO


# probe


def _add_probe(parser: ArgumentParser) -> None:
    _add_device(parser)
    parser.add_argument(
        "--vm-type", metavar="N", type=number, default=0, help="make VMs of this type (default: 0)"
    )
    _add_catalog(parser)
    parser.add_argument(
        "--limit",
        metavar="N",
        type=number,
        default=4096,
        help="create at most N files (default: 4096); with too few the report is incomplete",
    )
    parser.add_argument(
        "--around",
        metavar="FLAGS",
        action="append",
        default=[],
        help="try this mask too, and what is near it where not all can be tried; may be repeated",
    )
    _add_output(parser, "the report, which --catalog takes as a catalog")


def _probe(args: Namespace, out: Output) -> Status:
    catalog = _chosen_catalog(args, out)
    around = [parse_mask(text, catalog) for text in args.around]
    linux = _linux()
    with linux.Kvm.open(args.device or DEVICE) as kvm, kvm.create_vm(args.vm_type) as vm:
        report = linux.probe(
            vm,
            catalog,
            around=around,
            limit=args.limit,
            progress=lambda tried: None if tried % 64 else out.progress(f"masks tried: {tried}"),
        )
    out.progress("")
    if args.json:
        out.emit(records.dumps(report))
    else:
        out.say(str(report))
    if report.contradictions:
        return Status.NO
    return Status.YES if report.complete else Status.NO_ANSWER


# catalogs, schema


def _add_catalogs(parser: ArgumentParser) -> None:
    parser.add_argument(
        "name",
        metavar="NAME|FILE",
        nargs="?",
        help=f"show everything about one catalog: {', '.join(CATALOGS)}, or a JSON file",
    )
    _add_output(parser, "a record a line, one for each catalog")


def _catalogs(args: Namespace, out: Output) -> Status:
    chosen = [_catalog(args.name)] if args.name is not None else list(CATALOGS.values())
    if args.json:
        for catalog in chosen:
            out.emit(records.dumps(catalog))
        return Status.YES
    whole = args.name is not None or args.verbose
    lines: list[str] = []
    for catalog in chosen:
        lines += catalog_text(catalog, lint(catalog)) if whole else catalog_summary(catalog)
    out.say("\n".join(lines))
    return Status.YES


def _add_schema(parser: ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing")


def _schema(args: Namespace, out: Output) -> Status:
    del args
    out.emit(json_dumps(records.json_schema(), indent=2))
    return Status.YES


COMMANDS = (
    Command(
        "show",
        "Show which guest_memfd flags a host lists, and for which type of VM.",
        ("gmemflags show", "gmemflags show --json >>hosts.jsonl", "gmemflags show hosts.jsonl"),
        _add_show,
        _show,
    ),
    Command(
        "check",
        "Check whether hosts take the flags you want, and say why not.",
        (
            "gmemflags check MMAP --prefer INIT_SHARED",
            "gmemflags check --profile fully-shared hosts.jsonl",
            "gmemflags check INIT_SHARED,MMAP --list hosts.jsonl | grep refused",
        ),
        _add_check,
        _check,
    ),
    Command(
        "probe",
        "Try which combinations of flags a VM takes, and learn the rules behind them.",
        (
            "gmemflags probe",
            "gmemflags probe --json >tree.json",
            "gmemflags show --catalog tree.json",
        ),
        _add_probe,
        _probe,
    ),
    Command(
        "compare",
        "Compare two hosts: may what runs on A run on B?",
        (
            "gmemflags compare a.jsonl b.jsonl",
            "gmemflags compare a.jsonl --vm-type 4 --host linux-6.18-x86_64-confidential",
        ),
        _add_compare,
        _compare,
    ),
    Command(
        "baseline",
        "Show what all hosts of a pool have, for each kind of host.",
        ("gmemflags baseline hosts.jsonl", "gmemflags baseline --machine aarch64 hosts.jsonl"),
        _add_baseline,
        _baseline,
    ),
    Command(
        "catalogs",
        "List the flags, numbers, rules and profiles of kernel trees.",
        ("gmemflags catalogs", "gmemflags catalogs linux-mainline"),
        _add_catalogs,
        _catalogs,
    ),
    Command(
        "schema",
        "Print the JSON Schema of all records.",
        ("gmemflags schema >gmemflags.schema.json", "gmemflags schema | jq .title"),
        _add_schema,
        _schema,
    ),
)
