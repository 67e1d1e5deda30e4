"""The types of ``gmemflags.records``: checked, never run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

from gmemflags import (
    MAINLINE,
    Baseline,
    Catalog,
    Comparison,
    FlagWord,
    KvmUnavailableError,
    Request,
    Resolution,
    Support,
    records,
)
from gmemflags.linux import ProbeReport
from gmemflags.records import (
    BaselineDocument,
    CatalogDocument,
    ComparisonDocument,
    DecisionDocument,
    Document,
    FlagsDocument,
    HostDocument,
    ProbeDocument,
    Replay,
    RequestDocument,
    UnavailableDocument,
    dumps,
    json_schema,
    load_lines,
    loads,
    replay,
    to_dict,
)


def plain(
    support: Support,
    resolution: Resolution,
    pool: Baseline,
    comparison: Comparison,
    report: ProbeReport,
) -> list[Document]:
    """Each value has a document of its own type."""
    host = to_dict(support)
    assert_type(host, HostDocument)
    assert_type(host["mask"], str)
    assert_type(host["flags"], list[str])
    assert_type(to_dict(resolution), DecisionDocument)
    assert_type(to_dict(pool), BaselineDocument)
    assert_type(to_dict(comparison), ComparisonDocument)
    assert_type(to_dict(report), ProbeDocument)
    return [host, to_dict(resolution)]


def smaller(
    flags: FlagWord, request: Request, catalog: Catalog, error: KvmUnavailableError
) -> None:
    """What the larger documents are made of, and a host that could not be asked."""
    assert_type(to_dict(error), UnavailableDocument)
    assert_type(to_dict(flags), FlagsDocument)
    assert_type(to_dict(request), RequestDocument)
    assert_type(to_dict(catalog), CatalogDocument)


def documents(support: Support) -> None:
    """Any value, as text and back."""
    assert_type(dumps(support), str)
    assert_type(loads(b"{}", MAINLINE), Any)
    assert_type(json_schema(), dict[str, Any])


def lines(path: Path) -> None:
    """One host a line."""
    with path.open() as file:
        assert_type(load_lines(file, name="pool", bad=print), Iterator[Support | Baseline])
    assert_type(records.load_lines([b"{}"], MAINLINE), Iterator[Support | Baseline])


def decisions(document: str) -> None:
    """A decision, resolved again."""
    again = replay(document)
    assert_type(again, Replay)
    assert_type(again.now, Resolution)
    assert_type(again.same, bool)
    assert_type(again.differences, tuple[str, ...])
    assert_type(again.reworded, tuple[str, ...])


def mistakes() -> None:
    """An ignore that is not needed is an error."""
    dumps(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    loads(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    load_lines(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
