"""The interface that a venue implements: intents to frames, frames to inbound events. Pure: no clock, no I/O, no threads.

The session owns one ``Protocol`` object for the life of a client and calls ``reset`` before each connection.
Methods that make frames may be called by any thread; ``receive`` and ``reset`` by the reader thread only.
"""

from __future__ import annotations

import abc
from types import MappingProxyType
from typing import Any, Callable, Collection, FrozenSet, Hashable, Mapping, Optional, Sequence, Tuple, Union

import attrs

from dbxsdk.credentials import SecretText
from dbxsdk.errors import ProtocolError, VenueError
from dbxsdk.models import Update
from dbxsdk.schema import FrameReader


@attrs.frozen
class Request:
    """One request frame, and how its reply is recognised.

    Attributes:
        key: the id on the wire, never used twice by one client.
        frame: the text frame to send; for a ping its payload.
        kind: the venue's method; finds the request if a reply carries no id.
        topics: all topics that the answer to a subscribe or unsubscribe request decides, in the venue's names; for other
            requests empty. While it is unanswered each of them is in doubt, also one that was live before.
        is_ping: True for a WebSocket ping frame; the pong with its payload is the reply, and ``frame`` is ``key``.
        alone: True if the next request of the kind must not be sent before this one was answered (subscribe and
            unsubscribe requests whose answers carry no id, or depend on their order).
        ends: True for a subscribe request's step that only ends what the venue has, on the way to a new subscription: what
            comes before its answer is of the old one.
        secret: True if the frame holds a key or a signature; it is kept out of recordings.
        order_link_ids: the caller's own ids of the orders that it is about.
    """

    key: Hashable
    frame: str = attrs.field(repr=False)  # may hold a key and a signature
    kind: str
    topics: Tuple[str, ...] = ()
    is_ping: bool = False
    alone: bool = False
    ends: bool = False
    secret: bool = attrs.field(default=False, repr=False)
    order_link_ids: Tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        if self.secret:
            object.__setattr__(self, "frame", SecretText(self.frame))


@attrs.frozen
class Reply:
    """The answer to a request. ``key`` is None if the venue sent no id: then ``kind``, and ``topics`` if the answer names
    them, say which request it belongs to (no ``kind``: any). Of several such requests none is answered, unless the venue
    certainly answers them in order (``ordered``): then it is the oldest."""

    key: Optional[Hashable]
    document: Any = attrs.field(repr=False)
    kind: Optional[str] = None
    topics: Optional[FrozenSet[str]] = None
    ordered: bool = False


@attrs.define
class Push:
    """One update for one topic. ``read(payload)`` builds the typed data, or raises ``ProtocolError``;
    it is called only if typed data is wanted, on the thread that delivers it."""

    # Not frozen, which would cost more than all else that is done with a frame: attrs' frozen constructors go
    # through object.__setattr__ for every field.

    topic: str
    channel: str
    symbol: str
    kind: str
    document: Any = attrs.field(repr=False)
    payload: Any = attrs.field(repr=False)
    read: Callable[[Any], Any] = attrs.field(repr=False)
    venue_time_ms: Optional[int] = None

    # The session's own:
    update: Optional[Update[Any]] = attrs.field(default=None, init=False, repr=False, eq=False)
    """The typed form, once it was wanted."""
    bad: bool = attrs.field(default=False, init=False, repr=False, eq=False)
    """True once it, or a field of its typed form, turned out to be unreadable and was reported."""
    received_ns: int = attrs.field(init=False, repr=False, eq=False)


Inbound = Union[Reply, Push]


class TooLong(ProtocolError):
    """A message inflates to more than it may have: the connection ends."""


@attrs.frozen
class Acknowledgement:
    """What a reply to a subscribe request says about each topic. Applied in this order: ``dropped``, ``accepted``,
    ``interrupted``, ``refused``, ``retry``.

    Attributes:
        accepted: the topics that the venue has now.
        refused: the topics that it does not take, and its reason.
        retry: requests for the topics on which the reply decided nothing (a venue that refuses a whole request for one bad
            topic), and for those that have to be subscribed again.
        dropped: topics that the venue had and, by this answer, does not have any more or may not have. They are not live
            from now on, until an answer names them in ``accepted``; a request for them is in ``retry`` or under way.
        interrupted: topics that the venue has, by this answer or an earlier one, and that a request which is in ``retry`` or
            under way may end: likewise.
    """

    accepted: Tuple[str, ...] = ()
    refused: Mapping[str, VenueError] = attrs.field(factory=dict)
    retry: Tuple[Request, ...] = ()
    dropped: Tuple[str, ...] = ()
    interrupted: Tuple[str, ...] = ()


