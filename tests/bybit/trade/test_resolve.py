"""``resolve``: its rounds on a scripted REST side, then against the local venue, whose own record is the truth."""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import pytest

from dbxsdk import AuthError, ConnectError, LateReply, Options, OutcomeUnknown, RequestTimeout, WrongThreadError
from dbxsdk.bybit import BybitTradeClient, rest
from dbxsdk.bybit.auth import Credentials
from dbxsdk.bybit.rest import EXECUTIONS, OPEN_ORDERS, ORDER_HISTORY, TIME
from dbxsdk.bybit.trade import certainty, resolving
from dbxsdk.bybit.trade.certainty import Question
from dbxsdk.bybit.trade.protocol import BybitTradeProtocol
from dbxsdk.bybit.trade.resolving import Resolver
from dbxsdk.bybit.trade.sent import by_link_id, questions_of
from dbxsdk.codec import encode
from dbxsdk.resolution import Resolution
from dbxsdk.sent_requests import SentRequest, SentRequests
from dbxsdk.sim import BybitVenue
from tests.waiting import Recorder, eventually

T, WINDOW = 1_700_000_000_000, 5000
ROW = {"symbol": "S", "orderId": "o", "orderLinkId": "l", "side": "Buy", "orderStatus": "New", "qty": "1"}
FILL = {**ROW, "execId": "e", "execPrice": "1", "execQty": "1", "execTime": str(T)}
LISTS = [OPEN_ORDERS, EXECUTIONS, ORDER_HISTORY]


class Side:
    """A REST side of which each answer takes 10 ms, by a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, sent: Optional[SentRequest] = None) -> None:
        self.now_ms = T + 100
        self.asked: List[str] = []
        self.rows_of: Dict[str, List[Any]] = {}
        self.errors: Dict[str, Exception] = {}
        self.at: List[Tuple[int, Callable[[], Any]]] = []
        """What happens at a time of the venue's."""
        monkeypatch.setattr(resolving, "monotonic", lambda: self.now_ms / 1000)
        monkeypatch.setattr(rest, "pause", self.pause)

    def pause(self, seconds: float, wake: Optional[threading.Event] = None) -> None:
        until = self.now_ms + max(round(seconds * 1000), 1)
        while self.at and self.at[0][0] <= until:
            self.now_ms, happen = self.at.pop(0)
            happen()
            if wake is not None and wake.is_set():
                return
        self.now_ms = until

    def _take(self, path: str) -> None:
        self.asked.append(path)
        self.now_ms += 10
        if path in self.errors:
            raise self.errors[path]

    def server_ms(self, deadline: float) -> int:
        self._take(TIME)
        return self.now_ms

    def rows(self, path: str, params: Any, deadline: float) -> List[Any]:
        self._take(path)
        assert params == {"category": "linear", "symbol": "S", "orderLinkId": "l"}
        return self.rows_of.get(path, [])


@pytest.fixture
def side(monkeypatch: pytest.MonkeyPatch) -> Side:
    return Side(monkeypatch)


def resolve(side: Any, sent: Optional[SentRequest] = None, timeout: float = 15.0, **more: Any) -> Resolution:
    fields = {"kind": "create", "sent_ms": T, "closes_ms": T + WINDOW, **more}
    question = Question(category="linear", symbol="S", order_link_id="l", **fields)
    (found,) = Resolver(side, [question], WINDOW, timeout).run(sent, (0,))
    return found


def test_what_is_found_is_executed_at_once(side: Side) -> None:
    side.rows_of[OPEN_ORDERS] = [ROW]
    found = resolve(side)
    assert (found.outcome, found.order.order_id, found.candidates) == ("executed", "o", ())
    assert side.asked == [TIME, OPEN_ORDERS]


def test_what_is_found_later_is_executed(side: Side) -> None:
    side.at = [(T + 2000, lambda: side.rows_of.update({OPEN_ORDERS: [ROW]}))]
    assert resolve(side).outcome == "executed" and side.now_ms < T + 4000


def test_nothing_is_certain_before_the_window_and_the_margin_have_passed(side: Side) -> None:
    found = resolve(side)
    assert (found.outcome, found.order) == ("not_executed", None) and "no list" in found.reason
    certain = T + WINDOW + certainty.MARGIN_MS
    assert certain < side.now_ms < certain + 200
    assert side.asked[-4:] == [TIME, *LISTS] and side.asked[:4] == [TIME, *LISTS]
    assert set(side.asked[4:-4]) == {TIME, OPEN_ORDERS}, "no more than needed in between"


