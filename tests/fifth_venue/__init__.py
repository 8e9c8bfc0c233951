"""Atoll, a venue that does not exist: made by following the guide's "Adding a venue", to see whether that is enough.

Its socket, in full: a request is ``{"id", "do", "with"}``; its reply ``{"id", "ok": true, "result"}`` or
``{"id", "ok": false, "code", "text"}``, to ``join`` with the refused ``topics``; an update has a ``topic``. A client that
is quiet for 20 s is cut.
"""

from tests.fifth_venue.client import URL, AtollClient
from tests.fifth_venue.models import Book, Fill, Trade

__all__ = ["AtollClient", "Book", "Fill", "Trade", "URL"]
