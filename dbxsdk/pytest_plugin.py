"""A pytest plugin: local venues as fixtures, for tests of programs that use this package.

pytest finds it by itself where the package is installed; the venues need the extra ``sim``. Nothing of a venue is
loaded, and none is started, before a test asks for it.
"""

from __future__ import annotations

import importlib
import threading
from typing import Any, Iterator, List

import pytest

_PATIENCE = 2.0
"""Seconds that a thread may take to end after its client was closed."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "local_venue(**arguments): arguments for the local venues of a test, for instance rate=0"
    )


def _running(kind: str, serves: str) -> Any:
    """Return a fixture: a running venue of ``dbxsdk.sim``."""

    def started(request: pytest.FixtureRequest) -> Iterator[Any]:
        marker = request.node.get_closest_marker("local_venue")
        with getattr(importlib.import_module("dbxsdk.sim"), kind)(**({} if marker is None else marker.kwargs)) as venue:
            yield venue

    started.__doc__ = f"A running ``dbxsdk.sim.{kind}``{serves}."
    return pytest.fixture(started)


bybit_venue = _running("BybitVenue", ": public, private and trade sockets, one account")
digifinex_venue = _running("DigiFinexVenue", ": spot and swap sockets")
cryptomus_venue = _running("CryptomusVenue", ", with its HTTP endpoints")
dbot_venue = _running("DBotVenue", ": trade and data sockets")


@pytest.fixture
def no_client_left() -> Iterator[None]:
    """Fails a test that leaves a client open: its threads would go on beside the tests that follow."""
    before = set(threading.enumerate())
    yield
    left: List[threading.Thread] = [
        each for each in threading.enumerate() if each.name.startswith("dbxsdk-") and each not in before
    ]
    for each in left:
        each.join(_PATIENCE / len(left))
    names = sorted(each.name for each in left if each.is_alive())
    if names:
        pytest.fail(f"a client was not closed; its threads: {', '.join(names)}", pytrace=False)
