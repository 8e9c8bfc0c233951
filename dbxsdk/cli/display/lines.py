"""Updates and events as lines of text, for people and for programs, for output that is not a terminal."""

from __future__ import annotations

import sys
from typing import Any, Dict, TextIO, Tuple

from dbxsdk.cleaning import clean
from dbxsdk.cli.inbox import BookTop
from dbxsdk.cli.rendering import clock, describe, event_document, rows, to_line, update_document
from dbxsdk.cli.wrapping import message
from dbxsdk.errors import ProtocolError
from dbxsdk.events import BadFrame
from dbxsdk.models import Update


_LONGEST = 10_000
"""Characters of an update's line."""


class _Lines:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def tick(self) -> None:
        # This also notices a reader that has gone.
        self._stream.flush()

    def close(self) -> None: ...


class JsonLines(_Lines):
    """One JSON document a line."""

    def show(self, source: str, item: Any) -> bool:
        is_update = isinstance(item, Update)
        try:
            document = update_document(item) if is_update else event_document(source, item)
        except ProtocolError as error:  # fields are decoded on first access
            is_update, document = False, event_document(source, BadFrame(error))
        self._stream.write(to_line(document) + "\n")
        return is_update


class PlainLines(_Lines):
    """One line for each item of an update, and for each change of a book's best prices; events on stderr."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._tops: Dict[Tuple[str, str], BookTop] = {}

    def show(self, source: str, item: Any) -> bool:
        if isinstance(item, Update):
            return self._show_update(source, item)
        if isinstance(item, BookTop):
            return self._show_top(source, item)
        print(f"{source}: {describe(item)}", file=sys.stderr, flush=True)
        return False

    def _show_update(self, source: str, update: Update[Any]) -> bool:
        try:
            found = rows(update)
        except ProtocolError as error:
            return self.show(source, BadFrame(error))
        start = " ".join(filter(None, (clock(update.received_ns), source, update.channel, update.symbol, update.kind)))
        for row in found:
            fields = " ".join(f"{name}={value}" for name, value in row.items() if (name, value) != ("symbol", update.symbol))
            self._stream.write(clean(f"{start}: {fields}", _LONGEST) + "\n")
        return True

    def _show_top(self, source: str, top: BookTop) -> bool:
        if top == self._tops.get((source, top.symbol)):
            return False
        self._tops[(source, top.symbol)] = top
        self._stream.write(f"{source} {top.symbol}: {_top_line(top)}\n")
        return top.stale_reason is None


def _top_line(top: BookTop) -> str:
    if top.stale_reason is not None:
        return f"STALE: {top.stale_reason}"
    bid, ask = top.best_bid, top.best_ask
    sides = [f"{name} {level[0]:f} ({level[1]:f})" if level else f"no {name}" for name, level in (("bid", bid), ("ask", ask))]
    return " ".join(sides) + (f" spread {ask[0] - bid[0]:f}" if bid and ask else "")


def complain(command: str, error: BaseException) -> None:
    """Print the one line on stderr that says why a command ends."""
    text = f"dbxsdk {command}: {clean(error) or type(error).__name__}"
    print(message(text, sys.stderr), file=sys.stderr, flush=True)
