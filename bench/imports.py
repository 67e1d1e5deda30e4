"""What imports cost: CPU time above a bare interpreter, in units of attrs and enum."""

import subprocess

from bench import Figure, above, cpu_times, python

REFERENCE = "import attrs, enum"
LIMITS = {"import gmemflags": 1.75, "import gmemflags, gmemflags.linux": 1.9}
COUNT = """
import enum, sys, attrs
from collections import Counter
before = set(sys.modules)
import gmemflags, gmemflags.linux
modules = [name for name in sys.modules if name not in before and "gmemflags" not in name]
kinds = {v for n, m in sys.modules.items() if "gmemflags" in n for v in vars(m).values()
         if isinstance(v, type) and v.__module__.startswith("gmemflags")}
print(f"imports: {sum(map(attrs.has, kinds))} attrs classes,"
      f" {sum(isinstance(k, enum.EnumType) for k in kinds)} enums,"
      f" {sum(issubclass(k, tuple) for k in kinds)} named tuples;"
      f" standard modules: {', '.join(sorted(modules))}")
"""


def figures() -> list[Figure]:
    """Each import, divided by the reference."""
    print(subprocess.run(python(COUNT), check=True, capture_output=True, text=True).stdout.strip())
    programs = ["pass", REFERENCE, *LIMITS]
    times = cpu_times({program: python(program) for program in programs})
    unit = above(times, REFERENCE, "pass")
    return [
        (f"{program} / {REFERENCE}", above(times, program, "pass") / unit, limit)
        for program, limit in LIMITS.items()
    ]
