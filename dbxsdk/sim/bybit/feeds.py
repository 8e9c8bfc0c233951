"""The topics of Bybit's public sockets: what a new subscriber gets, and what all of them get from then on.

One feed serves every subscriber of its topic, so that a frame is built once and a late subscriber's snapshot is
exactly the state to which the next delta applies.
"""

from __future__ import annotations

import random
import uuid
from decimal import Decimal
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from dbxsdk.sim.bybit.public_socket import UNKNOWN_SYMBOL, UNKNOWN_TOPIC
from dbxsdk.sim.market.book import DepthFeed, Level
from dbxsdk.sim.market.candles import Candle
from dbxsdk.sim.market.market import Market, Step, SymbolMarket, Ticker, Trade

Document = Dict[str, Any]

INTERVALS = ("1", "3", "5", "15", "30", "60", "120", "240", "360", "720", "D", "W", "M")
FUTURES = ("linear", "inverse")

_BOOK_SECONDS = {1: 0.01, 25: 0.02, 50: 0.02, 100: 0.1, 200: 0.1, 1000: 0.2}
_DEPTHS = {"spot": (1, 50, 200, 1000), "linear": (1, 50, 200, 1000), "inverse": (1, 50, 200, 1000), "option": (25, 100)}
_RPI_DEPTH = 50
_TOP_REPEAT_MS = 3000
_TRADES_A_FRAME = 1024
_FUNDING_MS = 8 * 3600 * 1000
_POOLS = ("USDT", "USDC", "inverse")
_UUIDS = uuid.UUID("6d1d1f3c-5a38-5a0a-9c1f-0f8d3a4a5b6c")


class UnknownTopic(Exception):
    """``problem`` says what of the topic is unknown."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class Floor:
    """One category's market, its last step and its clock: what every feed of the category reads."""

    def __init__(self, category: str, market: Market, seed: int, now_ms: Callable[[], int]) -> None:
        self.category = category
        self.market = market
        self.seed = seed
        self.now_ms = now_ms
        self.step = Step({}, {})

    def rng(self, topic: str) -> random.Random:
        return random.Random(f"{self.seed}:{self.category}:{topic}")


class Feed:
    """One topic. This one says nothing: the option socket accepts some topics that never deliver."""

    seconds = 1.0
    """The topic's push interval."""

    def __init__(self, floor: Floor, topic: str) -> None:
        self.floor = floor
        self.topic = topic

    def refresh(self) -> None:
        """Catches up where nobody has been listening."""

    def begin(self) -> List[Document]:
        """What a new subscriber gets."""
        return []

    def advance(self) -> List[Document]:
        """What every subscriber gets now."""
        return []

    def _frame(self, kind: str, data: Any, *, sequence: int = 0, late_type: bool = False, **more: Any) -> Document:
        """The envelope. The order of the keys varies on the venue, and so does it here."""
        now_ms = self.floor.now_ms()
        document: Document = {"topic": self.topic}
        if self.floor.category == "option":
            document["id"] = f"{self.topic}-{sequence}-{now_ms}"
        if late_type:
            document.update(ts=now_ms, type=kind, data=data)
        else:
            document.update(type=kind, ts=now_ms, data=data)
        document.update(more)
        return document


class BookFeed(Feed):
    """``orderbook.{depth}.{symbol}``: a snapshot, then deltas whose ``u`` grows by one."""

    def __init__(self, floor: Floor, topic: str, market: SymbolMarket, depth: int) -> None:
        super().__init__(floor, topic)
        self.seconds = _BOOK_SECONDS[depth]
        self.market = market
        self.skip = 0
        """Deltas still to be lost on purpose."""
        self._window = DepthFeed(market.book, depth)
        self._update_id = floor.rng(topic).randrange(1_000_000, 50_000_000)
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
        """The snapshot with ``u`` 1 that the venue sends after its service restarted."""
        self._window.advance()
        self._update_id = 1
        return self.begin()

    def _book_frame(self, kind: str, bids: List[Level], asks: List[Level]) -> Document:
        sequence = self.market.sequence
        data = {
            "s": self.market.instrument.symbol,
            "b": self._levels(bids),
            "a": self._levels(asks),
            "u": self._update_id,
            "seq": sequence,
        }
        cts = self.floor.now_ms() - 2
        return self._frame(kind, data, sequence=sequence, late_type=self._late_type, cts=cts)

    def _levels(self, levels: List[Level]) -> List[List[str]]:
        instrument = self.market.instrument
        return [[instrument.price_text(tick), instrument.size_text(lots)] for tick, lots in levels]


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


