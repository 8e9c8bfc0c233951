"""Each hole of each topic has one ``Gap`` that names it, before its first new update, and says how long it was.

Once gaps were counted by connections: holes without one, and one of 0.06 s for a hole of 4 s.
"""

from __future__ import annotations

import threading
import time
from typing import Any, List, Tuple

import pytest

from dbxsdk import Disconnected, Gap, Refused
from tests.promises.venues import (
    Document,
    Held,
    Link,
    ScriptedVenue,
    book,
    bybit_refusing,
    bybit_yes,
    cryptomus_no,
    cryptomus_trade,
    cryptomus_yes,
    depth,
    listening,
    per_link,
    trade,
)
from tests.waiting import PATIENCE, Background, Recorder, drained, eventually

BTC, ETH = "publicTrade.BTCUSDT", "publicTrade.ETHUSDT"
HOLE = 0.4
"""Seconds that a hole of a test lasts at least."""


def wait(seconds: float) -> None:
    """A hole needs its time."""
    time.sleep(seconds)


def gaps_of(seen: Recorder, topic: str) -> List[Gap]:
    return [gap for gap in seen.of(Gap) if topic in gap.topics]


def wait_gap(seen: Recorder, topic: str, count: int = 1) -> Gap:
    """The ``count``-th gap of a topic, once it is there."""
    gaps: List[Gap] = eventually(lambda: len(found := gaps_of(seen, topic)) >= count and found)
    return gaps[count - 1]


def updates_of(seen: Recorder, symbol: str) -> List[Any]:
    """Gaps and the numbers of the updates of one Bybit symbol, as they came."""
    topic = f"publicTrade.{symbol}"
    return [
        "gap" if isinstance(item, Gap) else item["n"]
        for item in list(seen.items)
        if (isinstance(item, Gap) and topic in item.topics) or (isinstance(item, dict) and item["topic"] == topic)
    ]


# -- a venue that must be unsubscribed for a moment --------------------------------------------------------------------


class CryptomusThatTakesNoRepeats:
    """Refuses a subscription of a channel while it has one, as the page may be read."""

    def __init__(self) -> None:
        self.subscribed: Tuple[str, ...] = ()

    def __call__(self, link: Link, document: Document) -> Any:
        channel, _, verb = document["method"].rpartition("_")
        if verb == "unsubscribe":
            self.subscribed = ()
        if verb != "subscribe":
            return cryptomus_yes(link, document)
        if self.subscribed:
            return cryptomus_no(link, document)
        self.subscribed = tuple(document["params"])
        books = [depth(name.partition(":")[0]) for name in self.subscribed] if channel == "depth" else []
        return [cryptomus_yes(link, document), *books]


def test_a_venue_that_takes_no_repeats_leaves_a_gap_in_the_first_market_while_the_second_is_added() -> None:
    rules = CryptomusThatTakesNoRepeats()
    with ScriptedVenue(rules) as venue, listening(venue.cryptomus()) as (client, seen):
        client.subscribe("trade", "BTC_USDT", callback=seen, raw=True)
        link = venue.link()
        link.send(cryptomus_trade("BTC_USDT", 1))
        seen.wait_for(dict)
        # Everything is unsubscribed; what trades until it is subscribed again is missed.
        holding = venue.answer = Held(rules, "trade_unsubscribe")
        adding = Background(client.subscribe, "trade", "ETH_USDT", callback=seen, raw=True)
        _, document = holding.wait()
        missed_from = time.time_ns()
        wait(HOLE)
        venue.answer = rules
        link.send(*[rules(link, document)])
        adding.result()
        link.send(cryptomus_trade("BTC_USDT", 5))
        seen.wait_for(dict, 2)
        assert rules.subscribed == ("BTC_USDT", "ETH_USDT")
        [gap] = seen.of(Gap)
        assert gap.topics == ("trade.BTC_USDT",), "nothing of the other was missed"
        assert HOLE <= gap.seconds < HOLE + 1.0 and gap.last_received_ns <= missed_from
        assert seen.items.index(gap) < seen.items.index(seen.of(dict)[1])
        assert not seen.of(Disconnected)


