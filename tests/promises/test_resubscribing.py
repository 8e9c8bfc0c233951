"""Subscribing again while an unsubscription is unanswered works, or raises the truth, within its timeout.

Once it ended as "the connection did not come back in time", with the connection ready all the time.
"""

from __future__ import annotations

from typing import Any

import pytest

from dbxsdk import ConnectError, Disconnected, RequestTimeout, State, SubscribeError
from tests.promises.venues import (
    Clock,
    Document,
    Held,
    Link,
    ScriptedVenue,
    book,
    bybit_refusing,
    bybit_yes,
    cryptomus_yes,
    listening,
    trade,
)
from tests.waiting import PATIENCE, Background, Recorder

BTC = "publicTrade.BTCUSDT"
OPTION = "publicTrade.BTC"


def option_yes(link: Link, document: Document) -> Any:
    """What the option socket says, which is said not to answer an unsubscription."""
    if document["op"] == "unsubscribe":
        return None
    if document["op"] != "subscribe":
        return {"op": "pong", "args": ["1700000000000"]}
    data = {"failTopics": [], "successTopics": document["args"]}
    return {"success": True, "conn_id": "a", "data": data, "type": "COMMAND_RESP"}


@pytest.mark.parametrize("timeout", [0.3, 1.0])
def test_a_venue_that_answers_no_unsubscription(timeout: float) -> None:
    updates = Recorder()
    with ScriptedVenue(Held(bybit_yes, "unsubscribe")) as venue, listening(venue.bybit()) as (client, seen):
        client.subscribe(BTC, callback=print).unsubscribe()
        venue.wait_asked("unsubscribe")
        clock = Clock()
        client.subscribe(BTC, callback=updates, raw=True, timeout=timeout)
        assert clock.seconds < timeout
        venue.link().send(trade("BTCUSDT", 1))
        assert updates.wait()[0]["n"] == 1
        assert client.state is State.READY and not seen.of(Disconnected)


def test_the_option_socket_that_answers_no_unsubscription() -> None:
    updates = Recorder()
    with ScriptedVenue(option_yes) as venue, listening(venue.bybit("option")) as (client, seen):
        for _ in range(2):
            client.subscribe(OPTION, callback=print, timeout=1.0).unsubscribe()
        client.subscribe(OPTION, callback=updates, raw=True, timeout=1.0)
        venue.link().send({"topic": OPTION, "type": "snapshot", "ts": 1, "data": [], "n": 7})
        assert updates.wait()[0]["n"] == 7
        assert not seen.of(Disconnected)


def test_a_venue_that_answers_neither_is_told_as_such() -> None:
    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit(request_timeout=0.5)) as (client, seen):
        client.subscribe(BTC, callback=print)
        venue.answer = Held(bybit_yes, "unsubscribe", "subscribe")
        client.unsubscribe(BTC)
        clock = Clock()
        with pytest.raises(RequestTimeout, match=BTC) as raised:
            client.subscribe(BTC, callback=print, timeout=0.4)
        assert 0.3 < clock.seconds < 0.7
        assert not isinstance(raised.value, ConnectError) and "come back" not in str(raised.value)
        assert client.state is State.READY and not seen.of(Disconnected)
        # And what comes next works, once that request has had its time.
        venue.answer = bybit_yes
        client.subscribe(BTC, callback=print, timeout=1.5)


def test_a_refusal_is_told_as_a_refusal() -> None:
    with ScriptedVenue(bybit_yes) as venue, venue.bybit() as client:
        client.subscribe(BTC, callback=print)
        venue.answer = Held(bybit_refusing(BTC), "unsubscribe")
        client.unsubscribe(BTC)
        with pytest.raises(SubscribeError) as raised:
            client.subscribe(BTC, callback=print, timeout=0.6)
        assert raised.value.topics == (BTC,)


def test_an_answer_that_comes_late_is_taken_and_does_no_harm() -> None:
    updates = Recorder()
    holding = Held(bybit_yes, "unsubscribe")
    with ScriptedVenue(holding) as venue, listening(venue.bybit()) as (client, seen):
        client.subscribe(BTC, callback=print).unsubscribe()
        link, document = holding.wait()
        again = Background(client.subscribe, BTC, callback=updates, raw=True, timeout=2.0)
        venue.wait_asked("subscribe", 2)
        link.send(bybit_yes(link, document), trade("BTCUSDT", 1))
        again.result()
        link.send(trade("BTCUSDT", 2))
        updates.wait(1)
        client.ping()
        assert client.stats().bad_frames == 0 and not seen.of(Disconnected)


def test_an_order_book_that_is_closed_and_made_again() -> None:
    def answer(link: Link, document: Document) -> Any:
        if document["op"] == "unsubscribe":
            return None
        granted = bybit_yes(link, document)
        return [granted, book("BTCUSDT", 10)] if document["op"] == "subscribe" else granted

    with ScriptedVenue(answer) as venue, venue.bybit() as client:
        client.order_book("BTCUSDT", depth=1).close()
        clock = Clock()
        again = client.order_book("BTCUSDT", depth=1, timeout=1.0)
        assert again.wait_ready(PATIENCE) and clock.seconds < 1.0


def test_cryptomus_too() -> None:
    updates = Recorder()
    holding = Held(cryptomus_yes, "trade_unsubscribe")
    with ScriptedVenue(holding) as venue, venue.cryptomus() as client:
        client.subscribe("trade", "BTC_USDT", callback=print).unsubscribe()
        holding.wait()
        clock = Clock()
        client.subscribe("trade", "BTC_USDT", callback=updates, raw=True, timeout=1.0)
        assert clock.seconds < 1.0 and venue.wait_asked("trade_subscribe", 2)["params"] == ["BTC_USDT"]
