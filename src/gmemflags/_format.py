"""Masks, rules and needs as text and back. Text belongs to a tree, because names do.

No text here ever renders a non-empty set of bits as nothing: what has no name is shown as a
number. Every sentence of the library about a bit is made of :func:`describe`.

>>> from gmemflags import format_mask, parse_mask
>>> format_mask(0x43)
'MMAP|INIT_SHARED|0x40'
>>> hex(parse_mask("mmap, guest_memfd_flag_init_shared, 0x40"))
'0x43'
>>> parse_mask("MMAP|INIT_SHRED")
Traceback (most recent call last):
  ...
gmemflags._exceptions.FlagSyntaxError: no flag of linux-mainline is called INIT_SHRED at position 5
of 'MMAP|INIT_SHRED'; did you mean INIT_SHARED?
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from gmemflags._catalog import ANSWER_NAMES, Catalog, Need
from gmemflags._exceptions import FlagSyntaxError, quote, safe_repr
from gmemflags._mainline import MAINLINE
from gmemflags._masks import MASK, PREFIX, bits, check_names, mask_text, one_bit, u64, union
from gmemflags._rules import Always, Excludes, Hosts, Never, Refused, Requires, Rule


def format_mask(mask: int, catalog: Catalog = MAINLINE) -> str:
    """``mask`` in the names of ``catalog``: ``MMAP|INIT_SHARED|0x40``, or ``0`` for no bit.

    Names come in order of their bits; what has no name follows as one hexadecimal number.

    Args:
        mask: A mask.
        catalog: The tree that names the bits.

    Raises:
        InvalidMaskError: ``mask`` is not a mask, or a flag that the catalog calls otherwise.

    >>> from gmemflags import format_mask
    >>> format_mask(0x43)
    'MMAP|INIT_SHARED|0x40'
    """
    check_names(mask, catalog.flags.bit_names)
    return mask_text(mask, catalog.flags.bit_names)


def parse_mask(text: str, catalog: Catalog = MAINLINE) -> int:
    """The mask that ``text`` names; the inverse of :func:`format_mask`.

    Args:
        text: Names in any case, with or without ``GUEST_MEMFD_FLAG_``, and hexadecimal or decimal
            masks, separated by ``|`` or ``,``.
        catalog: Whose names they are.

    Raises:
        FlagSyntaxError: With the place of the fault and the nearest name.

    >>> from gmemflags import parse_mask
    >>> parse_mask("mmap|0x40")
    65
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # from outside
        raise FlagSyntaxError("", 0, f"{safe_repr(text)} is not a text")
    mask = position = 0
    for part in text.replace(",", "|").split("|"):
        token = part.strip()
        place = position + len(part) - len(part.lstrip())
        mask |= _parse_token(token, text, place, catalog)
        position += len(part) + 1
    return mask


def _parse_token(token: str, text: str, place: int, catalog: Catalog) -> int:
    if not token:
        raise FlagSyntaxError(text, place, "a flag is missing (0 stands for none)")
    if token[0].isdigit():
        return _parse_number(token, text, place)
    name = (token.upper() if token.isascii() else token).removeprefix(PREFIX)
    names = catalog.flags.bit_names
    for bit, known in names.items():
        if known == name:
            return bit
    close = get_close_matches(name[:100], names.values(), cutoff=0.5)
    problem = f"no flag of {quote(catalog.name)} is called {quote(token[:60])}"
    raise FlagSyntaxError(text, place, problem, close[0] if close else None)


def _parse_number(token: str, text: str, place: int) -> int:
    digits = token.lower()
    base = 16 if digits.startswith("0x") else 10
    if len(token) <= 66 and token.isascii() and "_" not in token:  # 2**64 in decimal has 20
        try:
            value = int(digits, base)
        except ValueError:
            raise FlagSyntaxError(text, place, f"{quote(token)} is not a number") from None
        if value <= MASK:
            return value
    raise FlagSyntaxError(text, place, f"{quote(token[:60])} is not a mask of 64 bits")


def describe(bit: int, catalog: Catalog) -> str:
    """One bit with name, number and value: ``MMAP (bit 0, 0x1)``."""
    value = one_bit(bit)
    number = value.bit_length() - 1
    name = catalog.name_of(value)
    if name:
        return f"{name} (bit {number}, {value:#x})"
    return f"bit {number} ({value:#x}, not named by {quote(catalog.name)})"


