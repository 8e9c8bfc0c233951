"""The read path on real sockets: what the peer sees, and what reaches us however its bytes, and TLS's, are cut."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import re
import shutil
import socket
import ssl
import struct
import subprocess
import threading
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, cast

import attrs
import pytest
import trustme

from dbxsdk.runtime.clock import monotonic
from dbxsdk.transport.tls import TlsWire
from dbxsdk.transport.outcome import NotSent
from dbxsdk.transport.wire import Wire
from tests.transport.running import Running
from tests.transport.servers import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Peer, Records, Server, frame, relay
from tests.waiting import PATIENCE, Background

MIB = 1 << 20


@attrs.frozen
class Ends:
    """The arguments of a server and of a client that fit each other; no TLS version: without TLS."""

    version: Optional[str]
    server: Dict[str, Any]
    client: Dict[str, Any]


@pytest.fixture(scope="session")
def versions(authority: trustme.CA) -> Dict[str, ssl.SSLContext]:
    """A server's contexts for one version of TLS each."""
    contexts = {}
    for name, version in (("TLSv1.2", ssl.TLSVersion.TLSv1_2), ("TLSv1.3", ssl.TLSVersion.TLSv1_3)):
        contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        contexts[name].minimum_version = contexts[name].maximum_version = version
        authority.issue_cert("127.0.0.1").configure_cert(contexts[name])
    return contexts


@pytest.fixture(params=["ws", "TLSv1.2", "TLSv1.3"])
def ends(request: Any, versions: Dict[str, ssl.SSLContext], client_context: ssl.SSLContext) -> Ends:
    if request.param == "ws":
        return Ends(None, {}, {})
    return Ends(request.param, {"context": versions[request.param]}, {"ssl_context": client_context})


@pytest.fixture(params=["TLSv1.2", "TLSv1.3"])
def tls(request: Any, versions: Dict[str, ssl.SSLContext]) -> ssl.SSLContext:
    return versions[request.param]


def last_words(peer: Peer) -> bytes:
    """Ends the server's half of TCP, as a server does that has read our close frame; what we then still say."""
    socket.socket.shutdown(peer.raw, socket.SHUT_WR)
    return peer.until_end()


# -- control frames ------------------------------------------------------------------------------------


def test_pings_are_answered_in_order_with_their_payloads_amid_data(ends: Ends) -> None:
    stream = [
        frame(TEXT, "1"),
        frame(PING, "p1"),
        frame(PONG, "nobody asked"),
        frame(TEXT, "2", fin=False),
        frame(PING),
        frame(CONTINUATION, " and ", fin=False),
        frame(PING, b"\xff" * 125),
        frame(PONG, "p7"),
        frame(CONTINUATION, "3"),
        frame(BINARY, "4"),
        *[frame(PING, f"{number}") for number in range(300)],
        frame(TEXT, "5"),
    ]
    pongs: List[Any] = []

    def script(peer: Peer) -> None:
        peer.upgrade()
        if ends.version is not None:
            assert cast(ssl.SSLSocket, peer.raw).version() == ends.version
        peer.raw.sendall(b"".join(stream))
        pongs.extend(peer.receive() for _ in range(303))
        peer.send(TEXT, "all answered")
        peer.until_end()

    pongs_before: List[int] = []
    running: Running
    with Server(script, **ends.server) as server:
        running = Running(server.url, **ends.client, on_message=lambda _: pongs_before.append(len(running.pongs.items)))
        with running:
            messages = running.wait(5)
    assert messages == [
        (b"1", False),
        (b"2 and 3", False),
        (b"4", True),
        (b"5", False),
        (b"all answered", False),
    ]
    assert running.pongs.items == [b"nobody asked", b"p7"]
    assert pongs_before == [0, 2, 2, 2, 2], "each thing in its turn"
    assert pongs == [(PONG, payload) for payload in (b"p1", b"", b"\xff" * 125, *(b"%d" % n for n in range(300)))]


