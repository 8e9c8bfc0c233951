"""The private client: its own arguments without a connection, then all of it against the local venue."""

from __future__ import annotations

import hashlib
import hmac
import logging
import threading
from decimal import Decimal as D
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from dbxsdk import AuthError, Gap, Options, State, SubscribeError, VenueError
from dbxsdk.bybit import EVENT_POSITIONS, BybitPrivateClient, Execution, FastExecution, Order, Position, Wallet, undocumented
from dbxsdk.sim import BybitVenue
from tests.waiting import Recorder, eventually

KEY, SECRET = "key-of-tests", "secret-of-tests"
QUICK = Options(backoff_initial=0.01, backoff_max=0.02, request_timeout=5.0)

Calls = List[Tuple[str, Any, Any, bool]]


def callback(update: Any) -> None:
    pass


@pytest.fixture
def venue() -> Iterator[BybitVenue]:
    with BybitVenue(rate=0) as made:
        yield made
        assert made.handler_errors == 0


@pytest.fixture
def client(venue: BybitVenue) -> Iterator[BybitPrivateClient]:
    with venue.client("private", options=QUICK) as made:
        yield made


def asked(venue: BybitVenue, op: str) -> List[Any]:
    return [frame.document for frame in venue.requests if frame.document["op"] == op]


def reconnect(venue: BybitVenue, client: Any) -> None:
    """Drops the connections; returns when the client has its next one."""
    connections = venue.connection_count
    venue.drop_connections()
    assert venue.wait_until(lambda: venue.connection_count > connections)
    eventually(lambda: client.stats().reconnects and client.is_connected())


class TestArguments:
    @pytest.mark.parametrize("arguments, url", [
        ({}, "wss://stream.bybit.com/v5/private"),
        ({"testnet": True}, "wss://stream-testnet.bybit.com/v5/private"),
        ({"demo": True, "max_active_time": "1m"}, "wss://stream-demo.bybit.com/v5/private?max_active_time=1m"),
        ({"url": "ws://127.0.0.1:1/x?a=1", "max_active_time": 30}, "ws://127.0.0.1:1/x?a=1&max_active_time=30s"),
    ])
    def test_addresses(self, arguments: Dict[str, Any], url: str) -> None:
        client = BybitPrivateClient(KEY, SECRET, **arguments)
        assert client._address.url == url

    @pytest.mark.parametrize("arguments, error, name", [
        ({"api_key": "a b"}, ValueError, "api_key"), ({"api_key": None}, TypeError, "api_key"),
        ({"api_secret": "a\n"}, ValueError, "api_secret"), ({"api_secret": None}, ValueError, "api_secret"),
        ({"signer": 5}, TypeError, "signer"), ({"testnet": 1}, TypeError, "testnet"), ({"demo": 1}, TypeError, "demo"),
        ({"testnet": True, "demo": True}, ValueError, "demo"), ({"max_active_time": 5}, ValueError, "max_active_time"),
        ({"url": "http://h"}, ValueError, "url"), ({"url": 5}, TypeError, "url"), ({"options": {}}, TypeError, "options"),
        ({"auth_window": 0}, ValueError, "auth_window"), ({"auth_window": "10"}, TypeError, "auth_window"),
    ])
    def test_wrong_ones(self, arguments: Dict[str, Any], error: Any, name: str) -> None:
        with pytest.raises(error, match=name) as raised:
            BybitPrivateClient(**{"api_key": KEY, "api_secret": SECRET, **arguments})
        assert KEY not in str(raised.value) and SECRET not in str(raised.value)

    @pytest.mark.parametrize("method, arguments, channel, symbols", [
        ("position_stream", (callback,), "position", ()),
        ("order_stream", (callback,), "order", ()),
        ("execution_stream", (callback,), "execution", ()),
        ("fast_execution_stream", (callback,), "execution.fast", ()),
        ("fast_execution_stream", (callback, "linear"), "execution.fast", "linear"),
        ("wallet_stream", (callback,), "wallet", ()),
        ("greek_stream", (callback,), "greeks", ()),
        ("spread_order_stream", (callback,), "spread.order", ()),
        ("spread_execution_stream", (callback,), "spread.execution", ()),
        ("dcp_stream", ("spot", callback), "dcp", "spot"),
    ])
    def test_streams(
        self, monkeypatch: pytest.MonkeyPatch, method: str, arguments: Tuple[Any, ...], channel: str, symbols: Any
    ) -> None:
        calls: Calls = []

        def subscribe(self: Any, channel: str, symbols: Any = (), *, callback: Any, raw: bool = False) -> str:
            calls.append((channel, symbols, callback, raw))
            return "subscription"

        monkeypatch.setattr(BybitPrivateClient, "subscribe", subscribe)
        client = BybitPrivateClient(KEY, SECRET)
        assert getattr(client, method)(*arguments) == "subscription"
        assert calls == [(channel, symbols, callback, False)]
        if method != "dcp_stream":
            getattr(client, method)(*arguments, raw=True)
            assert calls[1][-1] is True

    @pytest.mark.parametrize("method, argument, error, name", [
        ("fast_execution_stream", 5, TypeError, "categorised_topic"), ("dcp_stream", "linear", ValueError, "product"),
        ("dcp_stream", None, TypeError, "product"),
    ])
    def test_wrong_stream_arguments(self, method: str, argument: Any, error: Any, name: str) -> None:
        client = BybitPrivateClient(KEY, SECRET, url="ws://127.0.0.1:1")
        arguments = (argument,) if method == "dcp_stream" else (callback, argument)
        with pytest.raises(error, match=name):
            getattr(client, method)(*arguments)
        assert client.state is State.NEW

    def test_is_connected_and_exit(self) -> None:
        client = BybitPrivateClient(KEY, SECRET, url="ws://127.0.0.1:1")
        assert not client.is_connected()
        client.exit()
        assert client.state is State.CLOSED


