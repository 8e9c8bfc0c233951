"""Random faults: what a venue does wrong on request, and what the network in front of it does."""

from __future__ import annotations

import random
import ssl
import threading
from typing import Any, Callable, Dict, List, Optional

from tests.faults.proxy import FaultProxy

SILENCE = 1.5
"""The clients' ``silence_timeout``: seconds. Silences here are shorter and longer than that."""


class Network(FaultProxy):
    """A proxy that stays for as long as it is wanted."""

    def __init__(self, target: str, context: Optional[ssl.SSLContext] = None) -> None:
        super().__init__(target, context)
        self._listener.settimeout(None)
        self.secure = context is not None

    def address(self, path: str, query: str) -> str:
        return f"{'wss' if self.secure else 'ws'}://127.0.0.1:{self.port}{path}?{query}"

    def calm(self) -> None:
        """Behaves, and forgets the connections that are over, which in a short test need not be."""
        self._new.clear()
        self.behave()
        with self._lock:
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            self._peers = [peer for peer in self._peers if peer.fileno() >= 0]


class Faults:
    """Those of one venue and the proxies before it. One at a time; each is over when its method has returned."""

    def __init__(
        self,
        venue: Any,
        proxies: List[Network],
        chance: random.Random,
        expect_repeats: Callable[[Network], None],
        all_ready: Callable[[], bool],
        short: bool,
    ) -> None:
        """``proxies`` may grow. ``expect_repeats`` is called before a proxy sends frames twice. ``all_ready`` tells whether all
        clients that are to live are connected. ``short``: no fault takes longer than a moment."""
        self._venue = venue
        self._proxies = proxies
        self._chance = chance
        self._expect_repeats = expect_repeats
        self._all_ready = all_ready
        self._scale = 0.1 if short else 1.0
        self._pause = threading.Event()  # never set: waiting for it is waiting
        self.counts: Dict[str, int] = {}
        self.kinds: Dict[str, Callable[[], None]] = {
            "connections dropped": self._drop,
            "close frame": lambda: self._drop(chance.choice((1000, 1001, 1012, 1013))),
            "dropped between frames": lambda: venue.disconnect_after(chance.randint(1, 40)),
            "refused 503": lambda: self._refuse(503, {}),
            "refused 429": lambda: self._refuse(429, {"Retry-After": "1"}),
            "short silence": lambda: self._silence(0.1, 0.6),
            "long silence": lambda: self._silence(SILENCE * 1.2, SILENCE * 1.8),
            "late answers": self._delay,
            "cut": lambda: self._proxy().cut(),
            "reset": lambda: self._proxy().reset(),
            "half-closed": lambda: self._proxy().half_close(),
            "stalled in mid-frame": lambda: self._proxy().stall(),
            "cut at a byte down": lambda: self._proxy().cut_after(down=chance.randint(1, 4000)),
            "cut at a byte up": lambda: self._proxy().cut_after(up=chance.randint(1, 300)),
            "new one cut at a byte": self._cut_new,
            "close frame on the way": lambda: self._proxy().close(chance.choice((None, 1000, 1001, 1006, 1008, 1012))),
            "vanished shortly": lambda: self._for_a_while(FaultProxy.vanish, 0.1, 0.7),
            "vanished for long": lambda: self._for_a_while(FaultProxy.vanish, SILENCE * 1.2, SILENCE * 1.8),
            "not reading": lambda: self._for_a_while(FaultProxy.stop_reading, 0.1, SILENCE * 1.5),
            "late frames": lambda: self._for_a_while(lambda proxy: proxy.delay(chance.uniform(0.02, 0.3)), 0.3, 1.0),
            "frames twice": self._duplicate,
            "throttled": lambda: self._for_a_while(FaultProxy.throttle, 0.05, 0.2),
            **self._of_the_venue(),
        }

    def strike(self) -> None:
        kind = self._chance.choice(sorted(self.kinds))
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.kinds[kind]()

    def calm(self) -> None:
        """Ends what is left of them."""
        self._venue.accept_connections()
        self._venue.resume()
        self._venue.delay(0)
        for proxy in self._proxies:
            proxy.calm()

    # -- below -------------------------------------------------------------------------------------------------------

    def _proxy(self) -> Network:
        return self._chance.choice(self._proxies)

    def _wait(self, low: float, high: float) -> None:
        self._pause.wait(self._chance.uniform(low, high) * self._scale)

    def _drop(self, code: Optional[int] = None) -> None:
        self._venue.drop_connections(code)

    def _refuse(self, status: int, headers: Dict[str, str]) -> None:
        self._venue.refuse_connections(status, times=self._chance.randint(1, 4), headers=headers)
        self._drop()

    def _silence(self, low: float, high: float) -> None:
        # A silent venue writes nothing, and forgets what it had queued: the connections of that time must not go on.
        self._venue.go_silent()
        self._wait(low, high)
        self._drop()
        self._venue.resume()

    def _delay(self) -> None:
        self._venue.delay(self._chance.uniform(0.02, 0.4))
        self._wait(0.3, 1.5)
        self._venue.delay(0)

    def _cut_new(self) -> None:
        proxy = self._proxy()
        proxy.cut_new(self._chance.randint(1, 2), down=self._chance.randint(1, 1500))
        proxy.cut()

    def _for_a_while(self, begin: Callable[[Any], None], low: float, high: float) -> None:
        proxy = self._proxy()
        begin(proxy)
        self._wait(low, high)
        proxy.behave()

    def _duplicate(self) -> None:
        proxy = self._proxy()
        self._expect_repeats(proxy)
        proxy.duplicate()
        self._expect_repeats(proxy)  # those that were begun meanwhile
        self._wait(0.1, 0.4)
        proxy.behave()

    def _of_the_venue(self) -> Dict[str, Callable[[], None]]:
        venue, chance = self._venue, self._chance
        if venue.name == "bybit":
            return {
                "order answered by a drop": lambda: venue.drop_after_next_request(executed=chance.random() < 0.5),
                "order refused": lambda: venue.fail_next(10016, "soak", with_header=chance.random() < 0.5),
                "answers held": lambda: self._held(lambda: venue.release_answers(seed=chance.randrange(100))),
                "answers shuffled": self._shuffled,
                "book update lost": lambda: venue.skip_update("BTCUSDT"),
                "books restarted": lambda: venue.restart_books("BTCUSDT"),
                "rate limited": self._limited,
            }
        if venue.name == "cryptomus":
            return {
                "tokens expired": self._expire,
                "no token": self._no_token,
            }
        if venue.name == "dbot":
            return {"answers held": lambda: self._held(venue.release_answers)}
        return {}

    def _held(self, release: Callable[[], Any]) -> None:
        self._venue.hold_answers()
        self._wait(0.1, 1.0)
        release()

    def _shuffled(self) -> None:
        self._venue.shuffle_answers(self._chance.randrange(100), within=0.2)
        self._wait(0.3, 1.0)
        self._venue.shuffle_answers(within=0)

    def _limited(self) -> None:
        self._venue.limit_rate(self._chance.randint(1, 5))
        self._wait(0.3, 1.0)
        self._venue.limit_rate(None)

    def _expire(self) -> None:
        # A refused token ends a client for good. So not while one of those that are to live fetches its next.
        if self._all_ready():
            self._venue.expire_tokens()

    def _no_token(self) -> None:
        self._venue.answer_http("token", self._chance.choice((429, 500, 503)), times=self._chance.randint(1, 3))
        self._drop()
