"""A ``Connection`` at work on a thread of its own."""

from __future__ import annotations

import threading
from typing import Any, List, Optional, Tuple

from dbxsdk import Options
from dbxsdk.transport import Connection, Ending, parse_url
from tests.waiting import PATIENCE, Recorder


class Running:
    """``with Running(url) as c``: connects, keeps messages and pongs, and is ended at the end."""

    def __init__(self, url: str, *, on_message: Any = None, headers: Optional[Any] = None, **options: Any) -> None:
        self.opened = threading.Event()
        self.messages = Recorder()
        self.pongs = Recorder()
        self._on_message = on_message
        self._ending: List[Ending] = []
        address = parse_url("url", url)
        if headers:
            import attrs

            address = attrs.evolve(address, headers=headers)
        self.connection = Connection(
            address,
            Options(**{"connect_timeout": 3.0, **options}),
            self.opened.set,
            self._take,
            self.pongs,
        )
        self.thread = threading.Thread(target=self._run, name="test-connection", daemon=True)

    def _run(self) -> None:
        self._ending.append(self.connection.run())

    def _take(self, messages: List[Tuple[bytes, bool]]) -> None:
        for payload, binary in messages:
            self.messages((payload, binary))
            if self._on_message is not None:
                self._on_message(payload)

    def __enter__(self) -> "Running":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.abort("end of test")
        self.ending()

    def open(self) -> "Running":
        assert self.opened.wait(PATIENCE), self._ending
        return self

    def ending(self, timeout: float = PATIENCE) -> Ending:
        """How it ended, once it has."""
        self.thread.join(timeout)
        assert not self.thread.is_alive(), "the connection has not ended in time"
        return self._ending[0]

    def wait(self, count: int = 1) -> List[Tuple[bytes, bool]]:
        return self.messages.wait(count)
