"""Writing on real sockets: never waiting, no frame twice or cut, however little the kernel takes and whatever interrupts it."""

from __future__ import annotations

import contextlib
import dis
import errno
import functools
import os
import random
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from typing import Any, Callable, Dict, Iterator, List, Optional, Set, Tuple, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbxsdk.runtime.clock import monotonic
from dbxsdk.transport import NotSent, SendFailed, tls as over_tls, wire as wires
from dbxsdk.transport.frames import CLOSE, PING, PONG, TEXT, encode
from dbxsdk.transport.tls import TlsWire
from dbxsdk.transport.wire import Wire
from tests.transport.running import Running
from tests.transport.servers import Peer, Records, Server, frame
from tests.transport.test_reading import OpensslServer, unmask
from tests.waiting import PATIENCE, Background, eventually

SMALL = 4096
"""Bytes of a socket's buffer, before the system doubles them."""


class Pair:
    """A wire and its peer's end, which reads nothing until ``frames`` is called."""

    def __init__(self, wire: Wire, far: Any) -> None:
        self.wire = wire
        self._far = far

    def hear(self) -> "Background":
        """Read everything to the end, on a thread; its result are the frames."""
        return Background(self.frames)

    def frames(self) -> List[Tuple[int, bytes]]:
        """All whole frames as far as the end of the stream; fails if there are bytes behind them."""
        peer, found = Peer(self._far), []
        with contextlib.suppress(EOFError, OSError):
            while True:
                found.append(peer.receive())
        assert peer._buffer == b"" or self.wire._broken, "half a frame"
        return found

    def end(self) -> None:
        """Let the peer read what has left, and no more."""
        socket.socket.shutdown(self.wire._raw, socket.SHUT_WR)


@contextlib.contextmanager
def paired(tls: bool, server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> Iterator[Pair]:
    near, far = socket.socketpair()
    with near, far:
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        far.settimeout(PATIENCE)
        if tls:
            accepting = Background(Records, far, server_context)
            wire: Wire = TlsWire(near, client_context, "127.0.0.1", monotonic() + PATIENCE)
            yield Pair(wire, accepting.result())
        else:
            yield Pair(Wire(near), far)


Pairs = Callable[[], Any]


@pytest.fixture(params=["plain", "tls"])
def pairs(request: Any, server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> Pairs:
    return lambda: paired(request.param == "tls", server_context, client_context)


@pytest.fixture
def pair(pairs: Pairs) -> Iterator[Pair]:
    with pairs() as made:
        yield made


def text(number: int, size: int = 0) -> bytes:
    return encode(TEXT, b"%d " % number + b"x" * size)


def numbers(frames: List[Tuple[int, bytes]]) -> List[int]:
    return [int(payload.split()[0]) for _, payload in frames]


# -- interruptions -------------------------------------------------------------------------------------


class Interruption(BaseException):
    """Raised by a signal handler."""


class TimeIsUp(TimeoutError):
    """What many handlers of SIGALRM raise: an ``OSError``, as the kernel's own errors are."""


IN_WIRE = (wires.__file__, over_tls.__file__)


@contextlib.contextmanager
def alarms(error: type) -> Iterator[Callable[[], None]]:
    """``SIGALRM`` raises ``error`` when it comes by in the wire's code. Yields what sets the timer."""

    def handler(number: int, interrupted: Any) -> None:
        # Not in what the wire calls: what is raised in a callback of the garbage collector's is lost.
        if interrupted.f_code.co_filename in IN_WIRE:
            raise error
        arm()

    def arm() -> None:
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.00001, 0.0003), 0.001)

    chance = random.Random(1)
    before = signal.signal(signal.SIGALRM, handler)
    try:
        yield arm
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such timer here")
@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 itself may leave a lock of ``with`` locked: bpo-29988")
@pytest.mark.parametrize("error", [Interruption, TimeIsUp])
@pytest.mark.parametrize("size", [0, 3000])
def test_a_signal_handler_that_raises_leaves_whole_frames_and_no_lock(pair: Pair, error: type, size: int) -> None:
    hearing, wire = pair.hear(), pair.wire
    sent: Set[int] = set()
    number = interruptions = 0
    until = monotonic() + 1.5
    with alarms(error) as arm:
        while interruptions < 400 and monotonic() < until:
            arm()
            try:
                while monotonic() < until:
                    number += 1
                    while not wire.offer(text(number, size)):
                        pass
                    sent.add(number)
            except error:
                interruptions += 1
    assert interruptions > 50
    after = Background(lambda: [wire.offer(text(0)) or wire.push() for _ in range(3)])
    after.result(1.0)
    eventually(wire.push, 1.0)
    pair.end()
    heard = numbers(hearing.result())
    whole = [each for each in heard if each]
    assert whole == sorted(set(whole)), "none twice, all in order"
    assert sent <= set(whole), "what was taken has left"
    assert set(whole) - sent <= set(range(1, number + 1))
    Background(wire.release).result(1.0)


