"""One connection of the demo: its client, its requests, its events, and its recovery after a pull."""

from __future__ import annotations

import abc
import statistics
import time
from typing import Any, Callable, Optional, Sequence, Set, Tuple

import attrs

from dbxsdk.cli.demo.asking import Asking
from dbxsdk.cli.demo.report import Losses, Pulled, Recovered, RequestFailed, Standing, Start
from dbxsdk.client import Client
from dbxsdk.errors import DbxError
from dbxsdk.events import Connected, Disconnected, Gap
from dbxsdk.session import Stats
from dbxsdk.sim import Venue

ROUND_TRIPS_SHOWN = 20
LAST_ANSWER = 5.0
"""Seconds that the last request may take at the end."""

Tell = Callable[[str, str, Any], None]
"""``tell(venue, connection, event)``, on the thread where it happens."""


class Link(abc.ABC):
    """One client of a local venue.

    Its life: ``open`` (the venue is started), ``subscribe``, ``ask``; then ``compare`` every second or so; at the end
    ``stop_asking``, ``finish``, ``close``. All of these are the main thread's. What callbacks count is written by the
    client's callbacks thread alone.

    Attributes:
        name: the connection, as it is shown.
        url: its address, once it is open.
        client: its client, once it is open.
        symbol: what is traded on it, or "".
        channels: those that must deliver again before a pulled connection counts as recovered; none: a request must
            be answered again.
    """

    client: Client
    asking: Asking
    url: str

    def __init__(self, venue: Venue, name: str, symbol: str = "", channels: Tuple[str, ...] = ()) -> None:
        self.venue = venue
        self.name = name
        self.symbol = symbol
        self.channels = channels
        self.pulled = 0
        self.recovered = 0
        self.gap_seconds = 0.0
        self._pulled_at = 0.0
        self._disconnected_at = 0.0
        self._awaited: Set[str] = set()
        self._answer_awaited = False
        self._final_stats: Optional[Stats] = None

    # -- what each of them is ------------------------------------------------------------------------

    @abc.abstractmethod
    def make_client(self) -> Tuple[Any, str]:
        """Its client, not opened, and the address that this has."""

    @property
    def topics(self) -> Tuple[str, ...]:
        """What it subscribes, to be shown."""
        return self.channels

    @property
    def requests(self) -> Sequence[Callable[[Any], Any]]:
        """Blocking calls to make beside ``ping``."""
        return ()

    def make_subscriptions(self) -> None:
        """Subscribes what it is for."""

    def lost(self) -> None:
        """The connection ended. On the callbacks thread, as the next one."""

    def gap(self) -> None:
        """A gap was announced."""

    def compare(self) -> None:
        """Checks what came against the venue."""

    def settle(self) -> None:
        """No request is made any more: lets what is on its way arrive."""

    def own_losses(self) -> Losses:
        """What its comparisons found."""
        return Losses()

    def own_standing(self, standing: Standing) -> Standing:
        """``standing`` with what this connection has beyond others."""
        return standing

    # -- life ----------------------------------------------------------------------------------------

    def open(self, tell: Tell) -> None:
        self._tell_all = tell
        self.client, self.url = self.make_client()
        self.client.on_event(self._on_event)
        name = self.name.replace(" ", "-")
        self.asking = Asking(
            name,
            self.client,
            self.requests,
            self._request_failed,
            self._request_answered,
            lambda: (self.pulled, self.recovered),
        )

    def start(self) -> Start:
        return Start(self.venue.name, self.name, self.url, self.topics)

    def subscribe(self) -> None:
        """Opens the connection and subscribes."""
        self.client.open()
        self.make_subscriptions()

    def ask(self) -> None:
        self.asking.start()

    def stop_asking(self) -> None:
        self.asking.stop(LAST_ANSWER)

    def finish(self) -> None:
        """Lets what is on its way arrive, and takes the final counters."""
        self.compare()
        self.settle()
        self._final_stats = self.client.stats()

    def close(self) -> None:
        # The client first: it ends the request for whose answer the asking thread may be waiting.
        self.client.close()
        self.asking.stop()

    def pull(self, cut: Callable[[], Any], when: str = "") -> None:
        """Cuts the connection at the venue's end, as a failing network would."""
        self._pulled_at = time.monotonic()
        self.pulled += 1
        self.tell(Pulled(1, when))
        cut()

    # -- from any thread -----------------------------------------------------------------------------

    def tell(self, event: Any) -> None:
        self._tell_all(self.venue.name, self.name, event)

    def _request_failed(self, error: DbxError) -> None:
        self.tell(RequestFailed(f"{type(error).__name__}: {error}"))

    def _request_answered(self) -> None:
        if self._answer_awaited:
            self._answer_awaited = False
            self._recover()

    # -- on the callbacks thread ---------------------------------------------------------------------

    def _on_event(self, event: Any) -> None:
        self.tell(event)
        if isinstance(event, Disconnected):
            self._disconnected_at = time.monotonic()
            self.lost()
        elif isinstance(event, Gap):
            self.gap_seconds += event.seconds
            self._awaited = set(self.channels)
            self.gap()
        elif isinstance(event, Connected) and event.reconnects and not self.channels:
            self.gap_seconds += time.monotonic() - self._disconnected_at
            self._answer_awaited = True

    def flows(self, channel: str) -> None:
        """An update of ``channel`` came: being connected is not enough to be recovered."""
        if channel in self._awaited:
            self._awaited.discard(channel)
            if not self._awaited:
                self._recover()

    def _recover(self) -> None:
        # Told first: who sees the counter may end the demo.
        self.tell(Recovered(time.monotonic() - self._pulled_at))
        self.recovered += 1

    # -- on the main thread --------------------------------------------------------------------------

    @property
    def stats(self) -> Stats:
        return self._final_stats or self.client.stats()

    def losses(self) -> Losses:
        stats = self.stats
        return attrs.evolve(
            self.own_losses(), dropped=stats.dropped, bad_frames=stats.bad_frames, callback_errors=stats.callback_errors
        )

    def standing(self, at: float) -> Standing:
        stats, asking = self.stats, self.asking
        recent = asking.round_trips[-ROUND_TRIPS_SHOWN:]
        return self.own_standing(
            Standing(
                at=at,
                venue=self.venue.name,
                connection=self.name,
                symbol=self.symbol,
                state=self.client.state.value,
                received=stats.received,
                delivered=stats.delivered,
                requests=asking.made,
                answered=asking.answered,
                round_trip_ms=round(statistics.median(recent) * 1000, 3) if recent else None,
            )
        )
