"""Progress on stderr: one line that is overwritten on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
import time

EVERY = 0.25


class Progress:
    """Shows a line at most once per ``EVERY`` seconds; ``show`` may be called at any rate."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._shown = 0.0
        self._width = 0

    def show(self, line: str) -> None:
        now = time.monotonic()
        if self._is_terminal and now - self._shown >= EVERY:
            self._shown = now
            self._write("\r" + line.ljust(self._width))
            self._width = len(line)

    def close(self) -> None:
        """Erase the line, for what is printed next."""
        if self._width:
            self._write("\r" + " " * self._width + "\r")
            self._width = 0

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
