"""Reading: in order, whole up to a tear, never past damage, and never something that is no recording."""

from __future__ import annotations

import gzip
import logging
import os
import pathlib
import random
import shutil
from typing import Any, List, Tuple

import pytest

from dbxsdk.recording import Closed, Frame, Opened, RecordingError, Torn, read
from dbxsdk.recording.files import Files, check_place, member
from dbxsdk.recording.format import End, Header, encode

HEADER = Header(1, "0.1.0", "aaaa", 1, 10, 10, 10)
OPENED = Opened(1, 20, 20, "bybit", "BybitPublicClient", {"category": "linear"}, "wss://x", 1)


def frame(number: int, connection: int = 1) -> Frame:
    return Frame(connection, 30 + number, 30 + number, "in", "text", b'{"n":%d}' % number)


def blocks(*records: Any) -> List[bytes]:
    """Each record a member of its own."""
    return [member(encode(record)) for record in records]


def write(path: pathlib.Path, *members: bytes) -> str:
    path.write_bytes(b"".join(members))
    return str(path)


def test_a_file_torn_at_every_byte_of_its_tail(tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    head = blocks(HEADER, OPENED, frame(1), frame(2))
    tail = blocks(frame(3))[0]
    start = len(b"".join(head))
    path = str(tmp_path / "torn.jsonl.gz")
    for kept in range(len(tail)):
        write(tmp_path / "torn.jsonl.gz", *head, tail[:kept])
        caplog.clear()
        reader = read(path)
        assert list(reader) == [OPENED, frame(1), frame(2)]
        assert reader.torn == ((Torn(path, start, kept),) if kept else ())
        assert reader.bytes_read == reader.bytes_total == start + kept
        assert not reader.complete
        told = [record.getMessage() for record in caplog.records]
        assert len(told) == bool(kept) and all(f"the last {kept} bytes, from byte {start} on" in text for text in told)
    write(tmp_path / "torn.jsonl.gz", *head, tail, *blocks(End(90, 90, "closed")))
    reader = read(path)
    assert list(reader)[-1] == frame(3) and reader.complete and reader.torn == ()


@pytest.mark.parametrize(
    "junk",
    [bytes(5000), b"\x1f\x8b\x08" * 50, random.Random(5).randbytes(70_000), bytes(600_000)],
    ids=["zeros", "begins of members", "noise", "many zeros"],
)
def test_a_tail_of_something_else_is_a_tear(tmp_path: pathlib.Path, junk: bytes) -> None:
    """What a power cut leaves: zeros, or what was on the disk before."""
    whole = blocks(HEADER, OPENED, frame(1))
    reader = read(write(tmp_path / "x.jsonl.gz", *whole, junk))
    assert list(reader) == [OPENED, frame(1)]
    assert [torn.lost_bytes for torn in reader.torn] == [len(junk)]


def test_damage_in_the_middle_names_file_and_offset(tmp_path: pathlib.Path) -> None:
    members = blocks(HEADER, OPENED, frame(1), frame(2), frame(3))
    offset = sum(map(len, members[:3]))
    for damaged in range(len(members[3])):
        broken = bytearray(members[3])
        broken[damaged] ^= 0x55
        path = write(tmp_path / "x.jsonl.gz", *members[:3], bytes(broken), members[4])
        got = []
        try:
            for record in read(path):
                got.append(record)
        except RecordingError as error:
            assert str(error).startswith(f"{path}: damaged in the block at byte {offset}")
            assert got == [OPENED, frame(1)]
        else:  # gzip's own time, operating system and flags that mean nothing are not covered by its checksum
            assert damaged in (3, 4, 5, 6, 7, 8, 9) and got[-2:] == [frame(2), frame(3)]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
def test_a_missing_piece_of_the_middle_is_damage(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    """However the file happens to be read in pieces."""
    monkeypatch.setattr("dbxsdk.recording.members._CHUNK", chunk)
    members = blocks(HEADER, OPENED, frame(1), frame(2))
    path = write(tmp_path / "x.jsonl.gz", *members[:2], members[2][:-3], members[3])
    with pytest.raises(RecordingError, match=f"whole blocks follow from byte {len(b''.join(members[:3])) - 3} on"):
        list(read(path))
    path = write(tmp_path / "x.jsonl.gz", *members, members[0][:-1])
    assert list(read(path)) == [OPENED, frame(1), frame(2)]


def test_a_whole_block_that_is_no_lines_is_damage(tmp_path: pathlib.Path) -> None:
    offset = len(blocks(HEADER)[0])
    path = write(tmp_path / "x.jsonl.gz", *blocks(HEADER), gzip.compress(b"hello\n"))
    with pytest.raises(RecordingError, match=f"x.jsonl.gz: damaged in the block at byte {offset}: not a line of JSON"):
        list(read(path))


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "nothing was recorded: .*x.jsonl.gz is empty"),
        (blocks(HEADER)[0][:-1], "nothing was recorded: .*x.jsonl.gz is torn"),
        (b"\x1f", "x.jsonl.gz is torn"),
        (b'{"a": 1}\n', "x.jsonl.gz: not a recording of dbxsdk: it is not gzip"),
        (bytes(100), "it is not gzip"),
        (gzip.compress(b"hello\n"), "it does not begin with a header"),
        (gzip.compress(b""), "it does not begin with a header"),
        (gzip.compress(encode(frame(1)).encode()), "it does not begin with a header"),
        (gzip.compress(b'{"format":"other","version":1}\n'), "x.jsonl.gz: the header of another format"),
        (gzip.compress(b'{"format":"dbxsdk-recording","version":7,"dbxsdk":"3.1"}\n'), "format version 7.*newer dbxsdk"),
        (blocks(HEADER)[0][:-2] + b"xx" + blocks(OPENED)[0], "x.jsonl.gz: damaged in the block at byte 0"),
    ],
)
def test_what_is_no_recording_is_said_at_once(tmp_path: pathlib.Path, content: bytes, message: str) -> None:
    path = write(tmp_path / "x.jsonl.gz", content)
    with pytest.raises(RecordingError, match=message):
        read(path)


