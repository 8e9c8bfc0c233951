"""What every local venue shares: the threaded server, its connections, the market's thread, misbehaviour on request.

Threads, all named ``dbxsdk-sim-<venue>-...`` and gone after ``close()``: ``server`` accepts; each connection has one
that reads the socket, one that carries out its requests and one that writes; ``market`` moves the market on.

One lock guards all of a venue's state (market, feeds, subscriptions, connections). Under it frames are only put
into queues, never written, so no thread waits for a client while holding it.
"""

from __future__ import annotations

import abc
import logging
import os
import secrets
import ssl
import threading
import time
from typing import Any, Callable, Collection, Iterable, List, Optional, Set, Tuple, TypeVar, Union, cast

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from dbxsdk.arguments import check_word
from dbxsdk.sim.connection import Connection, Frame, QuietLogger, Unread, Wire
from dbxsdk.sim.faults import Faults
from dbxsdk.sim.http import is_from_here, plain_response
from dbxsdk.sim.inspection import ClientFrame, decoded
from dbxsdk.sim.listener import Listener

logger = logging.getLogger(__name__)

MANUAL_STEP_SECONDS = 0.2
"""How far ``step()`` moves the market's clock if no thread does it (``rate=0``)."""

_LONGEST_REQUEST = 256 * 1024
"""Bytes of a client's message; a longer one ends the connection with the close code 1009."""

_UNREAD_REQUESTS = 4
"""Messages of one client that may wait for their turn before no more are read."""

_UNREAD_BYTES = 64 * 1024 * 1024
"""What all clients together may leave unread; then the one that left most is cut."""

_OPEN_TIMEOUT = 5.0
_CLOSE_FRAME_GRACE = 0.25
_JOIN_TIMEOUT = 0.5

V = TypeVar("V", bound="Venue")


