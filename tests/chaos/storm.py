"""What happens to the connections while requests are under way: by chance, one thing after the other."""

from __future__ import annotations

import random
import threading
from typing import Any, Callable, List

from tests.faults.proxy import FaultProxy

PAUSE = (0.02, 0.2)
LASTS = (0.01, 0.15)
"""Seconds, from and to."""
OUTAGE = 0.35
"""Seconds without any connection, once in each storm: longer than requests wait for one."""


class Storm:
    """Runs on a thread of its own inside ``with``; afterwards everybody behaves again."""

    def __init__(self, proxy: FaultProxy, venue: Any, seed: Any) -> None:
        self._proxy = proxy
        self._venue = venue
        self._rng = random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chaos-storm", daemon=True)
        self._breaks: List[Callable[[], Any]] = [
            proxy.cut,
            proxy.reset,
            proxy.half_close,
            proxy.stall,
            lambda: proxy.close(self._rng.choice([1000, 1001, 1008, 1012, None])),
            lambda: proxy.cut_after(up=self._rng.randrange(1, 600)),
            lambda: proxy.cut_after(down=self._rng.randrange(1, 600)),
            self._refuse,
        ]
        self._lasting: List[Callable[[], Any]] = [
            proxy.vanish,
            proxy.stop_reading,
            lambda: proxy.delay(self._rng.uniform(0.0, 0.1)),
            lambda: venue.go_silent(),
        ]

    def __enter__(self) -> "Storm":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._proxy.reset()  # connections that it has stalled, or was to cut later

    def _refuse(self) -> None:
        self._venue.refuse_connections(503, times=2)
        self._proxy.reset()

    def _run(self) -> None:
        self._over.wait(self._rng.uniform(*PAUSE))
        self._venue.refuse_connections(503)
        self._proxy.reset()
        self._over.wait(OUTAGE)
        self._venue.accept_connections()
        while not self._over.wait(self._rng.uniform(*PAUSE)):
            if self._rng.random() < 0.5:
                self._rng.choice(self._breaks)()
            else:
                self._rng.choice(self._lasting)()
                self._over.wait(self._rng.uniform(*LASTS))
                self._proxy.behave()
                self._venue.resume()
        self._proxy.behave()
        self._venue.resume()
        self._venue.accept_connections()
