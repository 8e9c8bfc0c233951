"""The demo as a live screen on a terminal. The only module that imports ``rich``."""

from __future__ import annotations

import collections
from decimal import Decimal
from typing import Deque, Dict, List, Optional, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from dbxsdk.cli.demo.report import (
    Happening,
    OutcomeAsked,
    Pulled,
    Recovered,
    RequestFailed,
    Standing,
    Start,
    Summary,
)
from dbxsdk.cli.demo.text_display import describe, summary_lines, verdict
from dbxsdk.events import Connected, Disconnected, Gap

MOST_EVENTS, FEWEST_EVENTS = 14, 3
_OTHER_LINES = 10
"""What the screen has beside the events and the tables' rows; the cursor's own line included."""

_AIR = 4
"""Empty lines that make it easier to read, where there is room."""

_STYLES = {
    Connected: "green",
    Recovered: "bold green",
    Disconnected: "red",
    Pulled: "bold yellow",
    OutcomeAsked: "bold yellow",
    Gap: "yellow",
    RequestFailed: "bold red",
}
_UP, _DOWN = "green", "red"


class Screen:
    """Tables of prices, connections and orders, and the last events. Drawn by the caller's thread alone."""

    interval = 0.25

    def __init__(self) -> None:
        # highlight: rich would colour every number in the summary otherwise.
        self._console = Console(highlight=False)
        # No thread of rich's own: what is shown changes only when we say so.
        self._live = Live(console=self._console, auto_refresh=False)
        self._seconds = 0.0
        self._at = 0.0
        self._standings: Sequence[Standing] = ()
        self._events: Deque[Happening] = collections.deque(maxlen=MOST_EVENTS)
        self._before: Dict[str, Decimal] = {}
        self._price_styles: Dict[str, str] = {}

    def started(self, seconds: float, venues: Sequence[Start]) -> None:
        self._seconds = seconds
        self._live.start()
        self._draw()

    def happened(self, happening: Happening) -> None:
        self._events.append(happening)
        self._draw()

    def standing(self, standings: Sequence[Standing]) -> None:
        self._standings = standings
        self._at = standings[0].at
        for standing in standings:
            self._colour(standing.connection, standing.last)
        self._draw()

    def finished(self, summary: Summary) -> None:
        self.close()
        for line in summary_lines(summary):
            self._console.print(line)
        self._console.print(verdict(summary), style="bold green" if summary.ok else "bold red")

    def close(self) -> None:
        self._live.stop()

    def _colour(self, connection: str, price: Optional[Decimal]) -> None:
        """Green after a rise, red after a fall, until the next one."""
        before = self._before.get(connection)
        if price is None or price == before:
            return
        if before is not None:
            self._price_styles[connection] = _UP if price > before else _DOWN
        self._before[connection] = price

    def _draw(self) -> None:
        prices = [row for row in self._standings if row.trades_per_second is not None]
        accounts = [row for row in self._standings if row.orders is not None or row.fills is not None]
        room = self._console.height - _OTHER_LINES - len(prices) - len(self._standings) - len(accounts)
        airy = room >= FEWEST_EVENTS + _AIR
        events = max(FEWEST_EVENTS, min(MOST_EVENTS, room - (_AIR if airy else 0)))
        parts = [self._header(), self._prices(prices), self._connections(), self._accounts(accounts), self._log(events)]
        if airy:
            parts = [line for part in parts for line in (part, Text(""))][:-1]
        self._live.update(Group(*parts), refresh=True)

    def _header(self) -> RenderableType:
        header = Table.grid(expand=True)
        header.add_column()
        header.add_column(justify="right")
        header.add_row(
            Text("dbxsdk demo: local venues, no network", style="bold"),
            Text(f"{self._at:.1f} of {self._seconds:g} s, Ctrl-C ends it", style="dim"),
        )
        return header

    def _prices(self, rows: Sequence[Standing]) -> RenderableType:
        table = _table("market data", "symbol", ">last", ">bid", ">ask", ">trades/s", ">books/s")
        for row in rows:
            table.add_row(
                row.connection,
                row.symbol,
                Text(_price(row.last), style=self._price_styles.get(row.connection, "")),
                _price(row.bid),
                _price(row.ask),
                f"{row.trades_per_second:.1f}",
                f"{row.books_per_second:.1f}",
            )
        return table

    def _connections(self) -> RenderableType:
        table = _table("connection", "state", ">round trip", ">answered", ">frames", ">updates")
        for row in self._standings:
            table.add_row(
                row.connection,
                Text(row.state, style="green" if row.state == "ready" else "bold red"),
                "-" if row.round_trip_ms is None else f"{row.round_trip_ms:.2f} ms",
                f"{row.answered} of {row.requests}",
                f"{row.received:,}",
                f"{row.delivered:,}",
            )
        return table

    def _accounts(self, rows: Sequence[Standing]) -> RenderableType:
        table = _table("account", "symbol", ">orders placed", ">accepted", ">fills told")
        for row in rows:
            numbers = (row.orders, row.accepted, row.fills)
            table.add_row(row.connection, row.symbol, *("" if number is None else f"{number:,}" for number in numbers))
        return table

    def _log(self, shown: int) -> RenderableType:
        lines: List[RenderableType] = []
        for happening in list(self._events)[-shown:]:
            line = Text(f"{happening.at:6.2f} s  {happening.connection:13} ", style="dim", no_wrap=True, overflow="ellipsis")
            line.append(describe(happening.event), style=f"not dim {_STYLES.get(type(happening.event), 'magenta')}")
            lines.append(line)
        # A fixed height: tables that jump cannot be read.
        lines += [Text("")] * (shown - len(lines))
        return Panel(Group(*lines), title="events", title_align="left", border_style="dim", padding=(0, 1))


def _price(price: Optional[Decimal]) -> str:
    return "-" if price is None else format(price, "f")


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, expand=True, pad_edge=False, header_style="bold cyan")
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left", no_wrap=True)
    return table