def test_nothing_follows_our_close_frame_not_even_a_pong(ends: Ends) -> None:
    received: List[Any] = []

    def script(peer: Peer) -> None:
        peer.upgrade().send(TEXT, "go")
        received.append(peer.receive())
        peer.raw.sendall(frame(PING, "p") + frame(TEXT, "late") + frame(CLOSE, struct.pack("!H", 1000)))
        received.append(peer.until_end())

    with Server(script, **ends.server) as server:
        with Running(server.url, **ends.client) as running:
            running.wait()
            running.connection.close()
            ending = running.ending()
        assert server.finished.acquire(timeout=PATIENCE)
    assert received == [(CLOSE, struct.pack("!H", 1000)), b""]
    assert ending.reason == "closed"
    assert running.messages.items == [(b"go", False), (b"late", False)]


# -- what the peer sees --------------------------------------------------------------------------------


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


LIMIT = 1000
VIOLATIONS: List[Tuple[str, bytes, int]] = [
    ("masked text", b"\x81\x82\x01\x02\x03\x04ab", 1002),
    ("masked ping", b"\x89\x80\x01\x02\x03\x04", 1002),
    *[(f"reserved bits {bits}", bytes([0x81 | bits << 4, 1]) + b"x", 1002) for bits in (1, 2, 4, 7)],
    ("reserved bit of a ping", b"\xc9\x00", 1002),
    *[(f"opcode {opcode}", bytes([0x80 | opcode, 0]), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)],
    ("a ping in fragments", b"\x09\x01x", 1002),
    ("a pong in fragments", b"\x0a\x00", 1002),
    ("a close frame in fragments", b"\x08\x02\x03\xe8", 1002),
    ("a ping of 126 bytes", frame(PING, "x" * 126), 1002),
    ("a close frame of 126 bytes", frame(CLOSE, b"\x03\xe8" + b"x" * 124), 1002),
    ("a continuation of nothing", frame(CONTINUATION, "x"), 1002),
    ("a message inside another", frame(TEXT, "x", fin=False) + frame(TEXT, "y"), 1002),
    ("a close frame of one byte", frame(CLOSE, "x"), 1002),
    *[(f"the close code {code}", close(code), 1002) for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)],
    ("a close reason that is no text", close(1000, b"\xff"), 1007),
    ("fragments that are no text", frame(TEXT, b"\xc3", fin=False) + frame(CONTINUATION, b"\x28"), 1007),
    ("fragments that end in a character", frame(TEXT, b"x", fin=False) + frame(CONTINUATION, b"\xe2\x82"), 1007),
    ("a surrogate in fragments", frame(TEXT, b"\xed", fin=False) + frame(CONTINUATION, b"\xa0\x80"), 1007),
    ("a long text", frame(TEXT, "x" * (LIMIT + 1)), 1009),
    ("the header of a long text alone", frame(TEXT, "x" * (LIMIT + 1))[:4], 1009),
    ("the header of an endless message alone", b"\x82\x7f" + b"\x7f" + b"\xff" * 7, 1009),
    ("long fragments", frame(BINARY, "x" * LIMIT, fin=False) + frame(PONG) + frame(CONTINUATION, "y"), 1009),
]


def test_violations_are_told_with_their_close_codes(ends: Ends) -> None:
    cases = iter(VIOLATIONS)
    seen: List[Any] = []

    def script(peer: Peer) -> None:
        name, data, _ = next(cases)
        peer.upgrade().raw.sendall(frame(TEXT, "good") + data)
        opcode, payload = peer.receive()
        seen.append((name, data, int.from_bytes(payload, "big")))
        assert (opcode, last_words(peer)) == (CLOSE, b""), name

    with Server(script, **ends.server) as server:
        for name, _, _ in VIOLATIONS:
            with Running(server.url, **ends.client, max_message_size=LIMIT) as running:
                ending = running.ending()
            assert (ending.error, ending.code) == (None, None), name
            assert "broke the WebSocket protocol" in ending.reason, name
            assert running.messages.items == [(b"good", False)], name
            assert server.finished.acquire(timeout=PATIENCE)
    assert seen == VIOLATIONS