def test_an_iterator_hears_of_that_gap_too() -> None:
    rules = CryptomusThatTakesNoRepeats()
    with ScriptedVenue(rules) as venue, venue.cryptomus() as client:
        iterator = client.messages("trade", "BTC_USDT", raw=True)
        venue.link().send(cryptomus_trade("BTC_USDT", 1))
        assert next(iterator)["n"] == 1
        client.subscribe("trade", "ETH_USDT", callback=print)
        venue.link().send(cryptomus_trade("BTC_USDT", 2))
        first = Background(next, iterator).result()
        assert isinstance(first, Gap) and first.topics == ("trade.BTC_USDT",)
        assert Background(next, iterator).result()["n"] == 2


def test_a_book_is_stale_while_another_markets_book_is_added_to_a_venue_that_takes_no_repeats() -> None:
    rules = CryptomusThatTakesNoRepeats()
    with ScriptedVenue(rules) as venue, listening(venue.cryptomus()) as (client, seen):
        first = client.order_book("BTC_USDT")
        assert first.wait_ready(PATIENCE)
        holding = venue.answer = Held(rules, "depth_unsubscribe")
        adding = Background(client.order_book, "ETH_USDT")
        link, document = holding.wait()
        eventually(lambda: first.is_stale)
        assert first.stale_reason
        venue.answer = rules
        link.send(rules(link, document))
        assert adding.result().wait_ready(PATIENCE) and first.wait_ready(PATIENCE)
        assert "depth.BTC_USDT:0" in wait_gap(seen, "depth.BTC_USDT:0").topics


# -- reconnects --------------------------------------------------------------------------------------------------------


def test_a_topic_that_is_refused_at_a_reconnect_and_subscribed_again_later_has_its_own_gap() -> None:
    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit()) as (client, seen):
        client.subscribe("publicTrade", ["BTCUSDT", "ETHUSDT"], callback=seen, raw=True)
        venue.link().send(trade("BTCUSDT", 0), trade("ETHUSDT", 0))
        seen.wait_for(dict, 2)
        venue.answer = bybit_refusing(ETH)
        venue.link().cut()
        assert seen.wait_for(Refused).topics == (ETH,)
        assert wait_gap(seen, BTC).topics == (BTC,), "of the other nothing can be said yet"
        wait(HOLE)
        venue.answer = bybit_yes
        again = Recorder()
        client.subscribe("publicTrade", "ETHUSDT", callback=again, raw=True)
        venue.link().send(trade("BTCUSDT", 7), trade("ETHUSDT", 75))
        again.wait()
        gap = wait_gap(seen, ETH)
        assert gap.topics == (ETH,) and HOLE <= gap.seconds < HOLE + 1.0
        assert updates_of(seen, "ETHUSDT") == [0, "gap", 75] and updates_of(seen, "BTCUSDT") == [0, "gap", 7]


def test_a_gap_covers_the_whole_hole_of_a_topic_though_another_is_back_before() -> None:
    holding = Held(bybit_yes, "subscribe", let_pass=1)

    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit()) as (client, seen):
        # One request each, as they are asked for at different times.
        client.subscribe(BTC, callback=seen, raw=True)
        client.subscribe(ETH, callback=seen, raw=True)
        venue.link().send(trade("BTCUSDT", 0), trade("ETHUSDT", 0))
        seen.wait_for(dict, 2)

        def one_granted(link: Link, document: Document) -> Any:
            # The venue refuses the request for two whole, and then answers the one for the second late.
            if document["op"] == "subscribe" and len(document["args"]) > 1:
                return {**bybit_yes(link, document), "success": False, "ret_msg": "error:too many"}
            return holding(link, document)

        venue.answer = one_granted
        began = time.monotonic()
        venue.link().cut()
        link, document = holding.wait()
        [late] = document["args"]
        early = BTC if late == ETH else ETH
        link.send(trade(early.partition(".")[2], 1))
        assert early in wait_gap(seen, early).topics
        assert not gaps_of(seen, late), "it is not back yet"
        wait(HOLE)
        link.send(bybit_yes(link, document), trade(late.partition(".")[2], 9))
        gap = wait_gap(seen, late)
        assert HOLE <= gap.seconds <= time.monotonic() - began + 0.1
        eventually(lambda: updates_of(seen, late.partition(".")[2]) == [0, "gap", 9])
        assert updates_of(seen, early.partition(".")[2]) == [0, "gap", 1]