class Venue(Faults):
    """A local venue: a context manager that serves one venue's protocol on 127.0.0.1.

    It answers to the loopback interface's names only, and no page of another site (HTTP 403). What strangers make it keep is
    bounded: 256 KiB a message, 16 MiB of the requests that it remembers, 64 MiB that clients do not read.

    Args:
        rate: market steps a second; 0 means that the market moves only by ``step()``.
        seed: the same seed gives the same market.
        port: 0 for a free one.
        hosts: more names by which it may be asked for, through a proxy for example.
        ssl_context: a server-side context; the venue then speaks ``wss``.
        max_connections: more are answered with HTTP 503.
        queue_size: frames kept for a client that does not read, before its connection is cut.
        idle_timeout: a connection whose client sends nothing for so many seconds is cut; None: never.
        clock: the wall clock, in seconds since 1970.

    Attributes:
        api_key, api_secret: the credentials that the venue accepts; random unless given.
        handler_errors: exceptions in the venue's own code, which are logged at debug level and stop nothing.
    """

    name: str
    paths: Tuple[str, ...]
    """The paths served; the first is the main socket."""

    def __init__(
        self,
        *,
        rate: float = 20.0,
        seed: int = 1,
        port: int = 0,
        hosts: Collection[str] = (),
        ssl_context: Optional[ssl.SSLContext] = None,
        max_connections: int = 200,
        queue_size: int = 10_000,
        idle_timeout: Optional[float] = 60.0,
        api_key: Optional[str] = None,
        api_secret: Optional[str] = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if rate < 0:
            raise ValueError(f"rate must be 0 or more steps a second, not {rate}")
        if max_connections < 1 or queue_size < 1:
            raise ValueError("max_connections and queue_size must be 1 or more")
        super().__init__()
        self.api_key = api_key or "sim-" + secrets.token_hex(8)
        self.api_secret = api_secret or secrets.token_hex(24)
        self.handler_errors = 0
        self._rate = rate
        self._seed = seed
        self._clock = clock
        self._port = port
        self._hosts = tuple(check_word("hosts", host).lower() for host in ((hosts,) if isinstance(hosts, str) else hosts))
        self._ssl_context = ssl_context
        self._max_connections = max_connections
        self._queue_size = queue_size
        self._unread = Unread(_UNREAD_BYTES)
        self._idle_timeout = idle_timeout
        self._step_seconds = 1 / rate if rate else MANUAL_STEP_SECONDS
        self._start_us = int(clock() * 1_000_000)
        self._threads: Set[threading.Thread] = set()
        self._started = False
        self._stopping = threading.Event()
        self._server: Optional[Server] = None
        self._listener: Optional[Listener] = None

    # -- what a venue implements, all called under the lock ------------------------------------------------------------

    @abc.abstractmethod
    def _request(self, connection: Connection, raw: Union[str, bytes], document: Any) -> None:
        """Answer one frame of a client. ``document`` is None if ``raw`` is not JSON."""

    @abc.abstractmethod
    def _advance(self, now_us: int) -> None:
        """Move the market on by one step, without publishing it."""

    @abc.abstractmethod
    def _publish(self) -> None:
        """Send subscribers what the last step changed. Not called while the venue is silent."""

    def _patience(self, connection: Connection) -> Optional[float]:
        """Return for how many seconds to wait for this client's next frame; None: for ever. Called without the lock."""
        return self._idle_timeout

    def _idle(self, connection: Connection) -> bool:
        """True if a client that sent nothing for so long is cut."""
        return True

    # -- life ----------------------------------------------------------------------------------------------------------

    def __enter__(self: V) -> V:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Begin to serve, as ``with`` does; a venue starts once."""
        with self._lock:
            if self._started:
                raise RuntimeError("a venue starts once: make a new one")
            self._started = True
            # Twice the limit, so that the one too many gets an answer (503) before connections are closed unheard.
            limit = 2 * self._max_connections
            self._listener = Listener("127.0.0.1", self._port, self._ssl_context, limit)
            self._port = self._listener.getsockname()[1]
            self._server = serve(
                self._serve_connection,
                sock=self._listener,
                process_request=self._answer_request,
                compression=None,
                max_size=_LONGEST_REQUEST,
                max_queue=_UNREAD_REQUESTS,
                open_timeout=_OPEN_TIMEOUT,
                ping_interval=None,  # no venue was seen to send protocol pings
                close_timeout=_CLOSE_FRAME_GRACE,
                logger=QuietLogger(),
                create_connection=cast(Any, self._create_connection),
            )
            self._spawn("server", self._server.serve_forever)
            if self._rate:
                self._spawn("market", self._run_market)

    def close(self) -> None:
        """Stop serving: send close frames to those who read them, cut the connections, end the threads.

        Idempotent, from any thread but the venue's own, and done within a second, no matter what clients do.
        """
        with self._lock:
            server, listener = self._server, self._listener
            self._server = None
            self._stopping.set()
            connections = list(self._connections.values())
        if server is None or listener is None:
            return
        for connection in connections:
            connection.close(1001, "")
        self.wait_until(lambda: self.connections == 0, _CLOSE_FRAME_GRACE)
        listener.cut_all()
        deadline = time.monotonic() + _JOIN_TIMEOUT
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            if thread.name != f"dbxsdk-sim-{self.name}-server":
                thread.join(max(0.0, deadline - time.monotonic()))
        # Only now: in websockets 16 and later shutdown() itself waits for the handlers, polling.
        server.shutdown()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for pipe in (getattr(server, "shutdown_watcher", None), getattr(server, "shutdown_notifier", None)):
            if isinstance(pipe, int):  # websockets 15 leaves its wake-up pipe open
                os.close(pipe)
        self._changed()

    def _spawn(self, role: str, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name=f"dbxsdk-sim-{self.name}-{role}", daemon=True)
        self._threads.add(thread)
        thread.start()

    def url(self, path: Optional[str] = None) -> str:
        """Return the address of ``path``; of the venue's main socket without one."""
        if not self._started:
            raise RuntimeError("the venue is not started: use it in a with statement")
        return f"{'wss' if self._ssl_context else 'ws'}://127.0.0.1:{self._port}{path or self.paths[0]}"

    # -- the market ----------------------------------------------------------------------------------------------------

    def step(self, n: int = 1) -> None:
        """Move the market on by ``n`` steps and publish each, as the market's own thread does."""
        for _ in range(n):
            with self._lock:
                self._steps += 1
                self._advance(self._now_us())
                if not self._silent():
                    self._publish()
            self._changed()

    def _run_market(self) -> None:
        # Towards due times, not from pause to pause: the rate holds, however long a step takes.
        due = time.monotonic()
        while True:
            due = max(due + self._step_seconds, time.monotonic())
            if self._stopping.wait(max(0.0, due - time.monotonic())):
                return
            try:
                self.step()
            except Exception:
                self._count_error("the market's step failed")

    def _now_us(self) -> int:
        """Return the market's time: the wall clock or, if the market is moved by hand, a clock that its steps move."""
        if self._rate:
            return int(self._clock() * 1_000_000)
        return self._start_us + int(self._steps * self._step_seconds * 1_000_000)

    def _now_ms(self) -> int:
        return self._now_us() // 1000

    def _each(self, seconds: float) -> bool:
        """True if something that happens every so many seconds is due at this step."""
        return self._steps % max(1, round(seconds / self._step_seconds)) == 0

    # -- connections ---------------------------------------------------------------------------------------------------

    def _create_connection(self, *args: Any, **kwargs: Any) -> Wire:
        wire = Wire(*args, **kwargs)
        handler = threading.current_thread()
        name = f"dbxsdk-sim-{self.name}-{wire.socket.fileno()}"
        handler.name = f"{name}-requests"
        wire.recv_events_thread.name = f"{name}-reader"
        with self._lock:
            self._threads = {thread for thread in self._threads if thread.is_alive()}
            self._threads |= {handler, wire.recv_events_thread}
        return wire

    def _answer_request(self, wire: ServerConnection, request: Request) -> Optional[Response]:
        return self._answer_upgrade(wire, request) if is_from_here(request.headers, self._hosts) else plain_response(403)

    def _answer_upgrade(self, wire: ServerConnection, request: Request) -> Optional[Response]:
        """Return None to accept the WebSocket, or an HTTP response that refuses it."""
        with self._lock:
            if self._stopping.is_set():
                return plain_response(503)
            refusal = self._refusal
            if refusal is not None:
                if refusal.use_up():
                    self._refusal = None
                self._changed()
                return refusal.response()
            if request.path.partition("?")[0] not in self.paths:
                return plain_response(404)
            if len(self._connections) >= self._max_connections:
                return plain_response(503)
        return None

    def _serve_connection(self, wire: ServerConnection) -> None:
        """Serve one connection, on its own thread."""
        assert isinstance(wire, Wire) and wire.request is not None
        path, _, query = wire.request.path.partition("?")
        with self._lock:
            self._connection_count += 1
            connection = Connection(
                wire,
                self._connection_count,
                path,
                query,
                name=threading.current_thread().name[: -len("-requests")],
                queue_size=self._queue_size,
                unread=self._unread,
            )
            wire.mute = lambda: self._silent() and not connection.closing
            connection.writer.start()
            self._threads.add(connection.writer)
            self._connections[connection.number] = connection
            stopping = self._stopping.is_set()
            self._opened(connection)
            self._changed()
        if stopping:  # close() has already made its list
            connection.close(1001, "")
        try:
            self._read(connection)
        except ConnectionClosed:
            pass
        except Exception:
            self._count_error("a connection's thread failed")
            connection.cut()
        finally:
            connection.finish()
            connection.join(_JOIN_TIMEOUT)
            with self._lock:
                del self._connections[connection.number]
                self._closed(connection)
                self._changed()

    def _opened(self, connection: Connection) -> None:
        """Handle a new connection."""

    def _closed(self, connection: Connection) -> None:
        """Handle the end of a connection."""

    def _read(self, connection: Connection) -> None:
        while True:
            try:
                raw = connection.wire.recv(timeout=self._patience(connection))
            except TimeoutError:
                with self._lock:
                    if not self._idle(connection):
                        continue
                connection.cut()
                return
            connection.active = time.monotonic()
            document = decoded(raw)
            with self._lock:
                self._remember(ClientFrame(connection.path, connection.number, raw))
                try:
                    # A silent venue carries nothing out: a request that is never answered must not have an effect.
                    if not self._silent():
                        self._request(connection, raw, document)
                except Exception:
                    self._count_error("a request failed")
                self._changed()

    def _count_error(self, what: str) -> None:
        logger.debug("%s: %s", self.name, what, exc_info=True)
        with self._lock:
            self.handler_errors += 1
            self._changed()

    def _answer(self, connection: Connection, document: Any) -> None:
        """Queue the answer to a request, held back as ``delay()`` says."""
        not_before = time.monotonic() + self._delay if self._delay else 0.0
        connection.put(self._encode(document, connection, push=False), not_before)

    def _push(self, connections: Iterable[Connection], document: Any) -> None:
        """Queue one update for every one of ``connections``, encoded once."""
        frame: Optional[Frame] = None
        for connection in connections:
            if frame is None:
                frame = self._encode(document, connection, push=True)
            connection.put(frame)

    def _subscribers(self, topic: str, path: Optional[str] = None) -> List[Connection]:
        return [
            connection
            for connection in self._connections.values()
            if topic in connection.topics and (path is None or connection.path == path)
        ]


def check_symbols(symbols: Collection[str]) -> Tuple[str, ...]:
    """Return ``symbols`` as a tuple; raise a ``TypeError`` or ``ValueError`` that says what is wrong with them."""
    if isinstance(symbols, str):
        symbols = (symbols,)
    checked = tuple(symbols)
    if not checked or not all(isinstance(symbol, str) and symbol for symbol in checked):
        raise ValueError("symbols must be one or more texts that are not empty")
    return tuple(dict.fromkeys(checked))
