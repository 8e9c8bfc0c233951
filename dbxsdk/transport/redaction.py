"""The logs of the libraries below: no secret gets into them, and no handler of theirs ends one of our threads.

If the user wants it (``websocket.enableTrace``), websocket-client logs whole handshakes, headers and query included. It logs
in the middle of ``run_forever``, and urllib3 in the middle of a request.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import weakref
from typing import Any, Iterator
from urllib.parse import unquote, urlsplit

from dbxsdk.cleaning import clean
from dbxsdk.runtime.log import hand_on
from dbxsdk.transport.address import Address

_HIDDEN = "***"
_SHORTEST = 4  # what is shorter is no secret, and would blot out half the log


class Redaction(logging.Filter):
    """Replaces the header values and the query of the addresses in use by asterisks, and cleans what our threads log."""

    def __init__(self) -> None:
        super().__init__()
        self._addresses: "weakref.WeakSet[Address]" = weakref.WeakSet()
        self._ours: Any = threading.local()

    def watch(self, address: Address) -> None:
        """Hide what ``address`` holds, as long as it lives."""
        self._addresses.add(address)

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """What handlers and filters raise on this thread meanwhile goes no further."""
        before = getattr(self._ours, "active", False)
        self._ours.active = True
        try:
            yield
        finally:
            self._ours.active = before

    def filter(self, record: logging.LogRecord) -> bool:
        """Hide secrets. On a thread that is ``guarded``, hand the record on here."""
        message = record.getMessage()
        hidden = message
        for address in list(self._addresses):
            for secret in secrets(address):
                hidden = hidden.replace(secret, _HIDDEN)
        ours = getattr(self._ours, "active", False)
        if ours:
            hidden = clean(hidden)
        if hidden != message:
            record.msg, record.args = hidden, ()
        if not ours:
            return True
        hand_on(record, passing=self)
        return False


def secrets(address: Address) -> Iterator[str]:
    """What of ``address`` nobody may see: header values, the query and the values in it."""
    query = urlsplit(address.url).query
    for value in (*address.headers.values(), query, unquote(query), *query.replace("=", "&").split("&")[1::2]):
        if len(value) >= _SHORTEST:
            yield value


redaction = Redaction()
for _name in ("websocket", "urllib3.connectionpool", "urllib3.util.retry"):  # a logger's filters see its own records only
    logging.getLogger(_name).addFilter(redaction)
