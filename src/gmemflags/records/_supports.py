"""Hosts to plain values and back: what :class:`~gmemflags.Support` holds, under its catalog.

The mask and its words stand beside the answers so that others need not read those. They are
compared with them here, and never trusted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gmemflags._catalog import Scope
from gmemflags._exceptions import CatalogError, InconsistentAnswerError
from gmemflags._host import HostFacts, Support
from gmemflags._masks import WORD
from gmemflags.records._catalogs import shared_form
from gmemflags.records._shapes import (
    Fault,
    as_is,
    mask,
    members,
    number,
    one_of,
    optional,
    raw,
    record,
    text,
    within,
)

if TYPE_CHECKING:
    from gmemflags._catalog import Catalog
    from gmemflags.records._catalogs import Catalogs


def plain_words(value: int) -> dict[str, Any]:
    """A mask, and its two words as numbers, which any database can AND."""
    low, high = value & WORD, value >> 32
    return {"mask": hex(value), "low": low, "high": high}


def words(value: dict[str, Any]) -> int | None:
    """The mask of an object that has what :func:`plain_words` writes; None if all three are.

    Raises :class:`Fault` if they do not agree.
    """
    whole: int | None = value["mask"]
    for name, word in (("low", whole and whole & WORD), ("high", whole and whole >> 32)):
        if value[name] != word:
            told = None if whole is None else hex(whole)
            raise Fault(f"{value[name]} is not the {name} word of the mask {told}", name)
    return whole


def plain_host(support: Support) -> dict[str, Any]:
    """A host without its catalog. What differs most from host to host stands in front."""
    facts = support.host
    return {
        "origin": support.origin,
        "facts": {"kernel": facts.kernel, "machine": facts.machine, "vm_type": facts.vm_type},
        "scope": str(support.scope),
        "answers": {str(name): str(answer) for name, answer in support.answers.items()},
        **plain_words(support.mask),
    }


def plain_support(support: Support) -> dict[str, Any]:
    """A host with its catalog."""
    return plain_host(support) | {"catalog": shared_form(support.catalog)}


_facts = record({"kernel": optional(text), "machine": optional(text), "vm_type": optional(number)})


def decode_facts(value: object) -> HostFacts:
    """What is known of a host besides its answers."""
    return HostFacts(**_facts(value))


_HOST = {
    "origin": text,
    "facts": decode_facts,
    "scope": one_of(Scope),
    "answers": members(raw),
    "mask": mask,
    "low": number,
    "high": number,
}
_host = record(_HOST)
_host_and_catalog = record(_HOST | {"catalog": as_is})


def _support(content: dict[str, Any], catalog: Catalog) -> Support:
    try:
        support = Support(
            answers=content["answers"],
            scope=content["scope"],
            host=content["facts"],
            origin=content["origin"],
            catalog=catalog,
        )
    except InconsistentAnswerError as error:
        raise Fault(error.problem, "answers", error.capability) from None
    except CatalogError as error:
        raise Fault(error.problem, "answers") from None
    claimed = words(content)
    if claimed != support.mask:
        raise Fault(f"the answers say {support.mask:#x}, not {content['mask']:#x}", "mask")
    return support


def decode_host(value: object, catalog: Catalog) -> Support:
    """The host of :func:`plain_host`."""
    return _support(_host(value), catalog)


def decode_support(value: object, catalogs: Catalogs) -> Support:
    """The host of :func:`plain_support`."""
    content = _host_and_catalog(value)
    return _support(content, within("catalog", catalogs.of_a_host, content["catalog"]))
