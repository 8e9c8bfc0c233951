"""Where to connect: a WebSocket URL, taken apart and checked before any I/O."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Mapping, Tuple
from urllib.parse import unquote, urlsplit

import attrs

from dbxsdk.credentials import hide

DEFAULT_PORTS = {"ws": 80, "wss": 443}


@attrs.frozen(eq=False)
class Address:
    """A WebSocket address. ``url`` and ``headers`` may hold a token or a key and stay out of ``repr``."""

    url: str = attrs.field(repr=False)
    host: str
    port: int
    secure: bool
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)

    def __attrs_post_init__(self) -> None:
        hide(self, self.secrets)

    @property
    def secrets(self) -> Tuple[str, ...]:
        """What nobody may see: header values, the query and the values in it."""
        query = urlsplit(self.url).query
        return tuple(filter(None, (*self.headers.values(), query, unquote(query), *query.replace("=", "&").split("&")[1::2])))

    @property
    def endpoint(self) -> str:
        """``host:port``, for messages and for the connection budget."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_url(name: str, url: Any, headers: Mapping[str, str] = MappingProxyType({})) -> Address:
    """The address that ``url`` means, or a ``TypeError``/``ValueError`` that names the argument ``name``."""
    if not isinstance(url, str):
        raise TypeError(f"{name} must be a str, not {type(url).__name__}")
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError(f"{name} must not contain blanks or control characters")
    try:
        parts = urlsplit(url)
    except ValueError:  # without its text, which may hold a password
        raise ValueError(f"{name} is no valid URL") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ValueError(f"{name} must be a ws:// or wss:// URL with a host")
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"{name} has no valid port") from None
    try:
        parts.hostname.encode("idna")
    except UnicodeError:
        raise ValueError(f"{name} has no valid host name") from None
    if parts.username is not None:
        raise ValueError(f"{name} must not hold a user name or password")
    return Address(
        url=parts.scheme + url[len(parts.scheme) :],  # websocket-client knows the scheme in small letters only
        host=parts.hostname,
        port=DEFAULT_PORTS[parts.scheme] if port is None else port,
        secure=parts.scheme == "wss",
        headers=headers,
    )
