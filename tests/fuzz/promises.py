"""What every protocol promises of every frame, put to the test: all that a session and its users would do with it."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any, List, Sequence, Tuple

import attrs

from dbxsdk.errors import DbxError, ProtocolError, UnreadableField, VenueError
from dbxsdk.models import Update
from dbxsdk.protocol import Acknowledgement, Inbound, Protocol, Push, Reply, Request
from tests.fed_book import FedBook
from tests.fuzz.documents import KEY, NOW_MS, SECRET, Socket

LONGEST_WORDS = 4_200
"""Characters of an error's text and representation, which doubles backslashes: what is cleaned has 2,000."""
_KINDS = ("snapshot", "delta", "update")


def receive(protocol: Protocol, payload: bytes, binary: bool) -> Sequence[Inbound]:
    """What the frame means; nothing where it is a bad one."""
    try:
        inbound = protocol.receive(payload, binary)
    except ProtocolError as error:
        check_words(error)
        return ()
    assert isinstance(inbound, (list, tuple))
    for item in inbound:
        assert isinstance(item, (Push, Reply))
    return inbound


def check_words(error: BaseException) -> None:
    words = f"{error} {error!r}"
    assert not isinstance(error, DbxError) or (len(words) <= 2 * LONGEST_WORDS and words.isprintable())
    assert KEY not in words and SECRET not in words


def check_kept(error: BaseException) -> None:
    """An event may wait for long: its error keeps nothing alive that the frame was made into."""
    assert error.__traceback__ is error.__cause__ is error.__context__ is None
    check_words(error)


def check_push(push: Push) -> bool:
    """Whether it can be read, every field of it."""
    assert isinstance(push.topic, str) and isinstance(push.channel, str) and isinstance(push.symbol, str)
    assert push.kind in _KINDS
    assert push.venue_time_ms is None or type(push.venue_time_ms) is int
    try:
        data = push.read(push.payload)
    except ProtocolError as error:
        check_words(error)
        return False
    update = Update("venue", push.channel, push.symbol, push.kind, data, push.venue_time_ms, 0, push.document)
    good = _look_at(data)
    if good:
        assert repr(update)
    return good


def _look_at(value: Any) -> bool:
    """Reads every field of every model; others raise nothing at all."""
    if isinstance(value, tuple):
        return all([_look_at(item) for item in value])
    if not attrs.has(type(value)):
        assert not isinstance(value, Decimal) or value.is_finite()
        assert not isinstance(value, float) or math.isfinite(value)
        return True
    good = True
    for field in attrs.fields(type(value)):
        try:
            item = getattr(value, field.name)
        except UnreadableField as error:
            assert error.model is value
            check_words(error)
            good = False
        else:
            good = _look_at(item) and good
    return good


def check_reply(protocol: Protocol, reply: Reply, requests: Sequence[Request]) -> None:
    """What it would mean to each of ``requests``, whether or not it names it."""
    hash(reply.key)
    assert reply.kind is None or isinstance(reply.kind, str)
    assert reply.topics is None or all(isinstance(topic, str) for topic in reply.topics)
    for request in requests:
        try:
            assert repr(protocol.conclude(request, reply))
        except (VenueError, ProtocolError) as error:
            check_words(error)
        check_acknowledgement(protocol, request, protocol.acknowledge(request, reply))
    for request in protocol.login(NOW_MS)[:1]:
        try:
            further = protocol.login_answered(request, reply, NOW_MS)
        except VenueError as error:
            check_words(error)
        else:
            for next_ in further:
                answer_login(protocol, next_, reply)


def answer_login(protocol: Protocol, request: Request, reply: Reply) -> None:
    try:
        protocol.login_answered(request, reply, NOW_MS + 10)
    except VenueError as error:
        check_words(error)


def check_acknowledgement(protocol: Protocol, request: Request, said: Acknowledgement) -> None:
    assert isinstance(said, Acknowledgement)
    assert set(said.accepted).isdisjoint(said.refused)
    for error in said.refused.values():
        assert isinstance(error, VenueError)
        check_words(error)
    for again in said.retry:
        assert isinstance(again, Request) and again.key != request.key


class Books:
    """A book for each of a socket's rules, fed with everything."""

    def __init__(self, socket: Socket) -> None:
        self.asked = 0
        self._books: List[Tuple[FedBook, int]] = [
            (FedBook("ANY", rule, resynchronise=self._ask, close=lambda: None, waiting=_waiting), rule.most_levels)
            for rule in socket.rules
        ]

    def _ask(self) -> None:
        self.asked += 1

    def take(self, push: Push) -> None:
        for book, most in self._books:
            try:
                book.handle(push)
            except ProtocolError as error:
                check_words(error)
                assert book.is_stale
            book.notify()
            bids, asks = book.bids(), book.asks()
            assert len(bids) <= 2 * most and len(asks) <= 2 * most
            assert bids == sorted(bids, reverse=True) and asks == sorted(asks)
            assert all(price.is_finite() and 0 < size for price, size in bids + asks)
            if not book.is_stale and not book.is_crossed:
                assert book.best_bid == (bids[0] if bids else None) and book.best_ask == (asks[0] if asks else None)
            assert repr((book, book.mid, book.spread, book.snapshot(), book.stats(), book.vwap("asks", 1), book.depth("bids", 1)))


def _waiting(timeout: Any) -> Any:
    raise DbxError("nobody waits here")
