"""An order book as a sink: its updates go into it on the reader thread, its callbacks run where all others do."""

from __future__ import annotations

import typing
from typing import ContextManager, Optional, Sequence, Tuple

from dbxsdk.book.order_book import OrderBook
from dbxsdk.book.rule import BookRule
from dbxsdk.book.state import BookState
from dbxsdk.errors import DbxError, ProtocolError
from dbxsdk.protocol import Push
from dbxsdk.runtime.clock import Clock
from dbxsdk.runtime.log import ClientLog
from dbxsdk.session.delivery.dispatcher import Dispatcher, Notice
from dbxsdk.session.subscription import Owner, Subscription


class BookOwner(Owner, typing.Protocol):
    """What a book needs of the client that it belongs to."""

    def renew(self, topics: Sequence[str]) -> None:
        """Have the venue send whole books of these topics. Waits for nothing."""

    def watch_book(self) -> None:
        """A book is stale: see to it that a whole one is asked for, if no update does."""

    def waiting_for_book(self, timeout: Optional[float], must_flow: bool) -> ContextManager[None]:
        """Around the wait for an update of a book."""


class BookFeed:
    """One book and its subscription."""

    def __init__(
        self,
        owner: BookOwner,
        dispatcher: Dispatcher,
        log: ClientLog,
        clock: Clock,
        channel: str,
        topics: Tuple[str, ...],
        symbol: str,
        rule: BookRule,
    ) -> None:
        self._owner = owner
        self._dispatcher = dispatcher
        self._log = log
        self._topic = topics[0]
        self.subscription = Subscription(owner, channel, topics, _nothing, sink=self)
        # One notice at most waits for the callbacks thread.
        self._notice = Notice(self._notify)
        self._notifying = False
        self._topics, self._rule = topics, rule
        self.state = BookState(
            symbol, rule, resynchronise=self._resynchronise, clock=clock.monotonic, log=log, client=owner.name
        )
        self.book = OrderBook(self.state, close=self._close, waiting=self._waiting)

    # -- the reader thread -----------------------------------------------------------------------------

    def take(self, push: Push, epoch: int) -> None:
        """Take in an update. Never raises: others want it, too."""
        try:
            changed = self.state.handle(push, epoch)
        except ProtocolError as error:
            self._dispatcher.bad_frame(error)
            changed = True
        except Exception as error:  # a defect of ours must not leave a book that looks sound
            self._log.exception("an update could not be taken into the book of %s", self.book.symbol)
            self.state.lost(f"unexpected error: {error!r}")
            self._dispatcher.bad_frame(ProtocolError(f"unexpected error: {error!r}"))
            changed = True
        if changed:
            if self._is_due():
                self._dispatcher.emit(self._notice)
            if self.book.is_stale:
                self._owner.watch_book()

    # -- with the session's lock held ------------------------------------------------------------------

    def live(self, epoch: int) -> None:
        """The topic is subscribed at the venue."""
        if self.state.live(epoch) and self._is_due():
            self._dispatcher.put(self._notice)
        self._owner.watch_book()

    def stale(self, epoch: int, reason: str, renewed: bool) -> None:
        """The topic is not subscribed any more."""
        if self.state.stale(epoch, reason, renewed) and self._is_due():
            self._dispatcher.put(self._notice)

    def end(self, error: Optional[DbxError], reason: str) -> None:
        """Nothing comes any more."""
        self._rule.end()
        self.state.end(error, reason)

    def _resynchronise(self) -> None:
        if not self._rule.ask():
            self._owner.renew(self._topics)

    # -- the callbacks thread --------------------------------------------------------------------------

    def _is_due(self) -> bool:
        if self._notifying or not self.state.is_watched:
            return False
        self._notifying = True
        return True

    def _notify(self) -> None:
        self._notifying = False  # first: a change from now on may be one that the callbacks have not seen
        if not self.subscription.active:
            return
        try:
            self.state.notify()
        except BaseException as error:  # noqa: B036 - also SystemExit: it would end the thread in silence
            self._dispatcher.callback_raised(self._topic, error)

    # -- any thread ------------------------------------------------------------------------------------

    def after_fork_in_child(self) -> None:
        """What waited for the callbacks thread is the parent's."""
        self._notifying = False
        self.state.check_process()

    def _close(self) -> None:
        self._rule.end()
        self._owner.unsubscribe(self.subscription)

    def _waiting(self, timeout: Optional[float]) -> ContextManager[None]:
        return self._owner.waiting_for_book(timeout, self.book.is_stale)


def _nothing(_: object) -> None:
    """The callback of a book's subscription, whose updates go into the book."""
