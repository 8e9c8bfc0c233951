"""Updates as an iterator, for a ``for`` loop in the user's own thread."""

from __future__ import annotations

from typing import Generic, TypeVar, Union

from dbxsdk.events import Gap
from dbxsdk.runtime import reentrancy
from dbxsdk.runtime.reentrancy import calls_user_code
from dbxsdk.session.delivery.queue import UpdateQueue
from dbxsdk.session.subscription import Owner, Subscription

T = TypeVar("T")


class Messages(Generic[T]):
    """What ``messages`` returns. Iterate over it, in one thread; ``close`` it, or use it in a ``with`` block.

    It ends when it is closed or the client is, and raises what ended the client. Updates wait in a queue of its
    own under the client's overflow policy. After a reconnect it gives out a ``Gap`` before the first new update, where
    the gap is in one of its topics: what follows may not join on to what came before.
    """

    def __init__(self, owner: Owner, subscription: Subscription, queue: UpdateQueue) -> None:
        self._owner = owner
        self._queue = queue
        self.subscription = subscription

    def __repr__(self) -> str:
        return f"<Messages of {self.subscription!r}>"

    def _repr_html_(self) -> str:
        return self.subscription._repr_html_().replace("Subscription", "Messages of", 1)

    def __iter__(self) -> "Messages[T]":
        return self

    def __next__(self) -> Union[T, Gap]:
        update: Union[T, Gap] = self._owner.next_update(self.subscription, self._queue)
        return update

    def close(self) -> None:
        """End the iteration and the subscription. From any thread, by a signal handler and by a destructor, too (see
        ``Client.close``); calling it again does nothing."""
        reentrancy.run(self._close)

    def _close(self) -> None:
        self._owner.unsubscribe(self.subscription)
        self._queue.discard()
        self._queue.drain()

    def __enter__(self) -> "Messages[T]":
        return self

    @calls_user_code
    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # No lock here: the interpreter may run this anywhere, also where this very thread holds one.
        queue = getattr(self, "_queue", None)  # not there if a signal handler raised while it was made
        if queue is not None:
            queue.abandoned = True
