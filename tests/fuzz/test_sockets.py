"""Wrong frames through a real socket to a real client: each one is counted and told, and the good ones behind them come."""

from __future__ import annotations

import itertools
from typing import Any, Dict, List, Set, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbxsdk import BadFrame, State
from dbxsdk.errors import ProtocolError
from dbxsdk.protocol import Push
from tests.fuzz import promises
from tests.fuzz.documents import SOCKETS, Socket
from tests.fuzz.running import count, limits
from tests.fuzz.serving import CLIENTS, Server
from tests.fuzz.strategies import frames
from tests.reading import whole
from tests.waiting import Recorder, drained, eventually

_TOLD_TOPICS = 100


class Expected:
    """What a client of these subscriptions has to make of each frame."""

    def __init__(self, socket: Socket) -> None:
        self._protocol = socket.make()
        self._subscription_of: Dict[str, int] = {}
        for number, (channel, symbols) in enumerate(socket.channels):
            for topic in self._protocol.topics(channel, symbols):
                self._subscription_of[topic] = number
        self._protocol.subscribe(list(self._subscription_of), ())
        self._unknown: Set[str] = set()
        self.begin()

    def begin(self) -> None:
        self.bad = self.told = self.delivered = 0

    def take(self, payload: bytes, binary: bool) -> None:
        try:
            inbound = self._protocol.receive(payload, binary)
        except ProtocolError:
            self._bad()
            return
        served = set()
        for item in inbound:
            if not isinstance(item, Push):
                self._bad()  # nothing is in flight
                continue
            subscription = self._subscription_of.get(item.topic)
            if subscription is None:
                tell = item.topic not in self._unknown and len(self._unknown) < _TOLD_TOPICS
                if tell:
                    self._unknown.add(item.topic)
                self._bad(tell)
            elif (subscription, id(item.payload), item.symbol) not in served:
                served.add((subscription, id(item.payload), item.symbol))
                if promises.check_push(item):
                    self.delivered += 1
                else:
                    self._bad()

    def _bad(self, tell: bool = True) -> None:
        self.bad += 1
        self.told += tell


@pytest.mark.parametrize("socket", SOCKETS, ids=lambda socket: socket.name)
def test_wrong_frames_are_counted_and_good_ones_behind_them_come(socket: Socket) -> None:
    expected = Expected(socket)
    numbers = itertools.count(1)
    updates, events = Recorder(), Recorder()
    marked: Any = next((each for each in socket.frames if "topic" in each or "_update" in str(each) or ".update" in str(each)
                        or "tradeResultNotify" in str(each) or "type" in each), None)

    def take(update: Any) -> None:
        whole(update.data)
        updates(update)

    with Server(socket) as server, CLIENTS[socket.name](server.url) as client:
        client.on_event(lambda event: events(event) if isinstance(event, BadFrame) else None)
        client.open()
        for channel, symbols in socket.channels:
            client.subscribe(channel, symbols or (), callback=take)

        def good_one_comes() -> None:
            if not socket.channels:
                client.ping()
                return
            number = next(numbers)
            payload = socket.wire({**marked, "a field of tomorrow": number})
            expected.take(payload, socket.binary)
            server.send(payload, socket.binary)
            eventually(lambda: any(update.raw.get("a field of tomorrow") == number for update in updates.items[-5:]))

        good_one_comes()

        @limits(0.12)
        @given(st.lists(frames(socket, [10**9, "nobody's"], utf8=True), min_size=1, max_size=12))
        def run(sent: List[Tuple[bytes, bool]]) -> None:
            expected.begin()
            before, told = client.stats(), len(events.items)
            for payload, binary in sent:
                expected.take(payload, binary)
                server.send(payload, binary)
            # Before a ping is asked, which a wrong pong among them would answer.
            eventually(lambda: client.stats().bad_frames - before.bad_frames >= expected.bad)
            good_one_comes()
            drained(client)
            eventually(lambda: len(events.items) - told >= expected.told)  # the last one may be on its way out of the queue
            for event in events.items[told:]:
                promises.check_kept(event.error)
            stats = client.stats()
            assert stats.bad_frames - before.bad_frames == expected.bad
            assert stats.delivered - before.delivered == expected.delivered
            assert len(events.items) - told == expected.told
            assert (stats.callback_errors, stats.dropped) == (0, 0)
            assert client.state is State.READY and stats.reconnects == 0
            count(f"socket {socket.name}", "examples")
            count(f"socket {socket.name}", "frames", len(sent) + 1)

        run()
