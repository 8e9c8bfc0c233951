"""Bybit: orders, amendments, cancellations and batches whose answers get lost, while REST lags, fails and is slow."""

from __future__ import annotations

import contextlib
import random
import threading
import uuid
from typing import Any, Callable, Dict, Iterator, List

from dbxsdk import ConnectError, Options, OutcomeUnknown, VenueError
from dbxsdk.bybit import BybitTradeClient, rest
from dbxsdk.bybit.trade import certainty
from dbxsdk.sim import BybitVenue
from tests.recovery.accounts import agrees
from tests.recovery.claims import Claims, Verdict

SCALE = 0.1
"""Of the real margin (3 s), and of all lags with it: the argument does not depend on the unit, and a run is over sooner."""

WINDOW_MS = 1000
CLIENTS = 8
_OPTIONS = Options(backoff_initial=0.01, backoff_max=0.05, request_timeout=3.0)


@contextlib.contextmanager
def scaled() -> Iterator[float]:
    """Make the margin shorter, and the client's own budget of requests endless. Gives the margin in seconds."""
    margin, budget, hosts = certainty.MARGIN_MS, rest._BUDGET, rest._hosts
    certainty.MARGIN_MS, rest._BUDGET, rest._hosts = int(margin * SCALE), 10**9, {}
    try:
        yield certainty.MARGIN_MS / 1000
    finally:
        certainty.MARGIN_MS, rest._BUDGET, rest._hosts = margin, budget, hosts


def play(orders: int, threads: int, seed: str) -> Verdict:
    """Place so many orders, and more requests about them, from so many threads."""
    claims = Claims()
    with scaled() as margin, BybitVenue(symbols=["BTCUSDT"], rate=10, seed=random.Random(seed).randrange(1000)) as venue:
        venue.limit_rest(None)
        clients = [venue.client("trade", options=_OPTIONS, recv_window=WINDOW_MS) for _ in range(min(CLIENTS, threads))]
        left = iter(range(orders))
        over = threading.Event()
        storm = threading.Thread(target=_storm, args=(venue, margin, random.Random(f"{seed}:storm"), over))
        workers = [
            threading.Thread(target=_work, args=(clients[n % len(clients)], venue, claims, left, random.Random(f"{seed}:{n}")))
            for n in range(threads)
        ]
        private = venue.client("private", options=_OPTIONS)
        account = private.account(reconcile_every=None, timeout=10)
        for thread in (storm, *workers):
            thread.start()
        for thread in workers:
            thread.join()
        over.set()
        storm.join()
        if not account.wait_ready(30) or not _settles(lambda: agrees(account, venue)):
            claims.add("account", "executed", lambda: False, f"{account!r} differs from the venue's")
        private.close()
        for client in clients:
            client.close()
        verdict = claims.verdict()
        if venue.handler_errors:
            verdict.wrong.append(f"{venue.handler_errors} errors of the venue's own code")
        return verdict


def _settles(predicate: Callable[[], bool]) -> bool:
    """True once it is so: the market goes on, and its updates are on their way."""
    pause = threading.Event()
    return any(predicate() or pause.wait(0.02) for _ in range(500))


def _storm(venue: BybitVenue, margin: float, rng: random.Random, over: threading.Event) -> None:
    """Go from one trouble to the next. History never lags while ``order/realtime`` has just forgotten: that would break what
    the certainty rests on."""
    troubles: List[Callable[[], Any]] = [
        lambda: venue.fail_rest(503, times=rng.randint(1, 40)),
        lambda: venue.fail_rest(None, times=rng.randint(1, 20)),
        lambda: venue.fail_rest(10016, "internal", endpoint=rng.choice(("order/history", "order/realtime", "execution/list"))),
        lambda: venue.fail_rest(10006, "Too many visits!", times=rng.randint(1, 10)),
        lambda: venue.fail_rest(503),
        lambda: venue.delay_rest(rng.uniform(0, margin)),
        lambda: venue.lag_history(rng.uniform(0, margin * 0.9)),
        lambda: venue.hold_answers(),
        lambda: venue.release_answers(rng.randrange(100)),
        lambda: venue.drop_connections(),
        lambda: None,
    ]
    while not over.wait(rng.uniform(0, 3 * margin)):
        if rng.random() < 0.15:
            venue.lag_history(0)
            venue.forget_closed()
            over.wait(1.2 * margin)
        else:
            rng.choice(troubles)()
        if rng.random() < 0.5:
            venue.accept_rest()
            venue.delay_rest(0)
            venue.release_answers()
    venue.accept_rest()
    venue.release_answers()


