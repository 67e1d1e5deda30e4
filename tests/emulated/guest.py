"""The first process of an emulated machine: it asks KVM, prints records, and runs the tests of KVM.

Its lines that begin with "guest: " are for `make kernels`; the last is "all passed" if that is so.
"""

import ctypes
import os
import subprocess
import traceback
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
POWER_OFF = 0x4321FEDC  # LINUX_REBOOT_CMD_POWER_OFF, uapi/linux/reboot.h
PYTHON = "/usr/bin/python3"


def main() -> None:
    """Prepare the machine, ask its kernel, test on it, and switch it off."""
    try:
        prepare()
        ok = ask()
    except Exception:  # noqa: BLE001  # whatever it is, the machine has to be switched off
        traceback.print_exc()
        ok = False
    print("guest: all passed" if ok else "guest: failed", flush=True)
    os.sync()
    LIBC.reboot(ctypes.c_uint(POWER_OFF))


def prepare() -> None:
    """Mount what every program expects, and load KVM."""
    os.environ.update(
        PATH="/usr/sbin:/usr/bin:/sbin:/bin", HOME="/tmp", LC_ALL="C.UTF-8", NO_COLOR="1"
    )
    kinds = {"proc": "/proc", "sysfs": "/sys", "devtmpfs": "/dev", "tmpfs": "/tmp"}
    for kind, place in {**kinds, "devpts": "/dev/pts"}.items():
        Path(place).mkdir(exist_ok=True)
        if LIBC.mount(b"none", place.encode(), kind.encode(), 0, None):
            print(f"{place}: {os.strerror(ctypes.get_errno())}")
    Path("/dev/fd").symlink_to("/proc/self/fd")
    if module := os.environ.get("KVM_MODULE"):
        subprocess.run(["depmod"], check=True)
        subprocess.run(["modprobe", module], check=True)


def ask() -> bool:
    """Let the command line and the tests speak; whether nothing failed."""
    os.chdir("/project")
    page = os.sysconf("SC_PAGE_SIZE")
    print(f"guest: Linux {os.uname().release}, {os.uname().machine}, pages of {page} bytes")
    run("-m", "gmemflags", "show", "--verbose")
    run("-m", "gmemflags", "show", "--json")
    types = [0, *listed_types()]
    for vm_type in sorted(set(types)):
        run("-m", "gmemflags", "probe", "--vm-type", vm_type)
        run("-m", "gmemflags", "probe", "--vm-type", vm_type, "--json")
    run("examples/boot.py")
    os.environ["GMEMFLAGS_REQUIRE"] = "kvm"
    tests = ["tests/kernel", "tests/linux"]
    options = ["-c", "/dev/null", "--rootdir", ".", "-p", "no:cacheprovider", "-q"]
    options += ["-W", "ignore::pytest.PytestUnknownMarkWarning"]
    return run("-m", "pytest", *options, *tests) == 0


def listed_types() -> list[int]:
    """The VM types that /dev/kvm lists."""
    from gmemflags import bits, query
    from gmemflags.linux import Kvm

    with Kvm.open() as kvm:
        listed = query(kvm).answer("VM_TYPES") or 0
    return [bit.bit_length() - 1 for bit in bits(listed)]


def run(*arguments: object) -> int:
    """Run a Python program, and tell how it ended."""
    words = [*map(str, arguments)]
    print(f"\n$ python {' '.join(words)}", flush=True)
    status = subprocess.run([PYTHON, *words], check=False).returncode
    print(f"guest: {' '.join(words)}: exit status {status}", flush=True)
    return status


if __name__ == "__main__":
    main()
