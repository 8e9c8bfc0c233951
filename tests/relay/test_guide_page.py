"""The guide's page "Many workers": its blocks run, with a local venue and a real Redis server in place of the addresses."""

from __future__ import annotations

import contextlib
import pathlib
import tempfile
from typing import Any, Dict, Iterator
from unittest import mock

import pytest

from dbxsdk.relay import relay, server
from tests import documents
from tests.local_addresses import local_venues
from tests.relay.redis_server import PROGRAM, redis_server

PAGE = documents.ROOT / "samples" / "guide" / "many_workers.rst"


@contextlib.contextmanager
def redis_in_place() -> Iterator[None]:
    """A real server where ``redis://localhost:6379`` is meant."""
    with tempfile.TemporaryDirectory() as directory, redis_server(pathlib.Path(directory)) as found:
        def check_url(url: Any) -> Any:
            return server.check_url(url.replace("localhost:6379", f"127.0.0.1:{found.port}"))

        with mock.patch.object(relay, "check_url", check_url):
            yield


def test_blocks_print_what_they_say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    if PROGRAM is None:
        pytest.skip("there is no redis-server on this machine: apt-get install redis-server")
    blocks = documents.blocks(documents.tree(PAGE.read_text("utf-8")))
    namespace: Dict[str, Any] = {}
    with redis_in_place(), local_venues(monkeypatch):
        for number, (kind, code) in enumerate(blocks):
            if kind == "python":
                exec(compile(code, f"{PAGE.name}, block {number}", "exec"), namespace)
                expected = blocks[number + 1][1] if blocks[number + 1:] and blocks[number + 1][0] == "text" else ""
                assert capsys.readouterr().out.strip() == expected.strip()


def test_docutils_has_nothing_to_say() -> None:
    assert documents.rendered(PAGE.read_text("utf-8"))[1] == ""
