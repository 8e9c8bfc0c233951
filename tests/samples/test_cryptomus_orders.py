"""The sample of the account's orders, run as a user runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple

import pytest

from dbxsdk.sim.cryptomus import CryptomusVenue

ROOT = Path(__file__).parents[2]
LINE = re.compile(
    r"\d\d:\d\d:\d\d [A-Z]+_USDT 01[0-9A-Z]{24} (buy|sell) at [\d.]+: (created|updated|finished), [\d.]+ of [\d.]+ filled"
    r"(, (completed|cancelled))?"
)


def start(*arguments: str, env: Optional[Dict[str, str]] = None) -> "subprocess.Popen[str]":
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CRYPTOMUS_")}
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(ROOT / "samples" / "cryptomus_orders.py"), *arguments],
        env={**inherited, "PYTHONPATH": path, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background may ignore Ctrl-C, which children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def run(*arguments: str, env: Optional[Dict[str, str]] = None) -> Tuple[int, str, str]:
    with start(*arguments, env=env) as process:
        try:
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()  # does nothing to one that has ended
    return process.returncode, out, err


def test_prints_orders_until_ctrl_c() -> None:
    with CryptomusVenue(symbols=["ETH_USDT"], rate=0) as venue:
        keys = {"CRYPTOMUS_USER_ID": venue.user_id, "CRYPTOMUS_API_KEY": venue.api_key}
        where = ("--url", venue.url(), "--token-url", venue.token_url(), "--symbol", "ETH_USDT")
        with start(*where, env=keys) as process:
            assert process.stdout is not None and venue.wait_until(lambda: venue.subscriptions() != (), 20)
            venue.step(100)
            lines = [process.stdout.readline() for _ in range(3)]
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        assert process.returncode == 0 and "Traceback" not in err and "Failed" not in err
        for line in [*(line.rstrip("\n") for line in lines), *out.splitlines()]:
            assert LINE.fullmatch(line), line
        assert [frame.document["params"] for frame in venue.requests] == [["ETH_USDT"]]
        code, out, err = run(*where, env={**keys, "CRYPTOMUS_API_KEY": "a-wrong-one"})
    assert (code, out) == (1, "")
    assert err.startswith("AuthError: ") and "a-wrong-one" not in err and err.count("\n") == 1


def test_local(run_here: Callable[..., Any]) -> None:
    code, _, err = run_here("cryptomus_orders.py", "--local", "--seconds", "0.2")
    assert code == 0 and "Failed" not in err


@pytest.mark.parametrize("arguments, message", [
    ((), "ValueError: user_id"),
    (("--local", "--symbol", "NO_SUCH"), "SubscribeError: "),
    (("--local", "--symbol", ""), "ValueError: symbols"),
])
def test_what_is_wrong_is_told_in_one_line(
    arguments: Tuple[str, ...], message: str, run_here: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CRYPTOMUS_USER_ID", "CRYPTOMUS_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    code, out, err = run_here("cryptomus_orders.py", *arguments)
    assert (code, out) == (1, "")
    assert err.startswith(message) and err.count("\n") == 1
