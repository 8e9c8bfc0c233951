"""An order book as a subscriber: its updates go into it on the reader thread, its callbacks run where all others do."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ContextManager, Iterable, List, Optional, Tuple, cast

from dbxsdk.book.order_book import OrderBook
from dbxsdk.book.rule import BookRule
from dbxsdk.book.state import BookState
from dbxsdk.errors import DbxError, ProtocolError
from dbxsdk.session.subscription import Subscription

if TYPE_CHECKING:
    from dbxsdk.session.dispatch import Delivery, UpdateQueue
    from dbxsdk.session.session import Session

logger = logging.getLogger(__name__)


class BookFeed:
    """One book and its subscription, of which it is the queue: one in which nothing waits.

    ``Callbacks`` stages what is for a queue, and puts it in when a whole read of the network has been looked at. What is
    staged here is in the book at once, so that callbacks run inline find the book where their own update is.
    """

    abandoned = False
    lossy = False

    def __init__(self, session: "Session", channel: str, topics: Tuple[str, ...], symbol: str, rule: BookRule) -> None:
        self._session = session
        self._callbacks = session.callbacks
        queue = cast("UpdateQueue", self)
        self.subscription = Subscription(
            session, channel, topics, _nothing, raw=False, overflow="block", max_silence=None, queue=queue
        )
        # One notification at most waits for the callbacks thread. None is ever dropped by this policy then, and it never
        # holds up the reader.
        self._notification = Subscription(
            session, channel, topics, self._notify, raw=True, overflow="latest", max_silence=None, queue=None
        )
        self._notifying = False
        self.state = BookState(
            symbol, rule, resynchronise=lambda: session.renew(topics), clock=session.clock.monotonic
        )
        self.book = OrderBook(
            self.state, close=lambda: session.unsubscribe(self.subscription), waiting=self._waiting
        )

    # -- as a queue; the reader thread -----------------------------------------------------------------

    @property
    def staged(self) -> "BookFeed":
        return self

    def __bool__(self) -> bool:
        return True  # as staged: there is never anything that had to be put in later

    def append(self, delivery: "Delivery") -> None:
        """Takes an update in. Never raises: others want the update, too."""
        try:
            changed = self.state.handle(delivery[2])
        except ProtocolError as error:
            self._callbacks.bad_frame(error)
            changed = True
        except Exception as error:  # a defect of ours must not leave a book that looks sound
            logger.exception("%s: an update could not be taken into the book", self.book.symbol)
            self.state.lost(f"unexpected error: {error!r}")
            self._callbacks.bad_frame(ProtocolError(f"unexpected error: {error!r}"))
            changed = True
        if changed:
            self._changed()
            if self.book.is_stale:
                self._session.wake_heartbeat()  # which sees to it that a whole book is asked for, if no update does

    def stale(self, reason: str) -> None:
        """The connection dropped."""
        if self.state.stale(reason):
            self._changed()

    def _changed(self) -> None:
        if self.state.is_watched and not self._notifying:
            self._notifying = True
            self._callbacks.take((self._notification,), self.subscription.topics[0], None)

    # -- the callbacks thread --------------------------------------------------------------------------

    def _notify(self, _: Any) -> None:
        self._notifying = False  # first: a change from now on may be one that the callbacks have not seen
        self.state.notify()

    # -- any thread ------------------------------------------------------------------------------------

    def discard(self) -> None:
        """As a queue whose subscription has ended; ``drain`` says the rest."""

    def drain(self) -> None:
        self.end(None, "it was unsubscribed")

    def end(self, error: Optional[DbxError], reason: str) -> None:
        self._notification.active = False
        self.state.end(error, reason)

    def after_fork_in_child(self) -> None:
        self._notifying = False
        self.state.check_process()

    def _waiting(self, timeout: Optional[float]) -> ContextManager[None]:
        return self._session.waiting_for_book(timeout, must_flow=self.book.is_stale)


def feeds(subscriptions: Iterable[Subscription]) -> List[BookFeed]:
    """Those of them that are books'."""
    return [cast(BookFeed, each.queue) for each in subscriptions if isinstance(each.queue, BookFeed)]


def _nothing(_: Any) -> None:
    """The callback of a book's subscription, whose updates go into the book."""
