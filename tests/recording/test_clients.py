"""Clients with a recorder: what it is told, in which order, and that a recorder in trouble costs the client nothing."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any, Dict, List, Optional, Sequence, Tuple

import pytest

import dbxsdk
from dbxsdk.bybit.auth import Credentials
from dbxsdk.bybit.private.protocol import BybitPrivateProtocol
from dbxsdk.bybit.public.protocol import BybitPublicProtocol
from dbxsdk.bybit.trade.protocol import BybitTradeProtocol
from dbxsdk.digifinex.protocol import DigiFinexProtocol
from dbxsdk.credentials import SecretText
from dbxsdk.recording import Frame, Lost, Opened, RecordedConnection, read
from dbxsdk.sim import DigiFinexVenue
from dbxsdk.transport import Connection, NotSent, parse_url
from tests.connections import noted
from tests.recording.recordings import run
from tests.session.fake import Network, fast
from tests.waiting import Recorder, eventually


class Notes:
    """A recorder that notes what it is told, as tuples of its methods' names and arguments."""

    def __init__(self, notes: Optional[List[Any]] = None) -> None:
        self.notes: List[Any] = [] if notes is None else notes

    def connection(self, **about: Any) -> "Notes":
        self.notes.append(("connection", about))
        return self

    def received(self, payloads: Sequence[Tuple[bytes, bool]], wall_ns: int, monotonic_ns: int) -> None:
        self.notes.append(("received", [payload for payload, _ in payloads], wall_ns, monotonic_ns))

    def sent(self, text: str, *, secret: bool = False) -> int:
        self.notes.append(("sent", text, secret))
        return len(self.notes)

    def not_sent(self, number: int) -> None:
        self.notes.append(("not_sent", number))

    def control(self, *frame: Any) -> None:
        self.notes.append(("control", *frame))

    def closed(self, *ending: Any) -> None:
        self.notes.append(("closed", *ending))

    def of(self, name: str) -> List[Any]:
        return [note for note in list(self.notes) if note[0] == name]


@pytest.mark.parametrize("wrong", [object(), "recording.gz", 5, True, dbxsdk.Recorder])
def test_only_a_recorder_will_do(wrong: Any) -> None:
    with pytest.raises(TypeError, match="recorder must be a Recorder"):
        dbxsdk.Options(recorder=wrong)


def test_what_a_session_tells() -> None:
    others: List[Any] = []
    Network().client(recorder=Notes(others)).close()
    with Network().client(recorder=Notes(others)):
        pass
    notes: List[Any] = []
    network = Network()
    client = network.client(recorder=Notes(notes))
    client.on_event(lambda event: notes.append(("event", event)))
    client.subscribe("a", "x", callback=lambda update: notes.append(("callback", update)))
    about = notes[0][1]
    assert notes[0][0] == "connection" and about["venue"] == "fake" and about["endpoint"] == network.url
    assert about["owner"] is not None and about["on_error"] is not None
    assert about["owner"] is not others[0][1]["owner"], "each client is one"
    network.now.push({"topic": "a.x", "n": 1}).wait(5)
    update = eventually(lambda: [note for note in notes if note[0] == "callback"])[0][1]
    told = [note for note in notes if note[0] == "received" and b"topic" in note[1][0]]
    assert told[0][2] == update.received_ns, "the recorded time is the one that users get"
    assert notes.index(told[0]) < notes.index(("callback", update))
    network.now.end("it broke", 1006)
    network.connection(2)
    eventually(lambda: [note for note in notes if note[0] == "event"][2:])
    client.close()
    events = [note[1] for note in notes if note[0] == "event"]
    gone = [event for event in events if isinstance(event, dbxsdk.Disconnected)]
    assert [note[1:4] for note in notes if note[0] == "closed"] == [(e.reason, e.code, e.retry_in) for e in gone]
    assert [event.reason for event in gone] == ["it broke", "closed"] and gone[0].retry_in is not None
    opened = [note[1] for note in notes if note[0] == "connection"]
    assert len(opened) == 2 and opened[0]["owner"] is opened[1]["owner"]


def test_a_recorder_that_cannot_begin_is_told_and_costs_nothing() -> None:
    class Broken:
        def connection(self, **_: Any) -> Any:
            raise OSError("no room")

    network, events = Network(), Recorder()
    client = network.client(recorder=Broken())
    client.on_event(events)
    with client:
        assert client.call("ask", [1]) == [1]
        failed = events.wait_for(dbxsdk.RecordingFailed)
        assert str(failed.error) == "no room" and failed.lost == 0


