"""Many hosts, one a line: read as fast as a pool allows, and as strictly as a single document.

The hosts of a pool differ in their origin and perhaps their kernel, which stand in front, and
hardly in the rest. Where that rest comes again, the same text means the same, so it is read once
for each different text. A line is taken apart only where JSON does so, too: the origin ends where
the scanner of ``json`` says, and what stands before the rest has to be the member ``facts`` and
nothing else. Any other line takes the long way, which alone decides what is a record.
"""

from __future__ import annotations

from json import JSONDecoder
from typing import TYPE_CHECKING, Any, TypeVar

from gmemflags._exceptions import RecordError
from gmemflags._host import HostFacts, Support
from gmemflags.records._kinds import read
from gmemflags.records._pools import decode_baseline
from gmemflags.records._shapes import Fault, record
from gmemflags.records._supports import decode_facts, decode_support
from gmemflags.records._text import as_text, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gmemflags._fleet import Baseline
    from gmemflags.records._catalogs import Catalogs

    Document = str | bytes

V = TypeVar("V")

_HOSTS = {"gmemflags/support/1": decode_support}
_AND_POOLS = {**_HOSTS, "gmemflags/baseline/1": decode_baseline}
_value_at = JSONDecoder().raw_decode
_HEAD = '{"schema":"gmemflags/support/1","origin":"'
_REST = ',"scope":'
_MOST_TEXTS = 4096
_MOST_CHARACTERS = 1 << 21

_member = record({"facts": decode_facts})


class _Texts(dict[str, V]):
    """What was read from texts, until there are too many of them."""

    characters = 0

    def remember(self, text: str, value: V) -> None:
        if len(text) > _MOST_CHARACTERS:
            return
        self.characters += len(text)
        if len(self) == _MOST_TEXTS or self.characters > _MOST_CHARACTERS:
            self.clear()
            self.characters = len(text)
        self[text] = value


class Lines:
    """Reads support records, and remembers what stood behind the origins."""

    def __init__(self, catalogs: Catalogs) -> None:
        self._catalogs = catalogs
        self._facts = _Texts[HostFacts]()
        self._rests = _Texts[dict[str, Any]]()

    def support(self, document: Document) -> Support:
        """The Support of one document.

        Raises :exc:`~gmemflags.RecordError` if it is no record of one.
        """
        text = as_text(document)
        return self._long_way(text)

    def host(self, document: Document) -> Support | Baseline:
        """The Support or the Baseline of one document, which stands for its hosts.

        Raises :exc:`~gmemflags.RecordError` if it is neither.
        """
        text = as_text(document)
        if text.startswith(_HEAD):
            return self.support(text)
        host: Support | Baseline = read(text, self._catalogs, _AND_POOLS)
        return host

    def _long_way(self, text: str) -> Support:
        support: Support = read(text, self._catalogs, _HOSTS)
        return support

    def _read_facts(self, member: str) -> HostFacts | None:
        # None, and the long way, for anything but a comma and the one member.
        try:
            facts: HostFacts = _member(parse("{" + member[1:] + "}"))["facts"]
        except (RecordError, Fault):
            return None
        if member[0] != ",":
            return None
        self._facts.remember(member, facts)
        return facts


def supports(
    lines: Iterable[Document],
    catalogs: Catalogs,
    name: str,
    bad: Callable[[RecordError], object] | None,
) -> Iterator[Support]:
    """The hosts of ``lines``; see :func:`gmemflags.records.load_lines`."""
    return located(lines, Lines(catalogs).support, name, bad)


def located(
    lines: Iterable[Document],
    read_one: Callable[[Document], V],
    name: str,
    bad: Callable[[RecordError], object] | None = None,
) -> Iterator[V]:
    """What ``read_one`` makes of each line that is not blank; errors say which line it was."""
    place = f"{name}, line" if name else "line"
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            try:
                value = read_one(line)
            except RecordError as error:
                if line and not line.isspace():
                    problem = error.problem + _spread(line)
                    told = RecordError(f"{place} {number}, {error.path}", problem)
                    if bad is None:
                        raise told from None
                    bad(told)
                continue
            yield value
    except UnicodeDecodeError:  # a file that was opened as text; where it goes on is not known
        problem = "it is not UTF-8; open the file as bytes to continue after such a line"
        raise RecordError(f"{place} {number + 1}, $", problem) from None


def _spread(line: Document) -> str:
    # What to do about a document of several lines, which begins with a brace alone.
    alone = line.strip() == (b"{" if isinstance(line, bytes) else "{")
    return "; one record a line is needed: `jq -c .` makes that" if alone else ""
