"""``Account``: one account's open orders and balances, kept current from the stream and begun over REST. The venue says how."""

from __future__ import annotations

import abc
import threading
from typing import Any, Callable, ClassVar, Collection, Dict, Generic, List, Optional, Sequence, Tuple, TypeVar

from dbxsdk import html
from dbxsdk.account.state import AccountSnapshot, AccountState, B, Difference, Listed, O
from dbxsdk.arguments import check_callback, check_int, check_seconds
from dbxsdk.errors import AuthError, ClientClosed, DbxError, WrongThreadError, fresh
from dbxsdk.events import BadFrame, CallbackFailed, Disconnected, Drift, Dropped, Gap, Refused
from dbxsdk.runtime.clock import monotonic
from dbxsdk.runtime.fork import ForkAware
from dbxsdk.runtime.log import SafeLogger

logger = SafeLogger(__name__)

_FETCH_TIME = 30.0
_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_LEAST_PAUSE = 0.5
"""Seconds between the beginnings of two renewals, however often updates are lost."""

_JOIN_TIME = 1.0
_QUIET_TRIES = 3  # balances have no version: better none changes while they are asked for

A = TypeVar("A", bound="Account[Any, Any]")

NOT_YET = "the venue's state has not come yet"
CLOSED = "the account was closed"