def _after_calls(code: Any) -> Set[int]:
    """The places behind a call, and those where a function begins: where Python looks for signals. What a handler raises there
    is raised by the call; so not those that have another end of a ``with`` or ``try`` than it has."""

    def handler(offset: int) -> Optional[int]:
        return next((each.target for each in entries if each.start <= offset < each.end), None)

    entries = dis.Bytecode(code).exception_entries
    found, call = set(), 0
    for each in dis.get_instructions(code):
        if call is not None and handler(call) == handler(each.offset):
            found.add(each.offset)
        call = each.offset if each.opname.startswith("CALL") or each.opname == "RESUME" else cast(Any, None)
    return found


class Injector:
    """Raises at the ``nth`` place of the wire's code where a signal handler may run."""

    def __init__(self, nth: int) -> None:
        self.left = nth
        self._places: Dict[Any, Set[int]] = {}

    def __call__(self, at: Any, event: str, _: Any) -> Any:
        if at.f_code.co_filename not in IN_WIRE:
            return None
        at.f_trace_opcodes, at.f_trace_lines = True, False
        if at.f_code not in self._places:
            self._places[at.f_code] = _after_calls(at.f_code)
        if event == "opcode" and at.f_lasti in self._places[at.f_code]:
            self.left -= 1
            if self.left == 0:
                raise Interruption
        return self

    def run(self, action: Callable[[], Any]) -> bool:
        """True if it was interrupted."""
        before = sys.gettrace()
        sys.settrace(self)
        try:
            action()
            return False
        except Interruption:
            return True
        finally:
            sys.settrace(before)


def _offer_and_push(wire: Wire, data: bytes, taken: List[bool]) -> None:
    taken.append(wire.offer(data))
    wire.push()


def test_a_frame_that_was_interrupted_before_it_left_is_not_sent_later(pair: Pair) -> None:
    """Its caller has given it up. Of TLS it must leave, and does at once."""
    wire, hearing = pair.wire, pair.hear()
    send = wire._send

    def interrupted(data: Any, flags: int) -> int:
        wire._send = send
        raise Interruption

    wire._send = cast(Any, interrupted)
    with pytest.raises(Interruption):
        wire.offer(text(1))
    assert wire.stuck_since is None
    assert wire.offer(text(2)) and wire.push()
    assert numbers(_ended(pair, hearing)) == ([1, 2] if isinstance(wire, TlsWire) else [2])


@pytest.mark.skipif(sys.version_info < (3, 11), reason="its code has no table of what ends where")
@pytest.mark.parametrize("room", [1 << 20, 100, 0])
@pytest.mark.parametrize("size", [10, 40_000])
def test_an_interruption_at_every_place_of_an_offer(pairs: Pairs, room: int, size: int) -> None:
    """``room`` is what the kernel takes before the interruption."""
    for nth in range(1, 100):
        with pairs() as pair:
            wire, hearing = pair.wire, pair.hear()
            assert wire.offer(text(1)) and wire.push()
            send, left = wire._send, [room]

            def limited(data: Any, flags: int, send: Any = send, left: List[int] = left) -> int:
                if not left[0]:
                    raise BlockingIOError(errno.EAGAIN, "no room")
                taken: int = send(memoryview(data)[: left[0]], flags)
                left[0] -= taken
                return taken

            wire._send = cast(Any, limited)
            taken: List[bool] = []
            interrupted = Injector(nth).run(functools.partial(_offer_and_push, wire, text(2, size), taken))
            wire._send = send
            broken = False
            try:
                eventually(wire.push, 1.0)
                assert wire.offer(text(3))
                eventually(wire.push, 1.0)
            except (NotSent, SendFailed) as error:
                broken = True
                assert isinstance(wire, TlsWire) and size > 16384, error
            if not broken:
                pair.end()
            heard = numbers(hearing.result())
            wire.release()
            whole = [1, 2] if taken or 2 in heard else [1]
            assert heard == (whole if broken else [*whole, 3]), nth
            if not interrupted:
                return
    raise AssertionError("there is no end of it")


