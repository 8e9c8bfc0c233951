"""The serving process beside what may happen to it: a later leader, a server that hangs, a line that is slow, keys of others."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import tracemalloc
from types import SimpleNamespace
from typing import Any, List

import pytest

from dbxsdk import DbxError, SubscribeError
from dbxsdk.bybit.public.protocol import BybitPublicProtocol
from dbxsdk.relay import lease, serving, term
from dbxsdk.relay.entries import EPOCH, FORMAT, FRAMES, decode, encode_document, encode_frames
from dbxsdk.relay.follower import Follower
from dbxsdk.relay.keys import Keys
from dbxsdk.relay.server import Server, check_url
from dbxsdk.relay.tap import Tap
from dbxsdk.relay.term import Term
from dbxsdk.relay.writer import Bounds, Frames, Left, Writer
from dbxsdk.runtime.log import ClientLog
from tests.relay.redis_server import RedisServer
from tests.relay.scene import TIMES, TOPIC, Scene, judge
from tests.relay.test_servers import Cutting
from tests.waiting import eventually

KEYS = Keys("test", "bybit:linear")


def test_a_standby_that_was_too_slow_waits_for_its_next_turn(
    stage: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes the lease, sleeps until another leads, and finds that one's entries."""
    begin, held, woken = Term.begin, [], threading.Event()

    def held_once(self: Term) -> None:
        if not held:
            held.append(self)
            woken.wait(10)
        begin(self)

    monkeypatch.setattr(Term, "begin", held_once)
    slow = stage.serve()
    eventually(lambda: held)
    leader = stage.serve()
    worker = stage.worker().subscribe()
    worker.saw(stage.send(3))
    woken.set()
    eventually(lambda: "another process serves" in caplog.text)
    worker.saw(stage.send(3))
    assert judge(worker.items, 1, stage.sent) == []
    leader.stop()
    judge(worker.items, 1, stage.probe(worker))
    assert slow.error is None and slow.relay.status()[0].leading


def test_a_later_epoch_that_nobody_leads_by_any_more_is_passed(stage: Scene) -> None:
    """What said so was lost, but for one topic's stream."""
    client, later = stage.server.client(), f"{2 ** 42}-0"
    client.sadd(KEYS.topics, TOPIC)
    client.xadd(KEYS.topic(TOPIC), {FORMAT: encode_document(EPOCH, 0, 1, {"previous": "0-0"})}, id=later)
    served = stage.serve()
    worker = stage.worker().subscribe()
    worker.saw(stage.send())
    assert served.error is None


@pytest.mark.parametrize("standing_by", [False, True])
def test_serving_ends_in_time_while_the_server_hangs(
    stage: Scene, monkeypatch: pytest.MonkeyPatch, standing_by: bool
) -> None:
    assert lease.ANSWER + term.LOOK + term._GOODBYE + 1 < 5 and lease.ANSWER < TIMES["lease.LEASE"]
    for module in (serving, term):
        monkeypatch.setattr(module, "ANSWER", 0.4)
    monkeypatch.setattr(term, "_GOODBYE", 0.3)
    take, looks = lease.Lease.take, []  # type: ignore[var-annotated]
    monkeypatch.setattr(lease.Lease, "take", lambda *arguments: looks.append(0) or take(*arguments))
    served = stage.serve()
    stage.worker().subscribe()
    if standing_by:
        del looks[:]
        served = stage.serve()
        eventually(lambda: len(looks) > 1)
    stage.server.pause()
    try:
        served.relay.close()
        assert served.ended(2.0) is None
    finally:
        stage.server.resume()


