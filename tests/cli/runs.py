"""Run the command line in this process, and keep what it wrote.

The texts in `golden` are compared word for word; `python -m tests.cli.runs` writes them anew.
"""

import io
import os
from collections.abc import Iterable
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import evolve

from gmemflags import HostFacts, KvmUnavailableError, Support, Unavailable, query, records
from gmemflags.__main__ import main
from gmemflags._cli._commands import CATALOGS, COMMANDS
from gmemflags.testing import FakeBackend, hosts

GOLDEN = Path(__file__).parent / "golden"


@dataclass(frozen=True)
class Run:
    """One run of the command line."""

    status: int
    out: str
    err: str


def run(*argv: str) -> Run:
    """Run the command line with ``argv``."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main(argv)
    return Run(int(status), out.getvalue(), err.getvalue())


def error(what: str, hint: str, kind: str = "error") -> str:
    """What an error looks like on standard error."""
    return f"gmemflags: {kind}: {what}\ngmemflags: hint: {hint}\n"


def host(
    name: str, mask: int, machine: str = "x86_64", vm_type: int = 0, kernel: str = "6.18"
) -> Support:
    """What a VM of a made-up host says."""
    facts = HostFacts(kernel, machine, vm_type, name=name)
    origin = f"VM of type {vm_type} on /dev/kvm of {name}"
    return query(FakeBackend.narrow(mask, host=facts, origin=origin))


def unreachable(name: str) -> KvmUnavailableError:
    """A host that could not be asked."""
    reason = Unavailable.NO_PERMISSION
    return KvmUnavailableError(13, "Permission denied", "/dev/kvm", reason, name=name)


def lines(*values: Support | KvmUnavailableError) -> str:
    """Records of some values, one a line."""
    return "".join(f"{records.dumps(value)}\n" for value in values)


KINDS = (
    host("NAME", 3),
    host("NAME", 3, kernel="6.19"),
    host("NAME", 1, vm_type=4),
    host("NAME", 3, "aarch64"),
    host("NAME", 0, kernel="6.8"),
)


def pool(count: int) -> Iterable[str]:
    """Records of ``count`` made-up hosts of five kinds, one a line."""
    texts = [lines(kind) for kind in KINDS]
    for number in range(count):
        yield texts[number % len(texts)].replace("NAME", f"host-{number:05}")


def write_files() -> None:
    """The files that the golden runs read, in the directory of today."""
    Path("pool.jsonl").write_text("".join(pool(25)) + lines(unreachable("host-x")))
    for name in ("linux-6.18-x86_64", "linux-6.18-x86_64-confidential", "linux-6.8-x86_64"):
        Path(f"{name}.jsonl").write_text(run("show", "--host", name, "--json").out)
    Path("two.jsonl").write_text(lines(evolve(KINDS[0], origin="a"), evolve(KINDS[2], origin="b")))


_CONFIDENTIAL = ("--host", "linux-6.18-x86_64-confidential", "--vm-type", "4")
GOLDENS: dict[str, list[str]] = {
    **{f"show-{name}": ["show", "--host", name] for name in hosts},
    "show-verbose": ["show", "--host", "linux-6.8-x86_64", "--verbose"],
    "show-under-its-catalog": [
        *("show", "--host", "firecracker-secret-free-x86_64"),
        *("--catalog", "firecracker-secret-free"),
    ],
    "show-wrong-flags-hi": [
        *("show", "--host", "firecracker-secret-free-x86_64", "--flags-hi", "245", "--force", "-v"),
    ],
    "show-pool": ["show", "pool.jsonl"],
    "check-granted": ["check", "MMAP", "--prefer", "INIT_SHARED", "--host", "linux-6.18-x86_64"],
    "check-refused": ["check", "--profile", "fully-shared", *_CONFIDENTIAL],
    "check-no-guest-memfd": ["check", "--profile", "private", "--host", "linux-6.1-x86_64"],
    "check-pool": ["check", "--profile", "fully-shared", "pool.jsonl"],
    "check-list": ["check", "MMAP|INIT_SHARED", "--list", "pool.jsonl"],
    "baseline": ["baseline", "pool.jsonl"],
    "baseline-verbose": ["baseline", "--machine", "x86_64", "--vm-type", "0", "-v", "pool.jsonl"],
    "compare-safe": ["compare", "linux-6.18-x86_64.jsonl", "linux-6.18-x86_64.jsonl"],
    "compare-lost": ["compare", "linux-6.18-x86_64.jsonl", "linux-6.8-x86_64.jsonl", "--vm-type=0"],
    "compare-types": [
        *("compare", "linux-6.18-x86_64-confidential.jsonl", "linux-6.8-x86_64.jsonl"),
    ],
    "catalogs": ["catalogs"],
    **{f"catalogs-{name}": ["catalogs", name] for name in CATALOGS},
    "help": ["--help"],
    **{f"help-{name}": ["help", name] for name in COMMANDS},
}


def golden(name: str) -> str:
    """A text that was printed once, read by a person and found right."""
    return (GOLDEN / f"{name}.txt").read_text(encoding="ascii")


def write_goldens() -> None:
    """Write all golden texts anew."""
    os.environ["COLUMNS"] = "80"  # argparse folds its help
    for old in GOLDEN.glob("*.txt"):
        old.unlink()
    with TemporaryDirectory() as directory, chdir(directory):
        write_files()
        for name, argv in GOLDENS.items():
            (GOLDEN / f"{name}.txt").write_text(run(*argv).out, encoding="ascii")


if __name__ == "__main__":  # python -m tests.cli.runs writes them anew: read the diff
    write_goldens()
