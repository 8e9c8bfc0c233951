"""What the demo tells, as values, and who may show them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Optional, Protocol, Sequence, Tuple

import attrs


@attrs.frozen
class Pulled:
    """The demo itself ended the venue's connections, without a close frame."""

    connections: int


@attrs.frozen
class Recovered:
    """After a pull every topic has delivered again, ``after`` seconds since then."""

    after: float


@attrs.frozen
class RequestFailed:
    """A request had no answer, for another reason than the pulled connection."""

    error: str


@attrs.frozen
class Start:
    """One venue of the demo."""

    venue: str
    url: str
    topics: Tuple[str, ...]


@attrs.frozen
class Happening:
    """An event of the library or one of those above, ``at`` seconds after the start."""

    at: float
    venue: str
    event: Any


@attrs.frozen(kw_only=True)
class Standing:
    """How one venue's client stands, ``at`` seconds after the start."""

    at: float
    venue: str
    symbol: str
    state: str
    last: Optional[Decimal]
    bid: Optional[Decimal]
    ask: Optional[Decimal]
    trades_per_second: float
    books_per_second: float
    received: int
    delivered: int
    requests: int
    answered: int
    round_trip_ms: Optional[float]


@attrs.frozen
class Losses:
    """What ought to have reached a callback and did not, by five witnesses that know nothing of each other.

    ``trades``: the venue's own record against the numbers of the trades that callbacks got, from the acknowledgement
    of the subscription on; what the venue did between the last trade before an announced gap and the first after it
    does not count. ``books``: moments at which the book, kept from snapshot and deltas, never became what the venue's
    book was. The others are the clients' own counters: updates that an overflow policy threw away, frames that could
    not be read or belonged to nothing, and callbacks that raised.
    """

    trades: int
    books: int
    dropped: int
    bad_frames: int
    callback_errors: int

    @property
    def total(self) -> int:
        return self.trades + self.books + self.dropped + self.bad_frames + self.callback_errors


@attrs.frozen(kw_only=True)
class Summary:
    """The end of the story; the meaning of each field is in the command's help."""

    at: float
    interrupted: bool
    received: int
    delivered: int
    losses: Losses
    trades_checked: int
    books_checked: int
    pulled: int
    recovered: int
    gap_seconds: float
    trades_in_gap: int
    requests: int
    answered: int
    cut_off: int
    failed: int
    round_trip_ms: Optional[float]

    @property
    def lost(self) -> int:
        return self.losses.total

    @property
    def ok(self) -> bool:
        # Who ends it early may have done so in the middle of a recovery: that is no failure.
        return not self.lost and not self.failed and (self.interrupted or self.recovered == self.pulled)


class Display(Protocol):
    """Shows the demo. All calls come from the main thread."""

    interval: float
    """Seconds between two calls of ``standing``."""

    def started(self, seconds: float, venues: Sequence[Start]) -> None:
        """The venues serve, and ``seconds`` are planned."""

    def happened(self, happening: Happening) -> None:
        """Something happened."""

    def standing(self, standings: Sequence[Standing]) -> None:
        """How all venues stand now."""

    def finished(self, summary: Summary) -> None:
        """It is over."""

    def close(self) -> None:
        """Leaves the terminal in order, also after an error."""
