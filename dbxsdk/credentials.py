"""What venues' keys have in common: they are hidden wherever a venue repeats them."""

from __future__ import annotations

_SHORTEST_HIDDEN = 8
"""Characters. Venues' keys have 18 and more; a shorter one stands in many a word, which would lose its letters."""


def redacted(text: str, *secrets: str) -> str:
    """Return ``text`` with asterisks in place of the secrets: a venue may repeat in its texts what it was sent."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_HIDDEN:
            text = text.replace(secret, "***")
    return text
