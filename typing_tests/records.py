"""The types of ``gmemflags.records``: checked, never run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

from gmemflags import MAINLINE, Resolution, Support, baseline, records, resolve
from gmemflags.records import Replay, dumps, json_schema, load_lines, loads, replay


def documents(support: Support) -> None:
    """Any value, as text and back."""
    assert_type(dumps(support), str)
    for value in (resolve(support, 1), resolve(support, 1).request, baseline([support]), MAINLINE):
        assert_type(dumps(value), str)
    assert_type(loads(b"{}", catalogs=[MAINLINE]), Any)
    assert_type(json_schema(), dict[str, Any])


def lines(path: Path) -> None:
    """One host a line."""
    with path.open() as file:
        assert_type(load_lines(file, name="pool", bad=print), Iterator[Support])
    assert_type(records.load_lines([b"{}"], catalogs=[MAINLINE]), Iterator[Support])


def decisions(document: str) -> None:
    """A decision, resolved again."""
    again = replay(document)
    assert_type(again, Replay)
    assert_type(again.recorded, Resolution)
    assert_type(again.now, Resolution)
    assert_type(again.same, bool)
    assert_type(again.differences, tuple[str, ...])


def mistakes() -> None:
    """An ignore that is not needed is an error."""
    dumps(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    loads(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    load_lines(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
