"""A catalog as the Python module that makes it: to paste, to keep, and to change.

Executing the text gives an equal catalog. It must never refer to the catalog that the program
came with, which may be another one in the next version.
"""

from __future__ import annotations

from enum import Enum
from textwrap import indent, wrap
from typing import TYPE_CHECKING, Any

from attrs import fields

from gmemflags._catalog import Request
from gmemflags._masks import bits
from gmemflags._rules import Hosts, Rule, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gmemflags._catalog import Catalog, Need, Profile

_WIDTH = 84
_TEXT_WIDTH = 76
_MODULE = '''\
"""A catalog of guest_memfd flags, written by gmemflags probe."""

{imports}
from gmemflags._masks import FlagWord

PROOF = {proof}


class Flag(FlagWord):
    """The flags of one kernel, as bits."""

{members}


CATALOG = {catalog}'''
_COMMON = {attribute.name for attribute in fields(Rule)}
_NO_WISH = Request()
_WISHES = tuple(attribute.name for attribute in fields(Request) if attribute.name != "claims")


def module(catalog: Catalog, proof: str) -> str:
    """The text of the module; ``proof`` is the source that the learnt rules have in common."""
    writer = _Writer(catalog, proof)
    made = writer.whole()
    imports = _list("from gmemflags import (", sorted(writer.used - {"Hosts"}), ")")
    if "\n" not in imports:
        imports = imports.replace("(", "").replace(")", "")
    if "Hosts" in writer.used:
        imports += "\nfrom gmemflags.catalog import Hosts"
    members = [
        f"    {name} = 1 << {flag.value.bit_length() - 1}"
        for name, flag in catalog.flags.__members__.items()
    ]
    return _MODULE.format(
        imports=imports,
        proof=f"(\n{indent(_text(proof), '    ')}\n)",
        members="\n".join(members),
        catalog=made,
    )


def _list(opening: str, items: Iterable[str], closing: str) -> str:
    # In one line if that is short enough, else one item a line.
    parts = list(items)
    line = f"{opening}{', '.join(parts)}{closing}"
    if len(line) <= _WIDTH and "\n" not in line:
        return line
    content = "".join(f"{part},\n" for part in parts)
    return f"{opening}\n{indent(content, '    ')}{closing}"


def _text(value: str) -> str:
    # A literal of ASCII characters, in several lines if it is long.
    pieces = wrap(
        value,
        _TEXT_WIDTH,
        expand_tabs=False,
        replace_whitespace=False,
        drop_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(_literal(piece) for piece in pieces or [""])


def _number(mask: int) -> str:
    return f"{mask:#x}"


def _literal(piece: str) -> str:
    quoted = ascii(piece)
    return quoted if '"' in piece else f'"{quoted[1:-1]}"'


class _Writer:
    """Writes values as the calls that make them, and notes what they need imported."""

    def __init__(self, catalog: Catalog, proof: str) -> None:
        self.used: set[str] = set()
        self._catalog = catalog
        self._proof = proof

    def whole(self) -> str:
        """The catalog."""
        catalog = self._catalog
        numbers = [f"{_text(name)}: {number}" for name, number in catalog.capabilities.items()]
        return self._call(
            "Catalog",
            [
                f"name={_text(catalog.name)}",
                "flags=Flag",
                f"capabilities={_list('{', numbers, '}')}",
                f"rules={_list('[', map(self._rule, catalog.rules), ']')}",
                f"profiles={_list('[', map(self._profile, catalog.profiles.values()), ']')}",
            ],
        )

    def _call(self, name: str, arguments: Iterable[str]) -> str:
        self.used.add(name)
        return _list(f"{name}(", arguments, ")")

    def _member(self, value: Enum) -> str:
        name = type(value).__name__
        self.used.add(name)
        return f"{name}.{value.name}"

    def _mask(self, mask: int) -> str:
        # Flags by name; what has no name as a number.
        named = self._catalog.named
        flags = [f"Flag.{self._catalog.name_of(bit)}" for bit in bits(mask & named)]
        rest = mask & ~named
        return " | ".join([*flags, f"{rest:#x}"] if rest or not flags else flags)

    def _masks(self, masks: Iterable[int]) -> str:
        return _list("[", map(self._mask, masks), "]")

    def _rule(self, rule: Rule) -> str:
        arguments: list[str] = []
        for attribute in fields(type(rule)):
            name, value = attribute.name, getattr(rule, attribute.name)
            if name not in _COMMON and value != attribute.default:
                shown = self._mask(value) if isinstance(value, int) else self._masks(value)
                arguments.append(f"{name}={shown}" if attribute.kw_only else shown)
        cited = "PROOF" if rule.source == self._proof else _text(rule.source)
        arguments += [f"why={_text(rule.why)}", f"source={cited}"]
        if rule.stage is not Stage.CREATE:
            arguments.append(f"stage={self._member(rule.stage)}")
        if rule.hosts != Hosts():
            arguments.append(f"hosts={self._hosts(rule.hosts)}")
        return self._call(type(rule).__name__, arguments)

    def _hosts(self, hosts: Hosts) -> str:
        parts = {"machines": map(_text, hosts.machines), "vm_types": map(str, hosts.vm_types)}
        given = [
            f"{name}={_list('[', part, ']')}"
            for name, part in parts.items()
            if getattr(hosts, name)
        ]
        return self._call("Hosts", given)

    def _profile(self, profile: Profile) -> str:
        request = self._request(profile.request)
        return self._call("Profile", [_text(profile.name), request, _text(profile.why)])

    def _request(self, request: Request) -> str:
        # Flags by name, if the request then claims the same names for its bits; else numbers.
        flags = self._catalog.flags
        required, forbidden = flags(request.required), flags(request.forbidden)
        preferred = map(flags, request.preferred)
        named = Request(required=required, preferred=preferred, forbidden=forbidden)
        by_name = named.claims == request.claims
        given = [
            f"{name}={self._wish(getattr(request, name), self._mask if by_name else _number)}"
            for name in _WISHES
            if getattr(request, name) != getattr(_NO_WISH, name)
        ]
        if not by_name:
            claims = [f"({bit:#x}, {_text(name)})" for bit, name in sorted(request.claims)]
            given.append(f"claims={_list('[', claims, ']')}")
        return self._call("Request", given)

    def _wish(self, value: Any, show: Callable[[int], str]) -> str:
        if isinstance(value, Enum):
            return self._member(value)
        if isinstance(value, int):
            return show(value)
        if isinstance(value, str):
            return _text(value)
        return _list("[", (show(v) if isinstance(v, int) else self._need(v) for v in value), "]")

    def _need(self, need: Need) -> str:
        arguments = [_text(need.capability)]
        if need.bits:
            arguments.append(_number(need.bits))
        if need.any_of:
            arguments.append(f"any_of={_list('[', map(_number, need.any_of), ']')}")
        return self._call("Need", arguments)
