"""The local Bybit venue's sockets for spread trading, event contracts and the system's status, and their clients."""

from __future__ import annotations

import contextlib

import pytest

from dbxsdk import BybitPublicClient
from dbxsdk.bybit import EVENT_ORDERBOOK, EVENT_TRADES, EventBookUpdate, EventTrade, SpreadTicker, Trade
from dbxsdk.sim import BybitVenue
from tests.sim.bybit.peers import FEW
from tests.sim.peer import peer
from tests.waiting import Recorder, eventually


def test_the_sockets_that_are_no_category() -> None:
    with BybitVenue(rate=0) as venue, contextlib.ExitStack() as stack:
        spread, event, status = (stack.enter_context(venue.client(name)) for name in ("spread", "event", "misc/status"))
        updates = Recorder()
        (pair, _), (contract,) = venue.symbols("spread"), venue.symbols("event")
        spread.trade_stream(pair, updates)
        spread.ticker_stream(pair, updates)
        event.subscribe(EVENT_TRADES, contract, callback=updates)
        event.subscribe(EVENT_ORDERBOOK, contract, callback=updates)
        status.system_status_stream(updates)
        with spread.order_book(pair, depth=25) as book:
            assert book.wait_ready(5)
            announced = venue.announce("ongoing", title="Now")
            venue.step(40)
            spread.ping()
            truth = venue.book(pair, "spread", 25)
            assert (book.bids(), book.asks()) == (truth["bids"], truth["asks"])
        for client in (event, status):
            client.ping()
        assert eventually(lambda: {update.channel for update in updates.items} >= {"publicTrade", "tickers", "system.status"})
        kinds = {update.channel: update.data for update in updates.items}
        assert isinstance(kinds["orderbook.25"], EventBookUpdate) and kinds["orderbook.25"].ratios
        (item,) = kinds["system.status"]
        assert (item.id, item.title, item.state, item.product) == (announced["id"], "Now", "ongoing", (1, 2))
        trades = {type(update.data[0]) for update in updates.items if update.channel == "publicTrade"}
        assert trades == {Trade, EventTrade}
        assert isinstance(kinds["tickers"], SpreadTicker) and kinds["tickers"].bid_price < kinds["tickers"].ask_price
        assert venue.handler_errors == 0


def test_a_socket_without_a_book() -> None:
    for name in ("event", "misc/status"):
        with pytest.raises(ValueError, match=f"category {name!r} has no order books"):
            BybitPublicClient(name).order_book("A", depth=25)


@pytest.mark.parametrize("path", ["/v5/public/spot", "/v5/public/linear", "/v5/private"])
def test_numbered_requests_are_answered_with_texts(path: str) -> None:
    with BybitVenue(symbols=FEW, rate=0) as venue, peer(venue, path) as client:
        assert client.ask({"op": "ping", "req_id": 7})["req_id"] == "7"
        assert client.ask({"op": "subscribe", "args": ["x"], "req_id": 8})["req_id"] == "8"