def trade_id(category: str, trade: Trade) -> str:
    """A trade's id as the feeds show it: a long number on spot, a UUID elsewhere."""
    if category == "spot":
        return str(2_290_000_000_000_000_000 + trade.id)
    return str(uuid.uuid5(_UUIDS, f"{category}{trade.id}"))


class TradeFeed(Feed):
    """``publicTrade.{symbol}``; on option ``publicTrade.{base coin}``, with the trades of all its contracts."""

    seconds = 0.0

    def __init__(self, floor: Floor, topic: str, markets: List[SymbolMarket]) -> None:
        super().__init__(floor, topic)
        self._markets = markets

    def advance(self) -> List[Document]:
        rows = [
            self._row(market, trade)
            for market in self._markets
            for trade in self.floor.step.trades.get(market.instrument.symbol, ())
        ]
        documents = []
        for start in range(0, len(rows), _TRADES_A_FRAME):
            part = rows[start: start + _TRADES_A_FRAME]
            late_type = self.floor.category == "spot"
            documents.append(self._frame("snapshot", part, sequence=part[-1]["seq"], late_type=late_type))
        return documents

    def _row(self, market: SymbolMarket, trade: Trade) -> Document:
        category = self.floor.category
        row: Document = {
            "T": trade.time_us // 1000,
            "s": trade.symbol,
            "S": "Buy" if trade.buy else "Sell",
            "v": format(trade.size, "f"),
            "p": format(trade.price, "f"),
        }
        if category in FUTURES:
            row["L"] = trade.direction
        row["i"] = trade_id(category, trade)
        row["BT"] = False
        if category == "option":
            row.update(mP=row["p"], iP=format(market.instrument.price, "f"), mIv="0.5012", iv="0.5034")
        else:
            row["RPI"] = False
        row["seq"] = trade.sequence
        return row


