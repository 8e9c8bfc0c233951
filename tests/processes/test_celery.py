"""Celery's prefork pool: tasks in forked workers use the client that their module has made, and subscribed, before."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import sys
from typing import Any, Dict

import pytest

from dbxsdk.sim import DigiFinexVenue
from tests.processes.hosted import PATIENCE, Hosted, hosting
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def test_prefork_pool(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("celery")
    (tmp_path / "results").mkdir()
    with DigiFinexVenue(rate=25, symbols=["BTC_USDT"]) as venue:
        worker = Hosted(
            sys.executable, "-m", "celery", "-A", "tests.processes.celery_app", "worker", "--pool", "prefork",
            "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO",
            folder=tmp_path, SUBSCRIBE="import", VENUE_URL=venue.url(), BROKER_FOLDER=str(tmp_path),
        )
        with hosting(worker):
            results = eventually(lambda: outcomes(tmp_path, 12), PATIENCE)
            pids = set()
            for result in results.values():
                assert result["status"] == "SUCCESS", result
                assert result["result"]["time"] and result["result"]["updates"]
                pids.add(result["result"]["pid"])
            assert len(pids) == 2 and worker.process.pid not in pids
            assert venue.connection_count == 1 + 2, "one for the parent, which has subscribed, and one for each worker"
            worker.stop(PATIENCE)
            assert venue.wait_until(lambda: venue.connections == 0, PATIENCE)


def outcomes(folder: pathlib.Path, count: int) -> Dict[str, Any]:
    """What the tasks have returned, once there are so many."""
    found = {}
    for path in (folder / "results").glob("celery-task-meta-*"):
        with contextlib.suppress(ValueError):  # in the middle of being written
            found[path.name] = json.loads(path.read_text())
    return found if len(found) >= count else {}