def test_time_that_is_too_short_is_said(side: Side) -> None:
    found = resolve(side, timeout=5)
    assert found.outcome == "unknown" and "may still take or show it for" in found.reason


@pytest.mark.parametrize("path", [TIME, *LISTS])
def test_one_list_that_cannot_be_asked_leaves_it_unknown(side: Side, path: str) -> None:
    side.errors[path] = ConnectError("down")
    found = resolve(side)
    assert found.outcome == "unknown" and found.reason == f"{path[len('/v5/'):]} could not be asked: down"
    assert side.now_ms <= T + 15_200


def test_a_list_that_comes_back_is_asked(side: Side) -> None:
    side.errors[ORDER_HISTORY] = ConnectError("down")
    side.at = [(T + 11_000, side.errors.clear)]
    assert resolve(side).outcome == "not_executed"


def test_a_key_that_is_refused_ends_it(side: Side) -> None:
    side.errors[OPEN_ORDERS] = AuthError("bad key", code=10003)
    found = resolve(side)
    assert found.outcome == "unknown" and "bad key" in found.reason and side.now_ms < T + 1000


def test_rows_that_do_not_parse_leave_it_unknown(side: Side) -> None:
    side.rows_of[ORDER_HISTORY] = [{**ROW, "qty": "many"}]
    found = resolve(side)
    assert found.outcome == "unknown" and "order/history could not be asked" in found.reason


def test_fills_alone_say_that_it_was_executed(side: Side) -> None:
    side.rows_of[EXECUTIONS] = [FILL]
    side.at = []
    found = resolve(side)
    assert (found.outcome, found.order) == ("executed", None) and "fills" in found.reason
    assert side.asked[-2:] == [OPEN_ORDERS, ORDER_HISTORY], "its row was looked for"


@pytest.mark.parametrize("path", LISTS)
def test_a_list_of_other_orders_says_nothing_of_this_one(side: Side, path: str) -> None:
    side.rows_of[path] = [{**(FILL if path == EXECUTIONS else ROW), "orderId": "another", "orderLinkId": "another's"}]
    found = resolve(side)
    assert (found.outcome, found.order, found.candidates) == ("unknown", None, ()) and "other orders" in found.reason


@pytest.mark.parametrize("kind", ["create", "amend", "cancel"])
def test_a_request_that_names_no_order_is_unknown_at_once_and_asks_nothing(side: Side, kind: str) -> None:
    sent = SentRequest(f"order.{kind}", '{"category":"linear","symbol":"S"}', T)
    (found,) = Resolver(side, questions_of(sent, WINDOW), WINDOW, 15.0).run(sent, (0,))  # type: ignore[arg-type]
    assert found.outcome == "unknown" and "names no order" in found.reason and side.asked == []
    sent.answers = ((True, ""),)
    (found,) = Resolver(side, questions_of(sent, WINDOW), WINDOW, 15.0).run(sent, (0,))  # type: ignore[arg-type]
    assert (found.outcome, found.order, side.asked) == ("executed", None, [])


@pytest.mark.parametrize("accepted, outcome", [(True, "executed"), (False, "not_executed")])
def test_a_late_answer_ends_the_wait(side: Side, accepted: bool, outcome: str) -> None:
    requests = SentRequests()
    requests.made("key", "order.create", '{"category":"linear","orderLinkId":"l"}', T)
    sent = requests.by_key("key")
    side.at = [(T + 2345, lambda: requests.answered("key", ((accepted, "no balance"),)))]
    found = resolve(side, sent)
    assert found.outcome == outcome and ("no balance" in found.reason) is not accepted
    assert side.now_ms < T + 2345 + 50


def test_an_answer_that_decides_nothing_does_not_make_it_spin(side: Side) -> None:
    sent = SentRequest("order.create-batch", '{"category":"linear","request":[{"orderLinkId":"l"}]}', T, ((None, ""),))
    assert resolve(side, sent).outcome == "not_executed"
    assert len(side.asked) < 40


def test_the_venues_words_are_cleaned(side: Side) -> None:
    sent = SentRequest("order.create", '{"category":"linear","orderLinkId":"l"}', T, ((False, "no\x1b[31m\nway" * 999),))
    reason = resolve(side, sent).reason
    assert reason.isprintable() and len(reason) <= 2000 and side.asked == []


