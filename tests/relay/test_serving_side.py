"""The serving process beside what may happen to it: a later leader, a server that hangs, a line that is slow, keys of others."""

from __future__ import annotations

import threading

import pytest

from dbxsdk.relay import lease, serving, term
from dbxsdk.relay.entries import EPOCH, FORMAT, encode_document
from dbxsdk.relay.keys import Keys
from dbxsdk.relay.server import Server
from dbxsdk.relay.term import Term
from tests.relay.scene import TIMES, TOPIC, Scene, judge
from tests.waiting import eventually

KEYS = Keys("test", "bybit:linear")


def test_a_standby_that_was_too_slow_waits_for_its_next_turn(
    stage: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes the lease, sleeps until another leads, and finds that one's entries."""
    begin, held, woken = Term.begin, [], threading.Event()

    def held_once(self: Term) -> None:
        if not held:
            held.append(self)
            woken.wait(10)
        begin(self)

    monkeypatch.setattr(Term, "begin", held_once)
    slow = stage.serve()
    eventually(lambda: held)
    leader = stage.serve()
    worker = stage.worker().subscribe()
    worker.saw(stage.send(3))
    woken.set()
    eventually(lambda: "another process serves" in caplog.text)
    worker.saw(stage.send(3))
    assert judge(worker.items, 1, stage.sent) == []
    leader.stop()
    judge(worker.items, 1, stage.probe(worker))
    assert slow.error is None and slow.relay.status()[0].leading


def test_a_later_epoch_that_nobody_leads_by_any_more_is_passed(stage: Scene) -> None:
    """What said so was lost, but for one topic's stream."""
    client, later = stage.server.client(), f"{2 ** 42}-0"
    client.sadd(KEYS.topics, TOPIC)
    client.xadd(KEYS.topic(TOPIC), {FORMAT: encode_document(EPOCH, 0, 1, {"previous": "0-0"})}, id=later)
    served = stage.serve()
    worker = stage.worker().subscribe()
    worker.saw(stage.send())
    assert served.error is None


@pytest.mark.parametrize("standing_by", [False, True])
def test_serving_ends_in_time_while_the_server_hangs(
    stage: Scene, monkeypatch: pytest.MonkeyPatch, standing_by: bool
) -> None:
    assert lease.ANSWER + term.LOOK + term._GOODBYE + 1 < 5 and lease.ANSWER < TIMES["lease.LEASE"]
    for module in (serving, term):
        monkeypatch.setattr(module, "ANSWER", 0.4)
    monkeypatch.setattr(term, "_GOODBYE", 0.3)
    take, looks = lease.Lease.take, []  # type: ignore[var-annotated]
    monkeypatch.setattr(lease.Lease, "take", lambda *arguments: looks.append(0) or take(*arguments))
    served = stage.serve()
    stage.worker().subscribe()
    if standing_by:
        del looks[:]
        served = stage.serve()
        eventually(lambda: len(looks) > 1)
    stage.server.pause()
    try:
        served.relay.close()
        assert served.ended(2.0) is None
    finally:
        stage.server.resume()


def test_a_server_that_hangs_does_not_end_serving(stage: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (serving, term):
        monkeypatch.setattr(module, "ANSWER", 0.2)
    monkeypatch.setattr(Server.connect, "__defaults__", (0.2,))  # the writer's patience
    served = stage.serve()
    worker = stage.worker().subscribe()
    worker.saw(stage.send(3))
    stage.server.pause()
    stage.send(3)
    eventually(lambda: [each.down for each in served.relay.status() if each.down])
    stage.server.resume()
    judge(worker.items, 1, stage.probe(worker))
    assert served.error is None
