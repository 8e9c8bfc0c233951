"""``RestClient``: what clients share whose venue's REST side has what their streams may miss."""

from __future__ import annotations

import abc
import contextlib
from typing import TYPE_CHECKING, Any, List, Optional, Sequence, Tuple, Type, TypeVar

from dbxsdk.arguments import check_seconds, check_timeout
from dbxsdk.client import Client, Symbols
from dbxsdk.errors import ConnectError
from dbxsdk.runtime.lazy_import import Later

if TYPE_CHECKING:
    from dbxsdk import session as sessions
    from dbxsdk.account.account import Account
else:
    sessions = Later("dbxsdk.session")

A = TypeVar("A", bound="Account[Any, Any]")


class RestClient(Client):
    """A client of a venue with a REST side. Use a venue's own class."""

    _origin: Optional[str] = None
    """Of the REST side; None: it is not known."""
    _own_rest: Optional[Any] = None

    @property
    def _accounts(self) -> List[Account[Any, Any]]:
        # Not made by a constructor: warnings name the line that is two calls above that of ``Client``.
        return vars(self).setdefault("_own_accounts", [])  # type: ignore[no-any-return]

    def close(self, timeout: float = 5) -> None:
        super().close(timeout)
        while self._accounts:
            self._accounts.pop().close()

    close.__doc__ = Client.close.__doc__

    @abc.abstractmethod
    def _make_rest(self, origin: str) -> Any:
        """Make the venue's REST side. Does no I/O."""

    def _new_rest(self) -> Any:
        """Make a REST side with connections of its own. Raises ``ValueError`` if nobody has said where it is."""
        if self._origin is None:
            raise ValueError("rest_url is needed: this client's url is not the venue's own, and says nothing of its REST side")
        return self._make_rest(self._origin)

    def _rest_side(self) -> Any:
        """Return the client's own REST side, which ends with it."""
        self._own_rest = self._own_rest or self._new_rest()
        return self._own_rest

    def _end_rest(self) -> None:
        if self._own_rest is not None:
            self._own_rest.abort()
            self._own_rest.close()

    def _check_live(self) -> None:
        """Raise ``ConnectError`` for a replay, which asks no REST side."""
        if not self._connector.live:
            raise ConnectError("a replay answers no requests; nothing was sent")

    def _new_account(self, kind: Type[A], reconcile_every: Optional[float]) -> A:
        """Make an account with a REST side of its own, to be begun. Raises ``TypeError``/``ValueError`` naming the argument, and
        ``ConnectError`` on a replay."""
        every = None if reconcile_every is None else check_seconds("reconcile_every", reconcile_every)
        side = self._new_rest()
        self._check_live()
        return kind(side, every, self._emit, self.name)

    def _begin_account(
        self, account: Account[Any, Any], wanted: Sequence[Tuple[str, Symbols]], timeout: Optional[float]
    ) -> None:
        """Subscribe the channels of ``account`` and let it begin. Its REST side ends with it. Raises what ``subscribe`` does, and
        leaves nothing then."""
        subscriptions = [
            sessions.Subscription(
                self._session,
                channel,
                self._topics(channel, symbols),
                account._on_stream,
                overflow=self._options.overflow,
                on_end=account._end,
            )
            for channel, symbols in wanted
        ]
        account._topics = frozenset(topic for each in subscriptions for topic in each.topics)
        account._is_live = lambda: all(map(self._session.is_whole, account._topics))
        unwatch = self._watch_events(account._on_event)

        def unsubscribe() -> None:
            unwatch()
            for each in subscriptions:
                each.unsubscribe()
            account._side.close()
            with contextlib.suppress(ValueError):
                self._accounts.remove(account)

        self._accounts.append(account)
        try:
            for each in subscriptions:
                self._session.subscribe(each, check_timeout(timeout))
            account._begin(unsubscribe, self._is_own_thread)
        except BaseException:
            account.close()
            unsubscribe()
            raise
