"""The answer that comes after its caller was told ``OutcomeUnknown`` is told as a ``LateReply``, with what it says.

Once it was told as a ``BadFrame`` without its content: the order was there, and nobody knew.
"""

from __future__ import annotations

import time
from typing import Any, List

import pytest

import dbxsdk
from dbxsdk import BadFrame, Options, RequestTimeout, VenueError
from dbxsdk.sim import BybitVenue
from tests.promises.venues import (
    QUICK,
    Held,
    ScriptedVenue,
    bybit_yes,
    cryptomus_no,
    cryptomus_yes,
    dbot_no,
    dbot_yes,
    listening,
)
from tests.waiting import Recorder, drained, eventually

ORDER = {"category": "spot", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.001", "price": "1000"}


def wait_late(client: Any, seen: Recorder) -> Any:
    """The one event of an answer; the ping's answer comes behind whatever else the venue has sent."""
    eventually(lambda: seen.of(dbxsdk.LateReply) or seen.of(BadFrame))
    client.call("ping", timeout=2.0)
    drained(client)
    assert not seen.of(BadFrame), "the venue said nothing wrong"
    late: List[Any] = seen.of(dbxsdk.LateReply)
    assert len(late) == 1, "exactly once"
    return late[0]


# -- orders ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["call", "submit"])
def test_an_order_that_is_answered_after_its_timeout(how: str) -> None:
    with BybitVenue(rate=0) as venue:
        client = venue.client("trade", options=Options(**{**QUICK, "request_timeout": 0.2}))
        with listening(client) as (_, seen):
            venue.hold_answers()
            if how == "call":
                with pytest.raises(RequestTimeout) as raised:
                    client.place_order(**ORDER, orderLinkId="mine")
                unknown = raised.value
            else:
                unknown = client.submit("order.create", {**ORDER, "orderLinkId": "mine"}).exception(2.0)
            assert isinstance(unknown, RequestTimeout) and venue.wait_until(lambda: len(venue.orders()) == 1)
            venue.release_answers()
            late = wait_late(client, seen)
            assert late.request_id == unknown.request_id
            assert late.order_link_id == "mine" == unknown.order_link_id
            order_id = late.result.order_id if how == "call" else late.result["orderId"]
            assert late.error is None and order_id == venue.orders()[0].id
            assert client.stats().bad_frames == 0


def test_an_order_that_is_refused_after_its_timeout() -> None:
    with BybitVenue(rate=0) as venue:
        client = venue.client("trade", options=Options(**{**QUICK, "request_timeout": 0.2}))
        with listening(client) as (_, seen):
            venue.fail_next(170131, "Insufficient balance.")
            venue.hold_answers()
            with pytest.raises(RequestTimeout) as raised:
                client.place_order(**ORDER, orderLinkId="mine")
            venue.release_answers()
            late = wait_late(client, seen)
            assert (late.request_id, late.order_link_id) == (raised.value.request_id, "mine")
            assert late.result is None
            assert isinstance(late.error, VenueError) and late.error.code == 170131


def test_a_venue_that_answers_everything_too_late_is_told_once_for_each_order() -> None:
    with BybitVenue(rate=0) as venue:
        client = venue.client("trade", options=Options(**{**QUICK, "request_timeout": 0.15}))
        with listening(client) as (_, seen):
            venue.delay(0.4)
            asked = [client.submit("order.create", {**ORDER, "orderLinkId": f"mine-{number}"}) for number in range(5)]
            unknown = [future.exception(2.0) for future in asked]
            eventually(lambda: len(seen.of(dbxsdk.LateReply)) >= 5 if hasattr(dbxsdk, "LateReply") else seen.of(BadFrame))
            assert not seen.of(BadFrame)
            told = {(late.request_id, late.order_link_id) for late in seen.of(dbxsdk.LateReply)}
            assert told == {(error.request_id, error.order_link_id) for error in unknown}
            assert len(seen.of(dbxsdk.LateReply)) == 5
            assert [error.order_link_id for error in unknown] == [f"mine-{number}" for number in range(5)]


def test_an_answer_in_time_is_told_by_no_event() -> None:
    with BybitVenue(rate=0) as venue, listening(venue.client("trade", options=Options(**QUICK))) as (client, seen):
        client.place_order(**ORDER)
        with pytest.raises(VenueError):
            client.place_order(**{**ORDER, "symbol": "NOTHING"})
        assert [type(event).__name__ for event in seen.items] == ["Connected"]


# -- other requests ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("good", [True, False], ids=["granted", "refused"])
def test_dbot(good: bool) -> None:
    holding = Held(dbot_yes, "updateFollowOrder")
    with ScriptedVenue(holding) as venue, listening(venue.dbot()) as (client, seen):
        with pytest.raises(RequestTimeout) as raised:
            client.update_follow_order("a-task", True, timeout=0.1)
        link, document = holding.wait()
        link.send((dbot_yes if good else dbot_no)(link, document))
        eventually(lambda: seen.of(dbxsdk.LateReply) or seen.of(BadFrame))
        client.call("anything", {}, timeout=2.0)
        drained(client)
        assert not seen.of(BadFrame)
        [late] = seen.of(dbxsdk.LateReply)
        assert late.request_id == raised.value.request_id == document["id"] and late.order_link_id is None
        if good:
            assert late.error is None and late.result == document["params"]
        else:
            assert late.result is None and isinstance(late.error, VenueError) and late.error.message == "No"


@pytest.mark.parametrize("good", [True, False], ids=["granted", "refused"])
def test_cryptomus(good: bool) -> None:
    holding = Held(cryptomus_yes, "order_create")
    with ScriptedVenue(holding) as venue, listening(venue.cryptomus()) as (client, seen):
        with pytest.raises(RequestTimeout) as raised:
            client.call("order_create", [], timeout=0.1)
        link, document = holding.wait()
        link.send((cryptomus_yes if good else cryptomus_no)(link, document))
        late = wait_late(client, seen)
        assert late.request_id == raised.value.request_id == document["id"]
        assert (late.result, late.error is None) == (({"status": "success"}, True) if good else (None, False))


def test_the_event_says_which_client_asked() -> None:
    holding = Held(bybit_yes, "echo")
    with ScriptedVenue(holding) as venue, listening(venue.bybit()) as (client, seen):
        with pytest.raises(RequestTimeout):
            client.call("echo", [], timeout=0.05)
        link, document = holding.wait()
        link.send(bybit_yes(link, document))
        late = wait_late(client, seen)
        assert late.result["req_id"] == document["req_id"] and late.client == client.name


def test_a_second_answer_is_no_late_one() -> None:
    holding = Held(bybit_yes, "echo")
    with ScriptedVenue(holding) as venue, listening(venue.bybit()) as (client, seen):
        with pytest.raises(RequestTimeout):
            client.call("echo", [], timeout=0.05)
        link, document = holding.wait()
        link.send(bybit_yes(link, document), bybit_yes(link, document))
        seen.wait_for(BadFrame)
        assert len(seen.of(dbxsdk.LateReply)) == 1


def test_an_answer_to_the_last_connections_request_is_none_of_this_ones() -> None:
    holding = Held(bybit_yes, "echo")
    with ScriptedVenue(holding) as venue, listening(venue.bybit()) as (client, seen):
        with pytest.raises(RequestTimeout):
            client.call("echo", [], timeout=0.05)
        _, document = holding.wait()
        venue.link().cut()
        link = venue.link(2)
        eventually(lambda: client.stats().reconnects == 1)
        link.send(bybit_yes(link, document))
        seen.wait_for(BadFrame)
        assert not seen.of(getattr(dbxsdk, "LateReply", int))


def test_a_late_answer_comes_in_order_with_the_updates() -> None:
    holding = Held(bybit_yes, "echo")
    with ScriptedVenue(holding) as venue, listening(venue.bybit()) as (client, seen):
        client.subscribe("publicTrade", "BTCUSDT", callback=seen, raw=True)
        with pytest.raises(RequestTimeout):
            client.call("echo", [], timeout=0.05)
        link, document = holding.wait()
        update = {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": int(time.time()), "data": []}
        link.send({**update, "n": 1}, bybit_yes(link, document), {**update, "n": 2})
        seen.wait_for(dict, 2)
        assert not seen.of(BadFrame)
        kinds = [type(item).__name__ for item in seen.items if not isinstance(item, dbxsdk.Connected)]
        assert kinds == ["dict", "LateReply", "dict"]
