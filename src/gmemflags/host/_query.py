"""The query: ask a host every capability that a catalog numbers, once each.

No other place asks for flags. It must never ask a number that the catalog does not hold:
another capability's answer would be read as flags.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmemflags.catalog._mainline import MAINLINE
from gmemflags.host._support import Support

if TYPE_CHECKING:
    from gmemflags.catalog._catalog import Catalog
    from gmemflags.host._backend import Backend


def query(backend: Backend, catalog: Catalog = MAINLINE) -> Support:
    """Ask ``backend`` what it takes, and keep every answer.

    Raises :exc:`~gmemflags.exceptions.CapabilityQueryError` if a call fails and
    :exc:`~gmemflags.exceptions.InconsistentAnswerError` if an answer cannot be flags.

    Source: Documentation/virt/kvm/api.rst 4.4, v6.18.

    >>> from gmemflags import format_mask, query
    >>> from gmemflags.testing import FakeBackend
    >>> format_mask(query(FakeBackend({234: 1, 244: 3})).mask)
    'MMAP|INIT_SHARED'
    """
    ask = backend.check_extension
    return Support(
        answers={
            name: ask(number) for name, number in catalog.capabilities.items() if number is not None
        },
        scope=backend.scope,
        host=backend.host,
        origin=backend.origin,
        catalog=catalog,
    )
