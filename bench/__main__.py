"""Print one line a figure: name, ratio, limit, and ``over`` behind a ratio above its limit.

``python -m bench`` prints those of every module, ``python -m bench imports calls`` those of two.
The exit status is always 0: ratios are read, not asserted.
"""

import sys
from importlib import import_module

from bench import Figure, skip

MODULES = ("imports", "calls", "solver", "probe", "records")


def main(wanted: list[str]) -> None:
    """Print the figures of the wanted modules, or of all."""
    for module in wanted or MODULES:
        try:
            figures: list[Figure] = import_module(f"bench.{module}").figures()
        except Exception as error:  # noqa: BLE001  # the other figures are wanted all the same
            skip(module, f"{type(error).__name__}: {error}")
            continue
        for figure in figures:
            print(line(*figure), flush=True)


def line(name: str, ratio: float, limit: float | None) -> str:
    """One figure, aligned with the others."""
    bound = "no limit" if limit is None else f"limit {limit:g}"
    over = "  over" if limit is not None and ratio > limit else ""
    return f"{name:<84} {ratio:8.2f}  {bound}{over}"


if __name__ == "__main__":
    main(sys.argv[1:])
