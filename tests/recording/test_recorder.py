"""The recorder in one process: what comes back, when it is in the file, rotation, losses, and what may be asked of it."""

from __future__ import annotations

import gc
import gzip
import logging
import os
import pathlib
import random
import stat
import tempfile
import threading
import zlib
from typing import Any, Dict, List, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbxsdk.recording import background_writer, format as record_format
from dbxsdk.recording import (
    Closed,
    Frame,
    Lost,
    NotSent,
    Opened,
    Recorder,
    RecordingError,
    RecordingFailed,
    read,
)
from dbxsdk.recording.format import encode
from tests.recording.recordings import connection, frames, payloads, put
from tests.waiting import Background, Recorder as Calls, eventually

FOREVER = 1000.0


def test_everything_comes_back(tmp_path: pathlib.Path) -> None:
    client = threading.Event()  # any object that can be referred to weakly
    with Recorder(tmp_path) as recorder:
        one = connection(recorder, owner=client, endpoint="wss://host:1/path?token=hidden#here")
        number = one.sent('{"op":"subscribe"}')
        one.received([(b'{"a":1.10}', False), (b"\x00\xff", True)], 1_000, 10)
        one.received([], 1_001, 11)
        one.received([(b"\xff", False)], 1_002, 12)
        one.control("out", "ping", b"x")
        one.control("in", "pong", b"x")
        one.not_sent(one.sent("late"))
        one.closed("the peer closed the connection")
        two = connection(recorder, owner=client)
        three = connection(recorder)
    reader = read(tmp_path)
    records = list(reader)
    assert reader.complete
    opened = [record for record in records if isinstance(record, Opened)]
    assert [(record.connection, record.owner) for record in opened] == [(1, 1), (2, 1), (3, 2)]
    assert (one.number, two.number, three.number) == (1, 2, 3)
    assert opened[0].venue == "bybit" and opened[0].client == "BybitPublicClient"
    assert opened[0].settings == {"category": "linear"} and opened[0].endpoint == "wss://host:1/path"
    assert [
        (record.direction, record.kind, record.payload, record.number) for record in records if isinstance(record, Frame)
    ] == [
        ("out", "text", b'{"op":"subscribe"}', number),
        ("in", "text", b'{"a":1.10}', None),
        ("in", "binary", b"\x00\xff", None),
        ("in", "text", b"\xff", None),
        ("out", "ping", b"x", None),
        ("in", "pong", b"x", None),
        ("out", "text", b"late", 2),
    ]
    assert [(record.wall_ns, record.monotonic_ns) for record in records if isinstance(record, Frame)][1:4] == [
        (1_000, 10),
        (1_000, 10),
        (1_002, 12),
    ]
    assert [(r.connection, r.number) for r in records if isinstance(r, NotSent)] == [(1, 2)]
    assert [(r.connection, r.reason) for r in records if isinstance(r, Closed)] == [(1, "the peer closed the connection")]


@pytest.mark.parametrize("longest", [None, 30_000])
def test_a_read_of_many_frames_is_written_as_each_by_itself(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, longest: Optional[int]
) -> None:
    """However many lines are made at once, and whatever is between them."""
    if longest is not None:
        for module in (background_writer, record_format):
            monkeypatch.setattr(module, "LONGEST_PAYLOAD", longest)
    noise = random.Random(1)
    plain = [b'{"p":"%d"}' % number for number in range(500)]
    odd = [b"\xff", b"", b"\x00" * 50, b'{"key":"topsecret"}', b'"' * 70_000, b"\xfftopsecret", "\u00e9\n\\".encode()]
    mixed = [(noise.choice(plain + odd), noise.random() < 0.1) for _ in range(300)]
    reads = [
        [(payload, False) for payload in plain],
        [(payload, True) for payload in plain],
        [(payload, False) for payload in plain[:200] + odd + plain[:200]],
        [(b'{"p":1}' * 20_000, False)] * 3,
        [(payload, False) for payload in plain[:2]],
        mixed,
    ]
    with Recorder(tmp_path, flush_interval=FOREVER) as recorder:
        to = connection(recorder, secrets=["topsecret"])
        for read_ns, messages in enumerate(reads, 1):
            to.received(messages, read_ns, read_ns)
        assert recorder.stats().queued_bytes == sum(200 + len(payload) for messages in reads for payload, _ in messages)
    want = []
    for read_ns, messages in enumerate(reads, 1):
        for payload, binary in messages:
            shown = to.secrets.hide_in_frame(payload, not binary)
            want.append(encode(Frame(to.number, read_ns, read_ns, "in", "binary" if binary else "text", shown)).encode())
    lines = b"".join(gzip.decompress(path.read_bytes()) for path in tmp_path.iterdir()).splitlines(keepends=True)
    assert [line for line in lines if b'"type":"frame"' in line] == want
    assert (b'"removed":"text"}\n' in b"".join(want[-307:])) and recorder.stats().queued_bytes == 0
    assert recorder.stats().frames == len(want)


