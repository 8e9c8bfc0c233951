"""The demo as lines of text, for people and for programs."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Sequence, TextIO

import attrs

from dbxsdk.cli.demo.report import Happening, Pulled, Recovered, RequestFailed, Standing, Start, Summary
from dbxsdk.events import Connected, Disconnected, Gap


def describe(event: Any) -> str:
    """An event in a few words."""
    if isinstance(event, Connected):
        return "connected again" if event.reconnects else "connected"
    if isinstance(event, Disconnected):
        retry = "" if event.retry_in is None else f", next try in {event.retry_in:.2f} s"
        return f"disconnected{retry}: {event.reason}"
    if isinstance(event, Gap):
        return f"gap of {event.seconds:.2f} s in {len(event.topics)} topics, all subscribed again"
    if isinstance(event, Pulled):
        return f"the demo pulls {count(event.connections, 'connection')}"
    if isinstance(event, Recovered):
        return f"recovered: every topic flows, {event.after:.2f} s after the pull"
    if isinstance(event, RequestFailed):
        return f"a request failed: {event.error}"
    return str(event)


def summary_lines(summary: Summary) -> List[str]:
    """The summary for people, without its verdict."""
    gap = f", gap {summary.gap_seconds:.2f} s" if summary.recovered else ""
    if summary.trades_in_gap:
        gap += f" ({count(summary.trades_in_gap, 'trade')} in it)"
    requests = f"{summary.requests} made, {summary.answered} answered"
    if summary.cut_off:
        requests += f", {summary.cut_off} ended with their connection"
    if summary.failed:
        requests += f", {summary.failed} FAILED"
    median = "none" if summary.round_trip_ms is None else f"{summary.round_trip_ms:.2f} ms (median)"
    lines = [
        f"received    {count(summary.received, 'frame')}, {count(summary.delivered, 'update')} delivered to callbacks",
        f"lost        {summary.lost}, of {count(summary.trades_checked, 'trade')} and {count(summary.books_checked, 'book')}"
        " compared with the venues' own",
        f"recovered   {summary.recovered} of {count(summary.pulled, 'pulled connection')}{gap}",
        f"requests    {requests}",
        f"round trip  {median}",
    ]
    if summary.lost:
        lines.insert(2, f"            {attrs.asdict(summary.losses)}")
    return lines


def verdict(summary: Summary) -> str:
    if not summary.ok:
        return "NOT all is well: see above."
    return "Ended early; nothing was lost." if summary.interrupted else "Nothing was lost, and all was recovered."


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class PlainLines:
    """One line a second, and one for each event."""

    interval = 1.0

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def _print(self, line: str) -> None:
        # At once: the reader of a pipe wants to see it happen, and learns of a closed pipe here, not at the end.
        print(line, file=self._stream, flush=True)

    def started(self, seconds: float, venues: Sequence[Start]) -> None:
        names = ", ".join(venue.venue for venue in venues)
        self._print(f"dbxsdk demo: local venues {names}; {seconds:g} s; no network, no account")

    def happened(self, happening: Happening) -> None:
        self._print(f"{happening.at:6.2f}s {happening.venue}: {describe(happening.event)}")

    def standing(self, standings: Sequence[Standing]) -> None:
        self._print(f"{standings[0].at:6.2f}s " + " | ".join(map(_short, standings)))

    def finished(self, summary: Summary) -> None:
        for line in ("", *summary_lines(summary), verdict(summary)):
            self._print(line)

    def close(self) -> None:
        pass


def _short(standing: Standing) -> str:
    if standing.state != "ready":
        return f"{standing.venue} {standing.state}"
    updates = standing.trades_per_second + standing.books_per_second
    round_trip = "" if standing.round_trip_ms is None else f" {standing.round_trip_ms:.1f}ms"
    return f"{standing.venue} {standing.symbol} {standing.last or '-'} {updates:.0f}/s{round_trip}"


class JsonLines:
    """One JSON document a line; the fields are in the command's help."""

    interval = 1.0

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def _print(self, kind: str, document: Dict[str, Any]) -> None:
        # Decimals and exceptions go out as their texts.
        print(json.dumps({"type": kind, **document}, default=str), file=self._stream, flush=True)

    def started(self, seconds: float, venues: Sequence[Start]) -> None:
        self._print("start", {"at": 0.0, "seconds": seconds, "venues": [attrs.asdict(venue) for venue in venues]})

    def happened(self, happening: Happening) -> None:
        event = happening.event
        name = type(event).__name__
        self._print("event", {"at": happening.at, "venue": happening.venue, "event": name, **attrs.asdict(event)})

    def standing(self, standings: Sequence[Standing]) -> None:
        for standing in standings:
            self._print("standing", attrs.asdict(standing))

    def finished(self, summary: Summary) -> None:
        self._print("summary", {**attrs.asdict(summary), "lost": summary.lost, "ok": summary.ok})

    def close(self) -> None:
        pass
