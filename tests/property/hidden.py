"""Random kernels that hide what they take: some obey rules, some take what they like."""

import errno
from typing import NamedTuple

from hypothesis import strategies as st

from gmemflags import Rule
from tests.probing import (
    Judge,
    always,
    excludes,
    mapping,
    never,
    obeying,
    refused,
    requires,
    subsets,
    taking,
)

SIX = 0b11_1111


def rules_over(listed: int) -> st.SearchStrategy[list[Rule]]:
    """Rules of every kind whose operands are made of the bits of ``listed``."""
    masks = st.sampled_from(subsets(listed))
    ways = st.lists(masks, max_size=3).map(tuple)
    kinds = st.one_of(
        st.builds(requires, masks, all_of=masks),
        st.builds(requires, masks, any_of=ways),
        st.builds(excludes, masks, masks),
        st.builds(always, all_of=masks, any_of=ways),
        st.builds(never, masks),
        st.builds(refused, masks),
    )
    return st.lists(kinds, max_size=6)


listings = st.integers(0, SIX)
# A kernel and what it lists: one that obeys rules, and one that takes what it likes.
lawful: st.SearchStrategy[tuple[int, Judge]] = listings.flatmap(
    lambda listed: st.tuples(st.just(listed), rules_over(listed).map(lambda rules: obeying(*rules)))
)
lawless: st.SearchStrategy[tuple[int, Judge]] = listings.flatmap(
    lambda listed: st.tuples(
        st.just(listed),
        st.integers(0, (1 << (1 << listed.bit_count())) - 1).map(
            lambda chosen: taking(
                mask for number, mask in enumerate(subsets(listed)) if chosen >> number & 1
            )
        ),
    )
)
kernels = lawful | lawless


class StagedKernel(NamedTuple):
    """What a kernel lists, and what it does at each stage."""

    listed: int
    create: Judge
    bind: Judge
    access: Judge
    rules: tuple[tuple[Rule, ...], ...]
    """The rules that it obeys at each stage."""


def _staged(listed: int, rules: tuple[tuple[Rule, ...], ...], flag: int | None) -> StagedKernel:
    touch = obeying(*rules[2], fails=errno.EFAULT)
    access = touch if flag is None else mapping(flag, touch)
    return StagedKernel(listed, obeying(*rules[0]), obeying(*rules[1]), access, rules)


def _staged_kernels(listed: int) -> st.SearchStrategy[StagedKernel]:
    some = rules_over(listed).map(tuple)
    single = [1 << number for number in range(6) if listed >> number & 1]
    flag = st.none() | st.sampled_from(single) if single else st.none()
    return st.builds(_staged, st.just(listed), st.tuples(some, some, some), flag)


# Kernels with rules at every stage; some map only what has a certain flag.
staged_kernels = st.integers(0, 0b1_1111).flatmap(_staged_kernels)
