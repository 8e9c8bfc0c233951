"""What Bybit's streams miss is fetched from its REST side: against the local venue's own record of what happened."""

from __future__ import annotations

import datetime
import time
from types import SimpleNamespace
from typing import Any, List

import pytest

from dbxsdk import Filled, Gap, Options, State, Update
from dbxsdk.backfill.twin import Since
from dbxsdk.bybit import twins
from dbxsdk.sim import BybitVenue
from dbxsdk.sim.bybit.trade_feeds import trade_id
from tests import holes
from tests.holes import FAST, away
from tests.waiting import Recorder, drained, eventually

BTC = "publicTrade.BTCUSDT"


def moved(venue: BybitVenue, least: int, category: str = "linear") -> None:
    """The market goes on until there are so many trades more."""
    holes.moved(venue, least, "BTCUSDT", category)


def trades(items: List[Any]) -> List[str]:
    return [trade.trade_id for item in items if isinstance(item, Update) for trade in item.data]


def truth(venue: BybitVenue, category: str = "linear") -> List[str]:
    return [trade_id(category, trade) for trade in venue.trades("BTCUSDT", category)]


def test_each_trade_comes_once_and_in_its_order_over_two_holes() -> None:
    with BybitVenue(rate=0) as venue, venue.client(options=FAST) as client:
        seen = Recorder()
        client.on_event(seen)
        moved(venue, 3)
        client.subscribe("publicTrade", "BTCUSDT", callback=seen, backfill=True)
        begin = len(truth(venue))
        for number in range(1, 3):
            moved(venue, 5)
            eventually(lambda: trades(seen.items) == truth(venue)[begin:])
            with away(venue, client):
                moved(venue, 20)
            seen.wait_for(Gap, number)
            moved(venue, 2)
            filled = seen.wait_for(Filled, number)
            assert filled == Filled((BTC,), filled.count, True, None, None) and filled.count >= 20 and filled.client
        moved(venue, 2)
        eventually(lambda: trades(seen.items) == truth(venue)[begin:])
        kinds = [item.kind for item in seen.of(Update)]
        assert set(kinds) == {"update", "backfill"}
        first = next(item for item in seen.of(Update) if item.kind == "backfill")
        assert first.raw["execId"] == first.data[0].trade_id and first.venue_time_ms == first.data[0].time_ms
        assert seen.items.index(seen.of(Gap)[0]) < seen.items.index(first) < seen.items.index(seen.of(Filled)[0])


def test_a_restarted_program_begins_where_it_ended() -> None:
    with BybitVenue(rate=0) as venue, venue.client(options=FAST) as client:
        moved(venue, 10)
        known, at = truth(venue)[-4], venue.trades("BTCUSDT")[-4]
        moved(venue, 1)
        since = at.time_us // 1000
        when = datetime.datetime.fromtimestamp(since / 1000, datetime.timezone.utc)
        for given in (known, since, when):
            seen = Recorder()
            client.on_event(seen)
            subscription = client.subscribe("publicTrade", "BTCUSDT", callback=seen, since=given)
            moved(venue, 1)
            seen.wait_for(Filled)
            drained(client)
            subscription.unsubscribe()
            got = trades(seen.items)
            assert got == truth(venue)[-len(got):] and (known in got) is (given is not known)


def test_a_hole_that_rest_does_not_reach_back_to_is_told() -> None:
    with BybitVenue(rate=0) as venue, venue.client("spot", options=FAST) as client:
        seen = Recorder()
        client.on_event(seen)
        client.subscribe("publicTrade", "BTCUSDT", callback=seen, backfill=True)
        moved(venue, 1, "spot")
        seen.wait_for(Update)
        with away(venue, client):
            moved(venue, 100, "spot")
        seen.wait_for(Gap)
        moved(venue, 1, "spot")
        filled = seen.wait_for(Filled)
        assert 40 < filled.count <= 60
        assert not filled.complete and filled.error is None
        assert filled.missing_from_ns < filled.missing_until_ns
        all_trades = {trade_id("spot", trade): trade.time_us * 1000 for trade in venue.trades("BTCUSDT", "spot")}
        drained(client)
        got = set(trades(seen.items))
        begin = all_trades[trades(seen.items)[0]]
        missing = [at for name, at in all_trades.items() if name not in got and at > begin]
        assert missing and all(filled.missing_from_ns <= at <= filled.missing_until_ns + 10**6 for at in missing)


def test_rest_that_is_down_costs_the_span_and_nothing_else() -> None:
    options = Options(backoff_initial=0.01, backoff_max=0.02, backfill_timeout=0.5)
    with BybitVenue(rate=0) as venue, venue.client(options=options) as client:
        seen = Recorder()
        client.on_event(seen)
        client.subscribe("publicTrade", "BTCUSDT", callback=seen, backfill=True)
        moved(venue, 3)
        eventually(lambda: trades(seen.items))
        venue.fail_rest(503)
        with away(venue, client):
            moved(venue, 5)
        seen.wait_for(Gap)
        moved(venue, 3)
        filled = seen.wait_for(Filled)
        assert not filled.complete and filled.count == 0 and "503" in str(filled.error)
        moved(venue, 1)
        eventually(lambda: trades(seen.items)[-3:] == truth(venue)[-3:])


