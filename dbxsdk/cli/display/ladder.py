"""An order book as a ladder: asks above, bids below, a bar for each size. Imports ``rich``."""

from __future__ import annotations

from decimal import Decimal
from typing import Optional, Sequence, Tuple

from rich import box
from rich.table import Table
from rich.text import Text

Level = Tuple[Decimal, Decimal]

BAR = 10
WIDTH = 38
"""Columns that a ladder takes, unless its numbers are longer than most."""


def ladder(title: str, bids: Sequence[Level], asks: Sequence[Level], levels: int, stale: Optional[str] = None) -> Table:
    """Return the best ``levels`` of both sides (best first). A book that is ``stale`` says why and is dimmed."""
    bids, asks = bids[:levels], asks[:levels]
    largest = max((size for _, size in (*bids, *asks)), default=Decimal(0))
    table = Table(min_width=WIDTH, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold cyan")
    table.title = Text(f"{title} STALE: {stale}", style="bold red") if stale else Text(title, style="bold")
    table.add_column("size", justify="right", no_wrap=True, min_width=10)
    table.add_column("price", justify="right", no_wrap=True, min_width=10)
    table.add_column("", no_wrap=True, min_width=BAR)
    # A fixed height: a ladder that jumps cannot be read.
    for _ in range(levels - len(asks)):
        table.add_row("", "", "")
    for price, size in reversed(asks):
        table.add_row(*_row(price, size, largest, "red", stale))
    table.add_row(*_middle(bids, asks, stale))
    for price, size in bids:
        table.add_row(*_row(price, size, largest, "green", stale))
    for _ in range(levels - len(bids)):
        table.add_row("", "", "")
    return table


def _row(price: Decimal, size: Decimal, largest: Decimal, colour: str, stale: Optional[str]) -> Tuple[Text, Text, Text]:
    style = "dim" if stale else colour
    length = int(size / largest * BAR) if largest else 0
    return Text(format(size, "f")), Text(format(price, "f"), style=style), Text("█" * length, style=style)


def _middle(bids: Sequence[Level], asks: Sequence[Level], stale: Optional[str]) -> Tuple[Text, Text, Text]:
    if stale:
        return Text("spread", style="dim"), Text("-"), Text("")
    spread = format(asks[0][0] - bids[0][0], "f") if bids and asks else "-"
    return Text("spread", style="dim"), Text(spread, style="bold"), Text("")
