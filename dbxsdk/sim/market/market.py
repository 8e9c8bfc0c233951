"""A small market, deterministic by its seed: takers consume resting liquidity and move the book, makers refill it.

Others may trade in it, too: ``Market.take`` is a taker's order, ``SymbolMarket.rest`` an order that waits in
the book beside those of the makers until a taker reaches it.

Nothing here knows a venue, a clock or a thread. ``Market.step(now_us)`` moves every symbol on by one step and returns
its trades; the venue decides when, and to whom it is sent. Each symbol has a random generator of its own, seeded
by the market's seed and its name, so that one symbol's course does not depend on which others are traded beside it.
"""

from __future__ import annotations

import random
from collections import deque
from decimal import Decimal
from typing import Deque, Dict, Iterable, List, Optional, Tuple

import attrs

from dbxsdk.sim.market.book import Book, Level, Side
from dbxsdk.sim.market.candles import Candle, Candles

LEVELS = 240
"""Levels a side that makers keep up: more than most depth feeds show, so that levels leave and enter their windows."""

HISTORY = 500
WARM_UP_STEPS = 80
WARM_UP_STEP_US = 200_000

_TYPICAL_LOTS = 2_000
_WIDE_SPREAD = 8


@attrs.frozen
class Instrument:
    """What is traded: its name, its steps of price and size, and the price around which it moves."""

    symbol: str
    base: str
    quote: str
    price: Decimal
    tick_size: Decimal
    lot_size: Decimal

    def price_of(self, ticks: int) -> Decimal:
        return self.tick_size * ticks

    def size_of(self, lots: int) -> Decimal:
        return self.lot_size * lots

    def price_text(self, ticks: int) -> str:
        """Return the price with all the places of the tick size, never in scientific notation."""
        return format(self.tick_size * ticks, "f")

    def size_text(self, lots: int) -> str:
        """Return the size with all the places of the lot size; plain ``"0"`` for a level that is gone."""
        return format(self.lot_size * lots, "f") if lots else "0"

    def level_texts(self, levels: Iterable[Level]) -> List[List[str]]:
        return [[self.price_text(tick), self.size_text(lots)] for tick, lots in levels]

    def true_levels(self, bids: Iterable[Level], asks: Iterable[Level]) -> Dict[str, List[Tuple[Decimal, Decimal]]]:
        """Return ``{"bids": [(price, size), ...], "asks": [...]}``."""
        sides = {"bids": bids, "asks": asks}
        return {name: [(self.price_of(tick), self.size_of(lots)) for tick, lots in side] for name, side in sides.items()}


@attrs.frozen
class Trade:
    """One match of a taker with one resting level."""

    id: int
    symbol: str
    price: Decimal
    size: Decimal
    buy: bool
    """True if the taker bought."""
    time_us: int
    sequence: int
    direction: str
    """``"PlusTick"``, ``"ZeroPlusTick"``, ``"MinusTick"`` or ``"ZeroMinusTick"``, against the trade before."""


@attrs.frozen
class Match:
    """One trade that an order from outside had a part in."""

    trade: Trade
    maker: Optional[str]
    """Whose resting order it was, by the key given to ``rest``; None for the market's own makers."""


@attrs.define
class _Resting:
    key: str
    buy: bool
    tick: int
    lots: int


@attrs.frozen
class Ticker:
    """The figures of the day and the top of the book."""

    last: Decimal
    last_size: Decimal
    open_24h: Decimal
    high_24h: Decimal
    low_24h: Decimal
    base_volume_24h: Decimal
    quote_volume_24h: Decimal
    bid: Level
    ask: Level


