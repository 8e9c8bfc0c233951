"""The heartbeat of both sockets: a WebSocket ping, whose pong completes it."""

from __future__ import annotations

import itertools
from typing import Sequence

from dbxsdk.protocol import Request

PING = "ping"

HEARTBEAT_INTERVAL = 30.0
"""Seconds, as in the venue's own samples."""

LONGEST_HEARTBEAT_INTERVAL = 55.0
"""Seconds. The venue closes a connection after a minute without a heartbeat, and advises 30 to 55 s."""


class Pings:
    """Makes pings with unique payloads."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)  # next() on it is atomic: any thread makes requests

    def next(self, kind: str = PING, topics: Sequence[str] = ()) -> Request:
        """Make a ping. With ``topics`` it follows a request that ends them and whose answer no page describes: the venue
        reads frames in order, so the pong says that the request was read."""
        payload = f"dbxsdk-{next(self._numbers)}"
        return Request(key=payload, frame=payload, kind=kind, topics=tuple(topics), is_ping=True)
