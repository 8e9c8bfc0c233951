"""Groups and durable readers: who gets which update, and what happens to those that a dead worker had."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any, List

import pytest

from dbxsdk import Gap
from dbxsdk.relay import group
from dbxsdk.relay.keys import Keys
from tests.relay.scene import TOPIC, Scene, trade
from tests.waiting import eventually

KEY = Keys("test", "bybit:linear").topic(TOPIC)


@pytest.fixture(autouse=True)
def sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "CLAIM_AFTER", 0.8)
    monkeypatch.setattr(group, "KEEP", 0.1)


def pending(stage: Scene) -> int:
    found: Any = stage.server.client().xpending(KEY, "orders")
    return int(found["pending"])


def numbers(*workers: Any) -> List[int]:
    return [item for worker in workers for item in worker.items if isinstance(item, int)]


def test_each_update_goes_to_one_worker_and_is_acknowledged(stage: Scene) -> None:
    stage.serve([("publicTrade", ["BTCUSDT"])])
    first, second = stage.worker(group="orders").subscribe(), stage.worker(group="orders").subscribe()
    everyone = stage.worker().subscribe()
    for _ in range(100):
        last = stage.send()
    everyone.saw(last)
    eventually(lambda: len(numbers(first, second)) >= 100)
    assert sorted(numbers(first, second)) == numbers(everyone) == list(range(1, 101))
    eventually(lambda: pending(stage) == 0)
    assert not first.of(Gap) and not second.of(Gap)


def test_what_a_slow_worker_has_stays_its_own(stage: Scene) -> None:
    stage.serve([("publicTrade", ["BTCUSDT"])])
    slow = stage.worker(group="orders").subscribe()
    slow.hold.clear()
    stage.send()
    eventually(lambda: pending(stage) == 1)
    other = stage.worker(group="orders").subscribe()
    client = stage.server.client()
    idle = lambda: client.xpending_range(KEY, "orders", "-", "+", 1)[0]["time_since_delivered"]  # noqa: E731
    before = idle()
    eventually(lambda: idle() < before or idle() < 100)
    # Whoever asked first gets the next one: a worker whose callback is slow reads on, as far as its queue has room.
    eventually(lambda: stage.send() and numbers(other))
    assert 1 not in numbers(other)
    slow.hold.set()
    eventually(lambda: pending(stage) == 0)
    eventually(lambda: sorted(numbers(slow, other)) == list(range(1, stage.sent + 1)))
    assert numbers(slow)[0] == 1


DIES = """
import os, sys, time, dbxsdk
def take(document):
    print(document["data"][0]["i"], flush=True)
    os.kill(os.getpid(), 9)
client = dbxsdk.Relay(sys.argv[1], prefix="test").client("bybit:linear", group="orders")
client.subscribe("publicTrade", "BTCUSDT", callback=take, raw=True)
print("subscribed", flush=True)
client.wait()
"""


def test_what_a_worker_had_that_was_killed_inside_its_callback_is_anothers(stage: Scene) -> None:
    stage.serve([("publicTrade", ["BTCUSDT"])])
    process = subprocess.Popen([sys.executable, "-c", DIES, stage.server.url], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "subscribed\n"
        stage.send()
        assert process.wait(10) == -signal.SIGKILL
        assert pending(stage) == 1
        other = stage.worker(group="orders").subscribe()
        other.saw(1)
        stage.send(3)
        other.saw(4)
        assert numbers(other) == [1, 2, 3, 4]
        eventually(lambda: pending(stage) == 0)
    finally:
        process.kill()
        process.communicate()


def test_a_group_whose_stream_was_trimmed_is_told(stage: Scene) -> None:
    stage.serve([("publicTrade", ["BTCUSDT"])])
    first = stage.worker(group="orders").subscribe()
    everyone = stage.worker().subscribe()
    first.saw(stage.send())
    first.client.close()
    for _ in range(5):
        everyone.saw(stage.send())
    client = stage.server.client()
    client.xtrim(KEY, minid=client.xinfo_stream(KEY)["last-generated-id"].decode(), approximate=False)
    second = stage.worker(group="orders").subscribe()
    second.saw(6)
    assert [item if isinstance(item, int) else Gap for item in second.items if isinstance(item, (int, Gap))] == [Gap, 6]


def test_what_cannot_be_shared_or_kept_is_refused(stage: Scene) -> None:
    stage.serve()
    for arguments in ({"group": "orders"}, {"durable": "candles"}):
        worker = stage.worker(**arguments)
        with pytest.raises(ValueError, match="messages"):
            worker.client.messages("publicTrade", "BTCUSDT")
    with pytest.raises(ValueError, match="order_book"):
        stage.worker(group="orders").client.order_book("BTCUSDT")
    with pytest.raises(ValueError, match="group"):
        stage.relay.client("bybit:linear", group="a", durable="b")
    for more in ({"backfill": True}, {"since": 0}):
        with pytest.raises(ValueError, match="backfill and since: a relayed client"):
            stage.worker().client.subscribe("publicTrade", "BTCUSDT", callback=print, **more)


def test_a_durable_client_that_is_closed_keeps_what_its_callbacks_have_not_had(
    stage: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    stage.serve([("publicTrade", ["BTCUSDT"])])
    everyone = stage.worker().subscribe()
    first = stage.worker(durable="candles").subscribe()
    first.saw(stage.send())
    first.hold.clear()
    for _ in range(5):
        everyone.saw(stage.send())
    eventually(lambda: first.client.stats().queued >= 3)
    first.client.close(timeout=0)
    first.hold.set()
    second = stage.worker(durable="candles").subscribe()
    second.saw(6)
    begun = numbers(second)[0]
    assert begun <= 3 and numbers(second) == list(range(begun, 7)) and not second.of(Gap)
    assert "unexpected" not in caplog.text  # its reader was in the midst of a read


def test_a_durable_client_goes_on_where_it_began_though_nothing_came(stage: Scene) -> None:
    stage.serve([("publicTrade", ["BTCUSDT"])])
    everyone = stage.worker().subscribe()
    assert stage.relay.positions("bybit:linear", "candles") == {}
    first = stage.worker(durable="candles").subscribe()
    eventually(lambda: list(stage.relay.positions("bybit:linear", "candles")) == [TOPIC])
    first.client.close()
    everyone.saw(stage.send())
    second = stage.worker(durable="candles").subscribe()
    second.saw(1)
    assert numbers(second) == [1] and not second.of(Gap)
    for arguments in (("nowhere", "candles"), ("bybit:linear", "a b")):
        with pytest.raises(ValueError):
            stage.relay.positions(*arguments)


def test_a_durable_client_is_told_that_the_relay_had_left_its_topic(stage: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbxsdk.relay.wants.LIVES", 1)
    monkeypatch.setattr("dbxsdk.relay.term.LEAVE_AFTER", 0.5)
    stage.serve()  # what is wanted, and no longer
    first = stage.worker(durable="candles").subscribe()
    first.saw(stage.send())
    eventually(lambda: stage.relay.positions("bybit:linear", "candles").get(TOPIC, "").endswith("-1"))
    first.client.close()
    assert stage.venue.wait_until(lambda: not stage.venue.subscriptions())
    assert stage.venue.send_frame(trade(2)) == 1  # which the relay does not write down
    second = stage.worker(durable="candles").subscribe()
    eventually(lambda: stage.venue.send_frame(trade(3)) and 3 in second.items)
    assert all(0 < gap.seconds < 60 for gap in second.of(Gap))
    assert second.of(Gap) and isinstance(second.items[[isinstance(each, (int, Gap)) for each in second.items].index(True)], Gap)
