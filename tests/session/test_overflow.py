"""Floods through real sockets under a callback that blocks: what each overflow policy holds, drops and tells, to the last
update; and that nothing else waits for the callback: answers, heartbeats, the watch over silent venues and topics."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
import tracemalloc
from typing import Any, Dict, Iterator, List

import pytest

from dbxsdk import BybitPublicClient, Connected, ConnectionLost, Disconnected, Dropped, Gap, Options, Silent
from dbxsdk.sim import BybitVenue
from tests.faults.conftest import PLAIN, bybit
from tests.transport.servers import CLOSE, PING, TEXT, Peer, Server, frame
from tests.waiting import Background, Recorder, drained, eventually, held

SYMBOLS = {"linear": ["BTCUSDT", "ETHUSDT", "SOLUSDT"], "spot": ["A"], "inverse": ["AUSD"], "option": ["A-31DEC27-1-C-USDT"]}
TOPICS = ("publicTrade.BTCUSDT", "publicTrade.ETHUSDT", "publicTrade.SOLUSDT")
SIZE = 40
"""Of the queue."""
FLOOD = 600
"""Updates of each topic, in each of two waves."""
QUICK: Dict[str, Any] = {"backoff_initial": 0.01, "backoff_max": 0.02, "queue_size": SIZE}


class Blocking:
    """A callback of updates and events that stands still in its first update until it is let go. It also keeps what it
    got, in order."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.go_on = threading.Event()
        self.seen = Recorder(self._stand)

    def _stand(self, item: Any) -> None:
        if isinstance(item, dict):
            self.inside.set()
            assert self.go_on.wait(10.0)

    def numbers(self, topic: str) -> List[int]:
        return [document["ts"] for document in self.seen.of(dict) if document["topic"] == topic]

    def dropped(self, topic: str) -> int:
        return sum(event.count for event in self.seen.of(Dropped) if event.topic == topic)


@pytest.fixture
def venue() -> Iterator[BybitVenue]:
    with BybitVenue(rate=0, symbols=SYMBOLS, queue_size=1_000_000) as made:  # it cuts nobody for reading slowly
        yield made


@pytest.fixture
def blocking() -> Iterator[Blocking]:
    made = Blocking()
    yield made
    made.go_on.set()


def client_of(venue: BybitVenue, blocking: Blocking, **options: Any) -> BybitPublicClient:
    client = venue.client("linear", options=Options(**{**QUICK, **options}))
    client.on_event(blocking.seen)
    return client


def flood(venue: BybitVenue, numbers: Any, topics: Any = TOPICS) -> None:
    for number in numbers:
        for topic in topics:
            venue.send_frame(json.dumps({"topic": topic, "type": "snapshot", "ts": number, "data": []}))


def pings(venue: BybitVenue) -> int:
    return sum(each.document["op"] == "ping" for each in venue.requests)


def holding(client: Any) -> bool:
    return bool(held(client))


def heartbeats_and_answers_pass(venue: BybitVenue, client: BybitPublicClient) -> None:
    """While the callback stands still."""
    before = pings(venue)
    assert venue.wait_until(lambda: pings(venue) >= before + 3), "no heartbeats"
    started = time.monotonic()
    client.ping(timeout=5.0)
    assert time.monotonic() - started < 2.0, "the answer has waited for the callback"


