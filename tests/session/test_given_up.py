"""Requests that are given up, by their time or by an exception in the middle: each has an outcome, none is sent later, and
none is left behind."""

from __future__ import annotations

import threading
import time
from typing import Any, Dict

import pytest

from dbxsdk import State
from dbxsdk.errors import ConnectError, DbxError, OutcomeUnknown, RequestTimeout
from tests.session.fake import FakeConnection, Gate, Network, say_yes
from tests.waiting import Recorder, eventually, held


def jammed_by(method: str) -> Any:
    """A peer that takes nothing behind such a request, of which a part may have left."""

    def answer(connection: FakeConnection, request: Dict[str, Any]) -> Any:
        if request["do"] == method:
            connection.deaf = True
            return None
        return say_yes(connection, request)

    return answer


@pytest.mark.parametrize("when", ["waiting for the connection", "on the open one"])
def test_a_request_given_up_behind_one_that_is_stuck_is_not_sent(when: str) -> None:
    """The peer does not read. The second request's future ends while the first is being written; its user is told that
    nothing was sent, and places the order again."""
    network, gate = Network(jammed_by("first")), Gate()
    with network.client(request_timeout=0.4) as client:
        if when == "waiting for the connection":
            network.plans.append(gate)
            network.now.end()
            assert gate.reached.wait(5)
        first, order = client.submit("first", [1]), client.submit("order", [2])
        with pytest.raises(ConnectError, match="nothing was sent"):
            gate.open.set()
            client.call("order", [3], timeout=0.2)
        assert isinstance(first.exception(5.0), RequestTimeout), "it may have been carried out"
        error = order.exception(5.0)
        assert isinstance(error, ConnectError) and not isinstance(error, OutcomeUnknown)
        assert len(network.now.sent) == 1
        network.now.deaf = False
        client.call("ask", [])  # behind all that waits to be sent
        assert network.now.asked("order") == []
        assert network.now.abort_reasons == []


def test_what_is_stuck_goes_out_by_itself_once_the_peer_reads_again() -> None:
    network = Network(jammed_by("first"))
    with network.client() as client:
        client.submit("first")
        waiting = [client.submit("echo", number) for number in range(3)]
        network.now.deaf = False
        assert [future.result(2.0) for future in waiting] == [0, 1, 2]
        assert network.now.asked("echo") == [0, 1, 2]


def test_a_call_never_waits_for_one_that_is_stuck() -> None:
    network = Network(jammed_by("first"))
    with network.client() as client:
        client.submit("first")
        started = time.monotonic()
        for number in range(20):
            client.submit("order", number)
        assert time.monotonic() - started < 1.0
        with pytest.raises(RequestTimeout):
            client.subscribe("trades", "A", callback=print, timeout=0.1)
        assert time.monotonic() - started < 2.0


def test_a_defect_while_the_reader_sends_leaves_no_future_without_an_outcome() -> None:
    """A recorder of the user's, or anything else, raises when the reader sends what waited for the connection."""
    network = Network()
    gate = Gate()
    with network.client(request_timeout=0.5) as client:
        network.plans.append(gate)
        network.now.end()
        assert gate.reached.wait(5)
        futures = [client.submit("order", [number]) for number in range(2)]
        eventually(lambda: len(network.connections) == 2)
        network.now.send_failures.append(ValueError("a defect"))
        gate.open.set()
        for future in futures:
            assert isinstance(future.exception(3.0), DbxError)


def test_ctrl_c_between_the_sending_and_the_waiting_leaves_nothing_behind() -> None:
    def interrupting(connection: FakeConnection, request: Dict[str, Any]) -> Any:
        if request["do"] == "order":
            raise KeyboardInterrupt
        return say_yes(connection, request)

    network, go_on = Network(interrupting), threading.Event()
    with network.client(request_timeout=0.5, queue_size=1) as client:
        client.subscribe("trades", "A", callback=lambda update: go_on.wait(5))
        with pytest.raises(KeyboardInterrupt):
            client.call("order", [1], timeout=0.5)
        assert len(network.now.asked("order")) == 1 and client.stats().pending == 0
        for number in range(3):
            network.now.push({"topic": "trades.A", "n": number})
        eventually(lambda: held(client))  # nobody waits for what only the reader could bring
        go_on.set()


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
