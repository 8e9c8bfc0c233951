"""What a relay has to survive, against a real server: each update reaches each worker once and in order, or lies in a ``Gap``."""

from __future__ import annotations

import json
import os
import pathlib
import select
import signal
import subprocess
from typing import Any, Iterator

import pytest

import dbxsdk
from dbxsdk import Connected, ConnectError, Disconnected, Gap, Options, SubscribeError
from dbxsdk.relay import connector, serving, tap, term, wants, writer
from dbxsdk.relay.keys import Keys
from tests import warm
from tests.relay.redis_server import RedisServer, redis_server
from tests.relay.scene import TIMES, TOPIC, Scene, judge, scene, trade
from tests.waiting import Background, eventually

KEYS = Keys("test", "bybit:linear")


@pytest.fixture
def saving(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """With a server that writes everything to disk at once."""
    with redis_server(tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server, scene(server, monkeypatch) as made:
        yield made


def test_the_times_add_up_to_what_is_promised() -> None:
    """A hanging process is a ``Disconnected``, and a standby leads, within 10 s."""
    assert TIMES["connector.SILENCE"] + connector.SILENCE / 5 < 10
    assert TIMES["lease.LEASE"] + 2 * term.LOOK + 2 < 10
    assert wants.LIVES + term.LEAVE_AFTER < 60 and term.LEAVE_AFTER > wants._AGAIN + 1
    assert TIMES["term.BEAT"] * 3 < min(TIMES["connector.SILENCE"], TIMES["lease.LEASE"])


def test_a_venues_drop_is_one_gap_for_each_worker(stage: Scene) -> None:
    stage.serve()
    workers = [stage.worker().subscribe() for _ in range(3)]
    last = stage.send(5)
    for worker in workers:
        worker.saw(last)
    stage.venue.drop_connections()
    for worker in workers:
        worker.saw(Gap)
    last = stage.send(5)
    for worker in workers:
        worker.saw(last)
        (gap,) = judge(worker.items, 1, last)
        assert gap.topics == (TOPIC,) and gap.seconds > 0
        assert [type(each) for each in worker.items if not isinstance(each, int)] == [Connected, Disconnected, Connected, Gap]


def test_a_server_that_saves_and_comes_back_at_once_costs_nothing(saving: Scene) -> None:
    saving.serve()
    worker = saving.worker().subscribe()
    worker.saw(saving.send(3))
    saving.server.stop()
    saving.send(3)
    saving.server.start()
    last = saving.send(3)
    worker.saw(last)
    assert judge(worker.items, 1, last) == [] and worker.of(Disconnected) == []


def test_a_server_that_forgets_everything(stage: Scene) -> None:
    stage.serve()
    worker = stage.worker().subscribe()
    worker.saw(stage.send(3))
    stage.server.stop()
    stage.send(3)
    stage.server.start()
    last = stage.probe(worker)
    judge(worker.items, 1, last)


def test_a_server_that_is_away_for_long(stage: Scene) -> None:
    stage.serve()
    worker = stage.worker().subscribe()
    worker.saw(stage.send(3))
    stage.server.stop()
    assert "redis" in worker.saw(Disconnected).reason
    stage.server.start()
    last = stage.probe(worker)
    assert len(judge(worker.items, 1, last)) == 1


def test_more_than_fits_while_the_server_is_away(stage: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "QUEUE_BYTES", 2000)
    served = stage.serve()
    worker = stage.worker().subscribe()
    worker.saw(stage.send(3))
    stage.server.pause()
    stage.send(100)
    eventually(lambda: served.client.stats().received >= 103)
    stage.server.resume()
    last = stage.probe(worker)
    gaps = judge(worker.items, 1, last)
    assert gaps and "dropped" in worker.of(Disconnected)[0].reason


@pytest.mark.parametrize("how", ["deleted", "trimmed", "expired"])
def test_a_stream_that_loses_what_a_slow_worker_has_not_read(stage: Scene, how: str) -> None:
    stage.serve()
    other = stage.worker().subscribe()
    worker = stage.worker(options=Options(queue_size=1)).subscribe()
    worker.saw(stage.send())
    other.saw(1)
    worker.hold.clear()
    for _ in range(10):  # singly: each is an entry, and the worker's reader stands before a full queue
        other.saw(stage.send())
    client, key = stage.server.client(), KEYS.topic(TOPIC)
    eventually(lambda: dbxsdk.Gap not in map(type, worker.items) and worker.client.stats().queued >= 1)
    top = client.xinfo_stream(key)["last-generated-id"].decode()
    if how == "trimmed":
        client.xtrim(key, minid=top, approximate=False)
    elif how == "deleted":
        client.delete(key)
    else:
        client.pexpire(key, 1)
        eventually(lambda: not client.exists(key))
    other.saw(stage.send())
    worker.hold.set()
    last = stage.probe(worker)
    other.saw(last)
    judge(worker.items, 1, last)
    assert judge(other.items, 1, last) == []


def test_a_worker_ahead_of_the_stream(stage: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server has lost all, and the next leader's clock stands in the past: its ids are smaller than the worker's."""
    served = stage.serve()
    worker = stage.worker().subscribe()
    worker.saw(stage.send(3))
    stage.server.pause()
    monkeypatch.setattr(serving, "wall_ns", lambda: 1_000_000)
    stage.server.stop()
    served.stop()
    stage.server.start()
    stage.serve()
    last = stage.probe(worker)
    judge(worker.items, 1, last)
    newest = stage.server.client().xrevrange(KEYS.control, count=1)[0][0]
    assert int(newest.partition(b"-")[0]) < 1_000_000, "its clock was believed"


def test_a_clock_set_back(stage: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    served = stage.serve()
    worker = stage.worker().subscribe()
    worker.saw(stage.send(3))
    monkeypatch.setattr(serving, "wall_ns", lambda: 1)
    monkeypatch.setattr(tap, "wall_ns", lambda: 1)
    served.stop()
    stage.serve()
    last = stage.probe(worker)
    assert len(judge(worker.items, 1, last)) == 1


def test_a_worker_before_there_is_anybody_who_serves(stage: Scene) -> None:
    worker = stage.worker()
    with pytest.raises(ConnectError):
        worker.subscribe(timeout=0.3)
    waiting = Background(worker.subscribe)
    stage.serve()
    waiting.result()
    last = stage.send(3)
    worker.saw(last)
    assert judge(worker.items, 1, last) == []


def test_a_slow_worker_holds_up_nobody(stage: Scene) -> None:
    stage.serve()
    slow, quick = stage.worker(options=Options(queue_size=2)).subscribe(), stage.worker().subscribe()
    slow.hold.clear()
    last = stage.send(200)
    quick.saw(last)
    slow.hold.set()
    slow.saw(last)
    assert judge(slow.items, 1, last) == judge(quick.items, 1, last) == []


def test_a_standby_takes_over_at_once_from_one_that_ends(stage: Scene) -> None:
    first = stage.serve()
    worker = stage.worker().subscribe()
    worker.saw(stage.send(3))
    second = stage.serve()
    assert second.client.state.value == "new", "one connection to the venue"
    first.stop()
    assert "ended" in worker.saw(Disconnected).reason
    last = stage.probe(worker)
    assert len(judge(worker.items, 1, last)) == 1 and second.client.state.value == "ready"


def test_a_standby_takes_over_from_one_that_hangs_which_leaves_when_it_wakes(stage: Scene) -> None:
    process = stage.serve_in_process()
    worker = stage.worker().subscribe(timeout=20)
    worker.saw(stage.send(3))
    process.send_signal(signal.SIGSTOP)
    stage.serve()
    worker.saw(Gap, 10)
    process.send_signal(signal.SIGCONT)
    eventually(lambda: stage.venue.send_frame(trade(0, "publicTrade.OTHER")) == 1, 10)  # the other one has left the venue
    last = stage.probe(worker)
    judge(worker.items, 1, last)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_serving_ends_by_a_signal(stage: Scene, how: signal.Signals) -> None:
    process = stage.serve_in_process()
    worker = stage.worker().subscribe(timeout=20)
    process.send_signal(how)
    process.wait(5)
    worker.saw(Disconnected)
    assert stage.server.client().get(KEYS.lease) is None, "handed over"
    assert process.returncode == (0 if how == signal.SIGTERM else -signal.SIGINT)


def test_a_process_that_is_killed_is_not_silence(stage: Scene) -> None:
    process = stage.serve_in_process()
    worker = stage.worker().subscribe(timeout=20)
    book = worker.client.order_book("BTCUSDT")
    assert book.wait_ready(5)
    worker.saw(stage.send())
    process.kill()
    assert "heard" in worker.saw(Disconnected).reason
    assert book.is_stale
    stage.serve()
    last = stage.probe(worker)
    judge(worker.items, 1, last)
    assert book.wait_ready(5)


def test_out_of_memory(stage: Scene) -> None:
    stage.serve()
    worker = stage.worker().subscribe()
    worker.saw(stage.send(3))
    client = stage.server.client()
    client.config_set("maxmemory", 1)
    stage.send(3)
    worker.saw(Disconnected)
    client.config_set("maxmemory", 0)
    last = stage.probe(worker)
    judge(worker.items, 1, last)


def test_a_replica_takes_no_writes(stage: Scene) -> None:
    client = stage.server.client()
    client.replicaof("127.0.0.1", 1)
    with pytest.raises(ConnectError, match="replica.*must be that of the primary"):
        stage.relay.serve(stage.venue.client("linear"))
    with pytest.raises(ConnectError, match="replica.*must be that of the primary"):
        stage.worker().subscribe()
    client.replicaof("NO", "ONE")


def test_a_primary_that_becomes_a_replica_for_a_while(stage: Scene) -> None:
    stage.serve()
    worker = stage.worker().subscribe()
    worker.saw(stage.send(3))
    client = stage.server.client()
    client.replicaof("127.0.0.1", 1)
    stage.send(3)
    client.replicaof("NO", "ONE")
    last = stage.probe(worker)
    judge(worker.items, 1, last)


def test_a_forked_worker_goes_on_by_itself(stage: Scene) -> None:
    stage.serve()
    worker = stage.worker().subscribe()
    worker.saw(stage.send(3))
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            worker.items.clear()
            worker.client.open(5)
            os.write(writing, b"open\n")
            # Its subscription follows: what is sent before that is missing in the child, and its Gap says so.
            eventually(lambda: len([each for each in worker.items if isinstance(each, int)]) >= 2, 10)
            os.write(writing, repr([each for each in worker.items if isinstance(each, int)]).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.readline() == b"open\n"
        eventually(lambda: worker.saw(stage.send()) and select.select([pipe], [], [], 0.05)[0], 10)
        seen = json.loads(pipe.read() or b"[]")
    os.waitpid(child, 0)
    assert len(seen) >= 2 and seen == list(range(seen[0], seen[-1] + 1)), seen
    assert judge(worker.items, 1, stage.sent) == []


def test_topics_that_nobody_wants_are_left(stage: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbxsdk.relay.wants.LIVES", 1)
    monkeypatch.setattr(term, "LEAVE_AFTER", 0.5)
    stage.serve()
    worker = stage.worker().subscribe()
    worker.saw(stage.send())
    worker.client.close()
    eventually(lambda: stage.venue._subscribers(TOPIC) == [])


def test_a_topic_that_was_left_though_a_worker_wants_it_is_a_gap(stage: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(term, "LEAVE_AFTER", 0.1)
    stage.serve()
    worker = stage.worker().subscribe()
    worker.saw(stage.send())
    stage.server.client().delete(KEYS.wanted)
    worker.saw(Gap)
    last = stage.probe(worker)
    assert len(judge(worker.items, 1, last)) == 1 and not worker.of(Disconnected)


def test_a_fixed_set(stage: Scene) -> None:
    stage.serve([("publicTrade", ["BTCUSDT"])])
    worker = stage.worker().subscribe()
    with pytest.raises(SubscribeError, match="fixed set") as raised:
        worker.client.subscribe("publicTrade", "ETHUSDT", callback=print)
    assert raised.value.topics == ("publicTrade.ETHUSDT",)
    worker.saw(stage.send())


def test_a_topic_that_the_venue_refuses(stage: Scene) -> None:
    stage.serve()
    worker = stage.worker().subscribe()
    with pytest.raises(SubscribeError) as raised:
        worker.client.subscribe("publicTrade", ["NONESUCH", "ETHUSDT"], callback=print)
    assert raised.value.topics == ("publicTrade.NONESUCH",)
    worker.saw(stage.send())


def test_requests_are_refused_at_once(stage: Scene) -> None:
    worker = stage.worker()
    for request in (lambda: worker.client.call("ping"), worker.client.ping, lambda: worker.client.submit("ping").result(1)):
        with pytest.raises(ConnectError, match="a relayed client sends nothing"):
            request()


def run(code: str, *arguments: str) -> "subprocess.Popen[str]":
    process: "subprocess.Popen[str]" = warm.start(["-c", code, *arguments])
    return process


DURABLE = """
import os, sys, dbxsdk
def say(what):
    sys.stdout.write(f"{what}\\n")  # in one: print writes the line's end by itself, and two threads say something
    sys.stdout.flush()
def take(document):
    number = int(document["data"][0]["i"])
    say(number)
    if number == int(sys.argv[2]):
        os.kill(os.getpid(), 9)
client = dbxsdk.Relay(sys.argv[1], prefix="test").client("bybit:linear", durable="candles")
client.on_event(lambda event: say(type(event).__name__))
client.subscribe("publicTrade", "BTCUSDT", callback=take, raw=True)
say("subscribed")
client.wait()
"""


def test_a_durable_worker_killed_inside_its_callback_goes_on_there(stage: Scene) -> None:
    stage.serve([("publicTrade", ["BTCUSDT"])])
    other = stage.worker().subscribe()
    first = run(DURABLE, stage.server.url, "5")
    assert first.stdout is not None
    lines = iter(first.stdout.readline, "")
    assert "subscribed\n" in lines
    for _ in range(10):
        other.saw(stage.send())
        eventually(lambda: True)
    assert first.wait(10) == -signal.SIGKILL
    first.stdout.close()
    client: Any = stage.server.client()
    assert client.hlen(KEYS.durable("candles")) == 1
    stored = client.hgetall(KEYS.durable("candles")), client.xrange(KEYS.topic(TOPIC))
    second = run(DURABLE, stage.server.url, "0")
    try:
        assert second.stdout is not None
        seen = []
        for line in second.stdout:
            seen.append(line.strip())
            if line == "10\n":
                break
        numbers = [int(each) for each in seen if each.isdigit()]
        assert numbers[0] <= 5 and numbers == list(range(numbers[0], 11)) and "Gap" not in seen, (seen, stored)
    finally:
        second.kill()
        second.wait(10)
        second.stdout.close()  # type: ignore[union-attr]


def test_a_password_that_is_wrong_is_an_error_at_once(server: RedisServer, stage: Scene) -> None:
    server.client().config_set("requirepass", "sesame-open")
    relay = dbxsdk.Relay(f"redis://:wrong-secret@127.0.0.1:{server.port}/0")
    for use in (lambda: relay.serve(stage.venue.client("linear")), relay.client("bybit:linear").open):
        with pytest.raises(dbxsdk.AuthError, match="password") as raised:
            use()
        assert "wrong-secret" not in str(raised.value) + repr(relay)
    server.password = "sesame-open"
