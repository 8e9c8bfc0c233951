"""The guide's "Adding a venue", followed for an invented one: its three rings of tests, as that section asks for them."""

from __future__ import annotations

import json
import threading
from decimal import Decimal
from typing import Any, Iterator, List

import pytest

import dbxsdk
from dbxsdk.protocol import Push, Reply, Request
from dbxsdk.recording import read
from tests.fifth_venue import AtollClient, Book, Fill, Trade
from tests.fifth_venue.book import AtollBookRule
from tests.fifth_venue.local import AtollVenue
from tests.fifth_venue.protocol import AtollProtocol
from tests.fuzz import test_receive
from tests.fuzz.documents import ID, KEY, SECRET, Socket
from tests.waiting import Recorder, eventually

QUICK = dbxsdk.Options(backoff_initial=0.01, backoff_max=0.05)


@pytest.fixture
def venue() -> Iterator[AtollVenue]:
    with AtollVenue(rate=0) as served:
        yield served
        assert served.handler_errors == 0
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("dbxsdk-")] == []


# -- first ring: the protocol alone ------------------------------------------------------------------


def received(document: Any) -> Any:
    (only,) = AtollProtocol().receive(json.dumps(document).encode(), False)
    return only


def test_a_request_and_its_answers() -> None:
    protocol = AtollProtocol()
    request = protocol.request("time", None)
    assert json.loads(request.frame) == {"id": request.key, "do": "time", "with": {}}
    reply = received({"id": request.key, "ok": True, "result": 5})
    assert isinstance(reply, Reply) and protocol.conclude(request, reply) == 5
    with pytest.raises(dbxsdk.VenueError) as raised:
        protocol.conclude(request, received({"id": 1, "ok": False, "code": "busy", "text": "later"}))
    assert (raised.value.code, raised.value.message) == ("busy", "later")


def test_an_update_is_read() -> None:
    push = received({"topic": "trades:A-B", "at": 7, "rows": [{"no": 1, "px": "1.5", "qty": 2, "way": "buy"}]})
    assert isinstance(push, Push)
    assert (push.channel, push.symbol, push.venue_time_ms) == ("trades", "A-B", 7)
    assert push.read(push.payload) == (Trade(1, Decimal("1.5"), Decimal(2), "buy"),)


@pytest.mark.parametrize(
    "frame", [b"", b"[]", b"{}", b'{"id":"1"}', b'{"topic":"x:y"}', b'{"topic":1}', b'{"topic":"book:A","at":"1"}']
)
def test_what_cannot_be_read_is_a_protocol_error(frame: bytes) -> None:
    with pytest.raises(dbxsdk.ProtocolError):
        AtollProtocol().receive(frame, False)


def test_a_refusal_names_its_topics() -> None:
    protocol = AtollProtocol()
    (request,) = protocol.subscribe(["trades:A", "trades:B"], ())
    some = protocol.acknowledge(request, received({"id": 1, "ok": False, "code": "no", "text": "", "topics": ["trades:B"]}))
    assert (some.accepted, tuple(some.refused)) == (("trades:A",), ("trades:B",))
    for odd in ({"ok": False}, {"ok": False, "topics": 5}, {"ok": False, "topics": ["x"]}, {}):
        none = protocol.acknowledge(request, received({"id": 1, **odd}))
        assert (none.accepted, tuple(none.refused)) == ((), request.topics)


@pytest.mark.parametrize("channel, symbols", [("candles", ["A"]), ("trades", []), ("fills", [])])
def test_wrong_arguments_are_named(channel: str, symbols: List[str]) -> None:
    with pytest.raises(ValueError, match="channel|symbols"):
        AtollProtocol().topics(channel, symbols)


# -- second ring: the client on the local venue ------------------------------------------------------


def test_requests(venue: AtollVenue) -> None:
    fills = Recorder()
    with venue.client() as client:
        assert client.server_time() > 1_600_000_000_000
        assert 0 < client.ping() < 5
        client.subscribe("fills", callback=fills)
        order_id = client.buy("SHELL-USD", "0.5")
        (update,) = fills.wait()
        assert update.data == (Fill(order_id, Decimal(10), Decimal("0.5")),)
        with pytest.raises(dbxsdk.VenueError, match="no_such_request"):
            client.call("dance")


def test_a_wrong_key_is_final_and_in_no_text(venue: AtollVenue) -> None:
    client = venue.client(api_key=venue.api_key, api_secret="wrong-secret")
    with pytest.raises(dbxsdk.AuthError) as raised:
        client.open()
    assert client.state == "failed"
    assert "wrong-secret" not in f"{raised.value!r} {client!r}" and venue.api_key not in str(raised.value)
    client.close()


def test_updates_a_refusal_a_reconnect_and_the_gap(venue: AtollVenue) -> None:
    happened = Recorder()
    with venue.client(api_key=None, options=QUICK) as client:
        client.on_event(happened)
        with pytest.raises(dbxsdk.SubscribeError) as raised:
            client.subscribe("trades", ["SHELL-USD", "NO-SUCH"], callback=happened)
        assert raised.value.topics == ("trades:NO-SUCH",)
        venue.step()
        (trade,) = happened.wait_for(dbxsdk.Update).data
        assert (trade.number, trade.price, trade.side) == (1, Decimal("9.75"), "buy")
        venue.drop_connections()
        gap = happened.wait_for(dbxsdk.Gap)
        assert gap.topics == ("trades:SHELL-USD",)
        venue.step()
        assert happened.wait_for(dbxsdk.Update, 2).data[0].number == 2
        kinds = [type(each) for each in happened.items]
        assert kinds.index(dbxsdk.Gap) < len(kinds) - 1 - kinds[::-1].index(dbxsdk.Update)
        client.unsubscribe("trades")
        assert venue.wait_until(lambda: venue.subscriptions() == ())


