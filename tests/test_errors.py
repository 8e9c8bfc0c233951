"""The tree of exceptions: what callers may catch, and what each carries."""

from __future__ import annotations

import inspect
import pickle
import traceback
from typing import Any, Type

import pytest

import dbxsdk
from dbxsdk import errors
from dbxsdk.errors import fresh

TREE = {
    "TransportError": ["DbxError"],
    "ConnectError": ["TransportError"],
    "ClientClosed": ["TransportError"],
    "OutcomeUnknown": ["DbxError"],
    "RequestTimeout": ["OutcomeUnknown", "TimeoutError"],
    "ConnectionLost": ["TransportError", "OutcomeUnknown"],
    "ProtocolError": ["DbxError"],
    "UnreadableField": ["ProtocolError"],
    "UnreadableReply": ["OutcomeUnknown", "ProtocolError"],
    "VenueError": ["DbxError"],
    "AuthError": ["VenueError"],
    "SubscribeError": ["VenueError"],
    "RateLimited": ["VenueError"],
    "WrongThreadError": ["DbxError"],
    "RecordingError": ["DbxError"],
    "DbxError": ["Exception"],
}


def test_the_tree_is_the_promised_one_and_importable_from_the_top() -> None:
    classes = {
        name: [base.__name__ for base in value.__bases__]
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert classes == TREE
    assert all(getattr(dbxsdk, name) is getattr(errors, name) for name in TREE)


@pytest.mark.parametrize("name", [name for name in TREE if name not in ("DbxError", "TransportError", "ProtocolError")])
def test_every_exception_says_whether_a_retry_is_safe(name: str) -> None:
    own = inspect.getdoc(getattr(errors, name)) or ""
    assert name == "WrongThreadError" or "retry" in own.lower()


def test_what_was_never_sent_is_not_an_unknown_outcome() -> None:
    for never_sent in (errors.ConnectError, errors.ClientClosed, errors.WrongThreadError, errors.VenueError):
        assert not issubclass(never_sent, errors.OutcomeUnknown)


def test_attributes() -> None:
    assert errors.ConnectError("x").retry_after is None
    assert errors.ConnectError("x", retry_after=2.0).retry_after == 2.0
    for kind in (errors.OutcomeUnknown, errors.RequestTimeout, errors.ConnectionLost):
        error = kind("x", request_id=5, order_link_id="mine")
        assert (str(error), error.request_id, error.order_link_id) == ("x", 5, "mine")
        assert kind("x").request_id is None
    refusal = errors.SubscribeError("no", topics=("a",), subscription="s", code=3, reply={"r": 1})
    assert (refusal.topics, refusal.subscription, refusal.code, refusal.message, refusal.reply) == (
        ("a",),
        "s",
        3,
        "no",
        {"r": 1},
    )
    assert str(refusal) == "no (code 3)"
    assert str(errors.VenueError("no")) == "no"


EXAMPLES = [
    errors.ConnectError("x", retry_after=3.0),
    errors.ClientClosed("x"),
    errors.RequestTimeout("x", request_id=5, order_link_id="mine"),
    errors.ConnectionLost("x", request_id=5),
    errors.VenueError("no", code="A1", reply={"code": "A1"}),
    errors.AuthError("no", code=403),
    errors.SubscribeError("no", topics=("a", "b"), code=1),
    errors.RateLimited("slow", code=2),
    errors.ProtocolError("bad"),
    errors.WrongThreadError("here"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_a_fresh_copy_says_the_same_and_shares_no_traceback(error: Any) -> None:
    error.__cause__ = OSError("below")
    try:
        raise error
    except errors.DbxError:
        pass
    copy = fresh(error)
    assert type(copy) is type(error)
    assert copy is not error
    assert (str(copy), copy.args, vars(copy)) == (str(error), error.args, vars(error))
    assert copy.__cause__ is error.__cause__
    assert copy.__traceback__ is None and error.__traceback__ is not None


def test_raising_fresh_copies_does_not_grow_the_traceback() -> None:
    original = errors.ConnectError("x")
    lengths = set()
    for _ in range(5):
        try:
            raise fresh(original)
        except errors.ConnectError as error:
            lengths.add(len(traceback.extract_tb(error.__traceback__)))
    assert lengths == {1}


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_exceptions_cross_a_process_boundary(error: Any) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))


@pytest.mark.parametrize("kind", [errors.RequestTimeout, errors.ConnectionLost])
def test_both_parents_catch_it(kind: Type[Any]) -> None:
    for parent in kind.__bases__:
        with pytest.raises(parent):
            raise kind("x")