def test_a_cancellation_of_a_filled_order_is_decided_at_once(side: Side) -> None:
    side.rows_of[OPEN_ORDERS] = [{**ROW, "orderStatus": "Filled"}]
    found = resolve(side, kind="cancel")
    assert (found.outcome, found.order.order_status) == ("not_executed", "Filled") and side.now_ms < T + 200


# -- what was sent -------------------------------------------------------------------------------------------


def test_requests_are_found_by_key_and_by_the_newest_that_names_the_order() -> None:
    requests = SentRequests()
    requests.made("1", "order.create", encode({"category": "spot", "orderLinkId": "a"}), 1)
    both = {"category": "spot", "request": [{"orderLinkId": "b"}, {"orderLinkId": "a"}]}
    requests.made("2", "order.cancel-batch", encode(both), 2)
    requests.made("3", "order.create", encode({"category": "spot", "orderLinkId": "b"}), 3)
    requests.answered("2", ())
    found = by_link_id(requests, "a")
    assert found is not None and (found[0].operation, found[1]) == ("order.cancel-batch", 1)
    assert by_link_id(requests, "b") == (requests.by_key("3"), 0) and by_link_id(requests, "c") is None
    (_, question) = questions_of(found[0], 10)
    assert (question.kind, question.category, question.order_link_id, question.closes_ms) == ("cancel", "spot", "a", 12)


def test_what_was_sent_is_asked_for_whatever_becomes_of_the_callers_dicts() -> None:
    protocol = BybitTradeProtocol(Credentials("key-of-tests", "secret-of-tests"))
    order = {"symbol": "BTCUSDT", "orderLinkId": "first"}
    request = protocol.request("order.create-batch", {"category": "spot", "request": [order]})
    order["orderLinkId"] = "second"
    found = by_link_id(protocol.sent, "first")
    assert found is not None and found[0] is protocol.sent.by_key(request.key) and by_link_id(protocol.sent, "second") is None


def test_what_is_kept_is_bounded() -> None:
    requests = SentRequests()
    for number in range(10_100):
        requests.made(str(number), "order.create", "{}", number)
    assert requests.by_key("99") is None and requests.by_key("100") is not None
    for number in range(100, 1200):
        requests.answered(str(number), ((True, ""),))
    assert requests.by_key("199") is None and requests.by_key("200") is not None


# -- arguments -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unknown, more, error, name",
    [
        (5, {}, TypeError, "unknown"),
        (None, {}, TypeError, "unknown"),
        ("abc", {}, ValueError, "category"),
        ("abc", {"category": "futures"}, ValueError, "category"),
        ("a b", {"category": "spot"}, ValueError, "unknown"),
        ("abc", {"category": "spot", "symbol": ""}, ValueError, "symbol"),
        ("abc", {"category": "spot", "timeout": -1}, ValueError, "timeout"),
        (OutcomeUnknown("x", request_id="of another client"), {"category": "spot"}, ValueError, "unknown"),
        (OutcomeUnknown("x", order_link_id="abc"), {}, ValueError, "category"),
    ],
    ids=range(9),
)
def test_wrong_arguments_are_named(unknown: Any, more: Any, error: Any, name: str) -> None:
    client = BybitTradeClient("key-of-tests", "secret-of-tests", url="ws://127.0.0.1:1", rest_url="http://127.0.0.1:1")
    with pytest.raises(error, match=f"^{name}"):
        client.resolve(unknown, **more)
    client = BybitTradeClient("key-of-tests", "secret-of-tests", url="ws://127.0.0.1:1")
    with pytest.raises(error if error is TypeError or name in ("symbol", "timeout") else ValueError):
        client.resolve(unknown, **more)


def test_a_key_goes_to_no_other_host_than_its_sockets() -> None:
    client = BybitTradeClient("key-of-tests", "secret-of-tests", url="ws://127.0.0.1:1")
    with pytest.raises(ValueError, match="rest_url"):
        client.resolve("abc", category="spot")
    assert client._rest is None


# -- against the local venue ---------------------------------------------------------------------------------

LIMIT: Any = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.1", "price": "66000"}
QUICK = Options(backoff_initial=0.01, backoff_max=0.02, request_timeout=5.0)


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> Iterator[BybitVenue]:
    monkeypatch.setattr(rest, "_hosts", {})
    with BybitVenue(symbols=["BTCUSDT"], rate=0) as made:
        yield made
        assert made.handler_errors == 0


def lose(client: BybitTradeClient, venue: BybitVenue, executed: bool, do: Callable[[], Any]) -> OutcomeUnknown:
    """Cut the connection in place of the answer."""
    client.open()
    venue.drop_after_next_request(executed)
    with pytest.raises(OutcomeUnknown) as raised:
        do()
    return raised.value


