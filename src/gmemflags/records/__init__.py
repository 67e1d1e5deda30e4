"""Values as documents: what was asked, heard and decided, to be carried elsewhere and asked again.

One value is one JSON document, in ASCII and on one line, which says in ``schema`` what it is.
A document is not trusted: it is read exactly or not at all, nothing is coerced or filled in, and
what it says twice has to agree. This room never asks a host.

>>> from gmemflags import query, records
>>> from gmemflags.testing import FakeBackend
>>> host = query(FakeBackend.narrow(0x3))
>>> document = records.dumps(host)
>>> records.loads(document) == host
True
>>> records.loads(document.replace('"mask":"0x3"', '"mask":"0x7"'))
Traceback (most recent call last):
  ...
gmemflags._exceptions.RecordError: at $.low: 3 is not the low word of the mask 0x7
"""

from __future__ import annotations

from json import dumps as _json
from typing import TYPE_CHECKING, Any

from gmemflags._exceptions import RecordError
from gmemflags.records._catalogs import Catalogs
from gmemflags.records._decisions import decode_decision
from gmemflags.records._kinds import content_of, read
from gmemflags.records._lines import supports
from gmemflags.records._replay import Replay, resolved_again

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gmemflags._catalog import Catalog, Request
    from gmemflags._host import Support
    from gmemflags._resolve import Resolution
    from gmemflags._fleet import Baseline
    from gmemflags._learn import ProbeReport

    Value = Support | Request | Resolution | Catalog | Baseline | ProbeReport

__all__ = ["Replay", "dumps", "json_schema", "load_lines", "loads", "replay"]


def dumps(value: Value) -> str:
    """``value`` as one JSON document: one line, ASCII, without the newline.

    A catalog that ships with this library is referred to by name and digest, except in a
    Resolution; any other one is written out.

    Raises :exc:`~gmemflags.RecordError` for a value that no document gives back: a
    text with half a surrogate pair, a rule of a class of one's own, more than 1024 rules. Raises
    TypeError for anything but these values.
    """
    document = _json(content_of(value), separators=(",", ":"))
    if loads(document) != value:
        raise RecordError("$", "a document cannot hold all of this value")
    return document


def loads(document: str | bytes, *, catalogs: Iterable[Catalog] = ()) -> Any:
    """The value of one document; bytes are UTF-8.

    ``catalogs``: more catalogs that a document may refer to by name and digest.

    The yes of a Resolution is read only if it is a valid answer to its own request; :func:`replay`
    tells whether it is the best one.

    Raises :exc:`~gmemflags.RecordError` for everything that is no such document, with
    the path to the fault. Time and memory are linear in the length, which is at most 16 Mi.
    """
    return read(document, Catalogs(catalogs))


def load_lines(
    lines: Iterable[str | bytes],
    *,
    catalogs: Iterable[Catalog] = (),
    name: str = "",
    bad: Callable[[RecordError], object] | None = None,
) -> Iterator[Support]:
    """The hosts of a pool, one Support document a line; blank lines are skipped.

    Lines are read as they are asked for, in constant memory. ``name`` of the file and the number
    of the line, from 1, lead the path of an error. ``bad``: called with the error of each broken
    line, which is then skipped; without it the first one is raised.

    Raises :exc:`~gmemflags.RecordError`.
    """
    return supports(lines, Catalogs(catalogs), name, bad)


def replay(document: str | bytes, *, catalogs: Iterable[Catalog] = ()) -> Replay:
    """Resolve a recorded decision again, offline: a document of a Resolution.

    Raises :exc:`~gmemflags.RecordError` for anything else. Resolving takes time that
    is exponential in the worst of catalogs: mind whose decisions you replay.
    """
    only = {"gmemflags/resolution/1": decode_decision}
    return resolved_again(read(document, Catalogs(catalogs), only))


def json_schema() -> dict[str, Any]:
    """The JSON Schema, draft 2020-12, of every document that this version reads.

    It says what can be said of one part by itself; :func:`loads` checks the rest.
    """
    from importlib.resources import files  # noqa: PLC0415  # seldom wanted
    from json import loads as json_loads  # noqa: PLC0415  # as above

    schema: dict[str, Any] = json_loads((files(__name__) / "records.schema.json").read_text())
    return schema
