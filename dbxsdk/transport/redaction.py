"""The logs of the libraries below: no secret gets into them, no handler of theirs ends one of our threads, and they do not
say again what our own log says.

If the user wants it (``websocket.enableTrace``), websocket-client logs whole handshakes, headers and query included. It logs
in the middle of ``run_forever``, and urllib3 in the middle of a request.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import Any, Iterator

from dbxsdk.cleaning import clean
from dbxsdk.credentials import redacted
from dbxsdk.runtime.log import hand_on


class Redaction(logging.Filter):
    """Replaces the secrets in use by asterisks, and cleans what our threads log."""

    def __init__(self) -> None:
        super().__init__()
        self._ours: Any = threading.local()

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
        ours = getattr(self._ours, "active", False)
        if ours and record.name == "websocket" and record.levelno >= logging.INFO:
            return False  # that it connected, or why not: the client logs both. The trace is below that, and stays
        message = record.getMessage()
        hidden = clean(message) if ours else redacted(message)
        if hidden != message:
            record.msg, record.args = hidden, ()
        if not ours:
            return True
        hand_on(record, passing=self)
        return False


redaction = Redaction()
for _name in ("websocket", "urllib3.connectionpool", "urllib3.util.retry"):  # a logger's filters see its own records only
    logging.getLogger(_name).addFilter(redaction)
