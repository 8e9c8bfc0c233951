"""Files made to cost memory or time, or to hang: refused within bounds of bytes and CPU."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import random
import time
import tracemalloc
import zlib
from typing import Any, Iterator, Optional

import pytest

from dbxsdk.cli.main import main
from dbxsdk.playback import replay
from dbxsdk.recording import Frame, RecordingError, convert, read
from dbxsdk.recording import format as form
from dbxsdk.recording.files import member
from dbxsdk.recording.format import decode, encode, frame_end
from tests.playback import written
from tests.recording.test_reader import HEADER, OPENED, blocks, frame, write
from tests.waiting import Background

MIB = 1 << 20


def packed(*pieces: bytes) -> bytes:
    packing = zlib.compressobj(1, zlib.DEFLATED, 31)
    return b"".join((*map(packing.compress, pieces), packing.flush()))


@contextlib.contextmanager
def at_most(mib: float, seconds: float) -> Iterator[None]:
    """What is done within allocates no more than so much at a time, and takes no more of the CPU."""
    tracemalloc.start()
    began = time.process_time()
    try:
        yield
        assert time.process_time() - began < seconds
        assert tracemalloc.get_traced_memory()[1] < mib * MIB
    finally:
        tracemalloc.stop()


FRAME = encode(frame(1)).encode()[:-2]


@pytest.mark.parametrize(
    "pieces, message",
    [
        ((b'{"type":"x","a":[', b"[]," * (20 * MIB // 3), b"[]]}\n"), "a line of 2097.... bytes, which is no frame's"),
        ((FRAME, b',"a":[', b"[]," * (20 * MIB // 3), b"[]]}\n"), "bytes, which is no frame's"),
        ((b"[" * MIB,), "not a line of JSON"),
        ((b"\n" * (20 * MIB),), "not a line of JSON"),
    ],
    ids=["lists", "lists in a frame", "nested", "line feeds"],
)
def test_lines_that_cost_more_than_they_are_long(tmp_path: pathlib.Path, pieces: Any, message: str) -> None:
    path = write(tmp_path / "x.jsonl.gz", *blocks(HEADER, OPENED), packed(*pieces))
    with at_most(120, 2.0), pytest.raises(RecordingError, match=f"damaged in the block at byte .*({message})"):
        list(read(path))


def test_a_line_without_an_end(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbxsdk.recording.members.LONGEST_LINE", 4 * MIB)
    path = write(tmp_path / "x.jsonl.gz", *blocks(HEADER, OPENED), packed(FRAME, b" " * (30 * MIB)))
    with at_most(20, 2.0), pytest.raises(RecordingError, match="a line of more than 4194304 bytes"):
        list(read(path))
    with at_most(20, 2.0), pytest.raises(RecordingError, match="a line of more than 4194304 bytes"):
        list(read(path).opened())


def beginnings(count: int) -> bytes:
    """What begins like ``count`` members, each of which goes on to the end of it all."""
    empty = b"\x00" + (65535).to_bytes(2, "little") + (0).to_bytes(2, "little")
    head = b"\x1f\x8b\x08" + bytes(6) + b"\x03"
    return head + (empty + ((head + empty) * 4369)[:65535]) * (count // 4369)


def test_a_torn_file_takes_time_by_its_size(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "x.jsonl.gz", *blocks(HEADER, OPENED), beginnings(3 * 4369))  # 196 KB
    records = read(path)
    with at_most(5, 2.0), pytest.raises(RecordingError, match="too much behind it looks like the beginning of a block"):
        list(records)
    noise = random.Random(1).randbytes(2 * MIB)
    path = write(tmp_path / "y.jsonl.gz", *blocks(HEADER, OPENED), packed(noise)[:-20])
    records = read(path)
    with at_most(5, 2.0):
        assert list(records) == [OPENED] and records.torn[0].lost_bytes > 2 * MIB


def test_many_small_members(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "x.jsonl.gz", *blocks(HEADER, OPENED), member("") * 10_000)
    with at_most(5, 3.0):
        assert list(read(path)) == [OPENED]


def test_what_is_no_regular_file(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = str(tmp_path / "pipe.jsonl.gz")
    os.mkfifo(pipe)
    for path in (pipe, str(tmp_path), "/dev/zero"):
        reading = Background(read, path)
        try:
            with pytest.raises(RecordingError, match="pipe.jsonl.gz: not a regular file|/dev/zero: not a regular file"):
                reading.result(5)
        finally:
            with contextlib.suppress(OSError):  # where it hangs all the same
                os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    # A pipe is a fine source of lines to convert, and has to have an end no more than a device.
    with at_most(40, 2.0):
        assert main(["convert", "/dev/zero", str(tmp_path / "x.jsonl.gz")]) == 1
    assert capsys.readouterr().err == "dbxsdk convert: line 1: more than 8388608 bytes\n"
    assert not (tmp_path / "x.jsonl.gz").exists()


def test_no_conversion_makes_what_no_reader_takes(tmp_path: pathlib.Path) -> None:
    line = {"venue": "v", "direction": "in", "frame": {}, "client": "C"}
    for more, message in (
        ({"settings": {"a": "x" * MIB}}, "venue, client and settings have more than 8192 bytes"),
        ({"wall_ns": 10**30}, "wall_ns must be a whole number of 64 bits"),
    ):
        with pytest.raises(RecordingError, match=f"line 1: {message}"):
            convert([json.dumps({**line, **more})], tmp_path)


def test_a_recorder_writes_no_line_that_a_reader_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "LONGEST_PAYLOAD", 1000)
    for payload, kind in (
        ("\x00" * 1000, "text_base64"),
        ('"' * 1000, "text"),
        ("\u20ac\n" * 250, "text"),
        ("x" * 1001, "removed"),
    ):
        data = payload.encode()
        line = frame_end("text", data)
        assert line.split(b":")[0] == json.dumps(kind).encode() and len(line) < 2 * 1000 + 50
        whole = encode(Frame(1, 2, 3, "in", "text", data)).encode()
        back: Any = decode(whole.rstrip(b"\n"))
        assert back.payload == (None if kind == "removed" else data)


@pytest.mark.parametrize("chunk, piece, kept", [(1, 1, 0), (5, 7, 0), (16, 64, 300), (None, None, 0)])
def test_large_members_are_inflated_twice(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, chunk: Optional[int], piece: Optional[int], kept: int
) -> None:
    for name, value in (("_CHUNK", chunk), ("_PIECE", piece), ("_KEPT", kept)):
        if value is not None:
            monkeypatch.setattr(f"dbxsdk.recording.members.{name}", value)
    frames = [frame(number) for number in range(20)]
    whole = member("".join(map(encode, (HEADER, OPENED, *frames))))
    path = write(tmp_path / "x.jsonl.gz", whole, *blocks(*frames), blocks(frame(1))[0][:-1])
    reader = read(path)
    assert list(reader) == [OPENED, *frames, *frames]
    assert reader.torn[0].offset == len(whole) + len(b"".join(blocks(*frames)))


def test_a_replay_keeps_no_more_clients_than_it_can_hold(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbxsdk.playback.player._MOST_CLIENTS", 100)
    large = written.opened(0.1, a="x" * 9000)
    with pytest.raises(RecordingError, match="a connection that takes 9... bytes to describe"):
        replay(written.write(tmp_path / "x.jsonl.gz", large)).clients
    lines = "".join(encode(written.opened(0.1, number, number, a="x" * 7000)) for number in range(1, 102))
    path = write(tmp_path / "y.jsonl.gz", *blocks(HEADER), member(lines))
    with replay(path) as player, pytest.raises(RecordingError, match="more than 100 clients were recorded"):
        player.client("digifinex")


def test_a_nested_value_is_shown_in_few_words() -> None:
    head = b'{"type":"frame","connection":1,"direction":"in","monotonic_ns":1,"wall_ns":1,"ping":'
    with pytest.raises(RecordingError, match="ping is |not a line of JSON") as caught:
        decode(head + b"[" * 600 + b"]" * 600 + b"}")
    assert len(str(caught.value)) < 200
