"""``orderbook``: books of all depths, the best prices alone, and books with retail price improvement orders."""

from __future__ import annotations

from typing import List

from dbxsdk.sim.bybit.feed import Document, Floor, MarketFeed
from dbxsdk.sim.market.book import DepthFeed, Level
from dbxsdk.sim.market.market import SymbolMarket

BOOK_SECONDS = {1: 0.01, 25: 0.02, 50: 0.02, 100: 0.1, 200: 0.1, 1000: 0.2}
_RPI_DEPTH = 50
_TOP_REPEAT_MS = 3000


class BookFeed(MarketFeed):
    """``orderbook.{depth}.{symbol}``: a snapshot, then deltas whose ``u`` grows by one."""

    def __init__(self, floor: Floor, topic: str, market: SymbolMarket, depth: int) -> None:
        super().__init__(floor, topic, market)
        self.seconds = BOOK_SECONDS[depth]
        self.skip = 0
        """How many next deltas to lose on purpose."""
        self._window = DepthFeed(market.book, depth)
        self._update_id = self.rng.randrange(1_000_000, 50_000_000)
        self._late_type = floor.category == "spot" or depth == 1

    def refresh(self) -> None:
        if any(self._window.advance()):
            self._update_id += 1

    def begin(self) -> List[Document]:
        return [self._book_frame("snapshot", *self._window.snapshot())]

    def advance(self) -> List[Document]:
        bids, asks = self._window.advance()
        if not bids and not asks:
            return []
        self._update_id += 1
        if self.skip:
            self.skip -= 1
            return []
        return [self._book_frame("delta", bids, asks)]

    def restart(self) -> List[Document]:
        """Return the snapshot with ``u`` 1 that the venue sends after its service restarted."""
        self._window.advance()
        self._update_id = 1
        return self.begin()

    def _book_frame(self, kind: str, bids: List[Level], asks: List[Level]) -> Document:
        sequence = self.market.sequence
        data = {"s": self.market.instrument.symbol, **self._sides(bids, asks), "u": self._update_id, "seq": sequence}
        cts = self.floor.now_ms() - 2
        return self._frame(kind, data, sequence=sequence, late_type=self._late_type, cts=cts)

    def _sides(self, bids: List[Level], asks: List[Level]) -> Document:
        return {"b": self._levels(bids), "a": self._levels(asks)}

    def _levels(self, levels: List[Level]) -> List[List[str]]:
        return self.market.instrument.level_texts(levels)


class TopFeed(BookFeed):
    """``orderbook.1.{symbol}``: snapshots only; one that stands for three seconds is repeated with the same ``u``."""

    def __init__(self, floor: Floor, topic: str, market: SymbolMarket) -> None:
        super().__init__(floor, topic, market, 1)
        self._sent_ms = floor.now_ms()

    def advance(self) -> List[Document]:
        changed = any(self._window.advance())
        now_ms = self.floor.now_ms()
        if not changed and now_ms - self._sent_ms < _TOP_REPEAT_MS:
            return []
        self._update_id += changed
        self._sent_ms = now_ms
        return self.begin()


class RpiFeed(BookFeed):
    """``orderbook.rpi.{symbol}``: triples of price, size and the size of retail price improvement orders beside it."""

    def __init__(self, floor: Floor, topic: str, market: SymbolMarket) -> None:
        super().__init__(floor, topic, market, _RPI_DEPTH)
        self.seconds = 0.1

    def _levels(self, levels: List[Level]) -> List[List[str]]:
        instrument = self.market.instrument
        return [
            [instrument.price_text(tick), instrument.size_text(lots), instrument.size_text(rpi_lots(tick, lots))]
            for tick, lots in levels
        ]


def rpi_lots(tick: int, lots: int) -> int:
    """Retail price improvement lots beside ``lots`` at ``tick``: on one level in three, a quarter of its size."""
    return lots // 4 if tick % 3 == 0 else 0
