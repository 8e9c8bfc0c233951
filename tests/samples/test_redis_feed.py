"""One feed for many processes: the sample against a Redis server of this process, which speaks the real protocol."""

from __future__ import annotations

import json
import runpy
import socket
import sys
import threading
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import pytest
import redis
from fakeredis import TcpFakeServer

import dbxsdk.sim
from dbxsdk.sim import BybitVenue
from tests.waiting import Background, eventually

SAMPLE = Path(__file__).parents[2] / "samples" / "redis_feed.py"


@pytest.fixture
def url() -> Iterator[str]:
    with TcpFakeServer(("127.0.0.1", 0)) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"redis://127.0.0.1:{server.server_address[1]}/0"
        server.shutdown()
        thread.join()


def run(monkeypatch: pytest.MonkeyPatch, capsys: Any, *arguments: str) -> Tuple[Any, str, str]:
    monkeypatch.setattr(sys, "argv", ["redis_feed.py", *arguments])
    code: Any = 0
    try:
        runpy.run_path(str(SAMPLE), run_name="__main__")
    except SystemExit as ended:
        code = ended.code
    return (code, *capsys.readouterr())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")  # the fake server's
def test_every_reader_gets_each_trade_and_the_gap(url: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    with BybitVenue(rate=30) as venue:
        monkeypatch.setattr(dbxsdk.sim, "BybitVenue", lambda: _Kept(venue))
        store = redis.Redis.from_url(url, decode_responses=True)

        def pull_the_plug() -> None:
            eventually(lambda: store.xlen("trades:BTCUSDT") > 5)
            venue.drop_connections()

        pulling = Background(pull_the_plug)
        code, out, err = run(monkeypatch, capsys, "feed", "--local", "--seconds", "2.5", "--redis", url)
        pulling.result()
        store.close()
        made = [(str(trade.price), str(trade.size)) for trade in venue.trades("BTCUSDT", "linear")]
    assert (code, out) == (0, "") and "Gap(" in err and "Failed" not in err
    first = read(monkeypatch, capsys, url)
    assert first == read(monkeypatch, capsys, url)
    trades = [each for kind, each in first if kind == "trade"]
    assert len(trades) == len({each["trade_id"] for each in trades}) > 5
    assert set(made) >= {(each["price"], each["size"]) for each in trades}
    (gap,) = [at for at, (kind, _) in enumerate(first) if kind == "gap"]
    assert 0 < gap < len(first) - 1 and first[gap][1]["seconds"] > 0


def read(monkeypatch: pytest.MonkeyPatch, capsys: Any, url: str) -> List[Any]:
    code, out, err = run(monkeypatch, capsys, "read", "--seconds", "0.1", "--redis", url)
    assert (code, err) == (0, "")
    return [(line.partition(" ")[0], json.loads(line.partition(" ")[2])) for line in out.splitlines()]


@pytest.mark.parametrize("what", ["read"])
def test_without_redis_it_says_so_in_one_line(what: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr("redis.retry.Retry.__init__", _no_retries(redis.retry.Retry.__init__))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: refuses, and nobody else can get it
        url = f"redis://127.0.0.1:{unused.getsockname()[1]}/0"
        code, out, err = run(monkeypatch, capsys, what, "--redis", url)
    assert code.startswith("ConnectionError: ") and "\n" not in code and (out, err) == ("", "")


def _no_retries(init: Any) -> Any:
    return lambda self, backoff, retries, *more, **options: init(self, backoff, 0, *more, **options)


class _Kept:
    def __init__(self, venue: Any) -> None:
        self.venue = venue

    def __enter__(self) -> Any:
        return self.venue

    def __exit__(self, *_: object) -> None:
        """The test closes it."""
