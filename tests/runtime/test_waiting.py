"""Flags: whoever waits is woken, though a signal handler raises in another thread that waits for the same."""

from __future__ import annotations

import sys
import threading
from types import FrameType
from typing import Any

import pytest

from dbxsdk.runtime.waiting import Flag
from tests.waiting import PATIENCE, Background


class Interrupted(Exception):
    """What the signal handler raises."""


def raise_where_it_woke(frame: FrameType, event: str, argument: Any) -> None:
    """As a signal handler that runs behind the call in which its thread slept: the first place where Python lets it."""
    if event == "c_return" and frame.f_globals.get("__name__") == "dbxsdk.runtime.waiting":
        raise Interrupted


def wait_interrupted(flag: Flag, begun: threading.Event) -> bool:
    begun.set()
    sys.setprofile(raise_where_it_woke)
    try:
        return flag.wait(PATIENCE)
    finally:
        sys.setprofile(None)


def test_one_that_is_interrupted_takes_nothing_from_the_others() -> None:
    for _ in range(20):
        flag, begun = Flag(), threading.Event()
        first = Background(wait_interrupted, flag, begun)
        assert begun.wait(PATIENCE)
        others = [Background(flag.wait, PATIENCE) for _ in range(3)]
        flag.set()
        assert [other.result() for other in others] == [True] * 3
        try:
            assert first.result()
        except Interrupted:
            pass


@pytest.mark.parametrize("timeout", [0, -1.0, 0.01])
def test_the_time_is_over(timeout: float) -> None:
    flag = Flag()
    assert not flag.wait(timeout)
    flag.set()
    assert flag.wait(timeout) and flag.wait()
