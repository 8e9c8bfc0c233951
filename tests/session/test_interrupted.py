"""A signal handler that raises in the middle of a call: its request is not sent behind the user's back, and nothing that others
wait for suffers."""

from __future__ import annotations

import sys
import threading
from types import FrameType
from typing import Any, List

from dbxsdk import BadFrame, ConnectionLost
from dbxsdk.protocol import Reply, Request
from tests.session.fake import FakeProtocol, Gate, Network
from tests.waiting import PATIENCE, Recorder


class Interrupted(Exception):
    """What the signal handler raises."""


class Interruption:
    """Raises where the function of the SDK begins that has this number: Python runs signal handlers there, and not between any
    two lines, so that it may let go of a lock after the last line of a ``with``."""

    def __init__(self, number: int) -> None:
        self._left = number
        self.came = False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if frame.f_globals.get("__name__", "").startswith("dbxsdk.") and not self.came:
            self._left -= 1
            if self._left == 0:
                self.came = True
                raise Interrupted


def asked(network: Network, method: str) -> List[Any]:
    """What was asked on all connections, in order."""
    return [each for connection in network.connections for each in connection.asked(method)]


def submitted(client: Any, interruption: Interruption) -> bool:
    """True if the user has a future."""
    try:
        sys.settrace(interruption)  # type: ignore[arg-type]
        client.submit("order")
    except Interrupted:
        return False
    finally:
        sys.settrace(None)
    return True


def test_a_submit_that_raised_is_not_sent_later_and_the_others_keep_their_order() -> None:
    number, more = 1, True
    while more:
        network, gate = Network(), Gate()
        with network.client() as client:
            network.plans.append(gate)
            network.now.end()
            assert gate.reached.wait(PATIENCE)
            others = [client.submit("echo", each) for each in range(4)]
            interruption = Interruption(number)
            known = submitted(client, interruption)
            gate.open.set()
            assert [each.result(PATIENCE) for each in others] == [0, 1, 2, 3]
            client.call("behind")
            assert asked(network, "echo") == [0, 1, 2, 3]
            assert len(asked(network, "order")) == known
        more = interruption.came
        number += 1
    assert number > 20, "and it was interrupted often"


class SlowToRead(FakeProtocol):
    """Stops while it reads the answer to a request."""

    def __init__(self) -> None:
        super().__init__()
        self.reading, self.go_on = threading.Event(), threading.Event()

    def conclude(self, request: Request, reply: Reply) -> Any:
        if request.kind == "slow":
            self.reading.set()
            assert self.go_on.wait(PATIENCE)
        return super().conclude(request, reply)


def test_a_request_whose_answer_is_being_read_meanwhile_has_one_outcome() -> None:
    number = 1
    while True:
        protocol, events = SlowToRead(), Recorder()
        network = Network()
        client = network.client(protocol)
        client.on_event(events)
        with client:
            future = client.submit("slow", 1)
            assert protocol.reading.wait(PATIENCE)
            interruption = Interruption(number)
            submitted(client, interruption)
            decided = future.done()
            protocol.go_on.set()
            if decided:
                assert isinstance(future.exception(), ConnectionLost)
            client.call("behind")
            assert events.of(BadFrame) == []
        if decided:
            return
        assert interruption.came, "no decision was left half-way"
        number += 1
