"""isal and zlib: the same files of either, whole or damaged, and which of them is at work."""

from __future__ import annotations

import gzip
import itertools
import json
import pathlib
import random
import shutil
import subprocess
import sys
import threading
import zlib
from typing import Any, Iterator, List

import pytest

from dbxsdk.recording import Opened, Recorder, RecordingError, deflate, read
from dbxsdk.recording.files import Member
from tests.recording.recordings import connection, frames, payloads, put, run
from tests.waiting import Background, eventually


def trades(count: int) -> List[bytes]:
    noise = random.Random(7)
    return [
        b'{"topic":"publicTrade.BTCUSDT","ts":%d,"data":[{"p":"%d.5","v":"0.%03d","i":"%016x","x":"\xc3\xa9"}]}'
        % (1_700_000_000_000 + number, 60_000 + noise.randrange(99), noise.randrange(999), noise.getrandbits(64))
        for number in range(count)
    ]


def members(data: bytes) -> Iterator[bytes]:
    while data:
        inflate = zlib.decompressobj(deflate.GZIP)
        inflate.decompress(data)
        assert inflate.eof, "a part of a member"
        yield data[: len(data) - len(inflate.unused_data)]
        data = inflate.unused_data


@pytest.mark.parametrize("level", range(1, 10))
def test_every_byte_comes_back_at_every_level(compressor: str, level: int) -> None:
    noise = random.Random(level)
    slices = [b"", b"\n", b"\n".join(trades(300)), noise.randbytes(100_000), bytes(1_000_000), b"\x1f\x8b\x08\x00"]
    member = Member(level)
    for each in slices:
        member.add(each)
    whole = member.finish()
    assert member.raw_bytes == sum(map(len, slices))
    assert gzip.decompress(whole) == b"".join(slices)
    assert list(members(whole)) == [whole]
    assert deflate.compressor_of(level) == (compressor if level <= 3 else "zlib")


@pytest.mark.parametrize("level", [1, 2, 3])
def test_the_other_s_files_are_not_smaller_by_much(compressor: str, level: int) -> None:
    lines = b"\n".join(trades(3000))
    packer = deflate.member(level)
    size = len(packer.compress(lines) + packer.flush())
    assert size < 1.1 * len(zlib.compress(lines, level))


def test_which_compresses(compressor: str, tmp_path: pathlib.Path) -> None:
    with Recorder(tmp_path) as recorder, Recorder(tmp_path, level=9) as small:
        assert (recorder.stats().compressor, small.stats().compressor) == (compressor, "zlib")
    code = "import dbxsdk, sys; print(dbxsdk.Recorder(sys.argv[1]).stats().compressor)"
    assert run(code, str(tmp_path)) == f"{compressor}\n"


def test_where_isal_is_not_installed(tmp_path: pathlib.Path) -> None:
    code = "import sys; sys.modules['isal'] = None; import dbxsdk; print(dbxsdk.Recorder(sys.argv[1]).stats().compressor)"
    assert run(code, str(tmp_path)) == "zlib\n"


def test_other_programs_read_it(compressor: str, tmp_path: pathlib.Path) -> None:
    sent = trades(5000)
    with Recorder(tmp_path / "day.jsonl.gz", flush_interval=0.01) as recorder:
        to = connection(recorder)
        for begin in range(0, len(sent), 1000):
            to.received([(payload, False) for payload in sent[begin:begin + 1000]], begin, begin)
            eventually(lambda begin=begin: recorder.stats().frames == begin + 1000)
    data = (tmp_path / "day.jsonl.gz").read_bytes()
    assert len(list(members(data))) >= 5 + 2
    lines = gzip.decompress(data)
    texts = [json.loads(line)["text"].encode() for line in lines.splitlines() if b'"type":"frame"' in line]
    assert texts == sent and payloads(tmp_path) == sent
    for program in filter(shutil.which, ("zcat", "gzip")):
        command = [program] if program == "zcat" else [program, "-dc"]
        done = subprocess.run(command, input=data, stdout=subprocess.PIPE, timeout=20)
        assert done.returncode == 0 and done.stdout == lines


