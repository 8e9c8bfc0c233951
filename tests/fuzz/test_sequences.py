"""Subscriptions, requests, answers, refusals, updates and garbage in any order: nothing is raised, and when the venue is
itself again, everything wished for is subscribed and nothing is left in flight."""

from __future__ import annotations

import json
from typing import Any, Type

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from dbxsdk.protocol import Reply, Request
from tests.fuzz.answers import answer
from tests.fuzz.budgets import bounded
from tests.fuzz.documents import SOCKETS, Socket
from tests.fuzz.driver import Driver, Status
from tests.fuzz.running import EXAMPLES, count, plan
from tests.fuzz.strategies import documents, frames, write

_SETTLED_AFTER = 300
"""Answers; each subscribe request may be cut in halves until the bad topic is found."""


def document(request: Request) -> Any:
    return json.loads(request.frame)


def machine(socket: Socket) -> Type[RuleBasedStateMachine]:
    class Sequences(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.driver = Driver(socket)
            self.budget = bounded()
            self.budget.__enter__()

        @precondition(lambda self: self.driver.names)
        @rule(data=st.data())
        def subscribe(self, data: st.DataObject) -> None:
            self.driver.subscribe(data.draw(st.lists(st.sampled_from(self.driver.names), min_size=1, max_size=3, unique=True)))

        @precondition(lambda self: self.driver.wished)
        @rule(data=st.data())
        def unsubscribe(self, data: st.DataObject) -> None:
            self.driver.unsubscribe(data.draw(st.integers(0, len(self.driver.wished) - 1)))

        @rule(data=st.data())
        def ask(self, data: st.DataObject) -> None:
            self.driver.ask(data.draw(st.sampled_from(socket.requests(self.driver.protocol))))

        @precondition(lambda self: self.driver.flight())
        @rule(data=st.data(), good=st.booleans(), again=st.booleans())
        def answer(self, data: st.DataObject, good: bool, again: bool) -> None:
            """Some request in flight, not the oldest maybe, and twice maybe."""
            request = data.draw(st.sampled_from(self.driver.flight())).request
            for _ in range(1 + again):
                self.reply(request, good, data.draw(st.sampled_from(request.topics or ("none",))))

        def reply(self, request: Request, good: bool, topic: str) -> None:
            if request.is_ping:
                self.driver.reply(Reply(request.frame, None))
            else:
                reply = answer(socket.name, good, document(request), topic)
                self.driver.receive(socket.wire(reply), socket.binary)

        @precondition(lambda self: self.driver.flight())
        @rule(data=st.data())
        def answer_wrongly(self, data: st.DataObject) -> None:
            entry = data.draw(st.sampled_from(self.driver.flight()))
            if not entry.request.is_ping:
                request = document(entry.request)
                replies = [answer(socket.name, good, request, *entry.request.topics[:1]) for good in (True, False)]
                payload = socket.pack(write(data.draw(documents(replies, most=2))))
                self.driver.receive(payload, socket.binary)

        @rule(frame=frames(socket, ["nobody's", 7], most=2))
        def send_anything(self, frame: Any) -> None:
            self.driver.receive(*frame)

        @precondition(lambda self: self.driver.flight())
        @rule(data=st.data())
        def never_answer(self, data: st.DataObject) -> None:
            self.driver.expire(data.draw(st.sampled_from(self.driver.flight())))

        @precondition(lambda self: self.driver.names)
        @rule(data=st.data())
        def renew(self, data: st.DataObject) -> None:
            self.driver.renew(data.draw(st.lists(st.sampled_from(self.driver.names), min_size=1, max_size=2, unique=True)))

        @rule()
        def give_up_waiting(self) -> None:
            self.driver.give_up_waiting()

        @rule()
        def connect(self) -> None:
            self.driver.connect()

        def teardown(self) -> None:
            driver = self.driver
            if driver.aborted:
                driver.connect()
            for _ in range(_SETTLED_AFTER):
                flight = driver.flight()
                if not flight:
                    break
                before = flight[0].request
                self.reply(before, True, "none")
                if driver.flight() and driver.flight()[0].request is before:
                    driver.expire(driver.flight()[0])  # several of its kind, and the answers have no id
                if driver.aborted:
                    driver.connect()
            assert driver.at_rest, "requests without an end"
            statuses = {name: driver.status(name) for name in driver.wanted()}
            assert all(status in (Status.LIVE, Status.REFUSED) for status in statuses.values()), statuses
            self.budget.__exit__(None, None, None)
            count(f"sequences {socket.name}")
            count(f"sequences {socket.name}", "topics subscribed at the end", list(statuses.values()).count(Status.LIVE))

    return Sequences


@pytest.mark.parametrize("socket", SOCKETS, ids=lambda socket: socket.name)
def test_any_order(socket: Socket) -> None:
    run_state_machine_as_test(machine(socket), settings=plan(0.15, stateful_step_count=40 if EXAMPLES else 15))