# -- what is held, dropped and told ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("overflow", ["block", "drop_oldest", "latest"])
def test_a_flood_under_a_callback_that_blocks(venue: BybitVenue, blocking: Blocking, overflow: str) -> None:
    bound = {"block": 2 * FLOOD, "drop_oldest": SIZE, "latest": len(TOPICS)}[overflow]
    size = bound if overflow == "block" else SIZE
    with client_of(venue, blocking, overflow=overflow, heartbeat_interval=0.03, queue_size=size) as client:
        client.subscribe("publicTrade", ["BTCUSDT", "ETHUSDT", "SOLUSDT"], callback=blocking.seen, raw=True)
        flood(venue, [0])
        assert blocking.inside.wait(5.0)
        flood(venue, range(1, FLOOD))
        if overflow == "block":
            eventually(lambda: holding(client))
        else:
            eventually(lambda: client.stats().dropped >= 3 * FLOOD - 1 - bound)
        assert client.stats().queued == bound
        heartbeats_and_answers_pass(venue, client)
        assert overflow == "block" or client.stats().queued == bound
        blocking.go_on.set()
        flood(venue, range(FLOOD, 2 * FLOOD))  # while the queue is being emptied
        client.ping()  # what came before its answer has been put in
        drained(client)
        stats = client.stats()
        assert venue.connection_count == 1 and not blocking.seen.of(Disconnected)
    for topic in TOPICS:
        numbers = blocking.numbers(topic)
        assert len(numbers) + blocking.dropped(topic) == 2 * FLOOD, topic
        assert numbers[-1] == 2 * FLOOD - 1 or overflow == "drop_oldest"
    assert stats.dropped == sum(map(blocking.dropped, TOPICS)) and stats.delivered == len(blocking.seen.of(dict))
    if overflow == "block":
        assert stats.dropped == 0
    else:
        assert stats.dropped > 2 * FLOOD
    _check_each_hole_is_told_where_it_is(blocking)


def _check_each_hole_is_told_where_it_is(blocking: Blocking) -> None:
    """In order, and between two updates of a topic as many are missing as were told there. None is at the end: what is
    told last is told before the newest."""
    due = dict.fromkeys(TOPICS, 0)
    for item in blocking.seen.items:
        if isinstance(item, Dropped):
            due[item.topic] += item.count
        elif isinstance(item, dict):
            assert item["ts"] == due[item["topic"]], item["topic"]
            due[item["topic"]] += 1


def test_each_subscription_has_its_own_policy_and_its_own_count(venue: BybitVenue, blocking: Blocking) -> None:
    policies = {TOPICS[0]: "block", TOPICS[1]: "drop_oldest", TOPICS[2]: "latest"}
    size = FLOOD // 2 + 1
    with client_of(venue, blocking, overflow="disconnect", queue_size=size) as client:
        for topic, overflow in policies.items():
            client.subscribe(topic, callback=blocking.seen, raw=True, overflow=overflow)
        twice = Recorder()
        client.subscribe(TOPICS[0], callback=twice, raw=True, overflow="latest")
        flood(venue, [0])
        assert blocking.inside.wait(5.0)
        flood(venue, range(1, FLOOD))
        eventually(lambda: holding(client))
        assert client.stats().queued <= size + size + 2
        client.ping(timeout=5.0)  # the reader goes on, and takes it all in
        assert client.stats().queued == FLOOD - 1 + size + 2
        blocking.go_on.set()
        drained(client)
        stats = client.stats()
    everything, some, last = (blocking.numbers(topic) for topic in TOPICS)
    assert everything == list(range(FLOOD))
    assert some[-size:] == list(range(FLOOD - size, FLOOD)) and last[-1] == FLOOD - 1
    assert blocking.dropped(TOPICS[1]) == FLOOD - len(some) and blocking.dropped(TOPICS[2]) == FLOOD - len(last)
    assert twice.items[-1]["ts"] == FLOOD - 1 and blocking.dropped(TOPICS[0]) == FLOOD - len(twice.items)
    assert stats.delivered + stats.dropped == 4 * FLOOD
    assert venue.connection_count == 1