class TestLogin:
    def test_before_anything_else(self, venue: BybitVenue, client: BybitPrivateClient) -> None:
        assert client.is_connected()
        client.order_stream(callback)
        assert [frame.document["op"] for frame in venue.requests] == ["auth", "subscribe"]
        assert client.ping(5) < 5

    @pytest.mark.parametrize("wrong", [{"api_key": "other"}, {"api_secret": "other"}])
    def test_wrong_key_raises_in_the_callers_thread_and_is_final(self, venue: BybitVenue, wrong: Dict[str, str]) -> None:
        client = venue.client("private", options=QUICK, **wrong)
        events = Recorder()
        client.on_event(events)
        for method in (client.open, client.ping, client.wait, lambda: client.order_stream(callback)):
            with pytest.raises(AuthError, match="the login was refused"):
                method()
        assert client.state is State.FAILED
        assert venue.connection_count == 1
        assert not asked(venue, "subscribe")
        client.close()

    def test_wrong_secret_was_tried_with_the_venues_time(self, venue: BybitVenue) -> None:
        client = venue.client("private", api_secret="other")
        with pytest.raises(AuthError, match=r"Params Error \(this machine's clock agrees with the venue's: check the key"):
            client.open()
        assert [frame.document["op"] for frame in venue.requests] == ["auth", "ping", "auth"]
        client.close()

    def test_clock_far_behind(self, venue: BybitVenue, caplog: pytest.LogCaptureFixture) -> None:
        venue.clock_skew(3600)
        with venue.client("private", options=QUICK) as client:
            assert "clock is 3" in caplog.text and "behind the venue's" in caplog.text
            assert [frame.document["op"] for frame in venue.requests] == ["auth", "ping", "auth"]
            reconnect(venue, client)
            assert len(asked(venue, "auth")) == 3
        assert len(asked(venue, "ping")) == 1  # what was measured holds

    def test_each_connection_is_signed_afresh(self, venue: BybitVenue, client: BybitPrivateClient) -> None:
        events, updates = Recorder(), Recorder()
        client.on_event(events)
        client.order_stream(updates)
        reconnect(venue, client)
        assert venue.wait_until(lambda: venue.subscriptions("/v5/private") == ("order",))
        venue.place_order("spot", symbol="BTCUSDT", side="Buy", orderType="Limit", qty="0.01", price="1000")
        updates.wait()
        assert events.wait_for(Gap).topics == ("order",)
        first, second = asked(venue, "auth")
        assert first["args"][0] == second["args"][0] == venue.api_key
        assert first["args"][1] < second["args"][1] and first["args"][2] != second["args"][2]

    def test_key_that_is_refused_after_a_reconnect_ends_the_client(self, venue: BybitVenue) -> None:
        client = venue.client("private", options=QUICK)
        client.open()
        venue._gate.api_key = "revoked"
        venue.drop_connections()
        with pytest.raises(AuthError, match="API key is invalid"):
            client.wait(5)
        with pytest.raises(AuthError):
            client.open()
        client.close()

    def test_signer(self, venue: BybitVenue) -> None:
        threads: List[str] = []

        def sign(payload: str) -> str:
            threads.append(threading.current_thread().name)
            return hmac.new(venue.api_secret.encode(), payload.encode(), hashlib.sha256).hexdigest()

        with venue.client("private", api_secret=None, signer=sign) as client:
            assert client.is_connected()
        assert threads == ["dbxsdk-bybit:private-reader"]

    def test_signer_that_fails_once(self, venue: BybitVenue) -> None:
        failures = [OSError("busy")]

        def sign(payload: str) -> str:
            if failures:
                raise failures.pop()
            return hmac.new(venue.api_secret.encode(), payload.encode(), hashlib.sha256).hexdigest()

        client = venue.client("private", api_secret=None, signer=sign)
        with pytest.raises(VenueError, match="the signer raised OSError") as raised:
            client.open()
        assert not isinstance(raised.value, AuthError)
        client.open()
        assert client.is_connected()
        client.close()

    def test_trade_socket_at_the_address(self, venue: BybitVenue) -> None:
        with venue.client("private", url=venue.url("/v5/trade")) as client:
            with pytest.raises(SubscribeError) as raised:
                client.order_stream(callback)
        assert raised.value.code == 10404

    def test_max_active_time_reaches_the_venue(self) -> None:
        # Without a ping in its 30 s, here a hundred times shorter, the venue closes; the default is 600 s.
        with BybitVenue(rate=0, active_time_scale=0.01) as venue, venue.client("private", options=QUICK) as other:
            with venue.client("private", max_active_time=30, options=QUICK) as client:
                eventually(lambda: client.stats().reconnects)
            assert other.stats().reconnects == 0

    def test_no_secret_is_shown(self, venue: BybitVenue, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)  # the root's: every logger's, third parties' included
        shown: List[str] = []
        events = Recorder()
        clients = [
            venue.client("private", options=QUICK), venue.client("private", api_secret="wrong-secret-1", options=QUICK),
            venue.client("private", api_key="wrong-key-1", options=QUICK), venue.client("trade", options=QUICK),
            venue.client("trade", api_secret="wrong-secret-1", options=QUICK),
            venue.client("trade", api_key="wrong-key-1", options=QUICK),
        ]
        for client in clients:
            client.on_event(events)
            try:
                client.open()
                reconnect(venue, client)
                client.ping()
            except AuthError as error:
                shown += [str(error), repr(error)]
            finally:
                client.close()
            shown += [repr(client), repr(client._protocol), repr(client.stats()), str(vars(client))]
        signatures = [document["args"][2] for document in asked(venue, "auth")]
        assert len(signatures) >= 8
        assert len(events.items) >= 6
        text = "\n".join([*shown, *map(repr, events.items), caplog.text])
        for hidden in (venue.api_key, venue.api_secret, "wrong-secret-1", "wrong-key-1", *signatures):
            assert hidden not in text


