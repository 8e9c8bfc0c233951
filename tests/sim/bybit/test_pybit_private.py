"""pybit, as it is, against the local Bybit venue's private and trade sockets: another client's reading of the protocol."""

from __future__ import annotations

import inspect
import threading
from typing import Any, Callable, Dict, Iterator, List

import pytest

from dbxsdk.sim import BybitVenue

from tests.sim.bybit.peers import FEW, PRIVATE, TRADE, best
from tests.sim.bybit.test_pybit import LATENCY, Inbox
from tests.sim.peer import WAIT

unified_trading = pytest.importorskip("pybit.unified_trading")
trading = pytest.importorskip("pybit._websocket_trading")


class Answers:
    """What the callbacks of requests got, in order."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._answers: List[Any] = []

    def __call__(self, answer: Any) -> None:
        with self._arrived:
            self._answers.append(answer)
            self._arrived.notify_all()

    def wait_for(self, count: int) -> List[Any]:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self._answers) >= count, WAIT)
            return list(self._answers)


@pytest.fixture
def venue() -> Iterator[BybitVenue]:
    with BybitVenue(symbols=FEW, rate=0) as made:
        made.delay(LATENCY)  # pybit files its callbacks after it sent what they are for
        yield made
        assert made.handler_errors == 0


@pytest.fixture
def open_pybit(venue: BybitVenue, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    monkeypatch.setattr(unified_trading, "PRIVATE_WSS", venue.url(PRIVATE))
    monkeypatch.setattr(trading, "TRADE_WSS", venue.url(TRADE))
    opened: List[Any] = []
    threads_before = set(threading.enumerate())

    def open_one(kind: str) -> Any:
        options: Dict[str, Any] = {
            "testnet": False,
            "api_key": venue.api_key,
            "api_secret": venue.api_secret,
            "restart_on_error": False,
            "private_auth_expire": 10,
        }
        if kind == "trade":
            opened.append(unified_trading.WebSocketTrading(**options))
        else:
            opened.append(unified_trading.WebSocket(channel_type="private", **options))
        return opened[-1]

    yield open_one
    for client in opened:
        client.exit()
    for thread in set(threading.enumerate()) - threads_before:
        if isinstance(thread, threading.Timer):  # older versions leave the one for their first ping running
            thread.cancel()


def test_orders_and_their_streams(venue: BybitVenue, open_pybit: Callable[[str], Any]) -> None:
    private, trade, inbox, answers = open_pybit("private"), open_pybit("trade"), Inbox(), Answers()
    private.order_stream(inbox)
    private.execution_stream(inbox)
    private.fast_execution_stream(inbox)
    private.position_stream(inbox)
    private.wallet_stream(inbox)
    topics = ("execution", "execution.fast", "order", "position", "wallet")
    assert venue.wait_until(lambda: venue.subscriptions(PRIVATE) == topics)
    trade.place_order(answers, category="linear", symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.2")
    trade.place_order(
        answers, category="linear", symbol="BTCUSDT", side="Buy", orderType="Limit", qty="0.1",
        price=str(best(venue, "Buy") - 50), orderLinkId="later",
    )
    first, second = (answer["data"] for answer in answers.wait_for(2))
    assert second["orderLinkId"] == "later"
    trade.amend_order(answers, category="linear", symbol="BTCUSDT", orderId=second["orderId"], qty="0.3")
    trade.cancel_order(answers, category="linear", symbol="BTCUSDT", orderLinkId="later")
    assert [answer["op"] for answer in answers.wait_for(4)[2:]] == ["order.amend", "order.cancel"]
    assert inbox.wait_for("order", lambda messages: len(messages) == 4)
    rows = [row for message in inbox.messages("order") for row in message["data"]]
    assert [(row["orderId"], row["orderStatus"], row["qty"]) for row in rows] == [
        (first["orderId"], "Filled", "0.2"),
        (second["orderId"], "New", "0.1"),
        (second["orderId"], "New", "0.3"),
        (second["orderId"], "Cancelled", "0.3"),
    ]
    for topic in topics:
        assert inbox.wait_for(topic, bool), topic
    wallet = inbox.messages("wallet")[-1]["data"][0]["coin"][0]
    assert wallet["walletBalance"] == format(venue.balances()["USDT"]["total"].normalize(), "f")


def test_a_batch_in_which_one_order_fails(venue: BybitVenue, open_pybit: Callable[[str], Any]) -> None:
    trade, answers = open_pybit("trade"), Answers()
    order = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.1"}
    prices = [str(best(venue, "Buy")), "1000000"]
    trade.place_batch_order(answers, category="linear", request=[{**order, "price": price} for price in prices])
    reply = answers.wait_for(1)[0]
    assert [row["code"] for row in reply["retExtInfo"]["list"]] == [0, 110003]
    assert [row["orderId"] for row in reply["data"]["list"]] == [venue.orders()[0].id, ""]


def test_a_refused_request(venue: BybitVenue, open_pybit: Callable[[str], Any]) -> None:
    trade, answers, errors = open_pybit("trade"), Answers(), Answers()
    if "error_callback" not in inspect.signature(trade.cancel_order).parameters:
        pytest.skip("this version of pybit tells nobody of a refusal")
    trade.cancel_order(answers, errors, category="linear", symbol="BTCUSDT", orderId="no-such")
    assert errors.wait_for(1)[0]["retCode"] == 110001


def test_the_categorised_streams_go_by_their_own_names(venue: BybitVenue, open_pybit: Callable[[str], Any]) -> None:
    private, inbox = open_pybit("private"), Inbox()
    private.fast_execution_stream(inbox, categorised_topic="linear")
    assert venue.wait_until(lambda: venue.subscriptions(PRIVATE) == ("execution.fast.linear",))
    venue.place_order(symbol="BTCUSDT", side="Sell", orderType="Market", qty="0.1")
    assert inbox.wait_for("execution.fast.linear", bool)
