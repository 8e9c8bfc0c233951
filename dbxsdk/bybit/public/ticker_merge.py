"""The tickers of one connection: frames that have only what changed, merged with what came before."""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional

from dbxsdk.bybit.public.ticker_models import CHANGED, LONGEST_VALUE, NAMES
from dbxsdk.errors import ProtocolError

# One connection takes topics of 21,000 characters together: a venue that keeps to its own limit does not come near.
LIMIT = 4_096


class Tickers:
    """The latest values of each topic's frames. A document that was handed out is never changed by a later frame."""

    def __init__(self) -> None:
        self._last: Dict[str, Dict[str, Any]] = {}

    def clear(self) -> None:
        self._last.clear()

    def latest(self, topic: str) -> Optional[Dict[str, Any]]:
        """Return the data of all frames so far, or None if there was none. Not to be changed."""
        return self._last.get(topic)

    def merge(self, topic: str, read: Callable[[Any], Any], frame: Dict[str, Any]) -> Dict[str, Any]:
        """Return ``frame`` with the data of all frames so far; as it is, and forgotten, if ``read`` cannot read it. Fields that
        the model does not have are left out: the venue could send any number of them."""
        try:
            ticker = read(frame)
        except ProtocolError:
            return frame  # read() fails again for typed subscribers; the others get it as it is
        data, kind = frame["data"], frame["type"]
        symbol = data["symbol"]
        if type(symbol) is not str or len(symbol) > LONGEST_VALUE:
            return frame
        if len(data) > 1 + len(ticker.changed):
            names = NAMES[type(ticker)]
            data = {"symbol": symbol, **{name: value for name, value in data.items() if name in names}}
        last = self._last.get(topic)
        if last is None:
            # The oldest is removed, so that a venue that invents topics cannot fill the memory.
            while len(self._last) >= LIMIT:
                del self._last[next(iter(self._last))]
        # Always a new one: the frame's own goes to the user, who may change it.
        merged = {**last, **data} if last is not None and kind == "delta" else {**data}
        self._last[topic] = merged
        return {"type": kind, "cs": frame.get("cs"), "data": merged, CHANGED: tuple(data)}