class Protocol(abc.ABC):
    """One venue socket's rules."""

    venue: str
    """The name in ``Update.venue``, in thread names and in log lines."""

    socket: str = ""
    """Which of the venue's sockets it speaks, like ``"linear"`` or ``"private"``; empty if the venue has one only."""

    client: str = ""
    """The class in ``dbxsdk`` whose clients speak it: recordings name it."""

    settings: Mapping[str, Any] = MappingProxyType({})
    """The arguments of that class without which recorded frames could not be read again. JSON, and nothing secret."""

    granted: Mapping[str, Any] = MappingProxyType({})
    """The document of a reply that accepts all topics of one of ``subscribe``'s requests: a replay answers with it."""

    heartbeat_interval: float
    """The venue's own heartbeat interval in seconds."""

    longest_heartbeat_interval: Optional[float] = None
    """Upper bound of ``Options.heartbeat_interval`` in seconds: later the venue drops the client. None: no page says."""

    only_heartbeats_count: bool = False
    """True if the venue may consider a client idle that sends requests only: then heartbeats go out beside them."""

    topic_key: Optional[str] = None
    """The key of JSON text messages that names their topic, if every message with that key is an update of that one topic.
    Those that are wanted raw only, and whose topic does not carry state, may then be delivered without ``receive``."""

    topic_prefix: bytes = b""
    """What frames with updates begin with, most of the time: their topic's name follows, up to the next quote. Empty: no such."""

    longest_connection: Optional[float] = None
    """Seconds after which the venue ends a connection, whatever happens on it: it is renewed before that, at a quiet moment,
    with a ``Gap``. None: no page says."""

    connection_budget: Tuple[int, float] = (300, 300.0)
    """New connections allowed to one host in so many seconds, by the whole process."""

    @property
    def name(self) -> str:
        """The default name of its clients: ``"bybit:linear"``, or the venue alone if that has one socket only."""
        return f"{self.venue}:{self.socket}" if self.socket else self.venue

    @property
    def home(self) -> str:
        """What ``Channel.venue`` of its typed channels is: more than the venue, if channels of the same name mean something else
        on another of its sockets."""
        return self.venue

    @abc.abstractmethod
    def reset(self) -> None:
        """Forget what belonged to the last connection: a new one begins."""

    def login(self, now_ms: int) -> Sequence[Request]:
        """Return the first requests of a login, sent one after the other before the connection is ready. ``now_ms`` is the
        wall clock."""
        return ()

    def login_refusal(self) -> Optional[VenueError]:
        """Return the refusal of a login that was still being tried again when the connection ended, or None."""
        return None

    def login_answered(self, request: Request, reply: Reply, now_ms: int) -> Sequence[Request]:
        """Return the requests that follow an answer to a login request, or none. Raises the ``VenueError`` that it means: an
        ``AuthError`` ends the client, any other is tried again on a new connection."""
        self.conclude(request, reply)
        return ()

    @abc.abstractmethod
    def request(self, method: str, params: Any) -> Request:
        """Make the raw request ``method``. Raises ``TypeError``/``ValueError`` for arguments that cannot be sent."""

    @abc.abstractmethod
    def heartbeat(self) -> Request:
        """Make the venue's heartbeat, which is also its ping."""

    @abc.abstractmethod
    def topics(self, channel: str, symbols: Sequence[str]) -> Tuple[str, ...]:
        """Return the native names of the topics that ``channel`` and ``symbols`` mean, in order, without repeats.

        Raises ``ValueError`` naming the argument if the venue documents no such thing.
        """

    def check_channel(self, channel: str, symbols: Sequence[str]) -> None:
        """Raise ``ValueError``, with the channels that there are, if the venue documents no such one and ``topics`` lets it
        pass, since the venue may have added it."""

    @abc.abstractmethod
    def topics_of(self, channel: str, topics: Collection[str]) -> Tuple[str, ...]:
        """Return those of ``topics`` that belong to ``channel``."""

    def check_capacity(self, topics: Collection[str]) -> None:
        """Raise ``ValueError`` if one connection cannot hold all these topics."""

    @abc.abstractmethod
    def subscribe(self, topics: Sequence[str], live: Collection[str]) -> Sequence[Request]:
        """Make the requests that subscribe ``topics`` beside those that are ``live`` (subscribed, or asked for) already,
        split as the venue's limits require. They are sent in this order."""

    @abc.abstractmethod
    def unsubscribe(self, topics: Sequence[str], live: Collection[str]) -> Sequence[Request]:
        """Make the requests that end ``topics`` while those that are ``live`` stay subscribed.

        The answer to one that names topics that stay is handed to ``acknowledge``; of the others only the arrival counts.
        """

    def renewed_with(self, topic: str) -> Collection[str]:
        """Return the topics that, if live, have to be unsubscribed and subscribed again so that the venue sends what it sends
        at the beginning of ``topic``."""
        return (topic,)

    def inflate(self, payload: bytes, limit: int) -> Optional[bytes]:
        """Return the text in a binary message, for ``receive``; None if the socket does not compress. Raises ``ProtocolError``,
        and ``TooLong`` if it has more than ``limit`` bytes."""
        return None

    @abc.abstractmethod
    def receive(self, payload: bytes, binary: bool) -> Sequence[Inbound]:
        """Read one message. Raises ``ProtocolError`` and nothing else if it cannot be read."""

    def frame_reader(self, topic: str) -> Optional[FrameReader]:
        """Return a reader of whole frames of ``topic``, or None. It gives the ``Update`` that ``receive`` and ``Push.read`` would
        give, or raises: then the frame goes to ``receive``. A book's rule reads its frames, too."""
        return None

    def carries_state(self, topic: str) -> bool:
        """True if ``receive`` has to see every update of ``topic``, since it remembers something of each."""
        return False

    def whole(self, topic: str, document: Any) -> Any:
        """Return ``document``, the last of a topic that carries state, as it would be with the whole of the state; None if that
        is not known."""
        return None

    @abc.abstractmethod
    def conclude(self, request: Request, reply: Reply) -> Any:
        """Return the result that ``reply`` gives to ``request``, or raise the ``VenueError`` that it means."""

    @abc.abstractmethod
    def acknowledge(self, request: Request, reply: Reply) -> Acknowledgement:
        """Return what ``reply`` says to one of ``subscribe``'s requests. Never raises for what a venue may send."""