def test_the_book_follows_the_venue_and_notices_a_lost_update(venue: AtollVenue) -> None:
    with venue.client(options=QUICK) as client:
        book = client.order_book("SHELL-USD")
        assert book.wait_ready(5)
        venue.step(3)
        eventually(lambda: book.update_id == 3)
        assert book.bids() == [(Decimal(price), Decimal(size)) for price, size in venue.book()["bids"]]
        venue.go_silent()
        venue.step()  # its update is never sent
        venue.resume()
        venue.step()
        eventually(lambda: book.stats().gaps == 1 and not book.is_stale)
        assert book.bids() == [(Decimal(price), Decimal(size)) for price, size in venue.book()["bids"]]
        version = book.snapshot().version
        venue.drop_connections()
        eventually(lambda: book.snapshot().version > version and not book.is_stale)
        assert book.asks() == [(Decimal(price), Decimal(size)) for price, size in venue.book()["asks"]]


# -- third ring: what every venue must survive -------------------------------------------------------


def sent_by_the_venue() -> List[Any]:
    row = {"no": 1, "px": "1.5", "qty": "2", "way": "buy"}
    book = {"topic": "book:A-B", "at": 7, "no": 1, "bids": [["1", "2"]], "asks": [["3", "4"]]}
    return [
        {"topic": "trades:A-B", "at": 7, "rows": [row]},
        {**book, "whole": True},
        {**book, "no": 2},
        {"topic": "fills", "rows": [{"order": "1", "px": "1", "qty": "2", "fee": ""}]},
        {"id": ID, "ok": True, "result": "pong"},
        {"id": ID, "ok": False, "code": "no_such_topic", "text": "no", "topics": ["book:A-B"]},
    ]


def test_wrong_frames() -> None:
    channels = [("trades", ["A-B"]), ("book", ["A-B"]), ("fills", [])]
    rules = (AtollBookRule(),)
    atoll = Socket("atoll", lambda: AtollProtocol(KEY, SECRET), sent_by_the_venue(), channels, login_and_ping, rules)
    test_receive.test_the_documented_frames_are_read(atoll)
    test_receive.test_wrong_frames(atoll)


def login_and_ping(protocol: Any) -> List[Request]:
    return [*protocol.login(0), protocol.heartbeat()]


def test_rubbish_ends_nothing(venue: AtollVenue) -> None:
    happened = Recorder()
    with venue.client() as client:
        client.on_event(happened)
        client.subscribe("book", "PEARL-USD", callback=happened)
        for rubbish in ("{", b"\x00", {"topic": "nothing"}, {"topic": "book:PEARL-USD", "bids": [[]]}, {"id": 999}):
            venue.send_frame(rubbish)
        assert len({each.error.args[0] for each in (happened.wait_for(dbxsdk.BadFrame, n) for n in (1, 2, 3, 4))}) >= 3
        venue.step()
        assert isinstance(happened.wait_for(dbxsdk.Update, 2).data, Book)


def test_an_answer_that_is_lost_is_an_unknown_outcome(venue: AtollVenue) -> None:
    with venue.client(options=QUICK) as client:
        venue.delay(5)
        future = client.submit("order", {"symbol": "SHELL-USD", "way": "buy", "qty": "1"})
        assert venue.wait_until(lambda: any(frame.document["do"] == "order" for frame in venue.requests))
        venue.drop_connections()
        with pytest.raises(dbxsdk.OutcomeUnknown):
            future.result(5)


def test_a_recording_holds_no_secret_and_brings_the_same_again(
    venue: AtollVenue, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lived, again = Recorder(), Recorder()
    with dbxsdk.Recorder(tmp_path) as recorder:
        with venue.client(options=dbxsdk.Options(recorder=recorder)) as client:
            client.subscribe("trades", "SHELL-USD", callback=lived)
            venue.step(5)
            lived.wait(5)
    said = "".join(repr(record) for record in read(tmp_path))
    assert "trades:SHELL-USD" in said and venue.api_key not in said and venue.api_secret not in said
    # Step 5 of the section: its name in dbxsdk.
    monkeypatch.setattr(dbxsdk, "AtollClient", AtollClient, raising=False)
    monkeypatch.setattr(dbxsdk, "__all__", [*dbxsdk.__all__, "AtollClient"])
    with dbxsdk.replay(tmp_path, speed=None) as replay:
        replay.client("atoll").subscribe("trades", "SHELL-USD", callback=again)
        replay.run()
    assert again.items == lived.items


def test_it_imports_the_core_and_itself_alone() -> None:
    import ast
    import pathlib

    import tests.fifth_venue

    core = ("arguments", "book", "client", "codec", "errors", "fields", "models", "options", "protocol")
    for path in pathlib.Path(tests.fifth_venue.__file__).parent.glob("*.py"):
        names = [node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        allowed = tuple(f"dbxsdk.{each}" for each in (*core, *(["sim"] if path.stem == "local" else []))) + ("tests.fifth_venue",)
        ours = [name for name in names if name and name.split(".")[0] in ("dbxsdk", "tests")]
        assert [name for name in ours if name != "dbxsdk" and not name.startswith(allowed)] == []
        if path.stem in ("protocol", "models", "book"):
            assert not {"time", "threading", "socket", "random"} & set(names)
