"""``orderbook.full``: deltas joined with REST's snapshot, purely and against a local venue."""

from __future__ import annotations

import random
import socket
import threading
from decimal import Decimal
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from dbxsdk import BybitPublicClient, Options, ProtocolError, SubscribeError
from dbxsdk.book.rule import Action
from dbxsdk.bybit.public.full_book import MOST_KEPT, FullBookRule, Snapshot, read_snapshot
from dbxsdk.bybit.public.full_book_source import FullBookSource
from dbxsdk.bybit.rest import BybitRest
from dbxsdk.protocol import Push
from dbxsdk.sim import BybitVenue
from tests.fed_book import FedBook
from tests.waiting import eventually

FEW = {"spot": ("BTCUSDT",), "linear": ("BTCUSDT",)}


def delta(u: int, seq: Any = None, bids: Any = (), asks: Any = ()) -> Push:
    data = {"s": "A", "b": list(bids), "a": list(asks), "u": u, "seq": u * 10 if seq is None else seq}
    document = {"topic": "orderbook.full.A", "type": "delta", "ts": 1, "data": data}
    return Push("orderbook.full.A", "orderbook.full", "A", "delta", document, document, lambda value: value, 1)


def snapshot(u: int, seq: Any = None, bids: Any = (["1", "5"],), asks: Any = (["2", "5"],)) -> Snapshot:
    return Snapshot(u, u * 10 if seq is None else seq, list(bids), list(asks))


class Joined:
    """A rule, and what it does with frames."""

    def __init__(self) -> None:
        self.fetches = 0
        self.rule = FullBookRule(self.fetch)
        self.last: Any = None

    def fetch(self) -> None:
        self.fetches += 1

    def take(self, *frames: Any) -> List[Any]:
        """Each frame's action, and for a whole book its number and levels."""
        done: List[Any] = []
        for frame in frames:
            if isinstance(frame, Snapshot):
                self.rule.offer(frame)
                continue
            change = self.rule.read(frame, self.last)
            if change is None:
                done.append(None)
            elif change[0] is Action.REPLACE:
                self.last = change[3]
                done.append((change[3], change[1], change[2]))
            else:
                self.last = change[3] if change[0] is Action.APPLY else None
                done.append(change[0])
        return done


BIDS, ASKS = [["1", "5"]], [["2", "5"]]


class TestJoining:
    @pytest.mark.parametrize("whole, number", [
        (snapshot(4), 6), (snapshot(5), 6), (snapshot(6), 6), (snapshot(4, 41), 6),
    ])
    def test_a_snapshot_among_the_deltas(self, whole: Snapshot, number: int) -> None:
        joined = Joined()
        assert joined.take(delta(5), whole, delta(6), delta(7)) == [None, (number, BIDS, ASKS), Action.APPLY]
        assert joined.fetches == 1

    def test_what_came_after_it_is_in_it(self) -> None:
        joined = Joined()
        done = joined.take(
            delta(5, bids=[["1", "9"]]), delta(6, bids=[["1", "0"], ["0.9", "3"]]), snapshot(5, bids=[["1", "9"]]),
            delta(7, asks=[["2", "1"], ["3", "4"]]),
        )
        assert done == [None, None, (7, [["1", "0"], ["0.9", "3"]], [["2", "1"], ["3", "4"]])]

    @pytest.mark.parametrize("whole", [
        snapshot(3), snapshot(5, 51), snapshot(4, 55), snapshot(9, 60), snapshot(1, 1),
    ])
    def test_one_that_does_not_fit_is_fetched_again(self, whole: Snapshot) -> None:
        joined = Joined()
        assert joined.take(delta(5), whole, delta(6)) == [None, None] and joined.fetches == 2
        assert joined.take(snapshot(6), delta(7)) == [(7, BIDS, ASKS)]

    def test_one_that_is_ahead_of_the_stream_waits(self) -> None:
        joined = Joined()
        assert joined.take(delta(5), snapshot(7), delta(6), delta(7)) == [None, None, (7, BIDS, ASKS)]
        assert joined.fetches == 1

    def test_a_hole_among_the_waiting_ones(self) -> None:
        joined = Joined()
        assert joined.take(delta(5), delta(7), snapshot(5), delta(8)) == [None] * 3
        assert joined.take(snapshot(6), delta(9)) == [(9, BIDS, ASKS)]

    @pytest.mark.parametrize("again", [delta(5), delta(6), delta(7, 1)])
    def test_repeats_and_what_goes_back_are_dropped(self, again: Push) -> None:
        joined = Joined()
        assert joined.take(delta(5), delta(6), again, delta(7), snapshot(5), delta(8)) == [None] * 4 + [(8, BIDS, ASKS)]

    def test_a_restart_that_was_missed(self) -> None:
        joined = Joined()
        assert joined.take(delta(5), delta(2, 99), snapshot(5), delta(3, 100), snapshot(2, 99), delta(4, 101)) == [
            None, None, None, (4, BIDS, ASKS),
        ]

    def test_an_empty_one_is_no_book(self) -> None:
        joined = Joined()
        assert joined.take(delta(5), snapshot(5, bids=[], asks=[]), delta(6)) == [None, None] and joined.fetches == 2

    def test_what_waits_is_bounded(self) -> None:
        joined = Joined()
        joined.take(*(delta(u) for u in range(2, MOST_KEPT * 2)))
        assert len(joined.rule._kept) <= MOST_KEPT


