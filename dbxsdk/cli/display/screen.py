"""Updates on a terminal, live: a table of them, or ladders of order books. Imports ``rich``."""

from __future__ import annotations

import collections
import time
from typing import Any, Deque, Dict, List, Optional, Sequence, Tuple

from rich import box
from rich.cells import cell_len
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dbxsdk.book.order_book import OrderBook
from dbxsdk.cleaning import clean
from dbxsdk.cli.display.ladder import WIDTH, ladder
from dbxsdk.cli.follow import TICK
from dbxsdk.cli.inbox import BookTop
from dbxsdk.cli.rendering import clock, describe, rows, summary
from dbxsdk.errors import ProtocolError
from dbxsdk.events import BadFrame, Connected
from dbxsdk.models import Update

_EVENTS = 3
_BETWEEN = 4
"""Blanks between two ladders."""
_OTHER_LINES = 4
"""Table head, and what is between the header, it and the events; the cursor's own line included."""
_APART = 3
"""Columns between two of a table's."""

_STANDING = (
    "all_ticker",
    "balance",
    "insurance",
    "kline",
    "lastprice",
    "migratedPairInfo",
    "pairInfo",
    "pairsInfo",
    "position",
    "priceLimit",
    "ticker",
    "tickers",
    "wallet",
)
"""Channels of states, of which only the newest counts. All others are channels of events, of which each counts."""

_NAMES = ("symbol", "currency", "coin", "pair", "token", "interval")
"""Fields that identify a row."""

_FIRST = (
    *_NAMES,
    "side",
    "direction",
    "type",
    "order_status",
    "state",
    "status",
    "price",
    "last_price",
    "last",
    "price_usd",
    "size",
    "amount",
    "quantity",
    "qty",
    "exec_price",
    "exec_qty",
    "best_bid",
    "bid_price",
    "bid1_price",
    "best_ask",
    "ask_price",
    "ask1_price",
    "mark_price",
    "price_24h_pcnt",
    "change",
    "open",
    "high",
    "high_price_24h",
    "low",
    "low_price_24h",
    "close",
    "volume",
    "volume_24h",
)
"""What people look for first; the model's other fields follow as far as there is room."""

_LONGEST = 200
"""Characters of a field."""

Row = Dict[str, str]


class Screen:
    """A table of updates, newest first, or ladders; below it the last events."""

    def __init__(
        self, title: str, levels: int, books: Sequence[Tuple[str, OrderBook]] = (), console: Optional[Console] = None
    ) -> None:
        # highlight: rich would colour every number otherwise.
        self._console = console or Console(highlight=False)
        # No thread of rich's own: the screen changes only when we update it.
        self._live = Live(console=self._console, auto_refresh=False)
        self._title = title
        self.status = ""
        """An addition to the first line: how far a replay has come."""
        self._levels = levels
        self._started = time.monotonic()
        self._drawn = 0.0
        self._count = 0
        several = len({source for source, _ in books}) > 1
        self._books = {f"{source} {book.symbol}" if several else book.symbol: book for source, book in books}
        self._standing: Dict[Tuple[str, ...], Row] = {}
        self._happened: Deque[Row] = collections.deque(maxlen=200)
        self._events: Deque[Tuple[str, Any]] = collections.deque(maxlen=_EVENTS)
        self._live.start()

    def show(self, source: str, item: Any) -> bool:
        if isinstance(item, Update):
            try:
                found = rows(item, summary)
            except ProtocolError as error:
                return self.show(source, BadFrame(error))
            for row in found:
                self._keep(item, row)
        elif not isinstance(item, BookTop):
            self._events.append((source, item))
            return False
        self._count += 1
        return True

    def tick(self) -> None:
        if time.monotonic() - self._drawn >= TICK:
            self._draw()

    def close(self) -> None:
        self._draw()
        self._live.stop()

    def _keep(self, update: Update[Any], row: Row) -> None:
        row.pop("changed", None)  # which fields of a merged ticker are new: all of them are shown
        row = {clean(name, _LONGEST): clean(value, _LONGEST) for name, value in {"symbol": update.symbol, **row}.items() if value}
        row["time"] = clock(update.received_ns)
        if update.channel.partition(".")[0] in _STANDING:
            self._standing[(update.channel, *(row.get(name, "") for name in _NAMES))] = row
        else:
            self._happened.appendleft(row)

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        events: List[RenderableType] = [
            Text(f"{source}: {describe(event)}", style="green" if isinstance(event, Connected) else "yellow")
            for source, event in self._events
        ]
        header = Table.grid(padding=(0, 2), expand=True)
        header.add_column()
        header.add_column(justify="right")
        status = self.status or f"{self._count:,} updates in {self._drawn - self._started:.0f} s, Ctrl-C ends it"
        header.add_row(Text(self._title, style="bold"), Text(status, style="dim"))
        others: List[RenderableType] = [header, *events]
        room = self._console.height - _OTHER_LINES - sum(len(self._console.render_lines(each)) for each in others)
        parts: List[RenderableType] = []
        if self._books:
            is_all = not self._standing and not self._happened
            beside = max(1, (self._console.width + _BETWEEN) // (WIDTH + _BETWEEN))
            below = -(-len(self._books) // beside)
            levels = max(1, min(self._levels, ((room if is_all else room // 2) // below - 4) // 2))
            parts += [self._ladders(levels)]
            room -= below * (2 * levels + 4)
        if self._standing or self._happened or not self._books:
            parts += [self._table(max(3, room))]
        self._live.update(Group(header, Text(""), *parts, *events), refresh=True)

    def _ladders(self, levels: int) -> RenderableType:
        drawn = []
        for title, book in self._books.items():
            now = book.snapshot()
            drawn.append(ladder(title, now.bids[:levels], now.asks[:levels], levels, book.stale_reason))
        return Columns(drawn, padding=(0, _BETWEEN))

    def _table(self, room: int) -> RenderableType:
        found = [*self._standing.values()] or [*self._happened]
        if self._standing and len(found) == 1:
            return _listing(found[0], room, self._console.width)
        found = found[:room]
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold cyan")
        names = _fitting(found, self._console.width)
        for name in names:
            table.add_column(Text(name), no_wrap=True)  # in a str, "[...]" is markup
        for row in found:
            table.add_row(*(Text(row.get(name, "")) for name in names))
        return table


def _listing(row: Row, room: int, width: int) -> Table:
    """Return one row, upright: it has room for all its fields, long ones on several lines."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, show_header=False)
    table.add_column(style="bold cyan", no_wrap=True)
    table.add_column(overflow="fold")
    names = _in_order([row])
    wide = max(width - max(map(cell_len, names)) - _APART, 1)
    for name in names:
        room -= -(-cell_len(row[name]) * 5 // (wide * 4)) if cell_len(row[name]) > wide else 1  # words do not fill lines
        if room < 0:
            break
        table.add_row(Text(name), Text(row[name]))
    return table


def _in_order(found: Sequence[Row]) -> List[str]:
    names = dict.fromkeys(name for row in found for name in row)
    first = [name for name in ("time", *_FIRST) if name in names]
    return first + [name for name in names if name not in first]


def _fitting(found: Sequence[Row], width: int) -> List[str]:
    """Return the fields for which there is room, the more important first. One that is too wide is left out, not those
    behind it."""
    fitting: List[str] = []
    for name in _in_order(found):
        wide = max(cell_len(name), *(cell_len(row.get(name, "")) for row in found)) + (_APART if fitting else 0)
        if wide <= width:
            width -= wide
            fitting.append(name)
    return fitting