def test_a_recorder_that_fails_on_the_way_is_told_once_and_costs_no_update() -> None:
    class Breaks(Notes):
        def received(self, *_: Any) -> None:
            raise OSError("no room")

    network, events, updates = Network(), Recorder(), Recorder()
    client = network.client(recorder=Breaks())
    client.on_event(events)
    with client:
        client.subscribe("a", "x", callback=updates)
        network.now.push({"topic": "a.x", "n": 1}, {"topic": "a.x", "n": 2})
        assert [update.data for update in updates.wait(2)] == [1, 2]
        assert str(events.wait_for(dbxsdk.RecordingFailed).error) == "no room"
        assert client.call("ask", [1]) == [1] and len(network.connections) == 1
    assert len(events.of(dbxsdk.RecordingFailed)) == 1


class Raising(Notes):
    def __init__(self, failing: str) -> None:
        super().__init__()
        self._failing = failing

    def __getattribute__(self, name: str) -> Any:
        if name == object.__getattribute__(self, "__dict__").get("_failing"):
            self.notes.append(("raised",))
            raise OSError("no room")
        return super().__getattribute__(name)


@pytest.mark.parametrize("failing", ["received", "sent", "control", "closed"])
def test_a_recorder_of_the_users_that_raises_costs_the_recording_only(
    failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    events, recorder, network = Recorder(), Raising(failing), noted(monkeypatch)
    with DigiFinexVenue(rate=0) as venue:
        client = venue.client(options=dbxsdk.Options(recorder=recorder))
        client.on_event(events)
        with client:
            assert client.server_time() is not None and client.ping() > 0
            assert network.now.offer("hello", ping=True)
            assert client.server_time() is not None and client.stats().reconnects == 0
    assert str(events.wait_for(dbxsdk.RecordingFailed).error) == "no room"
    assert len(events.of(dbxsdk.RecordingFailed)) == 1 and len(events.of(dbxsdk.Disconnected)) == 1
    assert recorder.notes[-1] == ("raised",), "it is dropped then"


def test_what_a_connection_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    notes, network = Notes(), noted(monkeypatch)
    with DigiFinexVenue(rate=0) as venue, venue.client(options=dbxsdk.Options(recorder=notes)) as client:
        for _ in range(20):
            client.server_time()
        client.submit("server.time").result(5)
        assert network.now.offer("hello", ping=True)
        eventually(lambda: ("control", "in", "pong", b"hello") in notes.notes)
    assert notes.notes[0][0] == "connection" and notes.notes[0][1]["secrets"] == ()
    questions = [(json.loads(note[1])["id"], index) for index, note in enumerate(notes.notes) if note[0] == "sent"]
    assert [note[2] for note in notes.of("sent")] == [True] + [False] * 21, "the login alone is secret"
    assert len(questions) == 22 and notes.of("control")[:1] == [("control", "out", "ping", b"hello")]
    assert [note[1:] for note in notes.of("control")[-2:]] == [("out", "close", b"\x03\xe8"), ("in", "close", b"\x03\xe8")]
    assert notes.notes[-1][:4] == ("closed", "closed", 1000, None)


def test_a_frame_that_did_not_leave_is_taken_back() -> None:
    connection = Connection(parse_url("url", "ws://127.0.0.1:1"), dbxsdk.Options(), lambda: None, lambda _: None, lambda _: None)
    connection.recorded = notes = Notes()
    with pytest.raises(NotSent):
        connection.send("text", 1.0)
    assert notes.notes == [("sent", "text", False), ("not_sent", 1)]


def test_logins_are_secret_and_nothing_else() -> None:
    credentials = Credentials("the-api-key", "the-api-secret")
    bybit = [BybitPublicProtocol("linear"), BybitPrivateProtocol(credentials), BybitTradeProtocol(credentials)]
    for protocol in bybit:
        for request in (*protocol.login(1), protocol.request("auth", ["the-api-key", 1, "signature"])):
            assert request.secret and isinstance(request.frame, SecretText) and "the-api-key" in request.frame
            assert "the-api-key" not in repr(request) + repr(request.frame)
        assert not protocol.heartbeat().secret and not isinstance(protocol.heartbeat().frame, SecretText)
    digifinex = DigiFinexProtocol("the-api-key", "the-api-secret")
    assert digifinex.login(1)[0].secret and digifinex.request("server.auth", ["the-api-key"]).secret
    assert not digifinex.request("server.time", None).secret


def test_what_a_login_sent_is_hidden_where_the_venue_repeats_it(tmp_path: pathlib.Path) -> None:
    with dbxsdk.Recorder(tmp_path) as recorder:
        to = recorder.connection(venue="bybit", client="", settings={}, endpoint="")
        to.sent('{"req_id":"abcd-1","op":"auth","args":["the-api-key","1700000000000",{"sign":["the-signature"]}]}', secret=True)
        to.received([(b'{"req_id":"abcd-1","ret_msg":"the-signature of the-api-key at 1700000000000?"}', False)], 1, 1)
        to.sent("{", secret=True)
        to.closed("the-api-key")
    frames = [record for record in read(tmp_path) if isinstance(record, Frame)]
    assert frames[1].payload == b'{"req_id":"abcd-1","ret_msg":"*** of *** at 1700000000000?"}'
    assert frames[0].payload is None is frames[2].payload


def test_the_recorder_does_what_the_session_expects() -> None:
    """The stand-in above has the methods of the real one."""
    for name in ("received", "sent", "not_sent", "control", "closed"):
        assert callable(getattr(RecordedConnection, name)) and callable(getattr(Notes, name))


PROCESS = """
import json, os, resource, signal, sys, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 tells of forks with threads
import dbxsdk
from dbxsdk.sim import DigiFinexVenue
from tests.waiting import Recorder, eventually
folder = sys.argv[1]
"""

FULL = PROCESS + """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = resource.getrlimit(resource.RLIMIT_FSIZE)
recorder = dbxsdk.Recorder(folder, flush_interval=0.01, retry_interval=0.01, max_queue_bytes=20_000)
events, updates = Recorder(), Recorder()
with recorder, DigiFinexVenue(rate=0) as venue:
    with venue.client(options=dbxsdk.Options(recorder=recorder)) as client:
        client.on_event(events)
        client.subscribe("depth", "BTC_USDT", callback=updates)
        eventually(lambda: recorder.stats().frames >= 3 and not recorder.stats().queued_bytes)
        resource.setrlimit(resource.RLIMIT_FSIZE, (recorder.stats().file_bytes + 10, limit[1]))
        def until(done):
            while not done():
                venue.step()
                assert client.server_time()
        until(lambda: events.of(dbxsdk.RecordingFailed))
        before = len(updates.items)
        until(lambda: recorder.stats().lost and len(updates.items) > before)
        during = len(updates.items) - before
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        eventually(lambda: recorder.stats().failing is None)
        until(lambda: recorder.stats().frames > 30)
    first = events.of(dbxsdk.RecordingFailed)[0]
    kinds = sorted({type(event).__name__ for event in events.items})
print(json.dumps([str(first.error), during, recorder.stats().lost, kinds]))
"""


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
def test_a_full_disk_is_told_and_the_client_lives(tmp_path: pathlib.Path) -> None:
    error, during, lost, kinds = json.loads(run(FULL, str(tmp_path)))
    assert "File too large" in error and during > 0 and lost > 0
    assert kinds == ["Disconnected", "RecordingFailed"] or kinds == ["Connected", "Disconnected", "RecordingFailed"]
    assert sum(record.frames for record in read(tmp_path) if isinstance(record, Lost)) == lost
    gaps: List[Any] = []
    with dbxsdk.replay(tmp_path, speed=None) as replay:
        client = replay.client(dbxsdk.DigiFinexClient)
        client.on_event(lambda event: gaps.append(event) if isinstance(event, dbxsdk.Gap) else None)
        client.subscribe("depth", "BTC_USDT", callback=lambda update: None)
        told = replay.run()
        assert told.lost == lost and gaps and not told.complete


FORK = PROCESS + """
recorder = dbxsdk.Recorder(folder)
venue = DigiFinexVenue(rate=0).__enter__()
client = venue.client(options=dbxsdk.Options(recorder=recorder))
updates = Recorder()
client.subscribe("trades", "BTC_USDT", callback=updates)
updates.wait()
read_end, write_end = os.pipe()
child = os.fork()
if child == 0:
    code = 1
    try:
        client.server_time()
        client.server_time()
        client.close()
        recorder.close()
        code = 0
    finally:
        os._exit(code)
assert os.waitpid(child, 0)[1] == 0
client.server_time()
client.close()
recorder.close()
venue.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_parent_and_child_record_apart(tmp_path: pathlib.Path) -> None:
    run(FORK, str(tmp_path))
    reader = read(tmp_path)
    by_recording: Dict[str, List[Any]] = {}
    for record in reader:
        by_recording.setdefault(reader.recording, []).append(record)
    assert reader.complete and len(by_recording) == 2
    asked = []
    for records in by_recording.values():
        assert sum(isinstance(record, Opened) for record in records) == 1
        asked.append(sum(isinstance(record, Frame) and b"server.time" in (record.payload or b"") for record in records))
    assert asked == [1, 2]


def test_a_recorded_client_of_ones_own_is_known_by_the_sdks_class(tmp_path: pathlib.Path) -> None:
    class Mine(dbxsdk.DigiFinexClient):
        pass

    with dbxsdk.Recorder(tmp_path) as recorder, DigiFinexVenue(rate=0) as venue:
        with Mine(url=venue.url() + "?a=b", options=fast(recorder=recorder)) as client:
            client.server_time()
    opened = next(record for record in read(tmp_path))
    assert isinstance(opened, Opened) and opened.client == "DigiFinexClient" and opened.endpoint == venue.url()
