"""The exceptions of the SDK: one tree, cut by what the caller may do next.

::

    DbxError
    +-- TransportError            no answer: something between here and the venue
    |   +-- ConnectError          nothing was sent
    |   +-- ClientClosed          nothing was sent
    |   +-- ConnectionLost        sent, no answer (also an OutcomeUnknown)
    +-- OutcomeUnknown            sent, no answer: ask the venue before trying again
    |   +-- RequestTimeout        also a built-in TimeoutError
    |   +-- ConnectionLost
    |   +-- UnreadableReply       also a ProtocolError
    +-- VenueError                the venue answered, and the answer says no
    |   +-- AuthError
    |   +-- SubscribeError
    |   +-- RateLimited
    +-- ProtocolError             a frame that does not follow the venue's documents
    |   +-- UnreadableField       found when the field was accessed
    +-- WrongThreadError          a blocking call on the thread that has to read its answer
    +-- RecordingError            a file that cannot be recorded to, or replayed

Wrong arguments raise the built-in ``ValueError`` and ``TypeError``, before any I/O.
"""

from __future__ import annotations

import copy
from typing import Any, Optional, Tuple, TypeVar

from dbxsdk.cleaning import clean
from dbxsdk.credentials import redacted

E = TypeVar("E", bound=BaseException)


class DbxError(Exception):
    """Root of every exception that this package raises on purpose. Its text, which may quote a venue, is one printable line of
    at most 2,000 characters."""

    def __init__(self, message: str = "") -> None:
        super().__init__(clean(message))


class TransportError(DbxError):
    """No answer, because of the network or the end of the connection."""


class ConnectError(TransportError):
    """There is no connection, and nothing was sent. A retry is safe.

    The message says which step failed (name look-up, TCP, proxy, TLS, handshake) and what to check.

    Attributes:
        retry_after: seconds that the venue asked the client to wait, or None.
    """

    def __init__(self, message: str, *, retry_after: Optional[float] = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ClientClosed(TransportError):
    """The client was closed before the request was sent. A retry, on a new client, is safe."""


class ProtocolError(DbxError):
    """A frame that cannot be read as the venue's documents describe it. The connection lives on."""


class UnreadableField(ProtocolError):
    """A field of an update's model could not be read when it was accessed. If it leaves the callback that got the update, a
    ``BadFrame`` reports it. There is nothing to retry.

    Attributes:
        model: the model that the field is of.
    """

    def __init__(self, message: str, *, model: Any = None) -> None:
        super().__init__(message)
        self.model = model


class OutcomeUnknown(DbxError):
    """The request was sent and no answer came: the venue may or may not have carried it out.

    A retry is **not** safe for anything that changes state. Ask the venue first.

    Attributes:
        request_id: the id that went out with the request.
        order_link_id: the caller's own id of the order, if the request was about one; else None.
        order_link_ids: the same of each order of a batch.
    """

    def __init__(self, message: str, *, request_id: Any = None, order_link_id: Optional[str] = None) -> None:
        super().__init__(message)
        self.request_id = request_id
        self.order_link_id = order_link_id
        self.order_link_ids: Tuple[str, ...] = ()


class RequestTimeout(OutcomeUnknown, TimeoutError):
    """No answer within the request's timeout. A retry is safe only for requests that change nothing."""


class ConnectionLost(TransportError, OutcomeUnknown):
    """The connection ended after the request was sent and before its answer came.

    A retry is safe only for requests that change nothing.
    """


class UnreadableReply(OutcomeUnknown, ProtocolError):
    """The answer came, but not in a form that the venue's documents describe: it says neither yes nor no.

    A retry is safe only for requests that change nothing. The message says what is wrong with the answer.
    """


class VenueError(DbxError):
    """The venue answered, and said no. The request had no effect (if that is not certain, the error is also an
    ``OutcomeUnknown``); a retry will be refused again unless something changed.

    Attributes:
        code: the venue's code (int or str), or None if it sends none.
        message: the venue's text, as the venue wrote it but for secrets; ``str(error)`` is fit for logs and terminals.
        reply: the whole decoded reply, or None if the refusal was not a frame (HTTP).
    """

    def __init__(self, message: str, *, code: Any = None, reply: Any = None) -> None:
        super().__init__(message if code is None else f"{clean(message, 1500)} (code {clean(code, 100)})")
        self.message = redacted(message)
        self.code = redacted(code) if isinstance(code, str) else code
        self.reply = reply


class AuthError(VenueError):
    """The venue refused the credentials, or this address. A retry is useless before the key, its rights or its address
    list are corrected.

    From a connection or a login it is final: the client ends, and every later call raises it. As the answer to a
    single request (a key without the right to trade) it concerns that request only.
    """


class SubscribeError(VenueError):
    """The venue refused topics. The other topics of the same call stay subscribed.

    A retry of the refused topics is harmless, and will be refused again unless they are corrected.

    Attributes:
        topics: tuple of the refused topics, in the venue's own names.
        subscription: the ``Subscription`` that holds what was accepted, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        topics: Tuple[str, ...] = (),
        subscription: Any = None,
        code: Any = None,
        reply: Any = None,
    ) -> None:
        super().__init__(message, code=code, reply=reply)
        self.topics = topics
        self.subscription = subscription


class RateLimited(VenueError):
    """The venue refused because of its rate limits; nothing was done. A retry is safe, later."""


class WrongThreadError(DbxError):
    """A blocking call on the thread that would have to read its answer. Nothing was sent.

    Use ``dispatch="thread"`` (the default), ``submit``, or a thread of your own.
    """


class RecordingError(DbxError):
    """A recording cannot be read, or cannot be made at that place. The message names the file. A retry does not help."""


def without_frames(error: E) -> E:
    """Take the tracebacks off ``error`` and what led to it, and return it: the variables in their frames, which reporters of
    errors show, hold addresses, headers and passwords, also those of libraries."""
    each: Optional[BaseException] = error
    while each is not None:
        each.__traceback__ = None
        each = each.__cause__ or each.__context__
    return error


def fresh(error: E) -> E:
    """Return a copy to raise: one instance raised again and again would grow its traceback for ever."""
    duplicate = copy.copy(error)
    # copy() goes through the constructor, which would add the code to the message a second time.
    duplicate.args = error.args
    duplicate.__cause__ = error.__cause__
    return duplicate.with_traceback(None)
