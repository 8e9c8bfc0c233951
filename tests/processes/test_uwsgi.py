"""uWSGI, a master and two workers, in each way that it can be told of threads and forks."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from typing import Iterator, List, Tuple

import pytest

from dbxsdk.sim import DigiFinexVenue
from tests.processes.hosted import PATIENCE, Hosted, Web, free_port, hosting, program

UWSGI = program("uwsgi")
pytestmark = pytest.mark.skipif(UWSGI is None, reason="the program uwsgi is not installed here: it has to be compiled")

WARNING = "a client is used in uWSGI's master process"

KINDS: List[Tuple[str, ...]] = [
    # Without fork hooks, so the client is made in the master and used in the workers alone: uWSGI may fork while a thread
    # of the master's runs Python, and such a worker waits for ever (which is what WARNING warns of).
    (),
    ("--enable-threads", "--py-call-uwsgi-fork-hooks"),
    ("--lazy-apps", "--enable-threads"),
]


def test_uwsgi() -> None:
    pytest.importorskip("flask")
    with contextlib.ExitStack() as stack:
        # They stand still until the workers are there.
        venues = [stack.enter_context(DigiFinexVenue(rate=0, symbols=["BTC_USDT"])) for _ in KINDS]
        webs = [Web(free_port()) for _ in KINDS]
        servers = [
            Hosted(
                str(UWSGI), "--http-socket", f"127.0.0.1:{web.port}", "--master", "--processes", "2", "--die-on-term",
                "--need-app", "--disable-logging", "--home", sys.prefix, "--module", "tests.processes.flask_app:app",
                *options, VENUE_URL=venue.url(), SUBSCRIBE="import" if options else "request",
            )
            for options, venue, web in zip(KINDS, venues, webs)  # noqa: B905
        ]
        stack.enter_context(hosting(*servers))
        for web in webs:
            web.up()
        for options, venue, web, server in zip(KINDS, venues, webs, servers):  # noqa: B905
            with stepping(venue):
                for answer in web.workers(2, "/live").values():
                    assert answer["time"] and answer["updates"], answer
            connections = 3 if "--py-call-uwsgi-fork-hooks" in options else 2
            assert venue.connection_count == connections, "one for each process that uses the client"
            assert WARNING not in server.output
            web.close()
        for server in servers:
            server.process.send_signal(signal.SIGTERM)
        for server in servers:
            server.finished(PATIENCE)


@contextlib.contextmanager
def stepping(venue: DigiFinexVenue) -> Iterator[None]:
    """The market moves."""
    done = threading.Event()

    def step() -> None:
        while not done.wait(0.04):
            venue.step()

    thread = threading.Thread(target=step)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