def test_fail_tells_its_close_code(ends: Ends) -> None:
    seen: List[Any] = []

    def script(peer: Peer) -> None:
        peer.upgrade().raw.sendall(frame(TEXT, "good") + frame(TEXT, b"\xff"))
        seen.extend([peer.receive(), last_words(peer)])

    def check(payload: bytes) -> None:
        if payload == b"\xff":
            running.connection.fail(1007, "no text")

    running: Running
    with Server(script, **ends.server) as server:
        running = Running(server.url, **ends.client, on_message=check)
        with running:
            ending = running.ending()
        assert server.finished.acquire(timeout=PATIENCE)
    assert seen == [(CLOSE, struct.pack("!H", 1007)), b""]
    assert ending.reason == "the peer broke the WebSocket protocol: no text"
    assert ending.code is None


def test_the_peers_close_is_echoed_with_its_code_once(ends: Ends) -> None:
    codes_sent: List[Optional[int]] = [None, 1000, 1001, 1002, 1003, 1007, 1011, 1012, 1014, 3000, 4999]
    cases = iter(codes_sent)
    seen: List[Any] = []

    def script(peer: Peer) -> None:
        code = next(cases)
        peer.upgrade().raw.sendall(frame(CLOSE) if code is None else close(code, "tsch\u00fcss".encode()))
        seen.append((peer.receive(), peer.until_end()))

    with Server(script, **ends.server) as server:
        for code in codes_sent:
            with Running(server.url, **ends.client) as running:
                ending = running.ending()
            assert (ending.code, ending.error) == (code, None)
            assert code is None or ending.reason.endswith(f"code {code}: tsch\u00fcss")
            assert server.finished.acquire(timeout=PATIENCE)
    assert seen == [((CLOSE, b"" if code is None else struct.pack("!H", code)), b"") for code in codes_sent]


# -- ends ----------------------------------------------------------------------------------------------


def test_all_that_came_before_the_close_frame_in_the_same_read_is_delivered(ends: Ends) -> None:
    count = 2000
    frames = [frame(BINARY if number % 5 == 0 else TEXT, str(number)) for number in range(count)]
    answers: List[Any] = []

    def script(peer: Peer) -> None:
        peer.upgrade().raw.sendall(b"".join(frames) + close(1012, b"restart") + frame(TEXT, "never"))
        answers.extend([peer.receive(), peer.until_end()])

    with Server(script, **ends.server) as server:
        with Running(server.url, **ends.client) as running:
            ending = running.ending()
        assert server.finished.acquire(timeout=PATIENCE)
    assert running.messages.items == [(str(number).encode(), number % 5 == 0) for number in range(count)]
    assert ending.code == 1012
    assert answers == [(CLOSE, struct.pack("!H", 1012)), b""]


def test_a_peer_that_ends_its_half_of_the_connection_is_heard_to_the_end_and_left(ends: Ends) -> None:
    rest: List[bytes] = []

    def script(peer: Peer) -> None:
        peer.upgrade().raw.sendall(frame(TEXT, "x" * 5000) * 40 + frame(TEXT, "cut")[:3])
        socket.socket.shutdown(peer.raw, socket.SHUT_WR)  # TLS's goodbye is left out
        rest.append(peer.until_end())

    with Server(script, **ends.server) as server:
        with Running(server.url, **ends.client) as running:
            ending = running.ending()
        assert server.finished.acquire(timeout=PATIENCE)
    assert running.messages.items == [(b"x" * 5000, False)] * 40
    assert ending.reason == "the peer closed the connection without a close frame"
    assert (ending.code, ending.error, rest) == (None, None, [b""])


def test_a_peer_that_stops_reading_is_still_read(ends: Ends) -> None:
    go_on = threading.Event()

    def script(peer: Peer) -> None:
        peer.upgrade()
        socket.socket.shutdown(peer.raw, socket.SHUT_RD)
        peer.send(TEXT, "1")
        assert go_on.wait(PATIENCE)
        peer.send(TEXT, "2")

    with Server(script, **ends.server) as server, Running(server.url, **ends.client) as running:
        running.wait()
        go_on.set()
        assert running.wait(2) == [(b"1", False), (b"2", False)]
        assert running.ending().reason == "the peer closed the connection without a close frame"


