"""What venues' keys have in common: they are hidden where a debugger or a reporter of errors shows the variables of our
functions, and wherever a peer repeats them: every exception, event and line of the log comes through ``redacted``."""

from __future__ import annotations

import base64
import weakref
from typing import Any, Dict, Iterable, Tuple
from urllib.parse import unquote, urlsplit

LONGEST_SECRET = 512
"""Characters that are looked for. Keys of the venues have some 18 to 64; an RSA signature has 344."""
_SHORTEST_HIDDEN = 8
"""Characters. Venues' keys have 18 and more; a shorter one stands in many a word, which would lose its letters."""

_hidden: Dict[int, Tuple[Any, Tuple[str, ...]]] = {}
"""By the id of its owner: a reference that ends the entry with the owner, and what is hidden meanwhile."""


def hide(owner: Any, texts: Iterable[str]) -> None:
    """Have ``redacted`` hide ``texts`` as long as ``owner`` lives."""
    long = tuple(text for text in texts if _SHORTEST_HIDDEN <= len(text) <= LONGEST_SECRET)
    if long:
        # The reference is made first: by the time at which it ends, another object may have the id, but not the entry.
        key = id(owner)
        _hidden[key] = (weakref.ref(owner, lambda _: _hidden.pop(key, None)), long)


def redacted(text: str) -> str:
    """Return ``text`` with asterisks in place of all secrets in use: a peer may repeat in its words what it was sent."""
    secrets = {secret for _, each in list(_hidden.values()) for secret in each}
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


class SecretText(str):
    """A key, a signature, or a text that contains one. The type marks it for all that handle it; its ``repr`` hides it."""

    def __new__(cls, text: str) -> "SecretText":
        """Hide ``text`` as long as this object lives."""
        self = super().__new__(cls, text)
        hide(self, self._parts())
        return self

    def __repr__(self) -> str:
        return "'***'"

    def _parts(self) -> Tuple[str, ...]:
        return (str(self),)


class ProxyUrl(SecretText):
    """A proxy's URL, whose ``repr`` hides the user and the password."""

    def __repr__(self) -> str:
        try:
            parts = urlsplit(self if "://" in self else f"http://{self}")
            login = "***@" if "@" in parts.netloc else ""
            return repr(f"{parts.scheme}://{login}{parts.hostname}:{parts.port}" if self else "")
        except ValueError:  # which names the port, where the end of a password may stand
            return super().__repr__()

    def _parts(self) -> Tuple[str, ...]:
        login = self.rpartition("@")[0].rpartition("/")[2]
        user, _, password = map(unquote, login.partition(":"))
        return (login, password, base64.b64encode(f"{user}:{password}".encode()).decode())


class _SecretBytes(bytes):
    __repr__ = SecretText.__repr__


_SecretBytes.__name__ = "bytes"  # what a message says of a key that should be a text


def hidden(value: Any) -> Any:
    """Return a text as a ``SecretText``, and anything else as it is, bytes without their ``repr``: it is refused in a moment.
    For the first line of functions that users give keys to."""
    if isinstance(value, str):
        return SecretText(value)
    return _SecretBytes(value) if isinstance(value, bytes) else value
