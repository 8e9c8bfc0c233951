"""One feed for many processes: the sample, served in one process and read in another, with a real Redis server between them."""

from __future__ import annotations

import pathlib

import pytest

from tests.relay.redis_server import PROGRAM, redis_server
from tests.samples.test_samples import run, start

needs_redis = pytest.mark.skipif(PROGRAM is None, reason="there is no redis-server on this machine: apt-get install redis-server")


@needs_redis
def test_readers_get_what_the_feed_gets(tmp_path: pathlib.Path) -> None:
    with redis_server(tmp_path) as server:
        with start("redis_feed.py", "serve", "--local", "--redis", server.url, "--seconds", "20") as feed:
            try:
                code, out, err = run("redis_feed.py", "read", "--redis", server.url, "--seconds", "3")
            finally:
                feed.terminate()
                said = feed.communicate(timeout=15)[1]
    assert code == 0, err
    lines = out.splitlines()
    assert len(lines) > 3 and all("'symbol': 'BTCUSDT'" in line and "'price'" in line for line in lines), out
    assert "Connected" in err and "Connected" in said and feed.returncode == 0


def test_what_goes_wrong_is_one_line(run_here) -> None:
    code, out, err = run_here("redis_feed.py", "read", "--redis", "redis://127.0.0.1:1/0")
    assert code.startswith("RelayDown: redis at 127.0.0.1:1") and out == ""
    code, out, err = run_here("redis_feed.py", "read", "--redis", "http://:secret-word@127.0.0.1")
    assert code.startswith("ValueError: url") and "secret-word" not in code
