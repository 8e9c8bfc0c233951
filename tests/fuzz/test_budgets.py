"""Frames and files that multiply: what they become, and what is kept of them, is bounded."""

from __future__ import annotations

import copy
import gc
import pathlib
import sys
import types
import zlib
from typing import Any, Dict, Iterator

import pytest

from dbxsdk.errors import RecordingError
from dbxsdk.protocol import Push
from dbxsdk.recording import read
from tests.fuzz import promises
from tests.fuzz.budgets import bounded
from tests.fuzz.documents import SOCKETS, Socket
from tests.playback import written

MIB = 1 << 20
KEPT = MIB // 4
"""Bytes that a protocol and its books may keep of hostile frames."""

_SIDE = [[f"{price}.5", "1"] for price in range(25_000)]


def _objects(value: Any) -> Iterator[Dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(item)


def _hostile(document: Any) -> Iterator[Any]:
    """A document with many sides' levels, with many fields, other ones each time, and with a long text in each field."""
    if any(key in each for each in _objects(document) for key in ("b", "bids")):
        found = copy.deepcopy(document)
        for each in _objects(found):
            each.update({key: _SIDE for key in ("a", "b", "asks", "bids") if isinstance(each.get(key), list)})
        yield found
    for number in range(3):
        found = copy.deepcopy(document)
        for each in list(_objects(found))[1:3]:
            each.update({f"invented{number}.{index}": ["x" * 40] for index in range(800)})
        yield found
    for name in [name for each in _objects(document) for name, value in each.items() if isinstance(value, str)]:
        found = copy.deepcopy(document)
        for each in _objects(found):
            if name in each and name not in ("topic", "method", "type"):
                each[name] = str(each[name])[:1] * 50_000
        yield found


def _size(*roots: Any) -> int:
    """The bytes of these objects and of all that they hold."""
    seen, size, todo = set(), 0, list(roots)
    while todo:
        item = todo.pop()
        if id(item) not in seen and not isinstance(item, (type, types.ModuleType, types.FunctionType)):
            seen.add(id(item))
            size += sys.getsizeof(item)
            todo += gc.get_referents(item)
    return size


@pytest.mark.parametrize("socket", SOCKETS, ids=lambda socket: socket.name)
def test_what_is_kept_of_frames_that_multiply(socket: Socket) -> None:
    protocol, books = socket.make(), promises.Books(socket)
    protocol.subscribe(socket.topics(protocol), ())
    before = _size(protocol, books)
    for document in socket.frames:
        with bounded(memory=32 * MIB):
            for changed in _hostile(document):
                for item in promises.receive(protocol, socket.wire(changed), socket.binary):
                    if isinstance(item, Push):
                        books.take(item)
    assert _size(protocol, books) - before < KEPT


@pytest.mark.parametrize("socket", [socket for socket in SOCKETS if socket.binary], ids=lambda socket: socket.name)
def test_frames_that_inflate(socket: Socket) -> None:
    bomb = zlib.compress(b'{"x":[' + b"[]," * (8 * MIB // 3) + b"[]]}")
    with bounded():
        promises.receive(socket.make(), bomb, True)


@pytest.mark.parametrize(
    "line", [b'{"a":[' + b"[]," * (2 * MIB) + b"[]]}\n", b"\n" * (20 * MIB), b"[" * (20 * MIB)], ids=["lists", "lines", "nested"]
)
def test_recordings_that_inflate(tmp_path: pathlib.Path, line: bytes) -> None:
    path = written.write(tmp_path / "x.jsonl.gz", written.opened(0.1))
    packing = zlib.compressobj(1, zlib.DEFLATED, 31)
    with path.open("ab") as file:
        file.write(packing.compress(line) + packing.flush())
    with bounded(), pytest.raises(RecordingError):
        list(read(path))
