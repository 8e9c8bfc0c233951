"""What the demo tells, as values, and who may show them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Optional, Protocol, Sequence, Tuple

import attrs


@attrs.frozen
class Pulled:
    """The demo itself ends a venue's connections, without a close frame; ``when`` says in the middle of what, if of
    anything."""

    connections: int
    when: str = ""


@attrs.frozen
class Recovered:
    """After a pull every topic has delivered again (without topics: a request was answered), ``after`` seconds
    since then."""

    after: float


@attrs.frozen
class RequestFailed:
    """A request had no answer, for another reason than the pulled connection."""

    error: str


@attrs.frozen
class OutcomeAsked:
    """An order had no answer, so the venue was asked: whether it was carried out, and how it stands there. ``order`` is
    the caller's own id of it, where it has one."""

    order: Optional[str]
    carried_out: bool
    status: Optional[str]


@attrs.frozen
class Start:
    """One connection of the demo."""

    venue: str
    connection: str
    url: str
    topics: Tuple[str, ...]


@attrs.frozen
class Happening:
    """An event of the library or one of those above, ``at`` seconds after the start."""

    at: float
    venue: str
    connection: str
    event: Any


@attrs.frozen(kw_only=True)
class Standing:
    """How one connection stands, ``at`` seconds after the start. What it has nothing to do with is None."""

    at: float
    venue: str
    connection: str
    symbol: str
    state: str
    received: int
    delivered: int
    requests: int
    answered: int
    round_trip_ms: Optional[float]
    last: Optional[Decimal] = None
    bid: Optional[Decimal] = None
    ask: Optional[Decimal] = None
    trades_per_second: Optional[float] = None
    books_per_second: Optional[float] = None
    orders: Optional[int] = None
    accepted: Optional[int] = None
    fills: Optional[int] = None


@attrs.frozen(kw_only=True)
class Losses:
    """What ought to have reached the caller and did not, by witnesses that know nothing of each other.

    ``trades``: the venue's own record against the numbers of the trades that callbacks got, from the acknowledgement
    of the subscription on; what the venue did between the last trade before an announced gap and the first after it
    does not count. ``fills``: the same for what became of the account's orders. ``books``: moments at which the book,
    kept from snapshot and deltas, never became what the venue's book was. ``orders``: those of which caller and venue
    do not think the same in the end. The others are the clients' own counters: updates that an overflow policy threw
    away, frames that could not be read or belonged to nothing, and callbacks that raised.
    """

    trades: int = 0
    books: int = 0
    orders: int = 0
    fills: int = 0
    dropped: int = 0
    bad_frames: int = 0
    callback_errors: int = 0

    def __add__(self, other: "Losses") -> "Losses":
        names = [field.name for field in attrs.fields(Losses)]
        return Losses(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def total(self) -> int:
        return sum(attrs.astuple(self))


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
    fills_checked: int
    pulled: int
    recovered: int
    gap_seconds: float
    trades_in_gap: int
    fills_in_gap: int
    requests: int
    answered: int
    cut_off: int
    failed: int
    orders: int
    accepted: int
    asked: int
    carried_out: int
    unknown: int
    round_trip_ms: Optional[float]

    @property
    def lost(self) -> int:
        return self.losses.total

    @property
    def ok(self) -> bool:
        # Who ends it early may have done so in the middle of a recovery: that is no failure.
        told = not self.lost and not self.failed and not self.unknown
        return told and (self.interrupted or self.recovered == self.pulled)


class Display(Protocol):
    """Shows the demo. All calls come from the main thread."""

    interval: float
    """Seconds between two calls of ``standing``."""

    def started(self, seconds: float, venues: Sequence[Start]) -> None:
        """The venues serve, and ``seconds`` are planned."""

    def happened(self, happening: Happening) -> None:
        """Something happened."""

    def standing(self, standings: Sequence[Standing]) -> None:
        """How all connections stand now."""

    def finished(self, summary: Summary) -> None:
        """It is over."""

    def close(self) -> None:
        """Leaves the terminal in order, also after an error."""
