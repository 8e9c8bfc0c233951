"""Recordings that were cut, bent and written over: read, or refused with a ``RecordingError``, and nothing else."""

from __future__ import annotations

import io
import json
import pathlib
from typing import Any, List

from hypothesis import given
from hypothesis import strategies as st

from dbxsdk.errors import DbxError, RecordingError
from dbxsdk.playback import replay
from dbxsdk.cli.venues import default_client
from dbxsdk.recording import convert, read
from dbxsdk.recording.files import member
from tests.fuzz import promises
from tests.fuzz.running import count, limits
from tests.fuzz.strategies import documents, write
from tests.playback import written

_WHOLE = [
    written.opened(0.1),
    written.frame(0.2, {"req_id": "1", "op": "subscribe", "args": [written.TOPIC]}, direction="out"),
    written.frame(0.25, {"req_id": "1", "op": "subscribe", "success": True}),
    written.trade(0.3, 1),
    written.frame(0.4, b"\x00\xff", kind="binary"),
    written.frame(0.4, b"1", kind="ping"),
    written.lost(0.5, 3),
    written.frame(0.6, None, direction="out"),
    written.closed(0.7),
    written.opened(0.8),
    written.trade(0.9, 2),
    written.closed(1.0, retry_in=None),
]
_KEPT_LINES = [
    {"venue": "bybit", "direction": "in", "kind": "data.tickers.spot", "frame": {"topic": "tickers.A", "data": {"a": 1}}},
    {"venue": "digifinex", "direction": "out", "kind": "ping", "frame": {"id": 1, "method": "server.ping", "params": []}},
    {"venue": "dbot", "direction": "in", "kind": "push", "frame": "no json", "client": "DBotDataClient", "settings": {}},
    {"venue": "cryptomus", "direction": "in", "frame": {"id": 0, "method": "pong"}, "wall_ns": 1_700_000_000_000_000_000},
]


def _members(tmp_path: pathlib.Path) -> List[bytes]:
    """The same recording as one member, and as one a line."""
    whole = written.write(tmp_path / "whole.jsonl.gz", *_WHOLE).read_bytes()
    lines = [member(line.decode()) for line in _lines(whole)]
    return [whole, b"".join(lines)]


def _lines(file: bytes) -> List[bytes]:
    import gzip

    return gzip.GzipFile(fileobj=io.BytesIO(file)).read().splitlines(keepends=True)


@st.composite
def bent(draw: Any, originals: List[bytes]) -> bytes:
    """Bytes of a file that were cut, flipped, repeated, left out or put in."""
    file = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(1, 3))):
        at, to = sorted((draw(st.integers(0, len(file))), draw(st.integers(0, len(file)))))
        how = draw(st.sampled_from(("cut", "flip", "repeat", "leave out", "put in", "swap")))
        if how == "cut":
            file = file[:to]
        elif how == "flip" and file:
            at = min(at, len(file) - 1)
            file = file[:at] + bytes([file[at] ^ draw(st.integers(1, 255))]) + file[at + 1:]
        elif how == "repeat":
            file = file[:to] + file[at:]
        elif how == "leave out":
            file = file[:at] + file[to:]
        elif how == "put in":
            file = file[:at] + draw(st.binary(max_size=30)) + file[at:]
        else:
            file = file[to:] + file[:to]
    return file


@st.composite
def rewritten(draw: Any, lines: List[bytes]) -> bytes:
    """A whole file in which lines say something else."""
    written_: List[bytes] = list(lines)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        written_[at] = write(draw(documents([json.loads(lines[at])]))) + b"\n"
    return member(b"".join(written_).decode())


def _read(path: pathlib.Path, subject: str) -> None:
    count(subject)
    try:
        for _ in read(path):
            count(subject, "records read")
    except RecordingError as error:
        promises.check_words(error)
        count(subject, "refused")


def test_bent_files(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "bent.jsonl.gz"

    @limits(2)
    @given(bent(_members(tmp_path)))
    def run(file: bytes) -> None:
        path.write_bytes(file)
        _read(path, "recordings, bent")

    run()


def test_rewritten_lines(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "rewritten.jsonl.gz"

    @limits(2)
    @given(rewritten(_lines(_members(tmp_path)[0])))
    def run(file: bytes) -> None:
        path.write_bytes(file)
        _read(path, "recordings, rewritten")

    run()


def test_replays_of_rewritten_recordings(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "replayed.jsonl.gz"

    @limits(0.2)
    @given(rewritten(_lines(_members(tmp_path)[0])))
    def run(file: bytes) -> None:
        path.write_bytes(file)
        count("replays")
        try:
            with replay(path, speed=None) as player:
                for client in player.clients:
                    client.subscribe(written.TOPIC, callback=lambda update: update.data)
                player.run()
        except (DbxError, ValueError) as error:  # the ValueError: another client has another way to write a topic
            promises.check_words(error)
            count("replays", "refused")

    run()


def test_lines_to_convert(tmp_path: pathlib.Path) -> None:
    numbers = iter(range(10**9))

    @limits(1)
    @given(st.lists(documents(_KEPT_LINES), min_size=1, max_size=3))
    def run(lines: List[Any]) -> None:
        count("conversions")
        path = tmp_path / f"converted{next(numbers)}.jsonl.gz"
        try:
            convert([write(line) for line in lines], path, client_of=default_client)
        except RecordingError as error:
            promises.check_words(error)
            count("conversions", "refused")
            assert not path.exists()
        else:
            list(read(path))
            path.unlink()

    run()
