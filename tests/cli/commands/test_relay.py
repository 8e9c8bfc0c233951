"""``dbxsdk relay`` and ``dbxsdk watch --relay``, in processes of their own, with a real Redis server between them."""

from __future__ import annotations

import json
import pathlib
import signal
from typing import Any, Iterator

import pytest

from tests.cli.command import ended, environment, run, start, without
from tests.relay.redis_server import PROGRAM, RedisServer, redis_server


@pytest.fixture
def server(tmp_path: pathlib.Path) -> Iterator[RedisServer]:
    if PROGRAM is None:
        pytest.skip("there is no redis-server on this machine: apt-get install redis-server")
    with redis_server(tmp_path) as found:
        yield found


def until_it_says(process: Any, **wanted: Any) -> Any:
    for line in process.stdout:
        document = json.loads(line)
        if all(document.get(name) == value for name, value in wanted.items()):
            return document
    raise AssertionError(f"it ended without saying {wanted}: {process.stderr.read()}")


def test_serve_and_watch(server: RedisServer) -> None:
    relay = start("relay", server.url, "bybit:linear", "publicTrade", "BTCUSDT", "+", "digifinex", "--local", "--json")
    try:
        until_it_says(relay, type="status", name="bybit:linear", leading=True, connected=True)
        watched = run("watch", "bybit:linear", "publicTrade", "BTCUSDT", "--relay", server.url, "--count", "2", "--json")
        assert watched.returncode == 0, watched.stderr
        documents = [json.loads(line) for line in watched.stdout.splitlines()]
        assert [each["channel"] for each in documents if each["type"] == "update"] == ["publicTrade"] * 2
        refused = run("watch", "bybit:linear", "publicTrade", "ETHUSDT", "--relay", server.url, "--count", "1")
        assert refused.returncode == 1 and "fixed set" in refused.stderr
        asked = run("watch", "digifinex", "trades", "BTC_USDT", "--relay", "-", "--count", "1", "--json",
                    env=environment(DBXSDK_RELAY_URL=server.url))
        assert asked.returncode == 0, asked.stderr
        relay.send_signal(signal.SIGTERM)
        assert ended(relay).returncode == 128 + signal.SIGTERM
        assert not [key for key in server.client().keys("*") if key.endswith(b":lease")]
    finally:
        if relay.poll() is None:
            relay.kill()
            ended(relay)


def test_lines_for_people_and_the_end_by_seconds(server: RedisServer) -> None:
    done = run("relay", server.url, "bybit:linear", "--local", "--seconds", "1.5")
    said = done.stdout + done.stderr
    assert done.returncode == 0 and ("bybit:linear  connected, 0 topics" in said or "Connected" in said)


@pytest.mark.parametrize("arguments, says", [
    (("redis://:secret-word@", "bybit:linear"), "url must be like"),
    (("redis://localhost", "nasdaq"), "argument VENUE"),
    (("redis://localhost",), "VENUE"),
    (("redis://localhost", "bybit:linear", "+", "bybit:linear", "publicTrade", "BTCUSDT"), "once with and once without"),
    (("redis://localhost", "bybit:linear", "nonesuch", "BTCUSDT"), "argument CHANNEL"),
    (("redis://localhost", "bybit:linear", "--prefix", "a b"), "prefix"),
    (("-", "bybit:linear"), "DBXSDK_RELAY_URL"),
], ids=["url", "venue", "no venue", "twice", "channel", "prefix", "no variable"])
def test_wrong_arguments(arguments: Any, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from dbxsdk.cli.main import main

    monkeypatch.delenv("DBXSDK_RELAY_URL", raising=False)
    with pytest.raises(SystemExit) as raised:
        main(["relay", *arguments])
    said = capsys.readouterr().err
    assert raised.value.code == 2 and says in said and "secret-word" not in said


def test_a_server_that_is_not_there_and_an_extra_that_is_missing(tmp_path: pathlib.Path) -> None:
    away = run("relay", "redis://127.0.0.1:1/0", "bybit:linear", "--local")
    assert away.returncode == 1 and "redis at 127.0.0.1:1" in away.stderr and len(away.stderr.splitlines()) == 1
    missing = run("relay", "redis://127.0.0.1:1/0", "bybit:linear", env=without("redis", tmp_path))
    assert missing.returncode == 1 and 'pip install "dbxsdk[redis]"' in missing.stderr