def test_a_gap_covers_failed_attempts_and_connections_on_which_the_topic_did_not_come_back() -> None:
    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit()) as (client, seen):
        client.subscribe("publicTrade", ["BTCUSDT", "ETHUSDT"], callback=seen, raw=True)
        venue.link().send(trade("BTCUSDT", 0), trade("ETHUSDT", 0))
        seen.wait_for(dict, 2)
        last = time.time_ns()
        # Attempts fail; then a connection has the one topic back and loses it, and never gets the other; then all is well.
        venue.refusals = 3
        venue.answer = per_link(bybit_yes, bybit_refusing(ETH), bybit_yes)
        venue.link().cut()
        venue.link(2)
        seen.wait_for(Refused)
        venue.link().send(trade("BTCUSDT", 1))
        seen.wait_for(dict, 3)
        wait(HOLE)
        venue.link().cut()
        venue.link(3)
        venue.wait_asked("subscribe", 4)
        gap = wait_gap(seen, ETH)
        venue.link().send(trade("BTCUSDT", 2), trade("ETHUSDT", 9))
        seen.wait_for(dict, 5)
        assert venue.attempts == 6
        assert gap.seconds >= HOLE and gap.last_received_ns <= last
        assert wait_gap(seen, BTC, 2).seconds < gap.seconds
        assert updates_of(seen, "ETHUSDT") == [0, "gap", 9] and updates_of(seen, "BTCUSDT") == [0, "gap", 1, "gap", 2]


def test_a_connection_that_is_lost_while_nothing_is_wanted_leaves_no_gap_and_one_that_is_wanted_again_has_none() -> None:
    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit()) as (client, seen):
        client.subscribe(BTC, callback=seen, raw=True).unsubscribe()
        venue.link().cut()
        venue.link(2)
        eventually(lambda: client.stats().reconnects == 1)
        client.subscribe(BTC, callback=seen, raw=True)
        venue.link().send(trade("BTCUSDT", 5))
        seen.wait_for(dict)
        assert not seen.of(Gap)


def test_attempts_that_fail_while_a_venue_is_away_make_one_gap() -> None:
    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit()) as (client, seen):
        client.subscribe(BTC, callback=seen, raw=True)
        venue.link().send(trade("BTCUSDT", 0))
        seen.wait_for(dict)
        venue.refusals = 5
        began = time.monotonic()
        venue.link().cut()
        venue.link(2).send(trade("BTCUSDT", 3))
        seen.wait_for(dict, 2)
        [gap] = seen.of(Gap)
        assert 0 < gap.seconds <= time.monotonic() - began + 0.1
        assert updates_of(seen, "BTCUSDT") == [0, "gap", 3]


# -- a queue that is full ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3])
def test_with_disconnect_the_gap_begins_before_the_dropped_update(size: int) -> None:
    go_on, inside = threading.Event(), threading.Event()

    def slow(document: Document) -> None:
        seen(document)
        inside.set()
        go_on.wait(PATIENCE)

    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit(queue_size=size, overflow="disconnect")) as (client, seen):
        client.subscribe(BTC, callback=slow, raw=True)
        link = venue.link()
        link.send(trade("BTCUSDT", 0))
        assert inside.wait(PATIENCE)
        for number in range(1, size + 1):
            before = client.stats().received
            link.send(trade("BTCUSDT", number))
            eventually(lambda before=before: client.stats().received > before)
        moment = time.time_ns()
        link.send(trade("BTCUSDT", 99))
        venue.link(2)
        go_on.set()
        gap = wait_gap(seen, BTC)
        assert gap.last_received_ns <= moment, "what came after that moment was dropped"
        venue.link(2).send(trade("BTCUSDT", 100))
        seen.wait_for(dict, size + 2)
        assert updates_of(seen, "BTCUSDT") == [*range(size + 1), "gap", 100]