def test_paths_that_are_none(tmp_path: pathlib.Path) -> None:
    with pytest.raises(RecordingError, match="nowhere.jsonl.gz: No such file"):
        read(tmp_path / "nowhere.jsonl.gz")
    with pytest.raises(RecordingError, match=r"no recording \(\*.jsonl.gz\) in this folder"):
        read(tmp_path)
    for wrong in (None, 1, b"x"):
        with pytest.raises(TypeError, match="path must be a path or several"):
            read(wrong)  # type: ignore[arg-type]
    for empty in ("", []):
        with pytest.raises(ValueError, match="path must name"):
            read(empty)


def make_rotated(folder: pathlib.Path, recording: str, started: int, count: int) -> List[str]:
    """``count`` files of one recording, each with a frame; the connection lives through all of them."""
    paths = []
    for number in range(1, count + 1):
        header = Header(1, "0.1.0", recording, number, started, started + number, 0)
        again = Opened(1, 20, 20, "bybit", "BybitPublicClient", {}, "wss://x", 1, repeated=number > 1)
        end = End(0, 0, "rotated" if number < count else "closed")
        # The names tell nothing of the order.
        path = folder / f"{recording}-{count - number}.jsonl.gz"
        paths.append(write(path, *blocks(header, again, frame(number), end)))
    return paths


def shape(records: Any) -> List[Tuple[str, int, Any]]:
    return [(type(each).__name__, each.connection, getattr(each, "payload", None)) for each in records]


def test_a_folder_of_rotated_files_and_two_recordings(tmp_path: pathlib.Path) -> None:
    later = make_rotated(tmp_path, "aaaa", 200, 2)
    earlier = make_rotated(tmp_path, "bbbb", 100, 3)
    (tmp_path / "notes.txt").write_text("not ours")
    want = [
        ("Opened", 1, None),
        ("Frame", 1, b'{"n":1}'),
        ("Frame", 1, b'{"n":2}'),
        ("Frame", 1, b'{"n":3}'),
        ("Opened", 2, None),
        ("Frame", 2, b'{"n":1}'),
        ("Frame", 2, b'{"n":2}'),
    ]
    for path in (tmp_path, [*later, *earlier], (pathlib.Path(each) for each in reversed(later + earlier))):
        reader = read(path)
        records = list(reader)
        assert shape(records) == want
        assert [each.owner for each in records if isinstance(each, Opened)] == [1, 2]
        assert reader.complete and reader.missing == ()
        assert [name for name, _ in reader.files] == earlier + later
    # One of the later files alone tells its connections, too.
    assert shape(read(earlier[2])) == [("Opened", 1, None), ("Frame", 1, b'{"n":3}')]