def test_candles_come_closed_and_once() -> None:
    with BybitVenue(rate=0) as venue, venue.client(options=FAST) as client:
        seen = Recorder()
        client.on_event(seen)
        since = int(time.time() * 1000) - 10 * 60_000
        client.subscribe("kline.1", "BTCUSDT", callback=seen, backfill=True, since=since)
        while not seen.of(Filled):
            venue.step(5)
        starts = [candle.start for item in seen.of(Update) if item.kind == "backfill" for candle in item.data]
        assert starts == sorted(set(starts))
        assert all(candle.confirm for item in seen.of(Update) if item.kind == "backfill" for candle in item.data)


def test_fills_and_states_of_the_account() -> None:
    with BybitVenue(rate=0) as venue, venue.client("private", options=FAST) as client:
        fills, orders, positions, wallets = Recorder(), Recorder(), Recorder(), Recorder()
        client.on_event(fills)
        client.on_event(orders)
        venue.place_order("linear", symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.01")
        client.subscribe("execution", callback=fills, backfill=True)
        client.subscribe("order", callback=orders, backfill=True)
        client.subscribe("position", callback=positions, backfill=True)
        client.subscribe("wallet", callback=wallets, backfill=True)
        assert positions.wait()[0].kind == "snapshot" and positions.items[0].data[0].symbol == "BTCUSDT"
        assert wallets.wait()[0].kind == "snapshot" and wallets.items[0].data[0].coin
        venue.place_order("linear", symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.02")
        fills.wait_for(Update)
        eventually(lambda: any("order" in filled.topics for filled in orders.of(Filled)))
        with away(venue, client):
            for _ in range(3):
                venue.place_order("linear", symbol="BTCUSDT", side="Sell", orderType="Market", qty="0.01")
            resting = venue.place_order("linear", symbol="BTCUSDT", side="Buy", orderType="Limit", qty="0.01", price="100")
        fills.wait_for(Gap)
        venue.place_order("linear", symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.01")
        eventually(lambda: any("execution" in filled.topics and filled.complete for filled in fills.of(Filled)))
        got = [fill.exec_id for item in fills.of(Update) for fill in item.data]
        # Those of one millisecond come in any order.
        assert sorted(got) == sorted(fill.id for fill in venue.executions()[-len(got):]) and len(got) >= 5
        eventually(lambda: sum("order" in filled.topics for filled in orders.of(Filled)) == 2)
        snapshot = [item for item in orders.of(Update) if item.kind == "snapshot"][-1]
        known = {order.order_id: order.order_status for order in snapshot.data}
        assert known[resting.id] == "New" and list(known.values()).count("Filled") >= 3
        drained(client)
        position = positions.of(Update)[-1].data[-1]
        assert position.size == next(each.size for each in venue.positions() if each.symbol == "BTCUSDT")


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"channel": "allLiquidation", "backfill": True}, "allLiquidation.BTCUSDT.*publicTrade, kline"),
        ({"channel": "publicTrade", "backfill": True, "raw": True}, "raw"),
        ({"channel": "publicTrade", "since": True}, "since"),
        ({"channel": "publicTrade", "since": 10**15}, "since"),
        ({"channel": "publicTrade", "since": datetime.datetime(2020, 1, 1)}, "since.*zone"),
        ({"channel": "publicTrade", "since": ""}, "since"),
        ({"channel": "kline.1", "since": "an-id"}, "since"),
        ({"channel": "publicTrade", "backfill": 1}, "backfill"),
    ],
)
def test_wrong_arguments(wrong: Any, message: str) -> None:
    from dbxsdk import BybitPrivateClient, BybitPublicClient

    client = BybitPublicClient("linear")
    with pytest.raises((ValueError, TypeError), match=message):
        client.subscribe(**wrong, symbols="BTCUSDT", callback=print)
    assert client.state is State.NEW
    with pytest.raises(ValueError, match="since.*wallet"):
        BybitPrivateClient("k", "s").subscribe("wallet", callback=print, since=1)
    with pytest.raises(ValueError, match="rest_url"):
        BybitPublicClient("linear", url="ws://127.0.0.1:1").subscribe(BTC, callback=print, backfill=True)


@pytest.mark.parametrize("twin", [twins.OrdersTwin, twins.ExecutionsTwin])
@pytest.mark.parametrize("days, whole", [(6, True), (8, False)])
def test_what_lies_too_far_back_is_not_whole(twin: Any, days: int, whole: bool) -> None:
    now_ms = time.time_ns() // 1_000_000
    rest: Any = SimpleNamespace(
        server_ms=lambda deadline: now_ms, ahead_ms=0, open_orders=lambda deadline: [], rows=lambda *asked: []
    )
    fetched = twin(rest).fetch("", Since(from_ms=now_ms - days * 24 * 3600 * 1000), 0.0)
    assert fetched.whole is whole and fetched.rows == ()
