"""What a terminal shows; the fixture ``pty`` opens one."""

import os

_END = b"\0"


def shown_on(pty: tuple[int, int]) -> str:
    """All that was written to the terminal; it comes in pieces, and some of them later."""
    shows, writes = pty
    os.write(writes, _END)
    text = b""
    while not text.endswith(_END):
        text += os.read(shows, 65536)
    return text.removesuffix(_END).decode()
