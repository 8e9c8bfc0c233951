"""The methods that pybit has on every client: ``is_connected`` and ``exit``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, TypeVar, Union

from dbxsdk.client import Client
from dbxsdk.models import Update
from dbxsdk.session import State

if TYPE_CHECKING:
    from dbxsdk.bybit.auth import Credentials
    from dbxsdk.bybit.rest import BybitRest

Data = TypeVar("Data")

Callback = Union[Callable[[Update[Data]], Any], Callable[[Dict[str, Any]], Any]]
"""The callback of a ``..._stream`` method: gets an ``Update``, or with ``raw=True`` the decoded frame."""


class BybitClient(Client):
    """One of Bybit's sockets. Use one of the classes made from it."""

    _origin: Optional[str] = None
    """Of the REST side; None: it is not known."""
    _credentials: Optional["Credentials"] = None
    _asked: Optional["BybitRest"] = None

    def _new_rest(self) -> "BybitRest":
        """Make a REST side with connections of its own. Raises ``ValueError`` if nobody has said where it is."""
        from dbxsdk.bybit.rest import BybitRest  # most clients never need it

        if self._origin is None:
            raise ValueError("rest_url is needed: this client's url is not the venue's own, and says nothing of its REST side")
        return BybitRest(self._credentials, self._origin, self._options)

    def _rest_side(self) -> "BybitRest":
        """Return the client's own REST side, which ends with it."""
        self._asked = self._asked or self._new_rest()
        return self._asked

    def _end_rest(self) -> None:
        if self._asked is not None:
            self._asked.abort()
            self._asked.close()

    def is_connected(self) -> bool:
        """Return True if the connection is open and ready now."""
        return self.state is State.READY

    def exit(self) -> None:
        """Do the same as ``close()``."""
        self.close()
