"""Where a session's connections come from: the network, a recording, a relay, or a test."""

from __future__ import annotations

import typing
from typing import Any, Callable, Mapping, Optional, Sequence, Tuple

from dbxsdk.options import Options
from dbxsdk.protocol import Acknowledgement
from dbxsdk.runtime.clock import MACHINE, Clock
from dbxsdk.session.core.topics import Hole
from dbxsdk.session.subscription import Subscription
from dbxsdk.transport import Address, Connection, Ending, Message
from dbxsdk.transport.http import HttpAnswer, get

Prepare = Callable[[Address, Callable[[Any], None]], Address]
"""Called on the reader thread before each connection, with the client's address and a ``publish`` that takes each
socket as soon as there is one, so that it can be shut down. Returns the address of this connection, or raises
``ConnectError`` (to be tried again) or ``AuthError`` (final)."""


class Receiver(typing.Protocol):
    """The session, as a connection sees it. Its methods are called on the thread of ``run`` and never raise."""

    def opened(self) -> None:
        """The connection is open."""

    def report_connected(self) -> None:
        """Emit the ``Connected`` of the first connection: see ``Connector.silent_opening``."""

    def messages(self, messages: Sequence[Message]) -> None:
        """One read of the network brought these."""

    def share(self, topic: str, messages: Sequence[Message]) -> None:
        """The same, of which only the updates of ``topic`` are this client's."""

    def takers(self, topic: str) -> Sequence[Subscription]:
        """Return the subscriptions that get the updates of ``topic`` now; none while it is not live."""

    def pong(self, payload: bytes) -> None:
        """A WebSocket pong came."""

    def grant(self) -> None:
        """Answer all that was asked with a yes: see ``Connector.live``."""

    def asked(self) -> Sequence[str]:
        """Answer nothing of what was asked: return the topics that wait for ``settled``."""

    def wanted(self) -> Sequence[str]:
        """All topics that users want."""

    def settled(self, acknowledgement: Acknowledgement, hole: Optional[Hole] = None) -> None:
        """Take in what was decided about topics that were asked for. ``hole``: updates of the accepted ones are missing since
        then, also of those that are live; a ``Gap`` reports it."""

    def interrupted(self, topics: Sequence[str], hole: Hole, reason: str) -> None:
        """Updates of these topics are missing: they wait for ``settled`` again."""

    def notice(self, call: Callable[[], None]) -> None:
        """Have ``call`` called on the callbacks thread, behind all that was received before."""

    def end_iterators(self) -> None:
        """Nothing more will come: let the iterators end."""

    def tick(self) -> None:
        """Look for silent topics by the connector's clock, where there is no watch: see ``Connector.live``."""

    @property
    def closing(self) -> bool:
        """True once updates that wait are thrown away."""

    @property
    def idle(self) -> bool:
        """True if all that was received has been through its callbacks."""


class AnyConnection(typing.Protocol):
    """One connection, used once: ``transport.Connection`` or its like. ``run`` blocks until it ended; everything else may be
    called by any thread."""

    recorded: Any

    def run(self) -> Ending: ...

    def offer(self, text: str, *, ping: bool = False) -> bool: ...

    def push(self) -> bool: ...

    def close(self) -> None: ...

    def abort(self, reason: str) -> None: ...

    def fail(self, code: int, reason: str) -> None: ...

    def forget(self) -> None: ...

    def silent_for(self, now: float) -> float: ...

    def seen_until(self, now: float) -> float: ...

    @property
    def stuck_since(self) -> Optional[float]: ...

    @property
    def stopped(self) -> bool: ...

    @property
    def last_received(self) -> Optional[float]: ...

    @property
    def last_sent(self) -> Optional[float]: ...

    @property
    def received_message_at(self) -> Optional[float]: ...

    @property
    def secrets(self) -> Tuple[str, ...]: ...


class Connector:
    """The network. Subclasses bring frames from elsewhere."""

    live = True
    """True if there is a venue at the other end. Else nothing is asked of anybody: requests are refused, and what is subscribed
    is granted by the connection (``Receiver.grant``); there are no heartbeats, no watch and no back-off; answers among the
    messages are ignored, since they were to what was asked then."""

    lasting = True
    """True if a connection that was lost is tried again for as long as the options say, and a first one that fails is an error.
    Else they end and begin as they were recorded."""

    refusal = ""
    """Why no request is answered."""

    silent_opening = False
    """True if the first connection opens before it is time to report it."""

    clock: Clock = MACHINE
    """The times that users see."""

    def fills(self) -> bool:
        """True if what was missed can be fetched over REST. False: it is not, and nobody minds. Raises ``ValueError`` if somebody
        would wait for it in vain."""
        return self.live

    def address(self, address: Address) -> Address:
        """Where the connections of a client that was made for ``address`` go."""
        return address

    def connect(self, address: Address, options: Options, receiver: Receiver, prepare: Optional[Prepare]) -> AnyConnection:
        """Make the next connection; it connects in its ``run``."""
        return Connection(address, options, receiver.opened, receiver.messages, receiver.pong, prepare)

    def get(self, url: str, options: Options, timeout: float, params: Optional[Mapping[str, str]] = None) -> HttpAnswer:
        """Send an HTTP request beside the connections, or raise ``ConnectError``."""
        return get(url, options, timeout=timeout, params=params)

    def bind(self, receiver: Receiver, must_flow: Callable[[], bool]) -> None:
        """Take the receiver, and a function that returns True while somebody waits for what comes next; ``wake`` follows
        if that has changed. Called once in each process."""

    def subscribing(self, subscription: Subscription) -> None:
        """A subscription is about to be made."""

    def wake(self) -> None:
        """What ``must_flow`` returns may have changed."""

    def ended(self) -> None:
        """The client takes nothing any more."""


NETWORK = Connector()