def test_the_last_updates_of_an_ended_subscription_are_none_of_the_next_ones() -> None:
    """Between them and its own beginning is a hole, and its callback has not begun."""

    def answer(link: Link, document: Document) -> Any:
        late = [trade("BTCUSDT", 1)] if document["op"] == "unsubscribe" else []
        return [*late, bybit_yes(link, document)]

    with ScriptedVenue(answer) as venue, listening(venue.bybit()) as (client, seen):
        first = client.subscribe(BTC, callback=lambda _: None, raw=True)
        venue.link().send(trade("BTCUSDT", 0))
        first.unsubscribe()
        client.subscribe(BTC, callback=seen, raw=True)
        venue.link().send(trade("BTCUSDT", 9))
        seen.wait_for(dict)
        drained(client)
        assert updates_of(seen, "BTCUSDT") == [9]


@pytest.mark.parametrize("raw", [True, False])
def test_a_subscription_that_began_before_its_answer_has_a_gap_if_the_answer_never_comes(raw: bool) -> None:
    def answer(link: Link, document: Document) -> Any:
        if document["op"] != "subscribe" or link.number > 1:
            return bybit_yes(link, document)
        link.send(trade("BTCUSDT", 1))
        seen.wait_for(object, 2)  # connected, and the update
        link.cut()
        return None

    with ScriptedVenue(answer) as venue, listening(venue.bybit()) as (client, seen):
        client.subscribe(BTC, callback=lambda update: seen(update if raw else update.raw), raw=raw)
        venue.link(2).send(trade("BTCUSDT", 9))
        seen.wait_for(dict, 2)
        assert updates_of(seen, "BTCUSDT") == [1, "gap", 9]


def test_the_last_updates_of_a_subscription_whose_end_is_not_answered_are_none_of_the_next_ones() -> None:
    """The venue is asked again all the same. Nobody knows of which subscription an update is that comes before its answer."""
    unanswered: List[Document] = []

    def answer(link: Link, document: Document) -> Any:
        if document["op"] == "unsubscribe":
            unanswered.append(document)
            return None
        late = [trade("BTCUSDT", 1), *(bybit_yes(link, each) for each in unanswered)] if unanswered else []
        return [*late, bybit_yes(link, document)]

    with ScriptedVenue(answer) as venue, listening(venue.bybit()) as (client, seen):
        first = client.subscribe(BTC, callback=lambda _: None, raw=True)
        venue.link().send(trade("BTCUSDT", 0))
        first.unsubscribe()
        client.subscribe(BTC, callback=seen, raw=True, timeout=0.4)
        venue.link().send(trade("BTCUSDT", 9))
        seen.wait_for(dict)
        drained(client)
        assert unanswered
        assert updates_of(seen, "BTCUSDT") == [9]


def test_an_iterator_that_begins_while_its_topic_is_renewed_hears_of_the_gap() -> None:
    """What it gets first is of the subscription that ends."""
    renewed: List[Document] = []

    def answer(link: Link, document: Document) -> Any:
        if document["op"] == "unsubscribe":
            renewed.append(document)  # answered when the test says so
            return None
        return bybit_yes(link, document)

    topic = "orderbook.1.BTCUSDT"
    with ScriptedVenue(answer) as venue, venue.bybit() as client:
        client.subscribe(topic, callback=lambda _: None, raw=True)
        link = venue.link()
        mirrored = Background(client.order_book, "BTCUSDT", depth=1)
        eventually(lambda: renewed)
        iterator = Background(client.messages, topic, raw=True)
        eventually(lambda: iterator.waits)
        link.send(book("BTCUSDT", 1))
        link.send(bybit_yes(link, renewed[0]))
        venue.wait_asked("subscribe", 2)
        link.send(book("BTCUSDT", 9))
        updates = iterator.result()
        seen = [Background(next, updates).result() for _ in range(3)]
        assert [gap if isinstance(gap, Gap) else gap["data"]["u"] for gap in seen] == [1, seen[1], 9]
        assert isinstance(seen[1], Gap)
        mirrored.result()
