"""pybit, as it is, against the local Bybit venue: another client's reading of the protocol."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any, Callable, Dict, Iterator, List

import pytest

from dbxsdk.sim import BybitVenue

from tests.sim.peer import WAIT

unified_trading = pytest.importorskip("pybit.unified_trading")

# pybit files its callback after it sent the subscription, and fails on an answer that is faster than that. No
# venue on the internet answers at once, so this one does not, either.
LATENCY = 0.05


class Inbox:
    """What callbacks got, by topic."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._messages: Dict[str, List[Any]] = {}

    def __call__(self, message: Any) -> None:
        with self._changed:
            self._messages.setdefault(message["topic"], []).append(message)
            self._changed.notify_all()

    def messages(self, topic: str) -> List[Any]:
        with self._changed:
            return list(self._messages.get(topic, ()))

    def wait_for(self, topic: str, wanted: Callable[[List[Any]], bool]) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: wanted(self._messages.get(topic, [])), WAIT)


@pytest.fixture
def venue() -> Iterator[BybitVenue]:
    with BybitVenue(rate=0) as made:
        made.delay(LATENCY)
        yield made


@pytest.fixture
def open_pybit(venue: BybitVenue, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    monkeypatch.setattr(unified_trading, "PUBLIC_WSS", venue.url("/v5/public/") + "{CHANNEL_TYPE}")
    opened: List[Any] = []
    threads_before = set(threading.enumerate())

    def open_one(category: str) -> Any:
        opened.append(unified_trading.WebSocket(testnet=False, channel_type=category, restart_on_error=False))
        return opened[-1]

    yield open_one
    for client in opened:
        client.exit()
    for thread in set(threading.enumerate()) - threads_before:
        if isinstance(thread, threading.Timer):  # older versions leave the one for their first ping running
            thread.cancel()


def book_of(message: Any) -> Dict[str, Any]:
    def side(levels: Any) -> List[Any]:
        return sorted((Decimal(price), Decimal(size)) for price, size in levels)

    return {"bids": side(message["data"]["b"])[::-1], "asks": side(message["data"]["a"])}


@pytest.mark.parametrize(
    "category, symbol, depth",
    [("linear", "BTCUSDT", 50), ("linear", "BTCUSDT", 200), ("inverse", "BTCUSD", 50), ("spot", "BTCUSDT", 50)],
)
def test_streams_and_the_book(
    venue: BybitVenue, open_pybit: Callable[[str], Any], category: str, symbol: str, depth: int
) -> None:
    client, inbox = open_pybit(category), Inbox()
    client.orderbook_stream(depth, symbol, inbox)
    client.trade_stream(symbol, inbox)
    client.ticker_stream(symbol, inbox)
    client.kline_stream(1, symbol, inbox)
    topics = [f"orderbook.{depth}.{symbol}", f"publicTrade.{symbol}", f"tickers.{symbol}", f"kline.1.{symbol}"]
    assert venue.wait_until(lambda: venue.subscriptions() == tuple(sorted(topics)))
    venue.step(50)
    truth = venue.book(symbol, category, depth)
    assert inbox.wait_for(topics[0], lambda messages: bool(messages) and book_of(messages[-1]) == truth)
    last = venue.trades(symbol, category)[-1].price
    assert inbox.wait_for(topics[1], lambda messages: bool(messages) and Decimal(messages[-1]["data"][-1]["p"]) == last)
    assert inbox.wait_for(topics[2], lambda messages: bool(messages) and Decimal(messages[-1]["data"]["lastPrice"]) == last)
    assert inbox.wait_for(topics[3], lambda messages: len(messages) >= 10)  # one more where a minute ends
    assert client.is_connected()


def test_option_streams(venue: BybitVenue, open_pybit: Callable[[str], Any]) -> None:
    client, inbox = open_pybit("option"), Inbox()
    symbol = venue.symbols("option")[0]
    client.orderbook_stream(25, symbol, inbox)
    client.trade_stream("BTC", inbox)
    client.ticker_stream(symbol, inbox)
    assert venue.wait_until(lambda: len(venue.subscriptions()) == 3)
    venue.step(50)
    truth = venue.book(symbol, "option", 25)
    topic = f"orderbook.25.{symbol}"
    assert inbox.wait_for(topic, lambda messages: bool(messages) and book_of(messages[-1]) == truth)
    assert inbox.messages("publicTrade.BTC") and inbox.messages(f"tickers.{symbol}")


def test_the_other_public_streams(venue: BybitVenue, open_pybit: Callable[[str], Any]) -> None:
    client, inbox = open_pybit("linear"), Inbox()
    client.all_liquidation_stream("BTCUSDT", inbox)
    client.insurance_pool_stream("USDT", inbox)
    client.price_limit_stream("BTCUSDT", inbox)
    topics = ["allLiquidation.BTCUSDT", "insurance.USDT", "priceLimit.BTCUSDT"]
    assert venue.wait_until(lambda: venue.subscriptions() == tuple(topics))
    venue.step(100)
    for topic in topics:
        assert inbox.wait_for(topic, bool), topic


def test_unsubscribe(venue: BybitVenue, open_pybit: Callable[[str], Any]) -> None:
    client, inbox = open_pybit("linear"), Inbox()
    client.trade_stream("BTCUSDT", inbox)
    assert venue.wait_until(lambda: venue.subscriptions() == ("publicTrade.BTCUSDT",))
    client.unsubscribe("publicTrade.BTCUSDT")
    assert venue.wait_until(lambda: venue.subscriptions() == ())
