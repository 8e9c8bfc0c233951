"""The rule for every test here: a closed venue leaves no thread."""

from __future__ import annotations

import threading
from typing import Iterator, List

import pytest


def sim_threads() -> List[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("dbxsdk-")]


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    yield
    assert sim_threads() == []
