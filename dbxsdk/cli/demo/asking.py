"""Blocking requests in a thread of their own, beside the callbacks: their outcomes and round trips."""

from __future__ import annotations

import threading
from typing import Any, Callable, List, Optional, Sequence

from dbxsdk.errors import ClientClosed, ConnectionLost, DbxError

EVERY = 0.25


class Asking:
    """Asks one client again and again. The counters are written by its own thread alone."""

    def __init__(
        self, venue: str, client: Any, requests: Sequence[Callable[[Any], Any]], failed: Callable[[DbxError], None]
    ) -> None:
        self.made = 0
        self.answered = 0
        self.cut_off = 0
        self.failed = 0
        self.round_trips: List[float] = []
        self._client = client
        self._requests = (self._ping, *requests)
        self._tell = failed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"dbxsdk-demo-{venue}-requests", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: Optional[float] = None) -> None:
        """Asks no more, and waits up to ``timeout`` seconds for the answer that is outstanding."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.is_set():
            for request in self._requests:
                self._ask(request)
            self._stopping.wait(EVERY)

    def _ask(self, request: Callable[[Any], Any]) -> None:
        self.made += 1
        try:
            request(self._client)
        except (ConnectionLost, ClientClosed):
            # The connection went while the answer was on its way. These requests change nothing: asking again, as
            # the next turn does, is safe.
            self.cut_off += 1
        except DbxError as error:
            self.failed += 1
            self._tell(error)
        else:
            self.answered += 1

    def _ping(self, client: Any) -> None:
        self.round_trips.append(client.ping())
