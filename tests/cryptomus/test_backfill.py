"""What Cryptomus's streams miss is fetched from its REST side: against the local venue's own record."""

from __future__ import annotations

import collections
from typing import Any, Counter, Iterator, List

import pytest

from dbxsdk import Filled, Gap, Update
from dbxsdk.sim import CryptomusVenue
from dbxsdk.transport import rest
from tests.holes import FAST, away, items, moved
from tests.waiting import Recorder, drained, eventually

BTC = "BTC_USDT"


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> Iterator[CryptomusVenue]:
    monkeypatch.setattr(rest, "_hosts", {})
    with CryptomusVenue(symbols=[BTC], rate=0) as made:
        yield made
        assert made.handler_errors == 0


def counted(seen: List[Any]) -> Counter[Any]:
    return collections.Counter((each.timestamp, each.price, each.quantity, each.direction) for each in items(seen))


def truth(venue: CryptomusVenue, begin: int) -> Counter[Any]:
    trades = [trade for trade in venue.trades(BTC) if trade.id > begin]
    sides = {True: "buy", False: "sell"}
    return collections.Counter((trade.time_us // 10**6, trade.price, trade.size, sides[trade.buy]) for trade in trades)


def until_filled(venue: CryptomusVenue, seen: Recorder, number: int = 1, gaps: int = 1) -> Filled:
    """The market goes on for some seconds, so that its seconds end."""
    eventually(lambda: len(seen.of(Gap)) >= gaps)
    moved(venue, 1, BTC)
    venue.step(20)
    seen.wait_for(Filled, number)
    return seen.of(Filled)[number - 1]


def test_trades_without_ids_come_as_often_as_there_were(venue: CryptomusVenue) -> None:
    with venue.client(options=FAST) as client:
        seen = Recorder()
        client.on_event(seen)
        venue.step(5)  # a second begins here
        begin = venue.trades(BTC)[-1].id
        client.subscribe("trade", BTC, callback=seen, backfill=True)
        for number in range(1, 3):
            moved(venue, 4, BTC)
            eventually(lambda: sum(counted(seen.items).values()) >= sum(truth(venue, begin).values()))
            with away(venue, client):
                moved(venue, 20, BTC)
            filled = until_filled(venue, seen, number, number)
            assert filled.complete and filled.count >= 20 - 5
        client.ping()
        drained(client)
        earlier = counted(seen.items) - truth(venue, begin)
        assert truth(venue, begin) == counted(seen.items) - earlier
        assert all(each[0] == min(truth(venue, begin))[0] for each in earlier), "of the second in which it began"


def test_a_hole_that_rest_does_not_reach_back_to_is_told(venue: CryptomusVenue) -> None:
    with venue.client(options=FAST) as client:
        seen = Recorder()
        client.on_event(seen)
        client.subscribe("trade", BTC, callback=seen, backfill=True)
        moved(venue, 3, BTC)
        eventually(lambda: sum(counted(seen.items).values()) >= 3)
        last = venue.trades(BTC)[-1].id
        with away(venue, client):
            moved(venue, 200, BTC)
        filled = until_filled(venue, seen)
        assert not filled.complete and 50 < filled.count <= 100
        missing = [trade.time_us * 1000 for trade in venue.trades(BTC) if trade.id > last][:20]
        assert all(filled.missing_from_ns <= at <= filled.missing_until_ns for at in missing)


def test_since_a_time(venue: CryptomusVenue) -> None:
    moved(venue, 30, BTC)
    since = venue.trades(BTC)[-10].time_us // 1000
    with venue.client(options=FAST) as client:
        seen = Recorder()
        client.on_event(seen)
        client.subscribe("trade", BTC, callback=seen, since=since)
        assert until_filled(venue, seen, gaps=0).complete
        begin = next(trade.id for trade in venue.trades(BTC) if trade.time_us // 10**6 >= since // 1000) - 1
        client.ping()
        drained(client)
        assert counted(seen.items) == truth(venue, begin)


@pytest.mark.parametrize("symbols", [BTC, "all"])
def test_orders_fills_and_balances_of_the_account(venue: CryptomusVenue, symbols: str) -> None:
    venue.step(5)
    with venue.client(options=FAST) as client:
        orders, deals, balances = Recorder(), Recorder(), Recorder()
        for each in (orders, deals):
            client.on_event(each)
        client.subscribe("order", symbols, callback=orders, backfill=True)
        client.subscribe("deal", symbols, callback=deals, backfill=True)
        client.subscribe("balance", "USDT" if symbols == BTC else "all", callback=balances, backfill=True)
        first = orders.wait_for(Update)
        assert first.kind == "snapshot" and [order.id for order in first.data] == [each["id"] for each in venue.orders()]
        assert balances.wait_for(Update).data[0].new_balance == venue.balances()[balances.items[0].data[0].currency_code]
        venue.step(5)
        deals.wait_for(Update)
        begin = deals.of(Update)[0].data.transaction_id
        with away(venue, client):
            venue.step(50)
        eventually(lambda: [each for each in orders.of(Update) if each.kind == "snapshot"][1:])
        eventually(lambda: venue.step(5) or [each for each in deals.of(Filled) if "deal" in each.topics[0]])
        client.ping()
        drained(client)
        fills = [fill["id"] for order in venue._account.orders.values() for fill in order.get("fills", ())]
        got = [each.transaction_id for each in items(deals.items)]
        assert len(set(got)) == len(got) and {each.symbol for each in deals.of(Update)} == {BTC}
        assert set(fills[fills.index(begin) :]) == set(got)
        ended = [each for each in orders.of(Update) if each.kind == "snapshot"][1].data
        assert {"finished"} <= {order.type for order in ended}
        eventually(lambda: items(balances.items)[-1].new_balance == venue.balances()[items(balances.items)[-1].currency_code])
