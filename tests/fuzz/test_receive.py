"""Frames made wrong, through each venue's protocol: whatever they say, nothing is raised but what is promised."""

from __future__ import annotations

import json
from typing import Any, List, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbxsdk import codec
from dbxsdk.errors import ProtocolError
from dbxsdk.protocol import Push
from tests.fuzz import promises
from tests.fuzz.documents import SOCKETS, Socket
from tests.fuzz.running import count, limits
from tests.fuzz.strategies import RAW, frames, write

EVERY_SOCKET = pytest.mark.parametrize("socket", SOCKETS, ids=lambda socket: socket.name)


@EVERY_SOCKET
def test_the_documented_frames_are_read(socket: Socket) -> None:
    """What the fuzzing starts from is good."""
    protocol = socket.make()
    topics = socket.topics(protocol)
    protocol.subscribe(topics, ())
    for document in socket.frames:
        if "\\ue001" in json.dumps(document):
            continue
        try:
            inbound = protocol.receive(socket.wire(document), socket.binary)
        except ProtocolError:
            assert document.get("type") == "error"  # Bybit's word for a request that it could not read
        else:
            assert inbound and all(promises.check_push(item) for item in inbound if isinstance(item, Push))


@EVERY_SOCKET
def test_wrong_frames(socket: Socket) -> None:
    @limits(1.5)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        protocol = socket.make()
        topics = socket.topics(protocol)
        requests = [*socket.requests(protocol)]
        if topics:
            requests += [*protocol.subscribe(topics, ()), *protocol.unsubscribe(topics[:1], topics[1:])]
        books = promises.Books(socket)
        # Several, since some protocols carry something from frame to frame.
        for payload, binary in data.draw(st.lists(frames(socket, [request.key for request in requests]), min_size=1, max_size=4)):
            inbound = promises.receive(protocol, payload, binary)
            pushes = [item for item in inbound if isinstance(item, Push)]
            good = [promises.check_push(push) for push in pushes]
            for push in pushes:
                books.take(push)
            for item in inbound:
                if not isinstance(item, Push):
                    promises.check_reply(protocol, item, requests)
            what = "bad frames" if not inbound else "unreadable updates" if not all(good) else "updates" if good else "replies"
            count(f"receive {socket.name}", what)
        count(f"receive {socket.name}")

    run()


@st.composite
def texts(draw: Any) -> Tuple[bytes, List[str]]:
    """JSON texts of raw values, and noise."""
    parts = draw(st.lists(st.sampled_from([*RAW, "a", 1, -0.0, 10**19, None]), max_size=5))
    written = write(parts)
    cut = draw(st.none() | st.integers(0, len(written)))
    return written[:cut] + draw(st.sampled_from([b"", b" ", b"\xff", b"\xed\xa0\x80", b"\x00", b"]"])), parts


def test_the_codec() -> None:
    @limits(3)
    @given(texts() | st.binary(max_size=60).map(lambda payload: (payload, [])))
    def run(drawn: Tuple[bytes, List[str]]) -> None:
        payload, _ = drawn
        count("codec")
        try:
            document = codec.decode(payload)
        except ProtocolError as error:
            promises.check_words(error)
            count("codec", "bad texts")
            return
        assert payload.decode("utf-8")  # it was UTF-8
        try:
            again = codec.encode(document)
        except (ValueError, RecursionError):
            return
        except TypeError as error:
            assert "Decimal" in str(error)  # a number that is too large for a float
            return
        assert codec.decode(again) == document

    run()
