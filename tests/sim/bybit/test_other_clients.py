"""ccxt pro and npm's bybit-api, as they are, against the local Bybit venue: other readings of the protocol.

They are too heavy to be installed for all tests: where they are, they are used. ``DBXSDK_NODE_MODULES`` names the directory
in which ``npm install bybit-api`` was called.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
from typing import Any, Dict, Iterator, List

import pytest

from dbxsdk.sim import BybitVenue
from tests.sim.bybit.peers import FEW

HERE = pathlib.Path(__file__).parent
NODE = shutil.which("node")
NODE_MODULES = pathlib.Path(os.environ.get("DBXSDK_NODE_MODULES", HERE)) / "node_modules"


@pytest.fixture
def venue() -> Iterator[BybitVenue]:
    with BybitVenue(symbols=FEW) as made:
        yield made
        assert made.handler_errors == 0


def run(venue: BybitVenue, command: List[str], **environment: str) -> Dict[str, Any]:
    origin = venue.url("/")[:-1]
    done = subprocess.run(
        [*command, origin, venue.api_key, venue.api_secret], capture_output=True, text=True, timeout=50,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    found: Dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.skipif(importlib.util.find_spec("ccxt") is None, reason="ccxt is not installed (pip install ccxt)")
def test_ccxt_pro(venue: BybitVenue) -> None:
    got = run(venue, [sys.executable, str(HERE / "ccxt_program.py")])
    bid, ask, depth = got["book"]
    assert bid < ask and depth == 50 and set(got["trades"]) == {"BTC/USDT:USDT"}
    first, second = venue.orders()
    assert got["ids"] == [first.id] * 3 and (first.status, str(first.size)) == ("Cancelled", "0.0200")
    assert got["stop"] == second.id and second.trigger is not None
    assert [first.id, "canceled"] in got["orders"] and [second.id, "open"] in got["orders"]
    assert "position idx not match position mode" in got["refused"]


@pytest.mark.skipif(NODE is None, reason="node is not installed")
@pytest.mark.skipif(not (NODE_MODULES / "bybit-api").is_dir(), reason="bybit-api is not installed (npm install bybit-api)")
def test_bybit_api(venue: BybitVenue) -> None:
    got = run(venue, [str(NODE), str(HERE / "bybit_api_program.js")], NODE_PATH=str(NODE_MODULES))
    assert (got["trade"], got["quotes"]) == ("BTCUSDT", 25) and got["book"] in ("snapshot", "delta")
    first, second = venue.orders()
    assert got["id"] == first.id and (first.status, str(first.size)) == ("Cancelled", "0.0200")
    assert [status for order_id, status in got["statuses"] if order_id == first.id] == ["New", "New", "Cancelled"]
    assert got["stop"] == second.id and [second.id, "Untriggered"] in got["statuses"]
    assert got["batch"] == [{"code": 10001, "msg": "position idx not match position mode"}]
    assert got["refused"] == 110003
