"""The recorder in processes of its own: killed, forked, without room on the disk, and at exit."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import threading

import pytest

from dbxsdk.recording import Frame, Lost, Opened, read
from tests.recording.recordings import payloads, run, start

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no POSIX")

COMMON = """
import json, os, resource, sys, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 tells of forks with threads
import random
pause = threading.Event()

def until(what):
    for _ in range(2000):
        if what():
            return
        pause.wait(0.005)
    raise SystemExit("it did not happen in time")

def connect(recorder):
    return recorder.connection(venue="v", client="c", settings={}, endpoint="wss://x")

def put(to, number, size=0):
    to.received([(json.dumps({"n": number, "pad": random.randbytes(size).hex()}).encode(), False)], number, number)
"""


def numbers(path: object) -> "list[int]":
    return [json.loads(payload)["n"] for payload in payloads(path)]


def test_a_folder_without_permission() -> None:
    code = """
import tempfile
import dbxsdk.recording
with tempfile.TemporaryDirectory() as folder:
    os.chmod(folder, 0o555)
    if os.geteuid() == 0:
        os.seteuid(65534)  # root may write everywhere
        os.access = lambda path, mode, access=os.access: access(path, mode, effective_ids=True)
    try:
        dbxsdk.recording.Recorder(folder)
    except dbxsdk.recording.RecordingError as error:
        print(error)
    if os.getuid() == 0:
        os.seteuid(0)
"""
    assert "no permission to write there" in run(COMMON + code)


KILLED = (
    COMMON
    + """
import dbxsdk.recording
recorder = dbxsdk.recording.Recorder(sys.argv[1], flush_interval=0.02, max_bytes=50_000)
to = connect(recorder)
number = told = 0
while True:
    for _ in range(50):
        put(to, number, 100)
        number += 1
    pause.wait(0.002)
    if recorder.stats().frames > told:
        told = recorder.stats().frames
        print(told, number, flush=True)
"""
)


def test_kill_9_costs_the_last_block_at_most(tmp_path: pathlib.Path, compressor: str) -> None:
    process = start(KILLED, str(tmp_path))
    watchdog = threading.Timer(20, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        for _ in range(4):
            line = process.stdout.readline()
            assert line, process.communicate()
        process.send_signal(signal.SIGKILL)
        rest = process.communicate(timeout=10)[0]
    finally:
        watchdog.cancel()
    written, put = map(int, (line + rest).split("\n")[-2].split())
    reader = read(tmp_path)
    got = [json.loads(record.payload or b"")["n"] for record in reader if isinstance(record, Frame)]
    assert got == list(range(len(got))), "nothing is missing before the end"
    assert written <= len(got), "all that was said to be written"
    assert put > 0 and not reader.complete and reader.missing == ()


def test_what_is_queued_is_written_at_exit(tmp_path: pathlib.Path) -> None:
    code = "import dbxsdk.recording as r; recorder = r.Recorder(sys.argv[1], flush_interval=1000); put(connect(recorder), 7)"
    run(COMMON + code, str(tmp_path))
    assert numbers(tmp_path) == [7]


FULL = (
    COMMON
    + """
import dbxsdk.recording
limit = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), limit[1]))
events = []
recorder = dbxsdk.recording.Recorder(
    sys.argv[1], flush_interval=0.01, retry_interval=0.01, max_queue_bytes=int(sys.argv[2]), on_error=events.append
)
to = connect(recorder)
number = 0
while not events:
    put(to, number, 1000)
    number += 1
    until(lambda: events or not recorder.stats().queued_bytes)
at_failure = recorder.stats()
for _ in range(100):
    put(to, number, 1000)
    number += 1
during = recorder.stats()
pause.wait(0.05)  # for some tries more, which are not told
during_files = os.listdir(sys.argv[1])
if int(sys.argv[4]) <= 100:  # a try that is under way has a file, for a moment
    until(lambda: not os.listdir(sys.argv[1]))
    during_files = []
if sys.argv[3] == "recover":
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    until(lambda: recorder.stats().failing is None and not recorder.stats().queued_bytes)
    put(to, number)
    number += 1
started = time.monotonic()
recorder.close()
assert not recorder.stats().queued_bytes and time.monotonic() - started < 4
print(json.dumps([number, at_failure.failing, during.lost, recorder.stats().frames, recorder.stats().lost,
                  [[str(event.error), event.lost] for event in events], during_files]))