# -- little room ---------------------------------------------------------------------------------------


def refusing(error: int) -> Callable[..., int]:
    def refuse(data: Any, flags: int) -> int:
        raise OSError(error, os.strerror(error))

    return refuse


Step = Tuple[str, Any]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.integers(0, 40_000)),
        st.tuples(st.just("push"), st.none()),
        st.tuples(st.just("ping"), st.none()),
        st.tuples(st.just("room"), st.integers(1, 30_000)),
        st.tuples(st.just("memory"), st.sampled_from([errno.ENOBUFS, errno.ENOMEM])),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, breaks=st.booleans())
def test_whatever_the_kernel_takes_frames_leave_whole_and_in_order(pairs: Pairs, steps: List[Step], breaks: bool) -> None:
    with pairs() as pair:
        wire, hearing = pair.wire, pair.hear()
        send, room, out_of_memory = wire._send, [0], [0]

        def kernel(data: Any, flags: int) -> int:
            if out_of_memory[0]:
                number, out_of_memory[0] = out_of_memory[0], 0
                raise OSError(number, os.strerror(number))
            if not room[0]:
                raise BlockingIOError(errno.EAGAIN, "no room")
            taken: int = send(memoryview(data)[: room[0]], flags)
            room[0] -= taken
            return taken

        wire._send = cast(Any, kernel)
        taken: List[int] = []
        number = 0
        for step, argument in steps:
            stuck = wire.stuck_since
            if step == "offer":
                number += 1
                try:
                    if wire.offer(text(number, argument)):
                        taken.append(number)
                    else:
                        assert stuck is not None and wire.stuck_since is not None
                except NotSent as error:
                    assert not error.broken and not isinstance(wire, TlsWire)
                    assert wire.stuck_since is None
            elif step == "push":
                assert wire.push() is (wire.stuck_since is None)
            elif step == "room":
                room[0] += argument
            elif step == "memory":
                out_of_memory[0] = argument
        if breaks:
            cut = wire.stuck_since is not None
            wire._send = cast(Any, refusing(errno.ECONNRESET))
            with pytest.raises(NotSent) as raised:
                wire.offer(text(number + 1))
            assert raised.value.broken
            with pytest.raises(NotSent):
                wire.offer(text(number + 2))
            assert wire.push() and wire.stuck_since is None
            heard = numbers(hearing.result()) if cut or isinstance(wire, TlsWire) else numbers(_ended(pair, hearing))
            assert heard == taken[: len(heard)] and len(heard) >= len(taken) - 1
        else:
            wire._send = send
            eventually(wire.push)
            assert numbers(_ended(pair, hearing)) == taken
        wire.release()


def _ended(pair: Pair, hearing: Background) -> List[Tuple[int, bytes]]:
    pair.end()
    return cast(List[Tuple[int, bytes]], hearing.result())


def test_no_memory_for_a_frame(pair: Pair) -> None:
    wire, hearing = pair.wire, pair.hear()
    for error in (errno.ENOBUFS, errno.ENOMEM):
        send, wire._send = wire._send, cast(Any, refusing(error))
        if isinstance(wire, TlsWire):
            assert wire.offer(text(error)), "it is encrypted: it must leave"
            assert wire.stuck_since is not None and not wire.push()
        else:
            with pytest.raises(NotSent) as raised:
                wire.offer(text(error))
            assert not raised.value.broken and wire.stuck_since is None
        wire._send = send
        assert wire.push() and wire.offer(text(error + 1000))
    pair.end()
    both = [error + more for error in (errno.ENOBUFS, errno.ENOMEM) for more in (0, 1000)]
    assert numbers(hearing.result()) == [each for each in both if isinstance(wire, TlsWire) or each > 1000]


