"""Kernels that hide their rules, and the rules that a probe must find, as text."""

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
    tree,
)

FOO, BAR, BAZ, QUX, ODD = (1 << number for number in range(5))
TREE = tree("FOO", "BAR", "BAZ", "QUX", "ODD")
THREE, FOUR, FIVE = 0b111, 0b1111, 0b11111
# What a kernel lists, the rules that it obeys, and the rules that are learned.
KERNELS: dict[str, tuple[int, Judge, list[str]]] = {
    "no rule at all": (THREE, obeying(), []),
    "BAR is valid only with FOO": (
        FOO | BAR,
        obeying(requires(BAR, FOO)),
        ["BAR requires FOO"],
    ),
    "three flags that need each other in a ring": (
        THREE,
        obeying(requires(FOO, BAR), requires(BAR, BAZ), requires(BAZ, FOO)),
        ["FOO requires BAR|BAZ", "each of BAR, BAZ requires FOO"],
    ),
    "a bit that is forced": (
        FOO | BAR,
        obeying(always(BAR)),
        ["every mask needs BAR"],
    ),
    "a flag that is listed and never taken": (
        FOO | BAR,
        obeying(never(BAR)),
        ["no mask takes BAR"],
    ),
    "a rule that needs any-of": (
        THREE,
        obeying(requires(FOO, any_of=(BAR, BAZ))),
        ["FOO requires one of BAR, BAZ"],
    ),
    "any-of for every mask": (
        THREE,
        obeying(always(any_of=(FOO, BAR))),
        ["every mask needs one of FOO, BAR"],
    ),
    "any-of beside a forced bit and a plain need": (
        FIVE,
        obeying(always(ODD), requires(FOO, BAR, (BAZ, QUX))),
        ["every mask needs ODD", "FOO requires BAR", "FOO requires one of BAZ, QUX"],
    ),
    "any-of for every mask beside a forced bit": (
        FOO | BAR | ODD,
        obeying(always(ODD, (FOO, BAR))),
        ["every mask needs ODD", "every mask needs one of FOO, BAR"],
    ),
    "any-of with alternatives of two flags": (
        FIVE,
        obeying(requires(FOO, any_of=(BAR | BAZ, QUX))),
        ["FOO requires one of BAR|BAZ, QUX"],
    ),
    "any-of for what a flag requires holds for the flag": (
        FOUR,
        obeying(requires(FOO, BAR), requires(BAR, any_of=(BAZ, QUX))),
        ["FOO requires BAR", "BAR requires one of BAZ, QUX"],
    ),
    "any-of for two flags that need each other": (
        FOUR,
        obeying(requires(FOO, BAR), requires(BAR, FOO), requires(BAR, any_of=(BAZ, QUX))),
        ["FOO requires BAR", "BAR requires FOO", "each of FOO, BAR requires one of BAZ, QUX"],
    ),
    "a chain is told link by link": (
        FOUR,
        obeying(requires(FOO, BAR | BAZ | QUX), requires(BAR, BAZ | QUX), requires(BAZ, QUX)),
        ["FOO requires BAR", "BAR requires BAZ", "BAZ requires QUX"],
    ),
    "two needs are one rule": (
        THREE,
        obeying(requires(FOO, BAR), requires(FOO, BAZ)),
        ["FOO requires BAR|BAZ"],
    ),
    "two flags that need each other and a third": (
        THREE,
        obeying(requires(FOO, BAR), requires(BAR, FOO | BAZ)),
        ["FOO requires BAR", "BAR requires FOO", "each of FOO, BAR requires BAZ"],
    ),
    "two flags that need each other and exclude a third": (
        THREE,
        obeying(requires(FOO, BAR), requires(BAR, FOO), excludes(BAR, BAZ)),
        ["FOO requires BAR", "BAR requires FOO", "any of FOO, BAR excludes BAZ"],
    ),
    "two flags that exclude each other": (
        FOO | BAR,
        obeying(excludes(FOO, BAR)),
        ["FOO excludes BAR"],
    ),
    "only one of three": (
        THREE,
        obeying(excludes(FOO, BAR), excludes(FOO, BAZ), excludes(BAR, BAZ)),
        ["FOO excludes any of BAR, BAZ", "BAR excludes BAZ"],
    ),
    "what excludes a need excludes the flag": (
        THREE,
        obeying(requires(FOO, BAR), excludes(BAR, BAZ)),
        ["FOO requires BAR", "BAR excludes BAZ"],
    ),
    "needs that exclude each other": (
        FOUR,
        obeying(requires(FOO, BAZ), requires(BAR, QUX), excludes(BAZ, QUX)),
        ["FOO requires BAZ", "BAR requires QUX", "BAZ excludes QUX"],
    ),
    "a combination that no rule explains": (
        THREE,
        obeying(refused(THREE)),
        ["exactly FOO|BAR|BAZ is refused"],
    ),
    "an odd number of flags": (
        THREE,
        taking(mask for mask in subsets(THREE) if mask.bit_count() % 2),
        [
            "exactly 0 is refused",
            "exactly FOO|BAR is refused",
            "exactly FOO|BAZ is refused",
            "exactly BAR|BAZ is refused",
        ],
    ),
    "one mask alone": (
        THREE,
        taking([FOO | BAR]),
        ["no mask takes BAZ", "every mask needs FOO|BAR"],
    ),
    "nothing at all": (
        FOO | BAR,
        taking([]),
        ["no mask takes any of FOO, BAR", "exactly 0 is refused"],
    ),
    "the empty mask alone": (FOO, taking([0]), ["no mask takes FOO"]),
    "no flag is listed": (0, taking([0]), []),
}
