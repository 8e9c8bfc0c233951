"""Entries, keys and addresses: pure, without a server."""

from __future__ import annotations

from typing import Any, List, Tuple

import pytest

import dbxsdk
from dbxsdk import ProtocolError, Relay
from dbxsdk.relay.entries import (
    CONTROL,
    EPOCH,
    FORMAT,
    FRAMES,
    GAP,
    Entry,
    decode,
    encode_document,
    encode_frames,
    follows,
    in_order,
    parse_id,
    text_id,
)
from dbxsdk.relay.keys import Keys, kind_of
from dbxsdk.relay.server import RelayDown, check_url, described, packed


def entry(number: int, read: int, kind: bytes = FRAMES, epoch: int = 1, body: Any = None) -> Entry:
    return Entry((epoch, number), kind, read, 0, [] if body is None else body)


@pytest.mark.parametrize("frames", [
    [(0, (b"{}", False))],
    [(3, (b"", True)), (7, (b"\x00\xff" * 100, True)), (8, ("é".encode(), False))],
    [],
], ids=["one", "several", "none"])
def test_frames_there_and_back(frames: List[Tuple[int, Tuple[bytes, bool]]]) -> None:
    found = decode(b"5-6", [FORMAT, encode_frames(9, 10**18, frames)])
    assert (found.id, found.kind, found.read, found.wall_ns, found.body, found.at) == ((5, 6), FRAMES, 9, 10**18, frames, (5, 9))


def test_documents_there_and_back() -> None:
    found = decode(b"5-0", [FORMAT, encode_document(CONTROL, 1, 2, {"kind": "beat", "up": True})])
    assert found.kind == CONTROL and found.body == {"kind": "beat", "up": True}


@pytest.mark.parametrize("id_, fields, says", [
    (b"1-1", [b"2", encode_frames(1, 1, [])], "another|update the older"),
    (b"1-1", [FORMAT, b""], "not an entry"),
    (b"1-1", [FORMAT], "not an entry"),
    (b"1-1", None, "not an entry"),
    (b"x", [FORMAT, encode_frames(1, 1, [])], "not an entry"),
    (b"1-1", [FORMAT, encode_frames(1, 1, [(0, (b"abc", False))])[:-1]], "not an entry"),
    (b"1-1", [FORMAT, encode_document(GAP, 1, 1, {})[:-1]], "JSON"),
], ids=["later format", "empty", "no value", "no fields", "no id", "cut frames", "cut document"])
def test_what_cannot_be_read_is_said_to_be(id_: bytes, fields: Any, says: str) -> None:
    with pytest.raises(ProtocolError, match=says):
        decode(id_, fields)


@pytest.mark.parametrize("last, found, whole", [
    ((1, 4), entry(5, 9), True),
    ((1, 4), entry(6, 9), False),
    ((1, 4), entry(1, 9, epoch=2), False),
    ((1, 4), entry(0, 0, EPOCH, 2, {"previous": "1-4"}), True),
    ((1, 4), entry(0, 0, EPOCH, 2, {"previous": "1-5"}), False),
    ((1, 4), entry(0, 0, EPOCH, 2, {}), False),
], ids=["next", "one is missing", "no first entry", "next epoch", "the end of the last epoch is missing", "not said"])
def test_what_follows(last: Tuple[int, int], found: Entry, whole: bool) -> None:
    assert follows(last, found) is whole


def test_streams_are_put_in_the_order_in_which_things_happened() -> None:
    first, second = [entry(1, 1), entry(2, 4)], [entry(1, 2), entry(2, 3), entry(3, 6)]
    assert [each.read for each in in_order([(first, False), (second, False)])] == [1, 2, 3, 4, 6]


def test_what_may_come_before_it_is_waited_for() -> None:
    first, second = [entry(1, 1), entry(2, 4)], [entry(1, 2), entry(2, 3), entry(3, 6)]
    assert [each.read for each in in_order([(first, True), (second, False)])] == [1, 2, 3, 4]
    assert [each.read for each in in_order([(first, True), (second, True)])] == [1, 2, 3, 4]
    assert in_order([]) == []


def test_a_gap_comes_before_the_updates_of_its_read_and_an_older_epoch_before_all() -> None:
    gap, frames, old = entry(1, 5, GAP), entry(7, 5), entry(9, 99, epoch=0)
    assert in_order([([frames], False), ([gap], False), ([old], False)]) == [old, gap, frames]


def test_ids() -> None:
    assert parse_id(text_id((12, 34))) == parse_id(b"12-34") == (12, 34)
    assert parse_id("x-1") is parse_id(None) is parse_id("") is None


def test_commands_are_packed_as_the_server_reads_them() -> None:
    assert packed(("SET", b"k", "é", 12)) == b"*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\xc3\xa9\r\n$2\r\n12\r\n"


def test_an_answer_after_which_redis_py_has_closed_the_connection_counts_as_its_end() -> None:
    import redis

    loading, full = described(redis.exceptions.BusyLoadingError("LOADING"), "here"), described(
        redis.exceptions.OutOfMemoryError("OOM command not allowed"), "here"
    )
    assert isinstance(loading, RelayDown) and not loading.answered  # type: ignore[attr-defined]
    assert isinstance(full, RelayDown) and full.answered  # type: ignore[attr-defined]