def test_single_orders_and_batches(venue: BybitVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certainty, "MARGIN_MS", 300)
    row = {name: value for name, value in LIMIT.items() if name != "category"}
    with venue.client("trade", options=QUICK, recv_window=1500) as client:
        placed = lose(client, venue, True, lambda: client.place_order(**LIMIT))
        (true,) = venue.orders()
        for name in (placed, placed.request_id, placed.order_link_id):
            found = client.resolve(name)
            assert (found.outcome, found.order.order_id, found.order.order_link_id) == ("executed", true.id, true.link_id)
        named = {"category": "linear", "symbol": "BTCUSDT", "orderLinkId": true.link_id}
        amended = lose(client, venue, True, lambda: client.amend_order(**named, qty="0.2"))
        not_amended = lose(client, venue, False, lambda: client.amend_order(**named, qty="0.3"))
        not_placed = lose(client, venue, False, lambda: client.place_order(**LIMIT))
        batch = lose(client, venue, True, lambda: client.place_batch_order("linear", [row, {**row, "price": "1000000"}, row]))
        found = client.resolve(amended)
        assert (found.outcome, str(found.order.qty)) == ("executed", "0.2")
        assert client.resolve(not_amended).outcome == "not_executed"
        assert client.resolve(not_placed).outcome == "not_executed"
        three = client.resolve(batch)
        assert [each.outcome for each in three] == ["executed", "not_executed", "executed"]
        known = {order.link_id for order in venue.orders()}
        assert [each.order.order_link_id in known for each in three if each.order] == [True, True]
        assert client.resolve(batch.order_link_ids[1]).outcome == "not_executed", "one of them"
        cancelled = lose(client, venue, True, lambda: client.cancel_order(**named))
        assert client.resolve(cancelled).order.order_status == "Cancelled"
        assert len(venue.orders()) == 3, "nothing was sent twice"


def test_what_a_new_client_knows_of_an_earlier_ones_order(venue: BybitVenue) -> None:
    with venue.client("trade", options=QUICK) as client:
        error = lose(client, venue, True, lambda: client.place_order(**LIMIT))
    after = venue.client("trade")
    venue.forget_closed()
    found = after.resolve(error, category="linear")
    assert (found.outcome, found.order.order_link_id) == ("executed", error.order_link_id)
    assert after.resolve(error.order_link_id or "", category="linear").outcome == "executed"
    assert after.state.value == "new", "no socket was needed"
    after.close()


def test_an_answer_that_comes_late(venue: BybitVenue) -> None:
    events = Recorder()
    with venue.client("trade", options=QUICK) as client:
        client.on_event(events)
        venue.hold_answers()
        venue.fail_rest(503)
        errors = []
        for fields in (LIMIT, {**LIMIT, "price": "1000000"}):
            with pytest.raises(RequestTimeout) as raised:
                client.place_order(**fields, timeout=0.05)
            errors.append(raised.value)
        venue.release_answers()
        eventually(lambda: sum(isinstance(event, LateReply) for event in events.items) == 2)
        accepted, refused = (client.resolve(error, timeout=0.5) for error in errors)
        assert (accepted.outcome, accepted.order) == ("executed", None)
        assert refused.outcome == "not_executed" and "price" in refused.reason
        venue.accept_rest()
        assert client.resolve(errors[0]).order.order_link_id == errors[0].order_link_id


def test_a_refused_key_and_no_secret_in_the_reason(venue: BybitVenue) -> None:
    with venue.client("trade", options=QUICK) as client:
        error = lose(client, venue, True, lambda: client.place_order(**LIMIT))
        venue.fail_rest(10004, f"error sign! origin_string[1{venue.api_key}5000]")
        venue.fail_rest(10004, f"error sign! origin_string[1{venue.api_key}5000]", endpoint="market/time")
        found = client.resolve(error, timeout=2)
        assert found.outcome == "unknown" and "error sign" in found.reason and venue.api_key not in found.reason


def test_not_on_the_reader_thread(venue: BybitVenue) -> None:
    caught: List[BaseException] = []

    def on_done(future: Any) -> None:
        try:
            client.resolve("abc", category="linear")
        except WrongThreadError as error:
            caught.append(error)

    with venue.client("trade", options=QUICK) as client:
        client.submit("order.create", {**LIMIT}).add_done_callback(on_done)
        eventually(lambda: caught)
    assert isinstance(caught[0], WrongThreadError)