batches = st.lists(st.tuples(st.binary(max_size=50), st.booleans()), max_size=5)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("received"), batches),
        st.tuples(st.just("sent"), st.text(max_size=50)),
        st.tuples(st.just("secret"), st.text(max_size=50)),
        st.tuples(st.just("control"), st.binary(max_size=50)),
    ),
    max_size=15,
)


@settings(max_examples=25, deadline=None)
@given(steps, st.sampled_from([None, 1, 600]))
def test_any_frames_in_any_order_come_back_equal(steps: Any, max_bytes: Any) -> None:
    want: List[Any] = []
    with tempfile.TemporaryDirectory() as folder:
        with Recorder(folder, max_bytes=max_bytes) as recorder:
            to = connection(recorder)
            for step, value in steps:
                if step == "received":
                    to.received(value, 1, 2)
                    want += [("in", "binary" if binary else "text", payload) for payload, binary in value]
                elif step == "control":
                    to.control("out", "ping", value)
                    want.append(("out", "ping", value))
                else:
                    to.sent(value, secret=step == "secret")
                    kept = value.encode("utf-8", "surrogatepass")
                    want.append(("out", "text", None if step == "secret" else kept))
        assert [(frame.direction, frame.kind, frame.payload) for frame in frames(folder)] == want


def test_frames_are_in_the_file_after_the_flush_interval(tmp_path: pathlib.Path) -> None:
    with Recorder(tmp_path, flush_interval=0.05) as recorder:
        to = connection(recorder)
        for number in range(3):
            put(to, b"%d" % number)
            eventually(lambda number=number: recorder.stats().frames == number + 1)
            assert payloads(tmp_path) == [b"%d" % each for each in range(number + 1)], "while it is being recorded"
        assert not read(tmp_path).complete


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="names of descriptors are told there")
def test_what_is_written_is_on_the_disk_itself(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against power cuts: each block is synced as soon as nothing else waits to be written."""
    synced: Dict[str, int] = {}

    def fsync(descriptor: int, fsync: Any = os.fsync) -> None:
        fsync(descriptor)
        synced[os.readlink(f"/proc/self/fd/{descriptor}")] = os.fstat(descriptor).st_size

    monkeypatch.setattr(os, "fsync", fsync)
    with Recorder(tmp_path, flush_interval=0.01) as recorder:
        to = connection(recorder)
        for number in range(3):
            put(to, b"%d" % number)
            eventually(lambda number=number: recorder.stats().frames == number + 1)
            path = recorder.stats().path or ""
            assert synced[path] == os.path.getsize(path) and str(tmp_path) in synced


def test_a_change_of_the_working_directory_does_not_matter(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Recorder("day.jsonl.gz") as recorder:
        monkeypatch.chdir("/")
        put(connection(recorder), b"a")
    assert payloads(tmp_path / "day.jsonl.gz") == [b"a"]


def test_a_full_block_does_not_wait(tmp_path: pathlib.Path) -> None:
    with Recorder(tmp_path, flush_interval=FOREVER) as recorder:
        to = connection(recorder)
        eventually(lambda: put(to, bytes(100_000)) or recorder.stats().frames)


def test_no_connection_no_file(tmp_path: pathlib.Path) -> None:
    with Recorder(tmp_path) as recorder:
        assert [thread.name for thread in threading.enumerate() if thread.name.startswith("dbxsdk-")] == []
        assert recorder.stats().path is None and not recorder.closed
    assert list(tmp_path.iterdir()) == []


def test_names_and_rights(tmp_path: pathlib.Path) -> None:
    with Recorder(tmp_path) as recorder:
        put(connection(recorder), b"a")
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("dbxsdk-2") and path.name.endswith("-0001.jsonl.gz")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600, "accounts' data"
    chosen = tmp_path / "day.jsonl.gz"
    with Recorder(chosen, max_bytes=1) as recorder:
        to = connection(recorder)
        put(to, b"a")
        recorder.close()
        assert recorder.stats().path == str(chosen)
    assert payloads(chosen) == [b"a"] and stat.S_IMODE(chosen.stat().st_mode) == 0o600


def test_rotation_by_size(tmp_path: pathlib.Path, compressor: str) -> None:
    noise = random.Random(1)
    sent = [noise.randbytes(40_000) for _ in range(60)]
    chosen = tmp_path / "day.jsonl.gz"
    with Recorder(chosen, max_bytes=2_000_000) as recorder:
        ended, to = connection(recorder), connection(recorder)
        put(ended, b"first")
        ended.closed("over")
        put(to, *sent)
    stats = recorder.stats()
    found = sorted(tmp_path.iterdir())
    assert stats.files == len(found) == 2 and chosen in found
    assert sum(path.stat().st_size for path in found) == stats.file_bytes > 2_400_000
    assert all(path.stat().st_size <= 2_000_000 for path in found)
    reader = read(tmp_path)
    records = list(reader)
    assert reader.complete and [header.file for _, header in reader.files] == [1, 2]
    assert [record.payload for record in records if isinstance(record, Frame)] == [b"first", *sent]
    assert len([record for record in records if isinstance(record, Opened)]) == 2
    assert b'"reason":"rotated"' in gzip.decompress(chosen.read_bytes()).splitlines()[-1]
    # The second file by itself knows the connection that lives, and not the one that was over.
    second = list(read(reader.files[1][0]))
    assert [(each.connection, each.repeated) for each in second if isinstance(each, Opened)] == [(to.number, True)]
    assert {record.connection for record in second} == {to.number}


def test_rotation_by_time(tmp_path: pathlib.Path) -> None:
    with Recorder(tmp_path, max_seconds=0.05, flush_interval=0.02) as recorder:
        to = connection(recorder)
        sent: List[bytes] = []

        def more() -> bool:
            sent.append(b"%d" % len(sent))
            put(to, sent[-1])
            return recorder.stats().files >= 3

        eventually(more)
    assert payloads(tmp_path) == sent and read(tmp_path).missing == ()


def test_eight_threads_and_four_connections(tmp_path: pathlib.Path) -> None:
    count = 500
    with Recorder(tmp_path, flush_interval=0.01, max_bytes=20_000) as recorder:
        connections = [connection(recorder) for _ in range(4)]

        def work(thread: int) -> None:
            to = connections[thread % 4]
            for number in range(count):
                if thread < 4:
                    to.received([(b"%d:%d" % (thread, number), False)], number, number)
                else:
                    to.sent(f"{thread}:{number}")

        for worker in [Background(work, thread) for thread in range(8)]:
            worker.result()
    assert recorder.stats().lost == 0
    seen: Dict[str, List[int]] = {}
    numbers: Dict[int, List[int]] = {}
    for frame in frames(tmp_path):
        assert frame.payload is not None
        thread, _, number = frame.payload.decode().partition(":")
        assert frame.connection == int(thread) % 4 + 1 and frame.direction == ("in" if int(thread) < 4 else "out")
        seen.setdefault(thread, []).append(int(number))
        if frame.number is not None:
            numbers.setdefault(frame.connection, []).append(frame.number)
    assert seen == {str(thread): list(range(count)) for thread in range(8)}, "all, and each thread's in its order"
    assert {each: sorted(found) for each, found in numbers.items()} == {n: list(range(1, count + 1)) for n in range(1, 5)}


def test_what_does_not_fit_is_lost_and_told_in_its_place(tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    told, heard = Calls(), Calls()
    with Recorder(tmp_path, max_queue_bytes=2000, flush_interval=0.1, on_error=told) as recorder:
        one, two = connection(recorder, on_error=heard), connection(recorder)
        written = 0
        for turn in range(2):
            put(one, *[b"%d" % turn] * 5)
            two.received([(b"x", False)] * 30, 70, 7)
            put(one, b"also lost")  # there would be room: nothing may follow unseen
            one.sent("lost as well")
            written += 5
            eventually(lambda: recorder.stats().frames == written)  # noqa: B023
            told.wait_for(RecordingFailed, turn + 1)
        assert recorder.stats().lost == 64
        one.closed("over")
        two.received([(b"x", False)] * 30, 70, 7)
    records = [record for record in read(tmp_path) if not isinstance(record, Opened)]
    kept = [(record.connection, record.frames if isinstance(record, Lost) else type(record).__name__) for record in records]
    turn = [(1, "Frame")] * 5 + [(2, 30), (1, 2)]
    assert kept == turn + turn + [(1, "Closed"), (2, 30)]
    lost = [record for record in records if isinstance(record, Lost)]
    assert (lost[0].monotonic_ns, lost[0].wall_ns, lost[0].reason) == (7, 70, "frames came faster than they could be written")
    assert [event.lost for event in told.items] == [32, 64, 94], "what came after the closing"
    assert heard.items == told.items[:2], "told as long as the connection lives"
    assert "32 frames: frames came faster" in str(told.items[0].error)
    assert "frames are lost" in caplog.text


def test_losses_at_the_end_are_written(tmp_path: pathlib.Path) -> None:
    with Recorder(tmp_path, max_queue_bytes=10, flush_interval=FOREVER) as recorder:
        to = connection(recorder)
        put(to, b"a", b"b")
        to.closed("over")
        put(connection(recorder), b"c")
    kinds = [type(record).__name__ for record in read(tmp_path)]
    assert kinds == ["Opened", "Lost", "Closed", "Opened", "Lost"]


def test_secrets_are_in_no_byte_of_the_file(tmp_path: pathlib.Path) -> None:
    key, token = "api-KEY/with+signs=", "0123456789abcdef"
    with Recorder(tmp_path, max_bytes=1) as recorder:
        to = connection(
            recorder,
            secrets=[key, token],
            endpoint=f"wss://host/{token}?token={token}",
            settings={"a": {"b": [key]}},
        )
        to.sent('{"op":"auth","args":["%s",1,"signature"]}' % key, secret=True)
        to.sent('{"key":"%s"}' % key)
        to.received([(b'{"echo":"%s"}' % key.encode(), False), (zlib.compress(token.encode()), True)], 1, 1)
        to.received([(b"\xff" + token.encode(), False), (zlib.compress(b"harmless"), True)], 1, 1)
        to.control("in", "pong", token.encode())
        eventually(lambda: recorder.stats().queued_bytes)
        to.closed(f"handshake of {token}")
        put(connection(recorder), b"so that the head of another file repeats the connection")
    raw = b"".join(zlib.decompressobj(31).decompress(part) for part in _members(tmp_path))
    assert b"harmless" not in raw and b"signature" not in raw
    for secret in (key, token, key.replace("/", "\\/")):
        assert secret.encode() not in raw
    found = frames(tmp_path)
    assert [(frame.kind, frame.payload) for frame in found][:-1] == [
        ("text", None),
        ("text", b'{"key":"***"}'),
        ("text", b'{"echo":"***"}'),
        ("binary", None),
        ("text", None),
        ("binary", zlib.compress(b"harmless")),
        ("pong", None),
    ]
    opened = next(record for record in read(tmp_path) if isinstance(record, Opened))
    assert opened.endpoint == "wss://host/***" and opened.settings == {"a": {"b": ["***"]}}
    assert key not in repr(to) and token not in repr(to)


def _members(folder: pathlib.Path) -> List[bytes]:
    """Each gzip member of each file."""
    found = []
    for path in folder.iterdir():
        data = path.read_bytes()
        while data:
            inflate = zlib.decompressobj(31)
            inflate.decompress(data)
            found.append(data[: len(data) - len(inflate.unused_data)])
            data = inflate.unused_data
    return found


def test_close_once_and_again(tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder(tmp_path, flush_interval=FOREVER)
    to = connection(recorder)
    put(to, b"a")
    for closing in [Background(recorder.close) for _ in range(4)]:
        closing.result()
    recorder.close(0)
    assert recorder.closed and payloads(tmp_path) == [b"a"] and read(tmp_path).complete is False
    assert not [thread for thread in threading.enumerate() if thread.name == "dbxsdk-recorder"]
    # The clients live on, and do not notice.
    put(to, b"b")
    to.closed("over")
    for _ in range(2):
        put(connection(recorder), b"c")
    assert payloads(tmp_path) == [b"a"]
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "a client connected after its recorder was closed: it is not recorded"
    ]


def test_closing_in_its_own_callback(tmp_path: pathlib.Path) -> None:
    closed = threading.Event()

    def on_error(event: RecordingFailed) -> None:
        recorder.close()
        closed.set()

    recorder = Recorder(tmp_path, max_queue_bytes=1, flush_interval=0.01, on_error=on_error)
    put(connection(recorder), b"a")
    assert closed.wait(5)
    recorder.close()


def test_a_callback_that_raises_ends_nothing(tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    def on_error(event: RecordingFailed) -> None:
        raise SystemExit("or whatever")

    with Recorder(tmp_path, max_queue_bytes=500, flush_interval=0.01, on_error=on_error) as recorder:
        to = connection(recorder)
        put(to, bytes(1000))
        eventually(lambda: "on_error callback of the recorder raised" in caplog.text)
        put(to, b"a")
    assert payloads(tmp_path) == [b"a"]


def test_a_recorder_that_is_dropped_writes_what_it_has(tmp_path: pathlib.Path) -> None:
    recorder = Recorder(tmp_path, flush_interval=FOREVER)
    put(connection(recorder), b"a")
    del recorder
    gc.collect()
    assert payloads(tmp_path) == [b"a"]


@pytest.mark.skipif(os.name == "nt", reason="open files cannot be removed there")
def test_a_file_that_is_removed_is_noticed(tmp_path: pathlib.Path) -> None:
    told = Calls()
    with Recorder(tmp_path, flush_interval=0.01, retry_interval=0.01, on_error=told) as recorder:
        to = connection(recorder)
        put(to, b"gone")
        eventually(lambda: recorder.stats().frames)
        os.unlink(recorder.stats().path or "")
        put(to, b"kept")
        told.wait()
        eventually(lambda: recorder.stats().frames == 2)
    assert "was removed" in str(told.items[0].error)
    reader = read(tmp_path)
    assert [record.payload for record in reader if isinstance(record, Frame)] == [b"kept"]
    assert reader.files[0][1].file == 2


def test_a_folder_that_goes_away_and_comes_back(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    told = Calls()
    with Recorder(folder, flush_interval=0.01, retry_interval=0.01, on_error=told) as recorder:
        folder.rmdir()
        put(connection(recorder), b"a")
        assert isinstance(told.wait()[0].error, OSError)
        assert recorder.stats().failing is not None and recorder.stats().lost == 0
        folder.mkdir()
        eventually(lambda: recorder.stats().frames)
        assert recorder.stats().failing is None
    assert len(told.items) == 1, "once, not for each try"
    assert payloads(folder) == [b"a"] and read(folder).missing == ()


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"path": 1}, TypeError, "path must be a str or a path, not int"),
        ({"path": b"x"}, TypeError, "path must be a str or a path, not bytes"),
        ({"path": ""}, ValueError, "path must be the name"),
        ({"path": "a\0b"}, ValueError, "path must be the name"),
        ({"max_bytes": 0}, ValueError, "max_bytes must be 1 or more, not 0"),
        ({"max_bytes": 1.5}, TypeError, "max_bytes must be an int, not float"),
        ({"max_seconds": 0}, ValueError, "max_seconds must be above 0"),
        ({"flush_interval": -1}, ValueError, "flush_interval must be above 0"),
        ({"flush_interval": "1"}, TypeError, "flush_interval must be a number"),
        ({"max_queue_bytes": True}, TypeError, "max_queue_bytes must be an int"),
        ({"level": 10}, ValueError, "level must be 1 to 9, not 10"),
        ({"retry_interval": float("nan")}, ValueError, "retry_interval must be"),
        ({"on_error": 1}, TypeError, "on_error must be callable"),
    ],
)
def test_bad_arguments(tmp_path: pathlib.Path, arguments: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        Recorder(**{"path": tmp_path, **arguments})


def test_places_where_no_recording_can_be_made(tmp_path: pathlib.Path) -> None:
    (tmp_path / "there.jsonl.gz").write_bytes(b"precious")
    for name, message in [
        ("there.jsonl.gz", "exists already, and recordings are never overwritten"),
        ("folder", "no such folder"),
        ("folder/x.jsonl.gz", "no such folder"),
    ]:
        with pytest.raises(RecordingError, match=message):
            Recorder(tmp_path / name)
    assert (tmp_path / "there.jsonl.gz").read_bytes() == b"precious"


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: pathlib.Path) -> None:
    chosen = tmp_path / "day.jsonl.gz"
    with Recorder(chosen) as recorder:
        chosen.write_bytes(b"precious")
        put(connection(recorder), b"a")
    assert chosen.read_bytes() == b"precious"
    (other,) = (path for path in tmp_path.iterdir() if path != chosen)
    assert other.name.startswith("day-2") and payloads(other) == [b"a"]


def test_settings_that_are_not_json_raise_at_once(tmp_path: pathlib.Path) -> None:
    with Recorder(tmp_path) as recorder:
        with pytest.raises(TypeError):
            connection(recorder, settings={"a": object()})
        with pytest.raises(TypeError, match="secrets must hold str"):
            connection(recorder, secrets=[1])
