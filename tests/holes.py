"""What tests of backfills share: connections that are lost, markets that go on meanwhile, and what came of it."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator, List

from dbxsdk import Options, State, Update
from tests.waiting import PATIENCE, eventually

FAST = Options(backoff_initial=0.01, backoff_max=0.02, backfill_timeout=PATIENCE)


@contextlib.contextmanager
def away(venue: Any, client: Any) -> Iterator[None]:
    """The connection is lost, and does not come back meanwhile."""
    venue.refuse_connections()
    venue.drop_connections()
    eventually(lambda: client.state is not State.READY)
    try:
        yield
    finally:
        venue.accept_connections()


def moved(venue: Any, least: int, *market: str) -> None:
    """The market (its symbol, and category if there is one) goes on until there are so many trades more."""
    before = venue.trades(*market)[-1].id
    while sum(trade.id > before for trade in venue.trades(*market)) < least:
        venue.step()


def items(seen: List[Any]) -> List[Any]:
    """The items of all updates."""
    updates = [each for each in seen if isinstance(each, Update)]
    return [item for each in updates for item in (each.data if isinstance(each.data, tuple) else (each.data,))]
