"""Requests that are given up, by their time or by an exception in the middle: each has an outcome, none is sent later, and
none is left behind."""

from __future__ import annotations

import threading

import pytest

from dbxsdk import State
from dbxsdk.errors import DbxError, RequestTimeout
from tests.session.fake import FakeConnection, Gate, Network
from tests.waiting import Recorder, eventually


def test_a_request_given_up_behind_a_slow_one_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both waited for the connection. The reader is still writing the first (a peer that does not read) when the second's
    future ends as ``RequestTimeout``; the user asks the venue, finds nothing, and places the order again."""
    network = Network()
    gate = Gate()
    blocked, go = threading.Event(), threading.Event()
    original = FakeConnection.send

    def send(self: FakeConnection, text: str, timeout: float) -> None:
        if '"first"' in text:
            blocked.set()
            assert go.wait(5)
        original(self, text, timeout)

    monkeypatch.setattr(FakeConnection, "send", send)
    with network.client(request_timeout=0.4) as client:
        network.plans.append(gate)
        network.now.end()
        assert gate.reached.wait(5)
        client.submit("first", [1])
        order = client.submit("order", [2])
        gate.open.set()
        assert blocked.wait(5)
        assert isinstance(order.exception(5.0), RequestTimeout)
        go.set()
        client.call("ask", [])  # behind all that the reader sends
        assert network.now.asked("order") == []


def test_a_defect_while_the_reader_sends_leaves_no_future_without_an_outcome() -> None:
    """A recorder of the user's, or anything else, raises when the reader sends what waited for the connection."""
    network = Network()
    gate = Gate()
    with network.client(request_timeout=0.5) as client:
        network.plans.append(gate)
        network.now.end()
        assert gate.reached.wait(5)
        futures = [client.submit("order", [number]) for number in range(2)]
        network.now.send_failures.append(ValueError("a defect"))
        gate.open.set()
        for future in futures:
            assert isinstance(future.exception(3.0), DbxError)


def test_ctrl_c_between_the_sending_and_the_waiting_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(lambda connection, request: None)
    with network.client(request_timeout=0.5) as client:
        session = client._session

        def interrupted() -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(session.callbacks, "poke", interrupted)
            with pytest.raises(KeyboardInterrupt):
                client.call("order", [1], timeout=0.5)
        eventually(lambda: client.stats().pending == 0, 3.0)
        assert not session._must_flow()


def test_ctrl_c_while_a_subscribe_request_is_written_leaves_no_subscription() -> None:
    """The cell is run again: the callback must get each update once."""
    network = Network()
    got = Recorder()
    with network.client() as client:
        network.now.send_failures.append(KeyboardInterrupt())  # type: ignore[arg-type]
        with pytest.raises(KeyboardInterrupt):
            client.subscribe("trades", "A", callback=got, raw=True)
        network.now.end("the frame was cut")  # what Wire.write does where it is interrupted
        network.connection(2)
        eventually(lambda: client.state is State.READY)
        client.subscribe("trades", "A", callback=got, raw=True)
        network.now.push({"topic": "trades.A", "n": 1}).wait(5)
        network.now.push({"topic": "trades.A", "n": 2}).wait(5)
        eventually(lambda: any(item["n"] == 2 for item in list(got.items)))
        assert [item["n"] for item in got.items] == [1, 2]
