"""The tickers of one connection: frames that hold only what changed, merged with what came before."""

from __future__ import annotations

from typing import Any, Callable, Dict

from dbxsdk.bybit.public.ticker_models import CHANGED
from dbxsdk.errors import ProtocolError

# One connection takes topics of 21,000 characters together: no venue that keeps to its own limit comes near.
LIMIT = 4_096


class Tickers:
    """What each topic's frames have said last. A document that was handed out is never changed by a later frame."""

    def __init__(self) -> None:
        self._last: Dict[str, Dict[str, Any]] = {}

    def clear(self) -> None:
        self._last.clear()

    def merge(self, topic: str, read: Callable[[Any], Any], frame: Dict[str, Any]) -> Dict[str, Any]:
        """``frame`` with the data of all frames so far; as it is, and forgotten, where ``read`` cannot read it."""
        try:
            read(frame)
        except ProtocolError:
            return frame  # read() fails again for those who want typed data; the others get it as it is
        data, kind = frame["data"], frame["type"]
        last = self._last.get(topic)
        if last is None:
            # The oldest has to go, so that a venue that invents topics cannot fill the memory.
            while len(self._last) >= LIMIT:
                del self._last[next(iter(self._last))]
        # Always a new one: the frame's own is the user's, who may change it.
        merged = {**last, **data} if last is not None and kind == "delta" else {**data}
        self._last[topic] = merged
        return {"type": kind, "cs": frame.get("cs"), "data": merged, CHANGED: tuple(data)}
