"""Random kernels that hide what they take: some obey rules, some take what they like."""

from hypothesis import strategies as st

from gmemflags import Rule
from tests.probing import (
    Judge,
    always,
    excludes,
    never,
    obeying,
    refused,
    requires,
    subsets,
    taking,
)

EIGHT = 0xFF


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


listings = st.integers(0, EIGHT)
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
