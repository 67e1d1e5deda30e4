"""A dict that does not change, hashes and pickles; ``types.MappingProxyType`` does neither.

It carries the mappings of the library's values. It must never learn anything else.
"""

from __future__ import annotations

from typing import NoReturn, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class FrozenDict(dict[K, V]):
    """A dict whose content is fixed when it is made; every change is a TypeError."""

    __slots__ = ()

    def __reduce__(self) -> tuple[type[FrozenDict[K, V]], tuple[dict[K, V]]]:
        return FrozenDict, (dict(self),)


def _hash(self: FrozenDict[object, object]) -> int:
    return hash(frozenset(self.items()))


def _refuse(_: object, *__: object, **___: object) -> NoReturn:
    raise TypeError("this mapping belongs to a frozen value: make a new one with attrs.evolve")


# Put in from outside, because dict's own types say that these must be otherwise.
for _name in ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem"):
    setattr(FrozenDict, _name, _refuse)
for _name in ("setdefault", "update"):
    setattr(FrozenDict, _name, _refuse)
setattr(FrozenDict, "__hash__", _hash)  # noqa: B010  # as above