def with_records(context: ssl.SSLContext, script: Callable[[Peer, Records], Any]) -> Server:
    """A server whose script makes the TLS records itself."""

    def run(peer: Peer) -> None:
        records = Records(peer.raw, context)
        script(Peer(cast(Any, records)), records)

    return Server(run)


def secure(server: Server) -> str:
    return f"wss://127.0.0.1:{server.port}/path"


def test_data_and_the_end_of_tls_in_one_segment(tls: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    """The peer then waits for our end of TLS, or of TCP; we must not wait for its."""

    def script(peer: Peer, records: Records) -> None:
        peer.upgrade()
        records.raw.sendall(records.encrypt(frame(TEXT, "1")) + records.encrypt(frame(TEXT, "2")) + records.farewell())
        Peer(records.raw).until_end()

    with with_records(tls, script) as server, Running(secure(server), ssl_context=client_context) as running:
        assert running.wait(2) == [(b"1", False), (b"2", False)]
        ending = running.ending(2.0)
    assert ending.reason == "the peer closed the connection without a close frame"


def test_the_end_of_tls_alone_and_in_pieces(tls: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    go_on = threading.Event()

    def script(peer: Peer, records: Records) -> None:
        peer.upgrade().send(TEXT, "1")
        assert go_on.wait(PATIENCE)
        for byte in records.farewell():
            records.raw.sendall(bytes([byte]))
        Peer(records.raw).until_end()

    with with_records(tls, script) as server, Running(secure(server), ssl_context=client_context) as running:
        running.wait()
        go_on.set()
        ending = running.ending(2.0)
    assert running.messages.items == [(b"1", False)]
    assert ending.reason == "the peer closed the connection without a close frame"


def test_an_end_inside_a_tls_record(tls: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    def script(peer: Peer, records: Records) -> None:
        peer.upgrade()
        records.raw.sendall(records.encrypt(frame(TEXT, "1")) + records.encrypt(frame(TEXT, "2"))[:-1])
        socket.socket.shutdown(records.raw, socket.SHUT_WR)
        Peer(records.raw).until_end()

    with with_records(tls, script) as server, Running(secure(server), ssl_context=client_context) as running:
        ending = running.ending(2.0)
    assert running.messages.items == [(b"1", False)]
    assert ending.reason == "the peer closed the connection without a close frame"


def corrupted(record: bytes) -> bytes:
    return record[:-1] + bytes([record[-1] ^ 1])


def test_messages_before_a_corrupted_record_are_delivered_and_none_behind_it(
    tls: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    alerts: List[str] = []

    def script(peer: Peer, records: Records) -> None:
        peer.upgrade()
        good = b"".join(records.encrypt(frame(TEXT, str(number))) for number in range(20))
        bad = corrupted(records.encrypt(frame(TEXT, "bad")))
        records.raw.sendall(good + bad + records.encrypt(frame(TEXT, "behind")))
        try:
            records.recv(1)
        except ssl.SSLError as error:
            alerts.append(error.reason)
        Peer(records.raw).until_end()

    with with_records(tls, script) as server:
        with Running(secure(server), ssl_context=client_context) as running:
            assert running.wait(20) == [(str(number).encode(), False) for number in range(20)]
            ending = running.ending(2.0)
        assert server.finished.acquire(timeout=PATIENCE)
    assert ending.reason.startswith("the connection broke: ")
    assert len(running.messages.items) == 20
    assert len(alerts) == 1 and "BAD_RECORD_MAC" in alerts[0], "the peer is told, by TLS itself"


# -- cuts ----------------------------------------------------------------------------------------------


class Dribble(socket.socket):
    """Gives out no more than the next of ``sizes`` in one read."""

    sizes: Iterator[int] = itertools.repeat(65536)

    def recv(self, size: int, flags: int = 0) -> bytes:
        return super().recv(min(size, next(self.sizes)), flags)


@contextlib.contextmanager
def wire_and_records(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext, sizes: Optional[Iterable[int]] = None
) -> Iterator[Tuple[TlsWire, Records]]:
    near, far = socket.socketpair()
    with far, Dribble(fileno=near.detach()) as raw:
        far.settimeout(PATIENCE)
        raw.sizes = iter(sizes) if sizes is not None else itertools.repeat(65536)
        accepting = Background(Records, far, server_context)
        wire = TlsWire(raw, client_context, "127.0.0.1", monotonic() + PATIENCE)
        yield wire, accepting.result()


@pytest.mark.parametrize("ending", ["farewell", "end of TCP"])
def test_tls_records_cut_anywhere(tls: ssl.SSLContext, client_context: ssl.SSLContext, ending: str) -> None:
    chance = random.Random(7)
    for size in [1, 2, 3, 5, 6, 7, 16, 17, 21, 22, 23, 29, 100, 1000, 16384, 16406, 65536, 0]:
        # The last of the long ones takes two records. 0: cuts of any size.
        lengths = [1, 2, 30, 3, 200, 1, 16] + ([16384, 1, 16383, 20000] if size == 0 or size > 20 else [])
        plain = [chance.randbytes(length) for length in lengths]
        sizes = itertools.repeat(size) if size else iter(lambda: chance.choice([1, 4, 5, 6, 60, 16000]), None)
        with wire_and_records(tls, client_context, sizes) as (wire, records):
            data = b"".join(map(records.encrypt, plain)) + (records.farewell() if ending == "farewell" else b"")

            def send(records: Records = records, data: bytes = data) -> None:
                records.raw.sendall(data)
                if ending == "end of TCP":
                    records.raw.shutdown(socket.SHUT_WR)

            sending = Background(send)
            assert b"".join(iter(wire.read, b"")) == b"".join(plain), size
            assert wire.read() == b"", "an end stays an end"
            sending.result()


def test_many_records_come_with_one_read(tls: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    with wire_and_records(tls, client_context) as (wire, records):
        plain = [b"%d" % number for number in range(500)]
        records.raw.sendall(b"".join(map(records.encrypt, plain)))
        assert wire.read() == b"".join(plain)


def test_a_record_is_given_out_whole_and_does_not_wait_for_the_next(
    tls: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    with wire_and_records(tls, client_context) as (wire, records):
        for size in (1, 16383, 16384, 16385, 40000):
            records.raw.sendall(records.encrypt(b"x" * size))
            read = b""
            while len(read) < size:
                read += wire.read()  # the wire has a deadline
            assert read == b"x" * size


def test_what_was_decrypted_is_given_out_also_where_tls_cannot_answer(
    tls: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    """A corrupted record makes TLS send an alert, and the peer is gone: the messages before it came all the same."""
    with wire_and_records(tls, client_context) as (wire, records):
        good = [b"%d" % number for number in range(3)]
        records.raw.sendall(b"".join(map(records.encrypt, good)) + corrupted(records.encrypt(b"bad")))
        records.raw.close()
        assert wire.read() == b"012"
        with pytest.raises((ssl.SSLError, NotSent)):
            wire.read()


def numbered(count: int) -> Tuple[List[bytes], List[Tuple[bytes, bool]]]:
    """Frames of many sizes, some in fragments with pings between, and the messages in them."""
    chance = random.Random(count)
    frames, messages = [], []
    for number in range(count):
        text = f"{number}:" + "\u20ac" * chance.choice([0, 0, 1, 7, 42, 100])
        payload = text.encode()
        if number % 4:
            frames.append(frame(TEXT, payload))
        else:
            place = chance.randrange(len(payload) + 1)
            frames.append(
                frame(TEXT, payload[:place], fin=False) + frame(PING, str(number)) + frame(CONTINUATION, payload[place:])
            )
        messages.append((payload, False))
    return frames, messages


def test_a_stream_that_is_cut_anew_on_its_way(ends: Ends) -> None:
    for longest in (1, 50, 2000):
        cut_anew(ends, longest, 60 if longest == 1 else 400)


def cut_anew(ends: Ends, longest: int, count: int) -> None:
    frames, messages = numbered(count)
    chance = random.Random(longest)
    pongs: List[Any] = []

    def script(peer: Peer) -> None:
        peer.upgrade()
        data = b"".join(frames)
        while data:  # records that have nothing to do with the frames
            size = random.Random(len(data)).randrange(1, 500)
            peer.raw.sendall(data[:size])
            data = data[size:]
        pongs.extend(peer.receive() for _ in range(0, count, 4))
        peer.raw.sendall(close(1000))
        peer.until_end()

    sizes = iter(lambda: chance.randrange(1, longest + 1), None)
    with Server(script, **ends.server) as server, Server(relay(server.port, sizes)) as between:
        with Running(server.url.replace(str(server.port), str(between.port)), **ends.client) as running:
            assert running.ending().code == 1000, longest
    assert running.messages.items == messages, longest
    assert pongs == [(PONG, b"%d" % number) for number in range(0, count, 4)], longest


def test_data_in_the_segment_of_the_handshakes_answer(tls: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    frames, messages = numbered(40)
    frames.append(close(1001))
    whole = b"".join(frames)
    ways: Dict[str, Callable[[Records, bytes], List[bytes]]] = {
        "one record": lambda records, answer: [records.encrypt(answer + whole)],
        "records of their own": lambda records, answer: [b"".join(map(records.encrypt, [answer, *frames]))],
        "half a frame": lambda records, answer: [records.encrypt(answer + whole[:1]), records.encrypt(whole[1:])],
        "half a record": lambda records, answer: cut_once(records.encrypt(answer) + records.encrypt(whole), -9),
    }
    way = iter(ways.values())

    def script(peer: Peer, records: Records) -> None:
        peer.read_head()
        for segment in next(way)(records, peer.handshake_answer()):
            records.raw.sendall(segment)
        peer.until_end()

    with with_records(tls, script) as server:
        for name in ways:
            with Running(secure(server), ssl_context=client_context) as running:
                assert running.ending().code == 1001, name
            assert running.messages.items == messages, name


def cut_once(data: bytes, place: int) -> List[bytes]:
    return [data[:place], data[place:]]


# -- sizes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [1, 5])
def test_a_message_of_16_mib(tls: ssl.SSLContext, client_context: ssl.SSLContext, parts: int) -> None:
    payload = random.Random(parts).randbytes(65536) * 256
    size = -(-len(payload) // parts)
    pieces = [payload[at : at + size] for at in range(0, len(payload), size)]
    received: List[int] = []

    def script(peer: Peer) -> None:
        peer.upgrade()
        for number, piece in enumerate(pieces):
            peer.send(CONTINUATION if number else BINARY, piece, number == len(pieces) - 1)
            peer.send(PING, str(number))
        received.extend(int(peer.receive()[1]) for _ in pieces)
        peer.send(TEXT, "next")
        peer.until_end()

    with Server(script, tls) as server:
        with Running(server.url, ssl_context=client_context, max_message_size=16 * MIB) as running:
            messages = running.wait(2)
    assert [len(message) for message, _ in messages] == [16 * MIB, 4]
    assert messages == [(payload, True), (b"next", False)]
    assert received == list(range(parts))


# -- key updates ---------------------------------------------------------------------------------------


class OpensslServer:
    """``openssl s_server``, which can be told to change TLS 1.3's keys; Python's ssl module cannot."""

    def __init__(self, program: str, certificate: str) -> None:
        self._process = subprocess.Popen(
            [program, "s_server", "-accept", "127.0.0.1:0", "-cert", certificate, "-tls1_3", "-naccept", "1", "-msg"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._output = b""
        self.log = b""
        """All that the server has said, once it has ended."""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, name="test-openssl", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while True:
            data = os.read(self._process.stdout.fileno(), 65536)
            self.log += data
            with self._changed:
                self._output += data or b"<the end>"
                self._changed.notify_all()
            if not data:
                return

    def wait_for(self, pattern: bytes) -> "re.Match[bytes]":
        """The first place in the output like this; the output up to its end is then forgotten."""

        def found() -> bool:
            matches.append(re.search(pattern, self._output, re.DOTALL))
            return matches[-1] is not None or self._output.endswith(b"<the end>")

        matches: List[Any] = []
        with self._changed:
            self._changed.wait_for(found, PATIENCE)
            match = matches[-1]
            assert match is not None, f"no {pattern!r} in {self._output!r}"
            self._output = self._output[match.end() :]
        return cast("re.Match[bytes]", match)

    def write(self, data: bytes) -> None:
        """To the client; or a command, where it begins with such a letter."""
        assert self._process.stdin is not None
        os.write(self._process.stdin.fileno(), data)

    def __enter__(self) -> "OpensslServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()


def unmask(data: bytes) -> bytes:
    """The text of a short frame of ours."""
    assert data[0] == 0x80 | TEXT and len(data) == 6 + data[1] % 128
    return bytes(byte ^ data[2 + place % 4] for place, byte in enumerate(data[6:]))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the program openssl, whose server can change keys, is missing")
def test_key_updates_of_the_peer(authority: trustme.CA, client_context: ssl.SSLContext, tmp_path: Any) -> None:
    program = cast(str, shutil.which("openssl"))
    if not re.match(r"OpenSSL (1\.1\.1|[3-9])", subprocess.run([program, "version"], stdout=subprocess.PIPE).stdout.decode()):
        pytest.skip("this openssl has no TLS 1.3")
    certificate = tmp_path / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    with OpensslServer(program, str(certificate)) as server:
        port = int(server.wait_for(rb"ACCEPT [0-9.:]*:(\d+)\r?\n")[1])
        with Running(f"wss://127.0.0.1:{port}/path", ssl_context=client_context) as running:
            head = server.wait_for(rb"(GET /path.*?)\r?\n\r?\n")[1]
            peer = Peer(cast(Any, None))
            key = re.search(rb"Sec-WebSocket-Key: (\S+)", head)
            assert key is not None
            peer.headers = {"sec-websocket-key": key[1].decode()}
            server.write(peer.handshake_answer())
            running.open()
            for turn, command in enumerate([b"k", b"K", b"K", b"k", b"K"]):  # K: "and change yours, too"
                server.write(frame(TEXT, f"before {turn}"))
                running.wait(2 * turn + 1)
                server.write(command + b"\n")
                # Whether with old keys or new ones of ours: the server reads it, once it has done that command.
                running.connection.send("x" * 20, 1.0)
                assert unmask(server.wait_for(rb"\x81\x94.{24}")[0]) == b"x" * 20
                server.write(frame(TEXT, f"after {turn}"))
                assert running.wait(2 * turn + 2)[-1] == (f"after {turn}".encode(), False)
                running.connection.send("y" * 20, 1.0)  # with the new ones
                assert unmask(server.wait_for(rb"\x81\x94.{24}")[0]) == b"y" * 20
            assert [payload for payload, _ in running.messages.items] == [
                f"{when} {turn}".encode() for turn in range(5) for when in ("before", "after")
            ]
    assert server.log.count(b"], KeyUpdate") == 5 + 3, "five of the server's, and our three answers"


def test_when_all_that_had_come_was_read_and_seen_to() -> None:
    """As far as can be told: a full read may have left as much as the socket's buffer holds."""

    class Raw:
        full, rest = bytes(65536), b"short"

        def __init__(self) -> None:
            self.coming: List[bytes] = []

        def recv(self, size: int) -> bytes:
            return self.coming.pop(0)

        def getsockopt(self, *_: int) -> int:
            return 2 * 65536

        send = None

    raw = Raw()
    wire = Wire(cast(Any, raw))
    read_at, caught_up = [wire.last_read], []
    raw.coming = [raw.rest, raw.rest, raw.full, raw.full, raw.full, raw.full, raw.rest, raw.full, raw.rest, raw.rest]
    while raw.coming:
        wire.read()
        caught_up.append(read_at.index(wire.caught_up))
        while monotonic() == wire.last_read:
            pass  # each has a time of its own
        read_at.append(wire.last_read)
    assert caught_up == [0, 1, 2, 2, 2, 3, 3, 7, 7, 9]
