"""What the web applications and workers under test have in common: one client, made when the module is imported."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any, Dict

import dbxsdk

logging.basicConfig(level=logging.WARNING)

client = dbxsdk.DigiFinexClient(
    url=os.environ["VENUE_URL"], options=dbxsdk.Options(connect_timeout=10, request_timeout=10)
)
_arrived = threading.Condition()
_updates: Dict[int, int] = {}
"""By process: a callback runs in each that uses the client."""


def on_trades(_: Any) -> None:
    with _arrived:
        _updates[os.getpid()] = _updates.get(os.getpid(), 0) + 1
        _arrived.notify_all()


def subscribe() -> None:
    client.subscribe("trades", "BTC_USDT", callback=on_trades)


if os.environ.get("SUBSCRIBE") == "import":
    subscribe()


def live() -> Dict[str, Any]:
    """A blocking request, and updates that came to this very process after it."""
    pid = os.getpid()
    time = client.server_time()
    with _arrived:
        before = _updates.get(pid, 0)
        more = _arrived.wait_for(lambda: _updates.get(pid, 0) > before, 10)
    return {"pid": pid, "time": time > 0, "updates": more}


def lazily() -> Dict[str, Any]:
    """The pattern for servers with a reloader: nothing connects before the first request."""
    with _first:
        if not _subscribed:
            subscribe()
            _subscribed.append(True)
    return live()


_first = threading.Lock()
_subscribed: "list[bool]" = []
