"""What passes between websocket-client and a peer during the opening handshake: bounded, and without cookies.

websocket-client keeps one cookie jar a process, filled by every peer and sent to every host that a cookie claims. What one venue
sets must not go out with the handshake to another, let alone the header lines that a hostile cookie may contain.
"""

from __future__ import annotations

from typing import Callable, List

LONGEST_LINE = 8192
"""Bytes of a header line, and ``MOST_LINES`` of them: what other WebSocket libraries take."""
MOST_LINES = 128

# Without its length the body of a refusal, which says nothing that is used, is not read, however long.
_NOT_GIVEN_OUT = {"set-cookie", "content-length"}


def request(data: bytes) -> bytes:
    """Return the request without a ``Cookie`` header."""
    return b"".join(line for line in data.splitlines(True) if _name(line.decode("latin-1")) != "cookie")


def answer(read: Callable[[], bytes]) -> bytes:
    """Read the head of the answer. Return it for websocket-client, with all that came behind it. Raise ``ValueError`` if it is
    too long. ``read()`` returns ``b""`` at the end of the stream."""
    lines: List[bytes] = []
    rest, count = b"", 0
    while True:
        data = read()
        rest += data
        while b"\n" in rest:
            line, _, rest = rest.partition(b"\n")
            # Like websocket-client, to which a letter of another alphabet may be a ``k``.
            text = line.decode("utf-8", "replace")
            count += 1
            if _name(text) not in _NOT_GIVEN_OUT:
                lines.append(line + b"\n")
            if not text.strip():
                return b"".join((*lines, rest))
            if count > MOST_LINES:
                raise ValueError(f"the answer has more than {MOST_LINES} header lines")
            if len(line) > LONGEST_LINE:
                raise ValueError(_TOO_LONG)
        if len(rest) > LONGEST_LINE:
            raise ValueError(_TOO_LONG)
        if not data:
            return b"".join((*lines, rest))


_TOO_LONG = f"a header line of the answer has more than {LONGEST_LINE} bytes"


def _name(line: str) -> str:
    return line.partition(":")[0].strip().lower()
