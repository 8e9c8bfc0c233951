"""Blocking requests in a thread of their own, beside the callbacks: their outcomes and round trips."""

from __future__ import annotations

import threading
from typing import Any, Callable, List, Optional, Sequence, Tuple

from dbxsdk.errors import ClientClosed, ConnectError, ConnectionLost, DbxError

EVERY = 0.25


class Asking:
    """Asks one client again and again. The counters are written by its own thread alone.

    ``failed`` is called with the reason of each request that had no answer for another reason than its connection's
    end, ``answered`` after each answer. ``pulls`` says how often the connection was pulled, and how often it recovered.
    """

    def __init__(
        self,
        name: str,
        client: Any,
        requests: Sequence[Callable[[Any], Any]],
        failed: Callable[[DbxError], None],
        answered: Callable[[], None],
        pulls: Callable[[], Tuple[int, int]],
    ) -> None:
        self.made = 0
        self.answered = 0
        self.cut_off = 0
        self.failed = 0
        self.round_trips: List[float] = []
        self._client = client
        self._requests = (self._ping, *requests)
        self._tell_failed = failed
        self._tell_answered = answered
        self._pulls = pulls
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"dbxsdk-demo-{name}-requests", daemon=True)

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
        _, recovered = self._pulls()
        try:
            request(self._client)
        except (ConnectionLost, ClientClosed):
            # The connection went while the answer was on its way. Whose outcome matters has seen to it already; the
            # others change nothing, and asking again, as the next turn does, is safe.
            self.cut_off += 1
        except DbxError as error:
            if isinstance(error, ConnectError) and self._pulls()[0] > recovered:
                self.cut_off += 1  # and never sent
            else:
                self.failed += 1
                self._tell_failed(error)
        else:
            self.answered += 1
            self._tell_answered()

    def _ping(self, client: Any) -> None:
        self.round_trips.append(client.ping())
