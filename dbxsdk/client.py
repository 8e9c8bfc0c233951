"""What every client offers: the methods common to all venues, over one ``Session``."""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Literal, Mapping, NoReturn, Optional, Tuple, Type, TypeVar
from typing import Union, overload

from dbxsdk import notebook
from dbxsdk.arguments import check_callback, check_choice, check_flag, check_seconds, check_symbols, check_text, check_timeout
from dbxsdk.arguments import check_word
from dbxsdk.runtime import reentrancy
from dbxsdk.runtime.lazy_import import Later

if TYPE_CHECKING:
    from concurrent.futures import Future

    from dbxsdk import channel as channels, html, options as settings, session as sessions, transport
    from dbxsdk.backfill import twin as twins
    from dbxsdk.backfill.twin import SinceArgument, Twinned
    from dbxsdk.book.order_book import OrderBook
    from dbxsdk.book.rule import BookRule
    from dbxsdk.channel import Channel
    from dbxsdk.events import Event
    from dbxsdk.models import Data, Update
    from dbxsdk.options import Options
    from dbxsdk.protocol import Protocol, Request
    from dbxsdk.session import Connector, Messages, Prepare, Session, State, Stats, Subscription
else:  # most of the package, which a program that has the class alone does without
    channels, html, settings = Later("dbxsdk.channel"), Later("dbxsdk.html"), Later("dbxsdk.options")
    sessions, transport, twins = Later("dbxsdk.session"), Later("dbxsdk.transport"), Later("dbxsdk.backfill.twin")

C = TypeVar("C", bound="Client")

Symbols = Union[str, Iterable[str]]
AnyChannel = Union["Channel[Any]", str]

ON_SILENCE = ("tell", "resubscribe", "reconnect")


