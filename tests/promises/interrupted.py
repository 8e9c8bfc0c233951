"""A program whose signal handler raises in the middle of the client's calls, again and again. Its own process: signals are the
main thread's, and the tests' time limits are made of them."""

from __future__ import annotations

import faulthandler
import json
import random
import signal
import ssl
import sys
import threading
import time
from typing import Any, Callable, Dict

import dbxsdk

LONGEST = 0.001
"""Seconds into a call at which the signal comes at the latest."""
HANGS = 20.0
"""Seconds after which the program ends with the tracebacks of all its threads."""


class Interrupted(Exception):
    """What the signal handler raises."""


class Interruptions:
    """Raises in the main thread, some time after ``begin`` and until ``end``. More than once where it must be: Python ignores
    what is raised in a destructor or in the callback of a weak reference."""

    def __init__(self) -> None:
        self._armed = False
        self._dice = random.Random(7)
        signal.signal(signal.SIGALRM, self._interrupt)

    def _interrupt(self, *_: Any) -> None:
        if self._armed:
            raise Interrupted

    def begin(self) -> None:
        self._armed = True
        signal.setitimer(signal.ITIMER_REAL, self._dice.uniform(0.00001, LONGEST), 50 * LONGEST)

    def end(self) -> None:
        self._armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)


def within_a_second(what: Callable[[], Any]) -> float:
    """How long it took on a thread of its own; more than a second where it hangs."""
    began = time.monotonic()
    error: Dict[str, Any] = {}

    def run() -> None:
        try:
            what()
        except BaseException as raised:  # noqa: B036 - told by the test
            error["it"] = raised

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(2.0)
    assert "it" not in error, repr(error["it"])
    return time.monotonic() - began


def main(url: str, authority: str, times: int) -> Dict[str, Any]:
    context = None
    if authority:
        context = ssl.create_default_context(cafile=authority)
    options = dbxsdk.Options(
        ssl_context=context, proxy="", backoff_initial=0.001, backoff_max=0.002, request_timeout=1.0, connect_timeout=2.0
    )
    client = dbxsdk.BybitPublicClient("linear", url=url, options=options)
    bad = []
    client.on_event(lambda event: bad.append(repr(event)) if isinstance(event, dbxsdk.BadFrame) else None)
    client.open()
    client.subscribe("publicTrade", "BTCUSDT", callback=lambda update: None)
    calls = {
        "submit": lambda: client.submit("echo", []),
        "subscribe": lambda: client.subscribe("publicTrade", "ETHUSDT", callback=print, timeout=0.5).unsubscribe(),
        "call": lambda: client.call("echo", [], timeout=0.5),
        "unsubscribe": lambda: client.unsubscribe("publicTrade", "ETHUSDT"),
    }
    names = list(calls)
    raised: Dict[str, int] = dict.fromkeys(names, 0)
    interruptions = Interruptions()
    ends_by = time.monotonic() + HANGS / 2
    while sum(raised.values()) < times and time.monotonic() < ends_by:
        name = names[sum(raised.values()) % len(names)]
        try:
            try:
                interruptions.begin()
                while True:
                    calls[name]()
            finally:
                interruptions.end()
        except Interrupted:
            interruptions.end()
            raised[name] += 1
        except dbxsdk.DbxError:
            pass  # the connection is on its way back
    seconds = {
        "open": within_a_second(client.open),
        "call": within_a_second(lambda: client.call("echo", [], timeout=1.5)),
        "subscribe": within_a_second(lambda: client.subscribe("publicTrade", "SOLUSDT", callback=print, timeout=1.5)),
        "unsubscribe": within_a_second(lambda: client.unsubscribe("publicTrade")),
        "close": within_a_second(client.close),
    }
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("dbxsdk-")]
    return {"raised": raised, "seconds": seconds, "left": left, "bad": bad}


if __name__ == "__main__":
    faulthandler.dump_traceback_later(HANGS, exit=True)
    print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