class SymbolMarket:
    """One symbol: its book, its trades, its day and its candles."""

    def __init__(self, instrument: Instrument, rng: random.Random, levels: int, intervals: Iterable[str]) -> None:
        self.instrument = instrument
        self.book = Book()
        self.history: Deque[Trade] = deque(maxlen=HISTORY)
        """The recent trades, oldest first."""
        self.sequence = rng.randrange(1_000_000_000, 9_000_000_000)
        self.candles = Candles(intervals)
        self.fills: List[Match] = []
        """The matches of resting orders from outside, until the venue takes them out of here."""
        self._rng = rng
        self._resting: Dict[Tuple[bool, int], List[_Resting]] = {}  # by side and tick, in the order of their arrival
        self._early: List[Trade] = []  # trades from outside since the last step
        self._levels = levels
        self._anchor = int(instrument.price / instrument.tick_size)
        self._last_tick = self._anchor
        self._last_lots = 0
        self._direction = "ZeroPlusTick"
        day = max(1, self._anchor // 50)
        self._open = self._anchor - rng.randint(-day, day)
        self._high = max(self._open, self._anchor) + rng.randrange(day)
        self._low = min(self._open, self._anchor) - rng.randrange(day)
        self._volume_lots = rng.randrange(1_000, 4_000) * _TYPICAL_LOTS
        self._turnover = self._volume_lots * self._anchor  # in ticks times lots
        self._fill(self.book.bids, self._anchor, -1)
        self._fill(self.book.asks, self._anchor + 1, 1)

    # -- what it shows ---------------------------------------------------------------------------------------------

    def ticker(self) -> Ticker:
        instrument, book = self.instrument, self.book
        bid, ask = book.bids.tick(0), book.asks.tick(0)
        return Ticker(
            last=instrument.price_of(self._last_tick),
            last_size=instrument.size_of(self._last_lots),
            open_24h=instrument.price_of(self._open),
            high_24h=instrument.price_of(self._high),
            low_24h=instrument.price_of(self._low),
            base_volume_24h=instrument.size_of(self._volume_lots),
            quote_volume_24h=instrument.tick_size * instrument.lot_size * self._turnover,
            bid=(bid, book.bids.lots(bid)),
            ask=(ask, book.asks.lots(ask)),
        )

    def levels(self, depth: Optional[int] = None) -> Dict[str, List[Tuple[Decimal, Decimal]]]:
        """``{"bids": [(price, size), ...], "asks": [...]}``, both best first."""
        return self.instrument.true_levels(self.book.bids.levels(depth), self.book.asks.levels(depth))

    def candle(self, interval: str, now_ms: int) -> Candle:
        """Return the candle of ``interval`` that is open at ``now_ms``."""
        return self.candles.at(interval, now_ms, self.instrument.price_of(self._last_tick))

    # -- how it moves ----------------------------------------------------------------------------------------------

    def step(self, now_us: int, next_id: int) -> List[Trade]:
        """Move on by one step; return the trades since the last one, those from outside too.

        ``next_id`` is the id for the first of the new trades.
        """
        early, self._early = self._early, []
        trades: List[Trade] = []
        for _ in range(self._rng.choices((0, 1, 2, 3), (45, 35, 15, 5))[0]):
            trades += self._take_some(now_us, next_id + len(trades))
        self._improve()
        self._churn(self.book.bids, -1)
        self._churn(self.book.asks, 1)
        self.sequence += 1 + self._rng.randrange(20)
        self.history.extend(trades)
        return early + trades

    def _take_some(self, now_us: int, next_id: int) -> List[Trade]:
        rng = self._rng
        # A pull towards the anchor keeps the price within a band for ever; without it a random walk ends at 0.
        pull = (self._anchor - self._last_tick) / self._anchor * 20
        buy = rng.random() < 0.5 + max(-0.4, min(0.4, pull))
        side = self.book.asks if buy else self.book.bids
        wanted = 1 + int(rng.expovariate(1 / (0.8 * _TYPICAL_LOTS)))
        trades: List[Trade] = []
        while wanted and side.loose > self._levels // 2:
            for match in self._match(side.tick(0), wanted, buy, now_us, next_id + len(trades)):
                wanted -= int(match.trade.size / self.instrument.lot_size)
                trades.append(match.trade)
                if match.maker is not None:
                    self.fills.append(match)
        return trades

    def take(
        self, buy: bool, now_us: int, next_id: int, *, limit: int, lots: Optional[int] = None, budget: Optional[int] = None
    ) -> List[Match]:
        """Take from the book up to the tick ``limit``: so many ``lots``, or as many as ``budget`` (ticks times lots)
        pays for. Makers go on quoting behind the levels that are used up, so that the book never runs empty."""
        side = self.book.asks if buy else self.book.bids
        matches: List[Match] = []
        while True:
            tick = side.tick(0)
            wanted = side.lots(tick) if lots is None else lots
            if budget is not None:
                wanted = min(wanted, budget // tick)
            if wanted < 1 or (tick > limit if buy else tick < limit):
                break
            for match in self._match(tick, wanted, buy, now_us, next_id + len(matches)):
                matches.append(match)
                taken = int(match.trade.size / self.instrument.lot_size)
                lots = None if lots is None else lots - taken
                budget = None if budget is None else budget - taken * tick
            outward = 1 if buy else -1
            if side.loose <= self._levels // 2:
                self._fill(side, (side.far if side.loose else tick) + outward, outward)
        trades = [match.trade for match in matches]
        self._early += trades
        self.history.extend(trades)
        return matches

    def depth(self, buy: bool, limit: int) -> List[Level]:
        """Return what a taker up to the tick ``limit`` finds, best first."""
        levels = (self.book.asks if buy else self.book.bids).levels()
        return [level for level in levels if (level[0] <= limit if buy else level[0] >= limit)]

    def rest(self, key: str, buy: bool, tick: int, lots: int) -> None:
        """Put an order from outside into the book, behind all that is at ``tick``. It must not cross."""
        self._resting.setdefault((buy, tick), []).append(_Resting(key, buy, tick, lots))
        (self.book.bids if buy else self.book.asks).pin(tick, lots)

    def withdraw(self, key: str, buy: bool, tick: int, lots: Optional[int] = None) -> None:
        """Take so many ``lots`` of a resting order (None: all of it) out of the book. It keeps its place."""
        queue = self._resting[buy, tick]
        order = next(each for each in queue if each.key == key)
        gone = order.lots if lots is None else lots
        order.lots -= gone
        if not order.lots:
            queue.remove(order)
            if not queue:
                del self._resting[buy, tick]
        (self.book.bids if buy else self.book.asks).pin(tick, -gone)

    def _match(self, tick: int, wanted: int, buy: bool, now_us: int, next_id: int) -> List[Match]:
        """Let a taker meet the best level: the makers' part of it first, then the orders from outside."""
        side = self.book.asks if buy else self.book.bids
        matches: List[Match] = []
        lots = min(wanted, side.lots(tick) - side.pinned(tick))
        if lots:
            side.set(tick, side.lots(tick) - lots)
            matches.append(Match(self._print(tick, lots, buy, now_us, next_id), None))
            wanted -= lots
        for order in list(self._resting.get((not buy, tick), ())):
            lots = min(wanted, order.lots)
            if not lots:
                break
            self.withdraw(order.key, order.buy, tick, lots)
            matches.append(Match(self._print(tick, lots, buy, now_us, next_id + len(matches)), order.key))
            wanted -= lots
        return matches

    def _print(self, tick: int, lots: int, buy: bool, now_us: int, trade_id: int) -> Trade:
        if tick != self._last_tick:
            self._direction = "PlusTick" if tick > self._last_tick else "MinusTick"
        elif not self._direction.startswith("Zero"):
            self._direction = "Zero" + self._direction
        self._last_tick, self._last_lots = tick, lots
        self._high, self._low = max(self._high, tick), min(self._low, tick)
        self._volume_lots += lots
        self._turnover += lots * tick
        self.sequence += 1
        price, size = self.instrument.price_of(tick), self.instrument.size_of(lots)
        self.candles.add(now_us // 1000, price, size)
        return Trade(trade_id, self.instrument.symbol, price, size, buy, now_us, self.sequence, self._direction)

    def _improve(self) -> None:
        """Narrow the spread as makers do, from one side or the other: this is what carries the book after the trades."""
        rng, bids, asks = self._rng, self.book.bids, self.book.asks
        while True:
            room = asks.tick(0) - bids.tick(0) - 1
            if room < 1 or (room < _WIDE_SPREAD and rng.random() < 0.5):
                return
            ahead = rng.randint(1, min(room, 3))
            if rng.random() < 0.5:
                bids.set(bids.tick(0) + ahead, self._some_lots())
            else:
                asks.set(asks.tick(0) - ahead, self._some_lots())

    def _churn(self, side: Side, outward: int) -> None:
        """Resize, cancel and add orders, mostly near the top; then make up the far end."""
        rng = self._rng
        for _ in range(rng.randrange(5)):
            tick = side.tick(min(int(rng.expovariate(0.08)), len(side) - 1))
            what = rng.random()
            if what < 0.5:
                side.set(tick, self._some_lots())
            elif what < 0.75:
                if side.loose > self._levels // 2 + 1:
                    side.set(tick, 0)
            elif tick + outward > 0 and (tick + outward) not in side:
                side.set(tick + outward, self._some_lots())
        while side.loose > self._levels + self._levels // 4:
            side.set(side.far, 0)
        self._fill(side, side.far + outward, outward)

    def _fill(self, side: Side, tick: int, outward: int) -> None:
        while side.loose < self._levels and tick > 0:
            side.set(tick, self._some_lots())
            tick += outward * self._rng.randint(1, 3)

    def _some_lots(self) -> int:
        return max(1, int(self._rng.lognormvariate(0, 0.8) * _TYPICAL_LOTS))


class Market:
    """Several symbols moved on together.

    ``intervals`` are the candle intervals to keep. The market begins when somebody looks at it for the first time, and warm:
    it has a history of trades that end at ``start_us``, or at the last step.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        *,
        seed: int = 1,
        start_us: int = 0,
        levels: int = LEVELS,
        intervals: Iterable[str] = (),
    ) -> None:
        self.instruments: Dict[str, Instrument] = {instrument.symbol: instrument for instrument in instruments}
        self._seed, self._levels, self._intervals = seed, levels, tuple(intervals)
        self._now_us = start_us
        self._next_id = 7_000_000 + seed % 1_000_000
        self.begun: Dict[str, SymbolMarket] = {}
        """The symbols, as far as somebody has looked at them."""

    def begin(self) -> None:
        self.begun = {
            symbol: SymbolMarket(each, random.Random(f"{self._seed}:{symbol}"), self._levels, self._intervals)
            for symbol, each in self.instruments.items()
        }
        begin_us = self._now_us - WARM_UP_STEPS * WARM_UP_STEP_US
        for number in range(WARM_UP_STEPS):
            self.step(begin_us + number * WARM_UP_STEP_US)

    @property
    def symbols(self) -> Dict[str, SymbolMarket]:
        if not self.begun:
            self.begin()
        return self.begun

    def step(self, now_us: int) -> Dict[str, List[Trade]]:
        """Move every symbol on by one step, at the time ``now_us`` (microseconds since 1970); return its trades."""
        trades: Dict[str, List[Trade]] = {}
        for symbol, market in self.begun.items():
            trades[symbol] = market.step(now_us, self._next_id)
            self._next_id += len(trades[symbol])
        self._now_us = now_us
        return trades

    def take(
        self,
        symbol: str,
        buy: bool,
        now_us: int,
        *,
        limit: int,
        lots: Optional[int] = None,
        budget: Optional[int] = None,
    ) -> List[Match]:
        """Carry out a taker's order from outside, as ``SymbolMarket.take`` says. The next step reports its trades."""
        matches = self.symbols[symbol].take(buy, now_us, self._next_id, limit=limit, lots=lots, budget=budget)
        self._next_id += len(matches)
        return matches

    def truth(self, symbol: str, depth: Optional[int] = None) -> Dict[str, List[Tuple[Decimal, Decimal]]]:
        """Return a copy of the book: ``{"bids": [(price, size), ...], "asks": [...]}``, both best first."""
        return self.symbols[symbol].levels(depth)


_KNOWN = {
    "BTC": ("68000", "0.1", "0.0001"),
    "ETH": ("3500", "0.01", "0.001"),
    "SOL": ("160", "0.01", "0.01"),
    "XRP": ("0.6", "0.0001", "1"),
    "DOGE": ("0.15", "0.00001", "1"),
}


def instrument(symbol: str, base: str, quote: str, *, tick_size: Optional[str] = None) -> Instrument:
    """Return an instrument for ``symbol``: near its usual price if the base is a well-known coin, else near 100."""
    price, tick, lot = _KNOWN.get(base, ("100", "0.01", "0.01"))
    return Instrument(symbol, base, quote, Decimal(price), Decimal(tick_size or tick), Decimal(lot))
