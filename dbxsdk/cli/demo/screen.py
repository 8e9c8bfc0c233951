"""The demo as a live screen on a terminal. The only module here that imports ``rich``."""

from __future__ import annotations

import collections
from typing import Any, Deque, Dict, List, Sequence, Tuple

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dbxsdk.cli.demo.lines import Document, Lines, event_text, standing_text, summary_lines

MOST_EVENTS, FEWEST_EVENTS = 18, 4
_OTHER_LINES = 9
"""What the screen has beside the events and the table's rows; the cursor's own line included."""

_STYLES = {
    "Connected": "green",
    "Recovered": "bold green",
    "Disconnected": "red",
    "Pulled": "bold magenta",
    "OutcomeAsked": "bold magenta",
    "Gap": "magenta",
    "RequestFailed": "bold red",
}


class Screen(Lines):
    """A table of the connections, and the last events. Drawn by the caller's thread alone."""

    interval = 0.25

    def __init__(self) -> None:
        # highlight: rich would colour every number otherwise.
        self._console = Console(highlight=False)
        # No thread of rich's own: the screen changes only when we update it.
        self._live = Live(console=self._console, auto_refresh=False)
        self._at = self._seconds = 0.0
        self._rows: Sequence[Document] = ()
        self._events: Deque[Tuple[float, str, Any]] = collections.deque(maxlen=MOST_EVENTS)
        self._prices: Dict[str, Tuple[Any, str]] = {}

    def started(self, seconds: float, connections: Sequence[Document]) -> None:
        self._seconds = seconds
        self._live.start()
        self._draw()

    def happened(self, at: float, connection: str, event: Any) -> None:
        self._events.append((at, connection, event))
        self._draw()

    def standing(self, at: float, connections: Sequence[Document]) -> None:
        self._at, self._rows = at, connections
        self._draw()

    def finished(self, at: float, summary: Document) -> None:
        self.close()
        *lines, verdict = summary_lines(summary)
        for line in lines:
            self._console.print(line)
        self._console.print(verdict, style="bold green" if summary["ok"] else "bold red")

    def close(self) -> None:
        self._live.stop()

    def _draw(self) -> None:
        header = Table.grid(expand=True, padding=(0, 2))
        header.add_column(no_wrap=True)
        header.add_column(ratio=1)
        header.add_column(justify="right", no_wrap=True)
        done = ProgressBar(self._seconds, min(self._at, self._seconds), style="dim", complete_style="cyan", finished_style="cyan")
        title = Text("dbxsdk demo: local venues, no network", style="bold")
        header.add_row(title, done, Text(f"{self._at:.1f} of {self._seconds:g} s, Ctrl-C ends it", style="dim"))
        shown = max(FEWEST_EVENTS, min(MOST_EVENTS, self._console.height - _OTHER_LINES - len(self._rows)))
        self._live.update(Group(header, Text(""), self._table(), Text(""), self._log(shown)), refresh=True)

    def _table(self) -> RenderableType:
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, expand=True, padding=(0, 1, 0, 0), header_style="bold cyan")
        for name, width in (("connection", 13), ("state", 12), ("bid / ask, or orders", 20)):
            table.add_column(name, no_wrap=True, min_width=width)
        for name in ("updates", "answered", "round trip"):
            table.add_column(name, no_wrap=True, min_width=len(name), justify="right")
        for row in self._rows:
            trip = row["round_trip_ms"]
            table.add_row(
                row["connection"],
                Text(row["state"], style="green" if row["state"] == "ready" else "bold red"),
                Text("" if row["state"] != "ready" else standing_text(row), style=self._colour(row)),
                f"{row['delivered']:,}",
                f"{row['answered']} of {row['requests']}",
                "-" if trip is None else f"{trip:.2f} ms",
            )
        return table

    def _colour(self, row: Document) -> str:
        """Green after a rise, red after a fall, until the next one."""
        before, style = self._prices.get(row["connection"], (None, ""))
        bid = row["bid"]
        if before is not None and bid is not None and bid != before:
            style = "green" if bid > before else "red"
        self._prices[row["connection"]] = (bid or before, style)
        return style

    def _log(self, shown: int) -> RenderableType:
        lines: List[RenderableType] = []
        for at, connection, event in list(self._events)[-shown:]:
            line = Text(f"{at:6.2f} s  {connection:13} ", style="dim", no_wrap=True, overflow="ellipsis")
            style = _STYLES.get(getattr(event, "name", type(event).__name__), "magenta")
            lines.append(line.append(event_text(event), style=f"not dim {style}"))
        # A fixed height: tables that jump cannot be read.
        lines += [Text("")] * (shown - len(lines))
        return Panel(Group(*lines), title="events", title_align="left", border_style="dim", padding=(0, 1))
