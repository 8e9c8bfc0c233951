"""Recordings written line by line, so that a test decides every time in them."""

from __future__ import annotations

import json
import pathlib
from typing import Any, Optional

from dbxsdk.recording import Closed, Frame, Header, Lost, Opened
from dbxsdk.recording.files import member
from dbxsdk.recording.format import End, encode

WALL_NS = 1_700_000_000_000_000_000
"""The wall clock when the monotonic one was 0."""
SECOND = 1_000_000_000
TOPIC = "publicTrade.BTCUSDT"


def write(path: pathlib.Path, *records: Any, name: str = "r1", started: float = 0, end: Optional[str] = "closed") -> pathlib.Path:
    """A file of one recording, which began at ``started`` (seconds)."""
    wall_ns = WALL_NS + int(started * SECOND)
    lines = [encode(Header(1, "0.1.0", name, 1, wall_ns, wall_ns, 0)), *map(encode, records)]
    if end is not None:
        lines.append(encode(End(0, wall_ns, end)))
    path.write_bytes(member("".join(lines)))
    return path


def _times(at: float) -> Any:
    ns = int(at * SECOND)
    return ns, WALL_NS + ns


def opened(at: float, connection: int = 1, owner: int = 1, client: str = "BybitPublicClient", **settings: Any) -> Opened:
    venue = next(each for each in ("bybit", "digifinex", "cryptomus", "dbot") if client.lower().startswith(each))
    if client == "BybitPublicClient":
        settings = {"category": "linear", **settings}
    return Opened(connection, *_times(at), venue, client, settings, "wss://host/path", owner)


def closed(at: float, connection: int = 1, retry_in: Optional[float] = 0.5, reason: str = "it broke") -> Closed:
    return Closed(connection, *_times(at), reason, None, retry_in, int(at * SECOND))


def lost(at: float, frames: int, connection: int = 1) -> Lost:
    return Lost(connection, *_times(at), frames, "frames came faster than they could be written")


def frame(at: float, document: Any, connection: int = 1, direction: str = "in", kind: str = "text") -> Frame:
    payload = document if isinstance(document, bytes) or document is None else json.dumps(document).encode()
    return Frame(connection, *_times(at), direction, kind, payload, 1 if direction == "out" else None)


def trade(at: float, number: int, connection: int = 1, symbol: str = "BTCUSDT") -> Frame:
    """A frame of ``publicTrade``, whose trade has the id ``number``."""
    one = {"T": 1, "s": symbol, "S": "Buy", "v": "1", "p": "100", "L": "PlusTick", "i": str(number), "BT": False}
    document = {"topic": f"publicTrade.{symbol}", "type": "snapshot", "ts": 1, "data": [one]}
    return frame(at, document, connection)
