"""Writes what the feed brings to the database: trades once each, and a ``Gap`` wherever some may be missing.

How a gap is found: DigiFinex sends its recent history after each subscription. While a gap of a symbol is open, the last
trade that was stored before it is known by its id. If that trade is in the history, the history joins on to it and nothing
is missing; if it is not, trades between it and the oldest one of the history may be.

A relay hands on the history that its own subscriptions bring, and remembers how far a feed has come: only if it does not, or
says itself that something is missing, a gap is opened, and what comes next, history or not, decides in the same way.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Collection, Iterable, List, Optional, Sequence, Set, Tuple

from django.db import transaction

import dbxsdk
from dbxsdk import digifinex

from desk.decimals import MOST_DIGITS
from desk.models import FeedStatus, Gap, Trade

# Without Django's types (it brings none) a type checker takes the members of these for plain tuples.
Reason: Any = Gap.Reason
State: Any = Gap.State

ONE_GAP = timedelta(minutes=1)
"""What is unreadable, or too much, so soon after the last is one gap with it: a venue that sends nothing else must not fill the
database."""

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Store:
    """Used by one thread. Everything in it may be repeated: a batch that was written already changes nothing more."""

    def __init__(self, venue: str, symbols: Sequence[str], resumed: Optional[Collection[str]] = None) -> None:
        """``resumed``: the symbols whose trades a relay has kept since the last one that was written; None without a relay."""
        self._venue = venue
        self._symbols = symbols
        self._resumed = resumed
        self._started = datetime.now(timezone.utc)

    def begin(self) -> None:
        """Opens a gap for each symbol of which there are trades: the time since the last one. Before the feed subscribes,
        so that no crash can leave it out. None where a relay has kept what was traded since."""
        with transaction.atomic():
            for symbol in self._symbols:
                if symbol not in (self._resumed or ()):
                    self._open_gap(symbol, Reason.RESTART)

    def write(self, items: Iterable[Any], client: dbxsdk.DigiFinexClient, waiting: int) -> None:
        """One batch of updates and events, in their order, and the feed's sign of life, in one transaction: either all
        of it is there afterwards, or nothing, and it can be written again."""
        with transaction.atomic():
            rows: List[Trade] = []
            noted: Set[Tuple[str, str]] = set()

            def note(symbol: str, reason: str, text: str) -> None:
                if (symbol, reason) not in noted:
                    noted.add((symbol, reason))
                    self._insert(rows)
                    self._note_gap(symbol, reason, text)

            for item in items:
                if isinstance(item, dbxsdk.Update):
                    found, unreadable = self._rows(item)
                    if item.kind == "snapshot" or (self._resumed is not None and found):
                        self._insert(rows)  # what came before the history is no part of it
                        self._close_gap(item, found)
                    rows += found
                    if unreadable:
                        note(item.symbol, Reason.UNREADABLE, unreadable)
                    continue
                self._insert(rows)
                if isinstance(item, dbxsdk.Gap):
                    for topic in item.topics:
                        self._open_gap(symbol_of(topic), Reason.CONNECTION, f"down for {item.seconds:.1f} s")
                elif isinstance(item, dbxsdk.Dropped):
                    note(symbol_of(item.topic), Reason.OVERFLOW, f"{item.count} updates were dropped")
                elif isinstance(item, dbxsdk.BadFrame):
                    for symbol in self._symbols:  # nobody can tell which one it was about
                        note(symbol, Reason.UNREADABLE, str(item.error))
            self._insert(rows)
            self._tell(client.state.value, client.stats().reconnects, waiting)

    def end(self) -> None:
        FeedStatus.objects.filter(venue=self._venue).update(state="stopped", seen=datetime.now(timezone.utc), waiting=0)

    # -- trades ------------------------------------------------------------------------------------------------

    def _rows(self, update: dbxsdk.Update[Tuple[digifinex.Trade, ...]]) -> Tuple[List[Trade], str]:
        """The trades, oldest first, and what is wrong with the last one that cannot be read."""
        rows, unreadable = [], ""
        for trade in update.data:
            try:
                time = EPOCH + timedelta(microseconds=int(trade.time * 1_000_000))
                digits = max(len(f"{trade.price:f}"), len(f"{trade.amount:f}"))
                if abs(trade.id) >= 2**63 or trade.type not in ("buy", "sell") or digits > MOST_DIGITS:
                    raise ValueError("a trade's id, type, price or amount is beyond what can be stored")
                row = Trade(
                    venue=self._venue,
                    symbol=update.symbol,
                    trade_id=trade.id,
                    time=time,
                    side=trade.type,
                    price=trade.price,
                    size=trade.amount,
                )
            except (dbxsdk.UnreadableField, ValueError, OverflowError) as error:
                unreadable = str(error)
            else:
                rows.append(row)
        rows.sort(key=lambda row: (row.time, row.trade_id))
        return rows, unreadable

    def _insert(self, rows: List[Trade]) -> None:
        """Writes them; those that are there already (the history repeats trades) stay as they are."""
        Trade.objects.bulk_create(rows, ignore_conflicts=True)
        rows.clear()

    def _last(self, symbol: str) -> Optional[Trade]:
        found: Optional[Trade] = Trade.objects.filter(venue=self._venue, symbol=symbol).order_by("-time", "-trade_id").first()
        return found

    # -- gaps --------------------------------------------------------------------------------------------------

    def _gaps(self, symbol: str) -> Any:
        return Gap.objects.filter(venue=self._venue, symbol=symbol)

    def _open_gap(self, symbol: str, reason: str, note: str = "") -> None:
        last = self._last(symbol)
        # Without a trade from before nothing is missing between trades. And a gap that is open still (its history never
        # came) goes on: what followed its last trade is not known to be whole.
        if last is not None and not self._gaps(symbol).filter(state=State.OPEN).exists():
            Gap.objects.create(
                venue=self._venue, symbol=symbol, reason=reason, note=note, since=last.time, after_trade_id=last.trade_id
            )

    def _close_gap(self, update: Any, history: Sequence[Trade]) -> None:
        joins = [row.trade_id for row in history]
        for gap in self._gaps(update.symbol).filter(state=State.OPEN):
            gap.state = State.FILLED if gap.after_trade_id in joins else State.MISSING
            gap.until = history[0].time if history else _moment(update.received_ns)
            if gap.state == State.FILLED:
                gap.until = history[-1].time
            gap.save()

    def _note_gap(self, symbol: str, reason: str, note: str) -> None:
        """A gap that nothing fills: from the last trade that was stored until now."""
        now, last = datetime.now(timezone.utc), self._last(symbol)
        until = max(now, last.time) if last is not None else now
        note = dbxsdk.clean(note, 200)  # the venue's words may be in it, and what no database takes
        same = self._gaps(symbol).filter(reason=reason, state=State.MISSING, until__gte=now - ONE_GAP).order_by("-id").first()
        if same is not None:
            same.until, same.note = until, note
            same.save()
            return
        since = last.time if last is not None else now
        self._gaps(symbol).create(
            venue=self._venue,
            symbol=symbol,
            reason=reason,
            state=State.MISSING,
            since=since,
            until=until,
            after_trade_id=last.trade_id if last is not None else None,
            note=note,
        )

    # -- sign of life ------------------------------------------------------------------------------------------

    def _tell(self, state: str, reconnects: int, waiting: int) -> None:
        now = datetime.now(timezone.utc)
        values = {"started": self._started, "seen": now, "state": state, "reconnects": reconnects, "waiting": waiting}
        FeedStatus.objects.update_or_create(venue=self._venue, defaults=values)


def symbol_of(topic: str) -> str:
    return topic.partition(".")[2]


def _moment(ns: int) -> datetime:
    return EPOCH + timedelta(microseconds=ns // 1000)
