"""Holes in a stream of trades: what the callback got, and what happened at the venue meanwhile."""

from __future__ import annotations

import collections
import random
import threading
from typing import Any, Callable, Dict, Hashable, List, Optional, Tuple

import attrs

from dbxsdk import Filled, Gap, Options, State, Update
from dbxsdk.sim import BybitVenue, CryptomusVenue, DigiFinexVenue
from dbxsdk.sim.bybit.trade_feeds import trade_id
from dbxsdk.transport import rest
from tests.waiting import drained, eventually

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


@attrs.frozen
class Case:
    """One venue's stream of trades."""

    name: str
    channel: str
    symbol: str
    open: Callable[[int], Any]
    """Makes the venue, by a seed."""
    market: Tuple[str, ...]
    """What names the market in the venue's record, and makes the client."""
    client: Tuple[str, ...]
    key: Callable[[Any], Hashable]
    """Of a trade of the stream."""
    truth: Callable[[Any], Hashable]
    """Of one of the record."""
    code: int
    """A refusal of the venue's."""
    over: int = 0
    """Steps of the market after which a moment is over, for trades without ids."""


def _bybit(category: str) -> Case:
    return Case(
        f"bybit:{category}", "publicTrade", "BTCUSDT", lambda seed: BybitVenue(rate=0, seed=seed), ("BTCUSDT", category),
        (category,), lambda trade: trade.trade_id, lambda trade: trade_id(category, trade), 10016,
    )


