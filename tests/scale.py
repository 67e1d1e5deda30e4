"""How many cases the long tests try: few in ``make test``, many in ``make prove``.

A test that names one of these numbers is run by ``make prove``.
"""

import os

CASES = int(os.environ.get("GMEMFLAGS_CASES", "1000"))
FUZZ = int(os.environ.get("GMEMFLAGS_FUZZ", "3000"))
FUZZ_SEED = int(os.environ.get("GMEMFLAGS_FUZZ_SEED", "1"))
ARGUMENTS = int(os.environ.get("GMEMFLAGS_ARGUMENTS", "1000"))  # lists of them
HOSTS = min(30_000, CASES * 2)  # of a pool
EXAMPLES = max(100, min(2000, CASES // 200))  # of each law, with hypothesis, in `make prove`
ROUNDS = min(10_000, CASES // 10)  # of what costs several system calls each
