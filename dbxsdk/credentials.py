"""What venues' keys have in common: they are hidden wherever a venue repeats them, and where a debugger or a reporter of errors
shows the variables of our functions."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

_SHORTEST_HIDDEN = 8
"""Characters. Venues' keys have 18 and more; a shorter one stands in many a word, which would lose its letters."""


class SecretText(str):
    """A key, a signature, or a text that contains one. The type marks it for all that handle it; its ``repr`` hides it."""

    def __repr__(self) -> str:
        return "'***'"


class ProxyUrl(SecretText):
    """A proxy's URL, whose ``repr`` hides the user and the password."""

    def __repr__(self) -> str:
        try:
            parts = urlsplit(self)
            login = "***@" if "@" in parts.netloc else ""
            return repr(f"{parts.scheme}://{login}{parts.hostname}:{parts.port}" if self else "")
        except ValueError:  # which names the port, where the end of a password may stand
            return super().__repr__()


def hidden(value: Any) -> Any:
    """Return a text as a ``SecretText``, and anything else as it is: it is refused in a moment. For the first line of functions
    that users give keys to."""
    return SecretText(value) if isinstance(value, str) else value


def redacted(text: str, *secrets: str) -> str:
    """Return ``text`` with asterisks in place of the secrets: a venue may repeat in its texts what it was sent."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_HIDDEN:
            text = text.replace(secret, "***")
    return text
