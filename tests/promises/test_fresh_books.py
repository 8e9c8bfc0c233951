"""A book is fresh only while its topic is subscribed at the venue and nothing was missed since its last whole book.

Once a book said "not stale" for ever of a topic that the venue had ended, and the staleness of a renewal reached nobody.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, List, Optional, Tuple

import pytest

from dbxsdk import Refused, SubscribeError
from tests.promises.venues import (
    Document,
    Held,
    Link,
    ScriptedVenue,
    bybit_refusing,
    bybit_yes,
    book,
    cryptomus_no,
    cryptomus_yes,
    depth,
    listening,
)
from tests.waiting import PATIENCE, Background, Recorder, eventually

BTC, ETH = "orderbook.1.BTCUSDT", "depth.ETH_USDT:0"


class CryptomusThatReplaces:
    """Takes the last list in place of the one before; one with ETH is refused, and then nothing is subscribed."""

    def __init__(self) -> None:
        self.subscribed: Tuple[str, ...] = ()

    def __call__(self, link: Link, document: Document) -> Any:
        if document["method"] == "depth_unsubscribe":
            self.subscribed = ()
        if document["method"] != "depth_subscribe":
            return cryptomus_yes(link, document)
        names = document["params"]
        self.subscribed = () if "ETH_USDT:0" in names else tuple(names)
        if not self.subscribed:
            return cryptomus_no(link, document)
        return [cryptomus_yes(link, document), *(depth(name.partition(":")[0], bid="90") for name in names)]


class Watched:
    """What a book's callbacks saw: why it was stale, each time."""

    def __init__(self, book: Any) -> None:
        self.reasons: List[Optional[str]] = []
        book.on_update(lambda book: self.reasons.append(book.stale_reason))

    def wait_stale(self) -> str:
        return str(eventually(lambda: next((reason for reason in self.reasons if reason is not None), None)))


def with_snapshot(link: Link, document: Document) -> Any:
    """Grants everything, and begins a book of depth 1."""
    answer = bybit_yes(link, document)
    return [answer, book("BTCUSDT", 10 * link.number)] if document["op"] == "subscribe" else answer


# -- a union that is refused -------------------------------------------------------------------------------------------


def test_a_refused_union_makes_the_other_markets_book_stale_until_it_is_subscribed_again() -> None:
    rules = CryptomusThatReplaces()
    with ScriptedVenue(rules) as venue, venue.cryptomus() as client:
        first = client.order_book("BTC_USDT")
        assert first.wait_ready(PATIENCE)
        watched = Watched(first)
        # The union is answered, and the request after it is not: the venue has nothing subscribed.
        holding = venue.answer = Held(rules, "depth_subscribe", let_pass=1)
        second = Background(client.order_book, "ETH_USDT", timeout=2.0)
        link, document = holding.wait()
        assert not rules.subscribed
        eventually(lambda: first.is_stale)
        assert first.stale_reason and watched.wait_stale() and first.snapshot().is_stale
        venue.answer = rules
        link.send(*rules(link, document))
        assert isinstance(second.error(), SubscribeError) and second.error().topics == (ETH,)
        # Refused together with the other once more, it is asked for by itself at last.
        eventually(lambda: rules.subscribed == ("BTC_USDT:0",))
        assert first.wait_ready(PATIENCE) and first.best_bid == (Decimal(90), Decimal(1))


def test_a_book_whose_market_is_refused_from_then_on_stays_stale() -> None:
    with ScriptedVenue(lambda link, document: [cryptomus_yes(link, document), depth("BTC_USDT")]) as venue:
        with listening(venue.cryptomus()) as (client, seen):
            first = client.order_book("BTC_USDT")
            assert first.wait_ready(PATIENCE)
            watched = Watched(first)
            venue.answer = lambda link, document: (
                cryptomus_no if document["method"].startswith("depth_") else cryptomus_yes
            )(link, document)
            with pytest.raises(SubscribeError):
                client.order_book("ETH_USDT")
            assert "depth.BTC_USDT:0" in seen.wait_for(Refused).topics
            assert first.is_stale and first.stale_reason and watched.wait_stale()
            assert not first.wait_ready(0)


def test_a_book_that_is_refused_at_a_reconnect_says_why_and_comes_back_with_the_next() -> None:
    with ScriptedVenue(with_snapshot) as venue, listening(venue.bybit()) as (client, seen):
        first = client.order_book("BTCUSDT", depth=1)
        assert first.wait_ready(PATIENCE)
        venue.answer = bybit_refusing(BTC)
        venue.link().cut()
        seen.wait_for(Refused)
        assert first.is_stale and "handler not found" in str(first.stale_reason)
        # A late update of a topic that is not subscribed freshens nothing.
        venue.link().send(book("BTCUSDT", 15))
        client.ping()
        assert first.is_stale
        venue.answer = with_snapshot
        venue.link().cut()
        assert first.wait_ready(PATIENCE) and first.update_id == 30


# -- renewals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["before", "after"], ids=lambda at: f"{at}-the-answer-to-the-unsubscription")
def test_a_snapshot_under_way_does_not_freshen_a_book_whose_renewal_is_refused(at: str) -> None:
    with ScriptedVenue(with_snapshot) as venue, venue.bybit() as client:
        first = client.order_book("BTCUSDT", depth=1)
        assert first.wait_ready(PATIENCE)
        holding = venue.answer = Held(bybit_refusing(BTC), "unsubscribe")
        second = Background(client.order_book, "BTCUSDT", depth=1, timeout=2.0)
        link, document = holding.wait()
        pair = [book("BTCUSDT", 11), bybit_yes(link, document)]
        link.send(*(pair if at == "before" else reversed(pair)))
        assert isinstance(second.error(), SubscribeError)
        client.ping()
        assert first.is_stale, "the venue has nothing subscribed"
        assert first.stale_reason


def test_the_staleness_of_a_renewal_reaches_on_update() -> None:
    with ScriptedVenue(with_snapshot) as venue, venue.bybit() as client:
        first = client.order_book("BTCUSDT", depth=1)
        assert first.wait_ready(PATIENCE)
        watched = Watched(first)
        version = first.snapshot().version
        holding = venue.answer = Held(with_snapshot, "unsubscribe")
        second = Background(client.order_book, "BTCUSDT", depth=1)
        link, document = holding.wait()
        assert watched.wait_stale() and first.is_stale
        assert first.wait_update(0, after=version), "a loop of wait_update sees it, too"
        venue.answer = with_snapshot
        link.send(bybit_yes(link, document))
        assert second.result().wait_ready(PATIENCE) and first.wait_ready(PATIENCE)
        eventually(lambda: watched.reasons[-1] is None)


def test_the_staleness_of_a_renewal_reaches_on_update_inline() -> None:
    seen = Recorder()

    with ScriptedVenue(with_snapshot) as venue, venue.bybit(dispatch="inline") as client:
        first = client.order_book("BTCUSDT", depth=1)
        assert first.wait_ready(PATIENCE)
        first.on_update(lambda book: seen(book.stale_reason))
        holding = venue.answer = Held(with_snapshot, "unsubscribe")
        second = Background(client.order_book, "BTCUSDT", depth=1)
        link, document = holding.wait()
        link.send(bybit_yes(link, document))
        assert second.result().wait_ready(PATIENCE)
        eventually(lambda: None in seen.items)
        assert seen.items[0] is not None and seen.items[-1] is None
