"""``dbxsdk sim``: what it prints is what one can connect with."""

from __future__ import annotations

import json
import re
import signal
import socket

from dbxsdk.cli.venues import ALL_WORDS
from tests.cli import command


def test_all_venues_can_be_used_with_what_is_printed(dbx, monkeypatch):
    with command.start("sim", "all", "--json") as process:
        told = [json.loads(process.stdout.readline()) for _ in range(4)]
        assert [document["venue"] for document in told] == ["bybit", "digifinex", "cryptomus", "dbot"]
        for document in told:
            for name, value in document["keys"].items():
                monkeypatch.setenv(name, value)
        urls = {word: (url, document.get("token_url")) for document in told for word, url in document["urls"].items()}
        assert list(urls) == list(ALL_WORDS)
        for word, (url, token_url) in urls.items():
            more = ["--token-url", token_url] if token_url else []
            assert dbx("ping", word, "--count", "1", "--url", url, *more).code == 0, word
        channels = {
            "bybit:linear": "publicTrade", "digifinex": "trades", "digifinex:swap": "ticker", "cryptomus": "lastprice",
            "dbot:data": "tx",
        }
        for document in told:
            for word, symbols in document["symbols"].items():
                if word in channels:
                    url, token_url = urls[word]
                    more = ["--token-url", token_url] if token_url else []
                    assert dbx("watch", word, channels[word], symbols[0], "--count", "1", "--url", url, *more).code == 0
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")


def test_for_people_with_ports(dbx):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = dbx("sim", "cryptomus", "--port", str(port), "--seconds", "0.05")
    assert (done.code, done.err) == (0, "")
    assert f"ws://127.0.0.1:{port}/ws" in done.out and "BTC_USDT" in done.out
    assert re.search(r"^  export CRYPTOMUS_USER_ID=\S+$", done.out, re.M) and "serving for 0.05 s" in done.out


def test_a_port_in_use(dbx):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = dbx("sim", "digifinex", "--port", str(taken.getsockname()[1]), "--seconds", "1")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("dbxsdk sim: ") and "in use" in done.err and done.err.count("\n") == 1


def test_wrong_arguments(dbx):
    for words, said in (
        (["binance"], "argument VENUE: invalid choice: 'binance'"),
        (["all", "--port", "0"], "argument --port: must be a whole number from 1 to 65532"),
        (["all", "--port", "65533"], "argument --port: must be a whole number from 1 to 65532"),
        (["all", "--rate", "0"], "argument --rate: must be a whole number from 1 to 1000"),
        (["all", "more"], "unrecognized arguments: more"),
    ):
        done = dbx("sim", *words)
        assert done.code == 2 and said in done.err
