"""The demo as lines of text, for people and for programs."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Sequence, TextIO

import attrs

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
from dbxsdk.events import Connected, Disconnected, Gap


def describe(event: Any) -> str:
    """An event in a few words."""
    if isinstance(event, Connected):
        return "connected again" if event.reconnects else "connected"
    if isinstance(event, Disconnected):
        retry = "" if event.retry_in is None else f", next try in {event.retry_in:.2f} s"
        return f"disconnected{retry}: {event.reason}"
    if isinstance(event, Gap):
        return f"gap of {event.seconds:.2f} s in {count(len(event.topics), 'topic')}, all subscribed again"
    if isinstance(event, Pulled):
        return f"the demo pulls {count(event.connections, 'connection')}" + (f" amid {event.when}" if event.when else "")
    if isinstance(event, Recovered):
        return f"recovered: all flows, {event.after:.2f} s after the pull"
    if isinstance(event, OutcomeAsked):
        name = "an order" if event.order is None else event.order
        if not event.carried_out:
            return f"no answer to {name}; the venue says: not there"
        return f"no answer to {name}; the venue says: {event.status}"
    if isinstance(event, RequestFailed):
        return f"a request failed: {event.error}"
    return str(event)


def summary_lines(summary: Summary) -> List[str]:
    """The summary for people, without its verdict."""
    gap = f", gaps {summary.gap_seconds:.2f} s" if summary.recovered else ""
    missed = [count(summary.trades_in_gap, "trade")] if summary.trades_in_gap else []
    missed += [count(summary.fills_in_gap, "fill")] if summary.fills_in_gap else []
    gap += f" ({', '.join(missed)} in them)" if missed else ""
    requests = f"{summary.requests} made, {summary.answered} answered"
    if summary.cut_off:
        requests += f", {summary.cut_off} ended with their connection"
    if summary.failed:
        requests += f", {summary.failed} FAILED"
    orders = f"{summary.orders} placed, {summary.accepted} accepted"
    if summary.asked:
        orders += f", {summary.asked} unanswered (the venue has {summary.carried_out})"
    orders += f", {summary.unknown} {'UNKNOWN' if summary.unknown else 'unknown'}"
    median = "none" if summary.round_trip_ms is None else f"{summary.round_trip_ms:.2f} ms (median)"
    checked = ", ".join((count(summary.trades_checked, "trade"), count(summary.books_checked, "book")))
    lines = [
        f"received    {count(summary.received, 'frame')}, {count(summary.delivered, 'update')} delivered to callbacks",
        f"lost        {summary.lost}; compared with the venues: {checked}, {count(summary.fills_checked, 'fill')}",
        f"recovered   {summary.recovered} of {count(summary.pulled, 'pulled connection')}{gap}",
        f"requests    {requests}",
        f"orders      {orders}",
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
        names = ", ".join(dict.fromkeys(venue.venue for venue in venues))
        self._print(f"dbxsdk demo: local venues {names}; {seconds:g} s; no network, no account")

    def happened(self, happening: Happening) -> None:
        self._print(f"{happening.at:6.2f}s {happening.connection}: {describe(happening.event)}")

    def standing(self, standings: Sequence[Standing]) -> None:
        for part in (each for each in (_market_data(standings), _accounts(standings)) if each):
            self._print(f"{standings[0].at:6.2f}s " + " | ".join(part))

    def finished(self, summary: Summary) -> None:
        for line in ("", *summary_lines(summary), verdict(summary)):
            self._print(line)

    def close(self) -> None:
        pass


def _market_data(standings: Sequence[Standing]) -> List[str]:
    parts = []
    for row in standings:
        if row.trades_per_second is None or row.books_per_second is None:
            continue
        updates = row.trades_per_second + row.books_per_second
        round_trip = "" if row.round_trip_ms is None else f" {row.round_trip_ms:.1f}ms"
        told = f" {row.symbol} {row.last or '-'} {updates:.0f}/s{round_trip}" if row.state == "ready" else f" {row.state}"
        parts.append(row.venue + told)
    return parts


def _accounts(standings: Sequence[Standing]) -> List[str]:
    parts = []
    for row in standings:
        told = [] if row.orders is None else [f"{row.accepted} of {row.orders} orders accepted"]
        told += [] if row.fills is None else [count(row.fills, "fill")]
        if told:
            parts.append(f"{row.connection} {', '.join(told) if row.state == 'ready' else row.state}")
    return parts


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
        whose = {"venue": happening.venue, "connection": happening.connection}
        self._print("event", {"at": happening.at, **whose, "event": name, **attrs.asdict(event)})

    def standing(self, standings: Sequence[Standing]) -> None:
        for standing in standings:
            self._print("standing", attrs.asdict(standing))

    def finished(self, summary: Summary) -> None:
        self._print("summary", {**attrs.asdict(summary), "lost": summary.lost, "ok": summary.ok})

    def close(self) -> None:
        pass
