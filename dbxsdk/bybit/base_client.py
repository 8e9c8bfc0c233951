"""The methods that pybit has on every client: ``is_connected`` and ``exit``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, TypeVar, Union

from dbxsdk.rest_client import RestClient
from dbxsdk.runtime.lazy_import import Later

if TYPE_CHECKING:
    from dbxsdk import session as sessions
    from dbxsdk.bybit.auth import Credentials
    from dbxsdk.bybit.rest import BybitRest
    from dbxsdk.models import Update

    Data = TypeVar("Data")

    Callback = Union[Callable[[Update[Data]], Any], Callable[[Dict[str, Any]], Any]]
    """The callback of a ``..._stream`` method: gets an ``Update``, or with ``raw=True`` the decoded frame."""
else:
    sessions = Later("dbxsdk.session")


class BybitClient(RestClient):
    """One of Bybit's sockets. Use one of the classes made from it."""

    _credentials: Optional["Credentials"] = None

    def _make_rest(self, origin: str) -> "BybitRest":
        from dbxsdk.bybit.rest import BybitRest  # most clients never need it

        return BybitRest(self._credentials, origin, self._options)

    def is_connected(self) -> bool:
        """Return True if the connection is open and ready now."""
        return self.state is sessions.State.READY

    def exit(self) -> None:
        """Do the same as ``close()``."""
        self.close()
