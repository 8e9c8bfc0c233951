"""An open connection: frames in and out, every way to end, and peers that misbehave. Plain and over TLS."""

from __future__ import annotations

import os
import random
import ssl
import struct
import threading
from typing import Any, Dict, List

import pytest

from dbxsdk import Options
from dbxsdk.runtime.clock import monotonic
from dbxsdk.transport import Connection, NotSent, SendFailed, parse_url
from tests.transport.running import Running
from tests.transport.servers import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Peer, Server, frame
from tests.waiting import Background, eventually


@pytest.fixture(params=["ws", "wss"])
def tls(request: Any, server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> Dict[str, Any]:
    """The two ends' contexts; nothing where the connection is plain."""
    if request.param == "ws":
        return {"server": {}, "client": {}}
    return {"server": {"context": server_context}, "client": {"ssl_context": client_context}}


def test_text_and_binary_in_both_directions(tls: Dict[str, Any]) -> None:
    received: List[Any] = []

    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.send(TEXT, "gr\u00fc\u00df dich")
        peer.send(BINARY, b"\x78\x9c\x00")
        received.append(peer.receive())
        peer.send(TEXT, "")
        peer.until_end()

    with Server(script, **tls["server"]) as server, Running(server.url, **tls["client"]) as running:
        assert running.wait(2) == [("gr\u00fc\u00df dich".encode(), False), (b"\x78\x9c\x00", True)]
        running.connection.send("tsch\u00fcss", 1.0)
        assert running.wait(3)[2] == (b"", False)
    assert received == [(TEXT, "tsch\u00fcss".encode())]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 1 << 20])
