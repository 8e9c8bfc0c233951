"""The demo as lines of text, for people and for programs."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from dbxsdk.cli.demo.orders import DemoEvent
from dbxsdk.cli.rendering import describe, plain, to_line

Document = Dict[str, Any]
"""One of those that the command's help describes."""


class Lines:
    """Shows a line for each event, and one a second that says how all connections stand. Other displays have the same
    methods. All calls come from the main thread; ``at`` is in seconds since the start."""

    interval = 1.0
    """Seconds between two calls of ``standing``."""

    def started(self, seconds: float, connections: Sequence[Document]) -> None:
        self._print(f"dbxsdk demo: {len(connections)} connections to four local venues, {seconds:g} s, no network")

    def happened(self, at: float, connection: str, event: Any) -> None:
        self._print(f"{at:6.2f}s {connection}: {event_text(event)}")

    def standing(self, at: float, connections: Sequence[Document]) -> None:
        self._print(f"{at:6.2f}s " + " | ".join(f"{each['connection']} {standing_text(each)}" for each in connections))

    def finished(self, at: float, summary: Document) -> None:
        for line in ("", *summary_lines(summary)):
            self._print(line)

    def close(self) -> None:
        """Leave the terminal in order, also after an error."""

    def _print(self, line: str) -> None:
        # At once: the reader of a pipe wants to see it happen, and a closed pipe is noticed here, not at the end.
        print(line, flush=True)


class JsonLines(Lines):
    """One JSON document a line."""

    def started(self, seconds: float, connections: Sequence[Document]) -> None:
        self._document("start", 0.0, seconds=seconds, connections=connections)

    def happened(self, at: float, connection: str, event: Any) -> None:
        is_own = isinstance(event, DemoEvent)
        fields = event.details if is_own else plain(event)
        self._document("event", at, connection=connection, event=event.name if is_own else type(event).__name__, **fields)

    def standing(self, at: float, connections: Sequence[Document]) -> None:
        for each in connections:
            self._document("standing", at, **each)

    def finished(self, at: float, summary: Document) -> None:
        self._document("summary", at, **summary)

    def _document(self, kind: str, at: float, **fields: Any) -> None:
        self._print(to_line({"type": kind, "at": at, **plain(fields)}))


def event_text(event: Any) -> str:
    return event.text if isinstance(event, DemoEvent) else describe(event)


def standing_text(row: Document) -> str:
    """Return the state of a connection in a few words."""
    if row["state"] != "ready":
        return str(row["state"])
    if row["bid"] is not None and row["ask"] is not None:
        return f"{row['bid']:f} / {row['ask']:f}"
    return f"{row['delivered']} updates" if row["orders"] is None else f"{row['accepted']} of {row['orders']} orders"


def summary_lines(summary: Document) -> List[str]:
    """Return the summary for people; the last line is the verdict."""
    numbers = {name: f"{value:,}" if isinstance(value, (int, float)) else value for name, value in summary.items()}
    checked = ", ".join(f"{kind} {count:,}" for kind, count in summary["checked"].items())
    missed = ", ".join(f"{kind} {count:,}" for kind, count in summary["in_gap"].items() if count)
    lines = [
        "sent        {requests} requests: {answered} answered, {cut_off} cut off, {failed} failed; median {round_trip_ms} ms",
        "orders      {orders}: {accepted} accepted, {asked} unanswered (the venue has {carried_out}), {unknown} unknown",
        "delivered   {delivered} updates to callbacks, out of {received} frames",
        "lost        {lost}" + (": {losses}" if summary["lost"] else "") + f"; compared: {checked}",
        "recovered   {recovered} of {pulled} connections, {offline_seconds} s offline",
    ]
    lines[-1] += f"; in gaps: {missed}" if missed else ""
    verdict = "Ended early; nothing was lost." if summary["interrupted"] else "Nothing was lost, and all was recovered."
    return [*(line.format(**numbers) for line in lines), verdict if summary["ok"] else "NOT all is well: see above."]