def test_a_server_that_hangs_does_not_end_serving(stage: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (serving, term):
        monkeypatch.setattr(module, "ANSWER", 0.2)
    monkeypatch.setattr(Server.connect, "__defaults__", (0.2,))  # the writer's patience
    served = stage.serve()
    worker = stage.worker().subscribe()
    worker.saw(stage.send(3))
    stage.server.pause()
    stage.send(3)
    eventually(lambda: [each.down for each in served.relay.status() if each.down])
    stage.server.resume()
    judge(worker.items, 1, stage.probe(worker))
    assert served.error is None


class Narrow(Cutting):
    """A line to the server that carries 300,000 bytes before it fails: a slow one in the time that there is."""

    def _carry(self, source: socket.socket, sink: socket.socket, losing: threading.Event, outward: bool) -> None:
        left = 300_000
        with contextlib.suppress(OSError):
            while left > 0 and (data := source.recv(65536)):
                sink.sendall(data[:left])
                left -= len(data) if outward else 0
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("sizes, kinds", [([20_000] * 40, "f" * 40), ([100, 2_000_000, 100], "fgf")], ids=["parts", "gap"])
def test_what_a_slow_line_does_not_carry_at_once_is_sent_in_parts_or_is_a_gap(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, sizes: List[int], kinds: str
) -> None:
    monkeypatch.setattr("dbxsdk.relay.writer._PAUSE", 0.02)
    slow = Narrow(server.port)
    to, ended = check_url(f"redis://127.0.0.1:{slow.port}"), []  # type: ignore[var-annotated]
    writer = Writer(to, KEYS, 5, Bounds(), ClientLog("test", "bybit", "x"), ended.append)
    link = to.connect()
    try:
        for number, size in enumerate(sizes):
            writer.put(Frames(TOPIC, number, 7, [(0, (b"x" * size, False))], size))
        writer.start(link, [], {})
        client: Any = server.client()
        eventually(lambda: client.xlen(KEYS.topic(TOPIC)) == len(sizes) + 1, 10)
        rows = client.xrange(KEYS.topic(TOPIC))
        entries = [decode(id_, [part for pair in fields.items() for part in pair]) for id_, fields in rows]
        assert [entry.id for entry in entries] == [(5, number) for number in range(len(sizes) + 1)]
        assert b"".join(entry.kind for entry in entries[1:]).decode() == kinds and not ended
        for entry in entries[1:]:
            assert entry.read == entry.id[1] - 1 and (entry.kind == FRAMES or entry.body["last_received_ns"] == 7)
    finally:
        writer.stop(0.5)
        link.close()
        slow.close()


def test_what_waits_counts_with_what_python_keeps_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """100,000 small entries are not more memory than the bound says."""
    monkeypatch.setattr("dbxsdk.relay.writer.QUEUE_BYTES", 1_000_000)
    writer: Any = Writer(check_url("redis://h"), KEYS, 5, Bounds(), ClientLog("test", "bybit", "x"), print)
    tap = Tap(BybitPublicProtocol("linear"), writer)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        while not writer.dropped:
            kept = tracemalloc.get_traced_memory()[0] - before
            for tap.place in range(2):
                tap.message = bytes(100), False
                tap.stage("topic")
            tap._flush()
            tap._wall_ns = time.time_ns()
        assert 500_000 < kept < 1_200_000
    finally:
        tracemalloc.stop()


def test_a_books_state_counts_with_its_length() -> None:
    queued: List[Any] = []
    tap = Tap(BybitPublicProtocol("linear"), SimpleNamespace(put=queued.append))  # type: ignore[arg-type]
    tap.join(SimpleNamespace(name="topic", whole=lambda: bytes(100_000), has_state=True))  # type: ignore[arg-type]
    assert queued[0].size > 100_000


@pytest.mark.parametrize("fixed", [None, [("publicTrade", ["NONESUCH", "BTCUSDT"])]], ids=["wanted", "fixed"])
def test_a_refused_topic_is_asked_for_again_by_workers_only(
    stage: Scene, fixed: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stage.serve(fixed)
    asked = lambda: sum("publicTrade.NONESUCH" in str(each.document) for each in stage.venue.requests)  # noqa: E731
    worker, client = stage.worker().subscribe(), stage.server.client()
    before = asked()
    assert before == (0 if fixed is None else 1)

    def looked() -> None:
        """After each beat it looks at what is wanted."""
        beats = client.xlen(KEYS.control) + 3
        eventually(lambda: client.xlen(KEYS.control) >= beats)

    for _ in range(2):
        with pytest.raises(SubscribeError, match="NONESUCH"):
            worker.client.subscribe("publicTrade", "NONESUCH", callback=print)
        looked()  # the worker may be heard twice: it calls, and says what it wants
        assert before < asked() <= before + 2
        before = asked()
        looked()
        assert asked() == before
    assert "the venue refuses publicTrade.NONESUCH" in caplog.text


@pytest.mark.parametrize("kind", ["durable", "group"])
def test_a_topic_that_was_left_is_forgotten_and_what_came_meanwhile_is_a_gap(
    stage: Scene, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(term, "LEAVE_AFTER", 0.1)
    client: Any = stage.server.client()
    client.sadd(KEYS.topics, "publicTrade.OF_AN_EARLIER_LEADER")
    stage.serve()
    key, items = KEYS.topic(TOPIC), []

    def is_kept() -> bool:
        if kind == "group":
            return bool(client.xpending(key, "name")["pending"] == 0)
        return bool(client.hget(KEYS.durable("name"), TOPIC) == client.xrevrange(key, count=1)[0][0])

    for _ in range(3):
        worker = stage.worker(**{kind: "name"}).subscribe()
        worker.saw(stage.send())
        items += worker.items
        eventually(is_kept)
        worker.client.close()
        client.delete(KEYS.wanted)
        eventually(lambda: not client.exists(KEYS.topics))
        assert client.ttl(key) > 3000, "what is there stays for a while"
        stage.sent += 1  # the venue has one that nobody gets
    assert len(judge(items, 1, stage.sent - 1)) == 2
    ids = [int(id_.partition(b"-")[2]) for id_, _ in client.xrange(key)]
    assert ids == list(range(ids[0], ids[0] + 6)), "its numbers go on"


def test_a_stream_that_was_let_go_and_is_gone_begins_behind_what_readers_know(server: RedisServer) -> None:
    to, client = check_url(server.url), server.client()
    link = to.connect()
    writer = Writer(to, KEYS, 5, Bounds(), ClientLog("test", "bybit", "x"), print)
    try:
        writer.start(link, [], {})
        for read in (1, 2, 3):
            writer.put(Frames("topic", read, 7, [(0, (b"{}", False))], 1))
        writer.put(Left("topic", 4, 7))
        eventually(lambda: writer.written == 4)
        client.delete(KEYS.topic("topic"))
        writer.put(Frames("topic", 5, 7, [(0, (b"{}", False))], 1))
        eventually(lambda: writer.written == 5)
        assert [id_ for id_, _ in client.xrange(KEYS.topic("topic"))] == [b"5-4", b"5-5"]
    finally:
        writer.stop(1.0)
        link.close()


@pytest.mark.parametrize("what", ["readers", "wanted", "calls", "topics", "epoch", "serving", "control", "topic"])
def test_a_key_that_holds_another_programs_data_is_named(stage: Scene, what: str) -> None:
    client, key = stage.server.client(), KEYS.topic(TOPIC) if what == "topic" else getattr(KEYS, what)
    if what == "epoch":
        client.set(key, "not a number")
    elif what == "serving":
        client.set(key, "not an object")
        client.set(KEYS.lease, "another's", px=5000)
    else:
        client.set(key, "x")
    served = stage.serve(None if what == "wanted" else [("publicTrade", ["BTCUSDT"])])
    if what == "topic":
        eventually(lambda: served.relay.status() and served.relay.status()[0].topics)
        stage.send()
    error = served.ended()
    assert isinstance(error, DbxError) and repr(key) in str(error) and "another prefix" in str(error)


def test_what_is_read_at_once_is_bounded_in_bytes(server: RedisServer) -> None:
    """A worker that is behind reads large entries by the megabyte, and small ones by hundreds."""
    client, follower = server.client(), Follower(check_url(server.url), KEYS)
    follower.connect()
    try:
        follower.follow(TOPIC).position = position = (5, 0)
        for number in range(1, 2001):
            frames = encode_frames(number, 7, [(0, (bytes(200_000 if number <= 40 else 100), False))])
            client.xadd(KEYS.topic(TOPIC), {FORMAT: frames}, id=f"5-{number}")
        counts = []
        while position != (5, 2000):
            steps = follower.read()
            assert [entry.id[1] for _, entry in steps] == list(range(position[1] + 1, position[1] + 1 + len(steps)))
            counts.append(len(steps))
            follower.topics[TOPIC].position = position = steps[-1][1].id
        assert counts[0] == 16 and max(counts[1:5]) <= 5 and max(counts) == 512 and len(counts) < 25, counts
    finally:
        follower.drop_link()
