"""How other SDKs lose requests, subscriptions and updates (P4, P7 and the complaints of the same cause), and that this one
does not."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from typing import Any, Dict, List

import pytest

from dbxsdk import (
    ConnectionLost,
    Disconnected,
    Dropped,
    Gap,
    Refused,
    Silent,
    State,
    SubscribeError,
    Update,
)
from dbxsdk.sim import BybitVenue
from tests.faults.conftest import ORDER, PLAIN, QUICK, WATCHFUL, Scene, bybit, digifinex
from tests.waiting import Background, Recorder, drained, eventually, held


# -- requests --------------------------------------------------------------------------------------------------------------


def test_p7_complaint_7_orders_whose_connection_is_lost_end_as_unknown(orders: Scene) -> None:
    with orders.client("trade") as client:
        orders.venue.hold_answers()
        waiting = [Background(client.place_order, **ORDER, orderLinkId=f"mine-{number}") for number in range(8)]
        assert orders.venue.wait_until(lambda: len(orders.venue.orders()) == 8)
        orders.proxy.reset()
        for number, call in enumerate(waiting):
            error: Any = call.error()
            assert isinstance(error, ConnectionLost) and error.order_link_id == f"mine-{number}"
        assert client.stats().pending == 0, "nothing is left to leak"
        orders.venue.release_answers()
        assert client.place_order(**ORDER).order_id
        assert len(orders.venue.orders()) == 9, "nothing was sent again"


def test_complaint_16_answers_pass_a_full_queue_and_nothing_is_lost(quiet: Scene) -> None:
    go_on = threading.Event()
    updates = Recorder(lambda _: go_on.wait(10))
    with quiet.client(options={**QUICK, "queue_size": 50}) as client:
        client.subscribe("trades", "BTC_USDT", callback=updates, raw=True)
        updates.wait()
        eventually(lambda: quiet.venue.step() or held(client))
        for number in range(150):
            if number % 10 == 0:
                quiet.venue.step()
            assert client.server_time() > 0
        assert client.stats().queued > 50, "so the reader went on"
        go_on.set()
        updates.wait(52)
        drained(client)
        assert client.stats().dropped == 0 and not quiet.seen.of(Dropped) and not quiet.seen.of(Disconnected)
    ids = [row["id"] for document in updates.items[1:] for row in reversed(document["params"][1])]
    assert ids == list(range(ids[0], ids[0] + len(ids))), "every trade of the market, in order"


# -- subscriptions ---------------------------------------------------------------------------------------------------------


def test_p4_complaint_4_one_refused_topic_touches_no_other(tls: Dict[str, Any]) -> None:
    with bybit(tls, "/v5/public/linear") as scene, scene.client("linear") as client:
        client.subscribe("publicTrade.BTCUSDT", callback=scene.seen)
        with pytest.raises(SubscribeError) as raised:
            client.subscribe("publicTrade", ["ETHUSDT", "NOTHING"], callback=scene.seen)
        assert raised.value.topics == ("publicTrade.NOTHING",)
        known = len(scene.seen.of(Update))
        scene.seen.wait_for(Update, known + 5)
        assert scene.venue.subscriptions() == ("publicTrade.BTCUSDT", "publicTrade.ETHUSDT")
        assert not scene.seen.of(Disconnected) and scene.venue.connection_count == 1


def test_complaint_6_the_venues_limit_of_topics_a_request_holds_at_a_reconnect_too() -> None:
    symbols = [f"COIN{number}USDT" for number in range(23)]
    with bybit(PLAIN, "/v5/public/spot", rate=0, symbols={"spot": symbols}) as scene, scene.client("spot") as client:
        for start in (0, 9, 18):  # no call is over the limit of ten; all together are
            client.subscribe("publicTrade", symbols[start : start + 9], callback=scene.seen)
        scene.proxy.reset()
        assert len(scene.seen.wait_for(Gap).topics) == 23
        assert len(scene.venue.subscriptions()) == 23
        sizes = [len(each.document["args"]) for each in scene.venue.requests if each.document.get("op") == "subscribe"]
        assert sum(sizes) == 46 and max(sizes) <= 10
        assert not scene.seen.of(Refused)


def test_complaint_19_a_topic_that_stopped_is_told_while_the_venue_answers_pings(quiet: Scene) -> None:
    with quiet.client(options={**WATCHFUL, "silence_timeout": 1.0}) as client:
        client.subscribe("trades", "BTC_USDT", callback=quiet.seen, max_silence=0.2)
        silent = quiet.seen.wait_for(Silent)
        assert silent.topic == "trades.BTC_USDT" and silent.seconds >= 0.2
        quiet.venue.step(20)
        quiet.seen.wait_for(Update)
        quiet.seen.wait_for(Silent, 2)
        assert client.ping() < 3 and not quiet.seen.of(Disconnected)


# -- updates ---------------------------------------------------------------------------------------------------------------

FLOOD = 3_000


@pytest.mark.parametrize("overflow", ["drop_oldest", "latest"])
def test_complaints_15_21_a_slow_callback_slows_nobody_down_and_memory_is_bounded(overflow: str) -> None:
    go_on = threading.Event()
    updates = Recorder(lambda _: go_on.wait(10))
    with digifinex(PLAIN, rate=0, queue_size=500) as scene:
        with scene.client(options={**QUICK, "queue_size": 100, "overflow": overflow}) as client:
            client.subscribe("trades", "BTC_USDT", callback=updates, raw=True)
            received = client.stats().received
            # The venue cuts whoever leaves 500 frames unread.
            for number in range(FLOOD):
                scene.venue.send_frame(json.dumps({"method": "trades.update", "params": [False, [], "BTC_USDT"], "n": number}))
                if number % 250 == 249:
                    eventually(lambda number=number: client.stats().received > received + number)
                    assert client.stats().queued <= (100 if overflow == "drop_oldest" else 1)
            assert client.server_time() > 0
            go_on.set()
            drained(client)
            told = [document["n"] for document in updates.items if "n" in document]
            stats = client.stats()
            assert scene.venue.connection_count == 1 and not scene.seen.of(Disconnected)
    assert told == sorted(told) and told[-1] == FLOOD - 1
    assert len(told) <= 102 and (overflow == "drop_oldest") == (told[-100:] == list(range(FLOOD - 100, FLOOD)))
    # Exact to the last one.
    assert sum(event.count for event in scene.seen.of(Dropped)) == stats.dropped
    assert stats.dropped + stats.delivered == stats.received - 3, "all but the answers: login, subscription, time"


# -- where it runs ---------------------------------------------------------------------------------------------------------


def test_complaint_17_two_clients_work_inside_a_running_event_loop(plain: Scene) -> None:
    async def main() -> List[int]:
        with plain.client() as first, plain.client() as second:
            return [client.server_time() for client in (first, second, first)]

    assert all(seconds > 0 for seconds in asyncio.run(main()))


FORGETFUL = """
import sys, dbxsdk
client = dbxsdk.BybitPublicClient("linear", url=sys.argv[1])
client.trade_stream("BTCUSDT", lambda update: None)
print(client.state.value, flush=True)
"""


def test_complaint_20_a_process_ends_with_a_client_that_nobody_closed() -> None:
    with BybitVenue(rate=50) as venue:
        child = subprocess.run(
            [sys.executable, "-W", "error", "-c", FORGETFUL, venue.url("/v5/public/linear")],
            capture_output=True, text=True, timeout=20,
        )
        assert (child.returncode, child.stdout, child.stderr) == (0, "ready\n", "")
        assert venue.wait_until(lambda: venue.connections == 0)


def test_complaint_20_threads_are_daemons_and_end_with_close(plain: Scene) -> None:
    before = set(threading.enumerate())
    with plain.client() as client:
        client.subscribe("trades", "BTC_USDT", callback=print)
        made = [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("dbxsdk-digifinex-")]
        assert len(made) == 3 and all(thread.daemon for thread in made)
    assert not any(thread.is_alive() for thread in made)
    client.close()
    assert client.state is State.CLOSED
