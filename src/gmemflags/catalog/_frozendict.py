"""A dict that does not change, hashes and pickles; ``types.MappingProxyType`` does neither.

It carries the mappings of the library's values. It must never learn anything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, TypeVar

if TYPE_CHECKING:
    from typing_extensions import Self

K = TypeVar("K")
V = TypeVar("V")


class FrozenDict(dict[K, V]):
    """A dict whose content is fixed when it is made; every change is a TypeError."""

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("this mapping belongs to a frozen value: make a new one with attrs.evolve")

    __setitem__ = __delitem__ = __ior__ = _refuse  # type: ignore[assignment]  # every one refuses
    clear = pop = popitem = setdefault = update = _refuse  # type: ignore[assignment]  # as above

    def __hash__(self) -> int:  # type: ignore[override]  # dict says None: it can change
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type[Self], tuple[dict[K, V]]]:
        return type(self), (dict(self),)
