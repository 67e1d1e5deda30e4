"""The request that the options of ``check`` make, and which exit status its answer is."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from gmemflags._catalog import Prerequisites, Request, Scope
from gmemflags._cli._status import CommandError, Status
from gmemflags._exceptions import FlagSyntaxError
from gmemflags._format import parse_mask
from gmemflags._masks import union
from gmemflags._problems import Reason
from gmemflags._rules import Stage

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from gmemflags._catalog import Catalog
    from gmemflags._resolve import Resolution

# With nothing worse, a refusal is no statement about the host.
_OPEN = frozenset(
    {
        Reason.ONLY_UPPER_BOUND,
        Reason.UNKNOWABLE,
        Reason.GUEST_MEMFD_NOT_ASKED,
        Reason.NEED_NOT_ASKED,
    }
)


def add_request(parser: ArgumentParser) -> None:
    """FLAGS, --prefer and --forbid: what is wanted."""
    parser.add_argument(
        "flags",
        metavar="FLAGS",
        nargs="*",
        help="required flags: names or masks, joined by | or a comma; 0 is none. A word with a dot"
        " or a slash, or a single -, is a file of recorded hosts, which are checked instead of"
        " this one",
    )
    parser.add_argument(
        "--prefer",
        metavar="FLAGS",
        action="append",
        default=[],
        help="flags to have if possible, all of FLAGS or none; repeat it for wishes of lower"
        " priority",
    )
    parser.add_argument(
        "--forbid",
        metavar="FLAGS",
        action="append",
        default=[],
        help="flags that must not be in the answer; may be repeated",
    )


def add_policy(parser: ArgumentParser) -> None:
    """--add-prerequisites, --until and --profile: how it is wanted."""
    parser.add_argument(
        "--add-prerequisites",
        action="store_true",
        help="add flags that the wanted ones require, instead of refusing",
    )
    parser.add_argument(
        "--until",
        choices=[str(stage) for stage in Stage],
        help="the last stage whose rules count (default: that of the profile, or bind)",
    )
    parser.add_argument(
        "--profile", metavar="NAME", help="start from a named request of the catalog"
    )


def is_file(word: str) -> bool:
    """Whether a word is a file: no flag and no mask has a dot or a slash."""
    return word == "-" or "." in word or "/" in word


def request(args: Namespace, catalog: Catalog) -> Request:
    """What the options want, in the names of ``catalog``."""
    base = _profile(args.profile, catalog) if args.profile else Request()
    required = union(_required(word, catalog) for word in args.flags if not is_file(word))
    forbidden = union(parse_mask(text, catalog) for text in args.forbid)
    return evolve(
        base,
        required=base.required | required,
        preferred=(*base.preferred, *(parse_mask(text, catalog) for text in args.prefer)),
        forbidden=base.forbidden | forbidden,
        prerequisites=Prerequisites.ADD if args.add_prerequisites else base.prerequisites,
        until=Stage[args.until.upper()] if args.until else base.until,
        scope=Scope(args.scope),
    )


def _required(word: str, catalog: Catalog) -> int:
    try:
        return parse_mask(word, catalog)
    except FlagSyntaxError as error:
        with suppress(OSError):  # no file has such a name
            if word and Path(word).exists():
                remedy = f"there is a file of that name: ./{word} stands for it"
                raise CommandError(str(error), remedy) from None
        raise


def _profile(name: str, catalog: Catalog) -> Request:
    if name in catalog.profiles:
        return catalog.profiles[name].request
    known = ", ".join(catalog.profiles) or "none"
    raise CommandError(
        f"{catalog.name} has no profile {name!r}",
        f"its profiles: {known}; --catalog chooses another tree",
    )


def status(answer: Resolution) -> Status:
    """The exit status for ``answer``: a refusal is a no only if the host really said no."""
    if answer.ok:
        return Status.YES
    reasons = {problem.reason for problem in answer.problems}
    return Status.NO_ANSWER if reasons <= _OPEN else Status.NO