CASES: Dict[str, Tuple[Case, ...]] = {
    "bybit": (_bybit("linear"), _bybit("spot")),
    "digifinex": (
        Case(
            "digifinex", "trades", "BTC_USDT", lambda seed: DigiFinexVenue(rate=0, seed=seed, symbols=["BTC_USDT"]),
            ("BTC_USDT",), (), lambda trade: trade.id, lambda trade: trade.id, 50000,
        ),
    ),
    "cryptomus": (
        Case(
            "cryptomus", "trade", "BTC_USDT", lambda seed: CryptomusVenue(rate=0, seed=seed, symbols=["BTC_USDT"]),
            ("BTC_USDT",), (), lambda trade: (trade.timestamp, trade.price, trade.quantity, trade.direction),
            lambda trade: (trade.time_us // 10**6, trade.price, trade.size, "buy" if trade.buy else "sell"), 1500, over=15,
        ),
    ),
}


class Truth:
    """Every trade of one market; the venue keeps the latest only."""

    def __init__(self, venue: Any, case: Case) -> None:
        self._venue = venue
        self._case = case
        self.trades: Dict[int, Tuple[Hashable, int]] = {}
        """By number: what distinguishes it, and its time in ns."""

    def go_on(self, steps: int) -> None:
        """The market moves."""
        for _ in range(steps):
            self._venue.step()
            for trade in self._venue.trades(*self._case.market)[-50:]:
                self.trades.setdefault(trade.id, (self._case.truth(trade), trade.time_us * 1000))


def play(holes: int, seed: str, venue_name: str = "bybit") -> Outcome:
    """Drop the connection so often, with REST in every mood, and compare."""
    chance = random.Random(seed)
    case = chance.choice(CASES[venue_name])
    options = Options(backoff_initial=0.04, backoff_max=0.08, backfill_timeout=TIMEOUT)
    seen: List[Any] = []
    rest._hosts.clear()
    with case.open(chance.randrange(1000)) as venue, venue.client(*case.client, options=options) as client:
        client.on_event(seen.append)
        venue.limit_rest(None)
        truth = Truth(venue, case)
        truth.go_on(20)
        client.subscribe(case.channel, case.symbol, callback=seen.append, backfill=True)
        begun = len(truth.trades)
        while len(truth.trades) == begun:
            truth.go_on(1)
        # Else the first hole begins by our clock, and this market's runs by its steps.
        eventually(lambda: any(isinstance(item, Update) and item.kind == "update" for item in seen))
        outcome = Outcome()
        for number in range(holes):
            truth.go_on(chance.randrange(4))
            mood = chance.choice(("well", "well", "well", "slow", "fails", "down", "late"))
            timer = _put_into(mood, venue, chance, case)
            before = len(truth.trades)
            _away(venue, client, truth, chance)
            outcome.most = max(outcome.most, len(truth.trades) - before)
            eventually(lambda number=number: sum(type(item) is Gap for item in seen) > number)
            # Some markets stand still behind the hole. Then a span ends now, but this market's time runs by its steps.
            behind, still = len(truth.trades), mood in ("well", "slow") and chance.random() < 0.1 and not case.over
            while not still and len(truth.trades) == behind:
                truth.go_on(1)
            truth.go_on(case.over)
            eventually(lambda number=number: sum(type(item) is Filled for item in seen) > number)
            if timer is not None:
                timer.cancel()
                timer.join()
            venue.accept_rest()
            venue.delay_rest(0)
        truth.go_on(3)
        client.ping()
        last = next(reversed(truth.trades.values()))[0]
        eventually(lambda: last in _keys(case, seen[-20:]))
        drained(client)
    judge(outcome, case, seen, list(truth.trades.values()), begun)
    outcome.wrong = [f"{case.name}, {holes} holes, seed {seed!r}: {each}" for each in outcome.wrong]
    return outcome


def _put_into(mood: str, venue: Any, chance: random.Random, case: Case) -> Optional[threading.Timer]:
    if mood == "slow":
        venue.delay_rest(chance.uniform(0.01, 0.2))
    elif mood == "fails":
        venue.fail_rest(chance.choice((500, 503, case.code, None)), times=chance.randrange(1, 4))
    elif mood == "down":
        venue.fail_rest(503)
    elif mood == "late":
        venue.fail_rest(503)
        timer = threading.Timer(chance.uniform(0.05, 0.4), venue.accept_rest)
        timer.start()
        return timer
    return None


def _away(venue: Any, client: Any, truth: Truth, chance: random.Random) -> None:
    venue.refuse_connections()
    venue.drop_connections()
    eventually(lambda: client.state is not State.READY)
    truth.go_on(int(10 ** chance.uniform(0, 3.35)))
    venue.accept_connections()
    eventually(lambda: client.state is State.READY)


def _keys(case: Case, items: List[Any]) -> List[Hashable]:
    """What came, oldest first."""
    found: List[Hashable] = []
    for item in items:
        if isinstance(item, Update):
            data = item.data[::-1] if case.name == "digifinex" else item.data  # newest first in an update
            found += [case.key(trade) for trade in data]
    return found


def judge(outcome: Outcome, case: Case, seen: List[Any], every: List[Tuple[Hashable, int]], begun: int) -> None:
    """Each trade came once, and in its order, or lies in a span that was told. Those without ids came as often as they were
    made; of the moment in which the subscription began nobody knows which were before it."""
    spans: List[Tuple[int, int]] = []
    for item in seen:
        if isinstance(item, Filled):
            outcome.filled += item.count
            outcome.complete += item.complete
            outcome.partial += not item.complete
            if item.missing_from_ns is not None and item.missing_until_ns is not None:
                spans.append((item.missing_from_ns, item.missing_until_ns + 1_000_000))
    got = _keys(case, seen)
    made = collections.Counter(key for key, _ in every)
    came = collections.Counter(got)
    twice = {key: count for key, count in came.items() if count > made[key]}
    if twice:
        outcome.wrong.append(f"{len(twice)} trades came more often than they were made: {list(twice.items())[:2]}")
    places = {key: place for place, (key, _) in enumerate(every)}
    unit = 10**9 if case.over else 1
    order = [every[places[key]][1] // unit for key in got if key in places]
    late = sum(before > after for before, after in zip(order, order[1:]))  # noqa: B905 - not in Python 3.9
    if late:
        outcome.wrong.append(f"{late} trades came before earlier ones")
    last = max((places[key] for key in came if key in places), default=-1)
    first_whole = every[begun][1] // unit if begun < len(every) else 0
    for key, at in every[begun : last + 1]:
        if came[key] > 0:
            came[key] -= 1
        elif not (case.over and at // unit == first_whole):
            outcome.missed += 1
            if not any(low <= at <= high for low, high in spans):
                outcome.wrong.append(f"trade {key} of {at} never came, and lies in none of {len(spans)} spans")