@pytest.mark.parametrize("where", ["client", "subscription"])
def test_disconnect_cuts_once_and_the_count_is_of_all_that_came(venue: BybitVenue, blocking: Blocking, where: str) -> None:
    overflow = {"client": {"client": "disconnect"}, "subscription": {"client": "latest", "subscription": "disconnect"}}[where]
    with client_of(venue, blocking, overflow=overflow["client"]) as client:
        client.subscribe(
            "publicTrade", ["BTCUSDT", "ETHUSDT", "SOLUSDT"], callback=blocking.seen, raw=True,
            overflow=overflow.get("subscription"),
        )
        flood(venue, [0])
        assert blocking.inside.wait(5.0)
        with venue._lock:  # all of it to this connection, however soon there is another
            flood(venue, range(1, FLOOD))
        assert venue.wait_until(lambda: venue.connection_count == 2 and len(venue.subscriptions()) == 3)
        assert client.stats().queued <= SIZE
        client.ping(timeout=5.0)
        blocking.go_on.set()
        drained(client)
        flood(venue, [FLOOD])
        client.ping()
        drained(client)
        stats = client.stats()
        assert venue.connection_count == 2
    answers = len(venue.requests)
    assert stats.delivered + stats.dropped == stats.received - answers
    assert stats.dropped == sum(map(blocking.dropped, TOPICS)) > 0
    for topic in TOPICS:
        numbers = blocking.numbers(topic)
        assert numbers[-1] == FLOOD and numbers[:-1] == list(range(len(numbers) - 1)), "in order, and then the gap"
    (gap,) = blocking.seen.of(Gap)
    assert set(gap.topics) == set(TOPICS)
    reasons = [event.reason for event in blocking.seen.of(Disconnected)]
    assert len(reasons) == 2 and f"queue_size ({SIZE})" in reasons[0] and reasons[1] == "closed"