def test_every_key_begins_with_the_prefix_and_a_stream_names_client_and_topic() -> None:
    keys = Keys("shop", "bybit:linear")
    every = [keys.topic("t"), keys.whole("t"), keys.durable("d"), keys.control, keys.lease, keys.epoch, keys.serving,
             keys.topics, keys.wanted, keys.calls]
    assert all(key.startswith("shop:bybit:linear:") for key in every) and len(set(every)) == len(every)
    assert keys.topic("publicTrade.BTCUSDT").endswith("topic:publicTrade.BTCUSDT")


@pytest.mark.parametrize("name, kind", [
    ("bybit:linear", "BybitPublicClient"), ("bybit:option", "BybitPublicClient"), ("bybit:private", "BybitPrivateClient"),
    ("digifinex", "DigiFinexClient"), ("digifinex:swap", "DigiFinexSwapClient"), ("cryptomus", "CryptomusClient"),
    ("dbot:data", "DBotDataClient"), ("dbot:trade", "DBotTradeClient"),
])
def test_every_client_with_topics_has_a_name(name: str, kind: str) -> None:
    client = Relay("redis://localhost").client(name)
    assert type(client) is getattr(dbxsdk, kind) and client.name == name
    assert kind_of(name)[0] is type(client)


@pytest.mark.parametrize("name, says", [
    ("bybit:linaer", "did you mean 'bybit:linear'"), ("bybit:trade", "must be one of"), ("nasdaq", "must be one of"),
    ("", "name"),
])
def test_names_that_cannot_be(name: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Relay("redis://localhost").client(name)


@pytest.mark.parametrize("url", [
    "", "localhost", "http://localhost", "redis://", "redis://:secret-word@", "redis://host:port", "redis://host:6379/zero",
    "redis+sentinel://host:26379", "redis+sentinel:///service", "unix://", " redis://host",
])
def test_urls_that_cannot_be(url: str) -> None:
    with pytest.raises(ValueError, match="url") as raised:
        Relay(url)
    assert "secret-word" not in str(raised.value)


@pytest.mark.parametrize("url, host, port", [
    ("redis://localhost", "localhost", 6379), ("rediss://user:word@host:1234/5", "host", 1234), ("redis://[::1]:7/0", "::1", 7),
    ("unix:///run/redis.sock?db=1", "/run/redis.sock", 0), ("redis+sentinel://a:1,b:2/main/3", "sentinel a", 1),
])
def test_urls(url: str, host: str, port: int) -> None:
    server = check_url(url)
    assert (server.host, server.port) == (host, port) and "word" not in repr(server)


@pytest.mark.parametrize("arguments, says", [
    ({"url": 5}, "url"), ({"url": "redis://h", "prefix": ""}, "prefix"), ({"url": "redis://h", "prefix": "a b"}, "prefix"),
    ({"url": "redis://h", "prefix": "x" * 65}, "prefix"), ({"url": "redis://h", "prefix": "a\n"}, "prefix"),
    ({"url": "redis://h", "prefix": None}, "prefix"), ({"url": "redis://h", "keep_entries": 0}, "keep_entries"),
    ({"url": "redis://h", "keep_seconds": -1}, "keep_seconds"),
])
def test_arguments_that_cannot_be(arguments: Any, says: str) -> None:
    with pytest.raises((ValueError, TypeError), match=says):
        Relay(**arguments)


@pytest.mark.parametrize("arguments, says", [
    ({"durable": ""}, "durable"), ({"durable": 5}, "durable"), ({"group": "a b"}, "group"), ({"options": 5}, "options"),
])
def test_arguments_of_a_client_that_cannot_be(arguments: Any, says: str) -> None:
    with pytest.raises((ValueError, TypeError), match=says):
        Relay("redis://localhost").client("bybit:linear", **arguments)


def test_what_cannot_be_served() -> None:
    relay = Relay("redis://localhost")
    for client, topics, says in (
        (5, None, "client"),
        (dbxsdk.BybitTradeClient("key", "secret"), None, "nothing to relay"),
        (dbxsdk.BybitPublicClient("linear"), 5, "topics"),
        (dbxsdk.BybitPublicClient("linear"), "publicTrade", "topics"),
        (dbxsdk.BybitPublicClient("linear"), [("nonesuch", "BTCUSDT")], "channel"),
        (dbxsdk.BybitPublicClient("linear"), [("publicTrade", [])], "symbols"),
    ):
        with pytest.raises((ValueError, TypeError), match=says):
            relay.serve(client, topics)  # type: ignore[arg-type]


def test_nothing_secret_is_shown() -> None:
    relay = Relay("redis://user:secret-word@localhost")
    assert "secret-word" not in repr(relay) + repr(vars(relay)) + repr(relay.client("bybit:linear"))


def test_without_redis_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ImportError, match=r"pip install \"dbxsdk\[redis\]\""):
        Relay("redis://localhost")