def test_files_joined_by_cat(tmp_path: pathlib.Path) -> None:
    paths = make_rotated(tmp_path, "aaaa", 1, 2) + make_rotated(tmp_path, "bbbb", 2, 1)
    joined = write(tmp_path / "joined", *(pathlib.Path(path).read_bytes() for path in paths))
    reader = read(joined)
    assert [number for _, number, _ in shape(reader)] == [1, 1, 1, 2, 2]
    assert reader.complete
    # Unpacked and packed anew, as one member.
    with gzip.open(joined) as unpacked, gzip.open(tmp_path / "anew", "wb") as packed:
        shutil.copyfileobj(unpacked, packed)
    assert list(read(tmp_path / "anew")) == list(read(joined))


def test_a_missing_file_is_told(tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    paths = make_rotated(tmp_path, "aaaa", 1, 4)
    reader = read([paths[0], paths[3]])
    assert reader.missing == (("aaaa", 2), ("aaaa", 3))
    assert [record.getMessage() for record in caplog.records] == [
        "file 2 of recording aaaa is missing",
        "file 3 of recording aaaa is missing",
    ]
    assert len(list(reader)) == 3 and not reader.complete
    assert read(paths[2:]).missing == (), "older files may have been removed"


def test_a_copy_beside_the_file_is_refused(tmp_path: pathlib.Path) -> None:
    path = make_rotated(tmp_path, "aaaa", 1, 1)[0]
    shutil.copy(path, tmp_path / "copy.jsonl.gz")
    with pytest.raises(RecordingError, match="are the same file of one recording"):
        read(tmp_path)


def test_a_file_killed_before_its_header_does_not_spoil_the_folder(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_rotated(tmp_path, "aaaa", 1, 1)
    write(tmp_path / "empty.jsonl.gz")
    write(tmp_path / "torn.jsonl.gz", blocks(HEADER)[0][:20])
    caplog.set_level(logging.WARNING)
    reader = read(tmp_path)
    assert len(list(reader)) == 2
    assert sorted((os.path.basename(torn.path), torn.lost_bytes) for torn in reader.torn) == [
        ("empty.jsonl.gz", 0),
        ("torn.jsonl.gz", 20),
    ]


def test_a_bomb_is_refused(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbxsdk.recording.members._LARGEST_MEMBER", 10_000_000)
    path = write(tmp_path / "x.jsonl.gz", *blocks(HEADER), gzip.compress(bytes(20_000_000), 1))
    with pytest.raises(RecordingError, match="has more than 10000000 bytes"):
        list(read(path))


def test_a_reader_can_be_left_early(tmp_path: pathlib.Path) -> None:
    with read(make_rotated(tmp_path, "aaaa", 1, 3)) as reader:
        assert next(reader) == Opened(1, 20, 20, "bybit", "BybitPublicClient", {}, "wss://x", 1)
    assert list(reader) == []


def test_the_offset_is_kept_over_large_blocks(tmp_path: pathlib.Path) -> None:
    """Blocks larger than what is read at once, and the tear after them."""
    large = Frame(1, 1, 1, "in", "binary", os.urandom(900_000))
    path = write(tmp_path / "x.jsonl.gz", *blocks(HEADER, OPENED, large, large, Closed(1, 2, 2, "x")), blocks(large)[0][:-1])
    reader = read(path)
    assert list(reader) == [OPENED, large, large, Closed(1, 2, 2, "x")]
    assert reader.torn[0].offset == len(b"".join(blocks(HEADER, OPENED, large, large, Closed(1, 2, 2, "x"))))


def test_what_files_writes_is_what_the_reader_takes(tmp_path: pathlib.Path) -> None:
    files = Files(check_place(tmp_path))
    files.append(blocks(frame(1))[0], lambda: [encode(OPENED)], sync=True)
    files.end("closed")
    reader = read(tmp_path)
    assert list(reader) == [OPENED, frame(1)] and reader.complete
