"""A program: one client's whole life while the machine's wall clock is set by hours, to and fro, all the time.

Prints what everything that waits or is told in seconds came to, as JSON. ``tests/test_clocks.py`` runs it.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any, Callable, Dict

HOURS = 3 * 3600.0

_offset = [0.0]
_wall, _wall_ns = time.time, time.time_ns
time.time = lambda: _wall() + _offset[0]
time.time_ns = lambda: _wall_ns() + int(_offset[0] * 1e9)

# After the clock was replaced: some keep the function itself.
from dbxsdk import Disconnected, Gap, Options, RequestTimeout, Silent  # noqa: E402
from dbxsdk.events import Connected, ConnectFailed  # noqa: E402
from dbxsdk.sim import DigiFinexVenue  # noqa: E402
from tests.waiting import Recorder, eventually  # noqa: E402

OPTIONS = Options(
    heartbeat_interval=0.05, silence_timeout=0.4, request_timeout=2.0, backoff_initial=0.05, backoff_max=0.05
)


def seconds(action: Callable[[], Any]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def step(end: threading.Event) -> None:
    while not end.wait(0.01):
        _offset[0] = {0.0: HOURS, HOURS: -HOURS, -HOURS: 0.0}[_offset[0]]


def live(venue: DigiFinexVenue, client: Any) -> Dict[str, Any]:
    events, updates = Recorder(), Recorder()
    client.on_event(events)
    found: Dict[str, Any] = {"open": seconds(client.open)}
    client.subscribe("trades", "BTC_USDT", callback=updates, max_silence=0.1)
    book = client.order_book("BTC_USDT")
    book.wait_ready(5)
    free, held = threading.Event(), threading.Event()
    free.set()

    def hold(_: Any) -> None:
        if not free.is_set():
            held.set()
            free.wait(5)

    book.on_update(hold)
    found["ping"] = client.ping()
    updates.wait()
    found["silent"] = seconds(lambda: events.wait_for(Silent))
    found["silent_told"] = events.of(Silent)[0].seconds

    def beats() -> int:
        return sum(frame.document["method"] == "server.ping" for frame in venue.requests)

    before = beats()
    found["four_beats"] = seconds(lambda: eventually(lambda: beats() >= before + 4))
    venue.step()
    found["book_age"] = book.age
    stats = client.stats()
    found["ages"] = [stats.last_received_age, stats.last_sent_age]

    def no_answer() -> None:
        try:
            client.call("server.time", timeout=0.1)
        except RequestTimeout:
            return
        raise AssertionError("it was answered")

    venue.go_silent()
    quiet = time.monotonic()
    found["request_timeout"] = seconds(no_answer)
    connections = venue.connection_count
    venue.refuse_connections(503, times=2)
    events.wait_for(Disconnected)
    found["watchdog"] = time.monotonic() - quiet
    began = time.monotonic()
    venue.resume()
    events.wait_for(Gap)
    found["down"] = time.monotonic() - began
    found["gap_told"] = events.of(Gap)[0].seconds
    found["retries"] = [event.retry_in for event in (*events.of(Disconnected), *events.of(ConnectFailed))]
    found["connections"] = [connections, venue.connection_count, len(events.of(Connected))]
    venue.step()
    stamps = {update.received_ns // 10**12 for update in updates.items}
    for _ in range(100):
        venue.step()
        if len(stamps) > 1:
            break
        client.ping()
        stamps.update(update.received_ns // 10**12 for update in updates.items)
    found["stamps_differ"] = len(stamps) > 1  # or no clock was set at all
    free.clear()
    for _ in range(100):
        venue.step()
        if held.wait(0.01):
            break
    found["close"] = seconds(lambda: client.close(timeout=0.2))  # a callback holds it up
    free.set()
    found["state"] = client.state.name
    return found


def main() -> None:
    end = threading.Event()
    stepper = threading.Thread(target=step, args=(end,), name="stepper", daemon=True)
    started, began = _wall(), time.monotonic()
    with DigiFinexVenue(rate=0, clock=lambda: started + time.monotonic() - began) as venue:
        stepper.start()
        found = live(venue, venue.client(api_key=None, options=OPTIONS))
        end.set()
        stepper.join(5)
    eventually(lambda: not any(thread.name.startswith("dbxsdk-") for thread in threading.enumerate()))
    print(json.dumps(found))


main()
