"""An answer that is given up leaves no open socket, also while its error is kept."""

from __future__ import annotations

import socket
import threading

import pytest

from dbxsdk.errors import ConnectError
from dbxsdk.options import Options
from dbxsdk.transport import http


def test_an_answer_that_is_too_large_leaves_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LARGEST_BODY", 1000)
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()
    done = threading.Event()

    def serve() -> None:
        raw, _ = listener.accept()
        with raw:
            raw.settimeout(5)
            raw.recv(65536)
            raw.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"1" * 200_000)
            try:
                if raw.recv(1) == b"":
                    ended.set()
            except ConnectionResetError:
                ended.set()
            except OSError:
                pass
        done.set()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with pytest.raises(ConnectError, match="too large") as raised:
        http.get(f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout=2.0, options=Options())
    try:
        assert ended.wait(2.0), "the socket is open still"
    finally:
        del raised
        listener.close()
        thread.join(6)