class TestUpdates:
    def test_an_orders_life(self, venue: BybitVenue, client: BybitPrivateClient) -> None:
        updates = Recorder()
        for stream in ("order_stream", "execution_stream", "fast_execution_stream", "position_stream", "wallet_stream"):
            getattr(client, stream)(updates)
        client.greek_stream(updates)
        venue.place_order(
            "linear", symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.01", orderLinkId="mine"
        )
        eventually(lambda: {update.channel for update in updates.items} >= {
            "order", "execution", "execution.fast", "position", "wallet",
        })
        models = {update.channel: type(update.data[0]) for update in updates.items}
        assert models["order"] is Order and models["execution"] is Execution and models["execution.fast"] is FastExecution
        assert models["position"] is Position and models["wallet"] is Wallet
        filled = [order for update in updates.items if update.channel == "order" for order in update.data][-1]
        assert (filled.order_link_id, filled.order_status, filled.cum_exec_qty) == ("mine", "Filled", D("0.01"))
        (position,) = [update.data[0] for update in updates.items if update.channel == "position"][-1:]
        assert (position.symbol, position.side, position.size) == ("BTCUSDT", "Buy", D("0.01"))
        assert all(update.venue == "bybit" and update.symbol == "" and update.venue_time_ms for update in updates.items)

    def test_categorised(self, venue: BybitVenue, client: BybitPrivateClient) -> None:
        spot, raw = Recorder(), Recorder()
        client.subscribe("order", "spot", callback=spot)
        client.subscribe("execution.spot", callback=raw, raw=True)
        venue.place_order("linear", symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.01")
        venue.place_order("spot", symbol="BTCUSDT", side="Sell", orderType="Market", qty="0.01")
        assert spot.wait()[0].channel == "order.spot"
        assert raw.wait()[0]["topic"] == "execution.spot"
        assert {order.category for update in spot.items for order in update.data} == {"spot"}
        client.unsubscribe("order")
        assert venue.wait_until(lambda: venue.subscriptions("/v5/private") == ("execution.spot",))

    def test_conflict(self, venue: BybitVenue, client: BybitPrivateClient) -> None:
        client.order_stream(callback)
        with pytest.raises(ValueError, match="channel: 'order'.*second client"):
            client.subscribe("order", "spot", callback=callback)
        with pytest.raises(ValueError, match="channel: 'execution'"):
            client.subscribe("execution.spot", callback=callback)
            client.execution_stream(callback)
        assert venue.subscriptions("/v5/private") == ("execution.spot", "order")
        client.unsubscribe("order")
        client.subscribe("order", "spot", callback=callback)
        assert venue.subscriptions("/v5/private") == ("execution.spot", "order.spot")

    def test_partial_success(self, venue: BybitVenue, client: BybitPrivateClient) -> None:
        updates = Recorder()
        with pytest.raises(SubscribeError, match="order.moon") as raised:
            client.subscribe(undocumented("order"), ["spot", "moon", "linear"], callback=updates)
        assert raised.value.topics == ("order.moon",)
        assert raised.value.subscription.topics == ("order.spot", "order.linear")
        assert venue.subscriptions("/v5/private") == ("order.linear", "order.spot")
        venue.place_order("spot", symbol="BTCUSDT", side="Sell", orderType="Market", qty="0.01")
        assert updates.wait()[0].channel == "order.spot"

    def test_all_documented_topics_of_the_local_venue(self, venue: BybitVenue, client: BybitPrivateClient) -> None:
        client.dcp_stream("future")
        client.dcp_stream("spot")
        client.subscribe("strategy", callback=callback)
        client.subscribe("order", "event", callback=callback)
        client.subscribe(EVENT_POSITIONS, callback=callback)
        client.spread_order_stream(callback)
        with pytest.raises(SubscribeError):
            client.subscribe(undocumented("nothing.such"), callback=callback)
        assert venue.subscriptions("/v5/private") == (
            "dcp.future", "dcp.spot", "order.event", "position.event", "spread.order", "strategy",
        )

    @pytest.mark.parametrize("channel, symbols, said", [
        ("orders", (), "channel must be one of position, position.event, execution, .*rfq.open.trades, not 'orders'"),
        ("orders", "spot", "channel must be one of"), ("orderbook.50.BTCUSDT", (), "channel must be one of"),
        ("order", "BTCUSDT", "symbols must be among spot, linear, inverse, option, event for the channel 'order', not 'BTCUSDT'"),
        ("execution.fst", (), "symbols must be among spot"), ("position", "spot", "symbols must be among linear"),
        ("wallet", "USDT", "symbols must be left out for the channel 'wallet', not 'USDT'"),
        ("dcp", "futures", "symbols must be among future, spot, option"),
    ])
    def test_what_is_not_documented_is_refused_before_any_io(self, channel: str, symbols: Any, said: str) -> None:
        client = BybitPrivateClient("key", "secret", url="ws://127.0.0.1:1/")
        for use in (client.subscribe, client.messages):
            with pytest.raises(ValueError, match=said):
                use(channel, symbols, **({"callback": callback} if use == client.subscribe else {}))
        assert client.state is State.NEW

    def test_rows_without_a_model_and_bad_ones(self, venue: BybitVenue, client: BybitPrivateClient) -> None:
        updates, events = Recorder(), Recorder()
        client.on_event(events)
        client.subscribe("strategy", callback=updates)
        client.order_stream(updates)
        venue.send_frame({"topic": "order", "data": [{"symbol": "A"}]}, "/v5/private")
        venue.send_frame({"topic": "strategy", "creationTime": 5, "data": [{"strategyId": "s"}]}, "/v5/private")
        (update,) = updates.wait()
        assert (update.data, update.venue_time_ms) == ([{"strategyId": "s"}], 5)
        assert "category" in str(events.items[-1])

    def test_raw_requests(self, venue: BybitVenue, client: BybitPrivateClient) -> None:
        answer = client.call("subscribe", ["wallet"])
        assert (answer["success"], answer["op"]) == (True, "subscribe")
        with pytest.raises(VenueError, match="Params Error"):
            client.call("order.create", [{"category": "spot"}])
        assert client.submit("unsubscribe", ["wallet"]).result(5)["success"] is True
