"""Progress on stderr: one line that is written over on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
import time

EVERY = 0.25


class Progress:
    """``tell`` may be called as often as one likes."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._told = 0.0
        self._width = 0

    def tell(self, line: str) -> None:
        now = time.monotonic()
        if self._is_terminal and now - self._told >= EVERY:
            self._told = now
            self._write("\r" + line.ljust(self._width))
            self._width = len(line)

    def close(self) -> None:
        """Takes the line away, for what is printed next."""
        if self._width:
            self._write("\r" + " " * self._width + "\r")
            self._width = 0

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
