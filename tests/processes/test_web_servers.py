"""Real web servers: every worker has live data and answers blocking requests, and ends when it is told to."""

from __future__ import annotations

import contextlib
import os
import pathlib
import sys
import time
from typing import List, Tuple

import pytest

from dbxsdk.sim import DigiFinexVenue
from tests.processes.hosted import PATIENCE, ROOT, Hosted, Web, free_port, hosting
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

FLASK, DJANGO = "tests.processes.flask_app:app", "tests.processes.django_app:application"
# gunicorn asks busy workers nicely for 30 s; a client's threads must not be what keeps one busy.
PROMPTLY = 8.0


def gunicorn(application: str, port: int, url: str, folder: pathlib.Path, *options: str) -> Hosted:
    folder.mkdir()
    return Hosted(
        sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "-w", "2", *options, application,
        VENUE_URL=url, SUBSCRIBE="import", XDG_RUNTIME_DIR=str(folder),
    )


def test_gunicorn(tmp_path: pathlib.Path) -> None:
    """With the application loaded by each worker, and by the master before it forks them (D2)."""
    pytest.importorskip("gunicorn")
    pytest.importorskip("flask")
    pytest.importorskip("django")
    kinds: List[Tuple[str, Tuple[str, ...]]] = [
        (FLASK, ()), (FLASK, ("--preload",)), (DJANGO, ()), (DJANGO, ("--preload", "--threads", "4")),
    ]
    with contextlib.ExitStack() as stack:
        venues = [stack.enter_context(DigiFinexVenue(rate=25, symbols=["BTC_USDT"])) for _ in kinds]
        webs = [Web(free_port()) for _ in kinds]
        servers = [
            gunicorn(application, web.port, venue.url(), tmp_path / str(web.port), *options)
            for (application, options), venue, web in zip(kinds, venues, webs)  # noqa: B905
        ]
        stack.enter_context(hosting(*servers))
        for web in webs:
            web.up()
        for (_, options), venue, web in zip(kinds, venues, webs):  # noqa: B905
            for answer in web.workers(2, "/live").values():
                assert answer["time"] and answer["updates"], answer
            connections = 3 if "--preload" in options else 2
            assert venue.connections == venue.connection_count == connections, "one for each process that uses the client"
            web.close()
        for server in servers:
            server.process.terminate()
        for server in servers:
            assert server.finished(PROMPTLY) == 0
        eventually(lambda: not any(venue.connections for venue in venues), PATIENCE)


def test_django_reloader(tmp_path: pathlib.Path) -> None:
    """Two processes import the application (D1); the one that serves connects, and its successor after a reload."""
    pytest.importorskip("django")
    (tmp_path / "touched.py").write_text("")
    with DigiFinexVenue(rate=25, symbols=["BTC_USDT"]) as venue:
        web = Web(free_port())
        server = Hosted(
            sys.executable, "-m", "django", "runserver", f"127.0.0.1:{web.port}", "--settings", "tests.processes.django_app",
            VENUE_URL=venue.url(), EXTRA_APP="touched", PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)]),
        )
        with hosting(server):
            web.up()
            assert venue.connection_count == 0, "nothing connects before it is used"
            first = web.get("/lazily")
            assert first["time"] and first["updates"]
            changed = 0.0

            def reloaded() -> bool:
                # Again after a while: it does not see what changes before its first look, which comes after the first page.
                nonlocal changed
                if time.monotonic() - changed > 4.0:
                    changed = time.monotonic()
                    (tmp_path / "touched.py").write_text(f"changed = {changed}")
                return venue.connections == 0

            eventually(reloaded, PATIENCE)
            web.up(but=first["pid"])  # the old one may take a request with it
            second = web.get("/lazily")
            assert second["time"] and second["updates"] and second["pid"] != first["pid"]
            assert (venue.connections, venue.connection_count) == (1, 2)
        web.close()
