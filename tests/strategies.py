"""What the laws are tried on: masks, words, C longs, and catalogs of trees that nobody wrote."""

from operator import itemgetter

from hypothesis import strategies as st

from gmemflags import MAINLINE, Catalog
from tests.trees import flag_class

BITS = tuple(1 << number for number in range(64))
WORD = (1 << 32) - 1
MASK = (1 << 64) - 1
MAX_ERRNO = 4095
# What the kernel's C int -1 to -4095 looks like as a word.
ERRNO_WORDS = range(WORD - MAX_ERRNO + 1, WORD + 1)

# An integer drawn at random has half of its bits set and is nowhere near a border.
_sparse = st.sets(st.sampled_from(BITS), max_size=4).map(sum)
_EDGES = (0, 1, 1 << 31, ERRNO_WORDS[0] - 1, ERRNO_WORDS[0], WORD, 1 << 32, 1 << 63, MASK)

bits = st.sampled_from(BITS)
masks = st.one_of(
    st.integers(0, MASK),
    st.integers(0, MASK).map(lambda mask: mask | MASK ^ WORD >> 1),  # bits 63 to 31 are set
    _sparse,
    _sparse.map(lambda mask: mask ^ MASK),
    st.sampled_from(_EDGES),
)
words = masks.map(lambda mask: mask & WORD) | masks.map(lambda mask: mask >> 32)
answer_words = words.filter(lambda word: word not in ERRNO_WORDS)
errno_words = st.sampled_from(ERRNO_WORDS)
wide_longs = st.one_of(  # what fits into no C int, unsigned or signed
    st.integers(WORD + 1, MASK >> 1),
    st.integers(-(MASK >> 1) - 1, -(WORD >> 1) - 2),
    _sparse.map(lambda mask: mask & MASK >> 1 | 1 << 32),
)
longs = masks.map(lambda mask: signed(mask, 64)) | words.map(lambda word: signed(word, 32))

names = st.from_regex(r"[A-Z][A-Z0-9_]{0,11}", fullmatch=True)
_named_bits = st.lists(  # a bit has one name, and a name one bit
    st.tuples(names, st.integers(0, 63)),
    min_size=1,
    max_size=12,
    unique_by=(itemgetter(0), itemgetter(1)),
).map(dict)


def signed(value: int, width: int) -> int:
    """``value`` as a C integer of ``width`` bits reads it."""
    return value - (1 << width) if value >> (width - 1) else value


def catalog_of(members: dict[str, int]) -> Catalog:
    """A catalog without rules that names these bits, and has mainline's capabilities."""
    return Catalog("a-tree", flag_class(members), MAINLINE.capabilities)


catalogs = _named_bits.map(
    lambda numbers: catalog_of({name: 1 << number for name, number in numbers.items()})
)