class Account(ForkAware, Generic[O, B]):
    """An account's open orders and balances. ``client.account()`` makes it; end it with ``close``.

    Every method may be used by any thread, and each sees the account between two updates. What must fit together has to come
    out of one call: ``snapshot()``. Reads of a stale account give what was known last. It is stale before its first state, from
    a dropped connection on, and after a ``Gap``, until REST has been asked again, which a thread of its own does; trouble with
    REST leaves it stale and is tried again, a refused key only after the next hole. A topic that the venue refuses when it is
    subscribed again leaves it stale until that is live.
    """

    channels: ClassVar[Tuple[str, ...]]
    """Of the stream."""
    new_state: ClassVar[Callable[[], Any]]
    """Makes the venue's state, without rows."""

    def __init__(
        self,
        side: Any,
        reconcile_every: Optional[float],
        emit: Callable[[Any], None],
        name: str,
    ) -> None:
        """``side`` is the venue's REST side, which ends with the account; ``emit`` delivers events of the client ``name``.
        ``_begin`` follows."""
        self._side = side
        self._every = reconcile_every
        self._emit = emit
        self._name = name
        self._state: AccountState[O, B] = type(self).new_state()
        self._changed = threading.Condition()  # reentrant: guards the state and what follows; held for moments
        self._stale: Optional[str] = NOT_YET
        self._holes = 0
        self._down = False
        """True from a dropped connection until the topics are live again."""
        self._topics: Collection[str] = self.channels
        """Those of the stream."""
        self._is_live: Callable[[], bool] = lambda: True
        """Returns True if the venue has all of them on this connection."""
        self._refused: Dict[str, str] = {}
        """Topics that are not subscribed any more, and what the venue said."""
        self._closed = self._released = False
        self._error: Optional[DbxError] = None
        """What ended it, if nobody closed it."""
        self._callbacks: List[Callable[[Any], Any]] = []
        self._unsubscribe: Callable[[], None] = lambda: None
        self._on_client_thread: Callable[[], bool] = lambda: False
        self._wake, self._over = threading.Event(), threading.Event()
        self._worker = threading.Thread(target=self._work, name=f"dbxsdk-{name}-account", daemon=True)
        self._follow_forks()

    def _begin(self, unsubscribe: Callable[[], None], on_client_thread: Callable[[], bool]) -> None:
        """The stream is subscribed, until ``unsubscribe()``: begin. ``on_client_thread()`` is true on the client's threads.
        Raises what has ended the client meanwhile."""
        self._unsubscribe, self._on_client_thread = unsubscribe, on_client_thread
        with self._locked():
            if not self._closed:
                self._worker.start()
                return
        raise ClientClosed(f"the account has ended: {self._stale}") if self._error is None else fresh(self._error)

    def _end(self, error: Optional[DbxError], reason: str) -> None:
        """Nothing comes any more. By any thread, whatever lock it holds; waits for nothing."""
        with self._locked():
            if self._closed:
                return
            self._closed, self._stale, self._error = True, reason, error
            self._changed.notify_all()
        self._wake.set()
        self._over.set()

    def _after_fork(self) -> None:
        self._changed, self._wake, self._over = threading.Condition(), threading.Event(), threading.Event()
        self._closed = self._released = True
        self._stale = "the process was forked: make an account of this process's own"

    def _locked(self) -> threading.Condition:
        """Return the lock. In a forked child it is a new one, and the account is over: its thread is the parent's."""
        return self._check_process()._changed

    # -- reads -----------------------------------------------------------------------------------------

    def orders(self) -> List[O]:
        """Return the open orders, by creation."""
        with self._locked():
            return list(self._ordered())

    def order(self, id: str) -> Optional[O]:
        """Return the open order with this id, the venue's or one's own; None if there is none."""
        with self._locked():
            found = self._state.orders.get(id)
            return found or next((each for each in self._state.orders.values() if id and self._own_id(each) == id), None)

    def balance(self, coin: str) -> Optional[B]:
        """Return the balance of ``coin``; None if the account has none of it."""
        with self._locked():
            return self._state.coins.get(coin)

    def snapshot(self) -> AccountSnapshot[O, B]:
        """Return all of one moment, as a frozen value."""
        with self._locked():
            return AccountSnapshot(**self._contents())

    def _contents(self) -> Dict[str, Any]:
        state = self._state
        return {
            "orders": tuple(self._ordered()),
            "balances": dict(state.coins),
            "version": state.version,
            "is_stale": self._stale is not None,
        }

    @property
    def is_stale(self) -> bool:
        """True if the account may not be as the venue has it."""
        return self.stale_reason is not None

    @property
    def stale_reason(self) -> Optional[str]:
        """Why it is stale, in words; None if it is not."""
        with self._locked():
            return self._stale

    def _ordered(self) -> Sequence[O]:
        return sorted(self._state.orders.values(), key=lambda order: (self._created(order), self._state.order_id(order)))

    # -- waiting ---------------------------------------------------------------------------------------

    def wait_ready(self, timeout: Optional[float] = None) -> bool:
        """Block until the account is not stale and return True; False after ``timeout`` seconds (None: no limit), or once it is
        closed. Raises what ended the client, if nobody closed it, ``WrongThreadError`` on the threads that keep it current (that
        is, in any callback), ``TypeError`` or ``ValueError`` naming the argument."""
        return self._wait(lambda: self._stale is None, timeout)

    def wait_update(self, timeout: Optional[float] = None, *, after: Optional[int] = None) -> bool:
        """Block until the account changes and return True; False after ``timeout`` seconds, or once it is closed. With ``after``,
        the ``version`` of a snapshot, a change since then counts. Raises what ``wait_ready`` raises."""
        seen = self._state.version if after is None else check_int("after", after)
        return self._wait(lambda: self._state.version != seen, timeout)

    def _wait(self, predicate: Callable[[], bool], timeout: Optional[float]) -> bool:
        seconds = None if timeout is None else check_seconds("timeout", timeout, zero=True)
        own = threading.current_thread() is self._worker or self._on_client_thread()
        if own and seconds != 0 and not self._closed and not predicate():
            raise WrongThreadError("this thread keeps the account current: waiting here would be for ever; use another")
        with self._locked():
            self._locked().wait_for(lambda: self._closed or predicate(), seconds)
            if self._error is not None:
                raise fresh(self._error)
            return predicate() and not self._closed

    def on_update(self, callback: Callable[[Any], Any]) -> None:
        """Call ``callback(account)`` after a change, its becoming stale or fresh included: on the client's callbacks thread for
        what the stream brought, on the account's own for what REST did. One that raises is reported like every callback of the
        client: ``CallbackFailed``, of the topic ``account``."""
        check_callback(callback)
        with self._locked():
            self._callbacks.append(callback)

    def close(self) -> None:
        """End the subscriptions; the account stays as it is, and stale. From any thread. Calling it again does nothing."""
        self._end(None, CLOSED)
        with self._locked():
            if self._released:
                return
            self._released = True
        self._side.abort()
        self._unsubscribe()
        if self._worker.ident is not None and self._worker is not threading.current_thread():
            self._worker.join(_JOIN_TIME)

    def __enter__(self: "A") -> "A":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        with self._locked():
            counts = ", ".join(f"{count} {what}" for what, count in self._counts().items())
        return f"<Account {self._name} {counts}{' stale: ' + self._stale if self._stale else ''}>"

    def _repr_html_(self) -> str:
        return html.account(f"Account {self._name}", self)

    def _counts(self) -> Dict[str, int]:
        return {"orders": len(self._state.orders), "coins": len(self._state.coins)}

    # -- what the venue says ---------------------------------------------------------------------------

    @abc.abstractmethod
    def _created(self, order: O) -> int:
        """Return when an order was made."""

    def _own_id(self, order: O) -> Optional[str]:
        """Return the user's own id of an order."""
        return None

    @abc.abstractmethod
    def _take(self, update: Any) -> None:
        """Take an update of one of the channels into the state. Called under the lock."""

    @abc.abstractmethod
    def _fetch(self, deadline: float) -> Listed:
        """Ask REST for all but the balances."""

    @abc.abstractmethod
    def _fetch_wallet(self, listed: Listed, deadline: float) -> Listed:
        """Ask REST for the balances. Return ``listed`` with them."""

    @abc.abstractmethod
    def _look_up(self, orders: Sequence[O], deadline: float) -> Dict[str, Optional[O]]:
        """Return by id the rows of orders that are open here, and not listed as open; None: the venue does not know it."""

    # -- the stream ------------------------------------------------------------------------------------

    def _on_stream(self, update: Any) -> None:
        """Take in an update of one of the channels."""
        with self._locked():
            if self._closed:
                return
            before = self._state.version
            self._take(update)
            changed = self._state.version != before
        if changed:
            self._report()

    def _on_event(self, event: Any) -> None:
        """Become stale with the connection, and ask again after whatever may have cost an update."""
        if isinstance(event, Disconnected):
            self._down = True
            self._become_stale(f"disconnected: {event.reason}")
        elif isinstance(event, Gap) and any(map(self._is_own, event.topics)):
            self._down = False
            for topic in event.topics:
                self._refused.pop(topic, None)
            self._become_stale(next(iter(self._refused.values()), "updates were missed"))
            self._wake.set()
        elif isinstance(event, Refused) and any(map(self._is_own, event.topics)):
            reason = f"refused when subscribed again: {event.error}"
            self._refused.update(dict.fromkeys(filter(self._is_own, event.topics), reason))
            self._become_stale(reason)
        elif isinstance(event, BadFrame) or (isinstance(event, (Dropped, CallbackFailed)) and self._is_own(event.topic)):
            self._become_stale("updates were lost or could not be read")
            self._wake.set()

    def _is_own(self, topic: str) -> bool:
        return topic in self._topics

    def _become_stale(self, reason: str) -> None:
        with self._locked():
            self._holes += 1
            if self._closed:
                return
            self._stale = reason
            self._state.version += 1
        self._report()

    def _report(self) -> None:
        with self._locked():
            self._changed.notify_all()
            callbacks = () if self._closed else tuple(self._callbacks)
        for callback in callbacks:
            try:
                callback(self)
            except Exception as error:
                self._emit(CallbackFailed("account", error, client=self._name))

    # -- REST, on a thread of its own ------------------------------------------------------------------

    def _work(self) -> None:
        failed, last = 0, -_LEAST_PAUSE
        while not self._closed:
            self._over.wait(max(last + _LEAST_PAUSE - monotonic(), 0.0))
            last = monotonic()
            self._wake.clear()
            try:
                self._renew()
                failed, pause = 0, self._every
            except AuthError as error:
                self._become_stale(f"REST refused the key: {error}")
                pause = None
            except DbxError as error:
                logger.info("%s: the account could not be fetched: %s", self._name, error)
                with self._locked():
                    if self._stale is not None and not self._closed:
                        self._stale = f"it could not be fetched: {error}"
                pause = _PAUSES[min(failed, len(_PAUSES) - 1)]
                failed += 1
            except Exception as error:  # no thread dies unseen
                logger.exception("%s: the account could not be merged", self._name)
                self._become_stale(f"it could not be merged: {type(error).__name__}")
                pause = _PAUSES[-1]
            self._wake.wait(pause)

    def _renew(self) -> None:
        deadline = monotonic() + _FETCH_TIME
        with self._locked():
            self._state.begin()
            holes, was_stale = self._holes, self._stale is not None
        listed = self._fetch(deadline)
        with self._locked():
            missing = self._state.missing(listed)
        ended = self._look_up(missing, deadline) if missing else {}
        for _ in range(_QUIET_TRIES):
            with self._locked():
                wallets = self._state.wallets
            listed = self._fetch_wallet(listed, deadline)
            with self._locked():
                if self._state.wallets == wallets:
                    break
        is_live = self._is_live()
        with self._locked():
            if self._closed:
                return
            before = self._state.version
            differences = self._state.renew(listed, ended, quiet=self._state.wallets == wallets)
            if self._holes == holes and not self._down and is_live:
                self._stale = None
                self._state.version += was_stale
            elif not self._down and is_live:  # it became stale again meanwhile: once more
                self._wake.set()
            changed = self._state.version != before
        if not was_stale:
            self._report_drift(differences)
        if changed:
            self._report()

    def _report_drift(self, differences: Sequence[Difference]) -> None:
        for what, ours, theirs in differences:
            logger.warning("%s: the account differed from the venue's: %s", self._name, what)
            self._emit(Drift(what, ours, theirs, client=self._name))
