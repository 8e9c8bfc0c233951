"""The sample of the account's orders, run as a user runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Dict, Optional, Tuple

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
    with start("--local") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0 and "Traceback" not in err and "Failed" not in err
    for line in [*(line.strip() for line in lines), *out.splitlines()]:
        assert LINE.fullmatch(line), line


def test_takes_the_key_from_the_environment() -> None:
    with CryptomusVenue(rate=100) as venue:
        keys = {"CRYPTOMUS_USER_ID": venue.user_id, "CRYPTOMUS_API_KEY": venue.api_key}
        where = ("--url", venue.url(), "--token-url", venue.token_url(), "--symbol", "ETH_USDT", "--seconds", "0.5")
        code, _, err = run(*where, env=keys)
        assert code == 0, err
        assert [frame.document["params"] for frame in venue.requests] == [["ETH_USDT"]]
        code, out, err = run(*where, env={**keys, "CRYPTOMUS_API_KEY": "a-wrong-one"})
    assert (code, out) == (1, "")
    assert err.startswith("AuthError: ") and "a-wrong-one" not in err and err.count("\n") == 1


@pytest.mark.parametrize("arguments, message", [
    ((), "ValueError: user_id"),
    (("--local", "--symbol", "NO_SUCH"), "SubscribeError: "),
    (("--local", "--symbol", ""), "ValueError: symbols"),
])
def test_what_is_wrong_is_told_in_one_line(arguments: Tuple[str, ...], message: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith(message) and err.count("\n") == 1