class TickerFeed(Feed):
    """``tickers.{symbol}``: on linear and inverse a snapshot and then the changed keys, elsewhere snapshots only."""

    def __init__(self, floor: Floor, topic: str, market: SymbolMarket) -> None:
        super().__init__(floor, topic)
        self.seconds = 0.05 if floor.category == "spot" else 0.1
        self._market = market
        self._rng = floor.rng(topic)
        self._interest = self._rng.randrange(100_000, 400_000)
        self._known: Document = self._build()

    def refresh(self) -> None:
        self._known = self._build()

    def begin(self) -> List[Document]:
        return [self._ticker_frame("snapshot", self._known)]

    def advance(self) -> List[Document]:
        self._interest += self._rng.randint(-2, 2)
        now = self._build()
        changed = {key: value for key, value in now.items() if self._known.get(key) != value}
        if not changed:
            return []
        self._known = now
        if self.floor.category in FUTURES:
            return [self._ticker_frame("delta", {"symbol": now["symbol"], **changed})]
        return [self._ticker_frame("snapshot", now)]

    def _ticker_frame(self, kind: str, data: Document) -> Document:
        category, sequence = self.floor.category, self._market.sequence
        cross = {} if category == "option" else {"cs": sequence}
        return self._frame(kind, dict(data), sequence=sequence, late_type=category == "spot", **cross)

    def _build(self) -> Document:
        ticker = self._market.ticker()
        if self.floor.category == "spot":
            return self._spot(ticker)
        if self.floor.category == "option":
            return self._option(ticker)
        return self._futures(ticker)

    def _spot(self, ticker: Ticker) -> Document:
        return {
            "symbol": self._market.instrument.symbol,
            "lastPrice": format(ticker.last, "f"),
            "highPrice24h": format(ticker.high_24h, "f"),
            "lowPrice24h": format(ticker.low_24h, "f"),
            "prevPrice24h": format(ticker.open_24h, "f"),
            "volume24h": format(ticker.base_volume_24h, "f"),
            "turnover24h": format(ticker.quote_volume_24h, "f"),
            "price24hPcnt": _share(ticker.last - ticker.open_24h, ticker.open_24h, "0.0001"),
            "usdIndexPrice": format(ticker.last, "f"),
        }

    def _futures(self, ticker: Ticker) -> Document:
        instrument = self._market.instrument
        now_ms = self.floor.now_ms()
        return {
            "symbol": instrument.symbol,
            "tickDirection": self._market.history[-1].direction if self._market.history else "ZeroPlusTick",
            "price24hPcnt": _share(ticker.last - ticker.open_24h, ticker.open_24h, "0.000001"),
            "lastPrice": format(ticker.last, "f"),
            "prevPrice24h": format(ticker.open_24h, "f"),
            "highPrice24h": format(ticker.high_24h, "f"),
            "lowPrice24h": format(ticker.low_24h, "f"),
            "prevPrice1h": format(self._market.candle("60", now_ms).open, "f"),
            "markPrice": format(ticker.last + instrument.tick_size, "f"),
            "indexPrice": format(ticker.last - instrument.tick_size, "f"),
            "openInterest": str(self._interest),
            "openInterestValue": _value(self.floor, Decimal(self._interest), ticker.last),
            "turnover24h": _turnover(self.floor, ticker.quote_volume_24h, ticker.base_volume_24h, ticker.last),
            "volume24h": format(ticker.base_volume_24h, "f"),
            "fundingIntervalHour": "8",
            "fundingCap": "0.005",
            "nextFundingTime": str(now_ms - now_ms % _FUNDING_MS + _FUNDING_MS),
            "fundingRate": "0.0001",
            "bid1Price": instrument.price_text(ticker.bid[0]),
            "bid1Size": instrument.size_text(ticker.bid[1]),
            "ask1Price": instrument.price_text(ticker.ask[0]),
            "ask1Size": instrument.size_text(ticker.ask[1]),
            "preOpenPrice": "",
            "preQty": "",
            "curPreListingPhase": "",
        }

    def _option(self, ticker: Ticker) -> Document:
        instrument = self._market.instrument
        volume = format(ticker.base_volume_24h, "f")
        turnover = format(ticker.quote_volume_24h, "f")
        return {
            "symbol": instrument.symbol,
            "bidPrice": instrument.price_text(ticker.bid[0]),
            "bidSize": instrument.size_text(ticker.bid[1]),
            "bidIv": "0.4981",
            "askPrice": instrument.price_text(ticker.ask[0]),
            "askSize": instrument.size_text(ticker.ask[1]),
            "askIv": "0.5043",
            "lastPrice": format(ticker.last, "f"),
            "highPrice24h": format(ticker.high_24h, "f"),
            "lowPrice24h": format(ticker.low_24h, "f"),
            "markPrice": format(ticker.last, "f"),
            "indexPrice": "68000.12",
            "markPriceIv": "0.5012",
            "underlyingPrice": "68040.5",
            "openInterest": str(self._interest),
            "turnover24h": turnover,
            "volume24h": volume,
            "totalVolume": volume,
            "totalTurnover": turnover,
            "delta": "0.43519211",
            "gamma": "0.00001204",
            "vega": "101.51346281",
            "theta": "-19.9115368",
            "predictedDeliveryPrice": "0",
            "change24h": _share(ticker.last - ticker.open_24h, ticker.open_24h, "0.00000001"),
        }


class KlineFeed(Feed):
    """``kline.{interval}.{symbol}``: the open candle about once a second; a closed one once more, confirmed."""

    def __init__(self, floor: Floor, topic: str, market: SymbolMarket, interval: str) -> None:
        super().__init__(floor, topic)
        self._market = market
        self._interval = interval
        self._start_ms = self._candle().start_ms

    def refresh(self) -> None:
        self._start_ms = self._candle().start_ms

    def advance(self) -> List[Document]:
        candle = self._candle()
        documents = []
        if candle.start_ms != self._start_ms:
            closed = self._market.candles.closed(self._interval)
            if closed is not None and closed.start_ms == self._start_ms:
                documents.append(self._kline_frame(closed, True))
            self._start_ms = candle.start_ms
        documents.append(self._kline_frame(candle, False))
        return documents

    def _candle(self) -> Candle:
        return self._market.candle(self._interval, self.floor.now_ms())

    def _kline_frame(self, candle: Candle, confirm: bool) -> Document:
        row = {
            "start": candle.start_ms,
            "end": candle.end_ms,
            "interval": self._interval,
            "open": format(candle.open, "f"),
            "close": format(candle.close, "f"),
            "high": format(candle.high, "f"),
            "low": format(candle.low, "f"),
            "volume": format(candle.volume, "f"),
            "turnover": _turnover(self.floor, candle.turnover, candle.volume, candle.close),
            "confirm": confirm,
            "timestamp": candle.time_ms,
        }
        return {"topic": self.topic, "data": [row], "ts": self.floor.now_ms(), "type": "snapshot"}


