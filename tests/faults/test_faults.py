"""Faults of the network that no row of the peers' failures names: late, doubled, torn and trickling bytes."""

from __future__ import annotations

import random
from typing import Any, Dict, List

import pytest

from dbxsdk import (
    BadFrame,
    ConnectError,
    Connected,
    Disconnected,
    Gap,
    LateReply,
    OutcomeUnknown,
    RequestTimeout,
    Update,
)
from tests.faults.conftest import ORDER, QUICK, Scene
from tests.waiting import Background, eventually


def test_an_answer_that_comes_too_late_is_given_to_nobody(scene: Scene) -> None:
    with scene.client() as client:
        scene.proxy.delay(0.2)
        with pytest.raises(RequestTimeout) as raised:
            client.call("server.time", timeout=0.05)
        assert client.call("server.ping", timeout=3) == "pong", "not the time"
        late = scene.seen.wait_for(LateReply)
        assert late.request_id == raised.value.request_id and late.result > 0 and late.error is None
        assert len(scene.seen.of(LateReply)) == 1
        assert not scene.seen.of(BadFrame) and not scene.seen.of(Disconnected)


def test_frames_that_come_twice_are_told_and_confuse_nobody(scene: Scene) -> None:
    with scene.client() as client:
        scene.proxy.duplicate()
        answers = [client.call("server.ping") for _ in range(20)]
        times = [Background(client.server_time) for _ in range(4)]
        assert answers == ["pong"] * 20 and all(each.result() > 0 for each in times)
        assert scene.seen.wait_for(BadFrame, 24)
        assert client.stats().pending == 0 and not scene.seen.of(Disconnected)


def test_a_byte_a_packet_is_as_good_as_any(scene: Scene) -> None:
    scene.proxy.throttle()
    with scene.client() as client:
        client.subscribe("depth", "BTC_USDT", callback=scene.seen)
        scene.seen.wait_for(Update, 5)
        assert client.server_time() > 0
        stats = client.stats()
        assert (stats.bad_frames, stats.reconnects) == (0, 0)


@pytest.mark.parametrize("side", ["down", "up"])
def test_streams_cut_at_any_byte(orders: Scene, side: str) -> None:
    """Each order has one outcome, the venue agrees with it, and the client comes back every time."""
    chance = random.Random(side)
    placed: Dict[str, Any] = {}

    def place(link_id: str) -> None:
        try:
            placed[link_id] = client.place_order(**ORDER, orderLinkId=link_id)
        except (OutcomeUnknown, ConnectError) as error:
            placed[link_id] = error

    with orders.client("trade") as client:
        for round_number in range(12):
            before = len(orders.seen.of(Disconnected))
            orders.proxy.cut_after(**{side: chance.randrange(1, 900)})
            batch: List[Background] = []
            while len(orders.seen.of(Disconnected)) == before:
                calls = [Background(place, f"{round_number}-{len(batch) + number}") for number in range(3)]
                batch += calls
                for call in calls:
                    call.result()
                assert len(batch) < 60
            orders.seen.wait_for(Connected, before + 2)
        eventually(lambda: client.stats().pending == 0)
        final = client.place_order(**ORDER)
    executed = [order.link_id for order in orders.venue.orders()]
    assert len(executed) == len(set(executed)), "no order twice"
    for link_id, outcome in placed.items():
        if isinstance(outcome, OutcomeUnknown):
            continue
        assert (link_id in executed) == (not isinstance(outcome, ConnectError)), outcome
    assert final.order_link_id in executed
    assert any(isinstance(outcome, OutcomeUnknown) for outcome in placed.values())


def test_updates_cut_at_any_byte_come_back_each_time(scene: Scene) -> None:
    chance = random.Random(11)
    with scene.client(options={**QUICK, "queue_size": 100_000}) as client:
        client.subscribe("depth", "BTC_USDT", callback=scene.seen)
        for number in range(1, 7):
            scene.proxy.cut_after(down=chance.randrange(1, 600))
            scene.seen.wait_for(Gap, number)
        scene.seen.wait_for(Update, len(scene.seen.of(Update)) + 2)
        assert client.stats().bad_frames == 0, "no half frame was taken for a whole one"