class Client:
    """One venue socket, kept open by background threads. Use a venue's own class.

    Construction does no I/O: the connection opens on ``open`` or on the first request or subscription. Every method
    may be called from any thread. After a fork, a client starts again in the child at its next use and keeps
    its subscriptions.

    An open client lives until it is closed, also when nobody holds it any more: its callbacks go on; one that is dropped
    while it is open gives a ``ResourceWarning``. A notebook's cell that is run again closes what its earlier runs made (see
    ``dbxsdk.notebook``), and ``dbxsdk.close_all()`` closes every client. When the interpreter exits all clients are closed
    automatically, within 2 seconds together: after the threads that are not daemons have ended, and after the ``atexit``
    functions that were registered since ``import dbxsdk``, which can still use them.
    """

    _connector: Connector

    _relayed: Mapping[str, Mapping[str, Any]] = {}
    """The names under which a relay knows such clients, each with the arguments that make it beside keys."""

    def __init__(
        self,
        protocol: Protocol,
        url: str,
        *,
        options: Optional[Options] = None,
        headers: Optional[Mapping[str, str]] = None,
        prepare: Optional[Prepare] = None,
    ) -> None:
        # ``headers`` go into the handshake; ``prepare`` makes the address of each connection (``session.Prepare``).
        if options is not None and not isinstance(options, settings.Options):
            raise TypeError(f"options must be an Options, not {type(options).__name__}")
        self._options = options or settings.Options()
        self._protocol = protocol
        interval, longest = self._options.heartbeat_interval, protocol.longest_heartbeat_interval
        if interval is not None and longest is not None and interval > longest:
            raise ValueError(f"options: heartbeat_interval must be at most {longest:g} s for {protocol.venue}, not {interval:g}")
        self._address = transport.parse_url("url", url, headers or {})
        if (headers or prepare) and not self._address.secure:  # a key, or a token
            transport.warn_if_readable(self._address.host, stacklevel=3)
        self._prepare = prepare
        self._connector = getattr(self, "_connector", sessions.NETWORK)
        self._session = sessions.Session(protocol, self._address, self._options, prepare=prepare, connector=self._connector)
        notebook.made(self, self._session)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self._session.address.endpoint} {self.state.value}>"

    def _repr_html_(self) -> str:
        session = self._session
        endpoint = session.address.endpoint
        return html.client(type(self).__name__, self.name, endpoint, self.state.value, session.topics, session.stats())

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be pickled: make one in each process")

    # -- life ----------------------------------------------------------------------------------------

    def open(self, timeout: Optional[float] = None) -> None:
        """Connects, authenticates where there is a key, and returns when the connection is ready.

        Every other method does this by itself at its first use. ``timeout`` (seconds) bounds the wait; the
        connection itself is bounded by ``connect_timeout`` and ``request_timeout``. Safe to retry.

        Raises:
            ConnectError: the first failure, saying which step it was; nothing is left running.
            AuthError: the venue refused the key or the address; final, every later call raises it again.
        """
        self._session.open(check_timeout(timeout))

    def close(self, timeout: float = 5) -> None:
        """Ends the connection and the threads. From any thread, also from inside a callback; calling it again
        does nothing.

        Requests in flight end as ``ConnectionLost`` where they were sent, else as ``ClientClosed``; updates still
        queued are thrown away (and counted). Takes well under a second, plus, up to ``timeout`` seconds, what
        a running callback takes to return.

        It may be called by a signal handler and by a destructor (``__del__``), too. Where those come in the middle of
        the SDK's own code (a signal during ``wait`` or ``call``), it returns at once, and the client ends meanwhile.
        """
        seconds = check_seconds("timeout", timeout, zero=True)
        self._end_rest()
        reentrancy.run(lambda: self._session.close(seconds))

    def _end_rest(self) -> None:
        """End what is asked of REST, without waiting for it."""

    def __enter__(self: C) -> C:
        self.open()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], *_: object) -> None:
        self.close()

    def __del__(self, warn: Any = warnings.warn) -> None:
        session = getattr(self, "_session", None)  # not there where an argument was wrong
        if session is not None and session.is_open:
            # Not closed here: its callbacks, books and iterators may be all that the user wants of it.
            warn(f"dropped without close(): {self!r} lives on", ResourceWarning, source=self)

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Blocks until the client is closed and returns True; False after ``timeout`` seconds. Ctrl-C works.

        Raises:
            DbxError: what ended the client, where it was not ``close``.
        """
        return self._session.wait(check_timeout(timeout))

    def _connected_by(self, connector: Connector, options: Options) -> Session:
        """Give a client that is not open a new session, whose connections come from ``connector``."""
        self._session = sessions.Session(
            self._protocol, self._address, options, prepare=self._prepare, connector=connector
        )
        return self._session

    @property
    def _event_callbacks(self) -> Tuple[Callable[[Event], Any], ...]:
        return self._session.event_callbacks

    def postfork(self) -> None:
        """For pre-forking servers, in the child after the fork. Done by itself wherever Python's fork hooks run, and
        at the first use of the client otherwise; calling it anyway does no harm."""
        self._session.check_process()

    @property
    def name(self) -> str:
        """What distinguishes it in log lines, thread names and events: ``Options.name``, or its socket's."""
        return self._session.name

    @property
    def state(self) -> State:
        """What the client is doing."""
        return self._session.state

    @property
    def venue(self) -> str:
        """The venue's name: ``"bybit"``, ``"digifinex"``, ``"cryptomus"`` or ``"dbot"``."""
        return self._protocol.venue

    def stats(self) -> Stats:
        """Counters and ages, as one frozen value."""
        return self._session.stats()

    def on_event(self, callback: Callable[[Event], Any]) -> None:
        """Calls ``callback(event)`` for the client's lifecycle events (see ``dbxsdk.events``), in order with the
        updates and on the same thread. Register it before ``open`` to miss none."""
        self._session.on_event(check_callback(callback))

    # -- subscriptions -------------------------------------------------------------------------------

    @overload
    def subscribe(
        self,
        channel: Channel[Data],
        symbols: Symbols = ...,
        *,
        callback: Callable[[Update[Data]], Any],
        raw: Literal[False] = ...,
        overflow: Optional[str] = ...,
        max_silence: Optional[float] = ...,
        on_silence: str = ...,
        backfill: bool = ...,
        since: Optional[SinceArgument] = ...,
        timeout: Optional[float] = ...,
    ) -> Subscription: ...

    @overload
    def subscribe(
        self,
        channel: Channel[Any],
        symbols: Symbols = ...,
        *,
        callback: Callable[[Dict[str, Any]], Any],
        raw: Literal[True],
        overflow: Optional[str] = ...,
        max_silence: Optional[float] = ...,
        on_silence: str = ...,
        backfill: bool = ...,
        since: Optional[SinceArgument] = ...,
        timeout: Optional[float] = ...,
    ) -> Subscription: ...

    @overload
    def subscribe(
        self,
        channel: str,
        symbols: Symbols = ...,
        *,
        callback: Callable[[Any], Any],
        raw: bool = ...,
        overflow: Optional[str] = ...,
        max_silence: Optional[float] = ...,
        on_silence: str = ...,
        backfill: bool = ...,
        since: Optional[SinceArgument] = ...,
        timeout: Optional[float] = ...,
    ) -> Subscription: ...

    def subscribe(
        self,
        channel: AnyChannel,
        symbols: Symbols = (),
        *,
        callback: Callable[[Any], Any],
        raw: bool = False,
        overflow: Optional[str] = None,
        max_silence: Optional[float] = None,
        on_silence: str = "tell",
        backfill: bool = False,
        since: Optional[SinceArgument] = None,
        timeout: Optional[float] = None,
    ) -> Subscription:
        """Subscribes and returns once the venue has acknowledged; updates reach ``callback(update)``.

        The subscription is kept across reconnects. Several subscriptions may share a topic: one on the wire, ended
        with the last of them. Safe to retry.

        Args:
            channel: the venue's channel by name, or as a ``Channel``: a constant of the venue's package, by which a type
                checker knows what the callback gets.
            symbols: one symbol or an iterable of them.
            callback: called with one ``Update``, or with the decoded document where ``raw``; one at a time, in the
                order of arrival, on the callbacks thread. It may call every method of the client.
            overflow: an overflow policy in place of the options' one.
            max_silence: seconds without an update of a topic after which a ``Silent`` event is emitted.
            on_silence: what is done then beside the event: nothing (``"tell"``), ``"resubscribe"`` the topic, or
                ``"reconnect"``.
            backfill: fetch over REST what was missed, after each ``Gap``: it comes in its place, each item once, as updates of
                the kind ``"backfill"``, and then a ``Filled`` event. Live updates are held meanwhile, ``backfill_timeout`` at
                most. Channels that are a state (orders, positions, balances) begin with it, as ``"snapshot"``, and have it
                again after a hole. A replay fetches nothing.
            since: begin with what happened since a time (ms since 1970, or a ``datetime`` with its zone), or behind the item with
                this id, as ``"backfill"``.
            timeout: seconds to wait for the acknowledgement, in place of ``request_timeout``.

        Raises:
            ValueError, TypeError: an argument is wrong, or REST has nothing of the channel; before any I/O.
            SubscribeError: the venue refused topics, named in ``topics``; the others of this call stay
                subscribed, and ``subscription`` holds them.
            RequestTimeout: no acknowledgement in time; nothing of this call stays subscribed.
            ConnectError: no connection in time.
            WrongThreadError: called on the reader thread (``dispatch="inline"``).
        """
        policies = settings.OVERFLOW_POLICIES
        subscription = sessions.Subscription(
            self._session,
            self._name(channel),
            self._topics(channel, symbols),
            check_callback(callback),
            raw=check_flag("raw", raw),
            overflow=self._options.overflow if overflow is None else check_choice("overflow", overflow, policies),
            max_silence=None if max_silence is None else check_seconds("max_silence", max_silence),
            on_silence=check_choice("on_silence", on_silence, ON_SILENCE),
        )
        if not check_flag("backfill", backfill) and since is None or not self._connector.fills():
            self._session.subscribe(subscription, check_timeout(timeout))
            return subscription
        twins.subscribe_filled(
            self._session, subscription, self._twin, self._fetchable, backfill, since, check_timeout(timeout)
        )
        return subscription

    _fetchable: Tuple[str, ...] = ()
    """The channels of which REST has what was missed."""

    def _twin(self, topic: str) -> Optional[Twinned]:
        """What REST has of ``topic``. None: nothing."""
        return None

    def unsubscribe(self, channel: AnyChannel, symbols: Symbols = ()) -> None:
        """Ends every subscription to these topics; without symbols, to all topics of the channel. Callbacks are not
        called again once this returned. The request goes to the venue, its answer is not waited for. What is not subscribed
        is passed over.

        Raises:
            ValueError, TypeError: an argument is wrong; before any I/O.
        """
        wanted, name = check_symbols(symbols), self._name(channel)
        if wanted:
            names = frozenset(self._protocol.topics(name, wanted))
            self._session.unsubscribe_topics(lambda topics: [topic for topic in topics if topic in names])
        else:
            self._session.unsubscribe_topics(lambda topics: self._protocol.topics_of(name, topics))

    @overload
    def messages(
        self, channel: Channel[Data], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Optional[float] = ...
    ) -> Messages[Update[Data]]: ...

    @overload
    def messages(
        self, channel: AnyChannel, symbols: Symbols = ..., *, raw: Literal[True], timeout: Optional[float] = ...
    ) -> Messages[Dict[str, Any]]: ...

    @overload
    def messages(
        self, channel: AnyChannel, symbols: Symbols = ..., *, raw: bool = ..., timeout: Optional[float] = ...
    ) -> Messages[Any]: ...

    def messages(
        self, channel: AnyChannel, symbols: Symbols = (), *, raw: bool = False, timeout: Optional[float] = None
    ) -> Messages[Any]:
        """Subscribes like ``subscribe`` and returns the updates as an iterator, for a ``for`` loop.

        Its updates wait in a queue of their own, so several iterators may be used at once. ``timeout`` is how long to
        wait for the acknowledgement. Raises what ``subscribe`` raises; the loop ends when the iterator or the
        client is closed, and raises what ended the client otherwise.
        """
        topics = self._topics(channel, symbols)
        queue = self._session.new_iterator_queue()
        subscription = sessions.Subscription(
            self._session,
            self._name(channel),
            topics,
            lambda update: None,
            raw=check_flag("raw", raw),
            overflow=self._options.overflow,
            queue=queue,
        )
        messages: Messages[Any] = sessions.Messages(self._session, subscription, queue)
        self._session.subscribe(subscription, check_timeout(timeout))
        return messages

    def _book_of(self, topic: str) -> Optional[Tuple[str, BookRule]]:
        """Symbol and rule of the book that the updates of ``topic`` make; None if they make none."""
        return None

    def _order_book(self, channel: str, name: str, symbol: str, rule: BookRule, timeout: Optional[float]) -> OrderBook:
        """A book of ``symbol`` out of the topic that ``name`` has in ``channel``, once the venue has acknowledged it."""
        topics = self._topics(channel, check_word("symbol", name))
        seconds = check_timeout(timeout)
        feed = self._session.book_feed(channel, topics, symbol, rule)
        # Renewed: of a topic that is subscribed already the venue would not send the whole book again.
        self._session.subscribe(feed.subscription, seconds, renew=True)
        return feed.book

    # -- requests ------------------------------------------------------------------------------------

    def call(self, method: str, params: Any = None, *, timeout: Optional[float] = None) -> Any:
        """Sends the venue's own request ``method`` and returns the venue's result.

        Never sent twice by the SDK. Whether a retry is safe is said by the exception.

        Raises:
            VenueError: the venue said no.
            RequestTimeout, ConnectionLost: sent, no answer: it may have been carried out.
            ConnectError, ClientClosed: never sent.
            WrongThreadError: called on the reader thread.
        """
        seconds = check_timeout(timeout)
        return self._send(self._request(method, params), seconds)

    def _send(self, request: Request, seconds: Optional[float]) -> Any:
        """Send a request of a venue's own making, and return its result."""
        return self._session.call(request, seconds)

    def _emit(self, event: Event) -> None:
        """Deliver an event of the client's own making, in order with the updates."""
        self._session.emit(event)

    def _watch_events(self, watcher: Callable[[Event], Any]) -> Callable[[], None]:
        """Have it called with each event, before the user's callbacks, until what is returned is called."""
        return self._session.watch_events(watcher)

    def _is_own_thread(self) -> bool:
        """True on the threads that read and that run callbacks."""
        return threading.current_thread() in self._session.threads

    def _guard_blocking(self, method: str) -> None:
        """Raise ``WrongThreadError`` on the reader thread, which ``method`` would block."""
        self._session.guard_blocking(method)

    def submit(self, method: str, params: Any = None) -> "Future[Any]":
        """``call`` without blocking: a future with the same result or exception, within ``request_timeout``.

        It cannot be cancelled. Its done-callbacks run on the reader thread, or on the heartbeat thread (time limits,
        ``close``): they must be short, and must not block.
        """
        return self._session.submit(self._request(method, params))

    def ping(self, timeout: Optional[float] = None) -> float:
        """The round trip in seconds, by the venue's own ping. Safe to retry. Raises what ``call`` raises."""
        return self._session.ping(check_timeout(timeout))

    # -- arguments -----------------------------------------------------------------------------------

    def _request(self, method: Any, params: Any) -> Request:
        check_text("method", method)
        try:
            return self._protocol.request(method, params)
        except (TypeError, ValueError) as error:
            if any(name in str(error) for name in ("params", "method")):
                raise
            raise type(error)(f"params: {error}") from error

    def _topics(self, channel: Any, symbols: Any) -> Tuple[str, ...]:
        name, wanted = self._name(channel), check_symbols(symbols)
        topics = self._protocol.topics(name, wanted)
        if not isinstance(channel, channels.Channel) or channel.documented:
            self._protocol.check_channel(name, wanted)
        return topics

    def _name(self, channel: Any) -> str:
        if not isinstance(channel, channels.Channel):
            return check_text("channel", channel)
        if channel.venue != self._protocol.home:
            raise ValueError(f"channel {channel.name!r} is one of {channel.venue}, not of {self._protocol.home}")
        return channel.name