class LiquidationFeed(Feed):
    """``allLiquidation.{symbol}``: now and then somebody's position; ``S`` is the side of that position."""

    seconds = 0.5

    def __init__(self, floor: Floor, topic: str, market: SymbolMarket) -> None:
        super().__init__(floor, topic)
        self._market = market
        self._rng = floor.rng(topic)

    def advance(self) -> List[Document]:
        rng = self._rng
        if rng.random() > 0.3:
            return []
        instrument, last = self._market.instrument, self._market.ticker().last
        rows = []
        for _ in range(rng.choice((1, 1, 2))):
            long = rng.random() < 0.5
            # The bankruptcy price: below the market for a long, above it for a short.
            away = (last / 200 // instrument.tick_size) * instrument.tick_size
            rows.append(
                {
                    "T": self.floor.now_ms() - rng.randrange(400),
                    "s": instrument.symbol,
                    "S": "Buy" if long else "Sell",
                    "v": instrument.size_text(rng.randrange(1, 5000)),
                    "p": format(last - away if long else last + away, "f"),
                }
            )
        return [self._frame("snapshot", rows)]


class _PoolFeed(Feed):
    """What the insurance pools and the alerts about them share: a balance for each symbol of one pool."""

    def __init__(self, floor: Floor, topic: str) -> None:
        super().__init__(floor, topic)
        self.pool = topic.partition(".")[2]
        self._rng = floor.rng(topic)
        symbols = [symbol for symbol in floor.market.symbols if _pool_of(symbol) == self.pool]
        self._balances = {
            symbol: Decimal(self._rng.randrange(10_000_00000000, 90_000_00000000)).scaleb(-8)
            for symbol in symbols or _other_symbols(self.pool)
        }

    def _coin(self, symbol: str) -> str:
        return symbol[: -len("USD")] if self.pool == "inverse" else self.pool

    def _drift(self) -> List[str]:
        """Some balances change; which did."""
        changed = [symbol for symbol in self._balances if self._rng.random() < 0.5]
        for symbol in changed:
            self._balances[symbol] += Decimal(self._rng.randint(-10_00000000, 10_00000000)).scaleb(-8)
        return changed


class InsuranceFeed(_PoolFeed):
    """``insurance.{pool}``: the pools once, then those that changed."""

    def begin(self) -> List[Document]:
        return [self._insurance_frame("snapshot", self._balances)]

    def advance(self) -> List[Document]:
        changed = self._drift()
        return [self._insurance_frame("delta", changed)] if changed else []

    def _insurance_frame(self, kind: str, symbols: Iterable[str]) -> Document:
        now = str(self.floor.now_ms())
        rows = [
            {"coin": self._coin(symbol), "symbols": symbol, "balance": format(self._balances[symbol], "f"), "updateTime": now}
            for symbol in symbols
        ]
        return self._frame(kind, rows)


class AdlFeed(_PoolFeed):
    """``adlAlert.{pool}``: JSON numbers, as in the documents' sample, whose table says text."""

    def advance(self) -> List[Document]:
        self._drift()
        rows = [
            {
                "c": self._coin(symbol),
                "s": symbol,
                "b": float(balance),
                "mb": "",
                "i_pr": -0.3,
                "pr": round(self._rng.random() / 1000, 6),
                "adl_tt": 10000,
                "adl_sr": -0.25,
            }
            for symbol, balance in self._balances.items()
        ]
        return [self._frame("snapshot", rows)]


class PriceLimitFeed(Feed):
    """``priceLimit.{symbol}``: the highest bid and the lowest ask allowed. Its frames have no ``type``."""

    seconds = 0.3

    def __init__(self, floor: Floor, topic: str, market: SymbolMarket) -> None:
        super().__init__(floor, topic)
        self._market = market

    def advance(self) -> List[Document]:
        instrument, last = self._market.instrument, self._market.ticker().last
        away = (last / 20 // instrument.tick_size) * instrument.tick_size
        data = {
            "symbol": instrument.symbol,
            "buyLmt": format(last + away, "f"),
            "sellLmt": format(last - away, "f"),
        }
        return [{"topic": self.topic, "data": data, "ts": self.floor.now_ms()}]


def open_feed(floor: Floor, topic: str) -> Feed:
    """The feed of ``topic``. Raises ``UnknownTopic`` where the category's socket has no such thing."""
    channel, _, rest = topic.partition(".")
    if channel in ("insurance", "adlAlert") and floor.category in FUTURES:
        if rest not in _POOLS:
            raise UnknownTopic(UNKNOWN_TOPIC)
        return InsuranceFeed(floor, topic) if channel == "insurance" else AdlFeed(floor, topic)
    if channel == "publicTrade":
        return TradeFeed(floor, topic, _traded(floor, rest))
    if channel in ("orderbook", "kline"):
        # Not every dot separates: option strikes may hold one. The symbol is all that follows the second.
        kind, _, symbol = rest.partition(".")
        return _book_feed(floor, topic, kind, symbol) if channel == "orderbook" else _kline_feed(floor, topic, kind, symbol)
    if channel == "tickers":
        return TickerFeed(floor, topic, _market(floor, rest))
    if channel == "allLiquidation" and floor.category in FUTURES:
        return LiquidationFeed(floor, topic, _market(floor, rest))
    if channel == "priceLimit" and floor.category != "option":
        return PriceLimitFeed(floor, topic, _market(floor, rest))
    raise UnknownTopic(UNKNOWN_TOPIC)


def _book_feed(floor: Floor, topic: str, kind: str, symbol: str) -> Feed:
    if kind == "rpi" and floor.category != "option":
        return RpiFeed(floor, topic, _market(floor, symbol))
    depth = int(kind) if kind.isdigit() else 0
    if depth in _DEPTHS[floor.category]:
        market = _market(floor, symbol)
        return TopFeed(floor, topic, market) if depth == 1 else BookFeed(floor, topic, market, depth)
    if floor.category == "option" and depth in _BOOK_SECONDS:
        # The option socket was seen to accept depths that it does not serve, and then to send nothing.
        _market(floor, symbol)
        return Feed(floor, topic)
    raise UnknownTopic(UNKNOWN_TOPIC)


def _kline_feed(floor: Floor, topic: str, interval: str, symbol: str) -> Feed:
    if interval not in INTERVALS:
        raise UnknownTopic(UNKNOWN_TOPIC)
    market = _market(floor, symbol)
    return Feed(floor, topic) if floor.category == "option" else KlineFeed(floor, topic, market, interval)


def _market(floor: Floor, symbol: str) -> SymbolMarket:
    market = floor.market.symbols.get(symbol)
    if market is None:
        raise UnknownTopic(UNKNOWN_SYMBOL)
    return market


def _traded(floor: Floor, name: str) -> List[SymbolMarket]:
    if floor.category != "option":
        return [_market(floor, name)]
    markets = [market for market in floor.market.symbols.values() if market.instrument.base == name]
    if not markets:
        raise UnknownTopic(UNKNOWN_SYMBOL)
    return markets


def _pool_of(symbol: str) -> Optional[str]:
    if symbol.endswith("USDT"):
        return "USDT"
    if symbol.endswith("PERP") or symbol.endswith("USDC"):
        return "USDC"
    return "inverse" if symbol.endswith("USD") else None


def _other_symbols(pool: str) -> Tuple[str, ...]:
    return {"USDT": ("BTCUSDT",), "USDC": ("BTCPERP", "ETHPERP"), "inverse": ("BTCUSD", "ETHUSD")}[pool]


def _turnover(floor: Floor, turnover: Decimal, volume: Decimal, price: Decimal) -> str:
    """Inverse contracts are counted in dollars and turned over in coins, at the last price to keep it simple."""
    return _value(floor, volume, price) if floor.category == "inverse" else format(turnover, "f")


def _value(floor: Floor, size: Decimal, price: Decimal) -> str:
    if floor.category == "inverse":
        return format((size / price).quantize(Decimal("0.00000001")), "f")
    return format(size * price, "f")


def _share(part: Decimal, whole: Decimal, places: str) -> str:
    return format((part / whole).quantize(Decimal(places)), "f")
