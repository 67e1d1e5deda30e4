"""Catalogs from plain values; ``catalog/_plain.py`` makes those.

A catalog that ships is referred to by name and digest, so that a record under it stays short, and
any other one is written out. A catalog from a document is a claim like every other: it is built
anew, its flag class too, and nothing in it is ever taken for mainline unless it is equal to it.
"""

from __future__ import annotations

import re
from functools import cache
from json import dumps
from typing import TYPE_CHECKING, Any

from gmemflags._rules import Always, Excludes, Hosts, Never, Refused, Requires, Stage
from gmemflags._catalog import Catalog, Profile
from gmemflags._mainline import SHIPPED
from gmemflags.records._plain import plain
from gmemflags._exceptions import GmemFlagsError
from gmemflags._masks import flag_class
from gmemflags.records._requests import request
from gmemflags.records._shapes import (
    Fault,
    below,
    is_object,
    items,
    mask,
    members,
    number,
    one_of,
    optional,
    record,
    text,
)
from gmemflags.records._text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gmemflags._rules import Rule

# A bit has one name; and no document hands the solver more rules than these.
_MOST_NAMES = 64
_MOST_RULES = 1024
# What a reader remembers of the catalogs that it has built.
_REMEMBERED = 64
_LONGEST_REMEMBERED = 1 << 16

_FLAG_NAME = re.compile("[A-Z_][A-Z0-9_]*")

_masks = items(mask)
_hosts = record({"machines": items(text), "vm_types": items(number)})


def _decode_hosts(value: object) -> Hosts:
    return Hosts(**_hosts(value))


_profile = record({"request": request, "why": text})
_RULE: dict[str, Any] = {
    "kind": text,
    "why": text,
    "source": text,
    "stage": one_of(Stage),
    "hosts": _decode_hosts,
}
_RULES: dict[str, tuple[type[Rule], dict[str, Any]]] = {
    "requires": (Requires, {"flag": mask, "all_of": mask, "any_of": _masks}),
    "excludes": (Excludes, {"a": mask, "b": mask}),
    "always": (Always, {"all_of": mask, "any_of": _masks}),
    "never": (Never, {"mask": mask}),
    "refused": (Refused, {"mask": mask}),
}
_rules = {kind: (cls, record(_RULE | operands)) for kind, (cls, operands) in _RULES.items()}


def _rule(value: object) -> Rule:
    kind = is_object(value).get("kind")
    if type(kind) is not str or kind not in _rules:
        raise Fault(f"one of {', '.join(_rules)} is needed", "kind")
    cls, decode = _rules[kind]
    content = decode(value)
    del content["kind"]
    return cls(**content)


def _flag_name(value: object) -> str:
    name = text(value)
    # Python's enums give a meaning of their own to names between underscores.
    if not _FLAG_NAME.fullmatch(name) or name[0] == name[-1] == "_":
        raise Fault(f"{quoted(name)} is no flag name in ASCII capitals")
    return name


_CATALOG: dict[str, Any] = {
    "name": text,
    "flags": members(mask, _flag_name, _MOST_NAMES),
    "capabilities": members(optional(below(1 << 31))),
    "rules": items(_rule, _MOST_RULES),
    "profiles": members(_profile),
}
_content = record(_CATALOG)
_REFERENCE = {"name": text, "digest": text}
_reference = record(_REFERENCE)


def _build(content: dict[str, Any]) -> Catalog:
    # The catalog of decoded content, with a flag class of its own.
    try:
        flags = flag_class("RecordedFlag", content["flags"])
    except GmemFlagsError as error:
        raise Fault(str(error), "flags") from None
    content["profiles"] = [Profile(name, **rest) for name, rest in content["profiles"].items()]
    content["flags"] = flags
    try:
        return Catalog(**content)
    except GmemFlagsError as error:
        raise Fault(str(error)) from None


@cache
def _shipped() -> dict[tuple[str, str], Catalog]:
    return _by_digest(SHIPPED)


def _by_digest(catalogs: Iterable[Catalog]) -> dict[tuple[str, str], Catalog]:
    return {(catalog.name, catalog.digest): catalog for catalog in catalogs}


def shared_form(catalog: Catalog) -> dict[str, Any]:
    """A catalog inside a record: a reference if it ships with this library, else its content."""
    for (name, digest), shipped in _shipped().items():
        if catalog is shipped or catalog == shipped:
            return {"name": name, "digest": digest}
    return plain(catalog)


class Catalogs:
    """The catalogs that one reader knows: the shipped ones, ``more``, and what it has built."""

    def __init__(self, more: Iterable[Catalog] = ()) -> None:
        self._known = _shipped() | _by_digest(more)
        self._built: dict[str, Catalog] = {}

    def decode(self, value: object) -> Catalog:
        """The catalog that a reference or a content stands for."""
        if is_object(value).keys() != _REFERENCE.keys():
            return self.content(value)
        reference = _reference(value)
        name, digest = reference["name"], reference["digest"]
        if (name, digest) in self._known:
            return self._known[name, digest]
        others = [theirs[:12] for own, theirs in self._known if own == name]
        if not others:
            raise Fault(f"catalog {quoted(name)} is neither known here nor written out")
        problem = f"it was recorded under another version of {name}: digest {quoted(digest[:12])}"
        raise Fault(f"{problem}, while the one known here has {' or '.join(others)}")

    def of_a_host(self, value: object) -> Catalog:
        """The same, but not another one than this library's under its name.

        A host whose names and rules are others than their name says is not believed; a decision
        keeps those of its time.
        """
        catalog = self.decode(value)
        borrowed = any(catalog.name == shipped.name for shipped in SHIPPED)
        if borrowed and catalog not in self._known.values():
            raise Fault(f"{catalog.name} is another catalog than the one of this library", "name")
        return catalog

    def content(self, value: object) -> Catalog:
        """The catalog of a content; the same content need not be read again."""
        try:
            key = dumps(value)
        except (TypeError, RecursionError):  # decoding will find the flaw in it
            return self.known(_build(_content(value)))
        catalog = self._built.get(key)
        if catalog is None:
            catalog = self.known(_build(_content(value)))
            if len(key) <= _LONGEST_REMEMBERED:
                if len(self._built) == _REMEMBERED:
                    self._built.clear()
                self._built[key] = catalog
        return catalog

    def known(self, catalog: Catalog) -> Catalog:
        """The catalog of the same content that was there before, or else this one."""
        equal = (known for known in self._known.values() if known == catalog)
        return next(equal, catalog)
