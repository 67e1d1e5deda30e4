"""Boot Debian's kernels on emulated machines, and run `guest.py` on each: `make kernels`.

It needs apt, dpkg and debian-archive-keyring, as on Debian and Ubuntu, and qemu-system-x86, -arm
and -riscv (-misc before Debian 13). Packages of other architectures are unpacked below
.venv/kernels and never installed. What a machine said is in build/kernels/NAME.log, and its records
are in build/kernels/NAME.jsonl.

    python -m tests.emulated WHEEL [NAME ...]
"""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from zipfile import ZipFile

MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
PLACE, RESULTS = Path(".venv/kernels"), Path("build/kernels")
STABLE = "trixie"
# The guest's own Python, of STABLE, and what the tests import.
USERLAND = (
    "base-files",
    "kmod",
    "python3",
    "python3-attr",
    "python3-hypothesis",
    "python3-pytest",
    "python3-typing-extensions",
)
# Packages that the kernel's depend on, and that the guest has no use for.
UNUSED = "dracut", "systemd", "libsystemd", "udev", "initramfs-tools", "perl"
# Directories of modules: KVM and what it loads.
MODULES = "arch", "virt", "drivers/crypto/ccp"
SECONDS = 1800


@dataclass(frozen=True)
class Machine:
    """An emulated machine and its kernel.

    Args:
        arch: Debian's name of the architecture.
        suites: Where the kernel is from: the newest of these.
        kernel: The package of the kernel.
        qemu: The emulator and its arguments.
        console: The kernel's name of the serial console.
        module: The module that provides /dev/kvm; empty if it is built in.
    """

    arch: str
    suites: tuple[str, ...]
    kernel: str
    qemu: tuple[str, ...]
    console: str
    module: str = ""


_X86 = "qemu-system-x86_64", "-machine", "q35", "-cpu", "max"
_ARM = (
    "qemu-system-aarch64",
    "-machine",
    "virt,virtualization=on,gic-version=3",
    "-cpu",
    "max,pauth-impdef=on",
)
_RISCV = "qemu-system-riscv64", "-machine", "virt", "-cpu", "rv64,h=true"
_NEWEST = "trixie-backports", "sid"
MACHINES = {
    "x86_64-6.1": Machine("amd64", ("bookworm",), "linux-image-amd64", _X86, "ttyS0", "kvm-amd"),
    "x86_64-6.12": Machine("amd64", (STABLE,), "linux-image-amd64", _X86, "ttyS0", "kvm-amd"),
    "x86_64": Machine("amd64", _NEWEST, "linux-image-amd64", _X86, "ttyS0", "kvm-amd"),
    "aarch64": Machine("arm64", _NEWEST, "linux-image-arm64", _ARM, "ttyAMA0"),
    "aarch64-16k": Machine("arm64", _NEWEST, "linux-image-arm64-16k", _ARM, "ttyAMA0"),
    "riscv64": Machine("riscv64", _NEWEST, "linux-image-riscv64", _RISCV, "ttyS0", "kvm"),
}


