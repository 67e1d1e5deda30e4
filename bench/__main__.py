"""Print one line a figure: name, ratio, limit, and ``over`` behind a ratio above its limit.

``python -m bench`` prints those of every room, ``python -m bench imports edge`` those of two.
The exit status is always 0: ratios are read, not asserted.
"""

import sys
from importlib import import_module

from bench import Figure, skip

ROOMS = ("imports", "edge", "solver", "probe", "records")


def main(wanted: list[str]) -> None:
    """Print the figures of the wanted rooms, or of all."""
    for room in wanted or ROOMS:
        try:
            figures: list[Figure] = import_module(f"bench.{room}").figures()
        except Exception as error:  # noqa: BLE001  # the other rooms' figures are wanted all the same
            skip(room, f"{type(error).__name__}: {error}")
            continue
        for figure in figures:
            print(line(*figure), flush=True)


def line(name: str, ratio: float, limit: float | None) -> str:
    """One figure, aligned with the others."""
    told = "no limit" if limit is None else f"limit {limit:g}"
    over = "  over" if limit is not None and ratio > limit else ""
    return f"{name:<84} {ratio:8.2f}  {told}{over}"


if __name__ == "__main__":
    main(sys.argv[1:])
