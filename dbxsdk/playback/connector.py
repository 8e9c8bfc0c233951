"""A recording in place of the network: its connections open, bring frames and end as they once did, and grant all."""

from __future__ import annotations

import threading
from typing import Any, Callable, NoReturn, Optional

from dbxsdk.errors import ConnectError
from dbxsdk.options import Options
from dbxsdk.playback.handoff import Ended, Feed, Marker, Moment, Received
from dbxsdk.runtime.clock import Clock
from dbxsdk.session import Connector, Prepare, Receiver, StandIn, Subscription
from dbxsdk.transport import Address, Ending


class ReplayConnector(Connector):
    """The connections of one recorded client."""

    live = False
    lasting = False
    refusal = "a replay answers no requests"
    silent_opening = True

    def __init__(self, number: int, begin: Moment) -> None:
        """``begin`` is when the recorded client connected first; ``number`` distinguishes it from others in messages."""
        self._number = number
        self._now = begin
        self.clock = Clock(monotonic=lambda: self._now.monotonic_ns / 1e9, wall_ns=lambda: self._now.wall_ns)
        self._first = True
        self._begun = False
        self._watched = False
        self._in_step = False

    # -- for the session -----------------------------------------------------------------------------

    def address(self, address: Address) -> Address:
        """No venue's: nothing goes there."""
        return Address("", "replay", self._number, False)

    def bind(self, receiver: Receiver, must_flow: Callable[[], bool]) -> None:
        """Take the client that is fed, and what says that a callback waits for what comes next."""
        self.receiver = receiver
        self.feed = Feed(must_flow)

    def connect(
        self, address: Address, options: Options, receiver: Receiver, prepare: Optional[Prepare]
    ) -> "ReplayConnection":
        """Make the next connection. The first opens at once, so that users can subscribe before anything is played; the
        others when the recorded ones did."""
        at_once, self._first = self._first, False
        return ReplayConnection(self, receiver, at_once)

    def get(self, url: str, options: Options, timeout: float, params: Any = None) -> NoReturn:
        """Refuse it: a replay reaches no network at all."""
        raise ConnectError(f"HTTP: {self.refusal}; nothing was sent")

    def subscribing(self, subscription: Subscription) -> None:
        """Make sure that what users get does not depend on how fast it is played."""
        subscription.overflow, subscription.lossy = "block", False
        self._watched = self._watched or subscription.max_silence is not None
        # Callbacks that look at a book must find it where it was.
        self._in_step = self._in_step or subscription.sink is not None

    def wake(self) -> None:
        self.feed.wake()

    def ended(self) -> None:
        self.feed.end()

    # -- for the connection, on the reader thread ----------------------------------------------------

    def begin(self, moment: Moment, connection: "ReplayConnection") -> None:
        """A recorded connection opens."""
        self._keep_step(connection)
        self._now = moment
        if not self._begun:
            self._begun = True
            self.receiver.report_connected()

    def end(self, ended: Ended, connection: "ReplayConnection") -> Ending:
        """A recorded connection ends."""
        self._keep_step(connection)
        self._now = ended
        return ended.ending

    def receive(self, received: Received, connection: "ReplayConnection") -> None:
        """Frames come, as of one read of the network."""
        self._now = received
        if self._watched:
            self.receiver.tick()
        if not self._in_step:
            self.receiver.messages(received.messages)
            return
        for message in received.messages:
            self._keep_step(connection)
            self.receiver.messages((message,))

    def _keep_step(self, connection: "ReplayConnection") -> None:
        """If there is a book: wait for the callbacks of all that came before. They look at it."""
        if self._in_step and not self.receiver.idle:
            marker = Marker()
            self.pass_on(marker)
            self.feed.wait_passed(marker, lambda: connection.stopped)

    def pass_on(self, marker: Marker) -> None:
        """Send the marker through the callbacks thread, behind all that it has to do."""
        self.receiver.notice(lambda: self.feed.pass_(marker))


class ReplayConnection(StandIn):
    """One recorded connection. Silence is judged by the recording's clock: see ``Receiver.tick``."""

    def __init__(self, connector: ReplayConnector, receiver: Receiver, at_once: bool) -> None:
        super().__init__()
        self._connector = connector
        self._feed = connector.feed
        self._receiver = receiver
        self._at_once = at_once
        self._asked = threading.Event()

    def run(self) -> Ending:
        """Bring what the recording has until the recorded connection ends."""
        is_open = self._at_once
        if is_open:
            self._receiver.opened()
        while True:
            item = self._feed.get(lambda: self._stopped or self._asked.is_set())
            if self._stopped is not None:
                return Ending(self._stopped)
            if item is None:
                self._asked.clear()
                self._receiver.grant()
            elif isinstance(item, Marker):
                self._connector.pass_on(item)
            elif isinstance(item, list):
                for received in item:
                    if self._stopped is None and is_open:
                        self.last_received = received.monotonic_ns / 1e9
                        self._connector.receive(received, self)
            elif not isinstance(item, Ended):
                self._connector.begin(item, self)
                if not is_open:
                    is_open = True
                    self._receiver.opened()
            elif is_open:
                if item.received_ns is not None:
                    self.last_received = item.received_ns / 1e9
                return self._connector.end(item, self)

    def offer(self, text: str, *, ping: bool = False) -> bool:
        """Grant what is asked, on the reader thread: the asking one holds locks."""
        self._asked.set()
        self.wake()
        return True

    def wake(self) -> None:
        self._feed.wake()
