"""``replay``: reads a recording and hands each record to the client that it belongs to, in order and in time."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple, Type, TypeVar, Union, overload

import attrs

from dbxsdk.arguments import check_int, check_seconds
from dbxsdk.client import Client
from dbxsdk.errors import ClientClosed, RecordingError, fresh
from dbxsdk.playback.connector import ReplayConnector
from dbxsdk.playback.factory import replay_client
from dbxsdk.playback.handoff import Ended, Item, Moment, Received
from dbxsdk.playback.schedule import Pace, check_speed
from dbxsdk.recording.format import Closed, Frame, Lost, Opened, Record
from dbxsdk.recording.members import Torn
from dbxsdk.recording.reader import Path, read
from dbxsdk.runtime.lazy_import import exported
from dbxsdk.transport import Ending

C = TypeVar("C", bound=Client)

_CHUNK = 256
"""Frames that are handed over in one go."""
_MOST_CLIENTS = 2000
_PATIENCE = 1.0
"""Seconds at the end for a callback that seems to wait for an update that will not come."""


@attrs.frozen
class ReplayProgress:
    """How far a replay has come.

    Attributes:
        bytes_read, bytes_total: of the files (compressed).
        frames: incoming frames that were handed to clients so far.
        seconds: recorded time played so far.
        wall_ns: where it is in the recording, in ns since 1970; None before the first record.
    """

    bytes_read: int
    bytes_total: int
    frames: int
    seconds: float
    wall_ns: Optional[int]


@attrs.frozen
class Replayed:
    """What a replay did.

    Attributes:
        frames: incoming frames that were handed to clients.
        seconds: recorded time that was played.
        lost: frames that are missing because the recorder could not keep up; each such place was reported as a ``Gap``.
        removed: incoming frames that were recorded without their text, since they held a secret; passed over.
        torn: what could not be read at the end of files (``dbxsdk.recording.Torn``).
        missing: files that lie between others of their recording and are not there, as ``(recording, number)``.
        complete: whether all that was recorded was there and was played: nothing lost, torn or missing, each
            recording ended by its recorder, and neither the replay nor one of its clients closed before the end.
    """

    frames: int
    seconds: float
    lost: int
    removed: int
    torn: Tuple[Torn, ...]
    missing: Tuple[Tuple[str, int], ...]
    complete: bool


def replay(path: Union[Path, Iterable[Path]], *, speed: Optional[float] = 1.0) -> "Replay":
    """Plays a recording through clients like those that made it.

    ::

        with dbxsdk.replay("recordings/", speed=None) as replay:
            client = replay.client("bybit")
            client.subscribe("publicTrade", "BTCUSDT", callback=print)
            print(replay.run())

    Args:
        path: a file, several, or a folder, as for ``dbxsdk.recording.read``.
        speed: 1.0 (default) plays at the recorded times, 10 ten times as fast, None as fast as possible. What users
            get is the same at every speed.

    Raises:
        TypeError, ValueError: an argument is wrong, naming it (``speed`` 0, negative or not a number).
        RecordingError: there is no recording, or it is something else, or of a newer format.
    """
    return Replay(path, speed=speed)


class Replay:
    """A recording and the clients that it is played through. See ``replay``.

    Take the clients, subscribe and set up callbacks as on live ones, then ``run`` it; or ``start`` it and do something
    else meanwhile. It can be played once. What is different from live clients:

    * A client is open from the beginning, and every subscription is granted at once. What was not recorded never comes.
      Subscribe before it plays: what is subscribed later begins wherever the replay happens to be by then.
    * Requests (``call``, ``submit``, ``ping``, and the methods made of them) fail as ``ConnectError``: nothing is sent.
      Subscriptions of private sockets need no credentials.
    * ``received_ns``, ``Gap.seconds`` and ``Silent`` are of recorded times. Recorded disconnects are reported when they were;
      after the last one the client stays as it is. Failed tries to reconnect were not recorded. Where frames are missing
      in the recording, the client is disconnected for a moment, so that there is a ``Gap`` and books are stale.
    * Nothing is dropped, whatever the overflow policy. A slow callback delays the replay.
    * Callbacks run one at a time also across clients, in the order in which their frames were received. A client with
      an order book is played frame by frame, so that every callback finds the book where it was.
      A callback that waits for another client's update waits in vain.
    * Waiting for a book (``wait_ready``), or for a client to end (``wait``), is for other threads once it plays; ``run`` and
      ``wait`` of the replay return once all is played.
    * Iterators (``messages``) get the same updates in the same order, each at its consumer's own pace and in a thread
      of its own: one that nobody reads stops the replay when its queue is full, as it would stop a live client. They end
      when the replay does. In one thread: ``start``, then iterate.

    With the same subscriptions, two replays of a recording give callbacks the same sequence, at any speed.
    """

    def __init__(self, path: Union[Path, Iterable[Path]], *, speed: Optional[float] = 1.0) -> None:
        self._stop = threading.Event()
        self._pace = Pace(check_speed(speed), self._stop.wait)
        self._reader = read(path)
        self._openings = self._reader.opened()
        self._found: Dict[int, Opened] = {}  # by owner, in their order
        self._clients: Dict[int, Tuple[Client, ReplayConnector]] = {}
        # Guards the three above, and _thread with _closed: once it is started, clients are what they are.
        self._lock = threading.RLock()
        self._thread: Optional[threading.Thread] = None
        self._closed = False
        self._done = threading.Event()
        self._error: Optional[BaseException] = None
        # The playing thread's own, but for looking at:
        self._playing: Dict[int, ReplayConnector] = {}  # by owner
        self._connections: Dict[int, int] = {}  # the owners of those that are open
        self._last: Optional[ReplayConnector] = None
        self._chunk: List[Received] = []
        self._held = 0  # frames in it
        self._frames = self._lost = self._removed = 0
        self._wall_ns: Optional[int] = None
        self._whole = False

    # -- its clients ---------------------------------------------------------------------------------

    @property
    def clients(self) -> Tuple[Client, ...]:
        """One client for each that was recorded, in the order in which they first connected. Looks through the whole
        recording for them; ``client`` looks no further than it must. Only clients that were taken are played.

        Raises:
            RecordingError: the recording has a client of a class that is not known here, or is damaged.
            RuntimeError: it plays already, and one of them was not taken before.
        """
        with self._lock:
            return tuple(self._client(opened) for opened in self._recorded())

    @overload
    def client(self, kind: Optional[str] = None, index: int = 0) -> Client: ...

    @overload
    def client(self, kind: Type[C], index: int = 0) -> C: ...

    def client(self, kind: Union[None, str, Type[Client]] = None, index: int = 0) -> Client:
        """The client of that ``index`` (0 is the first that connected) among those of one venue (``"bybit"``), of one
        class (``dbxsdk.BybitPublicClient``), or among all. The same one each time.

        Raises:
            LookupError: the recording has no such client.
            RecordingError, RuntimeError: see ``clients``.
        """
        if kind is not None and not isinstance(kind, (str, type)):
            raise TypeError(f"kind must be a venue's name or a client class, not {type(kind).__name__}")
        check_int("index", index, least=0)
        with self._lock:
            number = 0
            for opened in self._recorded():
                if kind is None or kind == (opened.venue if isinstance(kind, str) else exported(opened.client)):
                    if number == index:
                        return self._client(opened)
                    number += 1
        what = "" if kind is None else f" of {kind if isinstance(kind, str) else kind.__name__}"
        raise LookupError(f"the recording has no such client: {number}{what}, and the index is {index}")

    def _recorded(self) -> Iterator[Opened]:
        """The first opening of each client."""
        yield from list(self._found.values())
        for opened in self._openings:
            if opened.owner not in self._found:
                if len(self._found) == _MOST_CLIENTS:
                    raise RecordingError(f"more than {_MOST_CLIENTS} clients were recorded, which is more than a replay holds")
                self._found[opened.owner] = opened
                yield opened

    def _client(self, opened: Opened) -> Client:
        if opened.owner not in self._clients:
            if self._thread is not None or self._closed:
                raise RuntimeError("clients must be taken before the replay starts")
            self._clients[opened.owner] = replay_client(opened)
        return self._clients[opened.owner][0]

    # -- playing -------------------------------------------------------------------------------------

    def run(self) -> Replayed:
        """Plays to the end; blocks meanwhile. Ctrl-C stops it. Raises what ``start`` and ``wait`` raise."""
        is_ours = self._thread is None
        try:
            self.start()
            replayed = self.wait()
        except BaseException:
            if is_ours:
                self._halt()
            raise
        assert replayed is not None
        return replayed

    def start(self) -> None:
        """Begins to play, on a thread of its own. Raises ``RuntimeError`` where it was begun, or closed, before."""
        with self._lock:
            if self._thread is not None or self._closed:
                raise RuntimeError("a replay is played once: make another one")
            self._thread = threading.Thread(target=self._run, name="dbxsdk-replay", daemon=True)
            self._thread.start()

    def wait(self, timeout: Optional[float] = None) -> Optional[Replayed]:
        """Block until all is played and every callback has returned, or the replay was closed, and return what it did;
        None after ``timeout`` seconds.

        Raises:
            RecordingError: the recording is damaged in its middle; what came before was played.
            RuntimeError: it was not started.
        """
        if timeout is not None:
            check_seconds("timeout", timeout, zero=True)
        if self._thread is None:
            raise RuntimeError("the replay was not started")
        if not self._done.wait(timeout):
            return None
        if self._error is not None:
            raise fresh(self._error)
        return Replayed(
            frames=self._frames,
            seconds=self._pace.elapsed_ns / 1e9,
            lost=self._lost,
            removed=self._removed,
            torn=self._reader.torn,
            missing=self._reader.missing,
            complete=self._whole and self._reader.complete and not self._lost,
        )

    @property
    def progress(self) -> ReplayProgress:
        """How far it has come. From any thread."""
        reader = self._reader
        return ReplayProgress(
            bytes_read=reader.bytes_read,
            bytes_total=reader.bytes_total,
            frames=self._frames,
            seconds=self._pace.elapsed_ns / 1e9,
            wall_ns=self._wall_ns,
        )

    def close(self, timeout: float = 5) -> None:
        """Stops it, and closes its clients. From any thread, also from inside a callback; calling it again does
        nothing."""
        check_seconds("timeout", timeout, zero=True)
        with self._lock:
            self._closed = True
            thread, clients = self._thread, list(self._clients.values())
        self._stop.set()
        for client, _ in clients:  # first: a thread in run() returns when the feeds have ended, and finds them closed
            client.close(timeout)
        self._halt()
        if thread is None:
            self._reader.close()
        else:
            thread.join(timeout)

    def __enter__(self) -> "Replay":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _halt(self) -> None:
        self._stop.set()
        for connector in list(self._playing.values()):
            connector.feed.end()

    # -- the playing thread --------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            for owner, (client, connector) in self._clients.items():
                with contextlib.suppress(ClientClosed):
                    client.open()
                    self._playing[owner] = connector
            if not self._stop.is_set():
                self._play()
        except BaseException as error:  # noqa: B036 - raised again by wait()
            self._error = error
        finally:
            for connector in self._playing.values():
                connector.receiver.end_iterators()
            self._reader.close()
            self._done.set()

    def _play(self) -> None:
        try:
            for record in self._reader:
                self._take(record)
                if self._stop.is_set() or (self._playing and all(each.feed.ended for each in self._playing.values())):
                    return
        finally:  # also what came before damage
            self._hand_over()
            if self._last is not None:
                self._last.feed.settle(_PATIENCE)
        self._whole = not (self._stop.is_set() or any(each.feed.ended for each in self._playing.values()))

    def _take(self, record: Record) -> None:
        if isinstance(record, Frame):
            connector = self._connector(record.connection)
            if connector is None or record.direction == "out" or record.kind not in ("text", "binary"):
                return
            if record.payload is None:
                self._removed += 1
                return
            chunk, message = self._chunk, (record.payload, record.kind == "binary")
            self._frames += 1
            if (
                chunk
                and connector is self._last
                and chunk[-1].monotonic_ns == record.monotonic_ns
                and chunk[-1].wall_ns == record.wall_ns
            ):
                chunk[-1].messages.append(message)
            else:
                self._reach(record, connector)
                self._chunk.append(Received(*_times(record), [message]))
            self._held += 1
            if self._held >= _CHUNK:
                self._hand_over()
        elif isinstance(record, Opened):
            for number in [number for number, owner in self._connections.items() if owner == record.owner]:
                self._end(record, number, Ending("its end was not recorded", retry_in=0.0))
            self._begin(record, record.owner)
        elif isinstance(record, Closed):
            self._end(record, record.connection, Ending(record.reason, record.code, retry_in=record.retry_in), record.received_ns)
        elif isinstance(record, Lost):
            self._lost += record.frames
            owner = self._connections.get(record.connection)
            if owner is not None:
                reason = f"{record.frames} frames are missing in the recording: {record.reason}"
                self._end(record, record.connection, Ending(reason, retry_in=0.0))
                self._begin(record, owner)

    def _connector(self, connection: int) -> Optional[ReplayConnector]:
        owner = self._connections.get(connection)
        return None if owner is None else self._playing.get(owner)

    def _begin(self, record: Record, owner: int) -> None:
        self._connections[record.connection] = owner
        self._put(record, self._playing.get(owner), Moment(*_times(record)))

    def _end(self, record: Record, connection: int, ending: Ending, received_ns: Optional[int] = None) -> None:
        connector = self._connector(connection)
        self._connections.pop(connection, None)
        self._put(record, connector, Ended(*_times(record), ending, received_ns))

    def _put(self, record: Record, connector: Optional[ReplayConnector], item: Item) -> None:
        if connector is not None:
            self._reach(record, connector)
            self._hand_over()
            connector.feed.put(item)

    def _reach(self, record: Record, connector: ReplayConnector) -> None:
        """Waits until the record is due, and for the client that the ones before it belong to."""
        ahead = self._pace.advance(self._reader.recording, record.monotonic_ns)
        if connector is not self._last:
            self._hand_over()
            if self._last is not None:
                self._last.feed.settle()
            self._last = connector
        if ahead > 0:
            self._hand_over()
            self._pace.wait(ahead)
        self._wall_ns = record.wall_ns

    def _hand_over(self) -> None:
        chunk, self._chunk, self._held = self._chunk, [], 0
        if chunk and self._last is not None:
            self._last.feed.put(chunk)


def _times(record: Record) -> Tuple[int, int]:
    return record.monotonic_ns, record.wall_ns
