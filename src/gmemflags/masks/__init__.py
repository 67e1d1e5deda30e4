"""64-bit masks: the arithmetic that C does and Python's own tools do not.

A *mask* is an int in [0, 2**64), a *word* an int in [0, 2**32), and a *bit* always a one-bit
mask, never a bit number. This room knows nothing of KVM but what its C long means.
"""

from gmemflags.masks._flagword import FlagWord
from gmemflags.masks._words import bits, merge_words, read_long, split_words, u32, u64

__all__ = ["FlagWord", "bits", "merge_words", "read_long", "split_words", "u32", "u64"]
