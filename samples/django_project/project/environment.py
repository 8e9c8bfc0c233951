"""What the environment says about venues and keys, read once and checked."""

from __future__ import annotations

import os
from typing import Mapping, Optional, Tuple, TypeVar

import attrs
import dbxsdk

N = TypeVar("N", int, float)


@attrs.frozen(kw_only=True)
class Desk:
    """Attributes:
    live: the real venues; otherwise each process has local ones of its own, which need no network and no key.
    symbols: whose trades the feed stores.
    relay: the Redis server of a relay that serves ``digifinex``, in place of the feed's own connection; its URL may hold a
        password. It makes the rest ``live``.
    reader: under which name the relay keeps what this database has; one for each database.
    feed_url, task_url: other addresses of DigiFinex and DBot, e.g. those that ``dbxsdk sim`` prints; for ``live``.
    rest_url: another address of DBot's REST side, where ``resolve`` asks; beside ``task_url``.
    task_key, task_id: DBot's API key, and the copy trading task that the page switches; for ``live``.
    request_timeout: seconds that a request to DBot may take.
    requests: how many of them a minute it may send, all users together.
    batch_size, batch_seconds: trades are written when there are so many, or the oldest has waited for so long.
    queue_size: trades held in memory while the database is away.
    stop_seconds: how long the feed goes on trying, after the order to stop, to write what it holds to a database that is
        away. One try may take the database's timeout in addition, and who stops services kills them after ten seconds.
    """

    live: bool = False
    symbols: Tuple[str, ...] = ("BTC_USDT", "ETH_USDT")
    relay: Optional[str] = attrs.field(default=None, repr=False)
    reader: str = "desk"
    feed_url: Optional[str] = None
    task_url: Optional[str] = None
    rest_url: Optional[str] = None
    task_key: str = attrs.field(default="", repr=False)
    task_id: str = ""
    request_timeout: float = 5.0
    requests: int = 30
    batch_size: int = 500
    batch_seconds: float = 0.5
    queue_size: int = 20_000
    stop_seconds: float = 4.0

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Desk":
        """Raises ``ValueError`` naming the variable."""
        default = cls()
        symbols = tuple(dict.fromkeys(environ.get("DESK_SYMBOLS", "").upper().split()))
        relay = environ.get("DESK_RELAY") or None
        reader = environ.get("DESK_RELAY_READER") or default.reader
        if relay is not None:
            _check_relay(relay, reader)
            if environ.get("DESK_FEED_URL"):
                raise ValueError("DESK_FEED_URL must not be set beside DESK_RELAY: the feed reads from one of them")
        return cls(
            live=flag(environ, "DESK_LIVE") or relay is not None,
            relay=relay,
            reader=reader,
            symbols=symbols or default.symbols,
            feed_url=environ.get("DESK_FEED_URL") or None,
            task_url=environ.get("DESK_TASK_URL") or None,
            rest_url=environ.get("DESK_REST_URL") or None,
            task_key=environ.get("DBOT_API_KEY", ""),
            task_id=environ.get("DBOT_FOLLOW_ORDER", ""),
            request_timeout=number(environ, "DESK_REQUEST_TIMEOUT", default.request_timeout),
            requests=number(environ, "DESK_REQUESTS", default.requests),
            batch_size=number(environ, "DESK_BATCH_SIZE", default.batch_size),
            batch_seconds=number(environ, "DESK_BATCH_SECONDS", default.batch_seconds),
            queue_size=number(environ, "DESK_QUEUE_SIZE", default.queue_size),
            stop_seconds=number(environ, "DESK_STOP_SECONDS", default.stop_seconds),
        )


def _check_relay(url: str, reader: str) -> None:
    """Raises ``ValueError`` without the URL: there may be a password in it."""
    try:
        dbxsdk.Relay(url).client("digifinex", durable=reader)  # opens nothing
    except (ValueError, ImportError) as error:
        raise ValueError(f"DESK_RELAY or DESK_RELAY_READER: {error}") from None


def flag(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name) or "0"
    if value not in ("0", "1"):
        raise ValueError(f"{name} must be 0 or 1, not {value!r}")
    return value == "1"


def number(environ: Mapping[str, str], name: str, default: N) -> N:
    """A number above 0, of the default's type."""
    text = environ.get(name) or str(default)
    try:
        value = type(default)(text)
    except ValueError:
        value = type(default)(0)
    if not 0 < value < 1e9:
        kind = "whole number" if isinstance(default, int) else "number"
        raise ValueError(f"{name} must be a {kind} above 0, not {text!r}")
    return value
