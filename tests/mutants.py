"""Break the source in a thousand small ways, and see that tests notice: ``make mutate``.

mutmut makes the mutants and runs, for each, the tests that reach its function. In a strict module
each mutant that no test notices fails this program; elsewhere it is printed for a person to read,
and more than one in ``ONE_IN`` fails. ``MUTANTS_AT_ONCE`` says how many are tried at a time; by
default one for each processor.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORK = ROOT / ".venv" / "mutants"
# What is mutated, and the tests that have to notice.
GROUPS = {
    "_masks.py": "tests/test_masks.py tests/test_flagword.py tests/property/test_masks.py"
    " tests/property/test_merge.py tests/test_catalog.py tests/test_format.py tests/test_rules.py"
    " tests/test_request.py tests/test_host.py",
    "_solver.py": "tests/test_solver.py tests/property/test_solver.py"
    " tests/property/test_negotiation_proof.py",
    "_rules.py": "tests/test_rules.py",
    "_host.py": "tests/test_host.py tests/test_backends.py tests/property/test_query.py",
    "_catalog.py": "tests/test_catalog.py tests/test_request.py tests/property/test_values.py",
    "_decision.py": "tests/test_decision.py tests/test_too_hard.py"
    " tests/property/test_negotiation_laws.py tests/property/test_negotiation_proof.py",
    "_resolve.py": "tests/test_resolve.py tests/test_decision.py",
    "_[efs][xou]*.py": "tests/test_explain.py tests/test_suggest.py tests/test_format.py"
    " tests/test_golden.py",
    "_l[ie]*.py": "tests/test_lint.py tests/test_learn.py tests/property/test_learning.py",
    "_fleet.py": "tests/test_fleet.py tests/property/test_fleet.py",
    "_documents.py": "tests/records tests/property/test_records.py",
    "records.py": "tests/records tests/property/test_records.py",
}
# What would make a wrong yes, and what reads records.
STRICT = re.compile(r"(_(masks|solver|rules|host|resolve|documents)|records)\.py")
ONE_IN = 50  # mutants of any other group may live, for one of the reasons in tests/README.md
# A timeout counts only in functions with a loop that a mutant may never leave, or leave too late.
LOOPS = {
    "bits",
    "names_of",
    "_smallest",
    "_search",
    "_propagate",
    "_most_common",
    "needed",
    "_added_by",
}
CONFIG = """
[tool.mutmut]
source_paths = ["src"]
only_mutate = ["src/gmemflags/{what}"]
timeout_multiplier = 3.0
timeout_constant = 1.5
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = ["--hypothesis-profile=mutate"]
"""
# The type in a cast() is for type checkers: no test can notice it.
_CAST = re.compile(r"""\bcast\((?:"[^"]*"|[^,"]*),""")
_RESULT = re.compile(r"^ +(gmemflags\.([\w.]+)\.(x\w+)__mutmut_\d+): (.+)$", re.MULTILINE)


def _directory(what: str) -> Path:
    return WORK / re.sub(r"\W+", "_", what).strip("_")


def mutate(what: str) -> str:
    """What mutmut says of every mutant of a group."""
    work = _directory(what)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for name in ("src", "tests"):
        (work / name).symlink_to(ROOT / name)
    config = CONFIG.format(what=what, tests=GROUPS[what].split())
    (work / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text() + config)
    env = os.environ | {"GMEMFLAGS_CASES": "400", "GMEMFLAGS_FUZZ": "400"}
    children = os.environ.get("MUTANTS_AT_ONCE", str(os.cpu_count()))
    with (work / "log").open("w") as log:
        run = [sys.executable, "-m", "mutmut", "run", "--max-children", children]
        if subprocess.run(run, cwd=work, env=env, stdout=log, stderr=log, check=False).returncode:
            raise SystemExit(f"mutmut failed; see {work / 'log'}")
    return _output(work, "results", "--all", "true")


def _output(work: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "mutmut", *arguments]
    return subprocess.run(command, cwd=work, capture_output=True, text=True, check=True).stdout


def _only_casts(work: Path, mutant: str) -> bool:
    # Whether a mutant changes nothing but types in casts.
    lines = _output(work, "show", mutant).splitlines()
    old, new = (
        [_CAST.sub("", line[1:]) for line in lines if line[:2] == mark] for mark in ("- ", "+ ")
    )
    return old == new


def main(groups: list[str]) -> None:
    """Run the groups whose names begin so, or all; say what came out of each module."""
    wrong: list[str] = []
    for what in GROUPS:
        if groups and not what.startswith(tuple(groups)):
            continue
        ends: dict[str, Counter[str]] = {}
        alive: list[str] = []
        for mutant, module, mangled, end in _RESULT.findall(mutate(what)):
            path = f"{module}.py"
            ends.setdefault(path, Counter())[end] += 1
            name = mangled.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
            if end == "timeout" and name in LOOPS:
                continue
            if end != "killed" and not _only_casts(_directory(what), mutant):
                alive.append(f"{mutant}: {end}")
                if STRICT.fullmatch(path):
                    wrong.append(f"{mutant}: {end}, in a strict module")
        for path, counts in sorted(ends.items()):
            say(f"{path:32} " + ", ".join(f"{n} {end}" for end, n in sorted(counts.items())))
        for line in alive:
            say(f"  {line}")
        total = sum(counts.total() for counts in ends.values())
        if len(alive) * ONE_IN > total or not total:
            wrong.append(f"{what}: {len(alive)} of {total} mutants live")
    raise SystemExit("\n".join(wrong) or None)


def say(line: str) -> None:
    """Print a line at once: the next group takes minutes."""
    print(line, flush=True)  # noqa: T201  # a program of its own


if __name__ == "__main__":
    main(sys.argv[1:])
