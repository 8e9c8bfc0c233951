"""A Redis server for each test, where there is one on the machine."""

from __future__ import annotations

import pathlib
from typing import Iterator

import pytest

from tests.relay.redis_server import PROGRAM, RedisServer, redis_server
from tests.relay.scene import Scene, scene


@pytest.fixture
def server(tmp_path: pathlib.Path) -> Iterator[RedisServer]:
    if PROGRAM is None:
        pytest.skip("there is no redis-server on this machine: apt-get install redis-server")
    with redis_server(tmp_path) as found:
        yield found


@pytest.fixture
def stage(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with scene(server, monkeypatch) as made:
        yield made