def main(wheel: Path, names: Sequence[str]) -> int:
    """Boot each machine; 0 if all of them came to their end, with no failed test."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    failed = [name for name in names if not boot(name, MACHINES[name], wheel)]
    for name in failed:
        print(f"{name}: failed: see {RESULTS / name}.log")
    return 1 if failed else 0


def boot(name: str, machine: Machine, wheel: Path) -> bool:
    """Run `guest.py` as the first process of ``machine``; keep its log and its records."""
    packages = fetch(machine, PLACE / name)
    root = PLACE / "roots" / name
    unpack(packages, root)
    kernel = next(root.glob("**/vmlinuz*")).rename(root.with_suffix(".vmlinuz"))
    thin_out(root)
    site = root / "usr/lib/python3/dist-packages"
    with ZipFile(wheel) as archive:
        archive.extractall(site)
    for path in programs():
        target = root / "project" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    init = root / "init"
    init.write_text("#!/usr/bin/python3\n" + Path(__file__).with_name("guest.py").read_text())
    init.chmod(0o755)
    initrd = root.with_suffix(".cpio.gz")
    with gzip.open(initrd, "wb", compresslevel=1) as out:
        for part in newc(root):
            out.write(part)
    rmtree(root)
    arguments = [
        "panic=-1",
        "loglevel=2",
        f"console={machine.console}",
        f"hostname=emulated-{name}",
    ]
    arguments.append(f"KVM_MODULE={machine.module}")  # what the kernel does not know is for init
    command = [*machine.qemu, "-m", "2G", "-nographic", "-no-reboot", "-net", "none"]
    command += ["-kernel", str(kernel), "-initrd", str(initrd), "-append", " ".join(arguments)]
    log = RESULTS / f"{name}.log"
    print(
        f"{name}: {machine.kernel} of Debian's {machine.suites[0]}, booting; see {log}", flush=True
    )
    with log.open("wb") as out, suppress(subprocess.TimeoutExpired):
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, timeout=SECONDS, check=False)
    lines = log.read_text("utf-8", "replace").splitlines()
    records = [line for line in lines if line.startswith('{"schema":"gmemflags/')]
    for record in records:
        json.loads(record)
    (RESULTS / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in records))
    told = [line.removeprefix("guest: ") for line in lines if line.startswith("guest: ")]
    print("".join(f"    {line}\n" for line in told), end="")
    return told[-1:] == ["all passed"]


def fetch(machine: Machine, place: Path) -> list[Path]:
    """Debian's packages of userland and kernel, with all that they depend on."""
    for directory in ("lists/partial", "archives/partial"):
        (place / directory).mkdir(parents=True, exist_ok=True)
    (place / "status").touch()
    # A mirror that stood still is good enough.
    line = f"deb [signed-by={KEYS} check-valid-until=no] {MIRROR} {{}} main\n"
    (place / "sources.list").write_text("".join(map(line.format, {STABLE, *machine.suites})))
    pins = [
        ("*", STABLE, 500),
        *(("linux-*", suite, 600) for suite in machine.suites),
        ("*", "*", 100),
    ]
    (place / "preferences").write_text(
        "".join(f"Package: {p}\nPin: release n={n}\nPin-Priority: {i}\n\n" for p, n, i in pins)
    )
    here = place.resolve()
    options = {
        "APT::Architecture": machine.arch,
        "APT::Architectures::": machine.arch,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "true",
        "Dir::Etc::main": "/dev/null",
        "Dir::Etc::parts": "/dev/null",
        "Dir::Etc::preferences": here / "preferences",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::Etc::sourcelist": here / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": here,
        "Dir::State::status": here / "status",
        "Dir::Cache": here,
    }
    config = place / "apt.conf"
    config.write_text("".join(f'{key} "{value}";\n' for key, value in options.items()))
    environment = {**os.environ, "APT_CONFIG": str(config.resolve())}
    # An index that is being replaced is an error, and those of the other suites are there.
    subprocess.run(["apt-get", "update", "-qq"], env=environment, check=False)
    install = ["apt-get", "install", "-qq", "--yes", "--download-only", machine.kernel, *USERLAND]
    for old in (place / "archives").glob("*.deb"):
        old.unlink()
    subprocess.run(install, env=environment, check=True, stdout=subprocess.DEVNULL)
    return sorted((place / "archives").glob("*.deb"))


def unpack(packages: Sequence[Path], root: Path) -> None:
    """The files of all packages in one tree, as an installation would have them."""
    rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for package in packages:
        if not package.name.startswith(UNUSED):
            subprocess.run(["dpkg-deb", "--extract", package, root], check=True)


def thin_out(root: Path) -> None:
    """Remove what nothing in the guest reads: documents, and drivers."""
    for directory in ("usr/share/doc", "usr/share/locale", "usr/share/zoneinfo", "boot"):
        rmtree(root / directory, ignore_errors=True)
    for kernel in root.glob("**/lib/modules/*/kernel"):
        for module in kernel.rglob("*.ko*"):
            if not str(module.relative_to(kernel)).startswith(MODULES):
                module.unlink()


def programs() -> Iterator[Path]:
    """The tests and the examples."""
    for directory in ("tests", "examples"):
        yield from Path(directory).rglob("*.py")


def newc(root: Path) -> Iterator[bytes]:
    """The tree as an initramfs: an archive of cpio's newc format.

    Source: Documentation/driver-api/early-userspace/buffer-format.rst
    """
    for number, path in enumerate([*sorted(root.rglob("*")), None], start=1):
        if path is None:
            name, mode, data = "TRAILER!!!", 0, b""
        else:
            name, mode = str(path.relative_to(root)), path.lstat().st_mode
            data = b""
            if path.is_symlink():
                data = os.fsencode(path.readlink())
            elif path.is_file():
                data = path.read_bytes()
        encoded = os.fsencode(name) + b"\0"
        fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0]
        head = b"070701" + b"".join(b"%08X" % value for value in fields) + encoded
        yield head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:] or [*MACHINES]))
