"""A pytest plugin: local venues as fixtures, for tests of programs that use this package.

pytest finds it by itself where the package is installed; the venues need the extra ``sim``. Nothing of a venue is
loaded, and none is started, before a test asks for it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Iterator, List

import pytest

if TYPE_CHECKING:
    from dbxsdk.sim import BybitVenue, CryptomusVenue, DBotVenue, DigiFinexVenue

_PATIENCE = 2.0
"""Seconds that a thread may take to end after its client was closed."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "local_venue(**arguments): arguments for the local venues of a test, for instance rate=0"
    )


@pytest.fixture
def bybit_venue(request: pytest.FixtureRequest) -> Iterator[BybitVenue]:
    """A running ``dbxsdk.sim.BybitVenue``: public, private and trade sockets, one account."""
    from dbxsdk.sim import BybitVenue

    with BybitVenue(**_arguments(request)) as venue:
        yield venue


@pytest.fixture
def digifinex_venue(request: pytest.FixtureRequest) -> Iterator[DigiFinexVenue]:
    """A running ``dbxsdk.sim.DigiFinexVenue``."""
    from dbxsdk.sim import DigiFinexVenue

    with DigiFinexVenue(**_arguments(request)) as venue:
        yield venue


@pytest.fixture
def cryptomus_venue(request: pytest.FixtureRequest) -> Iterator[CryptomusVenue]:
    """A running ``dbxsdk.sim.CryptomusVenue``, with its HTTP endpoints."""
    from dbxsdk.sim import CryptomusVenue

    with CryptomusVenue(**_arguments(request)) as venue:
        yield venue


@pytest.fixture
def dbot_venue(request: pytest.FixtureRequest) -> Iterator[DBotVenue]:
    """A running ``dbxsdk.sim.DBotVenue``: trade and data sockets."""
    from dbxsdk.sim import DBotVenue

    with DBotVenue(**_arguments(request)) as venue:
        yield venue


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


def _arguments(request: pytest.FixtureRequest) -> Any:
    marker = request.node.get_closest_marker("local_venue")
    return {} if marker is None else marker.kwargs
