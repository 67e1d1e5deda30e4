"""What imports cost: CPU time above a bare interpreter, in units of attrs and enum."""

from bench import Figure, above, cpu_times, python

REFERENCE = "import attrs, enum"
LIMITS = {
    "import gmemflags": 0.5,
    "from gmemflags import GuestMemfdFlag, Request, query, negotiate": 1.6,
}


def figures() -> list[Figure]:
    """Each import, divided by the reference."""
    programs = ["pass", REFERENCE, *LIMITS]
    times = cpu_times({program: python(program) for program in programs})
    unit = above(times, REFERENCE, "pass")
    return [
        (f"{program} / {REFERENCE}", above(times, program, "pass") / unit, limit)
        for program, limit in LIMITS.items()
    ]