"""
)


@pytest.mark.parametrize("room", [30_000, 20])
def test_a_full_disk_that_gets_room_again_costs_nothing(tmp_path: pathlib.Path, compressor: str, room: int) -> None:
    out = json.loads(run(FULL, str(tmp_path), "10000000", "recover", str(room)))
    count, failing, lost_meanwhile, written, lost, events, files = out
    assert len(files) == (room > 100), "no file without a header is left"
    assert "File too large" in failing and lost_meanwhile == lost == 0
    assert written == count and numbers(tmp_path) == list(range(count))
    assert len(events) == 1 and "File too large" in events[0][0], "told once, not for each try"
    reader = read(tmp_path)
    assert len(list(reader)) == count + 1 and reader.complete and reader.torn == ()


def test_a_full_disk_for_longer_than_the_queue_lasts(tmp_path: pathlib.Path) -> None:
    out = json.loads(run(FULL, str(tmp_path), "50000", "recover", "30000"))
    count, _, lost_meanwhile, written, lost, events, _ = out
    assert lost_meanwhile > 0 and lost >= lost_meanwhile and written + lost == count
    position, holes = 0, 0
    for record in read(tmp_path):
        if isinstance(record, Lost):
            assert record.monotonic_ns == position and "File too large" in record.reason
            position += record.frames
            holes += record.frames
        elif isinstance(record, Frame):
            assert json.loads(record.payload or b"")["n"] == position
            position += 1
    assert position == count and holes == lost, "every frame is there, or said to be missing where it is missing"
    assert "File too large" in events[-1][0] and events[-1][1] == lost


def test_closing_on_a_full_disk(tmp_path: pathlib.Path) -> None:
    count, _, _, written, lost, events, _ = json.loads(run(FULL, str(tmp_path), "10000000", "close", "30000"))
    assert written + lost == count and lost > 0 and events[-1][1] == lost
    assert numbers(tmp_path) == list(range(written)), "what was written is whole"
    assert read(tmp_path).torn == ()


FORKED = (
    COMMON
    + """
if sys.argv[3] != "hooks":
    os.register_at_fork = lambda **kwargs: None
import dbxsdk.recording
recorder = dbxsdk.recording.Recorder(sys.argv[1], flush_interval=float(sys.argv[2]))
parents = connect(recorder)
put(parents, 1)
if float(sys.argv[2]) < 1:
    until(lambda: recorder.stats().frames == 1)

held, release = threading.Event(), threading.Event()
def hold():
    with recorder._tape.lock:
        held.set()
        release.wait(5)
threading.Thread(target=hold, daemon=True).start()
held.wait(5)

descriptor = recorder._tape._files._descriptor
child = os.fork()
if child == 0:
    code = 1
    try:
        if sys.argv[3] == "hooks":
            put(parents, 666)  # not the child's to record
            assert not parents._put.__self__._queue
            if descriptor is not None:
                try:
                    os.fstat(descriptor)
                    raise SystemExit("the parent's file is still open in the child")
                except OSError:
                    pass
        mine = connect(recorder)
        put(mine, 2)
        assert recorder.stats().lost == 0 and not recorder.closed
        recorder.close()
        code = 0
    finally:
        os._exit(code)
release.set()
assert os.waitpid(child, 0)[1] == 0
put(parents, 3)
recorder.close()
"""
)


@pytest.mark.parametrize(
    "place, flush_interval, hooks", [("", "0.01", "hooks"), ("day.jsonl.gz", "1000", "hooks"), ("day.jsonl.gz", "1000", "none")]
)
def test_a_forked_child_makes_a_recording_of_its_own(
    tmp_path: pathlib.Path, compressor: str, place: str, flush_interval: str, hooks: str
) -> None:
    run(FORKED, str(tmp_path / place), flush_interval, hooks)
    reader = read(tmp_path)
    connections = [record.connection for record in reader if isinstance(record, Opened)]
    by_file = {os.path.basename(path): numbers(path) for path, _ in reader.files}
    assert sorted(by_file.values()) == [[1, 3], [2]] and connections == [1, 2] and reader.complete
    if place:
        assert by_file["day.jsonl.gz"] == [1, 3]
