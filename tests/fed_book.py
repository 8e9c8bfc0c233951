"""An order book without a client: the test feeds it."""

from __future__ import annotations

import contextlib
import time
from typing import Callable, ContextManager, Optional

from dbxsdk.book.order_book import OrderBook
from dbxsdk.book.rule import BookRule
from dbxsdk.book.state import BookState


class FedBook(OrderBook):
    """What users see of a book, and beside it what its client does with it."""

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
        state = BookState(symbol, rule, resynchronise=resynchronise, clock=clock)
        super().__init__(state, close=close, waiting=waiting)
        self.handle = state.handle
        self.stale = state.stale
        self.renewed = state.renewed
        self.lost = state.lost
        self.ask_when_due = state.ask_when_due
        self.notify = state.notify
        self.end = state.end
        self.check_process = state.check_process