def test_block_grows_for_a_request_to_twice_its_size_and_then_cuts_the_connection(
    venue: BybitVenue, blocking: Blocking
) -> None:
    """A callback that never returns while requests are made: memory stays bounded, and what is missing is reported."""
    with client_of(venue, blocking) as client:
        client.subscribe("publicTrade", ["BTCUSDT", "ETHUSDT", "SOLUSDT"], callback=blocking.seen, raw=True)
        flood(venue, [0])
        assert blocking.inside.wait(5.0)
        flood(venue, range(1, FLOOD))
        eventually(lambda: holding(client))
        assert client.stats().queued == SIZE
        with contextlib.suppress(ConnectionLost):  # or it was not written yet, and goes out on the next connection
            client.ping(timeout=5.0)
        most = client.stats().queued
        assert 2 * SIZE <= most < 3 * FLOOD - 1
        assert venue.wait_until(lambda: venue.connection_count == 2 and len(venue.subscriptions()) == 3)
        assert client.ping(timeout=5.0) < 5.0, "the next connection begins where updates come"
        assert (client.stats().queued, client.stats().dropped) == (most, 0)
        blocking.go_on.set()
        drained(client)
        flood(venue, [FLOOD])
        client.ping()
        drained(client)
        stats = client.stats()
    assert stats.delivered == most + 1 + 3 and stats.dropped == 0
    assert f"twice queue_size ({SIZE})" in blocking.seen.of(Disconnected)[0].reason
    items = [item for item in blocking.seen.items if isinstance(item, (dict, Gap))]
    (gap,) = blocking.seen.of(Gap)
    assert set(gap.topics) == set(TOPICS)
    assert [item["ts"] for item in items[: items.index(gap)]] == [number // 3 for number in range(most + 1)]
    assert [item["ts"] for item in items[items.index(gap) + 1 :]] == [FLOOD] * 3


@pytest.mark.parametrize("overflow", ["block", "drop_oldest", "latest"])
def test_what_close_throws_away_is_counted(venue: BybitVenue, blocking: Blocking, overflow: str) -> None:
    client = client_of(venue, blocking, overflow=overflow)
    client.subscribe("publicTrade", ["BTCUSDT", "ETHUSDT", "SOLUSDT"], callback=blocking.seen, raw=True)
    flood(venue, range(100))
    assert blocking.inside.wait(5.0)
    eventually(lambda: holding(client) or client.stats().dropped + client.stats().queued >= 299)
    client.close(timeout=0.1)
    blocking.go_on.set()
    eventually(lambda: not any(thread.name.startswith("dbxsdk-bybit:") for thread in threading.enumerate()))
    stats = client.stats()
    assert stats.delivered == 1 == len(blocking.seen.of(dict))
    assert stats.delivered + stats.dropped == stats.received - len(venue.requests)


# -- what the process holds ------------------------------------------------------------------------------------------------

BIG = 4_000
"""Frames of a KiB."""


@pytest.mark.parametrize("overflow", ["block", "drop_oldest", "latest"])
def test_memory_is_bounded_by_the_queue_and_not_by_the_flood(blocking: Blocking, overflow: str) -> None:
    flooding, data = threading.Event(), b"".join(_big(number) for number in range(BIG))

    def script(peer: Peer) -> None:
        _subscribed(peer)
        assert flooding.wait(5.0)
        peer.raw.sendall(data)
        peer.answer_close()

    options = Options(queue_size=SIZE, overflow=overflow)
    with Server(script) as server, BybitPublicClient("linear", url=server.url, options=options) as client:
        client.subscribe(TOPICS[0], callback=blocking.seen, raw=True)
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            flooding.set()
            assert blocking.inside.wait(5.0)
            eventually(lambda: holding(client) if overflow == "block" else client.stats().received == BIG + 1)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # The queue, and what two reads of the network bring at most, decoded and not.
        assert peak - before < 700_000, f"{peak - before} bytes for {len(data)} bytes of flood"
        blocking.go_on.set()
        eventually(lambda: len(blocking.numbers(TOPICS[0])) + client.stats().dropped == BIG)


def _subscribed(peer: Peer) -> None:
    """The venue's side up to the acknowledgement."""
    peer.upgrade()
    request = json.loads(peer.receive()[1])["req_id"]
    peer.send(TEXT, json.dumps({"success": True, "ret_msg": "", "req_id": request, "op": "subscribe"}))


def _big(number: int) -> bytes:
    return frame(TEXT, json.dumps({"topic": TOPICS[0], "type": "snapshot", "ts": number, "data": "x" * 1000}))


def test_what_comes_together_with_the_update_whose_callback_closes_is_counted() -> None:
    subscribed = threading.Event()

    def script(peer: Peer) -> None:
        _subscribed(peer)
        assert subscribed.wait(5.0)
        peer.raw.sendall(b"".join(_big(number) for number in range(20)))
        peer.answer_close()

    with Server(script) as server:
        client = BybitPublicClient("linear", url=server.url, options=Options(dispatch="inline"))
        client.subscribe(TOPICS[0], callback=lambda _: client.close(), raw=True)
        subscribed.set()
        assert client.wait(5.0)
        eventually(lambda: not any(thread.name.startswith("dbxsdk-bybit:") for thread in threading.enumerate()))
        stats = client.stats()
    assert stats.delivered == 1 and stats.dropped > 0
    assert stats.delivered + stats.dropped == stats.received - 1, "all but the acknowledgement"


# -- who is silent ---------------------------------------------------------------------------------------------------------


class Flooding:
    """Updates of one topic all the time, inside ``with``."""

    def __init__(self, venue: BybitVenue, topic: str) -> None:
        self._venue = venue
        self._topic = topic
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="test-flood", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._over.wait(0.001):
            flood(self._venue, [number], [self._topic])
            number += 1


def test_a_topic_is_silent_whatever_floods_the_others(venue: BybitVenue, blocking: Blocking) -> None:
    blocking.go_on.set()
    with client_of(venue, blocking, overflow="drop_oldest") as client:
        client.subscribe(TOPICS[0], callback=lambda _: None, max_silence=2.0)
        client.subscribe(TOPICS[1], callback=blocking.seen, raw=True, max_silence=0.1)
        with Flooding(venue, TOPICS[0]):
            first = blocking.seen.wait_for(Silent)
            assert first.topic == TOPICS[1] and 0.1 <= first.seconds < 2.0
            threading.Event().wait(0.2)
            assert len(blocking.seen.of(Silent)) == 1, "told once"
            flood(venue, [1], [TOPICS[1]])
            blocking.seen.wait_for(Silent, 2)
        assert {event.topic for event in blocking.seen.of(Silent)} == {TOPICS[1]}
        assert not blocking.seen.of(Disconnected)


def test_a_flood_of_updates_is_no_reason_to_leave_out_a_heartbeat(venue: BybitVenue, blocking: Blocking) -> None:
    with client_of(venue, blocking, heartbeat_interval=0.2, overflow="latest") as client:
        client.subscribe(TOPICS[0], callback=lambda _: None, raw=True)
        with Flooding(venue, TOPICS[0]):
            started = time.monotonic()
            assert venue.wait_until(lambda: pings(venue) >= 3)
            assert time.monotonic() - started < 3.0


def test_answering_the_venues_pings_is_no_heartbeat() -> None:
    over, heartbeats = threading.Event(), Recorder()

    def script(peer: Peer) -> None:
        peer.upgrade()
        pinging = Background(lambda: [peer.send(PING) for _ in iter(lambda: over.wait(0.02), True)])
        while True:
            opcode, payload = peer.receive()
            if opcode == TEXT:
                heartbeats(payload)
            elif opcode == CLOSE:
                over.set()
                pinging.result()
                peer.send(CLOSE, payload)

    with Server(script) as server:
        with BybitPublicClient("linear", url=server.url, options=Options(heartbeat_interval=0.15)):
            heartbeats.wait(2, timeout=3.0)


def test_a_venue_that_says_nothing_is_given_up_however_much_it_is_asked(venue: BybitVenue, blocking: Blocking) -> None:
    with client_of(venue, blocking, heartbeat_interval=0.1, silence_timeout=0.2) as client:
        venue.go_silent()
        over = threading.Event()

        def ask() -> None:
            while not over.wait(0.01):
                client.submit("ping")

        asking = Background(ask)
        try:
            reason = blocking.seen.wait_for(Disconnected).reason
            venue.resume()
            blocking.seen.wait_for(Connected, 2)
        finally:
            over.set()
            asking.result()
        assert reason.startswith("nothing was received for")


def test_a_reader_held_by_its_queue_is_not_a_silent_venue_and_sees_that_one_dies(
    venue: BybitVenue, blocking: Blocking
) -> None:
    with client_of(venue, blocking, heartbeat_interval=0.03, silence_timeout=0.2) as client:
        client.subscribe(TOPICS[0], callback=blocking.seen, raw=True)
        flood(venue, range(2 * SIZE), TOPICS[:1])
        assert blocking.inside.wait(5.0)
        eventually(lambda: holding(client))
        made = venue.connection_count
        began = time.monotonic()
        assert venue.wait_until(lambda: pings(venue) >= 6 and time.monotonic() - began > 0.5)
        assert holding(client) and venue.connection_count == made
        venue.drop_connections()
        # Nothing leaves the queue, nobody waits for an answer, and yet:
        assert venue.wait_until(lambda: venue.connection_count == made + 1 and venue.subscriptions() == TOPICS[:1])
        blocking.go_on.set()
        flood(venue, [1000], TOPICS[:1])
        eventually(lambda: 1000 in blocking.numbers(TOPICS[0]))
        drained(client)
        assert client.stats().dropped == 0
    numbers = blocking.numbers(TOPICS[0])
    assert numbers == [*range(len(numbers) - 1), 1000] and len(numbers) > SIZE
    gap = blocking.seen.of(Gap)[-1]
    assert blocking.seen.items[blocking.seen.items.index(gap) + 1]["ts"] == 1000


def test_a_venue_that_vanished_while_the_reader_was_held_is_noticed_afterwards(venue: BybitVenue, blocking: Blocking) -> None:
    with client_of(venue, blocking, heartbeat_interval=0.1, silence_timeout=0.6) as client:
        client.subscribe(TOPICS[0], callback=blocking.seen, raw=True)
        flood(venue, range(2 * SIZE), TOPICS[:1])
        assert blocking.inside.wait(5.0)
        eventually(lambda: holding(client))
        venue.go_silent()
        blocking.go_on.set()
        # Or of a heartbeat, which was sent in the moment after.
        reason = blocking.seen.wait_for(Disconnected).reason
        assert reason.startswith("nothing was received for") or reason.startswith("a heartbeat was not answered for")
        numbers = blocking.numbers(TOPICS[0])
        assert numbers == list(range(len(numbers))) and len(numbers) > SIZE, "what it had sent before is not lost"
        venue.resume()
        blocking.seen.wait_for(Connected, 2)


def test_an_inline_callback_that_takes_its_time_is_not_a_silent_venue(venue: BybitVenue, blocking: Blocking) -> None:
    client = client_of(venue, blocking, dispatch="inline", heartbeat_interval=0.03, silence_timeout=0.2)
    with client:
        client.subscribe(TOPICS[0], callback=blocking.seen, raw=True)
        flood(venue, [0], TOPICS[:1])
        assert blocking.inside.wait(5.0)
        made = venue.connection_count
        began = time.monotonic()
        assert venue.wait_until(lambda: pings(venue) >= 6 and time.monotonic() - began > 0.5)
        assert venue.connection_count == made
        blocking.go_on.set()
        assert client.ping() < 5.0


def test_a_call_is_not_refused_by_a_dead_socket_that_the_held_reader_has_not_seen(blocking: Blocking) -> None:
    options = {**QUICK, "connect_timeout": 3.0, "request_timeout": 3.0}
    with bybit(PLAIN, "/v5/public/linear", rate=0, symbols=SYMBOLS) as scene:
        with scene.client("linear", options=options) as client:
            client.subscribe(TOPICS[0], callback=blocking.seen, raw=True)
            flood(scene.venue, range(3 * SIZE), TOPICS[:1])
            assert blocking.inside.wait(5.0)
            eventually(lambda: holding(client))
            scene.proxy.reset()
            eventually(lambda: not scene.proxy.open_connections)
            assert client.ping(timeout=3.0) < 3.0  # goes out on the next connection
            assert scene.venue.connection_count == 2
            blocking.go_on.set()


def test_a_topic_that_stopped_behind_a_slow_callback_is_silent_in_time(venue: BybitVenue, blocking: Blocking) -> None:
    over, numbers = threading.Event(), itertools.count()

    def slow(_: Any) -> None:
        flood(venue, [next(numbers)], TOPICS[:1])  # the reader always finds another, and never waits
        over.wait(0.2)

    with client_of(venue, blocking, dispatch="inline") as client:
        client.subscribe(TOPICS[1], callback=print, raw=True, max_silence=0.2)
        client.subscribe(TOPICS[0], callback=slow, raw=True)
        began = time.monotonic()
        flood(venue, [next(numbers)], TOPICS[:1])
        try:
            silent = blocking.seen.wait_for(Silent)
            assert silent.topic == TOPICS[1] and 0.2 <= silent.seconds < 1.5 and time.monotonic() - began < 1.5
        finally:
            over.set()
            client.close()  # or they go on for ever


def test_a_topic_is_not_silent_while_the_reader_stands_still(venue: BybitVenue, blocking: Blocking) -> None:
    with client_of(venue, blocking, heartbeat_interval=0.05) as client:
        client.subscribe(TOPICS[0], callback=blocking.seen, raw=True)
        client.subscribe(TOPICS[1], callback=blocking.seen, raw=True, max_silence=0.3)
        flood(venue, range(3 * SIZE), TOPICS[:1])
        assert blocking.inside.wait(5.0)
        eventually(lambda: holding(client))
        flood(venue, [7], TOPICS[1:2])  # lies unread
        began, before = time.monotonic(), pings(venue)
        assert venue.wait_until(lambda: pings(venue) >= before + 4 and time.monotonic() - began > 0.6)
        blocking.go_on.set()
        eventually(lambda: blocking.numbers(TOPICS[1]) == [7])
        assert blocking.seen.of(Silent) == []
        blocking.seen.wait_for(Silent)  # and now it is
