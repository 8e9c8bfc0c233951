"""What can be set, and how it is read from the environment."""

from __future__ import annotations

import os
import re
from typing import Mapping, Optional, Tuple, TypeVar

import attrs
import dbxsdk

N = TypeVar("N", int, float)


@attrs.frozen(kw_only=True)
class Settings:
    """Attributes:
    live: the real venues; otherwise local ones, which need no network and no key.
    symbol: what the page shows, of Bybit's linear contracts.
    relay: the Redis server of a relay that serves ``bybit:linear``, in place of a connection to the market; its URL may hold
        a password. It makes the rest ``live``.
    feed_url, task_url: other addresses of the two venues, e.g. those that ``dbxsdk sim`` prints; for ``live``.
    task_key, task_id: DBot's API key, and the copy trading task that the button switches; for ``live``.
    stale_after: seconds without an update after which prices are no longer called live.
    request_timeout: seconds that the button's request may take.
    viewers: pages that may be open at once. Each takes one of the server's threads: keep it below their number, so
        that the health check and the button always find one.
    hosts: the names by which the page may be asked for.
    """

    live: bool = False
    symbol: str = "BTCUSDT"
    relay: Optional[str] = attrs.field(default=None, repr=False)
    feed_url: Optional[str] = None
    task_url: Optional[str] = None
    task_key: str = attrs.field(default="", repr=False)
    task_id: str = ""
    stale_after: float = 5.0
    request_timeout: float = 5.0
    viewers: int = 12
    hosts: Tuple[str, ...] = ("127.0.0.1", "localhost")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Raises ``ValueError`` naming the variable."""
        default = cls()
        live = environ.get("DASHBOARD_LIVE", "0")
        if live not in ("0", "1"):
            raise ValueError(f"DASHBOARD_LIVE must be 0 or 1, not {live!r}")
        relay = environ.get("DASHBOARD_RELAY") or None
        if relay is not None:
            _check_relay(relay)
            if environ.get("DASHBOARD_FEED_URL"):
                raise ValueError("DASHBOARD_FEED_URL must not be set beside DASHBOARD_RELAY: the market comes from one of them")
        return cls(
            live=live == "1" or relay is not None,
            relay=relay,
            symbol=environ.get("DASHBOARD_SYMBOL") or default.symbol,
            feed_url=environ.get("DASHBOARD_FEED_URL") or None,
            task_url=environ.get("DASHBOARD_TASK_URL") or None,
            task_key=environ.get("DBOT_API_KEY", ""),
            task_id=environ.get("DBOT_FOLLOW_ORDER", ""),
            stale_after=_number(environ, "DASHBOARD_STALE_AFTER", default.stale_after),
            request_timeout=_number(environ, "DASHBOARD_REQUEST_TIMEOUT", default.request_timeout),
            viewers=_number(environ, "DASHBOARD_VIEWERS", default.viewers),
            hosts=default.hosts + tuple(environ.get("DASHBOARD_HOSTS", "").split()),
        )

    @property
    def counted_at(self) -> str:
        """Where Flask-Limiter counts requests: with a relay in its Redis, where all workers see them. Only the addresses of
        Sentinels are spelled otherwise there: behind these, each worker counts for itself."""
        if self.relay is None or self.relay.startswith("redis+sentinel"):
            return "memory://"
        return f"redis+{self.relay}" if self.relay.startswith("unix") else self.relay

    @property
    def units(self) -> Tuple[str, str]:
        """What sizes and prices are in, e.g. ``("BTC", "USDT")``; two empty texts where the symbol does not say it
        (``"BTCPERP"``), for a wrong unit is worse than none. On linear contracts sizes are in the base coin."""
        found = re.fullmatch(r"([A-Z0-9]+)(USD[TC])(-\d{2}[A-Z]{3}\d{2})?", self.symbol)
        return (found[1], found[2]) if found else ("", "")


def _check_relay(url: str) -> None:
    """Raises ``ValueError`` without the URL: there may be a password in it."""
    try:
        dbxsdk.Relay(url)  # opens nothing
    except (ValueError, ImportError) as error:
        raise ValueError(f"DASHBOARD_RELAY: {error}") from None


def _number(environ: Mapping[str, str], name: str, default: N) -> N:
    """A number above 0, of the default's type."""
    text = environ.get(name) or str(default)
    try:
        number = type(default)(text)
    except ValueError:
        number = type(default)(0)
    if not 0 < number < 1e6:
        kind = "whole number" if isinstance(default, int) else "number"
        raise ValueError(f"{name} must be a {kind} above 0, not {text!r}")
    return number
