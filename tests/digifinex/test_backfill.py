"""What DigiFinex's streams miss comes out of their own history and from REST: against the local venue's own record."""

from __future__ import annotations

from typing import Any, Iterator, List

import pytest

from dbxsdk import Filled, Gap, Options, Update
from dbxsdk.sim import DigiFinexVenue
from dbxsdk.sim.digifinex import venue as local
from dbxsdk.transport import rest
from tests.holes import FAST, away, items, moved
from tests.waiting import Recorder, drained, eventually

BTC = "BTC_USDT"


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> Iterator[DigiFinexVenue]:
    monkeypatch.setattr(rest, "_hosts", {})
    with DigiFinexVenue(symbols=[BTC], rate=0) as made:
        yield made
        assert made.handler_errors == 0


def ids(seen: List[Any]) -> List[int]:
    return [trade.id for trade in items(seen)]


def truth(venue: DigiFinexVenue) -> List[int]:
    return [trade.id for trade in venue.trades(BTC)]


def test_a_short_hole_is_closed_by_the_streams_own_history_and_a_long_one_by_rest(venue: DigiFinexVenue) -> None:
    with venue.client(options=FAST) as client:
        seen = Recorder()
        client.on_event(seen)
        client.subscribe("trades", BTC, callback=seen, backfill=True)
        first = seen.wait_for(Update)
        assert first.kind == "snapshot"
        begin = first.data[0].id
        for number, missed in enumerate((10, 3 * local.HISTORY_SENT), 1):
            moved(venue, 3, BTC)
            eventually(lambda: max(ids(seen.items)) == truth(venue)[-1])
            with away(venue, client):
                moved(venue, missed, BTC)
            filled = seen.wait_for(Filled, number)
            assert filled.complete and filled.count >= missed and filled.topics == (f"trades.{BTC}",)
            assert bool(venue.rest_requests) is (number == 2)
        moved(venue, 2, BTC)
        eventually(lambda: max(ids(seen.items)) == truth(venue)[-1])
        got = [trade.id for each in seen.of(Update)[1:] for trade in sorted(each.data, key=lambda trade: trade.id)]
        assert got == [each for each in truth(venue) if each > begin]
        kinds = [each.kind for each in seen.of(Update)]
        assert kinds.count("snapshot") == 1 and "backfill" in kinds
        raw = next(each for each in seen.of(Update) if each.kind == "backfill").raw
        assert raw["id"] == next(each for each in seen.of(Update) if each.kind == "backfill").data[0].id
        assert seen.items.index(seen.of(Gap)[0]) < seen.items.index(seen.of(Filled)[0])


def test_a_restarted_program_begins_behind_what_it_had(venue: DigiFinexVenue) -> None:
    moved(venue, 2 * local.HISTORY_SENT, BTC)
    trades = venue.trades(BTC)
    near, far = trades[-5], trades[-local.HISTORY_SENT - 20]
    with venue.client(options=FAST) as client:
        for since, asks in ((str(near.id), False), (str(far.id), True), (near.time_us // 1000, False)):
            before = len(venue.rest_requests)
            seen = Recorder()
            client.on_event(seen)
            subscription = client.subscribe("trades", BTC, callback=seen, since=since)
            assert seen.wait_for(Filled).complete
            # REST may be asked beside a history that reaches back: whichever comes first.
            assert len(venue.rest_requests) > before or not asks
            drained(client)
            subscription.unsubscribe()
            client.ping()
            got = ids(seen.items)
            assert got == truth(venue)[-len(got) :]
            assert got[0] == trades[trades.index(far if asks else near) + 1].id if isinstance(since, str) else near.id in got


def test_rest_that_is_down_costs_the_span_and_rest_that_lags_is_asked_again(venue: DigiFinexVenue) -> None:
    quick = Options(backoff_initial=0.01, backoff_max=0.02, backfill_timeout=0.3)
    with venue.client(options=quick) as client:
        seen = Recorder()
        client.on_event(seen)
        client.subscribe("trades", BTC, callback=seen, backfill=True)
        seen.wait_for(Update)
        last = truth(venue)[-1]
        venue.fail_rest(503)
        with away(venue, client):
            moved(venue, 2 * local.HISTORY_SENT, BTC)
        filled = seen.wait_for(Filled)
        assert not filled.complete and filled.count == local.HISTORY_SENT and "503" in str(filled.error)
        got = set(ids(seen.items))
        lost = [trade for trade in venue.trades(BTC) if trade.id > last and trade.id not in got]
        assert lost and all(filled.missing_from_ns <= trade.time_us * 1000 <= filled.missing_until_ns for trade in lost)
    venue.accept_rest()
    with venue.client(options=FAST) as client:
        seen = Recorder()
        client.on_event(seen)
        client.subscribe("trades", BTC, callback=seen, backfill=True)
        seen.wait_for(Update)
        venue.lag_history(1000)
        with away(venue, client):
            moved(venue, 2 * local.HISTORY_SENT, BTC)
        asked = len(venue.rest_requests)
        eventually(lambda: len(venue.rest_requests) > asked)
        venue.lag_history(0)
        assert seen.wait_for(Filled).complete


def test_orders_and_balances_begin_with_the_present_state_and_have_it_again(venue: DigiFinexVenue) -> None:
    venue.step(5)
    with venue.client(options=FAST) as client:
        orders, balances = Recorder(), Recorder()
        client.on_event(orders)
        client.subscribe("order", BTC, callback=orders, backfill=True)
        client.subscribe("balance", "USDT", callback=balances, backfill=True)
        first = orders.wait_for(Update)
        assert first.kind == "snapshot" and [order.id for order in first.data] == [each["id"] for each in venue.orders()]
        assert balances.wait_for(Update).data[0].total == venue.balances()["USDT"]["total"]
        opened = first.data[0].id
        with away(venue, client):
            venue.step(60)
        again = eventually(lambda: [each for each in orders.of(Update) if each.kind == "snapshot"][1:])[0]
        statuses = {order.id: order.status for order in again.data}
        assert statuses[opened] == 2 and {each["id"] for each in venue.orders()} <= set(statuses)
        assert len(statuses) > len(venue.orders()) + 1, "also those that were made and ended meanwhile"
        eventually(lambda: balances.of(Update)[-1].data[0].free == venue.balances()["USDT"]["free"])
        eventually(lambda: sum("order" in filled.topics[0] for filled in orders.of(Filled)) == 2)
