"""Order books over a network in memory: whole books asked for anew, among whatever else the topic is going through."""

from __future__ import annotations

import gc
import threading
from typing import Any, Dict, List, Optional, Tuple

import pytest

from dbxsdk import BadFrame, RequestTimeout
from dbxsdk.book.order_book import OrderBook
from dbxsdk.book.rule import Action, BookRule, Change
from dbxsdk.protocol import Push
from dbxsdk.session.delivery.book_feed import BookFeed
from tests.session.fake import FakeClient, FakeConnection, Network, say_yes
from tests.waiting import PATIENCE, Background, Recorder, eventually


class Rule(BookRule):
    """``{"whole": n, ...}`` and ``{"next": n, ...}`` with ``bids`` and ``asks``."""

    def read(self, push: Push, last: Optional[int]) -> Optional[Change]:
        document = push.payload
        if document.get("defect"):
            raise ZeroDivisionError
        bids, asks = document.get("bids", []), document.get("asks", [])
        if "whole" in document:
            return Action.REPLACE, bids, asks, document["whole"]
        action = Action.APPLY if last is None or document["next"] == last + 1 else Action.BROKEN
        return action, bids, asks, document["next"]


TOPIC = "book.BTC"


def open_book(client: FakeClient, timeout: Optional[float] = None) -> OrderBook:
    return client._order_book("book", "BTC", "BTC", Rule(), timeout)


def whole(number: int, bid: str = "9", **more: Any) -> Dict[str, Any]:
    return {"topic": TOPIC, "n": number, "whole": number, "bids": [[bid, "1"]], "asks": [["11", "1"]], **more}


def change(number: int, *bids: Tuple[str, str], **more: Any) -> Dict[str, Any]:
    return {"topic": TOPIC, "n": number, "next": number, "bids": [list(row) for row in bids], **more}


def not_to(*methods: str) -> Any:
    return lambda connection, request: None if request["do"] in methods else say_yes(connection, request)


def commands(connection: FakeConnection) -> List[str]:
    return [f"{sent['do']} {' '.join(sent['params'])}" for sent in connection.sent if "subscribe" in sent["do"]]


def renewed(client: FakeClient, network: Network, count: int) -> None:
    """Waits until so many of these requests were made, and the last one's answer has been taken in."""
    eventually(lambda: len(commands(network.now)) == count)
    client.call("echo")  # whose answer comes behind it


def feeds() -> int:
    gc.collect()
    return sum(isinstance(each, BookFeed) for each in gc.get_objects())


def test_a_break_leads_to_an_unsubscription_and_its_answer_to_a_subscription() -> None:
    network = Network()
    with network.client() as client:
        book = open_book(client)
        network.now.push(whole(1), change(2, ("8", "2"))).wait()
        assert book.update_id == 2 and not book.is_stale
        network.answer = not_to("unsubscribe")
        network.now.push(change(4)).wait()
        assert book.stale_reason == "update 4 does not follow 2"
        network.now.push(change(5), change(6)).wait()
        assert commands(network.now) == [f"subscribe {TOPIC}", f"unsubscribe {TOPIC}"]
        network.now.push({"id": network.now.sent[-1]["id"], "ok": 1}).wait()
        assert commands(network.now)[2:] == [f"subscribe {TOPIC}"]
        network.now.push(whole(9)).wait()
        assert not book.is_stale and book.update_id == 9 and book.stats().ignored == 2


def test_a_venue_that_does_not_answer_the_unsubscription() -> None:
    network = Network(not_to("unsubscribe"))
    with network.client(request_timeout=60) as client:
        book = open_book(client)
        network.now.push(whole(1), change(3)).wait()
        eventually(lambda: commands(network.now)[2:] == [f"subscribe {TOPIC}"])  # after 2 s, whatever request_timeout is
        (late,) = (sent["id"] for sent in network.now.sent if sent["do"] == "unsubscribe")
        network.now.push(whole(9), {"id": late, "ok": 1}, change(10)).wait()
        assert not book.is_stale and book.update_id == 10
        assert len(network.connections) == 1 and client.stats().bad_frames == 0


def test_a_drop_in_the_middle_of_it() -> None:
    network = Network()
    with network.client() as client:
        book = open_book(client)
        network.answer = not_to("unsubscribe")
        network.now.push(whole(1), change(3)).wait()
        network.answer = say_yes
        network.now.end()
        second = network.connection(2)
        eventually(lambda: commands(second))
        second.push(whole(20)).wait()
        assert not book.is_stale and commands(second) == [f"subscribe {TOPIC}"]


def test_who_subscribes_in_the_middle_of_it_waits_for_the_new_subscription() -> None:
    network, updates = Network(), Recorder()
    with network.client() as client:
        book = open_book(client)
        network.answer = not_to("unsubscribe")
        network.now.push(whole(1), change(3)).wait()
        joining = Background(client.subscribe, "book", "BTC", callback=updates)
        eventually(lambda: joining.waits)
        network.answer = say_yes
        network.now.push({"id": network.now.sent[-1]["id"], "ok": 1}).wait()
        assert joining.result().topics == (TOPIC,)
        network.now.push(whole(5)).wait()
        updates.wait()
        assert not book.is_stale and commands(network.now)[2:] == [f"subscribe {TOPIC}"]


