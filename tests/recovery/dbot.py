"""DBot: tasks whose answers get lost, equal ones among them, while REST fails and is slow."""

from __future__ import annotations

import collections
import random
import threading
from typing import Any, Callable, Iterator, List, Set, Tuple

from dbxsdk import ConnectError, Options, OutcomeUnknown, VenueError
from dbxsdk.dbot import DBotTradeClient
from dbxsdk.sim import DBotVenue
from tests.recovery.claims import Claims, Verdict

_OPTIONS = Options(backoff_initial=0.01, backoff_max=0.05, request_timeout=3.0)
_WALLET = "local-wallet-1"


def play(orders: int, threads: int, seed: str) -> Verdict:
    """Make so many requests from so many threads of one client: nobody else's tasks can be told from its own."""
    claims = Claims()
    with DBotVenue(rate=20, seed=random.Random(seed).randrange(1000)) as venue:
        wallet = next(iter(venue._tasks.wallets))
        client = venue.client(options=_OPTIONS)
        client.open()
        left = iter(range(orders))
        over = threading.Event()
        counts = _Counts()
        storm = threading.Thread(target=_storm, args=(venue, random.Random(f"{seed}:storm"), over))
        workers = [
            threading.Thread(target=_work, args=(client, venue, wallet, claims, counts, left, random.Random(f"{seed}:{n}")))
            for n in range(threads)
        ]
        for thread in (storm, *workers):
            thread.start()
        for thread in workers:
            thread.join()
        over.set()
        storm.join()
        client.close()
        verdict = claims.verdict()
        verdict.wrong += counts.wrong(venue)
        if venue.handler_errors:
            verdict.wrong.append(f"{venue.handler_errors} errors of the venue's own code")
        return verdict


class _Counts:
    """How many tasks of each size were said to be there, and which ids were named."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: List[Tuple[str, str]] = []

    def add(self, amount: str, task: str = "") -> None:
        with self._lock:
            self._said.append((amount, task))

    def wrong(self, venue: DBotVenue) -> List[str]:
        tasks = venue.tasks("limit")
        found = []
        named = [task for _, task in self._said if task]
        if len(named) != len(set(named)):
            found.append("one task was named as that of two requests")
        for amount, said in collections.Counter(each for each, _ in self._said).items():
            true = sum(str(task["currencyAmountUI"]) == amount for task in tasks.values())
            if said > true:
                found.append(f"{said} tasks of {amount} were said to be there, of {true}")
        found += [f"task {task} is not of {amount}" for amount, task in self._said if task and tasks.get(task, {}).get(
            "currencyAmountUI") != amount]
        return found


def _storm(venue: DBotVenue, rng: random.Random, over: threading.Event) -> None:
    troubles: List[Callable[[], Any]] = [
        lambda: venue.fail_rest(503, times=rng.randint(1, 20)),
        lambda: venue.fail_rest(None, times=rng.randint(1, 20)),
        lambda: venue.delay_rest(rng.uniform(0, 0.2)),
        lambda: venue.hold_answers(),
        lambda: venue.hold_answers(),
        lambda: venue.release_answers(),
        lambda: venue.drop_connections(),
        lambda: venue.go_silent(rng.uniform(0, 0.2)),
    ]
    while not over.wait(rng.uniform(0, 0.2)):
        rng.choice(troubles)()
        if rng.random() < 0.4:
            venue.accept_rest()
            venue.delay_rest(0)
            venue.release_answers()
    venue.resume()
    venue.accept_rest()
    venue.release_answers()


def _work(
    client: DBotTradeClient,
    venue: DBotVenue,
    wallet: str,
    claims: Claims,
    counts: _Counts,
    left: Iterator[int],
    rng: random.Random,
) -> None:
    for number in left:
        # Every third has equals.
        amount = str(rng.randint(1, 20)) if number % 3 == 0 else f"{number + 100}.5"
        setting = {"tradeType": "buy", "triggerPriceUsd": "0.0000001", "triggerDirection": "down", "enabled": True}
        task = ""
        timeout, patience = rng.choice((0.02, 0.1, 1.0)), rng.choice((0.0, 3.0, 6.0))
        try:
            made = client.create_limit_order(
                chain="solana",
                pair=venue.pairs[0].pair,
                wallet_id=wallet if rng.random() < 0.9 else "nobody's",
                settings=[{**setting, "currencyAmountUI": amount}],
                timeout=timeout,
            )
            (task,) = made["ids"]
            counts.add(amount, task)
        except OutcomeUnknown as error:
            (found,) = client.resolve(error, timeout=patience)
            if found.outcome == "executed":
                task = found.order["id"] if found.order is not None else ""
                counts.add(amount, task)
            true: Set[str] = set() if number % 3 == 0 else {amount}
            if true:
                claims.resolved("create", found, lambda sizes=true: bool(_with(venue, sizes)))  # type: ignore[misc]
        except (ConnectError, VenueError):
            if number % 3:
                claims.add("create", "not_executed", lambda size=amount: bool(_with(venue, {size})))  # type: ignore[misc]
        if task:
            _switch(client, venue, claims, task, rng)


def _with(venue: DBotVenue, sizes: Set[str]) -> List[str]:
    return [id_ for id_, task in venue.tasks("limit").items() if str(task["currencyAmountUI"]) in sizes]


def _switch(client: DBotTradeClient, venue: DBotVenue, claims: Claims, task: str, rng: random.Random) -> None:
    def true() -> bool:
        return venue.tasks("limit")[task]["enabled"] is False

    try:
        client.update_limit_order(task, enabled=False, timeout=rng.choice((0.01, 0.1, 1.0)))
        claims.add("update", "executed", true)
    except OutcomeUnknown as error:
        claims.resolved("update", client.resolve(error, timeout=rng.choice((0.0, 3.0, 6.0))), true)
    except (ConnectError, VenueError):
        claims.add("update", "not_executed", true)
