"""The tickers of one connection: frames that hold only what changed, merged with what came before."""

from __future__ import annotations

from typing import Any, Callable, Dict

import attrs

# One connection takes topics of 21,000 characters together: no venue that keeps to its own limit comes near.
LIMIT = 4_096


class Tickers:
    """The last ticker of each topic. They are frozen: what was handed out is never changed by a later frame."""

    def __init__(self) -> None:
        self._last: Dict[str, Any] = {}

    def clear(self) -> None:
        self._last.clear()

    def merge(self, topic: str, read: Callable[[Any], Any], frame: Dict[str, Any]) -> Any:
        """The ticker after ``frame``. Raises ``ProtocolError``, and keeps what it had, where it cannot be read."""
        ticker = read(frame)
        last = self._last.get(topic)
        if last is None:
            # The oldest has to go, so that a venue that invents topics cannot fill the memory.
            while len(self._last) >= LIMIT:
                del self._last[next(iter(self._last))]
        elif frame["type"] == "delta":
            changes = {name: getattr(ticker, name) for name in ticker.changed}
            ticker = attrs.evolve(last, changed=ticker.changed, cross_sequence=ticker.cross_sequence, **changes)
        self._last[topic] = ticker
        return ticker