def test_blocks_are_whole_while_it_is_recorded(compressor: str, tmp_path: pathlib.Path) -> None:
    with Recorder(tmp_path, flush_interval=0.02) as recorder:
        to = connection(recorder)
        for number in range(5):
            put(to, b"%d" % number)
            eventually(lambda number=number: recorder.stats().frames == number + 1)
            (path,) = tmp_path.iterdir()
            assert len(list(members(path.read_bytes()))) >= number + 2
            reader = read(path)
            assert len(list(reader)) == number + 2 and reader.torn == ()


def test_a_file_cut_anywhere_holds_what_came_before(compressor: str, tmp_path: pathlib.Path) -> None:
    path, sent = _recorded(tmp_path, 6)
    data = path.read_bytes()
    ends = list(itertools.accumulate(map(len, members(data))))
    for kept in range(ends[0], len(data)):
        path.write_bytes(data[:kept])
        reader = read(path)
        got = [record for record in reader if not isinstance(record, Opened)]
        # Blocks: the header, the connection, each frame, the end.
        whole = sum(end <= kept for end in ends)
        assert [record.payload for record in got] == sent[: max(whole - 2, 0)]  # type: ignore[union-attr]
        assert [torn.lost_bytes for torn in reader.torn] == ([] if kept in ends else [kept - ends[whole - 1]])


def test_a_flipped_byte_never_changes_a_frame(compressor: str, tmp_path: pathlib.Path) -> None:
    path, sent = _recorded(tmp_path, 4)
    data = path.read_bytes()
    for at in range(len(next(members(data))), len(data)):
        broken = bytearray(data)
        broken[at] ^= 0x55
        path.write_bytes(bytes(broken))
        got: List[Any] = []
        try:
            got.extend(record.payload for record in read(path) if not isinstance(record, Opened))  # type: ignore[union-attr]
        except RecordingError:
            pass
        assert got == sent[: len(got)]


def _recorded(folder: pathlib.Path, count: int) -> "tuple[pathlib.Path, List[bytes]]":
    """A recording of that many frames, each in a block of its own."""
    sent = trades(count)
    path = folder / "day.jsonl.gz"
    with Recorder(path, flush_interval=0.01) as recorder:
        to = connection(recorder)
        eventually(lambda: recorder.stats().path)
        for number, payload in enumerate(sent):
            put(to, payload)
            eventually(lambda number=number: recorder.stats().frames == number + 1)
    return path, sent


def test_no_file_grows_beyond_its_limit(compressor: str, tmp_path: pathlib.Path) -> None:
    """Of what hardly compresses, and of what does: a block is never split, and a file ends before it would be too large."""
    noise = random.Random(1)
    sent = [noise.randbytes(30_000).hex().encode() if number % 2 else b"%d" % number * 10_000 for number in range(80)]
    with Recorder(tmp_path, max_bytes=1_000_000) as recorder:
        to = connection(recorder)
        for payload in sent:
            put(to, payload)
    stats = recorder.stats()
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert stats.files == len(sizes) > 1 and sum(sizes) == stats.file_bytes and max(sizes) <= 1_000_000
    assert [frame.payload for frame in frames(tmp_path)] == sent
    for path in tmp_path.iterdir():
        for member in members(path.read_bytes()):
            lines = gzip.decompress(member)
            assert lines.endswith(b"\n") and len(lines) < 1024 * 1024 + 100_000


def test_other_threads_run_while_it_compresses(compressor: str) -> None:
    done = threading.Event()
    turns = 0

    def take_turns() -> None:
        nonlocal turns
        while not done.wait(0.0001):
            turns += 1

    data = random.Random(1).randbytes(4_000_000)

    def turn_meanwhile() -> bool:
        packer, before = deflate.member(1), turns
        packer.compress(data)
        return turns > before

    interval = sys.getswitchinterval()
    sys.setswitchinterval(100)  # nobody is made to let others run
    other = Background(take_turns)
    try:
        eventually(turn_meanwhile)
    finally:
        done.set()
        sys.setswitchinterval(interval)
        other.result()
