"""Parts of a relay, each alone: what fences a writer off, what a reader has had, what a late book may begin with."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, List

import pytest

from dbxsdk.bybit.public.protocol import BybitPublicProtocol
from dbxsdk.relay.connector import RelayConnection, RelayConnector
from dbxsdk.relay.delivery import Delivery
from dbxsdk.relay.entries import CONTROL, FORMAT, FRAMES, GAP, UNREADABLE, Entry, decode, encode_document, encode_frames
from dbxsdk.relay.follower import Followed
from dbxsdk.relay.keys import Keys
from dbxsdk.relay.server import check_url
from dbxsdk.relay.tap import RelayedTopic
from dbxsdk.relay.writer import Bounds, Fenced, Happened, Writer
from dbxsdk.runtime.clock import monotonic, wall_ns
from dbxsdk.runtime.log import ClientLog
from tests.relay.redis_server import RedisServer
from tests.waiting import eventually

KEYS = Keys("test", "bybit:linear")


def test_a_writer_ends_once_a_later_leader_has_written(server: RedisServer) -> None:
    to, ended = check_url(server.url), []  # type: ignore[var-annotated]
    writer = Writer(to, KEYS, 5, Bounds(), ClientLog("test", "bybit", "bybit:linear"), ended.append)
    link = to.connect()
    try:
        writer.start(link, [], {})
        writer.put(Happened(1, 1, {"kind": "beat"}))
        eventually(lambda: writer.written == 1)
        server.client().xadd(KEYS.control, {FORMAT: encode_document(CONTROL, 0, 2, {"kind": "lead"})}, id="6-0")
        assert ended == []
        writer.put(Happened(2, 3, {"kind": "beat"}))
        eventually(lambda: ended)
        assert isinstance(ended[0], Fenced) and len(server.client().xrange(KEYS.control)) == 3
    finally:
        writer.stop(1.0)
        link.close()


def test_what_is_too_old_goes_and_what_may_be_wanted_still_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("dbxsdk.relay.writer.monotonic", lambda: now)
    writer: Any = Writer(check_url("redis://h"), KEYS, 5, Bounds(seconds=7200), ClientLog("test", "bybit", "x"), print)
    sent: List[Any] = []
    writer._link, writer._send, writer._numbers = object(), sent.extend, {"key": 0}
    while now < 7250:
        writer._numbers["key"] += 1
        writer._trim()
        now += 5.0
    assert ("EXPIRE", "key", 7200) in sent and ("EXPIRE", KEYS.topics, 7200) in sent, "as long as its entries are kept"
    assert [each for each in sent if each[0] == "XTRIM"] == [("XTRIM", "key", "MINID", "~", "5-1")], "the first, after two hours"
    assert len(writer._marks) <= 101, "and that costs no more than a hundred marks"


def test_a_frame_of_several_topics_is_delivered_once_whenever_its_entries_come() -> None:
    had: List[Any] = []
    receiver: Any = SimpleNamespace(messages=had.append, tick=lambda: None)
    delivery = Delivery(RelayConnector(check_url("redis://127.0.0.1:1"), KEYS, None, None), receiver)
    followed = Followed("topic", b"key")
    one, both, other = ((text, False) for text in (b"one", b"both", b"other"))
    delivery.collect(followed, Entry((1, 1), FRAMES, 7, 0, [(0, one), (1, both)]))
    delivery.flush()
    delivery.collect(followed, Entry((1, 4), FRAMES, 7, 0, [(1, both), (2, other)]))  # of the other topic's stream
    delivery.flush()
    delivery.collect(followed, Entry((1, 2), FRAMES, 8, 0, [(1, both)]))  # the next read of the network has a first frame, too
    delivery.flush()
    assert had == [[one, both], [other], [both]]


@pytest.mark.parametrize("is_stale", [False, True])
def test_a_book_that_cannot_be_trusted_is_nothing_to_begin_with(is_stale: bool) -> None:
    snapshot = SimpleNamespace(bids=((Decimal(1), Decimal(2)),), asks=(), is_stale=is_stale)
    rule = SimpleNamespace(whole=lambda document, bids, asks: {**document, "b": bids, "a": asks})
    feed: Any = SimpleNamespace(state=SimpleNamespace(snapshot=lambda: snapshot), rule=rule)
    tap: Any = SimpleNamespace(message=(b'{"u":1}', False), stage=lambda name: None)
    topic = RelayedTopic(tap, BybitPublicProtocol("linear"), "orderbook.50.BTCUSDT", feed, False)
    assert topic.whole() is None, "nothing has come"
    topic.note()
    assert topic.whole() == (None if is_stale else b'{"u":1,"b":[["1","2"]],"a":[]}')


def test_what_was_delivered_was_received() -> None:
    receiver: Any = SimpleNamespace(messages=lambda messages: None, tick=lambda: None)
    connection = RelayConnection(RelayConnector(check_url("redis://127.0.0.1:1"), KEYS, None, None), receiver)
    followed = Followed("topic", b"key", position=(1, 0), settled=True)
    assert connection.last_received is None
    began = monotonic()
    connection._take([(followed, Entry((1, 1), FRAMES, 7, 0, [(0, (b"{}", False))]))])
    assert connection.last_received is not None and connection.last_received >= began


def test_a_hole_begins_with_the_last_entry_of_its_topic_whatever_was_heard_since() -> None:
    holes: List[Any] = []
    receiver: Any = SimpleNamespace(interrupted=lambda names, hole, reason: holes.append(hole))
    connection: Any = RelayConnection(RelayConnector(check_url("redis://127.0.0.1:1"), KEYS, None, None), receiver)
    connection._wants, connection.last_received, now_ns = SimpleNamespace(call=print), monotonic(), wall_ns()
    followed = Followed("topic", b"key", position=(1, 0), settled=True, wall_ns=now_ns - 4 * 10**9)
    connection._take([(followed, Entry((1, 5), FRAMES, 7, now_ns - 10**9, []))])
    hole, = holes
    assert hole.last_received_ns == followed.wall_ns and 4 <= monotonic() - hole.since < 5


def test_only_what_is_large_and_has_been_written_is_given_up_for_a_slow_line() -> None:
    writer: Any = Writer(check_url("redis://h"), KEYS, 5, Bounds(), ClientLog("test", "bybit", "x"), print)
    large = encode_frames(7, 1, [(0, (bytes(20_000), False))])
    others = [("EXPIRE", "key", 3600), ("SREM", "key", "topic" * 10_000), ("XADD", "key", "5-1", FORMAT, large[:100])]
    commands = deque([*others, ("XADD", "key", "5-2", FORMAT, large), ("SET", "key", large, "EX", 60)])
    for each in others:
        writer._shorten(commands)
        assert commands.popleft() == each
    writer._shorten(commands)
    assert decode(b"5-2", commands.popleft()[-2:]).kind == GAP
    writer._shorten(commands)
    assert not commands, "a state is left out"


def test_a_state_with_an_entry_that_cannot_be_read_goes_on_behind_it() -> None:
    receiver: Any = SimpleNamespace(interrupted=lambda *_: None, settled=lambda *_: None)
    connection: Any = RelayConnection(RelayConnector(check_url("redis://127.0.0.1:1"), KEYS, None, None), receiver)
    connection._wants, connection._open = SimpleNamespace(call=print), True
    followed = connection._follower.follow("topic")
    followed.position, followed.settled, followed.state = (1, 3), True, True
    connection._take([(followed, Entry((1, 4), UNREADABLE, 7, 0, "why"))])
    assert followed.position is None
    connection._join("topic", {"at": "1-3", "state": True}, Entry((1, 9), CONTROL, 8, wall_ns(), {}))
    assert followed.position == (1, 4) and followed.settled