def test_the_last_one_may_leave_in_the_middle_of_it() -> None:
    network = Network()
    with network.client() as client:
        book = open_book(client)
        network.answer = not_to("unsubscribe")
        network.now.push(whole(1), change(3)).wait()
        book.close()
        network.now.push({"id": network.now.sent[-1]["id"], "ok": 1}).wait()
        network.answer = say_yes
        assert client.call("echo", 1) == 1
        assert commands(network.now) == [f"subscribe {TOPIC}", f"unsubscribe {TOPIC}"]
        network.now.push(whole(5)).wait()
        assert client.stats().bad_frames == 1, "an update of what nobody wants"
        again = open_book(client)
        network.now.push(whole(6)).wait()
        assert again.update_id == 6 and commands(network.now)[2:] == [f"subscribe {TOPIC}"]


def test_two_books_that_see_the_same_break_ask_once() -> None:
    network = Network()
    with network.client() as client:
        first, second = open_book(client), open_book(client)
        assert commands(network.now) == [f"subscribe {TOPIC}", f"unsubscribe {TOPIC}", f"subscribe {TOPIC}"]
        network.now.push(whole(1)).wait()
        network.now.push(change(3)).wait()
        assert first.is_stale and second.is_stale
        renewed(client, network, 5)
        network.now.push(whole(4)).wait()
        assert not first.is_stale and not second.is_stale and len(commands(network.now)) == 5


def test_two_books_of_a_market_that_the_venue_means_to_be_crossed_come_to_rest() -> None:
    network = Network()
    with network.client() as client:
        books = [open_book(client), open_book(client)]
        network.now.push(whole(1)).wait()
        network.now.push(change(2, ("12", "1"))).wait()
        renewed(client, network, 5)
        for number in range(3, 7):
            asked = len(commands(network.now))
            network.now.push(whole(number, bid="12")).wait()
            client.call("echo")
        assert [book.is_stale for book in books] == [False, False] and all(book.is_crossed for book in books)
        assert len(commands(network.now)) == asked <= 7


def test_a_book_that_is_not_acknowledged_is_not_left_behind() -> None:
    network = Network(not_to("subscribe"))
    with network.client() as client:
        before = feeds()
        with pytest.raises(RequestTimeout):
            open_book(client, timeout=0.05)
        network.now.push({"id": network.now.sent[-1]["id"], "ok": 1})
        eventually(lambda: feeds() == before)


def test_a_defect_makes_the_book_stale_and_costs_nobody_else_the_update(caplog: Any) -> None:
    network, updates, events = Network(), Recorder(), Recorder()
    with network.client() as client:
        client.on_event(events)
        book = open_book(client)
        client.subscribe("book", "BTC", callback=updates)
        network.now.push(whole(1)).wait()
        network.now.push(change(2, defect=True)).wait()
        updates.wait(2)
        assert "unexpected error: ZeroDivisionError" in str(book.stale_reason)
        assert "ZeroDivisionError" in str(events.wait_for(BadFrame).error) and "Traceback" in caplog.text
        renewed(client, network, 3)
        network.now.push(whole(3)).wait()
        assert not book.is_stale


def test_a_callback_of_a_book_never_holds_up_the_reader() -> None:
    network, go = Network(), threading.Event()
    with network.client(queue_size=1, overflow="disconnect") as client:
        book, trades, changes = open_book(client), Recorder(lambda trade: go.wait(PATIENCE)), Recorder()
        book.on_update(changes)
        network.now.push(whole(1)).wait()
        changes.wait()
        client.subscribe("trades", "BTC", callback=trades)
        network.now.push({"topic": "trades.BTC", "n": 1}).wait()
        trades.wait()
        network.now.push({"topic": "trades.BTC", "n": 2}).wait()
        for number in (2, 3):
            assert network.now.push(change(number)).wait(0.5)
        assert book.update_id == 3 and client.stats().queued == 1
        go.set()
        changes.wait(2)
        trades.wait(2)
        assert len(changes.items) == 2 and len(network.connections) == 1


def test_a_closed_book_calls_nobody_any_more() -> None:
    network, go, events = Network(), threading.Event(), Recorder()
    with network.client() as client:
        client.on_event(events)
        book, changes = open_book(client), Recorder(lambda book: go.wait(PATIENCE))
        book.on_update(changes)
        network.now.push(whole(1)).wait()
        changes.wait()
        network.now.push(change(2)).wait()
        book.close()
        network.now.push(b"{").wait()
        go.set()
        events.wait_for(BadFrame)  # which came behind the change
        assert len(changes.items) == 1


def test_no_book_no_change_nothing_is_queued_for_nobody() -> None:
    network = Network()
    with network.client(queue_size=1, overflow="disconnect") as client:
        book = open_book(client)
        network.now.push(whole(1), *(change(number) for number in range(2, 300))).wait()
        assert book.update_id == 299
        stats = client.stats()
        assert (stats.delivered, stats.queued, stats.dropped, stats.bad_frames) == (0, 0, 0, 0)
        seen = Recorder()
        book.on_update(seen)
        network.now.push(*(change(number) for number in range(300, 600))).wait()
        seen.wait()
        assert book.update_id == 599 and len(network.connections) == 1 and client.stats().dropped == 0