def test_a_stream_that_breaks(pair: Pair) -> None:
    wire = pair.wire
    while wire.offer(text(1, 1000)):
        pass
    socket.socket.shutdown(wire._raw, socket.SHUT_RDWR)
    with pytest.raises(SendFailed):
        wire.push()
    assert wire.push() and wire.stuck_since is None, "nothing can leave any more"
    with pytest.raises(NotSent) as raised:
        wire.offer(text(2))
    assert raised.value.broken
    wire.release()
    assert wire.push()
    with pytest.raises(NotSent):
        wire.offer(text(3))


def test_an_earlier_frame_that_breaks_is_not_the_next_ones_fault(pair: Pair) -> None:
    wire = pair.wire
    while wire.offer(text(1, 1000)):
        pass
    socket.socket.shutdown(wire._raw, socket.SHUT_RDWR)
    with pytest.raises(NotSent) as raised:
        wire.offer(text(2))
    assert raised.value.broken


def test_stuck_since_is_the_last_progress(pair: Pair) -> None:
    wire, begun = pair.wire, monotonic()
    assert wire.stuck_since is None
    while wire.offer(text(1, 30_000)):
        pass
    first = wire.stuck_since
    assert first is not None and begun <= first <= monotonic()
    assert not wire.push() and wire.stuck_since == first
    while wire.stuck_since == first:
        getattr(pair._far, "raw", pair._far).recv(65536)
        wire.push()
    assert (wire.stuck_since or monotonic()) > first