def describe_mask(mask: int, catalog: Catalog) -> str:
    """A mask in a sentence: a bit as :func:`describe` has it, or several with their value."""
    value = u64(mask)
    if value.bit_count() == 1:
        return describe(value, catalog)
    if not value & catalog.named:
        return f"{value:#x} (not named by {quote(catalog.name)})" if value else "no flag (0x0)"
    return f"{format_mask(value, catalog)} ({value:#x})"


def format_rule(rule: Rule, catalog: Catalog = MAINLINE) -> str:
    """What a rule says, without its why: ``BAR requires FOO``.

    ``A|B`` means both of them; where each bit counts by itself, they are listed: ``any of A, B``.
    Of more than 64 alternatives the first are listed.

    Args:
        rule: A rule.
        catalog: The tree that names the bits.
    """
    return rule_text(rule, catalog, 64)


def rule_text(rule: Rule, catalog: Catalog, most: int) -> str:
    """What a rule says, with the first ``most`` parts of each list in it."""
    match rule:
        case Requires():
            flags = _each("each", rule.flag, catalog, most)
            return f"{flags} requires {_needed(rule.all_of, rule.any_of, catalog, most)}"
        case Always():
            return f"every mask needs {_needed(rule.all_of, rule.any_of, catalog, most)}"
        case Excludes():
            one, other = (_each("any", mask, catalog, most) for mask in rule.operands)
            return f"{one} excludes {other}"
        case Never():
            return f"no mask takes {_each('any', rule.mask, catalog, most)}"
        case Refused():
            return f"exactly {format_mask(rule.mask, catalog)} is refused"
        case _:
            names = ", ".join(format_mask(operand, catalog) for operand in rule.operands)
            return f"{type(rule).__name__}({names})"


def rules_with_why(rules: Iterable[Rule], catalog: Catalog) -> str:
    """Rules in a sentence, each with its why: ``BAR requires FOO (BAR builds on FOO)``."""
    return "; ".join(
        f"{format_rule(rule, catalog)} ({quote(rule.why.rstrip('.'))})" for rule in rules
    )


def _listed(texts: Iterable[str], most: int) -> str:
    # The first of some texts, and how many more there are.
    found = [*texts]
    left = len(found) - most
    return ", ".join(found[:most]) + (f" and {left} more" if left > 0 else "")


def _each(word: str, mask: int, catalog: Catalog, most: int) -> str:
    # Bits that count each by itself: "any of A, B", "any bit of 0xfc".
    rest = mask & ~catalog.named
    if mask.bit_count() < 2:
        return format_mask(mask, catalog)
    if mask == rest:
        return f"{word} bit of {mask:#x}"
    names = [format_mask(bit, catalog) for bit in bits(mask & catalog.named)]
    if rest:
        names.append(format_mask(rest, catalog) if rest.bit_count() == 1 else f"bits of {rest:#x}")
    return f"{word} of {_listed(names, most)}"


def _needed(all_of: int, any_of: tuple[int, ...], catalog: Catalog, most: int) -> str:
    parts = [format_mask(all_of, catalog)] if all_of else []
    alternatives = [format_mask(mask, catalog) for mask in any_of]
    if alternatives:
        one_of = "one of " if len(alternatives) > 1 else ""
        parts.append(f"{one_of}{_listed(alternatives, most)}")
    return " and ".join(parts) or "0"


def format_hosts(hosts: Hosts) -> str:
    """The hosts that a rule speaks of: ``machine x86_64 or i686, VM type 4``, or ``any host``."""
    parts = [f"machine {' or '.join(map(quote, hosts.machines))}"] if hosts.machines else []
    for what, numbers in (
        ("VM type", hosts.vm_types),
        ("any VM type but", hosts.except_vm_types),
    ):
        if numbers:
            types = [f"{number}" if number < 0x100 else f"{number:#x}" for number in numbers]
            parts.append(f"{what} {' or '.join(types)}")
    return ", ".join(parts) or "any host"


def format_need(need: Need) -> str:
    """A need: ``KVM_CAP_X``, or ``KVM_CAP_X with 0x8 and one of 0x1, 0x2 and at least 4``."""
    names = ANSWER_NAMES.get(need.capability, {})

    def mask(value: int) -> str:
        named = value & union(names)
        return f"{value:#x} ({mask_text(value, names)})" if named else f"{value:#x}"

    parts = [mask(need.bits)] if need.bits else []
    if need.any_of:
        parts.append(f"one of {', '.join(map(mask, need.any_of))}")
    if need.at_least is not None:
        parts.append(f"at least {need.at_least}")
    what = f"KVM_CAP_{quote(need.capability)}"
    return what + (f" with {' and '.join(parts)}" if parts else "")