def test_messages_of_every_size(tls: Dict[str, Any], size: int) -> None:
    payload = bytes(random.Random(size).randrange(32, 127) for _ in range(min(size, 4096))) * (size // 4096 or 1)
    received: List[Any] = []

    def script(peer: Peer) -> None:
        peer.upgrade().send(TEXT, payload)
        received.append(peer.receive()[1])
        peer.send(BINARY, b"got it")
        peer.until_end()

    with Server(script, **tls["server"]) as server, Running(server.url, **tls["client"]) as running:
        assert running.wait() == [(payload, False)]
        running.connection.send(payload.decode(), 5.0)
        running.wait(2)
    assert received == [payload]


def test_a_fragmented_message_with_pings_in_between(tls: Dict[str, Any]) -> None:
    pongs: List[Any] = []

    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.send(TEXT, "one ", fin=False)
        peer.send(PING, "p1")
        peer.send(CONTINUATION, "two ", fin=False)
        peer.send(PING, b"")
        peer.send(CONTINUATION, "three")
        pongs.extend([peer.receive(), peer.receive()])
        peer.send(TEXT, "done")
        peer.until_end()

    with Server(script, **tls["server"]) as server, Running(server.url, **tls["client"]) as running:
        assert running.wait(2) == [(b"one two three", False), (b"done", False)]
    assert pongs == [(PONG, b"p1"), (PONG, b"")]


def test_frames_that_come_byte_by_byte(tls: Dict[str, Any]) -> None:
    def script(peer: Peer) -> None:
        peer.upgrade()
        for byte in frame(TEXT, "slow") + frame(BINARY, "x" * 130):
            peer.raw.sendall(bytes([byte]))
        peer.until_end()

    with Server(script, **tls["server"]) as server, Running(server.url, **tls["client"]) as running:
        assert running.wait(2) == [(b"slow", False), (b"x" * 130, True)]


def test_many_frames_in_one_write(tls: Dict[str, Any]) -> None:
    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.raw.sendall(b"".join(frame(TEXT, str(number)) for number in range(5000)))
        peer.until_end()

    with Server(script, **tls["server"]) as server, Running(server.url, **tls["client"]) as running:
        assert [int(payload) for payload, _ in running.wait(5000)] == list(range(5000))


def test_a_ping_of_ours_brings_its_pong() -> None:
    def script(peer: Peer) -> None:
        peer.upgrade()
        opcode, payload = peer.receive()
        assert opcode == PING
        peer.send(PONG, payload)
        peer.until_end()

    with Server(script) as server, Running(server.url) as running:
        assert running.open().connection.offer("7", ping=True)
        assert running.pongs.wait() == [b"7"]


# -- endings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1012, 4001])
def test_a_close_frame_is_answered_and_told(tls: Dict[str, Any], code: int) -> None:
    answers: List[Any] = []

    def script(peer: Peer) -> None:
        peer.upgrade().send(CLOSE, struct.pack("!H", code) + b"maintenance")
        answers.append(peer.receive())

    with Server(script, **tls["server"]) as server:
        with Running(server.url, **tls["client"]) as running:
            ending = running.ending()
        server.finished.acquire(timeout=5.0)
    assert (ending.code, ending.error) == (code, None)
    assert "maintenance" in ending.reason and str(code) in ending.reason
    assert answers[0][0] == CLOSE


def test_a_close_frame_without_a_code() -> None:
    with Server(lambda peer: peer.upgrade().send(CLOSE)) as server, Running(server.url) as running:
        ending = running.ending()
    assert (ending.code, ending.error) == (None, None)


@pytest.mark.parametrize("when", ["between frames", "in a header", "in a payload"])
def test_a_connection_that_is_cut(tls: Dict[str, Any], when: str) -> None:
    def script(peer: Peer) -> None:
        peer.upgrade()
        data = frame(TEXT, "x" * 200)
        peer.raw.sendall(data + {"between frames": b"", "in a header": data[:1], "in a payload": data[:50]}[when])

    with Server(script, **tls["server"]) as server, Running(server.url, **tls["client"]) as running:
        ending = running.ending()
        assert len(running.messages.items) == 1
    assert (ending.code, ending.error) == (None, None)
    assert ending.reason


def test_a_reset_connection() -> None:
    import socket

    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.raw.close()

    with Server(script) as server, Running(server.url) as running:
        ending = running.ending()
    assert ending.error is None and ending.reason


@pytest.mark.parametrize(
    "data",
    [
        b"\xc1\x01x",
        b"\x83\x00",
        b"\x80\x01x",
        b"\x89\x7e\x00\x80" + b"x" * 128,
        b"\x88\x01x",
        b"\x88\x02\x03\xed",
        b"\x09\x00",
    ],
    ids=[
        "reserved bit",
        "opcode",
        "continuation of nothing",
        "long ping",
        "close of one byte",
        "close 1005",
        "ping in parts",
    ],
)
def test_a_peer_that_breaks_the_protocol_is_left(data: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.raw.sendall(data)
        peer.answer_close()  # otherwise it would be waited for, see test_nothing_is_sent_behind_our_close_frame

    with Server(script) as server, Running(server.url) as running:
        ending = running.ending()
    assert ending.error is None
    assert running.messages.items == []


def test_close_says_goodbye_and_ends_with_the_answer(tls: Dict[str, Any]) -> None:
    received: List[Any] = []

    def script(peer: Peer) -> None:
        peer.upgrade()
        received.append(peer.receive())
        peer.send(TEXT, "in between")
        peer.send(CLOSE, received[0][1])
        received.append(peer.until_end())

    with Server(script, **tls["server"]) as server:
        with Running(server.url, **tls["client"]) as running:
            running.open().connection.close()
            ending = running.ending(1.0)
            assert running.connection.stopped
            with pytest.raises(NotSent):
                running.connection.send("more", 1.0)
        server.finished.acquire(timeout=5.0)
    assert ending.reason == "closed"
    assert received == [(CLOSE, struct.pack("!H", 1000)), b""], "one close frame, and nothing after it"


def test_abort_ends_a_mute_peer_at_once(tls: Dict[str, Any]) -> None:
    with Server(lambda peer: peer.upgrade().until_end(), **tls["server"]) as server:
        with Running(server.url, **tls["client"]) as running:
            running.open().connection.close()
            started = monotonic()
            running.connection.abort("enough")
            assert running.ending(1.0).reason in ("closed", "enough")
            assert monotonic() - started < 0.5


def test_abort_ends_a_peer_that_stalls_in_the_middle_of_a_frame(tls: Dict[str, Any]) -> None:
    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.raw.sendall(frame(TEXT, "x" * 500)[:100])
        peer.until_end()

    with Server(script, **tls["server"]) as server, Running(server.url, **tls["client"]) as running:
        running.open()
        eventually(lambda: running.connection.silent_for(monotonic()) > 0.05)
        running.connection.abort("silent")
        assert running.ending(1.0).reason == "silent"


def test_abort_while_a_message_is_being_handled() -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(payload: bytes) -> None:
        inside.set()
        assert go_on.wait(5.0)

    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.raw.sendall(frame(TEXT, "1"))
        assert inside.wait(5.0)
        peer.raw.sendall(frame(TEXT, "2") * 20)
        peer.until_end()

    with Server(script) as server, Running(server.url, on_message=slow) as running:
        assert inside.wait(5.0)
        assert running.connection.silent_for(monotonic() + 100.0) == 0.0, (
            "the reader is at work, the venue not silent"
        )
        running.connection.abort("enough")
        go_on.set()
        running.ending(1.0)
        assert len(running.messages.items) == 1


# -- a peer that does not read -------------------------------------------------------------------------


class Deaf:
    """Upgrades and then reads nothing."""

    def __init__(self) -> None:
        self.done = threading.Event()

    def __call__(self, peer: Peer) -> None:
        peer.upgrade()
        self.done.wait(5.0)


BIG = "x" * (1 << 22)


def test_a_send_to_a_peer_that_does_not_read_is_bounded(tls: Dict[str, Any]) -> None:
    deaf = Deaf()
    with Server(deaf, small_buffers=True, **tls["server"]) as server, Running(server.url, **tls["client"]) as running:
        running.open()
        started = monotonic()
        with pytest.raises(SendFailed, match="peer does not read"):
            running.connection.send(BIG, 0.3)
        assert 0.2 < monotonic() - started < 1.5
        assert running.connection.stopped, "half a frame is out: the connection is of no use"
        running.ending(1.0)
        deaf.done.set()


def test_a_send_that_finds_another_in_its_way_was_not_sent(tls: Dict[str, Any]) -> None:
    deaf = Deaf()
    with Server(deaf, small_buffers=True, **tls["server"]) as server, Running(server.url, **tls["client"]) as running:
        running.open()
        blocked = Background(running.connection.send, BIG, 30.0)
        eventually(lambda: running.connection.stuck_since)
        started = monotonic()
        with pytest.raises(NotSent):
            running.connection.send("an order", 0.1)
        assert monotonic() - started < 1.0
        closing = monotonic()
        running.connection.close()
        running.ending(1.0)
        assert monotonic() - closing < 1.0, "close() does not wait behind a blocked writer"
        assert isinstance(blocked.error(1.0), SendFailed)
        deaf.done.set()


def test_a_pong_to_a_peer_that_does_not_read_ends_with_abort() -> None:
    def script(peer: Peer) -> None:
        peer.upgrade()
        try:
            while True:
                peer.raw.sendall(frame(PING, "x" * 125) * 100)
        except OSError:
            pass

    with Server(script, small_buffers=True) as server, Running(server.url) as running:
        running.open()
        eventually(lambda: running.connection.stuck_since)
        threading.Event().wait(0.1)
        running.connection.abort("enough")
        running.ending(1.0)


def test_not_open_is_not_sent() -> None:
    connection = Connection(parse_url("url", "ws://127.0.0.1:1/"), Options(), print, print, print)
    with pytest.raises(NotSent):
        connection.send("x", 1.0)
    assert (connection.last_received, connection.last_sent) == (None, None)


# -- many threads --------------------------------------------------------------------------------------


def test_writers_of_many_threads_while_reading_keep_their_frames_whole(tls: Dict[str, Any]) -> None:
    threads, each = 8, 150
    received: List[bytes] = []
    stop = threading.Event()

    def script(peer: Peer) -> None:
        peer.upgrade()

        def talk() -> None:
            count = 0
            while not stop.is_set() and count < 3000:
                peer.raw.sendall(frame(TEXT, f"{count} " + "y" * (count % 300)))
                count += 1

        if isinstance(peer.raw, ssl.SSLSocket):
            # OpenSSL's object is not made for two threads: the server talks a while, then listens, and again.
            for number in range(threads * each):
                peer.raw.sendall(frame(TEXT, "tick" * (number % 50)) * 10)
                received.append(peer.receive()[1])
        else:
            talking = threading.Thread(target=talk, name="test-talk", daemon=True)
            talking.start()
            for _ in range(threads * each):
                received.append(peer.receive()[1])
            stop.set()
            talking.join(5.0)
        peer.send(BINARY, b"all")
        peer.until_end()

    with Server(script, **tls["server"]) as server, Running(server.url, **tls["client"]) as running:
        running.open()

        def write(name: int) -> None:
            for number in range(each):
                running.connection.send(f"{name}:{number}:" + chr(97 + name) * (number * 37 % 5000), 10.0)

        writers = [Background(write, name) for name in range(threads)]
        for writer in writers:
            writer.result(20.0)
        eventually(lambda: running.messages.items and running.messages.items[-1] == (b"all", True), timeout=10.0)
    for name in range(threads):
        own = [text.decode() for text in received if text.startswith(f"{name}:".encode())]
        assert own == [f"{name}:{number}:" + chr(97 + name) * (number * 37 % 5000) for number in range(each)]


def test_an_echo_over_tls_goes_to_and_fro(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    def script(peer: Peer) -> None:
        peer.upgrade()
        for _ in range(200):
            opcode, payload = peer.receive()
            peer.send(opcode, payload)
        peer.until_end()

    with Server(script, server_context) as server, Running(server.url, ssl_context=client_context) as running:
        running.open()
        for number in range(200):
            running.connection.send(str(number) * 100, 2.0)
        assert [payload for payload, _ in running.wait(200)] == [(str(number) * 100).encode() for number in range(200)]


def test_a_clean_end_of_tls_is_an_end(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    def script(peer: Peer) -> None:
        peer.upgrade().send(TEXT, "last")
        assert isinstance(peer.raw, ssl.SSLSocket)
        peer.raw.settimeout(1.0)
        try:
            peer.raw.unwrap()  # close_notify
        except OSError:
            pass

    with Server(script, server_context) as server, Running(server.url, ssl_context=client_context) as running:
        assert running.wait() == [(b"last", False)]
        ending = running.ending(3.0)
    assert "without a close frame" in ending.reason


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors cannot be counted here")
def test_no_descriptor_is_left_after_many_connections(tls: Dict[str, Any]) -> None:
    def script(peer: Peer) -> None:
        if server.accepted % 3 == 0:
            peer.answer("503 No")
        elif server.accepted % 3 == 1:
            peer.upgrade().send(CLOSE, struct.pack("!H", 1001))
        else:
            peer.upgrade().until_end()

    with Server(script, **tls["server"]) as server:
        before = None
        for turn in range(51):
            with Running(server.url, **tls["client"]) as running:
                if server.accepted % 3 == 2:
                    running.connection.abort("enough")
                elif not running.opened.wait(0.05):
                    running.connection.close()
                running.connection.abort("enough")
                running.ending()
            if turn == 0:
                before = len(os.listdir("/proc/self/fd"))
        eventually(lambda: len(os.listdir("/proc/self/fd")) <= (before or 0))


def test_nothing_is_sent_behind_our_close_frame() -> None:
    told, tried = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.raw.sendall(b"\x81\x81\0\0\0\0x")  # masked, which a server must not
        assert peer.receive()[0] == CLOSE
        told.set()
        assert tried.wait(5.0)
        assert peer.until_end() == b""

    with Server(script) as server, Running(server.url) as running:
        running.open()
        assert told.wait(5.0)
        with pytest.raises(NotSent):
            running.connection.send("an order", 1.0)
        tried.set()
        assert "masked" in running.ending().reason
