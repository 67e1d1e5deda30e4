"""Ratios of what the library costs to what the obvious code costs, measured in one run.

Each module of this package has a ``figures()``; ``python -m bench`` prints them all. Nothing here
asserts: a limit is printed beside the ratio, and the reader decides.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from tempfile import TemporaryDirectory

Figure = tuple[str, float, float | None]
"""Name, ratio, and its limit if it has one."""


def skip(name: str, why: str) -> None:
    """Say why a figure is not there."""
    print(f"{name}: skipped: {why}", flush=True)


def cpu_times(
    commands: Mapping[str, Sequence[str]], rounds: int = 31
) -> dict[str, tuple[float, ...]]:
    """CPU seconds of each command as a child of its own, in rounds of one child a command.

    The first round is not counted: it writes the bytecode of all that is loaded, so that neither
    side is compiled in the others. Raises RuntimeError with the last line of its standard error
    if a child fails.
    """
    with TemporaryDirectory(prefix="gmemflags-bench-") as bytecode:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        measured = [
            [_cpu_time(command, environment) for command in commands.values()]
            for _ in range(rounds + 1)
        ]
    return dict(zip(commands, zip(*measured[1:], strict=True), strict=True))


def above(times: Mapping[str, tuple[float, ...]], name: str, base: str) -> float:
    """The median, over all rounds, of what one command takes more than another."""
    pairs = zip(times[name], times[base], strict=True)
    return statistics.median(one - other for one, other in pairs)


def _cpu_time(command: Sequence[str], environment: Mapping[str, str]) -> float:
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as child:
        errors = child.stderr.read() if child.stderr else b""
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        lines = errors.decode(errors="replace").strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"exit status {child.returncode}")
    return usage.ru_utime + usage.ru_stime


def python(program: str) -> list[str]:
    """The command that runs a program in an interpreter like this one."""
    return [sys.executable, "-c", program]
