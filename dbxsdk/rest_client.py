"""``RestClient``: what clients share whose venue's REST side has what their streams may miss."""

from __future__ import annotations

import abc
from typing import Any, Optional

from dbxsdk.client import Client


class RestClient(Client):
    """A client of a venue with a REST side. Use a venue's own class."""

    _origin: Optional[str] = None
    """Of the REST side; None: it is not known."""
    _asked: Optional[Any] = None

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
        self._asked = self._asked or self._new_rest()
        return self._asked

    def _end_rest(self) -> None:
        if self._asked is not None:
            self._asked.abort()
            self._asked.close()
