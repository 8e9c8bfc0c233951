"""Keeps keys and tokens out of websocket-client's log.

At the user's wish (``websocket.enableTrace``) it logs whole handshakes, headers and query included.
"""

from __future__ import annotations

import logging
import weakref
from typing import Iterator
from urllib.parse import unquote, urlsplit

from dbxsdk.transport.address import Address

_HIDDEN = "***"
_SHORTEST = 4  # what is shorter is no secret, and would blot out half the log


class Redaction(logging.Filter):
    """Replaces the header values and the query of the addresses in use by asterisks."""

    def __init__(self) -> None:
        super().__init__()
        self._addresses: "weakref.WeakSet[Address]" = weakref.WeakSet()

    def watch(self, address: Address) -> None:
        """From now on, as long as ``address`` lives."""
        self._addresses.add(address)

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        hidden = message
        for address in list(self._addresses):
            for secret in secrets(address):
                hidden = hidden.replace(secret, _HIDDEN)
        if hidden is not message:
            record.msg, record.args = hidden, None
        return True


def secrets(address: Address) -> Iterator[str]:
    """What of ``address`` nobody may see: header values, the query and the values in it."""
    query = urlsplit(address.url).query
    for value in (*address.headers.values(), query, unquote(query), *query.replace("=", "&").split("&")[1::2]):
        if len(value) >= _SHORTEST:
            yield value


redaction = Redaction()
logging.getLogger("websocket").addFilter(redaction)
