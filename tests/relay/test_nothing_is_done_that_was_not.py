"""Groups and durable readers: what counts as done was done; what nobody had, and nobody can have any more, is in a ``Gap``."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any, Dict, Iterator, List

import pytest
import redis

import dbxsdk
from dbxsdk import Connected, Disconnected, Gap, Options, Silent
from dbxsdk.relay import connector, group
from dbxsdk.relay.entries import CONTROL, FORMAT, decode_all, encode_document, encode_frames
from dbxsdk.relay.keys import Keys
from dbxsdk.relay.server import check_url
from dbxsdk.relay.wants import Wants
from dbxsdk.sim import DigiFinexVenue
from tests.relay.scene import TOPIC, Scene
from tests.relay.test_groups import KEY, numbers, pending
from tests.waiting import eventually

KEYS = Keys("test", "bybit:linear")
FIXED = [("publicTrade", ["BTCUSDT"])]
BOTH = pytest.mark.parametrize("how", ["durable", "group"])


@pytest.fixture(autouse=True)
def sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "CLAIM_AFTER", 0.8)
    monkeypatch.setattr(group, "KEEP", 0.1)


def singly(stage: Scene, everyone: Any, count: int) -> None:
    """Each trade is an entry."""
    for _ in range(count):
        everyone.saw(stage.send())


def kept(stage: Scene) -> str:
    return stage.relay.positions("bybit:linear", "orders").get(TOPIC, "")


def kinds(worker: Any) -> List[Any]:
    return [item if isinstance(item, int) else type(item) for item in worker.items if isinstance(item, (int, Gap))]


@contextlib.contextmanager
def a_dead_worker(stage: Scene, count: int) -> Iterator[Any]:
    """Another member of the group has read so many entries, and is never heard of again."""
    client = stage.server.client()
    (_, rows), = client.xreadgroup("orders", "dead", {KEY: ">"}, count=count)
    yield [id_ for id_, _ in rows]


def a_group(stage: Scene) -> Any:
    """Serves, and makes the group. Returns a worker that sees everything."""
    stage.serve(FIXED)
    everyone = stage.worker().subscribe()
    first = stage.worker(group="orders").subscribe()
    first.saw(stage.send())
    eventually(lambda: pending(stage) == 0)
    first.client.close()
    return everyone


@BOTH
def test_what_waits_for_a_callback_that_is_unsubscribed_is_the_next_ones(stage: Scene, how: str) -> None:
    stage.serve(FIXED)
    everyone, worker = stage.worker().subscribe(), stage.worker(**{how: "orders"})
    subscription = worker.client.subscribe("publicTrade", "BTCUSDT", callback=worker.take, raw=True)
    worker.saw(stage.send())
    worker.hold.clear()
    singly(stage, everyone, 4)
    eventually(lambda: worker.client.stats().queued >= 3)
    subscription.unsubscribe()
    worker.hold.set()
    worker.saw(2)
    again = stage.worker(**{how: "orders"}).subscribe()
    again.saw(5)
    assert set(numbers(worker)) | set(numbers(again)) == {1, 2, 3, 4, 5} and not again.of(Gap)
    if how == "group":
        eventually(lambda: pending(stage) == 0)


def test_what_waits_for_a_handler_that_is_replaced_is_the_new_ones(stage: Scene) -> None:
    stage.serve(FIXED)
    everyone, worker, had = stage.worker().subscribe(), stage.worker(durable="orders"), []  # type: ignore[var-annotated]
    old = worker.client.subscribe("publicTrade", "BTCUSDT", callback=worker.take, raw=True)
    worker.saw(stage.send())
    worker.hold.clear()
    singly(stage, everyone, 4)
    eventually(lambda: worker.client.stats().queued >= 3)
    take = lambda document: had.append(int(document["data"][0]["i"]))  # noqa: E731
    worker.client.subscribe("publicTrade", "BTCUSDT", callback=take, raw=True)
    old.unsubscribe()
    worker.hold.set()
    everyone.saw(stage.send())
    eventually(lambda: set(numbers(worker)) | set(had) == set(range(1, 7)))
    eventually(lambda: kept(stage) == stage.server.client().xinfo_stream(KEY)["last-generated-id"].decode())
    assert not worker.of(Gap)


@BOTH
def test_nothing_is_lost_between_two_subscriptions_of_one_client(stage: Scene, how: str) -> None:
    stage.serve(FIXED)
    everyone, worker, over = stage.worker().subscribe(), stage.worker(**{how: "orders"}), threading.Event()
    feeding = threading.Thread(target=lambda: [stage.send() for _ in iter(lambda: over.wait(0.002), True)])
    feeding.start()
    try:
        for _ in range(6):
            subscription = worker.client.subscribe("publicTrade", "BTCUSDT", callback=worker.take, raw=True)
            seen = len(numbers(worker))
            eventually(lambda seen=seen: len(numbers(worker)) > seen + 10)
            subscription.unsubscribe()
        worker.subscribe()
    finally:
        over.set()
        feeding.join()
    everyone.saw(stage.sent)
    first = numbers(worker)[0]
    eventually(lambda: set(numbers(worker)) >= set(range(first, stage.sent + 1)))
    assert not worker.of(Gap)


def test_drops_of_the_venue_cost_a_group_nothing_that_is_in_the_stream(stage: Scene) -> None:
    stage.serve(FIXED, client=stage.venue.client("linear", options=Options(backoff_initial=0.05, backoff_max=0.1)))
    workers, everyone = [stage.worker(group="orders").subscribe() for _ in range(2)], stage.worker().subscribe()
    for round_ in range(1, 5):
        for _ in range(20):
            stage.send()
        stage.venue.drop_connections()
        eventually(lambda round_=round_: all(len(each.of(Connected)) > round_ for each in (*workers, everyone)))
        stage.probe(everyone)
    rows = stage.server.client().xrange(KEY)
    entries = decode_all([(id_, [part for pair in fields.items() for part in pair]) for id_, fields in rows])
    there = [frame for entry in entries if entry.kind == b"f" for frame in entry.body]
    eventually(lambda: len(numbers(*workers)) >= len(there) and pending(stage) == 0)
    assert len(numbers(*workers)) == len(set(numbers(*workers))) == len(there)


@pytest.mark.parametrize("lost", ["what a dead worker had", "what it noticed", "all that it had"])
def test_entries_that_are_gone_before_a_dead_workers_are_taken_over_are_a_gap(stage: Scene, lost: str) -> None:
    everyone, client = a_group(stage), stage.server.client()
    singly(stage, everyone, 4)
    if lost == "what it noticed":  # 2 and 3 were never read
        client.xdel(KEY, *[id_ for id_, _ in client.xrange(KEY)][-4:-2])
    began = time.time_ns()
    with a_dead_worker(stage, 10) as ids:
        if lost != "what it noticed":
            client.xdel(KEY, *(ids if lost == "all that it had" else ids[:2]))
    second = stage.worker(group="orders").subscribe()
    eventually(lambda: second.of(Gap) and pending(stage) == 0)
    assert sorted(numbers(second)) == ([] if lost == "all that it had" else [4, 5])
    gap, = second.of(Gap)
    assert gap.last_received_ns < began < gap.last_received_ns + gap.seconds * 1e9 + 1e9
    assert time.time_ns() - gap.last_received_ns < 60e9


def test_a_dead_workers_entries_behind_those_of_a_slow_one_are_found(stage: Scene) -> None:
    everyone, client = a_group(stage), stage.server.client()
    singly(stage, everyone, 205)
    (_, rows), = client.xreadgroup("orders", "slow", {KEY: ">"}, count=200)
    with a_dead_worker(stage, 5):
        eventually(lambda: client.xpending_range(KEY, "orders", "-", "+", 300)[-1]["time_since_delivered"] > 800)
        client.xclaim(KEY, "orders", "slow", 0, [id_ for id_, _ in rows], justid=True)
        second = stage.worker(group="orders").subscribe()
        second.saw(202)
        assert numbers(second)[:5] == [202, 203, 204, 205, 206]


def test_a_worker_whose_callback_hangs_leaves_the_others_theirs(stage: Scene) -> None:
    stage.serve(FIXED)
    slow, everyone = stage.worker(group="orders").subscribe(), stage.worker().subscribe()
    slow.hold.clear()
    singly(stage, everyone, 120)
    eventually(lambda: pending(stage) >= group._MOST)
    other = stage.worker(group="orders").subscribe()
    other.saw(120)
    eventually(lambda: pending(stage) < group._MOST + group._COUNT)
    slow.hold.set()
    eventually(lambda: sorted(numbers(slow, other)) == list(range(1, 121)))


def test_a_frame_of_two_topics_gives_each_worker_of_a_group_its_own(stage: Scene) -> None:
    row = {"open_24h": "1", "low_24h": "1", "base_volume_24h": "1", "quote_volume_24h": "1", "last_qty": "1", "best_bid": "1",
           "best_bid_size": "1", "best_ask": "1", "best_ask_size": "1", "timestamp": 1}
    had: List[Any] = []
    with DigiFinexVenue(rate=0) as venue:
        stage.serve([("ticker", ["BTC_USDT", "ETH_USDT"])], client=venue.client())
        workers = [stage.relay.client("digifinex", group="orders") for _ in range(2)]
        with workers[0], workers[1]:
            for worker in workers:
                worker.subscribe("ticker", ["BTC_USDT", "ETH_USDT"], callback=had.append)
            for number in range(1, 31):
                rows = [{**row, "symbol": symbol, "last": str(number)} for symbol in ("BTC_USDT", "ETH_USDT")]
                venue.send_frame({"method": "ticker.update", "params": rows, "id": None})
            eventually(lambda: len(had) >= 60)
            found = sorted((update.symbol, int(update.data[0].last)) for update in had if update.kind == "update")
        assert found == sorted((symbol, number) for symbol in ("BTC_USDT", "ETH_USDT") for number in range(1, 31))


@pytest.mark.parametrize("position", ["garbage", "", "5-", "{later}-5", "99999999999999999999999-1"])
def test_a_durable_position_that_is_none_is_a_gap(stage: Scene, position: str) -> None:
    stage.serve(FIXED)
    everyone = stage.worker().subscribe()
    singly(stage, everyone, 3)
    later = int(time.time() * 1000) + 3_600_000
    stage.server.client().hset(KEYS.durable("orders"), TOPIC, position.format(later=later))
    worker = stage.worker(durable="orders").subscribe()
    worker.saw(stage.send())
    assert kinds(worker) == [Gap, 4]
    gap, = worker.of(Gap)
    assert gap.seconds < 60 and gap.last_received_ns > time.time_ns() - 60e9


def test_the_gap_behind_a_position_of_an_earlier_epoch_begins_there(stage: Scene) -> None:
    first = stage.serve(FIXED)
    worker = stage.worker(durable="orders").subscribe()
    worker.saw(stage.send())
    eventually(lambda: kept(stage).endswith("-1"))
    worker.client.close()
    first.stop()
    stage.serve(FIXED)
    again = stage.worker(durable="orders").subscribe()
    again.saw(stage.probe(stage.worker().subscribe()))
    gap = again.of(Gap)[0]
    assert gap.seconds < 60 and gap.last_received_ns > time.time_ns() - 60e9


@pytest.mark.parametrize("how", ["plain", "durable", "group"])
@pytest.mark.parametrize("fields", [{b"2": b"?"}, {FORMAT: b"?"}, {b"x": b""}])
def test_an_entry_that_nobody_can_read_is_a_gap(stage: Scene, how: str, fields: Dict[Any, Any]) -> None:
    stage.serve(FIXED)
    everyone = stage.worker().subscribe()
    worker = everyone if how == "plain" else stage.worker(**{how: "orders"}).subscribe()
    worker.saw(stage.send())
    client = stage.server.client()
    epoch, _, number = client.xinfo_stream(KEY)["last-generated-id"].decode().partition("-")
    client.xadd(KEY, fields, id=f"{epoch}-{int(number) + 1}")
    worker.saw(Gap)
    stage.probe(worker)
    assert kinds(worker)[:2] == [1, Gap] and kinds(worker).count(Gap) <= 3
    if how == "group":
        eventually(lambda: pending(stage) == 0)


def test_a_callback_that_takes_its_time_is_no_silence(stage: Scene) -> None:
    stage.serve(FIXED)
    everyone = stage.worker().subscribe()
    worker = stage.worker(durable="orders", options=Options(queue_size=1)).subscribe()
    worker.hold.clear()
    for _ in range(10):
        everyone.saw(stage.send())
    threading.Event().wait(2 * connector.SILENCE + 0.5)  # longer than a serving process may be silent
    worker.hold.set()
    worker.saw(10)
    assert kinds(worker) == list(range(1, 11)) and not worker.of(Disconnected)


@BOTH
def test_the_last_update_of_an_inline_client_counts_as_done(stage: Scene, how: str) -> None:
    stage.serve(FIXED)
    everyone = stage.worker().subscribe()
    worker = stage.worker(options=Options(dispatch="inline"), **{how: "orders"}).subscribe()
    everyone.saw(stage.send())
    worker.saw(1)
    eventually(lambda: kept(stage).endswith("-1") if how == "durable" else pending(stage) == 0)


def test_positions_outlive_the_connection_on_which_they_were_reached() -> None:
    server = check_url("redis://127.0.0.1:1")
    first = Wants(server, KEYS, print, None, None)
    first.keep("orders", {TOPIC: "1-1"})
    first.stop()
    second = Wants(server, KEYS, print, None, first)
    second.stop()
    assert (second._consumer, second._positions) == ("orders", {TOPIC: "1-1"})


def test_a_group_looks_only_at_topics_that_have_something_new(stage: Scene) -> None:
    channels = ["kline.1", "kline.5", "tickers", "publicTrade", "kline.15", "kline.30"]
    stage.serve()
    worker = stage.relay.client("bybit:linear", group="orders")
    had: List[Any] = []
    with worker:
        for channel in channels:
            worker.subscribe(channel, "BTCUSDT", callback=had.append, raw=True)
        calls: List[Any] = []
        link = worker._connector.follower.link
        whole = link.call_all
        link.call_all = lambda commands: calls.extend(commands) or whole(commands)
        stage.venue.send_frame({"topic": "kline.15.BTCUSDT", "type": "snapshot", "ts": 1, "data": []})
        eventually(lambda: any(document["ts"] == 1 for document in had))
        asked = {command[2] for command in calls if command[0] == "XINFO"}
        assert KEYS.topic("kline.15.BTCUSDT").encode() in asked
        assert KEYS.topic("publicTrade.BTCUSDT").encode() not in asked, "of which nothing has come"


@pytest.mark.parametrize("value", [
    encode_frames(99, 10**18, [(0, (b"{}", False))]),
    encode_document(CONTROL, 99, 10**18, {"kind": "down", "reason": "x", "since_ns": "abc"}),
])
def test_nonsense_in_the_control_stream_is_a_disconnection_at_most(stage: Scene, value: bytes) -> None:
    stage.serve(FIXED)
    worker = stage.worker().subscribe()
    worker.saw(stage.send())
    client = stage.server.client()
    epoch, _, number = client.xinfo_stream(KEYS.control)["last-generated-id"].decode().partition("-")
    with contextlib.suppress(redis.ResponseError):  # a beat came first: one more, then
        client.xadd(KEYS.control, {FORMAT: value}, id=f"{epoch}-{int(number) + 1}")
    stage.probe(worker)
    assert worker.client.state is dbxsdk.State.READY


def test_a_stream_that_goes_while_a_callback_is_at_work_costs_one_connection(stage: Scene) -> None:
    stage.serve(FIXED)
    worker, everyone = stage.worker(group="orders").subscribe(), stage.worker().subscribe()
    worker.saw(stage.send())
    worker.hold.clear()
    singly(stage, everyone, 2)
    eventually(lambda: pending(stage) == 2)
    stage.server.client().delete(KEY)
    everyone.saw(stage.send())  # and the group is gone with it
    eventually(lambda: worker.client.stats().reconnects == 1)
    threading.Event().wait(1.5)  # it goes on saying what it is at work on, and would have to reconnect each time
    assert worker.client.stats().reconnects == 1 and worker.client.state is dbxsdk.State.READY
    worker.hold.set()
    stage.probe(worker)
    assert worker.of(Gap)


def test_a_relayed_topic_that_is_silent_is_told(stage: Scene) -> None:
    stage.serve(FIXED)
    worker = stage.worker()
    worker.client.subscribe("publicTrade", "BTCUSDT", callback=worker.take, raw=True, max_silence=0.2)
    worker.saw(stage.send())
    assert worker.saw(Silent).topic == TOPIC
