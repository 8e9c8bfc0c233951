"""The end of a run: the venue is quiet and answers, and everything has to come right by itself."""

from __future__ import annotations

from typing import Optional

from dbxsdk.session.core.requests import Role
from dbxsdk.session.core.topics import Status
from tests.machine.acts import agree_to_all
from tests.machine.broken import Broken
from tests.machine.dialects import BAD
from tests.machine.driver import Driver
from tests.machine.venue import ListVenue

_PATIENCE = 400.0
"""Seconds: a book that is asked for again and again waits up to a minute between two requests."""
_STEP = 0.25


def settle(driver: Driver) -> None:
    """Let it come right, and look whether it has."""
    _calm(driver)
    link = driver.machine.link
    limit = driver.now + _PATIENCE
    wrong: Optional[str] = "nothing"
    while wrong is not None and not link.state.is_over:
        if driver.now >= limit:
            raise Broken("it converges", f"after {_PATIENCE:.0f} s: {wrong}")
        _serve(driver)
        driver.pass_time(_STEP)
        driver.promises.acted()
        _serve(driver)
        wrong = _wrong(driver)
    if not link.state.is_over:
        _trade_all(driver)
        driver.close()
        driver.promises.acted()
    while driver.threads is not None and driver.now < limit + 10:
        driver.pass_time(_STEP)
    driver.promises.acted()
    driver.promises.check(driver.threads is None, "the end ends", f"the reader is {driver.threads and driver.threads.phase}")
    driver.promises.check(not driver.calls, "the end ends", f"{[call.what for call in driver.calls]} wait still")


def _calm(driver: Driver) -> None:
    driver.holds_back = driver.closes_between = False
    driver.forks_after = driver.interrupts_after = None
    driver.refuses_from = None
    driver.heartbeats = "at once"
    driver.venue.held.clear()
    wire = driver.wire
    if wire is not None:
        wire.deaf, wire.fate = False, ""
        if wire.busy_since is not None:
            wire.busy_since, wire.free_since = None, driver.now


def _serve(driver: Driver) -> None:
    """Connect and answer whatever there is."""
    threads = driver.threads
    if threads is None:
        if not driver.machine.link.state.is_over and driver.machine.topics.names():
            driver.open(20.0)
        return
    if threads.phase == "begun":
        driver.connect()
    if threads.phase == "connecting" and driver.wire is not None and not driver.wire.stopped:
        driver.opened()
    for topic in driver.machine.topics.watched():  # or they would be subscribed again and again
        for market in driver.venue.markets_of(topic.name):
            driver.venue.trade(market)
    agree_to_all(driver)
    driver.run_calls()
    if driver.wire is not None:
        driver.wire.last_byte = driver.now  # a venue that is quiet, not one that is dead


def _wrong(driver: Driver) -> Optional[str]:
    """What has not come right yet."""
    machine = driver.machine
    names = machine.topics.names()
    if driver.calls:
        return f"{driver.calls[0].what} waits"
    if not names and driver.threads is None:
        return None
    if not machine.link.ready:
        return f"the client is {machine.link.state.value}"
    roles = (Role.USER, Role.LOGIN, Role.SUBSCRIBE, Role.UNSUBSCRIBE)
    flying = [entry.request.kind for role in roles for entry in machine.requests.of_role(role)]
    if flying or machine.requests.unsent:
        return f"{flying} are under way"
    for name in names:
        topic = machine.topics.get(name)
        assert topic is not None
        if topic.status is Status.REFUSED:
            continue
        if topic.status is not Status.LIVE:
            return f"{name} is {topic.status.name}"
        if topic.hole is not None:
            return f"{name} has a hole of which nobody was told"
        for market in driver.venue.markets_of(name):
            if not driver.venue.has(market):
                return f"{name} is live, and the venue does not have it"
    for subscriber in driver.subscribers:
        book = subscriber.book
        if book is not None and subscriber.returned and subscriber.subscription.active and not book.fresh:
            topic = machine.topics.get(subscriber.topics[0])
            if topic is None or topic.status is not Status.REFUSED:
                return f"the book of {subscriber.topics[0]} is not fresh: {book.state.stale_reason}"
    return _surplus(driver)


def _surplus(driver: Driver) -> Optional[str]:
    """What the venue sends and nobody wants; unless it was told to end it and went on, or never said that it began."""
    venue = driver.venue
    unanswered = [entry.request for entry, wire in driver.promises.unanswered.items() if wire is driver.wire]
    unknown = [name for request in unanswered for name in request.topics]
    wanted = {market for name in (*driver.machine.topics.names(), *unknown) for market in venue.markets_of(name)}
    surplus = [market for market in venue.markets if venue.has(market) and market not in wanted]
    if surplus and not venue.ignored and not driver.setting.endless and not isinstance(venue, ListVenue):
        return f"nobody wants {surplus}, and the venue was not told"
    return None


def _trade_all(driver: Driver) -> None:
    """One more update of each market comes to everybody who follows it, whatever is missing was told."""
    for market in driver.venue.markets:
        driver.venue.trade(market)
    agree_to_all(driver)
    driver.run_calls()
    driver.promises.acted()
    for subscriber in driver.subscribers:
        for (name, market), follower in subscriber.followers.items():
            topic = driver.machine.topics.get(name)
            if name in subscriber.subscription.topics and topic is not None and topic.status is Status.LIVE:
                number = driver.venue.numbers[market]
                got = f"{market} of {name}: {follower.last}, not {number}"
                driver.promises.check(follower.last == number, "live topics flow", got)


__all__ = ["BAD", "settle"]
