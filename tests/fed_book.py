"""An order book without a client: the test feeds it."""

from __future__ import annotations

import contextlib
import time
from typing import Callable, ContextManager, Optional

from dbxsdk.book.order_book import OrderBook
from dbxsdk.book.rule import BookRule
from dbxsdk.book.state import BookState
from dbxsdk.protocol import Push


class FedBook(OrderBook):
    """What users see of a book, and beside it what its client does with it. Its topic is subscribed from the beginning."""

    def __init__(
        self,
        symbol: str,
        rule: BookRule,
        *,
        resynchronise: Callable[[], None],
        close: Callable[[], None],
        waiting: Callable[[Optional[float]], ContextManager[None]] = lambda timeout: contextlib.nullcontext(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        state = self.state = BookState(symbol, rule, resynchronise=resynchronise, clock=clock)
        super().__init__(state, close=close, waiting=waiting)
        self.epoch = 1
        """The topic's: of what comes now."""
        state.live(self.epoch)
        self.lost = state.lost
        self.ask_when_due = state.ask_when_due
        self.notify = state.notify
        self.end = state.end
        self.check_process = state.check_process

    def handle(self, push: Push, epoch: Optional[int] = None) -> bool:
        """An update comes, of the present epoch where nothing is said. True if the book changed."""
        return self.state.handle(push, self.epoch if epoch is None else epoch)

    def stale(self, reason: str, renewed: bool = False) -> bool:
        """The topic is not subscribed any more. True if the book changed."""
        self.epoch += 1
        return self.state.stale(self.epoch, reason, renewed)

    def live(self) -> bool:
        """The venue has acknowledged it again. True if the book changed."""
        return self.state.live(self.epoch)