@pytest.mark.parametrize("poll", [True, False])
def test_where_the_system_has_no_write_that_does_not_wait(pairs: Pairs, poll: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows."""
    monkeypatch.setattr(wires, "_DONT_WAIT", 0)
    monkeypatch.setattr(wires, "_FLAGS", (0,))
    if not poll:
        monkeypatch.delattr(select, "poll")
    with pairs() as pair:
        wire, count = pair.wire, 0
        wire.deadline = None
        reading = Background(wire.read)
        eventually(lambda: wire.waiting_since)
        begun = monotonic()
        while wire.offer(text(count, 50_000)):
            count += 1
        assert monotonic() - begun < 1.0 and not wire.push()
        hearing = pair.hear()
        eventually(wire.push)
        pair._far.sendall(b"read")
        assert reading.result() == b"read"
        assert wire.offer(text(count))
        eventually(wire.push)
        ending = Background(wire.read)
        assert numbers(_ended(pair, hearing)) == list(range(count + 1))
        wire.shutdown()
        assert ending.result() == b""


def test_nothing_is_taken_behind_the_last(pair: Pair) -> None:
    wire = pair.wire
    wire.write(text(1), 1.0)
    wire.write(text(2), 1.0, last=True)
    with pytest.raises(NotSent):
        wire.offer(text(3))
    pair.end()
    assert numbers(pair.frames()) == [1, 2]


# -- a connection --------------------------------------------------------------------------------------


@pytest.fixture(params=["ws", "wss"])
def tls(request: Any, server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> Dict[str, Any]:
    """The two ends' contexts; nothing where the connection is plain."""
    if request.param == "ws":
        return {"server": {}, "client": {}}
    return {"server": {"context": server_context}, "client": {"ssl_context": client_context}}


class Gated:
    """Upgrades, says ``words``, and reads nothing before ``hear``; then everything, to the end."""

    def __init__(self, words: bytes = b"") -> None:
        self.hear = threading.Event()
        self.frames: List[Tuple[int, bytes]] = []
        self._words = words

    def __call__(self, peer: Peer) -> None:
        peer.upgrade()
        if self._words:
            peer.raw.sendall(self._words)
        assert self.hear.wait(4 * PATIENCE)
        while True:
            self.frames.append(peer.receive())


@contextlib.contextmanager
def gated(tls: Dict[str, Any], words: bytes = b"", **options: Any) -> Iterator[Tuple[Gated, Running]]:
    script = Gated(words)
    with Server(script, small_buffers=True, **tls["server"]) as server:
        with Running(server.url, **tls["client"], **options) as running:
            running.open()
            wire = running.connection._wire
            assert wire is not None
            wire._raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
            try:
                yield script, running
            finally:
                script.hear.set()


def fill(running: Running, size: int = 20_000) -> List[str]:
    """Offer until there is no room. Return what was taken."""
    taken: List[str] = []
    while running.connection.offer(f"{len(taken)} " + "x" * size):
        taken.append(f"{len(taken)} " + "x" * size)
    return taken


def test_offers_to_a_deaf_peer_return_at_once_and_arrive_when_it_reads(tls: Dict[str, Any]) -> None:
    with gated(tls) as (script, running):
        connection = running.connection
        assert connection.stuck_since is None and connection.push()
        taken = fill(running)
        sent = connection.last_sent
        for _ in range(20):
            begun = monotonic()
            assert connection.offer("no room") is False and connection.push() is False
            assert connection.offer("ping", ping=True) is False
            assert monotonic() - begun < 0.05
        assert connection.stuck_since is not None and connection.last_sent == sent
        script.hear.set()
        eventually(connection.push, 4 * PATIENCE)
        assert connection.stuck_since is None
        assert connection.offer("the last")
        eventually(connection.push, 4 * PATIENCE)
        eventually(lambda: len(script.frames) > len(taken), 4 * PATIENCE)
        assert script.frames == [(TEXT, each.encode()) for each in [*taken, "the last"]]


def test_a_ping_offered_brings_its_pong() -> None:
    def script(peer: Peer) -> None:
        peer.upgrade()
        opcode, payload = peer.receive()
        assert opcode == PING
        peer.send(PONG, payload)
        peer.until_end()

    with Server(script) as server, Running(server.url) as running:
        running.open()
        assert running.connection.received_message_at is None
        assert running.connection.offer("7", ping=True)
        assert running.pongs.wait() == [b"7"]
        assert running.connection.received_message_at is not None


class Record:
    """A recording's side of a connection."""

    def __init__(self) -> None:
        self.log: List[Any] = []

    def sent(self, text: str, *, secret: bool = False) -> int:
        self.log.append(text)
        return len(self.log)

    def not_sent(self, number: int) -> None:
        self.log.append(("not sent", number))

    def control(self, direction: str, kind: str, payload: bytes) -> None:
        self.log.append((direction, kind, payload))


def test_what_is_recorded_of_offers(tls: Dict[str, Any]) -> None:
    with gated(tls) as (script, running):
        connection, wire = running.connection, running.connection._wire
        assert wire is not None
        connection.recorded = record = Record()
        assert connection.offer("1") and connection.offer("2", ping=True)
        assert record.log == ["1", ("out", "ping", b"2")]
        # Another thread's frame gets into the way between the look and the offer.
        offer = wire.offer
        wire.offer = lambda data, last=False: False  # type: ignore[method-assign]
        assert not connection.offer("3")
        wire.offer = offer  # type: ignore[method-assign]
        assert record.log[2:] == ["3", ("not sent", 3)]
        taken = fill(running)
        known = len(record.log)
        assert known == 4 + len(taken)
        assert not connection.offer("4") and not connection.offer("5", ping=True)
        assert len(record.log) == known, "what is refused since there is no room is not recorded"
        connection.close()
        with pytest.raises(NotSent):
            connection.offer("6")
        assert [each for each in record.log[known:] if each[1] != "close"] == []
        connection.recorded = None


def test_an_offer_that_breaks_the_stream(tls: Dict[str, Any]) -> None:
    with gated(tls) as (script, running):
        connection, wire = running.connection, running.connection._wire
        assert wire is not None
        connection.recorded = record = Record()
        send, calls = wire._send, iter([100])

        def once(data: Any, flags: int) -> int:
            for size in calls:
                return send(memoryview(data)[:size], flags)
            raise ConnectionResetError(errno.ECONNRESET, "reset")

        wire._send = cast(Any, once)
        with pytest.raises(SendFailed):
            connection.offer("x" * 1000)
        assert connection.stopped and "could not be sent" in running.ending(1.0).reason
        assert record.log == ["x" * 1000], "part of it may have left"
        with pytest.raises(NotSent):
            connection.offer("more")


def test_an_offer_of_which_nothing_left(tls: Dict[str, Any]) -> None:
    with gated(tls) as (script, running):
        connection, wire = running.connection, running.connection._wire
        assert wire is not None
        connection.recorded = record = Record()
        wire._send = cast(Any, refusing(errno.EPIPE))
        with pytest.raises(NotSent) as raised:
            connection.offer("x")
        assert raised.value.broken and record.log == ["x", ("not sent", 1)]


def test_pings_of_a_peer_that_does_not_read_block_nothing_and_pile_up_nowhere(tls: Dict[str, Any]) -> None:
    count = 1500
    pings = [frame(PING, b"%d" % number + b"x" * 100) for number in range(count)]
    with gated(tls, b"".join(pings) + frame(TEXT, "still read")) as (script, running):
        # The peer's words, all of which come before it hears us.
        assert running.messages.wait(1, 4 * PATIENCE) == [(b"still read", False)]
        connection = running.connection
        wire = cast(Any, connection._wire)
        waiting = sum(len(each) for each in wire.rest[:1]) + len(connection._pong or b"")
        if isinstance(wire, TlsWire):
            waiting += wire._outgoing.pending
        assert waiting < 1000
        script.hear.set()
        eventually(connection.push, 4 * PATIENCE)
        eventually(lambda: script.frames and script.frames[-1][1].startswith(b"%dx" % (count - 1)))
        answered = [int(payload.split(b"x")[0]) for opcode, payload in script.frames if opcode == PONG]
        assert len(answered) == len(script.frames) and answered == sorted(set(answered)), "each at most once"


def test_a_pong_waits_for_the_frame_before_it_and_goes_before_the_next(tls: Dict[str, Any]) -> None:
    def script(peer: Peer) -> None:
        peer.upgrade()
        assert stuck.wait(PATIENCE)
        peer.send(PING, "1")
        peer.send(PING, "2")
        peer.send(TEXT, "pinged")
        assert hear.wait(PATIENCE)
        while True:
            frames.append(peer.receive())

    stuck, hear = threading.Event(), threading.Event()
    frames: List[Tuple[int, bytes]] = []
    with Server(script, small_buffers=True, **tls["server"]) as server, Running(server.url, **tls["client"]) as running:
        running.open()
        wire = running.connection._wire
        assert wire is not None
        wire._raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        taken = fill(running)
        stuck.set()
        running.wait()
        assert not running.connection.offer("behind")
        hear.set()
        eventually(lambda: running.connection.offer("behind"))
        eventually(running.connection.push)
        eventually(lambda: frames and frames[-1] == (TEXT, b"behind"))
    assert frames == [*((TEXT, each.encode()) for each in taken), (PONG, b"2"), (TEXT, b"behind")]


def test_close_in_the_middle_of_a_frame_comes_behind_it(tls: Dict[str, Any]) -> None:
    with gated(tls) as (script, running):
        taken = fill(running)
        closing = Background(running.connection.close)
        script.hear.set()
        closing.result(1.0)
        eventually(lambda: script.frames and script.frames[-1][0] == CLOSE)
        assert script.frames[:-1] == [(TEXT, each.encode()) for each in taken]


def test_close_in_the_middle_of_a_frame_to_a_deaf_peer_is_abort(tls: Dict[str, Any]) -> None:
    with gated(tls) as (script, running):
        fill(running)
        begun = monotonic()
        running.connection.close()
        running.ending(1.0)
        assert 0.05 < monotonic() - begun < 0.5
        script.hear.set()
    assert all(opcode == TEXT for opcode, _ in script.frames)


def test_whole_messages_and_pongs_are_what_counts_as_an_answer() -> None:
    go_on = threading.Semaphore(0)

    def script(peer: Peer) -> None:
        peer.upgrade()
        for words in (frame(PING), frame(TEXT, "half", fin=False), frame(TEXT, "x" * 100)[:50], frame(PONG, "p")):
            assert go_on.acquire(timeout=PATIENCE)
            if words[:1] == b"\x8a":
                peer.raw.sendall(frame(0, "whole"))
                assert go_on.acquire(timeout=PATIENCE)
            if len(words) != 50:
                peer.raw.sendall(words)

    with Server(script) as server, Running(server.url) as running:
        connection = running.open().connection
        for _ in range(3):
            received = connection.last_received
            go_on.release()
            assert _ == 2 or eventually(lambda before=received: connection.last_received != before)
            assert connection.received_message_at is None
        go_on.release()
        running.wait()
        message_at = connection.received_message_at
        assert message_at is not None
        go_on.release()
        running.pongs.wait()
        assert cast(float, connection.received_message_at) > message_at


def test_times_of_a_connection_go_by_the_clock_that_counts_while_asleep() -> None:
    with Server(lambda peer: peer.upgrade().until_end()) as server, Running(server.url) as running:
        connection = running.open().connection
        assert connection.offer("x")
        for moment in (connection.last_sent, connection.last_received):
            assert moment is not None and 0 <= monotonic() - moment < PATIENCE
        eventually(lambda: connection.silent_for(monotonic()) > 0)


# -- TLS's own words -----------------------------------------------------------------------------------


class Halfway:
    """Carries bytes to and fro; those of the client only while ``open`` is set."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.open = threading.Event()
        self.open.set()

    def __call__(self, peer: Peer) -> None:
        with socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE) as onward:
            back = threading.Thread(target=self._pump, args=(onward, peer.raw, None), name="test-halfway", daemon=True)
            back.start()
            self._pump(peer.raw, onward, self.open)
            socket.socket.shutdown(onward, socket.SHUT_RDWR)
            back.join(PATIENCE)

    def _pump(self, source: Any, target: Any, gate: Optional[threading.Event]) -> None:
        with contextlib.suppress(OSError):
            while True:
                data = source.recv(1024)
                if gate is not None:
                    assert gate.wait(PATIENCE)
                if not data:
                    return
                target.sendall(data)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the program openssl, whose server can change keys, is missing")
def test_key_updates_while_a_frame_waits_for_room(
    authority: Any, client_context: ssl.SSLContext, tmp_path: Any
) -> None:
    program = cast(str, shutil.which("openssl"))
    if not re.match(r"OpenSSL (1\.1\.1|[3-9])", subprocess.run([program, "version"], stdout=subprocess.PIPE).stdout.decode()):
        pytest.skip("this openssl has no TLS 1.3")
    certificate = tmp_path / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    with OpensslServer(program, str(certificate)) as server:
        port = int(server.wait_for(rb"ACCEPT [0-9.:]*:(\d+)\r?\n")[1])
        halfway = Halfway(port)
        with Server(halfway, small_buffers=True) as between:
            with Running(f"wss://127.0.0.1:{between.port}/path", ssl_context=client_context) as running:
                head = server.wait_for(rb"(GET /path.*?)\r?\n\r?\n")[1]
                peer = Peer(cast(Any, None))
                key = re.search(rb"Sec-WebSocket-Key: (\S+)", head)
                assert key is not None
                peer.headers = {"sec-websocket-key": key[1].decode()}
                server.write(peer.handshake_answer())
                connection = running.open().connection
                wire = cast(TlsWire, connection._wire)
                wire._raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
                halfway.open.clear()
                fill(running)
                for turn, command in enumerate(b"KkKK"):
                    server.write(bytes([command]) + b"\n")
                    server.wait_for(rb">>> TLS 1.3, Handshake \[length 0005\], KeyUpdate")
                    server.write(frame(TEXT, f"read {turn}"))
                    running.wait(turn + 1)  # the reader waits for nobody
                    assert connection.stuck_since is not None
                    assert not connection.offer("no room")
                halfway.open.set()
                eventually(connection.push, 4 * PATIENCE)
                connection.send("y" * 20, 1.0)
                assert unmask(server.wait_for(rb"\x81\x94.{24}")[0]) == b"y" * 20, "it can read all that we said"
                assert wire._outgoing.pending == 0
    assert server.log.count(b"], KeyUpdate") >= 4 + 1


def test_a_peer_that_makes_tls_speak_all_the_time_and_does_not_read_is_left(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    with paired(True, server_context, client_context) as pair:
        wire = cast(Any, pair.wire)
        while wire.offer(text(1, 1000)):
            pass
        real = wire._outgoing

        class Chatty:
            """Python's ssl module changes no keys: records that came by a million key updates."""

            pending = over_tls._OWN_LIMIT + 1
            read = staticmethod(real.read)

        wire._outgoing = Chatty()
        with pytest.raises(SendFailed, match="does not read"):
            wire._flush_tls()
        wire._outgoing = real
        with pytest.raises(NotSent):
            wire.offer(text(2))
