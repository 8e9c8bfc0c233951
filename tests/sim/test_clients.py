"""``venue.client()``: the SDK's own clients, pointed at the local venues."""

from __future__ import annotations

import threading
from typing import Any, List

import pytest

from dbxsdk.sim import BybitVenue, DigiFinexVenue

from tests.sim.peer import WAIT


def test_digifinex_client_has_the_keys() -> None:
    done = threading.Event()
    updates: List[Any] = []

    def keep(update: Any) -> None:
        updates.append(update)
        done.set()

    with DigiFinexVenue(rate=50) as venue, venue.client() as client:
        assert isinstance(client.server_time(), int)
        client.subscribe("balance", ["USDT", "BTC", "ETH"], callback=keep)
        assert done.wait(WAIT)
    assert updates[0].channel == "balance"


def test_digifinex_client_without_keys() -> None:
    with DigiFinexVenue(rate=0) as venue, venue.client(api_key=None) as client:
        assert isinstance(client.server_time(), int)
        assert [frame.document["method"] for frame in venue.requests] == ["server.time"]


@pytest.mark.parametrize("category", ["linear", "spot", "inverse", "option"])
def test_bybit_client(category: str) -> None:
    with BybitVenue(rate=0) as venue, venue.client(category) as client:
        assert client.ping(WAIT) < WAIT
        assert venue.requests[-1].path == f"/v5/public/{category}"