class TestAfterwards:
    @pytest.fixture
    def joined(self) -> Joined:
        made = Joined()
        made.take(delta(5), snapshot(5), delta(6))
        assert made.last == 6
        return made

    @pytest.mark.parametrize("frame, action", [
        (delta(7), Action.APPLY), (delta(7, 60), Action.APPLY), (delta(6), None), (delta(2), None), (delta(8), Action.BROKEN),
        (delta(7, 59), Action.BROKEN), (delta(1, 999), Action.BROKEN), (delta(2, 999), Action.BROKEN),
    ])
    def test_what_a_frame_means(self, joined: Joined, frame: Push, action: Any) -> None:
        assert joined.take(frame) == [action]

    def test_after_a_hole(self, joined: Joined) -> None:
        assert joined.take(delta(9), snapshot(7), delta(10)) == [Action.BROKEN, None]
        assert joined.take(snapshot(8), delta(11)) == [(11, BIDS, ASKS)]

    def test_after_a_restart(self, joined: Joined) -> None:
        assert joined.take(delta(1, 500), snapshot(6), delta(2, 510), snapshot(1, 500), delta(3, 520)) == [
            Action.BROKEN, None, (3, BIDS, ASKS),
        ]

    def test_a_snapshot_of_before_is_not_taken(self, joined: Joined) -> None:
        joined.rule.offer(snapshot(6))
        assert joined.take(delta(8), delta(9)) == [Action.BROKEN, None]


@pytest.mark.parametrize("data", [
    None, [], {}, {"u": 1, "seq": 1, "b": []}, {"u": 1, "seq": 1, "b": {}, "a": []}, {"u": "x", "seq": 1, "b": [], "a": []},
    {"u": 1, "seq": None, "b": [], "a": []},
])
def test_what_is_no_update(data: Any) -> None:
    with pytest.raises(ProtocolError):
        read_snapshot(data)


@pytest.mark.parametrize("rows", [[["1"]], [5], [[["x"], "1"]]])
def test_levels_that_cannot_be_read(rows: Any) -> None:
    joined = Joined()
    with pytest.raises(ProtocolError):
        joined.take(delta(5), snapshot(5, bids=rows), delta(6))


@pytest.mark.parametrize("seed", range(20))
def test_whenever_it_is_fresh_it_is_the_truth(seed: int) -> None:
    """Frames get lost, come twice and restart; snapshots are of some moment before or after."""
    rng = random.Random(seed)
    joined = Joined()
    fed = FedBook("A", joined.rule, resynchronise=joined.rule.ask, close=lambda: None)
    truth: Dict[str, Dict[str, str]] = {"b": {"9": "1"}, "a": {"11": "1"}}
    u, seq, past, right = 10, 100, [], 0  # type: Tuple[int, int, List[Snapshot], int]
    for _ in range(400):
        rows: Dict[str, List[List[str]]] = {"b": [], "a": []}
        for side, prices in (("b", range(1, 10)), ("a", range(11, 20))):
            for price in map(str, rng.sample(prices, rng.randrange(3))):
                size = str(rng.choice((0, 0, 1, 2, 3)))
                rows[side].append([price, size])
                truth[side].pop(price, None)
                if size != "0":
                    truth[side][price] = size
        restarted = rng.random() < 0.01
        u, seq = 1 if restarted else u + 1, seq + rng.randrange(1, 9)
        sides = {side: [list(level) for level in levels.items()] for side, levels in truth.items()}
        past.append(Snapshot(u, seq, sides["b"], sides["a"]))
        is_lost = rng.random() < 0.03 and u > 3  # after two restarts in a row nothing would show it
        for _ in range(0 if is_lost else rng.choice((1, 1, 1, 2))):
            fed.handle(delta(u, seq, [] if restarted else rows["b"], [] if restarted else rows["a"]))
        if joined.fetches and rng.random() < 0.5:
            joined.fetches = 0
            joined.rule.offer(rng.choice(past[-4:]))
        if not fed.is_stale and fed.update_id == u:
            right += 1
            for side, found in (("b", fed.bids()), ("a", fed.asks())):
                assert dict(found) == {Decimal(price): Decimal(size) for price, size in truth[side].items()}
    assert right > 50


