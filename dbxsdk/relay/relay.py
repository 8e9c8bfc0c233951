"""``Relay``: one process reads the venue, any number of workers on any machine read the same from Redis."""

from __future__ import annotations

import signal
import threading
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from dbxsdk.arguments import check_int, check_seconds
from dbxsdk.client import Client, Symbols
from dbxsdk.connected_elsewhere import make_client
from dbxsdk.options import Options
from dbxsdk.relay.connector import RelayConnector
from dbxsdk.relay.keys import Keys, check_consumer, check_prefix, kind_of
from dbxsdk.relay.server import check_url, load_redis
from dbxsdk.relay.serving import Serving
from dbxsdk.relay.term import RelayStatus
from dbxsdk.relay.writer import Bounds
from dbxsdk.runtime.waiting import Flag
from dbxsdk.session import State

Topics = Sequence[Union[str, Tuple[Any, Symbols]]]


class Relay:
    """A relay by way of Redis Streams: one connection to the venue for all workers.

    ``serve`` runs in one process (a second one waits, and takes over), ``client`` gives each worker the venue's own client, fed
    from Redis: the same ``subscribe``, models, books and events, and nothing that is sent. Construction does no I/O.

    Args:
        url: the Redis server (6.2 or later, or Valkey): ``redis://[user:password@]host:6379/0``, ``rediss://`` for TLS
            (``?ssl_ca_certs=...``), ``unix:///path``, or ``redis+sentinel://host:26379,host:26379/service/0``.
        prefix: begins all keys: relays of different prefixes know nothing of each other.
        keep_entries, keep_seconds: how much history each stream keeps, about: what a worker that was slow or away can still
            read. An entry is what one read of the network brought of a topic.

    Raises:
        ImportError: the package ``redis`` is not installed: ``pip install "dbxsdk[redis]"``.
        TypeError, ValueError: naming the argument.
    """

    def __init__(
        self, url: str, *, prefix: str = "dbxsdk", keep_entries: int = 10_000, keep_seconds: float = 600.0
    ) -> None:
        self._server = check_url(url)
        self._prefix = check_prefix(prefix)
        self._bounds = Bounds(check_int("keep_entries", keep_entries, least=1), check_seconds("keep_seconds", keep_seconds))
        load_redis()
        self._stops: List[Flag] = []
        self._serving: List[Serving] = []
        self._closed = False

    def __repr__(self) -> str:
        return f"<Relay {self._server.endpoint} {self._prefix}>"

    def serve(self, client: Client, topics: Optional[Topics] = None) -> None:
        """Serve what ``client`` gets from the venue, until Ctrl-C, SIGTERM or ``close``; blocks meanwhile.

        Where another process serves the same client it waits, and takes over within 10 seconds when that one ends, dies or
        hangs. It ends within 5 seconds, and hands over at once. Callbacks that were registered by ``client.on_event`` are called
        by the thread that serves.

        Args:
            client: a client that was not used: what it serves is named by its socket (``"bybit:linear"``).
            topics: pairs of a channel and symbols, as ``subscribe`` takes them, or channels; None serves what workers want, for
                as long as they want it.

        Raises:
            AuthError: the Redis server refused the password, or a command that is needed; or the venue refused the key.
            ConnectError: the Redis server, or at the first time the venue, cannot be reached.
            DbxError: another process serves something else under the name, or a key, which is named, holds another program's
                data; or what ended the client for good.
            KeyboardInterrupt: Ctrl-C, once all has ended.
            TypeError, ValueError: naming the argument; before any I/O.
        """
        keys = self._keys(client)
        fixed = None if topics is None else tuple(dict.fromkeys(_native(client, topics)))
        stop = Flag()  # set by a signal handler
        self._stops.append(stop)
        if self._closed:
            stop.set()
        serving = Serving(self._server, keys, client, fixed, self._bounds, stop.wait)
        self._serving.append(serving)
        restore = _on_sigterm(stop.set)
        try:
            serving.run()
        finally:
            restore()
            self._serving.remove(serving)
            self._stops.remove(stop)

    def _keys(self, client: Client) -> Keys:
        if not isinstance(client, Client):
            raise TypeError(f"client must be a Client, not {type(client).__name__}")
        name = client._protocol.name
        if name not in client._relayed:
            raise ValueError(f"client must be one with topics: there is nothing to relay of a {type(client).__name__}")
        if client.state is not State.NEW:
            raise ValueError("client must be one that was not opened")
        return Keys(self._prefix, name)

    def client(
        self, name: str, *, durable: Optional[str] = None, group: Optional[str] = None, options: Optional[Options] = None
    ) -> Any:
        """Return a client of the venue's own class that is fed by the relay. Construction does no I/O.

        ``subscribe``, ``messages``, ``order_book``, events, overflow policies and ``stats`` are those of any client. Requests
        raise ``ConnectError``. What nobody serves yet is asked for: ``subscribe`` returns once the serving process has the topic,
        raises ``SubscribeError`` if the venue refuses it (or it is outside the fixed set), and ``ConnectError`` if nobody serves
        within its timeout. Updates begin with the next one, books and merged tickers with the whole state. ``received_ns`` of
        an update is when the serving process had it.

        ``Disconnected``, ``Connected`` and ``Gap`` of the serving client come in order with the updates; a serving process that
        died or hangs, or a Redis server that stays away, is a ``Disconnected`` within 10 seconds. Whatever is missing in the
        streams is a ``Gap``.

        Args:
            name: what is served: ``"bybit:linear"``, ``"digifinex"``, ``"dbot:data"`` ...
            durable: a name under which the position in each topic is kept in Redis after the callbacks returned: the next client
                with it goes on there, at least once. With callbacks only; topics with a state begin with it instead.
            group: a name that several workers share: each update goes to one of them, is acknowledged after the callback, and
                taken over by another, ten seconds later, if this one dies: at least once. With callbacks only. Of a ``Gap`` in
                the stream one of them is told. Tickers that come merged elsewhere are what their frames have.
            options: see ``Options``.

        Raises:
            TypeError, ValueError: naming the argument.
        """
        kind, arguments = kind_of(name)
        if durable is not None:
            check_consumer("durable", durable)
        if group is not None:
            check_consumer("group", group)
            if durable is not None:
                raise ValueError("group: a client is durable or of a group, not both")
        connector = RelayConnector(self._server, Keys(self._prefix, name), durable, group)
        return make_client(kind, connector, {**arguments, "options": options})

    def positions(self, name: str, durable: str) -> Dict[str, str]:
        """Ask the Redis server how far a durable client has come: the id of the last entry that its callbacks had, by topic.

        What is subscribed for the first time under a name begins with the next update, and so does, without a ``Gap``, a topic
        whose position Redis has lost: a program that has data from before, and finds no position here, knows that it has one.

        Raises:
            AuthError, ConnectError: the Redis server refused it, or cannot be reached. A retry is safe.
            TypeError, ValueError: naming the argument.
        """
        kind_of(name)
        key = Keys(self._prefix, name).durable(check_consumer("durable", durable))
        link = self._server.connect()
        try:
            found = link.call("HGETALL", key)
        finally:
            link.close()
        return {topic.decode(): at.decode() for topic, at in zip(found[::2], found[1::2])}  # noqa: B905

    def status(self) -> Tuple[RelayStatus, ...]:
        """What each ``serve`` of this relay is doing: what to monitor. From any thread; without I/O."""
        return tuple(serving.status() for serving in list(self._serving))

    def close(self) -> None:
        """End every ``serve`` of this relay; they return soon after. From any thread. Clients are closed by themselves."""
        self._closed = True
        for stop in list(self._stops):
            stop.set()


def _native(client: Client, topics: Any) -> Iterator[str]:
    if isinstance(topics, str) or not hasattr(topics, "__iter__"):
        raise TypeError(f"topics must be pairs of a channel and symbols, not {type(topics).__name__}")
    for each in topics:
        channel, symbols = each if isinstance(each, tuple) and len(each) == 2 else (each, ())
        yield from client._topics(channel, symbols)


def _on_sigterm(stop: Callable[[], None]) -> Callable[[], None]:
    """Have SIGTERM call ``stop``, where it would end the process. Returns what puts it back."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return lambda: None
    signal.signal(signal.SIGTERM, lambda number, frame: stop())
    return _restore


def _restore() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
