"""The sample that switches a copy trading task, run as a user runs it."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any, Callable, List, Optional, Tuple

import pytest

from dbxsdk.sim.dbot.venue import DBotVenue
from tests import warm

ROOT = Path(__file__).parents[2]


def run(*arguments: str, key: Optional[str] = None) -> Tuple[int, str, str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("DBOT_API_KEY", None)
    if key is not None:
        environment["DBOT_API_KEY"] = key
    done = warm.run([ROOT / "samples" / "dbot_follow_order.py", *arguments], env=environment)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("wish, state", [("--enable", "enabled"), ("--disable", "disabled")])
def test_local(wish: str, state: str) -> None:
    code, out, err = run(wish, "--local")
    assert code == 0 and out.endswith(f" is {state}\n") and err == ""


def test_an_order_of_the_venue() -> None:
    with DBotVenue(rate=0) as venue:
        order_id = venue.add_follow_order(enabled=True)
        code, out, _ = run(order_id, "--disable", "--close-pnl-orders", "--url", venue.url(), key=venue.api_key)
        assert code == 0 and out == f"{order_id} is disabled\n"
        assert venue.tasks("follow")[order_id]["enabled"] is False
        assert venue.requests[-1].document["params"] == {"id": order_id, "enabled": False, "closePnlOrder": True}


def test_refused() -> None:
    with DBotVenue(rate=0) as venue:
        code, out, err = run("nothing", "--enable", "--url", venue.url(), key=venue.api_key)
    assert (code, out) == (1, "") and "task not found" in err and venue.api_key not in err


def test_wrong_key() -> None:
    with DBotVenue(rate=0) as venue:
        code, out, err = run("some", "--enable", "--url", venue.url(), key="other-key")
    assert (code, out) == (1, "") and "401" in err and "other-key" not in err


def test_without_an_answer_it_asks_and_never_guesses() -> None:
    with DBotVenue(rate=0) as venue:
        order_id = venue.add_follow_order(enabled=False)
        venue.hold_answers()

        def answer_the_question() -> None:
            if venue.wait_until(lambda: any("listFollowOrders" in str(frame.raw) for frame in venue.requests), 20):
                venue.release_answers(shuffled=False)

        watcher = threading.Thread(target=answer_the_question)
        watcher.start()
        code, out, err = run(order_id, "--enable", "--timeout", "0.6", "--url", venue.url(), key=venue.api_key)
        watcher.join()
    assert (code, out) == (0, f"{order_id} is enabled\n")
    assert "it may have been carried out; asking for the task" in err


def test_what_was_not_carried_out_is_told() -> None:
    with DBotVenue(rate=0) as venue:
        order_id = venue.add_follow_order(enabled=False)
        venue.go_silent()

        def answer_again() -> None:
            if venue.wait_until(lambda: any("updateFollowOrder" in str(frame.raw) for frame in venue.requests), 20):
                venue.resume()

        watcher = threading.Thread(target=answer_again)
        watcher.start()
        code, out, err = run(order_id, "--enable", "--timeout", "0.6", "--url", venue.url(), key=venue.api_key)
        watcher.join()
        assert venue.tasks("follow")[order_id]["enabled"] is False
    assert (code, out) == (1, f"{order_id} is disabled\n")
    assert "safe to run this again" in err


def test_when_the_venue_stays_silent_nobody_knows() -> None:
    with DBotVenue(rate=0) as venue:
        order_id = venue.add_follow_order()
        venue.hold_answers()
        code, out, err = run(order_id, "--disable", "--timeout", "0.2", "--url", venue.url(), key=venue.api_key)
    assert (code, out) == (3, "") and "unknown" in err


@pytest.mark.parametrize("arguments, key, message", [
    (["--enable"], "k", "order_id"),
    (["some"], "k", "--enable"),
    (["some", "--enable"], None, "DBOT_API_KEY"),
    (["some", "--enable"], "a key", "api_key"),
    (["some", "--enable", "--close-pnl-orders"], "k", "--disable"),
    (["some id", "--enable", "--url", "ws://127.0.0.1:9/"], "k", "id must not"),
])
def test_wrong_arguments(
    arguments: List[str], key: Optional[str], message: str, run_here: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DBOT_API_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("DBOT_API_KEY", key)
    code, out, err = run_here("dbot_follow_order.py", *arguments)
    assert (code, out) == (2, "") and message in err and "Traceback" not in err