@pytest.fixture
def venue() -> Iterator[BybitVenue]:
    with BybitVenue(symbols=FEW, rate=0) as made:
        yield made


class TestLive:
    @pytest.mark.parametrize("category", ["spot", "linear"])
    def test_it_is_the_venues_book(self, venue: BybitVenue, category: str) -> None:
        with venue.client(category) as client:
            with client.order_book("BTCUSDT", depth="full") as book:
                assert eventually(lambda: venue.step() or not book.is_stale)
                venue.step(5)
                client.ping()
                truth = venue.book("BTCUSDT", category)
                assert (book.bids(), book.asks()) == (truth["bids"], truth["asks"]) and len(book.bids()) > 200
                asked = venue.full_book_requests
                venue.skip_update("BTCUSDT", category)
                venue.step(2)
                client.ping()
                assert book.is_stale and "does not follow" in str(book.stale_reason)
                assert eventually(lambda: venue.step() or not book.is_stale)
                venue.step(1)
                client.ping()
                truth = venue.book("BTCUSDT", category)
                assert (book.bids(), book.asks()) == (truth["bids"], truth["asks"])
                assert venue.full_book_requests > asked
        assert not [thread for thread in threading.enumerate() if "snapshot" in thread.name]
        assert venue.handler_errors == 0

    def test_after_a_dropped_connection(self, venue: BybitVenue) -> None:
        with venue.client("spot", options=Options(backoff_initial=0.01)) as client:
            book = client.order_book("BTCUSDT", depth="full")
            assert eventually(lambda: venue.step() or not book.is_stale)
            venue.drop_connections()
            assert eventually(lambda: book.is_stale)
            assert eventually(lambda: venue.step() or not book.is_stale)
            venue.step(1)
            client.ping()
            assert book.bids() == venue.book("BTCUSDT", "spot")["bids"]

    @pytest.mark.parametrize("client, said", [
        (BybitPublicClient("option"), "depth 'full' is not for option"),
        (BybitPublicClient("spot", url="ws://127.0.0.1:1/"), "rest_url is needed"),
    ])
    def test_where_there_is_none(self, client: BybitPublicClient, said: str) -> None:
        with pytest.raises(ValueError, match=said):
            client.order_book("BTCUSDT", depth="full")

    def test_addresses(self) -> None:
        assert BybitPublicClient("spot")._origin == "https://api.bybit.com"
        assert BybitPublicClient("spot", testnet=True)._origin == "https://api-testnet.bybit.com"
        for wrong, error in ((5, TypeError), ("ws://a", ValueError), ("", ValueError)):
            with pytest.raises(error, match="rest_url"):
                BybitPublicClient("spot", rest_url=wrong)  # type: ignore[arg-type]

    def test_the_venue_refuses_an_unknown_symbol(self, venue: BybitVenue) -> None:
        with venue.client("spot") as client, pytest.raises(SubscribeError, match="NOPE"):
            client.order_book("NOPE", depth="full")


class TestSource:
    def source(self, origin: str, symbol: str = "BTCUSDT") -> Tuple[FullBookSource, List[Snapshot]]:
        made = FullBookSource(BybitRest(None, origin, Options(request_timeout=30)), "spot", symbol, 30.0, "test")
        offered: List[Snapshot] = []
        made.offer = offered.append
        return made, offered

    def test_one_request_at_a_time_and_a_pause_after_it(self, venue: BybitVenue) -> None:
        source, offered = self.source(venue.rest_url())
        for _ in range(50):
            source.fetch()
        assert eventually(lambda: offered)
        source.fetch()
        source.close()
        assert venue.full_book_requests == 1 and len(offered[0].bids) > 200
        source.fetch()
        assert venue.full_book_requests == 1

    @pytest.mark.parametrize("where", ["venue", "nowhere"])
    def test_failures_are_logged(self, venue: BybitVenue, where: str, caplog: Any) -> None:
        source, offered = self.source(venue.rest_url() if where == "venue" else "http://127.0.0.1:1", "NOPE")
        source.fetch()
        assert eventually(lambda: "no full book of NOPE" in caplog.text)
        source.close()
        assert offered == []

    def test_a_host_that_does_not_answer_holds_nothing_up(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            source, offered = self.source(f"http://127.0.0.1:{server.getsockname()[1]}")
            source.fetch()
            accepted, _ = server.accept()
            with accepted:
                assert accepted.recv(100)
                source.close(5)
                assert source._thread is not None and not source._thread.is_alive()
        assert offered == []
