"""Updates as an iterator, for a ``for`` loop in the user's own thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar, Union

from dbxsdk.errors import fresh
from dbxsdk.events import Gap
from dbxsdk.runtime import reentrancy
from dbxsdk.session.dispatch import UpdateQueue

if TYPE_CHECKING:
    from dbxsdk.session.session import Session
    from dbxsdk.session.subscription import Subscription


T = TypeVar("T")


class Messages(Generic[T]):
    """What ``messages`` returns. Iterate over it, in one thread; ``close`` it, or use it in a ``with`` block.

    It ends when it is closed or the client is, and raises what ended the client. Updates wait in a queue of its
    own under the client's overflow policy. After a reconnect it gives out a ``Gap`` before the first new update, where
    the gap is in one of its topics: what follows may not join on to what came before.
    """

    def __init__(self, session: "Session", subscription: "Subscription", queue: UpdateQueue) -> None:
        self._session = session
        self._queue = queue
        self.subscription = subscription

    def __iter__(self) -> "Messages[T]":
        return self

    def __next__(self) -> Union[T, Gap]:
        while True:
            self._session.about_to_iterate()
            item = self._queue.get()
            if item is None:
                failure = self._session.failure
                if failure is not None and self.subscription.active:
                    raise fresh(failure)
                raise StopIteration
            if isinstance(item, tuple):
                argument = self._session.callbacks.argument(*item[:3])
                if argument is not None:
                    self._queue.delivered += 1
                    return argument  # type: ignore[no-any-return]
            elif isinstance(item, Gap):
                if not set(self.subscription.topics).isdisjoint(item.topics):
                    return item
            else:  # how many of its updates were dropped
                self._session.callbacks.emit(item)

    def close(self) -> None:
        """Ends the iteration and the subscription. From any thread, by a signal handler and by a destructor, too (see
        ``Client.close``); calling it again does nothing."""
        reentrancy.run(self._close)

    def _close(self) -> None:
        self._session.unsubscribe(self.subscription)
        self._queue.discard()
        self._queue.drain()

    def __enter__(self) -> "Messages[T]":
        return self

    def __exit__(self, *_: object) -> None:
        reentrancy.run(self._close)

    def __del__(self) -> None:
        # No lock here: the interpreter may run this anywhere, also where this very thread holds one.
        self._queue.abandoned = True
