"""Holes in a stream of trades: what the callback got, and what happened at the venue meanwhile."""

from __future__ import annotations

import random
import threading
from typing import Any, Dict, List, Optional, Tuple

import attrs

from dbxsdk import Filled, Options, State, Update
from dbxsdk.sim import BybitVenue
from dbxsdk.sim.bybit.trade_feeds import trade_id
from tests.waiting import drained, eventually

SYMBOL = "BTCUSDT"
TIMEOUT = 0.5
"""Seconds that updates are held at most."""


@attrs.define
class Outcome:
    """What became of the holes. ``wrong`` says what must not be."""

    complete: int = 0
    partial: int = 0
    """A span was told."""
    filled: int = 0
    missed: int = 0
    """Trades that lie in a span, and never came."""
    most: int = 0
    """Trades of the largest hole."""
    wrong: List[str] = attrs.field(factory=list)

    def add(self, other: "Outcome") -> None:
        """Count another venue's."""
        for name in ("complete", "partial", "filled", "missed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.most = max(self.most, other.most)
        self.wrong += other.wrong


class Truth:
    """Every trade of one market, with its time in ns; the venue keeps the latest only."""

    def __init__(self, venue: BybitVenue, category: str) -> None:
        self._venue = venue
        self._category = category
        self.trades: Dict[str, int] = {}

    def go_on(self, steps: int) -> None:
        """The market moves."""
        for _ in range(steps):
            self._venue.step()
            for trade in self._venue.trades(SYMBOL, self._category)[-50:]:
                self.trades.setdefault(trade_id(self._category, trade), trade.time_us * 1000)


def play(holes: int, seed: str) -> Outcome:
    """Drop the connection so often, with REST in every mood, and compare."""
    chance = random.Random(seed)
    category = chance.choice(("linear", "spot"))
    options = Options(backoff_initial=0.005, backoff_max=0.01, backfill_timeout=TIMEOUT)
    seen: List[Any] = []
    with BybitVenue(rate=0, seed=chance.randrange(1000)) as venue, venue.client(category, options=options) as client:
        client.on_event(seen.append)
        venue.limit_rest(None)
        truth = Truth(venue, category)
        truth.go_on(20)
        client.subscribe("publicTrade", SYMBOL, callback=seen.append, backfill=True)
        begun = len(truth.trades)
        outcome = Outcome()
        for number in range(holes):
            truth.go_on(chance.randrange(4))
            mood = chance.choice(("well", "well", "well", "slow", "fails", "down", "late"))
            timer = _put_into(mood, venue, chance)
            before = len(truth.trades)
            _away(venue, client, truth, chance)
            outcome.most = max(outcome.most, len(truth.trades) - before)
            # Some markets stand still behind the hole. Then a span ends now, but this market's time runs by its steps.
            behind, still = len(truth.trades), mood in ("well", "slow") and chance.random() < 0.1
            while not still and len(truth.trades) == behind:
                truth.go_on(1)
            eventually(lambda number=number: sum(type(item) is Filled for item in seen) > number)
            if timer is not None:
                timer.cancel()
                timer.join()
            venue.accept_rest()
            venue.delay_rest(0)
        truth.go_on(3)
        client.ping()
        eventually(lambda: next(reversed(truth.trades)) in _ids(seen[-20:]))
        drained(client)
    judge(outcome, seen, dict(list(truth.trades.items())[begun:]))
    return outcome


def _put_into(mood: str, venue: BybitVenue, chance: random.Random) -> Optional[threading.Timer]:
    if mood == "slow":
        venue.delay_rest(chance.uniform(0.01, 0.2))
    elif mood == "fails":
        venue.fail_rest(chance.choice((500, 503, 10016, None)), times=chance.randrange(1, 4))
    elif mood == "down":
        venue.fail_rest(503)
    elif mood == "late":
        venue.fail_rest(503)
        timer = threading.Timer(chance.uniform(0.05, 0.4), venue.accept_rest)
        timer.start()
        return timer
    return None


def _away(venue: BybitVenue, client: Any, truth: Truth, chance: random.Random) -> None:
    venue.refuse_connections()
    venue.drop_connections()
    eventually(lambda: client.state is not State.READY)
    truth.go_on(int(10 ** chance.uniform(0, 2.7)))
    venue.accept_connections()
    eventually(lambda: client.state is State.READY)


def _ids(items: List[Any]) -> List[str]:
    return [trade.trade_id for item in items if isinstance(item, Update) for trade in item.data]


def judge(outcome: Outcome, seen: List[Any], truth: Dict[str, int]) -> None:
    """Each trade came once, and in its order, or lies in a span that was told."""
    spans: List[Tuple[int, int]] = []
    for item in seen:
        if isinstance(item, Filled):
            outcome.filled += item.count
            outcome.complete += item.complete
            outcome.partial += not item.complete
            if item.missing_from_ns is not None and item.missing_until_ns is not None:
                spans.append((item.missing_from_ns, item.missing_until_ns + 1_000_000))
    got = _ids(seen)
    places = {name: place for place, name in enumerate(truth)}
    if len(set(got)) != len(got):
        outcome.wrong.append(f"{len(got) - len(set(got))} trades came twice")
    known = [name for name in got if name in places]
    late = [name for name, after in zip(known, known[1:]) if truth[name] > truth[after]]  # noqa: B905 - not in Python 3.9
    if late:
        outcome.wrong.append(f"{len(late)} trades came before earlier ones: {late[:3]}")
    came, last = set(got), max((places[name] for name in known), default=-1)
    for name, at in list(truth.items())[: last + 1]:
        if name in came:
            continue
        outcome.missed += 1
        if not any(low <= at <= high for low, high in spans):
            outcome.wrong.append(f"trade {name} of {at} never came, and lies in none of {len(spans)} spans")
