"""The two Bybit samples that need a key, run as a user runs them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, List, Optional, Tuple

import pytest

from dbxsdk.sim import BybitVenue
from tests import warm

ROOT = Path(__file__).parents[2]

PLACE, STREAM = "bybit_place_order.py", "bybit_private_stream.py"


def run(sample: str, *arguments: str, key: Optional[str] = None, secret: Optional[str] = None) -> Tuple[int, str, str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for name, value in (("BYBIT_API_KEY", key), ("BYBIT_API_SECRET", secret)):
        environment.pop(name, None)
        if value is not None:
            environment[name] = value
    done = warm.run([ROOT / "samples" / sample, *arguments], env=environment)
    assert "Traceback" not in done.stderr
    for hidden in (key, secret):
        assert not hidden or hidden not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr


def place(venue: BybitVenue, *arguments: str) -> Tuple[int, str, str]:
    host = ("--live", "--host", venue.url("/")[:-1])
    return run(PLACE, *host, "--price", "20000", *arguments, key=venue.api_key, secret=venue.api_secret)


@pytest.mark.parametrize("arguments", [(), ("--category", "spot", "--side", "Sell", "--price", "100000")])
def test_place_local(arguments: Tuple[str, ...]) -> None:
    code, out, err = run(PLACE, "--local", *arguments)
    assert (code, err) == (0, "")
    accepted, new, over = out.splitlines()
    assert accepted.startswith("accepted as ") and " is New, filled 0 of 0.001" in new and " is Cancelled, " in over


def test_place_refused() -> None:
    with BybitVenue(rate=0) as venue:
        venue.fail_next(110007, "ab not enough for new order")
        code, out, err = place(venue)
    assert (code, out) == (1, "") and "refused: ab not enough" in err


def test_place_without_an_answer() -> None:
    with BybitVenue(rate=0) as venue:
        venue.drop_after_next_request(executed=True)
        code, out, err = place(venue)
        assert [order.status for order in venue.orders()] == ["Cancelled"]
        assert len([frame for frame in venue.requests if frame.document["op"] == "order.create"]) == 1
    assert code == 0 and "no answer: " in err and "looking for sample-" in err and " is Cancelled, " in out


def test_place_without_an_answer_to_anything() -> None:
    with BybitVenue(rate=0) as venue:
        venue.hold_answers()
        code, out, err = place(venue, "--timeout", "0.5")
        assert [order.status for order in venue.orders()] == ["Cancelled"]
    assert code == 0 and "the cancellation: RequestTimeout" in err and " is Cancelled, " in out


def test_place_and_nobody_knows() -> None:
    with BybitVenue(rate=0) as venue:
        venue.drop_after_next_request(executed=False)
        code, out, err = place(venue, "--timeout", "0.5")
        assert venue.orders() == []
    assert (code, out) == (3, "") and "unknown: ask the venue for the order with the orderLinkId sample-" in err


@pytest.mark.parametrize("sample", [PLACE, STREAM])
def test_wrong_key(sample: str) -> None:
    with BybitVenue(rate=0) as venue:
        address = ("--url", venue.url("/v5/private")) if sample == STREAM else \
            ("--live", "--host", venue.url("/")[:-1], "--price", "1")
        code, out, err = run(sample, *address, key="another-key", secret=venue.api_secret)
    assert (code, out) == (1, "") and "AuthError" in err and "API key is invalid" in err


def test_stream_local() -> None:
    code, out, err = run(STREAM, "--local", "--seconds", "0.5")
    assert code == 0
    kinds = {line.split()[0] for line in out.splitlines()}
    assert kinds == {"order", "execution", "balance"}
    assert "Connected" in err and "Failed" not in err


@pytest.mark.parametrize("sample, arguments, keys, message", [
    (PLACE, [], ("key-1", "secret-1"), "--price"),
    (PLACE, ["--price", "1"], (None, None), "BYBIT_API_KEY"),
    (PLACE, ["--price", "1"], ("key-1", None), "BYBIT_API_SECRET"),
    (PLACE, ["--price", "1"], ("a key", "secret-1"), "api_key must not"),
    (PLACE, ["--price", "x"], ("key-1", "secret-1"), "--price"),
    (PLACE, ["--price", "1", "--host", "wss://h"], ("key-1", "secret-1"), "--live"),
    (PLACE, ["--local", "--live"], ("key-1", "secret-1"), "either"),
    (STREAM, [], (None, None), "BYBIT_API_KEY"),
    (STREAM, ["--local", "--live"], ("key-1", "secret-1"), "not allowed"),
])
def test_wrong_arguments(
    sample: str,
    arguments: List[str],
    keys: Tuple[Any, Any],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    run_here: Callable[..., Any],
) -> None:
    for name, value in (("BYBIT_API_KEY", keys[0]), ("BYBIT_API_SECRET", keys[1])):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    code, out, err = run_here(sample, *arguments)
    assert (code, out) == (2, "") and message in err
