"""What users hold: futures, subscriptions with what came of each market, order books; and their blocking calls."""

from __future__ import annotations

from typing import Any, Callable, Dict, Generator, List, Optional, Tuple

import attrs

from dbxsdk.book.rule import Action, BookRule, Change
from dbxsdk.book.state import BookState
from dbxsdk.errors import DbxError
from dbxsdk.events import Gap
from dbxsdk.protocol import Push
from dbxsdk.session.core.effects import Sink
from dbxsdk.session.core.requests import Entry
from dbxsdk.session.subscription import Subscription

Wait = Tuple[float, Callable[[], bool]]
"""Until when a call waits, and whether there is nothing to wait for any more."""


class Interrupted(BaseException):
    """Ctrl-C."""


class UserCall:
    """A blocking call on a thread of its own: it runs when it is woken, or at its deadline."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.steps: Optional[Generator[Wait, None, None]] = None
        self.deadline = 0.0
        self.decided: Callable[[], bool] = lambda: False
        self.woken = False
        self.orphaned = False
        """True in a forked child, which does not have its thread."""
        self.error: Optional[BaseException] = None
        self.over = False


class Asked:
    """One request of a user's, and all that it was told of its outcome."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.entry: Any = None  # filed in the next line
        self.outcomes: List[Tuple[str, Any]] = []
        """Who told it, and what."""
        self.told: Callable[["Asked", str, Any], None] = lambda asked, source, outcome: None
        self.mended = False
        """True if the tables were made again while it had no outcome."""
        self.forgotten = False
        """True if nobody waits for it any more."""
        self.call: Optional[UserCall] = None
        """Whose thread waits for it."""
        self.filed_on: Any = None
        """The connection on which it went out."""
        self.number = 0
        """Counts requests in the order in which they were asked."""

    @property
    def done(self) -> bool:
        return bool(self.outcomes)

    def tell(self, source: str, outcome: Any) -> None:
        self.outcomes.append((source, outcome))
        self.told(self, source, outcome)
        if self.call is not None:
            self.call.woken = True

    # -- as the future of an entry -------------------------------------------------------------------

    def decide(self, error: BaseException) -> bool:
        if self.done and self.mended:
            return False  # a step that was left half-way had decided it
        self.tell("machine", error)
        return True

    @property
    def request(self) -> Any:
        entry: Entry = self.entry
        return entry.request


@attrs.define
class Follower:
    """What one subscription got of one market, since the venue acknowledged its topic."""

    last: Optional[int]
    gaps: List[Tuple[Gap, float]] = attrs.Factory(list)
    """Those that were told since the last update, and when."""


class ModelQueue:
    """Stands for an iterator's queue."""

    def __init__(self) -> None:
        self.ended = False

    def discard(self) -> None:
        self.ended = True

    def drain(self) -> None:
        self.ended = True


class Subscriber:
    """A subscription and what its user has seen."""

    def __init__(self, subscription: Subscription, book: Optional["Book"]) -> None:
        self.subscription = subscription
        self.book = book
        self.followers: Dict[Tuple[str, str], Follower] = {}
        """By topic and market."""
        self.waiter: Any = None
        self.topics: Tuple[str, ...] = subscription.topics
        self.returned = False
        """True once ``subscribe`` has returned, without an error but for refused topics."""


class Rule(BookRule):
    """Updates have the market's number for their payload."""

    def __init__(self, numbered: bool) -> None:
        self._numbered = numbered

    def read(self, push: Push, last: Optional[int]) -> Optional[Change]:
        number = push.payload if isinstance(push.payload, int) else push.document["data"]["n"]
        # The same two prices always: what is missing must not show by itself.
        sides = [["1", str(number)]], [["2", str(number)]]
        if push.kind == "snapshot":
            return (Action.REPLACE, *sides, number)
        if self._numbered and last is not None and number != last + 1:
            return (Action.BROKEN, (), (), number)
        return (Action.APPLY, *sides, number)


class Book(Sink):
    """A book as a sink: the real state, with a rule that knows what it missed."""

    def __init__(self, market: str, numbered: bool, renew: Callable[[], None], clock: Callable[[], float]) -> None:
        self.market = market
        self.state = BookState(market, Rule(numbered), resynchronise=renew, clock=clock)
        self.missed = False
        """True if an update is missing since the last whole book."""
        self.ends = 0

    @property
    def fresh(self) -> bool:
        return self.state.stale_reason is None

    def take(self, push: Push, epoch: int) -> None:
        before = self.state.update_id
        if not self.state.handle(push, epoch):
            return
        number = push.payload if isinstance(push.payload, int) else push.document["data"]["n"]
        if push.kind == "snapshot":
            self.missed = False
        elif self.state.update_id == number and before is not None and number != before + 1:
            self.missed = True

    def live(self, epoch: int) -> None:
        self.state.live(epoch)

    def stale(self, epoch: int, reason: str, renewed: bool) -> None:
        self.state.stale(epoch, reason, renewed)

    def end(self, error: Optional[DbxError], reason: str) -> None:
        self.ends += 1
        self.state.end(error, reason)