def _work(client: BybitTradeClient, venue: BybitVenue, claims: Claims, left: Iterator[int], rng: random.Random) -> None:
    for _ in left:
        price = str(int(venue.book("BTCUSDT", depth=1)["bids"][0][0]) - rng.choice((-30, 0, 1, 2, 400)))
        link = f"r-{uuid.UUID(int=rng.getrandbits(128)).hex[:30]}"
        order = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.01", "price": price, "orderLinkId": link}
        if rng.random() < 0.15:
            _batch(client, venue, claims, order, rng)
        elif _ask(client, venue, claims, rng, "create", _exists(venue, link), lambda each=order: client.place_order(
            category="linear", **each, timeout=_patience(rng)
        )):
            _change(client, venue, claims, link, rng)


def _patience(rng: random.Random) -> float:
    return rng.choice((0.02, 0.3, 2.0))


def _change(client: BybitTradeClient, venue: BybitVenue, claims: Claims, link: str, rng: random.Random) -> None:
    named: Dict[str, Any] = {"category": "linear", "symbol": "BTCUSDT", "orderLinkId": link}
    if rng.random() < 0.5:
        size = f"0.0{rng.randint(200, 999)}"
        amended = lambda: any(str(each.size.normalize()) == size.rstrip("0") for each in _of(venue, link))  # noqa: E731
        _ask(client, venue, claims, rng, "amend", amended, lambda: client.amend_order(**named, qty=size, timeout=_patience(rng)))
    if rng.random() < 0.7:
        cancelled = lambda: any(each.cancel_type == "CancelByUser" for each in _of(venue, link))  # noqa: E731
        _ask(client, venue, claims, rng, "cancel", cancelled, lambda: client.cancel_order(**named, timeout=_patience(rng)))


def _batch(client: BybitTradeClient, venue: BybitVenue, claims: Claims, order: Dict[str, Any], rng: random.Random) -> None:
    rows = [{**order, "orderLinkId": f"{order['orderLinkId']}-{number}"} for number in range(rng.randint(1, 5))]
    rows[-1]["price"] = rng.choice((order["price"], "9000000"))
    true = [_exists(venue, row["orderLinkId"]) for row in rows]
    try:
        _trouble(venue, rng)
        result = client.place_batch_order("linear", rows, timeout=_patience(rng))
    except OutcomeUnknown as error:
        for each, happened in zip(client.resolve(error, timeout=_time(rng)), true):  # noqa: B905 - as many
            claims.resolved("batch", each, happened)
    except (ConnectError, VenueError):
        for happened in true:
            claims.add("batch", "not_executed", happened)
    else:
        for one, happened in zip(result, true):  # noqa: B905 - as many
            claims.add("batch", "executed" if one.ok else "not_executed", happened)


def _ask(
    client: BybitTradeClient,
    venue: BybitVenue,
    claims: Claims,
    rng: random.Random,
    kind: str,
    true: Callable[[], bool],
    do: Callable[[], Any],
) -> bool:
    """Make one request. True if it was, or was found, executed."""
    try:
        _trouble(venue, rng)
        do()
        claims.add(kind, "executed", true)
        return True
    except OutcomeUnknown as error:
        found = client.resolve(error, timeout=_time(rng))
        claims.resolved(kind, found, true)
        return bool(found.outcome == "executed")
    except (ConnectError, VenueError):
        claims.add(kind, "not_executed", true)
        return False


def _trouble(venue: BybitVenue, rng: random.Random) -> None:
    if rng.random() < 0.5:
        venue.drop_after_next_request(executed=rng.random() < 0.5)


def _time(rng: random.Random) -> float:
    return rng.choice((0.0, 8.0, 15.0, 15.0, 15.0, 15.0))  # with 0 nothing can be found out


def _of(venue: BybitVenue, link: str) -> List[Any]:
    order = venue._desk.find("", link)
    return [] if order is None else [order]


def _exists(venue: BybitVenue, link: str) -> Callable[[], bool]:
    return lambda: bool(_of(venue, link))
