"""Whatever is typed: an exit status and two lines, never a traceback."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gmemflags._cli._hosts import HOSTS
from gmemflags._cli._main import COMMANDS
from gmemflags._cli._options import CATALOGS
from tests.cli.runs import run

OPTIONS = (
    "--host",
    "--catalog",
    "--flags-hi",
    "--vm-type",
    "--scope",
    "--prefer",
    "--forbid",
    "--until",
    "--profile",
    "--add-prerequisites",
    "--no-create-vm",
    "--graph",
    "--help",
    "--version",
    "--",
    "-",
)
VALUES = (
    *HOSTS,
    *CATALOGS,
    *(
        "MMAP",
        "INIT_SHARED|MMAP",
        "WRITE",
        "MMPA",
        "0",
        "0x40",
        "-1",
        "300",
        "245",
        "1e9",
        "9" * 5000,
    ),
    *("system", "vm", "create", "bind", "access", "boot", "private", "fully-shared", "", "\0"),
)
# Without a slash, so that no file is opened that somebody has.
_texts = st.text(st.characters(exclude_characters="/"), max_size=8)
_words = st.sampled_from(OPTIONS + VALUES) | _texts
_host = st.sampled_from([["--host", name] for name in HOSTS])
_argv = st.tuples(
    st.lists(st.sampled_from([*COMMANDS]), max_size=1), _host, st.lists(_words, max_size=6)
).map(lambda parts: [*parts[0], *parts[1], *parts[2]])


@settings(max_examples=300)
@given(_argv | st.lists(_texts, max_size=4))
def test_nothing_that_is_typed_ends_in_a_traceback(argv: list[str]) -> None:
    """A status of the documented ones; an error or warning is always two lines."""
    answer = run(*argv)
    assert answer.status in (0, 1, 2, 3)
    lines = answer.err.split("\n")[:-1]
    assert all(
        line.startswith(("gmemflags: error: ", "gmemflags: warning: ")) for line in lines[::2]
    )
    assert all(line.startswith("gmemflags: to do: ") for line in lines[1::2])
    assert len(lines) % 2 == 0
    errors = [line for line in lines if line.startswith("gmemflags: error: ")]
    assert len(errors) == (answer.status >= 2)
    assert bool(answer.out) is (answer.status < 2)
